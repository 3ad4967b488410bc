/* csv.h: rows of cells from a CSV or TSV stream, one at a time, as soon as each row is in. For table.c and for
 * `predict`; knows streams.
 *
 * RFC 4180 with what real files add: comma, semicolon, tab or bar as delimiter (found in the first lines unless
 * given), a byte-order mark, CR LF or CR line ends, blank lines (skipped), blanks around cells (dropped unless
 * quoted). Text must be UTF-8. Messages say file:line:column, where column counts the cells of a row from 1. */
#ifndef DATA_CSV_H
#define DATA_CSV_H

#include "data/stream.h"

typedef enum CsvHeader { CSV_INFER, CSV_HEADER, CSV_NO_HEADER } CsvHeader;

typedef struct CsvOptions {
    CsvHeader header; /* CSV_INFER: the first row is a header if no cell in it is a number */
    char delimiter;   /* 0: found */
} CsvOptions;

typedef struct Csv {
    const char *file; /* for messages */
    size_t columns;
    char **names; /* [columns]; an unnamed column, or any without a header, is called column1, column2, ... */
    bool header;
    char delimiter;
    size_t line; /* where the last row begins, from 1 */
    size_t rows; /* so far */
    struct CsvReader *reader;
} Csv;

/* Reads up to the first row. Takes the stream over, also on failure. options may be NULL. */
int csv_open(Csv *c, Stream *s, const CsvOptions *options, Error *e);

/* Sets *cells to the next row, [columns] strings valid until the next call; NULL after the last. */
int csv_row(Csv *c, const char *const **cells, Error *e);

/* True if the next row, or the end, is in memory already, so that csv_row will not wait for a pipe. */
bool csv_ready(const Csv *c);

void csv_close(Csv *c);

#endif
