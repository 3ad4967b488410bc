/* course.c: see course.h. */
#include "train/course.h"

#include "train/carried.h"

#include <math.h>
#include <string.h>

enum { COURSE_EPOCHS = 100 };

static bool course_driven(const Course *c)
{
    Blueprint *b = programs_lock(c->m->programs);
    bool driven = blueprint_driven(b);
    programs_unlock(c->m->programs);
    return driven;
}

/* What looks at the loss along a line takes all rows, always in the same order. */
static int course_drive(Course *c, Error *e)
{
    const Settings *s = &c->m->settings;
    if (!course_driven(c)) return NUDGE_OK;
    if (settings_is_set(s, "batch") && c->batch_rows < c->rows)
        return error_set(e, NUDGE_INPUT,
                         "%s: batch: %s takes all %zu rows that it trains on at once; leave batch out",
                         settings_origin(s, "batch"), settings_text(s, "optimizer"), c->rows);
    c->batch_rows = c->rows;
    c->shuffle = false;
    return lbfgs_open(&c->lbfgs, c->m, e);
}

static void course_batch(Course *c)
{
    size_t batch = model_batch(c->m);
    c->batch_rows = batch < c->rows ? batch : c->rows;
}

static void course_length(Course *c)
{
    const Settings *s = &c->m->settings;
    uint64_t each = course_epoch_steps(c);
    if (settings_is_set(s, "steps")) {
        c->steps = (uint64_t)settings_integer(s, "steps");
        c->epochs = (c->steps + each - 1) / each;
    } else {
        c->epochs = settings_is_set(s, "epochs") ? (uint64_t)settings_integer(s, "epochs") : COURSE_EPOCHS;
        c->steps = c->epochs * each;
    }
}

/* Each class gets the same weight in all, the sum of weights stays. share [classes]: the weights of the classes. */
static void course_weigh(Course *c, double *share)
{
    const int32_t *class = c->data->t;
    double total = 0, classes = 0;
    for (size_t i = 0; i < c->rows; i++) {
        double weight = c->data->weight ? c->data->weight[c->order[i]] : 1;
        share[class[c->order[i]]] += weight;
        total += weight;
    }
    for (size_t k = 0; k < c->m->task.classes; k++)
        classes += share[k] > 0;
    for (size_t i = 0; i < c->rows; i++) {
        size_t row = c->order[i];
        double weight = c->data->weight ? c->data->weight[row] : 1;
        c->weight[row] = weight > 0 ? weight * total / (classes * share[class[row]]) : 0;
    }
}

static int course_balance(Course *c, Error *e)
{
    const Settings *s = &c->m->settings;
    if (!settings_flag(s, "balance")) return NUDGE_OK;
    if (!c->m->task.classify || c->m->task.next)
        return error_set(
            e, NUDGE_INPUT,
            "%s: balance: weights the classes of a target, but here rows have no class; leave it out",
            settings_origin(s, "balance"));
    double *share = memory_zero(c->m->task.classes, sizeof *share);
    c->weight = memory_zero(c->data->rows, sizeof *c->weight);
    if (share && c->weight) course_weigh(c, share);
    memory_release(share);
    return share && c->weight ? NUDGE_OK : error_memory(e);
}

static int course_prepare(Course *c, Error *e)
{
    Model *m = c->m;
    int status = carried_suits(m, c->data, e);
    if (!status) status = course_drive(c, e);
    course_length(c);
    if (!status) status = course_balance(c, e);
    if (!status) status = augment_open(&c->augment, m, c->data, c->batch_rows, e);
    if (!status) status = model_loss_adds(m, &c->adds, e);
    bool weighted = c->data->weight || c->weight;
    return status ? status : batch_new(&c->batch, m, c->batch_rows, weighted, e);
}

int course_open(Course *c, Model *m, const Dataset *data, const size_t *order, size_t rows, Error *e)
{
    *c = (Course){.m = m, .data = data, .order = order, .rows = rows};
    const Settings *s = &m->settings;
    c->seed = (uint64_t)settings_integer(s, "seed");
    c->shuffle = settings_flag(s, "shuffle");
    c->scheduled = strcmp(settings_text(s, "schedule"), "constant") != 0;
    c->carries = m->carries;
    course_batch(c);
    int status = course_prepare(c, e);
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
    augment_close(&c->augment);
    lbfgs_close(&c->lbfgs);
    memory_release(c->weight);
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

void course_begin(Course *c, const Progress *p)
{
    uint64_t each = course_epoch_steps(c), done = (p->row + c->batch_rows - 1) / c->batch_rows;
    uint64_t left = c->steps > p->step ? c->steps - p->step : 0;
    if (settings_is_set(&c->m->settings, "steps"))
        c->epochs = p->epoch + (done + left + each - 1) / each;
    else
        c->steps = p->step + (c->epochs > p->epoch ? (c->epochs - p->epoch) * each - done : 0);
}

static void course_turn(Course *c, uint64_t epoch)
{
    for (size_t i = 0; i < c->rows; i++)
        c->turn[i] = c->order[c->carries ? dataset_stream(c->rows, c->batch_rows, i) : i];
    if (c->shuffle && !c->carries) dataset_shuffle(c->turn, c->rows, c->seed, epoch);
}

/* Streams begin anew with each epoch. */
static void course_clear(const Store *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i]->role == ROLE_CARRIED) tensor_fill(s, s->list[i], 0);
}

void course_take(Course *c, const Progress *p)
{
    if (c->carries && !p->row) course_clear(&c->m->store);
    if (c->turned != p->epoch + 1) {
        course_turn(c, p->epoch);
        dataset_slide(&c->view, c->data, c->seed, p->epoch);
        if (c->weight) c->view.weight = c->weight;
        c->turned = p->epoch + 1;
    }
    size_t n = course_ends_epoch(c, p) ? c->rows - (size_t)p->row : c->batch_rows;
    batch_take(&c->batch, c->m, &c->view, c->turn + p->row, n);
    augment_batch(&c->augment, &c->batch, c->turn + p->row, p->epoch);
    if (c->m->task.reconstruct && c->augment.steps) batch_reconstruct(&c->batch, c->m);
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

/* The layers' norms, and that of all, from the gradient where the search began: no program need be run for them. */
static void course_measure(Course *c)
{
    const Lbfgs *l = &c->lbfgs;
    const Model *m = c->m;
    const double *g = lbfgs_began(l);
    DataType real = model_real(m);
    double all = 0;
    for (size_t k = 0; k <= m->groups; k++) {
        double sum = 0, norm;
        const double *from = g;
        for (size_t i = 0; k < m->groups && i < l->parts; from += l->part[i++]->size) {
            const char *name = l->part[i]->name, *dot = strrchr(name, '.');
            size_t length = dot ? (size_t)(dot - name) : 0;
            if (strlen(m->group[k]) != length || memcmp(m->group[k], name, length) != 0) continue;
            for (size_t j = 0; j < l->part[i]->size; j++)
                sum += from[j] * from[j];
        }
        all += sum;
        norm = sqrt(k < m->groups ? sum : all);
        data_convert((char *)c->norms + k * data_size(real), real, &norm, DATA_F64, 1);
    }
}

static int course_search(Course *c, bool norms, double *loss, Error *e)
{
    Run *r = course_run(c, false, e);
    if (!r) return e->status;
    *loss = lbfgs_step(&c->lbfgs, r);
    if (norms) course_measure(c);
    return NUDGE_OK;
}

static int course_update(Course *c, bool norms, double *loss, Error *e)
{
    if (c->lbfgs.size) return course_search(c, norms, loss, e);
    Run *r = course_run(c, norms, e);
    if (!r) return e->status;
    *loss = batch_step(r, c->m, (double)c->steps);
    return NUDGE_OK;
}

int course_step(Course *c, Progress *p, bool norms, double *loss, Error *e)
{
    *loss = (double)NAN;
    if (c->batch.total > 0) {
        if (course_update(c, norms, loss, e)) return e->status;
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
