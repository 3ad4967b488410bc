/* decide.h: what a recipe leaves open, decided from the data, so that a table alone is enough. For the jobs that train.
 */
#ifndef JOBS_DECIDE_H
#define JOBS_DECIDE_H

#include "jobs/jobdata.h"

/* Sets what is not set, among it net, loss, optimizer, batch, epochs and patience. Afterwards the settings name every
 * decision, and training by them gives the same model. */
int decide(Settings *s, const JobData *d, Error *e);

/* One thread for each processor, unless there is a number. */
int decide_threads(Settings *s, Error *e);

#endif
