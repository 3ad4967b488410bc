/* rates.c: see rates.h. */
#include "train/rates.h"

#include "train/course.h"

#include <math.h>

static const double RATES_LOW = 1e-7, RATES_HIGH = 10;
static const double RATES_SMOOTH = .8; /* of the loss's running mean */
static const double RATES_BROKEN =
    4; /* times the least loss, or the first one where that is 0: it has broken out */

static int rates_set(Model *m, const char *options, Error *e)
{
    Settings changes = {0};
    int status = settings_parse(&changes, options, e);
    if (!status) status = model_settings(m, &changes, e);
    settings_free(&changes);
    return status;
}

/* lr grows from step to step, whatever the recipe's schedule and optimizer say. */
static int rates_prepare(Model *m, Error *e)
{
    int status = rates_set(m, "schedule=constant", e);
    double lr = status ? 1 : model_rate(m, 1, 1);
    if (isnan(lr) || !(lr > 0))
        return error_set(e, NUDGE_INPUT, "%s: optimizer: %s has no lr that could be looked for",
                         settings_origin(&m->settings, "optimizer"),
                         settings_text(&m->settings, "optimizer"));
    char low[NUMBER_ROOM], high[NUMBER_ROOM];
    Text options = {0};
    text_print(&options, "schedule=sweep(low=%s, high=%s) steps=%d", number_print(low, RATES_LOW / lr),
               number_print(high, RATES_HIGH / lr), RATES_STEPS);
    if (!status) status = options.failed ? error_memory(e) : rates_set(m, options.s, e);
    text_free(&options);
    return status;
}

/* Takes a step's loss in; false if it has broken out. */
static bool rates_note(Rates *r, double lr, double loss, double *mean)
{
    size_t k = r->steps;
    *mean = RATES_SMOOTH * *mean + (1 - RATES_SMOOTH) * loss;
    double smooth = *mean / (1 - pow(RATES_SMOOTH, (double)k + 1)), least = k ? r->loss[0] : smooth;
    for (size_t i = 1; i < k; i++)
        least = fmin(least, r->loss[i]);
    bool broken = !isfinite(smooth) || (k && smooth > least + (RATES_BROKEN - 1) * fabs(least));
    if (broken) {
        r->broken = lr;
        return false;
    }
    if (!k || smooth < least) r->least = lr;
    r->lr[k] = lr;
    r->loss[k] = smooth;
    r->steps++;
    return true;
}

static int rates_run(Course *c, Rates *r, Error *e)
{
    Progress p = {0};
    double loss, mean = 0;
    bool goes = true;
    int status = NUDGE_OK;
    while (!status && goes && p.step < RATES_STEPS) {
        bool ends = course_ends_epoch(c, &p);
        course_take(c, &p);
        double lr = model_rate(c->m, (double)p.step + 1, RATES_STEPS);
        status = course_step(c, &p, false, &loss, e);
        if (ends) course_end_epoch(&p);
        if (!status && c->batch.total > 0) goes = rates_note(r, lr, loss, &mean);
    }
    return status;
}

int rates_find(Model *m, const Dataset *data, const size_t *order, size_t rows, Rates *r, Error *e)
{
    Course c;
    *r = (Rates){.least = (double)NAN, .broken = (double)NAN};
    int status = rates_prepare(m, e);
    if (!status) status = course_open(&c, m, data, order, rows, e);
    if (status) return status;
    status = rates_run(&c, r, e);
    r->suggestion = r->least / 10;
    course_close(&c);
    return status;
}
