/* losses.c: what training makes small. Rows of text, enumerated by rows.c.
 *
 * A loss takes the net's result y [n, ..] and the targets t, and is mean(...) or sum(...) over everything, so that
 * example weights reach it. Targets are of y's shape, or class numbers (i32) with one axis fewer. Conventions are
 * PyTorch's unless the note says otherwise. A gradient of its own stands in a helper that keeps the rows apart: the
 * mean over them, and with it the weights, stay outside. */
#include "nn/rows.h"

const Definition nn_losses[] = {
    {"function",
     "as_target(t, y): rank(t) < rank(y) ? (dim(y, -1) == 1 ? reshape(cast(t, real), shape(y)) : onehot(t, dim(y, -1))) "
     ": reshape(cast(t, real), shape(y))",
     NULL, "targets in the shape of y; class numbers become one-hot where y has a column for each class", 0},
    {"function",
     "cross_entropy_classes(x[.., c], t[..], smoothing=0): "
     "logsumexp(x) - (1 - smoothing)*pick(x, t) - (smoothing == 0 ? 0 : smoothing*mean(x, -1))",
     "dy*(softmax(x) - (1 - smoothing)*onehot(t, c) - smoothing/c), 0",
     "for each row [.., 1]: cross entropy of logits x against class numbers t [..]", 0},
    {"function",
     "cross_entropy_shares(x[.., c], t[.., c], smoothing=0): s = (1 - smoothing)*t + smoothing/c; "
     "-sum(s*log_softmax(x), -1)",
     "s = (1 - smoothing)*t + smoothing/c; "
     "dy*(softmax(x)*sum(s, -1) - s), -dy*(1 - smoothing)*log_softmax(x)",
     "for each row [.., 1]: cross entropy of logits x against the shares t of the classes", 0},
    {"function", "bce_logits(x, t): max(x, 0) - x*t + log1p(exp(-abs(x)))", "dy*(sigmoid(x) - t), -dy*x",
     "for each element: cross entropy of sigmoid(x) against t in [0, 1]", 0},
    {"function", "bce_chances(x, t): -(t*max(log(x), -100) + (1 - t)*max(log1p(-x), -100))",
     "dy*(x - t)/max(x*(1 - x), 1e-12), dy*(max(log1p(-x), -100) - max(log(x), -100))",
     "for each element: cross entropy of the probability x against t; logarithms stop at -100", 0},
    {"function",
     "margin_chosen(y[.., c], t[..], margin=1): sum(relu(margin - pick(y, t) + y)*(1 - onehot(t, c)), -1)/c",
     NULL, "for each row [.., 1]: how far other classes come within the margin of class t", 0},

    {"loss", "sse(y, t): e = y - as_target(t, y); sum(e*e)/2", NULL, "half the sum of squared errors", 0},
    {"loss", "mse(y, t): e = y - as_target(t, y); mean(e*e)", NULL, "mean squared error", 0},
    {"loss", "mae(y, t): mean(abs(y - as_target(t, y)))", NULL, "mean absolute error; slope 0 at 0", 0},
    {"loss",
     "huber(y, t, delta=1): e = y - as_target(t, y); a = abs(e); "
     "mean(where(a < delta, e*e/2, delta*(a - delta/2)))",
     NULL, "squared near 0, straight beyond delta (Huber 1964)", 0},
    {"loss",
     "smooth_l1(y, t, beta=1): e = y - as_target(t, y); a = abs(e); "
     "mean(beta == 0 ? a : where(a < beta, e*e/(2*beta), a - beta/2))",
     NULL, "huber divided by its delta (Girshick 2015)", 0},
    {"loss",
     "cross_entropy(y, t, smoothing=0): mean(rank(t) < rank(y) ? cross_entropy_classes(y, t, smoothing) "
     ": cross_entropy_shares(y, t, smoothing))",
     NULL,
     "of logits y [n, c] against class numbers t [n] or shares t [n, c]; smoothing as in Szegedy et al. 2015",
     0},
    {"loss", "bce(y, t): mean(bce_logits(y, as_target(t, y)))", NULL,
     "binary cross entropy of logits y: the net ends without sigmoid", 0},
    {"loss", "bce_probability(y, t): mean(bce_chances(y, as_target(t, y)))", NULL,
     "binary cross entropy of probabilities y: the net ends with sigmoid; bce is more exact", 0},
    {"loss",
     "hinge(y, t, margin=1): mean(rank(t) < rank(y) ? "
     "(dim(y, -1) == 1 ? relu(margin - y*(2*as_target(t, y) - 1)) : margin_chosen(y, t, margin)) "
     ": relu(margin - y*cast(t, real)))",
     NULL,
     "targets of y's shape are -1 or 1; class numbers 0 and 1 mean these where y has one column, else the margin "
     "is between the class and each other (Crammer and Singer 2001, as MultiMarginLoss)",
     0},
};
const size_t nn_losses_count = sizeof nn_losses / sizeof *nn_losses;
