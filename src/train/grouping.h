/* grouping.h: which rule changes which parameter: the recipe's optimizer, that of a group, or none, because it is frozen.
 * Used by network.c and lbfgs.c; knows settings only. */
#ifndef TRAIN_GROUPING_H
#define TRAIN_GROUPING_H

#include "train/settings.h"

typedef struct Rule {
    const char *text;     /* "adam(lr=1e-3)"; NULL: frozen */
    const Setting *group; /* where it stands; NULL: it is the optimizer's */
} Rule;

/* * stands for any characters, also none. */
bool rule_matches(const char *pattern, size_t length, const char *name);

/* The rule of the parameter of that name. `optimizer`: that of parameters which no group names. */
Rule rule_of(const Settings *s, const char *optimizer, const char *name);

/* Raises nothing: NUDGE_INPUT if a pattern of `groups` or `freeze` matches none of the names. */
int rules_check(const Settings *s, const char *const *names, size_t count, Error *e);

#endif
