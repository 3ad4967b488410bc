/* conv.c: the three convolutions: how they are cut into tasks, and what a task does. See conv.h. Called through kernel.h
 * by run.c.
 *
 * A task owns a part of the result that no other task writes and sums it in an order that the shapes fix: examples
 * times bands of positions for y and for dx, parts of dw over all examples. */
#include "cpu/conv.h"

#include <string.h>
#if ISA_X86
#include <immintrin.h>
#endif

enum {
    CONV_FEWEST = 4,         /* channels times outputs of a group that are summed along rows */
    CONV_TILE = 6,           /* outputs of a tile in registers */
    CONV_DEEPEST = 1152,     /* K up to which what tiles see stays in the cache */
    CONV_VECTORS = 128,      /* of positions that a sum of dw runs over before its lanes are added up */
    CONV_IMAGES = 384 << 10, /* bytes of a task's images at most: what an L2 cache has room for */
    CONV_PANEL = 64 << 10,   /* bytes of a panel of `seen`, likewise */
    CONV_TASKS = 8,          /* as few as this keep most machines busy */
    CONV_BAND = 4,           /* positions that a band has at least, or its neighbours' rows cost too much */
    CONV_POSITIONS = 192,    /* of a panel for dw, whose sums run along the positions */
    CONV_ROWS = 36,          /* of dw' in a task at least: every task copies dy */
    CONV_COLUMNS = 128,      /* and of its columns at most */
    CONV_LEAST = 64,         /* elements of a band's plane */
    CONV_MIRROR = 240, /* positions of a task that are worth mirroring the weights: a tenth of its time */
    CONV_FEW = 6,      /* rows that a product needs to be fast */
    CONV_LINE = 64,    /* bytes of a cache line */
    CONV_BEYOND = 256, /* bytes behind a part of scratch that copies and sums may touch: four vectors */
};

static int64_t conv_parts(int64_t whole, int64_t part)
{
    return (whole + part - 1) / part;
}

static int64_t conv_less(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t conv_more(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The positions of a phase that lie at low .. high of x. `first`: the position of the result that is the image's 0. */
static ConvSpan conv_span(const ConvAxis *a, int64_t phase, int64_t first, int64_t low, int64_t high)
{
    int64_t stride = a->s.stride, shift = sliding_at(&a->s, first, 0) + phase * a->s.dilation % stride;
    ConvSpan s = {.shift = shift};
    s.begin = shift < low ? conv_less(conv_parts(low - shift, stride), a->length) : 0;
    s.end = shift < high ? conv_less(conv_parts(high - shift, stride), a->length) : 0;
    s.end = conv_more(s.begin, s.end);
    return s;
}

#define CONV_NAME(x) x##_f32_base
#define CONV_REAL    float
#define CONV_BYTES   16
#define CONV_TARGET
#define CONV_FMA(a, b, c) ((a) * (b) + (c))
#include "cpu/conv.inc"

#define CONV_NAME(x) x##_f64_base
#define CONV_REAL    double
#define CONV_BYTES   16
#define CONV_TARGET
#define CONV_FMA(a, b, c) ((a) * (b) + (c))
#include "cpu/conv.inc"

#if ISA_X86
#define CONV_NAME(x) x##_f32_avx2
#define CONV_REAL    float
#define CONV_BYTES   32
#define CONV_TARGET  ISA_TARGET_AVX2
#define CONV_FMA     _mm256_fmadd_ps
#include "cpu/conv.inc"

#define CONV_NAME(x) x##_f64_avx2
#define CONV_REAL    double
#define CONV_BYTES   32
#define CONV_TARGET  ISA_TARGET_AVX2
#define CONV_FMA     _mm256_fmadd_pd
#include "cpu/conv.inc"

#define CONV_NAME(x) x##_f32_avx512
#define CONV_REAL    float
#define CONV_BYTES   64
#define CONV_TARGET  ISA_TARGET_AVX512
#define CONV_FMA     _mm512_fmadd_ps
#include "cpu/conv.inc"

#define CONV_NAME(x) x##_f64_avx512
#define CONV_REAL    double
#define CONV_BYTES   64
#define CONV_TARGET  ISA_TARGET_AVX512
#define CONV_FMA     _mm512_fmadd_pd
#include "cpu/conv.inc"
#endif

static const ConvKernel *const conv_kernels[][ISA_COUNT] = {
    [DTYPE_F32] = {[ISA_BASE] = &conv_kernel_f32_base,
#if ISA_X86
                   [ISA_AVX2] = &conv_kernel_f32_avx2,
                   [ISA_AVX512] = &conv_kernel_f32_avx512
#endif
    },
    [DTYPE_F64] = {[ISA_BASE] = &conv_kernel_f64_base,
#if ISA_X86
                   [ISA_AVX2] = &conv_kernel_f64_avx2,
                   [ISA_AVX512] = &conv_kernel_f64_avx512
#endif
    },
};

/* ---- Walking ---------------------------------------------------------------------------------------------------- */

/* One task's view of a run. */
typedef struct ConvTask {
    const Conv *c;
    const char *x, *w, *dy; /* inputs */
    char *to;               /* the result */
    char *scratch;
    ConvImages images;
    ConvPlace *place;
    int64_t places;
} ConvTask;

static ConvTask conv_task(const Frame *f, const Instruction *i)
{
    const Conv *c = i->detail;
    ConvTask t = {.c = c, .to = frame_pointer(f, &i->write[0]), .scratch = f->scratch};
    t.images.row = (ConvRow *)(void *)f->scratch;
    t.place = (ConvPlace *)(void *)(f->scratch + c->at_places);
    t.images.image = f->scratch + c->at_images;
    return t;
}

static const char *conv_at(const Conv *c, const char *from, int64_t element)
{
    return from + element * c->of->size;
}

/* Where the rows of images lie in the planes of x. */
static void conv_rows(const Conv *c, const ConvImages *m)
{
    const ConvAxis *deep = &c->axis[0], *high = &c->axis[1];
    ConvRow *row = m->row;
    for (int64_t i = 0; i < deep->phases * deep->length; i++) {
        int64_t phase = i / deep->length, at = i % deep->length, first = c->split == 0 ? m->first : 0;
        int64_t x = sliding_at(&deep->s, first + at, 0) + phase * deep->s.dilation % deep->s.stride;
        int64_t image = phase * deep->apart + at * deep->pitch;
        for (int64_t j = 0; j < high->phases * high->length; j++, row++) {
            phase = j / high->length, at = j % high->length, first = c->split == 1 ? m->first : 0;
            int64_t y = sliding_at(&high->s, first + at, 0) + phase * high->s.dilation % high->s.stride;
            bool within = x >= 0 && x < deep->s.in && y >= 0 && y < high->s.in;
            row->image = image + phase * high->apart + at * high->pitch;
            row->x = within ? (x * high->s.in + y) * c->axis[2].s.in : -1;
            row->split = c->split == 0 ? x : y;
        }
    }
}

/* The runs of positions q .. q + count of a band. */
static int conv_runs(const Conv *c, int64_t q, int64_t count, ConvRun *run)
{
    int64_t wide = c->axis[2].s.out, high = c->split == 1 ? INT64_MAX : c->axis[1].s.out;
    int64_t row = q / wide, k = q % wide, j = row % high, i = row / high;
    int runs = 0;
    if (c->split == 2) i = j = 0, k = q, wide = q + count;
    for (int64_t column = 0; column < count; k = 0, j++) {
        if (j == high) j = 0, i++;
        ConvRun *r = &run[runs++];
        r->column = column;
        r->length = conv_less(wide - k, count - column);
        r->place = i * c->axis[0].pitch + j * c->axis[1].pitch + k;
        column += r->length;
    }
    return runs;
}

static ConvExtent conv_extent(const Conv *c, int64_t count)
{
    return (ConvExtent){c->split == 0 ? count : c->axis[0].s.out, c->split == 1 ? count : c->axis[1].s.out,
                        c->split == 2 ? count : c->axis[2].s.out};
}

/* The vectors of positions of a band, `lanes` long, for some examples whose images lie behind each other. A row's last one
 * ends with the row, so it may repeat what others have: with `apart`, such ones come after all others. Returns how many
 * are whole; *all: with the others. */
static int64_t conv_vectors(const Conv *c, ConvExtent size, int64_t examples, bool apart, int64_t *all,
                            ConvPlace *place)
{
    int64_t lanes = c->of->lanes, count = 0, whole = 0;
    for (int pass = 0; pass < (apart ? 2 : 1); pass++) {
        for (int64_t e = 0; e < examples; e++)
            for (int64_t row = 0; row < size.deep * size.high; row++) {
                int64_t i = row / size.high, j = row % size.high;
                int64_t image = e * c->images * c->plane + i * c->axis[0].pitch + j * c->axis[1].pitch;
                int64_t y = e * c->groups * c->outputs * c->out + (i * c->axis[1].s.out + j) * size.wide;
                for (int64_t k = 0; k < size.wide; k += lanes) {
                    bool tail = k + lanes > size.wide;
                    int64_t at = tail ? size.wide - lanes : k;
                    if (!apart || tail == (pass == 1)) place[count++] = (ConvPlace){image + at, y + at};
                }
            }
        if (!pass) whole = count;
    }
    *all = count;
    return whole;
}

/* A part of the largest product. */
typedef struct ConvSize {
    int64_t m, n, k;
    bool add;
} ConvSize;

static void conv_product(const Conv *c, ConvSize s, const void *a, const void *b, void *to, char *scratch)
{
    Matmul p = matmul_smaller(&c->product, s.m, s.n, s.k);
    p.add = s.add;
    for (int64_t task = 0; task < p.tasks; task++)
        matmul_task(&p, a, b, to, task, scratch + c->at_product);
}

/* Which band of which group of which examples a task has. */
typedef struct ConvPart {
    int64_t n, end; /* examples */
    int64_t group, band;
} ConvPart;

static ConvPart conv_part(const Conv *c, int64_t task)
{
    ConvPart p = {.band = task % c->bands * c->band, .group = task / c->bands % c->groups};
    p.n = task / c->bands / c->groups * c->examples;
    p.end = conv_less(p.n + c->examples, c->n);
    return p;
}

/* ---- y --------------------------------------------------------------------------------------------------------- */

static void conv_forward_panel(const ConvTask *t, int64_t q, int64_t count)
{
    const Conv *c = t->c;
    ConvRun run[CONV_POSITIONS];
    int runs = conv_runs(c, q, count, run);
    char *panel = t->scratch + c->at_panel;
    for (int64_t k = 0; k < c->depth; k += c->block) {
        int64_t end = conv_less(k + c->block, c->depth);
        c->of->pack(c, t->images.image, k, end, runs, run, panel);
        conv_product(c, (ConvSize){c->outputs, count, end - k, k > 0}, conv_at(c, t->w, k), panel,
                     t->to + q * c->of->size, t->scratch);
    }
}

/* One example; x and y are its planes of the group, y from the band on. */
static void conv_forward_band(const ConvTask *t, int64_t count)
{
    const Conv *c = t->c;
    c->of->fill(c, &t->images, t->x);
    if (c->way == CONV_SUMS) c->of->forward(c, conv_extent(c, count), t->images.image, t->w, t->to);
    if (c->way == CONV_TILES) c->of->forward_tiles(c, t->places, t->place, t->images.image, t->w, t->to);
    for (int64_t q = 0; c->way == CONV_PANELS && q < count * c->rest; q += c->panel)
        conv_forward_panel(t, q, conv_less(c->panel, count * c->rest - q));
}

static void conv_forward_run(const Frame *f, const Instruction *i, int64_t task)
{
    ConvTask t = conv_task(f, i);
    const Conv *c = t.c;
    ConvPart part = conv_part(c, task);
    const char *x = frame_pointer(f, &i->read[0]);
    char *y = t.to;
    t.w = conv_at(c, frame_pointer(f, &i->read[1]), part.group * c->outputs * c->depth);
    if (c->turned) {
        c->of->mirror(c, t.w, t.scratch + c->at_sums);
        t.w = t.scratch + c->at_sums;
    }
    t.images.first = part.band;
    t.images.channels = c->channels;
    conv_rows(c, &t.images);
    int64_t count = conv_less(c->band, c->axis[c->split].s.out - part.band);
    if (c->way == CONV_TILES) conv_vectors(c, conv_extent(c, count), 1, false, &t.places, t.place);
    for (; part.n < part.end; part.n++) {
        int64_t all = part.n * c->groups + part.group;
        t.x = conv_at(c, x, all * c->channels * c->in);
        t.to = y + (all * c->outputs * c->out + part.band * c->rest) * c->of->size;
        conv_forward_band(&t, count);
    }
}

/* ---- dx -------------------------------------------------------------------------------------------------------- */

/* The positions of the result that see elements begin .. end of x's split axis: the first, and how many. */
static int64_t conv_seeing(const Sliding *s, int64_t begin, int64_t end, int64_t *first)
{
    int64_t low = begin + s->before - (s->taps - 1) * s->dilation, high = end - 1 + s->before;
    *first = low > 0 ? conv_parts(low, s->stride) : 0;
    return conv_more(conv_less(high / s->stride, s->out - 1) - *first + 1, 0);
}

static void conv_input_panel(const ConvTask *t, int64_t q, int64_t count)
{
    const Conv *c = t->c;
    ConvRun run[CONV_POSITIONS];
    int runs = conv_runs(c, q, count, run);
    char *panel = t->scratch + c->at_panel;
    for (int64_t k = 0; k < c->depth; k += c->block) {
        int64_t end = conv_less(k + c->block, c->depth);
        conv_product(c, (ConvSize){end - k, count, c->outputs, false}, conv_at(c, t->w, k),
                     conv_at(c, t->dy, q), panel, t->scratch);
        c->of->spread(c, panel, k, end, runs, run, t->images.image);
    }
}

static void conv_input_images(const ConvTask *t, int64_t count)
{
    const Conv *c = t->c;
    if (c->way == CONV_SUMS) {
        c->of->backward(c, conv_extent(c, count), t->dy, t->w, t->images.image);
        return;
    }
    for (int64_t q = 0; q < count * c->rest; q += c->panel)
        conv_input_panel(t, q, conv_less(c->panel, count * c->rest - q));
}

static void conv_input_run(const Frame *f, const Instruction *i, int64_t task)
{
    ConvTask t = conv_task(f, i);
    const Conv *c = t.c;
    const Sliding *s = &c->axis[c->split].s;
    ConvPart part = conv_part(c, task);
    int64_t end = conv_less(part.band + c->band, s->in), rest = c->in / s->in,
            all = part.n * c->groups + part.group;
    int64_t count = conv_seeing(s, part.band, end, &t.images.first);
    t.dy = conv_at(c, frame_pointer(f, &i->read[0]), all * c->outputs * c->out + t.images.first * c->rest);
    t.w = conv_at(c, frame_pointer(f, &i->read[1]), part.group * c->outputs * c->depth);
    t.to += all * c->channels * c->in * c->of->size;
    t.images.channels = c->channels;
    memset(t.images.image, 0, (size_t)(c->channels * c->plane * c->of->size));
    conv_input_images(&t, count);
    for (int64_t channel = 0; channel < c->channels; channel++)
        memset(t.to + (channel * c->in + part.band * rest) * c->of->size, 0,
               (size_t)((end - part.band) * rest * c->of->size));
    conv_rows(c, &t.images);
    c->of->unfill(c, &t.images, part.band, end, t.to);
}

/* ---- dw -------------------------------------------------------------------------------------------------------- */

/* The part of dw that a task has. */
typedef struct ConvWeights {
    int64_t group, begin, end, output, outputs; /* rows of `seen`; outputs of the group */
    int64_t channel;                            /* the first that these rows see */
} ConvWeights;

static ConvWeights conv_weights(const Conv *c, int64_t task)
{
    ConvWeights w = {.group = task / (c->down * c->across)};
    w.begin = task / c->across % c->down * c->rows;
    w.end = conv_less(w.begin + c->rows, c->depth);
    w.output = task % c->across * c->columns;
    w.outputs = conv_less(c->columns, c->outputs - w.output);
    w.channel = w.begin / c->taps;
    return w;
}

static void conv_weight_panel(const ConvTask *t, const ConvWeights *w, int64_t q, int64_t count)
{
    const Conv *c = t->c;
    ConvRun run[CONV_POSITIONS];
    int runs = conv_runs(c, q, count, run);
    int64_t before = w->channel * c->taps;
    char *panel = t->scratch + c->at_panel;
    c->of->pack(c, t->images.image, w->begin - before, w->end - before, runs, run, panel);
    conv_product(c, (ConvSize){w->end - w->begin, w->outputs, count, true}, panel, conv_at(c, t->dy, q),
                 t->scratch + c->at_sums, t->scratch);
}

/* Adds a band of some examples; x and dy are the planes of the first one's group. */
static void conv_weight_tiles(ConvTask *t, const ConvWeights *w, int64_t examples, int64_t count)
{
    const Conv *c = t->c;
    ConvWeigh part = {w->begin - w->channel * c->taps, w->end - w->begin, w->outputs, t->place, 0, 0};
    part.whole = conv_vectors(c, conv_extent(c, count), examples, true, &part.tails, t->place);
    part.tails -= part.whole;
    ConvImages images = t->images;
    for (int64_t e = 0; e < examples; e++) {
        images.image = (char *)t->images.image + e * c->images * c->plane * c->of->size;
        c->of->fill(c, &images, conv_at(c, t->x, (e * c->groups * c->channels + w->channel) * c->in));
    }
    c->of->weigh_tiles(c, &part, t->images.image, t->dy, t->scratch + c->at_sums);
}

/* Adds a band of one example. */
static void conv_weight_band(ConvTask *t, const ConvWeights *w, int64_t count)
{
    const Conv *c = t->c;
    c->of->fill(c, &t->images, conv_at(c, t->x, w->channel * c->in));
    if (c->way == CONV_SUMS) {
        c->of->weigh(c, conv_extent(c, count), t->images.image, t->dy, t->scratch + c->at_sums);
        return;
    }
    for (int64_t q = 0; q < count * c->rest; q += c->panel)
        conv_weight_panel(t, w, q, conv_less(c->panel, count * c->rest - q));
}

static void conv_weight_run(const Frame *f, const Instruction *i, int64_t task)
{
    ConvTask t = conv_task(f, i);
    const Conv *c = t.c;
    const char *x = frame_pointer(f, &i->read[0]), *dy = frame_pointer(f, &i->read[1]);
    char *sums = t.scratch + c->at_sums;
    ConvWeights w = conv_weights(c, task);
    memset(sums, 0, (size_t)(c->rows * c->columns * c->of->size));
    t.images.channels = conv_parts(w.end, c->taps) - w.channel;
    for (t.images.first = 0; t.images.first < c->axis[c->split].s.out; t.images.first += c->band) {
        int64_t count = conv_less(c->band, c->axis[c->split].s.out - t.images.first);
        conv_rows(c, &t.images);
        for (int64_t n = 0; n < c->n; n += c->examples) {
            int64_t all = n * c->groups + w.group;
            t.x = conv_at(c, x, all * c->channels * c->in);
            t.dy = conv_at(c, dy, (all * c->outputs + w.output) * c->out + t.images.first * c->rest);
            if (c->way == CONV_TILES)
                conv_weight_tiles(&t, &w, conv_less(c->examples, c->n - n), count);
            else
                conv_weight_band(&t, &w, count);
        }
    }
    t.to += ((w.group * c->outputs + w.output) * c->depth + w.begin) * c->of->size;
    if (c->way == CONV_PANELS) c->of->turn(c, w.end - w.begin, w.outputs, sums, t.to);
    for (int64_t o = 0; c->way != CONV_PANELS && o < w.outputs; o++)
        memcpy(t.to + o * c->depth * c->of->size, sums + o * c->rows * c->of->size,
               (size_t)((w.end - w.begin) * c->of->size));
}

/* ---- A window of one element that moves by one: x itself is what it sees ------------------------------------------ */

static void conv_point_run(const Frame *f, const Instruction *i, int64_t task)
{
    const Conv *c = i->detail;
    bool input = i->op == OP_convolve_input;
    ConvPart part = conv_part(c, task / c->product.tasks);
    int64_t all = part.n * c->groups + part.group, x = all * c->channels * c->in,
            y = all * c->outputs * c->out;
    const char *from = conv_at(c, frame_pointer(f, &i->read[0]), input ? y : x);
    const char *w = conv_at(c, frame_pointer(f, &i->read[1]), part.group * c->outputs * c->depth);
    char *to = (char *)frame_pointer(f, &i->write[0]) + (input ? x : y) * c->of->size;
    matmul_task(&c->product, w, from, to, task % c->product.tasks, f->scratch);
}

static bool conv_is_point(const Conv *c)
{
    for (const ConvAxis *a = c->axis; a < c->axis + SLIDING_AXES; a++)
        if (a->s.taps > 1 || a->s.stride > 1 || a->s.before || a->s.in != a->s.out) return false;
    return true;
}

static void conv_plan_point(Conv *c, Instruction *i, Isa isa)
{
    bool input = i->op == OP_convolve_input;
    c->kernel.run = conv_point_run;
    c->band = c->bands = 1;
    c->product = (Matmul){.m = input ? c->channels : c->outputs,
                          .n = c->out,
                          .k = input ? c->outputs : c->channels,
                          .a_row = input ? 1 : c->depth,
                          .a_column = input ? c->depth : 1,
                          .b_row = c->out,
                          .b_column = 1,
                          .c_row = c->out,
                          .type = c->type,
                          .isa = isa};
    matmul_plan(&c->product);
    i->tasks = c->n * c->groups * c->product.tasks;
    i->scratch = c->product.scratch;
}

/* ---- Planning --------------------------------------------------------------------------------------------------- */

static int64_t conv_period(int64_t stride, int64_t dilation)
{
    int64_t a = stride, b = dilation;
    while (b) {
        int64_t rest = a % b;
        a = b, b = rest;
    }
    return stride / a;
}

/* Lays out the images for `count` positions of the result along the split axis. */
static void conv_layout(Conv *c, int64_t count)
{
    int64_t distance = 1;
    for (int a = SLIDING_AXES - 1; a >= 0; a--) {
        ConvAxis *x = &c->axis[a];
        x->length = (a == c->split ? count : x->s.out) + (x->s.taps - 1) * x->s.dilation / x->s.stride;
        x->pitch = distance;
        distance *= x->length;
    }
    for (int a = SLIDING_AXES - 1; a >= 0; a--) {
        c->axis[a].apart = distance;
        distance *= c->axis[a].phases;
    }
    c->plane = distance;
    c->image_rows = c->axis[0].phases * c->axis[0].length * c->axis[1].phases * c->axis[1].length;
}

/* How many positions of the result a band needs at most. */
static int64_t conv_band_count(const Conv *c, OpCode op)
{
    const Sliding *s = &c->axis[c->split].s;
    if (op != OP_convolve_input) return c->band;
    return conv_less((c->band - 1 + (s->taps - 1) * s->dilation) / s->stride + 1, s->out);
}

/* Bands as long as the images of `channels` allow, but short enough that there are some tasks. */
static void conv_bands(Conv *c, OpCode op, int64_t channels, int64_t others)
{
    const Sliding *s = &c->axis[c->split].s;
    int64_t whole = op == OP_convolve_input ? s->in : s->out,
            rest = op == OP_convolve_input ? c->in / s->in : c->rest;
    c->band = whole;
    for (;;) {
        c->bands = conv_parts(whole, c->band);
        conv_layout(c, conv_band_count(c, op));
        bool large = channels * c->plane * c->of->size > CONV_IMAGES, few = others * c->bands < CONV_TASKS;
        bool least = c->band <= CONV_BAND || c->band * rest <= CONV_LEAST;
        if (least || !(large || few)) break;
        c->band = conv_parts(c->band, 2);
    }
}

static void conv_offsets(const Program *p, Conv *c)
{
    int64_t *offset = arena_new(p->arena, (size_t)c->taps, sizeof *offset), t = 0;
    c->offset = offset;
    for (int64_t i = 0; i < c->axis[0].s.taps; i++)
        for (int64_t j = 0; j < c->axis[1].s.taps; j++)
            for (int64_t k = 0; k < c->axis[2].s.taps; k++, t++) {
                const int64_t tap[] = {i, j, k};
                for (int a = 0; a < SLIDING_AXES; a++) {
                    const ConvAxis *x = &c->axis[a];
                    offset[t] +=
                        tap[a] % x->phases * x->apart + tap[a] * x->s.dilation / x->s.stride * x->pitch;
                }
            }
}

static void conv_seen(const Program *p, Conv *c)
{
    int64_t *seen = arena_new(p->arena, (size_t)c->depth, sizeof *seen);
    for (int64_t k = 0; k < c->depth; k++)
        seen[k] = k / c->taps * c->plane + c->offset[k % c->taps];
    c->seen = seen;
}

static size_t conv_line(int64_t bytes)
{
    return (size_t)(bytes + CONV_LINE - 1) / CONV_LINE * CONV_LINE + CONV_BEYOND;
}

/* Places in the scratch memory. */
static void conv_scratch(Conv *c, Instruction *i, int64_t channels, int64_t sums)
{
    int64_t size = c->of->size;
    c->at_places = conv_line(c->image_rows * (int64_t)sizeof(ConvRow));
    c->at_images = c->at_places + conv_line(c->places * (int64_t)sizeof(ConvPlace));
    c->at_panel = c->at_images + conv_line(channels * c->plane * size);
    c->at_sums = c->at_panel + conv_line(c->block * c->pitch * size);
    c->at_product = c->at_sums + conv_line(sums * size);
    i->scratch = c->at_product + c->product.scratch;
}

/* Vectors of positions of a band. */
static int64_t conv_vector_count(const Conv *c)
{
    ConvExtent e = conv_extent(c, c->band);
    return e.deep * e.high * conv_parts(e.wide, c->of->lanes);
}

/* Whether rows fill vectors well enough, and what a tile sees is in the cache. */
static bool conv_tiles(const Conv *c)
{
    int64_t wide = c->axis[2].s.out, lanes = c->of->lanes;
    return c->way == CONV_PANELS && c->split < 2 && wide >= lanes && c->depth <= CONV_DEEPEST &&
           4 * wide >= 3 * lanes * conv_parts(wide, lanes);
}

static void conv_plan_forward(Conv *c, Instruction *i, Isa isa)
{
    c->kernel.run = conv_forward_run;
    if (conv_tiles(c)) c->way = CONV_TILES;
    conv_bands(c, OP_convolve, c->channels, conv_parts(c->n, c->examples) * c->groups);
    c->product = (Matmul){.m = c->outputs,
                          .n = c->panel,
                          .k = c->block,
                          .a_row = c->depth,
                          .a_column = 1,
                          .b_row = c->pitch,
                          .b_column = 1,
                          .b_near = true,
                          .c_row = c->out,
                          .type = c->type,
                          .isa = isa};
    if (c->way == CONV_TILES) {
        c->product = (Matmul){0};
        c->block = 0;
        c->places = conv_vector_count(c);
    } else
        matmul_plan(&c->product);
    conv_scratch(c, i, c->channels, c->turned ? c->outputs * c->depth : 0);
    i->tasks = conv_parts(c->n, c->examples) * c->groups * c->bands;
}

/* dx where the window moves by one is a convolution, of dy with the weights mirrored. That must pay: it sums at each
 * element of x, not at each of y; a product needs some rows; a task needs enough positions, which more examples give, to
 * be worth mirroring the weights. */
static bool conv_turns(Conv *c)
{
    for (const ConvAxis *a = c->axis; a < c->axis + SLIDING_AXES; a++)
        if (a->s.stride > 1) return false;
    int64_t wanted = conv_parts(CONV_MIRROR, c->in), most = conv_more(c->n / (2 * CONV_TASKS), 1);
    bool pays = wanted <= most && c->channels >= CONV_FEW && 4 * c->in <= 5 * c->out;
    if (!pays && c->way != CONV_SUMS) return false;
    c->examples = conv_less(wanted, most);
    return true;
}

static void conv_turn(Conv *c)
{
    c->turned = true;
    int64_t in = c->in, channels = c->channels;
    c->in = c->out, c->out = in;
    c->channels = c->outputs, c->outputs = channels;
    c->depth = c->channels * c->taps;
    for (ConvAxis *a = c->axis; a < c->axis + SLIDING_AXES; a++) {
        int64_t size = a->s.in;
        a->s.in = a->s.out, a->s.out = size;
        a->s.before = (a->s.taps - 1) * a->s.dilation - a->s.before;
    }
}

static void conv_plan_input(Conv *c, Instruction *i, Isa isa)
{
    c->kernel.run = conv_input_run;
    conv_bands(c, i->op, c->channels, c->n * c->groups);
    c->product = (Matmul){.m = c->block,
                          .n = c->panel,
                          .k = c->outputs,
                          .a_row = 1,
                          .a_column = c->depth,
                          .b_row = c->out,
                          .b_column = 1,
                          .c_row = c->pitch,
                          .type = c->type,
                          .isa = isa};
    matmul_plan(&c->product);
    conv_scratch(c, i, c->channels, 0);
    i->tasks = c->n * c->groups * c->bands;
}

/* Cuts dw' [K, outputs] of a group into tasks. */
static void conv_cut(Conv *c)
{
    int64_t panel = c->way == CONV_TILES ? 4 : c->panel;
    c->down = conv_parts(c->depth, CONV_COLUMNS);
    c->across = conv_parts(c->outputs, CONV_COLUMNS);
    while (c->way != CONV_SUMS && c->groups * c->down * c->across < CONV_TASKS)
        if (c->depth >= (c->down + 1) * CONV_ROWS)
            c->down++;
        else if (c->outputs > c->across * panel)
            c->across++;
        else
            break;
    c->rows = conv_parts(c->depth, c->down);
    c->columns = panel * conv_parts(conv_parts(c->outputs, panel), c->across);
    if (c->way == CONV_SUMS) c->rows = c->depth, c->columns = c->outputs;
    c->down = conv_parts(c->depth, c->rows);
    c->across = conv_parts(c->outputs, c->columns);
}

/* So many examples at once that sums run long, if their images fit. */
static void conv_weight_examples(Conv *c)
{
    int64_t vectors = conv_vector_count(c), image = c->images * c->plane * c->of->size;
    int64_t wanted = conv_parts(CONV_VECTORS, vectors), fit = conv_more(CONV_IMAGES / image, 1);
    c->examples = conv_less(c->n, conv_less(wanted, fit));
    c->places = c->examples * vectors;
}

static void conv_plan_weight(Conv *c, Instruction *i, Isa isa)
{
    c->kernel.run = conv_weight_run;
    if (conv_tiles(c)) c->way = CONV_TILES;
    conv_cut(c);
    c->images = conv_less(c->channels, (c->rows - 1) / c->taps + 2);
    conv_bands(c, i->op, c->images, CONV_TASKS);
    if (c->way == CONV_TILES) {
        conv_weight_examples(c);
        c->panel = c->pitch = c->block = 0;
        conv_scratch(c, i, c->examples * c->images, c->rows * c->columns);
        i->tasks = c->groups * c->down * c->across;
        return;
    }
    c->panel = CONV_POSITIONS;
    c->pitch = c->panel + c->of->lanes; /* rows at a power of two would share cache lines */
    c->block = c->rows;
    c->product = (Matmul){.m = c->rows,
                          .n = c->columns,
                          .k = c->panel,
                          .a_row = c->pitch,
                          .a_column = 1,
                          .b_row = 1,
                          .b_column = c->out,
                          .c_row = c->columns,
                          .type = c->type,
                          .isa = isa};
    matmul_plan(&c->product);
    conv_scratch(c, i, c->images, c->rows * c->columns);
    i->tasks = c->groups * c->down * c->across;
}

/* What holds for every way of computing it. */
static void conv_sizes(Conv *c, int axes)
{
    for (ConvAxis *a = c->axis; a < c->axis + SLIDING_AXES; a++)
        a->phases = conv_less(a->s.taps, conv_period(a->s.stride, a->s.dilation));
    c->split = SLIDING_AXES - axes;
    c->rest = c->out / c->axis[c->split].s.out;
    c->panel = c->pitch = 2 * c->of->lanes;
    c->block = conv_parts(c->depth, conv_parts(c->depth * c->panel * c->of->size, CONV_PANEL));
}

void conv_prepare(Program *p, Instruction *i, Isa isa)
{
    const Shape *result = &i->write[0].shape;
    const Convolution g = convolution_node(i->op, &i->read[0].shape, &i->read[1].shape, result, i->attribute);
    Conv *c = i->detail = arena_new(p->arena, 1, sizeof *c);
    *c = (Conv){.of = conv_kernels[p->dtype][isa], .type = p->dtype == DTYPE_F64 ? MATMUL_F64 : MATMUL_F32};
    c->n = g.n, c->groups = g.groups, c->channels = g.channels, c->outputs = g.outputs, c->examples = 1;
    c->in = sliding_in(g.axis), c->out = sliding_out(g.axis), c->taps = sliding_taps(g.axis);
    c->depth = c->channels * c->taps;
    for (int a = 0; a < SLIDING_AXES; a++)
        c->axis[a].s = g.axis[a];
    if (c->channels * c->outputs <= CONV_FEWEST) c->way = CONV_SUMS;
    bool point = i->op != OP_convolve_weight && conv_is_point(c);
    if (i->op == OP_convolve_input && !point && conv_turns(c)) conv_turn(c);
    conv_sizes(c, result->rank - 2);
    if (point)
        conv_plan_point(c, i, isa);
    else if (i->op == OP_convolve_weight)
        conv_plan_weight(c, i, isa);
    else
        (i->op == OP_convolve || c->turned ? conv_plan_forward : conv_plan_input)(c, i, isa);
    conv_offsets(p, c);
    if (c->way == CONV_TILES) conv_seen(p, c);
}
