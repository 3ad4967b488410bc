/* access.c: which nodes are views, and on what. Used by compile.c.
 *
 * A reshape, transpose, slice or expand is strides on its input for as long as the strides can say it; a view that
 * a kernel wants dense, or that cannot be reshaped in place, is copied into memory of its own. */
#include "plan/planning.h"

#include <string.h>

void shape_strides(Shape s, int64_t *stride)
{
    int64_t size = 1;
    for (int a = s.rank - 1; a >= 0; a--) {
        stride[a] = size;
        size *= s.dim[a];
    }
}

bool access_is_dense(Shape s, const Access *a)
{
    int64_t dense[RANK_MAX];
    shape_strides(s, dense);
    for (int i = 0; i < s.rank; i++)
        if (s.dim[i] > 1 && a->stride[i] != dense[i]) return false;
    return true;
}

static bool access_views(OpCode op)
{
    return op == OP_expand || op == OP_reshape || op == OP_transpose || op == OP_slice;
}

/* The node itself, in memory of its own. */
static Access access_base(Node *n)
{
    Access a = {.base = n};
    a.positions = n->op == OP_iota;
    if (a.positions)
        a.stride[n->attribute[0]] = 1;
    else if (n->type != TYPE_SCALAR)
        shape_strides(n->shape, a.stride);
    return a;
}

static void access_expand(const Node *n, const Access *in, Access *out)
{
    const Shape *from = &n->input[0]->shape;
    int more = n->shape.rank - from->rank;
    for (int a = 0; a < n->shape.rank; a++)
        out->stride[a] = a < more || from->dim[a - more] == 1 ? 0 : in->stride[a - more];
}

static void access_transpose(const Node *n, const Access *in, Access *out)
{
    for (int a = 0; a < n->shape.rank; a++)
        out->stride[a] = in->stride[n->attribute[a]];
}

static void access_slice(const Node *n, const Access *in, Access *out)
{
    int rank = n->shape.rank;
    for (int a = 0; a < rank; a++) {
        out->offset += n->attribute[a] * in->stride[a];
        out->stride[a] = n->attribute[rank + a] * in->stride[a];
    }
}

/* Strides of a reshaped view, if any say it: runs of old axes that hold the same elements as runs of new axes must
 * each be evenly spaced. */
static bool access_reshape(const Node *n, const Access *in, Access *out)
{
    const Shape *from = &n->input[0]->shape, *to = &n->shape;
    int64_t dim[RANK_MAX], stride[RANK_MAX];
    int rank = 0;
    for (int a = 0; a < from->rank; a++)
        if (from->dim[a] != 1) dim[rank] = from->dim[a], stride[rank++] = in->stride[a];
    if (shape_size(*to) == 0) {
        shape_strides(*to, out->stride);
        return true;
    }
    int old = 0, new = 0;
    while (new < to->rank) {
        if (to->dim[new] == 1) {
            out->stride[new ++] = 0;
            continue;
        }
        int old_end = old + 1, new_end = new + 1;
        int64_t old_size = dim[old], new_size = to->dim[new];
        while (old_size != new_size)
            if (old_size < new_size)
                old_size *= dim[old_end++];
            else
                new_size *= to->dim[new_end++];
        for (int a = old; a + 1 < old_end; a++)
            if (stride[a] != stride[a + 1] * dim[a + 1]) return false;
        int64_t step = stride[old_end - 1];
        for (int a = new_end - 1; a >= new; a--) {
            out->stride[a] = step;
            step *= to->dim[a];
        }
        old = old_end, new = new_end;
    }
    return true;
}

/* The access of a view from that of its input; false if it cannot be. */
static bool access_through(const Node *n, const Access *in, Access *out)
{
    *out = (Access){.base = in->base, .positions = in->positions, .offset = in->offset};
    if (n->op == OP_reshape) return access_reshape(n, in, out);
    (n->op == OP_expand      ? access_expand
     : n->op == OP_transpose ? access_transpose
                             : access_slice)(n, in, out);
    return true;
}

static bool access_integer(Type t)
{
    return t == TYPE_I32 || t == TYPE_U8;
}

static NodeKind access_kind(const Info *i)
{
    const Node *n = i->node;
    if (n->type == TYPE_SCALAR || n->op == OP_leaf) return NODE_FREE;
    if (n->op == OP_iota && !i->dense) return NODE_FREE;
    if (access_views(n->op) && !i->dense) return NODE_VIEW;
    if (access_views(n->op)) return access_integer(n->type) ? NODE_KERNEL : NODE_MAP;
    if (ops_table[n->op].elementwise || n->op == OP_cast || n->op == OP_uniform || n->op == OP_normal ||
        n->op == OP_iota)
        return NODE_MAP;
    if (n->op == OP_sum || n->op == OP_amax) return NODE_REDUCE;
    return n->op == OP_output ? NODE_OUTPUT : NODE_KERNEL;
}

static void access_own(Info *i)
{
    i->dense = true;
    i->access = (Access){.base = i->node};
    shape_strides(i->node->shape, i->access.stride);
    i->kind = access_kind(i);
}

/* Kernels that read their inputs as plain arrays. The others take strides. */
static bool access_wants_dense(const Node *n)
{
    return n->op == OP_take || n->op == OP_scatter || n->op == OP_pick || n->op == OP_argmax ||
           n->op == OP_convolve || n->op == OP_convolve_input || n->op == OP_convolve_weight ||
           n->op == OP_pool_argmax || n->op == OP_pool_take || n->op == OP_pool_put || n->op == OP_loop ||
           n->op == OP_call;
}

bool access_is_made(const Access *a)
{
    return a->base->type == TYPE_SCALAR || a->positions;
}

/* Must the kernel n have a copy of this input? A scalar is handed over as a scalar. */
static bool access_needs_copy(const Node *n, const Info *in)
{
    if (in->node->type == TYPE_SCALAR || in->dense) return false;
    return access_is_made(&in->access) ||
           (access_wants_dense(n) && !access_is_dense(in->node->shape, &in->access));
}

/* What was a view once is one for ever: its input can only become plainer. */
Access access_source(const Planning *p, const Info *i)
{
    if (i->node->op == OP_iota) return access_base(i->node);
    Access a;
    access_through(i->node, &planning_info(p, i->node->input[0])->access, &a);
    return a;
}

/* A view made before its base was given memory of its own looks through to the same values: still right. */
void planning_access(Planning *p)
{
    for (size_t k = 0; k < p->infos; k++) {
        Info *i = &p->info[k];
        Node *n = i->node;
        i->access = access_base(n);
        i->kind = access_kind(i);
        for (int x = 0; i->kind == NODE_KERNEL && x < n->inputs; x++) {
            Info *in = planning_info(p, n->input[x]);
            if (access_needs_copy(n, in)) access_own(in);
        }
        if (i->kind != NODE_VIEW) continue;
        Info *in = planning_info(p, n->input[0]);
        if (access_through(n, &in->access, &i->access)) continue;
        access_own(in);
        access_through(n, &in->access, &i->access);
    }
}
