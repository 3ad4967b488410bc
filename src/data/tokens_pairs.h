/* tokens_pairs.h: byte-pair encoding: which pairs of tokens are merged, and a text's tokens after it. For tokens.c. */
#ifndef DATA_TOKENS_PAIRS_H
#define DATA_TOKENS_PAIRS_H

#include "data/tokens.h"

/* Adds bytes and merges up to `size` tokens to an empty vocabulary; fewer if no pair occurs twice. */
int pairs_fit(Tokens *k, size_t size, const char *text, size_t length, Error *e);

/* Appends the tokens of one piece. */
int pairs_encode(const Tokens *k, TokenList *list, const char *piece, size_t length, Error *e);

#endif
