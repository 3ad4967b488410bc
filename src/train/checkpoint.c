/* checkpoint.c: see checkpoint.h. */
#include "train/checkpoint.h"

#include "format/file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char checkpoint_best[] = "best.", checkpoint_baseline[] = "baseline";

/* ---- A file being put together ---- */

typedef struct Sheet {
    Arena arena;
    Error *error; /* the arena's */
    const Model *m;
    SafetensorsTensor *tensor;
    size_t tensors;
    SafetensorsNote *note;
    size_t notes;
    /* What goes in. */
    const Store *weights, *best;
    const Progress *progress;
} Sheet;

static void sheet_note(Sheet *s, const char *key, const char *value)
{
    s->note[s->notes++] = (SafetensorsNote){key, value};
}

static void sheet_number(Sheet *s, const char *key, double value)
{
    char number[NUMBER_ROOM];
    sheet_note(s, key, arena_print(&s->arena, "%s", number_print(number, value)));
}

/* Facts are written from the task, whatever the recipe left open. */
static const char *const sheet_facts[] = {"features",   "input",   "task",      "classes",    "targets",
                                          "vocabulary", "padding", "positions", "standardize"};
/* What is about this machine or this run's files. */
static const char *const sheet_local[] = {"init", "isa", "memory"};

static bool sheet_among(const char *key, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(key, list[i])) return true;
    return false;
}

static bool sheet_travels(const SettingKey *key)
{
    return !key->local && key->kind != SETTING_LIST && key->kind != SETTING_FILES &&
           !sheet_among(key->name, sheet_facts, sizeof sheet_facts / sizeof *sheet_facts) &&
           !sheet_among(key->name, sheet_local, sizeof sheet_local / sizeof *sheet_local);
}

/* What was chosen, where it was. */
static void sheet_add_threshold(Sheet *s)
{
    Text text = {0};
    model_print_threshold(s->m, &text);
    const char *value = text.failed ? NULL : arena_print(&s->arena, "%s", text_end(&text));
    text_free(&text);
    if (!value) error_raise(s->error, NUDGE_MACHINE, "out of memory");
    sheet_note(s, "threshold", value);
}

static void sheet_add_recipe(Sheet *s)
{
    for (size_t i = 0; i < s->m->settings.count; i++) {
        const Setting *set = s->m->settings.list[i];
        if (!sheet_travels(set->key)) continue;
        if (s->m->threshold && !strcmp(set->key->name, "threshold")) {
            sheet_add_threshold(s);
            continue;
        }
        sheet_note(s, arena_print(&s->arena, "%s%s%s", set->key->name, *set->name ? "." : "", set->name),
                   set->value);
    }
}

static void sheet_add_facts(Sheet *s)
{
    const Task *task = &s->m->task;
    sheet_number(s, "features", (double)task->features);
    sheet_note(s, "input", task->vocabulary ? "tokens" : task->bytes ? "bytes" : "numbers");
    if (task->vocabulary) sheet_number(s, "vocabulary", (double)task->vocabulary);
    if (task->padding) sheet_number(s, "padding", (double)task->padding);
    if (task->next) sheet_number(s, "positions", (double)task->positions);
    sheet_note(s, "task",
               task->next          ? "next"
               : task->classify    ? "classify"
               : task->labels      ? "labels"
               : task->reconstruct ? "reconstruct"
                                   : "regress");
    sheet_number(s, task->classify ? "classes" : "targets",
                 (double)(task->classify ? task->classes : task->targets));
    sheet_note(s, "standardize", task->standardize ? "true" : "false");
}

/* The numbers of Progress by name: the only list of them. */
typedef struct ProgressField {
    const char *key;
    size_t at;
    bool whole;
} ProgressField;

static const ProgressField progress_fields[] = {
    {"step", offsetof(Progress, step), true},
    {"epoch", offsetof(Progress, epoch), true},
    {"row", offsetof(Progress, row), true},
    {"rows", offsetof(Progress, rows), true},
    {"waited", offsetof(Progress, waited), true},
    {"best_epoch", offsetof(Progress, best_epoch), true},
    {"best_step", offsetof(Progress, best_step), true},
    {"epoch_loss", offsetof(Progress, loss), false},
    {"epoch_weight", offsetof(Progress, weight), false},
    {"best", offsetof(Progress, best), false},
    {"best_loss", offsetof(Progress, best_loss), false},
    {"plateau_best", offsetof(Progress, plateau.best), false},
    {"plateau_waited", offsetof(Progress, plateau.waited), false},
    {"plateau_cooling", offsetof(Progress, plateau.cooling), false},
    {"plateau_drops", offsetof(Progress, plateau.drops), false},
};
enum { PROGRESS_FIELDS = sizeof progress_fields / sizeof *progress_fields };

static void sheet_add_progress(Sheet *s)
{
    for (size_t i = 0; s->progress && i < PROGRESS_FIELDS; i++) {
        const ProgressField *f = &progress_fields[i];
        const char *at = (const char *)s->progress + f->at;
        uint64_t whole;
        double number;
        memcpy(&whole, at, sizeof whole);
        memcpy(&number, at, sizeof number);
        sheet_number(s, f->key, f->whole ? (double)whole : number);
    }
}

static void sheet_add_store(Sheet *s, const Store *store, StorePart part, const char *prefix)
{
    for (size_t i = 0; i < store->count; i++) {
        const Tensor *t = store->list[i];
        if (!tensor_in(t, part)) continue;
        const char *name = *prefix ? arena_print(&s->arena, "%s%s", prefix, t->name) : t->name;
        s->tensor[s->tensors++] = tensor_view(store, t, name);
    }
}

static void sheet_fill(void *context)
{
    Sheet *s = context;
    const Model *m = s->m;
    size_t tensors = s->weights->count + (s->best ? s->best->count : 0) + 1;
    size_t notes = m->settings.count + m->notes + PROGRESS_FIELDS + sizeof sheet_facts / sizeof *sheet_facts;
    s->tensor = arena_new(&s->arena, tensors, sizeof *s->tensor);
    s->note = arena_new(&s->arena, notes, sizeof *s->note);
    if (!isnan(m->baseline[0]))
        s->tensor[s->tensors++] =
            (SafetensorsTensor){checkpoint_baseline, SAFETENSORS_F64, 1, {(int64_t)m->outputs}, m->baseline};
    sheet_add_store(s, s->weights, s->progress ? STORE_ALL : STORE_MODEL, "");
    if (s->best) sheet_add_store(s, s->best, STORE_MODEL, checkpoint_best);
    sheet_add_recipe(s);
    sheet_add_facts(s);
    sheet_add_progress(s);
    for (size_t i = 0; i < m->notes; i++)
        sheet_note(s, m->note[i].key, m->note[i].value);
}

/* Puts the sheet together and hands it to one of the two ways out. */
static int sheet_write(Sheet *s, const char *path, Text *out, Error *e)
{
    Error error = {0};
    arena_init(&s->arena, &error);
    s->error = &error;
    int status = error_catch(&error, sheet_fill, s) ? error_memory(e) : NUDGE_OK;
    if (!status)
        status = path ? safetensors_save(path, s->tensor, s->tensors, s->note, s->notes, e)
                      : safetensors_write(out, s->tensor, s->tensors, s->note, s->notes, e);
    arena_free(&s->arena);
    return status;
}

int model_save(const Model *m, const Store *weights, const char *path, Error *e)
{
    return sheet_write(&(Sheet){.m = m, .weights = weights ? weights : &m->store}, path, NULL, e);
}

int model_write(const Model *m, const Store *weights, Text *out, Error *e)
{
    return sheet_write(&(Sheet){.m = m, .weights = weights ? weights : &m->store}, NULL, out, e);
}

int checkpoint_save(const Model *m, const Progress *p, const Store *best, const char *path, Error *e)
{
    if (best && (!best->count || store_equal(best, &m->store))) best = NULL;
    return sheet_write(&(Sheet){.m = m, .weights = &m->store, .best = best, .progress = p}, path, NULL, e);
}

/* ---- Tensors from a file ---- */

static Shape sheet_shape(const SafetensorsTensor *t)
{
    return shape_of(t->rank, t->shape);
}

static void sheet_print_shape(char text[128], Shape s)
{
    size_t used = 1;
    text[0] = '[', text[1] = 0;
    for (int a = 0; a < s.rank; a++)
        used += (size_t)snprintf(text + used, 128 - used, a ? ", %lld" : "%lld", (long long)s.dim[a]);
    snprintf(text + used, 128 - used, "]");
}

/* "layer 2 has 128 outputs here, 64 in the checkpoint": weights are [outputs, inputs]. */
static int sheet_refuse_shape(const Tensor *t, Shape there, const char *intro, const char *what, Error *e)
{
    Shape here = t->shape;
    const char *dot = strrchr(t->name, '.');
    bool weight = dot && !strcmp(dot, ".weight") && here.rank == there.rank && here.rank >= 2;
    for (int a = 0; weight && a < 2; a++)
        if (here.dim[a] != there.dim[a])
            return error_set(e, NUDGE_INPUT, "%slayer %.*s has %lld %s here, %lld in %s", intro,
                             (int)(dot - t->name), t->name, (long long)here.dim[a], a ? "inputs" : "outputs",
                             (long long)there.dim[a], what);
    char text[2][128];
    sheet_print_shape(text[0], here);
    sheet_print_shape(text[1], there);
    return error_set(e, NUDGE_INPUT, "%s%s has shape %s here, %s in %s", intro, t->name, text[0], text[1],
                     what);
}

/* Copies the file's tensor of that name into t; one that is missing is an error unless it may be. */
static int sheet_take(const Safetensors *f, const Store *store, Tensor *t, const char *prefix,
                      const char *intro, const char *what, Error *e)
{
    Text name = {0};
    text_print(&name, "%s%s", prefix, t->name);
    const SafetensorsTensor *from = name.failed ? NULL : safetensors_find(f, name.s);
    int status = name.failed ? error_memory(e) : NUDGE_OK;
    text_free(&name);
    if (status) return status;
    if (!from) return error_set(e, NUDGE_INPUT, "%s%s is not in %s", intro, t->name, what);
    if (!shape_equal(sheet_shape(from), t->shape))
        return sheet_refuse_shape(t, sheet_shape(from), intro, what, e);
    tensor_take(store, t, from);
    return NUDGE_OK;
}

static int sheet_take_all(const Safetensors *f, Store *store, StorePart part, const char *prefix,
                          const char *intro, const char *what, Error *e)
{
    int status = NUDGE_OK;
    for (size_t i = 0; !status && i < store->count; i++)
        if (tensor_in(store->list[i], part))
            status = sheet_take(f, store, store->list[i], prefix, intro, what, e);
    return status;
}

static void sheet_take_baseline(const Safetensors *f, Model *m)
{
    const SafetensorsTensor *t = safetensors_find(f, checkpoint_baseline);
    if (t && safetensors_elements(t) == m->outputs) safetensors_doubles(t, m->baseline);
}

int model_init(Model *m, const char *path, Error *e)
{
    Safetensors f;
    size_t found = 0;
    int status = safetensors_open(&f, path, e);
    if (status) return status;
    for (size_t i = 0; !status && i < m->store.count; i++) {
        Tensor *t = m->store.list[i];
        if (!tensor_in(t, STORE_MODEL) || !safetensors_find(&f, t->name)) continue;
        char intro[256];
        snprintf(intro, sizeof intro, "%s: its weights do not fit the net: ", path);
        status = sheet_take(&f, &m->store, t, "", intro, "the file", e);
        found++;
    }
    safetensors_close(&f);
    if (!status && !found)
        return error_set(e, NUDGE_INPUT, "%s: has no weight by a name of this net, such as %s", path,
                         m->store.count ? m->store.list[0]->name : "0.weight");
    return status;
}

/* ---- Models from files ---- */

static const SettingKey *sheet_key(const char *key)
{
    size_t count, length = strcspn(key, ".");
    const SettingKey *keys = settings_keys(&count);
    for (size_t i = 0; i < count; i++)
        if (strlen(keys[i].name) == length && !memcmp(keys[i].name, key, length)) return &keys[i];
    return NULL;
}

static int sheet_take_settings(const Safetensors *f, const char *name, Settings *s, Error *e)
{
    int status = NUDGE_OK;
    for (size_t i = 0; !status && i < f->notes; i++)
        if (sheet_key(f->note[i].key)) status = settings_set(s, f->note[i].key, f->note[i].value, name, e);
    return status;
}

/* A count among the facts; 0 if there is none. */
static size_t sheet_count(const Safetensors *f, const char *key)
{
    const char *text = safetensors_note(f, key);
    double value;
    return text && number_is(text, strlen(text), &value) && value >= 1 && value <= 1e9 ? (size_t)value : 0;
}

static int sheet_take_task(const Safetensors *f, const char *name, Task *task, Error *e)
{
    const char *kind = safetensors_note(f, "task"), *input = safetensors_note(f, "input");
    const char *standardize = safetensors_note(f, "standardize");
    bool next = kind && !strcmp(kind, "next"), classify = next || (kind && !strcmp(kind, "classify"));
    *task = (Task){.features = sheet_count(f, "features"),
                   .bytes = input && !strcmp(input, "bytes"),
                   .vocabulary = sheet_count(f, "vocabulary"),
                   .padding = sheet_count(f, "padding"),
                   .next = next,
                   .positions = next ? sheet_count(f, "positions") : 1,
                   .classify = classify,
                   .classes = classify ? sheet_count(f, "classes") : 0,
                   .targets = classify ? 0 : sheet_count(f, "targets"),
                   .labels = kind && !strcmp(kind, "labels"),
                   .reconstruct = kind && !strcmp(kind, "reconstruct"),
                   .standardize = standardize && !strcmp(standardize, "true")};
    if (safetensors_note(f, "net") && task->features && (task->classes || task->targets)) return NUDGE_OK;
    return error_set(
        e, NUDGE_INPUT,
        "%s: holds no model that nudge saved: its metadata has no %s; name a model.safetensors, or a run "
        "directory that has one",
        name, !safetensors_note(f, "net") ? "net" : "task");
}

static bool sheet_is_fact(const char *key)
{
    if (sheet_among(key, sheet_facts, sizeof sheet_facts / sizeof *sheet_facts)) return true;
    for (size_t i = 0; i < PROGRESS_FIELDS; i++)
        if (!strcmp(key, progress_fields[i].key)) return true;
    return false;
}

static int sheet_take_notes(const Safetensors *f, Model *m, Error *e)
{
    int status = NUDGE_OK;
    for (size_t i = 0; !status && i < f->notes; i++)
        if (!sheet_key(f->note[i].key) && !sheet_is_fact(f->note[i].key))
            status = model_set_note(m, f->note[i].key, f->note[i].value, e);
    return status;
}

static int sheet_take_local(const Settings *local, Settings *s, Error *e)
{
    int status = NUDGE_OK;
    for (size_t i = 0; local && !status && i < local->count; i++)
        status = settings_set(s, local->list[i]->key->name, local->list[i]->value, local->list[i]->origin, e);
    return status;
}

static int sheet_model(const Safetensors *f, const char *name, const Settings *local, Model **m, Error *e)
{
    Settings s = {0};
    Task task;
    char intro[256];
    snprintf(intro, sizeof intro, "%s: the weights do not fit its net: ", name);
    int status = sheet_take_task(f, name, &task, e);
    if (!status) status = sheet_take_settings(f, name, &s, e);
    if (!status) status = sheet_take_local(local, &s, e);
    if (!status) status = model_new(m, &s, &task, e);
    if (!status) status = sheet_take_notes(f, *m, e);
    if (!status) status = sheet_take_all(f, &(*m)->store, STORE_MODEL, "", intro, "the file", e);
    if (!status) sheet_take_baseline(f, *m);
    if (!status) (*m)->measured = true;
    settings_free(&s);
    return status;
}

static int sheet_close(Safetensors *f, Model **m, int status)
{
    safetensors_close(f);
    if (!status) return status;
    model_free(*m);
    *m = NULL;
    return status;
}

int model_read(Model **m, const char *name, const void *bytes, size_t size, const Settings *local, Error *e)
{
    Safetensors f;
    *m = NULL;
    int status = safetensors_read(&f, name, bytes, size, e);
    return status ? status : sheet_close(&f, m, sheet_model(&f, name, local, m, e));
}

int model_open(Model **m, const char *path, const Settings *local, Error *e)
{
    struct stat about;
    Safetensors f;
    Text file = {0};
    bool directory = !stat(path, &about) && S_ISDIR(about.st_mode);
    *m = NULL;
    text_print(&file, "%s%s", path, directory ? "/model.safetensors" : "");
    int status = file.failed ? error_memory(e) : safetensors_open(&f, file.s, e);
    if (!status) status = sheet_close(&f, m, sheet_model(&f, file.s, local, m, e));
    text_free(&file);
    return status;
}

/* ---- Checkpoints ---- */

static int checkpoint_progress(const Safetensors *f, const char *path, Progress *p, Error *e)
{
    for (size_t i = 0; i < PROGRESS_FIELDS; i++) {
        const ProgressField *field = &progress_fields[i];
        const char *text = safetensors_note(f, field->key);
        double number = 0;
        bool fits = text && number_is(text, strlen(text), &number);
        if (!fits || (field->whole && !(number >= 0 && number <= 0x1p53 && number == floor(number))))
            return error_set(e, NUDGE_INPUT, "%s: is no checkpoint: its metadata has no number %s", path,
                             field->key);
        uint64_t whole = field->whole ? (uint64_t)number : 0;
        memcpy((char *)p + field->at, field->whole ? (void *)&whole : (void *)&number, sizeof number);
    }
    return NUDGE_OK;
}

/* A tensor that the model does not know is of another net, or of another optimizer. */
static int checkpoint_extra(const Safetensors *f, const Model *m, const char *intro, Error *e)
{
    for (size_t i = 0; i < f->count; i++) {
        const char *name = f->tensor[i].name;
        if (!strncmp(name, checkpoint_best, sizeof checkpoint_best - 1)) name += sizeof checkpoint_best - 1;
        if (strcmp(name, checkpoint_baseline) != 0 && !store_find(&m->store, name))
            return error_set(e, NUDGE_INPUT, "%s%s is in the checkpoint, but not here", intro, name);
    }
    return NUDGE_OK;
}

static int checkpoint_best_weights(const Safetensors *f, const Model *m, Store *best, const char *intro,
                                   Error *e)
{
    Text first = {0};
    text_print(&first, "%s%s", checkpoint_best, m->store.count ? m->store.list[0]->name : "");
    bool there = !first.failed && safetensors_find(f, first.s);
    int status = first.failed ? error_memory(e) : store_copy(best, &m->store, STORE_MODEL, e);
    text_free(&first);
    if (status || !there) return status; /* the weights themselves are the best */
    return sheet_take_all(f, best, STORE_MODEL, checkpoint_best, intro, "the checkpoint", e);
}

/* The length of the run directory's name in that of its checkpoint. */
static int checkpoint_run(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash - path) : (int)strlen(path);
}

static int checkpoint_take(const Safetensors *f, Model *m, Progress *p, Store *best, const char *path,
                           Error *e)
{
    char intro[256];
    int run = checkpoint_run(path);
    snprintf(intro, sizeof intro, "%.*s: recipe and checkpoint are of different nets: ", run, path);
    int status = checkpoint_progress(f, path, p, e);
    if (!status) status = sheet_take_all(f, &m->store, STORE_MODEL, "", intro, "the checkpoint", e);
    snprintf(intro, sizeof intro, "%.*s: recipe and checkpoint differ: ", run, path);
    if (!status) status = checkpoint_extra(f, m, intro, e);
    if (!status) status = sheet_take_all(f, &m->store, STORE_ALL, "", intro, "the checkpoint", e);
    if (!status && p->best_epoch) status = checkpoint_best_weights(f, m, best, intro, e);
    if (!status) sheet_take_baseline(f, m);
    if (!status) m->steps = p->step, m->drops = p->plateau.drops;
    return status;
}

int checkpoint_load(Model *m, Progress *p, Store *best, const char *path, Error *e)
{
    Safetensors f;
    int status = safetensors_open(&f, path, e);
    if (status) return status;
    status = checkpoint_take(&f, m, p, best, path, e);
    safetensors_close(&f);
    if (status) store_free(best);
    return status;
}
