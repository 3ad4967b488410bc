/* fused.c: writes the kernels that cpu/elements.inc includes: one for the steps of every group that the nets below need.
 * A host program, run while the library is built; it plans each net with the library itself and asks codegen/ for the C
 * of its groups.
 *
 *     nudge_generate OUT_DIR        writes OUT_DIR/cpu/fused.inc and OUT_DIR/cpu/fused_list.inc
 */
#include "codegen/fused.h"
#include "cpu/cpu.h"
#include "format/file.h"
#include "train/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Texts {
    char **list;
    size_t count, room;
} Texts;

static void generate_fail(const char *what)
{
    fprintf(stderr, "nudge_generate: %s\n", what);
    exit(NUDGE_MACHINE);
}

static void texts_add(Texts *t, const char *text)
{
    for (size_t i = 0; i < t->count; i++)
        if (!strcmp(t->list[i], text)) return;
    if (!memory_grow(&t->list, &t->room, t->count + 1, sizeof *t->list)) generate_fail("out of memory");
    if (!(t->list[t->count++] = memory_string(text))) generate_fail("out of memory");
}

static void texts_collect(Texts *t, const Program *p)
{
    for (int n = 0; n < p->instructions; n++) {
        const Instruction *i = &p->instruction[n];
        if (i->loop) texts_collect(t, i->loop->body);
        if (!i->group) continue;
        Text text = {0};
        FusedOutputs outputs = {0, memory_new((size_t)(i->group->stores + i->group->reduces), sizeof(int))};
        if (!outputs.reg) generate_fail("out of memory");
        fused_text(i->group, &text, &outputs);
        texts_add(t, text_end(&text));
        memory_release(outputs.reg);
        text_free(&text);
    }
}

static void generate_network(Texts *t, Blueprint *b, const Binding *k)
{
    Error e = {0};
    Network *n = network_build(b, k, &e);
    if (!n) generate_fail(e.message);
    PlanOutput output[3];
    int outputs = 0;
    if (n->prediction) output[outputs++] = (PlanOutput){"y", n->prediction};
    if (n->loss) output[outputs++] = (PlanOutput){"loss", n->loss};
    if (n->norms) output[outputs++] = (PlanOutput){"norms", n->norms};
    PlanRequest r = {.graph = n->graph,
                     .outputs = outputs,
                     .output = output,
                     .assignments = k->mode == MODE_TRAIN,
                     .dtype = DTYPE_F32};
    r.backend = cpu_backend(ISA_BASE);
    Program *p = plan_compile(&r, &e);
    if (!p) generate_fail(e.message);
    texts_collect(t, p);
    plan_free(p);
    network_free(n);
}

static void generate_net(Texts *t, const char *options, bool classify, bool bytes, bool standardize)
{
    Error e = {0};
    Settings s = {0};
    Task task = {.features = 20,
                 .bytes = bytes,
                 .classify = classify,
                 .classes = classify ? 10 : 0,
                 .targets = classify ? 0 : 1,
                 .standardize = standardize};
    Blueprint b = {0};
    if (settings_parse(&s, options, &e) || blueprint_open(&b, &s, &task, &e)) generate_fail(e.message);
    for (int mode = MODE_PREDICT; mode <= MODE_TRAIN; mode++)
        for (int norms = 0; norms <= (mode == MODE_TRAIN); norms++)
            for (int scheduled = 0; scheduled <= (mode == MODE_TRAIN); scheduled++)
                generate_network(
                    t, &b,
                    &(Binding){.mode = (Mode)mode, .rows = 32, .norms = norms, .scheduled = scheduled});
    blueprint_close(&b);
    settings_free(&s);
}

/* What common nets are made of. */
static const char *const generate_activations[] = {"relu", "sigmoid",    "tanh", "gelu",
                                                   "silu", "leaky_relu", "elu"};
static const char *const generate_optimizers[] = {"sgd",
                                                  "sgd(momentum=0.9)",
                                                  "sgd(momentum=0.9, weight_decay=1e-4)",
                                                  "sgd(momentum=0.9, nesterov=true)",
                                                  "adam",
                                                  "adamw",
                                                  "rmsprop",
                                                  "adagrad",
                                                  "lion"};
static const char *const generate_losses[] = {"mse", "sse", "mae", "huber"};

/* A loss that differentiates the net twice, as those of physics-informed nets do: between its layers the steps of the
 * groups are the same for every equation of second order. */
static const char generate_equation[] =
    "net='dense(16) tanh dense(16) tanh dense(16) tanh dense(1)' optimizer=sgd loss=equation define="
    "'equation(y, t, x): u, v = split(grad(y, x)[:, 0:2], 2, axis=1); w = grad(u, x)[:, 0:1]; "
    "mean((v + y*u - w)^2)'";

#define EACH(array) (size_t i = 0; i < sizeof array / sizeof *array; i++)

static void generate_all(Texts *t)
{
    char options[256];
    for
        EACH(generate_activations)
    for (int classify = 0; classify < 2; classify++) {
        snprintf(options, sizeof options, "net='dense(16) %s dense(%s)'", generate_activations[i],
                 classify ? "classes" : "targets");
        generate_net(t, options, classify, false, false);
    }
    for
        EACH(generate_optimizers)
    for (int clip = 0; clip < 2; clip++) {
        snprintf(options, sizeof options, "net='dense(16) relu dense(classes)' optimizer='%s'%s",
                 generate_optimizers[i], clip ? " clip=norm(1)" : "");
        generate_net(t, options, true, i == 0, i == 1);
    }
    for
        EACH(generate_losses)
        {
            snprintf(options, sizeof options, "net='dense(16) sigmoid dense(1) sigmoid' loss=%s",
                     generate_losses[i]);
            generate_net(t, options, false, false, true);
            generate_net(t, options, false, false, false);
        }
    generate_net(t, generate_equation, false, false, false);
}

static int text_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void generate_write(const char *folder, const char *name, const Text *text)
{
    Error e = {0};
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (text->failed || file_write(path, text->s, text->length, &e))
        generate_fail(text->failed ? "out of memory" : e.message);
}

int main(int count, char **argument)
{
    if (count != 2) generate_fail("usage: nudge_generate OUT_DIR");
    Texts t = {0};
    Text code = {0}, list = {0};
    generate_all(&t);
    qsort(t.list, t.count, sizeof *t.list, text_order);
    for (size_t i = 0; i < t.count; i++) {
        fused_code(t.list[i], (int)i, &code);
        text_print(&list, "FUSED(%zu, \"%s\")\n", i, t.list[i]);
        memory_release(t.list[i]);
    }
    memory_release(t.list);
    generate_write(argument[1], "cpu/fused.inc", &code);
    generate_write(argument[1], "cpu/fused_list.inc", &list);
    text_free(&code);
    text_free(&list);
    return NUDGE_OK;
}
