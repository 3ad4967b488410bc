/* ops.h: the table of operations: what graphs are made of. Used by every folder below; knows only text.
 *
 * The rows are elementwise.def and structural.def (primitives) and definitions.c (everything that is a formula in
 * terms of them). Nothing here parses: gradients and definitions are text that notation/ reads. */
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum OpCode {
#define ELEMENT1(name, value, gradient) OP_##name,
#define ELEMENT2(name, value, gradient) OP_##name,
#define ELEMENT3(name, value, gradient) OP_##name,
#include "ops/elementwise.def"
#undef ELEMENT1
#undef ELEMENT2
#undef ELEMENT3
#define STRUCTURAL(name, inputs, attributes, gradient) OP_##name,
#include "ops/structural.def"
#undef STRUCTURAL
    OP_COUNT
} OpCode;

typedef struct OpRow {
    const char *name;
    int inputs; /* tensors; -1: one or more */
    bool elementwise;
    const char *attributes; /* names of a structural node's integers */
    const char *value;      /* C text of an elementwise value, for generated kernels and documentation */
    const char *gradient;   /* text in the notation */
    /* The reference: the value in double, from as many inputs as the row has; NULL for structural rows. */
    double (*reference)(double a, double b, double c);
} OpRow;

extern const OpRow ops_table[OP_COUNT];

/* The primitive called `name`, or -1. */
int ops_find(const char *name);

/* A definition: a formula, as text, that is a row in the notation:
 *     name (inputs, hyper=default | parameters): value
 * `gradient` is NULL when the chain rule's own serves, else text like a primitive's (inputs by name, y, dy). */
typedef struct Definition {
    const char *category; /* "activation": one tensor in, one out of its shape; else "function" */
    const char *row;
    const char *gradient;
    const char *note; /* one line: what it is, conventions, and its source (paper or standard) */
    /* The largest error of the f32 result against the formula in double, for inputs up to 1e4, in units in the last
     * place of the result (or of 1e-35, if that is larger); negative: of the largest input, where the result is a small
     * difference of large numbers; 0: none is stated. */
    double bound;
} Definition;

extern const Definition ops_definitions[];
extern const size_t ops_definitions_count;

#endif
