/* threads.c: see threads.h.
 *
 * Everything is made of one thing, a signal: a counter that one thread raises and others wait for. A worker waits for
 * its `go`, works, raises `arrived`. At a barrier workers raise `arrived` and wait for the common `release`, which
 * thread 0 raises when all have arrived. Each counter has a cache line of its own, so that waiting disturbs nobody.
 *
 * A wait first spins (a barrier takes well under a microsecond when all threads have a core), then yields (when there
 * are more threads than cores, the one that is waited for may need this core), then sleeps. Spinning on costs a
 * hundredfold when a core is missing. */
#include "cpu/threads.h"

#include "base/memory.h"

#ifdef NUDGE_NO_THREADS

/* No pool is needed, but a handle that is not NULL says that nothing went wrong. */
struct Threads {
    char unused;
};

Threads *threads_new(int count)
{
    (void)count;
    return memory_zero(1, sizeof(Threads));
}

void threads_free(Threads *t)
{
    memory_release(t);
}

int threads_count(const Threads *t)
{
    (void)t;
    return 1;
}

void threads_run(Threads *t, ThreadsWork *work, void *context)
{
    (void)t;
    work(context, 0, 1);
}

void threads_run_some(Threads *t, int count, ThreadsWork *work, void *context)
{
    (void)count;
    threads_run(t, work, context);
}

void threads_barrier(Threads *t, int thread)
{
    (void)t, (void)thread;
}

#else

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __linux__
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { THREADS_PAUSES = 150, THREADS_YIELDS = 8, THREADS_LINE = 64 };

/* A counter in the upper 31 bits; the lowest bit says that somebody sleeps. */
typedef struct ThreadSignal {
    _Alignas(THREADS_LINE) _Atomic uint32_t word;
#ifndef __linux__
    pthread_mutex_t mutex;
    pthread_cond_t raised;
#endif
} ThreadSignal;

#define THREADS_ASLEEP 1u
#define THREADS_ONE    2u

typedef struct ThreadWorker {
    ThreadSignal go, arrived;
    Threads *pool;
    pthread_t id;
    int thread;
    uint32_t gathered; /* how far thread 0 has seen `arrived` */
} ThreadWorker;

struct Threads {
    ThreadSignal release;
    ThreadsWork *work; /* NULL tells the workers to end */
    void *context;
    int count;   /* places in worker[]; thread 0 has one, too */
    int usable;  /* threads that a run can have: count, until the system refuses one */
    int started; /* threads that exist */
    int active;  /* threads of this run */
    ThreadWorker worker[];
};

static inline void threads_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Sleeping: what only the operating system can do. thread_sleep may return early, but not late. */
#ifdef __linux__

static void thread_signal_init(ThreadSignal *s)
{
    atomic_init(&s->word, 0);
}

static void thread_signal_end(ThreadSignal *s)
{
    (void)s;
}

static void thread_sleep(ThreadSignal *s, uint32_t seen)
{
    syscall(SYS_futex, &s->word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void thread_wake(ThreadSignal *s)
{
    syscall(SYS_futex, &s->word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

#else

static void thread_signal_init(ThreadSignal *s)
{
    atomic_init(&s->word, 0);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->raised, NULL);
}

static void thread_signal_end(ThreadSignal *s)
{
    pthread_cond_destroy(&s->raised);
    pthread_mutex_destroy(&s->mutex);
}

static void thread_sleep(ThreadSignal *s, uint32_t seen)
{
    pthread_mutex_lock(&s->mutex);
    if (atomic_load(&s->word) == seen) pthread_cond_wait(&s->raised, &s->mutex);
    pthread_mutex_unlock(&s->mutex);
}

static void thread_wake(ThreadSignal *s)
{
    pthread_mutex_lock(&s->mutex);
    pthread_cond_broadcast(&s->raised);
    pthread_mutex_unlock(&s->mutex);
}

#endif

/* The counter as it stands: what thread_wait is to be given later. */
static uint32_t thread_seen(ThreadSignal *s)
{
    return atomic_load_explicit(&s->word, memory_order_relaxed) & ~THREADS_ASLEEP;
}

/* Only one thread raises a signal, so nothing is lost between load and exchange. */
static void thread_raise(ThreadSignal *s)
{
    uint32_t next = thread_seen(s) + THREADS_ONE;
    if (atomic_exchange_explicit(&s->word, next, memory_order_acq_rel) & THREADS_ASLEEP) thread_wake(s);
}

static bool thread_raised(ThreadSignal *s, uint32_t seen)
{
    return (atomic_load_explicit(&s->word, memory_order_acquire) & ~THREADS_ASLEEP) != seen;
}

static void thread_wait(ThreadSignal *s, uint32_t seen)
{
    for (int i = 0; i < THREADS_PAUSES; i++) {
        if (thread_raised(s, seen)) return;
        threads_pause();
    }
    for (int i = 0; i < THREADS_YIELDS; i++) {
        if (thread_raised(s, seen)) return;
        sched_yield();
    }
    while (!thread_raised(s, seen)) {
        uint32_t awake = seen;
        if (atomic_compare_exchange_strong(&s->word, &awake, seen | THREADS_ASLEEP) ||
            awake == (seen | THREADS_ASLEEP))
            thread_sleep(s, seen | THREADS_ASLEEP);
    }
}

/* Waits until all workers of this run have arrived. */
static void threads_gather(Threads *t)
{
    for (int i = 1; i < t->active; i++) {
        ThreadWorker *w = &t->worker[i];
        thread_wait(&w->arrived, w->gathered);
        w->gathered += THREADS_ONE;
    }
}

/* A worker counts the runs itself: the first may be announced before it gets to look. */
static void *thread_main(void *worker)
{
    ThreadWorker *w = worker;
    Threads *t = w->pool;
    for (uint32_t seen = 0;; seen += THREADS_ONE) {
        thread_wait(&w->go, seen);
        if (!t->work) return NULL;
        t->work(t->context, w->thread, t->active);
        thread_raise(&w->arrived);
    }
}

Threads *threads_new(int count)
{
    if (count < 1) count = 1;
    Threads *t = memory_zero(1, sizeof *t + (size_t)count * sizeof t->worker[0]);
    if (!t) return NULL;
    *t = (Threads){.count = count, .usable = count, .started = 1, .active = 1};
    thread_signal_init(&t->release);
    for (int i = 0; i < count; i++) {
        t->worker[i].pool = t;
        t->worker[i].thread = i;
        thread_signal_init(&t->worker[i].go);
        thread_signal_init(&t->worker[i].arrived);
    }
    return t;
}

/* Creates the workers. A signal sent to the process is for a thread of the program, never for one of ours. When the
 * system refuses a thread, the pool goes on with those it has. */
static void threads_start(Threads *t)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; t->started < t->count; t->started++) {
        ThreadWorker *w = &t->worker[t->started];
        if (pthread_create(&w->id, NULL, thread_main, w)) break;
    }
    t->usable = t->started;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Tells the workers 1 .. active-1 that there is something new. */
static void threads_go(Threads *t, int active)
{
    t->active = active;
    for (int i = 1; i < active; i++)
        thread_raise(&t->worker[i].go);
}

void threads_free(Threads *t)
{
    if (!t) return;
    t->work = NULL;
    threads_go(t, t->started);
    for (int i = 1; i < t->started; i++)
        pthread_join(t->worker[i].id, NULL);
    for (int i = 0; i < t->count; i++) {
        thread_signal_end(&t->worker[i].go);
        thread_signal_end(&t->worker[i].arrived);
    }
    thread_signal_end(&t->release);
    memory_release(t);
}

int threads_count(const Threads *t)
{
    return t ? t->usable : 1;
}

void threads_run_some(Threads *t, int count, ThreadsWork *work, void *context)
{
    if (count > 1 && t && t->started < t->usable) threads_start(t);
    int active = count < threads_count(t) ? count : threads_count(t);
    if (active <= 1) {
        if (t) t->active = 1;
        work(context, 0, 1);
        return;
    }
    t->work = work;
    t->context = context;
    threads_go(t, active);
    work(context, 0, active);
    threads_gather(t);
}

void threads_run(Threads *t, ThreadsWork *work, void *context)
{
    threads_run_some(t, threads_count(t), work, context);
}

void threads_barrier(Threads *t, int thread)
{
    if (!t || t->active <= 1) return;
    if (thread == 0) {
        threads_gather(t);
        thread_raise(&t->release);
    } else {
        uint32_t seen = thread_seen(&t->release);
        thread_raise(&t->worker[thread].arrived);
        thread_wait(&t->release, seen);
    }
}

#endif
