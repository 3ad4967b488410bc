/* encode.h: text cells -> numbers, by the columns that a model was trained with. For the trainer (whole tables) and for
 * `predict` (row by row). Knows columns, tables and datasets. */
#ifndef DATA_ENCODE_H
#define DATA_ENCODE_H

#include "data/columns.h"
#include "data/dataset.h"
#include "data/table.h"

typedef struct Encoder {
    const Columns *columns;
    const char *file; /* for messages */
    DataType real;    /* numbers must fit DATA_F32 or DATA_F64 */
    size_t
        *field; /* [columns->count]: where a row of this file has it; COLUMN_NONE: nowhere, or not needed */
    size_t unknown;                      /* cells so far with a category that training did not see */
    size_t unknown_line, unknown_column; /* of the first of them */
    char unknown_shown[CELL_SHOWN];
    TokenList list; /* of the text of a row */
    size_t texts, empty, empty_line, cut, cut_line, lossy,
        lossy_line; /* so far: all, those without tokens, longer than a row,
                                                        * with characters left out; and the first line of each */
} Encoder;

/* Finds the columns of a file by name, or, in one without a header, by position: all of them, all but the target, or
 * the inputs only. Extra columns are ignored. Without `target` neither target nor weights are read. */
int encoder_open(Encoder *n, const Columns *k, DataType real, const char *file, bool header,
                 const char *const *names, size_t count, bool target, Error *e);

/* Encodes a row: x [features]; t [targets] has a class number, values, or labels as 0 and 1, NaN where one is missing
 * (t may be NULL); *weight likewise, 1 if the file has none. A missing number becomes the training mean, a missing or
 * unknown category all zeros; of a text the first tokens count, and what the vocabulary lacks is left out. */
int encoder_row(Encoder *n, const char *const *cells, size_t line, double *x, double *t, double *weight,
                Error *e);

/* Appends a warning each about unknown categories, empty texts, those cut and those with unknown characters, if there were
 * any. */
void encoder_warn(const Encoder *n, Text *warnings);

void encoder_close(Encoder *n);

/* Encodes a table as f32 or f64. With `target`, rows without one are left out with a warning; where the inputs are what
 * is to be told, t is x. */
int columns_dataset(Dataset *d, const Columns *k, const Table *t, DataType real, bool target, Text *warnings,
                    Error *e);

/* Takes means and standard deviations of the numeric inputs, and of a regression target, over the training rows of
 * the dataset that columns_dataset made for them, and fills in the missing numbers of all its rows. */
int columns_measure(Columns *k, Dataset *d, const size_t *rows, size_t n, Error *e);

#endif
