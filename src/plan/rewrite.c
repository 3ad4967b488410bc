/* rewrite.c: rewrites that need to know who reads a node, which the rules of graph/ cannot. Used by compile.c.
 *
 * A product that is only read transposed is computed transposed: (a @ b)' = b' @ a'. So the gradient of a weight comes
 * in the weight's own layout, and the update reads it in one run. From the first of them on all nodes are made anew, so that
 * the order of creation stays the order in which things are best done: the gradient of a weight right behind that of what it
 * weights, which both read the same values. */
#include "plan/planning.h"

static bool rewrite_swaps(const Node *n)
{
    int rank = n->shape.rank;
    if (n->op != OP_transpose || rank < 2) return false;
    for (int a = 0; a < rank - 2; a++)
        if (n->attribute[a] != a) return false;
    return n->attribute[rank - 2] == rank - 1;
}

static Node *rewrite_product(Graph *g, Node *n, Node *const *now)
{
    Node *x = now[n->input[0]->id], *z = now[n->input[1]->id];
    return graph_binary(g, OP_matmul, graph_swap(g, z), graph_swap(g, x));
}

static Node *rewrite_again(Graph *g, const Node *n, Node *const *now)
{
    Node **input = arena_new(&g->arena, (size_t)n->inputs, sizeof *input);
    for (int x = 0; x < n->inputs; x++)
        input[x] = now[n->input[x]->id];
    return graph_twin(g, n, input);
}

void planning_rewrite(Graph *g, size_t roots, Node **root)
{
    size_t count;
    Node **node = graph_reachable(g, root, roots, &count);
    int *readers = arena_new(&g->arena, (size_t)g->nodes, sizeof *readers);
    Node **now = arena_new(&g->arena, (size_t)g->nodes, sizeof *now);
    for (size_t i = 0; i < count; i++)
        for (int x = 0; x < node[i]->inputs; x++)
            readers[node[i]->input[x]->id]++;
    for (size_t i = 0; i < roots; i++)
        readers[root[i]->id]++;
    bool rewritten = false;
    for (size_t i = 0; i < count; i++) {
        Node *n = node[i], *product = n->inputs ? n->input[0] : NULL;
        bool swaps = rewrite_swaps(n) && product->op == OP_matmul && readers[product->id] == 1;
        now[n->id] = swaps                    ? rewrite_product(g, product, now)
                     : rewritten && n->inputs ? rewrite_again(g, n, now)
                                              : n;
        rewritten |= swaps;
    }
    for (size_t i = 0; i < roots; i++)
        root[i] = now[root[i]->id];
}
