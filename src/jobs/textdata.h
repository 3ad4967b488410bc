/* textdata.h: texts for jobs: what a recipe says of tokens, context and lines, the vocabulary made of the training text or
 * taken from a model, and the rows. For jobdata.c, judged.c and the jobs that predict and sample. */
#ifndef JOBS_TEXTDATA_H
#define JOBS_TEXTDATA_H

#include "data/columns.h"
#include "data/textrows.h"
#include "train/model.h"

/* A training text. */
typedef struct TextData {
    Tokens tokens; /* count 0: what was read is no text */
    TokenList list;
    size_t context;
    bool lines;
    uint64_t seed;
} TextData;

/* Whether settings, or the name of the first file, say that it is text. */
bool textdata_is(const Settings *s, const char *file);

/* Reads the files of a setting, makes the vocabulary and, until a net says otherwise, rows with a target for each token.
 * textdata_free and dataset_free release in any case. */
int textdata_open(TextData *t, Dataset *rows, const Settings *s, const Setting *files, Text *warnings,
                  Error *e);

/* Makes the rows anew if the net tells only what comes after the last token; tells the model its tokens. */
int textdata_suit(TextData *t, Dataset *rows, Model *m, const char *file, Error *e);

void textdata_free(TextData *t); /* fine on zeros */

/* ---- For a model that was trained ---- */

/* The tokens that travel with a model; none (count 0) if it was not trained on text. */
int textdata_tokens(Tokens *k, const Model *m, Error *e);
/* Those of its column of text, if it has one. */
int textdata_columns(Columns *k, const Model *m, Error *e);
/* Lets tokens travel with a model. */
int textdata_note(const Tokens *k, Model *m, Error *e);

/* Rows of files; `train`: as the training had them, to be divided the same way. */
int textdata_load(Dataset *rows, const Tokens *k, const Model *m, const char *const *file, size_t files,
                  bool train, Text *warnings, Error *e);
int textdata_load_setting(Dataset *rows, const Tokens *k, const Model *m, const Setting *files, bool train,
                          Text *warnings, Error *e);

/* The bytes of the targets that rows order[0..count) have; all rows if order is NULL. */
double textdata_bytes(const Dataset *rows, const Tokens *k, const size_t *order, size_t count);

#endif
