/* pictures.c: draws handwritten digits in the terminal as they are, and below them as each autoencoder draws them again.
 *
 *     gzip -dc t10k-images-idx3-ubyte.gz | pictures MODEL...
 *
 * cc pictures.c -lnudge -lm */
#include <nudge.h>
#include <stdio.h>

/* The ink of a digit lies in the middle of its image. A character shows two pixels, one above the other. */
enum { EDGE = 28, SIZE = EDGE * EDGE, FIRST = 4, LAST = 24, SHOWN = 5, HEAD = 16, DARK = 96 };

/* The first images of an IDX file: behind 16 bytes of sizes, a byte for each pixel. */
static int read_digits(FILE *file, float digit[SHOWN * SIZE])
{
    static const unsigned char wanted[HEAD] = {[2] = 8, [3] = 3, [11] = EDGE, [15] = EDGE};
    for (int i = 0, byte; i < HEAD; i++)
        if ((byte = getc(file)) == EOF || ((i < 4 || i > 7) && byte != wanted[i])) return 0;
    for (int i = 0; i < SHOWN * SIZE; i++)
        if ((digit[i] = (float)getc(file)) < 0) return 0;
    while (getc(file) != EOF) {
    }
    return 1;
}

static void draw_line(const float *at)
{
    static const char *const half[] = {" ", "▀", "▄", "█"};
    for (int column = FIRST; column < LAST; column++)
        fputs(half[(at[column] > DARK) + 2 * (at[EDGE + column] > DARK)], stdout);
}

static void draw(const char *title, const float digit[SHOWN * SIZE])
{
    puts(title);
    for (int row = FIRST; row < LAST; row += 2) {
        for (int i = 0; i < SHOWN; i++)
            draw_line(digit + i * SIZE + row * EDGE);
        putchar('\n');
    }
}

/* What comes out of an autoencoder is in the units of what goes in. */
static int draw_again(const char *model, const float digit[SHOWN * SIZE])
{
    float again[SHOWN * SIZE];
    nudge *m;
    int e = nudge_open(&m, model);
    if (!e && nudge_outputs(m) != SIZE) {
        fprintf(stderr, "pictures: %s gives %zu numbers, which is no image of 28 x 28\n", model,
                nudge_outputs(m));
        nudge_free(m);
        return NUDGE_INPUT;
    }
    if (!e) e = nudge_predict(m, digit, SHOWN, again, SHOWN * SIZE);
    if (e)
        fprintf(stderr, "pictures: %s\n", nudge_message(m, e));
    else
        draw(model, again);
    nudge_free(m);
    return e;
}

int main(int count, char **argument)
{
    float digit[SHOWN * SIZE];
    if (!read_digits(stdin, digit)) {
        fprintf(stderr, "usage: gzip -dc IMAGES.gz | pictures MODEL...\n");
        return NUDGE_INPUT;
    }
    draw("as they are", digit);
    int e = NUDGE_OK;
    for (int i = 1; !e && i < count; i++)
        e = draw_again(argument[i], digit);
    return e;
}
