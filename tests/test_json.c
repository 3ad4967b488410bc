/* test_json.c: what the JSON writer writes reads back equal, and no text, however broken, gets past the reader. */
#include "base/json.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_heap.h"

typedef struct Document {
    Error error;
    Arena arena;
    const JsonValue *root;
    int status;
} Document;

static void document_read(Document *d, const char *text, size_t length)
{
    *d = (Document){.root = NULL};
    arena_init(&d->arena, &d->error);
    d->status = json_parse(&d->arena, "x.json", text, length, &d->root);
}

static const JsonValue *document_ok(Document *d, const char *text)
{
    document_read(d, text, strlen(text));
    assert_string_equal(d->error.message, "");
    assert_int_equal(d->status, NUDGE_OK);
    return d->root;
}

static void document_refused(const char *text, size_t length, const char *message)
{
    Document d;
    document_read(&d, text, length);
    assert_int_equal(d.status, NUDGE_INPUT);
    assert_null(d.root);
    assert_string_equal(d.error.message, message);
    arena_free(&d.arena);
}

static void writes(void **state)
{
    (void)state;
    Text out = {0};
    JsonWriter w = {.out = &out};
    json_open(&w, '{');
    json_key(&w, "event"), json_string(&w, "a\"b\\c\n\x01\x7f caf\xC3\xA9 \xF0\x9F\x98\x80 \xFF\xC3");
    json_key(&w, "loss"), json_number(&w, 0.1);
    json_key(&w, "bad"), json_number(&w, (double)NAN);
    json_key(&w, "worse"), json_number(&w, -HUGE_VAL);
    json_key(&w, "list"), json_open(&w, '[');
    json_integer(&w, INT64_MIN), json_flag(&w, true), json_flag(&w, false), json_null(&w);
    json_open(&w, '['), json_close(&w, ']'), json_raw(&w, "{\"x\":1}");
    json_close(&w, ']');
    json_key(&w, "last"), json_open(&w, '{'), json_close(&w, '}');
    json_close(&w, '}');
    assert_string_equal(
        text_end(&out),
        "{\"event\":\"a\\\"b\\\\c\\n\\u0001\\u007f caf\xC3\xA9 \xF0\x9F\x98\x80 \xEF\xBF\xBD\xEF\xBF"
        "\xBD\",\"loss\":0.1,\"bad\":null,\"worse\":null,\"list\":[-9223372036854775808,true,false,"
        "null,[],{\"x\":1}],\"last\":{}}");
    text_free(&out);
    json_quote(&out, "\xC2\x85\xE2\x80\xA8\xEF\xBB\xBF", 8); /* line ends and a mark, to YAML */
    assert_string_equal(text_end(&out), "\"\\u0085\\u2028\\ufeff\"");
    text_free(&out);
}

static void reads(void **state)
{
    (void)state;
    Document d;
    const JsonValue *v =
        document_ok(&d, " {\"a\" : [1, -2.5e1, \"x\"], \"b\": {\"c\": true}, \"n\": null }\n");
    assert_int_equal(v->kind, JSON_OBJECT);
    assert_int_equal(v->count, 3);
    const JsonValue *a = json_member(v, "a");
    assert_int_equal(a->kind, JSON_ARRAY);
    assert_int_equal(a->offset, 8);
    assert_int_equal(a->count, 3);
    assert_int_equal(a->first->integer, 1);
    assert_true(a->first->next->number == -25 && a->first->next->whole && a->first->next->integer == -25);
    assert_string_equal(a->first->next->next->string, "x");
    assert_int_equal(a->first->next->next->index, 2);
    assert_null(a->first->next->next->next);
    assert_true(json_member(json_member(v, "b"), "c")->flag);
    assert_int_equal(json_member(v, "n")->kind, JSON_NULL);
    assert_null(json_member(v, "absent"));
    assert_null(json_member(a, "absent"));
    assert_null(json_member(NULL, "absent"));
    assert_null(json_member_string(v, "b"));
    assert_true(isnan(json_member_number(v, "b")));
    arena_free(&d.arena);

    v = document_ok(&d, "{\"s\":\"text\",\"x\":0.25,\"\":1}");
    assert_string_equal(json_member_string(v, "s"), "text");
    assert_true(json_member_number(v, "x") == 0.25);
    assert_true(json_member_number(v, "") == 1);
    arena_free(&d.arena);
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double number;
        bool whole;
        int64_t integer;
    } cases[] = {{"0", 0, true, 0},
                 {"-0", 0, true, 0},
                 {"9007199254740993", 9007199254740992.0, true, 9007199254740993},
                 {"9223372036854775807", 9223372036854775808.0, true, INT64_MAX},
                 {"-9223372036854775808", -9223372036854775808.0, true, INT64_MIN},
                 {"9223372036854775808", 9223372036854775808.0, false, 0},
                 {"-9223372036854775809", -9223372036854775808.0, false, 0},
                 {"1e3", 1000, true, 1000},
                 {"12.0", 12, true, 12},
                 {"1e16", 1e16, false, 0},
                 {"0.5", 0.5, false, 0},
                 {"1.7976931348623157e308", DBL_MAX, false, 0},
                 {"1E-400", 0, true, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Document d;
        const JsonValue *v = document_ok(&d, cases[i].text);
        assert_int_equal(v->kind, JSON_NUMBER);
        assert_true(v->number == cases[i].number);
        assert_int_equal(v->whole, cases[i].whole);
        if (v->whole) assert_true(v->integer == cases[i].integer);
        arena_free(&d.arena);
    }
}

static void strings(void **state)
{
    (void)state;
    Document d;
    const JsonValue *v =
        document_ok(&d, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t \\u00e9 \\uD83D\\ude00 \\u0800 \\u0000!\"");
    const char expected[] = "\"\\/\b\f\n\r\t \xC3\xA9 \xF0\x9F\x98\x80 \xE0\xA0\x80 \0!";
    assert_int_equal(v->length, sizeof expected - 1);
    assert_memory_equal(v->string, expected, sizeof expected);
    arena_free(&d.arena);
}

static void refuses(void **state)
{
    (void)state;
#define REFUSED(text, message) document_refused(text, sizeof text - 1, "x.json: byte " message)
    REFUSED("", "0: the text ends where a value is expected");
    REFUSED("  ", "2: the text ends where a value is expected");
    REFUSED("nul", "0: 'n' where a value is expected");
    REFUSED("NaN", "0: 'N' where a value is expected");
    REFUSED("1 2", "2: '2' where the end of the text is expected");
    REFUSED("{} \0", "3: byte 0x00 where the end of the text is expected");
    REFUSED("\xEF\xBB\xBF{}", "0: byte 0xef where a value is expected");
    REFUSED("[1,]", "3: ']' where a value is expected");
    REFUSED("[1 2]", "3: '2' where ',' or ']' is expected");
    REFUSED("[1", "2: the text ends where ',' or ']' is expected");
    REFUSED("{\"a\":1,}", "7: '}' where a string is expected");
    REFUSED("{a:1}", "1: 'a' where a string is expected");
    REFUSED("{\"a\" 1}", "5: '1' where ':' after a key is expected");
    REFUSED("{\"a\":1 \"b\"", "7: '\"' where ',' or '}' is expected");
    REFUSED("{\"a\":1,\"b\":2,\"a\":3}", "13: the key \"a\" is there twice");
    REFUSED("{\"a\":1,\"\\u0061\":3}", "7: the key \"a\" is there twice");
    REFUSED("01", "0: a number must not start with 0");
    REFUSED("-01", "0: a number must not start with 0");
    REFUSED("-", "1: the text ends where a digit is expected");
    REFUSED("+1", "0: '+' where a value is expected");
    REFUSED(".5", "0: '.' where a value is expected");
    REFUSED("1.", "2: the text ends where a digit is expected");
    REFUSED("1e+", "3: the text ends where a digit is expected");
    REFUSED("1e999", "0: this number is too large for a double");
    REFUSED("\"abc", "0: this string has no closing quote");
    REFUSED("\"abc\\", "5: the text ends where one of \" \\ / b f n r t u after a backslash is expected");
    REFUSED("\"\\x\"", "2: 'x' where one of \" \\ / b f n r t u after a backslash is expected");
    REFUSED("\"\\\0\"", "2: byte 0x00 where one of \" \\ / b f n r t u after a backslash is expected");
    REFUSED("\"\\u12g4\"", "5: 'g' where one of four hexadecimal digits is expected");
    REFUSED("\"\\ud83d\"", "1: this high surrogate has no low one after it");
    REFUSED("\"\\ud83d\\u0041\"", "1: this high surrogate has no low one after it");
    REFUSED("\"\\ude00\"", "1: this low surrogate has no high one before it");
    REFUSED("\"a\nb\"", "2: byte 0x0a where a character or an escape is expected");
    REFUSED("\"\xC0\x80\"", "1: these bytes are not UTF-8");
    REFUSED("\"\xED\xA0\x80\"", "1: these bytes are not UTF-8");
    REFUSED("\"\xF4\x90\x80\x80\"", "1: these bytes are not UTF-8");
    REFUSED("\"\xE2\x82\"", "1: these bytes are not UTF-8");
#undef REFUSED
}

static void nesting(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH + 2];
    memset(text, '[', JSON_DEPTH);
    memset(text + JSON_DEPTH, ']', JSON_DEPTH);
    text[2 * JSON_DEPTH] = 0;
    Document d;
    document_ok(&d, text);
    arena_free(&d.arena);
    memset(text, '[', JSON_DEPTH + 1);
    document_refused(text, 2 * JSON_DEPTH, "x.json: byte 64: nested deeper than 64 levels");
}

static void many_members(void **state)
{
    (void)state;
    Text out = {0};
    JsonWriter w = {.out = &out};
    json_open(&w, '{');
    for (int i = 0; i < 5000; i++) {
        char key[NUMBER_ROOM];
        json_key(&w, number_print(key, i));
        json_integer(&w, i);
    }
    json_close(&w, '}');
    Document d;
    const JsonValue *v = document_ok(&d, text_end(&out));
    assert_int_equal(v->count, 5000);
    for (int i = 0; i < 5000; i++) {
        char key[NUMBER_ROOM];
        assert_int_equal(json_member(v, number_print(key, i))->integer, i);
        assert_int_equal(json_member(v, key)->index, i);
    }
    assert_null(json_member(v, "5000"));
    arena_free(&d.arena);
    text_free(&out);
}

static const char sample[] =
    "{\"a\":[1,-2.5e-3,\"\\u00e9\\ud83d\\ude00\xC3\xA9\",true,null],\"b\":{\"c\":{}},\"d\":[]}";

/* Every cut and every single changed byte parses or says why not; reads stay inside the text (ASan's business). */
static void damage(void **state)
{
    (void)state;
    size_t size = sizeof sample - 1;
    for (size_t cut = 0; cut < size; cut++) {
        char *exact = malloc(cut ? cut : 1); /* so that a read beyond the cut is seen */
        memcpy(exact, sample, cut);
        Document d;
        document_read(&d, exact, cut);
        assert_int_equal(d.status, NUDGE_INPUT);
        arena_free(&d.arena);
        free(exact);
    }
    for (size_t at = 0; at < size; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char *exact = malloc(size);
            memcpy(exact, sample, size);
            exact[at] = (char)byte;
            Document d;
            document_read(&d, exact, size);
            assert_true(d.status ? d.status == NUDGE_INPUT && d.error.message[0] && !d.root : d.root != NULL);
            arena_free(&d.arena);
            free(exact);
        }
    }
}

static void allocations(void **state)
{
    (void)state;
    Text big = {0};
    JsonWriter w = {.out = &big};
    json_open(&w, '[');
    for (int i = 0; i < 1000; i++)
        json_raw(&w, sample);
    json_close(&w, ']');
    assert_false(big.failed);
    int status = NUDGE_MACHINE, n = 0;
    for (; status; n++) {
        int left = n;
        nudge_allocator(failing_heap, &left);
        Document d;
        document_read(&d, big.s, big.length);
        status = d.status;
        if (status) assert_string_equal(d.error.message, "out of memory");
        arena_free(&d.arena);
        nudge_allocator(NULL, NULL);
    }
    assert_true(n > 2);
    text_free(&big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes),       cmocka_unit_test(reads),   cmocka_unit_test(numbers),
        cmocka_unit_test(strings),      cmocka_unit_test(refuses), cmocka_unit_test(nesting),
        cmocka_unit_test(many_members), cmocka_unit_test(damage),  cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
