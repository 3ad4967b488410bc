/* lens.c: see lens.h. */
#include "train/lens.h"

#include <math.h>
#include <string.h>

/* ---- Layers ---- */

typedef struct LensGrinding {
    Lens *l;
    Blueprint *b;
} LensGrinding;

static void lens_add(Lens *l, const Node *node, const char *place)
{
    if (!node || node->type != TYPE_REAL) return;
    Arena *a = &l->n->graph->arena;
    l->place[l->outputs] = place;
    l->output[l->outputs] = (PlanOutput){arena_print(a, "lens.%d", l->outputs), (Node *)(uintptr_t)node};
    l->memory[l->outputs++] = arena_new(a, (size_t)shape_size(node->shape), sizeof(double));
}

/* What a layer hands back: the gradient of its input, and those of its parameters. */
static void lens_add_backward(Lens *l, const NetworkLayer *layer, const Node *dx)
{
    const char *place = arena_print(&l->n->graph->arena, "layer %s, %s, backward", layer->path, layer->text);
    lens_add(l, dx, place);
    for (int i = 0; i < l->n->parameters; i++)
        if (!strcmp(l->n->parameter[i].path, layer->path)) lens_add(l, l->n->parameter[i].gradient, place);
}

static void lens_room(Lens *l, size_t most)
{
    Arena *a = &l->n->graph->arena;
    l->outputs = 0;
    l->output = arena_new(a, most, sizeof *l->output);
    l->place = arena_new(a, most, sizeof *l->place);
    l->memory = arena_new(a, most, sizeof *l->memory);
}

/* In the order in which data flows: forward, then backward. */
static void lens_grind(void *context)
{
    const LensGrinding *grinding = context;
    Lens *l = grinding->l;
    Network *n = l->n;
    Arena *a = &n->graph->arena;
    size_t layers = (size_t)n->layers;
    Node **x = arena_new(a, layers + 1, sizeof *x), **dx = arena_new(a, layers + 1, sizeof *dx);
    lens_room(l, 2 * layers + layers * (size_t)n->parameters + 2);
    for (size_t i = 0; i < layers; i++)
        x[i] = n->layer[i].input;
    x[layers] = n->output;
    autodiff_gradients(n->graph, grinding->b->scope, n->loss, NULL, n->layers + 1, x, dx);
    for (int i = 0; i < n->layers; i++)
        lens_add(l, n->layer[i].output,
                 arena_print(a, "layer %s, %s, forward", n->layer[i].path, n->layer[i].text));
    lens_add(l, n->loss, "the loss, forward");
    lens_add(l, dx[layers], "the loss, backward");
    for (int i = n->layers - 1; i >= 0; i--)
        lens_add_backward(l, &n->layer[i], dx[i]);
}

static int lens_begin(Lens *l, Blueprint *b, Error *e)
{
    const Course *c = l->course;
    Binding k = {.mode = MODE_TRAIN,
                 .rows = c->batch.rows,
                 .weighted = c->batch.weight != NULL,
                 .scheduled = c->scheduled};
    l->n = network_build(b, &k, e);
    if (!l->n) return e->status;
    int status = blueprint_catch(b, lens_grind, &(LensGrinding){l, b}, e);
    return status ? status : run_open(&l->run, c->m->programs, l->n->graph, l->outputs, l->output, e);
}

int lens_open(Lens *l, Course *c, Error *e)
{
    *l = (Lens){.course = c, .rows = c->batch.rows};
    int status = lens_begin(l, programs_lock(c->m->programs), e);
    programs_unlock(c->m->programs);
    if (status) lens_close(l);
    return status;
}

void lens_close(Lens *l)
{
    run_end(&l->run);
    network_free(l->n);
    *l = (Lens){0};
}

/* ---- Looking ---- */

static void lens_run(const Lens *l, Run *r, uint64_t step)
{
    const Course *c = l->course;
    for (int i = 0; i < l->outputs; i++)
        run_output(r, l->output[i].name, l->memory[i]);
    batch_bind(&c->batch, r);
    run_set(r, RUN_T, (double)step);
    run_set(r, RUN_STEPS, (double)c->steps);
    run_set(r, RUN_DROPS, c->m->drops);
    run_set(r, RUN_SEED, model_seed(c->m, step));
    run_go(r);
}

typedef enum LensValue { LENS_FINITE, LENS_INFINITE, LENS_NAN } LensValue;

/* The worst value of an output. */
static LensValue lens_value(const Lens *l, int output)
{
    DataType real = model_real(l->course->m);
    size_t size = (size_t)shape_size(l->output[output].node->shape);
    LensValue worst = LENS_FINITE;
    for (size_t i = 0; i < size && worst != LENS_NAN; i++) {
        double value;
        data_convert(&value, DATA_F64, (const char *)l->memory[output] + i * data_size(real), real, 1);
        if (!isfinite(value)) worst = isnan(value) ? LENS_NAN : LENS_INFINITE;
    }
    return worst;
}

/* ---- The operation ---- */

/* A value that is not finite, and all that it was made of. */
typedef struct LensTrace {
    Lens lens; /* of the same network, with a run of its own */
    Node *from, **node;
    size_t count;
    int *output; /* of each node; -1: it is none */
} LensTrace;

/* A call is looked into: what it was made of stands in its place. */
static void lens_trace_outputs(void *context)
{
    LensTrace *t = context;
    Graph *g = t->lens.n->graph;
    if (t->from->op == OP_call) graph_inline(g, &t->from->call->body, t->from->input, &t->from);
    t->node = graph_reachable(g, &t->from, 1, &t->count);
    t->output = arena_new(&g->arena, t->count, sizeof *t->output);
    lens_room(&t->lens, t->count);
    for (size_t i = 0; i < t->count; i++) {
        Node *n = t->node[i];
        bool shows = n->type == TYPE_REAL && n->op != OP_const && graph_outputs(n) == 1;
        t->output[i] = shows ? t->lens.outputs : -1;
        if (shows) lens_add(&t->lens, n, "");
    }
}

/* From the value back to what has such values, and is made of none. */
static const Node *lens_culprit(const LensTrace *t, LensValue *kind)
{
    const Node *n = t->from, *next = n;
    while (next) {
        n = next;
        next = NULL;
        for (int i = 0; i < n->inputs && !next; i++) {
            int output = t->output[n->input[i]->mark];
            if (output >= 0 && lens_value(&t->lens, output) >= *kind) next = n->input[i];
        }
    }
    if (t->output[n->mark] >= 0) *kind = lens_value(&t->lens, t->output[n->mark]);
    return n;
}

static const char *lens_name(const Node *n)
{
    while (n->op == OP_output)
        n = n->input[0];
    return n->op == OP_call ? n->call->name : n->op == OP_leaf ? n->leaf->name : ops_table[n->op].name;
}

static int lens_trace_open(LensTrace *t, Error *e)
{
    Programs *programs = t->lens.course->m->programs;
    Blueprint *b = programs_lock(programs);
    int status = blueprint_catch(b, lens_trace_outputs, t, e);
    if (!status)
        status = run_open(&t->lens.run, programs, t->lens.n->graph, t->lens.outputs, t->lens.output, e);
    programs_unlock(programs);
    return status;
}

/* Where there is no memory for all the values, the layer must do. */
static void lens_trace(const Lens *l, int output, uint64_t step, Text *found)
{
    Error ignored = {0};
    LensTrace t = {.lens = {.course = l->course, .n = l->n}, .from = l->output[output].node};
    LensValue kind = lens_value(l, output);
    const Node *n = NULL;
    do {
        if (lens_trace_open(&t, &ignored)) return;
        lens_run(&t.lens, &t.lens.run, step);
        n = t.from = (Node *)(uintptr_t)lens_culprit(&t, &kind);
        run_end(&t.lens.run);
    } while (n->op == OP_call && graph_outputs(n) == 1);
    text_print(found, ": %s %s %s", lens_name(n), n->op == OP_leaf ? "is" : "gave",
               kind == LENS_NAN ? "NaN" : "inf");
}

int lens_look(Lens *l, uint64_t step, Text *found, Error *e)
{
    lens_run(l, &l->run, step);
    int i = 0;
    while (i < l->outputs && lens_value(l, i) == LENS_FINITE)
        i++;
    if (i == l->outputs) return NUDGE_OK;
    text_print(found, "%s", l->place[i]);
    lens_trace(l, i, step, found);
    return found->failed ? error_memory(e) : NUDGE_OK;
}
