/* custom.c: an activation, a loss and an optimizer of one's own, as text in a C program. Points of a square learn
 * whether they lie within a ring.
 *
 * cc custom.c -lnudge -lm */
#include <math.h>
#include <nudge.h>
#include <stdio.h>

enum { POINTS = 400 };

static const char net[] = "dense(16) gate dense(16) gate dense(2) softmax";
static const char options[] =
    "classes=2 loss=focal(gamma=2) seed=1 define="
    "gate(x): x * sigmoid(1.7*x)\n"
    "focal(y, t, gamma=2): p = max(pick(y, t), 1e-7); -mean((1 - p)^gamma * log(p))\n"
    "compass(w, g, lr=.01, beta=.9 | arrow[shape(w)] = 0): "
    "arrow <- beta*arrow + (1 - beta)*g; w -= lr * arrow / (sqrt(mean(arrow*arrow)) + 1e-8)";

/* Points spread evenly over [-1, 1] x [-1, 1], by the fractions of multiples of two irrational numbers. */
static void make_points(float x[2 * POINTS], float t[POINTS])
{
    for (int i = 0; i < POINTS; i++) {
        double a = 2 * fmod(i * 0.7548776662466927, 1) - 1, b = 2 * fmod(i * 0.5698402909980532, 1) - 1;
        x[2 * i] = (float)a;
        x[2 * i + 1] = (float)b;
        t[i] = fabs(sqrt(a * a + b * b) - 0.7) < 0.2;
    }
}

static int count_right(const float y[2 * POINTS], const float t[POINTS])
{
    int right = 0;
    for (int i = 0; i < POINTS; i++)
        right += (y[2 * i + 1] > y[2 * i]) == (t[i] > 0);
    return right;
}

int main(void)
{
    static float x[2 * POINTS], t[POINTS], y[2 * POINTS];
    make_points(x, t);
    nudge *m;
    int e = nudge_new(&m, 2, net, options);
    if (!e)
        e = nudge_fit(m, x, t, POINTS,
                      "optimizer=compass(lr=.01) schedule=cosine epochs=100 batch=20 validation=0");
    if (!e) e = nudge_predict(m, x, POINTS, y, 2 * POINTS);
    if (e)
        fprintf(stderr, "%s\n", nudge_message(m, e));
    else
        printf("%d of %d points are on the right side\n", count_right(y, t), POINTS);
    nudge_free(m);
    return e;
}
