"""Shards made and written: in this process, or by others that are asked shard by shard.

`python -m e2e_data.writer DIRECTORY SEED` is such another process. It reads the configuration from
its first line of input and a shard's number from each further one, and answers each number with a
line of JSON: a Made, or {"errno", "reason"}. It ends with its input, so it never outlives whoever
asks by more than one shard. A process of our own, not one of multiprocessing, since that would stop
the event loop of a process that gevent patched, such as Locust's.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from pydantic import BaseModel, ConfigDict

from e2e_data import parquet
from e2e_data.config import PoolConfig
from e2e_data.manifest import ShardEntry
from e2e_data.shard import make_shard
from e2e_data.tally import Tally, tally_of

ANSWER_BYTES_MAX = 1 << 20
TEMPORARY = ".shard-"
"""How names of shards begin that are not whole yet."""


class WriterEndedError(Exception):
    """A writing process ended in the middle of a shard, killed most probably."""


class Made(BaseModel):
    """A shard, as its pool's manifest counts it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    entry: ShardEntry
    tally: Tally


@dataclass(frozen=True, slots=True)
class Job:
    """Which pool is written, and where."""

    config: PoolConfig
    seed: int
    directory: Path

    def write(self, number: int) -> Made:
        """Make one shard and write its file, which is whole or not there; raises OSError."""
        shard = make_shard(self.config, self.seed, number)
        path = self.directory / parquet.file_name(number)
        temporary = path.with_name(f"{TEMPORARY}{number:05d}.{os.getpid()}")
        try:
            parquet.write_shard(shard, temporary)
            entry = ShardEntry.of(shard, temporary.stat().st_size, parquet.file_hash(temporary))
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return Made(number=number, entry=entry, tally=tally_of(shard))


def written(job: Job, numbers: Sequence[int], jobs: int, lock: int) -> Generator[Made]:
    """Write the shards `numbers` with `jobs` processes, and tell of each in that order.

    The other processes inherit the file descriptor `lock`: what it locks stays locked until the
    last of them is gone. Close the iterator to stop; shards that were begun are finished then.
    Raises OSError where a file cannot be written, and WriterEndedError.
    """
    if jobs <= 1:
        yield from map(job.write, numbers)
        return
    idle: SimpleQueue[_Process] = SimpleQueue()

    def ask(number: int) -> Made:
        process = idle.get()
        try:
            return process.write(number)
        finally:
            idle.put(process)

    with ExitStack() as stack:
        for _ in range(jobs):
            idle.put(stack.enter_context(_Process(job, lock)))
        with ThreadPoolExecutor(jobs) as threads:
            yield from threads.map(ask, numbers)


class _Process:
    """Another process that writes shards of a job."""

    def __init__(self, job: Job, lock: int) -> None:
        root = str(Path(__file__).resolve().parent.parent)
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(job.directory), str(job.seed)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(lock,),
            # The terminal's Ctrl-C is for the parent alone, which lets begun shards be finished.
            start_new_session=True,
        )
        self._send(job.config.canonical_json())

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def write(self, number: int) -> Made:
        assert self._process.stdout is not None
        self._send(str(number))
        answer = self._process.stdout.readline(ANSWER_BYTES_MAX)
        if not answer.endswith(b"\n"):
            raise WriterEndedError
        told = json.loads(answer)
        if "errno" in told:
            raise OSError(told["errno"], told["reason"])
        return Made.model_validate(told)

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WriterEndedError from None


def main() -> None:
    """Be one of the other processes."""
    directory, seed = sys.argv[1:]
    first = sys.stdin.readline()
    if not first:
        return  # whoever asks was stopped before it could
    job = Job(PoolConfig.model_validate_json(first), int(seed), Path(directory))
    for line in sys.stdin:
        try:
            answer = job.write(int(line)).model_dump_json()
        except OSError as error:
            answer = json.dumps({"errno": error.errno or errno.EIO, "reason": str(error)})
        try:
            print(answer, flush=True)
        except BrokenPipeError:
            break


if __name__ == "__main__":
    main()
