/* reference.c: the meaning of each operation, written to be obviously right rather than fast. Used by tests only. */
#include "graph/reference.h"

#include "base/philox.h"
#include "graph/sliding.h"

#include <math.h>
#include <string.h>

/* One evaluation of the nodes of one body (or of the outermost graph). */
typedef struct ReferenceFrame {
    Arena *arena;
    Graph *graph;
    const Reference *reference;
    double ***value; /* by node id: the elements of each of its outputs; NULL: not known yet */
} ReferenceFrame;

typedef void ReferenceRule(ReferenceFrame *f, const Node *n, double *const *in, double *y);

/* ---- Positions ---- */

/* Steps to the next position of a shape; false after the last. */
static bool position_next(Shape s, int64_t *at)
{
    for (int a = s.rank - 1; a >= 0; a--) {
        if (++at[a] < s.dim[a]) return true;
        at[a] = 0;
    }
    return false;
}

/* The place of position `at` (of rank `rank`) in a tensor of shape s that is repeated along axes of size 1. */
static int64_t position_place(Shape s, const int64_t *at, int rank)
{
    int64_t place = 0;
    for (int a = 0; a < s.rank; a++)
        place = place * s.dim[a] + (s.dim[a] == 1 ? 0 : at[a + rank - s.rank]);
    return place;
}

/* ---- Operations ---- */

static void reference_element(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    (void)f;
    int64_t at[RANK_MAX] = {0}, i = 0;
    do {
        double v[3] = {0};
        for (int k = 0; k < n->inputs; k++)
            v[k] = in[k][position_place(n->input[k]->shape, at, n->shape.rank)];
        y[i++] = ops_table[n->op].reference(v[0], v[1], v[2]);
    } while (position_next(n->shape, at));
}

static void reference_iota(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    (void)f, (void)in;
    int64_t at[RANK_MAX] = {0}, i = 0;
    do
        y[i++] = (double)at[n->attribute[0]];
    while (position_next(n->shape, at));
}

/* To a whole number: truncated, the nearest there is, 0 for what is no number. */
static double cast_whole(double x, double least, double most)
{
    if (x != x) return 0;
    return x <= least ? least : x >= most ? most : trunc(x);
}

static void reference_cast(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    (void)f;
    for (int64_t i = 0; i < shape_size(n->shape); i++)
        y[i] = n->type == TYPE_I32  ? cast_whole(in[0][i], INT32_MIN, INT32_MAX)
               : n->type == TYPE_U8 ? cast_whole(in[0][i], 0, UINT8_MAX)
                                    : in[0][i];
}

static void reference_sum(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    (void)f;
    Shape x = n->input[0]->shape;
    int64_t at[RANK_MAX] = {0}, i = 0;
    if (!shape_size(x)) return;
    do
        y[position_place(n->shape, at, x.rank)] += in[0][i++];
    while (position_next(x, at));
}

/* What is no number is larger than every number. */
static bool reference_larger(double a, double b)
{
    return a > b || (a != a && b == b);
}

static void reference_amax(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    (void)f;
    Shape x = n->input[0]->shape;
    int64_t at[RANK_MAX] = {0}, i = 0;
    for (int64_t k = 0; k < shape_size(n->shape); k++)
        y[k] = -INFINITY;
    do {
        double *most = y + position_place(n->shape, at, x.rank);
        if (reference_larger(in[0][i], *most)) *most = in[0][i];
        i++;
    } while (position_next(x, at));
}

static void reference_argmax(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    Shape x = n->input[0]->shape;
    int64_t at[RANK_MAX] = {0}, i = 0;
    double *most = arena_new(f->arena, (size_t)shape_size(n->shape), sizeof *most);
    do {
        int64_t to = position_place(n->shape, at, x.rank), axis = n->attribute[0];
        if (!at[axis] || reference_larger(in[0][i], most[to])) most[to] = in[0][i], y[to] = (double)at[axis];
        i++;
    } while (position_next(x, at));
}

static void reference_expand(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    (void)f;
    int64_t at[RANK_MAX] = {0}, i = 0;
    do
        y[i++] = in[0][position_place(n->input[0]->shape, at, n->shape.rank)];
    while (position_next(n->shape, at));
}

static void reference_reshape(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    (void)f;
    memcpy(y, in[0], (size_t)shape_size(n->shape) * sizeof *y);
}

static void reference_transpose(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    (void)f;
    int rank = n->shape.rank;
    int64_t at[RANK_MAX] = {0}, from[RANK_MAX], i = 0;
    do {
        for (int a = 0; a < rank; a++)
            from[n->attribute[a]] = at[a];
        y[i++] = in[0][position_place(n->input[0]->shape, from, rank)];
    } while (position_next(n->shape, at));
}

/* The place in the larger tensor of position `at` in the window. */
static int64_t window_place(const Node *n, Shape outer, const int64_t *at)
{
    const int64_t *begin = n->attribute, *step = begin + outer.rank;
    int64_t place = 0;
    for (int a = 0; a < outer.rank; a++)
        place = place * outer.dim[a] + begin[a] + at[a] * step[a];
    return place;
}

static void reference_slice(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    (void)f;
    int64_t at[RANK_MAX] = {0}, i = 0;
    do
        y[i++] = in[0][window_place(n, n->input[0]->shape, at)];
    while (position_next(n->shape, at));
}

static void reference_pad(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    (void)f;
    int64_t at[RANK_MAX] = {0}, i = 0;
    if (!shape_size(n->input[0]->shape)) return;
    do
        y[window_place(n, n->shape, at)] = in[0][i++];
    while (position_next(n->input[0]->shape, at));
}

static void reference_concat(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    (void)f;
    int64_t axis = n->attribute[0], begin = 0;
    for (int k = 0; k < n->inputs; k++) {
        Shape x = n->input[k]->shape;
        int64_t at[RANK_MAX] = {0}, to[RANK_MAX], i = 0;
        if (shape_size(x)) do {
                memcpy(to, at, sizeof to);
                to[axis] += begin;
                y[position_place(n->shape, to, x.rank)] = in[k][i++];
            } while (position_next(x, at));
        begin += x.dim[axis];
    }
}

static void reference_matmul(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    (void)f;
    Shape x = n->input[0]->shape, z = n->input[1]->shape;
    int rank = n->shape.rank;
    int64_t at[RANK_MAX] = {0}, left[RANK_MAX], right[RANK_MAX], i = 0;
    do {
        memcpy(left, at, sizeof left), memcpy(right, at, sizeof right);
        double sum = 0;
        for (int64_t k = 0; k < x.dim[x.rank - 1]; k++) {
            left[rank - 1] = right[rank - 2] = k;
            sum += in[0][position_place(x, left, rank)] * in[1][position_place(z, right, rank)];
        }
        y[i++] = sum;
    } while (position_next(n->shape, at));
}

/* A position given as data, or an error: no kernel has a meaning for one that lies outside. */
static int64_t reference_index(ReferenceFrame *f, const Node *n, double index, int64_t size)
{
    if (!(index >= 0 && index < (double)size))
        graph_raise(f->graph, n->origin, "%s: position %g is not within 0 to %lld", ops_table[n->op].name,
                    index, (long long)size - 1);
    return (int64_t)index;
}

/* How many elements lie behind one position of the first `axes` axes. */
static int64_t shape_row(Shape s, int axes)
{
    int64_t size = 1;
    for (int a = axes; a < s.rank; a++)
        size *= s.dim[a];
    return size;
}

static void reference_take(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    Shape x = n->input[0]->shape;
    int64_t row = shape_row(x, 1);
    for (int64_t i = 0; i < shape_size(n->input[1]->shape); i++) {
        int64_t from = reference_index(f, n, in[1][i], x.dim[0]);
        memcpy(y + i * row, in[0] + from * row, (size_t)row * sizeof *y);
    }
}

static void reference_scatter(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    int64_t row = shape_row(n->shape, 1);
    for (int64_t i = 0; i < shape_size(n->input[1]->shape); i++) {
        int64_t to = reference_index(f, n, in[1][i], n->shape.dim[0]);
        for (int64_t k = 0; k < row; k++)
            y[to * row + k] += in[0][i * row + k];
    }
}

static void reference_pick(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    Shape x = n->input[0]->shape;
    int64_t row = x.dim[x.rank - 1];
    for (int64_t i = 0; i < shape_size(n->shape); i++)
        y[i] = in[0][i * row + reference_index(f, n, in[1][i], row)];
}

/* ---- Sliding windows ---- */

typedef struct SlidingPlace {
    int64_t in, out, tap; /* places in planes of the input, of the result and of the window */
} SlidingPlace;

/* Calls see for each pair of a position and a tap that lies within the input. */
static void sliding_each(const Sliding axis[SLIDING_AXES], void (*see)(void *context, SlidingPlace at),
                         void *context)
{
    int64_t out[SLIDING_AXES] = {0}, tap[SLIDING_AXES] = {0};
    Shape outs = shape_of(SLIDING_AXES, (int64_t[]){axis[0].out, axis[1].out, axis[2].out});
    Shape taps = shape_of(SLIDING_AXES, (int64_t[]){axis[0].taps, axis[1].taps, axis[2].taps});
    SlidingPlace at = {0};
    do {
        at.tap = 0;
        do {
            bool within = true;
            at.in = 0;
            for (int a = 0; a < SLIDING_AXES; a++) {
                int64_t i = sliding_at(&axis[a], out[a], tap[a]);
                within &= i >= 0 && i < axis[a].in;
                at.in = at.in * axis[a].in + i;
            }
            if (within) see(context, at);
            at.tap++;
        } while (position_next(taps, tap));
        at.out++;
    } while (position_next(outs, out));
}

/* Planes of the two inputs and of the result, and which operation makes one from the others. */
typedef struct ConvolvePlanes {
    const double *first, *second;
    double *to;
    OpCode op;
} ConvolvePlanes;

static void reference_convolve_add(void *context, SlidingPlace at)
{
    const ConvolvePlanes *p = context;
    if (p->op == OP_convolve)
        p->to[at.out] += p->first[at.in] * p->second[at.tap];
    else if (p->op == OP_convolve_input)
        p->to[at.in] += p->first[at.out] * p->second[at.tap];
    else
        p->to[at.tap] += p->first[at.in] * p->second[at.out];
}

static void reference_convolve(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    (void)f;
    Convolution c =
        convolution_node(n->op, &n->input[0]->shape, &n->input[1]->shape, &n->shape, n->attribute);
    int64_t at[4] = {0};
    Shape planes = shape_of(4, (int64_t[]){c.n, c.groups, c.outputs, c.channels});
    if (!c.n) return;
    do {
        int64_t output = at[1] * c.outputs + at[2], channel = at[1] * c.channels + at[3];
        int64_t of_x = (at[0] * c.groups * c.channels + channel) * sliding_in(c.axis);
        int64_t of_w = (output * c.channels + at[3]) * sliding_taps(c.axis);
        int64_t of_y = (at[0] * c.groups * c.outputs + output) * sliding_out(c.axis);
        bool input = n->op == OP_convolve_input, weight = n->op == OP_convolve_weight;
        ConvolvePlanes p = {.first = in[0] + (input ? of_y : of_x),
                            .second = in[1] + (weight ? of_y : of_w),
                            .to = y + (input    ? of_x
                                       : weight ? of_w
                                                : of_y),
                            .op = n->op};
        sliding_each(c.axis, reference_convolve_add, &p);
    } while (position_next(planes, at));
}

/* A plane of x, and the largest so far of each window. */
typedef struct PoolPlanes {
    const double *x;
    double *y, *most;
    bool *seen;
} PoolPlanes;

/* As PyTorch: the first of equals, and the last that is no number. */
static void reference_pool_see(void *context, SlidingPlace at)
{
    const PoolPlanes *p = context;
    double x = p->x[at.in];
    if (p->seen[at.out] && !(x > p->most[at.out] || x != x)) return;
    p->seen[at.out] = true;
    p->most[at.out] = x;
    p->y[at.out] = (double)at.in;
}

static void reference_pool_argmax(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    Shape x = n->input[0]->shape;
    Sliding axis[SLIDING_AXES];
    sliding_pool(&x, n->attribute, axis);
    int64_t outs = sliding_out(axis);
    for (int64_t plane = 0; plane < x.dim[0] * x.dim[1]; plane++) {
        PoolPlanes p = {in[0] + plane * sliding_in(axis), y + plane * outs,
                        arena_new(f->arena, (size_t)outs, sizeof(double)),
                        arena_new(f->arena, (size_t)outs, sizeof(bool))};
        sliding_each(axis, reference_pool_see, &p);
    }
}

static void reference_pool_move(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    Shape index = n->input[1]->shape;
    bool take = n->op == OP_pool_take;
    int64_t positions = shape_row(index, 2), plane = shape_row(take ? n->input[0]->shape : n->shape, 2);
    for (int64_t i = 0; i < shape_size(index); i++) {
        int64_t at = i / positions * plane + reference_index(f, n, in[1][i], plane);
        if (take)
            y[i] = in[0][at];
        else
            y[at] += in[0][i];
    }
}

static void reference_const(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    (void)f, (void)in;
    *y = n->value;
}

static void reference_leaf(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    (void)in;
    const double *given = f->reference->bind(f->reference->context, n);
    if (!given)
        graph_raise(f->graph, n->origin, "no value was given for %s",
                    n->leaf->name ? n->leaf->name : "a place");
    memcpy(y, given, (size_t)shape_size(n->shape) * sizeof *y);
}

/* ---- Random numbers: a function of seed, site and place (cpu/elements.h says how) ---- */

/* Uniform number `k` of a block: four floats of 24 bits or two doubles of 53 bits. */
static double random_uniform(Philox block, int k, bool single)
{
    if (single) return (block.word[k] >> 8) * 0x1p-24;
    return (double)((block.word[2 * k] | (uint64_t)block.word[2 * k + 1] << 32) >> 11) * 0x1p-53;
}

/* All bits of number `k` of a block, as a whole number and its unit. */
static double random_bits(Philox block, int k, bool single, double *unit)
{
    *unit = single ? 0x1p-32 : 0x1p-53;
    if (single) return block.word[k];
    return (double)((block.word[2 * k] | (uint64_t)block.word[2 * k + 1] << 32) >> 11);
}

/* Normal numbers come in pairs from pairs of uniform ones, the first from (0, 1] (Box and Muller 1958). */
static double random_normal(Philox block, int k, bool single)
{
    const double turn = 6.283185307179586477;
    double unit, first = random_bits(block, k & ~1, single, &unit),
                 second = random_bits(block, k | 1, single, &unit);
    double radius = sqrt(-2 * log((first + 1) * unit)), angle = turn * (second * unit);
    return radius * (k & 1 ? sin(angle) : cos(angle));
}

static void reference_random(ReferenceFrame *f, const Node *n, double *const *in, double *y)
{
    bool single = f->reference->single;
    int each = single ? 4 : 2;
    for (int64_t i = 0; i < shape_size(n->shape); i++) {
        Philox block = philox((uint64_t)in[0][0], (uint64_t)n->attribute[0], (uint64_t)(i / each));
        y[i] = (n->op == OP_uniform ? random_uniform : random_normal)(block, (int)(i % each), single);
    }
}

/* ---- Nodes that own a body ---- */

static void reference_node(ReferenceFrame *f, const Node *n);

/* The body's outputs, given the values of its places. The body's nodes are evaluated in a frame of their own. */
static void reference_body(ReferenceFrame *f, const Body *body, double *const *in, double **out)
{
    ReferenceFrame inner = *f;
    inner.value = arena_new(f->arena, (size_t)f->graph->nodes, sizeof *inner.value);
    for (int i = 0; i < body->inputs; i++) {
        double **value = arena_new(f->arena, 1, sizeof *value);
        *value = in[i];
        inner.value[body->input[i]->id] = value;
    }
    size_t count;
    Node **node = graph_reachable(f->graph, body->output, (size_t)body->outputs, &count);
    for (size_t i = 0; i < count; i++)
        reference_node(&inner, node[i]);
    for (int i = 0; i < body->outputs; i++)
        out[i] = *inner.value[body->output[i]->id];
}

/* `count` tensors like x, one behind the other. */
static double *reference_stack(ReferenceFrame *f, int64_t count, const Node *x)
{
    return arena_new(f->arena, (size_t)(count * shape_size(x->shape)), sizeof(double));
}

static void stack_put(double *stack, int64_t position, const Node *x, const double *value)
{
    size_t size = (size_t)shape_size(x->shape);
    if (size) memcpy(stack + (size_t)position * size, value, size * sizeof *value);
}

/* One turn at `position`: `now` are the body's inputs, of which the first are carried on; `out` the loop's outputs. */
static void reference_turn(ReferenceFrame *f, const Loop *l, int64_t position, double *const *in,
                           double **now, double **out)
{
    const Body *b = &l->body;
    double **next = arena_new(f->arena, (size_t)b->outputs, sizeof *next), at = (double)position;
    for (int i = l->carried; i < l->carried + l->stacked; i++)
        now[i] = in[i] + position * shape_size(b->input[i]->shape);
    now[b->inputs - 1] = &at;
    reference_body(f, b, now, next);
    for (int i = 0; i < l->carried; i++)
        stack_put(out[b->outputs + i], position, b->input[i], now[i]), now[i] = next[i];
    for (int i = l->carried; i < b->outputs; i++)
        stack_put(out[i], position, b->output[i], next[i]);
}

static double **reference_loop(ReferenceFrame *f, const Node *n, double *const *in)
{
    const Loop *l = n->loop;
    const Body *b = &l->body;
    double **out = arena_new(f->arena, (size_t)(b->outputs + l->carried), sizeof *out);
    double **now = arena_new(f->arena, (size_t)b->inputs, sizeof *now);
    for (int i = 0; i < n->inputs; i++)
        now[i] = in[i];
    for (int i = l->carried; i < b->outputs; i++)
        out[i] = reference_stack(f, l->count, b->output[i]);
    for (int i = 0; i < l->carried; i++)
        out[b->outputs + i] = reference_stack(f, l->count, b->input[i]);
    for (int64_t turn = 0; turn < l->count; turn++)
        reference_turn(f, l, l->reverse ? l->count - 1 - turn : turn, in, now, out);
    for (int i = 0; i < l->carried; i++)
        out[i] = now[i];
    return out;
}

static double **reference_call(ReferenceFrame *f, const Node *n, double *const *in)
{
    double **out = arena_new(f->arena, (size_t)n->call->body.outputs, sizeof *out);
    reference_body(f, &n->call->body, in, out);
    return out;
}

/* ---- All nodes ---- */

static ReferenceRule *const reference_table[OP_COUNT] = {
    [OP_leaf] = reference_leaf,
    [OP_const] = reference_const,
    [OP_iota] = reference_iota,
    [OP_uniform] = reference_random,
    [OP_normal] = reference_random,
    [OP_cast] = reference_cast,
    [OP_sum] = reference_sum,
    [OP_amax] = reference_amax,
    [OP_argmax] = reference_argmax,
    [OP_expand] = reference_expand,
    [OP_reshape] = reference_reshape,
    [OP_transpose] = reference_transpose,
    [OP_slice] = reference_slice,
    [OP_pad] = reference_pad,
    [OP_concat] = reference_concat,
    [OP_matmul] = reference_matmul,
    [OP_take] = reference_take,
    [OP_scatter] = reference_scatter,
    [OP_pick] = reference_pick,
    [OP_convolve] = reference_convolve,
    [OP_convolve_input] = reference_convolve,
    [OP_convolve_weight] = reference_convolve,
    [OP_pool_argmax] = reference_pool_argmax,
    [OP_pool_take] = reference_pool_move,
    [OP_pool_put] = reference_pool_move,
};

static double **reference_plain(ReferenceFrame *f, const Node *n, double *const *in)
{
    size_t size = (size_t)shape_size(n->shape);
    double **out = arena_new(f->arena, 1, sizeof *out), *y = *out = arena_new(f->arena, size, sizeof *y);
    if (!size) return out;
    (ops_table[n->op].elementwise ? reference_element : reference_table[n->op])(f, n, in, y);
    if (f->reference->single && n->type == TYPE_REAL)
        for (size_t i = 0; i < size; i++)
            y[i] = (float)y[i];
    return out;
}

static void reference_node(ReferenceFrame *f, const Node *n)
{
    double ***value = &f->value[n->id];
    if (*value) return; /* a place */
    double **in = arena_new(f->arena, (size_t)n->inputs, sizeof *in);
    for (int i = 0; i < n->inputs; i++)
        in[i] = *f->value[n->input[i]->id];
    if (n->op == OP_output)
        *value = f->value[n->input[0]->id] + n->attribute[0];
    else
        *value = (n->op == OP_call   ? reference_call
                  : n->op == OP_loop ? reference_loop
                                     : reference_plain)(f, n, in);
}

void reference_evaluate(Arena *a, Graph *g, const Reference *r, size_t roots, Node *const *root, double **out)
{
    size_t count;
    Node **node = graph_reachable(g, root, roots, &count);
    ReferenceFrame f = {a, g, r, arena_new(a, (size_t)g->nodes, sizeof(double **))};
    for (size_t i = 0; i < count; i++)
        reference_node(&f, node[i]);
    for (size_t i = 0; i < roots; i++)
        out[i] = *f.value[root[i]->id];
}
