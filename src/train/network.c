/* network.c: see network.h. First the blueprint, then the stages of a graph in the order in which data flows. */
#include "train/network.h"

#include "train/restraints.h"

#include <math.h>
#include <string.h>

/* ---- Blueprint ---- */

typedef struct BlueprintOpening {
    Blueprint *b;
    const Settings *settings;
} BlueprintOpening;

static void blueprint_define(Blueprint *b, const Setting *s)
{
    const char *title = arena_print(&b->arena, "%s: define", s->origin);
    scope_add_row(b->scope, title, arena_print(&b->arena, "%s: %s", s->name, s->value), NULL, NULL);
}

static void blueprint_scope(void *context)
{
    BlueprintOpening *o = context;
    Blueprint *b = o->b;
    b->scope = scope_new(&b->arena, nn_scope(&b->arena));
    scope_add_number(b->scope, "features", (double)b->task.features);
    if (b->task.vocabulary) scope_add_number(b->scope, "context", (double)b->task.features);
    if (b->task.vocabulary) scope_add_number(b->scope, "vocabulary", (double)b->task.vocabulary);
    if (b->task.classify && b->task.classes) scope_add_number(b->scope, "classes", (double)b->task.classes);
    if (!b->task.classify && b->task.targets) scope_add_number(b->scope, "targets", (double)b->task.targets);
    const Setting *s;
    for (size_t i = 0; (s = settings_entry(o->settings, "define", i)); i++)
        blueprint_define(b, s);
}

int blueprint_catch(Blueprint *b, void (*body)(void *context), void *context, Error *e)
{
    error_clear(&b->error);
    if (!error_catch(&b->error, body, context)) return NUDGE_OK;
    return error_set(e, b->error.status, "%s", b->error.message);
}

int blueprint_open(Blueprint *b, const Settings *settings, const Task *task, Error *e)
{
    *b = (Blueprint){.settings = settings, .task = *task};
    arena_init(&b->arena, &b->error);
    int status = blueprint_catch(b, blueprint_scope, &(BlueprintOpening){b, settings}, e);
    if (status) blueprint_close(b);
    return status;
}

void blueprint_close(Blueprint *b)
{
    arena_free(&b->arena);
    b->scope = NULL;
}

const char *blueprint_loss(const Blueprint *b)
{
    if (settings_is_set(b->settings, "loss")) return settings_text(b->settings, "loss");
    return b->task.classify ? "cross_entropy" : b->task.labels ? "bce" : "mse";
}

const char *blueprint_optimizer(const Blueprint *b)
{
    return settings_is_set(b->settings, "optimizer") ? settings_text(b->settings, "optimizer") : "adam";
}

bool blueprint_driven(const Blueprint *b)
{
    const char *text = blueprint_optimizer(b), driver[] = "lbfgs";
    return strcspn(text, " (\t\n") == sizeof driver - 1 && !memcmp(text, driver, sizeof driver - 1);
}

/* ---- What losses say of the net's output ---- */

/* How the output becomes a prediction: where it has a column for each class, where one column tells two classes
 * apart, where each is a label (NULL: the loss is not for such), and where targets are numbers. `before`: layers that the loss applies itself. */
typedef struct NetworkForm {
    const char *loss, *many, *one, *label, *value, *before[4];
    bool plain; /* targets are shares or signs: never standardised */
} NetworkForm;

static const NetworkForm network_forms[] = {
    {"cross_entropy", "softmax(y)", NULL, NULL, "softmax(y)", {"softmax", "log_softmax", "sigmoid"}, true},
    {"bce",
     "p = sigmoid(y); p/sum(p, -1)",
     "sigmoid(y)",
     "sigmoid(y)",
     "sigmoid(y)",
     {"sigmoid", "softmax"},
     true},
    {"bce_probability", "y/sum(y, -1)", "y", "y", "y", {NULL}, true},
    {"focal", "softmax(y)", "sigmoid(y)", "sigmoid(y)", "sigmoid(y)", {"sigmoid", "softmax"}, true},
    {"hinge", "softmax(y)", "sigmoid(y)", NULL, "y", {NULL}, true},
};
static const NetworkForm network_usual = {
    NULL, "p = max(y, 0); p/max(sum(p, -1), 1e-30)", "clip(y, 0, 1)", "clip(y, 0, 1)", "y", {NULL}, false};

/* The length of the name that a call begins with: "softmax" of "softmax(axis=1)". */
static size_t network_word(const char *text)
{
    return strcspn(text, " (\t\n");
}

static bool network_named(const char *text, const char *name)
{
    size_t length = strlen(name);
    return network_word(text) == length && !memcmp(text, name, length);
}

/* A loss that the recipe defines has no form of ours, whatever it is called. */
static const NetworkForm *network_form(const Settings *settings, const char *loss)
{
    size_t length = network_word(loss);
    const Setting *s;
    for (size_t i = 0; (s = settings_entry(settings, "define", i)); i++)
        if (network_word(s->name) == length && !memcmp(s->name, loss, length)) return &network_usual;
    for (size_t i = 0; i < sizeof network_forms / sizeof *network_forms; i++)
        if (network_named(loss, network_forms[i].loss)) return &network_forms[i];
    return &network_usual;
}

/* ---- Building ---- */

typedef struct Building {
    Blueprint *b;
    const Binding *k;
    Network *n;
    Graph *g;
    const NetworkForm *form;
    int parts;    /* micro-batches */
    Node **part;  /* of the output */
    Node *factor; /* of lr */
    Node *gnorm;
    int layer_room;
} Building;

/* A text in which some nodes have names. */
static Node *network_text(Building *n, const char *text, int count, const char *const *name,
                          Node *const *node)
{
    Scope *s = scope_new(&n->g->arena, n->b->scope);
    for (int i = 0; i < count; i++)
        scope_add_node(s, name[i], node[i]);
    return notation_formula(&(Context){.graph = n->g, .scope = s, .title = "preprocessing"}, text);
}

static Node *network_leaf(Building *n, Role role, const char *name, Type type, int rank, int64_t a, int64_t b)
{
    return graph_leaf(n->g, role, name, type, shape_of(rank, (int64_t[]){a, b}), NULL);
}

static Node *network_scalar(Building *n, const char *name)
{
    return network_leaf(n, ROLE_SCALAR, name, TYPE_SCALAR, 0, 0, 0);
}

/* What messages call a setting's text: "digits.yaml:4: net". */
static const char *network_title(Building *n, const char *key)
{
    return arena_print(&n->g->arena, "%s: %s", settings_origin(n->b->settings, key), key);
}

/* ---- Data ---- */

static Node *network_standard(Building *n, const char *what, Node *x, int64_t width, const char *text)
{
    Arena *a = &n->g->arena;
    Node *mean = network_leaf(n, ROLE_STATE, arena_print(a, "%s.mean", what), TYPE_REAL, 1, width, 0);
    Node *scale = network_leaf(n, ROLE_STATE, arena_print(a, "%s.scale", what), TYPE_REAL, 1, width, 0);
    return network_text(n, text, 3, (const char *[]){"x", "mean", "scale"}, (Node *[]){x, mean, scale});
}

/* Reads "1x28x28" behind the rows; false if it is no shape. */
static bool network_read_shape(const char *text, Shape *shape)
{
    const char *end = text + strlen(text);
    for (double size; shape->rank < RANK_MAX; text++) {
        text = number_read(text, end, &size);
        if (!text || !(size >= 1 && size <= INT32_MAX) || size != floor(size)) return false;
        shape->dim[shape->rank++] = (int64_t)size;
        if (*text != 'x') return text == end;
    }
    return false;
}

/* The numbers of each row in the shape that the net is to see. */
static Node *network_shaped(Building *n, Node *x)
{
    const char *text = settings_text(n->b->settings, "shape");
    if (!text) return x;
    Shape shape = shape_of(1, x->shape.dim);
    if (!network_read_shape(text, &shape))
        error_raise(&n->b->error, NUDGE_INPUT, "%s: %s is no shape; write sizes such as 1x28x28",
                    network_title(n, "shape"), text);
    double size = 1;
    for (int a = 1; a < shape.rank; a++)
        size *= (double)shape.dim[a];
    if (size != (double)n->b->task.features)
        error_raise(&n->b->error, NUDGE_INPUT, "%s: %s has %.0f numbers, but a row of the data has %zu",
                    network_title(n, "shape"), text, size, n->b->task.features);
    return graph_reshape(n->g, x, shape);
}

static Node *network_input(Building *n)
{
    const Task *task = &n->b->task;
    int64_t rows = (int64_t)n->k->rows, features = (int64_t)task->features;
    Type type = task->vocabulary ? TYPE_I32 : task->bytes ? TYPE_U8 : TYPE_REAL;
    Node *x = network_leaf(n, ROLE_DATA, "x", type, 2, rows, features);
    n->n->x = x;
    if (task->vocabulary) return x;
    if (task->bytes)
        x = network_text(n, "cast(x, real)/255", 1, (const char *[]){"x"}, &x);
    else if (task->standardize)
        x = network_standard(n, "input", x, features, "(x - mean)/scale");
    return network_shaped(n, x);
}

static bool network_scaled(const Building *n)
{
    const Task *task = &n->b->task;
    return task->standardize && !task->classify && !task->labels && !n->form->plain;
}

/* Class numbers have the shape of the output without its last axis. */
static Node *network_target(Building *n)
{
    int64_t rows = (int64_t)n->k->rows, outputs = (int64_t)n->b->outputs;
    bool classify = n->b->task.classify;
    Shape y = n->n->output->shape;
    Node *t = n->n->t = network_leaf(n, ROLE_DATA, "target", classify ? TYPE_I32 : TYPE_REAL,
                                     classify ? y.rank - 1 : 2, rows, classify ? y.dim[1] : outputs);
    if (n->k->weighted) n->n->weight = network_leaf(n, ROLE_DATA, "weight", TYPE_REAL, 1, rows, 0);
    if (network_scaled(n)) t = network_standard(n, "target", t, outputs, "(x - mean)/scale");
    if (!n->b->task.reconstruct) return t;
    if (n->b->task.bytes) t = network_text(n, "t/255", 1, (const char *[]){"t"}, &t);
    return graph_reshape(n->g, t, y);
}

/* ---- The net ---- */

static void network_see(void *context, const LayerSeen *seen)
{
    Building *n = context;
    Network *out = n->n;
    if (out->layers == n->layer_room) {
        NetworkLayer *more = arena_new(&n->g->arena, 2 * (size_t)n->layer_room + 16, sizeof *more);
        if (out->layers) memcpy(more, out->layer, (size_t)out->layers * sizeof *more);
        out->layer = more;
        n->layer_room = 2 * n->layer_room + 16;
    }
    out->layer[out->layers++] =
        (NetworkLayer){seen->path, seen->text, seen->depth, seen->input, seen->output};
}

static Node *network_rows(Graph *g, Node *x, int64_t from, int64_t to)
{
    int64_t begin[RANK_MAX] = {from}, step[RANK_MAX];
    Shape size = x->shape;
    size.dim[0] = to - from;
    for (int a = 0; a < size.rank; a++)
        step[a] = 1;
    return graph_slice(g, x, begin, step, size);
}

/* Where the tokens of a text are, and not what fills it up; NULL where nothing does. */
static Node *network_mask(Building *n, Node *x)
{
    if (!n->b->task.padding) return NULL;
    Node *const given[] = {x, graph_const(n->g, (double)n->b->task.padding)};
    return network_text(n, "cast(x, real) != padding", 2, (const char *[]){"x", "padding"}, given);
}

static void network_net(Building *n, Node *x)
{
    const char *net = settings_text(n->b->settings, "net");
    int64_t rows = (int64_t)n->k->rows, micro = settings_integer(n->b->settings, "micro");
    n->parts = n->k->mode != MODE_TRAIN ? 1 : micro < rows ? (int)micro : (int)rows;
    n->part = arena_new(&n->g->arena, (size_t)n->parts, sizeof *n->part);
    Context c = {.graph = n->g,
                 .scope = n->b->scope,
                 .title = network_title(n, "net"),
                 .path = "",
                 .train = n->k->mode == MODE_TRAIN && !n->k->still};
    for (int i = 0; i < n->parts; i++) {
        Node *in = n->parts > 1 ? network_rows(n->g, x, i * rows / n->parts, (i + 1) * rows / n->parts) : x;
        c.mask = network_mask(n, in);
        n->part[i] = notation_net(&c, net, in, network_see, n);
    }
    n->n->output = n->parts > 1 ? graph_concat(n->g, n->parts, n->part, 0) : n->part[0];
}

/* "digits.yaml:4: net: layer 2, dense(10)," */
static const char *network_last(Building *n)
{
    const NetworkLayer *last = &n->n->layer[n->n->layers - 1];
    return arena_print(&n->g->arena, "%s: layer %s, %s,", network_title(n, "net"), last->path, last->text);
}

static void network_check_loss(Building *n)
{
    const NetworkLayer *last = &n->n->layer[n->n->layers - 1];
    for (const char *const *word = n->form->before; *word; word++)
        if (network_named(last->text, *word))
            error_raise(
                &n->b->error, NUDGE_INPUT,
                "%s stands before the loss %s, which wants the net's values as they are and applies its own "
                "%s, so that no digits are lost; leave the layer out",
                network_last(n), n->form->loss, n->form->before[0]);
}

/* Labels are told one by one, targets of such losses are from 0 to 1. */
static void network_check_targets(Building *n)
{
    const Task *task = &n->b->task;
    const char *title = network_title(n, "loss"), *loss = blueprint_loss(n->b);
    if (task->labels && !n->form->label)
        error_raise(
            &n->b->error, NUDGE_INPUT,
            "%s: %s is for classes, of which a row has one, but labels are each so or not so; use bce or focal",
            title, loss);
    if (task->reconstruct && n->form->plain && task->standardize)
        error_raise(
            &n->b->error, NUDGE_INPUT,
            "%s: %s is for targets from 0 to 1, but the inputs are standardized; use mse, or, if they are "
            "from 0 to 1, write standardize=false",
            title, loss);
}

static void network_check_reconstruction(Building *n)
{
    const Node *y = n->n->output;
    int64_t rows = (int64_t)n->k->rows, columns = shape_size(y->shape) / rows;
    size_t features = n->b->task.features;
    bool rowwise = y->type == TYPE_REAL && y->shape.rank > 1 && y->shape.dim[0] == rows;
    if (!rowwise || columns != (int64_t)features)
        error_raise(
            &n->b->error, NUDGE_INPUT,
            "%s gives %s for %zu rows, but to reconstruct them it takes the %zu numbers of each row again; "
            "end the net with dense(features)",
            network_last(n), shape_text(&n->g->arena, y->shape), n->k->rows, features);
    n->b->outputs = features;
    n->b->task.positions = 1;
}

/* The number of columns that the task wants, or may want, of the output. */
static void network_check_columns(Building *n, int64_t columns)
{
    const Task *task = &n->b->task;
    size_t want = task->classify ? task->classes : task->targets;
    bool one = task->classify && columns == 1 && n->form->one && (want == 2 || !want);
    if (task->classify && columns == 1 && !n->form->one)
        error_raise(
            &n->b->error, NUDGE_INPUT,
            "%s gives one number for each row, but %s needs one for each class; end the net with dense(%s), or "
            "use loss: bce",
            network_last(n), n->form->loss, want ? "classes" : "2");
    if (!one && want && (size_t)columns != want)
        error_raise(&n->b->error, NUDGE_INPUT,
                    "%s gives %lld numbers for each row, but there are %zu %s; end the net with dense(%s)",
                    network_last(n), (long long)columns, want, task->classify ? "classes" : "targets",
                    task->classify ? "classes" : "targets");
    n->b->outputs = one ? 2 : (size_t)columns;
    if (task->classify && !want) n->b->task.classes = n->b->outputs;
    if (!task->classify && !want) n->b->task.targets = n->b->outputs;
}

/* A list of numbers for each row, or, of a text, for each token. */
static bool network_lists(const Building *n, const Node *y)
{
    bool each = n->b->task.next && y->shape.rank == 3 && y->shape.dim[1] == (int64_t)n->b->task.features;
    return y->type == TYPE_REAL && (y->shape.rank == 2 || each) && y->shape.dim[0] == (int64_t)n->k->rows;
}

static void network_check_carried(Building *n)
{
    for (size_t i = 0; i < n->g->leaves; i++) {
        const Node *leaf = n->g->leaf[i];
        if (leaf->leaf->role != ROLE_CARRIED) continue;
        if (n->parts > 1)
            error_raise(
                &n->b->error, NUDGE_INPUT,
                "%s: each row of a batch carries its own %s, which micro would mix up; leave micro or carry out",
                network_title(n, "micro"), leaf->leaf->name);
        if (!leaf->shape.rank || leaf->shape.dim[0] != (int64_t)n->k->rows)
            error_raise(
                &n->b->error, NUDGE_INPUT,
                "%s: %s is carried by each row of a batch, but is %s for %zu rows; its first axis is that of the rows",
                network_title(n, "net"), leaf->leaf->name, shape_text(&n->g->arena, leaf->shape), n->k->rows);
    }
}

static void network_check(Building *n)
{
    const Node *y = n->n->output;
    network_check_carried(n);
    network_check_targets(n);
    if (n->b->task.reconstruct) {
        network_check_loss(n);
        network_check_reconstruction(n);
        return;
    }
    if (!network_lists(n, y))
        error_raise(
            &n->b->error, NUDGE_INPUT,
            "%s gives %s for %zu rows, not a list of numbers for each row; end the net with flatten and dense(%s)",
            network_last(n), shape_text(&n->g->arena, y->shape), n->k->rows,
            n->b->task.classify ? "classes" : "targets");
    network_check_loss(n);
    network_check_columns(n, y->shape.dim[y->shape.rank - 1]);
    n->b->task.positions = y->shape.rank == 3 ? (size_t)y->shape.dim[1] : 1;
}

/* ---- Prediction and loss ---- */

static Node *network_prediction(Building *n)
{
    const Task *task = &n->b->task;
    Node *y = n->n->output;
    static const char *const name[] = {"y"};
    if (!task->classify) {
        y = graph_reshape(n->g, y, shape_of(2, (int64_t[]){y->shape.dim[0], (int64_t)n->b->outputs}));
        y = network_text(n, task->labels ? n->form->label : n->form->value, 1, name, &y);
        if (task->reconstruct && task->bytes) y = network_text(n, "255*y", 1, name, &y);
        return network_scaled(n) ? network_standard(n, "target", y, y->shape.dim[1], "x*scale + mean") : y;
    }
    if (y->shape.rank == 3 || y->shape.dim[1] > 1) return network_text(n, n->form->many, 1, name, &y);
    Node *p = network_text(n, n->form->one, 1, name, &y);
    return network_text(n, "concat(1 - y, y, axis=1)", 1, name, &p);
}

/* What a loss is given: y [n, ..], t and the weights of the examples, or NULL. */
typedef struct NetworkJudged {
    Node *y, *t, *weight;
} NetworkJudged;

/* Each token of a text is an example of its own; those without a target, in the padding of lines, weigh nothing. */
static NetworkJudged network_tokens(Building *n, Node *t)
{
    Node *y = n->n->output, *weight = n->n->weight;
    int64_t tokens = y->shape.dim[0] * y->shape.dim[1];
    Shape list = shape_of(1, &tokens);
    Node *seen = network_text(n, "0 <= cast(t, real)", 1, (const char *[]){"t"}, &t);
    if (weight)
        seen = network_text(n, "seen*weight{n -> n 1}", 2, (const char *[]){"seen", "weight"},
                            (Node *[]){seen, weight});
    t = network_text(n, "cast(max(cast(t, real), 0), i32)", 1, (const char *[]){"t"}, &t);
    y = graph_reshape(n->g, y, shape_of(2, (int64_t[]){tokens, y->shape.dim[2]}));
    return (NetworkJudged){y, graph_reshape(n->g, t, list), graph_reshape(n->g, seen, list)};
}

static Node *network_loss(Building *n, Node *t)
{
    NetworkJudged judged = {n->n->output, t, n->n->weight};
    if (judged.y->shape.rank == 3 && n->b->task.next) judged = network_tokens(n, t);
    Context c = {.graph = n->g,
                 .scope = n->b->scope,
                 .title = network_title(n, "loss"),
                 .path = "loss",
                 .what = "loss",
                 .train = n->k->mode == MODE_TRAIN && !n->k->still,
                 .weight = judged.weight};
    Argument given[] = {{"y", value_node(judged.y), NULL},
                        {"t", value_node(judged.t), NULL},
                        {"x", value_node(n->n->input), NULL}};
    Value v = notation_call(&c, blueprint_loss(n->b), 3, given);
    if (v.kind != VALUE_TENSOR || v.node->type == TYPE_SCALAR || shape_size(v.node->shape) != 1)
        error_raise(&n->b->error, NUDGE_INPUT,
                    "%s: %s gives %s, but a loss is one number made from y and t; end it with mean(...)",
                    c.title, blueprint_loss(n->b),
                    v.kind == VALUE_TENSOR && v.node->type != TYPE_SCALAR
                        ? shape_text(&n->g->arena, v.node->shape)
                        : "no tensor");
    return graph_reshape(n->g, v.node, shape_of(1, (int64_t[]){1}));
}

/* ---- Gradients ---- */

/* The layer that a parameter belongs to: its path without the last part. */
static const char *network_owner(Building *n, const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? arena_string(&n->g->arena, name, (size_t)(dot - name)) : "";
}

static void network_check_rules(Building *n)
{
    Network *out = n->n;
    Error why = {0};
    const char **name = arena_new(&n->g->arena, (size_t)out->parameters + 1, sizeof *name);
    for (int i = 0; i < out->parameters; i++)
        name[i] = out->parameter[i].leaf->leaf->name;
    if (rules_check(n->b->settings, name, (size_t)out->parameters, &why))
        error_raise(&n->b->error, why.status, "%s", why.message);
}

static void network_parameters(Building *n)
{
    Network *out = n->n;
    const Settings *s = n->b->settings;
    out->parameter = arena_new(&n->g->arena, n->g->leaves, sizeof *out->parameter);
    out->group = arena_new(&n->g->arena, n->g->leaves, sizeof *out->group);
    for (size_t i = 0; i < n->g->leaves; i++) {
        Node *leaf = n->g->leaf[i];
        if (leaf->leaf->role != ROLE_PARAMETER) continue;
        const char *path = network_owner(n, leaf->leaf->name);
        Rule rule = rule_of(s, blueprint_optimizer(n->b), leaf->leaf->name);
        out->parameter[out->parameters++] = (NetworkParameter){path, leaf, rule, NULL};
        int k = 0;
        while (k < out->groups && strcmp(out->group[k], path))
            k++;
        if (k == out->groups) out->group[out->groups++] = path;
    }
    network_check_rules(n);
}

/* The parameters that are learnt, in order. */
static int network_learnt(Building *n, NetworkParameter **learnt)
{
    int count = 0;
    for (int i = 0; i < n->n->parameters; i++)
        if (n->n->parameter[i].rule.text) learnt[count++] = &n->n->parameter[i];
    return count;
}

/* The sum of x[from..to) as a tree that depends on their number only. NULL counts as 0. */
static Node *network_tree(Graph *g, Node *const *x, int from, int to)
{
    if (to - from == 1) return x[from];
    int middle = from + (to - from + 1) / 2;
    Node *a = network_tree(g, x, from, middle), *b = network_tree(g, x, middle, to);
    return a && b ? graph_binary(g, OP_add, a, b) : a ? a : b;
}

/* A loss that takes x may differentiate the net, so that parameters reach it not through the output alone. */
static bool network_looks_back(const Building *n)
{
    const char *loss = blueprint_loss(n->b);
    const Row *row = scope_row(n->b->scope, arena_string(&n->g->arena, loss, network_word(loss)));
    return row && row_takes(row, "x");
}

/* Each micro-batch has gradients d [parts, count] of its own, from its part of the gradient that reaches the output. */
static void network_part_gradients(Building *n, int count, Node *const *leaf, Node **d)
{
    int64_t rows = (int64_t)n->k->rows;
    Graph *g = n->g;
    Node *dy = NULL;
    autodiff_gradients(g, n->b->scope, n->n->loss, NULL, 1, &n->n->output, &dy);
    for (int k = 0; dy && k < n->parts; k++) {
        Node *from = network_rows(g, dy, k * rows / n->parts, (k + 1) * rows / n->parts);
        autodiff_gradients(g, n->b->scope, n->part[k], from, count, leaf, d + k * count);
    }
}

/* Of a batch in one piece, the loss is differentiated as a whole: where its formula was simplified together with the end
 * of the net (a reshape of a reshape), it does not depend on the output's node. */
static void network_gradients(Building *n)
{
    NetworkParameter **learnt = arena_new(&n->g->arena, (size_t)n->n->parameters, sizeof *learnt);
    int count = network_learnt(n, learnt);
    size_t parts = (size_t)n->parts;
    Node **leaf = arena_new(&n->g->arena, (size_t)count, sizeof *leaf),
         **d = arena_new(&n->g->arena, (size_t)count * parts, sizeof *d);
    Node **share = arena_new(&n->g->arena, parts, sizeof *share);
    for (int i = 0; i < count; i++)
        leaf[i] = learnt[i]->leaf;
    if (n->parts > 1 && !network_looks_back(n))
        network_part_gradients(n, count, leaf, d);
    else
        autodiff_gradients(n->g, n->b->scope, n->n->loss, NULL, count, leaf, d);
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < n->parts; k++)
            share[k] = d[k * count + i];
        learnt[i]->gradient = network_tree(n->g, share, 0, n->parts);
    }
}

/* What the penalties add to loss and gradients. */
static void network_penalize(Building *n)
{
    Network *out = n->n;
    Graph *g = n->g;
    out->objective = out->loss;
    for (int i = 0; i < out->parameters; i++) {
        NetworkParameter *p = &out->parameter[i];
        Node *penalty = p->rule.text ? restraint_penalty(n->b, g, p->leaf) : NULL, *d = NULL;
        if (!penalty) continue;
        out->objective = graph_binary(g, OP_add, out->objective, penalty);
        autodiff_gradients(g, n->b->scope, penalty, NULL, 1, &p->leaf, &d);
        if (d) p->gradient = p->gradient ? graph_binary(g, OP_add, p->gradient, d) : d;
    }
}

static Node *network_squares(Building *n, Node *x)
{
    Node *sum = graph_reduce(n->g, OP_sum, graph_binary(n->g, OP_mul, x, x), (1u << x->shape.rank) - 1);
    return graph_reshape(n->g, sum, shape_of(1, (int64_t[]){1}));
}

static Node *network_zero(Building *n)
{
    return graph_expand(n->g, graph_const(n->g, 0), shape_of(1, (int64_t[]){1}));
}

/* The norm of each layer's gradients, and that of all, from which clipping takes it. */
static void network_norms(Building *n)
{
    Network *out = n->n;
    Node **norm = arena_new(&n->g->arena, (size_t)out->groups + 1, sizeof *norm), *total = network_zero(n);
    for (int k = 0; k < out->groups; k++) {
        Node *sum = network_zero(n);
        for (int i = 0; i < out->parameters; i++) {
            NetworkParameter *p = &out->parameter[i];
            if (p->gradient && !strcmp(p->path, out->group[k]))
                sum = graph_binary(n->g, OP_add, sum, network_squares(n, p->gradient));
        }
        total = graph_binary(n->g, OP_add, total, sum);
        norm[k] = graph_unary(n->g, OP_sqrt, sum);
    }
    norm[out->groups] = graph_unary(n->g, OP_sqrt, total);
    n->gnorm = graph_reshape(n->g, norm[out->groups], shape_of(0, NULL));
    out->norms = graph_concat(n->g, out->groups + 1, norm, 0);
}

/* ---- Updates ---- */

static Node *network_schedule(Building *n, Node *t, Node *steps, Node *drops)
{
    if (!n->k->scheduled) return graph_const(n->g, 1);
    const Settings *s = n->b->settings;
    Context c = {.graph = n->g,
                 .scope = n->b->scope,
                 .title = network_title(n, "schedule"),
                 .path = "schedule",
                 .what = "schedule"};
    Argument given[] = {
        {"t", value_node(t), NULL}, {"steps", value_node(steps), NULL}, {"drops", value_node(drops), NULL}};
    Value v = notation_call(&c, settings_text(s, "schedule"), 3, given);
    if (v.kind != VALUE_TENSOR || v.node->type != TYPE_SCALAR)
        error_raise(&n->b->error, NUDGE_INPUT,
                    "%s: a schedule is a number made from t and steps, such as cosine(warmup=100)", c.title);
    return v.node;
}

/* clip=1 is clip=norm(1). */
static Node *network_clip(Building *n, Node *gradient)
{
    const char *text = settings_text(n->b->settings, "clip");
    double limit;
    if (!text || !gradient) return gradient;
    if (number_is(text, strlen(text), &limit)) text = arena_print(&n->g->arena, "norm(%s)", text);
    Context c = {.graph = n->g, .scope = n->b->scope, .title = network_title(n, "clip"), .path = "clip"};
    Argument given[] = {{"g", value_node(gradient), NULL}, {"gnorm", value_node(n->gnorm), NULL}};
    Value v = notation_call(&c, text, 2, given);
    if (v.kind == VALUE_TENSOR && shape_equal(v.node->shape, gradient->shape)) return v.node;
    error_raise(&n->b->error, NUDGE_INPUT,
                "%s: it turns a gradient g into one of its shape, such as norm(1) or value(.5)", c.title);
}

static void network_update(Building *n, const NetworkParameter *p, Node *t, Node *steps)
{
    const Setting *group = p->rule.group;
    Context c = {
        .graph = n->g, .scope = n->b->scope, .title = network_title(n, "optimizer"), .what = "optimizer"};
    if (group) c.title = arena_print(&n->g->arena, "%s: groups: %s", group->origin, group->name);
    c.path = arena_print(&n->g->arena, "optimizer.%s", p->leaf->leaf->name);
    Argument given[] = {{"w", value_node(p->leaf), NULL},
                        {"g", value_node(network_clip(n, p->gradient)), NULL},
                        {"t", value_node(t), NULL},
                        {"steps", value_node(steps), NULL},
                        {"gnorm", value_node(n->gnorm), NULL}};
    const char *optimizer = p->rule.text;
    size_t before = n->g->assignments;
    Node *lr = NULL;
    notation_call_scaled(&c, optimizer, sizeof given / sizeof *given, given, "lr", n->factor, &lr);
    if (!group) n->n->lr = lr;
    if (n->g->assignments == before)
        error_raise(&n->b->error, NUDGE_INPUT,
                    "%s: %s changes nothing; an optimizer ends with w <- ... or w -= ...", c.title,
                    optimizer);
    if (n->k->scheduled && !lr)
        error_raise(&n->b->error, NUDGE_INPUT,
                    "%s: %s has no lr for the schedule to act on; give it one, or leave out the schedule",
                    c.title, optimizer);
}

static void network_updates(Building *n)
{
    Network *out = n->n;
    Node *t = network_scalar(n, "t"), *steps = network_scalar(n, "steps");
    n->factor = network_schedule(n, t, steps, network_scalar(n, "drops"));
    for (int i = 0; i < out->parameters; i++) {
        const NetworkParameter *p = &out->parameter[i];
        if (!p->gradient) continue;
        network_update(n, p, t, steps);
        restraint_update(n->b, n->g, p->leaf, t);
    }
}

/* ---- For an optimizer in C ---- */

/* It measures the loss along a line, so the loss must depend on the parameters only. */
static void network_check_driven(Building *n)
{
    static const char *const not_used[] = {"groups", "clip", "constraint", "average", "augment"};
    const Settings *s = n->b->settings;
    const char *optimizer = blueprint_optimizer(n->b), *title = network_title(n, "optimizer");
    for (size_t i = 0; i < sizeof not_used / sizeof *not_used; i++)
        if (settings_is_set(s, not_used[i]))
            error_raise(&n->b->error, NUDGE_INPUT, "%s: %s: %s has no use for it; leave it out",
                        settings_origin(s, not_used[i]), not_used[i], optimizer);
    if (n->k->scheduled)
        error_raise(&n->b->error, NUDGE_INPUT, "%s: %s finds the length of its steps itself; leave it out",
                    network_title(n, "schedule"), optimizer);
    if (graph_find_leaf(n->g, "seed"))
        error_raise(&n->b->error, NUDGE_INPUT,
                    "%s: %s needs a loss that is the same whenever it is asked for, but the net draws random "
                    "numbers; leave out dropout and its like, or use another optimizer",
                    title, optimizer);
    if (n->g->assignments)
        error_raise(
            &n->b->error, NUDGE_INPUT,
            "%s: %s needs a loss that is the same whenever it is asked for, but %s changes with every "
            "batch; use layernorm instead, or another optimizer",
            title, optimizer, n->g->assignment[0].leaf->leaf->name);
}

static int64_t network_history(Building *n)
{
    Context c = {.graph = n->g, .scope = n->b->scope, .title = network_title(n, "optimizer"), .path = ""};
    Value v = notation_call(&c, blueprint_optimizer(n->b), 0, NULL);
    double history = v.kind == VALUE_TENSOR && v.node->op == OP_const ? v.node->value : 0;
    if (!(history >= 1 && history == floor(history)))
        error_raise(&n->b->error, NUDGE_INPUT, "%s: history is a whole number, such as 10", c.title);
    return (int64_t)history;
}

/* The gradients as one vector, and the states that lbfgs.c keeps in the model. */
static void network_drive(Building *n)
{
    Network *out = n->n;
    NetworkParameter **learnt = arena_new(&n->g->arena, (size_t)out->parameters, sizeof *learnt);
    Node **part = arena_new(&n->g->arena, (size_t)out->parameters, sizeof *part);
    int count = network_learnt(n, learnt);
    network_check_driven(n);
    for (int i = 0; i < count; i++) {
        Shape line = shape_of(1, (int64_t[]){shape_size(learnt[i]->leaf->shape)});
        Node *d = learnt[i]->gradient;
        part[i] = d ? graph_reshape(n->g, d, line) : graph_expand(n->g, graph_const(n->g, 0), line);
    }
    out->flat = graph_concat(n->g, count, part, 0);
    int64_t history = network_history(n), size = shape_size(out->flat->shape);
    network_leaf(n, ROLE_STATE, "optimizer.lbfgs.steps", TYPE_REAL, 2, history, size);
    network_leaf(n, ROLE_STATE, "optimizer.lbfgs.changes", TYPE_REAL, 2, history, size);
    network_leaf(n, ROLE_STATE, "optimizer.lbfgs.gradient", TYPE_REAL, 1, size, 0);
    network_leaf(n, ROLE_STATE, "optimizer.lbfgs.memory", TYPE_REAL, 1, 3, 0);
}

static void network_train(Building *n)
{
    Network *out = n->n;
    network_parameters(n);
    if (!out->parameters)
        error_raise(&n->b->error, NUDGE_INPUT,
                    "%s: there is nothing to learn in it; add a layer with weights, such as dense(8)",
                    network_title(n, "net"));
    NetworkParameter **learnt = arena_new(&n->g->arena, (size_t)out->parameters, sizeof *learnt);
    if (!network_learnt(n, learnt))
        error_raise(&n->b->error, NUDGE_INPUT,
                    "%s: every parameter is frozen, so there is nothing to learn; leave one free",
                    network_title(n, settings_is_set(n->b->settings, "freeze") ? "freeze" : "groups"));
    network_gradients(n);
    network_penalize(n);
    network_norms(n);
    blueprint_driven(n->b) ? network_drive(n) : network_updates(n);
    if (!n->k->norms) out->norms = NULL;
}

/* ---- The whole ---- */

static void network_stages(void *context)
{
    Building *n = context;
    n->n = arena_new(&n->g->arena, 1, sizeof *n->n);
    n->n->graph = n->g;
    n->n->input = network_input(n);
    network_net(n, n->n->input);
    network_check(n);
    if (n->k->mode != MODE_TRAIN) n->n->prediction = network_prediction(n);
    if (n->k->mode != MODE_PREDICT) n->n->loss = network_loss(n, network_target(n));
    if (n->k->mode == MODE_TRAIN) network_train(n);
}

static Network *network_make(Blueprint *b, const Binding *k, void (*stages)(void *building), Error *e)
{
    error_clear(&b->error);
    Building n = {
        .b = b, .k = k, .g = graph_new(&b->error), .form = network_form(b->settings, blueprint_loss(b))};
    if (!n.g) {
        error_set(e, b->error.status, "%s", b->error.message);
        return NULL;
    }
    if (!blueprint_catch(b, stages, &n, e)) return n.n;
    graph_free(n.g);
    return NULL;
}

Network *network_build(Blueprint *b, const Binding *k, Error *e)
{
    return network_make(b, k, network_stages, e);
}

void network_free(Network *n)
{
    if (n) graph_free(n->graph);
}

/* ---- What kind of loss it is ---- */

/* An x, and outputs that depend on it. */
static void network_probing_input(Building *n)
{
    Node *x = n->n->input = network_input(n);
    n->n->output = network_text(n, "y*sigmoid(mean(reshape(cast(x, real), 2, -1), -1))", 2,
                                (const char *[]){"x", "y"}, (Node *[]){x, n->n->output});
}

/* Values that suit any loss: outputs in (0, 1), classes 0 and 1, targets in [0, 1]. */
static void network_probing(void *context)
{
    Building *n = context;
    int64_t columns = (int64_t)n->b->outputs;
    bool classify = n->b->task.classify;
    Shape wide = shape_of(2, (int64_t[]){2, columns}), narrow = shape_of(1, (int64_t[]){2});
    n->n = arena_new(&n->g->arena, 1, sizeof *n->n);
    n->n->graph = n->g;
    Node *position = graph_iota(n->g, classify ? narrow : wide, 0), *loss[2];
    Node *t = classify ? graph_cast(n->g, position, TYPE_I32) : position;
    n->n->output = network_text(n, "(x + .2)/(1.5 + 2*x)", 1, (const char *[]){"x"},
                                (Node *[]){graph_iota(n->g, wide, 1)});
    if (network_looks_back(n)) network_probing_input(n);
    for (int i = 0; i < 2; i++) {
        n->n->weight = graph_expand(n->g, graph_const(n->g, i + 1), narrow);
        loss[i] = network_loss(n, t);
    }
    n->n->loss = graph_concat(n->g, 2, loss, 0);
}

Network *network_probe(Blueprint *b, Error *e)
{
    return network_make(b, &(Binding){.mode = MODE_EVAL, .rows = 2, .weighted = true}, network_probing, e);
}

/* ---- lr, for logs ---- */

typedef struct NetworkRate {
    Building building;
    double t, steps, drops, rate;
} NetworkRate;

/* With t and steps known the product folds to a constant. */
static void network_fold_rate(void *context)
{
    NetworkRate *r = context;
    Building *n = &r->building;
    n->n = arena_new(&n->g->arena, 1, sizeof *n->n);
    n->factor = network_schedule(n, graph_const(n->g, r->t), graph_const(n->g, r->steps),
                                 graph_const(n->g, r->drops));
    n->gnorm = network_scalar(n, "gnorm");
    NetworkParameter p = {.path = "", .rule = {blueprint_optimizer(n->b), NULL}};
    p.leaf = network_leaf(n, ROLE_PARAMETER, "w", TYPE_REAL, 1, 1, 0);
    p.gradient = network_leaf(n, ROLE_DATA, "g", TYPE_REAL, 1, 1, 0);
    network_update(n, &p, graph_const(n->g, r->t), graph_const(n->g, r->steps));
    if (n->n->lr && n->n->lr->op == OP_const) r->rate = n->n->lr->value;
}

double blueprint_rate(Blueprint *b, double t, double steps, double drops)
{
    if (blueprint_driven(b)) return (double)NAN;
    error_clear(&b->error);
    Binding k = {.mode = MODE_TRAIN, .rows = 1, .scheduled = settings_is_set(b->settings, "schedule")};
    Error e = {0};
    NetworkRate r = {
        {.b = b, .k = &k, .g = graph_new(&b->error), .form = &network_usual}, t, steps, drops, (double)NAN};
    if (r.building.g) blueprint_catch(b, network_fold_rate, &r, &e);
    if (r.building.g) graph_free(r.building.g);
    return r.rate;
}

/* ---- Schedules that follow the loss ---- */

typedef struct NetworkJudging {
    Building building;
    double loss;
    Plateau *p;
} NetworkJudging;

/* The row that counts for plateau(patience=5) is asked as plateau_judge(patience=5); all of it folds to constants. */
static void network_judge(void *context)
{
    NetworkJudging *j = context;
    Building *n = &j->building;
    const char *text = settings_text(n->b->settings, "schedule");
    int length = (int)network_word(text);
    const char *name = arena_print(&n->g->arena, "%.*s_judge", length, text);
    if (!scope_row(n->b->scope, name)) return;
    Context c = {.graph = n->g,
                 .scope = n->b->scope,
                 .title = network_title(n, "schedule"),
                 .path = "schedule",
                 .what = "schedule"};
    double *const number[] = {&j->p->best, &j->p->waited, &j->p->cooling, &j->p->drops};
    static const char *const names[] = {"best", "waited", "cooling", "drops"};
    Argument given[5] = {{"loss", value_node(graph_const(n->g, j->loss)), NULL}};
    for (int i = 0; i < 4; i++)
        given[i + 1] = (Argument){names[i], value_node(graph_const(n->g, *number[i])), NULL};
    Value v = notation_call(&c, arena_print(&n->g->arena, "%s%s", name, text + length), 5, given);
    for (int i = 0; v.kind == VALUE_TUPLE && v.count == 4 && i < 4; i++)
        if (v.item[i].kind == VALUE_TENSOR && v.item[i].node->op == OP_const)
            *number[i] = v.item[i].node->value;
}

int blueprint_judge(Blueprint *b, double loss, Plateau *p, Error *e)
{
    error_clear(&b->error);
    NetworkJudging j = {{.b = b, .g = graph_new(&b->error)}, loss, p};
    if (!j.building.g) return error_set(e, b->error.status, "%s", b->error.message);
    int status = blueprint_catch(b, network_judge, &j, e);
    graph_free(j.building.g);
    return status;
}
