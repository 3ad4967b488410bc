/* grouping.c: see grouping.h. */
#include "train/grouping.h"

#include <string.h>

static const char rule_frozen[] = "freeze";

bool rule_matches(const char *pattern, size_t length, const char *name)
{
    const char *end = pattern + length, *star = NULL, *from = name;
    while (*name) {
        if (pattern < end && *pattern == '*') {
            star = pattern++, from = name;
        } else if (pattern < end && *pattern == *name) {
            pattern++, name++;
        } else if (star) { /* the last star takes one character more */
            pattern = star + 1, name = ++from;
        } else {
            return false;
        }
    }
    while (pattern < end && *pattern == '*')
        pattern++;
    return pattern == end;
}

/* The next of the words of a text, or NULL. */
static const char *rule_word(const char **at, size_t *length)
{
    const char *word = *at + strspn(*at, " \t\r\n,");
    *length = strcspn(word, " \t\r\n,");
    *at = word + *length;
    return *length ? word : NULL;
}

static bool rule_freezes(const Settings *s, const char *name)
{
    const char *at = settings_text(s, rule_frozen), *word;
    size_t length;
    while (at && (word = rule_word(&at, &length)))
        if (rule_matches(word, length, name)) return true;
    return false;
}

Rule rule_of(const Settings *s, const char *optimizer, const char *name)
{
    Rule rule = {optimizer, NULL};
    const Setting *group;
    for (size_t i = 0; (group = settings_entry(s, "groups", i)); i++)
        if (rule_matches(group->name, strlen(group->name), name)) rule = (Rule){group->value, group};
    bool frozen = (rule.group && !strcmp(rule.text, rule_frozen)) || rule_freezes(s, name);
    return frozen ? (Rule){NULL, rule.group} : rule;
}

/* ---- Patterns that match nothing ---- */

enum { RULES_SHOWN = 6 };

static bool rules_meet(const char *pattern, size_t length, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rule_matches(pattern, length, names[i])) return true;
    return false;
}

static int rules_refuse(const char *origin, const char *key, const char *pattern, size_t length,
                        const char *const *names, size_t count, Error *e)
{
    Text list = {0};
    for (size_t i = 0; i < count && i < RULES_SHOWN; i++)
        text_print(&list, "%s%s", i ? ", " : "", names[i]);
    if (count > RULES_SHOWN) text_print(&list, ", ...");
    int status = list.failed
                     ? error_memory(e)
                     : error_set(e, NUDGE_INPUT,
                                 "%s: %s: no parameter is called %.*s; there are %s, and * stands for "
                                 "any characters",
                                 origin, key, (int)length, pattern, text_end(&list));
    text_free(&list);
    return status;
}

int rules_check(const Settings *s, const char *const *names, size_t count, Error *e)
{
    const Setting *group;
    for (size_t i = 0; (group = settings_entry(s, "groups", i)); i++)
        if (!rules_meet(group->name, strlen(group->name), names, count))
            return rules_refuse(group->origin, "groups", group->name, strlen(group->name), names, count, e);
    const char *at = settings_text(s, rule_frozen), *word;
    size_t length;
    while (at && (word = rule_word(&at, &length)))
        if (!rules_meet(word, length, names, count))
            return rules_refuse(settings_origin(s, rule_frozen), rule_frozen, word, length, names, count, e);
    return NUDGE_OK;
}
