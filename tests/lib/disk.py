"""Disks that are small, and that fill up."""

import contextlib
import os
import subprocess

import grpc
from errors import Refusal


def as_root(*command):
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    result = subprocess.run([*prefix, *command], capture_output=True, text=True, check=False)
    assert result.returncode == 0, (
        f"{' '.join(command)}: {result.stderr.strip()}: these tests need root, also for mounting")


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of its own in this folder, of this size ("24m")."""
    folder.mkdir()
    as_root("mount", "-t", "tmpfs", "-o", f"size={size},mode=0777,uid={os.geteuid()}", "tmpfs",
            str(folder))
    try:
        yield folder
    finally:
        as_root("umount", str(folder))


def fill_up(folder):
    """A file that takes all the space that is left."""
    ballast = folder / "ballast"
    ballast.touch()
    fill_up_again(ballast)
    return ballast


def fill_up_again(ballast):
    """Fills the disk, also with what was freed since the last time."""
    for step in (65536, 512):
        with open(ballast, "ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * step)


def write_until_refused(registry, service):
    """Writes on and on; gives how many went well and the refusal."""
    for number in range(10_000):
        try:
            registry.update(service, '{"n":%d,"x":"%s"}' % (number, "y" * 60_000),
                            allow_missing=True)
        except grpc.RpcError as error:
            return number, Refusal(error)
    raise AssertionError("a disk that never fills up")
