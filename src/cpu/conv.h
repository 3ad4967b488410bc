/* conv.h: what the parts of convolution share: conv.c plans and walks, conv.inc has the loops for each type and
 * instruction set. Used by these two only.
 *
 * A task copies the channels it needs of one example into images: padded, and taken apart by the stride, so that what
 * one tap sees at successive positions lies in one run, wherever the window stands. There is no padding, stride or
 * dilation after that: tap t at position p is image[offset[t] + place of p].
 *
 * With K = channels*taps, x seen through the window is a matrix [K, positions]; its columns are copied from the images
 * in panels that fit the cache, and then
 *     y = w @ seen            seen = w' @ dy, added back into the images            dw = seen @ dy'
 * are products of matmul.h. Where a group has few channels, that would be more copying than multiplying: these are
 * summed directly, along the rows of the images. */
#ifndef CPU_CONV_H
#define CPU_CONV_H

#include "cpu/kernel.h"
#include "cpu/matmul.h"
#include "graph/sliding.h"

/* An axis of the images. Position p through tap k is position p + k*dilation/stride of phase k*dilation%stride; of the
 * phases those that occur are kept: tap k sees phase k % phases. */
typedef struct ConvAxis {
    Sliding s;
    int64_t phases, length; /* of a phase */
    int64_t pitch, apart;   /* distance of positions, and of phases */
} ConvAxis;

typedef struct ConvKernel ConvKernel;

typedef struct Conv {
    Kernel kernel;
    const ConvKernel *of;
    int64_t n, groups, channels, outputs; /* the last two of a group */
    int64_t in, out, taps, depth;         /* elements of planes; depth = channels*taps */
    ConvAxis axis[SLIDING_AXES];
    int split;                /* the axis along which a task has a band of positions: the first that is real */
    int64_t band, bands;      /* positions of the result, or of the input where the input is the result */
    int64_t rest;             /* elements of the result's plane for each position of the split axis */
    int64_t plane;            /* elements of an image */
    const int64_t *offset;    /* [taps] */
    int64_t panel, block;     /* columns and rows of the part of `seen` that is made at once */
    int64_t pitch;            /* of its rows */
    int64_t rows, columns;    /* of dw' [K, outputs] in a task */
    int64_t down, across;     /* tasks beside each other in a group */
    Matmul product;           /* the largest one that a task asks for */
    size_t at_panel, at_sums; /* places in scratch; images come first */
    size_t at_product;
} Conv;

/* Positions p, p + 1, .. that are neighbours in the images, as columns of `seen`. */
typedef struct ConvRun {
    int64_t column, length;
    int64_t place; /* of the first */
} ConvRun;

enum { CONV_RUNS = 256 }; /* of a panel at most: it has no more columns */

struct ConvKernel {
    int size, lanes;
    /* The image of a plane of x, for positions of the result from `first` on; and the reverse: the elements of x's
     * plane from position `from` to `to` of the split axis, which are 0 before. */
    void (*fill)(const Conv *c, int64_t first, const void *x, void *image);
    void (*unfill)(const Conv *c, int64_t first, int64_t from, int64_t to, const void *image, void *x);
    /* Rows begin .. end of `seen`; and their addition to the images. */
    void (*pack)(const Conv *c, const void *images, int64_t begin, int64_t end, int runs, const ConvRun *run,
                 void *to);
    void (*spread)(const Conv *c, const void *from, int64_t begin, int64_t end, int runs, const ConvRun *run,
                   void *images);
    /* dw [outputs, K] = sums [K, outputs]', of a part of both. */
    void (*turn)(int64_t rows, int64_t columns, const void *sums, void *dw, int64_t pitch);
    /* The same three without `seen`, for `count` positions of the split axis: y = w*x, images += w*dy, sums += x*dy. */
    void (*forward)(const Conv *c, int64_t count, const void *images, const void *w, void *y);
    void (*backward)(const Conv *c, int64_t count, const void *dy, const void *w, void *images);
    void (*weigh)(const Conv *c, int64_t count, const void *images, const void *dy, void *sums);
};

#endif
