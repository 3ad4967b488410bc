/* jobdata.c: see jobdata.h. */
#include "jobs/jobdata.h"

#include "data/idx.h"
#include "data/infer.h"
#include "train/fit.h"
#include <string.h>

/* ---- What kind of file --------------------------------------------------------------------------------- */

int jobdata_is_idx(const char *file, bool *is, Error *e)
{
    *is = false;
    if (!strcmp(file, "-")) return NUDGE_OK;
    unsigned char head[4] = {1};
    size_t got;
    Stream *s;
    if (stream_open(&s, file, e)) return e->status;
    int status = stream_read_all(s, head, sizeof head, &got, e);
    stream_close(s);
    *is = got == sizeof head && !head[0] && !head[1];
    return status;
}

int jobdata_csv_options(CsvOptions *options, const Settings *s, Error *e)
{
    static const char *const tabs[] = {"\\t", "tab"};
    *options = (CsvOptions){0};
    if (settings_is_set(s, "header"))
        options->header = settings_flag(s, "header") ? CSV_HEADER : CSV_NO_HEADER;
    const char *delimiter = settings_text(s, "delimiter");
    if (!delimiter) return NUDGE_OK;
    options->delimiter = delimiter[0];
    for (size_t i = 0; i < sizeof tabs / sizeof *tabs; i++)
        if (!strcmp(delimiter, tabs[i])) return options->delimiter = '\t', NUDGE_OK;
    if (strlen(delimiter) == 1) return NUDGE_OK;
    return error_set(e, NUDGE_INPUT, "%s: delimiter: \"%s\" is not one character; write one such as ; or tab",
                     settings_origin(s, "delimiter"), delimiter);
}

/* ---- IDX ----------------------------------------------------------------------------------------------- */

/* To reconstruct images takes no labels, and leaves those that there are alone. */
static int jobdata_open_idx(Dataset *rows, const char *const *file, size_t files, bool reconstruct, Error *e)
{
    if (reconstruct && files <= 2) {
        int status = idx_dataset(rows, file[0], files == 2 ? file[1] : NULL, e);
        if (!status) dataset_reconstruct(rows);
        return status;
    }
    if (files == 2) return idx_dataset(rows, file[0], file[1], e);
    if (files > 2)
        return error_set(e, NUDGE_INPUT, "%s: is the third file; a list names images and labels, no more",
                         file[2]);
    return error_set(
        e, NUDGE_INPUT,
        "%s: has images without labels; give both, one after the other, or write task=reconstruct", file[0]);
}

/* What is said about columns does not fit images and texts. */
static int jobdata_no_columns(const Settings *s, const char *file, const char *what, Error *e)
{
    static const char *const keys[] = {"target", "ignore",    "missing", "weight",
                                       "text",   "delimiter", "header"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (settings_is_set(s, keys[i]))
            return error_set(e, NUDGE_INPUT,
                             "%s: %s: is about the columns of a table, but %s is %s; remove it",
                             settings_origin(s, keys[i]), keys[i], file, what);
    return NUDGE_OK;
}

static int jobdata_refuse_idx(const Settings *s, const char *file, Error *e)
{
    const char *task = settings_text(s, "task");
    int status = jobdata_no_columns(s, file, "an IDX file", e);
    if (!status && task && strcmp(task, "classify") && strcmp(task, "reconstruct"))
        return error_set(
            e, NUDGE_INPUT,
            "%s: task: the labels in an IDX file are classes; write task=classify, or reconstruct to "
            "tell the images from themselves",
            settings_origin(s, "task"));
    return status;
}

/* ---- Text ---------------------------------------------------------------------------------------------- */

static int jobdata_open_text(JobData *d, const Settings *s, const Setting *files, Error *e)
{
    const char *task = settings_text(s, "task");
    int status = jobdata_no_columns(s, d->file, "read as text", e);
    if (!status && task && strcmp(task, "next"))
        return error_set(
            e, NUDGE_INPUT,
            "%s: task: %s is about a target, but %s is read as text, in which the next token is to be "
            "told; write task=next",
            settings_origin(s, "task"), task, d->file);
    return status ? status : textdata_open(&d->text, &d->rows, s, files, &d->warnings, e);
}

/* What is said about text does not fit images, nor tables without a column of it. */
static int jobdata_no_text(const Settings *s, const char *file, bool column, Error *e)
{
    static const char *const keys[] = {"lines", "context", "tokens"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!settings_is_set(s, keys[i]) || (column && (i || !settings_flag(s, keys[i])))) continue;
        return error_set(
            e, NUDGE_INPUT,
            column ? "%s: %s: is about text files, but in %s a column has the text; leave it out"
                   : "%s: %s: is about text; to learn from a column of %s, name it: text=COLUMN; to read the "
                     "file as one text: task=next tokens=char",
            settings_origin(s, keys[i]), keys[i], file);
    }
    return NUDGE_OK;
}

/* ---- Tables -------------------------------------------------------------------------------------------- */

static DataType jobdata_real(const Settings *s)
{
    return strcmp(settings_text(s, "dtype"), "float64") ? DATA_F32 : DATA_F64;
}

/* The items of a list in the settings, as an array for InferOptions. memory_release. */
static int jobdata_list(const Settings *s, const char *key, const char ***list, size_t *count, Error *e)
{
    for (*count = 0; settings_list(s, key, *count);)
        ++*count;
    if (!(*list = memory_new(*count, sizeof **list))) return error_memory(e);
    for (size_t i = 0; i < *count; i++)
        (*list)[i] = settings_list(s, key, i);
    return NUDGE_OK;
}

/* Losses for numbers mean a regression, also of a column that looks like classes (XOR's 0 and 1 under sse), unless the
 * net has an output for each class. */
static DataTask jobdata_task(const Settings *s)
{
    static const char *const regressions[] = {"sse", "mse", "mae", "huber", "smooth_l1"};
    const char *task = settings_text(s, "task"), *loss = settings_text(s, "loss"),
               *net = settings_text(s, "net");
    static const char *const tasks[] = {NULL, "classify", "regress", "labels", "reconstruct"};
    for (int i = TASK_CLASSIFY; task && i <= TASK_RECONSTRUCT; i++)
        if (!strcmp(task, tasks[i])) return (DataTask)i;
    if (!loss || (net && strstr(net, "classes"))) return TASK_INFER;
    size_t length = strcspn(loss, " (");
    for (size_t i = 0; i < sizeof regressions / sizeof *regressions; i++)
        if (strlen(regressions[i]) == length && !memcmp(loss, regressions[i], length)) return TASK_REGRESS;
    return TASK_INFER;
}

static int jobdata_infer(JobData *d, const Table *t, const Settings *s, Error *e)
{
    const char **target = NULL, **ignore = NULL, **missing = NULL;
    InferOptions o = {
        .weight = settings_text(s, "weight"), .text = settings_text(s, "text"), .task = jobdata_task(s)};
    int status = jobdata_list(s, "target", &target, &o.target_count, e);
    if (!status) status = jobdata_list(s, "ignore", &ignore, &o.ignore_count, e);
    if (!status) status = jobdata_list(s, "missing", &missing, &o.missing_count, e);
    o.target = target, o.ignore = ignore, o.missing = missing;
    if (!status) status = columns_fit(&d->columns, t, &o, &d->warnings, e);
    memory_release(target);
    memory_release(ignore);
    memory_release(missing);
    return status;
}

static int jobdata_tokens(JobData *d, const Table *t, const Settings *s, Error *e)
{
    size_t context = settings_is_set(s, "context") ? (size_t)settings_integer(s, "context") : 0;
    return columns_fit_text(&d->columns, t, settings_text(s, "tokens"), settings_origin(s, "tokens"), context,
                            &d->warnings, e);
}

static int jobdata_open_table(JobData *d, const char *file, const Settings *s, Error *e)
{
    CsvOptions options;
    Table t;
    d->table = true;
    int status = jobdata_csv_options(&options, s, e);
    if (status || (status = table_open(&t, file, &options, e))) return status;
    status = jobdata_infer(d, &t, s, e);
    if (!status) status = jobdata_no_text(s, d->file, columns_is_text(&d->columns), e);
    if (!status && columns_is_text(&d->columns)) status = jobdata_tokens(d, &t, s, e);
    if (!status) status = columns_dataset(&d->rows, &d->columns, &t, jobdata_real(s), true, &d->warnings, e);
    d->reading = table_bytes(&t);
    table_free(&t);
    return status;
}

/* ---- For training -------------------------------------------------------------------------------------- */

/* The classes in a table are counted; images may lack some of them. */
static int jobdata_classes(JobData *d, const Settings *s, Error *e)
{
    size_t found = d->rows.classes, wanted = (size_t)settings_integer(s, "classes");
    if (!settings_is_set(s, "classes") || wanted == found) return NUDGE_OK;
    if (!d->table && wanted > found) return d->rows.classes = wanted, NUDGE_OK;
    return error_set(e, NUDGE_INPUT, "%s: classes: is %zu, but %s has %zu; leave it out",
                     settings_origin(s, "classes"), wanted, d->file, found);
}

int jobdata_open(JobData *d, const Settings *s, Error *e)
{
    *d = (JobData){0};
    const Setting *train = settings_named(s, "data", "train");
    if (!train) train = settings_named(s, "data", "");
    if (!train)
        return error_set(e, NUDGE_INPUT,
                         "there is no data to train on; name a file: nudge train data.csv, or data: in "
                         "the recipe");
    const char *file[] = {setting_item(train, 0), setting_item(train, 1), setting_item(train, 2)};
    bool idx = train->count > 1;
    d->file = strcmp(file[0], "-") ? file[0] : "stdin";
    if (textdata_is(s, file[0])) return jobdata_open_text(d, s, train, e);
    if (!idx && jobdata_is_idx(file[0], &idx, e)) return e->status;
    if (idx && jobdata_no_text(s, d->file, false, e)) return e->status;
    int status = idx ? jobdata_refuse_idx(s, file[0], e) : jobdata_open_table(d, file[0], s, e);
    if (!status && idx)
        status = jobdata_open_idx(&d->rows, file, train->count, jobdata_task(s) == TASK_RECONSTRUCT, e);
    return status ? status : jobdata_classes(d, s, e);
}

static int jobdata_split(JobData *d, const Model *m, Error *e)
{
    size_t train = d->rows.rows;
    d->order = memory_new(d->rows.rows, sizeof *d->order);
    if (!d->order) return error_memory(e);
    bool apart = settings_named(&m->settings, "data", "validation") != NULL;
    for (size_t i = 0; i < d->rows.rows; i++)
        d->order[i] = i;
    if (!apart && fit_split(m, &d->rows, NULL, d->order, &train, e)) return e->status;
    d->held = d->rows.rows - train;
    return NUDGE_OK;
}

static int jobdata_standards(JobData *d, Model *m, Error *e)
{
    const Columns *k = &d->columns;
    size_t room = k->features + k->targets;
    double *mean = memory_new(room, sizeof *mean), *scale = memory_new(room, sizeof *scale);
    int status = mean && scale ? NUDGE_OK : error_memory(e);
    if (!status) columns_standard(k, mean, scale);
    for (size_t i = 0; !status && i < k->targets; i++) {
        mean[k->features + i] = columns_of_target(k, i)->mean;
        scale[k->features + i] = columns_of_target(k, i)->scale;
    }
    if (!status && m->task.standardize) {
        size_t t = k->task == TASK_RECONSTRUCT ? 0 : k->features;
        bool values = k->task == TASK_REGRESS || k->task == TASK_RECONSTRUCT;
        model_standardize(m, mean, scale, values ? mean + t : NULL, values ? scale + t : NULL);
    }
    memory_release(mean);
    memory_release(scale);
    return status;
}

static int jobdata_read_validation(JobData *d, const Model *m, Error *e)
{
    const Setting *part = settings_named(&m->settings, "data", "validation");
    if (!part) return NUDGE_OK;
    if (d->text.tokens.count)
        return textdata_load_setting(&d->validation, &d->text.tokens, m, part, false, &d->warnings, e);
    const char *file[] = {setting_item(part, 0), setting_item(part, 1), setting_item(part, 2)};
    return jobdata_load(&d->validation, &d->columns, m, &m->settings, file, part->count, &d->warnings, e);
}

int jobdata_measure(JobData *d, Model *m, Error *e)
{
    bool text = d->text.tokens.count;
    int status = text ? textdata_suit(&d->text, &d->rows, m, d->file, e) : NUDGE_OK;
    if (!status) status = jobdata_split(d, m, e);
    if (!status && d->table)
        status = columns_measure(&d->columns, &d->rows, d->order, d->rows.rows - d->held, e);
    if (!status && d->table) status = jobdata_standards(d, m, e);
    return status ? status : jobdata_read_validation(d, m, e);
}

void jobdata_free(JobData *d)
{
    columns_free(&d->columns);
    textdata_free(&d->text);
    dataset_free(&d->rows);
    dataset_free(&d->validation);
    text_free(&d->warnings);
    memory_release(d->order);
    *d = (JobData){0};
}

/* ---- For a model that was trained ---------------------------------------------------------------------- */

static int jobdata_load_table(Dataset *rows, const Columns *k, const Settings *options, const char *file,
                              DataType real, Text *warnings, Error *e)
{
    CsvOptions csv;
    Table t;
    int status = jobdata_csv_options(&csv, options, e);
    if (status || (status = table_open(&t, file, &csv, e))) return status;
    status = columns_dataset(rows, k, &t, real, true, warnings, e);
    table_free(&t);
    return status;
}

int jobdata_load(Dataset *rows, const Columns *k, const Model *m, const Settings *options,
                 const char *const *file, size_t files, Text *warnings, Error *e)
{
    bool idx = files > 1;
    *rows = (Dataset){0};
    if (!idx && jobdata_is_idx(file[0], &idx, e)) return e->status;
    if (idx && k->count)
        return error_set(e, NUDGE_INPUT,
                         "%s: is an IDX file, but the model was trained on a table; give a CSV file",
                         file[0]);
    if (!idx && !k->count)
        return error_set(e, NUDGE_INPUT,
                         "%s: is a table, but the model was trained on IDX files; give images and labels",
                         file[0]);
    if (idx) return jobdata_open_idx(rows, file, files, m->task.reconstruct, e);
    return jobdata_load_table(rows, k, options, file[0], model_real(m), warnings, e);
}

static void jobdata_copy_rows(Dataset *part, const Dataset *from, const size_t *rows)
{
    for (size_t i = 0; i < part->rows; i++) {
        size_t row = rows ? rows[i] : i, x = i * part->features * data_size(part->x_type);
        size_t t = i * part->targets * data_size(part->t_type);
        dataset_gather(from, &row, 1, (char *)part->owned[0] + x, from->x_type, (char *)part->owned[1] + t,
                       from->t_type, (double *)part->owned[2] + i);
    }
}

int jobdata_part(Dataset *part, const Dataset *from, const size_t *rows, size_t n, Error *e)
{
    *part = *from;
    part->rows = n;
    part->start = NULL;
    part->slide = 0;
    part->x = part->owned[0] = memory_new(n, from->features * data_size(from->x_type));
    part->t = part->owned[1] = memory_new(n, from->targets * data_size(from->t_type));
    double *weight = memory_new(n, sizeof *weight);
    part->owned[2] = weight;
    part->weight = from->weight ? weight : NULL;
    if (part->x && part->t && weight) {
        jobdata_copy_rows(part, from, rows);
        return NUDGE_OK;
    }
    dataset_free(part);
    return error_memory(e);
}

int jobdata_columns(Columns *k, const Model *m, Error *e)
{
    const char *note = model_note(m, "columns");
    *k = (Columns){0};
    if (!note || columns_load(k, note, strlen(note), e)) return e->status;
    if (textdata_columns(k, m, e)) columns_free(k);
    return e->status;
}

int jobdata_names(const char *const **names, const Columns *k, Error *e)
{
    size_t classes = columns_classes(k), count = classes ? classes : k->targets;
    *names = NULL;
    if (!count) return NUDGE_OK;
    const char **list = memory_new(count, sizeof *list);
    if (!list) return error_memory(e);
    for (size_t i = 0; i < count; i++)
        list[i] = classes ? k->column[k->target].levels[i] : columns_of_target(k, i)->name;
    *names = list;
    return NUDGE_OK;
}
