/* store.c: see store.h. */
#include "train/store.h"

#include <math.h>
#include <string.h>

static const char store_optimizer[] = "optimizer.";

bool tensor_in(const Tensor *t, StorePart part)
{
    if (part == STORE_MODEL && t->role == ROLE_CARRIED) return false;
    return part == STORE_ALL || strncmp(t->name, store_optimizer, sizeof store_optimizer - 1) != 0;
}

double tensor_get(const Store *s, const Tensor *t, size_t i)
{
    return s->real == DATA_F64 ? ((const double *)t->value)[i] : (double)((const float *)t->value)[i];
}

void tensor_fill(const Store *s, Tensor *t, double value)
{
    for (size_t i = 0; i < t->size; i++)
        data_convert((char *)t->value + i * data_size(s->real), s->real, &value, DATA_F64, 1);
}

bool tensor_finite(const Store *s, const Tensor *t)
{
    for (size_t i = 0; i < t->size; i++)
        if (!isfinite(tensor_get(s, t, i))) return false;
    return true;
}

Tensor *store_find(const Store *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (!strcmp(s->list[i]->name, name)) return s->list[i];
    return NULL;
}

static void tensor_free(Tensor *t)
{
    if (!t) return;
    memory_release(t->name);
    memory_release(t->value);
    memory_release(t);
}

/* Bytes of one tensor that are worth a word when there is no room for them. */
static const double store_large = 1 << 30;

static void store_no_room(const Store *s, const char *name, Shape shape, Error *e)
{
    double bytes = (double)shape_size(shape) * (double)data_size(s->real);
    if (bytes < store_large)
        error_memory(e);
    else
        error_set(e, NUDGE_MACHINE, "out of memory: %s alone takes %.0f GiB; make the net smaller", name,
                  ceil(bytes / store_large));
}

Tensor *store_add(Store *s, const char *name, Role role, Shape shape, Error *e)
{
    Tensor *t = memory_zero(1, sizeof *t);
    if (t) {
        *t = (Tensor){memory_string(name), role, shape, (size_t)shape_size(shape), NULL};
        t->value = memory_zero(t->size, data_size(s->real));
        if (t->name && t->value && memory_grow(&s->list, &s->room, s->count + 1, sizeof *s->list))
            return s->list[s->count++] = t;
    }
    tensor_free(t);
    store_no_room(s, name, shape, e);
    return NULL;
}

void store_drop_training(Store *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (tensor_in(s->list[i], STORE_MODEL))
            s->list[kept++] = s->list[i];
        else
            tensor_free(s->list[i]);
    }
    s->count = kept;
}

void store_free(Store *s)
{
    for (size_t i = 0; i < s->count; i++)
        tensor_free(s->list[i]);
    memory_release(s->list);
    *s = (Store){.real = s->real};
}

int store_copy(Store *to, const Store *from, StorePart part, Error *e)
{
    *to = (Store){.real = from->real};
    for (size_t i = 0; i < from->count; i++) {
        const Tensor *t = from->list[i];
        if (!tensor_in(t, part)) continue;
        Tensor *copy = store_add(to, t->name, t->role, t->shape, e);
        if (!copy) {
            store_free(to);
            return e->status;
        }
        memcpy(copy->value, t->value, t->size * data_size(from->real));
    }
    return NUDGE_OK;
}

/* The tensor of `s` that t is a copy of. Copies keep the order, so it is near the place where the last one was. */
static Tensor *store_follow(const Store *s, const Tensor *t, size_t *at)
{
    for (; *at < s->count; ++*at)
        if (!strcmp(s->list[*at]->name, t->name)) return s->list[(*at)++];
    *at = 0;
    return store_find(s, t->name);
}

void store_assign(Store *to, const Store *from)
{
    size_t at = 0;
    for (size_t i = 0; i < to->count; i++) {
        const Tensor *t = store_follow(from, to->list[i], &at);
        if (t) memcpy(to->list[i]->value, t->value, t->size * data_size(to->real));
    }
}

bool store_equal(const Store *a, const Store *b)
{
    size_t at = 0;
    for (size_t i = 0; i < a->count; i++) {
        const Tensor *t = a->list[i], *u = store_follow(b, t, &at);
        if (!u || memcmp(t->value, u->value, t->size * data_size(a->real))) return false;
    }
    return true;
}

const Tensor *store_broken(const Store *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i]->role == ROLE_PARAMETER && !tensor_finite(s, s->list[i])) return s->list[i];
    return NULL;
}

SafetensorsTensor tensor_view(const Store *s, const Tensor *t, const char *name)
{
    SafetensorsTensor view = {.name = name, .rank = t->shape.rank, .data = t->value};
    view.type = s->real == DATA_F64 ? SAFETENSORS_F64 : SAFETENSORS_F32;
    for (int a = 0; a < t->shape.rank; a++)
        view.shape[a] = t->shape.dim[a];
    return view;
}

void tensor_take(const Store *s, Tensor *t, const SafetensorsTensor *from)
{
    if (s->real == DATA_F64)
        safetensors_doubles(from, t->value);
    else
        safetensors_floats(from, t->value);
}
