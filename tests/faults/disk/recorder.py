"""A SQLite VFS that works as the usual one and writes down every write, truncation, sync and deletion.

Reads, locks and the shared memory of the write-ahead log (which no power cut survives) go straight to the usual one.
"""

# ruff: noqa: N802 - the names of the methods are apsw's

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from tests.faults.disk.beside import watched
from tests.faults.disk.log import Log, Synced, Truncated, Written

NAME = "recorder"


class _Recorder(apsw.VFS):
    def __init__(self, log: Log) -> None:
        super().__init__(NAME, "")
        self._log = log

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _RecordedFile(name, flags, self._log)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self._log.deleted(Path(filename).name)


class _RecordedFile(apsw.VFSFile):
    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int], log: Log) -> None:
        super().__init__("", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        assert path is not None, "nothing here needs a temporary file"
        self._log = log
        self._file = log.opened(Path(path).name)
        self._synced = False

    def xWrite(self, data: Any, offset: int) -> None:
        super().xWrite(data, offset)
        self._log.add(Written(self._file, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self._log.add(Truncated(self._file, newsize))

    def xSync(self, flags: int) -> None:
        if not self._synced:
            # The disk that counts is the simulated one; but SQLite syncs the folder with a log's first sync.
            super().xSync(flags)
            self._synced = True
        self._log.add(Synced(self._file))


@contextmanager
def recording(folder: Path, log: Log) -> Iterator[str]:
    """Register the VFS for the files of one folder, and give its name."""
    recorder = _Recorder(log)
    with watched(folder, log):
        yield NAME
    recorder.unregister()
