/* test_plan_memory.c: planning when memory runs out at any point, and how much of it large graphs need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cpu/cpu.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- A heap that counts, and fails when told to ---- */

typedef struct Heap {
    size_t calls, fails_at; /* the call that fails; 0: none does */
    size_t blocks;          /* alive */
    size_t bytes;           /* asked for, ever */
} Heap;

static Heap heap;

static void *heap_call(void *context, void *block, size_t size)
{
    Heap *h = context;
    if (!size) {
        h->blocks -= block != NULL;
        free(block);
        return NULL;
    }
    if (++h->calls == h->fails_at) return NULL;
    h->blocks += !block;
    h->bytes += size;
    return realloc(block, size);
}

static void heap_begin(size_t fails_at)
{
    assert_int_equal(heap.blocks, 0);
    heap = (Heap){.fails_at = fails_at};
}

/* ---- Graphs ---- */

typedef struct Task {
    Graph *graph;
    int size;
    int outputs;
    PlanOutput output[4];
    void (*build)(struct Task *t);
} Task;

static Node *leaf(Graph *g, Role role, const char *name, int number, Shape shape)
{
    char text[32];
    snprintf(text, sizeof text, "%s%d", name, number);
    return graph_leaf(g, role, text, TYPE_REAL, shape, NULL);
}

static Shape square(int64_t n)
{
    return shape_of(2, (int64_t[]){n, n});
}

static void task_output(Task *t, const char *name, Node *n)
{
    t->output[t->outputs++] = (PlanOutput){name, n};
}

/* One long chain: every node reads the last. */
static void build_chain(Task *t)
{
    static const OpCode op[] = {OP_tanh, OP_neg, OP_sigmoid, OP_sin};
    Graph *g = t->graph;
    Node *x = leaf(g, ROLE_DATA, "x", 0, square(8));
    for (int i = 0; i < t->size; i++)
        x = i % 10 == 9 ? graph_matmul(g, x, x) : graph_unary(g, op[i % 4], x);
    task_output(t, "y", x);
}

/* A net and its way back: each value is read by its neighbour and, far away, by its gradient. */
static void build_ladder(Task *t)
{
    Graph *g = t->graph;
    Node **value = arena_new(&g->arena, (size_t)t->size + 1, sizeof *value);
    value[0] = leaf(g, ROLE_DATA, "x", 0, square(8));
    for (int i = 0; i < t->size; i++)
        value[i + 1] = graph_unary(g, OP_tanh, graph_matmul(g, value[i], value[0]));
    Node *back = value[t->size];
    for (int i = t->size; i-- > 0;)
        back = graph_binary(g, OP_mul, graph_binary(g, OP_sub, back, value[i]), value[i + 1]);
    task_output(t, "y", back);
}

/* Many parameters, each with an update of its own, and one sum over all. */
static void build_wide(Task *t)
{
    Graph *g = t->graph;
    Node *all = graph_const(g, 0);
    for (int i = 0; i < t->size; i++) {
        Node *w = leaf(g, ROLE_PARAMETER, "w", i, square(4));
        graph_assign(g, w, graph_binary(g, OP_mul, w, graph_const(g, .5)));
        all = graph_binary(g, OP_add, graph_reduce(g, OP_sum, w, 3), all);
    }
    task_output(t, "y", all);
}

/* sum(x * t): a body for a call. */
static Node *build_call(Graph *g, Node *x)
{
    Node *place = graph_place(g, TYPE_REAL, x->shape);
    Node *y = graph_binary(g, OP_mul, place, graph_unary(g, OP_tanh, place));
    Body body = {1, 1, &place, &y};
    return graph_call(g, "made", NULL, 1, &x, body);
}

static Node *build_loop(Graph *g, Node *x)
{
    Node *place[] = {graph_place(g, TYPE_REAL, x->shape), graph_place(g, TYPE_I32, (Shape){0})};
    Node *next = graph_binary(g, OP_add, build_call(g, place[0]), graph_cast(g, place[1], TYPE_REAL));
    Loop loop = {.count = 3, .carried = 1, .body = {2, 1, place, &next}};
    return graph_output(g, graph_loop(g, loop, 1, &x), 0);
}

/* A little of everything. */
static void build_mixture(Task *t)
{
    Graph *g = t->graph;
    Node *x = leaf(g, ROLE_DATA, "x", 0, square(300)), *w = leaf(g, ROLE_PARAMETER, "w", 0, square(300));
    Node *rate = graph_leaf(g, ROLE_SCALAR, "rate", TYPE_SCALAR, (Shape){0}, NULL);
    Node *y = graph_unary(g, OP_tanh, graph_matmul(g, x, graph_swap(g, w)));
    Node *both[] = {build_call(g, y), build_loop(g, x)};
    task_output(t, "y", graph_concat(g, 2, both, 0));
    task_output(t, "sum", graph_reduce(g, OP_sum, y, 3));
    task_output(t, "most", graph_node(g, OP_argmax, 1, &y, 1, (int64_t[]){1}));
    graph_assign(g, w, graph_binary(g, OP_sub, w, graph_binary(g, OP_mul, y, rate)));
    for (int i = 0; i < t->size; i++)
        y = graph_binary(g, OP_add, graph_matmul(g, y, w), graph_reduce(g, OP_amax, y, 1));
    task_output(t, "end", y);
}

static void task_build(void *context)
{
    Task *t = context;
    t->build(t);
}

/* Graph, plan and workspace: the first status that is not NUDGE_OK. */
static int task_run(Task t, Error *e)
{
    *e = (Error){0};
    t.graph = graph_new(e);
    if (!t.graph) return e->status;
    int status = error_catch(e, task_build, &t);
    PlanRequest r = {.graph = t.graph,
                     .outputs = t.outputs,
                     .output = t.output,
                     .assignments = true,
                     .dtype = DTYPE_F32,
                     .backend = cpu_backend(ISA_BASE)};
    Program *p = status ? NULL : plan_compile(&r, e);
    graph_free(t.graph);
    Workspace *w = p ? cpu_workspace(p, 2) : NULL;
    if (p && !w) status = NUDGE_MACHINE;
    cpu_workspace_free(w);
    plan_free(p);
    return status ? status : e->status;
}

static void test_failing(void **state)
{
    (void)state;
    Error e;
    Task t = {.build = build_mixture, .size = 100};
    size_t n = 1;
    for (; n == 1 || heap.calls >= heap.fails_at; n++) {
        heap_begin(n);
        int status = task_run(t, &e);
        if (heap.calls >= n) assert_int_equal(status, NUDGE_MACHINE);
    }
    assert_int_equal(e.status, NUDGE_OK);
    assert_true(n > 20);
    heap_begin(0);
}

/* ---- Growth ---- */

static double task_bytes(void (*build)(Task *t), int size)
{
    Error e;
    heap_begin(0);
    if (task_run((Task){.build = build, .size = size}, &e)) fail_msg("%s", e.message);
    return (double)heap.bytes;
}

/* Four times the graph: about four times the memory, not sixteen. */
static void check_growth(const char *name, void (*build)(Task *t))
{
    double small = task_bytes(build, 500), large = task_bytes(build, 2000);
    if (large > 5 * small) fail_msg("%s: %.0f bytes for 500 turns, %.0f for 2000", name, small, large);
    if (large > 2000 * 16000) fail_msg("%s: %.0f bytes a turn", name, large / 2000);
}

static void test_growth(void **state)
{
    (void)state;
    check_growth("chain", build_chain);
    check_growth("ladder", build_ladder);
    check_growth("wide", build_wide);
    heap_begin(0);
}

/* A chain needs memory for the values at hand, not for all. */
static void test_arena(void **state)
{
    (void)state;
    size_t work[2];
    for (int i = 0; i < 2; i++) {
        Error e = {0};
        Task t = {.build = build_chain, .size = i ? 2000 : 100};
        t.graph = graph_new(&e);
        assert_int_equal(error_catch(&e, task_build, &t), NUDGE_OK);
        PlanRequest r = {
            .graph = t.graph, .outputs = 1, .output = t.output, .backend = cpu_backend(ISA_BASE)};
        Program *p = plan_compile(&r, &e);
        assert_non_null(p);
        work[i] = p->work;
        plan_free(p);
        graph_free(t.graph);
    }
    assert_int_equal(work[0], work[1]);
}

int main(void)
{
    nudge_allocator(heap_call, &heap);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_failing), cmocka_unit_test(test_growth),
                                       cmocka_unit_test(test_arena)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
