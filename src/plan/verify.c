/* verify.c: does a program hold together? Every view lies within its slot; what is read was written whole by one
 * instruction and has not been touched since; instructions that touch the same memory have a barrier between them;
 * every result is written. Used by compile.c in debug builds, and by tests. */
#include "plan/planning.h"

/* Bytes [from, to) of a slot. */
typedef struct Range {
    int slot;
    int64_t from, to;
    Type type;  /* of the elements */
    bool write; /* of a touch */
} Range;

typedef struct Ranges {
    Range *range;
    size_t count, room;
} Ranges;

typedef struct Verifying {
    const Program *program;
    Arena *arena;
    Ranges held;    /* what each slot holds now: a value each, unbroken */
    Ranges touched; /* since the last barrier */
    Ranges own;     /* by the instruction at hand */
    int at;
} Verifying;

static _Noreturn void verifying_raise(const Verifying *v, const char *what)
{
    error_raise(v->arena->error, NUDGE_MACHINE, "the plan is broken at instruction %d (%s): %s", v->at,
                v->at < v->program->instructions ? v->program->instruction[v->at].name : "end", what);
}

static void ranges_add(Verifying *v, Ranges *r, Range range)
{
    r->range = planning_more(v->arena, r->range, r->count, &r->room, sizeof *r->range);
    r->range[r->count++] = range;
}

static bool range_meets(const Range *a, const Range *b)
{
    return a->slot == b->slot && a->from < a->to && b->from < b->to && a->from < b->to && b->from < a->to;
}

static int64_t verify_room(const Verifying *v, int slot)
{
    return (int64_t)(slot == SLOT_WORK ? v->program->work : v->program->slot[slot].bytes);
}

/* A range that is not checked is in the scalars, or empty: false. */
static bool verify_range(const Verifying *v, const Range *r)
{
    if (r->slot < 0 || r->slot >= v->program->slots) verifying_raise(v, "a view has no slot");
    if (r->slot == SLOT_SCALARS) {
        if (r->from < 0 || r->to > v->program->scalars * (int64_t)sizeof(double))
            verifying_raise(v, "a number is not among the scalars");
        return false;
    }
    if (r->from == r->to) return false;
    if (r->from < 0 || r->to > verify_room(v, r->slot)) verifying_raise(v, "a view leaves its slot");
    if (r->from % (int64_t)type_bytes(r->type, v->program->dtype))
        verifying_raise(v, "a view is not aligned");
    return true;
}

/* What is read must be part of one value of that type. */
static void verify_read(Verifying *v, Range r)
{
    if (!verify_range(v, &r)) return;
    bool held = false;
    for (size_t i = 0; i < v->held.count && !held; i++) {
        const Range *h = &v->held.range[i];
        held = h->slot == r.slot && h->type == r.type && h->from <= r.from && r.to <= h->to;
    }
    if (!held) verifying_raise(v, "it reads what nothing wrote, or what was overwritten");
    ranges_add(v, &v->own, r);
}

/* Values that lose a byte are lost. */
static void verify_drop(Verifying *v, const Range *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < v->held.count; i++)
        if (!range_meets(&v->held.range[i], r)) v->held.range[kept++] = v->held.range[i];
    v->held.count = kept;
}

/* Writes are applied when all reads of the instruction are checked. */
static void verify_write(Verifying *v, Range r)
{
    if (r.slot == SLOT_SCALARS) verifying_raise(v, "it writes to the scalars");
    if (!verify_range(v, &r)) return;
    r.write = true;
    for (size_t i = 0; i < v->own.count; i++)
        if (v->own.range[i].write && range_meets(&v->own.range[i], &r))
            verifying_raise(v, "it writes the same memory twice");
    ranges_add(v, &v->own, r);
}

static Range verify_span(const Verifying *v, const View *view)
{
    Range r = {.slot = view->slot, .type = view->type};
    view_span(view, v->program->dtype, &r.from, &r.to);
    return r;
}

/* With the rest of its last line, which may be written, too (PLAN_LINE). */
static Range verify_lines(const Verifying *v, const View *view)
{
    Range r = {.slot = view->slot, .type = view->type};
    view_lines(view, v->program->dtype, &r.from, &r.to);
    return r;
}

/* ---- One instruction ---- */

/* Only a group may write what it reads, and only element by element. */
static void verify_in_place(const Verifying *v, const Instruction *i)
{
    for (int r = 0; r < i->reads; r++)
        for (int w = 0; w < i->writes; w++) {
            Range read = verify_span(v, &i->read[r]), write = verify_span(v, &i->write[w]);
            if (range_meets(&read, &write) && !(i->group && view_equal(&i->read[r], &i->write[w])))
                verifying_raise(v, "it overwrites what it still reads");
        }
}

static void verify_plain(Verifying *v, const Instruction *i)
{
    for (int k = 0; k < i->reads; k++)
        verify_read(v, verify_span(v, &i->read[k]));
    for (int k = 0; k < i->writes; k++)
        verify_write(v, verify_lines(v, &i->write[k]));
    verify_in_place(v, i);
}

/* ---- Loops ---- */

static void verify_buffer(Verifying *v, int64_t offset, int64_t bytes)
{
    verify_write(v, (Range){.slot = SLOT_WORK, .from = offset, .to = offset + bytes, .type = TYPE_U8});
}

/* A view that a loop takes as plain memory of `bytes`. */
static Range verify_plain_memory(const Verifying *v, const View *view, int64_t bytes)
{
    Range r = verify_span(v, view);
    if (view->slot == SLOT_SCALARS || r.to - r.from != bytes)
        verifying_raise(v, "what a loop is handed is not plain memory of the right size");
    return r;
}

static void verify_carry(Verifying *v, const LoopPlan *l, const Carry *c)
{
    verify_read(v, verify_plain_memory(v, &c->initial, c->bytes));
    if (c->last.slot >= 0) verify_write(v, verify_plain_memory(v, &c->last, c->bytes));
    if (c->history.slot >= 0) verify_write(v, verify_plain_memory(v, &c->history, l->count * c->bytes));
    for (int b = 0; b < 2; b++)
        verify_buffer(v, c->buffer[b], c->bytes);
}

static void verify_bind(Verifying *v, const LoopPlan *l, const Bind *b, const Slot *slot)
{
    int64_t bytes = (int64_t)slot->bytes;
    if (b->kind == BIND_CARRIED || b->kind == BIND_NEXT) {
        if (l->carry[b->carry].bytes != bytes) verifying_raise(v, "a carried value changes its size");
    } else if (b->kind == BIND_ELEMENT) {
        Range r = verify_plain_memory(v, &b->view, l->count * bytes);
        if (bytes && l->count > 1 && b->stride != bytes)
            verifying_raise(v, "the elements of a sequence are not neighbours");
        (slot->output ? verify_write : verify_read)(v, r);
    } else if (b->kind == BIND_STAYS) {
        verify_read(v, verify_plain_memory(v, &b->view, bytes));
    }
}

static void verify_loop(Verifying *v, const LoopPlan *l)
{
    for (int c = 0; c < l->carries; c++)
        verify_carry(v, l, &l->carry[c]);
    for (int s = SLOT_FIRST; s < l->body->slots; s++)
        verify_bind(v, l, &l->bind[s], &l->body->slot[s]);
    verify_buffer(v, l->work, (int64_t)l->body->work);
    verify_buffer(v, l->scalars_at, l->body->scalars * (int64_t)sizeof(double));
    for (size_t i = 0; i < v->own.count; i++)
        for (size_t k = 0; k < i; k++)
            if ((v->own.range[i].write || v->own.range[k].write) &&
                range_meets(&v->own.range[i], &v->own.range[k]))
                verifying_raise(v, "parts of a loop's memory overlap");
    plan_verify(l->body, v->arena);
}

/* ---- The whole program ---- */

static void verify_barrier(Verifying *v, const Instruction *i)
{
    bool loops = i->loop || (v->at && v->program->instruction[v->at - 1].loop);
    if (v->at && loops && !i->barrier) verifying_raise(v, "a loop needs a barrier on each side");
    if (i->barrier) v->touched.count = 0;
    for (size_t k = 0; k < v->own.count; k++)
        for (size_t t = 0; t < v->touched.count; t++) {
            const Range *now = &v->own.range[k], *before = &v->touched.range[t];
            if ((now->write || before->write) && range_meets(now, before))
                verifying_raise(v, "a barrier is missing before it");
        }
    for (size_t k = 0; k < v->own.count; k++)
        ranges_add(v, &v->touched, v->own.range[k]);
}

static void verify_instruction(Verifying *v, const Instruction *i)
{
    v->own.count = 0;
    if (i->loop)
        verify_loop(v, i->loop);
    else
        verify_plain(v, i);
    verify_barrier(v, i);
    for (size_t k = 0; k < v->own.count; k++)
        if (v->own.range[k].write) verify_drop(v, &v->own.range[k]);
    for (size_t k = 0; k < v->own.count; k++)
        if (v->own.range[k].write) ranges_add(v, &v->held, v->own.range[k]);
}

static void verify_scalars(const Verifying *v)
{
    for (int i = 0; i < v->program->scalar_steps; i++) {
        const ScalarStep *s = &v->program->scalar_step[i];
        for (int x = 0; x < ops_table[s->op].inputs; x++)
            if (s->source[x] < 0 || s->source[x] >= s->target)
                verifying_raise(v, "a number is used before it is known");
    }
}

static Range slot_whole(const Program *p, int slot)
{
    const Slot *s = &p->slot[slot];
    return (Range){.slot = slot, .to = (int64_t)s->bytes, .type = s->type};
}

void plan_verify(const Program *p, Arena *a)
{
    Verifying v = {.program = p, .arena = a};
    verify_scalars(&v);
    for (int s = SLOT_FIRST; s < p->slots; s++)
        if (!p->slot[s].output) ranges_add(&v, &v.held, slot_whole(p, s));
    for (; v.at < p->instructions; v.at++)
        verify_instruction(&v, &p->instruction[v.at]);
    for (int s = SLOT_FIRST; s < p->slots; s++)
        verify_read(&v, slot_whole(p, s));
}
