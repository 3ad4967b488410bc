/* full_test_elements.c: every float through every elementwise primitive of one input, for every instruction set of this
 * machine, and hundreds of millions of pairs through pow.
 *
 * libm's scalar functions would take most of an hour. Where the C library has vector ones (glibc's libmvec, double), they
 * sort out first what is certainly right; whatever is not, and one chunk in 64 whole, is judged by libm. */
#include "base/philox.h"
#include "cpu/threads.h"
#include "elements_check.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

enum { CHUNK = 4096 };

/* Fills the operands of one chunk of a row's work. */
typedef void Fill(float x[2][CHUNK], uint64_t chunk);

/* ---- Estimates, good to a few units of a double ----------------------------------------------------------- */

typedef double Four __attribute__((vector_size(32)));
typedef Four Vectors(Four);

/* A row's function in libmvec. Two rows are made of another. */
typedef struct Estimate {
    Vectors *vectors; /* NULL: there is none */
    bool sigmoid, gelu;
} Estimate;

static Estimate estimate_find(int row)
{
    const char *name = ops_table[row].name;
    Estimate e = {NULL, !strcmp(name, "sigmoid"), !strcmp(name, "gelu")};
#ifdef __x86_64__
    void *library = __builtin_cpu_supports("avx2") ? dlopen("libmvec.so.1", RTLD_NOW) : NULL;
    char symbol[64];
    snprintf(symbol, sizeof symbol, "_ZGVdN4v_%s", e.sigmoid ? "exp" : e.gelu ? "erfc" : name);
    if (library) *(void **)&e.vectors = dlsym(library, symbol);
#endif
    return e;
}

#ifdef __x86_64__
__attribute__((target("avx2")))
#endif
static void
estimate_chunk(const Estimate *e, const float *x, double *y)
{
    for (int i = 0; i < CHUNK; i += 4) {
        Four v = {x[i], x[i + 1], x[i + 2], x[i + 3]};
        Four r = e->vectors(e->sigmoid ? -v : e->gelu ? v * -0.70710678118654752 : v);
        if (e->sigmoid) r = 1 / (1 + r);
        if (e->gelu) r = v * r / 2;
        memcpy(y + i, &r, sizeof r);
    }
}

/* Whether y is near enough whichever way the estimate's error rounds. */
static inline bool estimate_settles(float y, double estimate, int64_t allowed)
{
    return elements_distance(y, estimate) < allowed;
}

/* ---- Sweeps ----------------------------------------------------------------------------------------------- */

typedef struct Sweep {
    int row;
    Estimate estimate;
    uint64_t chunks;
    Fill *fill;
    atomic_bool wrong;
} Sweep;

/* The elements i of a chunk from..to, judged by libm. */
static void sweep_judge(Sweep *s, Isa isa, float x[2][CHUNK], const float *y, size_t from, size_t to)
{
    double want[CHUNK];
    const float *const operands[3] = {x[0] + from, x[1] + from, NULL};
    elements_reference(s->row, operands, want, to - from);
    if (elements_wrong(isa, s->row, operands, y + from, want, to - from)) atomic_store(&s->wrong, true);
}

static void sweep_chunk(Sweep *s, uint64_t chunk)
{
    float x[2][CHUNK], y[CHUNK];
    double estimate[CHUNK];
    bool whole = !s->estimate.vectors || chunk % 64 == 0;
    int64_t allowed = elements_allowed(s->row);
    s->fill(x, chunk);
    if (!whole) estimate_chunk(&s->estimate, x[0], estimate);
    for (Isa isa = 0; isa < ISA_COUNT; isa++) {
        if (!isa_has(isa)) continue;
        elements_for(isa)->f32[s->row](y, x[0], x[1], NULL, CHUNK);
        if (whole) sweep_judge(s, isa, x, y, 0, CHUNK);
        for (size_t i = 0; !whole && i < CHUNK; i++)
            if (!estimate_settles(y[i], estimate[i], allowed)) sweep_judge(s, isa, x, y, i, i + 1);
    }
}

static void sweep_work(void *context, int thread, int count)
{
    Sweep *s = context;
    for (uint64_t chunk = (uint64_t)thread; chunk < s->chunks && !atomic_load(&s->wrong);
         chunk += (uint64_t)count)
        sweep_chunk(s, chunk);
}

static void sweep(int row, uint64_t chunks, Fill *fill)
{
    Sweep s = {row, ops_table[row].inputs == 1 ? estimate_find(row) : (Estimate){NULL, false, false}, chunks,
               fill, false};
    printf("%s%s\n", ops_table[row].name, s.estimate.vectors ? ", estimated first" : "");
    fflush(stdout);
    Threads *threads = threads_new((int)sysconf(_SC_NPROCESSORS_ONLN));
    assert_non_null(threads);
    threads_run(threads, sweep_work, &s);
    threads_free(threads);
    assert_false(atomic_load(&s.wrong));
}

/* All floats, in the order of their bits. */
static void fill_all(float x[2][CHUNK], uint64_t chunk)
{
    for (uint32_t i = 0; i < CHUNK; i++)
        x[0][i] = elements_float((uint32_t)(chunk * CHUNK) + i);
}

static void test_every_float(void **state)
{
    (void)state;
    for (int row = 0; row < ELEMENTS; row++)
        if (ops_table[row].inputs == 1) sweep(row, (UINT64_C(1) << 32) / CHUNK, fill_all);
}

/* x of any size and z such that the power is a float: log2|x|^z is spread over -155 to 133. z is an integer in half of
 * the pairs, and x negative in a quarter. */
static void fill_powers(float x[2][CHUNK], uint64_t chunk)
{
    for (uint32_t i = 0; i < CHUNK; i++) {
        uint64_t bits = hash_mix((chunk * CHUNK + i) * 0x9E3779B97F4A7C15u + 1), more = hash_mix(bits);
        float a = elements_float((uint32_t)bits & 0x7FFFFFFF);
        if (more & 4) a = 1 + (a - 1) * 0x1p-12f / (a + 1);
        double logarithm = (double)(more >> 40) * 0x1p-24 * 288 - 155;
        float z = (float)(logarithm / log2(a));
        x[1][i] = more & 1 ? rintf(z) : z;
        x[0][i] = more & 2 && bits >> 63 ? -a : a;
    }
}

static void test_powers(void **state)
{
    (void)state;
    sweep(OP_pow, (UINT64_C(1) << 28) / CHUNK, fill_powers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_powers),
        cmocka_unit_test(test_every_float),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
