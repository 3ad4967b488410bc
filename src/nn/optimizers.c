/* optimizers.c: how a parameter w changes, given its gradient g and the step t, which counts from 1. Rows of text,
 * enumerated by rows.c. Defaults and conventions are PyTorch's (torch.optim) unless the note says otherwise: where
 * epsilon stands, what decays. States are named as they are there. lr may be any expression of numbers.
 * With decay_vectors=false, weight_decay spares parameters with fewer than two axes: biases and norms. */
#include "nn/rows.h"

const Definition nn_optimizers[] = {
    {"helper",
     "decay_of(axes, weight_decay, decay_vectors): decay_vectors ? weight_decay : 1 < axes ? weight_decay : 0",
     NULL, "weight_decay, but 0 for a vector that is spared", 0},
    {"helper", "decayed(w, g, weight_decay): weight_decay == 0 ? g : g + weight_decay*w", NULL,
     "the gradient with that of weight_decay/2 times the sum of squares", 0},
    {"helper", "sgd_plain(w, g, lr, weight_decay): w -= lr*decayed(w, g, weight_decay)", NULL,
     "sgd without momentum", 0},
    {"helper",
     "sgd_momentum(w, g, t, lr, momentum, dampening, nesterov, weight_decay | momentum_buffer[shape(w)] = 0): "
     "d = decayed(w, g, weight_decay); "
     "momentum_buffer <- momentum*momentum_buffer + (dampening == 0 ? d : where(t <= 1, 1, 1 - dampening)*d); "
     "w -= lr*(nesterov ? d + momentum*momentum_buffer : momentum_buffer)",
     NULL, "sgd with momentum; the first gradient enters undamped", 0},
    {"optimizer",
     "sgd(w, g, t, lr=.01, momentum=0, dampening=0, nesterov=false, weight_decay=0, decay_vectors=true): "
     "decay = decay_of(rank(w), weight_decay, decay_vectors); "
     "momentum == 0 ? sgd_plain(w, g, lr, decay) "
     ": sgd_momentum(w, g, t, lr, momentum, dampening, nesterov, decay)",
     NULL, "gradient descent; momentum as in Sutskever et al. 2013; lr is .01 unless given", 0},
    {"helper",
     "adam_step(m, v, t, lr, beta1, beta2, eps): lr/(1 - beta1^t)*m/(sqrt(v)*(1/sqrt(1 - beta2^t)) + eps)",
     NULL,
     "the means m and v of the gradient and its square, corrected for their start at 0; all but one division is of "
     "numbers",
     0},
    {"helper",
     "largest_square(v | max_exp_avg_sq[shape(v)] = 0): max_exp_avg_sq <- max(max_exp_avg_sq, v); max_exp_avg_sq",
     NULL, "the largest v there has been (amsgrad: Reddi, Kale and Kumar 2018)", 0},
    {"optimizer",
     "adam(w, g, t, lr=1e-3, beta1=.9, beta2=.999, eps=1e-8, weight_decay=0, amsgrad=false "
     "| exp_avg[shape(w)] = 0, exp_avg_sq[shape(w)] = 0): "
     "d = decayed(w, g, weight_decay); "
     "exp_avg <- beta1*exp_avg + (1 - beta1)*d; "
     "exp_avg_sq <- beta2*exp_avg_sq + (1 - beta2)*d*d; "
     "v = amsgrad ? largest_square(exp_avg_sq) : exp_avg_sq; "
     "w -= adam_step(exp_avg, v, t, lr, beta1, beta2, eps)",
     NULL, "Kingma and Ba 2014; amsgrad divides by the largest mean square so far", 0},
    {"optimizer",
     "adamw(w, g, t, lr=1e-3, beta1=.9, beta2=.999, eps=1e-8, weight_decay=.01, decay_vectors=true, amsgrad=false "
     "| exp_avg[shape(w)] = 0, exp_avg_sq[shape(w)] = 0): "
     "exp_avg <- beta1*exp_avg + (1 - beta1)*g; "
     "exp_avg_sq <- beta2*exp_avg_sq + (1 - beta2)*g*g; "
     "v = amsgrad ? largest_square(exp_avg_sq) : exp_avg_sq; "
     "w <- w*(1 - lr*decay_of(rank(w), weight_decay, decay_vectors)) "
     "- adam_step(exp_avg, v, t, lr, beta1, beta2, eps)",
     NULL, "adam whose decay is of the weights, not through the gradient (Loshchilov and Hutter 2017)", 0},
    {"optimizer",
     "sparse_adam(w, g, t, lr=1e-3, beta1=.9, beta2=.999, eps=1e-8 "
     "| exp_avg[shape(w)] = 0, exp_avg_sq[shape(w)] = 0): "
     "seen = 0 < (rank(g) < 2 ? abs(g) : sum(abs(g), -1)); "
     "exp_avg <- where(seen, beta1*exp_avg + (1 - beta1)*g, exp_avg); "
     "exp_avg_sq <- where(seen, beta2*exp_avg_sq + (1 - beta2)*g*g, exp_avg_sq); "
     "w <- where(seen, w - lr*(sqrt(1 - beta2^t)/(1 - beta1^t))*exp_avg/(sqrt(exp_avg_sq) + eps), w)",
     NULL,
     "adam for embeddings: rows without a gradient, as of words that the batch does not have, stay as they are, and so do "
     "their means (SparseAdam)",
     0},
    {"helper",
     "rmsprop_scale(g, alpha, eps, centered | square_avg[shape(g)] = 0): "
     "square_avg <- alpha*square_avg + (1 - alpha)*g*g; "
     "1/(sqrt(centered ? square_avg - rmsprop_mean(g, alpha)^2 : square_avg) + eps)",
     NULL, "what rmsprop multiplies the gradient by", 0},
    {"helper",
     "rmsprop_mean(g, alpha | grad_avg[shape(g)] = 0): grad_avg <- alpha*grad_avg + (1 - alpha)*g; grad_avg",
     NULL, "the running mean of the gradient", 0},
    {"helper",
     "heavy_ball(d, momentum | momentum_buffer[shape(d)] = 0): "
     "momentum_buffer <- momentum*momentum_buffer + d; momentum_buffer",
     NULL, "a direction with momentum", 0},
    {"optimizer",
     "rmsprop(w, g, lr=.01, alpha=.99, eps=1e-8, weight_decay=0, momentum=0, centered=false): "
     "d = decayed(w, g, weight_decay); d = d*rmsprop_scale(d, alpha, eps, centered); "
     "w -= lr*(momentum == 0 ? d : heavy_ball(d, momentum))",
     NULL, "Tieleman and Hinton 2012; centered as in Graves 2013", 0},
    {"optimizer",
     "adagrad(w, g, t, lr=.01, lr_decay=0, weight_decay=0, eps=1e-10, initial_accumulator_value=0 "
     "| sum[shape(w)] = initial_accumulator_value): "
     "d = decayed(w, g, weight_decay); "
     "sum <- sum + d*d; "
     "w -= lr/(1 + (t - 1)*lr_decay)*d/(sqrt(sum) + eps)",
     NULL, "Duchi, Hazan and Singer 2011", 0},
    {"optimizer",
     "rprop(w, g, lr=.01, shrink=.5, grow=1.2, least=1e-6, most=50 | prev[shape(w)] = 0, step_size[shape(w)] = 1): "
     "s = g*prev; "
     "step_size <- clip(step_size*where(s < 0, shrink, where(0 < s, grow, 1)), least/lr, most/lr); "
     "d = where(s < 0, 0, g); "
     "prev <- d; "
     "w -= lr*step_size*sign(d)",
     NULL, "Riedmiller and Braun 1993; the state is the step in units of lr, so that a schedule acts on it",
     0},
    {"optimizer",
     "lion(w, g, lr=1e-4, beta1=.9, beta2=.99, weight_decay=0, decay_vectors=true | exp_avg[shape(w)] = 0): "
     "u = sign(beta1*exp_avg + (1 - beta1)*g); "
     "exp_avg <- beta2*exp_avg + (1 - beta2)*g; "
     "w -= lr*(u + decay_of(rank(w), weight_decay, decay_vectors)*w)",
     NULL, "Chen et al. 2023", 0},
    {"optimizer",
     "nadam(w, g, t, lr=2e-3, beta1=.9, beta2=.999, eps=1e-8, weight_decay=0, momentum_decay=4e-3, "
     "decoupled_weight_decay=false "
     "| exp_avg[shape(w)] = 0, exp_avg_sq[shape(w)] = 0, mu_product[] = 1): "
     "d = decoupled_weight_decay ? g : decayed(w, g, weight_decay); "
     "mu = beta1*(1 - .5*.96^(t*momentum_decay)); next = beta1*(1 - .5*.96^((t + 1)*momentum_decay)); "
     "mu_product <- mu*mu_product; "
     "exp_avg <- beta1*exp_avg + (1 - beta1)*d; "
     "exp_avg_sq <- beta2*exp_avg_sq + (1 - beta2)*d*d; "
     "u = (1 - mu)/(1 - mu_product)*d + next/(1 - next*mu_product)*exp_avg; "
     "w <- (decoupled_weight_decay ? w*(1 - lr*weight_decay) : w) - lr*u/(sqrt(exp_avg_sq/(1 - beta2^t)) + eps)",
     NULL, "adam with Nesterov's momentum (Dozat 2016)", 0},
    {"optimizer",
     "radam(w, g, t, lr=1e-3, beta1=.9, beta2=.999, eps=1e-8, weight_decay=0, decoupled_weight_decay=false "
     "| exp_avg[shape(w)] = 0, exp_avg_sq[shape(w)] = 0): "
     "d = decoupled_weight_decay ? g : decayed(w, g, weight_decay); "
     "exp_avg <- beta1*exp_avg + (1 - beta1)*d; "
     "exp_avg_sq <- beta2*exp_avg_sq + (1 - beta2)*d*d; "
     "top = 2/(1 - beta2) - 1; rho = top - 2*t*beta2^t/(1 - beta2^t); r = max(rho, 5); "
     "r = sqrt((r - 4)*(r - 2)*top/((top - 4)*(top - 2)*r)*(1 - beta2^t)); "
     "w <- (decoupled_weight_decay ? w*(1 - lr*weight_decay) : w) - lr/(1 - beta1^t)*exp_avg*where(5 < rho, r/(sqrt(exp_avg_sq) + eps), 1)",
     NULL, "adam that steps evenly until its variance can be trusted (Liu et al. 2019)", 0},
    {"optimizer",
     "adadelta(w, g, lr=1, rho=.9, eps=1e-6, weight_decay=0 | square_avg[shape(w)] = 0, acc_delta[shape(w)] = 0): "
     "d = decayed(w, g, weight_decay); "
     "square_avg <- rho*square_avg + (1 - rho)*d*d; "
     "u = sqrt(acc_delta + eps)/sqrt(square_avg + eps)*d; "
     "acc_delta <- rho*acc_delta + (1 - rho)*u*u; "
     "w -= lr*u",
     NULL, "Zeiler 2012", 0},
    {"optimizer",
     "adamax(w, g, t, lr=2e-3, beta1=.9, beta2=.999, eps=1e-8, weight_decay=0 "
     "| exp_avg[shape(w)] = 0, exp_inf[shape(w)] = 0): "
     "d = decayed(w, g, weight_decay); "
     "exp_avg <- beta1*exp_avg + (1 - beta1)*d; "
     "exp_inf <- max(beta2*exp_inf, abs(d) + eps); "
     "w -= lr/(1 - beta1^t)*exp_avg/exp_inf",
     NULL, "adam by the largest gradient (Kingma and Ba 2014)", 0},
    {"optimizer",
     "asgd(w, g, t, lr=.01, lambd=1e-4, alpha=.75, t0=1e6, weight_decay=0 | ax[shape(w)] = 0): "
     "d = decayed(w, g, weight_decay); eta = lr/(1 + lambd*lr*(t - 1))^alpha; "
     "w <- w*(1 - lambd*eta) - eta*d; "
     "ax <- ax + (w - ax)/max(1, t - 1 - t0)",
     NULL, "gradient descent; ax becomes the mean of w from step t0 on (Polyak and Juditsky 1992)", 0},

    /* ---- By the size of each tensor ---- */
    {"helper", "whole_norm(x): sqrt(sum(x*x))", NULL, "the norm of a whole tensor", 0},
    {"helper",
     "trust_ratio(w, u, scale, eps): a = whole_norm(w); b = whole_norm(u); "
     "where((0 < a)*(0 < b), scale*a/(b + eps), 1)",
     NULL, "the size of w by that of u; 1 where one is 0", 0},
    {"optimizer",
     "lamb(w, g, t, lr=1e-3, beta1=.9, beta2=.999, eps=1e-6, weight_decay=.01, decay_vectors=true "
     "| exp_avg[shape(w)] = 0, exp_avg_sq[shape(w)] = 0): "
     "exp_avg <- beta1*exp_avg + (1 - beta1)*g; "
     "exp_avg_sq <- beta2*exp_avg_sq + (1 - beta2)*g*g; "
     "u = adam_step(exp_avg, exp_avg_sq, t, 1, beta1, beta2, eps) + decay_of(rank(w), weight_decay, decay_vectors)*w; "
     "w -= lr*trust_ratio(w, u, 1, 0)*u",
     NULL, "adamw whose step is in proportion to the tensor's norm (You et al. 2019)", 0},
    {"optimizer",
     "lars(w, g, lr=.1, momentum=.9, weight_decay=0, trust=1e-3, eps=1e-8, decay_vectors=true "
     "| momentum_buffer[shape(w)] = 0): "
     "d = g + decay_of(rank(w), weight_decay, decay_vectors)*w; "
     "momentum_buffer <- momentum*momentum_buffer + trust_ratio(w, d, trust, eps)*d; "
     "w -= lr*momentum_buffer",
     NULL, "sgd whose step is in proportion to the tensor's norm (You, Gitman and Ginsburg 2017)", 0},
    {"helper",
     "factored_square(g, b, eps | row_var[shape(sum(g, -1))] = 0, col_var[shape(sum(g, -2))] = 0): "
     "row_var <- row_var + b*(mean(g*g, -1) - row_var); "
     "col_var <- col_var + b*(mean(g*g, -2) - col_var); "
     "row_var*col_var/max(mean(row_var, -2), eps)",
     NULL, "the running mean of g*g, kept as its means over rows and columns", 0},
    {"helper",
     "full_square(g, b | variance[shape(g)] = 0): variance <- variance + b*(g*g - variance); variance", NULL,
     "the running mean of g*g", 0},
    {"optimizer",
     "adafactor(w, g, t, lr=.01, beta2_decay=-.8, eps1=1.1920928955078125e-7, eps2=1e-3, d=1, weight_decay=0): "
     "b = t^beta2_decay; "
     "v = rank(w) < 2 ? full_square(g, b) : factored_square(g, b, eps1); "
     "u = g/sqrt(max(v, eps1*eps1)); "
     "step = min(lr, 1/sqrt(t))*max(eps2, sqrt(mean(w*w)))/max(1, sqrt(mean(u*u))/d); "
     "w <- w*(1 - lr*weight_decay) - step*u",
     NULL,
     "adam with little memory: rows and columns instead of elements (Shazeer and Stern 2018); eps1 is that of float32",
     0},
    {"helper",
     "newton_schulz(g[m, n]): x = g/max(whole_norm(g), 1e-7); x = n < m ? x' : x; "
     "for i < 5 { a = x @ x'; x = 3.4445*x + (2.0315*(a @ a) - 4.775*a) @ x }; "
     "n < m ? x' : x",
     NULL, "roughly the orthogonal factor of a matrix: its singular values come near 1", 0},
    {"helper",
     "muon_matrix(w, g, lr, momentum, nesterov, weight_decay, match_rms | momentum_buffer[shape(w)] = 0): "
     "momentum_buffer <- momentum*momentum_buffer + (1 - momentum)*g; "
     "d = nesterov ? (1 - momentum)*g + momentum*momentum_buffer : momentum_buffer; "
     "d = reshape(d, dim(w, 0), -1); "
     "m = dim(d, 0); n = dim(d, 1); "
     "u = (match_rms ? .2*sqrt(max(m, n)) : sqrt(max(1, m/n)))*newton_schulz(d); "
     "w <- w*(1 - lr*weight_decay) - lr*reshape(u, shape(w))",
     NULL, "muon for what has at least two axes", 0},
    {"optimizer",
     "muon(w, g, t, lr=1e-3, momentum=.95, nesterov=true, weight_decay=.1, decay_vectors=true, match_rms=false): "
     "rank(w) < 2 ? adamw(w, g, t, lr, weight_decay=weight_decay, decay_vectors=decay_vectors) "
     ": muon_matrix(w, g, lr, momentum, nesterov, weight_decay, match_rms)",
     NULL,
     "momentum made orthogonal (Jordan et al. 2024); axes behind the first are one; adamw for what has fewer than two "
     "axes; match_rms: steps as large as adamw's, for its lr (Liu et al. 2025)",
     0},

    /* ---- Not one formula ---- */
    {"driver", "lbfgs(history=10): history", NULL,
     "quasi-Newton for small problems (Liu and Nocedal 1989), with a line search to the strong Wolfe conditions; each "
     "step takes all rows",
     0},
};
const size_t nn_optimizers_count = sizeof nn_optimizers / sizeof *nn_optimizers;
