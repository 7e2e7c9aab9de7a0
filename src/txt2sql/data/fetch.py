"""One file over HTTP, whole or not at all: resumable, verified, patient with broken connections.

Source followed: RFC 9110 (range requests, If-Range). The bytes go to `<file>.part`, with what is
known of them (`url, etag, size`) beside it in `<file>.json`; only a file that arrived whole gets
its name.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from txt2sql.errors import DownloadError
from txt2sql.runs import read_object, write_atomically

Progress = Callable[[str, int, int | None], None]
"""Called with the stage, what is done (bytes here) and, where it is known, the total."""

_CHUNK = 1 << 18
_GIVEN_UP = (400, 401, 403, 404, 405, 410, 451)


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
    """Bring `url` to `path`. A `path` that is there already was whole, and is kept.

    Raises DownloadError with what to do; lets OSError of the disk (full, no permission) through.
    """
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
                "pass it with --source URL|FILE|FOLDER"
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
