/* net_check.h: what the tests of layers share: a net or formula on given inputs, parameters filled with numbers that
 * follow from their names, and values both as the reference has them and as a program on this machine computes them. */
#ifndef TESTS_NET_CHECK_H
#define TESTS_NET_CHECK_H

#include "base/philox.h"
#include "cpu/cpu.h"
#include "graph/reference.h"
#include "nn/nn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NET_LEAVES = 128 };

typedef struct NetValue {
    Node *leaf;
    double *value;
} NetValue;

typedef struct NetCheck {
    Error error;
    Arena arena;
    Graph *g;
    Context context;
    NetValue given[NET_LEAVES];
    int count;
    const char *text;
    Node *x, *y;
} NetCheck;

static void net_scope(void *context)
{
    NetCheck *c = context;
    c->context.scope = scope_new(&c->arena, nn_scope(&c->arena));
}

static void net_start(NetCheck *c, bool train)
{
    memset(c, 0, sizeof *c);
    arena_init(&c->arena, &c->error);
    c->g = graph_new(&c->error);
    assert_non_null(c->g);
    c->context = (Context){.graph = c->g, .title = "test", .path = "", .train = train};
    if (error_catch(&c->error, net_scope, c)) fail_msg("%s", c->error.message);
}

static void net_end(NetCheck *c)
{
    graph_free(c->g);
    arena_free(&c->arena);
}

#define SHAPE(...) shape_of(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

/* ---- Values of leaves ---- */

/* Numbers in [-1, 1) that follow from a name. */
static inline double net_number(const char *name, int64_t i)
{
    return (philox(21, hash_string(name), (uint64_t)i).word[0] >> 8) * 0x1p-23 - 1;
}

static double *net_give(NetCheck *c, Node *leaf)
{
    assert_true(c->count < NET_LEAVES);
    size_t size = (size_t)shape_size(leaf->shape);
    double *value = arena_new(&c->arena, size, sizeof *value);
    for (size_t i = 0; i < size; i++)
        value[i] = leaf->leaf->role == ROLE_SCALAR ? 1 : net_number(leaf->leaf->name, (int64_t)i);
    c->given[c->count++] = (NetValue){leaf, value};
    return value;
}

static inline double *net_leaf(NetCheck *c, const char *name)
{
    for (int i = 0; i < c->count; i++)
        if (!strcmp(c->given[i].leaf->leaf->name, name)) return c->given[i].value;
    fail_msg("%s: nothing is called %s", c->text, name);
    return NULL;
}

/* values: NULL for some. Integers are given as doubles. */
static inline double *net_input(NetCheck *c, const char *name, Type type, Shape shape, const double *values)
{
    Node *leaf = graph_leaf(c->g, ROLE_DATA, name, type, shape, NULL);
    double *value = net_give(c, leaf);
    if (values) memcpy(value, values, (size_t)shape_size(shape) * sizeof *value);
    scope_add_node(c->context.scope, name, leaf);
    if (!c->x) c->x = leaf;
    return value;
}

/* ---- Building ---- */

static void net_apply(void *context)
{
    NetCheck *c = context;
    c->y = notation_net(&c->context, c->text, c->x, NULL, NULL);
}

static void net_evaluate(void *context)
{
    NetCheck *c = context;
    c->y = notation_formula(&c->context, c->text);
}

static void net_give_new(NetCheck *c)
{
    for (size_t i = 0; i < c->g->leaves; i++) {
        int k = 0;
        while (k < c->count && c->given[k].leaf != c->g->leaf[i])
            k++;
        if (k == c->count) net_give(c, c->g->leaf[i]);
    }
}

static inline Node *net_build(NetCheck *c, const char *text)
{
    c->text = text;
    if (error_catch(&c->error, net_apply, c)) fail_msg("%s: %s", text, c->error.message);
    net_give_new(c);
    return c->y;
}

static inline Node *net_formula(NetCheck *c, const char *text)
{
    c->text = text;
    if (error_catch(&c->error, net_evaluate, c)) fail_msg("%s: %s", text, c->error.message);
    net_give_new(c);
    return c->y;
}

/* The net must be refused, with a message that has these words. */
static inline void net_refused(NetCheck *c, const char *text, const char *says)
{
    c->text = text;
    assert_int_equal(error_catch(&c->error, net_apply, c), NUDGE_INPUT);
    if (!strstr(c->error.message, says)) fail_msg("%s says: %s", text, c->error.message);
    error_clear(&c->error);
    c->g->origin = NULL;
}

/* ---- Values of nodes ---- */

static const double *net_bind(void *context, const Node *leaf)
{
    NetCheck *c = context;
    for (int i = 0; i < c->count; i++)
        if (c->given[i].leaf == leaf) return c->given[i].value;
    return NULL;
}

static double *net_reference(NetCheck *c, Node *n)
{
    Reference r = {net_bind, c, false};
    double *out;
    reference_evaluate(&c->arena, c->g, &r, 1, &n, &out);
    return out;
}

static void net_bind_program(NetCheck *c, Workspace *w)
{
    for (int i = 0; i < c->count; i++) {
        const Node *leaf = c->given[i].leaf;
        int slot = plan_slot(w->program, leaf->leaf->name),
            scalar = plan_scalar(w->program, leaf->leaf->name);
        size_t size = (size_t)shape_size(leaf->shape);
        if (scalar >= 0) w->scalar[scalar] = *c->given[i].value;
        if (slot < 0 || leaf->type == TYPE_SCALAR) continue;
        w->slot[slot] = c->given[i].value;
        if (leaf->type != TYPE_I32) continue;
        int32_t *whole = arena_new(&c->arena, size, sizeof *whole);
        for (size_t k = 0; k < size; k++)
            whole[k] = (int32_t)c->given[i].value[k];
        w->slot[slot] = whole;
    }
}

/* The elements of n, by the reference; a program in float64 must agree. */
static inline double *net_value(NetCheck *c, Node *n)
{
    double *want = net_reference(c, n);
    PlanOutput output = {"result", n};
    PlanRequest request = {.graph = c->g,
                           .outputs = 1,
                           .output = &output,
                           .dtype = DTYPE_F64,
                           .backend = cpu_backend(isa_best())};
    Program *p = plan_compile(&request, &c->error);
    if (!p) fail_msg("%s: %s", c->text, c->error.message);
    Workspace *w = cpu_workspace(p, 1);
    assert_non_null(w);
    net_bind_program(c, w);
    size_t size = (size_t)shape_size(n->shape);
    double *is = arena_new(&c->arena, size, sizeof *is);
    w->slot[plan_slot(p, "result")] = is;
    cpu_run(w, NULL);
    for (size_t i = 0; i < size; i++)
        if (!(fabs(is[i] - want[i]) <= 1e-11 * (1 + fabs(want[i]))) && !(isnan(is[i]) && isnan(want[i])))
            fail_msg("%s: element %zu is %.17g in a program, %.17g by the reference", c->text, i, is[i],
                     want[i]);
    cpu_workspace_free(w);
    plan_free(p);
    return want;
}

typedef struct NetGradient {
    NetCheck *c;
    Node *y, *x, *dx;
} NetGradient;

static void net_differentiate(void *context)
{
    NetGradient *d = context;
    autodiff_gradients(d->c->g, d->c->context.scope, d->y, NULL, 1, &d->x, &d->dx);
}

/* The gradient of the sum of y by x, as a node. */
static inline Node *net_gradient(NetCheck *c, Node *y, Node *x)
{
    NetGradient d = {c, y, x, NULL};
    if (error_catch(&c->error, net_differentiate, &d)) fail_msg("%s: %s", c->text, c->error.message);
    assert_non_null(d.dx);
    return d.dx;
}

static inline void net_expect_at(int line, double is, double want)
{
    if (!(fabs(is - want) <= 1e-11 * (1 + fabs(want))))
        fail_msg("line %d: %.17g is not %.17g", line, is, want);
}
#define net_expect(is, want) net_expect_at(__LINE__, is, want)

#endif
