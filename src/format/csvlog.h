/* csvlog.h: log.csv, a table of numbers that grows by a row at a time. Used by training; knows base/ and file.h.
 *
 * The first row has the names of the columns, one of which is `step`. A row is written by one call, so that a reader,
 * or a run that is cut short, sees whole rows. */
#ifndef FORMAT_CSVLOG_H
#define FORMAT_CSVLOG_H

#include "base/text.h"

typedef struct Csvlog {
    char *path;
    int handle;
    size_t columns;
    Text row;
} Csvlog;

/* Begins a new log, in place of what the file had. Returns a status; on failure the log is closed. */
int csvlog_create(Csvlog *log, const char *path, const char *const *columns, size_t count, Error *e);

/* Goes on with a log: cuts it back to its rows up to `step`, then appends. A log of other columns is an error; without
 * a file, or with an empty one, it begins a new one. */
int csvlog_resume(Csvlog *log, const char *path, const char *const *columns, size_t count, double step,
                  Error *e);

/* Writes one value for each column; NaN (no value) gives an empty field. */
int csvlog_row(Csvlog *log, const double *values, Error *e);

void csvlog_close(Csvlog *log); /* fine on zeros and after a failure */

#endif
