/* losses.c: what training makes small. Rows of text, enumerated by rows.c.
 *
 * A loss takes the net's result y [n, ..] and the targets t, and is mean(...) or sum(...) over everything, so that
 * example weights reach it. Targets are of y's shape, or class numbers (i32) with one axis fewer. Conventions are
 * PyTorch's unless the note says otherwise. A gradient of its own stands in a helper that keeps the rows apart: the
 * mean over them, and with it the weights, stay outside. */
#include "nn/rows.h"

const Definition nn_losses[] = {
    {"function",
     "as_target(t, y): rank(t) < rank(y) "
     "? (dim(y, -1) == 1 ? reshape(cast(t, real), shape(y)) : onehot(t, dim(y, -1))) "
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

    {"helper",
     "cross_entropy_seen(y[.., c], t[..], w[k], smoothing, ignore): "
     "seen = t != ignore; i = cast(seen*cast(t, real), i32); "
     "share = k == 1 ? seen : seen*w[i]; "
     "rows = k == 1 ? cross_entropy_classes(y, i, smoothing) "
     ": cross_entropy_shares(y, w*((1 - smoothing)*onehot(i, c) + smoothing/c)); "
     "mean(rows*seen{.. -> .. 1})/max(mean(share{.. -> .. 1}), 1e-30)",
     NULL, "cross entropy with weights w of the classes, or 1, of the rows that are not ignored", 0},
    {"helper",
     "binary_focal(y, t, gamma, alpha): e = bce_logits(y, t); m = -expm1(-e); "
     "mean((alpha == alpha ? alpha*t + (1 - alpha)*(1 - t) : 1)*m^gamma*e)",
     NULL, "focal of targets in y's shape", 0},
    {"helper",
     "class_focal(y, t, gamma, alpha): e = cross_entropy_classes(y, t); m = -expm1(-e); "
     "mean((alpha == alpha ? alpha : 1)*m^gamma*e)",
     NULL, "focal of class numbers", 0},
    {"helper", "pair_squares(y[n, d]): s = sum(y*y, -1); max(s + s' - 2*(y @ y'), 0)", NULL,
     "squared distances between all rows", 0},
    {"helper", "pair_distances(y): sqrt(max(pair_squares(y), 1e-12))", NULL, "distances between all rows", 0},
    {"helper", "same_class(t[n]): r = cast(t, real); r{n -> n 1} == r", NULL, "which rows are of one class",
     0},
    {"function",
     "triplet_margin(a[.., d], p[.., d], n[.., d], margin=1): "
     "mean(relu(vector_norm(a - p) - vector_norm(a - n) + margin))",
     NULL,
     "how far an anchor a is not nearer to p than to n, by a margin (Schroff, Kalenichenko and Philbin 2015)",
     0},

    /* CTC works with logarithms; -1e30 is that of 0. Between labels, and before and after, there may be blanks. */
    {"helper",
     "ctc_spread(t[n, s], blank): "
     "r = cast(t, real); r = where(r < 0, blank, r); b = zeros(n, s) + blank; "
     "concat(reshape(stack(b, r, axis=2), n, 2*s), b[:, 0:1], axis=1)",
     NULL, "labels with blanks between: [n, 2*s + 1]", 0},
    {"helper",
     "ctc_scores(p[n, k, c], e[n, l]): take(p{n k c -> (n c) k}, cast(c*iota(n, l) + e, i32)){n l k -> k n l}",
     NULL, "the logarithm of each label's probability at each step", 0},
    {"helper", "ctc_back(a[n, l], by, fill): concat(zeros(n, by) + fill, a[:, 0:l - by], axis=1)", NULL,
     "what stands some places before", 0},
    {"helper",
     "ctc_forward(p[k, n, l], skip[n, l], a[n, l]): "
     "for i < k along p { "
     "a = logaddexp(logaddexp(a, ctc_back(a, 1, -1e30)), where(skip, ctc_back(a, 2, -1e30), -1e30)) + p }; "
     "a",
     NULL, "the logarithm of the probability to be at each label after the last step", 0},

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
     "cross_entropy(y, t, smoothing=0, weights=1, ignore=nan): w = reshape(stack(weights), -1); "
     "rank(t) < rank(y) "
     "? (ignore == ignore ? cross_entropy_seen(y, t, w, smoothing, ignore) "
     ": size(w) > 1 ? cross_entropy_seen(y, t, w, smoothing, -1) : mean(cross_entropy_classes(y, t, smoothing))) "
     ": size(w) > 1 ? mean(cross_entropy_shares(y, w*((1 - smoothing)*t + smoothing/dim(y, -1)))) "
     ": mean(cross_entropy_shares(y, t, smoothing))",
     NULL,
     "of logits y [n, .., c] against class numbers t [n, ..] or shares t [n, .., c]; "
     "smoothing as in Szegedy et al. 2015; weights of the classes: (1, 2.5, ..); "
     "rows whose class number is ignore do not count",
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
    {"loss",
     "focal(y, t, gamma=2, alpha=nan): rank(t) < rank(y) "
     "? (dim(y, -1) == 1 ? binary_focal(y, as_target(t, y), gamma, alpha) : class_focal(y, t, gamma, alpha)) "
     ": binary_focal(y, as_target(t, y), gamma, alpha)",
     NULL,
     "cross entropy of logits with less weight on what is right already (Lin et al. 2017): of softmax against class "
     "numbers, else of sigmoid for each element; alpha: the weight of 1 against 0",
     0},
    {"loss",
     "kl(y, t): s = as_target(t, y); mean(cross_entropy_shares(y, s) + sum(where(0 < s, s*log(s), 0), -1))",
     NULL,
     "Kullback-Leibler divergence of softmax(y) from the shares t, per row (KLDivLoss with batchmean, of logits)",
     0},
    {"loss", "cosine_distance(y, t): mean(1 - sum(normalize(y)*normalize(as_target(t, y)), -1))", NULL,
     "1 less the cosine of the angle between the rows y and t", 0},
    {"loss", "quantile(y, t, q=.5): e = as_target(t, y) - y; mean(where(0 < e, q*e, (q - 1)*e))", NULL,
     "the pinball loss, least where a share q of the targets lies below y (Koenker and Bassett 1978); slope 1 - q at 0",
     0},
    {"loss",
     "poisson(y, t, log_input=true, eps=1e-8): s = as_target(t, y); "
     "mean(log_input ? exp(y) - s*y : y - s*log(y + eps))",
     NULL,
     "negative log-likelihood of counts t, without what does not depend on y; y is the logarithm of the rate, or the "
     "rate",
     0},
    {"loss",
     "gaussian_nll(y, t): m, s = split(y, 2, axis=-1); e = m - reshape(cast(t, real), shape(m)); "
     "mean(s + e*e*exp(-s))/2",
     NULL,
     "negative log-likelihood, without its constant, of a normal t; the first half of y's columns are means, "
     "the second logarithms of variances (Nix and Weigend 1994)",
     0},
    {"loss",
     "contrastive(y[n, d], t[n], margin=1): q = pair_squares(y); m = relu(margin - sqrt(max(q, 1e-12))); "
     "mean(where(same_class(t), q, m*m))*n/max(2*(n - 1), 1)",
     NULL,
     "over all pairs of rows: half the squared distance within a class t, and of what lacks to the margin "
     "between classes (Hadsell, Chopra and LeCun 2006)",
     0},
    {"loss",
     "triplet(y[n, d], t[n], margin=1): a = pair_distances(y); s = same_class(t); "
     "mean(relu(amax(where(s, a, 0), 1) - amin(where(s, 1e30, a), 1) + margin))",
     NULL,
     "for each row: its farthest of the same class t should be nearer, by a margin, than its nearest of another "
     "(Hermans, Beyer and Leibe 2017, batch hard)",
     0},
    {"loss",
     "info_nce(y[n, d], t[n, d], temperature=.07): "
     "mean(cross_entropy_classes(normalize(y) @ normalize(t)'/temperature, cast(arange(n), i32)))",
     NULL,
     "row i of y should look like row i of t more than like any other (van den Oord, Li and Vinyals 2018)",
     0},
    {"loss",
     "ctc(y[n, k, c], t[n, s], blank=0, zero_infinity=false): "
     "e = ctc_spread(t, blank); l = 2*s + 1; place = iota(n, l, axis=1); "
     "skip = (e != blank)*(e != ctc_back(e, 2, -1)); "
     "a = ctc_forward(ctc_scores(log_softmax(y), e), skip, where(place == 0, 0, -1e30)); "
     "length = sum(cast(t, real) != blank, 1) - sum(cast(t, real) < 0, 1); "
     "r = -logsumexp(where((place == 2*length) + (place == 2*length - 1), a, -1e30))/max(length, 1); "
     "mean(where(r < 1e27, r, zero_infinity ? 0 : inf))",
     NULL,
     "connectionist temporal classification (Graves et al. 2006): logits y [n, k, c] against rows of s labels that may "
     "stand anywhere in order; a row shorter than s ends with blank or -1; each is divided by its length; inf where "
     "there are too few steps",
     0},
};
const size_t nn_losses_count = sizeof nn_losses / sizeof *nn_losses;
