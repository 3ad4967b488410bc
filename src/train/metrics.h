/* metrics.h: how good predictions are, added up row by row, beside those of the trivial predictor. Used by fit.c, api
 * and jobs; knows base/ only. All figures weigh rows by their weights. */
#ifndef TRAIN_METRICS_H
#define TRAIN_METRICS_H

#include "base/json.h"
#include <stddef.h>

typedef struct MetricsScore {
    double score, weight;
    bool positive;
} MetricsScore;

/* Rows of one score: how much weight of negatives and of positives they have. */
typedef struct MetricsTies {
    double score, weight[2];
} MetricsTies;

typedef struct MetricsTarget {   /* of a regression */
    double weight, mean, spread; /* of the truth: sums of w (t - mean)^2 */
    double squared, absolute;    /* errors */
    double trivial_squared, trivial_absolute;
} MetricsTarget;

/* What is judged: values of a regression, classes, the tokens that come next in a text, labels (each is so or not so),
 * or inputs that were reconstructed. */
typedef enum MetricsKind {
    METRICS_VALUES,
    METRICS_CLASSES,
    METRICS_TOKENS,
    METRICS_LABELS,
    METRICS_INPUTS,
    METRICS_KINDS
} MetricsKind;

typedef struct Metrics {
    MetricsKind kind;
    size_t classes, outputs; /* classes 0: neither classes nor tokens */
    size_t rows;
    double weight; /* of all rows */
    const double
        *baseline; /* the trivial predictor: shares of the classes, or means of the targets; may be NULL */
    const double
        *threshold; /* [1 or outputs]: what the second of two classes, or a label, must exceed; NULL: 0.5 */
    double *confusion; /* [true][predicted], weights; of labels one for each, [outputs][2][2] */
    double log_loss;
    double right,
        trivial_right;       /* of tokens, whose confusion would be too large; rows whose labels all are */
    double trivial_log_loss; /* of tokens */
    MetricsScore *score;     /* of two classes; of labels, row by row */
    size_t scores, score_room;
    MetricsScore *sorted; /* room for those of one label, for a curve */
    MetricsTies *ties;    /* likewise; from the highest score down */
    size_t sorted_room, ties_room;
    MetricsTarget *target; /* [outputs] */
    bool failed;           /* memory ran out; metrics_end says so */
} Metrics;

/* outputs: classes, tokens, values, or labels. baseline and threshold must outlive m, and may be NULL. */
int metrics_begin(Metrics *m, MetricsKind kind, size_t outputs, const double *baseline,
                  const double *threshold, Error *e);
void metrics_add_class(Metrics *m, const double *probability, size_t truth, double weight);
void metrics_add_values(Metrics *m, const double *y, const double *t, double weight);
void metrics_add_labels(Metrics *m, const double *probability, const double *t, double weight);
int metrics_end(Metrics *m, Error *e);
void metrics_free(Metrics *m); /* fine on zeros */

/* One figure, a row of the table of figures. Names: accuracy, balanced_accuracy, f1 (mean over classes), auc,
 * average_precision, log_loss; perplexity, accuracy, log_loss (mean over tokens); of labels accuracy (the share of labels
 * that are right, 1 less the Hamming loss), subset_accuracy (of rows whose labels all are), f1, auc, average_precision
 * and log_loss (means over labels), f1_micro (of all labels as one); rmse, mae, r2; of inputs rmse, mae and explained (the
 * share of their variance in all). */
typedef struct MetricsFigure {
    const char *name;
    MetricsKind kind;
    bool higher; /* is better */
    bool share;  /* shown in per cent */
    double (*value)(const Metrics *m, bool trivial);
} MetricsFigure;

const MetricsFigure *metrics_figures(size_t *count);

/* Whether it is one of so many outputs: two classes have figures that more have not. */
bool metrics_has(MetricsKind kind, size_t outputs, const MetricsFigure *f);

/* NUDGE_INPUT, with a suggestion, unless it is the name of a figure for the task. */
int metrics_find(const char *name, MetricsKind kind, const MetricsFigure **figure, Error *e);

/* "accuracy", "perplexity" or "rmse": what one line says. */
const MetricsFigure *metrics_main(const Metrics *m);

/* "96.7 %", "0.412": as people read it. */
void metrics_print(const MetricsFigure *f, double value, Text *out);
/* The threshold with the largest F1 of the second of two classes, or of label k; NaN if none is better than another. */
double metrics_best_threshold(const Metrics *m, size_t k);

/* "always saying setosa: 33.3 %": what the trivial predictor gets. Names, of classes or targets, may be NULL. */
void metrics_trivial(const Metrics *m, const char *const *names, Text *out);

/* Tables for people: figures; classes and their confusion matrix, or labels, or several targets. Names may be NULL. */
void metrics_text(const Metrics *m, const char *const *names, Text *out);
/* The same as members of the open object. */
void metrics_json(const Metrics *m, const char *const *names, JsonWriter *w);

#endif
