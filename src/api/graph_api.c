/* graph_api.c: tier 2 of nudge.h, building: graphs and formulas. Knows everything from graph/ to nn/, and train/'s store
 * and settings. program_api.c compiles and runs what is built here.
 *
 * The first error sticks: every call runs under graph_try, which does nothing once there is one. */
#include "api/graph_api.h"

#include "autodiff/autodiff.h"

#include <string.h>

/* One call of the caller, as graph_try hands it to what it runs. */
typedef struct GraphCall {
    nudge_graph *g;
    const char *name, *text;
    Type type;
    Shape shape;
    Role role;
    Node *x, *y, *result;
} GraphCall;

typedef struct GraphTry {
    GraphCall *call;
    void (*body)(GraphCall *call);
} GraphTry;

static void graph_try_body(void *context)
{
    const GraphTry *t = context;
    t->body(t->call);
}

/* The call's result, or NULL after an error of this call or an earlier one. */
static nudge_tensor graph_try(void (*body)(GraphCall *call), GraphCall *call)
{
    nudge_graph *g = call->g;
    if (!g || g->error.status) return NULL;
    GraphTry t = {call, body};
    if (error_catch(&g->error, graph_try_body, &t)) return NULL;
    return (nudge_tensor)call->result;
}

static Node *tensor_node(nudge_tensor t)
{
    return (Node *)(uintptr_t)t;
}

static void tensor_wanted(const GraphCall *c, const Node *n, const char *what)
{
    if (!n) error_raise(&c->g->error, NUDGE_INPUT, "%s: the tensor is NULL", what);
}

/* ---- A graph ---- */

static void graph_open(GraphCall *c)
{
    nudge_graph *g = c->g;
    arena_init(&g->arena, &g->error);
    g->scope = scope_new(&g->arena, nn_scope(&g->arena));
    g->graph = graph_new(&g->error);
    if (!g->graph) error_escape(&g->error);
}

static int graph_settings(nudge_graph *g, const char *options)
{
    Error *e = &g->error;
    const char *isa = NULL;
    Isa level = isa_best();
    if (options && settings_parse(&g->settings, options, e)) return e->status;
    if ((isa = settings_text(&g->settings, "isa")) && isa_parse(isa, &level, e)) return e->status;
    const char *dtype = settings_text(&g->settings, "dtype");
    g->backend = cpu_backend(level);
    g->dtype = dtype && !strcmp(dtype, "float64") ? DTYPE_F64 : DTYPE_F32;
    g->store.real = g->dtype == DTYPE_F64 ? DATA_F64 : DATA_F32;
    int64_t threads = settings_integer(&g->settings, "threads");
    g->threads = threads > 1 ? (int)threads : 1;
    if (g->threads > 1 && !(g->crew = threads_new(g->threads))) return error_memory(e);
    return NUDGE_OK;
}

NUDGE_API int nudge_graph_new(nudge_graph **graph, const char *options)
{
    nudge_graph *g = *graph = memory_zero(1, sizeof *g);
    if (!g) return NUDGE_MACHINE;
    GraphCall call = {.g = g};
    graph_try(graph_open, &call);
    if (!g->error.status) graph_settings(g, options);
    return g->error.status;
}

NUDGE_API void nudge_graph_free(nudge_graph *g)
{
    if (!g) return;
    graph_free(g->graph);
    arena_free(&g->arena);
    threads_free(g->crew);
    store_free(&g->store);
    settings_free(&g->settings);
    memory_release(g);
}

const char *api_message(const Error *e, int status)
{
    if (!status) return "";
    return e && e->message[0] ? e->message : "out of memory";
}

NUDGE_API const char *nudge_graph_message(const nudge_graph *g, int status)
{
    return api_message(g ? &g->error : NULL, status);
}

/* ---- Leaves ---- */

static void leaf_make(GraphCall *c)
{
    nudge_graph *g = c->g;
    if (!c->name || !c->name[0]) error_raise(&g->error, NUDGE_INPUT, "an input needs a name");
    if (graph_find_leaf(g->graph, c->name))
        error_raise(&g->error, NUDGE_INPUT, "%s: the graph has an input of this name; choose another one",
                    c->name);
    for (int a = 0; a < c->shape.rank; a++)
        if (c->shape.dim[a] < 0)
            error_raise(&g->error, NUDGE_INPUT, "%s: axis %d has size %lld; sizes start at 0", c->name, a,
                        (long long)c->shape.dim[a]);
    c->result = graph_leaf(g->graph, c->role, c->name, c->type, c->shape, NULL);
    scope_add_node(g->scope, c->result->leaf->name, c->result);
}

static nudge_tensor leaf_new(nudge_graph *g, Role role, Type type, const char *name, int rank,
                             const int64_t *dims)
{
    GraphCall call = {.g = g, .name = name, .type = type, .role = role};
    if (g && (rank < 0 || rank > RANK_MAX))
        error_set(&g->error, NUDGE_INPUT, "%s: %d axes; a tensor has 0 to %d", name ? name : "input", rank,
                  RANK_MAX);
    else
        call.shape = shape_of(rank, dims);
    return graph_try(leaf_make, &call);
}

NUDGE_API nudge_tensor nudge_input(nudge_graph *g, const char *name, int rank, const int64_t *dims)
{
    return leaf_new(g, ROLE_DATA, TYPE_REAL, name, rank, dims);
}

NUDGE_API nudge_tensor nudge_integers(nudge_graph *g, const char *name, int rank, const int64_t *dims)
{
    return leaf_new(g, ROLE_DATA, TYPE_I32, name, rank, dims);
}

NUDGE_API nudge_tensor nudge_bytes(nudge_graph *g, const char *name, int rank, const int64_t *dims)
{
    return leaf_new(g, ROLE_DATA, TYPE_U8, name, rank, dims);
}

NUDGE_API nudge_tensor nudge_scalar(nudge_graph *g, const char *name)
{
    return leaf_new(g, ROLE_SCALAR, TYPE_SCALAR, name, 0, NULL);
}

/* ---- Texts ---- */

static Context graph_context(const nudge_graph *g, const char *title, const char *path)
{
    return (Context){.graph = g->graph, .scope = g->scope, .title = title, .path = path, .train = true};
}

/* A parameter is what a row of its own declares: so its first value is a text like any other. */
static void parameter_make(GraphCall *c)
{
    nudge_graph *g = c->g;
    if (!c->name || !c->text)
        error_raise(&g->error, NUDGE_INPUT, "a parameter needs a name and a first value, such as \"glorot\"");
    if (graph_find_leaf(g->graph, c->name))
        error_raise(&g->error, NUDGE_INPUT, "%s: the graph has a parameter of this name; choose another one",
                    c->name);
    Text row = {0};
    bool drawn = (c->text[0] | 32) >= 'a' && (c->text[0] | 32) <= 'z';
    text_print(&row, "parameter( | %s[", c->name);
    for (int a = 0; a < c->shape.rank; a++)
        text_print(&row, "%s%lld", a ? ", " : "", (long long)c->shape.dim[a]);
    text_print(&row, "] %s %s): %s", drawn ? "~" : "=", c->text, c->name);
    const char *copy = arena_string(&g->arena, text_end(&row), row.length);
    text_free(&row);
    Scope *scope = scope_new(&g->arena, g->scope);
    scope_add_row(scope, c->name, copy, NULL, NULL);
    Context context = graph_context(g, c->name, "");
    context.scope = scope;
    c->result = notation_formula(&context, "parameter()");
    scope_add_node(g->scope, c->result->leaf->name, c->result);
}

NUDGE_API nudge_tensor nudge_parameter(nudge_graph *g, const char *name, int rank, const int64_t *dims,
                                       const char *initial)
{
    GraphCall call = {.g = g, .name = name, .text = initial};
    if (g && (rank < 0 || rank > RANK_MAX))
        error_set(&g->error, NUDGE_INPUT, "%s: %d axes; a tensor has 0 to %d", name ? name : "parameter",
                  rank, RANK_MAX);
    else
        call.shape = shape_of(rank, dims);
    return graph_try(parameter_make, &call);
}

static const char *graph_text(const GraphCall *c, const char *what)
{
    if (!c->text) error_raise(&c->g->error, NUDGE_INPUT, "%s: the text is NULL", what);
    return arena_string(&c->g->arena, c->text, strlen(c->text));
}

static void define_make(GraphCall *c)
{
    const char *text = graph_text(c, "nudge_define");
    scope_add_row(c->g->scope, "definition", text, NULL, NULL);
}

NUDGE_API void nudge_define(nudge_graph *g, const char *row)
{
    GraphCall call = {.g = g, .text = row};
    graph_try(define_make, &call);
}

static void formula_make(GraphCall *c)
{
    Context context = graph_context(c->g, "formula", "");
    Value v = notation_evaluate(&context, graph_text(c, "nudge_formula"));
    if (v.kind == VALUE_TUPLE && v.count) v = v.item[v.count - 1];
    if (v.kind != VALUE_TENSOR)
        error_raise(&c->g->error, NUDGE_INPUT, "the formula \"%s\" gives no tensor", c->text);
    c->result = v.node;
}

NUDGE_API nudge_tensor nudge_formula(nudge_graph *g, const char *text)
{
    GraphCall call = {.g = g, .text = text};
    return graph_try(formula_make, &call);
}

static void let_make(GraphCall *c)
{
    tensor_wanted(c, c->x, "nudge_let");
    if (!c->name || !c->name[0]) error_raise(&c->g->error, NUDGE_INPUT, "nudge_let: a tensor needs a name");
    scope_add_node(c->g->scope, arena_string(&c->g->arena, c->name, strlen(c->name)), c->x);
    c->result = c->x;
}

NUDGE_API nudge_tensor nudge_let(nudge_graph *g, const char *name, nudge_tensor value)
{
    GraphCall call = {.g = g, .name = name, .x = tensor_node(value)};
    return graph_try(let_make, &call);
}

static void net_make(GraphCall *c)
{
    tensor_wanted(c, c->x, "nudge_net");
    const char *path = arena_string(&c->g->arena, c->name ? c->name : "", c->name ? strlen(c->name) : 0);
    Context context = graph_context(c->g, "net", path);
    c->result = notation_net(&context, graph_text(c, "nudge_net"), c->x, NULL, NULL);
}

NUDGE_API nudge_tensor nudge_net(nudge_graph *g, const char *path, const char *net, nudge_tensor x)
{
    GraphCall call = {.g = g, .name = path, .text = net, .x = tensor_node(x)};
    return graph_try(net_make, &call);
}

/* ---- Gradients and updates ---- */

static void gradient_make(GraphCall *c)
{
    tensor_wanted(c, c->y, "nudge_gradient");
    tensor_wanted(c, c->x, "nudge_gradient");
    autodiff_gradients(c->g->graph, c->g->scope, c->y, NULL, 1, &c->x, &c->result);
    if (!c->result) c->result = graph_expand(c->g->graph, graph_const(c->g->graph, 0), c->x->shape);
}

NUDGE_API nudge_tensor nudge_gradient(nudge_graph *g, nudge_tensor y, nudge_tensor x)
{
    GraphCall call = {.g = g, .y = tensor_node(y), .x = tensor_node(x)};
    return graph_try(gradient_make, &call);
}

static void update_make(GraphCall *c)
{
    tensor_wanted(c, c->x, "nudge_update");
    tensor_wanted(c, c->y, "nudge_update");
    graph_assign(c->g->graph, c->x, c->y);
}

NUDGE_API void nudge_update(nudge_graph *g, nudge_tensor parameter, nudge_tensor value)
{
    GraphCall call = {.g = g, .x = tensor_node(parameter), .y = tensor_node(value)};
    graph_try(update_make, &call);
}

static void optimize_one(GraphCall *c, const char *text, Node *w, Node *gradient, Node *t)
{
    Context context = graph_context(c->g, "optimizer", "");
    context.path = arena_print(&c->g->arena, "optimizer.%s", w->leaf->name);
    Argument given[] = {{.name = "w", .value = value_node(w)},
                        {.name = "g", .value = value_node(gradient)},
                        {.name = "t", .value = value_node(t)}};
    notation_call(&context, text, 3, given);
}

/* The parameters that the call's pattern names. */
static int optimize_which(const GraphCall *c, Node **w)
{
    const Graph *g = c->g->graph;
    const char *names = c->name ? c->name : "*";
    int count = 0;
    for (size_t i = 0; i < g->leaves; i++)
        if (g->leaf[i]->leaf->role == ROLE_PARAMETER &&
            rule_matches(names, strlen(names), g->leaf[i]->leaf->name))
            w[count++] = g->leaf[i];
    return count;
}

static void optimize_make(GraphCall *c)
{
    Graph *g = c->g->graph;
    tensor_wanted(c, c->y, "nudge_optimize");
    const char *text = graph_text(c, "nudge_optimize");
    Node **w = arena_new(&c->g->arena, g->leaves, sizeof *w),
         **dw = arena_new(&c->g->arena, g->leaves, sizeof *dw);
    int count = optimize_which(c, w);
    autodiff_gradients(g, c->g->scope, c->y, NULL, count, w, dw);
    Node *t = graph_leaf(g, ROLE_SCALAR, "optimizer.t", TYPE_SCALAR, (Shape){0}, NULL);
    bool any = false;
    for (int i = 0; i < count; i++)
        if (dw[i]) optimize_one(c, text, w[i], dw[i], t), any = true;
    if (any) return;
    error_raise(&c->g->error, NUDGE_INPUT, "nudge_optimize: the loss depends on no parameter%s%s",
                c->name ? " called " : "", c->name ? c->name : "");
}

NUDGE_API void nudge_optimize(nudge_graph *g, const char *optimizer, nudge_tensor loss, const char *names)
{
    GraphCall call = {.g = g, .text = optimizer, .name = names, .y = tensor_node(loss)};
    graph_try(optimize_make, &call);
}

static void output_make(GraphCall *c)
{
    nudge_graph *g = c->g;
    tensor_wanted(c, c->x, "nudge_output");
    if (!c->name || !c->name[0]) error_raise(&g->error, NUDGE_INPUT, "an output needs a name");
    for (int i = 0; i < g->outputs; i++)
        if (!strcmp(g->output[i].name, c->name))
            error_raise(&g->error, NUDGE_INPUT,
                        "%s: the program has an output of this name; choose another one", c->name);
    if (graph_find_leaf(g->graph, c->name))
        error_raise(&g->error, NUDGE_INPUT, "%s: an input or parameter has this name; choose another one",
                    c->name);
    PlanOutput *more = arena_new(&g->arena, (size_t)g->outputs + 1, sizeof *more);
    if (g->outputs) memcpy(more, g->output, (size_t)g->outputs * sizeof *more);
    more[g->outputs++] = (PlanOutput){arena_string(&g->arena, c->name, strlen(c->name)), c->x};
    g->output = more;
}

NUDGE_API void nudge_output(nudge_graph *g, const char *name, nudge_tensor value)
{
    GraphCall call = {.g = g, .name = name, .x = tensor_node(value)};
    graph_try(output_make, &call);
}

NUDGE_API int nudge_rank(nudge_tensor t)
{
    return t ? tensor_node(t)->shape.rank : 0;
}

NUDGE_API int64_t nudge_dim(nudge_tensor t, int axis)
{
    return t && axis >= 0 && axis < tensor_node(t)->shape.rank ? tensor_node(t)->shape.dim[axis] : 0;
}
