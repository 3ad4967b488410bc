/* test_plan_golden.c: plans of common nets, as text, beside what they were when somebody last looked: tests/plans/.
 * A change of the planner shows here what it did. UPDATE=1 in the environment writes the files anew; read the
 * difference before it is committed. The backend is one on paper, so that kernels of a machine do not matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn/nn.h"
#include "plan/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Golden {
    const char *name, *data,
        *parameters;       /* "x[2,3] i[2]i": shapes of leaves, whole numbers where i follows */
    const char *text;      /* its values are the outputs */
    const char *optimizer; /* steps on every parameter along the first output's gradient; or NULL */
} Golden;

static const Golden golden_plans[] = {
    {"sgd", "x[32,20] i[32]i", "w[16,20] b[16] v[4,16] c[4]", "cross_entropy(relu(x @ w' + b) @ v' + c, i)",
     "sgd(lr=.1)"},
    {"adam", "x[32,20] i[32]i", "w[16,20] b[16] v[4,16] c[4]", "cross_entropy(relu(x @ w' + b) @ v' + c, i)",
     "adam"},
    {"softmax", "x[32,40] z[32,40]", "", "y = softmax(x); y, grad(sum(y*z), x)", NULL},
    {"layernorm", "x[32,40] z[32,40]", "g[40] b[40]",
     "y = (x - mean(x, 1))/sqrt(var(x, 1) + 1e-5)*g + b; y, grad(sum(y*z), x, g, b)", NULL},
    {"loop", "x[5,8,3] h[8,4]", "u[3,4] w[4,4]",
     "y = (for t < 5 along x { h = tanh(x @ u + h @ w); h }); y, grad(sum(y*y), u, w)", NULL},
    {"split", "x[100000,3]", "", "sum(x*x, 0), amax(x)", NULL},
};

enum { GOLDEN_OUTPUTS = 8 };

typedef struct Drafting {
    Error error;
    Arena arena;
    Graph *graph;
    const Golden *golden;
    Scope *scope;
    int outputs;
    PlanOutput output[GOLDEN_OUTPUTS];
    char name[GOLDEN_OUTPUTS][8];
} Drafting;

/* ---- Making the graph ---- */

static void draft_leaves(Drafting *d, Role role, const char *s)
{
    while (*s) {
        Shape shape = {0};
        size_t length = strcspn(s, "[");
        const char *name = arena_string(&d->arena, s, length);
        for (s += length + 1; *s != ']'; s += *s == ',')
            shape.dim[shape.rank++] = strtol(s, (char **)(uintptr_t)&s, 10);
        Type type = *++s == 'i' ? TYPE_I32 : TYPE_REAL;
        scope_add_node(d->scope, name, graph_leaf(d->graph, role, name, type, shape, NULL));
        s += *s == 'i';
        s += *s == ' ';
    }
}

static void draft_outputs(Drafting *d, Value v)
{
    for (int i = 0; v.kind == VALUE_TUPLE && i < v.count; i++)
        draft_outputs(d, v.item[i]);
    if (v.kind != VALUE_TENSOR) return;
    snprintf(d->name[d->outputs], sizeof d->name[0], "y%d", d->outputs);
    d->output[d->outputs] = (PlanOutput){d->name[d->outputs], v.node};
    d->outputs++;
}

static void draft_step(Drafting *d, const char *optimizer)
{
    Graph *g = d->graph;
    Node *t = graph_leaf(g, ROLE_SCALAR, "t", TYPE_SCALAR, (Shape){0}, NULL);
    size_t leaves = g->leaves;
    for (size_t i = 0; i < leaves; i++) {
        Node *w = g->leaf[i], *dw;
        if (w->leaf->role != ROLE_PARAMETER) continue;
        autodiff_gradients(g, d->scope, d->output[0].node, NULL, 1, &w, &dw);
        Context c = {.graph = g, .scope = d->scope, .title = "optimizer", .path = w->leaf->name};
        Argument given[] = {
            {"w", value_node(w), NULL}, {"g", value_node(dw), NULL}, {"t", value_node(t), NULL}};
        notation_call(&c, optimizer, 3, given);
    }
}

static void draft_make(void *context)
{
    Drafting *d = context;
    const Golden *g = d->golden;
    d->scope = scope_new(&d->arena, nn_scope(&d->arena));
    draft_leaves(d, ROLE_DATA, g->data);
    draft_leaves(d, ROLE_PARAMETER, g->parameters);
    Context c = {.graph = d->graph, .scope = d->scope, .title = g->name, .path = "", .train = true};
    draft_outputs(d, notation_evaluate(&c, g->text));
    if (g->optimizer) draft_step(d, g->optimizer);
}

/* ---- A backend on paper ---- */

static void paper_prepare(const Backend *b, Program *p, Instruction *i)
{
    (void)b, (void)p;
    i->tasks = 1;
}

static const Backend paper = {.name = "paper", .prepare = paper_prepare};

static Program *draft_plan(Drafting *d)
{
    PlanRequest r = {.graph = d->graph,
                     .outputs = d->outputs,
                     .output = d->output,
                     .assignments = true,
                     .dtype = DTYPE_F32,
                     .backend = &paper};
    Program *p = plan_compile(&r, &d->error);
    if (!p) fail_msg("%s: %s", d->golden->name, d->error.message);
    return p;
}

static Drafting *draft_new(const Golden *g)
{
    Drafting *d = test_calloc(1, sizeof *d);
    arena_init(&d->arena, &d->error);
    d->graph = graph_new(&d->error);
    d->golden = g;
    if (error_catch(&d->error, draft_make, d)) fail_msg("%s: %s", g->name, d->error.message);
    return d;
}

static void draft_free(Drafting *d)
{
    graph_free(d->graph);
    arena_free(&d->arena);
    test_free(d);
}

/* The plan as text. */
static void golden_text(const Golden *g, Text *out)
{
    Drafting *d = draft_new(g);
    Program *p = draft_plan(d);
    plan_print(p, out);
    plan_free(p);
    draft_free(d);
}

/* ---- Files ---- */

static void golden_path(const Golden *g, char *path, size_t room)
{
    const char *source = getenv("SOURCE");
    snprintf(path, room, "%s/tests/plans/%s.txt", source ? source : ".", g->name);
}

static void golden_read(const char *path, Text *out)
{
    char part[1024];
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s is missing: run this test with UPDATE=1, and read what it writes", path);
    for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;)
        text_append(out, part, n);
    fclose(f);
}

static void golden_write(const char *path, Text *text)
{
    FILE *f = fopen(path, "wb");
    if (!f) fail_msg("%s cannot be written", path);
    fputs(text_end(text), f);
    assert_int_equal(fclose(f), 0);
}

static void golden_check(const Golden *g)
{
    char path[4096];
    Text is = {0}, was = {0};
    golden_path(g, path, sizeof path);
    golden_text(g, &is);
    if (getenv("UPDATE")) golden_write(path, &is);
    golden_read(path, &was);
    if (strcmp(text_end(&is), text_end(&was))) {
        fprintf(stderr, "the plan was\n%sand is\n%s", text_end(&was), text_end(&is));
        fail_msg("the plan of %s is another one: if it is better, run this test with UPDATE=1", g->name);
    }
    text_free(&is), text_free(&was);
}

static void test_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden_plans / sizeof *golden_plans; i++)
        golden_check(&golden_plans[i]);
}

/* The same graph gives the same plan, whatever was built before. */
static void test_repeats(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden_plans / sizeof *golden_plans; i++) {
        Text one = {0}, two = {0};
        golden_text(&golden_plans[i], &one);
        golden_text(&golden_plans[i], &two);
        assert_string_equal(text_end(&one), text_end(&two));
        text_free(&one), text_free(&two);
    }
}

/* ---- The verifier sees what is broken ---- */

static void break_barrier(Program *p)
{
    for (int i = 0; i < p->instructions; i++)
        p->instruction[i].barrier = false;
}

static void break_work(Program *p)
{
    p->work /= 2;
}

static void break_offset(Program *p)
{
    p->instruction[0].write[0].offset++;
}

static void break_order(Program *p)
{
    Instruction first = p->instruction[0];
    p->instruction[0] = p->instruction[1];
    p->instruction[1] = first;
}

static void break_end(Program *p)
{
    p->instructions--;
}

static void break_place(Program *p)
{
    Instruction *i = &p->instruction[2]; /* reads a column again and again */
    i->write[0].offset = i->read[1].offset;
}

static const struct {
    const char *name; /* of the plan */
    void (*change)(Program *p);
    const char *complaint;
} breakages[] = {
    {"split", break_barrier, "a barrier is missing before it"},
    {"loop", break_barrier, "a loop needs a barrier on each side"},
    {"split", break_work, "a view leaves its slot"},
    {"split", break_offset, "a view is not aligned"},
    {"split", break_order, "it reads what nothing wrote, or what was overwritten"},
    {"softmax", break_end, "it reads what nothing wrote, or what was overwritten"},
    {"softmax", break_place, "it overwrites what it still reads"},
};

static void verify_plan(void *context)
{
    void **both = context;
    plan_verify(both[0], both[1]);
}

static void check_breakage(const Golden *g, void (*change)(Program *p), const char *complaint)
{
    Drafting *d = draft_new(g);
    Program *p = draft_plan(d);
    void *both[] = {p, &d->arena};
    assert_int_equal(error_catch(&d->error, verify_plan, both), NUDGE_OK);
    change(p);
    assert_int_equal(error_catch(&d->error, verify_plan, both), NUDGE_MACHINE);
    if (!strstr(d->error.message, complaint))
        fail_msg("%s: %s, not %s", g->name, d->error.message, complaint);
    plan_free(p);
    draft_free(d);
}

static void test_verify(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof breakages / sizeof *breakages; i++)
        for (size_t k = 0; k < sizeof golden_plans / sizeof *golden_plans; k++)
            if (!strcmp(golden_plans[k].name, breakages[i].name))
                check_breakage(&golden_plans[k], breakages[i].change, breakages[i].complaint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_repeats),
                                       cmocka_unit_test(test_verify)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
