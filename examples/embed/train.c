/* train.c: trains from arrays, keeps the model in memory, opens it again, and predicts: what a program needs that learns
 * from its own data, without a file. The network learns one wave of a sine from noisy points.
 *
 * cc train.c -lnudge -lm */
#include <math.h>
#include <nudge.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 500, EVERY = 50 };

/* Called once an epoch and more often; anything but 0 would stop the training here. */
static int report(void *context, const nudge_event *event)
{
    (void)context;
    if (!strcmp(event->kind, "epoch") && event->epoch % EVERY == 0)
        printf("epoch %3d of %d: loss %.4f, on rows held out %.4f\n", (int)event->epoch, (int)event->epochs,
               event->loss, event->validation_loss);
    return 0;
}

static void make_rows(float x[ROWS], float t[ROWS])
{
    for (int i = 0; i < ROWS; i++) {
        x[i] = (float)(6.2831853 * i / ROWS);
        t[i] = (float)(sin(x[i]) + 0.1 * sin((double)i * i)); /* the second sine is as good as noise */
    }
}

static int train(nudge *m)
{
    float x[ROWS], t[ROWS];
    make_rows(x, t);
    nudge_progress(m, report, NULL);
    return nudge_fit(m, x, t, ROWS,
                     "optimizer=adam(lr=0.01) schedule=cosine epochs=200 batch=50 validation=0.2");
}

/* The model as bytes: what a file would hold, here in a block of *size bytes that the caller frees. */
static int save(const nudge *m, void **bytes, size_t *size)
{
    nudge_save_memory(m, NULL, 0, size); /* only asks how many */
    *bytes = malloc(*size);
    return *bytes ? nudge_save_memory(m, *bytes, *size, size) : NUDGE_MACHINE;
}

static int predict(const nudge *m)
{
    float x[] = {0.5f, 1.5f, 3, 4.5f, 6}, y[5];
    int e = nudge_predict(m, x, 5, y, 5);
    for (int i = 0; !e && i < 5; i++)
        printf("sine of %.1f: %6.3f, the network says %6.3f\n", x[i], sin(x[i]), y[i]);
    return e;
}

static int complain(const nudge *m, int e)
{
    if (e) fprintf(stderr, "%s\n", nudge_message(m, e));
    return e;
}

int main(void)
{
    nudge *m, *again = NULL;
    void *bytes = NULL;
    size_t size;
    int e = nudge_new(&m, 1, "dense(32) tanh dense(32) tanh dense(1)", "loss=mse standardize=true seed=1");
    if (!e) e = train(m);
    if (!e) e = save(m, &bytes, &size);
    complain(m, e);
    if (!e) {
        printf("the model is %zu bytes\n", size);
        e = nudge_open_memory(&again, bytes, size);
        if (!e) e = predict(again);
        complain(again, e);
    }
    free(bytes);
    nudge_free(again);
    nudge_free(m);
    return e;
}
