/* family.c: two family trees of the same shape, learnt as facts: a person and a relation in, the people who are meant
 * out (Rumelhart, Hinton and Williams 1986, figures 2 to 4). Four of the 104 questions are held out, others for each seed.
 * For one seed it shows what the net answers to these, and the weights that people are told apart by; for several, a line
 * for each.
 *
 * cc family.c -lnudge -lm -o family && ./family [SEED [LAST_SEED]] */
#include <nudge.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TREE = 12, /* people in a tree */
    PEOPLE = 2 * TREE,
    RELATIONS = 12,
    INPUTS = PEOPLE + RELATIONS,
    FACTS = 104, /* questions that have an answer */
    HELD = 4,
    TRAINED = FACTS - HELD,
    CODE = 6, /* units that stand for a person */
    SWEEPS = 3000
};

/* The net: 24 + 12 inputs, 6 + 6 units for person and relation, 12 that see both, 6, and a unit for each person. */
static const char net[] =
    "parallel(columns(0, 24) unit(6) sigmoid, columns(24, 36) unit(6) sigmoid) unit(12) sigmoid unit(6) sigmoid "
    "unit(24) sigmoid";

/* The error is 0 where a unit that should be on is above .8, or one that should be off below .2. The rule is the paper's,
 * too: smaller and with less momentum for 20 sweeps, and after each change all weights lose a small part. */
static const char options[] =
    "loss=margin optimizer=descent threads=1 seed=%d define=\""
    "columns(x[.., in], from, to): x[.., from:to]\\n"
    "unit(x[.., in], n): dense(x, n, init=uniform(1), bias_init=uniform(1))\\n"
    "margin(y, t): e = where(.5 < t, min(y - .8, 0), max(y - .2, 0)); sum(e*e)/2\\n"
    "descent(w, g, t, lr=.1, decay=.001 | v[shape(w)] = 0): "
    "v <- where(t <= 20, .5, .9)*v - lr*where(t <= 20, .5, 1)*g; w <- (1 - decay)*(w + v)\"";

/* ---- Who is whose what ---- */

typedef struct Person {
    const char *name[2]; /* in the English tree and in the Italian one */
    char sex;
    int spouse, father, mother; /* -1: none */
} Person;

static const Person person[TREE] = {
    {{"Christopher", "Roberto"}, 'm', 1, -1, -1}, {{"Penelope", "Maria"}, 'f', 0, -1, -1},
    {{"Andrew", "Pierro"}, 'm', 3, -1, -1},       {{"Christine", "Francesca"}, 'f', 2, -1, -1},
    {{"Margaret", "Gina"}, 'f', 5, -1, -1},       {{"Arthur", "Emilio"}, 'm', 4, 0, 1},
    {{"Victoria", "Lucia"}, 'f', 7, 0, 1},        {{"James", "Marco"}, 'm', 6, 2, 3},
    {{"Jennifer", "Angela"}, 'f', 9, 2, 3},       {{"Charles", "Tomaso"}, 'm', 8, -1, -1},
    {{"Colin", "Alfonso"}, 'm', -1, 7, 6},        {{"Charlotte", "Sophia"}, 'f', -1, 7, 6},
};

static int is_spouse(int who, int of)
{
    return person[of].spouse == who;
}

static int is_parent(int who, int of)
{
    return person[of].father == who || person[of].mother == who;
}

static int is_child(int who, int of)
{
    return is_parent(of, who);
}

static int is_sibling(int who, int of)
{
    return who != of && person[who].father >= 0 && person[who].father == person[of].father;
}

/* A sibling of a parent, or whom that sibling has married. */
static int is_uncle_or_aunt(int who, int of)
{
    for (int p = 0; p < TREE; p++)
        if (is_parent(p, of) &&
            (is_sibling(who, p) || (person[who].spouse >= 0 && is_sibling(person[who].spouse, p))))
            return 1;
    return 0;
}

static int is_nephew_or_niece(int who, int of)
{
    return is_uncle_or_aunt(of, who);
}

static const struct {
    const char *name;
    int (*holds)(int who, int of);
    char sex;
} relation[RELATIONS] = {
    {"father", is_parent, 'm'},
    {"mother", is_parent, 'f'},
    {"husband", is_spouse, 'm'},
    {"wife", is_spouse, 'f'},
    {"son", is_child, 'm'},
    {"daughter", is_child, 'f'},
    {"uncle", is_uncle_or_aunt, 'm'},
    {"aunt", is_uncle_or_aunt, 'f'},
    {"brother", is_sibling, 'm'},
    {"sister", is_sibling, 'f'},
    {"nephew", is_nephew_or_niece, 'm'},
    {"niece", is_nephew_or_niece, 'f'},
};

static int answers(int who, int of, int r)
{
    return person[who].sex == relation[r].sex && relation[r].holds(who, of);
}

/* ---- Facts ---- */

typedef struct Facts {
    float x[FACTS][INPUTS], t[FACTS][PEOPLE];
    int count;
} Facts;

/* A question without an answer is no fact. */
static void facts_ask(Facts *f, int tree, int of, int r)
{
    int found = 0;
    for (int who = 0; who < TREE; who++) {
        if (!answers(who, of, r)) continue;
        f->t[f->count][tree * TREE + who] = 1;
        found = 1;
    }
    if (!found) return;
    f->x[f->count][tree * TREE + of] = 1;
    f->x[f->count][PEOPLE + r] = 1;
    f->count++;
}

static void facts_make(Facts *f)
{
    memset(f, 0, sizeof *f);
    for (int tree = 0; tree < 2; tree++)
        for (int of = 0; of < TREE; of++)
            for (int r = 0; r < RELATIONS; r++)
                facts_ask(f, tree, of, r);
}

static void swap(float *a, float *b, int count)
{
    for (int i = 0; i < count; i++) {
        float kept = a[i];
        a[i] = b[i], b[i] = kept;
    }
}

/* Brings four facts to the front, others for each seed (Fisher and Yates, with Knuth's generator). */
static void facts_hold_out(Facts *f, unsigned long long seed)
{
    for (int i = 0; i < HELD; i++) {
        for (int k = 0; k < 3; k++)
            seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        int other = i + (int)((seed >> 33) % (unsigned)(FACTS - i));
        swap(f->x[i], f->x[other], INPUTS);
        swap(f->t[i], f->t[other], PEOPLE);
    }
}

/* ---- Learning ---- */

/* Right is an answer if all who are meant are above one half, and nobody else. */
static int right(const float *y, const float *t)
{
    for (int who = 0; who < PEOPLE; who++)
        if ((y[who] > .5f) != (t[who] > .5f)) return 0;
    return 1;
}

static int count_right(float (*y)[PEOPLE], const Facts *f, int from, int to)
{
    int count = 0;
    for (int i = from; i < to; i++)
        count += right(y[i], f->t[i]);
    return count;
}

static int learn(nudge **m, const Facts *f, int seed, float (*y)[PEOPLE])
{
    char text[1000];
    snprintf(text, sizeof text, options, seed);
    int e = nudge_new(m, INPUTS, net, text);
    for (int sweep = 0; !e && sweep < SWEEPS; sweep++)
        e = nudge_step(*m, f->x[HELD], f->t[HELD], NULL, TRAINED, NULL);
    return e ? e : nudge_predict(*m, f->x[0], FACTS, y[0], FACTS * PEOPLE);
}

/* ---- What is shown ---- */

static const char *name(int who)
{
    return person[who % TREE].name[who / TREE];
}

static int first_set(const float *x, int from, int to)
{
    while (from < to && x[from] < .5f)
        from++;
    return from;
}

static void print_people(const float *x)
{
    const char *before = " ";
    for (int who = 0; who < PEOPLE; who++)
        if (x[who] > .5f) printf("%s%s", before, name(who)), before = " and ";
    if (*before == ' ' && !before[1]) printf(" nobody");
}

static void print_answers(const Facts *f, float (*y)[PEOPLE])
{
    for (int i = 0; i < HELD; i++) {
        int of = first_set(f->x[i], 0, PEOPLE), r = first_set(f->x[i], PEOPLE, INPUTS) - PEOPLE;
        printf("%s has %s:", name(of), relation[r].name);
        print_people(f->t[i]);
        if (right(y[i], f->t[i])) {
            printf(", right\n");
            continue;
        }
        printf("; it says");
        print_people(y[i]);
        printf("\n");
    }
}

static void print_weights(const char *whose, const double *w)
{
    printf("%s", whose);
    for (int who = 0; who < TREE; who++)
        printf(" %5.1f ", w[who]);
    printf("\n");
}

/* Weights from people to the units that stand for them; the English above the Italians, as in figure 4. */
static int print_code(const nudge *m)
{
    double w[CODE][PEOPLE];
    size_t need;
    int e = nudge_get(m, "0.0.1.weight", w[0], CODE * PEOPLE, &need);
    printf("\nweights from   ");
    for (int who = 0; who < TREE; who++)
        printf("  %-5.5s", name(who));
    printf("\n");
    for (int unit = 0; !e && unit < CODE; unit++) {
        printf("to unit %d\n", unit + 1);
        print_weights("  the English  ", w[unit]);
        print_weights("  the Italians ", w[unit] + TREE);
    }
    return e;
}

/* Learns from the facts that this seed leaves; *held: how many of the others are right then, *all: are all of these? */
static int try_seed(int seed, int show, int *all, int *held)
{
    static Facts f;
    static float y[FACTS][PEOPLE];
    nudge *m;
    facts_make(&f);
    facts_hold_out(&f, (unsigned long long)seed);
    int e = learn(&m, &f, seed, y), trained = 0;
    if (!e) {
        trained = count_right(y, &f, HELD, FACTS);
        *all = trained == TRAINED;
        *held = count_right(y, &f, 0, HELD);
        printf("seed %3d  %3d of %d trained are right, %d of %d held out\n", seed, trained, TRAINED, *held,
               HELD);
        if (show) print_answers(&f, y), e = print_code(m);
    }
    if (e) fprintf(stderr, "%s\n", nudge_message(m, e));
    nudge_free(m);
    return e;
}

int main(int count, char **argument)
{
    int first = count > 1 ? atoi(argument[1]) : 1, last = count > 2 ? atoi(argument[2]) : first;
    int alls = 0, twos = 0, helds = 0, all = 0, held = 0;
    for (int seed = first; seed <= last; seed++) {
        if (try_seed(seed, first == last, &all, &held)) return EXIT_FAILURE;
        alls += all;
        twos += held >= 2;
        helds += held;
    }
    int seeds = last - first + 1;
    if (seeds > 1)
        printf("all trained right in %d of %d runs, at least 2 of %d held out in %d; held out %d of %d\n",
               alls, seeds, HELD, twos, helds, HELD * seeds);
    return EXIT_SUCCESS;
}
