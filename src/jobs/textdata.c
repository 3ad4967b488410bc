/* textdata.c: see textdata.h. */
#include "jobs/textdata.h"

#include <string.h>

enum { TEXTDATA_CONTEXT = 64 }; /* tokens, unless the recipe or short lines say otherwise */

/* ---- Whether it is text ---------------------------------------------------------------------------------- */

static bool textdata_ends(const char *file, const char *ending)
{
    size_t length = strlen(file), tail = strlen(ending);
    return length > tail && !strcmp(file + length - tail, ending);
}

bool textdata_is(const Settings *s, const char *file)
{
    static const char *const endings[] = {".txt", ".txt.gz"};
    static const char *const table[] = {"target", "ignore", "missing", "weight", "delimiter", "header"};
    const char *task = settings_text(s, "task");
    static const char *const tables[] = {".csv", ".csv.gz", ".tsv", ".tsv.gz"};
    bool next = task && !strcmp(task, "next");
    if (settings_is_set(s, "text")) return false;
    for (size_t i = 0; !next && i < sizeof tables / sizeof *tables; i++)
        if (textdata_ends(file, tables[i])) return false;
    if (settings_is_set(s, "tokens") || next) return true;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (settings_is_set(s, table[i])) return false;
    for (size_t i = 0; !task && i < sizeof endings / sizeof *endings; i++)
        if (textdata_ends(file, endings[i])) return true;
    return false;
}

/* ---- Training ---------------------------------------------------------------------------------------------- */

static const char *textdata_name(const char *file)
{
    return strcmp(file, "-") ? file : "stdin";
}

/* The files, one after the other; a line never goes on in the next file. */
static int textdata_read(Text *out, const char *const *file, size_t files, Error *e)
{
    int status = NUDGE_OK;
    for (size_t i = 0; i < files && !status; i++) {
        if (out->length && out->s[out->length - 1] != '\n') text_put(out, '\n');
        status = textrows_read(out, file[i], e);
    }
    return status;
}

/* The files of a setting as an array; memory_release(*file). */
static int textdata_files(const Setting *files, const char ***file, Error *e)
{
    *file = memory_new(files->count, sizeof **file);
    if (!*file) return error_memory(e);
    for (size_t i = 0; i < files->count; i++)
        (*file)[i] = setting_item(files, i);
    return NUDGE_OK;
}

/* The longest line if that is short. A net that looks at no more than a few tokens wants less: the recipe says so. */
static size_t textdata_context(const TextData *t, const Settings *s)
{
    size_t longest = t->lines ? textrows_longest(&t->tokens, &t->list) : TEXTDATA_CONTEXT;
    if (settings_is_set(s, "context")) return (size_t)settings_integer(s, "context");
    return longest && longest < TEXTDATA_CONTEXT ? longest : TEXTDATA_CONTEXT;
}

static int textdata_fit(TextData *t, const Settings *s, const char *name, const Text *text, Text *warnings,
                        Error *e)
{
    TokensKind kind = TOKENS_CHAR;
    size_t size = 0;
    const char *tokens = settings_text(s, "tokens");
    int status = tokens ? tokens_parse(tokens, settings_origin(s, "tokens"), &kind, &size, e) : NUDGE_OK;
    if (!status) status = tokens_fit(&t->tokens, kind, size, name, text->s, text->length, warnings, e);
    return status ? status : tokens_encode(&t->tokens, &t->list, name, 1, text->s, text->length, e);
}

int textdata_open(TextData *t, Dataset *rows, const Settings *s, const Setting *files, Text *warnings,
                  Error *e)
{
    const char *name = textdata_name(setting_item(files, 0));
    Text text = {0};
    const char **file;
    *t = (TextData){.lines = settings_flag(s, "lines"), .seed = (uint64_t)settings_integer(s, "seed")};
    int status = textdata_files(files, &file, e);
    if (!status) status = textdata_read(&text, file, files->count, e);
    if (!status) status = textdata_fit(t, s, name, &text, warnings, e);
    text_free(&text);
    memory_release(file);
    if (status) return status;
    t->context = textdata_context(t, s);
    TextLayout how = {t->context, t->lines, true, true, t->seed};
    return textrows_make(rows, &t->tokens, &t->list, &how, name, e);
}

int textdata_suit(TextData *t, Dataset *rows, Model *m, const char *file, Error *e)
{
    int status = textdata_note(&t->tokens, m, e);
    if (!status && m->task.positions != rows->targets) {
        TextLayout how = {t->context, t->lines, false, true, t->seed};
        dataset_free(rows);
        status = textrows_make(rows, &t->tokens, &t->list, &how, file, e);
    }
    memory_release(t->list.id); /* the rows have them all; how many there were is told */
    t->list.id = NULL;
    return status;
}

void textdata_free(TextData *t)
{
    tokens_free(&t->tokens);
    memory_release(t->list.id);
    *t = (TextData){0};
}

/* ---- For a model that was trained ---------------------------------------------------------------------------- */

static int textdata_take(Tokens *k, const Model *m, Error *e)
{
    const char *note = model_note(m, "token_list");
    size_t padding = m->task.padding > 0;
    if (!note)
        return error_set(e, NUDGE_INPUT,
                         "the model was trained on tokens, but has no vocabulary; train it "
                         "with nudge train");
    int status = tokens_load(k, note, strlen(note), e);
    bool fits = k->count + padding == m->task.vocabulary && (!m->task.next || k->count == m->task.classes);
    if (status || fits) return status;
    return error_set(e, NUDGE_INPUT, "the model's vocabulary has %zu tokens, but its net %zu; train it anew",
                     k->count, m->task.vocabulary);
}

int textdata_tokens(Tokens *k, const Model *m, Error *e)
{
    *k = (Tokens){0};
    return m->task.next ? textdata_take(k, m, e) : NUDGE_OK;
}

int textdata_columns(Columns *k, const Model *m, Error *e)
{
    return columns_is_text(k) ? textdata_take(&k->tokens, m, e) : NUDGE_OK;
}

int textdata_note(const Tokens *k, Model *m, Error *e)
{
    Text json = {0};
    tokens_save(k, &json);
    int status = json.failed ? error_memory(e) : model_set_note(m, "token_list", text_end(&json), e);
    text_free(&json);
    return status;
}

static int textdata_lay(Dataset *rows, const Tokens *k, const Model *m, bool train, const char *name,
                        Text *text, Text *warnings, Error *e)
{
    TokenList list = {0};
    TextLayout how = {m->task.features, settings_flag(&m->settings, "lines"),
                      m->task.positions == m->task.features, train,
                      (uint64_t)settings_integer(&m->settings, "seed")};
    int status = tokens_encode(k, &list, name, 1, text_end(text), text->length, e);
    if (!status) status = textrows_make(rows, k, &list, &how, name, e);
    if (!status && list.unknown && !train)
        text_print(warnings, "%s: %zu of %zu words are not in the vocabulary and count as unknown\n", name,
                   list.unknown, list.count);
    memory_release(list.id);
    return status;
}

int textdata_load(Dataset *rows, const Tokens *k, const Model *m, const char *const *file, size_t files,
                  bool train, Text *warnings, Error *e)
{
    Text text = {0};
    int status = textdata_read(&text, file, files, e);
    if (!status) status = textdata_lay(rows, k, m, train, textdata_name(file[0]), &text, warnings, e);
    text_free(&text);
    return status;
}

int textdata_load_setting(Dataset *rows, const Tokens *k, const Model *m, const Setting *files, bool train,
                          Text *warnings, Error *e)
{
    const char **file;
    int status = textdata_files(files, &file, e);
    if (!status) status = textdata_load(rows, k, m, file, files->count, train, warnings, e);
    memory_release(file);
    return status;
}

double textdata_bytes(const Dataset *rows, const Tokens *k, const size_t *order, size_t count)
{
    double bytes = 0;
    for (size_t i = 0; i < count; i++) {
        size_t row = order ? order[i] : i, length;
        const int32_t *t = (const int32_t *)rows->t + (rows->start ? rows->start[row] : row * rows->targets);
        for (size_t n = 0; n < rows->targets; n++)
            if (t[n] >= 0) tokens_bytes(k, t[n], &length), bytes += (double)length;
    }
    return bytes;
}
