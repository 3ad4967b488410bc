/* report.h: what a run says while it goes on: events for a listener, with text for people and JSON for programs. Used by
 * fit.c. Nothing here decides anything; the clock is looked at for rates and for how often to speak only. */
#ifndef TRAIN_REPORT_H
#define TRAIN_REPORT_H

#include "train/course.h"
#include "train/programs.h"

typedef struct Report {
    nudge_listener *listener; /* NULL: nobody listens */
    void *context;
    const Course *course;
    Text text, json;
    JsonWriter w;
    double begun, looked, told; /* times, s */
    uint64_t from;              /* the step at which this session began */
    int stride, countdown;      /* steps between two looks at the clock */
    bool stop;                  /* the listener said so */
    bool failed;                /* memory ran out */
} Report;

void report_begin(Report *r, const Course *c, uint64_t from, nudge_listener *listener, void *context);
void report_end(Report *r);

/* After every step: true if it is time for a progress event. */
bool report_due(Report *r);
double report_seconds(const Report *r); /* since report_begin, at the last look */

void report_start(Report *r, const Progress *p, size_t held);
void report_progress(Report *r, const Progress *p, double loss);
/* metrics NULL: without validation. `best`: no epoch was better so far. */
void report_epoch(Report *r, const Progress *p, double loss, double validation_loss, const Metrics *metrics,
                  bool best);
void report_checkpoint(Report *r, const Progress *p, const char *path);
/* metrics NULL: there are none. */
void report_finish(Report *r, const Progress *p, bool patient, double loss, const Metrics *metrics,
                   const char *const *names);

#endif
