/* lower.c: units become instructions over views; scalars become steps in double. Used by compile.c. */
#include "plan/planning.h"

#include "graph/sliding.h"

#include <string.h>

Instruction *planning_instruction(Planning *p, OpCode op, const char *name, const Node *node)
{
    Program *program = p->program;
    Instruction *i = &program->instruction[program->instructions++];
    *i = (Instruction){.op = op, .name = name, .origin = node ? node->origin : NULL};
    return i;
}

/* ---- Scalars ---- */

static int scalar_new(Program *p, double value)
{
    p->scalar[p->scalars] = value;
    return p->scalars++;
}

static int scalar_leaf(Program *p, const Node *n)
{
    int index = scalar_new(p, 0);
    Leaf *leaf = n->leaf;
    const char *name = leaf->name ? arena_string(p->arena, leaf->name, strlen(leaf->name)) : NULL;
    p->scalar_leaf[p->scalar_leaves].name = name;
    p->scalar_leaf[p->scalar_leaves].index = index;
    p->scalar_leaf[p->scalar_leaves++].leaf = n;
    return index;
}

int planning_scalar(Planning *p, const Node *n)
{
    Program *program = p->program;
    int *known = &p->scalar_of[n->id];
    if (*known) return *known - 1;
    int index;
    if (n->op == OP_const) {
        index = scalar_new(program, n->value);
    } else if (n->op == OP_leaf) {
        index = scalar_leaf(program, n);
    } else {
        ScalarStep step = {.op = n->op};
        for (int i = 0; i < n->inputs; i++)
            step.source[i] = planning_scalar(p, n->input[i]);
        step.target = index = scalar_new(program, 0);
        program->scalar_step[program->scalar_steps++] = step;
    }
    *known = index + 1;
    return index;
}

/* ---- Views ---- */

View planning_place_view(const Planning *p, const Info *i)
{
    (void)p;
    View v = {.slot = i->slot, .offset = i->offset, .type = i->node->type, .shape = i->node->shape};
    if (v.type == TYPE_SCALAR) v.type = TYPE_REAL; /* a number as a result is a real of shape [] */
    shape_strides(v.shape, v.stride);
    return v;
}

bool view_equal(const View *a, const View *b)
{
    return a->slot == b->slot && a->offset == b->offset && a->type == b->type &&
           shape_equal(a->shape, b->shape) &&
           !memcmp(a->stride, b->stride, (size_t)a->shape.rank * sizeof *a->stride);
}

static View access_view(const Planning *p, const Node *n, Access a)
{
    const Info *base = planning_info(p, a.base);
    View v = {.slot = base->slot, .type = n->type, .shape = n->shape};
    v.offset = base->offset + a.offset * (int64_t)type_bytes(n->type, p->program->dtype);
    memcpy(v.stride, a.stride, sizeof v.stride);
    return v;
}

View planning_view(const Planning *p, const Node *n)
{
    if (n->type == TYPE_SCALAR) {
        int index = p->scalar_of[n->id] - 1;
        return (View){.slot = SLOT_SCALARS, .offset = index * (int64_t)sizeof(double), .type = TYPE_SCALAR};
    }
    return access_view(p, n, planning_info(p, n)->access);
}

/* ---- Kernels ---- */

static int64_t convolution_multiply_adds(const Node *n)
{
    Convolution c =
        convolution_node(n->op, &n->input[0]->shape, &n->input[1]->shape, &n->shape, n->attribute);
    return c.n * c.groups * c.channels * c.outputs * sliding_out(c.axis) * sliding_taps(c.axis);
}

int64_t planning_multiply_adds(const Node *n)
{
    if (n->op == OP_convolve || n->op == OP_convolve_input || n->op == OP_convolve_weight)
        return convolution_multiply_adds(n);
    if (n->op != OP_matmul) return 0;
    Shape x = n->input[0]->shape;
    return shape_size(n->shape) * x.dim[x.rank - 1];
}

static void kernel_lower(Planning *p, const Unit *u)
{
    const Info *info = &p->info[u->member[0]];
    const Node *n = info->node;
    Arena *a = p->program->arena;
    /* an integer view that must be dense is copied as a concatenation of one */
    bool view = info->dense;
    Instruction *i = planning_instruction(p, view ? OP_concat : n->op,
                                          n->op == OP_call ? n->call->name : ops_table[n->op].name, n);
    i->read = arena_new(a, (size_t)n->inputs + 1, sizeof *i->read);
    i->write = arena_new(a, 1, sizeof *i->write);
    for (int k = 0; k < n->inputs; k++)
        i->read[i->reads++] = planning_view(p, n->input[k]);
    i->write[i->writes++] = planning_place_view(p, info);
    if (view) i->read[0] = access_view(p, n, access_source(p, info));
    i->attributes = view ? 1 : n->attributes;
    i->attribute = arena_new(a, (size_t)i->attributes, sizeof *i->attribute);
    if (!view && n->attributes)
        memcpy(i->attribute, n->attribute, (size_t)n->attributes * sizeof *i->attribute);
    i->multiply_adds = planning_multiply_adds(n);
}

static int64_t instruction_bytes(const Program *p, const Instruction *i)
{
    int64_t bytes = 0;
    for (int k = 0; k < i->reads; k++)
        bytes += shape_size(i->read[k].shape) * (int64_t)type_bytes(i->read[k].type, p->dtype);
    for (int k = 0; k < i->writes; k++)
        bytes += shape_size(i->write[k].shape) * (int64_t)type_bytes(i->write[k].type, p->dtype);
    return bytes;
}

/* All scalars first, so that views of them have an index. */
static void lower_scalars(Planning *p)
{
    size_t count = 0;
    for (size_t k = 0; k < p->infos; k++)
        count += p->info[k].node->type == TYPE_SCALAR;
    Program *program = p->program;
    program->scalar = arena_new(program->arena, count + 1, sizeof *program->scalar);
    program->scalar_step = arena_new(program->arena, count + 1, sizeof *program->scalar_step);
    program->scalar_leaf = arena_new(program->arena, count + 1, sizeof *program->scalar_leaf);
    for (size_t k = 0; k < p->infos; k++)
        if (p->info[k].node->type == TYPE_SCALAR && p->info[k].sink < 0) planning_scalar(p, p->info[k].node);
}

void planning_lower(Planning *p)
{
    lower_scalars(p);
    Program *program = p->program;
    size_t most = 0;
    for (int n = 0; n < p->unit_count; n++)
        most += (size_t)p->order[n]->members + 1;
    program->instruction = arena_new(program->arena, most, sizeof *program->instruction);
    for (int n = 0; n < p->unit_count; n++) {
        Unit *u = p->order[n];
        const Info *first = &p->info[u->member[0]];
        if (first->kind != NODE_KERNEL)
            group_lower(p, u);
        else if (first->node->op == OP_loop)
            loop_lower(p, u);
        else
            kernel_lower(p, u);
    }
    for (int i = 0; i < program->instructions; i++)
        if (!program->instruction[i].loop)
            program->instruction[i].bytes = instruction_bytes(program, &program->instruction[i]);
}
