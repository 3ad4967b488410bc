/* gan.c: two nets against each other (Goodfellow et al., "Generative adversarial nets", NIPS 2014), in the plane. One
 * makes points from noise; the other tells them from points of a ring of eight small clouds, of deviation 0.02 at
 * distance 2 from the middle (Metz et al., "Unrolled generative adversarial networks", ICLR 2017). The first learns to
 * be taken for the clouds, which it never sees. A penalty on the judge's slope at real points keeps the two from chasing
 * each other round the ring (Mescheder, Geiger and Nowozin, "Which training methods for GANs do actually converge?", ICML
 * 2018).
 *
 * cc gan.c -lnudge -lm && ./a.out [SEED [STEPS]] */
#include <math.h>
#include <nudge.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLOUDS = 8, BATCH = 256, ASKED = 2500, WIDE = 61, HIGH = 31 };

static const double pi = 3.14159265358979323846, radius = 2, deviation = 0.02;
static const char generator[] = "dense(128) relu dense(128) relu dense(2)";
static const char judge[] =
    "dense(128) relu dense(128) relu dense(1)"; /* above 0: it takes a point for real */

typedef struct Game {
    nudge_graph *graph;
    nudge_program *judging, *making, *showing;
} Game;

/* One graph, three programs: a step of each net, and the points to look at. Both losses depend on both nets, so each
 * optimizer is told which parameters are its own. `rate` is set before each step. */
static int game_open(Game *game, const char *options)
{
    nudge_graph *g;
    nudge_graph_new(&game->graph, options);
    g = game->graph;
    nudge_scalar(g, "rate");
    nudge_tensor real = nudge_input(g, "real", 2, (int64_t[]){BATCH, 2});
    nudge_tensor fake = nudge_net(g, "generator", generator, nudge_formula(g, "normal(256, 2)"));
    nudge_let(g, "of_real", nudge_net(g, "judge", judge, real));
    nudge_let(g, "of_fake", nudge_net(g, "judge", judge, fake));

    nudge_tensor doubt = nudge_formula(g, "mean(softplus(-of_real)) + mean(softplus(of_fake))"
                                          " + 0.1*mean(sum(grad(of_real, real)^2, -1))");
    nudge_optimize(g, "adam(lr=rate, beta1=0.5)", doubt, "judge.*");
    int e = nudge_compile(&game->judging, g);

    nudge_tensor caught = nudge_formula(g, "mean(softplus(-of_fake))");
    nudge_optimize(g, "adam(lr=rate, beta1=0.5)", caught, "generator.*");
    if (!e) e = nudge_compile(&game->making, g);

    nudge_output(g, "points", nudge_net(g, "generator", generator, nudge_formula(g, "normal(2500, 2)")));
    if (!e) e = nudge_compile(&game->showing, g);
    return e;
}

static void game_close(Game *game)
{
    nudge_program_free(game->judging);
    nudge_program_free(game->making);
    nudge_program_free(game->showing);
    nudge_graph_free(game->graph);
}

/* Uniform in (0, 1): a generator of Lehmer's, as good as is needed here and the same everywhere. */
static double draw(uint64_t *state)
{
    *state = *state * 48271 % 2147483647;
    return (double)*state / 2147483647;
}

static void centre(int cloud, double *x, double *y)
{
    *x = radius * cos(2 * pi * cloud / CLOUDS);
    *y = radius * sin(2 * pi * cloud / CLOUDS);
}

/* Points of the ring; the two normal deviates are Box and Muller's. */
static void make_real(float *point, uint64_t *state)
{
    for (int i = 0; i < BATCH; i++) {
        double x, y, far = deviation * sqrt(-2 * log(draw(state))), turn = 2 * pi * draw(state);
        centre((int)(CLOUDS * draw(state)), &x, &y);
        point[2 * i] = (float)(x + far * cos(turn));
        point[2 * i + 1] = (float)(y + far * sin(turn));
    }
}

/* The rate stays for half of the steps, then falls to 0. */
static int game_play(Game *game, uint64_t seed, int steps)
{
    float *real = nudge_memory(game->judging, "real");
    int e = NUDGE_OK;
    for (int step = 0; !e && step < steps; step++) {
        double rate = 1e-3 * fmin(1, 2 * (1 - (double)step / steps));
        make_real(real, &seed);
        nudge_number(game->judging, "rate", rate);
        nudge_number(game->making, "rate", rate);
        e = nudge_run(game->judging);
        if (!e) e = nudge_run(game->making);
    }
    return e;
}

/* Counts what lies within three deviations of a cloud's centre. Returns how many points do. */
static int count(const float *point, int cloud[CLOUDS])
{
    int near = 0;
    for (int i = 0; i < ASKED; i++)
        for (int k = 0; k < CLOUDS; k++) {
            double x, y;
            centre(k, &x, &y);
            if (hypot(point[2 * i] - x, point[2 * i + 1] - y) < 3 * deviation) near++, cloud[k]++;
        }
    return near;
}

static void picture(const float *point)
{
    static const char shade[] = " .:+*#@";
    int seen[HIGH][WIDE] = {{0}};
    for (int i = 0; i < ASKED; i++) {
        long c = lround((point[2 * i] / 2.4 + 1) * (WIDE - 1) / 2),
             r = lround((1 - point[2 * i + 1] / 2.4) * (HIGH - 1) / 2);
        if (c >= 0 && c < WIDE && r >= 0 && r < HIGH) seen[r][c]++;
    }
    for (int r = 0; r < HIGH; r++) {
        char line[WIDE + 1] = {0};
        int last = 0;
        for (int c = 0; c < WIDE; c++) {
            int level = 0;
            for (int n = seen[r][c]; n && level < 6; n /= 2)
                level++;
            line[c] = shade[level];
            if (level) last = c + 1;
        }
        line[last] = 0;
        printf("%s\n", line);
    }
}

int main(int arguments, char **argument)
{
    int seed = arguments > 1 ? atoi(argument[1]) : 1, steps = arguments > 2 ? atoi(argument[2]) : 5000;
    int cloud[CLOUDS] = {0};
    char options[40];
    Game game = {0};
    snprintf(options, sizeof options, "seed=%d", seed);
    int e = game_open(&game, options);
    if (!e) e = game_play(&game, 1 + (uint64_t)seed, steps);
    if (!e) e = nudge_run(game.showing);
    if (e) {
        fprintf(stderr, "%s\n", nudge_graph_message(game.graph, e));
    } else {
        const float *point = nudge_memory(game.showing, "points");
        picture(point);
        printf("%.1f %% within 3 deviations; of each cloud:", 100.0 * count(point, cloud) / ASKED);
        for (int k = 0; k < CLOUDS; k++)
            printf(" %.1f", 100.0 * cloud[k] / ASKED);
        printf("\n");
    }
    game_close(&game);
    return e;
}
