/* paths.h: paths of files as text: joined, split, seen from another directory, and quoted for a shell. For jobs/. */
#ifndef JOBS_PATHS_H
#define JOBS_PATHS_H

#include "base/text.h"

/* "runs/iris" and "log.csv": "runs/iris/log.csv". The directory "" is the current one. */
void path_within(Text *out, const char *directory, const char *name);

/* The directory of a file: "" if the path has none. */
void path_parent(Text *out, const char *path);

/* The name of a file without its directory, and without endings such as .csv and .csv.gz. "-" is "stdin". */
void path_stem(Text *out, const char *path);

/* What `path` means when it is relative to a directory, as seen from here; *out must be empty. "-" stays, and so does an
 * absolute path. */
int path_from(Text *out, const char *directory, const char *path, Error *e);

/* The other way: `path`, relative to here, as seen from a directory that exists. */
int path_to(Text *out, const char *directory, const char *path, Error *e);

bool path_is_directory(const char *path);
bool path_is_model(const char *path); /* by its look: a directory, or a name that ends in .safetensors */
bool path_exists(const char *path);

/* As a word that a shell reads back: in quotes only if it must be. */
void path_quote(Text *out, const char *path);

#endif
