/* rundir.h: the directory of a run. A run is never written over another. For job_train.c and recipe.c. */
#ifndef JOBS_RUNDIR_H
#define JOBS_RUNDIR_H

#include "jobs/job.h"

/* Chooses where a run goes: the setting `output`, which must not hold a run yet, or runs/NAME after its recipe or data,
 * runs/NAME-2 if that is taken. Makes the directory. */
int rundir_make(Text *path, const Settings *s, const char *source, Error *e);

/* Whether a directory holds files of a run. */
bool rundir_is_taken(const char *path);

/* NUDGE_INPUT unless the directory holds a run to go on with. */
int rundir_check(const char *path, Error *e);

#endif
