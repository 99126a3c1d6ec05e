"""What the processes of a run use together, and what surrounds them."""

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from sumatra.capture import machine
from sumatra.capture.environs import surroundings
from sumatra.capture.usage import Sampler, read_bytes_of
from sumatra.records import Sample


@pytest.fixture
def sampled():
    """Run a program of Python, and return what sampling it gave."""

    def run(code, *words):
        process = subprocess.Popen([sys.executable, "-c", code, *words])
        sampler = Sampler(process.pid)
        sampler.start()
        process.wait(60)
        return sampler.stop()

    return run


@pytest.mark.slow
def test_memory_and_processor_time_of_children_count(sampled):
    code = (
        "import subprocess, sys\n"
        "c = 'import time; x = bytearray(100_000_000); n = time.process_time'\n"
        "c += '\\nwhile n() < 0.8: pass\\ntime.sleep(3)'\n"
        "[c.wait() for c in [subprocess.Popen([sys.executable, '-c', c]) for _ in range(2)]]\n"
    )
    peak, samples = sampled(code)
    assert 200e6 < peak < 400e6
    assert max(sample.processes for sample in samples) == 3
    together = sum(
        sample.cpu * (sample.time - before.time) for before, sample in pairwise(samples)
    )
    assert 0.8 < together < 4
    assert [sample.time for sample in samples] == sorted(sample.time for sample in samples)


@pytest.mark.slow
def test_a_process_whose_parent_has_gone_still_counts(sampled):
    code = (
        "import os, time\n"
        "if not os.fork():\n"
        "    if not os.fork():\n        x = bytearray(100_000_000); time.sleep(1.2)\n"
        "    time.sleep(0.4); os._exit(0)\n"
        "time.sleep(1.2)\n"
    )
    peak, samples = sampled(code)
    assert peak > 100e6
    assert any(sample.processes == 2 for sample in samples if 0.6 < sample.time < 1.15)


def test_a_run_that_is_over_at_once_costs_nothing_and_has_no_samples():
    process = subprocess.Popen(["true"])
    sampler = Sampler(process.pid)
    sampler.start()
    process.wait()
    began = time.monotonic()
    peak, samples = sampler.stop()
    assert time.monotonic() - began < 0.5
    assert len(samples) <= 1 and (peak is None or peak > 0)


def test_the_number_of_samples_is_bounded_and_peaks_stay():
    sampler = Sampler(os.getpid())
    for number in range(5000):
        sampler._keep(Sample(float(number), memory=10**9 if number == 1234 else number, cpu=1.0))
    assert len(sampler._samples) < 240
    assert max(sample.memory for sample in sampler._samples) == 10**9
    assert sampler._interval > 1


def test_bytes_are_those_of_the_process_and_of_what_it_has_waited_for(tmp_path):
    (tmp_path / "in").write_bytes(b"x" * 1_000_000)
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "cat in > out"], os.environ)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    read, written = read_bytes_of(pid)
    os.waitpid(pid, 0)
    assert 1_000_000 <= read < 1_200_000
    assert 1_000_000 <= written < 1_010_000
    assert read_bytes_of(pid) == (None, None)


@pytest.mark.needs("gcc")
def test_graphics_processors_are_asked_through_the_library_of_their_driver(tmp_path):
    """A library that answers as NVIDIA's does: there is no such processor here."""
    source = tmp_path / "nvml.c"
    source.write_text(
        "int nvmlInit_v2(void) { return 0; }\n"
        "int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }\n"
        "int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { *d = (void *)(long)(i + 1); return 0; }\n"
        "struct u { unsigned gpu, memory; };\n"
        "int nvmlDeviceGetUtilizationRates(void *d, struct u *u) { u->gpu = 25 * (long)d; u->memory = 1; return 0; }\n"
        "struct m { unsigned long long total, free, used; };\n"
        "int nvmlDeviceGetMemoryInfo(void *d, struct m *m) { m->total = 9; m->free = 1; m->used = 1000; return 0; }\n"
    )
    library = tmp_path / "libnvml.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    from sumatra.capture import nvml

    assert nvml.usage(str(library))() == (0.75, 2000)
    with pytest.raises(OSError):
        nvml.usage(str(tmp_path / "nosuch.so"))


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


@pytest.mark.parametrize(("files", "environ", "container"), [
    ({".dockerenv": ""}, {}, "docker"),
    ({"run/.containerenv": 'engine="podman-4.3"\nimage="localhost/model:2"\n'}, {}, "podman-4.3 localhost/model:2"),
    ({}, {"APPTAINER_CONTAINER": "/images/model.sif"}, "apptainer /images/model.sif"),
    ({"proc/1/cgroup": "0::/kubepods/x\n"}, {}, "kubepods"),
    ({"proc/1/cgroup": "0::/\n"}, {}, None),
    ({}, {}, None),
])
def test_the_container_is_told_with_its_image(files, environ, container, tmp_path):
    for name, text in files.items():
        write(tmp_path, name, text)
    assert surroundings(environ, str(tmp_path)).get("container") == container


def test_environments_jobs_and_threads_are_told(tmp_path):
    found = surroundings(
        {
            "CONDA_DEFAULT_ENV": "model", "LOADEDMODULES": "gcc/12:openmpi/4", "SLURM_JOB_ID": "77",
            "OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "2", "VIRTUAL_ENV": "/venv",
        },
        str(tmp_path),
    )
    assert found["conda environment"] == "model"
    assert found["modules"] == "gcc/12 openmpi/4"
    assert found["job"] == "Slurm job 77"
    assert found["threads"] == "OMP=4 MKL=2"
    assert found["virtual environment"] == "/venv"


def test_only_some_processors_allowed_and_limits_are_told():
    code = (
        "import os, resource\nos.sched_setaffinity(0, {0})\nresource.setrlimit(resource.RLIMIT_CPU, (100, 100))\n"
        "from sumatra.capture.environs import surroundings\nfound = surroundings({})\n"
        "print(found.get('processors allowed'), '|', found['limits'])\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    allowed, limits = done.stdout.strip().split(" | ")
    assert allowed == (f"1 of {os.cpu_count()}: 0" if os.cpu_count() > 1 else "None")
    assert "processor time 100" in limits


def test_the_abilities_of_the_processor_are_told(tmp_path):
    write(tmp_path, "arm", "processor\t: 0\nFeatures\t: fp asimd sve\n")
    assert machine._processor_flags(str(tmp_path / "arm")) == "fp asimd sve"
    write(tmp_path, "x86", "processor\t: 0\nmodel name\t: X\nflags\t\t: fpu avx2\n")
    assert machine._processor_flags(str(tmp_path / "x86")) == "fpu avx2"


def test_graphics_processors_are_told_with_their_drivers(tmp_path):
    write(tmp_path, "proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat\n")
    write(tmp_path, "proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA A100\nIRQ: 5\n")
    write(tmp_path, "sys/class/drm/card0/device/vendor", "0x1002\n")
    write(tmp_path, "sys/class/drm/card0/device/device", "0x73bf\n")
    write(tmp_path, "sys/class/drm/card0-DP-1/device/vendor", "0x1002\n")
    (tmp_path / "sys/class/drm/card0/device/driver").symlink_to("../../../bus/pci/drivers/amdgpu")
    assert machine._accelerators(str(tmp_path)) == ("NVIDIA A100, driver 535.104.05", "AMD 0x73bf, driver amdgpu")
