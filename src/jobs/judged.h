/* judged.h: a model that was trained, and the rows to judge it by: those of a file, else the test part that its recipe
 * names, else those held out of its training. For `eval` and `importance`. */
#ifndef JOBS_JUDGED_H
#define JOBS_JUDGED_H

#include "jobs/job.h"
#include "jobs/jobdata.h"

typedef struct Judged {
    Model *model;
    Columns columns;          /* count 0: it was trained on IDX files or text */
    Tokens tokens;            /* count 0: it was not trained on text */
    const char *const *names; /* of classes, or NULL */
    Dataset rows;
    size_t *order, count; /* the rows that count; order NULL: all */
    const char *part;     /* "given", "test", "validation", "training" */
    Text file;            /* that they come from */
} Judged;

/* The path that an operand means, opened with the threads that the job was given. judged_free releases in any case. */
int judged_open_model(Judged *j, Job *job);

/* The model and the rows of `nudge COMMAND MODEL [DATA [LABELS]]`; warns. */
int judged_open(Judged *j, Job *job);

/* model_accepts, whose message about rows of another size names their file. */
int judged_fits(const Judged *j, const Dataset *d, const char *file, bool labelled, Error *e);

/* "the 15 validation rows of iris.csv" */
void judged_print(const Judged *j, Text *out);

void judged_free(Judged *j);

#endif
