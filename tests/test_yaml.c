/* test_yaml.c: recipes arrive key by key with their lines; what is no recipe is refused with line and column. */
#include "format/file.h"
#include "format/yaml.h"
#include "train/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_heap.h"

/* Writes down what it is given, a line each. */
static int note_down(void *context, const char *key, const char *value, const char *origin, Error *e)
{
    (void)e;
    text_print(context, "%s %s=%s\n", origin, key, value);
    return NUDGE_OK;
}

#if NUDGE_HAVE_YAML

static void expect_taken(const char *recipe, const char *expected)
{
    Text taken = {0};
    Error e = {0};
    yaml_parse("r.yaml", recipe, strlen(recipe), note_down, &taken, &e);
    assert_string_equal(e.message, "");
    assert_string_equal(text_end(&taken), expected);
    text_free(&taken);
}

static void takes_keys(void **state)
{
    (void)state;
    expect_taken("# a recipe\n"
                 "data: {train: train.csv, test: [images, \"la\\nbels\"]}\n"
                 "net: conv(32, 3) relu\n"
                 "  dense(classes)   # continued\n"
                 "missing: [\"?\", null, ~, 'it''s']\n"
                 "epochs: 20\n"
                 "patience:\n"
                 "weight: ~\n"
                 "loss: \"null\"\n"
                 "define:\n"
                 "  gate(x): x * sigmoid(1.7*x)\n"
                 "  both(x, y): |\n"
                 "    e = x;\n"
                 "    e + y\n"
                 "ignore:\n"
                 "  - id\n"
                 "  - caf\xC3\xA9\n",
                 "r.yaml:2 data.train=train.csv\n"
                 "r.yaml:2 data.test=[\"images\",\"la\\nbels\"]\n"
                 "r.yaml:3 net=conv(32, 3) relu dense(classes)\n"
                 "r.yaml:5 missing=[\"?\",\"null\",\"~\",\"it's\"]\n"
                 "r.yaml:6 epochs=20\n"
                 "r.yaml:9 loss=null\n"
                 "r.yaml:11 define.gate(x)=x * sigmoid(1.7*x)\n"
                 "r.yaml:12 define.both(x, y)=e = x;\ne + y\n\n"
                 "r.yaml:16 ignore=[\"id\",\"caf\xC3\xA9\"]\n");
    expect_taken("---\nseed: 1\n...\n", "r.yaml:2 seed=1\n");
    expect_taken("\xEF\xBB\xBFseed: 1\r\nloss: sse\r\n", "r.yaml:1 seed=1\nr.yaml:2 loss=sse\n");
    expect_taken("{}", "");
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *recipe, *message;
    } cases[] = {
        {"", "r.yaml:1:1: a recipe is lines of KEY: VALUE, such as net: dense(10), and this is empty"},
        {"# nothing\n",
         "r.yaml:2:1: a recipe is lines of KEY: VALUE, such as net: dense(10), and this is empty"},
        {"just text",
         "r.yaml:1:1: a recipe is lines of KEY: VALUE, such as net: dense(10), and this is something else"},
        {"- a\n- b\n",
         "r.yaml:1:1: a recipe is lines of KEY: VALUE, such as net: dense(10), and this is something else"},
        {"seed: 1\nepochs: 2\nseed: 3\n",
         "r.yaml:3:1: the key seed is there twice, first on line 1; remove one"},
        {"data: {test: a,\n  test: b}",
         "r.yaml:2:3: the key data.test is there twice, first on line 1; remove one"},
        {"data: {train: {a: b}}",
         "r.yaml:1:15: data.train is a map within a map of the recipe; write its value as one text"},
        {"ignore: [a, [b]]",
         "r.yaml:1:13: an item of a list must be a single text; put it in quotes if it begins with a bracket"},
        {"ignore: [a, {b: c}]",
         "r.yaml:1:13: an item of a list must be a single text; put it in quotes if it begins with a bracket"},
        {"[a, b]: c",
         "r.yaml:1:1: a key must be a single text; put it in quotes if it begins with a bracket"},
        {"seed: \"1\\0\"", "r.yaml:1:7: a value has a zero byte in it; remove it"},
        {"a: &x 1\nb: *x",
         "r.yaml:1:4: a recipe has no anchors (&) and aliases (*); write the value out, or quote it if it begins so"},
        {"b: *x",
         "r.yaml:1:4: a recipe has no anchors (&) and aliases (*); write the value out, or quote it if it begins so"},
        {"a: !!int 1",
         "r.yaml:1:4: a recipe has no tags (!); remove tag:yaml.org,2002:int, or quote the value if it "
         "begins so"},
        {"a: !x [1]", "r.yaml:1:4: a recipe has no tags (!); remove !x, or quote the value if it begins so"},
        {"seed: 1\n---\nseed: 2\n", "r.yaml:2:1: a second document begins here; one file holds one recipe"},
        {"seed: 1\n loss: 2\n",
         "r.yaml:2:6: not YAML: mapping values are not allowed in this context; check the "
         "indentation, and quote a value that has \": \" or \" #\" in it"},
        {"a: [b, c\nd: e\n",
         "r.yaml:2:2: not YAML: while parsing a flow sequence, did not find expected ',' or ']'; check "
         "the indentation, and quote a value that has \": \" or \" #\" in it"},
        {"loss: \"sse\n",
         "r.yaml:2:1: not YAML: while scanning a quoted scalar, found unexpected end of stream; check the "
         "indentation, and quote a value that has \": \" or \" #\" in it"},
        {"seed: 1\nloss: \xFF\n",
         "r.yaml:2:7: not text: invalid leading UTF-8 octet; save the file as UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Text taken = {0};
        Error e = {0};
        assert_int_equal(
            yaml_parse("r.yaml", cases[i].recipe, strlen(cases[i].recipe), note_down, &taken, &e),
            NUDGE_INPUT);
        assert_string_equal(e.message, cases[i].message);
        text_free(&taken);
    }
}

static int refuse_seed(void *context, const char *key, const char *value, const char *origin, Error *e)
{
    int *calls = context;
    ++*calls;
    return strcmp(key, "seed") ? NUDGE_OK : error_set(e, NUDGE_INPUT, "%s: %s %s", origin, key, value);
}

static void stops_when_told(void **state)
{
    (void)state;
    static const char recipe[] = "loss: sse\nseed: 3\nepochs: 4\n";
    int calls = 0;
    Error e = {0};
    assert_int_equal(yaml_parse("r.yaml", recipe, sizeof recipe - 1, refuse_seed, &calls, &e), NUDGE_INPUT);
    assert_string_equal(e.message, "r.yaml:2: seed 3");
    assert_int_equal(calls, 2);
}

static const char recipe_line[] =
    "data={train: [images, 'la, bels'], test: 'a: b.csv'} target=species ignore=[id, 'a, b', null, ~, '#x', 'y #z', "
    "'[', 'caf\xC3\xA9', '\xEF\xBB\xBF', ' x '] missing=['?', ''] define.gate(x, a=1)=x * sigmoid(a*x) "
    "define=\"h(x: i32): y = x;\\n\\ty # no\" net=dense(4) relu dense(classes) delimiter=\"\\t\" weight=null seed=12 "
    "shuffle=off loss=\"\\u0085\\u2028\\u007f\\\\ '\\\"\" clip=norm(1) init='- x' task=regress isa=~ monitor=x: "
    "validation=0 epochs=1e5 optimizer='%' schedule=--- header=yes";

/* What settings_write_yaml writes comes back as the same settings. */
/* Of what is no YAML to its end, nothing is taken: half a value must not be judged. */
static int take_nothing(void *context, const char *key, const char *value, const char *origin, Error *e)
{
    (void)context, (void)origin;
    return error_set(e, NUDGE_CHECK, "%s=%s was taken", key, value);
}

static void takes_no_halves(void **state)
{
    (void)state;
    Error e = {0};
    const char *recipe = "define: gate(x): x * sigmoid(1.7*x)\n";
    assert_int_equal(yaml_parse("r.yaml", recipe, strlen(recipe), take_nothing, NULL, &e), NUDGE_INPUT);
    assert_non_null(strstr(e.message, "r.yaml:1:16: not YAML: "));
}

static void returns_settings(void **state)
{
    (void)state;
    Settings s = {0}, back = {0};
    Error e = {0};
    settings_parse(&s, recipe_line, &e);
    Text out = {0}, again = {0};
    settings_write_yaml(&s, &out);
    yaml_parse("r.yaml", out.s, out.length, settings_take, &back, &e);
    assert_string_equal(e.message, "");
    settings_write_yaml(&back, &again);
    assert_string_equal(text_end(&again), text_end(&out));
    for (size_t i = 0; i < s.count; i++) {
        const Setting *one = s.list[i];
        const Setting *other = settings_named(&back, one->key->name, one->name);
        assert_string_equal(one->name, other->name);
        assert_int_equal(one->count, other->count);
        for (size_t k = 0; k < one->count; k++)
            assert_string_equal(setting_item(one, k), setting_item(other, k));
    }
    size_t lines = 0;
    for (const char *c = out.s; (c = strchr(c, '\n')); c++)
        lines++;
    assert_true(lines > s.count); /* defaults are written, too */
    text_free(&out), text_free(&again);
    settings_free(&s), settings_free(&back);
}

static const char sample[] =
    "data: {train: a.csv, test: [b, \"c\"]}\ndefine:\n  f(x): 'x''s'\nnet: |\n  dense(3)\n"
    "ignore:\n- a\n- ~\nseed: 1 # one\n";

static void damage(void **state)
{
    (void)state;
    static const char changes[] = " \"'[]{},:=.\n\t-&*!|>%@#?\\\x80\xFF";
    size_t size = sizeof sample - 1;
    for (size_t at = 0; at < size; at++) {
        for (size_t i = 0; i <= sizeof changes; i++) {
            size_t length = i < sizeof changes ? size : at; /* the last one cuts */
            char *exact = malloc(length ? length : 1);
            memcpy(exact, sample, length);
            if (i < sizeof changes) exact[at] = changes[i];
            Settings s = {0};
            Error e = {0};
            int status = yaml_parse("r.yaml", exact, length, settings_take, &s, &e);
            assert_true(status == NUDGE_OK || (status == NUDGE_INPUT && e.message[0]));
            settings_free(&s);
            free(exact);
        }
    }
}

static void reads_files(void **state)
{
    (void)state;
    char path[] = "/tmp/nudge_yaml_XXXXXX";
    close(mkstemp(path));
    Error e = {0};
    assert_int_equal(file_write(path, sample, sizeof sample - 1, &e), NUDGE_OK);
    int status = NUDGE_MACHINE, n = 0;
    for (; status; n++) {
        int left = n;
        Settings s = {0};
        error_clear(&e);
        nudge_allocator(failing_heap, &left);
        status = yaml_read(path, settings_take, &s, &e);
        if (!status) assert_string_equal(settings_named(&s, "define", "f")->value, "x's");
        settings_free(&s);
        nudge_allocator(NULL, NULL);
        if (status) assert_string_equal(e.message, "out of memory");
    }
    assert_true(n > 10);
    unlink(path);
    assert_int_equal(yaml_read(path, settings_take, NULL, &e), NUDGE_INPUT);
    assert_non_null(strstr(e.message, "cannot read: No such file or directory; check the path"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_keys),       cmocka_unit_test(refuses),
        cmocka_unit_test(stops_when_told),  cmocka_unit_test(takes_no_halves),
        cmocka_unit_test(returns_settings), cmocka_unit_test(damage),
        cmocka_unit_test(reads_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void says_what_is_missing(void **state)
{
    (void)state;
    Text taken = {0};
    Error e = {0};
    assert_int_equal(yaml_parse("r.yaml", "seed: 1", 7, note_down, &taken, &e), NUDGE_INPUT);
    assert_string_equal(
        e.message, "r.yaml: this nudge was built without libyaml and reads no recipes; give the keys on the "
                   "command line, as KEY=VALUE");
    assert_string_equal(text_end(&taken), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(says_what_is_missing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
