/* explain_rows.c: how the gradient shrinks or grows from layer to layer, over a batch. See explain.h. */
#include "jobs/explain.h"

#include "jobs/numerals.h"
#include <math.h>
#include <string.h>

enum { ROWS_MOST = 256, ROWS_NAME = 32, ROWS_BAR = 24 };

/* Beyond these the first layers learn nothing, or everything is torn apart. */
#define ROWS_VANISHED 1e-3
#define ROWS_EXPLODED 1e3

/* ---- The numbers ------------------------------------------------------------------------------------------- */

/* The gradients of a layer's parameters become outputs that follow each other. */
static void rows_want(ExplainFlows *x, ExplainFlow *flow, const char *group, Node *arriving)
{
    const Network *n = x->probe.network;
    flow->wanted[0] = arriving ? probe_want(&x->probe, arriving) : -1;
    for (int i = 0; i < n->parameters; i++) {
        if (!n->parameter[i].gradient || strcmp(n->parameter[i].path, group)) continue;
        int wanted = probe_want(&x->probe, n->parameter[i].gradient);
        if (!flow->count++) flow->wanted[1] = wanted;
    }
}

static void rows_want_steepest(ExplainFlows *x)
{
    const Network *n = x->probe.network;
    x->slope = arena_new(&n->graph->arena, (size_t)n->layers, sizeof *x->slope);
    for (int i = 0; i < n->layers; i++) {
        Node *slopes = explain_slopes(&x->probe, n->layer[i].text);
        if (slopes) x->slope[x->slopes++] = (ExplainSlope){n->layer[i].text, probe_want(&x->probe, slopes)};
    }
}

static void rows_want_all(void *context)
{
    ExplainFlows *x = context;
    const Network *n = x->probe.network;
    size_t count = (size_t)n->groups;
    Node **node = arena_new(&n->graph->arena, 2 * count, sizeof *node), **gradient = node + count;
    x->layer = arena_new(&n->graph->arena, count, sizeof *x->layer);
    for (size_t i = 0; i < count; i++) {
        const NetworkLayer *l = &n->layer[probe_owner(n, n->group[i])];
        x->layer[i] = (ExplainFlow){.path = l->path, .text = l->text};
        node[i] = l->output;
    }
    autodiff_gradients(n->graph, x->probe.blueprint->scope, n->loss, NULL, n->groups, node, gradient);
    for (x->layers = 0; x->layers < n->groups; x->layers++)
        rows_want(x, &x->layer[x->layers], n->group[x->layers], gradient[x->layers]);
    rows_want_steepest(x);
}

static double rows_norm(const Probe *p, int first, int count)
{
    double norm = 0;
    for (int i = first; i < first + count; i++)
        norm = hypot(norm, numeral_norm(probe_value(p, i), probe_size(p, i)));
    return norm;
}

static void rows_get_steepest(ExplainFlows *x)
{
    x->steepest = HUGE_VAL;
    for (int i = 0; i < x->slopes; i++) {
        const double *value = probe_value(&x->probe, x->slope[i].wanted);
        double most = 0;
        for (size_t k = 0; k < probe_size(&x->probe, x->slope[i].wanted); k++)
            most = fmax(most, fabs(value[k]));
        if (most < x->steepest) x->steepest = most, x->squasher = x->slope[i].text;
    }
}

static void rows_get_all(ExplainFlows *x)
{
    for (int i = 0; i < x->layers; i++) {
        ExplainFlow *l = &x->layer[i];
        l->flow = l->wanted[0] < 0 ? 0 : rows_norm(&x->probe, l->wanted[0], 1);
        l->norm = rows_norm(&x->probe, l->wanted[1], l->count);
    }
    double first = x->layer[0].flow, last = x->layer[x->layers - 1].flow;
    x->factor =
        x->layers > 1 && first > 0 && last > 0 ? pow(first / last, 1.0 / (x->layers - 1)) : (double)NAN;
    rows_get_steepest(x);
}

int explain_rows(ExplainFlows *x, Error *e)
{
    const Examined *from = x->examined;
    x->rows = from->count < ROWS_MOST ? from->count : ROWS_MOST;
    int status = probe_open(&x->probe, from->model, from->rows, from->order, x->rows, from->steps, e);
    if (!status) status = probe_build(&x->probe, rows_want_all, x, e);
    if (!status) status = probe_compile(&x->probe, e);
    if (status) return status;
    probe_go(&x->probe);
    rows_get_all(x);
    return NUDGE_OK;
}

void explain_rows_free(ExplainFlows *x)
{
    probe_close(&x->probe);
}

/* ---- What it means ----------------------------------------------------------------------------------------- */

typedef enum RowsVerdict { ROWS_STEADY, ROWS_VANISH, ROWS_EXPLODE, ROWS_NONE, ROWS_BROKEN } RowsVerdict;

static const struct {
    const char *name, *advice;
} rows_verdicts[] = {
    [ROWS_STEADY] = {"steady", "every layer gets a gradient of a size to learn from"},
    [ROWS_VANISH] =
        {"vanishes",
         "try: relu with he initialisation, dense(64, init=he) relu, or residual(...) around pairs "
         "of layers"},
    [ROWS_EXPLODE] = {"explodes",
                      "try: clip=1, a lower lr, standardize after the layers that grow, or fewer layers"},
    [ROWS_NONE] = {"none",
                   "no gradient arrives at the first layer: try leaky_relu instead of relu, a lower lr, or "
                   "another seed"},
    [ROWS_BROKEN] = {"broken", "a gradient is NaN or infinite: try a lower lr, clip=1, or standardize=true"},
};

static RowsVerdict rows_verdict(const ExplainFlows *x)
{
    double first = x->layer[0].flow, last = x->layer[x->layers - 1].flow;
    for (int i = 0; i < x->layers; i++)
        if (!isfinite(x->layer[i].norm) || !isfinite(x->layer[i].flow)) return ROWS_BROKEN;
    if (first == 0 && last > 0) return ROWS_NONE;
    if (first < last * ROWS_VANISHED) return ROWS_VANISH;
    return first > last * ROWS_EXPLODED ? ROWS_EXPLODE : ROWS_STEADY;
}

/* ---- For people -------------------------------------------------------------------------------------------- */

static void rows_print_name(const ExplainFlows *x, const ExplainFlow *l, Text *out)
{
    size_t width = 0;
    for (int i = 0; i < x->layers; i++)
        if (strlen(x->layer[i].path) > width) width = strlen(x->layer[i].path);
    text_print(out, "%*s %.*s%s", (int)width, l->path, ROWS_NAME, l->text,
               strlen(l->text) > ROWS_NAME ? ".." : "");
}

static size_t rows_name_width(const ExplainFlows *x)
{
    size_t width = 0;
    for (int i = 0; i < x->layers; i++) {
        Text name = {0};
        rows_print_name(x, &x->layer[i], &name);
        if (name.length > width) width = name.length;
        text_free(&name);
    }
    return width;
}

/* Bars are on a logarithmic scale: their lengths show factors. */
static void rows_print_layer(const ExplainFlows *x, int i, size_t width, double least, double most, Text *out)
{
    const ExplainFlow *l = &x->layer[i];
    size_t line = out->length;
    text_print(out, "  ");
    rows_print_name(x, l, out);
    numeral_pad(out, line, width + 4);
    numeral_print_power(out, l->norm);
    text_print(out, "  ");
    double range = log10(most / least) > 3 ? log10(most / least) : 3;
    if (l->norm > 0 && isfinite(l->norm))
        numeral_print_bar(out, ROWS_BAR * (1 - log10(most / l->norm) / range));
    if (i + 1 < x->layers && x->layer[i + 1].flow > 0) {
        numeral_pad(out, line, width + 4 + 7 + 2 + ROWS_BAR + 2);
        text_print(out, "x ");
        numeral_print(out, l->flow / x->layer[i + 1].flow);
    }
    text_put(out, '\n');
}

static void rows_print_layers(const ExplainFlows *x, Text *out)
{
    double least = HUGE_VAL, most = 0;
    for (int i = 0; i < x->layers; i++) {
        double norm = x->layer[i].norm;
        if (norm > 0 && isfinite(norm)) least = fmin(least, norm), most = fmax(most, norm);
    }
    size_t width = rows_name_width(x);
    for (int i = x->layers - 1; i >= 0; i--)
        rows_print_layer(x, i, width, least, most, out);
}

/* "layer 0 learns 1e11 times slower than layer 38" */
static void rows_print_consequence(const ExplainFlows *x, Text *out)
{
    const ExplainFlow *first = &x->layer[0], *last = &x->layer[x->layers - 1];
    double times = last->norm / first->norm;
    char number[NUMBER_ROOM];
    if (!isfinite(times) || !(times > 0)) return;
    bool slower = times >= 1;
    text_print(out, ": layer %s learns %s times %s than layer %s", first->path,
               number_print_short(number, slower ? times : 1 / times, 2), slower ? "slower" : "faster",
               last->path);
}

static void rows_print_meaning(const ExplainFlows *x, Text *out)
{
    RowsVerdict verdict = rows_verdict(x);
    char number[NUMBER_ROOM];
    if (isfinite(x->factor)) {
        text_print(out, "each layer passes on %s of the gradient it gets (x: layer by layer)",
                   number_print_short(number, x->factor, 2));
        rows_print_consequence(x, out);
        if (verdict == ROWS_VANISH && x->steepest < 1)
            text_print(out, " (%.*s's slope is at most %s)", (int)strcspn(x->squasher, "("), x->squasher,
                       number_print_short(number, x->steepest, 2));
        text_put(out, '\n');
    }
    text_print(out, "%s", rows_verdicts[verdict].advice);
}

void explain_rows_print(const ExplainFlows *x, Text *out)
{
    explain_print_where(x->examined, x->step, out);
    text_print(out, "gradient norm of each layer's parameters, loss over %zu row%s of %s\n", x->rows,
               x->rows == 1 ? "" : "s", x->examined->file);
    rows_print_layers(x, out);
    rows_print_meaning(x, out);
}

/* ---- For programs ------------------------------------------------------------------------------------------ */

static void rows_json_layer(const ExplainFlow *l, JsonWriter *w)
{
    json_open(w, '{');
    json_key(w, "path");
    json_string(w, l->path);
    json_key(w, "layer");
    json_string(w, l->text);
    json_key(w, "gradient_norm");
    json_number(w, l->norm);
    json_key(w, "arriving_norm");
    json_number(w, l->flow);
    json_close(w, '}');
}

void explain_rows_json(const ExplainFlows *x, JsonWriter *w)
{
    json_key(w, "step");
    json_integer(w, (int64_t)x->step);
    json_key(w, "rows");
    json_integer(w, (int64_t)x->rows);
    json_key(w, "layers");
    json_open(w, '[');
    for (int i = 0; i < x->layers; i++)
        rows_json_layer(&x->layer[i], w);
    json_close(w, ']');
    json_key(w, "factor");
    json_number(w, x->factor);
    json_key(w, "verdict");
    json_string(w, rows_verdicts[rows_verdict(x)].name);
    json_key(w, "advice");
    json_string(w, rows_verdicts[rows_verdict(x)].advice);
}
