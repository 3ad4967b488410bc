/* compile.c: drives the passes of planning.h. Called through plan.h. */
#include "plan/planning.h"

#include <math.h>
#include <string.h>

size_t type_bytes(Type t, Dtype dtype)
{
    static const size_t size[] = {
        [TYPE_REAL] = sizeof(float), [TYPE_I32] = 4, [TYPE_U8] = 1, [TYPE_SCALAR] = 8};
    return t == TYPE_REAL && dtype == DTYPE_F64 ? sizeof(double) : size[t];
}

void *planning_more(Arena *a, void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room) return array;
    size_t more = *room ? *room * 2 : 8;
    void *bigger = arena_new(a, more, size);
    if (count) memcpy(bigger, array, count * size);
    *room = more;
    return bigger;
}

Info *planning_info(const Planning *p, const Node *n)
{
    return &p->info[p->info_of[n->id]];
}

Info *planning_producer(const Planning *p, Info *i)
{
    return i->kind == NODE_OUTPUT ? planning_info(p, i->node->input[0]) : i;
}

int program_slot(Program *p, Slot slot)
{
    p->slot = planning_more(p->arena, p->slot, (size_t)p->slots, &p->slot_room, sizeof *p->slot);
    slot.bytes = (size_t)shape_size(slot.shape) * type_bytes(slot.type, p->dtype);
    p->slot[p->slots] = slot;
    return p->slots++;
}

static int compile_leaf(Program *p, const Node *n)
{
    const Leaf *leaf = n->leaf;
    for (int s = SLOT_FIRST; s < p->slots; s++)
        if (p->slot[s].leaf == n) return s;
    Slot slot = {.role = leaf->role, .type = n->type, .shape = n->shape, .initial = leaf->initial, .leaf = n};
    slot.name = leaf->name ? arena_string(p->arena, leaf->name, strlen(leaf->name)) : "";
    return program_slot(p, slot);
}

/* A copy of the value, in a node of its own that no rule simplifies away. */
static Node *compile_copy(Planning *p, Node *value, int id)
{
    Node *n = arena_new(p->arena, 1, sizeof *n);
    bool integer = value->type == TYPE_I32 || value->type == TYPE_U8;
    *n = (Node){.op = integer ? OP_concat : OP_copy,
                .type = value->type,
                .shape = value->shape,
                .id = id,
                .late = value->late,
                .inputs = 1};
    n->input = arena_new(p->arena, 1, sizeof *n->input);
    n->input[0] = value;
    n->attributes = integer;
    n->attribute = arena_new(p->arena, 1, sizeof *n->attribute);
    if (n->type == TYPE_SCALAR) n->type = TYPE_REAL;
    n->origin = value->origin;
    return n;
}

static Info *compile_info(Planning *p, Node *n)
{
    Info *i = &p->info[p->infos];
    *i = (Info){.node = n, .sink = -1, .slot = -1};
    p->info_of[n->id] = (int)p->infos++;
    if (n->op == OP_leaf && n->type != TYPE_SCALAR) i->slot = compile_leaf(p->program, n);
    return i;
}

static bool compile_is_view(const Node *n)
{
    return n->op == OP_leaf || n->op == OP_expand || n->op == OP_reshape || n->op == OP_transpose ||
           n->op == OP_slice;
}

/* Where a result goes. Kernels and reductions write an output themselves; other values are copied by a sink that
 * fuses with what makes them. What is assigned from a leaf goes through a copy, since that leaf may be assigned, too. */
static void compile_sink(Planning *p, Sink sink)
{
    const Slot *slot = &p->program->slot[sink.slot];
    Info *value = planning_info(p, sink.root);
    Node *n = sink.root;
    bool computes = !ops_table[n->op].elementwise && !compile_is_view(n) && n->op != OP_output &&
                    n->op != OP_loop && n->op != OP_cast && n->op != OP_uniform && n->op != OP_normal &&
                    n->op != OP_iota && n->op != OP_const;
    if (slot->output && computes && value->slot < 0) {
        value->slot = sink.slot;
        return;
    }
    if (!slot->output && compile_is_view(n))
        n = compile_info(p, compile_copy(p, n, (int)p->infos + p->graph->nodes))->node;
    compile_info(p, compile_copy(p, n, (int)p->infos + p->graph->nodes))->sink = sink.slot;
}

static void compile_infos(Planning *p, size_t sinks, const Sink *sink)
{
    Node **root = arena_new(p->arena, sinks, sizeof *root);
    for (size_t i = 0; i < sinks; i++)
        root[i] = sink[i].root;
    size_t count;
    Node **node = graph_reachable(p->graph, root, sinks, &count);
    size_t most = count + 2 * sinks;
    p->info = arena_new(p->arena, most, sizeof *p->info);
    p->info_of = arena_new(p->arena, (size_t)p->graph->nodes + 2 * most, sizeof *p->info_of);
    p->scalar_of = arena_new(p->arena, (size_t)p->graph->nodes + 2 * most, sizeof *p->scalar_of);
    for (size_t i = 0; i < count; i++)
        compile_info(p, node[i]);
    p->nodes = count;
    for (size_t i = 0; i < sinks; i++)
        compile_sink(p, sink[i]);
}

static void compile_prepare(Program *p)
{
    for (int i = 0; i < p->instructions; i++) {
        Instruction *now = &p->instruction[i];
        p->backend->prepare(p->backend, p, now);
        size_t scratch =
            now->loop && now->loop->body->scratch > now->scratch ? now->loop->body->scratch : now->scratch;
        if (scratch > p->scratch) p->scratch = scratch;
        p->has_barrier |= now->barrier || now->loop;
        p->multiply_adds += now->multiply_adds;
        p->bytes += now->bytes;
    }
}

void planning_passes(Planning *p, size_t sinks, const Sink *sink)
{
    compile_infos(p, sinks, sink);
    planning_access(p);
    planning_fuse(p);
    planning_schedule(p);
    planning_place(p);
    planning_lower(p);
    planning_barriers(p->program);
    compile_prepare(p->program);
}

/* "14.3 MB", no less than it is */
static const char *compile_size(Arena *a, size_t bytes)
{
    bool small = bytes < 1000000;
    return arena_print(a, "%.1f %s", ceil((double)bytes / (small ? 1e2 : 1e5)) / 10, small ? "KB" : "MB");
}

static void compile_limit(Graph *g, const Program *program, size_t sinks, Sink *sink, const Limit *limit)
{
    size_t least = planning_recompute(g, program, sinks, sink, limit->room);
    if (least <= limit->room) return;
    error_raise(
        g->error, NUDGE_INPUT,
        "a step takes %s at least, of them %s for weights, states and the batch, even if all is computed twice that "
        "can be; set memory to that much, or take a smaller batch",
        compile_size(&g->arena, least + limit->beside), compile_size(&g->arena, limit->beside));
}

void planning_compile(Graph *g, Program *program, size_t sinks, Sink *sink, const Limit *limit)
{
    Planning p = {.graph = g, .program = program, .arena = &g->arena, .backend = program->backend};
    Node **root = arena_new(p.arena, sinks, sizeof *root);
    for (size_t i = 0; i < sinks; i++)
        root[i] = sink[i].root;
    planning_expand(g, program->backend, program->dtype, sinks, root);
    planning_rewrite(g, sinks, root);
#ifndef NDEBUG
    graph_verify(g, root, sinks);
#endif
    for (size_t i = 0; i < sinks; i++)
        sink[i].root = root[i];
    if (limit) compile_limit(g, program, sinks, sink, limit);
    p.thrifty = limit;
    planning_passes(&p, sinks, sink);
}

typedef struct Compiling {
    const PlanRequest *request;
    Program *program;
    const Limit *limit;
} Compiling;

static void compile_request(void *context)
{
    const Compiling *c = context;
    const PlanRequest *r = c->request;
    Program *p = c->program;
    Graph *g = r->graph;
    size_t sinks = 0, assignments = r->assignments ? g->assignments : 0;
    p->slots = SLOT_FIRST;
    p->slot = arena_new(p->arena, SLOT_FIRST, sizeof *p->slot);
    Sink *sink = arena_new(&g->arena, (size_t)r->outputs + assignments, sizeof *sink);
    for (int i = 0; i < r->outputs; i++) {
        Node *n = r->output[i].node;
        Slot slot = {.output = true, .type = n->type == TYPE_SCALAR ? TYPE_REAL : n->type, .shape = n->shape};
        slot.name = arena_string(p->arena, r->output[i].name, strlen(r->output[i].name));
        sink[sinks++] = (Sink){n, program_slot(p, slot)};
    }
    for (size_t i = 0; i < assignments; i++)
        sink[sinks++] = (Sink){g->assignment[i].value, compile_leaf(p, g->assignment[i].leaf)};
    planning_compile(g, p, sinks, sink, c->limit);
#ifndef NDEBUG
    plan_verify(p, &g->arena);
#endif
}

/* A program outlives its graph: what pointed into it is cut. */
static void program_detach(Program *p)
{
    for (int s = 0; s < p->slots; s++)
        p->slot[s].leaf = NULL;
    for (int i = 0; i < p->scalar_leaves; i++)
        p->scalar_leaf[i].leaf = NULL;
    for (int i = 0; i < p->instructions; i++) {
        p->instruction[i].origin = NULL;
        if (p->instruction[i].loop) program_detach(p->instruction[i].loop->body);
    }
}

static Program *compile_within(const PlanRequest *r, const Limit *limit, Error *e)
{
    Program *p = memory_zero(1, sizeof *p);
    if (!p) {
        error_memory(e);
        return NULL;
    }
    arena_init(&p->own, e);
    p->arena = &p->own;
    p->dtype = r->dtype;
    p->backend = r->backend;
    Compiling c = {r, p, limit};
    if (error_catch(e, compile_request, &c)) {
        plan_free(p);
        return NULL;
    }
    program_detach(p);
    return p;
}

size_t plan_bytes(const Program *p)
{
    size_t bytes = p->work + p->scratch;
    for (int s = SLOT_FIRST; s < p->slots; s++)
        bytes += p->slot[s].bytes;
    return bytes;
}

Program *plan_compile(const PlanRequest *r, Error *e)
{
    Program *p = compile_within(r, NULL, e);
    if (!p || !r->memory || plan_bytes(p) <= r->memory) return p;
    size_t beside = plan_bytes(p) - p->work - p->scratch;
    plan_free(p);
    return compile_within(r, &(Limit){r->memory > beside ? r->memory - beside : 0, beside}, e);
}

void plan_free(Program *p)
{
    if (!p) return;
    arena_free(&p->own);
    memory_release(p);
}

int plan_slot(const Program *p, const char *name)
{
    for (int s = SLOT_FIRST; s < p->slots; s++)
        if (!strcmp(p->slot[s].name, name)) return s;
    return -1;
}

int plan_scalar(const Program *p, const char *name)
{
    for (int i = 0; i < p->scalar_leaves; i++)
        if (p->scalar_leaf[i].name && !strcmp(p->scalar_leaf[i].name, name)) return p->scalar_leaf[i].index;
    return -1;
}
