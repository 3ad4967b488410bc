/* job_ops.c: `nudge ops`: the rows that networks are written with, from the tables themselves: primitives, natives of
 * the notation, and the rows of ops/ and nn/. */
#include "jobs/job.h"

#include "jobs/numerals.h"
#include "nn/nn.h"
#include <string.h>

/* What stands behind a name: a definition, a native, or a primitive (which may be a native, too). */
typedef struct OpsEntry {
    const char *name;
    size_t length; /* of the name, which a row goes on from */
    const char *category;
    const Definition *row;
    const char *takes; /* of a native: "x axis.. correction?" */
    const OpRow *primitive;
    const char *note;
} OpsEntry;

typedef struct OpsList {
    OpsEntry *entry;
    size_t count, room;
    bool failed;
} OpsList;

static const char ops_elementwise[] = "elementwise", ops_whole[] = "tensor", ops_helper[] = "helper";

/* In the order of the listing; helpers are only found by name. */
static const struct {
    const char *category, *title;
} ops_categories[] = {
    {ops_elementwise, "operations on each element"},
    {ops_whole, "operations on whole tensors"},
    {"function", "functions"},
    {"activation", "activations"},
    {"layer", "layers, beside every operation and activation of one tensor"},
    {"loss", "losses: loss: NAME"},
    {"optimizer", "optimizers: optimizer: NAME(lr=...)"},
    {"driver", "optimizers that look along a line: optimizer: NAME"},
    {"schedule", "schedules: schedule: NAME(...), a factor of lr"},
    {"clip", "clipping: clip: NAME(limit)"},
    {"penalty", "penalties: penalty: NAME(rate), beside the loss"},
    {"constraint", "constraints: constraint: NAME(...), after each update"},
    {"average", "averages of weights: average: NAME(...)"},
    {"initialiser", "initialisers: weight[n, in] ~ NAME"},
};

/* ---- The list ---------------------------------------------------------------------------------------------- */

static void ops_add(OpsList *l, OpsEntry e)
{
    if (!e.length) e.length = strlen(e.name);
    l->failed |= !memory_grow(&l->entry, &l->room, l->count + 1, sizeof *l->entry);
    if (!l->failed) l->entry[l->count++] = e;
}

static void ops_add_native(OpsList *l, const NativeNote *n)
{
    int op = ops_find(n->name);
    bool layer = strstr(n->takes, " net") != NULL;
    ops_add(l, (OpsEntry){.name = n->name,
                          .category = layer ? "layer" : ops_whole,
                          .takes = n->takes,
                          .note = n->note,
                          .primitive = op < 0 ? NULL : &ops_table[op]});
}

static void ops_add_row(OpsList *l, const Definition *row)
{
    ops_add(l, (OpsEntry){.name = row->row,
                          .length = strcspn(row->row, " ("),
                          .category = row->category,
                          .row = row,
                          .note = row->note});
}

static void ops_collect(OpsList *l)
{
    const NativeNote *native;
    const Definition *row;
    for (const OpRow *op = ops_table; op < ops_table + OP_COUNT; op++)
        if (op->elementwise)
            ops_add(l, (OpsEntry){.name = op->name, .category = ops_elementwise, .primitive = op});
    for (size_t i = 0; (native = notation_native(i)); i++)
        ops_add_native(l, native);
    for (size_t i = 0; (row = nn_row(i)); i++)
        ops_add_row(l, row);
}

static const OpsEntry *ops_entry(const OpsList *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->entry[i].length == strlen(name) && !memcmp(l->entry[i].name, name, l->entry[i].length))
            return &l->entry[i];
    return NULL;
}

/* ---- Text -------------------------------------------------------------------------------------------------- */

/* "var(x, axis.., correction)", "max(x, z)", or the row. */
static void ops_put_text(const OpsEntry *e, Text *out)
{
    static const char *const inputs[] = {"()", "(x)", "(x, z)", "(c, x, z)"};
    if (e->row) {
        text_print(out, "%s", e->row->row);
    } else if (e->takes) {
        text_print(out, "%s(", e->name);
        for (const char *s = e->takes; *s; s++)
            *s == ' ' ? text_print(out, ", ") : *s == '?' ? text_print(out, "=") : text_put(out, *s);
        text_put(out, ')');
    } else {
        text_print(out, "%s%s: %s", e->name, inputs[e->primitive->inputs], e->primitive->value);
    }
}

static const char *ops_gradient(const OpsEntry *e)
{
    return e->row                                    ? e->row->gradient
           : e->primitive && *e->primitive->gradient ? e->primitive->gradient
                                                     : NULL;
}

/* Whether its gradient is of interest: it may stand between the data and the loss. */
static bool ops_is_differentiated(const OpsEntry *e)
{
    static const char *const others[] = {"optimizer", "driver",     "schedule", "clip",
                                         "penalty",   "constraint", "average",  "initialiser"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(e->category, others[i])) return false;
    return true;
}

/* What the listing says of it. */
static void ops_put_note(const OpsEntry *e, Text *out)
{
    if (e->note)
        text_print(out, "%s", e->note);
    else if (e->primitive && e->primitive->value)
        text_print(out, "%s", e->primitive->value);
}

/* The statements of a row on lines of their own. */
static void ops_put_lines(const char *text, Text *out)
{
    int depth = 0;
    for (const char *s = text; *s; s++) {
        depth += strchr("([{", *s) != NULL;
        depth -= strchr(")]}", *s) != NULL;
        bool ends = !depth && (*s == ';' || *s == ':') && s[1] == ' ';
        if (!ends || *s == ':') text_put(out, *s);
        if (ends) text_print(out, "\n    "), s++;
    }
}

static void ops_print_entry(const OpsEntry *e, Text *out)
{
    Text text = {0};
    ops_put_text(e, &text);
    ops_put_lines(text_end(&text), out);
    out->failed |= text.failed;
    text_free(&text);
    text_print(out, "\n\n%s", e->category);
    if (e->note) text_print(out, ": %s", e->note);
    if (!ops_is_differentiated(e)) return;
    text_print(out, "\ngradient: %s", ops_gradient(e) ? ops_gradient(e) : "by the chain rule");
}

static void ops_print_category(const OpsList *l, const char *category, size_t width, Text *out)
{
    for (size_t i = 0; i < l->count; i++) {
        const OpsEntry *e = &l->entry[i];
        if (strcmp(e->category, category)) continue;
        size_t line = out->length;
        text_print(out, "\n  %.*s", (int)e->length, e->name);
        numeral_pad(out, line + 1, width + 4);
        ops_put_note(e, out);
    }
}

static void ops_print(const OpsList *l, Text *out)
{
    size_t width = 0;
    for (size_t i = 0; i < l->count; i++)
        if (l->entry[i].length > width && strcmp(l->entry[i].category, ops_helper))
            width = l->entry[i].length;
    for (size_t i = 0; i < sizeof ops_categories / sizeof *ops_categories; i++) {
        text_print(out, "%s%s", i ? "\n\n" : "", ops_categories[i].title);
        ops_print_category(l, ops_categories[i].category, width, out);
    }
    text_print(out, "\n\n`nudge ops NAME` shows the text of one");
}

/* ---- JSON -------------------------------------------------------------------------------------------------- */

static void ops_json_text(JsonWriter *w, const char *key, const char *value)
{
    json_key(w, key);
    value ? json_string(w, value) : json_null(w);
}

static void ops_json(const OpsEntry *e, JsonWriter *w)
{
    Text name = {0}, text = {0};
    text_append(&name, e->name, e->length);
    ops_put_text(e, &text);
    ops_json_text(w, "name", text_end(&name));
    ops_json_text(w, "category", e->category);
    ops_json_text(w, "text", text_end(&text));
    ops_json_text(w, "gradient", ops_gradient(e));
    ops_json_text(w, "note", e->note);
    w->out->failed |= name.failed || text.failed;
    text_free(&name);
    text_free(&text);
}

/* ---- The job ----------------------------------------------------------------------------------------------- */

static int ops_say_all(Job *job, const OpsList *l)
{
    Text text = {0}, json = {0};
    ops_print(l, &text);
    JsonWriter w = job_begin(&json, "result");
    json_key(&w, "operations");
    json_open(&w, '[');
    for (size_t i = 0; i < l->count; i++) {
        json_open(&w, '{');
        ops_json(&l->entry[i], &w);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    return job_say(job, "result", &text, &w);
}

static int ops_unknown(Job *job, const OpsList *l, const char *name)
{
    Text all = {0};
    const char **names = memory_new(l->count, sizeof *names), *nearest = NULL;
    for (size_t i = 0; names && i < l->count; i++)
        text_append(&all, l->entry[i].name, l->entry[i].length), text_put(&all, 0);
    bool failed = !names || all.failed;
    const char *at = text_end(&all);
    for (size_t i = 0; !failed && i < l->count; i++, at += strlen(at) + 1)
        names[i] = at;
    if (!failed) nearest = name_nearest(name, names, l->count);
    int status = failed    ? error_memory(job->error)
                 : nearest ? error_set(job->error, NUDGE_INPUT, "nothing is called %s; did you mean %s?",
                                       name, nearest)
                           : error_set(job->error, NUDGE_INPUT,
                                       "nothing is called %s; `nudge ops` lists all there is", name);
    memory_release(names);
    text_free(&all);
    return status;
}

static int ops_say_one(Job *job, const OpsList *l, const char *name)
{
    const OpsEntry *e = ops_entry(l, name);
    if (!e) return ops_unknown(job, l, name);
    Text text = {0}, json = {0};
    ops_print_entry(e, &text);
    JsonWriter w = job_begin(&json, "result");
    ops_json(e, &w);
    return job_say(job, "result", &text, &w);
}

int job_ops(Job *job)
{
    OpsList l = {0};
    ops_collect(&l);
    int status = l.failed        ? error_memory(job->error)
                 : job->operands ? ops_say_one(job, &l, job->operand[0])
                                 : ops_say_all(job, &l);
    memory_release(l.entry);
    return status;
}
