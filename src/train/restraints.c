/* restraints.c: see restraints.h. */
#include "train/restraints.h"

static Context restraint_context(const Blueprint *b, Graph *g, const char *key, const char *path)
{
    return (Context){.graph = g,
                     .scope = b->scope,
                     .title = arena_print(&g->arena, "%s: %s", settings_origin(b->settings, key), key),
                     .path = path};
}

static const char *restraint_shape(Graph *g, Value v)
{
    return v.kind == VALUE_TENSOR ? shape_text(&g->arena, v.node->shape) : "no tensor";
}

Node *restraint_penalty(const Blueprint *b, Graph *g, Node *w)
{
    const char *text = settings_text(b->settings, "penalty");
    if (!text) return NULL;
    Context c = restraint_context(b, g, "penalty", "penalty");
    Argument given[] = {{"w", value_node(w), NULL}};
    Value v = notation_call(&c, text, 1, given);
    bool one = v.kind == VALUE_TENSOR && shape_size(v.node->shape) == 1;
    if (!one)
        error_raise(g->error, NUDGE_INPUT,
                    "%s: %s gives %s, but a penalty is one number made from w; end it with sum(...)", c.title,
                    text, restraint_shape(g, v));
    Shape shape = shape_of(1, (int64_t[]){1});
    return v.node->type == TYPE_SCALAR ? graph_expand(g, v.node, shape) : graph_reshape(g, v.node, shape);
}

static Assignment *restraint_assignment(Graph *g, const Node *leaf)
{
    for (size_t i = 0; i < g->assignments; i++)
        if (g->assignment[i].leaf == leaf) return &g->assignment[i];
    return NULL;
}

static void restraint_constrain(const Blueprint *b, Graph *g, Node *w)
{
    const char *text = settings_text(b->settings, "constraint");
    if (!text) return;
    Context c = restraint_context(b, g, "constraint", "constraint");
    Argument given[] = {{"w", value_node(restraint_assignment(g, w)->value), NULL}};
    Value v = notation_call(&c, text, 1, given);
    if (v.kind != VALUE_TENSOR || !shape_equal(v.node->shape, w->shape))
        error_raise(g->error, NUDGE_INPUT,
                    "%s: %s makes %s of %s %s; a constraint gives a tensor of w's shape, such as max_norm(3)",
                    c.title, text, restraint_shape(g, v), w->leaf->name, shape_text(&g->arena, w->shape));
    graph_assign(g, w, v.node);
}

static void restraint_average(const Blueprint *b, Graph *g, Node *w, Node *t)
{
    const char *text = settings_text(b->settings, "average");
    if (!text) return;
    Context c = restraint_context(b, g, "average", arena_print(&g->arena, "optimizer.%s", w->leaf->name));
    Argument given[] = {{"w", value_node(restraint_assignment(g, w)->value), NULL},
                        {"t", value_node(t), NULL}};
    notation_call(&c, text, 2, given);
    Node *average = graph_find_leaf(g, arena_print(&g->arena, "%s.average", c.path));
    if (!average || !restraint_assignment(g, average) || !shape_equal(average->shape, w->shape))
        error_raise(
            g->error, NUDGE_INPUT,
            "%s: %s keeps no average; it gives a state average[shape(w)] its value, such as ema(0.999)",
            c.title, text);
}

void restraint_update(const Blueprint *b, Graph *g, Node *w, Node *t)
{
    if (!restraint_assignment(g, w)) return; /* the update changes nothing */
    restraint_constrain(b, g, w);
    restraint_average(b, g, w, t);
}
