"""The promises of each kind of back-end, as test classes: for ours and for those of third parties.

Inherit, give the fixture, and every promise is tested::

    from sumatra.testing import RecordStoreContract

    class TestMyStore(RecordStoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            return MyStore(tmp_path / "records")

`RecordStoreContract` wants a fixture ``store``, `LauncherContract` ``launcher``, `DataStoreContract` ``store``,
`FinderContract` ``finder``, `ComparatorContract` ``comparator`` and ``files``,
`WorkingCopyContract` is told in its docstring.  pytest is needed.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sumatra.testing.comparators import ComparatorContract
    from sumatra.testing.datastores import DataStoreContract
    from sumatra.testing.finders import FinderContract
    from sumatra.testing.launchers import LauncherContract
    from sumatra.testing.recordstores import RecordStoreContract
    from sumatra.testing.workingcopies import WorkingCopyContract

__all__ = [
    "ComparatorContract", "DataStoreContract", "FinderContract", "LauncherContract", "RecordStoreContract",
    "WorkingCopyContract",
]

_HOMES = {
    "ComparatorContract": "sumatra.testing.comparators",
    "DataStoreContract": "sumatra.testing.datastores",
    "FinderContract": "sumatra.testing.finders",
    "LauncherContract": "sumatra.testing.launchers",
    "RecordStoreContract": "sumatra.testing.recordstores",
    "WorkingCopyContract": "sumatra.testing.workingcopies",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sumatra.testing' has no attribute {name!r}")
