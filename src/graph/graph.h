/* graph.h: tensors and the expressions that make them. Used by everything below; knows ops/.
 *
 * A Graph is a set of nodes in one arena. A node is an operation applied to earlier nodes; it never changes and
 * equal nodes are one node (hash-consing), so a common subexpression is found when it is written. Shapes are
 * concrete. A new binding of dimensions is a new graph.
 *
 * Types: `real` is bound to f32 or f64 when a plan is made. `scalar` is a number known before a step runs (a
 * constant, the learning rate, t): arithmetic among scalars happens in double once a step. A scalar meets a real
 * wherever a real of shape [] could stand. Nothing is promoted: i32 and u8 need a cast.
 *
 * Building raises (base/error.h): the message names the operation and the shapes, and shows the text. */
#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H

#include "base/memory.h"
#include "base/text.h"
#include "ops/ops.h"
#include <stdbool.h>
#include <stdint.h>

enum { RANK_MAX = 8 };

typedef enum Type { TYPE_REAL, TYPE_I32, TYPE_U8, TYPE_SCALAR } Type;
extern const char *const type_name[]; /* "real" "i32" "u8" "scalar" */

typedef struct Shape {
    int rank;
    int64_t dim[RANK_MAX];
} Shape;

/* Where a node was written: a text, an offset in it, and what the text is. `outer` is the text that called it. */
typedef struct Origin {
    const char *title; /* "attention", "digits.yaml:4: net", ... */
    const char *text;
    int at;
    const struct Origin *outer;
} Origin;

typedef enum Role {
    ROLE_DATA,      /* given at each call: a batch, targets */
    ROLE_PARAMETER, /* learnt; shared by all graphs of a model under its path */
    ROLE_STATE,     /* kept from step to step: moments, running statistics */
    ROLE_CARRIED, /* likewise, but of each row of a batch [rows, ..], which goes on where it was in the last one */
    ROLE_SCALAR, /* a number given at each call, of type scalar: t, lr, seed */
    ROLE_PLACE   /* stands for an argument in the body of a call or loop */
} Role;

/* Whether its value is kept between steps. */
static inline bool role_kept(Role role)
{
    return role == ROLE_PARAMETER || role == ROLE_STATE || role == ROLE_CARRIED;
}

typedef struct Leaf {
    Role role;
    const char *name; /* path, e.g. "0.weight"; NULL for a place */
    const void
        *initial; /* for parameters and states: what notation/ keeps to make the first value; opaque here */
} Leaf;

typedef struct Node Node;

/* A sub-graph: places stand for its inputs. Its nodes lie in the same graph but are reached only through it. */
typedef struct Body {
    int inputs, outputs;
    Node **input; /* places */
    Node **output;
} Body;

/* The call of a definition: its inputs are the node's, its body says what it means. */
typedef struct Call {
    const char *name;       /* "softmax" */
    const void *definition; /* what notation/ knows of it; equal for equal definitions; opaque here */
    Body body;
} Call;

/* A loop runs its body `count` times. The node's inputs and the body's, in order: `carried` values (initial value;
 * value now), `stacked` sequences ([count, ..]; element [..] now), then values that stay. The body has one more
 * input at the end: the position, i32 of shape []. The body's outputs, in order: the carried values next, then
 * values to stack. The node's outputs: the final carried values; the stacked values [count, ..]; then the history
 * of each carried value before every turn [count, ..], which the chain rule reads. reverse runs from count - 1 to
 * 0; element i of a sequence still belongs to position i. */
typedef struct Loop {
    int64_t count;
    bool reverse;
    int carried, stacked;
    Body body;
} Loop;

struct Node {
    OpCode op;
    Type type;
    Shape shape;
    int id; /* order of creation: every input has a smaller id */
    int inputs;
    Node **input;
    int attributes;
    int64_t *attribute; /* as ops/structural.def names them */
    union {
        double value; /* OP_const */
        Leaf *leaf;   /* OP_leaf */
        Call *call;   /* OP_call */
        Loop *loop;   /* OP_loop */
    };
    const Origin *origin;
    bool late; /* made once more by the planner */
    uint64_t hash;
    Node *next;  /* in its hash bucket */
    size_t mark; /* its place in the list that graph_reachable made last */
};

/* A value that a leaf takes when the step is done. */
typedef struct Assignment {
    Node *leaf, *value;
} Assignment;

typedef struct Graph {
    Arena arena;
    Error *error;
    int nodes;
    Node **bucket;
    size_t buckets;
    Node **leaf; /* all named leaves, in order of creation */
    size_t leaves, leaf_room;
    Assignment *assignment;
    size_t assignments, assignment_room;
    const Origin *origin; /* given to new nodes */
    uint64_t sites;       /* random sites handed out */
    void *definitions;    /* called so far; notation/ keeps them here */
} Graph;

/* NULL (with e set) when memory runs out. The graph keeps e for what it raises. */
Graph *graph_new(Error *e);
void graph_free(Graph *g);

/* ---- Building. All raise on a mistake. ---- */

/* The one door: checks inputs, infers shape and type, simplifies, and finds an equal node or makes one.
 * attribute: as structural.def says for op. */
Node *graph_node(Graph *g, OpCode op, int inputs, Node *const *input, int attributes,
                 const int64_t *attribute);

Node *graph_const(Graph *g, double value);
/* The leaf of that name: the one there is (type and shape must agree) or a new one. */
Node *graph_leaf(Graph *g, Role role, const char *name, Type type, Shape shape, const void *initial);
Node *graph_place(Graph *g, Type type, Shape shape);
Node *graph_find_leaf(const Graph *g, const char *name); /* or NULL */

Node *graph_unary(Graph *g, OpCode op, Node *x); /* elementwise */
Node *graph_binary(Graph *g, OpCode op, Node *x, Node *z);
Node *graph_cast(Graph *g, Node *x, Type to);
Node *graph_reduce(Graph *g, OpCode op, Node *x, uint32_t axes); /* bit a: axis a */
Node *graph_expand(Graph *g, Node *x, Shape to);
Node *graph_reshape(Graph *g, Node *x, Shape to);
Node *graph_transpose(Graph *g, Node *x, const int *axes);
Node *graph_swap(Graph *g, Node *x); /* transposes the last two axes */
Node *graph_slice(Graph *g, Node *x, const int64_t *begin, const int64_t *step, Shape size);
Node *graph_pad(Graph *g, Node *x, const int64_t *begin, const int64_t *step, Shape size);
Node *graph_concat(Graph *g, int count, Node *const *x, int axis);
Node *graph_matmul(Graph *g, Node *x, Node *z); /* rank 1 is promoted as NumPy does */
Node *graph_iota(Graph *g, Shape shape, int axis);
Node *graph_call(Graph *g, const char *name, const void *definition, int inputs, Node *const *input,
                 Body body);
Node *graph_loop(Graph *g, Loop loop, int inputs, Node *const *input);
Node *graph_output(Graph *g, Node *of, int index); /* of a loop, or of a call with several outputs */
int graph_outputs(const Node *n);                  /* how many a node has: 1 but for calls and loops */

/* Sums x over the axes along which `to` was broadcast, or expands it, so that it has shape `to`. */
Node *graph_conform(Graph *g, Node *x, Shape to);

/* `leaf` takes `value` at the end of the step. Nothing is recorded when the value is the leaf itself. */
void graph_assign(Graph *g, Node *leaf, Node *value);

/* The body's outputs with `input` in the places' stead, written into output[body->outputs]. */
void graph_inline(Graph *g, const Body *body, Node *const *input, Node **output);

/* A copy of n whose inputs are now[input->id] where that is not NULL; n itself when nothing changes. */
Node *graph_copy(Graph *g, Node *n, Node *const *now);

/* A copy of n on other inputs, which must last, that is no node there is, even if it is equal to one: so that the planner can
 * have a value made at another place in the order of creation, or once more. */
Node *graph_twin(Graph *g, const Node *n, Node **input);

/* ---- Shapes ---- */
Shape shape_of(int rank, const int64_t *dim);
bool shape_equal(Shape a, Shape b);
int64_t shape_size(Shape s); /* number of elements */
Shape shape_broadcast(Graph *g, const char *what, Shape a, Shape b);
const char *shape_text(Arena *a, Shape s); /* "[32, 784]" */

/* ---- Looking ---- */

/* Raises NUDGE_INPUT with the message, then the text and a caret, then the texts that called it. */
_Noreturn void graph_raise(Graph *g, const Origin *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for any Error. */
_Noreturn void origin_raise(Error *e, const Origin *at, const char *format, va_list args);

/* Checks every invariant; raises (an internal error) with the node that breaks one. Debug builds and tests. */
void graph_verify(Graph *g, Node *const *root, size_t roots);

/* One line a node that root[] needs, in order; bodies indented. */
void graph_print(Graph *g, Node *const *root, size_t roots, Text *out);

/* The nodes that root[] needs, in order of creation, without those of bodies. Arena memory. */
Node **graph_reachable(Graph *g, Node *const *root, size_t roots, size_t *count);

#endif
