/* settings.h: a recipe as the core sees it, checked key by key. One table of keys makes the parser, the help, the
 * documentation and the recipe that a run writes down. Used by train, api, jobs and cli; a YAML file arrives through
 * settings_take, so nothing here knows where the text comes from except as an origin for messages. */
#ifndef TRAIN_SETTINGS_H
#define TRAIN_SETTINGS_H

#include "base/text.h"
#include <stdint.h>

typedef enum SettingKind {
    SETTING_TEXT,
    SETTING_NUMBER,
    SETTING_INTEGER,
    SETTING_BYTES, /* 512MB, 1.5 GiB */
    SETTING_FLAG,
    SETTING_LIST, /* a, b or [a, "b, c"] */
    /* Maps, which have parts: "data.test". */
    SETTING_FILES, /* a map from `choices` to one file or a list of files; a bare value is the first choice's */
    SETTING_RULES,      /* a map from patterns of parameters' names to a text */
    SETTING_DEFINITIONS /* a map from name(arguments) to a formula */
} SettingKind;

#define SETTING_MOST 9007199254740992.0 /* 2^53: whole numbers up to here are exact */

/* A row of the table. */
typedef struct SettingKey {
    const char *name;
    SettingKind kind;
    const char *standard;   /* the default; NULL: decided from the data or by whoever asks */
    double least, most;     /* of a number or an integer */
    const char *choices[6]; /* the only values of a text, the only names of files; none: any */
    bool local;             /* about this machine, not about what is learnt: not written into recipes */
    const char *instead;    /* the key whose place it takes, if both are set: the later one counts */
    const char *example;
    const char *help;
} SettingKey;

const SettingKey *settings_keys(size_t *count);

/* One decision. Its strings live as long as it does: until the key is set again, or the settings are freed. */
typedef struct Setting {
    const SettingKey *key;
    const char *name;   /* of a map's entry: "train", "gate(x)"; else "" */
    const char *value;  /* the text, or the first item; further items follow, each ended by 0 */
    size_t count;       /* items: 1 unless it is a list */
    const char *origin; /* "digits.yaml:4", "command line", "options" */
} Setting;

const char *setting_item(const Setting *setting, size_t index); /* NULL from count on */

typedef struct Settings {
    Setting **list; /* in the order they were set */
    size_t count, room;
} Settings;

/* Sets a key after checking kind and range. A map's entry is "data.test" or "define.gate(x)". A later value replaces
 * an earlier one (a bare value of `data` all its parts); an empty value takes the key back to its default.
 * A message reads "ORIGIN: KEY: what is wrong; what to do". Returns a status. */
int settings_set(Settings *s, const char *key, const char *value, const char *origin, Error *e);

/* settings_set for callers that hand out a void pointer, such as the reader of YAML. */
int settings_take(void *settings, const char *key, const char *value, const char *origin, Error *e);

/* One "key=value" of a command line. NUDGE_INPUT if it is not of that form. */
int settings_argument(Settings *s, const char *argument, const char *origin, Error *e);

/* A line of settings, "loss=sse seed=1 net=dense(4) relu dense(1)": a value ends where the next `key=` begins, brackets
 * and quotes respected, so only a value that contains a `key=` of its own needs quotes. */
int settings_parse(Settings *s, const char *options, Error *e);

bool settings_is_set(const Settings *s, const char *key);

/* The value, else the default; without either NULL, NaN, 0, false. Of a list or map: the first item's. */
const char *settings_text(const Settings *s, const char *key);
double settings_number(const Settings *s, const char *key);
int64_t settings_integer(const Settings *s, const char *key);
size_t settings_bytes(const Settings *s, const char *key); /* 0 without */
bool settings_flag(const Settings *s, const char *key);

/* Where the value came from, for messages about it: "digits.yaml:4"; "default" if it is not set. */
const char *settings_origin(const Settings *s, const char *key);

const char *settings_list(const Settings *s, const char *key,
                          size_t index); /* an item; NULL from the end on */
const Setting *settings_entry(const Settings *s, const char *key,
                              size_t index); /* of a map; NULL from the end on */
const Setting *settings_named(const Settings *s, const char *key,
                              const char *name); /* of a map; NULL if not set */

int settings_copy(Settings *to, const Settings *from, Error *e); /* `to` need not be initialised */
void settings_free(Settings *s);

/* Every decision and every default as a recipe in YAML, in the table's order; it reads back equal. */
void settings_write_yaml(const Settings *s, Text *out);

#endif
