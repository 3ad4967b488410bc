/* commands.h: the table of commands and the table of options. The parser (arguments.c), the help, the man page and the
 * shell completions (guide.c) are made from them, so that a row is all that a new command or option needs. */
#ifndef JOBS_COMMANDS_H
#define JOBS_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Job Job;

enum { COMMAND_EXAMPLES = 4 };

typedef struct CommandRow {
    const char *name;
    const char *operands;    /* as the help shows them */
    size_t least, most;      /* operands taken */
    bool recipe;             /* takes every key of a recipe, too */
    const char *summary;     /* one line, "trains a network ..." */
    const char *description; /* paragraphs for its own help */
    const char *example[COMMAND_EXAMPLES];
    int (*run)(Job *job);
} CommandRow;

typedef struct OptionRow {
    const char *name;     /* "output": --output */
    char letter;          /* 'o': -o; 0: none */
    const char *value;    /* what follows, "DIR"; NULL: nothing */
    const char *setting;  /* the key of the recipe that it sets, or NULL */
    const char *commands; /* that have it, separated by blanks; NULL: all */
    const char *standard; /* the default, where there is one to tell */
    const char *help;
} OptionRow;

const CommandRow *commands_table(size_t *count);
const OptionRow *commands_options(size_t *count);

/* NULL if there is none. */
const CommandRow *command_find(const char *name);

/* The command of that name or, if a user meant another, its name in *nearest (may be NULL there, too). */
const char *command_nearest(const char *name);

bool option_belongs(const OptionRow *option, const CommandRow *command);

/* The option of a command by its name, of `length` bytes, or by its letter; NULL if it has none. */
const OptionRow *option_find(const CommandRow *command, const char *name, size_t length);
const OptionRow *option_find_letter(const CommandRow *command, char letter);

#endif
