/* report.c: see report.h. */
#include "train/report.h"

#include <math.h>
#include <string.h>
#include <time.h>

static const double REPORT_EVERY = .05; /* s between progress events */
enum { REPORT_STRIDE = 1024 };

static double report_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void report_begin(Report *r, const Course *c, uint64_t from, nudge_listener *listener, void *context)
{
    *r = (Report){
        .listener = listener, .context = context, .course = c, .from = from, .stride = 1, .countdown = 1};
    r->begun = r->looked = r->told = report_clock();
}

void report_end(Report *r)
{
    text_free(&r->text);
    text_free(&r->json);
}

/* A step may take less time than to look at the clock, so the looks are spaced by what the last ones showed. */
bool report_due(Report *r)
{
    if (--r->countdown > 0) return false;
    double now = report_clock(), spent = now - r->looked;
    if (spent < REPORT_EVERY / 50 && r->stride < REPORT_STRIDE) r->stride *= 2;
    if (spent > REPORT_EVERY / 5 && r->stride > 1) r->stride /= 2;
    r->looked = now;
    r->countdown = r->stride;
    return now - r->told >= REPORT_EVERY;
}

double report_seconds(const Report *r)
{
    return r->looked - r->begun;
}

/* ---- One event ---- */

static bool report_open(Report *r, const char *kind)
{
    if (!r->listener) return false;
    r->text.length = r->json.length = 0;
    r->w = (JsonWriter){.out = &r->json};
    json_open(&r->w, '{');
    json_key(&r->w, "event");
    json_string(&r->w, kind);
    return true;
}

static void report_json(Report *r, const char *key, double value)
{
    json_key(&r->w, key);
    json_number(&r->w, value);
}

static void report_json_count(Report *r, const char *key, uint64_t value)
{
    json_key(&r->w, key);
    json_integer(&r->w, (int64_t)value);
}

static void report_json_text(Report *r, const char *key, const char *value)
{
    json_key(&r->w, key);
    json_string(&r->w, value);
}

static void report_send(Report *r, const char *kind, const Progress *p, uint64_t epoch, double loss,
                        double validation_loss)
{
    json_close(&r->w, '}');
    const nudge_event event = {.kind = kind,
                               .text = text_end(&r->text),
                               .json = text_end(&r->json),
                               .epoch = epoch,
                               .epochs = r->course->epochs,
                               .step = p->step,
                               .steps = r->course->steps,
                               .loss = loss,
                               .validation_loss = validation_loss};
    r->told = r->looked;
    r->failed |= r->text.failed || r->json.failed;
    if (r->listener(r->context, &event)) r->stop = true;
}

/* ---- Words ---- */

static void report_number(Report *r, double value, int digits)
{
    char number[NUMBER_ROOM];
    text_print(&r->text, "%s", number_print_short(number, value, digits));
}

/* "1.1M" */
static void report_large(Report *r, double value)
{
    static const char *const suffix[] = {"", "k", "M", "G"};
    size_t thousands = 0;
    for (; value >= 999.5 && thousands + 1 < sizeof suffix / sizeof *suffix; thousands++)
        value /= 1000;
    report_number(r, value < 9.95 ? rint(value * 10) / 10 : rint(value), 4);
    text_print(&r->text, "%s", suffix[thousands]);
}

static void report_time(Report *r, double seconds)
{
    bool minutes = seconds >= 120, hours = seconds >= 7200;
    double shown = hours ? seconds / 3600 : minutes ? seconds / 60 : seconds;
    report_number(r, shown < 9.95 && (hours || !minutes) ? rint(shown * 10) / 10 : rint(shown), 6);
    text_print(&r->text, "%s", hours ? " h" : minutes ? " min" : " s");
}

static double report_rate(const Report *r, const Progress *p)
{
    double rows =
        ((double)p->step - (double)r->from) * (double)r->course->rows / (double)course_epoch_steps(r->course);
    return report_seconds(r) > 0 ? rows / report_seconds(r) : (double)NAN;
}

/* At the pace so far; NaN before there is one. */
static double report_remaining(const Report *r, const Progress *p)
{
    double done = (double)p->step - (double)r->from, left = (double)r->course->steps - (double)p->step;
    return done > 0 ? report_seconds(r) / done * left : (double)NAN;
}

/* How fast, and how long still; at the end, how long it took. */
static void report_pace(Report *r, const Progress *p)
{
    double rate = report_rate(r, p), remaining = report_remaining(r, p);
    bool over = p->step >= r->course->steps;
    if (rate > 0) {
        text_print(&r->text, "   ");
        report_large(r, rate);
        text_print(&r->text, " rows/s");
    }
    if (isnan(remaining)) return;
    text_print(&r->text, "   ");
    report_time(r, over ? report_seconds(r) : remaining);
    if (!over) text_print(&r->text, " left");
}

static void report_json_pace(Report *r, const Progress *p)
{
    report_json_count(r, "epochs", r->course->epochs);
    report_json_count(r, "step", p->step);
    report_json_count(r, "steps", r->course->steps);
    report_json(r, "rows_per_second", report_rate(r, p));
    report_json(r, "seconds", report_seconds(r));
    report_json(r, "remaining_seconds", report_remaining(r, p));
}

/* ---- Events ---- */

void report_start(Report *r, const Progress *p, size_t held)
{
    const Course *c = r->course;
    Blueprint *b = programs_lock(c->m->programs);
    const char *loss = blueprint_loss(b), *optimizer = blueprint_optimizer(b);
    programs_unlock(c->m->programs);
    if (!report_open(r, "start")) return;
    text_print(&r->text, "net %s · %zu parameters · %s · %s · batch %zu · %zu rows, %zu held out",
               settings_text(&c->m->settings, "net"), c->m->parameters, loss, optimizer, c->batch_rows,
               c->rows, held);
    report_json_text(r, "net", settings_text(&c->m->settings, "net"));
    report_json_text(r, "loss", loss);
    report_json_text(r, "optimizer", optimizer);
    report_json_count(r, "parameters", c->m->parameters);
    report_json_count(r, "rows", c->rows);
    report_json_count(r, "validation_rows", held);
    report_json_count(r, "batch", c->batch_rows);
    report_json_count(r, "epochs", c->epochs);
    report_json_count(r, "step", p->step);
    report_json_count(r, "steps", c->steps);
    report_send(r, "start", p, p->epoch, (double)NAN, (double)NAN);
}

void report_progress(Report *r, const Progress *p, double loss)
{
    if (!report_open(r, "progress")) return;
    const Course *c = r->course;
    text_print(&r->text, "epoch %llu/%llu  %d %%  train ", (unsigned long long)p->epoch + 1,
               (unsigned long long)c->epochs, (int)(100 * (double)p->row / (double)c->rows));
    report_number(r, loss, 4);
    report_pace(r, p);
    report_json_count(r, "epoch", p->epoch + 1);
    report_json_pace(r, p);
    report_json(r, "loss", loss);
    report_send(r, "progress", p, p->epoch + 1, loss, (double)NAN);
}

void report_epoch(Report *r, const Progress *p, double loss, double validation_loss, const Metrics *metrics,
                  bool best)
{
    r->looked = report_clock();
    if (!report_open(r, "epoch")) return;
    const Course *c = r->course;
    text_print(&r->text, "epoch %llu/%llu  train ", (unsigned long long)p->epoch + 1,
               (unsigned long long)c->epochs);
    report_number(r, loss, 4);
    report_json_count(r, "epoch", p->epoch + 1);
    report_json_pace(r, p);
    report_json(r, "loss", loss);
    report_json(r, "validation_loss", validation_loss);
    if (metrics) {
        const MetricsFigure *figure = metrics_main(metrics);
        text_print(&r->text, "  valid ");
        report_number(r, validation_loss, 4);
        text_print(&r->text, "  %s ", figure->name);
        metrics_print(figure, figure->value(metrics, false), &r->text);
        text_print(&r->text, best ? " *" : "  ");
        report_json(r, figure->name, figure->value(metrics, false));
        json_key(&r->w, "best");
        json_flag(&r->w, best);
    }
    report_pace(r, p);
    report_send(r, "epoch", p, p->epoch + 1, loss, validation_loss);
}

void report_checkpoint(Report *r, const Progress *p, const char *path)
{
    if (!report_open(r, "checkpoint")) return;
    text_print(&r->text, "checkpoint at step %llu: %s", (unsigned long long)p->step, path);
    report_json_count(r, "step", p->step);
    report_json_text(r, "path", path);
    report_send(r, "checkpoint", p, p->epoch, (double)NAN, (double)NAN);
}

void report_finish(Report *r, const Progress *p, bool patient, double loss, const Metrics *metrics,
                   const char *const *names)
{
    r->looked = report_clock();
    if (!report_open(r, "end")) return;
    const char *reason = r->stop ? "stopped" : patient ? "patience" : "done";
    if (patient && !r->stop)
        text_print(&r->text, "stopped: no better for %llu epochs", (unsigned long long)p->waited);
    else
        text_print(&r->text, "%s after %llu of %llu steps", reason, (unsigned long long)p->step,
                   (unsigned long long)r->course->steps);
    if (p->best_epoch) text_print(&r->text, "; best epoch %llu kept", (unsigned long long)p->best_epoch);
    report_json_text(r, "reason", reason);
    report_json_count(r, "step", p->step);
    report_json_count(r, "epoch", p->epoch + (p->row > 0));
    report_json_count(r, "best_epoch", p->best_epoch);
    report_json(r, "seconds", report_seconds(r));
    report_json(r, "loss", loss);
    if (metrics) {
        const MetricsFigure *figure = metrics_main(metrics);
        text_print(&r->text, ": %s ", figure->name);
        metrics_print(figure, figure->value(metrics, false), &r->text);
        if (!isnan(figure->value(metrics, true))) {
            text_print(&r->text, " (");
            metrics_trivial(metrics, names, &r->text);
            text_put(&r->text, ')');
        }
        metrics_json(metrics, names, &r->w);
    }
    report_send(r, "end", p, p->epoch, loss, (double)NAN);
}
