/* test_explain.c: the jobs that look inside: explain, inspect, check, ops. The numbers of the XOR network are computed
 * here by hand, from its formulas; what is printed is compared as a whole; and every allocation fails in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "format/safetensors.h"
#include "nn/nn.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- A directory with the article's network ------------------------------------------------------------------ */

static const double xor_w1[2][4] = {
    {0.8121726818316208, -0.3058782068250377, -0.26408587613172785, -0.5364843110780853},
    {0.43270381466233926, -1.1507693484401413, 0.87240588210824, -0.3806034504475514}};
static const double xor_w2[4] = {0.15951954802854929, -0.12468518773870504, 0.731053968522487,
                                 -1.030070354748827};

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* Two blobs and a rule that they keep: classes that a small net learns. */
static void write_table(const char *path)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("width,height,colour,kind\n", f);
    for (int i = 0; i < 60; i++) {
        double a = (double)(i * 37 % 101) / 101, b = (double)(i * 53 % 97) / 97;
        fprintf(f, "%d,%d,%s,%s\n", (int)(1000 * a), (int)(1000 * b), i % 3 ? "red" : "blue",
                a + b > 1 ? "big" : "small");
    }
    assert_int_equal(fclose(f), 0);
}

static const char xor_recipe[] =
    "data: xor.csv\nnet: dense(4) sigmoid dense(1) sigmoid\nloss: sse\n"
    "optimizer: sgd(lr=1)\nsteps: 5000\nbatch: 4\nshuffle: false\nvalidation: 0\n"
    "standardize: false\ndtype: float64\ninit: start.safetensors\n";

static int enter_directory(void **state)
{
    (void)state;
    static char directory[] = "/tmp/test_explain.XXXXXX";
    if (!mkdtemp(directory) || chdir(directory)) return -1;
    write_text("xor.csv", "a,b,xor\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n");
    write_text("xor.yaml", xor_recipe);
    write_table("table.csv");
    double w1[8], zero[4] = {0};
    for (int i = 0; i < 8; i++)
        w1[i] = xor_w1[i % 2][i / 2];
    const SafetensorsTensor start[] = {{"0.weight", SAFETENSORS_F64, 2, {4, 2}, w1},
                                       {"0.bias", SAFETENSORS_F64, 1, {4}, zero},
                                       {"2.weight", SAFETENSORS_F64, 2, {1, 4}, xor_w2},
                                       {"2.bias", SAFETENSORS_F64, 1, {1}, zero}};
    Error e = {0};
    return safetensors_save("start.safetensors", start, 4, NULL, 0, &e);
}

static int leave_directory(void **state)
{
    (void)state;
    char here[256], command[300];
    if (!getcwd(here, sizeof here) || chdir("/tmp")) return -1;
    snprintf(command, sizeof command, "rm -rf '%s'", here);
    return system(command);
}

/* ---- Running a job --------------------------------------------------------------------------------------------- */

enum { ARGUMENTS = 16 };

typedef struct Said {
    int status;
    char message[4096];
    Text text, json; /* of the last result */
    size_t results;
    Error error;
    Arena arena;
    const JsonValue *value; /* the JSON, parsed */
} Said;

static int hear(void *context, const nudge_event *event)
{
    Said *s = context;
    if (strcmp(event->kind, "result")) return 0;
    text_free(&s->text);
    text_free(&s->json);
    text_print(&s->text, "%s", event->text);
    text_print(&s->json, "%s", event->json);
    s->results++;
    return 0;
}

static Said run(int status, const char *command, ...)
{
    const char *argument[ARGUMENTS];
    int count = 0;
    va_list args;
    va_start(args, command);
    while ((argument[count] = va_arg(args, const char *)))
        count++;
    va_end(args);
    Said s = {0};
    s.status = nudge_job(command, count, argument, hear, &s, s.message, sizeof s.message);
    if (s.status != status)
        fail_msg("nudge %s %s: status %d: %s", command, count ? argument[0] : "", s.status, s.message);
    return s;
}

/* The JSON of the one result. */
static const JsonValue *result(Said *s)
{
    arena_init(&s->arena, &s->error);
    assert_int_equal(s->results, 1);
    const char *json = text_end(&s->json);
    assert_null(strchr(json, '\n'));
    assert_int_equal(json_parse(&s->arena, "result", json, strlen(json), &s->value), NUDGE_OK);
    return s->value;
}

static void forget(Said *s)
{
    text_free(&s->text);
    text_free(&s->json);
    if (s->value) arena_free(&s->arena);
}

static const JsonValue *item(const JsonValue *list, size_t index)
{
    const JsonValue *v = list->first;
    while (index-- && v)
        v = v->next;
    assert_non_null(v);
    return v;
}

static double number(const JsonValue *v, const char *key)
{
    double value = json_member_number(v, key);
    if (isnan(value)) fail_msg("there is no number %s", key);
    return value;
}

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fabs(want))) fail_msg("%.17g, not %.17g", got, want);
}

static void near_list(const JsonValue *list, const double *want, size_t count)
{
    assert_non_null(list);
    assert_int_equal(list->count, count);
    for (size_t i = 0; i < count; i++)
        near(item(list, i)->number, want[i]);
}

/* ---- explain: the numbers ---------------------------------------------------------------------------------------- */

typedef struct Flow { /* of one row through the article's network, forward and backward */
    double h[4], s[4], y, p;
    double dp, dy, ds[4], dh[4];
} Flow;

static double squash(double x)
{
    return 1 / (1 + exp(-x));
}

static Flow flow_of(double a, double b, double t)
{
    Flow f = {0};
    for (int i = 0; i < 4; i++) {
        f.h[i] = a * xor_w1[0][i] + b * xor_w1[1][i];
        f.s[i] = squash(f.h[i]);
        f.y += xor_w2[i] * f.s[i];
    }
    f.p = squash(f.y);
    f.dp = f.p - t;
    f.dy = f.dp * f.p * (1 - f.p);
    for (int i = 0; i < 4; i++) {
        f.ds[i] = f.dy * xor_w2[i];
        f.dh[i] = f.ds[i] * f.s[i] * (1 - f.s[i]);
    }
    return f;
}

static const JsonValue *parameter(const JsonValue *layer, size_t index)
{
    return item(json_member(layer, "parameters"), index);
}

static void test_flow(void **state)
{
    (void)state;
    Said s = run(0, "explain", "xor.yaml", "--row", "3", NULL);
    const JsonValue *v = result(&s), *layers = json_member(v, "layers");
    Flow f = flow_of(1, 0, 1);
    near(number(v, "loss"), f.dp * f.dp / 2);
    near_list(json_member(v, "prediction"), &f.p, 1);
    near_list(json_member(v, "output_gradient"), &f.dp, 1);
    near_list(json_member(item(layers, 0), "output"), f.h, 4);
    near_list(json_member(item(layers, 1), "output"), f.s, 4);
    near_list(json_member(item(layers, 2), "output"), &f.y, 1);
    near_list(json_member(item(layers, 3), "arriving"), &f.dp, 1);
    near_list(json_member(item(layers, 3), "handed_on"), &f.dy, 1);
    near_list(json_member(item(layers, 2), "handed_on"), f.ds, 4);
    near_list(json_member(item(layers, 1), "handed_on"), f.dh, 4);
    double w1[8], w2[4];
    for (int i = 0; i < 4; i++)
        w1[2 * i] = f.dh[i], w1[2 * i + 1] = 0, w2[i] = f.dy * f.s[i];
    near_list(json_member(parameter(item(layers, 0), 0), "gradient"), w1, 8);
    near_list(json_member(parameter(item(layers, 2), 0), "gradient"), w2, 4);
    for (int i = 0; i < 4; i++)
        w2[i] = -w2[i];
    near_list(json_member(parameter(item(layers, 2), 0), "nudge"), w2, 4);
    forget(&s);
}

/* What the batch adds is minus the article's gradients. */
static void test_batch_nudges(void **state)
{
    (void)state;
    static const double w2[] = {-0.010597172911514671, -0.003964091098027914, -0.013709729348705334,
                                -0.00547226041047144};
    static const double b2 = -0.016559794549960358;
    static const double w1[] = {0.0003898579318831743, -0.0011480700806001803, -0.0007866846244651039,
                                -0.0007151783116432671};
    for (int row = 1; row <= 4; row++) {
        char text[16];
        snprintf(text, sizeof text, "%d", row);
        Said s = run(0, "explain", "xor.yaml", "--row", text, NULL);
        const JsonValue *layers = json_member(result(&s), "layers");
        near_list(json_member(parameter(item(layers, 2), 0), "batch_nudge"), w2, 4);
        near_list(json_member(parameter(item(layers, 2), 1), "batch_nudge"), &b2, 1);
        const JsonValue *first = json_member(parameter(item(layers, 0), 0), "batch_nudge");
        for (size_t i = 0; i < 4; i++)
            near(item(first, 2 * i)->number, w1[i]);
        forget(&s);
    }
}

static const char xor_transcript[] =
    "step 0 of the recipe, before any update (--step N trains N steps first)\n"
    "row 3   a = 1, b = 0   expected 1   predicted 0.4988   loss 0.1256 (sse: half the squared error)\n"
    "\n"
    "forward\n"
    "  0 dense(4)    0.8122 -0.3059 -0.2641 -0.5365\n"
    "  1 sigmoid     0.6926  0.4241  0.4344  0.3690\n"
    "  2 dense(1)   -0.0050\n"
    "  3 sigmoid     0.4988\n"
    "backward: from the loss to the inputs\n"
    "  loss          dL/dy   0.4988 - 1 = -0.5012                        the prediction is too low\n"
    "  3 sigmoid     x slope 0.4988 (1 - 0.4988) = 0.2500  ->  -0.1253   slope at most 0.25\n"
    "  2 dense(1)    weight = input x -0.1253:  -0.0868 -0.0531 -0.0544 -0.0462   bias -0.1253   share 75 %\n"
    "                handed on = weights x -0.1253  ->  -0.0200 0.0156 -0.0916 0.1291\n"
    "  1 sigmoid     x slope 0.2129 0.2442 0.2457 0.2328  ->  -0.0043 0.0038 -0.0225 0.0301\n"
    "  0 dense(4)    weight from a: -0.0043 0.0038 -0.0225 0.0301   from b: 0 0 0 0 (b is 0)   bias likewise   "
    "share 25 %\n"
    "                to the inputs: weights x what arrives  ->  -0.0148 -0.0373\n"
    "\n"
    "largest nudges (sgd, lr 1)        this row alone     the batch of 4\n"
    "  2.bias                                 +0.1253            -0.0166     the other rows outvote this one\n"
    "  2.weight[0]                            +0.0868            -0.0106\n"
    "  2.weight[2]                            +0.0544            -0.0137\n"
    "  2.weight[1]                            +0.0531            -0.0040\n"
    "  2.weight[3]                            +0.0462            -0.0055\n"
    "share: of the sum of |gradient| over all parameters";

static void test_transcript(void **state)
{
    (void)state;
    Said s = run(0, "explain", "xor.yaml", "--row", "3", NULL);
    assert_string_equal(text_end(&s.text), xor_transcript);
    forget(&s);
}

/* ---- explain: at a step -------------------------------------------------------------------------------------------- */

static const JsonValue *weights_of(Said *s)
{
    return parameter(item(json_member(result(s), "layers"), 0), 0);
}

static void test_steps(void **state)
{
    (void)state;
    Said zero = run(0, "explain", "xor.yaml", "--row", "1", NULL);
    Said one = run(0, "explain", "xor.yaml", "--row", "1", "--step", "1", NULL);
    const JsonValue *before = weights_of(&zero), *after = weights_of(&one);
    for (size_t i = 0; i < 8; i++)
        near(item(json_member(after, "value"), i)->number,
             item(json_member(before, "value"), i)->number +
                 item(json_member(before, "batch_nudge"), i)->number);
    forget(&zero);
    forget(&one);
    static const double end[] = {0.0144423019713, 0.9890743737711, 0.9822906134912, 0.0159229810230};
    for (int row = 1; row <= 4; row++) {
        char text[16];
        snprintf(text, sizeof text, "%d", row);
        Said s = run(0, "explain", "xor.yaml", "--step", "5000", "-r", text, NULL);
        double got = item(json_member(result(&s), "prediction"), 0)->number;
        assert_true(fabs(got - end[row - 1]) < 1e-12);
        forget(&s);
    }
}

/* The same bits as a run of so many steps: numbers are written so that they read back exactly. */
static void test_same_as_train(void **state)
{
    (void)state;
    Said train = run(0, "train", "table.csv", "steps=37", "batch=8", "validation=0", "output=run", NULL);
    Said model = run(0, "explain", "run", "--row", "5", NULL);
    Said recipe = run(0, "explain", "run/recipe.yaml", "--row", "5", "--step", "37", NULL);
    const JsonValue *a = json_member(weights_of(&model), "value"),
                    *b = json_member(weights_of(&recipe), "value");
    assert_int_equal(a->count, b->count);
    assert_true(a->count > 100);
    for (size_t i = 0; i < a->count; i++)
        assert_true(item(a, i)->number == item(b, i)->number);
    forget(&train);
    forget(&model);
    forget(&recipe);
}

/* ---- explain: other nets ------------------------------------------------------------------------------------------- */

/* Forward and backward agree however layers are nested: what a layer hands on is what arrives at the one before. */
static void test_layers_hand_on(void **state)
{
    (void)state;
    Said s = run(0, "explain", "table.csv", "--row", "7",
                 "net=dense(5) gelu residual(dense(5) tanh dropout(.3)) prelu dense(classes)", NULL);
    const JsonValue *layers = json_member(result(&s), "layers");
    assert_int_equal(layers->count, 8);
    static const size_t chain[][2] = {{1, 0}, {3, 2}, {4, 3}, {5, 1}, {6, 5}, {7, 6}};
    for (size_t i = 0; i < sizeof chain / sizeof *chain; i++) {
        const JsonValue *handed = json_member(item(layers, chain[i][0]), "handed_on");
        const JsonValue *arriving = json_member(item(layers, chain[i][1]), "arriving");
        assert_int_equal(handed->count, arriving->count);
        for (size_t k = 0; k < handed->count; k++)
            assert_true(fabs(item(handed, k)->number - item(arriving, k)->number) < 1e-6);
    }
    assert_non_null(strstr(text_end(&s.text), "= what arrives + what its layers hand on"));
    assert_non_null(strstr(text_end(&s.text), "expected "));
    double share = 0;
    for (size_t i = 0; i < layers->count; i++)
        share += number(item(layers, i), "share");
    assert_true(fabs(share - 1) < 1e-9);
    forget(&s);
}

static void test_large_layers(void **state)
{
    (void)state;
    Said s = run(0, "explain", "table.csv", "--row", "7", "net=dense(400) relu dense(classes)", NULL);
    const JsonValue *weight = parameter(item(json_member(result(&s), "layers"), 0), 0);
    assert_true(number(json_member(weight, "gradient"), "norm") > 0);
    assert_int_equal(json_member(json_member(weight, "gradient"), "largest")->count, 8);
    assert_non_null(strstr(text_end(&s.text), "400 numbers, norm "));
    assert_non_null(strstr(text_end(&s.text), " of 400 are 0)"));
    forget(&s);
}

static void test_regression_units(void **state)
{
    (void)state;
    Said s = run(0, "explain", "table.csv", "target=height", "--row", "2", "net=dense(3) tanh dense(targets)",
                 NULL);
    const JsonValue *v = result(&s);
    double y = item(json_member(item(json_member(v, "layers"), 2), "output"), 0)->number;
    double t = item(json_member(v, "target"), 0)->number;
    assert_true(fabs(t) < 3); /* standardised, though heights are hundreds */
    assert_true(fabs(number(v, "loss") - (y - t) * (y - t)) < 1e-5);
    assert_true(fabs(item(json_member(v, "output_gradient"), 0)->number - 2 * (y - t)) < 1e-5);
    assert_non_null(strstr(text_end(&s.text), "dL/dy   2 ("));
    forget(&s);
}

/* ---- explain: many rows --------------------------------------------------------------------------------------------- */

static const char *deep_net(char *net, size_t room, const char *activation)
{
    snprintf(net, room, "net=");
    for (int i = 0; i < 15; i++) {
        size_t length = strlen(net);
        snprintf(net + length, room - length, "dense(8) %s ", activation);
    }
    size_t length = strlen(net);
    snprintf(net + length, room - length, "dense(classes)");
    return net;
}

static void test_vanishing(void **state)
{
    (void)state;
    char net[1024];
    Said s = run(0, "explain", "table.csv", deep_net(net, sizeof net, "sigmoid"), NULL);
    const JsonValue *v = result(&s), *layers = json_member(v, "layers");
    assert_string_equal(json_member_string(v, "verdict"), "vanishes");
    assert_true(number(v, "factor") > .1 && number(v, "factor") < .4);
    assert_int_equal(layers->count, 16);
    double first = number(item(layers, 0), "arriving_norm"), last = number(item(layers, 15), "arriving_norm");
    assert_true(fabs(pow(number(v, "factor"), 15) / (first / last) - 1) < 1e-9);
    assert_true(number(item(layers, 0), "gradient_norm") < 1e-6 * number(item(layers, 15), "gradient_norm"));
    assert_non_null(strstr(text_end(&s.text), "(sigmoid's slope is at most 0.25)"));
    assert_non_null(strstr(text_end(&s.text), "try: relu"));
    forget(&s);
    s = run(0, "explain", "table.csv", "net=dense(8) relu dense(8) relu dense(classes)", NULL);
    assert_string_equal(json_member_string(result(&s), "verdict"), "steady");
    forget(&s);
    s = run(0, "explain", "table.csv", deep_net(net, sizeof net, "grow"), "define.grow(x)=9*x", NULL);
    assert_string_equal(json_member_string(result(&s), "verdict"), "explodes");
    assert_non_null(strstr(text_end(&s.text), "clip=1"));
    forget(&s);
}

/* ---- inspect -------------------------------------------------------------------------------------------------------- */

static void test_inspect_counts(void **state)
{
    (void)state;
    Said s = run(0, "inspect", "table.csv", "batch=8", "net=dense(16) relu dense(classes)", NULL);
    const JsonValue *v = result(&s), *layers = json_member(v, "layers");
    assert_int_equal(layers->count, 5); /* with the input and the loss */
    const JsonValue *first = item(layers, 1), *last = item(layers, 3);
    assert_int_equal((int)number(first, "parameters"), 16 * 4 + 16);
    assert_int_equal((int)number(first, "forward_multiply_adds"), 8 * 4 * 16);
    assert_int_equal((int)number(first, "backward_multiply_adds"), 8 * 4 * 16);
    assert_int_equal((int)number(last, "forward_multiply_adds"), 8 * 16 * 2);
    assert_int_equal((int)number(last, "backward_multiply_adds"), 2 * 8 * 16 * 2);
    assert_int_equal((int)number(item(layers, 0), "keeps_bytes"), 8 * 4 * 4);
    assert_int_equal((int)number(item(layers, 2), "keeps_bytes"), 8 * 16 * 4);
    assert_true(number(v, "peak_bytes") > number(v, "activations_bytes"));
    forget(&s);
}

static void test_inspect_sums(void **state)
{
    (void)state;
    static const char *const nets[] = {
        "net=dense(16) relu dense(classes)",
        "net=dense(5) gelu residual(dense(5) tanh residual(dense(5))) prelu dense(classes)",
        "net=residual(dense(4)) dropout(.5) repeat(3, dense(6) relu) dense(classes)",
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        Said s = run(0, "inspect", "table.csv", nets[i], "micro=2", "clip=1", NULL);
        const JsonValue *v = result(&s);
        double forward = number(v, "forward_multiply_adds"), backward = number(v, "backward_multiply_adds");
        assert_true(forward + backward == number(v, "step_multiply_adds"));
        assert_true(backward <= 2 * forward);
        forget(&s);
    }
    Said s = run(0, "inspect", "xor.yaml", "--plan", NULL);
    assert_non_null(strstr(text_end(&s.text), "0.weight[2,4]"));
    assert_non_null(strstr(text_end(&s.text), "multiply-adds"));
    assert_true(strlen(json_member_string(result(&s), "plan")) > 100);
    forget(&s);
}

/* ---- check ---------------------------------------------------------------------------------------------------------- */

static void test_check_right(void **state)
{
    (void)state;
    static const char *const nets[] = {
        "net=dense(6) relu dense(6) hardswish dense(classes)",
        "net=dense(6) softplus residual(dense(6) dropout(.4) tanh) prelu dense(classes)",
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        Said s = run(0, "check", "table.csv", nets[i], NULL);
        assert_true(number(result(&s), "error") < 1e-6);
        assert_non_null(strstr(text_end(&s.text), "every gradient is right"));
        forget(&s);
    }
}

static void test_check_wrong(void **state)
{
    (void)state;
    Said s = run(NUDGE_CHECK, "check", "table.csv", "net=dense(6) half dense(classes)",
                 "define.half(x)=x*stop(x)", NULL);
    assert_non_null(strstr(s.message, "the gradient of 0."));
    assert_non_null(strstr(text_end(&s.text), "wrong"));
    assert_true(number(result(&s), "error") > .1);
    forget(&s);
}

/* A loss with a bend wherever one looks is no wrong gradient. */
static void test_check_bends(void **state)
{
    (void)state;
    Said s = run(0, "check", "table.csv", "net=dense(4) saw dense(classes)",
                 "define.saw(x)=abs(20000*x - floor(20000*x) - .5)", NULL);
    const JsonValue *first = item(json_member(result(&s), "parameters"), 0);
    assert_true(number(first, "bends") > 0);
    assert_non_null(strstr(text_end(&s.text), "bends: "));
    forget(&s);
}

/* ---- ops ------------------------------------------------------------------------------------------------------------ */

static void test_ops_rows(void **state)
{
    (void)state;
    const Definition *row;
    for (size_t i = 0; (row = nn_row(i)); i++) {
        char name[64] = "";
        strncat(name, row->row, strcspn(row->row, " ("));
        Said s = run(0, "ops", name, NULL);
        const JsonValue *v = result(&s);
        assert_string_equal(json_member_string(v, "name"), name);
        assert_string_equal(json_member_string(v, "text"), row->row);
        if (row->gradient) assert_string_equal(json_member_string(v, "gradient"), row->gradient);
        assert_non_null(strstr(text_end(&s.text), row->note));
        forget(&s);
    }
}

static void test_ops_list(void **state)
{
    (void)state;
    static const char *const names[] = {"\n  sigmoid ", "\n  reshape ",  "\n  relu ",
                                        "\n  dense ",   "\n  residual ", "\n  cross_entropy ",
                                        "\n  adamw ",   "\n  cosine ",   "\n  he "};
    Said s = run(0, "ops", NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strstr(text_end(&s.text), names[i])) fail_msg("%s is not listed", names[i]);
    assert_null(strstr(text_end(&s.text), "adam_step"));
    assert_true(json_member(result(&s), "operations")->count > 150);
    forget(&s);
    s = run(0, "ops", "adam", NULL);
    assert_non_null(strstr(text_end(&s.text), "\n    exp_avg <- beta1*exp_avg + (1 - beta1)*d\n"));
    assert_null(strstr(text_end(&s.text), "gradient:"));
    forget(&s);
}

/* ---- Mistakes --------------------------------------------------------------------------------------------------------- */

static void refused(const char *want, const char *command, const char *a, const char *b, const char *c,
                    const char *d)
{
    Said s = run(NUDGE_INPUT, command, a, b, c, d, NULL);
    if (!strstr(s.message, want)) fail_msg("\"%s\" is not in: %s", want, s.message);
    assert_int_equal(s.results, 0);
    forget(&s);
}

static void test_mistakes(void **state)
{
    (void)state;
    refused("--row: \"5\" is not a whole number from 1 to 4", "explain", "xor.yaml", "--row", "5", NULL);
    refused("--row: \"0\"", "explain", "xor.yaml", "--row=0", NULL, NULL);
    refused("--row: \"b\"", "explain", "xor.yaml", "--row=b", NULL, NULL);
    refused("--step: \"-1\"", "explain", "xor.yaml", "--row=1", "--step=-1", NULL);
    refused("the recipe ends after 5000 steps", "explain", "xor.yaml", "--step", "5001", NULL);
    refused("did you mean --row?", "explain", "xor.yaml", "--rowe", "3", NULL);
    refused("something is missing", "explain", NULL, NULL, NULL, NULL);
    refused("gone.yaml", "inspect", "gone.yaml", NULL, NULL, NULL);
    refused("dence", "inspect", "table.csv", "net=dence(3)", NULL, NULL);
    refused("did you mean adam?", "ops", "adamm", NULL, NULL, NULL);
    refused("nothing is called qqqqqqqq", "ops", "qqqqqqqq", NULL, NULL, NULL);
    refused("did you mean mlp32?", "bench", "mlp23", NULL, NULL, NULL);
    refused("there are xor, mlp32", "bench", "--profile", "qqqqqqqq", NULL, NULL);
}

static void test_mistakes_with_models(void **state)
{
    (void)state;
    Said s = run(0, "train", "table.csv", "epochs=1", "output=small", NULL);
    forget(&s);
    refused("was trained already", "explain", "small", "--row=1", "--step=3", NULL);
    refused("loss is decided for a model that was trained", "explain", "small", "loss=mse", NULL, NULL);
    refused("name its recipe.yaml", "check", "small", NULL, NULL, NULL);
    s = run(0, "explain", "small", "table.csv", "--row=60", NULL);
    assert_non_null(strstr(text_end(&s.text), "small, as it was trained"));
    forget(&s);
    s = run(0, "inspect", "small", NULL);
    assert_true(number(result(&s), "parameters") > 100);
    forget(&s);
    s = run(0, "explain", "small", NULL);
    assert_non_null(strstr(text_end(&s.text), "gradient norm of each layer's parameters"));
    forget(&s);
}

static void test_divergence(void **state)
{
    (void)state;
    Said s = run(NUDGE_DIVERGED, "explain", "table.csv", "target=height", "net=dense(4) dense(targets)",
                 "optimizer=sgd(lr=1e6)", "--step", "50", NULL);
    assert_non_null(strstr(s.message, "look at an earlier one: --step"));
    forget(&s);
}

/* ---- Every allocation fails --------------------------------------------------------------------------------------------- */

typedef struct Failing {
    size_t count, at;
} Failing;

static void *failing_heap(void *context, void *block, size_t size)
{
    Failing *f = context;
    if (!size) {
        free(block);
        return NULL;
    }
    return ++f->count == f->at ? NULL : realloc(block, size);
}

static int quiet(void *context, const nudge_event *event)
{
    (void)context;
    (void)event;
    return 0;
}

/* The first allocations one by one, later ones in growing steps. */
static void fail_each(const char *command, int count, const char *const *argument)
{
    for (size_t at = 1;; at += 1 + at / 12) {
        Failing f = {0, at};
        char message[512];
        nudge_allocator(failing_heap, &f);
        int status = nudge_job(command, count, argument, quiet, NULL, message, sizeof message);
        nudge_allocator(NULL, NULL);
        if (f.count < at) {
            assert_int_equal(status, NUDGE_OK);
            assert_true(at > 4);
            return;
        }
        if (status != NUDGE_MACHINE && status != NUDGE_OK)
            fail_msg("%s, allocation %zu: %d %s", command, at, status, message);
    }
}

static void test_allocations(void **state)
{
    (void)state;
    fail_each("explain", 3, (const char *const[]){"xor.yaml", "--row", "3"});
    fail_each("explain", 1, (const char *const[]){"xor.yaml"});
    fail_each("inspect", 2, (const char *const[]){"xor.yaml", "--plan"});
    fail_each("check", 1, (const char *const[]){"xor.yaml"});
    fail_each("ops", 0, NULL);
    fail_each("ops", 1, (const char *const[]){"adam"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flow),          cmocka_unit_test(test_batch_nudges),
        cmocka_unit_test(test_transcript),    cmocka_unit_test(test_steps),
        cmocka_unit_test(test_same_as_train), cmocka_unit_test(test_layers_hand_on),
        cmocka_unit_test(test_large_layers),  cmocka_unit_test(test_regression_units),
        cmocka_unit_test(test_vanishing),     cmocka_unit_test(test_inspect_counts),
        cmocka_unit_test(test_inspect_sums),  cmocka_unit_test(test_check_right),
        cmocka_unit_test(test_check_wrong),   cmocka_unit_test(test_check_bends),
        cmocka_unit_test(test_ops_rows),      cmocka_unit_test(test_ops_list),
        cmocka_unit_test(test_mistakes),      cmocka_unit_test(test_mistakes_with_models),
        cmocka_unit_test(test_divergence),    cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
