/* initial.c: the leaves that a row declares, and their first values. Used by evaluate.c; notation_initial is called by
 * whoever makes the memory of parameters. */
#include "notation/evaluate.h"

#include <string.h>

/* What Leaf.initial points to: the declaration, and the names that its value may use. */
typedef struct Initial {
    const Row *row;
    const Decl *decl;
    int names;
    const char **name;
    Value *value;
} Initial;

static bool initial_keeps(const Entry *e)
{
    double number;
    return e->kind == ENTRY_NUMBER ||
           (e->kind == ENTRY_VALUE &&
            (value_constant(e->value, &number) || e->value.kind == VALUE_WORD || e->value.kind == VALUE_NET));
}

static const Initial *initial_keep(Evaluation *e, const Row *row, const Decl *decl, const Scope *s)
{
    Arena *a = &e->graph->arena;
    Initial *keep = arena_new(a, 1, sizeof *keep);
    *keep = (Initial){.row = row, .decl = decl};
    keep->name = arena_new(a, (size_t)s->count, sizeof *keep->name);
    keep->value = arena_new(a, (size_t)s->count, sizeof *keep->value);
    for (const Entry *entry = s->first; entry; entry = entry->next) {
        if (!initial_keeps(entry)) continue;
        keep->name[keep->names] = entry->name;
        keep->value[keep->names++] =
            entry->kind == ENTRY_NUMBER ? value_number(e, entry->number) : entry->value;
    }
    return keep;
}

/* The sizes of a declaration; a tuple such as shape(w) stands for several. */
static Shape decl_shape(Evaluation *e, const Decl *d)
{
    Shape s = {0};
    for (int i = 0; i < d->dims; i++) {
        e->graph->origin = evaluate_origin(e, d->dim[i], d->dim[i]->at);
        if (d->dim[i]->kind == SYNTAX_REST) evaluation_raise(e, NULL, "a parameter needs all of its sizes");
        Value v = evaluate(e, d->dim[i]);
        int count = v.kind == VALUE_TUPLE ? v.count : 1;
        if (s.rank + count > RANK_MAX) evaluation_raise(e, NULL, "a tensor has at most %d axes", RANK_MAX);
        for (int k = 0; k < count; k++) {
            int64_t size = value_integer(e, v.kind == VALUE_TUPLE ? v.item[k] : v, "the size of an axis");
            if (size < 1)
                evaluation_raise(e, NULL, "the size of an axis must be at least 1, not %lld",
                                 (long long)size);
            s.dim[s.rank++] = size;
        }
    }
    return s;
}

/* "weight_ih_l" and the number of a layer are weight_ih_l0. */
static const char *decl_path(Evaluation *e, const Decl *d)
{
    if (!d->number) return d->path;
    int64_t number = evaluate_integer(e, d->number, "the number in a parameter's name");
    return arena_print(&e->graph->arena, "%s%lld%s", d->path, (long long)number, d->ending);
}

Node *initial_leaf(Evaluation *e, const Row *row, const Decl *decl, Scope *home)
{
    Evaluation in = *e;
    in.scope = home;
    const Origin *before = e->graph->origin;
    Shape s = decl_shape(&in, decl);
    const char *name = path_join(e, e->path, decl_path(&in, decl));
    e->graph->origin = before;
    Role role = decl->carried ? ROLE_CARRIED : decl->state ? ROLE_STATE : ROLE_PARAMETER;
    return graph_leaf(e->graph, role, name, TYPE_REAL, s, initial_keep(e, row, decl, home));
}

/* ---- First values ---- */

/* What a name after ~ stands for: an initialiser that was handed in, by its name or with arguments, has a scope of its
 * own. */
static const Syntax *initial_handed(Evaluation *e, const Syntax *s)
{
    const Entry *value = scope_value(e->scope, s->name);
    if (!value || value->kind != ENTRY_VALUE || value->value.kind != VALUE_NET) return s;
    e->scope = value->value.scope;
    e->graph->origin = evaluate_origin(e, value->value.syntax, value->value.syntax->at);
    return value->value.syntax;
}

/* The initialiser is called with the shape before its own arguments: natives get a tuple, rows a tensor of zeros, which
 * binds the names of its dimensions: glorot(w[out, in]). */
static Value initial_draw(Evaluation *e, const Syntax *s, Shape shape)
{
    Evaluation in = *e;
    s = initial_handed(&in, s);
    const Entry *callee = apply_find(&in, in.scope, s->name, entry_function, "initialiser");
    Argument *argument = arena_new(&e->graph->arena, (size_t)s->parts + 1, sizeof *argument);
    argument[0].origin = e->graph->origin;
    argument[0].value = callee->kind == ENTRY_NATIVE
                            ? value_shape(e, shape)
                            : value_node(graph_expand(e->graph, graph_const(e->graph, 0), shape));
    apply_arguments(&in, callee, s, 1, argument + 1);
    return apply_entry(&in, callee, 1, s->parts + 1, argument);
}

Node *notation_initial(const Context *c, const Leaf *leaf, Shape shape)
{
    const Initial *keep = leaf->initial;
    Evaluation e = evaluation_begin(c);
    uint64_t draws = 0;
    if (!keep) evaluation_raise(&e, NULL, "%s has no first value", leaf->name);
    e.scope = scope_new(&c->graph->arena, keep->row->scope);
    e.scope->closed = true;
    e.key = leaf->name;
    e.draws = &draws;
    for (int i = 0; i < keep->names; i++)
        scope_add_value(e.scope, keep->name[i], keep->value[i]);
    const Syntax *s = keep->decl->value;
    const Origin *before = c->graph->origin;
    c->graph->origin = evaluate_origin(&e, s, s->at);
    Value v = keep->decl->drawn ? initial_draw(&e, s, shape) : evaluate(&e, s);
    Node *n = evaluation_fit(&e, value_tensor(&e, v), shape, leaf->name);
    c->graph->origin = before;
    return n;
}
