/* infer.h: decides what each column of a training table is. For the trainer, once for each run; knows tables. */
#ifndef DATA_INFER_H
#define DATA_INFER_H

#include "data/columns.h"
#include "data/table.h"

typedef struct InferOptions {
    const char *const *target; /* names; none: the last column that is not named below */
    size_t target_count;
    const char *weight; /* NULL: none */
    const char *text;   /* the column of free text; NULL: one only if nothing else is left to learn from */
    DataTask task;      /* TASK_RECONSTRUCT has no target: all columns are inputs */
    const char *const *ignore;
    size_t ignore_count;
    const char *const *missing; /* beside pandas' list */
    size_t missing_count;
} InferOptions;

/* The rules:
 *  - A column whose cells are all numbers, but for missing ones, is a number; otherwise a category. If most cells are
 *    numbers and the rest look like mistakes, that is an error.
 *  - A text target, or one of few distinct integers, is classified; any other regressed. Several targets are labels
 *    if each has two values, else numbers.
 *  - Left out with a warning: constant columns, empty ones, text that is different in nearly every row, and an unnamed
 *    first column that counts the rows.
 *  - If that leaves no input, the column with the longest texts of those that are different in nearly every row is free
 *    text. Beside a column of text no other is an input.
 *  - Rows without a value in each target count for nothing.
 * Statistics come later (columns_measure). Warnings are appended to *warnings, one a line. On failure *k is empty. */
int columns_fit(Columns *k, const Table *t, const InferOptions *options, Text *warnings, Error *e);

/* The tokens of the column of text, and how many a row has: `tokens` as a recipe says it (tokens_parse), NULL: words if
 * texts have several, else characters; context 0: the longest text, 256 at most. */
int columns_fit_text(Columns *k, const Table *t, const char *tokens, const char *origin, size_t context,
                     Text *warnings, Error *e);

#endif
