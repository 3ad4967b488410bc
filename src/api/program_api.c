/* program_api.c: tier 2 of nudge.h, running: programs of a graph, the memory they are bound to, and their parameters. */
#include "api/graph_api.h"

#include "base/philox.h"

#include <string.h>

struct nudge_program {
    Error error;
    nudge_graph *g;
    Program *program;
    Workspace *workspace;
    void **own;  /* by slot: memory that the program made for what the caller did not bind */
    double runs; /* so far: the optimizer's t, unless the caller gives it */
    bool t_given, seed_given;
};

/* ---- First values ---- */

typedef struct Drawing {
    const nudge_graph *g;
    Graph *graph;
    const Node *leaf;
    PlanOutput output;
} Drawing;

static void drawing_make(void *context)
{
    Drawing *d = context;
    Context c = {.graph = d->graph, .scope = d->g->scope, .title = d->leaf->leaf->name, .path = ""};
    d->output = (PlanOutput){"value", notation_initial(&c, d->leaf->leaf, d->leaf->shape)};
}

static int drawing_run(const Drawing *d, void *value, Error *e)
{
    PlanRequest r = {.graph = d->graph,
                     .outputs = 1,
                     .output = &d->output,
                     .dtype = d->g->dtype,
                     .backend = d->g->backend};
    Program *p = plan_compile(&r, e);
    if (!p) return e->status;
    Workspace *w = cpu_workspace(p, 1);
    if (w) {
        int seed = plan_scalar(p, "seed");
        if (seed >= 0) w->scalar[seed] = settings_number(&d->g->settings, "seed");
        w->slot[plan_slot(p, "value")] = value;
        cpu_run(w, NULL);
    } else {
        error_memory(e);
    }
    cpu_workspace_free(w);
    plan_free(p);
    return e->status;
}

static int program_draw(nudge_graph *g, const Node *leaf, void *value)
{
    Drawing d = {.g = g, .leaf = leaf, .graph = graph_new(&g->error)};
    if (!d.graph) return g->error.status;
    if (!error_catch(&g->error, drawing_make, &d)) drawing_run(&d, value, &g->error);
    graph_free(d.graph);
    return g->error.status;
}

/* Parameters and states that a program is the first to use. */
static int program_tensors(nudge_graph *g)
{
    for (size_t i = 0; i < g->graph->leaves && !g->error.status; i++) {
        const Node *n = g->graph->leaf[i];
        if (!role_kept(n->leaf->role)) continue;
        if (store_find(&g->store, n->leaf->name)) continue;
        Tensor *t = store_add(&g->store, n->leaf->name, n->leaf->role, n->shape, &g->error);
        if (t && n->leaf->initial) program_draw(g, n, t->value);
    }
    return g->error.status;
}

/* ---- Programs ---- */

static int program_bind_tensors(nudge_program *p)
{
    for (int s = SLOT_FIRST; s < p->program->slots; s++) {
        const Slot *slot = &p->program->slot[s];
        const Tensor *t =
            slot->output || slot->role == ROLE_DATA ? NULL : store_find(&p->g->store, slot->name);
        if (t) {
            p->workspace->slot[s] = t->value;
            continue;
        }
        if (!(p->own[s] = memory_zero(slot->bytes, 1))) return error_memory(&p->g->error);
        p->workspace->slot[s] = p->own[s];
    }
    int seed = plan_scalar(p->program, "seed");
    if (seed >= 0) p->workspace->scalar[seed] = settings_number(&p->g->settings, "seed");
    return NUDGE_OK;
}

static int program_make(nudge_program *p, nudge_graph *g)
{
    Error *e = &g->error;
    if (!g->outputs && !g->graph->assignments)
        return error_set(e, NUDGE_INPUT,
                         "nudge_compile: nothing to compute; name an output or an update first");
    if (program_tensors(g)) return e->status;
    PlanRequest r = {.graph = g->graph,
                     .outputs = g->outputs,
                     .output = g->output,
                     .assignments = true,
                     .dtype = g->dtype,
                     .backend = g->backend};
    if (!(p->program = plan_compile(&r, e))) return e->status;
    p->workspace = cpu_workspace(p->program, g->threads);
    p->own = memory_zero((size_t)p->program->slots, sizeof *p->own);
    if (!p->workspace || !p->own) return error_memory(e);
    return program_bind_tensors(p);
}

NUDGE_API int nudge_compile(nudge_program **program, nudge_graph *g)
{
    *program = NULL;
    if (!g) return NUDGE_INPUT;
    if (g->error.status) return g->error.status;
    nudge_program *p = memory_zero(1, sizeof *p);
    if (!p) return error_memory(&g->error);
    p->g = g;
    int status = program_make(p, g);
    g->outputs = 0;
    g->graph->assignments = 0;
    if (status)
        nudge_program_free(p);
    else
        *program = p;
    return status;
}

NUDGE_API void nudge_program_free(nudge_program *p)
{
    if (!p) return;
    for (int s = 0; p->own && s < p->program->slots; s++)
        memory_release(p->own[s]);
    memory_release(p->own);
    cpu_workspace_free(p->workspace);
    plan_free(p->program);
    memory_release(p);
}

NUDGE_API const char *nudge_program_message(const nudge_program *p, int status)
{
    return api_message(p ? &p->error : NULL, status);
}

/* The slot of that name; -1 with an error that suggests one. */
static int program_find(nudge_program *p, const char *name)
{
    int s = name ? plan_slot(p->program, name) : -1;
    if (s >= 0) return s;
    const char *known[64];
    size_t count = 0;
    for (int k = SLOT_FIRST; k < p->program->slots && count < 64; k++)
        known[count++] = p->program->slot[k].name;
    const char *near = name ? name_nearest(name, known, count) : NULL;
    error_clear(&p->error);
    error_set(&p->error, NUDGE_INPUT, "the program reads and writes nothing called %s%s%s%s",
              name ? name : "NULL", near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    return -1;
}

NUDGE_API int nudge_bind(nudge_program *p, const char *name, void *memory)
{
    int s = program_find(p, name);
    if (s < 0) return p->error.status;
    const Slot *slot = &p->program->slot[s];
    error_clear(&p->error);
    if (!slot->output && slot->role != ROLE_DATA)
        return error_set(&p->error, NUDGE_INPUT,
                         "%s is a parameter, whose memory is the graph's; use nudge_memory", name);
    if (!memory) return error_set(&p->error, NUDGE_INPUT, "%s: the memory to bind is NULL", name);
    p->workspace->slot[s] = memory;
    return NUDGE_OK;
}

NUDGE_API void *nudge_memory(nudge_program *p, const char *name)
{
    int s = program_find(p, name);
    return s < 0 ? NULL : p->workspace->slot[s];
}

NUDGE_API int nudge_number(nudge_program *p, const char *name, double value)
{
    int index = name ? plan_scalar(p->program, name) : -1;
    error_clear(&p->error);
    if (index < 0)
        return error_set(&p->error, NUDGE_INPUT, "the program has no scalar called %s", name ? name : "NULL");
    p->workspace->scalar[index] = value;
    p->t_given |= !strcmp(name, "optimizer.t");
    p->seed_given |= !strcmp(name, "seed");
    return NUDGE_OK;
}

/* The optimizer's t counts the runs from 1, unless the caller sets it; so random numbers differ from run to run. */
NUDGE_API int nudge_run(nudge_program *p)
{
    int t = plan_scalar(p->program, "optimizer.t"), seed = plan_scalar(p->program, "seed");
    uint64_t start = (uint64_t)settings_integer(&p->g->settings, "seed");
    p->runs++;
    if (t >= 0 && !p->t_given) p->workspace->scalar[t] = p->runs;
    if (seed >= 0 && !p->seed_given)
        p->workspace->scalar[seed] = (double)(hash_mix(hash_mix(start) + (uint64_t)p->runs) >> 11);
    cpu_run(p->workspace, p->g->crew);
    return NUDGE_OK;
}
