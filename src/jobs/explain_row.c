/* explain_row.c: one row's error flowing backward: one graph whose outputs are the values and gradients of every layer
 * and parameter. See explain.h.
 *
 * That a gradient is, say, the layer's input times what arrives is not read from the layer's text: it is claimed where
 * the numbers say so. So the words fit every layer that works like a dense one, and no other. */
#include "jobs/explain.h"

#include "jobs/numerals.h"
#include <math.h>
#include <string.h>

#define EXPLAIN_AGREES 1e-4 /* of the largest number: what rounding to float32 leaves */

enum { LAYER_IN, LAYER_OUT, LAYER_ARRIVING, LAYER_SLOPE, LAYER_HANDED_ON, LAYER_STEEPEST };
enum { PARAMETER_VALUE, PARAMETER_GRADIENT, PARAMETER_NUDGE };

/* ---- What is asked of the graph ---------------------------------------------------------------------------- */

static int explain_want(Explanation *x, Node *n)
{
    return n && n->type == TYPE_REAL ? probe_want(&x->probe, n) : -1;
}

/* The gradient with respect to a layer's input of what the layer makes, times dy; through this layer alone, though its
 * input may go on elsewhere, too. dy NULL: ones, which gives the slope if each output has one input of its own. */
static Node *explain_through(Explanation *x, const NetworkLayer *l, Node *dy)
{
    Node *dx = NULL;
    if (l->input == l->output) return dy;
    if (l->input->type != TYPE_REAL) return NULL;
    autodiff_gradients(x->probe.network->graph, x->probe.blueprint->scope, l->output, dy, 1, &l->input, &dx);
    return dx;
}

static void explain_want_layer(Explanation *x, const NetworkLayer *from, ExplainLayer *to, Node *arriving)
{
    bool alike = shape_size(from->input->shape) == shape_size(from->output->shape);
    *to = (ExplainLayer){.path = from->path, .text = from->text, .depth = from->depth};
    to->wanted[LAYER_IN] = explain_want(x, from->input);
    to->wanted[LAYER_OUT] = explain_want(x, from->output);
    to->wanted[LAYER_ARRIVING] = explain_want(x, arriving);
    to->wanted[LAYER_SLOPE] = explain_want(x, alike ? explain_through(x, from, NULL) : NULL);
    to->wanted[LAYER_HANDED_ON] = explain_want(x, arriving ? explain_through(x, from, arriving) : NULL);
    to->wanted[LAYER_STEEPEST] = explain_want(x, explain_slopes(&x->probe, from->text));
    to->rule = explain_rule(from->text);
}

static void explain_want_layers(Explanation *x)
{
    const Network *n = x->probe.network;
    size_t count = (size_t)n->layers;
    Node **output = arena_new(&n->graph->arena, 2 * count, sizeof *output), **arriving = output + count;
    x->layer = arena_new(&n->graph->arena, count, sizeof *x->layer);
    for (size_t i = 0; i < count; i++)
        output[i] = n->layer[i].output;
    autodiff_gradients(n->graph, x->probe.blueprint->scope, n->loss, NULL, n->layers, output, arriving);
    for (; x->layers < n->layers; x->layers++)
        explain_want_layer(x, &n->layer[x->layers], &x->layer[x->layers], arriving[x->layers]);
}

/* What the step adds to a parameter. */
static Node *explain_nudge(const Probe *p, const NetworkParameter *parameter)
{
    Node *next = probe_assigned(p, parameter->leaf);
    return next ? graph_binary(p->network->graph, OP_sub, next, parameter->leaf) : NULL;
}

static void explain_want_parameter(Explanation *x, const NetworkParameter *from)
{
    ExplainParameter *to = &x->parameter[x->parameters++];
    const char *path = from->leaf->leaf->name, *dot = strrchr(path, '.');
    *to = (ExplainParameter){.name = dot ? dot + 1 : path, .path = path, .shape = from->leaf->shape};
    to->wanted[PARAMETER_VALUE] = explain_want(x, from->leaf);
    to->wanted[PARAMETER_GRADIENT] = explain_want(x, from->gradient);
    to->wanted[PARAMETER_NUDGE] = explain_want(x, explain_nudge(&x->probe, from));
}

/* The parameters of each layer stand together. */
static void explain_want_parameters(Explanation *x)
{
    const Network *n = x->probe.network;
    x->parameter = arena_new(&n->graph->arena, (size_t)n->parameters, sizeof *x->parameter);
    for (int i = 0; i < x->layers; i++) {
        x->layer[i].first = x->parameters;
        for (int k = 0; k < n->parameters; k++)
            if (probe_owner(n, n->parameter[k].path) == i) explain_want_parameter(x, &n->parameter[k]);
        x->layer[i].parameters = x->parameters - x->layer[i].first;
    }
}

static void explain_want_all(void *context)
{
    Explanation *x = context;
    explain_want_layers(x);
    explain_want_parameters(x);
    x->wanted_loss = probe_want(&x->probe, x->probe.network->loss);
}

/* ---- What comes back --------------------------------------------------------------------------------------- */

static Numbers explain_got(const Probe *p, int wanted)
{
    return wanted < 0 ? (Numbers){0} : (Numbers){probe_value(p, wanted), probe_size(p, wanted)};
}

static double explain_most(const double *value, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs(value[i]));
    return most;
}

static bool explain_same(double a, double b, double most)
{
    return fabs(a - b) <= EXPLAIN_AGREES * most;
}

/* gradient [out, in] is arriving [out] times in [in] */
static bool explain_is_outer(const ExplainParameter *p, const ExplainLayer *l)
{
    if (!p->gradient.value || !l->in.value || p->shape.rank != 2) return false;
    if ((size_t)p->shape.dim[0] != l->arriving.count || (size_t)p->shape.dim[1] != l->in.count) return false;
    double most = explain_most(p->gradient.value, p->gradient.count);
    for (size_t i = 0; i < p->gradient.count; i++) {
        double product = l->arriving.value[i / l->in.count] * l->in.value[i % l->in.count];
        if (!explain_same(p->gradient.value[i], product, most)) return false;
    }
    return true;
}

static bool explain_is_plain(const ExplainParameter *p, const ExplainLayer *l)
{
    if (!p->gradient.value || p->shape.rank != 1 || p->gradient.count != l->arriving.count) return false;
    double most = explain_most(p->gradient.value, p->gradient.count);
    for (size_t i = 0; i < p->gradient.count; i++)
        if (!explain_same(p->gradient.value[i], l->arriving.value[i], most)) return false;
    return true;
}

/* handed_on [in] is arriving [out] @ weight [out, in] */
static bool explain_is_weighted(const ExplainLayer *l, const ExplainParameter *p)
{
    size_t width = l->handed_on.count;
    double most = explain_most(l->handed_on.value, width);
    for (size_t i = 0; i < width; i++) {
        double sum = 0;
        for (size_t k = 0; k < l->arriving.count; k++)
            sum += l->arriving.value[k] * p->value.value[k * width + i];
        if (!explain_same(l->handed_on.value[i], sum, most)) return false;
    }
    return true;
}

static bool explain_is_slope(const ExplainLayer *l)
{
    if (!l->slope.value || !l->handed_on.value || l->handed_on.count != l->arriving.count) return false;
    double most = explain_most(l->handed_on.value, l->handed_on.count);
    for (size_t i = 0; i < l->slope.count; i++)
        if (!explain_same(l->handed_on.value[i], l->arriving.value[i] * l->slope.value[i], most))
            return false;
    return true;
}

/* The first of the layers within a layer, or NULL. */
static const ExplainLayer *explain_within(const Explanation *x, const ExplainLayer *l)
{
    size_t length = strlen(l->path);
    for (const ExplainLayer *k = x->layer; k < l; k++)
        if (!strncmp(k->path, l->path, length) && !strcmp(k->path + length, ".0")) return k;
    return NULL;
}

static bool explain_is_skip(const Explanation *x, const ExplainLayer *l)
{
    const ExplainLayer *within = explain_within(x, l);
    if (!within || !within->handed_on.value || within->handed_on.count != l->handed_on.count) return false;
    if (l->handed_on.count != l->arriving.count) return false;
    double most = explain_most(l->handed_on.value, l->handed_on.count);
    for (size_t i = 0; i < l->handed_on.count; i++)
        if (!explain_same(l->handed_on.value[i], l->arriving.value[i] + within->handed_on.value[i], most))
            return false;
    return true;
}

static void explain_get_parameter(const Explanation *x, const ExplainLayer *l, ExplainParameter *p)
{
    p->value = explain_got(&x->probe, p->wanted[PARAMETER_VALUE]);
    p->gradient = explain_got(&x->probe, p->wanted[PARAMETER_GRADIENT]);
    p->nudge = explain_got(&x->probe, p->wanted[PARAMETER_NUDGE]);
    if (!l->arriving.value) return;
    p->outer = explain_is_outer(p, l);
    p->plain = explain_is_plain(p, l);
}

static double explain_steepest(const Explanation *x, const ExplainLayer *l)
{
    Numbers slopes = explain_got(&x->probe, l->wanted[LAYER_STEEPEST]);
    return slopes.value && l->slope.value ? explain_most(slopes.value, slopes.count) : (double)NAN;
}

static void explain_get_layer(Explanation *x, ExplainLayer *l)
{
    l->in = explain_got(&x->probe, l->wanted[LAYER_IN]);
    l->out = explain_got(&x->probe, l->wanted[LAYER_OUT]);
    l->arriving = explain_got(&x->probe, l->wanted[LAYER_ARRIVING]);
    l->slope = explain_got(&x->probe, l->wanted[LAYER_SLOPE]);
    l->handed_on = explain_got(&x->probe, l->wanted[LAYER_HANDED_ON]);
    for (int i = l->first; i < l->first + l->parameters; i++) {
        ExplainParameter *p = &x->parameter[i];
        explain_get_parameter(x, l, p);
        l->share += numeral_sum(p->gradient.value, p->gradient.count);
        if (p->outer && l->handed_on.value) l->weighted |= explain_is_weighted(l, p);
    }
    l->skips = l->handed_on.value && explain_is_skip(x, l);
    if (!explain_is_slope(l)) l->slope = (Numbers){0};
    l->steepest = explain_steepest(x, l);
}

/* The largest gradients of all parameters. */
static void explain_rank(Explanation *x)
{
    for (int i = 0; i < x->parameters; i++) {
        const ExplainParameter *p = &x->parameter[i];
        size_t place[EXPLAIN_NUDGES];
        size_t found = numeral_largest(p->gradient.value, p->gradient.count, EXPLAIN_NUDGES, place);
        for (size_t k = 0; k < found; k++) {
            double size = fabs(p->gradient.value[place[k]]);
            size_t at = x->nudges < EXPLAIN_NUDGES ? x->nudges++ : EXPLAIN_NUDGES;
            for (; at; at--) {
                const ExplainNudge *before = &x->nudge[at - 1];
                if (!(size > fabs(before->parameter->gradient.value[before->place]))) break;
                if (at < EXPLAIN_NUDGES) x->nudge[at] = *before;
            }
            if (at < EXPLAIN_NUDGES) x->nudge[at] = (ExplainNudge){p, place[k]};
        }
    }
}

static void explain_get_all(Explanation *x)
{
    double total = 0;
    for (int i = 0; i < x->layers; i++) {
        explain_get_layer(x, &x->layer[i]);
        total += x->layer[i].share;
    }
    for (int i = 0; i < x->layers; i++)
        x->layer[i].share = total > 0 ? x->layer[i].share / total : 0;
    const ExplainLayer *last = &x->layer[x->layers - 1];
    x->output = last->out;
    x->arriving = last->arriving;
    x->loss = probe_value(&x->probe, x->wanted_loss)[0];
    explain_rank(x);
}

/* ---- The row itself ---------------------------------------------------------------------------------------- */

/* Targets as the loss sees them: one-hot for classes, in standard units where the model standardises them. */
static void explain_target(Explanation *x, double *target)
{
    const Model *m = x->examined->model;
    const Dataset *d = x->examined->rows;
    size_t count = x->output.count;
    const Tensor *mean = store_find(&m->store, "target.mean"), *scale = store_find(&m->store, "target.scale");
    for (size_t i = 0; i < count; i++) {
        if (m->task.classify) {
            int32_t class = ((const int32_t *)d->t)[x->row];
            target[i] = count == 1 ? class : (size_t) class == i;
            continue;
        }
        data_convert(&target[i], DATA_F64, (const char *)d->t + (x->row * count + i) * data_size(d->t_type),
                     d->t_type, 1);
        if (mean && scale)
            target[i] = (target[i] - tensor_get(&m->store, mean, i)) / tensor_get(&m->store, scale, i);
    }
}

static int explain_predict(Explanation *x, Error *e)
{
    const Model *m = x->examined->model;
    const Dataset *d = x->examined->rows;
    double *target = memory_zero(x->output.count, sizeof *target);
    double *prediction = memory_zero(m->outputs, sizeof *prediction);
    x->target = (Numbers){target, x->output.count};
    x->prediction = (Numbers){prediction, m->outputs};
    if (!target || !prediction) return error_memory(e);
    explain_target(x, target);
    const char *row = (const char *)d->x + x->row * d->features * data_size(d->x_type);
    return model_predict(m, row, d->x_type, 1, prediction, DATA_F64, e);
}

/* ---- The batch --------------------------------------------------------------------------------------------- */

static void explain_want_batch(void *context)
{
    Explanation *x = context;
    const Network *n = x->batch_probe.network;
    for (int i = 0; i < x->parameters; i++)
        for (int k = 0; k < n->parameters; k++)
            if (!strcmp(n->parameter[k].leaf->leaf->name, x->parameter[i].path)) {
                Node *change = explain_nudge(&x->batch_probe, &n->parameter[k]);
                x->parameter[i].wanted[PARAMETER_NUDGE] = change ? probe_want(&x->batch_probe, change) : -1;
            }
}

/* The rows of the batch that the row is in; or, if it is held out of training, the first batch. */
static const size_t *explain_batch_rows(Explanation *x)
{
    const Examined *from = x->examined;
    size_t batch = from->batch, first = 0;
    for (size_t i = 0; i < from->count; i++)
        if (from->order[i] == x->row) first = i / batch * batch;
    x->batch = first + batch <= from->count ? batch : from->count - first;
    return from->order + first;
}

static int explain_batch(Explanation *x, Error *e)
{
    const size_t *row = explain_batch_rows(x);
    Probe *p = &x->batch_probe;
    int status = probe_open(p, x->examined->model, x->examined->rows, row, x->batch, x->examined->steps, e);
    if (!status) status = probe_build(p, explain_want_batch, x, e);
    if (!status) status = probe_compile(p, e);
    if (status) return status;
    probe_go(p);
    for (int i = 0; i < x->parameters; i++)
        x->parameter[i].batch = explain_got(p, x->parameter[i].wanted[PARAMETER_NUDGE]);
    return NUDGE_OK;
}

int explain_row(Explanation *x, Error *e)
{
    Examined *from = x->examined;
    int status = probe_open_still(&x->probe, from->model, from->rows, &x->row, 1, from->steps, e);
    if (!status) status = probe_build(&x->probe, explain_want_all, x, e);
    if (!status) status = probe_compile(&x->probe, e);
    if (status) return status;
    probe_go(&x->probe);
    explain_get_all(x);
    status = explain_predict(x, e);
    if (!status) status = explain_batch(x, e);
    x->rate = model_rate(from->model, (double)from->model->steps + 1, from->steps);
    return status;
}

void explain_free(Explanation *x)
{
    probe_close(&x->probe);
    probe_close(&x->batch_probe);
    memory_release((void *)(uintptr_t)x->target.value);
    memory_release((void *)(uintptr_t)x->prediction.value);
}
