/* model.h: a network with its weights, and the programs that use it. Used by train, api and jobs; knows everything
 * from graph/ to nn/, and data/dataset.h.
 *
 * Parameters and states live in the model's store, by path; every program of the model (one for each binding) binds
 * them. Programs are made on first use and kept. Calls that take a const Model may run from any number of threads. */
#ifndef TRAIN_MODEL_H
#define TRAIN_MODEL_H

#include "data/dataset.h"
#include "train/metrics.h"
#include "train/network.h"
#include "train/store.h"

typedef struct ModelLayer {
    char *path, *text;
    int depth;
    Shape shape; /* of its output for MODEL_ROWS rows */
} ModelLayer;

enum { MODEL_ROWS = 2 }; /* for which a network is built to learn what it is made of */

typedef struct ModelNote {
    char *key, *value;
} ModelNote;

typedef struct Model {
    Settings settings;
    Task task; /* complete: classes or targets are known */
    size_t
        outputs; /* numbers in a prediction: classes, or targets; a row of a text has task.positions of them */
    Store store;
    Store backup; /* for a step that fails; empty before the first */
    double
        *threshold; /* above which the second of two classes [1], or a label [outputs], is said; NULL: 0.5 */
    double *baseline; /* [outputs] shares of classes or means of targets in training; NaN before */
    size_t layers;
    ModelLayer *layer;
    char **group; /* paths of the layers with parameters */
    size_t groups;
    size_t parameters; /* numbers to learn */
    ModelNote *note;   /* what travels with the model: "columns" (JSON), "class_names" (a JSON array) */
    size_t notes, note_room;
    uint64_t steps; /* updates since the optimizer began */
    double drops;   /* how often a schedule that follows the loss has lowered lr since then */
    bool ready;     /* the optimizer's states are those of its text */
    bool carries;   /* layers hand states from row to row; see carried.h */
    bool measured;  /* what preprocessing subtracts and divides by is known, and belongs to the weights */
    struct Programs *programs;
} Model;

/* What a dataset says. */
Task task_of(const Dataset *d, bool standardize);

/* Builds the network once, so that every mistake in the texts is found here, and draws the initial weights. *m is NULL
 * on failure. */
int model_new(Model **m, const Settings *settings, const Task *task, Error *e);
int model_clone(const Model *m, Model **copy, Error *e);
void model_free(Model *m);

/* Changes decisions about training (optimizer, schedule, batch, ...). What the net is made of is fixed: NUDGE_INPUT. */
int model_settings(Model *m, const Settings *changes, Error *e);
/* Takes changes back: `before`, a copy from before them, becomes the settings and is empty afterwards. */
void model_undo(Model *m, Settings *before);
/* Back to step 0, with a fresh optimizer. */
int model_restart(Model *m, Error *e);

size_t model_batch(const Model *m); /* rows of an update, as the settings say */
DataType model_real(const Model *m);
DataType model_input(const Model *m);                    /* what the net takes: reals, bytes or tokens */
size_t model_columns(const Model *m);                    /* numbers in a row of t: 1 for class numbers */
size_t model_width(const Model *m);                      /* numbers in a row of y */
MetricsKind model_metrics(const Model *m);               /* by what it is judged */
double model_unit(const Model *m, size_t target);        /* in which errors of a reconstruction are counted */
const char *model_note(const Model *m, const char *key); /* or NULL */
int model_set_note(Model *m, const char *key, const char *value, Error *e);

/* NUDGE_INPUT unless rows of this dataset are what the model takes; `labelled`: with targets. */
int model_accepts(const Model *m, const Dataset *d, bool labelled, Error *e);

/* What is subtracted from and divides the numbers of a row; either pair may be NULL. Only where task.standardize. */
void model_standardize(Model *m, const double *mean, const double *scale, const double *target_mean,
                       const double *target_scale);
/* Takes the above, and the baseline, from rows of a dataset: all of what `standards` says, else only the baseline. */
int model_measure(Model *m, const Dataset *d, const size_t *rows, size_t n, bool standards, Error *e);

/* So many of `rows` are predicted or evaluated at once: a power of two, so that few programs serve any number, and not more
 * than leave the memory to work in within that of a usual training step; where memory is limited, than a batch has. */
size_t model_chunk(const Model *m, size_t rows);

/* True if the loss sees the targets with mean 0 and deviation 1. */
bool model_scales_targets(const Model *m);

/* The setting `threshold`. Where it is chosen by F1, it is 0.5 until metrics of rows say which. */
int model_take_threshold(Model *m, Error *e);
bool model_chooses_threshold(const Model *m);
int model_choose_threshold(Model *m, const Metrics *metrics, Error *e);
int model_copy_threshold(Model *to, const Model *from, Error *e);
void model_print_threshold(const Model *m, Text *out); /* as a setting; nothing if there is none */
/* Whether a prediction says the second of two classes (output 1), or a label. */
bool model_says(const Model *m, size_t output, double probability);

/* y [rows, width] of type y_type from x [rows, features] of type x_type. */
int model_predict(const Model *m, const void *x, DataType x_type, size_t rows, void *y, DataType y_type,
                  Error *e);

/* Loss and metrics over rows of a dataset (all if `order` is NULL). The loss is what its formula says of all of them.
 * metrics may be NULL, else is begun by the callee and released by the caller. */
int model_evaluate(const Model *m, const Dataset *d, const size_t *order, size_t n, double *loss,
                   Metrics *metrics, Error *e);

/* One update, without schedule; *loss, if not NULL, is that before it. */
int model_step(Model *m, const Dataset *d, double *loss, Error *e);

/* True if the loss adds up over rows (sse) rather than taking a mean. */
int model_loss_adds(const Model *m, bool *adds, Error *e);

/* The number that random layers get at a step (from 1). */
double model_seed(const Model *m, uint64_t step);

/* lr at a step of so many by optimizer and schedule; NaN if there is none. */
double model_rate(const Model *m, double step, double steps);

/* Tells the schedule the loss of an epoch that ends: m->drops may grow. */
int model_judge(Model *m, double loss, Plateau *p, Error *e);

#endif
