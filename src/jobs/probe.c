/* probe.c: see probe.h. */
#include "jobs/probe.h"

#include <string.h>

int probe_backend(const Model *m, const Backend **backend, Error *e)
{
    const char *name = settings_text(&m->settings, "isa");
    Isa isa = isa_best();
    int status = name ? isa_parse(name, &isa, e) : NUDGE_OK;
    *backend = cpu_backend(isa);
    return status;
}

static int probe_take(Probe *p, const Dataset *data, const size_t *row, size_t n, Error *e)
{
    int status = batch_new(&p->batch, p->model, n, data->weight != NULL, e);
    if (!status) batch_take(&p->batch, p->model, data, row, n);
    return status;
}

static int probe_build_network(Probe *p, const Dataset *data, size_t n, bool still, Error *e)
{
    Model *m = p->model;
    p->blueprint = programs_lock(m->programs);
    programs_unlock(m->programs);
    Binding k = {.mode = MODE_TRAIN,
                 .rows = n,
                 .weighted = data && data->weight,
                 .scheduled = strcmp(settings_text(&m->settings, "schedule"), "constant") != 0,
                 .still = still};
    p->network = network_build(p->blueprint, &k, e);
    return p->network ? NUDGE_OK : e->status;
}

static int probe_begin(Probe *p, Model *m, const Dataset *data, const size_t *row, size_t n, double steps,
                       bool still, Error *e)
{
    *p = (Probe){.model = m, .steps = steps};
    arena_init(&p->arena, e);
    int status = data ? probe_take(p, data, row, n, e) : NUDGE_OK;
    return status ? status : probe_build_network(p, data, n, still, e);
}

int probe_open(Probe *p, Model *m, const Dataset *data, const size_t *row, size_t n, double steps, Error *e)
{
    return probe_begin(p, m, data, row, n, steps, false, e);
}

int probe_open_still(Probe *p, Model *m, const Dataset *data, const size_t *row, size_t n, double steps,
                     Error *e)
{
    return probe_begin(p, m, data, row, n, steps, true, e);
}

void probe_close(Probe *p)
{
    cpu_workspace_free(p->workspace);
    plan_free(p->program);
    network_free(p->network);
    batch_free(&p->batch);
    arena_free(&p->arena);
    *p = (Probe){0};
}

int probe_build(Probe *p, void (*body)(void *context), void *context, Error *e)
{
    return blueprint_catch(p->blueprint, body, context, e);
}

/* Lists of outputs lie in the graph's arena, since wanting happens while building. */
int probe_want(Probe *p, Node *n)
{
    Arena *a = &p->network->graph->arena;
    if (p->outputs == p->room) {
        ProbeOutput *more = arena_new(a, 2 * p->room + 16, sizeof *more);
        if (p->outputs) memcpy(more, p->output, p->outputs * sizeof *more);
        p->output = more;
        p->room = 2 * p->room + 16;
    }
    const char *name = arena_print(a, "value %zu", p->outputs);
    p->output[p->outputs] = (ProbeOutput){name, n, (size_t)shape_size(n->shape), NULL, NULL};
    return (int)p->outputs++;
}

Node *probe_assigned(const Probe *p, const Node *leaf)
{
    const Graph *g = p->network->graph;
    for (size_t i = 0; i < g->assignments; i++)
        if (g->assignment[i].leaf == leaf) return g->assignment[i].value;
    return NULL;
}

int probe_owner(const Network *n, const char *path)
{
    size_t longest = 0;
    int best = -1;
    for (int i = 0; i < n->layers; i++) {
        size_t length = strlen(n->layer[i].path);
        bool begins = !strncmp(n->layer[i].path, path, length) && (!path[length] || path[length] == '.');
        if (begins && length > longest) best = i, longest = length;
    }
    return best;
}

/* ---- Running --------------------------------------------------------------------------------------------- */

static void probe_room(void *context)
{
    Probe *p = context;
    const Graph *g = p->network->graph;
    size_t carried = 1;
    for (size_t i = 0; i < g->leaves; i++) {
        size_t size = (size_t)shape_size(g->leaf[i]->shape);
        if (g->leaf[i]->leaf->role == ROLE_CARRIED && size > carried) carried = size;
    }
    p->fresh = arena_new(&p->arena, carried, sizeof(double));
    for (size_t i = 0; i < p->outputs; i++) {
        p->output[i].memory = arena_new(&p->arena, p->output[i].size + 1, sizeof(double));
        p->output[i].value = arena_new(&p->arena, p->output[i].size + 1, sizeof(double));
    }
}

int probe_program(const Probe *p, bool updates, bool freely, Program **program, Error *e)
{
    PlanRequest r = {.graph = p->network->graph, .outputs = (int)p->outputs, .assignments = updates};
    if (updates && !freely) r.memory = settings_bytes(&p->model->settings, "memory");
    r.dtype = model_real(p->model) == DATA_F64 ? DTYPE_F64 : DTYPE_F32;
    PlanOutput *output = memory_new(p->outputs, sizeof *output);
    int status = output ? probe_backend(p->model, &r.backend, e) : error_memory(e);
    for (size_t i = 0; output && i < p->outputs; i++)
        output[i] = (PlanOutput){p->output[i].name, p->output[i].node};
    r.output = output;
    *program = NULL;
    if (!status) {
        error_clear(&p->blueprint->error);
        *program = plan_compile(&r, &p->blueprint->error);
        if (!*program) status = error_set(e, p->blueprint->error.status, "%s", p->blueprint->error.message);
    }
    memory_release(output);
    return status;
}

static void *probe_memory(const Probe *p, const Slot *s)
{
    const struct {
        const char *name;
        void *memory;
    } data[] = {{"x", p->batch.x}, {"target", p->batch.t}, {"weight", p->batch.real}};
    for (size_t i = 0; s->output && i < p->outputs; i++)
        if (!strcmp(p->output[i].name, s->name)) return p->output[i].memory;
    for (size_t i = 0; s->role == ROLE_DATA && i < sizeof data / sizeof *data; i++)
        if (!strcmp(data[i].name, s->name)) return data[i].memory;
    if (s->role == ROLE_CARRIED) return p->fresh;
    const Tensor *t = store_find(&p->model->store, s->name);
    return t ? t->value : NULL;
}

static void probe_set(Probe *p, const char *name, double value)
{
    int scalar = plan_scalar(p->program, name);
    if (scalar >= 0) p->workspace->scalar[scalar] = value;
}

int probe_compile(Probe *p, Error *e)
{
    int status = error_catch(e, probe_room, p);
    if (!status) status = probe_program(p, false, true, &p->program, e);
    if (status) return status;
    p->workspace = cpu_workspace(p->program, 1);
    if (!p->workspace) return error_memory(e);
    for (int i = SLOT_FIRST; i < p->program->slots; i++)
        p->workspace->slot[i] = probe_memory(p, &p->program->slot[i]);
    probe_set(p, "t", (double)p->model->steps + 1);
    probe_set(p, "steps", p->steps);
    probe_set(p, "seed", model_seed(p->model, p->model->steps + 1));
    return NUDGE_OK;
}

void probe_go(Probe *p)
{
    cpu_run(p->workspace, NULL);
    for (size_t i = 0; i < p->outputs; i++)
        data_convert(p->output[i].value, DATA_F64, p->output[i].memory, model_real(p->model),
                     p->output[i].size);
}

size_t probe_size(const Probe *p, int output)
{
    return p->output[output].size;
}

const double *probe_value(const Probe *p, int output)
{
    return p->output[output].value;
}
