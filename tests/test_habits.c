/* Habits of training: groups and freezing, penalties, constraints, averages, schedules that follow the loss, balanced
 * classes, parts of a batch in nets with statistics, and the watch for NaN. Each against worked values; and together
 * they resume to the same bits, for any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/philox.h"
#include "format/file.h"
#include "train/fit.h"
#include "train/rates.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failing_heap.h"

enum { ROWS = 60, FEATURES = 3, CLASSES = 3, SIDE = 6 };

static double rows_x[ROWS * FEATURES], rows_y[ROWS], rows_weight[ROWS];
static int32_t rows_class[ROWS];
static uint8_t rows_image[ROWS * SIDE * SIDE];
static char root[] = "/tmp/nudge-habits-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        rows_class[i] = (int32_t)(i % 10 < 6 ? 0 : i % 10 < 9 ? 1 : 2);
        for (size_t k = 0; k < FEATURES; k++)
            rows_x[i * FEATURES + k] =
                (double)philox(7, i, k).word[0] / 4294967296. + (rows_class[i] == (int)k);
        rows_y[i] = sin(3 * rows_x[i * FEATURES]) + rows_x[i * FEATURES + 1];
        rows_weight[i] = (double)(i % 4);
        for (size_t k = 0; k < SIDE * SIDE; k++)
            rows_image[i * SIDE * SIDE + k] = (uint8_t)(philox(8, i, k).word[0] >> 24);
    }
    return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static Dataset values_data(void)
{
    return (Dataset){.rows = ROWS,
                     .features = FEATURES,
                     .targets = 1,
                     .x_type = DATA_F64,
                     .t_type = DATA_F64,
                     .x = rows_x,
                     .t = rows_y};
}

static Dataset classes_data(void)
{
    Dataset d = values_data();
    d.t_type = DATA_I32;
    d.t = rows_class;
    d.classes = CLASSES;
    return d;
}

static Dataset images_data(void)
{
    Dataset d = classes_data();
    d.features = SIDE * SIDE;
    d.x_type = DATA_U8;
    d.x = rows_image;
    d.x_rank = 3;
    d.x_shape[0] = 1, d.x_shape[1] = d.x_shape[2] = SIDE;
    return d;
}

/* Two rows of x = 1, whose target is 100. */
static Dataset hundred_data(void)
{
    static const double one[] = {1, 1}, hundred[] = {100, 100};
    return (Dataset){.rows = 2,
                     .features = 1,
                     .targets = 1,
                     .x_type = DATA_F64,
                     .t_type = DATA_F64,
                     .x = one,
                     .t = hundred};
}

static int try_make(Model **m, const Dataset *d, const char *options, Error *e)
{
    Settings s = {0};
    Task task = task_of(d, d->rows > 2);
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
    int status = try_make(&m, d, options, &e);
    if (status) print_error("%s\n", e.message);
    assert_int_equal(status, 0);
    return m;
}

static void train(Model *m, const Dataset *d)
{
    Error e = {0};
    Fit f = {.data = d};
    int status = fit_run(m, &f, &e);
    if (status) print_error("%s\n", e.message);
    assert_int_equal(status, 0);
    fit_free(&f);
}

static double number(const Model *m, const char *name, size_t i)
{
    const Tensor *t = store_find(&m->store, name);
    if (!t) fail_msg("no tensor is called %s", name);
    return tensor_get(&m->store, t, i);
}

static void expect_near(double is, double want)
{
    if (!(fabs(is - want) <= 1e-12 * (1 + fabs(want)))) fail_msg("%.17g is not %.17g", is, want);
}

/* What making a model, or else training it, says. */
static void expect_mistake(const Dataset *d, const char *options, const char *fragment)
{
    Error e = {0};
    Model *m;
    Fit f = {.data = d};
    int status = try_make(&m, d, options, &e);
    if (!status) status = fit_run(m, &f, &e);
    if (status != NUDGE_INPUT || !strstr(e.message, fragment))
        fail_msg("%s\nsaid %d: %s\nand not: %s", options, status, e.message, fragment);
    fit_free(&f);
    model_free(m);
}

/* ---- One weight ---- */

#define ONE "net=dense(1, bias=false) loss=mse dtype=float64 batch=2 validation=0 "

/* The weight after training from `start` towards 100; the gradient of the loss is 2 (w - 100). */
static double one_weight(double start, const char *options)
{
    Dataset d = hundred_data();
    Text all = {0};
    text_print(&all, ONE "%s", options);
    Model *m = make(&d, text_end(&all));
    tensor_fill(&m->store, store_find(&m->store, "0.weight"), start);
    train(m, &d);
    double w = number(m, "0.weight", 0);
    model_free(m);
    text_free(&all);
    return w;
}

static void test_penalties(void **state)
{
    (void)state;
    double plain = 10 - .1 * 2 * (10 - 100);
    expect_near(one_weight(10, "optimizer=sgd(lr=.1) steps=1"), plain);
    expect_near(one_weight(10, "optimizer=sgd(lr=.1) steps=1 penalty=l2(.5)"), plain - .1 * 2 * .5 * 10);
    expect_near(one_weight(10, "optimizer=sgd(lr=.1) steps=1 penalty=l1(.5)"), plain - .1 * .5);
    expect_near(one_weight(-10, "optimizer=sgd(lr=.1) steps=1 penalty=elastic(3, 2)"),
                -10 + .1 * 2 * 110 + .1 * (3 + 2 * 2 * 10));
    expect_near(one_weight(10, "optimizer=sgd(lr=.1) steps=1 penalty=mine define=mine(w): sum(w^4)"),
                plain - .1 * 4 * 1000);
    /* Clipping sees loss and penalty together: -180 + 200 is within 30. */
    expect_near(one_weight(10, "optimizer=sgd(lr=.1) steps=1 penalty=l2(10) clip=value(30)"), 10 - .1 * 20);
}

/* Biases are spared, unless told otherwise. */
static void test_penalties_spare_vectors(void **state)
{
    (void)state;
    Dataset d = hundred_data();
    static const char *const penalty[] = {"", "penalty=l2(.5)", "penalty=l2(.5, vectors=true)"};
    double bias[3];
    for (int i = 0; i < 3; i++) {
        Text all = {0};
        text_print(&all,
                   "net=dense(1) loss=mse dtype=float64 batch=2 validation=0 steps=1 optimizer=sgd(lr=.1) %s",
                   penalty[i]);
        Model *m = make(&d, text_end(&all));
        tensor_fill(&m->store, store_find(&m->store, "0.weight"), 10);
        tensor_fill(&m->store, store_find(&m->store, "0.bias"), 1);
        train(m, &d);
        bias[i] = number(m, "0.bias", 0);
        model_free(m);
        text_free(&all);
    }
    expect_near(bias[0], 1 + .1 * 2 * 89);
    assert_true(bias[1] == bias[0]);
    expect_near(bias[2], bias[0] - .1);
}

static void test_constraints(void **state)
{
    (void)state;
    expect_near(one_weight(10, "optimizer=sgd(lr=.1) steps=1 constraint=max_norm(20)"), 20);
    expect_near(one_weight(10, "optimizer=sgd(lr=.1) steps=1 constraint=max_norm(30)"), 28);
    expect_near(one_weight(-60, "optimizer=sgd(lr=.1) steps=1 constraint=nonnegative"), 0);
    expect_near(one_weight(10, "optimizer=sgd(lr=.1) steps=2 constraint=half define=half(w): w/2"),
                (14 + .2 * 86) / 2);
}

/* The norm is that of the weights which reach an output. */
static void test_max_norm_of_rows(void **state)
{
    (void)state;
    Dataset d = values_data();
    Model *m = make(&d, "net=dense(5) tanh dense(targets) loss=mse optimizer=sgd(lr=.5) epochs=3 "
                        "constraint=max_norm(.25) validation=0");
    train(m, &d);
    double largest = 0;
    for (size_t i = 0; i < 5; i++) {
        double sum = 0;
        for (size_t k = 0; k < FEATURES; k++)
            sum += pow(number(m, "0.weight", i * FEATURES + k), 2);
        largest = fmax(largest, sqrt(sum));
    }
    assert_true(largest < .2500001 && largest > .2499);
    model_free(m);
}

static void test_averages(void **state)
{
    (void)state;
    double w = 10, ema = 0, sum = 0;
    for (int t = 1; t <= 6; t++) {
        w -= .1 * 2 * (w - 100);
        ema = t == 1 ? w : .75 * ema + .25 * w;
        if (t >= 4) sum += w;
    }
    expect_near(one_weight(10, "optimizer=sgd(lr=.1) steps=6 average=ema(.75)"), ema);
    expect_near(one_weight(10, "optimizer=sgd(lr=.1) steps=6 average=swa(start=4)"), sum / 3);
    expect_near(one_weight(10, "optimizer=sgd(lr=.1) steps=2 average=swa(start=4)"), 10 + 18 + .2 * 72);
}

/* The average stands beside the weights that go on; what is judged and kept is the average. */
static void test_average_is_judged(void **state)
{
    (void)state;
    Dataset d = values_data();
    char directory[128], path[160];
    snprintf(directory, sizeof directory, "%s/average", root);
    Model *m = make(&d, "net=dense(8) tanh dense(targets) loss=mse optimizer=adam(lr=.1) epochs=5 batch=8 "
                        "average=ema(.9) validation=.2 dtype=float64");
    Error e = {0};
    Fit f = {.data = &d, .directory = directory};
    assert_int_equal(fit_run(m, &f, &e), 0);
    size_t order[ROWS], count;
    double loss;
    assert_int_equal(fit_split(m, &d, NULL, order, &count, &e), 0);
    assert_int_equal(model_evaluate(m, &d, order + count, ROWS - count, &loss, NULL, &e), 0);
    assert_true(loss == f.progress.best_loss);
    snprintf(path, sizeof path, "%s/checkpoint.safetensors", directory);
    Safetensors file;
    double raw[1], average[1], best[1];
    assert_int_equal(safetensors_open(&file, path, &e), 0);
    safetensors_doubles(safetensors_find(&file, "2.bias"), raw);
    safetensors_doubles(safetensors_find(&file, "optimizer.2.bias.average"), average);
    const SafetensorsTensor *kept = safetensors_find(&file, "best.2.bias");
    if (kept) safetensors_doubles(kept, best);
    safetensors_close(&file);
    assert_non_null(kept);
    assert_true(raw[0] != average[0] && raw[0] != best[0]);
    assert_true(number(m, "2.bias", 0) == best[0]);
    fit_free(&f);
    model_free(m);
}

/* ---- Groups ---- */

static void test_groups_and_freezing(void **state)
{
    (void)state;
    Dataset d = values_data();
    static const char options[] =
        "net=dense(4) tanh dense(4) tanh dense(targets) loss=mse dtype=float64 optimizer=sgd(lr=.1) steps=1 "
        "validation=0 ";
    Model *before = make(&d, options), *plain = make(&d, options);
    Text all = {0};
    text_print(&all, "%sgroups={\"*.bias\": sgd(lr=.3), \"2.*\": freeze, 2.bias: sgd(lr=.2)} freeze=4.w*",
               options);
    Model *m = make(&d, text_end(&all));
    train(plain, &d);
    train(m, &d);
    static const struct {
        const char *name;
        double factor;
    } row[] = {{"0.weight", 1}, {"0.bias", 3},   {"2.weight", 0},
               {"2.bias", 2},   {"4.weight", 0}, {"4.bias", 3}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        double start = number(before, row[i].name, 0), moved = number(plain, row[i].name, 0) - start;
        assert_true(moved != 0);
        expect_near(number(m, row[i].name, 0) - start, row[i].factor * moved);
        if (row[i].factor == 0) assert_true(number(m, row[i].name, 0) == start);
    }
    text_free(&all);
    model_free(before), model_free(plain), model_free(m);
}

/* A group travels with the model, so that steps go on as they began; another set of groups begins anew. */
static void test_groups_travel(void **state)
{
    (void)state;
    Dataset d = values_data();
    Error e = {0};
    Text out = {0};
    Model *m = make(&d, "net=dense(4) tanh dense(targets) loss=mse optimizer=adam steps=2 validation=0 "
                        "groups={0.*: freeze} freeze=2.bias"),
          *copy;
    train(m, &d);
    assert_int_equal(model_write(m, NULL, &out, &e), 0);
    assert_int_equal(model_read(&copy, "memory", out.s, out.length, NULL, &e), 0);
    double w = number(copy, "0.weight", 0), b = number(copy, "2.bias", 0);
    assert_int_equal(model_step(copy, &d, NULL, &e), 0);
    assert_true(number(copy, "0.weight", 0) == w && number(copy, "2.bias", 0) == b);
    Settings changes = {0};
    assert_int_equal(settings_parse(&changes, "groups.2.*=sgd(lr=1) freeze=2.weight", &e), 0);
    assert_int_equal(model_settings(copy, &changes, &e), 0);
    assert_int_equal(copy->steps, 0);
    assert_null(store_find(&copy->store, "optimizer.2.weight.exp_avg"));
    assert_int_equal(model_step(copy, &d, NULL, &e), 0);
    assert_true(number(copy, "0.weight", 0) == w && number(copy, "2.bias", 0) != b);
    settings_free(&changes);
    text_free(&out);
    model_free(m), model_free(copy);
}

static void test_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool meets;
    } row[] = {
        {"0.*", "0.weight", true},
        {"0.*", "10.weight", false},
        {"*", "", true},
        {"*.bias", "3.0.bias", true},
        {"*.bias", "bias", false},
        {"*a*a*", "banana", true},
        {"*a*b", "aab", true},
        {"a*", "b", false},
        {"0.weight", "0.weight", true},
        {"0.weight", "0.weigh", false},
        {"", "x", false},
        {"a**", "a", true},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        if (rule_matches(row[i].pattern, strlen(row[i].pattern), row[i].name) != row[i].meets)
            fail_msg("%s, %s", row[i].pattern, row[i].name);
}

/* ---- Parts of a batch ---- */

/* Statistics follow the parts one after the other, as if each had been a batch of its own. */
static void test_micro_with_statistics(void **state)
{
    (void)state;
    static const double x[] = {1, 3, 10, 20}, t[] = {0, 0, 0, 0};
    Dataset d = {
        .rows = 4, .features = 1, .targets = 1, .x_type = DATA_F64, .t_type = DATA_F64, .x = x, .t = t};
    Model *m = make(&d, "net=batchnorm(momentum=.25) dense(1) loss=mse dtype=float64 optimizer=sgd(lr=0) "
                        "steps=1 batch=4 micro=2 validation=0 shuffle=false standardize=false");
    store_find(&m->store, "input.mean") ? tensor_fill(&m->store, store_find(&m->store, "input.mean"), 0)
                                        : (void)0;
    m->measured = true;
    train(m, &d);
    expect_near(number(m, "0.running_mean", 0), .75 * (.25 * 2) + .25 * 15);
    expect_near(number(m, "0.running_var", 0), .75 * (.75 + .25 * 2) + .25 * 50);
    model_free(m);
}

/* ---- Schedules that follow the loss ---- */

/* lr so small that nothing changes: the first epoch is the best. Counted as torch's ReduceLROnPlateau counts. */
static void test_plateau(void **state)
{
    (void)state;
    static const struct {
        const char *schedule;
        int epochs, drops;
    } row[] = {
        {"plateau(patience=2)", 3, 0},
        {"plateau(patience=2)", 4, 1},
        {"plateau(patience=2)", 6, 1},
        {"plateau(patience=2)", 7, 2},
        {"plateau(patience=2, cooldown=1)", 7, 1},
        {"plateau(patience=2, cooldown=1)", 8, 2},
        {"plateau(patience=0, cooldown=2)", 2, 1},
        {"plateau(patience=0, cooldown=2)", 4, 1},
        {"plateau(patience=0, cooldown=2)", 5, 2},
        {"plateau", 11, 0},
        {"plateau", 12, 1},
    };
    Dataset d = values_data();
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        Text all = {0};
        text_print(&all,
                   "net=dense(targets) loss=mse optimizer=sgd(lr=1e-30) schedule=%s epochs=%d validation=.2",
                   row[i].schedule, row[i].epochs);
        Model *m = make(&d, text_end(&all));
        train(m, &d);
        if (m->drops != row[i].drops) fail_msg("%s, %d epochs: %g", row[i].schedule, row[i].epochs, m->drops);
        expect_near(model_rate(m, 1, 1) * 1e30, pow(.1, row[i].drops));
        model_free(m);
        text_free(&all);
    }
}

/* A loss that falls by less than the threshold does not count as better; a floor holds; the rate acts. */
static void test_plateau_acts(void **state)
{
    (void)state;
    double w = 10, lr = .1;
    int waited = 0;
    double best = HUGE_VAL;
    for (int epoch = 0; epoch < 9; epoch++) {
        double loss = (w - 100) * (w - 100); /* what the epoch's only step says */
        w -= fmax(lr, .02) * 2 * (w - 100);
        if (loss < best * .4)
            best = loss, waited = 0;
        else if (++waited > 1)
            lr /= 4, waited = 0;
    }
    expect_near(one_weight(10, "optimizer=sgd(lr=.1) epochs=9 "
                               "schedule=plateau(factor=.25, patience=1, threshold=.6, floor=.2)"),
                w);
    expect_near(
        one_weight(10, "optimizer=sgd(lr=.1) epochs=2 schedule=half define=half(t, steps, drops): .5^drops\n"
                       "half_judge(loss, best, waited, cooling, drops): loss, 0, 0, drops + 1"),
        28 + .05 * 2 * 72);
}

static void test_one_cycle(void **state)
{
    (void)state;
    Dataset d = values_data();
    Model *m = make(&d, "net=dense(targets) loss=mse optimizer=sgd(lr=1) schedule=one_cycle");
    expect_near(model_rate(m, 1, 100), .04);
    expect_near(model_rate(m, 30, 100), 1);
    expect_near(model_rate(m, 100, 100), 4e-6);
    model_free(m);
}

/* ---- Which rate ---- */

/* The loss of one weight by sgd falls as long as lr < 1 and breaks out beyond; a rule without lr has none to find. The
 * rows disagree, so that no rate ends at a loss of 0. */
static void test_rates(void **state)
{
    (void)state;
    Dataset d = hundred_data();
    d.t = (double[]){90, 110};
    Model *m = make(&d, ONE "optimizer=sgd schedule=cosine batch=1");
    Rates r;
    Error e = {0};
    size_t order[] = {0, 1};
    assert_int_equal(rates_find(m, &d, order, 2, &r, &e), 0);
    assert_true(r.steps > 150 && r.steps < RATES_STEPS);
    assert_true(fabs(r.lr[0] / 1e-7 - 1) < 1e-9 && fabs(r.lr[1] / r.lr[0] - pow(1e8, 1. / 199)) < 1e-9);
    assert_true(r.loss[145] < r.loss[0] / 2);
    assert_true(r.least > .05 && r.least < 1.5);
    assert_true(r.broken > 1 && r.broken < 10);
    assert_true(r.suggestion == r.least / 10);
    model_free(m);
    m = make(&d, ONE "optimizer=mine define=mine(w, g): w -= g");
    assert_int_equal(rates_find(m, &d, order, 2, &r, &e), NUDGE_INPUT);
    assert_non_null(strstr(e.message, "options: optimizer: mine has no lr that could be looked for"));
    model_free(m);
}

/* ---- Balance ---- */

/* As if each row had the weight that makes the classes equal: 36, 18 and 6 rows. */
static void test_balance(void **state)
{
    (void)state;
    double weight[ROWS];
    for (int k = 0; k < 2; k++) {
        Dataset d = classes_data(), weighted = classes_data();
        double share[CLASSES] = {0}, all = 0;
        if (k) d.weight = rows_weight;
        for (int i = 0; i < ROWS; i++)
            share[rows_class[i]] += k ? rows_weight[i] : 1, all += k ? rows_weight[i] : 1;
        for (int i = 0; i < ROWS; i++)
            weight[i] = (k ? rows_weight[i] : 1) * all / (3 * share[rows_class[i]]);
        weighted.weight = weight;
        const char *options =
            "net=dense(5) tanh dense(classes) epochs=3 batch=16 validation=0 optimizer=sgd(lr=.5)";
        Text balanced = {0};
        text_print(&balanced, "%s balance=true", options);
        Model *a = make(&d, text_end(&balanced)), *b = make(&weighted, options), *c = make(&d, options);
        Error e = {0};
        assert_int_equal(model_measure(b, &d, NULL, ROWS, true, &e), 0); /* by the rows as they are */
        b->measured = true;
        train(a, &d), train(b, &weighted), train(c, &d);
        for (size_t i = 0; i < 15; i++)
            assert_true(fabs(number(a, "0.weight", i) - number(b, "0.weight", i)) < 1e-6);
        assert_true(fabs(number(a, "0.weight", 0) - number(c, "0.weight", 0)) > 1e-4);
        text_free(&balanced);
        model_free(a), model_free(b), model_free(c);
    }
}

/* ---- Anomalies ---- */

/* The loss stays finite; only a look at all values finds these. */
static void test_anomaly(void **state)
{
    (void)state;
    static const struct {
        const char *options, *message;
    } row[] = {
        {"net=dense(4) blow turn dense(targets) define=blow(x): stop(exp(1000 + x*x))\nturn(x): 1/x",
         "anomaly at step 1: first in layer 1, blow, forward: exp gave inf"},
        {"net=dense(4) tanh cliff dense(targets) clip=hide define=cliff(x): x + sqrt(x - stop(x))\n"
         "hide(g): clip(where(g == g, g, 0), -1, 1)",
         "anomaly at step 1: first in layer 2, cliff, backward: mulz gave inf"},
    };
    Dataset d = values_data();
    for (size_t i = 0; i < 2; i++) {
        Text all = {0};
        text_print(&all, "%s loss=mse optimizer=sgd(lr=.01) epochs=2 validation=.2", row[i].options);
        Model *m = make(&d, text_end(&all));
        train(m, &d); /* nobody notices */
        model_free(m);
        text_print(&all, " anomaly=true");
        m = make(&d, text_end(&all));
        Error e = {0};
        Fit f = {.data = &d};
        assert_int_equal(fit_run(m, &f, &e), NUDGE_DIVERGED);
        if (!strstr(e.message, row[i].message)) fail_msg("%s", e.message);
        assert_null(store_broken(&m->store));
        fit_free(&f);
        model_free(m);
        text_free(&all);
    }
}

/* Where all is well, the look changes nothing. */
static void test_anomaly_changes_nothing(void **state)
{
    (void)state;
    Dataset d = classes_data();
    const char *options =
        "net=dense(6) relu dropout(.3) batchnorm dense(classes) epochs=3 batch=25 validation=0";
    Text all = {0};
    text_print(&all, "%s anomaly=true", options);
    Model *a = make(&d, options), *b = make(&d, text_end(&all));
    train(a, &d), train(b, &d);
    assert_true(store_equal(&a->store, &b->store));
    text_free(&all);
    model_free(a), model_free(b);
}

/* ---- Mistakes ---- */

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *options, *fragment;
    } row[] = {
        {"groups={9.*: sgd(lr=1)}",
         "options: groups: no parameter is called 9.*; there are 0.weight, 0.bias, 2.weight, 2.bias, and * stands"},
        {"freeze=0.* 3.bias", "options: freeze: no parameter is called 3.bias"},
        {"freeze=*", "options: freeze: every parameter is frozen"},
        {"groups={*: freeze}", "options: groups: every parameter is frozen"},
        {"groups={*.bias: sdg(lr=1)}", "options: groups: *.bias: sdg(lr=1)"},
        {"groups={*.bias: sdg(lr=1)}", "no optimizer is called sdg; did you mean sgd?"},
        {"groups={*.bias: cosine}", "groups: *.bias"},
        {"groups=sgd", "options: groups: \"sgd\" is for no parameter; write {PATTERN: OPTIMIZER}"},
        {"penalty=l3(1)", "options: penalty"},
        {"penalty=l2", "l2 needs its argument rate"},
        {"penalty=mine define=mine(w): w*w", "but a penalty is one number made from w; end it with sum(...)"},
        {"constraint=mine define=mine(w): sum(w)", "a constraint gives a tensor of w's shape"},
        {"average=mine define=mine(w): w", "mine keeps no average"},
        {"average=ema(decay=.9, rate=1)", "ema has no argument called rate"},
        {"schedule=plateau(patients=3)", "did you mean patience?"},
        {"balance=true", "options: balance: weights the classes of a target, but here rows have no class"},
        {"augment=flip", "options: augment: changes images, but the rows are no images of bytes"},
        {"anomaly=perhaps", "options: anomaly: \"perhaps\" is neither true nor false"},
    };
    Dataset d = values_data();
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        Text all = {0};
        text_print(&all, "net=dense(4) tanh dense(targets) loss=mse steps=2 %s", row[i].options);
        expect_mistake(&d, text_end(&all), row[i].fragment);
        text_free(&all);
    }
}

/* ---- All together ---- */

/* Stops at the end of each epoch, or after each step that is told of. */
typedef struct Stopper {
    bool midway;
    int heard;
} Stopper;

static int stop_soon(void *context, const nudge_event *event)
{
    Stopper *s = context;
    return !strcmp(event->kind, s->midway ? "progress" : "epoch") && s->heard++ == s->midway;
}

static void run_sessions(const Dataset *d, const char *options, const char *name, Stopper *stopper, int least)
{
    char directory[128];
    snprintf(directory, sizeof directory, "%s/%s", root, name);
    int sessions = 0;
    for (bool stopped = true; stopped; sessions++) {
        Model *m = make(d, options);
        Error e = {0};
        Stopper now = stopper ? *stopper : (Stopper){0};
        Fit f = {.data = d,
                 .directory = directory,
                 .resume = sessions > 0,
                 .listener = stopper ? stop_soon : NULL,
                 .context = &now};
        if (fit_run(m, &f, &e)) fail_msg("%s: %s", options, e.message);
        stopped = f.stopped;
        fit_free(&f);
        model_free(m);
    }
    assert_true(sessions >= least);
}

static void expect_same_file(const char *a, const char *b, const char *file)
{
    Error e = {0};
    char path[256], *bytes[2];
    size_t size[2];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", root, i ? b : a, file);
        assert_int_equal(file_read(path, &bytes[i], &size[i], &e), 0);
    }
    if (size[0] != size[1] || memcmp(bytes[0], bytes[1], size[0])) fail_msg("%s, %s: %s differs", a, b, file);
    memory_release(bytes[0]);
    memory_release(bytes[1]);
}

static const struct {
    const char *name, *options;
    int kind; /* of data: values, classes, images */
} together[] = {
    {"average",
     "net=dense(6) tanh dense(targets) loss=mse average=ema(.8) epochs=4 batch=16 optimizer=adam(lr=.03)", 0},
    {"swa", "net=dense(6) tanh dense(targets) loss=mse average=swa(start=3) epochs=4 batch=16 validation=0",
     0},
    {"plateau",
     "net=dense(6) tanh dense(targets) loss=mse schedule=plateau(patience=0, threshold=.2, factor=.5) epochs=6 batch=16",
     0},
    {"groups",
     "net=dense(6) relu batchnorm dropout(.2) dense(classes) groups={*.bias: sgd(lr=.1, momentum=.9), 2.*: freeze} "
     "micro=3 balance=true penalty=l1(1e-3) constraint=max_norm(1) epochs=4 batch=20",
     1},
    {"lbfgs",
     "net=dense(5) tanh dense(targets) loss=mse optimizer=lbfgs(history=3) penalty=l2(1e-3) epochs=9", 0},
    {"augment",
     "net=dense(6) relu dense(classes) augment=shift(1) rotate(20) crop(.7) flip cutout(2) mixup(.4) epochs=4 batch=16",
     2},
};

static Dataset together_data(size_t i)
{
    return together[i].kind == 0 ? values_data() : together[i].kind == 1 ? classes_data() : images_data();
}

static void test_resume(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof together / sizeof *together; i++) {
        Dataset d = together_data(i);
        Text all = {0};
        char whole[64], parts[64];
        text_print(&all, "%s log=1", together[i].options);
        snprintf(whole, sizeof whole, "%s-whole", together[i].name);
        run_sessions(&d, text_end(&all), whole, NULL, 1);
        for (int midway = 0; midway < 2; midway++) {
            snprintf(parts, sizeof parts, "%s-parts%d", together[i].name, midway);
            bool one = !strcmp(together[i].name, "lbfgs") && midway; /* each step ends an epoch */
            run_sessions(&d, text_end(&all), parts, &(Stopper){.midway = midway}, one ? 1 : 3);
            expect_same_file(whole, parts, "model.safetensors");
            expect_same_file(whole, parts, "checkpoint.safetensors");
            expect_same_file(whole, parts, "log.csv");
        }
        text_free(&all);
    }
}

static void test_threads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof together / sizeof *together; i++) {
        Dataset d = together_data(i);
        Model *m[3];
        for (int k = 0; k < 3; k++) {
            Text all = {0};
            text_print(&all, "%s threads=%d", together[i].options, 1 << k);
            m[k] = make(&d, text_end(&all));
            train(m[k], &d);
            text_free(&all);
        }
        assert_true(store_equal(&m[0]->store, &m[1]->store) && store_equal(&m[0]->store, &m[2]->store));
        model_free(m[0]), model_free(m[1]), model_free(m[2]);
    }
}

static int exercise(const Dataset *d, const char *options, Error *e)
{
    char directory[128];
    snprintf(directory, sizeof directory, "%s/failing", root);
    Model *m;
    int status = try_make(&m, d, options, e);
    for (int resume = 0; !status && resume < 2; resume++) {
        Fit f = {.data = d, .directory = directory, .resume = resume};
        status = fit_run(m, &f, e);
        fit_free(&f);
    }
    model_free(m);
    return status;
}

/* Each allocation of a run that is the first to fail, at strides: an error, or none, but no crash and no leak. */
static void test_allocations_fail(void **state)
{
    (void)state;
    enum { PLENTY = 1 << 30 };
    for (size_t i = 0; i < sizeof together / sizeof *together; i++) {
        Dataset d = together_data(i);
        Text all = {0};
        text_print(&all, "%s epochs=1 anomaly=true", together[i].options);
        Error e = {0};
        int left = PLENTY;
        nudge_allocator(failing_heap, &left);
        assert_int_equal(exercise(&d, text_end(&all), &e), 0);
        int used = PLENTY - left;
        for (int n = (int)i; n < used; n += 1 + used / 60) {
            left = n;
            error_clear(&e);
            int status = exercise(&d, all.s, &e);
            if (status && status != NUDGE_MACHINE) fail_msg("%s: %d, %s", all.s, status, e.message);
        }
        left = PLENTY;
        text_free(&all);
        nudge_allocator(NULL, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_penalties),
        cmocka_unit_test(test_penalties_spare_vectors),
        cmocka_unit_test(test_constraints),
        cmocka_unit_test(test_max_norm_of_rows),
        cmocka_unit_test(test_averages),
        cmocka_unit_test(test_average_is_judged),
        cmocka_unit_test(test_groups_and_freezing),
        cmocka_unit_test(test_groups_travel),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_micro_with_statistics),
        cmocka_unit_test(test_plateau),
        cmocka_unit_test(test_plateau_acts),
        cmocka_unit_test(test_one_cycle),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_balance),
        cmocka_unit_test(test_anomaly),
        cmocka_unit_test(test_anomaly_changes_nothing),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
