/* metrics.c: see metrics.h. */
#include "train/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A probability below this counts as this, so that one certain mistake does not make a log loss infinite. */
static const double METRICS_LEAST = 1e-15;
enum { METRICS_SHOWN = 20 }; /* a confusion matrix of more classes is too wide to read */

/* ---- Adding rows ---- */

int metrics_begin(Metrics *m, MetricsKind kind, size_t outputs, const double *baseline,
                  const double *threshold, Error *e)
{
    *m = (Metrics){.kind = kind, .outputs = outputs, .baseline = baseline, .threshold = threshold};
    m->classes = kind == METRICS_CLASSES || kind == METRICS_TOKENS ? outputs : 0;
    if (kind == METRICS_TOKENS) return NUDGE_OK;
    if (kind == METRICS_CLASSES || kind == METRICS_LABELS)
        m->confusion = memory_zero((m->classes ? outputs : 4) * outputs, sizeof *m->confusion);
    else
        m->target = memory_zero(outputs, sizeof *m->target);
    return m->confusion || m->target ? NUDGE_OK : error_memory(e);
}

/* The first of the largest. */
static size_t metrics_argmax(const double *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static void metrics_add_score(Metrics *m, double score, bool positive, double weight)
{
    if (memory_grow(&m->score, &m->score_room, m->scores + 1, sizeof *m->score) &&
        memory_grow(&m->sorted, &m->sorted_room, m->rows, sizeof *m->sorted) &&
        memory_grow(&m->ties, &m->ties_room, m->rows, sizeof *m->ties))
        m->score[m->scores++] = (MetricsScore){score, weight, positive};
    else
        m->failed = true;
}

static double metrics_threshold(const Metrics *m, size_t k)
{
    return m->threshold ? m->threshold[k] : .5;
}

static void metrics_add_token(Metrics *m, const double *probability, size_t truth, double weight)
{
    if (metrics_argmax(probability, m->classes) == truth) m->right += weight;
    if (!m->baseline) return;
    if (metrics_argmax(m->baseline, m->classes) == truth) m->trivial_right += weight;
    m->trivial_log_loss -= weight * log(fmax(m->baseline[truth], METRICS_LEAST));
}

void metrics_add_class(Metrics *m, const double *probability, size_t truth, double weight)
{
    m->rows++;
    m->weight += weight;
    m->log_loss -= weight * log(fmax(probability[truth], METRICS_LEAST));
    if (m->kind == METRICS_TOKENS) {
        metrics_add_token(m, probability, truth, weight);
        return;
    }
    bool two = m->classes == 2;
    size_t said = two ? probability[1] > metrics_threshold(m, 0) : metrics_argmax(probability, m->classes);
    m->confusion[truth * m->classes + said] += weight;
    if (two) metrics_add_score(m, probability[1], truth == 1, weight);
}

/* What the trivial predictor says of a label: what is more frequent. */
static bool metrics_usually(const Metrics *m, size_t label)
{
    return m->baseline && m->baseline[label] > .5;
}

void metrics_add_labels(Metrics *m, const double *probability, const double *t, double weight)
{
    bool right = true, trivial = true;
    m->rows++;
    m->weight += weight;
    for (size_t i = 0; i < m->outputs; i++) {
        bool is = t[i] > .5, said = probability[i] > metrics_threshold(m, i);
        right &= is == said;
        trivial &= is == metrics_usually(m, i);
        m->confusion[4 * i + 2 * is + said] += weight;
        m->log_loss -= weight * log(fmax(is ? probability[i] : 1 - probability[i], METRICS_LEAST));
        metrics_add_score(m, probability[i], is, weight);
    }
    if (right) m->right += weight;
    if (trivial) m->trivial_right += weight;
}

static void metrics_add_target(MetricsTarget *k, double y, double t, const double *baseline, double weight)
{
    double error = y - t, trivial = (baseline ? *baseline : (double)NAN) - t, off = t - k->mean;
    k->weight += weight;
    if (weight > 0) k->mean += off * weight / k->weight;
    k->spread += weight * off * (t - k->mean);
    k->squared += weight * error * error;
    k->absolute += weight * fabs(error);
    k->trivial_squared += weight * trivial * trivial;
    k->trivial_absolute += weight * fabs(trivial);
}

void metrics_add_values(Metrics *m, const double *y, const double *t, double weight)
{
    m->rows++;
    m->weight += weight;
    for (size_t i = 0; i < m->outputs; i++)
        metrics_add_target(&m->target[i], y[i], t[i], m->baseline ? &m->baseline[i] : NULL, weight);
}

int metrics_end(Metrics *m, Error *e)
{
    return m->failed ? error_memory(e) : NUDGE_OK;
}

void metrics_free(Metrics *m)
{
    memory_release(m->confusion);
    memory_release(m->score);
    memory_release(m->sorted);
    memory_release(m->ties);
    memory_release(m->target);
    *m = (Metrics){0};
}

/* ---- Figures of classes ---- */

static double metrics_true(const Metrics *m, size_t class)
{
    double sum = 0;
    for (size_t i = 0; i < m->classes; i++)
        sum += m->confusion[class * m->classes + i];
    return sum;
}

static double metrics_predicted(const Metrics *m, size_t class)
{
    double sum = 0;
    for (size_t i = 0; i < m->classes; i++)
        sum += m->confusion[i * m->classes + class];
    return sum;
}

static bool metrics_knows(const Metrics *m)
{
    return m->baseline && !isnan(m->baseline[0]);
}

static double metrics_ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static double metrics_precision(const Metrics *m, size_t class)
{
    return metrics_ratio(m->confusion[class * m->classes + class], metrics_predicted(m, class));
}

static double metrics_recall(const Metrics *m, size_t class)
{
    return metrics_ratio(m->confusion[class * m->classes + class], metrics_true(m, class));
}

static double metrics_f1(const Metrics *m, size_t class)
{
    return metrics_ratio(2 * m->confusion[class * m->classes + class],
                         metrics_true(m, class) + metrics_predicted(m, class));
}

static double figure_accuracy(const Metrics *m, bool trivial)
{
    double right = 0;
    if (trivial && !metrics_knows(m)) return (double)NAN;
    if (trivial) return metrics_true(m, metrics_argmax(m->baseline, m->classes)) / m->weight;
    for (size_t i = 0; i < m->classes; i++)
        right += m->confusion[i * m->classes + i];
    return right / m->weight;
}

/* The mean of a figure over the classes that occur, among the true ones or the predicted ones as well. */
static double metrics_mean(const Metrics *m, double (*figure)(const Metrics *m, size_t class), bool predicted)
{
    double sum = 0, count = 0;
    for (size_t i = 0; i < m->classes; i++) {
        if (!(metrics_true(m, i) > 0) && !(predicted && metrics_predicted(m, i) > 0)) continue;
        sum += figure(m, i);
        count++;
    }
    return sum / count;
}

static double metrics_one(const Metrics *m, size_t class)
{
    (void)m;
    return class == metrics_argmax(m->baseline, m->classes);
}

static double figure_balanced(const Metrics *m, bool trivial)
{
    if (trivial && !metrics_knows(m)) return (double)NAN;
    return metrics_mean(m, trivial ? metrics_one : metrics_recall, false);
}

/* Always saying one class: its precision is its share, its recall 1. */
static double metrics_trivial_f1(const Metrics *m, size_t class)
{
    double share = metrics_true(m, class) / m->weight;
    return class == metrics_argmax(m->baseline, m->classes) ? 2 * share / (1 + share) : 0;
}

static double figure_f1(const Metrics *m, bool trivial)
{
    if (trivial && !metrics_knows(m)) return (double)NAN;
    return metrics_mean(m, trivial ? metrics_trivial_f1 : metrics_f1, !trivial);
}

static int metrics_by_score(const void *a, const void *b)
{
    double x = ((const MetricsScore *)a)->score, y = ((const MetricsScore *)b)->score;
    return (x > y) - (x < y);
}

/* What thresholds do to the second of two classes, or to a label. */
typedef struct MetricsCurve {
    const MetricsTies *ties;
    size_t count;
    double all[2]; /* weight of negatives and positives */
} MetricsCurve;

/* Lies in the room of m until the next call. */
static MetricsCurve metrics_curve(const Metrics *m, size_t k)
{
    size_t stride = m->kind == METRICS_LABELS ? m->outputs : 1, n = m->scores / stride;
    MetricsScore *s = m->sorted;
    MetricsTies *ties = m->ties;
    MetricsCurve c = {.ties = ties};
    for (size_t i = 0; i < n; i++)
        s[i] = m->score[i * stride + k];
    if (n) qsort(s, n, sizeof *s, metrics_by_score);
    for (size_t i = n; i-- > 0;) {
        if (!c.count || s[i].score < ties[c.count - 1].score)
            ties[c.count++] = (MetricsTies){.score = s[i].score};
        ties[c.count - 1].weight[s[i].positive] += s[i].weight;
        c.all[s[i].positive] += s[i].weight;
    }
    return c;
}

/* The chance that a positive row scores above a negative one, equal scores counting half (Mann and Whitney). */
static double metrics_auc(const MetricsCurve *c)
{
    double above = 0, sum = 0;
    for (size_t i = 0; i < c->count; i++) {
        const double *weight = c->ties[i].weight;
        sum += weight[0] * (above + weight[1] / 2);
        above += weight[1];
    }
    return sum / (c->all[0] * c->all[1]);
}

/* The mean of the precision over the positive rows, each at the threshold that takes it in: the area under the curve of
 * precision against recall, in steps. */
static double metrics_average_precision(const MetricsCurve *c)
{
    double taken[2] = {0}, sum = 0;
    for (size_t i = 0; i < c->count; i++) {
        const double *weight = c->ties[i].weight;
        taken[0] += weight[0];
        taken[1] += weight[1];
        if (weight[1] > 0) sum += weight[1] * taken[1] / (taken[0] + taken[1]);
    }
    return sum / c->all[1];
}

static double metrics_share(const MetricsCurve *c)
{
    return c->all[1] / (c->all[0] + c->all[1]);
}

static double metrics_half(const MetricsCurve *c)
{
    (void)c;
    return .5;
}

/* The mean of a figure over the labels that have both values; of two classes it is that of the second. */
static double metrics_of_curves(const Metrics *m, double (*figure)(const MetricsCurve *c))
{
    double sum = 0, count = 0;
    if (m->kind != METRICS_LABELS && m->classes != 2) return (double)NAN;
    for (size_t k = 0; k < (m->kind == METRICS_LABELS ? m->outputs : 1); k++) {
        MetricsCurve c = metrics_curve(m, k);
        bool both = c.all[0] > 0 && c.all[1] > 0;
        if (both) sum += figure(&c), count++;
    }
    return count > 0 ? sum / count : (double)NAN;
}

static double figure_auc(const Metrics *m, bool trivial)
{
    return metrics_of_curves(m, trivial ? metrics_half : metrics_auc);
}

static double figure_average_precision(const Metrics *m, bool trivial)
{
    return metrics_of_curves(m, trivial ? metrics_share : metrics_average_precision);
}

/* Half way between the last score that is taken in and the next. */
static double metrics_cut(const MetricsCurve *c)
{
    double taken[2] = {0}, best = 0, cut = (double)NAN;
    for (size_t i = 0; i < c->count; i++) {
        taken[0] += c->ties[i].weight[0];
        taken[1] += c->ties[i].weight[1];
        double f1 = 2 * taken[1] / (taken[0] + taken[1] + c->all[1]);
        if (!(f1 > best)) continue;
        best = f1;
        cut = i + 1 < c->count ? (c->ties[i].score + c->ties[i + 1].score) / 2 : c->ties[i].score / 2;
    }
    return cut;
}

double metrics_best_threshold(const Metrics *m, size_t k)
{
    MetricsCurve c = metrics_curve(m, k);
    double cut = c.all[0] > 0 && c.all[1] > 0 ? metrics_cut(&c) : (double)NAN;
    return cut;
}

static double figure_log_loss(const Metrics *m, bool trivial)
{
    double sum = 0;
    if (!trivial) return m->log_loss / m->weight;
    if (!metrics_knows(m)) return (double)NAN;
    for (size_t i = 0; i < m->classes; i++)
        sum -= metrics_true(m, i) * log(fmax(m->baseline[i], METRICS_LEAST));
    return sum / m->weight;
}

/* ---- Figures of labels ---- */

/* A label's weights: [true][predicted]. The trivial predictor says the same of every row. */
static void metrics_label(const Metrics *m, size_t label, bool trivial, double counts[4])
{
    const double *c = m->confusion + 4 * label;
    bool usual = metrics_usually(m, label);
    for (int i = 0; i < 4; i++)
        counts[i] = !trivial ? c[i] : i % 2 == usual ? c[i - i % 2] + c[i - i % 2 + 1] : 0;
}

static double metrics_counts_f1(const double counts[4])
{
    return metrics_ratio(2 * counts[3], 2 * counts[3] + counts[1] + counts[2]);
}

static double figure_label_accuracy(const Metrics *m, bool trivial)
{
    double counts[4], right = 0;
    if (trivial && !metrics_knows(m)) return (double)NAN;
    for (size_t i = 0; i < m->outputs; i++) {
        metrics_label(m, i, trivial, counts);
        right += counts[0] + counts[3];
    }
    return right / (m->weight * (double)m->outputs);
}

static double figure_subset(const Metrics *m, bool trivial)
{
    if (trivial && !metrics_knows(m)) return (double)NAN;
    return (trivial ? m->trivial_right : m->right) / m->weight;
}

static double figure_label_f1(const Metrics *m, bool trivial)
{
    double counts[4], sum = 0;
    if (trivial && !metrics_knows(m)) return (double)NAN;
    for (size_t i = 0; i < m->outputs; i++) {
        metrics_label(m, i, trivial, counts);
        sum += metrics_counts_f1(counts);
    }
    return sum / (double)m->outputs;
}

static double figure_label_micro(const Metrics *m, bool trivial)
{
    double counts[4], all[4] = {0};
    if (trivial && !metrics_knows(m)) return (double)NAN;
    for (size_t i = 0; i < m->outputs; i++) {
        metrics_label(m, i, trivial, counts);
        for (int k = 0; k < 4; k++)
            all[k] += counts[k];
    }
    return metrics_counts_f1(all);
}

static double figure_label_loss(const Metrics *m, bool trivial)
{
    double sum = 0;
    if (!trivial) return m->log_loss / (m->weight * (double)m->outputs);
    if (!metrics_knows(m)) return (double)NAN;
    for (size_t i = 0; i < m->outputs; i++) {
        const double *c = m->confusion + 4 * i, share = m->baseline[i];
        sum -= (c[0] + c[1]) * log(fmax(1 - share, METRICS_LEAST)) +
               (c[2] + c[3]) * log(fmax(share, METRICS_LEAST));
    }
    return sum / (m->weight * (double)m->outputs);
}

/* ---- Figures of tokens ---- */

static double figure_token_loss(const Metrics *m, bool trivial)
{
    if (trivial && !metrics_knows(m)) return (double)NAN;
    return (trivial ? m->trivial_log_loss : m->log_loss) / m->weight;
}

static double figure_perplexity(const Metrics *m, bool trivial)
{
    return exp(figure_token_loss(m, trivial));
}

static double figure_token_accuracy(const Metrics *m, bool trivial)
{
    if (trivial && !metrics_knows(m)) return (double)NAN;
    return (trivial ? m->trivial_right : m->right) / m->weight;
}

/* ---- Figures of values: over all targets; r2 is the mean of theirs ---- */

static double figure_rmse(const Metrics *m, bool trivial)
{
    double sum = 0;
    for (size_t i = 0; i < m->outputs; i++)
        sum += trivial ? m->target[i].trivial_squared : m->target[i].squared;
    return sqrt(sum / (m->weight * (double)m->outputs));
}

static double figure_mae(const Metrics *m, bool trivial)
{
    double sum = 0;
    for (size_t i = 0; i < m->outputs; i++)
        sum += trivial ? m->target[i].trivial_absolute : m->target[i].absolute;
    return sum / (m->weight * (double)m->outputs);
}

static double figure_r2(const Metrics *m, bool trivial)
{
    double sum = 0;
    for (size_t i = 0; i < m->outputs; i++)
        sum += 1 - (trivial ? m->target[i].trivial_squared : m->target[i].squared) / m->target[i].spread;
    return sum / (double)m->outputs;
}

/* ---- Figures of inputs that were reconstructed: all of them together ---- */

static double figure_explained(const Metrics *m, bool trivial)
{
    double squared = 0, spread = 0;
    for (size_t i = 0; i < m->outputs; i++) {
        squared += trivial ? m->target[i].trivial_squared : m->target[i].squared;
        spread += m->target[i].spread;
    }
    return 1 - squared / spread;
}

/* The first one for each task is the main one. */
static const MetricsFigure metrics_table[] = {
    {"accuracy", METRICS_CLASSES, true, true, figure_accuracy},
    {"balanced_accuracy", METRICS_CLASSES, true, true, figure_balanced},
    {"f1", METRICS_CLASSES, true, true, figure_f1},
    {"auc", METRICS_CLASSES, true, false, figure_auc},
    {"average_precision", METRICS_CLASSES, true, false, figure_average_precision},
    {"log_loss", METRICS_CLASSES, false, false, figure_log_loss},
    {"perplexity", METRICS_TOKENS, false, false, figure_perplexity},
    {"accuracy", METRICS_TOKENS, true, true, figure_token_accuracy},
    {"log_loss", METRICS_TOKENS, false, false, figure_token_loss},
    {"accuracy", METRICS_LABELS, true, true, figure_label_accuracy},
    {"subset_accuracy", METRICS_LABELS, true, true, figure_subset},
    {"f1", METRICS_LABELS, true, true, figure_label_f1},
    {"f1_micro", METRICS_LABELS, true, true, figure_label_micro},
    {"auc", METRICS_LABELS, true, false, figure_auc},
    {"average_precision", METRICS_LABELS, true, false, figure_average_precision},
    {"log_loss", METRICS_LABELS, false, false, figure_label_loss},
    {"rmse", METRICS_INPUTS, false, false, figure_rmse},
    {"mae", METRICS_INPUTS, false, false, figure_mae},
    {"explained", METRICS_INPUTS, true, true, figure_explained},
    {"rmse", METRICS_VALUES, false, false, figure_rmse},
    {"mae", METRICS_VALUES, false, false, figure_mae},
    {"r2", METRICS_VALUES, true, false, figure_r2},
};
enum { METRICS_FIGURES = sizeof metrics_table / sizeof *metrics_table };

const MetricsFigure *metrics_figures(size_t *count)
{
    *count = METRICS_FIGURES;
    return metrics_table;
}

int metrics_find(const char *name, MetricsKind kind, const MetricsFigure **figure, Error *e)
{
    static const char *const what[METRICS_KINDS] = {"numbers", "classes", "tokens", "labels",
                                                    "reconstructed inputs"};
    const char *names[METRICS_FIGURES];
    size_t count = 0;
    Text list = {0};
    for (size_t i = 0; i < METRICS_FIGURES; i++) {
        const MetricsFigure *f = &metrics_table[i];
        if (f->kind != kind) continue;
        names[count++] = f->name;
        text_print(&list, ", %s", f->name);
        if (!strcmp(f->name, name)) *figure = f;
        if (!strcmp(f->name, name)) return text_free(&list), NUDGE_OK;
    }
    const char *near = name_nearest(name, names, count);
    int status = error_set(e, NUDGE_INPUT,
                           near ? "no figure for %s is called %s; did you mean %s?"
                                : "no figure for %s is called %s; there are loss%s",
                           what[kind], name, near ? near : text_end(&list));
    text_free(&list);
    return status;
}

const MetricsFigure *metrics_main(const Metrics *m)
{
    const MetricsFigure *f = metrics_table;
    while (f->kind != m->kind)
        f++;
    return f;
}

/* ---- For people ---- */

void metrics_print(const MetricsFigure *f, double value, Text *out)
{
    char number[NUMBER_ROOM];
    if (isnan(value))
        text_print(out, "-");
    else if (f->share)
        text_print(out, "%s %%", number_print_short(number, rint(value * 1000) / 10, 4));
    else
        text_print(out, "%s", number_print_short(number, value, 4));
}

static void metrics_name(const Metrics *m, const char *const *names, size_t k, Text *out)
{
    static const char *const what[METRICS_KINDS] = {"target", "class", "token", "label", "input"};
    if (names && names[k])
        text_name(out, names[k]);
    else
        text_print(out, "%s %zu", what[m->kind], k);
}

void metrics_trivial(const Metrics *m, const char *const *names, Text *out)
{
    const MetricsFigure *f = metrics_main(m);
    double value = f->value(m, true);
    if (isnan(value)) return;
    if (m->kind == METRICS_TOKENS) {
        text_print(out, "by how often each token occurs");
    } else if (m->classes) {
        text_print(out, "always saying ");
        metrics_name(m, names, metrics_argmax(m->baseline, m->classes), out);
    } else if (m->kind == METRICS_LABELS) {
        text_print(out, "always saying what is more frequent");
    } else {
        text_print(out, "always saying the mean");
    }
    text_print(out, ": ");
    metrics_print(f, value, out);
}

/* Appends a cell to a line, to the left or right of its column; empties the cell. */
static void metrics_cell(Text *out, Text *cell, int width, bool left)
{
    const char *s = text_end(cell);
    int pad = width - text_width(s);
    if (left) text_print(out, "%s", s);
    for (; pad > 0; pad--)
        text_put(out, ' ');
    if (!left) text_print(out, "%s", s);
    cell->length = 0;
    if (cell->s) cell->s[0] = 0;
}

bool metrics_has(MetricsKind kind, size_t outputs, const MetricsFigure *f)
{
    bool curve = f->value == figure_auc || f->value == figure_average_precision;
    return f->kind == kind && (kind != METRICS_CLASSES || !curve || outputs == 2);
}

/* What the trivial predictor gets, in brackets; for the main figure also what it says. */
static void metrics_text_trivial(const Metrics *m, const MetricsFigure *f, const char *const *names,
                                 Text *out)
{
    double trivial = f->value(m, true);
    if (isnan(trivial)) return;
    text_print(out, "   (");
    if (f == metrics_main(m))
        metrics_trivial(m, names, out);
    else
        metrics_print(f, trivial, out);
    text_put(out, ')');
}

static void metrics_text_figures(const Metrics *m, const char *const *names, Text *out)
{
    Text cell = {0};
    for (size_t i = 0; i < METRICS_FIGURES; i++) {
        const MetricsFigure *f = &metrics_table[i];
        if (!metrics_has(m->kind, m->outputs, f)) continue;
        text_print(out, "%-18s", f->name);
        metrics_print(f, f->value(m, false), &cell);
        metrics_cell(out, &cell, 10, false);
        metrics_text_trivial(m, f, names, out);
        text_put(out, '\n');
    }
    out->failed |= cell.failed;
    text_free(&cell);
}

static int metrics_widest(const Metrics *m, const char *const *names, int least)
{
    Text cell = {0};
    for (size_t i = 0; i < m->outputs; i++) {
        cell.length = 0;
        metrics_name(m, names, i, &cell);
        int width = text_width(text_end(&cell));
        if (width > least) least = width;
    }
    text_free(&cell);
    return least;
}

static void metrics_number(Text *cell, double value)
{
    char number[NUMBER_ROOM];
    text_print(cell, "%s", number_print_short(number, value, 6));
}

static void metrics_text_classes(const Metrics *m, const char *const *names, Text *out)
{
    static double (*const figure[])(const Metrics *, size_t) = {metrics_precision, metrics_recall,
                                                                metrics_f1};
    int width = metrics_widest(m, names, 5);
    Text cell = {0};
    text_print(&cell, "class");
    text_put(out, '\n');
    metrics_cell(out, &cell, width, true);
    text_print(out, "      rows  precision     recall         F1\n");
    for (size_t i = 0; i < m->classes; i++) {
        metrics_name(m, names, i, &cell);
        metrics_cell(out, &cell, width, true);
        metrics_number(&cell, metrics_true(m, i));
        metrics_cell(out, &cell, 10, false);
        for (size_t k = 0; k < sizeof figure / sizeof *figure; k++) {
            metrics_print(&metrics_table[0], figure[k](m, i), &cell);
            metrics_cell(out, &cell, 11, false);
        }
        text_put(out, '\n');
    }
    out->failed |= cell.failed;
    text_free(&cell);
}

static void metrics_text_confusion(const Metrics *m, const char *const *names, Text *out)
{
    int width = metrics_widest(m, names, 14);
    Text cell = {0};
    text_print(&cell, "true\\predicted");
    text_put(out, '\n');
    metrics_cell(out, &cell, width, true);
    for (size_t i = 0; i < m->classes; i++) {
        text_print(&cell, "  ");
        metrics_name(m, names, i, &cell);
        metrics_cell(out, &cell, 10, false);
    }
    text_put(out, '\n');
    for (size_t i = 0; i < m->classes; i++) {
        metrics_name(m, names, i, &cell);
        metrics_cell(out, &cell, width, true);
        for (size_t k = 0; k < m->classes; k++) {
            text_print(&cell, "  ");
            metrics_name(m, names, k, &cell);
            int column = text_width(text_end(&cell));
            cell.length = 0;
            metrics_number(&cell, m->confusion[i * m->classes + k]);
            metrics_cell(out, &cell, column > 10 ? column : 10, false);
        }
        text_put(out, '\n');
    }
    out->failed |= cell.failed;
    text_free(&cell);
}

/* ---- Labels and targets, one by one ---- */

/* What is said of output k alone. */
typedef struct MetricsColumn {
    const char *name, *json;
    MetricsKind kind;
    bool share;
    double (*value)(const Metrics *m, size_t k);
} MetricsColumn;

static double column_rows(const Metrics *m, size_t k)
{
    return m->confusion[4 * k + 2] + m->confusion[4 * k + 3];
}

static double column_precision(const Metrics *m, size_t k)
{
    return metrics_ratio(m->confusion[4 * k + 3], m->confusion[4 * k + 1] + m->confusion[4 * k + 3]);
}

static double column_recall(const Metrics *m, size_t k)
{
    return metrics_ratio(m->confusion[4 * k + 3], column_rows(m, k));
}

static double column_f1(const Metrics *m, size_t k)
{
    return metrics_counts_f1(m->confusion + 4 * k);
}

static double column_auc(const Metrics *m, size_t k)
{
    MetricsCurve c = metrics_curve(m, k);
    double auc = metrics_auc(&c);
    return auc;
}

static double column_rmse(const Metrics *m, size_t k)
{
    return sqrt(m->target[k].squared / m->weight);
}

static double column_mae(const Metrics *m, size_t k)
{
    return m->target[k].absolute / m->weight;
}

static double column_r2(const Metrics *m, size_t k)
{
    return 1 - m->target[k].squared / m->target[k].spread;
}

static const MetricsColumn metrics_columns[] = {
    {"rows", "rows", METRICS_LABELS, false, column_rows},
    {"precision", "precision", METRICS_LABELS, true, column_precision},
    {"recall", "recall", METRICS_LABELS, true, column_recall},
    {"F1", "f1", METRICS_LABELS, true, column_f1},
    {"AUC", "auc", METRICS_LABELS, false, column_auc},
    {"rmse", "rmse", METRICS_VALUES, false, column_rmse},
    {"mae", "mae", METRICS_VALUES, false, column_mae},
    {"r2", "r2", METRICS_VALUES, false, column_r2},
};
enum { METRICS_COLUMNS = sizeof metrics_columns / sizeof *metrics_columns };

static const char *metrics_listed(const Metrics *m)
{
    if (m->kind == METRICS_LABELS) return "label";
    return m->kind == METRICS_VALUES && m->outputs > 1 ? "target" : NULL;
}

static void metrics_text_one(const Metrics *m, size_t k, Text *out, Text *cell)
{
    for (size_t i = 0; i < METRICS_COLUMNS; i++) {
        const MetricsColumn *c = &metrics_columns[i];
        if (c->kind != m->kind) continue;
        double value = c->value(m, k);
        if (c->value == column_rows)
            metrics_number(cell, value);
        else
            metrics_print(&(MetricsFigure){.share = c->share}, value, cell);
        metrics_cell(out, cell, 11, false);
    }
    text_put(out, '\n');
}

static void metrics_text_list(const Metrics *m, const char *const *names, Text *out)
{
    int width = metrics_widest(m, names, 6);
    Text cell = {0};
    text_print(&cell, "%s", metrics_listed(m));
    text_put(out, '\n');
    metrics_cell(out, &cell, width, true);
    for (size_t i = 0; i < METRICS_COLUMNS; i++) {
        if (metrics_columns[i].kind != m->kind) continue;
        text_print(&cell, "%s", metrics_columns[i].name);
        metrics_cell(out, &cell, 11, false);
    }
    text_put(out, '\n');
    for (size_t k = 0; k < m->outputs; k++) {
        metrics_name(m, names, k, &cell);
        metrics_cell(out, &cell, width, true);
        metrics_text_one(m, k, out, &cell);
    }
    out->failed |= cell.failed;
    text_free(&cell);
}

void metrics_text(const Metrics *m, const char *const *names, Text *out)
{
    metrics_text_figures(m, names, out);
    if (metrics_listed(m)) metrics_text_list(m, names, out);
    if (m->kind != METRICS_CLASSES) return;
    metrics_text_classes(m, names, out);
    if (m->classes <= METRICS_SHOWN) metrics_text_confusion(m, names, out);
}

/* ---- For programs ---- */

static void metrics_json_figures(const Metrics *m, bool trivial, JsonWriter *w)
{
    for (size_t i = 0; i < METRICS_FIGURES; i++) {
        const MetricsFigure *f = &metrics_table[i];
        if (!metrics_has(m->kind, m->outputs, f)) continue;
        json_key(w, f->name);
        json_number(w, f->value(m, trivial));
    }
}

static void metrics_json_class(const Metrics *m, size_t class, const char *const *names, JsonWriter *w)
{
    json_open(w, '{');
    json_key(w, "class");
    if (names && names[class])
        json_string(w, names[class]);
    else
        json_integer(w, (int64_t) class);
    json_key(w, "rows"), json_number(w, metrics_true(m, class));
    json_key(w, "precision"), json_number(w, metrics_precision(m, class));
    json_key(w, "recall"), json_number(w, metrics_recall(m, class));
    json_key(w, "f1"), json_number(w, metrics_f1(m, class));
    json_close(w, '}');
}

static void metrics_json_list(const Metrics *m, const char *const *names, JsonWriter *w)
{
    json_key(w, m->kind == METRICS_LABELS ? "labels" : "targets");
    json_open(w, '[');
    for (size_t k = 0; k < m->outputs; k++) {
        json_open(w, '{');
        json_key(w, metrics_listed(m));
        names &&names[k] ? json_string(w, names[k]) : json_integer(w, (int64_t)k);
        for (size_t i = 0; i < METRICS_COLUMNS; i++)
            if (metrics_columns[i].kind == m->kind)
                json_key(w, metrics_columns[i].json), json_number(w, metrics_columns[i].value(m, k));
        json_close(w, '}');
    }
    json_close(w, ']');
}

void metrics_json(const Metrics *m, const char *const *names, JsonWriter *w)
{
    json_key(w, m->kind == METRICS_TOKENS ? "tokens" : "rows"), json_integer(w, (int64_t)m->rows);
    metrics_json_figures(m, false, w);
    json_key(w, "trivial");
    json_open(w, '{');
    metrics_json_figures(m, true, w);
    json_close(w, '}');
    if (metrics_listed(m)) metrics_json_list(m, names, w);
    if (m->kind != METRICS_CLASSES) return;
    json_key(w, "classes");
    json_open(w, '[');
    for (size_t i = 0; i < m->classes; i++)
        metrics_json_class(m, i, names, w);
    json_close(w, ']');
    json_key(w, "confusion");
    json_open(w, '[');
    for (size_t i = 0; i < m->classes; i++) {
        json_open(w, '[');
        for (size_t k = 0; k < m->classes; k++)
            json_number(w, m->confusion[i * m->classes + k]);
        json_close(w, ']');
    }
    json_close(w, ']');
}
