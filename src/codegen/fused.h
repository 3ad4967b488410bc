/* fused.h: the steps of a group as canonical text, and that text as C. Used by cpu/ to find a kernel that was generated
 * for a group, and by the generator (generate/), which writes those kernels. Knows plan/.
 *
 * The text says what the steps compute and nothing else: no shape, no memory, no value of a number. Two groups with the
 * same text run the same kernel:
 *
 *     vvs mul:0.1 add:3.2 max:4.2 >5        two vectors and a number come in; value 3 = 0 * 1 ...; value 5 goes out
 */
#ifndef CODEGEN_FUSED_H
#define CODEGEN_FUSED_H

#include "plan/plan.h"

/* The values that go out: those that stores and reductions read, each once, as registers of the group. */
typedef struct FusedOutputs {
    int count;
    int *reg; /* room for stores + reduces */
} FusedOutputs;

/* Appends the text of a group's steps; fills in outputs, in the order of the text. */
void fused_text(const Group *g, Text *out, FusedOutputs *outputs);

/* Appends the body of the C function for a text, as cpu/elements.inc includes it; `index` makes its name. */
void fused_code(const char *text, int index, Text *out);

#endif
