/* reducing.c: natives that reduce over axes: sum, mean, var, amax ... Axes stay, of size 1. See natives.h. */
#include "notation/natives.h"

#include <math.h>

/* The axes named, as bits; all of them where none is named. */
static uint32_t reducing_axes(Evaluation *e, const Given *given, Shape s)
{
    uint32_t axes = 0;
    if (!given_is(given, 1)) return (1u << s.rank) - 1;
    for (int i = 0; i < given->value[1].count; i++)
        axes |= 1u << given_axis(e, given, given->value[1].item[i], s);
    return axes;
}

static int64_t reducing_count(Shape s, uint32_t axes)
{
    int64_t count = 1;
    for (int a = 0; a < s.rank; a++)
        if (axes >> a & 1) count *= s.dim[a];
    return count;
}

static Value reducing_over(Evaluation *e, const Given *given, Node *x, uint32_t axes, bool mean)
{
    Node *y = graph_reduce(e->graph, OP_sum, x, axes);
    if (!mean) return value_node(y);
    int64_t count = reducing_count(x->shape, axes);
    if (!count)
        evaluation_raise(e, NULL, "%s: %s is empty and has no mean", given->name,
                         shape_text(&e->graph->arena, x->shape));
    return value_node(graph_binary(e->graph, OP_div, y, graph_const(e->graph, (double)count)));
}

/* Example weights in the shape [n, 1, ..] of x, or NULL where x has been reduced to one number already. */
static Node *reducing_weight(Evaluation *e, const Given *given, const Node *x)
{
    Node *w = evaluation_weight(e);
    Shape s = {.rank = x->shape.rank};
    if (!w) return NULL;
    for (int a = 0; a < s.rank; a++)
        s.dim[a] = a ? 1 : w->shape.dim[0];
    if (x->shape.rank && x->shape.dim[0] == w->shape.dim[0]) return graph_reshape(e->graph, w, s);
    if (shape_size(x->shape) == 1) return NULL;
    evaluation_raise(e, NULL,
                     "%s: the %lld examples have weights, but axis 0 of %s is not theirs; name the axes",
                     given->name, (long long)w->shape.dim[0], shape_text(&e->graph->arena, x->shape));
}

/* Over all axes, each example counted with its weight. */
static Value reducing_weighted(Evaluation *e, Node *x, Node *w, bool mean)
{
    Graph *g = e->graph;
    uint32_t all = (1u << x->shape.rank) - 1;
    Node *y = graph_reduce(g, OP_sum, graph_binary(g, OP_mul, w, x), all);
    if (!mean) return value_node(y);
    Node *per = graph_const(g, (double)reducing_count(x->shape, all & ~1u));
    return value_node(
        graph_binary(g, OP_div, y, graph_binary(g, OP_mul, graph_reduce(g, OP_sum, w, all), per)));
}

static Value reducing_sum(Evaluation *e, const Given *given, bool mean)
{
    Node *x = given_tensor(e, given, 0), *w = NULL;
    if (x->type == TYPE_SCALAR) return value_node(x);
    if (!given_is(given, 1)) w = reducing_weight(e, given, x);
    return w ? reducing_weighted(e, x, w, mean)
             : reducing_over(e, given, x, reducing_axes(e, given, x->shape), mean);
}

Value native_sum(Evaluation *e, const Given *given)
{
    return reducing_sum(e, given, false);
}

Value native_mean(Evaluation *e, const Given *given)
{
    return reducing_sum(e, given, true);
}

Value native_amax(Evaluation *e, const Given *given)
{
    Node *x = given_tensor(e, given, 0);
    if (x->type == TYPE_SCALAR) return value_node(x);
    return value_node(graph_reduce(e->graph, OP_amax, x, reducing_axes(e, given, x->shape)));
}

Value native_amin(Evaluation *e, const Given *given)
{
    Node *x = given_tensor(e, given, 0);
    if (x->type == TYPE_SCALAR) return value_node(x);
    Node *y =
        graph_reduce(e->graph, OP_amax, graph_unary(e->graph, OP_neg, x), reducing_axes(e, given, x->shape));
    return value_node(graph_unary(e->graph, OP_neg, y));
}

static Node *reducing_part(Graph *g, Node *x, int axis, int64_t from, int64_t size)
{
    int64_t begin[RANK_MAX] = {0}, step[RANK_MAX];
    Shape s = x->shape;
    for (int a = 0; a < s.rank; a++)
        step[a] = 1;
    begin[axis] = from;
    s.dim[axis] = size;
    return graph_slice(g, x, begin, step, s);
}

/* Halves are multiplied until one is left, so that the chain rule needs no division and is right at zeros. */
static Node *reducing_product(Graph *g, Node *x, int axis)
{
    Node *odd = NULL;
    for (int64_t n; (n = x->shape.dim[axis]) > 1;) {
        if (n % 2) {
            Node *last = reducing_part(g, x, axis, n - 1, 1);
            odd = odd ? graph_binary(g, OP_mul, odd, last) : last;
        }
        x = graph_binary(g, OP_mul, reducing_part(g, x, axis, 0, n / 2),
                         reducing_part(g, x, axis, n / 2, n / 2));
    }
    return odd ? graph_binary(g, OP_mul, x, odd) : x;
}

Value native_prod(Evaluation *e, const Given *given)
{
    Node *x = given_tensor(e, given, 0);
    uint32_t axes = reducing_axes(e, given, x->shape);
    for (int a = 0; a < x->shape.rank; a++) {
        if (!(axes >> a & 1)) continue;
        if (!x->shape.dim[a])
            evaluation_raise(e, NULL, "prod: axis %d of %s is empty", a,
                             shape_text(&e->graph->arena, x->shape));
        x = reducing_product(e->graph, x, a);
    }
    return value_node(x);
}

/* The population's variance; correction=1 gives the sample's. */
Value native_var(Evaluation *e, const Given *given)
{
    Graph *g = e->graph;
    Node *x = given_tensor(e, given, 0);
    if (x->type == TYPE_SCALAR) return value_number(e, 0);
    uint32_t axes = reducing_axes(e, given, x->shape);
    double count = (double)reducing_count(x->shape, axes) - given_number(e, given, 2, "correction", 0);
    if (!(count > 0))
        evaluation_raise(e, NULL, "%s: %s has too few elements for it", given->name,
                         shape_text(&g->arena, x->shape));
    Node *mean = value_tensor(e, reducing_over(e, given, x, axes, true)),
         *away = graph_binary(g, OP_sub, x, mean);
    Node *sum = graph_reduce(g, OP_sum, graph_binary(g, OP_mul, away, away), axes);
    return value_node(graph_binary(g, OP_div, sum, graph_const(g, count)));
}

Value native_std(Evaluation *e, const Given *given)
{
    return value_node(graph_unary(e->graph, OP_sqrt, value_tensor(e, native_var(e, given))));
}

/* Without an axis, the position in the flattened tensor. */
static Value reducing_position(Evaluation *e, const Given *given, Node *x)
{
    Graph *g = e->graph;
    if (given_is(given, 1))
        return value_node(
            graph_node(g, OP_argmax, 1, &x, 1, (int64_t[]){given_axis(e, given, given->value[1], x->shape)}));
    int64_t size = shape_size(x->shape);
    Shape ones = {.rank = x->shape.rank};
    for (int a = 0; a < ones.rank; a++)
        ones.dim[a] = 1;
    Node *flat = graph_reshape(g, x, shape_of(1, &size));
    return value_node(graph_reshape(g, graph_node(g, OP_argmax, 1, &flat, 1, (int64_t[]){0}), ones));
}

Value native_argmax(Evaluation *e, const Given *given)
{
    return reducing_position(e, given, given_tensor(e, given, 0));
}

Value native_argmin(Evaluation *e, const Given *given)
{
    return reducing_position(e, given, graph_unary(e->graph, OP_neg, given_tensor(e, given, 0)));
}
