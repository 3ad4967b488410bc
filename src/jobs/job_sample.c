/* job_sample.c: `nudge sample`: a text goes on, token by token, as the model thinks it likely. What comes depends on the
 * model, the prompt and the seed only. */
#include "jobs/job.h"

#include "base/philox.h"
#include "jobs/judged.h"
#include "train/carried.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Sampling {
    Job *job;
    Judged judged;
    double temperature;
    size_t top, length; /* top 0: all tokens */
    uint64_t seed;
    TokenList seen;      /* the text so far; of a model of lines, the line so far, after a line end */
    Model *single;       /* the model token by token, if it carries states; else NULL */
    CarriedStates carry; /* where the text so far has left it; reads seen.id[fed..] next */
    size_t fed;
    int32_t *x;     /* [context] */
    double *y;      /* [width] */
    double *sorted; /* [outputs] */
    Text said;      /* bytes that are not out yet, since a character may be incomplete */
    bool inside;    /* of a line, in what is out */
} Sampling;

/* ---- Options --------------------------------------------------------------------------------------------- */

static int sample_number(Job *job, const char *option, double least, double most, double *value)
{
    const char *text = job_option(job, option);
    if (number_is(text, strlen(text), value) && *value >= least && *value <= most) return NUDGE_OK;
    char low[NUMBER_ROOM], high[NUMBER_ROOM];
    return error_set(job->error, NUDGE_INPUT, "%s: --%s: \"%s\" is not a number from %s to %s",
                     job->command->name, option, text, number_print(low, least), number_print(high, most));
}

static int sample_options(Sampling *s)
{
    size_t seed = 0;
    int status = sample_number(s->job, "temperature", 0, 100, &s->temperature);
    if (!status) status = job_count(s->job, "top-k", 0, TOKENS_MOST, &s->top);
    if (!status) status = job_count(s->job, "seed", 0, (size_t)SETTING_MOST, &seed);
    if (!status) status = job_count(s->job, "length", 1, (size_t)SETTING_MOST, &s->length);
    s->seed = seed;
    return status;
}

/* ---- What is said ---------------------------------------------------------------------------------------- */

/* The bytes of whole characters; a byte that can begin or end none counts as one. */
static size_t sample_complete(const Text *t)
{
    const char *s = t->s, *end = s + t->length;
    while (s < end) {
        size_t n = utf8_length(s, end);
        unsigned char first = (unsigned char)*s;
        size_t wanted = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
        if (!n && (size_t)(end - s) < wanted) break;
        s += n ? n : 1;
    }
    return (size_t)(s - t->s);
}

static int sample_say_piece(Sampling *s, const char *bytes, size_t length)
{
    Text text = {0}, json = {0};
    text_append(&text, bytes, length);
    JsonWriter w = job_begin(&json, "piece");
    json_key(&w, "text");
    json_quote(&json, bytes, length);
    json_close(&w, '}');
    nudge_event event = {.kind = "piece",
                         .text = text_end(&text),
                         .json = text_end(&json),
                         .loss = (double)NAN,
                         .validation_loss = (double)NAN};
    int status = text.failed || json.failed ? error_memory(s->job->error) : job_event(s->job, &event);
    s->inside = bytes[length - 1] != '\n';
    text_free(&text);
    text_free(&json);
    return status;
}

/* Hands on what is complete; at the end everything. */
static int sample_flush(Sampling *s, bool end)
{
    size_t length = end ? s->said.length : s->said.length ? sample_complete(&s->said) : 0;
    if (s->said.failed) return error_memory(s->job->error);
    if (!length) return NUDGE_OK;
    int status = sample_say_piece(s, s->said.s, length);
    s->said.length -= length;
    memmove(s->said.s, s->said.s + length, s->said.length);
    return status;
}

/* The shell's prompt should not stand behind the text. */
static int sample_end_line(Sampling *s)
{
    static const nudge_event event = {"piece", "\n", NULL, 0, 0, 0, 0, (double)NAN, (double)NAN};
    return s->inside ? job_event(s->job, &event) : NUDGE_OK;
}

/* ---- What comes next --------------------------------------------------------------------------------------- */

/* The tokens that are new, one after the other; a state knows of those before. */
static int sample_feed(Sampling *s, double **probability)
{
    int status = NUDGE_OK;
    for (; s->fed < s->seen.count && !status; s->fed++)
        status = model_follow(s->single, &s->carry, s->seen.id + s->fed, s->y, s->job->error);
    *probability = s->y;
    return status;
}

/* The model's probabilities for the next token. Behind the text so far, where it is shorter than the context, stands what
 * the net does not look at; a net that tells one token only has line ends before the text. */
static int sample_ask(Sampling *s, double **probability)
{
    if (s->single) return sample_feed(s, probability);
    const Model *m = s->judged.model;
    size_t context = m->task.features, seen = s->seen.count < context ? s->seen.count : context;
    bool every = m->task.positions > 1;
    int32_t *x = s->x, end = tokens_line_end(&s->judged.tokens);
    for (size_t i = 0; i < context; i++)
        x[i] = end;
    memcpy(every ? x : x + context - seen, s->seen.id + s->seen.count - seen, seen * sizeof *x);
    *probability = s->y + (every ? (seen - 1) * m->outputs : 0);
    return model_predict(m, x, DATA_I32, 1, s->y, DATA_F64, s->job->error);
}

static int sample_descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* Chances become weights: none for what is not among the most likely, more for these the lower the temperature. */
static void sample_sharpen(const Sampling *s, double *p, size_t n)
{
    memcpy(s->sorted, p, n * sizeof *p);
    qsort(s->sorted, n, sizeof *p, sample_descending);
    double most = s->sorted[0], least = s->top && s->top < n ? s->sorted[s->top - 1] : 0;
    for (size_t i = 0; i < n; i++) {
        bool kept = p[i] > 0 && p[i] >= least;
        if (!kept || s->temperature > 0)
            p[i] = kept ? exp(log(p[i] / most) / s->temperature) : 0;
        else
            p[i] = p[i] >= most;
    }
}

/* A token by weights, with a random number that depends on seed and place only. */
static int32_t sample_draw(const Sampling *s, const double *weight, size_t n, size_t place)
{
    Philox r = philox(s->seed ^ hash_string("sample"), 0, place);
    double total = 0, at = (double)(((uint64_t)r.word[1] << 32 | r.word[0]) >> 11) * 0x1p-53;
    for (size_t i = 0; i < n; i++)
        total += weight[i];
    at *= total;
    size_t last = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(weight[i] > 0)) continue;
        last = i;
        if ((at -= weight[i]) < 0) break;
    }
    return (int32_t)last;
}

/* A new line of a model of lines knows nothing of those before. */
static int sample_take(Sampling *s, int32_t token)
{
    bool lines = settings_flag(&s->judged.model->settings, "lines");
    if (lines && token == tokens_line_end(&s->judged.tokens)) s->seen.count = 0;
    return tokens_append(&s->seen, token, s->job->error);
}

static int sample_next(Sampling *s, size_t place)
{
    const Tokens *k = &s->judged.tokens;
    double *p;
    int status = sample_ask(s, &p);
    if (status) return status;
    if (tokens_is_unknown(k, 0)) p[0] = 0;
    sample_sharpen(s, p, k->count);
    size_t length;
    int32_t token = sample_draw(s, p, k->count, place);
    const char *bytes = tokens_bytes(k, token, &length);
    text_append(&s->said, bytes, length);
    status = sample_flush(s, false);
    return status ? status : sample_take(s, token);
}

/* ---- The job ----------------------------------------------------------------------------------------------- */

static int sample_open(Sampling *s)
{
    Job *job = s->job;
    int status = judged_open_model(&s->judged, job);
    if (status) return status;
    const Model *m = s->judged.model;
    if (!s->judged.tokens.count)
        return error_set(
            job->error, NUDGE_INPUT,
            "%s: was not trained on text, so there is nothing to go on with; for rows of data: nudge "
            "predict %s DATA",
            job->operand[0], job->operand[0]);
    s->x = memory_new(m->task.features, sizeof *s->x);
    s->y = memory_new(model_width(m), sizeof *s->y);
    s->sorted = memory_new(m->outputs, sizeof *s->sorted);
    if (!s->x || !s->y || !s->sorted) return error_memory(job->error);
    if (!m->carries) return NUDGE_OK;
    status = model_narrow(m, 1, &s->single, job->error);
    return status ? status : carried_open(&s->carry, s->single, 1, job->error);
}

/* The prompt is the beginning of the text. Without one it begins after a line end, as every line does. */
static int sample_prompt(Sampling *s)
{
    const char *given = job_option(s->job, "prompt"), *prompt = given ? given : "";
    const Tokens *k = &s->judged.tokens;
    TokenList list = {0};
    bool lines = settings_flag(&s->judged.model->settings, "lines");
    int status = tokens_encode(k, &list, "--prompt", 1, prompt, strlen(prompt), s->job->error);
    if (!status && list.unknown)
        status = error_set(s->job->error, NUDGE_INPUT,
                           "--prompt: %zu of its words %s not in the model's vocabulary of %zu; use others",
                           list.unknown, list.unknown == 1 ? "is" : "are", k->count);
    if (!status && (lines || !list.count)) status = sample_take(s, tokens_line_end(k));
    for (size_t i = 0; i < list.count && !status; i++)
        status = sample_take(s, list.id[i]);
    text_append(&s->said, prompt, strlen(prompt));
    memory_release(list.id);
    return status;
}

static int sample_run(Sampling *s)
{
    int status = sample_prompt(s);
    if (!status) status = sample_flush(s, false);
    for (size_t i = 0; i < s->length && !status && !s->job->stopped; i++)
        status = sample_next(s, i);
    if (!status) status = sample_flush(s, true);
    return status ? status : sample_end_line(s);
}

int job_sample(Job *job)
{
    Sampling s = {.job = job};
    int status = sample_options(&s);
    if (!status) status = sample_open(&s);
    if (!status) status = sample_run(&s);
    memory_release(s.seen.id);
    carried_close(&s.carry);
    model_free(s.single);
    memory_release(s.x);
    memory_release(s.y);
    memory_release(s.sorted);
    text_free(&s.said);
    judged_free(&s.judged);
    return status;
}
