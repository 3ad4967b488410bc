/* error.c: see error.h. */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

int error_setv(Error *e, int status, const char *format, va_list args)
{
    if (e->status) return e->status;
    vsnprintf(e->message, sizeof e->message, format, args);
    return e->status = status;
}

int error_set(Error *e, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_setv(e, status, format, args);
    va_end(args);
    return e->status;
}

int error_memory(Error *e)
{
    return error_set(e, NUDGE_MACHINE, "out of memory");
}

_Noreturn void error_escape(Error *e)
{
    longjmp(*e->escape, 1);
}

_Noreturn void error_raise(Error *e, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_setv(e, status, format, args);
    va_end(args);
    error_escape(e);
}

void error_clear(Error *e)
{
    e->status = NUDGE_OK;
    e->message[0] = 0;
}

int error_catch(Error *e, void (*body)(void *context), void *context)
{
    jmp_buf here;
    jmp_buf *volatile outer = e->escape;
    if (!setjmp(here)) {
        e->escape = &here;
        body(context);
    }
    e->escape = outer;
    return e->status;
}
