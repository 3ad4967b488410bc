/* examined.c: see examined.h. */
#include "jobs/examined.h"

#include "jobs/decide.h"
#include "jobs/paths.h"
#include "jobs/recipe.h"
#include "train/course.h"
#include <math.h>
#include <string.h>

/* ---- Opening ----------------------------------------------------------------------------------------------- */

static int examined_recipe_model(Examined *x)
{
    Error *e = x->job->error;
    JobData *d = &x->data;
    Task task = task_of(&d->rows, settings_flag(&x->settings, "standardize"));
    int status = decide(&x->settings, d, e);
    if (!status) status = model_new(&x->model, &x->settings, &task, e);
    if (!status) status = jobdata_measure(d, x->model, e);
    if (!status) status = model_measure(x->model, &d->rows, d->order, d->rows.rows - d->held, !d->table, e);
    return status ? status : jobdata_names(&x->names, &d->columns, e);
}

static int examined_open_recipe(Examined *x, bool double_precision)
{
    Error *e = x->job->error;
    int status = recipe_of_job(x->job, &x->settings);
    if (!status && double_precision)
        status = settings_set(&x->settings, "dtype", "float64", "for exactness", e);
    if (!status) status = jobdata_open(&x->data, &x->settings, e);
    if (!status) status = examined_recipe_model(x);
    x->file = x->data.file;
    x->rows = &x->data.rows;
    x->columns = &x->data.columns;
    return status ? status : job_warn(x->job, &x->data.warnings);
}

/* A model's recipe travels with it; what the command line says about training is for recipes. */
static int examined_refuse_settings(Examined *x)
{
    for (size_t i = 0; i < x->job->given.count; i++) {
        const SettingKey *key = x->job->given.list[i]->key;
        if (!key->local && strcmp(key->name, "delimiter") && strcmp(key->name, "header"))
            return error_set(
                x->job->error, NUDGE_INPUT,
                "%s: %s is decided for a model that was trained; to try another, name its recipe",
                x->job->operand[0], key->name);
    }
    return NUDGE_OK;
}

static void examined_take_judged(Examined *x)
{
    x->trained = true;
    x->model = x->judged.model;
    x->file = x->judged.file.s;
    x->rows = &x->judged.rows;
    x->columns = &x->judged.columns;
    x->names = x->judged.names;
}

static int examined_open_either(Examined *x, Job *job, bool double_precision, int (*open)(Judged *, Job *))
{
    *x = (Examined){.job = job};
    int status = job_refuse_swapped(job);
    if (status) return status;
    if (!job->operands || !path_is_model(job->operand[0])) return examined_open_recipe(x, double_precision);
    status = examined_refuse_settings(x);
    if (!status) status = open(&x->judged, job);
    examined_take_judged(x);
    return status;
}

int examined_open(Examined *x, Job *job, bool double_precision)
{
    return examined_open_either(x, job, double_precision, judged_open);
}

int examined_open_model(Examined *x, Job *job)
{
    return examined_open_either(x, job, false, judged_open_model);
}

void examined_free(Examined *x)
{
    if (!x->trained) {
        model_free(x->model);
        memory_release((void *)x->names);
    }
    judged_free(&x->judged);
    jobdata_free(&x->data);
    settings_free(&x->settings);
    memory_release(x->order);
}

/* ---- Training ---------------------------------------------------------------------------------------------- */

static int examined_diverged(Examined *x, const Progress *p)
{
    return error_set(x->job->error, NUDGE_DIVERGED,
                     "the loss became NaN or infinite at step %llu; look at an earlier one: --step %llu",
                     (unsigned long long)p->step, (unsigned long long)(p->step > 10 ? p->step - 10 : 0));
}

static int examined_steps(Examined *x, Course *c, Progress *p, size_t steps)
{
    if (steps > c->steps)
        return error_set(x->job->error, NUDGE_INPUT,
                         "--step %zu: the recipe ends after %llu steps; train longer with steps=%zu", steps,
                         (unsigned long long)c->steps, steps);
    double loss;
    int status = NUDGE_OK;
    while (!status && p->step < steps) {
        bool ends = course_ends_epoch(c, p);
        course_take(c, p);
        status = course_step(c, p, false, &loss, x->job->error);
        if (!status && c->batch.total > 0 && !isfinite(loss)) status = examined_diverged(x, p);
        if (!status && ends) course_end_epoch(p);
    }
    return status;
}

/* The rows that train come first in `order`; the course deals them anew for each epoch. */
static int examined_follow(Examined *x, size_t train, size_t steps)
{
    Course c;
    Progress p = {0};
    int status = course_open(&c, x->model, x->rows, x->order, train, x->job->error);
    if (status) return status;
    status = examined_steps(x, &c, &p, steps);
    if (!status) {
        course_take(&c, &p);
        memcpy(x->order, c.turn, train * sizeof *x->order);
        x->count = train;
        x->batch = c.batch_rows;
        x->steps = (double)c.steps;
    }
    course_close(&c);
    return status;
}

int examined_train(Examined *x, size_t steps)
{
    const size_t *from = x->trained ? x->judged.order : x->data.order;
    size_t train = x->trained ? x->judged.count : x->rows->rows - x->data.held;
    x->order = memory_new(train, sizeof *x->order);
    if (!x->order) return error_memory(x->job->error);
    for (size_t i = 0; i < train; i++)
        x->order[i] = from ? from[i] : i;
    return examined_follow(x, train, steps);
}
