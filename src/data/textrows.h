/* textrows.h: from text files to rows of tokens, each with the tokens that come next. For the jobs that train, measure and
 * predict; knows streams, tokens and datasets. */
#ifndef DATA_TEXTROWS_H
#define DATA_TEXTROWS_H

#include "data/dataset.h"
#include "data/tokens.h"

/* How a text becomes rows. */
typedef struct TextLayout {
    size_t context; /* tokens in a row */
    bool lines;     /* each line is a sample of its own; else the text is one */
    bool every;     /* a row has a target for each of its tokens; else one, for the last */
    bool train;     /* rows to divide and to learn from: lines are dealt by the seed, windows may slide */
    uint64_t seed;
} TextLayout;

/* Appends a file, or standard input for "-", unpacked if it is gzip. A byte-order mark and the CR of CR LF are dropped.
 * NUDGE_INPUT if it is empty. */
int textrows_read(Text *out, const char *file, Error *e);

/* The rows:
 *  - A text is cut into windows of `context` tokens; the target of each token is the one after it. To learn from, they
 *    begin a little late, so that in each epoch all can slide back and are cut elsewhere.
 *  - With one target a row, a row ends before each token from `context` on.
 *  - A line begins after a line end and ends with one. It takes as many rows as it needs; behind its end the targets
 *    are -1. With one target a row, line ends fill up what would be before the line. Blank lines are no samples.
 * Windows follow each other and are `ordered`; so are lines, which are dealt first, since files are often sorted.
 * NUDGE_INPUT, with `name` before the message, if there is less text than a row needs. */
int textrows_make(Dataset *d, const Tokens *k, const TokenList *text, const TextLayout *how, const char *name,
                  Error *e);

/* The tokens of the longest line, with its end. */
size_t textrows_longest(const Tokens *k, const TokenList *text);

#endif
