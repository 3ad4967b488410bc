/* test_safetensors.c: files read back as they were written, and a cut or damaged one is an error that says where. */
#include "format/file.h"
#include "format/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_heap.h"

static const float weight[] = {1, -2.5f, 0, 3e-40f, INFINITY, 0.1f};
static const double bias[] = {0.1, -1e300};
static const int64_t step[] = {5000};
static const uint8_t flags[] = {0, 255, 7};

static const SafetensorsTensor sample[] = {
    {"0.weight", SAFETENSORS_F32, 2, {2, 3}, weight}, {"0.bias \xC3\xA9\"", SAFETENSORS_F64, 1, {2}, bias},
    {"step", SAFETENSORS_I64, 0, {0}, step},          {"nothing", SAFETENSORS_F32, 2, {0, 4}, NULL},
    {"flags", SAFETENSORS_U8, 1, {3}, flags},
};
static const SafetensorsNote notes[] = {{"net", "dense(3) relu"}, {"classes", "[\"a\",\"b\\n\"]"}};

enum { TENSORS = sizeof sample / sizeof *sample };

static void sample_write(Text *out)
{
    Error e = {0};
    assert_int_equal(safetensors_write(out, sample, TENSORS, notes, 2, &e), NUDGE_OK);
}

static void sample_check(const Safetensors *f)
{
    assert_int_equal(f->count, TENSORS);
    assert_int_equal(f->notes, 2);
    for (size_t i = 0; i < TENSORS; i++) {
        const SafetensorsTensor *t = safetensors_find(f, sample[i].name);
        assert_ptr_equal(t, &f->tensor[i]);
        assert_string_equal(t->name, sample[i].name);
        assert_int_equal(t->type, sample[i].type);
        assert_int_equal(t->rank, sample[i].rank);
        assert_memory_equal(t->shape, sample[i].shape, sizeof t->shape);
        if (sample[i].data) assert_memory_equal(t->data, sample[i].data, safetensors_bytes(&sample[i]));
    }
    assert_null(safetensors_find(f, "absent"));
    assert_null(safetensors_find(f, "__metadata__"));
    assert_string_equal(safetensors_note(f, "net"), "dense(3) relu");
    assert_string_equal(safetensors_note(f, "classes"), "[\"a\",\"b\\n\"]");
    assert_null(safetensors_note(f, "absent"));
}

static void round_trip(void **state)
{
    (void)state;
    Text out = {0}, again = {0};
    sample_write(&out), sample_write(&again);
    assert_int_equal(out.length, again.length);
    assert_memory_equal(out.s, again.s, out.length);
    uint64_t header;
    memcpy(&header, out.s, 8);
    assert_int_equal(header % 8, 0);
    assert_int_equal(out.length, 8 + header + sizeof weight + sizeof bias + sizeof step + sizeof flags);
    Safetensors f;
    Error e = {0};
    assert_int_equal(safetensors_read(&f, "m", out.s, out.length, &e), NUDGE_OK);
    sample_check(&f);
    double doubles[6];
    float floats[6];
    safetensors_doubles(&f.tensor[0], doubles), safetensors_floats(&f.tensor[0], floats);
    for (int i = 0; i < 6; i++)
        assert_true(doubles[i] == (double)weight[i] && floats[i] == weight[i]);
    safetensors_floats(&f.tensor[1], floats);
    assert_true(floats[0] == (float)bias[0] && isinf(floats[1]));
    assert_true(safetensors_value(&f.tensor[4], 1) == 255);
    safetensors_close(&f);
    text_free(&out), text_free(&again);
}

static void files(void **state)
{
    (void)state;
    char path[] = "/tmp/nudge_safetensors_XXXXXX";
    close(mkstemp(path));
    Error e = {0};
    Safetensors f;
    assert_int_equal(safetensors_save(path, sample, TENSORS, notes, 2, &e), NUDGE_OK);
    assert_int_equal(safetensors_open(&f, path, &e), NUDGE_OK);
    sample_check(&f);
    safetensors_close(&f);
    char *bytes;
    size_t size;
    Text out = {0};
    sample_write(&out);
    assert_int_equal(file_read(path, &bytes, &size, &e), NUDGE_OK);
    assert_int_equal(size, out.length);
    assert_memory_equal(bytes, out.s, size);
    text_free(&out);
    memory_release(bytes);
    assert_int_equal(safetensors_save(path, NULL, 0, NULL, 0, &e), NUDGE_OK);
    assert_int_equal(safetensors_open(&f, path, &e), NUDGE_OK);
    assert_int_equal(f.count + f.notes, 0);
    assert_null(safetensors_note(&f, "net"));
    safetensors_close(&f);
    unlink(path);
    assert_int_equal(safetensors_open(&f, path, &e), NUDGE_INPUT);
    assert_non_null(strstr(e.message, "cannot read: No such file"));
    safetensors_close(&f);
}

/* Whichever byte of the data has changed is noticed; a file without a checksum, as other programs write it, is read. */
static void checksum(void **state)
{
    (void)state;
    static const char digits[] = "123456789",
                      header[] = "{\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
    const SafetensorsTensor known = {"digits", SAFETENSORS_U8, 1, {9}, digits};
    Text out = {0}, plain = {0};
    Safetensors f;
    Error e = {0};
    assert_int_equal(safetensors_write(&out, &known, 1, NULL, 0, &e), NUDGE_OK);
    assert_int_equal(safetensors_read(&f, "m", out.s, out.length, &e), NUDGE_OK);
    assert_string_equal(safetensors_note(&f, "crc32"), "cbf43926"); /* the check value of this CRC */
    safetensors_close(&f);
    for (size_t i = out.length - 9; i < out.length; i++)
        for (int bit = 0; bit < 8; bit++) {
            error_clear(&e);
            out.s[i] ^= (char)(1 << bit);
            assert_int_equal(safetensors_read(&f, "m", out.s, out.length, &e), NUDGE_INPUT);
            assert_non_null(
                strstr(e.message, "m: corrupted: numbers in it have changed since it was written"));
            out.s[i] ^= (char)(1 << bit);
        }
    error_clear(&e);
    uint64_t length = sizeof header - 1;
    text_append(&plain, (const char *)&length, sizeof length);
    text_append(&plain, header, sizeof header - 1);
    text_put(&plain, 7);
    assert_int_equal(safetensors_read(&f, "m", plain.s, plain.length, &e), NUDGE_OK);
    safetensors_close(&f);
    text_free(&out), text_free(&plain);
}

/* Every type, at its ends. */
static void types(void **state)
{
    (void)state;
    static const uint16_t half[] = {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x8000, 0x7C00, 0xFC00, 0x7E00, 0x3555};
    static const double halves[] = {1, -2, 65504, 0x1p-24, -0.0, HUGE_VAL, -HUGE_VAL, 0, 0.333251953125};
    static const uint16_t brain[] = {0x3F80, 0xC000, 0x7F7F, 0x0001, 0xFF80};
    static const double brains[] = {1, -2, 0x1.FEp127, 0x1p-133, -HUGE_VAL};
    static const uint32_t single[] = {0x00000001, 0x7F7FFFFF, 0xBF800000};
    static const double singles[] = {0x1p-149, 0x1.FFFFFEp127, -1};
    static const double real[] = {0x1p-1074, -1.7976931348623157e308, 0.1};
    static const int64_t long_[] = {INT64_MIN, -1, 9007199254740991};
    static const double longs[] = {-0x1p63, -1, 9007199254740991.0};
    static const int32_t int_[] = {INT32_MIN, INT32_MAX};
    static const double ints[] = {-2147483648.0, 2147483647};
    static const int16_t short_[] = {-32768, 32767};
    static const double shorts[] = {-32768, 32767};
    static const int8_t byte[] = {-128, 127};
    static const double bytes[] = {-128, 127};
    static const uint64_t ulong_[] = {UINT64_MAX, 1};
    static const double ulongs[] = {0x1p64, 1};
    static const uint32_t uint_[] = {UINT32_MAX};
    static const double uints[] = {4294967295.0};
    static const uint16_t ushort_[] = {65535};
    static const double ushorts[] = {65535};
    static const struct {
        SafetensorsType type;
        const char *name;
        const void *data;
        const double *values;
        int64_t count;
    } cases[] = {{SAFETENSORS_F16, "F16", half, halves, 9},    {SAFETENSORS_BF16, "BF16", brain, brains, 5},
                 {SAFETENSORS_F32, "F32", single, singles, 3}, {SAFETENSORS_F64, "F64", real, real, 3},
                 {SAFETENSORS_I64, "I64", long_, longs, 3},    {SAFETENSORS_I32, "I32", int_, ints, 2},
                 {SAFETENSORS_I16, "I16", short_, shorts, 2},  {SAFETENSORS_I8, "I8", byte, bytes, 2},
                 {SAFETENSORS_U64, "U64", ulong_, ulongs, 2},  {SAFETENSORS_U32, "U32", uint_, uints, 1},
                 {SAFETENSORS_U16, "U16", ushort_, ushorts, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SafetensorsTensor t = {"t", cases[i].type, 1, {cases[i].count}, cases[i].data};
        assert_string_equal(safetensors_type_name(t.type), cases[i].name);
        for (int64_t k = 0; k < cases[i].count; k++) {
            double value = safetensors_value(&t, (size_t)k);
            if (cases[i].type == SAFETENSORS_F16 && k == 7)
                assert_true(isnan(value));
            else
                assert_true(value == cases[i].values[k] && signbit(value) == signbit(cases[i].values[k]));
        }
    }
}

/* Reads a file made of a header and some bytes of data, in a block of exactly that size. */
static int read_made(const char *header, size_t data, Error *e)
{
    uint64_t length = strlen(header);
    size_t size = 8 + length + data;
    char *bytes = calloc(size, 1);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    Safetensors f;
    int status = safetensors_read(&f, "m.safetensors", bytes, size, e);
    safetensors_close(&f);
    free(bytes);
    return status;
}

static void refuses_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *message;
    } cases[] = {
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}", 8,
         "corrupted header (it begins at byte 8): byte 53: the text ends where ',' or '}' is expected"},
        {"[]", 0, "corrupted header: it is not an object; copy"},
        {"{\"a\":1}", 0,
         "corrupted header: at byte 13 of the file, a: it is not described by an object; copy"},
        {"{\"a\":{}}", 0, "a: its dtype is missing or no string"},
        {"{\"a\":{\"dtype\":\"F8_E4M3\"}}", 0,
         "m.safetensors: tensor a has the dtype F8_E4M3, which is not known here; store it "
         "as F32"},
        {"{\"a\":{\"dtype\":\"F32\"}}", 0, "its shape is missing or no list"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1]}}", 0,
         "its shape has more than 8 dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1]}}", 0, "its shape has something other than sizes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5]}}", 0, "its shape has something other than sizes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296]}}", 0,
         "its shape is too large for any memory"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 0, "its data_offsets are missing or not two sizes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,\"8\"]}}", 8,
         "its data_offsets are missing or not "
         "two sizes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8,
         "its shape and dtype need another number "
         "of bytes than data_offsets give"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9]}}", 9,
         "its shape and dtype need another number "
         "of bytes than data_offsets give"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7,
         "m.safetensors: truncated: tensor a should end at byte 70, and the file has 69 bytes; copy or save the file again"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9,
         "corrupted: its tensors end at byte 70, and the file has 71 bytes"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", 3,
         "corrupted header: bytes 61 to 62 of the file, before tensor a, belong to no tensor"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_"
         "offsets\":[1,3]}}",
         3, "corrupted header: tensor b begins at byte 114 of the file, within tensor a, which ends at 115"},
        {"{\"a\\u0000b\":{}}", 0, "its name goes on after a zero byte"},
        {"{\"__metadata__\":[]}", 0, "__metadata__: the metadata is not an object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__: the metadata has a value that is no string"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error e = {0};
        assert_int_equal(read_made(cases[i].header, cases[i].data, &e), NUDGE_INPUT);
        if (!strstr(e.message, cases[i].message)) assert_string_equal(e.message, cases[i].message);
    }
    Error e = {0}; /* data in another order than the header, with an empty tensor between, is fine */
    assert_int_equal(
        read_made("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]},\"b\":{\"dtype\":\"U8\","
                  "\"shape\":[1],\"data_offsets\":[0,1],\"more\":null},\"c\":{\"dtype\":\"U8\",\"shape\":[0],"
                  "\"data_offsets\":[1,1]}}  ",
                  3, &e),
        NUDGE_OK);
}

static void refuses_lengths(void **state)
{
    (void)state;
    Safetensors f;
    Error e = {0};
    assert_int_equal(safetensors_read(&f, "m", "abc", 3, &e), NUDGE_INPUT);
    assert_string_equal(
        e.message, "m: truncated: it has 3 bytes, and the first 8 of a safetensors file say how long its "
                   "header is; copy or save the file again");
    error_clear(&e);
    assert_int_equal(safetensors_read(&f, "m", "not a safetensors file", 22, &e), NUDGE_INPUT);
    assert_string_equal(
        e.message, "m: not a safetensors file, or corrupted: its first 8 bytes give its header a length of "
                   "7021991845529153390; copy or save the file again");
    error_clear(&e);
    assert_int_equal(safetensors_read(&f, "m", "\x40\0\0\0\0\0\0\0{}", 10, &e), NUDGE_INPUT);
    assert_string_equal(e.message,
                        "m: truncated: its header should end at byte 72, and the file has 10 bytes; copy or "
                        "save the file again");
}

/* Any cut is seen. Any changed byte is, or gives a file whose tensors can all be read. */
static void damage(void **state)
{
    (void)state;
    Text out = {0};
    sample_write(&out);
    for (size_t cut = 0; cut < out.length; cut++) {
        char *exact = malloc(cut ? cut : 1);
        memcpy(exact, out.s, cut);
        Safetensors f;
        Error e = {0};
        assert_int_equal(safetensors_read(&f, "m", exact, cut, &e), NUDGE_INPUT);
        free(exact);
    }
    static const unsigned char changes[] = {0,   1,   0x80, 0xFF, '"', '{', '}', '[',
                                            ']', ',', ':',  '0',  '9', '-', '\\'};
    char *exact = malloc(out.length);
    for (size_t at = 0; at < out.length; at++) {
        for (size_t i = 0; i < sizeof changes; i++) {
            memcpy(exact, out.s, out.length);
            exact[at] = (char)changes[i];
            Safetensors f;
            Error e = {0};
            int status = safetensors_read(&f, "m", exact, out.length, &e);
            assert_true(status == NUDGE_OK || (status == NUDGE_INPUT && e.message[0]));
            for (size_t t = 0; t < f.count; t++)
                for (size_t k = safetensors_elements(&f.tensor[t]); k-- > 0;)
                    (void)safetensors_value(&f.tensor[t], k);
            safetensors_close(&f);
        }
    }
    free(exact);
    text_free(&out);
}

static void allocations(void **state)
{
    (void)state;
    char path[] = "/tmp/nudge_safetensors_XXXXXX";
    close(mkstemp(path));
    int saved = 1, opened = 1;
    for (int n = 0; saved || opened; n++) {
        Error e = {0};
        Safetensors f;
        int left = n;
        nudge_allocator(failing_heap, &left);
        saved = safetensors_save(path, sample, TENSORS, notes, 2, &e);
        left = n;
        opened = saved ? saved : safetensors_open(&f, path, &e);
        if (!opened) safetensors_close(&f);
        nudge_allocator(NULL, NULL);
        assert_true(!opened || (opened == NUDGE_MACHINE && !strcmp(e.message, "out of memory")));
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(checksum),        cmocka_unit_test(files),
        cmocka_unit_test(types),      cmocka_unit_test(refuses_headers), cmocka_unit_test(refuses_lengths),
        cmocka_unit_test(damage),     cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
