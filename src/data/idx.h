/* idx.h: IDX files, the format of MNIST (LeCun): a magic number with type and rank, big-endian sizes, values. For
 * whoever turns recipe data into a Dataset. Knows streams and datasets. */
#ifndef DATA_IDX_H
#define DATA_IDX_H

#include "data/dataset.h"

typedef struct Idx {
    DataType type; /* u8, f32 and f64 as in the file; the integers of 1, 2 and 4 bytes as i32 */
    int rank;
    size_t shape[DATA_RANK], count; /* count: product of the shape */
    void *values;
} Idx;

int idx_read(Idx *x, const char *path, Error *e);
void idx_free(Idx *x);

/* Samples and, unless labels is NULL, their targets: integers are class numbers, anything else is regression. Images
 * [n, height, width] become samples of shape {1, height, width}. */
int idx_dataset(Dataset *d, const char *images, const char *labels, Error *e);

#endif
