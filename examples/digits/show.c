/* show.c: draws handwritten digits in the terminal, and below each what the network reads and how sure it is: the first
 * of them, and those that it is least sure of.
 *
 *     gzip -dc t10k-images-idx3-ubyte.gz | show MODEL
 *
 * cc show.c -lnudge -lm */
#include <nudge.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A digit's ink lies within the middle 20 x 20 of its 28 x 28 pixels. A character shows 2 pixels across and 4 down: a
 * quarter block is half as wide as it is high. */
enum {
    SIDE = 28,
    PIXELS = SIDE * SIDE,
    CLASSES = 10,
    MARGIN = 4,
    COLUMNS = 10,
    LINES = 5,
    ACROSS = 8,
    INK = 110
};

typedef struct Digits {
    size_t count;
    unsigned char *pixel; /* [count, SIDE, SIDE] */
    float *chance;        /* [count, CLASSES] */
} Digits;

static uint32_t read_number(FILE *file)
{
    unsigned char b[4] = {0};
    return fread(b, 1, 4, file) == 4
               ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]
               : 0;
}

/* IDX: a magic number, the sizes of the axes, then bytes. */
static const char *read_images(Digits *d, FILE *file)
{
    if (read_number(file) != 0x803) return "standard input is not an IDX file of images";
    d->count = read_number(file);
    if (read_number(file) != SIDE || read_number(file) != SIDE) return "the images are not of 28 x 28 pixels";
    if (d->count < ACROSS || d->count > 1000000) return "too few images to draw, or far too many";
    d->pixel = malloc(d->count * PIXELS);
    d->chance = malloc(d->count * CLASSES * sizeof *d->chance);
    if (!d->pixel || !d->chance) return "out of memory";
    return fread(d->pixel, PIXELS, d->count, file) == d->count ? NULL : "the file of images ends early";
}

static int predict(const nudge *m, Digits *d)
{
    float *x = malloc(d->count * PIXELS * sizeof *x);
    if (!x) return NUDGE_MACHINE;
    for (size_t i = 0; i < d->count * PIXELS; i++)
        x[i] = d->pixel[i];
    int e = nudge_predict(m, x, d->count, d->chance, d->count * CLASSES);
    free(x);
    return e;
}

static int likeliest(const Digits *d, size_t image)
{
    const float *chance = d->chance + image * CLASSES;
    int best = 0;
    for (int class = 1; class < CLASSES; class ++)
        if (chance[class] > chance[best]) best = class;
    return best;
}

static float sureness(const Digits *d, size_t image)
{
    return d->chance[image * CLASSES + (size_t)likeliest(d, image)];
}

/* The image least sure of among those surer than the one before. */
static size_t next_unsure(const Digits *d, float after)
{
    size_t found = 0;
    float least = 2;
    for (size_t i = 0; i < d->count; i++)
        if (sureness(d, i) > after && sureness(d, i) < least) least = sureness(d, found = i);
    return found;
}

/* Whether there is ink in a pixel and the one below it. */
static int is_ink(const Digits *d, size_t image, int row, int column)
{
    const unsigned char *at = d->pixel + image * PIXELS + (size_t)((MARGIN + row) * SIDE + MARGIN + column);
    return (at[0] + at[SIDE]) / 2 > INK;
}

static void draw_line(const Digits *d, size_t image, int line)
{
    static const char *const block[] = {" ", "▘", "▝", "▀", "▖", "▌", "▞", "▛",
                                        "▗", "▚", "▐", "▜", "▄", "▙", "▟", "█"};
    for (int column = 0; column < COLUMNS; column++) {
        int ink = 0;
        for (int part = 0; part < 4; part++)
            ink |= is_ink(d, image, 4 * line + part / 2 * 2, 2 * column + part % 2) << part;
        fputs(block[ink], stdout);
    }
}

static void draw(const Digits *d, const size_t image[ACROSS])
{
    for (int line = 0; line < LINES; line++) {
        for (int i = 0; i < ACROSS; i++)
            draw_line(d, image[i], line);
        putchar('\n');
    }
    for (int i = 0; i < ACROSS; i++)
        printf(" %d %5.1f %%", likeliest(d, image[i]), 100 * (double)sureness(d, image[i]));
    puts("\n");
}

static void show(const Digits *d)
{
    size_t first[ACROSS], unsure[ACROSS];
    for (size_t i = 0; i < ACROSS; i++) {
        first[i] = i;
        unsure[i] = next_unsure(d, i ? sureness(d, unsure[i - 1]) : 0);
    }
    printf("the first of %zu images, and what the network reads:\n\n", d->count);
    draw(d, first);
    puts("those it is least sure of:\n");
    draw(d, unsure);
}

int main(int count, char **argument)
{
    if (count != 2) return fprintf(stderr, "usage: gzip -dc IMAGES.gz | show MODEL\n"), NUDGE_INPUT;
    Digits d = {0};
    nudge *m;
    int e = nudge_open(&m, argument[1]);
    const char *wrong = e ? nudge_message(m, e) : read_images(&d, stdin);
    if (wrong) {
        fprintf(stderr, "show: %s\n", wrong);
        e = e ? e : NUDGE_INPUT;
    } else if ((e = predict(m, &d))) {
        fprintf(stderr, "show: %s\n", nudge_message(m, e));
    } else {
        show(&d);
    }
    free(d.pixel);
    free(d.chance);
    nudge_free(m);
    return e;
}
