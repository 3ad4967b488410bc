/* notation.c: the doors of notation/: whole texts, calls, nets and gradients. See notation.h. */
#include "notation/notation.h"

#include "notation/evaluate.h"

#include <string.h>

static const Source *notation_source(const Context *c, const char *text)
{
    Arena *a = &c->graph->arena;
    const char *title = c->title ? c->title : "text";
    Source *s = arena_new(a, 1, sizeof *s);
    *s = (Source){arena_string(a, title, strlen(title)), arena_string(a, text, strlen(text))};
    return s;
}

Value notation_evaluate(const Context *c, const char *text)
{
    Evaluation e = evaluation_begin(c);
    return evaluate(&e, syntax_text(&c->graph->arena, notation_source(c, text)));
}

Node *notation_formula(const Context *c, const char *text)
{
    Evaluation e = evaluation_begin(c);
    return evaluate_tensor(&e, syntax_text(&c->graph->arena, notation_source(c, text)));
}

static Value notation_apply(const Context *c, const char *text, int count, const Argument *given,
                            Scaling *scaling)
{
    Graph *g = c->graph;
    const Origin *before = g->origin;
    Evaluation e = evaluation_begin(c);
    const Syntax *net = syntax_net(&g->arena, notation_source(c, text)), *s = net->part[0].syntax;
    g->origin = evaluate_origin(&e, s, s->at);
    if (net->parts > 1)
        evaluation_raise(&e, evaluate_origin(&e, net, net->part[1].syntax->at),
                         "expected one call, such as %s, and nothing after it", evaluate_text(&e, s));
    const Entry *callee = apply_find(&e, c->scope, s->name, entry_partial, c->what ? c->what : "function");
    Argument *argument = arena_new(&g->arena, (size_t)(count + s->parts), sizeof *argument);
    if (count) memcpy(argument, given, (size_t)count * sizeof *argument);
    apply_arguments(&e, callee, s, count, argument + count);
    if (s->tag) e.path = path_join(&e, e.path, s->tag);
    e.scaling = scaling;
    Value v = apply_entry(&e, callee, count, count + s->parts, argument);
    g->origin = before;
    return v;
}

Value notation_call(const Context *c, const char *text, int count, const Argument *given)
{
    return notation_apply(c, text, count, given, NULL);
}

Value notation_call_scaled(const Context *c, const char *text, int count, const Argument *given,
                           const char *name, Node *factor, Node **product)
{
    Scaling scaling = {name, factor, NULL};
    Value v = notation_apply(c, text, count, given, &scaling);
    *product = scaling.product;
    return v;
}

Node *notation_net(const Context *c, const char *net, Node *x,
                   void (*see)(void *context, const LayerSeen *layer), void *context)
{
    Evaluation e = evaluation_begin(c);
    e.see = see;
    e.see_context = context;
    return evaluate_net(&e, syntax_net(&c->graph->arena, notation_source(c, net)), x);
}

/* ---- Gradients ---- */

/* The values of a gradient text in the scope prepared: NULL where it says 0. */
static void gradient_values(Evaluation *e, const Syntax *text, int count, Node **out)
{
    Value v = evaluate(e, text);
    double number;
    if ((v.kind == VALUE_TUPLE ? v.count : 1) != count)
        evaluation_raise(e, evaluate_origin(e, text, text->at),
                         "this gradient needs %d values, one for each input, but is %s", count,
                         value_what(e, v));
    for (int i = 0; i < count; i++) {
        Value part = v.kind == VALUE_TUPLE ? v.item[i] : v;
        out[i] = value_constant(part, &number) && number == 0 ? NULL : value_tensor(e, part);
    }
}

static const Syntax *gradient_syntax(Graph *g, const char *title, const char *gradient)
{
    Source *source = arena_new(&g->arena, 1, sizeof *source);
    *source = (Source){title, gradient};
    return syntax_text(&g->arena, source);
}

static Evaluation gradient_begin(Graph *g, Scope *definitions)
{
    Evaluation e = evaluation_begin(&(Context){.graph = g, .scope = definitions});
    e.scope->closed = true;
    return e;
}

void notation_gradient(Graph *g, Scope *definitions, const char *title, const char *gradient, int names,
                       const char *const *name, const Value *value, int count, Node **out)
{
    Evaluation e = gradient_begin(g, definitions);
    for (int i = 0; i < names; i++)
        scope_add_value(e.scope, name[i], value[i]);
    gradient_values(&e, gradient_syntax(g, title, gradient), count, out);
}

static int gradient_count(const Syntax *text)
{
    const Syntax *last = text->part[text->parts - 1].syntax;
    return last->kind == SYNTAX_TUPLE ? last->parts : 1;
}

bool notation_call_gradient(Graph *g, const Node *call, Node *dy, const bool *wanted, Node **out)
{
    const Row *row = call->call->definition;
    if (!row || !row->gradient) return false;
    const Syntax *text = gradient_syntax(g, row->name, row->gradient);
    int count = gradient_count(text);
    for (int i = 0; i < call->inputs; i++) {
        int index = apply_parameter(call, i);
        if (wanted[i] && (index < 0 || index >= count)) return false;
    }
    Evaluation e = gradient_begin(g, row->scope);
    apply_bind(&e, call);
    scope_add_node(e.scope, "y", (Node *)(uintptr_t)call);
    scope_add_node(e.scope, "dy", dy);
    Node **value = arena_new(&g->arena, (size_t)count, sizeof *value);
    gradient_values(&e, text, count, value);
    for (int i = 0; i < call->inputs; i++) {
        int index = apply_parameter(call, i);
        out[i] = index >= 0 && index < count ? value[index] : NULL;
    }
    return true;
}
