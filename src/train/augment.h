/* augment.h: changes images at random as they are trained on: the setting `augment`. Used by course.c; knows batches.
 *
 *     shift(2)     by up to so many pixels along each side          flip       mirrored, left to right, or not
 *     rotate(10)   by up to so many degrees                         cutout(8)  a square of that side becomes black
 *     crop(0.8)    a part, from that share of the sides on, enlarged to the whole
 *     mixup(0.2)   mixed with another image of the batch
 *
 * They are applied in the order written, mixup after all others. What comes out depends on seed, epoch and row only,
 * mixup also on which rows are in the batch. */
#ifndef TRAIN_AUGMENT_H
#define TRAIN_AUGMENT_H

#include "train/batch.h"

enum { AUGMENT_MOST = 8 };

typedef struct AugmentStep {
    const struct AugmentKind *kind;
    double value;
} AugmentStep;

typedef struct Augment {
    AugmentStep step[AUGMENT_MOST];
    size_t steps;
    double mixup; /* 0: none */
    size_t channels, height, width;
    uint64_t seed;
    uint8_t *room; /* of an image */
    uint8_t *kept; /* of a batch, for mixup */
} Augment;

/* By the model's settings; without `augment` nothing will happen. augment_close is fine on zeros and after a failure. */
int augment_open(Augment *a, const Model *m, const Dataset *d, size_t batch_rows, Error *e);
void augment_close(Augment *a);

/* Changes the images of a batch, which are rows row[0..] of the data. */
void augment_batch(const Augment *a, Batch *b, const size_t *row, uint64_t epoch);

#endif
