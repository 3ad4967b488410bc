/* tokens.c: see tokens.h. */
#include "data/tokens.h"

#include "base/json.h"
#include "base/philox.h"
#include "data/tokens_pairs.h"
#include <stdlib.h>
#include <string.h>

/* ---- Pieces -------------------------------------------------------------------------------------------- */

typedef enum PieceKind { PIECE_BLANK, PIECE_LINE, PIECE_LETTER, PIECE_DIGIT, PIECE_MARK } PieceKind;

static PieceKind piece_kind(char c)
{
    unsigned char u = (unsigned char)c;
    if (u == '\n') return PIECE_LINE;
    if (u <= ' ') return PIECE_BLANK;
    if ((u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || u >= 0x80) return PIECE_LETTER;
    return u >= '0' && u <= '9' ? PIECE_DIGIT : PIECE_MARK;
}

/* Letters with the apostrophes between them, digits, or marks of one kind. */
static const char *piece_word(const char *s, const char *end)
{
    PieceKind kind = piece_kind(*s);
    char first = *s++;
    while (s < end) {
        bool letters = kind == PIECE_LETTER && *s == '\'' && s + 1 < end && piece_kind(s[1]) == kind;
        if (!letters && (piece_kind(*s) != kind || (kind == PIECE_MARK && *s != first))) break;
        s++;
    }
    return s;
}

/* Of several blanks, the last one is left to the word after them. */
static const char *piece_blanks(const char *s, const char *end)
{
    const char *at = s;
    while (at < end && piece_kind(*at) == PIECE_BLANK)
        at++;
    bool word = at < end && piece_kind(*at) != PIECE_LINE && at[-1] == ' ';
    return word && at - s > 1 ? at - 1 : at;
}

static bool piece_continues(char c) /* a character of UTF-8 */
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* The time to find the pairs of a piece grows with the square of its length, so endless ones are cut; between
 * characters. */
static size_t piece_cut(const char *s, size_t length)
{
    enum { PIECE_MOST = 128 };
    size_t cut = PIECE_MOST;
    while (cut < length && cut < PIECE_MOST + 3 && piece_continues(s[cut]))
        cut++;
    return length < cut ? length : cut;
}

size_t tokens_piece(const char *s, const char *end)
{
    PieceKind kind = piece_kind(*s), next = end - s > 1 ? piece_kind(s[1]) : PIECE_LINE;
    if (kind == PIECE_LINE) return 1;
    bool before = *s == ' ' && next > PIECE_LINE;
    const char *stop = kind == PIECE_BLANK && !before ? piece_blanks(s, end) : piece_word(s + before, end);
    return piece_cut(s, (size_t)(stop - s));
}

static size_t tokens_byte(const char *s, const char *end)
{
    (void)s, (void)end;
    return 1;
}

/* ---- The vocabulary ------------------------------------------------------------------------------------ */

static uint64_t tokens_hash(const char *bytes, size_t length)
{
    uint64_t h = length;
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)bytes[i]) * 0x100000001B3u;
    return hash_mix(h);
}

const char *tokens_bytes(const Tokens *k, int32_t token, size_t *length)
{
    *length = k->start[token + 1] - k->start[token];
    return k->bytes.s + k->start[token];
}

static bool tokens_equal(const Tokens *k, int32_t token, const char *bytes, size_t length)
{
    size_t own;
    const char *at = tokens_bytes(k, token, &own);
    return own == length && !memcmp(at, bytes, length);
}

/* The place in the table where the token is, or belongs. */
static size_t tokens_place(const Tokens *k, const char *bytes, size_t length)
{
    size_t at = tokens_hash(bytes, length) & (k->lookup_room - 1);
    while (k->lookup[at] >= 0 && !tokens_equal(k, k->lookup[at], bytes, length))
        at = (at + 1) & (k->lookup_room - 1);
    return at;
}

int32_t tokens_find(const Tokens *k, const char *bytes, size_t length)
{
    return k->lookup_room ? k->lookup[tokens_place(k, bytes, length)] : -1;
}

/* An empty table if one of *room is too small for one entry more; *room becomes its size. NULL also without memory. */
static int32_t *tokens_table(size_t *room, size_t count)
{
    if (2 * (count + 1) <= *room) return NULL;
    *room = *room ? 2 * *room : 512;
    int32_t *table = memory_new(*room, sizeof *table);
    for (size_t i = 0; table && i < *room; i++)
        table[i] = -1;
    return table;
}

static int tokens_grow_lookup(Tokens *k, Error *e)
{
    size_t room = k->lookup_room;
    int32_t *table = tokens_table(&room, k->count);
    if (room == k->lookup_room) return NUDGE_OK;
    if (!table) return error_memory(e);
    memory_release(k->lookup);
    k->lookup = table;
    k->lookup_room = room;
    for (size_t i = 0, length; i < k->count; i++) {
        const char *bytes = tokens_bytes(k, (int32_t)i, &length);
        table[tokens_place(k, bytes, length)] = (int32_t)i;
    }
    return NUDGE_OK;
}

int tokens_add(Tokens *k, const char *bytes, size_t length, Error *e)
{
    if (!memory_grow(&k->start, &k->room, k->count + 2, sizeof *k->start)) return error_memory(e);
    int status = tokens_grow_lookup(k, e);
    if (status) return status;
    k->start[k->count] = k->bytes.length;
    text_append(&k->bytes, bytes, length);
    if (k->bytes.failed) return error_memory(e);
    k->start[k->count + 1] = k->bytes.length;
    const char *own = k->bytes.s + k->start[k->count];
    size_t at = tokens_place(k, own, length);
    if (k->lookup[at] < 0) k->lookup[at] = (int32_t)k->count;
    k->count++;
    return NUDGE_OK;
}

int tokens_add_bytes(Tokens *k, Error *e)
{
    int status = NUDGE_OK;
    for (int byte = 0; byte < TOKENS_BYTES && !status; byte++)
        status = tokens_add(k, &(char){(char)byte}, 1, e);
    return status;
}

void tokens_free(Tokens *k)
{
    text_free(&k->bytes);
    memory_release(k->start);
    memory_release(k->lookup);
    memory_release(k->merge);
    memory_release(k->merge_lookup);
    *k = (Tokens){0};
}

/* ---- Merges -------------------------------------------------------------------------------------------- */

static size_t tokens_merge_place(const Tokens *k, TokensMerge merge)
{
    uint64_t both = (uint64_t)(uint32_t)merge.left << 32 | (uint32_t)merge.right;
    size_t at = hash_mix(both + 1) & (k->merge_room - 1);
    for (; k->merge_lookup[at] >= 0; at = (at + 1) & (k->merge_room - 1)) {
        TokensMerge there = k->merge[k->merge_lookup[at] - TOKENS_BYTES];
        if (there.left == merge.left && there.right == merge.right) break;
    }
    return at;
}

int32_t tokens_merged(const Tokens *k, TokensMerge merge)
{
    return k->merge_room ? k->merge_lookup[tokens_merge_place(k, merge)] : -1;
}

static int tokens_grow_merges(Tokens *k, size_t merges, Error *e)
{
    size_t room = k->merge_room;
    int32_t *table = tokens_table(&room, merges);
    if (room == k->merge_room) return NUDGE_OK;
    TokensMerge *more = table ? memory_resize(k->merge, room / 2, sizeof *more) : NULL;
    if (!more) {
        memory_release(table);
        return error_memory(e);
    }
    memory_release(k->merge_lookup);
    k->merge = more;
    k->merge_lookup = table;
    k->merge_room = room;
    for (size_t i = 0; i < merges; i++)
        table[tokens_merge_place(k, k->merge[i])] = (int32_t)(TOKENS_BYTES + i);
    return NUDGE_OK;
}

int tokens_add_merge(Tokens *k, TokensMerge merge, Error *e)
{
    size_t merges = k->count - TOKENS_BYTES, length;
    int status = tokens_grow_merges(k, merges, e);
    if (status) return status;
    Text both = {0};
    for (int side = 0; side < 2; side++) {
        const char *bytes = tokens_bytes(k, side ? merge.right : merge.left, &length);
        text_append(&both, bytes, length);
    }
    k->merge[merges] = merge;
    size_t at = tokens_merge_place(k, merge);
    status = both.failed ? error_memory(e) : tokens_add(k, both.s, both.length, e);
    if (!status) k->merge_lookup[at] = (int32_t)(TOKENS_BYTES + merges);
    text_free(&both);
    return status;
}

/* ---- Counting pieces of a text --------------------------------------------------------------------------- */

int token_counts_take(TokenCounts *c, size_t (*piece)(const char *s, const char *end), const char *text,
                      size_t length, Error *e)
{
    const char *end = text + length;
    for (size_t n; text < end; text += n) {
        n = piece(text, end);
        int32_t token = tokens_find(&c->pieces, text, n);
        if (token < 0) {
            token = (int32_t)c->pieces.count;
            if (!memory_grow(&c->count, &c->room, c->pieces.count + 1, sizeof *c->count))
                return error_memory(e);
            c->count[token] = 0;
            if (tokens_add(&c->pieces, text, n, e)) return e->status;
        }
        c->count[token]++;
    }
    return NUDGE_OK;
}

void token_counts_free(TokenCounts *c)
{
    tokens_free(&c->pieces);
    memory_release(c->count);
    *c = (TokenCounts){0};
}

typedef struct TokenRank { /* a piece, for sorting */
    const char *bytes;
    size_t length, count;
} TokenRank;

static int token_rank_by_bytes(const void *a, const void *b)
{
    const TokenRank *x = a, *y = b;
    int order = memcmp(x->bytes, y->bytes, x->length < y->length ? x->length : y->length);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

static int token_rank_by_count(const void *a, const void *b)
{
    const TokenRank *x = a, *y = b;
    int order = (x->count < y->count) - (x->count > y->count);
    return order ? order : token_rank_by_bytes(a, b);
}

/* Adds the pieces that occur at least so often, in order, until the vocabulary has `most` tokens. */
static int tokens_add_counted(Tokens *k, const TokenCounts *c, int (*order)(const void *, const void *),
                              size_t least, size_t most, Error *e)
{
    size_t count = c->pieces.count;
    TokenRank *rank = memory_new(count, sizeof *rank);
    if (!rank) return error_memory(e);
    for (size_t i = 0; i < count; i++) {
        rank[i].bytes = tokens_bytes(&c->pieces, (int32_t)i, &rank[i].length);
        rank[i].count = c->count[i];
    }
    qsort(rank, count, sizeof *rank, order);
    int status = NUDGE_OK;
    for (size_t i = 0; i < count && !status && k->count < most; i++)
        if (rank[i].count >= least && tokens_find(k, rank[i].bytes, rank[i].length) < 0)
            status = tokens_add(k, rank[i].bytes, rank[i].length, e);
    memory_release(rank);
    return status;
}

/* ---- Kinds of tokens ------------------------------------------------------------------------------------- */

/* A text to be read, and where it is from. */
typedef struct TokensText {
    const char *name;
    size_t line; /* of the file, where the text begins */
    const char *s, *end;
    size_t size; /* of the vocabulary asked for; 0: open */
} TokensText;

static size_t tokens_character(const char *s, const char *end)
{
    return utf8_length(s, end);
}

/* Line and column, from 1, of a place in a text; columns are characters. */
static void tokens_locate(const TokensText *t, const char *at, size_t *line, size_t *column)
{
    *line = t->line;
    *column = 1;
    for (const char *s = t->s; s < at; s++) {
        if (*s == '\n')
            ++*line, *column = 1;
        else if (!piece_continues(*s))
            ++*column;
    }
}

static int tokens_check_utf8(const TokensText *t, Error *e)
{
    size_t n, line, column;
    for (const char *s = t->s; s < t->end; s += n) {
        if ((n = utf8_length(s, t->end))) continue;
        tokens_locate(t, s, &line, &column);
        return error_set(
            e, NUDGE_INPUT,
            "%s:%zu:%zu: the byte 0x%02X is not UTF-8; convert the file, or take bytes: tokens=byte", t->name,
            line, column, (unsigned char)*s);
    }
    return NUDGE_OK;
}

/* A line end is a token of every vocabulary: it begins and ends samples that are lines. */
static int tokens_fit_chars(Tokens *k, const TokensText *t, Error *e)
{
    TokenCounts c = {0};
    int status = tokens_check_utf8(t, e);
    if (!status) status = token_counts_take(&c, tokens_character, "\n", 1, e);
    if (!status) status = token_counts_take(&c, tokens_character, t->s, (size_t)(t->end - t->s), e);
    if (!status) status = tokens_add_counted(k, &c, token_rank_by_bytes, 1, TOKENS_MOST, e);
    token_counts_free(&c);
    return status;
}

static int tokens_fit_bytes(Tokens *k, const TokensText *t, Error *e)
{
    (void)t;
    return tokens_add_bytes(k, e);
}

static const char tokens_unknown[] = "<unknown>"; /* no piece is like it */

static int tokens_fit_words(Tokens *k, const TokensText *t, Error *e)
{
    TokenCounts c = {0};
    int status = tokens_check_utf8(t, e);
    if (!status) status = token_counts_take(&c, tokens_piece, t->s, (size_t)(t->end - t->s), e);
    if (!status) status = tokens_add(k, tokens_unknown, sizeof tokens_unknown - 1, e);
    if (!status) status = tokens_add(k, "\n", 1, e);
    size_t least = t->size ? 1 : 2, most = t->size ? t->size : TOKENS_MOST;
    if (!status) status = tokens_add_counted(k, &c, token_rank_by_count, least, most, e);
    token_counts_free(&c);
    return status;
}

static int tokens_fit_pairs(Tokens *k, const TokensText *t, Error *e)
{
    return pairs_fit(k, t->size, t->s, (size_t)(t->end - t->s), e);
}

int tokens_append(TokenList *list, int32_t token, Error *e)
{
    if (!memory_grow(&list->id, &list->room, list->count + 1, sizeof *list->id)) return error_memory(e);
    list->id[list->count++] = token;
    return NUDGE_OK;
}

/* A piece that is one token. Sets nothing if the vocabulary lacks it: the caller says so. */
static int tokens_encode_whole(const Tokens *k, TokenList *list, const char *piece, size_t length, Error *e)
{
    int32_t token = tokens_find(k, piece, length);
    return token < 0 ? NUDGE_INPUT : tokens_append(list, token, e);
}

static int tokens_encode_word(const Tokens *k, TokenList *list, const char *piece, size_t length, Error *e)
{
    int32_t token = tokens_find(k, piece, length);
    list->unknown += token < 0;
    return tokens_append(list, token < 0 ? 0 : token, e);
}

typedef struct TokensRow {
    const char *name;
    bool sized;   /* may be followed by a size */
    size_t least; /* that it may have; where it must be given, more than 256 */
    size_t (*piece)(const char *s, const char *end);
    int (*fit)(Tokens *k, const TokensText *t, Error *e);
    int (*encode)(const Tokens *k, TokenList *list, const char *piece, size_t length, Error *e);
} TokensRow;

static const TokensRow tokens_rows[] = {
    [TOKENS_CHAR] = {"char", false, 0, tokens_character, tokens_fit_chars, tokens_encode_whole},
    [TOKENS_BYTE] = {"byte", false, 0, tokens_byte, tokens_fit_bytes, tokens_encode_whole},
    [TOKENS_WORD] = {"word", true, 3, tokens_piece, tokens_fit_words, tokens_encode_word},
    [TOKENS_BPE] = {"bpe", true, TOKENS_BYTES + 1, tokens_piece, tokens_fit_pairs, pairs_encode},
};
enum { TOKENS_ROWS = sizeof tokens_rows / sizeof *tokens_rows };

const char *tokens_kind_name(TokensKind kind)
{
    return tokens_rows[kind].name;
}

int32_t tokens_line_end(const Tokens *k)
{
    return tokens_find(k, "\n", 1);
}

bool tokens_is_unknown(const Tokens *k, int32_t token)
{
    return k->kind == TOKENS_WORD && !token;
}

/* ---- What a recipe says ---------------------------------------------------------------------------------- */

static int tokens_refuse(const char *text, size_t length, const char *origin, Error *e)
{
    char word[32] = "";
    const char *names[TOKENS_ROWS];
    strncat(word, text, length < sizeof word ? length : sizeof word - 1);
    for (size_t i = 0; i < TOKENS_ROWS; i++)
        names[i] = tokens_rows[i].name;
    const char *near = name_nearest(word, names, TOKENS_ROWS);
    return error_set(e, NUDGE_INPUT,
                     "%s: tokens: \"%s\" is not one of char, byte, word, word(5000), bpe(1000)%s%s%s", origin,
                     text, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* "(1000)" after the name of a kind. */
static int tokens_parse_size(const TokensRow *row, const char *text, const char *at, const char *origin,
                             size_t *size, Error *e)
{
    double value;
    size_t length = strlen(at);
    bool brackets = length > 2 && *at == '(' && at[length - 1] == ')';
    if (!row->sized)
        return error_set(e, NUDGE_INPUT, "%s: tokens: %s has no size, so \"%s\" means nothing; write %s",
                         origin, row->name, text, row->name);
    if (!brackets || !number_is(at + 1, length - 2, &value) || value != (double)(int64_t)value)
        return error_set(e, NUDGE_INPUT, "%s: tokens: \"%s\" has no size in brackets; write %s(1000)", origin,
                         text, row->name);
    if (value < (double)row->least || value > TOKENS_MOST)
        return error_set(e, NUDGE_INPUT, "%s: tokens: %s: the vocabulary has from %zu%s to %d tokens", origin,
                         text, row->least, row->least > TOKENS_BYTES ? " (more than the bytes)" : "",
                         TOKENS_MOST);
    *size = (size_t)value;
    return NUDGE_OK;
}

int tokens_parse(const char *text, const char *origin, TokensKind *kind, size_t *size, Error *e)
{
    size_t length = strcspn(text, " ("), row = 0;
    while (row < TOKENS_ROWS &&
           (strlen(tokens_rows[row].name) != length || memcmp(tokens_rows[row].name, text, length) != 0))
        row++;
    if (row == TOKENS_ROWS) return tokens_refuse(text, length, origin, e);
    const char *at = text + length + strspn(text + length, " ");
    *kind = (TokensKind)row;
    *size = 0;
    if (*at) return tokens_parse_size(&tokens_rows[row], text, at, origin, size, e);
    if (tokens_rows[row].least <= TOKENS_BYTES) return NUDGE_OK;
    return error_set(e, NUDGE_INPUT, "%s: tokens: %s needs the size of its vocabulary, such as %s(1000)",
                     origin, text, text);
}

/* ---- From a text, and to tokens ---------------------------------------------------------------------------- */

int tokens_fit(Tokens *k, TokensKind kind, size_t size, const char *name, const char *text, size_t length,
               Text *warnings, Error *e)
{
    *k = (Tokens){.kind = kind};
    int status = tokens_rows[kind].fit(k, &(TokensText){name, 1, text, text + length, size}, e);
    if (status) {
        tokens_free(k);
        return status;
    }
    if (k->count < size)
        text_print(warnings, "%s: tokens: the text gives %zu tokens, not the %zu of %s(%zu)\n", name,
                   k->count, size, tokens_rows[kind].name, size);
    return warnings->failed ? tokens_free(k), error_memory(e) : NUDGE_OK;
}

static int tokens_refuse_character(const Tokens *k, const TokensText *t, const char *at, size_t length,
                                   Error *e)
{
    size_t line, column;
    if (!length) return tokens_check_utf8(t, e);
    tokens_locate(t, at, &line, &column);
    return error_set(
        e, NUDGE_INPUT,
        "%s:%zu:%zu: the character \"%.*s\" is none of the %zu that the model learnt from; leave it "
        "out, or train with tokens=byte",
        t->name, line, column, (int)length, at, k->count);
}

int tokens_encode(const Tokens *k, TokenList *list, const char *name, size_t line, const char *text,
                  size_t length, Error *e)
{
    const TokensRow *row = &tokens_rows[k->kind];
    const TokensText t = {name, line, text, text + length, 0};
    for (size_t n; text < t.end; text += n) {
        n = row->piece(text, t.end);
        int status = n ? row->encode(k, list, text, n, e) : NUDGE_INPUT;
        if (status) return e->status ? e->status : tokens_refuse_character(k, &t, text, n, e);
    }
    return NUDGE_OK;
}

int tokens_encode_known(const Tokens *k, TokenList *list, const char *text, size_t length, Error *e)
{
    const TokensRow *row = &tokens_rows[k->kind];
    for (const char *end = text + length; text < end;) {
        size_t n = row->piece(text, end);
        int status = n ? row->encode(k, list, text, n, e) : NUDGE_INPUT;
        if (e->status) return e->status;
        list->unknown += status != NUDGE_OK;
        text += n ? n : 1;
    }
    return NUDGE_OK;
}

/* ---- JSON ------------------------------------------------------------------------------------------------ */

static void tokens_save_merges(const Tokens *k, JsonWriter *w)
{
    json_key(w, "merges");
    json_open(w, '[');
    for (size_t i = 0; i + TOKENS_BYTES < k->count; i++) {
        json_open(w, '[');
        json_integer(w, k->merge[i].left);
        json_integer(w, k->merge[i].right);
        json_close(w, ']');
    }
    json_close(w, ']');
}

static void tokens_save_texts(const Tokens *k, JsonWriter *w)
{
    json_key(w, "tokens");
    json_open(w, '[');
    for (size_t i = 0, length; i < k->count; i++) {
        const char *bytes = tokens_bytes(k, (int32_t)i, &length);
        if (i) text_put(w->out, ',');
        json_quote(w->out, bytes, length);
    }
    w->comma = true;
    json_close(w, ']');
}

/* {"kind":"char","tokens":["\n"," ","a"]} or {"kind":"bpe","merges":[[32,116],[256,104]]} */
void tokens_save(const Tokens *k, Text *out)
{
    JsonWriter w = {.out = out};
    json_open(&w, '{');
    json_key(&w, "kind");
    json_string(&w, tokens_rows[k->kind].name);
    if (k->kind == TOKENS_BPE) tokens_save_merges(k, &w);
    if (k->kind == TOKENS_CHAR || k->kind == TOKENS_WORD) tokens_save_texts(k, &w);
    json_close(&w, '}');
}

static int tokens_broken(const char *what, size_t index, Error *e)
{
    return error_set(e, NUDGE_INPUT, "the model's tokens: %s %zu is broken; train it anew", what, index);
}

static int tokens_load_merges(Tokens *k, const JsonValue *list, Error *e)
{
    int status = tokens_add_bytes(k, e);
    for (const JsonValue *v = list ? list->first : NULL; v && !status; v = v->next) {
        const JsonValue *left = v->kind == JSON_ARRAY && v->count == 2 ? v->first : NULL,
                        *right = left ? left->next : NULL;
        bool sound = left && left->whole && right->whole && left->integer >= 0 && right->integer >= 0 &&
                     (size_t)left->integer < k->count && (size_t)right->integer < k->count &&
                     k->count < TOKENS_MOST && k->bytes.length < (size_t)TOKENS_BYTES * TOKENS_MOST;
        TokensMerge merge =
            sound ? (TokensMerge){(int32_t)left->integer, (int32_t)right->integer} : (TokensMerge){0, 0};
        if (!sound || tokens_merged(k, merge) >= 0) return tokens_broken("merge", v->index, e);
        status = tokens_add_merge(k, merge, e);
    }
    return status;
}

static int tokens_load_texts(Tokens *k, const JsonValue *list, Error *e)
{
    int status = NUDGE_OK;
    for (const JsonValue *v = list ? list->first : NULL; v && !status; v = v->next) {
        bool sound = v->kind == JSON_STRING && v->length && k->count < TOKENS_MOST;
        if (!sound || tokens_find(k, v->string, v->length) >= 0) return tokens_broken("token", v->index, e);
        status = tokens_add(k, v->string, v->length, e);
    }
    return status;
}

static int tokens_take(Tokens *k, const JsonValue *value, Error *e)
{
    const char *name = json_member_string(value, "kind");
    size_t row = 0;
    while (row < TOKENS_ROWS && (!name || strcmp(tokens_rows[row].name, name) != 0))
        row++;
    if (row == TOKENS_ROWS)
        return error_set(e, NUDGE_INPUT,
                         "the model's tokens are of a kind that is not known here: %s; use a "
                         "newer nudge",
                         name ? name : "none");
    k->kind = (TokensKind)row;
    bool merges = k->kind == TOKENS_BPE, bytes = k->kind == TOKENS_BYTE;
    int status = merges || bytes ? tokens_load_merges(k, json_member(value, "merges"), e)
                                 : tokens_load_texts(k, json_member(value, "tokens"), e);
    if (status || tokens_line_end(k) >= 0) return status;
    return tokens_broken("the line end, token", 0, e);
}

int tokens_load(Tokens *k, const char *json, size_t length, Error *e)
{
    Error error = {0};
    Arena arena;
    const JsonValue *value;
    *k = (Tokens){0};
    arena_init(&arena, &error);
    int status = json_parse(&arena, "the model's tokens", json, length, &value);
    if (status)
        error_set(e, status, "%s", error.message);
    else
        status = tokens_take(k, value, e);
    arena_free(&arena);
    if (status) tokens_free(k);
    return status;
}
