/* exact.c: how near a model comes to the solution of Burgers' equation, u_t + u u_x = nu u_xx with nu = 0.01/pi,
 * u(x, 0) = -sin(pi x), u(-1, t) = u(1, t) = 0; and a picture of it.
 *
 * The transformation of Hopf (1950) and Cole (1951) makes it the heat equation; its solution is an average over where
 * heat came from, x - s, as Basdevant et al. write it (Computers and Fluids 14, 1986):
 *
 *     u(x, t) = -<sin(pi (x - s))> with the weights exp(-cos(pi (x - s))/(2 pi nu) - s^2/(4 nu t)) over all s
 *
 * cc exact.c -lnudge -lm && ./a.out runs/burgers */
#include <math.h>
#include <nudge.h>
#include <stdio.h>

enum { PLACES = 256, TIMES = 100, WIDE = 64, HIGH = 11 };

static const double pi = 3.14159265358979323846;

/* The trapezoidal rule in z = s/sqrt(4 nu t): for what is smooth and dies away on both sides its error falls
 * exponentially with the step. The weights are below exp(50 - z^2). */
static double burgers_exact(double x, double t)
{
    if (t <= 0) return -sin(pi * x);
    double nu = 0.01 / pi, reach = sqrt(4 * nu * t), above = 0, below = 0;
    for (int i = -600; i <= 600; i++) {
        double z = i * 0.025, from = x - reach * z, weight = exp(-cos(pi * from) / (2 * pi * nu) - z * z);
        above -= sin(pi * from) * weight;
        below += weight;
    }
    return above / below;
}

/* rows [n, 2]: x, t. */
static double relative_error(const float *row, const float *u, int n)
{
    double wrong = 0, all = 0;
    for (int i = 0; i < n; i++) {
        double exact = burgers_exact(row[2 * i], row[2 * i + 1]);
        wrong += (u[i] - exact) * (u[i] - exact);
        all += exact * exact;
    }
    return sqrt(wrong / all);
}

/* u of one time against x: the model's as o, where the exact one is no less than half a line away as *. */
static void draw(const float u[PLACES], double t)
{
    char line[HIGH][WIDE + 1];
    for (int y = 0; y < HIGH; y++)
        for (int c = 0; c <= WIDE; c++)
            line[y][c] = (char)(c == WIDE ? 0 : y == HIGH / 2 ? '.' : ' ');
    for (int c = 0; c < WIDE; c++) {
        int i = c * (PLACES - 1) / (WIDE - 1);
        double exact = burgers_exact(-1 + 2.0 * i / (PLACES - 1), t), half = HIGH / 2;
        line[(int)lround(half * (1 - exact))][c] = '*';
        line[(int)lround(half * (1 - fmax(-1, fmin(1, (double)u[i]))))][c] = 'o';
    }
    printf("t = %.2f\n", t);
    for (int y = 0; y < HIGH; y++)
        printf("%s\n", line[y]);
}

int main(int count, char **argument)
{
    static float row[2 * PLACES * TIMES], u[PLACES * TIMES];
    for (int i = 0; i < PLACES * TIMES; i++) {
        row[2 * i] = (float)(-1 + 2.0 * (i % PLACES) / (PLACES - 1));
        row[2 * i + 1] = (float)(i / PLACES) / TIMES;
    }
    if (count != 2) {
        fprintf(stderr, "usage: exact MODEL\n");
        return NUDGE_INPUT;
    }
    nudge *m;
    int e = nudge_open(&m, argument[1]);
    if (!e) e = nudge_predict(m, row, PLACES * TIMES, u, PLACES * TIMES);
    if (e) {
        fprintf(stderr, "%s\n", nudge_message(m, e));
    } else {
        draw(u + 25 * PLACES, 0.25);
        draw(u + 75 * PLACES, 0.75);
        printf("relative L2 error %.2e\n", relative_error(row, u, PLACES * TIMES));
    }
    nudge_free(m);
    return e;
}
