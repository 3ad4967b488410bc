/* settings.c: see settings.h. First the table, then storage, values from text, lines of options, and the writers. */
#include "train/settings.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const SettingKey setting_table[] = {
    {"data", SETTING_FILES, .choices = {"train", "test", "validation"}, .example = "train.csv",
     .help =
         "the rows: a file, or {train: FILE, test: FILE, validation: FILE}; IDX pairs as [images, labels]"},
    {"target", SETTING_LIST, .example = "species",
     .help = "the column to predict, or [several]; by default the last one"},
    {"task", SETTING_TEXT, .choices = {"classify", "regress", "labels", "reconstruct", "next"},
     .example = "classify",
     .help =
         "what kind of thing the target is, by default told from its values; labels: several columns of 0 and 1; "
         "reconstruct: the inputs themselves; next: the next token of a text"},
    {"ignore", SETTING_LIST, .example = "[id]", .help = "columns to leave out"},
    {"missing", SETTING_LIST, .example = "[\"?\"]",
     .help = "texts that stand for no value, beside NA and the like"},
    {"delimiter", SETTING_TEXT, .example = "\";\"",
     .help = "what separates fields; by default told from the file"},
    {"header", SETTING_FLAG, .example = "true",
     .help = "the first row has names; by default told from the file"},
    {"weight", SETTING_TEXT, .example = "importance", .help = "a column of example weights"},
    {"text", SETTING_TEXT, .example = "review",
     .help =
         "the column of free text to learn from, which leaves the others out; by default one only if there is no "
         "other to learn from"},
    {"tokens", SETTING_TEXT, .example = "bpe(1000)",
     .help =
         "reads text as char, byte, word, word(N) or bpe(N); by default char for files named .txt, word for a column of "
         "text, or char if its texts are short"},
    {"context", SETTING_INTEGER, .least = 1, .most = 1e6, .example = "64",
     .help = "tokens of a text that the net sees at once; of a column of text the first ones"},
    {"lines", SETTING_FLAG, .example = "true",
     .help = "each line of a text is a sample of its own; by default the text is one"},
    {"standardize", SETTING_FLAG, "true", .example = "true",
     .help =
         "bring columns to mean 0 and deviation 1; a number to predict, too: the loss is then that of the standardised "
         "target"},
    {"define", SETTING_DEFINITIONS, .example = "gate(x): x * sigmoid(1.7*x)",
     .help = "functions, layers, losses and optimizers of your own"},
    {"shape", SETTING_TEXT, .example = "1x28x28",
     .help =
         "the numbers of a row as the net sees them: channels x height x width; by default flat, but images have their "
         "own before a layer for images"},
    {"net", SETTING_TEXT, .example = "dense(32) relu dense(classes)",
     .help = "the layers, from the data to the output"},
    {"init", SETTING_TEXT, .example = "start.safetensors",
     .help = "a file of initial weights, taken by name"},
    {"loss", SETTING_TEXT, .example = "cross_entropy", .help = "what to make small"},
    {"optimizer", SETTING_TEXT, .example = "adam(lr=1e-3)", .help = "the rule that changes the weights"},
    {"groups", SETTING_RULES, .example = "{\"*.bias\": sgd(lr=0.1), \"0.*\": freeze}",
     .help = "other optimizers for parameters by name (* is anything, the last match counts); freeze: none"},
    {"freeze", SETTING_TEXT, .example = "0.* 2.weight",
     .help = "parameters that stay as they are, by name (* is anything), separated by blanks"},
    {"schedule", SETTING_TEXT, "constant", .example = "cosine(warmup=100)",
     .help = "the learning rate over the run"},
    {"clip", SETTING_TEXT, .example = "norm(1)",
     .help = "limits gradients: a global norm, norm(N), or value(V)"},
    {"penalty", SETTING_TEXT, .example = "l2(1e-4)",
     .help = "a number made from each parameter w that is made small beside the loss: l1, l2, elastic"},
    {"constraint", SETTING_TEXT, .example = "max_norm(3)",
     .help = "what each parameter w becomes after an update: max_norm, nonnegative"},
    {"average", SETTING_TEXT, .example = "ema(0.999)",
     .help = "judge and keep an average of the weights over the steps: ema, swa"},
    {"epochs", SETTING_INTEGER, .least = 1, .most = SETTING_MOST, .instead = "steps", .example = "20",
     .help = "passes over the rows"},
    {"steps", SETTING_INTEGER, .least = 1, .most = SETTING_MOST, .instead = "epochs", .example = "5000",
     .help = "updates, instead of epochs"},
    {"patience", SETTING_INTEGER, .least = 0, .most = SETTING_MOST, .example = "10",
     .help = "epochs without improvement after which to stop; 0: never stop early"},
    {"batch", SETTING_INTEGER, .least = 1, .most = SETTING_MOST, .example = "32",
     .help = "rows in one update"},
    {"micro", SETTING_INTEGER, "1", .least = 1, .most = SETTING_MOST, .example = "4",
     .help = "parts of a batch whose gradients are summed in a fixed order"},
    {"memory", SETTING_BYTES, .example = "512MB",
     .help =
         "the most that a step may take, with weights, states and batch; what has no room is computed twice"},
    {"shuffle", SETTING_FLAG, "true", .example = "true", .help = "another order of the rows in each epoch"},
    {"balance", SETTING_FLAG, "false", .example = "true",
     .help = "train as if every class had equally many rows: weights them by 1/frequency"},
    {"augment", SETTING_TEXT, .example = "shift(2) rotate(10) flip",
     .help = "change images at random as they are trained on: shift, flip, rotate, crop, cutout, mixup"},
    {"validation", SETTING_NUMBER, "0.1", .least = 0, .most = 0.9, .example = "0.1",
     .help = "the share of the rows that is held out to judge by"},
    {"monitor", SETTING_TEXT, "loss", .example = "accuracy",
     .help = "the validation metric that chooses the best weights"},
    {"threshold", SETTING_TEXT, .example = "f1",
     .help =
         "the probability above which the second of two classes, or a label, is predicted (0.5); f1: the one with the "
         "best F1 on the validation rows"},
    {"seed", SETTING_INTEGER, "1", .least = 0, .most = SETTING_MOST, .example = "1",
     .help = "where random numbers start"},
    {"dtype", SETTING_TEXT, "float32", .choices = {"float32", "float64"}, .example = "float64",
     .help = "the numbers to compute with"},
    {"classes", SETTING_INTEGER, .least = 1, .most = SETTING_MOST, .example = "10",
     .help = "the number of classes; by default counted in the data"},
    {"log", SETTING_INTEGER, "0", .least = 0, .most = SETTING_MOST, .example = "100",
     .help = "a row in log.csv every so many steps, too; 0: only one an epoch"},
    {"anomaly", SETTING_FLAG, "false", .example = "true",
     .help = "look at all values of each step for the first NaN or infinity, and name what made it; slow"},
    {"isa", SETTING_TEXT, .example = "avx2",
     .help = "the instruction set to use; by default the best there is"},
    {"threads", SETTING_INTEGER, .least = 0, .most = 4096, .local = true, .example = "2",
     .help = "how many threads compute; 0: one for each processor"},
    {"output", SETTING_TEXT, .local = true, .example = "runs/iris", .help = "the directory to write to"},
};

enum { SETTING_KEYS = sizeof setting_table / sizeof *setting_table };

const SettingKey *settings_keys(size_t *count)
{
    *count = SETTING_KEYS;
    return setting_table;
}

static const SettingKey *setting_row(const char *name, size_t length)
{
    for (const SettingKey *key = setting_table; key < setting_table + SETTING_KEYS; key++)
        if (strlen(key->name) == length && !memcmp(key->name, name, length)) return key;
    return NULL;
}

/* A key that the program itself asks for is in the table, or the program is wrong. */
static const SettingKey *setting_known(const char *name)
{
    const SettingKey *key = setting_row(name, strlen(name));
    if (!key) __builtin_trap();
    return key;
}

/* ---- Storage ---------------------------------------------------------------------------------------------- */

const char *setting_item(const Setting *setting, size_t index)
{
    if (index >= setting->count) return NULL;
    const char *item = setting->value;
    while (index--)
        item += strlen(item) + 1;
    return item;
}

/* One block holds a setting and its strings; so value and origin, which follow each other, tell the bytes of items. */
static Setting *setting_new(const SettingKey *key, const char *name, const char *items, size_t bytes,
                            size_t count, const char *origin)
{
    size_t name_bytes = strlen(name) + 1, origin_bytes = strlen(origin) + 1;
    Setting *setting = memory_new(1, sizeof *setting + name_bytes + bytes + origin_bytes);
    if (!setting) return NULL;
    char *at = (char *)(setting + 1);
    *setting = (Setting){key, at, at + name_bytes, count, at + name_bytes + bytes};
    memcpy(at, name, name_bytes);
    memcpy(at + name_bytes, items, bytes);
    memcpy(at + name_bytes + bytes, origin, origin_bytes);
    return setting;
}

static int settings_append(Settings *s, Setting *setting, Error *e)
{
    if (setting && memory_grow(&s->list, &s->room, s->count + 1, sizeof *s->list)) {
        s->list[s->count++] = setting;
        return NUDGE_OK;
    }
    memory_release(setting);
    return error_memory(e);
}

/* A definition is known by what stands before its arguments. */
static bool setting_same_name(const char *a, const char *b)
{
    size_t length = strcspn(a, " (");
    return length == strcspn(b, " (") && !memcmp(a, b, length);
}

/* Removes all of a key, or its entry of that name. */
static void settings_forget(Settings *s, const SettingKey *key, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        Setting *setting = s->list[i];
        if (setting->key == key && (!name || setting_same_name(setting->name, name)))
            memory_release(setting);
        else
            s->list[kept++] = setting;
    }
    s->count = kept;
}

int settings_copy(Settings *to, const Settings *from, Error *e)
{
    *to = (Settings){0};
    for (size_t i = 0; i < from->count; i++) {
        const Setting *o = from->list[i];
        size_t bytes = (size_t)(o->origin - o->value);
        int status =
            settings_append(to, setting_new(o->key, o->name, o->value, bytes, o->count, o->origin), e);
        if (!status) continue;
        settings_free(to);
        return status;
    }
    return NUDGE_OK;
}

void settings_free(Settings *s)
{
    for (size_t i = 0; i < s->count; i++)
        memory_release(s->list[i]);
    memory_release(s->list);
    *s = (Settings){0};
}

/* ---- Values from text ------------------------------------------------------------------------------------- */

/* What is about to be stored, and where to complain. */
typedef struct SettingDraft {
    Settings *settings;
    const SettingKey *key;
    Text name;  /* of a map's entry */
    Text items; /* each ended by 0 */
    size_t count;
    const char *origin;
    Error *error;
} SettingDraft;

static int setting_refuse(SettingDraft *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int setting_refuse(SettingDraft *d, const char *format, ...)
{
    char what[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    const char *name = text_end(&d->name);
    return error_set(d->error, NUDGE_INPUT, "%s: %s%s%s: %s", d->origin, d->key->name, *name ? "." : "", name,
                     what);
}

static int setting_store(SettingDraft *d)
{
    if (d->name.failed || d->items.failed) return error_memory(d->error);
    const char *name = text_end(&d->name);
    Setting *setting = setting_new(d->key, name, text_end(&d->items), d->items.length, d->count, d->origin);
    if (setting) settings_forget(d->settings, d->key, name);
    if (setting && d->key->instead) settings_forget(d->settings, setting_known(d->key->instead), NULL);
    return settings_append(d->settings, setting, d->error);
}

static void setting_add(SettingDraft *d, const char *item, size_t length)
{
    text_append(&d->items, item, length);
    text_put(&d->items, 0);
    d->count++;
}

static int setting_store_one(SettingDraft *d, const char *item, size_t length)
{
    setting_add(d, item, length);
    return setting_store(d);
}

static bool setting_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool setting_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static const char *setting_skip(const char *s, const char *end, bool (*is)(char))
{
    while (s < end && is(*s))
        s++;
    return s;
}

static void setting_trim(const char **s, const char **end)
{
    *s = setting_skip(*s, *end, setting_blank);
    while (*end > *s && setting_blank((*end)[-1]))
        --*end;
}

/* Where the quoted text at s ends, or NULL: "..." with backslashes, or '...' in which '' stands for one '. */
static const char *setting_quoted(const char *s, const char *end)
{
    for (char quote = *s++; s < end; s++) {
        if (quote == '"' && *s == '\\' && s + 1 < end)
            s++;
        else if (*s == quote && quote == '\'' && s + 1 < end && s[1] == quote)
            s++;
        else if (*s == quote)
            return s + 1;
    }
    return NULL;
}

/* The first character of [s, end) among `stops` that is outside brackets and quotes; end if there is none. A quote
 * opens a text only where a value may start: after an operand, ' transposes it. */
static const char *setting_until(const char *s, const char *end, const char *stops)
{
    int depth = 0;
    char before = ',';
    for (; s < end; s++) {
        if (depth <= 0 && strchr(stops, *s)) return s;
        bool quote = (*s == '\'' || *s == '"') && strchr(",:[{", before);
        const char *after = quote ? setting_quoted(s, end) : NULL;
        if (after)
            s = after - 1;
        else if (strchr("([{", *s))
            depth++;
        else if (strchr(")]}", *s))
            depth--;
        if (!setting_blank(*s)) before = *s;
    }
    return end;
}

/* Appends [s, end) without its quotes. A text in double quotes is JSON's. */
static int setting_unquote(SettingDraft *d, const char *s, const char *end, Text *out)
{
    if (s == end || (*s != '"' && *s != '\'')) {
        text_append(out, s, (size_t)(end - s));
        return NUDGE_OK;
    }
    if (setting_quoted(s, end) != end)
        return setting_refuse(d, "%.*s opens with a quote that does not close at its end", (int)(end - s), s);
    if (*s == '\'') {
        for (s++; s < end - 1; s += *s == '\'' ? 2 : 1)
            text_put(out, *s);
        return NUDGE_OK;
    }
    Error error = {0};
    Arena arena;
    arena_init(&arena, &error);
    const JsonValue *value;
    if (!json_parse(&arena, "the quoted text", s, (size_t)(end - s), &value))
        text_print(out, "%s", value->string);
    arena_free(&arena);
    return error.status == NUDGE_INPUT ? setting_refuse(d, "%s", error.message)
           : error.status              ? error_memory(d->error)
                                       : NUDGE_OK;
}

static bool setting_is_choice(const SettingKey *key, const char *value, size_t length)
{
    for (const char *const *choice = key->choices; *choice; choice++)
        if (strlen(*choice) == length && !memcmp(*choice, value, length)) return true;
    return !key->choices[0];
}

static int setting_refuse_choice(SettingDraft *d, const char *value, size_t length)
{
    char word[64], list[128] = "";
    snprintf(word, sizeof word, "%.*s", (int)length, value);
    size_t count = 0, used = 0;
    for (; d->key->choices[count]; count++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", count ? ", " : "",
                                 d->key->choices[count]);
    const char *nearest = name_nearest(word, d->key->choices, count);
    return setting_refuse(d, "\"%s\" is not one of %s%s%s%s", word, list, nearest ? "; did you mean " : "",
                          nearest ? nearest : "", nearest ? "?" : "");
}

static int setting_read_text(SettingDraft *d, const char *s, const char *end)
{
    size_t length = (size_t)(end - s);
    if (!setting_is_choice(d->key, s, length)) return setting_refuse_choice(d, s, length);
    return setting_store_one(d, s, length);
}

static int setting_refuse_number(SettingDraft *d, const char *s, const char *end)
{
    const SettingKey *key = d->key;
    const char *whole = key->kind == SETTING_INTEGER ? "whole " : "";
    int length = (int)(end - s);
    char least[NUMBER_ROOM], most[NUMBER_ROOM];
    number_print(least, key->least);
    number_print(most, key->most);
    if (key->most >= SETTING_MOST)
        return setting_refuse(d, "\"%.*s\" is not a %snumber from %s on; give one such as %s", length, s,
                              whole, least, key->example);
    return setting_refuse(d, "\"%.*s\" is not a %snumber from %s to %s; give one such as %s", length, s,
                          whole, least, most, key->example);
}

static int setting_read_number(SettingDraft *d, const char *s, const char *end)
{
    double value;
    bool fits = number_is(s, (size_t)(end - s), &value) && value >= d->key->least && value <= d->key->most;
    bool whole = fits && floor(value) == value;
    if (!fits || (d->key->kind == SETTING_INTEGER && !whole)) return setting_refuse_number(d, s, end);
    return setting_store_one(d, s, (size_t)(end - s));
}

/* A number and a unit of bytes, with or without a blank between; 0 if it is none. Units of 1000, and with an i of 1024; their
 * letters may be small. */
static double setting_bytes(const char *s, const char *end)
{
    static const char *const prefixes = "kmgt";
    const char *unit = s;
    double value, scale = 1;
    while (unit < end && (strchr("+-.0123456789", *unit)))
        unit++;
    if (!number_is(s, (size_t)(unit - s), &value)) return 0;
    unit = setting_skip(unit, end, setting_blank);
    const char *prefix = unit < end ? strchr(prefixes, *unit | 0x20) : NULL;
    bool binary = prefix && end - unit > 1 && (unit[1] | 0x20) == 'i';
    for (const char *c = prefixes; prefix && c <= prefix; c++)
        scale *= binary ? 1024 : 1000;
    unit += (prefix != NULL) + binary;
    bool named = end - unit == 1 && (*unit | 0x20) == 'b';
    return named && value > 0 && floor(value * scale) <= SETTING_MOST ? floor(value * scale) : 0;
}

static int setting_read_bytes(SettingDraft *d, const char *s, const char *end)
{
    if (setting_bytes(s, end) >= 1) return setting_store_one(d, s, (size_t)(end - s));
    return setting_refuse(
        d,
        "\"%.*s\" is not a size of memory; write a number and a unit (KB, MB, GB, KiB, MiB, GiB), such as %s",
        (int)(end - s), s, d->key->example);
}

/* The words of YAML 1.1, in any case. */
static int setting_read_flag(SettingDraft *d, const char *s, const char *end)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *word = words[i], *at = s;
        while (at < end && *word && (*at | 0x20) == (*word | 0x20))
            at++, word++;
        if (at == end && !*word) return setting_store_one(d, words[i % 2], strlen(words[i % 2]));
    }
    return setting_refuse(d, "\"%.*s\" is neither true nor false", (int)(end - s), s);
}

/* One item of a list, trimmed. */
static int setting_read_item(SettingDraft *d, const char *s, const char *end)
{
    if (s == end) return setting_refuse(d, "an item of the list is empty; write \"\" for an empty text");
    Text item = {0};
    int status = setting_unquote(d, s, end, &item);
    if (!status) setting_add(d, text_end(&item), item.length);
    if (item.failed) status = error_memory(d->error);
    text_free(&item);
    return status;
}

static int setting_read_list(SettingDraft *d, const char *s, const char *end)
{
    if (*s == '[') {
        if (setting_until(s + 1, end, "]") != end - 1)
            return setting_refuse(d, "the list %.*s does not end with its closing ]", (int)(end - s), s);
        s++, end--;
    }
    while ((s = setting_skip(s, end, setting_blank)) < end) {
        const char *stop = setting_until(s, end, ","), *last = stop;
        setting_trim(&s, &last);
        int status = setting_read_item(d, s, last);
        if (status) return status;
        s = stop + (stop < end);
    }
    return setting_store(d);
}

static int setting_read(SettingDraft *d, const char *s, const char *end);

/* An entry of a map: stores it under its name. */
static int setting_read_entry(SettingDraft *d, const char *name, const char *name_end, const char *s,
                              const char *end)
{
    setting_trim(&name, &name_end);
    setting_trim(&s, &end);
    SettingDraft entry = {d->settings, d->key, .origin = d->origin, .error = d->error};
    Text value = {0};
    int status = setting_unquote(d, name, name_end, &entry.name);
    if (!status) status = setting_unquote(d, s, end, &value);
    if (!status && (entry.name.failed || value.failed)) status = error_memory(d->error);
    if (!status && !entry.name.length) status = setting_refuse(d, "an entry has no name");
    if (!status) status = setting_read(&entry, text_end(&value), text_end(&value) + value.length);
    text_free(&value);
    text_free(&entry.name);
    text_free(&entry.items);
    return status;
}

/* {name: value, name: value} */
static int setting_read_map(SettingDraft *d, const char *s, const char *end)
{
    if (setting_until(s + 1, end, "}") != end - 1)
        return setting_refuse(d, "the map %.*s does not end with its closing }", (int)(end - s), s);
    s++, end--;
    while ((s = setting_skip(s, end, setting_blank)) < end) {
        const char *stop = setting_until(s, end, ","), *colon = setting_until(s, stop, ":");
        if (colon == stop)
            return setting_refuse(d, "\"%.*s\" is not an entry; write NAME: VALUE", (int)(stop - s), s);
        int status = setting_read_entry(d, s, colon, colon + 1, stop);
        if (status) return status;
        s = stop + (stop < end);
    }
    return NUDGE_OK;
}

/* A bare value stands for the whole map: files belong together, so the parts that were set before it go. */
static int setting_read_files(SettingDraft *d, const char *s, const char *end)
{
    if (d->name.length) {
        if (!setting_is_choice(d->key, d->name.s, d->name.length))
            return setting_refuse_choice(d, d->name.s, d->name.length);
        return *s == '[' ? setting_read_list(d, s, end) : setting_store_one(d, s, (size_t)(end - s));
    }
    settings_forget(d->settings, d->key, NULL);
    if (*s == '{') return setting_read_map(d, s, end);
    text_print(&d->name, "%s", d->key->choices[0]);
    return setting_read_files(d, s, end);
}

static int setting_read_rules(SettingDraft *d, const char *s, const char *end)
{
    if (d->name.length) return setting_store_one(d, s, (size_t)(end - s));
    if (*s == '{') return setting_read_map(d, s, end);
    return setting_refuse(d, "\"%.*s\" is for no parameter; write {PATTERN: OPTIMIZER}, such as %s",
                          (int)(end - s), s, d->key->example);
}

/* Where "name(arguments)" at s ends, or NULL. */
static const char *setting_signature(const char *s, const char *end)
{
    const char *open = setting_skip(s, end, setting_word);
    if (open == s) return NULL;
    open = setting_skip(open, end, setting_blank);
    if (open == end || *open != '(') return NULL;
    const char *close = setting_until(open + 1, end, ")");
    return close < end ? close + 1 : NULL;
}

/* Where the colon of "name(arguments): formula" is, or NULL. */
static const char *setting_colon(const char *s, const char *end)
{
    const char *colon = setting_signature(s, end);
    if (colon) colon = setting_skip(colon, end, setting_blank);
    return colon && colon < end && *colon == ':' ? colon : NULL;
}

/* A definition goes on until a line begins the next one. */
static const char *setting_definition_end(const char *s, const char *end)
{
    for (;;) {
        s = setting_until(s, end, "\n");
        if (s == end || setting_colon(setting_skip(s, end, setting_blank), end)) return s;
        s++;
    }
}

static int setting_read_definitions(SettingDraft *d, const char *s, const char *end)
{
    if (d->name.length) {
        const char *name_end = d->name.s + d->name.length;
        if (setting_signature(d->name.s, name_end) == name_end)
            return setting_store_one(d, s, (size_t)(end - s));
        return setting_refuse(d, "the name needs its arguments, as in %s", d->key->example);
    }
    if (*s == '{') return setting_read_map(d, s, end);
    while ((s = setting_skip(s, end, setting_blank)) < end) {
        const char *colon = setting_colon(s, end);
        if (!colon)
            return setting_refuse(d, "\"%.*s\" does not begin with NAME(ARGUMENTS): as in %s", (int)(end - s),
                                  s, d->key->example);
        const char *stop = setting_definition_end(colon + 1, end);
        int status = setting_read_entry(d, s, colon, colon + 1, stop);
        if (status) return status;
        s = stop;
    }
    return NUDGE_OK;
}

/* A recipe's list comes with all its items in quotes. A text may begin with a bracket, a number or flag does not. */
static bool setting_is_list(const SettingDraft *d, const char *s, const char *end)
{
    if (d->key->kind > SETTING_FLAG || *s != '[') return false;
    return d->key->kind != SETTING_TEXT || (end - s > 1 && (s[1] == '"' || s[1] == ']'));
}

static int setting_refuse_list(SettingDraft *d, const char *s, const char *end)
{
    Text shown = {0};
    for (; s < end; s++)
        if (*s != '"') text_print(&shown, *s == ',' && s[1] == '"' ? "%c " : "%c", *s);
    int status = setting_refuse(d, "%s is a list; write one %s, such as %s", text_end(&shown),
                                d->key->kind == SETTING_TEXT ? "text" : "value", d->key->example);
    text_free(&shown);
    return status;
}

/* Reads a trimmed value by its kind and stores it. Without a value the key goes back to its default. */
static int setting_read(SettingDraft *d, const char *s, const char *end)
{
    static int (*const readers[])(SettingDraft *, const char *, const char *) = {
        [SETTING_TEXT] = setting_read_text,
        [SETTING_NUMBER] = setting_read_number,
        [SETTING_INTEGER] = setting_read_number,
        [SETTING_FLAG] = setting_read_flag,
        [SETTING_LIST] = setting_read_list,
        [SETTING_FILES] = setting_read_files,
        [SETTING_BYTES] = setting_read_bytes,
        [SETTING_RULES] = setting_read_rules,
        [SETTING_DEFINITIONS] = setting_read_definitions,
    };
    if (s < end && setting_is_list(d, s, end)) return setting_refuse_list(d, s, end);
    if (s < end) return readers[d->key->kind](d, s, end);
    settings_forget(d->settings, d->key, d->name.length ? d->name.s : NULL);
    return NUDGE_OK;
}

/* ---- Keys and lines --------------------------------------------------------------------------------------- */

static int settings_refuse_key(const char *key, const char *origin, Error *e)
{
    const char *names[SETTING_KEYS];
    for (size_t i = 0; i < SETTING_KEYS; i++)
        names[i] = setting_table[i].name;
    const char *nearest = name_nearest(key, names, SETTING_KEYS);
    if (nearest)
        return error_set(e, NUDGE_INPUT, "%s: no key is called %s; did you mean %s?", origin, key, nearest);
    return error_set(e, NUDGE_INPUT, "%s: no key is called %s; `nudge help recipe` lists them", origin, key);
}

/* A text of blanks alone is a value, e.g. a tab that separates fields. */
static void setting_trim_value(const SettingKey *key, const char **s, const char **end)
{
    const char *from = *s, *to = *end;
    setting_trim(&from, &to);
    if (from < to || key->kind != SETTING_TEXT) *s = from, *end = to;
}

static int setting_assign(SettingDraft *d, const char *key, const char *value, bool quotes)
{
    size_t length = strcspn(key, ".");
    d->key = setting_row(key, length);
    if (!d->key) return settings_refuse_key(key, d->origin, d->error);
    if (key[length] && d->key->kind < SETTING_FILES)
        return setting_refuse(d, "has no part %s; write it with a value such as %s", key + length + 1,
                              d->key->example);
    text_print(&d->name, "%s", key + length + (key[length] == '.'));
    Text plain = {0};
    int status = NUDGE_OK;
    if (quotes)
        status = setting_unquote(d, value, value + strlen(value), &plain);
    else
        text_print(&plain, "%s", value);
    if (d->name.failed || plain.failed) status = error_memory(d->error);
    const char *s = text_end(&plain), *end = s + plain.length;
    setting_trim_value(d->key, &s, &end);
    if (!status) status = setting_read(d, s, end);
    text_free(&plain);
    return status;
}

static int settings_assign(Settings *s, const char *key, const char *value, bool quotes, const char *origin,
                           Error *e)
{
    SettingDraft d = {s, .origin = origin, .error = e};
    int status = setting_assign(&d, key, value, quotes);
    text_free(&d.name);
    text_free(&d.items);
    return status;
}

int settings_set(Settings *s, const char *key, const char *value, const char *origin, Error *e)
{
    return settings_assign(s, key, value, false, origin, e);
}

int settings_take(void *settings, const char *key, const char *value, const char *origin, Error *e)
{
    return settings_set(settings, key, value, origin, e);
}

/* If "key=" is at s, where its = is; else NULL. The name of a definition may have = and blanks within its brackets;
 * == compares. */
static const char *setting_equals(const char *s, const char *end)
{
    const char *at = setting_skip(s, end, setting_word);
    if (at == s || (*s >= '0' && *s <= '9')) return NULL;
    if (at < end && *at == '.') at = setting_until(at + 1, end, "= \t\r\n");
    return at < end && *at == '=' && (at + 1 == end || at[1] != '=') ? at : NULL;
}

/* Sets key and value given as parts of a longer text. */
static int settings_set_span(Settings *s, const char *key, const char *equals, const char *end, bool quotes,
                             const char *origin, Error *e)
{
    Text both = {0};
    text_append(&both, key, (size_t)(equals - key));
    text_put(&both, 0);
    text_append(&both, equals + 1, (size_t)(end - equals - 1));
    int status = both.failed ? error_memory(e)
                             : settings_assign(s, both.s, both.s + (equals - key) + 1, quotes, origin, e);
    text_free(&both);
    return status;
}

int settings_argument(Settings *s, const char *argument, const char *origin, Error *e)
{
    const char *end = argument + strlen(argument), *equals = setting_equals(argument, end);
    if (equals) return settings_set_span(s, argument, equals, end, false, origin, e);
    return error_set(e, NUDGE_INPUT, "%s: \"%s\" is not of the form KEY=VALUE, such as epochs=20", origin,
                     argument);
}

/* The end of the value that begins at s: where the blanks before the next key, or before the end, begin. */
static const char *setting_value_end(const char *s, const char *end)
{
    for (;;) {
        const char *stop = setting_until(s, end, " \t\r\n");
        s = setting_skip(stop, end, setting_blank);
        if (s == end || setting_equals(s, end)) return stop;
    }
}

int settings_parse(Settings *s, const char *options, Error *e)
{
    const char *end = options + strlen(options), *at = setting_skip(options, end, setting_blank);
    while (at < end) {
        const char *equals = setting_equals(at, end);
        if (!equals)
            return error_set(e, NUDGE_INPUT,
                             "options: \"%s\" does not begin with KEY=VALUE, such as epochs=20", at);
        const char *stop = setting_value_end(equals + 1, end);
        int status = settings_set_span(s, at, equals, stop, true, "options", e);
        if (status) return status;
        at = setting_skip(stop, end, setting_blank);
    }
    return NUDGE_OK;
}

/* ---- Reading them out ------------------------------------------------------------------------------------- */

const Setting *settings_entry(const Settings *s, const char *key, size_t index)
{
    const SettingKey *row = setting_known(key);
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i]->key == row && !index--) return s->list[i];
    return NULL;
}

const Setting *settings_named(const Settings *s, const char *key, const char *name)
{
    const Setting *setting = NULL;
    for (size_t i = 0; (setting = settings_entry(s, key, i)); i++)
        if (setting_same_name(setting->name, name)) break;
    return setting;
}

bool settings_is_set(const Settings *s, const char *key)
{
    return settings_entry(s, key, 0) != NULL;
}

const char *settings_text(const Settings *s, const char *key)
{
    const Setting *setting = settings_entry(s, key, 0);
    return setting ? setting_item(setting, 0) : setting_known(key)->standard;
}

double settings_number(const Settings *s, const char *key)
{
    const char *text = settings_text(s, key);
    double value;
    return text && number_is(text, strlen(text), &value) ? value : (double)NAN;
}

int64_t settings_integer(const Settings *s, const char *key)
{
    double value = settings_number(s, key);
    return fabs(value) <= SETTING_MOST ? (int64_t)value : 0;
}

size_t settings_bytes(const Settings *s, const char *key)
{
    const char *text = settings_text(s, key);
    return text ? (size_t)setting_bytes(text, text + strlen(text)) : 0;
}

bool settings_flag(const Settings *s, const char *key)
{
    const char *text = settings_text(s, key);
    return text && !strcmp(text, "true");
}

const char *settings_origin(const Settings *s, const char *key)
{
    const Setting *setting = settings_entry(s, key, 0);
    return setting ? setting->origin : "default";
}

const char *settings_list(const Settings *s, const char *key, size_t index)
{
    const Setting *setting = settings_entry(s, key, 0);
    return setting ? setting_item(setting, index) : NULL;
}

/* ---- Writing ---------------------------------------------------------------------------------------------- */

/* True if YAML reads the text back as it is without quotes: in a list, too, if `within` is ",[]{}". */
static bool setting_is_plain(const char *s, const char *within)
{
    size_t length = strlen(s);
    if (!length || !(setting_word(*s) || strchr("./", *s)) || setting_blank(s[length - 1])) return false;
    if (strstr(s, ": ") || strstr(s, " #") || s[length - 1] == ':' || s[strcspn(s, within)]) return false;
    for (const char *c = s; *c; c++)
        if (*c < ' ' || *c > '~') return false;
    return strcmp(s, "null") && strcmp(s, "Null") && strcmp(s, "NULL");
}

static void setting_write_text(const char *s, const char *within, Text *out)
{
    if (setting_is_plain(s, within))
        text_print(out, "%s", s);
    else
        json_quote(out, s, strlen(s));
}

static void setting_write_value(const Setting *setting, Text *out)
{
    if (setting->key->kind != SETTING_LIST && setting->count == 1) {
        setting_write_text(setting->value, "", out);
        return;
    }
    text_put(out, '[');
    for (size_t i = 0; i < setting->count; i++) {
        text_print(out, "%s", i ? ", " : "");
        setting_write_text(setting_item(setting, i), ",[]{}", out);
    }
    text_put(out, ']');
}

static void settings_write_key(const Settings *s, const SettingKey *key, Text *out)
{
    const Setting *setting = settings_entry(s, key->name, 0);
    if (!setting && !key->standard) return;
    text_print(out, "%s:", key->name);
    if (!setting) text_print(out, " %s", key->standard);
    for (size_t i = 0; (setting = settings_entry(s, key->name, i)); i++) {
        if (*setting->name)
            text_print(out, "\n  "), setting_write_text(setting->name, "", out), text_put(out, ':');
        text_put(out, ' ');
        setting_write_value(setting, out);
    }
    text_put(out, '\n');
}

void settings_write_yaml(const Settings *s, Text *out)
{
    for (const SettingKey *key = setting_table; key < setting_table + SETTING_KEYS; key++)
        if (!key->local) settings_write_key(s, key, out);
}
