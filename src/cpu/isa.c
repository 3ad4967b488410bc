/* isa.c: see isa.h. */
#include "cpu/isa.h"

#include "base/text.h"
#include <string.h>

static const char *const isa_names[ISA_COUNT] = {"base", "avx2", "avx512"};

const char *isa_name(Isa isa)
{
    return isa_names[isa];
}

#if ISA_X86
/* The compiler's run-time library asked the processor, and whether the system saves the wide registers, before main. */
bool isa_has(Isa isa)
{
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return isa == ISA_BASE || (avx2 && (isa == ISA_AVX2 || avx512));
}
#else
bool isa_has(Isa isa)
{
    return isa == ISA_BASE;
}
#endif

Isa isa_best(void)
{
    Isa best = ISA_COUNT - 1;
    while (!isa_has(best))
        best--;
    return best;
}

int isa_parse(const char *text, Isa *isa, Error *e)
{
    Isa found = ISA_BASE;
    while (found < ISA_COUNT && strcmp(text, isa_names[found]))
        found++;
    if (found == ISA_COUNT) {
        const char *near = name_nearest(text, isa_names, ISA_COUNT);
        return error_set(e, NUDGE_INPUT, "isa=%s: no such instruction set; %s%s%s", text,
                         near ? "did you mean " : "choose base, avx2 or avx512", near ? near : "",
                         near ? "?" : "");
    }
    if (!isa_has(found))
        return error_set(e, NUDGE_INPUT, "isa=%s: this machine does not have it; it can run isa=%s", text,
                         isa_names[isa_best()]);
    *isa = found;
    return NUDGE_OK;
}
