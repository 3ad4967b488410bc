/* job.c: see job.h; and nudge_job, where every command begins. */
#include "jobs/job.h"

#include "jobs/arguments.h"
#include "jobs/guide.h"
#include "jobs/paths.h"
#include <math.h>
#include <string.h>

/* ---- Options ------------------------------------------------------------------------------------------- */

const char *job_option(const Job *job, const char *name)
{
    size_t count;
    const OptionRow *options = commands_options(&count),
                    *option = option_find(job->command, name, strlen(name));
    if (!option) return NULL;
    const char *given = job->option[option - options];
    return given ? given : option->standard;
}

int job_count(Job *job, const char *option, size_t least, size_t most, size_t *value)
{
    const char *text = job_option(job, option);
    double number;
    if (number_is(text, strlen(text), &number) && number >= (double)least && number <= (double)most &&
        floor(number) == number) {
        *value = (size_t)number;
        return NUDGE_OK;
    }
    return error_set(job->error, NUDGE_INPUT, "%s: --%s: \"%s\" is not a whole number from %zu to %zu",
                     job->command->name, option, text, least, most);
}

/* ---- Events -------------------------------------------------------------------------------------------- */

int job_event(Job *job, const nudge_event *event)
{
    if (job->listener && job->listener(job->context, event)) job->stopped = true;
    return NUDGE_OK;
}

JsonWriter job_begin(Text *json, const char *kind)
{
    JsonWriter w = {.out = json};
    json_open(&w, '{');
    json_key(&w, "event");
    json_string(&w, kind);
    return w;
}

int job_say(Job *job, const char *kind, Text *text, JsonWriter *w)
{
    while (text->length && text->s[text->length - 1] == '\n')
        text->s[--text->length] = 0;
    json_close(w, '}');
    nudge_event event = {.kind = kind,
                         .text = text_end(text),
                         .json = text_end(w->out),
                         .loss = (double)NAN,
                         .validation_loss = (double)NAN};
    int status = text->failed || w->out->failed ? error_memory(job->error) : job_event(job, &event);
    text_free(text);
    text_free(w->out);
    return status;
}

static int job_warn_line(Job *job, const char *line, size_t length)
{
    Text text = {0}, json = {0};
    text_append(&text, line, length);
    JsonWriter w = job_begin(&json, "warning");
    json_key(&w, "text");
    json_string(&w, text_end(&text));
    return job_say(job, "warning", &text, &w);
}

int job_warn(Job *job, Text *warnings)
{
    int status = warnings->failed ? error_memory(job->error) : NUDGE_OK;
    for (const char *line = text_end(warnings); !status && *line;) {
        size_t length = strcspn(line, "\n");
        status = job_warn_line(job, line, length);
        line += length + (line[length] == '\n');
    }
    text_free(warnings);
    return status;
}

void job_print_count(Text *out, uint64_t count)
{
    if (count >= 1000) {
        job_print_count(out, count / 1000);
        text_print(out, ",%03u", (unsigned)(count % 1000));
    } else {
        text_print(out, "%u", (unsigned)count);
    }
}

/* ---- Operands in the wrong order ----------------------------------------------------------------------- */

/* A run that was written, or a file of weights. */
static bool job_is_model(const char *path)
{
    Text file = {0};
    if (path_is_directory(path)) path_within(&file, path, "model.safetensors");
    bool is = path_is_model(path) && path_exists(file.length && !file.failed ? file.s : path);
    text_free(&file);
    return is;
}

int job_refuse_swapped(Job *job)
{
    const char *const *word = job->operand;
    if (job->operands < 2 || path_is_model(word[0]) || !job_is_model(word[1])) return NUDGE_OK;
    return error_set(job->error, NUDGE_INPUT,
                     "%s: %s is a model and stands before its data; the other way round: nudge %s %s %s",
                     job->command->name, word[1], job->command->name, word[1], word[0]);
}

/* ---- nudge_job ----------------------------------------------------------------------------------------- */

static int job_unknown(const char *name, Error *e)
{
    const char *nearest = command_nearest(name);
    if (nearest)
        return error_set(e, NUDGE_INPUT, "no command is called %s; did you mean nudge %s?", name, nearest);
    if (strpbrk(name, "./"))
        return error_set(e, NUDGE_INPUT, "no command is called %s; to train on that file: nudge train %s",
                         name, name);
    return error_set(e, NUDGE_INPUT, "no command is called %s; `nudge help` lists them", name);
}

static int job_run(Job *job)
{
    int status = arguments_read(job);
    if (status) return status;
    if (job_option(job, "help")) return guide_say_command(job, job->command);
    if (job_option(job, "version")) return guide_say_version(job);
    status = arguments_check(job);
    return status ? status : job->command->run(job);
}

int nudge_job(const char *command, int count, const char *const *argument, nudge_listener *listener,
              void *context, char *message, size_t room)
{
    Error error = {0};
    Job job = {
        .word = argument, .words = (size_t)count, .listener = listener, .context = context, .error = &error};
    job.command = command_find(command);
    int status = job.command ? job_run(&job) : job_unknown(command, &error);
    settings_free(&job.given);
    if (message && room) {
        message[0] = 0;
        strncat(message, error.message, room - 1);
    }
    return status;
}
