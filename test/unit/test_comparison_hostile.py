"""Files that would do harm to whoever reads them end in a sentence; the process that reads them has limits."""

import gzip
import io
import json
import os
import struct
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from sumatra.comparison import Session


def png(width: int, height: int, last: int = 0) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    packed = packer.compress(b"\0" * (1 << 20)) + packer.compress(bytes([last])) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def zip_bomb(last: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("large", "w") as member:
            for _ in range(30):
                member.write(b"\0" * 10_000_000)
            member.write(bytes([last]))
    return buffer.getvalue()


def nested_zips(last: int) -> bytes:
    content = bytes([last]) * 10
    for level in range(10):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(f"{level}.zip", content)
        content = buffer.getvalue()
    return content


def many_members(last: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number in range(21_000):
            archive.addfile(tarfile.TarInfo(f"{number}{last}"))
    return buffer.getvalue()


def climbing_tar(last: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("../../climbed.json")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"%d" % last))
    return buffer.getvalue()


def npy(shape: str, descr: str = "'<f8'", content: bytes = b"") -> bytes:
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + content


def deep_yaml(last: int) -> str:
    return "[" * 5000 + str(last) + "]" * 5000


def laughing_yaml(last: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join([*lines, f"last: {last}"])


#: By name: what makes one of both files, and words of the sentence that is expected ("" where any will do).
HOSTILE = {
    "deep.json": (lambda last: "[" * 300_000 + str(last) + "]" * 300_000, "nested too deeply"),
    "digits.json": (lambda last: "1" * 5_000_000 + str(last), ""),
    "deep.toml": (lambda last: "a = " + "[" * 100_000 + str(last) + "]" * 100_000, "nested too deeply"),
    "deep.yaml": (deep_yaml, ""),
    "tag.yaml": (lambda last: f"!!python/object/apply:os.system ['touch witness{last}']", ""),
    "huge.png": (lambda last: png(60_000, 60_000, last), "60,000 x 60,000 pixels"),
    "cut.png": (lambda last: png(4000, 4000, last), "can't be read as a picture"),
    "bomb.zip": (zip_bomb, "too large to be compared otherwise"),
    "nested.zip": (nested_zips, "archives in archives"),
    "many.tar": (many_members, "more than 20,000 members"),
    "object.npy": (lambda last: npy("(1,)", "'|O'", bytes([last])), "pickled objects, which are never loaded"),
    "inner.npy": (lambda last: npy("(1,)", "[('a', [('b', '|O')])]", bytes([last])), "pickled objects"),
    "large.npy": (lambda last: npy("(2305843009213693951,)", content=bytes([last] * 8)), "shorter than it says"),
    "call.npy": (lambda last: npy("(__import__('os').system('touch witness'),)", content=bytes([last])), ""),
    "bad.h5": (lambda last: b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 100 + bytes([last]), "HDF5"),
    "bad.mat": (lambda last: b"MATLAB 5.0 MAT-file" + b"\xff" * 5000 + bytes([last]), "MATLAB"),
    "bad.parquet": (lambda last: b"PAR1" + b"\xff" * 5000 + bytes([last]) + b"PAR1", "Parquet"),
    "bad.nc": (lambda last: b"CDF\x01" + b"\x7f" * 500 + bytes([last]), "NetCDF"),
    "bad.pdf": (lambda last: b"%PDF-1.4\n" + b"1 0 obj" * 50_000 + bytes([last]), ""),
    "line.txt": (lambda last: "x" * 60_000_000 + str(last), "longer than"),
}  # fmt: skip


@pytest.fixture
def pair(tmp_path):
    """Write a hostile file twice, with another end."""

    def write(name: str) -> tuple[str, str]:
        paths = []
        for last in (1, 2):
            content = HOSTILE[name][0](last)
            path = tmp_path / str(last) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            paths.append(str(path))
        return paths[0], paths[1]

    return write


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_in_a_sentence_and_the_next_file_is_compared_all_the_same(name, pair, tmp_path):
    with Session() as session:
        found = session.compare(*pair(name), name)
        assert found.verdict in ("not comparable", "different")
        assert HOSTILE[name][1] in found.sentence
        assert len(found.sentence) < 400
        for number in (1, 2):
            (tmp_path / f"{number}.json").write_text(str(number))
        assert session.compare(str(tmp_path / "1.json"), str(tmp_path / "2.json"), "x.json").verdict == "different"
    assert not list(tmp_path.rglob("witness*")) and not list(tmp_path.rglob("climbed*"))


def test_of_many_files_one_on_which_the_reader_dies_costs_the_others_nothing(tmp_path, monkeypatch):
    from sumatra.comparison import _session

    # A reader that dies on a file of a certain name, as one with a fault would.
    dying = (
        "import os, sumatra.comparison._child as child; which = child._which; "
        "child._which = lambda content, all: os.abort() if 'die' in content.name else which(content, all); child.main()"
    )
    start = _session._START.partition("from sumatra")[0] + dying
    monkeypatch.setattr(_session, "_START", start)
    for number in range(100):
        for name in ("one", "other"):
            (tmp_path / f"{number}.{name}").write_text(f"{number} {name}\n")
    names = [f"{number}{'die' if number in (0, 40, 99) else ''}.txt" for number in range(100)]
    with Session() as session:
        found = list(session.compare_unlike(
            (str(tmp_path / f"{number}.one"), str(tmp_path / f"{number}.other"), name, [])
            for number, name in enumerate(names)
        ))
        assert session.starts == 3
    for number, each in enumerate(found):
        if number in (0, 40, 99):
            assert each.sentence == "its reader crashed (SIGABRT)"
        else:
            assert each.sentence == f"line 1: '{number} one' -> '{number} other'"


def test_a_yaml_that_names_its_parts_again_and_again_is_read_once(tmp_path):
    for last in (1, 2):
        (tmp_path / f"{last}.yaml").write_text(laughing_yaml(last))
    began = time.monotonic()
    with Session() as session:
        found = session.compare(str(tmp_path / "1.yaml"), str(tmp_path / "2.yaml"), "x.yaml")
    assert found.where == "last"
    assert time.monotonic() - began < 20


def test_names_that_climb_are_just_names(tmp_path):
    for last in (1, 2):
        (tmp_path / f"{last}.tar").write_bytes(climbing_tar(last))
    with Session() as session:
        found = session.compare(str(tmp_path / "1.tar"), str(tmp_path / "2.tar"), "x.tar")
    assert found.sentence.startswith("../../climbed.json: 1 of 1 numbers differ")
    assert not list(tmp_path.parent.glob("climbed*"))


def test_what_takes_too_long_is_given_up_and_the_next_file_is_compared(tmp_path):
    for last in (1, 2):
        (tmp_path / f"{last}.gz").write_bytes(gzip.compress(b"\0" * 10_000_000) * 300 + gzip.compress(bytes([last])))
    (tmp_path / "a.json").write_text("1")
    (tmp_path / "b.json").write_text("2")
    with Session(patience=1.0) as session:
        found = session.compare(str(tmp_path / "1.gz"), str(tmp_path / "2.gz"), "x.dat.gz")
        assert (found.verdict, "comparing takes longer than" in found.sentence) == ("not comparable", True)
        assert session.compare(str(tmp_path / "a.json"), str(tmp_path / "b.json"), "a.json").verdict == "different"
        assert session.starts == 2


def hdf5(folder: Path, name: str, x: int, **links: object) -> str:
    import h5py

    folder.mkdir(exist_ok=True)
    with h5py.File(folder / name, "w") as file:
        file["x"] = x
        for key, link in links.items():
            file[key] = link
    return str(folder / name)


def test_links_of_hdf5_to_other_files_aren_t_followed(tmp_path):
    import h5py

    secret = hdf5(tmp_path / "secret", "s.h5", 7)
    one = hdf5(tmp_path / "one", "a.h5", 1, out=h5py.ExternalLink(secret, "/x"), loop=h5py.SoftLink("/loop"))
    other = hdf5(tmp_path / "other", "a.h5", 1, out=h5py.ExternalLink(secret, "/y"), loop=h5py.SoftLink("/loop"))
    with Session() as session:
        found = session.compare(one, other, "a.h5")
    assert found.sentence == f"/out is a link to {secret}:/x -> {secret}:/y"


def test_a_dataset_of_hdf5_that_lies_in_another_file_isn_t_read(tmp_path):
    import h5py

    paths = []
    for number in (1, 2):
        paths.append(str(tmp_path / f"{number}.h5"))
        with h5py.File(paths[-1], "w") as file:
            file.attrs["n"] = number
            file.create_dataset("x", (4,), "u1", external=[("/etc/passwd", 0, 4)])
    with Session() as session:
        found = session.compare(*paths, "a.h5")
    assert found.sentence == "/x lies in other files, which aren't read"


def test_a_dataset_of_hdf5_without_end_is_given_up(tmp_path):
    import h5py

    paths = []
    for number in (1, 2):
        paths.append(str(tmp_path / f"{number}.h5"))
        with h5py.File(paths[-1], "w") as file:
            file.attrs["n"] = number
            file.create_dataset("x", (10**15,), "f8", chunks=(10**6,))
    with Session(patience=1.0) as session:
        found = session.compare(*paths, "a.h5")
    assert found.verdict == "not comparable"


def test_the_process_may_write_no_file_start_no_program_and_reach_no_network(tmp_path):
    import subprocess
    import sys

    code = f"""if True:
        import os, socket, subprocess, sys
        from sumatra.comparison._limits import confine
        confine()
        for what in (
            lambda: open({str(tmp_path / "new")!r}, "w"), lambda: open({str(tmp_path / "old")!r}, "r+"),
            lambda: os.unlink({str(tmp_path / "old")!r}), lambda: os.rename({str(tmp_path / "old")!r}, "other"),
            lambda: subprocess.run(["true"]), lambda: socket.socket(), lambda: os.kill(os.getppid(), 0),
        ):
            try:
                what()
            except PermissionError:
                print("refused")
        try:
            bytearray(5_000_000_000)
        except MemoryError:
            print("too much")
        print(open({str(tmp_path / "old")!r}).read())
    """
    (tmp_path / "old").write_text("read")
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.split() == ["refused"] * 7 + ["too", "much", "read"]


@pytest.mark.slow
def test_memory_stays_flat_when_large_arrays_are_compared(tmp_path):
    """Arrays of 200 MB each, in a process that holds none of them."""
    import subprocess
    import sys

    for name, last in (("a.npy", 1.0), ("b.npy", 1.0 + 1e-9)):
        array = np.lib.format.open_memmap(tmp_path / name, "w+", "f8", (25_000_000,))
        array[-1] = last
        array.flush()
    code = """if True:
        import json, sys
        from sumatra.comparison import EXACT, Content, Setting, get_comparator
        setting = Setting(lambda field: EXACT, None)
        found = get_comparator("npy").compare(*(Content.at(path, path) for path in sys.argv[1:]), setting)
        peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
        print(json.dumps([found.where, int(peak)]))
    """
    words = [sys.executable, "-c", code, str(tmp_path / "a.npy"), str(tmp_path / "b.npy")]
    where, peak = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
    assert where == "item [24999999]"
    assert peak < 120_000, f"{peak} kB, of which NumPy takes about 35,000"
    assert os.path.getsize(tmp_path / "a.npy") > 190_000_000
