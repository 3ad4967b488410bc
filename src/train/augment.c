/* augment.c: see augment.h. */
#include "train/augment.h"

#include "base/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Random numbers of a row ---- */

typedef struct AugmentDraws {
    uint64_t key, epoch, next;
} AugmentDraws;

/* In [0, 1). */
static double augment_draw(AugmentDraws *r)
{
    return philox(r->key, r->epoch, r->next++).word[0] / 4294967296.;
}

static double augment_between(AugmentDraws *r, double low, double high)
{
    return low + (high - low) * augment_draw(r);
}

/* One of the whole numbers from low to high. */
static long augment_whole(AugmentDraws *r, long low, long high)
{
    return low + (long)(augment_draw(r) * (double)(high - low + 1));
}

/* ---- What can be done to an image ---- */

typedef struct AugmentImage {
    size_t channels, height, width;
    uint8_t *pixel; /* [channels, height, width] */
    uint8_t *room;  /* as large */
} AugmentImage;

/* The pixel of a channel; black outside. */
static double augment_pixel(const AugmentImage *m, const uint8_t *from, long y, long x)
{
    bool inside = y >= 0 && x >= 0 && y < (long)m->height && x < (long)m->width;
    return inside ? from[(size_t)y * m->width + (size_t)x] : 0;
}

static uint8_t augment_sample(const AugmentImage *m, const uint8_t *from, double y, double x)
{
    double top = floor(y), left = floor(x), down = y - top, right = x - left;
    long i = (long)top, k = (long)left;
    double above = augment_pixel(m, from, i, k) * (1 - right) + augment_pixel(m, from, i, k + 1) * right;
    double below =
        augment_pixel(m, from, i + 1, k) * (1 - right) + augment_pixel(m, from, i + 1, k + 1) * right;
    return (uint8_t)floor(above * (1 - down) + below * down + .5);
}

/* Each pixel becomes what stands at (y, x) = at + turn * (its place from the middle), between pixels bilinearly. */
static void augment_resample(AugmentImage *m, double y, double x, const double turn[4])
{
    double middle_y = ((double)m->height - 1) / 2, middle_x = ((double)m->width - 1) / 2;
    size_t plane = m->height * m->width;
    memcpy(m->room, m->pixel, m->channels * plane);
    for (size_t c = 0; c < m->channels; c++)
        for (size_t i = 0; i < m->height; i++)
            for (size_t k = 0; k < m->width; k++) {
                double dy = (double)i - middle_y, dx = (double)k - middle_x;
                m->pixel[c * plane + i * m->width + k] = augment_sample(
                    m, m->room + c * plane, y + turn[0] * dy + turn[1] * dx, x + turn[2] * dy + turn[3] * dx);
            }
}

static void augment_shift(AugmentImage *m, double most, AugmentDraws *r)
{
    long down = augment_whole(r, -(long)most, (long)most), right = augment_whole(r, -(long)most, (long)most);
    long height = (long)m->height, width = (long)m->width;
    size_t rows = m->channels * m->height, length = (size_t)(width - labs(right));
    memcpy(m->room, m->pixel, rows * m->width);
    memset(m->pixel, 0, rows * m->width);
    for (size_t i = 0; i < rows; i++) {
        long y = (long)(i % m->height) - down;
        if (y < 0 || y >= height || labs(right) >= width) continue;
        const uint8_t *from = m->room + ((long)i - down) * width;
        memcpy(m->pixel + (long)i * width + (right > 0 ? right : 0), from + (right < 0 ? -right : 0), length);
    }
}

static void augment_flip(AugmentImage *m, double value, AugmentDraws *r)
{
    (void)value;
    if (augment_draw(r) < .5) return;
    for (size_t i = 0; i < m->channels * m->height; i++) {
        uint8_t *row = m->pixel + i * m->width;
        for (size_t k = 0; k < m->width / 2; k++) {
            uint8_t swap = row[k];
            row[k] = row[m->width - 1 - k];
            row[m->width - 1 - k] = swap;
        }
    }
}

static void augment_rotate(AugmentImage *m, double most, AugmentDraws *r)
{
    double angle = augment_between(r, -most, most) * 3.14159265358979323846 / 180;
    double turn[4] = {cos(angle), -sin(angle), sin(angle), cos(angle)};
    augment_resample(m, ((double)m->height - 1) / 2, ((double)m->width - 1) / 2, turn);
}

static void augment_crop(AugmentImage *m, double least, AugmentDraws *r)
{
    double share = augment_between(r, least, 1), turn[4] = {share, 0, 0, share};
    double free_y = (1 - share) * ((double)m->height - 1) / 2,
           free_x = (1 - share) * ((double)m->width - 1) / 2;
    double y = ((double)m->height - 1) / 2 + augment_between(r, -free_y, free_y);
    augment_resample(m, y, ((double)m->width - 1) / 2 + augment_between(r, -free_x, free_x), turn);
}

/* The square's middle is anywhere in the image, so it may hang out (DeVries and Taylor 2017). */
static void augment_cutout(AugmentImage *m, double side, AugmentDraws *r)
{
    long top = augment_whole(r, 0, (long)m->height - 1) - (long)side / 2,
         left = augment_whole(r, 0, (long)m->width - 1) - (long)side / 2;
    for (size_t i = 0; i < m->channels * m->height; i++) {
        long y = (long)(i % m->height);
        for (long k = left < 0 ? 0 : left; y >= top && y < top + (long)side && k < left + (long)side; k++)
            if (k < (long)m->width) m->pixel[i * m->width + (size_t)k] = 0;
    }
}

typedef struct AugmentKind {
    const char *name;
    void (*change)(AugmentImage *m, double value, AugmentDraws *r); /* NULL: of a batch */
    double standard, least, most;
    bool whole;
} AugmentKind;

static const AugmentKind augment_kinds[] = {
    {"shift", augment_shift, 2, 0, 1000, true},    {"flip", augment_flip, 0, 0, 0, true},
    {"rotate", augment_rotate, 10, 0, 180, false}, {"crop", augment_crop, .8, .1, 1, false},
    {"cutout", augment_cutout, 8, 1, 1000, true},  {"mixup", NULL, .2, .01, 4, false},
};
enum { AUGMENT_KINDS = sizeof augment_kinds / sizeof *augment_kinds };

/* ---- Reading the setting ---- */

typedef struct AugmentReading {
    Augment *a;
    const char *origin;
    Error *error;
} AugmentReading;

static int augment_refuse_name(const AugmentReading *q, const char *word, size_t length)
{
    const char *names[AUGMENT_KINDS];
    for (size_t i = 0; i < AUGMENT_KINDS; i++)
        names[i] = augment_kinds[i].name;
    Text name = {0};
    text_append(&name, word, length);
    const char *near = name_nearest(text_end(&name), names, AUGMENT_KINDS);
    int status = error_set(q->error, NUDGE_INPUT, "%s: augment: nothing done to images is called %s; %s%s%s",
                           q->origin, text_end(&name), near ? "did you mean " : "", near ? near : "",
                           near ? "?" : "there are shift, flip, rotate, crop, cutout and mixup");
    text_free(&name);
    return status;
}

static int augment_refuse_value(const AugmentReading *q, const AugmentKind *k, const char *value, int length)
{
    char least[NUMBER_ROOM], most[NUMBER_ROOM], standard[NUMBER_ROOM];
    if (!k->most)
        return error_set(q->error, NUDGE_INPUT, "%s: augment: %s takes nothing; write it without (%.*s)",
                         q->origin, k->name, length, value);
    return error_set(q->error, NUDGE_INPUT,
                     "%s: augment: %s(%.*s) wants a %snumber from %s to %s, such as %s(%s)", q->origin,
                     k->name, length, value, k->whole ? "whole " : "", number_print(least, k->least),
                     number_print(most, k->most), k->name, number_print(standard, k->standard));
}

static int augment_add(const AugmentReading *q, const AugmentKind *k, double value)
{
    Augment *a = q->a;
    if (!k->change) {
        a->mixup = value;
        return NUDGE_OK;
    }
    if (a->steps == AUGMENT_MOST)
        return error_set(q->error, NUDGE_INPUT, "%s: augment: more than %d changes; leave some out",
                         q->origin, AUGMENT_MOST);
    a->step[a->steps++] = (AugmentStep){k, value};
    return NUDGE_OK;
}

static const AugmentKind *augment_find(const char *word, size_t length)
{
    for (size_t i = 0; i < AUGMENT_KINDS; i++)
        if (strlen(augment_kinds[i].name) == length && !memcmp(augment_kinds[i].name, word, length))
            return &augment_kinds[i];
    return NULL;
}

/* One "name" or "name(number)"; *at goes on behind it. */
static int augment_read_one(const AugmentReading *q, const char **at)
{
    const char *word = *at;
    size_t length = strcspn(word, " \t\r\n(");
    const AugmentKind *k = augment_find(word, length);
    if (!k) return augment_refuse_name(q, word, length);
    *at += length;
    if (**at != '(') return augment_add(q, k, k->standard);
    const char *value = *at + 1, *end = strchr(value, ')');
    if (!end)
        return error_set(q->error, NUDGE_INPUT,
                         "%s: augment: the bracket after %s does not close; write %s(...)", q->origin,
                         k->name, k->name);
    double number;
    bool fits = k->most && number_is(value, (size_t)(end - value), &number) && number >= k->least &&
                number <= k->most && (!k->whole || number == floor(number));
    if (!fits) return augment_refuse_value(q, k, value, (int)(end - value));
    *at = end + 1;
    return augment_add(q, k, number);
}

static int augment_read(const AugmentReading *q, const char *text)
{
    const char *at = text + strspn(text, " \t\r\n");
    int status = NUDGE_OK;
    while (!status && *at) {
        status = augment_read_one(q, &at);
        at += strspn(at, " \t\r\n");
    }
    return status;
}

static int augment_check(const AugmentReading *q, const Model *m, const Dataset *d)
{
    bool image = d->x_type == DATA_U8 && m->task.bytes && (d->x_rank == 2 || d->x_rank == 3);
    if (!image)
        return error_set(q->error, NUDGE_INPUT,
                         "%s: augment: changes images, but the rows are no images of bytes; leave it out",
                         q->origin);
    if (q->a->mixup > 0 && !m->task.classify)
        return error_set(
            q->error, NUDGE_INPUT,
            "%s: augment: mixup mixes images of classes, but the target is a number; leave it out",
            q->origin);
    return NUDGE_OK;
}

/* ---- The whole ---- */

int augment_open(Augment *a, const Model *m, const Dataset *d, size_t batch_rows, Error *e)
{
    const Settings *s = &m->settings;
    const char *text = settings_text(s, "augment");
    *a = (Augment){.seed = (uint64_t)settings_integer(s, "seed") ^ hash_string("augment")};
    if (!text) return NUDGE_OK;
    AugmentReading q = {a, settings_origin(s, "augment"), e};
    int status = augment_read(&q, text);
    if (!status) status = augment_check(&q, m, d);
    if (status) return status;
    a->channels = d->x_rank == 3 ? d->x_shape[0] : 1;
    a->height = d->x_shape[d->x_rank - 2];
    a->width = d->x_shape[d->x_rank - 1];
    a->room = memory_new(d->features, 1);
    a->kept = memory_new(a->mixup > 0 ? batch_rows : 1, d->features);
    if (a->room && a->kept) return NUDGE_OK;
    augment_close(a);
    return error_memory(e);
}

void augment_close(Augment *a)
{
    memory_release(a->room);
    memory_release(a->kept);
    *a = (Augment){0};
}

/* Of the distribution Beta(alpha + 1, alpha), by Jöhnk's method. */
static double augment_beta(AugmentDraws *r, double alpha)
{
    double x, z;
    do {
        x = pow(1 - augment_draw(r), 1 / (alpha + 1));
        z = pow(1 - augment_draw(r), 1 / alpha);
    } while (x + z > 1);
    return x / (x + z);
}

/* A mix keeps the label of one of its images. Where the share of that one is of Beta(alpha + 1, alpha), the gradient of
 * cross entropy is on average that of the mixed label with a share of Beta(alpha, alpha) (Zhang et al. 2017): so no loss
 * needs to know of it. */
static void augment_mix(const Augment *a, Batch *b, const size_t *row, uint64_t epoch)
{
    size_t size = a->channels * a->height * a->width;
    uint8_t *x = b->x;
    memcpy(a->kept, x, b->rows * size);
    for (size_t i = 0; i < b->rows; i++) {
        AugmentDraws r = {hash_mix(a->seed + row[i]) ^ hash_string("mixup"), epoch, 0};
        double share = augment_beta(&r, a->mixup);
        const uint8_t *other = a->kept + (i + 1) % b->rows * size;
        for (size_t k = 0; k < size; k++)
            x[i * size + k] = (uint8_t)floor(share * x[i * size + k] + (1 - share) * other[k] + .5);
    }
}

void augment_batch(const Augment *a, Batch *b, const size_t *row, uint64_t epoch)
{
    size_t size = a->channels * a->height * a->width;
    for (size_t i = 0; a->steps && i < b->rows; i++) {
        AugmentDraws r = {hash_mix(a->seed + row[i]), epoch, 0};
        AugmentImage m = {a->channels, a->height, a->width, (uint8_t *)b->x + i * size, a->room};
        for (size_t k = 0; k < a->steps; k++)
            a->step[k].kind->change(&m, a->step[k].value, &r);
    }
    if (a->mixup > 0) augment_mix(a, b, row, epoch);
}
