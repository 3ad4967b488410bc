/* divergence.c: see divergence.h.
 *
 * A step is one program, so when its loss is no number it is too late to look inside. But steps can be repeated bit by
 * bit from any earlier state: they are, up to the step before, and then the batch goes through a lens. */
#include "train/divergence.h"

#include "train/lens.h"

#include <math.h>
#include <string.h>

enum { DIVERGENCE_PAST = 10 }; /* steps over which the growth of gradients is told */

typedef struct Culprit {
    Text place; /* "layer 5, batchnorm, backward: div gave inf"; empty: none found */
    uint64_t step;
} Culprit;

/* Looks at the batch after p, in the model's state as it is. */
static int divergence_look(Course *c, const Progress *p, Culprit *found, Error *e)
{
    Lens l;
    course_take(c, p);
    int status = lens_open(&l, c, e);
    if (!status) status = lens_look(&l, p->step + 1, &found->place, e);
    found->step = p->step + 1;
    lens_close(&l);
    return status;
}

/* Repeats the steps before `failed`, watching the last two, and gives the growth of the gradients. */
static int divergence_repeat(Course *c, const Progress *from, uint64_t failed, Culprit *found, double *growth,
                             Error *e)
{
    double norm[DIVERGENCE_PAST + 1] = {0}, loss, last = 0, first = 0;
    Progress p = *from;
    int status = NUDGE_OK;
    while (!status && p.step + 1 < failed && !found->place.length) {
        if (p.step + 2 == failed) status = divergence_look(c, &p, found, e);
        if (status) return status;
        course_take(c, &p);
        status = course_step(c, &p, true, &loss, e);
        double now = course_norm(c, c->m->groups);
        first = norm[p.step % DIVERGENCE_PAST];
        norm[p.step % DIVERGENCE_PAST] = now;
        if (isfinite(now)) last = now;
        if (!p.row || p.row == c->rows) course_end_epoch(&p);
    }
    *growth = first > 0 ? last / first : 0;
    return status || found->place.length ? status : divergence_look(c, &p, found, e);
}

static void divergence_print_number(Text *out, double value, int digits)
{
    char number[NUMBER_ROOM];
    text_print(out, "%s", number_print_short(number, value, digits));
}

/* Without an update before it, no learning rate is to blame. */
static void divergence_advise(Course *c, uint64_t step, double growth, bool updated, Text *out)
{
    double lr = model_rate(c->m, (double)step, (double)c->steps);
    text_print(out, "\n  ");
    if (!updated) {
        text_print(out, "no update was made before it: change what gives it, the net, the loss or the data");
        return;
    }
    if (growth >= 2) {
        text_print(out, "gradients had grown ");
        divergence_print_number(out, growth, 2);
        text_print(out, "-fold in %d steps: ", DIVERGENCE_PAST);
    }
    text_print(out, "lower lr");
    if (!isnan(lr)) {
        text_print(out, " (now ");
        divergence_print_number(out, lr, 6);
        text_put(out, ')');
    }
    if (!settings_is_set(&c->m->settings, "clip")) text_print(out, " or add clip=1");
}

static void divergence_say_where(const Culprit *found, uint64_t failed, Text *out)
{
    if (!found->place.length) return;
    text_print(out, " (first in %s", found->place.s);
    if (found->step != failed) text_print(out, ", at step %llu", (unsigned long long)found->step);
    text_put(out, ')');
}

static int divergence_say(Course *c, const DivergenceGood *good, uint64_t step, double growth, bool updated,
                          Text *text, Error *e)
{
    if (good->checkpoint)
        text_print(text, "; last good checkpoint: %s (step %llu)", good->checkpoint,
                   (unsigned long long)good->step);
    divergence_advise(c, step, growth, updated, text);
    text->failed ? error_memory(e) : error_set(e, NUDGE_DIVERGED, "%s", text_end(text));
    text_free(text);
    return e->status;
}

static void divergence_go_back(Course *c, const Store *store, const Progress *to)
{
    store_assign(&c->m->store, store);
    c->m->steps = to->step;
    c->m->drops = to->plateau.drops;
}

int divergence_explain(Course *c, const Store *store, const Progress *from, uint64_t failed, double loss,
                       const DivergenceGood *good, Error *e)
{
    Culprit found = {0};
    Text text = {0};
    double growth = 0;
    Error ignored = {0};
    divergence_go_back(c, store, from);
    bool repeated = !divergence_repeat(c, from, failed, &found, &growth, &ignored);
    divergence_go_back(c, store, from);
    text_print(&text, "%s at step %llu",
               isinf(loss)   ? "loss became infinite"
               : isnan(loss) ? "loss became NaN"
                             : "weights became infinite or NaN",
               (unsigned long long)failed);
    if (repeated) divergence_say_where(&found, failed, &text);
    text_free(&found.place);
    return divergence_say(c, good, failed, growth, failed > 1 || isfinite(loss), &text, e);
}

/* ---- Anomalies ---- */

enum { WATCH_LENSES = 2 }; /* for whole batches, and for the last one of an epoch */

struct Watch {
    Course *course;
    Lens lens[WATCH_LENSES];
};

int watch_open(Watch **w, Course *c, Error *e)
{
    *w = memory_zero(1, sizeof **w);
    if (!*w) return error_memory(e);
    (*w)->course = c;
    return NUDGE_OK;
}

void watch_close(Watch *w)
{
    if (!w) return;
    for (int i = 0; i < WATCH_LENSES; i++)
        lens_close(&w->lens[i]);
    memory_release(w);
}

int watch_step(Watch *w, const Progress *p, const DivergenceGood *good, Error *e)
{
    Lens *l = w->lens;
    while (l->rows && l->rows != w->course->batch.rows)
        l++;
    Text found = {0}, text = {0};
    int status = l->rows ? NUDGE_OK : lens_open(l, w->course, e);
    if (!status) status = lens_look(l, p->step + 1, &found, e);
    if (!status && found.length) {
        text_print(&text, "anomaly at step %llu: first in %s", (unsigned long long)p->step + 1, found.s);
        status = divergence_say(w->course, good, p->step + 1, 0, p->step > 0, &text, e);
    }
    text_free(&found);
    return status;
}
