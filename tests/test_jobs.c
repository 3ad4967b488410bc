/* test_jobs.c: nudge_job as a library call: what its events say, that a listener stops it, that nothing is printed, and
 * that it ends well when memory runs out, wherever that is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/memory.h"
#include <nudge.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 40, SAID = 4096 };

static char folder[] = "/tmp/nudge-jobs-XXXXXX";

/* ---- Hearing a job ------------------------------------------------------------------------------------------------ */

typedef struct Heard {
    int epochs, rows, ends, warnings;
    int stop_at; /* the epoch or row to stop at; 0: never */
    char last[SAID];
} Heard;

static void check_json(const char *kind, const char *json)
{
    Error error = {0};
    Arena arena;
    const JsonValue *value;
    arena_init(&arena, &error);
    if (json_parse(&arena, "event", json, strlen(json), &value)) fail_msg("%s in %s", error.message, json);
    assert_int_equal(value->kind, JSON_OBJECT);
    assert_non_null(json_member_string(value, "event"));
    assert_null(strchr(json, '\n'));
    if (strcmp(kind, "result")) assert_string_equal(json_member_string(value, "event"), kind);
    arena_free(&arena);
}

static int hear(void *context, const nudge_event *event)
{
    Heard *heard = context;
    const char *kind = event->kind;
    size_t length = strlen(event->text);
    assert_true(!length || event->text[length - 1] != '\n');
    if (event->json) check_json(kind, event->json);
    heard->epochs += !strcmp(kind, "epoch");
    heard->rows += !strcmp(kind, "row");
    heard->ends += !strcmp(kind, "end");
    heard->warnings += !strcmp(kind, "warning");
    if (!strcmp(kind, "end") || !strcmp(kind, "result")) snprintf(heard->last, SAID, "%s", event->text);
    return heard->stop_at && heard->epochs + heard->rows >= heard->stop_at;
}

static int hear_nothing(void *context, const nudge_event *event)
{
    (void)context, (void)event;
    return 0;
}

/* Words up to a NULL. */
static int job(Heard *heard, char message[SAID], const char *command, ...)
{
    const char *word[16];
    int count = 0;
    va_list words;
    va_start(words, command);
    while ((word[count] = va_arg(words, const char *)))
        count++;
    va_end(words);
    return nudge_job(command, count, word, heard ? hear : hear_nothing, heard, message, SAID);
}

/* ---- Data --------------------------------------------------------------------------------------------------------- */

static int enter(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chdir(folder)) return -1;
    FILE *file = fopen("data.csv", "w");
    if (!file) return -1;
    fprintf(file, "a,b,colour,kind\n");
    for (int i = 0; i < ROWS; i++)
        fprintf(file, "%d,%d,%s,%s\n", i % 7, i * i % 11, i % 3 ? "red" : "blue",
                i % 7 + i * i % 11 > 6 ? "big" : "small");
    return fclose(file);
}

static void remove_run(const char *directory)
{
    static const char *const names[] = {"recipe.yaml", "model.safetensors", "checkpoint.safetensors",
                                        "log.csv"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
}

static int leave(void **state)
{
    (void)state;
    remove_run("run");
    remove_run("model");
    remove_run("text");
    unlink("data.csv");
    unlink("names.txt");
    return chdir("/") || rmdir(folder);
}

/* ---- Tests -------------------------------------------------------------------------------------------------------- */

static void test_a_run_is_told(void **state)
{
    (void)state;
    Heard heard = {0};
    char message[SAID];
    assert_int_equal(job(&heard, message, "train", "data.csv", "epochs=3", "patience=0", "-o", "model", NULL),
                     NUDGE_OK);
    assert_string_equal(message, "");
    assert_int_equal(heard.epochs, 3);
    assert_int_equal(heard.ends, 1);
    assert_int_equal(heard.warnings, 0);
    assert_non_null(strstr(heard.last, "model   next: nudge predict model new.csv"));
}

static void test_predictions_are_rows(void **state)
{
    (void)state;
    Heard heard = {0};
    assert_int_equal(job(&heard, NULL, "predict", "model", "data.csv", NULL), NUDGE_OK);
    assert_int_equal(heard.rows, ROWS + 1);
    heard = (Heard){.stop_at = 5};
    assert_int_equal(job(&heard, NULL, "predict", "model", "data.csv", NULL), NUDGE_OK);
    assert_int_equal(heard.rows, 5);
}

static void test_results_are_told(void **state)
{
    (void)state;
    Heard heard = {0};
    assert_int_equal(job(&heard, NULL, "eval", "model", NULL), NUDGE_OK);
    assert_non_null(strstr(heard.last, "accuracy"));
    assert_int_equal(job(&heard, NULL, "importance", "model", "data.csv", "repeats=1", NULL), NUDGE_OK);
    assert_non_null(strstr(heard.last, "colour"));
    assert_int_equal(job(&heard, NULL, "cv", "data.csv", "epochs=1", "folds=2", NULL), NUDGE_OK);
    assert_non_null(strstr(heard.last, "deviation of 2 folds"));
    assert_int_equal(job(&heard, NULL, "help", NULL), NUDGE_OK);
    assert_non_null(strstr(heard.last, "nudge trains neural networks"));
}

static void test_a_listener_stops_a_run(void **state)
{
    (void)state;
    Heard heard = {.stop_at = 2};
    char message[SAID];
    assert_int_equal(job(&heard, message, "train", "data.csv", "epochs=50", "-o", "run", NULL), NUDGE_OK);
    assert_int_equal(heard.epochs, 2);
    assert_non_null(strstr(heard.last, "nudge train --resume run"));
    heard.stop_at = 0, heard.epochs = 0;
    assert_int_equal(job(&heard, message, "train", "--resume", "run", "epochs=5", "patience=0", NULL),
                     NUDGE_OK);
    assert_int_equal(heard.epochs, 3);
    remove_run("run");
}

static void test_a_failure_is_a_message(void **state)
{
    (void)state;
    Heard heard = {0};
    char message[SAID], small[8];
    const char *word[] = {"gone.csv"};
    assert_int_equal(job(&heard, message, "train", "gone.csv", NULL), NUDGE_INPUT);
    assert_string_equal(message, "gone.csv: no such file; check the name and the folder");
    assert_int_equal(nudge_job("train", 1, word, NULL, NULL, small, sizeof small), NUDGE_INPUT);
    assert_string_equal(small, "gone.cs");
    assert_int_equal(nudge_job("train", 1, word, NULL, NULL, NULL, 0), NUDGE_INPUT);
    assert_int_equal(nudge_job("", 0, NULL, NULL, NULL, message, SAID), NUDGE_INPUT);
}

/* ---- Memory that runs out ----------------------------------------------------------------------------------------- */

typedef struct Supply {
    long left; /* blocks until there is none; negative: no end */
    long taken;
} Supply;

static void *supply(void *context, void *block, size_t size)
{
    Supply *s = context;
    if (!size) return free(block), NULL;
    s->taken++;
    if (s->left >= 0 && s->left-- == 0) return s->left = 0, NULL;
    return realloc(block, size);
}

/* Jobs that must report each lack of memory, wherever it comes: every allocation in turn, in so many strides that it
 * stays quick. */
static void starve(const char *command, int count, const char *const *word)
{
    Supply s = {.left = -1};
    char message[SAID];
    nudge_allocator(supply, &s);
    assert_int_equal(nudge_job(command, count, word, hear_nothing, NULL, message, SAID), NUDGE_OK);
    long all = s.taken, stride = all / 150 + 1;
    for (long n = 0; n < all; n += n < 20 ? 1 : stride) {
        s = (Supply){.left = n};
        remove_run("run");
        int status = nudge_job(command, count, word, hear_nothing, NULL, message, SAID);
        if (status != NUDGE_MACHINE)
            fail_msg("%s without block %ld of %ld: status %d, %s", command, n, all, status, message);
        assert_string_equal(message, "out of memory");
    }
    nudge_allocator(NULL, NULL);
    remove_run("run");
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    remove_run("run");
    starve("train", 6,
           (const char *[]){"data.csv", "epochs=1", "threads=1", "net=dense(classes)", "-o", "run"});
    starve("predict", 4, (const char *[]){"model", "data.csv", "--keep", "a,kind"});
    starve("eval", 1, (const char *[]){"model"});
    starve("cv", 5, (const char *[]){"data.csv", "epochs=1", "folds=2", "threads=1", "net=dense(classes)"});
    starve("importance", 2, (const char *[]){"model", "repeats=1"});
    starve("help", 1, (const char *[]){"train"});
    starve("help", 1, (const char *[]){"--man"});
}

static void test_memory_runs_out_of_text(void **state)
{
    (void)state;
    char message[SAID];
    FILE *f = fopen("names.txt", "w");
    fputs("anna\nbob\nclara\ndora\neve\nhannah\notto\nada\nelle\nava\n", f);
    fclose(f);
    const char *train[] = {"names.txt",
                           "lines=true",
                           "context=3",
                           "epochs=1",
                           "tokens=bpe(260)",
                           "threads=1",
                           "-o",
                           "run",
                           "net=embedding(vocabulary, 2) flatten dense(classes)"};
    starve("train", 9, train);
    train[7] = "text";
    if (nudge_job("train", 9, train, hear_nothing, NULL, message, SAID)) fail_msg("%s", message);
    starve("eval", 2, (const char *[]){"text", "names.txt"});
    starve("predict", 2, (const char *[]){"text", "names.txt"});
    starve("sample", 4, (const char *[]){"text", "length=5", "prompt=an", "--top-k=9"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_is_told),           cmocka_unit_test(test_predictions_are_rows),
        cmocka_unit_test(test_results_are_told),        cmocka_unit_test(test_a_listener_stops_a_run),
        cmocka_unit_test(test_a_failure_is_a_message),  cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_memory_runs_out_of_text),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
