/* average.c: see average.h. */
#include "train/average.h"

#include <string.h>

int average_open(Average *a, Model *m, Error *e)
{
    *a = (Average){.m = m};
    return settings_is_set(&m->settings, "average") ? store_copy(&a->kept, &m->store, STORE_MODEL, e)
                                                    : NUDGE_OK;
}

void average_close(Average *a)
{
    store_free(&a->kept);
}

/* The average of the tensor, whose name ends in it; NULL if `t` is none. */
static Tensor *average_owner(const Store *s, const Tensor *t)
{
    static const char before[] = "optimizer.", after[] = ".average";
    size_t length = strlen(t->name), first = sizeof before - 1, last = sizeof after - 1;
    if (length <= first + last || strncmp(t->name, before, first) || strcmp(t->name + length - last, after))
        return NULL;
    for (size_t i = 0; i < s->count; i++) {
        Tensor *w = s->list[i];
        bool owns = strlen(w->name) == length - first - last &&
                    !memcmp(w->name, t->name + first, length - first - last);
        if (owns) return w->role == ROLE_PARAMETER ? w : NULL;
    }
    return NULL;
}

void average_take(Average *a)
{
    const Store *s = &a->m->store;
    store_assign(&a->kept, s);
    for (size_t i = 0; a->kept.count && a->m->steps && i < s->count; i++) {
        Tensor *w = average_owner(s, s->list[i]);
        if (w) memcpy(w->value, s->list[i]->value, w->size * data_size(s->real));
    }
}

void average_give_back(Average *a)
{
    store_assign(&a->m->store, &a->kept);
}
