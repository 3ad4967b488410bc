/* autodiff.c: the chain rule over a graph: nodes from last to first, each handing its gradient on to its inputs.
 *
 * What an operation hands on is its gradient text, read here with the node's inputs, result and attributes as names.
 * A call without such a text is differentiated through its body; a loop is turned around by reversal.c. Only nodes
 * that depend on what is asked for are visited, and zeros are dropped where they arise. */
#include "autodiff/autodiff.h"

#include "autodiff/chain.h"

#include <stdlib.h>
#include <string.h>

/* What has arrived at one output of a node, newest first. */
typedef struct Flow {
    Node *node;
    struct Flow *next;
} Flow;

typedef struct Chain {
    Graph *g;
    Scope *scope;
    Needs needs;
    const bool *asked; /* by place: depends on what is asked for */
    Flow ***flow;      /* by place, then output; NULL where nothing arrived */
} Chain;

/* ---- What is needed ---- */

Needs needs_of(Graph *g, Node *const *root, int roots)
{
    Needs s;
    s.node = graph_reachable(g, root, (size_t)roots, &s.count);
    return s;
}

size_t needs_place(const Needs *s, const Node *n)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->node[middle]->id < n->id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->count && s->node[low] == n ? low : s->count;
}

void needs_depend(const Needs *s, bool *marked)
{
    for (size_t i = 0; i < s->count; i++) {
        const Node *n = s->node[i];
        bool owner = n->op == OP_call || n->op == OP_loop; /* its type is that of its first output only */
        if (!owner && n->type != TYPE_REAL && n->type != TYPE_SCALAR) continue;
        for (int k = 0; k < n->inputs && !marked[i]; k++)
            marked[i] = marked[needs_place(s, n->input[k])];
    }
}

static bool chain_asks(const Chain *c, const Node *n)
{
    return c->asked[needs_place(&c->needs, n)];
}

/* ---- Flows and their sum ---- */

Node *chain_zeros(Graph *g, Shape shape)
{
    return graph_expand(g, graph_const(g, 0), shape);
}

static bool chain_is_zero(const Node *n)
{
    while (n->op == OP_expand || n->op == OP_reshape || n->op == OP_neg)
        n = n->input[0];
    return n->op == OP_const && n->value == 0;
}

/* Adds to what arrives at an output of n. This is where broadcasting is undone, for all operations. */
static void chain_add(Chain *c, Node *n, int output, Shape shape, Node *dy)
{
    size_t place = needs_place(&c->needs, n);
    if (!dy || !c->asked[place] || chain_is_zero(dy)) return;
    Flow *f = arena_new(&c->g->arena, 1, sizeof *f);
    if (!c->flow[place]) c->flow[place] = arena_new(&c->g->arena, (size_t)graph_outputs(n), sizeof(Flow *));
    *f = (Flow){graph_conform(c->g, dy, shape), c->flow[place][output]};
    c->flow[place][output] = f;
}

static void chain_hand_on(Chain *c, Node *n, Node *const *dx)
{
    for (int i = 0; i < n->inputs; i++)
        chain_add(c, n->input[i], 0, n->input[i]->shape, dx[i]);
}

/* The only axis along which a pad adds zeros, if it moves nothing apart; else -1. */
static int pad_axis(const Node *n)
{
    int axis = -1, rank = n->shape.rank;
    if (n->op != OP_pad) return -1;
    for (int a = 0; a < rank; a++) {
        if (n->attribute[rank + a] != 1) return -1;
        if (n->input[0]->shape.dim[a] == n->shape.dim[a]) continue;
        if (axis >= 0) return -1;
        axis = a;
    }
    return axis;
}

typedef struct Piece {
    int64_t begin, end;
    Flow *flow;
} Piece;

static int piece_order(const void *a, const void *b)
{
    int64_t x = ((const Piece *)a)->begin, z = ((const Piece *)b)->begin;
    return (x > z) - (x < z);
}

/* The pads along the axis, in order of their places. */
static Piece *chain_pieces(Chain *c, Flow *first, int axis, int *count)
{
    int flows = 0;
    for (Flow *f = first; f; f = f->next)
        flows++;
    Piece *piece = arena_new(&c->g->arena, (size_t)flows, sizeof *piece);
    *count = 0;
    for (Flow *f = first; f; f = f->next) {
        if (pad_axis(f->node) != axis) continue;
        int64_t begin = f->node->attribute[axis];
        piece[(*count)++] = (Piece){begin, begin + f->node->input[0]->shape.dim[axis], f};
    }
    qsort(piece, (size_t)*count, sizeof *piece, piece_order);
    return piece;
}

/* The slices of a tensor that was cut up hand on pads: added one by one they cost as many full tensors as there are
 * slices. Where the pads along one axis tile it, the first becomes their concatenation and the others go. */
static void chain_tile(Chain *c, Flow *first, int axis)
{
    int count;
    int64_t end = 0, size = first->node->shape.dim[axis];
    Piece *piece = chain_pieces(c, first, axis, &count);
    Node **part = arena_new(&c->g->arena, (size_t)count, sizeof *part);
    for (int i = 0; i < count; i++) {
        if (piece[i].begin != end) return;
        end = piece[i].end;
        part[i] = piece[i].flow->node->input[0];
    }
    if (end != size) return;
    for (int i = 0; i < count; i++)
        piece[i].flow->node = NULL;
    piece[0].flow->node = graph_concat(c->g, count, part, axis);
}

/* The sum of what arrived, or NULL. It is summed once: the list becomes the sum. */
static Node *chain_sum(Chain *c, Flow *f)
{
    if (!f) return NULL;
    if (!f->next) return f->node;
    for (Flow *p = f; p; p = p->next)
        if (p->node && pad_axis(p->node) >= 0) {
            chain_tile(c, p, pad_axis(p->node));
            break;
        }
    Node *sum = NULL;
    for (Flow *p = f; p; p = p->next)
        if (p->node) sum = sum ? graph_binary(c->g, OP_add, sum, p->node) : p->node;
    *f = (Flow){sum, NULL};
    return sum;
}

/* ---- Gradient texts ---- */

enum { NAMES_MOST = 12 };

typedef struct Names {
    int count;
    const char *name[NAMES_MOST];
    Value value[NAMES_MOST];
} Names;

static void names_add(Names *s, const char *name, Value value)
{
    s->name[s->count] = name;
    s->value[s->count++] = value;
}

static Value names_tuple(Graph *g, int count, const int64_t *number)
{
    Value v = {
        .kind = VALUE_TUPLE, .count = count, .item = arena_new(&g->arena, (size_t)count, sizeof(Value))};
    for (int i = 0; i < count; i++)
        v.item[i] = value_node(graph_const(g, (double)number[i]));
    return v;
}

/* The node's integers by the names that its row gives them: "axis, shape[]". All lists are of one length. */
static void names_attributes(Graph *g, Names *s, const Node *n)
{
    const char *text = ops_table[n->op].attributes;
    int lists = 0, numbers = 0, at = 0;
    for (const char *p = text; *p; p++)
        lists += *p == '[', numbers += *p == ',' || p == text;
    int length = lists ? (n->attributes - (numbers - lists)) / lists : 0;
    for (; *text; text += strspn(text, "[], ")) {
        size_t letters = strcspn(text, "[,");
        const char *name = arena_string(&g->arena, text, letters);
        bool list = text[letters] == '[';
        int count = list ? length : 1;
        names_add(s, name,
                  list ? names_tuple(g, count, n->attribute + at)
                       : value_node(graph_const(g, (double)n->attribute[at])));
        at += count;
        text += letters;
    }
}

static const char *const names_input[][3] = {{""}, {"x"}, {"x", "z"}, {"c", "x", "z"}};

static void chain_text(Chain *c, Node *n, Node *dy)
{
    const OpRow *row = &ops_table[n->op];
    Names s = {0};
    Node *dx[3] = {0};
    for (int i = 0; i < n->inputs; i++)
        names_add(&s, names_input[n->inputs][i], value_node(n->input[i]));
    names_add(&s, "y", value_node(n));
    names_add(&s, "dy", value_node(dy));
    names_attributes(c->g, &s, n);
    notation_gradient(c->g, c->scope, row->name, row->gradient, s.count, s.name, s.value, n->inputs, dx);
    chain_hand_on(c, n, dx);
}

/* Any number of inputs: the text is asked for each, which starts at `begin` in y. */
static void chain_concat(Chain *c, Node *n, Node *dy)
{
    const OpRow *row = &ops_table[n->op];
    int64_t begin[RANK_MAX] = {0}, step[RANK_MAX];
    for (int a = 0; a < n->shape.rank; a++)
        step[a] = 1;
    for (int i = 0; i < n->inputs; i++) {
        Node *x = n->input[i], *dx = NULL;
        Names s = {0};
        names_add(&s, "x", value_node(x));
        names_add(&s, "y", value_node(n));
        names_add(&s, "dy", value_node(dy));
        names_add(&s, "begin", names_tuple(c->g, n->shape.rank, begin));
        names_add(&s, "step", names_tuple(c->g, n->shape.rank, step));
        names_attributes(c->g, &s, n);
        if (chain_asks(c, x))
            notation_gradient(c->g, c->scope, row->name, row->gradient, s.count, s.name, s.value, 1, &dx);
        chain_add(c, x, 0, x->shape, dx);
        begin[n->attribute[0]] += x->shape.dim[n->attribute[0]];
    }
}

/* ---- Calls ---- */

/* A body made for the gradient of a call's body: its places and outputs are added one by one. */
typedef struct Draft {
    Body body;
    Node **given; /* what the places stand for */
} Draft;

static Draft draft_of(Graph *g, const Node *call)
{
    const Body *b = &call->call->body;
    size_t most = (size_t)(b->inputs + b->outputs), inputs = (size_t)b->inputs;
    Node **list = arena_new(&g->arena, 2 * most + inputs, sizeof *list);
    if (inputs) memcpy(list, b->input, inputs * sizeof *list);
    if (inputs) memcpy(list + most, call->input, inputs * sizeof *list);
    return (Draft){{b->inputs, 0, list, list + 2 * most}, list + most};
}

/* Through the body: its gradient is made in terms of its places and of places for dy, and then put where the call is.
 * So what the forward pass computes in the body is the same nodes when the call is inlined there. */
static void chain_body(Chain *c, const Node *n, Node *const *dy, const bool *wanted, Node **dx)
{
    Graph *g = c->g;
    const Body *body = &n->call->body;
    Draft d = draft_of(g, n);
    Node **flow = arena_new(&g->arena, (size_t)body->outputs, sizeof *flow);
    Node **x = arena_new(&g->arena, 2 * (size_t)body->inputs, sizeof *x), **result = x + body->inputs;
    int count = 0;
    for (int i = 0; i < body->outputs; i++) {
        if (!dy[i]) continue;
        d.given[d.body.inputs] = dy[i];
        d.body.input[d.body.inputs++] = flow[i] = graph_place(g, dy[i]->type, dy[i]->shape);
    }
    for (int i = 0; i < body->inputs; i++)
        if (wanted[i]) x[count++] = body->input[i];
    chain_gradients(g, c->scope, body->outputs, body->output, flow, count, x, result);
    for (int i = 0; i < count; i++)
        if (result[i]) d.body.output[d.body.outputs++] = result[i];
    graph_inline(g, &d.body, d.given, x);
    for (int i = 0, k = 0, found = 0; i < body->inputs; i++)
        if (wanted[i] && result[k++]) dx[i] = x[found++];
}

static void chain_call(Chain *c, Node *n, Node *const *dy, const bool *wanted, Node **dx)
{
    bool text = n->call->body.outputs == 1 && notation_call_gradient(c->g, n, dy[0], wanted, dx);
    if (!text) chain_body(c, n, dy, wanted, dx);
}

/* ---- The walk ---- */

/* A call or loop: its outputs' gradients have been gathered before it is reached. */
static void chain_owner(Chain *c, Node *n, Node *const *dy)
{
    Node **dx = arena_new(&c->g->arena, (size_t)n->inputs, sizeof *dx);
    bool *wanted = arena_new(&c->g->arena, (size_t)n->inputs, sizeof *wanted);
    for (int i = 0; i < n->inputs; i++)
        wanted[i] = chain_asks(c, n->input[i]);
    if (n->op == OP_call)
        chain_call(c, n, dy, wanted, dx);
    else
        chain_loop(c->g, c->scope, n, dy, wanted, dx);
    chain_hand_on(c, n, dx);
}

static void chain_visit(Chain *c, size_t place)
{
    Node *n = c->needs.node[place];
    Flow **flow = c->flow[place];
    if (!flow || !n->inputs) return;
    Node **dy = arena_new(&c->g->arena, (size_t)graph_outputs(n), sizeof *dy);
    for (int i = 0; i < graph_outputs(n); i++)
        dy[i] = chain_sum(c, flow[i]);
    c->g->origin = n->origin;
    if (n->op == OP_call || n->op == OP_loop)
        chain_owner(c, n, dy);
    else if (n->op == OP_output)
        chain_add(c, n->input[0], (int)n->attribute[0], n->shape, dy[0]);
    else
        (n->op == OP_concat ? chain_concat : chain_text)(c, n, dy[0]);
}

void chain_gradients(Graph *g, Scope *scope, int outputs, Node *const *y, Node *const *dy, int count,
                     Node *const *x, Node **dx)
{
    const Origin *origin = g->origin;
    Chain c = {.g = g, .scope = scope, .needs = needs_of(g, y, outputs)};
    bool *asked = arena_new(&g->arena, c.needs.count + 1, sizeof *asked); /* the last: of what is not there */
    c.asked = asked;
    c.flow = arena_new(&g->arena, c.needs.count + 1, sizeof *c.flow);
    for (int i = 0; i < count; i++)
        asked[needs_place(&c.needs, x[i])] = true;
    asked[c.needs.count] = false;
    needs_depend(&c.needs, asked);
    for (int i = 0; i < outputs; i++)
        chain_add(&c, y[i], 0, y[i]->shape, dy[i]);
    for (size_t i = c.needs.count; i-- > 0;)
        chain_visit(&c, i);
    for (int i = 0; i < count; i++) {
        Flow **flow = c.flow[needs_place(&c.needs, x[i])];
        dx[i] = flow ? chain_sum(&c, flow[0]) : NULL;
    }
    g->origin = origin;
}

static void autodiff_check(Graph *g, const char *what, const Node *n)
{
    if (n->type != TYPE_REAL && n->type != TYPE_SCALAR)
        graph_raise(g, g->origin,
                    "gradient: %s is %s; only real numbers have a gradient: write cast(..., real)", what,
                    type_name[n->type]);
}

void autodiff_gradients(Graph *g, Scope *scope, Node *y, Node *dy, int count, Node *const *x, Node **dx)
{
    autodiff_check(g, "the result", y);
    for (int i = 0; i < count; i++)
        autodiff_check(g, "what to differentiate by", x[i]);
    if (!dy) dy = graph_const(g, 1);
    if (dy->type != TYPE_SCALAR && !shape_equal(dy->shape, y->shape))
        graph_raise(g, g->origin, "gradient: dy has shape %s, the result %s; they must agree",
                    shape_text(&g->arena, dy->shape), shape_text(&g->arena, y->shape));
    chain_gradients(g, scope, 1, &y, &dy, count, x, dx);
}

/* grad(y, x, ...) in a text. */
static Value autodiff_native(Evaluation *e, void *context, int count, const Argument *argument)
{
    Graph *g = evaluation_graph(e);
    if (count < 2)
        evaluation_raise(e, count ? argument->origin : g->origin,
                         "grad(y, x, ...) needs a result and at least one tensor to differentiate it by");
    Node **x = arena_new(&g->arena, 2 * (size_t)count, sizeof *x), **dx = x + count;
    for (int i = 0; i < count; i++)
        x[i] = argument_tensor(e, &argument[i]);
    autodiff_gradients(g, context, x[0], NULL, count - 1, x + 1, dx);
    Value v = {
        .kind = VALUE_TUPLE, .count = count - 1, .item = arena_new(&g->arena, (size_t)count, sizeof(Value))};
    for (int i = 0; i < count - 1; i++)
        v.item[i] = value_node(dx[i] ? dx[i] : chain_zeros(g, x[i + 1]->shape));
    return count == 2 ? v.item[0] : v;
}

void autodiff_add(Scope *scope)
{
    scope_add_native(scope, "grad", "derivative", autodiff_native, scope);
}
