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
    apply_arguments(e, callee, s, 1, argument + 1);
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

/* ---- Branches ---- */

/* What joins two results, by its name: an elementwise operation. */
static OpCode parallel_join(Evaluation *e, const char *join)
{
    int op = join ? ops_find(join) : -1;
    if (op < 0 || !ops_table[op].elementwise || ops_table[op].inputs != 2)
        evaluation_raise(e, NULL,
                         "parallel: join is concat, or an operation on two tensors such as add, not %s",
                         join ? join : "this");
    return (OpCode)op;
}

static Node *parallel_fold(Evaluation *e, OpCode op, int count, Node *const *y)
{
    Arena *a = &e->graph->arena;
    Node *sum = y[0];
    for (int i = 1; i < count; i++) {
        if (!shape_equal(sum->shape, y[i]->shape))
            evaluation_raise(e, NULL, "parallel: net 0 gives %s, net %d gives %s; to %s they must agree",
                             shape_text(a, sum->shape), i, shape_text(a, y[i]->shape), ops_table[op].name);
        sum = graph_binary(e->graph, op, sum, y[i]);
    }
    return sum;
}

Value native_parallel(Evaluation *e, const Given *given)
{
    Arena *a = &e->graph->arena;
    Node *x = given_tensor(e, given, 0);
    int nets = given->value[1].kind == VALUE_TUPLE ? given->value[1].count : 0;
    if (!nets)
        evaluation_raise(e, NULL, "parallel needs nets to apply, such as parallel(dense(8) relu, dense(8))");
    Node **y = arena_new(a, (size_t)nets, sizeof *y);
    for (int i = 0; i < nets; i++)
        y[i] = evaluation_net(e, given->value[1].item[i], arena_print(a, "%d", i), x);
    const char *join = given_is(given, 2) ? value_word(given->value[2]) : "concat";
    if (!join || strcmp(join, "concat")) return value_node(parallel_fold(e, parallel_join(e, join), nets, y));
    Value axis = given_is(given, 3) ? given->value[3] : value_number(e, 1);
    return value_node(graph_concat(e->graph, nets, y, given_axis(e, given, axis, y[0]->shape)));
}

/* ---- Sharing ---- */

/* The path of the layer at a place: 3, or (3, 1) for 3.1. */
static const char *share_path(Evaluation *e, const Given *given)
{
    Arena *a = &e->graph->arena;
    Value place = given->value[1];
    int count = place.kind == VALUE_TUPLE ? place.count : 1;
    const char *path = e->context.path ? e->context.path : "";
    for (int i = 0; i < count; i++) {
        int64_t part = value_integer(e, place.kind == VALUE_TUPLE ? place.item[i] : place, "share: a place");
        path = path_join(e, path, arena_print(a, "%lld", (long long)part));
    }
    for (size_t i = 0, length = strlen(path); i < e->graph->leaves; i++) {
        const char *name = e->graph->leaf[i]->leaf->name;
        if (!strncmp(name, path, length) && name[length] == '.') return path;
    }
    evaluation_raise(e, NULL, "share: no layer %s with parameters stands before this one", path);
}

Value native_share(Evaluation *e, const Given *given)
{
    Node *x = given_tensor(e, given, 0);
    Value net = given->value[2];
    Evaluation in = *e;
    in.path = share_path(e, given);
    if (net.kind != VALUE_NET || net.syntax->kind == SYNTAX_NET)
        return value_node(evaluation_net(&in, net, "", x));
    in.scope = net.scope;
    return layer_apply(&in, &in, net.syntax, x);
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
