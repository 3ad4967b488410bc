/* network.h: from a recipe's texts to the graph of one mode and one number of rows: preprocessing, net, prediction,
 * loss, gradients, clipping, updates. Used by model.c, divergence.c and by the jobs that explain, inspect and check;
 * knows graph/, notation/, autodiff/ and nn/.
 *
 * Leaves: x [rows, features]; target [rows] class numbers, [rows, positions] tokens or [rows, targets]; weight [rows]; the scalars t, steps, drops and
 * seed; parameters and states by path. */
#ifndef TRAIN_NETWORK_H
#define TRAIN_NETWORK_H

#include "nn/nn.h"
#include "train/grouping.h"
#include "train/settings.h"

/* What the data says of a model. */
typedef struct Task {
    size_t features;   /* numbers in a row of x */
    bool bytes;        /* x holds bytes, which the graph divides by 255; else reals */
    bool classify;     /* t holds class numbers; else reals */
    size_t classes;    /* of a classifier; 0: as many as the net gives */
    size_t targets;    /* numbers in a row of t otherwise; 0: as many as the net gives */
    bool labels;       /* t holds 0 and 1, y the probabilities of 1 */
    bool reconstruct;  /* t holds what x does, before preprocessing */
    size_t vocabulary; /* x holds tokens 0..vocabulary-1; 0: it does not */
    size_t padding;    /* the token that fills up texts shorter than others; 0: there is none */
    bool next;         /* the classes are tokens: t says what comes next in a text */
    size_t
        positions; /* of which it says so: 1, after the last token of a row, or as many as the row has; 0: the net
                        * decides, by one list of numbers for a row or one for each token. 1 without `next` */
    bool
        standardize; /* reals come to the net with mean 0 and deviation 1, and targets that are numbers to the loss */
} Task;

typedef enum Mode {
    MODE_PREDICT, /* x -> y: probabilities, or values in the targets' units */
    MODE_EVAL,    /* x, t, weight -> y, loss */
    MODE_TRAIN    /* x, t, weight -> loss; parameters and states change */
} Mode;

/* What makes one program differ from another of the same model. */
typedef struct Binding {
    Mode mode;
    size_t rows;
    bool weighted;  /* there are example weights */
    bool norms;     /* training: also gives the gradient norms of the layers */
    bool scheduled; /* training: the schedule acts on lr */
    bool still; /* training: layers behave as in prediction, without dropout and statistics of the batch */
} Binding;

/* Whether a loss takes a mean over rows or adds up (sse); found out by asking it. */
typedef enum LossKind { LOSS_UNKNOWN, LOSS_AVERAGES, LOSS_ADDS } LossKind;

/* What a network is made from. The scope holds everything that does not depend on the binding, so it is made once.
 * Building raises through `error`, which is the arena's; one thread at a time. */
typedef struct Blueprint {
    const Settings *settings;
    Task task;
    size_t outputs; /* columns of a prediction: classes, or targets; 0 before the first network */
    LossKind kind;
    Arena arena;
    Scope *scope;
    Error error;
} Blueprint;

typedef struct NetworkLayer {
    const char *path, *text; /* "2.0", "dense(8)" */
    int depth;               /* 0 in the outermost net */
    Node *input, *output;
} NetworkLayer;

typedef struct NetworkParameter {
    const char *path; /* the layer's: the leaf's name without its last part */
    Node *leaf;
    Rule rule;
    Node *
        gradient; /* of the objective, before clipping; NULL unless training, or if nothing flows or it is frozen */
} NetworkParameter;

/* All of it lies in the graph's arena. */
typedef struct Network {
    Graph *graph;
    Node *x, *t, *weight;
    Node *input;      /* x as the net sees it: standardised, in its shape */
    Node *output;     /* of the net, [rows, ..]: logits, or standardised values */
    Node *prediction; /* [rows, outputs]; NULL in training */
    Node *loss;       /* [1]; NULL in prediction */
    Node *objective;  /* [1]: the loss and the penalties, whose gradients are taken; NULL unless training */
    Node *flat;  /* the gradients of all that is learnt, one after the other; only for an optimizer in C */
    Node *norms; /* gradient norms, [groups + 1]: each group's, then that of all; NULL unless asked for */
    Node *lr;    /* what the optimizer is given, a scalar; NULL unless training, or if it takes none */
    int layers, parameters, groups;
    NetworkLayer *layer;         /* in the order of evaluation: a nested net's layers stand before its own */
    NetworkParameter *parameter; /* in order of creation */
    const char **group;          /* paths of the layers with parameters, in order */
} Network;

/* Reads the definitions and fixes what settings leave open (loss, optimizer). Returns a status. */
int blueprint_open(Blueprint *b, const Settings *settings, const Task *task, Error *e);
void blueprint_close(Blueprint *b); /* fine on zeros and after a failure */

/* The loss and optimizer in use: what settings say, else what suits the task. */
const char *blueprint_loss(const Blueprint *b);
const char *blueprint_optimizer(const Blueprint *b);

/* True of an optimizer that is no formula but code, which takes gradients out of the program: lbfgs. */
bool blueprint_driven(const Blueprint *b);

/* NULL on failure. Release with network_free. The first one fixes the number of outputs. */
Network *network_build(Blueprint *b, const Binding *k, Error *e);
void network_free(Network *n);

/* A network without a net whose loss is [2]: that of two rows of weight 1, and of weight 2. It reads x if the loss does. */
Network *network_probe(Blueprint *b, Error *e);

/* Runs body(context), which may raise through b->error; a failure is copied to e. */
int blueprint_catch(Blueprint *b, void (*body)(void *context), void *context, Error *e);

/* lr at step t of `steps` by the schedule; NaN if the optimizer takes none or the schedule is broken. */
double blueprint_rate(Blueprint *b, double t, double steps, double drops);

/* What a schedule that follows the loss, as plateau does, counts from epoch to epoch. */
typedef struct Plateau {
    double best, waited, cooling, drops; /* drops: how often lr was lowered */
} Plateau;

/* The end of an epoch, judged by its loss. Does nothing where the schedule does not count. Returns a status. */
int blueprint_judge(Blueprint *b, double loss, Plateau *p, Error *e);

#endif
