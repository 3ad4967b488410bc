/* test_idx.c: IDX files of every type are read exactly, and broken ones refused with the reason. */
#include "data/idx.h"

#include "base/text.h"
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

static char folder[] = "/tmp/nudge-idx-XXXXXX";
static char images[64], labels[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(images, sizeof images, "%s/images", folder);
    snprintf(labels, sizeof labels, "%s/labels", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    remove(images);
    remove(labels);
    return rmdir(folder);
}

static void write_bytes(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

#define WRITE(path, ...)                                                                                     \
    write_bytes(path, (const unsigned char[]){__VA_ARGS__}, sizeof(unsigned char[]){__VA_ARGS__})

/* Two images of 1 x 3. */
#define IMAGES 0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 253, 254, 255

static void assert_refuses(const char *message)
{
    Idx x;
    Error e = {0};
    char expected[512];
    snprintf(expected, sizeof expected, "%s: %s", images, message);
    assert_int_equal(idx_read(&x, images, &e), NUDGE_INPUT);
    assert_string_equal(e.message, expected);
    assert_null(x.values);
}

static void assert_refuses_pair(const char *message)
{
    Dataset d;
    Error e = {0};
    char expected[512];
    snprintf(expected, sizeof expected, message, images, labels);
    assert_int_equal(idx_dataset(&d, images, labels, &e), NUDGE_INPUT);
    assert_string_equal(e.message, expected);
    assert_null(d.x);
}

static void reads_images(void **state)
{
    (void)state;
    Dataset d;
    Error e = {0};
    WRITE(images, IMAGES);
    WRITE(labels, 0, 0, 8, 1, 0, 0, 0, 2, 7, 0);
    assert_int_equal(idx_dataset(&d, images, labels, &e), NUDGE_OK);
    assert_true(d.rows == 2 && d.features == 3 && d.targets == 1 && d.classes == 8);
    assert_true(d.x_type == DATA_U8 && d.t_type == DATA_I32 && !d.weight);
    assert_true(d.x_rank == 3 && d.x_shape[0] == 1 && d.x_shape[1] == 1 && d.x_shape[2] == 3);
    assert_memory_equal(d.x, ((uint8_t[]){1, 2, 3, 253, 254, 255}), 6);
    assert_memory_equal(d.t, ((int32_t[]){7, 0}), 8);
    dataset_free(&d);
    assert_int_equal(idx_dataset(&d, images, NULL, &e), NUDGE_OK);
    assert_true(!d.t && !d.classes);
    dataset_free(&d);
}

static void reads_types(void **state)
{
    (void)state;
    Idx x;
    Error e = {0};
    WRITE(images, 0, 0, 0x09, 1, 0, 0, 0, 2, 0x80, 0x7f);
    assert_int_equal(idx_read(&x, images, &e), NUDGE_OK);
    assert_memory_equal(x.values, ((int32_t[]){-128, 127}), 8);
    idx_free(&x);
    WRITE(images, 0, 0, 0x0b, 1, 0, 0, 0, 2, 0x80, 0, 1, 2);
    assert_int_equal(idx_read(&x, images, &e), NUDGE_OK);
    assert_memory_equal(x.values, ((int32_t[]){-32768, 258}), 8);
    idx_free(&x);
    WRITE(images, 0, 0, 0x0c, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xfe, 1, 2, 3, 4);
    assert_int_equal(idx_read(&x, images, &e), NUDGE_OK);
    assert_memory_equal(x.values, ((int32_t[]){-2, 0x01020304}), 8);
    idx_free(&x);
    WRITE(images, 0, 0, 0x0d, 1, 0, 0, 0, 1, 0xc0, 0x20, 0, 0);
    assert_int_equal(idx_read(&x, images, &e), NUDGE_OK);
    assert_true(x.type == DATA_F32 && *(float *)x.values == -2.5f);
    idx_free(&x);
    WRITE(images, 0, 0, 0x0e, 1, 0, 0, 0, 1, 0x3f, 0xd5, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55);
    assert_int_equal(idx_read(&x, images, &e), NUDGE_OK);
    assert_true(x.type == DATA_F64 && *(double *)x.values == 1.0 / 3);
    idx_free(&x);
}

static void keeps_shapes(void **state)
{
    (void)state;
    Dataset d;
    Error e = {0};
    WRITE(images, 0, 0, 8, 1, 0, 0, 0, 2, 1, 2);
    assert_int_equal(idx_dataset(&d, images, NULL, &e), NUDGE_OK);
    assert_true(d.features == 1 && d.x_rank == 1 && d.x_shape[0] == 1);
    dataset_free(&d);
    WRITE(images, 0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2);
    assert_int_equal(idx_dataset(&d, images, NULL, &e), NUDGE_OK);
    assert_true(d.features == 2 && d.x_rank == 1 && d.x_shape[0] == 2);
    dataset_free(&d);
    WRITE(images, 0, 0, 8, 4, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6);
    WRITE(labels, 0, 0, 0x0d, 1, 0, 0, 0, 1, 0x3f, 0x80, 0, 0);
    assert_int_equal(idx_dataset(&d, images, labels, &e), NUDGE_OK);
    assert_true(d.features == 6 && d.x_rank == 3 && d.x_shape[0] == 3 && d.x_shape[2] == 2);
    assert_true(d.t_type == DATA_F32 && d.classes == 0 && *(const float *)d.t == 1.0f);
    dataset_free(&d);
}

static void refuses_files(void **state)
{
    (void)state;
    write_bytes(images, "", 0);
    assert_refuses("is empty; it should be an IDX file");
    WRITE(images, 0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 0);
    assert_refuses(
        "is no IDX file: it begins with 89 50 4e 47, where images have 00 00 08 03 and labels 00 00 08 01");
    WRITE(images, 0, 0, 8);
    assert_refuses(
        "is no IDX file: it begins with 00 00 08, where images have 00 00 08 03 and labels 00 00 08 01");
    WRITE(images, 0, 0, 7, 1, 0, 0, 0, 1, 1);
    assert_refuses(
        "is no IDX file: it begins with 00 00 07 01, where images have 00 00 08 03 and labels 00 00 08 01");
    WRITE(images, 0, 0, 8, 3, 0, 0, 0, 2);
    assert_refuses("ends inside its header, so it is truncated");
    WRITE(images, 0, 0, 8, 1, 0, 0, 0, 0);
    assert_refuses("size 1 in its header is 0");
    WRITE(images, 0, 0, 8, 3, 0, 0, 0xea, 0x60, 0, 0, 0, 28, 0, 0, 0, 28, 1, 2, 3);
    assert_refuses(
        "its header says 60000 x 28 x 28 values, but only 3 bytes of them are there; copy or download it "
        "again");
    WRITE(images, 0, 0, 8, 2, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 1);
    assert_refuses(
        "its header says 4294967295 x 16777215 values, but only 1 bytes of them are there; copy or "
        "download it again");
    WRITE(images, 0, 0, 14, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1);
    assert_refuses("the sizes in its header are impossibly large");
    WRITE(images, IMAGES, 9);
    assert_refuses("has bytes after the values that its header announces");
}

static void refuses_pairs(void **state)
{
    (void)state;
    WRITE(images, IMAGES);
    WRITE(labels, 0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3);
    assert_refuses_pair("%s has 2 samples, but %s has 3 labels; these two do not belong together");
    WRITE(labels, IMAGES);
    assert_refuses_pair("%2$s: has 3 dimensions, where labels have 1; are images and labels swapped?");
    WRITE(labels, 0, 0, 9, 1, 0, 0, 0, 2, 1, 0xff);
    assert_refuses_pair("%2$s: label 2 is -1; labels count from 0");
    remove(labels);
    assert_refuses_pair("%2$s: no such file; check the name and the folder");
}

#ifdef NUDGE_HAVE_ZLIB
static void reads_gzip(void **state)
{
    (void)state;
    Idx x;
    Error e = {0};
    /* gzip of 00 00 08 01 00 00 00 02 05 06 */
    const unsigned char packed[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
                                    0x63, 0x60, 0xe0, 0x60, 0x64, 0x60, 0x60, 0x60, 0x62, 0x65,
                                    0x03, 0x00, 0x69, 0xfd, 0x88, 0x01, 0x0a, 0x00, 0x00, 0x00};
    write_bytes(images, packed, sizeof packed);
    assert_int_equal(idx_read(&x, images, &e), NUDGE_OK);
    assert_true(x.count == 2 && ((uint8_t *)x.values)[1] == 6);
    idx_free(&x);
    write_bytes(images, packed, sizeof packed - 9);
    assert_refuses("ends inside its gzip data, so it is truncated; copy or download it again");
}
#endif

static void survives_failing_allocations(void **state)
{
    (void)state;
    Dataset d;
    Error e = {.status = NUDGE_MACHINE};
    WRITE(images, 0, 0, 0x0b, 2, 0, 0, 0, 2, 0, 0, 0, 1, 1, 2, 3, 4);
    WRITE(labels, 0, 0, 8, 1, 0, 0, 0, 2, 1, 0);
    for (int n = 0; e.status; n++) {
        int left = n;
        e = (Error){0};
        nudge_allocator(failing_heap, &left);
        idx_dataset(&d, images, labels, &e);
        nudge_allocator(NULL, NULL);
        if (e.status) assert_string_equal(e.message, "out of memory");
        assert_true(n < 50);
    }
    assert_int_equal(d.rows, 2);
    dataset_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_images),
        cmocka_unit_test(reads_types),
        cmocka_unit_test(keeps_shapes),
        cmocka_unit_test(refuses_files),
        cmocka_unit_test(refuses_pairs),
#ifdef NUDGE_HAVE_ZLIB
        cmocka_unit_test(reads_gzip),
#endif
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
