# What scikit-learn makes of the same rows: the figures in README.md. Not needed to run the example.
import csv
import gzip

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

LABELS = 14


def table(path):
    with gzip.open(path, "rt") as file:
        rows = np.array(list(csv.reader(file))[1:], dtype=float)
    return rows[:, :-LABELS], rows[:, -LABELS:].astype(int)


x, t = table("yeast-train.csv.gz")
x_test, t_test = table("yeast-test.csv.gz")
logistic = make_pipeline(StandardScaler(), LogisticRegression(C=1, max_iter=3000))
for name, model in {
    "logistic": MultiOutputClassifier(logistic),
    "random trees": RandomForestClassifier(500, random_state=0),
}.items():
    p = np.stack([column[:, 1] for column in model.fit(x, t).predict_proba(x_test)], axis=1)
    said = p > 0.5
    print(f"{name}: accuracy {(said == t_test).mean():.3f}, subset {(said == t_test).all(1).mean():.3f}, "
          f"F1 {f1_score(t_test, said, average='macro', zero_division=0):.3f}, "
          f"micro {f1_score(t_test, said, average='micro'):.3f}, auc {roc_auc_score(t_test, p):.3f}")
