/* columns.h: what a model knows about the columns of its data: which are inputs, how text becomes numbers, what the
 * targets are. infer.h decides it from a training table, encode.h applies it, and it travels with the model as JSON.
 * Knows base/ and tokens. */
#ifndef DATA_COLUMNS_H
#define DATA_COLUMNS_H

#include "data/tokens.h"

typedef enum ColumnRole {
    COLUMN_OUT,      /* not used */
    COLUMN_NUMBER,   /* an input; one feature, the number as it is */
    COLUMN_CATEGORY, /* an input; one feature for each level, 1 for the level that the cell holds, else 0 */
    COLUMN_TARGET,
    COLUMN_WEIGHT, /* the weight of the row */
    COLUMN_TEXT    /* the only input: free text; its tokens, one feature each */
} ColumnRole;

typedef struct Column {
    char *name;
    ColumnRole role;
    size_t first,
        features; /* an input's features are [first, first + features); a target's place among them is first */
    size_t level_count;
    char **levels; /* categories or class names, sorted: by value if all are numbers, else by bytes */
    bool numbers;  /* levels are sorted by value, and "1.0" is level "1" */
    double
        mean; /* of the numbers in the training rows; NaN before columns_measure; stands for missing ones */
    double scale; /* their standard deviation, 1 if that is 0 */
} Column;

#define COLUMN_NONE ((size_t)-1)

/* What is learnt from a table: a class, numbers, several things each of which is so or not so, or the inputs
 * themselves. TASK_INFER: what the targets look like. */
typedef enum DataTask { TASK_INFER, TASK_CLASSIFY, TASK_REGRESS, TASK_LABELS, TASK_RECONSTRUCT } DataTask;

typedef struct Columns {
    size_t count;
    Column *column;        /* [count], as in the training file */
    size_t target, weight; /* positions, of the first target; COLUMN_NONE if there is none */
    size_t targets;        /* how many columns are targets, in the order of the file; 0: the inputs are */
    DataTask task;         /* not TASK_INFER */
    size_t features;       /* numbers in an encoded row */
    size_t text;           /* position of the column of free text; COLUMN_NONE if there is none */
    Tokens tokens; /* of it. They do not travel with the other things here, but beside them (tokens_save) */
    size_t
        context; /* tokens of a row: longer texts are cut, shorter ones filled up with a token of its own, tokens.count */
    size_t missing_count;
    char **missing; /* what the user calls missing, beside pandas' list */
} Columns;

/* What a cell holds. Infinities are numbers to the eye, but nothing can be learned from them. */
typedef enum CellKind { CELL_MISSING, CELL_TEXT, CELL_NUMBER, CELL_INFINITE } CellKind;
CellKind columns_cell(const Columns *k, const char *cell, double *value);

/* True if rows are told by the tokens of a column of text. */
bool columns_is_text(const Columns *k);

/* A cell of the column of text: the tokens of it, none of what the user calls missing. */
int columns_text(const Columns *k, TokenList *list, const char *cell, Error *e);

/* Appends the text of a cell as it is read: with a blank before its first word, since words have theirs before them. */
void columns_put_text(TokensKind kind, const char *cell, Text *out);

/* The level of a cell, or COLUMN_NONE. */
size_t column_level(const Column *c, const char *cell);

/* A column's position by name, or COLUMN_NONE. */
size_t columns_find(const Columns *k, const char *name);

/* The column that a feature comes from. */
const Column *columns_of_feature(const Columns *k, size_t feature);

/* "petal_width", "colour=red". */
void columns_feature_name(const Columns *k, size_t feature, Text *out);

/* The column of target k. */
const Column *columns_of_target(const Columns *k, size_t target);

/* Means and standard deviations for each feature, [features]; 0 and 1 for those of categories. */
void columns_standard(const Columns *k, double *mean, double *scale);

size_t columns_count(const Columns *k, ColumnRole role);

/* The target's classes; 0 for other tasks. */
size_t columns_classes(const Columns *k);

/* Numbers each input column's features, and the targets, once the roles stand. */
void columns_lay_out(Columns *k);

/* A cell as messages show it: shortened, and on one line. */
enum { CELL_SHOWN = 48 };
const char *cell_shown(char shown[CELL_SHOWN], const char *cell);

/* As JSON, and back. columns_load checks all it reads; on failure *k is empty. */
void columns_save(const Columns *k, Text *out);
int columns_load(Columns *k, const char *json, size_t length, Error *e);

void columns_free(Columns *k);

#endif
