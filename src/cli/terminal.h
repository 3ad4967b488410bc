/* terminal.h: shows a job's events: results on standard output, progress and messages on standard error. On a terminal
 * one line moves, redrawn at most ten times a second; elsewhere each epoch is a plain line. For main.c. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <nudge.h>
#include <stdbool.h>
#include <stdio.h>

enum { TERMINAL_LINE = 1024 };

typedef struct Terminal {
    FILE *results;            /* for "result" and "row"; the events themselves with `json` */
    bool json, quiet;         /* one object a line; results and errors only */
    bool moving;              /* standard error is a terminal that can redraw a line, and may */
    bool listing;             /* rows of results go to the same screen, so no line can move */
    double drawn;             /* when it was drawn last, in seconds; 0: there is none on the screen */
    bool late;                /* `line` is newer than what is on the screen */
    char line[TERMINAL_LINE]; /* that moves */
    int failure;              /* errno of the first write of results that failed */
} Terminal;

void terminal_open(Terminal *t, bool json, bool quiet);

/* A nudge_listener; context is the Terminal. Asks to stop after a signal, or when nobody reads the results. */
int terminal_show(void *context, const nudge_event *event);

/* Leaves the moving line behind, and delivers the results. */
void terminal_end(Terminal *t);

/* "nudge: MESSAGE" */
void terminal_complain(Terminal *t, const char *message);

#endif
