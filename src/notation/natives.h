/* natives.h: the functions in C that every scope has, beside the elementwise primitives. Used by notation/ only.
 *
 * A native says what it takes as words: "x axis.. correction?" is a value, a list and an option. Arguments are
 * matched to the words in one place, with one kind of message. */
#ifndef NOTATION_NATIVES_H
#define NOTATION_NATIVES_H

#include "notation/evaluate.h"

enum { GIVEN_MOST = 7 };

typedef struct Given {
    const char *name;        /* of the native, for messages */
    Value value[GIVEN_MOST]; /* by the words; VALUE_NONE: an option not given; a list is a tuple */
} Given;

typedef Value GivenFunction(Evaluation *e, const Given *given);

/* Adds all of them to the outermost scope. */
void natives_add(Scope *s);

Node *given_tensor(Evaluation *e, const Given *given, int index);
int64_t given_integer(Evaluation *e, const Given *given, int index, const char *what);
double given_number(Evaluation *e, const Given *given, int index, const char *what, double otherwise);
bool given_is(const Given *given, int index);
Shape given_shape(Evaluation *e, const Given *given, int index);
/* Axis number of `s`, counted from the end where negative. */
int given_axis(Evaluation *e, const Given *given, Value v, Shape s);

GivenFunction native_sum, native_mean, native_amax, native_amin, native_prod, native_var, native_std,
    native_argmax, native_argmin; /* reducing.c */
GivenFunction native_reshape, native_flatten, native_transpose, native_expand, native_slice, native_pad,
    native_concat, native_stack, native_split, native_take, native_scatter, native_pick,
    native_onehot;                                           /* shaping.c */
GivenFunction native_uniform, native_normal, native_dropout; /* drawing.c */
GivenFunction native_convolve, native_convolve_input, native_convolve_weight, native_pool_argmax,
    native_pool_take, native_pool_put, native_kernel_shape, native_unfolded, native_each,
    native_resized;                                                          /* convolving.c */
GivenFunction native_residual, native_repeat, native_parallel, native_share; /* net.c */

#endif
