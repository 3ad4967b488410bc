/* test_layers.c: norms, what is dropped, branches and shared parameters, against plain loops and by the names of the
 * parameters; a gradient within a loss. Attention and recurrent layers have tests of their own. */
#include "net_check.h"

#include "failing_heap.h"

/* ---- Norms ---- */

/* y[i*step] for i < count: mean 0 (unless `raw`), mean square 1. */
static void scale_to_one(double *y, int count, double eps, bool raw)
{
    double mean = 0, square = 0;
    for (int i = 0; i < count; i++)
        mean += raw ? 0 : y[i] / count;
    for (int i = 0; i < count; i++)
        square += (y[i] - mean) * (y[i] - mean) / count;
    for (int i = 0; i < count; i++)
        y[i] = (y[i] - mean) / sqrt(square + eps);
}

enum { N = 2, C = 4, K = 6 }; /* examples, channels, elements of a channel */

/* Groups of `group` elements that lie one behind the other are scaled; then each element has the weight and bias of its
 * place in rows (`channel` 1) or of its channel (K). */
static void check_norm(const char *text, int group, double eps, bool raw, int channel)
{
    NetCheck c;
    double want[N * C * K];
    net_start(&c, true);
    memcpy(want, net_input(&c, "x", TYPE_REAL, SHAPE(N, C, 2, 3), NULL), sizeof want);
    double *y = net_value(&c, net_build(&c, text));
    Node *weight = graph_find_leaf(c.g, "0.weight"), *bias = graph_find_leaf(c.g, "0.bias");
    for (int i = 0; i < N * C * K; i += group)
        scale_to_one(want + i, group, eps, raw);
    for (int i = 0; i < N * C * K; i++) {
        int at = channel == 1 ? i % 3 : i / K % C;
        if (weight) want[i] *= net_leaf(&c, "0.weight")[at];
        if (bias) want[i] += net_leaf(&c, "0.bias")[at];
        net_expect(y[i], want[i]);
    }
    net_end(&c);
}

static void test_norms(void **state)
{
    (void)state;
    check_norm("layernorm", 3, 1e-5, false, 1);
    check_norm("layernorm(eps=.1, bias=false)", 3, .1, false, 1);
    check_norm("rmsnorm", 3, 1e-6, true, 1);
    check_norm("rmsnorm(eps=.2)", 3, .2, true, 1);
    check_norm("groupnorm(2)", 2 * K, 1e-5, false, K);
    check_norm("groupnorm(1, eps=.3)", 4 * K, .3, false, K);
    check_norm("instancenorm", K, 1e-5, false, K);
    check_norm("instancenorm(affine=true)", K, 1e-5, false, K);
}

static void test_norm_parameters(void **state)
{
    static const struct {
        const char *text;
        size_t leaves;
    } c[] = {{"layernorm", 3},    {"layernorm(bias=false)", 2}, {"rmsnorm", 2},
             {"groupnorm(2)", 3}, {"instancenorm", 1},          {"instancenorm(affine=true)", 3}};
    (void)state;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        NetCheck n;
        net_start(&n, true);
        net_input(&n, "x", TYPE_REAL, SHAPE(2, 4, 3), NULL);
        net_build(&n, c[i].text);
        assert_int_equal(n.g->leaves, c[i].leaves);
        net_end(&n);
    }
}

/* ---- What is dropped ---- */

/* Whole runs of `run` elements are 0 or enlarged; about a share p of them is 0. */
static void check_dropped(const char *text, double p, int run)
{
    enum { EXAMPLES = 200, CHANNELS = 5, EACH = 3, ALL = EXAMPLES * CHANNELS * EACH };
    static double ones[ALL];
    NetCheck c;
    int zeros = 0;
    for (int i = 0; i < ALL; i++)
        ones[i] = 1;
    net_start(&c, true);
    net_input(&c, "x", TYPE_REAL, SHAPE(EXAMPLES, CHANNELS, EACH), ones);
    double *y = net_value(&c, net_build(&c, text));
    for (int i = 0; i < ALL; i++) {
        double first = y[i / run * run];
        if (y[i] != first) fail_msg("%s: a run is broken at %d", text, i);
        zeros += y[i] == 0;
        net_expect(y[i], first == 0 ? 0 : 1 / (1 - p));
    }
    if (fabs(zeros - p * ALL) > 5 * sqrt(p * (1 - p) * ALL * run))
        fail_msg("%s: %d zeros of %d", text, zeros, ALL);
    net_end(&c);
}

static void test_dropped(void **state)
{
    (void)state;
    check_dropped("spatial_dropout", .5, 3);
    check_dropped("spatial_dropout(.25)", .25, 3);
    check_dropped("drop_path(.3)", .3, 15);
}

static void check_same(const char *text, bool train)
{
    NetCheck c;
    net_start(&c, train);
    double *x = net_input(&c, "x", TYPE_REAL, SHAPE(2, 3, 4), NULL), *y = net_value(&c, net_build(&c, text));
    for (int i = 0; i < 24; i++)
        net_expect(y[i], x[i]);
    assert_int_equal(c.g->leaves, 1); /* no seed */
    net_end(&c);
}

/* Nothing is dropped when a model predicts, or where the share is 0. */
static void test_not_dropped(void **state)
{
    (void)state;
    check_same("spatial_dropout", false);
    check_same("drop_path", false);
    check_same("spatial_dropout(0)", true);
    check_same("drop_path(0)", true);
}

/* ---- Branches and shared parameters ---- */

static void dense_want(NetCheck *c, const char *path, const double *x, int in, int out, double *y)
{
    char name[64];
    snprintf(name, sizeof name, "%s.weight", path);
    const double *w = net_leaf(c, name);
    snprintf(name, sizeof name, "%s.bias", path);
    const double *b = net_leaf(c, name);
    for (int o = 0; o < out; o++) {
        y[o] = b[o];
        for (int i = 0; i < in; i++)
            y[o] += w[o * in + i] * x[i];
    }
}

static void test_parallel(void **state)
{
    NetCheck c;
    double want[5], mid[4];
    (void)state;
    net_start(&c, true);
    double *x = net_input(&c, "x", TYPE_REAL, SHAPE(1, 3), NULL);
    double *y = net_value(&c, net_build(&c, "parallel(dense(2), dense(4) relu dense(3))"));
    dense_want(&c, "0.0.0", x, 3, 2, want);
    dense_want(&c, "0.1.0", x, 3, 4, mid);
    for (int i = 0; i < 4; i++)
        mid[i] = fmax(mid[i], 0);
    dense_want(&c, "0.1.2", mid, 4, 3, want + 2);
    assert_true(shape_equal(c.y->shape, SHAPE(1, 5)));
    for (int i = 0; i < 5; i++)
        net_expect(y[i], want[i]);
    net_end(&c);
}

static void test_parallel_joins(void **state)
{
    NetCheck c;
    (void)state;
    net_start(&c, true);
    double *x = net_input(&c, "x", TYPE_REAL, SHAPE(2, 3, 2), NULL);
    double *y = net_value(&c, net_build(&c, "parallel(identity, sin, square, join=add)"));
    net_expect(y[5], x[5] + sin(x[5]) + x[5] * x[5]);
    y = net_value(&c, net_build(&c, "parallel(identity, sin, join=max)"));
    net_expect(y[7], fmax(x[7], sin(x[7])));
    y = net_value(&c, net_build(&c, "parallel(identity, sin, axis=-1)"));
    assert_true(shape_equal(c.y->shape, SHAPE(2, 3, 4)));
    net_expect(y[6], sin(x[2]));
    net_refused(&c, "parallel(dense(3), dense(4), join=add)",
                "parallel: net 0 gives [2, 3, 3], net 1 gives [2, 3, 4]; to add they must agree");
    net_refused(&c, "parallel(sin, cos, join=relu)",
                "join is concat, or an operation on two tensors such as add, not relu");
    net_refused(&c, "parallel()", "parallel needs nets to apply");
    net_refused(&c, "parallel(sin, cos, axis=3)", "there is no axis 3");
    net_end(&c);
}

static void test_share(void **state)
{
    NetCheck c;
    double a[3], b[3];
    (void)state;
    net_start(&c, true);
    double *x = net_input(&c, "x", TYPE_REAL, SHAPE(1, 3), NULL);
    double *y = net_value(
        &c, net_build(&c, "dense(3) residual(sin dense(3)) share(0, dense(3)) share((1, 1), dense(3))"));
    assert_int_equal(c.g->leaves, 5);
    dense_want(&c, "0", x, 3, 3, a);
    for (int i = 0; i < 3; i++)
        b[i] = sin(a[i]);
    double c1[3];
    dense_want(&c, "1.1", b, 3, 3, c1);
    for (int i = 0; i < 3; i++)
        a[i] += c1[i];
    dense_want(&c, "0", a, 3, 3, b);
    dense_want(&c, "1.1", b, 3, 3, a);
    for (int i = 0; i < 3; i++)
        net_expect(y[i], a[i]);
    net_end(&c);
}

/* Several layers share the layers within another. */
static void test_share_nets(void **state)
{
    NetCheck c;
    (void)state;
    net_start(&c, true);
    net_input(&c, "x", TYPE_REAL, SHAPE(2, 3), NULL);
    net_build(
        &c, "residual(dense(3) tanh dense(3)) share(0, dense(3) tanh dense(3)) share(0, residual(dense(3)))");
    assert_int_equal(c.g->leaves, 5);
    net_value(&c, c.y);
    net_refused(&c, "dense(3) share(0, dense(2))", "0.weight is used twice");
    net_refused(&c, "dense(3) share(7, dense(3))", "no layer 7 with parameters stands before this one");
    net_refused(&c, "dense(3) share(sin, dense(3))", "share: a place must be a whole number");
    net_refused(&c, "dense(3) share(0, 5)", "expected layers here");
    net_end(&c);
}

/* The path that a net was given is part of the place. */
static void test_share_path(void **state)
{
    NetCheck c;
    (void)state;
    net_start(&c, true);
    c.context.path = "left";
    net_input(&c, "x", TYPE_REAL, SHAPE(2, 3), NULL);
    net_build(&c, "dense(3) share(0, dense(3))");
    assert_int_equal(c.g->leaves, 3);
    assert_non_null(graph_find_leaf(c.g, "left.0.weight"));
    net_end(&c);
}

/* ---- A gradient within a loss ---- */

/* Gradient penalty (Gulrajani et al. 2017): the slope of the net by x should have length 1. What the loss says, and
 * how it changes with a weight, against differences of the net alone. */
static void test_penalty(void **state)
{
    static const double h = 1e-4;
    NetCheck c;
    double penalty = 0, length[2] = {0, 0};
    (void)state;
    net_start(&c, true);
    double *x = net_input(&c, "x", TYPE_REAL, SHAPE(2, 3), NULL);
    Node *y = net_build(&c, "dense(4) tanh dense(1)");
    scope_add_node(c.context.scope, "y", y);
    Node *loss = net_formula(&c, "mean((vector_norm(grad(y, x)) - 1)^2)");
    for (int i = 0; i < 6; i++) {
        double keep = x[i];
        x[i] = keep + h;
        double more = net_reference(&c, y)[i / 3];
        x[i] = keep - h;
        length[i / 3] += pow((more - net_reference(&c, y)[i / 3]) / (2 * h), 2);
        x[i] = keep;
    }
    for (int i = 0; i < 2; i++)
        penalty += pow(sqrt(length[i]) - 1, 2) / 2;
    double is = *net_value(&c, loss);
    if (fabs(is - penalty) > 1e-6) fail_msg("the penalty is %.12g, not %.12g", is, penalty);
    double *slope = net_value(&c, net_gradient(&c, loss, graph_find_leaf(c.g, "0.weight"))),
           *w = net_leaf(&c, "0.weight");
    for (int i = 0; i < 12; i += 5) {
        double keep = w[i];
        w[i] = keep + h;
        double more = *net_reference(&c, loss);
        w[i] = keep - h;
        double less = *net_reference(&c, loss);
        w[i] = keep;
        if (fabs(slope[i] - (more - less) / (2 * h)) > 1e-6) fail_msg("slope %d is %.12g", i, slope[i]);
    }
    net_end(&c);
}

/* ---- Mistakes ---- */

static void test_mistakes(void **state)
{
    NetCheck c;
    (void)state;
    net_start(&c, true);
    net_input(&c, "x", TYPE_REAL, SHAPE(2, 6, 5), NULL);
    net_refused(&c, "groupnorm(4)", "does not split as the pattern says (4)");
    net_refused(&c, "groupnorm", "groupnorm needs its argument groups");
    net_refused(&c, "layernorm(epss=1)", "layernorm has no argument called epss; did you mean eps?");
    net_refused(&c, "spatial_dropout(1)", "p must be at least 0 and less than 1, not 1");
    net_refused(&c, "drop_path(-.1)", "at least 0 and less than 1, not -0.1");
    net_end(&c);
}

/* ---- When memory runs out ---- */

static void starved(void *context)
{
    NetCheck *c = context;
    net_scope(c);
    Node *x = graph_leaf(c->g, ROLE_DATA, "x", TYPE_REAL, SHAPE(2, 3, 4), NULL);
    notation_net(&c->context,
                 "parallel(gru(3, layers=2), block(2), join=concat, axis=-1) share((0, 1, 0), block(2))", x,
                 NULL, NULL);
}

/* Whichever allocation fails, the error says so. The net itself is refused at its end: 7 does not divide by 2. */
static void test_memory(void **state)
{
    int status = NUDGE_MACHINE;
    (void)state;
    for (int n = 0; status != NUDGE_INPUT; n++) {
        int left = n;
        NetCheck c = {0};
        nudge_allocator(failing_heap, &left);
        arena_init(&c.arena, &c.error);
        c.g = graph_new(&c.error);
        c.context = (Context){.graph = c.g, .title = "test", .path = "", .train = true};
        status = c.g ? error_catch(&c.error, starved, &c) : c.error.status;
        net_end(&c);
        nudge_allocator(NULL, NULL);
        assert_true(status == NUDGE_INPUT || status == NUDGE_MACHINE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norms),      cmocka_unit_test(test_norm_parameters),
        cmocka_unit_test(test_dropped),    cmocka_unit_test(test_not_dropped),
        cmocka_unit_test(test_parallel),   cmocka_unit_test(test_parallel_joins),
        cmocka_unit_test(test_share),      cmocka_unit_test(test_share_nets),
        cmocka_unit_test(test_share_path), cmocka_unit_test(test_penalty),
        cmocka_unit_test(test_mistakes),   cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
