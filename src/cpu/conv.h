/* conv.h: what the parts of convolution share: conv.c plans and walks, conv.inc has the loops for each type and
 * instruction set. Used by these two only.
 *
 * A task copies the channels it needs of one example into images: padded, and taken apart by the stride, so that what
 * one tap sees at successive positions lies in one run, wherever the window stands. There is no padding, stride or
 * dilation after that: through tap t, the position at `place` sees image[place + offset[t]].
 *
 * With K = channels*taps, x seen through the window is a matrix [K, positions]. Its columns are copied from the images
 * in panels that fit the cache, and then
 *     y = w @ seen            seen = w' @ dy, added back into the images            dw' = seen @ dy'
 * are products of matmul.h. Rows that fill vectors need no copy: tiles of some outputs at two vectors of positions, or of
 * dw', are summed in registers from the images as they lie. And where a group has few channels, its sums run along the
 * rows of the images. */
#ifndef CPU_CONV_H
#define CPU_CONV_H

#include "cpu/kernel.h"
#include "cpu/matmul.h"
#include "graph/sliding.h"

/* An axis of the images. Position p sees, through tap k, position p + k*dilation/stride of phase k*dilation%stride; of
 * the phases those that occur are kept: tap k sees phase k % phases. */
typedef struct ConvAxis {
    Sliding s;
    int64_t phases, length; /* positions of a phase */
    int64_t pitch, apart;   /* distance of positions, and of phases */
} ConvAxis;

/* The part of a phase that lies within x: its position t is x's t*stride + shift, for t from begin to end. */
typedef struct ConvSpan {
    int64_t begin, end, shift;
} ConvSpan;

/* A row of an image, along the last axis. */
typedef struct ConvRow {
    int64_t image, x; /* where it begins in the planes of both; x -1: in the padding */
    int64_t split;    /* x's position along the split axis */
} ConvRow;

/* The images of some channels, for positions of the result from `first` on along the split axis. */
typedef struct ConvImages {
    int64_t first, channels;
    ConvRow *row;
    void *image;
} ConvImages;

/* Positions that are neighbours in the images, as columns of `seen`. */
typedef struct ConvRun {
    int64_t column, length, place;
} ConvRun;

/* A vector of neighbouring positions: where the first is in the images, and in the planes of y. */
typedef struct ConvPlace {
    int64_t image, y;
} ConvPlace;

typedef struct ConvExtent {
    int64_t deep, high, wide; /* of the result, or of a band of it */
} ConvExtent;

typedef enum ConvWay {
    CONV_PANELS, /* products of `seen` */
    CONV_TILES,  /* sums in registers */
    CONV_SUMS    /* sums along rows */
} ConvWay;

/* A part of dw', `rows` of K and some outputs, and what one run of weigh_tiles adds to it. */
typedef struct ConvWeigh {
    int64_t begin, rows, outputs; /* begin: of the first channel in the images */
    const ConvPlace *place;       /* whole vectors, then those of which the last lanes alone are meant */
    int64_t whole, tails;
} ConvWeigh;

typedef struct ConvKernel ConvKernel;

typedef struct Conv {
    Kernel kernel;
    const ConvKernel *of;
    int64_t n, groups, channels, outputs; /* the last two of a group */
    int64_t examples;                     /* of a task; for dw, whose images are there at once */
    int64_t in, out, taps, depth;         /* elements of planes; depth = channels*taps */
    ConvAxis axis[SLIDING_AXES];
    int split;             /* the first axis that is real: a task has a band of positions along it */
    int64_t band, bands;   /* of the result; where the input is the result, of the input */
    int64_t rest;          /* elements of the result for each position of the split axis */
    int64_t plane;         /* elements of an image */
    int64_t image_rows;    /* of all its phases but those of the last axis */
    const int64_t *offset; /* [taps] */
    const int64_t
        *seen; /* [depth]: where the first position sees each row of K, from the first channel's image on */
    int64_t panel, block;  /* columns and rows of `seen` that are made at once */
    int64_t pitch;         /* distance of these rows */
    int64_t rows, columns; /* of dw' [K, outputs] in a task */
    int64_t down, across;  /* such tasks of a group, below and beside each other */
    Matmul product;        /* the largest one that a task asks for */
    MatmulType type;
    bool turned; /* the convolution with mirrored weights that dx is: x stands for dy, and y for dx */
    ConvWay way;
    int64_t places;                                             /* vectors of a task at once */
    int64_t images;                                             /* channels of an example's images, for dw */
    size_t at_places, at_images, at_panel, at_sums, at_product; /* in scratch; rows of images come first */
} Conv;

struct ConvKernel {
    int size, lanes;
    /* The images of planes of x; and the reverse, where x lies from `begin` to `end` along the split axis. */
    void (*fill)(const Conv *c, const ConvImages *m, const void *x);
    void (*unfill)(const Conv *c, const ConvImages *m, int64_t begin, int64_t end, void *x);
    /* Rows begin .. end of `seen`; and their addition to the images. */
    void (*pack)(const Conv *c, const void *images, int64_t begin, int64_t end, int runs, const ConvRun *run,
                 void *to);
    void (*spread)(const Conv *c, const void *from, int64_t begin, int64_t end, int runs, const ConvRun *run,
                   void *images);
    /* dw[columns, rows] = sums[rows, columns]'; dw is part of [outputs, K]. */
    void (*turn)(const Conv *c, int64_t rows, int64_t columns, const void *sums, void *dw);
    /* w [outputs, channels, taps] of a group as [channels, outputs, taps], the taps from the last to the first; c is
     * of what comes out. */
    void (*mirror)(const Conv *c, const void *w, void *to);
    /* y = w*x at some places; sums [outputs, c->rows] += x*dy over some places. */
    void (*forward_tiles)(const Conv *c, int64_t places, const ConvPlace *place, const void *images,
                          const void *w, void *y);
    void (*weigh_tiles)(const Conv *c, const ConvWeigh *part, const void *images, const void *dy, void *sums);
    /* Along rows, for one group: y = w*x, images += w*dy, sums [outputs, K] += x*dy. */
    void (*forward)(const Conv *c, ConvExtent size, const void *images, const void *w, void *y);
    void (*backward)(const Conv *c, ConvExtent size, const void *dy, const void *w, void *images);
    void (*weigh)(const Conv *c, ConvExtent size, const void *images, const void *dy, void *sums);
};

#endif
