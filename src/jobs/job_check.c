/* job_check.c: `nudge check`: every parameter's gradient against finite differences of the loss, in double precision.
 *
 * Along a direction the weights move by h and 2h to both sides, and the four losses give the slope up to h^4. Directions
 * are single elements, and random ones that see all elements at once. Where the loss has a bend between those points
 * (relu at 0) there is no slope to compare with. It shows when h is halved: the estimates differ, or, with the bend in
 * the middle, the second difference does not get smaller. Such a direction is counted, and left out. */
#include "jobs/job.h"

#include "base/philox.h"
#include "jobs/examined.h"
#include "jobs/numerals.h"
#include "jobs/probe.h"
#include <math.h>
#include <string.h>

enum {
    CHECK_ROWS = 16,     /* of the data */
    CHECK_ELEMENTS = 12, /* of a parameter that are looked at alone */
    CHECK_RANDOM = 4,    /* directions through all of them */
    CHECK_TRIES = 3      /* for each of these, to find one without a bend */
};

#define CHECK_LIMIT  1e-6           /* the largest relative error that is right */
#define CHECK_STEP   2.718281828e-4 /* h; no multiple of the period of what somebody may define */
#define CHECK_SMOOTH 2e-7           /* by how much two estimates may differ, relative */
#define CHECK_MOVED  1e-2           /* so far all weights are moved first: biases of 0 put relu on its bend */
#define CHECK_FLOOR  1e-5           /* of the loss: a slope below that is lost in rounding */

typedef struct CheckParameter {
    const char *path;
    Tensor *tensor;
    int wanted;             /* output of the gradient's probe; -1: nothing flows */
    const double *gradient; /* [tensor->size] */
    size_t compared, bends; /* directions */
    double error;           /* the largest relative one */
} CheckParameter;

typedef struct Check {
    Job *job;
    Examined examined;
    Probe loss, gradient; /* two programs: the loss's is run very often */
    size_t rows;
    double loss_here;
    int parameters;
    CheckParameter *parameter;
    double *direction, *back; /* of the parameter at hand: where to, and its values to go back to */
    uint64_t drawn;
} Check;

/* ---- One direction ------------------------------------------------------------------------------------------ */

static double check_loss(Check *c, const CheckParameter *p, double along)
{
    double *value = p->tensor->value;
    for (size_t i = 0; i < p->tensor->size; i++)
        value[i] = c->back[i] + along * c->direction[i];
    probe_go(&c->loss);
    memcpy(value, c->back, p->tensor->size * sizeof *value);
    return probe_value(&c->loss, 0)[0];
}

static double check_along_gradient(const Check *c, const CheckParameter *p)
{
    double sum = 0;
    for (size_t i = 0; i < p->tensor->size; i++)
        sum += p->gradient[i] * c->direction[i];
    return sum;
}

/* What an error is compared with. */
static double check_scale(const Check *c, const CheckParameter *p, double slope)
{
    double usual = numeral_norm(p->gradient, p->tensor->size) / sqrt((double)p->tensor->size);
    return fmax(fmax(fabs(slope), usual), CHECK_FLOOR * fabs(c->loss_here));
}

/* False if there is a bend. */
static bool check_direction(Check *c, CheckParameter *p)
{
    static const double far[] = {CHECK_STEP / 2, CHECK_STEP, 2 * CHECK_STEP};
    double odd[3], even[3], h = CHECK_STEP;
    for (int i = 0; i < 3; i++) {
        double up = check_loss(c, p, far[i]), down = check_loss(c, p, -far[i]);
        odd[i] = (up - down) / (2 * far[i]);
        even[i] = (up - 2 * c->loss_here + down) / far[i];
    }
    double coarse = (4 * odd[1] - odd[2]) / 3, fine = (4 * odd[0] - odd[1]) / 3;
    double slope = check_along_gradient(c, p), scale = check_scale(c, p, coarse);
    bool bend = !(fabs(coarse - fine) <= CHECK_SMOOTH * scale + 1e-15 * fabs(c->loss_here) / h);
    bend |= fabs(even[1]) > CHECK_LIMIT * scale && fabs(even[0]) > .75 * fabs(even[1]);
    if (bend) return false;
    double error = fabs(coarse - slope) / scale;
    if (!(error <= p->error)) p->error = error;
    p->compared++;
    return true;
}

/* ---- One parameter ------------------------------------------------------------------------------------------ */

/* Between -1 and 1. */
static double check_draw(Check *c)
{
    return philox(1, 2, c->drawn++).word[0] / 2147483648.0 - 1;
}

static void check_element(Check *c, CheckParameter *p, size_t element)
{
    memset(c->direction, 0, p->tensor->size * sizeof *c->direction);
    c->direction[element] = 1;
    if (!check_direction(c, p)) p->bends++;
}

static void check_random(Check *c, CheckParameter *p)
{
    size_t size = p->tensor->size;
    for (int try = 0; try < CHECK_TRIES; try++) {
        for (size_t i = 0; i < size; i++)
            c->direction[i] = check_draw(c);
        double norm = numeral_norm(c->direction, size);
        for (size_t i = 0; i < size; i++)
            c->direction[i] /= norm;
        if (check_direction(c, p)) return;
    }
    p->bends++;
}

static int check_parameter(Check *c, CheckParameter *p)
{
    size_t size = p->tensor->size, elements = size < CHECK_ELEMENTS ? size : CHECK_ELEMENTS;
    c->direction = memory_new(size, sizeof *c->direction);
    c->back = memory_new(size, sizeof *c->back);
    int status = c->direction && c->back ? NUDGE_OK : error_memory(c->job->error);
    if (!status) memcpy(c->back, p->tensor->value, size * sizeof *c->back);
    for (size_t i = 0; !status && i < elements; i++)
        check_element(c, p, i * size / elements);
    for (int i = 0; !status && i < CHECK_RANDOM; i++)
        check_random(c, p);
    memory_release(c->direction);
    memory_release(c->back);
    return status;
}

/* ---- All of them -------------------------------------------------------------------------------------------- */

static void check_want_loss(void *context)
{
    Check *c = context;
    probe_want(&c->loss, c->loss.network->objective);
}

static void check_want_gradients(void *context)
{
    Check *c = context;
    const Network *n = c->gradient.network;
    c->parameter = arena_new(&n->graph->arena, (size_t)n->parameters, sizeof *c->parameter);
    for (; c->parameters < n->parameters; c->parameters++) {
        const NetworkParameter *from = &n->parameter[c->parameters];
        CheckParameter *to = &c->parameter[c->parameters];
        to->path = from->leaf->leaf->name;
        to->tensor = store_find(&c->examined.model->store, to->path);
        to->wanted = from->gradient ? probe_want(&c->gradient, from->gradient) : -1;
        if (to->wanted < 0)
            to->gradient = arena_new(&n->graph->arena, to->tensor->size, sizeof *to->gradient);
    }
    if (!c->gradient.outputs) probe_want(&c->gradient, n->objective);
}

static int check_open_probe(Check *c, Probe *p, void (*want)(void *context))
{
    const Examined *x = &c->examined;
    Error *e = c->job->error;
    int status = probe_open(p, x->model, x->rows, x->order, c->rows, x->steps, e);
    if (!status) status = probe_build(p, want, c, e);
    return status ? status : probe_compile(p, e);
}

static void check_move(Check *c)
{
    for (int i = 0; i < c->parameters; i++) {
        Tensor *t = c->parameter[i].tensor;
        for (size_t k = 0; k < t->size; k++)
            ((double *)t->value)[k] += CHECK_MOVED * check_draw(c);
    }
}

static int check_all(Check *c)
{
    c->rows = c->examined.count < CHECK_ROWS ? c->examined.count : CHECK_ROWS;
    int status = check_open_probe(c, &c->loss, check_want_loss);
    if (!status) status = check_open_probe(c, &c->gradient, check_want_gradients);
    if (status) return status;
    check_move(c);
    probe_go(&c->loss);
    probe_go(&c->gradient);
    c->loss_here = probe_value(&c->loss, 0)[0];
    for (int i = 0; !status && !c->job->stopped && i < c->parameters; i++) {
        CheckParameter *p = &c->parameter[i];
        if (p->wanted >= 0) p->gradient = probe_value(&c->gradient, p->wanted);
        status = check_parameter(c, p);
    }
    return status;
}

/* ---- What is said ------------------------------------------------------------------------------------------- */

static const CheckParameter *check_worst(const Check *c)
{
    const CheckParameter *worst = c->parameter;
    for (int i = 1; i < c->parameters; i++)
        if (!(c->parameter[i].error <= worst->error)) worst = &c->parameter[i];
    return worst;
}

static void check_print_shape(const Shape *s, Text *out)
{
    for (int a = 0; a < s->rank; a++)
        text_print(out, "%s%lld", a ? "x" : "", (long long)s->dim[a]);
}

static void check_print_parameter(const CheckParameter *p, size_t width, Text *out)
{
    size_t line = out->length;
    Text error = {0};
    text_print(out, "%s", p->path);
    numeral_pad(out, line, width);
    check_print_shape(&p->tensor->shape, out);
    numeral_pad(out, line, width + 12);
    if (p->compared) numeral_print_power(&error, p->error);
    text_print(out, "%10zu%8zu%16s", p->compared, p->bends, p->compared ? text_end(&error) : "-");
    if (!(p->error <= CHECK_LIMIT)) text_print(out, "   wrong");
    text_put(out, '\n');
    text_free(&error);
}

static void check_print(const Check *c, Text *out)
{
    const char *loss = settings_text(&c->examined.model->settings, "loss");
    size_t width = strlen("parameter"), bends = 0;
    for (int i = 0; i < c->parameters; i++) {
        if (strlen(c->parameter[i].path) > width) width = strlen(c->parameter[i].path);
        bends += c->parameter[i].bends;
    }
    width += 3;
    text_print(out, "gradients of %s against finite differences, float64, %zu row%s of %s\n", loss, c->rows,
               c->rows == 1 ? "" : "s", c->examined.file);
    text_print(out, "%-*s%-12s%10s%8s%16s\n", (int)width, "parameter", "shape", "compared", "bends",
               "relative error");
    for (int i = 0; i < c->parameters; i++)
        check_print_parameter(&c->parameter[i], width, out);
    text_print(out, "largest relative error ");
    numeral_print_power(out, check_worst(c)->error);
    text_print(out, check_worst(c)->error <= CHECK_LIMIT ? ": every gradient is right" : ": more than 1e-6");
    if (bends)
        text_print(out, "\nbends: directions left out because the loss has no slope there, as relu at 0");
}

static void check_json(const Check *c, JsonWriter *w)
{
    json_key(w, "rows");
    json_integer(w, (int64_t)c->rows);
    json_key(w, "error");
    json_number(w, check_worst(c)->error);
    json_key(w, "limit");
    json_number(w, CHECK_LIMIT);
    json_key(w, "parameters");
    json_open(w, '[');
    for (int i = 0; i < c->parameters; i++) {
        const CheckParameter *p = &c->parameter[i];
        json_open(w, '{');
        json_key(w, "name");
        json_string(w, p->path);
        json_key(w, "compared");
        json_integer(w, (int64_t)p->compared);
        json_key(w, "bends");
        json_integer(w, (int64_t)p->bends);
        json_key(w, "error");
        json_number(w, p->compared ? p->error : (double)NAN);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static int check_say(Check *c)
{
    Text text = {0}, json = {0};
    check_print(c, &text);
    JsonWriter w = job_begin(&json, "result");
    check_json(c, &w);
    int status = job_say(c->job, "result", &text, &w);
    const CheckParameter *worst = check_worst(c);
    char error[NUMBER_ROOM];
    if (status || worst->error <= CHECK_LIMIT) return status;
    return error_set(
        c->job->error, NUDGE_CHECK,
        "the gradient of %s is off by %s, relative; look at what it passes through: stop(...), or steps "
        "such as floor and sign, hide a part of it",
        worst->path, number_print_short(error, worst->error, 2));
}

/* ---- The job ------------------------------------------------------------------------------------------------ */

static int check_open(Check *c)
{
    Error *e = c->job->error;
    int status = examined_open(&c->examined, c->job, true);
    if (!status && c->examined.trained)
        status = error_set(e, NUDGE_INPUT, "%s: is a model; to check its gradients, name its recipe.yaml",
                           c->job->operand[0]);
    if (!status) status = examined_train(&c->examined, 0);
    /* Parts of a batch would have gradients that are summed; the sum is the same. What is frozen has a gradient, too. */
    static const char *const undone[] = {"micro", "freeze", "groups"};
    for (size_t i = 0; !status && i < sizeof undone / sizeof *undone; i++)
        status = settings_set(&c->examined.model->settings, undone[i], "", "check", e);
    return status;
}

int job_check(Job *job)
{
    Check c = {.job = job};
    int status = check_open(&c);
    if (!status) status = check_all(&c);
    if (!status && !job->stopped) status = check_say(&c);
    probe_close(&c.loss);
    probe_close(&c.gradient);
    examined_free(&c.examined);
    return status;
}
