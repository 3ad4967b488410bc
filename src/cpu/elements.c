/* elements.c: see elements.h. The kernels are in elements.inc (for an instruction set), element_rows.inc (for a type of
 * reals in one) and vecmath.inc (the mathematics); here is what does not depend on either, and the choice. */
#include "cpu/elements.h"

#include "base/philox.h"
#include <math.h>
#include <string.h>
#if ISA_X86
#include <immintrin.h>
#endif

/* ---- Casts to integers ----------------------------------------------------------------------------------------- */

static inline int32_t element_to_i32(double x)
{
    return x != x ? 0 : x >= INT32_MAX ? INT32_MAX : x <= INT32_MIN ? INT32_MIN : (int32_t)x;
}

static inline uint8_t element_to_u8(double x)
{
    return !(x > 0) ? 0 : x >= UINT8_MAX ? UINT8_MAX : (uint8_t)x;
}

/* ---- Random numbers -------------------------------------------------------------------------------------------- */

/* A source makes the numbers of a few Philox blocks at once. */
typedef struct ElementRandom {
    void (*make)(void *numbers, uint64_t seed, uint64_t site, uint64_t block);
    size_t size;              /* of a number */
    unsigned blocks, a_block; /* blocks at once, numbers in each */
} ElementRandom;

enum { ELEMENT_RANDOM_ROOM = 32 }; /* doubles that the largest source makes at once */

/* y[0..n) = numbers first, first + 1, ... */
static void element_random(const ElementRandom *source, void *y, uint64_t seed, uint64_t site, uint64_t first,
                           size_t n)
{
    double room[ELEMENT_RANDOM_ROOM];
    uint64_t block = first / source->a_block;
    size_t skip = first % source->a_block, group = (size_t)source->blocks * source->a_block;
    for (char *to = y; n; block += source->blocks, skip = 0) {
        size_t count = group - skip < n ? group - skip : n, bytes = count * source->size;
        source->make(room, seed, site, block);
        memcpy(to, (const char *)room + skip * source->size, bytes);
        to += bytes;
        n -= count;
    }
}

static const double element_turn = 6.283185307179586477;

/* Two independent normal numbers from two in (0, 1] and [0, 1) (Box and Muller 1958). In double by libm, whatever the
 * instruction set: initial weights are then the same everywhere. */
static void element_box_muller(double z[2], double radius, double angle)
{
    double r = sqrt(-2 * log(radius));
    z[0] = r * cos(element_turn * angle);
    z[1] = r * sin(element_turn * angle);
}

/* All 32 bits of a word count: the largest number is 6.7. */
static void element_normals_f32(void *numbers, uint64_t seed, uint64_t site, uint64_t block)
{
    Philox p = philox(seed, site, block);
    float *y = numbers;
    for (int i = 0; i < 4; i += 2) {
        double z[2];
        element_box_muller(z, (p.word[i] + 1.0) * 0x1p-32, p.word[i + 1] * 0x1p-32);
        y[i] = (float)z[0];
        y[i + 1] = (float)z[1];
    }
}

static void element_normals_f64(void *numbers, uint64_t seed, uint64_t site, uint64_t block)
{
    Philox p = philox(seed, site, block);
    uint64_t low = p.word[0] | (uint64_t)p.word[1] << 32, high = p.word[2] | (uint64_t)p.word[3] << 32;
    element_box_muller(numbers, (double)((low >> 11) + 1) * 0x1p-53, (double)(high >> 11) * 0x1p-53);
}

static void element_normal_f32(float *y, uint64_t seed, uint64_t site, uint64_t first, size_t n)
{
    static const ElementRandom source = {element_normals_f32, sizeof(float), 1, 4};
    element_random(&source, y, seed, site, first, n);
}

static void element_normal_f64(double *y, uint64_t seed, uint64_t site, uint64_t first, size_t n)
{
    static const ElementRandom source = {element_normals_f64, sizeof(double), 1, 2};
    element_random(&source, y, seed, site, first, n);
}

/* ---- The kernels, for each instruction set ---------------------------------------------------------------------- */

#define VEC_FN static inline __attribute__((always_inline)) VEC_TARGET
#define F32    V(F32)
#define F64    V(F64)
#define I32    V(I32)
#define I64    V(I64)
#define U32    V(U32)
#define U64    V(U64)

#define V(name)   vec_##name##_base
#define VEC_BYTES 16
#define VEC_TARGET
#include "cpu/elements.inc"

#if ISA_X86
#define V(name)    vec_##name##_avx2
#define VEC_BYTES  32
#define VEC_TARGET ISA_TARGET_AVX2
#include "cpu/elements.inc"

#define V(name)    vec_##name##_avx512
#define VEC_BYTES  64
#define VEC_TARGET ISA_TARGET_AVX512
#include "cpu/elements.inc"
#endif

#undef VEC_FN
#undef F32
#undef F64
#undef I32
#undef I64
#undef U32
#undef U64

const Elements *elements_for(Isa isa)
{
#if ISA_X86
    static const Elements *const tables[ISA_COUNT] = {&vec_table_base, &vec_table_avx2, &vec_table_avx512};
#else
    static const Elements *const tables[ISA_COUNT] = {&vec_table_base, &vec_table_base, &vec_table_base};
#endif
    return tables[isa];
}
