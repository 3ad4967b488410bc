/* explain_formula.c: formulas with numbers in them: the loss's gradient, an activation's slope. See explain.h. */
#include "jobs/explain.h"

#include "jobs/numerals.h"
#include <math.h>
#include <string.h>

typedef struct FormulaName {
    const char *name;
    double value;
} FormulaName;

/* ---- Losses whose gradient is short enough to be read ------------------------------------------------------- */

/* y: the net's output; t: the target; p: the probability; n: how many outputs there are. A formula is shown only where
 * it gives the number that the chain rule gave. */
typedef struct FormulaLoss {
    const char *loss, *many, *one; /* the gradient of one output of many, and of the only one */
    double (*value)(double y, double t, double p, double n);
    const char *note; /* what the loss is */
} FormulaLoss;

static double formula_difference(double y, double t, double p, double n)
{
    (void)p, (void)n;
    return y - t;
}

static double formula_mean(double y, double t, double p, double n)
{
    (void)p;
    return 2 * (y - t) / n;
}

static double formula_chance(double y, double t, double p, double n)
{
    (void)y, (void)n;
    return p - t;
}

static const char formula_logarithm[] = "minus the logarithm of the true class's probability";

static const FormulaLoss formula_losses[] = {
    {"sse", "y - t", "y - t", formula_difference, "half the squared error"},
    {"mse", "2 (y - t)/n", "2 (y - t)", formula_mean, "the squared error"},
    {"cross_entropy", "p - t", "p - t", formula_chance, formula_logarithm},
    {"bce", "p - t", "p - t", formula_chance, formula_logarithm},
};

static const FormulaLoss *formula_loss(const Explanation *x)
{
    const char *loss = blueprint_loss(x->probe.blueprint);
    size_t length = strcspn(loss, " (");
    for (size_t i = 0; i < sizeof formula_losses / sizeof *formula_losses; i++)
        if (strlen(formula_losses[i].loss) == length && !memcmp(formula_losses[i].loss, loss, length))
            return &formula_losses[i];
    return NULL;
}

/* The probability that an output stands for; NaN where there is none. */
static double formula_probability(const Explanation *x, size_t output)
{
    bool one = x->examined->model->task.classify && x->output.count == 1;
    if (one) output = 1;
    return output < x->prediction.count ? x->prediction.value[output] : (double)NAN;
}

static bool formula_holds(const Explanation *x, const FormulaLoss *loss)
{
    for (size_t i = 0; i < x->arriving.count; i++) {
        double got = x->arriving.value[i];
        double said = loss->value(x->output.value[i], x->target.value[i], formula_probability(x, i),
                                  (double)x->output.count);
        if (!(fabs(said - got) <= 1e-4 * fmax(1, fabs(got)))) return false;
    }
    return true;
}

const char *explain_loss_note(const Explanation *x)
{
    const FormulaLoss *loss = formula_loss(x);
    return loss ? loss->note : NULL;
}

/* ---- Putting numbers in -------------------------------------------------------------------------------------- */

static bool formula_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t formula_word(const char *s)
{
    size_t length = 0;
    while (formula_letter(s[length]) || (s[length] >= '0' && s[length] <= '9') || s[length] == '.')
        length++;
    return length;
}

/* Negative numbers stand in brackets unless they come first. */
static void formula_put_number(Text *out, double value, bool first)
{
    bool brackets = value < 0 && !first;
    if (brackets) text_put(out, '(');
    numeral_print(out, value);
    if (brackets) text_put(out, ')');
}

/* A sign between words; times is x, or nothing in front of a bracket. */
static void formula_put_sign(Text *out, const char *s)
{
    if (*s != '*')
        text_put(out, *s);
    else
        text_print(out, "%s", s[1] == '(' ? " " : " x ");
}

/* Numbers and functions stay as they are; false for a name that is not known. */
static bool formula_put_word(Text *out, const char *s, size_t length, const FormulaName *name, size_t names,
                             bool first)
{
    if (!formula_letter(*s) || s[length] == '(') {
        text_append(out, s, length);
        return true;
    }
    for (size_t i = 0; i < names; i++) {
        if (strlen(name[i].name) != length || memcmp(name[i].name, s, length)) continue;
        formula_put_number(out, name[i].value, first);
        return true;
    }
    return false;
}

/* False, and nothing is written, if a name is not known. */
static bool formula_put(Text *out, const char *formula, const FormulaName *name, size_t names)
{
    size_t begin = out->length, length;
    for (const char *s = formula; *s; s += length ? length : 1) {
        length = formula_word(s);
        if (!length) formula_put_sign(out, s);
        if (length && !formula_put_word(out, s, length, name, names, out->length == begin)) {
            out->length = begin;
            return false;
        }
    }
    return true;
}

bool explain_put_loss_formula(const Explanation *x, Text *out)
{
    const FormulaLoss *loss = formula_loss(x);
    if (!loss || !formula_holds(x, loss)) return false;
    const FormulaName name[] = {{"y", x->output.value[0]},
                                {"t", x->target.value[0]},
                                {"p", formula_probability(x, 0)},
                                {"n", (double)x->output.count}};
    if (x->output.count == 1) return formula_put(out, loss->one, name, sizeof name / sizeof *name);
    text_print(out, "%s", loss->many);
    return true;
}

bool explain_put_slope_formula(const ExplainLayer *l, Text *out)
{
    if (l->slope.count != 1 || !l->rule) return false;
    const FormulaName name[] = {{"x", l->in.value[0]}, {"y", l->out.value[0]}, {"dy", 1}};
    return formula_put(out, l->rule, name, sizeof name / sizeof *name);
}
