/* course.h: which rows come when, and the steps over them: the same for a run, its resumption, and the search for what
 * made it diverge. Used by fit.c and divergence.c.
 *
 * The order of an epoch's rows depends on seed and epoch only, so a position (epoch, row) is all there is to resume. */
#ifndef TRAIN_COURSE_H
#define TRAIN_COURSE_H

#include "train/augment.h"
#include "train/batch.h"
#include "train/checkpoint.h"
#include "train/lbfgs.h"

enum { COURSE_RUNS = 4 };

typedef struct CourseRun {
    Binding key;
    Run run;
} CourseRun;

typedef struct Course {
    Model *m;
    const Dataset *data;
    const size_t *order; /* the training rows: the first `rows` of it */
    size_t rows, batch_rows;
    uint64_t epochs, steps; /* in all */
    bool shuffle, scheduled, adds;
    bool carries; /* the rows are read as streams, one for each row of a batch, and states go on along them */
    uint64_t seed;
    Dataset view; /* of the data, as epoch `turned` - 1 has it */
    size_t *turn; /* the rows in the order of epoch `turned` - 1; 0: of none */
    uint64_t turned;
    Batch batch;
    double *weight; /* of the data's rows, so that classes are balanced; NULL: the data's own */
    Augment augment;
    Lbfgs lbfgs;                /* if it is the optimizer; else zeros */
    void *norms;                /* of the last step that was asked for them, reals [groups + 1] */
    CourseRun run[COURSE_RUNS]; /* programs in use */
    size_t runs;
} Course;

/* By the model's settings. course_close is fine on zeros and after a failure. */
int course_open(Course *c, Model *m, const Dataset *data, const size_t *order, size_t rows, Error *e);
void course_close(Course *c);

/* From p on, epochs that the settings ask for are counted as p counts them, whatever the batches before it were. */
void course_begin(Course *c, const Progress *p);

/* The steps of one epoch, and whether the step after p is the last of its epoch. */
uint64_t course_epoch_steps(const Course *c);
bool course_ends_epoch(const Course *c, const Progress *p);

/* Loads the batch after p. */
void course_take(Course *c, const Progress *p);

/* One update from that batch; p moves on, but for the end of the epoch. *loss is the batch's; NaN if no row of it has
 * weight, and nothing is changed. norms: also fills c->norms. */
int course_step(Course *c, Progress *p, bool norms, double *loss, Error *e);
void course_end_epoch(Progress *p);

/* The loss over the rows of this epoch so far. */
double course_loss(const Course *c, const Progress *p);
double course_norm(const Course *c, size_t group); /* group m->groups: of all */

#endif
