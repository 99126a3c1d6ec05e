"""Make text that may come from a stranger harmless, one function per kind of reader.

`visible` is where all begin: no control character, no control of the direction of writing and no invisible character
is left in what it returns, whatever the reader.  Patterns are compiled when they are first needed: short lists don't.
"""

import re
from collections.abc import Iterable

__all__ = ["html", "latex", "markdown", "markdown_block", "shell_comment", "shell_word", "spreadsheet", "visible"]

# C0, DEL and C1; soft hyphen; marks and overrides of direction; separators of lines and paragraphs; other invisible
# characters; lone surrogates, by which undecodable bytes of file names are told.  The joiners U+200C and U+200D stay:
# Persian and emoji need them.
_UNSEEN = (
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff\ud800-\udfff]"
)


def visible(text: str, keep: str = "") -> str:
    r"""Return *text* with each control or invisible character shown as ``\x1b``, ``\n``, ``\u202e``.

    Characters in *keep* stay (``"\n"`` where lines are laid out).
    """
    if text.isprintable():
        return text
    return re.sub(_UNSEEN, lambda found: found[0] if found[0] in keep else _code(found[0]), text)


_NAMED = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}


def _code(character: str) -> str:
    number = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if 0xDC80 <= number <= 0xDCFF:
        number -= 0xDC00
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
_NUMBER = r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|inf|nan)"


def spreadsheet(text: str) -> str:
    """Return *text* so that no spreadsheet takes it for a formula: a leading ``'`` where it could; numbers stay."""
    if text[:1] in _FORMULA and not re.fullmatch(_NUMBER, text):
        text = "'" + text
    return visible(text, keep="\n\t")


def html(text: str) -> str:
    """Return *text* for the content of an element or a quoted attribute; line breaks stay."""
    from html import escape

    return escape(visible(text, keep="\n\t"), quote=True)


_MARKDOWN = r"[\\`*_\[\]<>|~$&]"
_MARKDOWN_LINK = r"(?i)(https?|ftp|mailto|xmpp)(:)|(www)(\.)"
_MARKDOWN_START = r"^([#=]|[+-](?!\d)|\d+(?=[.)](?:\s|$)))"


def markdown(text: str) -> str:
    """Return *text* as one line of Markdown that shows nothing but that text: no markup, link, HTML or formula."""
    line = visible(" ".join(text.split("\n")))
    line = re.sub(_MARKDOWN, lambda found: "&amp;" if found[0] == "&" else f"\\{found[0]}", line)
    line = re.sub(_MARKDOWN_LINK, lambda found: f"{found[1] or found[3]}\\{found[2] or found[4]}", line)
    return re.sub(_MARKDOWN_START, _start, line.strip())


def _start(found: re.Match[str]) -> str:
    return f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}"


def markdown_block(text: str) -> str:
    """Return *text* as a block of code, line by line, fenced so that no line of it can end the block."""
    text = visible(text, keep="\n\t").strip("\n")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}\n"


_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "^": r"\textasciicircum{}",
    "_": r"\_", "~": r"\textasciitilde{}", "%": r"\%", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    '"': r"\char34{}", "'": "'{}", "`": "`{}", "[": "{[}", "]": "{]}", "-": "-{}",  # no dash of two
    "µ": r"\ensuremath{\mu}", "±": r"\ensuremath{\pm}", "×": r"\ensuremath{\times}", "°": r"\ensuremath{^\circ}",
    "·": r"\ensuremath{\cdot}", "…": r"\ldots{}", "–": r"\textendash{}", "—": r"\textemdash{}",
    "‘": "`{}", "’": "'{}", "“": "``", "”": "''",
    "²": r"\ensuremath{^2}", "³": r"\ensuremath{^3}", "→": r"\ensuremath{\rightarrow}", "←": r"\ensuremath{\leftarrow}",
    "≤": r"\ensuremath{\leq}", "≥": r"\ensuremath{\geq}", "≈": r"\ensuremath{\approx}", "≠": r"\ensuremath{\neq}",
    "∞": r"\ensuremath{\infty}", "√": r"\ensuremath{\surd}", "∂": r"\ensuremath{\partial}", "−": r"\ensuremath{-}",
    "Γ": r"\ensuremath{\Gamma}", "Δ": r"\ensuremath{\Delta}", "Θ": r"\ensuremath{\Theta}", "Λ": r"\ensuremath{\Lambda}",
    "Ξ": r"\ensuremath{\Xi}", "Π": r"\ensuremath{\Pi}", "Σ": r"\ensuremath{\Sigma}", "Φ": r"\ensuremath{\Phi}",
    "Ψ": r"\ensuremath{\Psi}", "Ω": r"\ensuremath{\Omega}",
    "ς": r"\ensuremath{\varsigma}", "ο": r"\ensuremath{o}", "μ": r"\ensuremath{\mu}",
    "ϕ": r"\ensuremath{\phi}", "ϵ": r"\ensuremath{\epsilon}",
    "\xa0": r"\ ", "\u202f": r"\,", "\n": " ", "\t": " ",
}
_LATEX.update({
    letter: rf"\ensuremath{{\{name}}}"
    for letter, name in zip(
        "αβγδεζηθικλνξπρστυφχψω",
        (
            "alpha", "beta", "gamma", "delta", "varepsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "nu",
            "xi", "pi", "rho", "sigma", "tau", "upsilon", "varphi", "chi", "psi", "omega",
        ),
        strict=True,
    )
})
# What pdfTeX can set with its oldest fonts: letters that are made of a plain one and an accent.
_LATEX_LETTERS = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿĀāĂăĆćĈĉČčĎďĒēĔĕĖėĚěĜĝĞğĤĥĨĩĪīĬĭİıŁłŃńŇňŌōŎŏŐőŒœŔŕŘřŚś"
    "ŜŝŞşŠšŤťŨũŪūŬŭŮůŰűŴŵŶŷŸŹźŻżŽž"
)
_LATEX_SPECIAL = r"-(?=-)|[^A-Za-z0-9 !()*+,./:;=?@" + "".join(sorted(_LATEX_LETTERS)) + "-]"


def latex(text: str) -> str:
    r"""Return *text* for the running text of a LaTeX document; no command and no special character is left active.

    What the usual fonts don't have becomes ``\smtcharacter{HEX}``, which `sumatra.formatting.latex` defines.
    """
    text = visible(text, keep="\n\t")
    if not text.isascii():
        from unicodedata import normalize

        text = normalize("NFC", text)
    return re.sub(_LATEX_SPECIAL, _latex_character, text)


def _latex_character(found: re.Match[str]) -> str:
    return _LATEX.get(found[0]) or rf"\smtcharacter{{{ord(found[0]):04X}}}"


def shell_word(word: str) -> str:
    r"""Return *word* quoted for bash; words with control or invisible characters as ``$'\x1b'``.

    Inside ``$'…'`` there is never a quote, so that a shell that doesn't know this form takes it for plain text too.
    """
    from shlex import quote

    if visible(word) == word:
        return quote(word)
    pieces = []
    for character in word:
        if character in "\\'" or visible(character) != character:
            undecoded = "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass"
            pieces.append("".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", undecoded)))
        else:
            pieces.append(character)
    return "$'" + "".join(pieces) + "'"


def shell_comment(lines: Iterable[str]) -> str:
    """Return *lines* of text as comments of a shell script; no line can end its comment."""
    return "".join(f"# {visible(line)}".rstrip() + "\n" for line in lines)
