/* test_notation_errors.c: what mistakes in texts are told, word by word: the sentence, the line, the caret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "notation/notation.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* x [2, 3], w [4, 3] (a parameter), i [2] (i32), lr (a number known when a step runs), classes = 3, and these rows */
static const struct {
    const char *category, *row;
} rows[] = {
    {"layer", "dense(x[.., in], n, bias=true | weight[n, in] ~ normal, b as bias[n] = 0): "
              "bias ? x @ weight' + b : x @ weight'"},
    {"layer", "begun(x[.., in], n, init=normal | weight[n, in] ~ init): x @ weight'"},
    {"activation", "relu(x): max(x, 0)"},
    {"activation", "softmax(x, axis=-1): e = exp(x - stop(amax(x, axis))); e/sum(e, axis)"},
    {"loss", "huber(y, t, delta=1): e = y - t; mean(where(abs(e) < delta, e*e/2, delta*(abs(e) - delta/2)))"},
    {"optimizer", "adam(w, g, t, lr=1e-3): w -= lr*g"},
    {"schedule", "cosine(t, steps, warmup=0, floor=0): t/steps"},
};

typedef struct Mistake {
    char kind; /* e: a text, n: a net for x, r: a row, then "@@ " and a text; c: a call given t and steps */
    const char *text; /* titled "text"; the row is titled "mine" */
    const char *message;
} Mistake;

static const Mistake mistakes[] = {
    {'e', "",
     "text: \n"
     "      ^ expected an expression here, not the end"},
    {'e', "1 +",
     "text: 1 +\n"
     "         ^ expected a name, a number or ( here, not the end"},
    {'e', "(1 + 2",
     "text: (1 + 2\n"
     "      ^ this ( is never closed"},
    {'e', "x[0",
     "text: x[0\n"
     "       ^ this [ is never closed"},
    {'e', "max(",
     "text: max(\n"
     "         ^ this ( is never closed"},
    {'e', "max(1, x",
     "text: max(1, x\n"
     "         ^ this ( is never closed"},
    {'e', "1 + 2)",
     "text: 1 + 2)\n"
     "           ^ expected an operator, ; or the end here, not )"},
    {'e', "a = (1, 2",
     "text: a = (1, 2\n"
     "          ^ this ( is never closed"},
    {'e', "x $ 2",
     "text: x $ 2\n"
     "        ^ $ means nothing in a formula"},
    {'e', "x é 2",
     "text: x é 2\n"
     "        ^ é means nothing in a formula"},
    {'e', "2x",
     "text: 2x\n"
     "       ^ a number and a name stand side by side; for a product write * between them"},
    {'e', "x y",
     "text: x y\n"
     "        ^ expected an operator, ; or the end here, not y"},
    {'e', "1 < 2 < 3",
     "text: 1 < 2 < 3\n"
     "            ^ comparisons do not chain; write a*b for a and b: (0 < x)*(x < 1)"},
    {'e', "sin(x) = 3",
     "text: sin(x) = 3\n"
     "      ^ only a name can be given a value"},
    {'e', "3 = 4",
     "text: 3 = 4\n"
     "      ^ only a name can be given a value"},
    {'e', "x ? 1",
     "text: x ? 1\n"
     "           ^ expected : and the other value of ?: here, not the end"},
    {'e', "x ? 1 : 2",
     "text: x ? 1 : 2\n"
     "        ^ ?: chooses when the graph is built, but this condition is a tensor [2, 3]; use where(c, x, z)"},
    {'e', "sinn(x)",
     "text: sinn(x)\n"
     "      ^ no function is called sinn; did you mean sin?"},
    {'e', "clases + 1",
     "text: clases + 1\n"
     "      ^ nothing is called clases here; did you mean classes?"},
    {'e', "sin + 1",
     "text: sin + 1\n"
     "      ^ sin is a function; call it with its arguments in ( )"},
    {'e', "sin",
     "text: sin\n"
     "      ^ sin is a function; call it with its arguments in ( )"},
    {'e', "x(3)",
     "text: x(3)\n"
     "      ^ x is no function; for a product write *"},
    {'e', "sum(x, 2)",
     "text: sum(x, 2)\n"
     "      ^ sum: there is no axis 2 in shape [2, 3]"},
    {'e', "sum(x, -3)",
     "text: sum(x, -3)\n"
     "      ^ sum: there is no axis -3 in shape [2, 3]"},
    {'e', "sum(x, 1.5)",
     "text: sum(x, 1.5)\n"
     "      ^ sum: an axis must be a whole number; this is the number 1.5"},
    {'e', "sum(x, lr)",
     "text: sum(x, lr)\n"
     "      ^ sum: an axis must be a whole number that is known; this is a number that is known only when a step runs"},
    {'e', "sum(x, axes=1)",
     "text: sum(x, axes=1)\n"
     "             ^ sum has no argument called axes; it takes (x, axis..)"},
    {'e', "sum(x, axis=0, axis=1)",
     "text: sum(x, axis=0, axis=1)\n"
     "                     ^ sum is given its argument axis twice"},
    {'e', "sum()",
     "text: sum()\n"
     "      ^ sum needs its argument x; it takes (x, axis..)"},
    {'e', "dim(x)",
     "text: dim(x)\n"
     "      ^ dim needs its argument axis; it takes (x, axis)"},
    {'e', "tanh(x, x)",
     "text: tanh(x, x)\n"
     "              ^ tanh has one argument too many here; it takes (x)"},
    {'e', "tanh(z=x)",
     "text: tanh(z=x)\n"
     "           ^ tanh has no argument called z; it takes (x)"},
    {'e', "x @ x",
     "text: x @ x\n"
     "        ^ [2, 3] @ [2, 3]: the left has 3 columns, the right 2 rows"},
    {'e', "x + w",
     "text: x + w\n"
     "        ^ add: shapes [2, 3] and [4, 3] do not fit; counted from the end, axis 2 has 2 and 4"},
    {'e', "i + 1",
     "text: i + 1\n"
     "        ^ add needs real numbers; this is i32: write cast(..., real)"},
    {'e', "x[5]",
     "text: x[5]\n"
     "        ^ index 5 is outside axis 0 of [2, 3]"},
    {'e', "x[0, 0, 0]",
     "text: x[0, 0, 0]\n"
     "       ^ 3 indices are more than the axes of [2, 3]"},
    {'e', "x[0:9]",
     "text: x[0:9]\n"
     "        ^ the range from 0 to 9 is not all within axis 0 of [2, 3]"},
    {'e', "x[2:1]",
     "text: x[2:1]\n"
     "        ^ the range from 2 to 1 takes nothing of axis 0 of [2, 3]"},
    {'e', "x[.., ..]",
     "text: x[.., ..]\n"
     "            ^ only one .. can stand in an index"},
    {'e', "x[0, i]",
     "text: x[0, i]\n"
     "           ^ a tensor of positions can index axis 0 only; transpose x first"},
    {'e', "x[::0]",
     "text: x[::0]\n"
     "        ^ the step of a range must not be 0"},
    {'e', "shape(x)[2]",
     "text: shape(x)[2]\n"
     "              ^ index 2 is outside axis 0 of [2]"},
    {'e', "shape(x)[0, 1]",
     "text: shape(x)[0, 1]\n"
     "              ^ a tuple has one index, not 2"},
    {'e', "x{a b}",
     "text: x{a b}\n"
     "           ^ expected the name of an axis or -> here, not }"},
    {'e', "x{a b -> a}",
     "text: x{a b -> a}\n"
     "          ^ axis b is missing on the right; sum or take its mean before"},
    {'e', "x{a b c -> a b c}",
     "text: x{a b c -> a b c}\n"
     "       ^ the pattern has 3 axes on the left, the tensor has shape [2, 3]"},
    {'e', "x{a (b c) -> a b c}",
     "text: x{a (b c) -> a b c}\n"
     "             ^ the sizes of b and c are both unknown; give one of them a value before"},
    {'e', "c = 2; x{a (b c) -> a b c}",
     "text: c = 2; x{a (b c) -> a b c}\n"
     "                  ^ axis 1 of [2, 3] does not split as the pattern says (2)"},
    {'e', "b = 2; x{a b -> b a}",
     "text: b = 2; x{a b -> b a}\n"
     "                 ^ axis 1 of [2, 3] does not split as the pattern says (2)"},
    {'e', "x{x b -> b x}",
     "text: x{x b -> b x}\n"
     "        ^ x is a tensor [2, 3] already; give this axis another name"},
    {'e', "x{a a -> a}",
     "text: x{a a -> a}\n"
     "          ^ axis a stands twice on one side of the pattern"},
    {'e', "x{a 3 -> a}",
     "text: x{a 3 -> a}\n"
     "          ^ in a pattern, sizes have names; only 1 can stand as a number"},
    {'e', "x{a b -> a b c}",
     "text: x{a b -> a b c}\n"
     "                   ^ axis c is new here, so it needs a size; give c a value before"},
    {'e', "x{a b -> b .. a}",
     "text: x{a b -> b .. a}\n"
     "               ^ the pattern has .. on the right only"},
    {'e', "x{a b -> b a",
     "text: x{a b -> b a\n"
     "       ^ this { is never closed"},
    {'e', "a, b = 3",
     "text: a, b = 3\n"
     "      ^ 2 names are given values here, but there is only the number 3"},
    {'e', "a, b = 1, 2, 3",
     "text: a, b = 1, 2, 3\n"
     "      ^ 2 names are given values here, but there is a tuple of 3"},
    {'e', "x <- 3",
     "text: x <- 3\n"
     "      ^ x is no parameter or state, so it cannot be assigned; use = for a new value"},
    {'e', "q <- 3",
     "text: q <- 3\n"
     "      ^ nothing is called q here; did you mean eq?"},
    {'e', "w <- zeros(5)",
     "text: w <- zeros(5)\n"
     "      ^ w has shape [4, 3]; a value of shape [5] does not fit"},
    {'e', "w <- x",
     "text: w <- x\n"
     "      ^ w has shape [4, 3]; a value of shape [2, 3] does not fit"},
    {'e', "for k < 2 { w <- w }",
     "text: for k < 2 { w <- w }\n"
     "                  ^ w changes once a step, so it cannot be assigned in a loop; use = in the loop"},
    {'e', "for k < 0 { 1 }",
     "text: for k < 0 { 1 }\n"
     "      ^ a loop takes at least one turn, not 0"},
    {'e', "for k < lr { 1 }",
     "text: for k < lr { 1 }\n"
     "              ^ the number of turns must be a whole number that is known; this is a number that is known only when a step runs"},
    {'e', "for k { 1 }",
     "text: for k { 1 }\n"
     "            ^ expected < here, not {"},
    {'e', "for k < 2 { 1",
     "text: for k < 2 { 1\n"
     "                ^ this { is never closed"},
    {'e', "for k < 2 along { 1 }",
     "text: for k < 2 along { 1 }\n"
     "                      ^ expected the name of a tensor to walk along here, not {"},
    {'e', "for k < 3 along x { x }",
     "text: for k < 3 along x { x }\n"
     "                      ^ x has shape [2, 3], but the loop takes 3 turns along its axis 0"},
    {'e', "for k < 2 along y { y }",
     "text: for k < 2 along y { y }\n"
     "                      ^ nothing is called y here"},
    {'e', "for k < 2 along x { x = x + 1 }",
     "text: for k < 2 along x { x = x + 1 }\n"
     "                          ^ x is what this loop walks along; give the new value another name"},
    {'e', "for k < 2 { a = 1 }",
     "text: for k < 2 { a = 1 }\n"
     "      ^ this loop gives nothing; end its body with an expression, or assign a name that exists before it"},
    {'e', "h = 0; 1 + for k < 2 { h = h + 1 }",
     "text: h = 0; 1 + for k < 2 { h = h + 1 }\n"
     "                 ^ this loop gives no value; end its body with an expression to stack"},
    {'e', "h = zeros(2); for k < 2 along x { h = x }; h",
     "text: h = zeros(2); for k < 2 along x { h = x }; h\n"
     "                    ^ h starts as real [2] but is real [3] after a turn; give it that shape before the loop, or another name in it"},
    {'e', "h = i; for k < 2 along x { h = x }; h",
     "text: h = i; for k < 2 along x { h = x }; h\n"
     "             ^ h starts as i32 [2] but is real [3] after a turn; give it that shape before the loop, or another name in it"},
    {'e', "reshape(x, 4, 2)",
     "text: reshape(x, 4, 2)\n"
     "      ^ reshape: [2, 3] has 6 elements, [4, 2] has 8"},
    {'e', "reshape(x, -1, -1)",
     "text: reshape(x, -1, -1)\n"
     "      ^ reshape: only one size can be -1"},
    {'e', "reshape(x, -1, 4)",
     "text: reshape(x, -1, 4)\n"
     "      ^ reshape: the 6 elements of [2, 3] do not divide by 4, the other sizes"},
    {'e', "zeros(2.5)",
     "text: zeros(2.5)\n"
     "      ^ zeros: a size must be a whole number; this is the number 2.5"},
    {'e', "zeros(x)",
     "text: zeros(x)\n"
     "      ^ zeros: a size must be a whole number that is known; this is a tensor [2, 3]"},
    {'e', "concat(x, w, axis=1)",
     "text: concat(x, w, axis=1)\n"
     "      ^ concat: real[4, 3] does not continue real[2, 3] along axis 1; all other axes must agree"},
    {'e', "concat()",
     "text: concat()\n"
     "      ^ concat needs at least one tensor"},
    {'e', "split(x, 2, axis=1)",
     "text: split(x, 2, axis=1)\n"
     "      ^ split: axis 1 of [2, 3] does not divide into 2 equal parts"},
    {'e', "transpose(x, 1)",
     "text: transpose(x, 1)\n"
     "      ^ transpose: 1 axes are named, but [2, 3] has 2"},
    {'e', "pad(x, 0, -1, 0)",
     "text: pad(x, 0, -1, 0)\n"
     "      ^ pad: the counts of zeros must not be negative"},
    {'e', "slice(x, (0, 0, 0), 1, 1)",
     "text: slice(x, (0, 0, 0), 1, 1)\n"
     "      ^ slice: begin has 3 numbers for 2 axes"},
    {'e', "expand(x, 3, 3)",
     "text: expand(x, 3, 3)\n"
     "      ^ expand: [2, 3] does not repeat to [3, 3]; only axes of size 1 repeat"},
    {'e', "cast(x, f32)",
     "text: cast(x, f32)\n"
     "              ^ nothing is called f32 here; did you mean i32?"},
    {'e', "cast(x, 3)",
     "text: cast(x, 3)\n"
     "      ^ cast: the types are real, i32 and u8, not the number 3"},
    {'e', "take(x, x)",
     "text: take(x, x)\n"
     "      ^ take: positions are i32, not real: write cast(..., i32)"},
    {'e', "dropout(x, 2)",
     "text: dropout(x, 2)\n"
     "      ^ dropout: p must be at least 0 and less than 1, not 2"},
    {'e', "huber(x, x, delta=-2)",
     "text: huber(x, x, delta=-2)\n"
     "                  ^ huber: delta must be more than 0, not -2"},
    {'e', "huber(x, x, (1, -2))",
     "text: huber(x, x, (1, -2))\n"
     "                  ^ huber: delta must be more than 0, not -2"},
    {'e', "huber(x, x, nan)",
     "text: huber(x, x, nan)\n"
     "                  ^ huber: delta must be more than 0, not nan"},
    {'e', "softmax(x, axs=1)",
     "text: softmax(x, axs=1)\n"
     "                 ^ softmax has no argument called axs; did you mean axis? It takes (x, axis=-1)"},
    {'e', "softmax(x, 0, 1)",
     "text: softmax(x, 0, 1)\n"
     "                    ^ softmax has one argument too many here; it takes (x, axis=-1)"},
    {'e', "softmax()",
     "text: softmax()\n"
     "      ^ softmax needs its argument x; it takes (x, axis=-1)"},
    {'e', "softmax(x, 5)",
     "text: softmax(x, 5)\n"
     "      ^ amax: there is no axis 5 in shape [2, 3]\n"
     "  row: softmax(x, axis=-1): e = exp(x - stop(amax(x, axis))); e/sum(e, axis)\n"
     "                                             ^"},
    {'e', "softmax(x, axis=0, axis=1)",
     "text: softmax(x, axis=0, axis=1)\n"
     "                         ^ softmax is given its argument axis twice"},
    {'e', "huber(x, w)",
     "text: huber(x, w)\n"
     "      ^ sub: shapes [2, 3] and [4, 3] do not fit; counted from the end, axis 2 has 2 and 4\n"
     "  row: huber(y, t, delta=1): e = y - t; mean(where(abs(e) < delta, e*e/2, delta*(ab...\n"
     "                                   ^"},
    {'e', "residual(x, dense(4))",
     "text: residual(x, dense(4))\n"
     "      ^ residual adds [2, 3] to what its layers make of it, [2, 4]; end them with a layer that gives [2, 3]"},
    {'e', "residual(x, 3)",
     "text: residual(x, 3)\n"
     "      ^ expected layers here, such as dense(8) relu, not the number 3"},
    {'e', "repeat(x, 0, relu)",
     "text: repeat(x, 0, relu)\n"
     "      ^ repeat: the number of copies must be from 1 to 10000, not 0"},
    {'e', "(1, 2) + 1",
     "text: (1, 2) + 1\n"
     "      ^ expected one tensor or number here, not a tuple of 2"},
    {'e', "dense(x, 2); dense(x, 3)",
     "text: dense(x, 2); dense(x, 3)\n"
     "                   ^ weight is used twice, as real[2, 3] and as real[3, 3]; a shared parameter has one shape\n"
     "  row: ...~ normal, b as bias[n] = 0): bias ? x @ weight' + b : x @ weight'\n"
     "                                                  ^"},
    {'e', "dense(x, lr)",
     "text: dense(x, lr)\n"
     "      ^ the size of an axis must be a whole number that is known; this is a number that is known only when a step runs\n"
     "  row: dense(x[.., in], n, bias=true | weight[n, in] ~ normal, b as bias[n] = 0): b...\n"
     "                                              ^"},
    {'e', "dense(x)",
     "text: dense(x)\n"
     "      ^ dense needs its argument n; it takes (x, n, bias=true)"},
    {'e', "dense.(x)",
     "text: dense.(x)\n"
     "            ^ expected a name for the parameters after the dot here, not ("},
    {'e', "dense.q",
     "text: dense.q\n"
     "             ^ expected the arguments in ( ) here, not the end"},
    {'n', "",
     "text: \n"
     "      ^ expected the name of a layer here, not the end"},
    {'n', "dense(10) relu dence(10)",
     "text: dense(10) relu dence(10)\n"
     "                     ^ no layer is called dence; did you mean dense?"},
    {'n', "begun(10, init=.3)",
     "text: begun(10, init=.3)\n"
     "                ^ init is an initialiser, such as he or uniform(.1), not the number 0.3"},
    {'n', "begun(10, normol(.3))",
     "text: begun(10, normol(.3))\n"
     "                ^ no initialiser is called normol; did you mean normal?"},
    {'n', "dense(10), relu",
     "text: dense(10), relu\n"
     "               ^ layers follow each other without commas"},
    {'n', "dense(10) 3",
     "text: dense(10) 3\n"
     "                ^ expected the name of a layer here, not 3"},
    {'n', "dense(10) huber",
     "text: dense(10) huber\n"
     "                ^ huber is no layer but a loss"},
    {'n', "dense(10) adam",
     "text: dense(10) adam\n"
     "                ^ adam is no layer but an optimizer"},
    {'n', "dense(10) pi",
     "text: dense(10) pi\n"
     "                ^ no layer is called pi"},
    {'n', "dense(10",
     "text: dense(10\n"
     "           ^ this ( is never closed"},
    {'n', "residual(dense(8) relu)",
     "text: residual(dense(8) relu)\n"
     "      ^ residual adds [2, 3] to what its layers make of it, [2, 8]; end them with a layer that gives [2, 3]"},
    {'n', "residual(dense(3) relux)",
     "text: residual(dense(3) relux)\n"
     "                        ^ no layer is called relux; did you mean relu?"},
    {'n', "dense",
     "text: dense\n"
     "      ^ dense needs its argument n; it takes (x, n, bias=true)"},
    {'n', "dense(units=3)",
     "text: dense(units=3)\n"
     "            ^ dense has no argument called units; it takes (x, n, bias=true)"},
    {'n', "dense(classes) dropout(1.5) relu",
     "text: dense(classes) dropout(1.5) relu\n"
     "                     ^ dropout: p must be at least 0 and less than 1, not 1.5"},
    {'n', "dense(8)\n  relu\n  dence(3)",
     "text:   dence(3)\n"
     "        ^ no layer is called dence; did you mean dense?"},
    {'n', "add",
     "text: add\n"
     "      ^ add needs its argument z; it takes (x, z)"},
    {'n', "split(2)",
     "text: split(2)\n"
     "      ^ a layer gives one tensor; split gives a tuple of 2"},
    {'r', "f",
     "mine: f\n"
     "       ^ expected ( and the inputs here, not the end"},
    {'r', "f(x)",
     "mine: f(x)\n"
     "          ^ expected : and the formula here, not the end"},
    {'r', "f(x: x",
     "mine: f(x: x\n"
     "         ^ expected a comma, | or ) here, not :"},
    {'r', "f(x, x): x",
     "mine: f(x, x): x\n"
     "           ^ f has x twice"},
    {'r', "f(x=1, z): x",
     "mine: f(x=1, z): x\n"
     "             ^ z stands after x, which has a value, so it needs one, too"},
    {'r', "f(x[n, c): x",
     "mine: f(x[n, c): x\n"
     "              ^ expected a comma or ] here, not )"},
    {'r', "f(x | w): x",
     "mine: f(x | w): x\n"
     "             ^ expected the shape in [ ] here, not )"},
    {'r', "f(x | w[3]): x",
     "mine: f(x | w[3]): x\n"
     "                ^ expected ~ and an initialiser or = and a value here, not )"},
    {'r', "f(x | w[3] ~ 0): x",
     "mine: f(x | w[3] ~ 0): x\n"
     "                   ^ expected the name of an initialiser here, not 0"},
    {'r', "f(x | w[3] = 0, w[2] = 0): x",
     "mine: f(x | w[3] = 0, w[2] = 0): x\n"
     "                      ^ f has w twice"},
    {'r', "f(x):",
     "mine: f(x):\n"
     "           ^ expected an expression here, not the end"},
    {'r', "f(x): x +",
     "mine: f(x): x +\n"
     "               ^ expected a name, a number or ( here, not the end"},
    {'r', "f(x): w@@ f(x)",
     "text: f(x)\n"
     "      ^ nothing is called w here\n"
     "  mine: f(x): w\n"
     "              ^"},
    {'r', "f(x[n]): n@@ f(x)",
     "text: f(x)\n"
     "      ^ x must have 1 axis, but its shape is [2, 3]\n"
     "  mine: f(x[n]): n\n"
     "          ^"},
    {'r', "f(x[n, 4]): n@@ f(x)",
     "text: f(x)\n"
     "      ^ axis 1 of x [2, 3] must be 4\n"
     "  mine: f(x[n, 4]): n\n"
     "               ^"},
    {'r', "f(x[n, 2*n]): n@@ f(x)",
     "text: f(x)\n"
     "      ^ axis 1 of x [2, 3] must be 2*n, which is 4\n"
     "  mine: f(x[n, 2*n]): n\n"
     "               ^"},
    {'r', "f(x[a, a]): x@@ f(x)",
     "text: f(x)\n"
     "      ^ a is 3 by axis 1 of x [2, 3], but 2 by axis 0 of x [2, 3]\n"
     "  mine: f(x[a, a]): x\n"
     "               ^"},
    {'r', "f(x[n, c], z[m, c]): x@@ f(x, w')",
     "text: f(x, w')\n"
     "      ^ c is 4 by axis 1 of z [3, 4], but 3 by axis 1 of x [2, 3]\n"
     "  mine: f(x[n, c], z[m, c]): x\n"
     "                        ^"},
    {'r', "f(x[n, x]): x@@ f(x)",
     "text: f(x)\n"
     "      ^ x is a tensor [2, 3] already; give the size of axis 1 of x [2, 3] another name\n"
     "  mine: f(x[n, x]): x\n"
     "               ^"},
    {'r', "f(x[n, .., c, ..]): x@@ f(x)",
     "text: f(x)\n"
     "      ^ only one .. can stand in a shape\n"
     "  mine: f(x[n, .., c, ..]): x\n"
     "                      ^"},
    {'r', "f(x): f(x)@@ f(x)",
     "mine: f(x): f(x)\n"
     "              ^ calls are nested more than 1000 deep; does a definition call itself?"},
    {'r', "f(x): a = x; a @ a@@ f(x)",
     "text: f(x)\n"
     "      ^ [2, 3] @ [2, 3]: the left has 3 columns, the right 2 rows\n"
     "  mine: f(x): a = x; a @ a\n"
     "                       ^"},
    {'r', "f(x): x, relu@@ f(x)",
     "text: f(x)\n"
     "      ^ relu is a function; call it with its arguments in ( )"},
    {'r', "f(x | k[c] = 0): x + k@@ f(x)",
     "text: f(x)\n"
     "      ^ nothing is called c here\n"
     "  mine: f(x | k[c] = 0): x + k\n"
     "                ^"},
    {'r', "f(x[n,c] | k[c - 3] = 0): x + k@@ f(x)",
     "text: f(x)\n"
     "      ^ the size of an axis must be at least 1, not 0\n"
     "  mine: f(x[n,c] | k[c - 3] = 0): x + k\n"
     "                     ^"},
    {'r', "f(x | k[2] = 0): for j < 2 { k <- x; 1 }@@ f(x)",
     "text: f(x)\n"
     "      ^ k changes once a step, so it cannot be assigned in a loop; use = in the loop\n"
     "  mine: f(x | k[2] = 0): for j < 2 { k <- x; 1 }\n"
     "                                     ^"},
    {'c', "adan(lr=1)",
     "text: adan(lr=1)\n"
     "      ^ no function is called adan; did you mean adam?"},
    {'c', "cosine(",
     "text: cosine(\n"
     "            ^ this ( is never closed"},
    {'c', "cosine(wramup=1)",
     "text: cosine(wramup=1)\n"
     "             ^ cosine has no argument called wramup; did you mean warmup? It takes (t, steps, warmup=0, floor=0)"},
    {'c', "cosine(1, 2, 3, 4)",
     "text: cosine(1, 2, 3, 4)\n"
     "                   ^ cosine has one argument too many here; it takes (t, steps, warmup=0, floor=0)"},
    {'c', "cosine relu",
     "text: cosine relu\n"
     "             ^ expected one call, such as cosine, and nothing after it"},
    {'c', "cosine(t=3)",
     "text: cosine(t=3)\n"
     "             ^ cosine is given its argument t twice"},
    {'e',
     "abcdefghijklmnopqrstuvwxyz_1 = 1; abcdefghijklmnopqrstuvwxyz_2 = 2; sinn(x) + tanh(x)*tanh(x)*tanh(x)*tanh(x)*tanh(x)*tanh(x)",
     "text: ... = 1; abcdefghijklmnopqrstuvwxyz_2 = 2; sinn(x) + tanh(x)*tanh(x)*tanh(x)*ta...\n"
     "                                                 ^ no function is called sinn; did you mean sin?"},
    {'e', "a = 1\nb = sinn(x)\nc = 3",
     "text: b = sinn(x)\n"
     "          ^ no function is called sinn; did you mean sin?"},
};

typedef struct Trial {
    const Mistake *mistake;
    Error error;
    Arena arena;
    Graph *g;
} Trial;

static Node *trial_leaf(Trial *t, Scope *s, const char *name, Role role, Type type, int rank, int64_t a,
                        int64_t b)
{
    Node *n = graph_leaf(t->g, role, name, type, shape_of(rank, (int64_t[]){a, b}), NULL);
    scope_add_node(s, name, n);
    return n;
}

static const Interval *trial_limit(const char *row, const char *option)
{
    static const Interval share = {0, 1, false, true}, positive = {0, HUGE_VAL, true, false};
    if (!strcmp(row, "dropout") && !strcmp(option, "p")) return &share;
    return !strcmp(row, "huber") && !strcmp(option, "delta") ? &positive : NULL;
}

static void trial_row(Context *c, const char *text)
{
    const char *at = strstr(text, "@@ ");
    char row[200];
    snprintf(row, sizeof row, "%.*s", at ? (int)(at - text) : (int)strlen(text), text);
    scope_add_row(c->scope, "mine", row, NULL, NULL);
    if (at) notation_formula(c, at + 3);
}

static void trial_run(void *context)
{
    Trial *t = context;
    Scope *outer = scope_new(&t->arena, NULL);
    scope_limit(outer, trial_limit);
    Scope *s = scope_new(&t->arena, outer);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        scope_add_row(s, "row", rows[i].row, NULL, rows[i].category);
    Node *x = trial_leaf(t, s, "x", ROLE_DATA, TYPE_REAL, 2, 2, 3);
    trial_leaf(t, s, "w", ROLE_PARAMETER, TYPE_REAL, 2, 4, 3);
    trial_leaf(t, s, "i", ROLE_DATA, TYPE_I32, 1, 2, 0);
    trial_leaf(t, s, "lr", ROLE_SCALAR, TYPE_SCALAR, 0, 0, 0);
    scope_add_number(s, "classes", 3);
    Context c = {.graph = t->g, .scope = s, .title = "text"};
    Argument given[] = {{"t", value_node(graph_const(t->g, 1)), NULL},
                        {"steps", value_node(graph_const(t->g, 9)), NULL}};
    if (t->mistake->kind == 'e') notation_formula(&c, t->mistake->text);
    if (t->mistake->kind == 'n') notation_net(&c, t->mistake->text, x, NULL, NULL);
    if (t->mistake->kind == 'r') trial_row(&c, t->mistake->text);
    if (t->mistake->kind == 'c') notation_call(&c, t->mistake->text, 2, given);
}

static void test_mistakes(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        Trial t = {.mistake = &mistakes[i]};
        arena_init(&t.arena, &t.error);
        t.g = graph_new(&t.error);
        assert_non_null(t.g);
        int status = error_catch(&t.error, trial_run, &t);
        if (status != NUDGE_INPUT || strcmp(t.error.message, mistakes[i].message)) {
            print_error("%s\ngives (%d)\n%s\nnot\n%s\n\n", mistakes[i].text, status, t.error.message,
                        mistakes[i].message);
            wrong++;
        }
        graph_free(t.g);
        arena_free(&t.arena);
    }
    assert_int_equal(wrong, 0);
}

/* A row that no text calls is checked when it is added; what it calls is looked up when it is called. */
static void rows_twice(void *context)
{
    Scope *s = context;
    scope_add_row(s, "first", "f(x): later(x)", NULL, NULL);
    scope_add_row(s, "mine.yaml:12: define", "f(x): x", NULL, NULL);
}

static void test_twice(void **state)
{
    (void)state;
    Error e = {0};
    Arena a;
    arena_init(&a, &e);
    Scope *s = scope_new(&a, NULL);
    assert_int_equal(error_catch(&e, rows_twice, s), NUDGE_INPUT);
    assert_string_equal(e.message,
                        "mine.yaml:12: define: f is defined twice; give one of the two another name");
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mistakes), cmocka_unit_test(test_twice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
