/* divergence.c: see divergence.h.
 *
 * A step is one program, so when its loss is no number it is too late to look inside. But steps can be repeated bit by
 * bit from any earlier state: they are, up to the step before, and then the batch goes through a network that shows
 * every layer's values and gradients. */
#include "train/divergence.h"

#include <math.h>
#include <string.h>

enum { DIVERGENCE_PAST = 10 }; /* steps over which the growth of gradients is told */

typedef struct Culprit {
    Text place; /* "layer 5, batchnorm, backward"; empty: none found */
    uint64_t step;
} Culprit;

/* A network all of whose layers' values and gradients are results. */
typedef struct Lens {
    Course *course;
    Blueprint *b;
    Network *n;
    int outputs;
    PlanOutput *output;
    const char **place; /* of each output: what made it */
    void **memory;
} Lens;

static void lens_add(Lens *l, const Node *node, const char *place)
{
    if (!node || node->type != TYPE_REAL) return;
    Arena *a = &l->n->graph->arena;
    l->place[l->outputs] = place;
    l->output[l->outputs] = (PlanOutput){arena_print(a, "lens.%d", l->outputs), (Node *)(uintptr_t)node};
    l->memory[l->outputs++] = arena_new(a, (size_t)shape_size(node->shape), sizeof(double));
}

/* What a layer hands back: the gradient of its input, and those of its parameters. */
static void lens_add_backward(Lens *l, const NetworkLayer *layer, const Node *dx)
{
    const char *place = arena_print(&l->n->graph->arena, "layer %s, %s, backward", layer->path, layer->text);
    lens_add(l, dx, place);
    for (int i = 0; i < l->n->parameters; i++)
        if (!strcmp(l->n->parameter[i].path, layer->path)) lens_add(l, l->n->parameter[i].gradient, place);
}

/* In the order in which data flows: forward, then backward. */
static void lens_grind(void *context)
{
    Lens *l = context;
    Network *n = l->n;
    Arena *a = &n->graph->arena;
    size_t layers = (size_t)n->layers, most = 2 * layers + (size_t)n->parameters + 2;
    Node **x = arena_new(a, layers + 1, sizeof *x), **dx = arena_new(a, layers + 1, sizeof *dx);
    l->output = arena_new(a, most, sizeof *l->output);
    l->place = arena_new(a, most, sizeof *l->place);
    l->memory = arena_new(a, most, sizeof *l->memory);
    for (size_t i = 0; i < layers; i++)
        x[i] = n->layer[i].input;
    x[layers] = n->output;
    autodiff_gradients(n->graph, l->b->scope, n->loss, NULL, n->layers + 1, x, dx);
    for (int i = 0; i < n->layers; i++)
        lens_add(l, n->layer[i].output,
                 arena_print(a, "layer %s, %s, forward", n->layer[i].path, n->layer[i].text));
    lens_add(l, n->loss, "the loss, forward");
    lens_add(l, dx[layers], "the loss, backward");
    for (int i = n->layers - 1; i >= 0; i--)
        lens_add_backward(l, &n->layer[i], dx[i]);
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
    size_t size = (size_t)shape_size(l->output[output].node->shape);
    double value;
    for (size_t i = 0; i < size; i++) {
        data_convert(&value, DATA_F64, (const char *)l->memory[output] + i * data_size(real), real, 1);
        if (!isfinite(value)) return false;
    }
    return true;
}

static void lens_find(const Lens *l, uint64_t step, Culprit *found)
{
    int i = 0;
    while (i < l->outputs && lens_finite(l, i))
        i++;
    if (i == l->outputs) return;
    text_print(&found->place, "%s", l->place[i]);
    found->step = step;
}

/* Looks at the batch after p, in the model's state as it is. */
static int divergence_look(Course *c, const Progress *p, Culprit *found, Error *e)
{
    course_take(c, p);
    Blueprint *b = programs_lock(c->m->programs);
    Binding k = {MODE_TRAIN, c->batch.rows, c->batch.weight != NULL, false, c->scheduled, false};
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
    if (repeated && found.place.length) text_print(&text, " (first in %s", text_end(&found.place));
    if (repeated && found.step && found.step != failed)
        text_print(&text, ", at step %llu", (unsigned long long)found.step);
    if (repeated && found.place.length) text_put(&text, ')');
    if (good)
        text_print(&text, "; last good checkpoint: %s (step %llu)", good, (unsigned long long)good_step);
    divergence_advise(c, failed, growth, &text);
    error_set(e, NUDGE_DIVERGED, "%s", text_end(&text));
    text_free(&found.place);
    text_free(&text);
    return e->status;
}
