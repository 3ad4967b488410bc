/* error.h: how every folder reports failure. Used by all; knows only the status codes of nudge.h.
 *
 * There are two ways, and a folder uses one of them:
 *  - Code that owns resources (files, threads: data, format, train, cli) returns a status and fills an Error:
 *        return error_set(e, NUDGE_INPUT, "%s: is a directory; name a file", path);
 *  - Code that only builds structures in an Arena (graph, notation, autodiff, plan) calls error_raise, which
 *    unwinds to the innermost error_catch, as Lua does. So building code reads as if nothing could fail.
 *
 * The first error sticks: a later one never overwrites it. A message is one sentence that says what is wrong,
 * where, and what to do. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <nudge.h>
#include <setjmp.h>
#include <stdarg.h>

enum { ERROR_ROOM = 4096 };

typedef struct Error {
    int status;               /* NUDGE_OK until something failed */
    jmp_buf *escape;          /* where error_raise goes; NULL outside error_catch */
    char message[ERROR_ROOM]; /* the sentence, UTF-8, truncated if longer */
} Error;

/* Records status and message unless an error is already there. Returns e->status. */
int error_set(Error *e, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
int error_setv(Error *e, int status, const char *format, va_list args);

/* Shorthand for a failed allocation: NUDGE_MACHINE, "out of memory". */
int error_memory(Error *e);

/* As error_set, then unwinds to the innermost error_catch. */
_Noreturn void error_raise(Error *e, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Unwinds with the error already recorded. */
_Noreturn void error_escape(Error *e);

/* Forgets the error, so that e can be used again. */
void error_clear(Error *e);

/* Runs body(context); returns NUDGE_OK, or the status of the error raised in it. May be nested. */
int error_catch(Error *e, void (*body)(void *context), void *context);

#endif
