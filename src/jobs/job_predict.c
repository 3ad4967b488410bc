/* job_predict.c: `nudge predict`: rows in, predictions out, as CSV. Rows that are in already are predicted together;
 * none is waited for while another is ready to go out, so the command can stand in a pipe. */
#include "jobs/job.h"

#include "data/idx.h"
#include "data/textrows.h"
#include "jobs/judged.h"
#include <math.h>
#include <string.h>

enum { PREDICT_ROWS = 256 };

typedef struct Predicting {
    Job *job;
    Judged judged; /* the model, its columns, names of classes */
    Csv csv;
    Encoder encoder;
    size_t *keep, kept; /* fields of a row to copy */
    Text *cell;         /* [PREDICT_ROWS]: the kept cells of a row, each ended by 0 */
    double *x, *y;      /* [PREDICT_ROWS, features], [PREDICT_ROWS, outputs] */
    Text numbers;       /* of a prediction, each ended by 0 */
    uint64_t rows;      /* so far */
} Predicting;

static bool predict_classifies(const Predicting *p)
{
    return p->judged.model->task.classify;
}

/* ---- What is said -------------------------------------------------------------------------------------- */

/* A cell of CSV (RFC 4180). */
static void predict_print_cell(const char *cell, Text *out)
{
    bool quotes = cell[strcspn(cell, ",\"\n\r")] || *cell == ' ';
    if (quotes) text_put(out, '"');
    for (; *cell; cell++) {
        if (*cell == '"') text_put(out, '"');
        text_put(out, *cell);
    }
    if (quotes) text_put(out, '"');
}

/* "setosa", or "7" where classes have no names. */
static void predict_class_name(const Predicting *p, size_t k, Text *out)
{
    p->judged.names ? text_print(out, "%s", p->judged.names[k]) : text_print(out, "%zu", k);
}

/* A target's name, or that of the input that it is; where these have none, its number from 1. */
static void predict_target_name(const Predicting *p, size_t k, Text *out)
{
    const Columns *columns = &p->judged.columns;
    if (!columns->count)
        text_print(out, "%zu", k + 1);
    else if (p->judged.model->task.reconstruct)
        columns_feature_name(columns, k, out);
    else
        text_print(out, "%s", p->judged.names[k]);
}

/* What is said of a label: one of the two texts in its column. */
static const char *predict_label(const Predicting *p, size_t k, const double *y)
{
    static const char *const plain[] = {"0", "1"};
    size_t said = model_says(p->judged.model, k, y[k]);
    return p->judged.columns.count ? columns_of_target(&p->judged.columns, k)->levels[said] : plain[said];
}

/* The numbers of a row as text, each ended by 0. Printing them is most of the work, so it is done once. */
static void predict_print_numbers(Predicting *p, const double *y)
{
    char number[NUMBER_ROOM];
    bool narrow = model_real(p->judged.model) == DATA_F32;
    p->numbers.length = 0;
    for (size_t k = 0; k < p->judged.model->outputs; k++) {
        narrow ? number_print_float(number, (float)y[k]) : number_print(number, y[k]);
        text_append(&p->numbers, number, strlen(number) + 1);
    }
}

/* The names of the outputs: "p_setosa"; or "prediction" of a number, of several with the name of each. */
static void predict_output_name(const Predicting *p, size_t k, Text *out)
{
    bool classes = predict_classifies(p), labels = p->judged.model->task.labels;
    text_print(out, classes || labels ? "p_" : "prediction");
    if (classes)
        predict_class_name(p, k, out);
    else if (labels)
        predict_target_name(p, k, out);
    else if (p->judged.model->outputs > 1)
        text_print(out, p->judged.columns.count ? "_" : ""), predict_target_name(p, k, out);
}

static void predict_header_labels(const Predicting *p, Text *line, Text *name)
{
    for (size_t k = 0; k < p->judged.model->outputs; k++) {
        name->length = 0;
        text_print(name, "prediction_");
        predict_target_name(p, k, name);
        predict_print_cell(text_end(name), line);
        text_put(line, ',');
    }
}

static int predict_say_header(Predicting *p)
{
    Text line = {0}, name = {0};
    for (size_t i = 0; i < p->kept; i++)
        predict_print_cell(p->csv.names[p->keep[i]], &line), text_put(&line, ',');
    if (predict_classifies(p)) text_print(&line, "prediction,");
    if (p->judged.model->task.labels) predict_header_labels(p, &line, &name);
    for (size_t k = 0; k < p->judged.model->outputs; k++) {
        name.length = 0;
        predict_output_name(p, k, &name);
        if (k) text_put(&line, ',');
        predict_print_cell(text_end(&name), &line);
    }
    nudge_event event = {"row", text_end(&line), NULL, 0, 0, 0, 0, (double)NAN, (double)NAN};
    int status = line.failed || name.failed ? error_memory(p->job->error) : job_event(p->job, &event);
    text_free(&line);
    text_free(&name);
    return status;
}

static size_t predict_best(const Predicting *p, const double *y)
{
    size_t best = 0;
    if (p->judged.model->outputs == 2) return model_says(p->judged.model, 1, y[1]);
    for (size_t k = 1; k < p->judged.model->outputs; k++)
        if (y[k] > y[best]) best = k;
    return best;
}

static void predict_print_row(const Predicting *p, size_t row, const double *y, Text *out)
{
    const char *cell = p->kept ? text_end(p->cell + row) : "";
    for (size_t i = 0; i < p->kept; i++, cell += strlen(cell) + 1)
        predict_print_cell(cell, out), text_put(out, ',');
    if (predict_classifies(p)) {
        Text name = {0};
        predict_class_name(p, predict_best(p, y), &name);
        predict_print_cell(text_end(&name), out);
        text_put(out, ',');
        out->failed |= name.failed;
        text_free(&name);
    }
    for (size_t k = 0; p->judged.model->task.labels && k < p->judged.model->outputs; k++)
        predict_print_cell(predict_label(p, k, y), out), text_put(out, ',');
    const char *number = p->numbers.s;
    for (size_t k = 0; k < p->judged.model->outputs; k++, number += strlen(number) + 1)
        text_print(out, "%s%s", k ? "," : "", number);
}

static void predict_json_outputs(const Predicting *p, const double *y, JsonWriter *w)
{
    const char *number = p->numbers.s;
    for (size_t k = 0; k < p->judged.model->outputs; k++, number += strlen(number) + 1) {
        Text name = {0};
        if (predict_classifies(p))
            predict_class_name(p, k, &name);
        else
            p->judged.model->task.labels ? predict_target_name(p, k, &name)
                                         : predict_output_name(p, k, &name);
        json_key(w, text_end(&name));
        isfinite(y[k]) ? json_raw(w, number) : json_null(w);
        w->out->failed |= name.failed;
        text_free(&name);
    }
}

static void predict_json_kept(const Predicting *p, size_t row, JsonWriter *w)
{
    const char *cell = text_end(p->cell + row);
    json_key(w, "keep");
    json_open(w, '{');
    for (size_t i = 0; i < p->kept; i++, cell += strlen(cell) + 1) {
        json_key(w, p->csv.names[p->keep[i]]);
        json_string(w, cell);
    }
    json_close(w, '}');
}

static void predict_json_labels(const Predicting *p, const double *y, JsonWriter *w)
{
    json_open(w, '{');
    for (size_t k = 0; k < p->judged.model->outputs; k++) {
        Text name = {0};
        predict_target_name(p, k, &name);
        json_key(w, text_end(&name));
        json_string(w, predict_label(p, k, y));
        w->out->failed |= name.failed;
        text_free(&name);
    }
    json_close(w, '}');
}

/* {"event":"row","keep":{"id":"7"},"prediction":"setosa","p":{"setosa":0.98,"versicolor":0.02}} */
static void predict_json_row(const Predicting *p, size_t row, const double *y, JsonWriter *w)
{
    if (p->kept) predict_json_kept(p, row, w);
    bool labels = p->judged.model->task.labels;
    if (!predict_classifies(p) && !labels) {
        predict_json_outputs(p, y, w);
        return;
    }
    Text name = {0};
    json_key(w, "prediction");
    if (labels) {
        predict_json_labels(p, y, w);
    } else {
        predict_class_name(p, predict_best(p, y), &name);
        json_string(w, text_end(&name));
    }
    json_key(w, "p");
    json_open(w, '{');
    predict_json_outputs(p, y, w);
    json_close(w, '}');
    w->out->failed |= name.failed;
    text_free(&name);
}

static int predict_say_row(Predicting *p, size_t row)
{
    const double *y = p->y + row * p->judged.model->outputs;
    Text text = {0}, json = {0};
    predict_print_numbers(p, y);
    if (p->numbers.failed) return error_memory(p->job->error);
    predict_print_row(p, row, y, &text);
    JsonWriter w = job_begin(&json, "row");
    predict_json_row(p, row, y, &w);
    return job_say(p->job, "row", &text, &w);
}

/* Says that all rows so far are out; whoever holds them back should hand them on. */
static int predict_say_progress(Predicting *p)
{
    Text text = {0};
    job_print_count(&text, p->rows);
    text_print(&text, p->rows == 1 ? " row" : " rows");
    nudge_event event = {"progress", text_end(&text), NULL, 0, 0, p->rows, 0, (double)NAN, (double)NAN};
    int status = text.failed ? error_memory(p->job->error) : job_event(p->job, &event);
    text_free(&text);
    return status;
}

/* Predicts n rows and says them. */
static int predict_batch(Predicting *p, const void *x, DataType type, size_t n)
{
    int status = model_predict(p->judged.model, x, type, n, p->y, DATA_F64, p->job->error);
    for (size_t i = 0; i < n && !status && !p->job->stopped; i++, p->rows++)
        status = predict_say_row(p, i);
    return status ? status : predict_say_progress(p);
}

/* ---- Tables -------------------------------------------------------------------------------------------- */

static size_t predict_field(const Predicting *p, const char *name, size_t length)
{
    for (size_t i = 0; i < p->csv.columns; i++)
        if (strlen(p->csv.names[i]) == length && !memcmp(p->csv.names[i], name, length)) return i;
    return COLUMN_NONE;
}

static int predict_no_column(const Predicting *p, const char *name)
{
    const char *near = name_nearest(name, (const char *const *)p->csv.names, p->csv.columns);
    return error_set(p->job->error, NUDGE_INPUT, "%s: --keep: no column is called %s%s%s%s", p->csv.file,
                     name, near ? "; did you mean " : "", near ? near : "",
                     near ? "?" : "; check the header");
}

/* "id,name" */
static int predict_find_kept(Predicting *p)
{
    const char *names = job_option(p->job, "keep");
    if (!names) return NUDGE_OK;
    p->keep = memory_new(strlen(names) + 1, sizeof *p->keep);
    if (!p->keep) return error_memory(p->job->error);
    for (const char *at = names; *at;) {
        size_t length = strcspn(at, ","), field = predict_field(p, at, length);
        char name[128] = "";
        strncat(name, at, length < sizeof name ? length : sizeof name - 1);
        if (field == COLUMN_NONE) return predict_no_column(p, name);
        p->keep[p->kept++] = field;
        at += length + (at[length] == ',');
    }
    return NUDGE_OK;
}

static int predict_open_table(Predicting *p, const char *file)
{
    Error *e = p->job->error;
    CsvOptions options;
    Stream *stream;
    size_t features = p->judged.columns.features, outputs = p->judged.model->outputs;
    int status = jobdata_csv_options(&options, &p->job->given, e);
    if (status || (status = stream_open(&stream, file, e)) ||
        (status = csv_open(&p->csv, stream, &options, e)))
        return status;
    status = encoder_open(&p->encoder, &p->judged.columns, model_real(p->judged.model), p->csv.file,
                          p->csv.header, (const char *const *)p->csv.names, p->csv.columns, false, e);
    if (!status) status = predict_find_kept(p);
    p->x = memory_new(PREDICT_ROWS * features, sizeof *p->x);
    p->y = memory_new(PREDICT_ROWS * outputs, sizeof *p->y);
    p->cell = memory_zero(PREDICT_ROWS, sizeof *p->cell);
    return status ? status : p->x && p->y && p->cell ? NUDGE_OK : error_memory(e);
}

static int predict_keep_cells(Predicting *p, size_t row, const char *const *cells)
{
    Text *kept = p->cell + row;
    kept->length = 0;
    for (size_t i = 0; i < p->kept; i++)
        text_append(kept, cells[p->keep[i]], strlen(cells[p->keep[i]]) + 1);
    return kept->failed ? error_memory(p->job->error) : NUDGE_OK;
}

/* Takes a row as row n of the batch; *more is false after the last. */
static int predict_take(Predicting *p, size_t n, bool *more)
{
    Error *e = p->job->error;
    const char *const *cells;
    int status = csv_row(&p->csv, &cells, e);
    *more = cells != NULL;
    if (status || !cells) return status;
    double *x = p->x + n * p->judged.columns.features;
    status = encoder_row(&p->encoder, cells, p->csv.line, x, NULL, NULL, e);
    return status ? status : predict_keep_cells(p, n, cells);
}

/* Rows before one that is wrong are still predicted. */
static int predict_rows(Predicting *p)
{
    int status = NUDGE_OK;
    bool more = true;
    while (!status && more && !p->job->stopped) {
        size_t n = 0;
        do {
            status = predict_take(p, n, &more);
            n += !status && more;
        } while (!status && more && n < PREDICT_ROWS && csv_ready(&p->csv));
        int said = n ? predict_batch(p, p->x, DATA_F64, n) : NUDGE_OK;
        if (!status) status = said;
    }
    return status;
}

static int predict_table(Predicting *p, const char *file)
{
    Text warnings = {0};
    int status = predict_open_table(p, file);
    if (!status) status = predict_say_header(p);
    if (!status) status = predict_rows(p);
    if (status) return status;
    encoder_warn(&p->encoder, &warnings);
    return job_warn(p->job, &warnings);
}

/* ---- Images -------------------------------------------------------------------------------------------- */

static int predict_all(Predicting *p, const Dataset *d)
{
    size_t size = data_size(d->x_type) * d->features;
    int status = NUDGE_OK;
    for (size_t at = 0, n; at < d->rows && !status && !p->job->stopped; at += n) {
        n = d->rows - at < PREDICT_ROWS ? d->rows - at : PREDICT_ROWS;
        status = predict_batch(p, (const char *)d->x + at * size, d->x_type, n);
    }
    return status;
}

static int predict_images(Predicting *p, const char *file)
{
    Error *e = p->job->error;
    Dataset d;
    if (job_option(p->job, "keep"))
        return error_set(e, NUDGE_INPUT,
                         "%s: --keep: is about the columns of a table, and this is an IDX file", file);
    int status = idx_dataset(&d, file, NULL, e);
    if (status) return status;
    p->y = memory_new(PREDICT_ROWS * p->judged.model->outputs, sizeof *p->y);
    if (!p->y) status = error_memory(e);
    if (!status) status = judged_fits(&p->judged, &d, file, false, e);
    if (!status) status = predict_say_header(p);
    if (!status) status = predict_all(p, &d);
    dataset_free(&d);
    return status;
}

/* ---- Texts --------------------------------------------------------------------------------------------- */

/* How likely a line is, as rows of a text. */
static int predict_score(Predicting *p, const TokenList *list, const char *name, double *loss)
{
    const Model *m = p->judged.model;
    TextLayout how = {m->task.features, true, m->task.positions > 1, false, 0};
    Dataset d;
    int status = textrows_make(&d, &p->judged.tokens, list, &how, name, p->job->error);
    if (status) return status;
    status = model_evaluate(m, &d, NULL, d.rows, loss, NULL, p->job->error);
    dataset_free(&d);
    return status;
}

static int predict_say_line(Predicting *p, const char *line, size_t tokens, double loss)
{
    Text text = {0}, json = {0};
    char number[2][NUMBER_ROOM];
    predict_print_cell(line, &text);
    text_print(&text, ",%zu,%s,%s", tokens, number_print_short(number[0], loss, 7),
               number_print_short(number[1], exp(loss), 7));
    JsonWriter w = job_begin(&json, "row");
    json_key(&w, "text"), json_string(&w, line);
    json_key(&w, "tokens"), json_integer(&w, (int64_t)tokens);
    json_key(&w, "loss"), json_number(&w, loss);
    json_key(&w, "perplexity"), json_number(&w, exp(loss));
    p->rows++;
    return job_say(p->job, "row", &text, &w);
}

/* A line of a file; a blank one is no sample, and has no row. */
static int predict_line(Predicting *p, const char *file, size_t number, const char *line, size_t length)
{
    TokenList list = {0};
    double loss = 0;
    int status = tokens_encode(&p->judged.tokens, &list, file, number, line, length, p->job->error);
    if (!status && list.count) status = predict_score(p, &list, file, &loss);
    if (!status && list.count) status = predict_say_line(p, line, list.count + 1, loss);
    memory_release(list.id);
    return status;
}

/* The lines that are complete, each made a string; `end`: the last one needs no line end. */
static int predict_lines(Predicting *p, Text *text, const char *file, size_t *line, bool end)
{
    char *s = text->s, *last = text->s + text->length;
    int status = NUDGE_OK;
    while (s < last && !status && !p->job->stopped) {
        char *stop = memchr(s, '\n', (size_t)(last - s));
        if (!stop && !end) break;
        if (!stop) stop = last;
        size_t length = (size_t)(stop - s) - (stop > s && stop[-1] == '\r');
        s[length] = 0;
        status = predict_line(p, file, ++*line, s, length);
        s = stop < last ? stop + 1 : last;
    }
    text->length = (size_t)(last - s);
    memmove(text->s, s, text->length);
    return status ? status : predict_say_progress(p);
}

static int predict_text(Predicting *p, const char *file)
{
    Error *e = p->job->error;
    Text text = {0};
    Stream *stream;
    char block[4096];
    size_t got = 1, line = 0;
    nudge_event header = {"row", "text,tokens,loss,perplexity", NULL, 0, 0, 0, 0, (double)NAN, (double)NAN};
    if (job_option(p->job, "keep"))
        return error_set(e, NUDGE_INPUT, "%s: --keep: is about the columns of a table, and this is a text",
                         file);
    if (stream_open(&stream, file, e)) return e->status;
    int status = job_event(p->job, &header);
    while (!status && got && !p->job->stopped) {
        status = stream_read(stream, block, sizeof block, &got, e);
        if (!status) text_append(&text, block, got);
        if (!status && text.failed) status = error_memory(e);
        if (!status && text.length)
            status = predict_lines(p, &text, strcmp(file, "-") ? file : "stdin", &line, !got);
    }
    stream_close(stream);
    text_free(&text);
    return status;
}

/* ---- The job ------------------------------------------------------------------------------------------- */

static int predict_file(Predicting *p, const char *file)
{
    bool idx, table = p->judged.columns.count;
    if (p->judged.tokens.count) return predict_text(p, file);
    if (!table && !strcmp(file, "-"))
        return error_set(
            p->job->error, NUDGE_INPUT,
            "stdin: the model was trained on IDX files, which are not read from there; name a file "
            "of images");
    if (jobdata_is_idx(file, &idx, p->job->error)) return p->job->error->status;
    if (idx != table) return table ? predict_table(p, file) : predict_images(p, file);
    return error_set(p->job->error, NUDGE_INPUT, "%s: is %s, but the model was trained on %s; give %s", file,
                     idx ? "an IDX file" : "a table", table ? "a table" : "IDX files",
                     table ? "a CSV file" : "an IDX file of images");
}

static void predict_free(Predicting *p)
{
    for (size_t i = 0; p->cell && i < PREDICT_ROWS; i++)
        text_free(p->cell + i);
    memory_release(p->cell);
    memory_release(p->keep);
    text_free(&p->numbers);
    memory_release(p->x);
    memory_release(p->y);
    encoder_close(&p->encoder);
    csv_close(&p->csv);
    judged_free(&p->judged);
}

int job_predict(Job *job)
{
    Predicting p = {.job = job};
    int status = judged_open_model(&p.judged, job);
    if (!status) status = predict_file(&p, job->operands > 1 ? job->operand[1] : "-");
    predict_free(&p);
    return status;
}
