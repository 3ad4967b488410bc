/* infer.c: see infer.h. */
#include "data/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    INFER_CLASSES = 20,     /* a target of more distinct integers is a quantity */
    INFER_CLASS_ROWS = 5,   /* and so is one with fewer rows for each of them, if there are more than two */
    INFER_FEW = 8,          /* so few texts are never "nearly every row its own", unless all differ */
    INFER_PROSE = 3,        /* so many words, marks and numbers make a text that is read word by word */
    INFER_CATEGORIES = 1000 /* more would make a wide net of single cases */
};

typedef struct Infer {
    Columns *k;
    const Table *t;
    const InferOptions *o;
    Text *warnings;
    Error *e;
    size_t *rows, row_count; /* those with all targets */
    size_t *distinct;        /* [columns]: texts of a column in which nearly every row has its own; else 0 */
} Infer;

/* What the cells of a column are. */
typedef struct Census {
    size_t cells, numbers, texts; /* cells: those not missing */
    size_t text, infinite;        /* the first rows of each; COLUMN_NONE: none */
    size_t before, after;         /* numbers before the first text, and after it */
    bool integers;                /* all numbers are */
    bool counts;                  /* each number is one more than the one in the row before */
    double least, most;
} Census;

static void infer_count_number(Census *s, double value, size_t row, double *first)
{
    if (!s->numbers) *first = value - (double)row;
    s->numbers++;
    *(s->text == COLUMN_NONE ? &s->before : &s->after) += 1;
    s->integers &= value == floor(value);
    s->counts &= value - (double)row == *first;
    s->least = fmin(s->least, value);
    s->most = fmax(s->most, value);
}

static Census infer_census(const Infer *f, size_t column)
{
    Census s = {.text = COLUMN_NONE,
                .infinite = COLUMN_NONE,
                .integers = true,
                .counts = true,
                .least = HUGE_VAL,
                .most = -HUGE_VAL};
    double value = 0, first = 0;
    for (size_t i = 0; i < f->row_count; i++) {
        size_t row = f->rows[i];
        CellKind kind = columns_cell(f->k, table_cell(f->t, row, column), &value);
        s.cells += kind != CELL_MISSING;
        if (kind == CELL_NUMBER) infer_count_number(&s, value, row, &first);
        if (kind == CELL_INFINITE && s.infinite == COLUMN_NONE) s.infinite = row;
        if (kind != CELL_TEXT) continue;
        s.texts++;
        if (s.text == COLUMN_NONE) s.text = row;
    }
    return s;
}

/* The distinct values of a column, sorted. Those of a numeric column are one if their numbers are equal. */
typedef struct Level {
    const char *cell;
    double value; /* 0 in a text column */
} Level;

static int infer_level_compare(const void *a, const void *b)
{
    const Level *x = a, *y = b;
    int order = (x->value > y->value) - (x->value < y->value);
    return order ? order : strcmp(x->cell, y->cell);
}

static size_t infer_unique(Level *levels, size_t n, bool numbers)
{
    size_t unique = 0;
    for (size_t i = 0; i < n; i++) {
        const Level *last = unique ? levels + unique - 1 : NULL;
        if (last && last->value == levels[i].value && (numbers || !strcmp(last->cell, levels[i].cell)))
            continue;
        levels[unique++] = levels[i];
    }
    return unique;
}

/* NULL, with the error set, if memory runs out. */
static Level *infer_levels(const Infer *f, size_t column, bool numbers, size_t *count)
{
    Level *levels = memory_new(f->row_count, sizeof *levels);
    if (!levels) return error_memory(f->e), NULL;
    size_t n = 0;
    for (size_t i = 0; i < f->row_count; i++) {
        double value = 0;
        const char *cell = table_cell(f->t, f->rows[i], column);
        if (columns_cell(f->k, cell, &value) != CELL_MISSING)
            levels[n++] = (Level){cell, numbers ? value : 0};
    }
    qsort(levels, n, sizeof *levels, infer_level_compare);
    *count = infer_unique(levels, n, numbers);
    return levels;
}

static int infer_keep_levels(Infer *f, Column *c, const Level *levels, size_t count, bool numbers)
{
    c->numbers = numbers;
    if (!(c->levels = memory_zero(count, sizeof *c->levels))) return error_memory(f->e);
    c->level_count = count;
    for (size_t i = 0; i < count; i++)
        if (!(c->levels[i] = memory_string(levels[i].cell))) return error_memory(f->e);
    return NUDGE_OK;
}

/* A word as a recipe or a shell takes it: quoted unless it is plain. */
static void infer_word(Text *out, const char *word)
{
    bool plain = *word;
    for (const char *s = word; *s; s++)
        plain &= (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
                 strchr("_-.", *s);
    text_print(out, plain ? "%s" : "\"%s\"", word);
}

/* A number but for a comma: "5,1". */
static bool infer_has_comma(const char *cell)
{
    size_t length = strlen(cell);
    const char *comma = strchr(cell, ',');
    char plain[CELL_SHOWN];
    double value;
    if (!comma || length >= sizeof plain) return false;
    memcpy(plain, cell, length + 1);
    plain[comma - cell] = '.';
    return number_is(plain, length, &value);
}

static int infer_place(const Infer *f, size_t row, size_t column, const char *what, const char *advice,
                       const char *ways)
{
    char shown[CELL_SHOWN];
    return error_set(f->e, NUDGE_INPUT, "%s:%zu:%zu: \"%s\" %s in column %s\n  %s%s", f->t->file,
                     f->t->line[row], column + 1, cell_shown(shown, table_cell(f->t, row, column)), what,
                     f->t->column[column].name, advice, ways);
}

/* "to treat it as missing: missing=heavy, to leave the column out: ignore=weight" */
static void infer_ways(const Infer *f, size_t row, size_t column, Text *out)
{
    text_print(out, "to treat it as missing: missing=");
    infer_word(out, table_cell(f->t, row, column));
    bool target = f->k->column[column].role == COLUMN_TARGET;
    text_print(out, target ? ", to learn classes: task=classify" : ", to leave the column out: ignore=");
    if (!target) infer_word(out, f->t->column[column].name);
}

static int infer_not_number(const Infer *f, const Census *s, size_t column)
{
    if (infer_has_comma(table_cell(f->t, s->text, column)))
        return infer_place(f, s->text, column, "is not a number",
                           "write numbers with a decimal point, and nothing between thousands", "");
    Text advice = {0}, ways = {0};
    bool first = !s->before;
    size_t numbers = first ? s->after : s->before;
    if (first && !numbers)
        text_print(&advice, "none of its cells is; ");
    else if (numbers == 1)
        text_print(&advice, "the row %s it is; ", first ? "after" : "before");
    else
        text_print(&advice, "%s%zu rows %s it are; ", first ? "" : "the ", numbers,
                   first ? "after" : "before");
    infer_ways(f, s->text, column, &ways);
    infer_place(f, s->text, column, "is not a number", text_end(&advice), text_end(&ways));
    text_free(&advice);
    text_free(&ways);
    return f->e->status;
}

static int infer_infinite(const Infer *f, const Census *s, size_t column)
{
    Text ways = {0};
    infer_ways(f, s->infinite, column, &ways);
    infer_place(f, s->infinite, column, "is not finite", "", text_end(&ways));
    text_free(&ways);
    return f->e->status;
}

/* Mixed cells: are the texts mistakes in a column of numbers, or names beside codes ("1", "2", "3+")? Names beside
 * codes are few, come again, and are more than one cell in ten. */
static bool infer_is_number_column(const Census *s, size_t distinct)
{
    size_t numbers = s->cells - s->texts;
    if (numbers * 2 <= s->cells) return false;
    return numbers * 10 >= s->cells * 9 || distinct > INFER_CLASSES || distinct * 4 > s->cells;
}

static bool infer_nearly_unique(size_t distinct, size_t cells)
{
    return (distinct == cells && cells > 2) || (distinct > INFER_FEW && distinct * 2 > cells);
}

static void infer_warn(Infer *f, size_t column, const char *reason, size_t distinct)
{
    text_print(f->warnings, "column %s is left out: %s", f->t->column[column].name, reason);
    if (distinct) text_print(f->warnings, " (%zu in %zu rows)", distinct, f->row_count);
    text_put(f->warnings, '\n');
}

/* Files of countries that write numbers with a comma would otherwise be learnt as texts without a word. */
static void infer_warn_commas(Infer *f, const Level *levels, size_t count, size_t column)
{
    for (size_t i = 0; i < count; i++)
        if (!infer_has_comma(levels[i].cell)) return;
    text_print(f->warnings,
               "column %s has texts, not numbers: \"%s\" has a comma; write numbers with a point\n",
               f->t->column[column].name, levels->cell);
}

static int infer_category(Infer *f, const Census *s, size_t column)
{
    Column *c = f->k->column + column;
    size_t count;
    Level *levels = infer_levels(f, column, false, &count);
    if (!levels) return f->e->status;
    if (!s->numbers) infer_warn_commas(f, levels, count, column);
    if (s->numbers && infer_is_number_column(s, count))
        infer_not_number(f, s, column);
    else if (count == 1 && s->cells == f->row_count)
        infer_warn(f, column, "it is the same in every row", 0);
    else if (infer_nearly_unique(count, s->cells))
        f->distinct[column] = count; /* said when it is known whether it is the text */
    else if (count > INFER_CATEGORIES)
        infer_warn(f, column, "it has too many categories", count);
    else {
        c->role = COLUMN_CATEGORY;
        infer_keep_levels(f, c, levels, count, false);
    }
    memory_release(levels);
    return f->e->status;
}

static int infer_input(Infer *f, size_t column)
{
    Census s = infer_census(f, column);
    bool unnamed = !column && f->t->header && !strcmp(f->t->column[column].name, "column1");
    if (s.texts) return infer_category(f, &s, column);
    if (s.infinite != COLUMN_NONE) return infer_infinite(f, &s, column);
    if (!s.cells)
        infer_warn(f, column, "it is empty", 0);
    else if (s.least == s.most)
        infer_warn(f, column, "it is the same in every row", 0);
    else if (unnamed && s.counts)
        infer_warn(f, column, "it has no name and counts the rows", 0);
    else
        f->k->column[column].role = COLUMN_NUMBER;
    return NUDGE_OK;
}

static bool infer_is_class(const Census *s, size_t distinct)
{
    if (s->texts) return true;
    return s->integers && distinct <= INFER_CLASSES &&
           (distinct <= 2 || distinct * INFER_CLASS_ROWS <= s->cells);
}

static int infer_one_value(const Infer *f, const Column *c, const Level *levels)
{
    char shown[CELL_SHOWN];
    bool labels = f->k->task == TASK_LABELS;
    return error_set(f->e, NUDGE_INPUT, "%s: column %s is %s in every row; %s", f->t->file, c->name,
                     cell_shown(shown, levels->cell),
                     labels ? "there is nothing to tell of it, so name it no target"
                            : "a classifier needs at least 2 classes to tell apart");
}

static int infer_classes(Infer *f, const Census *s, const Level *levels, size_t count)
{
    Column *c = f->k->column + f->k->target;
    f->k->task = TASK_CLASSIFY;
    if (count < 2) return infer_one_value(f, c, levels);
    if (f->o->task == TASK_INFER && s->texts && infer_nearly_unique(count, s->cells))
        return error_set(
            f->e, NUDGE_INPUT,
            "%s: the target %s has %zu different texts in %zu rows; name another column with target=, "
            "or say task=classify",
            f->t->file, c->name, count, f->row_count);
    return infer_keep_levels(f, c, levels, count, !s->texts);
}

/* One target, whose task is told from what it looks like. */
static int infer_target(Infer *f)
{
    size_t column = f->k->target, count;
    Census s = infer_census(f, column);
    f->k->task = TASK_REGRESS;
    if (s.infinite != COLUMN_NONE && !s.texts) return infer_infinite(f, &s, column);
    Level *levels = infer_levels(f, column, !s.texts, &count);
    if (!levels) return f->e->status;
    bool classify = f->o->task == TASK_CLASSIFY || infer_is_class(&s, count);
    if (s.numbers && s.texts && f->o->task == TASK_INFER && infer_is_number_column(&s, count))
        infer_not_number(f, &s, column);
    else if (classify)
        infer_classes(f, &s, levels, count);
    memory_release(levels);
    return f->e->status;
}

/* ---- Several targets ------------------------------------------------------------------------------------ */

static int infer_is_number(Infer *f, size_t column)
{
    Census s = infer_census(f, column);
    if (s.texts) return infer_not_number(f, &s, column);
    return s.infinite != COLUMN_NONE ? infer_infinite(f, &s, column) : NUDGE_OK;
}

static int infer_not_label(const Infer *f, size_t column, size_t count)
{
    const char *name = f->t->column[column].name;
    if (f->o->task != TASK_LABELS)
        return error_set(
            f->e, NUDGE_INPUT,
            "%s: column %s has %zu different texts, but of several targets each is a number, or has "
            "two values such as 0 and 1; name one target, or write it as columns of 0 and 1",
            f->t->file, name, count);
    return error_set(
        f->e, NUDGE_INPUT,
        "%s: column %s has %zu different values, but a label has two, such as 0 and 1; name it no "
        "target, or write task=regress",
        f->t->file, name, count);
}

/* Labels have two values each; the one that sorts last is what the label says. */
static int infer_label(Infer *f, size_t column)
{
    Column *c = f->k->column + column;
    Census s = infer_census(f, column);
    size_t count;
    if (s.infinite != COLUMN_NONE && !s.texts) return infer_infinite(f, &s, column);
    Level *levels = infer_levels(f, column, !s.texts, &count);
    if (!levels) return f->e->status;
    if (count < 2)
        infer_one_value(f, c, levels);
    else if (count > 2)
        infer_not_label(f, column, count);
    else
        infer_keep_levels(f, c, levels, count, !s.texts);
    memory_release(levels);
    return f->e->status;
}

/* Numbers, unless each has two values; one of texts that are more is neither. */
static int infer_guess(Infer *f)
{
    bool labels = true;
    for (size_t i = 0; i < f->k->count; i++) {
        if (f->k->column[i].role != COLUMN_TARGET) continue;
        size_t count;
        Census s = infer_census(f, i);
        Level *levels = infer_levels(f, i, !s.texts, &count);
        if (!levels) return f->e->status;
        memory_release(levels);
        if (count > 2 && s.texts && !s.numbers) return infer_not_label(f, i, count);
        labels &= count <= 2;
    }
    f->k->task = labels ? TASK_LABELS : TASK_REGRESS;
    return NUDGE_OK;
}

static int infer_targets(Infer *f)
{
    Columns *k = f->k;
    DataTask task = f->o->task;
    if (task == TASK_RECONSTRUCT) return k->task = task, NUDGE_OK;
    if (k->targets == 1 && (task == TASK_INFER || task == TASK_CLASSIFY)) return infer_target(f);
    if (task == TASK_CLASSIFY)
        return error_set(
            f->e, NUDGE_INPUT,
            "%s: a class is told by one target, but there are %zu; several columns of 0 and 1 are "
            "task=labels",
            f->t->file, k->targets);
    k->task = task;
    if (task == TASK_INFER && infer_guess(f)) return f->e->status;
    for (size_t i = 0; i < k->count && !f->e->status; i++)
        if (k->column[i].role == COLUMN_TARGET)
            k->task == TASK_LABELS ? infer_label(f, i) : infer_is_number(f, i);
    return f->e->status;
}

/* ---- What the user named -------------------------------------------------------------------------------- */

/* Finds a column that the user named. */
static int infer_find(Infer *f, const char *key, const char *name, size_t *column)
{
    if ((*column = columns_find(f->k, name)) != COLUMN_NONE) return NUDGE_OK;
    const char **names = memory_new(f->k->count, sizeof *names);
    if (!names) return error_memory(f->e);
    Text list = {0};
    for (size_t i = 0; i < f->k->count; i++) {
        names[i] = f->k->column[i].name;
        if (i < INFER_CLASSES) text_print(&list, "%s%s", i ? ", " : "", names[i]);
    }
    if (f->k->count > INFER_CLASSES) text_print(&list, ", ...");
    const char *near = name_nearest(name, names, f->k->count);
    error_set(f->e, NUDGE_INPUT,
              near ? "%s: %s=%s: no column is called that; did you mean %s?"
                   : "%s: %s=%s: no column is called that; there are %s",
              f->t->file, key, name, near ? near : text_end(&list));
    text_free(&list);
    memory_release(names);
    return f->e->status;
}

static int infer_clash(Infer *f, const char *name, const char *a, const char *b)
{
    return error_set(f->e, NUDGE_INPUT, "%s: column %s is both %s and %s; choose one", f->t->file, name, a,
                     b);
}

static int infer_no_target(const Infer *f)
{
    if (!f->o->target_count) return NUDGE_OK;
    return error_set(
        f->e, NUDGE_INPUT,
        "%s: target=%s: to reconstruct is to tell all columns from themselves, so there is no target; "
        "to leave a column out: ignore=%s",
        f->t->file, f->o->target[0], f->o->target[0]);
}

/* The last column that is neither ignored nor named otherwise is the target. */
static int infer_last(Infer *f, const bool *ignored)
{
    for (size_t i = f->k->count; i-- > 0;)
        if (!ignored[i] && i != f->k->weight && i != f->k->text)
            return f->k->column[i].role = COLUMN_TARGET, NUDGE_OK;
    return error_set(f->e, NUDGE_INPUT, "%s: no column is left to be the target; ignore fewer", f->t->file);
}

/* Marks the columns that the user named; `ignored` [count] gets those to ignore. */
static int infer_named(Infer *f, bool *ignored)
{
    const InferOptions *o = f->o;
    size_t column;
    for (size_t i = 0; i < o->ignore_count; i++) {
        if (infer_find(f, "ignore", o->ignore[i], &column)) return f->e->status;
        ignored[column] = true;
    }
    f->k->weight = f->k->text = COLUMN_NONE;
    if (o->weight && infer_find(f, "weight", o->weight, &f->k->weight)) return f->e->status;
    if (o->text && infer_find(f, "text", o->text, &f->k->text)) return f->e->status;
    if (o->weight && ignored[f->k->weight]) return infer_clash(f, o->weight, "the weight", "ignored");
    if (o->text && f->k->text == f->k->weight) return infer_clash(f, o->text, "the weight", "the text");
    if (o->text && ignored[f->k->text]) return infer_clash(f, o->text, "the text", "ignored");
    if (o->text) f->k->column[f->k->text].role = COLUMN_TEXT;
    if (o->weight) f->k->column[f->k->weight].role = COLUMN_WEIGHT;
    if (o->task == TASK_RECONSTRUCT) return infer_no_target(f);
    for (size_t i = 0; i < o->target_count; i++) {
        if (infer_find(f, "target", o->target[i], &column)) return f->e->status;
        if (ignored[column]) return infer_clash(f, o->target[i], "the target", "ignored");
        if (column == f->k->weight) return infer_clash(f, o->weight, "the target", "the weight");
        if (column == f->k->text) return infer_clash(f, o->target[i], "the target", "the text");
        f->k->column[column].role = COLUMN_TARGET;
    }
    return o->target_count ? NUDGE_OK : infer_last(f, ignored);
}

/* Collects the rows that have all targets. */
static int infer_rows(Infer *f)
{
    const Columns *k = f->k;
    double value;
    for (size_t i = 0; i < f->t->rows; i++) {
        bool whole = true;
        for (size_t c = 0; c < k->count && whole; c++)
            whole = k->column[c].role != COLUMN_TARGET ||
                    columns_cell(k, table_cell(f->t, i, c), &value) != CELL_MISSING;
        if (whole) f->rows[f->row_count++] = i;
    }
    if (f->row_count >= 2) return NUDGE_OK;
    const char *count = f->row_count ? "only one" : "no";
    if (!k->targets)
        return error_set(f->e, NUDGE_INPUT, "%s: has %s row; training needs at least 2", f->t->file, count);
    return error_set(f->e, NUDGE_INPUT, "%s: has %s row with a value in %s %s; training needs at least 2",
                     f->t->file, count, k->targets > 1 ? "each target column, such as" : "its target column",
                     k->column[k->target].name);
}

/* Whether the texts of a column have several words, on average. */
static bool infer_prose(const Table *t, size_t column)
{
    size_t pieces = 0;
    for (size_t i = 0; i < t->rows; i++) {
        const char *cell = table_cell(t, i, column), *end = cell + strlen(cell);
        for (; cell < end; pieces++)
            cell += tokens_piece(cell, end);
    }
    return pieces >= INFER_PROSE * t->rows;
}

/* Where nothing else is left to learn from, the longest text that is no category is what there is to read. */
static void infer_text(Infer *f)
{
    size_t longest = 0;
    for (size_t i = 0; i < f->k->count; i++) {
        if (!f->distinct[i] || f->t->column[i].text.length <= longest) continue;
        longest = f->t->column[i].text.length;
        f->k->text = i;
    }
    if (!longest) return;
    f->k->column[f->k->text].role = COLUMN_TEXT;
}

static void infer_warn_texts(Infer *f)
{
    for (size_t i = 0; i < f->k->count; i++) {
        if (!f->distinct[i] || i == f->k->text) continue;
        infer_warn(f, i, "nearly every row has its own text", f->distinct[i]);
        if (f->k->text != COLUMN_NONE || !infer_prose(f->t, i)) continue;
        f->warnings->length -= f->warnings->length > 0; /* the line goes on */
        text_print(f->warnings, "; to learn from it instead of the others: text=");
        infer_word(f->warnings, f->k->column[i].name);
        text_put(f->warnings, '\n');
    }
}

static int infer_no_text(const Infer *f)
{
    return error_set(f->e, NUDGE_INPUT,
                     "%s: column %s is text; numbers and categories can be reconstructed, texts cannot",
                     f->t->file, f->t->column[f->k->text].name);
}

static int infer_inputs(Infer *f, const bool *ignored)
{
    bool alone = f->k->text != COLUMN_NONE; /* as the user said */
    for (size_t i = 0; i < f->k->count; i++)
        if (!alone && f->k->column[i].role == COLUMN_OUT && !ignored[i] && infer_input(f, i))
            return f->e->status;
    columns_lay_out(f->k);
    if (!alone && !f->k->features) infer_text(f);
    infer_warn_texts(f);
    if (f->k->text != COLUMN_NONE && f->k->task == TASK_RECONSTRUCT) return infer_no_text(f);
    if (f->k->features || f->k->text != COLUMN_NONE) return NUDGE_OK;
    bool none = !f->k->targets;
    return error_set(
        f->e, NUDGE_INPUT,
        "%s: no column is left to learn%s%s from: %s are ignored, constant or different in every row",
        f->t->file, none ? "" : " ", none ? "" : f->k->column[f->k->target].name,
        none ? "all" : "the others");
}

static int infer_start(Infer *f)
{
    Columns *k = f->k;
    if (!(k->column = memory_zero(f->t->columns, sizeof *k->column))) return error_memory(f->e);
    k->count = f->t->columns;
    for (size_t i = 0; i < k->count; i++) {
        k->column[i].mean = k->column[i].scale = (double)NAN;
        if (!(k->column[i].name = memory_string(f->t->column[i].name))) return error_memory(f->e);
    }
    if (!(k->missing = memory_zero(f->o->missing_count, sizeof *k->missing))) return error_memory(f->e);
    for (; k->missing_count < f->o->missing_count; k->missing_count++)
        if (!(k->missing[k->missing_count] = memory_string(f->o->missing[k->missing_count])))
            return error_memory(f->e);
    if (k->count > 1) return NUDGE_OK;
    return error_set(
        f->e, NUDGE_INPUT,
        "%s: has one column only, %s; if its rows have more cells, say what separates them: delimiter=",
        f->t->file, k->column->name);
}

int columns_fit(Columns *k, const Table *t, const InferOptions *options, Text *warnings, Error *e)
{
    static const InferOptions usual = {0};
    *k = (Columns){0};
    Infer f = {.k = k, .t = t, .o = options ? options : &usual, .warnings = warnings, .e = e};
    bool *ignored = memory_zero(t->columns, sizeof *ignored);
    f.rows = memory_new(t->rows, sizeof *f.rows);
    f.distinct = memory_zero(t->columns, sizeof *f.distinct);
    if (!ignored || !f.rows || !f.distinct)
        error_memory(e);
    else if (!infer_start(&f) && !infer_named(&f, ignored)) {
        columns_lay_out(k);
        if (!infer_rows(&f) && !infer_targets(&f)) infer_inputs(&f, ignored);
    }
    memory_release(ignored);
    memory_release(f.rows);
    memory_release(f.distinct);
    if (!e->status && warnings->failed) error_memory(e);
    if (e->status) columns_free(k);
    return e->status;
}

/* ---- The column of text ------------------------------------------------------------------------------ */

enum {
    TEXT_CONTEXT = 256, /* tokens of a row at most, unless the recipe says more */
    TEXT_WORDS = 20000  /* words at most, likewise */
};

typedef struct InferText {
    Columns *k;
    const Table *t;
    Text all; /* the texts, a line end after each */
    Text *warnings;
    Error *e;
} InferText;

static int text_gather(InferText *x, TokensKind kind)
{
    for (size_t i = 0; i < x->t->rows; i++) {
        columns_put_text(kind, table_cell(x->t, i, x->k->text), &x->all);
        text_put(&x->all, '\n');
    }
    if (x->all.failed) return error_memory(x->e);
    if (x->all.length > x->t->rows) return NUDGE_OK;
    return error_set(x->e, NUDGE_INPUT,
                     "%s: column %s has no text in any row; name another column with text=", x->t->file,
                     x->k->column[x->k->text].name);
}

static int text_tokens(InferText *x, const char *tokens, const char *origin)
{
    TokensKind kind = infer_prose(x->t, x->k->text) ? TOKENS_WORD : TOKENS_CHAR;
    Tokens *k = &x->k->tokens;
    size_t size = 0;
    int status = tokens ? tokens_parse(tokens, origin, &kind, &size, x->e) : NUDGE_OK;
    if (!status) status = text_gather(x, kind);
    if (!status) status = tokens_fit(k, kind, size, x->t->file, x->all.s, x->all.length, x->warnings, x->e);
    if (status || kind != TOKENS_WORD || size || k->count <= TEXT_WORDS) return status;
    tokens_free(k);
    return tokens_fit(k, kind, TEXT_WORDS, x->t->file, x->all.s, x->all.length, x->warnings, x->e);
}

static int text_longest(InferText *x, size_t *longest)
{
    TokenList list = {0};
    int status = NUDGE_OK;
    for (size_t i = 0; i < x->t->rows && !status; i++) {
        list.count = 0;
        status = columns_text(x->k, &list, table_cell(x->t, i, x->k->text), x->e);
        if (list.count > *longest) *longest = list.count;
    }
    memory_release(list.id);
    return status;
}

int columns_fit_text(Columns *k, const Table *t, const char *tokens, const char *origin, size_t context,
                     Text *warnings, Error *e)
{
    InferText x = {.k = k, .t = t, .warnings = warnings, .e = e};
    size_t longest = 1;
    int status = text_tokens(&x, tokens, origin);
    if (!status && !context) status = text_longest(&x, &longest);
    k->context = context ? context : longest < TEXT_CONTEXT ? longest : TEXT_CONTEXT;
    columns_lay_out(k);
    text_free(&x.all);
    return status;
}
