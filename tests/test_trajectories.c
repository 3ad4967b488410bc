/* test_trajectories.c: the losses of 100 steps of common nets, and of every optimizer that PyTorch has, beside those that
 * PyTorch printed for the same weights and batches: tests/trajectories.txt, made by tests/torch_trajectories.py, which
 * has the same cases by the same names. All in float64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/philox.h"
#include "train/fit.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 100, FIGURES = STEPS + 1, CASES = 96, NAME = 48 };

/* ---- Cases ---- */

/* What rows are like. Steps take the batches by turns; a single batch goes through the loop of a whole training, else
 * each step is one call. */
typedef struct Rows {
    int rank;
    size_t shape[3];
    size_t batch, batches, classes;
    bool tokens; /* x and t are tokens, t those that follow */
} Rows;

static const Rows table = {.rank = 1, .shape = {6}, .batch = 8, .batches = 4, .classes = 3},
                  whole = {.rank = 1, .shape = {6}, .batch = 24, .batches = 1, .classes = 3},
                  digits = {.rank = 3, .shape = {1, 28, 28}, .batch = 4, .batches = 4, .classes = 10},
                  photos = {.rank = 3, .shape = {3, 8, 8}, .batch = 6, .batches = 4, .classes = 5},
                  series = {.rank = 2, .shape = {7, 5}, .batch = 6, .batches = 4, .classes = 4},
                  verses =
                      {.rank = 1, .shape = {12}, .batch = 4, .batches = 4, .classes = 13, .tokens = true},
                  words = {.rank = 1, .shape = {5}, .batch = 4, .batches = 4, .classes = 40, .tokens = true};

#define MLP "dense(8) tanh dense(8) relu dense(classes)"
#define SMOOTH                                                                                               \
    "dense(2) tanh dense(classes)" /* at a bend, L-BFGS stays where it is, but nudge's begins anew */
#define LENET "conv(4, 5) relu maxpool(2) conv(8, 5) relu maxpool(2) flatten dense(16) relu dense(classes)"
#define RESNET                                                                                                \
    "conv(6, 3, padding=1, bias=false) batchnorm relu "                                                       \
    "residual(conv(6, 3, padding=1, bias=false) batchnorm relu conv(6, 3, padding=1, bias=false) batchnorm) " \
    "relu parallel(conv(8, 3, 2, 1, bias=false) batchnorm relu conv(8, 3, padding=1, bias=false) batchnorm, " \
    "conv(8, 1, 2, bias=false) batchnorm, join=add) relu global_avgpool dense(classes)"
#define IMAGES                                                                                               \
    "conv(6, 3, padding=same, dilation=2) groupnorm(2) prelu conv(6, 3, groups=6, padding=1) "               \
    "instancenorm(affine=true) silu avgpool(3, 2, 1) deconv(4, 3, 2, 1, 1) batchnorm gelu "                  \
    "resize(mode=bilinear) adaptive_avgpool(3) flatten layernorm dense(classes)"
#define ENCODER                                                                                              \
    "embedding(vocabulary, 16) sinusoidal repeat(2, block(2, mult=2, act=relu, norm_first=false)) dense(classes)"
#define LLAMA                                                                                                 \
    "embedding(vocabulary, 16) repeat(2, block(4, kv_heads=2, mult=2, causal=true, rotary=true, act=swiglu, " \
    "norm=rmsnorm, bias=false)) rmsnorm share(0, dense(classes, bias=false))"
#define WORDS "embedding(vocabulary, 6) dense(classes)"
#define LSTM  "lstm(6, layers=2) flatten dense(classes)"
#define GRU   "gru(6, layers=2) flatten dense(classes)"
#define BOTH  "lstm(4, layers=2, bidirectional=true, sequence=false) dense(classes)"
#define ELMAN "rnn(6, act=relu) gru(5, bidirectional=true, sequence=false) dense(classes)"
#define GPT   "embedding(vocabulary, 16) positions repeat(4, block(4, causal=true)) layernorm dense(classes)"

static const struct Case {
    const char *name;
    const Rows *rows;
    const char *net, *options;
} cases[] = {
    {"lenet sgd", &digits, LENET, "optimizer=sgd(lr=.02, momentum=.9)"},
    {"lenet adam", &digits, LENET, "optimizer=adam(lr=2e-3)"},
    {"lenet adafactor", &digits, LENET, "optimizer=adafactor(lr=.05)"},
    {"resnet sgd", &photos, RESNET, "optimizer=sgd(lr=.05, momentum=.9, nesterov=true, weight_decay=1e-3)"},
    {"resnet adam", &photos, RESNET, "optimizer=adam(lr=3e-3)"},
    {"lstm sgd", &series, LSTM, "optimizer=sgd(lr=.5) clip=.5"},
    {"lstm adam", &series, LSTM, "optimizer=adam(lr=.01)"},
    {"lstm bidirectional", &series, BOTH, "optimizer=adam(lr=.01)"},
    {"gru sgd", &series, GRU, "optimizer=sgd(lr=.2, momentum=.5)"},
    {"gru adam", &series, GRU, "optimizer=adam(lr=.01)"},
    {"rnn and gru", &series, ELMAN, "optimizer=adam(lr=.01)"},
    {"gpt sgd", &verses, GPT, "optimizer=sgd(lr=.1, momentum=.9) clip=1"},
    {"gpt adamw", &verses, GPT, "optimizer=adamw(lr=3e-3, beta2=.99, weight_decay=.1) clip=1"},
    {"layers for images", &photos, IMAGES, "optimizer=adam(lr=3e-3)"},
    {"encoder after norms", &verses, ENCODER, "optimizer=adam(lr=3e-3)"},
    {"llama tied", &verses, LLAMA, "optimizer=adamw(lr=3e-3)"},

    {"sgd", &table, MLP, "optimizer=sgd(lr=.3)"},
    {"sgd weight_decay", &table, MLP, "optimizer=sgd(lr=.3, weight_decay=.01)"},
    {"sgd momentum", &table, MLP, "optimizer=sgd(lr=.1, momentum=.9)"},
    {"sgd dampening", &table, MLP, "optimizer=sgd(lr=.3, momentum=.9, dampening=.5, weight_decay=.01)"},
    {"sgd nesterov", &table, MLP, "optimizer=sgd(lr=.1, momentum=.9, nesterov=true, weight_decay=.01)"},
    {"adam", &table, MLP, "optimizer=adam(lr=.01)"},
    {"adam betas", &table, MLP, "optimizer=adam(lr=.01, beta1=.8, beta2=.95, eps=1e-3, weight_decay=.01)"},
    {"adam amsgrad", &table, MLP, "optimizer=adam(lr=.03, beta2=.9, amsgrad=true)"},
    {"adamw", &table, MLP, "optimizer=adamw(lr=.01)"},
    {"adamw weight_decay", &table, MLP, "optimizer=adamw(lr=.01, beta2=.99, weight_decay=1)"},
    {"adamw amsgrad", &table, MLP, "optimizer=adamw(lr=.03, beta2=.9, weight_decay=.1, amsgrad=true)"},
    {"sparse adam", &words, WORDS,
     "optimizer=sgd(lr=.2) groups={0.weight: sparse_adam(lr=.02, beta2=.9, eps=1e-3)}"},
    {"nadam", &table, MLP, "optimizer=nadam(lr=.01)"},
    {"nadam weight_decay", &table, MLP, "optimizer=nadam(lr=.01, momentum_decay=.1, weight_decay=.01)"},
    {"nadam decoupled", &table, MLP, "optimizer=nadam(lr=.01, weight_decay=1, decoupled_weight_decay=true)"},
    {"radam", &table, MLP, "optimizer=radam(lr=.05)"},
    {"radam weight_decay", &table, MLP, "optimizer=radam(lr=.05, beta2=.95, eps=1e-3, weight_decay=.01)"},
    {"radam decoupled", &table, MLP, "optimizer=radam(lr=.05, weight_decay=.2, decoupled_weight_decay=true)"},
    {"adamax", &table, MLP, "optimizer=adamax(lr=.02)"},
    {"adamax weight_decay", &table, MLP, "optimizer=adamax(lr=.02, beta2=.9, eps=1e-3, weight_decay=.01)"},
    {"adadelta", &table, MLP, "optimizer=adadelta(lr=1)"},
    {"adadelta weight_decay", &table, MLP, "optimizer=adadelta(lr=2, rho=.8, eps=1e-4, weight_decay=.01)"},
    {"adagrad", &table, MLP, "optimizer=adagrad(lr=.1)"},
    {"adagrad lr_decay", &table, MLP, "optimizer=adagrad(lr=.2, lr_decay=.05, eps=1e-3, weight_decay=.01)"},
    {"adagrad initial", &table, MLP, "optimizer=adagrad(lr=.1, initial_accumulator_value=.02)"},
    {"rmsprop", &table, MLP, "optimizer=rmsprop(lr=.01)"},
    {"rmsprop momentum", &table, MLP, "optimizer=rmsprop(lr=3e-3, alpha=.9, momentum=.9, weight_decay=.01)"},
    {"rmsprop centered", &table, MLP, "optimizer=rmsprop(lr=.01, alpha=.9, eps=1e-3, centered=true)"},
    {"rmsprop centered momentum", &table, MLP,
     "optimizer=rmsprop(lr=3e-3, eps=1e-3, momentum=.8, centered=true)"},
    {"rprop", &table, MLP, "optimizer=rprop(lr=1e-3)"},
    {"rprop bounds", &table, MLP, "optimizer=rprop(lr=.01, shrink=.6, grow=1.4, least=1e-3, most=.05)"},
    {"adafactor", &table, MLP, "optimizer=adafactor(lr=.05)"},
    {"adafactor weight_decay", &table, MLP,
     "optimizer=adafactor(lr=.2, beta2_decay=-.5, eps1=.01, eps2=.4, d=1.1, weight_decay=.1)"},
    {"muon", &table, MLP, "optimizer=muon(lr=.02)"},
    {"muon plain", &table, MLP, "optimizer=muon(lr=.02, momentum=.8, nesterov=false, weight_decay=.5)"},
    {"muon match_rms", &table, MLP, "optimizer=muon(lr=.02, match_rms=true)"},
    {"asgd", &table, MLP, "optimizer=asgd(lr=.3)"},
    {"asgd decay", &table, MLP, "optimizer=asgd(lr=.3, lambd=.05, alpha=.5, t0=10, weight_decay=.01)"},
    {"lbfgs", &whole, SMOOTH, "optimizer=lbfgs(history=5)"},
    {"cosine", &whole, MLP, "optimizer=sgd(lr=.5) schedule=cosine"},
};
enum { CASE_COUNT = sizeof cases / sizeof *cases };

/* ---- Weights and rows that PyTorch was given, too ---- */

/* Numbers in [-1, 1) that follow from a name. */
static double number(const char *name, size_t i)
{
    return (philox(21, hash_string(name), i).word[0] >> 8) * 0x1p-23 - 1;
}

static int32_t choice(const char *name, size_t i, size_t of)
{
    return (int32_t)((number(name, i) + 1) / 2 * (double)of);
}

/* Matrices are about as large as keeps the scale of what goes through; vectors are near 1 if they scale, else near 0. */
static void fill(Store *s)
{
    for (size_t k = 0; k < s->count; k++) {
        Tensor *t = s->list[k];
        if (t->role != ROLE_PARAMETER) continue;
        const char *last = strrchr(t->name, '.');
        double middle = t->shape.rank == 1 && !strcmp(last, ".weight"), spread = .1;
        if (t->shape.rank > 1) spread = sqrt(3. * (double)t->shape.dim[0] / (double)t->size);
        for (size_t i = 0; i < t->size; i++)
            ((double *)t->value)[i] = middle + spread * number(t->name, i);
    }
}

typedef struct Batches {
    Dataset all;
    void *x, *t;
} Batches;

static Batches batches_new(const Rows *r)
{
    Dataset d = {.rows = r->batch * r->batches,
                 .features = 1,
                 .targets = 1,
                 .x_type = r->tokens ? DATA_I32 : DATA_F64,
                 .t_type = DATA_I32,
                 .classes = r->classes,
                 .vocabulary = r->tokens ? r->classes : 0,
                 .next = r->tokens,
                 .x_rank = r->rank};
    for (int i = 0; i < r->rank; i++)
        d.features *= d.x_shape[i] = r->shape[i];
    if (r->tokens) d.targets = d.features;
    size_t numbers = d.rows * d.features, targets = d.rows * d.targets;
    Batches b = {.x = calloc(numbers, sizeof(double)), .t = calloc(targets, sizeof(int32_t))};
    assert_true(b.x && b.t);
    for (size_t i = 0; i < numbers; i++)
        if (r->tokens)
            ((int32_t *)b.x)[i] = choice("x", i, r->classes);
        else
            ((double *)b.x)[i] = number("x", i);
    for (size_t i = 0; i < targets; i++)
        ((int32_t *)b.t)[i] = choice(r->tokens ? "x" : "t", i + r->tokens, r->classes);
    d.x = b.x, d.t = b.t;
    b.all = d;
    return b;
}

static void batches_free(Batches *b)
{
    free(b->x), free(b->t);
}

static Dataset batch_of(const Batches *b, const Rows *r, size_t step)
{
    Dataset d = b->all;
    size_t row = step % r->batches * r->batch;
    d.rows = r->batch;
    d.x = (const char *)d.x + row * d.features * data_size(d.x_type);
    d.t = (const char *)d.t + row * d.targets * data_size(d.t_type);
    return d;
}

/* ---- Training ---- */

typedef struct Ear {
    double *loss;
    int epochs;
} Ear;

static int hear(void *context, const nudge_event *event)
{
    Ear *ear = context;
    if (!strcmp(event->kind, "epoch") && ear->epochs < STEPS) ear->loss[ear->epochs++] = event->loss;
    return 0;
}

static int train_whole(Model *m, const Dataset *d, double *loss, Error *e)
{
    Ear ear = {.loss = loss};
    Fit f = {.data = d, .listener = hear, .context = &ear};
    int status = fit_run(m, &f, e);
    fit_free(&f);
    return status;
}

static int train_steps(Model *m, const Batches *b, const Rows *r, double *loss, Error *e)
{
    int status = NUDGE_OK;
    for (size_t step = 0; step < STEPS && !status; step++) {
        Dataset d = batch_of(b, r, step);
        status = model_step(m, &d, &loss[step], e);
    }
    return status;
}

/* The losses of all steps, and that of evaluation on the first batch after them. */
static void figures_of(const struct Case *c, double *figure)
{
    const Rows *r = c->rows;
    Batches b = batches_new(r);
    Error e = {0};
    Settings s = {0};
    Text options = {0};
    Model *m = NULL;
    Task task = task_of(&b.all, false);
    text_print(&options, "net=%s loss=cross_entropy dtype=float64 %s validation=0 epochs=%d batch=%zu",
               c->net, c->options, STEPS, r->batch);
    if (r->rank > 1)
        for (int i = 0; i < r->rank; i++)
            text_print(&options, "%s%zu", i ? "x" : " shape=", r->shape[i]);
    int status = settings_parse(&s, text_end(&options), &e);
    if (!status) status = model_new(&m, &s, &task, &e);
    if (!status) fill(&m->store);
    if (!status && r->batches == 1) status = train_whole(m, &b.all, figure, &e);
    if (!status && r->batches > 1) status = train_steps(m, &b, r, figure, &e);
    Dataset first = batch_of(&b, r, 0);
    if (!status) status = model_evaluate(m, &first, NULL, first.rows, &figure[STEPS], NULL, &e);
    if (status) fail_msg("%s: %s", c->name, e.message);
    model_free(m);
    settings_free(&s);
    text_free(&options);
    batches_free(&b);
}

/* ---- What PyTorch printed ---- */

typedef struct Record {
    char name[NAME];
    double figure[FIGURES];
} Record;

static Record records[CASES];
static int record_count;

static int set_up(void **state)
{
    (void)state;
    char path[4096], rest[8];
    const char *source = getenv("SOURCE");
    snprintf(path, sizeof path, "%s/tests/trajectories.txt", source ? source : ".");
    FILE *file = fopen(path, "r");
    if (!file) return -1;
    while (record_count < CASES && fscanf(file, " case %47[^\n]", records[record_count].name) == 1) {
        Record *r = &records[record_count++];
        for (int i = 0; i < FIGURES; i++)
            if (fscanf(file, "%lf", &r->figure[i]) != 1) return -1;
    }
    bool ended = fscanf(file, "%1s", rest) == EOF;
    fclose(file);
    return ended ? 0 : -1;
}

static const Record *record_find(const char *name)
{
    for (int i = 0; i < record_count; i++)
        if (!strcmp(records[i].name, name)) return &records[i];
    fail_msg("tests/trajectories.txt has no case %s", name);
    return NULL;
}

/* The first step that differs; FIGURES if none does. */
static int differs(const double *figure, const double *torch)
{
    int i = 0;
    while (i < FIGURES && fabs(figure[i] - torch[i]) <= 1e-8 * fabs(torch[i]))
        i++;
    return i;
}

static void test_as_torch(void **state)
{
    (void)state;
    int wrong = 0;
    assert_int_equal(record_count, CASE_COUNT);
    for (int k = 0; k < CASE_COUNT; k++) {
        double figure[FIGURES] = {0};
        const Record *r = record_find(cases[k].name);
        figures_of(&cases[k], figure);
        int step = differs(figure, r->figure);
        if (step == FIGURES) continue;
        print_error("%s: the loss of step %d is %.11g, not %.11g\n", r->name, step, figure[step],
                    r->figure[step]);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_torch)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
