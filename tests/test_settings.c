/* test_settings.c: a recipe's values come out as they went in, and a mistake says where it is and what to do. */
#include "train/settings.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_heap.h"

static void parsed(Settings *s, const char *options)
{
    Error e = {0};
    *s = (Settings){0};
    settings_parse(s, options, &e);
    assert_string_equal(e.message, "");
}

static void expect_text(const Settings *s, const char *key, const char *expected)
{
    const char *text = settings_text(s, key);
    assert_non_null(text);
    assert_string_equal(text, expected);
}

static void reads_lines(void **state)
{
    (void)state;
    Settings s;
    parsed(
        &s,
        "  loss=sse seed=7 optimizer=adam(lr=1e-3, beta1=0.9)\n net='dense(4) relu' shuffle=No validation=.25 ");
    expect_text(&s, "loss", "sse");
    assert_int_equal(settings_integer(&s, "seed"), 7);
    expect_text(&s, "optimizer", "adam(lr=1e-3, beta1=0.9)");
    expect_text(&s, "net", "dense(4) relu");
    assert_false(settings_flag(&s, "shuffle"));
    expect_text(&s, "shuffle", "false");
    assert_true(settings_number(&s, "validation") == 0.25);
    assert_string_equal(settings_origin(&s, "loss"), "options");
    settings_free(&s);

    parsed(&s, "net=dense(4) relu residual(conv(8, 3, pad = 1) relu)   dense(1) loss=mse");
    expect_text(&s, "net", "dense(4) relu residual(conv(8, 3, pad = 1) relu)   dense(1)");
    expect_text(&s, "loss", "mse");
    settings_free(&s);

    parsed(&s, "loss=\"huber(delta=2) \\u00e9\" weight='it''s' delimiter=\"\\t\" epochs=1e3");
    expect_text(&s, "loss", "huber(delta=2) \xC3\xA9");
    expect_text(&s, "weight", "it's");
    expect_text(&s, "delimiter", "\t");
    assert_int_equal(settings_integer(&s, "epochs"), 1000);
    settings_free(&s);

    parsed(&s, "");
    assert_int_equal(s.count, 0);
    settings_free(&s);
}

static void has_defaults(void **state)
{
    (void)state;
    Settings s = {0};
    assert_int_equal(settings_integer(&s, "seed"), 1);
    assert_true(settings_number(&s, "validation") == 0.1);
    assert_true(settings_flag(&s, "shuffle"));
    expect_text(&s, "dtype", "float32");
    assert_null(settings_text(&s, "net"));
    assert_true(isnan(settings_number(&s, "epochs")));
    assert_int_equal(settings_integer(&s, "epochs"), 0);
    assert_false(settings_is_set(&s, "seed"));
    assert_false(settings_flag(&s, "header"));
    assert_null(settings_list(&s, "ignore", 0));
    assert_null(settings_entry(&s, "define", 0));
    assert_null(settings_named(&s, "data", "test"));
    assert_string_equal(settings_origin(&s, "seed"), "default");

    Error e = {0}; /* a later value replaces an earlier one; an empty one takes it back */
    assert_int_equal(settings_set(&s, "seed", "5", "a.yaml:1", &e), 0);
    assert_int_equal(settings_set(&s, "seed", " 6 ", "command line", &e), 0);
    assert_int_equal(settings_integer(&s, "seed"), 6);
    expect_text(&s, "seed", "6");
    assert_string_equal(settings_origin(&s, "seed"), "command line");
    assert_int_equal(s.count, 1);
    assert_int_equal(settings_argument(&s, "seed=", "command line", &e), 0);
    assert_int_equal(settings_integer(&s, "seed"), 1);
    assert_int_equal(s.count, 0);
    settings_set(&s, "epochs", "20", "a.yaml:1", &e); /* steps and epochs stand for each other */
    settings_set(&s, "steps", "500", "command line", &e);
    assert_false(settings_is_set(&s, "epochs"));
    settings_set(&s, "epochs", "30", "command line", &e);
    assert_false(settings_is_set(&s, "steps"));
    assert_int_equal(settings_integer(&s, "epochs"), 30);
    settings_free(&s);
}

static void reads_arguments(void **state)
{
    (void)state;
    Settings s = {0};
    Error e = {0};
    assert_int_equal(settings_argument(&s, "net=dense(4) relu", "command line", &e), 0);
    assert_int_equal(settings_argument(&s, "define.f(x, a=1)=a*x == x", "command line", &e), 0);
    expect_text(&s, "net", "dense(4) relu");
    assert_string_equal(settings_named(&s, "define", "f")->value, "a*x == x");
    assert_string_equal(settings_named(&s, "define", "f")->name, "f(x, a=1)");
    assert_int_equal(settings_argument(&s, "iris.csv", "command line", &e), NUDGE_INPUT);
    assert_string_equal(e.message,
                        "command line: \"iris.csv\" is not of the form KEY=VALUE, such as epochs=20");
    settings_free(&s);
}

static void reads_lists(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        const char *items[4];
    } cases[] = {{"ignore=id", {"id"}},
                 {"ignore=id,name", {"id", "name"}},
                 {"ignore=[id, name]", {"id", "name"}},
                 {"ignore=[ \"a, b\" , 'it''s', c d ,]", {"a, b", "it's", "c d"}},
                 {"ignore=[\"\", \"\\\"]\"]", {"", "\"]"}},
                 {"ignore=[]", {NULL}},
                 {"ignore=sepal length, petal width seed=1", {"sepal length", "petal width"}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Settings s;
        parsed(&s, cases[i].options);
        assert_true(settings_is_set(&s, "ignore"));
        for (size_t k = 0; k < 4; k++) {
            const char *item = settings_list(&s, "ignore", k);
            assert_int_equal(!item, !cases[i].items[k]);
            if (!item) break;
            assert_string_equal(item, cases[i].items[k]);
        }
        settings_free(&s);
    }
}

static void reads_files(void **state)
{
    (void)state;
    Settings s;
    parsed(&s, "data.test=old.csv data={train: [x.idx, 'y, z.idx'], validation: v.csv} data.test=t.csv");
    const Setting *train = settings_named(&s, "data", "train");
    assert_int_equal(train->count, 2);
    assert_string_equal(setting_item(train, 0), "x.idx");
    assert_string_equal(setting_item(train, 1), "y, z.idx");
    assert_null(setting_item(train, 2));
    assert_string_equal(settings_named(&s, "data", "validation")->value, "v.csv");
    assert_string_equal(settings_named(&s, "data", "test")->value, "t.csv");
    Error e = {0};
    assert_int_equal(settings_set(&s, "data", "one, two.csv", "command line", &e), 0);
    assert_string_equal(settings_named(&s, "data", "train")->value, "one, two.csv");
    assert_null(settings_entry(&s, "data", 1));
    assert_int_equal(settings_set(&s, "data", "", "command line", &e), 0);
    assert_false(settings_is_set(&s, "data"));
    settings_free(&s);
}

static void reads_definitions(void **state)
{
    (void)state;
    Settings s;
    parsed(
        &s,
        "define.gate(x)=x*sigmoid(x) define=\"twice(x): 2*x\\nloss2 (y, t): e = y - t;\\n  e < 0 ? e : 2*e\\n\" "
        "define.scale(x, a=1 | w[n])=a*x @ w' + b' seed=3");
    static const char *const expected[][2] = {{"gate(x)", "x*sigmoid(x)"},
                                              {"twice(x)", "2*x"},
                                              {"loss2 (y, t)", "e = y - t;\n  e < 0 ? e : 2*e"},
                                              {"scale(x, a=1 | w[n])", "a*x @ w' + b'"}};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(settings_entry(&s, "define", i)->name, expected[i][0]);
        assert_string_equal(settings_entry(&s, "define", i)->value, expected[i][1]);
    }
    assert_null(settings_entry(&s, "define", 4));
    assert_int_equal(settings_integer(&s, "seed"), 3);
    Error e = {0}; /* the same name with other arguments is another version of it, not a second one */
    assert_int_equal(settings_set(&s, "define.gate(x, b)", "b*x", "a.yaml:9", &e), 0);
    assert_string_equal(settings_named(&s, "define", "gate")->value, "b*x");
    assert_string_equal(settings_named(&s, "define", "gate")->origin, "a.yaml:9");
    assert_null(settings_entry(&s, "define", 4));
    assert_null(settings_named(&s, "define", "gat"));
    assert_int_equal(settings_set(&s, "define", "{a(x): x, b(x, y): \"x: y\"}", "command line", &e), 0);
    assert_string_equal(settings_named(&s, "define", "b")->value, "x: y");
    settings_free(&s);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *message;
    } cases[] = {
        {"epoch", "20", "r.yaml:4: no key is called epoch; did you mean epochs?"},
        {"wibble", "20", "r.yaml:4: no key is called wibble; `nudge help recipe` lists them"},
        {"epochs", "abc", "r.yaml:4: epochs: \"abc\" is not a whole number from 1 on; give one such as 20"},
        {"epochs", "0", "r.yaml:4: epochs: \"0\" is not a whole number from 1 on; give one such as 20"},
        {"epochs", "2.5", "r.yaml:4: epochs: \"2.5\" is not a whole number from 1 on; give one such as 20"},
        {"epochs", "1e17", "r.yaml:4: epochs: \"1e17\" is not a whole number from 1 on; give one such as 20"},
        {"epochs", "20 30",
         "r.yaml:4: epochs: \"20 30\" is not a whole number from 1 on; give one such as 20"},
        {"validation", "1",
         "r.yaml:4: validation: \"1\" is not a number from 0 to 0.9; give one such as 0.1"},
        {"validation", "nan",
         "r.yaml:4: validation: \"nan\" is not a number from 0 to 0.9; give one such as 0.1"},
        {"threads", "-1",
         "r.yaml:4: threads: \"-1\" is not a whole number from 0 to 4096; give one such as 2"},
        {"shuffle", "maybe", "r.yaml:4: shuffle: \"maybe\" is neither true nor false"},
        {"task", "clasify",
         "r.yaml:4: task: \"clasify\" is not one of classify, regress, labels, reconstruct, next; did you mean classify?"},
        {"dtype", "bf16", "r.yaml:4: dtype: \"bf16\" is not one of float32, float64"},
        {"net", "[\"dense(4)\", \"relu\"]",
         "r.yaml:4: net: [dense(4), relu] is a list; write one text, such as dense(32) relu dense(classes)"},
        {"epochs.more", "1", "r.yaml:4: epochs: has no part more; write it with a value such as 20"},
        {"ignore", "[a, b", "r.yaml:4: ignore: the list [a, b does not end with its closing ]"},
        {"ignore", "[a], b", "r.yaml:4: ignore: the list [a], b does not end with its closing ]"},
        {"ignore", "a,,b", "r.yaml:4: ignore: an item of the list is empty; write \"\" for an empty text"},
        {"ignore", "[\"a", "r.yaml:4: ignore: the list [\"a does not end with its closing ]"},
        {"ignore", "\"a\" b", "r.yaml:4: ignore: \"a\" b opens with a quote that does not close at its end"},
        {"ignore", "\"\\x\"",
         "r.yaml:4: ignore: the quoted text: byte 2: 'x' where one of \" \\ / b f n r t u after a backslash is expected"},
        {"data.tset", "t.csv",
         "r.yaml:4: data.tset: \"tset\" is not one of train, test, validation; did you mean test?"},
        {"data", "{train: a", "r.yaml:4: data: the map {train: a does not end with its closing }"},
        {"data", "{train}", "r.yaml:4: data: \"train\" is not an entry; write NAME: VALUE"},
        {"data", "{: a.csv}", "r.yaml:4: data: an entry has no name"},
        {"define.gate", "x",
         "r.yaml:4: define.gate: the name needs its arguments, as in gate(x): x * sigmoid(1.7*x)"},
        {"define", "x*2",
         "r.yaml:4: define: \"x*2\" does not begin with NAME(ARGUMENTS): as in gate(x): x * sigmoid(1.7*x)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Settings s = {0};
        Error e = {0};
        assert_int_equal(settings_take(&s, cases[i].key, cases[i].value, "r.yaml:4", &e), NUDGE_INPUT);
        assert_string_equal(e.message, cases[i].message);
        assert_int_equal(s.count, 0);
        settings_free(&s);
    }
}

static void refuses_lines(void **state)
{
    (void)state;
    static const struct {
        const char *options, *message;
    } cases[] = {
        {"relu loss=sse", "options: \"relu loss=sse\" does not begin with KEY=VALUE, such as epochs=20"},
        {"loss=sse epoch=3", "options: no key is called epoch; did you mean epochs?"},
        {"net='dense(4) relu",
         "options: net: 'dense(4) relu opens with a quote that does not close at its end"},
        {"net='dense(4)' relu",
         "options: net: 'dense(4)' relu opens with a quote that does not close at its end"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Settings s = {0};
        Error e = {0};
        assert_int_equal(settings_parse(&s, cases[i].options, &e), NUDGE_INPUT);
        assert_string_equal(e.message, cases[i].message);
        settings_free(&s);
    }
}

static const char everything[] =
    "data={train: [images, labels], test: 'a: b.csv'} target=species ignore=[id, \"a, b\", null] missing=[\"?\", \"\"] "
    "define.gate(x, a=1)=x * sigmoid(a*x) define=\"h(x): y = x;\\ny # no\" net=dense(4) relu dense(classes) "
    "delimiter=\"\\t\" weight='null' seed=12 shuffle=off threads=2 output=runs/x loss='a: b' clip=norm(1)";

static void writes_yaml(void **state)
{
    (void)state;
    Settings s, copy;
    Error e = {0};
    parsed(&s, everything);
    assert_int_equal(settings_copy(&copy, &s, &e), 0);
    settings_free(&s);
    Text out = {0};
    settings_write_yaml(&copy, &out);
    assert_string_equal(text_end(&out), "data:\n"
                                        "  train: [images, labels]\n"
                                        "  test: \"a: b.csv\"\n"
                                        "target: [species]\n"
                                        "ignore: [id, \"a, b\", \"null\"]\n"
                                        "missing: [\"?\", \"\"]\n"
                                        "delimiter: \"\\t\"\n"
                                        "weight: \"null\"\n"
                                        "standardize: true\n"
                                        "define:\n"
                                        "  gate(x, a=1): x * sigmoid(a*x)\n"
                                        "  h(x): \"y = x;\\ny # no\"\n"
                                        "net: dense(4) relu dense(classes)\n"
                                        "loss: \"a: b\"\n"
                                        "schedule: constant\n"
                                        "clip: norm(1)\n"
                                        "micro: 1\n"
                                        "shuffle: false\n"
                                        "balance: false\n"
                                        "validation: 0.1\n"
                                        "monitor: loss\n"
                                        "seed: 12\n"
                                        "dtype: float32\n"
                                        "log: 0\n"
                                        "anomaly: false\n");
    text_free(&out);
    settings_free(&copy);
}

/* Each row of the table: its example and its default are values that it takes. */
static void table_holds(void **state)
{
    (void)state;
    size_t count;
    const SettingKey *keys = settings_keys(&count);
    for (size_t i = 0; i < count; i++) {
        Settings s = {0};
        Error e = {0};
        settings_set(&s, keys[i].name, keys[i].example, "example", &e);
        assert_string_equal(e.message, "");
        assert_true(settings_is_set(&s, keys[i].name));
        if (keys[i].standard)
            assert_int_equal(settings_set(&s, keys[i].name, keys[i].standard, "default", &e), 0);
        settings_free(&s);
    }
}

/* Cut anywhere, or with any byte changed, a line is read or refused. */
static void damage(void **state)
{
    (void)state;
    static const char changes[] = " \"'[](){},:=.\n\\x9";
    size_t size = sizeof everything - 1;
    char text[sizeof everything];
    for (size_t at = 0; at < size; at++) {
        for (size_t i = 0; i < sizeof changes; i++) { /* the last one, 0, cuts */
            memcpy(text, everything, sizeof text);
            text[at] = changes[i];
            Settings s = {0};
            Error e = {0};
            int status = settings_parse(&s, text, &e);
            assert_true(status == NUDGE_OK || (status == NUDGE_INPUT && e.message[0]));
            settings_free(&s);
        }
    }
}

static void allocations(void **state)
{
    (void)state;
    int status = NUDGE_MACHINE;
    for (int n = 0; status; n++) {
        Settings s = {0}, copy = {0};
        Error e = {0};
        int left = n;
        nudge_allocator(failing_heap, &left);
        status = settings_parse(&s, everything, &e);
        if (!status) status = settings_copy(&copy, &s, &e);
        settings_free(&s);
        settings_free(&copy);
        nudge_allocator(NULL, NULL);
        if (status) assert_string_equal(e.message, "out of memory");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_lines), cmocka_unit_test(has_defaults),  cmocka_unit_test(reads_arguments),
        cmocka_unit_test(reads_lists), cmocka_unit_test(reads_files),   cmocka_unit_test(reads_definitions),
        cmocka_unit_test(refuses),     cmocka_unit_test(refuses_lines), cmocka_unit_test(writes_yaml),
        cmocka_unit_test(table_holds), cmocka_unit_test(damage),        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
