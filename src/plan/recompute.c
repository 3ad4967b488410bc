/* recompute.c: values that are computed twice, because there is no room to keep them. Used by compile.c, on a graph whose
 * calls are expanded, where a program may work in so many bytes only.
 *
 * A draft of the plan says when memory is fullest: usually where the forward pass ends. Of what is alive then, only to be read
 * later, some is let go, and what reads it later reads a copy of it, computed again just before. Two kinds are let go:
 *   - what is cheap: elementwise operations and sums on values that are kept anyway, the cheapest for each byte first;
 *   - whole segments of the order (Chen et al. 2016, arXiv:1604.06174). Only what later segments read of a segment is kept,
 *     and all of the last one, since memory is no fuller with it. A segment is computed again at one go; by then, those
 *     behind it have been let go. So each may take what remains beside the values kept of those before it.
 *
 * What follows that moment is rebuilt from nodes of its own, in the same order, with the copies between them: so the passes
 * that come after see a graph like any other. A copy has the same inputs, or copies of them, and a random number is a
 * function of its site: the bits are the same. Nothing is assigned twice, since what is assigned reads the first of each. */
#include "plan/planning.h"

#include <stdlib.h>
#include <string.h>

enum {
    RECOMPUTE_CHEAP = 5,   /* drafts to find how many cheap values must go */
    RECOMPUTE_SIZES = 10,  /* drafts to find the size of segments */
    RECOMPUTE_TINY = 64,   /* values that together make up less than this part of all are kept */
    RECOMPUTE_STEPS = 200, /* nodes that a cheap value is made from, at most */
    RECOMPUTE_PRODUCT = 8  /* multiply-adds of a product in the time of an elementwise operation */
};

/* What is known of a node in the draft. */
typedef struct Stored {
    int64_t bytes; /* in the work arena; 0: it has none there */
    int position;  /* of the unit that makes it; -1: views, and what is there before */
    int last;      /* up to the cut, the last unit that reads it */
    bool crosses;  /* is read behind the cut */
    bool stays;    /* whatever is chosen */
    bool cheap;    /* is made again from what crosses */
} Stored;

typedef struct Cheap {
    int info;
    double rate; /* elementwise operations for each byte */
} Cheap;

typedef struct Best {
    Sink *sink; /* NULL: none that fits */
    double cost;
    size_t least; /* bytes that any took */
} Best;

typedef struct Recomputing {
    Graph *graph;
    const Program *program;
    size_t sinks;
    Sink *sink;
    size_t room; /* bytes to work in */
    Arena arena; /* of what is known of the draft */
    Arena trial; /* of a choice while it is tried */
    Planning draft;
    Stored *value;
    int cut; /* the position at which memory is fullest */
    Cheap *cheap;
    size_t cheaps;
    int64_t *crossing; /* by position: bytes made there that cross */
    int64_t *frontier; /* by position: bytes made up to there that are read behind it, up to the cut */
    int64_t total;     /* bytes that cross, but for what stays */
    /* A choice. */
    bool *let_go; /* by info: cheap values */
    int *segment; /* by position, up to the cut */
    int last;     /* the segment that is kept */
    /* What comes of it. */
    bool *kept;  /* by info */
    Node **now;  /* by node id: what stands in its place behind the cut */
    double cost; /* of all that is computed again, in elementwise operations */
    Best best;
} Recomputing;

/* ---- The draft -------------------------------------------------------------------------------------------- */

/* The plan as it would be; returns the bytes that it works in. Drafts have memory of their own: there are many. */
static size_t recompute_draft(const Recomputing *r, const Sink *sink, Arena *a, Planning *draft)
{
    Program *trial = arena_new(a, 1, sizeof *trial);
    *trial = *r->program;
    trial->arena = a;
    trial->slot_room = (size_t)trial->slots;
    trial->slot = arena_new(a, trial->slot_room, sizeof *trial->slot);
    memcpy(trial->slot, r->program->slot, trial->slot_room * sizeof *trial->slot);
    *draft = (Planning){.graph = r->graph, .program = trial, .arena = a, .backend = trial->backend};
    draft->thrifty = true;
    planning_passes(draft, r->sinks, sink);
    return trial->work + trial->scratch;
}

static int recompute_fullest(const Planning *p)
{
    int64_t *change = arena_new(p->arena, (size_t)p->unit_count + 1, sizeof *change), now = 0, most = -1;
    int at = 0;
    for (size_t i = 0; i < p->requests; i++) {
        change[p->request[i].first] += p->request[i].bytes;
        change[p->request[i].last + 1] -= p->request[i].bytes;
    }
    for (int n = 0; n < p->unit_count; n++) {
        now += change[n];
        if (now > most) most = now, at = n;
    }
    return at;
}

/* What a sink reads late stays until then: it is a result, and no step on the way to one. */
static void recompute_value(Recomputing *r, size_t k)
{
    const Planning *p = &r->draft;
    Info *i = &p->info[k];
    const Info *producer = planning_producer(p, i);
    Stored *v = &r->value[k];
    v->position = v->last = producer->unit ? producer->unit->position : -1;
    if (v->position < 0 || v->position > r->cut || i->slot != SLOT_WORK) return;
    v->bytes = shape_size(i->node->shape) * (int64_t)type_bytes(i->node->type, p->program->dtype);
    for (int e = 0; e < producer->edges; e++) {
        const Edge *edge = &producer->edge[e];
        int at = p->info[edge->to].unit->position;
        if (edge->order) continue;
        v->crosses |= at > r->cut;
        v->stays |= at > r->cut && (size_t)edge->to >= p->nodes;
        if (at <= r->cut && at > v->last) v->last = at;
    }
}

static double recompute_cost(const Node *n)
{
    bool sums = n->op == OP_sum || n->op == OP_amax;
    return (double)shape_size(sums ? n->input[0]->shape : n->shape) +
           (double)planning_multiply_adds(n) / RECOMPUTE_PRODUCT;
}

/* Adds up what it takes to make n from what crosses or was there before; false if that is not cheap. */
static bool recompute_is_cheap(const Recomputing *r, const Node *n, int *steps, double *cost)
{
    const Planning *p = &r->draft;
    const Info *i = planning_info(p, n);
    if (i->kind == NODE_OUTPUT || n->op == OP_loop || n->op == OP_call || planning_multiply_adds(n))
        return false;
    if (++*steps > RECOMPUTE_STEPS) return false;
    if (i->kind != NODE_VIEW) *cost += recompute_cost(n);
    for (int x = 0; x < n->inputs; x++) {
        const Info *in = planning_info(p, n->input[x]);
        bool there = in->kind == NODE_FREE || r->value[in - p->info].crosses ||
                     (in->slot >= 0 && in->slot != SLOT_WORK);
        if (!there && !recompute_is_cheap(r, n->input[x], steps, cost)) return false;
    }
    return true;
}

static int cheap_less(const void *a, const void *b)
{
    const Cheap *x = a, *y = b;
    if (x->rate != y->rate) return x->rate < y->rate ? -1 : 1;
    return (x->info > y->info) - (x->info < y->info);
}

static void recompute_find_cheap(Recomputing *r)
{
    const Planning *p = &r->draft;
    r->cheap = arena_new(p->arena, p->nodes, sizeof *r->cheap);
    for (size_t k = 0; k < p->nodes; k++) {
        int steps = 0;
        double cost = 0;
        Stored *v = &r->value[k];
        if (!v->crosses || v->stays || !recompute_is_cheap(r, p->info[k].node, &steps, &cost)) continue;
        v->cheap = true;
        r->cheap[r->cheaps++] = (Cheap){(int)k, cost / (double)v->bytes};
    }
    if (r->cheaps) qsort(r->cheap, r->cheaps, sizeof *r->cheap, cheap_less);
}

/* Statistics of a norm and the like: so small that they are not worth a thought. */
static void recompute_keep_tiny(Recomputing *r)
{
    int64_t all = 0, count = 0;
    for (size_t k = 0; k < r->draft.nodes; k++)
        if (r->value[k].crosses) all += r->value[k].bytes, count++;
    for (size_t k = 0; k < r->draft.nodes; k++)
        r->value[k].stays |= r->value[k].crosses && r->value[k].bytes * count * RECOMPUTE_TINY <= all;
}

static void recompute_measure(Recomputing *r)
{
    Planning *p = &r->draft;
    size_t positions = (size_t)p->unit_count + 2;
    r->cut = recompute_fullest(p);
    r->value = arena_new(p->arena, p->infos, sizeof *r->value);
    r->crossing = arena_new(p->arena, positions, sizeof *r->crossing);
    r->frontier = arena_new(p->arena, positions, sizeof *r->frontier);
    for (size_t k = 0; k < p->infos; k++)
        recompute_value(r, k);
    recompute_keep_tiny(r);
    for (size_t k = 0; k < p->nodes; k++) {
        const Stored *v = &r->value[k];
        if (!v->bytes || v->stays) continue;
        if (v->crosses) r->crossing[v->position] += v->bytes, r->total += v->bytes;
        for (int at = v->position; at < v->last; at++)
            r->frontier[at] += v->bytes;
    }
    recompute_find_cheap(r);
}

/* ---- Segments --------------------------------------------------------------------------------------------- */

/* Bytes from a position to the cut if all is kept that crosses, but what is cheap. */
static int64_t *recompute_rest(const Recomputing *r)
{
    int64_t *rest = arena_new(r->draft.arena, (size_t)r->cut + 2, sizeof *rest);
    for (int at = 0; at <= r->cut; at++)
        rest[at] = r->crossing[at];
    for (size_t c = 0; c < r->cheaps; c++)
        if (r->let_go[r->cheap[c].info]) {
            const Stored *v = &r->value[r->cheap[c].info];
            rest[v->position] -= v->bytes;
        }
    for (int at = r->cut; at--;)
        rest[at] += rest[at + 1];
    return rest;
}

/* Where the segment that begins at `begin` ends: as soon as the rest can be kept; else, of the places that leave it at least
 * half of what it may take, one that little is read across. -1: nowhere. */
static int recompute_segment_end(const Recomputing *r, const int64_t *rest, int begin, int64_t room)
{
    int64_t taken = 0;
    int best = -1;
    for (int at = begin; at < r->cut; at++) {
        taken += r->crossing[at];
        if (taken > room) break;
        if (rest[at + 1] + r->frontier[at] <= room) return at;
        bool better = best < 0 || 2 * taken <= room || r->frontier[at] <= r->frontier[best];
        if (taken && better) best = at;
    }
    return best;
}

/* Bytes made from position `begin` to `end` that are read behind it, but not behind the cut only. */
static int64_t recompute_kept(const Recomputing *r, int begin, int end)
{
    int64_t bytes = 0;
    for (size_t k = 0; k < r->draft.nodes; k++) {
        const Stored *v = &r->value[k];
        if (v->bytes && !v->stays && v->position >= begin && v->position <= end && v->last > end)
            bytes += v->bytes;
    }
    return bytes;
}

/* Divides the order up to the cut so that at no time more than `room` bytes of what crosses are there; false if that cannot
 * be. */
static bool recompute_divide(Recomputing *r, int64_t room)
{
    const int64_t *rest = recompute_rest(r);
    int begin = 0;
    for (r->last = 0; rest[begin] > room; r->last++) {
        int end = recompute_segment_end(r, rest, begin, room);
        if (end < 0) return false;
        for (int at = begin; at <= end; at++)
            r->segment[at] = r->last;
        room -= recompute_kept(r, begin, end);
        begin = end + 1;
    }
    for (int at = begin; at <= r->cut; at++)
        r->segment[at] = r->last;
    return true;
}

/* ---- What is kept ------------------------------------------------------------------------------------------- */

/* wanted[x]: the last segment that needs x again, + 1; 0: none. Of what an earlier segment made, that is kept. */
static void recompute_want(const Recomputing *r, int *wanted, const Node *n, int segment)
{
    for (int x = 0; x < n->inputs; x++) {
        int in = r->draft.info_of[n->input[x]->id];
        if (r->draft.info[in].kind != NODE_FREE && wanted[in] < segment + 1) wanted[in] = segment + 1;
    }
}

static bool recompute_is_kept(const Recomputing *r, size_t k, int wanted)
{
    const Stored *v = &r->value[k];
    int segment = r->segment[v->position];
    bool crosses = v->crosses && segment == r->last && !r->let_go[k];
    return v->bytes && (v->stays || crosses || wanted > segment + 1);
}

/* From the last node to the first, so that all who want one are known before it. */
static void recompute_keep(Recomputing *r)
{
    const Planning *p = &r->draft;
    int *wanted = arena_new(&r->trial, p->nodes, sizeof *wanted);
    r->kept = arena_new(&r->trial, p->nodes, sizeof *r->kept);
    for (size_t k = p->nodes; k--;) {
        const Stored *v = &r->value[k];
        const Node *n = p->info[k].node;
        if (v->position > r->cut) continue;
        if (v->position < 0) {
            if (wanted[k] && p->info[k].kind == NODE_VIEW) recompute_want(r, wanted, n, wanted[k] - 1);
            continue;
        }
        r->kept[k] = (p->info[k].slot >= 0 && !v->bytes) || recompute_is_kept(r, k, wanted[k]);
        bool again = !r->kept[k] && (wanted[k] || (v->crosses && v->bytes));
        if (again) recompute_want(r, wanted, n, r->segment[v->position]);
    }
}

/* ---- Behind the cut ----------------------------------------------------------------------------------------- */

/* What stands for n behind the cut. */
static Node *recompute_late(Recomputing *r, Node *n)
{
    const Planning *p = &r->draft;
    const Info *i = planning_info(p, n);
    size_t k = (size_t)(i - p->info);
    if (i->kind == NODE_FREE || (r->value[k].position >= 0 && r->value[k].position <= r->cut && r->kept[k]))
        return n;
    if (r->now[n->id]) return r->now[n->id];
    Node **input = arena_new(&r->graph->arena, (size_t)n->inputs, sizeof *input);
    bool same = i->kind == NODE_VIEW;
    for (int x = 0; x < n->inputs; x++) {
        input[x] = recompute_late(r, n->input[x]);
        same &= input[x] == n->input[x];
    }
    if (r->value[k].position >= 0 && r->value[k].position <= r->cut) r->cost += recompute_cost(n);
    Node *late = same ? n : graph_twin(r->graph, n, input);
    late->late |= !same;
    return r->now[n->id] = late;
}

static bool recompute_is_late(const Recomputing *r, const Node *n)
{
    const Planning *p = &r->draft;
    while (planning_info(p, n)->kind == NODE_VIEW)
        n = n->input[0];
    return r->value[p->info_of[n->id]].position > r->cut;
}

/* The sinks of the graph that the choice makes. */
static Sink *recompute_rebuild(Recomputing *r)
{
    const Planning *p = &r->draft;
    Sink *sink = arena_new(p->arena, r->sinks, sizeof *sink);
    recompute_keep(r);
    r->cost = 0;
    r->now = arena_new(&r->trial, (size_t)r->graph->nodes, sizeof(Node *));
    for (size_t k = 0; k < p->nodes; k++)
        if (r->value[k].position > r->cut) recompute_late(r, p->info[k].node);
    for (size_t s = 0; s < r->sinks; s++) {
        Node *root = r->sink[s].root;
        sink[s] = (Sink){recompute_is_late(r, root) ? recompute_late(r, root) : root, r->sink[s].slot};
    }
    return sink;
}

/* ---- The choice --------------------------------------------------------------------------------------------- */

/* Rebuilds by the choice at hand; true if that fits. */
static bool recompute_try(Recomputing *r)
{
    Planning draft;
    Best *best = &r->best;
    Sink *sink = recompute_rebuild(r);
    size_t work = recompute_draft(r, sink, &r->trial, &draft);
    arena_free(&r->trial);
    if (work < best->least) best->least = work;
    if (work > r->room) return false;
    if (!best->sink || r->cost < best->cost) best->sink = sink, best->cost = r->cost;
    return true;
}

static void recompute_let_go(Recomputing *r, size_t count)
{
    for (size_t c = 0; c < r->cheaps; c++)
        r->let_go[r->cheap[c].info] = c < count;
}

/* As few of the cheap values as will do; false if all of them do not. */
static bool recompute_cheap(Recomputing *r)
{
    recompute_let_go(r, r->cheaps);
    if (!r->cheaps || !recompute_try(r)) return false;
    size_t few = 0, many = r->cheaps;
    for (int i = 0; i < RECOMPUTE_CHEAP && few + 1 < many; i++) {
        size_t half = few + (many - few) / 2;
        recompute_let_go(r, half);
        if (recompute_try(r))
            many = half;
        else
            few = half;
    }
    return true;
}

/* Segments as large as will do. */
static void recompute_segments(Recomputing *r)
{
    int64_t small = 0, large = r->total;
    for (int i = 0; i < RECOMPUTE_SIZES && small < large; i++) {
        int64_t half = small + (large - small) / 2;
        if (!recompute_divide(r, half) || recompute_try(r))
            small = half;
        else
            large = half;
    }
}

static void recompute_all(void *context)
{
    Recomputing *r = context;
    r->best.least = recompute_draft(r, r->sink, &r->arena, &r->draft);
    if (r->best.least <= r->room) return;
    recompute_measure(r);
    r->let_go = arena_new(&r->arena, r->draft.infos, sizeof *r->let_go);
    r->segment = arena_new(&r->arena, (size_t)r->cut + 1, sizeof *r->segment);
    if (!recompute_cheap(r)) recompute_segments(r);
    if (r->best.sink) memcpy(r->sink, r->best.sink, r->sinks * sizeof *r->sink);
}

size_t planning_recompute(Graph *g, const Program *program, size_t sinks, Sink *sink, size_t room)
{
    Recomputing r = {.graph = g, .program = program, .sinks = sinks, .sink = sink, .room = room};
    arena_init(&r.arena, g->error);
    arena_init(&r.trial, g->error);
    int status = error_catch(g->error, recompute_all, &r);
    arena_free(&r.arena);
    arena_free(&r.trial);
    if (status) error_escape(g->error);
    return r.best.least;
}
