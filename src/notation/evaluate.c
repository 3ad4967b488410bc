/* evaluate.c: walks a tree and builds nodes: operators, names and statements. Calls, indices, patterns, loops and
 * nets have files of their own. */
#include "notation/evaluate.h"

#include <math.h>
#include <string.h>

enum { EVALUATE_DEEPEST = 1000, PATH_LONGEST = 4096 };

Evaluation evaluation_begin(const Context *c)
{
    Evaluation e = {.context = *c, .graph = c->graph, .caller = c->graph->origin};
    e.path = c->path ? c->path : "";
    e.scope = scope_new(&c->graph->arena, c->scope);
    return e;
}

/* ---- Where we are ---- */

const Origin *evaluation_place(Evaluation *e, const Source *source, int at)
{
    Origin *o = arena_new(&e->graph->arena, 1, sizeof *o);
    *o = (Origin){source->title, source->text, at, e->caller};
    return o;
}

const Origin *evaluate_origin(Evaluation *e, const Syntax *s, int at)
{
    return evaluation_place(e, s->source, at);
}

void evaluation_raise(Evaluation *e, const Origin *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    origin_raise(e->graph->error, at ? at : e->graph->origin, format, args);
}

Graph *evaluation_graph(Evaluation *e)
{
    return e->graph;
}

const Context *evaluation_context(Evaluation *e)
{
    e->context.scope = e->scope;
    e->context.path = e->path;
    return &e->context;
}

const char *evaluate_text(Evaluation *e, const Syntax *s)
{
    return arena_string(&e->graph->arena, s->source->text + s->at, (size_t)(s->end - s->at));
}

const char *path_join(Evaluation *e, const char *path, const char *part)
{
    if (!*path) return part;
    if (!*part) return path;
    if (strlen(path) + strlen(part) > PATH_LONGEST)
        evaluation_raise(e, NULL, "the name of a parameter here is too long");
    return arena_print(&e->graph->arena, "%s.%s", path, part);
}

/* ---- Values ---- */

Value value_node(Node *n)
{
    return (Value){.kind = VALUE_TENSOR, .node = n};
}

Value value_number(Evaluation *e, double number)
{
    return value_node(graph_const(e->graph, number));
}

Value value_tuple(Evaluation *e, int count)
{
    return (Value){.kind = VALUE_TUPLE,
                   .count = count,
                   .item = arena_new(&e->graph->arena, (size_t)count, sizeof(Value))};
}

Value value_shape(Evaluation *e, Shape s)
{
    Value v = value_tuple(e, s.rank);
    for (int a = 0; a < s.rank; a++)
        v.item[a] = value_number(e, (double)s.dim[a]);
    return v;
}

bool value_constant(Value v, double *number)
{
    if (v.kind != VALUE_TENSOR || v.node->op != OP_const) return false;
    *number = v.node->value;
    return true;
}

bool value_scalars(Value v)
{
    if (v.kind != VALUE_TUPLE) return v.kind == VALUE_TENSOR && v.node->type == TYPE_SCALAR;
    for (int i = 0; i < v.count; i++)
        if (!value_scalars(v.item[i])) return false;
    return true;
}

const char *value_word(Value v)
{
    if (v.kind == VALUE_WORD) return v.word;
    return v.kind == VALUE_NET && v.syntax->kind == SYNTAX_NAME ? v.syntax->name : NULL;
}

const char *value_what(Evaluation *e, Value v)
{
    Arena *a = &e->graph->arena;
    char number[NUMBER_ROOM];
    double known;
    if (value_constant(v, &known)) return arena_print(a, "the number %s", number_print(number, known));
    if (v.kind == VALUE_TUPLE) return arena_print(a, "a tuple of %d", v.count);
    if (v.kind == VALUE_WORD) return arena_print(a, "the word %s", v.word);
    if (v.kind == VALUE_NET && value_word(v)) return arena_print(a, "the function %s", value_word(v));
    if (v.kind == VALUE_NET) return "a net";
    if (v.kind == VALUE_NONE) return "nothing";
    if (v.node->type == TYPE_SCALAR) return "a number that is known only when a step runs";
    return arena_print(a, "a tensor %s", shape_text(a, v.node->shape));
}

Value value_force(Evaluation *e, Value v)
{
    if (v.kind != VALUE_NET || v.syntax->kind != SYNTAX_CALL) return v;
    Evaluation in = *e;
    in.scope = v.scope;
    return evaluate(&in, v.syntax);
}

Node *value_tensor(Evaluation *e, Value v)
{
    v = value_force(e, v);
    if (v.kind == VALUE_TENSOR) return v.node;
    if (v.kind == VALUE_TUPLE && v.count == 1) return value_tensor(e, v.item[0]);
    if (v.kind == VALUE_NET && value_word(v))
        evaluation_raise(e, NULL, "%s is a function; call it with its arguments in ( )", value_word(v));
    if (v.kind == VALUE_NONE)
        evaluation_raise(e, NULL, "this loop gives no value; end its body with an expression to stack");
    evaluation_raise(e, NULL, "expected one tensor or number here, not %s", value_what(e, v));
}

int64_t value_integer(Evaluation *e, Value v, const char *what)
{
    double number;
    v = value_force(e, v);
    if (!value_constant(v, &number))
        evaluation_raise(e, NULL, "%s must be a whole number that is known; this is %s", what,
                         value_what(e, v));
    if (!(fabs(number) <= 9007199254740992.0) || floor(number) != number)
        evaluation_raise(e, NULL, "%s must be a whole number; this is %s", what, value_what(e, v));
    return (int64_t)number;
}

int64_t evaluate_integer(Evaluation *e, const Syntax *s, const char *what)
{
    const Origin *before = e->graph->origin;
    Value v = evaluate(e, s);
    e->graph->origin = evaluate_origin(e, s, s->at);
    int64_t n = value_integer(e, v, what);
    e->graph->origin = before;
    return n;
}

Node *evaluate_tensor(Evaluation *e, const Syntax *s)
{
    const Origin *before = e->graph->origin;
    Value v = evaluate(e, s);
    if (v.kind == VALUE_TENSOR) return v.node;
    e->graph->origin = evaluate_origin(e, s, s->at);
    Node *n = value_tensor(e, v);
    e->graph->origin = before;
    return n;
}

/* ---- Nodes from outside a body ---- */

Node *draft_add(Graph *g, BodyDraft *d, Node *given, Node *place)
{
    if (d->count == d->room) {
        d->room = d->room ? d->room * 2 : 8;
        Node **more = arena_new(&g->arena, 2 * (size_t)d->room, sizeof *more);
        if (d->count) {
            memcpy(more, d->given, (size_t)d->count * sizeof *more);
            memcpy(more + d->room, d->place, (size_t)d->count * sizeof *more);
        }
        d->given = more;
        d->place = more + d->room;
    }
    d->given[d->count] = given;
    return d->place[d->count++] = place;
}

/* The place of draft d that stands for the outer draft's node. */
static Node *draft_place(Graph *g, BodyDraft *d, Node *given)
{
    for (int i = d->own; i < d->count; i++)
        if (d->given[i] == given) return d->place[i];
    return draft_add(g, d, given, graph_place(g, given->type, given->shape));
}

static Node *draft_enter(Graph *g, BodyDraft *d, Node *n, BodyDraft *from)
{
    if (!d || d == from) return n;
    return draft_place(g, d, draft_enter(g, d->outer, n, from));
}

Node *evaluation_enter(Evaluation *e, Node *n, BodyDraft *from)
{
    return n->op == OP_const || n->op == OP_iota ? n : draft_enter(e->graph, e->draft, n, from);
}

static Value evaluation_import(Evaluation *e, Value v, BodyDraft *from)
{
    if (from == e->draft) return v;
    if (v.kind == VALUE_TENSOR) return value_node(evaluation_enter(e, v.node, from));
    if (v.kind != VALUE_TUPLE) return v;
    Value copy = value_tuple(e, v.count);
    for (int i = 0; i < v.count; i++)
        copy.item[i] = evaluation_import(e, v.item[i], from);
    return copy;
}

Node *evaluation_seed(Evaluation *e)
{
    Node *seed = e->context.seed;
    if (!seed) seed = graph_leaf(e->graph, ROLE_SCALAR, "seed", TYPE_SCALAR, shape_of(0, NULL), NULL);
    return evaluation_enter(e, seed, NULL);
}

Node *evaluation_weight(Evaluation *e)
{
    for (BodyDraft *d = e->draft; d; d = d->outer)
        d->weighed = true;
    return e->context.weight ? evaluation_enter(e, e->context.weight, NULL) : NULL;
}

Node *evaluation_mask(Evaluation *e)
{
    for (BodyDraft *d = e->draft; d; d = d->outer)
        d->masked = true;
    return e->context.mask ? evaluation_enter(e, e->context.mask, NULL) : NULL;
}

Node *evaluation_reals(Evaluation *e, Node *x)
{
    return x->type == TYPE_REAL || x->type == TYPE_SCALAR ? x : graph_cast(e->graph, x, TYPE_REAL);
}

bool evaluation_train(Evaluation *e)
{
    for (BodyDraft *d = e->draft; d; d = d->outer)
        d->mode = true;
    return e->context.train;
}

static Shape shape_squeezed(Shape s)
{
    Shape dense = {0};
    for (int a = 0; a < s.rank; a++)
        if (s.dim[a] != 1) dense.dim[dense.rank++] = s.dim[a];
    return dense;
}

static bool shape_repeats(Shape from, Shape to)
{
    int more = to.rank - from.rank;
    for (int a = 0; a < from.rank; a++)
        if (more < 0 || (from.dim[a] != 1 && from.dim[a] != to.dim[a + more])) return false;
    return true;
}

Node *evaluation_fit(Evaluation *e, Node *x, Shape to, const char *name)
{
    Arena *a = &e->graph->arena;
    if (shape_equal(x->shape, to) && x->type != TYPE_SCALAR) return x;
    if (x->type == TYPE_SCALAR || shape_repeats(x->shape, to)) return graph_expand(e->graph, x, to);
    if (shape_equal(shape_squeezed(x->shape), shape_squeezed(to))) return graph_reshape(e->graph, x, to);
    evaluation_raise(e, NULL, "%s has shape %s; a value of shape %s does not fit", name, shape_text(a, to),
                     shape_text(a, x->shape));
}

/* ---- Names ---- */

void evaluation_bind(Evaluation *e, const char *name, int64_t size, const char *where)
{
    Entry *known = scope_within(e->scope, name);
    double number = 0;
    if (!known) {
        known = scope_set(e->scope, ENTRY_NUMBER, name);
        known->number = (double)size;
        known->bound = where;
        return;
    }
    Value v = evaluate_entry(e, known);
    if (!value_constant(v, &number))
        evaluation_raise(e, NULL, "%s is %s already; give the size of %s another name", name,
                         value_what(e, v), where);
    if (number == (double)size) return;
    char text[NUMBER_ROOM];
    evaluation_raise(e, NULL, "%s is %lld by %s, but %s%s%s", name, (long long)size, where,
                     number_print(text, number), known->bound ? " by " : "",
                     known->bound ? known->bound : "");
}

/* What a state means: the value that an earlier use of it in the graph has assigned, as the same layer of the batch's
 * part before does. */
static Node *evaluation_newest(Evaluation *e, Node *leaf)
{
    const Graph *g = e->graph;
    for (size_t i = 0; leaf->leaf->role != ROLE_PARAMETER && i < g->assignments; i++)
        if (g->assignment[i].leaf == leaf) return g->assignment[i].value;
    return leaf;
}

Value evaluate_entry(Evaluation *e, Entry *entry)
{
    if (entry->kind == ENTRY_NUMBER) return value_number(e, entry->number);
    if (entry->kind == ENTRY_DECL) {
        Node *leaf = initial_leaf(e, (const Row *)entry->context, entry->decl, entry->value.scope);
        entry->kind = ENTRY_VALUE;
        entry->value = value_node(evaluation_newest(e, leaf));
        entry->leaf = leaf;
        entry->draft = NULL;
    }
    Value v = entry->value;
    double number;
    if (value_constant(v, &number)) return value_number(e, number); /* a constant of whichever graph */
    return evaluation_import(e, v, entry->draft);
}

static _Noreturn void evaluate_unknown(Evaluation *e, const char *name)
{
    const char *near = scope_nearest(e->scope, &e->graph->arena, name, entry_value);
    if (!near) near = scope_nearest(e->scope, &e->graph->arena, name, entry_function);
    if (near) evaluation_raise(e, NULL, "nothing is called %s here; did you mean %s?", name, near);
    evaluation_raise(e, NULL, "nothing is called %s here", name);
}

static Value evaluate_name(Evaluation *e, const Syntax *s)
{
    Entry *entry = scope_value(e->scope, s->name);
    if (entry) return evaluate_entry(e, entry);
    if (!strcmp(s->name, "train")) return value_number(e, evaluation_train(e));
    if (scope_function(e->scope, s->name)) return (Value){.kind = VALUE_NET, .syntax = s, .scope = e->scope};
    evaluate_unknown(e, s->name);
}

/* ---- Operators ---- */

static Value evaluate_number(Evaluation *e, const Syntax *s)
{
    return value_number(e, s->number);
}

static Value evaluate_tuple(Evaluation *e, const Syntax *s)
{
    Value v = value_tuple(e, s->parts);
    for (int i = 0; i < s->parts; i++)
        v.item[i] = evaluate(e, s->part[i].syntax);
    return v;
}

static Node *evaluate_infix(Evaluation *e, int sign, Node *x, Node *z)
{
    static const char signs[] = "+-*/";
    static const OpCode op[] = {OP_add, OP_sub, OP_mul, OP_div};
    return sign == '@' ? graph_matmul(e->graph, x, z)
                       : graph_binary(e->graph, op[strchr(signs, sign) - signs], x, z);
}

static Value evaluate_chain(Evaluation *e, const Syntax *s)
{
    Node *x = evaluate_tensor(e, s->part[0].syntax);
    for (int i = 1; i < s->parts; i++) {
        const Part *part = &s->part[i];
        Node *z = evaluate_tensor(e, part->syntax);
        e->graph->origin = evaluate_origin(e, s, part->at);
        x = evaluate_infix(e, part->sign, x, z);
    }
    return value_node(x);
}

/* Words compare by spelling: mode == valid. */
static bool evaluate_words(Evaluation *e, const Syntax *s, Value x, Value z, Value *result)
{
    int sign = s->part[1].sign;
    const char *a = value_word(x), *b = value_word(z);
    if ((sign != TOKEN_EQ && sign != TOKEN_NE) || (!a && !b)) return false;
    bool equal = a && b && !strcmp(a, b);
    *result = value_number(e, equal == (sign == TOKEN_EQ));
    return true;
}

static Value evaluate_compare(Evaluation *e, const Syntax *s)
{
    static const struct {
        OpCode op;
        bool turned, negated;
    } row[] = {[0] = {OP_lt, false, false}, [1] = {OP_lt, true, false},  [2] = {OP_le, false, false},
               [3] = {OP_le, true, false},  [4] = {OP_eq, false, false}, [5] = {OP_eq, false, true}};
    int sign = s->part[1].sign, kind = sign == '<' ? 0 : sign == '>' ? 1 : sign - TOKEN_LE + 2;
    Value left = evaluate(e, s->part[0].syntax), right = evaluate(e, s->part[1].syntax), word;
    if (evaluate_words(e, s, left, right, &word)) return word;
    Node *x = evaluation_reals(e, value_tensor(e, left)), *z = evaluation_reals(e, value_tensor(e, right));
    Node *y = graph_binary(e->graph, row[kind].op, row[kind].turned ? z : x, row[kind].turned ? x : z);
    return value_node(row[kind].negated ? graph_binary(e->graph, OP_sub, graph_const(e->graph, 1), y) : y);
}

static Value evaluate_choice(Evaluation *e, const Syntax *s)
{
    double number;
    Value c = evaluate(e, s->part[0].syntax);
    if (!value_constant(c, &number))
        evaluation_raise(e, NULL,
                         "?: chooses when the graph is built, but this condition is %s; use where(c, x, z)",
                         value_what(e, c));
    return evaluate(e, s->part[number != 0 ? 1 : 2].syntax);
}

static Value evaluate_minus(Evaluation *e, const Syntax *s)
{
    return value_node(graph_unary(e->graph, OP_neg, evaluate_tensor(e, s->part[0].syntax)));
}

/* Exponents that have something cheaper and exact; their gradients are better, too. */
Node *evaluate_power(Evaluation *e, Node *x, Node *z)
{
    Graph *g = e->graph;
    double power = z->op == OP_const ? z->value : (double)NAN;
    if (x->op == OP_const && z->op == OP_const) return graph_binary(g, OP_pow, x, z);
    if (power == 0)
        return x->type == TYPE_SCALAR ? graph_const(g, 1) : graph_expand(g, graph_const(g, 1), x->shape);
    if (power == 1) return x;
    if (power == 2) return graph_binary(g, OP_mul, x, x);
    if (power == .5) return graph_unary(g, OP_sqrt, x);
    if (power == -1) return graph_binary(g, OP_div, graph_const(g, 1), x);
    return graph_binary(g, OP_pow, x, z);
}

static Value evaluate_raise(Evaluation *e, const Syntax *s)
{
    Node *x = evaluate_tensor(e, s->part[0].syntax);
    return value_node(evaluate_power(e, x, evaluate_tensor(e, s->part[1].syntax)));
}

static Value evaluate_swap(Evaluation *e, const Syntax *s)
{
    return value_node(graph_swap(e->graph, evaluate_tensor(e, s->part[0].syntax)));
}

/* ---- Statements ---- */

static void evaluate_update(Evaluation *e, const Syntax *s, Node *value)
{
    const char *name = s->part[1].name;
    Entry *known = scope_value(e->scope, name);
    if (!known) evaluate_unknown(e, name);
    if (e->turning)
        evaluation_raise(
            e, NULL, "%s changes once a step, so it cannot be assigned in a loop; use = in the loop", name);
    Node *now = value_tensor(e, evaluate_entry(e, known)), *leaf = known->leaf ? known->leaf : now;
    if (leaf->op != OP_leaf || leaf->leaf->role == ROLE_DATA || leaf->leaf->role == ROLE_PLACE)
        evaluation_raise(
            e, NULL, "%s is no parameter or state, so it cannot be assigned; use = for a new value", name);
    if (s->part[0].sign != TOKEN_BECOMES)
        value = graph_binary(e->graph, s->part[0].sign == TOKEN_LESSEN ? OP_sub : OP_add, now, value);
    if (leaf->type != TYPE_SCALAR) value = evaluation_fit(e, value, leaf->shape, name);
    graph_assign(e->graph, leaf, value);
    Entry *entry = scope_set(e->scope, ENTRY_VALUE, name);
    entry->value = value_node(value);
    entry->draft = e->draft;
    entry->leaf = leaf;
}

static void evaluate_define(Evaluation *e, const char *name, Value v)
{
    Entry *entry = scope_set(e->scope, ENTRY_VALUE, name);
    entry->value = v;
    entry->draft = e->draft;
}

static Value evaluate_assign(Evaluation *e, const Syntax *s)
{
    if (s->part[0].sign != '=') {
        Node *value = evaluate_tensor(e, s->part[0].syntax);
        evaluate_update(e, s, value);
        return evaluate_entry(e, scope_value(e->scope, s->part[1].name));
    }
    Value v = evaluate(e, s->part[0].syntax);
    int names = s->parts - 1;
    if (names > 1 && (v.kind != VALUE_TUPLE || v.count != names))
        evaluation_raise(e, NULL, "%d names are given values here, but there %s %s", names,
                         v.kind == VALUE_TUPLE ? "is" : "is only", value_what(e, v));
    for (int i = 0; i < names; i++)
        evaluate_define(e, s->part[i + 1].name, names > 1 ? v.item[i] : v);
    return v;
}

static Value evaluate_statements(Evaluation *e, const Syntax *s)
{
    Value v = {.kind = VALUE_NONE};
    for (int i = 0; i < s->parts; i++)
        v = evaluate(e, s->part[i].syntax);
    return v;
}

static Value evaluate_layers(Evaluation *e, const Syntax *s)
{
    return (Value){.kind = VALUE_NET, .syntax = s, .scope = e->scope};
}

/* ---- The walk ---- */

static Value (*const evaluate_table[])(Evaluation *, const Syntax *) = {
    [SYNTAX_NUMBER] = evaluate_number, [SYNTAX_NAME] = evaluate_name,
    [SYNTAX_TUPLE] = evaluate_tuple,   [SYNTAX_CALL] = apply_call,
    [SYNTAX_CHAIN] = evaluate_chain,   [SYNTAX_COMPARE] = evaluate_compare,
    [SYNTAX_CHOICE] = evaluate_choice, [SYNTAX_MINUS] = evaluate_minus,
    [SYNTAX_POWER] = evaluate_raise,   [SYNTAX_SWAP] = evaluate_swap,
    [SYNTAX_INDEX] = evaluate_index,   [SYNTAX_PATTERN] = evaluate_pattern,
    [SYNTAX_LOOP] = evaluate_loop,     [SYNTAX_TEXT] = evaluate_statements,
    [SYNTAX_ASSIGN] = evaluate_assign, [SYNTAX_NET] = evaluate_layers,
};

Value evaluate(Evaluation *e, const Syntax *s)
{
    Graph *g = e->graph;
    const Origin *before = g->origin;
    g->origin = evaluate_origin(e, s, s->at);
    if (++e->depth > EVALUATE_DEEPEST)
        evaluation_raise(e, &(Origin){s->source->title, s->source->text, s->at, NULL},
                         "calls are nested more than %d deep; does a definition call itself?",
                         EVALUATE_DEEPEST);
    Value v = evaluate_table[s->kind](e, s);
    e->depth--;
    g->origin = before;
    return v;
}
