"""Files that are written whole or not at all, in folders that others may write to as well."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from capnet import whole_file
from capnet.whole_file import whole

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's files")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_unfinished_name_cannot_be_guessed(tmp_path: Path) -> None:
    """Two files for the same path have names that differ, neither with the number of the process."""
    names = []
    for _ in range(2):
        with whole(tmp_path / "x.pcapng", private=True):
            (unfinished,) = (path.name for path in tmp_path.iterdir() if path.name != "x.pcapng")
            names.append(unfinished)
    assert names[0] != names[1]
    assert not any(str(os.getpid()) in name for name in names)


def test_planted_link_is_not_written_through(tmp_path: Path) -> None:
    """The name under which bundles were once written: what lies there is left alone."""
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    planted = tmp_path / f".x.pcapng.{os.getpid()}.new"
    planted.symlink_to(victim)
    with whole(tmp_path / "x.pcapng", private=True) as file:
        file.write(b"packets")
    assert victim.read_text() == "as it was"
    assert planted.is_symlink()


@needs_root
def test_link_of_another_user_is_refused(tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / "x.pcapng"
    victim.write_text("as it was")
    link.symlink_to(victim)
    os.lchown(link, NOBODY, NOBODY)
    with pytest.raises(OSError, match="symbolic link that another user made") as raised, whole(link, private=True):
        pytest.fail("it was opened")
    assert raised.value.errno == errno.EPERM
    with pytest.raises(OSError, match="another user"):
        whole_file.check_writable(link)
    assert victim.read_text() == "as it was"


def test_own_link_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "x.pcapng"
    link.symlink_to(target)
    with whole(link) as file:
        file.write(b"packets")
    assert link.is_symlink()
    assert target.read_bytes() == b"packets"


def test_private_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Also where it replaces a file that all could read."""
    path = tmp_path / "x.pcapng"
    path.touch(mode=0o644)
    with whole(path, private=True) as file:
        assert mode(Path(file.name) if isinstance(file.name, str) else next(tmp_path.glob(".x*"))) == 0o600
    assert mode(path) == 0o600


@needs_root
def test_private_file_belongs_to_who_called_sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    monkeypatch.setenv("SUDO_GID", str(NOBODY))
    assert whole_file.make_folder(tmp_path / "new" / "folder") == [tmp_path / "new", tmp_path / "new" / "folder"]
    with whole(tmp_path / "new" / "folder" / "x.pcapng", private=True) as file:
        file.write(b"packets")
    for path in (tmp_path / "new", tmp_path / "new" / "folder", tmp_path / "new" / "folder" / "x.pcapng"):
        assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY)
    assert mode(tmp_path / "new" / "folder" / "x.pcapng") == 0o600


def test_failed_block_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), whole(tmp_path / "x.pcapng", private=True):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    """A named pipe here; as root, /dev/null."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="no regular file"), whole(pipe):
        pass
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_check_refuses_what_writing_would_refuse(tmp_path: Path) -> None:
    """A pipe, a link to /dev/null and a folder are told before there is anything to write; nothing is left."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "link", "folder"):
        with pytest.raises(OSError, match=r"no regular file|Is a directory"):
            whole_file.check_writable(tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "link", "folder"}
    whole_file.check_writable(tmp_path / "file")
    assert not (tmp_path / "file").exists()
