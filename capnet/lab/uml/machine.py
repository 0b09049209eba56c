"""Starting and ending User-Mode Linux, and what a machine must have for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import capnet
from capnet.errors import CapnetError, EnvironmentLacks, UsageError
from capnet.lab import requirements
from capnet.lab.addressing import GATEWAY
from capnet.lab.daemon import processes
from capnet.lab.uml import processor
from capnet.lab.uml.supervisor import CONSOLE, CONTROL

MODULES = Path("/usr/lib/uml/modules")  # where Debian's package has them
EXCHANGE = "exchange"  # folder in the lab's folder that programs inside see as INSIDE_EXCHANGE
INSIDE_EXCHANGE = Path("/run/capnet-exchange")

_MEMORY = 1536  # MiB; taken from the machine as it is used: about 600 when both daemons run
READY_WITHIN = 120.0  # seconds; the agent answers after 4 to 8
_ENDED_WITHIN = 60.0
_MARK = "capnet-uml"  # among the words of every process that we start for it

# The kernel's first process. The machine's files are its root (hostfs). What programs change in /etc, /opt and /var
# stays in memory (overlay), and so does /run.
# - modprobe: programs and the kernel itself find UML's own modules by a modprobe that looks there. It refuses modules
#   for programs of other processors, of which dockerd tries one after the other.
# - iptables: the legacy one, because this kernel lacks what the other needs of nf_tables.
# - Neither is in /run, which a lab host has for itself (see `dockerd`).
# - Names are asked of the lab's router, which has no name server: so a registry is known at once to be out of reach.
_INIT = """\
#!/bin/sh
set -e
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
modprobe=$(command -v modprobe)
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm /run/uml/lib
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
ln -s {modules} /run/uml/lib/modules
"$modprobe" -d /run/uml overlay
for part in etc opt var; do
  mkdir -p /run/uml/$part/upper /run/uml/$part/work
  mount -t overlay -o lowerdir=/$part,upperdir=/run/uml/$part/upper,workdir=/run/uml/$part/work overlay /$part
done
own=/var/lib/capnet-uml
mkdir -p $own/bin $own/tmp $own/lib
ln -s {modules} $own/lib/modules
cat >$own/bin/modprobe <<END
#!/bin/sh
case "\\$*" in *binfmt-*) exit 1;; esac
exec $modprobe -d $own "\\$@"
END
rm -f /etc/resolv.conf
echo "nameserver {gateway}" >/etc/resolv.conf
chmod +x $own/bin/modprobe
echo $own/bin/modprobe >/proc/sys/kernel/modprobe
for tables in iptables ip6tables; do
  for part in "" -save -restore; do
    ln -s "$(command -v $tables-legacy$part)" $own/bin/$tables$part
  done
done
export PATH=$own/bin:$PATH TMPDIR=$own/tmp
modprobe -a {loaded}
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
mkdir -p {inside}
mount -t hostfs -o {exchange} none {inside}
{agent} /dev/ttyS0
echo "the agent has ended"
echo o >/proc/sysrq-trigger
"""

# What the daemons take for granted or soon ask for, all at once; the rest is loaded when it is asked for, one by one.
_LOADED = (
    "veth bridge br_netfilter macvlan ipvlan vxlan 8021q ip_vs ip_vs_rr xfrm_user esp4 sch_netem iptable_nat "
    "iptable_filter iptable_mangle ip6table_nat ip6table_filter xt_MASQUERADE xt_conntrack xt_addrtype xt_nat "
    "xt_tcpudp xt_mark xt_u32 xt_policy xt_ipvs xt_REDIRECT nf_conntrack_netlink "
    "gcm ctr ghash_generic seqiv drbg hmac sha512_generic jitterentropy_rng"
)

PACKAGES = {  # program: Debian package
    "linux.uml": "user-mode-linux",
    "modprobe": "kmod",
    "iptables-legacy": "iptables",
    "ip6tables-legacy": "iptables",
    "setpriv": "util-linux",
    "taskset": "util-linux",
}


def missing() -> dict[str, str]:
    """What this machine lacks for it, beside what every lab needs: {program or thing: Debian package}."""
    lacking = {program: package for program, package in PACKAGES.items() if not requirements.find(program)}
    if release() is None:
        lacking[f"kernel modules in {MODULES}"] = "user-mode-linux"
    return lacking


def release() -> str | None:
    """The version of the kernel that would be booted, as its modules say."""
    releases = sorted(path.parent.name for path in MODULES.glob("*/modules.dep"))
    return releases[-1] if releases else None


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Starts the supervisor, which starts the kernel, and returns it; `wait` until they answer."""
    if any(not (character.isalnum() or character in "/._-+@:") for character in str(folder)):
        raise UsageError(f"{folder}: the kernel's command line takes no such path; choose plain letters")
    (folder / EXCHANGE).mkdir()
    init = folder / "init"
    agent = " ".join(_quoted(word) for word in python_program("capnet.lab.uml.agent"))
    init.write_text(
        _INIT.format(
            modules=MODULES,
            gateway=GATEWAY,
            loaded=_LOADED,
            inside=INSIDE_EXCHANGE,
            exchange=folder / EXCHANGE,
            agent=agent,
        )
    )
    init.chmod(0o755)
    # In a process namespace whose first process it is: what runs inside ends with it, however it ends. In a
    # network namespace, so that there is nothing to reach even by mistake. On one processor: kernel and programs take
    # turns (ptrace), and a turn takes several times as long where one has to wake the other on another processor.
    kernel = [
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *("unshare", "--pid", "--net", "--fork", "--kill-child", "--"),
        *("taskset", "--cpu-list", str(max(os.sched_getaffinity(0)))),
        *("linux.uml", f"mem={_MEMORY}M", "quiet", f"umid={_MARK}", f"uml_dir={folder}/uml"),
        *("rootfstype=hostfs", "rootflags=/", "rw", f"init={init}"),
        *("con=null", "con0=null,fd:1", "ssl=null", "ssl0=fd:9"),
    ]
    supervisor = [*python_program("capnet.lab.uml.supervisor"), str(folder), _MARK, *kernel]
    with (folder / CONSOLE).open("wb") as console:
        return subprocess.Popen(
            supervisor,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env=requirements.environment() | {"TMPDIR": _place_for_memory()},
            cwd="/",
            start_new_session=True,
        )


def wait(folder: Path, supervisor: subprocess.Popen[bytes]) -> None:
    """Returns when programs can be run inside. EnvironmentLacks when it ended, panicked or does not answer."""
    deadline = time.monotonic() + READY_WITHIN
    while not (folder / CONTROL).exists():
        if lack := processor.lack_by_console(_console(folder)):  # after a panic its process goes on
            raise EnvironmentLacks(lack)
        # Not `pids`: for a moment after it was started, a process has no words in /proc (execve(2) is not done).
        if supervisor.poll() is not None:
            raise EnvironmentLacks(f"User-Mode Linux ended at once: {last_words(folder)}")
        if time.monotonic() > deadline:
            raise EnvironmentLacks(f"User-Mode Linux does not answer after {READY_WITHIN:.0f} s: {last_words(folder)}")
        time.sleep(0.1)  # until the supervisor makes the socket, or ends; there is nothing to wait on for both


def is_alive(folder: Path) -> bool:
    """Whether it runs and answers."""
    return (folder / CONTROL).exists() and bool(pids(folder))


def pids(folder: Path) -> set[int]:
    """Supervisor, kernel, and what the kernel runs: their words name the lab's folder."""
    named = {str(folder), f"uml_dir={folder}/uml"}
    return {pid for pid, words in processes.all_words() if named & set(words) and _marked(words)}


def end(folder: Path) -> None:
    """Ends it at once: nothing inside outlives it, so nothing there need be undone."""
    deadline = time.monotonic() + _ENDED_WITHIN
    while running := pids(folder):
        if time.monotonic() > deadline:
            raise CapnetError(f"User-Mode Linux does not end: {' '.join(map(str, sorted(running)))}")
        processes.kill(running)


def last_words(folder: Path) -> str:
    """The end of what the kernel and the supervisor said, on one line, without control characters."""
    lines = _console(folder).splitlines()[-3:]
    text = " | ".join(line.strip() for line in lines if line.strip()) or "it said nothing"
    return "".join(character if character.isprintable() else "?" for character in text)


def python_program(module: str) -> list[str]:
    """Words that run a module of this very capnet, wherever they are run."""
    root = str(Path(capnet.__file__).parent.parent)
    code = f"import sys, runpy; sys.path.insert(0, {root!r}); "
    code += f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    return [sys.executable, "-c", code]


def _console(folder: Path) -> str:
    """What the kernel and the supervisor printed."""
    try:
        return (folder / CONSOLE).read_text(errors="replace")
    except OSError:
        return ""


def _marked(words: list[str]) -> bool:
    return _MARK in words or f"umid={_MARK}" in words


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def _place_for_memory() -> str:
    """A folder whose file system has room for the kernel's memory, which is a file that is deleted when it is open."""
    wanted = _MEMORY << 20
    candidates = [os.environ.get("TMPDIR"), "/dev/shm", "/tmp"]
    for candidate in candidates:
        if not candidate or not Path(candidate).is_dir():
            continue
        if shutil.disk_usage(candidate).free > wanted and not os.statvfs(candidate).f_flag & os.ST_NOEXEC:
            return candidate
    raise EnvironmentLacks(
        f"User-Mode Linux needs {_MEMORY} MiB for its memory in /dev/shm or /tmp; set TMPDIR to a folder that has them"
    )
