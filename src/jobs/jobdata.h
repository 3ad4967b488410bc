/* jobdata.h: from the files that settings or operands name to datasets: tables by columns, texts by tokens, IDX files as
 * they are. For the jobs that train or measure. */
#ifndef JOBS_JOBDATA_H
#define JOBS_JOBDATA_H

#include "data/encode.h"
#include "jobs/textdata.h"
#include "train/model.h"

/* What a run reads. */
typedef struct JobData {
    const char *file;   /* the first that was read, as messages name it; the settings own it */
    bool table;         /* a CSV, with columns; else IDX or text */
    Columns columns;    /* of a table */
    TextData text;      /* of a text; without tokens of anything else */
    Dataset rows;       /* with targets; missing numbers are NaN until jobdata_measure */
    Dataset validation; /* of a file of its own; 0 rows: there is none */
    size_t reading;     /* bytes that were needed to read, and are no more: text, cells of a table */
    Text warnings;      /* a line each */
    size_t held;        /* rows of `rows` held out to judge by */
    size_t *order;      /* [rows.rows]: the training rows, then those held out */
} JobData;

/* Reads the training file and decides what its columns are. jobdata_free releases in any case. */
int jobdata_open(JobData *d, const Settings *s, Error *e);

/* Divides the rows as the model's settings say, takes the columns' statistics from the training rows, tells the model,
 * and reads the validation file, if there is one. */
int jobdata_measure(JobData *d, Model *m, Error *e);

/* Rows of a file (or images and labels) for a model that was trained on no text: its columns decide. `options` may set
 * delimiter and header. */
int jobdata_load(Dataset *rows, const Columns *k, const Model *m, const Settings *options,
                 const char *const *file, size_t files, Text *warnings, Error *e);

/* A dataset of its own with n rows of another: the first ones if `rows` is NULL. */
int jobdata_part(Dataset *part, const Dataset *from, const size_t *rows, size_t n, Error *e);

void jobdata_free(JobData *d);

/* Whether a file begins as IDX files do. Standard input never does. */
int jobdata_is_idx(const char *file, bool *is, Error *e);

/* How settings say to read CSV files. */
int jobdata_csv_options(CsvOptions *options, const Settings *s, Error *e);

/* The columns that travel with a model; none (count 0) if it was trained on something else than a table. */
int jobdata_columns(Columns *k, const Model *m, Error *e);

/* The names of a model's classes, else of its targets, as messages and tables show them; NULL if it knows none.
 * memory_release(*names). */
int jobdata_names(const char *const **names, const Columns *k, Error *e);

#endif
