/* tokens.h: text <-> numbers: a vocabulary of tokens, made from a training text, that travels with the model as JSON. A
 * token is a character, a byte, a word, or a sequence of bytes that was found to be frequent (tokens_pairs.c). For the
 * jobs that train on text, measure and sample; knows base/ only. */
#ifndef DATA_TOKENS_H
#define DATA_TOKENS_H

#include "base/text.h"
#include <stdint.h>

typedef enum TokensKind { TOKENS_CHAR, TOKENS_BYTE, TOKENS_WORD, TOKENS_BPE } TokensKind;
enum { TOKENS_BYTES = 256, TOKENS_MOST = 1000000 }; /* single bytes; the largest vocabulary */

typedef struct TokensMerge { /* of two tokens to one: byte-pair encoding */
    int32_t left, right;
} TokensMerge;

typedef struct Tokens {
    TokensKind kind;
    size_t count;        /* of the vocabulary; tokens are 0..count-1 */
    Text bytes;          /* of all tokens, one after the other */
    size_t *start, room; /* [count + 1]: where each begins in bytes */
    int32_t *lookup;     /* hash table of tokens by their bytes; -1: empty */
    size_t lookup_room;  /* a power of two */
    TokensMerge
        *merge; /* [count - TOKENS_BYTES] of TOKENS_BPE: how a token was made, the earlier the sooner */
    int32_t *merge_lookup; /* hash table of merges by their two tokens */
    size_t merge_room;
} Tokens;

/* How a recipe says which tokens: "char", "byte", "word", "word(5000)", "bpe(1000)". *size is 0 if it leaves that open.
 * NUDGE_INPUT, with `origin` before the message, if it is none of these. */
int tokens_parse(const char *text, const char *origin, TokensKind *kind, size_t *size, Error *e);

/* The vocabulary of a text, [length] bytes of a file named `name`. The same text gives the same vocabulary:
 *     char   all characters that occur, and the line end, by code point
 *     byte   the 256 bytes
 *     word   words with the blank before them, marks, and line ends, by how often they occur; `size` of them or all that
 *            occur twice, the first token standing for any other word
 *     bpe    bytes, then the most frequent pair of tokens as a new one, again and again, up to `size` (Gage 1994; Sennrich,
 *            Haddow and Birch 2016)
 * A warning is appended if the text is too small for the size. On failure *k is empty. */
int tokens_fit(Tokens *k, TokensKind kind, size_t size, const char *name, const char *text, size_t length,
               Text *warnings, Error *e);

/* Tokens that grow, as tokens_encode appends them. Begins as zeros; memory_release(list.id). */
typedef struct TokenList {
    int32_t *id;
    size_t count, room;
    size_t
        unknown; /* words that are not in the vocabulary; of tokens_encode_known also characters left out */
} TokenList;

/* Appends the tokens of a text, which begins at a line of the file `name`, from 1. NUDGE_INPUT names file, line and column
 * of a character that the vocabulary lacks. */
int tokens_encode(const Tokens *k, TokenList *list, const char *name, size_t line, const char *text,
                  size_t length, Error *e);

/* The same of any UTF-8, without mistakes: what the vocabulary lacks is left out and counted, too. */
int tokens_encode_known(const Tokens *k, TokenList *list, const char *text, size_t length, Error *e);

/* The bytes of a token. */
const char *tokens_bytes(const Tokens *k, int32_t token, size_t *length);

/* The token of a line end, which also begins and ends the samples that are lines. */
int32_t tokens_line_end(const Tokens *k);

/* True of the token that stands for words that are not in the vocabulary. */
bool tokens_is_unknown(const Tokens *k, int32_t token);

/* "char", "bpe" */
const char *tokens_kind_name(TokensKind kind);

/* As JSON, and back. tokens_load checks all it reads; on failure *k is empty. */
void tokens_save(const Tokens *k, Text *out);
int tokens_load(Tokens *k, const char *json, size_t length, Error *e);

void tokens_free(Tokens *k); /* fine on zeros */

/* The length of the piece that a text begins with: a word, a number or marks, with one blank before it if there is one;
 * or a line end; or blanks. Tokens of words are pieces, and those of pairs never reach from one piece into the next. */
size_t tokens_piece(const char *s, const char *end);

/* Appends one token. */
int tokens_append(TokenList *list, int32_t token, Error *e);

/* ---- For tokens_pairs.c -------------------------------------------------------------------------------------- */

/* Appends a token of these bytes to the vocabulary; returns a status. */
int tokens_add(Tokens *k, const char *bytes, size_t length, Error *e);

/* Appends the 256 bytes. */
int tokens_add_bytes(Tokens *k, Error *e);

/* Appends the token that two make, and remembers how it was made. */
int tokens_add_merge(Tokens *k, TokensMerge merge, Error *e);

/* The token that two make, or -1. */
int32_t tokens_merged(const Tokens *k, TokensMerge merge);

/* The token of these bytes, or -1. */
int32_t tokens_find(const Tokens *k, const char *bytes, size_t length);

/* How often each piece of a text occurs; begins as zeros. */
typedef struct TokenCounts {
    Tokens pieces;
    size_t *count, room; /* [pieces.count] */
} TokenCounts;

int token_counts_take(TokenCounts *c, size_t (*piece)(const char *s, const char *end), const char *text,
                      size_t length, Error *e);
void token_counts_free(TokenCounts *c);

#endif
