/* shapes.c: the shape and type of each operation's result, and what it asks of its inputs. Used by graph.c. */
#include "graph/rules.h"

#include "graph/sliding.h"

#include <string.h>

Shape shape_of(int rank, const int64_t *dim)
{
    Shape s = {.rank = rank};
    for (int a = 0; a < rank; a++)
        s.dim[a] = dim[a];
    return s;
}

bool shape_equal(Shape a, Shape b)
{
    return a.rank == b.rank && !memcmp(a.dim, b.dim, (size_t)a.rank * sizeof *a.dim);
}

int64_t shape_size(Shape s)
{
    int64_t size = 1;
    for (int a = 0; a < s.rank; a++)
        size *= s.dim[a];
    return size;
}

const char *shape_text(Arena *a, Shape s)
{
    const char *text = "[";
    for (int i = 0; i < s.rank; i++)
        text = arena_print(a, "%s%s%lld", text, i ? ", " : "", (long long)s.dim[i]);
    return arena_print(a, "%s]", text);
}

Shape shape_broadcast(Graph *g, const char *what, Shape a, Shape b)
{
    Shape s = a.rank >= b.rank ? a : b;
    for (int i = 1; i <= s.rank; i++) {
        int64_t da = i <= a.rank ? a.dim[a.rank - i] : 1, db = i <= b.rank ? b.dim[b.rank - i] : 1;
        if (da != db && da != 1 && db != 1)
            graph_raise(g, g->origin,
                        "%s: shapes %s and %s do not fit; counted from the end, axis %d has %lld and %lld",
                        what, shape_text(&g->arena, a), shape_text(&g->arena, b), i, (long long)da,
                        (long long)db);
        s.dim[s.rank - i] = da == 1 ? db : da;
    }
    return s;
}

#define SHAPE(n) shape_text(&g->arena, (n)->shape)

static void rule_real_input(Graph *g, const Node *n, Type type)
{
    if (type != TYPE_REAL)
        graph_raise(g, g->origin, "%s needs real numbers; this is %s: write cast(..., real)",
                    ops_table[n->op].name,
                    type == TYPE_SCALAR ? "one number, not a tensor" : type_name[type]);
}

/* The operation's inputs must be real; a scalar stands for a real of shape [] where `scalars` says so. */
static void rule_real(Graph *g, const Node *n, bool scalars)
{
    for (int i = 0; i < n->inputs; i++)
        if (!scalars || n->input[i]->type != TYPE_SCALAR) rule_real_input(g, n, n->input[i]->type);
}

static void rule_index(Graph *g, const Node *n, const Node *index)
{
    if (index->type != TYPE_I32)
        graph_raise(g, g->origin, "%s: positions are i32, not %s: write cast(..., i32)",
                    ops_table[n->op].name, type_name[index->type]);
}

static int rule_axis(Graph *g, const Node *n, int64_t axis, Shape s)
{
    if (axis < 0 || axis >= s.rank)
        graph_raise(g, g->origin, "%s: there is no axis %lld in shape %s", ops_table[n->op].name,
                    (long long)axis, shape_text(&g->arena, s));
    return (int)axis;
}

/* A shape given in attributes from `at` on. */
static Shape rule_given(Graph *g, const Node *n, int at)
{
    int rank = n->attributes - at;
    if (rank > RANK_MAX)
        graph_raise(g, g->origin, "%s: a tensor has at most %d axes", ops_table[n->op].name, RANK_MAX);
    Shape s = shape_of(rank, n->attribute + at);
    int64_t size = 1;
    for (int a = 0; a < rank; a++)
        if (s.dim[a] < 0 || __builtin_mul_overflow(size, s.dim[a], &size) || size > INT64_MAX / 8)
            graph_raise(g, g->origin, "%s: %s is no shape", ops_table[n->op].name, shape_text(&g->arena, s));
    return s;
}

static void rule_element(Graph *g, Node *n)
{
    rule_real(g, n, true);
    n->type = TYPE_SCALAR;
    for (int i = 0; i < n->inputs; i++) {
        if (n->input[i]->type == TYPE_SCALAR) continue;
        n->shape = n->type == TYPE_SCALAR
                       ? n->input[i]->shape
                       : shape_broadcast(g, ops_table[n->op].name, n->shape, n->input[i]->shape);
        n->type = TYPE_REAL;
    }
}

static void rule_nothing(Graph *g, Node *n)
{
    graph_raise(g, g->origin, "%s cannot be made by name", ops_table[n->op].name);
}

static void rule_iota(Graph *g, Node *n)
{
    n->type = TYPE_REAL;
    n->shape = rule_given(g, n, 1);
    rule_axis(g, n, n->attribute[0], n->shape);
}

static void rule_random(Graph *g, Node *n)
{
    if (n->input[0]->type != TYPE_SCALAR)
        graph_raise(g, g->origin, "%s: the seed is one number", ops_table[n->op].name);
    n->type = TYPE_REAL;
    n->shape = rule_given(g, n, 1);
}

static void rule_cast(Graph *g, Node *n)
{
    if (n->attribute[0] < TYPE_REAL || n->attribute[0] > TYPE_U8)
        graph_raise(g, g->origin, "cast: the types are real, i32 and u8");
    n->type = (Type)n->attribute[0];
    n->shape = n->input[0]->shape;
}

static void rule_reduce(Graph *g, Node *n)
{
    rule_real(g, n, false);
    n->type = TYPE_REAL;
    n->shape = n->input[0]->shape;
    for (int a = 0; a < n->shape.rank; a++) {
        if (!n->attribute[a]) continue;
        if (n->op == OP_amax && !n->shape.dim[a])
            graph_raise(g, g->origin, "amax: axis %d of shape %s is empty and has no largest", a,
                        SHAPE(n->input[0]));
        n->shape.dim[a] = 1;
    }
}

static void rule_argmax(Graph *g, Node *n)
{
    rule_real(g, n, false);
    n->type = TYPE_I32;
    n->shape = n->input[0]->shape;
    int axis = rule_axis(g, n, n->attribute[0], n->shape);
    if (!n->shape.dim[axis])
        graph_raise(g, g->origin, "argmax: axis %d of shape %s is empty", axis, SHAPE(n->input[0]));
    n->shape.dim[axis] = 1;
}

static void rule_expand(Graph *g, Node *n)
{
    const Node *x = n->input[0];
    n->type = x->type == TYPE_SCALAR ? TYPE_REAL : x->type;
    n->shape = rule_given(g, n, 0);
    int more = n->shape.rank - x->shape.rank;
    for (int a = 0; a < x->shape.rank; a++)
        if (more < 0 || (x->shape.dim[a] != 1 && x->shape.dim[a] != n->shape.dim[a + more]))
            graph_raise(g, g->origin, "expand: %s does not repeat to %s; only axes of size 1 repeat",
                        SHAPE(x), SHAPE(n));
}

static void rule_reshape(Graph *g, Node *n)
{
    const Node *x = n->input[0];
    n->type = x->type == TYPE_SCALAR ? TYPE_REAL : x->type;
    n->shape = rule_given(g, n, 0);
    if (shape_size(n->shape) != shape_size(x->shape))
        graph_raise(g, g->origin, "reshape: %s has %lld elements, %s has %lld", SHAPE(x),
                    (long long)shape_size(x->shape), SHAPE(n), (long long)shape_size(n->shape));
}

static void rule_transpose(Graph *g, Node *n)
{
    const Node *x = n->input[0];
    unsigned seen = 0;
    n->type = x->type;
    n->shape = x->shape;
    if (n->attributes != x->shape.rank)
        graph_raise(g, g->origin, "transpose: %d axes are named, shape %s has %d", n->attributes, SHAPE(x),
                    x->shape.rank);
    for (int a = 0; a < n->attributes; a++) {
        int axis = rule_axis(g, n, n->attribute[a], x->shape);
        if (seen >> axis & 1) graph_raise(g, g->origin, "transpose: axis %d is named twice", axis);
        seen |= 1u << axis;
        n->shape.dim[a] = x->shape.dim[axis];
    }
}

/* The window of slice and pad: `inner` elements, set at begin + i*step, must lie within `outer`. */
static void rule_window(Graph *g, const Node *n, Shape inner, Shape outer)
{
    int rank = outer.rank;
    const int64_t *begin = n->attribute, *step = begin + rank;
    for (int a = 0; a < rank; a++) {
        int64_t last = begin[a] + (inner.dim[a] - 1) * step[a];
        if (inner.dim[a] &&
            (!step[a] || begin[a] < 0 || begin[a] >= outer.dim[a] || last < 0 || last >= outer.dim[a]))
            graph_raise(g, g->origin, "%s: positions %lld to %lld of axis %d are not all within its %lld",
                        ops_table[n->op].name, (long long)begin[a], (long long)last, a,
                        (long long)outer.dim[a]);
    }
}

static void rule_slice(Graph *g, Node *n)
{
    const Node *x = n->input[0];
    int rank = x->shape.rank;
    if (n->attributes != 3 * rank)
        graph_raise(g, g->origin, "%s: begin, step and size need one number for each axis of %s",
                    ops_table[n->op].name, SHAPE(x));
    n->type = x->type;
    n->shape = rule_given(g, n, 2 * rank);
    if (n->op == OP_slice)
        rule_window(g, n, n->shape, x->shape);
    else
        rule_window(g, n, x->shape, n->shape);
}

static void rule_concat(Graph *g, Node *n)
{
    const Node *first = n->input[0];
    n->type = first->type;
    n->shape = first->shape;
    int axis = rule_axis(g, n, n->attribute[0], n->shape);
    for (int i = 1; i < n->inputs; i++) {
        const Node *x = n->input[i];
        bool fits = x->type == n->type && x->shape.rank == n->shape.rank;
        for (int a = 0; fits && a < n->shape.rank; a++)
            fits = a == axis || x->shape.dim[a] == n->shape.dim[a];
        if (!fits)
            graph_raise(g, g->origin,
                        "concat: %s%s does not continue %s%s along axis %d; all other axes must agree",
                        type_name[x->type], SHAPE(x), type_name[first->type], SHAPE(first), axis);
        n->shape.dim[axis] += x->shape.dim[axis];
    }
}

static void rule_matmul(Graph *g, Node *n)
{
    rule_real(g, n, false);
    Shape x = n->input[0]->shape, z = n->input[1]->shape;
    if (x.rank < 2 || z.rank < 2)
        graph_raise(g, g->origin, "@ multiplies matrices; these have shapes %s and %s", SHAPE(n->input[0]),
                    SHAPE(n->input[1]));
    int64_t rows = x.dim[x.rank - 2], inner = x.dim[x.rank - 1], columns = z.dim[z.rank - 1];
    if (inner != z.dim[z.rank - 2])
        graph_raise(g, g->origin, "%s @ %s: the left has %lld columns, the right %lld rows",
                    SHAPE(n->input[0]), SHAPE(n->input[1]), (long long)inner, (long long)z.dim[z.rank - 2]);
    x.rank -= 2, z.rank -= 2;
    n->type = TYPE_REAL;
    n->shape = shape_broadcast(g, "@", x, z);
    if (n->shape.rank + 2 > RANK_MAX) graph_raise(g, g->origin, "@: a tensor has at most %d axes", RANK_MAX);
    n->shape.dim[n->shape.rank++] = rows;
    n->shape.dim[n->shape.rank++] = columns;
}

/* `front` then `back` without its first `skip` axes. */
static Shape shape_join(Graph *g, Shape front, Shape back, int skip)
{
    if (front.rank + back.rank - skip > RANK_MAX)
        graph_raise(g, g->origin, "a tensor has at most %d axes", RANK_MAX);
    for (int a = skip; a < back.rank; a++)
        front.dim[front.rank++] = back.dim[a];
    return front;
}

static void rule_take(Graph *g, Node *n)
{
    const Node *x = n->input[0], *index = n->input[1];
    rule_index(g, n, index);
    if (!x->shape.rank || (!x->shape.dim[0] && shape_size(index->shape)))
        graph_raise(g, g->origin, "take needs a tensor with rows; this has shape %s", SHAPE(x));
    n->type = x->type;
    n->shape = shape_join(g, index->shape, x->shape, 1);
}

static void rule_scatter(Graph *g, Node *n)
{
    const Node *x = n->input[0], *index = n->input[1];
    rule_real_input(g, n, x->type);
    rule_index(g, n, index);
    Shape front = x->shape;
    front.rank = index->shape.rank;
    if (x->shape.rank < index->shape.rank || !shape_equal(front, index->shape))
        graph_raise(g, g->origin, "scatter: rows %s need a position each; the positions have shape %s",
                    SHAPE(x), SHAPE(index));
    n->type = TYPE_REAL;
    n->shape = shape_join(g, rule_given(g, n, 0), x->shape, index->shape.rank);
}

static void rule_pick(Graph *g, Node *n)
{
    const Node *x = n->input[0], *index = n->input[1];
    rule_index(g, n, index);
    Shape front = x->shape;
    front.rank--;
    if (x->shape.rank < 1 || !shape_equal(front, index->shape))
        graph_raise(g, g->origin, "pick: each row of %s needs one position; the positions have shape %s",
                    SHAPE(x), SHAPE(index));
    if (!x->shape.dim[front.rank] && shape_size(front))
        graph_raise(g, g->origin, "pick: the rows of %s are empty", SHAPE(x));
    n->type = x->type;
    n->shape = x->shape;
    n->shape.dim[x->shape.rank - 1] = 1;
}

/* ---- Sliding windows ---- */

/* Lists of one number for each spatial axis, and `more` numbers after them. The number of axes. Products of two such
 * numbers, and sums of two such products, fit 64 bits. */
static int rule_sliding(Graph *g, const Node *n, int lists, int more)
{
    const char *name = ops_table[n->op].name;
    int axes = n->input[0]->shape.rank - 2;
    if (axes < 1 || axes > SLIDING_AXES)
        graph_raise(g, g->origin,
                    "%s slides along one to three axes after those of examples and channels; this is %s",
                    name, SHAPE(n->input[0]));
    if (n->attributes != lists * axes + more)
        graph_raise(g, g->origin, "%s: there must be one number for each of the %d spatial axes of %s", name,
                    axes, SHAPE(n->input[0]));
    for (int i = 0; i < n->attributes; i++) {
        bool padding = i >= axes && i < 2 * axes && lists > 1;
        if (n->attribute[i] < !padding || n->attribute[i] > INT32_MAX)
            graph_raise(g, g->origin, "%s: %lld is no %s", name, (long long)n->attribute[i],
                        padding ? "padding, which is at least 0" : "size or step, which is at least 1");
    }
    return axes;
}

/* The draft's first axes, then the sizes given. */
static void rule_sliding_shape(Graph *g, Node *n, int64_t first, int64_t second, const int64_t *size)
{
    n->type = TYPE_REAL;
    n->shape = n->input[0]->shape;
    n->shape.dim[0] = first;
    n->shape.dim[1] = second;
    int64_t all = 1;
    for (int a = 0; a < n->shape.rank; a++) {
        if (a >= 2) n->shape.dim[a] = size[a - 2];
        if (__builtin_mul_overflow(all, n->shape.dim[a], &all) || all > INT64_MAX / 8)
            graph_raise(g, g->origin, "%s: %s is too large", ops_table[n->op].name, SHAPE(n));
    }
}

/* Only of examples there may be none. */
static void rule_sliding_full(Graph *g, const Node *n)
{
    for (int i = 0; i < n->inputs; i++)
        for (int a = 1; a < n->input[i]->shape.rank; a++)
            if (!n->input[i]->shape.dim[a])
                graph_raise(g, g->origin, "%s: axis %d of %s is empty", ops_table[n->op].name, a,
                            SHAPE(n->input[i]));
}

static void rule_convolve(Graph *g, Node *n)
{
    rule_real(g, n, false);
    rule_sliding_full(g, n);
    int axes = rule_sliding(g, n, 4, 1);
    Shape first = n->input[0]->shape, second = n->input[1]->shape;
    int64_t groups = n->attribute[4 * axes], *size = n->attribute + 3 * axes;
    bool input = n->op == OP_convolve_input, weight = n->op == OP_convolve_weight;
    int64_t channels = input ? second.dim[1] * groups : first.dim[1];
    int64_t outputs = second.dim[weight ? 1 : 0];
    bool fits = second.rank == first.rank && channels % groups == 0 && outputs % groups == 0;
    if (weight) fits &= first.dim[0] == second.dim[0];
    if (!weight) fits &= input ? first.dim[1] == outputs : channels == second.dim[1] * groups;
    if (!fits)
        graph_raise(g, g->origin, "%s: %s and %s do not belong together in %lld group%s",
                    ops_table[n->op].name, SHAPE(n->input[0]), SHAPE(n->input[1]), (long long)groups,
                    groups == 1 ? "" : "s");
    if (weight)
        rule_sliding_shape(g, n, outputs, channels / groups, size);
    else
        rule_sliding_shape(g, n, first.dim[0], input ? channels : outputs, size);
}

/* Every window sees an element of the axis. */
static bool sliding_sees(const Sliding *s)
{
    for (int64_t position = 0; position < s->out; position++) {
        int64_t first = sliding_at(s, position, 0);
        int64_t tap = first < 0 ? (-first + s->dilation - 1) / s->dilation : 0;
        if (tap >= s->taps || sliding_at(s, position, tap) >= s->in) return false;
    }
    return true;
}

/* The largest of nothing is nothing. */
static void rule_pool_argmax(Graph *g, Node *n)
{
    rule_real(g, n, false);
    int axes = rule_sliding(g, n, 5, 0);
    Shape x = n->input[0]->shape;
    Sliding axis[SLIDING_AXES];
    sliding_pool(&x, n->attribute, axis);
    for (const Sliding *s = axis; s < axis + SLIDING_AXES; s++)
        if (!sliding_sees(s))
            graph_raise(g, g->origin, "pool_argmax: a window would see nothing of %s but padding",
                        SHAPE(n->input[0]));
    rule_sliding_shape(g, n, x.dim[0], x.dim[1], n->attribute + 4 * axes);
    n->type = TYPE_I32;
    if (axis[0].in * axis[1].in > INT32_MAX || sliding_in(axis) > INT32_MAX)
        graph_raise(g, g->origin, "pool_argmax: a plane of %s has too many elements", SHAPE(n->input[0]));
}

static void rule_pool_move(Graph *g, Node *n)
{
    const Node *x = n->input[0], *index = n->input[1];
    rule_real_input(g, n, x->type);
    rule_index(g, n, index);
    bool take = n->op == OP_pool_take, fits = index->shape.rank == x->shape.rank && x->shape.rank > 2;
    if (!take) rule_sliding(g, n, 1, 0);
    for (int a = 0; fits && a < x->shape.rank; a++)
        fits = take && a >= 2 ? x->shape.dim[a] > 0 : x->shape.dim[a] == index->shape.dim[a];
    if (!fits)
        graph_raise(g, g->origin, "%s: %s and the positions %s do not belong together", ops_table[n->op].name,
                    SHAPE(x), SHAPE(index));
    rule_sliding_shape(g, n, x->shape.dim[0], x->shape.dim[1], take ? index->shape.dim + 2 : n->attribute);
}

static void rule_body(Graph *g, const Node *n, const Body *body, int inputs)
{
    if (inputs != body->inputs)
        graph_raise(g, g->origin, "%s: %d inputs are given, the body has %d", ops_table[n->op].name, inputs,
                    body->inputs);
}

static const char *rule_kind(Graph *g, Type type, Shape shape)
{
    return arena_print(&g->arena, "%s%s", type_name[type], shape_text(&g->arena, shape));
}

static void rule_call(Graph *g, Node *n)
{
    const Body *body = &n->call->body;
    rule_body(g, n, body, n->inputs);
    for (int i = 0; i < n->inputs; i++)
        if (n->input[i]->type != body->input[i]->type ||
            !shape_equal(n->input[i]->shape, body->input[i]->shape))
            graph_raise(g, g->origin, "%s: input %d is %s, its body was made for %s", n->call->name, i,
                        rule_kind(g, n->input[i]->type, n->input[i]->shape),
                        rule_kind(g, body->input[i]->type, body->input[i]->shape));
    n->type = body->output[0]->type;
    n->shape = body->output[0]->shape;
}

static Shape shape_first(Graph *g, Shape s, int64_t count)
{
    if (s.rank == RANK_MAX)
        graph_raise(g, g->origin, "for: a stack of %s would have more than %d axes", shape_text(&g->arena, s),
                    RANK_MAX);
    for (int a = s.rank++; a > 0; a--)
        s.dim[a] = s.dim[a - 1];
    s.dim[0] = count;
    return s;
}

/* The shape of a loop's output: a final value, a stack of an output, or a history of a carried value. */
static const Node *loop_output(const Loop *l, int index, bool *stacked)
{
    *stacked = index >= l->carried;
    return index < l->body.outputs ? l->body.output[index] : l->body.input[index - l->body.outputs];
}

/* An input of a loop: the start of a carried value, a sequence, or what stays. */
static void rule_loop_input(Graph *g, const Node *n, int i)
{
    const Loop *l = n->loop;
    const Node *x = n->input[i], *place = l->body.input[i],
               *next = i < l->carried ? l->body.output[i] : place;
    bool sequence = i >= l->carried && i < l->carried + l->stacked;
    Shape want = sequence ? shape_first(g, place->shape, l->count) : place->shape;
    if (x->type != place->type || !shape_equal(x->shape, want))
        graph_raise(g, g->origin, "for: input %d is %s, the body was made for %s", i,
                    rule_kind(g, x->type, x->shape), rule_kind(g, place->type, want));
    if (next->type != place->type || !shape_equal(next->shape, place->shape))
        graph_raise(g, g->origin,
                    "for: a value that starts as %s is %s after one turn; it must stay what it is",
                    rule_kind(g, x->type, x->shape), rule_kind(g, next->type, next->shape));
}

static void rule_loop(Graph *g, Node *n)
{
    const Loop *l = n->loop;
    rule_body(g, n, &l->body, n->inputs + 1);
    for (int i = 0; i < n->inputs; i++)
        rule_loop_input(g, n, i);
    for (int i = 0; i < l->body.outputs; i++)
        if (l->body.output[i]->type == TYPE_SCALAR)
            graph_raise(g, g->origin, "for: result %d is one number, not a tensor: write cast(..., real)", i);
    bool stacked;
    const Node *first = loop_output(l, 0, &stacked);
    n->type = first->type;
    n->shape = stacked ? shape_first(g, first->shape, l->count) : first->shape;
}

static void rule_output(Graph *g, Node *n)
{
    const Node *of = n->input[0];
    int64_t index = n->attribute[0];
    if (index < 0 || index >= graph_outputs(of))
        graph_raise(g, g->origin, "%s has no output %lld", ops_table[of->op].name, (long long)index);
    bool stacked = false;
    const Node *source = of;
    if (of->op == OP_call) source = of->call->body.output[index];
    if (of->op == OP_loop) source = loop_output(of->loop, (int)index, &stacked);
    n->type = source->type;
    n->shape = stacked ? shape_first(g, source->shape, of->loop->count) : source->shape;
}

typedef void ShapeRule(Graph *g, Node *draft);

static ShapeRule *const rule_table[OP_COUNT] = {
    [OP_leaf] = rule_nothing,
    [OP_const] = rule_nothing,
    [OP_iota] = rule_iota,
    [OP_uniform] = rule_random,
    [OP_normal] = rule_random,
    [OP_cast] = rule_cast,
    [OP_sum] = rule_reduce,
    [OP_amax] = rule_reduce,
    [OP_argmax] = rule_argmax,
    [OP_expand] = rule_expand,
    [OP_reshape] = rule_reshape,
    [OP_transpose] = rule_transpose,
    [OP_slice] = rule_slice,
    [OP_pad] = rule_slice,
    [OP_concat] = rule_concat,
    [OP_matmul] = rule_matmul,
    [OP_take] = rule_take,
    [OP_scatter] = rule_scatter,
    [OP_pick] = rule_pick,
    [OP_call] = rule_call,
    [OP_loop] = rule_loop,
    [OP_output] = rule_output,
    [OP_convolve] = rule_convolve,
    [OP_convolve_input] = rule_convolve,
    [OP_convolve_weight] = rule_convolve,
    [OP_pool_argmax] = rule_pool_argmax,
    [OP_pool_take] = rule_pool_move,
    [OP_pool_put] = rule_pool_move,
};

void rules_infer(Graph *g, Node *n)
{
    int wanted = ops_table[n->op].inputs, least = wanted < 0 ? n->op == OP_concat : wanted;
    if (wanted < 0 ? n->inputs < least : n->inputs != least)
        graph_raise(g, g->origin, "%s takes %s%d input%s, not %d", ops_table[n->op].name,
                    wanted < 0 ? "at least " : "", least, least == 1 ? "" : "s", n->inputs);
    (ops_table[n->op].elementwise ? rule_element : rule_table[n->op])(g, n);
}
