/* sliding.h: how a window slides over tensors [n, c, spatial ..], of one to three spatial axes: the common geometry of
 * convolutions and pooling. Used by graph/, plan/ and cpu/.
 *
 * A node carries, for each spatial axis, how the window moves (ops/structural.def). All axes are brought to three here,
 * with sizes of 1 in front, so that one set of loops serves all. Position p of the result sees, through tap k of the
 * window, position p*stride - before + k*dilation of the input, which is zero where it lies outside. */
#ifndef GRAPH_SLIDING_H
#define GRAPH_SLIDING_H

#include "graph/graph.h"

enum { SLIDING_AXES = 3 };

/* One axis. */
typedef struct Sliding {
    int64_t in, out, taps; /* sizes of the input, of the result and of the window */
    int64_t stride, before, dilation;
} Sliding;

/* x [n, groups*channels, in ..], w [groups*outputs, channels, taps ..], y [n, groups*outputs, out ..]. */
typedef struct Convolution {
    int64_t n, groups, channels, outputs;
    Sliding axis[SLIDING_AXES];
} Convolution;

/* The same for each of the three operations, given the shapes of x, w and y. attribute: stride[], before[], dilation[],
 * size[], groups. */
Convolution convolution_of(const Shape *x, const Shape *w, const Shape *y, const int64_t *attribute);

/* Of operation op, whose inputs and result have the shapes first, second and result. */
Convolution convolution_node(OpCode op, const Shape *first, const Shape *second, const Shape *result,
                             const int64_t *attribute);

/* Of pool_argmax on x [n, c, in ..]. attribute: stride[], before[], dilation[], window[], size[]. */
void sliding_pool(const Shape *x, const int64_t *attribute, Sliding axis[SLIDING_AXES]);

static inline int64_t sliding_at(const Sliding *s, int64_t position, int64_t tap)
{
    return position * s->stride - s->before + tap * s->dilation;
}

/* The product of one size over all axes. */
int64_t sliding_in(const Sliding axis[SLIDING_AXES]);
int64_t sliding_out(const Sliding axis[SLIDING_AXES]);
int64_t sliding_taps(const Sliding axis[SLIDING_AXES]);

#endif
