/* signals.c: see signals.h. */
#include "cli/signals.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

static const int signals_held[] = {SIGINT, SIGTERM, SIGHUP};
enum { SIGNALS_HELD = sizeof signals_held / sizeof *signals_held };

/* A handler can reach nothing else. */
static volatile sig_atomic_t signals_first;

static void signals_handle(int number)
{
    signals_first = number;
    for (int i = 0; i < SIGNALS_HELD; i++)
        signal(signals_held[i], SIG_DFL);
}

void signals_open(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

void signals_note(void)
{
    for (int i = 0; i < SIGNALS_HELD; i++) {
        struct sigaction now, handle = {.sa_handler = signals_handle, .sa_flags = SA_RESTART};
        bool ignored = !sigaction(signals_held[i], NULL, &now) && now.sa_handler == SIG_IGN; /* nohup */
        if (!ignored) sigaction(signals_held[i], &handle, NULL);
    }
}

int signals_noted(void)
{
    return (int)signals_first;
}

void signals_end(int number)
{
    signal(number, SIG_DFL);
    raise(number);
}
