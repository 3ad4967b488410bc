/* test_threads.c: the pool: who runs, barriers, runs of some threads, pools beside each other, sleep, and a system that
 * refuses threads. It is quick under the thread sanitizer, too. */
#define _GNU_SOURCE /* CPU_EQUAL, pthread_setattr_default_np */
#include "cpu/threads.h"

#include <dirent.h>
#include <nudge.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { MOST = 16 };

/* What each thread notes, without any lock: the pool must order it. */
typedef struct Notes {
    Threads *pool;
    int calls[MOST], counts[MOST];
    pthread_t id[MOST];
    int rounds;
    int64_t value[MOST];
    bool wrong[MOST];
} Notes;

static void note(void *context, int thread, int count)
{
    Notes *n = context;
    n->calls[thread]++;
    n->counts[thread] = count;
    n->id[thread] = pthread_self();
}

static void assert_noted(const Notes *n, int count, int calls)
{
    for (int i = 0; i < MOST; i++) {
        assert_int_equal(n->calls[i], i < count ? calls : 0);
        if (i < count) assert_int_equal(n->counts[i], count);
    }
    assert_true(pthread_equal(n->id[0], pthread_self()));
}

/* Every thread runs once a run, the caller as thread 0. */
static void test_everybody(void **state)
{
    (void)state;
    for (int count = 1; count <= 8; count++) {
        Notes n = {0};
        Threads *t = threads_new(count);
        assert_non_null(t);
        assert_int_equal(threads_count(t), count);
        for (int run = 0; run < 50; run++)
            threads_run(t, note, &n);
        assert_noted(&n, count, 50);
        for (int i = 1; i < count; i++)
            assert_false(pthread_equal(n.id[i], n.id[i - 1]));
        threads_free(t);
    }
}

static void test_nobody_else(void **state)
{
    (void)state;
    static const int counts[] = {1, 0, -3};
    for (int i = 0; i < 3; i++) {
        Notes n = {0};
        Threads *t = threads_new(counts[i]);
        threads_run(t, note, &n);
        assert_noted(&n, 1, 1);
        threads_free(t);
    }
    Notes n = {0};
    threads_run(NULL, note, &n);
    threads_run_some(NULL, 4, note, &n);
    threads_barrier(NULL, 0);
    threads_free(NULL);
    assert_noted(&n, 1, 2);
}

static void test_some(void **state)
{
    (void)state;
    Threads *t = threads_new(5);
    for (int run = 0; run < 60; run++) {
        Notes n = {0};
        int count = run % 7;
        threads_run_some(t, count, note, &n);
        assert_noted(&n, count < 1 ? 1 : count > 5 ? 5 : count, 1);
    }
    threads_free(t);
}

/* Each round every thread writes its own number, and after the barrier reads all others. */
static void rounds(void *context, int thread, int count)
{
    Notes *n = context;
    for (int round = 1; round <= n->rounds; round++) {
        n->value[thread] = (int64_t)round * (thread + 1);
        threads_barrier(n->pool, thread);
        for (int i = 0; i < count; i++)
            if (n->value[i] != (int64_t)round * (i + 1)) n->wrong[thread] = true;
        threads_barrier(n->pool, thread);
    }
}

static void rounds_check(Notes *n, int count)
{
    for (int i = 0; i < count; i++) {
        assert_false(n->wrong[i]);
        assert_int_equal(n->value[i], (int64_t)n->rounds * (i + 1));
    }
}

/* More threads than cores, too. */
static void test_barrier(void **state)
{
    (void)state;
    for (int count = 1; count <= 12; count += count < 4 ? 1 : 4) {
        Notes n = {.pool = threads_new(count), .rounds = count <= 2 ? 2000 : 100};
        threads_run(n.pool, rounds, &n);
        rounds_check(&n, count);
        n.rounds = 7;
        threads_run_some(n.pool, 2, rounds, &n);
        rounds_check(&n, count < 2 ? count : 2);
        threads_free(n.pool);
    }
}

/* What rounds looks for must be seen when it is there. */
static void careless(void *context, int thread, int count)
{
    Notes *n = context;
    for (int i = 0; i < count; i++)
        if (n->value[i] != i + 1) n->wrong[thread] = true;
}

static void test_check_sees(void **state)
{
    (void)state;
    Notes n = {.pool = threads_new(3), .value = {1, 2, 4}};
    threads_run(n.pool, careless, &n);
    assert_true(n.wrong[0] && n.wrong[1] && n.wrong[2]);
    threads_free(n.pool);
}

/* ---- Pools beside each other ------------------------------------------------------------------------------------- */

static void *own_pool(void *wrong)
{
    Notes n = {.pool = threads_new(3), .rounds = 20};
    for (int run = 0; run < 20; run++)
        threads_run(n.pool, rounds, &n);
    for (int i = 0; i < 3; i++)
        *(bool *)wrong |= n.wrong[i];
    threads_free(n.pool);
    return NULL;
}

static void test_two_pools(void **state)
{
    (void)state;
    bool wrong[3] = {false};
    pthread_t id[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&id[i], NULL, own_pool, &wrong[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(id[i], NULL);
        assert_false(wrong[i]);
    }
}

/* A pool used inside another pool's work. */
static void inner(void *context, int thread, int count)
{
    (void)count;
    own_pool(&((Notes *)context)->wrong[thread]);
}

static void test_pool_in_pool(void **state)
{
    (void)state;
    Notes n = {.pool = threads_new(2)};
    threads_run(n.pool, inner, &n);
    assert_false(n.wrong[0] || n.wrong[1]);
    threads_free(n.pool);
}

/* ---- What the program around it notices -------------------------------------------------------------------------- */

static void pause_for(int milliseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000L}, NULL);
}

static double processor_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Between runs the pool uses no processor time. */
static void test_sleep(void **state)
{
    (void)state;
    Notes n = {0};
    Threads *t = threads_new(4);
    threads_run(t, note, &n);
    pause_for(20);
    double before = processor_time();
    pause_for(100);
    assert_true(processor_time() - before < 0.02);
    threads_run(t, note, &n);
    assert_noted(&n, 4, 2);
    threads_free(t);
}

/* A thread that has long to wait at a barrier sleeps, too. */
static void late(void *context, int thread, int count)
{
    Notes *n = context;
    if (thread == n->rounds) pause_for(100);
    n->value[thread] = count;
    threads_barrier(n->pool, thread);
    n->wrong[thread] = n->value[n->rounds] != count;
}

static void test_late(void **state)
{
    (void)state;
    for (int who = 0; who < 3; who++) {
        Notes n = {.pool = threads_new(3), .rounds = who};
        double before = processor_time();
        threads_run(n.pool, late, &n);
        assert_true(processor_time() - before < 0.06);
        assert_false(n.wrong[0] || n.wrong[1] || n.wrong[2]);
        threads_free(n.pool);
    }
}

#ifdef __linux__
static int threads_existing(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count;
}

/* A thread that has ended can be seen for a moment yet. */
static bool threads_become(int count)
{
    for (int wait = 0; wait < 200 && threads_existing() != count; wait++)
        pause_for(5);
    return threads_existing() == count;
}

/* No thread before the first run that needs one, none left after the end. */
static void test_lazy(void **state)
{
    (void)state;
    Notes n = {0};
    pause_for(50);
    int before = threads_existing();
    Threads *t = threads_new(4);
    threads_run_some(t, 1, note, &n);
    assert_int_equal(threads_existing(), before);
    threads_run_some(t, 2, note, &n);
    assert_int_equal(threads_existing(), before + 3);
    threads_free(t);
    assert_true(threads_become(before));
}
#endif

#ifdef __GLIBC__
/* Memory for such a stack cannot be had, so no thread can be created. The caller works alone, and right. */
static void test_refused(void **state)
{
    (void)state;
    pthread_attr_t before, huge;
    assert_int_equal(pthread_getattr_default_np(&before), 0);
    assert_int_equal(pthread_attr_init(&huge), 0);
    assert_int_equal(pthread_attr_setstacksize(&huge, (size_t)1 << 46), 0);
    assert_int_equal(pthread_setattr_default_np(&huge), 0);
    Notes n = {.pool = threads_new(4), .rounds = 5};
    threads_run(n.pool, note, &n);
    assert_int_equal(pthread_setattr_default_np(&before), 0);
    assert_noted(&n, 1, 1);
    assert_int_equal(threads_count(n.pool), 1);
    threads_run(n.pool, rounds, &n);
    rounds_check(&n, 1);
    threads_free(n.pool);
    pthread_attr_destroy(&huge);
    pthread_attr_destroy(&before);
}

static void affinity_note(void *context, int thread, int count)
{
    (void)count;
    sched_getaffinity(0, sizeof(cpu_set_t), (cpu_set_t *)context + thread);
}

static void test_affinity(void **state)
{
    (void)state;
    cpu_set_t before, during[3];
    Threads *t = threads_new(3);
    sched_getaffinity(0, sizeof before, &before);
    memset(during, 0, sizeof during);
    threads_run(t, affinity_note, during);
    for (int i = 0; i < 3; i++)
        assert_true(CPU_EQUAL(&before, &during[i]));
    threads_free(t);
}
#endif

/* Signals stay with the program: its mask is as before, and the pool's threads block all. */
static void signals(void *context, int thread, int count)
{
    (void)count;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    ((int *)context)[thread] = sigismember(&mask, SIGINT);
}

static void test_signals(void **state)
{
    (void)state;
    int blocked[3] = {-1, -1, -1};
    Threads *t = threads_new(3);
    threads_run(t, signals, blocked);
    assert_int_equal(blocked[0], 0);
    assert_int_equal(blocked[1], 1);
    assert_int_equal(blocked[2], 1);
    threads_free(t);
}

static void *no_memory(void *context, void *block, size_t size)
{
    (void)context, (void)block, (void)size;
    return NULL;
}

static void test_no_memory(void **state)
{
    (void)state;
    nudge_allocator(no_memory, NULL);
    Threads *t = threads_new(4);
    nudge_allocator(NULL, NULL);
    assert_null(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everybody),    cmocka_unit_test(test_nobody_else),
        cmocka_unit_test(test_some),         cmocka_unit_test(test_barrier),
        cmocka_unit_test(test_check_sees),   cmocka_unit_test(test_two_pools),
        cmocka_unit_test(test_pool_in_pool), cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_late),
#ifdef __linux__
        cmocka_unit_test(test_lazy),
#endif
#ifdef __GLIBC__
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_affinity),
#endif
        cmocka_unit_test(test_signals),      cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
