/* attention.c: what sequence models are made of: embeddings, positions, attention, the transformer's block. Rows of
 * text, enumerated by rows.c.
 *
 * Sequences are [n, t, c], batch first. Names, shapes and initial values of parameters are PyTorch's
 * (MultiheadAttention, TransformerEncoderLayer); with fewer kv_heads than heads in_proj_weight has fewer rows for k
 * and v. A mask says 1 where something may be seen and 0 where not: [n, s] for positions that are padding, or [n, t,
 * s]; that of a text's padding is where they begin from. An output layer that is tied to the embedding is share(0, dense(n, bias=false)). */
#include "nn/rows.h"

const Definition nn_attention[] = {
    /* ---- Symbols and places ---- */
    {"layer",
     "embedding(x[..], n, d, std=1, padding=-1 | weight[n, d] ~ normal(std=std)): "
     "padding < 0 ? weight[x] : weight[x]*(x != padding){.. -> .. 1}",
     NULL,
     "row x of a table of n rows of d numbers, [.., d]; x is i32 or u8; the row of padding counts as zeros and is not "
     "learnt",
     0},
    {"layer",
     "positions(x[n, t, c], length=t, std=.02 | weight[length, c] ~ normal(std=std)): x + weight[0:t]", NULL,
     "x plus a vector for each place, which is learnt; for sequences of at most that length", 0},
    {"helper",
     "sinusoids(t, d, base=10000): h = floor((d + 1)/2); a = iota(t, h)*base^(-2*iota(t, h, axis=1)/d); "
     "reshape(stack(sin(a), cos(a), axis=2), t, 2*h)[:, 0:d]",
     NULL, "[t, d]: sines and cosines by turns, slower from pair to pair", 0},
    {"layer", "sinusoidal(x[.., t, d], base=10000): x + sinusoids(t, d, base)", NULL,
     "x plus a fixed vector for each place (Vaswani et al. 2017)", 0},
    {"function",
     "rotary(x[.., t, d], base=10000): h = d/2; a = iota(t, h)*base^(-2*iota(t, h, axis=1)/d); "
     "u, v = split(x, 2, axis=-1); concat(u*cos(a) - v*sin(a), v*cos(a) + u*sin(a), axis=-1)",
     NULL,
     "places as rotations: of the pairs (i, i + d/2) by an angle that grows with the place (Su et al. 2021, in "
     "the order of GPT-NeoX)",
     0},

    {"layer",
     "pool(x[n, t, c], by=mean, mask=seen(x)): m = rank(mask) == 0 ? ones(n, t, 1) : mask{n t -> n t 1}; "
     "count = sum(m, 1); all = rank(mask) == 0; "
     "y = by == max ? (all ? amax(x, 1) : where(0 < count, amax(where(m, x, -1e30), 1), 0)) "
     ": by == sum ? (all ? sum(x, 1) : sum(m*x, 1)) : all ? mean(x, 1) : sum(m*x, 1)/max(count, 1); "
     "reshape(y, n, c)",
     NULL, "one list of numbers for a sequence: the mean, max or sum of its places; padding does not count",
     0},

    /* ---- Attention ---- */
    {"function",
     "attend(q[.., t, d], k[.., s, d], v[.., s, e], causal=false, mask=1, dropout=0, scale=1/sqrt(d)): "
     "a = scale*(q @ k'); "
     "a = causal ? where(iota(t, s, axis=1) <= iota(t, s) + (s - t), a, -1e30) : a; "
     "a = rank(mask) == 0 ? a : where(mask, a, -1e30); "
     "dropout(softmax(a), dropout) @ v",
     NULL,
     "each of t queries gets the mean of s values, weighted by how well it fits their keys (Vaswani et al. 2017); "
     "causal: the last query sees all, each before it one less; mask [.., t, s]: 0 where nothing is seen",
     0},
    {"helper",
     "attend_heads(q[n, t, wide], k[n, s, narrow], v[n, s, narrow], heads, kv_heads, causal, rotary, mask, dropout): "
     "heads_per_kv = heads/kv_heads; "
     "q = q{n t (kv_heads heads_per_kv size) -> n kv_heads heads_per_kv t size}; "
     "k = k{n s (kv_heads size) -> n kv_heads 1 s size}; "
     "v = v{n s (kv_heads size) -> n kv_heads 1 s size}; "
     "q = rotary ? rotary(q) : q; k = rotary ? rotary(k) : k; "
     "m = rank(mask) == 2 ? mask{n s -> n 1 1 1 s} : rank(mask) == 3 ? mask{n t s -> n 1 1 t s} : mask; "
     "attend(q, k, v, causal, m, dropout)"
     "{n kv_heads heads_per_kv t size -> n t (kv_heads heads_per_kv size)}",
     NULL, "several heads side by side; heads_per_kv of them look at the same keys and values", 0},
    {"layer",
     "attention(x[n, t, c], heads, causal=false, kv_heads=heads, bias=true, rotary=false, dropout=0, mask=seen(x) | "
     "w as in_proj_weight[(heads + 2*kv_heads)*size, c] ~ glorot, b as in_proj_bias[(heads + 2*kv_heads)*size] = 0): "
     "x{n t (heads size) -> n t heads size}; wide = heads*size; all = wide + kv_heads*size; "
     "z = bias ? x @ w' + b : x @ w'; "
     "y = attend_heads(z[:, :, 0:wide], z[:, :, wide:all], z[:, :, all:], "
     "heads, kv_heads, causal, rotary, mask, dropout); "
     "dense.out_proj(y, c, bias)",
     NULL,
     "each place of a sequence looks at all others (Vaswani et al. 2017); fewer kv_heads than heads: grouped queries "
     "(Ainslie et al. 2023)",
     0},
    {"layer",
     "cross_attention(x[n, t, c], memory[n, s, d], heads, kv_heads=heads, bias=true, dropout=0, mask=seen(memory) | "
     "w as in_proj_weight[(heads + 2*kv_heads)*size, c] ~ glorot, wq as q_proj_weight[heads*size, c] ~ glorot, "
     "wk as k_proj_weight[kv_heads*size, d] ~ glorot, wv as v_proj_weight[kv_heads*size, d] ~ glorot, "
     "b as in_proj_bias[(heads + 2*kv_heads)*size] = 0): "
     "x{n t (heads size) -> n t heads size}; wide = heads*size; all = wide + kv_heads*size; "
     "q = x @ (c == d ? w[0:wide] : wq)'; k = memory @ (c == d ? w[wide:all] : wk)'; "
     "v = memory @ (c == d ? w[all:] : wv)'; "
     "q = bias ? q + b[0:wide] : q; k = bias ? k + b[wide:all] : k; v = bias ? v + b[all:] : v; "
     "dense.out_proj(attend_heads(q, k, v, heads, kv_heads, false, false, mask, dropout), c, bias)",
     NULL, "each place of x looks at all places of memory [n, s, d]; mask says which of these are there", 0},

    /* ---- The transformer's block ---- */
    {"function", "swiglu(x, axis=-1): a, b = split(x, 2, axis=axis); silu(a)*b", NULL,
     "one half, gated by silu of the other (Shazeer 2020)", 0},
    {"function", "geglu(x, axis=-1): a, b = split(x, 2, axis=axis); gelu(a)*b", NULL,
     "one half, gated by gelu of the other (Shazeer 2020)", 0},
    {"layer",
     "feed_forward(x[.., c], mult=4, act=gelu, bias=true, dropout=0): "
     "h = floor(mult*c); halves = (act == swiglu) + (act == geglu) + (act == glu); "
     "y = act(dense.linear1(x, halves ? 2*h : h, bias)); "
     "dense.linear2(dropout(y, dropout), c, bias)",
     NULL,
     "two dense layers, mult times wider between them; with swiglu, geglu or glu the first makes both halves",
     0},
    {"helper",
     "block_norm(x, norm, bias): norm == layernorm ? layernorm(x, bias=bias) : norm == rmsnorm ? rmsnorm(x) : norm(x)",
     NULL, "a norm by its name", 0},
    {"layer",
     "block(x[n, t, c], heads, mult=4, act=gelu, norm=layernorm, norm_first=true, causal=false, kv_heads=heads, "
     "bias=true, rotary=false, dropout=0, mask=seen(x)): "
     "a = attention.self_attn(norm_first ? block_norm.norm1(x, norm, bias) : x, "
     "heads, causal, kv_heads, bias, rotary, dropout, mask); "
     "y = x + dropout(a, dropout); y = norm_first ? y : block_norm.norm1(y, norm, bias); "
     "f = feed_forward(norm_first ? block_norm.norm2(y, norm, bias) : y, mult, act, bias, dropout); "
     "z = y + dropout(f, dropout); norm_first ? z : block_norm.norm2(z, norm, bias)",
     NULL,
     "a transformer's layer: x plus attention, plus feed_forward of that (Vaswani et al. 2017); norms stand before "
     "each (Xiong et al. 2020), or after the sum with norm_first=false",
     0},
};
const size_t nn_attention_count = sizeof nn_attention / sizeof *nn_attention;
