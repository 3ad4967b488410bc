/* csvlog.c: see csvlog.h. */
#include "format/csvlog.h"
#include "format/file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static void csvlog_name(Text *out, const char *name)
{
    if (!name[strcspn(name, ",\"\r\n")]) {
        text_print(out, "%s", name);
        return;
    }
    text_put(out, '"');
    for (; *name; name++)
        text_print(out, *name == '"' ? "\"\"" : "%c", *name);
    text_put(out, '"');
}

static void csvlog_header(Text *out, const char *const *columns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i) text_put(out, ',');
        csvlog_name(out, columns[i]);
    }
    text_put(out, '\n');
}

static int csvlog_put(Csvlog *log, Error *e)
{
    if (log->row.failed) return error_memory(e);
    int reason = file_put(log->handle, log->row.s, log->row.length);
    return reason ? file_fail(log->path, "write", reason, e) : NUDGE_OK;
}

/* Opens the file at its end, after its first `keep` bytes, and writes what stands in the row. */
static int csvlog_open(Csvlog *log, const char *path, size_t keep, Error *e)
{
    if (log->row.failed || !(log->path = memory_string(path))) return error_memory(e);
    log->handle = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log->handle < 0) return file_fail(path, "write", errno, e);
    if (ftruncate(log->handle, (off_t)keep) && errno != EINVAL) /* a device has no length to cut */
        return file_fail(path, "cut back", errno, e);
    return csvlog_put(log, e);
}

static int csvlog_begin(Csvlog *log, const char *path, const char *const *columns, size_t count, Error *e)
{
    csvlog_header(&log->row, columns, count);
    log->columns = count;
    return csvlog_open(log, path, 0, e);
}

int csvlog_create(Csvlog *log, const char *path, const char *const *columns, size_t count, Error *e)
{
    *log = (Csvlog){.handle = -1};
    int status = csvlog_begin(log, path, columns, count, e);
    if (status) csvlog_close(log);
    return status;
}

/* The place of `step` among the columns; count if it is not there. */
static size_t csvlog_step_column(const char *const *columns, size_t count)
{
    size_t i = 0;
    while (i < count && strcmp(columns[i], "step"))
        i++;
    return i;
}

/* Field `column` of the row [s, end) as a number; NaN if there is none. */
static double csvlog_field(const char *s, const char *end, size_t column)
{
    double value;
    for (; column; column--) {
        s = memchr(s, ',', (size_t)(end - s));
        if (!s) return (double)NAN;
        s++;
    }
    const char *stop = memchr(s, ',', (size_t)(end - s));
    return number_is(s, (size_t)((stop ? stop : end) - s), &value) ? value : (double)NAN;
}

/* The bytes up to the first row that is later than `step`, or not whole, as the last one of a killed run may be. */
static size_t csvlog_keep(const char *bytes, size_t size, size_t header, size_t column, double step)
{
    const char *at = bytes + header, *end = bytes + size, *stop;
    while ((stop = memchr(at, '\n', (size_t)(end - at))) && csvlog_field(at, stop, column) <= step)
        at = stop + 1;
    return (size_t)(at - bytes);
}

static int csvlog_continue(Csvlog *log, const char *path, const char *const *columns, size_t count,
                           double step, const char *bytes, size_t size, Error *e)
{
    Text header = {0};
    csvlog_header(&header, columns, count);
    int status = header.failed ? error_memory(e) : NUDGE_OK;
    if (!status && (size < header.length || memcmp(bytes, header.s, header.length)))
        status = error_set(e, NUDGE_INPUT,
                           "%s:1: the columns are not those of this run, which are %.*s; move the file away",
                           path, (int)header.length - 1, header.s);
    size_t column = csvlog_step_column(columns, count);
    if (!status) status = csvlog_open(log, path, csvlog_keep(bytes, size, header.length, column, step), e);
    text_free(&header);
    log->columns = count;
    return status;
}

int csvlog_resume(Csvlog *log, const char *path, const char *const *columns, size_t count, double step,
                  Error *e)
{
    *log = (Csvlog){.handle = -1};
    char *bytes = NULL;
    size_t size = 0;
    int status = access(path, F_OK) ? NUDGE_OK : file_read(path, &bytes, &size, e);
    if (!status && !size)
        status = csvlog_begin(log, path, columns, count, e);
    else if (!status)
        status = csvlog_continue(log, path, columns, count, step, bytes, size, e);
    memory_release(bytes);
    if (status) csvlog_close(log);
    return status;
}

int csvlog_row(Csvlog *log, const double *values, Error *e)
{
    log->row.length = 0;
    for (size_t i = 0; i < log->columns; i++) {
        if (i) text_put(&log->row, ',');
        if (!isnan(values[i])) text_number(&log->row, values[i]);
    }
    text_put(&log->row, '\n');
    return csvlog_put(log, e);
}

void csvlog_close(Csvlog *log)
{
    if (log->path && log->handle >= 0) close(log->handle);
    memory_release(log->path);
    text_free(&log->row);
    *log = (Csvlog){.handle = -1};
}
