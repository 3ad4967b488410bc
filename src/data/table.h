/* table.h: a whole CSV in memory, by columns, as text. For the rules of columns (infer.h, encode.h) and for whoever
 * copies columns from input to output. Knows csv.h. */
#ifndef DATA_TABLE_H
#define DATA_TABLE_H

#include "base/text.h"
#include "data/csv.h"

typedef struct TableColumn {
    char *name;
    Text text;           /* the cells one after the other, each ending in a NUL */
    size_t *start, room; /* [rows]: where each begins */
} TableColumn;

typedef struct Table {
    char *file; /* for messages */
    bool header;
    size_t rows, columns;
    TableColumn *column; /* [columns] */
    size_t *line, room;  /* [rows]: where each row begins in the file */
} Table;

/* Reads a file, or standard input for "-". options may be NULL. On failure the table is empty. */
int table_open(Table *t, const char *path, const CsvOptions *options, Error *e);

/* As table_open, from a stream, which it takes over. */
int table_read(Table *t, Stream *s, const CsvOptions *options, Error *e);

const char *table_cell(const Table *t, size_t row, size_t column);

/* True if the cell is a finite number. */
bool table_number(const Table *t, size_t row, size_t column, double *value);

size_t table_bytes(const Table *t); /* that its cells take */

void table_free(Table *t);

#endif
