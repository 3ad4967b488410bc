/* judged.c: see judged.h. */
#include "jobs/judged.h"

#include "jobs/decide.h"
#include "jobs/paths.h"
#include "jobs/recipe.h"
#include "train/checkpoint.h"
#include "train/fit.h"
#include <string.h>

static int judged_check_threshold(const Settings *given, Error *e)
{
    const char *text = settings_text(given, "threshold");
    if (!text || strcmp(text, "f1")) return NUDGE_OK;
    return error_set(
        e, NUDGE_INPUT,
        "%s: threshold: f1 is chosen in training; of a trained model write a probability, such as 0.3",
        settings_origin(given, "threshold"));
}

int judged_open_model(Judged *j, Job *job)
{
    *j = (Judged){0};
    Error *e = job->error;
    int status = job_refuse_swapped(job);
    if (!status) status = decide_threads(&job->given, e);
    if (!status) status = judged_check_threshold(&job->given, e);
    if (!status) status = model_open(&j->model, job->operand[0], &job->given, e);
    if (!status) status = jobdata_columns(&j->columns, j->model, e);
    if (!status) status = textdata_tokens(&j->tokens, j->model, e);
    return status ? status : jobdata_names(&j->names, &j->columns, e);
}

static int judged_load(Judged *j, const Settings *options, const char *const *file, size_t files,
                       Text *warnings, Error *e)
{
    text_print(&j->file, "%s", strcmp(file[0], "-") ? file[0] : "stdin");
    if (j->file.failed) return error_memory(e);
    if (j->tokens.count)
        return textdata_load(&j->rows, &j->tokens, j->model, file, files, false, warnings, e);
    return jobdata_load(&j->rows, &j->columns, j->model, options, file, files, warnings, e);
}

/* Loads the files that a setting of the recipe names; `train`: those that it was trained on. */
static int judged_load_setting(Judged *j, const Settings *s, const Setting *setting, bool train,
                               Text *warnings, Error *e)
{
    const char *file[] = {setting_item(setting, 0), setting_item(setting, 1), setting_item(setting, 2)};
    if (!j->tokens.count) return judged_load(j, s, file, setting->count, warnings, e);
    text_print(&j->file, "%s", file[0]);
    if (j->file.failed) return error_memory(e);
    return textdata_load_setting(&j->rows, &j->tokens, j->model, setting, train, warnings, e);
}

/* The recipe lies beside the model. */
static int judged_recipe(Settings *s, const char *model, Error *e)
{
    Text directory = {0}, path = {0};
    path_is_directory(model) ? text_print(&directory, "%s", model) : path_parent(&directory, model);
    path_within(&path, text_end(&directory), "recipe.yaml");
    int status = directory.failed || path.failed ? error_memory(e) : NUDGE_OK;
    if (!status && !path_exists(text_end(&path)))
        status = error_set(
            e, NUDGE_INPUT,
            "%s: has no recipe.yaml beside it that names its data; name a file after it: %s data.csv", model,
            model);
    if (!status) status = recipe_read(text_end(&path), s, e);
    text_free(&directory);
    text_free(&path);
    return status;
}

/* Divides the training file as the training did. Without rows held out, the training rows have to do. */
static int judged_split(Judged *j, Error *e)
{
    size_t train, *order = memory_new(j->rows.rows, sizeof *order);
    if (!order) return error_memory(e);
    j->order = order;
    if (fit_split(j->model, &j->rows, NULL, order, &train, e)) return e->status;
    j->count = j->rows.rows - train;
    j->part = j->count ? "validation" : "training";
    if (!j->count) j->count = train;
    memmove(order, order + (j->rows.rows - j->count), j->count * sizeof *order);
    return NUDGE_OK;
}

static const Setting *judged_part(const Settings *s, const char *name)
{
    return settings_named(s, "data", name);
}

static int judged_find_rows(Judged *j, const Settings *s, const char *model, Text *warnings, Error *e)
{
    const Setting *apart = judged_part(s, "test");
    j->part = "test";
    if (!apart) apart = judged_part(s, "validation"), j->part = "validation";
    if (apart) return judged_load_setting(j, s, apart, false, warnings, e);
    const Setting *train = judged_part(s, "train");
    if (!train) train = judged_part(s, "");
    if (!train || !strcmp(setting_item(train, 0), "-"))
        return error_set(e, NUDGE_INPUT,
                         "%s: its recipe names no file of data; name one after it: %s data.csv", model,
                         model);
    int status = judged_load_setting(j, s, train, true, warnings, e);
    return status ? status : judged_split(j, e);
}

static int judged_own_rows(Judged *j, Job *job, Text *warnings)
{
    Settings s = {0};
    const char *model = job->operand[0];
    int status = judged_recipe(&s, model, job->error);
    if (!status) status = judged_find_rows(j, &s, model, warnings, job->error);
    settings_free(&s);
    return status;
}

int judged_fits(const Judged *j, const Dataset *d, const char *file, bool labelled, Error *e)
{
    size_t takes = j->model->task.features;
    if (!d->rows || d->features == takes) return model_accepts(j->model, d, labelled, e);
    return error_set(
        e, NUDGE_INPUT,
        "%s: its samples have %zu numbers each, but the model takes %zu; give data like that of the training",
        file, d->features, takes);
}

int judged_open(Judged *j, Job *job)
{
    Text warnings = {0};
    Error *e = job->error;
    int status = judged_open_model(j, job);
    j->part = "given";
    if (!status && job->operands > 1)
        status = judged_load(j, &job->given, job->operand + 1, job->operands - 1, &warnings, e);
    else if (!status)
        status = judged_own_rows(j, job, &warnings);
    if (!j->order) j->count = j->rows.rows;
    if (!status) status = judged_fits(j, &j->rows, j->file.s, true, e);
    if (!status) return job_warn(job, &warnings);
    text_free(&warnings);
    return status;
}

void judged_print(const Judged *j, Text *out)
{
    bool given = !strcmp(j->part, "given");
    text_print(out, "the ");
    job_print_count(out, j->count);
    const char *what = !j->tokens.count ? "row" : j->rows.start ? "window" : "line";
    text_print(out, "%s%s %s%s of %s", given ? "" : " ", given ? "" : j->part, what, j->count == 1 ? "" : "s",
               j->file.s ? j->file.s : "");
}

void judged_free(Judged *j)
{
    model_free(j->model);
    columns_free(&j->columns);
    tokens_free(&j->tokens);
    memory_release((void *)j->names);
    dataset_free(&j->rows);
    memory_release(j->order);
    text_free(&j->file);
    *j = (Judged){0};
}
