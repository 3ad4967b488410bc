/* convolving.c: natives that slide a window over [n, c, spatial ..]: the three convolutions, max pooling, and the sizes
 * that layers made of them have. See natives.h.
 *
 * Strides, paddings, dilations and sizes are one number for all spatial axes or a tuple with one for each. Padding is
 * also a pair (before, after) for an axis, or a word: valid (none), or same (the result has size/stride positions,
 * rounded up; what does not divide by two goes behind, as PyTorch and TensorFlow have it). */
#include "notation/natives.h"

#include "graph/sliding.h"

#include <math.h>
#include <string.h>

typedef struct SlidingNumbers {
    int64_t of[SLIDING_AXES];
} SlidingNumbers;

static int sliding_axes(Evaluation *e, const Node *x)
{
    int axes = x->shape.rank - 2;
    if (axes < 1 || axes > SLIDING_AXES)
        evaluation_raise(
            e, NULL,
            "a window slides over [examples, channels, one to three sizes]; this is %s; where rows are flat "
            "images, write shape: 1x28x28 in the recipe, or reshape(-1, 1, 28, 28) before it",
            shape_text(&e->graph->arena, x->shape));
    return axes;
}

static int64_t sliding_number(Evaluation *e, Value v, const char *what, int64_t least)
{
    int64_t number = value_integer(e, v, arena_print(&e->graph->arena, "the %s", what));
    if (number < least || number > INT32_MAX)
        evaluation_raise(e, NULL, "the %s must be at least %lld, not %lld", what, (long long)least,
                         (long long)number);
    return number;
}

/* One number for each axis; `otherwise` where none is given. */
static SlidingNumbers sliding_numbers(Evaluation *e, const Given *given, int index, int axes,
                                      const char *what, int64_t otherwise)
{
    SlidingNumbers n;
    Value v = value_force(e, given->value[index]);
    bool tuple = v.kind == VALUE_TUPLE;
    if (tuple && v.count != axes)
        evaluation_raise(e, NULL, "the %s has %d numbers, but there are %d spatial axes", what, v.count,
                         axes);
    for (int a = 0; a < axes; a++)
        n.of[a] = v.kind == VALUE_NONE ? otherwise : sliding_number(e, tuple ? v.item[a] : v, what, 1);
    return n;
}

/* How the window moves along each axis, from arguments that stand at `index` and after it: stride, padding, dilation. */
typedef struct SlidingWindow {
    int axes;
    SlidingNumbers taps, stride, before, after, dilation;
} SlidingWindow;

static void sliding_pair(Evaluation *e, Value v, int64_t *before, int64_t *after)
{
    v = value_force(e, v);
    bool pair = v.kind == VALUE_TUPLE && v.count == 2;
    *before = sliding_number(e, pair ? v.item[0] : v, "padding", 0);
    *after = pair ? sliding_number(e, v.item[1], "padding", 0) : *before;
}

/* padding=same: total padding so that the result has size/stride positions, rounded up. */
static void sliding_same(SlidingWindow *w, const Shape *x)
{
    for (int a = 0; a < w->axes; a++) {
        int64_t in = x->dim[2 + a], out = (in + w->stride.of[a] - 1) / w->stride.of[a];
        int64_t total = (out - 1) * w->stride.of[a] + (w->taps.of[a] - 1) * w->dilation.of[a] + 1 - in;
        if (total < 0) total = 0;
        w->before.of[a] = total / 2;
        w->after.of[a] = total - total / 2;
    }
}

static void sliding_padding(Evaluation *e, const Given *given, int index, const Shape *x, SlidingWindow *w)
{
    Value v = value_force(e, given->value[index]);
    const char *word = value_word(v);
    bool each = v.kind == VALUE_TUPLE && (w->axes > 1 || v.count == 1);
    if (word && !strcmp(word, "same") && x) {
        sliding_same(w, x);
        return;
    }
    if (word && strcmp(word, "valid"))
        evaluation_raise(e, NULL, "the padding is a number, a tuple, %svalid, not %s", x ? "same or " : "or ",
                         word);
    if (each && v.count != w->axes)
        evaluation_raise(e, NULL, "the padding has %d numbers, but there are %d spatial axes", v.count,
                         w->axes);
    for (int a = 0; a < w->axes; a++) {
        w->before.of[a] = w->after.of[a] = 0;
        if (v.kind != VALUE_NONE && !word)
            sliding_pair(e, each ? v.item[a] : v, &w->before.of[a], &w->after.of[a]);
    }
}

static SlidingWindow sliding_window(Evaluation *e, const Given *given, int index, const Node *x,
                                    SlidingNumbers taps, bool same)
{
    SlidingWindow w = {.axes = x->shape.rank - 2, .taps = taps};
    w.stride = sliding_numbers(e, given, index, w.axes, "stride", 1);
    w.dilation = sliding_numbers(e, given, index + 2, w.axes, "dilation", 1);
    sliding_padding(e, given, index + 1, same ? &x->shape : NULL, &w);
    return w;
}

/* How many positions the window has. */
static SlidingNumbers sliding_positions(Evaluation *e, const Node *x, const SlidingWindow *w)
{
    SlidingNumbers n;
    for (int a = 0; a < w->axes; a++) {
        int64_t span = (w->taps.of[a] - 1) * w->dilation.of[a] + 1;
        int64_t room = x->shape.dim[2 + a] + w->before.of[a] + w->after.of[a];
        if (room < span)
            evaluation_raise(
                e, NULL,
                "a window over %lld is larger than axis %d of %s, %lld with its padding; use a smaller "
                "size%s or padding=same",
                (long long)span, 2 + a, shape_text(&e->graph->arena, x->shape), (long long)room,
                w->dilation.of[a] > 1 ? ", less dilation" : "");
        n.of[a] = (room - span) / w->stride.of[a] + 1;
    }
    return n;
}

/* The smallest sizes in which the window has x's positions. */
static SlidingNumbers sliding_unfolded(Evaluation *e, const Node *x, const SlidingWindow *w)
{
    SlidingNumbers n = {{0}};
    for (int a = 0; a < w->axes; a++) {
        n.of[a] = (x->shape.dim[2 + a] - 1) * w->stride.of[a] + (w->taps.of[a] - 1) * w->dilation.of[a] + 1 -
                  w->before.of[a] - w->after.of[a];
        if (n.of[a] < 1)
            evaluation_raise(
                e, NULL, "nothing would be left of axis %d of %s without its padding; use a smaller padding",
                2 + a, shape_text(&e->graph->arena, x->shape));
    }
    return n;
}

/* ---- Convolutions: x w stride? padding? dilation? groups? size? ---- */

enum { CONVOLVE_STRIDE = 2, CONVOLVE_GROUPS = 5, CONVOLVE_SIZE };

static SlidingNumbers sliding_of_shape(const Node *x)
{
    SlidingNumbers n = {{0}};
    for (int a = 2; a < x->shape.rank && a < 2 + SLIDING_AXES; a++)
        n.of[a - 2] = x->shape.dim[a];
    return n;
}

static Value sliding_node(Evaluation *e, const Given *given, OpCode op, Node *x, Node *z,
                          const SlidingWindow *w, SlidingNumbers size)
{
    int64_t attribute[4 * SLIDING_AXES + 1], groups = 1;
    for (int a = 0; a < w->axes; a++) {
        attribute[a] = w->stride.of[a];
        attribute[w->axes + a] = w->before.of[a];
        attribute[2 * w->axes + a] = w->dilation.of[a];
        attribute[3 * w->axes + a] = size.of[a];
    }
    if (given_is(given, CONVOLVE_GROUPS))
        groups = sliding_number(e, given->value[CONVOLVE_GROUPS], "number of groups", 1);
    attribute[4 * w->axes] = groups;
    return value_node(graph_node(e->graph, op, 2, (Node *[]){x, z}, 4 * w->axes + 1, attribute));
}

/* y[n, o, p] = sum of x[n, c, p*stride - padding + k*dilation]*w[o, c, k]. */
Value native_convolve(Evaluation *e, const Given *given)
{
    Node *x = given_tensor(e, given, 0), *z = given_tensor(e, given, 1);
    int axes = sliding_axes(e, x);
    SlidingWindow w = sliding_window(e, given, CONVOLVE_STRIDE, x, sliding_of_shape(z), true);
    SlidingNumbers size = given_is(given, CONVOLVE_SIZE)
                              ? sliding_numbers(e, given, CONVOLVE_SIZE, axes, "size", 1)
                              : sliding_positions(e, x, &w);
    return sliding_node(e, given, OP_convolve, x, z, &w, size);
}

/* The reverse of it: what y comes from, [n, c, size]; the smallest size that has y's positions unless it is given. */
Value native_convolve_input(Evaluation *e, const Given *given)
{
    Node *y = given_tensor(e, given, 0), *z = given_tensor(e, given, 1);
    int axes = sliding_axes(e, y);
    SlidingWindow w = sliding_window(e, given, CONVOLVE_STRIDE, y, sliding_of_shape(z), false);
    SlidingNumbers size = given_is(given, CONVOLVE_SIZE)
                              ? sliding_numbers(e, given, CONVOLVE_SIZE, axes, "size", 1)
                              : sliding_unfolded(e, y, &w);
    return sliding_node(e, given, OP_convolve_input, y, z, &w, size);
}

/* The gradient with respect to w, whose spatial sizes are `size`. */
Value native_convolve_weight(Evaluation *e, const Given *given)
{
    Node *x = given_tensor(e, given, 0), *y = given_tensor(e, given, 1);
    int axes = sliding_axes(e, x);
    SlidingNumbers size = sliding_numbers(e, given, CONVOLVE_SIZE, axes, "size", 1);
    SlidingWindow w = sliding_window(e, given, CONVOLVE_STRIDE, x, size, true);
    return sliding_node(e, given, OP_convolve_weight, x, y, &w, size);
}

/* ---- Max pooling ---- */

/* x window stride? padding? dilation?: positions (i32) of the largest in each plane of x. */
Value native_pool_argmax(Evaluation *e, const Given *given)
{
    Node *x = given_tensor(e, given, 0);
    int axes = sliding_axes(e, x);
    SlidingNumbers taps = sliding_numbers(e, given, 1, axes, "size", 1);
    SlidingWindow w = sliding_window(e, given, 2, x, taps, true);
    SlidingNumbers size = sliding_positions(e, x, &w);
    int64_t attribute[5 * SLIDING_AXES];
    for (int a = 0; a < axes; a++) {
        if (2 * w.before.of[a] > (taps.of[a] - 1) * w.dilation.of[a] + 1 ||
            2 * w.after.of[a] > (taps.of[a] - 1) * w.dilation.of[a] + 1)
            evaluation_raise(e, NULL, "the padding must be at most half of the window, %lld",
                             (long long)((taps.of[a] - 1) * w.dilation.of[a] + 1) / 2);
        attribute[a] = w.stride.of[a];
        attribute[axes + a] = w.before.of[a];
        attribute[2 * axes + a] = w.dilation.of[a];
        attribute[3 * axes + a] = taps.of[a];
        attribute[4 * axes + a] = size.of[a];
    }
    return value_node(graph_node(e->graph, OP_pool_argmax, 1, &x, 5 * axes, attribute));
}

Value native_pool_take(Evaluation *e, const Given *given)
{
    Node *x[] = {given_tensor(e, given, 0), given_tensor(e, given, 1)};
    return value_node(graph_node(e->graph, OP_pool_take, 2, x, 0, NULL));
}

Value native_pool_put(Evaluation *e, const Given *given)
{
    Node *x[] = {given_tensor(e, given, 0), given_tensor(e, given, 1)};
    int axes = sliding_axes(e, x[0]);
    SlidingNumbers size = sliding_numbers(e, given, 2, axes, "size", 1);
    return value_node(graph_node(e->graph, OP_pool_put, 2, x, axes, size.of));
}

/* ---- Sizes ---- */

static Value sliding_tuple(Evaluation *e, int count, const int64_t *number)
{
    Value v = value_tuple(e, count);
    for (int i = 0; i < count; i++)
        v.item[i] = value_number(e, (double)number[i]);
    return v;
}

/* x n size groups? transposed?: the shape of the weights that make n channels of x. */
Value native_kernel_shape(Evaluation *e, const Given *given)
{
    Node *x = given_tensor(e, given, 0);
    int axes = sliding_axes(e, x);
    int64_t n = sliding_number(e, given->value[1], "number of channels", 1), c = x->shape.dim[1];
    int64_t groups = 1;
    if (given_is(given, 3)) groups = sliding_number(e, given->value[3], "number of groups", 1);
    SlidingNumbers taps = sliding_numbers(e, given, 2, axes, "size", 1);
    if (c % groups)
        evaluation_raise(e, NULL, "the %lld channels of %s do not divide into groups=%lld", (long long)c,
                         shape_text(&e->graph->arena, x->shape), (long long)groups);
    if (n % groups)
        evaluation_raise(e, NULL,
                         "the %lld channels of the result do not divide into groups=%lld; %lld would",
                         (long long)n, (long long)groups, (long long)((n / groups + 1) * groups));
    bool transposed = given_number(e, given, 4, "transposed", 0) != 0;
    int64_t dim[2 + SLIDING_AXES] = {transposed ? c : n, transposed ? n / groups : c / groups};
    memcpy(dim + 2, taps.of, sizeof taps.of);
    return sliding_tuple(e, 2 + axes, dim);
}

/* x size stride padding dilation more: the sizes of a transposed convolution, with `more` positions at their ends. */
Value native_unfolded(Evaluation *e, const Given *given)
{
    Node *x = given_tensor(e, given, 0);
    int axes = sliding_axes(e, x);
    SlidingWindow w = sliding_window(e, given, 2, x, sliding_numbers(e, given, 1, axes, "size", 1), false);
    SlidingNumbers size = sliding_unfolded(e, x, &w);
    Value more = value_force(e, given->value[5]);
    if (more.kind == VALUE_TUPLE && more.count != axes)
        evaluation_raise(e, NULL, "the output_padding has %d numbers, but there are %d spatial axes",
                         more.count, axes);
    for (int a = 0; a < axes; a++) {
        int64_t add = sliding_number(e, more.kind == VALUE_TUPLE ? more.item[a] : more, "output_padding", 0);
        if (add >= w.stride.of[a] && add >= w.dilation.of[a])
            evaluation_raise(e, NULL,
                             "the output_padding, %lld, must be less than the stride or the dilation",
                             (long long)add);
        size.of[a] += add;
    }
    return sliding_tuple(e, axes, size.of);
}

/* n count: a tuple of `count` numbers, from one for all or from a tuple of that many. */
Value native_each(Evaluation *e, const Given *given)
{
    int64_t count = given_integer(e, given, 1, "the count");
    Value v = value_force(e, given->value[0]);
    if (count < 0 || count > RANK_MAX || (v.kind == VALUE_TUPLE && v.count != count))
        evaluation_raise(e, NULL, "%s does not give %lld numbers", value_what(e, v), (long long)count);
    if (v.kind == VALUE_TUPLE) return v;
    Value all = value_tuple(e, (int)count);
    for (int i = 0; i < count; i++)
        all.item[i] = v;
    return all;
}

static int64_t sliding_scaled(Evaluation *e, Value scale, int64_t size)
{
    double factor;
    if (!value_constant(value_force(e, scale), &factor) || !(factor > 0) ||
        !(factor * (double)size < INT32_MAX))
        evaluation_raise(e, NULL, "the scale must be a number above 0, not %s", value_what(e, scale));
    int64_t scaled = (int64_t)floor(factor * (double)size);
    if (scaled < 1)
        evaluation_raise(e, NULL, "an axis of %lld would have no element left; use a larger scale",
                         (long long)size);
    return scaled;
}

/* x size scale mode: the spatial sizes of a resized x; size 0: by the scale. */
Value native_resized(Evaluation *e, const Given *given)
{
    static const char *const modes[] = {"nearest", "linear", "bilinear", "trilinear"};
    Node *x = given_tensor(e, given, 0);
    int axes = sliding_axes(e, x), mode = 0;
    const char *word = value_word(given->value[3]);
    double none;
    while (mode < 4 && (!word || strcmp(word, modes[mode])))
        mode++;
    if (mode == 4)
        evaluation_raise(e, NULL, "the mode is nearest or linear, not %s", value_what(e, given->value[3]));
    Value size = value_force(e, given->value[1]), scale = value_force(e, given->value[2]);
    bool by_scale = value_constant(size, &none) && none == 0;
    if (scale.kind == VALUE_TUPLE && scale.count != axes)
        evaluation_raise(e, NULL, "the scale has %d numbers, but there are %d spatial axes", scale.count,
                         axes);
    SlidingNumbers n;
    if (!by_scale) n = sliding_numbers(e, given, 1, axes, "size", 1);
    for (int a = 0; a < axes && by_scale; a++)
        n.of[a] = sliding_scaled(e, scale.kind == VALUE_TUPLE ? scale.item[a] : scale, x->shape.dim[2 + a]);
    return sliding_tuple(e, axes, n.of);
}
