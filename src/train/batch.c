/* batch.c: see batch.h. */
#include "train/batch.h"

int batch_new(Batch *b, const Model *m, size_t rows, bool weighted, Error *e)
{
    DataType real = model_real(m);
    *b = (Batch){.x_type = model_input(m), .t_type = m->task.classify ? DATA_I32 : real};
    b->x = memory_new(rows, m->task.features * data_size(b->x_type));
    b->t = memory_new(rows, model_columns(m) * data_size(b->t_type));
    b->weight = weighted ? memory_new(rows, sizeof *b->weight) : NULL;
    b->real = weighted ? memory_new(rows, data_size(real)) : NULL;
    if (b->x && b->t && (!weighted || (b->weight && b->real))) return NUDGE_OK;
    batch_free(b);
    return error_memory(e);
}

void batch_free(Batch *b)
{
    memory_release(b->x);
    memory_release(b->t);
    memory_release(b->weight);
    memory_release(b->real);
    *b = (Batch){0};
}

/* Of a text, each token counts, but for those after a line's end. */
static double batch_tokens(const Batch *b, size_t n)
{
    double count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((const int32_t *)b->t)[i] >= 0;
    return count;
}

void batch_take(Batch *b, const Model *m, const Dataset *d, const size_t *row, size_t n)
{
    dataset_gather(d, row, n, b->x, b->x_type, b->t, b->t_type, b->weight);
    b->rows = n;
    b->total = b->weight ? 0 : m->task.next ? batch_tokens(b, n * m->task.positions) : (double)n;
    if (!b->weight) return;
    for (size_t i = 0; i < n; i++)
        b->total += b->weight[i];
    data_convert(b->real, model_real(m), b->weight, DATA_F64, n);
}

void batch_reconstruct(Batch *b, const Model *m)
{
    data_convert(b->t, b->t_type, b->x, b->x_type, b->rows * m->task.features);
}

void batch_bind(const Batch *b, Run *r)
{
    run_bind(r, RUN_X, b->x);
    run_bind(r, RUN_TARGET, b->t);
    run_bind(r, RUN_WEIGHT, b->real);
}

double batch_step(Run *r, Model *m, double steps)
{
    double result = 0, loss; /* a double is room for either kind of real */
    m->steps++;
    run_set(r, RUN_T, (double)m->steps);
    run_set(r, RUN_STEPS, steps);
    run_set(r, RUN_DROPS, m->drops);
    if (run_wants(r, RUN_SEED)) run_set(r, RUN_SEED, model_seed(m, m->steps));
    run_bind(r, RUN_LOSS, &result);
    run_go(r);
    data_convert(&loss, DATA_F64, &result, model_real(m), 1);
    return loss;
}
