/* notation.h: from text to graph. Used by autodiff, nn and train; knows graph/ and ops/.
 *
 * The same text serves formulas in C strings, recipes, the command line and the rows of ops/ and nn/:
 *
 *   text   = stmt {";" stmt}                       the last value is the result; a line end counts as ";"
 *   stmt   = name {"," name} "=" expr | name ("<-" | "-=" | "+=") expr | expr {"," expr}
 *   expr   = cmp ["?" expr ":" expr]               ?: is decided when the graph is built; where() when it runs
 *   cmp    = sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum]
 *   sum    = term {("+" | "-") term}
 *   term   = unary {("*" | "/" | "@") unary}
 *   unary  = "-" unary | post ["^" unary]          -x^2 is -(x^2)
 *   post   = prim {"'" | "[" index {"," index} "]" | "{" pattern "->" pattern "}"}
 *   index  = expr | [expr] ":" [expr] [":" expr] | ".."      pattern as in einops: {n t (h d) -> n h t d}
 *   prim   = number | name | "(" expr {"," expr} ")" | name ["." tag] "(" [arg {"," arg}] ")"
 *          | "for" name "<" prim ["along" name {"," name}] "{" text "}"
 *   arg    = [name "="] (expr | net)
 *   row    = name "(" [inputs] {"," hyper} ["|" decl {"," decl}] ")" ":" text
 *   inputs = name ["[" dims "]"] {"," ...}         binds or checks names of dimensions as constants
 *   hyper  = name "=" expr | name                  a name without value after the inputs must be given
 *   decl   = name ["as" path] "[" dims "]" ("~" initialiser | "=" expr) ["carried"]
 *                                                  parameters, or states where `<-` is used; carried: of each row of a batch
 *   path   = name ["(" expr ")" [name]]            as weight_ih_l(layer): a number in a parameter's name
 *   net    = layer {layer}                         layer = name ["(" args ")"]
 *
 * - Sizes, axes and flags are ordinary expressions that fold to constants; so is `train`. shape(x) and (1, 2) are
 *   tuples: a, b = shape(x) takes one apart, shape(x)[0] is an item. A function's name is a value, too: f(x, act=relu).
 * - Names of a row before its first value are inputs, but where one has [dims], those after it without are not:
 *   dense(x[.., in], n). Axes that a pattern names become known, as those of inputs do.
 * - A definition sees what it is given, its own names, functions and constants; not the caller's tensors.
 * - A parameter's name is the path of the call, then the tag, then its own: dense.query(x, 8) in layer 3 has
 *   3.query.weight. It is made when the text first asks for it.
 * - x <- e gives the parameter or state x its value of the next step, and from there on x means e.
 * - A row without parameters and assignments becomes one node when called with tensors (graph.h, Call).
 * - In a loop, names that exist before it and are assigned in it are carried from turn to turn; its value is the stack
 *   of its last expression. A random number drawn in a loop is the same in each turn. */
#ifndef NOTATION_NOTATION_H
#define NOTATION_NOTATION_H

#include "graph/graph.h"

typedef struct Scope Scope;   /* names and what they mean; scopes nest */
typedef struct Row Row;       /* a parsed row */
typedef struct Syntax Syntax; /* a parsed expression, text or net */
typedef struct Evaluation Evaluation;

typedef enum ValueKind {
    VALUE_NONE,
    VALUE_TENSOR, /* a node; a number is a const node of type scalar */
    VALUE_TUPLE,
    VALUE_NET, /* a net not yet applied: syntax and the scope it was written in */
    VALUE_WORD /* a name that means itself: same, valid, float64 ... */
} ValueKind;

typedef struct Value {
    ValueKind kind;
    Node *node;
    int count; /* of the tuple */
    struct Value *item;
    const Syntax *syntax;
    Scope *scope;
    const char *word;
} Value;

/* A function in C that a scope offers to texts. Raises on a mistake, by evaluation_raise. */
typedef struct Argument {
    const char *name; /* NULL: by position */
    Value value;
    const Origin *origin;
} Argument;
typedef Value Native(Evaluation *e, void *context, int count, const Argument *argument);

/* ---- Scopes ---- */

/* Lives in the arena. The outermost scope (outer NULL) holds the primitives and natives of notation/ itself
 * (sum mean var amax amin argmax reshape transpose concat split pad slice gather ... shape dim ones zeros iota
 * uniform normal), but no definitions: those come by scope_add_row from ops/, nn/ and the user. */
Scope *scope_new(Arena *a, Scope *outer);
/* Parses a row and adds it (syntax errors raise, with a caret). title says whose text it is ("attention",
 * "mine.yaml:12: define"). gradient: text or NULL. category: "layer", "loss", ... or NULL, for enumeration. */
const Row *scope_add_row(Scope *s, const char *title, const char *row, const char *gradient,
                         const char *category);
void scope_add_native(Scope *s, const char *name, const char *category, Native *function, void *context);
void scope_add_value(Scope *s, const char *name, Value v);
void scope_add_node(Scope *s, const char *name, Node *n);
void scope_add_number(Scope *s, const char *name,
                      double value); /* a constant, e.g. classes; definitions see it, too */
/* What numbers an option may be. */
typedef struct Interval {
    double least, most;
    bool above, below; /* least, most itself is not among them */
} Interval;
typedef const Interval *Limits(const char *row, const char *option); /* NULL: any number */
/* From now on a number that is known when a row of this scope or of one within it is called, or a native, must be in
 * the range that limits() gives; another raises. */
void scope_limit(Scope *s, Limits *limits);
/* The row called name here or further out, or NULL. */
const Row *scope_row(const Scope *s, const char *name);

const char *row_name(const Row *r);
const char *row_text(const Row *r);     /* as it was written */
const char *row_gradient(const Row *r); /* or NULL */
int row_inputs(const Row *r);
bool row_takes(const Row *r, const char *name); /* as an input or an option */
const char *row_input(const Row *r, int index); /* its name */
/* Calls see(context, row) for every row of the scope and those around it, innermost first, in order of addition. */
void scope_each_row(const Scope *s, void (*see)(void *context, const char *category, const Row *r),
                    void *context);

/* The natives of every scope, for documentation; NULL after the last. `takes` are the names of the arguments, ".." after
 * a list, "?" after one that may be left out. */
typedef struct NativeNote {
    const char *name, *takes, *note;
} NativeNote;
const NativeNote *notation_native(size_t index);

/* ---- Evaluating. All raise with the text and a caret; the graph must have been made with the same Error as the
 * scope's arena. ---- */

typedef struct Context {
    Graph *graph;
    Scope *scope;
    const char *title; /* of the text, for messages */
    const char *path;  /* prefix of parameter names, "" at the top */
    bool train;        /* the constant `train` */
    Node *
        weight; /* example weights [n] or NULL: inside a loss, mean(x) and sum(x) without axes weight by them */
    Node *
        mask; /* of texts that end before others do: 1 for their tokens, 0 for padding [n, t], which seen(x) gives; or NULL */
    Node *seed;       /* scalar leaf that random primitives use; NULL: one called "seed" is made */
    const char *what; /* what notation_call's text names, for messages: "loss"; NULL: "function" */
} Context;

/* The value of a text in which names mean what the scope says. */
Value notation_evaluate(const Context *c, const char *text);
/* The same, wanting one tensor (a number counts). */
Node *notation_formula(const Context *c, const char *text);

/* A call written without its first arguments, such as "adam(lr=1e-3)", "huber" or "cosine(warmup=100)": the row or
 * native is applied to given[] (by name where named) before the arguments written. */
Value notation_call(const Context *c, const char *text, int count, const Argument *given);
/* The same, with the argument called `name`, as written or by default, multiplied by the factor: a schedule acts on an
 * optimizer's lr. *product is what the row then sees, NULL if it has no such argument. */
Value notation_call_scaled(const Context *c, const char *text, int count, const Argument *given,
                           const char *name, Node *factor, Node **product);

/* Applies a net to x. Each layer's result is reported (place "3" or "3.0" within nested nets, its text, output). */
typedef struct LayerSeen {
    const char *path; /* "0", "3.1" */
    const char *text; /* "dense(64)" */
    Node *input, *output;
    int depth; /* 0 for the outermost net */
} LayerSeen;
Node *notation_net(const Context *c, const char *net, Node *x,
                   void (*see)(void *context, const LayerSeen *layer), void *context);

/* Gradients for the chain rule: the values of the row's (or primitive's) gradient text, one per input, in a scope where
 * inputs have their names (x z c for primitives), y is the output, dy the gradient, and the extra names given.
 * out[i] is NULL where nothing flows. */
void notation_gradient(Graph *g, Scope *definitions, const char *title, const char *gradient, int names,
                       const char *const *name, const Value *value, int count, Node **out);

/* The same for the call of a row with a gradient text, in which all arguments (constants and defaults, too) and the
 * names of dimensions mean what they meant in the call; y is the call. out[i] for each of the call's inputs. False, and
 * nothing done, where there is no such text or it has no value for an input that is wanted: then the chain rule goes
 * through the body. */
bool notation_call_gradient(Graph *g, const Node *call, Node *dy, const bool *wanted, Node **out);

/* The initial value of a leaf made by a decl, as a node in graph g of the given shape (initialisers are rows and
 * natives, random ones keyed by the leaf's name). Natives are called with the shape, rows with zeros of it,
 * before the arguments written: `weight[n, in] ~ normal(std=.02)` calls normal((n, in), std=.02). */
Node *notation_initial(const Context *c, const Leaf *leaf, Shape shape);

/* ---- For natives ---- */
_Noreturn void evaluation_raise(Evaluation *e, const Origin *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
Graph *evaluation_graph(Evaluation *e);
const Context *evaluation_context(Evaluation *e);
/* Argument i by position or by name; false if absent. Raise if of another kind than wanted. */
bool argument_find(int count, const Argument *a, int position, const char *name, const Argument **found);
Node *argument_tensor(Evaluation *e, const Argument *a);
double argument_number(Evaluation *e, const Argument *a);   /* a constant */
int64_t argument_integer(Evaluation *e, const Argument *a); /* a whole constant */
Value value_node(Node *n);
/* Applies a net value to x under a path, as residual(...) does. */
Node *evaluation_net(Evaluation *e, Value net, const char *path, Node *x);

#endif
