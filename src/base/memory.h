/* memory.h: the only door to the heap. Used by all folders; knows error.h.
 *
 * Every allocation goes through one hook (nudge_allocator in nudge.h), so that a test can make the n-th one fail
 * and an embedding program can supply its own heap. Blocks are aligned to 64 bytes, a cache line. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include "base/error.h"
#include <stddef.h>

/* Like malloc, calloc, realloc and free, but count * size is checked for overflow and alignment is 64 bytes.
 * NULL on failure. A count or size of 0 gives a block that may not be used but must be released. */
void *memory_new(size_t count, size_t size);  /* contents undefined */
void *memory_zero(size_t count, size_t size); /* contents zero */
void *memory_resize(void *block, size_t count, size_t size);
void memory_release(void *block);      /* NULL is fine */
size_t memory_size(const void *block); /* bytes that it was asked for; 0 of NULL */
char *memory_string(const char *s);    /* a copy; NULL on failure */

/* Makes room for `need` elements in a growing array; doubles `*room`. 0 on failure, the array untouched. */
int memory_grow(void *array_pointer, size_t *room, size_t need, size_t size);

/* An arena: many small allocations, released together. Failure raises NUDGE_MACHINE through `error`. */
typedef struct Arena {
    Error *error;
    struct ArenaBlock *blocks; /* newest first */
    size_t used, room;         /* of the newest block */
} Arena;

void arena_init(Arena *a, Error *error);
void arena_free(Arena *a);
size_t arena_bytes(const Arena *a);                   /* of all its blocks */
void *arena_new(Arena *a, size_t count, size_t size); /* zeroed, aligned for any type; raises on failure */
char *arena_string(Arena *a, const char *s, size_t length);
char *arena_print(Arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
