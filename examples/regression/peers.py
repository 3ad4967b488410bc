# What scikit-learn makes of the same rows: the figures in README.md. Not needed to run the example.
import csv

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error, r2_score


def table(path):
    with open(path) as file:
        rows = np.array(list(csv.reader(file))[1:], dtype=float)
    return rows[:, :-1], rows[:, -1]


x, t = table("concrete-train.csv")
x_test, t_test = table("concrete-test.csv")
for model in LinearRegression(), GradientBoostingRegressor(random_state=0), RandomForestRegressor(500, random_state=0):
    y = model.fit(x, t).predict(x_test)
    print(f"{type(model).__name__}: rmse {mean_squared_error(t_test, y) ** .5:.3f}, r2 {r2_score(t_test, y):.4f}")
