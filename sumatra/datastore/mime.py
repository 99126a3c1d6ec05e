"""What kind of data a file holds, by its name.

Our own table comes first: it is the same on every machine and knows the formats of science.  Only for other names is
the standard library's asked, which is slow to load and reads the system's tables.
"""

import os

__all__ = ["guess", "read_types"]

#: Endings that say how the data are packed.
_ENCODINGS = {
    ".gz": "gzip", ".bgz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".lzma": "lzma", ".zst": "zstd", ".lz4": "lz4",
    ".br": "br", ".z": "compress",
}

_SHORT = {".tgz": ".tar.gz", ".tbz2": ".tar.bz2", ".txz": ".tar.xz", ".svgz": ".svg.gz"}

_TYPES = {
    # text and tables
    ".txt": "text/plain", ".log": "text/plain", ".out": "text/plain", ".err": "text/plain", ".dat": "text/plain",
    ".csv": "text/csv", ".tsv": "text/tab-separated-values", ".tab": "text/tab-separated-values",
    ".md": "text/markdown", ".rst": "text/x-rst", ".html": "text/html", ".htm": "text/html", ".css": "text/css",
    ".json": "application/json", ".jsonl": "application/jsonl", ".ndjson": "application/x-ndjson",
    ".geojson": "application/geo+json", ".yaml": "application/yaml", ".yml": "application/yaml",
    ".toml": "application/toml", ".xml": "application/xml", ".ini": "text/plain", ".cfg": "text/plain",
    ".param": "text/plain", ".tex": "application/x-tex", ".bib": "text/x-bibtex", ".ipynb": "application/x-ipynb+json",
    # pictures, sound, documents
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".svg": "image/svg+xml",
    ".tif": "image/tiff", ".tiff": "image/tiff", ".bmp": "image/bmp", ".webp": "image/webp",
    ".ppm": "image/x-portable-pixmap", ".pgm": "image/x-portable-graymap", ".eps": "application/postscript",
    ".ps": "application/postscript", ".pdf": "application/pdf", ".mp4": "video/mp4", ".avi": "video/x-msvideo",
    ".mov": "video/quicktime", ".webm": "video/webm", ".wav": "audio/x-wav", ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".xls": "application/vnd.ms-excel", ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    # arrays and data frames
    ".npy": "application/x-npy", ".npz": "application/x-npz", ".h5": "application/x-hdf5",
    ".hdf5": "application/x-hdf5", ".hdf": "application/x-hdf", ".nc": "application/x-netcdf",
    ".cdf": "application/x-netcdf",
    ".mat": "application/x-matlab-data", ".parquet": "application/vnd.apache.parquet",
    ".feather": "application/vnd.apache.arrow.file", ".arrow": "application/vnd.apache.arrow.file",
    ".rds": "application/x-r-data", ".rda": "application/x-r-data", ".rdata": "application/x-r-data",
    ".pkl": "application/x-python-pickle", ".pickle": "application/x-python-pickle",
    ".sqlite": "application/vnd.sqlite3", ".db": "application/octet-stream", ".bin": "application/octet-stream",
    ".root": "application/x-root", ".grib": "application/x-grib", ".grb2": "application/x-grib",
    # instruments and fields
    ".fits": "application/fits", ".fit": "application/fits", ".nii": "application/x-nifti", ".dcm": "application/dicom",
    ".edf": "application/x-edf", ".nwb": "application/x-hdf5", ".nix": "application/x-hdf5",
    ".fasta": "text/x-fasta", ".fa": "text/x-fasta", ".fastq": "text/x-fastq", ".fq": "text/x-fastq",
    ".vcf": "text/x-vcf", ".sam": "text/x-sam", ".bam": "application/x-bam", ".bed": "text/x-bed", ".gff": "text/x-gff",
    ".pdb": "chemical/x-pdb", ".cif": "chemical/x-cif", ".xyz": "chemical/x-xyz", ".mol": "chemical/x-mdl-molfile",
    ".vtk": "application/x-vtk", ".vtu": "application/x-vtk", ".stl": "model/stl", ".swc": "text/x-swc",
    # code
    ".py": "text/x-python", ".r": "text/x-r", ".jl": "text/x-julia", ".m": "text/x-matlab", ".hoc": "text/x-hoc",
    ".c": "text/x-csrc", ".h": "text/x-chdr", ".f90": "text/x-fortran", ".sh": "application/x-sh",
    # bundles
    ".zip": "application/zip", ".tar": "application/x-tar", ".7z": "application/x-7z-compressed",
}


def guess(path: str, additions: dict[str, str] | None = None) -> tuple[str | None, str | None]:
    """Return the MIME type of the file called *path*, and how it is packed (``gzip``); None for what isn't known.

    *additions* are endings with their types, as `read_types` returns them; they come before all others.
    """
    stem, ending = os.path.splitext(os.path.basename(path).lower())
    stem, ending = os.path.splitext(stem + _SHORT.get(ending, ending))
    encoding = _ENCODINGS.get(ending)
    if encoding:
        ending = os.path.splitext(stem)[1]
    found = (additions or {}).get(ending) or _TYPES.get(ending)
    if found is None and ending.isascii() and len(ending) > 1:
        import mimetypes

        found = mimetypes.guess_type("name" + ending)[0]
    return found, encoding


def read_types(path: str) -> dict[str, str]:
    """Return the additions in the file *path*, which is written like ``/etc/mime.types``; {} if there is none."""
    found: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                words = line.partition("#")[0].split()
                found.update(("." + ending.lower().lstrip("."), words[0]) for ending in words[1:])
    except OSError:
        pass
    return found
