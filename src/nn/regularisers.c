/* regularisers.c: what keeps weights in bounds: penalties, a number made from a parameter w that training makes small
 * beside the loss; constraints, what w becomes after each update; and averages of w over the steps t. Rows of text,
 * enumerated by rows.c. Vectors (biases, scales of norms) are spared where a row has vectors=false: they cannot make a
 * net overfit, and shrinking them only shifts it (Goodfellow, Bengio and Courville 2016, section 7.1). */
#include "nn/rows.h"

const Definition nn_regularisers[] = {
    {"penalty", "l2(w, rate, vectors=false): (vectors ? rate : 1 < rank(w) ? rate : 0)*sum(w*w)", NULL,
     "the sum of squares times rate; it spares vectors unless told otherwise", 0},
    {"penalty", "l1(w, rate, vectors=false): (vectors ? rate : 1 < rank(w) ? rate : 0)*sum(abs(w))", NULL,
     "the sum of sizes times rate, which brings weights to 0 (Tibshirani 1996)", 0},
    {"penalty",
     "elastic(w, l1, l2, vectors=false): (vectors ? 1 : 1 < rank(w) ? 1 : 0)*sum(l1*abs(w) + l2*w*w)", NULL,
     "l1 and l2 together (Zou and Hastie 2005)", 0},

    {"helper",
     "rows_within(w, limit): m = reshape(w, dim(w, 0), -1); "
     "reshape(m*min(1, limit/max(sqrt(sum(m*m, -1)), 1e-12)), shape(w))",
     NULL, "each row of w (all behind the first axis) scaled so that its norm is at most limit", 0},
    {"constraint", "max_norm(w, limit): rank(w) < 2 ? w : rows_within(w, limit)", NULL,
     "the weights that reach an output have a norm of at most limit (Srivastava et al. 2014)", 0},
    {"constraint", "nonnegative(w, vectors=false): vectors ? max(w, 0) : rank(w) < 2 ? w : max(w, 0)", NULL,
     "no weight is below 0", 0},

    {"average",
     "ema(w, t, decay=.999 | average[shape(w)] = 0): d = decay*(1 < t); average <- d*average + (1 - d)*w",
     NULL,
     "the exponential moving average of w, which begins with its first value (Polyak and Juditsky 1992)", 0},
    {"average",
     "swa(w, t, start=1 | average[shape(w)] = 0): k = max(1, t - start + 1); "
     "average <- (1 - 1/k)*average + 1/k*w",
     NULL, "the mean of w over the steps from start on (Izmailov et al. 2018)", 0},
};
const size_t nn_regularisers_count = sizeof nn_regularisers / sizeof *nn_regularisers;
