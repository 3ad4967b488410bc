# What scikit-learn makes of the same rows: the figures in README.md. Not needed to run the example.
import csv
import gzip

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def table(path):
    with gzip.open(path, "rt") as file:
        rows = np.array(list(csv.reader(file))[1:], dtype=float)
    return rows[:, :-1], rows[:, -1]


def logistic(weight):
    return make_pipeline(StandardScaler(), LogisticRegression(C=1e4, max_iter=3000, class_weight=weight))


x, t = table("satellite-train.csv.gz")
x_test, t_test = table("satellite-test.csv.gz")
for name, model in {
    "logistic": logistic(None),
    "logistic, balanced": logistic("balanced"),
    "random trees": RandomForestClassifier(500, random_state=0),
}.items():
    p = model.fit(x, t).predict_proba(x_test)[:, 1]
    said = p > 0.5
    print(f"{name}: precision {precision_score(t_test, said):.3f}, recall {recall_score(t_test, said):.3f}, "
          f"F1 {f1_score(t_test, said):.3f}, auc {roc_auc_score(t_test, p):.3f}, "
          f"average precision {average_precision_score(t_test, p):.3f}")
