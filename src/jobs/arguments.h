/* arguments.h: the words of a command line, sorted by the tables of commands.h into the operands, options and settings
 * of a job. For job.c and recipe.c. */
#ifndef JOBS_ARGUMENTS_H
#define JOBS_ARGUMENTS_H

#include "jobs/job.h"

/* Sorts job->word [job->words]. An option may stand as --name VALUE, --name=VALUE, name=VALUE, -n VALUE, -nVALUE or n=VALUE;
 * after "--" all are operands. Returns a status. */
int arguments_read(Job *job);

/* Whether there are as many operands as the command takes. */
int arguments_check(const Job *job);

/* Sets once more what the command line sets, on top of other settings. */
int arguments_apply(const Job *job, Settings *s);

#endif
