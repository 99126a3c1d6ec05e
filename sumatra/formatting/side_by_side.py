"""What differs between two runs as one HTML page that needs nothing else, with their pictures side by side."""

from collections.abc import Callable, Iterator, Sequence

from sumatra.differences import Difference, Differences
from sumatra.formatting.escape import html as escaped
from sumatra.records import Record

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5c677a; --line: #d9dee7; --paper: #fff; --good: #1a7f45;
        --bad: #c0262d; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e8f0; --soft: #97a3b6; --line: #343c4a; --paper: #14181f; --good: #4cc38a; --bad: #ff7b78; } }
body { margin: 2rem auto; max-width: 90rem; padding: 0 1.25rem; background: var(--paper); color: var(--ink);
       font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.45rem; } h2 { font-size: 1.1rem; overflow-wrap: anywhere; }
section { border: 1px solid var(--line); border-radius: 8px; padding: 0 1.25rem 1rem; margin: 0 0 1.25rem; }
.pictures { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { color: var(--soft); }
img { max-width: 100%; background: #fff; border: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: start; vertical-align: top; padding: .3rem .75rem; border-bottom: 1px solid var(--line);
         overflow-wrap: anywhere; }
.different, .missing, .extra { color: var(--bad); } .same, .within { color: var(--good); }
@media (max-width: 40rem) { .pictures { grid-template-columns: 1fr; } }
"""

#: What a page may load: nothing; pictures are in it.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(
    one: Record, other: Record, differences: Differences, pictures: Callable[[Difference], Sequence[str]]
) -> Iterator[str]:
    """Yield the page; *pictures* returns the two pictures that a result is, and their difference, as PNG in Base64."""
    heading = escaped(f"{one.label} and {other.label}")
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{heading}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{heading}</h1>\n"
    )
    results = [*differences.of("results"), *differences.alike]
    if not results:
        yield "<p>The results are the same.</p>\n"
    for each in results:
        yield from _result(one, other, each, pictures(each))
    yield from _causes([each for each in differences.found if each.kind != "results"])
    yield "</body>\n</html>\n"


def _result(one: Record, other: Record, difference: Difference, pictures: Sequence[str]) -> Iterator[str]:
    verdict = difference.verdict or f"{difference.one} -> {difference.other}"
    kind = difference.verdict.partition(" ")[0] if difference.verdict in _SHOWN else "unknown"
    sentence = f": {difference.note}" if difference.note else ""
    yield (
        f"<section>\n<h2><bdi>{escaped(difference.name)}</bdi></h2>\n"
        f'<p dir="auto"><b class="{kind}">{escaped(verdict)}</b>{escaped(sentence)}</p>\n'
    )
    if len(pictures) == 3:
        yield '<div class="pictures">\n'
        for picture, caption in zip(pictures, (one.label, other.label, "where they differ"), strict=True):
            if picture.replace("+", "").replace("/", "").replace("=", "").isalnum():
                yield (
                    f'<figure><img src="data:image/png;base64,{picture}" alt="{escaped(caption)}">'
                    f"<figcaption><bdi>{escaped(caption)}</bdi></figcaption></figure>\n"
                )
        yield "</div>\n"
    yield "</section>\n"


_SHOWN = ("different", "missing", "extra", "same content", "within tolerance")


def _causes(causes: Sequence[Difference]) -> Iterator[str]:
    if not causes:
        return
    yield "<section>\n<h2>What else differs</h2>\n<table>\n"
    for each in causes:
        cells = (each.kind, each.name, each.one or "none", each.other or "none", each.note)
        yield "<tr>" + "".join(f'<td dir="auto">{escaped(cell)}</td>' for cell in cells) + "</tr>\n"
    yield "</table>\n</section>\n"
