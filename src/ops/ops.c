/* ops.c: the table of primitives, made from the two lists. */
#include "ops/ops.h"

#include <math.h>
#include <string.h>

#define ELEMENT1(name, value, gradient)                                                                      \
    static double ops_value_##name(double x, double unused1, double unused2)                                 \
    {                                                                                                        \
        (void)unused1, (void)unused2;                                                                        \
        return value;                                                                                        \
    }
#define ELEMENT2(name, value, gradient)                                                                      \
    static double ops_value_##name(double x, double z, double unused)                                        \
    {                                                                                                        \
        (void)unused;                                                                                        \
        return value;                                                                                        \
    }
#define ELEMENT3(name, value, gradient)                                                                      \
    static double ops_value_##name(double c, double x, double z)                                             \
    {                                                                                                        \
        return value;                                                                                        \
    }
#include "ops/elementwise.def"
#undef ELEMENT1
#undef ELEMENT2
#undef ELEMENT3

const OpRow ops_table[OP_COUNT] = {
#define ELEMENT1(name, value, gradient) {#name, 1, true, "", #value, gradient, ops_value_##name},
#define ELEMENT2(name, value, gradient) {#name, 2, true, "", #value, gradient, ops_value_##name},
#define ELEMENT3(name, value, gradient) {#name, 3, true, "", #value, gradient, ops_value_##name},
#include "ops/elementwise.def"
#undef ELEMENT1
#undef ELEMENT2
#undef ELEMENT3
#define STRUCTURAL(name, inputs, attributes, gradient)                                                       \
    {#name, inputs, false, attributes, NULL, gradient, NULL},
#include "ops/structural.def"
#undef STRUCTURAL
};

int ops_find(const char *name)
{
    for (int op = 0; op < OP_COUNT; op++)
        if (!strcmp(ops_table[op].name, name)) return op;
    return -1;
}
