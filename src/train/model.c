/* model.c: see model.h. How a model comes to be and what it is made of; predict.c has what it does, standards.c what it
 * takes from the data. */
#include "train/model.h"

#include "base/philox.h"
#include "train/batch.h"
#include "train/carried.h"
#include "train/checkpoint.h"
#include "train/programs.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum { MODEL_BATCH = 32 };

/* ---- First values ---- */

typedef struct ModelDrawing {
    Blueprint *b;
    Graph *g;
    const Node *const *leaf; /* tensors to be filled, as the network has them */
    Tensor *const *tensor;
    const Store *store;
    size_t count;
    int outputs; /* those that need a program */
    PlanOutput *output;
    void **memory;
} ModelDrawing;

/* True if the value is one number all over, which needs no program. */
static bool model_constant(const Node *n, double *value)
{
    while (n->op == OP_expand || n->op == OP_reshape)
        n = n->input[0];
    if (n->op == OP_const) *value = n->value;
    return n->op == OP_const;
}

static void model_draw(void *context)
{
    ModelDrawing *d = context;
    Context c = {.graph = d->g, .scope = d->b->scope, .title = "first values", .path = ""};
    d->output = arena_new(&d->g->arena, d->count, sizeof *d->output);
    d->memory = arena_new(&d->g->arena, d->count, sizeof *d->memory);
    for (size_t i = 0; i < d->count; i++) {
        double value;
        Node *n = notation_initial(&c, d->leaf[i]->leaf, d->leaf[i]->shape);
        if (model_constant(n, &value)) {
            tensor_fill(d->store, d->tensor[i], value);
            continue;
        }
        d->output[d->outputs] = (PlanOutput){d->tensor[i]->name, n};
        d->memory[d->outputs++] = d->tensor[i]->value;
    }
}

static int model_run_drawing(Model *m, const ModelDrawing *d, Error *e)
{
    Run r;
    int status = run_open(&r, m->programs, d->g, d->outputs, d->output, e);
    if (status) return status;
    for (int i = 0; i < d->outputs; i++)
        run_output(&r, d->output[i].name, d->memory[i]);
    run_set(&r, RUN_SEED, settings_number(&m->settings, "seed"));
    run_go(&r);
    run_end(&r);
    return NUDGE_OK;
}

/* Gives new tensors their first values, all by one program. */
static int model_initialise(Model *m, Blueprint *b, const Node *const *leaf, Tensor *const *tensor,
                            size_t count, Error *e)
{
    error_clear(&b->error);
    ModelDrawing d = {.b = b,
                      .g = graph_new(&b->error),
                      .leaf = leaf,
                      .tensor = tensor,
                      .store = &m->store,
                      .count = count};
    if (!d.g) return error_set(e, b->error.status, "%s", b->error.message);
    int status = blueprint_catch(b, model_draw, &d, e);
    if (!status && d.outputs) status = model_run_drawing(m, &d, e);
    graph_free(d.g);
    return status;
}

static bool model_keeps(const Node *leaf)
{
    return role_kept(leaf->leaf->role);
}

/* What preprocessing divides by starts as 1, what it subtracts as 0. */
static void model_fill(const Store *s, Tensor *t)
{
    size_t length = strlen(t->name);
    tensor_fill(s, t, length > 6 && !strcmp(t->name + length - 6, ".scale") ? 1 : 0);
}

/* Adds the network's parameters and states that the store does not have yet. */
static int model_grow(Model *m, Blueprint *b, const Network *n, Error *e)
{
    const Graph *g = n->graph;
    const Node **leaf = memory_new(g->leaves, sizeof *leaf);
    Tensor **tensor = memory_new(g->leaves, sizeof *tensor);
    size_t count = 0;
    int status = leaf && tensor ? NUDGE_OK : error_memory(e);
    for (size_t i = 0; !status && i < g->leaves; i++) {
        const Node *l = g->leaf[i];
        if (!model_keeps(l) || store_find(&m->store, l->leaf->name)) continue;
        Shape shape = l->shape;
        bool carried = l->leaf->role == ROLE_CARRIED; /* begins as zeros, for a whole batch */
        if (carried) shape.dim[0] = (int64_t)model_batch(m);
        Tensor *t = store_add(&m->store, l->leaf->name, l->leaf->role, shape, e);
        if (!t) status = e->status;
        m->carries |= carried;
        if (carried) continue;
        if (t && !l->leaf->initial) model_fill(&m->store, t);
        if (t && l->leaf->initial) leaf[count] = l, tensor[count++] = t;
    }
    if (!status && count) status = model_initialise(m, b, leaf, tensor, count, e);
    memory_release(leaf);
    memory_release(tensor);
    return status;
}

/* ---- What the network is made of ---- */

static bool model_scheduled(const Model *m)
{
    return strcmp(settings_text(&m->settings, "schedule"), "constant") != 0;
}

static Network *model_template(Model *m, Blueprint *b, Error *e)
{
    return network_build(
        b, &(Binding){.mode = MODE_TRAIN, .rows = MODEL_ROWS, .scheduled = model_scheduled(m)}, e);
}

static int model_copy_layers(Model *m, const Network *n, Error *e)
{
    m->layer = memory_zero((size_t)n->layers, sizeof *m->layer);
    if (!m->layer) return error_memory(e);
    for (; m->layers < (size_t)n->layers; m->layers++) {
        const NetworkLayer *from = &n->layer[m->layers];
        ModelLayer *to = &m->layer[m->layers];
        *to = (ModelLayer){memory_string(from->path), memory_string(from->text), from->depth,
                           from->output->shape};
        if (to->path && to->text) continue;
        m->layers++;
        return error_memory(e);
    }
    return NUDGE_OK;
}

static int model_copy_groups(Model *m, const Network *n, Error *e)
{
    m->group = memory_zero((size_t)n->groups, sizeof *m->group);
    if (!m->group) return error_memory(e);
    for (; m->groups < (size_t)n->groups; m->groups++)
        if (!(m->group[m->groups] = memory_string(n->group[m->groups]))) return error_memory(e);
    for (int i = 0; i < n->parameters; i++)
        m->parameters += (size_t)shape_size(n->parameter[i].leaf->shape);
    return NUDGE_OK;
}

static int model_describe(Model *m, const Blueprint *b, const Network *n, Error *e)
{
    m->task = b->task;
    m->outputs = b->outputs;
    m->baseline = memory_new(m->outputs, sizeof *m->baseline);
    for (size_t i = 0; m->baseline && i < m->outputs; i++)
        m->baseline[i] = (double)NAN;
    if (!m->baseline) return error_memory(e);
    int status = model_copy_layers(m, n, e);
    return status ? status : model_copy_groups(m, n, e);
}

/* Builds the network; describes the model if this is the first time; adds what the store lacks. */
static int model_build(Model *m, Error *e)
{
    Blueprint *b = programs_lock(m->programs);
    Network *n = model_template(m, b, e);
    int status = n ? NUDGE_OK : e->status;
    if (n && !m->layer) status = model_describe(m, b, n, e);
    if (!status) status = model_grow(m, b, n, e);
    m->ready = !status;
    network_free(n);
    programs_unlock(m->programs);
    return status;
}

static int model_set_threads(Model *m, Error *e)
{
    bool given = settings_is_set(&m->settings, "threads");
    int64_t threads = given ? settings_integer(&m->settings, "threads") : 1;
    if (!threads) threads = (int64_t)sysconf(_SC_NPROCESSORS_ONLN);
    return programs_threads(m->programs, threads > 1 ? (int)threads : 1, e);
}

static int model_begin(Model *m, const Settings *settings, const Task *task, Error *e)
{
    int status = settings_copy(&m->settings, settings, e);
    if (status) return status;
    if (!settings_is_set(settings, "net"))
        return error_set(e, NUDGE_INPUT,
                         "there is no net; give one, such as net=dense(32) relu dense(classes)");
    m->store.real = strcmp(settings_text(settings, "dtype"), "float64") ? DATA_F32 : DATA_F64;
    m->programs = programs_new(&m->settings, task, &m->store, e);
    if (!m->programs) return e->status;
    status = model_set_threads(m, e);
    if (!status) status = model_build(m, e);
    if (!status) status = model_take_threshold(m, e);
    const char *init = settings_text(settings, "init");
    return status || !init ? status : model_init(m, init, e);
}

int model_new(Model **m, const Settings *settings, const Task *task, Error *e)
{
    *m = memory_zero(1, sizeof **m);
    int status = *m ? model_begin(*m, settings, task, e) : error_memory(e);
    if (status) {
        model_free(*m);
        *m = NULL;
    }
    return status;
}

void model_free(Model *m)
{
    if (!m) return;
    programs_free(m->programs);
    store_free(&m->store);
    store_free(&m->backup);
    for (size_t i = 0; i < m->layers; i++)
        memory_release(m->layer[i].path), memory_release(m->layer[i].text);
    for (size_t i = 0; i < m->groups; i++)
        memory_release(m->group[i]);
    for (size_t i = 0; i < m->notes; i++)
        memory_release(m->note[i].key), memory_release(m->note[i].value);
    memory_release(m->layer);
    memory_release(m->group);
    memory_release(m->note);
    memory_release(m->baseline);
    memory_release(m->threshold);
    settings_free(&m->settings);
    memory_release(m);
}

int model_clone(const Model *m, Model **copy, Error *e)
{
    Settings settings;
    *copy = NULL;
    int status = settings_copy(&settings, &m->settings, e);
    if (status) return status;
    status = settings_set(&settings, "init", "", "clone", e); /* the weights come from m */
    if (!status) status = model_new(copy, &settings, &m->task, e);
    settings_free(&settings);
    for (size_t i = 0; !status && i < m->notes; i++)
        status = model_set_note(*copy, m->note[i].key, m->note[i].value, e);
    if (!status) {
        store_assign(&(*copy)->store, &m->store);
        memcpy((*copy)->baseline, m->baseline, m->outputs * sizeof *m->baseline);
        (*copy)->steps = m->steps;
        (*copy)->drops = m->drops;
        (*copy)->measured = m->measured;
        status = model_copy_threshold(*copy, m, e);
    }
    if (status) {
        model_free(*copy);
        *copy = NULL;
    }
    return status;
}

static int model_check_narrow(const Model *m, const Model *narrow, Error *e)
{
    for (size_t i = 0; i < narrow->store.count; i++) {
        const Tensor *t = narrow->store.list[i], *whole = store_find(&m->store, t->name);
        if (tensor_in(t, STORE_MODEL) && !(whole && shape_equal(whole->shape, t->shape)))
            return error_set(
                e, NUDGE_INPUT,
                "the net has another %s for %zu tokens at once than for %zu, so it cannot go on token by "
                "token; leave out what depends on the context",
                t->name, narrow->task.features, m->task.features);
    }
    return NUDGE_OK;
}

int model_narrow(const Model *m, size_t features, Model **narrow, Error *e)
{
    Settings settings;
    Task task = m->task;
    *narrow = NULL;
    task.features = task.positions = features;
    int status = settings_copy(&settings, &m->settings, e);
    if (status) return status;
    status = settings_set(&settings, "init", "", "clone", e); /* the weights come from m */
    if (!status) status = model_new(narrow, &settings, &task, e);
    settings_free(&settings);
    if (!status) status = model_check_narrow(m, *narrow, e);
    if (!status) store_assign(&(*narrow)->store, &m->store);
    if (!status) return NUDGE_OK;
    model_free(*narrow);
    *narrow = NULL;
    return status;
}

/* ---- Notes ---- */

const char *model_note(const Model *m, const char *key)
{
    for (size_t i = 0; i < m->notes; i++)
        if (!strcmp(m->note[i].key, key)) return m->note[i].value;
    return NULL;
}

int model_set_note(Model *m, const char *key, const char *value, Error *e)
{
    char *copy = memory_string(value), *name = memory_string(key);
    for (size_t i = 0; copy && name && i < m->notes; i++) {
        if (strcmp(m->note[i].key, key)) continue;
        memory_release(m->note[i].value);
        m->note[i].value = copy;
        memory_release(name);
        return NUDGE_OK;
    }
    if (copy && name && memory_grow(&m->note, &m->note_room, m->notes + 1, sizeof *m->note)) {
        m->note[m->notes++] = (ModelNote){name, copy};
        return NUDGE_OK;
    }
    memory_release(copy);
    memory_release(name);
    return error_memory(e);
}

/* ---- Settings ---- */

/* What the net is made of, and the preprocessing that belongs to its weights. */
static const char *const model_fixed[] = {"net",     "shape", "define", "loss",       "dtype",
                                          "classes", "init",  "isa",    "standardize"};
/* What a training program is made of. */
static const char *const model_training[] = {"optimizer", "groups",  "freeze",     "schedule", "clip",
                                             "micro",     "penalty", "constraint", "average"};

/* A map is the same if its entries are, in order. */
static bool model_same_setting(const Settings *a, const Settings *b, const char *key)
{
    const Setting *p, *q;
    size_t i = 0;
    for (; (p = settings_entry(a, key, i)) && (q = settings_entry(b, key, i)); i++)
        if (strcmp(p->name, q->name) || strcmp(p->value, q->value)) return false;
    q = settings_entry(b, key, i);
    const char *x = settings_text(a, key), *y = settings_text(b, key);
    return (!p && !q) || (!i && x && y && !strcmp(x, y)); /* one may be set to what is the other's default */
}

/* `into` with the changes. The keys that are lists or maps say where data comes from; they are not for a model. */
static int model_merge(Settings *into, const Settings *changes, Error *e)
{
    int status = NUDGE_OK;
    for (size_t i = 0; !status && i < changes->count; i++) {
        const Setting *s = changes->list[i];
        if (s->key->kind == SETTING_LIST || s->key->kind == SETTING_FILES) continue;
        Text key = {0};
        text_print(&key, "%s%s%s", s->key->name, *s->name ? "." : "", s->name);
        status = key.failed ? error_memory(e) : settings_set(into, key.s, s->value, s->origin, e);
        text_free(&key);
    }
    return status;
}

static int model_check_fixed(const Settings *now, const Settings *next, Error *e)
{
    for (size_t i = 0; i < sizeof model_fixed / sizeof *model_fixed; i++)
        if (!model_same_setting(now, next, model_fixed[i]))
            return error_set(
                e, NUDGE_INPUT,
                "%s: %s belongs to the model and cannot change after it was made; make a new model for it",
                settings_origin(next, model_fixed[i]), model_fixed[i]);
    return NUDGE_OK;
}

/* The settings are in place: if training changed, checks the texts and begins a fresh optimizer. */
static int model_retrain(Model *m, const Settings *before, Error *e)
{
    bool same = true;
    for (size_t i = 0; i < sizeof model_training / sizeof *model_training; i++)
        same &= model_same_setting(before, &m->settings, model_training[i]);
    int status = same ? NUDGE_OK : model_restart(m, e);
    if (!status && !model_same_setting(before, &m->settings, "threshold"))
        status = model_take_threshold(m, e);
    return status ? status : model_set_threads(m, e);
}

void model_undo(Model *m, Settings *before)
{
    for (size_t i = 0; i < sizeof model_training / sizeof *model_training; i++)
        if (!model_same_setting(before, &m->settings, model_training[i])) m->ready = false;
    bool same = model_same_setting(before, &m->settings, "threshold");
    settings_free(&m->settings);
    m->settings = *before;
    if (!same) model_take_threshold(m, &(Error){0}); /* it was valid before */
    *before = (Settings){0};
}

int model_settings(Model *m, const Settings *changes, Error *e)
{
    Settings next, before = m->settings;
    int status = settings_copy(&next, &m->settings, e);
    if (status) return status;
    status = model_merge(&next, changes, e);
    if (!status) status = model_check_fixed(&m->settings, &next, e);
    if (status) {
        settings_free(&next);
        return status;
    }
    m->settings = next;
    status = model_retrain(m, &before, e);
    if (status)
        model_undo(m, &before);
    else
        settings_free(&before);
    return status;
}

int model_restart(Model *m, Error *e)
{
    Blueprint *b = programs_lock(m->programs);
    Network *n = model_template(m, b, e);
    int status = n ? NUDGE_OK : e->status;
    if (n) {
        programs_drop(m->programs, MODE_TRAIN);
        store_drop_training(&m->store);
        store_free(&m->backup);
        m->steps = 0;
        m->drops = 0;
        status = model_grow(m, b, n, e);
        m->ready = !status;
    }
    network_free(n);
    programs_unlock(m->programs);
    return status;
}

/* ---- Looking ---- */

Task task_of(const Dataset *d, bool standardize)
{
    return (Task){.features = d->features,
                  .bytes = d->x_type == DATA_U8,
                  .vocabulary = d->vocabulary,
                  .padding = d->padding,
                  .next = d->next,
                  .positions = d->next ? 0 : 1,
                  .classify = d->classes > 0,
                  .classes = d->classes,
                  .targets = d->classes ? 0 : d->targets,
                  .labels = d->labels,
                  .reconstruct = d->reconstruct,
                  .standardize = standardize && d->x_type != DATA_U8 && (!d->vocabulary || !d->classes)};
}

size_t model_batch(const Model *m)
{
    return settings_is_set(&m->settings, "batch") ? (size_t)settings_integer(&m->settings, "batch")
                                                  : MODEL_BATCH;
}

DataType model_real(const Model *m)
{
    return m->store.real;
}

DataType model_input(const Model *m)
{
    return m->task.vocabulary ? DATA_I32 : m->task.bytes ? DATA_U8 : m->store.real;
}

size_t model_columns(const Model *m)
{
    return m->task.classify ? m->task.positions : m->outputs;
}

size_t model_width(const Model *m)
{
    return m->task.classify ? m->task.positions * m->outputs : m->outputs;
}

MetricsKind model_metrics(const Model *m)
{
    const Task *task = &m->task;
    return task->next          ? METRICS_TOKENS
           : task->classify    ? METRICS_CLASSES
           : task->labels      ? METRICS_LABELS
           : task->reconstruct ? METRICS_INPUTS
                               : METRICS_VALUES;
}

double model_unit(const Model *m, size_t target)
{
    const Tensor *scale = store_find(&m->store, "target.scale");
    if (!m->task.reconstruct) return 1;
    return m->task.bytes ? 255 : scale ? tensor_get(&m->store, scale, target) : 1;
}

double model_seed(const Model *m, uint64_t step)
{
    uint64_t seed = (uint64_t)settings_integer(&m->settings, "seed");
    return (double)(hash_mix(hash_mix(seed) + step) >> 11); /* whole, and exact as a double */
}

double model_rate(const Model *m, double step, double steps)
{
    Blueprint *b = programs_lock(m->programs);
    double rate = blueprint_rate(b, step, steps, m->drops);
    programs_unlock(m->programs);
    return rate;
}

/* Targets are classes of the model; of a text's tokens, none where the text has ended. */
static int model_accepts_classes(const Model *m, const Dataset *d, Error *e)
{
    for (size_t i = 0; i < d->rows; i++) {
        const int32_t *t = (const int32_t *)d->t + (d->start ? d->start[i] : i * d->targets);
        for (size_t k = 0; k < d->targets; k++)
            if (t[k] < (m->task.next ? -1 : 0) || t[k] >= (int64_t)m->task.classes)
                return error_set(e, NUDGE_INPUT, "row %zu has class %d, but the model's classes are 0 to %zu",
                                 i, (int)t[k], m->task.classes - 1);
    }
    return NUDGE_OK;
}

int model_judge(Model *m, double loss, Plateau *p, Error *e)
{
    Blueprint *b = programs_lock(m->programs);
    int status = blueprint_judge(b, loss, p, e);
    programs_unlock(m->programs);
    m->drops = p->drops;
    return status;
}

int model_accepts(const Model *m, const Dataset *d, bool labelled, Error *e)
{
    if (!d->rows) return error_set(e, NUDGE_INPUT, "there are no rows; give at least one");
    if (d->features != m->task.features)
        return error_set(e, NUDGE_INPUT, "rows of %zu numbers are given, but the model takes %zu",
                         d->features, m->task.features);
    if (!labelled) return NUDGE_OK;
    if (!d->t) return error_set(e, NUDGE_INPUT, "the rows have no targets to learn from or to judge by");
    if (m->task.classify && d->t_type != DATA_I32)
        return error_set(e, NUDGE_INPUT, "the model tells classes apart, but the targets are numbers");
    if (d->targets != model_columns(m))
        return error_set(e, NUDGE_INPUT, "%zu targets a row are given, but the model has %zu", d->targets,
                         model_columns(m));
    return m->task.classify ? model_accepts_classes(m, d, e) : NUDGE_OK;
}
