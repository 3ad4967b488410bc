/* fuse.c: which nodes run as one group. Used by compile.c.
 *
 * Every node that computes starts as a unit of its own. Going backward, an elementwise node joins the units that read
 * it element by element, if no path leads from one to the other through a third: the group must be one instruction
 * between all that it needs and all that need it. */
#include "plan/planning.h"

#include <string.h>

enum { GROUP_MEMBERS = 64, FUSE_SEARCH = 2000 };

static Unit *fuse_unit(Planning *p, int index)
{
    Info *i = &p->info[index];
    Unit *u = arena_new(p->arena, 1, sizeof *u);
    u->member = arena_new(p->arena, 1, sizeof *u->member);
    u->member[u->members++] = index;
    u->space = i->node->shape;
    u->late = i->node->late;
    if (i->kind == NODE_REDUCE) {
        u->sums = true;
        u->space = i->node->input[0]->shape;
        for (int a = 0; a < u->space.rank; a++)
            u->over[a] = i->node->attribute[a];
    }
    u->next = p->units;
    p->units = u;
    p->unit_count++;
    return u;
}

/* Does a path lead from `from` to `to` but for edges that a group may have inside? Edges lead forward in the order of
 * units, so nothing behind `to` matters. A search that goes on for long is taken for a path: there nearly always is one,
 * as from a value to its gradient. Without a path, what was seen has the stamp. */
static bool fuse_detour(Planning *p, Unit *from, Unit *to)
{
    int depth = 0, seen = 0;
    p->stamp++;
    for (Unit *at = from;; at = p->stack[--depth]) {
        for (int m = 0; m < at->members; m++) {
            const Info *i = &p->info[at->member[m]];
            for (int e = 0; e < i->edges; e++) {
                Unit *next = p->info[i->edge[e].to].unit;
                if (next == to && (at != from || !i->edge[e].fusable)) return true;
                if (next->position >= to->position || next == at || next->stamp == p->stamp) continue;
                if (++seen == FUSE_SEARCH) return true;
                next->stamp = p->stamp;
                p->stack[depth++] = next;
            }
        }
        if (!depth) return false;
    }
}

static bool fuse_fits(const Unit *a, const Unit *b)
{
    return a->late == b->late && shape_equal(a->space, b->space) &&
           a->members + b->members <= GROUP_MEMBERS &&
           (!a->sums || !b->sums || !memcmp(a->over, b->over, (size_t)a->space.rank * sizeof *a->over));
}

/* b's members move to a, in order of creation. */
static void fuse_join(Planning *p, Unit *a, Unit *b)
{
    int *all = arena_new(p->arena, (size_t)(a->members + b->members), sizeof *all);
    int n = 0;
    for (int i = 0, k = 0; i < a->members || k < b->members;)
        all[n++] = k == b->members || (i < a->members && a->member[i] < b->member[k]) ? a->member[i++]
                                                                                      : b->member[k++];
    a->member = all;
    a->members = n;
    if (b->sums) {
        a->sums = true;
        memcpy(a->over, b->over, sizeof a->over);
    }
    for (int i = 0; i < b->members; i++)
        p->info[b->member[i]].unit = a;
    b->members = 0;
    p->unit_count--;
}

/* a and b are one now and stand in a's place in the order; between them, what a leads to moves behind. */
static void fuse_reorder(Planning *p, Unit *a, const Unit *b)
{
    int at = a->position, last = b->position, behind = 0;
    for (int k = at + 1; k < last; k++) {
        Unit *u = p->order[k];
        if (!u) continue;
        if (u->stamp == p->stamp)
            p->stack[behind++] = u;
        else
            p->order[u->position = at++] = u;
    }
    p->order[a->position = at++] = a;
    for (int k = 0; k < behind; k++)
        p->order[p->stack[k]->position = at++] = p->stack[k];
    while (at <= last)
        p->order[at++] = NULL;
}

/* Units that joined another leave the list. */
static void fuse_sweep(Planning *p)
{
    for (Unit **link = &p->units; *link;)
        if ((*link)->members)
            link = &(*link)->next;
        else
            *link = (*link)->next;
}

/* An edge leads from a to b. */
static void fuse_try(Planning *p, Unit *a, Unit *b)
{
    if (a == b || !fuse_fits(a, b) || fuse_detour(p, a, b)) return;
    fuse_reorder(p, a, b);
    fuse_join(p, a, b);
}

static void fuse_edge(Planning *p, Info *from, int to, bool fusable, bool order)
{
    from->edge =
        planning_more(p->arena, from->edge, (size_t)from->edges, &from->edge_room, sizeof *from->edge);
    from->edge[from->edges++] = (Edge){to, fusable, order};
}

static bool fuse_computes(const Info *i)
{
    return i->kind == NODE_MAP || i->kind == NODE_REDUCE || i->kind == NODE_KERNEL;
}

/* Edges to `index` from what it reads. */
static void fuse_inputs(Planning *p, int index)
{
    const Info *i = &p->info[index];
    for (int x = 0; x < i->node->inputs; x++) {
        Node *input = i->node->input[x];
        const Access *access = &planning_info(p, input)->access;
        if (access_is_made(access)) continue;
        Info *base = planning_info(p, access->base);
        bool fusable = base->node == input && base->kind == NODE_MAP && input->type == TYPE_REAL &&
                       i->kind != NODE_KERNEL && !i->dense && shape_equal(input->shape, i->unit->space);
        fuse_edge(p, planning_producer(p, base), index, fusable, false);
    }
}

/* `sink` writes a leaf, so it comes after all that read the leaf's old value. */
static void fuse_after(Planning *p, const Info *leaf, int sink)
{
    for (int e = 0; e < leaf->edges; e++)
        if (leaf->edge[e].to != sink)
            fuse_edge(p, &p->info[leaf->edge[e].to], sink, leaf->edge[e].fusable, true);
}

static void fuse_sinks(Planning *p)
{
    int *writer = arena_new(p->arena, (size_t)p->program->slots, sizeof *writer); /* by slot: its sink + 1 */
    for (size_t s = 0; s < p->infos; s++)
        if (p->info[s].sink >= 0) writer[p->info[s].sink] = (int)s + 1;
    for (size_t l = 0; l < p->infos; l++) {
        const Info *leaf = &p->info[l];
        if (leaf->node->op == OP_leaf && leaf->slot >= 0 && writer[leaf->slot])
            fuse_after(p, leaf, writer[leaf->slot] - 1);
    }
}

/* The old value of a leaf may be read in the group that writes it, if element by element. */
static bool fuse_reads_same(const Planning *p, const Info *reader, const Node *leaf)
{
    for (int x = 0; x < reader->node->inputs; x++) {
        const Info *in = planning_info(p, reader->node->input[x]);
        if (in->access.base == leaf && (in->node != leaf || reader->kind == NODE_KERNEL || reader->dense ||
                                        !shape_equal(leaf->shape, reader->unit->space)))
            return false;
    }
    return true;
}

static void fuse_leaf_edges(Planning *p)
{
    for (size_t l = 0; l < p->infos; l++) {
        Info *leaf = &p->info[l];
        if (leaf->node->op != OP_leaf) continue;
        for (int e = 0; e < leaf->edges; e++)
            leaf->edge[e].fusable = fuse_reads_same(p, &p->info[leaf->edge[e].to], leaf->node);
    }
}

/* ---- The order of units while they join ---- */

static int fuse_place(Planning *p, int index, int at)
{
    Unit *u = p->info[index].unit;
    if (u) p->order[u->position = at++] = u;
    return at;
}

/* Nodes in order of creation; a sink right behind the last that must come before it. Among those after the same node the
 * order of creation is right, too. */
static void fuse_order(Planning *p)
{
    int *after = arena_new(p->arena, p->infos, sizeof *after),
        *next = arena_new(p->arena, p->infos, sizeof *next),
        *first = arena_new(p->arena, p->infos, sizeof *first),
        at = 0; /* lists of sinks by the node before; index + 1 */
    for (size_t k = 0; k < p->infos; k++) {
        const Info *i = &p->info[k];
        int place = i->sink < 0 ? (int)k : after[k];
        for (int e = 0; e < i->edges; e++)
            if (after[i->edge[e].to] < place) after[i->edge[e].to] = place;
    }
    for (size_t k = p->infos; k-- > 0;)
        if (p->info[k].sink >= 0) next[k] = first[after[k]], first[after[k]] = (int)k + 1;
    p->order = arena_new(p->arena, (size_t)p->unit_count, sizeof(Unit *));
    for (size_t k = 0; k < p->infos; k++) {
        if (p->info[k].sink < 0) at = fuse_place(p, (int)k, at);
        for (int sink = first[k]; sink; sink = next[sink - 1])
            at = fuse_place(p, sink - 1, at);
    }
}

void planning_fuse(Planning *p)
{
    for (size_t k = 0; k < p->infos; k++)
        if (fuse_computes(&p->info[k])) p->info[k].unit = fuse_unit(p, (int)k);
    for (size_t k = 0; k < p->infos; k++)
        if (fuse_computes(&p->info[k])) fuse_inputs(p, (int)k);
    p->stack = arena_new(p->arena, (size_t)p->unit_count + 1, sizeof(Unit *));
    fuse_leaf_edges(p);
    fuse_sinks(p);
    fuse_order(p);
    for (size_t k = p->infos; k-- > 0;) {
        Info *i = &p->info[k];
        if (i->kind != NODE_MAP) continue;
        for (int e = 0; e < i->edges; e++)
            if (i->edge[e].fusable && p->info[i->edge[e].to].kind != NODE_KERNEL)
                fuse_try(p, i->unit, p->info[i->edge[e].to].unit);
    }
    fuse_sweep(p);
}
