/* syntax.h: texts, nets and rows as trees. Made by syntax.c, walked by the rest of notation/; knows no tensor.
 *
 * A tree is read once and never changes, so that loops are parsed once and every row can be checked without shapes.
 * Each node knows its place in the text, for messages. Chains of operators are one flat node: a long sum is no deep
 * tree, and the depth of trees is limited. */
#ifndef NOTATION_SYNTAX_H
#define NOTATION_SYNTAX_H

#include "notation/lexer.h"
#include "notation/notation.h"

enum { SYNTAX_DEEPEST = 200 };

typedef enum SyntaxKind {
    SYNTAX_NUMBER,  /* number */
    SYNTAX_NAME,    /* name */
    SYNTAX_TUPLE,   /* parts: the items */
    SYNTAX_CALL,    /* name, tag; parts: the arguments, with their names */
    SYNTAX_CHAIN,   /* parts: the first, then operands with their + - * / @ */
    SYNTAX_COMPARE, /* two parts, the second with its operator */
    SYNTAX_CHOICE,  /* condition, value if so, value if not */
    SYNTAX_MINUS,   /* one part */
    SYNTAX_POWER,   /* base, exponent */
    SYNTAX_SWAP,    /* one part: x' */
    SYNTAX_INDEX,   /* base, then the items: expressions, SYNTAX_RANGE, SYNTAX_REST */
    SYNTAX_RANGE,   /* begin, end, step: each may be NULL */
    SYNTAX_REST,    /* .. */
    SYNTAX_PATTERN, /* base, left side, right side (both SYNTAX_TUPLE) */
    SYNTAX_LOOP,    /* name; parts: count, body, then the names walked along */
    SYNTAX_TEXT,    /* parts: the statements */
    SYNTAX_ASSIGN,  /* parts: the value with its = <- -= or +=, then the names */
    SYNTAX_NET      /* parts: the layers, SYNTAX_NAME or SYNTAX_CALL */
} SyntaxKind;

typedef struct Part {
    const Syntax *syntax;
    const char *name; /* of an argument, or a name assigned or walked along */
    int sign;         /* the token before it */
    int at;           /* where name or sign stands */
} Part;

struct Syntax {
    SyntaxKind kind;
    const Source *source;
    int at, end; /* its place in the text */
    double number;
    const char *name, *tag;
    int parts;
    Part *part;
};

typedef struct Parameter { /* of a row: an input or a hyper-parameter */
    const char *name;
    int at;
    bool input;
    int dims; /* -1: any shape */
    const Syntax **dim;
    const Syntax *value; /* the default, or NULL */
} Parameter;

typedef struct Decl { /* a parameter of a layer, or a state */
    const char *name, *path;
    const Syntax
        *number; /* stands in files after path and before ending: weight_ih_l(layer)_reverse; or NULL */
    const char *ending;
    int at;
    bool state;   /* the text assigns it by <- */
    bool carried; /* likewise, and each row of a batch has its own */
    int dims;
    const Syntax **dim;
    bool drawn; /* `value` is an initialiser, after ~ */
    const Syntax *value;
} Decl;

struct Row {
    const char *name, *gradient, *category;
    const Source *source;
    Scope *scope; /* where it was defined: what its text sees */
    bool open;    /* evaluated where it is called: it has decls, assigns by <-, or calls such a row */
    int inputs;   /* the first so many parameters are inputs */
    int parameters;
    Parameter *parameter;
    int decls;
    Decl *decl;
    const Syntax *body;
};

/* All raise through the arena's error. The source must live as long as the tree. */
const Syntax *syntax_text(Arena *a, const Source *source);
const Syntax *syntax_net(Arena *a, const Source *source);
void syntax_row(Arena *a, const Source *source, Row *row);

/* True if see() is true of the tree or of a tree within it. */
bool syntax_any(const Syntax *s, bool (*see)(void *context, const Syntax *s), void *context);

#endif
