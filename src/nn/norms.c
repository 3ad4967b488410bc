/* norms.c: layers that bring values to one scale, and layers that leave values out. Rows of text, enumerated by rows.c.
 * Parameters, defaults and where eps stands are PyTorch's; x is [n, c, ..], layernorm and rmsnorm take the last axis of
 * anything. Batch normalisation, which keeps statistics, is in images.c. */
#include "nn/rows.h"

const Definition nn_norms[] = {
    {"function", "rms_scaled(x, axis=-1, eps=1e-6): x/sqrt(mean(x*x, axis) + eps)",
     "(dy - y*mean(dy*y, axis))/sqrt(mean(x*x, axis) + eps)", "mean square 1 along an axis", 0},
    {"helper", "per_channel(x[n, c, k], w[c]): x*w{c -> c 1}", NULL, "each channel times a number of its own",
     0},

    {"layer",
     "layernorm(x[.., c], eps=1e-5, bias=true | weight[c] = 1, b as bias[c] = 0): "
     "y = weight*standardize(x, -1, eps); bias ? y + b : y",
     NULL,
     "mean 0 and variance 1 for each row, then a scale and shift that are learnt (Ba, Kiros and Hinton 2016)",
     0},
    {"layer", "rmsnorm(x[.., c], eps=1e-6 | weight[c] = 1): weight*rms_scaled(x, -1, eps)", NULL,
     "mean square 1 for each row, then a scale that is learnt (Zhang and Sennrich 2019)", 0},
    {"helper",
     "groups_standard(x[n, c, ..], groups, eps): "
     "y = reshape(x, n, c, -1){n (groups k) s -> n groups (k s)}; "
     "reshape(standardize(y, -1, eps), n, c, -1)",
     NULL, "[n, c, k]: mean 0 and variance 1 over each group of channels of each example", 0},
    {"layer",
     "groupnorm(x[n, c, ..], groups, eps=1e-5 | weight[c] = 1, bias[c] = 0): "
     "y = groups_standard(x, groups, eps); "
     "reshape(per_channel(y, weight) + bias{c -> c 1}, shape(x))",
     NULL,
     "mean 0 and variance 1 over each of so many groups of channels, then a scale and shift for each channel "
     "(Wu and He 2018)",
     0},
    {"helper",
     "channels_learnt(y[n, c, k] | weight[c] = 1, bias[c] = 0): per_channel(y, weight) + bias{c -> c 1}",
     NULL, "a scale and shift for each channel", 0},
    {"layer",
     "instancenorm(x[n, c, ..], eps=1e-5, affine=false): "
     "y = groups_standard(x, c, eps); reshape(affine ? channels_learnt(y) : y, shape(x))",
     NULL,
     "mean 0 and variance 1 over each channel of each example (Ulyanov, Vedaldi and Lempitsky 2016); affine: "
     "then a scale and shift that are learnt",
     0},

    {"layer",
     "spatial_dropout(x[n, c, ..], p=.5): reshape(reshape(x, n, c, -1)*dropout(ones(n, c, 1), p), shape(x))",
     NULL,
     "in training, a share p of the channels becomes 0 and the rest is enlarged (Tompson et al. 2015; Dropout2d)",
     0},
    {"layer", "drop_path(x[n, ..], p=.1): reshape(reshape(x, n, -1)*dropout(ones(n, 1), p), shape(x))", NULL,
     "stochastic depth: in training, a share p of the examples becomes 0 and the rest is enlarged; stands at the "
     "end of residual(...) (Huang et al. 2016)",
     0},
};
const size_t nn_norms_count = sizeof nn_norms / sizeof *nn_norms;
