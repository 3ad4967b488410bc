/* nudge_api.c: the first tier of nudge.h, thin over train/: arguments are checked and turned into what train/ takes, and
 * errors are kept where nudge_message finds them. */
#include "train/fit.h"

#include <math.h>
#include <string.h>

struct nudge {
    Model *model; /* NULL if it could not be made */
    Error error;  /* of the last call that changes the handle */
    nudge_listener *listener;
    void *context;
};

/* Calls with a const handle may fail in many threads at once, so each thread has a place for the message of its last
 * failure. This is text for people; no behaviour depends on it. */
static _Thread_local struct {
    const nudge *handle;
    int status;
    char message[ERROR_ROOM];
} api_last;

NUDGE_API const char *nudge_version(void)
{
    return NUDGE_VERSION;
}

/* ---- Errors ---- */

static const char *api_sentence(int status)
{
    static const char *const sentences[] = {
        [NUDGE_OK] = "no error",
        [NUDGE_CHECK] = "a check failed",
        [NUDGE_INPUT] = "the input is wrong: there is no model, or an argument is missing",
        [NUDGE_MACHINE] = "out of memory",
        [NUDGE_DIVERGED] = "training diverged",
    };
    bool known = status >= 0 && (size_t)status < sizeof sentences / sizeof *sentences;
    return known ? sentences[status] : "no such status";
}

NUDGE_API const char *nudge_message(const nudge *m, int status)
{
    if (m && status && api_last.handle == m && api_last.status == status) return api_last.message;
    if (m && status && m->error.status == status) return m->error.message;
    return api_sentence(status);
}

/* Begins a call that may change the handle. */
static int api_begin(nudge *m)
{
    if (!m) return NUDGE_INPUT;
    if (api_last.handle == m) api_last.handle = NULL;
    if (!m->model) return m->error.status ? m->error.status : NUDGE_INPUT;
    error_clear(&m->error);
    return NUDGE_OK;
}

/* Ends a call that may not. */
static int api_end(const nudge *m, const Error *e)
{
    if (!e->status) return NUDGE_OK;
    api_last.handle = m;
    api_last.status = e->status;
    memcpy(api_last.message, e->message, sizeof api_last.message);
    return e->status;
}

static int api_no_model(const nudge *m)
{
    return m && m->error.status ? m->error.status : NUDGE_INPUT;
}

/* ---- Models ---- */

static nudge *api_handle(nudge **m)
{
    return *m = memory_zero(1, sizeof **m);
}

/* True of "name", "name(...)". */
static bool api_named(const char *text, const char *name)
{
    size_t length = strlen(name);
    return !strncmp(text, name, length) && (!text[length] || text[length] == '(' || text[length] == ' ');
}

/* Class numbers are what cross_entropy takes, and whoever says how many classes there are. */
static Task api_task(const Settings *s, size_t inputs)
{
    const char *loss = settings_text(s, "loss"), *task = settings_text(s, "task");
    bool classes = settings_is_set(s, "classes"), reconstruct = task && !strcmp(task, "reconstruct");
    return (Task){.features = inputs,
                  .classify = classes || (loss && api_named(loss, "cross_entropy")),
                  .classes = classes ? (size_t)settings_integer(s, "classes") : 0,
                  .targets = reconstruct ? inputs : 0,
                  .labels = task && !strcmp(task, "labels"),
                  .reconstruct = reconstruct,
                  .standardize = settings_is_set(s, "standardize") && settings_flag(s, "standardize")};
}

static int api_make(nudge *m, size_t inputs, const char *net, const char *options)
{
    Settings s = {0};
    if (!inputs)
        return error_set(&m->error, NUDGE_INPUT, "inputs is 0; a model maps rows of at least one number");
    if (!net)
        return error_set(&m->error, NUDGE_INPUT, "net is NULL; give one, such as \"dense(8) relu dense(1)\"");
    int status = options ? settings_parse(&s, options, &m->error) : NUDGE_OK;
    if (!status) status = settings_set(&s, "net", net, "nudge_new", &m->error);
    Task task = status ? (Task){0} : api_task(&s, inputs);
    if (!status) status = model_new(&m->model, &s, &task, &m->error);
    settings_free(&s);
    return status;
}

NUDGE_API int nudge_new(nudge **m, size_t inputs, const char *net, const char *options)
{
    return api_handle(m) ? api_make(*m, inputs, net, options) : NUDGE_MACHINE;
}

NUDGE_API int nudge_open(nudge **m, const char *path)
{
    if (!api_handle(m)) return NUDGE_MACHINE;
    if (!path) return error_set(&(*m)->error, NUDGE_INPUT, "path is NULL; name a file or a run directory");
    return model_open(&(*m)->model, path, NULL, &(*m)->error);
}

NUDGE_API int nudge_open_memory(nudge **m, const void *bytes, size_t size)
{
    if (!api_handle(m)) return NUDGE_MACHINE;
    if (!bytes)
        return error_set(&(*m)->error, NUDGE_INPUT, "bytes is NULL; give what nudge_save_memory wrote");
    return model_read(&(*m)->model, "memory", bytes, size, NULL, &(*m)->error);
}

NUDGE_API int nudge_clone(const nudge *m, nudge **copy)
{
    if (!api_handle(copy)) return NUDGE_MACHINE;
    if (!m || !m->model)
        return error_set(&(*copy)->error, api_no_model(m), "there is no model to clone%s%s", m ? ": " : "",
                         m ? m->error.message : "");
    model_clone(m->model, &(*copy)->model, &(*copy)->error);
    return api_end(m, &(*copy)->error);
}

NUDGE_API void nudge_free(nudge *m)
{
    if (!m) return;
    if (api_last.handle == m) api_last.handle = NULL;
    model_free(m->model);
    memory_release(m);
}

NUDGE_API size_t nudge_inputs(const nudge *m)
{
    return m && m->model ? m->model->task.features : 0;
}

NUDGE_API size_t nudge_outputs(const nudge *m)
{
    return m && m->model ? model_width(m->model) : 0;
}

/* ---- Saving ---- */

NUDGE_API int nudge_save(const nudge *m, const char *path)
{
    Error e = {0};
    if (!m || !m->model) return api_no_model(m);
    if (path)
        model_save(m->model, NULL, path, &e);
    else
        error_set(&e, NUDGE_INPUT, "path is NULL; name the file to write");
    return api_end(m, &e);
}

NUDGE_API int nudge_save_memory(const nudge *m, void *buffer, size_t room, size_t *need)
{
    Error e = {0};
    Text out = {0};
    if (!m || !m->model) return api_no_model(m);
    int status = model_write(m->model, NULL, &out, &e);
    if (!status && out.failed) status = error_memory(&e);
    if (!status && need) *need = out.length;
    if (!status && (out.length > room || !buffer))
        status = error_set(&e, NUDGE_INPUT, "the buffer has room for %zu bytes, but the model needs %zu",
                           room, out.length);
    if (!status) memcpy(buffer, out.s, out.length);
    text_free(&out);
    return api_end(m, &e);
}

/* ---- Rows ---- */

static int api_check_finite(const float *x, size_t rows, size_t columns, const char *name, Error *e)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < columns; k++)
            if (!isfinite(x[i * columns + k]))
                return error_set(
                    e, NUDGE_INPUT,
                    "%s is %s in row %zu, column %zu (from 0); leave such rows out, or fill them in", name,
                    isnan(x[i * columns + k]) ? "NaN" : "infinite", i, k);
    return NUDGE_OK;
}

static int api_check_rows(const Model *m, const float *x, size_t rows, Error *e)
{
    if (!rows) return error_set(e, NUDGE_INPUT, "rows is 0; give at least one");
    if (!x) return error_set(e, NUDGE_INPUT, "x is NULL; give [rows, %zu] numbers", m->task.features);
    return NUDGE_OK;
}

/* Numbers that a net takes: finite ones, or tokens of its vocabulary. */
static int api_check_inputs(const Model *m, const float *x, size_t rows, Error *e)
{
    size_t columns = m->task.features;
    int status = api_check_finite(x, rows, columns, "x", e);
    for (size_t i = 0; !status && m->task.vocabulary && i < rows * columns; i++) {
        char number[NUMBER_ROOM];
        if (!(x[i] >= 0 && x[i] < (float)m->task.vocabulary && x[i] == floorf(x[i])))
            status =
                error_set(e, NUDGE_INPUT,
                          "x is %s in row %zu, column %zu (from 0), which is no token; tokens are 0 to %zu",
                          number_print_float(number, x[i]), i / columns, i % columns, m->task.vocabulary - 1);
    }
    return status;
}

/* Of a text, -1 is where nothing follows. */
static int api_take_classes(const Model *m, const float *t, size_t rows, int32_t *class, Error *e)
{
    size_t columns = model_columns(m);
    float least = m->task.next ? -1 : 0;
    for (size_t i = 0; i < rows * columns; i++) {
        char number[NUMBER_ROOM];
        if (!(t[i] >= least && t[i] < (float)m->task.classes && t[i] == floorf(t[i])))
            return error_set(e, NUDGE_INPUT,
                             "t is %s in row %zu (from 0), which is no class; classes are 0 to %zu",
                             number_print_float(number, t[i]), i / columns, m->task.classes - 1);
        class[i] = (int32_t)t[i];
    }
    return NUDGE_OK;
}

static int api_check_labels(const float *t, size_t rows, size_t columns, Error *e)
{
    for (size_t i = 0; i < rows * columns; i++) {
        char number[NUMBER_ROOM];
        if (!(t[i] >= 0 && t[i] <= 1))
            return error_set(e, NUDGE_INPUT,
                             "t is %s in row %zu, column %zu (from 0), which is no label; labels are 0 or 1",
                             number_print_float(number, t[i]), i / columns, i % columns);
    }
    return NUDGE_OK;
}

static int api_take_weights(const float *weights, size_t rows, double *weight, Error *e)
{
    for (size_t i = 0; i < rows; i++) {
        char number[NUMBER_ROOM];
        if (!(weights[i] >= 0) || !isfinite(weights[i]))
            return error_set(e, NUDGE_INPUT,
                             "weights is %s in row %zu (from 0); weights are numbers from 0 on",
                             number_print_float(number, weights[i]), i);
        weight[i] = weights[i];
    }
    return NUDGE_OK;
}

/* Makes a dataset of the caller's arrays; dataset_free releases what it had to convert. */
static int api_dataset(Dataset *d, const Model *m, const float *x, const float *t, const float *weights,
                       size_t rows, Error *e)
{
    *d = (Dataset){.rows = rows,
                   .features = m->task.features,
                   .targets = model_columns(m),
                   .x_type = DATA_F32,
                   .t_type = m->task.classify ? DATA_I32 : DATA_F32,
                   .x = x,
                   .classes = m->task.classes,
                   .vocabulary = m->task.vocabulary,
                   .next = m->task.next,
                   .labels = m->task.labels,
                   .reconstruct = m->task.reconstruct,
                   .x_rank = 1,
                   .x_shape = {m->task.features}};
    int status = api_check_rows(m, x, rows, e);
    if (!status) status = api_check_inputs(m, x, rows, e);
    if (status) return status;
    if (!t && m->task.reconstruct) t = x;
    if (!t)
        return error_set(e, NUDGE_INPUT, "t is NULL; give [rows%s] %s", m->task.classify ? "" : ", outputs",
                         m->task.classify ? "class numbers" : "targets");
    d->t = t;
    if (m->task.classify) {
        int32_t *class = memory_new(rows * d->targets, sizeof *class);
        d->t = d->owned[0] = class;
        status = class ? api_take_classes(m, t, rows, class, e) : error_memory(e);
    } else {
        status = api_check_finite(t, rows, d->targets, "t", e);
        if (!status && m->task.labels) status = api_check_labels(t, rows, d->targets, e);
    }
    if (status || !weights) return status;
    double *weight = memory_new(rows, sizeof *weight);
    d->weight = d->owned[1] = weight;
    return weight ? api_take_weights(weights, rows, weight, e) : error_memory(e);
}

/* ---- Training ---- */

static int api_options(nudge *m, const char *options)
{
    Settings changes = {0};
    int status = options ? settings_parse(&changes, options, &m->error) : NUDGE_OK;
    if (!status) status = model_settings(m->model, &changes, &m->error);
    settings_free(&changes);
    return status;
}

/* Options of a call that was refused do not stay. */
static int api_fit(nudge *m, const Dataset *d, const char *options)
{
    Settings before;
    int status = settings_copy(&before, &m->model->settings, &m->error);
    if (status) return status;
    Fit fit = {.data = d, .listener = m->listener, .context = m->context};
    status = api_options(m, options);
    if (!status) status = fit_run(m->model, &fit, &m->error);
    if (status == NUDGE_INPUT) model_undo(m->model, &before);
    settings_free(&before);
    fit_free(&fit);
    return status;
}

NUDGE_API int nudge_fit(nudge *m, const float *x, const float *t, size_t rows, const char *options)
{
    Dataset d = {0};
    int status = api_begin(m);
    if (status) return status;
    status = api_dataset(&d, m->model, x, t, NULL, rows, &m->error);
    if (!status) status = api_fit(m, &d, options);
    dataset_free(&d);
    return status;
}

NUDGE_API int nudge_step(nudge *m, const float *x, const float *t, const float *weights, size_t rows,
                         float *loss)
{
    Dataset d = {0};
    double before = (double)NAN;
    int status = api_begin(m);
    if (status) return status;
    status = api_dataset(&d, m->model, x, t, weights, rows, &m->error);
    if (!status) status = model_step(m->model, &d, &before, &m->error);
    if (loss) *loss = (float)before;
    dataset_free(&d);
    return status;
}

NUDGE_API void nudge_progress(nudge *m, nudge_listener *listener, void *context)
{
    if (!m) return;
    m->listener = listener;
    m->context = context;
}

/* ---- Predicting ---- */

NUDGE_API int nudge_predict(const nudge *m, const float *x, size_t rows, float *y, size_t room)
{
    Error e = {0};
    size_t need;
    if (!m || !m->model) return api_no_model(m);
    int status = api_check_rows(m->model, x, rows, &e);
    bool fits = !__builtin_mul_overflow(rows, model_width(m->model), &need) && need <= room && y;
    if (!status && !fits)
        status = error_set(&e, NUDGE_INPUT, "y has room for %zu numbers, but %zu rows of %zu need more",
                           y ? room : 0, rows, model_width(m->model));
    if (!status) status = api_check_inputs(m->model, x, rows, &e);
    if (!status) model_predict(m->model, x, DATA_F32, rows, y, DATA_F32, &e);
    return api_end(m, &e);
}

/* ---- Parameters ---- */

static Tensor *api_tensor(const Model *m, const char *name, Error *e)
{
    Tensor *t = name ? store_find(&m->store, name) : NULL;
    if (t) return t;
    const char **names = memory_new(m->store.count, sizeof *names);
    for (size_t i = 0; names && i < m->store.count; i++)
        names[i] = m->store.list[i]->name;
    const char *near = names && name ? name_nearest(name, names, m->store.count) : NULL;
    error_set(e, NUDGE_INPUT, "no parameter is called %s; %s%s%s", name ? name : "NULL",
              near ? "did you mean " : "the first is ", near ? near : m->store.list[0]->name,
              near ? "?" : "");
    memory_release(names);
    return NULL;
}

NUDGE_API int nudge_set(nudge *m, const char *name, const double *values, size_t n)
{
    int status = api_begin(m);
    if (status) return status;
    Tensor *t = api_tensor(m->model, name, &m->error);
    if (!t) return m->error.status;
    if (n != t->size || !values)
        return error_set(&m->error, NUDGE_INPUT, "%s has %zu numbers; %zu are given", name, t->size,
                         values ? n : 0);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return error_set(&m->error, NUDGE_INPUT, "number %zu of the new values of %s is not finite", i,
                             name);
    data_convert(t->value, m->model->store.real, values, DATA_F64, n);
    return NUDGE_OK;
}

NUDGE_API int nudge_get(const nudge *m, const char *name, double *values, size_t room, size_t *need)
{
    Error e = {0};
    if (!m || !m->model) return api_no_model(m);
    const Tensor *t = api_tensor(m->model, name, &e);
    if (t && need) *need = t->size;
    if (t && (room < t->size || !values))
        error_set(&e, NUDGE_INPUT, "values has room for %zu numbers, but %s has %zu", values ? room : 0, name,
                  t->size);
    else if (t)
        data_convert(values, DATA_F64, t->value, m->model->store.real, t->size);
    return api_end(m, &e);
}
