"""One process at a time makes an output, so that a job and its rerun never write the same files.

Snakemake keeps two runs apart, but the jobs of a run that was killed live on, here or on a node of
a cluster, and a rerun would start the same training beside them. The lock is the kernel's: it ends
with the process that holds it, however that ends.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from compute_aligned.files.errors import InputError
from compute_aligned.files.progress import notice

# what flock says on file systems that were mounted without locks, such as some Lustre and NFS
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def sole_maker(output: Path) -> Iterator[None]:
    """Make sure that no other process makes ``output`` while the body runs.

    A hidden file beside the output holds the lock and says whose it is; it is gone afterwards.

    Raises:
        InputError: Another process is at it; the message names it.

    """
    path = output.with_name(f".{output.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0, fallback_to_soft=False)
    if not _acquire(lock, output):
        notice(f"{output.parent}: this file system has no locks; see that no other job writes here")
        yield
        return
    try:
        path.write_text(_this_process())
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: whoever comes later locks a new file
        lock.release()


def _acquire(lock: BaseFileLock, output: Path) -> bool:
    """Take the lock; False where the file system has none to give."""
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            output,
            f"it is being made by {_holder(Path(lock.lock_file))}",
            "let that process end or end it yourself, then run the same command again",
        ) from None
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        return False
    return True


def _this_process() -> str:
    job = os.environ.get("SLURM_JOB_ID")
    return f"process {os.getpid()} on {socket.gethostname()}" + (f", Slurm job {job}" * bool(job))


def _holder(path: Path) -> str:
    try:
        return path.read_text() or "another process"
    except FileNotFoundError:  # it has just ended
        return "another process"
