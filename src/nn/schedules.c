/* schedules.c: by what lr is multiplied at step t of `steps`, and how gradients are clipped. Rows of text, enumerated
 * by rows.c. t counts from 1, so the first step sees the beginning of a schedule: t - 1 steps are done. All of it is
 * arithmetic of numbers, done in double once a step. */
#include "nn/rows.h"

const Definition nn_schedules[] = {
    {"helper", "rise(t, warmup): warmup == 0 ? 1 : min(1, t/warmup)", NULL,
     "the part of a rise over warmup steps", 0},
    {"helper", "progress(t, steps, warmup): clip((t - 1 - warmup)/max(1, steps - warmup), 0, 1)", NULL,
     "the part of the way done when step t begins, after warmup steps", 0},
    {"schedule", "constant(w=0, value=1): size(w) == 1 ? value : expand(value, shape(w))", NULL,
     "as a schedule always lr; as an initialiser, constant(value), that number everywhere", 0},
    {"schedule", "step(t, steps, every, factor=.1): factor^floor((t - 1)/every)", NULL,
     "times factor after every so many steps", 0},
    {"schedule", "warmup(t, steps, over): rise(t, over)", NULL, "a straight rise over so many steps, then lr",
     0},
    {"schedule",
     "linear(t, steps, warmup=0, floor=0): rise(t, warmup)*(1 - (1 - floor)*progress(t, steps, warmup))",
     NULL, "a rise, then a straight fall to floor", 0},
    {"schedule",
     "cosine(t, steps, warmup=0, floor=0): "
     "rise(t, warmup)*(floor + (1 - floor)*(1 + cos(pi*progress(t, steps, warmup)))/2)",
     NULL, "a rise, then half a cosine down to floor (Loshchilov and Hutter 2016)", 0},

    {"helper", "ease(from, to, part): to + (from - to)*(1 + cos(pi*clip(part, 0, 1)))/2", NULL,
     "from one number to another by half a cosine", 0},
    {"schedule",
     "one_cycle(t, steps, rise=.3, start=.04, end=4e-6): peak = max(rise*steps - 1, 1e-9); s = t - 1; "
     "where(s <= peak, ease(start, 1, s/peak), ease(1, end, (s - peak)/max(steps - 1 - peak, 1e-9)))",
     NULL,
     "half a cosine up over a share of the steps, then one down (Smith 2018; OneCycleLR, without its momentum)",
     0},

    {"schedule",
     "plateau(t, steps, drops, factor=.1, patience=10, threshold=1e-4, cooldown=0, floor=0): max(floor, factor^drops)",
     NULL,
     "times factor whenever the validation loss has not become better, by a share of threshold, for more than patience "
     "epochs; cooldown: epochs after a drop that do not count (ReduceLROnPlateau)",
     0},
    {"helper",
     "plateau_judge(loss, best, waited, cooling, drops, factor=.1, patience=10, threshold=1e-4, cooldown=0, floor=0): "
     "better = loss < best*(1 - threshold); idle = where(better + (0 < cooling), 0, waited + 1); "
     "drop = patience < idle; "
     "where(better, loss, best), where(drop, 0, idle), where(drop, cooldown, max(cooling - 1, 0)), drops + drop",
     NULL,
     "what plateau counts at the end of an epoch: best, waited, cooling, drops; a schedule NAME may have such a row, "
     "NAME_judge",
     0},
    {"schedule", "sweep(t, steps, low=1e-3, high=1e3): low*(high/low)^((t - 1)/max(1, steps - 1))", NULL,
     "from low to high in equal ratios: tries learning rates (Smith 2015)", 0},

    {"clip", "value(g, limit): clip(g, -limit, limit)", NULL, "each element of the gradient within limit", 0},
    {"clip", "norm(g, gnorm, limit): g*min(1, limit/(gnorm + 1e-6))", NULL,
     "the gradient scaled so that the norm of all gradients together, gnorm, is at most limit (Pascanu et al. 2012)",
     0},
};
const size_t nn_schedules_count = sizeof nn_schedules / sizeof *nn_schedules;
