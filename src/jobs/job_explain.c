/* job_explain.c: `nudge explain`: the error of one row flowing backward, layer by layer; without a row, how the gradient
 * shrinks or grows from layer to layer. */
#include "jobs/job.h"

#include "jobs/explain.h"

static int explain_steps(Job *job, Examined *x, size_t *steps)
{
    *steps = 0;
    int status = job_option(job, "step") ? job_count(job, "step", 0, (size_t)1 << 52, steps) : NUDGE_OK;
    if (!status && x->trained && job_option(job, "step"))
        status = error_set(job->error, NUDGE_INPUT,
                           "--step: %s was trained already; for its way there name its recipe.yaml",
                           job->operand[0]);
    return status ? status : examined_train(x, *steps);
}

static int explain_say_row(Job *job, Examined *from, size_t step)
{
    Explanation x = {.examined = from, .step = step};
    Text text = {0}, json = {0};
    int status = job_count(job, "row", 1, from->rows->rows, &x.row);
    x.row--;
    if (!status && from->rows->vocabulary)
        status = error_set(
            job->error, NUDGE_INPUT,
            "--row: shows how numbers become a prediction, but %s is text; without --row it shows how "
            "gradients shrink or grow",
            from->file);
    if (!status) status = explain_row(&x, job->error);
    if (!status) {
        explain_print(&x, &text);
        JsonWriter w = job_begin(&json, "result");
        explain_json(&x, &w);
        status = job_say(job, "result", &text, &w);
    }
    explain_free(&x);
    return status;
}

static int explain_say_rows(Job *job, Examined *from, size_t step)
{
    ExplainFlows x = {.examined = from, .step = step};
    Text text = {0}, json = {0};
    int status = explain_rows(&x, job->error);
    if (!status) {
        explain_rows_print(&x, &text);
        JsonWriter w = job_begin(&json, "result");
        explain_rows_json(&x, &w);
        status = job_say(job, "result", &text, &w);
    }
    explain_rows_free(&x);
    return status;
}

int job_explain(Job *job)
{
    Examined x;
    size_t step;
    int status = examined_open(&x, job, false);
    if (!status) status = explain_steps(job, &x, &step);
    /* Parts of a batch would be layers of their own, and their sum is the same. */
    if (!status) status = settings_set(&x.model->settings, "micro", "1", "explain", job->error);
    if (!status)
        status = job_option(job, "row") ? explain_say_row(job, &x, step) : explain_say_rows(job, &x, step);
    examined_free(&x);
    return status;
}
