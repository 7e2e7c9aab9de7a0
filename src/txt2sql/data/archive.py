"""Archives of data sets: safe extraction, and the layout that must come out of it.

Nothing is written outside the target (no absolute or `..` names, no links, no devices), and no more
than a limit, whatever the archive declares. A folder appears under its name only when it is whole.

>>> unsafe("../../etc/passwd"), unsafe("spider/dev.json")
(True, False)
"""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from txt2sql.data.fetch import Progress
from txt2sql.errors import DownloadError

REQUIRED = {
    "spider": ("dev.json", "train_spider.json", "tables.json", "database"),
    "wikisql": ("train.jsonl", "train.tables.jsonl", "dev.jsonl", "dev.tables.jsonl"),
}
"""What the official release of each data set holds at least."""

MAX_BYTES = 16 * 2**30
MAX_MEMBERS = 200_000
_CHUNK = 1 << 20
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    RuntimeError,
)
_LITTER = ("__MACOSX", ".DS_Store")

_Member = tuple[str, int, Callable[[], IO[bytes]]]
"""Name, declared size, and how to open it."""


def missing(name: str, folder: Path) -> tuple[str, ...]:
    """What the data set `name` lacks in `folder`; empty when it is complete."""
    lacking = [part for part in REQUIRED[name] if not (folder / part).exists()]
    if name == "spider" and not lacking and not any(folder.glob("database/*/*.sqlite")):
        lacking.append("database/<db_id>/<db_id>.sqlite")
    return tuple(lacking)


def find_layout(name: str, folder: Path) -> Path:
    """The folder inside `folder`, at most three levels down, that holds the complete data set."""
    for pattern in ("", "*", "*/*", "*/*/*"):
        for candidate in sorted(folder.glob(pattern)) if pattern else [folder]:
            if candidate.is_dir() and not missing(name, candidate):
                return candidate
    wanted = ", ".join(REQUIRED[name])
    raise DownloadError(
        f"no {name} data set in it: {wanted} must lie in one folder; give another --source"
    )


def unsafe(name: str) -> bool:
    """Would this member leave the folder that it is extracted into?"""
    posix, windows = PurePosixPath(name.replace("\\", "/")), PureWindowsPath(name)
    return posix.is_absolute() or bool(windows.drive) or ".." in posix.parts or "\0" in name


def is_archive(path: Path) -> bool:
    """Is it a zip or a (compressed) tar, by its content?"""
    return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)


def extract(
    archive: Path, target: Path, progress: Progress | None = None, max_bytes: int = MAX_BYTES
) -> None:
    """Extract a zip or tar into the new folder `target`; on any fault remove it again.

    Raises DownloadError for a damaged or unsafe archive and lets OSError (a full disk) through.
    """
    target.mkdir(parents=True)
    try:
        with _members(archive) as members:
            _write(members, target, progress, max_bytes)
    except DownloadError:
        shutil.rmtree(target, ignore_errors=True)
        raise
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        # bz2 and gzip report damage as an OSError without an errno; a full disk has one.
        if error.errno is not None:
            raise
        raise DownloadError(f"'{archive}' is damaged ({error})") from error
    except _DAMAGE as error:
        shutil.rmtree(target, ignore_errors=True)
        raise DownloadError(f"'{archive}' is damaged ({error})") from error
    except BaseException:  # stopped by the user: leave nothing behind
        shutil.rmtree(target, ignore_errors=True)
        raise


def _write(
    members: Iterator[_Member], target: Path, progress: Progress | None, max_bytes: int
) -> None:
    total = 0
    for count, (name, size, opened) in enumerate(members, start=1):
        if count > MAX_MEMBERS or total + size > max_bytes:
            raise DownloadError(
                f"the archive unpacks to more than {max_bytes / 2**30:.0f} GiB or "
                f"{MAX_MEMBERS:,} files, so it is not a data set; give another --source"
            )
        path = target / name.replace("\\", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        written = 0
        with opened() as source, path.open("wb") as file:
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > size:  # more than declared: never trust the header of a bomb
                    raise DownloadError(f"'{name}' in the archive is larger than it declares")
                file.write(chunk)
        if written < size:
            raise DownloadError(f"'{name}' in the archive is cut off; download it again")
        total += written
        if progress is not None:
            progress("extract", total, None)


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            yield _zip_members(packed)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tape:
            yield _tar_members(tape)
    else:
        raise DownloadError(f"'{archive}' is not a whole zip or tar archive")


def _zip_members(packed: zipfile.ZipFile) -> Iterator[_Member]:
    for info in packed.infolist():
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR) or unsafe(info.filename):
            raise _refused(info.filename)
        if not info.is_dir() and not _litter(info.filename):
            yield info.filename, info.file_size, lambda info=info: packed.open(info)  # type: ignore[misc]


def _tar_members(tape: tarfile.TarFile) -> Iterator[_Member]:
    for info in tape:
        if not (info.isfile() or info.isdir()) or unsafe(info.name):
            raise _refused(info.name)
        if info.isfile() and not _litter(info.name):
            yield info.name, info.size, lambda info=info: _opened(tape, info)  # type: ignore[misc]


def _opened(tape: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = tape.extractfile(info)
    if file is None:
        raise _refused(info.name)
    return file


def _litter(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part in _LITTER or part.startswith("._") for part in parts)


def _refused(name: str) -> DownloadError:
    return DownloadError(
        f"the archive holds '{name}', a link or a path outside its folder, so nothing was "
        "extracted; give another --source"
    )
