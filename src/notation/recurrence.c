/* recurrence.c: for t < n along x { ... }: a loop is one node that owns its body. Used by evaluate.c.
 *
 * Names that exist before the loop and are assigned in it are carried from turn to turn; names walked along mean their
 * element; what else the body uses of outside stays. The loop's value is the stack of its body's last expression. */
#include "notation/evaluate.h"

#include <string.h>

typedef struct Carried {
    const char *name;
    Node *place;
} Carried;

typedef struct Turn {
    Evaluation *outside, *inside;
    const Syntax *loop;
    BodyDraft draft;
    int carried, room;
    Carried *carry;
} Turn;

static void turn_bind(Turn *t, const char *name, Node *n)
{
    Entry *entry = scope_set(t->inside->scope, ENTRY_VALUE, name);
    entry->value = value_node(n);
    entry->draft = &t->draft;
}

/* ---- What is carried ---- */

static bool turn_walks(const Turn *t, const char *name)
{
    for (int i = 2; i < t->loop->parts; i++)
        if (!strcmp(t->loop->part[i].name, name)) return true;
    return !strcmp(t->loop->name, name);
}

static void turn_carry(Turn *t, const char *name, int at)
{
    Evaluation *e = t->outside;
    Entry *entry = scope_value(e->scope, name);
    for (int i = 0; i < t->carried; i++)
        if (!strcmp(t->carry[i].name, name)) return;
    if (turn_walks(t, name))
        evaluation_raise(e, evaluate_origin(e, t->loop, at),
                         "%s is what this loop walks along; give the new value another name", name);
    if (!entry || entry->kind == ENTRY_NUMBER) return; /* a size stays what it is */
    Node *first = value_tensor(e, evaluate_entry(e, entry));
    if (first->type == TYPE_SCALAR) first = graph_cast(e->graph, first, TYPE_REAL);
    if (t->carried == t->room) {
        t->room = t->room ? t->room * 2 : 4;
        Carried *more = arena_new(&e->graph->arena, (size_t)t->room, sizeof *more);
        if (t->carried) memcpy(more, t->carry, (size_t)t->carried * sizeof *more);
        t->carry = more;
    }
    Node *place = draft_add(e->graph, &t->draft, first, graph_place(e->graph, first->type, first->shape));
    t->carry[t->carried++] = (Carried){name, place};
    turn_bind(t, name, place);
}

static bool turn_assigns(void *context, const Syntax *s)
{
    for (int i = 1; s->kind == SYNTAX_ASSIGN && s->part[0].sign == '=' && i < s->parts; i++)
        turn_carry(context, s->part[i].name, s->part[i].at);
    return false;
}

/* ---- What is walked along ---- */

static void turn_along(Turn *t, const Part *part, int64_t count)
{
    Evaluation *e = t->outside;
    Entry *entry = scope_value(e->scope, part->name);
    e->graph->origin = evaluate_origin(e, t->loop, part->at);
    if (!entry) evaluation_raise(e, NULL, "nothing is called %s here", part->name);
    Node *x = value_tensor(e, evaluate_entry(e, entry));
    const char *text = shape_text(&e->graph->arena, x->shape);
    if (!x->shape.rank || x->shape.dim[0] != count)
        evaluation_raise(e, NULL, "%s has shape %s, but the loop takes %lld turns along its axis 0",
                         part->name, text, (long long)count);
    Node *place = graph_place(e->graph, x->type, shape_of(x->shape.rank - 1, x->shape.dim + 1));
    turn_bind(t, part->name, draft_add(e->graph, &t->draft, x, place));
}

/* ---- What comes out ---- */

static Node *turn_real(Evaluation *e, Node *n)
{
    return n->type == TYPE_SCALAR ? graph_cast(e->graph, n, TYPE_REAL) : n;
}

static Node *turn_next(Turn *t, const Carried *c)
{
    Evaluation *e = t->inside;
    Arena *a = &e->graph->arena;
    Node *n = value_tensor(e, evaluate_entry(e, scope_value(e->scope, c->name))), *first = c->place;
    if (n->type == TYPE_SCALAR && first->type == TYPE_REAL) n = graph_expand(e->graph, n, first->shape);
    if (n->type != first->type || !shape_equal(n->shape, first->shape))
        evaluation_raise(
            e, NULL,
            "%s starts as %s %s but is %s %s after a turn; give it that shape before the loop, or another name in it",
            c->name, type_name[first->type], shape_text(a, first->shape), type_name[n->type],
            shape_text(a, n->shape));
    return n;
}

static int turn_stacks(const Syntax *body)
{
    return body->part[body->parts - 1].syntax->kind != SYNTAX_ASSIGN;
}

static Body turn_body(Turn *t, Value last, Node *position)
{
    Evaluation *e = t->inside;
    Arena *a = &e->graph->arena;
    bool stacks = turn_stacks(t->loop->part[1].syntax) && last.kind != VALUE_NONE;
    int tuple = last.kind == VALUE_TUPLE, values = !stacks ? 0 : tuple ? last.count : 1;
    Body b = {.outputs = t->carried + values};
    if (!b.outputs)
        evaluation_raise(
            e, evaluate_origin(e, t->loop, t->loop->at),
            "this loop gives nothing; end its body with an expression, or assign a name that exists before it");
    b.output = arena_new(a, (size_t)b.outputs, sizeof *b.output);
    for (int i = 0; i < t->carried; i++)
        b.output[i] = turn_next(t, &t->carry[i]);
    for (int i = 0; i < values; i++)
        b.output[t->carried + i] = turn_real(e, value_tensor(e, tuple ? last.item[i] : last));
    b.inputs = t->draft.count + 1; /* now that all that enters is known */
    b.input = arena_new(a, (size_t)b.inputs, sizeof *b.input);
    if (t->draft.count) memcpy(b.input, t->draft.place, (size_t)t->draft.count * sizeof *b.input);
    b.input[t->draft.count] = position;
    return b;
}

static Value turn_value(Turn *t, Node *loop, int outputs)
{
    Evaluation *e = t->outside;
    for (int i = 0; i < t->carried; i++) {
        Entry *entry = scope_set(e->scope, ENTRY_VALUE, t->carry[i].name);
        entry->value = value_node(graph_output(e->graph, loop, i));
        entry->draft = e->draft;
    }
    int values = outputs - t->carried;
    if (!values) return (Value){.kind = VALUE_NONE};
    if (values == 1) return value_node(graph_output(e->graph, loop, t->carried));
    Value v = value_tuple(e, values);
    for (int i = 0; i < values; i++)
        v.item[i] = value_node(graph_output(e->graph, loop, t->carried + i));
    return v;
}

Value evaluate_loop(Evaluation *e, const Syntax *s)
{
    Graph *g = e->graph;
    const Origin *here = g->origin;
    int64_t count = evaluate_integer(e, s->part[0].syntax, "the number of turns");
    if (count < 1) evaluation_raise(e, NULL, "a loop takes at least one turn, not %lld", (long long)count);
    Evaluation in = *e;
    Turn t = {.outside = e, .inside = &in, .loop = s, .draft = {.outer = e->draft}};
    in.scope = scope_new(&g->arena, e->scope);
    in.draft = &t.draft;
    in.turning = true;
    in.see = NULL;
    syntax_any(s->part[1].syntax, turn_assigns, &t);
    for (int i = 2; i < s->parts; i++)
        turn_along(&t, &s->part[i], count);
    g->origin = here;
    t.draft.own = t.draft.count;
    Node *position = graph_place(g, TYPE_I32, shape_of(0, NULL));
    turn_bind(&t, s->name, position);
    Value last = evaluate(&in, s->part[1].syntax);
    Body body = turn_body(&t, last, position);
    Loop loop = {.count = count, .carried = t.carried, .stacked = s->parts - 2, .body = body};
    return turn_value(&t, graph_loop(g, loop, t.draft.count, t.draft.given), body.outputs);
}
