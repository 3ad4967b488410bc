/* The worked example of examples/xor (the network of an article): 2-4-1 with sigmoids, half the squared error and plain
 * gradient descent over all four rows, in double. Its figures must come out to a relative 1e-9, by formulas and by a model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <nudge.h>
#include <string.h>

static double xor_x[] = {0, 0, 0, 1, 1, 0, 1, 1}, xor_t[] = {0, 1, 1, 0};
static const float xor_fx[] = {0, 0, 0, 1, 1, 0, 1, 1}, xor_ft[] = {0, 1, 1, 0};

/* [out, in]: the transpose of the article's matrices. */
static const double weight0[] = {0.8121726818316208,  0.43270381466233926,  -0.3058782068250377,
                                 -1.1507693484401413, -0.26408587613172785, 0.87240588210824,
                                 -0.5364843110780853, -0.3806034504475514};
static const double weight2[] = {0.15951954802854929, -0.12468518773870504, 0.731053968522487,
                                 -1.030070354748827};
static const double zero[4];

/* The article's figures. */
static const double loss_before = 0.5021698301747031, bias2_gradient = 0.016559794549960358;
static const double weight2_gradient[] = {0.010597172911514671, 0.003964091098027914, 0.013709729348705334,
                                          0.00547226041047144};
static const double weight0_gradient[] = {-0.0003898579318831743, 0.0011480700806001803,
                                          0.0007866846244651039,
                                          0.0007151783116432671}; /* of the first input */
static const double outputs_printed[] = {0.0144439354213, 0.9890729582489, 0.9822885482307, 0.0159250115185};
static const double outputs_after[] = {0.0144423019713, 0.9890743737711, 0.9822906134912, 0.0159229810230};

static void expect_near(double value, double wanted)
{
    int near = fabs(value - wanted) <= 1e-9 * fabs(wanted);
    if (!near) print_error("%.17g instead of %.17g\n", value, wanted);
    assert_true(near);
}

static void expect_all_near(const double *value, size_t stride, const double *wanted, int count)
{
    for (int i = 0; i < count; i++)
        expect_near(value[(size_t)i * stride], wanted[i]);
}

/* ---- By formulas: gradients are outputs, and each run is an update ---- */

typedef struct Formulas {
    nudge_graph *g;
    nudge_program *p;
    double y[4], loss, d0[8], d2[4], db2;
} Formulas;

static void expect_ok(const Formulas *f, int status)
{
    if (status)
        print_error("%s %s\n", nudge_graph_message(f->g, status), nudge_program_message(f->p, status));
    assert_int_equal(status, NUDGE_OK);
}

static void put(Formulas *f, const char *name, const double *values, size_t count)
{
    void *memory = nudge_memory(f->p, name);
    assert_non_null(memory);
    memcpy(memory, values, count * sizeof *values);
}

static void formulas_build(Formulas *f)
{
    *f = (Formulas){0};
    expect_ok(f, nudge_graph_new(&f->g, "dtype=float64"));
    nudge_input(f->g, "x", 2, (int64_t[]){4, 2});
    nudge_input(f->g, "t", 2, (int64_t[]){4, 1});
    nudge_tensor w0 = nudge_parameter(f->g, "w0", 2, (int64_t[]){4, 2}, "0");
    nudge_parameter(f->g, "b0", 1, (int64_t[]){4}, "0");
    nudge_tensor w2 = nudge_parameter(f->g, "w2", 2, (int64_t[]){1, 4}, "0");
    nudge_tensor b2 = nudge_parameter(f->g, "b2", 1, (int64_t[]){1}, "0");
    nudge_tensor y = nudge_let(f->g, "y", nudge_formula(f->g, "sigmoid(sigmoid(x @ w0' + b0) @ w2' + b2)"));
    nudge_tensor loss = nudge_formula(f->g, "sse(y, t)");
    nudge_output(f->g, "y", y);
    nudge_output(f->g, "loss", loss);
    nudge_output(f->g, "d0", nudge_gradient(f->g, loss, w0));
    nudge_output(f->g, "d2", nudge_gradient(f->g, loss, w2));
    nudge_output(f->g, "db2", nudge_gradient(f->g, loss, b2));
    nudge_optimize(f->g, "sgd(lr=1)", loss, NULL);
    expect_ok(f, nudge_compile(&f->p, f->g));
}

static void formulas_bind(Formulas *f)
{
    const struct {
        const char *name;
        double *memory;
    } bound[] = {{"x", xor_x},  {"t", xor_t},  {"y", f->y},     {"loss", &f->loss},
                 {"d0", f->d0}, {"d2", f->d2}, {"db2", &f->db2}};
    for (size_t i = 0; i < sizeof bound / sizeof *bound; i++)
        expect_ok(f, nudge_bind(f->p, bound[i].name, bound[i].memory));
    put(f, "w0", weight0, 8);
    put(f, "b0", zero, 4);
    put(f, "w2", weight2, 4);
    put(f, "b2", zero, 1);
}

static void formulas_free(Formulas *f)
{
    nudge_program_free(f->p);
    nudge_graph_free(f->g);
}

static void test_formulas(void **state)
{
    (void)state;
    Formulas f;
    formulas_build(&f);
    formulas_bind(&f);
    expect_ok(&f, nudge_run(f.p));
    expect_near(f.loss, loss_before);
    expect_all_near(f.d2, 1, weight2_gradient, 4);
    expect_near(f.db2, bias2_gradient);
    expect_all_near(f.d0, 2, weight0_gradient, 4);
    for (int step = 2; step <= 5000; step++)
        expect_ok(&f, nudge_run(f.p));
    expect_all_near(f.y, 1, outputs_printed, 4);
    expect_ok(&f, nudge_run(f.p));
    expect_all_near(f.y, 1, outputs_after, 4);
    formulas_free(&f);
}

/* One digit of one weight changed, and the figures are others: the tolerance can fail. */
static void test_formulas_notice_a_change(void **state)
{
    (void)state;
    Formulas f;
    formulas_build(&f);
    formulas_bind(&f);
    double changed[4];
    memcpy(changed, weight2, sizeof changed);
    changed[0] += 1e-7;
    put(&f, "w2", changed, 4);
    expect_ok(&f, nudge_run(f.p));
    assert_true(fabs(f.loss - loss_before) > 1e-9 * loss_before);
    assert_true(fabs(f.d2[0] - weight2_gradient[0]) > 1e-9 * weight2_gradient[0]);
    formulas_free(&f);
}

/* ---- By a model ---- */

static nudge *article_model(void)
{
    nudge *m;
    int status = nudge_new(&m, 2, "dense(4) sigmoid dense(1) sigmoid", "loss=sse dtype=float64");
    if (!status) status = nudge_set(m, "0.weight", weight0, 8);
    if (!status) status = nudge_set(m, "0.bias", zero, 4);
    if (!status) status = nudge_set(m, "2.weight", weight2, 4);
    if (!status) status = nudge_set(m, "2.bias", zero, 1);
    if (status) print_error("%s\n", nudge_message(m, status));
    assert_int_equal(status, NUDGE_OK);
    return m;
}

static double squash(double x)
{
    return 1 / (1 + exp(-x));
}

/* The outputs in double, from the weights: nudge_predict gives floats. */
static void model_outputs(const nudge *m, double y[4])
{
    double w0[8], b0[4], w2[4], b2;
    assert_int_equal(nudge_get(m, "0.weight", w0, 8, NULL), NUDGE_OK);
    assert_int_equal(nudge_get(m, "0.bias", b0, 4, NULL), NUDGE_OK);
    assert_int_equal(nudge_get(m, "2.weight", w2, 4, NULL), NUDGE_OK);
    assert_int_equal(nudge_get(m, "2.bias", &b2, 1, NULL), NUDGE_OK);
    for (int i = 0; i < 4; i++) {
        y[i] = b2;
        for (int n = 0; n < 4; n++)
            y[i] += w2[n] * squash(b0[n] + w0[2 * n] * xor_x[2 * i] + w0[2 * n + 1] * xor_x[2 * i + 1]);
        y[i] = squash(y[i]);
    }
}

static void expect_model_after(const char *options, const double wanted[4])
{
    nudge *m = article_model();
    double y[4];
    float rounded[4];
    assert_int_equal(nudge_fit(m, xor_fx, xor_ft, 4, options), NUDGE_OK);
    model_outputs(m, y);
    expect_all_near(y, 1, wanted, 4);
    assert_int_equal(nudge_predict(m, xor_fx, 4, rounded, 4), NUDGE_OK);
    for (int i = 0; i < 4; i++)
        assert_true(fabs((double)rounded[i] - y[i]) <= 6e-8 * y[i]); /* half a unit of a float's last place */
    nudge_free(m);
}

static void test_model(void **state)
{
    (void)state;
    expect_model_after("optimizer=sgd(lr=1) steps=4999 batch=4 shuffle=false validation=0", outputs_printed);
    expect_model_after("optimizer=sgd(lr=1) steps=5000 batch=4 shuffle=false validation=0", outputs_after);
    expect_model_after("optimizer=sgd(lr=1) epochs=5000 batch=4 shuffle=false validation=0", outputs_after);
}

/* With lr=1, what a step takes from a weight is its gradient. */
static void test_model_step(void **state)
{
    (void)state;
    nudge *m = article_model();
    double w2[4], w0[8], b2;
    float loss;
    assert_int_equal(nudge_fit(m, xor_fx, xor_ft, 4, "optimizer=sgd(lr=1) steps=1 batch=4 validation=0"),
                     NUDGE_OK);
    assert_int_equal(nudge_get(m, "2.weight", w2, 4, NULL), NUDGE_OK);
    assert_int_equal(nudge_get(m, "0.weight", w0, 8, NULL), NUDGE_OK);
    assert_int_equal(nudge_get(m, "2.bias", &b2, 1, NULL), NUDGE_OK);
    for (int n = 0; n < 4; n++) {
        expect_near(weight2[n] - w2[n], weight2_gradient[n]);
        expect_near(weight0[2 * n] - w0[2 * n], weight0_gradient[n]);
    }
    expect_near(-b2, bias2_gradient);
    nudge_free(m);
    m = article_model();
    assert_int_equal(nudge_step(m, xor_fx, xor_ft, NULL, 4, &loss), NUDGE_OK);
    assert_true(fabs((double)loss - loss_before) <= 6e-8);
    nudge_free(m);
}

/* A perceptron cannot do better than .5 everywhere, whatever it starts from. */
static void test_perceptron(void **state)
{
    (void)state;
    static const char *const options[] = {"loss=sse seed=1", "loss=sse seed=2",
                                          "loss=sse seed=3 dtype=float64"};
    for (size_t k = 0; k < sizeof options / sizeof *options; k++) {
        nudge *m;
        float y[4];
        assert_int_equal(nudge_new(&m, 2, "dense(1) sigmoid", options[k]), NUDGE_OK);
        assert_int_equal(
            nudge_fit(m, xor_fx, xor_ft, 4, "optimizer=sgd(lr=1) steps=5000 batch=4 validation=0"), NUDGE_OK);
        assert_int_equal(nudge_predict(m, xor_fx, 4, y, 4), NUDGE_OK);
        for (int i = 0; i < 4; i++)
            assert_true(fabs((double)y[i] - .5) < 1e-4);
        nudge_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formulas),   cmocka_unit_test(test_formulas_notice_a_change),
        cmocka_unit_test(test_model),      cmocka_unit_test(test_model_step),
        cmocka_unit_test(test_perceptron),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
