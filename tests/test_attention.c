/* test_attention.c: embeddings, positions, attention and the transformer's block against plain loops with PyTorch's
 * names and shapes; what a causal or padding mask hides; tied output layers; a small GPT and an LSTM that learn a
 * text. */
#include "net_check.h"

#include <nudge.h>

enum { N = 2, T = 3, C = 4, S = 5, WIDE_MOST = 64 };

/* y[out] = w[out, in] x + b */
static void product(const double *w, const double *b, const double *x, int out, int in, double *y)
{
    for (int o = 0; o < out; o++) {
        y[o] = b ? b[o] : 0;
        for (int i = 0; i < in; i++)
            y[o] += w[o * in + i] * x[i];
    }
}

/* ---- Symbols and places ---- */

static void test_embedding(void **state)
{
    static const double symbols[] = {4, 0, 2, 2};
    NetCheck c;
    (void)state;
    net_start(&c, true);
    net_input(&c, "x", TYPE_I32, SHAPE(2, 2), symbols);
    double *y = net_value(&c, net_build(&c, "embedding(5, 3)")), *w = net_leaf(&c, "0.weight");
    assert_true(shape_equal(c.y->shape, SHAPE(2, 2, 3)));
    for (int i = 0; i < 12; i++)
        net_expect(y[i], w[(int)symbols[i / 3] * 3 + i % 3]);
    y = net_value(&c, net_build(&c, "embedding(5, 3, padding=2)"));
    for (int i = 0; i < 12; i++)
        net_expect(y[i], symbols[i / 3] == 2 ? 0 : w[(int)symbols[i / 3] * 3 + i % 3]);
    double *slope = net_value(&c, net_gradient(&c, c.y, graph_find_leaf(c.g, "0.weight")));
    net_expect(slope[2 * 3], 0), net_expect(slope[4 * 3], 1), net_expect(slope[1 * 3], 0);
    net_end(&c);
}

static void test_positions(void **state)
{
    NetCheck c;
    (void)state;
    net_start(&c, true);
    double *x = net_input(&c, "x", TYPE_REAL, SHAPE(N, T, C), NULL);
    double *y = net_value(&c, net_build(&c, "positions(8)")), *w = net_leaf(&c, "0.weight");
    assert_true(shape_equal(graph_find_leaf(c.g, "0.weight")->shape, SHAPE(8, C)));
    for (int i = 0; i < N * T * C; i++)
        net_expect(y[i], x[i] + w[i % (T * C)]);
    net_refused(&c, "relu positions(2)", "the range from 0 to 3 is not all within axis 0 of [2, 4]");
    net_end(&c);
}

static void test_sinusoidal(void **state)
{
    NetCheck c;
    (void)state;
    for (int64_t d = 4; d <= 5; d++) {
        net_start(&c, true);
        double *x = net_input(&c, "x", TYPE_REAL, SHAPE(N, T, d), NULL),
               *y = net_value(&c, net_build(&c, "sinusoidal"));
        for (int i = 0; i < N * T * d; i++) {
            int place = (int)(i / d % T), k = (int)(i % d);
            double angle = place / pow(10000, (k - k % 2) / (double)d);
            net_expect(y[i], x[i] + (k % 2 ? cos(angle) : sin(angle)));
        }
        net_end(&c);
    }
}

/* A pair is turned by place*base^(-2i/d): lengths stay, and products depend on the distance only. */
static void rotary_turn(const double *x, int place, int d, double base, double *y)
{
    for (int i = 0; i < d / 2; i++) {
        double angle = place * pow(base, -2. * i / d), u = x[i], v = x[i + d / 2];
        y[i] = u * cos(angle) - v * sin(angle);
        y[i + d / 2] = v * cos(angle) + u * sin(angle);
    }
}

static void test_rotary(void **state)
{
    NetCheck c;
    double want[6];
    (void)state;
    net_start(&c, true);
    double *x = net_input(&c, "x", TYPE_REAL, SHAPE(N, T, 6), NULL),
           *y = net_value(&c, net_build(&c, "rotary(base=100)"));
    for (int row = 0; row < N * T; row++) {
        rotary_turn(x + row * 6, row % T, 6, 100, want);
        for (int i = 0; i < 6; i++)
            net_expect(y[row * 6 + i], want[i]);
    }
    net_end(&c);
}

/* ---- Attention by hand ---- */

typedef struct Heads {
    int heads, kv_heads, size;
    bool causal, rotary;
} Heads;

/* One row: out[t, heads*size] from q[t, heads*size] and k, v [s, kv_heads*size]; seen[s] or NULL. */
static void heads_run(const Heads *h, int t, int s, const double *q, const double *k, const double *v,
                      const double *seen, double *out)
{
    int wide = h->heads * h->size, narrow = h->kv_heads * h->size;
    for (int head = 0; head < h->heads; head++)
        for (int i = 0; i < t; i++) {
            int other = head / (h->heads / h->kv_heads);
            double share[WIDE_MOST], sum = 0, a[WIDE_MOST], b[WIDE_MOST];
            for (int j = 0; j < s; j++) {
                const double *qi = q + i * wide + head * h->size, *kj = k + j * narrow + other * h->size;
                memcpy(a, qi, (size_t)h->size * sizeof *a), memcpy(b, kj, (size_t)h->size * sizeof *b);
                if (h->rotary) rotary_turn(qi, i, h->size, 10000, a), rotary_turn(kj, j, h->size, 10000, b);
                double dot = 0;
                for (int d = 0; d < h->size; d++)
                    dot += a[d] * b[d];
                bool hidden = (h->causal && j > i + s - t) || (seen && !seen[j]);
                share[j] = hidden ? 0 : exp(dot / sqrt(h->size));
                sum += share[j];
            }
            for (int d = 0; d < h->size; d++) {
                double *y = &out[i * wide + head * h->size + d];
                *y = 0;
                for (int j = 0; j < s; j++)
                    *y += share[j] / sum * v[j * narrow + other * h->size + d];
            }
        }
}

/* Self-attention of one row x [T, width] with the parameters under `path`. */
static void attention_run(NetCheck *c, const char *path, const Heads *h, bool bias, const double *x,
                          const double *seen, double *y)
{
    int width = h->heads * h->size, wide = width, narrow = h->kv_heads * h->size;
    char name[80];
    double q[T * WIDE_MOST], k[T * WIDE_MOST], v[T * WIDE_MOST], all[T * WIDE_MOST];
    snprintf(name, sizeof name, "%s.in_proj_weight", path);
    const double *w = net_leaf(c, name), *b = NULL, *ob = NULL;
    snprintf(name, sizeof name, "%s.in_proj_bias", path);
    if (bias) b = net_leaf(c, name);
    for (int t = 0; t < T; t++) {
        product(w, b, x + t * width, wide, width, q + t * wide);
        product(w + wide * width, b ? b + wide : NULL, x + t * width, narrow, width, k + t * narrow);
        product(w + (wide + narrow) * width, b ? b + wide + narrow : NULL, x + t * width, narrow, width,
                v + t * narrow);
    }
    heads_run(h, T, T, q, k, v, seen, all);
    snprintf(name, sizeof name, "%s.out_proj.weight", path);
    w = net_leaf(c, name);
    snprintf(name, sizeof name, "%s.out_proj.bias", path);
    if (bias) ob = net_leaf(c, name);
    for (int t = 0; t < T; t++)
        product(w, ob, all + t * wide, width, wide, y + t * width);
}

static void test_attention(void **state)
{
    static const struct {
        const char *text;
        Heads heads;
        bool bias, masked;
    } k[] = {
        {"attention(1)", {1, 1, 8, false, false}, true, false},
        {"attention(4)", {4, 4, 2, false, false}, true, false},
        {"attention(2, causal=true, bias=false)", {2, 2, 4, true, false}, false, false},
        {"attention(4, kv_heads=2)", {4, 2, 2, false, false}, true, false},
        {"attention(4, causal=true, kv_heads=1, rotary=true)", {4, 1, 2, true, true}, true, false},
        {"attention(2, mask=seen)", {2, 2, 4, false, false}, true, true},
        {"attention(4, kv_heads=2, causal=true, mask=seen)", {4, 2, 2, true, false}, true, true},
    };
    static const double seen[] = {1, 0, 1, 1, 1, 0};
    (void)state;
    for (size_t i = 0; i < sizeof k / sizeof *k; i++) {
        NetCheck c;
        double want[T * 8];
        net_start(&c, true);
        double *x = net_input(&c, "x", TYPE_REAL, SHAPE(N, T, 8), NULL);
        net_input(&c, "seen", TYPE_REAL, SHAPE(N, T), seen);
        double *y = net_value(&c, net_build(&c, k[i].text));
        for (int n = 0; n < N; n++) {
            attention_run(&c, "0", &k[i].heads, k[i].bias, x + n * T * 8, k[i].masked ? seen + n * T : NULL,
                          want);
            for (int j = 0; j < T * 8; j++)
                net_expect(y[n * T * 8 + j], want[j]);
        }
        net_end(&c);
    }
}

/* From memory of another width the three weights stand apart, as PyTorch has it with kdim and vdim. */
static void check_cross(int d)
{
    static const double seen[] = {1, 1, 0, 1, 0, 0, 1, 1, 1, 0};
    static const Heads heads = {2, 2, 2, false, false};
    NetCheck c;
    net_start(&c, true);
    double *x = net_input(&c, "x", TYPE_REAL, SHAPE(N, T, C), NULL),
           *m = net_input(&c, "m", TYPE_REAL, SHAPE(N, S, d), NULL);
    net_input(&c, "seen", TYPE_REAL, SHAPE(N, S), seen);
    double *y = net_value(&c, net_build(&c, "cross_attention(m, 2, mask=seen)"));
    bool joined = d == C;
    const double *all = joined ? net_leaf(&c, "0.in_proj_weight") : NULL, *b = net_leaf(&c, "0.in_proj_bias");
    const double *wq = joined ? all : net_leaf(&c, "0.q_proj_weight");
    const double *wk = joined ? all + C * C : net_leaf(&c, "0.k_proj_weight");
    const double *wv = joined ? all + 2 * C * C : net_leaf(&c, "0.v_proj_weight");
    assert_int_equal(c.g->leaves, joined ? 7 : 9);
    for (int n = 0; n < N; n++) {
        double q[T * C], k[S * C], v[S * C], mixed[T * C], want[C];
        for (int t = 0; t < T; t++)
            product(wq, b, x + (n * T + t) * C, C, C, q + t * C);
        for (int s = 0; s < S; s++) {
            product(wk, b + C, m + (n * S + s) * d, C, d, k + s * C);
            product(wv, b + 2 * C, m + (n * S + s) * d, C, d, v + s * C);
        }
        heads_run(&heads, T, S, q, k, v, seen + n * S, mixed);
        for (int t = 0; t < T; t++) {
            product(net_leaf(&c, "0.out_proj.weight"), net_leaf(&c, "0.out_proj.bias"), mixed + t * C, C, C,
                    want);
            for (int i = 0; i < C; i++)
                net_expect(y[(n * T + t) * C + i], want[i]);
        }
    }
    net_end(&c);
}

static void test_cross(void **state)
{
    (void)state;
    check_cross(C);
    check_cross(3);
}

/* A mask for each query; what sees nothing gets the plain mean, not NaN. */
static void test_attend(void **state)
{
    static const double seen[] = {1, 0, 0, 0, 0, 0};
    NetCheck c;
    (void)state;
    net_start(&c, true);
    net_input(&c, "q", TYPE_REAL, SHAPE(2, 4), NULL);
    net_input(&c, "k", TYPE_REAL, SHAPE(3, 4), NULL);
    double *v = net_input(&c, "v", TYPE_REAL, SHAPE(3, 2), NULL);
    net_input(&c, "seen", TYPE_REAL, SHAPE(2, 3), seen);
    double *y = net_value(&c, net_formula(&c, "attend(q, k, v, mask=seen)"));
    net_expect(y[0], v[0]), net_expect(y[1], v[1]);
    net_expect(y[2], (v[0] + v[2] + v[4]) / 3);
    y = net_value(&c, net_formula(&c, "attend(q, k, v, causal=true)[0] - attend(q[0:1], k[0:2], v[0:2])[0]"));
    net_expect(y[0], 0), net_expect(y[1], 0);
    y = net_value(&c, net_formula(&c, "attend(q, k, v, scale=0)"));
    net_expect(y[3], (v[1] + v[3] + v[5]) / 3);
    net_end(&c);
}

/* Nothing flows from what comes later, forward or backward. */
static void test_causal(void **state)
{
    NetCheck c;
    (void)state;
    net_start(&c, true);
    double *x = net_input(&c, "x", TYPE_REAL, SHAPE(1, T, C), NULL);
    Node *y = net_build(&c, "repeat(2, block(2, causal=true, rotary=true))");
    scope_add_node(c.context.scope, "y", y);
    double before[T * C], *now = net_value(&c, y);
    memcpy(before, now, sizeof before);
    double *slope = net_value(&c, net_formula(&c, "grad(y[:, 0], x)"));
    for (int i = C; i < T * C; i++)
        net_expect(slope[i], 0);
    assert_true(slope[0] != 0);
    for (int i = 2 * C; i < T * C; i++)
        x[i] += .7;
    now = net_value(&c, y);
    for (int i = 0; i < T * C; i++)
        if ((now[i] == before[i]) != (i < 2 * C))
            fail_msg("element %d: %.17g and %.17g", i, now[i], before[i]);
    net_end(&c);
}

/* ---- The block ---- */

static void norm_run(const double *weight, const double *bias, const double *x, bool rms, double *y)
{
    double mean = 0, square = 0;
    for (int i = 0; i < C; i++)
        mean += rms ? 0 : x[i] / C;
    for (int i = 0; i < C; i++)
        square += (x[i] - mean) * (x[i] - mean) / C;
    for (int i = 0; i < C; i++)
        y[i] = weight[i] * (x[i] - mean) / sqrt(square + (rms ? 1e-6 : 1e-5)) + (bias ? bias[i] : 0);
}

static void norm_rows(NetCheck *c, const char *path, bool rms, const double *x, double *y)
{
    char name[64];
    snprintf(name, sizeof name, "%s.weight", path);
    const double *weight = net_leaf(c, name), *bias = NULL;
    snprintf(name, sizeof name, "%s.bias", path);
    if (!rms) bias = net_leaf(c, name);
    for (int t = 0; t < T; t++)
        norm_run(weight, bias, x + t * C, rms, y + t * C);
}

/* linear2(act(linear1(x))): gelu, or swiglu with both halves from linear1. */
static void forward_run(NetCheck *c, int hidden, bool gated, const double *x, double *y)
{
    double h[2 * WIDE_MOST];
    for (int t = 0; t < T; t++) {
        product(net_leaf(c, "0.linear1.weight"), net_leaf(c, "0.linear1.bias"), x + t * C,
                gated ? 2 * hidden : hidden, C, h);
        for (int i = 0; i < hidden; i++)
            h[i] = gated ? h[i] / (1 + exp(-h[i])) * h[hidden + i] : h[i] * erfc(-h[i] / sqrt(2)) / 2;
        product(net_leaf(c, "0.linear2.weight"), net_leaf(c, "0.linear2.bias"), h, C, hidden, y + t * C);
    }
}

static void check_block(const char *text, bool first, bool rms, int hidden, bool gated, Heads heads)
{
    NetCheck c;
    double in[T * C], a[T * C], sum[T * C], f[T * C];
    net_start(&c, true);
    double *x = net_input(&c, "x", TYPE_REAL, SHAPE(1, T, C), NULL), *y = net_value(&c, net_build(&c, text));
    memcpy(in, x, sizeof in);
    if (first) norm_rows(&c, "0.norm1", rms, x, in);
    attention_run(&c, "0.self_attn", &heads, true, in, NULL, a);
    for (int i = 0; i < T * C; i++)
        sum[i] = x[i] + a[i];
    if (!first) norm_rows(&c, "0.norm1", rms, sum, sum);
    memcpy(in, sum, sizeof in);
    if (first) norm_rows(&c, "0.norm2", rms, sum, in);
    forward_run(&c, hidden, gated, in, f);
    for (int i = 0; i < T * C; i++)
        sum[i] += f[i];
    if (!first) norm_rows(&c, "0.norm2", rms, sum, sum);
    for (int i = 0; i < T * C; i++)
        net_expect(y[i], sum[i]);
    net_end(&c);
}

static void test_block(void **state)
{
    (void)state;
    check_block("block(2)", true, false, 16, false, (Heads){2, 2, 2, false, false});
    check_block("block(2, mult=2, norm_first=false)", false, false, 8, false, (Heads){2, 2, 2, false, false});
    check_block("block(4, kv_heads=2, causal=true, rotary=false, mult=1.3, act=swiglu, norm=rmsnorm)", true,
                true, 5, true, (Heads){4, 2, 1, true, false});
}

/* Every parameter's gradient in a program is that of the reference. */
static void test_gradients_planned(void **state)
{
    NetCheck c;
    (void)state;
    net_start(&c, true);
    net_input(&c, "x", TYPE_REAL, SHAPE(2, T, 8), NULL);
    Node *y = net_build(&c, "block(4, kv_heads=2, causal=true, rotary=true, act=geglu)"),
         *loss = graph_binary(c.g, OP_mul, y, y);
    for (int k = 0, count = c.count; k < count; k++)
        net_value(&c, net_gradient(&c, loss, c.given[k].leaf));
    net_end(&c);
}

/* Dropout is in three places, and in none when a model predicts. */
static void test_dropout(void **state)
{
    (void)state;
    for (int train = 0; train < 2; train++) {
        NetCheck c;
        net_start(&c, train);
        net_input(&c, "x", TYPE_REAL, SHAPE(1, T, C), NULL);
        net_value(&c, net_build(&c, "block(2, dropout=.2)"));
        assert_int_equal(c.g->sites, train ? 4 : 0);
        net_end(&c);
    }
}

/* ---- Text ---- */

/* "abcabc..." as symbols; what follows each is learnt. The last loss of so many steps. */
static double text_loss(const char *net, int steps, int *parameters)
{
    enum { ROWS = 4, STEPS = 8, SYMBOLS = 5 };
    int32_t x[ROWS * STEPS], t[ROWS * STEPS];
    float loss = 0;
    nudge_graph *g;
    nudge_program *p;
    for (int i = 0; i < ROWS * STEPS; i++)
        x[i] = (i / STEPS + i % STEPS * (1 + i / STEPS % 2)) % SYMBOLS,
        t[i] = (x[i] + 1 + i / STEPS % 2) % SYMBOLS;
    assert_int_equal(nudge_graph_new(&g, "seed=3"), 0);
    nudge_tensor in = nudge_integers(g, "x", 2, (int64_t[]){ROWS, STEPS});
    nudge_integers(g, "t", 2, (int64_t[]){ROWS, STEPS});
    nudge_let(g, "y", nudge_net(g, "", net, in));
    nudge_tensor l = nudge_formula(g, "cross_entropy(y, t)");
    nudge_optimize(g, "adamw(lr=.01, decay_vectors=false)", l, NULL);
    nudge_output(g, "loss", l);
    int status = nudge_compile(&p, g);
    if (status) fail_msg("%s: %s", net, nudge_graph_message(g, status));
    nudge_bind(p, "x", x), nudge_bind(p, "t", t), nudge_bind(p, "loss", &loss);
    for (int i = 0; i < steps; i++)
        assert_int_equal(nudge_run(p), 0);
    *parameters = nudge_memory(p, "0.weight") != NULL;
    nudge_program_free(p);
    nudge_graph_free(g);
    return loss;
}

static void test_learns(void **state)
{
    static const char *const nets[] = {
        "embedding(5, 16, std=.02) positions(8) repeat(2, block(4, causal=true, dropout=.05)) layernorm dense(5, "
        "bias=false)",
        "embedding(5, 16, std=.3) repeat(2, block(4, kv_heads=2, causal=true, rotary=true, act=swiglu, norm=rmsnorm)) "
        "rmsnorm share(0, dense(5, bias=false))",
        "embedding(5, 8) lstm(16, layers=2) dense(5)",
    };
    (void)state;
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        int found;
        double first = text_loss(nets[i], 1, &found), last = text_loss(nets[i], 50, &found);
        assert_true(found);
        if (!(last < .5 && first > 1)) fail_msg("%s: from %g to %g", nets[i], first, last);
    }
}

/* ---- Mistakes ---- */

static void test_mistakes(void **state)
{
    NetCheck c;
    (void)state;
    net_start(&c, true);
    net_input(&c, "x", TYPE_REAL, SHAPE(2, 5, 6), NULL);
    net_refused(&c, "attention(4)", "axis 2 of [2, 5, 6] does not split as the pattern says (4)");
    net_refused(&c, "attention(6, kv_heads=4)",
                "heads_per_kv is the number 1.5; an axis needs a whole number");
    net_refused(&c, "attention", "attention needs its argument heads");
    net_refused(&c, "flatten attention(2)", "x must have 3 axes, but its shape is [2, 30]");
    net_refused(&c, "block(2, norm=1)", "norm");
    net_refused(&c, "block(2, act=7)", "act");
    net_refused(&c, "block(heads=2, dropout=1.5)", "at least 0 and less than 1, not 1.5");
    net_refused(&c, "embedding(10, 4)", "positions are i32, not real");
    net_refused(&c, "relu relu attention(2, mask=x)",
                "axis 2 of [2, 5, 6] does not split as the pattern says (5)");
    net_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_embedding),  cmocka_unit_test(test_positions),
        cmocka_unit_test(test_sinusoidal), cmocka_unit_test(test_rotary),
        cmocka_unit_test(test_attention),  cmocka_unit_test(test_cross),
        cmocka_unit_test(test_attend),     cmocka_unit_test(test_causal),
        cmocka_unit_test(test_block),      cmocka_unit_test(test_gradients_planned),
        cmocka_unit_test(test_dropout),    cmocka_unit_test(test_learns),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
