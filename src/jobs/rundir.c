/* rundir.c: see rundir.h. */
#include "jobs/rundir.h"

#include "format/file.h"
#include "jobs/paths.h"

static bool rundir_has(const char *directory, const char *name)
{
    Text path = {0};
    path_join(&path, directory, name);
    bool has = !path.failed && path_exists(text_end(&path));
    text_free(&path);
    return has;
}

static bool rundir_is_taken(const char *directory)
{
    return rundir_has(directory, "recipe.yaml") || rundir_has(directory, "model.safetensors") ||
           rundir_has(directory, "checkpoint.safetensors") || rundir_has(directory, "log.csv");
}

/* The first of runs/NAME, runs/NAME-2, ... that is not there. */
static int rundir_name(Text *path, const char *source, Error *e)
{
    for (size_t number = 1; number; number++) {
        path->length = 0;
        text_print(path, "runs/");
        path_stem(path, source);
        if (number > 1) text_print(path, "-%zu", number);
        if (path->failed) return error_memory(e);
        if (!path_exists(text_end(path))) return NUDGE_OK;
    }
    return NUDGE_OK;
}

int rundir_make(Text *path, const Settings *s, const char *source, Error *e)
{
    const char *output = settings_text(s, "output");
    int status = output ? NUDGE_OK : rundir_name(path, source, e);
    if (output) text_print(path, "%s", output);
    if (path->failed) return error_memory(e);
    const char *directory = text_end(path);
    if (!status && output && rundir_is_taken(output))
        status =
            error_set(e, NUDGE_INPUT,
                      "%s: holds a run already; name another directory, remove this one, or go on with it: "
                      "--resume %s",
                      output, output);
    return status ? status : file_directory(directory, e);
}

int rundir_check(const char *path, Error *e)
{
    if (!path_exists(path)) return error_set(e, NUDGE_INPUT, "%s: no such directory; check the name", path);
    if (rundir_has(path, "recipe.yaml") && rundir_has(path, "checkpoint.safetensors")) return NUDGE_OK;
    return error_set(e, NUDGE_INPUT,
                     "%s: holds no run to go on with; it needs recipe.yaml and checkpoint.safetensors", path);
}
