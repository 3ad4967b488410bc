# Several targets, labels and inputs as targets: what is said, kept and predicted, and what is refused.
source "$SOURCE/tests/cli.bash"

# Three inputs; wet is yes where a + b > 1.2, warm is 1 where b > c; sum is a + b.
awk 'BEGIN {
    print "a,b,c,wet,warm,sum"
    for (i = 0; i < 240; i++) {
        a = i * 37 % 101 / 101; b = i * 53 % 97 / 97; c = i * 71 % 103 / 103
        print a "," b "," c "," (a + b > 1.2 ? "yes" : "no") "," (b > c ? 1 : 0) "," a + b
    }
}' >data.csv

# at_least VALUE LEAST, of the figure NAME that is said in JSON of the file out
figure() {
    grep -o "\"$1\":[0-9.e-]*" out | head -n 1 | cut -d : -f 2
}
at_least() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a >= b) }' || fail "$1 is less than $2: $(cat out)"
}

run_one() {
    run "$@" --threads 1
}

# ---- Labels
run_one 0 train data.csv target='[warm, wet]' ignore=sum epochs=40 -o labels
has err 'targets wet, warm (0 or 1): labels' 'dense(targets)' ' · bce · ' 'always saying what is more frequent'
has labels/recipe.yaml 'target: [warm, wet]' 'task: labels' 'loss: bce'
has labels/log.csv 'subset_accuracy,f1,f1_micro,auc,average_precision,log_loss'
run_one 0 eval labels
has out 'label' 'precision' 'wet ' 'warm '
run_one 0 eval labels data.csv --json
at_least "$(figure accuracy)" .95
at_least "$(figure subset_accuracy)" .9
at_least "$(figure auc)" .98
has out '"labels":[{"label":"wet","rows":'
run_one 0 predict labels data.csv
head -n 2 out >top
has top 'prediction_wet,prediction_warm,p_wet,p_warm' 'no,0,'
run_one 0 predict labels data.csv --json
has out '"prediction":{"wet":"yes","warm":"1"},"p":{"wet":0.'
run_one 0 cv data.csv target='[warm, wet]' ignore=sum epochs=2 --folds 2
has out 'f1_micro'
run_one 0 explain labels --row 1
has out 'expected 0 0'
run_one 0 check data.csv target='[warm, wet]' ignore=sum
run_one 0 train data.csv target='[wet, warm]' ignore=sum 'loss=focal(gamma=2)' epochs=5 -o focal
run_one 0 train data.csv target='[wet, warm]' ignore=sum 'net=dense(targets) sigmoid' loss=bce_probability epochs=5 -o chances
refuses 2 'loss: cross_entropy is for classes, of which a row has one, but labels are each so or not so' \
    train data.csv target='[wet, warm]' loss=cross_entropy
refuses 2 'labels are each so or not so' train data.csv target='[wet, warm]' loss=hinge
refuses 2 'gives 3 numbers for each row, but there are 2 targets' train data.csv target='[wet, warm]' net='dense(3)'
refuses 2 'column a has 101 different values, but a label has two' train data.csv target='[wet, a]' task=labels
refuses 2 'a class is told by one target, but there are 2' train data.csv target='[wet, warm]' task=classify
refuses 2 'did you mean wet?' train data.csv target='[wat, warm]'
refuses 2 'balance: weights the classes of a target' train data.csv target='[wet, warm]' balance=true
refuses 2 'monitor: no figure for labels is called rmse' train data.csv target='[wet, warm]' monitor=rmse

# ---- Several numbers
run_one 0 train data.csv target='[sum, warm]' ignore=wet epochs=40 -o numbers
has err 'targets warm, sum (numbers): regress'
run_one 0 eval numbers data.csv --json
at_least "$(figure r2)" .8
has out '"targets":[{"target":"warm","rmse":'
run_one 0 predict numbers data.csv
has out 'prediction_warm,prediction_sum'

# ---- Inputs as targets
run_one 0 train data.csv task=reconstruct epochs=60 net='dense(6) tanh dense(features)' -o again
has err 'numeric columns, 1 column of categories · reconstruct · ' 'rmse'
run_one 0 eval again
has out 'explained'
run_one 0 eval again data.csv --json
at_least "$(figure explained)" .9
run_one 0 predict again data.csv
has out 'prediction_a,prediction_b,prediction_c,prediction_wet=no,prediction_wet=yes,prediction_warm,prediction_sum'
run_one 0 importance again
run_one 0 explain again --row 1
refuses 2 'end the net with dense(features)' train data.csv task=reconstruct net='dense(3)'
refuses 2 'loss: bce is for targets from 0 to 1, but the inputs are standardized' \
    train data.csv task=reconstruct loss=bce
run_one 0 train data.csv task=reconstruct loss=bce standardize=false ignore=sum epochs=2 -o chance
refuses 2 'there is no target; to leave a column out: ignore=sum' train data.csv task=reconstruct target=sum

# ---- Thresholds
run_one 0 train data.csv target=wet ignore='[sum, warm]' epochs=3 threshold=0.9 -o high
run_one 0 eval high data.csv --json
high=$(figure recall)
run_one 0 eval high data.csv --json --threshold 0.01
[ "$high" != "$(figure recall)" ] || fail "the threshold changes nothing: recall $high"
run_one 0 eval high --threshold 0.01
has out 'predicted above the probability 0.01'
run_one 0 predict high data.csv --threshold 1
! grep -q '^yes,' out || fail "yes above the probability 1"
run_one 0 predict high data.csv --threshold 0
! grep -q '^no,' out || fail "no above the probability 0"
run_one 0 train data.csv target='[wet, warm]' ignore=sum epochs=4 threshold=f1 -o chosen
has chosen/recipe.yaml 'threshold: f1'
run_one 0 eval chosen
has out 'predicted above the probability 0.' 'label by label'
run_one 0 train data.csv target='[wet, warm]' ignore=sum epochs=4 threshold='0.5 0.2' -o two
refuses 2 'nor one for each of the 2 labels' train data.csv target='[wet, warm]' threshold='0.1 0.2 0.3'
refuses 2 'threshold: 2 is no probability' train data.csv target=wet threshold=2
refuses 2 'threshold: is for two classes or for labels' train data.csv target=sum threshold=0.4
refuses 2 'f1 is chosen in training' eval high --threshold f1
