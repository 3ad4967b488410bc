/* test_nn.c: losses, optimizers, schedules and initialisers against values that plain loops in C work out from the
 * papers. The rows are found by name as a recipe finds them. */
#include "graph/reference.h"
#include "nn/nn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = 32, STEPS = 7 };

typedef struct Given {
    const Node *leaf;
    double *value;
} Given;

typedef struct Bench {
    Error error;
    Arena arena;
    Graph *g;
    Context context;
    Given given[ROOM];
    int count;
    const char *text;
    int arguments;
    Argument argument[6];
    Node *result;
} Bench;

static void bench_scope(void *context)
{
    Bench *b = context;
    b->context.scope = scope_new(&b->arena, nn_scope(&b->arena));
}

static void setup(Bench *b)
{
    memset(b, 0, sizeof *b);
    arena_init(&b->arena, &b->error);
    b->g = graph_new(&b->error);
    assert_non_null(b->g);
    b->context = (Context){.graph = b->g, .title = "test", .path = "0"};
    if (error_catch(&b->error, bench_scope, b)) fail_msg("%s", b->error.message);
}

static void teardown(Bench *b)
{
    graph_free(b->g);
    arena_free(&b->arena);
}

#define SHAPE(...) shape_of(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})
#define NUMBER     shape_of(0, NULL)

/* A leaf with a value, also an argument of what is called. */
static Node *give(Bench *b, const char *name, Role role, Type type, Shape shape, const double *value)
{
    Node *leaf = graph_leaf(b->g, role, name, type, shape, NULL);
    size_t size = (size_t)shape_size(shape);
    double *copy = arena_new(&b->arena, size, sizeof *copy);
    memcpy(copy, value, size * sizeof *copy);
    b->given[b->count++] = (Given){leaf, copy};
    b->argument[b->arguments++] = (Argument){.name = name, .value = value_node(leaf)};
    scope_add_node(b->context.scope, name, leaf);
    return leaf;
}

static const double *bind(void *context, const Node *leaf)
{
    static const double seed = 3;
    Bench *b = context;
    for (int i = 0; i < b->count; i++)
        if (b->given[i].leaf == leaf) return b->given[i].value;
    return leaf->type == TYPE_SCALAR ? &seed : NULL;
}

static double *value(Bench *b, Node *n)
{
    Reference r = {bind, b, false};
    double *out;
    reference_evaluate(&b->arena, b->g, &r, 1, &n, &out);
    return out;
}

static void bench_call(void *context)
{
    Bench *b = context;
    Value v = notation_call(&b->context, b->text, b->arguments, b->argument);
    b->result = v.kind == VALUE_TENSOR ? v.node : NULL;
    if (!b->result) error_raise(&b->error, NUDGE_INPUT, "%s gives no tensor", b->text);
}

static Node *call(Bench *b, const char *text)
{
    b->text = text;
    if (error_catch(&b->error, bench_call, b)) fail_msg("%s: %s", text, b->error.message);
    return b->result;
}

static void expect_at(int line, double is, double want)
{
    if (!(fabs(is - want) <= 1e-12 * (1 + fabs(want))))
        fail_msg("line %d: %.17g is not %.17g", line, is, want);
}
#define expect(is, want) expect_at(__LINE__, is, want)

/* ---- Losses ---- */

static const double logits[] = {1, 2, 3, 1, 0, -1}, shares[] = {.1, .2, .7, .5, .5, 0};
static const double classes[] = {2, 1}, weights[] = {3, .5};

static double row_loss(const double *y, const double *t, int n)
{
    double sum = 0, loss = 0;
    for (int i = 0; i < n; i++)
        sum += exp(y[i]);
    for (int i = 0; i < n; i++)
        loss -= t[i] * (y[i] - log(sum));
    return loss;
}

/* Targets of cross entropy as shares, smoothed. */
static void smooth(double *to, const double *t, double smoothing)
{
    for (int i = 0; i < 6; i++)
        to[i] = (1 - smoothing) * t[i] + smoothing / 3;
}

static void test_cross_entropy(void **state)
{
    static const double hot[] = {0, 0, 1, 0, 1, 0};
    static const struct {
        const char *text;
        bool whole;
        double smoothing;
    } c[] = {{"cross_entropy", true, 0},
             {"cross_entropy(smoothing=.1)", true, .1},
             {"cross_entropy", false, 0},
             {"cross_entropy(smoothing=.25)", false, .25}};
    (void)state;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++)
        for (int weighted = 0; weighted < 2; weighted++) {
            Bench b;
            double t[6];
            setup(&b);
            smooth(t, c[i].whole ? hot : shares, c[i].smoothing);
            Node *y = give(&b, "y", ROLE_DATA, TYPE_REAL, SHAPE(2, 3), logits);
            if (c[i].whole)
                give(&b, "t", ROLE_DATA, TYPE_I32, SHAPE(2), classes);
            else
                give(&b, "t", ROLE_DATA, TYPE_REAL, SHAPE(2, 3), shares);
            if (weighted) {
                b.context.weight = give(&b, "w", ROLE_DATA, TYPE_REAL, SHAPE(2), weights);
                b.arguments--;
            }
            Node *loss = call(&b, c[i].text), *dy;
            double w = weighted ? 3 : 1, v = weighted ? .5 : 1;
            expect(*value(&b, loss),
                   (w * row_loss(logits, t, 3) + v * row_loss(logits + 3, t + 3, 3)) / (w + v));
            autodiff_gradients(b.g, b.context.scope, loss, NULL, 1, &y, &dy);
            double sum = exp(1) + exp(2) + exp(3);
            expect(value(&b, dy)[0], w / (w + v) * (exp(1) / sum - t[0]));
            expect(value(&b, dy)[2], w / (w + v) * (exp(3) / sum - t[2]));
            sum = exp(1) + exp(0) + exp(-1);
            expect(value(&b, dy)[4], v / (w + v) * (exp(0) / sum - t[4]));
            teardown(&b);
        }
}

/* One number a row: y = 2, -1, .25, -.5 against t = 0, 1, 1, 0 or their signs. */
static double loss_sse(double y, double t)
{
    return 4 * (y - t) * (y - t) / 2;
}
static double loss_mse(double y, double t)
{
    return (y - t) * (y - t);
}
static double loss_mae(double y, double t)
{
    return fabs(y - t);
}
static double loss_huber(double y, double t)
{
    double e = fabs(y - t);
    return e <= .8 ? e * e / 2 : .8 * (e - .4);
}
static double loss_smooth(double y, double t)
{
    return loss_huber(y, t) / .8;
}
static double loss_bce(double y, double t)
{
    return -t * log(1 / (1 + exp(-y))) - (1 - t) * log(1 - 1 / (1 + exp(-y)));
}
static double loss_hinge(double y, double t)
{
    return fmax(0, 1 - y * (2 * t - 1));
}

static double loss_quantile(double y, double t)
{
    return t > y ? .9 * (t - y) : .1 * (y - t);
}
static double loss_poisson(double y, double t)
{
    return exp(y) - t * y;
}
static double loss_focal(double y, double t)
{
    double p = 1 / (1 + exp(-y)), right = t > 0 ? p : 1 - p;
    return -(t > 0 ? .3 : .7) * (1 - right) * (1 - right) * log(right);
}

static void test_single_losses(void **state)
{
    static const struct {
        const char *text;
        double (*each)(double y, double t);
    } c[] = {
        {"sse", loss_sse},
        {"mse", loss_mse},
        {"mae", loss_mae},
        {"huber(delta=.8)", loss_huber},
        {"smooth_l1(beta=.8)", loss_smooth},
        {"bce", loss_bce},
        {"hinge", loss_hinge},
        {"quantile(q=.9)", loss_quantile},
        {"poisson", loss_poisson},
        {"focal(alpha=.3)", loss_focal},
    };
    static const double y[] = {2, -1, .25, -.5}, t[] = {0, 1, 1, 0};
    (void)state;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        Bench b;
        double mean = 0;
        setup(&b);
        give(&b, "y", ROLE_DATA, TYPE_REAL, SHAPE(4, 1), y);
        give(&b, "t", ROLE_DATA, TYPE_I32, SHAPE(4), t);
        for (int k = 0; k < 4; k++)
            mean += c[i].each(y[k], t[k]) / 4;
        expect(*value(&b, call(&b, c[i].text)), mean);
        teardown(&b);
    }
}

static void test_other_losses(void **state)
{
    static const double p[] = {.2, 1, 0, .75}, t[] = {0, 1, 1, .5}, signs[] = {-1, 1, 1, -1};
    Bench b;
    (void)state;
    setup(&b);
    give(&b, "p", ROLE_DATA, TYPE_REAL, SHAPE(4, 1), p);
    give(&b, "t", ROLE_DATA, TYPE_REAL, SHAPE(4, 1), t);
    give(&b, "s", ROLE_DATA, TYPE_REAL, SHAPE(4, 1), signs);
    give(&b, "y", ROLE_DATA, TYPE_REAL, SHAPE(2, 3), logits);
    b.arguments = 0;
    give(&b, "c", ROLE_DATA, TYPE_I32, SHAPE(2), classes);
    b.arguments = 0;
    expect(*value(&b, call(&b, "bce_probability(p, t)")),
           (-log(.8) + 0 + 100 - log(.75) / 2 - log(.25) / 2) / 4);
    expect(*value(&b, call(&b, "hinge(p, s)")), (1.2 + 0 + 1 + 1.75) / 4);
    expect(*value(&b, call(&b, "hinge(y, c)")), (0. / 3 + (2. + 0) / 3) / 2);
    expect(*value(&b, call(&b, "hinge(y, c, margin=2)")), ((1. + 0) / 3 + (3. + 1) / 3) / 2);
    expect(*value(&b, call(&b, "mse(y, c)")), (1. + 4 + 4 + 1 + 1 + 1) / 6);
    teardown(&b);
}

/* The mean over rows of `each`, by the row's logits and its class or shares. */
static void test_class_losses(void **state)
{
    enum { ROWS = 4 };
    static const double y[ROWS * 3] = {1, 2, 3, 1, 0, -1, .5, -.5, 2, 0, 1, .25}, t[ROWS] = {2, 1, 0, 1},
                                 w[] = {.5, 2, 3};
    double ce[ROWS], smooth_ce[ROWS], sum = 0, seen = 0, part = 0, focal = 0, weighed = 0, weights_sum = 0,
                                      ordinary = 0;
    Bench b;
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        double hot[3] = {0}, soft[3];
        hot[(int)t[i]] = 1;
        ce[i] = row_loss(y + 3 * i, hot, 3);
        for (int k = 0; k < 3; k++)
            soft[k] = w[k] * (.9 * hot[k] + .1 / 3);
        double z = log(exp(y[3 * i]) + exp(y[3 * i + 1]) + exp(y[3 * i + 2]));
        smooth_ce[i] = 0;
        for (int k = 0; k < 3; k++)
            smooth_ce[i] -= soft[k] * (y[3 * i + k] - z);
        double v = w[(int)t[i]];
        sum += v, weighed += v * ce[i], ordinary += smooth_ce[i];
        if (t[i] != 1) seen++, part += ce[i], weights_sum += v;
        focal += pow(1 - exp(-ce[i]), 1.5) * ce[i] / ROWS;
    }
    setup(&b);
    give(&b, "y", ROLE_DATA, TYPE_REAL, SHAPE(ROWS, 3), y);
    give(&b, "t", ROLE_DATA, TYPE_I32, SHAPE(ROWS), t);
    expect(*value(&b, call(&b, "cross_entropy(weights=(.5, 2, 3))")), weighed / sum);
    expect(*value(&b, call(&b, "cross_entropy(weights=(.5, 2, 3), smoothing=.1)")), ordinary / sum);
    expect(*value(&b, call(&b, "cross_entropy(ignore=1)")), part / seen);
    expect(*value(&b, call(&b, "cross_entropy(ignore=1, weights=(.5, 2, 3))")),
           (.5 * ce[2] + 3 * ce[0]) / weights_sum);
    expect(*value(&b, call(&b, "cross_entropy(ignore=7)")), (ce[0] + ce[1] + ce[2] + ce[3]) / 4);
    expect(*value(&b, call(&b, "focal(gamma=1.5)")), focal);
    expect(*value(&b, call(&b, "focal(gamma=1.5, alpha=.25)")), .25 * focal);
    expect(*value(&b, call(&b, "focal(gamma=0)")), (ce[0] + ce[1] + ce[2] + ce[3]) / 4);
    expect(*value(&b, call(&b, "kl")), (ce[0] + ce[1] + ce[2] + ce[3]) / 4);
    teardown(&b);
}

/* Rows that are ignored may hold any number, such as -1; where all are, nothing is lost and nothing flows. */
static void test_ignored(void **state)
{
    static const double y[] = {1, 2, 3, 1, 0, -1, .5, -.5, 2}, some[] = {-1, 1, -1}, none[] = {-1, -1, -1};
    (void)state;
    for (int all = 0; all < 2; all++) {
        Bench b;
        double hot[] = {0, 1, 0};
        setup(&b);
        Node *x = give(&b, "y", ROLE_DATA, TYPE_REAL, SHAPE(3, 3), y), *dx;
        give(&b, "t", ROLE_DATA, TYPE_I32, SHAPE(3), all ? none : some);
        Node *loss = call(&b, "cross_entropy(ignore=-1)");
        expect(*value(&b, loss), all ? 0 : row_loss(y + 3, hot, 3));
        autodiff_gradients(b.g, b.context.scope, loss, NULL, 1, &x, &dx);
        expect(value(&b, dx)[0], 0);
        double slope = exp(0.) / (exp(1.) + exp(0.) + exp(-1.)) - 1;
        expect(value(&b, dx)[4], all ? 0 : slope);
        teardown(&b);
    }
}

static void test_value_losses(void **state)
{
    static const double y[] = {2, -1, .25, -.5, 1, 2}, t[] = {0, 1, 1, 0, 3, 4},
                        shares_of[] = {.2, .5, .3, 0, .25, .75};
    double dot = 0, a = 0, c = 0, cosine = 0, nll = 0, kl = 0;
    Bench b;
    (void)state;
    for (int i = 0; i < 2; i++) {
        dot = a = c = 0;
        for (int k = 0; k < 3; k++)
            dot += y[3 * i + k] * t[3 * i + k], a += y[3 * i + k] * y[3 * i + k],
                c += t[3 * i + k] * t[3 * i + k];
        cosine += (1 - dot / sqrt(a * c)) / 2;
        kl += row_loss(y + 3 * i, shares_of + 3 * i, 3) / 2;
        for (int k = 0; k < 3; k++)
            if (shares_of[3 * i + k] > 0) kl += shares_of[3 * i + k] * log(shares_of[3 * i + k]) / 2;
    }
    for (int i = 0; i < 3; i++) { /* rows of mean and logarithm of variance */
        double e = y[2 * i] - t[i], v = exp(y[2 * i + 1]);
        nll += (log(v) + e * e / v) / 2 / 3;
    }
    setup(&b);
    give(&b, "y", ROLE_DATA, TYPE_REAL, SHAPE(2, 3), y);
    give(&b, "t", ROLE_DATA, TYPE_REAL, SHAPE(2, 3), t);
    b.arguments = 0;
    give(&b, "s", ROLE_DATA, TYPE_REAL, SHAPE(2, 3), shares_of);
    give(&b, "pairs", ROLE_DATA, TYPE_REAL, SHAPE(3, 2), y);
    give(&b, "means", ROLE_DATA, TYPE_REAL, SHAPE(3), t);
    b.arguments = 0;
    expect(*value(&b, call(&b, "cosine_distance(y, t)")), cosine);
    expect(*value(&b, call(&b, "kl(y, s)")), kl);
    expect(*value(&b, call(&b, "gaussian_nll(pairs, means)")), nll);
    expect(*value(&b, call(&b, "poisson(s, t, log_input=false, eps=.5)")),
           (.2 - 0 + .5 - log(1.) + .3 - log(.8) + 0 - 0 + .25 - 3 * log(.75) + .75 - 4 * log(1.25)) / 6);
    teardown(&b);
}

/* Rows 0 and 2 are of class 0, row 1 of class 1, in the plane. */
static void test_pair_losses(void **state)
{
    static const double y[] = {0, 0, 3, 4, 0, 2}, t[] = {0, 1, 0}, z[] = {1, 0, 0, 1, 1, 1};
    double far = sqrt(13), nce = 0, unit[3][2], other[3][2];
    Bench b;
    (void)state;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++) {
            double length = hypot(y[2 * i], y[2 * i + 1]);
            unit[i][k] = length > 0 ? y[2 * i + k] / length : 0;
            other[i][k] = z[2 * i + k] / hypot(z[2 * i], z[2 * i + 1]);
        }
    for (int i = 0; i < 3; i++) {
        double logit[3], hot[3] = {0};
        hot[i] = 1;
        for (int k = 0; k < 3; k++)
            logit[k] = (unit[i][0] * other[k][0] + unit[i][1] * other[k][1]) / .5;
        nce += row_loss(logit, hot, 3) / 3;
    }
    setup(&b);
    give(&b, "y", ROLE_DATA, TYPE_REAL, SHAPE(3, 2), y);
    give(&b, "t", ROLE_DATA, TYPE_I32, SHAPE(3), t);
    b.arguments = 0;
    give(&b, "z", ROLE_DATA, TYPE_REAL, SHAPE(3, 2), z);
    b.arguments = 0;
    expect(*value(&b, call(&b, "contrastive(y, t, margin=4.5)")), (4. + 0 + pow(4.5 - far, 2)) / 2 / 3);
    /* row 0: 2 - 5, row 1: itself - sqrt(13), row 2: 2 - sqrt(13) */
    double alone = fmax(0, 1e-6 - far + 4);
    expect(*value(&b, call(&b, "triplet(y, t, margin=4)")),
           (fmax(0, 2 - 5 + 4) + alone + fmax(0, 2 - far + 4)) / 3);
    expect(*value(&b, call(&b, "info_nce(y, z, temperature=.5)")), nce);
    expect(*value(&b, call(&b, "triplet_margin(y, z, 0*z, margin=.5)")),
           (fmax(0, 1 - 0 + .5) + fmax(0, sqrt(18) - 5 + .5) + fmax(0, sqrt(2) - 2 + .5)) / 3);
    teardown(&b);
}

/* ---- CTC: the probability of all ways to say the labels, summed one by one ---- */

enum { CTC_STEPS = 5, CTC_CLASSES = 3, CTC_LABELS = 2 };

/* What a path says: repeats count once, blanks (0) not at all. */
static bool path_says(const int *path, const double *label, int labels)
{
    int said = 0;
    for (int i = 0; i < CTC_STEPS; i++) {
        if (!path[i] || (i && path[i] == path[i - 1])) continue;
        if (said == labels || path[i] != (int)label[said]) return false;
        said++;
    }
    return said == labels;
}

static double path_sum(const double *y, const double *label, int labels)
{
    double sum = 0;
    for (int code = 0; code < 243; code++) {
        int path[CTC_STEPS];
        double p = 1;
        for (int i = 0, rest = code; i < CTC_STEPS; i++, rest /= CTC_CLASSES) {
            const double *row = y + i * CTC_CLASSES;
            path[i] = rest % CTC_CLASSES;
            p *= exp(row[path[i]]) / (exp(row[0]) + exp(row[1]) + exp(row[2]));
        }
        if (path_says(path, label, labels)) sum += p;
    }
    return sum;
}

static void test_ctc(void **state)
{
    static const double label[4 * CTC_LABELS] = {1, 2, 2, 2, 1, 0, -1, -1};
    static const int labels[] = {2, 2, 1, 0};
    double y[4 * CTC_STEPS * CTC_CLASSES], want = 0;
    Bench b;
    (void)state;
    for (int i = 0; i < 4 * CTC_STEPS * CTC_CLASSES; i++)
        y[i] = sin(i * 1.7);
    for (int n = 0; n < 4; n++)
        want -= log(path_sum(y + n * CTC_STEPS * CTC_CLASSES, label + n * CTC_LABELS, labels[n])) /
                fmax(labels[n], 1) / 4;
    setup(&b);
    give(&b, "y", ROLE_DATA, TYPE_REAL, SHAPE(4, CTC_STEPS, CTC_CLASSES), y);
    give(&b, "t", ROLE_DATA, TYPE_I32, SHAPE(4, CTC_LABELS), label);
    expect(*value(&b, call(&b, "ctc")), want);
    teardown(&b);
}

/* Two equal labels need a blank between, so two steps are too few. */
static void test_ctc_impossible(void **state)
{
    static const double y[] = {1, 2, 3, 1}, t[] = {1, 1};
    Bench b;
    (void)state;
    setup(&b);
    give(&b, "y", ROLE_DATA, TYPE_REAL, SHAPE(1, 2, 2), y);
    give(&b, "t", ROLE_DATA, TYPE_I32, SHAPE(1, 2), t);
    assert_true(isinf(*value(&b, call(&b, "ctc"))));
    expect(*value(&b, call(&b, "ctc(zero_infinity=true)")), 0);
    teardown(&b);
}

/* An example of weight 0 might as well not be there, one of weight 2 might be there twice. */
static void test_weighted_losses(void **state)
{
    static const char *const text[] = {"sse",
                                       "mse",
                                       "mae",
                                       "huber",
                                       "bce",
                                       "hinge",
                                       "cross_entropy",
                                       "kl",
                                       "quantile",
                                       "focal",
                                       "cosine_distance",
                                       "cross_entropy(weights=(1, 2))"};
    static const double y[] = {.3, -1, 2, .1, .5, .7, .5, .7}, t[] = {.2, 1, 0, .3, 1, .4, 1, .4},
                        w[] = {1, 0, 2};
    (void)state;
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        Bench b;
        setup(&b);
        const double picked[] = {.3, -1, .5, .7, .5, .7}, aims[] = {.2, 1, 1, .4, 1, .4};
        give(&b, "y", ROLE_DATA, TYPE_REAL, SHAPE(3, 2), picked);
        give(&b, "t", ROLE_DATA, TYPE_REAL, SHAPE(3, 2), aims);
        double plain = *value(&b, call(&b, text[i]));
        teardown(&b);
        setup(&b);
        give(&b, "y", ROLE_DATA, TYPE_REAL, SHAPE(3, 2), y);
        give(&b, "t", ROLE_DATA, TYPE_REAL, SHAPE(3, 2), t);
        b.context.weight = give(&b, "w", ROLE_DATA, TYPE_REAL, SHAPE(3), w);
        b.arguments--;
        expect(*value(&b, call(&b, text[i])), plain);
        teardown(&b);
    }
}

/* ---- Optimizers ---- */

enum { SIZE = 3 };

/* Three numbers of state for each of the elements; the row's text is not looked at here. */
typedef void Update(int step, double *w, double g, double *s);

static void update_sgd(int step, double *w, double g, double *s)
{
    (void)step, (void)s;
    *w -= .1 * g;
}

static void update_decay(int step, double *w, double g, double *s)
{
    (void)step, (void)s;
    *w -= .1 * (g + .2 * *w);
}

static void update_momentum(int step, double *w, double g, double *s)
{
    double d = g + .01 * *w;
    s[0] = step == 1 ? d : .9 * s[0] + (1 - .3) * d;
    *w -= .1 * s[0];
}

static void update_nesterov(int step, double *w, double g, double *s)
{
    s[0] = step == 1 ? g : .9 * s[0] + g;
    *w -= .1 * (g + .9 * s[0]);
}

static void update_adam(int step, double *w, double g, double *s)
{
    s[0] = .9 * s[0] + .1 * g;
    s[1] = .999 * s[1] + (1 - .999) * g * g;
    double m = s[0] / (1 - pow(.9, step)), v = s[1] / (1 - pow(.999, step));
    *w -= .02 * m / (sqrt(v) + 1e-8);
}

/* eps stands beside the root before it is corrected. */
static void update_sparse_adam(int step, double *w, double g, double *s)
{
    s[0] = .9 * s[0] + .1 * g;
    s[1] = .999 * s[1] + (1 - .999) * g * g;
    *w -= .02 * sqrt(1 - pow(.999, step)) / (1 - pow(.9, step)) * s[0] / (sqrt(s[1]) + 1e-3);
}

static void update_adam_decay(int step, double *w, double g, double *s)
{
    update_adam(step, w, g + .3 * *w, s);
}

static void update_adamw(int step, double *w, double g, double *s)
{
    *w -= .02 * .3 * *w;
    update_adam(step, w, g, s);
}

static void update_rmsprop(int step, double *w, double g, double *s)
{
    (void)step;
    s[0] = .95 * s[0] + .05 * g * g;
    *w -= .01 * g / (sqrt(s[0]) + 1e-8);
}

static void update_rmsprop_all(int step, double *w, double g, double *s)
{
    (void)step;
    g += .1 * *w;
    s[0] = .99 * s[0] + .01 * g * g;
    s[1] = .99 * s[1] + .01 * g;
    s[2] = .5 * s[2] + g / (sqrt(s[0] - s[1] * s[1]) + 1e-8);
    *w -= .01 * s[2];
}

static void update_adagrad(int step, double *w, double g, double *s)
{
    g += .1 * *w;
    s[0] += g * g;
    *w -= .05 / (1 + (step - 1) * .2) * g / (sqrt(s[0]) + 1e-10);
}

static void update_rprop(int step, double *w, double g, double *s)
{
    if (step == 1) s[1] = .01;
    double sign = g * s[0];
    s[1] = fmin(fmax(s[1] * (sign > 0 ? 1.2 : sign < 0 ? .5 : 1), 1e-6), .0101);
    if (sign < 0) g = 0;
    *w -= (g > 0 ? 1 : g < 0 ? -1 : 0) * s[1];
    s[0] = g;
}

static void update_lion(int step, double *w, double g, double *s)
{
    (void)step;
    double u = .9 * s[0] + .1 * g;
    *w -= .001 * ((u > 0 ? 1 : u < 0 ? -1 : 0) + .2 * *w);
    s[0] = .99 * s[0] + .01 * g;
}

static void update_nadam(int step, double *w, double g, double *s)
{
    double mu = .9 * (1 - .5 * pow(.96, step * .004)), next = .9 * (1 - .5 * pow(.96, (step + 1) * .004));
    if (step == 1) s[2] = 1;
    g += .1 * *w;
    s[0] = .9 * s[0] + .1 * g;
    s[1] = .999 * s[1] + .001 * g * g;
    s[2] *= mu;
    double root = sqrt(s[1] / (1 - pow(.999, step))) + 1e-8;
    *w -= .002 * (1 - mu) / (1 - s[2]) * g / root;
    *w -= .002 * next / (1 - s[2] * next) * s[0] / root;
}

static void update_radam(int step, double *w, double g, double *s)
{
    double b = pow(.9, step), top = 2 / (1 - .9) - 1, rho = top - 2 * step * b / (1 - b);
    s[0] = .8 * s[0] + .2 * g;
    s[1] = .9 * s[1] + .1 * g * g;
    double m = s[0] / (1 - pow(.8, step));
    if (rho <= 5)
        *w -= .03 * m;
    else
        *w -= .03 * m * sqrt((rho - 4) * (rho - 2) * top / ((top - 4) * (top - 2) * rho)) * sqrt(1 - b) /
              (sqrt(s[1]) + 1e-8);
}

static void update_adadelta(int step, double *w, double g, double *s)
{
    (void)step;
    s[0] = .9 * s[0] + .1 * g * g;
    double delta = sqrt(s[1] + 1e-6) / sqrt(s[0] + 1e-6) * g;
    s[1] = .9 * s[1] + .1 * delta * delta;
    *w -= delta;
}

static void update_adamax(int step, double *w, double g, double *s)
{
    s[0] = .9 * s[0] + .1 * g;
    s[1] = fmax(.999 * s[1], fabs(g) + 1e-8);
    *w -= .002 / (1 - pow(.9, step)) * s[0] / s[1];
}

/* The mean in s[0] of w from step 3 on. */
static void update_asgd(int step, double *w, double g, double *s)
{
    double eta = .1 / pow(1 + .05 * .1 * (step - 1), .75);
    *w = *w * (1 - .05 * eta) - eta * g;
    s[0] += (*w - s[0]) / fmax(1, step - 1 - 2);
}

static const struct Optimizer {
    const char *text;
    Update *update;
} optimizers[] = {
    {"sgd(lr=.1)", update_sgd},
    {"sgd(lr=.1, weight_decay=.2)", update_decay},
    {"sgd(lr=.1, momentum=.9, dampening=.3, weight_decay=.01)", update_momentum},
    {"sgd(lr=.1, momentum=.9, nesterov=true)", update_nesterov},
    {"adam(lr=.02)", update_adam},
    {"adam(lr=.02, weight_decay=.3)", update_adam_decay},
    {"adamw(lr=.02, weight_decay=.3)", update_adamw},
    {"sparse_adam(lr=.02, eps=1e-3)", update_sparse_adam},
    {"rmsprop(alpha=.95)", update_rmsprop},
    {"rmsprop(momentum=.5, centered=true, weight_decay=.1)", update_rmsprop_all},
    {"adagrad(lr=.05, lr_decay=.2, weight_decay=.1)", update_adagrad},
    {"rprop(most=.0101)", update_rprop},
    {"lion(lr=.001, weight_decay=.2)", update_lion},
    {"nadam(weight_decay=.1)", update_nadam},
    {"radam(lr=.03, beta1=.8, beta2=.9)", update_radam},
    {"adadelta", update_adadelta},
    {"adamax", update_adamax},
    {"asgd(lr=.1, lambd=.05, t0=2)", update_asgd},
};

/* Optimizers that look at whole tensors w[rows, columns]; m and v are as large. */
typedef void UpdateAll(int step, int rows, int columns, double *w, const double *g, double *m, double *v);

static double norm_of(const double *x, int size)
{
    double sum = 0;
    for (int i = 0; i < size; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

static void update_lamb(int step, int rows, int columns, double *w, const double *g, double *m, double *v)
{
    double u[ROOM];
    int size = rows * columns;
    for (int i = 0; i < size; i++) {
        m[i] = .9 * m[i] + .1 * g[i];
        v[i] = .999 * v[i] + .001 * g[i] * g[i];
        u[i] = m[i] / (1 - pow(.9, step)) / (sqrt(v[i] / (1 - pow(.999, step))) + 1e-6) + .1 * w[i];
    }
    double trust = norm_of(w, size) / norm_of(u, size);
    for (int i = 0; i < size; i++)
        w[i] -= .02 * trust * u[i];
}

static void update_lars(int step, int rows, int columns, double *w, const double *g, double *m, double *v)
{
    double d[ROOM];
    int size = rows * columns;
    (void)step, (void)v;
    for (int i = 0; i < size; i++)
        d[i] = g[i] + .1 * w[i];
    double trust = .001 * norm_of(w, size) / (norm_of(d, size) + 1e-8);
    for (int i = 0; i < size; i++) {
        m[i] = .9 * m[i] + trust * d[i];
        w[i] -= .1 * m[i];
    }
}

/* torch.optim.Adafactor: m holds the means over rows, then those over columns. */
static void update_adafactor(int step, int rows, int columns, double *w, const double *g, double *m,
                             double *v)
{
    const double eps = 1.1920928955078125e-7;
    double b = pow(step, -.8), u[ROOM], mean = 0, *row = m, *column = v;
    int size = rows * columns;
    double alpha = fmax(1e-3, norm_of(w, size) / sqrt(size)) * fmin(.01, 1 / sqrt(step));
    for (int r = 0; r < rows; r++) {
        double square = pow(norm_of(g + r * columns, columns), 2) / columns;
        row[r] += b * (square - row[r]);
        mean += row[r] / rows;
    }
    for (int k = 0; k < columns; k++) {
        double square = 0;
        for (int r = 0; r < rows; r++)
            square += g[r * columns + k] * g[r * columns + k] / rows;
        column[k] += b * (square - column[k]);
    }
    for (int i = 0; i < size; i++)
        u[i] = g[i] / sqrt(fmax(row[i / columns] * column[i % columns] / fmax(mean, eps), eps * eps));
    double large = fmax(1, norm_of(u, size) / sqrt(size));
    for (int i = 0; i < size; i++)
        w[i] = w[i] * (1 - .01 * .1) - alpha / large * u[i];
}

static void update_adafactor_vector(int step, int rows, int columns, double *w, const double *g, double *m,
                                    double *v)
{
    double b = pow(step, -.8), u[ROOM];
    int size = rows * columns;
    (void)m;
    double alpha = fmax(1e-3, norm_of(w, size) / sqrt(size)) * fmin(.01, 1 / sqrt(step));
    for (int i = 0; i < size; i++)
        v[i] += b * (g[i] * g[i] - v[i]), u[i] = g[i] / sqrt(v[i]);
    double large = fmax(1, norm_of(u, size) / sqrt(size));
    for (int i = 0; i < size; i++)
        w[i] -= alpha / large * u[i];
}

/* x = a x + (b x x' + c x x' x x') x for the smaller of x x' and x' x, five times: on rows <= columns here. */
static void newton_schulz(double *x, int rows, int columns)
{
    double a[ROOM], p[ROOM], y[ROOM];
    for (int turn = 0; turn < 5; turn++) {
        for (int i = 0; i < rows * rows; i++) {
            a[i] = 0;
            for (int k = 0; k < columns; k++)
                a[i] += x[i / rows * columns + k] * x[i % rows * columns + k];
        }
        for (int i = 0; i < rows * rows; i++) {
            p[i] = -4.775 * a[i];
            for (int k = 0; k < rows; k++)
                p[i] += 2.0315 * a[i / rows * rows + k] * a[k * rows + i % rows];
        }
        for (int i = 0; i < rows * columns; i++) {
            y[i] = 3.4445 * x[i];
            for (int k = 0; k < rows; k++)
                y[i] += p[i / columns * rows + k] * x[k * columns + i % columns];
        }
        memcpy(x, y, (size_t)(rows * columns) * sizeof *x);
    }
}

static void flip(const double *x, int rows, int columns, double *y)
{
    for (int i = 0; i < rows * columns; i++)
        y[i % columns * rows + i / columns] = x[i];
}

static void update_muon(int step, int rows, int columns, double *w, const double *g, double *m, double *v)
{
    double x[ROOM] = {0}, turned[ROOM];
    int size = rows * columns;
    (void)step, (void)v;
    for (int i = 0; i < size; i++) {
        m[i] += .05 * (g[i] - m[i]);
        x[i] = g[i] + .95 * (m[i] - g[i]);
    }
    double length = fmax(norm_of(x, size), 1e-7);
    for (int i = 0; i < size; i++)
        x[i] /= length;
    if (rows > columns)
        flip(x, rows, columns, turned), newton_schulz(turned, columns, rows), flip(turned, columns, rows, x);
    else
        newton_schulz(x, rows, columns);
    for (int i = 0; i < size; i++)
        w[i] = w[i] * (1 - .02 * .1) - .02 * sqrt(fmax(1, (double)rows / columns)) * x[i];
}

static void update_adamw_all(int step, int rows, int columns, double *w, const double *g, double *m,
                             double *v)
{
    for (int i = 0; i < rows * columns; i++) {
        double s[] = {m[i], v[i]};
        update_adamw(step, &w[i], g[i], s);
        m[i] = s[0], v[i] = s[1];
    }
}

static void update_adamw_spared(int step, int rows, int columns, double *w, const double *g, double *m,
                                double *v)
{
    for (int i = 0; i < rows * columns; i++) {
        double s[] = {m[i], v[i]};
        update_adam(step, &w[i], g[i], s);
        m[i] = s[0], v[i] = s[1];
    }
}

static const struct WholeOptimizer {
    const char *text;
    UpdateAll *update;
    int rows, columns; /* columns 0: a vector */
} whole[] = {
    {"lamb(lr=.02, weight_decay=.1)", update_lamb, 2, 3},
    {"lars(weight_decay=.1)", update_lars, 3, 2},
    {"adafactor(weight_decay=.1)", update_adafactor, 3, 2},
    {"adafactor", update_adafactor_vector, 4, 0},
    {"muon(lr=.02)", update_muon, 2, 3},
    {"muon(lr=.02)", update_muon, 4, 2},
    {"muon(lr=.02, weight_decay=.3)", update_adamw_all, 3, 0},
    {"muon(lr=.02, weight_decay=.3, decay_vectors=false)", update_adamw_spared, 3, 0},
    {"adamw(lr=.02, weight_decay=.3, decay_vectors=false)", update_adamw_spared, 3, 0},
    {"adamw(lr=.02, weight_decay=.3, decay_vectors=false)", update_adamw_all, 2, 2},
};

typedef struct First {
    Bench *b;
    Node *leaf, *node;
} First;

static void first_value(void *context)
{
    First *f = context;
    Context c = f->b->context;
    f->node = notation_initial(&c, f->leaf->leaf, f->leaf->shape);
}

static void give_states(Bench *b)
{
    for (size_t i = 0; i < b->g->leaves; i++) {
        First f = {b, b->g->leaf[i], NULL};
        if (f.leaf->leaf->role != ROLE_STATE) continue;
        assert_memory_equal(f.leaf->leaf->name, "0.weight.", 9);
        if (error_catch(&b->error, first_value, &f)) fail_msg("%s", b->error.message);
        double *first = value(b, f.node);
        b->given[b->count++] = (Given){f.leaf, first};
    }
}

/* All values are worked out from the old ones before any is put in place. */
static void step(Bench *b)
{
    double *next[ROOM];
    for (size_t i = 0; i < b->g->assignments; i++)
        next[i] = value(b, b->g->assignment[i].value);
    for (size_t i = 0; i < b->g->assignments; i++)
        for (int k = 0; k < b->count; k++)
            if (b->given[k].leaf == b->g->assignment[i].leaf) b->given[k].value = next[i];
}

static void check_optimizer(const struct Optimizer *o)
{
    static const double w[SIZE] = {1, -2, .5};
    Bench b;
    double now[SIZE], states[SIZE][3] = {{0}};
    memcpy(now, w, sizeof now);
    setup(&b);
    b.context.path = "0.weight";
    give(&b, "w", ROLE_PARAMETER, TYPE_REAL, SHAPE(SIZE), w);
    give(&b, "g", ROLE_DATA, TYPE_REAL, SHAPE(SIZE), w);
    give(&b, "t", ROLE_SCALAR, TYPE_SCALAR, NUMBER, w);
    call(&b, o->text);
    give_states(&b);
    for (int t = 1; t <= STEPS; t++) {
        b.given[2].value[0] = t;
        for (int i = 0; i < SIZE; i++) {
            b.given[1].value[i] = sin(i + 2.1 * t) + (i == 2 ? .1 * now[i] : 0);
            o->update(t, &now[i], b.given[1].value[i], states[i]);
        }
        step(&b);
        for (int i = 0; i < SIZE; i++)
            if (!(fabs(b.given[0].value[i] - now[i]) < 1e-13))
                fail_msg("%s: after step %d w[%d] is %.17g, not %.17g", o->text, t, i, b.given[0].value[i],
                         now[i]);
    }
    teardown(&b);
}

static void test_optimizers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++)
        check_optimizer(&optimizers[i]);
}

static void check_whole(const struct WholeOptimizer *o)
{
    int rows = o->rows, columns = o->columns ? o->columns : 1, size = rows * columns;
    double now[ROOM], m[ROOM] = {0}, v[ROOM] = {0}, g[ROOM];
    Bench b;
    for (int i = 0; i < size; i++)
        now[i] = cos(2.3 * i + 1);
    setup(&b);
    b.context.path = "0.weight";
    Shape shape = o->columns ? SHAPE(rows, columns) : SHAPE(rows);
    give(&b, "w", ROLE_PARAMETER, TYPE_REAL, shape, now);
    give(&b, "g", ROLE_DATA, TYPE_REAL, shape, now);
    give(&b, "t", ROLE_SCALAR, TYPE_SCALAR, NUMBER, now);
    call(&b, o->text);
    give_states(&b);
    for (int t = 1; t <= STEPS; t++) {
        b.given[2].value[0] = t;
        for (int i = 0; i < size; i++)
            g[i] = sin(i + 2.1 * t) + .1 * now[i];
        memcpy(b.given[1].value, g, (size_t)size * sizeof *g);
        o->update(t, rows, columns, now, g, m, v);
        step(&b);
        for (int i = 0; i < size; i++)
            if (!(fabs(b.given[0].value[i] - now[i]) < 1e-12))
                fail_msg("%s: after step %d w[%d] is %.17g, not %.17g", o->text, t, i, b.given[0].value[i],
                         now[i]);
    }
    teardown(&b);
}

static void test_whole_optimizers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        check_whole(&whole[i]);
}

static bool optimizer_is(const char *text, const char *name, size_t letters)
{
    return strcspn(text, "(") == letters && !strncmp(text, name, letters);
}

/* Every optimizer of the rows is among those above. */
static void test_optimizers_all(void **state)
{
    const Definition *d;
    (void)state;
    for (size_t i = 0; (d = nn_row(i)); i++) {
        int found = strcmp(d->category, "optimizer") != 0;
        size_t letters = strcspn(d->row, "(");
        for (size_t k = 0; k < sizeof optimizers / sizeof *optimizers; k++)
            found |= optimizer_is(optimizers[k].text, d->row, letters);
        for (size_t k = 0; k < sizeof whole / sizeof *whole; k++)
            found |= optimizer_is(whole[k].text, d->row, letters);
        if (!found) fail_msg("%.*s has no worked values", (int)letters, d->row);
    }
}

/* What an optimizer does not use, it does not keep. */
static void test_states_wanted(void **state)
{
    static const struct {
        const char *text;
        size_t states;
    } c[] = {{"sgd", 0}, {"sgd(momentum=.9)", 1}, {"rmsprop", 1}, {"rmsprop(centered=true)", 2}, {"adam", 2}};
    (void)state;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        Bench b;
        setup(&b);
        give(&b, "w", ROLE_PARAMETER, TYPE_REAL, SHAPE(1), (double[]){1});
        give(&b, "g", ROLE_DATA, TYPE_REAL, SHAPE(1), (double[]){1});
        give(&b, "t", ROLE_SCALAR, TYPE_SCALAR, NUMBER, (double[]){1});
        call(&b, c[i].text);
        assert_int_equal(b.g->leaves, 3 + c[i].states);
        assert_int_equal(b.g->assignments, 1 + c[i].states);
        teardown(&b);
    }
}

/* A scheduled lr is one more number of the step. */
static void test_lr_expression(void **state)
{
    Bench b;
    (void)state;
    setup(&b);
    give(&b, "w", ROLE_PARAMETER, TYPE_REAL, SHAPE(1), (double[]){1});
    give(&b, "g", ROLE_DATA, TYPE_REAL, SHAPE(1), (double[]){2});
    give(&b, "t", ROLE_SCALAR, TYPE_SCALAR, NUMBER, (double[]){3});
    call(&b, "sgd(lr=.1*warmup(t, 0, over=6))");
    expect(*value(&b, b.g->assignment[0].value), 1 - .1 * .5 * 2);
    teardown(&b);
}

/* ---- Schedules and clipping ---- */

static double scheduled(const char *text, double t, double steps)
{
    Bench b;
    setup(&b);
    give(&b, "t", ROLE_SCALAR, TYPE_SCALAR, NUMBER, &t);
    give(&b, "steps", ROLE_SCALAR, TYPE_SCALAR, NUMBER, &steps);
    Node *n = call(&b, text);
    assert_int_equal(n->type, TYPE_SCALAR);
    double factor = *value(&b, n);
    teardown(&b);
    return factor;
}

static void test_schedules(void **state)
{
    (void)state;
    expect(scheduled("constant", 7, 10), 1);
    expect(scheduled("step(every=3)", 3, 10), 1);
    expect(scheduled("step(every=3)", 4, 10), .1);
    expect(scheduled("step(every=3, factor=.5)", 7, 10), .25);
    expect(scheduled("warmup(over=4)", 1, 10), .25);
    expect(scheduled("warmup(over=4)", 9, 10), 1);
    expect(scheduled("linear", 1, 10), 1);
    expect(scheduled("linear", 6, 10), .5);
    expect(scheduled("linear(floor=.2)", 6, 10), .6);
    expect(scheduled("linear(warmup=4)", 2, 10), .5);
    expect(scheduled("linear(warmup=4)", 8, 10), .5);
    expect(scheduled("cosine", 1, 10), 1);
    expect(scheduled("cosine", 6, 10), .5);
    expect(scheduled("cosine", 2, 10), (1 + cos(acos(-1.) / 10)) / 2);
    expect(scheduled("cosine", 11, 10), 0);
    expect(scheduled("cosine(floor=.1)", 50, 10), .1);
    expect(scheduled("cosine(warmup=10)", 5, 30), .5);
    expect(scheduled("cosine(warmup=10)", 10, 30), 1);
    expect(scheduled("cosine(warmup=10)", 11, 30), 1);
    expect(scheduled("cosine(warmup=10)", 21, 30), .5);
    /* of OneCycleLR with 20 steps: up over 5 steps, then 14 down to 4e-6 */
    expect(scheduled("one_cycle", 1, 20), .04);
    expect(scheduled("one_cycle", 6, 20), 1);
    expect(scheduled("one_cycle", 20, 20), 4e-6);
    expect(scheduled("one_cycle", 2, 20), .04 + .96 * (1 - cos(acos(-1.) / 5)) / 2);
    expect(scheduled("one_cycle", 13, 20), 4e-6 + (1 - 4e-6) / 2);
    expect(scheduled("one_cycle(rise=.5, start=.5, end=.25)", 5, 20),
           .5 + .25 * (1 - cos(acos(-1.) * 4 / 9)));
    expect(scheduled("one_cycle", 1, 1), .04);
}

static void test_clipping(void **state)
{
    Bench b;
    (void)state;
    setup(&b);
    give(&b, "g", ROLE_DATA, TYPE_REAL, SHAPE(3), (double[]){-3, .5, 4});
    give(&b, "gnorm", ROLE_DATA, TYPE_REAL, NUMBER, (double[]){5});
    double *y = value(&b, call(&b, "value(limit=1)"));
    expect(y[0], -1), expect(y[1], .5), expect(y[2], 1);
    y = value(&b, call(&b, "norm(limit=2)"));
    expect(y[2], 4 * 2 / (5 + 1e-6));
    y = value(&b, call(&b, "norm(limit=20)"));
    expect(y[2], 4);
    teardown(&b);
}

/* ---- Layers and initialisers ---- */

typedef struct Net {
    Bench *b;
    const char *text;
    Node *x, *y;
} Net;

static void net_apply(void *context)
{
    Net *n = context;
    n->y = notation_net(&n->b->context, n->text, n->x, NULL, NULL);
}

static void test_dense(void **state)
{
    Bench b;
    (void)state;
    setup(&b);
    b.context.path = "";
    Net n = {.b = &b, .text = "dense(2) prelu"};
    n.x = give(&b, "x", ROLE_DATA, TYPE_REAL, SHAPE(1, 3), (double[]){1, 2, 3});
    if (error_catch(&b.error, net_apply, &n)) fail_msg("%s", b.error.message);
    Node *weight = graph_find_leaf(b.g, "0.weight"), *bias = graph_find_leaf(b.g, "0.bias");
    Node *slope = graph_find_leaf(b.g, "1.weight");
    assert_true(weight && bias && slope);
    b.given[b.count++] = (Given){weight, (double[]){1, 0, -1, 2, 1, .5}};
    b.given[b.count++] = (Given){bias, (double[]){-1, 10}};
    First f = {&b, slope, NULL};
    if (error_catch(&b.error, first_value, &f)) fail_msg("%s", b.error.message);
    b.given[b.count++] = (Given){slope, value(&b, f.node)};
    double *y = value(&b, n.y);
    expect(y[0], -3 * .25), expect(y[1], 15.5);
    teardown(&b);
}

/* The first values of a parameter [rows, columns] drawn by the text. */
static double *drawn(Bench *b, const char *text, int64_t rows, int64_t columns)
{
    char row[200];
    snprintf(row, sizeof row, "probe(x | w[%d, %d] ~ %s): x + w", (int)rows, (int)columns, text);
    scope_add_row(b->context.scope, "test", row, NULL, NULL);
    give(b, "x", ROLE_DATA, TYPE_REAL, NUMBER, (double[]){0});
    call(b, "probe");
    First f = {b, graph_find_leaf(b->g, "0.w"), NULL};
    if (error_catch(&b->error, first_value, &f)) fail_msg("%s: %s", text, b->error.message);
    assert_true(shape_equal(f.node->shape, SHAPE(rows, columns)));
    return value(b, f.node);
}

/* Bounds and variance, of 80 x 50 draws: [out, in]. */
static void test_initialisers(void **state)
{
    static const struct {
        const char *text;
        double mean, variance, bound;
    } c[] = {
        {"glorot", 0, 2. / 130, 0.2148344622118299},
        {"glorot(gain=2)", 0, 8. / 130, 0.42966892442365984},
        {"glorot_normal", 0, 2. / 130, 1},
        {"he", 0, 2. / 50, 1},
        {"he_uniform", 0, 2. / 50, 0.34641016151377546},
        {"lecun", 0, 1. / 50, 1},
        {"lecun_uniform", 0, 1. / 50, 0.24494897427831781},
        {"uniform(low=-1, high=3)", 1, 16. / 12, 3},
        {"normal(mean=2, std=.1)", 2, .01, 3},
        {"constant(.5)", .5, 0, .5},
    };
    (void)state;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        Bench b;
        double mean = 0, square = 0, bound = 0;
        setup(&b);
        double *w = drawn(&b, c[i].text, 80, 50);
        for (int k = 0; k < 4000; k++)
            mean += w[k] / 4000, bound = fmax(bound, fabs(w[k]));
        for (int k = 0; k < 4000; k++)
            square += (w[k] - mean) * (w[k] - mean) / 4000;
        if (fabs(mean - c[i].mean) > 4 * sqrt(c[i].variance / 4000) + 1e-12 ||
            fabs(square - c[i].variance) > .1 * c[i].variance + 1e-20 || bound > c[i].bound)
            fail_msg("%s: mean %g, variance %g, bound %g", c[i].text, mean, square, bound);
        teardown(&b);
    }
}

static void check_orthogonal(const char *text, int rows, int columns, double gain)
{
    Bench b;
    setup(&b);
    double *w = drawn(&b, text, rows, columns);
    bool wide = rows < columns;
    int n = wide ? rows : columns, length = wide ? columns : rows;
    for (int i = 0; i < n; i++)
        for (int k = 0; k <= i; k++) {
            double dot = 0;
            for (int m = 0; m < length; m++)
                dot += (wide ? w[i * columns + m] : w[m * columns + i]) *
                       (wide ? w[k * columns + m] : w[m * columns + k]);
            if (fabs(dot - (i == k ? gain * gain : 0)) > 1e-10)
                fail_msg("%s [%d, %d]: %d . %d is %.17g", text, rows, columns, i, k, dot);
        }
    teardown(&b);
}

static void test_orthogonal(void **state)
{
    (void)state;
    check_orthogonal("orthogonal", 6, 6, 1);
    check_orthogonal("orthogonal(gain=2)", 3, 7, 2);
    check_orthogonal("orthogonal", 9, 4, 1);
    check_orthogonal("orthogonal", 1, 5, 1);
}

/* ---- Mistakes ---- */

static const struct Mistake {
    const char *text, *says;
} mistakes[] = {
    {"adam(lrr=1)", "adam has no argument called lrr; did you mean lr?"},
    {"adam(lr=1, lr=2)", "twice"},
    {"sgd(lr=fast)", "nothing is called fast"},
    {"step", "step needs its argument every"},
    {"step(every=3, rate=2)", "step has no argument called rate"},
    {"cosine(1, 2, 3, 4)", "cosine has one argument too many here"},
    {"norm", "norm needs its argument limit"},
    {"sgd(momentum=t)", "this condition is a number that is known only when a step runs"},
    {"mse(w, c)", "reshape: [2] has 2 elements, [3] has 3"},
    {"huber(w, w, detla=1)", "huber has no argument called detla; did you mean delta?"},
};

static void test_mistakes(void **state)
{
    static const double three[] = {1, 2, 3};
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        Bench b;
        setup(&b);
        give(&b, "c", ROLE_DATA, TYPE_REAL, SHAPE(2), three);
        b.arguments = 0;
        give(&b, "w", ROLE_PARAMETER, TYPE_REAL, SHAPE(3), three);
        give(&b, "g", ROLE_DATA, TYPE_REAL, SHAPE(3), three);
        give(&b, "gnorm", ROLE_DATA, TYPE_REAL, NUMBER, three);
        give(&b, "t", ROLE_SCALAR, TYPE_SCALAR, NUMBER, three);
        give(&b, "steps", ROLE_SCALAR, TYPE_SCALAR, NUMBER, three);
        if (strchr(mistakes[i].text, 'w')) b.arguments = 0;
        b.text = mistakes[i].text;
        assert_int_equal(error_catch(&b.error, bench_call, &b), NUDGE_INPUT);
        if (!strstr(b.error.message, mistakes[i].says))
            fail_msg("%s says %s", mistakes[i].text, b.error.message);
        teardown(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cross_entropy),
        cmocka_unit_test(test_single_losses),
        cmocka_unit_test(test_other_losses),
        cmocka_unit_test(test_weighted_losses),
        cmocka_unit_test(test_class_losses),
        cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_value_losses),
        cmocka_unit_test(test_pair_losses),
        cmocka_unit_test(test_ctc),
        cmocka_unit_test(test_ctc_impossible),
        cmocka_unit_test(test_whole_optimizers),
        cmocka_unit_test(test_optimizers),
        cmocka_unit_test(test_optimizers_all),
        cmocka_unit_test(test_states_wanted),
        cmocka_unit_test(test_lr_expression),
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_clipping),
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_initialisers),
        cmocka_unit_test(test_orthogonal),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
