/* stream.h: bytes from a file, standard input or memory, unpacked if they are gzip. For the readers of data/; knows
 * base/ and POSIX files. Streams deliver what has arrived: a pipe is never waited on for more than the next bytes. */
#ifndef DATA_STREAM_H
#define DATA_STREAM_H

#include "base/memory.h"
#include <stdbool.h>

typedef struct Stream Stream;

/* A source of bytes. read sets *got, 0 at the end; inner is what a filter such as gzip reads from. */
struct Stream {
    char *name; /* for messages */
    int (*read)(Stream *s, unsigned char *bytes, size_t room, size_t *got, Error *e);
    void (*close)(Stream *s);
    Stream *inner;
    void *state;
    const unsigned char *memory; /* what is left of a stream from memory */
    size_t memory_left;
    int file;
    unsigned char head[2]; /* bytes looked at but not yet delivered */
    size_t head_count;
};

/* Opens a file, or standard input for "-". A missing file or a directory is NUDGE_INPUT, permission NUDGE_MACHINE.
 * On failure *s is NULL. */
int stream_open(Stream **s, const char *path, Error *e);

/* Reads from memory that the caller keeps until the stream is closed. */
int stream_memory(Stream **s, const char *name, const void *bytes, size_t size, Error *e);

/* Delivers up to room bytes, at least one unless the end is reached. */
int stream_read(Stream *s, void *bytes, size_t room, size_t *got, Error *e);

/* Delivers room bytes, fewer only at the end. */
int stream_read_all(Stream *s, void *bytes, size_t room, size_t *got, Error *e);

void stream_close(Stream *s); /* NULL is fine */

#endif
