/* test_plan_random.c: graphs grown at random from a seed, planned and run, against what the reference says. Every
 * operation, loops, calls, views, assignments and outputs of all kinds meet here in ways that nobody thought of.
 *
 * What is known of each value (its largest magnitude, its fraction bits, how far rounding may take it) says which
 * results must be equal to the last bit and how near the others must be; operations that jump (comparisons, floor,
 * argmax) are given exact values only. SEED=n in the environment tries that graph alone, SEEDS=n so many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/philox.h"
#include "cpu/cpu.h"
#include "graph/reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POOL = 128, GIVEN = 48, RESULTS = 8, DEPTH = 2, STEPS = 24, SIZES = 4, SPLIT = 33000, NAMES = 8 };

typedef struct Known {
    Node *node;
    double most;   /* no element is larger */
    int bits;      /* elements are multiples of 2^-bits */
    double error;  /* how far off an element may be, in epsilons of the dtype; 0: not at all */
    int64_t limit; /* whole numbers: all lie in [0, limit); 0: not known */
} Known;

/* A leaf and what it is given. */
typedef struct Given {
    Known known;
    double *value, *next; /* what it is now; what the reference assigns to it */
} Given;

typedef struct World {
    uint64_t seed, drawn;
    Error error;
    Arena arena;
    Graph *graph;
    int steps;
    int64_t size[SIZES], largest; /* of axes; of tensors */
    int leaves;
    Given given[GIVEN];
    int results;
    Known result[RESULTS];
    PlanOutput output[RESULTS];
    char name[RESULTS][NAMES];
    int assigned;
    Known value[GIVEN]; /* by assignment */
    double drift;       /* how much an assigned error exceeds what its leaf was thought to have */
} World;

/* The outermost graph, or a body in the making. */
typedef struct Bed {
    World *world;
    int depth, count;
    bool late; /* the newest value is wanted first */
    Known pool[POOL];
} Bed;

/* ---- Drawing ---- */

static int64_t draw(World *w, int64_t below)
{
    return philox(w->seed, 1, w->drawn++).word[0] % below;
}

static bool chance(World *w, int one_in)
{
    return draw(w, one_in) == 0;
}

static int64_t draw_axis(World *w)
{
    return chance(w, 4) ? 1 : w->size[draw(w, SIZES)];
}

/* No larger than this world allows; zeros do not make up for a size that has no number. */
static bool is_small(const World *w, Shape s)
{
    int64_t size = 1;
    for (int a = 0; a < s.rank && size <= w->largest; a++)
        size *= s.dim[a] ? s.dim[a] : 1;
    return size <= w->largest;
}

/* Axes become 1, from the front, until the tensor is small enough. */
static Shape shape_small(const World *w, Shape s)
{
    for (int a = 0; a < s.rank && !is_small(w, s); a++)
        s.dim[a] = 1;
    return s;
}

static Shape draw_shape(World *w)
{
    static const int rank[] = {0, 1, 1, 2, 2, 2, 3, 3, 4, 5};
    Shape s = {.rank = chance(w, 40) ? RANK_MAX : rank[draw(w, sizeof rank / sizeof *rank)]};
    for (int a = 0; a < s.rank; a++)
        s.dim[a] = s.rank == RANK_MAX ? 1 + draw(w, 2) : draw_axis(w);
    return shape_small(w, s);
}

static void draw_sizes(World *w)
{
    static const int64_t small[] = {1, 2, 3, 4, 5, 7}, large[] = {511, 512, 513, 1030};
    w->largest = 4200;
    for (int i = 0; i < SIZES; i++)
        w->size[i] = small[draw(w, 6)];
    if (chance(w, 8)) w->size[0] = large[draw(w, 4)];
    if (chance(w, 10)) w->size[1] = 0;
    if (!chance(w, 120)) return;
    w->size[0] = w->size[2] = SPLIT;
    w->largest = 70000, w->steps = 2 + w->steps / 4;
}

/* ---- What is known ---- */

static bool is_whole(const Node *n)
{
    return n->type == TYPE_I32 || n->type == TYPE_U8;
}

static bool is_exact(const Known *k)
{
    return k->error == 0;
}

static Known known(Node *n, double most, int bits, double error)
{
    Known k = {.node = n, .most = most, .bits = bits, .error = error};
    if (!is_whole(n) && (error > 0 || ldexp(most, bits) > 4194304)) k.error += most;
    return k;
}

static Known known_whole(Node *n, double most, int64_t limit)
{
    return (Known){.node = n, .most = most, .limit = limit};
}

/* The same values in other places, with zeros among them perhaps. */
static Known known_moved(const Known *x, Node *n)
{
    Known k = *x;
    k.node = n;
    return k;
}

/* Adds to the bed what is not yet too large or too uncertain to be of use. */
static void grow(Bed *b, Known k)
{
    if (k.error > 1e6 || b->count == POOL) return;
    if (k.most > 1e4 && !is_whole(k.node))
        k = known(graph_unary(b->world->graph, OP_sin, k.node), 1, 60, k.error + 4);
    b->pool[b->count++] = k;
}

/* ---- Choosing ---- */

typedef bool Wanted(const Known *k);

static bool any_tensor(const Known *k)
{
    return k->node->type != TYPE_SCALAR;
}

static bool any_real(const Known *k)
{
    return k->node->type == TYPE_REAL;
}

static bool any_number(const Known *k)
{
    return !is_whole(k->node);
}

static bool any_scalar(const Known *k)
{
    return k->node->type == TYPE_SCALAR;
}

static bool any_exact(const Known *k)
{
    return any_real(k) && is_exact(k);
}

static bool any_exact_number(const Known *k)
{
    return any_number(k) && is_exact(k);
}

static bool any_whole(const Known *k)
{
    return is_whole(k->node);
}

/* One that is wanted, rather a late one; NULL if there is none. A copy, since the pool grows. */
static bool choose(Bed *b, Wanted *wanted, Known *chosen)
{
    for (int tries = 0; tries < 12; tries++) {
        int64_t back = draw(b->world, b->count), other = draw(b->world, b->count);
        const Known *k = &b->pool[b->count - 1 - (b->late && !tries ? 0 : other < back ? other : back)];
        if (wanted(k)) return *chosen = *k, true;
    }
    return false;
}

static bool shape_joins(const World *w, Shape a, Shape b)
{
    int64_t size = 1;
    int rank = a.rank > b.rank ? a.rank : b.rank;
    for (int i = 1; i <= rank; i++) {
        int64_t x = i <= a.rank ? a.dim[a.rank - i] : 1, z = i <= b.rank ? b.dim[b.rank - i] : 1;
        if (x != z && x != 1 && z != 1) return false;
        size *= x == 1 ? z : x;
    }
    return size <= w->largest;
}

/* ---- Leaves ---- */

static bool leaf_exact(const Given *g)
{
    return g->known.bits == 2 || is_whole(g->known.node);
}

static void leaf_values(World *w, Given *g, int64_t limit)
{
    int64_t size = shape_size(g->known.node->shape);
    g->value = arena_new(&w->arena, (size_t)size, sizeof *g->value);
    for (int64_t i = 0; i < size; i++)
        g->value[i] = limit           ? (double)draw(w, limit)
                      : leaf_exact(g) ? (double)(draw(w, 17) - 8) / 4
                                      : (double)(float)((double)draw(w, 1 << 30) / (1 << 28) - 2);
}

enum { LEAF_ERROR = 8 };

/* A new leaf of that shape; limit: of whole numbers below it. False if there are enough. */
static bool leaf_new(World *w, Role role, Type type, Shape shape, int64_t limit, Known *made)
{
    if (w->leaves == GIVEN) return false;
    char name[NAMES + 8];
    snprintf(name, sizeof name, "%c%d", "xwst"[role], w -> leaves);
    Given *g = &w->given[w->leaves++];
    Node *n = graph_leaf(w->graph, role, name, type, shape, NULL);
    bool exact = role == ROLE_DATA || !chance(w, 3);
    g->known = limit   ? known_whole(n, (double)limit, limit)
               : exact ? (Known){.node = n, .most = 2, .bits = 2}
                       : (Known){.node = n, .most = 2, .bits = 60, .error = LEAF_ERROR};
    leaf_values(w, g, limit);
    *made = g->known;
    return true;
}

static Role draw_role(World *w)
{
    static const Role role[] = {ROLE_DATA, ROLE_DATA, ROLE_PARAMETER, ROLE_PARAMETER, ROLE_STATE};
    return role[draw(w, 5)];
}

static bool leaf_real(World *w, Shape shape, Known *made)
{
    return leaf_new(w, draw_role(w), TYPE_REAL, shape, 0, made);
}

static bool leaf_index(World *w, Shape shape, int64_t limit, Known *made)
{
    return leaf_new(w, chance(w, 4) ? ROLE_STATE : ROLE_DATA, TYPE_I32, shape, limit, made);
}

static void leaf_scalar(World *w, const char *name, double value, Known *made)
{
    Given *g = &w->given[w->leaves++];
    g->known = (Known){.node = graph_leaf(w->graph, ROLE_SCALAR, name, TYPE_SCALAR, (Shape){0}, NULL)};
    g->known.most = value, g->known.bits = 2;
    g->value = arena_new(&w->arena, 1, sizeof *g->value);
    g->value[0] = value;
    *made = g->known;
}

/* ---- Elementwise ---- */

static void grow_unary(Bed *b)
{
    static const OpCode op[] = {OP_neg, OP_abs, OP_neg, OP_abs, OP_floor, OP_ceil, OP_round, OP_sign};
    int64_t which = draw(b->world, 8);
    Known x;
    if (!choose(b, which < 4 ? any_number : any_exact_number, &x)) return;
    Node *y = graph_unary(b->world->graph, op[which], x.node);
    grow(b, which < 4 ? known_moved(&x, y) : known(y, ceil(x.most), 0, 0));
}

static void grow_smooth(Bed *b)
{
    static const struct {
        OpCode op;
        double slope, most;
    } row[] = {{OP_tanh, 1, 1}, {OP_sigmoid, .25, 1}, {OP_sin, 1, 1}, {OP_cos, 1, 1},
               {OP_atan, 1, 2}, {OP_erf, 1.2, 1},     {OP_exp, 8, 8}, {OP_gelu, 1.2, 1e4}};
    int64_t which = draw(b->world, 8);
    Known x;
    if (!choose(b, any_number, &x) || (row[which].op == OP_exp && x.most > 2)) return;
    double most = row[which].op == OP_gelu ? x.most : row[which].most;
    grow(b, known(graph_unary(b->world->graph, row[which].op, x.node), most, 60,
                  row[which].slope * x.error + 4 * most));
}

/* Something that x can be combined with: a number, x summed up, an old node that fits, or a leaf. */
static bool partner(Bed *b, const Known *x, bool exact, Known *z)
{
    World *w = b->world;
    static const double number[] = {0, 1, -1, 2, .5, -3};
    if (chance(w, 6)) return choose(b, exact ? any_exact_number : any_number, z) && any_scalar(z);
    if (chance(w, 8)) {
        double value = number[draw(w, 6)];
        *z = known(graph_const(w->graph, value), fabs(value), 1, 0);
        return true;
    }
    if (chance(w, 4) && shape_size(x->node->shape) && x->node->shape.rank) {
        Node *most = graph_reduce(w->graph, OP_amax, x->node, (uint32_t)draw(w, 256));
        *z = known_moved(x, most);
        return true;
    }
    for (int tries = 0; tries < 4; tries++)
        if (choose(b, exact ? any_exact_number : any_number, z) &&
            shape_joins(w, x->node->shape, z->node->shape))
            return true;
    Shape s = x->node->shape;
    for (int a = 0; a < s.rank; a++)
        if (chance(w, 3)) s.dim[a] = 1;
    int skip = (int)draw(w, s.rank + 1) / 2;
    s = shape_of(s.rank - skip, s.dim + skip);
    if (!leaf_real(w, s, z)) return false;
    grow(b, *z);
    return !exact || is_exact(z);
}

static void grow_binary(Bed *b)
{
    static const OpCode op[] = {OP_add, OP_sub, OP_mul, OP_min, OP_max, OP_mulz, OP_lt, OP_le, OP_eq};
    World *w = b->world;
    OpCode code = op[draw(w, 9)];
    bool jumps = code == OP_lt || code == OP_le || code == OP_eq, times = code == OP_mul || code == OP_mulz;
    Known x, z;
    if (!choose(b, jumps ? any_exact : any_real, &x) || !partner(b, &x, jumps, &z)) return;
    if (chance(w, 2)) {
        Known t = x;
        x = z, z = t;
    }
    double more = x.most > z.most ? x.most : z.most;
    int bits = x.bits > z.bits ? x.bits : z.bits;
    Node *y = graph_binary(w->graph, code, x.node, z.node);
    if (jumps)
        grow(b, known(y, 1, 0, 0));
    else if (times)
        grow(b, known(y, x.most * z.most, x.bits + z.bits, x.most * z.error + z.most * x.error));
    else
        grow(b, known(y, code == OP_add || code == OP_sub ? x.most + z.most : more, bits, x.error + z.error));
}

/* x / (1 + |z|): never near 0. */
static void grow_quotient(Bed *b)
{
    Graph *g = b->world->graph;
    Known x, z;
    if (!choose(b, any_real, &x) || !partner(b, &x, false, &z)) return;
    Node *below = graph_binary(g, OP_add, graph_unary(g, OP_abs, z.node), graph_const(g, 1));
    double error = x.error + x.most * (z.error + z.most + 1) + x.most;
    grow(b, known(graph_binary(g, OP_div, x.node, below), x.most, 60, error));
}

static void grow_where(Bed *b)
{
    World *w = b->world;
    Known c, x, z;
    if (!choose(b, any_exact, &c) || !partner(b, &c, false, &x) || !partner(b, &c, false, &z)) return;
    if (!shape_joins(w, x.node->shape, z.node->shape)) return;
    Shape both = shape_broadcast(w->graph, "", c.node->shape, x.node->shape);
    if (!shape_joins(w, both, z.node->shape)) return;
    Node *y = graph_node(w->graph, OP_where, 3, (Node *[]){c.node, x.node, z.node}, 0, NULL);
    grow(b, known(y, fmax(x.most, z.most), x.bits > z.bits ? x.bits : z.bits, x.error + z.error));
}

static void grow_scalar(Bed *b)
{
    static const OpCode op[] = {OP_add, OP_sub, OP_mul, OP_max, OP_lt};
    Known x, z;
    if (!choose(b, any_scalar, &x) || !choose(b, any_scalar, &z)) return;
    OpCode code = op[draw(b->world, 5)];
    double most = code == OP_mul ? x.most * z.most : x.most + z.most + 1;
    int bits = x.bits + z.bits;
    if (ldexp(most, bits) > 65536) return;
    grow(b, known(graph_binary(b->world->graph, code, x.node, z.node), most, bits, 0));
}

/* ---- Moving ---- */

static void grow_expand(Bed *b)
{
    World *w = b->world;
    Known x;
    if (!choose(b, chance(w, 5) ? any_scalar : any_tensor, &x)) return;
    Shape s = x.node->shape;
    for (int a = 0; a < s.rank; a++)
        if (s.dim[a] == 1 && chance(w, 2)) s.dim[a] = draw_axis(w);
    for (int more = (int)draw(w, 3); more && s.rank < RANK_MAX; more--) {
        memmove(s.dim + 1, s.dim, (size_t)s.rank++ * sizeof *s.dim);
        s.dim[0] = draw_axis(w);
    }
    if (is_small(w, s)) grow(b, known_moved(&x, graph_expand(w->graph, x.node, s)));
}

/* Neighbouring axes merge, even axes split, axes of size 1 come. */
static void grow_reshape(Bed *b)
{
    World *w = b->world;
    Known x;
    if (!choose(b, any_tensor, &x)) return;
    Shape from = x.node->shape, s = {0};
    for (int a = 0; a < from.rank && s.rank + 2 < RANK_MAX; a++) {
        int64_t size = from.dim[a];
        if (s.rank && chance(w, 2))
            s.dim[s.rank - 1] *= size;
        else
            s.dim[s.rank++] = size;
        if (s.dim[s.rank - 1] % 2 == 0 && s.dim[s.rank - 1] && chance(w, 2)) {
            s.dim[s.rank - 1] /= 2;
            s.dim[s.rank++] = 2;
        }
        if (chance(w, 6)) s.dim[s.rank++] = 1;
    }
    if (shape_size(s) == shape_size(from)) grow(b, known_moved(&x, graph_reshape(w->graph, x.node, s)));
}

static void grow_transpose(Bed *b)
{
    World *w = b->world;
    Known x;
    int axes[RANK_MAX];
    if (!choose(b, any_tensor, &x)) return;
    for (int a = 0; a < x.node->shape.rank; a++) {
        int at = (int)draw(w, a + 1);
        axes[a] = axes[at];
        axes[at] = a;
    }
    grow(b, known_moved(&x, graph_transpose(w->graph, x.node, axes)));
}

/* A window of `size` elements within `outer`, as far apart as step says. */
static void draw_window(World *w, int64_t outer, int64_t size, int64_t step, int64_t *begin,
                        int64_t *signed_step)
{
    int64_t reach = size ? (size - 1) * step : 0, slack = size ? outer - 1 - reach : outer;
    *begin = draw(w, slack + 1);
    *signed_step = step;
    if (!chance(w, 2)) return;
    *begin += reach;
    *signed_step = -step;
}

static void grow_slice(Bed *b)
{
    World *w = b->world;
    Known x;
    if (!choose(b, any_tensor, &x)) return;
    Shape s = x.node->shape;
    int64_t begin[RANK_MAX], step[RANK_MAX];
    for (int a = 0; a < s.rank; a++) {
        int64_t apart = 1 + draw(w, 3), most = (s.dim[a] + apart - 1) / apart;
        int64_t size = chance(w, 2) ? most : chance(w, 20) ? 0 : most ? 1 + draw(w, most) : 0;
        draw_window(w, s.dim[a], size, apart, &begin[a], &step[a]);
        s.dim[a] = size;
    }
    grow(b, known_moved(&x, graph_slice(w->graph, x.node, begin, step, s)));
}

static void grow_pad(Bed *b)
{
    World *w = b->world;
    Known x;
    if (!choose(b, any_tensor, &x)) return;
    Shape s = x.node->shape;
    int64_t begin[RANK_MAX], step[RANK_MAX];
    for (int a = 0; a < s.rank; a++) {
        int64_t apart = 1 + draw(w, 2), size = s.dim[a];
        s.dim[a] = (size ? (size - 1) * apart + 1 : 0) + draw(w, 3);
        draw_window(w, s.dim[a], size, apart, &begin[a], &step[a]);
    }
    if (!is_small(w, s)) return;
    Known y = known_moved(&x, graph_pad(w->graph, x.node, begin, step, s));
    grow(b, y);
}

static void grow_concat(Bed *b)
{
    World *w = b->world;
    Known x, all;
    if (!choose(b, any_tensor, &x) || !x.node->shape.rank) return;
    int axis = (int)draw(w, x.node->shape.rank), count = 1 + (int)draw(w, 3);
    Node *part[4] = {x.node};
    all = x;
    int64_t size = shape_size(x.node->shape);
    for (int i = 1; i < count; i++) {
        Known z = x;
        for (int tries = 0; tries < 4; tries++) {
            Known other;
            Shape s = x.node->shape;
            if (!choose(b, any_tensor, &other) || other.node->shape.rank != s.rank) continue;
            s.dim[axis] = other.node->shape.dim[axis];
            if (shape_equal(s, other.node->shape) && other.node->type == x.node->type) z = other;
        }
        part[i] = z.node;
        size += shape_size(z.node->shape);
        all.limit = !all.limit || !z.limit ? 0 : all.limit > z.limit ? all.limit : z.limit;
        all.most = fmax(all.most, z.most), all.error = fmax(all.error, z.error);
        all.bits = all.bits > z.bits ? all.bits : z.bits;
    }
    all.node = NULL;
    if (size <= w->largest) grow(b, known_moved(&all, graph_concat(w->graph, count, part, axis)));
}

/* ---- Reducing, multiplying, gathering ---- */

static void grow_reduce(Bed *b)
{
    World *w = b->world;
    Known x;
    if (!choose(b, any_real, &x)) return;
    Shape s = x.node->shape;
    uint32_t axes = chance(w, 4) ? 255 : (uint32_t)draw(w, 256);
    int64_t count = 1;
    for (int a = 0; a < s.rank; a++)
        if (axes >> a & 1) count *= s.dim[a];
    if (count && chance(w, 3)) {
        grow(b, known_moved(&x, graph_reduce(w->graph, OP_amax, x.node, axes)));
        return;
    }
    double n = (double)count, most = n * x.most, error = n * x.error;
    if (!is_exact(&x) || ldexp(most, x.bits) > 4194304) error += n * most;
    grow(b, known(graph_reduce(w->graph, OP_sum, x.node, axes), most, x.bits, error));
}

static void grow_argmax(Bed *b)
{
    World *w = b->world;
    Known x;
    if (!choose(b, any_exact, &x) || !x.node->shape.rank) return;
    int64_t axis = draw(w, x.node->shape.rank), size = x.node->shape.dim[axis];
    if (size) grow(b, known_whole(graph_node(w->graph, OP_argmax, 1, &x.node, 1, &axis), (double)size, size));
}

/* What x is multiplied with: itself, an old matrix, or a new one, perhaps with batches. */
static bool factor(Bed *b, const Known *x, Known *z)
{
    World *w = b->world;
    Shape s = x->node->shape;
    int64_t inner = s.dim[s.rank - 1];
    if (s.rank > 1 && chance(w, 3)) {
        *z = known_moved(x, graph_swap(w->graph, x->node));
        return true;
    }
    for (int tries = 0; tries < 3; tries++)
        if (choose(b, any_real, z) && z->node->shape.rank == 2 && z->node->shape.dim[0] == inner) return true;
    Shape made = {.rank = 1 + (s.rank > 1), .dim = {inner, draw_axis(w)}};
    if (s.rank > 2 && chance(w, 2))
        made = s, made.dim[s.rank - 2] = inner, made.dim[s.rank - 1] = draw_axis(w), made.dim[0] = 1;
    return leaf_real(w, shape_small(w, made), z);
}

/* A sum of so many products. */
static Known product_known(Node *y, int64_t terms, const Known *x, const Known *z)
{
    double n = (double)terms, most = n * x->most * z->most,
           error = n * (x->most * z->error + z->most * x->error);
    if (error > 0 || ldexp(most, x->bits + z->bits) > 4194304) error += n * most;
    return known(y, most, x->bits + z->bits, error);
}

static void grow_matmul(Bed *b)
{
    World *w = b->world;
    Known x, z;
    if (!choose(b, any_real, &x) || !x.node->shape.rank || !factor(b, &x, &z)) return;
    Shape s = x.node->shape, t = z.node->shape;
    int64_t inner = s.dim[s.rank - 1], other = t.dim[t.rank - (t.rank > 1 ? 2 : 1)];
    if (inner != other || shape_size(s) / (inner ? inner : 1) * t.dim[t.rank - 1] > w->largest) return;
    if (s.rank > 2 && t.rank > 2 && !shape_joins(w, shape_of(s.rank - 2, s.dim), shape_of(t.rank - 2, t.dim)))
        return;
    Node *y = graph_matmul(w->graph, x.node, z.node);
    if (is_small(w, y->shape)) grow(b, product_known(y, inner, &x, &z));
}

static bool index_for(Bed *b, int64_t limit, Known *index)
{
    World *w = b->world;
    for (int tries = 0; tries < 4; tries++)
        if (choose(b, any_whole, index) && index->node->type == TYPE_I32 && index->limit &&
            index->limit <= limit)
            return true;
    return leaf_index(w, draw_shape(w), limit, index);
}

static void grow_take(Bed *b)
{
    World *w = b->world;
    Known x, index;
    if (!choose(b, any_tensor, &x) || !x.node->shape.rank || !x.node->shape.dim[0]) return;
    if (!index_for(b, x.node->shape.dim[0], &index)) return;
    Shape s = x.node->shape, at = index.node->shape;
    if (at.rank + s.rank - 1 > RANK_MAX || shape_size(at) * shape_size(s) / s.dim[0] > w->largest) return;
    grow(b, known_moved(&x, graph_binary(w->graph, OP_take, x.node, index.node)));
}

static void grow_scatter(Bed *b)
{
    World *w = b->world;
    Known x, index;
    if (!choose(b, any_real, &x)) return;
    Shape s = x.node->shape, at = shape_of((int)draw(w, s.rank + 1), s.dim);
    int64_t size = 1 + draw(w, 6), rows = shape_size(at);
    if (!leaf_index(w, at, size, &index)) return;
    Shape row = shape_of(s.rank - at.rank, s.dim + at.rank);
    if (row.rank + 1 > RANK_MAX || shape_size(row) * size > w->largest) return;
    double n = (double)rows, most = n * x.most, error = n * x.error;
    if (error > 0 || ldexp(most, x.bits) > 4194304) error += n * most;
    Node *y = graph_node(w->graph, OP_scatter, 2, (Node *[]){x.node, index.node}, 1, &size);
    grow(b, known(y, most, x.bits, error));
}

static void grow_pick(Bed *b)
{
    World *w = b->world;
    Known x, index;
    if (!choose(b, any_tensor, &x) || !x.node->shape.rank) return;
    Shape s = x.node->shape;
    int64_t last = s.dim[--s.rank];
    if (last && leaf_index(w, s, last, &index))
        grow(b, known_moved(&x, graph_binary(w->graph, OP_pick, x.node, index.node)));
}

/* Pictures: [examples, channels, ..], one to three axes to slide along, and room for a window of 2. */
static bool picture(Bed *b, Wanted *wanted, Known *x)
{
    World *w = b->world;
    for (int tries = 0; tries < 3; tries++) {
        if (!choose(b, wanted, x)) break;
        Shape s = x->node->shape;
        bool fits = s.rank > 2 && s.rank < 6 && shape_size(s);
        for (int a = 2; fits && a < s.rank; a++)
            fits = s.dim[a] > 1;
        if (fits) return true;
    }
    Shape s = {.rank = 3 + (int)draw(w, 3)};
    for (int a = 0; a < s.rank; a++)
        s.dim[a] = 1 + (a > 1) + draw(w, 4);
    return leaf_real(w, s, x) && wanted(x);
}

enum { SLIDES = 3 };

/* The attributes of what slides a window over x: stride, before, dilation, one number an axis each. The sizes that
 * come out are written to size. */
static void draw_slide(World *w, Shape x, const int64_t *window, int64_t *attribute, int64_t *size)
{
    int axes = x.rank - 2;
    for (int a = 0; a < axes; a++) {
        int64_t stride = attribute[a] = 1 + draw(w, 2), before = attribute[axes + a] = draw(w, 2);
        int64_t reach = window[a] == 2 && x.dim[2 + a] > 2 ? 1 + draw(w, 2) : 1;
        attribute[2 * axes + a] = reach;
        size[a] = (x.dim[2 + a] + before - reach * (window[a] - 1) - 1) / stride + 1;
    }
}

static void grow_convolve(Bed *b)
{
    World *w = b->world;
    Known x, k;
    if (!picture(b, any_real, &x)) return;
    Shape s = x.node->shape, shape = {.rank = s.rank};
    int axes = s.rank - 2;
    int64_t attribute[4 * SLIDES + 1], groups = chance(w, 3) ? s.dim[1] : 1, terms = s.dim[1] / groups;
    shape.dim[0] = groups * (1 + draw(w, 3)), shape.dim[1] = terms;
    for (int a = 0; a < axes; a++)
        terms *= shape.dim[2 + a] = 1 + draw(w, 2);
    draw_slide(w, s, shape.dim + 2, attribute, attribute + 3 * axes);
    attribute[4 * axes] = groups;
    if (shape_size(s) * shape.dim[0] > w->largest || !leaf_real(w, shape, &k)) return;
    Known y = product_known(
        graph_node(w->graph, OP_convolve, 2, (Node *[]){x.node, k.node}, 4 * axes + 1, attribute), terms, &x,
        &k);
    grow(b, y);
    if (y.most > 1e4 || chance(w, 2)) return;
    bool input = chance(w, 2); /* the way back: x from y and k, or k from x and y */
    memcpy(attribute + 3 * axes, (input ? s : shape).dim + 2, (size_t)axes * sizeof *attribute);
    Node *from[] = {input ? y.node : x.node, input ? k.node : y.node};
    Node *back = graph_node(w->graph, input ? OP_convolve_input : OP_convolve_weight, 2, from, 4 * axes + 1,
                            attribute);
    grow(b, product_known(back, shape_size((input ? shape : y.node->shape)), &y, input ? &k : &x));
}

/* The largest of each window, and perhaps its way back. */
static void grow_pool(Bed *b)
{
    World *w = b->world;
    Known x;
    if (!picture(b, any_exact, &x)) return;
    Shape s = x.node->shape;
    int axes = s.rank - 2;
    int64_t attribute[5 * SLIDES], *window = attribute + 3 * axes, plane = 1;
    for (int a = 0; a < axes; a++)
        window[a] = 2, plane *= s.dim[2 + a];
    draw_slide(w, s, window, attribute, attribute + 4 * axes);
    Node *where = graph_node(w->graph, OP_pool_argmax, 1, &x.node, 5 * axes, attribute);
    grow(b, known_whole(where, (double)plane, plane));
    Node *largest = graph_binary(w->graph, OP_pool_take, x.node, where);
    grow(b, known_moved(&x, largest));
    if (chance(w, 2)) return;
    double most = 8 * x.most; /* no element is in more windows */
    grow(b, known(graph_node(w->graph, OP_pool_put, 2, (Node *[]){largest, where}, axes, s.dim + 2), most,
                  x.bits, 0));
}

static void grow_cast(Bed *b)
{
    World *w = b->world;
    Known x;
    if (choose(b, any_whole, &x) && chance(w, 2)) {
        grow(b, known(graph_cast(w->graph, x.node, TYPE_REAL), x.most, 0, 0));
        return;
    }
    if (!choose(b, chance(w, 8) ? any_exact_number : any_exact, &x)) return;
    Type to = chance(w, 3) ? TYPE_U8 : TYPE_I32;
    grow(b, known_whole(graph_cast(w->graph, x.node, to), ceil(x.most), 0));
}

/* ---- Sources ---- */

static void grow_leaf(Bed *b)
{
    World *w = b->world;
    Known x;
    if (leaf_real(w, draw_shape(w), &x)) grow(b, x);
}

static void grow_whole(Bed *b)
{
    World *w = b->world;
    Known x;
    if (leaf_new(w, draw_role(w), chance(w, 2) ? TYPE_U8 : TYPE_I32, draw_shape(w), 1 + draw(w, 6), &x))
        grow(b, x);
}

static void grow_iota(Bed *b)
{
    World *w = b->world;
    Shape s = draw_shape(w);
    if (!s.rank) return;
    int axis = (int)draw(w, s.rank);
    grow(b, known(graph_iota(w->graph, s, axis), (double)s.dim[axis], 0, 0));
}

static void grow_random(Bed *b)
{
    World *w = b->world;
    Known seed;
    Shape s = draw_shape(w);
    int64_t attribute[RANK_MAX + 1] = {(int64_t)w->graph->sites++};
    memcpy(attribute + 1, s.dim, sizeof s.dim);
    if (!choose(b, any_scalar, &seed)) return;
    Node *whole = graph_unary(w->graph, OP_abs, seed.node);
    bool uniform = chance(w, 2);
    Node *y = graph_node(w->graph, uniform ? OP_uniform : OP_normal, 1, &whole, s.rank + 1, attribute);
    grow(b, uniform ? known(y, 1, 60, 0) : known(y, 8, 60, 64));
}

/* One after the other on what was made last: what the planner would make one group of. */
static void grow_chain(Bed *b)
{
    static void (*const link[])(Bed * b) = {grow_unary,    grow_smooth, grow_binary, grow_binary,
                                            grow_quotient, grow_where,  grow_reduce};
    b->late = true;
    for (int64_t i = 2 + draw(b->world, 5); i; i--)
        link[draw(b->world, 7)](b);
    b->late = false;
}

/* ---- Bodies ---- */

static void bed_grow(Bed *b, int steps);

static void bed_place(Bed *b, const Known *like, Shape shape, Body *body)
{
    Known k = *like;
    k.node = graph_place(b->world->graph, like->node->type, shape);
    body->input[body->inputs++] = k.node;
    b->pool[b->count++] = k;
}

enum { PLACES = 8 };

static void bed_begin(Bed *b, const Bed *outer, Body *body)
{
    *b = (Bed){.world = outer->world, .depth = outer->depth + 1};
    body->input = arena_new(&b->world->arena, PLACES, sizeof(Node *));
    body->output = arena_new(&b->world->arena, PLACES, sizeof(Node *));
    body->inputs = body->outputs = 0;
}

static void grow_call(Bed *b)
{
    World *w = b->world;
    if (b->depth == DEPTH) return;
    Bed in;
    Body body;
    Node *input[PLACES];
    bed_begin(&in, b, &body);
    for (int i = 1 + (int)draw(w, 3); i; i--) {
        Known x;
        if (!choose(b, any_tensor, &x)) return;
        input[body.inputs] = x.node;
        bed_place(&in, &x, x.node->shape, &body);
    }
    bed_grow(&in, 1 + (int)draw(w, 6));
    Known out[2];
    for (int wanted = 1 + (int)draw(w, 2); body.outputs < wanted;) {
        if (!choose(&in, any_tensor, &out[body.outputs])) return;
        body.output[body.outputs] = out[body.outputs].node;
        body.outputs++;
    }
    Node *call = graph_call(w->graph, "made", b, body.inputs, input, body);
    for (int i = 0; i < body.outputs; i++)
        grow(b, known_moved(&out[i], i || chance(w, 2) ? graph_output(w->graph, call, i) : call));
}

/* x in that shape: as it is, repeated, or its sum repeated. */
static Known fit(World *w, Known x, Shape to)
{
    Shape from = x.node->shape;
    Graph *g = w->graph;
    if (shape_equal(from, to) && x.node->type == TYPE_REAL) return x;
    bool repeats = from.rank <= to.rank;
    for (int i = 1; repeats && i <= from.rank; i++)
        repeats = from.dim[from.rank - i] == 1 || from.dim[from.rank - i] == to.dim[to.rank - i];
    if (repeats) return known_moved(&x, graph_expand(g, x.node, to));
    double n = (double)shape_size(from), most = n * x.most;
    Node *sum = graph_reshape(g, graph_reduce(g, OP_sum, x.node, 255), (Shape){0});
    bool exact = is_exact(&x) && ldexp(most, x.bits) < 4194304;
    return known(graph_expand(g, sum, to), most, x.bits, exact ? 0 : n * x.error + n * most);
}

/* The value within what a leaf or carried value promises: at most 2, and exact where that is said. False if x cannot
 * be that. */
static bool settle(World *w, Known *x, bool exact)
{
    Graph *g = w->graph;
    if (exact && !is_exact(x)) return false;
    if (!exact) {
        if (x->most > 2) *x = known(graph_unary(g, OP_sin, x->node), 1, 60, x->error + 4);
        return true;
    }
    Node *n = x->bits > 2 ? graph_unary(g, OP_round, x->node) : x->node;
    if (x->most > 2)
        n = graph_binary(g, OP_max, graph_binary(g, OP_min, n, graph_const(g, 2)), graph_const(g, -2));
    *x = (Known){.node = n, .most = 2, .bits = 2};
    return true;
}

/* The loop's input: what is carried starts real and within bounds, a sequence has the turns as its first axis. */
static bool loop_first(Bed *b, Known *x)
{
    World *w = b->world;
    if (!choose(b, any_real, x)) return false;
    return settle(w, x, is_exact(x));
}

typedef struct Looping {
    Loop loop;
    Bed in;
    Node *input[PLACES];
    bool exact[PLACES];
    int outside; /* leaves used without a place: how many */
} Looping;

static bool loop_inputs(Bed *b, Looping *l)
{
    World *w = b->world;
    Body *body = &l->loop.body;
    for (int i = (int)draw(w, 3); i; i--, l->loop.carried++) {
        Known x;
        if (!loop_first(b, &x)) return false;
        l->input[body->inputs] = x.node;
        l->exact[body->inputs] = is_exact(&x);
        Known place =
            is_exact(&x) ? (Known){x.node, 2, 2, 0, 0} : (Known){x.node, 2, 60, fmax(LEAF_ERROR, x.error), 0};
        bed_place(&l->in, &place, x.node->shape, body);
    }
    for (int i = (int)draw(w, 3); i; i--) {
        Known x;
        if (!choose(b, any_tensor, &x) || !x.node->shape.rank || x.node->shape.dim[0] != l->loop.count)
            continue;
        l->input[body->inputs] = x.node;
        bed_place(&l->in, &x, shape_of(x.node->shape.rank - 1, x.node->shape.dim + 1), body);
        l->loop.stacked++;
    }
    for (int i = (int)draw(w, 3); i; i--) {
        Known x;
        if (!choose(b, chance(w, 4) ? any_scalar : any_tensor, &x)) continue;
        l->input[body->inputs] = x.node;
        bed_place(&l->in, &x, x.node->shape, body);
    }
    return true;
}

static Known position_known(const Loop *l, Node *place)
{
    return known_whole(place, (double)l->count, l->count);
}

/* The next of a carried value, made from what the body has. */
static bool loop_next(Looping *l, int carry, Known *next)
{
    World *w = l->in.world;
    Known x = l->in.pool[carry];
    bool exact = l->exact[carry];
    for (int tries = 0; tries < 4; tries++)
        if (choose(&l->in, exact ? any_exact : any_real, &x)) break;
    if (chance(w, 8)) x = l->in.pool[draw(w, l->loop.carried)]; /* a swap */
    *next = fit(w, x, l->loop.body.input[carry]->shape);
    return settle(w, next, exact);
}

static double loop_worst(const Looping *l, double error)
{
    double turns = (double)(l->loop.count < 4 ? l->loop.count : 4);
    return error == 0 ? 0 : error * pow(1 + error / LEAF_ERROR, turns - 1) + error;
}

static void loop_done(Bed *b, Looping *l, const Known *out)
{
    World *w = b->world;
    const Body *body = &l->loop.body;
    Node *n = graph_loop(w->graph, l->loop, body->inputs - 1, l->input);
    int outputs = graph_outputs(n);
    double worst = 0;
    for (int i = 0; i < l->loop.carried; i++)
        worst = fmax(worst, loop_worst(l, out[i].error));
    for (int i = 0; i < outputs; i++) {
        if (chance(w, 3) ||
            (i >= body->outputs && l->loop.body.input[i - body->outputs]->shape.rank == RANK_MAX))
            continue;
        Known k = i < body->outputs ? out[i] : l->in.pool[i - body->outputs];
        bool carried = i < l->loop.carried || i >= body->outputs;
        if (carried) k.most = 2;
        if (k.error > 0) k.error = k.error + worst * (1 + k.error);
        k.node = graph_output(w->graph, n, i);
        if (l->loop.count == 0 && i < l->loop.carried) k.bits = 60, k.error += LEAF_ERROR;
        if (shape_size(k.node->shape) <= 4 * w->largest) grow(b, k);
    }
}

static void grow_loop(Bed *b)
{
    World *w = b->world;
    if (b->depth == DEPTH || (b->depth && chance(w, 2))) return;
    Looping l = {
        .loop = {.count = chance(w, 2) ? w->size[draw(w, SIZES)] : 1 + draw(w, 3), .reverse = chance(w, 2)}};
    if (l.loop.count > 5) l.loop.count = 5;
    Body *body = &l.loop.body;
    bed_begin(&l.in, b, body);
    if (!loop_inputs(b, &l)) return;
    Node *position = graph_place(w->graph, TYPE_I32, (Shape){0});
    body->input[body->inputs++] = position;
    l.in.pool[l.in.count++] = position_known(&l.loop, position);
    if (chance(w, 3)) { /* a leaf of outside, used without a place */
        Known leaf;
        if (leaf_real(w, draw_shape(w), &leaf)) grow(&l.in, leaf);
    }
    bed_grow(&l.in, 1 + (int)draw(w, 7));
    Known out[PLACES];
    for (int i = 0; i < l.loop.carried; i++, body->outputs++) {
        if (!loop_next(&l, i, &out[i])) return;
        body->output[i] = out[i].node;
    }
    for (int i = (int)draw(w, 3); i; i--) {
        if (!choose(&l.in, any_tensor, &out[body->outputs]) ||
            out[body->outputs].node->shape.rank == RANK_MAX)
            continue;
        body->output[body->outputs] = out[body->outputs].node;
        body->outputs++;
    }
    if (body->outputs) loop_done(b, &l, out);
}

/* ---- Growing a graph ---- */

typedef void Grow(Bed *b);

static Grow *const growth[] = {
    grow_unary,   grow_unary,     grow_smooth,    grow_smooth, grow_binary,   grow_binary, grow_binary,
    grow_binary,  grow_where,     grow_quotient,  grow_scalar, grow_expand,   grow_expand, grow_reshape,
    grow_reshape, grow_transpose, grow_transpose, grow_slice,  grow_slice,    grow_pad,    grow_concat,
    grow_reduce,  grow_reduce,    grow_reduce,    grow_argmax, grow_matmul,   grow_matmul, grow_take,
    grow_scatter, grow_pick,      grow_cast,      grow_cast,   grow_leaf,     grow_chain,  grow_chain,
    grow_chain,   grow_whole,     grow_iota,      grow_random, grow_convolve, grow_pool,   grow_call,
    grow_loop,
};

static void bed_grow(Bed *b, int steps)
{
    for (int i = 0; i < steps; i++)
        growth[draw(b->world, sizeof growth / sizeof *growth)](b);
}

/* What a leaf takes: another leaf, itself turned round, a small step, another's new value, one number, anything. */
static bool assign_value(Bed *b, const Given *leaf, Known *x)
{
    World *w = b->world;
    Node *n = leaf->known.node;
    *x = leaf->known;
    int rank = n->shape.rank, back[RANK_MAX];
    for (int a = 0; a < rank; a++)
        back[a] = rank - 1 - a;
    Known g;
    switch (draw(w, 8)) {
    case 0:
        *x = w->given[draw(w, w->leaves)].known;
        return true;
    case 1:
        *x = known_moved(x, graph_transpose(w->graph, n, back));
        return shape_equal(x->node->shape, n->shape);
    case 2:
        if (is_whole(n) || !choose(b, leaf_exact(leaf) ? any_exact : any_real, &g)) return false;
        g = fit(w, g, n->shape);
        g.node = graph_binary(w->graph, OP_mul, g.node, graph_const(w->graph, .25));
        *x = known(graph_binary(w->graph, OP_sub, n, g.node), 2 + g.most,
                   g.bits + 2 > x->bits ? g.bits + 2 : x->bits, x->error + g.error);
        return true;
    case 3:
        return w->assigned && (*x = w->value[draw(w, w->assigned)], true);
    case 4:
        return choose(b, any_scalar, x);
    case 5:
        return choose(b, any_real, x);
    default:
        for (int tries = 0; tries < 20; tries++)
            if (choose(b, any_real, x) && shape_equal(x->node->shape, n->shape) && x->most <= 2) break;
        return true;
    }
}

static bool assign_fits(World *w, const Given *leaf, Known *x)
{
    Node *n = leaf->known.node;
    if (is_whole(n))
        return x->node->type == n->type && shape_equal(x->node->shape, n->shape) && x->limit &&
               x->limit <= leaf->known.limit;
    if (is_whole(x->node)) return false;
    *x = fit(w, *x, n->shape);
    return settle(w, x, leaf_exact(leaf));
}

static void world_assign(Bed *b)
{
    World *w = b->world;
    for (int i = 0; i < w->leaves; i++) {
        const Given *leaf = &w->given[i];
        Role role = leaf->known.node->leaf->role;
        Known x;
        if ((role != ROLE_PARAMETER && role != ROLE_STATE) || chance(w, 3)) continue;
        if (!assign_value(b, leaf, &x) || !assign_fits(w, leaf, &x) || x.node == leaf->known.node) continue;
        graph_assign(w->graph, leaf->known.node, x.node);
        if (!leaf_exact(leaf)) w->drift = fmax(w->drift, x.error / LEAF_ERROR);
        w->value[w->assigned++] = x;
    }
}

static void world_results(Bed *b)
{
    World *w = b->world;
    for (int wanted = 1 + (int)draw(w, RESULTS - 1); w->results < wanted; w->results++) {
        Known x = b->pool[b->count - 1];
        if (chance(w, 10) && w->results)
            x = w->result[w->results - 1];
        else if (chance(w, 12))
            x = known(graph_const(w->graph, 1.5), 1.5, 1, 0);
        else if (w->results)
            x = b->pool[draw(w, b->count)];
        snprintf(w->name[w->results], NAMES, "y%d", w->results);
        w->result[w->results] = x;
        w->output[w->results] = (PlanOutput){w->name[w->results], x.node};
    }
}

/* Sums over so many that they are split into parts. */
static void grow_split(Bed *b)
{
    World *w = b->world;
    Known x;
    if (!leaf_real(w, shape_of(1 + (int)draw(w, 2), (int64_t[]){SPLIT, 2}), &x)) return;
    grow(b, x);
    for (int i = 0; i < 4; i++) {
        grow_chain(b);
        b->late = true;
        grow_reduce(b);
        b->late = false;
    }
}

static void world_grow(void *context)
{
    World *w = context;
    Bed *b = arena_new(&w->arena, 1, sizeof *b);
    b->world = w;
    draw_sizes(w);
    Known t;
    leaf_scalar(w, "t", 3, &t);
    grow(b, t);
    leaf_scalar(w, "rate", .25, &t);
    grow(b, t);
    grow(b, known(graph_const(w->graph, 2), 2, 0, 0));
    grow_leaf(b);
    grow_leaf(b);
    if (w->size[0] == SPLIT) grow_split(b);
    bed_grow(b, w->steps);
    world_assign(b);
    bed_grow(b, w->steps / 3); /* more that reads the old values */
    world_results(b);
}

static void world_begin(World *w, uint64_t seed, int steps)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->steps = steps;
    w->drift = 1;
    arena_init(&w->arena, &w->error);
    w->graph = graph_new(&w->error);
    if (error_catch(&w->error, world_grow, w))
        fail_msg("seed %llu: %s", (unsigned long long)seed, w->error.message);
}

static void world_end(World *w)
{
    graph_free(w->graph);
    arena_free(&w->arena);
}

/* ---- Reference ---- */

static const double *world_bind(void *context, const Node *leaf)
{
    const World *w = context;
    static const double nothing[1];
    for (int i = 0; i < w->leaves; i++)
        if (w->given[i].known.node == leaf) return shape_size(leaf->shape) ? w->given[i].value : nothing;
    return NULL;
}

typedef struct Expected {
    World *world;
    bool single;
    double *result[RESULTS], *value[GIVEN];
} Expected;

static void expect_run(void *context)
{
    Expected *x = context;
    World *w = x->world;
    Reference r = {world_bind, w, x->single};
    Node *root[RESULTS + GIVEN];
    double *out[RESULTS + GIVEN];
    for (int i = 0; i < w->results; i++)
        root[i] = w->result[i].node;
    for (int i = 0; i < w->assigned; i++)
        root[w->results + i] = w->graph->assignment[i].value;
    reference_evaluate(&w->arena, w->graph, &r, (size_t)(w->results + w->assigned), root, out);
    for (int i = 0; i < w->results; i++)
        x->result[i] = out[i];
    for (int i = 0; i < w->assigned; i++)
        x->value[i] = out[w->results + i];
}

static Given *world_given(World *w, const char *name)
{
    for (int i = 0; i < w->leaves; i++)
        if (!strcmp(w->given[i].known.node->leaf->name, name)) return &w->given[i];
    return NULL;
}

/* What was assigned is what the leaves are in the next run. */
static void expect_assign(const Expected *x)
{
    World *w = x->world;
    for (int i = 0; i < w->assigned; i++)
        world_given(w, w->graph->assignment[i].leaf->leaf->name)->next = x->value[i];
    for (int i = 0; i < w->leaves; i++)
        if (w->given[i].next) w->given[i].value = w->given[i].next;
}

/* ---- Running ---- */

enum { RUNS = 2, SLOTS = RESULTS + GIVEN + SLOT_FIRST };

/* The memory of all slots after each run. */
typedef struct Memory {
    void *slot[SLOTS], *after[RUNS][SLOTS];
} Memory;

static void element_set(void *to, Type type, Dtype dtype, int64_t i, double value)
{
    if (type == TYPE_I32)
        ((int32_t *)to)[i] = (int32_t)value;
    else if (type == TYPE_U8)
        ((uint8_t *)to)[i] = (uint8_t)value;
    else if (dtype == DTYPE_F64)
        ((double *)to)[i] = value;
    else
        ((float *)to)[i] = (float)value;
}

static double element_get(const void *from, Type type, Dtype dtype, int64_t i)
{
    if (type == TYPE_I32) return ((const int32_t *)from)[i];
    if (type == TYPE_U8) return ((const uint8_t *)from)[i];
    return dtype == DTYPE_F64 ? ((const double *)from)[i] : (double)((const float *)from)[i];
}

/* An empty tensor has no memory. Results start as what nobody would compute. */
static void *slot_begin(World *w, const Slot *s, Dtype dtype)
{
    if (!s->bytes) return NULL;
    void *to = test_malloc(s->bytes);
    memset(to, 0xA5, s->bytes);
    const Given *g = s->output ? NULL : world_given(w, s->name);
    for (int64_t i = 0; g && i < shape_size(s->shape); i++)
        element_set(to, s->type, dtype, i, g->value[i]);
    return to;
}

static void memory_run(World *w, const Program *p, Threads *pool, int threads, Memory *m)
{
    Workspace *work = cpu_workspace(p, threads);
    assert_non_null(work);
    memset(work->work, 0xFF, p->work);
    for (int i = 0; i < w->leaves; i++) {
        int scalar = plan_scalar(p, w->given[i].known.node->leaf->name);
        if (scalar >= 0) work->scalar[scalar] = w->given[i].value[0];
    }
    for (int s = SLOT_FIRST; s < p->slots; s++)
        work->slot[s] = m->slot[s] = slot_begin(w, &p->slot[s], p->dtype);
    for (int run = 0; run < RUNS; run++) {
        cpu_run(work, pool);
        for (int s = SLOT_FIRST; s < p->slots; s++) {
            m->after[run][s] = test_malloc(p->slot[s].bytes + 1);
            if (p->slot[s].bytes) memcpy(m->after[run][s], m->slot[s], p->slot[s].bytes);
        }
    }
    cpu_workspace_free(work);
}

static void memory_end(const Program *p, Memory *m)
{
    for (int s = SLOT_FIRST; s < p->slots; s++) {
        if (m->slot[s]) test_free(m->slot[s]);
        for (int run = 0; run < RUNS; run++)
            test_free(m->after[run][s]);
    }
}

/* ---- Comparing. Each gives a complaint, or NULL. ---- */

static const char *compare(World *w, const Program *p, const Known *k, const char *name, const void *memory,
                           const double *want, double drift)
{
    const Slot *s = &p->slot[plan_slot(p, name)];
    double epsilon = p->dtype == DTYPE_F64 ? 0x1p-53 : 0x1p-24;
    double near = drift > 1 && k->error > 0 ? k->error * drift * drift : k->error;
    for (int64_t i = 0; i < shape_size(s->shape); i++) {
        double got = element_get(memory, s->type, p->dtype, i), expected = want[i];
        if (p->dtype == DTYPE_F32 && k->node->type == TYPE_SCALAR) expected = (float)expected;
        if (got == expected || fabs(got - expected) <= 4 * epsilon * near) continue;
        return arena_print(&w->arena, "%s: element %lld is %.17g, not %.17g (within %g)", name, (long long)i,
                           got, expected, 4 * epsilon * near);
    }
    return NULL;
}

static const char *compare_run(const Expected *x, const Program *p, void *const *memory, int run)
{
    World *w = x->world;
    const char *wrong = NULL;
    double drift = run ? w->drift : 1;
    for (int i = 0; i < w->results && !wrong; i++)
        wrong =
            compare(w, p, &w->result[i], w->name[i], memory[plan_slot(p, w->name[i])], x->result[i], drift);
    for (int i = 0; i < w->assigned && !wrong; i++) {
        const char *name = w->graph->assignment[i].leaf->leaf->name;
        wrong = compare(w, p, &w->value[i], name, memory[plan_slot(p, name)], x->value[i], drift);
    }
    return wrong ? arena_print(&w->arena, "run %d, %s: %s", run + 1, p->dtype ? "f64" : "f32", wrong) : NULL;
}

static const char *compare_bits(World *w, const Program *p, const Memory *a, const Memory *b, int threads)
{
    for (int run = 0; run < RUNS; run++)
        for (int s = SLOT_FIRST; s < p->slots; s++)
            if (memcmp(a->after[run][s], b->after[run][s], p->slot[s].bytes))
                return arena_print(&w->arena, "run %d: %s has other bits with %d threads", run + 1,
                                   p->slot[s].name, threads);
    return NULL;
}

/* ---- One seed ---- */

typedef struct Pools {
    Threads *two, *four;
} Pools;

static const char *plan_text(World *w, const Program *p)
{
    Text text = {0};
    plan_print(p, &text);
    const char *copy = arena_string(&w->arena, text_end(&text), text.length);
    text_free(&text);
    return copy;
}

static Program *world_plan(World *w, Dtype dtype, const Backend *backend, size_t memory)
{
    PlanRequest r = {.graph = w->graph,
                     .outputs = w->results,
                     .output = w->output,
                     .assignments = true,
                     .dtype = dtype,
                     .backend = backend,
                     .memory = memory};
    return plan_compile(&r, &w->error);
}

typedef struct Verifying {
    World *world;
    const Program *program;
} Verifying;

static void verify_run(void *context)
{
    const Verifying *v = context;
    plan_verify(v->program, &v->world->arena);
}

/* Two runs in a row with one thread against the reference, then the same bits with more. */
static const char *try_runs(World *w, const Program *p, const Pools *pools)
{
    Memory one, many;
    memory_run(w, p, NULL, 1, &one);
    bool four = w->seed % 8 == 0;
    memory_run(w, p, four ? pools->four : pools->two, four ? 4 : 2, &many);
    const char *wrong = compare_bits(w, p, &one, &many, four ? 4 : 2);
    double *first[GIVEN];
    for (int i = 0; i < w->leaves; i++)
        first[i] = w->given[i].value;
    for (int run = 0; run < RUNS && !wrong; run++) {
        Expected x = {.world = w, .single = p->dtype == DTYPE_F32};
        if (error_catch(&w->error, expect_run, &x)) return w->error.message;
        wrong = compare_run(&x, p, one.after[run], run);
        expect_assign(&x);
    }
    for (int i = 0; i < w->leaves; i++)
        w->given[i].value = first[i];
    memory_end(p, &one), memory_end(p, &many);
    return wrong;
}

/* The same graph with less memory to work in than it likes: the same bits, or word of how much it takes at least, which
 * must then do. */
static const char *try_thrift(World *w, const Program *p)
{
    size_t least = 0, memory = plan_bytes(p) - (size_t)draw(w, (int64_t)p->work + 1);
    Program *q = world_plan(w, p->dtype, p->backend, memory);
    const char *told = q ? NULL : strstr(w->error.message, "a step takes ");
    if (!q && w->error.status == NUDGE_INPUT && told) {
        char *unit;
        double number = strtod(told + strlen("a step takes "), &unit);
        least = (size_t)(number * (unit[1] == 'K' ? 1e3 : 1e6) + .5);
        if (least <= memory) return "less memory was asked for than was given";
        error_clear(&w->error);
        q = world_plan(w, p->dtype, p->backend, memory = least);
    }
    if (!q) return w->error.message;
    Verifying v = {w, q};
    const char *wrong = error_catch(&w->error, verify_run, &v) ? w->error.message : NULL;
    if (!wrong && plan_bytes(q) > memory) wrong = "the program takes more memory than it was given";
    Memory free, short_of;
    memory_run(w, p, NULL, 1, &free);
    memory_run(w, q, NULL, 1, &short_of);
    if (!wrong) wrong = compare_bits(w, p, &free, &short_of, 1);
    memory_end(p, &free), memory_end(q, &short_of);
    if (wrong) wrong = arena_print(&w->arena, "memory %zu: %s\n%s", memory, wrong, plan_text(w, q));
    plan_free(q);
    return wrong;
}

/* NULL if the plan is right; else what is wrong, with the plan. */
static const char *try_plan(World *w, Dtype dtype, const Pools *pools)
{
    Program *p = world_plan(w, dtype, cpu_backend(chance(w, 4) ? ISA_BASE : isa_best()), 0);
    if (!p) return w->error.message;
    p->multiply_adds += 1 << 20; /* enough that threads are woken */
    Verifying v = {w, p};
    const char *wrong = error_catch(&w->error, verify_run, &v) ? w->error.message : try_runs(w, p, pools);
    if (!wrong) wrong = try_thrift(w, p);
    if (wrong) wrong = arena_print(&w->arena, "%s\n%s", wrong, plan_text(w, p));
    plan_free(p);
    return wrong;
}

static const char *try_both(World *w, const Pools *pools)
{
    const char *wrong = try_plan(w, DTYPE_F64, pools);
    return wrong ? wrong : try_plan(w, DTYPE_F32, pools);
}

static void report(World *w, const char *wrong)
{
    Node *root[RESULTS + GIVEN];
    Text text = {0};
    for (int i = 0; i < w->results; i++)
        root[i] = w->result[i].node;
    for (int i = 0; i < w->assigned; i++)
        root[w->results + i] = w->graph->assignment[i].value;
    graph_print(w->graph, root, (size_t)(w->results + w->assigned), &text);
    for (int i = 0; i < w->results; i++)
        text_print(&text, "%s = %%%d\n", w->name[i], root[i]->id);
    for (int i = 0; i < w->assigned; i++)
        text_print(&text, "%s <- %%%d\n", w->graph->assignment[i].leaf->leaf->name, root[w->results + i]->id);
    fprintf(stderr, "SEED=%llu, %d steps\n%s\n%s\n", (unsigned long long)w->seed, w->steps, text_end(&text),
            wrong);
    text_free(&text);
    fail();
}

/* A seed that fails is tried again with fewer steps: the shortest that fails is shown. */
static void shrink(uint64_t seed, const Pools *pools)
{
    for (int steps = 1; steps <= STEPS; steps++) {
        World w;
        world_begin(&w, seed, steps);
        const char *wrong = try_both(&w, pools);
        if (wrong) report(&w, wrong);
        world_end(&w);
    }
}

static int64_t setting(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

enum { SEEDS = 5000 };

static void test_random(void **state)
{
    (void)state;
    Pools pools = {threads_new(2), threads_new(4)};
    int64_t only = setting("SEED", 0), first = only ? only : 1, last = only ? only : setting("SEEDS", SEEDS);
    for (int64_t seed = first; seed <= last; seed++) {
        World w;
        world_begin(&w, (uint64_t)seed, 2 + (int)(seed % (STEPS - 1)));
        const char *wrong = try_both(&w, &pools);
        if (wrong) {
            shrink((uint64_t)seed, &pools);
            report(&w, wrong);
        }
        world_end(&w);
    }
    threads_free(pools.two), threads_free(pools.four);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
