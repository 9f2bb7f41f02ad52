"""A real Slurm of one node on loopback, as a child of this process, in a folder of its own.

Nothing is read from or written to /etc/slurm, no system service is used, no root is needed: keys,
sockets, state and logs are in the folder, ports are free ones, and a Slurm that the machine has
anyway is not touched.
"""

import contextlib
import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
PROGRAMS = (*DAEMONS, "sbatch", "scancel", "scontrol", "setpriv", "sinfo", "squeue", "srun")
SEARCH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])

# config_overrides: the node has what is written here, whatever the machine has
CONFIGURATION = """
ClusterName=test
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MinJobAge=3600
KillWait=2
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={node} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=200000 Gres=gpu:1
PartitionName=all Nodes={node} Default=YES MaxTime=INFINITE State=UP
"""

# The executor's job step drops SLURM_CONF with the other SLURM_ variables before it calls srun.
SRUN = """#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""


def missing_programs() -> list[str]:
    """What a cluster needs and this machine lacks."""
    return [program for program in PROGRAMS if shutil.which(program, path=SEARCH) is None]


@contextlib.contextmanager
def cluster(cpus: int) -> Iterator[Mapping[str, str]]:
    """Start a cluster; yields the environment in which its commands work, and stops it."""
    # a short path: a socket's may have 107 characters
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    environment = configure(folder, cpus)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.enter_context(
            daemon(
                folder,
                environment,
                *("munged", "--foreground", "--force", f"--key-file={folder}/munge.key"),
                *(f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid"),
                *(f"--seed-file={folder}/munged.seed", f"--log-file={folder}/munged.own.log"),
            )
        )
        wait_until("munged answers", (folder / "munge.socket").exists, folder)
        stack.enter_context(daemon(folder, environment, "slurmctld", "-D"))
        stack.enter_context(daemon(folder, environment, "slurmd", "-D"))
        stack.callback(cancel_all, environment, folder)
        wait_until("the node is idle", lambda: ask(environment, "sinfo", "-ho%T") == "idle", folder)
        yield environment


def configure(folder: Path, cpus: int) -> dict[str, str]:
    """Write what the daemons read, and return the environment of their clients."""
    folder.chmod(0o755)  # munge wants its socket to be reachable
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(1024))
    ctld_port, node_port = free_ports(2)
    text = CONFIGURATION.format(
        folder=folder,
        node=socket.gethostname().split(".")[0],
        user=getpass.getuser(),
        ctld_port=ctld_port,
        node_port=node_port,
        cpus=cpus,
    )
    (folder / "slurm.conf").write_text(text)
    (folder / "gres.conf").write_text(f"Name=gpu File={folder}/gpu\n")
    (folder / "gpu").touch()  # stands for a device: nothing is ever computed on it
    srun = folder / "bin" / "srun"
    srun.write_text(SRUN.format(folder=folder, srun=shutil.which("srun", path=SEARCH)))
    srun.chmod(0o755)
    own = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_", "SRUN_"))}
    return own | {
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": os.pathsep.join([str(folder / "bin"), SEARCH]),
    }


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def daemon(folder: Path, environment: Mapping[str, str], *command: str) -> Iterator[None]:
    """Run a daemon in the foreground, as a child that does not outlive this process."""
    with (folder / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def cancel_all(environment: Mapping[str, str], folder: Path) -> None:
    """End every job, so that none outlives the daemons."""
    ask(environment, "scancel", f"--user={getpass.getuser()}")
    wait_until("no job is left", lambda: not ask(environment, "squeue", "-h"), folder)


def ask(environment: Mapping[str, str], *command: str) -> str:
    """What a command prints; nothing where it fails, as before the controller is up."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def wait_until(what: str, condition: Callable[[], bool], folder: Path, seconds: float = 60) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: It has not come true; the message shows the ends of the daemons' logs.

    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            logs = [
                f"{log.name}:\n{log.read_text(errors='replace')[-2000:]}"
                for log in sorted(folder.glob("*.log"))
            ]
            raise TimeoutError("\n".join([f"not within {seconds} s: {what}", *logs]))
        time.sleep(0.1)
