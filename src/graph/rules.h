/* rules.h: what graph.c asks of each operation: its shape, and whether something simpler says the same.
 * Used by graph/ only. */
#ifndef GRAPH_RULES_H
#define GRAPH_RULES_H

#include "graph/graph.h"

/* Fills in the draft's type and shape, or raises. */
void rules_infer(Graph *g, Node *draft);

/* A node that has the draft's value, or NULL. Never changes the shape, nor hides a NaN of the user's values. */
Node *rules_simplify(Graph *g, const Node *draft);

#endif
