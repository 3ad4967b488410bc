/* dataset.c: see dataset.h. */
#include "data/dataset.h"

#include "base/memory.h"
#include "base/philox.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

void dataset_free(Dataset *d)
{
    for (size_t i = 0; i < sizeof d->owned / sizeof *d->owned; i++)
        memory_release(d->owned[i]);
    *d = (Dataset){0};
}

void dataset_reconstruct(Dataset *d)
{
    d->reconstruct = true;
    d->t = d->x;
    d->t_type = d->x_type;
    d->targets = d->features;
    d->classes = 0;
}

/* Conversion goes by way of double, which holds every value of the four types. */

static double data_clamp(double value, double low, double high)
{
    return value >= low ? fmin(rint(value), high) : low; /* NaN: low */
}

#define DATA_LOAD(name, type)                                                                                \
    static double data_load_##name(const void *from, size_t i)                                               \
    {                                                                                                        \
        return (double)((const type *)from)[i];                                                              \
    }
#define DATA_STORE(name, type, expression)                                                                   \
    static void data_store_##name(void *to, size_t i, double value)                                          \
    {                                                                                                        \
        ((type *)to)[i] = (type)(expression);                                                                \
    }
DATA_LOAD(f32, float)
DATA_LOAD(f64, double)
DATA_LOAD(i32, int32_t)
DATA_LOAD(u8, uint8_t)
DATA_STORE(f32, float, value)
DATA_STORE(f64, double, value)
DATA_STORE(i32, int32_t, data_clamp(value, INT32_MIN, INT32_MAX))
DATA_STORE(u8, uint8_t, data_clamp(value, 0, UINT8_MAX))

static const struct {
    size_t size;
    double (*load)(const void *from, size_t i);
    void (*store)(void *to, size_t i, double value);
} data_types[DATA_TYPES] = {
    [DATA_F32] = {sizeof(float), data_load_f32, data_store_f32},
    [DATA_F64] = {sizeof(double), data_load_f64, data_store_f64},
    [DATA_I32] = {sizeof(int32_t), data_load_i32, data_store_i32},
    [DATA_U8] = {sizeof(uint8_t), data_load_u8, data_store_u8},
};

size_t data_size(DataType type)
{
    return data_types[type].size;
}

void data_convert(void *to, DataType to_type, const void *from, DataType from_type, size_t n)
{
    if (to_type == from_type) {
        if (n) memcpy(to, from, n * data_size(to_type));
        return;
    }
    for (size_t i = 0; i < n; i++)
        data_types[to_type].store(to, i, data_types[from_type].load(from, i));
}

/* Numbers that stay what they are. */
static void dataset_copy_bytes(const Dataset *d, const char *from, size_t size, size_t width,
                               const size_t *rows, size_t n, char *to)
{
    size_t bytes = width * size;
    for (size_t i = 0; i < n; i++, to += bytes) {
        const char *row = from + (d->start ? d->start[rows[i]] * size : rows[i] * bytes);
        if (bytes == sizeof(float))
            memcpy(to, row, sizeof(float)); /* a column of targets: too short for a call */
        else
            memcpy(to, row, bytes);
    }
}

static void dataset_copy(const Dataset *d, const void *from, DataType from_type, size_t width,
                         const size_t *rows, size_t n, void *to, DataType to_type)
{
    size_t to_stride = width * data_size(to_type), size = data_size(from_type);
    if (from_type == to_type) {
        dataset_copy_bytes(d, from, size, width, rows, n, to);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        size_t start = d->start ? d->start[rows[i]] : rows[i] * width;
        data_convert((char *)to + i * to_stride, to_type, (const char *)from + start * size, from_type,
                     width);
    }
}

void dataset_gather(const Dataset *d, const size_t *rows, size_t n, void *x, DataType x_to, void *t,
                    DataType t_to, double *weight)
{
    dataset_copy(d, d->x, d->x_type, d->features, rows, n, x, x_to);
    if (t && d->t) dataset_copy(d, d->t, d->t_type, d->targets, rows, n, t, t_to);
    for (size_t i = 0; weight && i < n; i++)
        weight[i] = d->weight ? d->weight[rows[i]] : 1;
}

/* A number below n for the i-th draw of a sequence. The bias of the remainder is below n / 2^64. */
static size_t dataset_random(uint64_t key, uint64_t sequence, size_t i, size_t n)
{
    Philox p = philox(key, sequence, i);
    return (size_t)(((uint64_t)p.word[1] << 32 | p.word[0]) % n);
}

static void dataset_permute(size_t *order, size_t n, uint64_t key, uint64_t sequence) /* Fisher and Yates */
{
    for (size_t i = n; i > 1; i--) {
        size_t j = dataset_random(key, sequence, i, i), swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
}

void dataset_shuffle(size_t *order, size_t n, uint64_t seed, uint64_t epoch)
{
    dataset_permute(order, n, seed ^ hash_string("shuffle"), epoch);
}

size_t dataset_stream(size_t n, size_t streams, size_t i)
{
    size_t each = n / streams, longer = n % streams, stream = i % streams;
    return stream * each + (stream < longer ? stream : longer) + i / streams;
}

void dataset_slide(Dataset *view, const Dataset *d, uint64_t seed, uint64_t epoch)
{
    *view = *d;
    if (!d->slide) return;
    size_t back = dataset_random(seed ^ hash_string("slide"), epoch, 0, d->slide + 1);
    view->x = (const char *)d->x - back * data_size(d->x_type);
    view->t = (const char *)d->t - back * data_size(d->t_type);
}

/* A row with its class and its place in line for the validation part, from 0 (first) to 1. */
typedef struct DatasetPlace {
    size_t row, stratum;
    double place;
    size_t turn; /* its place in the permutation: decides ties */
} DatasetPlace;

static int dataset_by_stratum(const void *a, const void *b)
{
    const DatasetPlace *x = a, *y = b;
    int order = (x->stratum > y->stratum) - (x->stratum < y->stratum);
    return order ? order : (x->turn > y->turn) - (x->turn < y->turn);
}

static int dataset_by_place(const void *a, const void *b)
{
    const DatasetPlace *x = a, *y = b;
    int order = (x->place > y->place) - (x->place < y->place);
    return order ? order : (x->turn > y->turn) - (x->turn < y->turn);
}

static int dataset_by_row(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static size_t dataset_stratum(const Dataset *d, size_t row)
{
    return d->classes && d->targets == 1 && !d->start && d->t ? (size_t)data_types[d->t_type].load(d->t, row)
                                                              : 0;
}

/* The rows, class by class, in random order within a class. NULL if memory runs out. */
static DatasetPlace *dataset_strata(const Dataset *d, uint64_t key)
{
    size_t *order = memory_new(d->rows, sizeof *order);
    DatasetPlace *places = memory_zero(d->rows, sizeof *places);
    if (order && places) {
        for (size_t i = 0; i < d->rows; i++)
            order[i] = i;
        dataset_permute(order, d->rows, key, 0);
        for (size_t i = 0; i < d->rows; i++)
            places[i] = (DatasetPlace){.row = order[i], .stratum = dataset_stratum(d, order[i]), .turn = i};
        qsort(places, d->rows, sizeof *places, dataset_by_stratum);
    } else {
        memory_release(places);
        places = NULL;
    }
    memory_release(order);
    return places;
}

/* The i-th of a class of n rows stands at i/n, so the front of the line has all classes in proportion and at least
 * one of each. The last row of a class stands at the end: it stays in training. */
static void dataset_queue(DatasetPlace *places, size_t rows)
{
    for (size_t begin = 0, end; begin < rows; begin = end) {
        for (end = begin; end < rows && places[end].stratum == places[begin].stratum;)
            end++;
        for (size_t i = begin; i < end; i++)
            places[i].place = i + 1 < end ? (double)(i - begin) / (double)(end - begin) : 1;
    }
    qsort(places, rows, sizeof *places, dataset_by_place);
}

static int dataset_split_ordered(size_t rows, size_t held, size_t *order, size_t *train)
{
    for (size_t i = 0; i < rows; i++)
        order[i] = i;
    *train = rows - held;
    return NUDGE_OK;
}

int dataset_split(const Dataset *d, double fraction, uint64_t seed, size_t *order, size_t *train, Error *e)
{
    *train = 0;
    if (!(fraction >= 0 && fraction < 1))
        return error_set(e, NUDGE_INPUT, "validation is %g; it is a fraction from 0 to below 1, such as 0.1",
                         fraction);
    if (!d->rows) return error_set(e, NUDGE_INPUT, "there are no rows to train on");
    size_t held = (size_t)rint(fraction * (double)d->rows);
    if (held >= d->rows) held = d->rows - 1;
    if (d->ordered) return dataset_split_ordered(d->rows, held, order, train);
    DatasetPlace *places = dataset_strata(d, seed ^ hash_string("split"));
    if (!places) return error_memory(e);
    dataset_queue(places, d->rows);
    *train = d->rows - held;
    for (size_t i = 0; i < d->rows; i++)
        order[i < held ? *train + i : i - held] = places[i].row;
    memory_release(places);
    qsort(order, *train, sizeof *order, dataset_by_row);
    qsort(order + *train, held, sizeof *order, dataset_by_row);
    return NUDGE_OK;
}

int dataset_folds(const Dataset *d, size_t k, uint64_t seed, size_t *fold, Error *e)
{
    if (k < 2 || k > d->rows)
        return error_set(e, NUDGE_INPUT, "folds is %zu; with %zu rows it can be from 2 to %zu", k, d->rows,
                         d->rows);
    for (size_t i = 0; d->ordered && i < d->rows; i++)
        fold[i] = i * k / d->rows;
    if (d->ordered) return NUDGE_OK;
    DatasetPlace *places = dataset_strata(d, seed ^ hash_string("folds"));
    if (!places) return error_memory(e);
    for (size_t i = 0; i < d->rows; i++)
        fold[places[i].row] = i % k;
    memory_release(places);
    return NUDGE_OK;
}
