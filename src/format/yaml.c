/* yaml.c: see yaml.h. It walks libyaml's events, never a loaded document: what a recipe may not have is refused where
 * it begins, so no input can make the walk deep or the memory large.
 *
 * needs: yaml */
#include "format/yaml.h"
#include "base/json.h"
#include "format/file.h"

#if NUDGE_HAVE_YAML

#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum { YAML_DEPTH = 2 }; /* the recipe, and a map in it */

typedef struct YamlKey {
    char *name; /* dotted */
    size_t line;
} YamlKey;

typedef struct YamlReader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one at hand; zeros at first */
    const char *name, *text;
    yaml_taker *take;
    void *context;
    Error *error;
    Text key; /* dotted, of the value at hand */
    YamlKey *seen;
    size_t count, room;
} YamlReader;

static int yaml_fail(YamlReader *r, yaml_mark_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int yaml_fail(YamlReader *r, yaml_mark_t at, const char *format, ...)
{
    char what[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return error_set(r->error, NUDGE_INPUT, "%s:%zu:%zu: %s", r->name, at.line + 1, at.column + 1, what);
}

/* Where a byte is, for bytes that libyaml could not even read as text. */
static yaml_mark_t yaml_mark_of(const YamlReader *r, size_t offset)
{
    yaml_mark_t at = {0};
    for (size_t i = 0; i < offset; i++) {
        at.column++;
        if (r->text[i] == '\n') at.line++, at.column = 0;
    }
    return at;
}

static int yaml_fail_syntax(YamlReader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) return error_memory(r->error);
    if (p->error == YAML_READER_ERROR)
        return yaml_fail(r, yaml_mark_of(r, p->problem_offset), "not text: %s; save the file as UTF-8",
                         p->problem);
    return yaml_fail(r, p->problem_mark,
                     "not YAML: %s%s%s; check the indentation, and quote a value that has \": \" "
                     "or \" #\" in it",
                     p->context ? p->context : "", p->context ? ", " : "", p->problem);
}

/* Refuses what would make a recipe say other than what stands there. */
static int yaml_refuse_marks(YamlReader *r)
{
    const yaml_event_t *event = &r->event;
    yaml_event_type_t type = event->type;
    bool value =
        type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT;
    /* All three structures begin with anchor and tag, so any of them may be looked at as the first. */
    if (type == YAML_ALIAS_EVENT || (value && event->data.scalar.anchor))
        return yaml_fail(
            r, event->start_mark,
            "a recipe has no anchors (&) and aliases (*); write the value out, or quote it if it begins so");
    if (value && event->data.scalar.tag)
        return yaml_fail(r, event->start_mark,
                         "a recipe has no tags (!); remove %.100s, or quote the value if it begins so",
                         (const char *)event->data.scalar.tag);
    return NUDGE_OK;
}

static int yaml_next(YamlReader *r)
{
    yaml_event_delete(&r->event);
    if (!yaml_parser_parse(&r->parser, &r->event)) return yaml_fail_syntax(r);
    return yaml_refuse_marks(r);
}

static const char *yaml_scalar(const YamlReader *r)
{
    return (const char *)r->event.data.scalar.value;
}

/* The event at hand must be a scalar; `what` names its part in the recipe. */
static int yaml_expect_scalar(YamlReader *r, const char *what)
{
    if (r->event.type != YAML_SCALAR_EVENT)
        return yaml_fail(r, r->event.start_mark,
                         "%s must be a single text; put it in quotes if it begins with a bracket", what);
    if (strlen(yaml_scalar(r)) != r->event.data.scalar.length)
        return yaml_fail(r, r->event.start_mark, "%s has a zero byte in it; remove it", what);
    return NUDGE_OK;
}

static bool yaml_is_null(const YamlReader *r)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    if (r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE) return false;
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (!strcmp(nulls[i], yaml_scalar(r))) return true;
    return false;
}

static int yaml_give(YamlReader *r, size_t line, const char *value)
{
    if (!r->take) return NUDGE_OK;
    Text origin = {0};
    text_print(&origin, "%s:%zu", r->name, line + 1);
    int status = origin.failed ? error_memory(r->error)
                               : r->take(r->context, text_end(&r->key), value, text_end(&origin), r->error);
    text_free(&origin);
    return status;
}

/* A list of texts, as JSON. */
static int yaml_give_list(YamlReader *r)
{
    size_t line = r->event.start_mark.line;
    Text list = {0};
    JsonWriter w = {.out = &list};
    json_open(&w, '[');
    int status = yaml_next(r);
    while (!status && r->event.type != YAML_SEQUENCE_END_EVENT) {
        status = yaml_expect_scalar(r, "an item of a list");
        if (!status) json_string(&w, yaml_scalar(r));
        if (!status) status = yaml_next(r);
    }
    json_close(&w, ']');
    if (!status && list.failed) status = error_memory(r->error);
    if (!status) status = yaml_give(r, line, text_end(&list));
    text_free(&list);
    return status;
}

static int yaml_map(YamlReader *r, int depth);

static int yaml_value(YamlReader *r, int depth)
{
    if (r->event.type == YAML_SEQUENCE_START_EVENT) return yaml_give_list(r);
    if (r->event.type == YAML_MAPPING_START_EVENT) return yaml_map(r, depth + 1);
    int status = yaml_expect_scalar(r, "a value");
    if (status || yaml_is_null(r)) return status;
    return yaml_give(r, r->event.start_mark.line, yaml_scalar(r));
}

/* Notes the dotted key at hand; the second time is a mistake. */
static int yaml_note_key(YamlReader *r)
{
    const char *name = text_end(&r->key);
    for (const YamlKey *seen = r->seen; seen < r->seen + r->count; seen++)
        if (!strcmp(seen->name, name))
            return yaml_fail(r, r->event.start_mark,
                             "the key %.200s is there twice, first on line %zu; remove one", name,
                             seen->line + 1);
    if (r->key.failed || !memory_grow(&r->seen, &r->room, r->count + 1, sizeof *r->seen))
        return error_memory(r->error);
    r->seen[r->count] = (YamlKey){memory_string(name), r->event.start_mark.line};
    return r->seen[r->count].name ? r->count++, NUDGE_OK : error_memory(r->error);
}

/* From the beginning of a map to its end; its keys follow what stands in r->key. */
static int yaml_map(YamlReader *r, int depth)
{
    if (depth > YAML_DEPTH)
        return yaml_fail(r, r->event.start_mark,
                         "%.200s is a map within a map of the recipe; write its value as one text",
                         text_end(&r->key));
    size_t prefix = r->key.length;
    int status;
    while (!(status = yaml_next(r)) && r->event.type != YAML_MAPPING_END_EVENT) {
        if ((status = yaml_expect_scalar(r, "a key"))) break;
        text_print(&r->key, "%s%s", prefix ? "." : "", yaml_scalar(r));
        if ((status = yaml_note_key(r)) || (status = yaml_next(r)) || (status = yaml_value(r, depth))) break;
        r->key.length = prefix;
        text_append(&r->key, "", 0);
    }
    return status;
}

static int yaml_document(YamlReader *r)
{
    int status;
    while (!(status = yaml_next(r)) &&
           (r->event.type == YAML_STREAM_START_EVENT || r->event.type == YAML_DOCUMENT_START_EVENT))
        continue;
    if (status) return status;
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return yaml_fail(r, r->event.start_mark,
                         "a recipe is lines of KEY: VALUE, such as net: dense(10), and this is %s",
                         r->event.type == YAML_STREAM_END_EVENT ? "empty" : "something else");
    if ((status = yaml_map(r, 1)) || (status = yaml_next(r)) || (status = yaml_next(r))) return status;
    if (r->event.type != YAML_STREAM_END_EVENT)
        return yaml_fail(r, r->event.start_mark, "a second document begins here; one file holds one recipe");
    return NUDGE_OK;
}

static int yaml_walk(const char *name, const char *text, size_t size, yaml_taker *take, void *context,
                     Error *e)
{
    YamlReader r = {.name = name, .text = text, .take = take, .context = context, .error = e};
    if (!yaml_parser_initialize(&r.parser)) return error_memory(e);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    int status = yaml_document(&r);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    text_free(&r.key);
    while (r.count)
        memory_release(r.seen[--r.count].name);
    memory_release(r.seen);
    return status;
}

/* The first walk takes nothing: libyaml hands out the beginning of a value before it sees that the rest is no YAML, and
 * such a half must not be judged. */
int yaml_parse(const char *name, const char *text, size_t size, yaml_taker *take, void *context, Error *e)
{
    int status = yaml_walk(name, text, size, NULL, NULL, e);
    return status ? status : yaml_walk(name, text, size, take, context, e);
}

#else

int yaml_parse(const char *name, const char *text, size_t size, yaml_taker *take, void *context, Error *e)
{
    (void)text, (void)size, (void)take, (void)context;
    return error_set(
        e, NUDGE_INPUT,
        "%s: this nudge was built without libyaml and reads no recipes; give the keys on the command line, "
        "as KEY=VALUE",
        name);
}

#endif

int yaml_read(const char *path, yaml_taker *take, void *context, Error *e)
{
    char *text;
    size_t size;
    int status = file_read(path, &text, &size, e);
    if (!status) status = yaml_parse(path, text, size, take, context, e);
    memory_release(text);
    return status;
}
