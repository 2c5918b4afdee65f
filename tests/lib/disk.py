"""Small file systems that tests can fill up."""

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
    """Mounts a file system of this size ("24m") in the folder."""
    folder.mkdir()
    as_root("mount", "-t", "tmpfs", "-o", f"size={size},mode=0777,uid={os.geteuid()}", "tmpfs",
            str(folder))
    try:
        yield folder
    finally:
        as_root("umount", str(folder))


def fill_up(folder):
    """Creates a file that takes all free space; returns its path."""
    ballast = folder / "ballast"
    ballast.touch()
    fill_up_again(ballast)
    return ballast


def fill_up_again(ballast):
    """Grows the file over the space that was freed since."""
    for step in (65536, 512):
        with open(ballast, "ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * step)


def write_until_refused(registry, service):
    """Writes until a write fails; returns how many succeeded, and the refusal."""
    for number in range(10_000):
        try:
            registry.update(service, '{"n":%d,"x":"%s"}' % (number, "y" * 60_000),
                            allow_missing=True)
        except grpc.RpcError as error:
            return number, Refusal(error)
    raise AssertionError("a disk that never fills up")
