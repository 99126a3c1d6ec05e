"""MATLAB's .mat files: variable by variable, structures and cells included; version 7.3 is HDF5.

The header, which says when a file was written, isn't compared.
"""

from collections.abc import Mapping
from typing import Any

from sumatra.comparison._hdf import compare_files, is_hdf
from sumatra.comparison._numeric import compare_values
from sumatra.comparison._tally import Tally, quoted
from sumatra.comparison.base import Comparator, Comparison, Content, Setting

__all__ = ["BACKEND"]

_MOST = 500_000_000  #: bytes: older versions are read as a whole


class MATLABComparator(Comparator):
    """Compares variables."""

    name = "matlab"
    title = "a .mat file of MATLAB"

    def recognises(self, head: bytes, name: str) -> bool:
        return head.startswith(b"MATLAB ") or (name.endswith(".mat") and (is_hdf(head) or head[:3] == b"\0\0\0"))

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        tally = Tally()
        kinds = [is_hdf(each.head()) for each in (one, other)]
        if all(kinds) and one.path and other.path:
            compare_files(one.path, other.path, tally, setting.limit)
        elif any(kinds):
            return Comparison("different", "the files are of unlike versions of MATLAB's format", kind=self.name)
        else:
            _compare_variables(_read(one), _read(other), tally, setting)
        return tally.comparison(self.name)


def _read(content: Content) -> dict[str, Any]:
    import io

    from scipy.io import loadmat

    found = loadmat(io.BytesIO(content.whole(_MOST)))
    return {name: value for name, value in found.items() if not name.startswith("__")}


def _compare_variables(one: Mapping[str, Any], other: Mapping[str, Any], tally: Tally, setting: Setting) -> None:
    from scipy.sparse import issparse

    for name in [*one, *(name for name in other if name not in one)]:
        if name not in one or name not in other:
            tally.differ(f"only the {'first' if name in one else 'second'} has the variable {quoted(name)}")
            continue
        values = one[name], other[name]
        if issparse(values[0]) and issparse(values[1]):
            if values[0].shape != values[1].shape:
                tally.differ(f"shape {values[0].shape} -> {values[1].shape} in {name}")
                continue
            parts = [_parts(value) for value in values]
            for key in parts[0]:
                compare_values(parts[0][key], parts[1][key], f"{name} ({key})", tally, lambda field, name=name: (
                    setting.limit(name)))  # type: ignore[misc]
        else:
            compare_values(*values, name, tally, setting.limit)


def _parts(matrix: Any) -> dict[str, Any]:
    found = matrix.tocsc()
    found.sum_duplicates()
    return {"columns": found.indptr, "rows": found.indices, "values": found.data}


BACKEND = MATLABComparator
