/* carried.h: the states that layers with carry=true hand from row to row, while a model predicts or is judged: as many as rows
 * are read side by side, apart from those of training, which lie in the model's store. Used by predict.c and by whoever
 * samples; knows models and programs. */
#ifndef TRAIN_CARRIED_H
#define TRAIN_CARRIED_H

#include "train/model.h"
#include "train/programs.h"

typedef struct CarriedStates {
    const Model *m;
    size_t rows, count;
    void **value; /* [count]: of the model's carried tensors, in their order, [rows, ..] */
} CarriedStates;

/* NUDGE_INPUT unless rows of a dataset go on where those before them end, and the net knows what comes next of each token. */
int carried_suits(const Model *m, const Dataset *d, Error *e);

/* Zeros for so many rows; nothing for a model without such layers. carried_close is fine on zeros and after a failure. */
int carried_open(CarriedStates *c, const Model *m, size_t rows, Error *e);
void carried_close(CarriedStates *c);

/* Back to zero. */
void carried_clear(CarriedStates *c);

/* Before a program that predicts or evaluates runs: it reads these states and leaves its own there. */
void carried_bind(const CarriedStates *c, Run *r);

/* y [rows, width] from tokens x [rows, features], one row of each of the streams that the states belong to. */
int model_follow(const Model *m, CarriedStates *c, const int32_t *x, double *y, Error *e);

/* The same model that looks at so many tokens at once, with its weights: 1 to go on token by token. NUDGE_INPUT if the net
 * depends on their number. */
int model_narrow(const Model *m, size_t features, Model **narrow, Error *e);

#endif
