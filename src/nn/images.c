/* images.c: layers that slide a window over signals, images and volumes x [n, c, one to three sizes]. Rows of text,
 * enumerated by rows.c. Parameters, their shapes and all sizes are PyTorch's; size, stride, padding and dilation are one
 * number or a tuple with one for each spatial axis. */
#include "nn/rows.h"

const Definition nn_images[] = {
    {"helper",
     "beside(w[c], x): r = rank(x); r < 3 ? w : r == 3 ? w{c -> c 1} : r == 4 ? w{c -> c 1 1} : w{c -> c 1 1 1}",
     NULL, "numbers of channels in a shape that meets x [n, c, ..]", 0},
    {"layer",
     "conv(x[batch, c, ..], n, size, stride=1, padding=0, dilation=1, groups=1, bias=true "
     "| weight[kernel_shape(x, n, size, groups)] ~ he, b as bias[n] = 0): "
     "y = convolve(x, weight, stride, padding, dilation, groups); bias ? y + beside(b, y) : y",
     NULL,
     "n channels, each a weighted sum of what a window over all channels sees (LeCun et al. 1989); the rank of x decides "
     "between Conv1d, Conv2d and Conv3d; padding=same keeps the size; groups=c is depthwise",
     0},
    {"layer",
     "deconv(x[batch, c, ..], n, size, stride=1, padding=0, output_padding=0, dilation=1, groups=1, bias=true "
     "| weight[kernel_shape(x, n, size, groups, true)] ~ he, b as bias[n] = 0): "
     "y = convolve_input(x, weight, stride, padding, dilation, groups, "
     "unfolded(x, size, stride, padding, dilation, output_padding)); bias ? y + beside(b, y) : y",
     NULL,
     "the transposed convolution, which enlarges (Zeiler et al. 2010; ConvTranspose): each element of x times a window of "
     "weights, summed where they overlap",
     0},

    {"layer",
     "maxpool(x[batch, c, ..], size, stride=size, padding=0, dilation=1): "
     "pool_take(x, pool_argmax(x, size, stride, padding, dilation))",
     NULL, "the largest element of each window; the first of equals gets the gradient", 0},
    {"layer",
     "avgpool(x[batch, c, ..], size, stride=size, padding=0): w = ones(kernel_shape(x, c, size, c)); "
     "convolve(x, w*c/size(w), stride, padding, 1, c)",
     NULL, "the mean of each window, in which the zeros of the padding count", 0},
    {"layer", "global_avgpool(x[batch, c, ..]): reshape(mean(reshape(x, batch, c, -1), 2), batch, c)", NULL,
     "the mean of each channel, [n, c]", 0},
    {"layer",
     "global_maxpool(x[batch, c, ..]): y = reshape(x, batch, c, -1); reshape(maxpool(y, dim(y, 2)), batch, c)",
     NULL, "the largest of each channel, [n, c]", 0},

    {"helper",
     "row_by_row(x, w): y = w @ reshape(x, dim(x, 0), dim(x, 1), dim(x, 2), -1); "
     "reshape(y, dim(x, 0), dim(x, 1), dim(w, 0), dim(x, 3), dim(x, 4))",
     NULL, "the third axis from the end times a matrix", 0},
    {"helper",
     "bins(from, to): i = arange(to){i -> i 1}; j = arange(from); low = floor(i*from/to); "
     "high = ceil((i + 1)*from/to); (low <= j)*(j < high)/(high - low)",
     NULL, "[to, from]: means of `to` parts of an axis, which overlap where it does not divide", 0},
    {"helper", "nearest_of(from, to): floor(arange(to){i -> i 1}*from/to) == arange(from)", NULL,
     "[to, from]: the element that each of `to` places falls on", 0},
    {"helper",
     "between(from, to): p = clip((arange(to){i -> i 1} + .5)*from/to - .5, 0, from - 1); "
     "max(1 - abs(p - arange(from)), 0)",
     NULL, "[to, from]: straight lines between the middles of elements", 0},
    {"helper", "sampling(from, to, mode): mode == nearest ? nearest_of(from, to) : between(from, to)", NULL,
     "[to, from]: one of the two", 0},
    {"layer",
     "adaptive_avgpool(x[batch, c, ..], size): r = rank(x); s = each(size, r - 2); "
     "y = x @ bins(dim(x, -1), s[-1])'; y = r > 3 ? bins(dim(x, -2), s[-2]) @ y : y; "
     "r > 4 ? row_by_row(y, bins(dim(x, -3), s[-3])) : y",
     NULL, "means of as many parts of each axis as size says", 0},
    {"layer",
     "resize(x[batch, c, ..], size=0, scale=2, mode=nearest): r = rank(x); s = resized(x, size, scale, mode); "
     "y = x @ sampling(dim(x, -1), s[-1], mode)'; y = r > 3 ? sampling(dim(x, -2), s[-2], mode) @ y : y; "
     "r > 4 ? row_by_row(y, sampling(dim(x, -3), s[-3], mode)) : y",
     NULL,
     "another size, or a multiple of this one: mode is nearest, or linear (also called bilinear and trilinear), whose "
     "corners are half an element from the border (align_corners=False)",
     0},

    {"helper",
     "channel_mean(x): r = rank(x); "
     "r < 3 ? mean(x, 0) : r < 4 ? mean(x, 0, 2) : r < 5 ? mean(x, 0, 2, 3) : mean(x, 0, 2, 3, 4)",
     NULL, "the mean of each channel of x [n, c, ..]; the other axes become 1", 0},
    {"helper",
     "channel_normalize(x[n, c, ..], weight[c], bias[c], eps): d = x - channel_mean(x); "
     "d*(beside(weight, x)/sqrt(channel_mean(d*d) + eps)) + beside(bias, x)",
     "d = x - channel_mean(x); r = 1/sqrt(channel_mean(d*d) + eps); s = channel_mean(dy); q = channel_mean(dy*d); "
     "count = size(x)/c; beside(weight, x)*r*(dy - s - d*(q*r*r)), reshape(count*q*r, c), reshape(count*s, c), 0",
     "mean 0 and variance 1 over each channel, then a scale and shift", 0},
    {"layer",
     "batchnorm(x[batch, c, ..], momentum=.1, eps=1e-5 "
     "| weight[c] = 1, bias[c] = 0, running_mean[c] = 0, running_var[c] = 1): "
     "count = size(x)/c; m = channel_mean(x); d = x - m; v = channel_mean(d*d); "
     "running_mean <- train ? (1 - momentum)*running_mean + momentum*reshape(m, c) : running_mean; "
     "running_var <- train ? (1 - momentum)*running_var + momentum*count/max(count - 1, 1)*reshape(v, c) : running_var; "
     "train ? channel_normalize(x, weight, bias, eps) "
     ": (x - beside(running_mean, x))*beside(weight/sqrt(running_var + eps), x) + beside(bias, x)",
     NULL,
     "mean 0 and variance 1 over each channel of the batch, then a scale and shift that are learnt (Ioffe and Szegedy "
     "2015); prediction uses running means of both statistics, the variance as of a sample",
     0},
};
const size_t nn_images_count = sizeof nn_images / sizeof *nn_images;
