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

static void code_loads(const char *kinds, size_t count, char kind, const char *at, Text *out)
{
    for (size_t i = 0; i < count; i++)
        if (kinds[i] == kind)
            text_print(out, "    %sVECTOR v%zu = E(load)(x[%zu]%s);\n", kind == 'v' ? "    " : "", i, i, at);
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

void fused_code(const char *text, int index, Text *out)
{
    size_t loads = strcspn(text, " "), values = loads;
    const char *s = text + loads;
    text_print(
        out,
        "/* %s */\nstatic VEC_TARGET void E(fused_%d)(REAL *const *y, const REAL *const *x, size_t blocks)\n{\n",
        text, index);
    code_loads(text, loads, 's', "", out);
    text_print(out, "    for (size_t i = 0; i < blocks * E(LANES); i += E(LANES)) {\n");
    code_loads(text, loads, 'v', " + i", out);
    for (; *s == ' ' && s[1] != '>'; values++)
        s = code_step(s + 1, values, out);
    for (int y = 0; *s; y++) {
        long value = strtol(s + strspn(s, " >"), (char **)(uintptr_t)&s, 10);
        text_print(out, "        E(store)(y[%d] + i, v%ld);\n", y, value);
    }
    text_print(out, "    }\n}\n\n");
}
