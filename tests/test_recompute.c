/* test_recompute.c: nets that are trained with less memory than they like have the same bits, whatever their layers, and so
 * have their running statistics; what is too little is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <nudge.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 48, INPUTS = 144, CLASSES = 3, ROOM = 8 << 20 };

static float x[ROWS * INPUTS], t[ROWS];

static int fill(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < INPUTS; k++)
            x[i * INPUTS + k] = (float)sin(i * 12.9898 + k * 78.233 + (i % CLASSES) * k);
        t[i] = (float)(i % CLASSES);
    }
    return 0;
}

typedef struct Trained {
    char *bytes; /* of the model; NULL: it failed */
    size_t size;
    double least; /* bytes that were asked for then */
} Trained;

/* Three steps in batches of 16. */
static Trained train(const char *net, const char *more, double memory)
{
    char options[512];
    int used = snprintf(options, sizeof options,
                        "loss=cross_entropy classes=3 seed=3 batch=16 epochs=1 "
                        "validation=0 threads=1 %s",
                        more);
    if (memory > 0) snprintf(options + used, sizeof options - (size_t)used, " memory=%.0fB", memory);
    nudge *m;
    Trained got = {.bytes = malloc(ROOM)};
    int status = nudge_new(&m, INPUTS, net, options);
    if (!status) status = nudge_fit(m, x, t, ROWS, NULL);
    if (!status) status = nudge_save_memory(m, got.bytes, ROOM, &got.size);
    if (status) {
        const char *told = strstr(nudge_message(m, status), "a step takes ");
        if (!told) fail_msg("%s: %s", net, nudge_message(m, status));
        char *unit;
        got.least = strtod(told + strlen("a step takes "), &unit);
        got.least *= unit[1] == 'K' ? 1e3 : 1e6;
        free(got.bytes);
        got.bytes = NULL;
    }
    nudge_free(m);
    return got;
}

static void same(const char *net, const char *more, const Trained *wanted, double memory)
{
    Trained got = train(net, more, memory);
    if (!got.bytes) fail_msg("%s: memory=%.0f is refused", net, memory);
    if (got.size != wanted->size || memcmp(got.bytes, wanted->bytes, got.size))
        fail_msg("%s: other bits with memory=%.0f", net, memory);
    free(got.bytes);
}

static void test_bits(void **state)
{
    (void)state;
    static const char *const nets[][2] = {
        {"repeat(12, dense(48) relu) dense(3)", "optimizer=adam"},
        {"repeat(8, dense(48) batchnorm gelu dropout(.2)) dense(3)",
         "optimizer=sgd(momentum=.9) clip=norm(1)"},
        {"dense(48) repeat(6, residual(layernorm dense(96) gelu dense(48) dropout(.1))) dense(3)", "micro=2"},
        {"conv(8, 3, padding=1) batchnorm relu repeat(3, residual(conv(8, 3, padding=1) batchnorm relu)) maxpool(2) flatten "
         "dense(3)",
         "shape=1x12x12"},
        {"dense(32) repeat(3, block(4, causal=true)) flatten dense(3)", "shape=9x16 average=ema(.9)"},
        {"lstm(24, layers=3) flatten dense(3)", "shape=9x16"},
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        const char *net = nets[i][0], *more = nets[i][1];
        Trained wanted = train(net, more, 0), refused = train(net, more, 1000);
        assert_non_null(wanted.bytes);
        assert_null(refused.bytes);
        same(net, more, &wanted, refused.least);
        same(net, more, &wanted, 1.2 * refused.least);
        same(net, more, &wanted, 1.6 * refused.least);
        Trained less = train(net, more, refused.least * .9);
        if (less.bytes) fail_msg("%s: takes %.0f bytes, but %.0f do", net, refused.least, refused.least * .9);
        free(wanted.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bits)};
    return cmocka_run_group_tests(tests, fill, NULL);
}
