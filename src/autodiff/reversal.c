/* reversal.c: the gradient of a loop is a loop that runs the other way.
 *
 * Turn i of the new loop stands where turn i of the old one stood: it reads the history of the carried values and the
 * sequences at i, and has carried back to it the gradient of what turn i handed on. Its body is the old body with the
 * chain rule applied. The gradients of the carried values are carried on, those of values that stay are added up from
 * zero, those of sequences are stacked. It is a loop like any other, so it can be differentiated again. */
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

/* The gradients of values that stay are added up from zero. */
static void reversal_gather(Reversal *r)
{
    for (int i = r->loop->carried + r->loop->stacked; i < r->node->inputs; i++) {
        if (!r->dx[i]) continue;
        Shape shape = r->place[i]->shape;
        Node *sum = graph_place(r->g, TYPE_REAL, shape);
        r->feed[0][r->carried++] =
            (Feed){sum, chain_zeros(r->g, shape), reversal_sum(r->g, sum, r->dx[i]), i};
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

/* Leaves out the feeds whose places nothing reads. */
static int reversal_prune(const Needs *needs, Feed *feed, int count)
{
    int kept = 0;
    for (int i = 0; i < count; i++)
        if (needs_place(needs, feed[i].place) < needs->count) feed[kept++] = feed[i];
    return kept;
}

/* The new loop; its outputs are the carried values, then the stacked gradients of sequences, in order. */
static Node *reversal_loop(Reversal *r)
{
    const Loop *l = r->loop;
    Node **place = reversal_list(r, sizeof *place), **output = reversal_list(r, sizeof *output);
    Node **from = reversal_list(r, sizeof *from);
    int inputs = 0, outputs = 0;
    for (int i = 0; i < r->carried; i++)
        output[outputs++] = r->feed[0][i].next;
    for (int i = l->carried; i < l->carried + l->stacked; i++)
        if (r->dx[i]) output[outputs++] = r->dx[i];
    if (!outputs) return NULL;
    Needs needs = needs_of(r->g, output, outputs);
    r->sequences = reversal_prune(&needs, r->feed[1], r->sequences);
    r->stays = reversal_prune(&needs, r->feed[2], r->stays);
    const int kinds[3] = {r->carried, r->sequences, r->stays};
    for (int kind = 0; kind < 3; kind++)
        for (int i = 0; i < kinds[kind]; i++)
            place[inputs] = r->feed[kind][i].place, from[inputs++] = r->feed[kind][i].from;
    place[inputs] = r->place[l->body.inputs - 1];
    Loop back = {l->count, !l->reverse, r->carried, r->sequences, {inputs + 1, outputs, place, output}};
    return graph_loop(r->g, back, inputs, from);
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
    reversal_gather(&r);
    reversal_read(&r);
    Node *back = reversal_loop(&r);
    if (!back) return;
    int output = 0;
    for (; output < r.carried; output++)
        dx[r.feed[0][output].input] = graph_output(g, back, output);
    for (int i = loop->loop->carried; i < loop->loop->carried + loop->loop->stacked; i++)
        if (r.dx[i]) dx[i] = graph_output(g, back, output++);
}
