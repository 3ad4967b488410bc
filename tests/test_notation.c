/* test_notation.c: what texts mean: operators, rows, nets, loops, patterns, initialisers. Values come from the plain
 * evaluation of graph/reference.h. Element k of every leaf is k + 1 (of i32 and u8 leaves: k), unless a test says
 * otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph/reference.h"
#include "notation/notation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Ground: a scope, a graph and leaves ---- */

typedef struct Ground {
    Error error;
    Arena arena;
    Graph *g;
    Scope *root, *scope;
    Context context;
    const char *text; /* of the call under way */
    Value value;
    int given;
    Argument argument[4];
    const Row *row;
    const char *net;
    Node *x;
    char seen[1024];
    size_t roots;
    Node *node[16];
    double **out;
} Ground;

static Node *ground_leaf(Ground *t, const char *name, Role role, Type type, int rank, int64_t a, int64_t b,
                         int64_t c)
{
    Node *n = graph_leaf(t->g, role, name, type, shape_of(rank, (int64_t[]){a, b, c}), NULL);
    scope_add_node(t->scope, name, n);
    return n;
}

static void ground_fill(void *context)
{
    Ground *t = context;
    t->root = scope_new(&t->arena, NULL);
    t->scope = scope_new(&t->arena, t->root);
    ground_leaf(t, "x", ROLE_DATA, TYPE_REAL, 2, 2, 3, 0);
    ground_leaf(t, "z", ROLE_DATA, TYPE_REAL, 2, 2, 3, 0);
    ground_leaf(t, "w", ROLE_PARAMETER, TYPE_REAL, 2, 4, 3, 0);
    ground_leaf(t, "v", ROLE_DATA, TYPE_REAL, 1, 3, 0, 0);
    ground_leaf(t, "s", ROLE_DATA, TYPE_REAL, 3, 2, 3, 4);
    ground_leaf(t, "i", ROLE_DATA, TYPE_I32, 1, 2, 0, 0);
    ground_leaf(t, "u", ROLE_DATA, TYPE_U8, 1, 3, 0, 0);
    ground_leaf(t, "lr", ROLE_SCALAR, TYPE_SCALAR, 0, 0, 0, 0);
    scope_add_number(t->scope, "classes", 4);
    t->context = (Context){.graph = t->g, .scope = t->scope, .title = "text"};
}

static Ground *ground_new(void)
{
    Ground *t = calloc(1, sizeof *t);
    assert_non_null(t);
    arena_init(&t->arena, &t->error);
    t->g = graph_new(&t->error);
    assert_int_equal(error_catch(&t->error, ground_fill, t), NUDGE_OK);
    return t;
}

static void ground_free(Ground *t)
{
    graph_free(t->g);
    arena_free(&t->arena);
    free(t);
}

/* Runs a step that must not raise. */
static void ground_run(Ground *t, void (*step)(void *context))
{
    if (error_catch(&t->error, step, t)) fail_msg("%s", t->error.message);
}

static void step_evaluate(void *context)
{
    Ground *t = context;
    t->value = notation_evaluate(&t->context, t->text);
}

static Value ground_value(Ground *t, const char *text)
{
    t->text = text;
    ground_run(t, step_evaluate);
    return t->value;
}

static void step_row(void *context)
{
    Ground *t = context;
    t->row = scope_add_row(t->scope, "row", t->text, NULL, t->net);
}

static const Row *ground_row(Ground *t, const char *text, const char *category)
{
    t->text = text;
    t->net = category;
    ground_run(t, step_row);
    return t->row;
}

static void ground_seen(void *context, const LayerSeen *l)
{
    Ground *t = context;
    size_t at = strlen(t->seen);
    snprintf(t->seen + at, sizeof t->seen - at, "%d %s %s\n", l->depth, l->path, l->text);
}

static void step_net(void *context)
{
    Ground *t = context;
    t->value = value_node(notation_net(&t->context, t->text, t->x, ground_seen, t));
}

static Node *ground_net(Ground *t, const char *net, Node *x)
{
    t->text = net;
    t->x = x;
    t->seen[0] = 0;
    ground_run(t, step_net);
    return t->value.node;
}

static void step_call(void *context)
{
    Ground *t = context;
    t->value = notation_call(&t->context, t->text, t->given, t->argument);
}

static const double *ground_bind(void *context, const Node *leaf)
{
    Ground *t = context;
    int64_t size = shape_size(leaf->shape);
    double *v = arena_new(&t->arena, (size_t)size, sizeof *v);
    for (int64_t k = 0; k < size; k++)
        v[k] = (double)(leaf->type == TYPE_I32 || leaf->type == TYPE_U8 ? k : k + 1);
    return v;
}

static void step_reference(void *context)
{
    Ground *t = context;
    graph_verify(t->g, t->node, t->roots);
    reference_evaluate(&t->arena, t->g, &(Reference){.bind = ground_bind, .context = t}, t->roots, t->node,
                       t->out);
}

static const double *ground_numbers(Ground *t, Node *n)
{
    double *out[1];
    t->roots = 1;
    t->node[0] = n;
    t->out = out;
    ground_run(t, step_reference);
    return out[0];
}

static Node *ground_node(Ground *t, const char *text)
{
    Value v = ground_value(t, text);
    assert_int_equal(v.kind, VALUE_TENSOR);
    return v.node;
}

/* ---- Checks ---- */

static void check_close(const char *text, double a, double b)
{
    if (!(fabs(a - b) <= 1e-12 * (1 + fabs(b))) && !(isnan(a) && isnan(b)) && a != b)
        fail_msg("%s: %.17g, expected %.17g", text, a, b);
}

static double number_of(Ground *t, const char *text)
{
    return *ground_numbers(t, ground_node(t, text));
}

static void check_number(Ground *t, const char *text, double expected)
{
    check_close(text, number_of(t, text), expected);
}

static void check_nodes(Ground *t, const char *text, Node *a, Node *b)
{
    if (!shape_equal(a->shape, b->shape))
        fail_msg("%s: %s, expected %s", text, shape_text(&t->arena, a->shape),
                 shape_text(&t->arena, b->shape));
    const double *x = ground_numbers(t, a), *z = ground_numbers(t, b);
    for (int64_t k = 0; k < shape_size(a->shape); k++)
        check_close(text, x[k], z[k]);
}

/* Two texts mean the same values in the same shape. */
static void check_same(Ground *t, const char *text, const char *as)
{
    Node *b = ground_node(t, as);
    check_nodes(t, text, ground_node(t, text), b);
}

static void check_values(Ground *t, const char *text, int rank, const int64_t *dim, const double *expected)
{
    Node *n = ground_node(t, text);
    if (!shape_equal(n->shape, shape_of(rank, dim)))
        fail_msg("%s: shape %s", text, shape_text(&t->arena, n->shape));
    const double *v = ground_numbers(t, n);
    for (int64_t k = 0; k < shape_size(n->shape); k++)
        check_close(text, v[k], expected[k]);
}

#define DIMS(...)                                                                                            \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                                   \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define VALUES(...)                                                                                          \
    (double[])                                                                                               \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

/* ---- Operators ---- */

static const struct {
    const char *text;
    double value;
} numbers[] = {
    {"1", 1},
    {"1.5e-3", .0015},
    {".5", .5},
    {"2.", 2},
    {"1 + 2*3", 7},
    {"(1 + 2)*3", 9},
    {"1 - 2 - 3", -4},
    {"12/2*3", 18},
    {"12/(2*3)", 2},
    {"-2^2", -4},
    {"(-2)^2", 4},
    {"2^3^2", 512},
    {"2^-1", .5},
    {"2*-3", -6},
    {"--3", 3},
    {"1 - -1", 2},
    {"9^.5", 3},
    {"2 < 3", 1},
    {"3 < 3", 0},
    {"3 <= 3", 1},
    {"4 > 3", 1},
    {"3 >= 4", 0},
    {"3 == 3", 1},
    {"3 != 3", 0},
    {"3 != 4", 1},
    {"1 + 1 < 3", 1},
    {"min(1, 0<-1)", 0},
    {"1 < 2 ? 10 : 20", 10},
    {"0 ? 10 : 1 ? 30 : 40", 30},
    {"(1 < 2)*5", 5},
    {"true + true", 2},
    {"false", 0},
    {"2*pi", 6.283185307179586},
    {"inf", INFINITY},
    {"nan", NAN},
    {"exp(1)", 2.718281828459045},
    {"max(2, 3)", 3},
    {"pow(2, 10)", 1024},
    {"pow(3, 2)", 9},
    {"where(1, 2, 3)", 2},
    {"a = 3; a*a", 9},
    {"a = 3; a = a + 1; a", 4},
    {"a, b = 3, 4; a*10 + b", 34},
    {"a, b = (3, 4); a*10 + b", 34},
    {"a = 1\nb = 2\na + b", 3},
    {"a = 1 +\n 2; a", 3},
    {"max(\n1,\n2\n)", 2},
    {"\n;1;\n;", 1},
    {"train", 0},
    {"same = 3; same", 3},
    {"max = 3; max(max, 4)", 4},
    {"real == real", 1},
    {"real == i32", 0},
    {"relu6 = 1; relu6", 1},
    {"max == max", 1},
    {"max == min", 0},
    {"max != min", 1},
    {"sum(3) + mean(4) + amax(5) + amin(6)", 18},
    {"var(3)", 0},
    {"classes", 4},
    {"(5,)[0] + 0", 5},
};

static void test_numbers(void **state)
{
    Ground *t = *state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        check_number(t, numbers[i].text, numbers[i].value);
    assert_int_equal(ground_node(t, "3*4")->op, OP_const);
}

static void test_tensors(void **state)
{
    Ground *t = *state;
    check_values(t, "x + 1", DIMS(2, 3), VALUES(2, 3, 4, 5, 6, 7));
    check_values(t, "x + v", DIMS(2, 3), VALUES(2, 4, 6, 5, 7, 9));
    check_values(t, "x @ w'", DIMS(2, 4), VALUES(14, 32, 50, 68, 32, 77, 122, 167));
    check_values(t, "x @ v", DIMS(2), VALUES(14, 32));
    check_values(t, "x'", DIMS(3, 2), VALUES(1, 4, 2, 5, 3, 6));
    check_values(t, "x''", DIMS(2, 3), VALUES(1, 2, 3, 4, 5, 6));
    check_values(t, "-x^2", DIMS(2, 3), VALUES(-1, -4, -9, -16, -25, -36));
    check_values(t, "x > 3", DIMS(2, 3), VALUES(0, 0, 0, 1, 1, 1));
    check_values(t, "x >= 3", DIMS(2, 3), VALUES(0, 0, 1, 1, 1, 1));
    check_values(t, "0 + (x<-1)", DIMS(2, 3), VALUES(0, 0, 0, 0, 0, 0));
    check_values(t, "x != 3", DIMS(2, 3), VALUES(1, 1, 0, 1, 1, 1));
    check_values(t, "i == 1", DIMS(2), VALUES(0, 1));
    check_values(t, "u < 2", DIMS(3), VALUES(1, 1, 0));
    check_values(t, "cast(u, real)/2", DIMS(3), VALUES(0, .5, 1));
    check_same(t, "x^0", "ones(2, 3)");
    check_same(t, "x^1", "x");
    check_same(t, "x^.5", "sqrt(x)");
    check_same(t, "x^-1", "1/x");
    check_same(t, "x^3", "x*x*x");
    check_same(t, "2^x", "exp(x*log(2))");
    assert_int_equal(ground_node(t, "x^2")->op, OP_mul);
    assert_int_equal(ground_node(t, "pow(x, 2)")->op, OP_mul);
    assert_ptr_equal(ground_node(t, "x + z"), ground_node(t, "add(z, x)"));
    assert_int_equal(ground_node(t, "lr*2")->type, TYPE_SCALAR);
}

static void test_index(void **state)
{
    Ground *t = *state;
    check_values(t, "x[0]", DIMS(3), VALUES(1, 2, 3));
    check_values(t, "x[-1]", DIMS(3), VALUES(4, 5, 6));
    check_values(t, "x[1, 2] + zeros(1)", DIMS(1), VALUES(6));
    check_values(t, "x[:, 1]", DIMS(2), VALUES(2, 5));
    check_values(t, "x[.., 0]", DIMS(2), VALUES(1, 4));
    check_values(t, "x[:, 0:2]", DIMS(2, 2), VALUES(1, 2, 4, 5));
    check_values(t, "x[:, 1:]", DIMS(2, 2), VALUES(2, 3, 5, 6));
    check_values(t, "x[:, :-1]", DIMS(2, 2), VALUES(1, 2, 4, 5));
    check_values(t, "x[:, ::2]", DIMS(2, 2), VALUES(1, 3, 4, 6));
    check_values(t, "x[::-1]", DIMS(2, 3), VALUES(4, 5, 6, 1, 2, 3));
    check_values(t, "x[0, ::-2]", DIMS(2), VALUES(3, 1));
    check_values(t, "v[2:0:-1]", DIMS(2), VALUES(3, 2));
    check_values(t, "x[0:1]", DIMS(1, 3), VALUES(1, 2, 3));
    check_values(t, "s[1, .., 0]", DIMS(3), VALUES(13, 17, 21));
    check_values(t, "s[.., 1, 0]", DIMS(2), VALUES(5, 17));
    check_values(t, "v[i]", DIMS(2), VALUES(1, 2));
    check_values(t, "x[i, 1]", DIMS(2), VALUES(2, 5));
    check_values(t, "n = dim(x, 1); v[n - 1] + zeros(1)", DIMS(1), VALUES(3));
    check_same(t, "x[..]", "x");
    check_same(t, "x[0][1]", "x[0, 1]");
}

static void test_reductions(void **state)
{
    Ground *t = *state;
    check_values(t, "sum(x)", DIMS(1, 1), VALUES(21));
    check_values(t, "sum(x, 0)", DIMS(1, 3), VALUES(5, 7, 9));
    check_values(t, "sum(x, -1)", DIMS(2, 1), VALUES(6, 15));
    check_values(t, "sum(x, axis=1)", DIMS(2, 1), VALUES(6, 15));
    check_same(t, "sum(s, 0, 2)", "sum(sum(s, 2), 0)");
    check_same(t, "sum(s, (0, 2))", "sum(s, 0, -1)");
    check_same(t, "sum(s, axis=(0, 2))", "sum(s, 0, -1)");
    check_values(t, "mean(x)", DIMS(1, 1), VALUES(3.5));
    check_values(t, "mean(x, 0)", DIMS(1, 3), VALUES(2.5, 3.5, 4.5));
    check_values(t, "amax(x, 1)", DIMS(2, 1), VALUES(3, 6));
    check_values(t, "amin(x, 1)", DIMS(2, 1), VALUES(1, 4));
    check_values(t, "var(x, 1)", DIMS(2, 1), VALUES(2. / 3, 2. / 3));
    check_values(t, "var(x, 1, correction=1)", DIMS(2, 1), VALUES(1, 1));
    check_values(t, "std(x, 1, correction=1)", DIMS(2, 1), VALUES(1, 1));
    check_values(t, "prod(x)", DIMS(1, 1), VALUES(720));
    check_values(t, "prod(x, 1)", DIMS(2, 1), VALUES(6, 120));
    check_values(t, "prod(zeros(5) + 2)", DIMS(1), VALUES(32));
    check_values(t, "cast(argmax(x, 1), real)", DIMS(2, 1), VALUES(2, 2));
    check_values(t, "cast(argmin(x, 1), real)", DIMS(2, 1), VALUES(0, 0));
    check_values(t, "cast(argmax(x), real)", DIMS(1, 1), VALUES(5));
}

static void test_shapes(void **state)
{
    Ground *t = *state;
    check_values(t, "reshape(x, 3, 2)", DIMS(3, 2), VALUES(1, 2, 3, 4, 5, 6));
    check_values(t, "reshape(x, -1)", DIMS(6), VALUES(1, 2, 3, 4, 5, 6));
    check_same(t, "reshape(x, shape(w')[0], 2)", "reshape(x, 3, 2)");
    check_same(t, "reshape(x, (3, -1))", "reshape(x, shape=(3, 2))");
    check_same(t, "transpose(s, 2, 0, 1)", "s{a b c -> c a b}");
    check_same(t, "transpose(s, -1, 0, 1)", "s{a b c -> c a b}");
    check_values(t, "expand(v, 2, 3)", DIMS(2, 3), VALUES(1, 2, 3, 1, 2, 3));
    check_values(t, "broadcast(1, 2)", DIMS(2), VALUES(1, 1));
    check_values(t, "slice(x, (0, 1), (1, 1), (2, 2))", DIMS(2, 2), VALUES(2, 3, 5, 6));
    check_values(t, "pad(v, (1,), (2,), (7,))", DIMS(7), VALUES(0, 1, 0, 2, 0, 3, 0));
    check_values(t, "pad(v, 0, 1, 2)", DIMS(6), VALUES(0, 1, 2, 3, 0, 0));
    check_values(t, "pad(x, -1, 0, 1)", DIMS(2, 4), VALUES(1, 2, 3, 0, 4, 5, 6, 0));
    check_values(t, "concat(v, v + 3)", DIMS(6), VALUES(1, 2, 3, 4, 5, 6));
    check_values(t, "concat(x, x, axis=1)", DIMS(2, 6), VALUES(1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6));
    check_same(t, "concat((x, x), 1)", "concat(x, x, axis=-1)");
    check_values(t, "stack(v, v)", DIMS(2, 3), VALUES(1, 2, 3, 1, 2, 3));
    check_values(t, "stack(v, v, axis=1)", DIMS(3, 2), VALUES(1, 1, 2, 2, 3, 3));
    check_values(t, "a, b = split(x, 2); a + b", DIMS(1, 3), VALUES(5, 7, 9));
    check_values(t, "a, b, c = split(x, 3, axis=1); c", DIMS(2, 1), VALUES(3, 6));
    check_same(t, "take(x, i)", "x");
    check_same(t, "gather(x, i)", "x[i]");
    check_same(t, "scatter(x, i, 3)", "pad(x, 0, 0, 1)");
    check_values(t, "pick(x, i)", DIMS(2, 1), VALUES(1, 5));
    check_values(t, "onehot(i, 3)", DIMS(2, 3), VALUES(1, 0, 0, 0, 1, 0));
    check_values(t, "iota(2, 2)", DIMS(2, 2), VALUES(0, 0, 1, 1));
    check_values(t, "iota(2, 2, axis=1)", DIMS(2, 2), VALUES(0, 1, 0, 1));
    check_values(t, "arange(3)", DIMS(3), VALUES(0, 1, 2));
    check_values(t, "zeros(2)", DIMS(2), VALUES(0, 0));
    check_same(t, "zeros(shape(x)) + 1", "ones(2, 3)");
    check_values(t, "conform(x, zeros(1, 3))", DIMS(1, 3), VALUES(5, 7, 9));
    check_number(t, "dim(x, -1)*10 + rank(s)", 33);
    check_number(t, "size(s)", 24);
    check_number(t, "a, b = inverse((1, 0)); a", 1);
    check_values(t, "flatten(s)[0, 0:3]", DIMS(3), VALUES(1, 2, 3));
    check_same(t, "cast(i, real)", "arange(2)");
}

static void test_patterns(void **state)
{
    Ground *t = *state;
    check_same(t, "x{a b -> b a}", "x'");
    check_same(t, "s{n t c -> n (t c)}", "reshape(s, 2, 12)");
    check_same(t, "s{n t c -> (c t) n}", "reshape(transpose(s, 2, 1, 0), 12, 2)");
    check_same(t, "h = 2; s{n t (h d) -> n h t d}", "transpose(reshape(s, 2, 3, 2, 2), 0, 2, 1, 3)");
    check_same(t, "h = 2; s{n t (h d) -> n h t d}{n h t d -> n t (h d)}", "s");
    check_same(t, "h = 2; s{n t (d h) -> n t d h}", "reshape(s, 2, 3, 2, 2)");
    check_same(t, "x{.. a -> a ..}", "x'");
    check_same(t, "s{a .. -> .. a}", "transpose(s, 1, 2, 0)");
    check_same(t, "x{a b -> a 1 b}", "reshape(x, 2, 1, 3)");
    check_same(t, "x{a b -> 1 (a b)}", "reshape(x, 1, 6)");
    check_same(t, "reshape(x, 2, 1, 3){a 1 b -> a b}", "x");
    check_same(t, "r = 2; v{c -> r c}", "expand(v, 2, 3)");
    check_same(t, "r = 2; v{c -> (c r)}", "reshape(expand(reshape(v, 3, 1), 3, 2), 6)");
    check_same(t, "x{a\nb ->\nb a}", "x'");
    check_number(t, "y = s{n t c -> n (t c)}; n*100 + t*10 + c", 234);
}

/* ---- Rows ---- */

static void test_definitions(void **state)
{
    Ground *t = *state;
    ground_row(t, "soft(x, axis=-1): e = exp(x - amax(x, axis)); e/sum(e, axis)", "activation");
    ground_row(t, "affine(x[.., in], w[out, in], scale=2): scale*(x @ w') + out", NULL);
    ground_row(t, "both(x, z): x + z, x - z", NULL);
    ground_row(t, "twice(x, f): f(f(x))", NULL);
    ground_row(t, "sized(x[n, c], k=c): k + x[.., 0]", NULL);
    ground_row(t, "gate(x): x*sigmoid(classes*x)", NULL);
    ground_row(t, "rows(x[classes, pi]): x{classes pi -> (pi classes)} + classes", NULL);
    check_same(t, "soft(x)", "exp(x)/sum(exp(x), 1)");
    check_same(t, "soft(x, 0)", "exp(x)/sum(exp(x), 0)");
    check_same(t, "soft(axis=0, x=x)", "exp(x)/sum(exp(x), 0)");
    check_same(t, "affine(x, w)", "2*(x @ w') + 4");
    check_same(t, "affine(x, w, scale=sum(x))", "sum(x)*(x @ w') + 4");
    check_same(t, "affine(x, w, scale=lr)", "lr*(x @ w') + 4");
    check_same(t, "a, b = both(x, v); a*b", "(x + v)*(x - v)");
    check_same(t, "twice(x, exp)", "exp(exp(x))");
    check_same(t, "twice(x, soft)", "soft(soft(x))");
    check_same(t, "sized(x)", "x[.., 0] + 3");
    check_same(t, "gate(x)", "x*sigmoid(4*x)");
    check_same(t, "rows(x)", "reshape(x', 6) + 2"); /* its own sizes, not the constants outside */
    check_same(t, "soft(x) + soft(z)", "2*soft(x)");
    check_number(t, "soft(3)", 1);
    assert_int_equal(ground_node(t, "soft(3)")->op, OP_const);
}

/* Equal definitions are one pointer, and calls of one shape share a body. */
static void test_calls(void **state)
{
    Ground *t = *state;
    const Row *soft =
        ground_row(t, "soft(x, axis=-1): e = exp(x - amax(x, axis)); e/sum(e, axis)", "activation");
    ground_row(t, "noise(x): x + normal(shape(x))", NULL);
    ground_row(t, "mode(x): train ? x*2 : x + 0*x", NULL);
    Node *a = ground_node(t, "soft(x)"), *b = ground_node(t, "soft(z)"), *c = ground_node(t, "soft(x, 0)");
    Node *d = ground_node(t, "soft(w)");
    assert_int_equal(a->op, OP_call);
    assert_string_equal(a->call->name, "soft");
    assert_string_equal(row_name(a->call->definition), "soft");
    assert_string_equal(row_text(a->call->definition), row_text(soft));
    assert_ptr_equal(a->call->definition, b->call->definition);
    assert_ptr_equal(a->call->body.output[0], b->call->body.output[0]);
    assert_ptr_not_equal(a->call->definition, c->call->definition);
    assert_ptr_not_equal(a->call->definition, d->call->definition);
    Node *e = ground_node(t, "noise(x)"), *f = ground_node(t, "noise(x)");
    assert_ptr_not_equal(e->call->definition, f->call->definition);
    assert_int_equal(e->inputs, 2); /* x and the seed */
    assert_string_equal(e->input[1]->leaf->name, "seed");
    Node *g = ground_node(t, "mode(x)");
    t->context.train = true;
    Node *h = ground_node(t, "mode(x)");
    assert_ptr_not_equal(g->call->definition, h->call->definition);
    assert_ptr_equal(ground_node(t, "soft(x)")->call->definition, a->call->definition);
    t->context.train = false;
    assert_ptr_equal(ground_node(t, "mode(x)")->call->definition, g->call->definition);
}

static void test_rows_listed(void **state)
{
    Ground *t = *state;
    const Row *r = ground_row(
        t, "dense(x[.., in], n, bias=true | weight[n, in] ~ normal, b as bias[n] = 0): x @ weight'", "layer");
    assert_int_equal(row_inputs(r), 1);
    assert_string_equal(row_input(r, 0), "x");
    assert_null(row_gradient(r));
    assert_int_equal(row_inputs(ground_row(t, "huber(y, t, delta=1): y - t", "loss")), 2);
    assert_int_equal(row_inputs(ground_row(t, "none(): 3", NULL)), 0);
    assert_int_equal(row_inputs(ground_row(t, "pick2(x[..], t[..], k): x", NULL)), 2);
    assert_ptr_equal(scope_row(t->scope, "dense"), r);
    assert_null(scope_row(t->scope, "sum"));
    assert_null(scope_row(t->root, "dense"));
    size_t natives = 0;
    for (const NativeNote *n; (n = notation_native(natives)); natives++)
        assert_true(*n->name && *n->takes && *n->note);
    assert_true(natives > 30);
}

#define DENSE                                                                                                \
    "dense(x[.., in], n, bias=true | weight[n, in] ~ uniform(.1), b as bias[n] = 0): "                       \
    "bias ? x @ weight' + b : x @ weight'"

static void test_layers(void **state)
{
    Ground *t = *state;
    ground_row(t, DENSE, "layer");
    ground_row(t, "relu(x): max(x, 0)", "activation");
    t->context.path = "3";
    Node *y = ground_node(t, "dense(x, 5, bias=false)");
    assert_int_equal(y->op, OP_matmul);
    Node *w = graph_find_leaf(t->g, "3.weight");
    assert_non_null(w);
    assert_int_equal(w->leaf->role, ROLE_PARAMETER);
    assert_true(shape_equal(w->shape, shape_of(2, (int64_t[]){5, 3})));
    assert_null(graph_find_leaf(t->g, "3.bias"));
    ground_node(t, "dense(x, 5)");
    assert_non_null(graph_find_leaf(t->g, "3.bias"));
    ground_node(t, "dense.q(x, 7)");
    assert_non_null(graph_find_leaf(t->g, "3.q.weight"));
    t->context.path = "";
    check_same(t, "dense(x, 2)", "dense(x, 2)");
    assert_non_null(graph_find_leaf(t->g, "weight"));
    ground_row(t, "mlp(x, n): dense.b(relu(dense.a(x, n)), 1)",
               NULL); /* no declaration, but evaluated in place */
    assert_int_equal(ground_node(t, "mlp(x, 6)")->op, OP_add);
    assert_non_null(graph_find_leaf(t->g, "a.weight"));
    assert_non_null(graph_find_leaf(t->g, "b.bias"));
}

static void test_late_rows(void **state)
{
    Ground *t = *state;
    ground_row(t, "outer(x): middle(x, 4)", NULL);
    ground_row(t, "middle(x, n): lin(x, n)", NULL);
    ground_row(t, "lin(x[.., in], n | k[n, in] = 1): x @ k'", NULL);
    check_same(t, "outer(x)",
               "x @ zeros(3, 4) + 0*outer(x) + x @ (w*0 + lin.other(x, 4)[0, 0]*0)' + outer(x)");
    assert_int_equal(ground_node(t, "outer(x)")->op, OP_matmul);
}

/* ---- Assignments ---- */

static double assigned(Ground *t, const char *leaf, int element)
{
    for (size_t i = 0; i < t->g->assignments; i++)
        if (!strcmp(t->g->assignment[i].leaf->leaf->name, leaf))
            return ground_numbers(t, t->g->assignment[i].value)[element];
    fail_msg("%s is not assigned", leaf);
    return 0;
}

static void test_optimizer(void **state)
{
    Ground *t = *state;
    ground_row(t,
               "adam(w, g, t, lr=1e-3, beta1=.9, beta2=.999, eps=1e-8 | m[shape(w)] = 0, v[shape(w)] = 0): "
               "m <- beta1*m + (1-beta1)*g;  v <- beta2*v + (1-beta2)*g^2; "
               "w -= lr * (m/(1-beta1^t)) / (sqrt(v/(1-beta2^t)) + eps)",
               "optimizer");
    Node *step = graph_leaf(t->g, ROLE_SCALAR, "t", TYPE_SCALAR, shape_of(0, NULL), NULL);
    t->given = 3;
    t->argument[0] = (Argument){"w", value_node(graph_find_leaf(t->g, "w")), NULL};
    t->argument[1] = (Argument){"g", value_node(ground_node(t, "zeros(4, 3) + 2")), NULL};
    t->argument[2] = (Argument){"t", value_node(step), NULL};
    t->context.path = "0.weight";
    t->text = "adam(lr=.1)";
    ground_run(t, step_call);
    assert_int_equal(t->g->assignments, 3);
    assert_int_equal(graph_find_leaf(t->g, "0.weight.m")->leaf->role, ROLE_STATE);
    double m = .9 * 4 + .1 * 2, v = .999 * 4 + .001 * 4; /* element 3 of m and v is 4 */
    check_close("m", assigned(t, "0.weight.m", 3), m);
    check_close("v", assigned(t, "0.weight.v", 3), v);
    check_close("w", assigned(t, "w", 3), 4 - .1 * (m / .1) / (sqrt(v / .001) + 1e-8));
}

static void test_assign(void **state)
{
    Ground *t = *state;
    ground_row(t,
               "sgd(w, g, lr=.01, momentum=0): momentum == 0 ? plain(w, g, lr) : heavy(w, g, lr, momentum)",
               "optimizer");
    ground_row(t, "plain(w, g, lr): w -= lr*g", NULL);
    ground_row(t, "heavy(w, g, lr, momentum | buf[shape(w)] = 0): buf <- momentum*buf + g; w -= lr*buf",
               NULL);
    ground_row(t, "running(x[n, c] | mean[c] = 0): train ? keep(mean, x) : x - mean", "layer");
    ground_row(t, "keep(m, x): m <- .9*m + .1*mean(x, 0); x", NULL);
    ground_node(t, "sgd(w, w*0 + 1, lr=2)");
    assert_int_equal(t->g->assignments, 1);
    check_close("plain", assigned(t, "w", 1), 0);
    assert_null(graph_find_leaf(t->g, "buf"));
    ground_node(t, "sgd(w, w*0 + 1, lr=2, momentum=.5)"); /* the later assignment counts */
    check_close("heavy", assigned(t, "w", 1), 2 - 2 * (.5 * 2 + 1));
    ground_node(t, "running(x)");
    t->context.train = true;
    ground_node(t, "running(x)");
    check_close("mean", assigned(t, "mean", 2), .9 * 3 + .1 * 4.5); /* [1, 3] fits [3] */
    check_same(t, "w <- w*2; w <- w + 1; w", "w*2 + 1");            /* the name means the newer value */
    check_close("twice", assigned(t, "w", 1), 5);
    ground_node(t, "w += 3");
    check_close("plus", assigned(t, "w", 1), 5);
    ground_node(t, "w <- 7");
    check_close("repeated", assigned(t, "w", 11), 7);
    size_t before = t->g->assignments;
    ground_row(t, "still(x | k[2] = 0): k <- k; x", NULL);
    ground_node(t, "still(x)");
    assert_int_equal(t->g->assignments, before);
}

/* ---- Loops ---- */

static void test_loops(void **state)
{
    Ground *t = *state;
    check_values(t, "for k < 3 { k == 1 }", DIMS(3), VALUES(0, 1, 0));
    check_values(t, "for k < 2 along x { x*2 }", DIMS(2, 3), VALUES(2, 4, 6, 8, 10, 12));
    check_values(t, "h = zeros(3); for k < 2 along x { h = h + x; h }", DIMS(2, 3), VALUES(1, 2, 3, 5, 7, 9));
    check_values(t, "h = zeros(3); for k < 2 along x { h = h + x }; h", DIMS(3), VALUES(5, 7, 9));
    check_values(t, "c = 1; for k < 5 { c = c*2 }; c + zeros(1)", DIMS(1), VALUES(32));
    check_values(t, "a, b = 0, 1; for k < 6 { a, b = b, a + b }; a + zeros(1)", DIMS(1), VALUES(8));
    check_values(t, "for k < 2 along x, z { x + 10*z + v }", DIMS(2, 3), VALUES(12, 24, 36, 45, 57, 69));
    check_same(t, "a, b = for k < 2 along x { x, x*x }; b - a", "x*x - x");
    check_same(t, "for k < 3 { x[:, 0]*cast(k, real) }", "arange(3){k -> k 1}*x[:, 0]");
    check_same(t, "for k < 2 { x[k] }", "x");
    check_same(t, "for k < 2 along x { for j < 3 along x { x + v } }", "x{a b -> a b 1} + v");
    check_same(t, "h = 0; for k < 2 along x { for j < 3 along x { h = h + x } }; h + zeros(1)",
               "reshape(sum(x), 1)");
    check_same(t, "for k < dim(x, 0) along x { h = x + 1; h*h }", "(x + 1)^2");
    check_same(t, "y = x{n c -> c n}; z = for k < n { n = 5; n }; z + n", "zeros(2) + 7");
    check_same(t, "2*(for k < 2 along x {\n h = x + 1\n h\n})", "2*x + 2");
    ground_row(t, "run(x[n, c], w): h = zeros(c); for k < n along x { h = tanh(h + x*w); h }", NULL);
    check_same(t, "run(x, 2)", "a = tanh(2*x[0]); stack(a, tanh(a + 2*x[1]))");
    check_same(t, "run(x, lr)", "a = tanh(lr*x[0]); stack(a, tanh(a + lr*x[1]))");
    ground_row(t, "rnn(x[n, c] | w[c, c] = 1): h = zeros(c); for k < n along x { h = tanh(h @ w + x); h }",
               "layer");
    Node *y = ground_node(t, "rnn.r(x)");
    assert_non_null(graph_find_leaf(t->g, "r.w"));
    check_nodes(t, "rnn", y, ground_node(t, "a = tanh(x[0]); x + 0*a @ ones(3, 3) + rnn.r(x) - x"));
}

static void test_loop_node(void **state)
{
    Ground *t = *state;
    Node *y = ground_node(t, "h = zeros(3); for k < 2 along x { h = h + x*v; h }; h");
    assert_int_equal(y->op, OP_output);
    const Loop *l = y->input[0]->loop;
    assert_int_equal(l->count, 2);
    assert_int_equal(l->carried, 1);
    assert_int_equal(l->stacked, 1);
    assert_int_equal(y->input[0]->inputs, 3); /* h, x, and v, which stays */
    assert_int_equal(l->body.inputs, 4);      /* and the position */
    assert_int_equal(l->body.input[3]->type, TYPE_I32);
}

/* ---- Nets ---- */

static void test_nets(void **state)
{
    Ground *t = *state;
    Node *x = graph_find_leaf(t->g, "x");
    ground_row(t, DENSE, "layer");
    ground_row(t, "relu(x): max(x, 0)", "activation");
    ground_net(
        t, "dense(8) relu\n residual(dense(8) tanh residual(relu)) repeat(2, dense(classes) relu) flatten",
        x);
    assert_string_equal(
        t->seen, "0 0 dense(8)\n0 1 relu\n1 2.0 dense(8)\n1 2.1 tanh\n2 2.2.0 relu\n1 2.2 residual(relu)\n"
                 "0 2 residual(dense(8) tanh residual(relu))\n"
                 "1 3.0.0 dense(classes)\n1 3.0.1 relu\n1 3.1.0 dense(classes)\n1 3.1.1 relu\n"
                 "0 3 repeat(2, dense(classes) relu)\n0 4 flatten\n");
    static const char *const leaf[] = {"0.weight", "0.bias", "2.0.weight", "3.0.0.weight", "3.1.0.bias"};
    for (size_t i = 0; i < sizeof leaf / sizeof *leaf; i++)
        assert_non_null(graph_find_leaf(t->g, leaf[i]));
    ground_net(t, "residual(dense(3))", x);
    assert_non_null(graph_find_leaf(t->g, "0.0.weight"));
    check_nodes(t, "mean", ground_net(t, "mean(1) exp", x), ground_node(t, "exp(mean(x, 1))"));
    check_nodes(t, "flatten", ground_net(t, "flatten", graph_find_leaf(t->g, "s")),
                ground_node(t, "reshape(s, 2, 12)"));
    check_nodes(t, "residual", ground_net(t, "residual(tanh)", x), ground_node(t, "x + tanh(x)"));
    ground_row(t, "block(x, n, act=relu): residual(x, dense(n) act)", "layer");
    check_nodes(t, "block", ground_net(t, "block(3, act=tanh)", x),
                ground_node(t, "x + tanh(0*x @ zeros(3, 3) + x @ reshape(arange(9) + 1, 3, 3)' + v)"));
    t->context.path = "body";
    ground_net(t, "dense(2)", x);
    assert_non_null(graph_find_leaf(t->g, "body.0.weight"));
}

static void test_dropout(void **state)
{
    Ground *t = *state;
    check_same(t, "dropout(x, .5)", "x");
    t->context.train = true;
    check_same(t, "dropout(x, 0)", "x");
    Node *y = ground_node(t, "dropout(zeros(1000) + 3, .25)");
    const double *v = ground_numbers(t, y);
    int kept = 0;
    for (int k = 0; k < 1000; k++) {
        assert_true(v[k] == 0 || fabs(v[k] - 4) < 1e-12);
        kept += v[k] != 0;
    }
    assert_in_range(kept, 650, 850);
    assert_ptr_not_equal(ground_node(t, "dropout(x)"), ground_node(t, "dropout(x)"));
}

/* ---- Weights, random numbers, first values, gradients ---- */

static void test_weights(void **state)
{
    Ground *t = *state;
    ground_row(t, "mae(y, t): mean(abs(y - t))", "loss");
    check_same(t, "mae(x, 0)", "reshape(3.5, 1, 1)");
    t->context.weight = graph_leaf(t->g, ROLE_DATA, "weight", TYPE_REAL, shape_of(1, (int64_t[]){2}), NULL);
    check_same(t, "mean(x)", "reshape((6 + 2*15)/9, 1, 1)"); /* the weights are 1 and 2 */
    check_same(t, "sum(x)", "reshape(6 + 2*15, 1, 1)");
    check_same(t, "sum(x, 0)", "x[0:1] + x[1:2]");
    check_same(t, "mean(mean(x))", "mean(x)");
    Node *loss = ground_node(t, "mae(x, 0)");
    check_nodes(t, "mae", loss, ground_node(t, "reshape(4, 1, 1)"));
    assert_int_equal(loss->op, OP_call);
    assert_ptr_equal(loss->input[1], t->context.weight);
}

static void test_random(void **state)
{
    Ground *t = *state;
    Node *a = ground_node(t, "uniform(1000)"), *b = ground_node(t, "uniform(1000)");
    assert_ptr_not_equal(a, b);
    const double *v = ground_numbers(t, ground_node(t, "uniform(1000, low=-2, high=3)"));
    double low = 9, high = -9;
    for (int k = 0; k < 1000; k++)
        low = fmin(low, v[k]), high = fmax(high, v[k]);
    assert_true(low >= -2 && low < -1.8 && high > 2.8 && high < 3);
    check_number(t, "abs(mean(normal((4000,), 5, 2)) - 5) < .2", 1);
    check_number(t, "abs(std(normal((4000,), 2)) - 2) < .1", 1);
    check_number(t, "amax(abs(uniform((1000,), .5))) <= .5", 1);
    assert_true(
        shape_equal(ground_node(t, "normal(shape(x), std=3)")->shape, shape_of(2, (int64_t[]){2, 3})));
    Node *seed = graph_leaf(t->g, ROLE_SCALAR, "other", TYPE_SCALAR, shape_of(0, NULL), NULL);
    t->context.seed = seed;
    assert_ptr_equal(ground_node(t, "uniform(3)")->input[0], seed);
}

static void step_initial(void *context)
{
    Ground *t = context;
    Node *leaf = graph_find_leaf(t->g, t->text);
    t->value = value_node(notation_initial(&t->context, leaf->leaf, leaf->shape));
}

static Node *ground_initial(Ground *t, const char *leaf)
{
    t->text = leaf;
    ground_run(t, step_initial);
    return t->value.node;
}

static void test_initial(void **state)
{
    Ground *t = *state;
    ground_row(t, "fan(w[out, in], gain=1): gain*in + 0*w", "initialiser");
    ground_row(
        t,
        "lay(x[.., in], n, start=fan, gain=10 | a[n, in] ~ uniform(.1), b[n] = gain + in, c[n, in] ~ fan(gain=2), "
        "d[n, in] ~ start, e[] = 1, f[2] ~ normal(7, 0)): x @ (a + c + d)' + b + e + sum(f)",
        "layer");
    ground_node(t, "lay(x, 5)");
    ground_node(t, "lay.o(x, 5)");
    check_nodes(t, "b", ground_initial(t, "b"), ground_node(t, "zeros(5) + 13"));
    check_nodes(t, "c", ground_initial(t, "c"), ground_node(t, "zeros(5, 3) + 6"));
    check_nodes(t, "d", ground_initial(t, "d"), ground_node(t, "zeros(5, 3) + 3"));
    check_nodes(t, "e", ground_initial(t, "e"), ground_node(t, "reshape(1)"));
    check_nodes(t, "f", ground_initial(t, "f"), ground_node(t, "zeros(2) + 7"));
    Node *a = ground_initial(t, "a"), *again = ground_initial(t, "a"), *other = ground_initial(t, "o.a");
    check_nodes(t, "a", a, again); /* keyed by the name, not by the order */
    assert_true(ground_numbers(t, a)[0] != ground_numbers(t, other)[0]);
    assert_true(fabs(ground_numbers(t, a)[0]) <= .1);
}

/* An initialiser may be handed in with its options, by name or by place, or stand there by default. */
static void test_initial_handed_in(void **state)
{
    Ground *t = *state;
    ground_row(t, "fan(w[out, in], gain=1): gain*in + 0*w", "initialiser");
    ground_row(t,
               "lay(x[.., in], n, start=fan(gain=4), end=zeros | a[n, in] ~ start, b[n] ~ end): x @ a' + b",
               "layer");
    ground_row(t, "wide(x, n, share): lay(x, n, fan(gain=share + 1))", "layer");
    t->context.path = "";
    ground_net(t, "lay(5) lay(4, start=fan(gain=3), end=normal(2, 0)) lay(3, fan(gain=2), fan) wide(2, 6)",
               graph_find_leaf(t->g, "x"));
    check_nodes(t, "0", ground_initial(t, "0.a"), ground_node(t, "zeros(5, 3) + 12"));
    check_nodes(t, "0", ground_initial(t, "0.b"), ground_node(t, "zeros(5)"));
    check_nodes(t, "1", ground_initial(t, "1.a"), ground_node(t, "zeros(4, 5) + 15"));
    check_nodes(t, "1", ground_initial(t, "1.b"), ground_node(t, "zeros(4) + 2"));
    check_nodes(t, "2", ground_initial(t, "2.a"), ground_node(t, "zeros(3, 4) + 8"));
    check_nodes(t, "3", ground_initial(t, "3.a"), ground_node(t, "zeros(2, 3) + 21"));
}

static Node *gradient_out[2];
static bool gradient_known;

static void step_gradient(void *context)
{
    Ground *t = context;
    const char *const name[] = {"x", "z", "y", "dy"};
    Value value[] = {t->value, value_node(graph_find_leaf(t->g, "z")), t->value,
                     value_node(graph_const(t->g, 1))};
    notation_gradient(t->g, t->root, "test", t->text, 4, name, value, 2, gradient_out);
}

static void step_call_gradient(void *context)
{
    Ground *t = context;
    scope_add_row(t->scope, "power", "power(x[n, c], z, k=2, j=3): x^k*z + j", "dy*k*c*x^(k - 1)*z, dy*y",
                  NULL);
    Node *call = notation_formula(&t->context, t->text);
    gradient_known =
        notation_call_gradient(t->g, call, graph_const(t->g, 1), (bool[]){true, true, true}, gradient_out);
}

static void test_gradients(void **state)
{
    Ground *t = *state;
    t->value = value_node(graph_find_leaf(t->g, "x"));
    t->text = "dy*z, 0";
    ground_run(t, step_gradient);
    assert_null(gradient_out[1]);
    check_nodes(t, "dy*z", gradient_out[0], ground_node(t, "z*1"));
    t->text = "power(x, z, k=4)";
    ground_run(t, step_call_gradient);
    assert_true(gradient_known);
    check_nodes(t, "dx", gradient_out[0], ground_node(t, "12*x^3*z"));
    check_nodes(t, "dz", gradient_out[1], ground_node(t, "x^4*z + 3"));
}

/* A hyper-parameter that is a tensor has no value in the text: the chain rule goes through the body. */
static void test_gradient_unknown(void **state)
{
    Ground *t = *state;
    t->text = "power(x, z, k=z)";
    ground_run(t, step_call_gradient);
    assert_false(gradient_known);
}

/* ---- Calls without their first arguments ---- */

static double called(Ground *t, const char *text)
{
    t->text = text;
    ground_run(t, step_call);
    return t->value.node->value;
}

static void test_call(void **state)
{
    Ground *t = *state;
    ground_row(t, "cosine(t, steps, warmup=0, floor=0): t + 10*steps + 100*warmup + 1000*floor", "schedule");
    ground_row(t, "fixed(value): value", "schedule");
    t->given = 2;
    t->argument[0] = (Argument){"steps", value_node(graph_const(t->g, 2)), NULL};
    t->argument[1] = (Argument){"t", value_node(graph_const(t->g, 1)), NULL};
    assert_true(called(t, "cosine") == 21);
    assert_true(called(t, "cosine(3)") == 321);
    assert_true(called(t, "cosine(3, floor=4)") == 4321);
    assert_true(called(t, "cosine(floor=1+1, warmup=3)") == 2321);
    assert_true(called(t, "fixed(5)") == 5); /* takes neither steps nor t */
    t->argument[0].name = t->argument[1].name = NULL;
    assert_true(called(t, "cosine(3)") == 312);
    assert_true(called(t, "max") == 2);
}

/* ---- Long, deep and random texts ---- */

static void step_quietly(void *context)
{
    Ground *t = context;
    switch (t->given) {
    case 0:
        notation_evaluate(&t->context, t->text);
        break;
    case 1:
        notation_net(&t->context, t->text, t->x, NULL, NULL);
        break;
    default:
        scope_add_row(t->scope, "row", t->text, NULL, NULL);
    }
}

static void test_long(void **state)
{
    enum { TERMS = 20000 };
    Ground *t = *state;
    Text text = {0};
    for (int i = 0; i < TERMS; i++)
        text_print(&text, "%s%d", i ? (i % 3 ? " + " : "\n+ ") + (i % 3 ? 0 : 1) : "", i % 10);
    for (int i = 0; i < TERMS; i++)
        text_print(&text, "; a = %d", i % 10);
    assert_false(text.failed);
    check_number(t, text_end(&text), (TERMS - 1) % 10);
    text_free(&text);
}

static void check_deep(Ground *t, const char *open, const char *middle, const char *close, int depth)
{
    Text text = {0};
    for (int i = 0; i < depth; i++)
        text_print(&text, "%s", open);
    text_print(&text, "%s", middle);
    for (int i = 0; i < depth; i++)
        text_print(&text, "%s", close);
    t->text = text_end(&text);
    t->given = 0;
    assert_int_equal(error_catch(&t->error, step_quietly, t), depth > 60 ? NUDGE_INPUT : NUDGE_OK);
    if (depth > 60) assert_non_null(strstr(t->error.message, "nested more than"));
    error_clear(&t->error);
    text_free(&text);
}

static void test_deep(void **state)
{
    Ground *t = *state;
    for (int depth = 40; depth <= 100000; depth += 99960) {
        check_deep(t, "(", "1", ")", depth);
        check_deep(t, "-", "1", "", depth);
        check_deep(t, "2^", "1", "", depth);
        check_deep(t, "max(1, ", "1", ")", depth);
        check_deep(t, "1 ? ", "1", " : 1", depth);
        check_deep(t, "for k < 1 { ", "1", " }", depth == 40 ? 5 : depth);
        check_deep(t, "", "x", "'", depth);
    }
    ground_row(t, "endless(x): endless(x) + 1", NULL);
    t->text = "endless(x)";
    assert_int_equal(error_catch(&t->error, step_quietly, t), NUDGE_INPUT);
    assert_non_null(strstr(t->error.message, "does a definition call itself?"));
    error_clear(&t->error);
}

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}

static const char *random_text(Text *text)
{
    static const char *const word[] = {"x",          "s",
                                       "w",          "i",
                                       "u",          "v",
                                       "1",          "0",
                                       "2",          "-1",
                                       ".5",         "(",
                                       ")",          "[",
                                       "]",          "{",
                                       "}",          ",",
                                       ";",          ":",
                                       "?",          "+",
                                       "-",          "*",
                                       "/",          "@",
                                       "^",          "'",
                                       "<",          "<=",
                                       "==",         "!=",
                                       "=",          "<-",
                                       "-=",         "|",
                                       "~",          "..",
                                       ".",          "->",
                                       "for k < 2",  "along",
                                       "sum",        "(x)",
                                       "(x, 1)",     "reshape",
                                       "concat",     "take",
                                       "pad",        "slice",
                                       "dense",      "(3)",
                                       "relu",       "residual",
                                       "dropout",    "softmax(x)",
                                       "\n",         "a",
                                       "b",          "a = ",
                                       "shape(x)",   "{a b -> b a}",
                                       "[0]",        "[.., 1]",
                                       "onehot",     "argmax",
                                       "f(x): ",     "f(x, n | k[n] = 0): ",
                                       "k <- ",      "real",
                                       "9999999999", "as",
                                       "normal",     "split",
                                       "lr",         "pick",
                                       "#",          "\xc3\xa9"};
    text->length = 0;
    for (uint32_t n = 1 + random_below(12); n; n--)
        text_print(text, "%s%s", word[random_below(sizeof word / sizeof *word)], random_below(3) ? " " : "");
    return text_end(text);
}

static void test_garbage(void **state)
{
    Ground *t = *state;
    Text text = {0};
    int good = 0;
    ground_row(t, DENSE, "layer");
    t->x = graph_find_leaf(t->g, "x");
    for (int i = 0; i < 6000; i++) {
        t->text = random_text(&text);
        t->given = i % 3;
        int status = error_catch(&t->error, step_quietly, t);
        assert_true(status == NUDGE_OK || (status == NUDGE_INPUT && t->error.message[0]));
        good += status == NUDGE_OK;
        error_clear(&t->error);
        t->g->origin = NULL;
    }
    assert_in_range(good, 30, 5000); /* some of it means something */
    text_free(&text);
}

/* ---- Memory ---- */

static long heap_left = -1;

static void *heap_failing(void *context, void *block, size_t size)
{
    (void)context;
    if (!size) {
        free(block);
        return NULL;
    }
    if (heap_left >= 0 && heap_left-- == 0) return NULL;
    return realloc(block, size);
}

static void step_everything(void *context)
{
    Ground *t = context;
    ground_fill(t);
    scope_add_row(t->scope, "dense", DENSE, NULL, "layer");
    scope_add_row(t->scope, "soft", "soft(x, axis=-1): e = exp(x); e/sum(e, axis)", NULL, NULL);
    Node *x = notation_net(&t->context, "dense(8) residual(dense(8) tanh) soft", graph_find_leaf(t->g, "x"),
                           NULL, NULL);
    scope_add_node(t->scope, "y", x);
    notation_evaluate(&t->context,
                      "h = zeros(8); for k < 2 along y { h = h + y; h }, y{n (a b) -> (n a) b}[0]; nonsense");
}

/* Each allocation fails in turn: always a status, never a leak or a crash. */
static void test_memory(void **state)
{
    (void)state;
    int status = NUDGE_MACHINE;
    nudge_allocator(heap_failing, NULL);
    for (long n = 0; status == NUDGE_MACHINE; n++) {
        Ground t = {0};
        heap_left = n;
        arena_init(&t.arena, &t.error);
        t.g = graph_new(&t.error);
        status = t.g ? error_catch(&t.error, step_everything, &t) : t.error.status;
        heap_left = -1;
        graph_free(t.g);
        arena_free(&t.arena);
        assert_true(n < 1000);
    }
    assert_int_equal(status, NUDGE_INPUT); /* y{n (a b)...} has two unknown sizes */
    nudge_allocator(NULL, NULL);
}

static int setup(void **state)
{
    *state = ground_new();
    return 0;
}

static int teardown(void **state)
{
    ground_free(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_numbers),
        TEST(test_tensors),
        TEST(test_index),
        TEST(test_reductions),
        TEST(test_shapes),
        TEST(test_patterns),
        TEST(test_definitions),
        TEST(test_calls),
        TEST(test_rows_listed),
        TEST(test_layers),
        TEST(test_late_rows),
        TEST(test_optimizer),
        TEST(test_assign),
        TEST(test_loops),
        TEST(test_loop_node),
        TEST(test_nets),
        TEST(test_dropout),
        TEST(test_weights),
        TEST(test_random),
        TEST(test_initial),
        TEST(test_initial_handed_in),
        TEST(test_gradients),
        TEST(test_gradient_unknown),
        TEST(test_call),
        TEST(test_long),
        TEST(test_deep),
        TEST(test_garbage),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
