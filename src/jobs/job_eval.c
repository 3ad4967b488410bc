/* job_eval.c: `nudge eval`. */
#include "jobs/job.h"

#include "jobs/judged.h"

static int eval_say(Job *job, const Judged *j, double loss, const Metrics *m)
{
    Text text = {0}, json = {0};
    char number[NUMBER_ROOM];
    judged_print(j, &text);
    text_print(&text, ": loss %s (%s)\n", number_print_short(number, loss, 5),
               settings_text(&j->model->settings, "loss"));
    metrics_text(m, j->names, &text);
    JsonWriter w = job_begin(&json, "result");
    json_key(&w, "part");
    json_string(&w, j->part);
    json_key(&w, "data");
    json_string(&w, j->file.s ? j->file.s : "");
    json_key(&w, "loss");
    json_number(&w, loss);
    metrics_json(m, j->names, &w);
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
