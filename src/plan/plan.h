/* plan.h: from a graph to a program that a backend runs. Used by train; knows graph/. cpu/ implements Backend.
 *
 * A program is a list of instructions over slots. A slot is a block of memory: the work arena, the scalars, or one
 * tensor that the caller binds at each run (a batch, a parameter, a result). Instructions know slots and offsets,
 * so one program serves any number of callers, each with its own work arena; nothing is decided at run time. */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include "graph/graph.h"

typedef enum Dtype { DTYPE_F32, DTYPE_F64 } Dtype; /* what `real` is bound to */

enum { SLOT_WORK, SLOT_SCALARS, SLOT_FIRST };

/* Values in the work arena have whole lines of so many bytes for themselves: what writes a dense one that begins with a
 * line may write to the end of its last line, and what reads it may read so far. */
enum { PLAN_LINE = 64 };

typedef struct Slot {
    const char *name; /* of the leaf or output */
    bool output;      /* written by every run; else the leaf's role says what it is */
    Role role;
    Type type;
    Shape shape;
    size_t bytes;
    const void *initial; /* as in Leaf */
    const Node *leaf;    /* while planning */
} Slot;

/* A strided window on memory: element [i, j, ..] stands at offset + (i*stride[0] + j*stride[1] ..) * size. */
typedef struct View {
    int slot;
    int64_t offset; /* bytes */
    Type type;      /* TYPE_SCALAR: doubles */
    Shape shape;
    int64_t stride[RANK_MAX]; /* elements; 0 repeats */
} View;

/* A fused group: elementwise steps over one iteration space, on values in registers (chunks of the space), with stores
 * and reductions at their ends. The space is [outer.., reduced.., inner..], collapsed where strides allow. */
typedef enum LoadKind {
    LOAD_TENSOR,
    LOAD_SCALAR, /* the same for all of the space: from SLOT_SCALARS */
    LOAD_IOTA,   /* the position itself */
    LOAD_UNIFORM,
    LOAD_NORMAL /* random at the position; the seed is a scalar */
} LoadKind;

typedef struct GroupLoad {
    LoadKind kind;
    int target;    /* register */
    View from;     /* its strides run over the space's axes */
    uint64_t site; /* of a random load, whose seed is scalar `from` */
} GroupLoad;

typedef struct GroupStep {
    OpCode op; /* elementwise */
    int target, source[3];
} GroupStep;

typedef struct GroupStore {
    int source;
    View to; /* strides over the space's axes */
} GroupStore;

typedef struct GroupReduce {
    OpCode op; /* OP_sum or OP_amax */
    int source;
    View to; /* dense [outer * inner]; doubles [segments, outer * inner] where the reduction is split */
} GroupReduce;

typedef struct Group {
    Shape space;
    int64_t outer, reduced, inner; /* products of the space's axes; without reductions all is inner */
    int64_t segments; /* of `reduced`, each summed alone and combined after; fixed by the shape */
    int registers;
    int loads, steps, stores, reduces;
    GroupLoad *load;
    GroupStep *step;
    GroupStore *store;
    GroupReduce *reduce;
} Group;

typedef struct Program Program;

/* How a loop instruction runs its body, a program whose slots are bound anew for every turn. */
typedef enum BindKind {
    BIND_STAYS,    /* the same in every turn: an input that stays, or a slot of the outer program */
    BIND_ELEMENT,  /* element `position` of a sequence, read or written */
    BIND_CARRIED,  /* the value carried into this turn */
    BIND_NEXT,     /* the value carried into the next turn */
    BIND_POSITION, /* the position itself, i32 */
} BindKind;

typedef struct Bind {
    BindKind kind;
    View view;      /* in the outer program: what stays, or the sequence */
    int64_t stride; /* bytes from one element of a sequence to the next */
    int carry;      /* which carried value */
} Bind;

typedef struct Carry {
    View initial;      /* in the outer program */
    View last;         /* where the final value goes; slot -1: nowhere */
    View history;      /* where the value before each turn goes; slot -1: nowhere */
    int64_t buffer[2]; /* offsets in the outer work arena; turns alternate */
    int64_t bytes;
} Carry;

typedef struct LoopPlan {
    int64_t count;
    bool reverse;
    Program *body;
    Bind *bind; /* for each slot of the body, from SLOT_FIRST on */
    int carries;
    Carry *carry;
    int64_t work;       /* offset in the outer work arena of the body's own */
    int64_t scalars_at; /* likewise of the body's scalars */
    int32_t *position;  /* 0, 1, .. count - 1 */
    int scalars;        /* that the body takes from the outer program */
    struct ScalarBind {
        int outer, inner;
    } * scalar;
} LoopPlan;

typedef struct Instruction {
    OpCode op;        /* OP_copy: a group; OP_sum: combining the segments of one; else the node's operation */
    const char *name; /* what to call it: "group", "matmul", a claimed kernel */
    int reads, writes;
    View *read, *write; /* of a group: all it loads and stores */
    int attributes;
    int64_t *attribute;
    Group *group;
    LoopPlan *loop;
    bool barrier;   /* what ran before must be finished */
    int64_t tasks;  /* independent parts; set by the backend */
    size_t scratch; /* bytes each thread needs; set by the backend */
    void *detail;   /* the backend's */
    int64_t multiply_adds, bytes;
    const Origin *origin;
} Instruction;

/* Arithmetic among scalars, in double, at the start of a run. */
typedef struct ScalarStep {
    OpCode op;
    int target, source[3];
} ScalarStep;

struct Program {
    Arena own; /* of a program; a loop's body lies in its outer program's */
    Arena *arena;
    Dtype dtype;
    const struct Backend *backend;
    int slots;
    size_t slot_room;
    Slot *slot;
    int scalars, scalar_steps; /* doubles; constants are set, leaves are given by the caller */
    double *scalar;
    ScalarStep *scalar_step;
    int scalar_leaves;
    struct ScalarLeaf {
        const char *name; /* NULL for a place of a loop's body */
        int index;
        const Node *leaf; /* while planning */
    } * scalar_leaf;
    int instructions;
    Instruction *instruction;
    size_t work;                  /* bytes of the work arena, without scratch */
    size_t scratch;               /* bytes each thread needs beside it */
    int pointers;                 /* the backend's: that it keeps ready from run to run */
    int64_t multiply_adds, bytes; /* of one run */
    bool has_barrier;
};

/* What runs programs. A backend may claim calls by name (softmax, attention, lstm); those it does not claim are
 * inlined. */
typedef struct Backend {
    const char *name;
    /* True if the backend has a kernel for the call as it stands. NULL: claims nothing. */
    bool (*claim)(const struct Backend *b, const Node *call, Dtype dtype);
    /* Chooses the kernel of an instruction whose views are known up to offsets: sets tasks, scratch and detail (arena
     * memory of the program). Depends on shapes and instruction set only, never on timing or threads. Raises. */
    void (*prepare)(const struct Backend *b, Program *p, Instruction *i);
    int level; /* instruction set */
} Backend;

typedef struct PlanOutput {
    const char *name;
    Node *node;
} PlanOutput;

typedef struct PlanRequest {
    Graph *graph;
    int outputs;
    const PlanOutput *output; /* become slots of these names */
    bool assignments;         /* also what graph_assign recorded */
    Dtype dtype;
    const Backend *backend;
    size_t memory; /* bytes of plan_bytes that it may take; 0: as many as it likes */
} PlanRequest;

/* A program with memory of its own; the graph may be released. NULL and the request's graph's error on failure. */
Program *plan_compile(const PlanRequest *r, Error *e);
void plan_free(Program *p);

/* What a run takes, on one thread: slots, the work arena and scratch. */
size_t plan_bytes(const Program *p);

int plan_slot(const Program *p, const char *name);   /* or -1 */
int plan_scalar(const Program *p, const char *name); /* index into scalar[], or -1 */
size_t type_bytes(Type t, Dtype dtype);

/* Checks that every view lies within its slot, that what is read was written and is still there, and that barriers stand
 * where they must; raises (an internal error) through the arena. Debug builds and tests. */
void plan_verify(const Program *p, Arena *a);

/* One line an instruction: what it does, shapes, where, bytes, multiply-adds. */
void plan_print(const Program *p, Text *out);

#endif
