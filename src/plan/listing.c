/* listing.c: a program for people: one line an instruction. See plan.h. */
#include "plan/plan.h"

static void listing_shape(Text *out, const Shape *s)
{
    text_put(out, '[');
    for (int a = 0; a < s->rank; a++)
        text_print(out, "%s%lld", a ? "," : "", (long long)s->dim[a]);
    text_put(out, ']');
}

static void listing_view(const Program *p, const View *v, Text *out)
{
    if (v->slot == SLOT_WORK)
        text_print(out, " @%lld", (long long)v->offset);
    else if (v->slot == SLOT_SCALARS)
        text_print(out, " s%lld", (long long)(v->offset / (int64_t)sizeof(double)));
    else if (p->slot[v->slot].name[0])
        text_print(out, " %s", p->slot[v->slot].name);
    else
        text_print(out, " slot%d", v->slot);
    listing_shape(out, &v->shape);
    if (v->type != TYPE_REAL && v->type != TYPE_SCALAR) text_print(out, "%s", type_name[v->type]);
}

/* The steps of a group in short: "mul add relu", with reductions at the end. */
static void listing_group(const Group *g, Text *out)
{
    text_print(out, "  {");
    for (int i = 0; i < g->steps; i++)
        text_print(out, "%s%s", i ? " " : "", ops_table[g->step[i].op].name);
    for (int i = 0; i < g->reduces; i++)
        text_print(out, "%s%s", g->steps || i ? " " : "", ops_table[g->reduce[i].op].name);
    text_print(out, "} over ");
    listing_shape(out, &g->space);
    if (g->segments > 1) text_print(out, " in %lld parts", (long long)g->segments);
}

static void listing_program(const Program *p, int depth, Text *out)
{
    for (int n = 0; n < p->instructions; n++) {
        const Instruction *i = &p->instruction[n];
        text_print(out, "%*s%3d %s %s", 2 * depth, "", n, i->barrier ? "|" : " ", i->name);
        for (int k = 0; k < i->reads; k++)
            listing_view(p, &i->read[k], out);
        text_print(out, " ->");
        for (int k = 0; k < i->writes; k++)
            listing_view(p, &i->write[k], out);
        if (i->group) listing_group(i->group, out);
        text_print(out, "  tasks %lld, %lld bytes", (long long)i->tasks, (long long)i->bytes);
        if (i->multiply_adds) text_print(out, ", %lld multiply-adds", (long long)i->multiply_adds);
        text_put(out, '\n');
        if (!i->loop) continue;
        text_print(out, "%*s%lld turns%s, %d carried\n", 2 * depth + 6, "", (long long)i->loop->count,
                   i->loop->reverse ? " in reverse" : "", i->loop->carries);
        listing_program(i->loop->body, depth + 2, out);
    }
}

void plan_print(const Program *p, Text *out)
{
    text_print(out, "%s, %s: %d instructions, %zu bytes of work, %lld multiply-adds, %lld bytes moved\n",
               p->backend->name, p->dtype == DTYPE_F64 ? "float64" : "float32", p->instructions, p->work,
               (long long)p->multiply_adds, (long long)p->bytes);
    listing_program(p, 0, out);
}
