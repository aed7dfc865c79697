"""Where a database may be: on a disk of this host."""

from functools import partial
from pathlib import Path

import pytest

from ombud.db.files import read_mounts, refuse_network_file_system
from ombud.db.sqlite import SqliteDatabase
from ombud.errors import ConfigurationError

ROOT = "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw"


def mount(point: str, kind: str) -> str:
    return f"30 22 0:40 / {point} rw,relatime shared:7 master:1 - {kind} somewhere:/x rw,vers=4.2"


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone"]
)
def test_a_network_file_system_is_refused_with_what_why_and_what_to_do(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        refuse_network_file_system(tmp_path / "ombud.db", lambda: [ROOT, mount(str(tmp_path), kind)])

    said = str(caught.value)
    assert said.startswith(f"{tmp_path}/ombud.db is on a network file system ({kind}, mounted on {tmp_path}), ")
    assert said.endswith("Put the file on a local disk.")


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "apfs", "9p", "virtiofs", "fuse.lxcfs", "fuseblk"]
)
def test_a_local_one_is_not(tmp_path: Path, kind: str) -> None:
    refuse_network_file_system(tmp_path / "ombud.db", lambda: [ROOT, mount(str(tmp_path), kind)])


def test_the_nearest_mount_counts_and_of_two_on_one_place_the_later(tmp_path: Path) -> None:
    path, here = tmp_path / "data" / "ombud.db", str(tmp_path / "data")
    remote, local = mount(str(tmp_path), "nfs"), mount(here, "ext4")

    refuse_network_file_system(path, lambda: [ROOT, local, remote])
    refuse_network_file_system(path, lambda: [ROOT, mount(here, "nfs"), local])
    refuse_network_file_system(tmp_path / "database" / "ombud.db", lambda: [ROOT, mount(here, "nfs")])
    with pytest.raises(ConfigurationError):
        refuse_network_file_system(path, lambda: [ROOT, local, mount(here, "nfs")])
    with pytest.raises(ConfigurationError):
        refuse_network_file_system(path, lambda: [ROOT.replace("ext4", "nfs")])


def test_a_link_is_followed_and_a_blank_in_a_name_is_understood(tmp_path: Path) -> None:
    far = tmp_path / "far away"
    far.mkdir()
    (tmp_path / "ombud.db").symlink_to(far / "ombud.db")

    with pytest.raises(ConfigurationError, match=r"mounted on .*far away"):
        refuse_network_file_system(tmp_path / "ombud.db", lambda: [ROOT, mount(str(far).replace(" ", "\\040"), "cifs")])


def test_without_a_list_of_mounts_nothing_is_refused(tmp_path: Path) -> None:
    refuse_network_file_system(tmp_path / "ombud.db", list)


def test_this_machine_is_understood() -> None:
    mounts = read_mounts()

    assert any(line.split(" ")[4] == "/" for line in mounts)
    refuse_network_file_system(Path("/proc/self/status"), lambda: mounts)


def test_nothing_is_made_where_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everywhere = partial(refuse_network_file_system, mounts=lambda: [mount("/", "nfs4")])
    monkeypatch.setattr("ombud.db.sqlite.refuse_network_file_system", everywhere)

    with pytest.raises(ConfigurationError, match="network file system"):
        SqliteDatabase(tmp_path / "ombud.db")

    assert list(tmp_path.iterdir()) == []
