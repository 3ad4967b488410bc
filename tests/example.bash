# What the example_*.sh tests share; they source it first. Afterwards the working directory is a copy of examples/, and
# `nudge` is the command, as if it were installed.
source "$SOURCE/tests/cli.bash"

mkdir bin
ln -s "$NUDGE" bin/nudge
export PATH=$work/bin:$PATH CPATH=$SOURCE/include LIBRARY_PATH=$BUILD LD_LIBRARY_PATH=$BUILD
cp -r "$SOURCE/examples" .
cd examples

# What differs from machine to machine: every number, how full a bar is, and padding. Words must be the same.
masked() {
    sed -E 's/[-+]?[0-9]+(,[0-9]{3})*(\.[0-9]+)?(e[-+]?[0-9]+)?[kMG]?/#/g; s/#(x#)+/#/g; s/(▏|▎|▍|▌|▋|▊|▉|█)+/▊/g
        s/threads?/thread/g; s/epochs?/epoch/g; s/# ?(ms|s|min|h)\b/# s/g; s/ \*//g; s/ +/ /g; s/ $//'
}

# Divides a page into its transcripts: N.command and N.wanted, for each line "$ COMMAND" of a ```console block.
transcripts_divide() {
    awk -v out="$work/transcripts/" '
        /^```/ { inside = $0 == "```console"; next }
        inside && /^\$ / { n++; print substr($0, 3) > (out n ".command"); printf "" > (out n ".wanted"); next }
        inside { print > (out n ".wanted") }' "$1"
}

# The lines wanted are those that came, one after the other; a line "..." stands for any number of them. So what is wanted
# is runs of lines: the first begins, the last ends, the others follow somewhere.
transcripts_compare() {
    awk -v wanted="$1" '
        function fits(run, from,   i) {
            for (i = 1; i <= count[run]; i++) if (got[from + i - 1] != line[run, i]) return 0
            return 1
        }
        BEGIN {
            runs = 1
            while ((getline text < wanted) > 0) if (text == "...") runs++; else line[runs, ++count[runs]] = text
        }
        { got[++gots] = $0 }
        END {
            at = 1
            for (run = 1; run <= runs; run++) {
                from = at
                if (run > 1 && run == runs && gots - count[run] + 1 > at) from = gots - count[run] + 1
                if (run > 1) while (from + count[run] <= gots && !fits(run, from)) from++
                if (!fits(run, from)) { print "this does not come, or not here: " line[run, 1]; exit 1 }
                at = from + count[run]
            }
            if (at <= gots) { print "nothing more is wanted, but this comes: " got[at]; exit 1 }
        }' "$2"
}

# transcripts PAGE: runs what the page shows, here, and compares what comes with what it shows.
transcripts() {
    local n=0 command
    rm -rf "$work/transcripts"
    mkdir "$work/transcripts"
    transcripts_divide "$1"
    while [ -e "$work/transcripts/$((n += 1)).command" ]; do
        command=$(cat "$work/transcripts/$n.command")
        bash -c "$command" >"$work/got" 2>&1 </dev/null || true
        masked <"$work/transcripts/$n.wanted" >"$work/wanted.masked"
        masked <"$work/got" >"$work/got.masked"
        transcripts_compare "$work/wanted.masked" "$work/got.masked" >"$work/why" ||
            fail "$1: \$ $command
$(cat "$work/why")
all of it: $(cat "$work/got")"
    done
    [ $n -gt 1 ] || fail "$1 has no transcript"
}

# programs PAGE: compiles and runs each C program that the page shows.
programs() {
    local n=0
    rm -rf "$work/programs"
    mkdir "$work/programs"
    awk -v out="$work/programs/" '/^```/ { inside = $0 == "```c"; n += inside; next } inside { print > (out n ".c") }' "$1"
    while [ -e "$work/programs/$((n += 1)).c" ]; do
        cc -std=c11 -Wall -Wextra -Werror "$work/programs/$n.c" -lnudge -lm -o "$work/programs/$n" >"$work/why" 2>&1 ||
            fail "$1: program $n does not compile: $(cat "$work/why")"
        "$work/programs/$n" >"$work/programs/$n.out" 2>&1 || fail "$1: program $n: $(cat "$work/programs/$n.out")"
    done
    [ $n -gt 1 ] || fail "$1 has no program"
}

# same_bits KEY SOME ALL ARGUMENT...: `nudge train ARGUMENT... KEY=ALL` leaves the same bits with 1, 2 and 4 threads, and when
# it first goes as far as KEY=SOME and is resumed from there. KEY is steps or epochs; the schedule must be constant.
same_bits() {
    local key=$1 some=$2 all=$3 threads
    shift 3
    for threads in 1 2 4; do
        nudge train "$@" "$key=$all" --threads "$threads" --quiet -o "bits-$threads"
    done
    nudge train "$@" "$key=$some" --threads 1 --quiet -o bits-resumed
    ! cmp -s bits-resumed/model.safetensors bits-1/model.safetensors || fail "$key=$some is no less than $key=$all"
    nudge train --resume bits-resumed "$key=$all" --threads 4 --quiet
    for threads in 2 4 resumed; do
        cmp "bits-1/model.safetensors" "bits-$threads/model.safetensors"
    done
    rm -r bits-*
}

# near VALUE WANTED RELATIVE
near() {
    awk -v a="$1" -v b="$2" -v r="$3" 'BEGIN { d = a - b; exit !((d < 0 ? -d : d) <= r*(b < 0 ? -b : b)) }' ||
        fail "$1 instead of $2"
}

# at_least VALUE LEAST
at_least() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a >= b) }' || fail "$1 is less than $2"
}

# at_most VALUE MOST
at_most() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a + 0 <= b) }' || fail "$1 is more than $2"
}

# accuracy MODEL [DATA...]: in per cent.
accuracy() {
    "$NUDGE" eval "$@" --json | grep -o '"accuracy":[0-9.e-]*' | awk -F : 'NR == 1 { print 100*$2 }'
}
