/* restraints.h: what the settings penalty, constraint and average make of a parameter. Used by network.c; knows the
 * notation. All of it raises through the blueprint's error. */
#ifndef TRAIN_RESTRAINTS_H
#define TRAIN_RESTRAINTS_H

#include "train/network.h"

/* The penalty of a parameter, [1]; NULL without one. */
Node *restraint_penalty(const Blueprint *b, Graph *g, Node *w);

/* Changes what an update has assigned to the parameter as the constraint says, and keeps the average of it in the state
 * "optimizer.NAME.average". t: the number of the step. */
void restraint_update(const Blueprint *b, Graph *g, Node *w, Node *t);

#endif
