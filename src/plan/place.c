/* place.c: where values stand in the work arena. Used by compile.c.
 *
 * Greedy by size: the largest block first, each at the lowest offset that no block alive at the same time has. */
#include "plan/planning.h"

#include <stdlib.h>
#include <string.h>

enum { PLACE_PAGE = 4096, PLACE_STAGGER = 192 };

void planning_request(Planning *p, int64_t bytes, int first, int last, int64_t *offset)
{
    p->request = planning_more(p->arena, p->request, p->requests, &p->request_room, sizeof *p->request);
    /* blocks that start at the same offset within a page collide in the cache: keep them off its multiples */
    if (bytes >= PLACE_PAGE) bytes += PLACE_STAGGER;
    bytes = (bytes + PLAN_LINE - 1) / PLAN_LINE * PLAN_LINE;
    p->request[p->requests] = (Request){bytes ? bytes : PLAN_LINE, first, last, p->requests, offset};
    p->requests++;
}

static int request_larger(const void *a, const void *b)
{
    const Request *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    if (x->first != y->first) return x->first > y->first ? 1 : -1;
    return (x->order > y->order) - (x->order < y->order);
}

/* Where r fits among placed blocks, which are in order of their offsets: the lowest gap between those that live when r
 * does. */
static int64_t place_find(const Request *const *placed, size_t count, const Request *r)
{
    int64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const Request *other = placed[i];
        if (other->first > r->last || r->first > other->last) continue;
        if (at + r->bytes <= *other->offset) break;
        int64_t end = *other->offset + other->bytes;
        if (end > at) at = end;
    }
    return at;
}

static void place_insert(const Request **placed, size_t count, const Request *r)
{
    size_t at = count;
    while (at && *placed[at - 1]->offset > *r->offset)
        at--;
    memmove(placed + at + 1, placed + at, (count - at) * sizeof *placed);
    placed[at] = r;
}

/* A value lives from the unit that makes it to the last that reads it. The readers of a kernel's several outputs are
 * edges of the kernel, so each output lives as long as any. */
static void place_value(Planning *p, Info *i)
{
    if (i->slot >= 0) return;
    const Info *producer = planning_producer(p, i);
    int first = producer->unit->position, last = first;
    for (int e = 0; e < producer->edges; e++) {
        const Edge *edge = &producer->edge[e];
        int at = p->info[edge->to].unit->position;
        if (!edge->order && at > last) last = at;
    }
    i->slot = SLOT_WORK;
    int64_t bytes = shape_size(i->node->shape) * (int64_t)type_bytes(i->node->type, p->program->dtype);
    planning_request(p, bytes, first, last, &i->offset);
}

static bool place_stored(const Planning *p, const Info *i)
{
    if (i->sink >= 0) return false;
    if (i->kind != NODE_MAP) return true;
    if (i->node->type != TYPE_REAL) return true;
    for (int e = 0; e < i->edges; e++)
        if (!i->edge[e].order && p->info[i->edge[e].to].unit != i->unit) return true;
    return false;
}

/* A sink in the unit of its value: who reads the value may read it there. */
static void place_alias(Planning *p, Info *sink)
{
    Info *value = planning_info(p, sink->node->input[0]);
    sink->slot = sink->sink;
    if (value->unit == sink->unit && value->kind == NODE_MAP && value->slot < 0 &&
        value->node->type == TYPE_REAL)
        value->slot = sink->sink;
}

/* Memory that a unit needs beside its values: the parts of a split reduction, a loop's buffers. */
static void place_extra(Planning *p, Unit *u)
{
    if (p->info[u->member[0]].node->op == OP_loop) loop_request(p, u);
    if (!u->sums || group_segments(u) == 1) return;
    int64_t results = 0;
    for (int m = 0; m < u->members; m++)
        if (p->info[u->member[m]].kind == NODE_REDUCE)
            results += shape_size(p->info[u->member[m]].node->shape);
    int64_t bytes = results * group_segments(u) * (int64_t)sizeof(double);
    planning_request(p, bytes, u->position, u->position, &u->partial);
}

static void place_requests(Planning *p)
{
    if (p->requests) qsort(p->request, p->requests, sizeof *p->request, request_larger);
    const Request **placed = arena_new(p->arena, p->requests + 1, sizeof *placed);
    size_t work = 0;
    for (size_t i = 0; i < p->requests; i++) {
        Request *r = &p->request[i];
        *r->offset = place_find(placed, i, r);
        place_insert(placed, i, r);
        if ((size_t)(*r->offset + r->bytes) > work) work = (size_t)(*r->offset + r->bytes);
    }
    p->program->work = work;
}

void planning_place(Planning *p)
{
    for (size_t k = 0; k < p->infos; k++)
        if (p->info[k].sink >= 0) place_alias(p, &p->info[k]);
    for (size_t k = 0; k < p->infos; k++) {
        Info *i = &p->info[k];
        if (i->unit && i->node->op != OP_loop && (i->stored = place_stored(p, i))) place_value(p, i);
        if (i->kind == NODE_OUTPUT) place_value(p, i);
    }
    for (int n = 0; n < p->unit_count; n++)
        place_extra(p, p->order[n]);
    place_requests(p);
}
