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

enum { THREADS = 4, BATCH = 32, ROWS = 2000, ENOUGH = 20000 };
enum { BEFORE, CHANGED, RETRAINED, PHASES };
static const char *const phase_name[PHASES] = {"before", "the circle has grown", "retrained"};

/* Who predicts holds the lock for reading, who swaps the model for writing: only for as long as that takes. */
typedef struct Server {
    pthread_rwlock_t lock;
    nudge *model;
    int phase; /* also under the lock */
    atomic_bool closing;
    atomic_long asked[PHASES], right[PHASES];
    atomic_int failures;
} Server;

/* A generator of each thread's own (xorshift); numbers in [-1, 1). */
static float draw(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return (float)((double)*state / 2147483648.0 - 1);
}

static void make_points(uint32_t *state, double radius, int rows, float *x, float *t)
{
    for (int i = 0; i < rows; i++) {
        x[2 * i] = draw(state);
        x[2 * i + 1] = draw(state);
        t[i] = hypot(x[2 * i], x[2 * i + 1]) < radius;
    }
}

static double radius_in(int phase)
{
    return phase == BEFORE ? 0.5 : 0.9;
}

static void answer(Server *s, uint32_t *state)
{
    float x[2 * BATCH], t[BATCH], y[2 * BATCH];
    pthread_rwlock_rdlock(&s->lock);
    int phase = s->phase;
    make_points(state, radius_in(phase), BATCH, x, t);
    int e = nudge_predict(s->model, x, BATCH, y, 2 * BATCH);
    pthread_rwlock_unlock(&s->lock);
    s->failures += e != NUDGE_OK;
    for (int i = 0; !e && i < BATCH; i++)
        s->right[phase] += (y[2 * i + 1] > y[2 * i]) == (t[i] > 0);
    s->asked[phase] += BATCH;
}

static void *work(void *context)
{
    Server *s = context;
    static atomic_uint started;
    uint32_t state = 1000 + ++started;
    while (!s->closing)
        answer(s, &state);
    return NULL;
}

/* The next phase begins, with another model if there is one. Waits until the threads have seen enough of it. */
static void enter(Server *s, int phase, nudge *model)
{
    pthread_rwlock_wrlock(&s->lock);
    nudge *old = model ? s->model : NULL;
    if (model) s->model = model;
    s->phase = phase;
    pthread_rwlock_unlock(&s->lock);
    nudge_free(old);
    while (s->asked[phase] < ENOUGH)
        sched_yield();
}

static int learn(nudge *m, int phase)
{
    static float x[2 * ROWS], t[ROWS];
    uint32_t state = 1;
    make_points(&state, radius_in(phase), ROWS, x, t);
    return nudge_fit(m, x, t, ROWS, "optimizer=adam(lr=0.01) schedule=cosine epochs=30 batch=50");
}

static int serve(Server *s)
{
    nudge *copy;
    enter(s, BEFORE, NULL);
    enter(s, CHANGED, NULL);
    int e = nudge_clone(s->model, &copy);
    if (!e) e = learn(copy, CHANGED);
    if (e) {
        fprintf(stderr, "%s\n", nudge_message(copy, e));
        nudge_free(copy);
        return e;
    }
    enter(s, RETRAINED, copy);
    return NUDGE_OK;
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
    static Server s = {.lock = PTHREAD_RWLOCK_INITIALIZER};
    int e = nudge_new(&s.model, 2, "dense(16) tanh dense(16) tanh dense(2)", "loss=cross_entropy seed=1");
    if (!e) e = learn(s.model, BEFORE);
    if (e)
        fprintf(stderr, "%s\n", nudge_message(s.model, e));
    else
        e = serve_with_threads(&s);
    for (int phase = 0; !e && phase < PHASES; phase++)
        printf("%-21s %.0f %% of the answers are right\n", phase_name[phase], 100.0 * s.right[phase] / s.asked[phase]);
    if (!e) printf("%d calls failed\n", (int)s.failures);
    nudge_free(s.model);
    return e;
}
