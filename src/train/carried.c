/* carried.c: see carried.h. */
#include "train/carried.h"

#include <string.h>

static const Tensor *carried_next(const Model *m, size_t *at)
{
    while (*at < m->store.count)
        if (m->store.list[(*at)++]->role == ROLE_CARRIED) return m->store.list[*at - 1];
    return NULL;
}

int carried_suits(const Model *m, const Dataset *d, Error *e)
{
    if (!m->carries || d->stream) return NUDGE_OK;
    return error_set(
        e, NUDGE_INPUT,
        "%s: net: carry=true hands a state from window to window of one text, each token of which has a target, "
        "but here each row is a sample of its own; leave carry out",
        settings_origin(&m->settings, "net"));
}

static size_t carried_bytes(const CarriedStates *c, const Tensor *t)
{
    return t->size / (size_t)t->shape.dim[0] * c->rows * data_size(model_real(c->m));
}

int carried_open(CarriedStates *c, const Model *m, size_t rows, Error *e)
{
    *c = (CarriedStates){.m = m, .rows = rows};
    if (!m->carries) return NUDGE_OK;
    c->value = memory_zero(m->store.count, sizeof *c->value);
    if (!c->value) return error_memory(e);
    const Tensor *t;
    for (size_t at = 0; (t = carried_next(m, &at)); c->count++)
        if (!(c->value[c->count] = memory_zero(carried_bytes(c, t), 1))) break;
    if (!t) return NUDGE_OK;
    carried_close(c);
    return error_memory(e);
}

void carried_close(CarriedStates *c)
{
    for (size_t i = 0; i < c->count; i++)
        memory_release(c->value[i]);
    memory_release(c->value);
    *c = (CarriedStates){0};
}

void carried_clear(CarriedStates *c)
{
    for (size_t i = 0, at = 0; i < c->count; i++)
        memset(c->value[i], 0, carried_bytes(c, carried_next(c->m, &at)));
}

void carried_bind(const CarriedStates *c, Run *r)
{
    for (size_t i = 0, at = 0; i < c->count; i++)
        run_bind_state(r, carried_next(c->m, &at)->name, c->value[i]);
}
