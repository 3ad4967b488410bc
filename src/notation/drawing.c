/* drawing.c: natives that draw random numbers. A number depends on the seed, the site and its index; a site is one
 * place in a graph, or belongs to a parameter's name while its first value is made. See natives.h. */
#include "notation/natives.h"

#include "base/philox.h"

static int64_t drawing_site(Evaluation *e)
{
    uint64_t order = e->graph->sites++;
    for (BodyDraft *d = e->draft; d; d = d->outer)
        d->random = true;
    if (!e->key) return (int64_t)order;
    return (int64_t)(hash_mix(hash_string(e->key) + (*e->draws)++) >> 1);
}

static Node *drawing_node(Evaluation *e, OpCode op, Shape s)
{
    int64_t attribute[RANK_MAX + 1] = {drawing_site(e)};
    for (int a = 0; a < s.rank; a++)
        attribute[a + 1] = s.dim[a];
    Node *seed = evaluation_seed(e);
    return graph_node(e->graph, op, 1, &seed, s.rank + 1, attribute);
}

/* from + factor * x */
static Value drawing_scaled(Evaluation *e, Node *x, Node *factor, Node *from)
{
    return value_node(graph_binary(e->graph, OP_add, graph_binary(e->graph, OP_mul, x, factor), from));
}

/* uniform(shape): in [0, 1); uniform(shape, a): in [-a, a); uniform(shape, low, high): in [low, high). */
Value native_uniform(Evaluation *e, const Given *given)
{
    Graph *g = e->graph;
    Node *x = drawing_node(e, OP_uniform, given_shape(e, given, 0));
    if (!given_is(given, 1) && !given_is(given, 2)) return value_node(x);
    Node *low = given_is(given, 1) ? given_tensor(e, given, 1) : graph_const(g, 0), *high = low;
    if (given_is(given, 2))
        high = given_tensor(e, given, 2);
    else
        low = graph_unary(g, OP_neg, low);
    return drawing_scaled(e, x, graph_binary(g, OP_sub, high, low), low);
}

/* normal(shape): mean 0, deviation 1; normal(shape, std); normal(shape, mean, std). */
Value native_normal(Evaluation *e, const Given *given)
{
    Node *x = drawing_node(e, OP_normal, given_shape(e, given, 0));
    Node *mean = given_is(given, 1) ? given_tensor(e, given, 1) : graph_const(e->graph, 0);
    if (given_is(given, 2)) return drawing_scaled(e, x, given_tensor(e, given, 2), mean);
    return given_is(given, 1) ? value_node(graph_binary(e->graph, OP_mul, x, mean)) : value_node(x);
}

/* Inverted dropout: what stays is enlarged, so that prediction needs no factor (Srivastava et al. 2014). */
Value native_dropout(Evaluation *e, const Given *given)
{
    Graph *g = e->graph;
    Node *x = given_tensor(e, given, 0);
    double p = given_number(e, given, 1, "p", .5);
    if (!evaluation_train(e) || p == 0) return value_node(x);
    Node *stays = graph_binary(g, OP_le, graph_const(g, p), drawing_node(e, OP_uniform, x->shape));
    return value_node(graph_binary(g, OP_div, graph_binary(g, OP_mul, x, stays), graph_const(g, 1 - p)));
}
