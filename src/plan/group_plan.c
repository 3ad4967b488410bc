/* group_plan.c: a unit of elementwise nodes and reductions as a Group: loads, steps, stores, reductions over one
 * collapsed space, values in few registers. Used by lower.c. */
#include "plan/planning.h"

#include <string.h>

enum { SPLIT_RESULTS = 256, SPLIT_PART = 16384, SPLIT_MOST = 64 };

/* The axes of the space in the order they are walked: [kept.., reduced.., kept..] as they stand if they are of that
 * form, else all kept ones before all reduced ones. class: 0 outer, 1 reduced, 2 inner. */
static void geometry_order(const Unit *u, int *order, int *class, int *axes)
{
    int n = 0, runs = 0;
    for (int a = 0; a < u->space.rank; a++) {
        if (u->space.dim[a] == 1) continue;
        bool over = u->sums && u->over[a];
        runs += over && (!n || class[n - 1] != 1);
        order[n] = a;
        class[n++] = !u->sums ? 2 : over ? 1 : runs ? 2 : 0;
    }
    *axes = n;
    if (runs < 2) return;
    int m = 0;
    for (int over = 0; over < 2; over++)
        for (int a = 0; a < u->space.rank; a++)
            if (u->space.dim[a] != 1 && u->over[a] == over) order[m] = a, class[m++] = over;
}

/* Axes that are walked as one run of memory by all views become one. */
typedef struct Geometry {
    int order[RANK_MAX], class[RANK_MAX], axes;
    int64_t part[3]; /* outer, reduced, inner */
} Geometry;

static Geometry unit_geometry(const Unit *u)
{
    Geometry y = {.part = {1, 1, 1}};
    geometry_order(u, y.order, y.class, &y.axes);
    for (int i = 0; i < y.axes; i++)
        y.part[y.class[i]] *= u->space.dim[y.order[i]];
    if (shape_size(u->space) == 0 && !u->sums) y.part[2] = 0;
    return y;
}

int64_t group_segments(const Unit *u)
{
    Geometry y = unit_geometry(u);
    if (y.part[0] * y.part[2] > SPLIT_RESULTS || y.part[1] < 2 * SPLIT_PART) return 1;
    int64_t parts = (y.part[1] + SPLIT_PART - 1) / SPLIT_PART;
    return parts < SPLIT_MOST ? parts : SPLIT_MOST;
}

/* The group in the making. Values are numbered: loads first come, first numbered, steps likewise; registers are dealt
 * out at the end. */
typedef struct Grouping {
    Planning *p;
    Unit *u;
    Group *group;
    Geometry geometry;
    int *value_of; /* by member: value + 1 */
    int values, steps_done;
    int *last_use; /* by value: index of the last step that reads it */
    int *made_by;  /* by value: step, or -1 for a load */
} Grouping;

static int grouping_value(Grouping *o, int made_by)
{
    o->made_by[o->values] = made_by;
    o->last_use[o->values] = made_by;
    return o->values++;
}

/* The value of an equal load, if there is one. */
static int grouping_load(Grouping *o, GroupLoad load)
{
    Group *g = o->group;
    for (int i = 0; i < g->loads; i++) {
        const GroupLoad *known = &g->load[i];
        if (known->kind == load.kind && known->site == load.site && view_equal(&known->from, &load.from))
            return known->target;
    }
    load.target = grouping_value(o, -1);
    g->load[g->loads++] = load;
    return load.target;
}

static int load_scalar(Grouping *o, const Node *n)
{
    return grouping_load(o, (GroupLoad){.kind = LOAD_SCALAR, .from = planning_view(o->p, n)});
}

/* Strides over the space's walked axes of something with strides over `shape`, which the space repeats. */
static void grouping_strides(const Grouping *o, Shape shape, const int64_t *stride, View *v)
{
    int more = o->u->space.rank - shape.rank;
    v->shape.rank = o->geometry.axes;
    for (int i = 0; i < o->geometry.axes; i++) {
        int axis = o->geometry.order[i];
        v->shape.dim[i] = o->u->space.dim[axis];
        v->stride[i] = axis < more || shape.dim[axis - more] == 1 ? 0 : stride[axis - more];
    }
}

static int load_access(Grouping *o, Shape shape, const Access *a)
{
    if (a->base->type == TYPE_SCALAR) return load_scalar(o, a->base);
    GroupLoad load = {.kind = a->positions ? LOAD_IOTA : LOAD_TENSOR};
    const Info *base = planning_info(o->p, a->base);
    load.from.slot = a->positions ? -1 : base->slot;
    load.from.type = a->base->type;
    load.from.offset =
        a->positions ? a->offset
                     : base->offset + a->offset * (int64_t)type_bytes(a->base->type, o->p->program->dtype);
    grouping_strides(o, shape, a->stride, &load.from);
    return grouping_load(o, load);
}

static int load_random(Grouping *o, const Node *n)
{
    GroupLoad load = {.kind = n->op == OP_uniform ? LOAD_UNIFORM : LOAD_NORMAL};
    load.from = planning_view(o->p, n->input[0]);
    load.site = (uint64_t)n->attribute[0];
    int64_t stride[RANK_MAX];
    shape_strides(n->shape, stride);
    grouping_strides(o, n->shape, stride, &load.from);
    return grouping_load(o, load);
}

static int *grouping_of(const Grouping *o, const Info *i)
{
    for (int m = 0; m < o->u->members; m++)
        if (&o->p->info[o->u->member[m]] == i) return &o->value_of[m];
    return NULL;
}

static int grouping_input(Grouping *o, const Node *x)
{
    if (x->type == TYPE_SCALAR) return load_scalar(o, x);
    const Info *in = planning_info(o->p, x);
    if (in->unit == o->u && in->kind == NODE_MAP && x->type == TYPE_REAL) return *grouping_of(o, in) - 1;
    return load_access(o, x->shape, &in->access);
}

static int grouping_step(Grouping *o, const Node *n)
{
    GroupStep step = {.op = n->op, .source = {-1, -1, -1}};
    int index = o->group->steps;
    for (int x = 0; x < n->inputs; x++) {
        step.source[x] = grouping_input(o, n->input[x]);
        if (o->last_use[step.source[x]] < index) o->last_use[step.source[x]] = index;
    }
    step.target = grouping_value(o, index);
    o->group->step[o->group->steps++] = step;
    return step.target;
}

/* The value of a member: most are a step; copies, casts and random numbers only a load. */
static int grouping_member(Grouping *o, const Info *i)
{
    const Node *n = i->node;
    if (i->dense) {
        Access source = access_source(o->p, i);
        return load_access(o, n->shape, &source);
    }
    if (n->op == OP_copy || n->op == OP_cast) return grouping_input(o, n->input[0]);
    if (n->op == OP_uniform || n->op == OP_normal) return load_random(o, n);
    return grouping_step(o, n);
}

enum { USE_END = 1 << 30 }; /* stores and reductions read at the end of a chunk */

static void grouping_store(Grouping *o, const Info *i, int value)
{
    GroupStore *s = &o->group->store[o->group->stores++];
    s->source = value;
    s->to = planning_place_view(o->p, i);
    int64_t stride[RANK_MAX];
    shape_strides(i->node->shape, stride);
    grouping_strides(o, i->node->shape, stride, &s->to);
    o->last_use[value] = USE_END;
}

static void grouping_reduce(Grouping *o, const Info *i)
{
    GroupReduce *r = &o->group->reduce[o->group->reduces++];
    r->op = i->node->op;
    r->source = grouping_input(o, i->node->input[0]);
    r->to = planning_place_view(o->p, i);
    o->last_use[r->source] = USE_END;
}

/* Merges neighbouring axes of one class that every view walks as one. */
static bool view_joins(const View *v, int axis)
{
    return v->stride[axis] == v->stride[axis + 1] * v->shape.dim[axis + 1];
}

static void view_join(View *v, int axis)
{
    v->shape.dim[axis] *= v->shape.dim[axis + 1];
    v->stride[axis] = v->stride[axis + 1];
    v->shape.rank--;
    for (int a = axis + 1; a < v->shape.rank; a++) {
        v->shape.dim[a] = v->shape.dim[a + 1];
        v->stride[a] = v->stride[a + 1];
    }
}

static void grouping_collapse(Grouping *o)
{
    Group *g = o->group;
    Geometry *y = &o->geometry;
    View space = {.shape = g->space};
    for (int a = y->axes - 2; a >= 0; a--) {
        bool joins = y->class[a] == y->class[a + 1];
        for (int i = 0; joins && i < g->loads; i++)
            joins = g->load[i].kind == LOAD_SCALAR || view_joins(&g->load[i].from, a);
        for (int i = 0; joins && i < g->stores; i++)
            joins = view_joins(&g->store[i].to, a);
        if (!joins) continue;
        for (int i = 0; i < g->loads; i++)
            if (g->load[i].kind != LOAD_SCALAR) view_join(&g->load[i].from, a);
        for (int i = 0; i < g->stores; i++)
            view_join(&g->store[i].to, a);
        view_join(&space, a);
        y->axes--;
        for (int k = a; k < y->axes; k++)
            y->class[k] = y->class[k + 1];
    }
    g->space = space.shape;
}

/* Registers: a value's is free again after its last use. Loads come first, so theirs are all different; numbers are
 * loaded once for many chunks and keep theirs. */
static void grouping_registers(Grouping *o)
{
    Group *g = o->group;
    int *reg = arena_new(o->p->arena, (size_t)o->values + 1, sizeof *reg);
    int *free_at = arena_new(o->p->arena, (size_t)o->values + 1, sizeof *free_at); /* by register: last use */
    for (int i = 0; i < g->loads; i++)
        if (g->load[i].kind == LOAD_SCALAR) o->last_use[g->load[i].target] = USE_END;
    for (int v = 0; v < o->values; v++)
        if (o->made_by[v] < 0) {
            free_at[g->registers] = o->last_use[v];
            reg[v] = g->registers++;
        }
    for (int s = 0; s < g->steps; s++) {
        int v = g->step[s].target, r = 0;
        while (r < g->registers && free_at[r] > s)
            r++;
        if (r == g->registers) g->registers++;
        reg[v] = r;
        free_at[r] = o->last_use[v] > s ? o->last_use[v] : s + 1;
    }
    for (int i = 0; i < g->loads; i++)
        g->load[i].target = reg[g->load[i].target];
    for (int s = 0; s < g->steps; s++) {
        g->step[s].target = reg[g->step[s].target];
        for (int x = 0; x < 3; x++)
            if (g->step[s].source[x] >= 0) g->step[s].source[x] = reg[g->step[s].source[x]];
    }
    for (int i = 0; i < g->stores; i++)
        g->store[i].source = reg[g->store[i].source];
    for (int i = 0; i < g->reduces; i++)
        g->reduce[i].source = reg[g->reduce[i].source];
}

static Grouping grouping_new(Planning *p, Unit *u)
{
    size_t members = (size_t)u->members, most = members * 4 + 4;
    Arena *a =
        p->arena; /* the lists have room for the most there may be: what is in them is kept at the end */
    Group *g = arena_new(p->program->arena, 1, sizeof *g);
    g->load = arena_new(a, most, sizeof *g->load);
    g->step = arena_new(a, members, sizeof *g->step);
    g->store = arena_new(a, members, sizeof *g->store);
    g->reduce = arena_new(a, members, sizeof *g->reduce);
    Grouping o = {.p = p, .u = u, .group = g, .geometry = unit_geometry(u)};
    o.value_of = arena_new(p->arena, members, sizeof *o.value_of);
    o.last_use = arena_new(p->arena, most + members, sizeof *o.last_use);
    o.made_by = arena_new(p->arena, most + members, sizeof *o.made_by);
    g->outer = o.geometry.part[0], g->reduced = o.geometry.part[1], g->inner = o.geometry.part[2];
    g->segments = u->sums ? group_segments(u) : 1;
    g->space.rank = o.geometry.axes;
    for (int i = 0; i < o.geometry.axes; i++)
        g->space.dim[i] = u->space.dim[o.geometry.order[i]];
    return o;
}

static void *group_kept(Planning *p, const void *list, int count, size_t size)
{
    void *kept = arena_new(p->program->arena, (size_t)count, size);
    if (count) memcpy(kept, list, (size_t)count * size);
    return kept;
}

static void group_keep(Planning *p, Group *g)
{
    g->load = group_kept(p, g->load, g->loads, sizeof *g->load);
    g->step = group_kept(p, g->step, g->steps, sizeof *g->step);
    g->store = group_kept(p, g->store, g->stores, sizeof *g->store);
    g->reduce = group_kept(p, g->reduce, g->reduces, sizeof *g->reduce);
}

static void grouping_views(Instruction *i, const Group *g, Arena *a)
{
    i->read = arena_new(a, (size_t)g->loads, sizeof *i->read);
    i->write = arena_new(a, (size_t)(g->stores + g->reduces), sizeof *i->write);
    for (int k = 0; k < g->loads; k++)
        if (g->load[k].kind == LOAD_TENSOR) i->read[i->reads++] = g->load[k].from;
    for (int k = 0; k < g->stores; k++)
        i->write[i->writes++] = g->store[k].to;
    for (int k = 0; k < g->reduces; k++)
        i->write[i->writes++] = g->reduce[k].to;
}

/* A split reduction writes its parts, as doubles [segments, outer * inner]; this instruction adds them up. */
static void group_combine(Planning *p, const Unit *u, GroupReduce *r, int64_t *at)
{
    View result = r->to;
    int64_t results = shape_size(result.shape);
    r->to = (View){.slot = SLOT_WORK, .offset = u->partial + *at, .type = TYPE_SCALAR};
    r->to.shape = shape_of(2, (int64_t[]){group_segments(u), results});
    shape_strides(r->to.shape, r->to.stride);
    *at += group_segments(u) * results * (int64_t)sizeof(double);
    Instruction *i = planning_instruction(p, r->op, "combine", NULL);
    i->read = arena_new(p->program->arena, 2, sizeof *i->read);
    i->write = i->read + 1;
    i->read[i->reads++] = r->to;
    i->write[i->writes++] = result;
}

void group_lower(Planning *p, Unit *u)
{
    Grouping o = grouping_new(p, u);
    for (int m = 0; m < u->members; m++) {
        const Info *i = &p->info[u->member[m]];
        if (i->kind == NODE_REDUCE) {
            grouping_reduce(&o, i);
            continue;
        }
        int value = grouping_member(&o, i);
        o.value_of[m] = value + 1;
        if (i->sink >= 0 || (i->stored && i->slot == SLOT_WORK)) grouping_store(&o, i, value);
    }
    grouping_collapse(&o);
    grouping_registers(&o);
    group_keep(p, o.group);
    Instruction *group = planning_instruction(p, OP_copy, "group", p->info[u->member[u->members - 1]].node);
    group->group = o.group;
    if (o.group->segments > 1) {
        int64_t at = 0;
        int self = p->program->instructions - 1; /* the array may move */
        for (int k = 0; k < o.group->reduces; k++)
            group_combine(p, u, &o.group->reduce[k], &at);
        group = &p->program->instruction[self];
    }
    grouping_views(group, o.group, p->program->arena);
}
