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

typedef struct MetricsTarget {   /* of a regression */
    double weight, mean, spread; /* of the truth: sums of w (t - mean)^2 */
    double squared, absolute;    /* errors */
    double trivial_squared, trivial_absolute;
} MetricsTarget;

/* What is judged: values of a regression, classes, or the tokens that come next in a text. */
typedef enum MetricsKind { METRICS_VALUES, METRICS_CLASSES, METRICS_TOKENS } MetricsKind;

typedef struct Metrics {
    MetricsKind kind;
    size_t classes, outputs; /* classes 0: regression */
    size_t rows;
    double weight; /* of all rows */
    const double
        *baseline; /* the trivial predictor: shares of the classes, or means of the targets; may be NULL */
    double *confusion; /* [true][predicted], weights */
    double log_loss;
    double right, trivial_right, trivial_log_loss; /* of tokens, whose confusion would be too large */
    MetricsScore *score;                           /* of two classes */
    size_t scores, score_room;
    MetricsTarget *target; /* [outputs] */
    bool failed;           /* memory ran out; metrics_end says so */
} Metrics;

/* outputs: classes, tokens, or values. baseline must outlive m. */
int metrics_begin(Metrics *m, MetricsKind kind, size_t outputs, const double *baseline, Error *e);
void metrics_add_class(Metrics *m, const double *probability, size_t truth, double weight);
void metrics_add_values(Metrics *m, const double *y, const double *t, double weight);
int metrics_end(Metrics *m, Error *e);
void metrics_free(Metrics *m); /* fine on zeros */

/* One figure, a row of the table of figures. Names: accuracy, balanced_accuracy, f1 (mean over classes), auc, log_loss;
 * perplexity, accuracy, log_loss (mean over tokens); rmse, mae, r2. */
typedef struct MetricsFigure {
    const char *name;
    MetricsKind kind;
    bool higher; /* is better */
    bool share;  /* shown in per cent */
    double (*value)(const Metrics *m, bool trivial);
} MetricsFigure;

const MetricsFigure *metrics_figures(size_t *count);

/* NUDGE_INPUT, with a suggestion, unless it is the name of a figure for the task. */
int metrics_find(const char *name, MetricsKind kind, const MetricsFigure **figure, Error *e);

/* "accuracy", "perplexity" or "rmse": what one line says. */
const MetricsFigure *metrics_main(const Metrics *m);

/* "96.7 %", "0.412": as people read it. */
void metrics_print(const MetricsFigure *f, double value, Text *out);
/* "always saying setosa: 33.3 %": what the trivial predictor gets. Names may be NULL. */
void metrics_trivial(const Metrics *m, const char *const *names, Text *out);

/* Tables for people: figures, classes, confusion matrix. Class names may be NULL. */
void metrics_text(const Metrics *m, const char *const *names, Text *out);
/* The same as members of the open object. */
void metrics_json(const Metrics *m, const char *const *names, JsonWriter *w);

#endif
