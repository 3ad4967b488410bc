/* trainlog.h: log.csv of a run: losses, metrics, learning rate and the gradient norm of every layer, a row an epoch and,
 * with `log`, a row every so many steps. Used by fit.c; knows format/csvlog.h. */
#ifndef TRAIN_TRAINLOG_H
#define TRAIN_TRAINLOG_H

#include "format/csvlog.h"
#include "train/course.h"

typedef struct Trainlog {
    Csvlog log;
    const Course *course;
    double *value;
    size_t columns;
} Trainlog;

/* resume: goes on after the rows up to that step; else begins anew. */
int trainlog_open(Trainlog *l, const Course *c, const char *path, bool resume, uint64_t step, Error *e);
void trainlog_close(Trainlog *l); /* fine on zeros */

/* Needs a step with norms before it. metrics NULL: a row of a step, else of an epoch. */
int trainlog_row(Trainlog *l, const Progress *p, double loss, double validation_loss, const Metrics *metrics,
                 Error *e);

#endif
