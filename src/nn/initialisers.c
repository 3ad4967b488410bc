/* initialisers.c: what a parameter w [out, in, ..] starts from; w is zeros of its shape. Rows of text, enumerated by rows.c;
 * uniform(low=0, high=1) and normal(mean=0, std=1) are natives of the notation. The bounds are PyTorch's. */
#include "nn/rows.h"

const Definition nn_initialisers[] = {
    {"helper", "fan_in(shape): w = zeros(shape); rank(w) < 2 ? size(w) : size(w)/dim(w, 0)", NULL,
     "how many inputs reach one output of a parameter of that shape", 0},
    {"helper", "fan_out(shape): w = zeros(shape); rank(w) < 2 ? size(w) : size(w)/dim(w, 1)", NULL,
     "how many outputs one input reaches", 0},
    {"helper", "fans(shape): fan_in(shape) + fan_out(shape)", NULL, "both", 0},
    {"helper", "around_zero(shape, bound): uniform(shape, low=-bound, high=bound)", NULL,
     "uniform between -bound and bound", 0},

    {"initialiser", "glorot(w, gain=1): around_zero(shape(w), gain*sqrt(6/fans(shape(w))))", NULL,
     "uniform, keeps the variance forward and backward (Glorot and Bengio 2010)", 0},
    {"initialiser", "glorot_normal(w, gain=1): normal(shape(w), std=gain*sqrt(2/fans(shape(w))))", NULL,
     "glorot, normally distributed", 0},
    {"initialiser", "he(w, gain=sqrt(2)): normal(shape(w), std=gain/sqrt(fan_in(shape(w))))", NULL,
     "normal, keeps the variance forward through relu (He et al. 2015)", 0},
    {"initialiser", "he_uniform(w, gain=sqrt(2)): around_zero(shape(w), gain*sqrt(3/fan_in(shape(w))))", NULL,
     "he, uniformly distributed", 0},
    {"initialiser", "lecun(w): normal(shape(w), std=1/sqrt(fan_in(shape(w))))", NULL,
     "normal, keeps the variance forward through selu (LeCun et al. 1998)", 0},
    {"initialiser", "lecun_uniform(w): around_zero(shape(w), sqrt(3/fan_in(shape(w))))", NULL,
     "lecun, uniformly distributed", 0},
    {"initialiser",
     "orthogonal(w, gain=1): rows = rank(w) == 0 ? 1 : dim(w, 0); columns = size(w)/rows; "
     "x = normal(max(rows, columns), min(rows, columns)); x = x/sqrt(sum(x*x)); "
     "for i < 60 { x = 1.5*x - .5*x @ (x' @ x) }; "
     "gain*reshape(rows < columns ? x' : x, shape(w))",
     NULL,
     "rows or columns of length 1 at right angles (Saxe et al. 2013): the orthogonal factor of a normal matrix, by "
     "Newton and Schulz's iteration, which brings each singular value in (0, 1] to 1",
     0},
};
const size_t nn_initialisers_count = sizeof nn_initialisers / sizeof *nn_initialisers;
