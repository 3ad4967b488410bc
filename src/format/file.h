/* file.h: whole files in and out. Used by formats, checkpoints and jobs; knows base/ and POSIX.
 *
 * A file is replaced whole or not at all: its bytes go to a temporary file beside it, which is renamed over it once
 * they are on the disk. What cannot be replaced (a pipe, a device such as /dev/null) is written directly. */
#ifndef FORMAT_FILE_H
#define FORMAT_FILE_H

#include "base/text.h"

/* Reads a whole file: *size bytes and one 0 after them. The caller releases *bytes (NULL on failure). A missing file or
 * a directory is NUDGE_INPUT; what the machine refuses is NUDGE_MACHINE. */
int file_read(const char *path, char **bytes, size_t *size, Error *e);

/* Replaces a file, or makes it. On failure nothing is changed. */
int file_write(const char *path, const void *bytes, size_t size, Error *e);

/* The same in parts: open, append as often as needed, then commit or abandon (which releases; each is fine after a
 * failed file_open). The first failure of an append is reported by commit. */
typedef struct FileWriter {
    char *path, *temporary; /* temporary is NULL when the file is written directly */
    int handle;
    int failure; /* errno of the first failed append */
} FileWriter;

int file_open(FileWriter *w, const char *path, Error *e);
void file_append(FileWriter *w, const void *bytes, size_t size);
int file_commit(FileWriter *w, Error *e);
void file_abandon(FileWriter *w);

/* Makes a directory and its parents; fine if it is there. */
int file_directory(const char *path, Error *e);

/* Writes all bytes to an open file, however the system cuts them up. Returns 0 or errno. */
int file_put(int handle, const void *bytes, size_t size);

/* Fills e for an errno about a path: "PATH: cannot ACTION: REASON; what to do". */
int file_fail(const char *path, const char *action, int reason, Error *e);

#endif
