/* graph.c: making nodes. One door, graph_node: infer the shape, simplify, look for an equal node, else make one. */
#include "graph/graph.h"

#include "base/philox.h"
#include "graph/rules.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024 };

typedef struct Making {
    Graph *g;
    Error *e;
} Making;

static void graph_make(void *context)
{
    Making *m = context;
    m->g->bucket = arena_new(&m->g->arena, BUCKETS, sizeof(Node *));
    m->g->buckets = BUCKETS;
}

Graph *graph_new(Error *e)
{
    Graph *g = memory_zero(1, sizeof *g);
    if (!g) {
        error_memory(e);
        return NULL;
    }
    g->error = e;
    arena_init(&g->arena, e);
    Making m = {g, e};
    if (error_catch(e, graph_make, &m)) {
        graph_free(g);
        return NULL;
    }
    return g;
}

void graph_free(Graph *g)
{
    if (!g) return;
    arena_free(&g->arena);
    memory_release(g);
}

/* Hash and equality look at everything that says what a node computes. */

static uint64_t node_payload(const Node *n)
{
    uint64_t bits;
    if (n->op == OP_const)
        memcpy(&bits, &n->value, sizeof bits);
    else
        bits = (uint64_t)(uintptr_t)n->leaf; /* any of the union's pointers */
    return bits;
}

static uint64_t node_hash(const Node *n)
{
    uint64_t h = hash_mix((uint64_t)n->op + 1);
    for (int i = 0; i < n->inputs; i++)
        h = hash_mix(h ^ (uint64_t)n->input[i]->id);
    for (int i = 0; i < n->attributes; i++)
        h = hash_mix(h + (uint64_t)n->attribute[i]);
    return hash_mix(h ^ node_payload(n));
}

static bool node_equal(const Node *a, const Node *b)
{
    return a->hash == b->hash && a->op == b->op && a->inputs == b->inputs && a->attributes == b->attributes &&
           node_payload(a) == node_payload(b) &&
           (!a->inputs || !memcmp(a->input, b->input, (size_t)a->inputs * sizeof *a->input)) &&
           (!a->attributes ||
            !memcmp(a->attribute, b->attribute, (size_t)a->attributes * sizeof *a->attribute));
}

static void graph_rehash(Graph *g)
{
    size_t buckets = g->buckets * 4;
    Node **bucket = arena_new(&g->arena, buckets, sizeof *bucket);
    for (size_t i = 0; i < g->buckets; i++)
        for (Node *n = g->bucket[i], *next; n; n = next) {
            next = n->next;
            n->next = bucket[n->hash % buckets];
            bucket[n->hash % buckets] = n;
        }
    g->bucket = bucket;
    g->buckets = buckets;
}

/* The node equal to the draft, or a new one: its lists are copied into the arena. */
static Node *graph_intern(Graph *g, Node *draft)
{
    draft->hash = node_hash(draft);
    for (Node *n = g->bucket[draft->hash % g->buckets]; n; n = n->next)
        if (node_equal(n, draft)) return n;
    if ((size_t)g->nodes > g->buckets) graph_rehash(g);
    Node *n = arena_new(&g->arena, 1, sizeof *n);
    Node **input = arena_new(&g->arena, (size_t)draft->inputs, sizeof *input);
    int64_t *attribute = arena_new(&g->arena, (size_t)draft->attributes, sizeof *attribute);
    if (draft->inputs) memcpy(input, draft->input, (size_t)draft->inputs * sizeof *input);
    if (draft->attributes) memcpy(attribute, draft->attribute, (size_t)draft->attributes * sizeof *attribute);
    *n = *draft;
    n->input = input;
    n->attribute = attribute;
    n->origin = g->origin;
    n->id = g->nodes++;
    n->next = g->bucket[n->hash % g->buckets];
    g->bucket[n->hash % g->buckets] = n;
    return n;
}

/* Addition and multiplication commute: tensors before scalars, older nodes first. */
static void node_order(Node *n)
{
    if (n->op != OP_add && n->op != OP_mul && n->op != OP_eq) return;
    Node *a = n->input[0], *b = n->input[1];
    bool a_scalar = a->type == TYPE_SCALAR, b_scalar = b->type == TYPE_SCALAR;
    if (a_scalar != b_scalar ? a_scalar : a->id > b->id) n->input[0] = b, n->input[1] = a;
}

enum { INPUTS_FEW = 8, ATTRIBUTES_MOST = 3 * RANK_MAX + 2 };

static Node *graph_build(Graph *g, Node *draft)
{
    rules_infer(g, draft);
    node_order(draft);
    Node *simpler = rules_simplify(g, draft);
    return simpler ? simpler : graph_intern(g, draft);
}

Node *graph_node(Graph *g, OpCode op, int inputs, Node *const *input, int attributes,
                 const int64_t *attribute)
{
    Node *few[INPUTS_FEW], **copy = few;
    int64_t numbers[ATTRIBUTES_MOST] = {0};
    if (attributes > ATTRIBUTES_MOST)
        graph_raise(g, g->origin, "%s: a tensor has at most %d axes", ops_table[op].name, RANK_MAX);
    if (inputs > INPUTS_FEW) copy = arena_new(&g->arena, (size_t)inputs, sizeof *copy);
    if (inputs) memcpy(copy, input, (size_t)inputs * sizeof *copy);
    if (attributes) memcpy(numbers, attribute, (size_t)attributes * sizeof *numbers);
    Node draft = {.op = op, .inputs = inputs, .input = copy, .attributes = attributes, .attribute = numbers};
    return graph_build(g, &draft);
}

/* ---- Leaves ---- */

Node *graph_const(Graph *g, double value)
{
    Node draft = {.op = OP_const, .type = TYPE_SCALAR, .value = value};
    return graph_intern(g, &draft);
}

Node *graph_find_leaf(const Graph *g, const char *name)
{
    for (size_t i = 0; i < g->leaves; i++)
        if (!strcmp(g->leaf[i]->leaf->name, name)) return g->leaf[i];
    return NULL;
}

/* Room for one more in an arena array: the old one is left to the arena. */
static void *graph_more(Graph *g, void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room) return array;
    size_t more = *room ? *room * 2 : 16;
    void *bigger = arena_new(&g->arena, more, size);
    if (count) memcpy(bigger, array, count * size);
    *room = more;
    return bigger;
}

static Node *leaf_node(Graph *g, Role role, const char *name, Type type, Shape shape, const void *initial)
{
    Leaf *leaf = arena_new(&g->arena, 1, sizeof *leaf);
    *leaf = (Leaf){role, name ? arena_string(&g->arena, name, strlen(name)) : NULL, initial};
    Node draft = {.op = OP_leaf, .type = type, .shape = shape, .leaf = leaf};
    return graph_intern(g, &draft);
}

Node *graph_place(Graph *g, Type type, Shape shape)
{
    return leaf_node(g, ROLE_PLACE, NULL, type, shape, NULL);
}

Node *graph_leaf(Graph *g, Role role, const char *name, Type type, Shape shape, const void *initial)
{
    Node *known = graph_find_leaf(g, name);
    if (known) {
        if (known->type == type && shape_equal(known->shape, shape)) return known;
        graph_raise(g, g->origin, "%s is used twice, as %s%s and as %s%s; a shared parameter has one shape",
                    name, type_name[known->type], shape_text(&g->arena, known->shape), type_name[type],
                    shape_text(&g->arena, shape));
    }
    Node *n = leaf_node(g, role, name, type, shape, initial);
    g->leaf = graph_more(g, g->leaf, g->leaves, &g->leaf_room, sizeof *g->leaf);
    g->leaf[g->leaves++] = n;
    return n;
}

void graph_assign(Graph *g, Node *leaf, Node *value)
{
    if (leaf->op != OP_leaf || !role_kept(leaf->leaf->role))
        graph_raise(g, g->origin, "only a parameter or state can be assigned");
    value = graph_conform(g, value, leaf->shape);
    if (value->type != leaf->type)
        graph_raise(g, g->origin, "%s is %s and cannot take %s: write cast(..., %s)", leaf->leaf->name,
                    type_name[leaf->type], type_name[value->type], type_name[leaf->type]);
    for (size_t i = 0; i < g->assignments; i++)
        if (g->assignment[i].leaf == leaf) {
            g->assignment[i].value = value;
            return;
        }
    if (value == leaf) return;
    g->assignment = graph_more(g, g->assignment, g->assignments, &g->assignment_room, sizeof *g->assignment);
    g->assignment[g->assignments++] = (Assignment){leaf, value};
}

/* ---- Conveniences over graph_node ---- */

Node *graph_unary(Graph *g, OpCode op, Node *x)
{
    return graph_node(g, op, 1, &x, 0, NULL);
}

Node *graph_binary(Graph *g, OpCode op, Node *x, Node *z)
{
    return graph_node(g, op, 2, (Node *[]){x, z}, 0, NULL);
}

Node *graph_cast(Graph *g, Node *x, Type to)
{
    return graph_node(g, OP_cast, 1, &x, 1, (int64_t[]){to});
}

Node *graph_reduce(Graph *g, OpCode op, Node *x, uint32_t axes)
{
    int64_t mask[RANK_MAX];
    for (int a = 0; a < x->shape.rank; a++)
        mask[a] = axes >> a & 1;
    return graph_node(g, op, 1, &x, x->shape.rank, mask);
}

Node *graph_expand(Graph *g, Node *x, Shape to)
{
    return graph_node(g, OP_expand, 1, &x, to.rank, to.dim);
}

Node *graph_reshape(Graph *g, Node *x, Shape to)
{
    return graph_node(g, OP_reshape, 1, &x, to.rank, to.dim);
}

Node *graph_transpose(Graph *g, Node *x, const int *axes)
{
    int64_t order[RANK_MAX];
    for (int a = 0; a < x->shape.rank; a++)
        order[a] = axes[a];
    return graph_node(g, OP_transpose, 1, &x, x->shape.rank, order);
}

Node *graph_swap(Graph *g, Node *x)
{
    int rank = x->shape.rank, order[RANK_MAX];
    if (rank < 2)
        graph_raise(g, g->origin, "' transposes the last two axes; this has shape %s",
                    shape_text(&g->arena, x->shape));
    for (int a = 0; a < rank; a++)
        order[a] = a;
    order[rank - 1] = rank - 2, order[rank - 2] = rank - 1;
    return graph_transpose(g, x, order);
}

/* begin, step and size as the attributes of slice and pad. */
static Node *graph_window(Graph *g, OpCode op, Node *x, const int64_t *begin, const int64_t *step, Shape size)
{
    int64_t attribute[3 * RANK_MAX];
    size_t rank = (size_t)size.rank, bytes = rank * sizeof *attribute;
    memcpy(attribute, begin, bytes);
    memcpy(attribute + rank, step, bytes);
    memcpy(attribute + 2 * rank, size.dim, bytes);
    return graph_node(g, op, 1, &x, 3 * size.rank, attribute);
}

Node *graph_slice(Graph *g, Node *x, const int64_t *begin, const int64_t *step, Shape size)
{
    return graph_window(g, OP_slice, x, begin, step, size);
}

Node *graph_pad(Graph *g, Node *x, const int64_t *begin, const int64_t *step, Shape size)
{
    return graph_window(g, OP_pad, x, begin, step, size);
}

Node *graph_concat(Graph *g, int count, Node *const *x, int axis)
{
    return graph_node(g, OP_concat, count, x, 1, (int64_t[]){axis});
}

Node *graph_iota(Graph *g, Shape shape, int axis)
{
    int64_t attribute[RANK_MAX + 1] = {axis};
    memcpy(attribute + 1, shape.dim, (size_t)shape.rank * sizeof *attribute);
    return graph_node(g, OP_iota, 0, NULL, shape.rank + 1, attribute);
}

static Node *matmul_row(Graph *g, Node *x, Shape s, int axis)
{
    for (int a = s.rank++; a > axis; a--)
        s.dim[a] = s.dim[a - 1];
    s.dim[axis] = 1;
    return graph_reshape(g, x, s);
}

static Shape shape_without(Shape s, int axis)
{
    s.rank--;
    for (int a = axis; a < s.rank; a++)
        s.dim[a] = s.dim[a + 1];
    return s;
}

/* A matrix on the right of a batch multiplies all rows at once: [.., m, k] @ [k, n] is one product [.. * m, k] @
 * [k, n], so that the gradient of the matrix is one product, too. */
static Node *matmul_flat(Graph *g, Node *x, Node *z)
{
    int k = x->shape.rank - 1;
    Shape result = x->shape;
    int64_t rows = 1;
    for (int a = 0; a < k; a++)
        rows *= result.dim[a];
    Node *flat = graph_reshape(g, x, shape_of(2, (int64_t[]){rows, result.dim[k]}));
    Node *y = graph_binary(g, OP_matmul, flat, z);
    result.dim[k] = z->shape.dim[1];
    return graph_reshape(g, y, result);
}

Node *graph_matmul(Graph *g, Node *x, Node *z)
{
    int rank = x->shape.rank, right = z->shape.rank;
    if (!rank || !right || x->type != TYPE_REAL || z->type != TYPE_REAL)
        return graph_binary(g, OP_matmul, x, z); /* raises */
    if (rank == 1) {
        Node *y = graph_matmul(g, matmul_row(g, x, x->shape, 0), z);
        return graph_reshape(g, y, shape_without(y->shape, right == 1 ? 0 : y->shape.rank - 2));
    }
    if (right == 1) {
        Node *y = graph_matmul(g, x, matmul_row(g, z, z->shape, 1));
        return graph_reshape(g, y, shape_without(y->shape, y->shape.rank - 1));
    }
    if (right == 2 && rank > 2 && x->shape.dim[rank - 1] == z->shape.dim[0]) return matmul_flat(g, x, z);
    return graph_binary(g, OP_matmul, x, z);
}

/* ---- Sub-graphs ---- */

int graph_outputs(const Node *n)
{
    if (n->op == OP_call) return n->call->body.outputs;
    if (n->op != OP_loop) return 1;
    const Loop *l = n->loop;
    return l->body.outputs + l->carried;
}

Node *graph_output(Graph *g, Node *of, int index)
{
    return graph_node(g, OP_output, 1, &of, 1, (int64_t[]){index});
}

static Body body_copy(Graph *g, Body b)
{
    Node **list = arena_new(&g->arena, (size_t)(b.inputs + b.outputs), sizeof *list);
    if (b.inputs) memcpy(list, b.input, (size_t)b.inputs * sizeof *list);
    if (b.outputs) memcpy(list + b.inputs, b.output, (size_t)b.outputs * sizeof *list);
    return (Body){b.inputs, b.outputs, list, list + b.inputs};
}

Node *graph_call(Graph *g, const char *name, const void *definition, int inputs, Node *const *input,
                 Body body)
{
    Call *call = arena_new(&g->arena, 1, sizeof *call);
    *call = (Call){name, definition, body_copy(g, body)};
    Node draft = {.op = OP_call, .inputs = inputs, .input = (Node **)input, .call = call};
    return graph_build(g, &draft);
}

static bool body_has(const Body *b, const Node *place)
{
    for (int i = 0; i < b->inputs; i++)
        if (b->input[i] == place) return true;
    return false;
}

/* A loop's body reads nothing from outside but by its places: each leaf that it uses becomes an input that stays.
 * The position stays the last place. */
static void loop_close(Graph *g, Loop *l, int *inputs, Node **input)
{
    size_t count;
    Body *body = &l->body;
    Node **node = graph_reachable(g, body->output, (size_t)body->outputs, &count);
    Node **place = arena_new(&g->arena, (size_t)body->inputs + count, sizeof *place);
    Node **now = arena_new(&g->arena, (size_t)g->nodes, sizeof *now);
    Node *position = body->input[body->inputs - 1];
    memcpy(place, body->input, (size_t)body->inputs * sizeof *place);
    for (size_t i = 0; i < count; i++) {
        if (node[i]->op == OP_leaf && !body_has(body, node[i])) {
            place[*inputs] = now[node[i]->id] = graph_place(g, node[i]->type, node[i]->shape);
            input[(*inputs)++] = node[i];
        } else if (node[i]->op != OP_leaf) {
            now[node[i]->id] = graph_copy(g, node[i], now);
        }
    }
    place[*inputs] = position;
    body->input = place;
    body->inputs = *inputs + 1;
    for (int i = 0; i < body->outputs; i++)
        if (now[body->output[i]->id]) body->output[i] = now[body->output[i]->id];
}

Node *graph_loop(Graph *g, Loop loop, int inputs, Node *const *input)
{
    Loop *copy = arena_new(&g->arena, 1, sizeof *copy);
    *copy = loop;
    copy->body = body_copy(g, loop.body);
    Node **all = arena_new(&g->arena, (size_t)(inputs + g->nodes), sizeof *all);
    if (inputs) memcpy(all, input, (size_t)inputs * sizeof *all);
    loop_close(g, copy, &inputs, all);
    Node draft = {.op = OP_loop, .inputs = inputs, .input = all, .loop = copy};
    return graph_build(g, &draft);
}

/* n on other inputs; n itself if they are the same. */
static Node *node_on(Graph *g, Node *n, Node *const *input)
{
    if (!n->inputs || !memcmp(input, n->input, (size_t)n->inputs * sizeof *input)) return n;
    const Origin *origin = g->origin;
    g->origin = n->origin;
    Node draft = *n;
    draft.input = (Node **)(uintptr_t)input;
    Node *copy = n->op == OP_call || n->op == OP_loop
                     ? graph_build(g, &draft)
                     : graph_node(g, n->op, n->inputs, input, n->attributes, n->attribute);
    g->origin = origin;
    return copy;
}

Node *graph_copy(Graph *g, Node *n, Node *const *now)
{
    Node *few[INPUTS_FEW], **input = few;
    if (n->inputs > INPUTS_FEW) input = arena_new(&g->arena, (size_t)n->inputs, sizeof *input);
    for (int i = 0; i < n->inputs; i++) {
        Node *mapped = now[n->input[i]->id];
        input[i] = mapped ? mapped : n->input[i];
    }
    return node_on(g, n, input);
}

Node *graph_twin(Graph *g, const Node *n, Node **input)
{
    Node *twin = arena_new(&g->arena, 1, sizeof *twin);
    *twin = *n;
    twin->input = input;
    twin->id = g->nodes++;
    twin->next = NULL;
    return twin;
}

static int node_older(const void *a, const void *b)
{
    return (*(Node *const *)a)->id - (*(Node *const *)b)->id;
}

/* A list that grows, in which each node knows its place: whether it holds a node is one comparison, however large the
 * graph is. */
typedef struct Reach {
    Node **node;
    size_t count, room;
} Reach;

static bool reach_has(const Reach *r, const Node *n)
{
    return n->mark < r->count && r->node[n->mark] == n;
}

static void reach_add(Graph *g, Reach *r, Node *n)
{
    if (reach_has(r, n)) return;
    r->node = graph_more(g, r->node, r->count, &r->room, sizeof *r->node);
    n->mark = r->count;
    r->node[r->count++] = n;
}

static Reach reach_from(Graph *g, Node *const *root, size_t roots)
{
    Reach r = {0};
    for (size_t i = 0; i < roots; i++)
        reach_add(g, &r, root[i]);
    for (size_t at = 0; at < r.count; at++)
        for (int i = 0; i < r.node[at]->inputs; i++)
            reach_add(g, &r, r.node[at]->input[i]);
    if (r.count) qsort(r.node, r.count, sizeof *r.node, node_older);
    for (size_t i = 0; i < r.count; i++)
        r.node[i]->mark = i;
    return r;
}

Node **graph_reachable(Graph *g, Node *const *root, size_t roots, size_t *count)
{
    Reach r = reach_from(g, root, roots);
    *count = r.count;
    return r.node;
}

static Node *inline_node(Graph *g, Node *n, Node *const *now)
{
    Node *few[INPUTS_FEW], **input = few;
    if (n->inputs > INPUTS_FEW) input = arena_new(&g->arena, (size_t)n->inputs, sizeof *input);
    for (int i = 0; i < n->inputs; i++)
        input[i] = now[n->input[i]->mark];
    return node_on(g, n, input);
}

void graph_inline(Graph *g, const Body *body, Node *const *input, Node **output)
{
    Reach r = reach_from(g, body->output, (size_t)body->outputs);
    Node **now = arena_new(&g->arena, r.count, sizeof *now);
    for (int i = 0; i < body->inputs; i++)
        if (reach_has(&r, body->input[i])) now[body->input[i]->mark] = input[i];
    for (size_t i = 0; i < r.count; i++)
        if (!now[i]) now[i] = inline_node(g, r.node[i], now);
    for (int i = 0; i < body->outputs; i++)
        output[i] = now[body->output[i]->mark];
}
