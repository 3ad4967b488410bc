/* recipe.c: see recipe.h. */
#include "jobs/recipe.h"

#include "format/file.h"
#include "format/yaml.h"
#include "jobs/arguments.h"
#include "jobs/paths.h"
#include "jobs/rundir.h"
#include <string.h>

bool recipe_is(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));
}

static bool recipe_holds_paths(const char *key)
{
    return !strncmp(key, "data", strcspn(key, ".")) || !strcmp(key, "init");
}

/* How a path is to be changed: path_from (as seen from here) or path_to (as seen from the directory). */
typedef int recipe_moving(Text *out, const char *directory, const char *path, Error *e);

/* One path, or the items of a list, into the text of a setting. */
static int recipe_move(Text *out, const Setting *setting, const char *directory, recipe_moving *move,
                       Error *e)
{
    JsonWriter w = {.out = out};
    if (setting->count > 1) json_open(&w, '[');
    for (size_t i = 0; i < setting->count; i++) {
        Text path = {0};
        int status = move(&path, directory, setting_item(setting, i), e);
        if (setting->count > 1)
            json_string(&w, text_end(&path));
        else
            text_print(out, "%s", text_end(&path));
        out->failed |= path.failed;
        text_free(&path);
        if (status) return status;
    }
    if (setting->count > 1) json_close(&w, ']');
    return out->failed ? error_memory(e) : NUDGE_OK;
}

/* Sets a setting of a key that holds paths again, with its paths changed. */
static int recipe_replace(Settings *to, const Setting *setting, const char *directory, recipe_moving *move,
                          Error *e)
{
    Text key = {0}, value = {0};
    text_print(&key, "%s%s%s", setting->key->name, *setting->name ? "." : "", setting->name);
    int status = recipe_move(&value, setting, directory, move, e);
    if (!status && key.failed) status = error_memory(e);
    if (!status) status = settings_set(to, text_end(&key), text_end(&value), setting->origin, e);
    text_free(&key);
    text_free(&value);
    return status;
}

/* `to` gets the settings of `from` that hold paths, changed. */
static int recipe_move_all(Settings *to, const Settings *from, const char *directory, recipe_moving *move,
                           Error *e)
{
    for (size_t i = 0; i < from->count; i++) {
        const Setting *setting = from->list[i];
        if (!recipe_holds_paths(setting->key->name)) continue;
        int status = recipe_replace(to, setting, directory, move, e);
        if (status) return status;
    }
    return NUDGE_OK;
}

/* ---- Reading ------------------------------------------------------------------------------------------- */

int recipe_read(const char *path, Settings *s, Error *e)
{
    Text directory = {0};
    Settings moved = {0};
    path_parent(&directory, path);
    int status = directory.failed ? error_memory(e) : yaml_read(path, settings_take, s, e);
    if (!status) status = settings_copy(&moved, s, e);
    if (!status) status = recipe_move_all(s, &moved, text_end(&directory), path_from, e);
    settings_free(&moved);
    text_free(&directory);
    return status;
}

/* Data named by operands: one file, or images and labels. */
static int recipe_take_operands(Job *job, Settings *s)
{
    Text list = {0};
    JsonWriter w = {.out = &list};
    json_open(&w, '[');
    for (size_t i = 0; i < job->operands; i++)
        json_string(&w, job->operand[i]);
    json_close(&w, ']');
    const char *value = job->operands > 1 ? text_end(&list) : job->operand[0];
    int status = list.failed ? error_memory(job->error)
                             : settings_set(s, "data.train", value, "command line", job->error);
    text_free(&list);
    return status;
}

/* A run's directory is neither recipe nor data, but what is meant is one of two things. */
static int recipe_refuse_run(const Job *job)
{
    const char *run = job->operand[0];
    return error_set(
        job->error, NUDGE_INPUT,
        "%s: is a directory; to go on with a run: nudge train --resume %s, to train by its recipe anew: "
        "nudge train %s/recipe.yaml",
        run, run, run);
}

static int recipe_take_first(Job *job, Settings *s)
{
    if (!job->operands) return NUDGE_OK;
    if (rundir_is_taken(job->operand[0])) return recipe_refuse_run(job);
    if (!recipe_is(job->operand[0])) return recipe_take_operands(job, s);
    if (job->operands > 1)
        return error_set(job->error, NUDGE_INPUT, "%s: a recipe names its data; for other data: data=%s",
                         job->operand[0], job->operand[1]);
    return recipe_read(job->operand[0], s, job->error);
}

int recipe_of_job(Job *job, Settings *s)
{
    int status = recipe_take_first(job, s);
    return status ? status : arguments_apply(job, s);
}

/* ---- Writing ------------------------------------------------------------------------------------------- */

int recipe_write(const Settings *s, const char *directory, Error *e)
{
    Settings moved;
    Text text = {0}, path = {0};
    path_within(&path, directory, "recipe.yaml");
    int status = settings_copy(&moved, s, e);
    if (!status) status = recipe_move_all(&moved, s, directory, path_to, e);
    if (!status) settings_write_yaml(&moved, &text);
    if (!status && (text.failed || path.failed)) status = error_memory(e);
    if (!status) status = file_write(text_end(&path), text_end(&text), text.length, e);
    settings_free(&moved);
    text_free(&text);
    text_free(&path);
    return status;
}
