/* schedule.c: in which order units run, and where the threads must meet. Used by compile.c. */
#include "plan/planning.h"

/* Does the unit only use up what others made, for sums of it and for what is assigned? */
static bool schedule_uses_up(const Planning *p, const Unit *u)
{
    for (int m = 0; m < u->members; m++) {
        const Info *i = &p->info[u->member[m]];
        if (i->sink >= 0 && p->program->slot[i->sink].output) return false;
        for (int e = 0; e < i->edges && i->kind != NODE_REDUCE; e++)
            if (p->info[i->edge[e].to].unit != u) return false;
    }
    return true;
}

/* Among ready units the one whose nodes were written first: forward, backward, updates. Sinks do not count: they are only
 * where results go. Where memory is short, what uses up values goes first, so that each layer's gradient is gone as soon as
 * nobody needs the old weights; else updates stay together, which costs the threads one barrier. */
static void schedule_key(Planning *p, Unit *u)
{
    u->key = u->member[0];
    for (int m = 0; m < u->members; m++)
        if (p->info[u->member[m]].sink < 0) u->key = u->member[m];
    if (p->thrifty && schedule_uses_up(p, u)) u->key = -1;
}

static void schedule_count(Planning *p)
{
    for (size_t k = 0; k < p->infos; k++) {
        const Info *i = &p->info[k];
        for (int e = 0; i->unit && e < i->edges; e++) {
            Unit *to = p->info[i->edge[e].to].unit;
            if (to != i->unit) to->waits++;
        }
    }
}

static Unit *schedule_next(Planning *p)
{
    Unit *best = NULL;
    for (Unit *u = p->units; u; u = u->next)
        if (!u->waits && u->position < 0 && (!best || u->key < best->key)) best = u;
    return best;
}

void planning_schedule(Planning *p)
{
    p->order = arena_new(p->arena, (size_t)p->unit_count, sizeof(Unit *));
    for (Unit *u = p->units; u; u = u->next) {
        u->position = -1;
        schedule_key(p, u);
    }
    schedule_count(p);
    for (int n = 0; n < p->unit_count; n++) {
        Unit *u = schedule_next(p);
        if (!u)
            error_raise(p->graph->error, NUDGE_MACHINE, "the plan is broken: %d units wait for each other",
                        p->unit_count - n);
        p->order[u->position = n] = u;
        for (int m = 0; m < u->members; m++) {
            const Info *i = &p->info[u->member[m]];
            for (int e = 0; e < i->edges; e++) {
                Unit *to = p->info[i->edge[e].to].unit;
                if (to != u) to->waits--;
            }
        }
    }
}

/* ---- Barriers ---- */

void view_span(const View *v, Dtype dtype, int64_t *from, int64_t *to)
{
    int64_t size = (int64_t)type_bytes(v->type, dtype);
    *from = *to = v->offset;
    if (!shape_size(v->shape)) return;
    for (int a = 0; a < v->shape.rank; a++) {
        int64_t reach = (v->shape.dim[a] - 1) * v->stride[a] * size;
        *(reach < 0 ? from : to) += reach;
    }
    *to += size;
}

void view_lines(const View *v, Dtype dtype, int64_t *from, int64_t *to)
{
    view_span(v, dtype, from, to);
    if (v->slot == SLOT_WORK && v->type == TYPE_REAL && *from % PLAN_LINE == 0)
        *to = (*to + PLAN_LINE - 1) / PLAN_LINE * PLAN_LINE;
}

/* a is written, b touched. */
static bool view_overlaps(const View *a, const View *b, Dtype dtype)
{
    if (a->slot != b->slot || a->slot == SLOT_SCALARS || a->slot < 0) return false;
    int64_t a0, a1, b0, b1;
    view_lines(a, dtype, &a0, &a1);
    view_span(b, dtype, &b0, &b1);
    return a0 < a1 && b0 < b1 && a0 < b1 && b0 < a1;
}

static bool views_overlap(const View *a, int na, const View *b, int nb, Dtype dtype)
{
    for (int i = 0; i < na; i++)
        for (int k = 0; k < nb; k++)
            if (view_overlaps(&a[i], &b[k], dtype)) return true;
    return false;
}

static bool instructions_conflict(const Instruction *a, const Instruction *b, Dtype dtype)
{
    return views_overlap(a->write, a->writes, b->read, b->reads, dtype) ||
           views_overlap(b->write, b->writes, a->read, a->reads, dtype) ||
           views_overlap(a->write, a->writes, b->write, b->writes, dtype) ||
           views_overlap(b->write, b->writes, a->write, a->writes, dtype);
}

/* A barrier stands before an instruction that touches what one since the last barrier writes, or writes what it
 * touches. A loop has barriers of its own inside, and one on each side. */
void planning_barriers(Program *p)
{
    int since = 0;
    for (int i = 1; i < p->instructions; i++) {
        Instruction *now = &p->instruction[i];
        now->barrier = now->loop || p->instruction[i - 1].loop;
        for (int k = since; k < i && !now->barrier; k++)
            now->barrier = instructions_conflict(&p->instruction[k], now, p->dtype);
        if (now->barrier) since = i;
    }
}
