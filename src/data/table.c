/* table.c: see table.h. */
#include "data/table.h"

#include <math.h>
#include <string.h>

static int table_names(Table *t, const Csv *c, Error *e)
{
    t->header = c->header;
    if (!(t->file = memory_string(c->file))) return error_memory(e);
    if (!(t->column = memory_zero(c->columns, sizeof *t->column))) return error_memory(e);
    t->columns = c->columns;
    for (size_t i = 0; i < t->columns; i++)
        if (!(t->column[i].name = memory_string(c->names[i]))) return error_memory(e);
    return NUDGE_OK;
}

static bool table_add_cell(TableColumn *column, size_t row, const char *cell)
{
    if (!memory_grow(&column->start, &column->room, row + 1, sizeof *column->start)) return false;
    column->start[row] = column->text.length;
    text_append(&column->text, cell, strlen(cell) + 1);
    return !column->text.failed;
}

static int table_add_row(Table *t, const char *const *cells, size_t line, Error *e)
{
    if (!memory_grow(&t->line, &t->room, t->rows + 1, sizeof *t->line)) return error_memory(e);
    t->line[t->rows] = line;
    for (size_t i = 0; i < t->columns; i++)
        if (!table_add_cell(t->column + i, t->rows, cells[i])) return error_memory(e);
    t->rows++;
    return NUDGE_OK;
}

static int table_fill(Table *t, Csv *c, Error *e)
{
    if (table_names(t, c, e)) return e->status;
    const char *const *cells;
    while (!csv_row(c, &cells, e) && cells)
        if (table_add_row(t, cells, c->line, e)) break;
    return e->status;
}

int table_read(Table *t, Stream *s, const CsvOptions *options, Error *e)
{
    Csv c;
    *t = (Table){0};
    if (csv_open(&c, s, options, e)) return e->status;
    if (table_fill(t, &c, e)) table_free(t);
    csv_close(&c);
    return e->status;
}

int table_open(Table *t, const char *path, const CsvOptions *options, Error *e)
{
    Stream *s;
    *t = (Table){0};
    if (stream_open(&s, path, e)) return e->status;
    return table_read(t, s, options, e);
}

const char *table_cell(const Table *t, size_t row, size_t column)
{
    return t->column[column].text.s + t->column[column].start[row];
}

bool table_number(const Table *t, size_t row, size_t column, double *value)
{
    const char *cell = table_cell(t, row, column);
    return number_is(cell, strlen(cell), value) && isfinite(*value);
}

size_t table_bytes(const Table *t)
{
    size_t bytes = memory_size(t->line);
    for (size_t i = 0; i < t->columns; i++)
        bytes += memory_size(t->column[i].text.s) + memory_size(t->column[i].start);
    return bytes;
}

void table_free(Table *t)
{
    for (size_t i = 0; t->column && i < t->columns; i++) {
        memory_release(t->column[i].name);
        text_free(&t->column[i].text);
        memory_release(t->column[i].start);
    }
    memory_release(t->column);
    memory_release(t->line);
    memory_release(t->file);
    *t = (Table){0};
}
