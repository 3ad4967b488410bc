/* commands.c: see commands.h. */
#include "jobs/commands.h"

#include "base/text.h"
#include "jobs/job.h"
#include <string.h>

static const CommandRow command_table[] = {
    {"train",
     "RECIPE | DATA [LABELS]",
     0,
     2,
     true,
     "trains a network on a table, on images, or by a recipe",
     "A CSV file alone is enough: target, task, network, loss and optimizer are chosen to suit it, and named. A "
     "recipe (a .yaml file) or KEY=VALUE decides any of them; `nudge help recipe` lists the keys.\n\n"
     "The run is written to a directory, runs/NAME unless -o names one: recipe.yaml with every decision, "
     "model.safetensors with the best weights, checkpoint.safetensors with all that --resume needs, and log.csv. "
     "Ctrl-C writes a checkpoint and ends; a second one ends at once.",
     {"nudge train iris.csv",
      "nudge train iris.csv target=species epochs=50 net='dense(16) tanh dense(classes)'",
      "nudge train digits.yaml -o runs/digits", "nudge train --resume runs/digits"},
     job_train},
    {"eval",
     "MODEL [DATA [LABELS]]",
     1,
     3,
     false,
     "measures a model: loss and metrics, beside the trivial predictor's",
     "MODEL is a run's directory or a model.safetensors. Without DATA it is measured on the test part that its "
     "recipe names, else on the rows that were held out of training; it says which.",
     {"nudge eval runs/iris", "nudge eval runs/iris new.csv", "nudge eval runs/iris --json"},
     job_eval},
    {"predict",
     "MODEL [DATA | -]",
     1,
     2,
     false,
     "writes a prediction for each row, as CSV",
     "Rows come from DATA, or from standard input. A classifier's prediction is followed by the probability of each "
     "class, in columns p_CLASS; several targets have a column each, prediction_TARGET, and labels p_LABEL, too. A row is written as soon as its row is in, so it can stand in a pipe.\n\n"
     "Of a model of text, each line of the text is a row, and what is predicted is how likely it is: its tokens, the mean "
     "of -log(probability) over them, and the perplexity, exp of that.",
     {"nudge predict runs/iris new.csv > predictions.csv",
      "tail -f rows.csv | nudge predict runs/iris --keep id"},
     job_predict},
    {"sample",
     "MODEL",
     1,
     1,
     false,
     "writes text as a model that was trained on text would",
     "The text goes on from the prompt, token by token, each drawn by the probabilities that the model gives. The lower "
     "the temperature, the more often the likeliest token comes; at 0 always. The same model, prompt and seed give the "
     "same text.",
     {"nudge sample runs/input --prompt 'ROMEO:' --length 300",
      "nudge sample runs/names --temperature 0.8 --seed 7"},
     job_sample},
    {"cv",
     "RECIPE | DATA [LABELS]",
     1,
     2,
     true,
     "cross-validates: trains k times, each time judged on another part",
     "The rows are dealt into k parts, stratified by class. Each part is once the one to judge by, while the others "
     "train. It prints each part's metrics, their mean, and their spread (standard deviation). Nothing is kept.",
     {"nudge cv iris.csv", "nudge cv iris.csv --folds 10 net='dense(8) relu dense(classes)'"},
     job_cv},
    {"importance",
     "MODEL [DATA [LABELS]]",
     1,
     3,
     false,
     "tells which columns a model relies on (permutation importance)",
     "Shuffles one column at a time and measures how much worse the model gets (Breiman, Random Forests, 2001). "
     "Without DATA it uses the rows that `nudge eval` would.",
     {"nudge importance runs/iris", "nudge importance runs/iris new.csv --repeats 20"},
     job_importance},
    {"explain",
     "RECIPE | MODEL [DATA [LABELS]]",
     1,
     3,
     true,
     "shows the error of a row flowing backward, layer by layer",
     "With --row: what each layer computes for that row, the loss, and then from the end to the beginning which "
     "gradient arrives at a layer, by what it multiplies it, and what it hands on; how large each parameter's share "
     "is, and what it is changed by, for this row alone and for the batch that it is in. Without --row: how the "
     "gradient shrinks or grows from layer to layer, over many rows, and what to try against it.\n\n"
     "A recipe is explained before its first update, or after --step N updates, which are those that `nudge train` "
     "would do.",
     {"nudge explain examples/xor/xor.yaml --row 3",
      "nudge explain examples/xor/xor.yaml --row 3 --step 1000", "nudge explain runs/iris",
      "nudge explain runs/iris new.csv --row 1 --json"},
     job_explain},
    {"inspect",
     "RECIPE | MODEL",
     1,
     2,
     true,
     "shows layers, parameters, operations and memory of a network",
     "For each layer its output, its parameters, the operations of the forward and of the backward pass, and what has "
     "to be kept between the two, for one batch. All of it is counted in the programs that run, not estimated. --plan "
     "also prints the instructions of a training step.",
     {"nudge inspect examples/xor/xor.yaml", "nudge inspect iris.csv batch=64 --plan",
      "nudge inspect runs/iris --json"},
     job_inspect},
    {"check",
     "RECIPE | DATA [LABELS]",
     1,
     2,
     true,
     "compares every parameter's gradient with finite differences",
     "Computes in float64, near the initial weights, along single elements and along random directions. Exit status 1 "
     "if a relative error is above 1e-6. Directions in which the loss has a bend (relu at 0) are left out and counted.",
     {"nudge check examples/xor/xor.yaml", "nudge check iris.csv net='dense(8) gelu dense(classes)'"},
     job_check},
    {"lr",
     "RECIPE | DATA [LABELS]",
     1,
     2,
     true,
     "tries learning rates, and suggests one (range test)",
     "Trains for 200 steps while lr grows from 1e-7 to 10, and shows the loss on the way (Smith 2015). A good rate is "
     "well below the one at which the loss was least: a tenth of it is what it suggests. Nothing is kept.",
     {"nudge lr iris.csv", "nudge lr digits.yaml optimizer=sgd batch=32"},
     job_lr},
    {"ops",
     "[NAME]",
     0,
     1,
     false,
     "lists operations, activations, layers, losses, optimizers, schedules",
     "What networks are written with is rows of text: `nudge ops` lists them, `nudge ops NAME` shows the text of one, its "
     "gradient, and where it comes from. Rows of your own stand under define: in a recipe.",
     {"nudge ops", "nudge ops adam", "nudge ops softplus --json"},
     job_ops},
    {"bench",
     "[JOB ...]",
     0,
     JOB_OPERANDS,
     false,
     "measures speed: milliseconds a step, share of this machine's peak",
     "Jobs: xor, mlp32, mlp32adam, tab128, mlp512 (a training step) and predict1, predict2 (a row predicted); all of "
     "them unless some are named. The floor is the time that the operations would take at the measured peak, or the "
     "weights and rows to be moved once at the measured bandwidth. Machines are noisy: compare within one run.",
     {"nudge bench", "nudge bench mlp32 --threads 1 --json", "nudge bench --profile tab128"},
     job_bench},
    {"help",
     "[COMMAND | recipe]",
     0,
     1,
     false,
     "explains a command, or the keys of a recipe",
     "",
     {"nudge help train", "nudge help recipe", "nudge help --man > nudge.1",
      "source <(nudge help --completion bash)"},
     job_help},
};

enum { COMMAND_ROWS = sizeof command_table / sizeof *command_table };

static const OptionRow option_table[] = {
    {"output", 'o', "DIR", "output", "train", "runs/NAME", "the directory to write the run to"},
    {"resume", 0, "DIR", NULL, "train", NULL, "goes on with the run in DIR from its checkpoint"},
    {"keep", 0, "COLUMNS", NULL, "predict", NULL,
     "columns of the input to copy before the prediction, separated by commas"},
    {"prompt", 0, "TEXT", NULL, "sample", NULL, "how the text begins"},
    {"length", 'n', "N", NULL, "sample", "500", "how many tokens follow"},
    {"temperature", 0, "T", NULL, "sample", "1",
     "below 1 likelier tokens, above 1 more surprising ones; 0: the likeliest"},
    {"top-k", 0, "K", NULL, "sample", "0", "only the K likeliest tokens; 0: all"},
    {"seed", 0, "N", NULL, "sample", "1", "where random numbers start"},
    {"folds", 'k', "K", NULL, "cv", "5", "how many parts"},
    {"repeats", 0, "N", NULL, "importance", "5", "how often each column is shuffled"},
    {"row", 'r', "N", NULL, "explain", NULL, "the row to explain, from 1"},
    {"step", 0, "N", NULL, "explain", NULL, "trains a recipe for so many updates first"},
    {"profile", 0, "JOB", NULL, "bench", NULL, "the time of each instruction of a job"},
    {"steps", 0, "N", NULL, "bench", NULL,
     "exactly N steps, 0 or more, and no peaks: for programs that count or sample instructions"},
    {"plan", 0, NULL, NULL, "inspect", NULL, "also prints the instructions of a training step"},
    {"threshold", 0, "P", "threshold", "eval predict importance", NULL,
     "the probability above which the second of two classes, or a label, is predicted"},
    {"delimiter", 0, "C", "delimiter", "eval predict importance", NULL,
     "what separates fields; by default told from the file"},
    {"header", 0, "true|false", "header", "eval predict importance", NULL,
     "whether the first row has names; by default told from the file"},
    {"threads", 0, "N", "threads", "train eval predict sample cv importance lr bench", "0",
     "how many threads compute; 0: one for each processor"},
    {"man", 0, NULL, NULL, "help", NULL, "prints the man page"},
    {"completion", 0, "SHELL", NULL, "help", NULL, "prints completions for bash, zsh or fish"},
    {"json", 0, NULL, NULL, NULL, NULL, "prints one JSON object a line, to standard output"},
    {"quiet", 'q', NULL, NULL, NULL, NULL, "prints results and errors only"},
    {"help", 'h', NULL, NULL, NULL, NULL, "explains the command"},
    {"version", 0, NULL, NULL, NULL, NULL, "prints the version"},
};

enum { OPTION_ROWS = sizeof option_table / sizeof *option_table };

const CommandRow *commands_table(size_t *count)
{
    *count = COMMAND_ROWS;
    return command_table;
}

const OptionRow *commands_options(size_t *count)
{
    *count = OPTION_ROWS;
    return option_table;
}

const CommandRow *command_find(const char *name)
{
    for (const CommandRow *row = command_table; row < command_table + COMMAND_ROWS; row++)
        if (!strcmp(row->name, name)) return row;
    return NULL;
}

const char *command_nearest(const char *name)
{
    const char *names[COMMAND_ROWS];
    for (size_t i = 0; i < COMMAND_ROWS; i++)
        names[i] = command_table[i].name;
    return name_nearest(name, names, COMMAND_ROWS);
}

bool option_belongs(const OptionRow *option, const CommandRow *command)
{
    size_t length = strlen(command->name);
    for (const char *at = option->commands; at && (at = strstr(at, command->name)); at += length)
        if ((at == option->commands || at[-1] == ' ') && (!at[length] || at[length] == ' ')) return true;
    return !option->commands;
}

const OptionRow *option_find(const CommandRow *command, const char *name, size_t length)
{
    for (const OptionRow *row = option_table; row < option_table + OPTION_ROWS; row++)
        if (strlen(row->name) == length && !memcmp(row->name, name, length) && option_belongs(row, command))
            return row;
    return NULL;
}

const OptionRow *option_find_letter(const CommandRow *command, char letter)
{
    for (const OptionRow *row = option_table; row < option_table + OPTION_ROWS; row++)
        if (row->letter && row->letter == letter && option_belongs(row, command)) return row;
    return NULL;
}
