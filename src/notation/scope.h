/* scope.h: names and what they mean. Used by notation/ only.
 *
 * A scope is a table of entries in an arena; scopes nest. Functions (rows, natives) and values are looked up
 * separately, so that a tensor called `bias` or `t` hides no function. */
#ifndef NOTATION_SCOPE_H
#define NOTATION_SCOPE_H

#include "notation/syntax.h"

struct BodyDraft;

typedef enum EntryKind {
    ENTRY_VALUE,  /* value, in draft */
    ENTRY_NUMBER, /* number: a constant of any graph */
    ENTRY_DECL,   /* decl: becomes a value when first asked for */
    ENTRY_ROW,    /* row */
    ENTRY_NATIVE  /* native, context */
} EntryKind;

typedef struct Entry {
    EntryKind kind;
    const char *name, *category;
    uint64_t hash;
    Value value;
    struct BodyDraft *draft; /* whose body the value's nodes belong to; NULL: to none */
    Node *leaf;              /* what <- writes, once the name means a newer value */
    const char *bound;       /* of a dimension's name: where its size came from, for messages */
    double number;
    const Decl *decl;
    Row *row;
    Native *native;
    void *context;
    struct Entry *chain; /* in its bucket */
    struct Entry *next;  /* in order of addition */
} Entry;

struct Scope {
    Arena *arena;
    Scope *outer;
    Limits *limits; /* of options, or NULL */
    bool
        closed; /* the scope of a definition: of what lies further out it sees functions, words and numbers only */
    int count, buckets;
    Entry **bucket;
    Entry *first, **last;
};

/* The innermost meaning of a name as a value or as a function, or NULL. */
Entry *scope_value(const Scope *s, const char *name);
Entry *scope_function(const Scope *s, const char *name);

/* As scope_value, within the definition: a constant further out does not count. */
Entry *scope_within(const Scope *s, const char *name);

/* Gives the name a new value in this very scope; what it meant here before is forgotten. */
Entry *scope_set(Scope *s, EntryKind kind, const char *name);

/* What was meant by an unknown word, among the visible names for which right() holds; NULL if nothing is near. */
const char *scope_nearest(const Scope *s, Arena *a, const char *word, bool (*right)(const Entry *));

bool entry_function(const Entry *e);
bool entry_value(const Entry *e);
/* Can stand in a net: maps one tensor to one. */
bool entry_layer(const Entry *e);
/* Is written without its first arguments: a loss, an optimizer, a schedule. */
bool entry_partial(const Entry *e);

#endif
