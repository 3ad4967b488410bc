/* main.c: the command. It hands its words to nudge_job and shows what comes back; what commands and options there are,
 * only the library knows. Exit codes are the statuses of nudge.h. */
#include "cli/signals.h"
#include "cli/terminal.h"
#include <errno.h>
#include <signal.h>
#include <string.h>

/* Options of the command itself; the library knows them for its help, and ignores them. */
static bool main_has(int count, char **word, const char *name, const char *letter)
{
    for (int i = 0; i < count && strcmp(word[i], "--"); i++)
        if (!strcmp(word[i], name) || !strcmp(word[i], letter)) return true;
    return false;
}

/* Without a command, options are those of `nudge help`: "nudge --version" is "nudge help --version". Only --help would
 * then explain `nudge help`, and is left out. */
static int main_run(Terminal *t, int count, char **word, char *message, size_t room)
{
    const char *first = count ? word[0] : "";
    bool named = count && *first != '-', help = !strcmp(first, "--help") || !strcmp(first, "-h");
    int skip = named || help;
    return nudge_job(named ? first : "help", count - skip, (const char *const *)word + skip, terminal_show, t,
                     message, room);
}

/* Results that could not be written: nobody reads them any more, or the machine failed. */
static int main_undelivered(Terminal *t)
{
    if (t->failure == EPIPE) signals_end(SIGPIPE);
    char message[256] = "standard output: cannot be written: ";
    strncat(message, strerror(t->failure), sizeof message - strlen(message) - 1);
    terminal_complain(t, message);
    return NUDGE_MACHINE;
}

int main(int count, char **word)
{
    Terminal t;
    char message[4096];
    signals_open();
    terminal_open(&t, main_has(count - 1, word + 1, "--json", "--json"),
                  main_has(count - 1, word + 1, "--quiet", "-q"));
    if (count < 2) t.results = stderr;
    int status = main_run(&t, count - 1, word + 1, message, sizeof message);
    terminal_end(&t);
    if (status) terminal_complain(&t, message);
    if (signals_noted()) signals_end(signals_noted());
    if (t.failure) return main_undelivered(&t);
    return status ? status : count < 2 ? NUDGE_INPUT : NUDGE_OK;
}
