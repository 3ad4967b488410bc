/* The training loop: lengths of runs, early stopping, log and checkpoints, resuming with the same bits, and what is said
 * when the loss is no number any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/philox.h"
#include "format/file.h"
#include "nn/nn.h"
#include "train/course.h"
#include "train/fit.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROWS = 90, FEATURES = 3, CLASSES = 3 };

static double rows_x[ROWS * FEATURES], rows_y[ROWS], rows_weight[ROWS];
static int32_t rows_class[ROWS];
static char root[] = "/tmp/nudge-fit-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        rows_class[i] = (int32_t)(i % CLASSES);
        for (size_t k = 0; k < FEATURES; k++)
            rows_x[i * FEATURES + k] =
                (double)philox(7, i, k).word[0] / 4294967296. + (rows_class[i] == (int)k);
        rows_y[i] = sin(3 * rows_x[i * FEATURES]) + rows_x[i * FEATURES + 1];
        rows_weight[i] = (double)(i % 4);
    }
    return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static Dataset classes_data(void)
{
    return (Dataset){.rows = ROWS,
                     .features = FEATURES,
                     .targets = 1,
                     .x_type = DATA_F64,
                     .t_type = DATA_I32,
                     .x = rows_x,
                     .t = rows_class,
                     .classes = CLASSES};
}

static Dataset values_data(void)
{
    return (Dataset){.rows = ROWS,
                     .features = FEATURES,
                     .targets = 1,
                     .x_type = DATA_F64,
                     .t_type = DATA_F64,
                     .x = rows_x,
                     .t = rows_y};
}

static Model *make(const Dataset *d, const char *options)
{
    Error e = {0};
    Settings s = {0};
    Task task = task_of(d, true);
    Model *m;
    int status = settings_parse(&s, options, &e);
    if (!status) status = model_new(&m, &s, &task, &e);
    if (status) print_error("%s\n", e.message);
    assert_int_equal(status, 0);
    settings_free(&s);
    return m;
}

static void run(Model *m, Fit *f)
{
    Error e = {0};
    int status = fit_run(m, f, &e);
    if (status) print_error("%s\n", e.message);
    assert_int_equal(status, 0);
}

static char *within(const char *directory, const char *file)
{
    static char path[4][256];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s%s%s", root, directory, *file ? "/" : "", file);
    return p;
}

static void expect_same_file(const char *a, const char *b, const char *file)
{
    Error e = {0};
    char *x = NULL, *y = NULL;
    size_t n, k;
    assert_int_equal(file_read(within(a, file), &x, &n, &e), 0);
    assert_int_equal(file_read(within(b, file), &y, &k, &e), 0);
    if (n != k || memcmp(x, y, n)) print_error("%s/%s and %s/%s differ\n", a, file, b, file);
    assert_int_equal(n, k);
    assert_memory_equal(x, y, n);
    memory_release(x);
    memory_release(y);
}

/* ---- A listener that counts, and stops ---- */

typedef struct Ear {
    int starts, epochs, progresses, checkpoints, ends;
    int stop_at_epoch; /* 0: never */
    bool stop_midway;  /* after the first step */
    double last_loss, most_accurate;
    char end[512], start[512];
} Ear;

static int hear(void *context, const nudge_event *event)
{
    Ear *ear = context;
    JsonValue const *json;
    Error e = {0};
    Arena arena;
    arena_init(&arena, &e);
    assert_int_equal(json_parse(&arena, "event", event->json, strlen(event->json), &json), 0);
    assert_string_equal(json_member_string(json, "event"), event->kind);
    ear->starts += !strcmp(event->kind, "start");
    ear->epochs += !strcmp(event->kind, "epoch");
    ear->progresses += !strcmp(event->kind, "progress");
    ear->checkpoints += !strcmp(event->kind, "checkpoint");
    ear->ends += !strcmp(event->kind, "end");
    if (!strcmp(event->kind, "epoch")) ear->last_loss = event->loss;
    if (json_member_number(json, "accuracy") > ear->most_accurate && !strcmp(event->kind, "epoch"))
        ear->most_accurate = json_member_number(json, "accuracy");
    arena_free(&arena);
    if (!strcmp(event->kind, "end")) snprintf(ear->end, sizeof ear->end, "%s", event->text);
    if (!strcmp(event->kind, "start")) snprintf(ear->start, sizeof ear->start, "%s", event->text);
    /* Progress is told at most every 50 ms; whoever takes that long over an event hears of the next step. */
    bool slow = ear->stop_midway && (!strcmp(event->kind, "start") || !strcmp(event->kind, "epoch"));
    if (slow) nanosleep(&(struct timespec){0, 60000000}, NULL);
    if (ear->stop_midway) return !strcmp(event->kind, "progress");
    return ear->stop_at_epoch && ear->epochs == ear->stop_at_epoch;
}

/* ---- Lengths ---- */

static void test_epochs_and_steps(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        uint64_t epoch, step;
    } row[] = {
        {"epochs=3 batch=32 validation=0", 3, 9}, /* 32, 32, 26 rows */
        {"epochs=2 batch=1000 validation=0", 2, 2},
        {"steps=7 batch=32 validation=0", 2, 7}, /* and a third of the next: a longer run goes on there */
        {"steps=6 batch=32 validation=0", 2, 6},
        {"epochs=1 batch=1 validation=.2", 1, 72},
        {"batch=90 validation=0", 100, 100},
    };
    Dataset d = classes_data();
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        Text options = {0};
        text_print(&options, "net=dense(classes) %s", row[i].options);
        Model *m = make(&d, text_end(&options));
        Ear ear = {0};
        Fit f = {.data = &d, .listener = hear, .context = &ear};
        run(m, &f);
        assert_int_equal(f.progress.epoch, row[i].epoch);
        assert_int_equal(f.progress.step, row[i].step);
        assert_int_equal(m->steps, row[i].step);
        assert_int_equal(ear.epochs, row[i].epoch + (f.progress.row > 0));
        assert_int_equal(ear.starts, 1);
        assert_int_equal(ear.ends, 1);
        fit_free(&f);
        model_free(m);
        text_free(&options);
    }
}

static void test_learns(void **state)
{
    (void)state;
    Dataset d = classes_data();
    Model *m = make(&d, "net=dense(16) relu dense(classes) optimizer=adam(lr=.01) epochs=60 batch=16 seed=3");
    Ear ear = {0};
    Fit f = {
        .data = &d, .listener = hear, .context = &ear, .names = (const char *[]){"red", "green", "blue"}};
    run(m, &f);
    assert_int_equal(f.rows, 81);
    assert_int_equal(f.validation_rows, 9);
    assert_true(metrics_main(&f.metrics)->value(&f.metrics, false) > .8);
    assert_true(fabs(metrics_main(&f.metrics)->value(&f.metrics, true) - 1. / 3) < .01);
    assert_non_null(strstr(ear.end, "best epoch"));
    assert_non_null(strstr(ear.end, "always saying "));
    assert_true(f.progress.best_epoch > 0);
    fit_free(&f);
    model_free(m);
}

/* Another order in each epoch, the same whenever it is asked for. */
static void test_order_of_rows(void **state)
{
    (void)state;
    Dataset d = classes_data();
    Model *m = make(&d, "net=dense(classes) batch=40");
    size_t order[ROWS], turn[3][ROWS];
    Course c;
    Error e = {0};
    for (size_t i = 0; i < ROWS; i++)
        order[i] = i;
    assert_int_equal(course_open(&c, m, &d, order, ROWS, &e), 0);
    for (uint64_t epoch = 0; epoch < 4; epoch++) {
        course_take(&c, &(Progress){.epoch = epoch == 3 ? 1 : epoch, .row = 40});
        if (epoch == 3) assert_memory_equal(turn[1], c.turn, sizeof turn[1]);
        if (epoch < 3) memcpy(turn[epoch], c.turn, sizeof turn[0]);
    }
    assert_memory_not_equal(turn[0], turn[1], sizeof turn[0]);
    assert_memory_not_equal(turn[1], turn[2], sizeof turn[0]);
    bool seen[ROWS] = {false};
    for (size_t i = 0; i < ROWS; i++)
        seen[turn[2][i]] = true;
    for (size_t i = 0; i < ROWS; i++)
        assert_true(seen[i]);
    course_take(&c, &(Progress){.row = 80});
    assert_int_equal(c.batch.rows, 10);
    course_close(&c);
    model_free(m);
}

/* With nothing learnt, the loss of an epoch is that of its rows, whatever the batches and weights. */
static void test_loss_of_an_epoch(void **state)
{
    (void)state;
    static const char *const losses[] = {"mse", "sse"};
    Dataset d = values_data();
    for (int i = 0; i < 4; i++) {
        Text options = {0};
        text_print(
            &options,
            "net=dense(targets) dtype=float64 optimizer=sgd(lr=0) epochs=1 batch=35 validation=0 loss=%s",
            losses[i % 2]);
        d.weight = i / 2 ? rows_weight : NULL;
        Model *m = make(&d, text_end(&options));
        Ear ear = {0};
        double loss;
        Error e = {0};
        Fit f = {.data = &d, .listener = hear, .context = &ear};
        run(m, &f);
        assert_int_equal(model_evaluate(m, &d, NULL, ROWS, &loss, NULL, &e), 0);
        assert_true(fabs(ear.last_loss - loss) < 1e-12 * fabs(loss));
        fit_free(&f);
        model_free(m);
        text_free(&options);
    }
}

/* Random layers draw anew at each step, and the same in each run. */
static void test_random_layers(void **state)
{
    (void)state;
    Dataset d = values_data();
    double loss[4];
    for (int i = 0; i < 4; i++) {
        Text options = {0};
        text_print(
            &options,
            "net=dropout(.5) dense(targets) optimizer=sgd(lr=0) epochs=%d batch=90 validation=0 shuffle=false seed=%d",
            i % 2 + 1, i / 2 ? 5 : 1);
        Model *m = make(&d, text_end(&options));
        Ear ear = {0};
        tensor_fill(&m->store, store_find(&m->store, "1.weight"), .5);
        Fit f = {.data = &d, .listener = hear, .context = &ear};
        run(m, &f);
        loss[i] = ear.last_loss;
        fit_free(&f);
        run(m, &f);
        assert_true(loss[i] == ear.last_loss);
        fit_free(&f);
        model_free(m);
        text_free(&options);
    }
    assert_true(loss[0] != loss[1]); /* another step */
    assert_true(loss[0] != loss[2]); /* another seed */
}

/* The kept weights are those of the best epoch: judged again they give its figure. */
static void test_best_weights_are_kept(void **state)
{
    (void)state;
    Dataset d = values_data();
    Model *m = make(
        &d,
        "net=dense(32) tanh dense(targets) loss=mse optimizer=adam(lr=.1) epochs=40 batch=4 validation=.3 seed=2");
    Fit f = {.data = &d};
    run(m, &f);
    size_t order[ROWS], train;
    double loss;
    Error e = {0};
    assert_int_equal(fit_split(m, &d, NULL, order, &train, &e), 0);
    assert_int_equal(model_evaluate(m, &d, order + train, ROWS - train, &loss, NULL, &e), 0);
    assert_true(f.progress.best_epoch < 40); /* lr is so high that the last one is not the best */
    assert_true(loss == f.progress.best_loss);
    assert_true(loss == f.loss);
    fit_free(&f);
    model_free(m);
}

static void test_patience(void **state)
{
    (void)state;
    Dataset d = classes_data();
    Model *m = make(&d, "net=dense(classes) optimizer=sgd(lr=0) epochs=50 patience=4");
    Ear ear = {0};
    Fit f = {.data = &d, .listener = hear, .context = &ear};
    run(m, &f);
    assert_int_equal(f.progress.epoch, 5); /* the first is the best; four more are no better */
    assert_int_equal(f.progress.best_epoch, 1);
    assert_true(f.patient);
    assert_non_null(strstr(ear.end, "no better for 4 epochs; best epoch 1 kept"));
    fit_free(&f);
    model_free(m);
}

static void test_monitor(void **state)
{
    (void)state;
    Dataset d = classes_data();
    Model *m = make(
        &d,
        "net=dense(8) relu dense(classes) optimizer=adam(lr=.01) epochs=20 monitor=accuracy validation=.3");
    Ear ear = {0};
    Fit f = {.data = &d, .listener = hear, .context = &ear};
    run(m, &f);
    double accuracy = metrics_main(&f.metrics)->value(&f.metrics, false);
    assert_true(accuracy == f.progress.best);
    assert_true(accuracy == ear.most_accurate);
    fit_free(&f);
    model_free(m);
}

static void test_validation_apart(void **state)
{
    (void)state;
    Dataset d = classes_data(), other = classes_data();
    other.rows = 12;
    Model *m = make(&d, "net=dense(classes) epochs=2 validation=.5");
    Fit f = {.data = &d, .validation = &other};
    run(m, &f);
    assert_int_equal(f.rows, ROWS);
    assert_int_equal(f.validation_rows, 12);
    fit_free(&f);
    model_free(m);
}

/* ---- Weights, micro-batches ---- */

/* Rows of weight 0 are as good as absent, also a whole batch of them. */
static void test_weightless_rows(void **state)
{
    (void)state;
    Dataset d = values_data(), half = values_data();
    double weight[ROWS] = {0};
    for (int i = 0; i < ROWS / 2; i++)
        weight[i] = 1;
    d.weight = weight;
    half.rows = ROWS / 2;
    const char *options =
        "net=dense(4) tanh dense(targets) loss=mse dtype=float64 optimizer=sgd(lr=.1) epochs=3 batch=15 shuffle=false validation=0";
    Model *a = make(&d, options), *b = make(&half, options);
    Fit f = {.data = &d}, g = {.data = &half};
    run(a, &f);
    run(b, &g);
    const Tensor *x = store_find(&a->store, "0.weight"), *y = store_find(&b->store, "0.weight");
    for (size_t i = 0; i < x->size; i++)
        assert_true(fabs(tensor_get(&a->store, x, i) - tensor_get(&b->store, y, i)) < 1e-12);
    fit_free(&f), fit_free(&g);
    model_free(a), model_free(b);
}

/* Parts of a batch have gradients that add up to the whole one's, whatever the loss and the weights. The last two look
 * at the slope of the net, so that the weights reach them not through its output alone. */
static void test_micro_batches(void **state)
{
    (void)state;
    static const char *const losses[] = {
        "mse", "sse", "steep define='steep(y, t, x): mean((y - t)^2 + sum(grad(y, x)^2, -1))'",
        "steep define='steep(y, t, x): sum((y - t)^2 + sum(grad(y, x)^2, -1))'"};
    Dataset d = values_data();
    d.weight = rows_weight;
    for (int k = 0; k < 4; k++) {
        Model *m[2];
        for (int i = 0; i < 2; i++) {
            Text options = {0};
            text_print(
                &options,
                "net=dense(5) tanh dense(targets) dtype=float64 optimizer=adam(lr=.01) epochs=2 batch=32 validation=0 loss=%s micro=%d",
                losses[k], i ? 5 : 1);
            m[i] = make(&d, text_end(&options));
            Fit f = {.data = &d};
            run(m[i], &f);
            fit_free(&f);
            text_free(&options);
        }
        const Tensor *x = store_find(&m[0]->store, "0.weight"), *y = store_find(&m[1]->store, "0.weight");
        for (size_t i = 0; i < x->size; i++)
            assert_true(fabs(tensor_get(&m[0]->store, x, i) - tensor_get(&m[1]->store, y, i)) < 1e-10);
        model_free(m[0]), model_free(m[1]);
    }
}

/* ---- Clipping and schedules ---- */

static double weight_after(const char *options)
{
    Dataset d = {.rows = 2,
                 .features = 1,
                 .targets = 1,
                 .x_type = DATA_F64,
                 .t_type = DATA_F64,
                 .x = (double[]){1, 1},
                 .t = (double[]){100, 100}};
    Task task = task_of(&d, false);
    Error e = {0};
    Settings s = {0};
    Model *m;
    assert_int_equal(
        settings_parse(&s, "net=dense(1, bias=false) loss=mse dtype=float64 batch=2 validation=0", &e), 0);
    assert_int_equal(settings_parse(&s, options, &e), 0);
    assert_int_equal(model_new(&m, &s, &task, &e), 0);
    tensor_fill(&m->store, store_find(&m->store, "0.weight"), 0);
    Fit f = {.data = &d};
    run(m, &f);
    double w = tensor_get(&m->store, store_find(&m->store, "0.weight"), 0);
    fit_free(&f);
    model_free(m);
    settings_free(&s);
    return w;
}

/* One weight from 0 towards 100: the gradient is 2 (w - 100). */
static void test_clip_and_schedule(void **state)
{
    (void)state;
    assert_true(fabs(weight_after("optimizer=sgd(lr=.1) steps=1") - 20) < 1e-9);
    assert_true(fabs(weight_after("optimizer=sgd(lr=.1) steps=1 clip=norm(5)") - .5) < 1e-6);
    assert_true(fabs(weight_after("optimizer=sgd(lr=.1) steps=1 clip=5") - .5) < 1e-6);
    assert_true(fabs(weight_after("optimizer=sgd(lr=.1) steps=1 clip=value(3)") - .3) < 1e-9);
    assert_true(fabs(weight_after("optimizer=sgd(lr=.1) steps=2 schedule=step(every=1, factor=.5)") -
                     (20 + 80 * .1)) < 1e-9);
    assert_true(fabs(weight_after("optimizer=sgd steps=1 schedule=warmup(over=4)") - 200 * .01 / 4) <
                1e-9); /* the default lr, too */
    assert_true(fabs(weight_after("optimizer=sgd(.1) steps=1 schedule=warmup(over=2)") - 10) <
                1e-9); /* and by position */
}

static void test_rate(void **state)
{
    (void)state;
    Dataset d = classes_data();
    Model *m = make(&d, "net=dense(classes) optimizer=adam(lr=.5) schedule=step(every=10, factor=.1)");
    assert_true(model_rate(m, 1, 100) == .5);
    assert_true(fabs(model_rate(m, 11, 100) - .05) < 1e-12);
    model_free(m);
    m = make(&d, "net=dense(classes) optimizer=mine define=mine(w, g): w -= g");
    assert_true(isnan(model_rate(m, 1, 100)));
    model_free(m);
}

/* `log` is also how often the listener hears of it. */
static void test_log_tells(void **state)
{
    (void)state;
    Dataset d = classes_data();
    Model *m = make(&d, "net=dense(classes) epochs=2 batch=9 log=2 validation=0"); /* 10 steps an epoch */
    Ear ear = {0};
    Fit f = {.data = &d, .listener = hear, .context = &ear};
    run(m, &f);
    assert_true(ear.progresses >= 8); /* but for the steps that end an epoch */
    fit_free(&f);
    model_free(m);
}

/* ---- Files ---- */

static size_t count_lines(const char *path)
{
    Error e = {0};
    char *bytes = NULL;
    size_t size, lines = 0;
    assert_int_equal(file_read(path, &bytes, &size, &e), 0);
    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    memory_release(bytes);
    return lines;
}

static void test_run_directory(void **state)
{
    (void)state;
    Dataset d = classes_data();
    Model *m = make(&d, "net=dense(8) relu dense(classes) epochs=4 batch=16 log=2 seed=1");
    Ear ear = {0};
    Fit f = {.data = &d, .directory = within("run", ""), .listener = hear, .context = &ear};
    run(m, &f);
    assert_int_equal(count_lines(within("run", "log.csv")), 1 + 4 + 24 / 2);
    assert_int_equal(ear.checkpoints, 2); /* at step 0 and at the end */
    Model *copy;
    Error e = {0};
    assert_int_equal(model_open(&copy, within("run", ""), NULL, &e), 0);
    float y[CLASSES * ROWS], z[CLASSES * ROWS];
    assert_int_equal(model_predict(m, rows_x, DATA_F64, ROWS, y, DATA_F32, &e), 0);
    assert_int_equal(model_predict(copy, rows_x, DATA_F64, ROWS, z, DATA_F32, &e), 0);
    assert_memory_equal(y, z, sizeof y);
    model_free(copy);
    fit_free(&f);
    model_free(m);
}

/* Rows for people and plots between, and norms of gradients beside, change nothing. */
static void test_log_changes_nothing(void **state)
{
    (void)state;
    static const char *const name[] = {"log0", "log1"};
    Dataset d = classes_data();
    for (int i = 0; i < 2; i++) {
        Text options = {0};
        text_print(&options, "net=dense(24) relu dense(classes) epochs=3 batch=16 %s", i ? "log=1" : "log=0");
        Model *m = make(&d, text_end(&options));
        Fit f = {.data = &d, .directory = i ? within(name[i], "") : NULL};
        run(m, &f);
        Error e = {0};
        assert_int_equal(file_directory(within(name[i], ""), &e), 0);
        Store copy;
        assert_int_equal(store_copy(&copy, &m->store, STORE_MODEL, &e), 0);
        static Store before;
        if (i) assert_true(store_equal(&before, &copy));
        if (i) store_free(&before), store_free(&copy);
        if (!i) before = copy;
        fit_free(&f);
        model_free(m);
        text_free(&options);
    }
}

/* ---- Resuming ---- */

/* Runs, and resumes as long as the listener stops it. Returns how often it began. */
static int resume_until_done(const Dataset *d, const char *options, const char *directory, Ear ear)
{
    int sessions = 0;
    for (bool stopped = true; stopped; sessions++) {
        Model *m = make(d, options);
        Ear now = ear;
        Fit f = {.data = d,
                 .directory = within(directory, ""),
                 .resume = sessions > 0,
                 .listener = hear,
                 .context = &now};
        run(m, &f);
        stopped = f.stopped;
        fit_free(&f);
        model_free(m);
    }
    return sessions;
}

static void expect_resumed(const Dataset *d, const char *options, const char *name, Ear ear, int sessions)
{
    char whole[64], parts[64];
    snprintf(whole, sizeof whole, "%s-whole", name);
    snprintf(parts, sizeof parts, "%s-parts", name);
    assert_int_equal(resume_until_done(d, options, whole, (Ear){0}), 1);
    assert_true(resume_until_done(d, options, parts, ear) >= sessions);
    expect_same_file(whole, parts, "model.safetensors");
    expect_same_file(whole, parts, "checkpoint.safetensors");
    expect_same_file(whole, parts, "log.csv");
}

/* With every optimizer there is. */
static void test_resume_is_as_never_stopped(void **state)
{
    (void)state;
    Dataset d = classes_data();
    int optimizers = 0;
    const Definition *row;
    for (size_t i = 0; (row = nn_row(i)); i++) {
        if (strcmp(row->category, "optimizer")) continue;
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(row->row, " ("), row->row);
        Text options = {0};
        text_print(
            &options,
            "net=dense(6) relu dropout(.2) dense(classes) epochs=4 batch=20 optimizer=%s%s log=3 schedule=cosine(warmup=2) seed=4",
            name, !strcmp(name, "sgd") ? "(momentum=.9)" : "");
        expect_resumed(&d, text_end(&options), name, (Ear){.stop_at_epoch = 1}, 4);
        text_free(&options);
        optimizers++;
    }
    assert_true(optimizers >= 7);
}

static void test_resume_within_an_epoch(void **state)
{
    (void)state;
    Dataset d = classes_data();
    d.weight = rows_weight;
    expect_resumed(
        &d,
        "net=dense(6) tanh dense(classes) epochs=3 batch=20 optimizer=adam log=2 validation=.2 patience=2 monitor=accuracy",
        "midway", (Ear){.stop_midway = true}, 5);
}

/* Windows of a text whose states go on from batch to batch: 41 rows in 5 streams, one of which is longer. */
static Dataset stream_data(void)
{
    static int32_t x[41 * 4 + 1];
    static size_t start[41];
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (int32_t)(i * i / 3 % 5);
    for (size_t i = 0; i < 41; i++)
        start[i] = 4 * i;
    return (Dataset){.rows = 41,
                     .features = 4,
                     .targets = 4,
                     .x_type = DATA_I32,
                     .t_type = DATA_I32,
                     .x = x,
                     .t = x + 1,
                     .start = start,
                     .classes = 5,
                     .vocabulary = 5,
                     .next = true,
                     .stream = true,
                     .ordered = true,
                     .x_rank = 1,
                     .x_shape = {4}};
}

static void test_resume_of_carried_states(void **state)
{
    (void)state;
    Dataset d = stream_data();
    expect_resumed(
        &d,
        "net=embedding(vocabulary, 3) lstm(4, carry=true) dense(classes) epochs=3 batch=5 optimizer=adam log=2 validation=.1",
        "carried", (Ear){.stop_midway = true}, 5);
}

static void test_streams(void **state)
{
    static const size_t wanted[] = {0, 3, 6, 1, 4, 7, 2, 5, 8};
    (void)state;
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(dataset_stream(9, 3, i), wanted[i]);
    for (size_t i = 0; i < 8; i++) /* 0 1 2, 3 4 5, 6 7 */
        assert_int_equal(dataset_stream(8, 3, i), wanted[i]);
    static const size_t last[] = {0, 3, 5, 1, 4, 6, 2}; /* 0 1 2, 3 4, 5 6 */
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(dataset_stream(7, 3, i), last[i]);
}

static void test_resume_of_a_finished_run(void **state)
{
    (void)state;
    Dataset d = classes_data();
    const char *options = "net=dense(6) tanh dense(classes) epochs=3";
    resume_until_done(&d, options, "finished", (Ear){0});
    resume_until_done(&d, options, "again", (Ear){0});
    Model *m = make(&d, options);
    Fit f = {.data = &d, .directory = within("again", ""), .resume = true};
    run(m, &f);
    expect_same_file("finished", "again", "model.safetensors");
    expect_same_file("finished", "again", "log.csv");
    fit_free(&f);
    model_free(m);
}

static void test_resume_with_other_rows(void **state)
{
    (void)state;
    Dataset d = classes_data();
    const char *options = "net=dense(classes) epochs=2";
    resume_until_done(&d, options, "rows", (Ear){0});
    d.rows = 60;
    Model *m = make(&d, options);
    Error e = {0};
    Fit f = {.data = &d, .directory = within("rows", ""), .resume = true};
    assert_int_equal(fit_run(m, &f, &e), NUDGE_INPUT);
    assert_non_null(strstr(e.message, "81 training rows, but there are 54 now"));
    fit_free(&f);
    model_free(m);
}

/* ---- Divergence ---- */

static void expect_divergence(const char *options, const char *fragment, const char *advice)
{
    Dataset d = values_data();
    Model *m = make(&d, options);
    Error e = {0};
    Fit f = {.data = &d, .directory = within("diverged", "")};
    int status = fit_run(m, &f, &e);
    if (status != NUDGE_DIVERGED || !strstr(e.message, fragment) || !strstr(e.message, advice))
        print_error("%d: %s\n", status, e.message);
    assert_int_equal(status, NUDGE_DIVERGED);
    assert_non_null(strstr(e.message, fragment));
    assert_non_null(strstr(e.message, advice));
    assert_non_null(strstr(e.message, "last good checkpoint: "));
    assert_null(store_broken(&m->store)); /* the model has its last good weights */
    Model *kept;
    error_clear(&e);
    assert_int_equal(model_open(&kept, within("diverged", ""), NULL, &e), 0);
    assert_null(store_broken(&kept->store));
    model_free(kept);
    fit_free(&f);
    model_free(m);
}

static void test_divergence_is_explained(void **state)
{
    (void)state;
    expect_divergence(
        "net=dense(8) relu dense(targets) loss=mse optimizer=sgd(lr=1e6) epochs=30 validation=0 batch=45",
        "layer ", "lower lr (now 1e+06) or add clip=1");
    expect_divergence("net=dense(4) hole dense(targets) loss=mse optimizer=sgd(lr=.1) epochs=3 validation=0 "
                      "define=hole(x): where(0 < x, x, 1/0)",
                      "loss became infinite at step 1 (first in layer 1, hole, forward: where gave inf)",
                      "no update was made before it");
    /* Forward all is well; the slope of sqrt at 0 is what spoils the weights, and the next loss shows it. */
    expect_divergence(
        "net=dense(4) cliff dense(targets) loss=mse optimizer=sgd(lr=.1) epochs=3 validation=0 "
        "define=cliff(x): sqrt(x - stop(x))",
        "loss became NaN at step 2 (first in layer 1, cliff, backward: mulz gave inf, at step 1)", "clip=1");
    expect_divergence("net=dense(4) tanh dense(targets) loss=mine optimizer=sgd(lr=.1) epochs=3 validation=0 "
                      "define=mine(y, t): mean(log(y - y))",
                      "(first in the loss, forward: log gave inf)", "no update was made before it");
    /* With no step after it, the last one is found out by its weights. */
    expect_divergence(
        "net=dense(4) cliff dense(targets) loss=mse optimizer=sgd(lr=.1) steps=1 validation=0 "
        "define=cliff(x): sqrt(x - stop(x))",
        "weights became infinite or NaN at step 1 (first in layer 1, cliff, backward: mulz gave inf)",
        "clip=1");
}

/* Late in a run it is searched for from a copy of the state, not from the start; that state is what remains. */
static void test_late_divergence(void **state)
{
    (void)state;
    Dataset d = values_data();
    Model *m =
        make(&d, "net=dense(4) tanh dense(targets) loss=mse optimizer=sgd(lr=.01) schedule=late epochs=300 "
                 "batch=30 validation=0 define=late(t, steps): where(t < 333, 1, 1e38)");
    Error e = {0};
    Fit f = {.data = &d};
    assert_int_equal(fit_run(m, &f, &e), NUDGE_DIVERGED);
    if (!strstr(e.message, " at step 334 (first in ")) print_error("%s\n", e.message);
    assert_non_null(strstr(e.message, " at step 334 (first in "));
    assert_int_equal(m->steps, 200);
    assert_null(store_broken(&m->store));
    fit_free(&f);
    model_free(m);
}

static void test_divergence_without_files(void **state)
{
    (void)state;
    Dataset d = values_data();
    Model *m = make(
        &d,
        "net=dense(8) relu dense(targets) loss=mse optimizer=sgd(lr=1e5) epochs=300 validation=.2 clip=norm(1e30)");
    Error e = {0};
    Fit f = {.data = &d};
    assert_int_equal(fit_run(m, &f, &e), NUDGE_DIVERGED);
    assert_null(strstr(e.message, "checkpoint"));
    assert_null(strstr(e.message, "clip=1"));
    assert_non_null(strstr(e.message, " at step "));
    assert_null(store_broken(&m->store));
    fit_free(&f);
    model_free(m);
}

/* ---- Memory that runs out ---- */

static long allocations, fails_at;
static void *failing_heap(void *context, void *block, size_t size)
{
    (void)context;
    if (!size) {
        free(block);
        return NULL;
    }
    return ++allocations == fails_at ? NULL : realloc(block, size);
}

static int hear_nothing(void *context, const nudge_event *event)
{
    (void)context;
    return event->json[0] != '{';
}

static int exercise(const Dataset *d, const char *options, Error *e)
{
    Settings s = {0};
    Task task = task_of(d, true);
    Model *m = NULL;
    int status = settings_parse(&s, options, e);
    if (!status) status = model_new(&m, &s, &task, e);
    for (int resume = 0; !status && resume < 2; resume++) {
        Fit f = {.data = d, .directory = within("failing", ""), .resume = resume, .listener = hear_nothing};
        status = fit_run(m, &f, e);
        fit_free(&f);
    }
    model_free(m);
    settings_free(&s);
    return status;
}

/* Of a run with files, of its resumption, and of the search for what made another one diverge. */
static void test_allocations_fail(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        int status;
    } row[] = {
        {"net=dense(3) relu dense(targets) optimizer=adam epochs=2 log=1 batch=40 clip=1 micro=2 monitor=rmse loss=mse",
         NUDGE_OK},
        {"net=dense(3) relu dense(targets) optimizer=sgd(lr=1e9) epochs=9 batch=45 loss=mse", NUDGE_DIVERGED},
    };
    Dataset d = values_data();
    nudge_allocator(failing_heap, NULL);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        Error e = {0};
        allocations = fails_at = 0;
        assert_int_equal(exercise(&d, row[i].options, &e), row[i].status);
        long all = allocations;
        for (fails_at = (long)i + 1; fails_at <= all; fails_at += 17) {
            allocations = 0;
            error_clear(&e);
            int status = exercise(&d, row[i].options, &e);
            assert_true(status == NUDGE_MACHINE || status == row[i].status);
        }
    }
    fails_at = 0;
    nudge_allocator(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epochs_and_steps),
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_order_of_rows),
        cmocka_unit_test(test_loss_of_an_epoch),
        cmocka_unit_test(test_random_layers),
        cmocka_unit_test(test_best_weights_are_kept),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_monitor),
        cmocka_unit_test(test_validation_apart),
        cmocka_unit_test(test_weightless_rows),
        cmocka_unit_test(test_micro_batches),
        cmocka_unit_test(test_clip_and_schedule),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_log_tells),
        cmocka_unit_test(test_run_directory),
        cmocka_unit_test(test_log_changes_nothing),
        cmocka_unit_test(test_resume_is_as_never_stopped),
        cmocka_unit_test(test_resume_of_carried_states),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_resume_within_an_epoch),
        cmocka_unit_test(test_resume_of_a_finished_run),
        cmocka_unit_test(test_resume_with_other_rows),
        cmocka_unit_test(test_divergence_is_explained),
        cmocka_unit_test(test_late_divergence),
        cmocka_unit_test(test_divergence_without_files),
        cmocka_unit_test(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
