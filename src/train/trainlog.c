/* trainlog.c: see trainlog.h. */
#include "train/trainlog.h"

#include <math.h>
#include <string.h>

/* Columns before the figures and after them; then one for each layer follows. */
static const char *const trainlog_first[] = {"epoch", "step", "loss", "validation_loss"};
static const char *const trainlog_last[] = {"lr", "gradient_norm"};
enum {
    TRAINLOG_FIRST = sizeof trainlog_first / sizeof *trainlog_first,
    TRAINLOG_LAST = sizeof trainlog_last / sizeof *trainlog_last
};

static bool trainlog_has(const Model *m, const MetricsFigure *f)
{
    return metrics_has(model_metrics(m), m->outputs, f);
}

/* The names, one after the other in a text, each ended by 0. */
static size_t trainlog_names(const Model *m, Text *names)
{
    size_t figures, columns = 0;
    const MetricsFigure *figure = metrics_figures(&figures);
    for (size_t i = 0; i < TRAINLOG_FIRST; i++, columns++)
        text_append(names, trainlog_first[i], strlen(trainlog_first[i]) + 1);
    for (size_t i = 0; i < figures; i++)
        if (trainlog_has(m, &figure[i]))
            text_append(names, figure[i].name, strlen(figure[i].name) + 1), columns++;
    for (size_t i = 0; i < TRAINLOG_LAST; i++, columns++)
        text_append(names, trainlog_last[i], strlen(trainlog_last[i]) + 1);
    for (size_t i = 0; i < m->groups; i++, columns++) {
        text_print(names, "gradient_norm.%s", m->group[i]);
        text_put(names, 0);
    }
    return columns;
}

int trainlog_open(Trainlog *l, const Course *c, const char *path, bool resume, uint64_t step, Error *e)
{
    Text names = {0};
    *l = (Trainlog){.course = c};
    l->columns = trainlog_names(c->m, &names);
    l->value = memory_new(l->columns, sizeof *l->value);
    const char **name = memory_new(l->columns, sizeof *name), *at = text_end(&names);
    int status = names.failed || !l->value || !name ? error_memory(e) : NUDGE_OK;
    for (size_t i = 0; !status && i < l->columns; i++, at += strlen(at) + 1)
        name[i] = at;
    if (!status)
        status = resume ? csvlog_resume(&l->log, path, name, l->columns, (double)step, e)
                        : csvlog_create(&l->log, path, name, l->columns, e);
    memory_release(name);
    text_free(&names);
    if (status) trainlog_close(l);
    return status;
}

void trainlog_close(Trainlog *l)
{
    csvlog_close(&l->log);
    memory_release(l->value);
    *l = (Trainlog){0};
}

int trainlog_row(Trainlog *l, const Progress *p, double loss, double validation_loss, const Metrics *metrics,
                 Error *e)
{
    const Course *c = l->course;
    const Model *m = c->m;
    size_t figures, n = 0;
    const MetricsFigure *figure = metrics_figures(&figures);
    const double first[TRAINLOG_FIRST] = {(double)p->epoch + 1, (double)p->step, loss, validation_loss};
    const double last[TRAINLOG_LAST] = {model_rate(m, (double)p->step, (double)c->steps),
                                        course_norm(c, m->groups)};
    for (size_t i = 0; i < TRAINLOG_FIRST; i++)
        l->value[n++] = first[i];
    for (size_t i = 0; i < figures; i++)
        if (trainlog_has(m, &figure[i]))
            l->value[n++] = metrics ? figure[i].value(metrics, false) : (double)NAN;
    for (size_t i = 0; i < TRAINLOG_LAST; i++)
        l->value[n++] = last[i];
    for (size_t i = 0; i < m->groups; i++)
        l->value[n++] = course_norm(c, i);
    return csvlog_row(&l->log, l->value, e);
}
