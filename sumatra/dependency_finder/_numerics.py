"""Which libraries of linear algebra and of threads a run loaded: results may differ by them in the last digits."""

import re
from collections.abc import Iterable

from sumatra.dependency_finder import _cache

__all__ = ["numerics"]

#: By the beginning of a library's name: its kind, what it is called, and what its own text says before its version.
_LIBRARIES: dict[str, tuple[str, str, bytes]] = {
    "libopenblas": ("blas", "OpenBLAS", b"OpenBLAS "),
    "libscipy_openblas": ("blas", "OpenBLAS", b"OpenBLAS "),
    "libmkl_rt": ("blas", "MKL", b"Math Kernel Library Version "),
    "libmkl_core": ("blas", "MKL", b"Math Kernel Library Version "),
    "libblis": ("blas", "BLIS", b""),
    "libsatlas": ("blas", "ATLAS", b""),
    "libtatlas": ("blas", "ATLAS", b""),
    "libatlas": ("blas", "ATLAS", b""),
    "libnvpl_blas": ("blas", "NVPL", b""),
    "libarmpl": ("blas", "Arm Performance Libraries", b""),
    "libflexiblas": ("blas", "FlexiBLAS", b""),
    "libcublas": ("blas", "cuBLAS", b""),
    "librefblas": ("blas", "reference BLAS", b""),
    "libblas": ("blas", "reference BLAS", b""),
    "libgomp": ("openmp", "GNU OpenMP", b""),
    "libiomp": ("openmp", "Intel OpenMP", b""),
    "libomp": ("openmp", "LLVM OpenMP", b""),
}
_BEGINNINGS = tuple(_LIBRARIES)
_BUILDS = ("libopenblas", "libscipy_openblas")  #: whose names go on with letters: ``libopenblasp-r0.3.21.so``


def numerics(files: Iterable[str], cache: str) -> dict[str, str]:
    """Return facts called ``blas`` and ``openmp``, each with the versions and paths of those that were loaded."""
    found: dict[str, list[str]] = {}
    for path in files:
        name = path.rpartition("/")[2]
        if not name.startswith(_BEGINNINGS) or ".so" not in name:
            continue
        begin = max(filter(name.startswith, _BEGINNINGS), key=len)
        if name[len(begin)].isalpha() and begin not in _BUILDS:  # libcublasLt, libompitrace
            continue
        kind, title, words = _LIBRARIES[begin]
        version = _in_text(path, words, cache) or (_in_name(name) if kind == "blas" else "")
        found.setdefault(kind, []).append(" ".join(filter(None, (title, version, f"({path})"))))
    return {kind: "; ".join(sorted(set(each))) for kind, each in sorted(found.items())}


def _in_name(name: str) -> str:
    """Return the version in the name of a file, which may be told as in ``libopenblas64_-r0-0cf96a72.3.23.so``."""
    found = re.search(r"-r(\d+\.\d+\.\d+)\.so|-r(\d+)-[0-9a-f]+(\.[\w.]+)\.so|\.so\.(\d[\d.]*)$", name)
    if not found:
        return ""
    return found[1] or (f"{found[2]}{found[3]}" if found[2] else "") or found[4] or ""


def _in_text(path: str, words: bytes, cache: str) -> str:
    """Return the version that follows *words* in the library at *path*; it isn't run."""
    if not words:
        return ""
    key, name = _cache.key_of(path), _cache.name_for("blas", path)
    kept = _cache.recall(cache, name, key, path)
    if isinstance(kept, str):
        return kept
    import mmap

    version = ""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            at = content.find(words)
            while at >= 0 and not version:
                found = re.match(rb"\d+\.\d+[\w.-]*", content[at + len(words):at + len(words) + 40])
                version = found[0].decode() if found else ""
                at = content.find(words, at + 1)
    except (OSError, ValueError):
        return ""
    _cache.keep(cache, name, key, version, path)
    return version
