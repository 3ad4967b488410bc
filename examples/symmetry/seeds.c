/* seeds.c: from how many starts is symmetry learnt, after how many sweeps, and by what weights? For seeds 1, 2, ... the
 * net of symmetry.yaml takes sweep after sweep (nudge_step goes on with the momentum) until all 64 patterns are right,
 * and then until the error is small, so that the weights show what they are after.
 *
 * cc seeds.c -lnudge -lm -o seeds && ./seeds [SEEDS [SWEEPS]] */
#include <math.h>
#include <nudge.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATTERNS = 64, INPUTS = 6, HALF = INPUTS / 2, HIDDEN = 2 };

static const char net[] = "unit(2) sigmoid unit(1) sigmoid";
static const char options[] =
    "loss=sse optimizer=sgd(lr=.1, momentum=.9) threads=1 seed=%d "
    "define='unit(x[.., in], n): dense(x, n, init=uniform(.3), bias_init=uniform(.3))'";

static float x[PATTERNS * INPUTS], t[PATTERNS];

typedef struct Outcome {
    int solved;                     /* the sweep after which all patterns were right; 0: never */
    double weight[HIDDEN * INPUTS]; /* from the inputs, a row for each hidden unit */
} Outcome;

static void make_patterns(void)
{
    for (int i = 0; i < PATTERNS; i++) {
        t[i] = 1;
        for (int k = 0; k < INPUTS; k++)
            x[i * INPUTS + k] = (float)(i >> (INPUTS - 1 - k) & 1);
        for (int k = 0; k < HALF; k++)
            if (x[i * INPUTS + k] != x[i * INPUTS + INPUTS - 1 - k]) t[i] = 0;
    }
}

static int all_right(const nudge *m)
{
    float y[PATTERNS];
    int right = 0;
    if (nudge_predict(m, x, PATTERNS, y, PATTERNS)) return 0;
    for (int i = 0; i < PATTERNS; i++)
        right += (y[i] > .5f) == (t[i] > .5f);
    return right == PATTERNS;
}

/* Saying no to every pattern has an error of 4: half the squares of the eight symmetric ones. Until it is less, no use
 * looking whether all are right. */
static int learn(nudge *m, int sweeps, Outcome *o)
{
    float error = PATTERNS;
    int e = 0;
    for (int s = 1; !e && s <= sweeps && error > .05f; s++) {
        e = nudge_step(m, x, t, NULL, PATTERNS, &error);
        if (!e && !o->solved && error < 4 && all_right(m)) o->solved = s;
    }
    size_t need;
    return e ? e : nudge_get(m, "0.weight", o->weight, HIDDEN * INPUTS, &need);
}

static int try_seed(int seed, int sweeps, Outcome *o)
{
    char text[300];
    nudge *m;
    *o = (Outcome){0};
    snprintf(text, sizeof text, options, seed);
    int e = nudge_new(&m, INPUTS, net, text);
    if (!e) e = learn(m, sweeps, o);
    if (e) fprintf(stderr, "%s\n", nudge_message(m, e));
    nudge_free(m);
    return e;
}

/* About the middle, weights are equal in size and opposite in sign; so are those of the two hidden units. */
static int mirrored(const Outcome *o)
{
    const double *w = o->weight;
    for (int h = 0; h < HIDDEN; h++, w += INPUTS)
        for (int k = 0; k < HALF; k++)
            if (fabs(w[k] + w[INPUTS - 1 - k]) > .02 * fabs(w[k])) return 0;
    for (int k = 0; k < INPUTS; k++)
        if (fabs(o->weight[k] + o->weight[INPUTS + k]) > .1 * fabs(o->weight[k])) return 0;
    return 1;
}

static int ascending(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

/* The sizes of the weights on one side of the middle, the smallest first and as 1. */
static void ratios(const Outcome *o, double size[HALF])
{
    for (int k = 0; k < HALF; k++)
        size[k] = fabs(o->weight[k]);
    qsort(size, HALF, sizeof *size, ascending);
    for (int k = HALF - 1; k >= 0; k--)
        size[k] /= size[0];
}

static void print_outcome(int seed, const Outcome *o, const double size[HALF])
{
    printf("seed %3d  %5d sweeps  weights", seed, o->solved);
    for (int k = 0; k < INPUTS; k++)
        printf(" %6.2f", o->weight[k]);
    printf("   1 : %.1f : %.1f%s\n", size[1], size[2], mirrored(o) ? "  mirrored" : "");
}

int main(int count, char **argument)
{
    int seeds = count > 1 ? atoi(argument[1]) : 100, sweeps = count > 2 ? atoi(argument[2]) : 30000;
    int solved = 0, mirror = 0, doubling = 0;
    make_patterns();
    for (int seed = 1; seed <= seeds; seed++) {
        Outcome o;
        double size[HALF];
        if (try_seed(seed, sweeps, &o)) return EXIT_FAILURE;
        if (!o.solved) {
            printf("seed %3d  not within %d sweeps\n", seed, sweeps);
            continue;
        }
        ratios(&o, size);
        print_outcome(seed, &o, size);
        solved++;
        mirror += mirrored(&o);
        doubling += fabs(size[1] - 2) < .1 && fabs(size[2] - 4) < .2;
    }
    printf("%d of %d starts solved; weights mirrored in %d, 1 : 2 : 4 in %d\n", solved, seeds, mirror,
           doubling);
    return EXIT_SUCCESS;
}
