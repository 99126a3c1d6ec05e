"""Read pictures by Pillow, of few formats and of no more pixels than memory has room for."""

from collections.abc import Iterator
from typing import Any

from sumatra.comparison.base import Content, NotComparable

__all__ = ["frames", "is_picture", "side_by_side"]

#: None of them starts a program, as Pillow does for PostScript.
_FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM")

_MOST_PIXELS = 50_000_000
_MOST_FRAMES = 500
_WIDEST = 1000  #: pixels of a picture that is shown


def is_picture(head: bytes) -> bool:
    """Tell whether a file that begins with *head* is a picture."""
    return head.startswith((
        b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"BM",
    )) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or (head[:1] == b"P" and head[1:2] in b"123456"
                                                              and head[2:3] in b" \t\r\n" and len(head) > 3)


def frames(content: Content) -> Iterator[Any]:
    """Yield the pictures in a file, of a mode in which they can be compared; raises `NotComparable`."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # it is we who look
    with content.open() as file, Image.open(file, formats=_FORMATS) as image:
        for number in range(getattr(image, "n_frames", 1)):
            if number >= _MOST_FRAMES:
                raise NotComparable(f"it has more than {_MOST_FRAMES} pictures")
            if number:
                image.seek(number)
            width, height = image.size
            if width * height > _MOST_PIXELS:
                raise NotComparable(f"it has {width:,} x {height:,} pixels, more than are read")
            if _has_more_bits(image, content.head(32)):
                raise NotComparable("it has 16 bits per channel, of which just 8 can be read")
            yield image.convert(_mode(image))


def _mode(image: Any) -> str:
    mode = str(image.mode)
    if mode in ("1", "L"):
        return "L"
    if mode.startswith("I") or mode == "F":
        return "I" if mode.startswith("I;16") else mode
    return "RGB" if mode in ("RGB", "CMYK", "YCbCr", "LAB", "HSV") else "RGBA"


def _has_more_bits(image: Any, head: bytes) -> bool:
    if image.mode.startswith("I") or image.mode == "F":
        return False
    if image.format == "PNG":
        return head[24:25] == bytes([16])
    if image.format == "TIFF":
        bits = image.tag_v2.get(258, (8,))
        return bool(max(bits if isinstance(bits, tuple) else (bits,)) > 8)
    return False


def side_by_side(one: str, other: str) -> list[str]:
    """Return the pictures *one* and *other*, and one that is dark where they differ, as PNG in Base64."""
    from PIL import Image, ImageChops

    pair = [next(frames(Content.at(path, path))).convert("RGBA") for path in (one, other)]
    size = max(pair[0].width, pair[1].width), max(pair[0].height, pair[1].height)
    flat = []
    for image in pair:
        paper = Image.new("RGBA", size, "white")
        paper.alpha_composite(image)
        flat.append(paper.convert("RGB"))
    difference = ImageChops.difference(*flat)
    channels = difference.split()
    strength = ImageChops.lighter(ImageChops.lighter(channels[0], channels[1]), channels[2])
    mask = strength.point([0] + [min(255, 80 + value) for value in range(1, 256)])
    marked = Image.blend(flat[0].convert("L").convert("RGB"), Image.new("RGB", size, "white"), 0.75)
    marked.paste(Image.new("RGB", size, (200, 0, 60)), mask=mask)
    return [_encoded(each) for each in (*flat, marked)]


def _encoded(image: Any) -> str:
    import base64
    import io

    image.thumbnail((_WIDEST, _WIDEST))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
