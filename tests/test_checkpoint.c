/* Model files and checkpoints: what they hold, what they do not, and what is said when they do not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/file.h"
#include "train/checkpoint.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[] = "/tmp/nudge-checkpoint-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static const char *within(const char *file)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", root, file);
    return path;
}

static Model *make(const char *options, const Task *task)
{
    Error e = {0};
    Settings s = {0};
    Model *m;
    int status = settings_parse(&s, options, &e);
    if (!status) status = model_new(&m, &s, task, &e);
    if (status) print_error("%s\n", e.message);
    assert_int_equal(status, 0);
    settings_free(&s);
    return m;
}

static const Task plain = {.features = 3, .classify = true, .classes = 4};

/* One step over two rows, so that the optimizer has a state. */
static void step(Model *m)
{
    Dataset d = {.rows = 2,
                 .features = 3,
                 .targets = 1,
                 .x_type = DATA_F32,
                 .t_type = DATA_I32,
                 .classes = 4,
                 .x = (float[]){1, 2, 3, 4, 5, 6},
                 .t = (int32_t[]){0, 3}};
    Error e = {0};
    assert_int_equal(model_step(m, &d, NULL, &e), 0);
}

static void expect_error(Error *e, int status, const char *fragment)
{
    if (status != NUDGE_INPUT || !strstr(e->message, fragment)) print_error("%d: %s\n", status, e->message);
    assert_int_equal(status, NUDGE_INPUT);
    assert_non_null(strstr(e->message, fragment));
    error_clear(e);
}

static void test_metadata(void **state)
{
    (void)state;
    Error e = {0};
    Model *m = make(
        "net=dense(6) gate dense(classes) loss=cross_entropy(smoothing=.1) seed=9 dtype=float64 threads=2 isa=base "
        "output=runs/x ignore=[a, b] data=train.csv define=gate(x): x*sigmoid(2*x)",
        &plain);
    assert_int_equal(model_set_note(m, "columns", "{\"a\": 1}", &e), 0);
    assert_int_equal(model_set_note(m, "columns", "{\"a\": 2}", &e), 0); /* replaced */
    assert_int_equal(model_set_note(m, "class_names", "[\"w\", \"x\", \"y\", \"z\"]", &e), 0);
    assert_int_equal(model_save(m, NULL, within("a.safetensors"), &e), 0);
    Safetensors f;
    assert_int_equal(safetensors_open(&f, within("a.safetensors"), &e), 0);
    assert_string_equal(safetensors_note(&f, "net"), "dense(6) gate dense(classes)");
    assert_string_equal(safetensors_note(&f, "define.gate(x)"), "x*sigmoid(2*x)");
    assert_string_equal(safetensors_note(&f, "classes"), "4");
    assert_string_equal(safetensors_note(&f, "task"), "classify");
    assert_string_equal(safetensors_note(&f, "columns"), "{\"a\": 2}");
    static const char *const absent[] = {"threads", "isa", "output", "ignore", "data", "step"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_null(safetensors_note(&f, absent[i]));
    const SafetensorsTensor *w = safetensors_find(&f, "0.weight");
    assert_int_equal(w->rank, 2);
    assert_int_equal(w->shape[0], 6); /* [out, in] */
    assert_int_equal(w->shape[1], 3);
    for (size_t i = 0; i < f.count; i++)
        assert_null(strstr(f.tensor[i].name, "optimizer"));
    safetensors_close(&f);
    Model *copy;
    assert_int_equal(model_open(&copy, within("a.safetensors"), NULL, &e), 0);
    assert_true(store_equal(&m->store, &copy->store) || copy->store.count > m->store.count);
    assert_string_equal(model_note(copy, "columns"), "{\"a\": 2}");
    assert_string_equal(model_note(copy, "class_names"), model_note(m, "class_names"));
    assert_null(model_note(copy, "nothing"));
    assert_string_equal(settings_text(&copy->settings, "loss"), "cross_entropy(smoothing=.1)");
    model_free(copy);
    model_free(m);
}

static void test_checkpoint_round_trip(void **state)
{
    (void)state;
    Error e = {0};
    Model *m = make("net=dense(5) tanh dense(classes) optimizer=adam", &plain),
          *n = make("net=dense(5) tanh dense(classes) optimizer=adam seed=2", &plain);
    Store best, loaded = {0};
    assert_int_equal(store_copy(&best, &m->store, STORE_MODEL, &e), 0);
    step(m);
    step(m);
    m->baseline[2] = .75;
    m->baseline[0] = .25;
    Progress p = {.step = 2,
                  .epoch = 1,
                  .row = 32,
                  .rows = 100,
                  .loss = .1,
                  .weight = 1. / 3,
                  .best_epoch = 1,
                  .best_step = 1,
                  .best = 1e-300,
                  .best_loss = (double)NAN,
                  .waited = 4},
             q = {0};
    assert_int_equal(checkpoint_save(m, &p, &best, within("c.safetensors"), &e), 0);
    assert_int_equal(checkpoint_load(n, &q, &loaded, within("c.safetensors"), &e), 0);
    assert_memory_equal(&p, &q, sizeof p);
    assert_true(store_equal(&m->store, &n->store));
    assert_true(store_equal(&best, &loaded));
    assert_false(store_equal(&loaded, &n->store));
    assert_int_equal(n->steps, 2);
    assert_true(n->baseline[2] == .75);
    store_free(&loaded);
    /* Where the weights are the best, they are not written twice. */
    assert_int_equal(store_copy(&loaded, &m->store, STORE_MODEL, &e), 0);
    assert_int_equal(checkpoint_save(m, &p, &loaded, within("d.safetensors"), &e), 0);
    store_free(&loaded);
    Safetensors f;
    assert_int_equal(safetensors_open(&f, within("d.safetensors"), &e), 0);
    assert_null(safetensors_find(&f, "best.0.weight"));
    safetensors_close(&f);
    assert_int_equal(checkpoint_load(n, &q, &loaded, within("d.safetensors"), &e), 0);
    assert_true(store_equal(&loaded, &n->store));
    store_free(&loaded);
    store_free(&best);
    model_free(m);
    model_free(n);
}

static void test_other_nets(void **state)
{
    (void)state;
    static const struct {
        const char *options, *message;
    } row[] = {
        {"net=dense(5) tanh dense(8) relu dense(classes)", "layer 2 has 8 outputs here, 4 in the checkpoint"},
        {"net=dense(7) tanh dense(classes)", "layer 0 has 7 outputs here, 5 in the checkpoint"},
        {"net=dense(5) dense(classes)", "1.weight is not in the checkpoint"},
        {"net=dense(classes)", "layer 0 has 4 outputs here, 5 in the checkpoint"},
        {"net=dense(5) tanh dense(classes) optimizer=sgd",
         "optimizer.0.weight.exp_avg is in the checkpoint, but not here"},
        {"net=dense(5) tanh dense(classes) optimizer=rmsprop",
         "recipe and checkpoint differ: optimizer.0.weight."},
    };
    Error e = {0};
    Store best = {0};
    Model *m = make("net=dense(5) tanh dense(classes) optimizer=adam", &plain);
    Progress p = {.rows = 1};
    assert_int_equal(checkpoint_save(m, &p, NULL, within("e.safetensors"), &e), 0);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        Model *n = make(row[i].options, &plain);
        expect_error(&e, checkpoint_load(n, &p, &best, within("e.safetensors"), &e), row[i].message);
        model_free(n);
    }
    assert_int_equal(model_save(m, NULL, within("f.safetensors"), &e), 0);
    expect_error(&e, checkpoint_load(m, &p, &best, within("f.safetensors"), &e), "is no checkpoint");
    expect_error(&e, checkpoint_load(m, &p, &best, within("none.safetensors"), &e), "none.safetensors");
    model_free(m);
}

static void test_no_models(void **state)
{
    (void)state;
    Error e = {0};
    Model *m;
    float one[1] = {1};
    SafetensorsTensor t = {"w", SAFETENSORS_F32, 1, {1}, one};
    assert_int_equal(safetensors_save(within("t.safetensors"), &t, 1, NULL, 0, &e), 0);
    expect_error(&e, model_open(&m, within("t.safetensors"), NULL, &e), "no model that nudge saved");
    assert_null(m);
    static const SafetensorsNote half[] = {
        {"net", "dense(2)"}, {"features", "3"}, {"task", "classify"}, {"classes", "2"}};
    assert_int_equal(safetensors_save(within("h.safetensors"), &t, 1, half, 4, &e), 0);
    expect_error(&e, model_open(&m, within("h.safetensors"), NULL, &e), "0.weight is not in the file");
    static const SafetensorsNote wrong[] = {
        {"net", "dense(2"}, {"features", "3"}, {"task", "classify"}, {"classes", "2"}};
    assert_int_equal(safetensors_save(within("w.safetensors"), &t, 1, wrong, 4, &e), 0);
    expect_error(&e, model_open(&m, within("w.safetensors"), NULL, &e), "w.safetensors: net");
    assert_int_equal(file_write(within("g.safetensors"), "garbage", 7, &e), 0);
    expect_error(&e, model_open(&m, within("g.safetensors"), NULL, &e), "g.safetensors");
    expect_error(&e, model_open(&m, root, NULL, &e), "model.safetensors");
}

/* Every byte of a file spoilt in turn: an error, or a model, never a crash. */
static void test_spoilt_bytes(void **state)
{
    (void)state;
    Error e = {0};
    Text out = {0};
    Model *m = make("net=dense(2) tanh dense(classes)", &plain), *copy;
    assert_int_equal(model_write(m, NULL, &out, &e), 0);
    int refused = 0;
    for (size_t i = 0; i < out.length; i += 1 + i / 40) {
        char kept = out.s[i];
        out.s[i] = (char)(kept ^ 0x15);
        refused += model_read(&copy, "spoilt", out.s, out.length, NULL, &e) != 0;
        error_clear(&e);
        model_free(copy);
        out.s[i] = kept;
    }
    assert_true(refused > 10);
    text_free(&out);
    model_free(m);
}

static void test_initial_weights(void **state)
{
    (void)state;
    Error e = {0};
    Model *a = make("net=dense(5) tanh dense(classes) dtype=float64", &plain);
    tensor_fill(&a->store, store_find(&a->store, "0.weight"), .125);
    assert_int_equal(model_save(a, NULL, within("i.safetensors"), &e), 0);
    Text options = {0};
    text_print(&options, "net=dense(5) relu dense(classes) relu dense(classes) init=%s",
               within("i.safetensors"));
    Model *b = make(text_end(&options), &plain);
    assert_true(tensor_get(&b->store, store_find(&b->store, "0.weight"), 3) == .125); /* float64 to float32 */
    Model *c;
    unlink(within("i.safetensors"));
    assert_int_equal(model_clone(b, &c, &e), 0); /* does not read it again */
    model_free(c);
    Settings s = {0};
    assert_int_equal(settings_parse(&s, text_end(&options), &e), 0);
    assert_int_equal(settings_set(&s, "net", "dense(6) relu dense(4)", "test", &e), 0);
    assert_int_equal(model_save(a, NULL, within("i.safetensors"), &e), 0);
    expect_error(&e, model_new(&c, &s, &plain, &e), "layer 0 has 6 outputs here, 5 in the file");
    assert_int_equal(settings_set(&s, "net", "relu tanh relu dense(4)", "test", &e), 0);
    expect_error(&e, model_new(&c, &s, &plain, &e), "has no weight by a name of this net");
    settings_free(&s);
    text_free(&options);
    model_free(a);
    model_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metadata),     cmocka_unit_test(test_checkpoint_round_trip),
        cmocka_unit_test(test_other_nets),   cmocka_unit_test(test_no_models),
        cmocka_unit_test(test_spoilt_bytes), cmocka_unit_test(test_initial_weights),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
