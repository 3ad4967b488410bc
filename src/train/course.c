/* course.c: see course.h. */
#include "train/course.h"

#include <math.h>
#include <string.h>

enum { COURSE_BATCH = 32, COURSE_EPOCHS = 100 };

static void course_length(Course *c)
{
    const Settings *s = &c->m->settings;
    int64_t batch = settings_is_set(s, "batch") ? settings_integer(s, "batch") : COURSE_BATCH;
    c->batch_rows = (uint64_t)batch < c->rows ? (size_t)batch : c->rows;
    uint64_t each = course_epoch_steps(c);
    if (settings_is_set(s, "steps")) {
        c->steps = (uint64_t)settings_integer(s, "steps");
        c->epochs = (c->steps + each - 1) / each;
    } else {
        c->epochs = settings_is_set(s, "epochs") ? (uint64_t)settings_integer(s, "epochs") : COURSE_EPOCHS;
        c->steps = c->epochs * each;
    }
}

int course_open(Course *c, Model *m, const Dataset *data, const size_t *order, size_t rows, Error *e)
{
    *c = (Course){.m = m, .data = data, .order = order, .rows = rows};
    const Settings *s = &m->settings;
    course_length(c);
    c->seed = (uint64_t)settings_integer(s, "seed");
    c->shuffle = settings_flag(s, "shuffle");
    c->scheduled = strcmp(settings_text(s, "schedule"), "constant") != 0;
    int status = model_loss_adds(m, &c->adds, e);
    if (!status) status = batch_new(&c->batch, m, c->batch_rows, data->weight != NULL, e);
    c->turn = memory_new(rows, sizeof *c->turn);
    c->norms = memory_zero(m->groups + 1, data_size(model_real(m)));
    if (!status && !(c->turn && c->norms)) status = error_memory(e);
    if (status) course_close(c);
    return status;
}

void course_close(Course *c)
{
    for (size_t i = 0; i < c->runs; i++)
        run_end(&c->run[i].run);
    batch_free(&c->batch);
    memory_release(c->turn);
    memory_release(c->norms);
    *c = (Course){0};
}

uint64_t course_epoch_steps(const Course *c)
{
    return (c->rows + c->batch_rows - 1) / c->batch_rows;
}

bool course_ends_epoch(const Course *c, const Progress *p)
{
    return c->rows - p->row <= c->batch_rows;
}

void course_take(Course *c, const Progress *p)
{
    if (c->turned != p->epoch + 1) {
        memcpy(c->turn, c->order, c->rows * sizeof *c->turn);
        if (c->shuffle) dataset_shuffle(c->turn, c->rows, c->seed, p->epoch);
        dataset_slide(&c->view, c->data, c->seed, p->epoch);
        c->turned = p->epoch + 1;
    }
    size_t n = course_ends_epoch(c, p) ? c->rows - (size_t)p->row : c->batch_rows;
    batch_take(&c->batch, c->m, &c->view, c->turn + p->row, n);
}

/* The program for the batch; it stays with the course. There are at most four: with norms or without, for whole
 * batches and for the last one of an epoch. */
static Run *course_run(Course *c, bool norms, Error *e)
{
    Binding k = {MODE_TRAIN, c->batch.rows, c->batch.weight != NULL, norms, c->scheduled, false};
    for (size_t i = 0; i < c->runs; i++)
        if (c->run[i].key.rows == k.rows && c->run[i].key.norms == k.norms) return &c->run[i].run;
    CourseRun *new = &c->run[c->runs];
    if (run_begin(&new->run, c->m->programs, &k, e)) return NULL;
    new->key = k;
    c->runs++;
    batch_bind(&c->batch, &new->run);
    run_bind(&new->run, RUN_NORMS, c->norms);
    return &new->run;
}

int course_step(Course *c, Progress *p, bool norms, double *loss, Error *e)
{
    *loss = (double)NAN;
    if (c->batch.total > 0) {
        Run *r = course_run(c, norms, e);
        if (!r) return e->status;
        *loss = batch_step(r, c->m, (double)c->steps);
        p->loss += c->adds ? *loss : *loss * c->batch.total;
        p->weight += c->batch.total;
    } else {
        c->m->steps++;
    }
    p->step++;
    p->row += c->batch.rows;
    return NUDGE_OK;
}

void course_end_epoch(Progress *p)
{
    p->epoch++;
    p->row = 0;
    p->loss = p->weight = 0;
}

double course_loss(const Course *c, const Progress *p)
{
    return c->adds ? p->loss : p->loss / p->weight;
}

double course_norm(const Course *c, size_t group)
{
    double norm;
    DataType real = model_real(c->m);
    data_convert(&norm, DATA_F64, (const char *)c->norms + group * data_size(real), real, 1);
    return norm;
}
