/* job_train.c: `nudge train`. Settings and data become a model, the run directory is made, train/ does the rest; what
 * was decided, and how it ended, is said here. */
#include "jobs/job.h"

#include "jobs/arguments.h"
#include "jobs/decide.h"
#include "jobs/paths.h"
#include "jobs/recipe.h"
#include "jobs/rundir.h"
#include "train/carried.h"
#include "train/fit.h"
#include "train/footprint.h"
#include <math.h>
#include <string.h>

enum { TRAIN_TARGETS = 3 }; /* named at the beginning */

typedef struct Training {
    Job *job;
    Settings settings;
    JobData data;
    Model *model;
    Text directory;
    const char *const *names; /* of classes, or NULL */
    Fit fit;
} Training;

/* ---- What to do ---------------------------------------------------------------------------------------- */

static int train_resumed(Training *t, const char *directory)
{
    Job *job = t->job;
    Text path = {0};
    if (job->operands)
        return error_set(job->error, NUDGE_INPUT,
                         "train: --resume goes on with the data of its run; leave out %s", job->operand[0]);
    if (settings_is_set(&job->given, "output"))
        return error_set(job->error, NUDGE_INPUT, "train: --resume goes on in %s; leave out --output %s",
                         directory, settings_text(&job->given, "output"));
    text_print(&t->directory, "%s", directory);
    path_within(&path, directory, "recipe.yaml");
    int status = rundir_check(directory, job->error);
    if (!status && (path.failed || t->directory.failed)) status = error_memory(job->error);
    if (!status) status = recipe_read(text_end(&path), &t->settings, job->error);
    if (!status) status = arguments_apply(job, &t->settings);
    text_free(&path);
    return status;
}

static int train_settings(Training *t)
{
    const char *directory = job_option(t->job, "resume");
    return directory ? train_resumed(t, directory) : recipe_of_job(t->job, &t->settings);
}

static int train_note(Training *t)
{
    const Columns *k = &t->data.columns;
    Text columns = {0}, classes = {0};
    JsonWriter w = {.out = &classes};
    json_open(&w, '[');
    for (size_t i = 0; i < columns_classes(k); i++)
        json_string(&w, t->names[i]);
    json_close(&w, ']');
    columns_save(k, &columns);
    int status = columns.failed || classes.failed ? error_memory(t->job->error) : NUDGE_OK;
    if (!status) status = model_set_note(t->model, "columns", text_end(&columns), t->job->error);
    if (!status && columns_classes(k))
        status = model_set_note(t->model, "class_names", text_end(&classes), t->job->error);
    if (!status && columns_is_text(k)) status = textdata_note(&k->tokens, t->model, t->job->error);
    text_free(&columns);
    text_free(&classes);
    return status;
}

static int train_model(Training *t)
{
    Error *e = t->job->error;
    Task task = task_of(&t->data.rows, settings_flag(&t->settings, "standardize"));
    int status = decide(&t->settings, &t->data, e);
    if (!status) status = model_new(&t->model, &t->settings, &task, e);
    if (!status) status = jobdata_measure(&t->data, t->model, e);
    if (!status) status = jobdata_names(&t->names, &t->data.columns, e);
    if (!status && t->data.table) status = train_note(t);
    if (!status) status = fit_check(t->model, t->data.held || t->data.validation.rows, e);
    return status ? status : job_warn(t->job, &t->data.warnings);
}

/* Whether a step fits into the memory that it may take shows when it is planned. */
static int train_room(Training *t)
{
    if (!settings_is_set(&t->settings, "memory")) return NUDGE_OK;
    const Dataset *validation = t->data.validation.rows ? &t->data.validation : NULL;
    Footprint f;
    return footprint_measure(&f, t->model, &t->data.rows, t->data.rows.rows - t->data.held, validation,
                             t->job->error);
}

/* Before this nothing is written, so that a mistake leaves nothing behind. */
static int train_directory(Training *t)
{
    if (job_option(t->job, "resume")) return NUDGE_OK;
    Error *e = t->job->error;
    const char *source = t->job->operands ? t->job->operand[0] : t->data.file;
    int status = rundir_make(&t->directory, &t->settings, source, e);
    return status ? status : recipe_write(&t->settings, text_end(&t->directory), e);
}

/* ---- What is said -------------------------------------------------------------------------------------- */

static void train_print_some(Text *out, uint64_t count, const char *one, const char *many)
{
    job_print_count(out, count);
    text_print(out, " %s", count == 1 ? one : many);
}

/* "text message: 9,120 different tokens (word), at most 237 a row" */
static void train_print_column(const Training *t, Text *out)
{
    const Columns *k = &t->data.columns;
    text_print(out, "text ");
    text_name(out, k->column[k->text].name);
    text_print(out, ": ");
    job_print_count(out, k->tokens.count);
    text_print(out, " different tokens (%s), at most %zu a row", tokens_kind_name(k->tokens.kind),
               k->context);
}

static void train_print_inputs(const Training *t, Text *out)
{
    train_print_some(out, t->data.rows.rows, "row", "rows");
    text_print(out, " · ");
    if (columns_is_text(&t->data.columns)) {
        train_print_column(t, out);
        return;
    }
    size_t numbers = columns_count(&t->data.columns, COLUMN_NUMBER);
    size_t categories = columns_count(&t->data.columns, COLUMN_CATEGORY);
    if (numbers) train_print_some(out, numbers, "numeric column", "numeric columns");
    if (numbers && categories) text_print(out, ", ");
    if (categories) train_print_some(out, categories, "column of categories", "columns of categories");
}

/* "32,033 lines · 228,145 tokens, 27 different (char)" */
static void train_print_text(const Training *t, Text *out)
{
    const TextData *d = &t->data.text;
    train_print_some(out, d->list.count, "token", "tokens");
    text_print(out, ", %zu different (%s) · ", d->tokens.count, settings_text(&t->settings, "tokens"));
    train_print_some(out, t->data.rows.rows, "row", "rows");
    text_print(out, " of %zu · %s%s: next", d->context, d->lines ? "line by line" : "one text",
               t->model->carries ? ", whose state is carried on" : "");
}

/* "60,000 images of 28x28" */
static void train_print_samples(const Dataset *d, Text *out)
{
    bool image = d->x_rank == 3 && d->x_shape[0] == 1;
    train_print_some(out, d->rows, image ? "image" : "row", image ? "images" : "rows");
    for (int i = image; i < d->x_rank; i++)
        text_print(out, "%s%zu", i == image ? " of " : "x", d->x_shape[i]);
}

static void train_print_target(const Training *t, Text *out)
{
    const Columns *k = &t->data.columns;
    bool chosen = !strcmp(settings_origin(&t->settings, "target"), "chosen");
    const char *what = k->targets > 1 ? "(numbers): " : "(a number): ";
    if (k->targets) text_print(out, k->targets > 1 ? "targets " : "target ");
    for (size_t i = 0; i < k->targets && i < TRAIN_TARGETS; i++) {
        if (i) text_print(out, ", ");
        text_name(out, columns_of_target(k, i)->name);
    }
    if (k->targets > TRAIN_TARGETS) text_print(out, ", ... %zu in all", k->targets);
    if (k->targets) text_print(out, chosen && k->target + 1 == k->count ? ", the last column " : " ");
    if (t->data.rows.classes)
        text_print(out, t->data.table ? "(%zu classes): " : "%zu classes: ", t->data.rows.classes);
    if (k->targets && !t->data.rows.classes) text_print(out, "%s", t->data.rows.labels ? "(0 or 1): " : what);
    text_print(out, "%s", settings_text(&t->settings, "task"));
}

/* "iris.csv · 150 rows · 4 numeric columns · target species, the last column (3 classes): classify · 15 rows held out" */
static void train_print_data(const Training *t, Text *out)
{
    text_print(out, "%s · ", t->data.file);
    if (t->data.text.tokens.count) {
        train_print_text(t, out);
    } else {
        t->data.table ? train_print_inputs(t, out) : train_print_samples(&t->data.rows, out);
        text_print(out, " · ");
        train_print_target(t, out);
    }
    text_print(out, " · ");
    if (t->data.validation.rows)
        train_print_some(out, t->data.validation.rows, "validation row", "validation rows");
    else
        train_print_some(out, t->data.held, "row held out", "rows held out");
}

/* "net dense(32) relu dense(classes) · 1,315 parameters · cross_entropy · adam(lr=0.01) · batch 16 · seed 1 · 2
 * threads" */
static void train_print_model(const Training *t, Text *out)
{
    const Settings *s = &t->settings;
    text_print(out, "net %s · ", settings_text(s, "net"));
    train_print_some(out, t->model->parameters, "parameter", "parameters");
    text_print(out, " · %s%s · %s · batch %s · seed %s · ", settings_text(s, "loss"),
               model_scales_targets(t->model) ? " (standardised target)" : "", settings_text(s, "optimizer"),
               settings_text(s, "batch"), settings_text(s, "seed"));
    train_print_some(out, (uint64_t)settings_integer(s, "threads"), "thread", "threads");
}

static void train_json_text(JsonWriter *w, const char *key, const char *value)
{
    json_key(w, key);
    json_string(w, value);
}

static void train_json_count(JsonWriter *w, const char *key, uint64_t value)
{
    json_key(w, key);
    json_integer(w, (int64_t)value);
}

static int train_say_start(Training *t)
{
    static const char *const texts[] = {"target", "task", "net", "loss", "optimizer"};
    Text text = {0}, json = {0};
    train_print_data(t, &text);
    text_put(&text, '\n');
    train_print_model(t, &text);
    JsonWriter w = job_begin(&json, "start");
    train_json_text(&w, "data", t->data.file);
    train_json_count(&w, "rows", t->data.rows.rows);
    train_json_count(&w, "held_out", t->data.validation.rows ? t->data.validation.rows : t->data.held);
    train_json_count(&w, "features", t->data.rows.features);
    train_json_count(&w, "classes", t->data.rows.classes);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (settings_is_set(&t->settings, texts[i]))
            train_json_text(&w, texts[i], settings_text(&t->settings, texts[i]));
    json_key(&w, "standardised_target");
    json_flag(&w, model_scales_targets(t->model));
    train_json_count(&w, "batch", (uint64_t)settings_integer(&t->settings, "batch"));
    train_json_count(&w, "seed", (uint64_t)settings_integer(&t->settings, "seed"));
    train_json_count(&w, "parameters", t->model->parameters);
    train_json_text(&w, "directory", text_end(&t->directory));
    return job_say(t->job, "start", &text, &w);
}

/* ---- A run that goes on -------------------------------------------------------------------------------- */

/* "--resume runs/iris", as it is to be typed. */
static void train_print_resume(Training *t, Text *out)
{
    text_print(out, "nudge train --resume ");
    path_quote(out, text_end(&t->directory));
}

/* Nothing is left: because all epochs or steps are done, or because none of the last ones was better. */
static void train_print_over(Training *t, const nudge_event *start, bool patient, Text *out)
{
    bool steps = settings_is_set(&t->settings, "steps");
    const char *key = patient ? "patience" : steps ? "steps" : "epochs";
    unsigned long long count = patient ? t->fit.progress.waited : steps ? start->steps : start->epochs;
    text_print(out,
               patient ? "nothing is left to do: no better for %llu epochs; to go on: "
               : steps ? "nothing is left to do: all %llu steps are done; to go on: "
                       : "nothing is left to do: all %llu epochs are done; to go on: ",
               count);
    train_print_resume(t, out);
    text_print(out, " %s=%llu", key, 2 * count);
}

/* Where a resumed run goes on, or that it does not. */
static int train_say_resumed(Training *t, const nudge_event *start)
{
    Text text = {0}, json = {0};
    const Progress *p = &t->fit.progress;
    uint64_t patience = (uint64_t)settings_integer(&t->settings, "patience");
    bool patient = patience && !p->row && p->waited >= patience, over = p->step >= start->steps;
    if (patient || over)
        train_print_over(t, start, !over, &text);
    else
        text_print(&text, "goes on after step %llu of %llu, in epoch %llu of %llu",
                   (unsigned long long)p->step, (unsigned long long)start->steps,
                   (unsigned long long)p->epoch + 1, (unsigned long long)start->epochs);
    JsonWriter w = job_begin(&json, "resume");
    train_json_count(&w, "step", p->step);
    train_json_count(&w, "steps", start->steps);
    train_json_count(&w, "epoch", p->epoch);
    train_json_count(&w, "epochs", start->epochs);
    return job_say(t->job, "resume", &text, &w);
}

/* What the trainer says of epochs and checkpoints; how it begins and ends is said here. A checkpoint is no news to
 * people. */
static int train_hear(void *context, const nudge_event *event)
{
    Training *t = context;
    nudge_event told = *event;
    bool start = !strcmp(event->kind, "start");
    if (start && t->fit.resume) train_say_resumed(t, event);
    if (!strcmp(event->kind, "checkpoint")) told.text = "";
    if (!start && strcmp(event->kind, "end")) job_event(t->job, &told);
    return t->job->stopped;
}

/* "accuracy 96.7 % (always saying setosa: 33.3 %)" */
static void train_print_figure(const Training *t, Text *out)
{
    const Metrics *m = &t->fit.metrics;
    const MetricsFigure *figure = metrics_main(m);
    text_print(out, "%s ", figure->name);
    metrics_print(figure, figure->value(m, false), out);
    text_print(out, " (");
    metrics_trivial(m, t->names, out);
    text_put(out, ')');
}

static void train_print_next(Training *t, Text *out)
{
    Text directory = {0};
    path_quote(&directory, text_end(&t->directory));
    const char *run = text_end(&directory);
    bool text = t->data.text.tokens.count;
    bool measure = !t->data.table || settings_named(&t->settings, "data", "test");
    text_print(out, measure ? "%s   next: nudge eval %s" : "%s   next: nudge predict %s new.csv",
               text_end(&t->directory), run);
    text_print(out, text ? "   or   nudge sample %s" : "   or   nudge explain %s", run);
    out->failed |= directory.failed;
    text_free(&directory);
}

static void train_print_end(Training *t, Text *out)
{
    const Progress *p = &t->fit.progress;
    unsigned long long best = p->best_epoch, epochs = p->epoch + (p->row > 0);
    if (t->fit.patient)
        text_print(out, "stopped: no better for %s epochs; ", settings_text(&t->settings, "patience"));
    else
        text_print(out, "done: ");
    if (best)
        text_print(out, "best epoch %llu kept: ", best);
    else
        text_print(out, "%llu epoch%s; on the training rows: ", epochs, epochs == 1 ? "" : "s");
    train_print_figure(t, out);
    text_put(out, '\n');
    train_print_next(t, out);
}

static void train_print_stopped(Training *t, Text *out)
{
    text_print(out,
               "stopped at step %llu, in epoch %llu; to go on: ", (unsigned long long)t->fit.progress.step,
               (unsigned long long)t->fit.progress.epoch + 1);
    train_print_resume(t, out);
}

static void train_json_end(Training *t, int status, const char *reason, JsonWriter *w)
{
    const Progress *p = &t->fit.progress;
    train_json_count(w, "status", (uint64_t)status);
    train_json_text(w, "reason", reason);
    train_json_text(w, "directory", text_end(&t->directory));
    train_json_count(w, "step", p->step);
    train_json_count(w, "epoch", p->epoch + (p->row > 0));
    train_json_count(w, "best_epoch", p->best_epoch);
}

/* People read the message of the error. */
static int train_say_failed(Training *t, int status)
{
    Text text = {0}, json = {0};
    JsonWriter w = job_begin(&json, "end");
    train_json_end(t, status, status == NUDGE_DIVERGED ? "diverged" : "failed", &w);
    train_json_text(&w, "message", t->job->error->message);
    job_say(t->job, "end", &text, &w);
    return status;
}

static int train_say_end(Training *t)
{
    const Fit *f = &t->fit;
    Text text = {0}, json = {0};
    f->stopped ? train_print_stopped(t, &text) : train_print_end(t, &text);
    JsonWriter w = job_begin(&json, "end");
    train_json_end(t, NUDGE_OK, f->stopped ? "stopped" : f->patient ? "patience" : "done", &w);
    json_key(&w, "seconds");
    json_number(&w, f->seconds);
    json_key(&w, "loss");
    json_number(&w, f->loss);
    if (!f->stopped) metrics_json(&f->metrics, t->names, &w);
    return job_say(t->job, "end", &text, &w);
}

/* ---- The run ------------------------------------------------------------------------------------------- */

static int train_fit(Training *t)
{
    t->fit = (Fit){.data = &t->data.rows,
                   .validation = t->data.validation.rows ? &t->data.validation : NULL,
                   .directory = text_end(&t->directory),
                   .resume = job_option(t->job, "resume") != NULL,
                   .listener = train_hear,
                   .context = t,
                   .names = t->names};
    int status = fit_run(t->model, &t->fit, t->job->error);
    status = status ? train_say_failed(t, status) : train_say_end(t);
    fit_free(&t->fit);
    return status;
}

static void train_free(Training *t)
{
    model_free(t->model);
    jobdata_free(&t->data);
    settings_free(&t->settings);
    text_free(&t->directory);
    memory_release((void *)t->names);
}

int job_train(Job *job)
{
    Training t = {.job = job};
    int status = train_settings(&t);
    if (!status) status = jobdata_open(&t.data, &t.settings, job->error);
    if (!status) status = train_model(&t);
    if (!status) status = train_room(&t);
    if (!status) status = train_directory(&t);
    if (!status) status = train_say_start(&t);
    if (!status) status = train_fit(&t);
    train_free(&t);
    return status;
}
