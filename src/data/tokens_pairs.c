/* tokens_pairs.c: see tokens_pairs.h. Counts of pairs change only where a merge happens, so each pair knows the words it is
 * in, and a heap knows the most frequent one. */
#include "data/tokens_pairs.h"

#include "base/philox.h"
#include <string.h>

typedef struct PairsWord { /* a piece of the text that is longer than a byte */
    size_t begin, length;  /* its tokens in `token`; they get fewer */
    size_t count;          /* how often it occurs */
} PairsWord;

typedef struct PairsPair {
    TokensMerge pair;
    size_t count;
    size_t places; /* the last of its words in `place`, counted from 1; 0: none */
} PairsPair;

typedef struct PairsPlace {
    size_t word, before; /* `before`: the pair's place before this, from 1 */
} PairsPlace;

typedef struct PairsEntry { /* of the heap; the count may be out of date, and then is too large */
    size_t pair, count;
} PairsEntry;

typedef struct Pairs {
    Tokens *tokens;
    int32_t *token;
    PairsWord *word;
    size_t words;
    PairsPair *pair;
    size_t pairs, pair_room;
    size_t *lookup, lookup_room; /* hash table of pairs, from 1; 0: empty */
    PairsPlace *place;
    size_t places, place_room;
    PairsEntry *heap;
    size_t entries, heap_room;
    Error *error;
} Pairs;

/* ---- The table of pairs ---------------------------------------------------------------------------------- */

static size_t pairs_slot(const Pairs *p, TokensMerge pair)
{
    size_t at =
        hash_mix(((uint64_t)(uint32_t)pair.left << 32 | (uint32_t)pair.right) + 1) & (p->lookup_room - 1);
    for (; p->lookup[at]; at = (at + 1) & (p->lookup_room - 1)) {
        TokensMerge there = p->pair[p->lookup[at] - 1].pair;
        if (there.left == pair.left && there.right == pair.right) break;
    }
    return at;
}

static int pairs_rehash(Pairs *p)
{
    if (2 * (p->pairs + 1) <= p->lookup_room) return NUDGE_OK;
    size_t room = p->lookup_room ? 2 * p->lookup_room : 4096;
    memory_release(p->lookup);
    p->lookup = memory_zero(room, sizeof *p->lookup);
    if (!p->lookup) return error_memory(p->error);
    p->lookup_room = room;
    for (size_t i = 0; i < p->pairs; i++)
        p->lookup[pairs_slot(p, p->pair[i].pair)] = i + 1;
    return NUDGE_OK;
}

/* The pair's index, made if it is new; NULL without memory. */
static PairsPair *pairs_get(Pairs *p, TokensMerge pair)
{
    if (pairs_rehash(p)) return NULL;
    size_t at = pairs_slot(p, pair);
    if (!p->lookup[at]) {
        if (!memory_grow(&p->pair, &p->pair_room, p->pairs + 1, sizeof *p->pair)) {
            error_memory(p->error);
            return NULL;
        }
        p->pair[p->pairs++] = (PairsPair){.pair = pair};
        p->lookup[at] = p->pairs;
    }
    return &p->pair[p->lookup[at] - 1];
}

static int pairs_put_place(Pairs *p, PairsPair *pair, size_t word)
{
    if (pair->places && p->place[pair->places - 1].word == word) return NUDGE_OK;
    if (!memory_grow(&p->place, &p->place_room, p->places + 1, sizeof *p->place))
        return error_memory(p->error);
    p->place[p->places++] = (PairsPlace){word, pair->places};
    pair->places = p->places;
    return NUDGE_OK;
}

/* Counts the pairs of a word; those with `new` in them learn that they are in it (new < 0: all). */
static int pairs_count_word(Pairs *p, size_t word, int32_t new)
{
    const PairsWord *w = &p->word[word];
    const int32_t *token = p->token + w->begin;
    for (size_t i = 0; i + 1 < w->length; i++) {
        PairsPair *pair = pairs_get(p, (TokensMerge){token[i], token[i + 1]});
        if (!pair) return p->error->status;
        pair->count += w->count;
        bool fresh = new < 0 || token[i] == new || token[i + 1] == new;
        if (fresh && pairs_put_place(p, pair, word)) return p->error->status;
    }
    return NUDGE_OK;
}

static void pairs_uncount_word(Pairs *p, size_t word)
{
    const PairsWord *w = &p->word[word];
    const int32_t *token = p->token + w->begin;
    for (size_t i = 0; i + 1 < w->length; i++)
        p->pair[p->lookup[pairs_slot(p, (TokensMerge){token[i], token[i + 1]})] - 1].count -= w->count;
}

/* ---- The heap: the most frequent pair on top, of equals the one of the smaller tokens --------------------- */

static bool pairs_precedes(const Pairs *p, PairsEntry a, PairsEntry b)
{
    TokensMerge x = p->pair[a.pair].pair, y = p->pair[b.pair].pair;
    if (a.count != b.count) return a.count > b.count;
    return x.left != y.left ? x.left < y.left : x.right < y.right;
}

static void pairs_swap(Pairs *p, size_t a, size_t b)
{
    PairsEntry entry = p->heap[a];
    p->heap[a] = p->heap[b];
    p->heap[b] = entry;
}

static void pairs_sink(Pairs *p, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < p->entries; at = child) {
        if (child + 1 < p->entries && pairs_precedes(p, p->heap[child + 1], p->heap[child])) child++;
        if (!pairs_precedes(p, p->heap[child], p->heap[at])) return;
        pairs_swap(p, at, child);
    }
}

static int pairs_push(Pairs *p, size_t pair)
{
    if (!memory_grow(&p->heap, &p->heap_room, p->entries + 1, sizeof *p->heap)) return error_memory(p->error);
    size_t at = p->entries++;
    p->heap[at] = (PairsEntry){pair, p->pair[pair].count};
    for (; at && pairs_precedes(p, p->heap[at], p->heap[(at - 1) / 2]); at = (at - 1) / 2)
        pairs_swap(p, at, (at - 1) / 2);
    return NUDGE_OK;
}

/* Takes the most frequent pair; false if none occurs twice. */
static bool pairs_pop(Pairs *p, size_t *pair)
{
    while (p->entries) {
        PairsEntry *top = &p->heap[0];
        size_t count = p->pair[top->pair].count;
        bool current = top->count == count;
        *pair = top->pair;
        if (current || count < 2)
            *top = p->heap[--p->entries];
        else
            top->count = count;
        pairs_sink(p, 0);
        if (current) return count >= 2;
    }
    return false;
}

/* ---- Merging ---------------------------------------------------------------------------------------------- */

/* Replaces a pair wherever it stands in token[0..length); returns the new length. */
static size_t pairs_replace(int32_t *token, size_t length, TokensMerge pair, int32_t new)
{
    size_t kept = 0;
    for (size_t i = 0; i < length; i++) {
        bool here = i + 1 < length && token[i] == pair.left && token[i + 1] == pair.right;
        token[kept++] = here ? new : token[i];
        i += here;
    }
    return kept;
}

static int pairs_merge_word(Pairs *p, size_t word, TokensMerge pair, int32_t new)
{
    PairsWord *w = &p->word[word];
    pairs_uncount_word(p, word);
    w->length = pairs_replace(p->token + w->begin, w->length, pair, new);
    return pairs_count_word(p, word, new);
}

static int pairs_merge(Pairs *p, size_t index)
{
    TokensMerge pair = p->pair[index].pair;
    int32_t new = (int32_t)p->tokens->count;
    size_t known = p->pairs;
    int status = tokens_add_merge(p->tokens, pair, p->error);
    for (size_t at = p->pair[index].places; at && !status; at = p->place[at - 1].before)
        status = pairs_merge_word(p, p->place[at - 1].word, pair, new);
    for (size_t i = known; i < p->pairs && !status; i++) /* pairs with a token that is new are new */
        status = pairs_push(p, i);
    return status;
}

static int pairs_all(Pairs *p, size_t size)
{
    int status = NUDGE_OK;
    size_t next;
    for (size_t i = 0; i < p->words && !status; i++)
        status = pairs_count_word(p, i, -1);
    for (size_t i = 0; i < p->pairs && !status; i++)
        status = pairs_push(p, i);
    while (!status && p->tokens->count < size && pairs_pop(p, &next))
        status = pairs_merge(p, next);
    return status;
}

/* ---- For tokens.c ------------------------------------------------------------------------------------------- */

static int pairs_begin(Pairs *p, const TokenCounts *c)
{
    p->token = memory_new(c->pieces.bytes.length, sizeof *p->token);
    p->word = memory_new(c->pieces.count, sizeof *p->word);
    if (!p->token || !p->word) return error_memory(p->error);
    for (size_t i = 0; i < c->pieces.bytes.length; i++)
        p->token[i] = (unsigned char)c->pieces.bytes.s[i];
    for (size_t i = 0, length; i < c->pieces.count; i++) {
        tokens_bytes(&c->pieces, (int32_t)i, &length);
        p->word[p->words++] = (PairsWord){c->pieces.start[i], length, c->count[i]};
    }
    return tokens_add_bytes(p->tokens, p->error);
}

int pairs_fit(Tokens *k, size_t size, const char *text, size_t length, Error *e)
{
    TokenCounts c = {0};
    Pairs p = {.tokens = k, .error = e};
    int status = token_counts_take(&c, tokens_piece, text, length, e);
    if (!status) status = pairs_begin(&p, &c);
    if (!status) status = pairs_all(&p, size);
    token_counts_free(&c);
    memory_release(p.token);
    memory_release(p.word);
    memory_release(p.pair);
    memory_release(p.lookup);
    memory_release(p.place);
    memory_release(p.heap);
    return status;
}

/* Of the merges that apply, the one that was made first comes first. */
int pairs_encode(const Tokens *k, TokenList *list, const char *piece, size_t length, Error *e)
{
    size_t begin = list->count;
    for (size_t i = 0; i < length; i++)
        if (tokens_append(list, (unsigned char)piece[i], e)) return e->status;
    for (;;) {
        int32_t *token = list->id + begin, best = -1;
        size_t count = list->count - begin;
        TokensMerge pair = {0, 0};
        for (size_t i = 0; i + 1 < count; i++) {
            int32_t made = tokens_merged(k, (TokensMerge){token[i], token[i + 1]});
            if (made < 0 || (best >= 0 && made >= best)) continue;
            best = made;
            pair = (TokensMerge){token[i], token[i + 1]};
        }
        if (best < 0) return NUDGE_OK;
        list->count = begin + pairs_replace(token, count, pair, best);
    }
}
