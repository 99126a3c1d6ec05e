"""What there is to tell what a run did with files."""

from collections.abc import Mapping

from sumatra.capture.observation import Observed
from sumatra.datastore import Snapshot
from sumatra.facts import fact, field
from sumatra.records import DataKey
from sumatra.runs.comparing import Crowd
from sumatra.runs.elsewhere import Elsewhere
from sumatra.versioncontrol import WorkingCopy

__all__ = ["Evidence"]


@fact(kw_only=True)
class Evidence:
    """What there is to tell what a run did with files."""

    observed: Observed | None = None  #: what its observer saw
    before: Snapshot | None = None  #: what was in the data folder, where that is to be compared
    crowd: Crowd | None = None  #: None where nobody was there to see who else was
    is_late: bool = False  #: nobody was there when the program ended
    known: Mapping[str, DataKey] = field(default_factory=dict)  #: inputs (real path) that were hashed in time
    is_impatient: bool = False  #: the user doesn't want to wait for more inputs to be hashed
    environment: Mapping[str, str] = field(default_factory=dict)  #: that the program got
    peak_memory: int | None = None  #: bytes, of all processes together, as sampled
    copy: WorkingCopy | None = None  #: of the code
    elsewhere: Elsewhere | None = None  #: where another version of it was built
