/* syntax.c: see syntax.h. One function for each rule of the grammar in notation.h. */
#include "notation/syntax.h"

#include <string.h>

typedef struct Parser {
    Arena *arena;
    Lexer lexer;
    int depth;
    int opened; /* where the innermost open bracket stands; -1: none */
} Parser;

/* ---- Tokens ---- */

static int parser_kind(const Parser *p)
{
    return p->lexer.token.kind;
}

static bool parser_skip(Parser *p, int kind)
{
    if (parser_kind(p) != kind) return false;
    lexer_next(&p->lexer);
    return true;
}

static const char *parser_found(const Parser *p)
{
    const Token *t = &p->lexer.token;
    const char *text = p->lexer.source->text;
    if (t->kind == TOKEN_END) return "the end";
    if (text[t->at] == '\n') return "the end of the line";
    return arena_print(p->arena, "%.*s", t->end - t->at, text + t->at);
}

/* A text that ends too early has most likely left a bracket open, so that is where the message points. */
static _Noreturn void parser_expected(Parser *p, const char *what)
{
    if (parser_kind(p) == TOKEN_END && p->opened >= 0)
        lexer_raise(&p->lexer, p->opened, "this %c is never closed", p->lexer.source->text[p->opened]);
    lexer_raise(&p->lexer, p->lexer.token.at, "expected %s here, not %s", what, parser_found(p));
}

static void parser_want(Parser *p, int kind, const char *what)
{
    if (!parser_skip(p, kind)) parser_expected(p, what);
}

/* Goes past an opening bracket. Returns the one around it, for parser_close. */
static int parser_open(Parser *p)
{
    int around = p->opened;
    p->opened = p->lexer.token.at;
    lexer_next(&p->lexer);
    return around;
}

static void parser_close(Parser *p, int kind, int around, const char *what)
{
    if (parser_kind(p) != kind) parser_expected(p, what);
    p->opened = around;
    lexer_next(&p->lexer);
}

static const char *parser_name(Parser *p, const char *what)
{
    Token t = p->lexer.token;
    if (t.kind != TOKEN_NAME) parser_expected(p, what);
    lexer_next(&p->lexer);
    return arena_string(p->arena, p->lexer.source->text + t.at, (size_t)(t.end - t.at));
}

static bool parser_word(const Parser *p, const char *word)
{
    const Token *t = &p->lexer.token;
    size_t length = strlen(word);
    return t->kind == TOKEN_NAME && (size_t)(t->end - t->at) == length &&
           !memcmp(p->lexer.source->text + t->at, word, length);
}

static void parser_deeper(Parser *p)
{
    if (++p->depth > SYNTAX_DEEPEST)
        lexer_raise(&p->lexer, p->lexer.token.at, "this is nested more than %d deep; give parts of it names",
                    SYNTAX_DEEPEST);
}

/* ---- Trees ---- */

static Syntax *syntax_new(Parser *p, SyntaxKind kind, int at)
{
    Syntax *s = arena_new(p->arena, 1, sizeof *s);
    *s = (Syntax){.kind = kind, .source = p->lexer.source, .at = at, .end = at};
    return s;
}

/* Room doubles whenever the number of parts reaches a power of two. */
static Part *syntax_add(Parser *p, Syntax *s, const Syntax *child)
{
    if (!(s->parts & (s->parts - 1))) {
        Part *more = arena_new(p->arena, s->parts ? 2 * (size_t)s->parts : 1, sizeof *more);
        if (s->parts) memcpy(more, s->part, (size_t)s->parts * sizeof *more);
        s->part = more;
    }
    Part *part = &s->part[s->parts++];
    *part = (Part){.syntax = child};
    if (child) s->end = child->end;
    return part;
}

static const Syntax *syntax_wrap(Parser *p, SyntaxKind kind, int at, const Syntax *child)
{
    Syntax *s = syntax_new(p, kind, at);
    syntax_add(p, s, child);
    return s;
}

static const Syntax *syntax_expression(Parser *p);
static const Syntax *syntax_unary(Parser *p);
static const Syntax *syntax_statements(Parser *p, int closing);

/* ---- Calls and nets ---- */

static const Syntax *syntax_layer(Parser *p);

static void syntax_layers(Parser *p, Syntax *net)
{
    while (parser_kind(p) == TOKEN_NAME)
        syntax_add(p, net, syntax_layer(p));
}

/* An expression after which another name follows is the first layer of a net. */
static const Syntax *syntax_argument_value(Parser *p)
{
    const Syntax *first = syntax_expression(p);
    if (parser_kind(p) != TOKEN_NAME || (first->kind != SYNTAX_CALL && first->kind != SYNTAX_NAME))
        return first;
    Syntax *net = syntax_new(p, SYNTAX_NET, first->at);
    syntax_add(p, net, first);
    syntax_layers(p, net);
    return net;
}

static void syntax_argument(Parser *p, Syntax *call)
{
    const char *name = NULL;
    int at = p->lexer.token.at;
    if (parser_kind(p) == TOKEN_NAME && lexer_peek(&p->lexer).kind == '=') {
        name = parser_name(p, "a name");
        lexer_next(&p->lexer);
    }
    Part *part = syntax_add(p, call, syntax_argument_value(p));
    part->name = name;
    part->at = at;
}

static void syntax_arguments(Parser *p, Syntax *call)
{
    int around = parser_open(p);
    if (parser_kind(p) != ')') do
            syntax_argument(p, call);
        while (parser_skip(p, ','));
    call->end = p->lexer.token.end;
    parser_close(p, ')', around, "a comma or ) after the argument");
}

/* A name alone, or a call: name(...) or name.tag(...). */
static const Syntax *syntax_named(Parser *p)
{
    Syntax *s = syntax_new(p, SYNTAX_NAME, p->lexer.token.at);
    s->end = p->lexer.token.end;
    s->name = parser_name(p, "a name");
    if (parser_skip(p, '.')) {
        s->tag = parser_name(p, "a name for the parameters after the dot");
        if (parser_kind(p) != '(') parser_expected(p, "the arguments in ( )");
    }
    if (parser_kind(p) == '(') {
        s->kind = SYNTAX_CALL;
        syntax_arguments(p, s);
    }
    return s;
}

static const Syntax *syntax_layer(Parser *p)
{
    if (parser_kind(p) != TOKEN_NAME) parser_expected(p, "the name of a layer");
    parser_deeper(p);
    const Syntax *s = syntax_named(p);
    p->depth--;
    return s;
}

/* ---- Primaries ---- */

static const Syntax *syntax_number(Parser *p)
{
    Syntax *s = syntax_new(p, SYNTAX_NUMBER, p->lexer.token.at);
    s->number = p->lexer.token.number;
    s->end = p->lexer.token.end;
    lexer_next(&p->lexer);
    return s;
}

static const Syntax *syntax_parenthesis(Parser *p)
{
    int opened = p->lexer.token.at, around = parser_open(p);
    const Syntax *first = syntax_expression(p), *s = first;
    if (parser_kind(p) == ',') {
        Syntax *tuple = syntax_new(p, SYNTAX_TUPLE, opened);
        syntax_add(p, tuple, first);
        while (parser_skip(p, ','))
            if (parser_kind(p) != ')') syntax_add(p, tuple, syntax_expression(p));
        s = tuple;
    }
    parser_close(p, ')', around, "an operator, a comma or )");
    return s;
}

static const Syntax *syntax_primary(Parser *p);

static void syntax_along(Parser *p, Syntax *loop)
{
    if (!parser_word(p, "along")) return;
    do {
        lexer_next(&p->lexer);
        int at = p->lexer.token.at;
        const char *name = parser_name(p, "the name of a tensor to walk along");
        Part *part = syntax_add(p, loop, NULL);
        part->name = name;
        part->at = at;
    } while (parser_kind(p) == ',');
}

/* The parts are count, body, names; the body is read last. */
static const Syntax *syntax_loop(Parser *p)
{
    Syntax *loop = syntax_new(p, SYNTAX_LOOP, p->lexer.token.at);
    lexer_next(&p->lexer);
    loop->name = parser_name(p, "the name of the position (for t < n { ... })");
    parser_want(p, '<', "<");
    syntax_add(p, loop, syntax_primary(p));
    syntax_add(p, loop, NULL);
    syntax_along(p, loop);
    int brackets = p->lexer.brackets;
    if (parser_kind(p) != '{') parser_expected(p, "along or {");
    p->lexer.brackets = 0;
    int around = parser_open(p);
    loop->part[1].syntax = syntax_statements(p, '}');
    p->lexer.brackets = brackets;
    loop->end = p->lexer.token.end;
    parser_close(p, '}', around, "; or }");
    return loop;
}

static const Syntax *syntax_primary(Parser *p)
{
    if (parser_kind(p) == TOKEN_NUMBER) return syntax_number(p);
    if (parser_kind(p) == '(') return syntax_parenthesis(p);
    if (parser_word(p, "for") && lexer_peek(&p->lexer).kind == TOKEN_NAME) return syntax_loop(p);
    if (parser_kind(p) == TOKEN_NAME) return syntax_named(p);
    parser_expected(p, "a name, a number or (");
}

/* ---- What may follow a primary ---- */

static const Syntax *syntax_bound(Parser *p)
{
    int kind = parser_kind(p);
    return kind == ':' || kind == ',' || kind == ']' ? NULL : syntax_expression(p);
}

static const Syntax *syntax_item(Parser *p)
{
    int at = p->lexer.token.at;
    if (parser_skip(p, TOKEN_REST)) return syntax_new(p, SYNTAX_REST, at);
    const Syntax *first = parser_kind(p) == ':' ? NULL : syntax_expression(p);
    if (parser_kind(p) != ':') return first;
    Syntax *range = syntax_new(p, SYNTAX_RANGE, at);
    syntax_add(p, range, first);
    while (range->parts < 3)
        syntax_add(p, range, parser_skip(p, ':') ? syntax_bound(p) : NULL);
    return range;
}

static const Syntax *syntax_index(Parser *p, const Syntax *base)
{
    Syntax *s = syntax_new(p, SYNTAX_INDEX, p->lexer.token.at);
    syntax_add(p, s, base);
    int around = parser_open(p);
    do
        syntax_add(p, s, syntax_item(p));
    while (parser_skip(p, ','));
    parser_close(p, ']', around, "a comma, : or ]");
    return s;
}

static const Syntax *syntax_axis(Parser *p);

/* One side of a pattern, or a group of axes within it. */
static const Syntax *syntax_axes(Parser *p)
{
    Syntax *s = syntax_new(p, SYNTAX_TUPLE, p->lexer.token.at);
    for (int kind;
         (kind = parser_kind(p)) == TOKEN_NAME || kind == TOKEN_NUMBER || kind == TOKEN_REST || kind == '(';)
        syntax_add(p, s, syntax_axis(p));
    return s;
}

static const Syntax *syntax_axis(Parser *p)
{
    int at = p->lexer.token.at;
    if (parser_kind(p) == TOKEN_NUMBER) return syntax_number(p);
    if (parser_skip(p, TOKEN_REST)) return syntax_new(p, SYNTAX_REST, at);
    if (parser_kind(p) == '(') {
        int around = parser_open(p);
        parser_deeper(p);
        const Syntax *group = syntax_axes(p);
        parser_close(p, ')', around, "the name of an axis or )");
        p->depth--;
        return group;
    }
    Syntax *s = syntax_new(p, SYNTAX_NAME, at);
    s->name = parser_name(p, "the name of an axis");
    return s;
}

static const Syntax *syntax_pattern(Parser *p, const Syntax *base)
{
    Syntax *s = syntax_new(p, SYNTAX_PATTERN, p->lexer.token.at);
    int brackets = p->lexer.brackets;
    syntax_add(p, s, base);
    p->lexer.brackets = 1; /* a line end in a pattern is a blank */
    int around = parser_open(p);
    syntax_add(p, s, syntax_axes(p));
    parser_want(p, TOKEN_TO, "the name of an axis or ->");
    syntax_add(p, s, syntax_axes(p));
    p->lexer.brackets = brackets;
    parser_close(p, '}', around, "the name of an axis or }");
    return s;
}

static const Syntax *syntax_postfix(Parser *p)
{
    int depth = p->depth;
    const Syntax *s = syntax_primary(p);
    for (int kind; (kind = parser_kind(p)) == '\'' || kind == '[' || kind == '{';) {
        int at = p->lexer.token.at;
        parser_deeper(p);
        if (parser_skip(p, '\''))
            s = syntax_wrap(p, SYNTAX_SWAP, at, s);
        else
            s = kind == '[' ? syntax_index(p, s) : syntax_pattern(p, s);
    }
    p->depth = depth;
    return s;
}

/* ---- Operators ---- */

static const Syntax *syntax_power(Parser *p)
{
    const Syntax *base = syntax_postfix(p);
    int at = p->lexer.token.at;
    if (!parser_skip(p, '^')) return base;
    Syntax *s = syntax_new(p, SYNTAX_POWER, at);
    syntax_add(p, s, base);
    syntax_add(p, s, syntax_unary(p));
    return s;
}

static const Syntax *syntax_unary(Parser *p)
{
    int at = p->lexer.token.at;
    parser_deeper(p);
    const Syntax *s =
        parser_skip(p, '-') ? syntax_wrap(p, SYNTAX_MINUS, at, syntax_unary(p)) : syntax_power(p);
    p->depth--;
    return s;
}

/* Level 0: sums of level 1: products of unaries. */
static const Syntax *syntax_chain(Parser *p, int level)
{
    static const char *const operators[] = {"+-", "*/@"};
    const Syntax *first = level ? syntax_unary(p) : syntax_chain(p, level + 1);
    Syntax *s = NULL;
    for (int kind; (kind = parser_kind(p)) < 128 && kind && strchr(operators[level], kind);) {
        int at = p->lexer.token.at;
        if (!s) syntax_add(p, s = syntax_new(p, SYNTAX_CHAIN, first->at), first);
        lexer_next(&p->lexer);
        Part *part = syntax_add(p, s, level ? syntax_unary(p) : syntax_chain(p, level + 1));
        part->sign = kind;
        part->at = at;
    }
    return s ? s : first;
}

static bool syntax_compares(int kind)
{
    return kind == '<' || kind == '>' || (kind >= TOKEN_LE && kind <= TOKEN_NE);
}

static const Syntax *syntax_compare(Parser *p)
{
    const Syntax *left = syntax_chain(p, 0);
    if (parser_kind(p) == TOKEN_BECOMES) lexer_split(&p->lexer); /* x<-1 within an expression */
    int kind = parser_kind(p);
    if (!syntax_compares(kind)) return left;
    Syntax *s = syntax_new(p, SYNTAX_COMPARE, p->lexer.token.at);
    lexer_next(&p->lexer);
    syntax_add(p, s, left);
    syntax_add(p, s, syntax_chain(p, 0))->sign = kind;
    if (syntax_compares(parser_kind(p)))
        lexer_raise(&p->lexer, p->lexer.token.at,
                    "comparisons do not chain; write a*b for a and b: (0 < x)*(x < 1)");
    return s;
}

static const Syntax *syntax_expression(Parser *p)
{
    parser_deeper(p);
    const Syntax *s = syntax_compare(p);
    int at = p->lexer.token.at;
    if (parser_skip(p, '?')) {
        Syntax *choice = syntax_new(p, SYNTAX_CHOICE, at);
        syntax_add(p, choice, s);
        syntax_add(p, choice, syntax_expression(p));
        parser_want(p, ':', ": and the other value of ?:");
        syntax_add(p, choice, syntax_expression(p));
        s = choice;
    }
    p->depth--;
    return s;
}

/* ---- Statements ---- */

static void syntax_target(Parser *p, Syntax *assign, const Syntax *name)
{
    if (name->kind != SYNTAX_NAME) lexer_raise(&p->lexer, name->at, "only a name can be given a value");
    Part *part = syntax_add(p, assign, NULL);
    part->name = name->name;
    part->at = name->at;
}

/* name = value, or name, name = value: `left` has been read as an expression. */
static const Syntax *syntax_define(Parser *p, const Syntax *left)
{
    Syntax *s = syntax_new(p, SYNTAX_ASSIGN, left->at);
    lexer_next(&p->lexer);
    const Syntax *value = syntax_expression(p);
    if (parser_kind(p) == ',') {
        Syntax *tuple = syntax_new(p, SYNTAX_TUPLE, value->at);
        syntax_add(p, tuple, value);
        while (parser_skip(p, ','))
            syntax_add(p, tuple, syntax_expression(p));
        value = tuple;
    }
    syntax_add(p, s, value)->sign = '=';
    bool list = left->kind == SYNTAX_TUPLE;
    for (int i = 0; i < (list ? left->parts : 1); i++)
        syntax_target(p, s, list ? left->part[i].syntax : left);
    return s;
}

static const Syntax *syntax_update(Parser *p)
{
    Syntax *s = syntax_new(p, SYNTAX_ASSIGN, p->lexer.token.at);
    const char *name = parser_name(p, "a name");
    int kind = parser_kind(p), at = s->at;
    lexer_next(&p->lexer);
    syntax_add(p, s, syntax_expression(p))->sign = kind;
    Part *part = syntax_add(p, s, NULL);
    part->name = name;
    part->at = at;
    return s;
}

static const Syntax *syntax_statement(Parser *p)
{
    int next = parser_kind(p) == TOKEN_NAME ? lexer_peek(&p->lexer).kind : 0;
    if (next == TOKEN_BECOMES || next == TOKEN_LESSEN || next == TOKEN_ENLARGE) return syntax_update(p);
    const Syntax *s = syntax_expression(p);
    if (parser_kind(p) == ',') {
        Syntax *tuple = syntax_new(p, SYNTAX_TUPLE, s->at);
        syntax_add(p, tuple, s);
        while (parser_skip(p, ','))
            syntax_add(p, tuple, syntax_expression(p));
        s = tuple;
    }
    return parser_kind(p) == '=' ? syntax_define(p, s) : s;
}

static const Syntax *syntax_statements(Parser *p, int closing)
{
    Syntax *s = syntax_new(p, SYNTAX_TEXT, p->lexer.token.at);
    while (parser_skip(p, ';'))
        ;
    while (parser_kind(p) != closing && parser_kind(p) != TOKEN_END) {
        syntax_add(p, s, syntax_statement(p));
        if (parser_kind(p) != ';' && parser_kind(p) != closing && parser_kind(p) != TOKEN_END)
            parser_expected(p, closing ? "an operator, ; or }" : "an operator, ; or the end");
        while (parser_skip(p, ';'))
            ;
    }
    if (!s->parts) parser_expected(p, "an expression");
    return s;
}

/* ---- Rows ---- */

static void row_dims(Parser *p, int *dims, const Syntax ***dim)
{
    Syntax *list = syntax_new(p, SYNTAX_TUPLE, p->lexer.token.at);
    int around = parser_open(p);
    if (parser_kind(p) != ']') do {
            int at = p->lexer.token.at;
            syntax_add(p, list,
                       parser_skip(p, TOKEN_REST) ? syntax_new(p, SYNTAX_REST, at) : syntax_expression(p));
        } while (parser_skip(p, ','));
    parser_close(p, ']', around, "a comma or ]");
    *dims = list->parts;
    *dim = arena_new(p->arena, (size_t)list->parts, sizeof **dim);
    for (int i = 0; i < list->parts; i++)
        (*dim)[i] = list->part[i].syntax;
}

/* A name is given twice in ( ) of a row: the second would hide the first. */
static void row_unique(Parser *p, const Row *row, const char *name, int at)
{
    for (int i = 0; i < row->parameters; i++)
        if (!strcmp(row->parameter[i].name, name))
            lexer_raise(&p->lexer, at, "%s has %s twice", row->name, name);
    for (int i = 0; i < row->decls; i++)
        if (!strcmp(row->decl[i].name, name)) lexer_raise(&p->lexer, at, "%s has %s twice", row->name, name);
}

/* An input has dims or stands before every name that has a value or follows one with dims: dense(x[.., in], n). */
static void row_parameter(Parser *p, Row *row)
{
    Parameter *last = row->parameters ? &row->parameter[row->parameters - 1] : NULL;
    Parameter q = {.at = p->lexer.token.at, .dims = -1};
    q.name = parser_name(p, "the name of an input");
    row_unique(p, row, q.name, q.at);
    if (parser_kind(p) == '[') row_dims(p, &q.dims, &q.dim);
    if (parser_skip(p, '='))
        q.value = syntax_argument_value(p);
    else if (last && last->value)
        lexer_raise(&p->lexer, q.at, "%s stands after %s, which has a value, so it needs one, too", q.name,
                    last->name);
    q.input = !q.value && (!last || last->input) && (q.dims >= 0 || !last || last->dims < 0);
    if (q.dims >= 0 && !q.input) lexer_raise(&p->lexer, q.at, "inputs stand before the other names of a row");
    row->parameter[row->parameters++] = q;
    row->inputs += q.input;
}

/* The name in files; a number may be part of it: "as weight_ih_l(layer)_reverse". */
static void row_path(Parser *p, Decl *d)
{
    d->path = d->name;
    d->ending = "";
    if (!parser_word(p, "as")) return;
    lexer_next(&p->lexer);
    d->path = parser_name(p, "the parameter's name in files");
    if (parser_kind(p) != '(') return;
    int around = parser_open(p);
    d->number = syntax_expression(p);
    parser_close(p, ')', around, "an operator or )");
    if (parser_kind(p) == TOKEN_NAME) d->ending = parser_name(p, "the end of the name");
}

static void row_decl(Parser *p, Row *row)
{
    Decl d = {.at = p->lexer.token.at};
    d.name = parser_name(p, "the name of a parameter");
    row_unique(p, row, d.name, d.at);
    row_path(p, &d);
    if (parser_kind(p) != '[') parser_expected(p, "the shape in [ ]");
    row_dims(p, &d.dims, &d.dim);
    d.drawn = parser_kind(p) == '~';
    if (!d.drawn && parser_kind(p) != '=') parser_expected(p, "~ and an initialiser or = and a value");
    lexer_next(&p->lexer);
    if (d.drawn && parser_kind(p) != TOKEN_NAME) parser_expected(p, "the name of an initialiser");
    d.value = d.drawn ? syntax_layer(p) : syntax_expression(p);
    int at = p->lexer.token.at;
    if ((d.carried = parser_word(p, "carried"))) lexer_next(&p->lexer);
    bool zero = !d.drawn && d.value->kind == SYNTAX_NUMBER && d.value->number == 0;
    if (d.carried && !zero)
        lexer_raise(&p->lexer, at, "a carried state begins as 0; write %s[..] = 0 carried", d.name);
    row->decl[row->decls++] = d;
}

static bool row_assigns(void *context, const Syntax *s)
{
    return s->kind == SYNTAX_ASSIGN && s->part[0].sign != '=' && !strcmp(s->part[1].name, context);
}

static void row_head(Parser *p, Row *row, size_t room)
{
    row->parameter = arena_new(p->arena, room, sizeof *row->parameter);
    row->decl = arena_new(p->arena, room, sizeof *row->decl);
    if (parser_kind(p) != '(') parser_expected(p, "( and the inputs");
    int around = parser_open(p);
    if (parser_kind(p) != ')' && parser_kind(p) != '|') do
            row_parameter(p, row);
        while (parser_skip(p, ','));
    if (parser_skip(p, '|')) do
            row_decl(p, row);
        while (parser_skip(p, ','));
    parser_close(p, ')', around, "a comma, | or )");
}

void syntax_row(Arena *a, const Source *source, Row *row)
{
    Parser p = {.arena = a, .opened = -1};
    lexer_start(&p.lexer, a->error, source);
    lexer_next(&p.lexer);
    row->source = source;
    row->name = parser_name(&p, "the name of a definition");
    size_t commas = 1; /* as many names as there are commas and a bar, at most */
    for (const char *s = source->text; *s; s++)
        commas += *s == ',' || *s == '|';
    row_head(&p, row, commas);
    parser_want(&p, ':', ": and the formula");
    row->body = syntax_statements(&p, TOKEN_END);
    for (int i = 0; i < row->decls; i++)
        row->decl[i].state = syntax_any(row->body, row_assigns, (void *)(uintptr_t)row->decl[i].name);
}

/* ---- Whole texts ---- */

const Syntax *syntax_text(Arena *a, const Source *source)
{
    Parser p = {.arena = a, .opened = -1};
    lexer_start(&p.lexer, a->error, source);
    lexer_next(&p.lexer);
    return syntax_statements(&p, TOKEN_END);
}

const Syntax *syntax_net(Arena *a, const Source *source)
{
    Parser p = {.arena = a, .opened = -1};
    lexer_start(&p.lexer, a->error, source);
    p.lexer.brackets = 1; /* a line end in a net is a blank */
    lexer_next(&p.lexer);
    Syntax *net = syntax_new(&p, SYNTAX_NET, 0);
    syntax_layers(&p, net);
    if (parser_kind(&p) == ',')
        lexer_raise(&p.lexer, p.lexer.token.at, "layers follow each other without commas");
    if (parser_kind(&p) != TOKEN_END || !net->parts) parser_expected(&p, "the name of a layer");
    return net;
}

bool syntax_any(const Syntax *s, bool (*see)(void *context, const Syntax *s), void *context)
{
    if (see(context, s)) return true;
    for (int i = 0; i < s->parts; i++)
        if (s->part[i].syntax && syntax_any(s->part[i].syntax, see, context)) return true;
    return false;
}
