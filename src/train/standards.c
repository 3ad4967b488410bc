/* standards.c: what a model takes from its training rows beside weights: means and deviations for preprocessing, and what
 * the trivial predictor knows. The calls are in model.h. */
#include "train/model.h"

#include <math.h>
#include <string.h>

static void model_put(Model *m, const char *name, const double *values)
{
    Tensor *t = store_find(&m->store, name);
    if (t && values) data_convert(t->value, m->store.real, values, DATA_F64, t->size);
}

void model_standardize(Model *m, const double *mean, const double *scale, const double *target_mean,
                       const double *target_scale)
{
    m->measured = true;
    model_put(m, "input.mean", mean);
    model_put(m, "input.scale", scale);
    model_put(m, "target.mean", target_mean);
    model_put(m, "target.scale", target_scale);
}

bool model_scales_targets(const Model *m)
{
    return store_find(&m->store, "target.mean") != NULL;
}

typedef struct ModelMoments { /* Welford's running mean and sum of squares for each column */
    double *mean, *scale;
    double weight;
} ModelMoments;

static void model_add_moments(ModelMoments *k, const double *x, size_t width, double weight)
{
    if (!(weight > 0)) return;
    k->weight += weight;
    for (size_t c = 0; c < width; c++) {
        double off = x[c] - k->mean[c];
        k->mean[c] += off * weight / k->weight;
        k->scale[c] += off * (x[c] - k->mean[c]) * weight;
    }
}

/* Population deviations; 1 for a column that does not vary, or hardly more than its rounding. */
static void model_end_moments(ModelMoments *k, size_t width)
{
    for (size_t c = 0; c < width; c++) {
        double deviation = k->weight > 0 ? sqrt(k->scale[c] / k->weight) : 0;
        k->scale[c] = deviation > 1e-12 * fabs(k->mean[c]) ? deviation : 1;
    }
}

/* Moments of one side of the rows: x, or t (class numbers give shares of the classes as means). */
static void model_moments(const Model *m, const Dataset *d, const size_t *rows, size_t n, bool targets,
                          ModelMoments *k, double *row)
{
    bool shares = targets && m->task.classify;
    size_t width = targets ? m->outputs : m->task.features;
    DataType type = targets ? d->t_type : d->x_type;
    const char *from = targets ? d->t : d->x;
    for (size_t i = 0; i < n; i++) {
        size_t at = rows ? rows[i] : i;
        if (shares)
            for (size_t c = 0; c < width; c++)
                row[c] = (size_t)((const int32_t *)d->t)[at] == c;
        else
            data_convert(row, DATA_F64, from + at * width * data_size(type), type, width);
        model_add_moments(k, row, width, d->weight ? d->weight[at] : 1);
    }
    model_end_moments(k, width);
}

/* The share of each token among the targets. */
static void model_count_targets(const Model *m, const Dataset *d, const size_t *rows, size_t n, double *share)
{
    double all = 0;
    for (size_t i = 0; i < n; i++) {
        size_t row = rows ? rows[i] : i;
        const int32_t *t = (const int32_t *)d->t + (d->start ? d->start[row] : row * d->targets);
        double weight = d->weight ? d->weight[row] : 1;
        for (size_t k = 0; k < d->targets; k++)
            if (t[k] >= 0) share[t[k]] += weight, all += weight;
    }
    for (size_t c = 0; c < m->outputs; c++)
        share[c] /= all;
}

/* What a reconstruction is compared with is counted as its errors are. */
static void model_baseline_units(Model *m, const double *scale)
{
    bool fresh = scale && m->task.standardize;
    for (size_t i = 0; m->task.reconstruct && i < m->outputs; i++)
        m->baseline[i] /= fresh ? scale[i] : model_unit(m, i);
}

int model_measure(Model *m, const Dataset *d, const size_t *rows, size_t n, bool standards, Error *e)
{
    size_t width = m->outputs > m->task.features ? m->outputs : m->task.features;
    double *room = memory_zero(3 * width, sizeof *room);
    if (!room) return error_memory(e);
    ModelMoments k = {room, room + width, 0};
    if (m->task.next)
        model_count_targets(m, d, rows, n, k.mean);
    else
        model_moments(m, d, rows, n, true, &k, room + 2 * width);
    memcpy(m->baseline, k.mean, m->outputs * sizeof *m->baseline);
    model_baseline_units(m, standards ? k.scale : NULL);
    if (standards && m->task.standardize) {
        model_standardize(m, NULL, NULL, k.mean, k.scale);
        memset(room, 0, 2 * width * sizeof *room);
        k.weight = 0;
        model_moments(m, d, rows, n, false, &k, room + 2 * width);
        model_standardize(m, k.mean, k.scale, NULL, NULL);
    }
    memory_release(room);
    return NUDGE_OK;
}
