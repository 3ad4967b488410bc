/* columns.c: see columns.h. */
#include "data/columns.h"

#include "base/json.h"
#include <math.h>
#include <string.h>

static const char *const column_roles[] = {"out", "number", "category", "target", "weight", "text"};
static const char *const column_tasks[] = {"infer", "classify", "regress", "labels", "reconstruct"};
enum {
    COLUMNS_CONTEXT_MOST = 1000000,
    COLUMN_ROLES = sizeof column_roles / sizeof *column_roles,
    COLUMN_TASKS = sizeof column_tasks / sizeof *column_tasks
};

/* pandas' default na_values; any other spelling of NaN counts, too. */
static const char *const columns_missing[] = {"",         "#N/A",   "#N/A N/A", "#NA",  "-1.#IND",
                                              "-1.#QNAN", "1.#IND", "1.#QNAN",  "<NA>", "N/A",
                                              "NA",       "NULL",   "None",     "n/a",  "null"};

static bool columns_is_one(const char *cell, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(cell, words[i])) return true;
    return false;
}

CellKind columns_cell(const Columns *k, const char *cell, double *value)
{
    if (columns_is_one(cell, (const char *const *)k->missing, k->missing_count)) return CELL_MISSING;
    if (number_is(cell, strlen(cell), value))
        return isnan(*value) ? CELL_MISSING : isinf(*value) ? CELL_INFINITE : CELL_NUMBER;
    size_t count = sizeof columns_missing / sizeof *columns_missing;
    return columns_is_one(cell, columns_missing, count) ? CELL_MISSING : CELL_TEXT;
}

bool columns_is_text(const Columns *k)
{
    return k->count && k->text != COLUMN_NONE;
}

void columns_put_text(TokensKind kind, const char *cell, Text *out)
{
    bool pieces = kind == TOKENS_WORD || kind == TOKENS_BPE;
    text_print(out, "%s%s", pieces && *cell && *cell != ' ' ? " " : "", cell);
}

int columns_text(const Columns *k, TokenList *list, const char *cell, Error *e)
{
    Text text = {0};
    if (columns_is_one(cell, (const char *const *)k->missing, k->missing_count)) return NUDGE_OK;
    columns_put_text(k->tokens.kind, cell, &text);
    int status = text.failed ? error_memory(e)
                             : tokens_encode_known(&k->tokens, list, text_end(&text), text.length, e);
    text_free(&text);
    return status;
}

static int column_compare(const Column *c, const char *cell, double value, const char *level)
{
    double other = 0;
    if (!c->numbers) return strcmp(cell, level);
    number_is(level, strlen(level), &other);
    return (value > other) - (value < other);
}

size_t column_level(const Column *c, const char *cell)
{
    double value = 0;
    if (c->numbers && !number_is(cell, strlen(cell), &value)) return COLUMN_NONE;
    for (size_t low = 0, high = c->level_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = column_compare(c, cell, value, c->levels[middle]);
        if (!order) return middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return COLUMN_NONE;
}

size_t columns_find(const Columns *k, const char *name)
{
    for (size_t i = 0; i < k->count; i++)
        if (!strcmp(k->column[i].name, name)) return i;
    return COLUMN_NONE;
}

const Column *columns_of_feature(const Columns *k, size_t feature)
{
    const Column *c = k->column;
    while (feature - c->first >= c->features) /* unsigned: also true when c->first is beyond it */
        c++;
    return c;
}

void columns_feature_name(const Columns *k, size_t feature, Text *out)
{
    const Column *c = columns_of_feature(k, feature);
    text_print(out, "%s", c->name);
    if (c->role == COLUMN_CATEGORY) text_print(out, "=%s", c->levels[feature - c->first]);
}

void columns_standard(const Columns *k, double *mean, double *scale)
{
    for (size_t i = 0; i < k->count; i++) {
        const Column *c = k->column + i;
        bool number = c->role == COLUMN_NUMBER && !isnan(c->mean);
        for (size_t j = c->first; j < c->first + c->features; j++) {
            mean[j] = number ? c->mean : 0;
            scale[j] = number ? c->scale : 1;
        }
    }
}

size_t columns_count(const Columns *k, ColumnRole role)
{
    size_t count = 0;
    for (size_t i = 0; i < k->count; i++)
        count += k->column[i].role == role;
    return count;
}

size_t columns_classes(const Columns *k)
{
    return k->count && k->task == TASK_CLASSIFY ? k->column[k->target].level_count : 0;
}

const Column *columns_of_target(const Columns *k, size_t target)
{
    const Column *c = k->column + k->target;
    while (c->role != COLUMN_TARGET || c->first != target)
        c++;
    return c;
}

void columns_lay_out(Columns *k)
{
    k->features = k->targets = 0;
    k->target = COLUMN_NONE;
    for (size_t i = 0; i < k->count; i++) {
        Column *c = k->column + i;
        c->first = c->role == COLUMN_TARGET ? k->targets : k->features;
        c->features = c->role == COLUMN_NUMBER     ? 1
                      : c->role == COLUMN_CATEGORY ? c->level_count
                      : c->role == COLUMN_TEXT     ? k->context
                                                   : 0;
        k->features += c->features;
        if (c->role == COLUMN_TARGET && !k->targets++) k->target = i;
    }
}

const char *cell_shown(char shown[CELL_SHOWN], const char *cell)
{
    size_t length = strlen(cell), most = CELL_SHOWN - sizeof "...";
    bool cut = length >= CELL_SHOWN;
    if (cut)
        for (length = most; ((unsigned char)cell[length] & 0xc0) == 0x80;) /* not inside a character */
            length--;
    for (size_t i = 0; i < length; i++)
        shown[i] = (unsigned char)cell[i] < ' ' ? ' ' : cell[i];
    strcpy(shown + length, cut ? "..." : "");
    return shown;
}

static void columns_save_strings(JsonWriter *w, const char *key, char *const *strings, size_t count)
{
    json_key(w, key);
    json_open(w, '[');
    for (size_t i = 0; i < count; i++)
        json_string(w, strings[i]);
    json_close(w, ']');
}

static void columns_save_column(JsonWriter *w, const Column *c)
{
    json_open(w, '{');
    json_key(w, "name");
    json_string(w, c->name);
    json_key(w, "role");
    json_string(w, column_roles[c->role]);
    if (!isnan(c->mean)) {
        json_key(w, "mean");
        json_number(w, c->mean);
        json_key(w, "scale");
        json_number(w, c->scale);
    }
    if (c->level_count) columns_save_strings(w, c->numbers ? "numbers" : "levels", c->levels, c->level_count);
    json_close(w, '}');
}

void columns_save(const Columns *k, Text *out)
{
    JsonWriter w = {.out = out};
    json_open(&w, '{');
    json_key(&w, "task");
    json_string(&w, column_tasks[k->task]);
    columns_save_strings(&w, "missing", k->missing, k->missing_count);
    if (columns_is_text(k)) json_key(&w, "context"), json_integer(&w, (int64_t)k->context);
    json_key(&w, "columns");
    json_open(&w, '[');
    for (size_t i = 0; i < k->count; i++)
        columns_save_column(&w, k->column + i);
    json_close(&w, ']');
    json_close(&w, '}');
}

static int columns_corrupt(Error *e, const char *what)
{
    return error_set(e, NUDGE_INPUT,
                     "the model's description of its columns is damaged: %s; train or copy it again", what);
}

static int columns_load_string(char **to, const JsonValue *v, Error *e)
{
    if (!v || v->kind != JSON_STRING) return columns_corrupt(e, "a name is missing");
    if (!(*to = memory_string(v->string))) return error_memory(e);
    return NUDGE_OK;
}

static int columns_load_strings(char ***strings, size_t *count, const JsonValue *list, Error *e)
{
    if (!list) return NUDGE_OK;
    if (list->kind != JSON_ARRAY) return columns_corrupt(e, "a list is missing");
    if (!(*strings = memory_zero(list->count, sizeof **strings))) return error_memory(e);
    *count = list->count;
    for (const JsonValue *v = list->first; v; v = v->next)
        if (columns_load_string(*strings + v->index, v, e)) return e->status;
    return NUDGE_OK;
}

static bool column_is_sorted(const Column *c)
{
    for (size_t i = 0; i < c->level_count; i++) {
        double value = 0;
        if (c->numbers && !number_is(c->levels[i], strlen(c->levels[i]), &value)) return false;
        if (i && column_compare(c, c->levels[i], value, c->levels[i - 1]) <= 0) return false;
    }
    return true;
}

static int columns_load_role(Column *c, const JsonValue *v, Error *e)
{
    const char *role = json_member_string(v, "role");
    for (int i = 0; role && i < COLUMN_ROLES; i++)
        if (!strcmp(role, column_roles[i])) return c->role = (ColumnRole)i, NUDGE_OK;
    return columns_corrupt(e, "a role is unknown");
}

static int columns_load_column(Column *c, const JsonValue *v, Error *e)
{
    const JsonValue *numbers = json_member(v, "numbers");
    if (columns_load_string(&c->name, json_member(v, "name"), e) || columns_load_role(c, v, e))
        return e->status;
    c->numbers = numbers != NULL;
    c->mean = json_member_number(v, "mean");
    c->scale = json_member_number(v, "scale");
    if (columns_load_strings(&c->levels, &c->level_count, numbers ? numbers : json_member(v, "levels"), e))
        return e->status;
    if (!isnan(c->mean) && !(c->scale > 0)) return columns_corrupt(e, "a standard deviation is missing");
    return column_is_sorted(c) ? NUDGE_OK : columns_corrupt(e, "categories are out of order");
}

static int columns_load_roles(Columns *k, Error *e)
{
    columns_lay_out(k);
    k->weight = k->text = COLUMN_NONE;
    for (size_t i = 0; i < k->count; i++) {
        const Column *c = k->column + i;
        if (c->role == COLUMN_WEIGHT) k->weight = i;
        if (c->role == COLUMN_TEXT) k->text = i;
        if (k->task == TASK_LABELS && c->role == COLUMN_TARGET && c->level_count != 2)
            return columns_corrupt(e, "a label has not two values");
    }
    if (columns_count(k, COLUMN_WEIGHT) > 1) return columns_corrupt(e, "it has two weights");
    if (columns_count(k, COLUMN_TEXT) > 1) return columns_corrupt(e, "it has two texts");
    if (k->text != COLUMN_NONE && !k->context) return columns_corrupt(e, "its text has no length");
    if ((k->task == TASK_RECONSTRUCT) != !k->targets) return columns_corrupt(e, "it needs a target");
    if (k->task == TASK_CLASSIFY && (k->targets > 1 || columns_classes(k) < 2))
        return columns_corrupt(e, "it has no classes");
    return k->features ? NUDGE_OK : columns_corrupt(e, "it has no inputs");
}

static int columns_load_all(Columns *k, const JsonValue *v, Error *e)
{
    const JsonValue *list = json_member(v, "columns");
    const char *task = json_member_string(v, "task");
    double context = json_member_number(v, "context");
    if (!task || !list || list->kind != JSON_ARRAY) return columns_corrupt(e, "task or columns are missing");
    k->context = context >= 1 && context <= COLUMNS_CONTEXT_MOST ? (size_t)context : 0;
    for (int i = 1; i < COLUMN_TASKS; i++)
        if (!strcmp(task, column_tasks[i])) k->task = (DataTask)i;
    if (k->task == TASK_INFER) return columns_corrupt(e, "its task is unknown");
    if (columns_load_strings(&k->missing, &k->missing_count, json_member(v, "missing"), e)) return e->status;
    if (!(k->column = memory_zero(list->count, sizeof *k->column))) return error_memory(e);
    k->count = list->count;
    for (const JsonValue *item = list->first; item; item = item->next)
        if (columns_load_column(k->column + item->index, item, e)) return e->status;
    return columns_load_roles(k, e);
}

int columns_load(Columns *k, const char *json, size_t length, Error *e)
{
    Arena arena;
    const JsonValue *v;
    *k = (Columns){0};
    arena_init(&arena, e);
    if (!json_parse(&arena, "columns of the model", json, length, &v)) columns_load_all(k, v, e);
    arena_free(&arena);
    if (e->status) columns_free(k);
    return e->status;
}

static void columns_free_strings(char **strings, size_t count)
{
    for (size_t i = 0; strings && i < count; i++)
        memory_release(strings[i]);
    memory_release(strings);
}

void columns_free(Columns *k)
{
    for (size_t i = 0; k->column && i < k->count; i++) {
        memory_release(k->column[i].name);
        columns_free_strings(k->column[i].levels, k->column[i].level_count);
    }
    memory_release(k->column);
    columns_free_strings(k->missing, k->missing_count);
    tokens_free(&k->tokens);
    *k = (Columns){0};
}
