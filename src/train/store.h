/* store.h: the tensors of a model by name: parameters, and states of layers and optimizer. Used by train/; knows
 * graph/'s shapes. Values are of one real type and stay where they are, so that programs can bind them once. */
#ifndef TRAIN_STORE_H
#define TRAIN_STORE_H

#include "data/dataset.h"
#include "format/safetensors.h"
#include "graph/graph.h"

typedef struct Tensor {
    char *name; /* "0.weight", "input.mean"; states of the optimizer: "optimizer.0.weight.exp_avg" */
    Role
        role; /* ROLE_PARAMETER, ROLE_STATE, or ROLE_CARRIED: [rows of a whole batch, ..], of which a smaller one has the first */
    Shape shape;
    size_t size; /* elements */
    void *value;
} Tensor;

typedef struct Store {
    DataType real; /* DATA_F32 or DATA_F64: what the values are */
    Tensor **list;
    size_t count, room;
} Store;

/* Which tensors: all, or those that predictions need (all but the optimizer's, and those carried). */
typedef enum StorePart { STORE_ALL, STORE_MODEL } StorePart;

bool tensor_in(const Tensor *t, StorePart part);
double tensor_get(const Store *s, const Tensor *t, size_t i);
void tensor_fill(const Store *s, Tensor *t, double value);
bool tensor_finite(const Store *s, const Tensor *t);

Tensor *store_find(const Store *s, const char *name);                            /* or NULL */
Tensor *store_add(Store *s, const char *name, Role role, Shape shape, Error *e); /* zeros; NULL on failure */
void store_drop_training(Store *s); /* what predictions do not need */
void store_free(Store *s);

/* *to, which need not be initialised, gets copies of a part of `from`. Returns a status; on failure *to is empty. */
int store_copy(Store *to, const Store *from, StorePart part, Error *e);

/* Sets the values of all tensors of `to` that `from` has, too. */
void store_assign(Store *to, const Store *from);
bool store_equal(const Store *a, const Store *b); /* every tensor of a is in b with the same bits */

/* The first parameter that holds a NaN or an infinity, or NULL. */
const Tensor *store_broken(const Store *s);

/* The tensor for safetensors_write, and its values from one that was read. */
SafetensorsTensor tensor_view(const Store *s, const Tensor *t, const char *name);
void tensor_take(const Store *s, Tensor *t, const SafetensorsTensor *from);

#endif
