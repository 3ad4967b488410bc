/* test_plan.c: what the planner and the CPU backend make of a graph equals what the reference says: every definition,
 * many formulas with their gradients, loops and random numbers, in both dtypes, for every instruction set, and with
 * the same bits for any number of threads. */
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

enum { CASE_OUTPUTS = 16, CASE_LEAVES = 16 };

/* A case: inputs by name with shapes, and a text whose values are the outputs. */
typedef struct Case {
    const char *inputs; /* "x[2,3] w[3,4] i[2]:4" (a whole number below 4) */
    const char *text;
} Case;

typedef struct Built {
    Error error;
    Arena arena;
    Graph *graph;
    Scope *scope;
    int leaves, outputs;
    Node *leaf[CASE_LEAVES];
    double *value[CASE_LEAVES];
    PlanOutput output[CASE_OUTPUTS];
    char name[CASE_OUTPUTS][8];
    const Case *c;
} Built;

static uint32_t case_random(uint64_t i)
{
    return philox(1, 2, i).word[0];
}

/* One input of a case: "x[2,3]" or "i[2]:4". */
static const char *build_input(Built *b, const char *s)
{
    char name[16] = {0};
    Shape shape = {0};
    int n = 0, bound = 0;
    while (*s != '[')
        name[n++] = *s++;
    for (s++; *s != ']'; s += *s == ',')
        shape.dim[shape.rank++] = strtol(s, (char **)(uintptr_t)&s, 10);
    if (*++s == ':') bound = (int)strtol(s + 1, (char **)(uintptr_t)&s, 10);
    Node *leaf = graph_leaf(b->graph, ROLE_DATA, name, bound ? TYPE_I32 : TYPE_REAL, shape, NULL);
    int64_t size = shape_size(shape);
    double *value = arena_new(&b->arena, (size_t)size, sizeof *value);
    for (int64_t i = 0; i < size; i++) {
        uint32_t r = case_random((uint64_t)(b->leaves * 1000 + i));
        value[i] = bound ? r % (uint32_t)bound : (double)(float)((double)r / 2147483648.0 - 1);
    }
    b->leaf[b->leaves] = leaf;
    b->value[b->leaves++] = value;
    scope_add_node(b->scope, arena_string(&b->arena, name, strlen(name)), leaf);
    return s;
}

/* The values of a text, tuples within tuples one after the other. */
static void build_outputs(Built *b, Value v)
{
    if (v.kind == VALUE_TUPLE) {
        for (int i = 0; i < v.count; i++)
            build_outputs(b, v.item[i]);
        return;
    }
    char *name = b->name[b->outputs];
    snprintf(name, sizeof b->name[0], "y%d", b->outputs);
    b->output[b->outputs++] = (PlanOutput){name, v.node};
}

static void build_case(void *context)
{
    Built *b = context;
    b->scope = scope_new(&b->arena, nn_scope(&b->arena));
    for (const char *s = b->c->inputs; *s;) {
        s = build_input(b, s);
        while (*s == ' ')
            s++;
    }
    Context c = {.graph = b->graph, .scope = b->scope, .title = "case", .path = "", .train = true};
    Value v = notation_evaluate(&c, b->c->text);
    build_outputs(b, v);
}

static void build(Built *b, const Case *c)
{
    memset(b, 0, sizeof *b);
    arena_init(&b->arena, &b->error);
    b->graph = graph_new(&b->error);
    b->c = c;
    if (error_catch(&b->error, build_case, b)) fail_msg("%s: %s", c->text, b->error.message);
}

static const double *build_bind(void *context, const Node *leaf)
{
    const Built *b = context;
    static const double seed = 7;
    for (int i = 0; i < b->leaves; i++)
        if (b->leaf[i] == leaf) return b->value[i];
    return !strcmp(leaf->leaf->name, "seed") ? &seed : NULL;
}

typedef struct Expecting {
    Built *b;
    bool single;
    double *want[CASE_OUTPUTS];
} Expecting;

static void expect_case(void *context)
{
    Expecting *x = context;
    Reference r = {build_bind, x->b, x->single};
    Node *root[CASE_OUTPUTS];
    for (int i = 0; i < x->b->outputs; i++)
        root[i] = x->b->output[i].node;
    reference_evaluate(&x->b->arena, x->b->graph, &r, (size_t)x->b->outputs, root, x->want);
}

/* A leaf's values in the type its slot has. */
static void *slot_values(const Slot *s, const double *value, Dtype dtype)
{
    int64_t n = shape_size(s->shape);
    char *to = test_malloc((size_t)n * 8 + 64);
    for (int64_t i = 0; i < n; i++)
        if (s->type == TYPE_I32)
            ((int32_t *)(void *)to)[i] = (int32_t)value[i];
        else if (dtype == DTYPE_F64)
            ((double *)(void *)to)[i] = value[i];
        else
            ((float *)(void *)to)[i] = (float)value[i];
    return to;
}

static double slot_get(const Slot *s, const void *from, int64_t i, Dtype dtype)
{
    if (s->type == TYPE_I32) return ((const int32_t *)from)[i];
    return dtype == DTYPE_F64 ? ((const double *)from)[i] : (double)((const float *)from)[i];
}

typedef struct Result {
    void *slot[CASE_OUTPUTS + CASE_LEAVES + 4];
} Result;

static void run_case(Built *b, const Program *p, int threads, Result *result)
{
    Threads *pool = threads_new(threads);
    Workspace *w = cpu_workspace(p, threads);
    assert_non_null(w);
    int seed = plan_scalar(p, "seed");
    if (seed >= 0) w->scalar[seed] = 7;
    for (int s = SLOT_FIRST; s < p->slots; s++) {
        const Slot *slot = &p->slot[s];
        if (slot->output) {
            result->slot[s] = test_calloc(slot->bytes + 64, 1);
        } else {
            int leaf = 0;
            while (strcmp(b->leaf[leaf]->leaf->name, slot->name))
                leaf++;
            result->slot[s] = slot_values(slot, b->value[leaf], p->dtype);
        }
        w->slot[s] = result->slot[s];
    }
    cpu_run(w, pool);
    cpu_workspace_free(w);
    threads_free(pool);
}

static void result_free(const Program *p, Result *r)
{
    for (int s = SLOT_FIRST; s < p->slots; s++)
        test_free(r->slot[s]);
}

static void compare_case(const Built *b, const Program *p, const Result *r, double *const *want,
                         double tolerance)
{
    for (int i = 0; i < b->outputs; i++) {
        int s = plan_slot(p, b->name[i]);
        const Slot *slot = &p->slot[s];
        int64_t n = shape_size(slot->shape);
        double scale = 1e-30;
        for (int64_t k = 0; k < n; k++)
            if (isfinite(want[i][k])) scale = fmax(scale, fabs(want[i][k]));
        for (int64_t k = 0; k < n; k++) {
            double got = slot_get(slot, r->slot[s], k, p->dtype), expected = want[i][k];
            if (got == expected || (isnan(got) && isnan(expected))) continue;
            if (!(fabs(got - expected) <= tolerance * scale)) {
                Text plan = {0};
                plan_print(p, &plan);
                fail_msg("%s with %s: output %d, element %lld is %.17g, not %.17g\n%s", b->c->text,
                         b->c->inputs, i, (long long)k, got, expected, text_end(&plan));
            }
        }
    }
}

static void check_case(const Case *c, Dtype dtype, Isa isa)
{
    Built b;
    build(&b, c);
    Expecting x = {.b = &b, .single = dtype == DTYPE_F32};
    if (error_catch(&b.error, expect_case, &x)) fail_msg("%s: %s", c->text, b.error.message);
    PlanRequest request = {.graph = b.graph,
                           .outputs = b.outputs,
                           .output = b.output,
                           .dtype = dtype,
                           .backend = cpu_backend(isa)};
    Program *p = plan_compile(&request, &b.error);
    if (!p) fail_msg("%s: %s", c->text, b.error.message);
    Result one = {0}, many = {0};
    run_case(&b, p, 1, &one);
    compare_case(&b, p, &one, x.want, dtype == DTYPE_F64 ? 1e-11 : 2e-5);
    for (int threads = 2; threads <= 4; threads += 2) {
        run_case(&b, p, threads, &many);
        for (int s = SLOT_FIRST; s < p->slots; s++)
            assert_memory_equal(one.slot[s], many.slot[s], p->slot[s].bytes);
        result_free(p, &many);
    }
    result_free(p, &one);
    plan_free(p);
    graph_free(b.graph);
    arena_free(&b.arena);
}

static void check_everywhere(const Case *c)
{
    for (int isa = 0; isa < ISA_COUNT; isa++) {
        if (!isa_has((Isa)isa)) continue;
        check_case(c, DTYPE_F64, (Isa)isa);
        check_case(c, DTYPE_F32, (Isa)isa);
    }
}

static const Case plan_cases[] = {
    {"x[2,3]", "x"},
    {"x[2,3]", "x*2 + 1"},
    {"x[]", "x + 1"},
    {"x[1]", "sum(x)"},
    {"x[3,4] z[4]", "x + z, x*z, x - z"},
    {"x[2,3]", "x', x' + 1, sum(x', 0)"},
    {"x[5,7]", "sum(x), sum(x, 0), sum(x, 1), amax(x, 0), amax(x, 1), amax(x)"},
    {"x[2,3,4,5]", "sum(x, 0, 2), sum(x, 1), sum(x, 1, 3), amax(x, 0, 3), mean(x, 2), var(x, 0, 2, 3)"},
    {"x[700,3]", "sum(x, 0), sum(x*x), sum(x, 1)"},
    {"x[3,700]", "sum(x, 1), sum(x, 0), amax(exp(x), 1)"},
    {"x[40,1100]", "sum(x), sum(x*x, 0), amax(x, 0), x*x"},
    {"x[100000]", "sum(x), amax(x), sum(x*x)"},
    {"x[70000,2]", "sum(x, 0), sum(exp(x), 0)"},
    {"x[3,4] w[4,5]", "x @ w, (x @ w)', w' @ x'"},
    {"x[3,4] w[5,4] b[5]", "tanh(x @ w' + b)"},
    {"x[3,4]",
     "ones(2, 3) @ x, concat(x, ones(1, 4), axis=0), iota(5, 3) @ x, take(ones(3, 2), cast(x[0], i32))"},
    {"x[3,4] w[4,2]", "grad(sum(x @ w), x, w), grad(sum((x @ w)'), w)"},
    {"x[2,3,4] w[4,5]", "x @ w, sum(x @ w, 0)"},
    {"x[2,3,4] z[2,4,5]", "x @ z, z' @ x'"},
    {"x[2,1,3,4] z[5,4,2]", "x @ z"},
    {"x[4] z[4]", "x @ z"},
    {"x[4,6]", "reshape(x, 2, 12) + 1, reshape(x', 4, 6), reshape(x', 24)"},
    {"x[4,6]", "x[1], x[1:3], x[:, ::2], x[-1, 2:], x[3:0:-1]"},
    {"x[2,3] z[4,3]", "concat(x, z, axis=0), concat(z, x + 1, z, axis=0)"},
    {"x[2,12]", "h = 3; x{n (h d) -> h n d}, x{n (h d) -> (d h) n}"},
    {"x[6,3] i[4]:6", "take(x, i), take(x*2, i) + 1"},
    {"x[4,3] i[4]:6", "scatter(x, i, 6)"},
    {"x[4,7] i[4]:7", "pick(x, i), onehot(i, 7)"},
    {"x[3,5]", "argmax(x, 1), argmax(x, 0)"},
    {"x[3,4]", "softmax(x), log_softmax(x), logsumexp(x)"},
    {"x[3,4] i[3]:4", "cross_entropy(x, i)"},
    {"x[3,4]", "grad(sum(softmax(x)*x), x)"},
    {"x[3,4] w[4,2]", "y = tanh(x @ w); grad(sum(y*y), x, w)"},
    {"x[3,4] w[5,4] b[5] v[2,5] i[3]:2",
     "h = relu(x @ w' + b); l = cross_entropy(h @ v', i); l, grad(l, w, b, v, x)"},
    {"x[8,4] w[4,4]", "m = mean(x, 0); y = (x - m)/sqrt(var(x, 0) + 1e-5); y, grad(sum((y @ w)^2), x, w)"},
    {"x[3,4]", "uniform(3, 4), normal(5, 5), x*(uniform(3, 4) < .5)"},
    {"x[5,2,3] u[3,3] h[2,3]", "y = (for t < 5 along x { h = tanh(x + h @ u); h }); y, h"},
    {"x[5,2,3] u[3,3] h[2,3]",
     "y = (for t < 5 along x { h = tanh(x + h @ u); h }); grad(sum(y*y) + sum(h), x, u, h)"},
    {"x[3] h[3]", "for t < 4 { h = h*x + cast(t, real); h }"},
    {"x[4,3] u[3,3]", "g = grad(sum(tanh(x @ u)^2), u); grad(sum(g*g), u, x)"},
    {"x[2,3]", "broadcast(x[0:1], 4, 3), broadcast(x[:, 0:1], 2, 5) + 0"},
    {"x[3,1] z[1,4]", "x*z, sum(x*z, 0), sum(x + z, 1), sum(x*z)"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof plan_cases / sizeof *plan_cases; i++)
        check_everywhere(&plan_cases[i]);
}

/* Every definition and activation with one input, with its gradient. */
static void see_definition(void *context, const char *category, const Row *r)
{
    (void)context;
    (void)category;
    if (row_inputs(r) != 1 || (category && strcmp(category, "activation"))) return;
    char text[128];
    snprintf(text, sizeof text, "y = %s(x); y, grad(sum(y*x), x)", row_name(r));
    Case c = {"x[5,130]", text};
    check_everywhere(&c);
}

static void see_scope(void *context)
{
    scope_each_row(nn_scope(context), see_definition, NULL);
}

static void test_definitions(void **state)
{
    (void)state;
    Error e = {0};
    Arena a;
    arena_init(&a, &e);
    if (error_catch(&e, see_scope, &a)) fail_msg("%s", e.message);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_definitions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
