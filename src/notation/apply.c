/* apply.c: calls. Matches arguments to names, then evaluates a row where it is called or makes it a node with a body.
 *
 * A node's definition is an Instance: the row with the constants given to it, so that equal definitions are one
 * pointer and a gradient text can ask for every argument. Instances and their bodies are shared by all calls in a
 * graph whose arguments have the same shapes and constants. */
#include "notation/evaluate.h"

#include <math.h>
#include <string.h>

typedef struct Instance {
    Row row;            /* what Call.definition points to */
    const Row *general; /* whose copy it is */
    Value *value;       /* the arguments as the body sees them; VALUE_NONE: not given */
    BodyDraft draft;
    bool train;
    const Node *weight, *mask;
    Body body;
    struct Instance *next; /* in the graph's list */
} Instance;

/* ---- Matching ---- */

/* "(x, n, bias=1)": what a row takes. */
static const char *row_argument_list(Evaluation *e, const Row *row)
{
    Arena *a = &e->graph->arena;
    const char *text = "(";
    for (int i = 0; i < row->parameters; i++) {
        const Parameter *p = &row->parameter[i];
        text = arena_print(a, "%s%s%s%s%s", text, i ? ", " : "", p->name, p->value ? "=" : "",
                           p->value ? evaluate_text(e, p->value) : "");
    }
    return arena_print(a, "%s)", text);
}

static int row_find(const Row *row, const char *name)
{
    for (int i = 0; i < row->parameters; i++)
        if (!strcmp(row->parameter[i].name, name)) return i;
    return -1;
}

static _Noreturn void match_unknown(Evaluation *e, const Row *row, const Argument *a)
{
    Arena *arena = &e->graph->arena;
    const char **names = arena_new(arena, (size_t)row->parameters, sizeof *names);
    for (int i = 0; i < row->parameters; i++)
        names[i] = row->parameter[i].name;
    const char *near = name_nearest(a->name, names, (size_t)row->parameters);
    evaluation_raise(e, a->origin, "%s has no argument called %s%s%s%s takes %s", row->name, a->name,
                     near ? "; did you mean " : "", near ? near : "", near ? "? It" : "; it",
                     row_argument_list(e, row));
}

/* "at least 0 and less than 1" */
static const char *limit_words(Arena *a, const Interval *r)
{
    char least[NUMBER_ROOM], most[NUMBER_ROOM];
    const char *from =
        arena_print(a, "%s %s", r->above ? "more than" : "at least", number_print(least, r->least));
    const char *to = arena_print(a, "%s %s", r->below ? "less than" : "at most", number_print(most, r->most));
    if (isinf(r->most)) return from;
    return isinf(r->least) ? to : arena_print(a, "%s and %s", from, to);
}

static bool limit_holds(const Interval *r, double x)
{
    return (r->above ? r->least < x : r->least <= x) && (r->below ? x < r->most : x <= r->most);
}

void apply_limit(Evaluation *e, const char *row, const char *option, Value v, const Origin *at)
{
    char text[NUMBER_ROOM];
    double number;
    for (int i = 0; v.kind == VALUE_TUPLE && i < v.count; i++)
        apply_limit(e, row, option, v.item[i], at);
    if (!e->scope->limits || !value_constant(v, &number)) return;
    const Interval *r = e->scope->limits(row, option);
    if (!r || limit_holds(r, number)) return;
    evaluation_raise(e, at, "%s: %s must be %s, not %s", row, option, limit_words(&e->graph->arena, r),
                     number_print(text, number));
}

/* The parameter says what a weight is drawn by: init in weight[n, in] ~ init. */
static bool row_draws(const Row *row, const char *parameter)
{
    for (int i = 0; i < row->decls; i++)
        if (row->decl[i].drawn && !strcmp(row->decl[i].value->name, parameter)) return true;
    return false;
}

static void match_initialiser(Evaluation *e, const char *parameter, const Argument *a)
{
    if (a->value.kind != VALUE_NET)
        evaluation_raise(e, a->origin, "%s is an initialiser, such as he or uniform(.1), not %s", parameter,
                         value_what(e, a->value));
    const Origin *before = e->graph->origin;
    e->graph->origin = a->origin;
    apply_find(e, a->value.scope, a->value.syntax->name, entry_function, "initialiser");
    e->graph->origin = before;
}

/* A call for an initialiser, uniform(.1), goes on waiting: its shape is not known yet. */
static void match_put(Evaluation *e, const Row *row, Value *value, int index, const Argument *a)
{
    const char *name = row->parameter[index].name;
    bool draws = row_draws(row, name);
    if (value[index].kind != VALUE_NONE)
        evaluation_raise(e, a->origin, "%s is given its argument %s twice", row->name, name);
    if (draws) match_initialiser(e, name, a);
    value[index] = draws ? a->value : value_force(e, a->value);
    if (value[index].kind == VALUE_NONE) value_tensor(e, value[index]); /* raises */
    apply_limit(e, row->name, name, value[index], a->origin);
}

/* Named arguments first; the others fill the names left, in order. A name among the first `given` that the row does
 * not have is not for it: an optimizer without t is not given t. */
static void row_match(Evaluation *e, const Row *row, int given, int count, const Argument *a, Value *value)
{
    for (int i = 0; i < count; i++) {
        int index = a[i].name ? row_find(row, a[i].name) : -1;
        if (index >= 0)
            match_put(e, row, value, index, &a[i]);
        else if (a[i].name && i >= given)
            match_unknown(e, row, &a[i]);
    }
    int next = 0;
    for (int i = 0; i < count; i++) {
        if (a[i].name) continue;
        while (next < row->parameters && value[next].kind != VALUE_NONE)
            next++;
        if (next == row->parameters)
            evaluation_raise(e, a[i].origin, "%s has one argument too many here; it takes %s", row->name,
                             row_argument_list(e, row));
        match_put(e, row, value, next, &a[i]);
    }
    for (int i = 0; i < row->parameters; i++)
        if (value[i].kind == VALUE_NONE && !row->parameter[i].value)
            evaluation_raise(e, NULL, "%s needs its argument %s; it takes %s", row->name,
                             row->parameter[i].name, row_argument_list(e, row));
}

/* ---- Binding ---- */

static void bind_dim(Evaluation *e, const char *name, Shape s, int axis, const Syntax *dim)
{
    Arena *a = &e->graph->arena;
    e->graph->origin = evaluate_origin(e, dim, dim->at);
    const char *where = arena_print(a, "axis %d of %s %s", axis, name, shape_text(a, s));
    if (dim->kind == SYNTAX_NAME) {
        evaluation_bind(e, dim->name, s.dim[axis], where);
        return;
    }
    int64_t size = evaluate_integer(e, dim, "the size of an axis");
    if (size == s.dim[axis]) return;
    const char *formula =
        dim->kind == SYNTAX_NUMBER ? "" : arena_print(a, "%s, which is ", evaluate_text(e, dim));
    evaluation_raise(e, NULL, "%s must be %s%lld", where, formula, (long long)size);
}

static void bind_dims(Evaluation *e, const Parameter *p, Value v)
{
    Arena *a = &e->graph->arena;
    Shape s = value_tensor(e, v)->shape;
    int rest = -1;
    for (int i = 0; i < p->dims; i++) {
        if (p->dim[i]->kind != SYNTAX_REST) continue;
        if (rest >= 0)
            evaluation_raise(e, evaluate_origin(e, p->dim[i], p->dim[i]->at),
                             "only one .. can stand in a shape");
        rest = i;
    }
    int fixed = p->dims - (rest >= 0);
    if (rest < 0 ? s.rank != fixed : s.rank < fixed)
        evaluation_raise(e, NULL, "%s must have %s%d %s, but its shape is %s", p->name,
                         rest < 0 ? "" : "at least ", fixed, fixed == 1 ? "axis" : "axes", shape_text(a, s));
    for (int i = 0; i < p->dims; i++)
        if (i != rest) bind_dim(e, p->name, s, rest >= 0 && i > rest ? s.rank - p->dims + i : i, p->dim[i]);
}

static Value value_waiting(Evaluation *e, const Syntax *s)
{
    return s->kind == SYNTAX_CALL ? (Value){.kind = VALUE_NET, .syntax = s, .scope = e->scope}
                                  : evaluate(e, s);
}

static void bind_value(Evaluation *e, const char *name, Value v)
{
    Entry *entry = scope_set(e->scope, ENTRY_VALUE, name);
    entry->value = v;
    entry->draft = e->draft;
}

/* Fills the scope of a row: what is given, the sizes of axes, then the defaults, which may use all of these. */
static void row_bind(Evaluation *e, const Row *row, const Value *value)
{
    const Origin *call = e->graph->origin;
    for (int i = 0; i < row->parameters; i++)
        if (value[i].kind != VALUE_NONE) bind_value(e, row->parameter[i].name, value[i]);
    for (int i = 0; i < row->decls; i++) {
        Entry *entry = scope_set(e->scope, ENTRY_DECL, row->decl[i].name);
        entry->decl = &row->decl[i];
        entry->value.scope = e->scope;
        entry->context = (void *)(uintptr_t)row;
    }
    for (int i = 0; i < row->parameters; i++) {
        const Parameter *p = &row->parameter[i];
        if (p->dims < 0 || value[i].kind == VALUE_NONE) continue;
        e->graph->origin = evaluation_place(e, row->source, p->at);
        bind_dims(e, p, value[i]);
    }
    e->graph->origin = call;
    for (int i = 0; i < row->parameters; i++) {
        const Parameter *p = &row->parameter[i];
        if (value[i].kind == VALUE_NONE)
            bind_value(e, p->name,
                       row_draws(row, p->name) ? value_waiting(e, p->value) : evaluate(e, p->value));
    }
}

static Evaluation row_enter(Evaluation *e, const Row *row)
{
    Evaluation in = *e;
    in.scope = scope_new(&e->graph->arena, row->scope);
    in.scope->closed = true;
    in.caller = e->graph->origin;
    in.scaling = NULL;
    return in;
}

static void row_scale(Evaluation *e, const Row *row, Scaling *s)
{
    if (row_find(row, s->name) < 0) return;
    Node *x = value_tensor(e, evaluate_entry(e, scope_value(e->scope, s->name)));
    s->product = graph_binary(e->graph, OP_mul, x, s->factor);
    apply_limit(e, row->name, s->name, value_node(s->product), NULL);
    bind_value(e, s->name, value_node(s->product));
}

static Value row_here(Evaluation *e, const Row *row, const Value *value)
{
    Evaluation in = row_enter(e, row);
    row_bind(&in, row, value);
    if (e->scaling) row_scale(&in, row, e->scaling);
    return evaluate(&in, row->body);
}

/* ---- Calls as nodes ---- */

/* The value as the body sees it: constants stay, other nodes get places. */
static Value instance_value(Evaluation *e, BodyDraft *d, Value v)
{
    double number;
    if (v.kind == VALUE_TENSOR && !value_constant(v, &number))
        return value_node(draft_add(e->graph, d, v.node, graph_place(e->graph, v.node->type, v.node->shape)));
    if (v.kind != VALUE_TUPLE) return v;
    Value copy = value_tuple(e, v.count);
    for (int i = 0; i < v.count; i++)
        copy.item[i] = instance_value(e, d, v.item[i]);
    return copy;
}

/* The same body would come out for `now` as for `made`, an argument as a body saw it. */
static bool instance_alike(Value made, Value now)
{
    double number;
    if (made.kind != now.kind) return false;
    if (made.kind == VALUE_NONE) return true;
    if (made.kind == VALUE_WORD) return !strcmp(made.word, now.word);
    if (made.kind == VALUE_TENSOR) {
        if (value_constant(made, &number) || value_constant(now, &number)) return now.node == made.node;
        return made.node->type == now.node->type && shape_equal(made.node->shape, now.node->shape);
    }
    if (made.kind != VALUE_TUPLE || made.count != now.count) return false;
    for (int i = 0; i < made.count; i++)
        if (!instance_alike(made.item[i], now.item[i])) return false;
    return true;
}

static bool instance_serves(const Evaluation *e, const Instance *s, const Row *row, const Value *value)
{
    bool enters = s->draft.count > s->draft.own;
    if (s->general != row || s->draft.random || (s->draft.mode && s->train != e->context.train)) return false;
    if (enters && s->draft.outer != e->draft) return false;
    if (s->draft.weighed && s->weight != e->context.weight) return false;
    if (s->draft.masked && s->mask != e->context.mask) return false;
    for (int i = 0; i < row->parameters; i++)
        if (!instance_alike(s->value[i], value[i])) return false;
    return true;
}

static void instance_output(Evaluation *e, Instance *s, Value v)
{
    int count = v.kind == VALUE_TUPLE ? v.count : 1;
    s->body.outputs = count;
    s->body.output = arena_new(&e->graph->arena, (size_t)count, sizeof(Node *));
    for (int i = 0; i < count; i++)
        s->body.output[i] = value_tensor(e, v.kind == VALUE_TUPLE ? v.item[i] : v);
}

static Instance *instance_make(Evaluation *e, const Row *row, const Value *value)
{
    Arena *a = &e->graph->arena;
    Instance *s = arena_new(a, 1, sizeof *s);
    *s = (Instance){.row = *row,
                    .general = row,
                    .train = e->context.train,
                    .weight = e->context.weight,
                    .mask = e->context.mask,
                    .draft = {.outer = e->draft}};
    s->value = arena_new(a, (size_t)row->parameters, sizeof *s->value);
    for (int i = 0; i < row->parameters; i++)
        s->value[i] = instance_value(e, &s->draft, value[i]);
    s->draft.own = s->draft.count;
    Evaluation in = row_enter(e, row);
    in.draft = &s->draft;
    in.see = NULL; /* what is in a body is no layer of the net */
    row_bind(&in, row, s->value);
    instance_output(&in, s, evaluate(&in, row->body));
    s->body.inputs = s->draft.count;
    s->body.input = s->draft.place;
    s->next = e->graph->definitions;
    e->graph->definitions = s;
    return s;
}

/* The nodes of the arguments, in the order in which instance_value gave them places. */
static void instance_inputs(Value v, Node **node, int *count)
{
    double number;
    if (v.kind == VALUE_TENSOR && !value_constant(v, &number)) node[(*count)++] = v.node;
    for (int i = 0; v.kind == VALUE_TUPLE && i < v.count; i++)
        instance_inputs(v.item[i], node, count);
}

static Value instance_call(Evaluation *e, Instance *s, const Value *value)
{
    Graph *g = e->graph;
    Node **input = arena_new(&g->arena, (size_t)s->draft.count, sizeof *input);
    int count = 0;
    for (int i = 0; i < s->row.parameters; i++)
        instance_inputs(value[i], input, &count);
    for (; count < s->draft.count; count++)
        input[count] = s->draft.given[count];
    Node *call = graph_call(g, s->row.name, &s->row, count, input, s->body);
    if (s->body.outputs == 1) return value_node(call);
    Value v = value_tuple(e, s->body.outputs);
    for (int i = 0; i < v.count; i++)
        v.item[i] = value_node(graph_output(g, call, i));
    return v;
}

static Value row_call(Evaluation *e, const Row *row, const Value *value)
{
    Instance *s = e->graph->definitions;
    while (s && !instance_serves(e, s, row, value))
        s = s->next;
    for (BodyDraft *d = s ? e->draft : NULL; d;
         d = d->outer) { /* those around the body ask for what it asked for */
        d->mode |= s->draft.mode;
        d->weighed |= s->draft.weighed;
        d->masked |= s->draft.masked;
    }
    return instance_call(e, s ? s : instance_make(e, row, value), value);
}

/* ---- Any callee ---- */

static Value row_apply(Evaluation *e, const Row *row, int given, int count, const Argument *argument)
{
    Value *value = arena_new(&e->graph->arena, (size_t)row->parameters, sizeof *value);
    row_match(e, row, given, count, argument, value);
    bool tensors = false;
    for (int i = 0; i < row->parameters; i++)
        tensors |=
            (value[i].kind == VALUE_TENSOR || value[i].kind == VALUE_TUPLE) && !value_scalars(value[i]);
    return row->open || !tensors ? row_here(e, row, value) : row_call(e, row, value);
}

Value apply_entry(Evaluation *e, const Entry *callee, int given, int count, const Argument *argument)
{
    if (callee->kind == ENTRY_ROW) return row_apply(e, callee->row, given, count, argument);
    return callee->native(e, callee->context, count, argument);
}

static bool arguments_name(const Syntax *s, const char *name)
{
    for (int i = 0; i < s->parts; i++)
        if (s->part[i].name && !strcmp(s->part[i].name, name)) return true;
    return false;
}

/* The name that row_match will give to a part of s, behind `given` arguments; NULL: none. */
static const char *argument_parameter(const Row *row, const Syntax *s, int given, int part)
{
    if (s->part[part].name) return s->part[part].name;
    int next = given;
    for (int i = 0; i <= part; i++) {
        if (s->part[i].name) continue;
        while (next < row->parameters && arguments_name(s, row->parameter[next].name))
            next++;
        next++;
    }
    return next <= row->parameters ? row->parameter[next - 1].name : NULL;
}

/* In the arguments of a layer, calls may be nets: residual(dense(8)); or initialisers: dense(8, init=uniform(.1)). They
 * wait as VALUE_NET until it is known. */
static bool argument_waits(const Entry *callee, const Syntax *s, int given, int part)
{
    if (callee->kind == ENTRY_NATIVE) return callee->category && !strcmp(callee->category, "layer");
    const char *parameter = argument_parameter(callee->row, s, given, part);
    return parameter && row_draws(callee->row, parameter);
}

/* The arguments that s has behind so many that are given. */
void apply_arguments(Evaluation *e, const Entry *callee, const Syntax *s, int given, Argument *argument)
{
    for (int i = 0; i < s->parts; i++) {
        const Syntax *part = s->part[i].syntax;
        argument[i].name = s->part[i].name;
        argument[i].origin = evaluate_origin(e, s, s->part[i].at);
        argument[i].value = argument_waits(callee, s, given, i) ? value_waiting(e, part) : evaluate(e, part);
    }
}

/* right: what it should be, for a suggestion; what: the word for it. */
const Entry *apply_find(Evaluation *e, const Scope *scope, const char *name, bool (*right)(const Entry *),
                        const char *what)
{
    const Entry *callee = scope_function(scope, name);
    if (callee) return callee;
    const char *near = scope_nearest(scope, &e->graph->arena, name, right);
    if (!near) near = scope_nearest(scope, &e->graph->arena, name, entry_function);
    if (scope_value(scope, name)) evaluation_raise(e, NULL, "%s is no function; for a product write *", name);
    if (near) evaluation_raise(e, NULL, "no %s is called %s; did you mean %s?", what, name, near);
    evaluation_raise(e, NULL, "no %s is called %s; nudge ops lists what there is", what, name);
}

/* A net or function that was handed in as an argument: act(x). */
static Value apply_value(Evaluation *e, const Syntax *s, Value net)
{
    if (s->parts != 1 || s->part[0].name)
        evaluation_raise(e, NULL, "%s is a net here; it takes one tensor", s->name);
    Evaluation in = *e;
    in.see = NULL; /* a layer's own business */
    return value_node(evaluation_net(&in, net, "", evaluate_tensor(e, s->part[0].syntax)));
}

Value apply_call(Evaluation *e, const Syntax *s)
{
    const Entry *value = scope_value(e->scope, s->name);
    Evaluation in = *e;
    if (s->tag) in.path = path_join(e, e->path, s->tag);
    if (value && value->kind == ENTRY_VALUE && value->value.kind == VALUE_NET)
        return apply_value(&in, s, value->value);
    const Entry *callee = apply_find(e, e->scope, s->name, entry_function, "function");
    Argument *argument = arena_new(&e->graph->arena, (size_t)s->parts, sizeof *argument);
    apply_arguments(e, callee, s, 0, argument);
    return apply_entry(&in, callee, 0, s->parts, argument);
}

/* ---- Gradients ---- */

/* The body's places in v replaced by the call's inputs. */
static Value instance_outside(Evaluation *e, const Instance *s, const Node *call, Value v)
{
    if (v.kind == VALUE_TENSOR)
        for (int i = 0; i < s->draft.own; i++)
            if (s->draft.place[i] == v.node) return value_node(call->input[i]);
    if (v.kind != VALUE_TUPLE) return v;
    Value copy = value_tuple(e, v.count);
    for (int i = 0; i < v.count; i++)
        copy.item[i] = instance_outside(e, s, call, v.item[i]);
    return copy;
}

/* Gives the names of the call's row their values outside its body, for a gradient text. */
void apply_bind(Evaluation *e, const Node *call)
{
    const Instance *s = call->call->definition;
    Value *value = arena_new(&e->graph->arena, (size_t)s->row.parameters, sizeof *value);
    for (int i = 0; i < s->row.parameters; i++)
        value[i] = instance_outside(e, s, call, s->value[i]);
    row_bind(e, &s->row, value);
}

/* Which parameter of its row an input of a call is; -1: part of a tuple, or something that entered from outside. */
int apply_parameter(const Node *call, int input)
{
    const Instance *s = call->call->definition;
    for (int i = 0; i < s->row.parameters; i++)
        if (s->value[i].kind == VALUE_TENSOR && s->value[i].node == s->draft.place[input]) return i;
    return -1;
}
