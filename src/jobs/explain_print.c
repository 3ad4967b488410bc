/* explain_print.c: one row's error flowing backward, for people. See explain.h.
 *
 * Lines are put together with a tab before what stands at their right; explain_align turns the tabs into a column. */
#include "jobs/explain.h"

#include "jobs/numerals.h"
#include <math.h>
#include <string.h>

enum { PRINT_NAME = 28, PRINT_NOTES = 72, PRINT_ALONE = 22 }; /* columns */

/* ---- The row ------------------------------------------------------------------------------------------------- */

static double explain_input(const Explanation *x, size_t feature)
{
    const Dataset *d = x->examined->rows;
    double value;
    const char *row = (const char *)d->x + (x->row * d->features + feature) * data_size(d->x_type);
    data_convert(&value, DATA_F64, row, d->x_type, 1);
    return value;
}

/* A number of the data, as the file has it. */
static void explain_put_value(Text *out, double value, DataType type)
{
    char number[NUMBER_ROOM];
    if (type == DATA_F32)
        text_print(out, "%s", number_print_float(number, (float)value));
    else
        text_print(out, "%s", number_print(number, value));
}

static void explain_put_column(const Explanation *x, const Column *c, Text *out)
{
    text_name(out, c->name);
    text_print(out, " = ");
    if (c->role == COLUMN_NUMBER) {
        explain_put_value(out, explain_input(x, c->first), x->examined->rows->x_type);
        return;
    }
    size_t level = 0;
    while (level < c->level_count && explain_input(x, c->first + level) == 0)
        level++;
    char shown[CELL_SHOWN];
    text_print(out, "%s", level < c->level_count ? cell_shown(shown, c->levels[level]) : "?");
}

static void explain_put_inputs(const Explanation *x, Text *out)
{
    const Columns *k = x->examined->columns;
    size_t shown = 0;
    if (!k->count) text_print(out, "%zu numbers", x->examined->rows->features);
    for (size_t i = 0; i < k->count; i++) {
        if (!k->column[i].features || shown++ >= NUMERAL_FEW) continue;
        if (shown > 1) text_print(out, ", ");
        explain_put_column(x, &k->column[i], out);
    }
    if (shown > NUMERAL_FEW) text_print(out, ", and %zu more", shown - NUMERAL_FEW);
}

static void explain_put_class(const Explanation *x, size_t class, Text *out)
{
    const char *const *names = x->examined->names;
    char shown[CELL_SHOWN];
    names ? text_print(out, "%s", cell_shown(shown, names[class])) : text_print(out, "class %zu", class);
}

static size_t explain_likeliest(const Explanation *x)
{
    size_t best = 0;
    for (size_t i = 1; i < x->prediction.count; i++)
        if (x->prediction.value[i] > x->prediction.value[best]) best = i;
    return best;
}

static void explain_put_expected(const Explanation *x, Text *out)
{
    const Dataset *d = x->examined->rows;
    if (x->examined->model->task.classify) {
        explain_put_class(x, (size_t)((const int32_t *)d->t)[x->row], out);
        return;
    }
    for (size_t i = 0; i < d->targets && i < NUMERAL_FEW; i++) {
        double value;
        const char *t = (const char *)d->t + (x->row * d->targets + i) * data_size(d->t_type);
        data_convert(&value, DATA_F64, t, d->t_type, 1);
        if (i) text_put(out, ' ');
        explain_put_value(out, value, d->t_type);
    }
}

static void explain_put_predicted(const Explanation *x, Text *out)
{
    if (!x->examined->model->task.classify) {
        numeral_print_list(out, x->prediction.value, x->prediction.count);
        return;
    }
    size_t class = explain_likeliest(x);
    explain_put_class(x, class, out);
    text_print(out, " (probability ");
    numeral_print(out, x->prediction.value[class]);
    text_put(out, ')');
}

static void explain_print_row(const Explanation *x, Text *out)
{
    const char *note = explain_loss_note(x);
    text_print(out, "row %zu   ", x->row + 1);
    explain_put_inputs(x, out);
    text_print(out, "   expected ");
    explain_put_expected(x, out);
    text_print(out, "   predicted ");
    explain_put_predicted(x, out);
    text_print(out, "   loss ");
    numeral_print(out, x->loss);
    text_print(out, " (%s%s%s%s)\n", blueprint_loss(x->probe.blueprint), note ? ": " : "", note ? note : "",
               model_scales_targets(x->examined->model) ? ", standardised target" : "");
}

void explain_print_where(const Examined *x, size_t step, Text *out)
{
    if (x->trained)
        text_print(out, "%s, as it was trained\n", x->job->operand[0]);
    else if (step)
        text_print(out, "step %zu of the recipe, after %zu update%s\n", step, step, step == 1 ? "" : "s");
    else
        text_print(out, "step 0 of the recipe, before any update (--step N trains N steps first)\n");
}

/* ---- Layers --------------------------------------------------------------------------------------------------- */

static size_t explain_path_width(const Explanation *x)
{
    size_t width = 0;
    for (int i = 0; i < x->layers; i++)
        if (strlen(x->layer[i].path) > width) width = strlen(x->layer[i].path);
    return width;
}

static void explain_put_name(const Explanation *x, const ExplainLayer *l, Text *out)
{
    text_print(out, "  %*s %.*s%s", (int)explain_path_width(x), l->path, PRINT_NAME, l->text,
               strlen(l->text) > PRINT_NAME ? ".." : "");
}

/* Where what is said of a layer begins. */
static size_t explain_column(const Explanation *x)
{
    size_t column = strlen("  loss");
    for (int i = 0; i < x->layers; i++) {
        Text name = {0};
        explain_put_name(x, &x->layer[i], &name);
        if (name.length > column) column = name.length;
        text_free(&name);
    }
    return column + 4;
}

/* Begins a line; without a layer, one that goes on with what was said of the last. */
static void explain_begin_line(const Explanation *x, const ExplainLayer *l, Text *out)
{
    if (out->length && out->s && out->s[out->length - 1] != '\n') text_put(out, '\n');
    size_t line = out->length;
    if (l) explain_put_name(x, l, out);
    numeral_pad(out, line, explain_column(x));
}

/* Signs take a column of their own, so that the digits line up. */
static void explain_put_signed(Text *out, const double *value, size_t count)
{
    if (count > NUMERAL_FEW) {
        text_put(out, ' ');
        numeral_print_list(out, value, count);
    }
    for (size_t i = 0; count <= NUMERAL_FEW && i < count; i++) {
        if (i) text_put(out, ' ');
        if (value[i] >= 0) text_put(out, ' ');
        numeral_print(out, value[i]);
    }
}

static void explain_print_forward(const Explanation *x, Text *out)
{
    text_print(out, "\nforward\n");
    for (int i = 0; i < x->layers; i++) {
        size_t line = out->length;
        explain_put_name(x, &x->layer[i], out);
        numeral_pad(out, line, explain_column(x) - 1);
        explain_put_signed(out, x->layer[i].out.value, x->layer[i].out.count);
        text_put(out, '\n');
    }
}

/* ---- Backward: the loss ----------------------------------------------------------------------------------------- */

/* What is wanted instead. */
static void explain_put_verdict(const Explanation *x, Text *out)
{
    const double *d = x->arriving.value;
    size_t up = 0, down = 0;
    for (size_t i = 1; i < x->arriving.count; i++) {
        if (d[i] < d[up]) up = i;
        if (d[i] > d[down]) down = i;
    }
    bool classify = x->examined->model->task.classify;
    if (!classify && x->arriving.count == 1)
        text_print(out, "\t%s",
                   d[0] < 0   ? "the prediction is too low"
                   : d[0] > 0 ? "the prediction is too high"
                              : "the prediction is right");
    if (!classify || (x->arriving.count > 1 && d[up] == d[down])) return;
    if (x->arriving.count == 1) up = d[0] < 0 ? 1 : 0, down = 1 - up; /* one output tells two classes apart */
    text_print(out, "\tmore of ");
    explain_put_class(x, up, out);
    text_print(out, ", less of ");
    explain_put_class(x, down, out);
}

static void explain_print_loss(const Explanation *x, Text *out)
{
    size_t line = out->length;
    text_print(out, "  loss");
    numeral_pad(out, line, explain_column(x));
    text_print(out, "dL/dy   ");
    if (!x->arriving.value) {
        text_print(out, "nothing flows back\n");
        return;
    }
    if (explain_put_loss_formula(x, out)) text_print(out, " = ");
    numeral_print_list(out, x->arriving.value, x->arriving.count);
    explain_put_verdict(x, out);
    text_put(out, '\n');
}

/* ---- Backward: a layer's parameters -------------------------------------------------------------------------------- */

/* The input's name: a column of the data in front of the first layer, else its place. */
static void explain_put_source(const Explanation *x, const ExplainLayer *l, size_t input, Text *out)
{
    bool first = l == x->layer && l->in.count == x->examined->columns->features;
    if (first && x->examined->columns->count)
        columns_feature_name(x->examined->columns, input, out);
    else
        text_print(out, "[%zu]", input);
}

/* The gradient of the weights that begin at one input. */
static void explain_put_from(const Explanation *x, const ExplainLayer *l, const ExplainParameter *p,
                             size_t input, Text *out)
{
    size_t inputs = l->in.count;
    text_print(out, "from ");
    explain_put_source(x, l, input, out);
    text_put(out, ':');
    for (size_t k = 0; k < l->arriving.count; k++) {
        text_put(out, ' ');
        numeral_print(out, p->gradient.value[k * inputs + input]);
    }
    if (l->in.value[input] != 0) return;
    text_print(out, " (");
    explain_put_source(x, l, input, out);
    text_print(out, " is 0)");
}

/* A line for each input; those that are 0 share one. */
static void explain_put_table(const Explanation *x, const ExplainLayer *l, const ExplainParameter *p,
                              Text *out)
{
    size_t zeros = 0, lines = 0;
    for (size_t i = 0; i < l->in.count; i++) {
        if (l->in.value[i] == 0 && ++zeros) continue;
        if (lines++) explain_begin_line(x, NULL, out), text_print(out, "%*s", (int)strlen(p->name) + 1, "");
        explain_put_from(x, l, p, i, out);
    }
    if (!zeros) return;
    if (lines) explain_begin_line(x, NULL, out), text_print(out, "%*s", (int)strlen(p->name) + 1, "");
    text_print(out, "from");
    for (size_t i = 0; i < l->in.count; i++)
        if (l->in.value[i] == 0) text_put(out, ' '), explain_put_source(x, l, i, out);
    text_print(out, zeros > 1 ? ": 0 (they are 0)" : ": 0 (it is 0)");
}

static void explain_put_outer(const Explanation *x, const ExplainLayer *l, const ExplainParameter *p,
                              Text *out)
{
    size_t inputs = l->in.count, outputs = l->arriving.count;
    if (outputs == 1 || inputs > NUMERAL_FEW || outputs > NUMERAL_FEW) {
        text_print(out, "%s = input x ", p->name);
        outputs == 1 ? numeral_print(out, l->arriving.value[0]) : text_print(out, "what arrives");
        text_print(out, ":  ");
        numeral_print_matrix(out, p->gradient.value, p->gradient.count, outputs == 1 ? 0 : inputs);
        return;
    }
    text_print(out, "%s ", p->name);
    if (inputs * outputs > NUMERAL_FEW) {
        explain_put_table(x, l, p, out);
        return;
    }
    for (size_t i = 0; i < inputs; i++) {
        if (i) text_print(out, "   ");
        explain_put_from(x, l, p, i, out);
    }
}

/* Whether a bias has the very numbers that were just shown for an input that is 1. */
static bool explain_is_likewise(const ExplainLayer *l, const ExplainParameter *p)
{
    if (!p->plain || p->gradient.count < 2 || p->gradient.count > NUMERAL_FEW) return false;
    for (size_t i = 0; i < l->in.count && l->in.count <= NUMERAL_FEW; i++)
        if (l->in.value[i] == 1) return true;
    return false;
}

static void explain_put_parameter(const Explanation *x, const ExplainLayer *l, const ExplainParameter *p,
                                  Text *out)
{
    if (!p->gradient.value)
        text_print(out, "%s: nothing arrives", p->name);
    else if (p->outer)
        explain_put_outer(x, l, p, out);
    else if (explain_is_likewise(l, p))
        text_print(out, "%s likewise", p->name);
    else {
        text_print(out, "%s ", p->name);
        numeral_print_list(out, p->gradient.value, p->gradient.count);
    }
}

/* Short ones share a line. */
static void explain_print_parameters(const Explanation *x, const ExplainLayer *l, Text *out)
{
    for (int i = 0; i < l->parameters; i++) {
        const ExplainParameter *p = &x->parameter[l->first + i];
        bool own = p->gradient.count > NUMERAL_FEW || (i && p[-1].gradient.count > NUMERAL_FEW);
        if (i && own) explain_begin_line(x, NULL, out);
        if (i && !own) text_print(out, "   ");
        explain_put_parameter(x, l, p, out);
    }
    char percent[NUMBER_ROOM];
    text_print(out, "\tshare %s %%\n", number_print_short(percent, rint(100 * l->share), 4));
}

/* ---- Backward: what a layer hands on ------------------------------------------------------------------------------- */

static void explain_put_slopes(const ExplainLayer *l, Text *out)
{
    double low = HUGE_VAL, high = -HUGE_VAL;
    size_t flat = 0;
    for (size_t i = 0; i < l->slope.count; i++) {
        low = fmin(low, l->slope.value[i]), high = fmax(high, l->slope.value[i]);
        flat += l->slope.value[i] == 0;
    }
    text_print(out, "x slope ");
    if (explain_put_slope_formula(l, out)) text_print(out, " = ");
    if (l->slope.count <= NUMERAL_FEW) {
        numeral_print_list(out, l->slope.value, l->slope.count);
        return;
    }
    numeral_print(out, low);
    if (high > low) text_print(out, " to "), numeral_print(out, high);
    if (flat) text_print(out, " (%zu of %zu are 0)", flat, l->slope.count);
}

/* The bound on an activation's slope is told where it stands last in the net. */
static bool explain_tells_bound(const Explanation *x, const ExplainLayer *l)
{
    for (const ExplainLayer *later = l + 1; later < x->layer + x->layers; later++)
        if (!strcmp(later->text, l->text)) return false;
    return l->steepest < 1;
}

static void explain_print_slope(const Explanation *x, const ExplainLayer *l, Text *out)
{
    char most[NUMBER_ROOM];
    explain_put_slopes(l, out);
    text_print(out, "  ->  ");
    numeral_print_list(out, l->handed_on.value, l->handed_on.count);
    if (explain_tells_bound(x, l))
        text_print(out, "\tslope at most %s", number_print_short(most, l->steepest, 3));
    text_put(out, '\n');
}

static void explain_print_handed_on(const Explanation *x, const ExplainLayer *l, Text *out)
{
    bool inputs = l == x->layer;
    if (!l->handed_on.value) {
        text_print(out, "hands nothing on\n");
        return;
    }
    text_print(out, inputs ? "to the inputs" : "handed on");
    if (l->weighted) {
        text_print(out, inputs ? ": weights x " : " = weights x ");
        if (l->arriving.count == 1)
            numeral_print(out, l->arriving.value[0]);
        else
            text_print(out, "what arrives");
    }
    if (l->skips) text_print(out, " = what arrives + what its layers hand on");
    text_print(out, "  ->  ");
    numeral_print_list(out, l->handed_on.value, l->handed_on.count);
    text_put(out, '\n');
}

static void explain_print_layer(const Explanation *x, const ExplainLayer *l, Text *out)
{
    explain_begin_line(x, l, out);
    if (!l->arriving.value) {
        text_print(out, "nothing arrives\n");
        return;
    }
    if (l->parameters) {
        explain_print_parameters(x, l, out);
        explain_begin_line(x, NULL, out);
    }
    l->slope.value ? explain_print_slope(x, l, out) : explain_print_handed_on(x, l, out);
}

/* Tabs become blanks up to one column, unless a line is longer than that. */
static void explain_align(Text *out, const char *lines)
{
    size_t column = 0;
    Text head = {0};
    for (const char *s = lines; *s; s += strcspn(s, "\n") + 1) {
        size_t length = strcspn(s, "\t\n");
        head.length = 0;
        text_append(&head, s, length);
        size_t width = numeral_width(text_end(&head));
        if (s[length] == '\t' && width > column && width <= PRINT_NOTES) column = width;
    }
    size_t line = out->length;
    for (const char *s = lines; *s; s++) {
        if (*s == '\t') {
            text_print(out, "   ");
            numeral_pad(out, line, column + 3);
        } else {
            text_put(out, *s);
        }
        if (*s == '\n') line = out->length;
    }
    out->failed |= head.failed;
    text_free(&head);
}

static void explain_print_backward(const Explanation *x, Text *out)
{
    Text lines = {0};
    text_print(out, "backward: from the loss to the inputs\n");
    explain_print_loss(x, &lines);
    for (int i = x->layers - 1; i >= 0; i--)
        explain_print_layer(x, &x->layer[i], &lines);
    explain_align(out, text_end(&lines));
    out->failed |= lines.failed;
    text_free(&lines);
}

/* ---- Nudges ------------------------------------------------------------------------------------------------------- */

/* "2.weight[0]": axes of size 1 need no place. */
static void explain_put_element(const ExplainNudge *n, Text *out)
{
    const Shape *s = &n->parameter->shape;
    int64_t place[RANK_MAX], rest = (int64_t)n->place;
    bool open = false;
    for (int a = s->rank - 1; a >= 0; a--) {
        place[a] = rest % s->dim[a];
        rest /= s->dim[a];
    }
    text_print(out, "%s", n->parameter->path);
    for (int a = 0; a < s->rank; a++) {
        if (s->dim[a] == 1) continue;
        text_print(out, "%s%lld", open ? "," : "[", (long long)place[a]);
        open = true;
    }
    if (open) text_put(out, ']');
}

static bool explain_in_batch(const Explanation *x)
{
    const Examined *from = x->examined;
    for (size_t i = 0; i < from->count; i++)
        if (from->order[i] == x->row) return true;
    return false;
}

/* A model that was trained keeps its weights, but not what its optimizer remembered. */
static bool explain_forgot(const Explanation *x)
{
    const Store *s = &x->examined->model->store;
    for (size_t i = 0; x->examined->trained && i < s->count; i++)
        if (!tensor_in(s->list[i], STORE_MODEL)) return true;
    return false;
}

/* "largest nudges (sgd, lr 1)" */
static void explain_put_optimizer(const Explanation *x, Text *out)
{
    const char *optimizer = blueprint_optimizer(x->probe.blueprint);
    char rate[NUMBER_ROOM];
    text_print(out, "largest nudges (%.*s", (int)strcspn(optimizer, " ("), optimizer);
    if (isfinite(x->rate)) text_print(out, ", lr %s", number_print_short(rate, x->rate, 4));
    text_print(out, "%s)", explain_forgot(x) ? ", begun anew" : "");
}

static void explain_put_change(Text *out, Numbers change, size_t place, int width)
{
    Text number = {0};
    if (change.value)
        numeral_print_change(&number, change.value[place]);
    else
        text_put(&number, '-');
    text_print(out, "%*s", width, text_end(&number));
    text_free(&number);
}

static bool explain_outvoted(const ExplainNudge *n)
{
    const ExplainParameter *p = n->parameter;
    return p->nudge.value && p->batch.value && p->nudge.value[n->place] * p->batch.value[n->place] < 0;
}

/* The width of the first column: names under a heading. */
static size_t explain_nudge_width(const Explanation *x, size_t heading)
{
    size_t width = heading;
    for (size_t i = 0; i < x->nudges; i++) {
        Text name = {0};
        explain_put_element(&x->nudge[i], &name);
        if (name.length + 2 > width) width = name.length + 2;
        text_free(&name);
    }
    return width;
}

static void explain_print_nudge(const ExplainNudge *n, size_t width, int alone, int batch, Text *out)
{
    size_t line = out->length;
    text_print(out, "  ");
    explain_put_element(n, out);
    numeral_pad(out, line, width);
    explain_put_change(out, n->parameter->nudge, n->place, alone);
    explain_put_change(out, n->parameter->batch, n->place, batch);
}

static void explain_print_nudges(const Explanation *x, Text *out)
{
    Text head = {0}, batch = {0};
    explain_put_optimizer(x, &head);
    text_print(&batch, "     %s of %zu", explain_in_batch(x) ? "the batch" : "a batch", x->batch);
    size_t width = explain_nudge_width(x, head.length);
    text_print(out, "\n%-*s%*s%s\n", (int)width, text_end(&head), PRINT_ALONE, "this row alone",
               text_end(&batch));
    bool outvoted = false;
    for (size_t i = 0; i < x->nudges; i++) {
        const ExplainNudge *n = &x->nudge[i];
        explain_print_nudge(n, width, PRINT_ALONE, (int)batch.length, out);
        if (!outvoted && explain_outvoted(n)) text_print(out, "     the other rows outvote this one");
        outvoted |= explain_outvoted(n);
        text_put(out, '\n');
    }
    out->failed |= head.failed || batch.failed;
    text_free(&head);
    text_free(&batch);
    text_print(out, "share: of the sum of |gradient| over all parameters");
}

void explain_print(const Explanation *x, Text *out)
{
    explain_print_where(x->examined, x->step, out);
    explain_print_row(x, out);
    explain_print_forward(x, out);
    explain_print_backward(x, out);
    explain_print_nudges(x, out);
}
