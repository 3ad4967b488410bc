/* rows.c: all rows, and the scope that makes them known. */
#include "nn/rows.h"

#include <string.h>

static const struct {
    const Definition *row;
    const size_t *count;
} rows_list[] = {
    {ops_definitions, &ops_definitions_count},
    {nn_layers, &nn_layers_count},
    {nn_images, &nn_images_count},
    {nn_norms, &nn_norms_count},
    {nn_attention, &nn_attention_count},
    {nn_recurrent, &nn_recurrent_count},
    {nn_losses, &nn_losses_count},
    {nn_optimizers, &nn_optimizers_count},
    {nn_schedules, &nn_schedules_count},
    {nn_regularisers, &nn_regularisers_count},
    {nn_initialisers, &nn_initialisers_count},
};

const Definition *nn_row(size_t index)
{
    for (size_t i = 0; i < sizeof rows_list / sizeof *rows_list; i++) {
        if (index < *rows_list[i].count) return &rows_list[i].row[index];
        index -= *rows_list[i].count;
    }
    return NULL;
}

bool nn_takes_images(const char *net)
{
    size_t length = strcspn(net, " (\t\n");
    for (size_t i = 0; i < nn_images_count; i++) {
        const Definition *d = &nn_images[i];
        if (!strcmp(d->category, "layer") && strcspn(d->row, "(") == length && !memcmp(d->row, net, length))
            return true;
    }
    return false;
}

Scope *nn_scope(Arena *a)
{
    Scope *s = scope_new(a, NULL);
    scope_limit(s, nn_limit);
    const Definition *d;
    for (size_t i = 0; (d = nn_row(i)); i++) {
        const char *name = arena_string(a, d->row, strcspn(d->row, " ("));
        scope_add_row(s, name, d->row, d->gradient, d->category);
    }
    autodiff_add(s);
    return s;
}
