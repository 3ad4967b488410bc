/* isa.h: the instruction sets that kernels are built for, and which of them this machine has. Used by the kernels of
 * cpu/ and by who reads `isa=`; knows base only.
 *
 * Every kernel is compiled for each set in one plain build, by a target attribute on its functions, and is chosen
 * when the program runs. A result has the same bits on every machine only for the same set: isa= forces one. */
#ifndef CPU_ISA_H
#define CPU_ISA_H

#include "base/error.h"
#include <stdbool.h>

/* In the order of preference; each one includes those before it. */
typedef enum Isa {
    ISA_BASE,   /* what the compiler may assume: SSE2 on x86-64, NEON on AArch64 */
    ISA_AVX2,   /* with FMA: Haswell, Zen and later */
    ISA_AVX512, /* F, BW, DQ and VL: Skylake-X, Zen 4 and later */
    ISA_COUNT
} Isa;

/* Kernels for x86 sets exist in this build. */
#if defined(__x86_64__) && defined(__GNUC__)
#define ISA_X86 1
#else
#define ISA_X86 0
#endif

/* For a function of a kernel; what it includes must be usable without it (immintrin.h is). */
#define ISA_TARGET_AVX2   __attribute__((target("avx2,fma")))
#define ISA_TARGET_AVX512 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))

bool isa_has(Isa isa);         /* this machine and its operating system can run it */
Isa isa_best(void);            /* the last one they can */
const char *isa_name(Isa isa); /* "base", "avx2", "avx512" */

/* Reads the value of isa=. NUDGE_INPUT if there is no such set or this machine lacks it; *isa is then untouched. */
int isa_parse(const char *text, Isa *isa, Error *e);

#endif
