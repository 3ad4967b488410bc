/* pattern.c: x{n t (h d) -> n h t d}: splits, reorders, repeats and joins axes by name, as einops does (Rogozhnikov,
 * ICLR 2022). Used by evaluate.c.
 *
 * A name that is known is a size and is checked; another one becomes known. A name on the right only repeats. */
#include "notation/evaluate.h"

#include <string.h>

typedef struct Axis {
    const char *name; /* NULL: one of those that .. stands for */
    const Syntax *syntax;
    int64_t size; /* -1: not known yet */
} Axis;

/* One side: its single axes in order, and how many of them each axis of the tensor joins. */
typedef struct Side {
    int axes, groups;
    Axis axis[RANK_MAX];
    int group[RANK_MAX];
} Side;

static _Noreturn void pattern_raise(Evaluation *e, const Syntax *at, const char *message)
{
    evaluation_raise(e, evaluate_origin(e, at, at->at), "%s", message);
}

static void side_axis(Evaluation *e, Side *s, const Syntax *syntax, const char *name)
{
    if (s->axes == RANK_MAX) pattern_raise(e, syntax, "a pattern has too many axes; 8 is the most");
    for (int i = 0; name && i < s->axes; i++)
        if (s->axis[i].name && !strcmp(s->axis[i].name, name))
            evaluation_raise(e, evaluate_origin(e, syntax, syntax->at),
                             "axis %s stands twice on one side of the pattern", name);
    s->axis[s->axes++] = (Axis){name, syntax, -1};
}

static int *side_group(Evaluation *e, Side *s, const Syntax *syntax)
{
    if (s->groups == RANK_MAX) pattern_raise(e, syntax, "a pattern has too many axes; 8 is the most");
    s->group[s->groups] = 0;
    return &s->group[s->groups++];
}

/* A name or a 1; a 1 is no axis of its own. */
static int side_single(Evaluation *e, Side *s, const Syntax *syntax)
{
    if (syntax->kind == SYNTAX_NUMBER && syntax->number == 1) return 0;
    if (syntax->kind == SYNTAX_NUMBER)
        pattern_raise(e, syntax, "in a pattern, sizes have names; only 1 can stand as a number");
    if (syntax->kind != SYNTAX_NAME) pattern_raise(e, syntax, "only names can stand in ( ) in a pattern");
    side_axis(e, s, syntax, syntax->name);
    return 1;
}

static void side_rest(Evaluation *e, Side *s, const Syntax *syntax, int rest)
{
    for (int i = 0; i < rest; i++) {
        *side_group(e, s, syntax) = 1;
        side_axis(e, s, syntax, NULL);
    }
}

/* rest: how many axes .. stands for. */
static void side_read(Evaluation *e, Side *s, const Syntax *side, int rest)
{
    for (int i = 0; i < side->parts; i++) {
        const Syntax *part = side->part[i].syntax;
        if (part->kind == SYNTAX_REST) {
            side_rest(e, s, part, rest);
            continue;
        }
        int *group = side_group(e, s, part), joined = 0;
        if (part->kind != SYNTAX_TUPLE)
            joined = side_single(e, s, part);
        else
            for (int k = 0; k < part->parts; k++)
                joined += side_single(e, s, part->part[k].syntax);
        *group = joined;
    }
}

static int side_rests(Evaluation *e, const Syntax *side)
{
    int rests = 0;
    for (int i = 0; i < side->parts; i++)
        if (side->part[i].syntax->kind == SYNTAX_REST && ++rests > 1)
            pattern_raise(e, side->part[i].syntax, "only one .. can stand on a side of a pattern");
    return rests;
}

/* The size that a name already means; -1 if it means nothing yet. */
static int64_t axis_known(Evaluation *e, const Axis *a)
{
    Entry *entry = a->name ? scope_within(e->scope, a->name) : NULL;
    if (!entry) return -1;
    Value v = evaluate_entry(e, entry);
    double number;
    const Origin *at = evaluate_origin(e, a->syntax, a->syntax->at);
    if (!value_constant(v, &number))
        evaluation_raise(e, at, "%s is %s already; give this axis another name", a->name, value_what(e, v));
    if (!(number >= 0 && number < 1e15) || number != (double)(int64_t)number)
        evaluation_raise(e, at, "%s is %s; an axis needs a whole number", a->name, value_what(e, v));
    return (int64_t)number;
}

/* The sizes of the axes that make up axis `index` of x: at most one of them is not known. */
static void group_sizes(Evaluation *e, const Node *x, int index, Axis *axis, int count, const Syntax *at)
{
    int64_t known = 1, size = x->shape.dim[index];
    int open = -1;
    for (int i = 0; i < count; i++) {
        axis[i].size = axis_known(e, &axis[i]);
        if (axis[i].size >= 0)
            known *= axis[i].size;
        else if (open >= 0)
            evaluation_raise(e, evaluate_origin(e, axis[i].syntax, axis[i].syntax->at),
                             "the sizes of %s and %s are both unknown; give one of them a value before",
                             axis[open].name, axis[i].name);
        else
            open = i;
    }
    if (open >= 0 ? known <= 0 || size % known : size != known)
        evaluation_raise(e, evaluate_origin(e, at, at->at),
                         "axis %d of %s does not split as the pattern says (%lld)", index,
                         shape_text(&e->graph->arena, x->shape), (long long)known);
    if (open >= 0) axis[open].size = size / known;
}

static void side_sizes(Evaluation *e, const Syntax *side, Side *s, const Node *x)
{
    for (int g = 0, at = 0; g < s->groups; at += s->group[g++])
        group_sizes(e, x, g, &s->axis[at], s->group[g], s->group[g] ? s->axis[at].syntax : side);
    for (int i = 0; i < s->axes; i++)
        if (s->axis[i].name) evaluation_bind(e, s->axis[i].name, s->axis[i].size, "the pattern");
}

/* The axis of `in` with the name of `a`; those of .. stand in the same order on both sides. */
static int side_find(const Side *in, const Side *of, int index)
{
    int nameless = 0;
    for (int i = 0; i < index; i++)
        nameless += !of->axis[i].name;
    for (int i = 0; i < in->axes; i++) {
        const char *name = in->axis[i].name, *wanted = of->axis[index].name;
        if (name && wanted ? !strcmp(name, wanted) : !name && !wanted && nameless-- == 0) return i;
    }
    return -1;
}

static void pattern_missing(Evaluation *e, const Side *left, const Side *right)
{
    for (int i = 0; i < left->axes; i++)
        if (side_find(right, left, i) < 0)
            evaluation_raise(e, evaluate_origin(e, left->axis[i].syntax, left->axis[i].syntax->at),
                             "axis %s is missing on the right; sum or take its mean before",
                             left->axis[i].name ? left->axis[i].name : "..");
}

/* Brings the single axes into the order of the right side; a new one repeats what is there. */
static Node *pattern_arrange(Evaluation *e, Node *x, const Side *left, Side *right)
{
    Graph *g = e->graph;
    int order[RANK_MAX], kept = 0;
    Shape single = {0}, full = {0};
    for (int i = 0; i < right->axes; i++) {
        Axis *a = &right->axis[i];
        int from = side_find(left, right, i);
        a->size = from >= 0 ? left->axis[from].size : axis_known(e, a);
        if (a->size < 0)
            evaluation_raise(e, evaluate_origin(e, a->syntax, a->syntax->at),
                             "axis %s is new here, so it needs a size; give %s a value before", a->name,
                             a->name);
        if (from >= 0) order[kept++] = from;
        single.dim[single.rank++] = from >= 0 ? a->size : 1;
        full.dim[full.rank++] = a->size;
    }
    x = graph_reshape(g, graph_transpose(g, x, order), single);
    return graph_expand(g, x, full);
}

static Shape side_shape(const Side *s, bool joined)
{
    Shape shape = {0};
    for (int i = 0; !joined && i < s->axes; i++)
        shape.dim[shape.rank++] = s->axis[i].size;
    for (int g = 0, at = 0; joined && g < s->groups; g++) {
        int64_t size = 1;
        for (int i = 0; i < s->group[g]; i++)
            size *= s->axis[at++].size;
        shape.dim[shape.rank++] = size;
    }
    return shape;
}

Value evaluate_pattern(Evaluation *e, const Syntax *s)
{
    Node *x = evaluate_tensor(e, s->part[0].syntax);
    const Syntax *left = s->part[1].syntax, *right = s->part[2].syntax;
    int rests = side_rests(e, left), rest = x->shape.rank - left->parts + rests;
    if (rests ? rest < 0 : rest != 0)
        evaluation_raise(e, NULL, "the pattern has %d axes on the left, the tensor has shape %s",
                         left->parts - rests, shape_text(&e->graph->arena, x->shape));
    if (side_rests(e, right) > rests) pattern_raise(e, right, "the pattern has .. on the right only");
    Side from = {0}, to = {0};
    side_read(e, &from, left, rest);
    side_read(e, &to, right, rest);
    for (int i = 0, g = 0; g < from.groups; i += from.group[g++]) /* what .. stands for keeps its size */
        if (from.group[g] && !from.axis[i].name) from.axis[i].size = x->shape.dim[g];
    side_sizes(e, left, &from, x);
    pattern_missing(e, &from, &to);
    x = graph_reshape(e->graph, x, side_shape(&from, false));
    x = pattern_arrange(e, x, &from, &to);
    return value_node(graph_reshape(e->graph, x, side_shape(&to, true)));
}
