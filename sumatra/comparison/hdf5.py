"""HDF5: dataset by dataset, in pieces; a dataset is told by its path, as ``/run/v``."""

from sumatra.comparison._hdf import compare_files, is_hdf
from sumatra.comparison._tally import Tally
from sumatra.comparison.base import Comparator, Comparison, Content, NotComparable, Setting

__all__ = ["BACKEND"]


class HDF5Comparator(Comparator):
    """Compares what two files hold, whatever the layout."""

    name = "hdf5"
    title = "an HDF5 file"

    def recognises(self, head: bytes, name: str) -> bool:
        return is_hdf(head)

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        if not one.path or not other.path:
            raise NotComparable("HDF5 in an archive isn't read")
        tally = Tally()
        compare_files(one.path, other.path, tally, setting.limit)
        return tally.comparison(self.name)


BACKEND = HDF5Comparator
