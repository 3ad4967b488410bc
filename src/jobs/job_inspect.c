/* job_inspect.c: `nudge inspect`: what a network is made of and what it costs. Everything is counted:
 * products in the programs of ever more layers, activations where the backward pass reads what the forward pass made, and
 * the memory of a run in what it will ask for; but nudge's own pages were measured once (train/footprint.c). */
#include "jobs/job.h"

#include "jobs/examined.h"
#include "jobs/numerals.h"
#include "jobs/probe.h"
#include "train/footprint.h"
#include <string.h>

typedef struct InspectLayer {
    const char *path, *text;
    Shape shape;
    int64_t parameters, forward, backward; /* the last two: multiply-adds of products */
    int64_t keeps;                         /* bytes of what the backward pass reads */
} InspectLayer;

typedef struct Inspection {
    Job *job;
    Examined examined;
    Probe probe;
    size_t rows;
    int layers; /* of the net; the input stands before them in the list, the loss after them */
    InspectLayer *layer;
    Node **arriving;       /* [layers] at each layer's output */
    Program *program;      /* a training step */
    Program *freely;       /* the same with as much memory as it likes */
    int64_t multiply_adds; /* of it */
    Footprint run;         /* of `nudge train`; zeros of a model that was trained */
} Inspection;

static InspectLayer *inspect_layer(const Inspection *x, int layer)
{
    return &x->layer[layer + 1];
}

/* ---- Products ---------------------------------------------------------------------------------------------- */

/* The multiply-adds of the program for all that was asked for so far. */
static int inspect_count(Inspection *x, int64_t *multiply_adds)
{
    Program *program;
    int status = probe_program(&x->probe, false, true, &program, x->job->error);
    if (program) *multiply_adds = program->multiply_adds;
    plan_free(program);
    return status;
}

typedef struct InspectAsking {
    Inspection *x;
    int layer;
} InspectAsking;

static void inspect_ask_output(void *context)
{
    const InspectAsking *a = context;
    const Network *n = a->x->probe.network;
    probe_want(&a->x->probe, a->layer < n->layers ? n->layer[a->layer].output : n->loss);
}

static int inspect_forward(Inspection *x)
{
    int64_t before = 0, now = 0;
    int status = NUDGE_OK;
    for (int i = 0; !status && i <= x->layers; i++) {
        status = probe_build(&x->probe, inspect_ask_output, &(InspectAsking){x, i}, x->job->error);
        if (!status) status = inspect_count(x, &now);
        inspect_layer(x, i)->forward = now - before;
        before = now;
    }
    return status;
}

/* Layers within a layer come before it and do its work. */
static bool inspect_is_whole(const Network *n, int layer)
{
    return layer && n->layer[layer - 1].depth > n->layer[layer].depth;
}

/* Whether something before the layer learns, so that it must hand a gradient on. */
static bool inspect_hands_on(const Inspection *x, int layer)
{
    for (int i = 0; i < layer; i++)
        if (inspect_layer(x, i)->parameters) return true;
    return false;
}

static void inspect_ask_gradients(void *context)
{
    const InspectAsking *a = context;
    const Network *n = a->x->probe.network;
    const NetworkLayer *l = &n->layer[a->layer];
    Node *arriving = a->x->arriving[a->layer], *dx = NULL;
    for (int i = 0; i < n->parameters; i++)
        if (n->parameter[i].gradient && probe_owner(n, n->parameter[i].path) == a->layer)
            probe_want(&a->x->probe, n->parameter[i].gradient);
    if (!arriving || inspect_is_whole(n, a->layer) || !inspect_hands_on(a->x, a->layer)) return;
    if (l->input == l->output || l->input->type != TYPE_REAL) return;
    autodiff_gradients(n->graph, a->x->probe.blueprint->scope, l->output, arriving, 1, &l->input, &dx);
    if (dx) probe_want(&a->x->probe, dx);
}

/* From the last layer to the first: what each adds to the programs before it. The loss is asked for already. */
static int inspect_backward(Inspection *x)
{
    int64_t before = 0, now = 0;
    int status = inspect_count(x, &before);
    for (int i = x->layers - 1; !status && i >= 0; i--) {
        status = probe_build(&x->probe, inspect_ask_gradients, &(InspectAsking){x, i}, x->job->error);
        if (!status) status = inspect_count(x, &now);
        if (!status) inspect_layer(x, i)->backward = now - before, before = now;
    }
    return status;
}

/* ---- What is kept ------------------------------------------------------------------------------------------ */

/* The tensor in memory that a node is, seen through views. */
static const Node *inspect_base(const Node *n)
{
    while (n->op == OP_reshape || n->op == OP_transpose || n->op == OP_expand || n->op == OP_slice)
        n = n->input[0];
    return n;
}

static bool inspect_is_activation(const Node *n)
{
    bool parameter = n->op == OP_leaf && n->leaf->role != ROLE_DATA;
    return n->type != TYPE_SCALAR && n->op != OP_const && n->op != OP_iota && !parameter;
}

/* owner[id]: the entry of x->layer whose forward pass makes the node, from 1; 0: none. */
static void inspect_own(Inspection *x, int entry, Node *output, int *owner)
{
    size_t count;
    Node **node = graph_reachable(x->probe.network->graph, &output, 1, &count);
    for (size_t i = 0; i < count; i++)
        if (!owner[node[i]->id]) owner[node[i]->id] = entry + 1;
}

static void inspect_keep(Inspection *x, const Node *gradient, int *owner)
{
    Dtype dtype = model_real(x->examined.model) == DATA_F64 ? DTYPE_F64 : DTYPE_F32;
    for (int i = 0; i < gradient->inputs; i++) {
        const Node *n = inspect_base(gradient->input[i]);
        int entry = owner[n->id] - 1;
        if (entry < 0 || !inspect_is_activation(n)) continue;
        x->layer[entry].keeps += shape_size(n->shape) * (int64_t)type_bytes(n->type, dtype);
        owner[n->id] = -1; /* counted; still not of the backward pass */
    }
}

static void inspect_activations(void *context)
{
    Inspection *x = context;
    const Network *n = x->probe.network;
    Arena *a = &n->graph->arena;
    int *owner = arena_new(a, (size_t)n->graph->nodes, sizeof *owner);
    Node **root = arena_new(a, (size_t)n->parameters, sizeof *root);
    size_t roots = 0, count;
    inspect_own(x, 0, n->layer[0].input, owner);
    for (int i = 0; i < n->layers; i++)
        inspect_own(x, i + 1, n->layer[i].output, owner);
    inspect_own(x, n->layers + 1, n->loss, owner);
    for (int i = 0; i < n->parameters; i++)
        if (n->parameter[i].gradient) root[roots++] = n->parameter[i].gradient;
    Node **node = graph_reachable(n->graph, root, roots, &count);
    for (size_t i = 0; i < count; i++)
        if (!owner[node[i]->id]) inspect_keep(x, node[i], owner);
}

/* ---- All of it --------------------------------------------------------------------------------------------- */

static void inspect_list(void *context)
{
    Inspection *x = context;
    const Network *n = x->probe.network;
    Arena *a = &n->graph->arena;
    x->layers = n->layers;
    x->layer = arena_new(a, (size_t)n->layers + 2, sizeof *x->layer);
    x->arriving = arena_new(a, 2 * (size_t)n->layers, sizeof *x->arriving);
    Node **output = x->arriving + n->layers;
    x->layer[0] = (InspectLayer){.path = "", .text = "input", .shape = n->layer[0].input->shape};
    *inspect_layer(x, n->layers) =
        (InspectLayer){.path = "", .text = blueprint_loss(x->probe.blueprint), .shape = n->loss->shape};
    for (int i = 0; i < n->layers; i++) {
        const NetworkLayer *l = &n->layer[i];
        *inspect_layer(x, i) = (InspectLayer){.path = l->path, .text = l->text, .shape = l->output->shape};
        output[i] = l->output;
    }
    for (int i = 0; i < n->parameters; i++) {
        int owner = probe_owner(n, n->parameter[i].path);
        inspect_layer(x, owner)->parameters += shape_size(n->parameter[i].leaf->shape);
    }
    autodiff_gradients(n->graph, x->probe.blueprint->scope, n->loss, NULL, n->layers, output, x->arriving);
}

/* The program that `nudge train` runs for a batch. */
static int inspect_program(Inspection *x)
{
    x->probe.outputs = 0;
    int status = probe_build(&x->probe, inspect_ask_output, &(InspectAsking){x, x->layers}, x->job->error);
    if (!status) status = probe_program(&x->probe, true, true, &x->freely, x->job->error);
    if (!status) status = probe_program(&x->probe, true, false, &x->program, x->job->error);
    if (status) return status;
    return NUDGE_OK;
}

static int inspect_all(Inspection *x)
{
    Error *e = x->job->error;
    int status = probe_open(&x->probe, x->examined.model, NULL, NULL, x->rows, 1, e);
    if (!status) status = probe_build(&x->probe, inspect_list, x, e);
    if (!status) status = probe_build(&x->probe, inspect_activations, x, e);
    if (!status) status = inspect_forward(x);
    if (!status) status = inspect_backward(x);
    return status ? status : inspect_program(x);
}

static int64_t inspect_total(const Inspection *x, size_t offset)
{
    int64_t total = 0;
    for (int i = 0; i < x->layers + 2; i++)
        total += *(const int64_t *)(const void *)((const char *)&x->layer[i] + offset);
    return total;
}

/* Of a run with its rows, where they are at hand, else of a step. */
static size_t inspect_peak(const Inspection *x)
{
    return x->run.peak ? x->run.peak : plan_bytes(x->program);
}

static int inspect_run(Inspection *x)
{
    const JobData *d = &x->examined.data;
    Footprint *f = &x->run;
    int status = footprint_measure(f, x->examined.model, &d->rows, d->rows.rows - d->held,
                                   d->validation.rows ? &d->validation : NULL, x->job->error);
    size_t reading = f->program + f->data + d->reading;
    if (!status && reading > f->peak) f->peak = reading;
    return status;
}

/* ---- For people -------------------------------------------------------------------------------------------- */

enum { INSPECT_TEXT = 40 };

static void inspect_print_name(const InspectLayer *l, Text *out)
{
    text_print(out, "%s%s%.*s%s", l->path, *l->path ? " " : "", INSPECT_TEXT, l->text,
               strlen(l->text) > INSPECT_TEXT ? ".." : "");
}

static void inspect_print_shape(const Shape *s, Text *out)
{
    for (int a = 0; a < s->rank; a++)
        text_print(out, "%s%lld", a ? "x" : "", (long long)s->dim[a]);
    if (!s->rank) text_put(out, '1');
}

/* A cell at the right of `width` columns; empty for 0. */
static void inspect_print_cell(Text *out, int width, int64_t value, void (*print)(Text *out, double value))
{
    Text cell = {0};
    if (value) print(&cell, (double)value);
    text_print(out, "%*s", width, text_end(&cell));
    text_free(&cell);
}

static void inspect_print_integer(Text *out, double value)
{
    job_print_count(out, (uint64_t)value);
}

static void inspect_print_cells(const InspectLayer *l, Text *out)
{
    inspect_print_cell(out, 12, l->parameters, inspect_print_integer);
    inspect_print_cell(out, 14, 2 * l->forward, numeral_print_flops);
    inspect_print_cell(out, 14, 2 * l->backward, numeral_print_flops);
    inspect_print_cell(out, 11, l->keeps, numeral_print_bytes);
    while (out->length && out->s[out->length - 1] == ' ')
        out->length--;
    text_put(out, '\n');
}

static size_t inspect_width(const Inspection *x, void (*print)(const InspectLayer *l, Text *out))
{
    size_t width = strlen("output");
    for (int i = 0; i < x->layers + 2; i++) {
        Text cell = {0};
        print(&x->layer[i], &cell);
        if (cell.length > width) width = cell.length;
        text_free(&cell);
    }
    return width + 3;
}

static void inspect_print_output(const InspectLayer *l, Text *out)
{
    inspect_print_shape(&l->shape, out);
}

/* What a run has in memory when that is most, the largest parts first to be thought of when it is too much. */
static void inspect_print_run(const Footprint *f, Text *out)
{
    const struct {
        const char *name;
        size_t bytes;
    } parts[] = {{"rows", f->data},     {"weights, states and copies", f->model},
                 {"batches", f->batch}, {"work", f->work},
                 {"plans", f->plans},   {"nudge itself", f->program}};
    text_print(out, "\nmemory of a run: peak ");
    numeral_print_bytes(out, (double)f->peak);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        text_print(out, "%s%s ", i ? ", " : " (", parts[i].name);
        numeral_print_bytes(out, (double)parts[i].bytes);
    }
    text_put(out, ')');
}

/* "computed twice for want of memory: 270 Mflop, 13.6 % more; kept, a step would take 38.9 MiB" */
static void inspect_print_twice(const Inspection *x, Text *out)
{
    char share[NUMBER_ROOM];
    double once = (double)x->freely->multiply_adds, more = (double)x->program->multiply_adds - once;
    text_print(out, "\ncomputed twice for want of memory: ");
    numeral_print_flops(out, 2 * more);
    text_print(out, ", %s %% more; were all kept, a step would take ",
               number_print_short(share, 100 * more / once, 3));
    numeral_print_bytes(out, (double)plan_bytes(x->freely));
}

static void inspect_print_total(const Inspection *x, const InspectLayer *total, Text *out)
{
    char ratio[NUMBER_ROOM];
    text_print(out, "\nforward and backward: multiply-adds of products, two flop each");
    if (total->forward)
        text_print(out, "; backward/forward %s",
                   number_print_short(ratio, (double)total->backward / (double)total->forward, 3));
    text_print(out, "\nmemory of a step: activations ");
    numeral_print_bytes(out, (double)total->keeps);
    text_print(out, " (what backward reads), peak ");
    numeral_print_bytes(out, (double)plan_bytes(x->program));
    text_print(out, " (weights, state, batch, work)");
    if (x->program->multiply_adds > x->freely->multiply_adds) inspect_print_twice(x, out);
    if (x->run.peak) inspect_print_run(&x->run, out);
}

static void inspect_print(const Inspection *x, Text *out)
{
    size_t name = inspect_width(x, inspect_print_name), shape = inspect_width(x, inspect_print_output);
    text_print(out, "%-*s%-*s%12s%14s%14s%11s\n", (int)name, "layer", (int)shape, "output", "parameters",
               "forward", "backward", "keeps");
    for (int i = 0; i < x->layers + 2; i++) {
        size_t line = out->length;
        inspect_print_name(&x->layer[i], out);
        numeral_pad(out, line, name);
        inspect_print_output(&x->layer[i], out);
        numeral_pad(out, line, name + shape);
        inspect_print_cells(&x->layer[i], out);
    }
    InspectLayer total = {.parameters = inspect_total(x, offsetof(InspectLayer, parameters)),
                          .forward = inspect_total(x, offsetof(InspectLayer, forward)),
                          .backward = inspect_total(x, offsetof(InspectLayer, backward)),
                          .keeps = inspect_total(x, offsetof(InspectLayer, keeps))};
    text_print(out, "%-*s", (int)(name + shape), "total");
    inspect_print_cells(&total, out);
    inspect_print_total(x, &total, out);
    if (!job_option(x->job, "plan")) {
        text_print(out, "\n--plan shows the instructions");
        return;
    }
    text_print(out, "\n\n");
    plan_print(x->program, out);
    while (out->length && out->s[out->length - 1] == '\n')
        out->s[--out->length] = 0;
}

/* ---- For programs ------------------------------------------------------------------------------------------ */

static void inspect_json_count(JsonWriter *w, const char *key, int64_t value)
{
    json_key(w, key);
    json_integer(w, value);
}

static void inspect_json_layer(const InspectLayer *l, JsonWriter *w)
{
    json_open(w, '{');
    json_key(w, "path");
    json_string(w, l->path);
    json_key(w, "layer");
    json_string(w, l->text);
    json_key(w, "output");
    json_open(w, '[');
    for (int a = 0; a < l->shape.rank; a++)
        json_integer(w, l->shape.dim[a]);
    json_close(w, ']');
    inspect_json_count(w, "parameters", l->parameters);
    inspect_json_count(w, "forward_multiply_adds", l->forward);
    inspect_json_count(w, "backward_multiply_adds", l->backward);
    inspect_json_count(w, "keeps_bytes", l->keeps);
    json_close(w, '}');
}

static void inspect_json(const Inspection *x, JsonWriter *w)
{
    json_key(w, "layers");
    json_open(w, '[');
    for (int i = 0; i < x->layers + 2; i++)
        inspect_json_layer(&x->layer[i], w);
    json_close(w, ']');
    inspect_json_count(w, "rows", (int64_t)x->rows);
    inspect_json_count(w, "parameters", inspect_total(x, offsetof(InspectLayer, parameters)));
    inspect_json_count(w, "forward_multiply_adds", inspect_total(x, offsetof(InspectLayer, forward)));
    inspect_json_count(w, "backward_multiply_adds", inspect_total(x, offsetof(InspectLayer, backward)));
    inspect_json_count(w, "step_multiply_adds", x->program->multiply_adds);
    inspect_json_count(w, "twice_multiply_adds", x->program->multiply_adds - x->freely->multiply_adds);
    inspect_json_count(w, "activations_bytes", inspect_total(x, offsetof(InspectLayer, keeps)));
    inspect_json_count(w, "step_bytes", (int64_t)plan_bytes(x->program));
    inspect_json_count(w, "peak_bytes", (int64_t)inspect_peak(x));
    inspect_json_count(w, "instructions", x->program->instructions);
    if (!job_option(x->job, "plan")) return;
    Text plan = {0};
    plan_print(x->program, &plan);
    json_key(w, "plan");
    json_string(w, text_end(&plan));
    w->out->failed |= plan.failed;
    text_free(&plan);
}

/* ---- The job ----------------------------------------------------------------------------------------------- */

enum { INSPECT_ROWS = 32 }; /* of a model that says nothing of a batch */

static int inspect_open(Inspection *x)
{
    int status = examined_open_model(&x->examined, x->job);
    if (status) return status;
    const Settings *s = &x->examined.model->settings;
    x->rows = settings_is_set(s, "batch") ? (size_t)settings_integer(s, "batch") : INSPECT_ROWS;
    if (!x->examined.trained) status = examined_train(&x->examined, 0);
    if (!x->examined.trained) x->rows = x->examined.batch;
    if (!status && !x->examined.trained) status = inspect_run(x);
    /* Parts of a batch would be layers of their own. */
    return status ? status
                  : settings_set(&x->examined.model->settings, "micro", "1", "inspect", x->job->error);
}

int job_inspect(Job *job)
{
    Inspection x = {.job = job};
    Text text = {0}, json = {0};
    int status = inspect_open(&x);
    if (!status) status = inspect_all(&x);
    if (!status) {
        inspect_print(&x, &text);
        JsonWriter w = job_begin(&json, "result");
        inspect_json(&x, &w);
        status = job_say(job, "result", &text, &w);
    }
    plan_free(x.program);
    plan_free(x.freely);
    probe_close(&x.probe);
    examined_free(&x.examined);
    return status;
}
