/* nudge.h: neural networks that learn, from C.
 *
 * A network predicts (forward), the error at its output flows backward through it by the chain rule, telling each
 * weight how much it contributed to the mistake, and each weight is nudged the other way.
 *
 *     #include <nudge.h>
 *     #include <stdio.h>
 *
 *     int main(void)
 *     {
 *         float x[] = {0,0, 0,1, 1,0, 1,1}, t[] = {0, 1, 1, 0}, y[4];
 *         nudge *m;
 *         int e = nudge_new(&m, 2, "dense(4) sigmoid dense(1) sigmoid", "loss=sse seed=1");
 *         if (!e) e = nudge_fit(m, x, t, 4, "optimizer=sgd(lr=1) epochs=5000 validation=0");
 *         if (!e) e = nudge_predict(m, x, 4, y, 4);
 *         if (e) fprintf(stderr, "%s\n", nudge_message(m, e));
 *         else for (int i = 0; i < 4; i++) printf("[%g %g] -> %.3f (expected %g)\n", x[2*i], x[2*i+1], y[i], t[i]);
 *         nudge_free(m);
 *         return e;
 *     }
 *
 * Link with -lnudge -lm. Tiers: 1 a model; 2 graphs and formulas; 3 jobs, what the command does.
 *
 * Conventions of every call:
 *  - It returns a status, nudge_status; nudge_message(m, status) is the sentence that says what to do about it.
 *  - Arrays are row-major and belong to the caller; a `room` is counted in elements of the array.
 *  - No call prints, exits, changes the locale or installs a signal handler. User mistakes never abort.
 *  - Threads: calls that take a `const nudge *` may run from any number of threads on one handle; the others need
 *    the handle alone. Nothing is shared between handles. */
#ifndef NUDGE_H
#define NUDGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef NUDGE_API
#if defined(__GNUC__)
#define NUDGE_API __attribute__((visibility("default")))
#else
#define NUDGE_API
#endif
#endif

#define NUDGE_VERSION "0.1.0"

/* Statuses; the command's exit codes, too. */
typedef enum nudge_status {
    NUDGE_OK = 0,
    NUDGE_CHECK = 1,   /* a check failed: a gradient is wrong, an expectation not met */
    NUDGE_INPUT = 2,   /* the caller's input is wrong: usage, file, data, formula */
    NUDGE_MACHINE = 3, /* the machine failed: memory, disk, permission */
    NUDGE_DIVERGED = 4 /* training diverged: the loss is no number any more */
} nudge_status;

/* Where all memory comes from. heap(context, NULL, n) allocates, (context, block, 0) releases, (context, block, n)
 * resizes; NULL means there is none. Call it before anything else; NULL restores malloc. Not thread-safe. */
typedef void *nudge_heap(void *context, void *block, size_t size);
NUDGE_API void nudge_allocator(nudge_heap *heap, void *context);

NUDGE_API const char *nudge_version(void);

/* ---- Tier 1: a model --------------------------------------------------------------------------------------- */

typedef struct nudge nudge;

/* Makes a model that maps rows of `inputs` numbers through `net`. Options are a recipe's text, "key=value" separated
 * by blanks: loss=, optimizer=, seed=, dtype=, threads=, classes=, define=... (see `nudge help recipe`).
 * *m is set even on failure, so that nudge_message can say why; release it with nudge_free in any case. */
NUDGE_API int nudge_new(nudge **m, size_t inputs, const char *net, const char *options);

/* Opens a model saved by nudge_save or `nudge train` (model.safetensors, or the directory that holds it). */
NUDGE_API int nudge_open(nudge **m, const char *path);
NUDGE_API int nudge_open_memory(nudge **m, const void *bytes, size_t size);

/* Writes the model as safetensors: weights, net, preprocessing, class names. The file is replaced whole or not at
 * all. nudge_save_memory sets *need to the bytes needed; it is NUDGE_INPUT if room is less, and nothing is written. */
NUDGE_API int nudge_save(const nudge *m, const char *path);
NUDGE_API int nudge_save_memory(const nudge *m, void *buffer, size_t room, size_t *need);

/* An independent copy with the same weights, e.g. to train in the background and swap. *copy is set even on failure. */
NUDGE_API int nudge_clone(const nudge *m, nudge **copy);

NUDGE_API void nudge_free(nudge *m);

/* Trains. x is [rows, inputs]; t is [rows] class numbers 0, 1, ... for cross_entropy, else [rows, outputs].
 * Options as for nudge_new: epochs=, steps=, batch=, optimizer=, schedule=, validation=, patience=, shuffle=, clip=,
 * log=. The best weights by validation are kept. A callback that stops the run early is no error. */
NUDGE_API int nudge_fit(nudge *m, const float *x, const float *t, size_t rows, const char *options);

/* One update from these rows. weights: [rows], or NULL for all 1. *loss, if not NULL: their mean loss before it. */
NUDGE_API int nudge_step(nudge *m, const float *x, const float *t, const float *weights, size_t rows, float *loss);

/* y [rows, outputs]: a classifier gives probabilities. room is the number of floats y has room for. */
NUDGE_API int nudge_predict(const nudge *m, const float *x, size_t rows, float *y, size_t room);

/* A parameter by name ("0.weight"): n numbers in, or *need numbers out (NUDGE_INPUT if room is less). */
NUDGE_API int nudge_set(nudge *m, const char *name, const double *values, size_t n);
NUDGE_API int nudge_get(const nudge *m, const char *name, double *values, size_t room, size_t *need);

NUDGE_API size_t nudge_inputs(const nudge *m);
NUDGE_API size_t nudge_outputs(const nudge *m);

/* What a running job says. Numbers that do not apply are NaN. */
typedef struct nudge_event {
    const char *kind;  /* "start" "epoch" "progress" "checkpoint" "warning" "result" "row" "end" */
    const char *text;  /* for people: one or more lines, UTF-8, no final newline */
    const char *json;  /* the same as one JSON object on one line */
    uint64_t epoch, epochs, step, steps;
    double loss, validation_loss;
} nudge_event;

/* Called during nudge_fit at least once an epoch; return nonzero to stop after this step. */
typedef int nudge_listener(void *context, const nudge_event *event);
NUDGE_API void nudge_progress(nudge *m, nudge_listener *listener, void *context);

/* The sentence that belongs to the last failed call on m (of this thread's last failed call for const calls). m may be
 * NULL. Never NULL; valid until the next call on m. */
NUDGE_API const char *nudge_message(const nudge *m, int status);

/* ---- Tier 3: jobs ------------------------------------------------------------------------------------------- */

/* Does what `nudge COMMAND ARGUMENT...` does: trains, measures, predicts, with files in and out. Arguments are those
 * of the command line ("nudge help COMMAND" lists them), without the command. Nothing is printed: what there is to say
 * arrives as events. Kinds "result" and "row" are what was asked for, the others tell how it goes; text may be "" and
 * json NULL where there is nothing to say. A listener that returns nonzero stops the job after the step or row at hand;
 * then the status is NUDGE_OK, and `train` has written a checkpoint.
 * listener may be NULL. On failure `message` [room], unless it is NULL, gets the sentence; else "".
 * Thread safety: any number of jobs may run at once, as long as they write to different directories. */
NUDGE_API int nudge_job(const char *command, int count, const char *const *argument, nudge_listener *listener,
                        void *context, char *message, size_t room);

#ifdef __cplusplus
}
#endif

#endif
