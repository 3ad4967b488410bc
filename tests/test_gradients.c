/* test_gradients.c: every gradient there is, against finite differences: of each primitive, definition, loss and
 * layer, first and second order, over sampled shapes and broadcasts; at ties against PyTorch's values.
 *
 * What is tested comes from the tables, so a new row is tested without anyone writing a test. A row is tried with each
 * of the shapes below; those that it refuses are skipped, but one must do. Only inputs that a row cannot take from
 * [-2, 2] are listed by name. */
#include "base/philox.h"
#include "graph/reference.h"
#include "nn/nn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { INPUTS_MOST = 64 };

static const double STEP = 3e-4, FIRST = 1e-6, SECOND = 1e-4;

typedef struct Input {
    Node *leaf;
    double *value, *move, *now;
} Input;

/* One function of some inputs in a graph of its own. */
typedef struct Trial {
    Error error;
    Arena arena;
    Graph *g;
    Scope *builtin, *scope;
    Input input[INPUTS_MOST];
    int inputs;
    uint64_t drawn;
    const char *text;
    bool net, train;
    Node *result; /* of the text */
} Trial;

static void trial_scope(void *context)
{
    Trial *t = context;
    t->builtin = nn_scope(&t->arena);
    t->scope = scope_new(&t->arena, t->builtin);
    scope_add_row(t->scope, "test", "folds(x, z): s = z[0]; for t < 2 along x { s = tanh(s*x) }; s, x*s",
                  NULL, NULL);
}

static void trial_start(Trial *t)
{
    memset(t, 0, sizeof *t);
    arena_init(&t->arena, &t->error);
    t->g = graph_new(&t->error);
    assert_non_null(t->g);
    if (error_catch(&t->error, trial_scope, t)) fail_msg("%s", t->error.message);
}

static void trial_end(Trial *t)
{
    graph_free(t->g);
    arena_free(&t->arena);
}

/* ---- Values ---- */

static double trial_draw(Trial *t)
{
    return (philox(11, 0, t->drawn++).word[0] >> 8) * 0x1p-23 - 1;
}

/* Numbers from a grid of step .1, moved off it by a part that differs from input to input, so that no two are equal
 * and none is near a number with one digit: bends and ties stand there. */
static double trial_sample(Trial *t, int64_t i)
{
    int64_t place = (i * 7 + 3 + 11 * t->inputs) % 41 - 20;
    return .1 * (double)place + .027 + .017 * (t->inputs % 4) + .005 * trial_draw(t);
}

static void trial_give(Trial *t, Node *leaf, double low, double high)
{
    size_t size = (size_t)shape_size(leaf->shape);
    Input *x = &t->input[t->inputs];
    assert_true(t->inputs < INPUTS_MOST);
    x->leaf = leaf;
    x->value = arena_new(&t->arena, 3 * size, sizeof(double));
    x->move = x->value + size, x->now = x->move + size;
    for (size_t i = 0; i < size; i++) {
        x->value[i] = (low + high) / 2 + trial_sample(t, (int64_t)i) * (high - low) / 4.4;
        if (leaf->type != TYPE_REAL) x->value[i] = (double)((int64_t)(i * 2 + 1) % (int64_t)(high + 1));
        x->move[i] = leaf->type == TYPE_REAL ? trial_draw(t) : 0;
        x->now[i] = x->value[i];
    }
    t->inputs++;
}

static Node *trial_input(Trial *t, const char *name, Type type, Shape shape, double low, double high)
{
    Node *leaf = graph_leaf(t->g, ROLE_DATA, name, type, shape, NULL);
    trial_give(t, leaf, low, high);
    scope_add_node(t->scope, name, leaf);
    return leaf;
}

static const double *trial_bind(void *context, const Node *leaf)
{
    static const double seed = 5;
    Trial *t = context;
    for (int i = 0; i < t->inputs; i++)
        if (t->input[i].leaf == leaf) return t->input[i].now;
    return leaf->type == TYPE_SCALAR ? &seed : NULL;
}

static void trial_move(Trial *t, double h)
{
    for (int k = 0; k < t->inputs; k++)
        for (int64_t i = 0; i < shape_size(t->input[k].leaf->shape); i++)
            t->input[k].now[i] = t->input[k].value[i] + h * t->input[k].move[i];
}

static double *trial_value(Trial *t, Node *n)
{
    Reference r = {trial_bind, t, false};
    double *out;
    reference_evaluate(&t->arena, t->g, &r, 1, &n, &out);
    return out;
}

/* ---- The check ---- */

static void trial_read(void *context)
{
    Trial *t = context;
    Context c = {.graph = t->g, .scope = t->scope, .title = "test", .path = "", .train = t->train};
    if (t->net)
        t->result = notation_net(&c, t->text, t->input[0].leaf, NULL, NULL);
    else
        t->result = notation_formula(&c, t->text);
    for (size_t i = 0; i < t->g->leaves; i++)
        if (t->g->leaf[i]->leaf->role == ROLE_PARAMETER)
            trial_give(t, t->g->leaf[i], -2.2, 2.2);
        else if (t->g->leaf[i]->leaf->role == ROLE_STATE)
            trial_give(t, t->g->leaf[i], .3, 3); /* running statistics */
    trial_value(t, t->result);
}

/* False, with t->error, if the text is no function of these inputs or positions lie outside. */
static bool trial_build(Trial *t, const char *text, bool net)
{
    t->text = text, t->net = net;
    return !error_catch(&t->error, trial_read, t);
}

/* A fixed random combination of all elements of n, as one number. */
static Node *trial_mix(Trial *t, Node *n)
{
    char name[32];
    snprintf(name, sizeof name, "mix%d", t->inputs);
    Node *w = graph_leaf(t->g, ROLE_DATA, name, TYPE_REAL, n->shape, NULL);
    trial_give(t, w, -2.2, 2.2);
    memset(t->input[t->inputs - 1].move, 0, (size_t)shape_size(n->shape) * sizeof(double));
    Node *y = graph_binary(t->g, OP_mul, n, w);
    return graph_reduce(t->g, OP_sum, y, (1u << y->shape.rank) - 1);
}

/* Relative error of the gradient of s, one number, along the direction in which the inputs move. */
static double trial_compare(Trial *t, Node *s, Node *const *dx)
{
    static const double at[] = {-2, -1, 1, 2}, weight[] = {1, -8, 8, -1};
    double slope = 0, size = 1e-5, measured = 0;
    trial_move(t, 0);
    for (int k = 0; k < t->inputs; k++) {
        double *d = dx[k] ? trial_value(t, dx[k]) : NULL;
        for (int64_t i = 0; d && i < shape_size(t->input[k].leaf->shape); i++) {
            slope += d[i] * t->input[k].move[i];
            size += fabs(d[i] * t->input[k].move[i]);
        }
    }
    for (int i = 0; i < 4; i++) {
        trial_move(t, at[i] * STEP);
        measured += weight[i] * *trial_value(t, s) / (12 * STEP);
    }
    double error = fabs(slope - measured) / size;
    return error == error ? error : HUGE_VAL;
}

static void trial_differentiate(Trial *t, Node *s, Node **dx)
{
    Node *x[INPUTS_MOST], *d[INPUTS_MOST];
    int count = 0;
    for (int k = 0; k < t->inputs; k++)
        if (t->input[k].leaf->type == TYPE_REAL) x[count++] = t->input[k].leaf;
    autodiff_gradients(t->g, t->builtin, s, NULL, count, x, d);
    graph_verify(t->g, &s, 1);
    count = 0;
    for (int k = 0; k < t->inputs; k++) {
        dx[k] = t->input[k].leaf->type == TYPE_REAL ? d[count++] : NULL;
        if (!dx[k]) continue;
        graph_verify(t->g, &dx[k], 1);
        if (!shape_equal(dx[k]->shape, t->input[k].leaf->shape))
            fail_msg("%s: a gradient of another shape", t->text);
    }
}

typedef struct Errors {
    Trial *t;
    double first, second;
} Errors;

static void trial_orders(void *context)
{
    Errors *e = context;
    Node *dx[INPUTS_MOST] = {0}, *ddx[INPUTS_MOST] = {0}, *sum = NULL;
    Node *s = trial_mix(e->t, e->t->result);
    trial_differentiate(e->t, s, dx);
    e->first = trial_compare(e->t, s, dx);
    for (int k = 0, inputs = e->t->inputs; k < inputs; k++) {
        if (!dx[k]) continue;
        Node *one = graph_conform(e->t->g, trial_mix(e->t, dx[k]), shape_of(0, NULL));
        sum = sum ? graph_binary(e->t->g, OP_add, sum, one) : one;
    }
    if (!sum) return;
    trial_differentiate(e->t, sum, ddx);
    e->second = trial_compare(e->t, sum, ddx);
}

static Errors trial_errors(Trial *t)
{
    Errors e = {.t = t};
    if (error_catch(&t->error, trial_orders, &e)) fail_msg("%s: %s", t->text, t->error.message);
    return e;
}

static void trial_check(Trial *t)
{
    Errors e = trial_errors(t);
    if (e.first < FIRST && e.second < SECOND) return;
    Text text = {0};
    for (int i = 0; i < t->inputs; i++)
        text_print(&text, " %s", shape_text(&t->arena, t->input[i].leaf->shape));
    print_message("%s at%s: first order %.3g, second order %.3g\n", t->text, text_end(&text), e.first,
                  e.second);
    text_free(&text);
    fail();
}

/* ---- Inputs ---- */

static const struct Domain {
    const char *row, *input;
    double low, high;
    int classes; /* the input is class numbers below this */
} domain[] = {
    {"log", "x", .3, 3, 0},
    {"sqrt", "x", .3, 3, 0},
    {"rsqrt", "x", .3, 3, 0},
    {"log2", "x", .3, 3, 0},
    {"log10", "x", .3, 3, 0},
    {"log1p", "x", -.7, 3, 0},
    {"pow", "x", .3, 3, 0},
    {"asin", "x", -.9, .9, 0},
    {"acos", "x", -.9, .9, 0},
    {"atanh", "x", -.9, .9, 0},
    {"acosh", "x", 1.2, 4, 0},
    {"tan", "x", -1.4, 1.4, 0},
    {"logit", "x", .05, .95, 0},
    {"reciprocal", "x", .3, 3, 0},
    {"bce_chances", "x", .05, .95, 0},
    {"bce_probability", "y", .05, .95, 0},
    {"cross_entropy_classes", "t", 0, 0, 4},
    {"margin_chosen", "t", 0, 0, 4},
    {"kl", "t", .05, .95, 0},
    {"focal", "t", .05, .95, 0},
    {"contrastive", "t", 0, 0, 2},
    {"triplet", "t", 0, 0, 2},
    {"ctc", "t", 0, 0, 3},
};

static const Shape shapes[][3] = {
    {{2, {2, 4}}, {2, {2, 4}}, {2, {2, 4}}}, {{1, {4}}, {1, {4}}, {1, {4}}},
    {{2, {2, 4}}, {1, {4}}, {2, {2, 1}}},    {{2, {2, 1}}, {2, {1, 4}}, {0, {0}}},
    {{3, {3, 1, 4}}, {2, {2, 1}}, {1, {1}}}, {{0, {0}}, {2, {2, 3}}, {0, {0}}},
    {{2, {2, 4}}, {1, {2}}, {1, {1}}},       {{3, {2, 4, 3}}, {2, {2, 2}}, {0, {0}}},
};

static void trial_argument(Trial *t, const char *row, const char *input, Shape shape)
{
    for (size_t i = 0; i < sizeof domain / sizeof *domain; i++) {
        if (strcmp(domain[i].row, row) || strcmp(domain[i].input, input)) continue;
        Type type = domain[i].classes ? TYPE_I32 : TYPE_REAL;
        trial_input(t, input, type, shape, domain[i].low,
                    domain[i].classes ? domain[i].classes - 1 : domain[i].high);
        return;
    }
    trial_input(t, input, TYPE_REAL, shape, -2.2, 2.2);
}

/* The row as a function of its inputs, over all shapes. `more`: arguments after them. The number of shapes that do. */
static int check_shapes(const char *name, int inputs, const char *const *input, const char *more)
{
    Text text = {0};
    int done = 0;
    text_print(&text, "%s(", name);
    for (int i = 0; i < inputs; i++)
        text_print(&text, "%s%s", i ? ", " : "", input[i]);
    text_print(&text, "%s)", more);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        Trial t;
        trial_start(&t);
        for (int i = 0; i < inputs; i++)
            trial_argument(&t, name, input[i], shapes[s][i]);
        if (trial_build(&t, text_end(&text), false))
            trial_check(&t), done++;
        else if (!done && !*more && s == sizeof shapes / sizeof *shapes - 1)
            fail_msg("%s", t.error.message);
        trial_end(&t);
    }
    text_free(&text);
    return done;
}

/* ---- Primitives ---- */

static void test_elementwise(void **state)
{
    static const char *const input[][3] = {{0}, {"x"}, {"x", "z"}, {"c", "x", "z"}};
    (void)state;
    for (int op = 0; op < OP_COUNT; op++)
        if (ops_table[op].elementwise && op != OP_stop) /* whose gradient is not that of its value */
            check_shapes(ops_table[op].name, ops_table[op].inputs, input[ops_table[op].inputs], "");
}

/* x and z are [2, 4], i is positions 1, 1 ..; several texts for some operations. */
static const struct Sample {
    const char *op, *text;
} samples[] = {
    {"sum", "sum(x, 1)"},
    {"sum", "sum(x)"},
    {"amax", "amax(x, 1)"},
    {"amax", "amax(x*z)"},
    {"expand", "expand(x, 3, 2, 4)"},
    {"expand", "expand(sum(x, 0), 3, 4)"},
    {"reshape", "reshape(x, 4, 1, 2)"},
    {"transpose", "transpose(reshape(x, 2, 2, 2), 2, 0, 1)"},
    {"slice", "x[1:, ::-2]"},
    {"slice", "x[0]*x[1] + x[0]"},
    {"slice", "x[:, :2]*x[:, 2:]*x[:, 1:3]"},
    {"pad", "pad(x, 1, 1, 2)"},
    {"pad", "pad(x[:, :2], (1, 0), (2, 3), (5, 5))"},
    {"concat", "concat(x, z*z, x, axis=1)"},
    {"matmul", "x @ z'"},
    {"matmul", "reshape(x, 2, 2, 2) @ reshape(z, 4, 2)'"},
    {"matmul", "reshape(x, 2, 1, 2, 2) @ reshape(z, 2, 2, 2)"},
    {"matmul", "x[0] @ z'"},
    {"take", "take(x, i)"},
    {"scatter", "scatter(x, i, 3)"},
    {"pick", "pick(x, i)"},
    {"convolve", "convolve(reshape(x, 1, 2, 4), reshape(z, 4, 1, 2), 2, 1, 2, 2)"},
    {"convolve", "convolve(reshape(x, 1, 2, 2, 2), reshape(z, 1, 2, 2, 2), padding=1)"},
    {"convolve", "convolve(reshape(x, 1, 1, 2, 2, 2), reshape(z, 1, 1, 2, 2, 2), padding=same)"},
    {"convolve_input", "convolve_input(reshape(x, 2, 4, 1), reshape(z, 4, 1, 2), 2, 0, 1, 2)"},
    {"convolve_input", "convolve_input(reshape(x, 1, 2, 2, 2), reshape(z, 2, 1, 2, 2), 2, 1, 1, 1, 3)"},
    {"convolve_weight", "convolve_weight(reshape(x, 1, 2, 4), reshape(z, 1, 4, 2), 2, 1, 2, 2, 2)"},
    {"convolve_weight",
     "convolve_weight(reshape(x, 2, 1, 2, 2), reshape(z, 2, 2, 2, 1), 1, (0, 1), 1, 1, 2)"},
    {"pool_take", "y = reshape(x*z, 1, 1, 2, 4); pool_take(y*y, pool_argmax(y, (2, 2), (1, 2), (0, 1)))"},
    {"pool_put", "y = reshape(x, 2, 1, 4); pool_put(y[:, :, 1:]*reshape(z, 2, 1, 4)[:, :, :3], "
                 "pool_argmax(y, 2, 1), 4)"},
    {"pick", "pick(reshape(x, 2, 2, 2), stack(i, i))"},
    {"sum", "std(x, 1) + var(z, correction=1)"},
    {"amax", "amin(x, 0)*prod(z, 1)"},
    {"concat", "stack(x, z, axis=1)*stack(z, x, axis=1)"},
    {"transpose", "h = 2; x{n (h d) -> d (h n)} @ z{n (h d) -> (n h) d}"},
    {"call", "mish(x) + softplus(x*z)*mish(x)"},
    {"call", "leaky_relu(x, slope=z)"},
    {"call", "a = hypot(x, z); softmax(a*x, 0)"},
    {"loop", "s = z[0]; for t < 2 along x { s = tanh(s*z[1] + x)*x; s*s }"},
    {"loop", "s = z[0]; for t < 2 along x { s = sigmoid(s)*x }; s*x"},
    {"loop", "s = x[0:1]; r = z; for t < 3 { s = s*sum(r, 0) + cast(t, real); r = sin(r)*s }; s + r"},
    {"loop", "for t < 2 along x { s = z[0]; for k < 2 { s = s*x + sin(s); s*z[1] } }"},
    {"loop", "s = z[0]; for t < 2 along x { s = softplus(s)*x; 1 }; s"},
    {"loop", "s = z[0]; h = for t < 2 along x { s = s*x; exp(s) }; h[0]*h[1] + s"},
    {"loop", "s = z[0]; for t < 2 along x { s = s*s*x }; sum(grad(s, z)*z)"},
    {"loop", "s = z[0]; for t < 2 along x { s = sin(s*x) }; grad(sum(grad(sum(s), z)*z), x)"},
    {"loop", "w = x' @ z; s = x; for t < 3 { s = sin(s @ w) }; s"},
    {"loop", "w = x' @ z; s = z; for t < 2 { s = sin(s @ w + s @ w'); s @ w }"},
    {"loop", "w = x' @ z; s = x[0]; for t < 2 along x { s = sin(s @ w) + w' @ x + sum(w, 0)[0] }; s"},
    {"loop", "w = reshape(z, 2, 2, 2); s = reshape(x, 2, 2, 2); for t < 2 { s = sin(s @ w); s*s }"},
    {"loop", "w = z' @ z; for t < 2 along x { x @ w }"},
    {"loop", "s = x @ x'; w = z @ x'; for t < 2 { s = sin(w @ s); (s @ w)' }"},
    {"loop", "s = x; w = z' @ x; a, b = for t < 2 { u = s @ w; s = tanh(u)*s; s, u }; a"},
    {"loop", "s = z[0]; k = ones(4); for t < 2 along x { s = s*x + k; k = k*2; k*s }"},
    {"output", "a, b = folds(x, z); b, c = folds(b, z); a*b*c"},
    {"output", "grad(sum(x*x*x*z), x)*x"},
};

static bool has_gradient(const OpRow *row)
{
    return row->gradient[strspn(row->gradient, "0, ")];
}

static void check_sample(const char *text)
{
    Trial t;
    trial_start(&t);
    trial_input(&t, "x", TYPE_REAL, shape_of(2, (int64_t[]){2, 4}), -2.2, 2.2);
    trial_input(&t, "z", TYPE_REAL, shape_of(2, (int64_t[]){2, 4}), -2.2, 2.2);
    trial_input(&t, "i", TYPE_I32, shape_of(1, (int64_t[]){2}), 0, 1);
    if (!trial_build(&t, text, false)) fail_msg("%s: %s", text, t.error.message);
    trial_check(&t);
    trial_end(&t);
}

static void test_structural(void **state)
{
    (void)state;
    for (int op = 0; op < OP_COUNT; op++) {
        int found = 0;
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
            if (!strcmp(samples[i].op, ops_table[op].name)) check_sample(samples[i].text), found++;
        if (!ops_table[op].elementwise && has_gradient(&ops_table[op]) && !found)
            fail_msg("%s has a gradient but no sample; write one", ops_table[op].name);
    }
}

/* ---- Rows ---- */

static const Row *row_of(Trial *t, const Definition *d, char *name, size_t room)
{
    snprintf(name, room, "%.*s", (int)strcspn(d->row, " ("), d->row);
    return scope_row(t->builtin, name);
}

static void each_row(const char *category, void (*see)(const char *name, const Row *row))
{
    const Definition *d;
    int seen = 0;
    for (size_t i = 0; (d = nn_row(i)); i++) {
        char name[64];
        if (strcmp(d->category, category)) continue;
        Trial t;
        trial_start(&t);
        see(name, row_of(&t, d, name, sizeof name));
        trial_end(&t);
        seen++;
    }
    assert_true(seen > 0);
}

/* The next "name=" of a row's head: a hyper-parameter. Where it ends, or NULL. */
static const char *next_hyper(const char *text, char *name, size_t room)
{
    for (; *text && *text != '|' && *text != ':'; text++) {
        size_t letters = strcspn(text, "=(), :|");
        if (letters && text[letters] == '=')
            return snprintf(name, room, "%.*s", (int)letters, text), text + letters;
        text += letters ? letters - 1 : 0;
    }
    return NULL;
}

/* With its defaults, then with each hyper-parameter at .3, or at 0 if only a whole number will do. */
static void check_row(const char *name, const Row *row)
{
    const char *input[3] = {0};
    int inputs = row_inputs(row);
    assert_in_range(inputs, 1, 3);
    for (int i = 0; i < inputs; i++)
        input[i] = row_input(row, i);
    check_shapes(name, inputs, input, "");
    char hyper[32], more[48];
    for (const char *text = row_text(row); (text = next_hyper(text, hyper, sizeof hyper));) {
        snprintf(more, sizeof more, ", %s=.3", hyper);
        if (check_shapes(name, inputs, input, more)) continue;
        snprintf(more, sizeof more, ", %s=0", hyper);
        if (!check_shapes(name, inputs, input, more))
            fail_msg("%s: neither .3 nor 0 will do for %s", name, hyper);
    }
}

static void test_definitions(void **state)
{
    (void)state;
    each_row("activation", check_row);
    each_row("function", check_row);
}

/* With targets like the result, with class numbers, and with example weights. */
static void check_loss(const char *name, const Row *row)
{
    char text[80];
    check_row(name, row);
    snprintf(text, sizeof text, "%s(%s, t)", name, row_input(row, 0));
    for (int64_t columns = 1; columns <= 3; columns += 2) {
        Trial t;
        trial_start(&t);
        trial_argument(&t, name, row_input(row, 0), shape_of(2, (int64_t[]){4, columns}));
        trial_input(&t, "t", TYPE_I32, shape_of(1, (int64_t[]){4}), 0, columns == 1 ? 1 : 2);
        if (trial_build(&t, text, false)) trial_check(&t);
        trial_end(&t);
    }
}

static void test_losses(void **state)
{
    (void)state;
    each_row("loss", check_loss);
}

/* What trains, and what predicts: two graphs. */
static void check_net_on(const char *text, Shape x, int classes, bool train)
{
    Trial t;
    trial_start(&t);
    t.train = train;
    trial_input(&t, "x", classes ? TYPE_I32 : TYPE_REAL, x, classes ? 0 : -2.2, classes ? classes - 1 : 2.2);
    if (!trial_build(&t, text, true)) fail_msg("%s: %s", text, t.error.message);
    trial_check(&t);
    trial_end(&t);
}

static void check_net(const char *text)
{
    check_net_on(text, shape_of(2, (int64_t[]){2, 4}), 0, true);
    check_net_on(text, shape_of(2, (int64_t[]){2, 4}), 0, false);
}

/* Layers that want more than [2, 4] and at most one size, and those with choices that have other formulas. */
static const struct LayerSample {
    const char *text;
    Shape x;
    int classes; /* x is class numbers below this */
} layers[] = {
    {"embedding(5, 3)", {2, {2, 3}}, 5},
    {"embedding(5, 3, padding=1)", {1, {4}}, 5},
    {"positions", {3, {2, 3, 2}}, 0},
    {"positions(5)", {3, {2, 3, 2}}, 0},
    {"sinusoidal", {3, {2, 3, 5}}, 0},
    {"layernorm(bias=false)", {3, {2, 3, 4}}, 0},
    {"groupnorm(2)", {2, {3, 4}}, 0},
    {"groupnorm(2)", {4, {2, 4, 2, 2}}, 0},
    {"instancenorm(affine=true)", {3, {2, 3, 4}}, 0},
    {"attention(2)", {3, {2, 3, 4}}, 0},
    {"attention(4, causal=true, kv_heads=2, bias=false)", {3, {1, 3, 8}}, 0},
    {"attention(2, rotary=true)", {3, {1, 3, 4}}, 0},
    {"cross_attention(stop(1 + 0*iota(2, 3, 5)), 2)", {3, {2, 2, 4}}, 0},
    {"pool", {3, {2, 3, 4}}, 0},
    {"pool(max)", {3, {2, 3, 4}}, 0},
    {"pool(max, mask=stop(iota(2, 3, axis=1) < 2))", {3, {2, 3, 4}}, 0},
    {"pool(sum, mask=stop(iota(2, 3, axis=1) < 2))", {3, {2, 3, 4}}, 0},
    {"block(2, mult=2)", {3, {1, 3, 4}}, 0},
    {"block(2, mult=1.5, act=swiglu, norm=rmsnorm, causal=true, rotary=true)", {3, {1, 3, 4}}, 0},
    {"block(2, act=silu, norm_first=false, bias=false)", {3, {1, 2, 4}}, 0},
    {"rnn(3)", {3, {2, 3, 2}}, 0},
    {"rnn(2, layers=2, act=sin)", {3, {2, 3, 2}}, 0},
    {"gru(3)", {3, {2, 3, 2}}, 0},
    {"gru(2, bidirectional=true, bias=false)", {3, {2, 3, 2}}, 0},
    {"lstm(2)", {3, {2, 3, 3}}, 0},
    {"lstm(2, layers=2, bidirectional=true)", {3, {1, 2, 2}}, 0},
    {"lstm(2, sequence=false, bidirectional=true)", {3, {2, 3, 2}}, 0},
    {"parallel(dense(2) tanh, dense(3), silu) dense(2)", {2, {2, 4}}, 0},
    {"parallel(dense(2) tanh, dense(2), join=mul)", {2, {2, 4}}, 0},
    {"dense(4) tanh share(0, dense(4)) residual(share(0, dense(4)) tanh)", {2, {2, 4}}, 0},
    {"dense(3) tanh residual(dense(3) silu dense(3)) dense(2, bias=false) softmax", {2, {2, 4}}, 0},
    {"repeat(2, dense(4) mish) flatten prelu", {2, {2, 4}}, 0},
    {"dropout(.5) dense(2)", {2, {2, 4}}, 0},
    {"conv(2, 3)", {3, {1, 2, 5}}, 0},
    {"conv(4, 2, stride=(2, 1), padding=((1, 0), (0, 1)), groups=2)", {4, {2, 2, 3, 2}}, 0},
    {"conv(3, 3, padding=same, dilation=2, bias=false)", {4, {1, 2, 3, 2}}, 0},
    {"deconv(2, 3, stride=2, padding=1, output_padding=1)", {4, {1, 2, 2, 2}}, 0},
    {"deconv(2, 2, groups=2)", {3, {2, 4, 3}}, 0},
    {"maxpool(2)", {4, {1, 2, 4, 3}}, 0},
    {"maxpool(3, 2, 1)", {4, {1, 2, 4, 3}}, 0},
    {"avgpool(2, padding=1)", {4, {1, 2, 3, 3}}, 0},
    {"global_avgpool", {4, {2, 3, 2, 2}}, 0},
    {"global_maxpool", {3, {2, 3, 4}}, 0},
    {"adaptive_avgpool(2)", {5, {1, 1, 3, 2, 4}}, 0},
    {"resize(scale=2)", {4, {1, 2, 2, 2}}, 0},
    {"resize(scale=1.5, mode=linear)", {5, {1, 1, 2, 3, 2}}, 0},
    {"batchnorm", {2, {4, 2}}, 0},
    {"batchnorm(momentum=.3)", {4, {2, 2, 2, 2}}, 0},
    {"conv(4, 3, padding=1) batchnorm relu residual(conv(4, 3, padding=1) batchnorm) global_avgpool dense(2)",
     {4, {2, 1, 3, 3}},
     0},
};

static bool layer_sampled(const char *name)
{
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        if (strcspn(layers[i].text, "( ") == strlen(name) && !strncmp(layers[i].text, name, strlen(name)))
            return true;
    return false;
}

/* A layer by its name alone, or with a size. */
static void check_layer(const char *name, const Row *row)
{
    char text[80];
    Trial t;
    (void)row;
    if (layer_sampled(name)) return;
    trial_start(&t);
    trial_input(&t, "x", TYPE_REAL, shape_of(2, (int64_t[]){2, 4}), -2.2, 2.2);
    snprintf(text, sizeof text, trial_build(&t, name, true) ? "%s" : "%s(3)", name);
    trial_end(&t);
    check_net(text);
}

static void test_layers(void **state)
{
    (void)state;
    each_row("layer", check_layer);
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        check_net_on(layers[i].text, layers[i].x, layers[i].classes, true);
        check_net_on(layers[i].text, layers[i].x, layers[i].classes, false);
    }
}

/* ---- Ties ---- */

/* The gradient of the text at one number x (z: a second one), as PyTorch 2.15 has it: tests/torch_ties.py compares them
 * all. Only hypot is NaN there. */
static const struct Tie {
    const char *text;
    double x, z, dx, dz;
} ties[] = {
    {"abs(x)", 0, 0, 0, 0},
    {"sign(x)", 0, 0, 0, 0},
    {"max(x, z)", 1, 1, .5, .5},
    {"min(x, z)", 1, 1, .5, .5},
    {"x^2", 0, 0, 0, 0},
    {"x^3", 0, 0, 0, 0},
    {"x^z", 2, 0, 0, 0.69314718055994531},
    {"x^z", 0, 0, 0, 0},
    {"x^z", 0, 1, 1, 0},
    {"x^0", 0, 0, 0, 0},
    {"x*z", 0, 0, 0, 0},
    {"where(x, z, 3)", 0, 1, 0, 0},
    {"where(x <= z, x, 2*z)", 1, 1, 1, 0},
    {"sum(amax(concat(reshape(x, 1), reshape(z, 1)), 0))", 1, 1, .5, .5},
    {"sum(amin(concat(reshape(x, 1), reshape(z, 1)), 0))", 1, 1, .5, .5},
    {"relu(x)", 0, 0, 0, 0},
    {"relu6(x)", 0, 0, 0, 0},
    {"relu6(x)", 6, 0, 0, 0},
    {"leaky_relu(x)", 0, 0, .01, 0},
    {"leaky_relu(x, slope=.2)", 0, 0, .2, 0},
    {"elu(x)", 0, 0, 1, 0},
    {"elu(x, alpha=2)", 0, 0, 2, 0},
    {"selu(x)", 0, 0, 1.7580993408473766, 0},
    {"celu(x, alpha=2)", 0, 0, 1, 0},
    {"gelu(x)", 0, 0, .5, 0},
    {"gelu_tanh(x)", 0, 0, .5, 0},
    {"silu(x)", 0, 0, .5, 0},
    {"mish(x)", 0, 0, .6, 0},
    {"softplus(x)", 0, 0, .5, 0},
    {"softplus(x, beta=3)", 0, 0, .5, 0},
    {"softsign(x)", 0, 0, 1, 0},
    {"logsigmoid(x)", 0, 0, .5, 0},
    {"log(sigmoid(x))", 0, 0, .5, 0},
    {"hardtanh(x)", 1, 0, 0, 0},
    {"hardtanh(x)", -1, 0, 0, 0},
    {"hardsigmoid(x)", 3, 0, 0, 0},
    {"hardsigmoid(x)", -3, 0, 0, 0},
    {"hardswish(x)", 3, 0, 1, 0},
    {"hardswish(x)", -3, 0, 0, 0},
    {"hardshrink(x)", .5, 0, 0, 0},
    {"hardshrink(x)", -.5, 0, 0, 0},
    {"softshrink(x)", .5, 0, 0, 0},
    {"softshrink(x)", -.5, 0, 0, 0},
    {"tanhshrink(x)", 0, 0, 0, 0},
    {"threshold(x, edge=1, value=5)", 1, 0, 0, 0},
    {"clip(x, low=-1, high=1)", 1, 0, 0, 0},
    {"clip(x, low=-1, high=1)", -1, 0, 0, 0},
    {"clip(x, low=-1)", -1, 0, 0, 0},
    {"clip(x, high=1)", 1, 0, 0, 0},
    {"floor(x)", 1, 0, 0, 0},
    {"ceil(x)", 1, 0, 0, 0},
    {"round(x)", .5, 0, 0, 0},
    {"trunc(x)", 1, 0, 0, 0},
    {"atan2(x, z)", 0, 0, 0, 0},
    {"sum(vector_norm(reshape(x, 1)))", 0, 0, 0, 0},
    {"hypot(x, z)", 0, 0, 0, 0},
    {"logaddexp(x, z)", 1, 1, .5, .5},
    {"mod(x, z)", 7, 4, 1, -1},
    {"sse(x, z)", 2, 2, 0, 0},
    {"mae(x, z)", 2, 2, 0, 0},
    {"huber(x, z)", 3, 2, 1, -1},
    {"huber(x, z, delta=2)", 5, 3, 2, -2},
    {"smooth_l1(x, z, beta=2)", 5, 3, 1, -1},
    {"bce(x, z)", 0, 0, .5, 0},
    {"bce(x, z)", 0, 1, -.5, 0},
    {"hinge(x, z)", 1, 1, 0, 0},
    {"hinge(x, z)", 0, 1, -1, 0},
};

static void tie_gradient(void *context)
{
    Trial *t = context;
    Node *x[] = {t->input[0].leaf, t->input[1].leaf}, *dx[2];
    autodiff_gradients(t->g, t->builtin, t->result, NULL, 2, x, dx);
    for (int i = 0; i < 2; i++)
        t->input[i].move[0] = dx[i] ? *trial_value(t, dx[i]) : 0;
}

static void test_ties(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ties / sizeof *ties; i++) {
        Trial t;
        trial_start(&t);
        trial_input(&t, "x", TYPE_REAL, shape_of(0, NULL), 0, 0);
        trial_input(&t, "z", TYPE_REAL, shape_of(0, NULL), 0, 0);
        t.input[0].now[0] = ties[i].x, t.input[1].now[0] = ties[i].z;
        bool built = trial_build(&t, ties[i].text, false);
        if (!built || error_catch(&t.error, tie_gradient, &t))
            fail_msg("%s: %s", ties[i].text, t.error.message);
        if (!(fabs(t.input[0].move[0] - ties[i].dx) < 1e-15) ||
            !(fabs(t.input[1].move[0] - ties[i].dz) < 1e-15))
            fail_msg("%s at %g, %g: the gradient is %.17g, %.17g", ties[i].text, ties[i].x, ties[i].z,
                     t.input[0].move[0], t.input[1].move[0]);
        trial_end(&t);
    }
}

/* ---- Infinities and large numbers ---- */

/* A branch that is not taken hands on nothing, though its own slope is infinite or no number. */
static const char *const branches[] = {
    "where(0 < x, log(x), 0)",       "where(0 < x, sqrt(x), 0)",      "where(0 < x, 1/x, 0)",
    "where(0 < x, x^.3, 0)",         "where(0 < x, z/x, 0)",          "where(0 < x, x^z, 0)",
    "where(0 < x, rsqrt(x), 0)",     "where(0 < x, log2(x), 0)",      "where(0 < x, acosh(1 + x), 0)",
    "where(0 < x, log1p(x - 1), 0)", "where(0 < x, atanh(1 - x), 0)", "where(0 < x, z^-x, 0)",
};

static void check_finite(const char *text, double x, double z)
{
    Trial t;
    trial_start(&t);
    trial_input(&t, "x", TYPE_REAL, shape_of(0, NULL), 0, 0);
    trial_input(&t, "z", TYPE_REAL, shape_of(0, NULL), 0, 0);
    t.input[0].now[0] = x, t.input[1].now[0] = z;
    bool built = trial_build(&t, text, false);
    if (!built || error_catch(&t.error, tie_gradient, &t)) fail_msg("%s: %s", text, t.error.message);
    if (!isfinite(*trial_value(&t, t.result)) || !isfinite(t.input[0].move[0]) ||
        !isfinite(t.input[1].move[0]))
        fail_msg("%s at %g: the gradient is %g, %g", text, x, t.input[0].move[0], t.input[1].move[0]);
    trial_end(&t);
}

static void test_branches(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof branches / sizeof *branches; i++)
        check_finite(branches[i], 0, 2), check_finite(branches[i], -1, 2);
}

/* Activations are finite, with their slopes, as far as +-1e4. */
static void check_large(const char *name, const Row *row)
{
    char text[80];
    (void)row;
    snprintf(text, sizeof text, "sum(%s(concat(reshape(x, 1), reshape(z, 1))))", name);
    check_finite(text, 1e4, -1e4);
    check_finite(text, -1e4, 1e4);
    check_finite(text, -800, -800);
}

static void test_large(void **state)
{
    (void)state;
    each_row("activation", check_large);
    check_finite("log(sigmoid(x))", -800, 0);
    check_finite("bce(x, 1)", -1e4, 0);
    check_finite("bce(x, 0)", 1e4, 0);
    check_finite("logsumexp(concat(reshape(x, 1), reshape(z, 1)))[0]", 1e4, -1e4);
    check_finite("logaddexp(x, z)", 1e4, -1e4);
}

/* ---- The check itself ---- */

static Errors planted(const char *row, const char *gradient)
{
    Trial t;
    trial_start(&t);
    scope_add_row(t.scope, "planted", row, gradient, NULL);
    trial_input(&t, "x", TYPE_REAL, shape_of(2, (int64_t[]){2, 4}), -2.2, 2.2);
    assert_true(trial_build(&t, "planted(x)", false));
    Errors e = trial_errors(&t);
    trial_end(&t);
    return e;
}

static void test_planted(void **state)
{
    (void)state;
    Errors right = planted("planted(x): x*x*x", "3*dy*x*x");
    assert_true(right.first < FIRST && right.second < SECOND);
    assert_true(planted("planted(x): x*x*x", "3*dy*x").first > FIRST);
    assert_true(planted("planted(x): x*x*x", "-3*dy*x*x").first > FIRST);
    assert_true(planted("planted(x): x*x*x", "3.0001*dy*x*x").first > FIRST);
    assert_true(planted("planted(x): x*x*x", "0").first > FIRST);
    assert_true(planted("planted(x): sin(x)", "dy*stop(cos(x))").second > SECOND);
    assert_true(planted("planted(x): x*sum(x)", "dy*sum(x) + dy*x").first > FIRST);
}

static size_t gradient_nodes(Trial *t, const char *text)
{
    Node *dx;
    size_t count;
    trial_input(t, "x", TYPE_REAL, shape_of(2, (int64_t[]){16, 3}), -2.2, 2.2);
    assert_true(trial_build(t, text, false));
    autodiff_gradients(t->g, t->builtin, t->result, NULL, 1, &t->input[0].leaf, &dx);
    graph_reachable(t->g, &dx, 1, &count);
    return count;
}

/* Slices that tile a tensor give one concatenation, not a full tensor each. */
static void test_tiles(void **state)
{
    (void)state;
    Trial t;
    trial_start(&t);
    gradient_nodes(&t, "x[0:4]*x[4:8]*x[8:12]*x[12:16]");
    int found = 0;
    for (Node **b = t.g->bucket; b < t.g->bucket + t.g->buckets; b++)
        for (Node *n = *b; n; n = n->next)
            found += n->op == OP_concat;
    assert_int_equal(found, 1);
    trial_end(&t);
}

/* Nothing is made for what is not asked for. */
static void test_pruning(void **state)
{
    (void)state;
    Trial t;
    trial_start(&t);
    trial_input(&t, "x", TYPE_REAL, shape_of(1, (int64_t[]){3}), -2.2, 2.2);
    trial_input(&t, "z", TYPE_REAL, shape_of(1, (int64_t[]){3}), -2.2, 2.2);
    assert_true(trial_build(&t, "sum(x*stop(x) + floor(x) + z + cast(cast(x, i32), real))", false));
    Node *x[] = {t.input[0].leaf, t.input[1].leaf}, *dx[2];
    autodiff_gradients(t.g, t.builtin, t.result, NULL, 2, x, dx);
    assert_int_equal(dx[0]->op, OP_stop);
    assert_int_equal(dx[1]->op, OP_expand);
    trial_end(&t);
}

static void ask_integer(void *context)
{
    Trial *t = context;
    Node *dx;
    autodiff_gradients(t->g, t->builtin, t->input[0].leaf, NULL, 1, &t->input[0].leaf, &dx);
}

static void test_mistakes(void **state)
{
    (void)state;
    Trial t;
    trial_start(&t);
    trial_input(&t, "i", TYPE_I32, shape_of(1, (int64_t[]){3}), 0, 2);
    assert_int_equal(error_catch(&t.error, ask_integer, &t), NUDGE_INPUT);
    assert_non_null(strstr(t.error.message, "only real numbers have a gradient"));
    error_clear(&t.error);
    assert_false(trial_build(&t, "grad(i)", false));
    assert_non_null(strstr(t.error.message, "needs a result and at least one tensor"));
    trial_end(&t);
}

/* ---- When memory runs out ---- */

typedef struct Heap {
    int left, blocks; /* allocations until the one that fails; blocks held */
} Heap;

static void *heap_failing(void *context, void *block, size_t size)
{
    Heap *h = context;
    if (!size) {
        h->blocks -= block != NULL;
        free(block);
        return NULL;
    }
    if (h->left-- <= 0) return NULL;
    void *more = realloc(block, size);
    h->blocks += more && !block;
    return more;
}

static void starve_gradient(void *context)
{
    Trial *t = context;
    Shape shape = {2, {2, 4}};
    trial_scope(t);
    Node *x = graph_leaf(t->g, ROLE_DATA, "x", TYPE_REAL, shape, NULL), *dx;
    scope_add_node(t->scope, "x", x);
    Context c = {.graph = t->g, .scope = t->scope, .title = "test", .path = ""};
    Node *y =
        notation_formula(&c, "s = x[0]; w = x' @ x; for t < 2 along x { s = silu(s @ w)*x; s }; softmax(s)");
    autodiff_gradients(t->g, t->builtin, y, NULL, 1, &x, &dx);
}

/* Whichever allocation fails, the error says so and everything is given back. */
static void test_memory(void **state)
{
    (void)state;
    int status = NUDGE_MACHINE;
    for (int n = 0; status; n++) {
        Heap heap = {n, 0};
        Trial t = {0};
        nudge_allocator(heap_failing, &heap);
        arena_init(&t.arena, &t.error);
        t.g = graph_new(&t.error);
        status = t.g ? error_catch(&t.error, starve_gradient, &t) : t.error.status;
        graph_free(t.g);
        arena_free(&t.arena);
        nudge_allocator(NULL, NULL);
        assert_int_equal(heap.blocks, 0);
        assert_true(status == NUDGE_OK || status == NUDGE_MACHINE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elementwise), cmocka_unit_test(test_structural),
        cmocka_unit_test(test_definitions), cmocka_unit_test(test_losses),
        cmocka_unit_test(test_layers),      cmocka_unit_test(test_ties),
        cmocka_unit_test(test_branches),    cmocka_unit_test(test_large),
        cmocka_unit_test(test_planted),     cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_pruning),     cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
