/* evaluate.h: what the parts of the evaluation share. Used by notation/ only.
 *
 * An Evaluation says where we are: the scope, the body being built, the path of parameters, the text that called.
 * A part that goes deeper works on a changed copy, so nothing has to be put back. */
#ifndef NOTATION_EVALUATE_H
#define NOTATION_EVALUATE_H

#include "notation/scope.h"

/* A body under construction. Its nodes may use constants, its places and each other; a node from outside enters
 * through a place that is made for it when it is first used. */
typedef struct BodyDraft {
    struct BodyDraft *outer;
    int own; /* so many of them are the arguments and are no one else's */
    int count, room;
    Node **given; /* what enters, as nodes of the outer draft */
    Node **place;
    bool random, mode, weighed,
        masked; /* the body draws random numbers; asked for `train`; for weights; for the mask */
} BodyDraft;

/* An argument to multiply, and what comes of it. */
typedef struct Scaling {
    const char *name;
    Node *factor, *product;
} Scaling;

struct Evaluation {
    Context context;
    Graph *graph;
    Scope *scope;
    BodyDraft *draft;     /* the innermost body, or NULL */
    const Origin *caller; /* where the text being evaluated was called */
    const char *path;     /* prefix of parameter names */
    const char *key;      /* random numbers belong to this name; NULL: to their order in the graph */
    uint64_t *draws;      /* how many have been drawn under the key */
    bool turning;         /* inside a loop */
    int depth;
    int layers;       /* nets around this one */
    Scaling *scaling; /* what notation_call_scaled wants of the row it calls; NULL within */
    void (*see)(void *context, const LayerSeen *layer);
    void *see_context;
};

Evaluation evaluation_begin(const Context *c);

/* ---- Trees ---- */
Value evaluate(Evaluation *e, const Syntax *s);
Node *evaluate_tensor(Evaluation *e, const Syntax *s);
int64_t evaluate_integer(Evaluation *e, const Syntax *s, const char *what);
/* The text it was made from, e.g. "dense(64)". Arena memory. */
const char *evaluate_text(Evaluation *e, const Syntax *s);
const Origin *evaluate_origin(Evaluation *e, const Syntax *s, int at);
const Origin *evaluation_place(Evaluation *e, const Source *source, int at);

/* ---- Values ---- */
Value value_tuple(Evaluation *e, int count);
Value value_number(Evaluation *e, double number);
Value value_shape(Evaluation *e, Shape s);
bool value_constant(Value v, double *number);   /* a number that is known */
bool value_scalars(Value v);                    /* made of numbers only, known or not */
const char *value_word(Value v);                /* a word, or the name of a function; else NULL */
const char *value_what(Evaluation *e, Value v); /* "a tensor [2, 3]", for messages */
/* A call in a layer's arguments waits until it is known whether it is a net: makes it a value. */
Value value_force(Evaluation *e, Value v);
Node *value_tensor(Evaluation *e, Value v);
int64_t value_integer(Evaluation *e, Value v, const char *what);

/* ---- Nodes ---- */
/* A node of draft `from`, or of none, as seen in the body being built. */
Node *evaluation_enter(Evaluation *e, Node *n, BodyDraft *from);
Node *draft_add(Graph *g, BodyDraft *f, Node *given, Node *place);
Node *evaluation_seed(Evaluation *e);
Node *evaluation_weight(Evaluation *e); /* or NULL */
Node *evaluation_mask(Evaluation *e);   /* or NULL */
bool evaluation_train(Evaluation *e);
/* x in shape `to`, by axes of size 1 or repetition; raises where that is not enough. */
Node *evaluation_fit(Evaluation *e, Node *x, Shape to, const char *name);
Node *evaluation_reals(Evaluation *e, Node *x); /* cast to real unless it is real or scalar */

/* ---- Names ---- */
/* A name of a dimension: bound to the size, or checked. `where` says where the size stands. */
void evaluation_bind(Evaluation *e, const char *name, int64_t size, const char *where);
/* Adds part to the path of parameters. */
const char *path_join(Evaluation *e, const char *path, const char *part);
Value evaluate_entry(Evaluation *e, Entry *entry);

/* ---- Other files ---- */
Value apply_call(Evaluation *e, const Syntax *s); /* apply.c */
Value apply_entry(Evaluation *e, const Entry *callee, int given, int count, const Argument *argument);
void apply_arguments(Evaluation *e, const Entry *callee, const Syntax *s, int given, Argument *argument);
const Entry *apply_find(Evaluation *e, const Scope *scope, const char *name, bool (*right)(const Entry *),
                        const char *what);
/* Raises, at the place given, if a value that is known is none that the row's option may be. */
void apply_limit(Evaluation *e, const char *row, const char *option, Value v, const Origin *at);
void apply_bind(Evaluation *e, const Node *call);
int apply_parameter(const Node *call, int input);
Value evaluate_index(Evaluation *e, const Syntax *s);                             /* subscript.c */
Value evaluate_pattern(Evaluation *e, const Syntax *s);                           /* pattern.c */
Value evaluate_loop(Evaluation *e, const Syntax *s);                              /* recurrence.c */
Node *evaluate_net(Evaluation *e, const Syntax *net, Node *x);                    /* net.c */
Node *initial_leaf(Evaluation *e, const Row *row, const Decl *decl, Scope *home); /* initial.c */
Node *evaluate_power(Evaluation *e, Node *x, Node *z);

#endif
