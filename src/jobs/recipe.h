/* recipe.h: the settings of a run, from a recipe file and the command line, with the paths in them as seen from here;
 * and a recipe written for where it will lie. For the jobs that train, and for those that look at a run's recipe. */
#ifndef JOBS_RECIPE_H
#define JOBS_RECIPE_H

#include "jobs/job.h"

/* Whether a path names a recipe: it ends in .yaml or .yml. */
bool recipe_is(const char *path);

/* Reads a recipe file. Its paths (data, init) are relative to its own directory. Settings grow even on failure. */
int recipe_read(const char *path, Settings *s, Error *e);

/* The settings of a job: what its operands name (a recipe, or data), then what the command line decides. */
int recipe_of_job(Job *job, Settings *s);

/* Writes settings as a recipe into a directory, so that their paths hold from there. */
int recipe_write(const Settings *s, const char *directory, Error *e);

#endif
