"""The example: a simulation that behaves as its model should."""

import csv
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "izhikevich"

pytestmark = [pytest.mark.needs("numpy", "matplotlib"), pytest.mark.slow]


@pytest.fixture
def simulate(tmp_path: Path) -> Callable[..., str]:
    """Run a copy of the example with some parameters changed; return what it printed."""
    for name in ("izhikevich.py", "default.param", "stimulus.csv"):
        shutil.copy(EXAMPLE / name, tmp_path)

    def run(**changed: object) -> str:
        text = (tmp_path / "default.param").read_text()
        for name, value in changed.items():
            text, count = re.subn(rf"(?m)^{name} = \S+", f"{name} = {value}", text)
            assert count == 1, f"default.param has no {name}"
        (tmp_path / "changed.param").write_text(text)
        words = [sys.executable, "izhikevich.py", "changed.param"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def rates(printed: str) -> tuple[float, float]:
    """Return the rates (Hz) of excitatory and inhibitory neurons that the program prints last."""
    found = re.search(r"mean rate: excitatory ([\d.]+) Hz, inhibitory ([\d.]+) Hz$", printed.strip())
    assert found, printed
    return float(found[1]), float(found[2])


def test_neurons_fire_at_the_rates_of_cortex(simulate):
    excitatory, inhibitory = rates(simulate())
    assert 4 < excitatory < 15
    assert 4 < inhibitory < 25


def test_more_noise_makes_neurons_faster(simulate):
    assert rates(simulate(noise=3.0, duration=500.0))[0] < rates(simulate(noise=7.0, duration=500.0))[0]


def test_halving_the_time_step_changes_rates_little(simulate):
    assert rates(simulate(dt=0.5))[0] == pytest.approx(rates(simulate(dt=1.0))[0], rel=0.3)


def test_the_same_parameters_give_the_same_files(simulate, tmp_path):
    files = [tmp_path / "Data" / name for name in ("spikes.csv", "raster.png")]
    simulate(duration=200.0)
    before = [file.read_bytes() for file in files]
    simulate(duration=200.0)
    assert [file.read_bytes() for file in files] == before
    simulate(duration=200.0, seed=2)
    assert files[0].read_bytes() != before[0]


def test_the_table_holds_the_spikes_that_were_counted(simulate, tmp_path):
    excitatory, inhibitory = rates(simulate())
    with open(tmp_path / "Data" / "spikes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == pytest.approx(800 * excitatory + 200 * inhibitory, rel=0.01)
    assert all(0 <= float(row["time"]) < 1000 and 0 <= int(row["neuron"]) < 1000 for row in rows)


def test_the_stimulus_is_felt(simulate, tmp_path):
    with_stimulus = rates(simulate())[0]
    (tmp_path / "stimulus.csv").write_text("time,current\n0,0\n1000,0\n")
    assert rates(simulate())[0] < with_stimulus
