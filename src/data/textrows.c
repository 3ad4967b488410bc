/* textrows.c: see textrows.h. */
#include "data/textrows.h"

#include "base/philox.h"
#include "data/stream.h"
#include <string.h>

/* ---- Reading ------------------------------------------------------------------------------------------- */

/* Drops the mark at the beginning and CRs before LF from out->s[from..). */
static void textrows_clean(Text *out, size_t from)
{
    char *s = out->s + from, *to = s, *end = out->s + out->length;
    if (end - s >= 3 && !memcmp(s, "\xEF\xBB\xBF", 3)) s += 3;
    for (; s < end; s++)
        if (*s != '\r' || s + 1 == end || s[1] != '\n') *to++ = *s;
    *to = 0;
    out->length = (size_t)(to - out->s);
}

static int textrows_pour(Text *out, Stream *s, Error *e)
{
    char block[16384];
    size_t got = sizeof block;
    int status = NUDGE_OK;
    while (!status && got) {
        status = stream_read(s, block, sizeof block, &got, e);
        if (!status) text_append(out, block, got);
    }
    return status ? status : out->failed ? error_memory(e) : NUDGE_OK;
}

int textrows_read(Text *out, const char *file, Error *e)
{
    Stream *s;
    size_t from = out->length;
    if (stream_open(&s, file, e)) return e->status;
    int status = textrows_pour(out, s, e);
    stream_close(s);
    if (status) return status;
    if (out->length > from) textrows_clean(out, from);
    if (out->length > from) return NUDGE_OK;
    return error_set(e, NUDGE_INPUT, "%s: is empty; name a file with text",
                     strcmp(file, "-") ? file : "stdin");
}

/* ---- Windows --------------------------------------------------------------------------------------------- */

typedef struct TextLaying {
    Dataset *d;
    const Tokens *k;
    const TokenList *text;
    const TextLayout *how;
    const char *name;
    Error *error;
    int32_t *x, *t;
    size_t *start;
} TextLaying;

static int textrows_room(TextLaying *l, size_t x, size_t t, size_t starts)
{
    l->d->owned[0] = l->x = memory_new(x, sizeof *l->x);
    l->d->owned[1] = l->t = t ? memory_new(t, sizeof *l->t) : NULL;
    l->d->owned[2] = l->start = starts ? memory_new(starts, sizeof *l->start) : NULL;
    l->d->x = l->x;
    l->d->t = l->t;
    l->d->start = l->start;
    bool complete = l->x && (l->t || !t) && (l->start || !starts);
    return complete ? NUDGE_OK : error_memory(l->error);
}

static int textrows_too_short(const TextLaying *l)
{
    size_t tokens = l->text->count;
    if (tokens < 3)
        return error_set(l->error, NUDGE_INPUT,
                         "%s: has %zu token%s, too few to learn from; name a longer text", l->name, tokens,
                         tokens == 1 ? "" : "s");
    return error_set(
        l->error, NUDGE_INPUT,
        "%s: has %zu tokens, but context is %zu, and one more comes after it; set context=%zu or "
        "less, or name a longer text",
        l->name, tokens, l->how->context, tokens - 1);
}

/* Row i begins at token begin + i*step. Its targets are the tokens `ahead` of where it begins. */
static int textrows_windows(TextLaying *l)
{
    size_t tokens = l->text->count, context = l->how->context;
    if (tokens < context + 1) return textrows_too_short(l);
    size_t step = l->how->every ? context : 1, room = tokens - context, slide = 0;
    if (l->how->train && l->how->every && room > 8 * context) slide = context - 1;
    l->d->rows = (room - 1 - slide) / step + 1;
    l->d->slide = slide;
    int status = textrows_room(l, tokens, 0, l->d->rows);
    if (status) return status;
    memcpy(l->x, l->text->id, tokens * sizeof *l->x);
    for (size_t i = 0; i < l->d->rows; i++)
        l->start[i] = slide + i * step;
    l->d->t = l->x + (l->how->every ? 1 : context);
    return NUDGE_OK;
}

/* ---- Lines ----------------------------------------------------------------------------------------------- */

typedef struct TextLine {
    const int32_t *id;
    size_t count; /* without its end */
} TextLine;

/* The next line that is not blank; false after the last. */
static bool textrows_line(const Tokens *k, const TokenList *text, size_t *at, TextLine *line)
{
    int32_t end = tokens_line_end(k);
    while (*at < text->count && text->id[*at] == end)
        ++*at;
    *line = (TextLine){text->id + *at, 0};
    while (*at < text->count && text->id[*at] != end)
        ++*at, ++line->count;
    return line->count > 0;
}

size_t textrows_longest(const Tokens *k, const TokenList *text)
{
    TextLine line;
    size_t longest = 0;
    for (size_t at = 0; textrows_line(k, text, &at, &line);)
        if (line.count + 1 > longest) longest = line.count + 1;
    return longest;
}

/* Every token a target: x is the line after a line end, t the line before one. */
static void textrows_put_every(TextLaying *l, TextLine line)
{
    size_t context = l->how->context, n = (line.count + context) / context * context,
           base = l->d->rows * context;
    int32_t end = tokens_line_end(l->k), *x = l->x + base, *t = l->t + base;
    for (size_t i = 0; i < n; i++) {
        x[i] = i && i <= line.count ? line.id[i - 1] : end;
        t[i] = i < line.count ? line.id[i] : i == line.count ? end : -1;
    }
    l->d->rows += n / context;
}

/* One target a row: the line and its end, with line ends before it for the first rows to see. */
static void textrows_put_last(TextLaying *l, TextLine line, size_t *used)
{
    size_t context = l->how->context;
    int32_t end = tokens_line_end(l->k), *x = l->x + *used;
    for (size_t i = 0; i < context; i++)
        x[i] = end;
    memcpy(x + context, line.id, line.count * sizeof *x);
    x[context + line.count] = end;
    for (size_t i = 0; i <= line.count; i++)
        l->start[l->d->rows++] = *used + i;
    *used += context + line.count + 1;
}

static void textrows_put(TextLaying *l, const TextLine *line, const size_t *order, size_t lines)
{
    for (size_t i = 0, used = 0; i < lines; i++)
        l->how->every ? textrows_put_every(l, line[order[i]]) : textrows_put_last(l, line[order[i]], &used);
    if (!l->how->every) l->d->t = l->x + l->how->context;
}

/* The lines, and how many rows they make. */
static size_t textrows_list(const TextLaying *l, TextLine *line, size_t *order, size_t *rows)
{
    size_t lines = 0, context = l->how->context;
    *rows = 0;
    for (size_t at = 0; textrows_line(l->k, l->text, &at, &line[lines]); lines++) {
        order[lines] = lines;
        *rows += l->how->every ? (line[lines].count + context) / context : line[lines].count + 1;
    }
    if (l->how->train) dataset_shuffle(order, lines, l->how->seed ^ hash_string("lines"), 0);
    return lines;
}

static int textrows_lines(TextLaying *l)
{
    size_t most = l->text->count / 2 + 2, context = l->how->context, rows, lines;
    TextLine *line = memory_new(most, sizeof *line);
    size_t *order = memory_new(most, sizeof *order);
    int status = line && order ? NUDGE_OK : error_memory(l->error);
    if (!status && !(lines = textrows_list(l, line, order, &rows)))
        status = error_set(l->error, NUDGE_INPUT, "%s: has blank lines only; name a file with text", l->name);
    if (!status && l->how->every) status = textrows_room(l, rows * context, rows * context, 0);
    if (!status && !l->how->every) status = textrows_room(l, lines * context + rows, 0, rows);
    if (!status) textrows_put(l, line, order, lines);
    memory_release(line);
    memory_release(order);
    return status;
}

/* ---- The whole --------------------------------------------------------------------------------------------- */

int textrows_make(Dataset *d, const Tokens *k, const TokenList *text, const TextLayout *how, const char *name,
                  Error *e)
{
    *d = (Dataset){.features = how->context,
                   .targets = how->every ? how->context : 1,
                   .x_type = DATA_I32,
                   .t_type = DATA_I32,
                   .classes = k->count,
                   .vocabulary = k->count,
                   .next = true,
                   .stream = how->every && !how->lines,
                   .ordered = true,
                   .x_rank = 1,
                   .x_shape = {how->context}};
    TextLaying l = {.d = d, .k = k, .text = text, .how = how, .name = name, .error = e};
    int status = how->lines ? textrows_lines(&l) : textrows_windows(&l);
    if (status) dataset_free(d);
    return status;
}
