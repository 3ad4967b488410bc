/* shaping.c: natives that move elements: reshape, transpose, slice, pad, concat, take ... See natives.h. */
#include "notation/natives.h"

static const char *shaping_text(Evaluation *e, const Node *x)
{
    return shape_text(&e->graph->arena, x->shape);
}

Value native_reshape(Evaluation *e, const Given *given)
{
    Node *x = given_tensor(e, given, 0);
    Shape s = given_shape(e, given, 1);
    int open = -1;
    int64_t known = 1, size = shape_size(x->shape);
    for (int a = 0; a < s.rank; a++) {
        if (s.dim[a] != -1 && __builtin_mul_overflow(known, s.dim[a], &known))
            evaluation_raise(e, NULL, "reshape: these sizes are too large");
        if (s.dim[a] != -1) continue;
        if (open >= 0) evaluation_raise(e, NULL, "reshape: only one size can be -1");
        open = a;
    }
    if (open >= 0) {
        if (known <= 0 || size % known)
            evaluation_raise(e, NULL,
                             "reshape: the %lld elements of %s do not divide by %lld, the other sizes",
                             (long long)size, shaping_text(e, x), (long long)known);
        s.dim[open] = size / known;
    }
    return value_node(graph_reshape(e->graph, x, s));
}

/* [n, ...] -> [n, product]: each example becomes a row. */
Value native_flatten(Evaluation *e, const Given *given)
{
    Node *x = given_tensor(e, given, 0);
    if (!x->shape.rank) evaluation_raise(e, NULL, "flatten needs a batch of examples; this is one number");
    int64_t dim[] = {x->shape.dim[0], 1};
    for (int a = 1; a < x->shape.rank; a++)
        dim[1] *= x->shape.dim[a];
    return value_node(graph_reshape(e->graph, x, shape_of(2, dim)));
}

Value native_transpose(Evaluation *e, const Given *given)
{
    Node *x = given_tensor(e, given, 0);
    Value axes = given->value[1];
    int64_t order[RANK_MAX];
    if (axes.count != x->shape.rank)
        evaluation_raise(e, NULL, "transpose: %d axes are named, but %s has %d", axes.count,
                         shaping_text(e, x), x->shape.rank);
    for (int a = 0; a < axes.count; a++)
        order[a] = given_axis(e, given, axes.item[a], x->shape);
    return value_node(graph_node(e->graph, OP_transpose, 1, &x, axes.count, order));
}

Value native_expand(Evaluation *e, const Given *given)
{
    Node *x = given_tensor(e, given, 0);
    return value_node(graph_expand(e->graph, x, given_shape(e, given, 1)));
}

/* ---- Windows ---- */

/* One number for each axis: a tuple of them, or one for all. */
static Shape shaping_window(Evaluation *e, const Given *given, int index, const char *what, int rank)
{
    Value v = value_force(e, given->value[index]);
    Shape s = {.rank = rank};
    bool tuple = v.kind == VALUE_TUPLE;
    if (tuple && v.count != rank)
        evaluation_raise(e, NULL, "%s: %s has %d numbers for %d axes", given->name, what, v.count, rank);
    for (int a = 0; a < rank; a++) {
        s.dim[a] = value_integer(e, tuple ? v.item[a] : v,
                                 arena_print(&e->graph->arena, "%s: %s", given->name, what));
        if (s.dim[a] > INT32_MAX || s.dim[a] < -INT32_MAX)
            evaluation_raise(e, NULL, "%s: %s is too large", given->name, what);
    }
    return s;
}

static Value shaping_cut(Evaluation *e, const Given *given,
                         Node *(*cut)(Graph *, Node *, const int64_t *, const int64_t *, Shape))
{
    Node *x = given_tensor(e, given, 0);
    int rank = x->shape.rank;
    Shape begin = shaping_window(e, given, 1, "begin", rank),
          step = shaping_window(e, given, 2, "step", rank);
    return value_node(cut(e->graph, x, begin.dim, step.dim, shaping_window(e, given, 3, "size", rank)));
}

Value native_slice(Evaluation *e, const Given *given)
{
    return shaping_cut(e, given, graph_slice);
}

/* pad(x, axis, before, after) adds zeros at both ends of an axis; pad(x, begin, step, size) with tuples is the
 * reverse of slice. */
Value native_pad(Evaluation *e, const Given *given)
{
    if (given->value[1].kind == VALUE_TUPLE) return shaping_cut(e, given, graph_pad);
    Node *x = given_tensor(e, given, 0);
    int axis = given_axis(e, given, given->value[1], x->shape);
    int64_t before = given_integer(e, given, 2, "the zeros before"),
            after = given_integer(e, given, 3, "the zeros after");
    if (before < 0 || after < 0) evaluation_raise(e, NULL, "pad: the counts of zeros must not be negative");
    int64_t begin[RANK_MAX] = {0}, step[RANK_MAX];
    Shape s = x->shape;
    for (int a = 0; a < s.rank; a++)
        step[a] = 1;
    begin[axis] = before;
    s.dim[axis] += before + after;
    return value_node(graph_pad(e->graph, x, begin, step, s));
}

/* ---- Joining and cutting ---- */

static Node **shaping_list(Evaluation *e, const Given *given)
{
    Value v = given->value[0];
    if (v.kind == VALUE_NONE || !v.count)
        evaluation_raise(e, NULL, "%s needs at least one tensor", given->name);
    Node **x = arena_new(&e->graph->arena, (size_t)v.count, sizeof *x);
    for (int i = 0; i < v.count; i++)
        x[i] = value_tensor(e, v.item[i]);
    return x;
}

Value native_concat(Evaluation *e, const Given *given)
{
    Node **x = shaping_list(e, given);
    int axis = given_is(given, 1) ? given_axis(e, given, given->value[1], x[0]->shape) : 0;
    return value_node(graph_concat(e->graph, given->value[0].count, x, axis));
}

static Shape shape_inserted(Shape s, int axis)
{
    for (int a = s.rank++; a > axis; a--)
        s.dim[a] = s.dim[a - 1];
    s.dim[axis] = 1;
    return s;
}

Value native_stack(Evaluation *e, const Given *given)
{
    Node **x = shaping_list(e, given);
    Shape each = x[0]->shape, room = each;
    if (room.rank == RANK_MAX) evaluation_raise(e, NULL, "stack: a tensor has at most %d axes", RANK_MAX);
    room.rank++;
    int axis = given_is(given, 1) ? given_axis(e, given, given->value[1], room) : 0;
    for (int i = 0; i < given->value[0].count; i++) {
        if (!shape_equal(x[i]->shape, each))
            evaluation_raise(e, NULL, "stack: shapes %s and %s differ", shape_text(&e->graph->arena, each),
                             shaping_text(e, x[i]));
        x[i] = graph_reshape(e->graph, x[i], shape_inserted(each, axis));
    }
    return value_node(graph_concat(e->graph, given->value[0].count, x, axis));
}

Value native_split(Evaluation *e, const Given *given)
{
    Node *x = given_tensor(e, given, 0);
    int64_t count = given_integer(e, given, 1, "the number of parts");
    if (!x->shape.rank) evaluation_raise(e, NULL, "split needs a tensor with axes; this is one number");
    int axis = given_is(given, 2) ? given_axis(e, given, given->value[2], x->shape) : 0;
    if (count < 1 || count > INT32_MAX || x->shape.dim[axis] % count || !x->shape.dim[axis])
        evaluation_raise(e, NULL, "split: axis %d of %s does not divide into %lld equal parts", axis,
                         shaping_text(e, x), (long long)count);
    Shape size = x->shape;
    int64_t begin[RANK_MAX] = {0}, step[RANK_MAX];
    for (int a = 0; a < size.rank; a++)
        step[a] = 1;
    size.dim[axis] /= count;
    Value v = value_tuple(e, (int)count);
    for (int i = 0; i < v.count; i++) {
        begin[axis] = i * size.dim[axis];
        v.item[i] = value_node(graph_slice(e->graph, x, begin, step, size));
    }
    return v;
}

/* ---- By position ---- */

Value native_take(Evaluation *e, const Given *given)
{
    return value_node(graph_binary(e->graph, OP_take, given_tensor(e, given, 0), given_tensor(e, given, 1)));
}

Value native_scatter(Evaluation *e, const Given *given)
{
    Node *input[] = {given_tensor(e, given, 0), given_tensor(e, given, 1)};
    int64_t size = given_integer(e, given, 2, "the size");
    if (size < 1)
        evaluation_raise(e, NULL, "scatter: the size must be at least 1, not %lld", (long long)size);
    return value_node(graph_node(e->graph, OP_scatter, 2, input, 1, &size));
}

Value native_pick(Evaluation *e, const Given *given)
{
    return value_node(graph_binary(e->graph, OP_pick, given_tensor(e, given, 0), given_tensor(e, given, 1)));
}

/* [..] -> [.., n]: 1 where the position along the new axis is the number, else 0. */
Value native_onehot(Evaluation *e, const Given *given)
{
    Node *i = evaluation_reals(e, given_tensor(e, given, 0));
    int64_t n = given_integer(e, given, 1, "the number of classes");
    Shape s = i->shape;
    if (n < 1)
        evaluation_raise(e, NULL, "onehot: the number of classes must be at least 1, not %lld", (long long)n);
    if (s.rank == RANK_MAX) evaluation_raise(e, NULL, "onehot: a tensor has at most %d axes", RANK_MAX);
    s = shape_inserted(s, s.rank);
    i = graph_reshape(e->graph, i, s);
    s.dim[s.rank - 1] = n;
    return value_node(graph_binary(e->graph, OP_eq, graph_iota(e->graph, s, s.rank - 1), i));
}
