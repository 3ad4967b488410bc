/* loop_plan.c: a loop node as an instruction that runs a program of its own for every turn. Used by place.c, lower.c. */
#include "plan/planning.h"

#include <string.h>

/* The OP_output node of the loop for an index, or NULL if nobody reads it. */
static const Info *loop_reader(const Planning *p, const Node *loop, int index)
{
    for (size_t k = 0; k < p->infos; k++) {
        const Info *i = &p->info[k];
        if (i->kind == NODE_OUTPUT && i->node->input[0] == loop && i->node->attribute[0] == index) return i;
    }
    return NULL;
}

static Slot loop_slot(const Node *n, bool output)
{
    Slot s = {.name = "", .output = output, .role = ROLE_PLACE, .type = n->type, .shape = n->shape};
    if (!output) s.leaf = n;
    return s;
}

/* The body as a program: a slot for each place that is no scalar, then one for each output that is needed. */
static Program *loop_body(Planning *p, const Node *n)
{
    const Loop *l = n->loop;
    const Body *body = &l->body;
    Program *b = arena_new(p->program->arena, 1, sizeof *b);
    b->arena = p->program->arena;
    b->dtype = p->program->dtype;
    b->backend = p->backend;
    b->slots = SLOT_FIRST;
    b->slot = arena_new(b->arena, SLOT_FIRST, sizeof *b->slot);
    for (int i = 0; i < body->inputs; i++)
        if (body->input[i]->type != TYPE_SCALAR) program_slot(b, loop_slot(body->input[i], false));
    Sink *sink = arena_new(p->arena, (size_t)body->outputs, sizeof *sink);
    size_t sinks = 0;
    for (int i = 0; i < body->outputs; i++)
        if (i < l->carried || loop_reader(p, n, i))
            sink[sinks++] = (Sink){body->output[i], program_slot(b, loop_slot(body->output[i], true))};
    planning_compile(p->graph, b, sinks, sink, NULL);
    return b;
}

void loop_request(Planning *p, Unit *u)
{
    const Node *n = p->info[u->member[0]].node;
    LoopPlan *l = u->loop = arena_new(p->program->arena, 1, sizeof *l);
    int at = u->position;
    l->count = n->loop->count;
    l->reverse = n->loop->reverse;
    l->body = loop_body(p, n);
    l->carries = n->loop->carried;
    l->carry = arena_new(p->program->arena, (size_t)l->carries, sizeof *l->carry);
    for (int c = 0; c < l->carries; c++) {
        l->carry[c].bytes =
            shape_size(n->input[c]->shape) * (int64_t)type_bytes(n->input[c]->type, p->program->dtype);
        for (int b = 0; b < 2; b++)
            planning_request(p, l->carry[c].bytes, at, at, &l->carry[c].buffer[b]);
    }
    planning_request(p, (int64_t)l->body->work, at, at, &l->work);
    planning_request(p, l->body->scalars * (int64_t)sizeof(double), at, at, &l->scalars_at);
    l->position = arena_new(p->program->arena, (size_t)l->count, sizeof *l->position);
    for (int64_t t = 0; t < l->count; t++)
        l->position[t] = (int32_t)t;
}

static Bind loop_bind_element(const Planning *p, View sequence)
{
    Bind b = {.kind = BIND_ELEMENT, .view = sequence};
    b.stride = sequence.stride[0] * (int64_t)type_bytes(sequence.type, p->program->dtype);
    return b;
}

/* A place: which of the loop's inputs it stands for decides. */
static Bind loop_bind_input(const Planning *p, const Node *n, int index)
{
    const Loop *l = n->loop;
    if (index == n->inputs) return (Bind){.kind = BIND_POSITION};
    if (index < l->carried) return (Bind){.kind = BIND_CARRIED, .carry = index};
    View v = planning_view(p, n->input[index]);
    return index < l->carried + l->stacked ? loop_bind_element(p, v) : (Bind){.kind = BIND_STAYS, .view = v};
}

/* Every leaf of a body is one of its places: expand.c saw to it. */
static int loop_place_index(const Body *body, const Node *leaf)
{
    int i = 0;
    while (body->input[i] != leaf)
        i++;
    return i;
}

static void loop_bind(Planning *p, const Node *n, LoopPlan *l)
{
    const Body *body = &n->loop->body;
    int output = -1;
    l->bind = arena_new(p->program->arena, (size_t)l->body->slots, sizeof *l->bind);
    for (int s = SLOT_FIRST; s < l->body->slots; s++) {
        const Slot *slot = &l->body->slot[s];
        if (slot->output) {
            do
                output++;
            while (output >= n->loop->carried && !loop_reader(p, n, output));
            l->bind[s] = output < n->loop->carried
                             ? (Bind){.kind = BIND_NEXT, .carry = output}
                             : loop_bind_element(p, planning_place_view(p, loop_reader(p, n, output)));
            continue;
        }
        l->bind[s] = loop_bind_input(p, n, loop_place_index(body, slot->leaf));
    }
}

static View loop_result(const Planning *p, const Node *n, int index)
{
    const Info *reader = loop_reader(p, n, index);
    return reader ? planning_place_view(p, reader) : (View){.slot = -1};
}

static void loop_scalars(Planning *p, const Node *n, LoopPlan *l)
{
    const Program *b = l->body;
    l->scalar = arena_new(p->program->arena, (size_t)b->scalar_leaves, sizeof *l->scalar);
    for (int i = 0; i < b->scalar_leaves; i++) {
        const Node *outer = n->input[loop_place_index(&n->loop->body, b->scalar_leaf[i].leaf)];
        l->scalar[l->scalars].outer = planning_scalar(p, outer);
        l->scalar[l->scalars++].inner = b->scalar_leaf[i].index;
    }
}

/* What it takes and gives, for who lists instructions; barriers stand on each side anyway. */
static void loop_views(const Planning *p, const Node *n, Instruction *i)
{
    int outputs = graph_outputs(n);
    i->read = arena_new(p->program->arena, (size_t)n->inputs, sizeof *i->read);
    i->write = arena_new(p->program->arena, (size_t)outputs, sizeof *i->write);
    for (int k = 0; k < n->inputs; k++)
        i->read[i->reads++] = planning_view(p, n->input[k]);
    for (int k = 0; k < outputs; k++)
        if (loop_reader(p, n, k)) i->write[i->writes++] = loop_result(p, n, k);
}

void loop_lower(Planning *p, Unit *u)
{
    const Node *n = p->info[u->member[0]].node;
    LoopPlan *l = u->loop;
    loop_bind(p, n, l);
    loop_scalars(p, n, l);
    for (int c = 0; c < l->carries; c++) {
        l->carry[c].initial = planning_view(p, n->input[c]);
        l->carry[c].last = loop_result(p, n, c);
        l->carry[c].history = loop_result(p, n, n->loop->body.outputs + c);
    }
    Instruction *i = planning_instruction(p, OP_loop, "for", n);
    i->loop = l;
    loop_views(p, n, i);
    for (int k = 0; k < l->body->instructions; k++) {
        i->multiply_adds += l->count * l->body->instruction[k].multiply_adds;
        i->bytes += l->count * l->body->instruction[k].bytes;
    }
}
