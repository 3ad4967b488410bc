/* batch.h: rows of a dataset as a program takes them. Used by model.c, fit.c and divergence.c. */
#ifndef TRAIN_BATCH_H
#define TRAIN_BATCH_H

#include "train/model.h"
#include "train/programs.h"

typedef struct Batch {
    size_t rows;
    DataType x_type, t_type;
    void *x, *t;
    double *weight; /* NULL without weights */
    void *real;     /* the weights as the model's reals */
    double total;   /* of the weights; without them the number of examples */
} Batch;

/* Room for so many rows. batch_free is fine on zeros and after a failure. */
int batch_new(Batch *b, const Model *m, size_t rows, bool weighted, Error *e);
void batch_free(Batch *b);

/* Rows row[0..n) of the dataset. */
void batch_take(Batch *b, const Model *m, const Dataset *d, const size_t *row, size_t n);
/* Its inputs, as they are now, become its targets. */
void batch_reconstruct(Batch *b, const Model *m);
void batch_bind(const Batch *b, Run *r);

/* One update from the batch bound to a training program: step m->steps + 1 of `steps`. Returns the loss before it. */
double batch_step(Run *r, Model *m, double steps);

#endif
