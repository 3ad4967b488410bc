/* checkpoint.h: models and states of training as safetensors files. Used by fit.c, api and jobs; knows model.h and
 * format/.
 *
 * model.safetensors has the weights and, in its metadata, all that predicting needs: the recipe's keys that are set
 * ("net", "loss", "define.gate(x)"), facts of the task ("features", "input", "task", "classes" or "targets"), and the
 * model's notes ("columns", "class_names"). checkpoint.safetensors also has the optimizer's states, the position of the
 * run, and the best weights so far under "best." names where they are others. Neither holds a time, a path or a number
 * of threads. */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "train/model.h"

/* Where a run stands. All of it is in a checkpoint. */
typedef struct Progress {
    uint64_t step;                  /* updates done */
    uint64_t epoch;                 /* epochs done */
    uint64_t row;                   /* rows of the current epoch done */
    uint64_t rows;                  /* to train on */
    double loss, weight;            /* sums over the rows done in this epoch */
    uint64_t best_epoch, best_step; /* 0: none yet */
    double best, best_loss;         /* figure and validation loss of the best epoch */
    uint64_t waited;                /* epochs since the best one */
    Plateau plateau;                /* what the schedule counts, if it follows the loss */
} Progress;

/* `weights`: the store to write, or NULL for the model's own. */
int model_save(const Model *m, const Store *weights, const char *path, Error *e);
int model_write(const Model *m, const Store *weights, Text *out, Error *e);

/* From a file, a run directory, or memory (name is for messages). `local`: settings of this machine (threads, isa), may
 * be NULL. *m is NULL on failure. */
int model_open(Model **m, const char *path, const Settings *local, Error *e);
int model_read(Model **m, const char *name, const void *bytes, size_t size, const Settings *local, Error *e);

/* Takes the tensors of a safetensors file by name, as `init:` does; those the file lacks stay as they are. */
int model_init(Model *m, const char *path, Error *e);

int checkpoint_save(const Model *m, const Progress *p, const Store *best, const char *path, Error *e);
/* Into a model made from the same recipe. *best, which must be empty, gets the best weights, if there are any. */
int checkpoint_load(Model *m, Progress *p, Store *best, const char *path, Error *e);

#endif
