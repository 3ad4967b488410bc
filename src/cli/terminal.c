/* terminal.c: see terminal.h. */
#include "cli/terminal.h"

#include "base/text.h"
#include "cli/signals.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define TERMINAL_PAUSE 0.1 /* seconds between two drawings of the moving line */

/* https://no-color.org; a dumb terminal cannot go back to the start of a line. */
static bool terminal_is_plain(void)
{
    const char *no_color = getenv("NO_COLOR"), *kind = getenv("TERM");
    return !isatty(STDERR_FILENO) || (no_color && *no_color) || !kind || !*kind || !strcmp(kind, "dumb");
}

void terminal_open(Terminal *t, bool json, bool quiet)
{
    *t = (Terminal){.results = stdout, .json = json, .quiet = quiet, .moving = !terminal_is_plain()};
}

/* ---- The moving line ----------------------------------------------------------------------------------- */

static double terminal_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static size_t terminal_width(void)
{
    struct winsize size;
    return !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : 80;
}

/* The bytes of a line's first `width` characters. */
static size_t terminal_fit(const char *line, size_t width)
{
    const char *at = line, *end = line + strlen(line);
    while (at < end && width--) {
        size_t length = utf8_length(at, end);
        at += length ? length : 1;
    }
    return (size_t)(at - line);
}

static void terminal_draw(Terminal *t)
{
    size_t width = terminal_width();
    fprintf(stderr, "\r%.*s\033[K", (int)terminal_fit(t->line, width - 1), t->line);
    fflush(stderr);
    t->drawn = terminal_now();
    t->late = false;
}

static void terminal_move(Terminal *t, const char *line)
{
    t->line[0] = 0;
    strncat(t->line, line, TERMINAL_LINE - 1);
    t->late = true;
    if (!t->drawn || terminal_now() - t->drawn >= TERMINAL_PAUSE) terminal_draw(t);
}

/* What comes next begins on a line of its own. */
static void terminal_leave(Terminal *t)
{
    if (t->late) terminal_draw(t);
    if (t->drawn) fputc('\n', stderr);
    t->drawn = 0;
}

/* The bytes before one that steers a terminal. */
static size_t terminal_plain(const char *text, const char *end)
{
    const char *at = text;
    while (at < end && ((unsigned char)*at >= ' ' || *at == '\n' || *at == '\t'))
        at++;
    return (size_t)(at - text);
}

/* Text for people. Names in it may come from files: what steers a terminal is written as a blank. */
static void terminal_put(FILE *out, const char *text, size_t length)
{
    for (const char *end = text + length; text < end;) {
        size_t plain = terminal_plain(text, end);
        fprintf(out, "%.*s%s", (int)plain, text, text + plain < end ? " " : "");
        text += plain + 1;
    }
}

static void terminal_write(FILE *out, const char *text)
{
    terminal_put(out, text, strlen(text));
    fputc('\n', out);
}

/* ---- What is shown for each kind of event -------------------------------------------------------------- */

static void terminal_result(Terminal *t, const char *text)
{
    if (t->drawn) terminal_leave(t);
    fprintf(t->results, "%s\n", text);
}

/* A part of a line. */
static void terminal_piece(Terminal *t, const char *text)
{
    if (t->drawn) terminal_leave(t);
    fputs(text, t->results);
}

static void terminal_row(Terminal *t, const char *text)
{
    t->listing = isatty(STDOUT_FILENO);
    terminal_result(t, text);
}

static void terminal_message(Terminal *t, const char *text)
{
    terminal_leave(t);
    terminal_write(stderr, text);
}

static void terminal_warning(Terminal *t, const char *text)
{
    terminal_leave(t);
    fputs(t->moving ? "\033[33mwarning:\033[0m " : "warning: ", stderr);
    terminal_write(stderr, text);
}

static void terminal_epoch(Terminal *t, const char *text)
{
    t->moving ? terminal_move(t, text) : terminal_message(t, text);
}

static void terminal_progress(Terminal *t, const char *text)
{
    if (t->moving && !t->listing) terminal_move(t, text);
}

static const struct {
    const char *kind;
    bool result; /* shown even if --quiet */
    void (*show)(Terminal *t, const char *text);
} terminal_kinds[] = {
    {"row", true, terminal_row},
    {"piece", true, terminal_piece},
    {"result", true, terminal_result},
    {"start", false, terminal_message},
    {"resume", false, terminal_message},
    {"warning", false, terminal_warning},
    {"epoch", false, terminal_epoch},
    {"progress", false, terminal_progress},
    {"checkpoint", false, terminal_message},
    {"end", false, terminal_message},
};

static void terminal_text(Terminal *t, const nudge_event *event)
{
    for (size_t i = 0; i < sizeof terminal_kinds / sizeof *terminal_kinds; i++)
        if (!strcmp(event->kind, terminal_kinds[i].kind) && (terminal_kinds[i].result || !t->quiet))
            terminal_kinds[i].show(t, event->text);
}

static void terminal_note_failure(Terminal *t)
{
    if (!t->failure && ferror(t->results)) t->failure = errno ? errno : EIO;
}

int terminal_show(void *context, const nudge_event *event)
{
    Terminal *t = context;
    errno = 0;
    if (t->json && event->json) fprintf(t->results, "%s\n", event->json);
    if (!t->json && event->text && *event->text) terminal_text(t, event);
    /* A job that says anything but a row has done all it can for now: let the reader have it. */
    if (strcmp(event->kind, "row")) fflush(t->results);
    terminal_note_failure(t);
    if (!strcmp(event->kind, "start")) signals_note();
    return signals_noted() || t->failure;
}

void terminal_end(Terminal *t)
{
    terminal_leave(t);
    errno = 0;
    if (fflush(t->results)) terminal_note_failure(t);
}

/* A caret in the second line points into the first, which "nudge: " moves to the right. */
void terminal_complain(Terminal *t, const char *message)
{
    const char *second = message + strcspn(message, "\n");
    second += *second == '\n';
    bool points = second[strspn(second, " ")] == '^';
    terminal_leave(t);
    fputs(t->moving ? "\033[31mnudge:\033[0m " : "nudge: ", stderr);
    terminal_put(stderr, message, (size_t)(second - message));
    fprintf(stderr, "%s", points ? "       " : "");
    terminal_write(stderr, second);
}
