/* predict.c: what is done with a model: predicting, evaluating, one update. The calls are in model.h. */
#include "train/batch.h"
#include "train/carried.h"
#include "train/model.h"
#include "train/programs.h"

#include <math.h>
#include <string.h>

enum {
    MODEL_CHUNK = 256,       /* rows of a program that predicts or evaluates */
    MODEL_TOKENS = 4096,     /* tokens of text in them */
    MODEL_NUMBERS = 1 << 21, /* numbers that a layer gives for them */
};

/* ---- Predicting ---- */

/* The most numbers that a layer gives for a row. */
static size_t model_widest(const Model *m)
{
    size_t most = model_width(m);
    for (size_t i = 0; i < m->layers; i++) {
        size_t numbers = (size_t)shape_size(m->layer[i].shape) / MODEL_ROWS;
        if (numbers > most) most = numbers;
    }
    return most;
}

size_t model_chunk(const Model *m, size_t rows)
{
    size_t chunk = MODEL_CHUNK;
    while (chunk > rows)
        chunk /= 2;
    if (chunk <= 1) return chunk;
    size_t tokens = m->task.vocabulary ? m->task.features : 0, numbers = model_widest(m);
    size_t batch =
        settings_is_set(&m->settings, "memory") ? (size_t)settings_integer(&m->settings, "batch") : 0;
    while (batch && chunk > batch && chunk > 1)
        chunk /= 2;
    while (chunk > 1 && (chunk * tokens > MODEL_TOKENS || chunk * numbers > MODEL_NUMBERS))
        chunk /= 2;
    return chunk;
}

typedef struct ModelPredicting {
    const Model *m;
    const char *x;
    DataType x_type;
    char *y;
    DataType y_type;
    void *in, *out;       /* of the program's types; NULL where the caller's memory serves */
    CarriedStates *carry; /* or NULL */
    bool follows;         /* rows go on where those of the call before ended; else each is a beginning */
} ModelPredicting;

static int model_predict_chunk(const ModelPredicting *p, size_t rows, Error *e)
{
    const Model *m = p->m;
    size_t features = rows * m->task.features, outputs = rows * model_width(m);
    Run r;
    int status = run_begin(&r, m->programs, &(Binding){.mode = MODE_PREDICT, .rows = rows}, e);
    if (status) return status;
    if (p->in) data_convert(p->in, model_input(m), p->x, p->x_type, features);
    run_bind(&r, RUN_X, p->in ? p->in : (const void *)p->x);
    run_bind(&r, RUN_Y, p->out ? p->out : (void *)p->y);
    if (p->carry && !p->follows) carried_clear(p->carry);
    if (p->carry) carried_bind(p->carry, &r);
    run_go(&r);
    run_end(&r);
    if (p->out) data_convert(p->y, p->y_type, p->out, model_real(m), outputs);
    return NUDGE_OK;
}

static int model_predict_all(ModelPredicting *p, size_t rows, Error *e)
{
    const Model *m = p->m;
    DataType in = model_input(m), x_type = p->x_type, y_type = p->y_type;
    size_t room = rows ? model_chunk(m, rows) : 0, x_row = m->task.features * data_size(x_type);
    if (in != x_type) p->in = memory_new(room, m->task.features * data_size(in));
    if (model_real(m) != y_type) p->out = memory_new(room, model_width(m) * data_size(model_real(m)));
    bool ready = (in == x_type || p->in) && (model_real(m) == y_type || p->out);
    int status = ready ? NUDGE_OK : error_memory(e);
    for (size_t chunk; !status && rows; rows -= chunk) {
        chunk = model_chunk(m, rows);
        status = model_predict_chunk(p, chunk, e);
        p->x += chunk * x_row;
        p->y += chunk * model_width(m) * data_size(y_type);
    }
    memory_release(p->in);
    memory_release(p->out);
    return status;
}

static int model_predict_carrying(ModelPredicting *p, size_t rows, Error *e)
{
    CarriedStates carry;
    int status = carried_open(&carry, p->m, rows ? model_chunk(p->m, rows) : 0, e);
    p->carry = &carry;
    if (!status) status = model_predict_all(p, rows, e);
    carried_close(&carry);
    return status;
}

int model_predict(const Model *m, const void *x, DataType x_type, size_t rows, void *y, DataType y_type,
                  Error *e)
{
    ModelPredicting p = {.m = m, .x = x, .x_type = x_type, .y = y, .y_type = y_type};
    return m->carries ? model_predict_carrying(&p, rows, e) : model_predict_all(&p, rows, e);
}

int model_follow(const Model *m, CarriedStates *carry, const int32_t *x, double *y, Error *e)
{
    ModelPredicting p = {m, (const char *)x, DATA_I32, (char *)y, DATA_F64, NULL, NULL, carry, true};
    return model_predict_all(&p, carry->rows, e);
}

/* ---- Evaluating ---- */

typedef struct ModelEvaluating {
    const Model *m;
    const Dataset *d;
    Batch batch;
    size_t *row;
    void *y;        /* the program's */
    double *values; /* y, then t, as doubles */
    double *unit;   /* of each output, or NULL */
    double loss, weight;
    bool adds;
    size_t
        streams; /* rows that are read side by side, each with a state that goes on; 0: rows are beginnings */
    CarriedStates carry;
    Metrics *metrics;
} ModelEvaluating;

static void model_count_tokens(ModelEvaluating *v)
{
    const Model *m = v->m;
    size_t n = m->outputs, positions = m->task.positions;
    for (size_t i = 0; v->metrics && i < v->batch.rows * positions; i++) {
        int32_t t = ((const int32_t *)v->batch.t)[i];
        if (t < 0) continue;
        data_convert(v->values, DATA_F64, (char *)v->y + i * n * data_size(model_real(m)), model_real(m), n);
        metrics_add_class(v->metrics, v->values, (size_t)t,
                          v->batch.weight ? v->batch.weight[i / positions] : 1);
    }
}

/* Errors of a reconstruction are counted as the net sees its inputs. */
static void model_count_values(ModelEvaluating *v, double *y, double *t, double weight)
{
    for (size_t k = 0; v->unit && k < v->m->outputs; k++) {
        y[k] /= v->unit[k];
        t[k] /= v->unit[k];
    }
    if (v->m->task.labels)
        metrics_add_labels(v->metrics, y, t, weight);
    else
        metrics_add_values(v->metrics, y, t, weight);
}

static void model_count(ModelEvaluating *v)
{
    const Model *m = v->m;
    size_t n = m->outputs;
    double *y = v->values, *t = v->values + n;
    for (size_t i = 0; v->metrics && i < v->batch.rows; i++) {
        double weight = v->batch.weight ? v->batch.weight[i] : 1;
        data_convert(y, DATA_F64, (char *)v->y + i * n * data_size(model_real(m)), model_real(m), n);
        if (m->task.classify) {
            metrics_add_class(v->metrics, y, (size_t)((int32_t *)v->batch.t)[i], weight);
        } else {
            data_convert(t, DATA_F64, (char *)v->batch.t + i * n * data_size(model_real(m)), model_real(m),
                         n);
            model_count_values(v, y, t, weight);
        }
    }
}

static int model_evaluate_chunk(ModelEvaluating *v, size_t rows, Error *e)
{
    const Model *m = v->m;
    double result[1] = {0}, loss;
    Run r;
    Binding k = {.mode = MODE_EVAL, .rows = rows, .weighted = v->batch.weight != NULL};
    int status = run_begin(&r, m->programs, &k, e);
    if (status) return status;
    batch_take(&v->batch, m, v->d, v->row, rows);
    batch_bind(&v->batch, &r);
    run_bind(&r, RUN_Y, v->y);
    if (!v->streams) carried_clear(&v->carry);
    carried_bind(&v->carry, &r);
    run_bind(&r, RUN_LOSS, result);
    run_go(&r);
    run_end(&r);
    data_convert(&loss, DATA_F64, result, model_real(m), 1);
    if (v->batch.total > 0) v->loss += v->adds ? loss : v->batch.total * loss;
    v->weight += v->batch.total;
    m->task.next ? model_count_tokens(v) : model_count(v);
    return NUDGE_OK;
}

/* As many streams as in training, and no more than there are rows. */
static size_t model_streams(const Model *m, const Dataset *d, size_t n)
{
    size_t batch = model_batch(m);
    return !m->carries || !d->stream ? 0 : batch < n ? batch : n;
}

static size_t model_evaluate_next(const ModelEvaluating *v, size_t rows)
{
    if (!v->streams) return model_chunk(v->m, rows);
    return v->streams < rows ? v->streams : rows;
}

static int model_evaluate_all(ModelEvaluating *v, const size_t *order, size_t n, Error *e)
{
    const Model *m = v->m;
    v->streams = model_streams(m, v->d, n);
    size_t room = model_evaluate_next(v, n);
    int status = carried_open(&v->carry, m, room, e);
    if (!status) status = batch_new(&v->batch, m, room, v->d->weight != NULL, e);
    v->row = memory_new(room, sizeof *v->row);
    v->y = memory_new(room, model_width(m) * data_size(model_real(m)));
    v->values = memory_new(2 * m->outputs, sizeof *v->values);
    if (m->task.reconstruct) v->unit = memory_new(m->outputs, sizeof *v->unit);
    if (!status && !(v->row && v->y && v->values && (v->unit || !m->task.reconstruct)))
        status = error_memory(e);
    for (size_t i = 0; v->unit && i < m->outputs; i++)
        v->unit[i] = model_unit(m, i);
    for (size_t done = 0, chunk; !status && done < n; done += chunk) {
        chunk = model_evaluate_next(v, n - done);
        for (size_t i = 0; i < chunk; i++) {
            size_t at = v->streams ? dataset_stream(n, v->streams, done + i) : done + i;
            v->row[i] = order ? order[at] : at;
        }
        status = model_evaluate_chunk(v, chunk, e);
    }
    batch_free(&v->batch);
    carried_close(&v->carry);
    memory_release(v->row);
    memory_release(v->y);
    memory_release(v->values);
    memory_release(v->unit);
    return status;
}

int model_evaluate(const Model *m, const Dataset *d, const size_t *order, size_t n, double *loss,
                   Metrics *metrics, Error *e)
{
    ModelEvaluating v = {.m = m, .d = d, .metrics = metrics};
    int status = n ? NUDGE_OK : error_set(e, NUDGE_INPUT, "there are no rows; give at least one");
    if (!status && metrics)
        status = metrics_begin(metrics, model_metrics(m), m->outputs, m->baseline, m->threshold, e);
    if (!status) status = model_loss_adds(m, &v.adds, e);
    if (!status) status = model_evaluate_all(&v, order, n, e);
    if (!status && metrics) status = metrics_end(metrics, e);
    if (!status) *loss = v.adds ? v.loss : v.loss / v.weight;
    return status;
}

/* ---- What kind of loss it is ---- */

/* zeros [2, features]: x, of whatever type. */
static int model_probe(const Model *m, Blueprint *b, const void *zeros, Error *e)
{
    double memory[2], loss[2];
    Network *n = network_probe(b, e);
    if (!n) return e->status;
    Run r;
    int status = run_open(&r, m->programs, n->graph, 1, &(PlanOutput){"loss", n->loss}, e);
    network_free(n);
    if (status) return status;
    run_bind(&r, RUN_X, zeros);
    run_bind(&r, RUN_LOSS, memory);
    run_go(&r);
    run_end(&r);
    data_convert(loss, DATA_F64, memory, model_real(m), 2);
    b->kind = loss[0] != 0 && fabs(loss[1] - 2 * loss[0]) <= 1e-3 * fabs(loss[0]) ? LOSS_ADDS : LOSS_AVERAGES;
    return NUDGE_OK;
}

static int model_ask(const Model *m, Blueprint *b, Error *e)
{
    void *zeros = memory_zero(2 * m->task.features, sizeof(double));
    int status = zeros ? model_probe(m, b, zeros, e) : error_memory(e);
    memory_release(zeros);
    return status;
}

int model_loss_adds(const Model *m, bool *adds, Error *e)
{
    Blueprint *b = programs_lock(m->programs);
    int status = b->kind == LOSS_UNKNOWN ? model_ask(m, b, e) : NUDGE_OK;
    *adds = b->kind == LOSS_ADDS;
    programs_unlock(m->programs);
    return status;
}

/* ---- One update ---- */

static int model_update(Model *m, const Batch *batch, double *loss, Error *e)
{
    Run r;
    Binding k = {.mode = MODE_TRAIN, .rows = batch->rows, .weighted = batch->weight != NULL};
    int status = run_begin(&r, m->programs, &k, e);
    if (status) return status;
    batch_bind(batch, &r);
    *loss = batch_step(&r, m, (double)m->steps + 1);
    run_end(&r);
    if (isfinite(*loss) && !store_broken(&m->store)) return NUDGE_OK;
    store_assign(&m->store, &m->backup);
    m->steps--;
    return error_set(
        e, NUDGE_DIVERGED,
        "the update made the weights or the loss infinite or NaN, and was taken back; lower lr, or add clip=1");
}

static int model_check_step(Model *m, Error *e)
{
    Blueprint *b = programs_lock(m->programs);
    bool driven = blueprint_driven(b);
    const char *optimizer = blueprint_optimizer(b);
    programs_unlock(m->programs);
    if (!driven) return NUDGE_OK;
    return error_set(
        e, NUDGE_INPUT,
        "%s takes all rows at once, for many steps; a single step needs another optimizer, such as "
        "sgd(lr=0.1)",
        optimizer);
}

/* The batch and the state before the step, to which a failed one goes back. */
static int model_prepare(Model *m, const Dataset *d, Batch *batch, Error *e)
{
    int status = model_check_step(m, e);
    if (!status && !m->ready) status = model_restart(m, e);
    if (!status && !m->backup.count) status = store_copy(&m->backup, &m->store, STORE_ALL, e);
    if (status) return status;
    store_assign(&m->backup, &m->store);
    size_t *row = memory_new(d->rows, sizeof *row);
    status = row ? batch_new(batch, m, d->rows, d->weight != NULL, e) : error_memory(e);
    for (size_t i = 0; !status && i < d->rows; i++)
        row[i] = i;
    if (!status) batch_take(batch, m, d, row, d->rows);
    memory_release(row);
    return status;
}

int model_step(Model *m, const Dataset *d, double *loss, Error *e)
{
    Batch batch = {0};
    double before = 0;
    int status = model_prepare(m, d, &batch, e);
    if (!status && !(batch.total > 0))
        status = error_set(e, NUDGE_INPUT,
                           "the weights of the rows add up to nothing; give at least one that is above 0");
    if (!status) status = model_update(m, &batch, &before, e);
    if (loss) *loss = before;
    batch_free(&batch);
    return status;
}
