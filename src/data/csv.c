/* csv.c: see csv.h. */
#include "data/csv.h"

#include "base/text.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CSV_END = -1,
    CSV_FAILED = -2,
    CSV_CHUNK = 64 * 1024,
    CSV_LONGEST = 16 * 1024 * 1024 /* bytes in a row; more than that is no table */
};

/* In the order in which they win a tie: text has commas more often than tabs. */
static const char csv_delimiters[] = "\t;|,";
enum { CSV_DELIMITERS = sizeof csv_delimiters - 1 };

typedef struct CsvReader {
    Stream *stream;
    unsigned char *bytes; /* read ahead: [at, end) */
    size_t at, end, room;
    bool ended;          /* the stream is */
    bool after_return;   /* a line feed now belongs to the carriage return before it */
    bool held;           /* the first row, read to see whether it is a header, is still to be delivered */
    size_t line;         /* of the next byte */
    size_t taken;        /* bytes of this row */
    size_t quote_line;   /* where the open quote began; 0 outside quotes */
    size_t quote_column; /* its cell */
    bool special[256];   /* bytes that end a run of plain ones */
    Text row;            /* the cells, each ending in a NUL */
    size_t *start, count, start_room;
    const char **cells;
    size_t cells_room;
} CsvReader;

static int csv_fill(Csv *c, Error *e)
{
    CsvReader *r = c->reader;
    if (r->at == r->end) r->at = r->end = 0;
    if (r->end == r->room && !memory_grow(&r->bytes, &r->room, r->room + CSV_CHUNK, 1))
        return error_memory(e);
    size_t got;
    if (stream_read(r->stream, r->bytes + r->end, r->room - r->end, &got, e)) return e->status;
    r->end += got;
    r->ended = !got;
    return NUDGE_OK;
}

static int csv_unclosed(Csv *c, Error *e)
{
    const CsvReader *r = c->reader;
    return error_set(e, NUDGE_INPUT,
                     "%s:%zu:%zu: the quote that opens here is never closed; add a closing \"", c->file,
                     r->quote_line, r->quote_column);
}

static int csv_overlong(Csv *c, Error *e)
{
    if (c->reader->quote_line) return csv_unclosed(c, e);
    return error_set(e, NUDGE_INPUT, "%s:%zu: the row is longer than %d MiB; check that this is a CSV file",
                     c->file, c->line, CSV_LONGEST >> 20);
}

static int csv_raw(Csv *c, Error *e)
{
    CsvReader *r = c->reader;
    while (r->at == r->end) {
        if (r->ended) return CSV_END;
        if (csv_fill(c, e)) return CSV_FAILED;
    }
    return r->bytes[r->at++];
}

/* The next byte, every line end as '\n'. */
static int csv_byte(Csv *c, Error *e)
{
    CsvReader *r = c->reader;
    int byte = csv_raw(c, e);
    if (byte == '\n' && r->after_return) byte = csv_raw(c, e);
    r->after_return = byte == '\r';
    if (byte == '\r') byte = '\n';
    r->line += byte == '\n';
    if (++r->taken > CSV_LONGEST) return csv_overlong(c, e), CSV_FAILED;
    if (byte) return byte;
    error_set(e, NUDGE_INPUT, "%s:%zu:%zu: holds a NUL byte; is this a text file?", c->file, r->line,
              r->count);
    return CSV_FAILED;
}

/* Copies plain bytes as a run, then returns the next special one. */
static int csv_run(Csv *c, Error *e)
{
    CsvReader *r = c->reader;
    size_t from = r->at;
    while (r->at < r->end && !r->special[r->bytes[r->at]])
        r->at++;
    if (r->at > from) {
        text_append(&r->row, (const char *)r->bytes + from, r->at - from);
        r->taken += r->at - from;
        r->after_return = false;
    }
    return csv_byte(c, e);
}

static bool csv_blank(const Csv *c, int byte)
{
    return (byte == ' ' || byte == '\t') && byte != c->delimiter;
}

static bool csv_terminates(const Csv *c, int byte)
{
    return byte == c->delimiter || byte == '\n' || byte < 0;
}

static int csv_after_blanks(Csv *c, Error *e)
{
    int byte;
    do
        byte = csv_byte(c, e);
    while (csv_blank(c, byte));
    return byte;
}

static int csv_plain(Csv *c, int byte, Error *e)
{
    Text *row = &c->reader->row;
    size_t start = row->length;
    for (; !csv_terminates(c, byte); byte = csv_run(c, e))
        text_put(row, (char)byte);
    while (row->length > start && csv_blank(c, row->s[row->length - 1]))
        row->length--;
    return byte;
}

static int csv_quoted(Csv *c, Error *e)
{
    CsvReader *r = c->reader;
    r->quote_line = r->line;
    r->quote_column = r->count;
    for (;;) {
        int byte = csv_run(c, e);
        if (byte == CSV_END) return csv_unclosed(c, e), CSV_FAILED;
        if (byte < 0) return byte;
        if (byte == '"' && (byte = csv_byte(c, e)) != '"') {
            if (csv_blank(c, byte)) byte = csv_after_blanks(c, e);
            r->quote_line = 0;
            if (csv_terminates(c, byte)) return byte;
            error_set(e, NUDGE_INPUT,
                      "%s:%zu:%zu: text follows the closing quote; inside quotes, write a quote twice (\"\")",
                      c->file, r->line, r->count);
            return CSV_FAILED;
        }
        text_put(&r->row, (char)byte);
    }
}

/* The first byte that is not UTF-8, or NULL (Unicode 15, table 3-7). */
static const unsigned char *csv_not_utf8(const unsigned char *s)
{
    while (*s) {
        unsigned char low = 0x80, high = 0xbf, lead = *s;
        int more = lead < 0x80 ? 0 : lead >= 0xc2 && lead <= 0xdf ? 1 : lead >= 0xe0 && lead <= 0xef ? 2 : 3;
        if (more == 3 && (lead < 0xf0 || lead > 0xf4)) return s;
        if (lead == 0xe0) low = 0xa0;
        if (lead == 0xed) high = 0x9f;
        if (lead == 0xf0) low = 0x90;
        if (lead == 0xf4) high = 0x8f;
        for (int i = 1; i <= more; i++, low = 0x80, high = 0xbf)
            if (s[i] < low || s[i] > high) return s;
        s += more + 1;
    }
    return NULL;
}

static int csv_check_text(Csv *c, size_t line, Error *e)
{
    const CsvReader *r = c->reader;
    const unsigned char *bad = csv_not_utf8((const unsigned char *)r->row.s + r->start[r->count - 1]);
    if (!bad) return NUDGE_OK;
    return error_set(e, NUDGE_INPUT,
                     "%s:%zu:%zu: byte 0x%02x is not UTF-8; convert the file (iconv -f latin1 -t utf-8)",
                     c->file, line, r->count, *bad);
}

/* Reads one cell; returns what ended it. */
static int csv_cell(Csv *c, Error *e)
{
    CsvReader *r = c->reader;
    if (!memory_grow(&r->start, &r->start_room, r->count + 1, sizeof *r->start))
        return error_memory(e), CSV_FAILED;
    r->start[r->count++] = r->row.length;
    int byte = csv_after_blanks(c, e);
    size_t line = r->line - (byte == '\n');
    byte = byte == '"' ? csv_quoted(c, e) : csv_plain(c, byte, e);
    text_put(&r->row, 0);
    if (byte == CSV_FAILED) return byte;
    if (r->row.failed) return error_memory(e), CSV_FAILED;
    return csv_check_text(c, line, e) ? CSV_FAILED : byte;
}

/* Reads the next row that is not blank into r->row; none at the end, when r->count is 0. */
static int csv_record(Csv *c, Error *e)
{
    CsvReader *r = c->reader;
    int byte;
    do {
        r->row.length = r->count = r->taken = 0;
        c->line = r->line;
        do
            byte = csv_cell(c, e);
        while (byte == c->delimiter);
    } while (byte == '\n' && r->row.length == 1);
    if (byte == CSV_FAILED) return e->status;
    if (byte == CSV_END && r->row.length == 1) r->count = 0;
    if (!memory_grow(&r->cells, &r->cells_room, r->count, sizeof *r->cells)) return error_memory(e);
    for (size_t i = 0; i < r->count; i++)
        r->cells[i] = r->row.s + r->start[i];
    return NUDGE_OK;
}

/* The end of the record that begins at `from`, and how often it holds each delimiter outside quotes. */
static size_t csv_scan(const CsvReader *r, size_t from, size_t counts[CSV_DELIMITERS])
{
    bool quoted = false;
    memset(counts, 0, CSV_DELIMITERS * sizeof *counts);
    while (from < r->end && strchr("\r\n", r->bytes[from]) && r->bytes[from])
        from++;
    for (; from < r->end; from++) {
        unsigned char byte = r->bytes[from];
        if (byte == '"') quoted = !quoted;
        if (quoted || !byte) continue;
        if (byte == '\n' || byte == '\r') break;
        const char *delimiter = strchr(csv_delimiters, byte);
        if (delimiter) counts[delimiter - csv_delimiters]++;
    }
    return from;
}

/* As csv_scan, reading ahead until the record is complete. */
static int csv_ahead(Csv *c, size_t from, size_t *end, size_t counts[CSV_DELIMITERS], Error *e)
{
    CsvReader *r = c->reader;
    while ((*end = csv_scan(r, from, counts)) == r->end && !r->ended) {
        if (r->end > CSV_LONGEST) return NUDGE_OK; /* csv_record says what is wrong */
        if (csv_fill(c, e)) return e->status;
    }
    return NUDGE_OK;
}

/* Among the delimiters in the first line: the only one, else the one that is in the second line as often, else the
 * most frequent. The second line is waited for only if it is needed. */
static int csv_sniff(Csv *c, Error *e)
{
    size_t first[CSV_DELIMITERS], second[CSV_DELIMITERS], end;
    int found = 0, most = CSV_DELIMITERS - 1;
    if (csv_ahead(c, c->reader->at, &end, first, e)) return e->status;
    for (int i = 0; i < CSV_DELIMITERS; i++) {
        found += first[i] > 0;
        if (first[i] > first[most]) most = i;
    }
    if (found > 1) {
        if (csv_ahead(c, end, &end, second, e)) return e->status;
        for (int i = CSV_DELIMITERS - 1; i >= 0; i--)
            if (first[i] && first[i] == second[i]) most = i;
    }
    c->delimiter = csv_delimiters[most];
    return NUDGE_OK;
}

/* Skips a byte-order mark. UTF-16, which spreadsheets write as "Unicode text", is recognised by its own. */
static int csv_mark(Csv *c, Error *e)
{
    CsvReader *r = c->reader;
    size_t ignored[CSV_DELIMITERS], end;
    if (csv_ahead(c, 0, &end, ignored, e)) return e->status;
    if (!r->end)
        return error_set(e, NUDGE_INPUT, "%s: is empty; it needs a line of column names and rows", c->file);
    if (r->end >= 2 && (!memcmp(r->bytes, "\xff\xfe", 2) || !memcmp(r->bytes, "\xfe\xff", 2)))
        return error_set(e, NUDGE_INPUT, "%s: is UTF-16; save it as UTF-8", c->file);
    if (r->end >= 3 && !memcmp(r->bytes, "\xef\xbb\xbf", 3)) r->at = 3;
    return NUDGE_OK;
}

static bool csv_is_header(const CsvReader *r)
{
    double value;
    for (size_t i = 0; i < r->count; i++)
        if (number_is(r->cells[i], strlen(r->cells[i]), &value) && isfinite(value)) return false;
    return true;
}

static int csv_name_compare(const void *a, const void *b)
{
    char *const *x = *(char *const *const *)a, *const *y = *(char *const *const *)b;
    int order = strcmp(*x, *y);
    return order ? order : (x > y) - (x < y);
}

static int csv_check_names(const Csv *c, Error *e)
{
    char ***sorted = memory_new(c->columns, sizeof *sorted);
    if (!sorted) return error_memory(e);
    for (size_t i = 0; i < c->columns; i++)
        sorted[i] = c->names + i;
    qsort(sorted, c->columns, sizeof *sorted, csv_name_compare);
    for (size_t i = 1; i < c->columns && !e->status; i++)
        if (!strcmp(*sorted[i - 1], *sorted[i]))
            error_set(e, NUDGE_INPUT, "%s:%zu:%zu: column %zu is called %s, too; rename one of them", c->file,
                      c->line, (size_t)(sorted[i] - c->names) + 1, (size_t)(sorted[i - 1] - c->names) + 1,
                      *sorted[i]);
    memory_release(sorted);
    return e->status;
}

static int csv_name_columns(Csv *c, Error *e)
{
    CsvReader *r = c->reader;
    if (!(c->names = memory_zero(r->count, sizeof *c->names))) return error_memory(e);
    c->columns = r->count;
    for (size_t i = 0; i < c->columns; i++) {
        Text name = {0};
        if (c->header && r->cells[i][0])
            text_append(&name, r->cells[i], strlen(r->cells[i]));
        else
            text_print(&name, "column%zu", i + 1);
        if (name.failed) return text_free(&name), error_memory(e);
        c->names[i] = name.s;
    }
    return csv_check_names(c, e);
}

static int csv_choose_delimiter(Csv *c, char given, Error *e)
{
    if (!given) return csv_sniff(c, e);
    c->delimiter = given;
    if ((unsigned char)given < 0x80 && !strchr("\"\r\n", given)) return NUDGE_OK;
    return error_set(e, NUDGE_INPUT,
                     "%s: a delimiter is one ASCII character other than a quote or a line end", c->file);
}

static int csv_start(Csv *c, const CsvOptions *o, Error *e)
{
    CsvReader *r = c->reader;
    if (csv_mark(c, e) || csv_choose_delimiter(c, o->delimiter, e)) return e->status;
    r->special[0] = r->special['\n'] = r->special['\r'] = r->special['"'] = true;
    r->special[(unsigned char)c->delimiter] = true;
    if (csv_record(c, e)) return e->status;
    if (!r->count)
        return error_set(e, NUDGE_INPUT, "%s: has only blank lines; it needs a line of column names and rows",
                         c->file);
    c->header = o->header == CSV_INFER ? csv_is_header(r) : o->header == CSV_HEADER;
    r->held = !c->header;
    return csv_name_columns(c, e);
}

int csv_open(Csv *c, Stream *s, const CsvOptions *options, Error *e)
{
    static const CsvOptions usual = {0};
    *c = (Csv){.file = s->name, .reader = memory_zero(1, sizeof *c->reader)};
    if (!c->reader) {
        stream_close(s);
        return error_memory(e);
    }
    c->reader->stream = s;
    c->reader->line = 1;
    if (csv_start(c, options ? options : &usual, e)) csv_close(c);
    return e->status;
}

static int csv_ragged(const Csv *c, Error *e)
{
    const CsvReader *r = c->reader;
    return error_set(
        e, NUDGE_INPUT,
        "%s:%zu: this row has %zu cell%s, but the %s has %zu; quote a cell that holds the delimiter (%s)",
        c->file, c->line, r->count, r->count == 1 ? "" : "s", c->header ? "header" : "first row", c->columns,
        c->delimiter == '\t' ? "a tab" : (char[]){c->delimiter, 0});
}

int csv_row(Csv *c, const char *const **cells, Error *e)
{
    CsvReader *r = c->reader;
    *cells = NULL;
    if (!r->held && csv_record(c, e)) return e->status;
    r->held = false;
    if (!r->count && !c->rows)
        return error_set(e, NUDGE_INPUT, "%s: has a header, but no rows; add some, or say header=false",
                         c->file);
    if (!r->count) return NUDGE_OK;
    if (r->count != c->columns) return csv_ragged(c, e);
    c->rows++;
    *cells = r->cells;
    return NUDGE_OK;
}

bool csv_ready(const Csv *c)
{
    const CsvReader *r = c->reader;
    bool quoted = false, content = false; /* a blank line, or the line feed of a CR LF, brings no row */
    for (size_t i = r->at; i < r->end; i++) {
        bool ends = !quoted && (r->bytes[i] == '\n' || r->bytes[i] == '\r');
        if (ends && content) return true;
        content |= !ends;
        quoted ^= r->bytes[i] == '"';
    }
    return r->held || r->ended;
}

void csv_close(Csv *c)
{
    CsvReader *r = c->reader;
    for (size_t i = 0; c->names && i < c->columns; i++)
        memory_release(c->names[i]);
    memory_release(c->names);
    if (r) {
        stream_close(r->stream);
        memory_release(r->bytes);
        text_free(&r->row);
        memory_release(r->start);
        memory_release(r->cells);
        memory_release(r);
    }
    *c = (Csv){0};
}
