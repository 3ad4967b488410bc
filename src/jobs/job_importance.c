/* job_importance.c: `nudge importance`: how much worse a model gets when one column's values are shuffled among the rows
 * (Breiman, Random Forests, 2001). A column of categories is shuffled as a whole. */
#include "jobs/job.h"

#include "jobs/judged.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IMPORTANCE_SHOWN = 30, IMPORTANCE_BAR = 24, IMPORTANCE_NAME = 64 };

typedef struct ImportanceColumn {
    Text name;
    size_t first, features; /* of a row */
    double mean, spread;    /* of how much worse the figure gets */
} ImportanceColumn;

typedef struct Importance {
    Job *job;
    Judged judged;
    Dataset shuffled; /* the rows that count, where one column at a time is shuffled */
    Dataset plain;    /* the same as they are */
    size_t *order;    /* [rows] */
    size_t repeats, columns;
    ImportanceColumn *column;
    const MetricsFigure *figure;
    double figure_plain;
} Importance;

/* ---- Which columns ------------------------------------------------------------------------------------- */

static void importance_name_pixel(const Dataset *d, size_t feature, Text *out)
{
    for (int i = d->x_rank - 1; i >= 0; i--) {
        size_t inner = 1;
        for (int k = d->x_rank - 1; k > d->x_rank - 1 - i; k--)
            inner *= d->x_shape[k];
        text_print(out, "%s%zu", i == d->x_rank - 1 ? "x[" : ",",
                   feature / inner % d->x_shape[d->x_rank - 1 - i]);
    }
    text_put(out, ']');
}

static int importance_take_table(Importance *p)
{
    const Columns *k = &p->judged.columns;
    for (size_t i = 0; i < k->count; i++) {
        const Column *c = k->column + i;
        if (!c->features) continue;
        ImportanceColumn *own = p->column + p->columns++;
        own->first = c->first, own->features = c->features;
        text_name(&own->name, c->name);
        if (own->name.failed) return error_memory(p->job->error);
    }
    return NUDGE_OK;
}

static int importance_take_pixels(Importance *p)
{
    for (size_t i = 0; i < p->plain.features; i++) {
        ImportanceColumn *own = p->column + p->columns++;
        own->first = i, own->features = 1;
        importance_name_pixel(&p->plain, i, &own->name);
        if (own->name.failed) return error_memory(p->job->error);
    }
    return NUDGE_OK;
}

static int importance_take_columns(Importance *p)
{
    p->column = memory_zero(p->plain.features, sizeof *p->column);
    if (!p->column) return error_memory(p->job->error);
    return p->judged.columns.count ? importance_take_table(p) : importance_take_pixels(p);
}

/* ---- How much worse ------------------------------------------------------------------------------------ */

static int importance_measure(Importance *p, const Dataset *d, double *value)
{
    Metrics metrics = {0};
    double loss;
    int status = model_evaluate(p->judged.model, d, NULL, d->rows, &loss, &metrics, p->job->error);
    if (!status && !p->figure) p->figure = metrics_main(&metrics);
    if (!status) *value = p->figure->value(&metrics, false);
    metrics_free(&metrics);
    return status;
}

/* Row i of the shuffled rows gets the column of row order[i]. */
static void importance_shuffle(Importance *p, const ImportanceColumn *c)
{
    size_t size = data_size(p->plain.x_type), stride = size * p->plain.features, at = size * c->first;
    for (size_t i = 0; i < p->plain.rows; i++)
        memcpy((char *)p->shuffled.owned[0] + i * stride + at,
               (const char *)p->plain.x + p->order[i] * stride + at, size * c->features);
}

static void importance_count(size_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++)
        order[i] = i;
}

/* Mean and spread over the repeats, each a shuffle of its own (Welford's update). */
static int importance_of(Importance *p, size_t column)
{
    ImportanceColumn *c = p->column + column;
    uint64_t seed = (uint64_t)settings_integer(&p->judged.model->settings, "seed");
    double squares = 0;
    for (size_t i = 0; i < p->repeats && !p->job->stopped; i++) {
        double value;
        importance_count(p->order, p->plain.rows);
        dataset_shuffle(p->order, p->plain.rows, seed, column * p->repeats + i);
        importance_shuffle(p, c);
        if (importance_measure(p, &p->shuffled, &value)) return p->job->error->status;
        double worse = p->figure->higher ? p->figure_plain - value : value - p->figure_plain,
               off = worse - c->mean;
        c->mean += off / (double)(i + 1);
        squares += off * (worse - c->mean);
    }
    c->spread = p->repeats > 1 ? sqrt(squares / (double)(p->repeats - 1)) : (double)NAN;
    importance_count(p->order, p->plain.rows);
    importance_shuffle(p, c);
    return NUDGE_OK;
}

static int importance_progress(Importance *p, size_t column)
{
    Text text = {0}, json = {0};
    text_print(&text, "column %zu/%zu  %s", column + 1, p->columns, text_end(&p->column[column].name));
    JsonWriter w = job_begin(&json, "progress");
    json_key(&w, "column");
    json_integer(&w, (int64_t)column + 1);
    json_key(&w, "columns");
    json_integer(&w, (int64_t)p->columns);
    return job_say(p->job, "progress", &text, &w);
}

static int importance_all(Importance *p)
{
    Error *e = p->job->error;
    Judged *j = &p->judged;
    p->order = memory_new(j->rows.rows, sizeof *p->order);
    if (!p->order) return error_memory(e);
    importance_count(p->order, j->rows.rows);
    const size_t *rows = j->order ? j->order : p->order;
    int status = jobdata_part(&p->plain, &j->rows, rows, j->count, e);
    if (!status) status = jobdata_part(&p->shuffled, &j->rows, rows, j->count, e);
    if (!status) status = importance_take_columns(p);
    if (!status) status = importance_measure(p, &p->plain, &p->figure_plain);
    for (size_t i = 0; i < p->columns && !status && !p->job->stopped; i++)
        if (!(status = importance_progress(p, i))) status = importance_of(p, i);
    return status;
}

/* ---- What is said -------------------------------------------------------------------------------------- */

static int importance_by_mean(const void *a, const void *b)
{
    const ImportanceColumn *x = a, *y = b;
    if (x->mean != y->mean) return x->mean < y->mean ? 1 : -1;
    return x->first < y->first ? -1 : 1;
}

static void importance_print_row(const Importance *p, ImportanceColumn *c, int width, Text *out)
{
    double most = p->column[0].mean;
    int bar = most > 0 && c->mean > 0 ? (int)rint(IMPORTANCE_BAR * c->mean / most) : 0;
    char mean[NUMBER_ROOM], spread[NUMBER_ROOM];
    const char *name = text_end(&c->name);
    int pad = width - text_width(name);
    text_print(out, "\n%s%*s %10s", name, pad > 0 ? pad : 0, "", number_print_short(mean, c->mean, 3));
    if (p->repeats > 1) text_print(out, " ± %-9s", number_print_short(spread, c->spread, 2));
    text_print(out, "  ");
    while (bar-- > 0)
        text_print(out, "█");
}

static void importance_print(Importance *p, Text *out)
{
    int width = 0;
    size_t shown = p->columns < IMPORTANCE_SHOWN ? p->columns : IMPORTANCE_SHOWN;
    for (size_t i = 0; i < shown; i++)
        if (text_width(text_end(&p->column[i].name)) > width)
            width = text_width(text_end(&p->column[i].name));
    if (width > IMPORTANCE_NAME) width = IMPORTANCE_NAME;
    judged_print(&p->judged, out);
    text_print(out, ": %s ", p->figure->name);
    metrics_print(p->figure, p->figure_plain, out);
    text_print(out,
               "; how much worse it gets when a column is shuffled (mean ± deviation of %zu):", p->repeats);
    for (size_t i = 0; i < shown; i++)
        importance_print_row(p, p->column + i, width, out);
    if (shown < p->columns) text_print(out, "\n... and %zu more; --json has all", p->columns - shown);
}

static void importance_json(Importance *p, JsonWriter *w)
{
    json_key(w, "figure");
    json_string(w, p->figure->name);
    json_key(w, "value");
    json_number(w, p->figure_plain);
    json_key(w, "part");
    json_string(w, p->judged.part);
    json_key(w, "columns");
    json_open(w, '[');
    for (size_t i = 0; i < p->columns; i++) {
        json_open(w, '{');
        json_key(w, "column");
        json_string(w, text_end(&p->column[i].name));
        json_key(w, "importance");
        json_number(w, p->column[i].mean);
        json_key(w, "deviation");
        json_number(w, p->column[i].spread);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static int importance_say(Importance *p)
{
    Text text = {0}, json = {0};
    qsort(p->column, p->columns, sizeof *p->column, importance_by_mean);
    importance_print(p, &text);
    JsonWriter w = job_begin(&json, "result");
    importance_json(p, &w);
    return job_say(p->job, "result", &text, &w);
}

static void importance_free(Importance *p)
{
    for (size_t i = 0; i < p->columns; i++)
        text_free(&p->column[i].name);
    memory_release(p->column);
    memory_release(p->order);
    dataset_free(&p->plain);
    dataset_free(&p->shuffled);
    judged_free(&p->judged);
}

int job_importance(Job *job)
{
    Importance p = {.job = job};
    int status = job_count(job, "repeats", 1, 1000, &p.repeats);
    if (!status) status = judged_open(&p.judged, job);
    if (!status) status = importance_all(&p);
    if (!status && !job->stopped) status = importance_say(&p);
    importance_free(&p);
    return status;
}
