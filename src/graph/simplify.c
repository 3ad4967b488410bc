/* simplify.c: small rewrites made whenever a node is built, so that no pass has to look for them. Used by graph.c.
 *
 * A rewrite keeps the shape and hides no NaN of the user's values: 0*x stays as it is. */
#include "graph/rules.h"

#include <math.h>
#include <string.h>

static bool is_const(const Node *n, double value)
{
    return n->op == OP_const && n->value == value && signbit(n->value) == signbit(value);
}

/* x in the draft's shape, if x alone already has it (or can be repeated to it). */
static Node *simplify_keep(Graph *g, const Node *n, Node *x)
{
    if (x->type != n->type) return NULL;
    return shape_equal(x->shape, n->shape) ? x : graph_expand(g, x, n->shape);
}

/* Elementwise operations on constants are done here, by the reference. */
static Node *simplify_fold(Graph *g, const Node *n)
{
    double v[3] = {0};
    for (int i = 0; i < n->inputs; i++) {
        if (n->input[i]->op != OP_const) return NULL;
        v[i] = n->input[i]->value;
    }
    return graph_const(g, ops_table[n->op].reference(v[0], v[1], v[2]));
}

/* Operations that leave one operand as it is when the other is their neutral element. */
static const struct Neutral {
    OpCode op;
    int constant; /* which input must be the constant */
    double value;
} simplify_neutral[] = {
    {OP_add, 1, 0.0}, {OP_add, 0, 0.0}, {OP_sub, 1, 0.0}, {OP_mul, 1, 1.0},
    {OP_mul, 0, 1.0}, {OP_div, 1, 1.0}, {OP_pow, 1, 1.0},
};

/* log(sigmoid(x)) in a form that is finite wherever x is, with its slope. */
static Node *simplify_logsigmoid(Graph *g, Node *x)
{
    Node *tail = graph_unary(g, OP_exp, graph_unary(g, OP_neg, graph_unary(g, OP_abs, x)));
    return graph_binary(g, OP_sub, graph_binary(g, OP_min, x, graph_const(g, 0)),
                        graph_unary(g, OP_log1p, tail));
}

static Node *simplify_element(Graph *g, const Node *n)
{
    Node *folded = simplify_fold(g, n);
    if (folded) return folded;
    if (n->op == OP_log && n->input[0]->op == OP_sigmoid)
        return simplify_logsigmoid(g, n->input[0]->input[0]);
    if (n->op == OP_copy) return n->input[0];
    if (n->op == OP_neg && n->input[0]->op == OP_neg) return n->input[0]->input[0];
    if (n->op == OP_mul && is_const(n->input[1], -1)) return graph_unary(g, OP_neg, n->input[0]);
    if (n->op == OP_sub && is_const(n->input[0], 0)) return graph_unary(g, OP_neg, n->input[1]);
    if (n->op == OP_add && n->input[1]->op == OP_neg)
        return graph_binary(g, OP_sub, n->input[0], n->input[1]->input[0]);
    for (size_t i = 0; i < sizeof simplify_neutral / sizeof *simplify_neutral; i++) {
        const struct Neutral *rule = &simplify_neutral[i];
        if (n->op == rule->op && is_const(n->input[rule->constant], rule->value))
            return simplify_keep(g, n, n->input[1 - rule->constant]);
    }
    return NULL;
}

/* An elementwise operation repeats its inputs by itself: expand before it is not needed, unless it makes the shape. */
static Node *simplify_broadcast(Graph *g, const Node *n)
{
    for (int i = 0; i < n->inputs; i++) {
        if (n->input[i]->op != OP_expand) continue;
        Node *input[3];
        memcpy(input, n->input, (size_t)n->inputs * sizeof *input);
        input[i] = n->input[i]->input[0];
        Shape s = {0};
        bool real = false;
        for (int k = 0; k < n->inputs; k++)
            if (input[k]->type == TYPE_REAL) s = shape_broadcast(g, "", s, input[k]->shape), real = true;
        if (real && shape_equal(s, n->shape)) return graph_node(g, n->op, n->inputs, input, 0, NULL);
    }
    return NULL;
}

static Node *simplify_cast(Graph *g, const Node *n)
{
    (void)g;
    return n->input[0]->type == n->type ? n->input[0] : NULL;
}

/* Summing over axes of size 1 changes nothing; two sums are one. */
static Node *simplify_reduce(Graph *g, const Node *n)
{
    Node *x = n->input[0];
    if (shape_equal(x->shape, n->shape)) return x;
    if (x->op != n->op) return NULL;
    uint32_t axes = 0;
    for (int a = 0; a < n->attributes; a++)
        axes |= (uint32_t)(n->attribute[a] || x->attribute[a]) << a;
    return graph_reduce(g, n->op, x->input[0], axes);
}

static Node *simplify_expand(Graph *g, const Node *n)
{
    Node *x = n->input[0];
    if (x->type == n->type && shape_equal(x->shape, n->shape)) return x;
    return x->op == OP_expand ? graph_expand(g, x->input[0], n->shape) : NULL;
}

static Node *simplify_reshape(Graph *g, const Node *n)
{
    Node *x = n->input[0];
    if (x->type == n->type && shape_equal(x->shape, n->shape)) return x;
    return x->op == OP_reshape ? graph_reshape(g, x->input[0], n->shape) : NULL;
}

static Node *simplify_transpose(Graph *g, const Node *n)
{
    Node *x = n->input[0];
    bool identity = true;
    int order[RANK_MAX];
    for (int a = 0; a < n->attributes; a++) {
        identity &= n->attribute[a] == a;
        order[a] = (int)(x->op == OP_transpose ? x->attribute[n->attribute[a]] : n->attribute[a]);
    }
    if (identity) return x;
    return x->op == OP_transpose ? graph_transpose(g, x->input[0], order) : NULL;
}

/* A window that is everything is nothing; a slice of a slice is a slice; a pad sliced back is what was padded. */
static Node *simplify_window(Graph *g, const Node *n)
{
    Node *x = n->input[0];
    int rank = n->shape.rank;
    bool whole = shape_equal(x->shape, n->shape);
    for (int a = 0; a < rank; a++)
        whole &= n->attribute[a] == 0 && (n->attribute[rank + a] == 1 || n->shape.dim[a] <= 1);
    if (whole) return x;
    if (n->op != OP_slice) return NULL;
    if (x->op == OP_pad && shape_equal(x->input[0]->shape, n->shape) &&
        !memcmp(n->attribute, x->attribute, 2 * (size_t)rank * sizeof *n->attribute))
        return x->input[0];
    if (x->op != OP_slice) return NULL;
    int64_t begin[RANK_MAX], step[RANK_MAX];
    for (int a = 0; a < rank; a++) {
        begin[a] = x->attribute[a] + n->attribute[a] * x->attribute[rank + a];
        step[a] = n->attribute[rank + a] * x->attribute[rank + a];
    }
    return graph_slice(g, x->input[0], begin, step, n->shape);
}

static Node *simplify_concat(Graph *g, const Node *n)
{
    (void)g;
    return n->inputs == 1 ? n->input[0] : NULL;
}

typedef Node *Simplify(Graph *g, const Node *draft);

static Simplify *const simplify_table[OP_COUNT] = {
    [OP_cast] = simplify_cast,     [OP_sum] = simplify_reduce,      [OP_amax] = simplify_reduce,
    [OP_expand] = simplify_expand, [OP_reshape] = simplify_reshape, [OP_transpose] = simplify_transpose,
    [OP_slice] = simplify_window,  [OP_pad] = simplify_window,      [OP_concat] = simplify_concat,
};

Node *rules_simplify(Graph *g, const Node *n)
{
    if (ops_table[n->op].elementwise) {
        Node *simpler = simplify_element(g, n);
        return simpler ? simpler : simplify_broadcast(g, n);
    }
    return simplify_table[n->op] ? simplify_table[n->op](g, n) : NULL;
}

Node *graph_conform(Graph *g, Node *x, Shape to)
{
    if (x->type == TYPE_SCALAR) return graph_expand(g, x, to);
    if (shape_equal(x->shape, to)) return x;
    if (shape_size(x->shape) == shape_size(to)) return graph_reshape(g, x, to);
    int more = x->shape.rank - to.rank;
    uint32_t axes = 0;
    for (int a = 0; a < x->shape.rank; a++)
        if (a < more || (to.dim[a - more] == 1 && x->shape.dim[a] != 1)) axes |= 1u << a;
    x = axes ? graph_reduce(g, OP_sum, x, axes) : x;
    if (more > 0) {
        Shape s = shape_of(to.rank, x->shape.dim + more);
        x = graph_reshape(g, x, s);
    }
    return graph_expand(g, x, to);
}
