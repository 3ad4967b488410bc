/* test_fused.c: generated kernels give the bits of the interpreter, for training steps of odd sizes; and a backend that
 * claims a call gets it whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/philox.h"
#include "cpu/cpu.h"
#include "cpu/kernel.h"
#include "train/network.h"

#include <math.h>
#include <string.h>

enum { STEPS = 3 };

/* The memory of a program's slots after a few steps from the same start. */
static void **train(const Network *n, const Backend *backend, Program **program)
{
    Error e = {0};
    PlanOutput output = {"loss", n->loss};
    PlanRequest r = {.graph = n->graph,
                     .outputs = 1,
                     .output = &output,
                     .assignments = true,
                     .dtype = DTYPE_F32,
                     .backend = backend};
    Program *p = *program = plan_compile(&r, &e);
    if (!p) fail_msg("%s", e.message);
    void **slot = test_calloc((size_t)p->slots, sizeof *slot);
    Workspace *w = cpu_workspace(p, 1);
    for (int s = SLOT_FIRST; s < p->slots; s++) {
        float *x = w->slot[s] = slot[s] = test_calloc(p->slot[s].bytes + 64, 1);
        bool positive = p->slot[s].role == ROLE_STATE;
        for (size_t i = 0; p->slot[s].type == TYPE_REAL && i < p->slot[s].bytes / sizeof *x; i++) {
            float u = (float)(philox(1, hash_string(p->slot[s].name), i).word[0] * 0x1p-32);
            x[i] = positive ? u : u - .5f;
        }
    }
    for (int step = 1; step <= STEPS; step++) {
        for (int i = 0; i < p->scalar_leaves; i++)
            w->scalar[p->scalar_leaf[i].index] = step;
        cpu_run(w, NULL);
    }
    cpu_workspace_free(w);
    return slot;
}

static int generated_groups(const Program *p)
{
    int count = 0;
    for (int i = 0; i < p->instructions; i++)
        count += p->instruction[i].group && p->instruction[i].group->steps;
    return count;
}

static void check_net(const char *options, size_t features, size_t rows, Isa isa)
{
    Error e = {0};
    Settings s = {0};
    Blueprint b = {0};
    Task task = {.features = features, .targets = 3};
    if (settings_parse(&s, options, &e) || blueprint_open(&b, &s, &task, &e)) fail_msg("%s", e.message);
    Network *n = network_build(&b, &(Binding){.mode = MODE_TRAIN, .rows = rows}, &e);
    if (!n) fail_msg("%s", e.message);
    Program *p, *q;
    void **fast = train(n, cpu_backend(isa), &p), **slow = train(n, cpu_interpreter(isa), &q);
    assert_true(generated_groups(p) > 2);
    for (int i = SLOT_FIRST; i < p->slots; i++) {
        if (memcmp(fast[i], slow[i], p->slot[i].bytes)) fail_msg("%s: %s differs", options, p->slot[i].name);
        test_free(fast[i]);
        test_free(slow[i]);
    }
    test_free(fast);
    test_free(slow);
    plan_free(p);
    plan_free(q);
    network_free(n);
    blueprint_close(&b);
    settings_free(&s);
}

static void test_same_bits(void **state)
{
    (void)state;
    static const char *const nets[] = {
        "net='dense(7) relu dense(3)' optimizer=sgd loss=mse",
        "net='dense(37) gelu dense(3)' optimizer=adam loss=huber",
        "net='dense(130) tanh dense(3)' optimizer='sgd(momentum=.9, weight_decay=1e-4)' loss=mse",
        "net='dense(16) sigmoid dense(3)' optimizer=adamw loss=mae clip=norm(1)",
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        for (int isa = 0; isa < ISA_COUNT; isa++)
            if (isa_has((Isa)isa)) check_net(nets[i], 5 + 8 * i, 3 + 30 * i, (Isa)isa);
}

/* ---- Claims ---- */

static void claimed_run(const Frame *f, const Instruction *i, int64_t task)
{
    (void)task;
    const float *x = frame_pointer(f, &i->read[0]);
    float *y = frame_pointer(f, &i->write[0]);
    for (int64_t k = 0; k < shape_size(i->write[0].shape); k++)
        y[k] = -x[k]; /* recognizable, not softmax */
}

static bool claim_softmax(const Backend *b, const Node *call, Dtype dtype)
{
    (void)b;
    return dtype == DTYPE_F32 && !strcmp(call->call->name, "softmax");
}

static void claim_prepare(const Backend *b, Program *p, Instruction *i)
{
    if (i->op != OP_call) {
        cpu_backend((Isa)b->level)->prepare(b, p, i);
        return;
    }
    assert_string_equal(i->name, "softmax");
    Kernel *k = i->detail = arena_new(p->arena, 1, sizeof *k);
    k->run = claimed_run;
    i->tasks = 1;
}

static Graph *claim_graph;
static Node *claim_output;

static void claim_build(void *context)
{
    Arena *a = context;
    Scope *scope = scope_new(a, nn_scope(a));
    Node *x = graph_leaf(claim_graph, ROLE_DATA, "x", TYPE_REAL, shape_of(2, (int64_t[]){2, 3}), NULL);
    scope_add_node(scope, "x", x);
    Context c = {.graph = claim_graph, .scope = scope, .title = "test", .path = ""};
    claim_output = notation_formula(&c, "softmax(x')");
}

static void test_claim(void **state)
{
    (void)state;
    Error e = {0};
    Arena a;
    arena_init(&a, &e);
    claim_graph = graph_new(&e);
    if (error_catch(&e, claim_build, &a)) fail_msg("%s", e.message);
    Backend mine = {.name = "mine", .claim = claim_softmax, .prepare = claim_prepare, .level = ISA_BASE};
    PlanOutput output = {"y", claim_output};
    PlanRequest r = {.graph = claim_graph, .outputs = 1, .output = &output, .backend = &mine};
    Program *p = plan_compile(&r, &e);
    assert_non_null(p);
    float x[6] = {1, 2, 3, 4, 5, 6}, y[6];
    Workspace *w = cpu_workspace(p, 1);
    w->slot[plan_slot(p, "x")] = x;
    w->slot[plan_slot(p, "y")] = y;
    cpu_run(w, NULL);
    const float want[6] = {-1, -4, -2, -5, -3, -6}; /* of x', which a kernel gets as a plain array */
    assert_memory_equal(y, want, sizeof want);
    cpu_workspace_free(w);
    plan_free(p);
    graph_free(claim_graph);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_bits), cmocka_unit_test(test_claim)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
