/* job.h: a command while it runs: its arguments, its settings, and whom it tells what happens. nudge_job makes one and
 * hands it to the command's function in the table (commands.c). For the files of jobs/ only.
 *
 * A job prints nothing: all it has to say is an event. It stops when a listener asks it to. */
#ifndef JOBS_JOB_H
#define JOBS_JOB_H

#include "base/json.h"
#include "jobs/commands.h"
#include "train/settings.h"

enum { JOB_OPTIONS = 32, JOB_OPERANDS = 16 };

struct Job {
    const CommandRow *command;
    const char *const *word; /* of the command line, after the command; they outlive the job */
    size_t words;
    const char *operand[JOB_OPERANDS];
    size_t operands;
    const char *option[JOB_OPTIONS]; /* by row of the table; NULL: not given; "" for a flag */
    Settings given;                  /* keys of the recipe from the command line */
    nudge_listener *listener;
    void *context;
    bool stopped; /* a listener asked for it */
    Error *error;
};

/* The commands. Each returns a status, with the sentence in job->error. */
int job_train(Job *job);
int job_eval(Job *job);
int job_predict(Job *job);
int job_sample(Job *job);
int job_cv(Job *job);
int job_importance(Job *job);
int job_explain(Job *job);
int job_inspect(Job *job);
int job_check(Job *job);
int job_lr(Job *job);
int job_ops(Job *job);
int job_bench(Job *job);
int job_help(Job *job);

/* What was given for an option of the command, its default, or NULL. */
const char *job_option(const Job *job, const char *name);

/* A whole number given for an option. NUDGE_INPUT if it is none, or not within least..most. */
int job_count(Job *job, const char *option, size_t least, size_t most, size_t *value);

/* NUDGE_INPUT if the data stands before the model. */
int job_refuse_swapped(Job *job);

/* Tells the listener. job_event hands on what a trainer says; job_say is for a job's own words: kind, the text for
 * people, and the same for programs: the members of a JSON object, written into what job_begin began.
 *     JsonWriter w = job_begin(&json, "end");
 *     json_key(&w, "epoch"), json_integer(&w, 40);
 *     return job_say(job, "end", &text, &w);
 * Line breaks at the end of the text are dropped. Both texts are freed. Returns a status. */
int job_event(Job *job, const nudge_event *event);
JsonWriter job_begin(Text *json, const char *kind);
int job_say(Job *job, const char *kind, Text *text, JsonWriter *w);

/* One warning for each line of the text, which is freed. */
int job_warn(Job *job, Text *warnings);

/* A count with commas between thousands, as people read it: "1,315". */
void job_print_count(Text *out, uint64_t count);

#endif
