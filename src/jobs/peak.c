/* peak.c: see peak.h. */
#include "jobs/peak.h"

#include "base/memory.h"
#include <stdint.h>
#include <time.h>
#if ISA_X86
#include <immintrin.h>
#endif

enum {
    PEAK_CHAINS = 12,    /* sums that do not wait for each other: latency 4 on 2 units, and some to spare */
    PEAK_TURNS = 400000, /* about a millisecond or two */
    PEAK_BLOCKS = 8,     /* the best counts: machines are noisy */
    PEAK_LINE = 64,
    PEAK_MOVED = 32 << 20, /* bytes a block of the bandwidth test moves at least */
    PEAK_LEAST = 16 << 10
};

double peak_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- Multiply-adds ----------------------------------------------------------------------------------------- */

/* Each runs so many turns of PEAK_CHAINS vector multiply-adds, and gives a number that depends on all of them. The sums
 * begin with different values, or a compiler would compute one of them. */
typedef float peak_loop(int64_t turns);

typedef float PeakVector __attribute__((vector_size(16)));

static float peak_loop_base(int64_t turns)
{
    PeakVector sum[PEAK_CHAINS], x = {.999f, .999f, .999f, .999f};
    for (int i = 0; i < PEAK_CHAINS; i++)
        sum[i] = x * (float)i;
    for (int64_t t = 0; t < turns; t++) {
#pragma GCC unroll 12
        for (int i = 0; i < PEAK_CHAINS; i++)
            sum[i] = sum[i] * x + x;
    }
    for (int i = 1; i < PEAK_CHAINS; i++)
        sum[0] += sum[i];
    return sum[0][0];
}

#if ISA_X86
ISA_TARGET_AVX2 static float peak_loop_avx2(int64_t turns)
{
    __m256 sum[PEAK_CHAINS], x = _mm256_set1_ps(.999f);
    for (int i = 0; i < PEAK_CHAINS; i++)
        sum[i] = _mm256_set1_ps((float)i);
    for (int64_t t = 0; t < turns; t++) {
#pragma GCC unroll 12
        for (int i = 0; i < PEAK_CHAINS; i++)
            sum[i] = _mm256_fmadd_ps(sum[i], x, x);
    }
    for (int i = 1; i < PEAK_CHAINS; i++)
        sum[0] += sum[i];
    return sum[0][0];
}

ISA_TARGET_AVX512 static float peak_loop_avx512(int64_t turns)
{
    __m512 sum[PEAK_CHAINS], x = _mm512_set1_ps(.999f);
    for (int i = 0; i < PEAK_CHAINS; i++)
        sum[i] = _mm512_set1_ps((float)i);
    for (int64_t t = 0; t < turns; t++) {
#pragma GCC unroll 12
        for (int i = 0; i < PEAK_CHAINS; i++)
            sum[i] = _mm512_fmadd_ps(sum[i], x, x);
    }
    for (int i = 1; i < PEAK_CHAINS; i++)
        sum[0] += sum[i];
    return sum[0][0];
}
#endif

static const struct {
    peak_loop *loop;
    int lanes;
} peak_loops[ISA_COUNT] = {
    [ISA_BASE] = {peak_loop_base, 4},
#if ISA_X86
    [ISA_AVX2] = {peak_loop_avx2, 8},
    [ISA_AVX512] = {peak_loop_avx512, 16},
#endif
};

typedef struct PeakWork {
    Isa isa;
    float *result; /* of each thread, a cache line apart, so that no loop is left out as useless */
    float *a, *b, *c;
    size_t floats; /* of each array */
    int64_t turns;
} PeakWork;

static void peak_multiply(void *context, int thread, int count)
{
    PeakWork *w = context;
    (void)count;
    w->result[(size_t)thread * PEAK_LINE] = peak_loops[w->isa].loop(PEAK_TURNS);
}

/* The shortest of some runs, in seconds. */
static double peak_best(Threads *pool, ThreadsWork *work, PeakWork *w)
{
    double best = 0;
    for (int i = 0; i < PEAK_BLOCKS; i++) {
        double begin = peak_seconds();
        threads_run(pool, work, w);
        double time = peak_seconds() - begin;
        if (!i || time < best) best = time;
    }
    return best;
}

double peak_flops(Isa isa, Threads *pool)
{
    int count = threads_count(pool);
    PeakWork w = {.isa = isa, .result = memory_zero((size_t)count * PEAK_LINE, sizeof *w.result)};
    if (!w.result) return 0;
    double time = peak_best(pool, peak_multiply, &w);
    memory_release(w.result);
    return 2.0 * count * peak_loops[isa].lanes * PEAK_CHAINS * PEAK_TURNS / time;
}

/* ---- Memory ------------------------------------------------------------------------------------------------- */

static size_t peak_begin(const PeakWork *w, int thread, int count)
{
    return w->floats * (size_t)thread / (size_t)count / PEAK_LINE * PEAK_LINE;
}

static size_t peak_end(const PeakWork *w, int thread, int count)
{
    return thread + 1 == count ? w->floats : peak_begin(w, thread + 1, count);
}

static void peak_triad(void *context, int thread, int count)
{
    PeakWork *w = context;
    size_t begin = peak_begin(w, thread, count), end = peak_end(w, thread, count);
    float *restrict a = w->a;
    const float *restrict b = w->b, *restrict c = w->c;
    for (int64_t t = 0; t < w->turns; t++) {
        float s = (float)t;
        for (size_t i = begin; i < end; i++)
            a[i] = b[i] + s * c[i];
    }
}

/* Reads all three arrays as bits; sums of integers are free to be taken in any order, and so in vectors. */
static void peak_read(void *context, int thread, int count)
{
    PeakWork *w = context;
    size_t begin = peak_begin(w, thread, count), end = peak_end(w, thread, count);
    const uint32_t *a = (const uint32_t *)(const void *)w->a, *b = (const uint32_t *)(const void *)w->b;
    const uint32_t *c = (const uint32_t *)(const void *)w->c;
    uint32_t sum = 0;
    for (int64_t t = 0; t < w->turns; t++)
        for (size_t i = begin; i < end; i++)
            sum += (a[i] ^ (uint32_t)t) + b[i] + c[i];
    w->result[(size_t)thread * PEAK_LINE] = (float)sum;
}

double peak_bandwidth(size_t bytes, Threads *pool)
{
    if (bytes < PEAK_LEAST) bytes = PEAK_LEAST;
    size_t floats = bytes / (3 * sizeof(float)), line = PEAK_LINE / sizeof(float);
    int64_t turns = (int64_t)(PEAK_MOVED / bytes + 1);
    /* The three arrays begin at different places in a page, or their lines would push each other out. */
    float *all = memory_zero(3 * (floats + 5 * line), sizeof *all);
    PeakWork w = {.floats = floats, .turns = turns, .a = all, .b = all + floats + 5 * line};
    w.c = w.b + floats + 5 * line;
    w.result = memory_zero((size_t)threads_count(pool) * PEAK_LINE, sizeof *w.result);
    double time = 0;
    if (all && w.result) {
        double triad = peak_best(pool, peak_triad, &w), read = peak_best(pool, peak_read, &w);
        time = triad < read ? triad : read;
    }
    memory_release(all);
    memory_release(w.result);
    return time > 0 ? 3.0 * sizeof(float) * (double)floats * (double)turns / time : 0;
}
