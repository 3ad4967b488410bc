/* perceptron.c: one neuron cannot learn xor: whatever weights it starts from, it ends at 0.5 for every row.
 *
 * cc perceptron.c -lnudge -lm */
#include <nudge.h>
#include <stdio.h>

int main(void)
{
    float x[] = {0, 0, 0, 1, 1, 0, 1, 1}, t[] = {0, 1, 1, 0}, y[4];
    nudge *m;
    int e = nudge_new(&m, 2, "dense(1) sigmoid", "loss=sse seed=1");
    if (!e) e = nudge_fit(m, x, t, 4, "optimizer=sgd(lr=1) steps=5000 batch=4 validation=0");
    if (!e) e = nudge_predict(m, x, 4, y, 4);
    if (e)
        fprintf(stderr, "%s\n", nudge_message(m, e));
    else
        for (int i = 0; i < 4; i++)
            printf("[%g %g] → %.3f (expected %g)\n", x[2 * i], x[2 * i + 1], y[i], t[i]);
    nudge_free(m);
    return e;
}
