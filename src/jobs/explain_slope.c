/* explain_slope.c: what the rows say of an activation's slope: its formula, and how steep it gets. See explain.h. */
#include "jobs/explain.h"

#include <string.h>

static const Definition *explain_activation(const char *name, size_t length)
{
    const Definition *row;
    for (size_t i = 0; (row = nn_row(i)); i++)
        if (!strcmp(row->category, "activation") && !strncmp(row->row, name, length) &&
            row->row[length] == '(')
            return row;
    return NULL;
}

/* An elementwise primitive of one input, such as sigmoid. */
static const OpRow *explain_primitive(const char *name, size_t length)
{
    for (int op = 0; op < OP_COUNT; op++)
        if (strlen(ops_table[op].name) == length && !memcmp(ops_table[op].name, name, length))
            return ops_table[op].elementwise && ops_table[op].inputs == 1 ? &ops_table[op] : NULL;
    return NULL;
}

const char *explain_rule(const char *text)
{
    static const char times[] = "dy*";
    size_t length = strcspn(text, " (");
    const OpRow *primitive = explain_primitive(text, length);
    const Definition *row = primitive ? NULL : explain_activation(text, length);
    const char *rule = primitive ? primitive->gradient : row ? row->gradient : NULL;
    if (!rule || strchr(rule, ';')) return NULL;
    return strncmp(rule, times, sizeof times - 1) ? rule : rule + sizeof times - 1;
}

/* Whether every element of the roots depends on the inputs' element at its own place only. */
static bool explain_pointwise(Graph *g, Node *const *root, size_t roots)
{
    size_t count;
    Node **node = graph_reachable(g, root, roots, &count);
    for (size_t i = 0; i < count; i++) {
        OpCode op = node[i]->op;
        bool plain = ops_table[op].elementwise || op == OP_leaf || op == OP_const || op == OP_iota ||
                     op == OP_expand || op == OP_reshape || op == OP_call;
        if (!plain) return false;
        const Body *body = op == OP_call ? &node[i]->call->body : NULL;
        if (body && !explain_pointwise(g, body->output, (size_t)body->outputs)) return false;
    }
    return true;
}

Node *explain_slopes(Probe *p, const char *text)
{
    size_t length = strcspn(text, " (");
    if (!explain_primitive(text, length) && !explain_activation(text, length)) return NULL;
    Graph *g = p->network->graph;
    Context c = {.graph = g, .scope = p->blueprint->scope, .title = "slopes", .path = "", .train = true};
    Node *x = notation_formula(&c, "reshape(arange(4001)/200 - 10, 1, 4001)"), *slope = NULL;
    Node *y = notation_net(&c, text, x, NULL, NULL);
    if (explain_pointwise(g, &y, 1)) autodiff_gradients(g, p->blueprint->scope, y, NULL, 1, &x, &slope);
    return slope;
}
