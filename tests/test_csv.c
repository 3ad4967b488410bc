/* test_csv.c: the CSV reader delivers what the file says, whatever its dialect, and says where it is wrong. */
#include "data/table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_heap.h"

/* Reads text as a table called x.csv. */
static int read_text(Table *t, const char *text, size_t length, const CsvOptions *o, Error *e)
{
    Stream *s;
    *t = (Table){0};
    *e = (Error){0};
    if (stream_memory(&s, "x.csv", text, length, e)) return e->status;
    return table_read(t, s, o, e);
}

/* The table as one line: names, then rows, cells in <>, rows separated by /. */
static void assert_reads_with(const char *text, const CsvOptions *o, const char *expected)
{
    Table t;
    Error e;
    Text seen = {0};
    read_text(&t, text, strlen(text), o, &e);
    assert_string_equal(e.message, "");
    for (size_t i = 0; i < t.columns; i++)
        text_print(&seen, "<%s>", t.column[i].name);
    for (size_t row = 0; row < t.rows; row++) {
        text_put(&seen, '/');
        for (size_t i = 0; i < t.columns; i++)
            text_print(&seen, "<%s>", table_cell(&t, row, i));
    }
    assert_string_equal(text_end(&seen), expected);
    text_free(&seen);
    table_free(&t);
}

static void assert_reads(const char *text, const char *expected)
{
    assert_reads_with(text, NULL, expected);
}

static void assert_refuses_bytes(const char *text, size_t length, const char *message)
{
    Table t;
    Error e;
    assert_int_equal(read_text(&t, text, length, NULL, &e), NUDGE_INPUT);
    assert_string_equal(e.message, message);
    assert_null(t.column);
}

static void assert_refuses(const char *text, const char *message)
{
    assert_refuses_bytes(text, strlen(text), message);
}

static void reads_dialects(void **state)
{
    (void)state;
    assert_reads("a,b\n1,2\n3,4\n", "<a><b>/<1><2>/<3><4>");
    assert_reads("a,b\n1,2\n3,4", "<a><b>/<1><2>/<3><4>");
    assert_reads("a,b\r\n1,2\r\n\r\n3,4\r\n", "<a><b>/<1><2>/<3><4>");
    assert_reads("a,b\r1,2\r3,4\r", "<a><b>/<1><2>/<3><4>");
    assert_reads("\xef\xbb\xbf"
                 "a,b\n1,2\n",
                 "<a><b>/<1><2>");
    assert_reads("\n\n  \na,b\n\n1,2\n\n", "<a><b>/<1><2>");
    assert_reads("a, b ,c\n 1 ,\t2, \n", "<a><b><c>/<1><2><>");
    assert_reads("a\nx\n1\n", "<a>/<x>/<1>");
    assert_reads("a,b\n,\n", "<a><b>/<><>");
}

static void reads_quotes(void **state)
{
    (void)state;
    assert_reads("a,b\n\"x, y\",\"say \"\"hi\"\"\"\n", "<a><b>/<x, y><say \"hi\">");
    assert_reads("a,b\n\"two\r\nlines\",2\n", "<a><b>/<two\nlines><2>");
    assert_reads("a,b\n \" x \" ,2\n", "<a><b>/< x ><2>");
    assert_reads("a,b\n5\" pipe,\"\"\n", "<a><b>/<5\" pipe><>");
    assert_reads("\"a\nb\",c\n1,2\n", "<a\nb><c>/<1><2>");
    assert_reads("caf\xc3\xa9,\xf0\x9f\x98\x80\n1,2\n", "<caf\xc3\xa9><\xf0\x9f\x98\x80>/<1><2>");
}

static void finds_delimiters(void **state)
{
    (void)state;
    assert_reads("a;b\n1,5;2\n", "<a><b>/<1,5><2>");
    assert_reads("1,5;2,5;3\n1,25;7,5;8\n", "<column1><column2><column3>/<1,5><2,5><3>/<1,25><7,5><8>");
    assert_reads("a\tb c\n1\t\n", "<a><b c>/<1><>");
    assert_reads("a|b\n1|2\n", "<a><b>/<1><2>");
    assert_reads("price; EUR,b\n1,2\n", "<price; EUR><b>/<1><2>");
    assert_reads("\"a;b;c\",d\n1,2\n", "<a;b;c><d>/<1><2>");
    assert_reads_with("a;b,c\n1;2,3\n", &(CsvOptions){.delimiter = ','}, "<a;b><c>/<1;2><3>");
    Table t;
    Error e;
    assert_int_equal(read_text(&t, "a\n1\n", 4, &(CsvOptions){.delimiter = '"'}, &e), NUDGE_INPUT);
    assert_string_equal(e.message,
                        "x.csv: a delimiter is one ASCII character other than a quote or a line end");
}

static void finds_headers(void **state)
{
    (void)state;
    assert_reads("1,x\n2,y\n", "<column1><column2>/<1><x>/<2><y>");
    assert_reads("x,\ny,\n", "<x><column2>/<y><>");
    assert_reads_with("x,y\nz,w\n", &(CsvOptions){.header = CSV_NO_HEADER},
                      "<column1><column2>/<x><y>/<z><w>");
    assert_reads_with("2019,2020\n1,2\n", &(CsvOptions){.header = CSV_HEADER}, "<2019><2020>/<1><2>");
}

static void refuses(void **state)
{
    (void)state;
    assert_refuses("", "x.csv: is empty; it needs a line of column names and rows");
    assert_refuses("\n \n", "x.csv: has only blank lines; it needs a line of column names and rows");
    assert_refuses("\xef\xbb\xbf", "x.csv: has only blank lines; it needs a line of column names and rows");
    assert_refuses("a,b\n", "x.csv: has a header, but no rows; add some, or say header=false");
    assert_refuses(
        "a,b,c\n1,2,3\n\n4,5\n",
        "x.csv:4: this row has 2 cells, but the header has 3; quote a cell that holds the delimiter (,)");
    assert_refuses(
        "1\t2\n3\n",
        "x.csv:2: this row has 1 cell, but the first row has 2; quote a cell that holds the delimiter (a tab)");
    assert_refuses("a,b\n1,2\n3,\"4\n5,6\n",
                   "x.csv:3:2: the quote that opens here is never closed; add a closing \"");
    assert_refuses("a,b\n1,\"2\"x\n",
                   "x.csv:2:2: text follows the closing quote; inside quotes, write a quote twice (\"\")");
    assert_refuses("a,b,a\n1,2,3\n", "x.csv:1:3: column 1 is called a, too; rename one of them");
    assert_refuses("a,b\n1,caf\xe9\n",
                   "x.csv:2:2: byte 0xe9 is not UTF-8; convert the file (iconv -f latin1 -t utf-8)");
    assert_refuses("a,b\n1,\xed\xa0\x80\n",
                   "x.csv:2:2: byte 0xed is not UTF-8; convert the file (iconv -f latin1 -t utf-8)");
    assert_refuses_bytes("a,b\n1,\0\n", 8, "x.csv:2:2: holds a NUL byte; is this a text file?");
    assert_refuses_bytes("\xff\xfe"
                         "a\0",
                         4, "x.csv: is UTF-16; save it as UTF-8");
}

static void refuses_endless_rows(void **state)
{
    (void)state;
    enum { LENGTH = 17 << 20 };
    char *text = test_malloc(LENGTH);
    memset(text, 'x', LENGTH);
    memcpy(text, "a,b\n", 4);
    assert_refuses_bytes(text, LENGTH,
                         "x.csv:2: the row is longer than 16 MiB; check that this is a CSV file");
    memcpy(text + 4, "1,\"", 3);
    assert_refuses_bytes(text, LENGTH,
                         "x.csv:2:2: the quote that opens here is never closed; add a closing \"");
    memcpy(text + 4, "\"1\",", 4);
    assert_refuses_bytes(text, LENGTH,
                         "x.csv:2: the row is longer than 16 MiB; check that this is a CSV file");
    test_free(text);
}

/* A large table crosses every buffer boundary; each cell is checked. */
static void reads_many_rows(void **state)
{
    (void)state;
    enum { ROWS = 20000 };
    Text text = {0};
    text_print(&text, "id,text\r\n");
    for (int i = 0; i < ROWS; i++)
        text_print(&text, "%d,\"t%d\"\"\n\"\r\n", i, i);
    Table t;
    Error e;
    assert_int_equal(read_text(&t, text.s, text.length, NULL, &e), NUDGE_OK);
    assert_int_equal(t.rows, ROWS);
    for (int i = 0; i < ROWS; i++) {
        double value;
        char expected[32];
        snprintf(expected, sizeof expected, "t%d\"\n", i);
        assert_true(table_number(&t, (size_t)i, 0, &value) && value == i);
        assert_string_equal(table_cell(&t, (size_t)i, 1), expected);
        assert_int_equal(t.line[i], 2 + 2 * i);
    }
    table_free(&t);
    text_free(&text);
}

/* A row is delivered as soon as it is in, before the pipe has more. */
static void reads_pipes_row_by_row(void **state)
{
    (void)state;
    int ends[2];
    Error e = {0};
    Stream *s;
    Csv c;
    const char *const *cells;
    assert_int_equal(pipe(ends), 0);
    int standard = dup(STDIN_FILENO);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(write(ends[1], "a", 1), 1);
    assert_int_equal(stream_open(&s, "-", &e), NUDGE_OK);
    assert_int_equal(write(ends[1], ",b\n1,2\n", 7), 7);
    assert_int_equal(csv_open(&c, s, NULL, &e), NUDGE_OK);
    assert_string_equal(c.file, "stdin");
    assert_int_equal(csv_row(&c, &cells, &e), NUDGE_OK);
    assert_string_equal(cells[1], "2");
    assert_int_equal(write(ends[1], "3,4\r", 4), 4);
    assert_int_equal(csv_row(&c, &cells, &e), NUDGE_OK);
    assert_string_equal(cells[0], "3");
    close(ends[1]);
    assert_int_equal(csv_row(&c, &cells, &e), NUDGE_OK);
    assert_null(cells);
    csv_close(&c);
    dup2(standard, STDIN_FILENO);
    close(standard);
    close(ends[0]);
}

static char folder[] = "/tmp/nudge-csv-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void assert_opens_as(const char *name, int status, const char *message)
{
    Table t;
    Error e = {0};
    char path[256], expected[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(expected, sizeof expected, message, folder);
    assert_int_equal(table_open(&t, path, NULL, &e), status);
    assert_string_equal(e.message, expected);
    assert_null(t.column);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void remove_file(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(remove(path), 0);
}

static void refuses_paths(void **state)
{
    (void)state;
    assert_opens_as("train.csv", NUDGE_INPUT, "%s/train.csv: no such file; check the name and the folder");
    write_file("iris.csv", "a\n1\n", 4);
    write_file("irises.txt", "a\n1\n", 4);
    assert_opens_as("iris.cvs", NUDGE_INPUT, "%1$s/iris.cvs: no such file; did you mean %1$s/iris.csv?");
    assert_opens_as("iris.csv/x", NUDGE_INPUT,
                    "%s/iris.csv/x: no such file, because part of its path is no directory; check the path");
    assert_opens_as("", NUDGE_INPUT, "%s/: is a directory; name a file in it");
    remove_file("irises.txt");
    remove_file("iris.csv");
}

static void refuses_unreadable_files(void **state)
{
    (void)state;
    char path[256];
    write_file("secret.csv", "a\n1\n", 4);
    snprintf(path, sizeof path, "%s/secret.csv", folder);
    assert_int_equal(chmod(path, 0), 0);
    if (access(path, R_OK)) /* root may read anything */
        assert_opens_as("secret.csv", NUDGE_MACHINE,
                        "%s/secret.csv: permission denied; make the file readable (chmod +r)");
    remove_file("secret.csv");
}

/* gzip of "a,b\n1,2\n3,4\n" */
static const unsigned char packed[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x4b,
                                       0xd4, 0x49, 0xe2, 0x32, 0xd4, 0x31, 0xe2, 0x32, 0xd6, 0x31, 0xe1,
                                       0x02, 0x00, 0xe5, 0xe9, 0xd6, 0xce, 0x0c, 0x00, 0x00, 0x00};

#ifdef NUDGE_HAVE_ZLIB
static void reads_gzip(void **state)
{
    (void)state;
    unsigned char bytes[2 * sizeof packed + 8] = {0}; /* two members, then padding */
    Table t;
    Error e;
    memcpy(bytes, packed, sizeof packed);
    memcpy(bytes + sizeof packed, packed, sizeof packed);
    assert_int_equal(read_text(&t, (const char *)packed, sizeof packed, NULL, &e), NUDGE_OK);
    assert_int_equal(t.rows, 2);
    table_free(&t);
    assert_int_equal(read_text(&t, (const char *)bytes, sizeof bytes, NULL, &e), NUDGE_OK);
    assert_int_equal(t.rows, 5);
    assert_string_equal(table_cell(&t, 4, 1), "4");
    table_free(&t);
    write_file("x.csv.gz", packed, sizeof packed);
    char path[256];
    snprintf(path, sizeof path, "%s/x.csv.gz", folder);
    assert_int_equal(table_open(&t, path, NULL, &e), NUDGE_OK);
    assert_string_equal(table_cell(&t, 1, 0), "3");
    table_free(&t);
    remove_file("x.csv.gz");
}

static void refuses_broken_gzip(void **state)
{
    (void)state;
    unsigned char bytes[sizeof packed + 1];
    for (size_t length = 2; length < sizeof packed; length++)
        assert_refuses_bytes(
            (const char *)packed, length,
            "x.csv: ends inside its gzip data, so it is truncated; copy or download it again");
    memcpy(bytes, packed, sizeof packed);
    bytes[25] ^= 1;
    assert_refuses_bytes((const char *)bytes, sizeof packed,
                         "x.csv: its gzip data is damaged (incorrect data check); copy or download it again");
    bytes[25] ^= 1;
    bytes[sizeof packed] = 'x';
    Table t;
    Error e;
    assert_int_equal(read_text(&t, (const char *)bytes, sizeof bytes, NULL, &e), NUDGE_INPUT);
}
#else
static void reads_gzip(void **state)
{
    (void)state;
    assert_refuses_bytes(
        (const char *)packed, sizeof packed,
        "x.csv: is packed with gzip, which this build cannot read; unpack it first (gunzip)");
}

static void refuses_broken_gzip(void **state)
{
    (void)state;
    assert_refuses_bytes(
        (const char *)packed, 2,
        "x.csv: is packed with gzip, which this build cannot read; unpack it first (gunzip)");
}
#endif

static void survives_failing_allocations(void **state)
{
    (void)state;
    Table t;
    Error e = {.status = NUDGE_MACHINE};
    for (int n = 0; e.status; n++) {
        int left = n;
        nudge_allocator(failing_heap, &left);
#ifdef NUDGE_HAVE_ZLIB
        read_text(&t, (const char *)packed, sizeof packed, NULL, &e);
#else
        read_text(&t, "a,b\n1,2\n3,4\n", 12, NULL, &e);
#endif
        nudge_allocator(NULL, NULL);
        if (e.status) assert_string_equal(e.message, "out of memory");
        assert_true(n < 100);
    }
    assert_int_equal(t.rows, 2);
    table_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_dialects),
        cmocka_unit_test(reads_quotes),
        cmocka_unit_test(finds_delimiters),
        cmocka_unit_test(finds_headers),
        cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_endless_rows),
        cmocka_unit_test(reads_many_rows),
        cmocka_unit_test(reads_pipes_row_by_row),
        cmocka_unit_test(refuses_paths),
        cmocka_unit_test(refuses_unreadable_files),
        cmocka_unit_test(reads_gzip),
        cmocka_unit_test(refuses_broken_gzip),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
