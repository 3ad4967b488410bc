/* explain_json.c: one row's error flowing backward, for programs. See explain.h. */
#include "jobs/explain.h"

#include "jobs/numerals.h"

enum { EXPLAIN_JSON_MOST = 1024, EXPLAIN_JSON_LARGEST = 8 };

static void explain_json_text(JsonWriter *w, const char *key, const char *value)
{
    json_key(w, key);
    json_string(w, value);
}

static void explain_json_number(JsonWriter *w, const char *key, double value)
{
    json_key(w, key);
    json_number(w, value);
}

/* What stands for very many numbers: how many, their norm, the largest. */
static void explain_json_summary(JsonWriter *w, Numbers n)
{
    size_t place[EXPLAIN_JSON_LARGEST];
    size_t found = numeral_largest(n.value, n.count, EXPLAIN_JSON_LARGEST, place);
    json_open(w, '{');
    explain_json_number(w, "count", (double)n.count);
    explain_json_number(w, "norm", numeral_norm(n.value, n.count));
    json_key(w, "largest");
    json_open(w, '[');
    for (size_t i = 0; i < found; i++) {
        json_open(w, '{');
        explain_json_number(w, "index", (double)place[i]);
        explain_json_number(w, "value", n.value[place[i]]);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_close(w, '}');
}

static void explain_json_numbers(JsonWriter *w, const char *key, Numbers n)
{
    json_key(w, key);
    if (!n.value) {
        json_null(w);
        return;
    }
    if (n.count > EXPLAIN_JSON_MOST) {
        explain_json_summary(w, n);
        return;
    }
    json_open(w, '[');
    for (size_t i = 0; i < n.count; i++)
        json_number(w, n.value[i]);
    json_close(w, ']');
}

static void explain_json_parameter(JsonWriter *w, const ExplainParameter *p)
{
    json_open(w, '{');
    explain_json_text(w, "name", p->path);
    json_key(w, "shape");
    json_open(w, '[');
    for (int a = 0; a < p->shape.rank; a++)
        json_integer(w, p->shape.dim[a]);
    json_close(w, ']');
    explain_json_numbers(w, "value", p->value);
    explain_json_numbers(w, "gradient", p->gradient);
    explain_json_numbers(w, "nudge", p->nudge);
    explain_json_numbers(w, "batch_nudge", p->batch);
    json_close(w, '}');
}

static void explain_json_layer(const Explanation *x, JsonWriter *w, const ExplainLayer *l)
{
    json_open(w, '{');
    explain_json_text(w, "path", l->path);
    explain_json_text(w, "layer", l->text);
    explain_json_numbers(w, "output", l->out);
    explain_json_numbers(w, "arriving", l->arriving);
    explain_json_numbers(w, "slope", l->slope);
    explain_json_numbers(w, "handed_on", l->handed_on);
    explain_json_number(w, "share", l->share);
    json_key(w, "parameters");
    json_open(w, '[');
    for (int i = l->first; i < l->first + l->parameters; i++)
        explain_json_parameter(w, &x->parameter[i]);
    json_close(w, ']');
    json_close(w, '}');
}

static void explain_json_nudges(const Explanation *x, JsonWriter *w)
{
    json_key(w, "largest");
    json_open(w, '[');
    for (size_t i = 0; i < x->nudges; i++) {
        const ExplainNudge *n = &x->nudge[i];
        const ExplainParameter *p = n->parameter;
        json_open(w, '{');
        explain_json_text(w, "parameter", p->path);
        explain_json_number(w, "index", (double)n->place);
        explain_json_number(w, "gradient", p->gradient.value[n->place]);
        explain_json_number(w, "nudge", p->nudge.value ? p->nudge.value[n->place] : 0);
        explain_json_number(w, "batch_nudge", p->batch.value ? p->batch.value[n->place] : 0);
        json_close(w, '}');
    }
    json_close(w, ']');
}

void explain_json(const Explanation *x, JsonWriter *w)
{
    explain_json_number(w, "step", (double)x->step);
    explain_json_number(w, "row", (double)x->row + 1);
    explain_json_number(w, "loss", x->loss);
    json_key(w, "standardised_target");
    json_flag(w, model_scales_targets(x->examined->model));
    explain_json_numbers(w, "target", x->target);
    explain_json_numbers(w, "prediction", x->prediction);
    explain_json_numbers(w, "output_gradient", x->arriving);
    explain_json_number(w, "batch", (double)x->batch);
    explain_json_number(w, "lr", x->rate);
    json_key(w, "layers");
    json_open(w, '[');
    for (int i = 0; i < x->layers; i++)
        explain_json_layer(x, w, &x->layer[i]);
    json_close(w, ']');
    explain_json_nudges(x, w);
}
