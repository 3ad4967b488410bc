/* lbfgs.c: see lbfgs.h. Follows torch.optim.LBFGS(line_search_fn="strong_wolfe"), whose search is that of Schmidt's
 * minFunc: a bracket is found, then cut by cubic interpolation (Nocedal and Wright, Numerical Optimization, chapter 3). */
#include "train/lbfgs.h"

#include <math.h>
#include <string.h>

static const double LBFGS_DECREASE = 1e-4;  /* c1 of the Wolfe conditions: the share of the slope's promise */
static const double LBFGS_CURVATURE = .9;   /* c2: what may be left of the slope */
static const double LBFGS_TOLERANCE = 1e-9; /* of changes; below it there is nothing left to gain */
static const double LBFGS_FLAT = 1e-7;      /* the largest element of a gradient that counts as none */
static const double LBFGS_CURVED = 1e-10;   /* s.y below that says nothing of the curvature */
enum { LBFGS_TRIALS = 25 };

/* Which vector is for what. */
enum { LBFGS_X, LBFGS_D, LBFGS_NEW, LBFGS_LOW, LBFGS_HIGH, LBFGS_G };

/* ---- Memory ---- */

static int lbfgs_parts(Lbfgs *l, Error *e)
{
    const Store *s = &l->m->store;
    l->part = memory_new(s->count, sizeof *l->part);
    if (!l->part) return error_memory(e);
    for (size_t i = 0; i < s->count; i++) {
        Tensor *t = s->list[i];
        if (t->role != ROLE_PARAMETER || !rule_of(&l->m->settings, "", t->name).text) continue;
        l->part[l->parts++] = t;
        l->size += t->size;
    }
    return NUDGE_OK;
}

int lbfgs_open(Lbfgs *l, Model *m, Error *e)
{
    *l = (Lbfgs){.m = m};
    int status = lbfgs_parts(l, e);
    l->steps = store_find(&m->store, "optimizer.lbfgs.steps");
    l->changes = store_find(&m->store, "optimizer.lbfgs.changes");
    l->gradient = store_find(&m->store, "optimizer.lbfgs.gradient");
    l->memory = store_find(&m->store, "optimizer.lbfgs.memory");
    l->history = (size_t)l->steps->shape.dim[0];
    l->real = memory_new(l->size, data_size(m->store.real));
    l->inner = memory_new(2 * l->history, sizeof *l->inner);
    bool ready = l->real && l->inner;
    for (int i = 0; i < LBFGS_VECTORS; i++)
        ready &= (l->vector[i] = memory_new(l->size, sizeof *l->vector[i])) != NULL;
    if (!status && !ready) status = error_memory(e);
    if (status) lbfgs_close(l);
    return status;
}

void lbfgs_close(Lbfgs *l)
{
    for (int i = 0; i < LBFGS_VECTORS; i++)
        memory_release(l->vector[i]);
    memory_release(l->part);
    memory_release(l->inner);
    memory_release(l->real);
    *l = (Lbfgs){0};
}

/* ---- Vectors ---- */

static double lbfgs_dot(size_t n, const double *x, const double *z)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * z[i];
    return sum;
}

static double lbfgs_largest(size_t n, const double *x)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    return most;
}

/* Row `row` of a tensor as doubles, and back. */
static void lbfgs_load(const Lbfgs *l, const Tensor *t, size_t row, double *to)
{
    DataType real = l->m->store.real;
    data_convert(to, DATA_F64, (char *)t->value + row * l->size * data_size(real), real, l->size);
}

static void lbfgs_keep(const Lbfgs *l, Tensor *t, size_t row, const double *from)
{
    DataType real = l->m->store.real;
    data_convert((char *)t->value + row * l->size * data_size(real), real, from, DATA_F64, l->size);
}

static double lbfgs_recall(const Lbfgs *l, size_t i)
{
    return tensor_get(&l->m->store, l->memory, i);
}

static void lbfgs_note(const Lbfgs *l, double objective, double loss, size_t pairs)
{
    const double note[] = {objective, loss, (double)pairs};
    data_convert(l->memory->value, l->m->store.real, note, DATA_F64, sizeof note / sizeof *note);
}

static void lbfgs_where(const Lbfgs *l, double *x)
{
    for (size_t i = 0; i < l->parts; x += l->part[i++]->size)
        data_convert(x, DATA_F64, l->part[i]->value, l->m->store.real, l->part[i]->size);
}

/* ---- The objective ---- */

/* A place on the line x + t*d. */
typedef struct LbfgsPoint {
    double t, f, loss, slope;
    double *g;
} LbfgsPoint;

/* Objective, loss and gradient where the model is. What is not finite is worse than anything. */
static void lbfgs_measure(Lbfgs *l, LbfgsPoint *p)
{
    double result[2] = {0}; /* a double is room for either kind of real */
    DataType real = l->m->store.real;
    run_bind(l->run, RUN_LOSS, &result[0]);
    run_bind(l->run, RUN_OBJECTIVE, &result[1]);
    run_bind(l->run, RUN_GRADIENT, l->real);
    run_go(l->run);
    data_convert(p->g, DATA_F64, l->real, real, l->size);
    data_convert(&p->loss, DATA_F64, &result[0], real, 1);
    data_convert(&p->f, DATA_F64, &result[1], real, 1);
    if (!isfinite(p->f)) p->f = HUGE_VAL;
}

/* to = x + t*d, and the model goes there. */
static void lbfgs_goto(Lbfgs *l, double t, double *to)
{
    const double *x = l->vector[LBFGS_X], *d = l->vector[LBFGS_D];
    for (size_t i = 0; i < l->size; i++)
        to[i] = x[i] + t * d[i];
    for (size_t i = 0; i < l->parts; to += l->part[i++]->size)
        data_convert(l->part[i]->value, l->m->store.real, to, DATA_F64, l->part[i]->size);
}

/* p has a vector for the gradient. */
static void lbfgs_try(Lbfgs *l, LbfgsPoint *p, double t)
{
    lbfgs_goto(l, t, p->g);
    lbfgs_measure(l, p);
    p->t = t;
    p->slope = lbfgs_dot(l->size, p->g, l->vector[LBFGS_D]);
}

/* ---- The line search ---- */

/* Where the cubic through values and slopes of two points is least, within bounds. */
static double lbfgs_cubic(const LbfgsPoint *a, const LbfgsPoint *b, double least, double most)
{
    double d1 = a->slope + b->slope - 3 * (a->f - b->f) / (a->t - b->t),
           square = d1 * d1 - a->slope * b->slope;
    double middle = (least + most) / 2;
    if (!(square >= 0) || !isfinite(square)) return middle;
    if (a->t > b->t) {
        const LbfgsPoint *swap = a;
        a = b, b = swap;
    }
    double d2 = sqrt(square),
           t = b->t - (b->t - a->t) * ((b->slope + d2 - d1) / (b->slope - a->slope + 2 * d2));
    return isnan(t) ? middle : fmin(fmax(t, least), most);
}

typedef struct LbfgsSearch {
    Lbfgs *l;
    LbfgsPoint start, new, end[2]; /* end: of the bracket */
    int low;                       /* the better end */
    int trials;
    bool done, stuck;
} LbfgsSearch;

static bool lbfgs_armijo(const LbfgsSearch *s, const LbfgsPoint *p)
{
    return p->f <= s->start.f + LBFGS_DECREASE * p->t * s->start.slope;
}

static bool lbfgs_wolfe(const LbfgsSearch *s, const LbfgsPoint *p)
{
    return fabs(p->slope) <= -LBFGS_CURVATURE * s->start.slope;
}

/* The point takes the place of another, whose vector is free for the next one. */
static void lbfgs_replace(LbfgsPoint *old, LbfgsPoint *new)
{
    LbfgsPoint was = *old;
    *old = *new;
    *new = was;
}

static void lbfgs_rank(LbfgsSearch *s)
{
    s->low = s->end[0].f <= s->end[1].f ? 0 : 1;
}

/* Walks from t on until the minimum lies between end[0] and end[1], or a point will do. */
static void lbfgs_bracket(LbfgsSearch *s, double t)
{
    for (lbfgs_try(s->l, &s->new, t); s->trials < LBFGS_TRIALS; s->trials++) {
        bool worse = !lbfgs_armijo(s, &s->new) || (s->trials > 1 && s->new.f >= s->end[0].f);
        s->done = !worse && lbfgs_wolfe(s, &s->new);
        LbfgsPoint before = s->end[0];
        lbfgs_replace(&s->end[1], &s->new);
        if (worse || s->done || s->end[1].slope >= 0) break;
        double now = s->end[1].t, least = now + .01 * (now - before.t);
        double next = lbfgs_cubic(&before, &s->end[1], least, now * 10);
        lbfgs_replace(&s->end[0], &s->end[1]);
        lbfgs_try(s->l, &s->new, next);
    }
    if (s->trials == LBFGS_TRIALS) lbfgs_replace(&s->end[1], &s->new);
    lbfgs_rank(s);
    if (s->done) s->low = 1;
}

/* The next point between the ends: the cubic's, unless that comes too near to an end twice. */
static double lbfgs_between(LbfgsSearch *s)
{
    double least = fmin(s->end[0].t, s->end[1].t), most = fmax(s->end[0].t, s->end[1].t);
    double t = lbfgs_cubic(&s->end[0], &s->end[1], least, most), margin = .1 * (most - least);
    bool near = fmin(most - t, t - least) < margin;
    bool move = near && (s->stuck || t >= most || t <= least);
    s->stuck = near && !move;
    if (!move) return t;
    return fabs(t - most) < fabs(t - least) ? most - margin : least + margin;
}

/* Cuts the bracket until a point satisfies the conditions or there is nothing left to cut. */
static void lbfgs_zoom(LbfgsSearch *s)
{
    double longest = lbfgs_largest(s->l->size, s->l->vector[LBFGS_D]);
    for (; !s->done && s->trials < LBFGS_TRIALS; s->trials++) {
        if (fabs(s->end[1].t - s->end[0].t) * longest < LBFGS_TOLERANCE) break;
        lbfgs_try(s->l, &s->new, lbfgs_between(s));
        LbfgsPoint *low = &s->end[s->low], *high = &s->end[!s->low];
        if (!lbfgs_armijo(s, &s->new) || s->new.f >= low->f) {
            lbfgs_replace(high, &s->new);
            lbfgs_rank(s);
            continue;
        }
        s->done = lbfgs_wolfe(s, &s->new);
        if (!s->done && s->new.slope *(high->t - low->t) >= 0) lbfgs_replace(high, low);
        lbfgs_replace(low, &s->new);
    }
}

/* ---- The direction ---- */

static void lbfgs_add(size_t n, double *x, double factor, const double *z)
{
    for (size_t i = 0; i < n; i++)
        x[i] += factor * z[i];
}

/* d = -H g by the two loops over the history, the newest last. The search's vectors are still free for it. */
static void lbfgs_direction(Lbfgs *l, const double *g, size_t pairs)
{
    double *d = l->vector[LBFGS_D], *s = l->vector[LBFGS_LOW], *y = l->vector[LBFGS_HIGH];
    double *along = l->inner, *curved = l->inner + l->history, scale = 1;
    size_t n = l->size;
    for (size_t i = 0; i < n; i++)
        d[i] = -g[i];
    for (size_t k = pairs; k--;) {
        lbfgs_load(l, l->steps, k, s);
        lbfgs_load(l, l->changes, k, y);
        curved[k] = lbfgs_dot(n, s, y);
        if (k + 1 == pairs) scale = curved[k] / lbfgs_dot(n, y, y);
        along[k] = lbfgs_dot(n, s, d) / curved[k];
        lbfgs_add(n, d, -along[k], y);
    }
    for (size_t i = 0; i < n; i++)
        d[i] *= scale;
    for (size_t k = 0; k < pairs; k++) {
        lbfgs_load(l, l->steps, k, s);
        lbfgs_load(l, l->changes, k, y);
        lbfgs_add(n, d, along[k] - lbfgs_dot(n, y, d) / curved[k], s);
    }
}

/* Keeps the step that was made, unless it says nothing of the curvature. Returns how many there are. */
static size_t lbfgs_remember(Lbfgs *l, size_t pairs, const double *s, const double *y)
{
    if (!(lbfgs_dot(l->size, s, y) > LBFGS_CURVED)) return pairs;
    size_t row = l->size * data_size(l->m->store.real);
    if (pairs == l->history) {
        memmove(l->steps->value, (char *)l->steps->value + row, (pairs - 1) * row);
        memmove(l->changes->value, (char *)l->changes->value + row, (pairs - 1) * row);
        pairs--;
    }
    lbfgs_keep(l, l->steps, pairs, s);
    lbfgs_keep(l, l->changes, pairs, y);
    return pairs + 1;
}

/* ---- A step ---- */

/* A first step is so long that weights move by about 1 in all; later ones try what the history says. */
static double lbfgs_first(const Lbfgs *l, const double *g, size_t pairs)
{
    double sum = 0;
    for (size_t i = 0; i < l->size; i++)
        sum += fabs(g[i]);
    return pairs ? 1 : fmin(1, 1 / sum);
}

/* Goes from `start` along d to the best point found, and keeps what was learnt on the way. */
static void lbfgs_move(Lbfgs *l, LbfgsPoint *start, size_t pairs)
{
    LbfgsSearch s = {.l = l, .start = *start, .new.g = l->vector[LBFGS_NEW]};
    s.end[0] = *start;
    s.end[0].g = memcpy(l->vector[LBFGS_LOW], start->g, l->size * sizeof *start->g);
    s.end[1].g = l->vector[LBFGS_HIGH];
    lbfgs_bracket(&s, lbfgs_first(l, start->g, pairs));
    lbfgs_zoom(&s);
    const LbfgsPoint *best = &s.end[s.low];
    double *x = l->vector[LBFGS_X], *moved = l->vector[LBFGS_D], *change = s.new.g;
    lbfgs_goto(l, best->t, moved);
    lbfgs_where(l, moved); /* rounded to the model's reals */
    lbfgs_add(l->size, moved, -1, x);
    memcpy(change, best->g, l->size * sizeof *change);
    lbfgs_add(l->size, change, -1, start->g);
    /* Where the search got nowhere, the history is to blame: the next direction is the gradient's. */
    pairs = best->t > 0 ? lbfgs_remember(l, pairs, moved, change) : 0;
    lbfgs_keep(l, l->gradient, 0, best->g);
    lbfgs_note(l, best->f, best->loss, pairs);
}

/* Where the last step ended, or, before the first, where the model is. */
static void lbfgs_start(Lbfgs *l, LbfgsPoint *p)
{
    if (l->m->steps > 1) {
        lbfgs_load(l, l->gradient, 0, p->g);
        p->f = lbfgs_recall(l, 0);
        p->loss = lbfgs_recall(l, 1);
        return;
    }
    lbfgs_measure(l, p);
    lbfgs_keep(l, l->gradient, 0, p->g);
    lbfgs_note(l, p->f, p->loss, 0);
}

const double *lbfgs_began(const Lbfgs *l)
{
    return l->vector[LBFGS_G];
}

double lbfgs_step(Lbfgs *l, Run *r)
{
    LbfgsPoint start = {.g = l->vector[LBFGS_G]};
    l->run = r;
    l->m->steps++;
    lbfgs_start(l, &start);
    if (!isfinite(start.f)) return (double)NAN;
    size_t pairs = (size_t)lbfgs_recall(l, 2);
    lbfgs_where(l, l->vector[LBFGS_X]);
    lbfgs_direction(l, start.g, pairs);
    start.slope = lbfgs_dot(l->size, start.g, l->vector[LBFGS_D]);
    bool there = lbfgs_largest(l->size, start.g) <= LBFGS_FLAT || start.slope > -LBFGS_TOLERANCE;
    if (!there) lbfgs_move(l, &start, pairs);
    return start.loss;
}
