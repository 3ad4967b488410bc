/* guide.h: help, man page and shell completions, made from the tables of commands and settings. For job.c. */
#ifndef JOBS_GUIDE_H
#define JOBS_GUIDE_H

#include "jobs/job.h"

/* Each is one event of kind "result". */
int guide_say_command(Job *job, const CommandRow *command);
int guide_say_version(Job *job);

#endif
