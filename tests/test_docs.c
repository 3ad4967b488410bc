/* The documents say what is true: each example of docs/notation.md is a text that nudge takes, and gives the shape or the
 * message that stands beside it; docs/recipe.md has the keys of the table of settings, docs/reference.md the rows of
 * `nudge ops`. `test_docs --write` writes the last two anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "train/settings.h"

#include <nudge.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Files ---- */

static void docs_path(Text *path, const char *name)
{
    const char *source = getenv("SOURCE");
    text_print(path, "%s/docs/%s", source ? source : ".", name);
}

static void docs_read(Text *out, const char *name)
{
    Text path = {0};
    docs_path(&path, name);
    FILE *file = fopen(text_end(&path), "rb");
    if (!file) fail_msg("%s cannot be read", text_end(&path));
    char block[4096];
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;)
        text_append(out, block, n);
    fclose(file);
    text_free(&path);
}

static int docs_write(const char *name, Text *content)
{
    Text path = {0};
    docs_path(&path, name);
    FILE *file = fopen(text_end(&path), "wb");
    bool done = file && fwrite(text_end(content), 1, content->length, file) == content->length;
    if (file) done &= !fclose(file);
    if (!done) fprintf(stderr, "%s cannot be written\n", text_end(&path));
    text_free(&path);
    return !done;
}

/* The next line of *at, without its end; false after the last one. */
static bool docs_line(const char **at, Text *line)
{
    if (!**at) return false;
    size_t length = strcspn(*at, "\n");
    line->length = 0;
    text_append(line, *at, length);
    text_put(line, 0);
    line->length = length;
    *at += length + ((*at)[length] == '\n');
    return true;
}

/* ---- Examples of the notation ---- */

/* What the page has defined so far, one row a line. */
typedef struct Page {
    Text defined;
    int checked;
} Page;

typedef struct ExampleKind {
    const char *tag;
    bool whole; /* a block is one example; else each of its lines */
    void (*check)(Page *p, const char *text);
} ExampleKind;

/* The tensors that the page says it has. */
static nudge_graph *page_graph(const Page *p)
{
    static const struct {
        const char *name;
        int rank;
        int64_t dims[3];
    } leaf[] = {{"x", 2, {32, 8}}, {"z", 2, {32, 8}}, {"w", 2, {3, 8}},
                {"b", 1, {3}},     {"u", 2, {8, 8}},  {"s", 3, {10, 32, 8}}};
    nudge_graph *g;
    assert_int_equal(nudge_graph_new(&g, NULL), NUDGE_OK);
    for (size_t i = 0; i < sizeof leaf / sizeof *leaf; i++)
        nudge_input(g, leaf[i].name, leaf[i].rank, leaf[i].dims);
    nudge_integers(g, "t", 1, (int64_t[]){32});
    Text row = {0};
    for (const char *at = p->defined.length ? p->defined.s : ""; docs_line(&at, &row);)
        nudge_define(g, row.s);
    text_free(&row);
    return g;
}

static void page_shape(nudge_tensor y, Text *out)
{
    text_put(out, '[');
    for (int a = 0; a < nudge_rank(y); a++)
        text_print(out, "%s%lld", a ? ", " : "", (long long)nudge_dim(y, a));
    text_put(out, ']');
}

/* The shape that a comment begins with is the formula's. */
static void check_formula(Page *p, const char *line)
{
    const char *comment = strchr(line, '#');
    Text formula = {0}, shape = {0};
    text_append(&formula, line, comment ? (size_t)(comment - line) : strlen(line));
    nudge_graph *g = page_graph(p);
    nudge_tensor y = nudge_formula(g, text_end(&formula));
    if (!y) fail_msg("%s", nudge_graph_message(g, NUDGE_INPUT));
    page_shape(y, &shape);
    if (comment && comment[1] == ' ' && comment[2] == '[' &&
        strncmp(comment + 2, text_end(&shape), shape.length))
        fail_msg("%s\nhas shape %s", line, text_end(&shape));
    nudge_graph_free(g);
    text_free(&formula);
    text_free(&shape);
}

static void check_definition(Page *p, const char *line)
{
    text_print(&p->defined, "%s\n", line);
    nudge_graph *g = page_graph(p);
    nudge_program *program;
    nudge_output(g, "checked", nudge_formula(g, "x"));
    if (nudge_compile(&program, g)) fail_msg("%s", nudge_graph_message(g, NUDGE_INPUT));
    nudge_program_free(program);
    nudge_graph_free(g);
}

/* A model of that net and those options, in which what the page defined is defined. */
static void check_model(Page *p, const char *net, const char *options)
{
    Text all = {0};
    text_print(&all, "%s define=%s", options, text_end(&p->defined));
    nudge *m;
    if (nudge_new(&m, 8, net, text_end(&all)))
        fail_msg("%s %s\n%s", net, options, nudge_message(m, NUDGE_INPUT));
    nudge_free(m);
    text_free(&all);
}

static void check_net(Page *p, const char *line)
{
    check_model(p, line, "classes=3 loss=cross_entropy");
}

static void check_options(Page *p, const char *line)
{
    check_model(p, "dense(4) relu dense(1)", line);
}

/* The first line is a formula, the others are what is said about it. */
static void check_mistake(Page *p, const char *block)
{
    Text formula = {0}, message = {0};
    const char *rest = block;
    docs_line(&rest, &formula);
    nudge_graph *g = page_graph(p);
    assert_null(nudge_formula(g, text_end(&formula)));
    text_print(&message, "%s\n", nudge_graph_message(g, NUDGE_INPUT));
    assert_string_equal(text_end(&message), rest);
    nudge_graph_free(g);
    text_free(&formula);
    text_free(&message);
}

static const ExampleKind example_kinds[] = {
    {"```nudge formulas", false, check_formula}, {"```nudge definitions", false, check_definition},
    {"```nudge nets", false, check_net},         {"```nudge options", false, check_options},
    {"```nudge mistake", true, check_mistake},
};
enum { EXAMPLE_KINDS = sizeof example_kinds / sizeof *example_kinds };

static const ExampleKind *example_kind(const char *line)
{
    for (int k = 0; k < EXAMPLE_KINDS; k++)
        if (!strcmp(example_kinds[k].tag, line)) return &example_kinds[k];
    if (!strncmp(line, "```nudge", 8)) fail_msg("no test knows blocks of the kind %s", line);
    return NULL;
}

/* From the line after a block's first to its end. */
static void check_block(Page *p, const ExampleKind *kind, const char **at)
{
    Text line = {0}, block = {0};
    while (docs_line(at, &line) && strcmp(line.s, "```")) {
        text_print(&block, "%s\n", line.s);
        if (!kind->whole) kind->check(p, line.s), p->checked++;
    }
    if (kind->whole) kind->check(p, text_end(&block)), p->checked++;
    text_free(&line);
    text_free(&block);
}

static void test_notation_page(void **state)
{
    (void)state;
    Text text = {0}, line = {0};
    Page page = {0};
    int blocks[EXAMPLE_KINDS] = {0};
    docs_read(&text, "notation.md");
    for (const char *at = text_end(&text); docs_line(&at, &line);) {
        const ExampleKind *kind = example_kind(line.s);
        if (!kind) continue;
        blocks[kind - example_kinds]++;
        check_block(&page, kind, &at);
    }
    for (int k = 0; k < EXAMPLE_KINDS; k++)
        assert_true(blocks[k] > 0);
    assert_true(page.checked > 50);
    text_free(&text);
    text_free(&line);
    text_free(&page.defined);
}

/* ---- Pages that are made from tables ---- */

/* A | divides columns, and < could begin a tag. */
static void table_cell(Text *out, const char *s)
{
    for (; *s; s++)
        *s == '|' ? text_print(out, "\\|") : *s == '<' ? text_print(out, "&lt;") : text_put(out, *s);
}

static void recipe_keys(Text *out)
{
    size_t count;
    const SettingKey *key = settings_keys(&count);
    text_print(out, "| key | what it is | default | such as |\n|---|---|---|---|\n");
    for (; count--; key++) {
        text_print(out, "| `%s` | ", key->name);
        table_cell(out, key->help);
        text_print(out, key->standard ? " | `%s` | `" : " | %s | `", key->standard ? key->standard : "");
        text_print(out, "%s` |\n", key->example);
    }
}

static int keep_result(void *context, const nudge_event *event)
{
    if (!strcmp(event->kind, "result")) text_print(context, "%s", event->json);
    return 0;
}

static const struct {
    const char *category, *title, *note;
} reference_parts[] = {
    {"elementwise", "Operations on each element",
     "Primitives: the value is C, the gradient a formula in which `y` is "
     "the value and `dy` the gradient that arrives at it."},
    {"tensor", "Operations on whole tensors", "`..` follows a list, `=` what may be left out."},
    {"function", "Functions", NULL},
    {"activation", "Activations", NULL},
    {"layer", "Layers", "Every operation and activation of one tensor is a layer, too."},
    {"loss", "Losses", NULL},
    {"optimizer", "Optimizers", NULL},
    {"driver", "Drivers",
     "Optimizers in C, which look at the loss along a line; the row says what they take."},
    {"schedule", "Schedules", NULL},
    {"clip", "Clipping", NULL},
    {"penalty", "Penalties", "`loss` and `penalty` are made small together."},
    {"constraint", "Constraints", "What a weight becomes after each update."},
    {"average", "Averages", "Of the weights over the steps; they are what is judged and kept."},
    {"initialiser", "Initialisers", NULL},
    {"helper", "Helpers", "What the rows above are made of."},
};

static void reference_row(Text *out, const JsonValue *row)
{
    const char *note = json_member_string(row, "note"), *gradient = json_member_string(row, "gradient");
    text_print(out, "- `%s`", json_member_string(row, "text"));
    if (note) text_print(out, "  \n  %s", note);
    if (gradient) text_print(out, "  \n  gradient `%s`", gradient);
    text_put(out, '\n');
}

static void reference_page(Text *out, const JsonValue *rows)
{
    text_print(
        out,
        "# Reference\n\nEverything that texts can name, as `nudge ops` lists it: each row is its definition. "
        "[notation.md](notation.md) explains how to read them. A gradient stands beside a row only where the "
        "chain rule's own would be poor. Conventions are PyTorch's unless a row says otherwise.\n");
    size_t printed = 0;
    for (size_t i = 0; i < sizeof reference_parts / sizeof *reference_parts; i++) {
        text_print(out, "\n## %s\n\n", reference_parts[i].title);
        if (reference_parts[i].note) text_print(out, "%s\n\n", reference_parts[i].note);
        for (const JsonValue *row = rows->first; row; row = row->next)
            if (!strcmp(json_member_string(row, "category"), reference_parts[i].category))
                reference_row(out, row), printed++;
    }
    assert_int_equal(printed, rows->count); /* a new category needs its part above */
}

static void reference_make(Text *out)
{
    Text json = {0};
    Error error = {0};
    Arena arena;
    arena_init(&arena, &error);
    const JsonValue *value;
    assert_int_equal(nudge_job("ops", 1, (const char *[]){"--json"}, keep_result, &json, NULL, 0), NUDGE_OK);
    assert_int_equal(json_parse(&arena, "nudge ops", text_end(&json), json.length, &value), NUDGE_OK);
    reference_page(out, json_member(value, "operations"));
    arena_free(&arena);
    text_free(&json);
}

static void test_reference_page(void **state)
{
    (void)state;
    Text want = {0}, is = {0};
    reference_make(&want);
    docs_read(&is, "reference.md");
    if (strcmp(text_end(&want), text_end(&is)))
        fail_msg(
            "docs/reference.md is not what the tables say; SOURCE=. build/release/tests/test_docs --write mends it");
    text_free(&want);
    text_free(&is);
}

/* The table stands between its head and the next empty line. */
static const char *recipe_table(const char *page, size_t *length)
{
    const char *table = strstr(page, "| key |");
    if (!table) fail_msg("docs/recipe.md has no table of keys");
    const char *end = strstr(table, "\n\n");
    *length = end ? (size_t)(end + 1 - table) : strlen(table);
    return table;
}

static void recipe_make(Text *out, const char *page)
{
    size_t length;
    const char *table = recipe_table(page, &length);
    text_append(out, page, (size_t)(table - page));
    recipe_keys(out);
    text_print(out, "%s", table + length);
}

static void test_recipe_page(void **state)
{
    (void)state;
    Text want = {0}, is = {0};
    docs_read(&is, "recipe.md");
    recipe_make(&want, text_end(&is));
    if (strcmp(text_end(&want), text_end(&is)))
        fail_msg(
            "docs/recipe.md has other keys than the table; SOURCE=. build/release/tests/test_docs --write mends it");
    text_free(&want);
    text_free(&is);
}

static int write_pages(void)
{
    Text reference = {0}, before = {0}, recipe = {0};
    reference_make(&reference);
    docs_read(&before, "recipe.md");
    recipe_make(&recipe, text_end(&before));
    int failed = docs_write("reference.md", &reference) | docs_write("recipe.md", &recipe);
    text_free(&reference);
    text_free(&before);
    text_free(&recipe);
    return failed;
}

int main(int count, char **argument)
{
    if (count == 2 && !strcmp(argument[1], "--write")) return write_pages();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notation_page),
        cmocka_unit_test(test_reference_page),
        cmocka_unit_test(test_recipe_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
