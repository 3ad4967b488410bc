/* scope.c: see scope.h, and the part of notation.h on scopes. */
#include "notation/scope.h"

#include "base/philox.h"
#include "notation/natives.h"

#include <math.h>
#include <string.h>

enum { SCOPE_BUCKETS = 8 };

Scope *scope_new(Arena *a, Scope *outer)
{
    Scope *s = arena_new(a, 1, sizeof *s);
    *s = (Scope){.arena = a, .outer = outer, .limits = outer ? outer->limits : NULL};
    s->last = &s->first;
    if (!outer) natives_add(s);
    return s;
}

/* ---- Looking ---- */

bool entry_function(const Entry *e)
{
    return e->kind == ENTRY_ROW || e->kind == ENTRY_NATIVE;
}

bool entry_value(const Entry *e)
{
    return !entry_function(e);
}

bool entry_partial(const Entry *e)
{
    static const char *const partial[] = {"loss", "optimizer", "driver",     "schedule", "initialiser",
                                          "clip", "penalty",   "constraint", "average"};
    for (size_t i = 0; e->category && i < sizeof partial / sizeof *partial; i++)
        if (!strcmp(e->category, partial[i])) return true;
    return false;
}

bool entry_layer(const Entry *e)
{
    if (entry_partial(e) || (e->category && !strcmp(e->category, "helper"))) return false;
    return e->kind == ENTRY_ROW ? e->row->parameters > 0 : e->kind == ENTRY_NATIVE;
}

static bool entry_open(const Entry *e)
{
    return entry_function(e) || e->kind == ENTRY_NUMBER ||
           (e->kind == ENTRY_VALUE && e->value.kind == VALUE_WORD);
}

static Entry *scope_here(const Scope *s, const char *name, uint64_t hash, bool (*right)(const Entry *))
{
    if (!s->count) return NULL;
    for (Entry *e = s->bucket[hash % (uint64_t)s->buckets]; e; e = e->chain)
        if (e->hash == hash && right(e) && !strcmp(e->name, name)) return e;
    return NULL;
}

static Entry *scope_find(const Scope *s, const char *name, bool (*right)(const Entry *))
{
    uint64_t hash = hash_string(name);
    bool closed = false;
    for (; s; s = s->outer) {
        Entry *e = scope_here(s, name, hash, right);
        if (e && (!closed || entry_open(e))) return e;
        closed |= s->closed;
    }
    return NULL;
}

Entry *scope_value(const Scope *s, const char *name)
{
    return scope_find(s, name, entry_value);
}

Entry *scope_function(const Scope *s, const char *name)
{
    return scope_find(s, name, entry_function);
}

Entry *scope_within(const Scope *s, const char *name)
{
    uint64_t hash = hash_string(name);
    Entry *e = NULL;
    for (bool closed = false; s && !e && !closed; s = s->outer) {
        e = scope_here(s, name, hash, entry_value);
        closed = s->closed;
    }
    return e;
}

const char *scope_nearest(const Scope *s, Arena *a, const char *word, bool (*right)(const Entry *))
{
    int count = 0;
    for (const Scope *o = s; o; o = o->outer)
        count += o->count;
    const char **names = arena_new(a, (size_t)count, sizeof *names);
    size_t n = 0;
    bool closed = false;
    for (; s; s = s->outer) {
        for (const Entry *e = s->first; e; e = e->next)
            if (right(e) && (!closed || entry_open(e))) names[n++] = e->name;
        closed |= s->closed;
    }
    return name_nearest(word, names, n);
}

/* ---- Adding ---- */

static void scope_link(Scope *s, Entry *e)
{
    Entry **head = &s->bucket[e->hash % (uint64_t)s->buckets];
    e->chain = *head;
    *head = e;
}

static void scope_grow(Scope *s)
{
    s->buckets = s->buckets ? s->buckets * 4 : SCOPE_BUCKETS;
    s->bucket = arena_new(s->arena, (size_t)s->buckets, sizeof(Entry *));
    for (Entry *e = s->first; e; e = e->next)
        scope_link(s, e);
}

Entry *scope_set(Scope *s, EntryKind kind, const char *name)
{
    uint64_t hash = hash_string(name);
    bool function = kind == ENTRY_ROW || kind == ENTRY_NATIVE;
    Entry *e = scope_here(s, name, hash, function ? entry_function : entry_value), *next = e ? e->next : NULL;
    Entry *chain = e ? e->chain : NULL;
    if (!e) {
        e = arena_new(s->arena, 1, sizeof *e);
        name = arena_string(s->arena, name, strlen(name));
    } else {
        name = e->name;
    }
    bool fresh = !e->name;
    *e = (Entry){.kind = kind, .name = name, .hash = hash, .chain = chain, .next = next};
    if (!fresh) return e;
    if (s->count++ >= s->buckets) scope_grow(s);
    scope_link(s, e);
    *s->last = e;
    s->last = &e->next;
    return e;
}

void scope_add_native(Scope *s, const char *name, const char *category, Native *function, void *context)
{
    Entry *e = scope_set(s, ENTRY_NATIVE, name);
    e->category = category;
    e->native = function;
    e->context = context;
}

void scope_add_value(Scope *s, const char *name, Value v)
{
    scope_set(s, ENTRY_VALUE, name)->value = v;
}

void scope_add_node(Scope *s, const char *name, Node *n)
{
    scope_add_value(s, name, value_node(n));
}

void scope_add_number(Scope *s, const char *name, double value)
{
    scope_set(s, ENTRY_NUMBER, name)->number = value;
}

void scope_limit(Scope *s, Limits *limits)
{
    s->limits = limits;
}

/* ---- Rows ---- */

typedef struct Callee {
    const Scope *scope;
    const char *name; /* only calls of this one count; NULL: of any */
} Callee;

/* A native with a category, a layer or a derivative, asks not for the values of its arguments but for how they came
 * about, which a body does not see. */
static bool row_calls_open(void *context, const Syntax *s)
{
    const Callee *c = context;
    bool named = s->kind == SYNTAX_CALL || s->kind == SYNTAX_NAME;
    if (!named || (c->name && strcmp(s->name, c->name))) return false;
    const Entry *e = scope_function(c->scope, s->name);
    if (!e) return false;
    return e->kind == ENTRY_ROW ? e->row->open : e->category != NULL;
}

static bool row_updates(void *context, const Syntax *s)
{
    (void)context;
    return s->kind == SYNTAX_ASSIGN && s->part[0].sign != '=';
}

/* A row that calls an open row is open, too, whichever was defined first. */
static void scope_open(Scope *s, const char *name)
{
    for (Entry *e = s->first; e; e = e->next) {
        if (e->kind != ENTRY_ROW || e->row->open) continue;
        if (!syntax_any(e->row->body, row_calls_open, &(Callee){s, name})) continue;
        e->row->open = true;
        scope_open(s, e->name);
    }
}

const Row *scope_add_row(Scope *s, const char *title, const char *text, const char *gradient,
                         const char *category)
{
    Source *source = arena_new(s->arena, 1, sizeof *source);
    source->title = arena_string(s->arena, title, strlen(title));
    source->text = arena_string(s->arena, text, strlen(text));
    Row *row = arena_new(s->arena, 1, sizeof *row);
    syntax_row(s->arena, source, row);
    Entry *known = scope_here(s, row->name, hash_string(row->name), entry_function);
    if (known && known->kind == ENTRY_ROW)
        error_raise(s->arena->error, NUDGE_INPUT, "%s: %s is defined twice; give one of the two another name",
                    title, row->name);
    row->gradient = gradient ? arena_string(s->arena, gradient, strlen(gradient)) : NULL;
    row->category = category ? arena_string(s->arena, category, strlen(category)) : NULL;
    row->scope = s;
    row->open = row->decls || syntax_any(row->body, row_updates, NULL) ||
                syntax_any(row->body, row_calls_open, &(Callee){s, NULL});
    Entry *e = scope_set(s, ENTRY_ROW, row->name);
    e->row = row;
    e->category = row->category;
    if (row->open) scope_open(s, row->name);
    return row;
}

const Row *scope_row(const Scope *s, const char *name)
{
    const Entry *e = scope_function(s, name);
    return e && e->kind == ENTRY_ROW ? e->row : NULL;
}

const char *row_name(const Row *r)
{
    return r->name;
}

const char *row_text(const Row *r)
{
    return r->source->text;
}

const char *row_gradient(const Row *r)
{
    return r->gradient;
}

int row_inputs(const Row *r)
{
    return r->inputs;
}

bool row_takes(const Row *r, const char *name)
{
    for (int i = 0; i < r->parameters; i++)
        if (!strcmp(r->parameter[i].name, name)) return true;
    return false;
}

const char *row_input(const Row *r, int index)
{
    return r->parameter[index].name;
}

void scope_each_row(const Scope *s, void (*see)(void *context, const char *category, const Row *r),
                    void *context)
{
    for (; s; s = s->outer)
        for (const Entry *e = s->first; e; e = e->next)
            if (e->kind == ENTRY_ROW) see(context, e->category, e->row);
}
