"""Downloads: a data set from its official place, or from a URL, archive or folder, to one folder.

The folder appears under its name only when the archive arrived whole, was extracted and has the
expected layout; until then everything lies in hidden files beside it, from which the same command goes
on. Nothing of an archive is written outside its folder (no absolute or `..` names, no links, no
devices), nor more than a limit, whatever it declares.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

from txt2sql.data.fetch import Patience, Progress, direct_url, fetch
from txt2sql.errors import DownloadError
from txt2sql.runs import read_object, write_atomically

MAX_BYTES = 16 * 2**30
MAX_MEMBERS = 200_000
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError)
_DAMAGE = (*_DAMAGE, ValueError, RuntimeError)
_LITTER = ("__MACOSX", ".DS_Store")


class Place(NamedTuple):
    """Where a data set officially lies, its licence, and what its release holds at least."""

    url: str
    licence: str
    required: tuple[str, ...]


PLACES = {
    "spider": Place(  # linked from yale-lily.github.io/spider
        direct_url("https://drive.google.com/uc?id=1403EGqzIDoHMdQF4c9Bkyl7dZLZ5Wt6J"),
        "CC BY-SA 4.0",
        ("dev.json", "train_spider.json", "tables.json", "database"),
    ),
    "wikisql": Place(
        "https://github.com/salesforce/WikiSQL/raw/master/data.tar.bz2",
        "BSD-3-Clause",
        ("train.jsonl", "train.tables.jsonl", "dev.jsonl", "dev.tables.jsonl"),
    ),
}


def missing(name: str, folder: Path) -> tuple[str, ...]:
    """What the data set `name` lacks in `folder`; empty when it is complete."""
    lacking = tuple(part for part in PLACES[name].required if not (folder / part).exists())
    if name == "spider" and not lacking and not any(folder.glob("database/*/*.sqlite")):
        return ("database/<db_id>/<db_id>.sqlite",)
    return lacking


def find_layout(name: str, folder: Path) -> Path:
    """The folder inside `folder`, at most three levels down, that holds the complete data set."""
    for pattern in ("", "*", "*/*", "*/*/*"):
        for candidate in sorted(folder.glob(pattern)) if pattern else [folder]:
            if candidate.is_dir() and not missing(name, candidate):
                return candidate
    raise DownloadError(
        f"no {name} data set in it: {', '.join(PLACES[name].required)} must lie in one folder; "
        "give another --source"
    )


def unsafe(name: str) -> bool:
    """Would this member leave the folder that it is extracted into?"""
    posix, windows = PurePosixPath(name.replace("\\", "/")), PureWindowsPath(name)
    return posix.is_absolute() or bool(windows.drive) or ".." in posix.parts or "\0" in name


def extract(
    archive: Path, target: Path, progress: Progress | None = None, max_bytes: int = MAX_BYTES
) -> None:
    """Extract a zip or tar into the new folder `target`; on any fault remove it again.

    Raises DownloadError for a damaged or unsafe archive and lets OSError (a full disk) through.
    """
    target.mkdir(parents=True)
    count = total = 0
    try:
        with _opened(archive) as packed:
            for name, size, plain, member in _members(packed):
                count, total = count + 1, total + size
                if not plain or unsafe(name):
                    raise DownloadError(
                        f"the archive holds '{name}', a link or a path outside its folder, so "
                        "nothing was extracted; give another --source"
                    )
                # Of a member nothing is written beyond its declared size.
                if count > MAX_MEMBERS or total > max_bytes:
                    raise DownloadError(
                        f"the archive unpacks to more than {max_bytes / 2**30:.0f} GiB or "
                        f"{MAX_MEMBERS:,} files, so it is not a data set; give another --source"
                    )
                if progress is not None:
                    progress("extract", total, None)
                parts = PurePosixPath(name).parts
                if not any(part in _LITTER or part.startswith("._") for part in parts):
                    packed.extract(member, target)
    except BaseException as error:  # also when stopped by the user: leave nothing behind
        shutil.rmtree(target, ignore_errors=True)
        # bz2 and gzip report damage as an OSError without an errno; a full disk has one.
        damaged = error.errno is None if isinstance(error, OSError) else isinstance(error, _DAMAGE)
        if damaged and not isinstance(error, DownloadError):
            raise DownloadError(f"'{archive}' is damaged ({error})") from error
        raise


def _opened(archive: Path) -> Any:
    if zipfile.is_zipfile(archive):
        return zipfile.ZipFile(archive)
    if tarfile.is_tarfile(archive):
        tape = tarfile.open(archive)  # noqa: SIM115
        tape.extraction_filter = getattr(tarfile, "data_filter", None)
        return tape
    raise DownloadError(f"'{archive}' is not a whole zip or tar archive; give another --source")


def _members(packed: Any) -> Iterator[tuple[str, int, bool, Any]]:
    if isinstance(packed, tarfile.TarFile):
        for info in packed:
            yield info.name, info.size, info.isfile() or info.isdir(), info
    else:
        for entry in packed.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
            yield entry.filename, entry.file_size, plain, entry


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What was done. `sha256` is of the archive; None for a folder. `already`: nothing was to do."""

    name: str
    folder: Path
    source: str
    sha256: str | None = None
    already: bool = False


def download(
    name: str,
    folder: Path,
    source: str | None = None,
    *,
    sha256: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> Downloaded:
    """Make `folder` hold the data set `name`, from its official place or from `source`.

    `source` is a URL, a zip or tar file, or a folder; `sha256` is what the archive must have;
    `force` replaces a folder that is there. Raises DownloadError with what to do.
    """
    if name not in PLACES:
        from txt2sql.data import PAGES

        if name in PAGES:
            raise DownloadError(f"{name} is not brought by this command; get it from {PAGES[name]}")
        raise DownloadError(f"no data set '{name}'; take one of {', '.join(PLACES)}")
    source = source or PLACES[name].url
    folder = folder if folder.name not in ("", "..") else folder.resolve()
    extracted = folder.parent / f".{folder.name}.extracting"
    try:
        if not force and _occupied(name, folder):
            return Downloaded(name, folder, source, already=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(extracted, ignore_errors=True)  # left by a run that was killed
        if "://" in source:
            return _from_url(name, folder, direct_url(source), sha256, progress, patience)
        path, digest = Path(source).expanduser(), None
        if path.is_dir():
            if sha256:
                raise DownloadError("--sha256 is of an archive; leave it out for a folder")
            _copy_tree(find_layout(name, path), extracted, progress)
        elif path.is_file():
            digest = _verified(path, sha256, source)
            extract(path, extracted, progress)
        else:
            raise DownloadError(
                f"no file or folder '{path}'; give --source a URL, an archive or a folder"
            )
        _install(name, extracted, folder, source)
        return Downloaded(name, folder, source, digest)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DownloadError(
            f"cannot write '{error.filename or folder}' ({reason}); free space or choose a folder "
            "you may write with --dest, and run again: what was downloaded is kept"
        ) from error
    finally:
        shutil.rmtree(extracted, ignore_errors=True)


def _occupied(name: str, folder: Path) -> bool:
    """Is the complete data set there? A folder with something else raises DownloadError."""
    if folder.is_file():
        raise DownloadError(f"'{folder}' is a file; choose a folder with --dest")
    if not folder.exists() or all(path.name == ".gitkeep" for path in folder.iterdir()):
        return False
    lacking = missing(name, folder)
    if lacking:
        raise DownloadError(
            f"'{folder}' is there but lacks {', '.join(lacking)}; replace it with --force, or "
            "choose another folder with --dest"
        )
    return True


def _from_url(
    name: str,
    folder: Path,
    url: str,
    sha256: str | None,
    progress: Progress | None,
    patience: Patience | None,
) -> Downloaded:
    archive, extracted, record, about = (
        folder.parent / f".{folder.name}.{end}"
        for end in ("download", "extracting", "source.json", "download.json")
    )
    if read_object(about).get("url") != url:
        archive.unlink(missing_ok=True)  # finished, but of another address
    fetch(url, archive, progress, patience)
    before = read_object(record)
    expected = before.get("sha256") if before.get("url") == url else None
    try:
        digest = _verified(archive, sha256, url)
        if expected not in (None, digest) and sha256 is None:
            raise DownloadError(
                f"'{url}' has changed: SHA-256 {digest}, where {expected} was recorded; if that is "
                f"expected, pass --sha256 {digest}"
            )
        extract(archive, extracted, progress)
        _install(name, extracted, folder, url)
    except DownloadError as error:
        archive.unlink(missing_ok=True)  # the next run must not meet it again
        raise DownloadError(f"{error} (the downloaded file was removed)") from None
    write_atomically(record, json.dumps({"url": url, "sha256": digest}, indent=2) + "\n")
    archive.unlink(missing_ok=True)
    about.unlink(missing_ok=True)
    return Downloaded(name, folder, url, digest)


def _verified(archive: Path, sha256: str | None, source: str) -> str:
    hashed = hashlib.sha256()
    with archive.open("rb") as file:
        while chunk := file.read(1 << 20):
            hashed.update(chunk)
    digest = hashed.hexdigest()
    if sha256 is not None and digest != sha256.strip().lower():
        raise DownloadError(
            f"'{source}' has SHA-256 {digest}, not {sha256}; correct --sha256 or download it again"
        )
    return digest


def _copy_tree(source: Path, target: Path, progress: Progress | None) -> None:
    """Copy the files but not their permissions: a read-only source must not make ours read-only."""
    total = 0
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        total += path.stat().st_size
        if progress is not None:
            progress("copy", total, None)


def _install(name: str, extracted: Path, folder: Path, source: str) -> None:
    try:
        inner = find_layout(name, extracted)
    except DownloadError as error:
        raise DownloadError(f"'{source}' was read, but there is {error}") from None
    old = folder.parent / f".{folder.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.replace(old)
    try:
        inner.replace(folder)
    except OSError:
        if old.exists():
            old.replace(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
