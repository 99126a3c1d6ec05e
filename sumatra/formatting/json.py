"""Records as one JSON array of whole documents, record by record, in plain ASCII."""

from collections.abc import Iterable, Iterator

from sumatra.formatting import View
from sumatra.records import Record

__all__ = ["render"]


def render(records: Iterable[Record], view: View) -> Iterator[str]:
    """Yield a JSON array with the whole document of each record, whatever *view* says; ``[]`` for none.

    It is JSON in the strict sense: numbers that JSON doesn't have are told as `sumatra.documents` tells them.
    """
    import json

    from sumatra.documents import to_document

    before = "[\n"
    for record in records:
        yield before + json.dumps(to_document(record), indent=2, ensure_ascii=True, allow_nan=False)
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"
