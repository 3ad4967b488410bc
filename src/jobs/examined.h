/* examined.h: a network opened to be looked at, with rows to look with: of a recipe or a table, as training would begin,
 * or of a model that was trained. For explain, inspect and check. */
#ifndef JOBS_EXAMINED_H
#define JOBS_EXAMINED_H

#include "jobs/judged.h"

typedef struct Examined {
    Job *job;
    bool trained; /* MODEL, else RECIPE or DATA */
    Settings settings;
    JobData data;  /* of a recipe */
    Judged judged; /* of a model; its rows only if they were asked for */
    Model *model;
    const char *file; /* that the rows come from */
    const Dataset *rows;
    const Columns *columns;   /* count 0: images */
    const char *const *names; /* of classes, or NULL */
    size_t *order,
        count;    /* rows to take batches from: those that train, as the epoch at hand shuffles them */
    size_t batch; /* rows in one */
    double steps; /* of the whole run, for schedules */
} Examined;

/* What the job's operands name; warns of what there is to warn of. `double_precision`: whatever the recipe says.
 * examined_free releases in any case. */
int examined_open(Examined *x, Job *job, bool double_precision);

/* The same for what can do without rows: of a model only the model is read. */
int examined_open_model(Examined *x, Job *job);

/* After examined_open: updates the model so many times, as `nudge train` would, and sets the order of the rows. */
int examined_train(Examined *x, size_t steps);

void examined_free(Examined *x);

#endif
