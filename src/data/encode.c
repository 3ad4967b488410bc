/* encode.c: see encode.h. */
#include "data/encode.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ENCODE_CLASSES_SHOWN = 12 };

static bool encode_is_input(const Column *c)
{
    return c->role == COLUMN_NUMBER || c->role == COLUMN_CATEGORY || c->role == COLUMN_TEXT;
}

static size_t encode_find(const char *name, size_t expected, const char *const *names, size_t count)
{
    if (expected < count && !strcmp(names[expected], name)) return expected;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name)) return i;
    return COLUMN_NONE;
}

static int encode_absent(const Encoder *n, const Column *c, const char *const *names, size_t count, Error *e)
{
    const char *near = name_nearest(c->name, names, count);
    return error_set(e, NUDGE_INPUT, "%s: has no column %s, which %s; %s%s%s", n->file, c->name,
                     c->role == COLUMN_TARGET ? "is the target" : "the model was trained with",
                     near ? "rename " : "add it", near ? near : "", near ? " if that is it" : "");
}

static int encode_by_name(Encoder *n, const char *const *names, size_t count, bool target, Error *e)
{
    const Columns *k = n->columns;
    for (size_t i = 0; i < k->count; i++) {
        const Column *c = k->column + i;
        bool needed = encode_is_input(c) || (target && c->role == COLUMN_TARGET);
        if (!needed && !(target && c->role == COLUMN_WEIGHT)) continue;
        n->field[i] = encode_find(c->name, i, names, count);
        if (needed && n->field[i] == COLUMN_NONE) return encode_absent(n, c, names, count, e);
    }
    return NUDGE_OK;
}

static int encode_miscounted(const Encoder *n, size_t count, bool target, Error *e)
{
    const Columns *k = n->columns;
    Text list = {0};
    for (size_t i = 0, shown = 0; i < k->count; i++)
        if (encode_is_input(k->column + i) && shown++ < ENCODE_CLASSES_SHOWN)
            text_print(&list, "%s%s", shown > 1 ? ", " : "", k->column[i].name);
    for (size_t i = 0; target && i < k->count; i++)
        if (k->column[i].role == COLUMN_TARGET) text_print(&list, ", %s", k->column[i].name);
    error_set(e, NUDGE_INPUT,
              "%s: has no header and %zu column%s, which could be any; add a header that names %s", n->file,
              count, count == 1 ? "" : "s", text_end(&list));
    text_free(&list);
    return e->status;
}

/* A file without a header has all columns of the training file, or all but the targets, or the inputs only. */
static int encode_by_position(Encoder *n, size_t count, bool target, Error *e)
{
    const Columns *k = n->columns;
    size_t inputs = columns_count(k, COLUMN_NUMBER) + columns_count(k, COLUMN_CATEGORY) +
                    columns_count(k, COLUMN_TEXT),
           field = 0;
    bool whole = count == k->count, aimless = k->targets && count + k->targets == k->count;
    if (!whole && (target || (!aimless && count != inputs))) return encode_miscounted(n, count, target, e);
    for (size_t i = 0; i < k->count; i++) {
        const Column *c = k->column + i;
        bool there = whole || (aimless ? c->role != COLUMN_TARGET : encode_is_input(c));
        bool wanted = encode_is_input(c) || (target && c->role != COLUMN_OUT);
        if (there && wanted) n->field[i] = field;
        field += there;
    }
    return NUDGE_OK;
}

int encoder_open(Encoder *n, const Columns *k, DataType real, const char *file, bool header,
                 const char *const *names, size_t count, bool target, Error *e)
{
    *n = (Encoder){.columns = k, .file = file, .real = real};
    if (!(n->field = memory_new(k->count, sizeof *n->field))) return error_memory(e);
    for (size_t i = 0; i < k->count; i++)
        n->field[i] = COLUMN_NONE;
    if (header ? encode_by_name(n, names, count, target, e) : encode_by_position(n, count, target, e))
        encoder_close(n);
    return e->status;
}

void encoder_close(Encoder *n)
{
    memory_release(n->field);
    memory_release(n->list.id);
    n->field = NULL;
    n->list = (TokenList){0};
}

/* One cell of one column; what its readers need to know to read it or to complain. */
typedef struct EncodeCell {
    Encoder *n;
    size_t column;
    const char *text;
    size_t line;
    Error *e;
} EncodeCell;

static int encode_wrong(const EncodeCell *c, const char *what, const char *advice)
{
    char shown[CELL_SHOWN];
    return error_set(c->e, NUDGE_INPUT, "%s:%zu:%zu: \"%s\" %s column %s; %s", c->n->file, c->line,
                     c->n->field[c->column] + 1, cell_shown(shown, c->text), what,
                     c->n->columns->column[c->column].name, advice);
}

/* A number, NaN if it is missing. */
static int encode_number(const EncodeCell *c, double *value)
{
    CellKind kind = columns_cell(c->n->columns, c->text, value);
    if (kind == CELL_TEXT)
        return encode_wrong(c, "is not a number in",
                            "correct it, or leave the cell empty if the value is missing");
    if (kind == CELL_INFINITE)
        return encode_wrong(c, "is not finite in",
                            "correct it, or leave the cell empty if the value is missing");
    if (kind == CELL_MISSING)
        *value = (double)NAN;
    else if (c->n->real == DATA_F32 && fabs(*value) > (double)FLT_MAX)
        return encode_wrong(c, "is too large for float32 in", "use dtype=float64");
    return NUDGE_OK;
}

static int encode_weight(const EncodeCell *c, double *weight)
{
    if (columns_cell(c->n->columns, c->text, weight) == CELL_NUMBER && *weight >= 0)
        return encode_number(c, weight);
    return encode_wrong(c, "is no weight in", "each row needs a number that is not negative");
}

static int encode_no_class(const EncodeCell *c)
{
    const Column *target = c->n->columns->column + c->column;
    Text advice = {0};
    text_print(&advice, "training saw ");
    for (size_t i = 0; i < target->level_count && i < ENCODE_CLASSES_SHOWN; i++)
        text_print(&advice, "%s%s", i ? ", " : "", target->levels[i]);
    if (target->level_count > ENCODE_CLASSES_SHOWN)
        text_print(&advice, ", ... (%zu classes)", target->level_count);
    const char *near = name_nearest(c->text, (const char *const *)target->levels, target->level_count);
    if (near) text_print(&advice, "; did you mean %s?", near);
    encode_wrong(c, "is no class that the model knows in", text_end(&advice));
    text_free(&advice);
    return c->e->status;
}

static int encode_target(const EncodeCell *c, double *t)
{
    const Columns *k = c->n->columns;
    if (k->task == TASK_REGRESS) return encode_number(c, t);
    *t = (double)NAN;
    double ignored;
    if (columns_cell(k, c->text, &ignored) == CELL_MISSING) return NUDGE_OK;
    size_t level = column_level(k->column + c->column, c->text);
    if (level == COLUMN_NONE) return encode_no_class(c);
    *t = (double)level;
    return NUDGE_OK;
}

static void encode_category(const EncodeCell *c, double *x)
{
    Encoder *n = c->n;
    const Column *column = n->columns->column + c->column;
    double ignored;
    memset(x, 0, column->features * sizeof *x);
    if (columns_cell(n->columns, c->text, &ignored) == CELL_MISSING) return;
    size_t level = column_level(column, c->text);
    if (level != COLUMN_NONE) {
        x[level] = 1;
        return;
    }
    if (n->unknown++) return;
    n->unknown_line = c->line;
    n->unknown_column = c->column;
    cell_shown(n->unknown_shown, c->text);
}

static void encode_note(size_t *count, size_t *first, size_t line)
{
    if (!(*count)++) *first = line;
}

static int encode_text(const EncodeCell *c, double *x)
{
    Encoder *n = c->n;
    const Columns *k = n->columns;
    n->list.count = n->list.unknown = 0;
    if (columns_text(k, &n->list, c->text, c->e)) return c->e->status;
    for (size_t i = 0; i < k->context; i++)
        x[i] = i < n->list.count ? n->list.id[i] : (double)k->tokens.count;
    n->texts++;
    if (!n->list.count) encode_note(&n->empty, &n->empty_line, c->line);
    if (n->list.count > k->context) encode_note(&n->cut, &n->cut_line, c->line);
    if (n->list.unknown && k->tokens.kind == TOKENS_CHAR) encode_note(&n->lossy, &n->lossy_line, c->line);
    return NUDGE_OK;
}

static int encode_input(const EncodeCell *c, double *x)
{
    const Column *column = c->n->columns->column + c->column;
    if (column->role == COLUMN_TEXT) return encode_text(c, x);
    if (column->role == COLUMN_CATEGORY) return encode_category(c, x), NUDGE_OK;
    if (encode_number(c, x)) return c->e->status;
    if (isnan(*x)) *x = column->mean;
    return NUDGE_OK;
}

int encoder_row(Encoder *n, const char *const *cells, size_t line, double *x, double *t, double *weight,
                Error *e)
{
    const Columns *k = n->columns;
    for (size_t i = 0; t && i < k->targets; i++)
        t[i] = (double)NAN;
    if (weight) *weight = 1;
    for (size_t i = 0; i < k->count; i++) {
        if (n->field[i] == COLUMN_NONE) continue;
        EncodeCell c = {n, i, cells[n->field[i]], line, e};
        if (encode_is_input(k->column + i))
            encode_input(&c, x + k->column[i].first);
        else if (k->column[i].role == COLUMN_TARGET && t)
            encode_target(&c, t + k->column[i].first);
        else if (i == k->weight && weight)
            encode_weight(&c, weight);
        if (e->status) return e->status;
    }
    return NUDGE_OK;
}

static void encode_warn_text(const Encoder *n, size_t count, size_t line, const char *what, Text *warnings)
{
    if (!count) return;
    text_print(warnings, "%s: %zu of %zu texts in column %s %s %s; the first at line %zu\n", n->file, count,
               n->texts, n->columns->column[n->columns->text].name, count == 1 ? "has" : "have", what, line);
}

static void encode_warn_texts(const Encoder *n, Text *warnings)
{
    char cut[64];
    snprintf(cut, sizeof cut, "more than %zu tokens, which alone are read", n->columns->context);
    encode_warn_text(n, n->empty, n->empty_line, "no tokens", warnings);
    encode_warn_text(n, n->cut, n->cut_line, cut, warnings);
    encode_warn_text(n, n->lossy, n->lossy_line, "characters that training did not see, which are left out",
                     warnings);
}

void encoder_warn(const Encoder *n, Text *warnings)
{
    if (columns_is_text(n->columns)) encode_warn_texts(n, warnings);
    if (!n->unknown) return;
    text_print(
        warnings,
        "%s: %zu cell%s hold%s a category that training did not see, first \"%s\" in column %s at line %zu; it "
        "counts as unknown\n",
        n->file, n->unknown, n->unknown == 1 ? "" : "s", n->unknown == 1 ? "s" : "", n->unknown_shown,
        n->columns->column[n->unknown_column].name, n->unknown_line);
}

/* A table on its way into a dataset. */
typedef struct Encoding {
    const Columns *k;
    const Table *t;
    Dataset *d;
    bool target;
    DataType real;
    Encoder encoder;
    const char **cells; /* [t->columns]: names first, then a row */
    double *row;        /* [features] */
    double *t_row;      /* [targets] */
    double *weight;     /* [rows], or NULL */
    Error *e;
} Encoding;

static int encode_allocate_targets(Encoding *g)
{
    Dataset *d = g->d;
    const Columns *k = g->k;
    size_t rows = g->t->rows;
    d->classes = columns_classes(k);
    d->labels = k->task == TASK_LABELS;
    d->t_type = k->task == TASK_CLASSIFY ? DATA_I32 : g->real;
    if (k->task == TASK_RECONSTRUCT) {
        dataset_reconstruct(d);
    } else {
        d->targets = k->targets;
        d->t = d->owned[1] = memory_new(rows, k->targets * data_size(d->t_type));
        g->t_row = memory_new(k->targets, sizeof *g->t_row);
        if (!d->t || !g->t_row) return error_memory(g->e);
    }
    if (k->weight == COLUMN_NONE) return NUDGE_OK;
    g->weight = d->owned[2] = memory_new(rows, sizeof *g->weight);
    return g->weight ? NUDGE_OK : error_memory(g->e);
}

static int encode_allocate(Encoding *g)
{
    Dataset *d = g->d;
    const Columns *k = g->k;
    size_t bytes, rows = g->t->rows;
    d->features = k->features;
    d->x_rank = 1;
    d->x_shape[0] = k->features;
    if (__builtin_mul_overflow(k->features, data_size(d->x_type), &bytes)) return error_memory(g->e);
    d->x = d->owned[0] = memory_new(rows, bytes);
    g->cells = memory_new(g->t->columns, sizeof *g->cells);
    g->row = memory_new(k->features, sizeof *g->row);
    if (!d->x || !g->cells || !g->row) return error_memory(g->e);
    return g->target ? encode_allocate_targets(g) : NUDGE_OK;
}

static int encode_open(Encoding *g)
{
    for (size_t i = 0; i < g->t->columns; i++)
        g->cells[i] = g->t->column[i].name;
    if (encoder_open(&g->encoder, g->k, g->real, g->t->file, g->t->header, g->cells, g->t->columns, g->target,
                     g->e))
        return g->e->status;
    if (g->weight && g->encoder.field[g->k->weight] != COLUMN_NONE) g->d->weight = g->weight;
    return NUDGE_OK;
}

static bool encode_lacks_target(const Encoding *g)
{
    for (size_t i = 0; g->t_row && i < g->k->targets; i++)
        if (isnan(g->t_row[i])) return true;
    return false;
}

/* Appends a row of the table to the dataset, unless one of its targets is missing. */
static int encode_append(Encoding *g, size_t row)
{
    Dataset *d = g->d;
    double weight;
    for (size_t i = 0; i < g->t->columns; i++)
        g->cells[i] = table_cell(g->t, row, i);
    if (encoder_row(&g->encoder, g->cells, g->t->line[row], g->row, g->t_row, &weight, g->e))
        return g->e->status;
    if (encode_lacks_target(g)) return NUDGE_OK;
    size_t stride = d->features * data_size(d->x_type), t_stride = d->targets * data_size(d->t_type);
    data_convert((char *)d->owned[0] + d->rows * stride, d->x_type, g->row, DATA_F64, d->features);
    if (g->t_row)
        data_convert((char *)d->owned[1] + d->rows * t_stride, d->t_type, g->t_row, DATA_F64, d->targets);
    if (g->weight) g->weight[d->rows] = weight;
    d->rows++;
    return NUDGE_OK;
}

static int encode_check(const Encoding *g, Text *warnings)
{
    const Dataset *d = g->d;
    size_t out = g->t->rows - d->rows;
    const char *target = g->k->targets ? g->k->column[g->k->target].name : "";
    const char *which = g->k->targets > 1 ? "each target column, such as" : "the target column";
    double sum = 0;
    if (!d->rows && !g->k->targets) return error_set(g->e, NUDGE_INPUT, "%s: has no rows", g->t->file);
    if (!d->rows)
        return error_set(g->e, NUDGE_INPUT, "%s: no row has a value in %s %s", g->t->file, which, target);
    for (size_t i = 0; d->weight && i < d->rows; i++)
        sum += d->weight[i];
    if (d->weight && !(sum > 0))
        return error_set(g->e, NUDGE_INPUT, "%s: all weights in column %s are 0; give some rows a weight",
                         g->t->file, g->k->column[g->k->weight].name);
    if (out)
        text_print(warnings, "%s: %zu row%s without a value in %s %s %s left out\n", g->t->file, out,
                   out == 1 ? "" : "s", which, target, out == 1 ? "is" : "are");
    encoder_warn(&g->encoder, warnings);
    return warnings->failed ? error_memory(g->e) : NUDGE_OK;
}

static int encode_all(Encoding *g, Text *warnings)
{
    if (encode_allocate(g) || encode_open(g)) return g->e->status;
    for (size_t i = 0; i < g->t->rows; i++)
        if (encode_append(g, i)) return g->e->status;
    return encode_check(g, warnings);
}

int columns_dataset(Dataset *d, const Columns *k, const Table *t, DataType real, bool target, Text *warnings,
                    Error *e)
{
    *d = (Dataset){.x_type = real};
    if (columns_is_text(k)) {
        d->x_type = DATA_I32;
        d->vocabulary = k->tokens.count + 1;
        d->padding = k->tokens.count;
    }
    Encoding g = {.k = k, .t = t, .d = d, .target = target, .real = real, .e = e};
    if (encode_all(&g, warnings)) dataset_free(d);
    encoder_close(&g.encoder);
    memory_release(g.cells);
    memory_release(g.row);
    memory_release(g.t_row);
    return e->status;
}

/* The j-th number of each row of a dataset: an input, or the target. */
typedef struct EncodeStrip {
    DataType type;
    char *first;
    size_t stride; /* bytes */
} EncodeStrip;

static double encode_get(const EncodeStrip *s, size_t row)
{
    double value;
    data_convert(&value, DATA_F64, s->first + row * s->stride, s->type, 1);
    return value;
}

static void encode_fill(const EncodeStrip *s, size_t rows, double value)
{
    for (size_t i = 0; i < rows; i++)
        if (isnan(encode_get(s, i))) data_convert(s->first + i * s->stride, s->type, &value, DATA_F64, 1);
}

/* Mean and standard deviation of the values that are not missing, in two passes; the second corrects the mean. */
static void encode_measure(Column *c, const EncodeStrip *s, const size_t *rows, size_t n)
{
    double count = 0, mean = 0, rest = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double value = encode_get(s, rows[i]);
        if (isnan(value)) continue;
        count++;
        mean += (value - mean) / count;
    }
    for (size_t i = 0; i < n; i++) {
        double off = encode_get(s, rows[i]) - mean;
        if (isnan(off)) continue;
        rest += off;
        squares += off * off;
    }
    c->mean = count > 0 ? mean + rest / count : 0;
    double variance = count > 0 ? squares / count - (rest / count) * (rest / count) : 0;
    c->scale = variance > 0 && isfinite(variance) ? sqrt(variance) : 1;
    if (!isfinite(c->mean)) c->mean = 0; /* values near the end of the range of double */
}

int columns_measure(Columns *k, Dataset *d, const size_t *rows, size_t n, Error *e)
{
    if (d->features != k->features || !d->owned[0] || !n)
        return error_set(e, NUDGE_INPUT, "statistics of columns need rows that these columns encoded");
    for (size_t i = 0; i < k->count; i++) {
        Column *c = k->column + i;
        size_t size = data_size(d->x_type);
        EncodeStrip s = {d->x_type, (char *)d->owned[0] + c->first * size, d->features * size};
        if (c->role == COLUMN_TARGET && k->task == TASK_REGRESS && d->owned[1])
            s = (EncodeStrip){d->t_type, (char *)d->owned[1] + c->first * data_size(d->t_type),
                              d->targets * data_size(d->t_type)};
        else if (c->role != COLUMN_NUMBER)
            continue;
        encode_measure(c, &s, rows, n);
        encode_fill(&s, d->rows, c->mean);
    }
    return NUDGE_OK;
}
