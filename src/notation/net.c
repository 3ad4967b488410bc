/* net.c: nets: layers in sequence, each under its own path of parameters ("0", "1", "1.0"), and the natives that take
 * nets as arguments. */
#include "notation/natives.h"

#include <string.h>

enum { COPIES_MOST = 10000 };

static _Noreturn void layer_unknown(Evaluation *e, const char *name)
{
    const Entry *known = scope_function(e->scope, name);
    const char *near = scope_nearest(e->scope, &e->graph->arena, name, entry_layer);
    if (known && known->category)
        evaluation_raise(e, NULL, "%s is no layer but %s %s", name,
                         strchr("aeiou", known->category[0]) ? "an" : "a", known->category);
    if (known) evaluation_raise(e, NULL, "%s cannot stand in a net; a layer takes one tensor", name);
    if (near) evaluation_raise(e, NULL, "no layer is called %s; did you mean %s?", name, near);
    evaluation_raise(e, NULL, "no layer is called %s", name);
}

static Value layer_apply(Evaluation *e, Evaluation *in, const Syntax *s, Node *x)
{
    const Entry *value = scope_value(e->scope, s->name), *callee = scope_function(e->scope, s->name);
    if (value && value->kind == ENTRY_VALUE && value->value.kind == VALUE_NET)
        return value_node(evaluation_net(in, value->value, "", x));
    if (!callee || !entry_layer(callee)) layer_unknown(e, s->name);
    Argument *argument = arena_new(&e->graph->arena, (size_t)s->parts + 1, sizeof *argument);
    argument[0] = (Argument){NULL, value_node(x), e->graph->origin};
    apply_arguments(e, callee, s, argument + 1);
    return apply_entry(in, callee, 1, s->parts + 1, argument);
}

static Node *net_layer(Evaluation *e, const Syntax *s, int index, Node *x)
{
    Evaluation in = *e;
    in.path = path_join(e, e->path, arena_print(&e->graph->arena, "%d", index));
    if (s->tag) in.path = path_join(e, in.path, s->tag);
    in.layers++;
    Value v = layer_apply(e, &in, s, x);
    if (v.kind != VALUE_TENSOR)
        evaluation_raise(e, NULL, "a layer gives one tensor; %s gives %s", s->name, value_what(e, v));
    LayerSeen seen = {in.path, evaluate_text(e, s), x, v.node, e->layers};
    if (e->see) e->see(e->see_context, &seen);
    return v.node;
}

Node *evaluate_net(Evaluation *e, const Syntax *net, Node *x)
{
    const Origin *before = e->graph->origin;
    bool list = net->kind == SYNTAX_NET;
    for (int i = 0; i < (list ? net->parts : 1); i++) {
        const Syntax *layer = list ? net->part[i].syntax : net;
        e->graph->origin = evaluate_origin(e, layer, layer->at);
        x = net_layer(e, layer, i, x);
    }
    e->graph->origin = before;
    return x;
}

Node *evaluation_net(Evaluation *e, Value net, const char *path, Node *x)
{
    if (net.kind != VALUE_NET)
        evaluation_raise(e, NULL, "expected layers here, such as dense(8) relu, not %s", value_what(e, net));
    Evaluation in = *e;
    in.path = path_join(e, e->path, path);
    in.scope = net.scope;
    return evaluate_net(&in, net.syntax, x);
}

/* x + net(x) (He et al. 2016) */
Value native_residual(Evaluation *e, const Given *given)
{
    Arena *a = &e->graph->arena;
    Node *x = given_tensor(e, given, 0), *y = evaluation_net(e, given->value[1], "", x);
    if (!shape_equal(x->shape, y->shape))
        evaluation_raise(
            e, NULL,
            "residual adds %s to what its layers make of it, %s; end them with a layer that gives %s",
            shape_text(a, x->shape), shape_text(a, y->shape), shape_text(a, x->shape));
    return value_node(graph_binary(e->graph, OP_add, x, y));
}

/* n copies of a net in sequence, each with parameters of its own. */
Value native_repeat(Evaluation *e, const Given *given)
{
    Node *x = given_tensor(e, given, 0);
    int64_t count = given_integer(e, given, 1, "the number of copies");
    if (count < 1 || count > COPIES_MOST)
        evaluation_raise(e, NULL, "repeat: the number of copies must be from 1 to %d, not %lld", COPIES_MOST,
                         (long long)count);
    for (int64_t i = 0; i < count; i++)
        x = evaluation_net(e, given->value[2], arena_print(&e->graph->arena, "%lld", (long long)i), x);
    return value_node(x);
}
