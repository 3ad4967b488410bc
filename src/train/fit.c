/* fit.c: see fit.h. What comes when is course.c's business, what is said report.c's; here is what happens between the
 * steps: epochs are judged, the best weights kept, states written down. */
#include "train/fit.h"

#include "format/file.h"
#include "train/average.h"
#include "train/divergence.h"
#include "train/report.h"
#include "train/trainlog.h"

#include <math.h>
#include <string.h>

enum { FIT_ANCHOR = 200 };         /* steps between copies of the state, for explaining a divergence */
static const double FIT_SAVE = 10; /* s between checkpoints */

typedef struct Fitting {
    Model *m;
    Fit *f;
    Error *error;
    Course course;
    Report report;
    Progress now;
    size_t *order;
    /* Judging. */
    const Dataset *judged; /* validation rows: order[from..from + held) of it, all if `apart` */
    size_t from, held;
    bool apart;
    const MetricsFigure *monitor; /* NULL: the loss */
    uint64_t patience;
    double last_loss; /* of the last epoch, in training */
    Store best;
    Average average;
    /* Going back. */
    Store anchor;
    Progress anchored;
    bool lowered; /* lr has been lowered since */
    Watch *watch; /* NULL: only the loss is looked at */
    /* Writing down. */
    Text checkpoint, model, log_path;
    Trainlog log;
    bool logs;
    uint64_t log_every, saved_step;
    double saved; /* time of the last checkpoint */
    bool good;    /* there is a checkpoint to name */
} Fitting;

/* ---- Beginning ---- */

int fit_split(const Model *m, const Dataset *data, const Dataset *validation, size_t *order, size_t *train,
              Error *e)
{
    double fraction = validation ? 0 : settings_number(&m->settings, "validation");
    return dataset_split(data, fraction, (uint64_t)settings_integer(&m->settings, "seed"), order, train, e);
}

static int fit_rows(Fitting *t)
{
    Fit *f = t->f;
    int status = model_accepts(t->m, f->data, true, t->error);
    if (!status && f->validation) status = model_accepts(t->m, f->validation, true, t->error);
    if (status) return status;
    size_t train = 0;
    t->order = memory_new(f->data->rows, sizeof *t->order);
    if (!t->order) return error_memory(t->error);
    status = fit_split(t->m, f->data, f->validation, t->order, &train, t->error);
    if (status) return status;
    t->apart = f->validation != NULL;
    t->judged = t->apart ? f->validation : f->data;
    t->from = train;
    t->held = t->apart ? f->validation->rows : f->data->rows - train;
    f->rows = train;
    f->validation_rows = t->held;
    return NUDGE_OK;
}

/* NULL: the loss. */
static int fit_find_monitor(const Model *m, bool held, const MetricsFigure **monitor, Error *e)
{
    const Settings *s = &m->settings;
    const char *name = settings_text(s, "monitor"), *origin = settings_origin(s, "monitor");
    *monitor = NULL;
    if (!strcmp(name, "loss")) return NUDGE_OK;
    Error why = {0};
    if (metrics_find(name, model_metrics(m), monitor, &why))
        return error_set(e, why.status, "%s: monitor: %s", origin, why.message);
    if (held) return NUDGE_OK;
    return error_set(e, NUDGE_INPUT,
                     "%s: monitor: %s is judged by validation rows, and there are none; set validation=0.1",
                     origin, name);
}

int fit_check(const Model *m, bool held, Error *e)
{
    const MetricsFigure *monitor;
    return fit_find_monitor(m, held, &monitor, e);
}

static int fit_paths(Fitting *t)
{
    const char *directory = t->f->directory;
    if (!directory) return NUDGE_OK;
    text_print(&t->checkpoint, "%s/checkpoint.safetensors", directory);
    text_print(&t->model, "%s/model.safetensors", directory);
    text_print(&t->log_path, "%s/log.csv", directory);
    bool failed = t->checkpoint.failed || t->model.failed || t->log_path.failed;
    return failed ? error_memory(t->error) : file_directory(directory, t->error);
}

static int fit_position(Fitting *t)
{
    int status = model_restart(t->m, t->error);
    t->now = (Progress){
        .rows = t->f->rows, .best = (double)NAN, .best_loss = (double)NAN, .plateau = {.best = HUGE_VAL}};
    if (status || !t->f->resume) return status;
    status = checkpoint_load(t->m, &t->now, &t->best, text_end(&t->checkpoint), t->error);
    if (!status && t->now.rows != t->f->rows)
        status = error_set(
            t->error, NUDGE_INPUT,
            "%s: was made with %llu training rows, but there are %zu now; resume with the same data",
            text_end(&t->checkpoint), (unsigned long long)t->now.rows, t->f->rows);
    t->good = !status;
    t->saved_step = t->now.step;
    return status;
}

static int fit_open_log(Fitting *t)
{
    t->log_every = (uint64_t)settings_integer(&t->m->settings, "log");
    if (!t->f->directory) return NUDGE_OK;
    t->logs = true;
    return trainlog_open(&t->log, &t->course, text_end(&t->log_path), t->f->resume, t->now.step, t->error);
}

/* ---- Writing down ---- */

static const Store *fit_weights(const Fitting *t)
{
    return t->held && t->best.count ? &t->best : NULL;
}

static int fit_save(Fitting *t)
{
    if (!t->f->directory) return NUDGE_OK;
    int status =
        checkpoint_save(t->m, &t->now, t->held ? &t->best : NULL, text_end(&t->checkpoint), t->error);
    average_take(&t->average);
    if (!status) status = model_save(t->m, fit_weights(t), text_end(&t->model), t->error);
    average_give_back(&t->average);
    if (status) return status;
    t->good = true;
    t->saved = report_seconds(&t->report);
    t->saved_step = t->now.step;
    report_checkpoint(&t->report, &t->now, text_end(&t->checkpoint));
    return NUDGE_OK;
}

/* ---- Going back ---- */

static DivergenceGood fit_good(Fitting *t)
{
    return (DivergenceGood){t->good ? text_end(&t->checkpoint) : NULL, t->saved_step};
}

static int fit_diverged(Fitting *t, double loss)
{
    const DivergenceGood good = fit_good(t);
    int status = divergence_explain(&t->course, &t->anchor, &t->anchored, t->now.step, loss, &good, t->error);
    if (fit_weights(t)) store_assign(&t->m->store, &t->best);
    return status;
}

/* A state with broken weights is no good to go back to, nor to write down. */
static void fit_drop_anchor(Fitting *t)
{
    if (store_broken(&t->m->store)) return;
    store_assign(&t->anchor, &t->m->store);
    t->anchored = t->now;
    t->lowered = false;
}

static int fit_check_weights(Fitting *t)
{
    return store_broken(&t->m->store) ? fit_diverged(t, 0) : NUDGE_OK;
}

/* ---- Judging an epoch ---- */

static bool fit_is_better(const Fitting *t, double value)
{
    if (isnan(t->now.best)) return !isnan(value);
    return t->monitor && t->monitor->higher ? value > t->now.best : value < t->now.best;
}

static int fit_keep(Fitting *t, double value, double loss)
{
    t->now.best = value;
    t->now.best_loss = loss;
    t->now.waited = 0;
    if (!t->held) return NUDGE_OK;
    t->now.best_epoch = t->now.epoch + 1;
    t->now.best_step = t->now.step;
    if (!t->best.count) return store_copy(&t->best, &t->m->store, STORE_MODEL, t->error);
    store_assign(&t->best, &t->m->store);
    return NUDGE_OK;
}

static int fit_evaluate(Fitting *t, double *loss, Metrics *metrics)
{
    const size_t *order = t->apart ? NULL : t->order + t->from;
    return model_evaluate(t->m, t->judged, order, t->held, loss, metrics, t->error);
}

/* A state whose lr differs is no longer reached by repeating steps from before. */
static int fit_schedule(Fitting *t, double loss)
{
    double drops = t->m->drops;
    int status = t->course.scheduled ? model_judge(t->m, loss, &t->now.plateau, t->error) : NUDGE_OK;
    t->lowered |= t->m->drops != drops;
    return status;
}

/* What is due at the end of an epoch whose validation is done. metrics NULL: there is none. */
static int fit_judge(Fitting *t, double loss, double validation_loss, const Metrics *metrics)
{
    double judged = metrics ? validation_loss : loss,
           value = t->monitor ? t->monitor->value(metrics, false) : judged;
    bool better = fit_is_better(t, value);
    t->last_loss = loss;
    t->now.waited++;
    int status = better ? fit_keep(t, value, judged) : NUDGE_OK;
    if (!status && t->logs) status = trainlog_row(&t->log, &t->now, loss, validation_loss, metrics, t->error);
    if (!status) status = fit_schedule(t, judged);
    if (!status) report_epoch(&t->report, &t->now, loss, validation_loss, metrics, better);
    return status;
}

static int fit_end_epoch(Fitting *t)
{
    Metrics metrics = {0};
    double validation_loss = (double)NAN;
    average_take(&t->average);
    int status = t->held ? fit_evaluate(t, &validation_loss, &metrics) : NUDGE_OK;
    if (!status)
        status = fit_judge(t, course_loss(&t->course, &t->now), validation_loss, t->held ? &metrics : NULL);
    average_give_back(&t->average);
    metrics_free(&metrics);
    /* The last step may be amid an epoch: a longer run goes on from there. */
    if (t->now.row >= t->course.rows) course_end_epoch(&t->now);
    return status;
}

/* ---- The loop ---- */

static bool fit_is_over(const Fitting *t)
{
    bool patient = t->patience && !t->now.row && t->now.waited >= t->patience;
    return t->report.stop || patient || t->now.step >= t->course.steps;
}

/* What is due after a step. */
static int fit_after(Fitting *t, double loss, bool row, bool ends)
{
    int status = NUDGE_OK;
    bool told = report_due(&t->report) || row;
    if (row && t->logs) status = trainlog_row(&t->log, &t->now, loss, (double)NAN, NULL, t->error);
    if (!status && told && !ends) report_progress(&t->report, &t->now, course_loss(&t->course, &t->now));
    if (!status && ends) status = fit_end_epoch(t);
    if (!status && t->f->directory && report_seconds(&t->report) - t->saved > FIT_SAVE) {
        status = fit_check_weights(t);
        if (!status) status = fit_save(t);
    }
    return status;
}

/* With anomaly: true. The model is left as it is before the step. */
static int fit_watch(Fitting *t)
{
    if (!t->watch || !(t->course.batch.total > 0)) return NUDGE_OK;
    const DivergenceGood good = fit_good(t);
    int status = watch_step(t->watch, &t->now, &good, t->error);
    if (status == NUDGE_DIVERGED && fit_weights(t)) store_assign(&t->m->store, &t->best);
    return status;
}

static int fit_step(Fitting *t)
{
    double loss;
    Course *c = &t->course;
    if (t->lowered || t->now.step - t->anchored.step >= FIT_ANCHOR) fit_drop_anchor(t);
    bool ends = course_ends_epoch(c, &t->now) || t->now.step + 1 == c->steps;
    bool row = t->log_every && (t->now.step + 1) % t->log_every == 0;
    course_take(c, &t->now);
    int status = fit_watch(t);
    if (!status) status = course_step(c, &t->now, t->logs && (row || ends), &loss, t->error);
    if (status) return status;
    if (c->batch.total > 0 && !isfinite(loss)) return fit_diverged(t, loss);
    return fit_after(t, loss, row, ends);
}

/* ---- Ending ---- */

/* Of the kept weights. */
static int fit_measure(Fitting *t)
{
    double loss;
    metrics_free(&t->f->metrics);
    return t->held ? fit_evaluate(t, &loss, &t->f->metrics)
                   : model_evaluate(t->m, t->f->data, t->order, t->f->rows, &loss, &t->f->metrics, t->error);
}

/* By the rows that are judged; the figures are then those with it. */
static int fit_choose_threshold(Fitting *t)
{
    int status = model_choose_threshold(t->m, &t->f->metrics, t->error);
    if (!status) status = fit_measure(t);
    if (status || !t->f->directory) return status;
    return model_save(t->m, NULL, text_end(&t->model), t->error);
}

static int fit_conclude(Fitting *t)
{
    Fit *f = t->f;
    int status = fit_check_weights(t);
    if (!status) status = fit_save(t);
    if (status) return status;
    average_take(&t->average);
    if (fit_weights(t)) store_assign(&t->m->store, &t->best);
    f->stopped = t->report.stop;
    f->patient = !f->stopped && t->now.step < t->course.steps;
    f->loss = t->held ? t->now.best_loss : t->last_loss;
    bool chooses = model_chooses_threshold(t->m);
    bool asked = (f->listener || f->directory || chooses) && !f->stopped;
    if (asked) status = fit_measure(t);
    if (asked && !status && chooses) status = fit_choose_threshold(t);
    if (!status)
        report_finish(&t->report, &t->now, f->patient, f->loss, asked ? &f->metrics : NULL, f->names);
    if (!status && t->report.failed) status = error_memory(t->error);
    return status;
}

static int fit_begin(Fitting *t)
{
    int status = fit_rows(t);
    if (!status) status = fit_find_monitor(t->m, t->held > 0, &t->monitor, t->error);
    if (!status) status = model_measure(t->m, t->f->data, t->order, t->f->rows, !t->m->measured, t->error);
    if (!status) status = fit_paths(t);
    if (!status) status = fit_position(t);
    if (!status) status = course_open(&t->course, t->m, t->f->data, t->order, t->f->rows, t->error);
    if (!status) status = fit_open_log(t);
    if (!status) status = store_copy(&t->anchor, &t->m->store, STORE_ALL, t->error);
    if (!status) status = average_open(&t->average, t->m, t->error);
    if (!status && settings_flag(&t->m->settings, "anomaly"))
        status = watch_open(&t->watch, &t->course, t->error);
    if (status) return status;
    t->patience = (uint64_t)settings_integer(&t->m->settings, "patience");
    t->anchored = t->f->progress = t->now;
    course_begin(&t->course, &t->now);
    report_begin(&t->report, &t->course, t->now.step, t->f->listener, t->f->context);
    report_start(&t->report, &t->now, t->held);
    return t->f->resume ? NUDGE_OK : fit_save(t);
}

static void fit_release(Fitting *t)
{
    trainlog_close(&t->log);
    report_end(&t->report);
    watch_close(t->watch);
    course_close(&t->course);
    average_close(&t->average);
    store_free(&t->best);
    store_free(&t->anchor);
    text_free(&t->checkpoint);
    text_free(&t->model);
    text_free(&t->log_path);
    memory_release(t->order);
}

int fit_run(Model *m, Fit *f, Error *e)
{
    Fitting t = {.m = m, .f = f, .error = e, .last_loss = (double)NAN};
    int status = fit_begin(&t);
    while (!status && !fit_is_over(&t))
        status = fit_step(&t);
    if (!status) status = fit_conclude(&t);
    f->progress = t.now;
    f->seconds = report_seconds(&t.report);
    fit_release(&t);
    return status;
}

void fit_free(Fit *f)
{
    metrics_free(&f->metrics);
}
