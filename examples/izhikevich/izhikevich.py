"""A network of spiking neurons that falls into rhythms by itself.

    python izhikevich.py default.param

The model is that of E. M. Izhikevich, "Simple model of spiking neurons", IEEE Transactions on Neural Networks 14 (2003)
1569-1572: excitatory and inhibitory neurons, all connected with all, each driven by noise of its own, here with a
stimulus on top.  Reads the parameter file and the stimulus that it names; writes the spikes as a table and a figure.
"""

import csv
import os
import sys

import numpy as np


def read_parameters(path):
    """Return what a file of lines like ``name = value  # comment`` says, numbers as numbers."""
    parameters = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            line = line.partition("#")[0].strip()
            if not line:
                continue
            name, equals, text = (part.strip() for part in line.partition("="))
            if not equals:
                sys.exit(f"{path}, line {number}: expected 'name = value'")
            parameters[name] = number_or_text(text)
    return parameters


def number_or_text(text):
    """Return *text* as an int or a float if it is one, otherwise without its quotes."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text.strip("'\"")


def read_stimulus(path, times):
    """Return the current at *times* (ms) from a table of time and current, linear between its rows."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = [(float(row["time"]), float(row["current"])) for row in csv.DictReader(file)]
    return np.interp(times, *zip(*rows, strict=True))


def network(p, rng):
    """Return each neuron's constants a, b, c, d and the matrix of weights (to, from)."""
    ne, ni = p["n_excitatory"], p["n_inhibitory"]
    re, ri = rng.random(ne), rng.random(ni)
    a = np.concatenate([np.full(ne, 0.02), 0.02 + 0.08 * ri])
    b = np.concatenate([np.full(ne, 0.2), 0.25 - 0.05 * ri])
    c = np.concatenate([-65 + 15 * re**2, np.full(ni, -65.0)])
    d = np.concatenate([8 - 6 * re**2, np.full(ni, 2.0)])
    weights = np.hstack(
        [p["w_excitatory"] * rng.random((ne + ni, ne)), -p["w_inhibitory"] * rng.random((ne + ni, ni))]
    )
    return a, b, c, d, weights


def simulate(p):
    """Return the spikes as two arrays: times in ms, and numbers of neurons."""
    rng = np.random.default_rng(p["seed"])
    dt, steps = p["dt"], round(p["duration"] / p["dt"])
    stimulus = read_stimulus(p["stimulus"], np.arange(steps) * dt)
    a, b, c, d, weights = network(p, rng)
    drive = p["noise"] * np.where(np.arange(a.size) < p["n_excitatory"], 1.0, 0.4)
    v = np.full(a.size, -65.0)
    u = b * v
    times, neurons = [], []
    for step in range(steps):
        # The noise is drawn once per millisecond, as in the paper, whatever the time step.
        if step % max(1, round(1 / dt)) == 0:
            noise = drive * rng.standard_normal(a.size)
        if step % max(1, steps // 10) == 0:
            print(f"{step * dt:6g} ms  {len(times)} spikes", flush=True)
        fired = np.flatnonzero(v >= 30)
        times += [step * dt] * fired.size
        neurons += fired.tolist()
        v[fired] = c[fired]
        u[fired] += d[fired]
        # A spike is a pulse of one time step; its charge doesn't depend on the step.
        current = noise + stimulus[step] + weights[:, fired].sum(axis=1) / dt
        for _ in range(2):  # half steps keep v stable
            v += dt / 2 * (0.04 * v**2 + 5 * v + 140 - u + current)
        u += dt * a * (b * v - u)
        np.minimum(v, 30, out=v)
    return np.array(times), np.array(neurons, dtype=int)


def write_spikes(path, times, neurons):
    """Write a table of times and neurons."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["time", "neuron"])
        rows.writerows((f"{time:g}", neuron) for time, neuron in zip(times, neurons, strict=True))


def draw(path, times, neurons, p):
    """Draw each spike as a dot, and how many neurons fire per millisecond below; the same spikes give the same file."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (dots, counts) = plt.subplots(2, sharex=True, height_ratios=[3, 1], figsize=(8, 5), layout="constrained")
    excitatory = neurons < p["n_excitatory"]
    dots.plot(times[excitatory], neurons[excitatory], ",", color="tab:blue")
    dots.plot(times[~excitatory], neurons[~excitatory], ",", color="tab:red")
    dots.set_ylabel("neuron")
    counts.hist(times, bins=np.arange(0, p["duration"] + 1), histtype="step", color="black", linewidth=0.8)
    counts.set(xlabel="time (ms)", ylabel="spikes per ms", xlim=(0, p["duration"]))
    figure.savefig(path, dpi=120, metadata={"Software": None})


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: izhikevich.py PARAMETER_FILE")
    p = read_parameters(sys.argv[1])
    times, neurons = simulate(p)
    os.makedirs(p["output"], exist_ok=True)
    write_spikes(os.path.join(p["output"], "spikes.csv"), times, neurons)
    draw(os.path.join(p["output"], "raster.png"), times, neurons, p)
    seconds = p["duration"] / 1000
    inside = np.count_nonzero(neurons < p["n_excitatory"])
    print(
        f"mean rate: excitatory {inside / p['n_excitatory'] / seconds:.2f} Hz,"
        f" inhibitory {(neurons.size - inside) / p['n_inhibitory'] / seconds:.2f} Hz"
    )


if __name__ == "__main__":
    main()
