/* Images changed at random while training: what each change does, that it depends on seed, epoch and row only, and what
 * is said of a setting that makes no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/philox.h"
#include "train/augment.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 40, SIDE = 9, SIZE = SIDE * SIDE, CLASSES = 4 };

static uint8_t images[ROWS * SIZE];
static int32_t labels[ROWS];

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        labels[i] = (int32_t)(i % CLASSES);
        for (size_t k = 0; k < SIZE; k++)
            images[i * SIZE + k] = (uint8_t)(1 + (philox(3, i, k).word[0] >> 24) % 255);
    }
    return 0;
}

static Dataset data(void)
{
    return (Dataset){.rows = ROWS,
                     .features = SIZE,
                     .targets = 1,
                     .x_type = DATA_U8,
                     .t_type = DATA_I32,
                     .x = images,
                     .t = labels,
                     .classes = CLASSES,
                     .x_rank = 3,
                     .x_shape = {1, SIDE, SIDE}};
}

static Model *make(const Dataset *d, const char *augment, int seed)
{
    Error e = {0};
    Settings s = {0};
    Task task = task_of(d, false);
    Model *m = NULL;
    Text options = {0};
    text_print(&options, "net=dense(classes) seed=%d augment=%s", seed, augment);
    int status = settings_parse(&s, text_end(&options), &e);
    if (!status) status = model_new(&m, &s, &task, &e);
    if (status) fail_msg("%s", e.message);
    settings_free(&s);
    text_free(&options);
    return m;
}

/* Rows row[0..n) as they come out in an epoch. */
static void change(const char *augment, int seed, uint64_t epoch, const size_t *row, size_t n, uint8_t *out)
{
    Dataset d = data();
    Error e = {0};
    Augment a;
    Batch b;
    Model *m = make(&d, augment, seed);
    assert_int_equal(augment_open(&a, m, &d, n, &e), 0);
    assert_int_equal(batch_new(&b, m, n, false, &e), 0);
    batch_take(&b, m, &d, row, n);
    augment_batch(&a, &b, row, epoch);
    memcpy(out, b.x, n * SIZE);
    batch_free(&b);
    augment_close(&a);
    model_free(m);
}

static uint8_t changed[ROWS][SIZE];
static size_t every[ROWS];

static void change_all(const char *augment)
{
    for (size_t i = 0; i < ROWS; i++)
        every[i] = i;
    change(augment, 1, 0, every, ROWS, changed[0]);
}

/* ---- Each change ---- */

static void test_shift(void **state)
{
    (void)state;
    bool seen[5][5] = {{false}};
    int kinds = 0;
    change_all("shift(2)");
    for (size_t i = 0; i < ROWS; i++) {
        int found = 0;
        for (int dy = -2; dy <= 2; dy++)
            for (int dx = -2; dx <= 2; dx++) {
                bool same = true;
                for (int y = 0; y < SIDE; y++)
                    for (int x = 0; x < SIDE; x++) {
                        bool in = y - dy >= 0 && y - dy < SIDE && x - dx >= 0 && x - dx < SIDE;
                        int was = in ? images[i * SIZE + (size_t)((y - dy) * SIDE + x - dx)] : 0;
                        same &= changed[i][y * SIDE + x] == was;
                    }
                if (same) kinds += !seen[dy + 2][dx + 2], seen[dy + 2][dx + 2] = true;
                found += same;
            }
        assert_int_equal(found, 1);
    }
    assert_true(kinds > 12); /* of 25 */
    change_all("shift(0)");
    assert_memory_equal(changed, images, sizeof images);
    change_all("shift(1000)"); /* almost all is black */
    int white = 0;
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < SIZE; k++)
            white += changed[i][k] != 0;
    assert_true(white < SIZE);
}

static void test_flip(void **state)
{
    (void)state;
    int turned = 0;
    change_all("flip");
    for (size_t i = 0; i < ROWS; i++) {
        uint8_t mirror[SIZE];
        for (int k = 0; k < SIZE; k++)
            mirror[k] = images[i * SIZE + (size_t)(k / SIDE * SIDE + SIDE - 1 - k % SIDE)];
        bool flipped = !memcmp(changed[i], mirror, SIZE);
        assert_true(flipped || !memcmp(changed[i], images + i * SIZE, SIZE));
        turned += flipped;
    }
    assert_true(turned > 10 && turned < 30);
}

/* The middle stays where it is; by nothing, nothing changes; the corners leave the image. */
static void test_rotate(void **state)
{
    (void)state;
    change_all("rotate(0)");
    assert_memory_equal(changed, images, sizeof images);
    change_all("rotate(40)");
    int black = 0, differs = 0;
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(changed[i][SIZE / 2], images[i * SIZE + SIZE / 2]);
        black += changed[i][0] == 0;
        differs += memcmp(changed[i], images + i * SIZE, SIZE) != 0;
    }
    assert_true(black > ROWS / 4);
    assert_true(differs > ROWS - 3);
    change_all("rotate"); /* 10 degrees, by default */
}

/* A picture that grows to the right and down shows where its parts went. */
static void test_crop(void **state)
{
    (void)state;
    static uint8_t kept[sizeof images];
    memcpy(kept, images, sizeof kept);
    for (size_t i = 0; i < ROWS; i++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                images[i * SIZE + (size_t)(y * SIDE + x)] = (uint8_t)(20 * x + 5 * y);
    change_all("crop(1)");
    assert_memory_equal(changed, images, sizeof images);
    change_all("crop(.5)");
    double least = 9, most = 0;
    for (size_t i = 0; i < ROWS; i++) {
        double wide = (changed[i][SIDE - 1] - changed[i][0]) / 160.,
               high = (changed[i][SIZE - SIDE] - changed[i][0]) / 40.;
        assert_true(fabs(wide - high) < .05); /* both sides by the same share */
        assert_true(wide > .49 && wide < 1.01);
        assert_true(changed[i][SIZE - 1] <= 200); /* nothing from outside, which would be black */
        least = fmin(least, wide), most = fmax(most, wide);
    }
    assert_true(least < .6 && most > .9);
    memcpy(images, kept, sizeof kept);
}

static void test_cutout(void **state)
{
    (void)state;
    int whole = 0;
    change_all("cutout(3)");
    for (size_t i = 0; i < ROWS; i++) {
        int top = SIDE, bottom = -1, left = SIDE, right = -1, black = 0;
        for (int k = 0; k < SIZE; k++) {
            if (changed[i][k]) assert_int_equal(changed[i][k], images[i * SIZE + (size_t)k]);
            if (changed[i][k]) continue;
            black++;
            top = k / SIDE < top ? k / SIDE : top, bottom = k / SIDE > bottom ? k / SIDE : bottom;
            left = k % SIDE < left ? k % SIDE : left, right = k % SIDE > right ? k % SIDE : right;
        }
        assert_int_equal(black,
                         (bottom - top + 1) * (right - left + 1)); /* a rectangle: images have no black */
        assert_true(black >= 4 && black <= 9);
        whole += black == 9;
    }
    assert_true(whole > ROWS / 3);
}

/* The share that a row keeps of itself, from its pixels; the other part is the next row's. */
static double share_of(size_t i)
{
    double up = 0, down = 0;
    for (size_t k = 0; k < SIZE; k++) {
        double own = images[i * SIZE + k], other = images[(i + 1) % ROWS * SIZE + k];
        up += (changed[i][k] - other) * (own - other);
        down += (own - other) * (own - other);
    }
    return up / down;
}

/* Shares are of Beta(alpha + 1, alpha), whose mean is (alpha + 1)/(2 alpha + 1). */
static void test_mixup(void **state)
{
    (void)state;
    double sum = 0, count = 0;
    for (int seed = 1; seed <= 25; seed++) {
        for (size_t i = 0; i < ROWS; i++)
            every[i] = i;
        change("mixup(1)", seed, 0, every, ROWS, changed[0]);
        for (size_t i = 0; i < ROWS; i++) {
            double share = share_of(i);
            assert_true(share > -.01 && share < 1.01);
            for (size_t k = 0; k < SIZE; k++)
                assert_true(fabs(changed[i][k] - share * images[i * SIZE + k] -
                                 (1 - share) * images[(i + 1) % ROWS * SIZE + k]) < 1.2);
            sum += share, count++;
        }
    }
    assert_true(fabs(sum / count - 2. / 3) < .03); /* the deviation of the mean is .0075 */
}

/* ---- What it depends on ---- */

static void test_depends_on(void **state)
{
    (void)state;
    static const char augment[] = "shift(2) rotate(15) flip cutout(2)";
    static uint8_t a[ROWS][SIZE], b[ROWS][SIZE];
    size_t back[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        every[i] = i, back[i] = ROWS - 1 - i;
    change(augment, 1, 0, every, ROWS, a[0]);
    change(augment, 1, 0, back, ROWS, b[0]);
    for (size_t i = 0; i < ROWS; i++)
        assert_memory_equal(a[i], b[ROWS - 1 - i], SIZE); /* not on its place in the batch */
    change(augment, 1, 0, (size_t[]){7}, 1, b[0]);
    assert_memory_equal(a[7], b[0], SIZE); /* nor on the others */
    change(augment, 1, 1, every, ROWS, b[0]);
    assert_memory_not_equal(a, b, sizeof a); /* on the epoch */
    change(augment, 2, 0, every, ROWS, b[0]);
    assert_memory_not_equal(a, b, sizeof a); /* and the seed */
}

/* Planes of a colour image move together. */
static void test_channels(void **state)
{
    (void)state;
    Dataset d = data();
    static uint8_t colours[4 * 3 * SIZE];
    for (size_t i = 0; i < 4 * 3 * SIZE; i++)
        colours[i] = images[i / (3 * SIZE) * SIZE + i % SIZE];
    d.x = colours, d.rows = 4, d.features = 3 * SIZE, d.x_shape[0] = 3;
    Model *m = make(&d, "shift(3) rotate(30) crop(.6) cutout(2) flip", 5);
    Error e = {0};
    Augment a;
    Batch b;
    size_t row[4] = {0, 1, 2, 3};
    assert_int_equal(augment_open(&a, m, &d, 4, &e), 0);
    assert_int_equal(batch_new(&b, m, 4, false, &e), 0);
    batch_take(&b, m, &d, row, 4);
    augment_batch(&a, &b, row, 0);
    const uint8_t *x = b.x;
    for (size_t i = 0; i < 4; i++)
        for (size_t c = 1; c < 3; c++)
            assert_memory_equal(x + i * 3 * SIZE, x + (i * 3 + c) * SIZE, SIZE);
    assert_memory_not_equal(x, colours, sizeof colours);
    batch_free(&b);
    augment_close(&a);
    model_free(m);
}

/* ---- Mistakes ---- */

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *augment, *message;
    } row[] = {
        {"shfit(2)", "options: augment: nothing done to images is called shfit; did you mean shift?"},
        {"zoom", "there are shift, flip, rotate, crop, cutout and mixup"},
        {"shift(1.5)", "options: augment: shift(1.5) wants a whole number from 0 to 1000, such as shift(2)"},
        {"rotate(200)", "rotate(200) wants a number from 0 to 180, such as rotate(10)"},
        {"crop(0)", "crop(0) wants a number from 0.1 to 1"},
        {"flip(1)", "options: augment: flip takes nothing; write it without (1)"},
        {"mixup()", "mixup() wants a number from 0.01 to 4"},
        {"shift(2", "the bracket after shift does not close"},
        {"shift shift shift shift shift shift shift shift shift", "more than 8 changes"},
    };
    Dataset d = data();
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        Model *m = make(&d, "flip", 1);
        Error e = {0};
        Augment a;
        assert_int_equal(settings_set(&m->settings, "augment", row[i].augment, "options", &e), 0);
        assert_int_equal(augment_open(&a, m, &d, 4, &e), NUDGE_INPUT);
        if (!strstr(e.message, row[i].message)) fail_msg("%s", e.message);
        augment_close(&a);
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shift),    cmocka_unit_test(test_flip),       cmocka_unit_test(test_rotate),
        cmocka_unit_test(test_crop),     cmocka_unit_test(test_cutout),     cmocka_unit_test(test_mixup),
        cmocka_unit_test(test_channels), cmocka_unit_test(test_depends_on), cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
