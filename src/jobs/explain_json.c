/* explain_json.c: one row's error flowing backward, for programs. See explain.h. */
#include "jobs/explain.h"

#include "jobs/numerals.h"

enum { EXPLAIN_JSON_MOST = 1024, EXPLAIN_JSON_LARGEST = 8 };

/* An array; of very many numbers only how many, their norm and the largest. */
static void explain_json_numbers(JsonWriter *w, const char *key, Numbers n)
{
    size_t place[EXPLAIN_JSON_LARGEST];
    json_key(w, key);
    if (!n.value) {
        json_null(w);
        return;
    }
    bool all = n.count <= EXPLAIN_JSON_MOST;
    json_open(w, all ? '[' : '{');
    for (size_t i = 0; all && i < n.count; i++)
        json_number(w, n.value[i]);
    json_close(w, all ? ']' : '}');
    if (all) return;
    w->out->length--;
    w->comma = false;
    json_key(w, "count");
    json_integer(w, (int64_t)n.count);
    json_key(w, "norm");
    json_number(w, numeral_norm(n.value, n.count));
    json_key(w, "largest");
    json_open(w, '[');
    size_t found = numeral_largest(n.value, n.count, EXPLAIN_JSON_LARGEST, place);
    for (size_t i = 0; i < found; i++) {
        json_open(w, '{');
        json_key(w, "index");
        json_integer(w, (int64_t)place[i]);
        json_key(w, "value");
        json_number(w, n.value[place[i]]);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_close(w, '}');
}
