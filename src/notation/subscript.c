/* subscript.c: x[i, a:b, .., ::2]. Used by evaluate.c.
 *
 * A number drops its axis, a range keeps it; both count from the end where negative. An i32 tensor takes rows. */
#include "notation/evaluate.h"

typedef struct Window {
    Shape shape; /* of the tensor indexed */
    int64_t begin[RANK_MAX], step[RANK_MAX];
    Shape size;
    bool drop[RANK_MAX];
    Node *rows; /* positions along axis 0, or NULL */
} Window;

static const char *window_text(Evaluation *e, const Window *w)
{
    return shape_text(&e->graph->arena, w->shape);
}

/* The axis of item i: items after .. count from the last axis. */
static int subscript_axis(Evaluation *e, const Syntax *s, int rank, int i)
{
    int items = s->parts - 1, rest = 0;
    for (int k = 1; k <= items; k++) {
        if (s->part[k].syntax->kind != SYNTAX_REST) continue;
        if (rest)
            evaluation_raise(e, evaluate_origin(e, s, s->part[k].syntax->at),
                             "only one .. can stand in an index");
        rest = k;
    }
    return rest && i > rest ? rank - 1 - items + i : i - 1;
}

static void subscript_count(Evaluation *e, const Syntax *s, Shape shape)
{
    int items = 0;
    for (int i = 1; i < s->parts; i++)
        items += s->part[i].syntax->kind != SYNTAX_REST;
    if (items > shape.rank)
        evaluation_raise(e, NULL, "%d indices are more than the axes of %s", items,
                         shape_text(&e->graph->arena, shape));
}

static int64_t subscript_bound(Evaluation *e, const Syntax *s, int64_t length, int64_t otherwise)
{
    if (!s) return otherwise;
    int64_t at = evaluate_integer(e, s, "the bound of a range");
    return at < 0 ? at + length : at;
}

static void subscript_range(Evaluation *e, const Syntax *s, Window *w, int axis)
{
    int64_t length = w->shape.dim[axis], step = 1;
    if (s->part[2].syntax) step = evaluate_integer(e, s->part[2].syntax, "the step of a range");
    if (!step) evaluation_raise(e, NULL, "the step of a range must not be 0");
    int64_t first = step > 0 ? 0 : length - 1, past = step > 0 ? length : -1;
    int64_t begin = subscript_bound(e, s->part[0].syntax, length, first);
    int64_t end = subscript_bound(e, s->part[1].syntax, length, past);
    int64_t low = step > 0 ? begin : end + 1,
            high = step > 0 ? end : begin + 1; /* elements low .. high - 1 */
    if (low < 0 || high > length || low >= high)
        evaluation_raise(e, NULL, "the range from %lld to %lld %s axis %d of %s", (long long)begin,
                         (long long)end, low < 0 || high > length ? "is not all within" : "takes nothing of",
                         axis, window_text(e, w));
    int64_t stride = step > 0 ? step : step < -length ? length : -step;
    w->begin[axis] = begin;
    w->size.dim[axis] = (high - low - 1) / stride + 1;
    w->step[axis] = w->size.dim[axis] == 1 ? 1 : step;
}

static void subscript_number(Evaluation *e, Window *w, int axis, int64_t at)
{
    int64_t length = w->shape.dim[axis];
    if (at < -length || at >= length)
        evaluation_raise(e, NULL, "index %lld is outside axis %d of %s", (long long)at, axis,
                         window_text(e, w));
    w->begin[axis] = at < 0 ? at + length : at;
    w->size.dim[axis] = 1;
    w->drop[axis] = true;
}

static void subscript_item(Evaluation *e, const Syntax *s, Window *w, int axis)
{
    double number;
    if (s->kind == SYNTAX_RANGE) {
        subscript_range(e, s, w, axis);
        return;
    }
    Value v = evaluate(e, s);
    if (value_constant(v, &number)) {
        subscript_number(e, w, axis, value_integer(e, v, "an index"));
        return;
    }
    if (axis) evaluation_raise(e, NULL, "a tensor of positions can index axis 0 only; transpose x first");
    w->rows = value_tensor(e, v);
    if (w->rows->type == TYPE_U8) w->rows = graph_cast(e->graph, w->rows, TYPE_I32);
}

static Node *subscript_cut(Evaluation *e, Node *x, const Window *w)
{
    x = graph_slice(e->graph, x, w->begin, w->step, w->size);
    Shape kept = {0};
    for (int a = 0; a < w->size.rank; a++)
        if (!w->drop[a]) kept.dim[kept.rank++] = w->size.dim[a];
    if (kept.rank < w->size.rank) x = graph_reshape(e->graph, x, kept);
    return w->rows ? graph_binary(e->graph, OP_take, x, w->rows) : x;
}

/* shape(x)[0], shape(x)[1:]: an item of a tuple, or a shorter tuple. */
static Value subscript_tuple(Evaluation *e, const Syntax *s, Value v)
{
    const Syntax *item = s->part[1].syntax;
    Shape shape = shape_of(1, (int64_t[]){v.count});
    Window w = {.shape = shape, .size = shape, .step = {1}};
    if (s->parts > 2) evaluation_raise(e, NULL, "a tuple has one index, not %d", s->parts - 1);
    if (item->kind != SYNTAX_REST) subscript_item(e, item, &w, 0);
    if (w.rows) evaluation_raise(e, NULL, "the index of a tuple must be a number that is known");
    if (w.drop[0]) return v.item[w.begin[0]];
    Value part = value_tuple(e, (int)w.size.dim[0]);
    for (int i = 0; i < part.count; i++)
        part.item[i] = v.item[w.begin[0] + i * w.step[0]];
    return part;
}

Value evaluate_index(Evaluation *e, const Syntax *s)
{
    Value v = evaluate(e, s->part[0].syntax);
    if (v.kind == VALUE_TUPLE) return subscript_tuple(e, s, v);
    Node *x = value_tensor(e, v);
    const Origin *here = e->graph->origin;
    Window w = {.shape = x->shape, .size = x->shape};
    for (int a = 0; a < x->shape.rank; a++)
        w.step[a] = 1;
    subscript_count(e, s, x->shape);
    for (int i = 1; i < s->parts; i++) {
        const Syntax *item = s->part[i].syntax;
        int axis = subscript_axis(e, s, x->shape.rank, i);
        e->graph->origin = evaluate_origin(e, item, item->at);
        if (item->kind != SYNTAX_REST) subscript_item(e, item, &w, axis);
    }
    e->graph->origin = here;
    return value_node(subscript_cut(e, x, &w));
}
