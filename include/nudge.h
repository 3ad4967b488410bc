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

/* Trains. x is [rows, inputs]; t is [rows] class numbers 0, 1, ... for cross_entropy, else [rows, outputs]; with
 * task=labels 0 or 1 each, with task=reconstruct it may be NULL: x is what is to come out.
 * Options as for nudge_new: epochs= (100), steps= (instead), batch= (32), validation= (0.1), patience= (0: no early
 * stopping), optimizer= (adam), schedule=, clip=, shuffle=, log= (an event every so many steps). They stay in force for
 * later calls, unless this one is refused. The weights go on from where they are, the optimizer begins anew. The best
 * weights by validation are kept; after NUDGE_DIVERGED, too, or else the last good ones. A callback that stops the run
 * early is no error. */
NUDGE_API int nudge_fit(nudge *m, const float *x, const float *t, size_t rows, const char *options);

/* One update from these rows, which goes on with the optimizer's state. weights: [rows], or NULL for all 1. *loss, if
 * not NULL: what the loss says of them before it. NUDGE_DIVERGED: the update was taken back. */
NUDGE_API int nudge_step(nudge *m, const float *x, const float *t, const float *weights, size_t rows,
                         float *loss);

/* y [rows, outputs]: a classifier gives probabilities, and so do labels. room is the number of floats y has room for. */
NUDGE_API int nudge_predict(const nudge *m, const float *x, size_t rows, float *y, size_t room);

/* A parameter by name ("0.weight"): n numbers in, or *need numbers out (NUDGE_INPUT if room is less). */
NUDGE_API int nudge_set(nudge *m, const char *name, const double *values, size_t n);
NUDGE_API int nudge_get(const nudge *m, const char *name, double *values, size_t room, size_t *need);

NUDGE_API size_t nudge_inputs(const nudge *m);
NUDGE_API size_t nudge_outputs(const nudge *m);

/* What a running job says. Numbers that do not apply are NaN. */
typedef struct nudge_event {
    const char *kind; /* "start" "epoch" "progress" "checkpoint" "warning" "result" "row" "piece" "end" */
    const char *text; /* for people: one or more lines, UTF-8, no final newline (a "piece" may have one) */
    const char *json; /* the same as one JSON object on one line */
    uint64_t epoch, epochs, step, steps;
    double loss, validation_loss;
} nudge_event;

/* Called during nudge_fit at least once an epoch; return nonzero to stop after this step. */
typedef int nudge_listener(void *context, const nudge_event *event);
NUDGE_API void nudge_progress(nudge *m, nudge_listener *listener, void *context);

/* The sentence that belongs to the last failed call on m (of this thread's last failed call for const calls). m may be
 * NULL. Never NULL; valid until the next call on m. */
NUDGE_API const char *nudge_message(const nudge *m, int status);

/* ---- Tier 2: graphs and formulas ---------------------------------------------------------------------------- */

/* A graph is made of formulas in the notation (docs/notation.md), differentiated, and compiled to a program:
 *
 *     nudge_graph *g;
 *     nudge_graph_new(&g, "dtype=float64");
 *     nudge_tensor x = nudge_input(g, "x", 2, (int64_t[]){32, 4}), t = nudge_integers(g, "t", 1, (int64_t[]){32});
 *     nudge_parameter(g, "w", 2, (int64_t[]){3, 4}, "glorot");
 *     nudge_tensor loss = nudge_let(g, "loss", nudge_formula(g, "cross_entropy(x @ w', t)"));
 *     nudge_optimize(g, "adam(lr=0.01)", loss, NULL);
 *     nudge_output(g, "loss", loss);
 *     nudge_program *p;
 *     int e = nudge_compile(&p, g);                        reports the first mistake of all the calls above
 *     if (!e) e = nudge_bind(p, "x", rows), e = e ? e : nudge_bind(p, "t", labels);
 *     for (int step = 0; !e && step < 100; step++) e = nudge_run(p);
 *
 * The building calls can be chained without checks: the first error sticks to the graph, later calls do nothing and
 * give NULL, which every call accepts. A graph and its programs belong to one thread at a time. */
typedef struct nudge_graph nudge_graph;
typedef struct nudge_program nudge_program;
typedef const struct nudge_node *nudge_tensor; /* lives as long as its graph */

/* options: dtype=float32|float64, seed=, threads=, isa=, train=true|false. *g is set even on failure. */
NUDGE_API int nudge_graph_new(nudge_graph **g, const char *options);
NUDGE_API void nudge_graph_free(nudge_graph *g); /* after its programs */
NUDGE_API const char *nudge_graph_message(const nudge_graph *g, int status);

/* Leaves. A name can be used in formulas from then on. dims: [rank], at most 8. */
NUDGE_API nudge_tensor nudge_input(nudge_graph *g, const char *name, int rank,
                                   const int64_t *dims); /* reals */
NUDGE_API nudge_tensor nudge_integers(nudge_graph *g, const char *name, int rank,
                                      const int64_t *dims); /* int32_t */
NUDGE_API nudge_tensor nudge_bytes(nudge_graph *g, const char *name, int rank,
                                   const int64_t *dims);               /* uint8_t */
NUDGE_API nudge_tensor nudge_scalar(nudge_graph *g, const char *name); /* a number set before each run */
/* Learnt, shared by all programs of the graph; initial: "glorot", "he", "normal(0, .02)", "0", ... */
NUDGE_API nudge_tensor nudge_parameter(nudge_graph *g, const char *name, int rank, const int64_t *dims,
                                       const char *initial);

/* A definition for later formulas: "gate(x): x*sigmoid(1.7*x)"; layers, losses and optimizers likewise. */
NUDGE_API void nudge_define(nudge_graph *g, const char *row);
/* The value of a text, the last of its values if it has several. */
NUDGE_API nudge_tensor nudge_formula(nudge_graph *g, const char *text);
/* Gives a tensor a name for later formulas; returns it. */
NUDGE_API nudge_tensor nudge_let(nudge_graph *g, const char *name, nudge_tensor value);
/* Applies a net ("dense(64) relu dense(10)") to x; parameters are called path.0.weight, ... ("" for no prefix). */
NUDGE_API nudge_tensor nudge_net(nudge_graph *g, const char *path, const char *net, nudge_tensor x);

/* The gradient of the sum of y with respect to x, of x's shape (zeros where nothing flows). */
NUDGE_API nudge_tensor nudge_gradient(nudge_graph *g, nudge_tensor y, nudge_tensor x);
/* At the end of a run, a parameter takes this value. */
NUDGE_API void nudge_update(nudge_graph *g, nudge_tensor parameter, nudge_tensor value);
/* One step of an optimizer ("sgd(lr=.1)") at the end of a run, on the parameters that the loss depends on and whose names
 * match: "generator.*", where * stands for any characters; NULL: on all. What must not move though the loss depends on it
 * is left out by its name, or by stop(x) in a formula. An optimizer counts its steps by the runs of
 * its program; of a parameter that two of a kind move, they share the state. */
NUDGE_API void nudge_optimize(nudge_graph *g, const char *optimizer, nudge_tensor loss, const char *names);
/* The next program computes this under that name. */
NUDGE_API void nudge_output(nudge_graph *g, const char *name, nudge_tensor value);

NUDGE_API int nudge_rank(nudge_tensor t); /* 0 for NULL */
NUDGE_API int64_t nudge_dim(nudge_tensor t, int axis);

/* A program that computes the outputs and updates named since the last one; later ones start afresh. */
NUDGE_API int nudge_compile(nudge_program **p, nudge_graph *g);
NUDGE_API void nudge_program_free(nudge_program *p);
NUDGE_API const char *nudge_program_message(const nudge_program *p, int status);

/* Memory of the caller for an input (read) or output (written), used by every run until bound anew. Reals are float or
 * double by dtype. What is never bound, inputs as zeros, has memory of the program's: nudge_memory. */
NUDGE_API int nudge_bind(nudge_program *p, const char *name, void *memory);
NUDGE_API void *nudge_memory(nudge_program *p,
                             const char *name); /* of an input, output or parameter; or NULL */
NUDGE_API int nudge_number(nudge_program *p, const char *name, double value); /* of a scalar */
NUDGE_API int nudge_run(nudge_program *p);

/* ---- Tier 3: jobs ------------------------------------------------------------------------------------------- */

/* Does what `nudge COMMAND ARGUMENT...` does: trains, measures, predicts, with files in and out. Arguments are those
 * of the command line ("nudge help COMMAND" lists them), without the command. Nothing is printed: what there is to say
 * arrives as events. Kinds "result", "row" and "piece" (of a line) are what was asked for, the others tell how it goes;
 * text may be "" and json NULL where there is nothing to say. A listener that returns nonzero stops the job after the step or row at hand;
 * then the status is NUDGE_OK, and `train` has written a checkpoint.
 * listener may be NULL. On failure `message` [room], unless it is NULL, gets the sentence; else "".
 * Thread safety: any number of jobs may run at once, as long as they write to different directories. */
NUDGE_API int nudge_job(const char *command, int count, const char *const *argument, nudge_listener *listener,
                        void *context, char *message, size_t room);

#ifdef __cplusplus
}
#endif

#endif
