/* arguments.c: see arguments.h. */
#include "jobs/arguments.h"

#include <string.h>

typedef struct Arguments {
    Job *job;
    const char *const *word;
    size_t count, at; /* the next one */
} Arguments;

static const char argument_origin[] = "command line";

/* All that may stand after --: the command's options, and the keys of a recipe where it takes them. */
static const char *argument_nearest(const CommandRow *command, const char *name)
{
    const char *names[128];
    size_t options, keys, count = 0;
    const OptionRow *option = commands_options(&options);
    const SettingKey *key = settings_keys(&keys);
    for (size_t i = 0; i < options; i++)
        if (option_belongs(option + i, command)) names[count++] = option[i].name;
    for (size_t i = 0; command->recipe && i < keys && count < sizeof names / sizeof *names; i++)
        names[count++] = key[i].name;
    return name_nearest(name, names, count);
}

/* `name` begins with what nobody knows: an option, or (without dashes) the KEY of KEY=VALUE. */
static int argument_unknown(Arguments *a, const char *dashes, const char *name, size_t length)
{
    char plain[64] = "";
    strncat(plain, name, length < sizeof plain ? length : sizeof plain - 1);
    const char *command = a->job->command->name, *nearest = argument_nearest(a->job->command, plain);
    const char *what = *dashes ? "option" : "key";
    if (nearest)
        return error_set(a->job->error, NUDGE_INPUT, "%s: no %s is called %s%s; did you mean %s%s?", command,
                         what, dashes, plain, *dashes ? "--" : "", nearest);
    return error_set(a->job->error, NUDGE_INPUT, "%s: no %s is called %s%s; `nudge %s --help` lists them",
                     command, what, dashes, plain, command);
}

static bool argument_is_key(const char *name, size_t length)
{
    size_t count;
    const SettingKey *key = settings_keys(&count);
    for (size_t i = 0; i < count; i++)
        if (strlen(key[i].name) == length && !memcmp(key[i].name, name, length)) return true;
    return false;
}

static int argument_option(Arguments *a, const OptionRow *option, const char *value)
{
    size_t count;
    a->job->option[option - commands_options(&count)] = value ? value : "";
    if (!option->setting || !value) return NUDGE_OK;
    return settings_set(&a->job->given, option->setting, value, argument_origin, a->job->error);
}

/* The value of an option: what was attached to it, or the next word. */
static const char *argument_value(Arguments *a, const char *attached)
{
    return attached ? attached : a->at < a->count ? a->word[a->at++] : NULL;
}

static int argument_take(Arguments *a, const OptionRow *option, const char *attached)
{
    Error *e = a->job->error;
    if (!option->value && attached)
        return error_set(e, NUDGE_INPUT, "%s: --%s takes no value", a->job->command->name, option->name);
    if (!option->value) return argument_option(a, option, NULL);
    const char *value = argument_value(a, attached);
    if (!value)
        return error_set(e, NUDGE_INPUT, "%s: --%s needs a value: --%s %s", a->job->command->name,
                         option->name, option->name, option->value);
    return argument_option(a, option, value);
}

/* --KEY VALUE or --KEY=VALUE with a key of the recipe. */
static int argument_take_key(Arguments *a, const char *word, const char *attached)
{
    Error *e = a->job->error;
    if (attached) return settings_argument(&a->job->given, word + 2, argument_origin, e);
    const char *value = argument_value(a, NULL);
    if (!value)
        return error_set(e, NUDGE_INPUT, "%s: %s needs a value; `nudge help recipe` has examples",
                         a->job->command->name, word);
    return settings_set(&a->job->given, word + 2, value, argument_origin, e);
}

static int argument_long(Arguments *a, const char *word)
{
    const char *name = word + 2;
    size_t length = strcspn(name, "="), stem = strcspn(name, "=.");
    const char *attached = name[length] ? name + length + 1 : NULL;
    const OptionRow *option = option_find(a->job->command, name, length);
    if (option) return argument_take(a, option, attached);
    if (a->job->command->recipe && argument_is_key(name, stem)) return argument_take_key(a, word, attached);
    return argument_unknown(a, "--", name, stem);
}

static int argument_short(Arguments *a, const char *word)
{
    const OptionRow *option = option_find_letter(a->job->command, word[1]);
    if (!option) return argument_unknown(a, "-", word + 1, strlen(word + 1));
    return argument_take(a, option, word[2] ? word + 2 : NULL);
}

/* In "epochs=20" or "define.gate(x)=...", the = ; NULL in what is a file's name, such as "a/b=c.csv". */
static const char *argument_equals(const char *word)
{
    const char *at = word + strspn(word, "abcdefghijklmnopqrstuvwxyz_");
    if (at == word) return NULL;
    if (*at == '=') return at;
    return *at == '.' && argument_is_key(word, (size_t)(at - word)) ? strchr(at, '=') : NULL;
}

static int argument_pair(Arguments *a, const char *word, const char *equals)
{
    const CommandRow *command = a->job->command;
    size_t length = (size_t)(equals - word), stem = strcspn(word, "=.");
    const OptionRow *option =
        length == 1 ? option_find_letter(command, *word) : option_find(command, word, length);
    if (option) return argument_take(a, option, equals + 1);
    if (command->recipe && argument_is_key(word, stem))
        return settings_argument(&a->job->given, word, argument_origin, a->job->error);
    return argument_unknown(a, "", word, stem);
}

static int argument_operand(Arguments *a, const char *word)
{
    Job *job = a->job;
    if (job->operands == job->command->most)
        return error_set(job->error, NUDGE_INPUT, "%s: \"%s\" is one word too many; usage: nudge %s %s",
                         job->command->name, word, job->command->name, job->command->operands);
    job->operand[job->operands++] = word;
    return NUDGE_OK;
}

static int argument_next(Arguments *a)
{
    const char *word = a->word[a->at++], *equals = argument_equals(word);
    if (word[0] == '-' && word[1] == '-') return argument_long(a, word);
    if (word[0] == '-' && word[1]) return argument_short(a, word);
    return equals ? argument_pair(a, word, equals) : argument_operand(a, word);
}

int arguments_read(Job *job)
{
    Arguments a = {job, job->word, job->words, 0};
    int status = NUDGE_OK;
    while (!status && a.at < a.count && strcmp(a.word[a.at], "--"))
        status = argument_next(&a);
    while (!status && ++a.at < a.count)
        status = argument_operand(&a, a.word[a.at]);
    return status;
}

int arguments_apply(const Job *job, Settings *s)
{
    Job again = {
        .command = job->command, .word = job->word, .words = job->words, .error = job->error, .given = *s};
    int status = arguments_read(&again);
    *s = again.given;
    return status;
}

int arguments_check(const Job *job)
{
    const CommandRow *command = job->command;
    if (job->operands >= command->least) return NUDGE_OK;
    return error_set(job->error, NUDGE_INPUT, "%s: something is missing; usage: nudge %s %s", command->name,
                     command->name, command->operands);
}
