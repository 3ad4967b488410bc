/* limits.c: what numbers the options of rows may be. One word of the field means the same in every row, a user's own,
 * too; where it does not, or is a word like any other, the row's name stands before it. Asked by notation/ for each
 * number that is known when a call is built. */
#include "nn/nn.h"

#include <math.h>
#include <string.h>

#define AT_LEAST(a)                                                                                          \
    {                                                                                                        \
        a, HUGE_VAL, false, false                                                                            \
    }
#define MORE_THAN(a)                                                                                         \
    {                                                                                                        \
        a, HUGE_VAL, true, false                                                                             \
    }
#define BETWEEN(a, b)                                                                                        \
    {                                                                                                        \
        a, b, true, true                                                                                     \
    } /* without both */
#define SHARE                                                                                                \
    {                                                                                                        \
        0, 1, false, true                                                                                    \
    } /* of a whole that must not be all of it */
#define UNIT                                                                                                 \
    {                                                                                                        \
        0, 1, false, false                                                                                   \
    }

static const struct {
    const char *options; /* divided by blanks */
    Interval range;
} limits_table[] = {
    {"lr weight_decay lr_decay momentum_decay eps initial_accumulator_value std margin warmup", AT_LEAST(0)},
    {"momentum beta1 beta2 smoothing dropout", SHARE},
    {"dampening batchnorm.momentum", UNIT},
    {"temperature", MORE_THAN(0)},
    {"heads kv_heads layers groups", AT_LEAST(1)},

    {"dense.n conv.n deconv.n rnn.h gru.h lstm.h embedding.n embedding.d positions.length", AT_LEAST(1)},
    {"dropout.p spatial_dropout.p drop_path.p", SHARE},
    {"feed_forward.mult block.mult sinusoidal.base rotary.base", MORE_THAN(0)},
    {"celu.alpha softplus.beta", MORE_THAN(0)},
    {"hardshrink.edge softshrink.edge", AT_LEAST(0)},

    {"huber.delta", MORE_THAN(0)},
    {"smooth_l1.beta cross_entropy.weights focal.gamma ctc.blank", AT_LEAST(0)},
    {"focal.alpha", UNIT},
    {"quantile.q", BETWEEN(0, 1)},

    {"rmsprop.alpha adadelta.rho", SHARE},
    {"rprop.shrink", BETWEEN(0, 1)},
    {"rprop.grow", MORE_THAN(1)},
    {"rprop.most lars.trust adafactor.d", MORE_THAN(0)},
    {"rprop.least asgd.lambd asgd.alpha asgd.t0 adafactor.eps1 adafactor.eps2", AT_LEAST(0)},
    {"adafactor.beta2_decay", {-HUGE_VAL, 0, false, false}},
    {"lbfgs.history", {1, 1000, false, false}},

    {"value.limit norm.limit max_norm.limit", MORE_THAN(0)},
    {"l1.rate l2.rate elastic.l1 elastic.l2", AT_LEAST(0)},
    {"ema.decay", SHARE},
    {"swa.start", AT_LEAST(1)},

    {"step.every step.factor sweep.low sweep.high", MORE_THAN(0)},
    {"warmup.over linear.floor cosine.floor one_cycle.start one_cycle.end", AT_LEAST(0)},
    {"one_cycle.rise", UNIT},
    {"plateau.factor", BETWEEN(0, 1)},
    {"plateau.threshold", SHARE},
    {"plateau.patience plateau.cooldown plateau.floor", AT_LEAST(0)},
};

/* Whether the words have it: "row.option", or "option" if row is NULL. */
static bool limit_names(const char *words, const char *row, const char *option)
{
    size_t own = row ? strlen(row) : 0, more = strlen(option), length;
    for (const char *at = words; *at; at += length + strspn(at + length, " ")) {
        length = strcspn(at, " ");
        if (row && length == own + 1 + more && !memcmp(at, row, own) && at[own] == '.' &&
            !memcmp(at + own + 1, option, more))
            return true;
        if (!row && length == more && !memcmp(at, option, more)) return true;
    }
    return false;
}

static const Interval *limit_find(const char *row, const char *option)
{
    for (size_t i = 0; i < sizeof limits_table / sizeof *limits_table; i++)
        if (limit_names(limits_table[i].options, row, option)) return &limits_table[i].range;
    return NULL;
}

const Interval *nn_limit(const char *row, const char *option)
{
    const Interval *own = limit_find(row, option);
    return own ? own : limit_find(NULL, option);
}
