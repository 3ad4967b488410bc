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
        scope_add_node(
            scope, t->tensor[i].name,
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
    *t = (Trial){
        .text = text, .leaves = leaves, .tensor = tensor, .rounding = rounding, .net = net, .train = train};
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
            for (int64_t k = 0;
                 !strcmp(t->graph->leaf[i]->leaf->name, slot->name) && k < shape_size(slot->shape); k++)
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
                           g->axes > 1 ? "%s(%lld, %lld)" : "%s%lld, %lld", a ? ", " : "",
                           (long long)g->before[a], (long long)g->after[a]);
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
    /* more examples than a sum of dw runs over at once; rows that end amid a vector */
    {2, 19, 1, 5, 7, {8, 8}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {2, 11, 2, 4, 9, {14, 14}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {2, 5, 1, 3, 6, {40, 29}, {5, 2}, {1, 1}, {2, 0}, {2, 0}, {1, 1}},
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

/* ---- Pooling ---------------------------------------------------------------------------------------------------- */

static void test_pooling(void **state)
{
    (void)state;
    static const struct {
        Shape shape;
        const char *window;
    } cases[] = {
        {{4, {2, 3, 8, 8}}, "2, 2"},          {{4, {3, 5, 24, 24}}, "2, 2"},
        {{4, {2, 2, 9, 11}}, "3, 2, 1"},      {{4, {1, 1, 7, 40}}, "(2, 5), 1"},
        {{4, {2, 2, 9, 9}}, "2, 3, 1, 2"},    {{3, {2, 4, 50}}, "4, 2, 2"},
        {{3, {1, 2, 1000}}, "1000"},          {{5, {2, 2, 5, 4, 6}}, "2, (1, 2, 3)"},
        {{4, {1, 70, 20, 20}}, "3, 1, same"}, {{4, {0, 2, 4, 4}}, "2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        Tensor x = {"x", cases[i].shape};
        Trial t = {.rounding = .25}; /* many are equal */
        snprintf(text, sizeof text,
                 "i = pool_argmax(x, %s); y = pool_take(x, i); dx = grad(sum(y*y*y), x); i, y, dx",
                 cases[i].window);
        check_kernels(&t, text, 1, &x);
    }
}

/* What is no number wins, the last of them; an infinity loses to any other element, but never to the padding. */
static void test_pooling_special(void **state)
{
    (void)state;
    static const double plane[] = {1,         NAN,       2, NAN, -INFINITY, -INFINITY,
                                   -INFINITY, -INFINITY, 3, 3,   INFINITY,  0};
    static const double four[] = {3, 4, 10}, pairs[] = {0, 2}, padded[] = {0, 2, 2, 2};
    Tensor x = {"x", {3, {1, 1, 12}}};
    for (Isa isa = ISA_BASE; isa < ISA_COUNT; isa++)
        for (Dtype dtype = DTYPE_F32; isa_has(isa) && dtype <= DTYPE_F64; dtype++) {
            Trial t = {0};
            trial_start(
                &t,
                "pool_argmax(x, 4, 4), pool_argmax(x[:, :, 4:8], 2, 2), pool_argmax(x[:, :, 8:], 3, 1, 1)", 1,
                &x);
            if (error_catch(&t.error, trial_build, &t)) fail_msg("%s", t.error.message);
            memcpy(t.value[0], plane, sizeof plane);
            if (error_catch(&t.error, trial_expect, &t)) fail_msg("%s", t.error.message);
            assert_memory_equal(t.want[0], four, sizeof four);
            assert_memory_equal(t.want[1], pairs, sizeof pairs);
            assert_memory_equal(t.want[2], padded, sizeof padded);
            check_program(&t, dtype, isa);
            trial_end(&t);
        }
}

/* ---- Layers against loops ----------------------------------------------------------------------------------------- */

static double *layer_leaf(Trial *t, const char *name)
{
    for (size_t i = 0; i < t->graph->leaves; i++)
        if (!strcmp(t->graph->leaf[i]->leaf->name, name)) return t->value[i];
    fail_msg("there is no %s", name);
    return NULL;
}

/* Builds a net of one layer on x and runs the reference; the result stands in want[0]. */
static void layer_run(Trial *t, const char *text, bool train, const Tensor *x)
{
    t->net = true, t->train = train;
    trial_start(t, text, 1, x);
    if (error_catch(&t->error, trial_build, t)) fail_msg("%s: %s", text, t->error.message);
    for (size_t i = 0; i < t->graph->leaves; i++)
        if (!strcmp(t->graph->leaf[i]->leaf->name, "0.running_var"))
            for (int64_t k = 0; k < shape_size(t->graph->leaf[i]->shape); k++)
                t->value[i][k] = fabs(t->value[i][k]) + .1;
    if (error_catch(&t->error, trial_expect, t)) fail_msg("%s: %s", text, t->error.message);
}

static void assert_shape(const Trial *t, int rank, const int64_t *dim)
{
    assert_true(shape_equal(t->output[0].node->shape, shape_of(rank, dim)));
}

static void assert_close(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12 * (1 + fabs(want)))) fail_msg("%.17g, not %.17g", got, want);
}

/* conv(6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2) on [2, 4, 7, 6] */
static void test_conv_layer(void **state)
{
    (void)state;
    Tensor x = {"x", {4, {2, 4, 7, 6}}};
    Trial t = {0};
    layer_run(&t, "conv(6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2)", true, &x);
    assert_shape(&t, 4, (int64_t[]){2, 6, 4, 4});
    const double *w = layer_leaf(&t, "0.weight"), *b = layer_leaf(&t, "0.bias"), *y = t.want[0];
    for (int n = 0; n < 2; n++)
        for (int o = 0; o < 6; o++)
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++) {
                    double sum = b[o];
                    for (int c = 0; c < 2; c++)
                        for (int k = 0; k < 3; k++)
                            for (int l = 0; l < 2; l++) {
                                int row = 2 * i - 1 + k, column = j + 2 * l, channel = o / 3 * 2 + c;
                                if (row < 0 || row >= 7) continue;
                                sum += t.value[0][((n * 4 + channel) * 7 + row) * 6 + column] *
                                       w[((o * 2 + c) * 3 + k) * 2 + l];
                            }
                    assert_close(*y++, sum);
                }
    trial_end(&t);
}

/* deconv(3, 3, stride=2, padding=1, output_padding=1) on [2, 2, 4]: weight [2, 3, 3], result [2, 3, 8] */
static void test_deconv_layer(void **state)
{
    (void)state;
    Tensor x = {"x", {3, {2, 2, 4}}};
    Trial t = {0};
    layer_run(&t, "deconv(3, 3, stride=2, padding=1, output_padding=1)", true, &x);
    assert_shape(&t, 3, (int64_t[]){2, 3, 8});
    const double *w = layer_leaf(&t, "0.weight"), *b = layer_leaf(&t, "0.bias");
    double y[2][3][8];
    for (int n = 0; n < 2; n++)
        for (int o = 0; o < 3; o++) {
            for (int i = 0; i < 8; i++)
                y[n][o][i] = b[o];
            for (int c = 0; c < 2; c++)
                for (int i = 0; i < 4; i++)
                    for (int k = 0; k < 3; k++) {
                        int at = 2 * i - 1 + k;
                        if (at >= 0 && at < 8)
                            y[n][o][at] += t.value[0][(n * 2 + c) * 4 + i] * w[(c * 3 + o) * 3 + k];
                    }
        }
    for (int i = 0; i < 48; i++)
        assert_close(t.want[0][i], ((double *)y)[i]);
    trial_end(&t);
}

static void test_pool_layers(void **state)
{
    (void)state;
    Tensor x = {"x", {4, {1, 2, 5, 4}}};
    Trial t = {0};
    layer_run(&t, "avgpool(3, 2, 1)", false, &x);
    assert_shape(&t, 4, (int64_t[]){1, 2, 3, 2});
    for (int c = 0; c < 2; c++)
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 2; j++) {
                double sum = 0;
                for (int k = 2 * i - 1; k < 2 * i + 2; k++)
                    for (int l = 2 * j - 1; l < 2 * j + 2; l++)
                        if (k >= 0 && k < 5 && l >= 0 && l < 4) sum += t.value[0][(c * 5 + k) * 4 + l];
                assert_close(t.want[0][(c * 3 + i) * 2 + j], sum / 9);
            }
    trial_end(&t);
    layer_run(&t, "maxpool((2, 3), padding=(0, 1))", false, &x);
    assert_shape(&t, 4, (int64_t[]){1, 2, 2, 2});
    const double *p = t.value[0];
    assert_close(t.want[0][0], fmax(fmax(p[0], p[1]), fmax(p[4], p[5])));
    assert_close(t.want[0][3], fmax(fmax(p[10], p[11]), fmax(p[14], p[15])));
    trial_end(&t);
    layer_run(&t, "global_avgpool", false, &x);
    assert_shape(&t, 2, (int64_t[]){1, 2});
    double sum = 0;
    for (int i = 0; i < 20; i++)
        sum += t.value[0][20 + i];
    assert_close(t.want[0][1], sum / 20);
    trial_end(&t);
    /* five rows in two bins are 0..2 and 2..4; four columns in three are 0..1, 1..2 and 2..3 */
    layer_run(&t, "adaptive_avgpool((2, 3))", false, &x);
    assert_shape(&t, 4, (int64_t[]){1, 2, 2, 3});
    p = t.value[0];
    assert_close(t.want[0][4], (p[9] + p[10] + p[13] + p[14] + p[17] + p[18]) / 6);
    trial_end(&t);
}

static void test_resize_layer(void **state)
{
    (void)state;
    Tensor x = {"x", {4, {1, 1, 2, 3}}};
    Trial t = {0};
    layer_run(&t, "resize(size=(4, 5))", false, &x);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 5; j++)
            assert_close(t.want[0][i * 5 + j], t.value[0][i * 2 / 4 * 3 + j * 3 / 5]);
    trial_end(&t);
    layer_run(&t, "resize(scale=2, mode=bilinear)", false, &x);
    assert_shape(&t, 4, (int64_t[]){1, 1, 4, 6});
    const double *p = t.value[0];
    assert_close(t.want[0][0], p[0]);
    assert_close(t.want[0][1], .75 * p[0] + .25 * p[1]);
    assert_close(t.want[0][6 + 1], .75 * (.75 * p[0] + .25 * p[1]) + .25 * (.75 * p[3] + .25 * p[4]));
    assert_close(t.want[0][23], p[5]);
    trial_end(&t);
}

/* Statistics of a channel of the batch, biased; what is kept is the sample's variance. */
static void test_batchnorm_layer(void **state)
{
    (void)state;
    Tensor x = {"x", {4, {3, 2, 2, 5}}};
    Trial t = {0};
    layer_run(&t, "batchnorm(momentum=.3)", true, &x);
    const double *w = layer_leaf(&t, "0.weight"), *b = layer_leaf(&t, "0.bias");
    double *now[2];
    Node *next[] = {t.graph->assignment[0].value, t.graph->assignment[1].value};
    Reference r = {trial_bind, &t, false};
    assert_int_equal(t.graph->assignments, 2);
    reference_evaluate(&t.arena, t.graph, &r, 2, next, now);
    for (int c = 0; c < 2; c++) {
        double mean = 0, square = 0;
        for (int n = 0; n < 3; n++)
            for (int i = 0; i < 10; i++)
                mean += t.value[0][(n * 2 + c) * 10 + i] / 30;
        for (int n = 0; n < 3; n++)
            for (int i = 0; i < 10; i++)
                square += pow(t.value[0][(n * 2 + c) * 10 + i] - mean, 2);
        for (int k = 0; k < 60; k++)
            if (k / 10 % 2 == c)
                assert_close(t.want[0][k], (t.value[0][k] - mean) / sqrt(square / 30 + 1e-5) * w[c] + b[c]);
        assert_close(now[0][c], .7 * layer_leaf(&t, "0.running_mean")[c] + .3 * mean);
        assert_close(now[1][c], .7 * layer_leaf(&t, "0.running_var")[c] + .3 * square / 29);
    }
    trial_end(&t);
    layer_run(&t, "batchnorm", false, &x);
    assert_int_equal(t.graph->assignments, 0);
    for (int k = 0; k < 60; k++) {
        int c = k / 10 % 2;
        double scale = sqrt(layer_leaf(&t, "0.running_var")[c] + 1e-5);
        assert_close(t.want[0][k], (t.value[0][k] - layer_leaf(&t, "0.running_mean")[c]) / scale *
                                           layer_leaf(&t, "0.weight")[c] +
                                       layer_leaf(&t, "0.bias")[c]);
    }
    trial_end(&t);
}

/* The first of equals gets all of the gradient. */
static void test_pool_tie(void **state)
{
    (void)state;
    Tensor x = {"x", {3, {1, 1, 4}}};
    Trial t = {0};
    trial_start(&t, "grad(sum(maxpool(x, 4)), x)", 1, &x);
    if (error_catch(&t.error, trial_build, &t)) fail_msg("%s", t.error.message);
    memcpy(t.value[0], (double[]){1, 2, 2, 0}, 4 * sizeof(double));
    if (error_catch(&t.error, trial_expect, &t)) fail_msg("%s", t.error.message);
    for (int i = 0; i < 4; i++)
        assert_true(t.want[0][i] == (i == 1));
    trial_end(&t);
}

/* ---- Mistakes ----------------------------------------------------------------------------------------------------- */

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *net, *message;
        Shape x;
    } wrong[] = {
        {"conv(8, 3)",
         "a window slides over [examples, channels, one to three sizes]; this is [4, 784]",
         {2, {4, 784}}},
        {"conv(8, 9)",
         "a window over 9 is larger than axis 2 of [1, 2, 6, 6], 6 with its padding",
         {4, {1, 2, 6, 6}}},
        {"conv(8, 3, dilation=4)", "use a smaller size, less dilation or padding=same", {4, {1, 2, 6, 6}}},
        {"conv(8, 3, stride=0)", "the stride must be at least 1, not 0", {4, {1, 2, 6, 6}}},
        {"conv(8, 3, stride=1.5)",
         "the stride must be a whole number; this is the number 1.5",
         {4, {1, 2, 6, 6}}},
        {"conv(8, 3, padding=-1)", "the padding must be at least 0, not -1", {4, {1, 2, 6, 6}}},
        {"conv(8, 3, padding=(1, 2, 3))",
         "the padding has 3 numbers, but there are 2 spatial axes",
         {4, {1, 2, 6, 6}}},
        {"conv(8, 3, padding=sme)", "did you mean same?", {4, {1, 2, 6, 6}}},
        {"conv(8, 3, padding=relu)",
         "the padding is a number, a tuple, same or valid, not relu",
         {4, {1, 2, 6, 6}}},
        {"conv(8, 3, groups=3)",
         "the 2 channels of [1, 2, 6, 6] do not divide into groups=3",
         {4, {1, 2, 6, 6}}},
        {"conv(7, 3, groups=2)",
         "the 7 channels of the result do not divide into groups=2; 8 would",
         {4, {1, 2, 6, 6}}},
        {"conv(8, (3, 3, 3))", "the size has 3 numbers, but there are 2 spatial axes", {4, {1, 2, 6, 6}}},
        {"conv(8)", "conv needs its argument size", {4, {1, 2, 6, 6}}},
        {"maxpool(9)", "a window over 9 is larger than axis 2", {4, {1, 2, 6, 6}}},
        {"maxpool(2, padding=2)", "the padding must be at most half of the window, 1", {4, {1, 2, 6, 6}}},
        {"deconv(8, 3, padding=9)", "use a smaller padding", {4, {1, 2, 6, 6}}},
        {"deconv(8, 3, stride=2, output_padding=2)", "must be less than the stride", {4, {1, 2, 6, 6}}},
        {"resize(mode=relu)", "the mode is nearest or linear", {4, {1, 2, 6, 6}}},
        {"resize(scale=-1)", "the scale must be a number above 0", {4, {1, 2, 6, 6}}},
        {"resize(scale=.1)", "an axis of 6 would have no element left", {4, {1, 2, 6, 6}}},
        {"adaptive_avgpool((1, 2, 3))", "does not give 2 numbers", {4, {1, 2, 6, 6}}},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Tensor x = {"x", wrong[i].x};
        Trial t = {.net = true};
        trial_start(&t, wrong[i].net, 1, &x);
        assert_int_equal(error_catch(&t.error, trial_build, &t), NUDGE_INPUT);
        if (!strstr(t.error.message, wrong[i].message) || !strstr(t.error.message, wrong[i].net))
            fail_msg("%s: \"%s\" is not in: %s", wrong[i].net, wrong[i].message, t.error.message);
        trial_end(&t);
    }
}

/* ---- A whole net -------------------------------------------------------------------------------------------------- */

#define RESIDUAL(n)                                                                                          \
    "residual(conv(" n ", 3, padding=1, bias=false) batchnorm relu conv(" n                                  \
    ", 3, padding=1, bias=false) batchnorm) relu"
#define HALVING(n)                                                                                           \
    "parallel(conv(" n ", 3, 2, 1, bias=false) batchnorm relu conv(" n                                       \
    ", 3, padding=1, bias=false) batchnorm, conv(" n ", 1, 2, bias=false) batchnorm, join=add) relu "

/* ResNet-20 (He et al. 2015, section 4.2, projections between stages) on a few pictures of noise: it learns them by heart. */
static const char resnet[] =
    "conv(16, 3, padding=1, bias=false) batchnorm relu repeat(3, " RESIDUAL("16") ") " HALVING(
        "32") "repeat(2, " RESIDUAL("32") ") " HALVING("64") "repeat(2, " RESIDUAL("64") ") global_avgpool dense(classes)";

static void test_resnet(void **state)
{
    (void)state;
    enum { ROWS = 8, PIXELS = 3 * 16 * 16 };
    static float x[ROWS * PIXELS], t[ROWS], y[ROWS * ROWS];
    float first = 0, last = 0;
    nudge *m;
    drawn = 0;
    for (int i = 0; i < ROWS * PIXELS; i++)
        x[i] = (float)draw(1000) / 500 - 1;
    for (int i = 0; i < ROWS; i++)
        t[i] = (float)i;
    int status = nudge_new(
        &m, PIXELS, resnet,
        "shape=3x16x16 classes=8 loss=cross_entropy optimizer=adam(lr=1e-3) seed=3 standardize=false");
    for (int step = 0; !status && step < 12; step++)
        status = nudge_step(m, x, t, NULL, ROWS, step ? &last : &first);
    if (!status) status = nudge_predict(m, x, ROWS, y, ROWS * ROWS);
    if (status) fail_msg("%s", nudge_message(m, status));
    assert_true(first > 1.5f && first < 5 && last < .5f * first);
    for (int i = 0; i < ROWS * ROWS; i++)
        assert_true(y[i] >= 0 && y[i] <= 1);
    nudge_free(m);
    status = nudge_new(&m, PIXELS, "conv(4, 3) flatten dense(2)", "shape=3x16x15");
    assert_int_equal(status, NUDGE_INPUT);
    assert_non_null(
        strstr(nudge_message(m, status), "shape: 3x16x15 has 720 numbers, but a row of the data has 768"));
    nudge_free(m);
    status = nudge_new(&m, PIXELS, "conv(4, 3) flatten dense(2)", "shape=3x16x");
    assert_int_equal(status, NUDGE_INPUT);
    assert_non_null(strstr(nudge_message(m, status), "3x16x is no shape"));
    nudge_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_geometries),      cmocka_unit_test(test_random),
        cmocka_unit_test(test_pooling),         cmocka_unit_test(test_pooling_special),
        cmocka_unit_test(test_conv_layer),      cmocka_unit_test(test_deconv_layer),
        cmocka_unit_test(test_pool_layers),     cmocka_unit_test(test_resize_layer),
        cmocka_unit_test(test_batchnorm_layer), cmocka_unit_test(test_pool_tie),
        cmocka_unit_test(test_mistakes),        cmocka_unit_test(test_resnet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
