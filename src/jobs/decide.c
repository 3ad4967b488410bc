/* decide.c: see decide.h. The tables below hold the judgement: small tables get small nets, many passes and large
 * steps; large ones the opposite. The first row whose limit is not exceeded counts. */
#include "jobs/decide.h"

#include "nn/nn.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    size_t rows, batch, epochs;
    const char *optimizer;
} decide_sizes[] = {
    {500, 16, 100, "adam(lr=0.01)"},
    {5000, 32, 100, "adam(lr=0.003)"},
    {50000, 64, 50, "adam(lr=1e-3)"},
    {(size_t)-1, 128, 20, "adam(lr=1e-3)"},
};

static const struct {
    size_t rows, features, width;
} decide_widths[] = {
    {1000, 64, 32},
    {20000, 256, 64},
    {(size_t)-1, (size_t)-1, 128},
};

enum { DECIDE_PATIENCE = 10 };

static int decide_text(Settings *s, const char *key, const char *value, Error *e)
{
    return settings_is_set(s, key) ? NUDGE_OK : settings_set(s, key, value, "chosen", e);
}

static int decide_count(Settings *s, const char *key, size_t value, Error *e)
{
    char text[32];
    snprintf(text, sizeof text, "%zu", value);
    return decide_text(s, key, text, e);
}

/* Words are told by which of them occur (fastText: Joulin et al. 2016), letters by their order. */
static const char *decide_reading(const JobData *d)
{
    TokensKind kind = d->columns.tokens.kind;
    bool words = kind == TOKENS_WORD || kind == TOKENS_BPE;
    return words ? "embedding(vocabulary, 64) pool"
                 : "embedding(vocabulary, 32) lstm(64, bidirectional=true, sequence=false)";
}

static int decide_text_column(Settings *s, const JobData *d, Error *e)
{
    const Columns *k = &d->columns;
    Text tokens = {0};
    text_print(&tokens, "%s", tokens_kind_name(k->tokens.kind));
    if (k->tokens.kind == TOKENS_WORD) text_print(&tokens, "(%zu)", k->tokens.count);
    int status = tokens.failed ? error_memory(e) : decide_text(s, "tokens", text_end(&tokens), e);
    if (!status) status = decide_text(s, "text", k->column[k->text].name, e);
    text_free(&tokens);
    return status ? status : decide_count(s, "context", k->context, e);
}

/* Images get one wide layer, tables two; what is to be reconstructed goes through a narrow one. */
static int decide_net(Settings *s, const JobData *d, Error *e)
{
    char net[128];
    size_t i = 0;
    while (d->rows.rows > decide_widths[i].rows || d->rows.features > decide_widths[i].features)
        i++;
    size_t width = decide_widths[i].width;
    const char *last = d->rows.classes ? "classes" : d->rows.reconstruct ? "features" : "targets";
    size_t narrow = d->rows.features > 96 ? 32 : (d->rows.features + 2) / 3;
    if (columns_is_text(&d->columns))
        snprintf(net, sizeof net, "%s dense(%s)", decide_reading(d), last);
    else if (d->rows.reconstruct)
        snprintf(net, sizeof net, "dense(%zu) relu dense(%zu) dense(%zu) relu dense(%s)", width, narrow,
                 width, last);
    else if (d->table)
        snprintf(net, sizeof net, "dense(%zu) relu dense(%zu) relu dense(%s)", width, width, last);
    else
        snprintf(net, sizeof net, "dense(%zu) relu dense(%s)", width, last);
    return decide_text(s, "net", net, e);
}

/* Images keep their shape before a layer that wants it. */
static int decide_shape(Settings *s, const JobData *d, Error *e)
{
    Text shape = {0};
    if (d->rows.x_rank < 2 || !nn_takes_images(settings_text(s, "net"))) return NUDGE_OK;
    for (int a = 0; a < d->rows.x_rank; a++)
        text_print(&shape, "%s%zu", a ? "x" : "", d->rows.x_shape[a]);
    int status = shape.failed ? error_memory(e) : decide_text(s, "shape", text_end(&shape), e);
    text_free(&shape);
    return status;
}

/* How long to train, unless the user said. Who names a number of epochs wants them all. */
static int decide_length(Settings *s, size_t epochs, bool judged, Error *e)
{
    bool open = !settings_is_set(s, "epochs") && !settings_is_set(s, "steps");
    int status = open ? decide_count(s, "epochs", epochs, e) : NUDGE_OK;
    return status ? status : decide_count(s, "patience", open && judged ? DECIDE_PATIENCE : 0, e);
}

/* Columns that are left out for a reason of their own are written down beside those the user ignores. */
static int decide_ignored(Settings *s, const Columns *k, Error *e)
{
    Text list = {0};
    JsonWriter w = {.out = &list};
    json_open(&w, '[');
    size_t out = 0;
    for (size_t i = 0; i < k->count; i++)
        if (k->column[i].role == COLUMN_OUT) out++, json_string(&w, k->column[i].name);
    json_close(&w, ']');
    int status = list.failed ? error_memory(e)
                 : out       ? settings_set(s, "ignore", text_end(&list), "chosen", e)
                             : NUDGE_OK;
    text_free(&list);
    return status;
}

static int decide_columns(Settings *s, const JobData *d, Error *e)
{
    const Columns *k = &d->columns;
    Text name = {0};
    JsonWriter w = {.out = &name};
    json_open(&w, '[');
    for (size_t i = 0; i < k->targets; i++)
        json_string(&w, columns_of_target(k, i)->name);
    json_close(&w, ']');
    int status = name.failed  ? error_memory(e)
                 : k->targets ? decide_text(s, "target", text_end(&name), e)
                              : NUDGE_OK;
    text_free(&name);
    if (!status && columns_is_text(k)) status = decide_text_column(s, d, e);
    return status ? status : decide_ignored(s, k, e);
}

static const char *decide_loss(const JobData *d)
{
    return d->rows.classes ? "cross_entropy" : d->rows.labels ? "bce" : "mse";
}

static int decide_training(Settings *s, const JobData *d, Error *e)
{
    size_t i = 0;
    while (d->rows.rows > decide_sizes[i].rows)
        i++;
    bool judged = settings_named(s, "data", "validation") || settings_number(s, "validation") > 0;
    int status = decide_text(s, "loss", decide_loss(d), e);
    if (!status) status = decide_text(s, "optimizer", decide_sizes[i].optimizer, e);
    bool whole = status || !strncmp(settings_text(s, "optimizer"), "lbfgs", 5); /* takes all rows at once */
    if (!status) status = decide_count(s, "batch", whole ? d->rows.rows : decide_sizes[i].batch, e);
    return status ? status : decide_length(s, decide_sizes[i].epochs, judged, e);
}

int decide_threads(Settings *s, Error *e)
{
    if (settings_integer(s, "threads") > 0) return NUDGE_OK;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    char text[32];
    snprintf(text, sizeof text, "%ld", processors > 1 ? processors : 1);
    return settings_set(s, "threads", text, "chosen", e);
}

/* All defaults, too, in the order of the table: then a run and its recipe read back have the same settings, and the
 * files that hold them are the same to the byte. */
static int decide_rest(Settings *s, Error *e)
{
    size_t count;
    const SettingKey *key = settings_keys(&count);
    for (size_t i = 0; i < count; i++) {
        int status =
            key[i].standard && !key[i].local ? decide_text(s, key[i].name, key[i].standard, e) : NUDGE_OK;
        if (status) return status;
    }
    for (size_t i = 1; i < s->count; i++) {
        Setting *moved = s->list[i];
        size_t at = i;
        for (; at && s->list[at - 1]->key > moved->key; at--)
            s->list[at] = s->list[at - 1];
        s->list[at] = moved;
    }
    return NUDGE_OK;
}

/* ---- Texts --------------------------------------------------------------------------------------------- */

static const char decide_text_net[] =
    "embedding(vocabulary, 64) positions block(4, causal=true) block(4, causal=true) layernorm dense(classes)";
static const double DECIDE_TOKENS = 5e6; /* of a text to learn from in all, in a few minutes */

/* Many passes over a short text, few over a long one. */
static size_t decide_passes(const JobData *d)
{
    double passes = DECIDE_TOKENS / (double)d->text.list.count;
    return passes < 1 ? 1 : passes > 50 ? 50 : (size_t)passes;
}

static int decide_tokens(Settings *s, const JobData *d, Error *e)
{
    int status = decide_text(s, "tokens", tokens_kind_name(d->text.tokens.kind), e);
    if (!status) status = decide_count(s, "context", d->text.context, e);
    if (!status) status = decide_text(s, "lines", d->text.lines ? "true" : "false", e);
    if (!status) status = decide_text(s, "task", "next", e);
    if (!status) status = decide_text(s, "net", decide_text_net, e);
    if (!status) status = decide_text(s, "optimizer", "adam(lr=1e-3)", e);
    if (!status) status = decide_text(s, "batch", "32", e);
    return status ? status : decide_length(s, decide_passes(d), true, e);
}

static const char *decide_task(const JobData *d)
{
    const Dataset *rows = &d->rows;
    return rows->classes       ? "classify"
           : rows->labels      ? "labels"
           : rows->reconstruct ? "reconstruct"
                               : "regress";
}

int decide(Settings *s, const JobData *d, Error *e)
{
    if (d->text.tokens.count && decide_tokens(s, d, e)) return e->status;
    int status = decide_text(s, "task", decide_task(d), e);
    if (!status && d->table) status = decide_columns(s, d, e);
    if (!status) status = decide_net(s, d, e);
    if (!status) status = decide_shape(s, d, e);
    if (!status) status = decide_training(s, d, e);
    if (!status) status = decide_threads(s, e);
    return status ? status : decide_rest(s, e);
}
