/* threshold.c: the probability above which the second of two classes, or a label, is said: the setting `threshold`. The
 * calls are in model.h. */
#include "train/model.h"

#include <math.h>
#include <string.h>

static const char threshold_chosen[] = "f1"; /* what gives the best F1 */

static size_t threshold_count(const Model *m)
{
    if (m->task.labels) return m->outputs;
    return m->task.classify && !m->task.next && m->outputs == 2 ? 1 : 0;
}

/* Reads so many numbers, or one for all; false if the text is none of that. */
static bool threshold_read(const char *text, double *value, size_t count)
{
    const char *end = text + strlen(text);
    size_t found = 0;
    for (text += strspn(text, " "); text < end; text += strspn(text, " ")) {
        size_t length = strcspn(text, " ");
        double p;
        if (found == count || !number_is(text, length, &p) || !(p >= 0 && p <= 1)) return false;
        value[found++] = p;
        text += length;
    }
    for (size_t i = found; found == 1 && i < count; i++)
        value[i] = value[0];
    return found == 1 || found == count;
}

static int threshold_wrong(const Model *m, size_t count, Error *e)
{
    const char *origin = settings_origin(&m->settings, "threshold"),
               *text = settings_text(&m->settings, "threshold");
    if (!count)
        return error_set(
            e, NUDGE_INPUT,
            "%s: threshold: is for two classes or for labels, and the target is neither; leave it out",
            origin);
    if (count == 1)
        return error_set(e, NUDGE_INPUT, "%s: threshold: %s is no probability; write one such as 0.3, or f1",
                         origin, text);
    return error_set(
        e, NUDGE_INPUT,
        "%s: threshold: %s is not one probability such as 0.3, nor one for each of the %zu labels, nor f1",
        origin, text, count);
}

bool model_chooses_threshold(const Model *m)
{
    const char *text = settings_text(&m->settings, "threshold");
    return text && !strcmp(text, threshold_chosen);
}

int model_take_threshold(Model *m, Error *e)
{
    const char *text = settings_text(&m->settings, "threshold");
    size_t count = threshold_count(m);
    memory_release(m->threshold);
    m->threshold = NULL;
    if (!text) return NUDGE_OK;
    if (!count) return threshold_wrong(m, count, e);
    if (model_chooses_threshold(m)) return NUDGE_OK;
    if (!(m->threshold = memory_new(count, sizeof *m->threshold))) return error_memory(e);
    return threshold_read(text, m->threshold, count) ? NUDGE_OK : threshold_wrong(m, count, e);
}

int model_choose_threshold(Model *m, const Metrics *metrics, Error *e)
{
    size_t count = threshold_count(m);
    memory_release(m->threshold);
    m->threshold = memory_new(count, sizeof *m->threshold);
    if (!m->threshold) return error_memory(e);
    for (size_t k = 0; k < count; k++) {
        double best = metrics_best_threshold(metrics, k);
        m->threshold[k] = isnan(best) ? .5 : best;
    }
    return NUDGE_OK;
}

int model_copy_threshold(Model *to, const Model *from, Error *e)
{
    size_t size = threshold_count(from) * sizeof *to->threshold;
    if (!from->threshold) return NUDGE_OK;
    memory_release(to->threshold);
    if (!(to->threshold = memory_new(1, size))) return error_memory(e);
    memcpy(to->threshold, from->threshold, size);
    return NUDGE_OK;
}

void model_print_threshold(const Model *m, Text *out)
{
    char number[NUMBER_ROOM];
    for (size_t k = 0; m->threshold && k < threshold_count(m); k++)
        text_print(out, "%s%s", k ? " " : "", number_print(number, m->threshold[k]));
}

bool model_says(const Model *m, size_t output, double probability)
{
    return probability > (m->threshold ? m->threshold[m->task.labels ? output : 0] : .5);
}
