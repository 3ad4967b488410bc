/* sliding.c: see sliding.h. */
#include "graph/sliding.h"

static const Sliding sliding_none = {1, 1, 1, 1, 0, 1};

Convolution convolution_of(const Shape *x, const Shape *w, const Shape *y, const int64_t *attribute)
{
    int axes = x->rank - 2, front = SLIDING_AXES - axes;
    const int64_t *stride = attribute, *before = stride + axes, *dilation = before + axes;
    Convolution c = {.n = x->dim[0], .groups = attribute[4 * axes]};
    c.channels = w->dim[1];
    c.outputs = w->dim[0] / c.groups;
    for (int a = 0; a < front; a++)
        c.axis[a] = sliding_none;
    for (int a = 0; a < axes; a++)
        c.axis[front + a] =
            (Sliding){x->dim[2 + a], y->dim[2 + a], w->dim[2 + a], stride[a], before[a], dilation[a]};
    return c;
}

Convolution convolution_node(OpCode op, const Shape *first, const Shape *second, const Shape *result,
                             const int64_t *attribute)
{
    if (op == OP_convolve) return convolution_of(first, second, result, attribute);
    if (op == OP_convolve_input) return convolution_of(result, second, first, attribute);
    return convolution_of(first, result, second, attribute);
}

void sliding_pool(const Shape *x, const int64_t *attribute, Sliding axis[SLIDING_AXES])
{
    int axes = x->rank - 2, front = SLIDING_AXES - axes;
    const int64_t *stride = attribute, *before = stride + axes, *dilation = before + axes;
    const int64_t *window = dilation + axes, *size = window + axes;
    for (int a = 0; a < front; a++)
        axis[a] = sliding_none;
    for (int a = 0; a < axes; a++)
        axis[front + a] = (Sliding){x->dim[2 + a], size[a], window[a], stride[a], before[a], dilation[a]};
}

int64_t sliding_in(const Sliding axis[SLIDING_AXES])
{
    return axis[0].in * axis[1].in * axis[2].in;
}

int64_t sliding_out(const Sliding axis[SLIDING_AXES])
{
    return axis[0].out * axis[1].out * axis[2].out;
}

int64_t sliding_taps(const Sliding axis[SLIDING_AXES])
{
    return axis[0].taps * axis[1].taps * axis[2].taps;
}
