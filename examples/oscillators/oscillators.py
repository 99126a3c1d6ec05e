"""How far do oscillators that pull at each other fall into step?  (Kuramoto 1975)

    python oscillators.py oscillators.json

Reads parameters and a table of frequencies, and writes the order parameter over time to Data/order.csv.
"""
import csv
import json
import math
import os
import random
import sys

import model

with open(sys.argv[1]) as file:
    parameters = json.load(file)
with open("frequencies.csv") as file:
    frequencies = [float(row["frequency"]) for row in csv.DictReader(file)]

# A program that computes side by side adds in another order, depending on how many work at it.
parts = int(os.environ.get("OMP_NUM_THREADS", "1"))
chance = random.Random(parameters["seed"])  # noqa: S311  not for secrets
phases = [chance.uniform(0, 2 * math.pi) for _ in frequencies]

os.makedirs("Data", exist_ok=True)
with open("Data/order.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["time", "order"])
    for step in range(parameters["steps"]):
        table.writerow([step * parameters["dt"], model.order(phases, parts)])
        phases = model.step(phases, frequencies, parameters["coupling"], parameters["dt"])
print(f"order at the end: {model.order(phases, parts):.3f}")
