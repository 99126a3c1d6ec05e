"""Every error that Sumatra raises on purpose.

::

    SumatraError                      1    anything that a user can mend
    ├── UsageError (ValueError)       2    the words of a command don't make sense
    │   └── NoSuchPlugin (LookupError)     a back-end, format or command of that name isn't there
    │       └── MissingExtra               … because an optional library isn't installed
    ├── ProjectError                  3    no project here, or one that can't be used
    │   ├── NoSuchProject (LookupError)
    │   ├── ProjectExists
    │   └── NewerFormat                    written by a later Sumatra: refused, never guessed at
    ├── NoSuchRecord (LookupError)    4    a label, tag or trash entry that names nothing
    ├── LabelTaken                    1    the label belongs to another record
    ├── RecordStoreError (OSError)    5    a record store can't be reached, read or written
    ├── VersionControlError           6    a working copy can't be read
    │   └── UncommittedChanges             the policy is ``error`` and there are changes
    ├── ParameterError (SyntaxError)  7    not a parameter file of this format, or a bad value
    ├── QueryError (ValueError)       8    a query that can't be read
    ├── DataStoreError (OSError)      9    data files can't be read, written or deleted
    └── LaunchError (OSError)         125  the program could not be started (126, 127 as shells do)
        └── NoSuchProgram (LookupError)    … because there is none of that name

Each class also derives from the built-in that fits, so that both kinds of ``except`` work.  The number is the exit
status of ``smt``; ``smt run`` ends with 125 for all of them, so that its own troubles are never taken for the
program's (``doc/reference/exit-statuses.rst``).
"""

__all__ = [
    "DataStoreError", "LabelTaken", "LaunchError", "MissingExtra", "NewerFormat", "NoSuchPlugin", "NoSuchProgram",
    "NoSuchProject", "NoSuchRecord", "ParameterError", "ProjectError", "ProjectExists", "QueryError",
    "RecordStoreError", "SumatraError", "UncommittedChanges", "UsageError", "VersionControlError",
]


class SumatraError(Exception):
    """Anything that went wrong in a way that a user can mend.

    *message* is one sentence without a full stop: what was looked for, and where.  *hint* says what to do next.
    """

    exit_status = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class UsageError(SumatraError, ValueError):
    """The words of a command don't make sense together."""

    exit_status = 2


class NoSuchPlugin(UsageError, LookupError):
    """There is no back-end, format or command of that name."""


class MissingExtra(NoSuchPlugin):
    """A back-end of ours whose optional library isn't installed."""


class ProjectError(SumatraError):
    """A project that can't be used."""

    exit_status = 3


class NoSuchProject(ProjectError, LookupError):
    """There is no project in this folder or above it."""


class ProjectExists(ProjectError):
    """A project is already there."""


class NewerFormat(ProjectError):
    """Something on disk was written by a later version of Sumatra."""


class NoSuchRecord(SumatraError, LookupError):
    """A label or tag that names no record."""

    exit_status = 4


class LabelTaken(SumatraError):
    """The label belongs to another record."""


class RecordStoreError(SumatraError, OSError):
    """A record store can't be reached, read or written."""

    exit_status = 5


class VersionControlError(SumatraError):
    """A working copy can't be read."""

    exit_status = 6


class UncommittedChanges(VersionControlError):
    """The code has uncommitted changes and the project's policy is to refuse them."""


class ParameterError(SumatraError, SyntaxError):
    """Text that isn't a parameter set of the format asked for, or a value that can't be put into it."""

    exit_status = 7


class QueryError(SumatraError, ValueError):
    """A query that can't be read."""

    exit_status = 8


class DataStoreError(SumatraError, OSError):
    """Data files can't be read, written or deleted."""

    exit_status = 9


class LaunchError(SumatraError, OSError):
    """The program could not be started.

    *exit_status* is 127 when it wasn't found and 126 when it can't be executed, as in shells.
    """

    exit_status = 125

    def __init__(self, message: str, hint: str | None = None, exit_status: int = 125) -> None:
        super().__init__(message, hint)
        self.exit_status = exit_status


class NoSuchProgram(LaunchError, LookupError):
    """There is no program of that name."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint, 127)
