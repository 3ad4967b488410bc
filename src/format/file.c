/* file.c: see file.h. */
#include "format/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What to do about the reasons that people meet; those that are theirs to mend count as input. */
static const struct {
    int reason, status;
    const char *advice;
} file_advice[] = {
    {ENOENT, NUDGE_INPUT, "check the path"},
    {ENOTDIR, NUDGE_INPUT, "a part of the path is a file, not a directory"},
    {EISDIR, NUDGE_INPUT, "name a file in it"},
    {ENAMETOOLONG, NUDGE_INPUT, "choose a shorter path"},
    {EACCES, NUDGE_MACHINE, "change its permissions or choose another place"},
    {EPERM, NUDGE_MACHINE, "change its permissions or choose another place"},
    {EROFS, NUDGE_MACHINE, "choose a place that can be written"},
    {ENOSPC, NUDGE_MACHINE, "make room on the disk or choose another place"},
    {EDQUOT, NUDGE_MACHINE, "make room in your quota or choose another place"},
    {EFBIG, NUDGE_MACHINE, "raise the limit on file sizes or choose another place"},
};

static int file_explain(const char *path, const char *action, int reason, const char *note, Error *e)
{
    if (reason == ENOMEM) return error_memory(e);
    for (size_t i = 0; i < sizeof file_advice / sizeof *file_advice; i++)
        if (file_advice[i].reason == reason)
            return error_set(e, file_advice[i].status, "%s: cannot %s: %s%s; %s", path, action,
                             strerror(reason), note, file_advice[i].advice);
    return error_set(e, NUDGE_MACHINE, "%s: cannot %s: %s%s", path, action, strerror(reason), note);
}

int file_fail(const char *path, const char *action, int reason, Error *e)
{
    return file_explain(path, action, reason, "", e);
}

/* ---- Reading ---------------------------------------------------------------------------------------------- */

/* One read(2), again if a signal came. */
static ssize_t file_get(int handle, char *bytes, size_t room)
{
    ssize_t got;
    do
        got = read(handle, bytes, room);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Reads to the end, whatever the size is said to be: a pipe has none, a file may grow. */
static int file_read_all(int handle, size_t expected, char **bytes, size_t *size)
{
    enum { FILE_CHUNK = 64 * 1024 };
    size_t room = 0;
    for (;;) {
        size_t more = *size < expected ? expected - *size : FILE_CHUNK;
        if (!memory_grow(bytes, &room, *size + more + 1, 1)) return ENOMEM;
        ssize_t got = file_get(handle, *bytes + *size, room - *size - 1);
        if (got < 0) return errno;
        (*bytes)[ *size += (size_t)got] = 0;
        if (!got) return 0;
    }
}

static int file_read_open(int handle, char **bytes, size_t *size)
{
    struct stat status;
    if (fstat(handle, &status)) return errno;
    if (S_ISDIR(status.st_mode)) return EISDIR;
    /* One byte more than it has, so that the end is found without growing. */
    return file_read_all(handle, S_ISREG(status.st_mode) ? (size_t)status.st_size + 1 : 0, bytes, size);
}

int file_read(const char *path, char **bytes, size_t *size, Error *e)
{
    *bytes = NULL;
    *size = 0;
    int handle = open(path, O_RDONLY | O_CLOEXEC);
    int reason = handle < 0 ? errno : file_read_open(handle, bytes, size);
    if (handle >= 0) close(handle);
    if (!reason) return NUDGE_OK;
    memory_release(*bytes);
    *bytes = NULL;
    return file_fail(path, "read", reason, e);
}

/* ---- Writing ---------------------------------------------------------------------------------------------- */

int file_put(int handle, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size) {
        ssize_t put = write(handle, at, size < SSIZE_MAX ? size : SSIZE_MAX);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno;
        at += put;
        size -= (size_t)put;
    }
    return 0;
}

/* A new file beside the path. Its name is taken only by a write that goes on at this moment or was cut short. */
static int file_open_temporary(FileWriter *w)
{
    enum { FILE_TRIES = 1000 };
    size_t room = strlen(w->path) + 64;
    char *name = memory_new(room, 1);
    if (!name) return ENOMEM;
    int reason = EEXIST;
    for (int i = 0; i < FILE_TRIES && reason == EEXIST; i++) {
        snprintf(name, room, "%s.%ld-%d.tmp", w->path, (long)getpid(), i);
        w->handle = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        reason = w->handle < 0 ? errno : 0;
    }
    if (reason)
        memory_release(name);
    else
        w->temporary = name;
    return reason;
}

static int file_open_target(FileWriter *w, const char *path)
{
    char real[PATH_MAX];
    struct stat status;
    bool exists = !stat(path, &status);
    if (exists && S_ISDIR(status.st_mode)) return EISDIR;
    if (exists && realpath(path, real)) path = real; /* a link stays a link */
    if (!(w->path = memory_string(path))) return ENOMEM;
    if (!exists || S_ISREG(status.st_mode)) {
        int reason = file_open_temporary(w);
        if (!reason && exists && fchmod(w->handle, status.st_mode & 0777)) return errno;
        return reason;
    }
    w->handle = open(path, O_WRONLY | O_CLOEXEC);
    return w->handle < 0 ? errno : 0;
}

static int file_fail_write(const char *path, int reason, Error *e)
{
    return file_explain(path, "write", reason, "; nothing was changed", e);
}

int file_open(FileWriter *w, const char *path, Error *e)
{
    *w = (FileWriter){.handle = -1};
    int reason = file_open_target(w, path);
    if (!reason) return NUDGE_OK;
    file_abandon(w);
    return file_fail_write(path, reason, e);
}

void file_append(FileWriter *w, const void *bytes, size_t size)
{
    if (!w->failure) w->failure = file_put(w->handle, bytes, size);
}

/* The new name lasts once its directory is on the disk. Not every file system can be asked to do that, and the file is
 * in place already, so a refusal is no failure. */
static void file_sync_directory(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    if (length >= sizeof directory) return;
    memcpy(directory, path, length);
    directory[length] = 0;
    int handle = open(length ? directory : ".", O_RDONLY | O_CLOEXEC);
    if (handle < 0) return;
    fsync(handle);
    close(handle);
}

static int file_finish(FileWriter *w)
{
    if (w->failure) return w->failure;
    if (w->temporary && fsync(w->handle)) return errno;
    int handle = w->handle;
    w->handle = -1;
    if (close(handle)) return errno; /* some file systems tell of a full disk only now */
    if (!w->temporary) return 0;
    if (rename(w->temporary, w->path)) return errno;
    file_sync_directory(w->path);
    memory_release(w->temporary);
    w->temporary = NULL;
    return 0;
}

int file_commit(FileWriter *w, Error *e)
{
    int reason = file_finish(w), status = NUDGE_OK;
    if (reason)
        status = w->temporary ? file_fail_write(w->path, reason, e) : file_fail(w->path, "write", reason, e);
    file_abandon(w);
    return status;
}

void file_abandon(FileWriter *w)
{
    if (w->handle >= 0) close(w->handle);
    if (w->temporary) unlink(w->temporary);
    memory_release(w->temporary);
    memory_release(w->path);
    *w = (FileWriter){.handle = -1};
}

int file_write(const char *path, const void *bytes, size_t size, Error *e)
{
    FileWriter w;
    int status = file_open(&w, path, e);
    if (status) return status;
    file_append(&w, bytes, size);
    return file_commit(&w, e);
}

/* ---- Directories ------------------------------------------------------------------------------------------ */

static int file_make_directory(const char *path)
{
    struct stat status;
    if (!mkdir(path, 0777)) return 0;
    int reason = errno; /* a root that cannot be written may well be there */
    if (stat(path, &status)) return reason;
    return S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
}

int file_directory(const char *path, Error *e)
{
    char *part = memory_string(path);
    if (!part) return error_memory(e);
    int reason = *part ? 0 : ENOENT;
    for (char *at = part; !reason && *at; at++) {
        if (at == part || *at != '/') continue;
        *at = 0;
        reason = file_make_directory(part);
        *at = '/';
    }
    if (!reason) reason = file_make_directory(part);
    memory_release(part);
    return reason ? file_fail(path, "make the directory", reason, e) : NUDGE_OK;
}
