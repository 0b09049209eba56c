"""A host of containerd without Docker, in namespaces of its own: real containerd, shims, runc and CNI plugins.

Its network namespace has ens33, 10.99.0.2, whose other end is `lan0`, 10.99.0.1, in that of its LAN. There, capnet
finds no container: the shims are in the network namespace of the node. What it writes is in its own mount namespace.
Limits: no kubelet and no CRI client is needed. `ctr` runs the containers of a pod, with the annotations that the CRI
plugin of containerd writes (tests/record/runtimes has them as it wrote them on a node of Kubernetes).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from capnet.quick_tuple import NamedTuple
from capnet.scenario.wait import wait_until
from tests.conftest import PROJECT

ADDRESS, LAN_ADDRESS = "10.99.0.2", "10.99.0.1"
IMAGE = "docker.io/library/busybox:latest"
PLUGINS = Path("/usr/lib/cni")  # of Debian's containernetworking-plugins
LACKING = [name for name in ("containerd", "ctr", "runc", "busybox", "unshare") if not shutil.which(name)]
LACKING += [] if PLUGINS.is_dir() else ["containernetworking-plugins"]

# $1: folder. Files of other folders are laid over, so that nothing of the machine changes.
SETUP = f"""
set -e
mount --make-rprivate /
mount -t tmpfs none /run
for folder in /var/lib /etc /opt; do
  mkdir -p /run/over$folder/up /run/over$folder/work
  mount -t overlay none -o "lowerdir=$folder,upperdir=/run/over$folder/up,workdir=/run/over$folder/work" $folder
done
rm -rf /var/lib/cni /etc/cni/net.d; mkdir -p /var/lib/cni /var/lib/containerd /etc/cni/net.d /opt/cni
mount -t tmpfs none /var/lib/containerd
rm -rf /opt/cni/bin; ln -s {PLUGINS} /opt/cni/bin
cp "$1/cbr0.conflist" /etc/cni/net.d/
ip link set lo up
unshare --net sleep infinity & node=$!
while [ /proc/$node/ns/net -ef /proc/self/ns/net ]; do :; done
ip link add lan0 type veth peer name ens33 netns $node
ip address add {LAN_ADDRESS}/24 dev lan0; ip link set lan0 up
ip route add 10.88.7.0/24 via {ADDRESS}
in_node() {{ nsenter --target $node --net "$@"; }}
in_node ip link set lo up
in_node ip address add {ADDRESS}/24 dev ens33; in_node ip link set ens33 up
in_node ip route add default via {LAN_ADDRESS}
in_node sysctl -qw net.ipv4.ip_forward=1
in_node containerd -c "$1/containerd.toml" >"$1/log" 2>&1 &
until ctr version >/dev/null 2>&1; do sleep 0.1; done
for namespace in k8s.io default; do ctr -n $namespace images import "$1/image.tar" >/dev/null; done
echo $node >"$1/node"
exec sleep infinity
"""
_CONFIG = """version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[plugins."io.containerd.internal.v1.opt"]
  path = "/run/opt"
"""
_NETWORK = {
    "cniVersion": "0.4.0",
    "name": "cbr0",
    "plugins": [
        {
            "type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False,
            "ipam": {
                "type": "host-local", "dataDir": "/run/ipam",
                "ranges": [[{"subnet": "10.88.7.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}  # fmt: skip


class ContainerdNode(NamedTuple):
    """Words that run a command in the node, and in its LAN with the files and processes of the node."""

    inside: list[str]
    lan: list[str]

    def run(self, *command: object) -> str:
        """What a command prints in the node."""
        words = [*self.inside, *map(str, command)]
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout

    def ctr(self, namespace: str, *command: object) -> str:
        """What containerd's own client prints."""
        return self.run("ctr", "-n", namespace, *command)

    def start(self, namespace: str, name: str, *options: str, command: tuple[str, ...] = ("sleep", "10000")) -> str:
        """Runs a container, and returns the number of its process."""
        self.ctr(namespace, "run", "--detach", *options, IMAGE, name, *command)
        return self.processes(namespace)[name]

    def processes(self, namespace: str) -> dict[str, str]:
        """Container → number of its process."""
        listed = [line.split() for line in self.ctr(namespace, "tasks", "ls").splitlines()[1:]]
        return {words[0]: words[1] for words in listed}

    def pod(self, namespace: str, name: str, *containers: str) -> str:
        """A pod with these containers, as the CRI plugin annotates them; returns the id of its sandbox."""
        sandbox = identity(namespace, name, "sandbox")
        of_pod = ("sandbox-id", sandbox), ("sandbox-name", name), ("sandbox-namespace", namespace)
        process = self.start("k8s.io", sandbox, "--cni", *_annotations(("container-type", "sandbox"), *of_pod))
        for container in containers:
            of_container = ("container-type", "container"), ("container-name", container), ("image-name", IMAGE)
            namespaces = ("--with-ns", f"network:/proc/{process}/ns/net")
            self.start(
                "k8s.io", identity(namespace, name, container), *namespaces, *_annotations(*of_container, *of_pod)
            )
        return sandbox

    def end_pod(self, namespace: str, name: str, *containers: str) -> None:
        """Ends it as a runtime does: the containers, the interface, the sandbox."""
        sandbox = identity(namespace, name, "sandbox")
        netns = f"--net=/proc/{self.processes('k8s.io')[sandbox]}/ns/net"
        for each in (*(identity(namespace, name, container) for container in containers), sandbox):
            if each == sandbox:
                self.run("nsenter", netns, "ip", "link", "delete", "eth0")
            self.ctr("k8s.io", "tasks", "delete", "--force", each)
            self.ctr("k8s.io", "containers", "delete", each)

    def capnet(
        self, *words: object, code: int = 0, prefix: list[str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A run of capnet in the node, that must end with this exit code."""
        done = subprocess.run(
            [*(prefix or self.inside), *capnet_words(*words)], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done


def capnet_words(*words: object) -> list[str]:
    """The words that run capnet where another mount namespace has other variables."""
    settings = [f"PYTHONPATH={PROJECT}", "COLUMNS=100", f"PATH={os.environ['PATH']}"]
    return ["env", f"--chdir={PROJECT}", *settings, sys.executable, "-m", "capnet", *map(str, words)]


def identity(*parts: str) -> str:
    """An id as containerd's CRI plugin gives."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


def _annotations(*pairs: tuple[str, str]) -> list[str]:
    return [word for key, value in pairs for word in ("--annotation", f"io.kubernetes.cri.{key}={value}")]


@contextmanager
def containerd_node(folder: Path) -> Iterator[ContainerdNode]:
    """A running node, without a container; its processes end with the block."""
    (folder / "containerd.toml").write_text(_CONFIG)
    (folder / "cbr0.conflist").write_text(json.dumps(_NETWORK))
    _save_image(folder / "image.tar")
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with (folder / "errors").open("wb") as errors:
        started = subprocess.Popen([*command, "bash", "-c", SETUP, "bash", str(folder)], stdout=errors, stderr=errors)
    try:
        ready = folder / "node"
        wait_until(
            lambda: started.poll() is not None or (ready.exists() and ready.read_text()), "containerd", within=40
        )
        assert started.poll() is None, (folder / "errors").read_text()
        (child,) = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
        lan = ["nsenter", f"--target={child}", "--net", "--mount", "--pid", "--"]
        yield ContainerdNode([*lan, "nsenter", f"--target={ready.read_text().strip()}", "--net", "--"], lan)
    finally:
        started.kill()  # --kill-child: the first process of the namespace ends too, and with it all others
        started.wait()


def _save_image(target: Path) -> None:
    """busybox as an archive of `docker save`: a layer, its configuration, and what belongs to what."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(shutil.which("busybox") or "", "bin/busybox")
        for applet in ("sleep", "ping", "sh"):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    config = {
        "architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]},
    }  # fmt: skip
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    with tarfile.open(target, "w") as tar:
        for name, data in (
            ("layer.tar", layer.getvalue()),
            ("config.json", json.dumps(config).encode()),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
