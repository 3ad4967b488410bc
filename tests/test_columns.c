/* test_columns.c: the rules for columns: what is inferred from a table, how rows become numbers, what is refused and in
 * which words, and that all of it survives the way through JSON. */
#include "data/encode.h"
#include "data/infer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_heap.h"

/* A table with what is inferred from it. */
typedef struct Case {
    Table t;
    Columns k;
    Dataset d;
    Text warnings;
    Error e;
} Case;

static int case_table(Table *t, const char *file, const char *csv, Error *e)
{
    Stream *s;
    *t = (Table){0};
    if (stream_memory(&s, file, csv, strlen(csv), e)) return e->status;
    return table_read(t, s, NULL, e);
}

static int case_fit(Case *c, const char *csv, const InferOptions *o)
{
    *c = (Case){0};
    if (case_table(&c->t, "x.csv", csv, &c->e)) return c->e.status;
    if (columns_fit(&c->k, &c->t, o, &c->warnings, &c->e)) return c->e.status;
    if (columns_is_text(&c->k) && columns_fit_text(&c->k, &c->t, NULL, "", 0, &c->warnings, &c->e))
        return c->e.status;
    return columns_dataset(&c->d, &c->k, &c->t, DATA_F64, true, &c->warnings, &c->e);
}

static void case_free(Case *c)
{
    dataset_free(&c->d);
    columns_free(&c->k);
    table_free(&c->t);
    text_free(&c->warnings);
}

static void case_fits(Case *c, const char *csv, const InferOptions *o)
{
    case_fit(c, csv, o);
    assert_string_equal(c->e.message, "");
}

static void assert_warns(Case *c, const char *csv, const InferOptions *o, const char *warnings)
{
    case_fits(c, csv, o);
    assert_string_equal(text_end(&c->warnings), warnings);
}

static void assert_refuses(const char *csv, const InferOptions *o, const char *message)
{
    Case c;
    assert_int_equal(case_fit(&c, csv, o), NUDGE_INPUT);
    assert_string_equal(c.e.message, message);
    case_free(&c);
}

static double x_at(const Case *c, size_t row, size_t feature)
{
    return ((const double *)c->d.x)[row * c->d.features + feature];
}

static void assert_features(const Columns *k, const char *expected)
{
    Text names = {0};
    for (size_t i = 0; i < k->features; i++) {
        if (i) text_put(&names, ' ');
        columns_feature_name(k, i, &names);
    }
    assert_string_equal(text_end(&names), expected);
    text_free(&names);
}

static void infers_roles(void **state)
{
    (void)state;
    Case c;
    assert_warns(&c, "width,colour,species\n0.1,red,b\n0.2,blue,a\n1e3,red,a\n", NULL, "");
    assert_features(&c.k, "width colour=blue colour=red");
    assert_int_equal(c.k.target, 2);
    assert_true(c.k.task == TASK_CLASSIFY && columns_classes(&c.k) == 2);
    assert_true(c.d.rows == 3 && c.d.features == 3 && c.d.targets == 1 && c.d.classes == 2);
    assert_true(c.d.t_type == DATA_I32 && c.d.x_rank == 1 && c.d.x_shape[0] == 3);
    assert_true(x_at(&c, 0, 0) == 0.1 && x_at(&c, 0, 1) == 0 && x_at(&c, 0, 2) == 1);
    assert_true(x_at(&c, 2, 0) == 1000);
    assert_memory_equal(c.d.t, ((int32_t[]){1, 0, 0}), 12);
    case_free(&c);
}

static void infers_tasks(void **state)
{
    (void)state;
    static const InferOptions regress = {.task = TASK_REGRESS}, classify = {.task = TASK_CLASSIFY};
    Case c;
    case_fits(&c, "a,y\n1,0\n2,1\n3,1\n4,0\n", NULL);
    assert_true(c.k.task == TASK_CLASSIFY && c.k.column[1].numbers);
    case_free(&c);
    case_fits(&c, "a,y\n1,0\n2,1\n3,1\n4,0\n", &regress);
    assert_true(c.k.task != TASK_CLASSIFY && !c.d.classes && c.d.t_type == DATA_F64);
    assert_true(((const double *)c.d.t)[1] == 1);
    case_free(&c);
    case_fits(&c, "a,y\n1,1\n2,2\n3,3\n4,4\n", NULL);
    assert_true(c.k.task == TASK_REGRESS);
    case_free(&c);
    case_fits(&c, "a,y\n1,0.5\n2,0.25\n", NULL);
    assert_true(c.k.task == TASK_REGRESS);
    case_free(&c);
    case_fits(&c, "a,y\n1,10\n2,9\n3,10.0\n", &classify);
    assert_true(c.k.task == TASK_CLASSIFY && c.k.column[1].level_count == 2);
    assert_string_equal(c.k.column[1].levels[0], "9");
    assert_string_equal(c.k.column[1].levels[1], "10");
    assert_memory_equal(c.d.t, ((int32_t[]){1, 0, 1}), 12);
    case_free(&c);
}

/* The order of rows decides nothing. */
static void ignores_row_order(void **state)
{
    (void)state;
    Case a, b;
    Text first = {0}, second = {0};
    case_fits(&a, "c,y\nu,no\nv,yes\nw,no\nu,1\nv,1\nw,1\n", NULL);
    case_fits(&b, "c,y\nw,1\nv,1\nu,1\nw,no\nv,yes\nu,no\n", NULL);
    columns_save(&a.k, &first);
    columns_save(&b.k, &second);
    assert_string_equal(text_end(&first), text_end(&second));
    text_free(&first);
    text_free(&second);
    case_free(&a);
    case_free(&b);
}

static void obeys_options(void **state)
{
    (void)state;
    const char *ignore[] = {"id"}, *missing[] = {"?", "-9"};
    const InferOptions o = {.target = (const char *[]){"y"},
                            .target_count = 1,
                            .weight = "w",
                            .ignore = ignore,
                            .ignore_count = 1,
                            .missing = missing,
                            .missing_count = 2};
    Case c;
    case_fits(&c, "id,y,a,w\n1,u,?,1\n2,v,2,0.5\n3,u,-9,0\n4,v,3,2\n", &o);
    assert_features(&c.k, "a");
    assert_true(c.d.weight[1] == 0.5 && c.d.weight[2] == 0);
    assert_true(isnan(x_at(&c, 0, 0)) && isnan(x_at(&c, 2, 0)) && x_at(&c, 3, 0) == 3);
    case_free(&c);
    case_fits(&c, "a,y,w\n1,u,1\n2,v,2\n", &(InferOptions){.weight = "w"});
    assert_int_equal(c.k.target, 1);
    case_free(&c);
}

static void refuses_options(void **state)
{
    (void)state;
    const char *csv = "sepal,petal,species\n1,2,a\n2,1,b\n", *species[] = {"species"},
               *all[] = {"sepal", "petal"};
    assert_refuses(csv, &(InferOptions){.target = (const char *[]){"specie"}, .target_count = 1},
                   "x.csv: target=specie: no column is called that; did you mean species?");
    assert_refuses(csv, &(InferOptions){.weight = "q"},
                   "x.csv: weight=q: no column is called that; there are sepal, petal, species");
    assert_refuses(
        csv,
        &(InferOptions){
            .target = (const char *[]){"species"}, .target_count = 1, .ignore = species, .ignore_count = 1},
        "x.csv: column species is both the target and ignored; choose one");
    assert_refuses(
        csv, &(InferOptions){.target = (const char *[]){"species"}, .target_count = 1, .weight = "species"},
        "x.csv: column species is both the target and the weight; choose one");
    assert_refuses(csv, &(InferOptions){.weight = "species", .ignore = species, .ignore_count = 1},
                   "x.csv: column species is both the weight and ignored; choose one");
    assert_refuses(
        csv, &(InferOptions){.ignore = all, .ignore_count = 2},
        "x.csv: no column is left to learn species from: the others are ignored, constant or different in "
        "every row");
    assert_refuses("w,y\n1,a\n2,b\n",
                   &(InferOptions){.weight = "w", .ignore = (const char *[]){"y"}, .ignore_count = 1},
                   "x.csv: no column is left to be the target; ignore fewer");
    assert_refuses(
        "y\na\nb\n", NULL,
        "x.csv: has one column only, y; if its rows have more cells, say what separates them: delimiter=");
}

static void leaves_out(void **state)
{
    (void)state;
    Case c;
    assert_warns(&c, "id,same,word,void,a,y\nq1,7,x,,1,u\nq2,7,x,NA,2,v\nq3,7.0,x,NaN,3,u\n", NULL,
                 "column same is left out: it is the same in every row\n"
                 "column word is left out: it is the same in every row\n"
                 "column void is left out: it is empty\n"
                 "column id is left out: nearly every row has its own text (3 in 3 rows)\n");
    assert_features(&c.k, "a");
    case_free(&c);
    assert_warns(&c, ",a,y\n0,1,u\n1,5,v\n2,2,u\n", NULL,
                 "column column1 is left out: it has no name and counts the rows\n");
    case_free(&c);
    assert_warns(&c, "n,a,y\n0,1,u\n1,5,v\n2,2,u\n", NULL, "");
    assert_features(&c.k, "n a");
    case_free(&c);
    assert_warns(&c, "a,y\n1,u\n2,\n3,v\n4,NA\n", NULL,
                 "x.csv: 2 rows without a value in the target column y are left out\n");
    assert_true(c.d.rows == 2 && x_at(&c, 1, 0) == 3);
    case_free(&c);
    assert_warns(&c, "flag,a,y\nyes,1,u\n,2,v\nyes,3,u\n", NULL, ""); /* one category, and its absence */
    assert_features(&c.k, "flag=yes a");
    case_free(&c);
}

/* A table whose column word holds word0, word1, ... again after `distinct` of them. */
static void assert_words(int rows, int distinct, const char *warnings)
{
    Case c;
    Text csv = {0};
    text_print(&csv, "word,a,y\n");
    for (int i = 0; i < rows; i++)
        text_print(&csv, "word%d,%d,%d\n", i % distinct, i * i, i % 2);
    assert_warns(&c, csv.s, NULL, warnings);
    text_free(&csv);
    case_free(&c);
}

static void leaves_out_too_many_categories(void **state)
{
    (void)state;
    assert_words(20, 10, "");
    assert_words(20, 11, "column word is left out: nearly every row has its own text (11 in 20 rows)\n");
    assert_words(10, 8, "");
    assert_words(2002, 1000, "");
    assert_words(2002, 1001, "column word is left out: it has too many categories (1001 in 2002 rows)\n");
}

/* A table of `rows` rows, the column weight a number in all but line `at`. */
static char *mostly_numbers(int rows, int at)
{
    Text csv = {0};
    text_print(&csv, "a,b,weight,y\n");
    for (int line = 2; line < rows + 2; line++)
        text_print(&csv, "%d,%d,%s,%s\n", line, line % 5, line == at ? "heavy" : (line % 3 ? "7.5" : "8"),
                   line % 2 ? "u" : "v");
    return csv.s;
}

/* Cells of the only column that is left, or of the one that is named, are texts. */
static void reads_text(void **state)
{
    (void)state;
    static const char csv[] = "id,said,n,y\n1a,ab,1,u\n2b,,2,v\n3c,bca,3,u\n4d,c,4,v\n";
    const int32_t wanted[4][3] = {{1, 2, 4}, {4, 4, 4}, {2, 3, 1}, {3, 4, 4}};
    Case c;
    case_fits(&c, csv, &(InferOptions){.text = "said"});
    assert_true(c.k.text == 1 && c.k.context == 3 && c.k.features == 3 && c.k.tokens.count == 4);
    assert_true(c.d.x_type == DATA_I32 && c.d.vocabulary == 5 && c.d.padding == 4 && c.d.classes == 2);
    assert_memory_equal(c.d.x, wanted, sizeof wanted);
    assert_string_equal(text_end(&c.warnings),
                        "x.csv: 1 of 4 texts in column said has no tokens; the first at line 3\n");
    case_free(&c);
    case_fits(&c, "a,b,y\nq,longer,u\nw,texts,v\ne,win,u\n", NULL);
    assert_int_equal(c.k.text, 1);
    assert_string_equal(text_end(&c.warnings),
                        "column a is left out: nearly every row has its own text (3 in 3 rows)\n");
    case_free(&c);
    case_fits(&c, "a,n,y\none of these,1,u\nand another one,2,v\nthe last one,3,u\n", NULL);
    assert_non_null(
        strstr(text_end(&c.warnings), "(3 in 3 rows); to learn from it instead of the others: text=a\n"));
    case_free(&c);
}

static void refuses_text_among_numbers(void **state)
{
    (void)state;
    char *csv = mostly_numbers(500, 418);
    assert_refuses(
        csv, NULL,
        "x.csv:418:3: \"heavy\" is not a number in column weight\n"
        "  the 416 rows before it are; to treat it as missing: missing=heavy, to leave the column out: "
        "ignore=weight");
    memory_release(csv);
    assert_refuses(
        "a,y\nnot known,1.5\n2,2.5\n3,0\n", NULL,
        "x.csv:2:1: \"not known\" is not a number in column a\n"
        "  2 rows after it are; to treat it as missing: missing=\"not known\", to leave the column out: "
        "ignore=a");
    assert_refuses(
        "a,y\n2,1.5\n3,x\n4,0.5\n", NULL,
        "x.csv:3:2: \"x\" is not a number in column y\n"
        "  the row before it is; to treat it as missing: missing=x, to learn classes: task=classify");
    assert_refuses(
        "a,y\n2,u\n3,v\n", &(InferOptions){.task = TASK_REGRESS},
        "x.csv:2:2: \"u\" is not a number in column y\n"
        "  none of its cells is; to treat it as missing: missing=u, to learn classes: task=classify");
}

/* Names beside codes are categories. */
static void tells_commas_in_numbers(void **state)
{
    (void)state;
    Case c;
    assert_warns(&c, "a;y\n5,1;u\n4,9;v\n5,1;u\n4,9;v\n", NULL,
                 "column a has texts, not numbers: \"4,9\" has a comma; write numbers with a point\n");
    case_free(&c);
    assert_warns(&c, "a;y\n5,1;u\nb,c;v\n5,1;u\nb,c;v\n", NULL, "");
    case_free(&c);
    assert_refuses("a;y\n5;u\n4,9;v\n5;u\n4;v\n3;u\n", NULL,
                   "x.csv:3:1: \"4,9\" is not a number in column a\n"
                   "  write numbers with a decimal point, and nothing between thousands");
}

static void accepts_codes_and_names(void **state)
{
    (void)state;
    Case c;
    case_fits(&c, "n,y\n1,u\n2,v\n3+,u\n1,v\n2,u\n3+,v\n1,u\n2,v\n1,v\n2,u\n3+,v\n1,u\n", NULL);
    assert_features(&c.k, "n=1 n=2 n=3+");
    case_free(&c);
}

static void refuses_what_cannot_be_learned(void **state)
{
    (void)state;
    assert_refuses("a,y\n1,u\n", NULL,
                   "x.csv: has only one row with a value in its target column y; training needs at least 2");
    assert_refuses("a,y\n1,\n2,NA\n", NULL,
                   "x.csv: has no row with a value in its target column y; training needs at least 2");
    assert_refuses(
        "a,y\n1,setosa\n2,setosa\n", NULL,
        "x.csv: column y is setosa in every row; a classifier needs at least 2 classes to tell apart");
    assert_refuses(
        "a,y\n1,u\n2,v\n3,w\n", NULL,
        "x.csv: the target y has 3 different texts in 3 rows; name another column with target=, or say "
        "task=classify");
    assert_refuses("a,y\n1,0.5\n-inf,1.5\n", NULL,
                   "x.csv:3:1: \"-inf\" is not finite in column a\n"
                   "  to treat it as missing: missing=-inf, to leave the column out: ignore=a");
    assert_refuses("a,y\n1,0.5\n2,1e999\n", NULL,
                   "x.csv:3:2: \"1e999\" is not finite in column y\n"
                   "  to treat it as missing: missing=1e999, to learn classes: task=classify");
    assert_refuses(
        "a,y,w\n1,u,1\n2,v,-1\n",
        &(InferOptions){.weight = "w", .target = (const char *[]){"y"}, .target_count = 1},
        "x.csv:3:3: \"-1\" is no weight in column w; each row needs a number that is not negative");
    assert_refuses("a,y,w\n1,u,1\n2,v,\n", &(InferOptions){.weight = "w"},
                   "x.csv:3:3: \"\" is no weight in column w; each row needs a number that is not negative");
    assert_refuses("a,y,w\n1,u,1\n2,v,x\n", &(InferOptions){.weight = "w"},
                   "x.csv:3:3: \"x\" is no weight in column w; each row needs a number that is not negative");
    assert_refuses("a,y,w\n1,u,0\n2,v,0\n", &(InferOptions){.weight = "w"},
                   "x.csv: all weights in column w are 0; give some rows a weight");
}

/* Fits, measures on all rows, and encodes another file with the result. */
static int encode_other(Case *c, Dataset *d, const char *csv, DataType real, bool target, Text *warnings,
                        Error *e)
{
    Table t;
    *e = (Error){0};
    *d = (Dataset){0};
    if (!case_table(&t, "new.csv", csv, e)) columns_dataset(d, &c->k, &t, real, target, warnings, e);
    table_free(&t);
    return e->status;
}

static const char flowers[] = "length,colour,extra,species\n1,red,u,a\n2,blue,u,b\n3,red,v,a\n6,blue,v,b\n";

static void fit_flowers(Case *c)
{
    static const char *const ignore[] = {"extra"};
    const size_t rows[] = {0, 1, 2, 3};
    case_fits(c, flowers, &(InferOptions){.ignore = ignore, .ignore_count = 1});
    assert_int_equal(columns_measure(&c->k, &c->d, rows, 4, &c->e), NUDGE_OK);
}

static void assert_refuses_other(const char *csv, bool target, const char *message)
{
    Case c;
    Dataset d;
    Error e;
    Text warnings = {0};
    fit_flowers(&c);
    assert_int_equal(encode_other(&c, &d, csv, DATA_F32, target, &warnings, &e), NUDGE_INPUT);
    assert_string_equal(e.message, message);
    assert_null(d.x);
    text_free(&warnings);
    case_free(&c);
}

static void assert_encodes_other(const char *csv, const float *expected, size_t rows, const char *warning)
{
    Case c;
    Dataset d;
    Error e;
    Text warnings = {0};
    fit_flowers(&c);
    encode_other(&c, &d, csv, DATA_F32, false, &warnings, &e);
    assert_string_equal(e.message, "");
    assert_int_equal(d.rows, rows);
    assert_true(d.features == 3 && !d.t);
    assert_memory_equal(d.x, expected, rows * 3 * sizeof *expected);
    assert_string_equal(text_end(&warnings), warning);
    text_free(&warnings);
    dataset_free(&d);
    case_free(&c);
}

static void encodes_other_files(void **state)
{
    (void)state;
    const float row[] = {5, 0, 1}, unknown[] = {3, 0, 0, 4, 0, 0};
    assert_encodes_other("more,colour,length\nx,red,5\n", row, 1, "");
    assert_encodes_other("species,colour,length\nnonsense,red,5\n", row, 1, "");
    assert_encodes_other("5,red,u,a\n", row, 1, "");
    assert_encodes_other("5,red,u\n", row, 1, "");
    assert_encodes_other("5,red\n", row, 1, "");
    assert_encodes_other("length,colour\n,\n4,NA\n", unknown, 2, "");
    assert_encodes_other(
        "length,colour\n,teal\n4,pink\n", unknown, 2,
        "new.csv: 2 cells hold a category that training did not see, first \"teal\" in column colour at "
        "line 2; it counts as unknown\n");
}

static void refuses_other_files(void **state)
{
    (void)state;
    assert_refuses_other(
        "lenght,colour\n1,red\n", false,
        "new.csv: has no column length, which the model was trained with; rename lenght if that is it");
    assert_refuses_other("length,z\n1,red\n", false,
                         "new.csv: has no column colour, which the model was trained with; add it");
    assert_refuses_other("length,colour\n1,red\n", true,
                         "new.csv: has no column species, which is the target; add it");
    assert_refuses_other(
        "1\n", false,
        "new.csv: has no header and 1 column, which could be any; add a header that names length, "
        "colour");
    assert_refuses_other(
        "1,red,u\n", true,
        "new.csv: has no header and 3 columns, which could be any; add a header that names length, "
        "colour, species");
    assert_refuses_other(
        "length,colour\n1,red\n2,red\n\nheavy,red\n", false,
        "new.csv:5:1: \"heavy\" is not a number in column length; correct it, or leave the cell empty "
        "if the value is missing");
    assert_refuses_other(
        "length,colour\ninf,red\n", false,
        "new.csv:2:1: \"inf\" is not finite in column length; correct it, or leave the cell empty if "
        "the value is missing");
    assert_refuses_other(
        "length,colour\n1e39,red\n", false,
        "new.csv:2:1: \"1e39\" is too large for float32 in column length; use dtype=float64");
    assert_refuses_other(
        "length,colour,species\n1,red,a\n1,red,c\n", true,
        "new.csv:3:3: \"c\" is no class that the model knows in column species; training saw a, b");
    assert_refuses_other("length,colour,species\n1,red,\n", true,
                         "new.csv: no row has a value in the target column species");
    assert_refuses_other("length,colour\n", false,
                         "new.csv: has a header, but no rows; add some, or say header=false");
}

static void encodes_rows_of_a_stream(void **state)
{
    (void)state;
    Case c;
    Encoder n;
    const char *const names[] = {"colour", "species", "length"}, *const cells[] = {"teal", "b", "7"};
    double x[3], t, weight;
    fit_flowers(&c);
    assert_int_equal(encoder_open(&n, &c.k, DATA_F64, "stdin", true, names, 3, true, &c.e), NUDGE_OK);
    assert_int_equal(encoder_row(&n, cells, 9, x, &t, &weight, &c.e), NUDGE_OK);
    assert_true(x[0] == 7 && x[1] == 0 && x[2] == 0 && t == 1 && weight == 1);
    encoder_warn(&n, &c.warnings);
    assert_string_equal(
        text_end(&c.warnings),
        "stdin: 1 cell holds a category that training did not see, first \"teal\" in column colour at "
        "line 9; it counts as unknown\n");
    encoder_close(&n);
    case_free(&c);
}

static void measures(void **state)
{
    (void)state;
    Case c;
    double mean[3], scale[3];
    const size_t rows[] = {0, 1, 3};
    case_fits(&c, "a,b,c,y\n1000000001,5,u,1.5\n1000000003,5,v,2.5\n7,7,u,9\n,5,v,3.5\n", NULL);
    assert_int_equal(columns_measure(&c.k, &c.d, rows, 3, &c.e), NUDGE_OK);
    double means[4], scales[4];
    assert_int_equal(c.k.features, 4);
    columns_standard(&c.k, means, scales);
    assert_true(means[0] == 1000000002 && scales[0] == 1); /* the missing one does not count */
    assert_true(means[1] == 5 && scales[1] == 1);          /* constant here */
    assert_true(means[2] == 0 && scales[2] == 1);
    assert_true(x_at(&c, 3, 0) == 1000000002);
    assert_true(c.k.column[3].mean == 2.5 && fabs(c.k.column[3].scale - sqrt(2.0 / 3)) < 1e-15);
    assert_int_equal(columns_measure(&c.k, &c.d, rows, 0, &c.e), NUDGE_INPUT);
    case_free(&c);
    fit_flowers(&c);
    columns_standard(&c.k, mean, scale);
    assert_true(mean[0] == 3 && fabs(scale[0] - sqrt(3.5)) < 1e-15 && mean[1] == 0 && scale[2] == 1);
    case_free(&c);
}

static void keeps_doubles(void **state)
{
    (void)state;
    Case c;
    case_fits(&c, "a,y\n0.1,1e-300\n0.30000000000000004,1.7976931348623157e308\n", NULL);
    assert_true(x_at(&c, 0, 0) == 0.1 && x_at(&c, 1, 0) == 0.1 + 0.2);
    assert_true(((const double *)c.d.t)[0] == 1e-300 && ((const double *)c.d.t)[1] == 1.7976931348623157e308);
    case_free(&c);
}

static void saves_and_loads(void **state)
{
    (void)state;
    Case c;
    Columns k;
    Text json = {0}, again = {0};
    Error e = {0};
    const char *missing[] = {"?"};
    const size_t rows[] = {0, 1, 2, 3};
    case_fits(&c, "a,\"the \"\"b\"\"\",w,y\n0.1,\xc3\xa4,1,10\n?,z,1,9\n3,\xc3\xa4,1,9\n4,z,2,10\n",
              &(InferOptions){.missing = missing, .missing_count = 1, .weight = "w"});
    assert_int_equal(columns_measure(&c.k, &c.d, rows, 4, &c.e), NUDGE_OK);
    columns_save(&c.k, &json);
    assert_int_equal(columns_load(&k, json.s, json.length, &e), NUDGE_OK);
    columns_save(&k, &again);
    assert_string_equal(json.s, again.s);
    assert_true(k.count == 4 && k.target == 3 && k.weight == 2 && k.features == 3 && k.task == TASK_CLASSIFY);
    assert_features(&k, "a the \"b\"=z the \"b\"=\xc3\xa4");
    assert_true(k.column[0].mean == c.k.column[0].mean && k.column[0].scale == c.k.column[0].scale);
    assert_int_equal(column_level(k.column + 3, "10.0"), 1);
    double value;
    assert_int_equal(columns_cell(&k, "?", &value), CELL_MISSING);
    columns_free(&k);
    text_free(&json);
    text_free(&again);
    case_free(&c);
}

/* ---- Several targets, and none ---- */

static const char several[] = "a,good,b,big\n1,no,4,1\n2,yes,5,0\n4,no,9,\n3,yes,7,1\n";

static void assert_numbers(const void *got, const double *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_true(((const double *)got)[i] == want[i]);
}

static void takes_several_targets(void **state)
{
    (void)state;
    const char *labels[] = {"big", "good"}, *numbers[] = {"a", "b"};
    Case c;
    case_fits(&c, several, &(InferOptions){.target = labels, .target_count = 2});
    assert_true(c.k.task == TASK_LABELS && c.k.targets == 2 && c.k.features == 2 && c.k.target == 1);
    assert_string_equal(columns_of_target(&c.k, 0)->name, "good"); /* in the order of the file */
    assert_string_equal(columns_of_target(&c.k, 1)->name, "big");
    assert_string_equal(columns_of_target(&c.k, 0)->levels[1], "yes");
    assert_true(c.d.labels && !c.d.classes && c.d.targets == 2 && c.d.rows == 3);
    assert_numbers(c.d.t, (double[]){0, 1, 1, 0, 1, 1}, 6);
    assert_string_equal(text_end(&c.warnings),
                        "x.csv: 1 row without a value in each target column, such as good "
                        "is left out\n");
    case_free(&c);
    case_fits(&c, several, &(InferOptions){.target = numbers, .target_count = 2});
    assert_true(c.k.task == TASK_REGRESS && c.d.targets == 2 && !c.d.labels);
    assert_numbers(c.d.t, (double[]){1, 4, 2, 5, 4, 9, 3, 7}, 8);
    assert_int_equal(columns_measure(&c.k, &c.d, (size_t[]){0, 2}, 2, &c.e), NUDGE_OK);
    assert_true(columns_of_target(&c.k, 0)->mean == 2.5 && columns_of_target(&c.k, 1)->mean == 6.5);
    assert_true(columns_of_target(&c.k, 0)->scale == 1.5 && columns_of_target(&c.k, 1)->scale == 2.5);
    case_free(&c);
    case_fits(&c, several, &(InferOptions){.target = labels, .target_count = 1, .task = TASK_LABELS});
    assert_true(c.k.task == TASK_LABELS && c.k.targets == 1 && c.d.labels);
    case_free(&c);
}

static void takes_inputs_as_targets(void **state)
{
    (void)state;
    Case c;
    case_fits(&c, several, &(InferOptions){.task = TASK_RECONSTRUCT});
    assert_true(c.k.task == TASK_RECONSTRUCT && !c.k.targets && c.k.target == COLUMN_NONE);
    assert_true(c.d.reconstruct && c.d.t == c.d.x && c.d.targets == 5 && c.d.rows == 4);
    case_free(&c);
}

static void refuses_such_targets(void **state)
{
    (void)state;
    const char *two[] = {"a", "good"}, *one[] = {"same", "y"}, *texts[] = {"good", "name"};
    assert_refuses(
        several, &(InferOptions){.target = two, .target_count = 2, .task = TASK_CLASSIFY},
        "x.csv: a class is told by one target, but there are 2; several columns of 0 and 1 are task=labels");
    assert_refuses(
        several, &(InferOptions){.target = two, .target_count = 2, .task = TASK_LABELS},
        "x.csv: column a has 4 different values, but a label has two, such as 0 and 1; name it no target, "
        "or write task=regress");
    assert_refuses(
        several, &(InferOptions){.target = two, .target_count = 2, .task = TASK_RECONSTRUCT},
        "x.csv: target=a: to reconstruct is to tell all columns from themselves, so there is no target; to "
        "leave a column out: ignore=a");
    assert_refuses(
        "x,same,y\n1,0,1\n2,0,0\n", &(InferOptions){.target = one, .target_count = 2},
        "x.csv: column same is 0 in every row; there is nothing to tell of it, so name it no target");
    assert_refuses(
        "x,good,name\n1,n,u\n2,y,v\n3,y,w\n", &(InferOptions){.target = texts, .target_count = 2},
        "x.csv: column name has 3 different texts, but of several targets each is a number, or has two "
        "values such as 0 and 1; name one target, or write it as columns of 0 and 1");
}

static void assert_damaged(const char *json, const char *message)
{
    Columns k;
    Error e = {0};
    assert_int_equal(columns_load(&k, json, strlen(json), &e), NUDGE_INPUT);
    assert_non_null(strstr(e.message, message));
    assert_null(k.column);
}

static void refuses_damaged_columns(void **state)
{
    (void)state;
    assert_damaged("{", "columns of the model");
    assert_damaged("[]", "task or columns are missing");
    assert_damaged("{\"task\":\"x\",\"columns\":[]}", "its task is unknown");
    assert_damaged("{\"task\":\"regress\",\"columns\":[]}", "it needs a target");
    assert_damaged("{\"task\":\"infer\",\"columns\":[]}", "its task is unknown");
    assert_damaged("{\"task\":\"reconstruct\",\"columns\":[{\"name\":\"a\",\"role\":\"target\"}]}",
                   "it needs a target");
    assert_damaged(
        "{\"task\":\"labels\",\"columns\":[{\"name\":\"a\",\"role\":\"target\",\"levels\":[\"n\"]}]}",
        "a label has not two values");
    assert_damaged("{\"task\":\"regress\",\"columns\":[{\"name\":1}]}", "a name is missing");
    assert_damaged("{\"task\":\"regress\",\"columns\":[{\"name\":\"a\",\"role\":\"b\"}]}",
                   "a role is unknown");
    assert_damaged("{\"task\":\"regress\",\"columns\":[{\"name\":\"a\",\"role\":\"target\"}]}",
                   "it has no inputs");
    assert_damaged("{\"task\":\"classify\",\"columns\":[{\"name\":\"a\",\"role\":\"target\"}]}",
                   "it has no classes");
    assert_damaged("{\"task\":\"regress\",\"columns\":[{\"name\":\"a\",\"role\":\"number\",\"mean\":1}]}",
                   "a standard deviation is missing");
    assert_damaged(
        "{\"task\":\"regress\",\"columns\":[{\"name\":\"a\",\"role\":\"category\",\"levels\":[\"b\",\"a\"]}]}",
        "categories are out of order");
    assert_damaged(
        "{\"task\":\"regress\",\"columns\":[{\"name\":\"a\",\"role\":\"target\",\"numbers\":[\"b\"]}]}",
        "categories are out of order");
    assert_damaged("{\"task\":\"regress\",\"missing\":3,\"columns\":[]}", "a list is missing");
}

static void shows_cells(void **state)
{
    (void)state;
    char shown[CELL_SHOWN];
    assert_string_equal(cell_shown(shown, "a\nb"), "a b");
    assert_string_equal(cell_shown(shown, "12345678901234567890123456789012345678901234567"),
                        "12345678901234567890123456789012345678901234567");
    assert_string_equal(cell_shown(shown, "123456789012345678901234567890123456789012345678"),
                        "12345678901234567890123456789012345678901234...");
    assert_string_equal(
        cell_shown(shown, "1234567890123456789012345678901234567890123\xc3\xa4\xc3\xa4\xc3\xa4"),
        "1234567890123456789012345678901234567890123...");
}

static int whole_way(const char *csv, const InferOptions *o, Error *e)
{
    Case c;
    Columns k = {0};
    Text json = {0};
    const size_t rows[] = {0, 1};
    if (!case_fit(&c, csv, o) && !columns_measure(&c.k, &c.d, rows, 2, &c.e)) {
        columns_save(&c.k, &json);
        if (json.failed)
            error_memory(&c.e);
        else
            columns_load(&k, json.s, json.length, &c.e);
    }
    *e = c.e;
    columns_free(&k);
    text_free(&json);
    case_free(&c);
    return e->status;
}

static void assert_survives(const char *csv, const InferOptions *o)
{
    Error e = {.status = NUDGE_MACHINE};
    int n = 0;
    for (; e.status; n++) {
        int left = n;
        nudge_allocator(failing_heap, &left);
        whole_way(csv, o, &e);
        nudge_allocator(NULL, NULL);
        if (e.status) assert_string_equal(e.message, "out of memory");
        assert_true(n < 500);
    }
    assert_true(n > 50);
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    const char *missing[] = {"?"};
    const InferOptions o = {.missing = missing, .missing_count = 1, .weight = "w"};
    assert_survives("a,b,same,w,y\n1,u,q,1,k\n?,v,q,1,l\n3,u,q,1,k\n4,v,q,1,\n", &o);
    assert_survives("a,b,y\none of these,u,k\nand another,v,l\nthe last one,u,k\n",
                    &(InferOptions){.text = "a"});
}

/* A message that itself runs out of memory may lose its advice, never its status. */
static void survives_failing_messages(void **state)
{
    (void)state;
    char *csv = mostly_numbers(12, 9);
    for (int n = 0; n < 200; n++) {
        Error e;
        int left = n;
        nudge_allocator(failing_heap, &left);
        assert_true(whole_way(csv, NULL, &e) == NUDGE_MACHINE || e.status == NUDGE_INPUT);
        nudge_allocator(NULL, NULL);
    }
    memory_release(csv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(infers_roles),
        cmocka_unit_test(infers_tasks),
        cmocka_unit_test(ignores_row_order),
        cmocka_unit_test(obeys_options),
        cmocka_unit_test(refuses_options),
        cmocka_unit_test(leaves_out),
        cmocka_unit_test(leaves_out_too_many_categories),
        cmocka_unit_test(reads_text),
        cmocka_unit_test(refuses_text_among_numbers),
        cmocka_unit_test(tells_commas_in_numbers),
        cmocka_unit_test(accepts_codes_and_names),
        cmocka_unit_test(refuses_what_cannot_be_learned),
        cmocka_unit_test(encodes_other_files),
        cmocka_unit_test(refuses_other_files),
        cmocka_unit_test(encodes_rows_of_a_stream),
        cmocka_unit_test(measures),
        cmocka_unit_test(keeps_doubles),
        cmocka_unit_test(saves_and_loads),
        cmocka_unit_test(refuses_damaged_columns),
        cmocka_unit_test(takes_several_targets),
        cmocka_unit_test(takes_inputs_as_targets),
        cmocka_unit_test(refuses_such_targets),
        cmocka_unit_test(shows_cells),
        cmocka_unit_test(survives_failing_allocations),
        cmocka_unit_test(survives_failing_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
