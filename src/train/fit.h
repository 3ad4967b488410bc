/* fit.h: the loop that trains a model: epochs, batches, validation, early stopping, log and checkpoints. Used by api and
 * jobs; knows train/ and data/dataset.h.
 *
 * What a run does depends on data and settings only, never on time or threads; one that was stopped and resumed gives
 * the same bits as one that never was, also from the middle of an epoch. */
#ifndef TRAIN_FIT_H
#define TRAIN_FIT_H

#include "train/checkpoint.h"
#include "train/model.h"

typedef struct Fit {
    /* Given. */
    const Dataset *data;       /* the training rows, and the validation rows unless these stand apart */
    const Dataset *validation; /* NULL: the setting `validation` holds out a part of `data` */
    const char *directory; /* where checkpoint.safetensors, model.safetensors and log.csv go; NULL: nowhere */
    bool resume;           /* go on from the directory's checkpoint */
    nudge_listener *listener; /* may be NULL */
    void *context;
    const char *const *names; /* of classes, for events; NULL: "class 0", ... */

    /* Found. */
    size_t rows, validation_rows;
    Progress progress; /* where the run begins, then where it ended; its best epoch */
    bool stopped;      /* by the listener */
    bool patient;      /* by early stopping */
    double loss;       /* of the best epoch: validation, else training */
    Metrics metrics;   /* of the kept weights on the validation rows, else the training rows */
    double seconds;
} Fit;

/* Trains from step 0, or on from a checkpoint. What preprocessing needs is measured on the training rows unless the model
 * knows it (model_standardize, an earlier run). The model ends with the best weights by validation, or the last without
 * one; with `average`, averages take the place of both. NUDGE_DIVERGED: with the last good ones. fit_free releases what
 * was found, also after a failure. */
int fit_run(Model *m, Fit *f, Error *e);
void fit_free(Fit *f);

/* NUDGE_INPUT if settings of the model ask for what a run cannot do; `held`: there are validation rows. fit_run asks,
 * too; this is for asking before anything is written. */
int fit_check(const Model *m, bool held, Error *e);

/* The rows by role, as fit_run divides them: order [data->rows] has *train training rows, then the validation rows. */
int fit_split(const Model *m, const Dataset *data, const Dataset *validation, size_t *order, size_t *train,
              Error *e);

#endif
