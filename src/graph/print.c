/* print.c: graphs for people: one line a node, checks of every invariant, and messages that point at a text. */
#include "graph/graph.h"

#include "graph/rules.h"

#include <stdio.h>
#include <string.h>

const char *const type_name[] = {"real", "i32", "u8", "scalar"};

enum { CARET_WIDTH = 76, CARET_LEAD = 40 };

/* The line of the text that `at` is in, cut to a width that fits a terminal, with a caret under the place. */
static void origin_show(Text *out, const char *indent, const Origin *o)
{
    const char *place = o->text + o->at, *begin = place, *end = place + strcspn(place, "\n");
    while (begin > o->text && begin[-1] != '\n')
        begin--;
    const char *from = place - begin > CARET_LEAD ? place - CARET_LEAD : begin;
    const char *to = end - from > CARET_WIDTH ? from + CARET_WIDTH : end;
    size_t start = out->length;
    text_print(out, "%s%s: %s%.*s", indent, o->title, from > begin ? "..." : "", (int)(place - from), from);
    int column = out->failed ? 0 : text_width(out->s + start);
    text_print(out, "%.*s%s\n%*s^", (int)(to - place), place, to < end ? "..." : "", column, "");
}

/* Where the mistake is to be mended: the innermost text that stands in a file, an option or a line of commands, as its
 * title says ("digits.yaml:4: net"); without one, the text that began it. */
static const Origin *origin_main(const Origin *at)
{
    const Origin *first = NULL;
    for (; at; at = at->outer) {
        if (!at->text) continue;
        first = at;
        if (strchr(at->title, ':')) break;
    }
    return first;
}

static void origin_also(Text *out, const Origin *o)
{
    if (!o->text) return;
    text_put(out, '\n');
    origin_show(out, "  ", o);
}

/* The rows that it called, inwards. */
static void origin_inwards(Text *out, const Origin *at, const Origin *main)
{
    if (at == main) return;
    origin_inwards(out, at->outer, main);
    origin_also(out, at);
}

/* The place and the sentence, then what it called, then what called it. */
static void origin_tell(Text *out, const Origin *at, const char *sentence)
{
    const Origin *main = origin_main(at);
    if (!main) return;
    origin_show(out, "", main);
    text_print(out, " %s", sentence);
    origin_inwards(out, at, main);
    for (at = main->outer; at; at = at->outer)
        origin_also(out, at);
}

_Noreturn void origin_raise(Error *e, const Origin *at, const char *format, va_list args)
{
    char sentence[ERROR_ROOM];
    vsnprintf(sentence, sizeof sentence, format, args);
    Text message = {0};
    origin_tell(&message, at, sentence);
    error_set(e, NUDGE_INPUT, "%s", message.length && !message.failed ? message.s : sentence);
    text_free(&message);
    error_escape(e);
}

_Noreturn void graph_raise(Graph *g, const Origin *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    origin_raise(g->error, at, format, args);
}

static void print_nodes(Graph *g, Node *const *root, size_t roots, int depth, Text *out);

static void print_number(Text *out, double value)
{
    char text[NUMBER_ROOM];
    text_print(out, " %s", number_print(text, value));
}

static void print_body(Graph *g, const Body *body, int depth, Text *out)
{
    print_nodes(g, body->output, (size_t)body->outputs, depth, out);
    text_print(out, "%*sgives", 2 * depth, "");
    for (int i = 0; i < body->outputs; i++)
        text_print(out, " %%%d", body->output[i]->id);
    text_put(out, '\n');
}

static void print_node(Graph *g, const Node *n, int depth, Text *out)
{
    text_print(out, "%*s%%%d %s[", 2 * depth, "", n->id, type_name[n->type]);
    for (int a = 0; a < n->shape.rank; a++)
        text_print(out, "%s%lld", a ? " " : "", (long long)n->shape.dim[a]);
    text_print(out, "] = %s", ops_table[n->op].name);
    for (int i = 0; i < n->inputs; i++)
        text_print(out, " %%%d", n->input[i]->id);
    for (int i = 0; i < n->attributes; i++)
        text_print(out, "%s%lld", i ? " " : " : ", (long long)n->attribute[i]);
    if (n->op == OP_const) print_number(out, n->value);
    if (n->op == OP_leaf) text_print(out, " %s", n->leaf->name ? n->leaf->name : "place");
    if (n->op == OP_call) text_print(out, " %s", n->call->name);
    if (n->op == OP_loop)
        text_print(out, " %lld%s", (long long)n->loop->count, n->loop->reverse ? " reverse" : "");
    text_put(out, '\n');
    if (n->op == OP_call) print_body(g, &n->call->body, depth + 1, out);
    if (n->op == OP_loop) print_body(g, &n->loop->body, depth + 1, out);
}

static void print_nodes(Graph *g, Node *const *root, size_t roots, int depth, Text *out)
{
    size_t count;
    Node **node = graph_reachable(g, root, roots, &count);
    for (size_t i = 0; i < count; i++)
        print_node(g, node[i], depth, out);
}

void graph_print(Graph *g, Node *const *root, size_t roots, Text *out)
{
    print_nodes(g, root, roots, 0, out);
}

static _Noreturn void verify_raise(Graph *g, const Node *n, const char *what)
{
    error_raise(g->error, NUDGE_MACHINE, "the graph is broken at node %d (%s): %s", n->id,
                ops_table[n->op].name, what);
}

static void verify_node(Graph *g, const Node *n)
{
    for (int i = 0; i < n->inputs; i++)
        if (n->input[i]->id >= n->id) verify_raise(g, n, "an input is younger than the node");
    if (n->op == OP_leaf || n->op == OP_const) return;
    Node draft = *n;
    rules_infer(g, &draft);
    if (draft.type != n->type || !shape_equal(draft.shape, n->shape))
        verify_raise(g, n, "the shape is not what the rule says");
}

void graph_verify(Graph *g, Node *const *root, size_t roots)
{
    size_t count;
    Node **node = graph_reachable(g, root, roots, &count);
    for (size_t i = 0; i < count; i++) {
        verify_node(g, node[i]);
        const Body *body = node[i]->op == OP_call   ? &node[i]->call->body
                           : node[i]->op == OP_loop ? &node[i]->loop->body
                                                    : NULL;
        if (body) graph_verify(g, body->output, (size_t)body->outputs);
    }
}
