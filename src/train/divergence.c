/* divergence.c: see divergence.h.
 *
 * A step is one program, so when its loss is no number it is too late to look inside. But steps can be repeated bit by
 * bit from any earlier state: they are, up to the step before, and then the batch goes through a network that shows
 * every layer's values and gradients. */
#include "train/divergence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DIVERGENCE_PAST = 10 }; /* steps over which the growth of gradients is told */

typedef struct Culprit {
    Text layer; /* "layer 5, batchnorm"; empty: none found */
    const char *where;
    uint64_t step;
} Culprit;

/* A network whose layers' values and gradients are all results. */
typedef struct Lens {
    Course *course;
    Blueprint *b;
    Network *n;
    int outputs;
    PlanOutput *output;
    int *layer; /* of each output; ~layer for its gradient */
    void **memory;
    size_t *size;
} Lens;

static void lens_add(Lens *l, Node *node, int layer, bool backward)
{
    if (!node || node->type != TYPE_REAL) return;
    Arena *a = &l->n->graph->arena;
    size_t size = (size_t)shape_size(node->shape);
    l->output[l->outputs] =
        (PlanOutput){arena_print(a, "%s.%d", backward ? "gradient" : "value", layer), node};
    l->layer[l->outputs] = backward ? ~layer : layer;
    l->size[l->outputs] = size;
    l->memory[l->outputs++] = arena_new(a, size, sizeof(double));
}

/* In the order in which data flows: forward, then backward. */
static void lens_grind(void *context)
{
    Lens *l = context;
    Network *n = l->n;
    size_t layers = (size_t)n->layers;
    Arena *a = &n->graph->arena;
    Node **y = arena_new(a, layers, sizeof *y), **dy = arena_new(a, layers, sizeof *dy);
    l->output = arena_new(a, 2 * layers, sizeof *l->output);
    l->layer = arena_new(a, 2 * layers, sizeof *l->layer);
    l->size = arena_new(a, 2 * layers, sizeof *l->size);
    l->memory = arena_new(a, 2 * layers, sizeof *l->memory);
    for (size_t i = 0; i < layers; i++)
        y[i] = n->layer[i].output;
    autodiff_gradients(n->graph, l->b->scope, n->loss, NULL, n->layers, y, dy);
    for (int i = 0; i < n->layers; i++)
        lens_add(l, y[i], i, false);
    for (int i = n->layers - 1; i >= 0; i--)
        lens_add(l, dy[i], i, true);
}

static int lens_look(Lens *l, uint64_t step, Error *e)
{
    Course *c = l->course;
    Run r;
    int status = run_open(&r, c->m->programs, l->n->graph, l->outputs, l->output, e);
    if (status) return status;
    for (int i = 0; i < l->outputs; i++)
        run_output(&r, l->output[i].name, l->memory[i]);
    batch_bind(&c->batch, &r);
    run_set(&r, RUN_T, (double)step);
    run_set(&r, RUN_STEPS, (double)c->steps);
    run_set(&r, RUN_SEED, model_seed(c->m, step));
    run_go(&r);
    run_end(&r);
    return NUDGE_OK;
}

static bool lens_finite(const Lens *l, int output)
{
    DataType real = model_real(l->course->m);
    double value;
    for (size_t i = 0; i < l->size[output]; i++) {
        data_convert(&value, DATA_F64, (const char *)l->memory[output] + i * data_size(real), real, 1);
        if (!isfinite(value)) return false;
    }
    return true;
}

static void lens_find(const Lens *l, uint64_t step, Culprit *found)
{
    for (int i = 0; i < l->outputs; i++) {
        if (lens_finite(l, i)) continue;
        bool backward = l->layer[i] < 0;
        const NetworkLayer *layer = &l->n->layer[backward ? ~l->layer[i] : l->layer[i]];
        text_print(&found->layer, "layer %s, %s", layer->path, layer->text);
        found->where = backward ? "backward" : "forward";
        found->step = step;
        return;
    }
}

/* Looks at the batch after p, in the model's state as it is. */
static int divergence_look(Course *c, const Progress *p, Culprit *found, Error *e)
{
    course_take(c, p);
    Blueprint *b = programs_lock(c->m->programs);
    Binding k = {MODE_TRAIN, c->batch.rows, c->batch.weight != NULL, false, c->scheduled};
    Lens l = {.course = c, .b = b, .n = network_build(b, &k, e)};
    int status = l.n ? blueprint_catch(b, lens_grind, &l, e) : e->status;
    if (!status) status = lens_look(&l, p->step + 1, e);
    if (!status) lens_find(&l, p->step + 1, found);
    network_free(l.n);
    programs_unlock(c->m->programs);
    return status;
}

/* Repeats the steps before `failed`, watching the last two, and gives the growth of the gradients. */
static int divergence_repeat(Course *c, const Progress *from, uint64_t failed, Culprit *found, double *growth,
                             Error *e)
{
    double norm[DIVERGENCE_PAST + 1] = {0}, loss, last = 0, first = 0;
    Progress p = *from;
    int status = NUDGE_OK;
    while (!status && p.step + 1 < failed && !found->where) {
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
    return status || found->where ? status : divergence_look(c, &p, found, e);
}

/* " (first in layer 5, batchnorm, backward)" */
static void divergence_print_place(Culprit *found, uint64_t failed, bool loss, Text *out)
{
    if (found->where) text_print(out, " (first in %s, %s", text_end(&found->layer), found->where);
    if (found->where && found->step != failed)
        text_print(out, ", at step %llu", (unsigned long long)found->step);
    if (!found->where && loss) text_print(out, " (first in the loss itself");
    if (found->where || loss) text_put(out, ')');
}

static void divergence_print_number(Text *out, double value, int digits)
{
    char number[NUMBER_ROOM];
    text_print(out, "%s", number_print_short(number, value, digits));
}

static void divergence_advise(Course *c, uint64_t step, double growth, Text *out)
{
    double lr = model_rate(c->m, (double)step, (double)c->steps);
    text_print(out, "\n  ");
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

int divergence_explain(Course *c, const Store *store, const Progress *from, uint64_t failed, double loss,
                       const char *good, uint64_t good_step, Error *e)
{
    Culprit found = {0};
    Text text = {0};
    double growth = 0;
    Error ignored = {0};
    store_assign(&c->m->store, store);
    c->m->steps = from->step;
    bool repeated = !divergence_repeat(c, from, failed, &found, &growth, &ignored);
    store_assign(&c->m->store, store);
    c->m->steps = from->step;
    text_print(&text, "%s at step %llu",
               isinf(loss)   ? "loss became infinite"
               : isnan(loss) ? "loss became NaN"
                             : "weights became infinite or NaN",
               (unsigned long long)failed);
    divergence_print_place(&found, failed, repeated && !isfinite(loss), &text);
    if (good)
        text_print(&text, "; last good checkpoint: %s (step %llu)", good, (unsigned long long)good_step);
    divergence_advise(c, failed, growth, &text);
    error_set(e, NUDGE_DIVERGED, "%s", text_end(&text));
    text_free(&found.layer);
    text_free(&text);
    return e->status;
}
