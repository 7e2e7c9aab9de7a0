"""Data sets from URLs, archives and folders: whole under their name, or not there at all."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.data.download import Patience, download, extract, unsafe
from txt2sql.errors import DownloadError

QUICK = Patience(retries=1, backoff_s=0.01, timeout_s=5)


@pytest.fixture
def packed(spider: Path) -> bytes:
    archive = shutil.make_archive(str(spider.parent / "packed"), "zip", spider.parent, spider.name)
    return Path(archive).read_bytes()


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def beside(folder: Path) -> set[str]:
    return {path.name for path in folder.parent.iterdir()} - {"tiny-spider", "packed.zip"}


def test_from_a_url(site, packed: bytes, spider: Path, tmp_path: Path) -> None:
    site.body = packed
    done = download("spider", tmp_path / "got", site.url, patience=QUICK)
    assert files(done.folder) == files(spider)
    assert done.sha256 == hashlib.sha256(packed).hexdigest()
    assert beside(done.folder) == {"got", ".got.source.json"}


@pytest.mark.parametrize("kind", ["zip", "bztar", "gztar", "tar"])
def test_from_an_archive(spider: Path, tmp_path: Path, kind: str) -> None:
    archive = shutil.make_archive(str(tmp_path / "packed"), kind, spider.parent, spider.name)
    done = download("spider", tmp_path / "got", archive)
    assert files(done.folder) == files(spider)
    assert Path(archive).exists()


def test_a_wrong_checksum_leaves_nothing(site, packed: bytes, tmp_path: Path) -> None:
    site.body = packed
    with pytest.raises(DownloadError, match="has SHA-256 .* not 00ff"):
        download("spider", tmp_path / "got", site.url, sha256="00ff", patience=QUICK)
    assert not (tmp_path / "got").exists()
    assert not (tmp_path / ".got.download").exists()


def test_an_archive_that_changed_is_not_taken_silently(
    site, packed: bytes, spider: Path, tmp_path: Path
) -> None:
    site.body = packed
    download("spider", tmp_path / "got", site.url, patience=QUICK)
    (spider / "dev.json").write_text("[]")
    site.body = Path(
        shutil.make_archive(str(tmp_path / "packed"), "zip", spider.parent, spider.name)
    ).read_bytes()
    with pytest.raises(DownloadError, match="has changed: SHA-256 .* pass --sha256") as raised:
        download("spider", tmp_path / "got", site.url, force=True, patience=QUICK)
    assert (tmp_path / "got" / "dev.json").read_text() != "[]"
    digest = hashlib.sha256(site.body).hexdigest()
    assert digest in str(raised.value)
    download("spider", tmp_path / "got", site.url, force=True, sha256=digest, patience=QUICK)
    assert (tmp_path / "got" / "dev.json").read_text() == "[]"


@pytest.mark.parametrize("fault", ["cut", "other", "empty", "escaping"])
def test_a_faulty_archive_never_gets_the_name(
    site, packed: bytes, tmp_path: Path, fault: str
) -> None:
    if fault == "cut":
        site.body = packed[: len(packed) // 2]
    elif fault in ("other", "escaping"):
        with zipfile.ZipFile(tmp_path / "packed.zip", "w") as other:
            other.writestr("../out" if fault == "escaping" else "readme.txt", "x")
        site.body = (tmp_path / "packed.zip").read_bytes()
    with pytest.raises(DownloadError):
        download("spider", tmp_path / "got", site.url, patience=QUICK)
    assert not (tmp_path / "got").exists()
    assert not any(path.name.endswith((".download", ".extracting")) for path in tmp_path.iterdir())
    site.body = packed
    assert download("spider", tmp_path / "got", site.url, patience=QUICK).sha256


def test_a_killed_download_goes_on(
    site,
    packed: bytes,
    spider: Path,
    tmp_path: Path,
    run_killed: Callable[[str, Callable[[], bool]], None],
) -> None:
    site.body, site.stall_after = packed, 1000
    folder, part = tmp_path / "got", tmp_path / ".got.download.part"
    code = f"""
from pathlib import Path
from txt2sql.data.download import download
download("spider", Path({str(folder)!r}), {site.url!r})
"""
    run_killed(code, lambda: part.exists() and part.stat().st_size >= 1000)
    assert not folder.exists()
    site.released.set()
    site.stall_after, site.asked = None, []
    download("spider", folder, site.url, patience=QUICK)
    assert site.asked == ["bytes=1000-"]
    assert files(folder) == files(spider)


def test_killed_after_the_download_does_not_fetch_again(
    site, packed: bytes, spider: Path, tmp_path: Path
) -> None:
    (tmp_path / ".got.download").write_bytes(packed)
    (tmp_path / ".got.download.json").write_text(f'{{"url": "{site.url}"}}')
    (tmp_path / ".got.extracting" / "half").mkdir(parents=True)
    download("spider", tmp_path / "got", site.url, patience=QUICK)
    assert site.asked == []
    assert files(tmp_path / "got") == files(spider)
    assert beside(tmp_path / "got") == {"got", ".got.source.json"}


def test_another_folder_of_that_name_is_not_touched(spider: Path, tmp_path: Path) -> None:
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "mine.txt").write_text("keep")
    with pytest.raises(DownloadError, match=r"lacks dev.json.*--force"):
        download("spider", tmp_path / "got", str(spider))
    assert files(tmp_path / "got") == {"mine.txt": b"keep"}


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="no file "):
        download("spider", tmp_path / "got", str(tmp_path / "nothing.zip"))
    with pytest.raises(DownloadError, match="get it from https://yale-lily.github.io/cosql"):
        download("cosql", tmp_path / "got")
    with pytest.raises(DownloadError, match="take one of spider, wikisql"):
        download("imdb", tmp_path / "got")


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits there")
@pytest.mark.parametrize("limit", [2000, 6000])
def test_a_full_disk_is_one_sentence_and_nothing_half(
    site, packed: bytes, tmp_path: Path, limit: int
) -> None:
    """A limit on the size of files stands for the full disk: in the download, in the extraction."""
    assert 2000 < len(packed) < 6000 < 8192
    site.body = packed
    code = f"""
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
from txt2sql.data.download import download
from txt2sql.errors import DownloadError
try:
    download("spider", Path({str(tmp_path / "got")!r}), {site.url!r})
except DownloadError as error:
    sys.exit(f"said: {{error}}")
"""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.stderr.startswith("said: cannot write "), done.stderr
    assert "free space" in done.stderr
    assert not (tmp_path / "got").exists()
    assert not (tmp_path / ".got.extracting").exists()
    download("spider", tmp_path / "got", site.url, patience=QUICK)
    assert (tmp_path / "got" / "dev.json").exists()


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def taped(
    path: Path, files: dict[str, bytes], *extra: tarfile.TarInfo, mode: str = "w:bz2"
) -> Path:
    with tarfile.open(path, mode) as tape:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tape.addfile(info, io.BytesIO(content))
        for info in extra:
            tape.addfile(info)
    return path


HOSTILE = ["../out.txt", "a/../../out.txt", "/tmp/out.txt", "..\\out.txt", "C:\\out.txt"]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_member_of_a_zip_leaves_the_folder(tmp_path: Path, name: str) -> None:
    packed = zipped(tmp_path / "x.zip", {"good": b"1", name: b"2"})
    with pytest.raises(DownloadError, match="outside its folder"):
        extract(packed, tmp_path / "deep" / "target")
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} <= {"x.zip", "good"}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_member_of_a_tar_leaves_the_folder(tmp_path: Path, name: str) -> None:
    packed = taped(tmp_path / "x.tar.bz2", {name: b"2"})
    with pytest.raises(DownloadError, match="outside its folder"):
        extract(packed, tmp_path / "deep" / "target")
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} == {"x.tar.bz2"}


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("link")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(DownloadError, match="'link', a link"):
        extract(taped(tmp_path / "x.tar", {}, info, mode="w"), tmp_path / "target")


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        packed.writestr(info, "/etc/passwd")
    with pytest.raises(DownloadError, match="a link"):
        extract(tmp_path / "x.zip", tmp_path / "target")


def test_a_bomb_is_stopped_before_it_unpacks(tmp_path: Path) -> None:
    packed = zipped(tmp_path / "x.zip", {"a": bytes(2_000_000), "b": bytes(2_000_000)})
    assert packed.stat().st_size < 10_000
    with pytest.raises(DownloadError, match="unpacks to more than"):
        extract(packed, tmp_path / "target", max_bytes=3_000_000)
    assert sum(p.stat().st_size for p in (tmp_path / "target").rglob("*")) <= 3_000_000


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_cut_off_archive_is_damaged(tmp_path: Path, cut: float) -> None:
    content = {f"data/{i}.json": bytes(range(256)) * 4 * (i + 1) for i in range(20)}
    for whole in (
        zipped(tmp_path / "x.zip", content),
        taped(tmp_path / "x.tar.bz2", content),
        taped(tmp_path / "x.tar.gz", content, mode="w:gz"),
        taped(tmp_path / "x.tar.xz", content, mode="w:xz"),
        taped(tmp_path / "x.tar", content, mode="w"),
    ):
        part = tmp_path / f"cut-{whole.name}"
        part.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * cut)])
        with pytest.raises(DownloadError, match=r"damaged|not a whole|cut off"):
            extract(part, tmp_path / f"target-{whole.name}")


def test_flipped_bytes_in_a_zip_are_noticed(tmp_path: Path) -> None:
    packed = zipped(tmp_path / "x.zip", {"a": bytes(range(256)) * 100})
    raw = bytearray(packed.read_bytes())
    raw[60] ^= 0xFF
    packed.write_bytes(raw)
    with pytest.raises(DownloadError, match="damaged"):
        extract(packed, tmp_path / "target")


def test_zip_and_tar_come_out_byte_for_byte(tmp_path: Path) -> None:
    content = {"data/dev.json": b"[1]", "data/database/a/a.sqlite": bytes(range(256))}
    litter = {"__MACOSX/data/._dev.json": b"x", "data/.DS_Store": b"x"}
    for number, packed in enumerate(
        (
            zipped(tmp_path / "x.zip", content | litter),
            taped(tmp_path / "x.tar.bz2", content | litter),
        )
    ):
        target = tmp_path / f"target{number}"
        extract(packed, target)
        found = {
            p.relative_to(target).as_posix(): p.read_bytes()
            for p in target.rglob("*.*")
            if p.is_file()
        }
        assert found == content


@given(st.lists(st.sampled_from(["..", ".", "a", "b.c", "", "/", "\\", "C:"]), max_size=6))
def test_whatever_is_called_safe_stays_inside(parts: list[str]) -> None:
    name = "/".join(parts)
    if not unsafe(name):
        root = Path("/root/of/it")
        path = root
        for part in (root / name.replace("\\", "/")).parts[len(root.parts) :]:
            path = path.parent if part == ".." else path / part
            assert path.is_relative_to(root)
        assert (root / name.replace("\\", "/")).is_relative_to(root)
