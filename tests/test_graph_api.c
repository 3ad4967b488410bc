/* test_graph_api.c: the second tier of nudge.h: graphs from formulas, gradients, programs, and the mistakes of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <nudge.h>
#include <stdlib.h>
#include <string.h>

#define DIMS(...)                                                                                            \
    (const int64_t[])                                                                                        \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

static void test_formula(void **state)
{
    (void)state;
    nudge_graph *g;
    nudge_program *p;
    assert_int_equal(nudge_graph_new(&g, "dtype=float64"), NUDGE_OK);
    nudge_tensor x = nudge_input(g, "x", 2, DIMS(2, 3));
    nudge_define(g, "gate(x): x*sigmoid(1.7*x)");
    nudge_tensor y = nudge_formula(g, "gate(x) + 1");
    assert_int_equal(nudge_rank(y), 2);
    assert_int_equal(nudge_dim(y, 1), 3);
    nudge_output(g, "y", y);
    nudge_output(g, "dx", nudge_gradient(g, y, x));
    assert_int_equal(nudge_compile(&p, g), NUDGE_OK);
    double in[6] = {-2, -1, 0, .5, 1, 2}, out[6];
    nudge_bind(p, "x", in);
    nudge_bind(p, "y", out);
    assert_int_equal(nudge_run(p), NUDGE_OK);
    const double *dx = nudge_memory(p, "dx");
    for (int i = 0; i < 6; i++) {
        double s = 1 / (1 + exp(-1.7 * in[i]));
        assert_true(fabs(out[i] - (in[i] * s + 1)) < 1e-14);
        assert_true(fabs(dx[i] - (s + in[i] * 1.7 * s * (1 - s))) < 1e-14);
    }
    nudge_program_free(p);
    nudge_graph_free(g);
}

/* A definition may differentiate what it is given, though it did not see how that came about. */
static void test_gradient_in_definition(void **state)
{
    (void)state;
    nudge_graph *g;
    nudge_program *p;
    nudge_graph_new(&g, "dtype=float64");
    nudge_input(g, "x", 1, DIMS(3));
    nudge_define(g, "bend(y, x): slope(slope(y, x), x)"); /* before what it calls */
    nudge_define(g, "slope(y, x): grad(y, x)");
    nudge_define(g, "cube(x): x*x*x");
    nudge_output(g, "y", nudge_formula(g, "bend(cube(x)*x, x) + slope(x, x)"));
    if (nudge_compile(&p, g)) fail_msg("%s", nudge_graph_message(g, NUDGE_INPUT));
    double x[] = {-1, .5, 2}, *y = nudge_memory(p, "y");
    nudge_bind(p, "x", x);
    nudge_run(p);
    for (int i = 0; i < 3; i++)
        assert_true(fabs(y[i] - (12 * x[i] * x[i] + 1)) < 1e-13);
    nudge_program_free(p);
    nudge_graph_free(g);
}

/* Two nets in one loss: each program moves its own, at the rate that the caller sets. */
static void test_two_optimizers(void **state)
{
    (void)state;
    nudge_graph *g;
    nudge_program *one, *both;
    nudge_graph_new(&g, "dtype=float64");
    nudge_scalar(g, "rate");
    nudge_tensor x = nudge_input(g, "x", 2, DIMS(1, 1));
    nudge_let(g, "a", nudge_net(g, "a", "dense(1, bias=false)", x));
    nudge_let(g, "b", nudge_net(g, "b", "dense(1, bias=false)", nudge_formula(g, "a")));
    nudge_optimize(g, "sgd(lr=rate)", nudge_formula(g, "sum(a*b)"), "b.*");
    if (nudge_compile(&one, g)) fail_msg("%s", nudge_graph_message(g, NUDGE_INPUT));
    nudge_optimize(g, "sgd(lr=.5)", nudge_formula(g, "sum(b)"), "a.*");
    nudge_optimize(g, "sgd(lr=.25)", nudge_formula(g, "sum(b*b)"), "b.*");
    if (nudge_compile(&both, g)) fail_msg("%s", nudge_graph_message(g, NUDGE_INPUT));
    double *a = nudge_memory(both, "a.0.weight"), *b = nudge_memory(both, "b.0.weight");
    *(double *)nudge_memory(one, "x") = *(double *)nudge_memory(both, "x") = 1;
    *a = 2, *b = 3;
    nudge_number(one, "rate", .5);
    nudge_run(one); /* a*b*a, by b: 4 */
    assert_true(*a == 2 && *b == 1);
    nudge_run(both); /* both read what was: b by a is 1, (a*b)^2 by b is 8 */
    assert_true(*a == 1.5 && *b == -1);
    nudge_program_free(one);
    nudge_program_free(both);
    nudge_optimize(g, "sgd", nudge_formula(g, "sum(b)"), "c.*");
    assert_int_equal(nudge_compile(&one, g), NUDGE_INPUT);
    assert_non_null(strstr(nudge_graph_message(g, NUDGE_INPUT), "no parameter called c.*"));
    nudge_graph_free(g);
}

/* Softmax regression on three separable clusters. */
static void test_learns(void **state)
{
    (void)state;
    nudge_graph *g;
    nudge_program *p;
    nudge_graph_new(&g, "seed=3 threads=2");
    nudge_input(g, "x", 2, DIMS(30, 2));
    nudge_integers(g, "t", 1, DIMS(30));
    nudge_parameter(g, "w", 2, DIMS(3, 2), "glorot");
    nudge_parameter(g, "b", 1, DIMS(3), "0");
    nudge_tensor loss = nudge_let(g, "loss", nudge_formula(g, "cross_entropy(x @ w' + b, t)"));
    assert_int_equal(nudge_rank(loss) > 0 ? nudge_dim(loss, 0) : 1, 1);
    nudge_optimize(g, "adam(lr=0.1)", loss, NULL);
    nudge_output(g, "value", loss);
    if (nudge_compile(&p, g)) fail_msg("%s", nudge_graph_message(g, NUDGE_INPUT));
    float x[60], *value = nudge_memory(p, "value"), *w = nudge_memory(p, "w");
    int32_t t[30];
    assert_true(w[0] != 0 && fabsf(w[0]) < 1.1f && w[0] != w[1]);
    for (int i = 0; i < 30; i++) {
        t[i] = i % 3;
        x[2 * i] = (float)cos(t[i] * 2.1) + .01f * (float)(i % 7);
        x[2 * i + 1] = (float)sin(t[i] * 2.1) - .01f * (float)(i % 5);
    }
    nudge_bind(p, "x", x);
    nudge_bind(p, "t", t);
    nudge_run(p);
    float first = value[0];
    for (int step = 0; step < 200; step++)
        nudge_run(p);
    assert_true(first > .5f && value[0] < .05f);
    nudge_program_free(p);
    nudge_graph_free(g);
}

static void test_net_and_update(void **state)
{
    (void)state;
    nudge_graph *g;
    nudge_program *p;
    nudge_graph_new(&g, "dtype=float64");
    nudge_tensor x = nudge_input(g, "x", 2, DIMS(4, 2));
    nudge_let(g, "y", nudge_net(g, "net", "dense(3, bias=false) tanh dense(1)", x));
    nudge_tensor w = nudge_parameter(g, "counter", 1, DIMS(1), "5");
    nudge_update(g, w, nudge_formula(g, "counter + 1"));
    nudge_output(g, "z", nudge_formula(g, "sum(y)"));
    if (nudge_compile(&p, g)) fail_msg("%s", nudge_graph_message(g, NUDGE_INPUT));
    assert_non_null(nudge_memory(p, "net.0.weight"));
    assert_null(nudge_memory(p, "net.0.bias"));
    double *counter = nudge_memory(p, "counter");
    assert_true(counter[0] == 5);
    nudge_run(p);
    nudge_run(p);
    assert_true(counter[0] == 7);
    nudge_program_free(p);
    nudge_graph_free(g);
}

static void test_mistakes(void **state)
{
    (void)state;
    nudge_graph *g;
    nudge_program *p;
    assert_int_equal(nudge_graph_new(&g, "dtype=float16"), NUDGE_INPUT);
    assert_non_null(strstr(nudge_graph_message(g, NUDGE_INPUT), "float16"));
    nudge_graph_free(g);

    nudge_graph_new(&g, NULL);
    nudge_input(g, "x", 2, DIMS(2, 3));
    assert_null(nudge_formula(g, "x @ x"));
    nudge_output(g, "y", nudge_formula(g, "softmx(x)")); /* chained on; the first error stays */
    assert_int_equal(nudge_compile(&p, g), NUDGE_INPUT);
    assert_null(p);
    assert_non_null(strstr(nudge_graph_message(g, NUDGE_INPUT), "[2, 3] @ [2, 3]"));
    nudge_graph_free(g);

    nudge_graph_new(&g, NULL);
    assert_null(nudge_formula(g, "softmx(1)"));
    assert_non_null(strstr(nudge_graph_message(g, NUDGE_INPUT), "did you mean softmax?"));
    nudge_graph_free(g);

    nudge_graph_new(&g, NULL);
    assert_int_equal(nudge_compile(&p, g), NUDGE_INPUT);
    nudge_graph_free(g);

    nudge_graph_new(&g, NULL);
    nudge_output(g, "y", nudge_let(g, "z", nudge_input(g, "x", 1, DIMS(3))));
    assert_int_equal(nudge_compile(&p, g), NUDGE_OK);
    float x[3];
    assert_int_equal(nudge_bind(p, "X", x), NUDGE_INPUT);
    assert_non_null(strstr(nudge_program_message(p, NUDGE_INPUT), "did you mean x?"));
    assert_int_equal(nudge_bind(p, "x", NULL), NUDGE_INPUT);
    assert_int_equal(nudge_number(p, "lr", 1), NUDGE_INPUT);
    nudge_program_free(p);
    nudge_graph_free(g);
    assert_null(nudge_formula(NULL, "1"));
    nudge_graph_free(NULL);
    nudge_program_free(NULL);
}

/* Every allocation failing in turn ends in a status. */
static long heap_left;

static void *heap_failing(void *context, void *block, size_t size)
{
    (void)context;
    if (!size) {
        free(block);
        return NULL;
    }
    return heap_left-- > 0 ? realloc(block, size) : NULL;
}

static int build_and_run(void)
{
    nudge_graph *g;
    nudge_program *p = NULL;
    int status = nudge_graph_new(&g, "dtype=float64");
    nudge_tensor x = nudge_input(g, "x", 2, DIMS(4, 2));
    nudge_tensor loss = nudge_let(g, "l", nudge_net(g, "", "dense(3) relu dense(1)", x));
    nudge_optimize(g, "adam", loss, NULL);
    nudge_output(g, "y", loss);
    if (!status) status = nudge_compile(&p, g);
    if (!status) status = nudge_run(p);
    nudge_program_free(p);
    nudge_graph_free(g);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    nudge_allocator(heap_failing, NULL);
    long n = 0;
    for (heap_left = n; build_and_run(); heap_left = n += 1 + n / 40)
        assert_true(n < 100000);
    nudge_allocator(NULL, NULL);
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_formula),
                                       cmocka_unit_test(test_learns),
                                       cmocka_unit_test(test_gradient_in_definition),
                                       cmocka_unit_test(test_two_optimizers),
                                       cmocka_unit_test(test_net_and_update),
                                       cmocka_unit_test(test_mistakes),
                                       cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
