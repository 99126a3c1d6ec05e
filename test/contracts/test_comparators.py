"""Our comparators keep what every comparator promises, on files that the programs of science really write."""

import datetime
import gzip
import io
import json
import pickle
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sumatra.comparison import BACKENDS, Comparator, get_comparator
from sumatra.comparison.base import Limit
from sumatra.testing.comparators import ComparatorContract, compared

# Each of these writes a file that holds the number *x*; with *again*, what else can differ does: times, packing, order.


def npy(path, x, again):
    array = np.array([[1.0, 2.0], [3.0, x]])
    np.save(path, np.asfortranarray(array) if again else array)


def npz(path, x, again):
    (np.savez_compressed if again else np.savez)(path, v=np.array([1.0, x]), n=np.arange(3))


def structured_npy(path, x, again):
    order = ">" if again else "<"
    np.save(path, np.array([(1, x, b"ab")], dtype=[("n", order + "i4"), ("v", order + "f8"), ("s", "S2")]))


def hdf5(path, x, again):
    import h5py

    with h5py.File(path, "w", track_order=True) as file:
        options = {"compression": "gzip", "chunks": (1,), "track_times": True} if again else {}
        file.create_dataset("run/v", data=[1.0, x], **options)
        file["run"].attrs["written"] = f"2026-01-0{1 + again} 10:00:00"
        file["names"] = ["a", "b"]
        file["ref"] = file["run/v"].ref


def netcdf4(path, x, again):
    import netCDF4

    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("t", 2)
        file.createVariable("v", "f8", ("t",), zlib=again)[:] = [1.0, x]
        file.history = f"made {again}"


def netcdf3(path, x, again):
    from scipy.io import netcdf_file

    with netcdf_file(path, "w", version=1 + again) as file:
        file.createDimension("t", 2)
        variable = file.createVariable("v", "d", ("t",))
        variable[:] = [1.0, x]
        file.history = f"made {again}".encode()


def matlab(path, x, again):
    from scipy.io import savemat
    from scipy.sparse import csc_array

    cell = np.array([1.0, "text"], dtype=object)
    values = {"v": [1.0, x], "s": {"a": 1, "b": cell}, "m": csc_array([[0.0, 1.0], [2.0, 0.0]])}
    savemat(path, values, do_compression=again)


def parquet(path, x, again):
    import pyarrow
    from pyarrow import parquet

    columns = {"t": [1, 2, 3], "v": [1.0, x, None], "l": [[1], [], None], "s": ["a", "b", None]}
    table = pyarrow.table(dict(reversed(columns.items())) if again else columns)
    parquet.write_table(table, path, row_group_size=2 if again else 3, compression="gzip" if again else "snappy")


def png(path, x, again):
    from PIL import Image, PngImagePlugin

    image = Image.new("RGB", (20, 10), "white")
    if x != 4.0:
        image.putpixel((3, 4), (254, 255, 255))
    info = PngImagePlugin.PngInfo()
    info.add_text("Date", str(again))
    (image.convert("RGBA") if again else image).save(path, pnginfo=info)


def tiff(path, x, again):
    from PIL import Image

    Image.fromarray(np.array([[1.0, x]], dtype="f4")).save(path, compression="tiff_deflate" if again else None)


def _figure(x):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 2))
    axes = figure.subplots()
    axes.plot([1, 2, 3 if x == 4.0 else 3.01])
    axes.set_ylim(0, 4)
    return figure


def svg(path, x, again):
    _figure(x).savefig(path, metadata={"Date": f"2026-01-0{1 + again}"})


def pdf(path, x, again):
    _figure(x).savefig(path, metadata={"CreationDate": datetime.datetime(2026, 1, 1 + again)})


def gzipped(path, x, again):
    with open(path, "wb") as file, gzip.GzipFile("name", "wb", fileobj=file, mtime=1 + again) as packed:
        packed.write(f"t,v\n1,{x!r}\n".encode())


def zipped(path, x, again):
    with zipfile.ZipFile(path, "w") as archive:
        names = ["a.json", "b.txt"]
        for name in reversed(names) if again else names:
            content = json.dumps({"v": x}) if name == "a.json" else "hello"
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1 + again, 0, 0, 0)), content)


def tarred(path, x, again):
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        content = json.dumps({"v": x}).encode()
        info = tarfile.TarInfo("a.json")
        info.size, info.mtime = len(content), 1 + again
        archive.addfile(info, io.BytesIO(content))


def xlsx(path, x, again):
    import openpyxl

    book = openpyxl.Workbook()
    book.properties.creator = f"person {again}"
    book.active.append([1, x, "text"])
    book.save(path)


def as_json(path, x, again):
    text = f'{{"v": [1, {x!r}], "s": "text"}}'
    path.write_text(f'{{"s":   "text",\n "v": [1.0, {x!r}]}}' if again else text)


def as_yaml(path, x, again):
    path.write_text(f"s: text\nv: &a [1, {x!r}]\nw: *a\n" if again else f"v: [1, {x!r}]\ns: text\nw: [1, {x!r}]\n")


def as_toml(path, x, again):
    path.write_text(f"s = 'text'\nv = [1, {x!r}]\n" if again else f'v = [1, {x!r}]  # remark\ns = "text"\n')


def as_csv(path, x, again):
    path.write_text(f"v,t\n{x!r},1.0\n2.50,2\n" if again else f"t,v\r\n1,{x!r}\r\n2,2.5\r\n")


def columns(path, x, again):
    path.write_text(f"# t v\n1   {x!r}\n2.0 2.5\n" if again else f"# t v\n1 {x!r}\n2 2.5\n")


def log(path, x, again):
    path.write_text(
        f"2026-01-0{1 + again} 10:00:00,123 sim[{4000 + again}]: started in /tmp/job{again}/x\nenergy = {x!r} J\n"
        f"done in {3 + again}.5 s\n"
    )


KINDS = {
    "v.npy": ("npy", npy), "v.npz": ("npy", npz), "s.npy": ("npy", structured_npy), "v.h5": ("hdf5", hdf5),
    "v.nc": ("netcdf", netcdf4), "w.nc": ("netcdf", netcdf3), "v.mat": ("matlab", matlab),
    "v.parquet": ("parquet", parquet), "p.png": ("image", png), "p.tif": ("image", tiff), "f.svg": ("svg", svg),
    "f.pdf": ("pdf", pdf), "t.csv.gz": ("archive", gzipped), "z.zip": ("archive", zipped), "t.tar": ("archive", tarred),
    "t.tar.gz": ("archive", tarred), "b.xlsx": ("archive", xlsx), "v.json": ("json", as_json),
    "v.yaml": ("yaml", as_yaml), "v.toml": ("toml", as_toml), "t.csv": ("table", as_csv), "t.dat": ("table", columns),
    "run.log": ("text", log),
}  # fmt: skip

#: Those in which *x* isn't a number that could be near to another.
DRAWN = {"p.png", "f.svg", "f.pdf"}


def made(folder: Path, name: str, x: float, again: bool = False) -> Path:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    KINDS[name][1](file, x, again)
    return file


def pickled(folder: Path, x: float) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "o.pkl").write_bytes(pickle.dumps({"x": x}))
    return folder / "o.pkl"


def binary(folder: Path, x: float) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "o.bin").write_bytes(b"\0\1" + str(x).encode())
    return folder / "o.bin"


@pytest.fixture(scope="session")
def all_files(tmp_path_factory) -> dict[str, tuple[Path, Path]]:
    """Two files of each kind, which differ in one number."""
    one, other = (tmp_path_factory.mktemp(name) for name in ("one", "other"))
    found = {name: (made(one, name, 4.0), made(other, name, 4.0 + 1e-6)) for name in KINDS}
    return {**found, "o.pkl": (pickled(one, 1), pickled(other, 2)), "o.bin": (binary(one, 1), binary(other, 2))}


class TestComparators(ComparatorContract):

    @pytest.fixture(params=[*KINDS, "o.pkl", "o.bin"])
    def name(self, request: pytest.FixtureRequest) -> str:
        return request.param

    @pytest.fixture
    def comparator(self, name: str) -> Comparator:
        return get_comparator({"o.pkl": "pickle", "o.bin": "bytes"}.get(name) or KINDS[name][0])

    @pytest.fixture
    def files(self, name: str, all_files) -> tuple[Path, Path]:
        return all_files[name]


def test_every_comparator_of_ours_is_tested():
    assert {"pickle", "bytes", *(kind for kind, _ in KINDS.values())} == set(BACKENDS)


@pytest.mark.parametrize("name", KINDS)
def test_what_is_written_again_has_the_same_content(name, tmp_path, all_files):
    if name == "b.xlsx":
        time.sleep(1.1)  # it notes the second
    again = made(tmp_path / "again", name, 4.0, again=True)
    first = all_files[name][0]
    assert again.read_bytes() != first.read_bytes()
    found = compared(get_comparator(KINDS[name][0]), first, again)
    assert (found.verdict, found.largest or 0.0) == ("same content", 0.0), found.sentence


@pytest.mark.parametrize("name", sorted(KINDS.keys() - DRAWN))
def test_a_number_that_is_near_is_different_unless_a_tolerance_is_given(name, all_files):
    comparator = get_comparator(KINDS[name][0])
    exact = compared(comparator, *all_files[name])
    assert exact.verdict == "different"
    assert exact.largest == pytest.approx(2.5e-7, rel=0.1)
    assert exact.absolute == pytest.approx(1e-6, rel=0.1)
    assert exact.where
    near = compared(comparator, *all_files[name], Limit(1e-6))
    assert (near.verdict, near.where) == ("within tolerance", exact.where)
    assert compared(comparator, *all_files[name], Limit(0.0, 2e-6)).verdict == "within tolerance"
    assert compared(comparator, *all_files[name], Limit(1e-8, 1e-8)).verdict == "different"
