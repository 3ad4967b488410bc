/* test_graph.c: building graphs: what is refused and in which words, what is simplified and what must not be, equal
 * nodes as one node, bodies, and the checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph/graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SHAPE(...) shape_of(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

typedef struct Room {
    Error error;
    Graph *g;
    Node *a, *b, *m, *e, *w, *i, *u, *s, *f; /* see room_leaves */
} Room;

static void room_leaves(void *context)
{
    Room *r = context;
    Graph *g = r->g;
    r->a = graph_leaf(g, ROLE_DATA, "a", TYPE_REAL, SHAPE(2, 3), NULL);
    r->b = graph_leaf(g, ROLE_DATA, "b", TYPE_REAL, SHAPE(4), NULL);
    r->m = graph_leaf(g, ROLE_DATA, "m", TYPE_REAL, SHAPE(3, 2), NULL);
    r->e = graph_leaf(g, ROLE_DATA, "e", TYPE_REAL, SHAPE(0, 3), NULL);
    r->w = graph_leaf(g, ROLE_PARAMETER, "w", TYPE_REAL, SHAPE(1, 2, 1, 2, 1, 2, 2, 2), NULL);
    r->i = graph_leaf(g, ROLE_STATE, "i", TYPE_I32, SHAPE(2), NULL);
    r->u = graph_leaf(g, ROLE_DATA, "u", TYPE_U8, SHAPE(2, 3), NULL);
    r->s = graph_leaf(g, ROLE_SCALAR, "s", TYPE_SCALAR, (Shape){0}, NULL);
    r->f = graph_leaf(g, ROLE_DATA, "f", TYPE_REAL, (Shape){0}, NULL);
}

static int setup(void **state)
{
    Room *r = calloc(1, sizeof *r);
    r->g = graph_new(&r->error);
    *state = r;
    return !r->g || error_catch(&r->error, room_leaves, r);
}

static int teardown(void **state)
{
    Room *r = *state;
    graph_free(r->g);
    free(r);
    return 0;
}

/* Runs body, which must raise that sentence. */
static void expect_raise(Room *r, void (*body)(void *context), void *context, int status, const char *message)
{
    assert_int_equal(error_catch(&r->error, body, context), status);
    assert_string_equal(r->error.message, message);
    error_clear(&r->error);
}

/* ---- Mistakes ---- */

typedef struct Mistake {
    OpCode op;
    const char *inputs; /* leaves by name */
    const char *message;
    int attributes;
    int64_t attribute[3 * RANK_MAX + 6];
} Mistake;

static const Mistake mistakes[] = {
    {OP_add, "a", "add takes 2 inputs, not 1", 0, {0}},
    {OP_concat, "", "concat takes at least 1 input, not 0", 1, {0}},
    {OP_add, "ab", "add: shapes [2, 3] and [4] do not fit; counted from the end, axis 1 has 3 and 4", 0, {0}},
    {OP_mul, "au", "mul needs real numbers; this is u8: write cast(..., real)", 0, {0}},
    {OP_sum, "s", "sum needs real numbers; this is one number, not a tensor: write cast(..., real)", 0, {0}},
    {OP_leaf, "", "leaf cannot be made by name", 0, {0}},
    {OP_const, "", "const cannot be made by name", 0, {0}},
    {OP_iota, "", "iota: there is no axis 2 in shape [3, 4]", 3, {2, 3, 4}},
    {OP_iota, "", "iota: there is no axis 0 in shape []", 1, {0}},
    {OP_iota, "", "iota: [-1] is no shape", 2, {0, -1}},
    {OP_iota, "", "iota: [4294967296, 4294967296] is no shape", 3, {0, 4294967296, 4294967296}},
    {OP_iota, "", "iota: a tensor has at most 8 axes", 10, {0, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {OP_iota, "", "iota: a tensor has at most 8 axes", 3 * RANK_MAX + 6, {0}},
    {OP_uniform, "f", "uniform: the seed is one number", 2, {0, 3}},
    {OP_cast, "a", "cast: the types are real, i32 and u8", 1, {TYPE_SCALAR}},
    {OP_cast, "a", "cast: the types are real, i32 and u8", 1, {-1}},
    {OP_amax, "e", "amax: axis 0 of shape [0, 3] is empty and has no largest", 2, {1, 0}},
    {OP_argmax, "e", "argmax: axis 0 of shape [0, 3] is empty", 1, {0}},
    {OP_argmax, "a", "argmax: there is no axis 2 in shape [2, 3]", 1, {2}},
    {OP_argmax, "u", "argmax needs real numbers; this is u8: write cast(..., real)", 1, {0}},
    {OP_expand, "a", "expand: [2, 3] does not repeat to [3, 3]; only axes of size 1 repeat", 2, {3, 3}},
    {OP_expand, "a", "expand: [2, 3] does not repeat to [3]; only axes of size 1 repeat", 1, {3}},
    {OP_reshape, "a", "reshape: [2, 3] has 6 elements, [7] has 7", 1, {7}},
    {OP_transpose, "a", "transpose: 1 axes are named, shape [2, 3] has 2", 1, {0}},
    {OP_transpose, "a", "transpose: axis 1 is named twice", 2, {1, 1}},
    {OP_transpose, "a", "transpose: there is no axis 2 in shape [2, 3]", 2, {0, 2}},
    {OP_slice, "a", "slice: begin, step and size need one number for each axis of [2, 3]", 3, {0, 1, 1}},
    {OP_slice, "a", "slice: positions 1 to 3 of axis 1 are not all within its 3", 6, {0, 1, 1, 1, 2, 3}},
    {OP_slice, "a", "slice: positions 0 to -1 of axis 0 are not all within its 2", 6, {0, 0, -1, 1, 2, 3}},
    {OP_slice, "a", "slice: positions 0 to 0 of axis 0 are not all within its 2", 6, {0, 0, 0, 1, 1, 3}},
    {OP_pad, "a", "pad: positions 1 to 2 of axis 0 are not all within its 2", 6, {1, 0, 1, 1, 2, 3}},
    {OP_concat,
     "am",
     "concat: real[3, 2] does not continue real[2, 3] along axis 0; all other axes must agree",
     1,
     {0}},
    {OP_concat,
     "au",
     "concat: u8[2, 3] does not continue real[2, 3] along axis 0; all other axes must agree",
     1,
     {0}},
    {OP_concat, "f", "concat: there is no axis 0 in shape []", 1, {0}},
    {OP_matmul, "ab", "@ multiplies matrices; these have shapes [2, 3] and [4]", 0, {0}},
    {OP_matmul, "aa", "[2, 3] @ [2, 3]: the left has 3 columns, the right 2 rows", 0, {0}},
    {OP_take, "ab", "take: positions are i32, not real: write cast(..., i32)", 0, {0}},
    {OP_take, "fi", "take needs a tensor with rows; this has shape []", 0, {0}},
    {OP_take, "ei", "take needs a tensor with rows; this has shape [0, 3]", 0, {0}},
    {OP_scatter, "bi", "scatter: rows [4] need a position each; the positions have shape [2]", 1, {4}},
    {OP_scatter, "ui", "scatter needs real numbers; this is u8: write cast(..., real)", 1, {4}},
    {OP_scatter, "ai", "scatter: [-4] is no shape", 1, {-4}},
    {OP_pick, "bi", "pick: each row of [4] needs one position; the positions have shape [2]", 0, {0}},
    {OP_output, "a", "leaf has no output 1", 1, {1}},
    {OP_output, "a", "leaf has no output -1", 1, {-1}},
};

typedef struct Mistaken {
    Room *room;
    const Mistake *mistake;
} Mistaken;

static Node *room_leaf(Room *r, char name)
{
    return graph_find_leaf(r->g, (char[]){name, 0});
}

static void make_mistake(void *context)
{
    const Mistaken *now = context;
    const Mistake *m = now->mistake;
    Node *input[4];
    int inputs = (int)strlen(m->inputs);
    for (int i = 0; i < inputs; i++)
        input[i] = room_leaf(now->room, m->inputs[i]);
    graph_node(now->room->g, m->op, inputs, input, m->attributes, m->attribute);
}

static void test_mistakes(void **state)
{
    Room *r = *state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        Mistaken now = {r, &mistakes[i]};
        expect_raise(r, make_mistake, &now, NUDGE_INPUT, mistakes[i].message);
    }
}

static void make_large_product(void *context)
{
    Room *r = context;
    graph_matmul(
        r->g, r->w,
        graph_swap(r->g, graph_slice(r->g, r->w, (int64_t[RANK_MAX]){0}, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1},
                                     SHAPE(1, 2, 1, 2, 1, 2, 1, 2))));
    graph_binary(r->g, OP_take, r->w, graph_cast(r->g, r->a, TYPE_I32));
}

static void make_swap(void *context)
{
    Room *r = context;
    graph_swap(r->g, r->b);
}

static void make_other_shape(void *context)
{
    Room *r = context;
    graph_leaf(r->g, ROLE_DATA, "a", TYPE_I32, SHAPE(5), NULL);
}

static void make_assigned_data(void *context)
{
    Room *r = context;
    graph_assign(r->g, r->a, r->a);
}

static void make_assigned_number(void *context)
{
    Room *r = context;
    graph_assign(r->g, r->s, graph_const(r->g, 1));
}

static void make_assigned_type(void *context)
{
    Room *r = context;
    graph_assign(r->g, r->i, graph_slice(r->g, r->b, (int64_t[]){0}, (int64_t[]){1}, SHAPE(2)));
}

static void test_more_mistakes(void **state)
{
    Room *r = *state;
    expect_raise(r, make_large_product, r, NUDGE_INPUT, "a tensor has at most 8 axes");
    expect_raise(r, make_swap, r, NUDGE_INPUT, "' transposes the last two axes; this has shape [4]");
    expect_raise(r, make_other_shape, r, NUDGE_INPUT,
                 "a is used twice, as real[2, 3] and as i32[5]; a shared parameter has one shape");
    expect_raise(r, make_assigned_data, r, NUDGE_INPUT, "only a parameter or state can be assigned");
    expect_raise(r, make_assigned_number, r, NUDGE_INPUT, "only a parameter or state can be assigned");
    expect_raise(r, make_assigned_type, r, NUDGE_INPUT,
                 "i is i32 and cannot take real: write cast(..., i32)");
}

/* ---- Simplifications ---- */

static Node *number(Room *r, double value)
{
    return graph_const(r->g, value);
}

static void assert_number(const Node *n, double value)
{
    assert_int_equal(n->op, OP_const);
    assert_memory_equal(&n->value, &value, sizeof value);
}

static void test_folding(void **state)
{
    Room *r = *state;
    assert_number(graph_binary(r->g, OP_add, number(r, 2), number(r, 3)), 5);
    assert_number(graph_unary(r->g, OP_sqrt, number(r, 9)), 3);
    assert_number(
        graph_node(r->g, OP_where, 3, (Node *[]){number(r, 0), number(r, 1), number(r, 7)}, 0, NULL), 7);
    assert_true(isnan(graph_binary(r->g, OP_div, number(r, 0), number(r, 0))->value));
    assert_number(graph_unary(r->g, OP_neg, number(r, 0)), -0.0);
}

static void test_neutral(void **state)
{
    Room *r = *state;
    static const struct {
        OpCode op;
        bool left, right; /* where the number may stand */
        double value;
    } row[] = {{OP_add, true, true, 0},
               {OP_sub, false, true, 0},
               {OP_mul, true, true, 1},
               {OP_div, false, true, 1},
               {OP_pow, false, true, 1}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        Node *n = number(r, row[i].value), *left = graph_binary(r->g, row[i].op, n, r->a),
             *right = graph_binary(r->g, row[i].op, r->a, n);
        assert_int_equal(left == r->a, row[i].left);
        assert_int_equal(right == r->a, row[i].right);
    }
    assert_int_equal(graph_binary(r->g, OP_sub, number(r, 0), r->a)->op, OP_neg);
    assert_int_equal(graph_binary(r->g, OP_mul, r->a, number(r, -1))->op, OP_neg);
    Node *minus = graph_unary(r->g, OP_neg, r->a);
    assert_ptr_equal(graph_unary(r->g, OP_neg, minus), r->a);
    assert_ptr_equal(graph_unary(r->g, OP_copy, r->a), r->a);
    assert_ptr_equal(graph_binary(r->g, OP_add, r->f, graph_unary(r->g, OP_neg, r->a)),
                     graph_binary(r->g, OP_sub, r->f, r->a));
}

/* What would be wrong where a is NaN, infinite or 0. */
static void test_nothing_hidden(void **state)
{
    Room *r = *state;
    Node *zero = number(r, 0), *one = number(r, 1);
    assert_int_equal(graph_binary(r->g, OP_mul, r->a, zero)->op, OP_mul);
    assert_int_equal(graph_binary(r->g, OP_mul, zero, r->a)->op, OP_mul);
    assert_int_equal(graph_binary(r->g, OP_sub, r->a, r->a)->op, OP_sub);
    assert_int_equal(graph_binary(r->g, OP_div, r->a, r->a)->op, OP_div);
    assert_int_equal(graph_binary(r->g, OP_div, zero, r->a)->op, OP_div);
    assert_int_equal(graph_binary(r->g, OP_pow, r->a, zero)->op, OP_pow);
    assert_int_equal(graph_binary(r->g, OP_pow, one, r->a)->op, OP_pow);
    assert_int_equal(graph_binary(r->g, OP_eq, r->a, r->a)->op, OP_eq);
    assert_int_equal(graph_unary(r->g, OP_log, graph_unary(r->g, OP_exp, r->a))->op, OP_log);
}

/* log(sigmoid(x)) as min(x, 0) - log1p(exp(-|x|)): finite where x is. */
static void test_logsigmoid(void **state)
{
    Room *r = *state;
    Node *n = graph_unary(r->g, OP_log, graph_unary(r->g, OP_sigmoid, r->a));
    assert_int_equal(n->op, OP_sub);
    assert_int_equal(n->input[0]->op, OP_min);
    assert_int_equal(n->input[1]->op, OP_log1p);
}

static void test_moves(void **state)
{
    Room *r = *state;
    Graph *g = r->g;
    assert_ptr_equal(graph_cast(g, r->a, TYPE_REAL), r->a);
    assert_int_equal(graph_cast(g, r->s, TYPE_REAL)->op, OP_cast);
    assert_ptr_equal(graph_reshape(g, graph_reshape(g, r->a, SHAPE(6)), SHAPE(2, 3)), r->a);
    assert_ptr_equal(graph_swap(g, graph_swap(g, r->a)), r->a);
    assert_ptr_equal(graph_expand(g, r->a, SHAPE(2, 3)), r->a);
    Node *twice = graph_expand(g, graph_expand(g, r->f, SHAPE(3)), SHAPE(2, 3));
    assert_ptr_equal(twice, graph_expand(g, r->f, SHAPE(2, 3)));
    assert_ptr_equal(graph_concat(g, 1, &r->a, 0), r->a);
    Node *sums = graph_reduce(g, OP_sum, graph_reduce(g, OP_sum, r->a, 1), 2);
    assert_ptr_equal(sums, graph_reduce(g, OP_sum, r->a, 3));
    assert_ptr_equal(graph_reduce(g, OP_amax, sums, 3), sums);
    assert_int_equal(graph_reduce(g, OP_amax, graph_reduce(g, OP_sum, r->a, 1), 2)->op, OP_amax);
}

static void test_windows(void **state)
{
    Room *r = *state;
    Graph *g = r->g;
    const int64_t none[] = {0, 0}, one[] = {1, 1}, back[] = {1, 2}, minus[] = {-1, -1};
    assert_ptr_equal(graph_slice(g, r->a, none, one, SHAPE(2, 3)), r->a);
    assert_ptr_equal(graph_pad(g, r->a, none, one, SHAPE(2, 3)), r->a);
    Node *turned = graph_slice(g, r->a, back, minus, SHAPE(2, 3));
    assert_int_equal(turned->op, OP_slice);
    assert_ptr_equal(graph_slice(g, turned, back, minus, SHAPE(2, 3)), r->a);
    Node *padded = graph_pad(g, r->a, one, (int64_t[]){2, 1}, SHAPE(5, 5));
    assert_ptr_equal(graph_slice(g, padded, one, (int64_t[]){2, 1}, SHAPE(2, 3)), r->a);
    assert_int_equal(graph_slice(g, padded, none, (int64_t[]){2, 1}, SHAPE(2, 3))->input[0]->op, OP_pad);
    Node *part = graph_slice(g, graph_slice(g, r->b, (int64_t[]){3}, (int64_t[]){-1}, SHAPE(4)),
                             (int64_t[]){1}, (int64_t[]){2}, SHAPE(2));
    assert_ptr_equal(part, graph_slice(g, r->b, (int64_t[]){2}, (int64_t[]){-2}, SHAPE(2)));
}

/* An expand before an elementwise operation goes, unless it makes the shape. */
static void test_broadcasting(void **state)
{
    Room *r = *state;
    Node *wide = graph_expand(r->g, r->f, SHAPE(2, 3));
    assert_ptr_equal(graph_binary(r->g, OP_add, r->a, wide), graph_binary(r->g, OP_add, r->a, r->f));
    Node *both = graph_binary(r->g, OP_mul, wide, number(r, 2));
    assert_int_equal(both->op, OP_mul);
    assert_true(shape_equal(both->shape, SHAPE(2, 3)));
    Node *sum = graph_binary(r->g, OP_add, wide, number(r, 0));
    assert_ptr_equal(sum, wide);
}

/* ---- Equal nodes ---- */

static void test_one_node(void **state)
{
    Room *r = *state;
    Graph *g = r->g;
    assert_ptr_equal(graph_unary(g, OP_tanh, r->a), graph_unary(g, OP_tanh, r->a));
    assert_ptr_equal(graph_binary(g, OP_mul, r->a, r->f), graph_binary(g, OP_mul, r->f, r->a));
    assert_ptr_not_equal(graph_binary(g, OP_sub, r->a, r->f), graph_binary(g, OP_sub, r->f, r->a));
    assert_ptr_equal(number(r, NAN), number(r, NAN));
    assert_ptr_not_equal(number(r, 0), number(r, -0.0));
    assert_ptr_not_equal(graph_reduce(g, OP_sum, r->a, 1), graph_reduce(g, OP_sum, r->a, 2));
    assert_ptr_equal(graph_leaf(g, ROLE_DATA, "a", TYPE_REAL, SHAPE(2, 3), NULL), r->a);
    assert_null(graph_find_leaf(g, "nobody"));
    assert_ptr_not_equal(graph_place(g, TYPE_REAL, SHAPE(1)), graph_place(g, TYPE_REAL, SHAPE(1)));
}

/* Finds them among so many that the table has grown. */
static void test_many_nodes(void **state)
{
    Room *r = *state;
    enum { MANY = 20000 };
    for (int i = 0; i < MANY; i++)
        number(r, i);
    int nodes = r->g->nodes;
    for (int i = 0; i < MANY; i++)
        assert_number(number(r, i), i);
    assert_int_equal(r->g->nodes, nodes);
}

static void test_reachable(void **state)
{
    Room *r = *state;
    Node *root[] = {graph_binary(r->g, OP_add, graph_unary(r->g, OP_exp, r->a), r->f), r->f};
    size_t count;
    Node **node = graph_reachable(r->g, root, 2, &count);
    assert_int_equal(count, 4);
    assert_ptr_equal(node[0], r->a);
    assert_ptr_equal(node[1], r->f);
    assert_ptr_equal(node[3], root[0]);
    graph_reachable(r->g, NULL, 0, &count);
    assert_int_equal(count, 0);
}

/* ---- Shapes ---- */

static void test_conform(void **state)
{
    Room *r = *state;
    Graph *g = r->g;
    static const struct {
        Shape from, to;
        OpCode op;
    } row[] = {{{2, {2, 3}}, {2, {2, 3}}, OP_leaf},   {{2, {2, 3}}, {1, {3}}, OP_reshape},
               {{2, {2, 3}}, {2, {1, 3}}, OP_sum},    {{2, {2, 3}}, {0, {0}}, OP_reshape},
               {{1, {3}}, {2, {2, 3}}, OP_expand},    {{2, {1, 3}}, {1, {3}}, OP_reshape},
               {{2, {2, 1}}, {2, {1, 3}}, OP_expand}, {{0, {0}}, {2, {2, 3}}, OP_expand},
               {{2, {0, 3}}, {1, {3}}, OP_reshape},   {{3, {2, 1, 3}}, {2, {4, 3}}, OP_expand}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        Node *x =
            graph_leaf(g, ROLE_DATA, arena_print(&g->arena, "x%d", (int)i), TYPE_REAL, row[i].from, NULL);
        Node *y = graph_conform(g, x, row[i].to);
        assert_true(shape_equal(y->shape, row[i].to));
        assert_int_equal(y->op, row[i].op);
    }
    Node *wide = graph_conform(g, r->s, SHAPE(2));
    assert_int_equal(wide->type, TYPE_REAL);
    assert_true(shape_equal(wide->shape, SHAPE(2)));
}

static void test_matmul(void **state)
{
    Room *r = *state;
    Graph *g = r->g;
    Node *v = graph_leaf(g, ROLE_DATA, "v", TYPE_REAL, SHAPE(3), NULL);
    Node *t = graph_leaf(g, ROLE_DATA, "t", TYPE_REAL, SHAPE(5, 2, 3), NULL);
    Node *z = graph_leaf(g, ROLE_DATA, "z", TYPE_REAL, SHAPE(7, 1, 3, 2), NULL);
    assert_true(shape_equal(graph_matmul(g, r->a, r->m)->shape, SHAPE(2, 2)));
    assert_true(shape_equal(graph_matmul(g, r->a, v)->shape, SHAPE(2)));
    assert_true(shape_equal(graph_matmul(g, v, r->m)->shape, SHAPE(2)));
    assert_true(shape_equal(graph_matmul(g, v, v)->shape, (Shape){0}));
    assert_true(shape_equal(graph_matmul(g, t, z)->shape, SHAPE(7, 5, 2, 2)));
    Node *flat = graph_matmul(g, t, r->m); /* one product of all rows */
    assert_true(shape_equal(flat->shape, SHAPE(5, 2, 2)));
    assert_int_equal(flat->op, OP_reshape);
    assert_true(shape_equal(flat->input[0]->shape, SHAPE(10, 2)));
}

/* ---- Assignments ---- */

static void test_assign(void **state)
{
    Room *r = *state;
    Graph *g = r->g;
    Node *p = graph_leaf(g, ROLE_PARAMETER, "p", TYPE_REAL, SHAPE(2, 3), NULL);
    graph_assign(g, p, p);
    assert_int_equal(g->assignments, 0);
    graph_assign(g, p, r->a);
    graph_assign(g, p, r->s);
    assert_int_equal(g->assignments, 1); /* the last one counts */
    assert_ptr_equal(g->assignment[0].value, graph_expand(g, r->s, SHAPE(2, 3)));
}

/* ---- Bodies ---- */

static Body body_of(Node **input, int inputs, Node **output, int outputs)
{
    return (Body){inputs, outputs, input, output};
}

static void test_inline(void **state)
{
    Room *r = *state;
    Graph *g = r->g;
    Node *place[] = {graph_place(g, TYPE_REAL, SHAPE(2, 3)), graph_place(g, TYPE_REAL, SHAPE(2, 3))};
    Node *sum = graph_binary(g, OP_add, graph_unary(g, OP_exp, place[0]), r->f);
    Node *output[] = {sum, place[1], r->f, sum};
    Body body = body_of(place, 2, output, 4);
    Node *now[4], *given[] = {r->a, graph_unary(g, OP_tanh, r->a)};
    graph_inline(g, &body, given, now);
    assert_ptr_equal(now[0], graph_binary(g, OP_add, graph_unary(g, OP_exp, r->a), r->f));
    assert_ptr_equal(now[1], given[1]);
    assert_ptr_equal(now[2], r->f);
    assert_ptr_equal(now[3], now[0]);
    Node *call = graph_call(g, "f", NULL, 2, given, body);
    assert_int_equal(graph_outputs(call), 4);
    assert_true(shape_equal(graph_output(g, call, 2)->shape, (Shape){0}));
}

static void call_other_shape(void *context)
{
    Room *r = context;
    Node *place = graph_place(r->g, TYPE_REAL, SHAPE(2));
    graph_call(r->g, "f", NULL, 1, &r->a, body_of(&place, 1, &place, 1));
}

static void call_no_input(void *context)
{
    Room *r = context;
    Node *place = graph_place(r->g, TYPE_REAL, SHAPE(2));
    graph_call(r->g, "f", NULL, 0, NULL, body_of(&place, 1, &place, 1));
}

static void test_call_mistakes(void **state)
{
    Room *r = *state;
    expect_raise(r, call_other_shape, r, NUDGE_INPUT,
                 "f: input 0 is real[2, 3], its body was made for real[2]");
    expect_raise(r, call_no_input, r, NUDGE_INPUT, "call: 0 inputs are given, the body has 1");
}

/* h = tanh(h * f) along b, which stacks b's elements times h: f, a leaf, becomes an input that stays. */
static Node *loop_of(Room *r)
{
    Graph *g = r->g;
    Node *h = graph_place(g, TYPE_REAL, SHAPE(2, 3)), *x = graph_place(g, TYPE_REAL, (Shape){0});
    Node *place[] = {h, x, graph_place(g, TYPE_I32, (Shape){0})};
    Node *output[] = {graph_unary(g, OP_tanh, graph_binary(g, OP_mul, h, r->f)),
                      graph_binary(g, OP_mul, h, x)};
    Loop l = {.count = 4, .carried = 1, .stacked = 1, .body = body_of(place, 3, output, 2)};
    return graph_loop(g, l, 2, (Node *[]){r->a, r->b});
}

static void test_loop(void **state)
{
    Room *r = *state;
    Node *loop = loop_of(r);
    assert_int_equal(loop->inputs, 3);
    assert_ptr_equal(loop->input[2], r->f);
    assert_int_equal(loop->loop->body.inputs, 4);
    assert_int_equal(loop->loop->body.input[3]->type, TYPE_I32);
    assert_int_equal(graph_outputs(loop), 3);
    assert_true(shape_equal(graph_output(r->g, loop, 0)->shape, SHAPE(2, 3)));
    assert_true(shape_equal(graph_output(r->g, loop, 1)->shape, SHAPE(4, 2, 3)));
    assert_true(shape_equal(graph_output(r->g, loop, 2)->shape, SHAPE(4, 2, 3)));
    Node *root = graph_output(r->g, loop, 1);
    graph_verify(r->g, &root, 1);
}

typedef struct BadLoop {
    Room *room;
    Node *given, *place, *next;
    int carried, stacked;
} BadLoop;

static void make_bad_loop(void *context)
{
    const BadLoop *b = context;
    Node *place[] = {b->place, graph_place(b->room->g, TYPE_I32, (Shape){0})};
    Node *next = b->next;
    Loop l = {.count = 4, .carried = b->carried, .stacked = b->stacked, .body = body_of(place, 2, &next, 1)};
    graph_output(b->room->g, graph_loop(b->room->g, l, 1, &b->given), b->carried ? 1 : 0);
}

static void test_loop_mistakes(void **state)
{
    Room *r = *state;
    Graph *g = r->g;
    Node *two = graph_place(g, TYPE_REAL, SHAPE(2)), *one = graph_place(g, TYPE_REAL, (Shape){0}),
         *whole = graph_place(g, TYPE_I32, SHAPE(4)), *large = graph_place(g, TYPE_REAL, r->w->shape);
    const struct {
        BadLoop loop;
        const char *message;
    } row[] = {
        {{r, r->b, two, two, 1, 0}, "for: input 0 is real[4], the body was made for real[2]"},
        {{r, r->b, whole, whole, 1, 0}, "for: input 0 is real[4], the body was made for i32[4]"},
        {{r, r->s, one, one, 1, 0}, "for: input 0 is scalar[], the body was made for real[]"},
        {{r, r->a, one, one, 0, 1}, "for: input 0 is real[2, 3], the body was made for real[4]"},
        {{r, r->f, one, r->b, 1, 0},
         "for: a value that starts as real[] is real[4] after one turn; it must stay what it is"},
        {{r, r->f, one, graph_const(g, 1), 0, 0},
         "for: result 0 is one number, not a tensor: write cast(..., real)"},
        {{r, r->w, large, large, 0, 0},
         "for: a stack of [1, 2, 1, 2, 1, 2, 2, 2] would have more than 8 axes"},
        {{r, r->w, large, large, 1, 0},
         "for: a stack of [1, 2, 1, 2, 1, 2, 2, 2] would have more than 8 axes"},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        BadLoop bad = row[i].loop;
        expect_raise(r, make_bad_loop, &bad, NUDGE_INPUT, row[i].message);
    }
}

/* ---- Looking ---- */

static void verify_root(void *context)
{
    Node **root = context;
    Graph *g = (Graph *)root[1];
    graph_verify(g, root, 1);
}

static void test_verify(void **state)
{
    Room *r = *state;
    Node *y = graph_unary(r->g, OP_tanh, r->a), *root[] = {y, (Node *)(void *)r->g};
    assert_int_equal(error_catch(&r->error, verify_root, root), NUDGE_OK);
    y->shape.dim[0] = 5;
    const char *shape = arena_print(
        &r->g->arena, "the graph is broken at node %d (tanh): the shape is not what the rule says", y->id);
    expect_raise(r, verify_root, root, NUDGE_MACHINE, shape);
    y->shape.dim[0] = 2;
    int id = y->id;
    y->id = r->a->id;
    const char *order = arena_print(
        &r->g->arena, "the graph is broken at node %d (tanh): an input is younger than the node", y->id);
    expect_raise(r, verify_root, root, NUDGE_MACHINE, order);
    y->id = id;
    Node *loop = loop_of(r), *inside = loop->loop->body.output[0];
    root[0] = graph_output(r->g, loop, 0);
    assert_int_equal(error_catch(&r->error, verify_root, root), NUDGE_OK);
    inside->input[0]->shape.dim[0] = 7;
    assert_int_equal(error_catch(&r->error, verify_root, root), NUDGE_MACHINE);
    error_clear(&r->error);
}

static void test_print(void **state)
{
    Room *r = *state;
    Graph *g = r->g;
    Node *place = graph_place(g, TYPE_REAL, SHAPE(2, 3)),
         *twice = graph_binary(g, OP_mul, place, number(r, 2.5));
    Node *call = graph_call(g, "twice", NULL, 1, &r->a, body_of(&place, 1, &twice, 1));
    Node *root = graph_swap(g, call);
    Text out = {0};
    graph_print(g, &root, 1, &out);
    assert_string_equal(text_end(&out), "%0 real[2 3] = leaf a\n"
                                        "%12 real[2 3] = call %0 twice\n"
                                        "  %9 real[2 3] = leaf place\n"
                                        "  %10 scalar[] = const 2.5\n"
                                        "  %11 real[2 3] = mul %9 %10\n"
                                        "  gives %11\n"
                                        "%13 real[3 2] = transpose %12 : 1 0\n");
    text_free(&out);
}

/* A mistake shows the text it was made in, and the texts that called that one. */
static void make_with_origin(void *context)
{
    Room *r = context;
    Origin outer = {"net", "dense(4)\nmine(x)", 9, NULL}, inner = {"mine", "x + b", 2, &outer};
    r->g->origin = &inner;
    graph_binary(r->g, OP_add, r->a, r->b);
}

static void make_with_long_line(void *context)
{
    Room *r = context;
    char text[201];
    memset(text, '-', 200);
    text[200] = 0;
    Origin o = {"long", text, 100, NULL};
    r->g->origin = &o;
    graph_swap(r->g, r->b);
}

static void test_origin(void **state)
{
    Room *r = *state;
    expect_raise(r, make_with_origin, r, NUDGE_INPUT,
                 "net: mine(x)\n"
                 "     ^ add: shapes [2, 3] and [4] do not fit; counted from the end, axis 1 has 3 and 4\n"
                 "  mine: x + b\n"
                 "          ^");
    expect_raise(
        r, make_with_long_line, r, NUDGE_INPUT,
        "long: ...----------------------------------------------------------------------------...\n"
        "                                                 ^ ' transposes the last two axes; this has shape [4]");
    r->g->origin = NULL;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_mistakes),       TEST(test_more_mistakes), TEST(test_folding),       TEST(test_neutral),
        TEST(test_nothing_hidden), TEST(test_logsigmoid),    TEST(test_moves),         TEST(test_windows),
        TEST(test_broadcasting),   TEST(test_one_node),      TEST(test_many_nodes),    TEST(test_reachable),
        TEST(test_conform),        TEST(test_matmul),        TEST(test_assign),        TEST(test_inline),
        TEST(test_call_mistakes),  TEST(test_loop),          TEST(test_loop_mistakes), TEST(test_verify),
        TEST(test_print),          TEST(test_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
