"""Trains the net of examples/shakespeare/lstm.yaml in PyTorch, from nudge's initial weights and on nudge's batches, and
prints the losses of both.

    python tests/torch_shakespeare.py build/release/nudge [STEPS]           (2000 steps; PyTorch 2.15, float32)

The figures in examples/shakespeare/README.md come from it. Weights are read from files that nudge writes; which windows
a batch has is worked out here as src/data/dataset.c does.
"""
import csv
import gzip
import json
import math
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from torch import nn

from torch_trajectories import LSTMOutputs, hashed, philox

CONTEXT, BATCH, WARMUP, FLOOR, RATE, SEED = 64, 12, 100, 0.1, 4e-3, 1
EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../examples/shakespeare")


def train_nudge(nudge, steps, directory, *settings):
    run = os.path.join(directory, "run%d" % len(os.listdir(directory)))
    subprocess.run(
        [nudge, "train", "lstm.yaml", "-o", run, "-q", "threads=1", "log=1", "steps=%d" % steps, *settings],
        check=True, cwd=EXAMPLE)
    return run


def read_safetensors(path):
    """Tensors by name, and the texts that travel with them."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    notes = header.pop("__metadata__")
    tensors = {name: torch.from_numpy(np.frombuffer(data[slice(*t["data_offsets"])], np.float32).reshape(t["shape"]).copy())
               for name, t in header.items() if t["dtype"] == "F32"}
    return tensors, notes


# ---- Windows


def draw(key, sequence, counters, below):
    """Whole numbers, each below its limit."""
    low, high = philox(key ^ SEED, sequence, counters)
    return ((high.astype(np.uint64) << np.uint64(32)) | low) % below.astype(np.uint64)


def shuffled(rows, epoch):
    order, ends = list(range(rows)), np.arange(rows, 1, -1)
    for i, j in zip(ends.tolist(), draw(hashed("shuffle"), epoch, ends, ends).tolist()):
        order[i - 1], order[j] = order[j], order[i - 1]
    return order


class Windows:
    """Row k begins at CONTEXT*k, and up to CONTEXT - 1 tokens later in training, by what an epoch draws."""

    def __init__(self, text):
        symbols = sorted(set(text))
        self.vocabulary = len(symbols)
        self.ids = torch.tensor([symbols.index(c) for c in text])
        rows = (len(text) - CONTEXT - 1 - (CONTEXT - 1)) // CONTEXT + 1
        self.held = int(np.rint(0.1 * rows))
        self.rows = rows - self.held

    def take(self, rows, back):
        at = torch.tensor(rows)[:, None] * CONTEXT + CONTEXT - 1 - back + torch.arange(CONTEXT)
        return self.ids[at], self.ids[at + 1]

    def batches(self):
        epoch = 0
        while True:
            order = shuffled(self.rows, epoch)
            back = int(draw(hashed("slide"), epoch, np.array([0]), np.array([CONTEXT]))[0])
            for at in range(0, self.rows, BATCH):
                yield self.take(order[at:at + BATCH], back)
            epoch += 1

    def validation(self):
        for at in range(self.rows, self.rows + self.held, 64):
            yield self.take(range(at, min(at + 64, self.rows + self.held)), 0)


# ---- PyTorch


def loss_of(net, x, t):
    return nn.functional.cross_entropy(net(x).flatten(0, 1), t.flatten())


def validate(net, windows):
    total = 0
    with torch.no_grad():
        for x, t in windows.validation():
            total += loss_of(net, x, t).item() * len(x)
    return total / windows.held


def rate(step, steps):
    done = min(max((step - 1 - WARMUP) / max(1, steps - WARMUP), 0), 1)
    return RATE * min(1, step / WARMUP) * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * done)) / 2)


def train_torch(initial, windows, steps):
    n = windows.vocabulary
    net = nn.Sequential(nn.Embedding(n, 128), LSTMOutputs(128, 128, 2, batch_first=True), nn.Linear(128, n))
    net.load_state_dict({name: initial[name] for name in net.state_dict()})
    optimizer = torch.optim.AdamW(net.parameters(), betas=(0.9, 0.99), weight_decay=0.1)
    losses = []
    for step, (x, t) in zip(range(1, steps + 1), windows.batches()):
        optimizer.param_groups[0]["lr"] = rate(step, steps)
        optimizer.zero_grad()
        loss = loss_of(net, x, t)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1)
        optimizer.step()
        losses.append(loss.item())
    return losses, validate(net, windows)


def main():
    nudge, steps = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    with gzip.open(os.path.join(EXAMPLE, "input.txt.gz"), "rt") as file:
        windows = Windows(file.read())
    with tempfile.TemporaryDirectory() as directory:
        still = train_nudge(nudge, 1, directory, "optimizer=sgd(lr=1e-30)", "schedule=constant")
        initial, _ = read_safetensors(os.path.join(still, "model.safetensors"))
        run = train_nudge(nudge, steps, directory)
        with open(os.path.join(run, "log.csv")) as file:
            log = list(csv.DictReader(file))
    losses, validation = train_torch(initial, windows, steps)
    by_step = {int(row["step"]): float(row["loss"]) for row in log if not row["validation_loss"]}
    print("step    nudge     PyTorch")
    for step in sorted({1, 2, 10, 100} | set(range(steps // 10, steps + 1, steps // 10))):
        if step in by_step and step <= steps:
            print("%5d  %8.5f  %8.5f" % (step, by_step[step], losses[step - 1]))
    print("validation  %.5f  %.5f" % (float(log[-1]["validation_loss"]), validation))


if __name__ == "__main__":
    main()
