/* test_file.c: files are replaced whole or not at all, and log.csv can be cut back and continued. */
#include "format/csvlog.h"
#include "format/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_heap.h"

static char folder[] = "/tmp/nudge_file_XXXXXX";
static char path[64];

static int enter(void **state)
{
    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/log.csv", folder);
    return 0;
}

static size_t folder_count(void)
{
    size_t count = 0;
    DIR *d = opendir(folder);
    for (struct dirent *entry; (entry = readdir(d));)
        count += entry->d_name[0] != '.';
    closedir(d);
    return count;
}

static int leave(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void expect_content(const char *expected)
{
    Error e = {0};
    char *bytes;
    size_t size;
    assert_int_equal(file_read(path, &bytes, &size, &e), NUDGE_OK);
    assert_int_equal(size, strlen(expected));
    assert_string_equal(bytes, expected);
    memory_release(bytes);
}

static void expect_failure(int status, const Error *e, int expected, const char *fragment)
{
    assert_int_equal(status, expected);
    if (!strstr(e->message, fragment)) assert_string_equal(e->message, fragment);
}

static void put(const char *text)
{
    Error e = {0};
    assert_int_equal(file_write(path, text, strlen(text), &e), NUDGE_OK);
}

static void writes_and_reads(void **state)
{
    (void)state;
    put("first");
    expect_content("first");
    assert_int_equal(chmod(path, 0640), 0);
    put("");
    expect_content("");
    size_t size = 300000, got;
    char *large = calloc(size, 1), *bytes;
    large[size - 1] = 'x';
    Error e = {0};
    assert_int_equal(file_write(path, large, size, &e), NUDGE_OK);
    assert_int_equal(file_read(path, &bytes, &got, &e), NUDGE_OK);
    assert_int_equal(got, size);
    assert_memory_equal(bytes, large, size);
    assert_int_equal(bytes[size], 0);
    memory_release(bytes);
    free(large);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    assert_int_equal(folder_count(), 1);
}

static void follows_links(void **state)
{
    (void)state;
    put("target");
    char link[80];
    snprintf(link, sizeof link, "%s/link", folder);
    assert_int_equal(symlink("log.csv", link), 0);
    Error e = {0};
    assert_int_equal(file_write(link, "new", 3, &e), NUDGE_OK);
    expect_content("new");
    struct stat status;
    assert_int_equal(lstat(link, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
}

static void writes_devices(void **state)
{
    (void)state;
    Error e = {0};
    assert_int_equal(file_write("/dev/null", "x", 1, &e), NUDGE_OK);
    struct stat status;
    assert_int_equal(stat("/dev/null", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
    if (access("/dev/full", W_OK)) return;
    expect_failure(
        file_write("/dev/full", "x", 1, &e), &e, NUDGE_MACHINE,
        "/dev/full: cannot write: No space left on device; make room on the disk or choose another place");
}

static void abandons(void **state)
{
    (void)state;
    put("old");
    FileWriter w;
    Error e = {0};
    assert_int_equal(file_open(&w, path, &e), NUDGE_OK);
    file_append(&w, "half", 4);
    assert_int_equal(folder_count(), 2);
    file_abandon(&w);
    expect_content("old");
    assert_int_equal(folder_count(), 1);
}

/* A full disk, as a limit on the size of files plays it. */
static void keeps_old_when_full(void **state)
{
    (void)state;
    put("old");
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    char bytes[2000] = {0};
    Error e = {0};
    int status = file_write(path, bytes, sizeof bytes, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    expect_failure(
        status, &e, NUDGE_MACHINE,
        "log.csv: cannot write: File too large; nothing was changed; raise the limit on file sizes or choose "
        "another place");
    expect_content("old");
    assert_int_equal(folder_count(), 1);
}

static void refuses_read_only(void **state)
{
    (void)state;
    put("old");
    bool root = geteuid() == 0; /* whom no permission stops */
    assert_int_equal(chmod(folder, 0555), 0);
    if (root) assert_int_equal(seteuid(65534), 0);
    Error e = {0}, made = {0};
    char inner[80];
    snprintf(inner, sizeof inner, "%s/a/b", folder);
    int status = file_write(path, "new", 3, &e), directory = file_directory(inner, &made);
    if (root) assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    expect_failure(
        status, &e, NUDGE_MACHINE,
        "log.csv: cannot write: Permission denied; nothing was changed; change its permissions or choose "
        "another place");
    expect_failure(directory, &made, NUDGE_MACHINE, "a/b: cannot make the directory: Permission denied");
    expect_content("old");
}

static void refuses_paths(void **state)
{
    (void)state;
    char *bytes, missing[80], below[80];
    size_t size;
    snprintf(missing, sizeof missing, "%s/none/x", folder);
    snprintf(below, sizeof below, "%s/x", path);
    put("file");
    Error e = {0};
    expect_failure(file_read(missing, &bytes, &size, &e), &e, NUDGE_INPUT,
                   "none/x: cannot read: No such file or directory; check the path");
    assert_null(bytes);
    error_clear(&e);
    expect_failure(file_read(folder, &bytes, &size, &e), &e, NUDGE_INPUT,
                   "cannot read: Is a directory; name a file in it");
    error_clear(&e);
    expect_failure(file_write(folder, "x", 1, &e), &e, NUDGE_INPUT,
                   "cannot write: Is a directory; nothing was changed");
    error_clear(&e);
    expect_failure(file_write(missing, "x", 1, &e), &e, NUDGE_INPUT,
                   "none/x: cannot write: No such file or directory");
    error_clear(&e);
    expect_failure(file_directory(below, &e), &e, NUDGE_INPUT,
                   "a part of the path is a file, not a directory");
    error_clear(&e);
    expect_failure(file_directory(path, &e), &e, NUDGE_INPUT, "cannot make the directory: Not a directory");
    error_clear(&e);
    expect_failure(file_directory("", &e), &e, NUDGE_INPUT, "cannot make the directory: No such file");
}

static void makes_directories(void **state)
{
    (void)state;
    char inner[80];
    snprintf(inner, sizeof inner, "%s/a//b/c/", folder);
    Error e = {0};
    assert_int_equal(file_directory(inner, &e), NUDGE_OK);
    assert_int_equal(file_directory(inner, &e), NUDGE_OK);
    struct stat status;
    assert_int_equal(stat(inner, &status), 0);
    assert_true(S_ISDIR(status.st_mode));
    assert_int_equal(file_directory("/", &e), NUDGE_OK);
}

static const char *const columns[] = {"step", "loss", "grad norm, \"max\""};

static void log_rows(Csvlog *log, double first, double last)
{
    Error e = {0};
    for (double step = first; step <= last; step++)
        assert_int_equal(csvlog_row(log, (double[]){step, 1 / step, step == 2 ? (double)NAN : HUGE_VAL}, &e),
                         NUDGE_OK);
}

static void logs(void **state)
{
    (void)state;
    static const char whole[] =
        "step,loss,\"grad norm, \"\"max\"\"\"\n1,1,inf\n2,0.5,\n3,0.3333333333333333,inf\n";
    Csvlog log;
    Error e = {0};
    put("something else");
    assert_int_equal(csvlog_create(&log, path, columns, 3, &e), NUDGE_OK);
    log_rows(&log, 1, 3);
    expect_content(whole); /* before it is closed, too */
    csvlog_close(&log);
    assert_int_equal(csvlog_resume(&log, path, columns, 3, 3, &e), NUDGE_OK);
    expect_content(whole);
    csvlog_close(&log);
    assert_int_equal(csvlog_resume(&log, path, columns, 3, 1, &e), NUDGE_OK);
    log_rows(&log, 2, 3);
    csvlog_close(&log);
    expect_content(whole);
    put("step,loss,\"grad norm, \"\"max\"\"\"\n1,1,inf\n2,0.");
    assert_int_equal(csvlog_resume(&log, path, columns, 3, 100, &e), NUDGE_OK);
    log_rows(&log, 2, 3);
    csvlog_close(&log);
    expect_content(whole);
    assert_int_equal(csvlog_resume(&log, path, columns, 3, 0, &e), NUDGE_OK);
    csvlog_close(&log);
    expect_content("step,loss,\"grad norm, \"\"max\"\"\"\n");
    for (int empty = 0; empty < 2; empty++) {
        if (empty)
            put("");
        else
            unlink(path);
        assert_int_equal(csvlog_resume(&log, path, columns, 3, 100, &e), NUDGE_OK);
        log_rows(&log, 1, 3);
        csvlog_close(&log);
        expect_content(whole);
    }
}

static void refuses_logs(void **state)
{
    (void)state;
    Csvlog log;
    Error e = {0};
    put("step,accuracy\n1,0.5\n");
    expect_failure(
        csvlog_resume(&log, path, columns, 3, 1, &e), &e, NUDGE_INPUT,
        "log.csv:1: the columns are not those of this run, which are step,loss,\"grad norm, \"\"max\"\"\"; move "
        "the file away");
    expect_content("step,accuracy\n1,0.5\n");
    error_clear(&e);
    expect_failure(csvlog_create(&log, folder, columns, 3, &e), &e, NUDGE_INPUT,
                   "cannot write: Is a directory");
    csvlog_close(&log);
    if (access("/dev/full", W_OK)) return;
    error_clear(&e);
    expect_failure(csvlog_create(&log, "/dev/full", columns, 3, &e), &e, NUDGE_MACHINE,
                   "No space left on device");
}

static int do_everything(Error *e)
{
    Csvlog log;
    int status = file_directory(folder, e);
    if (!status) status = csvlog_resume(&log, path, columns, 3, 1, e);
    if (status) return status;
    status = csvlog_row(&log, (double[]){2, 0.5, 0.25}, e);
    csvlog_close(&log);
    return status ? status : file_write(path, "step\n", 5, e);
}

static void allocations(void **state)
{
    (void)state;
    Error e = {.status = NUDGE_MACHINE};
    for (int n = 0; e.status; n++) {
        put("step,loss,\"grad norm, \"\"max\"\"\"\n1,1,1\n2,2,2\n");
        int left = n;
        error_clear(&e);
        nudge_allocator(failing_heap, &left);
        int status = do_everything(&e);
        nudge_allocator(NULL, NULL);
        assert_int_equal(status, e.status);
        if (status) assert_string_equal(e.message, "out of memory");
        assert_int_equal(folder_count(), 1);
    }
    expect_content("step\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {
        TEST(writes_and_reads), TEST(follows_links),       TEST(writes_devices),
        TEST(abandons),         TEST(keeps_old_when_full), TEST(refuses_read_only),
        TEST(refuses_paths),    TEST(makes_directories),   TEST(logs),
        TEST(refuses_logs),     TEST(allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
