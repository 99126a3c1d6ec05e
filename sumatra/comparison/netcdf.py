"""NetCDF: variable by variable; version 4 is HDF5, older ones have a form of their own.

When and by which program a file was written is no difference: ``history`` and dates of creation aren't compared.
"""

import warnings
from typing import Any

from sumatra.comparison._hdf import compare_files, is_hdf
from sumatra.comparison._numeric import compare_values
from sumatra.comparison._tally import Tally
from sumatra.comparison.base import Comparator, Comparison, Content, NotComparable, Setting

__all__ = ["BACKEND"]

_PASSED_OVER = frozenset({
    "history", "date_created", "date_modified", "creation_date", "date_metadata_modified", "time_stamp", "NCO",
    "_NCProperties", "CDO", "CDI",
})


class NetCDFComparator(Comparator):
    """Compares variables, dimensions and attributes."""

    name = "netcdf"
    title = "a NetCDF file"

    def recognises(self, head: bytes, name: str) -> bool:
        return head[:4] in (b"CDF\x01", b"CDF\x02", b"CDF\x05") or (
            name.endswith((".nc", ".nc4", ".cdf", ".netcdf")) and is_hdf(head)
        )

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        if not one.path or not other.path:
            raise NotComparable("NetCDF in an archive isn't read")
        tally = Tally()
        kinds = [is_hdf(each.head()) for each in (one, other)]
        if all(kinds):
            compare_files(one.path, other.path, tally, setting.limit, _PASSED_OVER)
        elif any(kinds):
            return Comparison("different", "one is NetCDF 4, the other of an older version", kind=self.name)
        else:
            _compare_older(one.path, other.path, tally, setting)
        return tally.comparison(self.name)


def _compare_older(one: str, other: str, tally: Tally, setting: Setting) -> None:
    from scipy.io import netcdf_file

    warnings.simplefilter("ignore")
    first, second = (_contents(netcdf_file(path, "r", mmap=True)) for path in (one, other))
    for kind in ("dimensions", "attributes"):
        compare_values(first[kind], second[kind], f"its {kind}", tally, setting.limit)
    for name in [*first["variables"], *(name for name in second["variables"] if name not in first["variables"])]:
        pair = first["variables"].get(name), second["variables"].get(name)
        if pair[0] is None or pair[1] is None:
            tally.differ(f"only the {'first' if pair[0] is not None else 'second'} has the variable {name!r}")
            continue
        for key in ("dimensions", "attributes"):
            compare_values(pair[0][key], pair[1][key], f"{name}@{key}", tally, setting.limit)
        compare_values(pair[0]["data"], pair[1]["data"], name, tally, setting.limit)


def _contents(file: Any) -> dict[str, Any]:
    return {
        "dimensions": dict(file.dimensions),
        "attributes": _attributes(file),
        "variables": {
            name: {
                "dimensions": list(variable.dimensions), "attributes": _attributes(variable), "data": variable.data,
            }
            for name, variable in file.variables.items()
        },
    }


def _attributes(thing: Any) -> dict[str, Any]:
    return {name: value for name, value in thing._attributes.items() if name not in _PASSED_OVER}


BACKEND = NetCDFComparator
