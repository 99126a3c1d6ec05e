"""What a run is surrounded by, besides its machine and its variables: container, environment, threads, limits.

Each fact is text under a short name, and is left out where it isn't so or can't be known.  Nothing is started.
"""

import os
import resource
from collections.abc import Callable, Mapping
from contextlib import suppress

__all__ = ["surroundings"]

_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "JULIA_NUM_THREADS",
)
_JOBS = {
    "SLURM_JOB_ID": "Slurm job", "PBS_JOBID": "PBS job", "LSB_JOBID": "LSF job", "FLUX_JOB_ID": "Flux job",
}
_LIMITS = {
    "memory": resource.RLIMIT_AS, "data": resource.RLIMIT_DATA, "stack": resource.RLIMIT_STACK,
    "processor time": resource.RLIMIT_CPU, "file size": resource.RLIMIT_FSIZE,
}
_USUAL_STACK = 8 << 20  # bytes


def surroundings(environ: Mapping[str, str], root: str = "/") -> dict[str, str]:
    """Return what is known, by name; *environ* is the program's environment, *root* where the system's files are."""
    facts: dict[str, Callable[[], str]] = {
        "container": lambda: _container(environ, root),
        "conda environment": lambda: environ.get("CONDA_DEFAULT_ENV") or environ.get("CONDA_PREFIX", ""),
        "virtual environment": lambda: environ.get("VIRTUAL_ENV", ""),
        "modules": lambda: environ.get("LOADEDMODULES", "").replace(":", " "),
        "job": lambda: _job(environ),
        "threads": lambda: _threads(environ),
        "processors allowed": _affinity,
        "niceness": lambda: str(os.nice(0) or ""),
        "limits": _limits,
        "virtual machine": lambda: _virtual(root),
        "frequency governor": lambda: _line(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "memory nodes": lambda: _nodes(root),
        "large pages": lambda: _chosen(_line(root, "sys/kernel/mm/transparent_hugepage/enabled")),
    }
    found = {}
    for name, find in facts.items():
        with suppress(OSError, ValueError, LookupError):
            value = find().strip()
            if value:
                found[name] = value
    return found


def _line(root: str, path: str) -> str:
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.readline(4096).strip().rstrip("\0")


def _container(environ: Mapping[str, str], root: str) -> str:
    """Return of which kind the container is that we are in, with its image where that is told."""
    for kind in ("APPTAINER", "SINGULARITY"):
        if environ.get(f"{kind}_CONTAINER"):
            return f"{kind.lower()} {environ[f'{kind}_CONTAINER']}"
    if os.path.isdir(os.path.join(root, ".singularity.d")):
        return "apptainer"
    if environ.get("CH_RUNNING"):
        return "charliecloud"
    with suppress(OSError), open(os.path.join(root, "run/.containerenv"), encoding="utf-8", errors="replace") as file:
        told = dict(line.strip().partition("=")[::2] for line in file.read(8192).splitlines())
        image = told.get("image", "").strip('"')
        return " ".join(filter(None, (told.get("engine", "").strip('"') or "podman", image)))
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if os.path.exists(os.path.join(root, ".dockerenv")):
        return "docker"
    with suppress(OSError):
        kind = _line(root, "run/systemd/container")
        if kind:
            return kind
    with open(os.path.join(root, "proc/1/cgroup"), encoding="utf-8", errors="replace") as file:
        told_by_groups = file.read(8192)
    return next((kind for kind in ("docker", "kubepods", "lxc", "libpod") if kind in told_by_groups), "")


def _job(environ: Mapping[str, str]) -> str:
    for name, kind in _JOBS.items():
        if environ.get(name):
            return f"{kind} {environ[name]}"
    return f"SGE job {environ['JOB_ID']}" if environ.get("JOB_ID") and environ.get("SGE_ROOT") else ""


def _threads(environ: Mapping[str, str]) -> str:
    return " ".join(f"{name.removesuffix('_NUM_THREADS')}={environ[name]}" for name in _THREADS if environ.get(name))


def _affinity() -> str:
    """Return which processors may be used, if that isn't all of them."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) == os.cpu_count():
        return ""
    return f"{len(allowed)} of {os.cpu_count()}: {','.join(map(str, allowed))}"


def _limits() -> str:
    told = []
    for name, number in _LIMITS.items():
        soft = resource.getrlimit(number)[0]
        usual = _USUAL_STACK if number == resource.RLIMIT_STACK else resource.RLIM_INFINITY
        if soft != usual:
            told.append(f"{name} {'unlimited' if soft == resource.RLIM_INFINITY else soft}")
    return ", ".join(told)


def _virtual(root: str) -> str:
    with open(os.path.join(root, "proc/cpuinfo"), encoding="utf-8", errors="replace") as file:
        if " hypervisor" not in file.read(8192):
            return ""
    with suppress(OSError):
        return _line(root, "sys/class/dmi/id/product_name") or "yes"
    return "yes"


def _nodes(root: str) -> str:
    names = os.listdir(os.path.join(root, "sys/devices/system/node"))
    number = sum(name.startswith("node") and name[4:].isdigit() for name in names)
    return str(number) if number > 1 else ""


def _chosen(line: str) -> str:
    return line.partition("[")[2].partition("]")[0]
