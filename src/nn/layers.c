/* layers.c: layers with parameters. Rows of text, enumerated by rows.c. Parameters have PyTorch's names and shapes:
 * weight [out, in, ..]. Layers that hold nets (residual, repeat) or that have no parameters (flatten, dropout) are
 * natives of the notation, and every function of one tensor is a layer, too (ops/definitions.c). */
#include "nn/rows.h"

const Definition nn_layers[] = {
    {"layer",
     "dense(x[.., in], n, bias=true, init=glorot, bias_init=zeros "
     "| weight[n, in] ~ init, b as bias[n] ~ bias_init): "
     "bias ? x @ weight' + b : x @ weight'",
     NULL,
     "every output is a weighted sum of every input; init, bias_init: an initialiser, such as he or uniform(.3)",
     0},
    {"layer", "prelu(x | weight[1] = .25): where(0 < x, x, weight*x)", NULL,
     "leaky_relu whose slope is learnt (He et al. 2015); at 0 the slope is the left one", 0},
};
const size_t nn_layers_count = sizeof nn_layers / sizeof *nn_layers;
