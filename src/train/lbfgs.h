/* lbfgs.h: the limited-memory quasi-Newton method of Broyden, Fletcher, Goldfarb and Shanno (Liu and Nocedal 1989), for
 * small problems. Used by course.c; knows model.h and programs.h.
 *
 * One step is one direction and a search along it, over programs that give the objective and its gradient. What it
 * remembers are tensors of the model ("optimizer.lbfgs.steps", ...), so checkpoints have it. Memory is that of
 * 2*history + 6 copies of the parameters. */
#ifndef TRAIN_LBFGS_H
#define TRAIN_LBFGS_H

#include "train/model.h"
#include "train/programs.h"

enum { LBFGS_VECTORS = 6 };

typedef struct Lbfgs {
    Model *m;
    size_t size, history;
    Tensor **part; /* the parameters that are learnt, in the order of the gradient */
    size_t parts;
    Tensor *steps, *changes; /* [history, size], the oldest first: s of x, and y of the gradient */
    Tensor *gradient;        /* [size] where the model is */
    Tensor *memory;          /* [3]: objective and loss there; how many of the history there are */
    double *vector[LBFGS_VECTORS];
    double *inner; /* [2, history]: products of the two loops */
    void *real;    /* [size] as the program writes it */
    Run *run;
} Lbfgs;

/* lbfgs_close is fine on zeros and after a failure. */
int lbfgs_open(Lbfgs *l, Model *m, Error *e);
void lbfgs_close(Lbfgs *l);

/* A step with the program of a batch, which must be the same one each time. Returns the loss before it. */
double lbfgs_step(Lbfgs *l, Run *r);
/* The gradient [size] where the last step began. */
const double *lbfgs_began(const Lbfgs *l);

#endif
