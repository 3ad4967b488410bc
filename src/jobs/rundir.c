/* rundir.c: see rundir.h. */
#include "jobs/rundir.h"

#include "format/file.h"
#include "jobs/paths.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* No memory is needed for this, so that a lack of it never makes a run look absent. */
static bool rundir_has(const char *directory, const char *name)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    return length > 0 && (size_t)length < sizeof path && path_exists(path);
}

bool rundir_is_taken(const char *directory)
{
    return rundir_has(directory, "recipe.yaml") || rundir_has(directory, "model.safetensors") ||
           rundir_has(directory, "checkpoint.safetensors") || rundir_has(directory, "log.csv");
}

/* NAME: that of the data or the recipe; of a run's recipe, that of the run. */
static void rundir_print_name(const char *source, Text *out)
{
    Text parent = {0};
    path_parent(&parent, source);
    const char *name = strrchr(source, '/');
    bool run = name && !strcmp(name, "/recipe.yaml");
    path_stem(out, run ? text_end(&parent) : source);
    out->failed |= parent.failed;
    text_free(&parent);
}

/* Makes the first of runs/NAME, runs/NAME-2, ... that is not there; making it is what tells, as others may be at it. */
static int rundir_next(Text *path, const char *source, Error *e)
{
    int status = file_directory("runs", e);
    for (size_t number = 1; !status; number++) {
        path->length = 0;
        text_print(path, "runs/");
        rundir_print_name(source, path);
        if (number > 1) text_print(path, "-%zu", number);
        if (path->failed) return error_memory(e);
        if (!mkdir(text_end(path), 0777)) return NUDGE_OK;
        if (errno != EEXIST) return file_fail(text_end(path), "make the directory", errno, e);
    }
    return status;
}

int rundir_make(Text *path, const Settings *s, const char *source, Error *e)
{
    const char *output = settings_text(s, "output");
    if (!output) return rundir_next(path, source, e);
    text_print(path, "%s", output);
    if (path->failed) return error_memory(e);
    if (!rundir_is_taken(output)) return file_directory(output, e);
    return error_set(e, NUDGE_INPUT,
                     "%s: holds a run already; name another directory, remove this one, or go on with it: "
                     "--resume %s",
                     output, output);
}

int rundir_check(const char *path, Error *e)
{
    if (!path_exists(path)) return error_set(e, NUDGE_INPUT, "%s: no such directory; check the name", path);
    if (rundir_has(path, "recipe.yaml") && rundir_has(path, "checkpoint.safetensors")) return NUDGE_OK;
    return error_set(e, NUDGE_INPUT,
                     "%s: holds no run to go on with; it needs recipe.yaml and checkpoint.safetensors", path);
}
