/* reversal.c: the gradient of a loop is a loop that runs the other way.
 *
 * Turn i of the new loop stands where turn i of the old one stood: it reads the history of the carried values and the
 * sequences at i, and has carried back to it the gradient of what turn i handed on. Its body is the old body with the
 * chain rule applied. The gradients of the carried values are carried on, those of sequences are stacked, those of
 * values that stay are added up from zero. But where each turn's share is a product, as the weights of a recurrent net
 * have it, the factors of all turns are stacked and multiplied once, behind the loop: one large product costs far less
 * than many small ones, each added to all the weights. What the old loop stacked is read, not computed again. It is a
 * loop like any other, so it can be differentiated again. */
#include "autodiff/chain.h"

#include <string.h>

/* A place of the new body, and what the new loop gives it. */
typedef struct Feed {
    Node *place, *from, *next; /* next: of carried values */
    int input;                 /* of the old loop: whose gradient this carries */
} Feed;

typedef struct Reversal {
    Graph *g;
    Node *node;
    const Loop *loop;
    Node *const *dy;
    bool *active;  /* old inputs that carry a gradient */
    Node **place;  /* the old body's places in the new one, the position last */
    Node **output; /* the old body's outputs there */
    Node **dx;     /* the gradients of places, one turn */
    Node **flow;   /* places for what arrives at each old output in one turn; NULL: nothing does */
    int carried, sequences, stays;
    Feed *feed[3]; /* carried, sequences, stays */
    Node **stack;  /* what the turns compute that is stacked */
    int stacks;
    size_t stack_room;
    Node *back; /* the new loop; NULL: all is known without one */
} Reversal;

static void *reversal_list(const Reversal *r, size_t size)
{
    return arena_new(&r->g->arena, (size_t)(2 * r->loop->body.inputs + 2 * r->loop->body.outputs), size);
}

/* What carries a gradient: the inputs that are wanted, and carried values that come to depend on them. */
static void reversal_activate(Reversal *r, const bool *wanted)
{
    const Body *b = &r->loop->body;
    Needs needs = needs_of(r->g, b->output, b->outputs);
    bool *depends = arena_new(&r->g->arena, needs.count + 1, sizeof *depends), more = true;
    for (int i = 0; i < r->node->inputs; i++)
        r->active[i] = depends[needs_place(&needs, b->input[i])] = wanted[i];
    while (more) {
        more = false;
        needs_depend(&needs, depends);
        for (int i = 0; i < r->loop->carried; i++)
            if (!r->active[i] && depends[needs_place(&needs, b->output[i])])
                r->active[i] = depends[needs_place(&needs, b->input[i])] = more = true;
    }
}

/* Puts what the old loop stacked in the place of what would compute it again. NULLs among dx[] stay. */
static void reversal_recall(Reversal *r, int count, Node **dx)
{
    const Loop *l = r->loop;
    Node **known = reversal_list(r, sizeof *known), **place = reversal_list(r, sizeof *place);
    Node **sum = reversal_list(r, sizeof *sum);
    Body body = {.input = known, .output = sum};
    for (int i = l->carried; i < l->body.outputs; i++) {
        if (!r->output[i]->inputs) continue;
        known[body.inputs] = r->output[i];
        place[body.inputs] = graph_place(r->g, r->output[i]->type, r->output[i]->shape);
        r->feed[1][r->sequences++] = (Feed){place[body.inputs++], graph_output(r->g, r->node, i), NULL, -1};
    }
    for (int i = 0; i < count; i++)
        if (dx[i]) sum[body.outputs++] = dx[i];
    graph_inline(r->g, &body, place, sum);
    for (int i = 0, k = 0; i < count; i++)
        if (dx[i]) dx[i] = sum[k++];
}

/* One turn: the old body on new places, and the gradients of its active places. */
static void reversal_turn(Reversal *r, Scope *scope)
{
    const Body *b = &r->loop->body;
    Node **y = reversal_list(r, sizeof *y), **dy = reversal_list(r, sizeof *dy);
    Node **x = reversal_list(r, sizeof *x), **dx = reversal_list(r, sizeof *dx);
    int outputs = 0, count = 0;
    for (int i = 0; i < b->inputs; i++)
        r->place[i] = graph_place(r->g, b->input[i]->type, b->input[i]->shape);
    graph_inline(r->g, b, r->place, r->output);
    for (int i = 0; i < b->outputs; i++) {
        if (i < r->loop->carried ? !r->active[i] : !r->dy[i]) continue;
        r->flow[i] = graph_place(r->g, TYPE_REAL, b->output[i]->shape);
        y[outputs] = r->output[i], dy[outputs++] = r->flow[i];
    }
    for (int i = 0; i < r->node->inputs; i++)
        if (r->active[i]) x[count++] = r->place[i];
    chain_gradients(r->g, scope, outputs, y, dy, count, x, dx);
    reversal_recall(r, count, dx);
    count = 0;
    for (int i = 0; i < r->node->inputs; i++)
        if (r->active[i]) r->dx[i] = dx[count++];
}

static Node *reversal_sum(Graph *g, Node *a, Node *b)
{
    return a && b ? graph_binary(g, OP_add, a, b) : a ? a : b;
}

/* The gradients of carried values are handed from turn to turn; where the history was read, more arrives. */
static void reversal_carry(Reversal *r)
{
    int history = r->loop->body.outputs;
    for (int i = 0; i < r->loop->carried; i++) {
        if (!r->active[i]) continue;
        Shape shape = r->place[i]->shape;
        Node *next = r->dx[i], *read = r->dy[history + i];
        if (read) {
            Node *now = graph_place(r->g, TYPE_REAL, shape);
            r->feed[1][r->sequences++] = (Feed){now, read, NULL, -1};
            next = reversal_sum(r->g, next, now);
        }
        Node *zeros = chain_zeros(r->g, shape);
        r->feed[0][r->carried++] = (Feed){r->flow[i], r->dy[i] ? r->dy[i] : zeros, next ? next : zeros, i};
    }
}

/* ---- Sums over all turns ---- */

/* Where among the stacked values n stands: n is added if it is new. */
static int reversal_stack(Reversal *r, Node *n)
{
    for (int i = 0; i < r->stacks; i++)
        if (r->stack[i] == n) return i;
    if ((size_t)r->stacks == r->stack_room) {
        r->stack_room = 2 * r->stack_room + 8;
        Node **more = arena_new(&r->g->arena, r->stack_room, sizeof *more);
        if (r->stacks) memcpy(more, r->stack, (size_t)r->stacks * sizeof *more);
        r->stack = more;
    }
    r->stack[r->stacks] = n;
    return r->stacks++;
}

/* The sequence that a place of the new body walks along, or NULL. */
static Node *reversal_sequence(const Reversal *r, const Node *place)
{
    for (int i = 0; i < r->sequences; i++)
        if (r->feed[1][i].place == place) return r->feed[1][i].from;
    return NULL;
}

static bool reversal_stays(const Reversal *r, const Node *n)
{
    for (int i = 0; i < r->stays; i++)
        if (r->feed[2][i].place == n) return true;
    return false;
}

/* A factor itself, or what its transposition was made of. */
static Node *factor_base(Node *n)
{
    return n->op == OP_transpose ? n->input[0] : n;
}

/* Asks for the stack of a factor, unless the values are one behind the other already. */
static bool reversal_factor(Reversal *r, Node *n)
{
    n = factor_base(n);
    if (reversal_stays(r, n)) return false;
    if (!reversal_sequence(r, n)) reversal_stack(r, n);
    return true;
}

/* Is n a product, or made of such in ways that commute with a sum? Then the stacks of its factors have been asked
 * for. */
static bool reversal_products(Reversal *r, const Node *n)
{
    if (n->op == OP_transpose || n->op == OP_reshape) return reversal_products(r, n->input[0]);
    if (n->op == OP_add) return reversal_products(r, n->input[0]) && reversal_products(r, n->input[1]);
    return n->op == OP_matmul && n->shape.rank == 2 && reversal_factor(r, n->input[0]) &&
           reversal_factor(r, n->input[1]);
}

/* A factor [m, k] on the left or [k, p] on the right, of all turns: [m, turns*k] or [turns*k, p]. */
static Node *reversal_factors(Reversal *r, Node *n, bool left)
{
    Graph *g = r->g;
    Node *base = factor_base(n), *all = reversal_sequence(r, base);
    if (!all) all = graph_output(g, r->back, r->carried + reversal_stack(r, base));
    int64_t turns = r->loop->count, rows = base->shape.dim[0], columns = base->shape.dim[1];
    if (left == (base != n)) { /* k stands first, behind the turn */
        all = graph_reshape(g, all, shape_of(2, (int64_t[]){turns * rows, columns}));
        return left ? graph_swap(g, all) : all;
    }
    all = graph_transpose(g, all, (int[]){1, 0, 2});
    all = graph_reshape(g, all, shape_of(2, (int64_t[]){rows, turns * columns}));
    return left ? all : graph_swap(g, all);
}

/* The sum of n, which reversal_products was true of, over all turns. */
static Node *reversal_total(Reversal *r, const Node *n)
{
    if (n->op == OP_matmul)
        return graph_binary(r->g, OP_matmul, reversal_factors(r, n->input[0], true),
                            reversal_factors(r, n->input[1], false));
    Node *input[2];
    for (int i = 0; i < n->inputs; i++)
        input[i] = reversal_total(r, n->input[i]);
    return graph_node(r->g, n->op, n->inputs, input, n->attributes, n->attribute);
}

/* Sequences get a gradient for each turn; values that stay get products behind the loop, or a sum from zero, whose
 * share is then no longer asked for. */
static void reversal_gather(Reversal *r)
{
    const Loop *l = r->loop;
    for (int i = l->carried; i < l->carried + l->stacked; i++)
        if (r->dx[i]) reversal_stack(r, r->dx[i]);
    for (int i = l->carried + l->stacked; i < r->node->inputs; i++) {
        int stacks = r->stacks;
        if (!r->dx[i] || reversal_products(r, r->dx[i])) continue;
        r->stacks = stacks; /* without those asked for until it was known */
        Shape shape = r->place[i]->shape;
        Node *sum = graph_place(r->g, TYPE_REAL, shape);
        r->feed[0][r->carried++] =
            (Feed){sum, chain_zeros(r->g, shape), reversal_sum(r->g, sum, r->dx[i]), i};
        r->dx[i] = NULL;
    }
}

/* What the old body read, and what arrives at the values it stacked. */
static void reversal_read(Reversal *r)
{
    const Loop *l = r->loop;
    for (int i = 0; i < l->carried; i++)
        r->feed[1][r->sequences++] =
            (Feed){r->place[i], graph_output(r->g, r->node, l->body.outputs + i), NULL, -1};
    for (int i = l->carried; i < l->carried + l->stacked; i++)
        r->feed[1][r->sequences++] = (Feed){r->place[i], r->node->input[i], NULL, -1};
    for (int i = l->carried; i < l->body.outputs; i++)
        if (r->flow[i]) r->feed[1][r->sequences++] = (Feed){r->flow[i], r->dy[i], NULL, -1};
    for (int i = l->carried + l->stacked; i < r->node->inputs; i++)
        r->feed[2][r->stays++] = (Feed){r->place[i], r->node->input[i], NULL, -1};
}

/* The new loop, with the feeds whose places are read; its outputs are the carried values, then those stacked. */
static Node *reversal_loop(Reversal *r)
{
    const Loop *l = r->loop;
    Node **place = reversal_list(r, sizeof *place), **from = reversal_list(r, sizeof *from);
    int outputs = r->carried + r->stacks, inputs = 0, sequences = 0;
    Node **output = arena_new(&r->g->arena, (size_t)outputs, sizeof *output);
    const int count[] = {r->carried, r->sequences, r->stays};
    for (int i = 0; i < outputs; i++)
        output[i] = i < r->carried ? r->feed[0][i].next : r->stack[i - r->carried];
    Needs needs = needs_of(r->g, output, outputs);
    for (int kind = 0; kind < 3; kind++)
        for (const Feed *f = r->feed[kind]; f < r->feed[kind] + count[kind]; f++) {
            if (kind && needs_place(&needs, f->place) == needs.count) continue;
            place[inputs] = f->place, from[inputs++] = f->from;
            sequences += kind == 1;
        }
    place[inputs] = r->place[l->body.inputs - 1];
    Loop back = {l->count, !l->reverse, r->carried, sequences, {inputs + 1, outputs, place, output}};
    return outputs ? graph_loop(r->g, back, inputs, from) : NULL;
}

/* The gradients of the old loop's inputs, of which some were found while the new one was made. */
static void reversal_results(Reversal *r, Node **dx)
{
    const Loop *l = r->loop;
    for (int i = l->carried + l->stacked; i < r->node->inputs; i++)
        if (r->dx[i]) dx[i] = reversal_total(r, r->dx[i]);
    for (int i = 0; i < r->carried; i++)
        dx[r->feed[0][i].input] = graph_output(r->g, r->back, i);
    for (int i = l->carried; i < l->carried + l->stacked; i++)
        if (r->dx[i]) dx[i] = graph_output(r->g, r->back, r->carried + reversal_stack(r, r->dx[i]));
}

void chain_loop(Graph *g, Scope *scope, Node *loop, Node *const *dy, const bool *wanted, Node **dx)
{
    Reversal r = {.g = g, .node = loop, .loop = loop->loop, .dy = dy};
    r.active = reversal_list(&r, sizeof *r.active);
    r.place = reversal_list(&r, sizeof *r.place);
    r.output = reversal_list(&r, sizeof *r.output);
    r.dx = reversal_list(&r, sizeof *r.dx);
    r.flow = reversal_list(&r, sizeof *r.flow);
    for (int kind = 0; kind < 3; kind++)
        r.feed[kind] = reversal_list(&r, sizeof(Feed));
    reversal_activate(&r, wanted);
    reversal_turn(&r, scope);
    reversal_carry(&r);
    reversal_read(&r);
    reversal_gather(&r);
    r.back = reversal_loop(&r);
    reversal_results(&r, dx);
}
