/* job_eval.c: `nudge eval`. */
#include "jobs/job.h"

#include "jobs/judged.h"
#include <math.h>

/* What a byte of the text costs, whatever the tokens are. */
static double eval_bits(const Judged *j, const Metrics *m)
{
    return m->log_loss / log(2) / textdata_bytes(&j->rows, &j->tokens, j->order, j->count);
}

/* "predicted above the probability 0.53" */
static void eval_print_threshold(const Judged *j, Text *out)
{
    char number[NUMBER_ROOM];
    const double *threshold = j->model->threshold;
    bool labels = j->model->task.labels;
    text_print(out, "\npredicted above the probability ");
    for (size_t k = 0; k < (labels ? j->model->outputs : 1); k++)
        text_print(out, "%s%s", k ? " " : "", number_print_short(number, threshold[k], 3));
    text_print(out, labels ? ", label by label\n" : "\n");
}

static int eval_say(Job *job, const Judged *j, double loss, const Metrics *m)
{
    Text text = {0}, json = {0};
    char number[NUMBER_ROOM];
    judged_print(j, &text);
    text_print(&text, ": loss %s (%s%s)\n", number_print_short(number, loss, 5),
               settings_text(&j->model->settings, "loss"),
               model_scales_targets(j->model) ? ", standardised target" : "");
    metrics_text(m, j->names, &text);
    if (j->model->threshold) eval_print_threshold(j, &text);
    double bits = j->tokens.count ? eval_bits(j, m) : (double)NAN;
    if (j->tokens.count) text_print(&text, "bits_per_byte     %10s\n", number_print_short(number, bits, 4));
    JsonWriter w = job_begin(&json, "result");
    json_key(&w, "part");
    json_string(&w, j->part);
    json_key(&w, "data");
    json_string(&w, j->file.s ? j->file.s : "");
    json_key(&w, "loss");
    json_number(&w, loss);
    json_key(&w, "standardised_target");
    json_flag(&w, model_scales_targets(j->model));
    metrics_json(m, j->names, &w);
    if (j->tokens.count) json_key(&w, "bits_per_byte"), json_number(&w, bits);
    return job_say(job, "result", &text, &w);
}

int job_eval(Job *job)
{
    Judged j;
    Metrics metrics = {0};
    double loss;
    int status = judged_open(&j, job);
    if (!status) status = model_evaluate(j.model, &j.rows, j.order, j.count, &loss, &metrics, job->error);
    if (!status) status = eval_say(job, &j, loss, &metrics);
    metrics_free(&metrics);
    judged_free(&j);
    return status;
}
