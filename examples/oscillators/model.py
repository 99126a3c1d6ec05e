"""The model: each oscillator turns at its own frequency, and is pulled towards the mean phase of all."""
import cmath
import math


def mean_field(phases, parts=1):
    """Return the mean of all oscillators as a complex number, added up in so many parts."""
    sums = [sum(cmath.exp(1j * phase) for phase in phases[part::parts]) for part in range(parts)]
    return sum(sums) / len(phases)


def order(phases, parts=1):
    """Return how far they are in step: 0 not at all, 1 completely."""
    return abs(mean_field(phases, parts))


def step(phases, frequencies, coupling, dt):
    """Return the phases a time step later (Euler)."""
    field = mean_field(phases)
    pull, towards = abs(field), cmath.phase(field)
    return [
        phase + dt * (frequency + coupling * pull * math.sin(towards - phase))
        for phase, frequency in zip(phases, frequencies, strict=True)
    ]
