/* rates.h: the learning-rate range test (Smith, Cyclical learning rates for training neural networks, 2015): a short run
 * whose lr grows from step to step shows where the loss falls, and from where on it breaks out. Used by jobs/; knows
 * course.h. */
#ifndef TRAIN_RATES_H
#define TRAIN_RATES_H

#include "train/model.h"

enum { RATES_STEPS = 200 };

typedef struct Rates {
    size_t steps;                              /* done */
    double lr[RATES_STEPS], loss[RATES_STEPS]; /* the loss smoothed over the steps */
    double least;                              /* lr at which the loss was least */
    double broken;                             /* lr at which it broke out; NaN if it never did */
    double suggestion;                         /* a tenth of `least` */
} Rates;

/* Trains the model on rows order[0..rows) of the data; it is of no use afterwards. NUDGE_INPUT where the optimizer has
 * no lr. */
int rates_find(Model *m, const Dataset *data, const size_t *order, size_t rows, Rates *r, Error *e);

#endif
