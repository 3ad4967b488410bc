/* test_dataset.c: batches hold the rows asked for, in any type; parts and folds are fair, complete and repeatable. */
#include "data/dataset.h"

#include "base/memory.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void converts(void **state)
{
    (void)state;
    double f64[] = {-1e300, -0.5, 1.5, 2.5, 300, (double)NAN, 16777217}, back[7];
    float f32[7];
    int32_t i32[7];
    uint8_t u8[7];
    data_convert(f32, DATA_F32, f64, DATA_F64, 7);
    assert_true(f32[2] == 1.5f && isinf(f32[0]) && isnan(f32[5]) && f32[6] == 16777216.0f);
    data_convert(i32, DATA_I32, f64, DATA_F64, 7);
    assert_true(i32[0] == INT32_MIN && i32[1] == 0 && i32[2] == 2 && i32[3] == 2 && i32[6] == 16777217);
    data_convert(u8, DATA_U8, f64, DATA_F64, 7);
    assert_true(u8[0] == 0 && u8[2] == 2 && u8[4] == 255 && u8[5] == 0);
    data_convert(back, DATA_F64, i32, DATA_I32, 7);
    assert_true(back[0] == INT32_MIN && back[6] == 16777217);
    data_convert(back, DATA_F64, f64, DATA_F64, 7);
    assert_memory_equal(back, f64, sizeof f64);
}

static void gathers(void **state)
{
    (void)state;
    const uint8_t x[] = {0, 1, 10, 11, 20, 21};
    const int32_t t[] = {0, 1, 2};
    const double weights[] = {1, 2, 3};
    const size_t rows[] = {2, 0, 2};
    Dataset d = {.rows = 3,
                 .features = 2,
                 .targets = 1,
                 .x_type = DATA_U8,
                 .t_type = DATA_I32,
                 .x = x,
                 .t = t,
                 .classes = 3};
    uint8_t same[6];
    float real[6];
    int32_t classes[3];
    double weight[3];
    dataset_gather(&d, rows, 3, same, DATA_U8, classes, DATA_I32, weight);
    assert_memory_equal(same, ((uint8_t[]){20, 21, 0, 1, 20, 21}), 6);
    assert_memory_equal(classes, ((int32_t[]){2, 0, 2}), sizeof classes);
    assert_true(weight[0] == 1 && weight[2] == 1);
    d.weight = weights;
    dataset_gather(&d, rows, 3, real, DATA_F32, NULL, DATA_F32, weight);
    assert_true(real[0] == 20 && real[3] == 1 && real[5] == 21);
    assert_true(weight[0] == 3 && weight[1] == 1);
}

/* A dataset of these class counts, class by class. */
static Dataset classes_of(const size_t *counts, size_t classes, int32_t *t)
{
    Dataset d = {.features = 1, .targets = 1, .t_type = DATA_I32, .t = t, .classes = classes};
    for (size_t c = 0; c < classes; c++)
        for (size_t i = 0; i < counts[c]; i++)
            t[d.rows++] = (int32_t)c;
    return d;
}

static size_t count_class(const Dataset *d, const size_t *rows, size_t n, int32_t class)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((const int32_t *)d->t)[rows[i]] == class;
    return count;
}

static void assert_permutation(const size_t *order, size_t n)
{
    bool *seen = test_calloc(n, sizeof *seen);
    for (size_t i = 0; i < n; i++) {
        assert_true(order[i] < n && !seen[order[i]]);
        seen[order[i]] = true;
    }
    test_free(seen);
}

static void splits_by_class(void **state)
{
    (void)state;
    static int32_t t[200];
    size_t order[200], train;
    Error e = {0};
    Dataset d = classes_of((size_t[]){50, 50, 50}, 3, t);
    assert_int_equal(dataset_split(&d, 0.1, 1, order, &train, &e), NUDGE_OK);
    assert_int_equal(train, 135);
    assert_permutation(order, d.rows);
    for (int32_t c = 0; c < 3; c++)
        assert_int_equal(count_class(&d, order + train, 15, c), 5);
    for (size_t i = 1; i < d.rows; i++)
        assert_true(i == train || order[i - 1] < order[i]);

    d = classes_of((size_t[]){100, 3, 1}, 3, t);
    assert_int_equal(dataset_split(&d, 0.1, 7, order, &train, &e), NUDGE_OK);
    assert_int_equal(d.rows - train, 10);
    assert_int_equal(count_class(&d, order + train, 10, 1), 1);
    assert_int_equal(count_class(&d, order + train, 10, 2), 0);

    d = classes_of((size_t[]){2, 2, 1}, 3, t);
    assert_int_equal(dataset_split(&d, 0.4, 7, order, &train, &e), NUDGE_OK);
    for (int32_t c = 0; c < 3; c++)
        assert_int_equal(count_class(&d, order, train, c), 1);
}

static void splits_at_random(void **state)
{
    (void)state;
    size_t order[1000], again[1000], train;
    Error e = {0};
    Dataset d = {.rows = 1000};
    assert_int_equal(dataset_split(&d, 0.2, 3, order, &train, &e), NUDGE_OK);
    assert_int_equal(train, 800);
    assert_permutation(order, 1000);
    size_t low = 0;
    for (size_t i = train; i < 1000; i++)
        low += order[i] < 500;
    assert_in_range(low, 70, 130); /* 100, give or take 4 deviations */
    dataset_split(&d, 0.2, 3, again, &train, &e);
    assert_memory_equal(order, again, sizeof order);
    dataset_split(&d, 0.2, 4, again, &train, &e);
    assert_memory_not_equal(order, again, sizeof order);
}

static void splits_the_smallest(void **state)
{
    (void)state;
    size_t order[4], train;
    Error e = {0};
    Dataset d = {.rows = 1};
    assert_int_equal(dataset_split(&d, 0.9, 1, order, &train, &e), NUDGE_OK);
    assert_int_equal(train, 1);
    d.rows = 4;
    assert_int_equal(dataset_split(&d, 0, 1, order, &train, &e), NUDGE_OK);
    assert_int_equal(train, 4);
    assert_int_equal(dataset_split(&d, 0.99, 1, order, &train, &e), NUDGE_OK);
    assert_int_equal(train, 1);
    assert_int_equal(dataset_split(&d, 1, 1, order, &train, &e), NUDGE_INPUT);
    assert_string_equal(e.message, "validation is 1; it is a fraction from 0 to below 1, such as 0.1");
    error_clear(&e);
    assert_int_equal(dataset_split(&d, (double)NAN, 1, order, &train, &e), NUDGE_INPUT);
    error_clear(&e);
    d.rows = 0;
    assert_int_equal(dataset_split(&d, 0.1, 1, order, &train, &e), NUDGE_INPUT);
    assert_string_equal(e.message, "there are no rows to train on");
}

static void shuffles(void **state)
{
    (void)state;
    enum { N = 6, TRIES = 6000 };
    size_t places[N][N] = {{0}}, order[N], again[N];
    for (uint64_t epoch = 0; epoch < TRIES; epoch++) {
        for (size_t i = 0; i < N; i++)
            order[i] = again[i] = i;
        dataset_shuffle(order, N, 5, epoch);
        dataset_shuffle(again, N, 5, epoch);
        assert_memory_equal(order, again, sizeof order);
        assert_permutation(order, N);
        for (size_t i = 0; i < N; i++)
            places[i][order[i]]++;
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            assert_in_range(places[i][j], 850, 1150); /* 1000, give or take 5 deviations */
    dataset_shuffle(order, 0, 1, 1);
    dataset_shuffle(order, 1, 1, 1);
}

static void deals_folds(void **state)
{
    (void)state;
    static int32_t t[200];
    size_t fold[200], sizes[5] = {0}, second[5] = {0};
    Error e = {0};
    Dataset d = classes_of((size_t[]){63, 22, 17}, 3, t);
    assert_int_equal(dataset_folds(&d, 5, 1, fold, &e), NUDGE_OK);
    for (size_t i = 0; i < d.rows; i++) {
        assert_true(fold[i] < 5);
        sizes[fold[i]]++;
        second[fold[i]] += t[i] == 1;
    }
    for (int i = 0; i < 5; i++) {
        assert_in_range(sizes[i], 20, 21);
        assert_in_range(second[i], 4, 5);
    }
    size_t met[5][5] = {{0}};
    for (d.rows = 0; d.rows < 200; d.rows++)
        t[d.rows] = (int32_t)(d.rows % 5);
    d.classes = 5;
    assert_int_equal(dataset_folds(&d, 5, 1, fold, &e), NUDGE_OK);
    for (size_t i = 0; i < d.rows; i++)
        met[fold[i]][t[i]]++;
    for (int i = 0; i < 25; i++)
        assert_int_equal(met[i / 5][i % 5], 8);
    d.rows = 102;
    assert_int_equal(dataset_folds(&d, 1, 1, fold, &e), NUDGE_INPUT);
    assert_string_equal(e.message, "folds is 1; with 102 rows it can be from 2 to 102");
    error_clear(&e);
    assert_int_equal(dataset_folds(&d, 103, 1, fold, &e), NUDGE_INPUT);
}

static void *no_heap(void *context, void *block, size_t size)
{
    (void)context;
    (void)size;
    return free(block), NULL;
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    size_t order[4], train;
    Error e = {0}, again = {0};
    Dataset d = {.rows = 4};
    nudge_allocator(no_heap, NULL);
    assert_int_equal(dataset_split(&d, 0.5, 1, order, &train, &e), NUDGE_MACHINE);
    assert_int_equal(dataset_folds(&d, 2, 1, order, &again), NUDGE_MACHINE);
    nudge_allocator(NULL, NULL);
}

static void frees(void **state)
{
    (void)state;
    Dataset d = {.rows = 1, .owned = {memory_new(8, 1), memory_new(8, 1), NULL}};
    dataset_free(&d);
    assert_null(d.owned[0]);
    dataset_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(converts),
        cmocka_unit_test(gathers),
        cmocka_unit_test(splits_by_class),
        cmocka_unit_test(splits_at_random),
        cmocka_unit_test(splits_the_smallest),
        cmocka_unit_test(shuffles),
        cmocka_unit_test(deals_folds),
        cmocka_unit_test(survives_failing_allocations),
        cmocka_unit_test(frees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
