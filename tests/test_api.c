/* The calls of nudge.h's first tier, as a program of a user makes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <nudge.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const float xor_x[] = {0, 0, 0, 1, 1, 0, 1, 1}, xor_t[] = {0, 1, 1, 0};
static const char xor_net[] = "dense(4) sigmoid dense(1) sigmoid";

/* The message belongs to the status and holds the fragment. */
static void expect_message(const nudge *m, int status, int wanted, const char *fragment)
{
    if (status != wanted || !strstr(nudge_message(m, status), fragment))
        print_error("status %d, message: %s\n", status, nudge_message(m, status));
    assert_int_equal(status, wanted);
    assert_non_null(strstr(nudge_message(m, status), fragment));
}

static nudge *make(size_t inputs, const char *net, const char *options)
{
    nudge *m;
    int status = nudge_new(&m, inputs, net, options);
    if (status) print_error("%s\n", nudge_message(m, status));
    assert_int_equal(status, 0);
    return m;
}

static nudge *make_xor(void)
{
    return make(2, xor_net, "loss=sse seed=1");
}

static void expect_xor(const nudge *m, float within)
{
    float y[4];
    assert_int_equal(nudge_predict(m, xor_x, 4, y, 4), 0);
    for (int i = 0; i < 4; i++)
        assert_true(fabsf(y[i] - xor_t[i]) < within);
}

/* Three classes of points in the plane, told apart by their angle. */
enum { POINTS = 150 };
static void points(float x[2 * POINTS], float t[POINTS])
{
    for (int i = 0; i < POINTS; i++) {
        double angle = 2 * 3.14159265358979 * (i % 3 + .7 * (i / 3) / (POINTS / 3.)) / 3, r = 1 + .5 * sin(i);
        x[2 * i] = (float)(r * cos(angle));
        x[2 * i + 1] = (float)(r * sin(angle));
        t[i] = (float)(i % 3);
    }
}

/* ---- What the header's example does ---- */

static void test_opening_example(void **state)
{
    (void)state;
    nudge *m = make_xor();
    assert_int_equal(nudge_inputs(m), 2);
    assert_int_equal(nudge_outputs(m), 1);
    assert_int_equal(nudge_fit(m, xor_x, xor_t, 4, "optimizer=sgd(lr=1) epochs=5000 validation=0"), 0);
    expect_xor(m, .1f);
    nudge_free(m);
}

static void test_classifier(void **state)
{
    (void)state;
    float x[2 * POINTS], t[POINTS], y[3 * POINTS];
    points(x, t);
    nudge *m = make(2, "dense(16) tanh dense(3)", "loss=cross_entropy seed=2");
    assert_int_equal(nudge_outputs(m), 3);
    assert_int_equal(nudge_fit(m, x, t, POINTS, "optimizer=adam(lr=.02) epochs=60 batch=16"), 0);
    assert_int_equal(nudge_predict(m, x, POINTS, y, 3 * POINTS), 0);
    int right = 0;
    for (int i = 0; i < POINTS; i++) {
        const float *p = y + 3 * i;
        assert_true(fabsf(p[0] + p[1] + p[2] - 1) < 1e-5f);
        int best = p[1] > p[0] ? 1 : 0;
        if (p[2] > p[best]) best = 2;
        right += best == (int)t[i];
    }
    assert_true(right > POINTS * 9 / 10);
    nudge_free(m);
}

/* Two classes by one output and bce, with class numbers: two probabilities. */
static void test_two_classes(void **state)
{
    (void)state;
    float y[8];
    nudge *m = make(2, "dense(8) tanh dense(1)", "loss=bce classes=2 seed=3");
    assert_int_equal(nudge_outputs(m), 2);
    assert_int_equal(nudge_fit(m, xor_x, xor_t, 4, "optimizer=adam(lr=.05) epochs=400 validation=0"), 0);
    assert_int_equal(nudge_predict(m, xor_x, 4, y, 8), 0);
    for (int i = 0; i < 4; i++) {
        assert_true(fabsf(y[2 * i] + y[2 * i + 1] - 1) < 1e-6f);
        assert_true(fabsf(y[2 * i + 1] - xor_t[i]) < .2f);
    }
    nudge_free(m);
}

/* Standardised targets come back in their own units. */
static void test_regression_units(void **state)
{
    (void)state;
    float x[100], t[100], y[100];
    for (int i = 0; i < 100; i++) {
        x[i] = (float)(1000 + i);
        t[i] = (float)(50000 + 300 * i);
    }
    nudge *m = make(1, "dense(1)", "loss=mse standardize=true");
    assert_int_equal(nudge_fit(m, x, t, 100, "optimizer=sgd(lr=.3) epochs=100 validation=0"), 0);
    assert_int_equal(nudge_predict(m, x, 100, y, 100), 0);
    for (int i = 0; i < 100; i++)
        assert_true(fabsf(y[i] - t[i]) < 20);
    nudge_free(m);
}

/* What was subtracted in the first run belongs to the weights: new rows of another mean do not change it. */
static void test_standards_stay(void **state)
{
    (void)state;
    float x[] = {1, 2, 3, 4}, moved[] = {101, 102, 103, 104}, t[] = {1, 2, 3, 4}, y[2][4];
    nudge *m = make(1, "dense(1)", "loss=mse standardize=true optimizer=sgd(lr=.1) validation=0"), *copy;
    assert_int_equal(nudge_fit(m, x, t, 4, "monitor=rmse"), NUDGE_INPUT); /* refused: measures nothing */
    assert_int_equal(nudge_fit(m, x, t, 4, "epochs=200"), 0);
    assert_int_equal(nudge_clone(m, &copy), 0);
    assert_int_equal(nudge_predict(m, x, 4, y[0], 4), 0);
    assert_true(fabsf(y[0][2] - 3) < .01f);
    assert_int_equal(nudge_fit(copy, moved, t, 4, "epochs=1 optimizer=sgd(lr=0)"), 0);
    assert_int_equal(nudge_predict(copy, x, 4, y[1], 4), 0);
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    nudge_free(m);
    nudge_free(copy);
}

/* ---- The article's network ---- */

static const double article_w1[2][4] = {
    {0.8121726818316208, -0.3058782068250377, -0.26408587613172785, -0.5364843110780853},
    {0.43270381466233926, -1.1507693484401413, 0.87240588210824, -0.3806034504475514}};
static const double article_w2[4] = {0.15951954802854929, -0.12468518773870504, 0.731053968522487,
                                     -1.030070354748827};

static nudge *make_article(void)
{
    nudge *m = make(2, xor_net, "loss=sse dtype=float64 optimizer=sgd(lr=1)");
    double w[8], zero[4] = {0};
    for (int n = 0; n < 4; n++)
        for (int i = 0; i < 2; i++)
            w[2 * n + i] = article_w1[i][n]; /* the transpose */
    assert_int_equal(nudge_set(m, "0.weight", w, 8), 0);
    assert_int_equal(nudge_set(m, "0.bias", zero, 4), 0);
    assert_int_equal(nudge_set(m, "2.weight", article_w2, 4), 0);
    assert_int_equal(nudge_set(m, "2.bias", zero, 1), 0);
    return m;
}

static void expect_near(double value, double wanted)
{
    if (!(fabs(value - wanted) <= 1e-9 * fabs(wanted))) print_error("%.17g, not %.17g\n", value, wanted);
    assert_true(fabs(value - wanted) <= 1e-9 * fabs(wanted));
}

/* With lr 1 a step takes the gradient itself from the weights. */
static void test_article_first_step(void **state)
{
    (void)state;
    static const double d2[] = {0.010597172911514671, 0.003964091098027914, 0.013709729348705334,
                                0.00547226041047144};
    static const double d1[] = {-0.0003898579318831743, 0.0011480700806001803, 0.0007866846244651039,
                                0.0007151783116432671};
    nudge *m = make_article();
    float loss;
    double w[8], b;
    assert_int_equal(nudge_step(m, xor_x, xor_t, NULL, 4, &loss), 0);
    assert_true(fabsf(loss - 0.5021698301747031f) < 1e-7f);
    assert_int_equal(nudge_get(m, "2.weight", w, 8, NULL), 0);
    for (int n = 0; n < 4; n++)
        expect_near(article_w2[n] - w[n], d2[n]);
    assert_int_equal(nudge_get(m, "2.bias", &b, 1, NULL), 0);
    expect_near(-b, 0.016559794549960358);
    assert_int_equal(nudge_get(m, "0.weight", w, 8, NULL), 0);
    for (int n = 0; n < 4; n++)
        expect_near(article_w1[0][n] - w[2 * n], d1[n]);
    nudge_free(m);
}

static double first_loss;
static int hear_first_loss(void *context, const nudge_event *event)
{
    (void)context;
    if (!strcmp(event->kind, "epoch") && isnan(first_loss)) first_loss = event->loss;
    return 0;
}

/* Outputs as doubles, from the weights: predictions of the library are floats. */
static void article_outputs(const nudge *m, double y[4])
{
    double w1[8], b1[4], w2[4], b2;
    assert_int_equal(nudge_get(m, "0.weight", w1, 8, NULL), 0);
    assert_int_equal(nudge_get(m, "0.bias", b1, 4, NULL), 0);
    assert_int_equal(nudge_get(m, "2.weight", w2, 4, NULL), 0);
    assert_int_equal(nudge_get(m, "2.bias", &b2, 1, NULL), 0);
    for (int i = 0; i < 4; i++) {
        double sum = b2;
        for (int n = 0; n < 4; n++) {
            double a = b1[n] + w1[2 * n] * (double)xor_x[2 * i] + w1[2 * n + 1] * (double)xor_x[2 * i + 1];
            sum += w2[n] / (1 + exp(-a));
        }
        y[i] = 1 / (1 + exp(-sum));
    }
}

static void test_article_5000_steps(void **state)
{
    (void)state;
    static const double printed[] = {0.0144439354213, 0.9890729582489, 0.9822885482307, 0.0159250115185};
    static const double after[] = {0.0144423019713, 0.9890743737711, 0.9822906134912, 0.0159229810230};
    nudge *m = make_article();
    double y[4];
    float f[4];
    first_loss = (double)NAN;
    nudge_progress(m, hear_first_loss, NULL);
    assert_int_equal(nudge_fit(m, xor_x, xor_t, 4, "epochs=4999 validation=0 shuffle=false"), 0);
    expect_near(first_loss, 0.5021698301747031);
    article_outputs(m, y);
    for (int i = 0; i < 4; i++)
        expect_near(y[i], printed[i]);
    assert_int_equal(nudge_step(m, xor_x, xor_t, NULL, 4, NULL), 0);
    article_outputs(m, y);
    assert_int_equal(nudge_predict(m, xor_x, 4, f, 4), 0);
    for (int i = 0; i < 4; i++) {
        expect_near(y[i], after[i]);
        assert_true(fabs((double)f[i] - y[i]) < 1e-7);
    }
    nudge_free(m);
}

/* ---- Saving, opening, cloning ---- */

static void expect_same_predictions(const nudge *a, const nudge *b, const float *x, size_t rows)
{
    size_t room = rows * nudge_outputs(a);
    float *y = malloc(room * sizeof *y), *z = malloc(room * sizeof *z);
    assert_int_equal(nudge_predict(a, x, rows, y, room), 0);
    assert_int_equal(nudge_predict(b, x, rows, z, room), 0);
    assert_memory_equal(y, z, room * sizeof *y);
    free(y);
    free(z);
}

static nudge *make_points(float x[2 * POINTS], float t[POINTS])
{
    points(x, t);
    nudge *m = make(2, "dense(16) gate dense(3)",
                    "loss=cross_entropy seed=2 standardize=true define=gate(x): x*sigmoid(1.7*x)");
    assert_int_equal(nudge_fit(m, x, t, POINTS, "optimizer=adam(lr=.02) epochs=5 batch=16"), 0);
    return m;
}

/* Two labels of a point: is it right, is it above. */
static void test_labels(void **state)
{
    (void)state;
    float x[2 * POINTS], t[POINTS], label[2 * POINTS], y[2 * POINTS];
    points(x, t);
    for (int i = 0; i < 2 * POINTS; i++)
        label[i] = x[i] > 0;
    nudge *m = make(2, "dense(8) tanh dense(2)", "task=labels threshold=f1");
    assert_int_equal(nudge_fit(m, x, label, POINTS, "epochs=100 optimizer=adam(lr=.05)"), 0);
    assert_int_equal(nudge_predict(m, x, POINTS, y, 2 * POINTS), 0);
    int right = 0;
    for (int i = 0; i < 2 * POINTS; i++) {
        assert_true(y[i] >= 0 && y[i] <= 1);
        right += (y[i] > .5f) == (label[i] > .5f);
    }
    assert_true(right > 2 * POINTS * .95);
    nudge *copy;
    assert_int_equal(nudge_clone(m, &copy), 0);
    expect_same_predictions(m, copy, x, POINTS);
    nudge_free(copy);
    label[3] = 2;
    expect_message(m, nudge_fit(m, x, label, POINTS, NULL), NUDGE_INPUT,
                   "t is 2 in row 1, column 1 (from 0), which is no label");
    nudge_free(m);
}

/* Rows on a line go through one number and come out again, without targets. */
static void test_reconstruction(void **state)
{
    (void)state;
    float x[3 * POINTS], y[3 * POINTS];
    for (int i = 0; i < POINTS; i++) {
        float at = (float)i / POINTS;
        x[3 * i] = 10 * at, x[3 * i + 1] = 5 - at, x[3 * i + 2] = 100 + 3 * at;
    }
    nudge *m = make(3, "dense(1) dense(features)", "task=reconstruct standardize=true seed=2");
    assert_int_equal(nudge_fit(m, x, NULL, POINTS, "epochs=200 optimizer=adam(lr=.05)"), 0);
    assert_int_equal(nudge_outputs(m), 3);
    assert_int_equal(nudge_predict(m, x, POINTS, y, 3 * POINTS), 0);
    for (int i = 0; i < 3 * POINTS; i++)
        assert_true(fabsf(y[i] - x[i]) < .05f);
    nudge_free(m);
}

static void test_memory_round_trip(void **state)
{
    (void)state;
    float x[2 * POINTS], t[POINTS];
    nudge *m = make_points(x, t), *copy;
    size_t need, again;
    expect_message(m, nudge_save_memory(m, NULL, 0, &need), NUDGE_INPUT, "room for 0 bytes");
    char *bytes = malloc(need), *second = malloc(need);
    assert_int_equal(nudge_save_memory(m, bytes, need, &need), 0);
    assert_int_equal(nudge_open_memory(&copy, bytes, need), 0);
    expect_same_predictions(m, copy, x, POINTS);
    assert_int_equal(nudge_save_memory(copy, second, need, &again), 0);
    assert_int_equal(need, again);
    assert_memory_equal(bytes, second, need);
    nudge_free(copy);
    for (size_t cut = 0; cut < need; cut += 1 + cut / 3) { /* a file cut anywhere is refused */
        int status = nudge_open_memory(&copy, bytes, cut);
        assert_int_equal(status, NUDGE_INPUT);
        assert_true(strlen(nudge_message(copy, status)) > 10);
        nudge_free(copy);
    }
    free(bytes);
    free(second);
    nudge_free(m);
}

static void test_file_round_trip(void **state)
{
    (void)state;
    float x[2 * POINTS], t[POINTS];
    char directory[] = "/tmp/nudge-api-XXXXXX", path[128];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    nudge *m = make_points(x, t), *copy;
    assert_int_equal(nudge_save(m, path), 0);
    assert_int_equal(nudge_open(&copy, path), 0);
    expect_same_predictions(m, copy, x, POINTS);
    nudge_free(copy);
    assert_int_equal(nudge_open(&copy, directory), 0);
    expect_same_predictions(m, copy, x, POINTS);
    assert_int_equal(nudge_step(copy, x, t, NULL, POINTS, NULL), 0); /* and it goes on learning */
    nudge_free(copy);
    nudge_free(m);
    unlink(path);
    int status = nudge_open(&copy, NULL);
    expect_message(copy, status, NUDGE_INPUT, "");
    nudge_free(copy);
    status = nudge_open(&copy, path);
    expect_message(copy, status, NUDGE_INPUT, path);
    nudge_free(copy);
    rmdir(directory);
}

static void test_clone_is_independent(void **state)
{
    (void)state;
    float x[2 * POINTS], t[POINTS], before[3 * POINTS], after[3 * POINTS];
    nudge *m = make_points(x, t), *copy;
    assert_int_equal(nudge_predict(m, x, POINTS, before, 3 * POINTS), 0);
    assert_int_equal(nudge_clone(m, &copy), 0);
    expect_same_predictions(m, copy, x, POINTS);
    assert_int_equal(nudge_fit(copy, x, t, POINTS, "epochs=3"), 0);
    assert_int_equal(nudge_predict(m, x, POINTS, after, 3 * POINTS), 0);
    assert_memory_equal(before, after, sizeof before);
    nudge_free(m);
    assert_int_equal(nudge_predict(copy, x, POINTS, after, 3 * POINTS), 0);
    assert_memory_not_equal(before, after, sizeof before);
    nudge_free(copy);
}

/* A clone has the optimizer's state, too: it learns the same from the same rows. */
static void test_clone_goes_on(void **state)
{
    (void)state;
    float x[2 * POINTS], t[POINTS];
    nudge *m = make_points(x, t), *copy;
    assert_int_equal(nudge_step(m, x, t, NULL, POINTS, NULL), 0);
    assert_int_equal(nudge_clone(m, &copy), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(nudge_step(m, x, t, NULL, POINTS, NULL), 0);
        assert_int_equal(nudge_step(copy, x, t, NULL, POINTS, NULL), 0);
    }
    expect_same_predictions(m, copy, x, POINTS);
    nudge_free(copy);
    nudge_free(m);
}

/* ---- Going on ---- */

static void test_step_with_new_rows(void **state)
{
    (void)state;
    float x[2 * POINTS], t[POINTS], loss = 0, first = 0, weight[POINTS];
    nudge *m = make_points(x, t);
    for (int i = 0; i < 50; i++) {
        for (int k = 0; k < 10; k++) { /* rows of another kind: class 0 everywhere */
            x[2 * k] = (float)cos(i + k);
            x[2 * k + 1] = (float)sin(i + k);
            t[k] = 0;
            weight[k] = 2;
        }
        assert_int_equal(nudge_step(m, x, t, weight, 10, &loss), 0);
        if (!i) first = loss;
    }
    assert_true(loss < first / 2);
    weight[3] = -1;
    expect_message(m, nudge_step(m, x, t, weight, 10, &loss), NUDGE_INPUT, "weights is -1 in row 3");
    memset(weight, 0, sizeof weight);
    expect_message(m, nudge_step(m, x, t, weight, 10, &loss), NUDGE_INPUT, "add up to nothing");
    nudge_free(m);
}

/* A weight of 2 is the row twice. */
static void test_weights_count_rows(void **state)
{
    (void)state;
    static const float x2[] = {0, 0, 0, 1, 1, 0, 1, 1, 1, 1}, t2[] = {0, 1, 1, 0, 0}, weight[] = {1, 1, 1, 2};
    nudge *a = make(2, "dense(3) tanh dense(1)", "loss=mse dtype=float64 optimizer=sgd(lr=.1)"), *b;
    assert_int_equal(nudge_clone(a, &b), 0);
    float loss[2];
    double w[2][3];
    assert_int_equal(nudge_step(a, xor_x, xor_t, weight, 4, &loss[0]), 0);
    assert_int_equal(nudge_step(b, x2, t2, NULL, 5, &loss[1]), 0);
    assert_true(fabsf(loss[0] - loss[1]) < 1e-6f);
    assert_int_equal(nudge_get(a, "2.weight", w[0], 3, NULL), 0);
    assert_int_equal(nudge_get(b, "2.weight", w[1], 3, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_true(fabs(w[0][i] - w[1][i]) < 1e-12);
    nudge_free(a);
    nudge_free(b);
}

static void test_failed_step_is_taken_back(void **state)
{
    (void)state;
    nudge *m = make(2, "dense(4) relu dense(1)", "loss=mse optimizer=sgd(lr=1e30)");
    double before[8], after[8];
    assert_int_equal(nudge_get(m, "0.weight", before, 8, NULL), 0);
    int status = 0;
    for (int i = 0; i < 5 && !status; i++) {
        assert_int_equal(nudge_get(m, "0.weight", before, 8, NULL), 0);
        status = nudge_step(m, xor_x, xor_t, NULL, 4, NULL);
    }
    expect_message(m, status, NUDGE_DIVERGED, "taken back");
    assert_int_equal(nudge_get(m, "0.weight", after, 8, NULL), 0);
    assert_memory_equal(before, after, sizeof before);
    nudge_free(m);
}

static int events, epochs_heard;
static int stop_at_third_epoch(void *context, const nudge_event *event)
{
    events++;
    assert_ptr_equal(context, &events);
    assert_non_null(event->text);
    assert_int_equal(event->json[0], '{');
    if (!strcmp(event->kind, "epoch")) epochs_heard++;
    return epochs_heard == 3;
}

static void test_stop_from_callback(void **state)
{
    (void)state;
    nudge *m = make_xor();
    events = epochs_heard = 0;
    nudge_progress(m, stop_at_third_epoch, &events);
    assert_int_equal(nudge_fit(m, xor_x, xor_t, 4, "epochs=1000 validation=0"), 0);
    assert_int_equal(epochs_heard, 3);
    assert_true(events >= 5); /* start, epochs, end */
    nudge_progress(m, NULL, NULL);
    assert_int_equal(nudge_fit(m, xor_x, xor_t, 4, "epochs=2 validation=0"), 0);
    assert_int_equal(epochs_heard, 3);
    nudge_free(m);
}

/* ---- Mistakes ---- */

static void test_new_mistakes(void **state)
{
    (void)state;
    static const struct {
        size_t inputs;
        const char *net, *options, *message;
    } row[] = {
        {0, "dense(1)", "", "inputs is 0"},
        {2, NULL, "", "net is NULL"},
        {2, "dence(4)", "", "did you mean dense?"},
        {2, "dense(4", "", "("},
        {2, "dense(4)", "loss=crossentropy", "cross_entropy"},
        {2, "dense(4)", "optimizer=adma", "adam"},
        {2, "dense(4)", "optimizer=adam(rate=1)", "rate"},
        {2, "dense(4)", "schedule=cosin", "cosine"},
        {2, "dense(4)", "clip=nrm(1)", "norm"},
        {2, "dense(4)", "epocs=3", "epochs"},
        {2, "dense(4)", "loss=cross_entropy classes=3",
         "layer 0, dense(4), gives 4 numbers for each row, but there are 3 classes"},
        {2, "dense(1)", "loss=cross_entropy", "needs one for each class"},
        {2, "dense(3) softmax", "loss=cross_entropy", "stands before the loss cross_entropy"},
        {2, "dense(1) sigmoid", "loss=bce", "stands before the loss bce"},
        {2, "relu", "", "nothing to learn"},
        {2, "dense(4)", "dtype=float16", "float32"},
        {2, "dense(4)", "isa=none", "isa"},
        {2, "dense(4)", "define=mine(x): x +", "mine"},
        {2, "mine dense(1)", "define=mine(x): y", "nothing is called y"},
        {2, "dense(1)", "init=/nowhere/w.safetensors", "/nowhere/w.safetensors"},
        {2, "dense(1)", "loss=mine define=mine(y, t): y - t", "a loss is one number"},
        {2, "dense(1)", "optimizer=mine define=mine(w, g): w - g", "changes nothing"},
        {2, "dense(1)", "schedule=cosine optimizer=mine define=mine(w, g): w -= g", "has no lr"},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        nudge *m;
        int status = nudge_new(&m, row[i].inputs, row[i].net, row[i].options);
        expect_message(m, status, NUDGE_INPUT, row[i].message);
        assert_int_equal(nudge_fit(m, xor_x, xor_t, 4, ""), NUDGE_INPUT); /* says the same again */
        assert_non_null(strstr(nudge_message(m, NUDGE_INPUT), row[i].message));
        nudge_free(m);
    }
}

static void test_fit_mistakes(void **state)
{
    (void)state;
    nudge *m = make(2, "dense(3)", "loss=cross_entropy");
    float x[] = {0, 0, 1, 1, 2, 2}, t[] = {0, 1, 2};
    expect_message(m, nudge_fit(m, x, t, 0, ""), NUDGE_INPUT, "rows is 0");
    expect_message(m, nudge_fit(m, NULL, t, 3, ""), NUDGE_INPUT, "x is NULL");
    expect_message(m, nudge_fit(m, x, NULL, 3, ""), NUDGE_INPUT, "t is NULL");
    expect_message(m, nudge_fit(m, x, t, 3, "net=dense(4)"), NUDGE_INPUT, "net belongs to the model");
    expect_message(m, nudge_fit(m, x, t, 3, "loss=mse"), NUDGE_INPUT, "loss belongs to the model");
    expect_message(m, nudge_fit(m, x, t, 3, "optimizer=sgdd"), NUDGE_INPUT, "sgd");
    expect_message(m, nudge_fit(m, x, t, 3, "monitor=acuracy"), NUDGE_INPUT, "accuracy");
    expect_message(m, nudge_fit(m, x, t, 3, "monitor=accuracy validation=0"), NUDGE_INPUT, "validation rows");
    t[1] = 3;
    expect_message(m, nudge_fit(m, x, t, 3, ""), NUDGE_INPUT, "t is 3 in row 1");
    t[1] = .5f;
    expect_message(m, nudge_fit(m, x, t, 3, ""), NUDGE_INPUT, "t is 0.5 in row 1");
    t[1] = 1;
    x[3] = NAN;
    expect_message(m, nudge_fit(m, x, t, 3, ""), NUDGE_INPUT, "x is NaN in row 1, column 1");
    x[3] = INFINITY;
    expect_message(m, nudge_fit(m, x, t, 3, ""), NUDGE_INPUT, "x is infinite in row 1, column 1");
    x[3] = 1;
    assert_int_equal(nudge_fit(m, x, t, 3, "batch=1000 epochs=2"), 0); /* more than there are is fine */
    nudge_free(m);
}

static void test_const_mistakes(void **state)
{
    (void)state;
    nudge *m = make_xor();
    float x[] = {0, NAN}, y[4];
    double w[8];
    size_t need = 0;
    expect_message(m, nudge_predict(m, xor_x, 4, y, 3), NUDGE_INPUT, "y has room for 3 numbers");
    expect_message(m, nudge_predict(m, xor_x, 0, y, 4), NUDGE_INPUT, "rows is 0");
    expect_message(m, nudge_predict(m, x, 1, y, 4), NUDGE_INPUT, "x is NaN in row 0, column 1");
    expect_message(m, nudge_predict(m, xor_x, SIZE_MAX / 2, y, 4), NUDGE_INPUT, "room");
    expect_message(m, nudge_get(m, "0.wieght", w, 8, &need), NUDGE_INPUT, "did you mean 0.weight?");
    expect_message(m, nudge_get(m, "0.weight", w, 7, &need), NUDGE_INPUT, "0.weight has 8");
    assert_int_equal(need, 8);
    expect_message(m, nudge_set(m, "0.weight", w, 3), NUDGE_INPUT, "0.weight has 8 numbers; 3 are given");
    w[0] = NAN;
    expect_message(m, nudge_set(m, "2.bias", w, 1), NUDGE_INPUT, "not finite");
    expect_message(m, nudge_save(m, "/nowhere/at/all"), NUDGE_INPUT, "/nowhere/at/all");
    assert_int_equal(nudge_predict(m, xor_x, 4, y, 4), 0); /* still works */
    nudge_free(m);
}

static void test_no_handle(void **state)
{
    (void)state;
    nudge *m;
    assert_int_equal(nudge_predict(NULL, NULL, 0, NULL, 0), NUDGE_INPUT);
    assert_int_equal(nudge_fit(NULL, NULL, NULL, 0, NULL), NUDGE_INPUT);
    assert_int_equal(nudge_step(NULL, NULL, NULL, NULL, 0, NULL), NUDGE_INPUT);
    assert_int_equal(nudge_set(NULL, "", NULL, 0), NUDGE_INPUT);
    assert_int_equal(nudge_get(NULL, "", NULL, 0, NULL), NUDGE_INPUT);
    assert_int_equal(nudge_save(NULL, "x"), NUDGE_INPUT);
    assert_int_equal(nudge_clone(NULL, &m), NUDGE_INPUT);
    nudge_free(m);
    assert_int_equal(nudge_inputs(NULL) + nudge_outputs(NULL), 0);
    nudge_progress(NULL, NULL, NULL);
    nudge_free(NULL);
    for (int status = -2; status < 9; status++)
        assert_true(strlen(nudge_message(NULL, status)) > 5);
    assert_string_equal(nudge_version(), NUDGE_VERSION);
}

/* ---- A good guest ---- */

static void test_nothing_printed(void **state)
{
    (void)state;
    char path[] = "/tmp/nudge-quiet-XXXXXX";
    int file = mkstemp(path), out = dup(1), error = dup(2);
    fflush(NULL);
    dup2(file, 1), dup2(file, 2);
    nudge *m = NULL, *bad = NULL;
    int status = nudge_new(&m, 2, xor_net, "loss=sse");
    if (!status) status = nudge_fit(m, xor_x, xor_t, 4, "epochs=20 log=1 validation=0");
    int wrong = nudge_new(&bad, 2, "dens(3)", NULL);
    nudge_free(bad);
    nudge_free(m);
    fflush(NULL);
    dup2(out, 1), dup2(error, 2);
    struct stat about;
    assert_int_equal(fstat(file, &about), 0);
    close(file), close(out), close(error);
    unlink(path);
    assert_int_equal(status, 0);
    assert_int_equal(wrong, NUDGE_INPUT);
    assert_int_equal(about.st_size, 0);
}

/* A locale with a decimal comma changes nothing. LOCPATH says where one has been made for the tests. */
static void test_locale(void **state)
{
    (void)state;
    static const char *const names[] = {"comma", "de_DE.UTF-8", "fr_FR.UTF-8"};
    size_t need[2];
    char *bytes[2];
    bool found = false;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; pass && i < sizeof names / sizeof *names && !found; i++)
            found = setlocale(LC_ALL, names[i]) != NULL;
        nudge *m = make(2, "dense(3) tanh dense(1)", "loss=mse optimizer=sgd(lr=.25) seed=7");
        assert_int_equal(nudge_fit(m, xor_x, xor_t, 4, "epochs=3 validation=0.0"), 0);
        expect_message(m, nudge_save_memory(m, NULL, 0, &need[pass]), NUDGE_INPUT, "room");
        bytes[pass] = malloc(need[pass]);
        assert_int_equal(nudge_save_memory(m, bytes[pass], need[pass], NULL), 0);
        nudge_free(m);
    }
    setlocale(LC_ALL, "C");
    assert_int_equal(need[0], need[1]);
    assert_memory_equal(bytes[0], bytes[1], need[0]);
    free(bytes[0]);
    free(bytes[1]);
    assert_true(found || !getenv("LOCPATH"));
    if (!found) skip();
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void test_no_thread_spins(void **state)
{
    (void)state;
    nudge *m = make(2, "dense(256) relu dense(256) relu dense(1)", "loss=mse threads=3");
    assert_int_equal(nudge_fit(m, xor_x, xor_t, 4, "epochs=20 validation=0"), 0);
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    double before = cpu_seconds();
    nanosleep(&(struct timespec){0, 300000000}, NULL);
    assert_true(cpu_seconds() - before < .05);
    nudge_free(m);
}

/* ---- Memory that runs out ---- */

static long allocations, fails_at;
static void *failing_heap(void *context, void *block, size_t size)
{
    (void)context;
    if (!size) {
        free(block);
        return NULL;
    }
    if (++allocations == fails_at) return NULL;
    return realloc(block, size);
}

/* Everything once, until the first failure. */
static int exercise(void)
{
    float x[40], t[20], y[60];
    for (int i = 0; i < 20; i++) {
        x[2 * i] = (float)i, x[2 * i + 1] = (float)(i % 5);
        t[i] = (float)(i % 3);
    }
    nudge *m = NULL, *copy = NULL, *again = NULL;
    static char bytes[20000];
    size_t need;
    int status = nudge_new(&m, 2, "dense(4) relu dense(3)",
                           "loss=cross_entropy optimizer=adam seed=3 standardize=true");
    if (!status) status = nudge_fit(m, x, t, 20, "epochs=2 batch=7 validation=.2 schedule=cosine clip=1");
    if (!status) status = nudge_predict(m, x, 20, y, 60);
    if (!status) status = nudge_save_memory(m, bytes, sizeof bytes, &need);
    if (!status) status = nudge_open_memory(&copy, bytes, need);
    if (!status) status = nudge_clone(m, &again);
    if (!status) status = nudge_step(again, x, t, NULL, 20, NULL);
    if (status) assert_true(strlen(nudge_message(again ? again : copy ? copy : m, status)) > 5);
    nudge_free(m);
    nudge_free(copy);
    nudge_free(again);
    return status;
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    nudge_allocator(failing_heap, NULL);
    allocations = fails_at = 0;
    assert_int_equal(exercise(), 0);
    long all = allocations;
    for (fails_at = 1; fails_at <= all; fails_at += 1 + fails_at / 200) {
        allocations = 0;
        int status = exercise();
        if (status != NUDGE_MACHINE && status != NUDGE_OK)
            print_error("allocation %ld: status %d\n", fails_at, status);
        assert_true(status == NUDGE_MACHINE || status == NUDGE_OK);
    }
    fails_at = 0;
    nudge_allocator(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_fails), /* first: it changes the heap */
        cmocka_unit_test(test_opening_example),
        cmocka_unit_test(test_classifier),
        cmocka_unit_test(test_two_classes),
        cmocka_unit_test(test_regression_units),
        cmocka_unit_test(test_standards_stay),
        cmocka_unit_test(test_article_first_step),
        cmocka_unit_test(test_article_5000_steps),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_reconstruction),
        cmocka_unit_test(test_memory_round_trip),
        cmocka_unit_test(test_file_round_trip),
        cmocka_unit_test(test_clone_is_independent),
        cmocka_unit_test(test_clone_goes_on),
        cmocka_unit_test(test_step_with_new_rows),
        cmocka_unit_test(test_weights_count_rows),
        cmocka_unit_test(test_failed_step_is_taken_back),
        cmocka_unit_test(test_stop_from_callback),
        cmocka_unit_test(test_new_mistakes),
        cmocka_unit_test(test_fit_mistakes),
        cmocka_unit_test(test_const_mistakes),
        cmocka_unit_test(test_no_handle),
        cmocka_unit_test(test_nothing_printed),
        cmocka_unit_test(test_locale),
        cmocka_unit_test(test_no_thread_spins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
