/* matmul.h: matrix products, C = A B or C += A B, for matrices of any strides. Used by what runs programs; knows isa.h
 * only. It starts no thread and allocates nothing:
 *
 *     Matmul p = {.m = 32, .n = 128, .k = 784, .a_row = 784, .a_column = 1, .b_row = 1, .b_column = 784, .c_row = 128};
 *     matmul_plan(&p);                                            fills in tasks and scratch
 *     for (int64_t task = 0; task < p.tasks; task++)              in any order, on any threads
 *         matmul_task(&p, a, b, c, task, scratch);                each thread with scratch of its own
 *
 * A is [m, k], B is [k, n]; a transposed operand is one with its strides exchanged and costs no copy. A task makes one
 * tile of C from all of k, so an element's sum has the same order whoever computes it: the bits depend on the plan
 * (shape, strides, type, instruction set), never on threads. Nothing outside of the matrices is read or written. */
#ifndef CPU_MATMUL_H
#define CPU_MATMUL_H

#include "cpu/isa.h"
#include <stddef.h>
#include <stdint.h>

typedef enum MatmulType { MATMUL_F32, MATMUL_F64, MATMUL_TYPES } MatmulType;

/* How a plan computes. */
typedef enum MatmulWay {
    MATMUL_SMALL, /* one task that packs nothing but a B whose columns are not adjacent */
    MATMUL_DOTS,  /* m or n is 1, the matrix runs along k: dot products */
    MATMUL_SUMS,  /* m or n is 1, the matrix runs across k: a weighted sum of its rows */
    MATMUL_TILES  /* everything else: tiles of registers over packed panels */
} MatmulWay;

/* A product. The caller sets the first part, all distances in elements; matmul_plan the second. */
typedef struct Matmul {
    int64_t m, n, k;         /* any of them may be 0; with k = 0 the product is 0 */
    int64_t a_row, a_column; /* distance between rows, between columns */
    int64_t b_row, b_column; /* likewise */
    int64_t c_row;           /* C's columns are adjacent */
    MatmulType type;         /* of all three */
    Isa isa;                 /* one that the machine has */
    bool add;                /* C += instead of C = */
    bool b_near; /* B is small and in the cache: it is not packed where its columns are adjacent */

    MatmulWay way;
    int64_t tasks;         /* independent of each other */
    size_t scratch;        /* bytes that each thread needs, aligned to 64 */
    int64_t rows, columns; /* of C in a task, but for the last ones */
    int64_t across;        /* tasks beside each other in a row of C */
    int64_t depth;         /* of k in a block */
    bool pack_a, pack_b;
} Matmul;

void matmul_plan(Matmul *p);
/* A planned product cut down to another m, n and k, none of them larger: the plan serves it as it stands. */
Matmul matmul_smaller(const Matmul *p, int64_t m, int64_t n, int64_t k);

void matmul_task(const Matmul *p, const void *a, const void *b, void *c, int64_t task, void *scratch);

/* The part of C that a task computes: what may be done with it while it is in the cache. */
typedef struct MatmulTile {
    int64_t row, column, rows, columns;
} MatmulTile;

MatmulTile matmul_tile(const Matmul *p, int64_t task);

/* The same product by its definition, summed in double: what the tasks are tested against. */
void matmul_reference(const Matmul *p, const void *a, const void *b, void *c);

#endif
