/* serve.c: threads answer with one model while a copy of it learns; then the copy takes its place. Nobody waits for the
 * training. The question is whether a point lies within a circle, and one day the circle is larger.
 *
 * cc serve.c -lnudge -lpthread -lm */
#include <math.h>
#include <nudge.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, BATCH = 32, ROWS = 2000, ENOUGH = 20000 };
enum { BEFORE, CHANGED, RETRAINED, PHASES };
static const char *const phase_name[PHASES] = {"before", "the circle has grown", "retrained"};

/* A model, and how many use it: the server, and each thread that is predicting with it. The last one frees it. */
typedef struct Version {
    nudge *model;
    int users;
} Version;

typedef struct Server {
    pthread_mutex_t lock; /* for the next two and all counts of users; held for a few instructions at most */
    Version *current;
    int phase;
    atomic_bool closing;
    atomic_long asked[PHASES], right[PHASES];
    atomic_int failures;
} Server;

static Version *borrow(Server *s, int *phase)
{
    pthread_mutex_lock(&s->lock);
    Version *v = s->current;
    v->users++;
    *phase = s->phase;
    pthread_mutex_unlock(&s->lock);
    return v;
}

static void give_back(Server *s, Version *v)
{
    pthread_mutex_lock(&s->lock);
    bool last = v && --v->users == 0;
    pthread_mutex_unlock(&s->lock);
    if (!last) return;
    nudge_free(v->model);
    free(v);
}

/* Takes the model over as the current one. */
static int publish(Server *s, nudge *model)
{
    Version *v = malloc(sizeof *v), *old = s->current;
    if (!v) {
        nudge_free(model);
        return NUDGE_MACHINE;
    }
    *v = (Version){model, 1};
    pthread_mutex_lock(&s->lock);
    s->current = v;
    pthread_mutex_unlock(&s->lock);
    give_back(s, old);
    return NUDGE_OK;
}

/* ---- Points ---- */

/* A generator of each thread's own (xorshift); numbers in [-1, 1). */
static float draw(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return (float)((double)*state / 2147483648.0 - 1);
}

static void make_points(uint32_t *state, int phase, int rows, float *x, float *t)
{
    double radius = phase == BEFORE ? 0.5 : 0.9;
    for (int i = 0; i < rows; i++) {
        x[2 * i] = draw(state);
        x[2 * i + 1] = draw(state);
        t[i] = hypot(x[2 * i], x[2 * i + 1]) < radius;
    }
}

/* ---- Threads ---- */

static void answer(Server *s, uint32_t *state)
{
    float x[2 * BATCH], t[BATCH], y[2 * BATCH];
    int phase;
    Version *v = borrow(s, &phase);
    make_points(state, phase, BATCH, x, t);
    int e = nudge_predict(v->model, x, BATCH, y, 2 * BATCH);
    give_back(s, v);
    s->failures += e != NUDGE_OK;
    for (int i = 0; !e && i < BATCH; i++)
        s->right[phase] += (y[2 * i + 1] > y[2 * i]) == (t[i] > 0);
    s->asked[phase] += BATCH;
}

static void *work(void *context)
{
    static atomic_uint started;
    uint32_t state = 1000 + ++started;
    for (Server *s = context; !s->closing;)
        answer(s, &state);
    return NULL;
}

/* Waits until the threads have seen enough of a phase. */
static void enter(Server *s, int phase)
{
    pthread_mutex_lock(&s->lock);
    s->phase = phase;
    pthread_mutex_unlock(&s->lock);
    while (s->asked[phase] < ENOUGH)
        sched_yield();
}

/* ---- Learning ---- */

static int learn(nudge *m, int phase)
{
    static float x[2 * ROWS], t[ROWS];
    uint32_t state = 1;
    make_points(&state, phase, ROWS, x, t);
    return nudge_fit(m, x, t, ROWS, "optimizer=adam(lr=0.01) schedule=cosine epochs=30 batch=50");
}

/* Learns, or says why not and frees the model; then *m is NULL. */
static int learn_or_complain(nudge **m, int e, int phase)
{
    if (!e) e = learn(*m, phase);
    if (!e) return e;
    fprintf(stderr, "%s\n", nudge_message(*m, e));
    nudge_free(*m);
    *m = NULL;
    return e;
}

/* While this runs, the threads go on answering with the model that there is. */
static int retrain(Server *s)
{
    nudge *copy;
    int e = learn_or_complain(&copy, nudge_clone(s->current->model, &copy), CHANGED);
    return e ? e : publish(s, copy);
}

static int serve(Server *s)
{
    enter(s, BEFORE);
    enter(s, CHANGED);
    int e = retrain(s);
    if (!e) enter(s, RETRAINED);
    return e;
}

static int serve_with_threads(Server *s)
{
    pthread_t thread[THREADS];
    int started = 0;
    while (started < THREADS && !pthread_create(&thread[started], NULL, work, s))
        started++;
    int e = started ? serve(s) : NUDGE_MACHINE;
    s->closing = true;
    while (started)
        pthread_join(thread[--started], NULL);
    return e;
}

int main(void)
{
    static Server s = {.lock = PTHREAD_MUTEX_INITIALIZER};
    nudge *m;
    int e = nudge_new(&m, 2, "dense(16) tanh dense(16) tanh dense(2)", "loss=cross_entropy seed=1");
    e = learn_or_complain(&m, e, BEFORE);
    if (!e) e = publish(&s, m);
    if (!e) e = serve_with_threads(&s);
    for (int phase = 0; !e && phase < PHASES; phase++)
        printf("%-20s  %.0f %% of the answers are right\n", phase_name[phase],
               100.0 * s.right[phase] / s.asked[phase]);
    if (!e) printf("%d calls failed\n", (int)s.failures);
    give_back(&s, s.current);
    return e;
}
