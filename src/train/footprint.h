/* footprint.h: how much memory a training run takes at its peak, before it begins. For `inspect`; knows what fit.c, course.c
 * and predict.c hold, and makes their programs to see what those need.
 *
 * What is counted is asked for from memory.h; what the system adds (the program's own pages, the heap's slack) is a
 * constant. */
#ifndef TRAIN_FOOTPRINT_H
#define TRAIN_FOOTPRINT_H

#include "train/model.h"

typedef struct Footprint { /* bytes */
    size_t data;           /* rows, and the orders in which they come */
    size_t model;          /* weights and states, and the copies that a run keeps to go back to */
    size_t batch;          /* a batch that trains, one that is judged */
    size_t work;           /* what programs work in, and each thread's part */
    size_t plans;          /* programs, and the graph that the largest is made from */
    size_t program;        /* nudge itself: code, libraries, stacks */
    size_t peak;           /* their sum */
} Footprint;

/* Of `nudge train`: `data` of which `train` rows train, the others judge, or those of `validation` if it is not NULL. The
 * model is left as at the beginning of a run. */
int footprint_measure(Footprint *f, Model *m, const Dataset *data, size_t train, const Dataset *validation,
                      Error *e);

#endif
