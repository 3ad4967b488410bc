/* test_peak_memory.c: what `nudge inspect` says that a run takes at its peak, against what the system says that it took, for
 * every recipe among the examples and for a bare table. The runs are short, but pass through all that a long one does:
 * reading, training, whole and partial batches, judging, checkpoints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A sanitizer's shadow is no memory of nudge's. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { PEAK_MEASURES = 0 };
#else
enum { PEAK_MEASURES = 1 };
#endif

static char work[] = "/tmp/nudge-peak-XXXXXX";

/* Runs a command with its output in a file; returns the most kilobytes that it had resident. */
static long spawn(const char *output, const char *const *argument)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        int to = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        if (to < 0 || dup2(to, 1) < 0 || dup2(to, 2) < 0) _exit(126);
        execvp(argument[0], (char *const *)(uintptr_t)argument);
        _exit(127);
    }
    int status;
    struct rusage usage;
    assert_true(wait4(child, &status, 0, &usage) == child);
    if (status) fail_msg("%s %s %s failed", argument[0], argument[1], argument[2]);
    return usage.ru_maxrss;
}

/* The number behind a key in a file of JSON. */
static double told(const char *path, const char *key)
{
    static char text[1 << 20];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    const char *at = strstr(text, key);
    assert_non_null(at);
    return strtod(at + strlen(key), NULL);
}

/* What a run has resident is at most a tenth and four MiB away from what was said of it. Half of that much is the system's:
 * pages of libraries that others have in memory, too, slack of the heap. */
static void compare(const char *recipe)
{
    const char *nudge = getenv("NUDGE");
    char said[64], run[64];
    snprintf(said, sizeof said, "%s/said", work);
    snprintf(run, sizeof run, "%s/run", work);
    spawn(said, (const char *const[]){nudge, "inspect", recipe, "validation=0.02", "--json", NULL});
    double wanted = told(said, "\"peak_bytes\":");
    double got = 1024.0 * (double)spawn(said, (const char *const[]){nudge, "train", recipe, "validation=0.02",
                                                                    "steps=2", "--output", run, NULL});
    spawn(said, (const char *const[]){"rm", "-rf", run, NULL});
    double off = got > wanted ? got - wanted : wanted - got;
    if (off > .1 * wanted + (4 << 20))
        fail_msg("%s: inspect says %.1f MiB, the run took %.1f", recipe, wanted / (1 << 20), got / (1 << 20));
}

static void test_examples(void **state)
{
    (void)state;
    if (!PEAK_MEASURES) skip();
    char pattern[4096];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/examples/*/*.yaml", getenv("SOURCE"));
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        compare(found.gl_pathv[i]);
    globfree(&found);
    snprintf(pattern, sizeof pattern, "%s/examples/iris/iris.csv", getenv("SOURCE"));
    compare(pattern);
}

static int begin(void **state)
{
    (void)state;
    return !mkdtemp(work);
}

static int end(void **state)
{
    (void)state;
    char said[64];
    snprintf(said, sizeof said, "%s/said", work);
    return unlink(said) | rmdir(work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples)};
    return cmocka_run_group_tests(tests, begin, end);
}
