/* full_test_elements.c: every float through every elementwise primitive of one input, for every instruction set of this
 * machine, and hundreds of millions of pairs through pow. On two cores it takes half an hour. */
#include "base/philox.h"
#include "cpu/threads.h"
#include "elements_check.h"

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

typedef struct Sweep {
    int row;
    uint64_t chunks;
    Fill *fill;
    atomic_bool wrong;
} Sweep;

static void sweep_chunk(Sweep *s, uint64_t chunk)
{
    float x[2][CHUNK], y[CHUNK];
    double want[CHUNK];
    const float *const operands[3] = {x[0], x[1], NULL};
    s->fill(x, chunk);
    elements_reference(s->row, operands, want, CHUNK);
    for (Isa isa = 0; isa < ISA_COUNT; isa++)
        if (isa_has(isa)) {
            elements_for(isa)->f32[s->row](y, x[0], x[1], NULL, CHUNK);
            if (elements_wrong(isa, s->row, operands, y, want, CHUNK)) atomic_store(&s->wrong, true);
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
    Sweep s = {row, chunks, fill, false};
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
