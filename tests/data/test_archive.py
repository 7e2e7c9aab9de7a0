"""Archives that are damaged, hostile or merely of the wrong thing."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.data.download import extract, unsafe
from txt2sql.errors import DownloadError


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
