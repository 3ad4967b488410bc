/* footprint.c: see footprint.h. */
#include "train/footprint.h"

#include "train/course.h"

#include <string.h>

enum {
    FOOTPRINT_PROGRAM = 4400 << 10, /* resident pages of a run on four rows, release build, x86-64 */
    FOOTPRINT_ORDERS = 3            /* of rows: the job's, the trainer's, the epoch's */
};

typedef struct Measuring {
    Footprint *f;
    Model *m;
    Course course;
    size_t held;
    bool weighted; /* rows that are judged */
    Error *error;
} Measuring;

static size_t footprint_rows(const Dataset *d)
{
    size_t bytes = 0;
    for (int i = 0; d && i < 3; i++)
        bytes += memory_size(d->owned[i]);
    return bytes;
}

/* One copy of everything, to explain a divergence by; of what predicts, the best so far and one to average with. */
static void footprint_model(Measuring *g)
{
    const Store *s = &g->m->store;
    size_t copies = (g->held > 0) + settings_is_set(&g->m->settings, "average");
    for (size_t i = 0; i < s->count; i++) {
        size_t bytes = s->list[i]->size * data_size(s->real);
        g->f->model += bytes * (2 + (tensor_in(s->list[i], STORE_MODEL) ? copies : 0));
    }
}

static void footprint_batch(Measuring *g, size_t judged)
{
    const Model *m = g->m;
    Batch b;
    if (batch_new(&b, m, judged, g->weighted, g->error)) return;
    const void *blocks[] = {g->course.batch.x,
                            g->course.batch.t,
                            g->course.batch.weight,
                            g->course.batch.real,
                            b.x,
                            b.t,
                            b.weight,
                            b.real};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        g->f->batch += memory_size(blocks[i]);
    g->f->batch += judged * model_width(m) * data_size(model_real(m));
    batch_free(&b);
}

/* Makes a program, as a run would. */
static void footprint_program(Measuring *g, Binding k)
{
    Run r;
    if (g->error->status || !k.rows || run_begin(&r, g->m->programs, &k, g->error)) return;
    run_end(&r);
}

/* Whole batches and the last one of an epoch, which tells the norms of gradients. Of the programs that judge, which are
 * alike, only the largest is made. */
static void footprint_programs(Measuring *g, size_t judged)
{
    const Course *c = &g->course;
    size_t tail = c->rows % c->batch_rows, sizes = 0;
    Binding k = {MODE_TRAIN, c->batch_rows, c->batch.weight != NULL, false, c->scheduled, false};
    footprint_program(g, k);
    k.norms = true;
    k.rows = tail ? tail : c->batch_rows;
    footprint_program(g, k);
    size_t before = programs_bytes(g->m->programs).plans;
    footprint_program(g, (Binding){.mode = MODE_EVAL, .rows = judged, .weighted = g->weighted});
    ProgramsBytes bytes = programs_bytes(g->m->programs);
    for (size_t rows = g->held ? g->held % judged : 0; rows; rows &= rows - 1)
        sizes++;
    g->f->work = bytes.work;
    g->f->plans = bytes.plans + sizes * (bytes.plans - before);
}

int footprint_measure(Footprint *f, Model *m, const Dataset *data, size_t train, const Dataset *validation,
                      Error *e)
{
    Measuring g = {.f = f, .m = m, .error = e};
    *f = (Footprint){.program = FOOTPRINT_PROGRAM};
    size_t *order = memory_zero(data->rows, sizeof *order);
    int status = order ? model_restart(m, e) : error_memory(e);
    if (!status) status = course_open(&g.course, m, data, order, train, e);
    if (!status) {
        g.held = validation ? validation->rows : data->rows - train;
        g.weighted = (validation ? validation : data)->weight;
        size_t judged = model_chunk(m, g.held ? g.held : train);
        f->data = footprint_rows(data) + footprint_rows(validation) +
                  FOOTPRINT_ORDERS * data->rows * sizeof *order + memory_size(g.course.weight);
        footprint_model(&g);
        footprint_batch(&g, judged);
        footprint_programs(&g, judged);
        f->peak = f->data + f->model + f->batch + f->work + f->plans + f->program;
        status = e->status;
    }
    course_close(&g.course);
    memory_release(order);
    return status;
}
