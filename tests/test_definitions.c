/* test_definitions.c: how many digits the definitions keep in f32: what the planner and the CPU make of each row, on
 * floats of every size up to 1e4, against its formula in double. Each row states its bound; each meets it for every
 * instruction set of this machine. */
#include "base/philox.h"
#include "cpu/cpu.h"
#include "graph/reference.h"
#include "nn/nn.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 600, COLUMNS = 16, SIZE = ROWS * COLUMNS, INPUTS_MOST = 2 };

typedef struct Bench {
    Error error;
    Arena arena;
    Graph *g;
    const Definition *d;
    int inputs;
    Node *leaf[INPUTS_MOST], *y;
    float *single[INPUTS_MOST];
    double *exact[INPUTS_MOST];
} Bench;

static const double *bench_bind(void *context, const Node *leaf)
{
    Bench *b = context;
    for (int i = 0; i < b->inputs; i++)
        if (b->leaf[i] == leaf) return b->exact[i];
    return NULL;
}

/* Floats of both signs, from 1e-6 to 1e4 in magnitude, as many in each octave. */
static void bench_values(Bench *b, int input)
{
    b->single[input] = arena_new(&b->arena, SIZE, sizeof(float));
    b->exact[input] = arena_new(&b->arena, SIZE, sizeof(double));
    for (int i = 0; i < SIZE; i++) {
        Philox r = philox(9, (uint64_t)input, (uint64_t)i);
        float x = (float)exp(-13.8 + 23.02 * (r.word[0] * 0x1p-32));
        b->single[input][i] = r.word[1] & 1 ? x : -x;
        b->exact[input][i] = b->single[input][i];
    }
}

static void bench_build(void *context)
{
    static const char *const name[] = {"x", "z"};
    Bench *b = context;
    Scope *scope = scope_new(&b->arena, nn_scope(&b->arena));
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)strcspn(b->d->row, " ("), b->d->row);
    b->inputs = row_inputs(scope_row(scope, text));
    assert_in_range(b->inputs, 1, INPUTS_MOST);
    for (int i = 0; i < b->inputs; i++) {
        b->leaf[i] =
            graph_leaf(b->g, ROLE_DATA, name[i], TYPE_REAL, shape_of(2, (int64_t[]){ROWS, COLUMNS}), NULL);
        scope_add_node(scope, name[i], b->leaf[i]);
        bench_values(b, i);
    }
    strcat(text, b->inputs == 1 ? "(x)" : "(x, z)");
    Context c = {.graph = b->g, .scope = scope, .title = "test", .path = ""};
    b->y = notation_formula(&c, text);
}

static float *bench_run(Bench *b, Isa isa)
{
    PlanOutput output = {"result", b->y};
    PlanRequest request = {
        .graph = b->g, .outputs = 1, .output = &output, .dtype = DTYPE_F32, .backend = cpu_backend(isa)};
    Program *p = plan_compile(&request, &b->error);
    if (!p) fail_msg("%s: %s", b->d->row, b->error.message);
    Workspace *w = cpu_workspace(p, 1);
    assert_non_null(w);
    float *y = arena_new(&b->arena, SIZE, sizeof *y);
    for (int i = 0; i < b->inputs; i++)
        w->slot[plan_slot(p, b->leaf[i]->leaf->name)] = b->single[i];
    w->slot[plan_slot(p, "result")] = y;
    cpu_run(w, NULL);
    cpu_workspace_free(w);
    plan_free(p);
    return y;
}

/* The unit in the last place of a float near x. Below 1e-35 a factor may be subnormal, so no row promises more. */
static double unit_of(double x)
{
    return ldexp(1, ilogb(fmax(fabs(x), 1e-35)) - 23);
}

/* The largest number among the inputs that result i depends on: its row, or itself. */
static double largest_input(const Bench *b, int64_t i)
{
    double most = 0;
    int64_t row = i / b->y->shape.dim[1];
    for (int k = 0; k < b->inputs; k++)
        for (int c = 0; c < COLUMNS; c++)
            if (shape_size(b->y->shape) < SIZE || strstr(b->d->row, "axis") || row * COLUMNS + c == i)
                most = fmax(most, fabs(b->exact[k][row * COLUMNS + c]));
    return most;
}

static double worst_error(Bench *b, const float *is, const double *want)
{
    double worst = 0;
    for (int64_t i = 0; i < shape_size(b->y->shape); i++) {
        if (isnan(want[i]) && isnan(is[i])) continue;
        if (fabs(want[i]) > FLT_MAX && isinf(is[i])) continue;
        double unit = unit_of(b->d->bound < 0 ? fmax(fabs(want[i]), largest_input(b, i)) : want[i]);
        double error = fabs(is[i] - want[i]) / unit;
        worst = error > worst || error != error ? error : worst;
    }
    return worst;
}

static void bench_exact(void *context)
{
    Bench *b = context;
    Reference r = {bench_bind, b, false};
    double *want;
    reference_evaluate(&b->arena, b->g, &r, 1, &b->y, &want);
    for (int isa = 0; isa < ISA_COUNT; isa++) {
        if (!isa_has((Isa)isa)) continue;
        double worst = worst_error(b, bench_run(b, (Isa)isa), want);
        if (!(worst <= fabs(b->d->bound)))
            fail_msg("%s: off by %.3g units, more than the %g it states (%s)", b->d->row, worst,
                     fabs(b->d->bound), isa_name((Isa)isa));
    }
}

static void test_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < ops_definitions_count; i++) {
        Bench b = {.d = &ops_definitions[i]};
        if (!b.d->bound) continue;
        arena_init(&b.arena, &b.error);
        b.g = graph_new(&b.error);
        assert_non_null(b.g);
        if (error_catch(&b.error, bench_build, &b) || error_catch(&b.error, bench_exact, &b))
            fail_msg("%s: %s", b.d->row, b.error.message);
        graph_free(b.g);
        arena_free(&b.arena);
    }
}

/* An activation without a bound is one nobody has looked at. */
static void test_stated(void **state)
{
    (void)state;
    for (size_t i = 0; i < ops_definitions_count; i++)
        if (!strcmp(ops_definitions[i].category, "activation") && !ops_definitions[i].bound)
            fail_msg("%s states no bound", ops_definitions[i].row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bounds), cmocka_unit_test(test_stated)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
