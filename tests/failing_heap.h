/* failing_heap.h: a heap for nudge_allocator that gives out as many blocks as the int behind its context says, then
 * none. Tests count up from 0, so that every allocation in turn is the first to fail. */
#ifndef TESTS_FAILING_HEAP_H
#define TESTS_FAILING_HEAP_H

#include <stddef.h>
#include <stdlib.h>

static void *failing_heap(void *context, void *block, size_t size)
{
    int *left = context;
    if (size) return (*left)-- > 0 ? realloc(block, size) : NULL;
    free(block);
    return NULL;
}

#endif
