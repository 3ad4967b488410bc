/* test_recurrent.c: rnn, gru and lstm against PyTorch's equations written as loops, with its names and shapes; that
 * what is built does not grow with time; that the weight gradients are products over all steps; state from step to
 * step. */
#include "net_check.h"

#include <nudge.h>

enum { N = 2, T = 3, D = 3, H = 2, GATES_MOST = 4 };

static double sigmoid_of(double x)
{
    return 1 / (1 + exp(-x));
}

/* One step of one row: s[H] and c[H] from x[in]. a and b are what input and state say to all gates, biases included. */
typedef void Cell(const double *a, const double *b, double *s, double *c);

static void cell_rnn(const double *a, const double *b, double *s, double *c)
{
    (void)c;
    for (int i = 0; i < H; i++)
        s[i] = tanh(a[i] + b[i]);
}

static void cell_relu(const double *a, const double *b, double *s, double *c)
{
    (void)c;
    for (int i = 0; i < H; i++)
        s[i] = fmax(a[i] + b[i], 0);
}

static void cell_gru(const double *a, const double *b, double *s, double *c)
{
    (void)c;
    for (int i = 0; i < H; i++) {
        double r = sigmoid_of(a[i] + b[i]), z = sigmoid_of(a[H + i] + b[H + i]);
        s[i] = (1 - z) * tanh(a[2 * H + i] + r * b[2 * H + i]) + z * s[i];
    }
}

static void cell_lstm(const double *a, const double *b, double *s, double *c)
{
    for (int k = 0; k < H; k++) {
        double i = sigmoid_of(a[k] + b[k]), f = sigmoid_of(a[H + k] + b[H + k]);
        double g = tanh(a[2 * H + k] + b[2 * H + k]), o = sigmoid_of(a[3 * H + k] + b[3 * H + k]);
        c[k] = f * c[k] + i * g;
        s[k] = o * tanh(c[k]);
    }
}

static double *way_leaf(NetCheck *c, const char *what, int layer, bool back)
{
    char name[64];
    snprintf(name, sizeof name, "0.%s_l%d%s", what, layer, back ? "_reverse" : "");
    return graph_find_leaf(c->g, name) ? net_leaf(c, name) : NULL;
}

static void way_product(const double *w, const double *bias, const double *x, int out, int in, double *y)
{
    for (int o = 0; o < out; o++) {
        y[o] = bias ? bias[o] : 0;
        for (int i = 0; i < in; i++)
            y[o] += w[o * in + i] * x[i];
    }
}

/* One direction over one row x [T, in], written into columns of y [T, width]; last[H] is where it ends. */
static void way_run(NetCheck *c, Cell *cell, int gates, int layer, bool back, const double *x, int in,
                    double *y, int width, double *last)
{
    double s[H] = {0}, cells[H] = {0}, a[GATES_MOST * H], b[GATES_MOST * H];
    for (int i = 0; i < T; i++) {
        int t = back ? T - 1 - i : i;
        way_product(way_leaf(c, "weight_ih", layer, back), way_leaf(c, "bias_ih", layer, back), x + t * in,
                    gates * H, in, a);
        way_product(way_leaf(c, "weight_hh", layer, back), way_leaf(c, "bias_hh", layer, back), s, gates * H,
                    H, b);
        cell(a, b, s, cells);
        memcpy(y + t * width, s, sizeof s);
    }
    memcpy(last, s, sizeof s);
}

static const struct Case {
    const char *text;
    Cell *cell;
    int gates, layers;
    bool both, last;
} cases[] = {
    {"rnn(2)", cell_rnn, 1, 1, false, false},
    {"rnn(2, act=relu)", cell_relu, 1, 1, false, false},
    {"rnn(2, layers=3, bias=false)", cell_rnn, 1, 3, false, false},
    {"gru(2)", cell_gru, 3, 1, false, false},
    {"gru(2, bias=false)", cell_gru, 3, 1, false, false},
    {"gru(2, layers=2, bidirectional=true)", cell_gru, 3, 2, true, false},
    {"lstm(2)", cell_lstm, 4, 1, false, false},
    {"lstm(2, bias=false)", cell_lstm, 4, 1, false, false},
    {"lstm(2, layers=2)", cell_lstm, 4, 2, false, false},
    {"lstm(2, layers=2, bidirectional=true)", cell_lstm, 4, 2, true, false},
    {"lstm(2, sequence=false)", cell_lstm, 4, 1, false, true},
    {"gru(2, sequence=false, bidirectional=true, layers=2)", cell_gru, 3, 2, true, true},
};

static void check_case(const struct Case *k)
{
    NetCheck c;
    net_start(&c, true);
    double *x = net_input(&c, "x", TYPE_REAL, SHAPE(N, T, D), NULL),
           *y = net_value(&c, net_build(&c, k->text));
    int width = k->both ? 2 * H : H;
    for (int n = 0; n < N; n++) {
        double in[T * 2 * H + T * D], out[T * 2 * H], last[2 * H];
        memcpy(in, x + n * T * D, T * D * sizeof *in);
        for (int layer = 0; layer < k->layers; layer++) {
            way_run(&c, k->cell, k->gates, layer, false, in, layer ? width : D, out, width, last);
            if (k->both)
                way_run(&c, k->cell, k->gates, layer, true, in, layer ? width : D, out + H, width, last + H);
            memcpy(in, out, sizeof out);
        }
        const double *want = k->last ? last : out;
        int size = k->last ? width : T * width;
        for (int i = 0; i < size; i++)
            if (!(fabs(y[n * size + i] - want[i]) < 1e-13))
                fail_msg("%s: row %d, element %d is %.17g, not %.17g", k->text, n, i, y[n * size + i],
                         want[i]);
    }
    net_end(&c);
}

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i]);
}

/* Gradients of all parameters: a program against the reference. (Against differences: test_gradients.c.) */
static void test_gradients_planned(void **state)
{
    static const char *const texts[] = {"lstm(2, layers=2, bidirectional=true)", "gru(3, bidirectional=true)",
                                        "rnn(2)"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        NetCheck c;
        net_start(&c, true);
        net_input(&c, "x", TYPE_REAL, SHAPE(N, 5, D), NULL);
        Node *y = net_build(&c, texts[i]);
        Node *loss = graph_binary(c.g, OP_mul, y, y);
        for (int k = 0, count = c.count; k < count; k++)
            net_value(&c, net_gradient(&c, loss, c.given[k].leaf));
        net_end(&c);
    }
}

static void expect_leaf(NetCheck *c, const char *name, Shape s)
{
    const Node *leaf = graph_find_leaf(c->g, name);
    if (!leaf) fail_msg("no parameter is called %s", name);
    if (!shape_equal(leaf->shape, s)) fail_msg("%s has another shape", name);
}

static void test_parameters(void **state)
{
    NetCheck c;
    (void)state;
    net_start(&c, true);
    net_input(&c, "x", TYPE_REAL, SHAPE(2, 5, 3), NULL);
    net_build(&c, "lstm(4, layers=2, bidirectional=true)");
    assert_int_equal(c.g->leaves, 1 + 16);
    expect_leaf(&c, "0.weight_ih_l0", SHAPE(16, 3));
    expect_leaf(&c, "0.weight_hh_l0", SHAPE(16, 4));
    expect_leaf(&c, "0.bias_ih_l0_reverse", SHAPE(16));
    expect_leaf(&c, "0.bias_hh_l1", SHAPE(16));
    expect_leaf(&c, "0.weight_ih_l1_reverse", SHAPE(16, 8));
    net_end(&c);
}

typedef struct First {
    NetCheck *c;
    Node *leaf, *value;
} First;

static void first_value(void *context)
{
    First *f = context;
    f->value = notation_initial(&f->c->context, f->leaf->leaf, f->leaf->shape);
}

/* All parameters start within 1/sqrt(h) of 0. */
static void test_initial(void **state)
{
    NetCheck c;
    double most = 0;
    (void)state;
    net_start(&c, true);
    net_input(&c, "x", TYPE_REAL, SHAPE(2, 5, 30), NULL);
    net_build(&c, "gru(25)");
    First f = {&c, graph_find_leaf(c.g, "0.weight_ih_l0"), NULL};
    if (error_catch(&c.error, first_value, &f)) fail_msg("%s", c.error.message);
    net_give_new(&c);
    double *w = net_reference(&c, f.value);
    for (int i = 0; i < 75 * 30; i++)
        most = fmax(most, fabs(w[i]));
    assert_true(most > .195 && most <= .2);
    net_end(&c);
}

/* ---- Long sequences ---- */

static int nodes_of(const char *text, int64_t steps, bool gradients)
{
    NetCheck c;
    net_start(&c, true);
    net_input(&c, "x", TYPE_REAL, SHAPE(2, steps, 3), NULL);
    Node *y = net_build(&c, text);
    if (gradients) net_gradient(&c, y, graph_find_leaf(c.g, "0.weight_hh_l0"));
    int nodes = c.g->nodes;
    net_end(&c);
    return nodes;
}

static void test_length(void **state)
{
    static const char *const texts[] = {"rnn(2)", "gru(2, bidirectional=true)", "lstm(2, layers=2)"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(nodes_of(texts[i], 100, false), nodes_of(texts[i], 4000, false));
        assert_int_equal(nodes_of(texts[i], 100, true), nodes_of(texts[i], 4000, true));
    }
}

/* What is computed in all turns together, and in one. */
typedef struct Work {
    int outside, inside, loops;
} Work;

static void count_products(NetCheck *c, Node *const *root, size_t roots, bool inside, Work *w)
{
    size_t count;
    Node **node = graph_reachable(c->g, root, roots, &count);
    for (size_t i = 0; i < count; i++) {
        const Node *n = node[i];
        if (n->op == OP_matmul) *(inside ? &w->inside : &w->outside) += 1;
        if (n->op == OP_loop) w->loops++;
        const Body *b = n->op == OP_call ? &n->call->body : n->op == OP_loop ? &n->loop->body : NULL;
        if (b) count_products(c, b->output, (size_t)b->outputs, inside || n->op == OP_loop, w);
    }
}

/* Forward, the state's product is in the loop, the input's outside. Backward, the loop has only the product that
 * hands the gradient to the step before: what the gates were is read, and both weights get one product over all
 * steps. */
static void test_products(void **state)
{
    static const char *const texts[] = {"rnn(2)", "gru(2)", "lstm(2)"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        NetCheck c;
        Work forward = {0}, both = {0};
        net_start(&c, true);
        net_input(&c, "x", TYPE_REAL, SHAPE(2, 5, 3), NULL);
        Node *y = net_build(&c, texts[i]);
        count_products(&c, &y, 1, false, &forward);
        Node *d[] = {net_gradient(&c, y, graph_find_leaf(c.g, "0.weight_hh_l0")),
                     net_gradient(&c, y, graph_find_leaf(c.g, "0.weight_ih_l0"))};
        count_products(&c, d, 1, false, &both);
        assert_int_equal(forward.outside, 1);
        assert_int_equal(forward.inside, 1);
        assert_int_equal(forward.loops, 1);
        assert_int_equal(both.loops, 2);
        assert_int_equal(both.inside, 2);
        assert_int_equal(both.outside, 2);
        net_end(&c);
    }
}

/* ---- State from step to step ---- */

/* With carry, two halves one after the other are the whole. */
static void check_carry(const char *kind, int states)
{
    nudge_graph *g;
    nudge_program *p, *q;
    double whole[2 * 6 * 2], half[2 * 3 * 2], both[2 * 6 * 2], x[2 * 6 * 3], part[2 * 3 * 3];
    char text[48];
    for (int i = 0; i < 36; i++)
        x[i] = net_number("x", i);
    assert_int_equal(nudge_graph_new(&g, "dtype=float64 seed=4"), 0);
    nudge_tensor all = nudge_input(g, "all", 3, (int64_t[]){2, 6, 3}),
                 some = nudge_input(g, "some", 3, (int64_t[]){2, 3, 3});
    snprintf(text, sizeof text, "%s(2)", kind);
    nudge_output(g, "whole", nudge_net(g, "", text, all));
    assert_int_equal(nudge_compile(&p, g), 0);
    snprintf(text, sizeof text, "%s(2, carry=true)", kind);
    nudge_output(g, "half", nudge_net(g, "", text, some));
    int status = nudge_compile(&q, g);
    if (status) fail_msg("%s", nudge_graph_message(g, status));
    nudge_bind(p, "all", x), nudge_bind(p, "whole", whole);
    nudge_bind(q, "some", part), nudge_bind(q, "half", half);
    assert_int_equal(nudge_run(p), 0);
    for (int h = 0; h < 2; h++) {
        for (int n = 0; n < 2; n++)
            memcpy(part + n * 9, x + n * 18 + h * 9, 9 * sizeof *x);
        assert_int_equal(nudge_run(q), 0);
        for (int n = 0; n < 2; n++)
            memcpy(both + n * 12 + h * 6, half + n * 6, 6 * sizeof *x);
    }
    for (int i = 0; i < 24; i++)
        if (fabs(whole[i] - both[i]) > 1e-13)
            fail_msg("%s: element %d is %g, not %g", kind, i, both[i], whole[i]);
    double *state = nudge_memory(q, "0.hidden_l0");
    assert_non_null(state);
    net_expect(state[0], whole[10]);
    assert_int_equal(nudge_memory(q, "0.cell_l0") != NULL, states > 1);
    nudge_program_free(p), nudge_program_free(q);
    nudge_graph_free(g);
}

static void test_carry(void **state)
{
    (void)state;
    check_carry("rnn", 1);
    check_carry("gru", 1);
    check_carry("lstm", 2);
}

/* Rows of an array are samples of their own. */
static void test_carry_refused(void **state)
{
    static const float x[40 * 4], t[40];
    nudge *m;
    (void)state;
    int status =
        nudge_new(&m, 4, "reshape(-1, 4, 1) lstm(3, carry=true, sequence=false) dense(1)", "loss=mse");
    if (!status) status = nudge_fit(m, x, t, 40, "epochs=1");
    assert_int_equal(status, NUDGE_INPUT);
    if (!strstr(nudge_message(m, status), "carry=true hands a state from window to window of one text"))
        fail_msg("%s", nudge_message(m, status));
    nudge_free(m);
}

/* ---- Learning ---- */

/* A step of training with each kind: the mean of a sequence is learnt. */
static double train_loss(const char *net, int steps)
{
    enum { ROWS = 16, STEPS = 7 };
    nudge_graph *g;
    nudge_program *p;
    float x[ROWS * STEPS], t[ROWS], loss = 0;
    for (int i = 0; i < ROWS; i++) {
        t[i] = 0;
        for (int k = 0; k < STEPS; k++)
            x[i * STEPS + k] = (float)net_number("x", i * STEPS + k), t[i] += x[i * STEPS + k] / STEPS;
    }
    assert_int_equal(nudge_graph_new(&g, "seed=2"), 0);
    nudge_input(g, "t", 1, (int64_t[]){ROWS});
    nudge_tensor in = nudge_input(g, "x", 3, (int64_t[]){ROWS, STEPS, 1});
    nudge_let(g, "y", nudge_net(g, "", net, in));
    nudge_tensor l = nudge_formula(g, "mse(y, t)");
    nudge_optimize(g, "adam(lr=.02)", l, NULL);
    nudge_output(g, "loss", l);
    int status = nudge_compile(&p, g);
    if (status) fail_msg("%s: %s", net, nudge_graph_message(g, status));
    nudge_bind(p, "x", x), nudge_bind(p, "t", t), nudge_bind(p, "loss", &loss);
    for (int i = 0; i < steps; i++)
        assert_int_equal(nudge_run(p), 0);
    nudge_program_free(p);
    nudge_graph_free(g);
    return loss;
}

static void test_learns(void **state)
{
    static const char *const nets[] = {
        "rnn(8, sequence=false) dense(1)", "gru(8, sequence=false) dense(1)",
        "lstm(8, layers=2, bidirectional=true, dropout=.1, sequence=false) dense(1)"};
    (void)state;
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        double first = train_loss(nets[i], 1), last = train_loss(nets[i], 60);
        if (!(last < .2 * first)) fail_msg("%s: from %g to %g", nets[i], first, last);
    }
}

/* ---- Mistakes ---- */

static void test_mistakes(void **state)
{
    NetCheck c;
    (void)state;
    net_start(&c, true);
    net_input(&c, "x", TYPE_REAL, SHAPE(2, 5, 3), NULL);
    net_refused(&c, "lstm", "lstm needs its argument h");
    net_refused(&c, "lstm(2) flatten lstm(2)", "x must have 3 axes, but its shape is [2, 10]");
    net_refused(&c, "gru(2.5)", "must be a whole number");
    net_refused(&c, "gru(0)", "gru: h must be at least 1, not 0");
    net_refused(&c, "rnn(2, layer=2)", "rnn has no argument called layer; did you mean layers?");
    net_refused(&c, "lstm(2, dropout=1, layers=2)", "at least 0 and less than 1, not 1");
    net_refused(&c, "lstm_steps(2)", "lstm_steps is no layer but a helper");
    net_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),     cmocka_unit_test(test_gradients_planned),
        cmocka_unit_test(test_parameters), cmocka_unit_test(test_initial),
        cmocka_unit_test(test_length),     cmocka_unit_test(test_products),
        cmocka_unit_test(test_carry),      cmocka_unit_test(test_carry_refused),
        cmocka_unit_test(test_learns),     cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
