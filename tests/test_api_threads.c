/* One handle, many threads: predictions have the same bits as alone, training any number of threads gives the same
 * weights, and a clone learns while the original serves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <nudge.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 300, INPUTS = 5, CLASSES = 3, THREADS = 6, TURNS = 30 };

static float rows_x[ROWS * INPUTS], rows_t[ROWS];

static void fill_rows(void)
{
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < INPUTS; k++)
            rows_x[i * INPUTS + k] = (float)sin(i * 12.9898 + k * 78.233 + (i % CLASSES) * k);
        rows_t[i] = (float)(i % CLASSES);
    }
}

static nudge *make(const char *options)
{
    nudge *m;
    int status = nudge_new(&m, INPUTS, "dense(24) relu dropout(.1) dense(24) tanh dense(3)", options);
    if (status) print_error("%s\n", nudge_message(m, status));
    assert_int_equal(status, 0);
    return m;
}

static void fit(nudge *m, const char *options)
{
    int status = nudge_fit(m, rows_x, rows_t, ROWS, options);
    if (status) print_error("%s\n", nudge_message(m, status));
    assert_int_equal(status, 0);
}

/* ---- Serving ---- */

typedef struct Server {
    const nudge *m;
    const float *wanted;
    int number;
    bool same, told;
} Server;

/* Each thread asks for other numbers of rows first, so that programs are made while others run. */
static void *serve(void *context)
{
    Server *s = context;
    float y[ROWS * CLASSES], none[1];
    s->same = s->told = true;
    for (int turn = 0; turn < TURNS; turn++) {
        size_t some = (size_t)(1 + (turn * 7 + s->number * 13) % ROWS);
        if (nudge_predict(s->m, rows_x, some, y, ROWS * CLASSES)) s->same = false;
        if (nudge_predict(s->m, rows_x, ROWS, y, ROWS * CLASSES) || memcmp(y, s->wanted, sizeof y))
            s->same = false;
        int status = nudge_predict(s->m, rows_x, (size_t)s->number + 1, none, 1); /* a message of its own */
        char number[32];
        snprintf(number, sizeof number, "but %d rows", s->number + 1);
        if (!strstr(nudge_message(s->m, status), number)) s->told = false;
    }
    return NULL;
}

static void serve_from_all(const nudge *m)
{
    float wanted[ROWS * CLASSES];
    pthread_t thread[THREADS];
    Server server[THREADS];
    assert_int_equal(nudge_predict(m, rows_x, ROWS, wanted, ROWS * CLASSES), 0);
    for (int i = 0; i < THREADS; i++) {
        server[i] = (Server){m, wanted, i, false, false};
        assert_int_equal(pthread_create(&thread[i], NULL, serve, &server[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        assert_true(server[i].same);
        assert_true(server[i].told);
    }
}

static void test_many_threads_predict(void **state)
{
    (void)state;
    nudge *m = make("loss=cross_entropy seed=1");
    fit(m, "epochs=2");
    serve_from_all(m);
    nudge_free(m);
}

/* The handle has threads of its own; one of the callers at a time gets them. */
static void test_many_threads_predict_with_threads(void **state)
{
    (void)state;
    nudge *m = make("loss=cross_entropy seed=1 threads=2");
    fit(m, "epochs=2");
    serve_from_all(m);
    nudge_free(m);
}

static void *save_and_clone(void *context)
{
    const nudge *m = context;
    size_t need;
    char *bytes = malloc(65536);
    for (int turn = 0; turn < 5; turn++) {
        nudge *copy;
        nudge_save_memory(m, bytes, 65536, &need);
        if (!nudge_clone(m, &copy)) nudge_step(copy, rows_x, rows_t, NULL, 10, NULL);
        nudge_free(copy);
    }
    free(bytes);
    return NULL;
}

static void test_clones_and_saves_beside(void **state)
{
    (void)state;
    nudge *m = make("loss=cross_entropy seed=1");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, save_and_clone, m), 0);
    serve_from_all(m);
    pthread_join(thread, NULL);
    nudge_free(m);
}

/* ---- Training in the background, then swapping ---- */

typedef struct Shop {
    _Atomic(nudge *) now;
    atomic_bool closing;
    atomic_int bad, served;
} Shop;

static void *keep_serving(void *context)
{
    Shop *s = context;
    float y[CLASSES];
    for (int i = 0; !atomic_load(&s->closing); i = (i + 1) % ROWS) {
        int status = nudge_predict(atomic_load(&s->now), rows_x + i * INPUTS, 1, y, CLASSES);
        if (status || fabsf(y[0] + y[1] + y[2] - 1) > 1e-5f) atomic_fetch_add(&s->bad, 1);
        atomic_fetch_add(&s->served, 1);
    }
    return NULL;
}

static void test_retrain_and_swap(void **state)
{
    (void)state;
    nudge *first = make("loss=cross_entropy seed=1"), *next;
    pthread_t thread[2];
    Shop shop = {0};
    atomic_store(&shop.now, first);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, keep_serving, &shop), 0);
    assert_int_equal(nudge_clone(first, &next), 0);
    fit(next, "epochs=5");
    atomic_store(&shop.now, next);
    int before = atomic_load(&shop.served);
    while (atomic_load(&shop.served) < before + 10)
        ;
    atomic_store(&shop.closing, true);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(atomic_load(&shop.bad), 0);
    nudge_free(first);
    nudge_free(next);
}

/* ---- Same bits ---- */

static void trained_bytes(int threads, const char *dtype, char *bytes, size_t room, size_t *need)
{
    char options[128];
    snprintf(options, sizeof options, "loss=cross_entropy seed=5 dtype=%s threads=%d", dtype, threads);
    nudge *m = make(options);
    fit(m, "epochs=3 batch=64 optimizer=adam(lr=.01) clip=1 validation=.2");
    assert_int_equal(nudge_save_memory(m, bytes, room, need), 0);
    nudge_free(m);
}

static void test_threads_give_the_same_bits(void **state)
{
    (void)state;
    static char one[65536], many[65536];
    size_t need, again;
    for (int pass = 0; pass < 2; pass++) {
        const char *dtype = pass ? "float64" : "float32";
        trained_bytes(1, dtype, one, sizeof one, &need);
        for (int threads = 2; threads <= 4; threads += 2) {
            trained_bytes(threads, dtype, many, sizeof many, &again);
            assert_int_equal(need, again); /* the file names no number of threads */
            assert_memory_equal(one, many, need);
        }
    }
}

/* ---- Where memory runs out ---- */

static atomic_bool heap_full;

/* malloc, but once full nothing of the size that programs work in. */
static void *tight_heap(void *context, void *block, size_t size)
{
    (void)context;
    if (size) return size > 100000 && atomic_load(&heap_full) ? NULL : realloc(block, size);
    free(block);
    return NULL;
}

typedef struct Asker {
    const nudge *m;
    const float *x, *wanted;
    bool same;
} Asker;

enum { WIDE_ROWS = 256 };

static void *ask(void *context)
{
    Asker *a = context;
    float y[WIDE_ROWS];
    a->same = true;
    for (int turn = 0; turn < TURNS; turn++)
        if (nudge_predict(a->m, a->x, WIDE_ROWS, y, WIDE_ROWS) || memcmp(y, a->wanted, sizeof y))
            a->same = false;
    return NULL;
}

/* There is memory for one run to work in, so the others wait for it. */
static void test_runs_take_turns_where_memory_ends(void **state)
{
    (void)state;
    float x[WIDE_ROWS], wanted[WIDE_ROWS];
    for (int i = 0; i < WIDE_ROWS; i++)
        x[i] = (float)i / WIDE_ROWS;
    nudge_allocator(tight_heap, NULL);
    nudge *m;
    assert_int_equal(nudge_new(&m, 1, "dense(300) tanh dense(300) tanh dense(1)", "loss=mse threads=1"), 0);
    assert_int_equal(nudge_predict(m, x, WIDE_ROWS, wanted, WIDE_ROWS), 0);
    atomic_store(&heap_full, true);
    pthread_t thread[THREADS];
    Asker asker[THREADS];
    for (int i = 0; i < THREADS; i++) {
        asker[i] = (Asker){m, x, wanted, false};
        assert_int_equal(pthread_create(&thread[i], NULL, ask, &asker[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_true(asker[i].same);
    }
    atomic_store(&heap_full, false);
    nudge_free(m);
    nudge_allocator(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_threads_predict),
        cmocka_unit_test(test_many_threads_predict_with_threads),
        cmocka_unit_test(test_clones_and_saves_beside),
        cmocka_unit_test(test_retrain_and_swap),
        cmocka_unit_test(test_threads_give_the_same_bits),
        cmocka_unit_test(test_runs_take_turns_where_memory_ends),
    };
    fill_rows();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
