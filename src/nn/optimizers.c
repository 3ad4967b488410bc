/* optimizers.c: how a parameter w changes, given its gradient g and the step t, which counts from 1. Rows of text,
 * enumerated by rows.c. Defaults and conventions are PyTorch's (torch.optim) unless the note says otherwise: where
 * epsilon stands, what decays. States are named as they are there. lr may be any expression of numbers. */
#include "nn/rows.h"

const Definition nn_optimizers[] = {
    {"helper", "sgd_plain(w, g, lr, weight_decay): w -= lr*(g + weight_decay*w)", NULL,
     "sgd without momentum", 0},
    {"helper",
     "sgd_momentum(w, g, t, lr, momentum, dampening, nesterov, weight_decay | momentum_buffer[shape(w)] = 0): "
     "d = g + weight_decay*w; "
     "momentum_buffer <- momentum*momentum_buffer + (dampening == 0 ? d : where(t <= 1, 1, 1 - dampening)*d); "
     "w -= lr*(nesterov ? d + momentum*momentum_buffer : momentum_buffer)",
     NULL, "sgd with momentum; the first gradient enters undamped", 0},
    {"optimizer",
     "sgd(w, g, t, lr=.01, momentum=0, dampening=0, nesterov=false, weight_decay=0): "
     "momentum == 0 ? sgd_plain(w, g, lr, weight_decay) "
     ": sgd_momentum(w, g, t, lr, momentum, dampening, nesterov, weight_decay)",
     NULL, "gradient descent; momentum as in Sutskever et al. 2013; lr is .01 unless given", 0},
    {"helper",
     "adam_step(m, v, t, lr, beta1, beta2, eps): lr/(1 - beta1^t)*m/(sqrt(v)*(1/sqrt(1 - beta2^t)) + eps)",
     NULL,
     "the means m and v of the gradient and its square, corrected for their start at 0; all but one division is of "
     "numbers",
     0},
    {"optimizer",
     "adam(w, g, t, lr=1e-3, beta1=.9, beta2=.999, eps=1e-8, weight_decay=0 "
     "| exp_avg[shape(w)] = 0, exp_avg_sq[shape(w)] = 0): "
     "d = g + weight_decay*w; "
     "exp_avg <- beta1*exp_avg + (1 - beta1)*d; "
     "exp_avg_sq <- beta2*exp_avg_sq + (1 - beta2)*d*d; "
     "w -= adam_step(exp_avg, exp_avg_sq, t, lr, beta1, beta2, eps)",
     NULL, "Kingma and Ba 2014", 0},
    {"optimizer",
     "adamw(w, g, t, lr=1e-3, beta1=.9, beta2=.999, eps=1e-8, weight_decay=.01 "
     "| exp_avg[shape(w)] = 0, exp_avg_sq[shape(w)] = 0): "
     "exp_avg <- beta1*exp_avg + (1 - beta1)*g; "
     "exp_avg_sq <- beta2*exp_avg_sq + (1 - beta2)*g*g; "
     "w <- w*(1 - lr*weight_decay) - adam_step(exp_avg, exp_avg_sq, t, lr, beta1, beta2, eps)",
     NULL, "adam whose decay is of the weights, not through the gradient (Loshchilov and Hutter 2017)", 0},
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
     "d = g + weight_decay*w; d = d*rmsprop_scale(d, alpha, eps, centered); "
     "w -= lr*(momentum == 0 ? d : heavy_ball(d, momentum))",
     NULL, "Tieleman and Hinton 2012; centered as in Graves 2013", 0},
    {"optimizer",
     "adagrad(w, g, t, lr=.01, lr_decay=0, weight_decay=0, eps=1e-10 | sum[shape(w)] = 0): "
     "d = g + weight_decay*w; "
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
     "lion(w, g, lr=1e-4, beta1=.9, beta2=.99, weight_decay=0 | exp_avg[shape(w)] = 0): "
     "u = sign(beta1*exp_avg + (1 - beta1)*g); "
     "exp_avg <- beta2*exp_avg + (1 - beta2)*g; "
     "w -= lr*(u + weight_decay*w)",
     NULL, "Chen et al. 2023", 0},
};
const size_t nn_optimizers_count = sizeof nn_optimizers / sizeof *nn_optimizers;
