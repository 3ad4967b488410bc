/* planning.h: what the passes of the planner share. Used by plan/ only.
 *
 * compile.c drives the passes in this order:
 *   expand.c     calls that no kernel claims are replaced by their bodies
 *   rewrite.c    products that are only read transposed are computed transposed
 *   recompute.c  where memory is short: values that are made twice instead of kept
 *   access.c     reshape, transpose, slice and expand become strides where the consumer takes strides
 *   fuse.c       elementwise nodes and reductions become units that run as one group
 *   schedule.c   order: inputs first, and a leaf is written after every read of its old value
 *   place.c      lifetimes and offsets in the work arena
 *   lower.c, group_plan.c, loop_plan.c    every unit becomes an instruction over views
 *   schedule.c   barriers between instructions that touch the same memory
 *   verify.c     in debug builds: does the program hold together? */
#ifndef PLAN_PLANNING_H
#define PLAN_PLANNING_H

#include "plan/plan.h"

/* How a node is had in memory. */
typedef enum NodeKind {
    NODE_FREE,   /* leaves, constants and scalars: there before the program runs */
    NODE_VIEW,   /* strides on another node */
    NODE_MAP,    /* elementwise: may be a step of a group */
    NODE_REDUCE, /* the end of a group */
    NODE_KERNEL, /* an instruction of its own */
    NODE_OUTPUT  /* one result of a kernel with several */
} NodeKind;

/* A node seen as strides on a base that is in memory, or a scalar; or as positions, which are in no memory: what would
 * be the offset of an element is its value, and the base says only which iota that was. */
typedef struct Access {
    Node *base;
    bool positions;
    int64_t offset;           /* elements */
    int64_t stride[RANK_MAX]; /* for each axis of the node */
} Access;

typedef struct Unit Unit;

/* `to` reads the value, or must run after it has been read. */
typedef struct Edge {
    int to;       /* info */
    bool fusable; /* element by element, so both may be steps of one group */
    bool order;   /* only order: `to` overwrites what this reads */
} Edge;

/* What the planner knows of a node. */
typedef struct Info {
    Node *node;
    NodeKind kind;
    bool dense; /* a view that must be copied into memory of its own */
    Access access;
    Unit *unit; /* maps, reductions and kernels */
    int edges;
    size_t edge_room;
    Edge *edge;
    int sink;    /* the slot that a sink writes; -1: no sink */
    bool stored; /* somebody reads it from memory */
    int slot;    /* where it stands then; -1 until that is known */
    int64_t offset;
} Info;

/* What becomes one instruction. */
struct Unit {
    int members;
    bool late;   /* of nodes that recompute.c made: joins no unit of others, or it would be made early */
    int *member; /* infos, in order */
    bool sums;   /* ends in reductions, over these axes of space */
    bool over[RANK_MAX];
    Shape space;
    int position;    /* in the order at hand */
    int waits;       /* edges from units that are not scheduled yet */
    int key;         /* the order of creation decides among units that are ready */
    unsigned stamp;  /* of the last search that saw it */
    int64_t partial; /* offset of a split reduction's parts */
    LoopPlan *loop;
    Unit *next; /* all units, newest first */
};

/* A block of the work arena, needed from one instruction to another. */
typedef struct Request {
    int64_t bytes;
    int first, last;
    size_t order; /* of asking: decides among equals */
    int64_t *offset;
} Request;

typedef struct Planning {
    Graph *graph;
    Program *program;
    Arena *arena; /* memory of the passes: the graph's */
    const Backend *backend;
    bool thrifty; /* memory is short */
    size_t infos, nodes;
    Info *info;   /* in order of creation; behind the first `nodes`, those of sinks */
    int *info_of; /* by node id */
    Unit *units;
    int unit_count;
    Unit **order; /* while they join, one in which edges lead forward, with gaps; then the schedule */
    unsigned stamp;
    Unit **stack; /* of a search: room for all units */
    Request *request;
    size_t requests, request_room;
    int *scalar_of; /* by node id: index among the program's scalars + 1 */
} Planning;

/* What a program computes: each root's value goes to a slot. */
typedef struct Sink {
    Node *root;
    int slot;
} Sink;

/* The bytes that a program may work in: arena and scratch. */
typedef struct Limit {
    size_t room;
    size_t beside; /* of its slots, for messages */
} Limit;

void planning_expand(Graph *g, const Backend *b, Dtype dtype, size_t roots, Node **root);
void planning_rewrite(Graph *g, size_t roots, Node **root);
/* Replaces the sinks' roots so that the program works in at most `room` bytes, and returns how many it works in; where that
 * cannot be, the sinks stay, and what is returned is the least that it could do with. */
size_t planning_recompute(Graph *g, const Program *program, size_t sinks, Sink *sink, size_t room);
void planning_access(Planning *p);
void planning_fuse(Planning *p);
void planning_schedule(Planning *p);
void planning_place(Planning *p);
void planning_lower(Planning *p);
void planning_barriers(Program *p);

Info *planning_info(const Planning *p, const Node *n);
Info *planning_producer(const Planning *p, Info *i); /* the kernel of one of several outputs, else i */
void *planning_more(Arena *a, void *array, size_t count, size_t *room, size_t size);
void planning_request(Planning *p, int64_t bytes, int first, int last, int64_t *offset);

void shape_strides(Shape s, int64_t *stride); /* dense, row-major */
void view_span(const View *v, Dtype dtype, int64_t *from,
               int64_t *to); /* the bytes from first to last element */
void view_lines(const View *v, Dtype dtype, int64_t *from, int64_t *to); /* with what may be written beyond */
bool view_equal(const View *a, const View *b);
bool access_is_dense(Shape s, const Access *a);
bool access_is_made(const Access *a);                   /* numbers or positions: there is nothing to read */
Access access_source(const Planning *p, const Info *i); /* what a dense node copies, in its own shape */

View planning_view(const Planning *p, const Node *n); /* of a node in memory, a view on one, or a scalar */
View planning_place_view(const Planning *p, const Info *i); /* where its value is written */
int planning_scalar(Planning *p, const Node *n); /* index of a scalar; emits its steps on first use */

int64_t planning_multiply_adds(const Node *n); /* of one product; 0 of all else, loops too */

/* group_plan.c */
void group_geometry(const Unit *u, int *order, int *axes, int64_t *outer, int64_t *reduced, int64_t *inner);
int64_t group_segments(const Unit *u); /* parts of a split reduction; 1: not split */
void group_lower(Planning *p, Unit *u);

/* loop_plan.c */
void loop_request(Planning *p, Unit *u);
void loop_lower(Planning *p, Unit *u);

Instruction *planning_instruction(Planning *p, OpCode op, const char *name, const Node *node);

/* Compiles sinks into program, which has its slots for leaves and outputs; see compile.c. limit NULL: it works in as
 * much as it likes. */
void planning_compile(Graph *g, Program *program, size_t sinks, Sink *sink, const Limit *limit);

/* The passes from access.c on. */
void planning_passes(Planning *p, size_t sinks, const Sink *sink);
int program_slot(Program *p, Slot slot); /* adds one */

#endif
