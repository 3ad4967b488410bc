/* guide.c: see guide.h. First plain text, then roff, then the shells. */
#include "jobs/guide.h"

#include <string.h>

enum {
    GUIDE_WIDTH = 80,
    GUIDE_COMMANDS = 14,
    GUIDE_KEYS = 15,
    GUIDE_OPTIONS = 24
}; /* the last three: where explanations begin */

static const char guide_what[] = "nudge trains neural networks: data in, a network out that predicts.";

static const char guide_statuses[] =
    "Exit status: 0 done, 1 a check failed, 2 the input is wrong, 3 the machine failed (disk, memory, permission), "
    "4 training diverged.";

static int guide_say(Job *job, Text *text)
{
    Text json = {0};
    JsonWriter w = job_begin(&json, "result");
    json_key(&w, "text");
    json_string(&w, text_end(text));
    return job_say(job, "result", text, &w);
}

/* ---- Plain text ---------------------------------------------------------------------------------------- */

/* Words of a text in lines of at most GUIDE_WIDTH, indented; `at` is the column where it begins. Line breaks stay. */
static void guide_wrap(Text *out, const char *text, size_t indent, size_t at)
{
    while (*text) {
        size_t length = strcspn(text, " \n");
        if (at > indent && at + 1 + length > GUIDE_WIDTH) text_put(out, '\n'), at = 0;
        if (at < indent)
            text_print(out, "%*s", (int)(indent - at), ""), at = indent;
        else if (at > indent)
            text_put(out, ' '), at++;
        text_append(out, text, length);
        at += length;
        for (text += length; *text == ' ' || *text == '\n'; text++)
            if (*text == '\n') text_put(out, '\n'), at = 0;
    }
    text_put(out, '\n');
}

/* "  term    what it is", wrapped. */
static void guide_entry(Text *out, size_t hang, const char *term, const char *what)
{
    size_t length = strlen(term) + 2;
    text_print(out, "  %s", term);
    if (length + 2 > hang) text_put(out, '\n'), length = 0;
    text_print(out, "%*s", (int)(hang - length), "");
    guide_wrap(out, what, hang, hang);
}

static void guide_usage(Text *out, const CommandRow *command)
{
    text_print(out, "nudge %s %s%s", command->name, command->operands,
               command->recipe ? " [KEY=VALUE ...]" : "");
}

/* "-o, --output DIR" */
static void guide_option_term(Text *out, const OptionRow *option)
{
    if (option->letter) text_print(out, "-%c, ", option->letter);
    text_print(out, "--%s%s%s", option->name, option->value ? " " : "", option->value ? option->value : "");
}

static void guide_option_help(Text *out, const OptionRow *option)
{
    text_print(out, "%s", option->help);
    if (option->standard) text_print(out, " (default %s)", option->standard);
}

static void guide_options(Text *out, const CommandRow *command)
{
    size_t count;
    const OptionRow *option = commands_options(&count);
    for (; count--; option++) {
        if (!option_belongs(option, command)) continue;
        Text term = {0}, help = {0};
        guide_option_term(&term, option);
        guide_option_help(&help, option);
        guide_entry(out, GUIDE_OPTIONS, text_end(&term), text_end(&help));
        out->failed |= term.failed || help.failed;
        text_free(&term);
        text_free(&help);
    }
}

static void guide_key_help(Text *out, const SettingKey *key)
{
    text_print(out, "%s (%s %s)", key->help, key->standard ? "default" : "such as",
               key->standard ? key->standard : key->example);
}

static void guide_recipe(Text *out)
{
    size_t count;
    const SettingKey *key = settings_keys(&count);
    for (; count--; key++) {
        Text help = {0};
        guide_key_help(&help, key);
        guide_entry(out, GUIDE_KEYS, key->name, text_end(&help));
        out->failed |= help.failed;
        text_free(&help);
    }
}

static void guide_key_names(Text *out)
{
    size_t count;
    const SettingKey *key = settings_keys(&count);
    text_print(out, "KEY is one of a recipe's:");
    for (size_t i = 0; i < count; i++)
        text_print(out, "%s %s", i ? "," : "", key[i].name);
    text_print(out,
               ". epochs=20, --epochs=20 and --epochs 20 are the same; `nudge help recipe` explains each.");
}

static void guide_overview(Text *out)
{
    size_t count;
    const CommandRow *command = commands_table(&count);
    text_print(out, "%s\n\n", guide_what);
    for (; count--; command++)
        guide_entry(out, GUIDE_COMMANDS, command->name, command->summary);
    text_print(out, "\n`nudge COMMAND --help` explains a command. To begin: nudge train data.csv\n");
}

static void guide_command(Text *out, const CommandRow *command)
{
    guide_usage(out, command);
    text_print(out, "\n\n%s %s.\n", command->name, command->summary);
    if (*command->description) text_put(out, '\n'), guide_wrap(out, command->description, 0, 0);
    text_put(out, '\n');
    guide_options(out, command);
    if (command->recipe) {
        Text names = {0};
        guide_key_names(&names);
        text_put(out, '\n');
        guide_wrap(out, text_end(&names), 0, 0);
        out->failed |= names.failed;
        text_free(&names);
    }
    for (size_t i = 0; i < COMMAND_EXAMPLES && command->example[i]; i++)
        text_print(out, "%s  %s\n", i ? "" : "\nExamples:\n", command->example[i]);
    text_put(out, '\n');
    guide_wrap(out, guide_statuses, 0, 0);
}

int guide_say_command(Job *job, const CommandRow *command)
{
    Text text = {0};
    guide_command(&text, command);
    return guide_say(job, &text);
}

int guide_say_version(Job *job)
{
    Text text = {0};
    text_print(&text, "nudge " NUDGE_VERSION);
    return guide_say(job, &text);
}

/* ---- The man page -------------------------------------------------------------------------------------- */

/* A text in roff, on lines of its own. */
static void guide_roff(Text *out, const char *text)
{
    if (*text == '.' || *text == '\'') text_print(out, "\\&");
    for (; *text; text++) {
        if (*text == '\\')
            text_print(out, "\\e");
        else if (*text == '-')
            text_print(out, "\\-");
        else if (text[0] == '\n' && text[1] == '\n')
            text_print(out, "\n.PP\n"), text++;
        else
            text_put(out, *text);
    }
    text_put(out, '\n');
}

static void guide_man_entry(Text *out, Text *term, Text *what)
{
    text_print(out, ".TP\n.B ");
    guide_roff(out, text_end(term));
    guide_roff(out, text_end(what));
    out->failed |= term->failed || what->failed;
    text_free(term);
    text_free(what);
}

/* The options that a command has alone, or (NULL) those of all commands. */
static void guide_man_options(Text *out, const CommandRow *command)
{
    size_t count;
    const OptionRow *option = commands_options(&count);
    for (; count--; option++) {
        if (command ? !option->commands || !option_belongs(option, command) : option->commands != NULL)
            continue;
        Text term = {0}, what = {0};
        guide_option_term(&term, option);
        guide_option_help(&what, option);
        guide_man_entry(out, &term, &what);
    }
}

static void guide_man_command(Text *out, const CommandRow *command)
{
    Text usage = {0};
    guide_usage(&usage, command);
    text_print(out, ".SS ");
    guide_roff(out, text_end(&usage));
    text_free(&usage);
    text_print(out, "%c", command->summary[0] - 'a' + 'A');
    guide_roff(out, command->summary + 1);
    text_print(out, ".PP\n");
    if (*command->description) guide_roff(out, command->description);
    guide_man_options(out, command);
    if (!command->example[0]) return;
    text_print(out, ".PP\n.nf\n");
    for (size_t i = 0; i < COMMAND_EXAMPLES && command->example[i]; i++)
        guide_roff(out, command->example[i]);
    text_print(out, ".fi\n");
}

static void guide_man_keys(Text *out)
{
    size_t count;
    const SettingKey *key = settings_keys(&count);
    for (; count--; key++) {
        Text term = {0}, what = {0};
        text_print(&term, "%s", key->name);
        guide_key_help(&what, key);
        guide_man_entry(out, &term, &what);
    }
}

static void guide_man(Text *out)
{
    size_t count;
    const CommandRow *command = commands_table(&count);
    text_print(out,
               ".TH NUDGE 1 \"\" \"nudge " NUDGE_VERSION "\"\n.SH NAME\nnudge \\- trains neural networks\n");
    text_print(out, ".SH SYNOPSIS\n.B nudge\n.I COMMAND\n[\\fIARGUMENT\\fR ...]\n.SH DESCRIPTION\n");
    guide_roff(out, guide_what);
    text_print(out, ".SH COMMANDS\n");
    for (; count--; command++)
        guide_man_command(out, command);
    text_print(out, ".SH OPTIONS OF ALL COMMANDS\n");
    guide_man_options(out, NULL);
    text_print(out, ".SH RECIPES\n");
    guide_roff(
        out, "A recipe is a YAML file of these keys; each may also stand on the command line, as KEY=VALUE.");
    guide_man_keys(out);
    text_print(out, ".SH EXIT STATUS\n");
    guide_roff(out, guide_statuses);
}

/* ---- Completions --------------------------------------------------------------------------------------- */

/* In single quotes; `quote` is how the shell writes one within them. */
static void guide_quote(Text *out, const char *text, const char *quote)
{
    for (; *text; text++)
        *text == '\'' ? text_print(out, "%s", quote) : text_put(out, *text);
}

/* Calls `write` for each word that may follow a command: its options, and the keys of a recipe where it takes them. */
static void guide_each(Text *out, const CommandRow *command,
                       void (*write)(Text *out, const CommandRow *command, const OptionRow *word))
{
    size_t options, keys;
    const OptionRow *option = commands_options(&options);
    const SettingKey *key = settings_keys(&keys);
    for (size_t i = 0; i < options; i++)
        if (option_belongs(option + i, command)) write(out, command, option + i);
    for (size_t i = 0; command->recipe && i < keys; i++) {
        const OptionRow word = {.name = key[i].name, .setting = key[i].name, .help = key[i].help};
        write(out, command, &word);
    }
}

/* A row of the table, or one that guide_each made from a key: that has no commands and a setting. */
static bool guide_is_key(const OptionRow *word)
{
    return word->setting && !word->commands;
}

static void guide_bash_word(Text *out, const CommandRow *command, const OptionRow *word)
{
    (void)command;
    bool key = guide_is_key(word);
    if (!key) text_print(out, "--");
    text_append(out, word->name, strlen(word->name));
    text_print(out, key ? "= " : " ");
}

static void guide_bash(Text *out)
{
    size_t count;
    const CommandRow *command = commands_table(&count);
    text_print(out, "# nudge(1) completion for bash\n_nudge() {\n    local words=\"");
    for (size_t i = 0; i < count; i++)
        text_print(out, "%s%s", i ? " " : "", command[i].name);
    text_print(out, "\"\n    [ \"$COMP_CWORD\" = 1 ] || case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < count; i++) {
        text_print(out, "    %s) words=\"", command[i].name);
        guide_each(out, command + i, guide_bash_word);
        text_print(out, "\" ;;\n");
    }
    text_print(out, "    esac\n    local word=${COMP_WORDS[COMP_CWORD]}\n"
                    "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\") $(compgen -f -- \"$word\"))\n}\n"
                    "complete -o filenames -F _nudge nudge\n");
}

static void guide_zsh_word(Text *out, const CommandRow *command, const OptionRow *word)
{
    (void)command;
    text_print(out, guide_is_key(word) ? "            '%s=:" : "            '--%s:", word->name);
    guide_quote(out, word->help, "'\\''");
    text_print(out, "'\n");
}

static void guide_zsh(Text *out)
{
    size_t count;
    const CommandRow *command = commands_table(&count);
    text_print(out, "#compdef nudge\n_nudge() {\n    local -a choices\n    choices=(\n");
    for (size_t i = 0; i < count; i++) {
        text_print(out, "        '%s:", command[i].name);
        guide_quote(out, command[i].summary, "'\\''");
        text_print(out, "'\n");
    }
    text_print(
        out,
        "    )\n    (( CURRENT == 2 )) && { _describe command choices; return }\n    case $words[2] in\n");
    for (size_t i = 0; i < count; i++) {
        text_print(out, "    %s) choices=(\n", command[i].name);
        guide_each(out, command + i, guide_zsh_word);
        text_print(out, "        ) ;;\n");
    }
    text_print(out, "    esac\n    _describe word choices\n    _files\n}\n"
                    "[ \"$funcstack[1]\" = _nudge ] && _nudge \"$@\" || compdef _nudge nudge\n");
}

static void guide_fish_word(Text *out, const CommandRow *command, const OptionRow *word)
{
    text_print(out, "complete -c nudge -n '__fish_seen_subcommand_from %s' ", command->name);
    text_print(out, guide_is_key(word) ? "-a '%s='" : "-l %s", word->name);
    if (word->letter) text_print(out, " -s %c", word->letter);
    text_print(out, "%s -d '", word->value ? " -r" : "");
    guide_quote(out, word->help, "\\'");
    text_print(out, "'\n");
}

static void guide_fish(Text *out)
{
    size_t count;
    const CommandRow *command = commands_table(&count);
    for (; count--; command++) {
        text_print(out, "complete -c nudge -n __fish_use_subcommand -a %s -d '", command->name);
        guide_quote(out, command->summary, "\\'");
        text_print(out, "'\n");
        guide_each(out, command, guide_fish_word);
    }
}

/* ---- nudge help ---------------------------------------------------------------------------------------- */

static const struct {
    const char *shell;
    void (*write)(Text *out);
} guide_shells[] = {{"bash", guide_bash}, {"zsh", guide_zsh}, {"fish", guide_fish}};

static int guide_completion(const char *shell, Text *out, Error *e)
{
    for (size_t i = 0; i < sizeof guide_shells / sizeof *guide_shells; i++)
        if (!strcmp(guide_shells[i].shell, shell)) return guide_shells[i].write(out), NUDGE_OK;
    return error_set(e, NUDGE_INPUT,
                     "help: there are no completions for %s; there are for bash, zsh and fish", shell);
}

static int guide_topic(const char *topic, Text *out, Error *e)
{
    const CommandRow *command = command_find(topic);
    if (command)
        guide_command(out, command);
    else if (!strcmp(topic, "recipe"))
        guide_recipe(out);
    else
        return error_set(e, NUDGE_INPUT,
                         "help: %s is no command, nor recipe; `nudge help` lists the commands", topic);
    return NUDGE_OK;
}

int job_help(Job *job)
{
    Text text = {0};
    int status = NUDGE_OK;
    if (job_option(job, "man"))
        guide_man(&text);
    else if (job_option(job, "completion"))
        status = guide_completion(job_option(job, "completion"), &text, job->error);
    else if (job->operands)
        status = guide_topic(job->operand[0], &text, job->error);
    else
        guide_overview(&text);
    if (!status) return guide_say(job, &text);
    text_free(&text);
    return status;
}
