/* test_pace.c: the way that is faster is taken, the other one is tried now and then, and a change is noticed. The seconds
 * are made up. */
#include "cpu/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* How many of so many runs are done alone. */
static int runs_alone(Pace *p, int runs, double together, double alone)
{
    int count = 0;
    for (int i = 0; i < runs; i++) {
        bool way = pace_alone(p);
        count += way;
        pace_took(p, way, way ? alone : together);
    }
    return count;
}

static void test_faster(void **state)
{
    (void)state;
    Pace large = {0}, small = {0};
    assert_in_range(runs_alone(&large, 10000, 1, 1.9), 2, 40);
    assert_in_range(runs_alone(&small, 10000, 1, .9), 9960, 9998);
}

/* The first run of each kind is slow and counts for nothing. */
static void test_first(void **state)
{
    (void)state;
    Pace p = {0};
    assert_int_equal(runs_alone(&p, 1, 50, 50), 0);
    assert_int_equal(runs_alone(&p, 1, 1, 50), 0);
    assert_int_equal(runs_alone(&p, 1, 1, 50), 1);
    assert_int_equal(runs_alone(&p, 1, 1, 2), 1);
    assert_int_equal(runs_alone(&p, 5, 1, 2), 0);
}

/* Another program takes the cores, and later gives them back. */
static void test_change(void **state)
{
    (void)state;
    Pace p = {0};
    runs_alone(&p, 10000, 1, 1.9);
    assert_in_range(runs_alone(&p, 100, 30, 2), 70, 99);
    runs_alone(&p, 10000, 30, 2);
    runs_alone(&p, 2000, 1, 1.9);
    assert_in_range(runs_alone(&p, 1000, 1, 1.9), 0, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faster),
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
