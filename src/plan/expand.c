/* expand.c: calls that no kernel claims are replaced by their bodies, from the outside in. Used by compile.c. */
#include "plan/planning.h"

#include <string.h>

static bool expand_claimed(const Backend *b, const Node *call, Dtype dtype)
{
    return b->claim && b->claim(b, call, dtype);
}

/* The loop with its body's calls expanded. That may bring leaves to light (the seed of a random number, say), which
 * become inputs: a loop's body reads nothing but its places. */
static Node *expand_loop(Graph *g, const Backend *b, Dtype dtype, Node *n, Node *const *now)
{
    Loop loop = *n->loop;
    size_t outputs = (size_t)loop.body.outputs, bytes = outputs * sizeof(Node *);
    Node **output = arena_new(&g->arena, outputs, sizeof *output);
    memcpy(output, loop.body.output, bytes);
    planning_expand(g, b, dtype, outputs, output);
    if (!memcmp(output, loop.body.output, bytes)) return graph_copy(g, n, now);
    Node **input = arena_new(&g->arena, (size_t)n->inputs, sizeof *input);
    for (int i = 0; i < n->inputs; i++)
        input[i] = now[n->input[i]->id];
    const Origin *origin = g->origin;
    g->origin = n->origin;
    loop.body.output = output;
    Node *expanded = graph_loop(g, loop, n->inputs, input);
    g->origin = origin;
    return expanded;
}

/* One round: a body may bring calls of its own. True if there was anything to do. */
static bool expand_round(Graph *g, const Backend *b, Dtype dtype, size_t roots, Node **root)
{
    size_t count;
    Node **node = graph_reachable(g, root, roots, &count);
    Node **now = arena_new(&g->arena, (size_t)g->nodes, sizeof *now);
    Node ***outputs = arena_new(&g->arena, (size_t)g->nodes, sizeof *outputs);
    bool changed = false;
    for (size_t i = 0; i < count; i++) {
        Node *n = node[i];
        if (n->op == OP_output && outputs[n->input[0]->id]) {
            now[n->id] = outputs[n->input[0]->id][n->attribute[0]];
        } else if (n->op == OP_call && !expand_claimed(b, n, dtype)) {
            Node **input = arena_new(&g->arena, (size_t)n->inputs, sizeof *input);
            Node **output = arena_new(&g->arena, (size_t)n->call->body.outputs, sizeof *output);
            for (int k = 0; k < n->inputs; k++)
                input[k] = now[n->input[k]->id];
            graph_inline(g, &n->call->body, input, output);
            outputs[n->id] = output;
            now[n->id] = output[0];
            changed = true;
        } else if (n->op == OP_loop) {
            now[n->id] = expand_loop(g, b, dtype, n, now);
        } else {
            now[n->id] = graph_copy(g, n, now);
        }
    }
    for (size_t i = 0; i < roots; i++)
        root[i] = now[root[i]->id];
    return changed;
}

void planning_expand(Graph *g, const Backend *b, Dtype dtype, size_t roots, Node **root)
{
    while (expand_round(g, b, dtype, roots, root))
        ;
}
