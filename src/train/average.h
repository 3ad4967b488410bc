/* average.h: averages of the weights in the weights' place, to judge and to keep: the setting `average`. Used by fit.c.
 * The averages are states of the optimizer, "optimizer.NAME.average", which the training program changes. */
#ifndef TRAIN_AVERAGE_H
#define TRAIN_AVERAGE_H

#include "train/model.h"

typedef struct Average {
    Model *m;
    Store kept; /* the model while its averages stand in; empty where there are none */
} Average;

/* Without the setting nothing will happen. average_close is fine on zeros and after a failure. */
int average_open(Average *a, Model *m, Error *e);
void average_close(Average *a);

/* The model's parameters become their averages; and what they were before. */
void average_take(Average *a);
void average_give_back(Average *a);

#endif
