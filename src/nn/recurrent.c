/* recurrent.c: layers that walk along time. Rows of text, enumerated by rows.c.
 *
 * Input is [n, t, d], batch first; output [n, t, h], or [n, h] with sequence=false: where each direction ends. Names,
 * shapes and initial values of parameters are PyTorch's, so is the order of gates: lstm i f g o, gru r z n. A layer
 * is one product of all steps with weight_ih, then a loop with the product that has to wait for the step before.
 * A state stays as it is at a place of padding (m, 0 there), so the last one is that of the last token, also backward.
 * Steps stand first while the loops run: [t, n, ..]. The loops stack what their gradient would have to compute again,
 * the sums before the gates; the weight gradients are products over all steps at once (autodiff/reversal.c). */
#include "nn/rows.h"

const Definition nn_recurrent[] = {
    /* ---- One loop over time: z [t, n, gates*h] is what the inputs say, s and c where it starts; gives all of s and
     * the last s (and c) ---- */
    {"helper",
     "rnn_steps(z[t, n, h], w[h, h], s[n, h], act, m): "
     "y = for k < t along z { s1 = act(z + s @ w'); s = rank(m) == 0 ? s1 : where(m[k], s1, s); s }; "
     "y, s",
     NULL, "the steps of rnn", 0},
    {"helper",
     "gru_steps(z[t, n, g], w[g, h], s[n, h], b[h], m): "
     "y, a = for k < t along z { "
     "a = s @ w'; zr, zu, zm = split(z, 3, axis=1); ar, au, am = split(a, 3, axis=1); "
     "new = tanh(zm + sigmoid(zr + ar)*(am + b)); u = sigmoid(zu + au); s1 = new + u*(s - new); s = rank(m) == 0 ? s1 : where(m[k], s1, s); s, a }; "
     "y, s",
     NULL, "the steps of gru; b stands within the reset gate", 0},
    {"helper",
     "lstm_steps(z[t, n, g], w[g, h], s[n, h], c[n, h], m): "
     "y, a = for k < t along z { "
     "a = z + s @ w'; i, f, new, o = split(a, 4, axis=1); "
     "c1 = sigmoid(f)*c + sigmoid(i)*tanh(new); s1 = sigmoid(o)*tanh(c1); "
     "c = rank(m) == 0 ? c1 : where(m[k], c1, c); s = rank(m) == 0 ? s1 : where(m[k], s1, s); s, a }; "
     "y, s, c",
     NULL, "the steps of lstm", 0},

    /* ---- From zero, or from where the last batch ended ---- */
    {"helper",
     "recurrent_fresh(z[t, n, g], w[g, h], b, kind, act, m): s = zeros(n, h); "
     "kind == lstm ? lstm_steps(z, w, s, s, m)[0:2] : kind == gru ? gru_steps(z, w, s, b, m) : rnn_steps(z, w, s, act, m)",
     NULL, "one direction from zero: all outputs, and the last", 0},
    {"helper",
     "lstm_carried(z[t, n, g], w[g, h], m, layer | s as hidden_l(layer)[n, h] = 0 carried, c as cell_l(layer)[n, h] = 0 carried): "
     "y, last, cell = lstm_steps(z, w, s, c, m); s <- last; c <- cell; y, last",
     NULL, "lstm from the state of the step before", 0},
    {"helper",
     "hidden_carried(z[t, n, g], w[g, h], b, kind, act, m, layer | s as hidden_l(layer)[n, h] = 0 carried): "
     "y, last = kind == gru ? gru_steps(z, w, s, b, m) : rnn_steps(z, w, s, act, m); s <- last; y, last",
     NULL, "gru or rnn from the state of the step before", 0},

    /* ---- Layers ---- */
    {"helper",
     "recurrent_weights(d, h, gates, layer, bias | "
     "wi as weight_ih_l(layer)[gates*h, d] ~ uniform(1/sqrt(h)), "
     "wh as weight_hh_l(layer)[gates*h, h] ~ uniform(1/sqrt(h)), "
     "bi as bias_ih_l(layer)[gates*h] ~ uniform(1/sqrt(h)), "
     "bh as bias_hh_l(layer)[gates*h] ~ uniform(1/sqrt(h))): "
     "wi, wh, bias ? bi : 0, bias ? bh : 0",
     NULL, "of one layer", 0},
    {"helper",
     "recurrent_weights_reverse(d, h, gates, layer, bias | "
     "wi as weight_ih_l(layer)_reverse[gates*h, d] ~ uniform(1/sqrt(h)), "
     "wh as weight_hh_l(layer)_reverse[gates*h, h] ~ uniform(1/sqrt(h)), "
     "bi as bias_ih_l(layer)_reverse[gates*h] ~ uniform(1/sqrt(h)), "
     "bh as bias_hh_l(layer)_reverse[gates*h] ~ uniform(1/sqrt(h))): "
     "wi, wh, bias ? bi : 0, bias ? bh : 0",
     NULL, "of one layer's way back", 0},
    {"helper", "outside_gates(b[g], h, kind): kind == gru ? concat(b[0:2*h], zeros(h)) : b", NULL,
     "what of bias_hh can be added before the loop", 0},
    {"helper",
     "recurrent_way(x[t, n, d], h, kind, layer, bias, carry, act, m, back): "
     "gates = kind == lstm ? 4 : kind == gru ? 3 : 1; "
     "wi, wh, bi, bh = back ? recurrent_weights_reverse(d, h, gates, layer, bias) "
     ": recurrent_weights(d, h, gates, layer, bias); "
     "z = x @ wi'; z = bias ? z + (bi + outside_gates(bh, h, kind)) : z; z = back ? z[::-1] : z; m = back*rank(m) ? m[::-1] : m; "
     "b = kind != gru ? 0 : bias ? bh[2*h:] : zeros(h); "
     "y, last = carry == 0 ? recurrent_fresh(z, wh, b, kind, act, m) "
     ": kind == lstm ? lstm_carried(z, wh, m, layer) : hidden_carried(z, wh, b, kind, act, m, layer); "
     "back ? y[::-1] : y, last",
     NULL, "one direction of one layer", 0},
    {"helper",
     "recurrent_layer(x, h, kind, layer, bias, bidirectional, carry, act, m): "
     "y, last = recurrent_way(x, h, kind, layer, bias, carry, act, m, false); "
     "y2, last2 = bidirectional ? recurrent_way(x, h, kind, layer, bias, false, act, m, true) : (y, last); "
     "bidirectional ? concat(y, y2, axis=2) : y, bidirectional ? concat(last, last2, axis=1) : last",
     NULL, "one layer, both directions side by side", 0},
    {"helper",
     "recurrent_stack(x, h, kind, layers, bias, bidirectional, carry, dropout, act, m, layer=0): "
     "y, last = recurrent_layer(x, h, kind, layer, bias, bidirectional, carry, act, m); "
     "layer + 1 < layers "
     "? recurrent_stack(dropout(y, dropout), h, kind, layers, bias, bidirectional, carry, dropout, act, m, layer + 1) "
     ": (y, last)",
     NULL, "layer on layer", 0},
    {"helper",
     "recurrent(x[n, t, d], h, kind, layers, bidirectional, sequence, bias, dropout, carry, act): m = seen(x); "
     "m = rank(m) == 0 ? m : m{n t -> t n 1}; y, last = recurrent_stack(x{n t d -> t n d}, h, kind, layers, bias, bidirectional, carry, dropout, act, m); "
     "sequence ? transpose(y, 1, 0, 2) : last",
     NULL, "what rnn, gru and lstm have in common", 0},

    {"layer",
     "rnn(x[n, t, d], h, layers=1, bidirectional=false, sequence=true, bias=true, dropout=0, carry=false, act=tanh): "
     "recurrent(x, h, rnn, layers, bidirectional, sequence, bias, dropout, carry, act)",
     NULL,
     "s = act(x @ weight_ih' + bias_ih + s @ weight_hh' + bias_hh) along t (Elman 1990); at padding s stays as it is; "
     "sequence=false gives the last s; dropout between layers; carry: each row of a batch begins with the "
     "state in which the row before it ended, through which no gradient flows",
     0},
    {"layer",
     "gru(x[n, t, d], h, layers=1, bidirectional=false, sequence=true, bias=true, dropout=0, carry=false): "
     "recurrent(x, h, gru, layers, bidirectional, sequence, bias, dropout, carry, tanh)",
     NULL, "gated recurrent unit (Cho et al. 2014), gates r z n; otherwise like rnn", 0},
    {"layer",
     "lstm(x[n, t, d], h, layers=1, bidirectional=false, sequence=true, bias=true, dropout=0, carry=false): "
     "recurrent(x, h, lstm, layers, bidirectional, sequence, bias, dropout, carry, tanh)",
     NULL,
     "long short-term memory (Hochreiter and Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000), gates i f g o; "
     "otherwise like rnn",
     0},
};
const size_t nn_recurrent_count = sizeof nn_recurrent / sizeof *nn_recurrent;
