/* test_text.c: numbers to and from text, UTF-8, the nearest name, growing strings, memory and arenas. */
#include "base/philox.h"
#include "base/text.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_heap.h"

/* Reads all of a text as a number. */
static double read_all(const char *s)
{
    double value;
    assert_ptr_equal(number_read(s, s + strlen(s), &value), s + strlen(s));
    return value;
}

static void reads_numbers(void **state)
{
    (void)state;
    static const char *const texts[] = {"0",
                                        "1",
                                        "007",
                                        "3.25",
                                        ".5",
                                        "5.",
                                        "1e3",
                                        "1E+3",
                                        "12e-1",
                                        "1e22",
                                        "1e23",
                                        "9007199254740993",
                                        "123456789012345678901234567890",
                                        "1e-400",
                                        "1e400",
                                        "4.9e-324",
                                        "2.4703282292062327e-324",
                                        "2.4703282292062328e-324",
                                        "1.7976931348623158e308",
                                        "1.7976931348623159e308",
                                        "2.2250738585072011e-308",
                                        "0.1",
                                        "0.1e-5",
                                        "6.02214076e23",
                                        "1e99999999999",
                                        "0e99999999999",
                                        "1e-99999999999"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double expected = strtod(texts[i], NULL);
        assert_true(read_all(texts[i]) == expected);
        char negative[64];
        snprintf(negative, sizeof negative, "-%s", texts[i]);
        assert_true(read_all(negative) == -expected);
    }
    assert_true(signbit(read_all("-0")));
    assert_true(read_all("+2") == 2);
    assert_true(isnan(read_all("NaN")));
    assert_true(read_all("Infinity") == HUGE_VAL && read_all("-INF") == -HUGE_VAL);
}

/* More digits than the room for them: where the point stands, and what is beyond the room, must still count. */
static void reads_long_numbers(void **state)
{
    (void)state;
    enum { DIGITS = 2000 };
    char text[DIGITS + 64];
    memset(text, '7', DIGITS);
    strcpy(text + DIGITS, "e-1999");
    assert_true(read_all(text) == strtod(text, NULL));
    memset(text, '0', DIGITS);
    memcpy(text, "0.", 2);
    strcpy(text + DIGITS, "25e1999");
    assert_true(read_all(text) == strtod(text, NULL));
    /* Half-way between 1 and the next double, and a little above it: to even, and up. */
    memset(text, '0', DIGITS);
    memcpy(text, "1.00000000000000011102230246251565404236316680908203125", 55);
    text[DIGITS] = 0;
    assert_true(read_all(text) == 1);
    text[DIGITS - 1] = '1';
    assert_true(read_all(text) == 1 + DBL_EPSILON);
}

static void ends_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int length; /* of the number; -1: none starts */
    } cases[] = {{"1.5kg", 3}, {"1e", 1},  {"1e+", 1},  {"1ex", 1}, {"1.2.3", 3}, {"0x10", 1},
                 {"", -1},     {".", -1},  {"-", -1},   {"e5", -1}, {"na", -1},   {"infi", 3},
                 {"nanx", 3},  {" 1", -1}, {"--1", -1}, {"1,5", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *s = cases[i].text;
        double value;
        const char *after = number_read(s, s + strlen(s), &value);
        assert_int_equal(after ? (int)(after - s) : -1, cases[i].length);
    }
    double value;
    const char *none = "5";
    assert_null(number_read(none, none, &value));
    const char *digits = "1234";
    assert_ptr_equal(number_read(digits, digits + 2, &value), digits + 2);
    assert_true(value == 12);
    assert_true(number_is("\t -2.5 \r\n", 8, &value) && value == -2.5);
    assert_false(number_is("2 3", 3, &value));
    assert_false(number_is("  ", 2, &value));
    assert_false(number_is("", 0, &value));
}

static void check_print(double value)
{
    char out[NUMBER_ROOM];
    number_print(out, value);
    assert_true(read_all(out) == value && signbit(read_all(out)) == signbit(value));
    for (int digits = 1; digits < 17; digits++) { /* no shorter text would do */
        char shorter[64];
        snprintf(shorter, sizeof shorter, "%.*e", digits - 1, value);
        if (strtod(shorter, NULL) != value) continue;
        char again[64];
        snprintf(again, sizeof again, "%.*g", digits < 6 && fabs(value) >= DBL_MIN ? 6 : digits, value);
        if (fabs(value) >= 1e15 || value != floor(value)) assert_string_equal(out, again);
        break;
    }
}

static void prints_numbers(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},
                 {-0.0, "-0"},
                 {0.1, "0.1"},
                 {1.0 / 3, "0.3333333333333333"},
                 {1000000, "1000000"},
                 {-123456789, "-123456789"},
                 {1e15, "1e+15"},
                 {1e-5, "1e-05"},
                 {HUGE_VAL, "inf"},
                 {-HUGE_VAL, "-inf"},
                 {DBL_MAX, "1.7976931348623157e+308"},
                 {0x1p-1074, "5e-324"}};
    char out[NUMBER_ROOM];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(number_print(out, cases[i].value), cases[i].text);
    assert_string_equal(number_print(out, (double)NAN), "nan");
    assert_string_equal(number_print(out, copysign((double)NAN, -1)), "nan");
    assert_string_equal(number_print_float(out, 0.1f), "0.1");
    assert_string_equal(number_print_float(out, 16777216.0f), "16777216");
    assert_string_equal(number_print_float(out, 65536.0f), "65536");
    assert_string_equal(number_print_short(out, 96.6667, 3), "96.7");
    for (uint64_t i = 0; i < 20000; i++) {
        Philox random = philox(1, 0, i);
        uint64_t bits = (uint64_t)random.word[0] << 32 | random.word[1];
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value)) check_print(value);
        float single;
        memcpy(&single, &random.word[2], sizeof single);
        if (isfinite(single)) assert_true((float)read_all(number_print_float(out, single)) == single);
        check_print((double)random.word[3] / 4096);
    }
}

/* A locale with another decimal point changes nothing. LOCPATH says where one has been made for the tests. */
static void ignores_locale(void **state)
{
    (void)state;
    static const char *const names[] = {"comma", "de_DE.UTF-8", "fr_FR.UTF-8", "ps_AF.UTF-8",
                                        "tr_TR.ISO-8859-9"};
    int found = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!setlocale(LC_ALL, names[i])) continue;
        char out[NUMBER_ROOM], comma[NUMBER_ROOM];
        found++;
        snprintf(comma, sizeof comma, "%.1f", 1.5);
        assert_string_not_equal(comma, "1.5");
        assert_string_equal(number_print(out, -1.5e-7), "-1.5e-07");
        assert_string_equal(number_print(out, 0.1234567890123), "0.1234567890123");
        assert_true(read_all("123456789.123456789e-30") == 123456789.123456789e-30);
        assert_true(isinf(read_all("INF")));
    }
    setlocale(LC_ALL, "C");
    assert_true(found || !getenv("LOCPATH"));
    if (!found) skip();
}

static void measures_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {{"a", 1},
                 {"\xC3\xA9", 2},
                 {"\xE2\x82\xAC", 3},
                 {"\xEE\x80\x80", 3},
                 {"\xF0\x9F\x98\x80", 4},
                 {"\xF4\x8F\xBF\xBF", 4},
                 {"\x80", 0},
                 {"\xC0\x80", 0},
                 {"\xC3", 0},
                 {"\xC3(", 0},
                 {"\xE0\x9F\x80", 0},
                 {"\xE2\x82", 0},
                 {"\xE2\x82(", 0},
                 {"\xED\xA0\x80", 0},
                 {"\xF0\x8F\xBF\xBF", 0},
                 {"\xF4\x90\x80\x80", 0},
                 {"\xF5\x80\x80\x80", 0},
                 {"\xFF", 0},
                 {"", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(utf8_length(cases[i].bytes, cases[i].bytes + strlen(cases[i].bytes)),
                         cases[i].length);
}

static void suggests_names(void **state)
{
    (void)state;
    static const char *const names[] = {"dense",  "conv", "relu", "batchnorm",
                                        "epochs", "loss", "foo",  "matmul"};
    static const struct {
        const char *word, *nearest;
    } cases[] = {{"dence", "dense"},  {"Dense", "dense"},  {"denes", "dense"},
                 {"covn", "conv"},    {"rel", "relu"},     {"batch_norm", "batchnorm"},
                 {"epoch", "epochs"}, {"attention", NULL}, {"pow", NULL},
                 {"warmup", NULL},    {"x", NULL},         {"", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *nearest = name_nearest(cases[i].word, names, sizeof names / sizeof *names);
        if (cases[i].nearest)
            assert_string_equal(nearest, cases[i].nearest);
        else
            assert_null(nearest);
    }
    char endless[200];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    assert_null(name_nearest(endless, names, sizeof names / sizeof *names));
}

static void shows_names(void **state)
{
    (void)state;
    Text t = {0};
    text_name(&t, "a\nb\033[31m \xC3\xA9\177");
    assert_string_equal(text_end(&t), "a b [31m \xC3\xA9 ");
    text_free(&t);
    assert_int_equal(text_width("\xC3\xA9t\xC3\xA9"), 3);
    assert_int_equal(text_width("\xC3("), 2);
    assert_int_equal(text_width(""), 0);
}

static void grows_text(void **state)
{
    (void)state;
    Text t = {0};
    assert_string_equal(text_end(&t), "");
    text_append(&t, NULL, 0);
    assert_string_equal(text_end(&t), "");
    for (int i = 0; i < 1000; i++)
        text_print(&t, "%d,", i % 10);
    text_put(&t, '!');
    text_number(&t, 0.5);
    assert_int_equal(t.length, 2004);
    assert_string_equal(text_end(&t) + 1998, "9,!0.5");
    text_free(&t);
    assert_string_equal(text_end(&t), "");
}

static void text_fails_once(void **state)
{
    (void)state;
    int left = 1;
    nudge_allocator(failing_heap, &left);
    Text t = {0};
    text_print(&t, "short");
    assert_false(t.failed);
    for (int i = 0; i < 100; i++)
        text_print(&t, "longer and longer");
    assert_true(t.failed);
    assert_string_equal(text_end(&t), "");
    text_free(&t);
    nudge_allocator(NULL, NULL);
}

static void allocates(void **state)
{
    (void)state;
    assert_null(memory_new(SIZE_MAX / 2, 3));
    assert_null(memory_zero(SIZE_MAX, SIZE_MAX));
    assert_null(memory_new(SIZE_MAX, 1));
    char *s = memory_string("text");
    assert_int_equal((uintptr_t)s % 64, 0);
    assert_non_null(s = memory_resize(s, 1000, 1));
    assert_int_equal((uintptr_t)s % 64, 0);
    assert_string_equal(s, "text");
    assert_null(memory_resize(s, SIZE_MAX, 2));
    assert_string_equal(s, "text");
    memory_release(s);
    int *array = NULL;
    size_t room = 0;
    for (size_t i = 0; i < 1000; i++) {
        assert_true(memory_grow(&array, &room, i + 1, sizeof *array));
        array[i] = (int)i;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(array[i], i);
    assert_false(memory_grow(&array, &room, SIZE_MAX / 2, sizeof *array));
    assert_int_equal(array[999], 999);
    memory_release(array);
    memory_release(NULL);
}

static void arena_fill(void *context)
{
    Arena *a = context;
    for (size_t i = 1; i < 2000; i++) {
        unsigned char *block = arena_new(a, i, 3);
        for (size_t k = 0; k < 3 * i; k++)
            assert_int_equal(block[k], 0);
        memset(block, 0xAA, 3 * i);
        assert_int_equal((uintptr_t)block % 16, 0);
    }
    assert_string_equal(arena_print(a, "%s%d", "layer", 3), "layer3");
    assert_string_equal(arena_string(a, "abcdef", 3), "abc");
    if (a->used) arena_new(a, SIZE_MAX / 2, 4);
}

static void fills_arenas(void **state)
{
    (void)state;
    Error e = {0};
    Arena a;
    arena_init(&a, &e);
    assert_int_equal(error_catch(&e, arena_fill, &a), NUDGE_MACHINE);
    assert_string_equal(e.message, "out of memory");
    assert_int_equal(error_set(&e, NUDGE_INPUT, "later"), NUDGE_MACHINE); /* the first one sticks */
    assert_null(e.escape);
    arena_free(&a);
    error_clear(&e);
    assert_int_equal(error_set(&e, NUDGE_INPUT, "%s:%d", "x.csv", 3), NUDGE_INPUT);
    assert_string_equal(e.message, "x.csv:3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_numbers),  cmocka_unit_test(reads_long_numbers),
        cmocka_unit_test(ends_numbers),   cmocka_unit_test(prints_numbers),
        cmocka_unit_test(ignores_locale), cmocka_unit_test(measures_utf8),
        cmocka_unit_test(suggests_names), cmocka_unit_test(grows_text),
        cmocka_unit_test(shows_names),    cmocka_unit_test(text_fails_once),
        cmocka_unit_test(allocates),      cmocka_unit_test(fills_arenas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
