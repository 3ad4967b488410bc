/* fused.c: see fused.h. */
#include "codegen/fused.h"

#include <stdlib.h>
#include <string.h>

/* The value that a register holds at the end of the steps, or before step `before`: loads are values 0, 1, .., steps
 * come after. */
static int fused_value(const Group *g, int reg, int before)
{
    for (int s = before - 1; s >= 0; s--)
        if (g->step[s].target == reg) return g->loads + s;
    for (int i = 0; i < g->loads; i++)
        if (g->load[i].target == reg) return i;
    return -1;
}

static void fused_output(const Group *g, int reg, Text *out, FusedOutputs *o)
{
    for (int i = 0; i < o->count; i++)
        if (o->reg[i] == reg) return;
    o->reg[o->count++] = reg;
    text_print(out, ">%d", fused_value(g, reg, g->steps));
}

void fused_text(const Group *g, Text *out, FusedOutputs *outputs)
{
    for (int i = 0; i < g->loads; i++)
        text_put(out, g->load[i].kind == LOAD_SCALAR ? 's' : 'v');
    for (int s = 0; s < g->steps; s++) {
        text_print(out, " %s", ops_table[g->step[s].op].name);
        for (int x = 0; x < ops_table[g->step[s].op].inputs; x++)
            text_print(out, "%c%d", x ? '.' : ':', fused_value(g, g->step[s].source[x], s));
    }
    text_put(out, ' ');
    outputs->count = 0;
    for (int i = 0; i < g->stores; i++)
        fused_output(g, g->store[i].source, out, outputs);
    for (int i = 0; i < g->reduces; i++)
        fused_output(g, g->reduce[i].source, out, outputs);
}

/* ---- Text to C ---- */

static void code_numbers(const char *kinds, size_t count, Text *out)
{
    for (size_t i = 0; i < count; i++)
        if (kinds[i] == 's') text_print(out, "    VECTOR v%zu = E(number)(x[%zu]);\n", i, i);
}

/* One step, "max:4.2". Returns its end. */
static const char *code_step(const char *s, size_t target, Text *out)
{
    const char *end = s + strcspn(s, " "), *colon = s + strcspn(s, ":");
    text_print(out, "        VECTOR v%zu = E(%.*s)(", target, (int)(colon - s), s);
    for (const char *p = colon; p < end;) {
        long value = strtol(p + 1, (char **)(uintptr_t)&p, 10);
        text_print(out, "v%ld%s", value, p < end ? ", " : ");\n");
    }
    return end;
}

/* From element i on: a vector, or the `left` elements of the last. */
static void code_body(const char *text, const char *part, const char *left, Text *out)
{
    size_t loads = strcspn(text, " "), values = loads;
    const char *s = text + loads;
    for (size_t i = 0; i < loads; i++)
        if (text[i] == 'v')
            text_print(out, "        VECTOR v%zu = E(load%s)((const REAL *)x[%zu] + i%s);\n", i, part, i,
                       left);
    for (; *s == ' ' && s[1] != '>'; values++)
        s = code_step(s + 1, values, out);
    for (int y = 0; *s; y++) {
        long value = strtol(s + strspn(s, " >"), (char **)(uintptr_t)&s, 10);
        text_print(out, "        E(store%s)(y[%d] + i, v%ld%s);\n", part, y, value, left);
    }
}

void fused_code(const char *text, int index, Text *out)
{
    text_print(
        out,
        "/* %s */\nstatic VEC_TARGET void E(fused_%d)(REAL *const *y, const void *const *x, size_t n)\n{\n",
        text, index);
    code_numbers(text, strcspn(text, " "), out);
    text_print(out, "    size_t i = 0;\n    for (; i + E(LANES) <= n; i += E(LANES)) {\n");
    code_body(text, "", "", out);
    text_print(out, "    }\n    if (i < n) {\n");
    code_body(text, "_part", ", n - i", out);
    text_print(out, "    }\n}\n\n");
}
