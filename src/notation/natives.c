/* natives.c: see natives.h. The table of natives, the matching of arguments, and those that only look at shapes. */
#include "notation/natives.h"

#include <math.h>
#include <string.h>

typedef struct NativeRow {
    NativeNote note;
    const char *category;
    GivenFunction *make;
} NativeRow;

/* ---- Matching ---- */

typedef struct Word {
    const char *at;
    int length;
    bool list, option;
} Word;

static int native_words(const char *takes, Word word[GIVEN_MOST])
{
    int count = 0;
    for (const char *s = takes; *s; s += strspn(s, " ")) {
        int length = (int)strcspn(s, " "), name = (int)strcspn(s, " .?");
        word[count++] = (Word){s, name, s[name] == '.', s[name] == '?'};
        s += length;
    }
    return count;
}

static const char *native_takes(Evaluation *e, const char *takes)
{
    Arena *a = &e->graph->arena;
    Word word[GIVEN_MOST];
    int count = native_words(takes, word);
    const char *text = "(";
    for (int i = 0; i < count; i++)
        text = arena_print(a, "%s%s%.*s%s", text, i ? ", " : "", word[i].length, word[i].at,
                           word[i].list     ? ".."
                           : word[i].option ? "="
                                            : "");
    return arena_print(a, "%s)", text);
}

static int native_word(const Word *word, int words, const char *name)
{
    for (int i = 0; i < words; i++)
        if ((int)strlen(name) == word[i].length && !memcmp(name, word[i].at, strlen(name))) return i;
    return -1;
}

/* Takes a list from the positional arguments at `at`: one tuple, or all of them. Layers of a layer wait until they are
 * asked for. */
static Value native_list(int count, const Argument *argument, int *at, Value list)
{
    if (argument[*at].value.kind == VALUE_TUPLE) return argument[(*at)++].value;
    list.count = 0;
    for (; *at < count && !argument[*at].name; ++*at)
        list.item[list.count++] = argument[*at].value;
    return list;
}

static void native_named(Evaluation *e, const char *takes, const Word *word, int words, const Argument *a,
                         Given *given)
{
    int index = native_word(word, words, a->name);
    if (index < 0)
        evaluation_raise(e, a->origin, "%s has no argument called %s; it takes %s", given->name, a->name,
                         native_takes(e, takes));
    if (given_is(given, index))
        evaluation_raise(e, a->origin, "%s is given its argument %s twice", given->name, a->name);
    Value v = word[index].list ? value_force(e, a->value) : a->value;
    if (word[index].list && v.kind != VALUE_TUPLE) {
        Value list = value_tuple(e, 1);
        list.item[0] = v;
        v = list;
    }
    given->value[index] = v;
}

static void native_match(Evaluation *e, const char *takes, int count, const Argument *argument, Given *given)
{
    Word word[GIVEN_MOST];
    int words = native_words(takes, word), next = 0;
    for (int i = 0; i < count; i++)
        if (argument[i].name) native_named(e, takes, word, words, &argument[i], given);
    for (int i = 0; i < count;) {
        if (argument[i].name) {
            i++;
            continue;
        }
        while (next < words && given_is(given, next))
            next++;
        if (next == words)
            evaluation_raise(e, argument[i].origin, "%s has one argument too many here; it takes %s",
                             given->name, native_takes(e, takes));
        if (word[next].list)
            given->value[next] = native_list(count, argument, &i, value_tuple(e, count));
        else
            given->value[next] = argument[i++].value;
        if (!given_is(given, next)) value_tensor(e, given->value[next]); /* a loop without a value: raises */
    }
    for (int i = 0; i < words; i++)
        if (!given_is(given, i) && !word[i].list && !word[i].option)
            evaluation_raise(e, NULL, "%s needs its argument %.*s; it takes %s", given->name, word[i].length,
                             word[i].at, native_takes(e, takes));
}

bool given_is(const Given *given, int index)
{
    return given->value[index].kind != VALUE_NONE;
}

Node *given_tensor(Evaluation *e, const Given *given, int index)
{
    return value_tensor(e, given->value[index]);
}

int64_t given_integer(Evaluation *e, const Given *given, int index, const char *what)
{
    return value_integer(e, given->value[index], arena_print(&e->graph->arena, "%s: %s", given->name, what));
}

double given_number(Evaluation *e, const Given *given, int index, const char *what, double otherwise)
{
    double number;
    if (!given_is(given, index)) return otherwise;
    Value v = value_force(e, given->value[index]);
    if (!value_constant(v, &number))
        evaluation_raise(e, NULL, "%s: %s must be a number that is known; this is %s", given->name, what,
                         value_what(e, v));
    apply_limit(e, given->name, what, v, NULL);
    return number;
}

int given_axis(Evaluation *e, const Given *given, Value v, Shape s)
{
    int64_t axis = value_integer(e, v, arena_print(&e->graph->arena, "%s: an axis", given->name));
    if (axis < -s.rank || axis >= s.rank)
        evaluation_raise(e, NULL, "%s: there is no axis %lld in shape %s", given->name, (long long)axis,
                         shape_text(&e->graph->arena, s));
    return (int)(axis < 0 ? axis + s.rank : axis);
}

Shape given_shape(Evaluation *e, const Given *given, int index)
{
    Value v = given->value[index];
    Shape s = {0};
    if (v.count > RANK_MAX)
        evaluation_raise(e, NULL, "%s: a tensor has at most %d axes", given->name, RANK_MAX);
    for (int i = 0; i < v.count; i++)
        s.dim[s.rank++] =
            value_integer(e, v.item[i], arena_print(&e->graph->arena, "%s: a size", given->name));
    return s;
}

/* ---- Primitives ---- */

static Value native_primitive(Evaluation *e, void *context, int count, const Argument *argument)
{
    static const char *const takes[] = {"", "x", "x z", "c x z"};
    const OpRow *row = context;
    Given given = {.name = row->name};
    Node *input[3];
    native_match(e, takes[row->inputs], count, argument, &given);
    for (int i = 0; i < row->inputs; i++)
        input[i] = given_tensor(e, &given, i);
    OpCode op = (OpCode)(row - ops_table);
    if (op == OP_pow) return value_node(evaluate_power(e, input[0], input[1]));
    return value_node(graph_node(e->graph, op, row->inputs, input, 0, NULL));
}

/* ---- Shapes as numbers ---- */

static Value native_shape(Evaluation *e, const Given *given)
{
    return value_shape(e, given_tensor(e, given, 0)->shape);
}

static Value native_dim(Evaluation *e, const Given *given)
{
    Shape s = given_tensor(e, given, 0)->shape;
    return value_number(e, (double)s.dim[given_axis(e, given, given->value[1], s)]);
}

static Value native_rank(Evaluation *e, const Given *given)
{
    return value_number(e, given_tensor(e, given, 0)->shape.rank);
}

static Value native_size(Evaluation *e, const Given *given)
{
    return value_number(e, (double)shape_size(given_tensor(e, given, 0)->shape));
}

/* The order of axes that undoes a transposition. */
static Value native_inverse(Evaluation *e, const Given *given)
{
    Value axes = given->value[0], v = value_tuple(e, axes.count);
    for (int i = 0; i < axes.count; i++) {
        int64_t at = value_integer(e, axes.item[i], "inverse: an axis");
        if (at < 0 || at >= axes.count || v.item[at].kind != VALUE_NONE)
            evaluation_raise(e, NULL, "inverse: the axes are not each named once");
        v.item[at] = value_number(e, i);
    }
    return v;
}

/* ---- Values from nothing ---- */

static Value native_fill(Evaluation *e, const Given *given, double value)
{
    return value_node(graph_expand(e->graph, graph_const(e->graph, value), given_shape(e, given, 0)));
}

static Value native_zeros(Evaluation *e, const Given *given)
{
    return native_fill(e, given, 0);
}

static Value native_ones(Evaluation *e, const Given *given)
{
    return native_fill(e, given, 1);
}

static Value native_iota(Evaluation *e, const Given *given)
{
    Shape s = given_shape(e, given, 0);
    int axis = given_is(given, 1) ? given_axis(e, given, given->value[1], s) : 0;
    return value_node(graph_iota(e->graph, s, axis));
}

static Value native_arange(Evaluation *e, const Given *given)
{
    int64_t count = given_integer(e, given, 0, "the count");
    return value_node(graph_iota(e->graph, shape_of(1, &count), 0));
}

/* ---- Padding ---- */

/* Where places have been joined or left out since, no one can say which of them are padding. */
static Value native_seen(Evaluation *e, const Given *given)
{
    const Shape s = given_tensor(e, given, 0)->shape;
    Node *mask = evaluation_mask(e);
    bool fits = mask && s.rank >= 2 && s.dim[0] == mask->shape.dim[0] && s.dim[1] == mask->shape.dim[1];
    return fits ? value_node(mask) : value_number(e, 1);
}

/* ---- Types and shapes of others ---- */

static Value native_cast(Evaluation *e, const Given *given)
{
    const char *word = value_word(given->value[1]);
    for (Type t = TYPE_REAL; word && t <= TYPE_U8; t++)
        if (!strcmp(word, type_name[t]))
            return value_node(graph_cast(e->graph, given_tensor(e, given, 0), t));
    evaluation_raise(e, NULL, "cast: the types are real, i32 and u8, not %s", value_what(e, given->value[1]));
}

static Value native_conform(Evaluation *e, const Given *given)
{
    return value_node(graph_conform(e->graph, given_tensor(e, given, 0), given_tensor(e, given, 1)->shape));
}

/* ---- The table ---- */

static const NativeRow natives_table[] = {
    {{"sum", "x axis..", "sum over the axes named, or all; they stay, of size 1"}, NULL, native_sum},
    {{"mean", "x axis..", "mean over the axes named, or all"}, NULL, native_mean},
    {{"amax", "x axis..", "the largest over the axes named, or all"}, NULL, native_amax},
    {{"amin", "x axis..", "the smallest over the axes named, or all"}, NULL, native_amin},
    {{"prod", "x axis..", "product over the axes named, or all"}, NULL, native_prod},
    {{"var", "x axis.. correction?",
      "variance over the axes named, or all: of a population, or of a sample with correction=1"},
     NULL,
     native_var},
    {{"std", "x axis.. correction?", "square root of var"}, NULL, native_std},
    {{"argmax", "x axis?",
      "position (i32) of the largest along an axis, or in the flattened tensor; the first of equals"},
     NULL,
     native_argmax},
    {{"argmin", "x axis?", "position (i32) of the smallest"}, NULL, native_argmin},
    {{"reshape", "x shape..", "the same elements in another shape; one size may be -1"},
     NULL,
     native_reshape},
    {{"flatten", "x", "[n, ...] as [n, product]: each example a row"}, NULL, native_flatten},
    {{"transpose", "x axes..", "axis a of the result is axis axes[a] of x"}, NULL, native_transpose},
    {{"expand", "x shape..", "axes of size 1, and new ones in front, repeat"}, NULL, native_expand},
    {{"broadcast", "x shape..", "expand"}, NULL, native_expand},
    {{"slice", "x begin step size", "y[i] = x[begin + i*step]; x[a:b:c] is the same"}, NULL, native_slice},
    {{"pad", "x axis before after",
      "zeros before and after along an axis; pad(x, begin, step, size) with tuples undoes slice"},
     NULL,
     native_pad},
    {{"concat", "x.. axis?", "tensors one after the other along an axis (0)"}, NULL, native_concat},
    {{"stack", "x.. axis?", "tensors along a new axis (0)"}, NULL, native_stack},
    {{"split", "x count axis?", "a tuple of equal parts along an axis (0)"}, NULL, native_split},
    {{"take", "x i", "rows of x at the positions i; x[i] is the same"}, NULL, native_take},
    {{"gather", "x i", "take"}, NULL, native_take},
    {{"scatter", "x i size", "the sum of rows x into zeros [size, ..] at the positions i"},
     NULL,
     native_scatter},
    {{"pick", "x i", "x[.., i]: one element of each row, [.., 1]"}, NULL, native_pick},
    {{"onehot", "i n", "1 at the position i along a new last axis of size n, else 0"}, NULL, native_onehot},
    {{"iota", "shape.. axis?", "the position along an axis (0)"}, NULL, native_iota},
    {{"arange", "n", "0, 1, ... n - 1"}, NULL, native_arange},
    {{"zeros", "shape..", "0 everywhere"}, NULL, native_zeros},
    {{"ones", "shape..", "1 everywhere"}, NULL, native_ones},
    {{"seen", "x",
      "of sequences x [n, t, ..]: 1 at their places and 0 at those of padding, [n, t]; the number 1 where nothing is "
      "padded"},
     NULL,
     native_seen},
    {{"shape", "x", "the sizes, a tuple"}, NULL, native_shape},
    {{"dim", "x axis", "the size of one axis"}, NULL, native_dim},
    {{"rank", "x", "the number of axes"}, NULL, native_rank},
    {{"size", "x", "the number of elements"}, NULL, native_size},
    {{"inverse", "axes..", "the order of axes that undoes a transpose"}, NULL, native_inverse},
    {{"conform", "x like", "x summed or repeated to the shape of another"}, NULL, native_conform},
    {{"cast", "x type", "x as real, i32 or u8"}, NULL, native_cast},
    {{"uniform", "shape.. low? high?",
      "random in [0, 1); in [-low, low) with one number, in [low, high) with two"},
     NULL,
     native_uniform},
    {{"normal", "shape.. mean? std?",
      "random with mean 0 and deviation 1; with one number, that deviation; with two, mean and std"},
     NULL,
     native_normal},
    {{"dropout", "x p?",
      "in training, a share p (.5) of x becomes 0 and the rest is enlarged by 1/(1 - p) (Srivastava et al. 2014)"},
     NULL,
     native_dropout},
    {{"convolve", "x w stride? padding? dilation? groups? size?",
      "y[n, o, p] = sum of x[n, c, p*stride - padding + k*dilation]*w[o, c, k], in groups of channels, along one to three "
      "axes; size: of the result, if it is not what fits"},
     NULL,
     native_convolve},
    {{"convolve_input", "y w stride? padding? dilation? groups? size?",
      "convolve transposed: what y [n, o, p] came from, [n, c, size]"},
     NULL,
     native_convolve_input},
    {{"convolve_weight", "x y stride? padding? dilation? groups? size?",
      "the gradient of convolve with respect to w [o, c, size]"},
     NULL,
     native_convolve_weight},
    {{"pool_argmax", "x size stride? padding? dilation?",
      "where in each plane of x [n, c, ..] the largest of each window stands (i32), the first of equals"},
     NULL,
     native_pool_argmax},
    {{"pool_take", "x i", "the elements of the planes of x at the positions i"}, NULL, native_pool_take},
    {{"pool_put", "x i size", "the sum of elements x into zero planes at the positions i"},
     NULL,
     native_pool_put},
    {{"kernel_shape", "x n size groups? transposed?", "the shape of the weights that make n channels of x"},
     NULL,
     native_kernel_shape},
    {{"unfolded", "x size stride padding dilation more",
      "the spatial sizes of x when it has been convolved in reverse"},
     NULL,
     native_unfolded},
    {{"each", "n count", "a tuple of so many numbers, from one for all or from a tuple"}, NULL, native_each},
    {{"resized", "x size scale mode", "the spatial sizes of x when it has been resized"},
     NULL,
     native_resized},
    {{"residual", "x net", "x plus what layers make of it (He et al. 2016)"}, "layer", native_residual},
    {{"repeat", "x n net", "n copies of layers in sequence, each with its own parameters"},
     "layer",
     native_repeat},
    {{"parallel", "x net.. join? axis?",
      "what each of several nets makes of x, joined: concat along an axis (1), or add, mul, max ... of them"},
     "layer",
     native_parallel},
    {{"share", "x place net",
      "layers with the parameters of the layer at a place in the whole net: share(0, dense(9, bias=false)) uses 0.weight; "
      "(3, 1) is the place 3.1"},
     "layer",
     native_share},
};

static Value native_row(Evaluation *e, void *context, int count, const Argument *argument)
{
    const NativeRow *row = context;
    Given given = {.name = row->note.name};
    native_match(e, row->note.takes, count, argument, &given);
    return row->make(e, &given);
}

static void natives_add_constants(Scope *s)
{
    static const struct {
        const char *name;
        double value;
    } number[] = {
        {"true", 1}, {"false", 0}, {"pi", 3.14159265358979323846}, {"inf", HUGE_VAL}, {"nan", (double)NAN}};
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        scope_add_number(s, number[i].name, number[i].value);
    static const char *const word[] = {"same", "valid", "nearest", "bilinear", "trilinear"};
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        scope_add_value(s, word[i], (Value){.kind = VALUE_WORD, .word = word[i]});
    for (Type t = TYPE_REAL; t <= TYPE_U8; t++)
        scope_add_value(s, type_name[t], (Value){.kind = VALUE_WORD, .word = type_name[t]});
}

const NativeNote *notation_native(size_t index)
{
    return index < sizeof natives_table / sizeof *natives_table ? &natives_table[index].note : NULL;
}

void natives_add(Scope *s)
{
    for (int op = 0; op < OP_COUNT; op++)
        if (ops_table[op].elementwise)
            scope_add_native(s, ops_table[op].name, NULL, native_primitive,
                             (void *)(uintptr_t)&ops_table[op]);
    for (size_t i = 0; i < sizeof natives_table / sizeof *natives_table; i++)
        scope_add_native(s, natives_table[i].note.name, natives_table[i].category, native_row,
                         (void *)(uintptr_t)&natives_table[i]);
    natives_add_constants(s);
}

/* ---- For natives of others ---- */

bool argument_find(int count, const Argument *a, int position, const char *name, const Argument **found)
{
    int unnamed = 0;
    for (int i = 0; i < count; i++) {
        bool here = a[i].name ? name && !strcmp(a[i].name, name) : unnamed++ == position;
        if (here) return *found = &a[i], true;
    }
    return false;
}

Node *argument_tensor(Evaluation *e, const Argument *a)
{
    const Origin *before = e->graph->origin;
    if (a->origin) e->graph->origin = a->origin;
    Node *n = value_tensor(e, a->value);
    e->graph->origin = before;
    return n;
}

double argument_number(Evaluation *e, const Argument *a)
{
    double number;
    Value v = value_force(e, a->value);
    if (!value_constant(v, &number))
        evaluation_raise(e, a->origin, "expected a number that is known here, not %s", value_what(e, v));
    return number;
}

int64_t argument_integer(Evaluation *e, const Argument *a)
{
    double number = argument_number(e, a);
    if (!(fabs(number) <= 9007199254740992.0) || floor(number) != number) {
        char text[NUMBER_ROOM];
        evaluation_raise(e, a->origin, "expected a whole number here, not %s", number_print(text, number));
    }
    return (int64_t)number;
}
