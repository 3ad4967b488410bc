/* job_cv.c: `nudge cv`: k-fold cross-validation. Each fold's rows are judged by a model that never saw them: the other
 * folds are its data, and what it holds out for early stopping comes from them. */
#include "jobs/job.h"

#include "jobs/decide.h"
#include "jobs/recipe.h"
#include "train/fit.h"
#include <math.h>
#include <string.h>

enum { CV_FIGURES = 16 };

typedef struct Crossing {
    Job *job;
    Settings settings;
    JobData data;
    const char *const *names; /* of classes, or NULL */
    size_t folds, done;
    size_t *fold;      /* [rows]: which */
    size_t *rows;      /* those of the other folds, then those of this one */
    double *value;     /* [folds, CV_FIGURES] */
    double *trivial;   /* [folds]: the main figure of the trivial predictor */
    size_t fold_count; /* rows of this fold */
    const MetricsFigure *figure[CV_FIGURES];
    size_t figures;
} Crossing;

/* ---- One fold ------------------------------------------------------------------------------------------ */

/* Sorts the rows: others first, then this fold's. Returns the number of others. */
static size_t cv_deal(Crossing *c, size_t fold)
{
    size_t others = 0, own = 0;
    for (size_t i = 0; i < c->data.rows.rows; i++)
        own += c->fold[i] == fold;
    size_t first = c->data.rows.rows - own;
    for (size_t i = 0, at = first; i < c->data.rows.rows; i++)
        c->rows[c->fold[i] == fold ? at++ : others++] = i;
    c->fold_count = own;
    return others;
}

static int cv_hear(void *context, const nudge_event *event)
{
    Job *job = context;
    if (!strcmp(event->kind, "progress") || !strcmp(event->kind, "warning")) job_event(job, event);
    return job->stopped;
}

/* The figures of the task, from the first fold's metrics. */
static void cv_choose_figures(Crossing *c, const Metrics *m)
{
    size_t count;
    const MetricsFigure *figure = metrics_figures(&count), *first = metrics_main(m);
    c->figure[c->figures++] = first;
    for (size_t i = 0; i < count && c->figures < CV_FIGURES; i++)
        if (figure[i].kind == first->kind && figure + i != first && isfinite(figure[i].value(m, false)))
            c->figure[c->figures++] = figure + i;
}

static void cv_note(Crossing *c, size_t fold, const Metrics *m)
{
    if (!c->figures) cv_choose_figures(c, m);
    for (size_t i = 0; i < c->figures; i++)
        c->value[fold * CV_FIGURES + i] = c->figure[i]->value(m, false);
    c->trivial[fold] = c->figure[0]->value(m, true);
}

/* Trains on `others` and judges the fold. `all` has the missing numbers filled in. */
static int cv_train(Crossing *c, size_t fold, const Dataset *all, const Dataset *others, Model *m)
{
    Error *e = c->job->error;
    Metrics metrics = {0};
    double loss;
    Fit fit = {.data = others, .listener = cv_hear, .context = c->job, .names = c->names};
    int status = fit_run(m, &fit, e);
    if (!status && !fit.stopped)
        status = model_evaluate(m, all, c->rows + others->rows, c->fold_count, &loss, &metrics, e);
    if (!status && !fit.stopped) cv_note(c, fold, &metrics), c->done++;
    metrics_free(&metrics);
    fit_free(&fit);
    return status;
}

static int cv_fold(Crossing *c, size_t fold)
{
    Error *e = c->job->error;
    Dataset all = {0}, others = {0};
    Model *m = NULL;
    Task task = task_of(&c->data.rows, settings_flag(&c->settings, "standardize"));
    size_t n = cv_deal(c, fold);
    int status = jobdata_part(&all, &c->data.rows, NULL, c->data.rows.rows, e);
    if (!status && c->data.table) status = columns_measure(&c->data.columns, &all, c->rows, n, e);
    if (!status) status = jobdata_part(&others, &all, c->rows, n, e);
    if (!status) status = model_new(&m, &c->settings, &task, e);
    if (!status) status = cv_train(c, fold, &all, &others, m);
    model_free(m);
    dataset_free(&all);
    dataset_free(&others);
    return status;
}

/* ---- What is said -------------------------------------------------------------------------------------- */

static int cv_say_start(Crossing *c)
{
    const Settings *s = &c->settings;
    Text text = {0}, json = {0};
    text_print(&text, "%s · ", c->data.file);
    job_print_count(&text, c->data.rows.rows);
    text_print(&text, " rows · %zu folds\nnet %s · %s · %s · batch %s · seed %s", c->folds,
               settings_text(s, "net"), settings_text(s, "loss"), settings_text(s, "optimizer"),
               settings_text(s, "batch"), settings_text(s, "seed"));
    JsonWriter w = job_begin(&json, "start");
    json_key(&w, "data");
    json_string(&w, c->data.file);
    json_key(&w, "rows");
    json_integer(&w, (int64_t)c->data.rows.rows);
    json_key(&w, "folds");
    json_integer(&w, (int64_t)c->folds);
    json_key(&w, "net");
    json_string(&w, settings_text(s, "net"));
    return job_say(c->job, "start", &text, &w);
}

static void cv_json_figures(const Crossing *c, const double *value, JsonWriter *w)
{
    for (size_t i = 0; i < c->figures; i++) {
        json_key(w, c->figure[i]->name);
        json_number(w, value[i]);
    }
}

static int cv_say_fold(Crossing *c, size_t fold)
{
    const double *value = c->value + fold * CV_FIGURES;
    Text text = {0}, json = {0};
    text_print(&text, "fold %zu/%zu  %zu rows", fold + 1, c->folds, c->fold_count);
    for (size_t i = 0; i < c->figures; i++) {
        text_print(&text, "  %s ", c->figure[i]->name);
        metrics_print(c->figure[i], value[i], &text);
    }
    JsonWriter w = job_begin(&json, "fold");
    json_key(&w, "fold");
    json_integer(&w, (int64_t)fold + 1);
    json_key(&w, "rows");
    json_integer(&w, (int64_t)c->fold_count);
    cv_json_figures(c, value, &w);
    return job_say(c->job, "result", &text, &w);
}

/* Mean and standard deviation (of a sample) of figure i over the folds. */
static void cv_spread(const double *value, size_t stride, size_t n, double *mean, double *spread)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += value[i * stride];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (value[i * stride] - *mean) * (value[i * stride] - *mean);
    *spread = sqrt(squares / (double)(n - 1));
}

static int cv_say_result(Crossing *c)
{
    Text text = {0}, json = {0};
    double mean[CV_FIGURES], spread[CV_FIGURES], trivial, ignored;
    cv_spread(c->trivial, 1, c->folds, &trivial, &ignored);
    for (size_t i = 0; i < c->figures; i++) {
        cv_spread(c->value + i, CV_FIGURES, c->folds, mean + i, spread + i);
        text_print(&text, "%s%-18s ", i ? "\n" : "", c->figure[i]->name);
        metrics_print(c->figure[i], mean[i], &text);
        text_print(&text, " ± ");
        metrics_print(c->figure[i], spread[i], &text);
        if (i) continue;
        text_print(&text, "   (mean ± deviation of %zu folds; the trivial predictor: ", c->folds);
        metrics_print(c->figure[0], trivial, &text);
        text_put(&text, ')');
    }
    JsonWriter w = job_begin(&json, "result");
    json_key(&w, "folds");
    json_integer(&w, (int64_t)c->folds);
    json_key(&w, "mean");
    json_open(&w, '{'), cv_json_figures(c, mean, &w), json_close(&w, '}');
    json_key(&w, "deviation");
    json_open(&w, '{'), cv_json_figures(c, spread, &w), json_close(&w, '}');
    json_key(&w, "trivial");
    json_number(&w, trivial);
    return job_say(c->job, "result", &text, &w);
}

/* ---- The job ------------------------------------------------------------------------------------------- */

/* Which targets the rows of a text have is the net's to say. */
static int cv_suit(Crossing *c)
{
    Error *e = c->job->error;
    Model *m = NULL;
    Task task = task_of(&c->data.rows, false);
    if (!c->data.text.tokens.count) return NUDGE_OK;
    int status = model_new(&m, &c->settings, &task, e);
    if (!status) status = textdata_suit(&c->data.text, &c->data.rows, m, c->data.file, e);
    model_free(m);
    return status;
}

static int cv_open(Crossing *c)
{
    Job *job = c->job;
    Error *e = job->error;
    int status = job_count(job, "folds", 2, 1000, &c->folds);
    if (!status) status = recipe_of_job(job, &c->settings);
    if (!status) status = jobdata_open(&c->data, &c->settings, e);
    if (!status) status = decide(&c->settings, &c->data, e);
    if (!status) status = cv_suit(c);
    if (!status) status = jobdata_names(&c->names, &c->data.columns, e);
    return status ? status : job_warn(job, &c->data.warnings);
}

static int cv_prepare(Crossing *c)
{
    Error *e = c->job->error;
    size_t rows = c->data.rows.rows;
    c->fold = memory_new(rows, sizeof *c->fold);
    c->rows = memory_new(rows, sizeof *c->rows);
    c->value = memory_zero(c->folds * CV_FIGURES, sizeof *c->value);
    c->trivial = memory_zero(c->folds, sizeof *c->trivial);
    if (!c->fold || !c->rows || !c->value || !c->trivial) return error_memory(e);
    return dataset_folds(&c->data.rows, c->folds, (uint64_t)settings_integer(&c->settings, "seed"), c->fold,
                         e);
}

static int cv_run(Crossing *c)
{
    int status = cv_say_start(c);
    for (size_t i = 0; i < c->folds && !status && !c->job->stopped; i++) {
        status = cv_fold(c, i);
        if (!status && c->done == i + 1) status = cv_say_fold(c, i);
    }
    return status || c->done < c->folds ? status : cv_say_result(c);
}

static void cv_free(Crossing *c)
{
    jobdata_free(&c->data);
    settings_free(&c->settings);
    memory_release((void *)c->names);
    memory_release(c->fold);
    memory_release(c->rows);
    memory_release(c->value);
    memory_release(c->trivial);
}

int job_cv(Job *job)
{
    Crossing c = {.job = job};
    int status = cv_open(&c);
    if (!status) status = cv_prepare(&c);
    if (!status) status = cv_run(&c);
    cv_free(&c);
    return status;
}
