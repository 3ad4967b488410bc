/* test_notation_errors.c: what mistakes in texts are told, word by word: the sentence, the line, the caret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "notation/notation.h"

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
     "expected an expression here, not the end\n"
     "  text: \n"
     "        ^"},
    {'e', "1 +",
     "expected a name, a number or ( here, not the end\n"
     "  text: 1 +\n"
     "           ^"},
    {'e', "(1 + 2",
     "this ( is never closed\n"
     "  text: (1 + 2\n"
     "        ^"},
    {'e', "x[0",
     "this [ is never closed\n"
     "  text: x[0\n"
     "         ^"},
    {'e', "max(",
     "this ( is never closed\n"
     "  text: max(\n"
     "           ^"},
    {'e', "max(1, x",
     "this ( is never closed\n"
     "  text: max(1, x\n"
     "           ^"},
    {'e', "1 + 2)",
     "expected an operator, ; or the end here, not )\n"
     "  text: 1 + 2)\n"
     "             ^"},
    {'e', "a = (1, 2",
     "this ( is never closed\n"
     "  text: a = (1, 2\n"
     "            ^"},
    {'e', "x $ 2",
     "$ means nothing in a formula\n"
     "  text: x $ 2\n"
     "          ^"},
    {'e', "x é 2",
     "é means nothing in a formula\n"
     "  text: x é 2\n"
     "          ^"},
    {'e', "2x",
     "a number and a name stand side by side; for a product write * between them\n"
     "  text: 2x\n"
     "         ^"},
    {'e', "x y",
     "expected an operator, ; or the end here, not y\n"
     "  text: x y\n"
     "          ^"},
    {'e', "1 < 2 < 3",
     "comparisons do not chain; write a*b for a and b: (0 < x)*(x < 1)\n"
     "  text: 1 < 2 < 3\n"
     "              ^"},
    {'e', "sin(x) = 3",
     "only a name can be given a value\n"
     "  text: sin(x) = 3\n"
     "        ^"},
    {'e', "3 = 4",
     "only a name can be given a value\n"
     "  text: 3 = 4\n"
     "        ^"},
    {'e', "x ? 1",
     "expected : and the other value of ?: here, not the end\n"
     "  text: x ? 1\n"
     "             ^"},
    {'e', "x ? 1 : 2",
     "?: chooses when the graph is built, but this condition is a tensor [2, 3]; use where(c, x, z)\n"
     "  text: x ? 1 : 2\n"
     "          ^"},
    {'e', "sinn(x)",
     "no function is called sinn; did you mean sin?\n"
     "  text: sinn(x)\n"
     "        ^"},
    {'e', "clases + 1",
     "nothing is called clases here; did you mean classes?\n"
     "  text: clases + 1\n"
     "        ^"},
    {'e', "sin + 1",
     "sin is a function; call it with its arguments in ( )\n"
     "  text: sin + 1\n"
     "        ^"},
    {'e', "sin",
     "sin is a function; call it with its arguments in ( )\n"
     "  text: sin\n"
     "        ^"},
    {'e', "x(3)",
     "x is no function; for a product write *\n"
     "  text: x(3)\n"
     "        ^"},
    {'e', "sum(x, 2)",
     "sum: there is no axis 2 in shape [2, 3]\n"
     "  text: sum(x, 2)\n"
     "        ^"},
    {'e', "sum(x, -3)",
     "sum: there is no axis -3 in shape [2, 3]\n"
     "  text: sum(x, -3)\n"
     "        ^"},
    {'e', "sum(x, 1.5)",
     "sum: an axis must be a whole number; this is the number 1.5\n"
     "  text: sum(x, 1.5)\n"
     "        ^"},
    {'e', "sum(x, lr)",
     "sum: an axis must be a whole number that is known; this is a number that is known only when a step runs\n"
     "  text: sum(x, lr)\n"
     "        ^"},
    {'e', "sum(x, axes=1)",
     "sum has no argument called axes; it takes (x, axis..)\n"
     "  text: sum(x, axes=1)\n"
     "               ^"},
    {'e', "sum(x, axis=0, axis=1)",
     "sum is given its argument axis twice\n"
     "  text: sum(x, axis=0, axis=1)\n"
     "                       ^"},
    {'e', "sum()",
     "sum needs its argument x; it takes (x, axis..)\n"
     "  text: sum()\n"
     "        ^"},
    {'e', "dim(x)",
     "dim needs its argument axis; it takes (x, axis)\n"
     "  text: dim(x)\n"
     "        ^"},
    {'e', "tanh(x, x)",
     "tanh has one argument too many here; it takes (x)\n"
     "  text: tanh(x, x)\n"
     "                ^"},
    {'e', "tanh(z=x)",
     "tanh has no argument called z; it takes (x)\n"
     "  text: tanh(z=x)\n"
     "             ^"},
    {'e', "x @ x",
     "[2, 3] @ [2, 3]: the left has 3 columns, the right 2 rows\n"
     "  text: x @ x\n"
     "          ^"},
    {'e', "x + w",
     "add: shapes [2, 3] and [4, 3] do not fit; counted from the end, axis 2 has 2 and 4\n"
     "  text: x + w\n"
     "          ^"},
    {'e', "i + 1",
     "add needs real numbers; this is i32: write cast(..., real)\n"
     "  text: i + 1\n"
     "          ^"},
    {'e', "x[5]",
     "index 5 is outside axis 0 of [2, 3]\n"
     "  text: x[5]\n"
     "          ^"},
    {'e', "x[0, 0, 0]",
     "3 indices are more than the axes of [2, 3]\n"
     "  text: x[0, 0, 0]\n"
     "         ^"},
    {'e', "x[0:9]",
     "the range from 0 to 9 is not all within axis 0 of [2, 3]\n"
     "  text: x[0:9]\n"
     "          ^"},
    {'e', "x[2:1]",
     "the range from 2 to 1 takes nothing of axis 0 of [2, 3]\n"
     "  text: x[2:1]\n"
     "          ^"},
    {'e', "x[.., ..]",
     "only one .. can stand in an index\n"
     "  text: x[.., ..]\n"
     "              ^"},
    {'e', "x[0, i]",
     "a tensor of positions can index axis 0 only; transpose x first\n"
     "  text: x[0, i]\n"
     "             ^"},
    {'e', "x[::0]",
     "the step of a range must not be 0\n"
     "  text: x[::0]\n"
     "          ^"},
    {'e', "shape(x)[2]",
     "index 2 is outside axis 0 of [2]\n"
     "  text: shape(x)[2]\n"
     "                ^"},
    {'e', "shape(x)[0, 1]",
     "a tuple has one index, not 2\n"
     "  text: shape(x)[0, 1]\n"
     "                ^"},
    {'e', "x{a b}",
     "expected the name of an axis or -> here, not }\n"
     "  text: x{a b}\n"
     "             ^"},
    {'e', "x{a b -> a}",
     "axis b is missing on the right; sum or take its mean before\n"
     "  text: x{a b -> a}\n"
     "            ^"},
    {'e', "x{a b c -> a b c}",
     "the pattern has 3 axes on the left, the tensor has shape [2, 3]\n"
     "  text: x{a b c -> a b c}\n"
     "         ^"},
    {'e', "x{a (b c) -> a b c}",
     "the sizes of b and c are both unknown; give one of them a value before\n"
     "  text: x{a (b c) -> a b c}\n"
     "               ^"},
    {'e', "c = 2; x{a (b c) -> a b c}",
     "axis 1 of [2, 3] does not split as the pattern says (2)\n"
     "  text: c = 2; x{a (b c) -> a b c}\n"
     "                    ^"},
    {'e', "b = 2; x{a b -> b a}",
     "axis 1 of [2, 3] does not split as the pattern says (2)\n"
     "  text: b = 2; x{a b -> b a}\n"
     "                   ^"},
    {'e', "x{x b -> b x}",
     "x is a tensor [2, 3] already; give this axis another name\n"
     "  text: x{x b -> b x}\n"
     "          ^"},
    {'e', "x{a a -> a}",
     "axis a stands twice on one side of the pattern\n"
     "  text: x{a a -> a}\n"
     "            ^"},
    {'e', "x{a 3 -> a}",
     "in a pattern, sizes have names; only 1 can stand as a number\n"
     "  text: x{a 3 -> a}\n"
     "            ^"},
    {'e', "x{a b -> a b c}",
     "axis c is new here, so it needs a size; give c a value before\n"
     "  text: x{a b -> a b c}\n"
     "                     ^"},
    {'e', "x{a b -> b .. a}",
     "the pattern has .. on the right only\n"
     "  text: x{a b -> b .. a}\n"
     "                 ^"},
    {'e', "x{a b -> b a",
     "this { is never closed\n"
     "  text: x{a b -> b a\n"
     "         ^"},
    {'e', "a, b = 3",
     "2 names are given values here, but there is only the number 3\n"
     "  text: a, b = 3\n"
     "        ^"},
    {'e', "a, b = 1, 2, 3",
     "2 names are given values here, but there is a tuple of 3\n"
     "  text: a, b = 1, 2, 3\n"
     "        ^"},
    {'e', "x <- 3",
     "x is no parameter or state, so it cannot be assigned; use = for a new value\n"
     "  text: x <- 3\n"
     "        ^"},
    {'e', "q <- 3",
     "nothing is called q here; did you mean eq?\n"
     "  text: q <- 3\n"
     "        ^"},
    {'e', "w <- zeros(5)",
     "w has shape [4, 3]; a value of shape [5] does not fit\n"
     "  text: w <- zeros(5)\n"
     "        ^"},
    {'e', "w <- x",
     "w has shape [4, 3]; a value of shape [2, 3] does not fit\n"
     "  text: w <- x\n"
     "        ^"},
    {'e', "for k < 2 { w <- w }",
     "w changes once a step, so it cannot be assigned in a loop; use = in the loop\n"
     "  text: for k < 2 { w <- w }\n"
     "                    ^"},
    {'e', "for k < 0 { 1 }",
     "a loop takes at least one turn, not 0\n"
     "  text: for k < 0 { 1 }\n"
     "        ^"},
    {'e', "for k < lr { 1 }",
     "the number of turns must be a whole number that is known; this is a number that is known only when a step runs\n"
     "  text: for k < lr { 1 }\n"
     "                ^"},
    {'e', "for k { 1 }",
     "expected < here, not {\n"
     "  text: for k { 1 }\n"
     "              ^"},
    {'e', "for k < 2 { 1",
     "this { is never closed\n"
     "  text: for k < 2 { 1\n"
     "                  ^"},
    {'e', "for k < 2 along { 1 }",
     "expected the name of a tensor to walk along here, not {\n"
     "  text: for k < 2 along { 1 }\n"
     "                        ^"},
    {'e', "for k < 3 along x { x }",
     "x has shape [2, 3], but the loop takes 3 turns along its axis 0\n"
     "  text: for k < 3 along x { x }\n"
     "                        ^"},
    {'e', "for k < 2 along y { y }",
     "nothing is called y here\n"
     "  text: for k < 2 along y { y }\n"
     "                        ^"},
    {'e', "for k < 2 along x { x = x + 1 }",
     "x is what this loop walks along; give the new value another name\n"
     "  text: for k < 2 along x { x = x + 1 }\n"
     "                            ^"},
    {'e', "for k < 2 { a = 1 }",
     "this loop gives nothing; end its body with an expression, or assign a name that exists before it\n"
     "  text: for k < 2 { a = 1 }\n"
     "        ^"},
    {'e', "h = 0; 1 + for k < 2 { h = h + 1 }",
     "this loop gives no value; end its body with an expression to stack\n"
     "  text: h = 0; 1 + for k < 2 { h = h + 1 }\n"
     "                   ^"},
    {'e', "h = zeros(2); for k < 2 along x { h = x }; h",
     "h starts as real [2] but is real [3] after a turn; give it that shape before the loop, or another name in it\n"
     "  text: h = zeros(2); for k < 2 along x { h = x }; h\n"
     "                      ^"},
    {'e', "h = i; for k < 2 along x { h = x }; h",
     "h starts as i32 [2] but is real [3] after a turn; give it that shape before the loop, or another name in it\n"
     "  text: h = i; for k < 2 along x { h = x }; h\n"
     "               ^"},
    {'e', "reshape(x, 4, 2)",
     "reshape: [2, 3] has 6 elements, [4, 2] has 8\n"
     "  text: reshape(x, 4, 2)\n"
     "        ^"},
    {'e', "reshape(x, -1, -1)",
     "reshape: only one size can be -1\n"
     "  text: reshape(x, -1, -1)\n"
     "        ^"},
    {'e', "reshape(x, -1, 4)",
     "reshape: the 6 elements of [2, 3] do not divide by 4, the other sizes\n"
     "  text: reshape(x, -1, 4)\n"
     "        ^"},
    {'e', "zeros(2.5)",
     "zeros: a size must be a whole number; this is the number 2.5\n"
     "  text: zeros(2.5)\n"
     "        ^"},
    {'e', "zeros(x)",
     "zeros: a size must be a whole number that is known; this is a tensor [2, 3]\n"
     "  text: zeros(x)\n"
     "        ^"},
    {'e', "concat(x, w, axis=1)",
     "concat: real[4, 3] does not continue real[2, 3] along axis 1; all other axes must agree\n"
     "  text: concat(x, w, axis=1)\n"
     "        ^"},
    {'e', "concat()",
     "concat needs at least one tensor\n"
     "  text: concat()\n"
     "        ^"},
    {'e', "split(x, 2, axis=1)",
     "split: axis 1 of [2, 3] does not divide into 2 equal parts\n"
     "  text: split(x, 2, axis=1)\n"
     "        ^"},
    {'e', "transpose(x, 1)",
     "transpose: 1 axes are named, but [2, 3] has 2\n"
     "  text: transpose(x, 1)\n"
     "        ^"},
    {'e', "pad(x, 0, -1, 0)",
     "pad: the counts of zeros must not be negative\n"
     "  text: pad(x, 0, -1, 0)\n"
     "        ^"},
    {'e', "slice(x, (0, 0, 0), 1, 1)",
     "slice: begin has 3 numbers for 2 axes\n"
     "  text: slice(x, (0, 0, 0), 1, 1)\n"
     "        ^"},
    {'e', "expand(x, 3, 3)",
     "expand: [2, 3] does not repeat to [3, 3]; only axes of size 1 repeat\n"
     "  text: expand(x, 3, 3)\n"
     "        ^"},
    {'e', "cast(x, f32)",
     "nothing is called f32 here; did you mean i32?\n"
     "  text: cast(x, f32)\n"
     "                ^"},
    {'e', "cast(x, 3)",
     "cast: the types are real, i32 and u8, not the number 3\n"
     "  text: cast(x, 3)\n"
     "        ^"},
    {'e', "take(x, x)",
     "take: positions are i32, not real: write cast(..., i32)\n"
     "  text: take(x, x)\n"
     "        ^"},
    {'e', "dropout(x, 2)",
     "dropout: p is the share that is dropped, at least 0 and less than 1, not 2\n"
     "  text: dropout(x, 2)\n"
     "        ^"},
    {'e', "softmax(x, axs=1)",
     "softmax has no argument called axs; did you mean axis? It takes (x, axis=-1)\n"
     "  text: softmax(x, axs=1)\n"
     "                   ^"},
    {'e', "softmax(x, 0, 1)",
     "softmax has one argument too many here; it takes (x, axis=-1)\n"
     "  text: softmax(x, 0, 1)\n"
     "                      ^"},
    {'e', "softmax()",
     "softmax needs its argument x; it takes (x, axis=-1)\n"
     "  text: softmax()\n"
     "        ^"},
    {'e', "softmax(x, 5)",
     "amax: there is no axis 5 in shape [2, 3]\n"
     "  row: softmax(x, axis=-1): e = exp(x - stop(amax(x, axis))); e/sum(e, axis)\n"
     "                                             ^\n"
     "  text: softmax(x, 5)\n"
     "        ^"},
    {'e', "softmax(x, axis=0, axis=1)",
     "softmax is given its argument axis twice\n"
     "  text: softmax(x, axis=0, axis=1)\n"
     "                           ^"},
    {'e', "huber(x, w)",
     "sub: shapes [2, 3] and [4, 3] do not fit; counted from the end, axis 2 has 2 and 4\n"
     "  row: huber(y, t, delta=1): e = y - t; mean(where(abs(e) < delta, e*e/2, delta*(ab...\n"
     "                                   ^\n"
     "  text: huber(x, w)\n"
     "        ^"},
    {'e', "residual(x, dense(4))",
     "residual adds [2, 3] to what its layers make of it, [2, 4]; end them with a layer that gives [2, 3]\n"
     "  text: residual(x, dense(4))\n"
     "        ^"},
    {'e', "residual(x, 3)",
     "expected layers here, such as dense(8) relu, not the number 3\n"
     "  text: residual(x, 3)\n"
     "        ^"},
    {'e', "repeat(x, 0, relu)",
     "repeat: the number of copies must be from 1 to 10000, not 0\n"
     "  text: repeat(x, 0, relu)\n"
     "        ^"},
    {'e', "(1, 2) + 1",
     "expected one tensor or number here, not a tuple of 2\n"
     "  text: (1, 2) + 1\n"
     "        ^"},
    {'e', "dense(x, 2); dense(x, 3)",
     "weight is used twice, as real[2, 3] and as real[3, 3]; a shared parameter has one shape\n"
     "  row: ...~ normal, b as bias[n] = 0): bias ? x @ weight' + b : x @ weight'\n"
     "                                                  ^\n"
     "  text: dense(x, 2); dense(x, 3)\n"
     "                     ^"},
    {'e', "dense(x, lr)",
     "the size of an axis must be a whole number that is known; this is a number that is known only when a step runs\n"
     "  row: dense(x[.., in], n, bias=true | weight[n, in] ~ normal, b as bias[n] = 0): b...\n"
     "                                              ^\n"
     "  text: dense(x, lr)\n"
     "        ^"},
    {'e', "dense(x)",
     "dense needs its argument n; it takes (x, n, bias=true)\n"
     "  text: dense(x)\n"
     "        ^"},
    {'e', "dense.(x)",
     "expected a name for the parameters after the dot here, not (\n"
     "  text: dense.(x)\n"
     "              ^"},
    {'e', "dense.q",
     "expected the arguments in ( ) here, not the end\n"
     "  text: dense.q\n"
     "               ^"},
    {'n', "",
     "expected the name of a layer here, not the end\n"
     "  text: \n"
     "        ^"},
    {'n', "dense(10) relu dence(10)",
     "no layer is called dence; did you mean dense?\n"
     "  text: dense(10) relu dence(10)\n"
     "                       ^"},
    {'n', "begun(10, init=.3)",
     "init is an initialiser, such as he or uniform(.1), not the number 0.3\n"
     "  text: begun(10, init=.3)\n"
     "                  ^"},
    {'n', "begun(10, normol(.3))",
     "no initialiser is called normol; did you mean normal?\n"
     "  text: begun(10, normol(.3))\n"
     "                  ^"},
    {'n', "dense(10), relu",
     "layers follow each other without commas\n"
     "  text: dense(10), relu\n"
     "                 ^"},
    {'n', "dense(10) 3",
     "expected the name of a layer here, not 3\n"
     "  text: dense(10) 3\n"
     "                  ^"},
    {'n', "dense(10) huber",
     "huber is no layer but a loss\n"
     "  text: dense(10) huber\n"
     "                  ^"},
    {'n', "dense(10) adam",
     "adam is no layer but an optimizer\n"
     "  text: dense(10) adam\n"
     "                  ^"},
    {'n', "dense(10) pi",
     "no layer is called pi\n"
     "  text: dense(10) pi\n"
     "                  ^"},
    {'n', "dense(10",
     "this ( is never closed\n"
     "  text: dense(10\n"
     "             ^"},
    {'n', "residual(dense(8) relu)",
     "residual adds [2, 3] to what its layers make of it, [2, 8]; end them with a layer that gives [2, 3]\n"
     "  text: residual(dense(8) relu)\n"
     "        ^"},
    {'n', "residual(dense(3) relux)",
     "no layer is called relux; did you mean relu?\n"
     "  text: residual(dense(3) relux)\n"
     "                          ^"},
    {'n', "dense",
     "dense needs its argument n; it takes (x, n, bias=true)\n"
     "  text: dense\n"
     "        ^"},
    {'n', "dense(units=3)",
     "dense has no argument called units; it takes (x, n, bias=true)\n"
     "  text: dense(units=3)\n"
     "              ^"},
    {'n', "dense(classes) dropout(1.5) relu",
     "dropout: p is the share that is dropped, at least 0 and less than 1, not 1.5\n"
     "  text: dense(classes) dropout(1.5) relu\n"
     "                       ^"},
    {'n', "dense(8)\n  relu\n  dence(3)",
     "no layer is called dence; did you mean dense?\n"
     "  text:   dence(3)\n"
     "          ^"},
    {'n', "add",
     "add needs its argument z; it takes (x, z)\n"
     "  text: add\n"
     "        ^"},
    {'n', "split(2)",
     "a layer gives one tensor; split gives a tuple of 2\n"
     "  text: split(2)\n"
     "        ^"},
    {'r', "f",
     "expected ( and the inputs here, not the end\n"
     "  mine: f\n"
     "         ^"},
    {'r', "f(x)",
     "expected : and the formula here, not the end\n"
     "  mine: f(x)\n"
     "            ^"},
    {'r', "f(x: x",
     "expected a comma, | or ) here, not :\n"
     "  mine: f(x: x\n"
     "           ^"},
    {'r', "f(x, x): x",
     "f has x twice\n"
     "  mine: f(x, x): x\n"
     "             ^"},
    {'r', "f(x=1, z): x",
     "z stands after x, which has a value, so it needs one, too\n"
     "  mine: f(x=1, z): x\n"
     "               ^"},
    {'r', "f(x[n, c): x",
     "expected a comma or ] here, not )\n"
     "  mine: f(x[n, c): x\n"
     "                ^"},
    {'r', "f(x | w): x",
     "expected the shape in [ ] here, not )\n"
     "  mine: f(x | w): x\n"
     "               ^"},
    {'r', "f(x | w[3]): x",
     "expected ~ and an initialiser or = and a value here, not )\n"
     "  mine: f(x | w[3]): x\n"
     "                  ^"},
    {'r', "f(x | w[3] ~ 0): x",
     "expected the name of an initialiser here, not 0\n"
     "  mine: f(x | w[3] ~ 0): x\n"
     "                     ^"},
    {'r', "f(x | w[3] = 0, w[2] = 0): x",
     "f has w twice\n"
     "  mine: f(x | w[3] = 0, w[2] = 0): x\n"
     "                        ^"},
    {'r', "f(x):",
     "expected an expression here, not the end\n"
     "  mine: f(x):\n"
     "             ^"},
    {'r', "f(x): x +",
     "expected a name, a number or ( here, not the end\n"
     "  mine: f(x): x +\n"
     "                 ^"},
    {'r', "f(x): w@@ f(x)",
     "nothing is called w here\n"
     "  mine: f(x): w\n"
     "              ^\n"
     "  text: f(x)\n"
     "        ^"},
    {'r', "f(x[n]): n@@ f(x)",
     "x must have 1 axis, but its shape is [2, 3]\n"
     "  mine: f(x[n]): n\n"
     "          ^\n"
     "  text: f(x)\n"
     "        ^"},
    {'r', "f(x[n, 4]): n@@ f(x)",
     "axis 1 of x [2, 3] must be 4\n"
     "  mine: f(x[n, 4]): n\n"
     "               ^\n"
     "  text: f(x)\n"
     "        ^"},
    {'r', "f(x[n, 2*n]): n@@ f(x)",
     "axis 1 of x [2, 3] must be 2*n, which is 4\n"
     "  mine: f(x[n, 2*n]): n\n"
     "               ^\n"
     "  text: f(x)\n"
     "        ^"},
    {'r', "f(x[a, a]): x@@ f(x)",
     "a is 3 by axis 1 of x [2, 3], but 2 by axis 0 of x [2, 3]\n"
     "  mine: f(x[a, a]): x\n"
     "               ^\n"
     "  text: f(x)\n"
     "        ^"},
    {'r', "f(x[n, c], z[m, c]): x@@ f(x, w')",
     "c is 4 by axis 1 of z [3, 4], but 3 by axis 1 of x [2, 3]\n"
     "  mine: f(x[n, c], z[m, c]): x\n"
     "                        ^\n"
     "  text: f(x, w')\n"
     "        ^"},
    {'r', "f(x[n, x]): x@@ f(x)",
     "x is a tensor [2, 3] already; give the size of axis 1 of x [2, 3] another name\n"
     "  mine: f(x[n, x]): x\n"
     "               ^\n"
     "  text: f(x)\n"
     "        ^"},
    {'r', "f(x[n, .., c, ..]): x@@ f(x)",
     "only one .. can stand in a shape\n"
     "  mine: f(x[n, .., c, ..]): x\n"
     "                      ^\n"
     "  text: f(x)\n"
     "        ^"},
    {'r', "f(x): f(x)@@ f(x)",
     "calls are nested more than 1000 deep; does a definition call itself?\n"
     "  mine: f(x): f(x)\n"
     "                ^"},
    {'r', "f(x): a = x; a @ a@@ f(x)",
     "[2, 3] @ [2, 3]: the left has 3 columns, the right 2 rows\n"
     "  mine: f(x): a = x; a @ a\n"
     "                       ^\n"
     "  text: f(x)\n"
     "        ^"},
    {'r', "f(x): x, relu@@ f(x)",
     "relu is a function; call it with its arguments in ( )\n"
     "  text: f(x)\n"
     "        ^"},
    {'r', "f(x | k[c] = 0): x + k@@ f(x)",
     "nothing is called c here\n"
     "  mine: f(x | k[c] = 0): x + k\n"
     "                ^\n"
     "  text: f(x)\n"
     "        ^"},
    {'r', "f(x[n,c] | k[c - 3] = 0): x + k@@ f(x)",
     "the size of an axis must be at least 1, not 0\n"
     "  mine: f(x[n,c] | k[c - 3] = 0): x + k\n"
     "                     ^\n"
     "  text: f(x)\n"
     "        ^"},
    {'r', "f(x | k[2] = 0): for j < 2 { k <- x; 1 }@@ f(x)",
     "k changes once a step, so it cannot be assigned in a loop; use = in the loop\n"
     "  mine: f(x | k[2] = 0): for j < 2 { k <- x; 1 }\n"
     "                                     ^\n"
     "  text: f(x)\n"
     "        ^"},
    {'c', "adan(lr=1)",
     "no function is called adan; did you mean adam?\n"
     "  text: adan(lr=1)\n"
     "        ^"},
    {'c', "cosine(",
     "this ( is never closed\n"
     "  text: cosine(\n"
     "              ^"},
    {'c', "cosine(wramup=1)",
     "cosine has no argument called wramup; did you mean warmup? It takes (t, steps, warmup=0, floor=0)\n"
     "  text: cosine(wramup=1)\n"
     "               ^"},
    {'c', "cosine(1, 2, 3, 4)",
     "cosine has one argument too many here; it takes (t, steps, warmup=0, floor=0)\n"
     "  text: cosine(1, 2, 3, 4)\n"
     "                     ^"},
    {'c', "cosine relu",
     "expected one call, such as cosine, and nothing after it\n"
     "  text: cosine relu\n"
     "               ^"},
    {'c', "cosine(t=3)",
     "cosine is given its argument t twice\n"
     "  text: cosine(t=3)\n"
     "               ^"},
    {'e',
     "abcdefghijklmnopqrstuvwxyz_1 = 1; abcdefghijklmnopqrstuvwxyz_2 = 2; sinn(x) + tanh(x)*tanh(x)*tanh(x)*tanh(x)*tanh(x)*tanh(x)",
     "no function is called sinn; did you mean sin?\n"
     "  text: ... = 1; abcdefghijklmnopqrstuvwxyz_2 = 2; sinn(x) + tanh(x)*tanh(x)*tanh(x)*ta...\n"
     "                                                   ^"},
    {'e', "a = 1\nb = sinn(x)\nc = 3",
     "no function is called sinn; did you mean sin?\n"
     "  text: b = sinn(x)\n"
     "            ^"},
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
    Scope *s = scope_new(&t->arena, scope_new(&t->arena, NULL));
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
