/* A model from texts: what it is made of, preprocessing, predictions, losses that add up and losses that average. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/philox.h"
#include "train/model.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static int try_make(Model **m, const char *options, const Task *task, Error *e)
{
    Settings s = {0};
    *m = NULL;
    int status = settings_parse(&s, options, e);
    if (!status) status = model_new(m, &s, task, e);
    settings_free(&s);
    return status;
}

static Model *make(const char *options, const Task *task)
{
    Error e = {0};
    Model *m;
    if (try_make(&m, options, task, &e)) print_error("%s\n", e.message);
    assert_int_equal(e.status, 0);
    return m;
}

static void expect_refused(const char *options, const Task *task, const char *fragment)
{
    Error e = {0};
    Model *m;
    int status = try_make(&m, options, task, &e);
    if (status != NUDGE_INPUT || !strstr(e.message, fragment)) print_error("%d: %s\n", status, e.message);
    assert_int_equal(status, NUDGE_INPUT);
    assert_non_null(strstr(e.message, fragment));
    assert_null(m);
}

static void set(Model *m, const char *name, const double *values)
{
    Tensor *t = store_find(&m->store, name);
    assert_non_null(t);
    data_convert(t->value, m->store.real, values, DATA_F64, t->size);
}

static void predict(const Model *m, const double *x, size_t rows, double *y)
{
    Error e = {0};
    assert_int_equal(model_predict(m, x, DATA_F64, rows, y, DATA_F64, &e), 0);
}

static const Task numbers = {.features = 2, .targets = 1},
                  classes = {.features = 2, .classify = true, .classes = 3};

/* ---- What it is made of ---- */

static void test_layers_and_store(void **state)
{
    (void)state;
    Model *m =
        make("net=dense(4) relu residual(dense(4) tanh) dense(targets) loss=mse optimizer=sgd(momentum=.9)",
             &numbers);
    static const struct {
        const char *path, *text;
        int depth;
        int64_t columns;
    } layer[] = {{"0", "dense(4)", 0, 4},
                 {"1", "relu", 0, 4},
                 {"2.0", "dense(4)", 1, 4},
                 {"2.1", "tanh", 1, 4},
                 {"2", "residual(dense(4) tanh)", 0, 4},
                 {"3", "dense(targets)", 0, 1}};
    assert_int_equal(m->layers, 6);
    for (size_t i = 0; i < m->layers; i++) {
        assert_string_equal(m->layer[i].path, layer[i].path);
        assert_string_equal(m->layer[i].text, layer[i].text);
        assert_int_equal(m->layer[i].depth, layer[i].depth);
        assert_int_equal(m->layer[i].shape.dim[0], MODEL_ROWS);
        assert_int_equal(m->layer[i].shape.dim[1], layer[i].columns);
    }
    assert_int_equal(m->parameters, 4 * 2 + 4 + 4 * 4 + 4 + 4 + 1);
    assert_int_equal(m->groups, 3);
    assert_string_equal(m->group[1], "2.0");
    assert_non_null(store_find(&m->store, "optimizer.2.0.weight.momentum_buffer"));
    assert_int_equal(store_find(&m->store, "2.0.weight")->role, ROLE_PARAMETER);
    assert_int_equal(store_find(&m->store, "optimizer.0.bias.momentum_buffer")->role, ROLE_STATE);
    model_free(m);
}

/* First values depend on seed and name only. */
static void test_first_values(void **state)
{
    (void)state;
    Model *a = make("net=dense(4) relu dense(targets)", &numbers),
          *b = make("net=dense(4) dense(targets) relu", &numbers);
    Model *c = make("net=dense(4) relu dense(targets) seed=2", &numbers);
    const Tensor *w[3] = {store_find(&a->store, "0.weight"), store_find(&b->store, "0.weight"),
                          store_find(&c->store, "0.weight")};
    assert_memory_equal(w[0]->value, w[1]->value, 8 * sizeof(float));
    assert_memory_not_equal(w[0]->value, w[2]->value, 8 * sizeof(float));
    double bound = sqrt(6. / (2 + 4)), sum = 0; /* glorot */
    for (size_t i = 0; i < 8; i++) {
        double value = tensor_get(&a->store, w[0], i);
        assert_true(fabs(value) <= bound);
        sum += fabs(value);
    }
    assert_true(sum > bound);
    assert_true(tensor_get(&a->store, store_find(&a->store, "0.bias"), 2) == 0);
    model_free(a), model_free(b), model_free(c);
}

static void test_refusals(void **state)
{
    (void)state;
    static const Task two = {.features = 2, .classify = true, .classes = 2},
                      wide = {.features = 2, .targets = 3};
    expect_refused("loss=mse", &numbers, "there is no net");
    expect_refused(
        "net=dense(10)", &classes,
        "options: net: layer 0, dense(10), gives 10 numbers for each row, but there are 3 classes; end the net with dense(classes)");
    expect_refused("net=dense(1)", &classes, "needs one for each class");
    expect_refused("net=dense(1)", &two, "use loss: bce");
    expect_refused("net=dense(2) loss=mse", &wide, "gives 2 numbers for each row, but there are 3 targets");
    expect_refused("net=dense(8) softmax", &classes,
                   "layer 1, softmax, stands before the loss cross_entropy");
    expect_refused("net=dense(1) sigmoid loss=bce", &two, "applies its own sigmoid");
    expect_refused("net=dense(classes)", &numbers, "classes");
    expect_refused("net=dense(targets)", &classes, "targets");
    expect_refused("net=shout define=shout(x): sum(x) loss=mse", &numbers,
                   "not a list of numbers for each row");
    expect_refused("net=dense(targets) loss=huber(dleta=2)", &numbers, "did you mean delta?");
    expect_refused("net=dense(targets) loss=hubre", &numbers, "no loss is called hubre; did you mean huber?");
    expect_refused("net=dense(targets) schedule=adam", &numbers, "schedule");
    expect_refused("net=dense(targets) clip=relu", &numbers, "clip");
}

/* A number that an option cannot be is refused with the text, the place, the number and what it may be, whatever the
 * option belongs to: words of the field have one range in every row, others one in their row. */
static void test_limits(void **state)
{
    (void)state;
    static const char *const refused[][2] = {
        {"optimizer=sgd(lr=-1)",
         "options: optimizer: sgd(lr=-1)\n                        ^ sgd: lr must be at least 0, not -1"},
        {"optimizer=adam(lr=-.1) schedule=cosine", "adam: lr must be at least 0, not -0.1"},
        {"optimizer=sgd(lr=.1) schedule=constant(value=-1)", "sgd: lr must be at least 0, not -0.1"},
        {"optimizer=adam(beta1=2)", "adam: beta1 must be at least 0 and less than 1, not 2"},
        {"optimizer=adamw(beta2=1)", "adamw: beta2 must be at least 0 and less than 1, not 1"},
        {"optimizer=lion(1e-3, -1)", "lion: beta1 must be"},
        {"optimizer=sgd(momentum=1)", "sgd: momentum must be"},
        {"optimizer=rmsprop(momentum=-1)", "rmsprop: momentum must be"},
        {"optimizer=adamw(weight_decay=-.01)", "adamw: weight_decay must be at least 0, not -0.01"},
        {"optimizer=adam(eps=-1)", "adam: eps must be"},
        {"optimizer=rprop(grow=1)", "rprop: grow must be more than 1, not 1"},
        {"optimizer=adafactor(beta2_decay=1)", "adafactor: beta2_decay must be at most 0, not 1"},
        {"optimizer=lbfgs(history=0)", "lbfgs: history must be at least 1 and at most 1000, not 0"},
        {"optimizer=mine(lr=-1) define=mine(w, g, lr=1): w -= lr*g", "mine: lr must be at least 0"},
        {"groups={\"*.bias\": sgd(lr=-1)}", "groups: *.bias: sgd(lr=-1)"},
        {"clip=-1", "options: clip: norm(-1)\n                    ^ norm: limit must be more than 0, not -1"},
        {"clip=value(-1)", "value: limit must be more than 0, not -1"},
        {"clip=norm(0)", "norm: limit must be more than 0, not 0"},
        {"schedule=step(every=0)", "step: every must be more than 0, not 0"},
        {"schedule=cosine(warmup=-5)", "cosine: warmup must be at least 0, not -5"},
        {"schedule=plateau(factor=2)", "plateau: factor must be more than 0 and less than 1, not 2"},
        {"penalty=l2(-1)", "l2: rate must be at least 0, not -1"},
        {"constraint=max_norm(0)", "max_norm: limit must be more than 0, not 0"},
        {"average=ema(1.5)", "ema: decay must be"},
        {"average=swa(start=0)", "swa: start must be at least 1, not 0"},
        {"loss=huber(delta=0)", "huber: delta must be more than 0, not 0"},
        {"loss=quantile(q=1)", "quantile: q must be more than 0 and less than 1, not 1"},
        {"net=dropout(1.5) dense(targets)", "dropout: p must be at least 0 and less than 1, not 1.5"},
        {"net=dropout(-1) dense(targets)", "dropout: p must be at least 0 and less than 1, not -1"},
        {"net=dense(-3) dense(targets)", "dense: n must be at least 1, not -3"},
        {"net=dense(4) softplus(0) dense(targets)", "softplus: beta must be more than 0, not 0"},
    };
    static const Task rows = {.features = 2, .classify = true, .classes = 2};
    char options[200];
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        bool net = !strncmp(refused[i][0], "net=", 4);
        snprintf(options, sizeof options, "%s%s", net ? "" : "net=dense(targets) ", refused[i][0]);
        expect_refused(options, &numbers, refused[i][1]);
    }
    expect_refused("net=dense(classes) loss=cross_entropy(smoothing=2)", &rows,
                   "cross_entropy: smoothing must be at least 0 and less than 1, not 2");
    expect_refused("net=dense(classes) loss=cross_entropy(weights=(1, -1))", &rows,
                   "cross_entropy: weights must be at least 0, not -1");
    model_free(make("net=dense(targets) optimizer=sgd(lr=0, momentum=.9) clip=norm(inf)", &numbers));
}

/* ---- Preprocessing and predictions ---- */

static void test_bytes(void **state)
{
    (void)state;
    static const Task bytes = {.features = 2, .bytes = true, .targets = 1};
    Model *m = make("net=dense(targets) dtype=float64 loss=mse", &bytes);
    set(m, "0.weight", (double[]){2, 4});
    set(m, "0.bias", (double[]){1});
    uint8_t x[] = {255, 0, 51, 102};
    double y[2];
    Error e = {0};
    assert_int_equal(model_predict(m, x, DATA_U8, 2, y, DATA_F64, &e), 0);
    assert_true(fabs(y[0] - 3) < 1e-15);
    assert_true(fabs(y[1] - (1 + .4 + 1.6)) < 1e-15);
    model_free(m);
}

static void test_standardize(void **state)
{
    (void)state;
    static const Task standard = {.features = 2, .targets = 1, .standardize = true};
    Model *m = make("net=dense(targets) dtype=float64 loss=mse", &standard);
    set(m, "0.weight", (double[]){1, 1});
    set(m, "0.bias", (double[]){0});
    double y[1];
    predict(m, (double[]){3, 5}, 1, y);
    assert_true(y[0] == 8); /* nothing measured yet */
    model_standardize(m, (double[]){1, 2}, (double[]){2, 3}, (double[]){10}, (double[]){4});
    predict(m, (double[]){3, 5}, 1, y);
    assert_true(fabs(y[0] - (10 + 4 * (1 + 1))) < 1e-12);
    /* Measured: means and population deviations, by weight; a constant column has scale 1. */
    Dataset d = {.rows = 4,
                 .features = 2,
                 .targets = 1,
                 .x_type = DATA_F64,
                 .t_type = DATA_F64,
                 .x = (double[]){0, 7, 2, 7, 4, 7, 100, 100},
                 .t = (double[]){1, 2, 3, 50},
                 .weight = (double[]){1, 2, 1, 1}};
    size_t rows[] = {0, 1, 2};
    Error e = {0};
    assert_int_equal(model_measure(m, &d, rows, 3, true, &e), 0);
    assert_true(fabs(tensor_get(&m->store, store_find(&m->store, "input.mean"), 0) - 2) < 1e-12);
    assert_true(fabs(tensor_get(&m->store, store_find(&m->store, "input.scale"), 0) - sqrt(2)) < 1e-12);
    assert_true(tensor_get(&m->store, store_find(&m->store, "input.scale"), 1) == 1);
    assert_true(fabs(tensor_get(&m->store, store_find(&m->store, "target.mean"), 0) - 2) < 1e-12);
    assert_true(fabs(m->baseline[0] - 2) < 1e-12);
    model_free(m);
}

/* Probabilities, whatever the loss. */
static void test_probabilities(void **state)
{
    (void)state;
    static const char *const many[] = {"cross_entropy", "bce", "hinge", "mse", "sse", "bce_probability"};
    static const char *const one[] = {"bce", "hinge", "mse", "bce_probability"};
    static const Task two = {.features = 2, .classify = true, .classes = 2};
    double x[] = {.3, -.2, 2, 1, -1, 0}, y[9];
    for (size_t i = 0; i < sizeof many / sizeof *many + sizeof one / sizeof *one; i++) {
        bool single = i >= sizeof many / sizeof *many;
        const char *loss = single ? one[i - sizeof many / sizeof *many] : many[i];
        Text options = {0};
        text_print(&options, "net=dense(%s)%s loss=%s dtype=float64", single ? "1" : "classes",
                   strcmp(loss, "bce_probability") ? "" : " sigmoid", loss);
        Model *m = make(text_end(&options), single ? &two : &classes);
        predict(m, x, 3, y);
        size_t n = m->outputs;
        for (size_t r = 0; r < 3; r++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++) {
                assert_true(y[r * n + k] >= 0 && y[r * n + k] <= 1);
                sum += y[r * n + k];
            }
            assert_true(fabs(sum - 1) < 1e-12 ||
                        (!strcmp(loss, "mse") || !strcmp(loss, "sse"))); /* relu may leave none */
        }
        text_free(&options);
        model_free(m);
    }
}

/* Any number of rows, in chunks of several programs: the same as row by row but for rounding. */
static void test_any_number_of_rows(void **state)
{
    (void)state;
    enum { ROWS = 700 };
    static double x[2 * ROWS], y[ROWS], z[ROWS];
    for (int i = 0; i < 2 * ROWS; i++)
        x[i] = sin(i);
    Model *m = make("net=dense(9) tanh dense(targets) dtype=float64", &numbers);
    predict(m, x, ROWS, y);
    for (int i = 0; i < ROWS; i++)
        predict(m, x + 2 * i, 1, z + i);
    for (int i = 0; i < ROWS; i++)
        assert_true(fabs(y[i] - z[i]) < 1e-13);
    for (size_t n = 1; n < ROWS; n += 37) {
        predict(m, x, n, z);
        for (size_t i = 0; i < n; i++)
            assert_true(fabs(y[i] - z[i]) < 1e-13);
    }
    model_free(m);
}

static void test_types_of_rows(void **state)
{
    (void)state;
    Model *m = make("net=dense(9) tanh dense(targets)", &numbers);
    double x[] = {.5, .25, -1, 2}, y[2];
    float xf[] = {.5f, .25f, -1, 2}, yf[2];
    Error e = {0};
    predict(m, x, 2, y);
    assert_int_equal(model_predict(m, xf, DATA_F32, 2, yf, DATA_F32, &e), 0);
    assert_true((double)yf[0] == y[0] && (double)yf[1] == y[1]);
    model_free(m);
}

/* ---- Evaluating ---- */

enum { MANY = 300 };
static double many_x[2 * MANY], many_t[MANY], many_weight[MANY];

static Dataset many(void)
{
    for (size_t i = 0; i < MANY; i++) {
        many_x[2 * i] = sin((double)i), many_x[2 * i + 1] = cos(2 * (double)i);
        many_t[i] = many_x[2 * i] * many_x[2 * i + 1];
        many_weight[i] = (double)(i % 3);
    }
    return (Dataset){.rows = MANY,
                     .features = 2,
                     .targets = 1,
                     .x_type = DATA_F64,
                     .t_type = DATA_F64,
                     .x = many_x,
                     .t = many_t};
}

/* A loss over many rows is what its formula says of all of them, however they are cut into programs. */
static void test_losses_add_up_or_average(void **state)
{
    (void)state;
    static const struct {
        const char *loss;
        bool adds;
    } row[] = {{"mse", false},  {"sse", true},    {"mae", false}, {"huber(delta=.1)", false},
               {"total", true}, {"middle", false}};
    Dataset d = many();
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        Text options = {0};
        text_print(
            &options,
            "net=dense(3) tanh dense(targets) dtype=float64 loss=%s define={\"total(y, t)\": sum(abs(y - t)), \"middle(y, t)\": mean((y - t)^2) + .5}",
            row[i].loss);
        Model *m = make(text_end(&options), &numbers);
        bool adds;
        Error e = {0};
        assert_int_equal(model_loss_adds(m, &adds, &e), 0);
        assert_true(adds == row[i].adds);
        for (int weighted = 0; weighted < 2; weighted++) {
            double whole, part = 0, weights = 0, y[MANY], square = 0;
            d.weight = weighted ? many_weight : NULL;
            assert_int_equal(model_evaluate(m, &d, NULL, MANY, &whole, NULL, &e), 0);
            predict(m, many_x, MANY, y);
            for (size_t k = 0; k < MANY; k++) {
                double w = weighted ? many_weight[k] : 1, off = fabs(y[k] - many_t[k]);
                part += w * off, square += w * off * off, weights += w;
            }
            if (!strcmp(row[i].loss, "mse")) assert_true(fabs(whole - square / weights) < 1e-12);
            if (!strcmp(row[i].loss, "sse")) assert_true(fabs(whole - square / 2) < 1e-10);
            if (!strcmp(row[i].loss, "mae")) assert_true(fabs(whole - part / weights) < 1e-12);
            if (!strcmp(row[i].loss, "total")) assert_true(fabs(whole - part) < 1e-10);
            if (!strcmp(row[i].loss, "middle")) assert_true(fabs(whole - square / weights - .5) < 1e-12);
        }
        text_free(&options);
        model_free(m);
    }
}

static void test_evaluate_some_rows(void **state)
{
    (void)state;
    Dataset d = many();
    Model *m = make("net=dense(targets) dtype=float64", &numbers);
    size_t order[] = {5, 299, 0, 17};
    double loss, y[1], sum = 0;
    Metrics metrics = {0};
    Error e = {0};
    assert_int_equal(model_evaluate(m, &d, order, 4, &loss, &metrics, &e), 0);
    for (int i = 0; i < 4; i++) {
        predict(m, many_x + 2 * order[i], 1, y);
        sum += pow(y[0] - many_t[order[i]], 2);
    }
    assert_true(fabs(loss - sum / 4) < 1e-12);
    assert_int_equal(metrics.rows, 4);
    assert_true(fabs(metrics_main(&metrics)->value(&metrics, false) - sqrt(sum / 4)) < 1e-12);
    metrics_free(&metrics);
    assert_int_equal(model_evaluate(m, &d, order, 0, &loss, NULL, &e), NUDGE_INPUT);
    model_free(m);
}

static void test_accepts(void **state)
{
    (void)state;
    int32_t t[] = {0, 1, 3};
    double x[9] = {0};
    Dataset d = {.rows = 3,
                 .features = 3,
                 .targets = 1,
                 .x_type = DATA_F64,
                 .t_type = DATA_I32,
                 .x = x,
                 .t = t,
                 .classes = 4};
    Model *m = make("net=dense(classes)", &classes);
    Error e = {0};
    assert_int_equal(model_accepts(m, &d, true, &e), NUDGE_INPUT);
    assert_string_equal(e.message, "rows of 3 numbers are given, but the model takes 2");
    d.features = 2;
    error_clear(&e);
    assert_int_equal(model_accepts(m, &d, true, &e), NUDGE_INPUT);
    assert_non_null(strstr(e.message, "row 2 has class 3"));
    error_clear(&e);
    assert_int_equal(model_accepts(m, &d, false, &e), 0);
    d.t = NULL;
    assert_int_equal(model_accepts(m, &d, true, &e), NUDGE_INPUT);
    d.rows = 0;
    error_clear(&e);
    assert_int_equal(model_accepts(m, &d, false, &e), NUDGE_INPUT);
    model_free(m);
}

/* ---- Changing decisions ---- */

static void test_settings_change(void **state)
{
    (void)state;
    Dataset d = many();
    d.rows = 20;
    Error e = {0};
    Settings s = {0};
    Model *m = make("net=dense(3) tanh dense(targets) optimizer=adam", &numbers);
    assert_int_equal(model_step(m, &d, NULL, &e), 0);
    assert_int_equal(settings_parse(&s, "optimizer=sgd(momentum=.5) epochs=3", &e), 0);
    assert_int_equal(model_settings(m, &s, &e), 0);
    assert_int_equal(m->steps, 0); /* another optimizer begins anew */
    assert_null(store_find(&m->store, "optimizer.0.weight.exp_avg"));
    assert_non_null(store_find(&m->store, "optimizer.0.weight.momentum_buffer"));
    assert_int_equal(model_step(m, &d, NULL, &e), 0);
    settings_free(&s);
    assert_int_equal(settings_parse(&s, "epochs=4 batch=3", &e), 0);
    assert_int_equal(model_settings(m, &s, &e), 0);
    assert_int_equal(m->steps, 1); /* but other numbers of epochs do not */
    settings_free(&s);
    assert_int_equal(settings_parse(&s, "optimizer=nonsense", &e), 0);
    assert_int_equal(model_settings(m, &s, &e), NUDGE_INPUT);
    error_clear(&e);
    assert_string_equal(settings_text(&m->settings, "optimizer"), "sgd(momentum=.5)");
    assert_int_equal(model_step(m, &d, NULL, &e), 0); /* works as before */
    settings_free(&s);
    model_free(m);
}

/* Threads and instruction sets by name; numbers are the same for any number of threads. */
static void test_threads_and_isa(void **state)
{
    (void)state;
    Model *m = make("net=dense(3) tanh dense(targets) threads=2 isa=base", &numbers);
    double y[1];
    predict(m, (double[]){1, 2}, 1, y);
    assert_true(isfinite(y[0]));
    model_free(m);
    expect_refused("net=dense(targets) isa=pdp11", &numbers, "pdp11");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers_and_store),
        cmocka_unit_test(test_first_values),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_standardize),
        cmocka_unit_test(test_probabilities),
        cmocka_unit_test(test_any_number_of_rows),
        cmocka_unit_test(test_types_of_rows),
        cmocka_unit_test(test_losses_add_up_or_average),
        cmocka_unit_test(test_evaluate_some_rows),
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_settings_change),
        cmocka_unit_test(test_threads_and_isa),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
