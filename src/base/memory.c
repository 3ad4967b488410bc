/* memory.c: see memory.h. */
#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 64, ARENA_BLOCK = 32 * 1024, ARENA_ALIGN = 16 };

static void *heap_default(void *context, void *block, size_t size)
{
    (void)context;
    if (size) return realloc(block, size);
    free(block);
    return NULL;
}

/* The one piece of process-wide state: which heap to use. Set before anything else is called. */
static struct {
    nudge_heap *heap;
    void *context;
} memory_hook = {heap_default, NULL};

NUDGE_API void nudge_allocator(nudge_heap *heap, void *context)
{
    memory_hook.heap = heap ? heap : heap_default;
    memory_hook.context = context;
}

/* A block is preceded by a header that remembers what the hook returned and the size asked for. */
typedef struct Header {
    void *raw;
    size_t size;
} Header;

static Header *header_of(void *block)
{
    return (Header *)block - 1;
}

static void *memory_align(char *raw)
{
    return (void *)(((uintptr_t)raw + sizeof(Header) + LINE - 1) & ~(uintptr_t)(LINE - 1));
}

static void *memory_take(size_t size)
{
    if (size > SIZE_MAX / 2) return NULL;
    char *raw = memory_hook.heap(memory_hook.context, NULL, size + LINE + sizeof(Header));
    if (!raw) return NULL;
    void *block = memory_align(raw);
    *header_of(block) = (Header){raw, size};
    return block;
}

static int memory_bytes(size_t count, size_t size, size_t *bytes)
{
    return !__builtin_mul_overflow(count, size, bytes);
}

void *memory_new(size_t count, size_t size)
{
    size_t bytes;
    return memory_bytes(count, size, &bytes) ? memory_take(bytes) : NULL;
}

void *memory_zero(size_t count, size_t size)
{
    void *block = memory_new(count, size);
    if (block) memset(block, 0, count * size);
    return block;
}

/* The heap may grow a block in place or move its pages, so large arrays grow without being there twice. Where the block
 * comes to lie otherwise in its cache line, its contents move by as much. */
void *memory_resize(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (!memory_bytes(count, size, &bytes) || bytes > SIZE_MAX / 2) return NULL;
    if (!block) return memory_take(bytes);
    Header before = *header_of(block);
    size_t offset = (size_t)((char *)block - (char *)before.raw),
           kept = before.size < bytes ? before.size : bytes;
    char *raw = memory_hook.heap(memory_hook.context, before.raw, bytes + LINE + sizeof(Header));
    if (!raw) return NULL;
    void *resized = memory_align(raw);
    if (resized != raw + offset) memmove(resized, raw + offset, kept);
    *header_of(resized) = (Header){raw, bytes};
    return resized;
}

void memory_release(void *block)
{
    if (block) memory_hook.heap(memory_hook.context, header_of(block)->raw, 0);
}

size_t memory_size(const void *block)
{
    return block ? ((const Header *)block - 1)->size : 0;
}

char *memory_string(const char *s)
{
    size_t bytes = strlen(s) + 1;
    char *copy = memory_new(bytes, 1);
    return copy ? memcpy(copy, s, bytes) : NULL;
}

int memory_grow(void *array_pointer, size_t *room, size_t need, size_t size)
{
    if (need <= *room) return 1;
    size_t more = *room < 8 ? 8 : *room * 2;
    if (more < need) more = need;
    void *old, *bigger;
    memcpy(&old, array_pointer, sizeof old);
    if (!(bigger = memory_resize(old, more, size))) return 0;
    memcpy(array_pointer, &bigger, sizeof bigger);
    *room = more;
    return 1;
}

struct ArenaBlock {
    struct ArenaBlock *older;
    _Alignas(ARENA_ALIGN) char bytes[];
};

void arena_init(Arena *a, Error *error)
{
    *a = (Arena){.error = error};
}

void arena_free(Arena *a)
{
    while (a->blocks) {
        struct ArenaBlock *older = a->blocks->older;
        memory_release(a->blocks);
        a->blocks = older;
    }
    a->used = a->room = 0;
}

size_t arena_bytes(const Arena *a)
{
    size_t bytes = 0;
    for (struct ArenaBlock *b = a->blocks; b; b = b->older)
        bytes += header_of(b)->size;
    return bytes;
}

void *arena_new(Arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (!memory_bytes(count, size, &bytes) || bytes > SIZE_MAX / 4) {
        error_memory(a->error);
        error_escape(a->error);
    }
    bytes = (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    if (!a->blocks || a->used + bytes > a->room) {
        size_t room = bytes > ARENA_BLOCK ? bytes : ARENA_BLOCK;
        struct ArenaBlock *block = memory_new(1, sizeof *block + room);
        if (!block) {
            error_memory(a->error);
            error_escape(a->error);
        }
        block->older = a->blocks;
        a->blocks = block;
        a->used = 0;
        a->room = room;
    }
    void *at = a->blocks->bytes + a->used;
    a->used += bytes;
    return memset(at, 0, bytes);
}

char *arena_string(Arena *a, const char *s, size_t length)
{
    char *copy = arena_new(a, length + 1, 1);
    memcpy(copy, s, length);
    return copy;
}

char *arena_print(Arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *s = arena_new(a, (size_t)length + 1, 1);
    vsnprintf(s, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return s;
}
