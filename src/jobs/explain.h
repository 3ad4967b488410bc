/* explain.h: what the files of `nudge explain` share: the numbers of the error flowing backward, for one row
 * (explain_row.c) or for many (explain_rows.c), and how they are said (explain_print.c, explain_formula.c,
 * explain_json.c).
 *
 * Lists of numbers lie in the arena of the probe that computed them. */
#ifndef JOBS_EXPLAIN_H
#define JOBS_EXPLAIN_H

#include "jobs/examined.h"
#include "jobs/probe.h"

typedef struct Numbers {
    const double *value; /* NULL: there are none */
    size_t count;
} Numbers;

typedef struct ExplainParameter {
    const char *name; /* "weight" */
    const char *path; /* "0.weight" */
    Shape shape;
    Numbers value, gradient;
    Numbers nudge; /* what this row alone would add to it */
    Numbers batch; /* what its batch adds */
    bool outer;    /* the gradient is the layer's input times what arrives: weight of a dense layer */
    bool plain;    /* the gradient is what arrives: its bias */
    int wanted[3]; /* outputs of the probe: value, gradient, nudge */
} ExplainParameter;

typedef struct ExplainLayer {
    const char *path, *text;
    int depth; /* within other layers' nets */
    Numbers in, out;
    Numbers arriving;      /* dL/d out */
    Numbers slope;         /* d out/d in, where it is one number for each */
    Numbers handed_on;     /* dL/d in through this layer; none where nothing flows on */
    bool weighted;         /* handed_on is the layer's weights times what arrives */
    bool skips;            /* handed_on is what arrives and what the layers within hand on */
    const char *rule;      /* the slope in terms of x and y, as the row has it, or NULL */
    double steepest;       /* the largest slope there is; NaN: unknown */
    int first, parameters; /* of the explanation's */
    double share;          /* of the sum of |gradient| over all parameters */
    int wanted[6];
} ExplainLayer;

typedef struct ExplainNudge {
    const ExplainParameter *parameter;
    size_t place;
} ExplainNudge;

enum { EXPLAIN_NUDGES = 5 };

typedef struct Explanation {
    Examined *examined;
    size_t step, row; /* row: its position among the rows, from 0 */
    Probe probe;
    Probe batch_probe; /* of the batch that the row is in */
    size_t batch;
    double loss;
    Numbers target;     /* of the row, as the loss sees it; one for each output */
    Numbers prediction; /* of the model, as `predict` says it */
    Numbers output;     /* of the net */
    Numbers arriving;   /* dL/d output */
    int layers, parameters;
    ExplainLayer *layer; /* in the order of evaluation */
    ExplainParameter *parameter;
    size_t nudges;
    ExplainNudge nudge[EXPLAIN_NUDGES]; /* the largest gradients */
    double rate;                        /* lr now; NaN if the optimizer has none */
    int wanted_loss;
} Explanation;

/* Computes all of the above for row x->row; explain_free releases in any case. */
int explain_row(Explanation *x, Error *e);
void explain_free(Explanation *x);

void explain_print(const Explanation *x, Text *out);
void explain_json(const Explanation *x, JsonWriter *w);

/* What the loss is, in a few words; NULL: no words for it. */
const char *explain_loss_note(const Explanation *x);

/* The gradient at the net's output, and a layer's slope, with the numbers put into the formula; false, and nothing is
 * written, where there is no formula to show. */
bool explain_put_loss_formula(const Explanation *x, Text *out);
bool explain_put_slope_formula(const ExplainLayer *l, Text *out);

/* "step 0 of the recipe, before any update": which weights these are. */
void explain_print_where(const Examined *x, size_t step, Text *out);

/* Without a row. */
typedef struct ExplainFlow {
    const char *path, *text;
    double norm; /* of the loss's gradient with respect to the layer's parameters */
    double flow; /* and to its output */
    int wanted[2],
        count; /* outputs of the probe: the output's gradient; the first parameter's, and how many */
} ExplainFlow;

typedef struct ExplainSlope { /* of an activation in the net */
    const char *text;
    int wanted;
} ExplainSlope;

typedef struct ExplainFlows {
    Examined *examined;
    size_t step, rows;
    Probe probe;
    int layers, slopes;
    ExplainFlow *layer; /* those with parameters, from the first to the last */
    ExplainSlope *slope;
    double factor;   /* of the gradient, from a layer to the one before it; NaN: cannot be told */
    double steepest; /* the smallest of the activations' largest slopes, and whose it is */
    const char *squasher;
} ExplainFlows;

int explain_rows(ExplainFlows *x, Error *e);
void explain_rows_free(ExplainFlows *x);
void explain_rows_print(const ExplainFlows *x, Text *out);
void explain_rows_json(const ExplainFlows *x, JsonWriter *w);

/* Shared by the two: what the table of rows says of an activation. The slope's formula, or NULL; and a node whose
 * largest value is the largest slope, or NULL. `text` is a layer's, such as "elu(alpha=2)". The last one may raise. */
const char *explain_rule(const char *text);
Node *explain_slopes(Probe *p, const char *text);

#endif
