/* job_check.c: `nudge check`: every parameter's gradient against finite differences of the loss, in double precision.
 *
 * A difference is taken along a direction: the weights move by h and 2h to both sides, and the four losses give the
 * slope up to h^4. Directions are single elements, and random ones that see all elements at once. Where the loss has a
 * bend between those points (relu at 0), there is no slope to compare with; a bend shows in that the second difference
 * does not shrink with h as it does where the loss is smooth, and such a direction is left out. */
#include "jobs/job.h"

#include "base/philox.h"
#include "jobs/examined.h"
#include "jobs/numerals.h"
#include "jobs/probe.h"
#include <math.h>
#include <string.h>

enum {
    CHECK_ROWS = 16,     /* of the data */
    CHECK_ELEMENTS = 12, /* of a parameter, one by one */
    CHECK_RANDOM = 4,    /* directions */
    CHECK_TRIES = 3      /* random directions for each of these */
};

#define CHECK_LIMIT  1e-6 /* the largest relative error that is right */
#define CHECK_STEP   1e-3 /* of the length of a parameter's elements */
#define CHECK_MOVED  1e-2 /* so far the weights are moved first: biases of 0 put relu on its bend */
#define CHECK_FLOOR  1e-5 /* of the loss: slopes below are lost in rounding */

typedef struct CheckParameter {
    const char *path;
    Tensor *tensor;
    const double *gradient;
    int wanted;
    size_t compared, bends; /* directions */
    double error;           /* the largest relative one */
} CheckParameter;

typedef struct Check {
    Job *job;
    Examined examined;
    Probe loss, gradient; /* two programs: that of the loss alone is run very often */
    size_t rows;
    int parameters;
    CheckParameter *parameter;
    double *direction; /* of the parameter at hand, and its values to go back to */
    double *back;
} Check;

/* ---- Moving weights ---------------------------------------------------------------------------------------- */

static double check_random(uint64_t site, uint64_t index)
{
    return philox_normal(philox(0x636865636bULL, site, index));
}

static double check_loss_at(Check *c, const CheckParameter *p, double along)
{
    double *value = p->tensor->value;
    for (size_t i = 0; i < p->tensor->size; i++)
        value[i] = c->back[i] + along * c->direction[i];
    probe_go(&c->loss);
    memcpy(value, c->back, p->tensor->size * sizeof *value);
    return probe_value(&c->loss, 0)[0];
}
