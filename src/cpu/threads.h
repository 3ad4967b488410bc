/* threads.h: a pool of threads that walk one piece of work together. Used by what runs programs (cpu, train); knows
 * base only. A pool belongs to one handle: nothing is shared between pools.
 *
 *     static void work(void *context, int thread, int count)      every thread calls it: thread = 0 .. count-1
 *     {
 *         for (int64_t task = thread; task < tasks; task += count) ...
 *         threads_barrier(pool, thread);                          all have finished the first part
 *         ...
 *     }
 *     threads_run(pool, work, context);                           the caller is thread 0
 *
 * The work must be right for any count: it may be smaller than asked for when the system refuses a thread, and it is 1
 * in a build with NUDGE_NO_THREADS. No thread exists before the first run that needs one; between runs all of them
 * sleep. The caller's affinity and signal mask stay as they are; the pool's threads take no signals. */
#ifndef CPU_THREADS_H
#define CPU_THREADS_H

typedef struct Threads Threads;
typedef void ThreadsWork(void *context, int thread, int count);

/* A pool of `count` threads, the caller of threads_run included; NULL if memory runs out. In all calls below NULL is
 * a pool of the caller alone. A pool is used by one thread at a time. */
Threads *threads_new(int count);
void threads_free(Threads *t);

/* The threads that a run would have now. */
int threads_count(const Threads *t);

/* Runs work on all threads, or on at most `count` of them, and returns when all are done: what they wrote is visible
 * to the caller. Not to be called from inside work on the same pool. */
void threads_run(Threads *t, ThreadsWork *work, void *context);
void threads_run_some(Threads *t, int count, ThreadsWork *work, void *context);

/* Inside work: waits until every thread of this run has called it. What they wrote before is visible after it. */
void threads_barrier(Threads *t, int thread);

#endif
