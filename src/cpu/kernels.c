/* kernels.c: instructions that are no groups: products, gathers, copies. Each task writes a part of the result that no
 * other task writes. Called through kernel.h by run.c. */
#include "cpu/kernel.h"

#include "cpu/matmul.h"

#include <math.h>
#include <string.h>

static void *kernel_new(Program *p, Instruction *i, size_t size, KernelRun *run, int64_t tasks)
{
    Kernel *k = i->detail = arena_new(p->arena, 1, size);
    k->run = run;
    i->tasks = tasks;
    return k;
}

/* An empty result may have no memory: then there is nothing to do. */
static bool kernel_makes(const Instruction *i)
{
    return shape_size(i->write[0].shape) > 0;
}

/* ---- Matrix products, [.., m, k] @ [.., k, n] ---- */

typedef struct Product {
    Kernel kernel;
    Matmul matmul;
    Shape batch; /* the leading axes of the result */
    int64_t a_stride[RANK_MAX], b_stride[RANK_MAX];
} Product;

static void product_run(const Frame *f, const Instruction *i, int64_t task)
{
    const Product *p = i->detail;
    int64_t batch = task / p->matmul.tasks, unused[RANK_MAX];
    size_t size = type_bytes(TYPE_REAL, f->program->dtype);
    const char *a = frame_pointer(f, &i->read[0]), *b = frame_pointer(f, &i->read[1]);
    char *c = frame_pointer(f, &i->write[0]);
    a += (size_t)shape_locate(&p->batch, batch, p->a_stride, unused) * size;
    b += (size_t)shape_locate(&p->batch, batch, p->b_stride, unused) * size;
    c += (size_t)(batch * p->matmul.m * p->matmul.n) * size;
    matmul_task(&p->matmul, a, b, c, task % p->matmul.tasks, f->scratch);
}

/* A single task. */
static void product_run_one(const Frame *f, const Instruction *i, int64_t task)
{
    const Product *p = i->detail;
    void **at = kernel_pointers(f, &p->kernel);
    matmul_task(&p->matmul, at[0], at[1], at[2], task, f->scratch);
}

static Place place_of(const View *v)
{
    return (Place){v->slot, v->offset};
}

/* The strides over the batch axes of an operand whose leading axes repeat. */
static void product_batch(const View *v, int rank, int64_t *stride)
{
    int own = v->shape.rank - 2;
    for (int a = 0; a < rank; a++) {
        int at = a - (rank - own);
        stride[a] = at < 0 || v->shape.dim[at] == 1 ? 0 : v->stride[at];
    }
}

void product_prepare(Program *program, Instruction *i, Isa isa)
{
    const View *a = &i->read[0], *b = &i->read[1], *c = &i->write[0];
    int rank = c->shape.rank;
    Product *p = kernel_new(program, i, sizeof *p, product_run, 0);
    p->matmul = (Matmul){.m = c->shape.dim[rank - 2],
                         .n = c->shape.dim[rank - 1],
                         .k = a->shape.dim[a->shape.rank - 1],
                         .a_row = a->stride[a->shape.rank - 2],
                         .a_column = a->stride[a->shape.rank - 1],
                         .b_row = b->stride[b->shape.rank - 2],
                         .b_column = b->stride[b->shape.rank - 1],
                         .c_row = c->shape.dim[rank - 1],
                         .type = program->dtype == DTYPE_F64 ? MATMUL_F64 : MATMUL_F32,
                         .isa = isa};
    matmul_plan(&p->matmul);
    p->batch = shape_of(rank - 2, c->shape.dim);
    product_batch(a, rank - 2, p->a_stride);
    product_batch(b, rank - 2, p->b_stride);
    i->tasks = p->matmul.tasks * shape_size(p->batch);
    i->scratch = p->matmul.scratch;
    if (i->tasks != 1) return;
    p->kernel.run = product_run_one;
    p->kernel.places = 3;
    p->kernel.place = arena_new(program->arena, 3, sizeof *p->kernel.place);
    p->kernel.place[0] = place_of(a), p->kernel.place[1] = place_of(b), p->kernel.place[2] = place_of(c);
    kernel_keep(program, i, &p->kernel);
}

/* ---- Rows at positions ---- */

enum { ROW_TASK_BYTES = 16384 };

typedef struct Rows {
    Kernel kernel;
    int64_t rows, a_task, of; /* positions; rows in a task; rows of the table */
    size_t bytes;             /* of a row */
    int64_t width;            /* elements of a row */
} Rows;

static int64_t row_clamp(int64_t at, int64_t of)
{
    return at < 0 ? 0 : at >= of ? of - 1 : at;
}

static void take_run(const Frame *f, const Instruction *i, int64_t task)
{
    const Rows *r = i->detail;
    const char *x = frame_pointer(f, &i->read[0]);
    const int32_t *index = frame_pointer(f, &i->read[1]);
    char *y = frame_pointer(f, &i->write[0]);
    int64_t end = (task + 1) * r->a_task < r->rows ? (task + 1) * r->a_task : r->rows;
    for (int64_t n = task * r->a_task; n < end; n++)
        memcpy(y + (size_t)n * r->bytes, x + (size_t)row_clamp(index[n], r->of) * r->bytes, r->bytes);
}

static Rows *rows_new(Program *p, Instruction *i, KernelRun *run, const View *table, const View *index)
{
    Rows *r = kernel_new(p, i, sizeof *r, run, 0);
    r->rows = shape_size(index->shape);
    r->of = table->shape.dim[0];
    r->width = 1;
    for (int a = 1; a < table->shape.rank; a++)
        r->width *= table->shape.dim[a];
    r->bytes = (size_t)r->width * type_bytes(table->type, p->dtype);
    r->a_task = 1 + ROW_TASK_BYTES / (int64_t)(r->bytes + 1);
    return r;
}

void take_prepare(Program *p, Instruction *i, Isa isa)
{
    (void)isa;
    Rows *r = rows_new(p, i, take_run, &i->read[0], &i->read[1]);
    i->tasks = kernel_makes(i) ? (r->rows + r->a_task - 1) / r->a_task : 0;
}

/* Positions may repeat, so a task owns columns, not rows: it adds its columns of all rows in order. */
enum { SCATTER_COLUMNS = 64 };

static void scatter_run(const Frame *f, const Instruction *i, int64_t task)
{
    const Rows *r = i->detail;
    const int32_t *index = frame_pointer(f, &i->read[1]);
    int64_t from = task * SCATTER_COLUMNS,
            to = from + SCATTER_COLUMNS < r->width ? from + SCATTER_COLUMNS : r->width;
    bool wide = f->program->dtype == DTYPE_F64;
    size_t size = wide ? sizeof(double) : sizeof(float);
    char *y = frame_pointer(f, &i->write[0]);
    for (int64_t n = 0; n < r->of; n++)
        memset(y + (size_t)(n * r->width + from) * size, 0, (size_t)(to - from) * size);
    for (int64_t n = 0; n < r->rows; n++) {
        if (index[n] < 0 || index[n] >= r->of) continue;
        int64_t at = index[n] * r->width, source = n * r->width;
        const void *x = frame_pointer(f, &i->read[0]);
        for (int64_t j = from; j < to; j++)
            if (wide)
                ((double *)(void *)y)[at + j] += ((const double *)x)[source + j];
            else
                ((float *)(void *)y)[at + j] += ((const float *)x)[source + j];
    }
}

void scatter_prepare(Program *p, Instruction *i, Isa isa)
{
    (void)isa;
    Rows *r = rows_new(p, i, scatter_run, &i->write[0], &i->read[1]);
    i->tasks = (r->width + SCATTER_COLUMNS - 1) / SCATTER_COLUMNS;
}

static void pick_run(const Frame *f, const Instruction *i, int64_t task)
{
    (void)task;
    const View *x = &i->read[0];
    int64_t of = x->shape.dim[x->shape.rank - 1], rows = shape_size(i->write[0].shape);
    size_t size = type_bytes(x->type, f->program->dtype);
    const char *from = frame_pointer(f, x);
    const int32_t *index = frame_pointer(f, &i->read[1]);
    char *to = frame_pointer(f, &i->write[0]);
    for (int64_t n = 0; n < rows; n++)
        memcpy(to + (size_t)n * size, from + (size_t)(n * of + row_clamp(index[n], of)) * size, size);
}

void pick_prepare(Program *p, Instruction *i, Isa isa)
{
    (void)isa;
    kernel_new(p, i, sizeof(Kernel), pick_run, kernel_makes(i));
}

/* ---- The position of the largest, the first of equals; a NaN counts as largest ---- */

typedef struct Argmax {
    Kernel kernel;
    int64_t outer, length, inner;
} Argmax;

static double real_get(const void *x, int64_t at, bool wide)
{
    return wide ? ((const double *)x)[at] : (double)((const float *)x)[at];
}

static void argmax_run(const Frame *f, const Instruction *i, int64_t task)
{
    const Argmax *k = i->detail;
    const void *x = frame_pointer(f, &i->read[0]);
    int32_t *y = frame_pointer(f, &i->write[0]);
    bool wide = f->program->dtype == DTYPE_F64;
    for (int64_t j = 0; j < k->inner; j++) {
        int64_t base = task * k->length * k->inner + j, best = 0;
        double largest = real_get(x, base, wide);
        for (int64_t n = 1; n < k->length && largest == largest; n++) {
            double value = real_get(x, base + n * k->inner, wide);
            if (value > largest || value != value) largest = value, best = n;
        }
        y[task * k->inner + j] = (int32_t)best;
    }
}

void argmax_prepare(Program *p, Instruction *i, Isa isa)
{
    (void)isa;
    Argmax *k = kernel_new(p, i, sizeof *k, argmax_run, 0);
    const Shape *s = &i->read[0].shape;
    int axis = (int)i->attribute[0];
    k->outer = k->inner = 1;
    for (int a = 0; a < s->rank; a++)
        if (a < axis)
            k->outer *= s->dim[a];
        else if (a > axis)
            k->inner *= s->dim[a];
    k->length = s->dim[axis];
    i->tasks = k->outer;
}

/* ---- Strided copies: concatenation and padding ---- */

/* A copy of an element is the same for every type of its size. */
static void copy_element(char *to, const char *from, size_t size)
{
    switch (size) {
    case 1:
        *to = *from;
        break;
    case 4:
        memcpy(to, from, 4);
        break;
    default:
        memcpy(to, from, 8);
    }
}

/* Copies every element of `from` to the same coordinates of `to`, whose base and strides are given. */
static void copy_strided(const Shape *s, const char *from, const int64_t *from_stride, char *to,
                         const int64_t *to_stride, size_t size)
{
    int64_t count = shape_size(*s), run = s->rank ? s->dim[s->rank - 1] : 1;
    int64_t coordinate[RANK_MAX], last = s->rank - 1;
    if (!count) return;
    int64_t fs = s->rank ? from_stride[last] : 1, ts = s->rank ? to_stride[last] : 1;
    for (int64_t at = 0; at < count; at += run) {
        const char *x = from + shape_locate(s, at, from_stride, coordinate) * (int64_t)size;
        char *y = to + shape_locate(s, at, to_stride, coordinate) * (int64_t)size;
        if (fs == 1 && ts == 1)
            memcpy(y, x, (size_t)run * size);
        else
            for (int64_t n = 0; n < run; n++)
                copy_element(y + n * ts * (int64_t)size, x + n * fs * (int64_t)size, size);
    }
}

/* One task for each input. */
static void concat_run(const Frame *f, const Instruction *i, int64_t task)
{
    const View *x = &i->read[task], *y = &i->write[0];
    size_t size = type_bytes(y->type, f->program->dtype);
    int64_t begin = 0, axis = i->attribute[0];
    for (int64_t k = 0; k < task; k++)
        begin += i->read[k].shape.dim[axis];
    char *to = (char *)frame_pointer(f, y) + (task ? begin * y->stride[axis] * (int64_t)size : 0);
    copy_strided(&x->shape, frame_pointer(f, x), x->stride, to, y->stride, size);
}

void concat_prepare(Program *p, Instruction *i, Isa isa)
{
    (void)isa;
    kernel_new(p, i, sizeof(Kernel), concat_run, kernel_makes(i) ? i->reads : 0);
}

static void pad_run(const Frame *f, const Instruction *i, int64_t task)
{
    (void)task;
    const View *x = &i->read[0], *y = &i->write[0];
    size_t size = type_bytes(y->type, f->program->dtype);
    int rank = y->shape.rank;
    char *to = frame_pointer(f, y);
    memset(to, 0, (size_t)shape_size(y->shape) * size);
    int64_t stride[RANK_MAX] = {0};
    for (int a = 0; a < rank; a++) {
        to += i->attribute[a] * y->stride[a] * (int64_t)size;
        stride[a] = i->attribute[rank + a] * y->stride[a];
    }
    copy_strided(&x->shape, frame_pointer(f, x), x->stride, to, stride, size);
}

void pad_prepare(Program *p, Instruction *i, Isa isa)
{
    (void)isa;
    kernel_new(p, i, sizeof(Kernel), pad_run, kernel_makes(i));
}
