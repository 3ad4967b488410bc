/* Figures against values worked out by hand, with weights and ties, and what is shown of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/metrics.h"
#include <math.h>
#include <string.h>

static double figure(const Metrics *m, const char *name, bool trivial)
{
    const MetricsFigure *f = NULL;
    Error e = {0};
    assert_int_equal(metrics_find(name, m->kind, &f, &e), 0);
    return f->value(m, trivial);
}

static void expect(double value, double wanted)
{
    if (!(fabs(value - wanted) < 1e-12)) print_error("%.17g, not %.17g\n", value, wanted);
    assert_true(fabs(value - wanted) < 1e-12);
}

/* Six rows of three classes; truth and prediction:  0 0, 0 0, 0 1, 1 1, 1 2, 2 2. */
static void three_classes(Metrics *m, const double *baseline, double first_weight)
{
    static const size_t truth[] = {0, 0, 0, 1, 1, 2}, said[] = {0, 0, 1, 1, 2, 2};
    Error e = {0};
    assert_int_equal(metrics_begin(m, METRICS_CLASSES, 3, baseline, NULL, &e), 0);
    for (int i = 0; i < 6; i++) {
        double p[3] = {.2, .2, .2};
        p[said[i]] = .6;
        metrics_add_class(m, p, truth[i], i ? 1 : first_weight);
    }
    assert_int_equal(metrics_end(m, &e), 0);
}

static void test_classes(void **state)
{
    (void)state;
    static const double baseline[] = {.5, .3, .2};
    Metrics m;
    three_classes(&m, baseline, 1);
    assert_int_equal(m.rows, 6);
    expect(figure(&m, "accuracy", false), 4. / 6);
    expect(figure(&m, "balanced_accuracy", false), (2. / 3 + 1. / 2 + 1) / 3);
    /* precision 1, 1/2, 1/2; recall 2/3, 1/2, 1 */
    expect(figure(&m, "f1", false), (.8 + .5 + 2. / 3) / 3);
    expect(figure(&m, "log_loss", false), -(4 * log(.6) + 2 * log(.2)) / 6);
    assert_true(isnan(figure(&m, "auc", false)));
    expect(figure(&m, "accuracy", true), 3. / 6);
    expect(figure(&m, "balanced_accuracy", true), 1. / 3);
    expect(figure(&m, "f1", true), 2 * .5 / 1.5 / 3);
    expect(figure(&m, "log_loss", true), -(3 * log(.5) + 2 * log(.3) + log(.2)) / 6);
    assert_ptr_equal(metrics_main(&m)->name, metrics_figures(&(size_t){0})[0].name);
    metrics_free(&m);
}

static void test_weights(void **state)
{
    (void)state;
    Metrics m;
    three_classes(&m, NULL, 3);
    expect(m.weight, 8);
    expect(figure(&m, "accuracy", false), 6. / 8);
    expect(figure(&m, "f1", false), (2 * 4. / (4 + 5) + .5 + 2. / 3) / 3);
    assert_true(isnan(figure(&m, "accuracy", true))); /* nobody knows the training rows */
    metrics_free(&m);
}

/* A class that neither occurs nor is predicted does not count in means. */
static void test_absent_class(void **state)
{
    (void)state;
    Metrics m;
    Error e = {0};
    assert_int_equal(metrics_begin(&m, METRICS_CLASSES, 4, NULL, NULL, &e), 0);
    metrics_add_class(&m, (double[]){.7, .3, 0, 0}, 0, 1);
    metrics_add_class(&m, (double[]){.6, .4, 0, 0}, 1, 1);
    expect(figure(&m, "balanced_accuracy", false), .5);
    expect(figure(&m, "f1", false), (2. / 3 + 0) / 2);
    metrics_add_class(&m, (double[]){1, 0, 0, 0}, 2, 1); /* certain and wrong: finite all the same */
    assert_true(isfinite(figure(&m, "log_loss", false)));
    metrics_free(&m);
}

/* Against the definition: the share of pairs in order, ties half. */
static void test_auc(void **state)
{
    (void)state;
    static const double score[] = {.1, .4, .35, .8, .4, .4, .9, .2}, weight[] = {1, 2, 1, 1, 3, 1, .5, 1};
    static const bool positive[] = {0, 0, 1, 1, 1, 0, 1, 1};
    enum { N = sizeof score / sizeof *score };
    Metrics m;
    Error e = {0};
    double sum = 0, pairs = 0;
    assert_int_equal(metrics_begin(&m, METRICS_CLASSES, 2, NULL, NULL, &e), 0);
    for (int i = 0; i < N; i++)
        metrics_add_class(&m, (double[]){1 - score[i], score[i]}, positive[i], weight[i]);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            if (!positive[i] || positive[k]) continue;
            sum += weight[i] * weight[k] * (score[i] > score[k] ? 1 : score[i] < score[k] ? 0 : .5);
            pairs += weight[i] * weight[k];
        }
    expect(figure(&m, "auc", false), sum / pairs);
    expect(figure(&m, "auc", true), .5);
    metrics_free(&m);
    assert_int_equal(metrics_begin(&m, METRICS_CLASSES, 2, NULL, NULL, &e), 0);
    metrics_add_class(&m, (double[]){.5, .5}, 1, 1);
    assert_true(isnan(figure(&m, "auc", false))); /* of one class only */
    metrics_free(&m);
}

/* By hand: taken from the highest score down, precision is 1/1 and 2/3 (two rows tie) and 3/4 where positives come in. */
static void test_curve(void **state)
{
    (void)state;
    static const double score[] = {.9, .6, .6, .3, .1};
    static const bool positive[] = {1, 0, 1, 1, 0};
    Metrics m;
    Error e = {0};
    assert_int_equal(metrics_begin(&m, METRICS_CLASSES, 2, NULL, NULL, &e), 0);
    for (int i = 0; i < 5; i++)
        metrics_add_class(&m, (double[]){1 - score[i], score[i]}, positive[i], 1);
    expect(figure(&m, "average_precision", false), (1 + 2 / 3. + 3 / 4.) / 3);
    expect(figure(&m, "average_precision", true), 3 / 5.);
    /* F1 there: 2/(1 + 3), 4/(3 + 3), 6/(4 + 3): the last, between .3 and .1 */
    expect(metrics_best_threshold(&m, 0), .2);
    metrics_free(&m);
    assert_int_equal(metrics_begin(&m, METRICS_CLASSES, 2, NULL, (double[]){.2}, &e), 0);
    for (int i = 0; i < 5; i++)
        metrics_add_class(&m, (double[]){1 - score[i], score[i]}, positive[i], 1);
    expect(figure(&m, "accuracy", false), 4 / 5.);
    metrics_free(&m);
}

static void test_labels(void **state)
{
    (void)state;
    static const double baseline[] = {.75, .25}, threshold[] = {.5, .3},
                        p[][2] = {{.9, .2}, {.6, .4}, {.3, .8}, {.2, .1}},
                        t[][2] = {{1, 0}, {1, 0}, {1, 1}, {0, 0}};
    static const double weight[] = {1, 1, 2, 1};
    Metrics m;
    Error e = {0};
    assert_int_equal(metrics_begin(&m, METRICS_LABELS, 2, baseline, threshold, &e), 0);
    for (int i = 0; i < 4; i++)
        metrics_add_labels(&m, p[i], t[i], weight[i]);
    /* label 0: right in rows 0, 1, 3 (weight 3); label 1: in rows 0, 2, 3 (weight 4); both in rows 0 and 3 */
    expect(figure(&m, "accuracy", false), (3 + 4) / 10.);
    expect(figure(&m, "subset_accuracy", false), 2 / 5.);
    /* label 0: 2 true of 2 said and 4 there; label 1: 2 of 3 said and 2 there */
    expect(figure(&m, "f1", false), (4 / 6. + 4 / 5.) / 2);
    expect(figure(&m, "f1_micro", false), 8 / 11.);
    expect(figure(&m, "auc", false), 1);
    double loss = -log(.9) - log(.6) - 2 * log(.3) - log(.8) - log(.8) - log(.6) - 2 * log(.8) - log(.9);
    expect(figure(&m, "log_loss", false), loss / 10);
    /* always 1 and 0: right in 4 and 3 of 5, both in rows 0 and 1 */
    expect(figure(&m, "accuracy", true), (4 + 3) / 10.);
    expect(figure(&m, "subset_accuracy", true), 2 / 5.);
    expect(figure(&m, "f1", true), 8 / 9. / 2);
    expect(figure(&m, "f1_micro", true), 8 / (2 * 4 + 1 + 2.));
    expect(figure(&m, "average_precision", true), (4 / 5. + 2 / 5.) / 2);
    Text out = {0};
    metrics_text(&m, (const char *[]){"old", "red"}, &out);
    assert_non_null(strstr(text_end(&out), "always saying what is more frequent: 70 %"));
    assert_non_null(
        strstr(text_end(&out), "old             4      100 %       50 %     66.7 %          1\n"));
    assert_non_null(
        strstr(text_end(&out), "red             2     66.7 %      100 %       80 %          1\n"));
    text_free(&out);
    metrics_free(&m);
}

/* All inputs count as one: the share of their variance that is explained is no mean of shares. */
static void test_inputs(void **state)
{
    (void)state;
    static const double y[][2] = {{0, 9}, {1, 12}}, t[][2] = {{0, 10}, {2, 14}}, baseline[] = {1, 12};
    Metrics m;
    Error e = {0};
    assert_int_equal(metrics_begin(&m, METRICS_INPUTS, 2, baseline, NULL, &e), 0);
    for (int i = 0; i < 2; i++)
        metrics_add_values(&m, y[i], t[i], 1);
    expect(figure(&m, "explained", false), 1 - (1 + 1 + 4) / (2 + 8.));
    expect(figure(&m, "explained", true), 0);
    expect(figure(&m, "rmse", false), sqrt(6 / 4.));
    metrics_free(&m);
}

static void test_values(void **state)
{
    (void)state;
    static const double baseline[] = {2, 10}, y[][2] = {{1, 10}, {2, 12}, {5, 9}},
                        t[][2] = {{1, 11}, {3, 12}, {4, 10}};
    static const double weight[] = {1, 2, 1};
    Metrics m;
    Error e = {0};
    assert_int_equal(metrics_begin(&m, METRICS_VALUES, 2, baseline, NULL, &e), 0);
    for (int i = 0; i < 3; i++)
        metrics_add_values(&m, y[i], t[i], weight[i]);
    /* squared errors: 0 + 2*1 + 1 and 1 + 2*0 + 1 */
    expect(figure(&m, "rmse", false), sqrt((3 + 2) / 8.));
    expect(figure(&m, "mae", false), (3 + 2) / 8.);
    /* spreads about the weighted means 11/4 and 45/4 */
    double spread[2] = {0};
    for (int i = 0; i < 3; i++) {
        spread[0] += weight[i] * pow(t[i][0] - 2.75, 2);
        spread[1] += weight[i] * pow(t[i][1] - 11.25, 2);
    }
    expect(figure(&m, "r2", false), (1 - 3 / spread[0] + 1 - 2 / spread[1]) / 2);
    expect(figure(&m, "rmse", true), sqrt((1 + 2 + 4 + 1 + 8 + 0) / 8.));
    expect(figure(&m, "mae", true), (1 + 2 + 2 + 1 + 4 + 0) / 8.);
    assert_string_equal(metrics_main(&m)->name, "rmse");
    metrics_free(&m);
}

static void test_names(void **state)
{
    (void)state;
    const MetricsFigure *f;
    Error e = {0};
    assert_int_equal(metrics_find("acuracy", METRICS_CLASSES, &f, &e), NUDGE_INPUT);
    assert_non_null(strstr(e.message, "did you mean accuracy?"));
    error_clear(&e);
    assert_int_equal(metrics_find("accuracy", METRICS_VALUES, &f, &e), NUDGE_INPUT);
    assert_non_null(strstr(e.message, "rmse"));
}

static void expect_text(const char *text, const char *part)
{
    if (!strstr(text, part)) print_error("no \"%s\" in:\n%s\n", part, text);
    assert_non_null(strstr(text, part));
}

static void test_text(void **state)
{
    (void)state;
    static const double baseline[] = {.5, .3, .2};
    static const char *const names[] = {"h\xc3\xb6her", "b", "a rather long name"};
    Metrics m;
    Text out = {0};
    three_classes(&m, baseline, 1);
    metrics_text(&m, names, &out);
    const char *text = text_end(&out);
    expect_text(text, "accuracy              66.7 %   (always saying h\xc3\xb6her: 50 %)\n");
    expect_text(text, "h\xc3\xb6her                      3      100 %     66.7 %       80 %\n");
    expect_text(text, "a rather long name         1       50 %      100 %     66.7 %\n");
    expect_text(text, "h\xc3\xb6her                      2         1                   0\n");
    for (const char *line = text; *line; line = strchr(line, '\n') + 1)
        assert_true(line[strcspn(line, "\n")] == '\n');
    text_free(&out);
    metrics_free(&m);
}

static void test_json(void **state)
{
    (void)state;
    static const double baseline[] = {.5, .3, .2};
    Metrics m;
    Text out = {0};
    Error e = {0};
    Arena arena;
    const JsonValue *v, *classes;
    JsonWriter w = {.out = &out};
    three_classes(&m, baseline, 1);
    json_open(&w, '{');
    metrics_json(&m, NULL, &w);
    json_close(&w, '}');
    arena_init(&arena, &e);
    assert_int_equal(json_parse(&arena, "metrics", text_end(&out), out.length, &v), 0);
    expect(json_member_number(v, "accuracy"), 4. / 6);
    expect(json_member_number(json_member(v, "trivial"), "accuracy"), .5);
    classes = json_member(v, "classes");
    assert_int_equal(classes->count, 3);
    expect(json_member_number(classes->first, "recall"), 2. / 3);
    assert_int_equal(json_member(v, "confusion")->count, 3);
    assert_int_equal(json_member(v, "confusion")->first->first->next->integer, 1);
    arena_free(&arena);
    text_free(&out);
    metrics_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes), cmocka_unit_test(test_weights), cmocka_unit_test(test_absent_class),
        cmocka_unit_test(test_auc),     cmocka_unit_test(test_curve),   cmocka_unit_test(test_labels),
        cmocka_unit_test(test_inputs),  cmocka_unit_test(test_values),  cmocka_unit_test(test_names),
        cmocka_unit_test(test_text),    cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
