/* test_tokens.c: a text comes back from its tokens, the same text gives the same vocabulary, and it travels as JSON; rows of
 * texts and lines have the tokens that come next; every mistake has one message. */
#include "data/textrows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_heap.h"

static const char verse[] = "the cat sat on the mat.\nthe cat's hat -- caf\xC3\xA9 1234\n\nthe end\n";

static Tokens fitted(TokensKind kind, size_t size, const char *text)
{
    Tokens k;
    Text warnings = {0};
    Error e = {0};
    if (tokens_fit(&k, kind, size, "verse.txt", text, strlen(text), &warnings, &e)) fail_msg("%s", e.message);
    text_free(&warnings);
    return k;
}

static TokenList encoded(const Tokens *k, const char *text)
{
    TokenList list = {0};
    Error e = {0};
    if (tokens_encode(k, &list, "verse.txt", 1, text, strlen(text), &e)) fail_msg("%s", e.message);
    return list;
}

static void decoded(const Tokens *k, const TokenList *list, Text *out)
{
    for (size_t i = 0, length; i < list->count; i++) {
        const char *bytes = tokens_bytes(k, list->id[i], &length);
        text_append(out, bytes, length);
    }
}

static void expect_whole(const Tokens *k, const char *text)
{
    TokenList list = encoded(k, text);
    Text out = {0};
    decoded(k, &list, &out);
    assert_string_equal(text_end(&out), text);
    for (size_t i = 0; i < list.count; i++)
        assert_in_range(list.id[i], 0, k->count - 1);
    text_free(&out);
    memory_release(list.id);
}

static void comes_back(void **state)
{
    (void)state;
    static const struct {
        TokensKind kind;
        size_t size;
    } all[] = {{TOKENS_CHAR, 0}, {TOKENS_BYTE, 0}, {TOKENS_WORD, 100}, {TOKENS_BPE, 270}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        Tokens k = fitted(all[i].kind, all[i].size, verse);
        expect_whole(&k, verse);
        expect_whole(&k, "\n");
        tokens_free(&k);
    }
}

static void characters_are_sorted(void **state)
{
    (void)state;
    Tokens k = fitted(TOKENS_CHAR, 0, "ba\xC3\xA9 a");
    static const char *const wanted[] = {"\n", " ", "a", "b", "\xC3\xA9"};
    assert_int_equal(k.count, 5);
    for (size_t i = 0; i < k.count; i++) {
        size_t length;
        const char *bytes = tokens_bytes(&k, (int32_t)i, &length);
        assert_int_equal(length, strlen(wanted[i]));
        assert_memory_equal(bytes, wanted[i], length);
    }
    assert_int_equal(tokens_line_end(&k), 0);
    tokens_free(&k);
}

static void expect_pieces(const char *text, const char *const *wanted)
{
    const char *end = text + strlen(text);
    for (; text < end; wanted++) {
        size_t n = tokens_piece(text, end);
        assert_non_null(*wanted);
        if (n != strlen(*wanted) || memcmp(text, *wanted, n) != 0)
            fail_msg("\"%.*s\" instead of \"%s\"", (int)n, text, *wanted);
        text += n;
    }
    assert_null(*wanted);
}

static void pieces(void **state)
{
    (void)state;
    expect_pieces("don't stop'  now--it's 1984!?\n\n x",
                  (const char *const[]){"don't", " stop", "'", " ", " now", "--", "it's", " 1984", "!", "?",
                                        "\n", "\n", " x", NULL});
    expect_pieces("a \n\t\tb", (const char *const[]){"a", " ", "\n", "\t\t", "b", NULL});
    char endless[1000];
    memset(endless, 'a', sizeof endless);
    assert_int_equal(tokens_piece(endless, endless + sizeof endless), 128);
}

static void words_by_frequency(void **state)
{
    (void)state;
    Tokens k = fitted(TOKENS_WORD, 5, verse);
    assert_int_equal(k.count, 5);
    assert_true(tokens_is_unknown(&k, 0));
    assert_int_equal(tokens_line_end(&k), 1);
    assert_int_equal(tokens_find(&k, "the", 3), 2); /* three times */
    TokenList list = encoded(&k, "the dog");
    assert_int_equal(list.count, 2);
    assert_int_equal(list.id[1], 0);
    assert_int_equal(list.unknown, 1);
    memory_release(list.id);
    tokens_free(&k);
    k = fitted(TOKENS_WORD, 0, "once twice\ntwice once\ntwice"); /* " twice" occurs once, "twice" twice */
    assert_true(tokens_find(&k, "twice", 5) > 0);
    assert_int_equal(tokens_find(&k, " twice", 6), -1);
    tokens_free(&k);
}

/* Worked out by hand: "ab" occurs 5 times, then "abc" 3 times, then "abab" of the only word left twice. */
static void pairs_by_hand(void **state)
{
    (void)state;
    Tokens k = fitted(TOKENS_BPE, 300, "abc\nabc\nabc\nabab\nabab\n");
    static const TokensMerge wanted[] = {{'a', 'b'}, {256, 'c'}, {256, 256}};
    assert_int_equal(k.count, TOKENS_BYTES + 3);
    assert_memory_equal(k.merge, wanted, sizeof wanted);
    TokenList list = encoded(&k, "ababc");
    static const int32_t ids[] = {256, 257}; /* the merge that was made first goes first */
    assert_int_equal(list.count, 2);
    assert_memory_equal(list.id, ids, sizeof ids);
    memory_release(list.id);
    tokens_free(&k);
}

/* The merges of a text by the definition: count all pairs anew each time, and take the most frequent one, of equals the one
 * of the smaller tokens. */
typedef struct Plain {
    int32_t token[4096];
    size_t begin[600], words, tokens;
} Plain;

static void plain_words(Plain *p, const char *text)
{
    const char *end = text + strlen(text);
    for (size_t n; text < end; text += n) {
        n = tokens_piece(text, end);
        p->begin[p->words++] = p->tokens;
        for (size_t i = 0; i < n; i++)
            p->token[p->tokens++] = (unsigned char)text[i];
    }
    p->begin[p->words] = p->tokens;
}

static size_t plain_count(const Plain *p, TokensMerge m)
{
    size_t count = 0;
    for (size_t w = 0; w < p->words; w++)
        for (size_t i = p->begin[w]; i + 1 < p->begin[w + 1]; i++)
            count += p->token[i] == m.left && p->token[i + 1] == m.right;
    return count;
}

static bool plain_next(const Plain *p, TokensMerge *best)
{
    size_t most = 1;
    for (size_t w = 0; w < p->words; w++)
        for (size_t i = p->begin[w]; i + 1 < p->begin[w + 1]; i++) {
            TokensMerge m = {p->token[i], p->token[i + 1]};
            size_t count = plain_count(p, m);
            bool smaller = m.left < best->left || (m.left == best->left && m.right < best->right);
            if (count > most || (count == most && most > 1 && smaller)) most = count, *best = m;
        }
    return most > 1;
}

static void plain_merge(Plain *p, TokensMerge m, int32_t new)
{
    size_t kept = 0;
    for (size_t w = 0; w < p->words; w++) {
        size_t i = p->begin[w], end = p->begin[w + 1];
        p->begin[w] = kept;
        for (; i < end; i++) {
            bool here = i + 1 < end && p->token[i] == m.left && p->token[i + 1] == m.right;
            p->token[kept++] = here ? new : p->token[i];
            i += here;
        }
    }
    p->begin[p->words] = p->tokens = kept;
}

static void pairs_by_definition(void **state)
{
    (void)state;
    static const char text[] =
        "aaaa aaa banana bandana ananas an abracadabra cadaver bandanas aaaaa -- banal canal "
        "canary anagram anna nana banananana\nabba baobab abab aaab baaab\n";
    static Plain p;
    plain_words(&p, text);
    Tokens k = fitted(TOKENS_BPE, 400, text);
    size_t merges = 0;
    for (TokensMerge m = {0, 0}; plain_next(&p, &m); merges++) {
        assert_true(TOKENS_BYTES + merges < k.count);
        if (k.merge[merges].left != m.left || k.merge[merges].right != m.right)
            fail_msg("merge %zu is %d %d instead of %d %d", merges, k.merge[merges].left,
                     k.merge[merges].right, m.left, m.right);
        plain_merge(&p, m, (int32_t)(TOKENS_BYTES + merges));
    }
    assert_int_equal(k.count, TOKENS_BYTES + merges);
    assert_in_range(merges, 15, 60);
    expect_whole(&k, text);
    tokens_free(&k);
}

static void travels_as_json(void **state)
{
    (void)state;
    static const TokensKind kinds[] = {TOKENS_CHAR, TOKENS_BYTE, TOKENS_WORD, TOKENS_BPE};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        Tokens k = fitted(kinds[i], kinds[i] == TOKENS_BPE ? 280 : 0, verse), back;
        Text json = {0}, again = {0};
        Error e = {0};
        tokens_save(&k, &json);
        if (tokens_load(&back, text_end(&json), json.length, &e)) fail_msg("%s", e.message);
        tokens_save(&back, &again);
        assert_string_equal(text_end(&again), text_end(&json));
        TokenList a = encoded(&k, verse), b = encoded(&back, verse);
        assert_int_equal(a.count, b.count);
        assert_memory_equal(a.id, b.id, a.count * sizeof *a.id);
        memory_release(a.id);
        memory_release(b.id);
        text_free(&json);
        text_free(&again);
        tokens_free(&k);
        tokens_free(&back);
    }
}

static void refuses_broken_json(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "",
        "{}",
        "{\"kind\":\"glyph\",\"tokens\":[]}",
        "{\"kind\":\"char\",\"tokens\":[\"a\"]}",
        "{\"kind\":\"char\",\"tokens\":[\"\\n\",\"a\",\"a\"]}",
        "{\"kind\":\"char\",\"tokens\":[\"\\n\",1]}",
        "{\"kind\":\"char\",\"tokens\":[\"\\n\",\"\"]}",
        "{\"kind\":\"bpe\",\"merges\":[[97,256]]}",
        "{\"kind\":\"bpe\",\"merges\":[[97,-1]]}",
        "{\"kind\":\"bpe\",\"merges\":[[97,98],[97,98]]}",
        "{\"kind\":\"bpe\",\"merges\":[97]}",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        Tokens k;
        Error e = {0};
        assert_int_equal(tokens_load(&k, broken[i], strlen(broken[i]), &e), NUDGE_INPUT);
        assert_non_null(strstr(e.message, "the model's tokens"));
        assert_int_equal(k.count, 0);
    }
}

static void reads_recipes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        TokensKind kind;
        size_t size;
        const char *wrong;
    } all[] = {{"char", TOKENS_CHAR, 0, NULL},
               {"word", TOKENS_WORD, 0, NULL},
               {"word(50)", TOKENS_WORD, 50, NULL},
               {"bpe (1000)", TOKENS_BPE, 1000, NULL},
               {"bpe", 0, 0, "bpe needs the size"},
               {"bpe(256)", 0, 0, "from 257 (more than the bytes) to"},
               {"bpe(1e9)", 0, 0, "from 257"},
               {"bpe(300.5)", 0, 0, "has no size in brackets"},
               {"bpe(", 0, 0, "has no size in brackets"},
               {"byte(300)", 0, 0, "byte has no size"},
               {"chra", 0, 0, "did you mean char?"},
               {"", 0, 0, "is not one of"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        TokensKind kind = TOKENS_BYTE;
        size_t size = 1;
        Error e = {0};
        int status = tokens_parse(all[i].text, "r.yaml:3", &kind, &size, &e);
        assert_int_equal(status, all[i].wrong ? NUDGE_INPUT : NUDGE_OK);
        if (!all[i].wrong) assert_true(kind == all[i].kind && size == all[i].size);
        if (all[i].wrong &&
            (!strstr(e.message, all[i].wrong) || strncmp(e.message, "r.yaml:3: tokens: ", 18)))
            fail_msg("%s", e.message);
    }
}

static void names_places(void **state)
{
    (void)state;
    Tokens k = fitted(TOKENS_CHAR, 0, "ab\n");
    TokenList list = {0};
    Error e = {0};
    assert_int_equal(tokens_encode(&k, &list, "new.txt", 1, "ab\na\xC3\xA9", 6, &e), NUDGE_INPUT);
    assert_non_null(strstr(e.message, "new.txt:2:2: the character \"\xC3\xA9\" is none of the 3"));
    error_clear(&e);
    assert_int_equal(tokens_encode(&k, &list, "new.txt", 7, "a\xFF", 2, &e), NUDGE_INPUT);
    assert_non_null(strstr(e.message, "new.txt:7:2: the byte 0xFF is not UTF-8"));
    memory_release(list.id);
    tokens_free(&k);
    Text warnings = {0};
    error_clear(&e);
    assert_int_equal(tokens_fit(&k, TOKENS_WORD, 0, "new.txt", "\xC3\xA9\n\xC3", 4, &warnings, &e),
                     NUDGE_INPUT);
    assert_non_null(strstr(e.message, "new.txt:2:1: the byte 0xC3"));
    error_clear(&e);
    assert_int_equal(tokens_fit(&k, TOKENS_BPE, 1000, "new.txt", "abab", 4, &warnings, &e), NUDGE_OK);
    assert_non_null(
        strstr(text_end(&warnings), "new.txt: tokens: the text gives 257 tokens, not the 1000 of bpe(1000)"));
    text_free(&warnings);
    tokens_free(&k);
}

/* ---- Rows ---- */

static Dataset laid(const Tokens *k, const char *text, TextLayout how)
{
    Dataset d;
    Error e = {0};
    TokenList list = encoded(k, text);
    if (textrows_make(&d, k, &list, &how, "verse.txt", &e)) fail_msg("%s", e.message);
    memory_release(list.id);
    return d;
}

/* A row as text, "x>t": a line end is |, no target is _. */
static const char *row_shown(const Tokens *k, const Dataset *d, size_t row)
{
    static char shown[64];
    int32_t x[16], t[16];
    size_t at = 0, length;
    dataset_gather(d, &row, 1, x, DATA_I32, t, DATA_I32, NULL);
    for (size_t i = 0; i < d->features + d->targets; i++) {
        int32_t token = i < d->features ? x[i] : t[i - d->features];
        if (i == d->features) shown[at++] = '>';
        char c = token < 0 ? '_' : *tokens_bytes(k, token, &length);
        shown[at++] = c == '\n' ? '|' : c;
    }
    shown[at] = 0;
    return shown;
}

static void expect_rows(const char *text, TextLayout how, const char *const *wanted)
{
    Tokens k = fitted(TOKENS_CHAR, 0, text);
    Dataset d = laid(&k, text, how);
    for (size_t i = 0; i < d.rows; i++) {
        assert_non_null(wanted[i]);
        assert_string_equal(row_shown(&k, &d, i), wanted[i]);
    }
    assert_null(wanted[d.rows]);
    assert_true(d.next && d.ordered && d.vocabulary == k.count && d.classes == k.count);
    dataset_free(&d);
    tokens_free(&k);
}

static void windows(void **state)
{
    (void)state;
    expect_rows("abcdefgh", (TextLayout){.context = 3, .every = true},
                (const char *const[]){"abc>bcd", "def>efg", NULL});
    expect_rows("abcde", (TextLayout){.context = 3}, (const char *const[]){"abc>d", "bcd>e", NULL});
}

static void lines(void **state)
{
    (void)state;
    static const char text[] = "ab\n\nc\nwxyz";
    expect_rows(text, (TextLayout){.context = 3, .lines = true, .every = true},
                (const char *const[]){"|ab>ab|", "|c|>c|_", "|wx>wxy", "yz|>z|_", NULL});
    expect_rows(text, (TextLayout){.context = 2, .lines = true},
                (const char *const[]){"||>a", "|a>b", "ab>|", "||>c", "|c>|", "||>w", "|w>x", "wx>y", "xy>z",
                                      "yz>|", NULL});
    Tokens k = fitted(TOKENS_CHAR, 0, text);
    TokenList list = encoded(&k, text);
    assert_int_equal(textrows_longest(&k, &list), 5);
    memory_release(list.id);
    tokens_free(&k);
}

/* Lines for training come in an order that depends on the seed only, each once. */
static void lines_are_dealt(void **state)
{
    (void)state;
    char text[53];
    for (int i = 0; i < 26; i++)
        text[2 * i] = (char)('a' + i), text[2 * i + 1] = '\n';
    text[52] = 0;
    Tokens k = fitted(TOKENS_CHAR, 0, text);
    TextLayout how = {.context = 2, .lines = true, .every = true, .train = true, .seed = 1};
    Dataset a = laid(&k, text, how), same = laid(&k, text, how);
    how.seed = 2;
    Dataset other = laid(&k, text, how);
    const int32_t *x = a.x;
    size_t sum = 0, moved = 0;
    assert_memory_equal(a.x, same.x, 52 * sizeof *x);
    assert_memory_not_equal(a.x, other.x, 52 * sizeof *x);
    for (size_t i = 0; i < 26; i++)
        sum += (size_t)x[2 * i + 1], moved += x[2 * i + 1] != (int32_t)i + 1;
    assert_int_equal(sum, 26 * 27 / 2);
    assert_true(moved > 10);
    dataset_free(&a), dataset_free(&same), dataset_free(&other);
    tokens_free(&k);
}

/* Windows slide in training, never into what is held out, and never before the beginning. */
static void windows_slide(void **state)
{
    (void)state;
    char text[401];
    for (int i = 0; i < 400; i++)
        text[i] = (char)('!' + i % 90);
    text[400] = 0;
    Tokens k = fitted(TOKENS_CHAR, 0, text);
    Dataset d = laid(&k, text, (TextLayout){.context = 5, .every = true, .train = true}), view;
    assert_int_equal(d.slide, 4);
    size_t order[80], train, seen[5] = {0};
    Error e = {0};
    assert_int_equal(dataset_split(&d, .1, 1, order, &train, &e), NUDGE_OK);
    assert_int_equal(train, d.rows - (size_t)(.1 * (double)d.rows + .5));
    assert_int_equal(order[train], train);
    const int32_t *first = d.x;
    for (uint64_t epoch = 0; epoch < 40; epoch++) {
        dataset_slide(&view, &d, 1, epoch);
        size_t back = (size_t)(first - (const int32_t *)view.x);
        assert_in_range(back, 0, 4);
        seen[back]++;
        int32_t x[5], t[5];
        dataset_gather(&view, &(size_t){0}, 1, x, DATA_I32, t, DATA_I32, NULL);
        assert_memory_equal(x, first + 4 - back, sizeof x);
        assert_memory_equal(t, first + 5 - back, sizeof t);
    }
    for (int i = 0; i < 5; i++)
        assert_true(seen[i] > 0);
    assert_true(d.start[d.rows - 1] + 5 < 400);
    dataset_free(&d);
    tokens_free(&k);
}

static void refuses_short_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        TextLayout how;
        const char *wrong;
    } all[] = {
        {"abcde", {.context = 5, .every = true}, "v.txt: has 5 tokens, but context is 5"},
        {"a", {.context = 5}, "v.txt: has 1 token, too few"},
        {"\n\n", {.context = 5, .lines = true}, "v.txt: has blank lines only"},
    };
    Tokens k = fitted(TOKENS_BYTE, 0, "");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        TokenList list = encoded(&k, all[i].text);
        Dataset d;
        Error e = {0};
        assert_int_equal(textrows_make(&d, &k, &list, &all[i].how, "v.txt", &e), NUDGE_INPUT);
        if (!strstr(e.message, all[i].wrong)) fail_msg("%s", e.message);
        assert_null(d.x);
        memory_release(list.id);
    }
    tokens_free(&k);
}

static void reads_files(void **state)
{
    (void)state;
    char path[] = "/tmp/nudge-text-XXXXXX", file[64];
    Error e = {0};
    Text text = {0};
    assert_non_null(mkdtemp(path));
    snprintf(file, sizeof file, "%s/a.txt", path);
    FILE *f = fopen(file, "wb");
    fputs("\xEF\xBB\xBFone\r\ntwo\rthree\n", f);
    fclose(f);
    assert_int_equal(textrows_read(&text, file, &e), NUDGE_OK);
    assert_string_equal(text_end(&text), "one\ntwo\rthree\n");
    f = fopen(file, "wb");
    fclose(f);
    assert_int_equal(textrows_read(&text, file, &e), NUDGE_INPUT);
    assert_non_null(strstr(e.message, "a.txt: is empty"));
    remove(file);
    remove(path);
    text_free(&text);
}

/* ---- Memory ---- */

static int everything(TokensKind kind)
{
    Tokens k = {0}, back = {0};
    Text warnings = {0}, json = {0};
    TokenList list = {0};
    Dataset d = {0};
    Error e = {0};
    TextLayout how = {.context = 4, .lines = kind != TOKENS_BYTE, .every = kind != TOKENS_BPE, .train = true};
    int status = tokens_fit(&k, kind, kind == TOKENS_BPE ? 270 : 0, "verse.txt", verse, sizeof verse - 1,
                            &warnings, &e);
    if (!status) status = tokens_encode(&k, &list, "verse.txt", 1, verse, sizeof verse - 1, &e);
    if (!status) status = textrows_make(&d, &k, &list, &how, "verse.txt", &e);
    if (!status) tokens_save(&k, &json);
    if (!status)
        status = json.failed ? error_memory(&e) : tokens_load(&back, text_end(&json), json.length, &e);
    assert_int_equal(status, e.status);
    tokens_free(&k);
    tokens_free(&back);
    memory_release(list.id);
    dataset_free(&d);
    text_free(&warnings);
    text_free(&json);
    return status;
}

static void survives_failing_memory(void **state)
{
    (void)state;
    for (int kind = TOKENS_CHAR; kind <= TOKENS_BPE; kind++) {
        int status = NUDGE_MACHINE;
        for (int blocks = 0; status; blocks++) {
            int left = blocks;
            nudge_allocator(failing_heap, &left);
            status = everything((TokensKind)kind);
            nudge_allocator(NULL, NULL);
            assert_true(!status || status == NUDGE_MACHINE);
            assert_true(blocks < 10000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(characters_are_sorted),
        cmocka_unit_test(pieces),
        cmocka_unit_test(words_by_frequency),
        cmocka_unit_test(pairs_by_hand),
        cmocka_unit_test(pairs_by_definition),
        cmocka_unit_test(travels_as_json),
        cmocka_unit_test(refuses_broken_json),
        cmocka_unit_test(reads_recipes),
        cmocka_unit_test(names_places),
        cmocka_unit_test(windows),
        cmocka_unit_test(lines),
        cmocka_unit_test(lines_are_dealt),
        cmocka_unit_test(windows_slide),
        cmocka_unit_test(refuses_short_texts),
        cmocka_unit_test(reads_files),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
