"""Compare two files that runs have written, by what they mean and not only by their bytes.

::

    compare("Data/one.csv", "Data/other.csv", "1e-6")           one pair, and done
    with Session() as session:                                  many pairs: one process reads them all
        session.compare(one, other, "Data/a.csv", rules)

What reads the files works in a process with limits, since a file may come from a stranger; files that are the same
byte for byte never start it.  `Tolerances` says how far numbers may lie apart; by default not at all.
"""

from typing import TYPE_CHECKING, Any

from sumatra import plugins
from sumatra.comparison.base import (
    EXACT,
    SAME,
    VERDICTS,
    Comparator,
    Comparison,
    Content,
    Limit,
    NotComparable,
    Setting,
)
from sumatra.plugins import Backend

if TYPE_CHECKING:
    from sumatra.comparison._session import Session, compare
    from sumatra.comparison.tolerance import Tolerances

__all__ = [
    "BACKENDS", "EXACT", "SAME", "VERDICTS", "Comparator", "Comparison", "Content", "Limit", "NotComparable", "Session",
    "Setting", "Tolerances", "compare", "get_comparator",
]

#: In the order in which they are asked whether they know a file.
BACKENDS = {
    "pickle": Backend(".pickles", "pickles of Python: never loaded, byte by byte"),
    "npy": Backend(".arrays", "arrays of NumPy: NPY and NPZ"),
    "matlab": Backend(".matlab", "MATLAB: variables of .mat files", "matlab"),
    "netcdf": Backend(".netcdf", "NetCDF 3 and 4: variables and attributes", "netcdf"),
    "hdf5": Backend(".hdf5", "HDF5: datasets and attributes", "hdf5"),
    "parquet": Backend(".parquet", "Parquet: column by column", "parquet"),
    "image": Backend(".images", "pictures: pixel by pixel", "images"),
    "pdf": Backend(".pdf", "PDF: without dates and identifiers"),
    "archive": Backend(".archives", "gzip, bzip2, xz, zip, tar, xlsx: by their members"),
    "svg": Backend(".svg", "SVG: without dates and generated identifiers"),
    "json": Backend(".json", "JSON, a document or one per line: value by value"),
    "yaml": Backend(".yaml", "YAML: value by value"),
    "toml": Backend(".toml", "TOML: value by value"),
    "table": Backend(".tables", "tables: CSV, TSV, columns between spaces"),
    "text": Backend(".text", "text and logs: line by line, without times and process ids"),
    "bytes": Backend(".bytes", "anything: byte by byte"),
}

_HOMES = {"Session": "_session", "compare": "_session", "Tolerances": "tolerance"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def get_comparator(name: str) -> Comparator:
    """Return the comparator *name*, or raise `NoSuchPlugin`."""
    backend: type[Comparator] = plugins.load(__name__, name).BACKEND
    return backend()
