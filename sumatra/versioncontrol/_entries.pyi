from typing import Any

REVISION: int

def entries(folder: int, as_bytes: bool, /) -> list[Any]: ...
