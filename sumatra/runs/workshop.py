"""What a run needs of its project."""

from collections.abc import Callable

from sumatra.datastore import DataStore
from sumatra.facts import fact, field
from sumatra.files import ContentStore
from sumatra.recordstore import RecordStore
from sumatra.settings import Settings

__all__ = ["Workshop"]


@fact(kw_only=True)
class Workshop:
    """What a run needs of its project."""

    settings: Settings
    folder: str  #: ``.smt``
    root: str  #: the folder that ``.smt`` lies in
    open_store: Callable[..., RecordStore]  #: may be told for how long (seconds) to wait for it
    data: DataStore
    inputs: DataStore
    objects: ContentStore
    key: bytes  #: for masking secrets
    warn: Callable[[str], None] = field(default=lambda sentence: None)
    progress: Callable[[int], Callable[[int], None] | None] = field(default=lambda size: None)

    @property
    def not_code(self) -> tuple[str, ...]:
        """The folders in which new files aren't code: its own, and that of the results.

        Where programs write right into the project's folder, or above it, what they write can't be told from new code.
        """
        is_around = f"{self.root}/".startswith(f"{self.data.root.rstrip('/')}/")
        return (self.folder,) if is_around else (self.folder, self.data.root)
