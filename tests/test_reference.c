/* test_reference.c: the reference evaluator against values worked out by hand, operation by operation. */
#include "graph/reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct Bench {
    Error error;
    Arena arena;
    Graph *g;
    struct {
        const Node *leaf;
        const double *value;
    } given[8];
    int count;
} Bench;

static int setup(void **state)
{
    Bench *b = memory_zero(1, sizeof *b);
    arena_init(&b->arena, &b->error);
    b->g = graph_new(&b->error);
    *state = b;
    return !b->g;
}

static int teardown(void **state)
{
    Bench *b = *state;
    graph_free(b->g);
    arena_free(&b->arena);
    memory_release(b);
    return 0;
}

static const double *bind(void *context, const Node *leaf)
{
    Bench *b = context;
    for (int i = 0; i < b->count; i++)
        if (b->given[i].leaf == leaf) return b->given[i].value;
    return NULL;
}

static Node *data(Bench *b, const char *name, Type type, Shape shape, const double *value)
{
    Node *n = graph_leaf(b->g, ROLE_DATA, name, type, shape, NULL);
    b->given[b->count].leaf = n;
    b->given[b->count++].value = value;
    return n;
}

#define SHAPE(...) shape_of(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

static double *value(Bench *b, Node *n)
{
    double *out;
    Reference r = {bind, b, false};
    reference_evaluate(&b->arena, b->g, &r, 1, &n, &out);
    return out;
}

static void expect_at(Bench *b, Node *n, Shape shape, const double *want, int line)
{
    double *is = value(b, n);
    if (!shape_equal(n->shape, shape)) fail_msg("line %d: shape %s", line, shape_text(&b->arena, n->shape));
    for (int64_t i = 0; i < shape_size(shape); i++)
        if (fabs(is[i] - want[i]) > 1e-12 * fabs(want[i]) || isnan(is[i]) != isnan(want[i]))
            fail_msg("line %d: element %d is %.17g, not %.17g", line, (int)i, is[i], want[i]);
}
#define expect(b, n, shape, ...) expect_at(b, n, shape, (double[]){__VA_ARGS__}, __LINE__)

static void test_elements_broadcast(void **state)
{
    Bench *b = *state;
    Node *x = data(b, "x", TYPE_REAL, SHAPE(2, 1), (double[]){1, 2});
    Node *z = data(b, "z", TYPE_REAL, SHAPE(3), (double[]){10, 20, 30});
    expect(b, graph_binary(b->g, OP_sub, z, x), SHAPE(2, 3), 9, 19, 29, 8, 18, 28);
    expect(b, graph_binary(b->g, OP_mul, x, graph_const(b->g, 3)), SHAPE(2, 1), 3, 6);
    Node *three[] = {graph_binary(b->g, OP_lt, x, graph_const(b->g, 2)), z, x};
    expect(b, graph_node(b->g, OP_where, 3, three, 0, NULL), SHAPE(2, 3), 10, 20, 30, 2, 2, 2);
    expect(b, graph_expand(b->g, x, SHAPE(2, 2)), SHAPE(2, 2), 1, 1, 2, 2);
}

static void test_reductions(void **state)
{
    Bench *b = *state;
    Node *x = data(b, "x", TYPE_REAL, SHAPE(2, 3), (double[]){1, 5, 2, 7, -1, 7});
    Node *hole = data(b, "hole", TYPE_REAL, SHAPE(3), (double[]){1, NAN, 2});
    Node *none = data(b, "none", TYPE_REAL, SHAPE(0, 2), NULL);
    expect(b, graph_reduce(b->g, OP_sum, x, 1), SHAPE(1, 3), 8, 4, 9);
    expect(b, graph_reduce(b->g, OP_sum, x, 3), SHAPE(1, 1), 21);
    expect(b, graph_reduce(b->g, OP_amax, x, 2), SHAPE(2, 1), 5, 7);
    expect(b, graph_reduce(b->g, OP_amax, hole, 1), SHAPE(1), NAN);
    expect(b, graph_node(b->g, OP_argmax, 1, &x, 1, (int64_t[]){1}), SHAPE(2, 1), 1, 0);
    expect(b, graph_node(b->g, OP_argmax, 1, &x, 1, (int64_t[]){0}), SHAPE(1, 3), 1, 0, 1);
    expect(b, graph_node(b->g, OP_argmax, 1, &hole, 1, (int64_t[]){0}), SHAPE(1), 1);
    b->given[b->count - 1].value = (double[]){0};
    expect(b, graph_reduce(b->g, OP_sum, none, 1), SHAPE(1, 2), 0, 0);
}

static void test_moves(void **state)
{
    Bench *b = *state;
    Node *x = data(b, "x", TYPE_REAL, SHAPE(2, 3), (double[]){1, 2, 3, 4, 5, 6});
    expect(b, graph_swap(b->g, x), SHAPE(3, 2), 1, 4, 2, 5, 3, 6);
    expect(b, graph_reshape(b->g, x, SHAPE(3, 2)), SHAPE(3, 2), 1, 2, 3, 4, 5, 6);
    int64_t begin[] = {1, 2}, step[] = {-1, -2};
    expect(b, graph_slice(b->g, x, begin, step, SHAPE(2, 2)), SHAPE(2, 2), 6, 4, 3, 1);
    Node *row = graph_reshape(b->g, x, SHAPE(1, 6));
    expect(b, graph_pad(b->g, row, (int64_t[]){1, 0}, (int64_t[]){1, 1}, SHAPE(2, 6)), SHAPE(2, 6), 0, 0, 0,
           0, 0, 0, 1, 2, 3, 4, 5, 6);
    Node *both[] = {x, graph_unary(b->g, OP_neg, x)};
    expect(b, graph_concat(b->g, 2, both, 1), SHAPE(2, 6), 1, 2, 3, -1, -2, -3, 4, 5, 6, -4, -5, -6);
    expect(b, graph_iota(b->g, SHAPE(2, 3), 1), SHAPE(2, 3), 0, 1, 2, 0, 1, 2);
    int axes[] = {2, 0, 1};
    Node *cube = graph_transpose(b->g, graph_reshape(b->g, x, SHAPE(1, 2, 3)), axes);
    expect(b, cube, SHAPE(3, 1, 2), 1, 4, 2, 5, 3, 6);
}

static void test_products(void **state)
{
    Bench *b = *state;
    Node *x = data(b, "x", TYPE_REAL, SHAPE(2, 1, 2), (double[]){1, 2, 3, 4});
    Node *z = data(b, "z", TYPE_REAL, SHAPE(2, 2), (double[]){1, 10, 100, 1000});
    expect(b, graph_matmul(b->g, x, z), SHAPE(2, 1, 2), 201, 2010, 403, 4030);
    Node *many = data(b, "many", TYPE_REAL, SHAPE(2, 2, 1), (double[]){1, 1, 1, -1});
    expect(b, graph_matmul(b->g, z, many), SHAPE(2, 2, 1), 11, 1100, -9, -900);
}

static void test_positions(void **state)
{
    Bench *b = *state;
    Node *x = data(b, "x", TYPE_REAL, SHAPE(3, 2), (double[]){1, 2, 3, 4, 5, 6});
    Node *at = data(b, "at", TYPE_I32, SHAPE(3), (double[]){2, 0, 2});
    Node *column = data(b, "column", TYPE_I32, SHAPE(3), (double[]){1, 0, 1});
    expect(b, graph_binary(b->g, OP_take, x, at), SHAPE(3, 2), 5, 6, 1, 2, 5, 6);
    Node *both[] = {x, at};
    expect(b, graph_node(b->g, OP_scatter, 2, both, 1, (int64_t[]){4}), SHAPE(4, 2), 3, 4, 0, 0, 6, 8, 0, 0);
    expect(b, graph_binary(b->g, OP_pick, x, column), SHAPE(3, 1), 2, 3, 6);
}

static void test_casts(void **state)
{
    Bench *b = *state;
    Node *x = data(b, "x", TYPE_REAL, SHAPE(5), (double[]){-1.7, 2.9, 300, NAN, -INFINITY});
    expect(b, graph_cast(b->g, x, TYPE_I32), SHAPE(5), -1, 2, 300, 0, INT32_MIN);
    expect(b, graph_cast(b->g, x, TYPE_U8), SHAPE(5), 0, 2, 255, 0, 0);
}

static void test_single(void **state)
{
    Bench *b = *state;
    Node *x = data(b, "x", TYPE_REAL, SHAPE(1), (double[]){1. / 3});
    Node *y = graph_binary(b->g, OP_mul, x, x);
    Reference r = {bind, b, true};
    double *out;
    reference_evaluate(&b->arena, b->g, &r, 1, &y, &out);
    assert_true(*out == (double)((float)(1. / 3) * (float)(1. / 3)));
}

/* f(x, z) = x - z, 2*z as one call. */
static void test_call(void **state)
{
    Bench *b = *state;
    Node *place[] = {graph_place(b->g, TYPE_REAL, SHAPE(2)), graph_place(b->g, TYPE_REAL, SHAPE(2))};
    Node *result[] = {graph_binary(b->g, OP_sub, place[0], place[1]),
                      graph_binary(b->g, OP_mul, place[1], graph_const(b->g, 2))};
    Node *x = data(b, "x", TYPE_REAL, SHAPE(2), (double[]){1, 2});
    Node *z = data(b, "z", TYPE_REAL, SHAPE(2), (double[]){10, 20});
    Node *call = graph_call(b->g, "f", NULL, 2, (Node *[]){z, x}, (Body){2, 2, place, result});
    expect(b, graph_output(b->g, call, 0), SHAPE(2), 9, 18);
    expect(b, graph_output(b->g, call, 1), SHAPE(2), 2, 4);
}

/* s = s*decay + x[t], stacked 10*t + s, in both directions. */
static void test_loop(void **state)
{
    Bench *b = *state;
    Node *s = graph_place(b->g, TYPE_REAL, SHAPE(1)), *x = graph_place(b->g, TYPE_REAL, SHAPE(1));
    Node *decay = graph_place(b->g, TYPE_REAL, SHAPE(1)), *t = graph_place(b->g, TYPE_I32, shape_of(0, NULL));
    Node *next = graph_binary(b->g, OP_add, graph_binary(b->g, OP_mul, s, decay), x);
    Node *ten = graph_binary(b->g, OP_mul, graph_cast(b->g, t, TYPE_REAL), graph_const(b->g, 10));
    Node *place[] = {s, x, decay, t}, *result[] = {next, graph_binary(b->g, OP_add, ten, next)};
    Node *input[] = {data(b, "s", TYPE_REAL, SHAPE(1), (double[]){1}),
                     data(b, "x", TYPE_REAL, SHAPE(3, 1), (double[]){1, 2, 3}),
                     data(b, "decay", TYPE_REAL, SHAPE(1), (double[]){.5})};
    Loop loop = {3, false, 1, 1, {4, 2, place, result}};
    Node *on = graph_loop(b->g, loop, 3, input);
    expect(b, on, SHAPE(1), 4.375);
    expect(b, graph_output(b->g, on, 1), SHAPE(3, 1), 1.5, 12.75, 24.375);
    expect(b, graph_output(b->g, on, 2), SHAPE(3, 1), 1, 1.5, 2.75);
    loop.reverse = true;
    Node *back = graph_loop(b->g, loop, 3, input);
    expect(b, back, SHAPE(1), 2.875);
    expect(b, graph_output(b->g, back, 1), SHAPE(3, 1), 2.875, 13.75, 23.5);
    expect(b, graph_output(b->g, back, 2), SHAPE(3, 1), 3.75, 3.5, 1);
}

static void test_random(void **state)
{
    Bench *b = *state;
    Node *seed = data(b, "seed", TYPE_SCALAR, shape_of(0, NULL), (double[]){7});
    Node *u = graph_node(b->g, OP_uniform, 1, &seed, 2, (int64_t[]){1, 4000});
    Node *other = graph_node(b->g, OP_uniform, 1, &seed, 2, (int64_t[]){2, 4000});
    Node *n = graph_node(b->g, OP_normal, 1, &seed, 2, (int64_t[]){1, 4000});
    const double *x = value(b, u), *z = value(b, n), *o = value(b, other);
    double mean = 0, square = 0, normal = 0, normals = 0, both = 0;
    for (int i = 0; i < 4000; i++) {
        assert_true(x[i] >= 0 && x[i] < 1);
        mean += x[i] / 4000, square += x[i] * x[i] / 4000, normal += z[i] / 4000,
            normals += z[i] * z[i] / 4000;
        both += (x[i] - .5) * (o[i] - .5) / 4000;
    }
    assert_true(fabs(mean - .5) < .02 && fabs(square - 1. / 3) < .02);
    assert_true(fabs(normal) < .06 && fabs(normals - 1) < .09 && fabs(both) < .006);
}

static void run_unbound(void *context)
{
    Bench *b = context;
    value(b, graph_leaf(b->g, ROLE_DATA, "lost", TYPE_REAL, SHAPE(1), NULL));
}

static void run_outside(void *context)
{
    Bench *b = context;
    Node *x = data(b, "rows", TYPE_REAL, SHAPE(2, 1), (double[]){1, 2});
    value(b, graph_binary(b->g, OP_take, x, data(b, "far", TYPE_I32, SHAPE(1), (double[]){2})));
}

static void test_mistakes(void **state)
{
    Bench *b = *state;
    assert_int_equal(error_catch(&b->error, run_unbound, b), NUDGE_INPUT);
    assert_non_null(strstr(b->error.message, "no value was given for lost"));
    error_clear(&b->error);
    assert_int_equal(error_catch(&b->error, run_outside, b), NUDGE_INPUT);
    assert_non_null(strstr(b->error.message, "position 2 is not within 0 to 1"));
    error_clear(&b->error);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_elements_broadcast),
        TEST(test_reductions),
        TEST(test_moves),
        TEST(test_products),
        TEST(test_positions),
        TEST(test_casts),
        TEST(test_single),
        TEST(test_call),
        TEST(test_loop),
        TEST(test_random),
        TEST(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
