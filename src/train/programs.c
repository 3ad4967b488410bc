/* programs.c: see programs.h. */
#include "train/programs.h"

#include <string.h>

#ifdef NUDGE_NO_THREADS
typedef char ProgramsMutex;
static int mutex_begin(ProgramsMutex *m)
{
    *m = 0;
    return 0;
}
static void mutex_end(ProgramsMutex *m)
{
    (void)m;
}
static void mutex_take(ProgramsMutex *m)
{
    (void)m;
}
static void mutex_give(ProgramsMutex *m)
{
    (void)m;
}
static void mutex_wait(ProgramsMutex *m) /* for nobody: there is only this thread */
{
    (void)m;
}
static void mutex_wake(ProgramsMutex *m)
{
    (void)m;
}
#else
#include <pthread.h>
typedef struct ProgramsMutex {
    pthread_mutex_t lock;
    pthread_cond_t given; /* memory to work in has come back */
} ProgramsMutex;
static int mutex_begin(ProgramsMutex *m)
{
    if (pthread_mutex_init(&m->lock, NULL)) return 1;
    if (!pthread_cond_init(&m->given, NULL)) return 0;
    pthread_mutex_destroy(&m->lock);
    return 1;
}
static void mutex_end(ProgramsMutex *m)
{
    pthread_cond_destroy(&m->given);
    pthread_mutex_destroy(&m->lock);
}
static void mutex_take(ProgramsMutex *m)
{
    pthread_mutex_lock(&m->lock);
}
static void mutex_give(ProgramsMutex *m)
{
    pthread_mutex_unlock(&m->lock);
}
static void mutex_wait(ProgramsMutex *m)
{
    pthread_cond_wait(&m->given, &m->lock);
}
static void mutex_wake(ProgramsMutex *m)
{
    pthread_cond_broadcast(&m->given);
}
#endif

enum {
    PROGRAMS_MOST = 48,
    PROGRAMS_OWN = 64 << 10 /* bytes to work in that a workspace has of its own: less than a lock is worth */
};

static const char *const run_slots[RUN_SLOTS] = {"x",    "target", "weight",    "y",
                                                 "loss", "norms",  "objective", "gradient"};
static const char *const run_scalars[RUN_SCALARS] = {"t", "steps", "seed", "drops"};

struct Compiled {
    Binding key;
    Program *program;
    int slot[RUN_SLOTS], scalar[RUN_SCALARS]; /* their places in the program, or -1 */
    Workspace **idle;                         /* workspaces that nobody uses */
    size_t idles, room;
    size_t work; /* bytes that a run works in */
    bool alone;  /* belongs to one run, not to the cache */
    int users;
    uint64_t used; /* when it was last taken */
    Compiled *next;
};

/* Memory that programs work in, one after the other. */
typedef struct Block {
    void *memory;
    size_t bytes;
    bool busy; /* a program runs in it */
    struct Block *next;
} Block;

struct Programs {
    ProgramsMutex mutex;
    Blueprint blueprint;
    const Store *store;
    const Backend *backend;
    Dtype dtype;
    int threads;
    Threads *crew; /* of a run at a time; NULL for one thread */
    bool busy;     /* the crew is taken */
    Compiled *list;
    size_t count;
    uint64_t clock;
    Block *blocks; /* one is enough for any program in the list; more as programs run at once */
    size_t built;  /* bytes of the largest graph that a program was made from */
};

static int programs_isa(const Settings *s, Isa *isa, Error *e)
{
    const char *name = settings_text(s, "isa");
    *isa = isa_best();
    return name ? isa_parse(name, isa, e) : NUDGE_OK;
}

Programs *programs_new(const Settings *settings, const Task *task, const Store *store, Error *e)
{
    Isa isa;
    if (programs_isa(settings, &isa, e)) return NULL;
    Programs *p = memory_zero(1, sizeof *p);
    if (p && mutex_begin(&p->mutex)) {
        memory_release(p);
        p = NULL;
    }
    if (!p) {
        error_memory(e);
        return NULL;
    }
    p->store = store;
    p->backend = cpu_backend(isa);
    p->dtype = store->real == DATA_F64 ? DTYPE_F64 : DTYPE_F32;
    p->threads = 1;
    if (!blueprint_open(&p->blueprint, settings, task, e)) return p;
    programs_free(p);
    return NULL;
}

/* ---- Memory to work in ---- */

/* Lets go of the blocks that nobody uses, but for `keep`. */
static void blocks_drop(Programs *p, const Block *keep)
{
    for (Block **link = &p->blocks; *link;) {
        Block *b = *link;
        if (b->busy || b == keep) {
            link = &b->next;
            continue;
        }
        *link = b->next;
        memory_release(b->memory);
        memory_release(b);
    }
}

static void blocks_free(Programs *p)
{
    blocks_drop(p, NULL);
}

static Block *blocks_add(Programs *p, size_t bytes)
{
    Block *b = memory_new(1, sizeof *b);
    if (b) *b = (Block){memory_new(bytes, 1), bytes, false, p->blocks};
    if (b && b->memory) return p->blocks = b;
    memory_release(b);
    return NULL;
}

/* Sees to it that there is a block of that size, so that a run can wait for one where memory runs out. */
static bool blocks_reserve(Programs *p, size_t bytes)
{
    for (const Block *b = p->blocks; b; b = b->next)
        if (b->bytes >= bytes) return true;
    const Block *b = blocks_add(p, bytes);
    if (b) blocks_drop(p, b);
    return b;
}

/* Under the lock. */
static Block *blocks_take(Programs *p, size_t bytes)
{
    for (;;) {
        Block *b = p->blocks;
        while (b && (b->busy || b->bytes < bytes))
            b = b->next;
        if (!b) b = blocks_add(p, bytes);
        if (b) return b->busy = true, b;
        mutex_wait(&p->mutex);
    }
}

static void compiled_empty(Compiled *c)
{
    for (size_t i = 0; i < c->idles; i++)
        cpu_workspace_free(c->idle[i]);
    c->idles = 0;
}

static void compiled_free(Compiled *c)
{
    if (!c) return;
    compiled_empty(c);
    memory_release(c->idle);
    plan_free(c->program);
    memory_release(c);
}

/* Takes it out of the list, too. */
static void programs_remove(Programs *p, Compiled **link)
{
    Compiled *c = *link;
    *link = c->next;
    p->count--;
    compiled_free(c);
}

void programs_free(Programs *p)
{
    if (!p) return;
    while (p->list)
        programs_remove(p, &p->list);
    blocks_free(p);
    threads_free(p->crew);
    blueprint_close(&p->blueprint);
    mutex_end(&p->mutex);
    memory_release(p);
}

Blueprint *programs_lock(Programs *p)
{
    mutex_take(&p->mutex);
    return &p->blueprint;
}

void programs_unlock(Programs *p)
{
    mutex_give(&p->mutex);
}

void programs_drop(Programs *p, Mode mode)
{
    for (Compiled **link = &p->list; *link;) {
        if ((*link)->key.mode == mode)
            programs_remove(p, link);
        else
            link = &(*link)->next;
    }
}

int programs_threads(Programs *p, int threads, Error *e)
{
    if (threads == p->threads) return NUDGE_OK;
    Threads *crew = threads > 1 ? threads_new(threads) : NULL;
    if (threads > 1 && !crew) return error_memory(e);
    for (Compiled *c = p->list; c; c = c->next)
        compiled_empty(c); /* workspaces have room for so many threads */
    blocks_free(p);
    threads_free(p->crew);
    p->crew = crew;
    p->threads = threads;
    return NUDGE_OK;
}

/* ---- Compiling ---- */

static Program *programs_plan(Programs *p, Graph *g, int outputs, const PlanOutput *output, bool assignments,
                              Error *e)
{
    error_clear(&p->blueprint.error);
    PlanRequest r = {g, outputs, output, assignments, p->dtype, p->backend, 0};
    if (assignments) r.memory = settings_bytes(p->blueprint.settings, "memory");
    Program *program = plan_compile(&r, &p->blueprint.error);
    if (!program) error_set(e, p->blueprint.error.status, "%s", p->blueprint.error.message);
    return program;
}

/* The store's memory is what a program works on, so each tensor must have the shape that the program knows, but for the rows
 * of what is carried: a smaller batch has the first of them. */
static bool programs_holds(const Tensor *t, const Node *leaf)
{
    Shape here = t->shape, there = leaf->shape;
    if (t->role == ROLE_CARRIED && here.rank == there.rank && there.dim[0] <= here.dim[0])
        here.dim[0] = there.dim[0];
    return shape_equal(here, there);
}

static int programs_check(const Programs *p, const Graph *g, Error *e)
{
    for (size_t i = 0; i < g->leaves; i++) {
        const Leaf *l = g->leaf[i]->leaf;
        const Tensor *t = role_kept(l->role) ? store_find(p->store, l->name) : NULL;
        if (!t || programs_holds(t, g->leaf[i])) continue;
        long long rows = g->leaf[i]->shape.rank ? g->leaf[i]->shape.dim[0] : 1,
                  room = t->shape.rank ? t->shape.dim[0] : 1;
        if (t->role == ROLE_CARRIED)
            return error_set(
                e, NUDGE_INPUT,
                "%s has a place for each of %lld rows of a batch, so it cannot go on with %lld; set batch=%lld, or "
                "leave out what carries a state from batch to batch, such as carry=true",
                l->name, room, rows, rows);
        return error_set(
            e, NUDGE_INPUT,
            "%s has another shape for a batch of another size; the sizes of a state are those of the net, unless it "
            "is carried",
            l->name);
    }
    return NUDGE_OK;
}

static bool programs_carry(const Graph *g)
{
    for (size_t i = 0; i < g->leaves; i++)
        if (g->leaf[i]->leaf->role == ROLE_CARRIED) return true;
    return false;
}

static Program *programs_compile(Programs *p, const Binding *k, Error *e)
{
    Network *n = network_build(&p->blueprint, k, e);
    if (n && k->mode == MODE_TRAIN && programs_check(p, n->graph, e)) {
        network_free(n);
        return NULL;
    }
    if (!n) return NULL;
    const PlanOutput all[] = {{"y", n->prediction},
                              {"loss", n->loss},
                              {"norms", n->norms},
                              {"objective", n->flat ? n->objective : NULL},
                              {"gradient", n->flat}};
    PlanOutput output[sizeof all / sizeof *all];
    int outputs = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].node) output[outputs++] = all[i];
    bool assignments = k->mode == MODE_TRAIN || programs_carry(n->graph);
    Program *program = programs_plan(p, n->graph, outputs, output, assignments, e);
    size_t graph = arena_bytes(&n->graph->arena);
    if (graph > p->built) p->built = graph;
    network_free(n);
    return program;
}

static bool binding_equal(const Binding *a, const Binding *b)
{
    return a->mode == b->mode && a->rows == b->rows && a->weighted == b->weighted && a->norms == b->norms &&
           a->scheduled == b->scheduled && a->still == b->still;
}

/* Makes room for one more by letting go of the program that has been idle longest. */
static void programs_shrink(Programs *p)
{
    Compiled **oldest = NULL;
    if (p->count < PROGRAMS_MOST) return;
    for (Compiled **link = &p->list; *link; link = &(*link)->next)
        if (!(*link)->users && (!oldest || (*link)->used < (*oldest)->used)) oldest = link;
    if (oldest) programs_remove(p, oldest);
}

static void compiled_places(Compiled *c)
{
    for (int i = 0; i < RUN_SLOTS; i++)
        c->slot[i] = plan_slot(c->program, run_slots[i]);
    for (int i = 0; i < RUN_SCALARS; i++)
        c->scalar[i] = plan_scalar(c->program, run_scalars[i]);
}

static Compiled *programs_find(Programs *p, const Binding *k, Error *e)
{
    for (Compiled *c = p->list; c; c = c->next)
        if (binding_equal(&c->key, k)) return c;
    programs_shrink(p);
    Compiled *c = memory_zero(1, sizeof *c);
    if (!c) {
        error_memory(e);
        return NULL;
    }
    c->key = *k;
    if (!(c->program = programs_compile(p, k, e))) {
        memory_release(c);
        return NULL;
    }
    compiled_places(c);
    c->next = p->list;
    p->list = c;
    p->count++;
    return c;
}

/* ---- Runs ---- */

static void run_bind_store(Workspace *w, const Store *store)
{
    const Program *p = w->program;
    for (int i = SLOT_FIRST; i < p->slots; i++) {
        bool kept = !p->slot[i].output && role_kept(p->slot[i].role);
        const Tensor *t = kept ? store_find(store, p->slot[i].name) : NULL;
        if (t) w->slot[i] = t->value;
    }
}

static Workspace *run_workspace(Programs *p, Compiled *c, Error *e)
{
    if (c->idles) return c->idle[--c->idles];
    c->work = cpu_room(c->program, p->threads);
    bool own = c->alone || c->work <= PROGRAMS_OWN;
    Workspace *w = own                          ? cpu_workspace(c->program, p->threads)
                   : blocks_reserve(p, c->work) ? cpu_workspace_lent(c->program, p->threads)
                                                : NULL;
    if (w)
        run_bind_store(w, p->store);
    else
        error_memory(e);
    return w;
}

int run_begin(Run *r, Programs *p, const Binding *k, Error *e)
{
    *r = (Run){0};
    mutex_take(&p->mutex);
    Compiled *c = programs_find(p, k, e);
    Workspace *w = c ? run_workspace(p, c, e) : NULL;
    if (w) {
        *r = (Run){p, c, w};
        c->users++;
        c->used = ++p->clock;
    }
    mutex_give(&p->mutex);
    return w ? NUDGE_OK : e->status;
}

int run_open(Run *r, Programs *p, Graph *g, int outputs, const PlanOutput *output, Error *e)
{
    *r = (Run){0};
    if (programs_check(p, g, e)) return e->status;
    Compiled *c = memory_zero(1, sizeof *c);
    if (!c) return error_memory(e);
    c->alone = true;
    c->program = programs_plan(p, g, outputs, output, false, e);
    Workspace *w = c->program ? run_workspace(p, c, e) : NULL;
    if (!w) {
        compiled_free(c);
        return e->status;
    }
    compiled_places(c);
    *r = (Run){p, c, w};
    return NUDGE_OK;
}

/* Back into the cache, for the next run. */
static void run_return(Run *r)
{
    Compiled *c = r->compiled;
    mutex_take(&r->programs->mutex);
    if (memory_grow(&c->idle, &c->room, c->idles + 1, sizeof *c->idle))
        c->idle[c->idles++] = r->workspace;
    else
        cpu_workspace_free(r->workspace);
    c->users--;
    mutex_give(&r->programs->mutex);
}

void run_end(Run *r)
{
    if (!r->workspace) return;
    if (r->compiled->alone) {
        cpu_workspace_free(r->workspace);
        compiled_free(r->compiled);
    } else {
        run_return(r);
    }
    *r = (Run){0};
}

void run_bind(Run *r, RunSlot slot, const void *memory)
{
    int i = r->compiled->slot[slot];
    if (i >= 0) r->workspace->slot[i] = (void *)(uintptr_t)memory; /* inputs are only read */
}

void run_bind_state(Run *r, const char *name, void *memory)
{
    int i = plan_slot(r->workspace->program, name);
    if (i >= 0) r->workspace->slot[i] = memory;
}

void run_set(Run *r, RunScalar scalar, double value)
{
    int i = r->compiled->scalar[scalar];
    if (i >= 0) r->workspace->scalar[i] = value;
}

bool run_wants(const Run *r, RunScalar scalar)
{
    return r->compiled->scalar[scalar] >= 0;
}

void run_output(Run *r, const char *name, void *memory)
{
    r->workspace->slot[plan_slot(r->workspace->program, name)] = memory;
}

/* One run at a time has the crew. Who runs a program of its own may hold the lock. */
void run_go(Run *r)
{
    Programs *p = r->programs;
    Workspace *w = r->workspace;
    bool crew = p->crew && !r->compiled->alone;
    if (!crew && !w->lent) {
        cpu_run(w, NULL);
        return;
    }
    mutex_take(&p->mutex);
    Block *block = w->lent ? blocks_take(p, r->compiled->work) : NULL;
    crew &= !p->busy;
    p->busy |= crew;
    mutex_give(&p->mutex);
    if (block) w->work = block->memory;
    cpu_run(w, crew ? p->crew : NULL);
    mutex_take(&p->mutex);
    p->busy &= !crew;
    if (block) block->busy = false;
    mutex_wake(&p->mutex);
    mutex_give(&p->mutex);
}

ProgramsBytes programs_bytes(Programs *p)
{
    mutex_take(&p->mutex);
    ProgramsBytes bytes = {.plans = p->built};
    for (const Compiled *c = p->list; c; c = c->next)
        bytes.plans += arena_bytes(&c->program->own);
    for (const Block *b = p->blocks; b; b = b->next)
        bytes.work += b->bytes;
    mutex_give(&p->mutex);
    return bytes;
}
