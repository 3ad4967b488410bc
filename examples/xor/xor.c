/* xor.c: the worked example as a C program: sets its initial weights, trains, and prints what the net says to each row.
 *
 * cc xor.c -lnudge -lm */
#include <nudge.h>
#include <stdio.h>

/* Weights as [out, in], the shape that a layer has: the transpose of a matrix whose rows are inputs. */
static const double weight0[] = {0.8121726818316208,  0.43270381466233926,  -0.3058782068250377,
                                 -1.1507693484401413, -0.26408587613172785, 0.87240588210824,
                                 -0.5364843110780853, -0.3806034504475514};
static const double weight2[] = {0.15951954802854929, -0.12468518773870504, 0.731053968522487,
                                 -1.030070354748827};
static const double zero[4];

static int set_weights(nudge *m)
{
    int e = nudge_set(m, "0.weight", weight0, 8);
    if (!e) e = nudge_set(m, "0.bias", zero, 4);
    if (!e) e = nudge_set(m, "2.weight", weight2, 4);
    if (!e) e = nudge_set(m, "2.bias", zero, 1);
    return e;
}

int main(void)
{
    float x[] = {0, 0, 0, 1, 1, 0, 1, 1}, t[] = {0, 1, 1, 0}, y[4];
    nudge *m;
    int e = nudge_new(&m, 2, "dense(4) sigmoid dense(1) sigmoid", "loss=sse dtype=float64");
    if (!e) e = set_weights(m);
    if (!e) e = nudge_fit(m, x, t, 4, "optimizer=sgd(lr=1) steps=5000 batch=4 shuffle=false validation=0");
    if (!e) e = nudge_predict(m, x, 4, y, 4);
    if (e)
        fprintf(stderr, "%s\n", nudge_message(m, e));
    else
        for (int i = 0; i < 4; i++)
            printf("[%g %g] → %.3f (expected %g)\n", x[2 * i], x[2 * i + 1], y[i], t[i]);
    nudge_free(m);
    return e;
}
