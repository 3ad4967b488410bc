/* pace.h: whether a program runs on all its threads or alone. Used by run.c; knows nothing.
 *
 * Two threads halve a long run. A short one they slow down, since they wait for each other at every barrier; and any
 * run, where other programs want the cores. No table of costs knows that, so both ways are timed, again and again: most
 * runs go the way that was faster. The bits of a result do not depend on it. */
#ifndef CPU_PACE_H
#define CPU_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Zeros begin. */
typedef struct Pace {
    double seconds[2];      /* of a run, lately: on all threads, alone */
    uint32_t timed[2];      /* how many runs that is from */
    uint32_t since, period; /* runs since the other way was tried, and after how many it is */
    bool alone;             /* the way that was faster */
} Pace;

bool pace_alone(Pace *p);                            /* how to do the next run */
void pace_took(Pace *p, bool alone, double seconds); /* what it took */

#endif
