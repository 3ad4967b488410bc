/* signals.h: what the command does about signals. SIGINT, SIGTERM and SIGHUP are noted once, so that a job can end
 * well; the second one ends the process at once. For main.c and terminal.c. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

/* From now on a closed pipe and a file over its limit are failed writes (EPIPE, EFBIG), not the end. */
void signals_open(void);

/* From now on the first signal is only noted. Before this it ends the process, as there is nothing to save yet. */
void signals_note(void);

/* The signal that was noted, or 0. */
int signals_noted(void);

/* Ends the process by a signal, as if it had never been held back. */
void signals_end(int number);

#endif
