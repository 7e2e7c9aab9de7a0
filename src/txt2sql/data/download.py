"""Downloads: a data set from its official place, or from a URL, archive or folder, to one folder.

The folder appears under its name only when the archive arrived whole, was extracted and has the
expected layout; until then everything lies in hidden files beside it, from which the same command goes
on (RFC 9110: range requests, If-Range). Nothing of an archive is written outside its folder (no absolute
or `..` names, no links, no devices), nor more than a limit, whatever it declares.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import stat
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any, NamedTuple

from txt2sql.errors import DownloadError
from txt2sql.runs import read_object, write_atomically

Progress = Callable[[str, int, int | None], None]
"""Called with the stage, what is done (bytes here) and, where it is known, the total."""

MAX_BYTES = 16 * 2**30
MAX_MEMBERS = 200_000
_CHUNK = 1 << 18
_GIVEN_UP = (400, 401, 403, 404, 405, 410, 451)
_LITTER = ("__MACOSX", ".DS_Store")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait and how often to try; a try that brought bytes is not counted."""

    retries: int = 5
    backoff_s: float = 1.0
    timeout_s: float = 60.0


class _BrokenError(Exception):
    pass


def direct_url(url: str) -> str:
    """A share link of Google Drive as the address of the file itself; other addresses unchanged."""
    share = re.match(r"https?://(?:drive|docs)\.google\.com/.*?(?:/d/|[?&]id=)([\w-]+)", url)
    if not share:
        return url
    return f"https://drive.usercontent.google.com/download?id={share[1]}&export=download&confirm=t"


def fetch(
    url: str, path: Path, progress: Progress | None = None, patience: Patience | None = None
) -> Path:
    """Bring `url` to `path`, whole or not at all. A `path` that is there already was whole, and is
    kept. The bytes go to `<path>.part`, with what is known of them (url, etag, size) beside it in
    `<path>.json`, and the next run goes on where the last one stopped. Raises DownloadError with
    what to do; lets OSError of the disk (full, no permission) through."""
    if path.is_file():
        return path
    if not re.match(r"https?://", url):
        raise DownloadError(f"'{url}' is not an http or https address; give another --source")
    patience = patience or Patience()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    failures = 0
    while True:
        before = _size(part)
        try:
            _receive(url, part, path.with_name(path.name + ".json"), progress, patience.timeout_s)
            break
        except _BrokenError as error:
            failures = 0 if _size(part) > before else failures + 1
            if failures > patience.retries:
                raise DownloadError(
                    f"'{url}' could not be fetched: {error}; run the command again to go on from "
                    f"{_size(part):,} bytes, or bring the file another way and pass it with --source"
                ) from error
            time.sleep(patience.backoff_s * 2 ** max(failures - 1, 0))
    part.replace(path)
    return path


def _receive(
    url: str, part: Path, about: Path, progress: Progress | None, timeout_s: float
) -> None:
    """One connection: append to `part` what it lacks. Raises _BrokenError when that was not all."""
    note = read_object(about)
    if note.get("url") != url:  # of another file, or none
        part.unlink(missing_ok=True)
    have = _size(part)
    headers = {"User-Agent": "txt2sql", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if note.get("etag"):
            headers["If-Range"] = note["etag"]
    request = urllib.request.Request
    try:
        response = urllib.request.urlopen(request(url, headers=headers), timeout=timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return  # the server says that there is no more
            part.unlink(missing_ok=True)
        answer = f"answers {error.code} {error.reason}"
        if error.code in _GIVEN_UP:
            raise DownloadError(
                f"'{url}' {answer}: the link is dead or closed; bring the archive another way and "
                "pass it with --source URL|FILE"
            ) from error
        raise _BrokenError(f"the server {answer}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(f"no answer ({getattr(error, 'reason', None) or error})") from error
    except ValueError as error:
        raise DownloadError(f"'{url}' is not an address; give another --source") from error
    with response:
        start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range") or "")
        resumed = response.status == 206
        if resumed and not (start and int(start[1]) == have):
            part.unlink(missing_ok=True)
            raise _BrokenError("the server sent another part than was asked for")
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else None
        expected = note.get("size")
        if resumed and total is not None and expected not in (None, total):
            part.unlink(missing_ok=True)
            raise _BrokenError(f"the file has changed from {expected:,} to {total:,} bytes")
        if "text/html" in (response.headers.get("Content-Type") or ""):
            raise _web_page(url)
        etag = response.headers.get("ETag") or ""
        etag = "" if etag.startswith("W/") else etag
        write_atomically(about, json.dumps({"url": url, "etag": etag, "size": total}) + "\n")
        with part.open("ab" if resumed else "wb") as file:
            try:
                for chunk in _chunks(response, file):
                    if have == 0 and re.match(rb"\s*<(!doctype\s+html|html)", chunk[:200], re.I):
                        raise _web_page(url)
                    file.write(chunk)
                    file.flush()  # what arrived before a kill is not fetched twice
                    have += len(chunk)
                    if progress is not None:
                        progress("download", have, total)
            finally:
                file.flush()
                os.fsync(file.fileno())
    if total is not None and have != total:
        raise _BrokenError(f"the connection broke after {have:,} of {total:,} bytes")


def _chunks(response: http.client.HTTPResponse, file: IO[bytes]) -> Iterator[bytes]:
    try:
        while chunk := response.read1(_CHUNK):
            yield chunk
    except http.client.IncompleteRead as error:
        file.write(error.partial)
        raise _BrokenError(f"the connection broke after {file.tell():,} bytes") from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(f"the connection broke after {file.tell():,} bytes ({error})") from error


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _web_page(url: str) -> DownloadError:
    if "google.com" in url:
        return DownloadError(
            "Google Drive answers with a web page in place of the archive (its download limit, or "
            f"a page to confirm); open '{url}' in a browser and pass the file with --source FILE"
        )
    return DownloadError(
        f"'{url}' is a web page, not an archive; give the address of the file itself, or the "
        "downloaded file, with --source"
    )


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
    posix, windows = PurePosixPath(name.replace("\\", "/")), PureWindowsPath(name)
    return posix.is_absolute() or bool(windows.drive) or ".." in posix.parts or "\0" in name


def extract(
    archive: Path, target: Path, progress: Progress | None = None, max_bytes: int = MAX_BYTES
) -> None:
    """Extract a zip or tar into the new folder `target`; on any fault remove it again. Raises
    DownloadError for a damaged or unsafe archive and lets OSError (a full disk) through."""
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
        damaged = (
            error.errno is None if isinstance(error, OSError) else isinstance(error, Exception)
        )
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
    """What was done. `sha256` is of the archive. `already`: nothing was to do."""

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
    """Make `folder` hold the data set `name`, from its official place or from `source`. `source` is
    a URL, or a zip or tar file; `sha256` is what the archive must have; `force` replaces a folder
    that is there. Raises DownloadError with what to do."""
    if name not in PLACES:
        from txt2sql.data import PAGES

        if name in PAGES:
            raise DownloadError(f"{name} is not brought by this command; get it from {PAGES[name]}")
        raise DownloadError(f"no data set '{name}'; take one of {', '.join(PLACES)}")
    source = direct_url(source or PLACES[name].url)
    remote = "://" in source
    folder = folder if folder.name not in ("", "..") else folder.resolve()
    archive, about, extracted, record = (
        folder.parent / f".{folder.name}.{end}"
        for end in ("download", "download.json", "extracting", "source.json")
    )
    try:
        if not force and _occupied(name, folder):
            return Downloaded(name, folder, source, already=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(extracted, ignore_errors=True)  # left by a run that was killed
        if remote:
            if read_object(about).get("url") != source:
                archive.unlink(missing_ok=True)  # finished, but of another address
            fetch(source, archive, progress, patience)
        else:
            archive = Path(source).expanduser()
        try:
            digest = _verified(archive, source, sha256, read_object(record))
            extract(archive, extracted, progress)
            _install(name, extracted, folder, source)
        except DownloadError as error:
            if not remote:
                raise
            archive.unlink(missing_ok=True)  # the next run must not meet it again
            raise DownloadError(f"{error} (the downloaded file was removed)") from None
        if remote:
            write_atomically(record, json.dumps({"url": source, "sha256": digest}, indent=2) + "\n")
            archive.unlink(missing_ok=True)
            about.unlink(missing_ok=True)
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


def _verified(archive: Path, source: str, sha256: str | None, before: dict[str, Any]) -> str:
    """The SHA-256 of an archive; `before` is what was recorded of the last one."""
    if not archive.is_file():
        raise DownloadError(f"no file '{archive}'; give --source a URL or an archive")
    hashed = hashlib.sha256()
    with archive.open("rb") as file:
        while chunk := file.read(1 << 20):
            hashed.update(chunk)
    digest = hashed.hexdigest()
    if sha256 is not None and digest != sha256.strip().lower():
        raise DownloadError(
            f"'{source}' has SHA-256 {digest}, not {sha256}; correct --sha256 or download it again"
        )
    if sha256 is None and before.get("url") == source and before.get("sha256") != digest:
        raise DownloadError(
            f"'{source}' has changed: SHA-256 {digest}, where {before.get('sha256')} was recorded; "
            f"if that is expected, pass --sha256 {digest}"
        )
    return digest


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
