/* job_lr.c: `nudge lr`: tries learning rates on a recipe, and suggests one. */
#include "jobs/job.h"

#include "jobs/examined.h"
#include "jobs/numerals.h"
#include "train/rates.h"
#include <math.h>

enum { LR_LINES = 20, LR_BAR = 24 };

/* A rate to two digits: more would pretend. */
static void lr_print_rate(Text *out, double lr)
{
    char number[NUMBER_ROOM];
    text_print(out, "%s", number_print_short(number, lr, 2));
}

static double lr_extreme(const Rates *r, double (*pick)(double, double))
{
    double value = r->loss[0];
    for (size_t i = 1; i < r->steps; i++)
        value = pick(value, r->loss[i]);
    return value;
}

/* The line of a step: rate, loss, and a bar from the least loss to the largest. */
static void lr_print_line(const Rates *r, size_t step, double least, double most, Text *out)
{
    char number[NUMBER_ROOM];
    size_t line = out->length;
    lr_print_rate(out, r->lr[step]);
    numeral_pad(out, line, 12);
    text_print(out, "%s", number_print_short(number, r->loss[step], 4));
    numeral_pad(out, line, 24);
    if (most > least) numeral_print_bar(out, LR_BAR * (r->loss[step] - least) / (most - least));
    text_put(out, '\n');
}

static void lr_print_table(const Rates *r, Text *out)
{
    double least = lr_extreme(r, fmin), most = lr_extreme(r, fmax);
    text_print(out, "%-12s%s\n", "lr", "loss, smoothed");
    size_t every = (RATES_STEPS + LR_LINES - 1) / LR_LINES;
    for (size_t i = every - 1; i < r->steps; i += every)
        lr_print_line(r, i, least, most, out);
}

static void lr_print_advice(const Examined *x, const Rates *r, Text *out)
{
    text_print(out, "the loss was least at ");
    lr_print_rate(out, r->least);
    if (isnan(r->broken)) {
        text_print(out, " and never broke out");
    } else {
        text_print(out, " and broke out at ");
        lr_print_rate(out, r->broken);
    }
    text_print(out, "; a tenth of the former: lr=");
    lr_print_rate(out, r->suggestion);
    text_print(out, " in optimizer: %s", settings_text(&x->settings, "optimizer"));
}

static void lr_json(const Rates *r, JsonWriter *w)
{
    const double found[] = {r->suggestion, r->least, r->broken};
    static const char *const name[] = {"suggestion", "least", "broken"};
    for (size_t i = 0; i < sizeof found / sizeof *found; i++)
        json_key(w, name[i]), json_number(w, found[i]);
    json_key(w, "lr");
    json_open(w, '[');
    for (size_t i = 0; i < r->steps; i++)
        json_number(w, r->lr[i]);
    json_close(w, ']');
    json_key(w, "loss");
    json_open(w, '[');
    for (size_t i = 0; i < r->steps; i++)
        json_number(w, r->loss[i]);
    json_close(w, ']');
}

static int lr_say(const Examined *x, const Rates *r)
{
    Text text = {0}, json = {0};
    lr_print_table(r, &text);
    lr_print_advice(x, r, &text);
    JsonWriter w = job_begin(&json, "result");
    lr_json(r, &w);
    return job_say(x->job, "result", &text, &w);
}

int job_lr(Job *job)
{
    Examined x;
    Rates r;
    int status = examined_open(&x, job, false);
    if (!status && x.trained)
        status = error_set(job->error, NUDGE_INPUT,
                           "%s: is a model; to try learning rates, name its recipe.yaml", job->operand[0]);
    if (!status) status = examined_train(&x, 0);
    if (!status) status = rates_find(x.model, x.rows, x.order, x.count, &r, job->error);
    if (!status && !r.steps)
        status = error_set(job->error, NUDGE_DIVERGED,
                           "the loss is no number before the first update; look at it with nudge explain");
    if (!status) status = lr_say(&x, &r);
    examined_free(&x);
    return status;
}
