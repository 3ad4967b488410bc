/* L-BFGS: what it reaches, and what it refuses. That it takes PyTorch's course is in test_trajectories.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/fit.h"
#include <math.h>
#include <string.h>

enum { ROWS = 12 };

static double rows_x[ROWS * 2], rows_t[ROWS];

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < 2; k++)
            rows_x[i * 2 + k] = sin(1.3 * i + .7 * k);
        rows_t[i] = cos(2 * rows_x[i * 2]) + rows_x[i * 2 + 1] * rows_x[i * 2 + 1];
    }
    return 0;
}

static Dataset data(void)
{
    return (Dataset){.rows = ROWS,
                     .features = 2,
                     .targets = 1,
                     .x_type = DATA_F64,
                     .t_type = DATA_F64,
                     .x = rows_x,
                     .t = rows_t};
}

static int try_make(Model **m, const Dataset *d, const char *options, Error *e)
{
    Settings s = {0};
    Task task = task_of(d, false);
    *m = NULL;
    int status = settings_parse(&s, options, e);
    if (!status) status = model_new(m, &s, &task, e);
    settings_free(&s);
    return status;
}

static Model *make(const Dataset *d, const char *options)
{
    Error e = {0};
    Model *m;
    if (try_make(&m, d, options, &e)) fail_msg("%s", e.message);
    return m;
}

/* The losses of the epochs. */
typedef struct Ear {
    double loss[64];
    int epochs;
} Ear;

static int hear(void *context, const nudge_event *event)
{
    Ear *ear = context;
    if (!strcmp(event->kind, "epoch")) ear->loss[ear->epochs++] = event->loss;
    return 0;
}

static void train(Model *m, const Dataset *d, Ear *ear)
{
    Error e = {0};
    *ear = (Ear){0};
    Fit f = {.data = d, .listener = hear, .context = ear};
    if (fit_run(m, &f, &e)) fail_msg("%s", e.message);
    fit_free(&f);
}

/* A quadratic of 3 unknowns; then there is nothing left to do, and nothing is done. */
static void test_least_squares(void **state)
{
    (void)state;
    static const char *const dtype[] = {"float32", "float64"};
    double x[ROWS * 2], t[ROWS];
    for (int i = 0; i < ROWS; i++) {
        x[i * 2] = i % 5, x[i * 2 + 1] = i % 3;
        t[i] = 3 * x[i * 2] - 2 * x[i * 2 + 1] + .5;
    }
    Dataset d = data();
    d.x = x, d.t = t;
    for (int k = 0; k < 2; k++) {
        Text all = {0};
        text_print(&all, "net=dense(1) loss=mse optimizer=lbfgs epochs=40 validation=0 dtype=%s", dtype[k]);
        Model *m = make(&d, text_end(&all));
        Ear ear;
        train(m, &d, &ear);
        for (int i = 1; i < ear.epochs; i++)
            assert_true(ear.loss[i] <= ear.loss[i - 1]);
        assert_true(ear.loss[15] < 1e-10);
        assert_true(ear.loss[39] == ear.loss[38]);
        assert_true(fabs(tensor_get(&m->store, store_find(&m->store, "0.bias"), 0) - .5) < 1e-4);
        model_free(m);
        text_free(&all);
    }
}

/* A valley that curves (Rosenbrock): the net's weights a, b are the unknowns, rows do not matter. */
static void test_valley(void **state)
{
    (void)state;
    Dataset d = data();
    Model *m =
        make(&d, "net=valley loss=take dtype=float64 optimizer=lbfgs epochs=60 validation=0 "
                 "define=valley(x[n, k] | a[] = -1.2, b[] = 1): 0*x[:, 0:1] + (1 - a)^2 + 100*(b - a*a)^2\n"
                 "take(y, t): mean(y)");
    Ear ear;
    train(m, &d, &ear);
    assert_true(fabs(ear.loss[0] - 24.2) < 1e-12);
    assert_true(ear.loss[59] < 1e-12);
    assert_true(fabs(tensor_get(&m->store, store_find(&m->store, "0.a"), 0) - 1) < 1e-6);
    model_free(m);
}

/* What is searched along a line is loss and penalty together; what is told of is the loss. */
static void test_with_a_penalty(void **state)
{
    (void)state;
    Dataset d = {.rows = 2,
                 .features = 1,
                 .targets = 1,
                 .x_type = DATA_F64,
                 .t_type = DATA_F64,
                 .x = (double[]){1, 1},
                 .t = (double[]){100, 100}};
    Model *m =
        make(&d, "net=dense(1, bias=false) loss=mse dtype=float64 optimizer=lbfgs epochs=20 validation=0 "
                 "penalty=l2(.25) batch=2 log=1");
    Ear ear;
    train(m, &d, &ear);
    double w = tensor_get(&m->store, store_find(&m->store, "0.weight"), 0); /* 2 (w - 100) + w/2 = 0 */
    assert_true(fabs(w - 80) < 1e-6);
    assert_true(fabs(ear.loss[19] - 400) < 1e-4);
    model_free(m);
}

static void test_freezing(void **state)
{
    (void)state;
    Dataset d = data();
    Model *m =
        make(&d, "net=dense(3) tanh dense(1) loss=mse optimizer=lbfgs epochs=8 freeze=0.weight validation=0");
    double before = tensor_get(&m->store, store_find(&m->store, "0.weight"), 4);
    Ear ear;
    train(m, &d, &ear);
    assert_true(tensor_get(&m->store, store_find(&m->store, "0.weight"), 4) == before);
    assert_true(ear.loss[7] < .9 * ear.loss[0]);
    assert_int_equal(store_find(&m->store, "optimizer.lbfgs.gradient")->size, 3 + 3 + 1);
    model_free(m);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *options, *fragment;
    } row[] = {
        {"batch=4", "options: batch: lbfgs takes all 12 rows that it trains on at once; leave batch out"},
        {"schedule=cosine", "options: schedule: lbfgs finds the length of its steps itself; leave it out"},
        {"clip=1", "options: clip: lbfgs has no use for it; leave it out"},
        {"average=ema", "options: average: lbfgs has no use for it"},
        {"groups={*: sgd}", "options: groups: lbfgs has no use for it"},
        {"net=dropout dense(1)", "but the net draws random numbers; leave out dropout and its like"},
        {"net=batchnorm dense(1)", "but 0.running_mean changes with every batch; use layernorm instead"},
        {"optimizer=lbfgs(history=0)", "lbfgs: history must be at least 1 and at most 1000, not 0"},
        {"optimizer=lbfgs(lr=1)", "lbfgs has no argument called lr"},
    };
    Dataset d = data();
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        Text all = {0};
        Error e = {0};
        Model *m;
        Fit f = {.data = &d};
        text_print(&all, "net=dense(1) loss=mse optimizer=lbfgs validation=0 %s", row[i].options);
        int status = try_make(&m, &d, text_end(&all), &e);
        if (!status) status = fit_run(m, &f, &e);
        if (status != NUDGE_INPUT || !strstr(e.message, row[i].fragment))
            fail_msg("%s: %d, %s", row[i].options, status, e.message);
        fit_free(&f);
        model_free(m);
        text_free(&all);
    }
    Error e = {0};
    Model *m = make(&d, "net=dense(1) loss=mse optimizer=lbfgs");
    assert_int_equal(model_step(m, &d, NULL, &e), NUDGE_INPUT);
    assert_non_null(strstr(e.message, "a single step needs another optimizer"));
    model_free(m);
}

/* A step into nowhere is taken back by the search, not reported as a divergence. */
static void test_cliffs(void **state)
{
    (void)state;
    Dataset d = data();
    Model *m = make(&d, "net=dense(1) steep loss=mse dtype=float64 optimizer=lbfgs epochs=30 validation=0 "
                        "define=steep(x): exp(40*x)/exp(20)");
    Ear ear;
    train(m, &d, &ear);
    for (int i = 1; i < ear.epochs; i++)
        assert_true(ear.loss[i] <= ear.loss[i - 1]);
    assert_null(store_broken(&m->store));
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least_squares),  cmocka_unit_test(test_valley),
        cmocka_unit_test(test_with_a_penalty), cmocka_unit_test(test_freezing),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_cliffs),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
