/* job_bench.c: `nudge bench`: milliseconds a training step or a prediction takes, as a share of what this machine can do
 * at best. Data are random in the shapes of a real job, since the time does not depend on their values.
 *
 * A step is what training does for a batch: the rows are gathered into the program's input, the program runs, the loss
 * is read. The floor is the time in which the products' operations could be done at the measured peak, or the
 * parameters, states and rows be moved once at the measured bandwidth for so much memory, whichever is longer. */
#include "jobs/job.h"

#include "base/philox.h"
#include "jobs/numerals.h"
#include "jobs/peak.h"
#include "train/batch.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct BenchRow {
    const char *name;
    size_t features, rows, classes; /* classes 0: a regression with one target */
    bool predict;                   /* one row, through model_predict */
    bool text;  /* features are tokens, the classes are the vocabulary, each token has a next one */
    bool scale; /* only by its name: how time grows with the number of weights */
    const char *settings;
} BenchRow;

/* ResNet-20 for pictures of 32x32 (He et al. 2015, section 4.2; projections between stages). */
#define BENCH_CONV(n, more) "conv(" n ", 3" more ", padding=1, bias=false) batchnorm "
#define BENCH_STAY(n)       "residual(" BENCH_CONV(n, "") "relu " BENCH_CONV(n, "") ") relu "
#define BENCH_HALVE(n)                                                                                       \
    "parallel(" BENCH_CONV(n, ", stride=2") "relu " BENCH_CONV(                                              \
        n, "") ", conv(" n ", 1, stride=2, bias=false) batchnorm, join=add) relu "
#define BENCH_RESNET                                                                                         \
    BENCH_CONV("16", "")                                                                                     \
    "relu repeat(3, " BENCH_STAY("16") ") " BENCH_HALVE("32") "repeat(2, " BENCH_STAY(                       \
        "32") ") " BENCH_HALVE("64") "repeat(2, " BENCH_STAY("64") ") global_avgpool dense(10)"

static const BenchRow bench_table[] = {
    {"xor", 2, 4, 0, .settings = "net=dense(4) sigmoid dense(1) sigmoid loss=mse optimizer=sgd(lr=.01)"},
    {"mlp32", 784, 32, 10, .settings = "net=dense(128) relu dense(10) optimizer=sgd(lr=.01)"},
    {"mlp32adam", 784, 32, 10, .settings = "net=dense(128) relu dense(10) optimizer=adam(lr=1e-3)"},
    {"tab128", 20, 128, 0,
     .settings = "net=dense(64) relu dense(64) relu dense(1) loss=mse optimizer=adam(lr=1e-3)"},
    {"mlp512", 784, 512, 10,
     .settings = "net=dense(512) relu dense(512) relu dense(10) optimizer=adam(lr=1e-3)"},
    {"lenet64", 28 * 28, 64, 10,
     .settings =
         "shape=1x28x28 net=conv(32, 5) relu maxpool(2) conv(64, 5) relu maxpool(2) flatten dense(128) "
         "relu dense(10) optimizer=adam(lr=1e-3)"},
    {"resnet128", 3 * 32 * 32, 128, 10,
     .settings = "shape=3x32x32 net=" BENCH_RESNET " optimizer=sgd(lr=.1, momentum=.9, weight_decay=1e-4)"},
    {"gpt", 64, 12, 65, .text = true,
     .settings = "net=embedding(65, 128) positions repeat(4, block(4, causal=true, bias=false)) layernorm "
                 "dense(65, bias=false) optimizer=adamw(lr=1e-3)"},
    {"lstm", 64, 32, 65, .text = true,
     .settings = "net=embedding(65, 64) lstm(128) dense(65) optimizer=adam(lr=1e-3)"},
#define BENCH_SCALE(weights, n)                                                                              \
    {                                                                                                        \
        "weights" weights, n, 32, 10,                                                                        \
            .scale = true,                                                                                   \
            .settings = "net=dense(" #n ") relu dense(" #n ") relu dense(10) optimizer=sgd(lr=.01)"          \
    }
    BENCH_SCALE("1e3", 18),
    BENCH_SCALE("1e4", 68),
    BENCH_SCALE("1e5", 221),
    BENCH_SCALE("1e6", 704),
    BENCH_SCALE("1e7", 2233),
    BENCH_SCALE("1e8", 7068),
    {"predict1", 784, 1, 10, .predict = true, .settings = "net=dense(128) relu dense(10)"},
    {"predict2", 2, 1, 0, .predict = true, .settings = "net=dense(4) relu dense(1)"},
};

enum {
    BENCH_JOBS = sizeof bench_table / sizeof *bench_table,
    BENCH_BLOCKS = 15,
    BENCH_BIG = 64 << 20,
    BENCH_OUTPUTS = 16
};

static const double bench_block = .1; /* s */

typedef struct Bench {
    Job *job;
    Isa isa;
    size_t threads;
    bool counted; /* exactly so many steps, instead of as many as it takes */
    size_t steps;
    Threads *pool;
    double flops, flops_alone, bandwidth, bandwidth_alone; /* a second */
    const BenchRow *row;                                   /* the job at hand */
    Model *model;
    Dataset data;
    size_t *order;
    Batch batch;
    Run run;
    double ms, floor_ms;
    volatile double seen; /* the loss is read */
} Bench;

/* ---- A job's model and data ---------------------------------------------------------------------------------- */

static const BenchRow *bench_find(const char *name)
{
    for (const BenchRow *row = bench_table; row < bench_table + BENCH_JOBS; row++)
        if (!strcmp(row->name, name)) return row;
    return NULL;
}

static float bench_random(uint64_t index)
{
    Philox p = philox(3, 4, index);
    return (float)(sqrt(-2 * log((p.word[0] + 1.0) / 4294967297.0)) *
                   cos(2 * 3.14159265358979 * p.word[1] / 4294967296.0));
}

/* n class numbers or reals. */
static void bench_fill(void *to, DataType type, size_t n, uint64_t from, size_t classes)
{
    for (size_t i = 0; i < n; i++)
        if (type == DATA_I32)
            ((int32_t *)to)[i] = (int32_t)(philox(5, 6, from + i).word[0] % classes);
        else
            ((float *)to)[i] = bench_random(from + i);
}

static int bench_data(Bench *b)
{
    const BenchRow *row = b->row;
    Dataset *d = &b->data;
    size_t targets = row->text ? row->features : 1, numbers = row->rows * row->features;
    *d = (Dataset){.rows = row->rows, .features = row->features, .targets = targets, .classes = row->classes};
    d->vocabulary = row->text ? row->classes : 0;
    d->next = row->text;
    d->x_type = row->text ? DATA_I32 : DATA_F32;
    d->t_type = row->classes ? DATA_I32 : DATA_F32;
    d->x = d->owned[0] = memory_new(numbers, data_size(d->x_type));
    d->t = d->owned[1] = memory_new(row->rows * targets, data_size(d->t_type));
    b->order = memory_new(row->rows, sizeof *b->order);
    if (!d->x || !d->t || !b->order) return error_memory(b->job->error);
    for (size_t i = 0; i < row->rows; i++)
        b->order[i] = i;
    bench_fill(d->owned[0], d->x_type, numbers, 0, row->classes);
    bench_fill(d->owned[1], d->t_type, row->rows * targets, numbers, row->classes);
    return NUDGE_OK;
}

static int bench_model(Bench *b)
{
    Error *e = b->job->error;
    Settings s = {0};
    Task task = task_of(&b->data, false);
    char threads[32];
    snprintf(threads, sizeof threads, "%zu", b->threads);
    int status = settings_parse(&s, b->row->settings, e);
    if (!status) status = settings_set(&s, "threads", threads, "bench", e);
    if (!status) status = settings_set(&s, "isa", isa_name(b->isa), "bench", e);
    if (!status) status = model_new(&b->model, &s, &task, e);
    settings_free(&s);
    return status;
}

static int bench_open(Bench *b, const BenchRow *row)
{
    Error *e = b->job->error;
    b->row = row;
    int status = bench_data(b);
    if (!status) status = bench_model(b);
    if (!status) status = batch_new(&b->batch, b->model, row->rows, false, e);
    Binding k = {.mode = row->predict ? MODE_PREDICT : MODE_TRAIN, .rows = row->rows};
    if (!status) status = run_begin(&b->run, b->model->programs, &k, e);
    if (!status) batch_take(&b->batch, b->model, &b->data, b->order, row->rows);
    if (!status) batch_bind(&b->batch, &b->run);
    return status;
}

static void bench_close(Bench *b)
{
    run_end(&b->run);
    batch_free(&b->batch);
    model_free(b->model);
    dataset_free(&b->data);
    memory_release(b->order);
    b->model = NULL;
    b->order = NULL;
}

/* ---- Measuring ------------------------------------------------------------------------------------------------ */

static void bench_predict(Bench *b)
{
    float y[BENCH_OUTPUTS];
    model_predict(b->model, b->data.x, DATA_F32, b->row->rows, y, DATA_F32, b->job->error);
    b->seen = (double)y[0];
}

static void bench_step(Bench *b)
{
    batch_take(&b->batch, b->model, &b->data, b->order, b->row->rows);
    b->seen = batch_step(&b->run, b->model, 1);
}

static double bench_time(Bench *b, void (*once)(Bench *b), size_t times)
{
    double begin = peak_seconds();
    for (size_t i = 0; i < times; i++)
        once(b);
    return peak_seconds() - begin;
}

/* Milliseconds, the best of several blocks. */
static double bench_measure(Bench *b)
{
    void (*once)(Bench * b) = b->row->predict ? bench_predict : bench_step;
    if (b->row->predict) run_end(&b->run); /* model_predict takes the program itself */
    if (b->counted) return 1e3 * bench_time(b, once, b->steps) / (double)(b->steps ? b->steps : 1);
    size_t times = 1;
    while (bench_time(b, once, times) < bench_block / 4)
        times *= 2;
    times *= 4;
    double best = HUGE_VAL;
    for (int i = 0; i < BENCH_BLOCKS; i++)
        best = fmin(best, bench_time(b, once, times) / (double)times);
    return 1e3 * best;
}

static size_t bench_bytes(const Program *p)
{
    size_t bytes = 0;
    for (int i = SLOT_FIRST; i < p->slots; i++)
        bytes += p->slot[i].bytes;
    return bytes;
}

static double bench_floor(const Bench *b)
{
    const Program *p = b->run.workspace->program;
    size_t bytes = bench_bytes(p);
    double bandwidth = peak_bandwidth(bytes, b->pool);
    double computed = 2 * (double)p->multiply_adds / b->flops;
    return 1e3 * fmax(computed, bandwidth > 0 ? (double)bytes / bandwidth : 0);
}

/* ---- What is said --------------------------------------------------------------------------------------------- */

static void bench_print_rate(Text *out, double all, double alone, const char *unit, size_t threads)
{
    char number[NUMBER_ROOM];
    text_print(out, "%s %s", number_print_short(number, all / 1e9, 3), unit);
    if (threads > 1) text_print(out, " (one thread %s)", number_print_short(number, alone / 1e9, 3));
}

static int bench_say_start(Bench *b)
{
    Text text = {0}, json = {0};
    text_print(&text, "%s, %zu thread%s: peak ", isa_name(b->isa), b->threads, b->threads == 1 ? "" : "s");
    bench_print_rate(&text, b->flops, b->flops_alone, "Gflop/s", b->threads);
    text_print(&text, ", memory ");
    bench_print_rate(&text, b->bandwidth, b->bandwidth_alone, "GB/s", b->threads);
    JsonWriter w = job_begin(&json, "start");
    json_key(&w, "isa");
    json_string(&w, isa_name(b->isa));
    json_key(&w, "threads");
    json_integer(&w, (int64_t)b->threads);
    json_key(&w, "peak_gflops");
    json_number(&w, b->flops / 1e9);
    json_key(&w, "memory_gbs");
    json_number(&w, b->bandwidth / 1e9);
    return job_say(b->job, "start", &text, &w);
}

/* The head of the table is for people only. */
static int bench_say_head(Bench *b, const char *head)
{
    nudge_event event = {.kind = "row", .text = head, .loss = (double)NAN, .validation_loss = (double)NAN};
    return job_event(b->job, &event);
}

static void bench_print_ms(Text *out, int width, double ms)
{
    char number[NUMBER_ROOM];
    text_print(out, "%*s", width, number_print_short(number, ms, 3));
}

static int bench_say_result(Bench *b)
{
    Text text = {0}, json = {0};
    text_print(&text, "%-12s", b->row->name);
    bench_print_ms(&text, 12, b->ms);
    if (!b->counted) bench_print_ms(&text, 12, b->floor_ms);
    if (!b->counted) text_print(&text, "%7.0f %%", 100 * b->floor_ms / b->ms);
    JsonWriter w = job_begin(&json, "result");
    json_key(&w, "job");
    json_string(&w, b->row->name);
    json_key(&w, "threads");
    json_integer(&w, (int64_t)b->threads);
    json_key(&w, "ms");
    json_number(&w, b->ms);
    if (!b->counted) {
        json_key(&w, "floor_ms");
        json_number(&w, b->floor_ms);
    }
    return job_say(b->job, "result", &text, &w);
}

static int bench_row(Bench *b, const BenchRow *row)
{
    int status = bench_open(b, row);
    if (!status) {
        b->floor_ms = b->counted ? (double)NAN : bench_floor(b);
        b->ms = bench_measure(b);
        status = b->job->error->status;
    }
    if (!status) status = bench_say_result(b);
    bench_close(b);
    return status;
}

/* ---- Each instruction ------------------------------------------------------------------------------------------ */

/* The best time of each instruction over many runs. */
static void bench_profile_runs(Bench *b, double *best)
{
    Workspace *w = b->run.workspace;
    int count = w->program->instructions;
    double end = peak_seconds() + bench_block * BENCH_BLOCKS;
    for (int i = 0; i < count; i++)
        best[i] = HUGE_VAL;
    for (int run = 0; run < 3 || peak_seconds() < end; run++)
        for (int i = 0; i < count; i++) {
            double begin = peak_seconds();
            cpu_run_one(w, b->pool, i);
            best[i] = fmin(best[i], peak_seconds() - begin);
        }
}

/* The lines of plan_print, with microseconds and shares in front of the instructions; lines of loops' bodies stand
 * further in. */
static void bench_print_profile(const Bench *b, const double *best, Text *out)
{
    const Program *p = b->run.workspace->program;
    Text plan = {0};
    double total = 0;
    char number[NUMBER_ROOM];
    for (int i = 0; i < p->instructions; i++)
        total += best[i];
    plan_print(p, &plan);
    text_print(out, "%s: %s us in %d instructions, measured one by one\n        us  share", b->row->name,
               number_print_short(number, 1e6 * total, 4), p->instructions);
    const char *s = text_end(&plan);
    s += strcspn(s, "\n");
    for (int i = 0; *s && s[1];) {
        size_t length = strcspn(++s, "\n");
        bool own = length > 2 && s[2] >= '0' && s[2] <= '9';
        text_put(out, '\n');
        if (own)
            text_print(out, "%10s%5.0f %%  ", number_print_short(number, 1e6 * best[i], 3),
                       100 * best[i] / total),
                i++;
        else
            text_print(out, "%19s", "");
        text_append(out, s, length);
        s += length;
    }
    out->failed |= plan.failed;
    text_free(&plan);
}

static int bench_say_profile(Bench *b, const double *best)
{
    Text text = {0}, json = {0};
    bench_print_profile(b, best, &text);
    JsonWriter w = job_begin(&json, "result");
    json_key(&w, "job");
    json_string(&w, b->row->name);
    json_key(&w, "threads");
    json_integer(&w, (int64_t)b->threads);
    json_key(&w, "instruction_ms");
    json_open(&w, '[');
    for (int i = 0; i < b->run.workspace->program->instructions; i++)
        json_number(&w, 1e3 * best[i]);
    json_close(&w, ']');
    return job_say(b->job, "result", &text, &w);
}

static int bench_profile(Bench *b, const BenchRow *row)
{
    int status = bench_open(b, row);
    int count = status ? 0 : b->run.workspace->program->instructions;
    double *best = memory_new((size_t)count, sizeof *best);
    float y[BENCH_OUTPUTS], loss;
    if (!status && !best) status = error_memory(b->job->error);
    if (!status) {
        run_bind(&b->run, RUN_Y, y);
        bench_step(b); /* for the step's scalars */
        run_bind(&b->run, RUN_LOSS, &loss);
        bench_profile_runs(b, best);
        status = bench_say_profile(b, best);
    }
    memory_release(best);
    bench_close(b);
    return status;
}

/* ---- The job --------------------------------------------------------------------------------------------------- */

static int bench_unknown(Job *job, const char *name)
{
    const char *names[BENCH_JOBS];
    Text all = {0};
    for (size_t i = 0; i < BENCH_JOBS; i++) {
        names[i] = bench_table[i].name;
        text_print(&all, "%s%s", i ? ", " : "", names[i]);
    }
    const char *nearest = name_nearest(name, names, BENCH_JOBS);
    int status =
        nearest
            ? error_set(job->error, NUDGE_INPUT, "no job is called %s; did you mean %s?", name, nearest)
            : error_set(job->error, NUDGE_INPUT, "no job is called %s; there are %s", name, text_end(&all));
    text_free(&all);
    return status;
}

static int bench_check_names(Job *job)
{
    const char *profiled = job_option(job, "profile");
    for (size_t i = 0; i < job->operands; i++)
        if (!bench_find(job->operand[i])) return bench_unknown(job, job->operand[i]);
    return profiled && !bench_find(profiled) ? bench_unknown(job, profiled) : NUDGE_OK;
}

/* A single instruction is too short to share, so a profile is of one thread unless more are asked for. */
static size_t bench_threads(Job *job)
{
    int64_t given = settings_integer(&job->given, "threads");
    if (given > 0) return (size_t)given;
    return job_option(job, "profile") ? 1 : (size_t)sysconf(_SC_NPROCESSORS_ONLN);
}

static int bench_peaks(Bench *b)
{
    bool alone = b->threads == 1;
    b->flops_alone = peak_flops(b->isa, NULL);
    b->flops = alone ? b->flops_alone : peak_flops(b->isa, b->pool);
    b->bandwidth_alone = peak_bandwidth(BENCH_BIG, NULL);
    b->bandwidth = alone ? b->bandwidth_alone : peak_bandwidth(BENCH_BIG, b->pool);
    if (!(b->flops > 0 && b->bandwidth > 0)) return error_memory(b->job->error);
    return bench_say_start(b);
}

static int bench_machine(Bench *b)
{
    b->counted = job_option(b->job, "steps");
    int status = b->counted ? job_count(b->job, "steps", 0, 1 << 30, &b->steps) : NUDGE_OK;
    b->threads = bench_threads(b->job);
    b->isa = isa_best();
    b->pool = threads_new((int)b->threads);
    if (!status && !b->pool) status = error_memory(b->job->error);
    return status || b->counted ? status : bench_peaks(b);
}

static int bench_all(Bench *b)
{
    Job *job = b->job;
    int status = bench_say_head(b, b->counted ? "job              ms/step"
                                              : "job              ms/step    floor ms   share");
    for (size_t i = 0; !status && !job->stopped && i < job->operands; i++)
        status = bench_row(b, bench_find(job->operand[i]));
    for (size_t i = 0; !status && !job->stopped && !job->operands && i < BENCH_JOBS; i++)
        if (!bench_table[i].scale) status = bench_row(b, &bench_table[i]);
    return status;
}

int job_bench(Job *job)
{
    Bench b = {.job = job};
    const char *profiled = job_option(job, "profile");
    int status = bench_check_names(job);
    if (!status) status = bench_machine(&b);
    if (!status) status = profiled ? bench_profile(&b, bench_find(profiled)) : bench_all(&b);
    threads_free(b.pool);
    return status;
}
