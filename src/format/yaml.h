/* yaml.h: reads a recipe file. Used by jobs; knows base/, file.h and libyaml (build option NUDGE_YAML), but not what
 * the keys mean: whoever calls takes each with its value.
 *
 * needs: yaml */
#ifndef FORMAT_YAML_H
#define FORMAT_YAML_H

#include "base/error.h"

/* Takes one decision. A map within the recipe gives dotted keys, "data.train" and "define.gate(x)"; a list comes as
 * JSON, ["a", "b"]. `origin` is FILE:LINE, for messages; all strings are the callee's only until it returns. A status
 * other than NUDGE_OK ends the reading. */
typedef int yaml_taker(void *context, const char *key, const char *value, const char *origin, Error *e);

/* Reads a file, whose values are taken in its order. Keys without a value (`patience:`, `patience: null`) are passed
 * over. Refused with file, line and column: what is not YAML, a key that is there twice, maps in maps in maps, anchors,
 * aliases, tags and further documents. Returns a status. */
int yaml_read(const char *path, yaml_taker *take, void *context, Error *e);

/* The same from memory; `name` stands for the file in messages. */
int yaml_parse(const char *name, const char *text, size_t size, yaml_taker *take, void *context, Error *e);

#endif
