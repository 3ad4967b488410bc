/* test_conv.c: convolutions and pooling: kernels against the reference over many shapes, strides, paddings, dilations
 * and groups, in both dtypes, for every instruction set, with the same bits for any number of threads; layers against
 * loops written here; sizes that cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/philox.h"
#include "cpu/cpu.h"
#include "graph/reference.h"
#include "nn/nn.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRIAL_LEAVES = 8, TRIAL_OUTPUTS = 8 };

typedef struct Tensor {
    const char *name;
    Shape shape;
} Tensor;

/* A text over some tensors of random numbers, and what comes of it. */
typedef struct Trial {
    Error error;
    Arena arena;
    Graph *graph;
    const char *text;
    bool net, train;
    int leaves, outputs;
    const Tensor *tensor;
    double *value[TRIAL_LEAVES];
    PlanOutput output[TRIAL_OUTPUTS];
    char name[TRIAL_OUTPUTS][8];
    double *want[TRIAL_OUTPUTS];
    double rounding; /* gives a multiple of it: ties in pooling */
} Trial;

static uint64_t drawn;

static uint32_t draw(uint32_t below)
{
    return (uint32_t)((uint64_t)philox(21, 0, drawn++).word[0] * below >> 32);
}

static double *trial_values(Trial *t, const Shape *shape)
{
    int64_t size = shape_size(*shape);
    double *value = arena_new(&t->arena, (size_t)size, sizeof *value);
    for (int64_t i = 0; i < size; i++) {
        value[i] = (double)(float)(draw(1 << 20) * 0x1p-19 - 1);
        if (t->rounding > 0) value[i] = round(value[i] / t->rounding) * t->rounding;
    }
    return value;
}

static void trial_output(Trial *t, Value v)
{
    for (int i = 0; v.kind == VALUE_TUPLE && i < v.count; i++)
        trial_output(t, v.item[i]);
    if (v.kind == VALUE_TUPLE) return;
    snprintf(t->name[t->outputs], sizeof t->name[0], "y%d", t->outputs);
    t->output[t->outputs] = (PlanOutput){t->name[t->outputs], v.node};
    t->outputs++;
}

static const double *trial_bind(void *context, const Node *leaf)
{
    Trial *t = context;
    for (size_t i = 0; i < t->graph->leaves; i++)
        if (t->graph->leaf[i] == leaf) return t->value[i];
    return NULL;
}

static void trial_build(void *context)
{
    Trial *t = context;
    Scope *scope = scope_new(&t->arena, nn_scope(&t->arena));
    for (int i = 0; i < t->leaves; i++)
        scope_add_node(scope, t->tensor[i].name,
                       graph_leaf(t->graph, ROLE_DATA, t->tensor[i].name, TYPE_REAL, t->tensor[i].shape, NULL));
    Context c = {.graph = t->graph, .scope = scope, .title = "test", .path = "", .train = t->train};
    trial_output(t, t->net ? value_node(notation_net(&c, t->text, t->graph->leaf[0], NULL, NULL))
                           : notation_evaluate(&c, t->text));
    assert_true(t->graph->leaves <= TRIAL_LEAVES);
    for (size_t i = 0; i < t->graph->leaves; i++)
        t->value[i] = trial_values(t, &t->graph->leaf[i]->shape);
}

static void trial_expect(void *context)
{
    Trial *t = context;
    Reference r = {trial_bind, t, false};
    Node *root[TRIAL_OUTPUTS];
    for (int i = 0; i < t->outputs; i++)
        root[i] = t->output[i].node;
    reference_evaluate(&t->arena, t->graph, &r, (size_t)t->outputs, root, t->want);
}

static void trial_start(Trial *t, const char *text, int leaves, const Tensor *tensor)
{
    double rounding = t->rounding;
    bool net = t->net, train = t->train;
    *t = (Trial){.text = text, .leaves = leaves, .tensor = tensor, .rounding = rounding, .net = net, .train = train};
    arena_init(&t->arena, &t->error);
    t->graph = graph_new(&t->error);
    assert_non_null(t->graph);
}

static void trial_end(Trial *t)
{
    graph_free(t->graph);
    arena_free(&t->arena);
}

/* ---- Kernels against the reference ------------------------------------------------------------------------------- */

static void put_real(void *to, int64_t i, double value, Dtype dtype)
{
    if (dtype == DTYPE_F64)
        ((double *)to)[i] = value;
    else
        ((float *)to)[i] = (float)value;
}

static double get_value(const Slot *s, const void *from, int64_t i, Dtype dtype)
{
    if (s->type == TYPE_I32) return ((const int32_t *)from)[i];
    return dtype == DTYPE_F64 ? ((const double *)from)[i] : (double)((const float *)from)[i];
}

static void run_program(Trial *t, const Program *p, int threads, void **result)
{
    Threads *pool = threads_new(threads);
    Workspace *w = cpu_workspace(p, threads);
    assert_non_null(w);
    for (int s = SLOT_FIRST; s < p->slots; s++) {
        const Slot *slot = &p->slot[s];
        w->slot[s] = result[s] = test_malloc(slot->bytes + 1);
        memset(result[s], 0x7f, slot->bytes);
        for (size_t i = 0; !slot->output && i < t->graph->leaves; i++)
            for (int64_t k = 0; !strcmp(t->graph->leaf[i]->leaf->name, slot->name) && k < shape_size(slot->shape); k++)
                put_real(result[s], k, t->value[i][k], p->dtype);
    }
    cpu_run(w, pool);
    cpu_workspace_free(w);
    threads_free(pool);
}

static void compare(const Trial *t, const Program *p, void *const *result)
{
    double tolerance = p->dtype == DTYPE_F64 ? 1e-12 : 1e-5;
    for (int i = 0; i < t->outputs; i++) {
        int s = plan_slot(p, t->name[i]);
        int64_t size = shape_size(p->slot[s].shape);
        double scale = 1e-30;
        for (int64_t k = 0; k < size; k++)
            scale = fmax(scale, fabs(t->want[i][k]));
        for (int64_t k = 0; k < size; k++) {
            double got = get_value(&p->slot[s], result[s], k, p->dtype);
            if (!(fabs(got - t->want[i][k]) <= tolerance * scale))
                fail_msg("%s: output %d, element %lld is %.17g, not %.17g", t->text, i, (long long)k, got,
                         t->want[i][k]);
        }
    }
}

static void check_program(Trial *t, Dtype dtype, Isa isa)
{
    PlanRequest request = {.graph = t->graph,
                           .outputs = t->outputs,
                           .output = t->output,
                           .dtype = dtype,
                           .backend = cpu_backend(isa)};
    Program *p = plan_compile(&request, &t->error);
    if (!p) fail_msg("%s: %s", t->text, t->error.message);
    void *one[TRIAL_LEAVES + TRIAL_OUTPUTS + SLOT_FIRST], *many[TRIAL_LEAVES + TRIAL_OUTPUTS + SLOT_FIRST];
    run_program(t, p, 1, one);
    compare(t, p, one);
    for (int threads = 2; threads <= 4; threads += 2) {
        run_program(t, p, threads, many);
        for (int s = SLOT_FIRST; s < p->slots; s++) {
            assert_memory_equal(one[s], many[s], p->slot[s].bytes);
            test_free(many[s]);
        }
    }
    for (int s = SLOT_FIRST; s < p->slots; s++)
        test_free(one[s]);
    plan_free(p);
}

static void check_kernels(Trial *t, const char *text, int leaves, const Tensor *tensor)
{
    trial_start(t, text, leaves, tensor);
    if (error_catch(&t->error, trial_build, t) || error_catch(&t->error, trial_expect, t))
        fail_msg("%s: %s", text, t->error.message);
    for (Isa isa = ISA_BASE; isa < ISA_COUNT; isa++) {
        if (!isa_has(isa)) continue;
        check_program(t, DTYPE_F64, isa);
        check_program(t, DTYPE_F32, isa);
    }
    trial_end(t);
}

typedef struct Geometry {
    int axes;
    int64_t n, groups, channels, outputs, in[3], taps[3], stride[3], before[3], after[3], dilation[3];
} Geometry;

/* "(3, 1)", "(3,)" for one. */
static const char *tuple_text(char *to, size_t room, int count, const int64_t *number)
{
    int length = snprintf(to, room, "(");
    for (int i = 0; i < count; i++)
        length += snprintf(to + length, room - (size_t)length, "%s%lld", i ? ", " : "", (long long)number[i]);
    snprintf(to + length, room - (size_t)length, ")");
    return to;
}

/* y, and the gradients of a sum that depends on all of it. */
static void check_geometry(const Geometry *g)
{
    char text[600], stride[64], padding[256], dilation[64];
    Tensor tensor[2] = {{"x", {2 + g->axes, {g->n, g->groups * g->channels}}},
                        {"w", {2 + g->axes, {g->groups * g->outputs, g->channels}}}};
    int length = snprintf(padding, sizeof padding, "(");
    for (int a = 0; a < g->axes; a++) {
        tensor[0].shape.dim[2 + a] = g->in[a];
        tensor[1].shape.dim[2 + a] = g->taps[a];
        length += snprintf(padding + length, sizeof padding - (size_t)length,
                           g->axes > 1 ? "%s(%lld, %lld)" : "%s%lld, %lld", a ? ", " : "", (long long)g->before[a],
                           (long long)g->after[a]);
    }
    snprintf(padding + length, sizeof padding - (size_t)length, ")");
    snprintf(text, sizeof text,
             "y = convolve(x, w, %s, %s, %s, %lld); dx, dw = grad(sum(y*y*y), x, w); y, dx, dw",
             tuple_text(stride, sizeof stride, g->axes, g->stride), padding,
             tuple_text(dilation, sizeof dilation, g->axes, g->dilation), (long long)g->groups);
    Trial t = {0};
    check_kernels(&t, text, 2, tensor);
}

static const Geometry geometries[] = {
    {2, 2, 1, 3, 4, {5, 5}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {2, 3, 1, 16, 16, {9, 10}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {2, 2, 1, 1, 32, {28, 28}, {5, 5}, {1, 1}, {0, 0}, {0, 0}, {1, 1}},
    {2, 2, 1, 32, 40, {12, 12}, {5, 5}, {1, 1}, {0, 0}, {0, 0}, {1, 1}},
    {2, 2, 1, 16, 24, {8, 8}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, {1, 1}},
    {2, 2, 1, 16, 24, {9, 8}, {1, 1}, {2, 2}, {0, 0}, {0, 0}, {1, 1}},
    {2, 2, 12, 1, 1, {11, 13}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {2, 2, 5, 1, 2, {11, 13}, {3, 5}, {2, 2}, {1, 1}, {1, 2}, {1, 1}},
    {2, 1, 1, 3, 70, {33, 31}, {7, 7}, {2, 2}, {3, 3}, {3, 3}, {1, 1}},
    {2, 1, 1, 140, 150, {4, 4}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {2, 2, 1, 3, 8, {8, 8}, {4, 4}, {4, 4}, {0, 0}, {0, 0}, {1, 1}},
    {2, 2, 1, 3, 8, {9, 9}, {2, 2}, {4, 3}, {0, 0}, {0, 0}, {1, 1}},
    {2, 1, 1, 8, 8, {400, 60}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {2, 1, 1, 8, 8, {301, 60}, {3, 3}, {2, 1}, {1, 1}, {1, 1}, {1, 2}},
    {1, 2, 1, 5, 7, {50}, {4}, {1}, {2}, {1}, {3}},
    {1, 1, 1, 8, 9, {5000}, {9}, {3}, {4}, {4}, {2}},
    {1, 3, 1, 6, 5, {1}, {1}, {1}, {0}, {0}, {1}},
    {3, 2, 1, 4, 6, {5, 6, 7}, {3, 2, 3}, {1, 2, 1}, {1, 0, 2}, {1, 1, 0}, {1, 1, 2}},
    {3, 1, 2, 3, 2, {9, 4, 5}, {2, 2, 2}, {2, 1, 1}, {0, 1, 1}, {0, 0, 1}, {2, 1, 1}},
    {2, 2, 1, 4, 5, {3, 3}, {3, 3}, {1, 1}, {0, 0}, {0, 0}, {1, 1}},
    {2, 2, 1, 1, 1, {6, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
};

static void test_geometries(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof geometries / sizeof *geometries; i++)
        check_geometry(&geometries[i]);
}

static Geometry random_geometry(void)
{
    Geometry g = {.axes = 1 + (int)draw(3), .n = 1 + draw(3), .groups = draw(3) ? 1 : 1 + draw(4)};
    g.channels = 1 + draw(6);
    g.outputs = 1 + draw(20);
    for (int a = 0; a < g.axes; a++) {
        g.taps[a] = 1 + draw(g.axes == 3 ? 3 : 5);
        g.stride[a] = 1 + draw(3);
        g.dilation[a] = 1 + draw(3);
        g.before[a] = draw(4);
        g.after[a] = draw(4);
        int64_t span = (g.taps[a] - 1) * g.dilation[a] + 1 - g.before[a] - g.after[a];
        g.in[a] = (span > 1 ? span : 1) + draw(g.axes == 1 ? 60 : g.axes == 2 ? 14 : 5);
    }
    return g;
}

static void test_random(void **state)
{
    (void)state;
    drawn = 0;
    for (int i = 0; i < 60; i++) {
        Geometry g = random_geometry();
        check_geometry(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_geometries), cmocka_unit_test(test_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
