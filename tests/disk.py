"""Disks that are full or read-only."""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """As on a disk that is full when a file has this many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """As on a disk that is read-only, for this folder and its files."""
    before = {path: path.stat().st_mode for path in (folder, *folder.iterdir())}
    for path, mode in before.items():
        path.chmod(mode & 0o555)
    try:
        with _bound_by_permissions():
            yield
    finally:
        for path, mode in before.items():
            path.chmod(mode)


_OVERRIDE = 1 << 1
"""CAP_DAC_OVERRIDE of Linux: with it, root writes whatever the permissions say."""


@contextmanager
def _bound_by_permissions() -> Iterator[None]:
    """Give up in this thread what makes root stronger than the permissions of files."""
    if os.geteuid() != 0:
        yield
        return
    library = ctypes.CDLL(None, use_errno=True)
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert library.capget(header, data) == 0
    effective = data[0]
    data[0] = effective & ~_OVERRIDE
    assert library.capset(header, data) == 0
    try:
        yield
    finally:
        data[0] = effective
        assert library.capset(header, data) == 0
