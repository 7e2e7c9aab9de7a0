"""Fetching one file from servers and connections that break."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from txt2sql.data.download import Patience, fetch
from txt2sql.errors import DownloadError

BODY = random.Random(1).randbytes(400_000)
QUICK = Patience(retries=2, backoff_s=0.01, timeout_s=5)


def test_a_file_arrives_whole_and_leaves_nothing_half(site, tmp_path: Path) -> None:
    site.body = BODY
    seen: list[tuple[str, int, int | None]] = []
    path = fetch(site.url, tmp_path / "a" / "file", lambda *now: seen.append(now), QUICK)
    assert path.read_bytes() == BODY
    assert not path.with_name("file.part").exists()
    assert seen[-1] == ("download", len(BODY), len(BODY))


def test_a_broken_connection_goes_on_where_it_broke(site, tmp_path: Path) -> None:
    site.body, site.cuts = BODY, [100_000, 150_000]
    path = fetch(site.url, tmp_path / "file", patience=QUICK)
    assert path.read_bytes() == BODY
    assert site.asked == ["", "bytes=100000-", "bytes=250000-"]


def test_a_connection_that_always_breaks_gives_up_and_keeps_the_part(site, tmp_path: Path) -> None:
    site.body, site.cuts, site.ranges = BODY, [1000] * 9, False
    with pytest.raises(DownloadError, match=r"run the command again to go on from 1,000 bytes"):
        fetch(site.url, tmp_path / "file", patience=QUICK)
    assert not (tmp_path / "file").exists()
    assert (tmp_path / "file.part").read_bytes() == BODY[:1000]


def test_a_later_run_goes_on_from_the_part(site, tmp_path: Path) -> None:
    site.body, site.cuts = BODY, [5000, 0, 0, 0]
    with pytest.raises(DownloadError):
        fetch(site.url, tmp_path / "file", patience=QUICK)
    site.cuts, site.asked = [], []
    assert fetch(site.url, tmp_path / "file", patience=QUICK).read_bytes() == BODY
    assert site.asked == ["bytes=5000-"]


def test_a_file_that_changed_meanwhile_is_not_patched_together(site, tmp_path: Path) -> None:
    site.body, site.cuts = BODY, [5000, 0, 0, 0]
    with pytest.raises(DownloadError):
        fetch(site.url, tmp_path / "file", patience=QUICK)
    site.body, site.etag, site.cuts = BODY[::-1], '"two"', []
    assert fetch(site.url, tmp_path / "file", patience=QUICK).read_bytes() == BODY[::-1]


def test_the_part_of_another_address_is_not_used(site, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(b"other")
    (tmp_path / "file.json").write_text('{"url": "http://example.org/other", "size": 9}')
    site.body = BODY
    assert fetch(site.url, tmp_path / "file", patience=QUICK).read_bytes() == BODY
    assert site.asked == [""]


def test_a_length_that_promises_too_much_is_never_complete(site, tmp_path: Path) -> None:
    site.body, site.claimed, site.ranges = BODY, len(BODY) + 10, False
    with pytest.raises(DownloadError, match="broke after 400,000 of 400,010 bytes"):
        fetch(site.url, tmp_path / "file", patience=QUICK)
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_dead_link_says_what_to_do_at_once(site, tmp_path: Path, status: int) -> None:
    site.status = status
    with pytest.raises(DownloadError, match=rf"answers {status} .*pass it with --source"):
        fetch(site.url, tmp_path / "file", patience=QUICK)
    assert len(site.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_nobody_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DownloadError, match="no answer"):
        fetch("http://127.0.0.1:9/x", tmp_path / "file", patience=Patience(0, 0, 1))


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/zip"])
def test_a_web_page_is_not_an_archive(site, tmp_path: Path, content_type: str) -> None:
    site.body = b"\n<!DOCTYPE html><html><form id='download-form'>Download anyway</form></html>"
    site.content_type = content_type
    with pytest.raises(DownloadError, match="is a web page, not an archive"):
        fetch(site.url, tmp_path / "file", patience=QUICK)
    assert not (tmp_path / "file").exists()
