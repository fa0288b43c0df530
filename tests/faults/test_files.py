"""What stands under the name of a file of ours, put there by anybody who may write to the folder."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dbt_anymetrics.dbt_run.inputs import RUN_RESULTS
from dbt_anymetrics.files import clear_drafts, create, mode_of, open_regular, read_regular
from dbt_anymetrics.sandbox import Sandbox
from tests.expected import sent
from tests.shop import Shop

OURS = (
    "anymetrics_results.json",
    "anymetrics.db",
    "anymetrics.db-wal",
    "anymetrics.db-shm",
)


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert read_regular(tmp_path / "file", 8) == b"content"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("links", [True, False])
def test_what_is_no_regular_file_is_not_read(make: Callable[[Path], None], links: bool, tmp_path: Path) -> None:
    make(tmp_path / "odd")
    with pytest.raises(OSError, match=r"not a regular file|Too many levels"):
        open_regular(tmp_path / "odd", 8, links=links)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345678")
    with pytest.raises(OSError, match="it is larger than"):
        read_regular(tmp_path / "file", 8)


def test_a_link_is_followed_only_where_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 8, links=True) == b"content"
    with pytest.raises(OSError, match="symbolic links"):
        read_regular(tmp_path / "link", 8)


@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_a_new_file_takes_the_place_of_a_link_and_leaves_its_target(
    make: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    (tmp_path / "target").write_bytes(b"theirs")
    make(tmp_path / "target", tmp_path / "ours")
    with create(tmp_path / "ours") as file:
        file.write(b"ours")
    assert (tmp_path / "target").read_bytes() == b"theirs"
    assert not (tmp_path / "ours").is_symlink()


def test_a_new_file_has_the_permissions_that_are_asked_for(tmp_path: Path) -> None:
    create(tmp_path / "file", 0o600).close()
    assert mode_of(tmp_path / "file") == 0o600
    assert mode_of(tmp_path / "none") is None


def test_drafts_that_nobody_works_on_are_cleared_away(tmp_path: Path) -> None:
    old, new, other = (tmp_path / name for name in (".file.1.draft", ".file.2.draft", ".else.3.draft"))
    for path in (old, new, other):
        path.touch()
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    clear_drafts(tmp_path / "file")
    assert sorted(tmp_path.iterdir()) == [other, new]


# The same with whole commands: nothing waits, nothing of the user's is touched, and the refreshes are sent.

PLACED: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link": lambda path: path.symlink_to("../theirs"),
    "a link to nothing": lambda path: path.symlink_to("../made"),
}


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("placed", PLACED)
def test_a_refresh_is_sent_whatever_stands_in_the_place_of_our_files(
    placed: str, name: str, recorded: Shop, sandbox: Sandbox
) -> None:
    (recorded.folder / "theirs").write_text("theirs")
    PLACED[placed](recorded.target / name)
    done = recorded.cli("refresh")
    assert done.returncode == int(name != OURS[0]), done.stderr
    assert (f"{name}: cannot be used (it is not a regular file). What is sent" in done.stderr) is (name != OURS[0])
    assert "Traceback" not in done.stderr
    assert len(sent(sandbox)) == len(set(sent(sandbox))) > 0
    assert (recorded.folder / "theirs").read_text() == "theirs"
    assert not (recorded.folder / "made").exists()
    assert stat.S_ISREG((recorded.target / OURS[0]).lstat().st_mode)


@pytest.mark.parametrize("name", [RUN_RESULTS, "manifest.json"])
@pytest.mark.parametrize("command", ["refresh", "plan"])
def test_a_pipe_in_the_place_of_an_artifact_of_dbts_is_no_reason_to_wait(
    name: str, command: str, recorded: Shop
) -> None:
    (recorded.target / name).unlink()
    os.mkfifo(recorded.target / name)
    done = recorded.cli(command)
    assert done.returncode == 2
    assert f"{name}: cannot be read (it is not a regular file)" in done.stderr


def test_the_record_keeps_its_permissions(recorded: Shop) -> None:
    subprocess.run(["touch", str(recorded.target / OURS[0])], check=True)
    (recorded.target / OURS[0]).chmod(0o600)
    recorded.cli("refresh")
    assert mode_of(recorded.target / OURS[0]) == 0o600
