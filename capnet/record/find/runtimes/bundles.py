"""Containers that containerd and CRI-O run, by their OCI bundles: no client of theirs, and no API, is needed.

Input: a shell as root. Output: an `OciContainer` for each bundle, and what CNI plugins answered (`attachments`).
Method: each container has a process beside it, in the network namespace of its machine, that runs in the container's
bundle: containerd-shim-* (containerd, core/runtime/v2 and pkg/shim: WorkDir is the bundle), conmon (CRI-O,
internal/oci/runtime_oci.go: cmd.Dir). So the folder of all bundles is found wherever a distribution has put it:
/run/containerd, /run/k3s/containerd (k3s, RKE2), /run/k0s/containerd, /var/snap/microk8s/common/run/containerd.
A bundle is a folder with config.json (OCI runtime-spec) and the number of the first process: init.pid (containerd,
cmd/containerd-shim-runc-v2/process/utils.go), pidfile (CRI-O).
Limits: containers of another network namespace (kind, Docker in Docker, rootless containerd) are their own machine's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from capnet.quick_tuple import NamedTuple
from capnet.record.find.runtimes.attachments import CniAttachment, attachment_of, ports_of
from capnet.record.remote.shell import Shell
from capnet.topology import PublishedPort

_MARK = "@capnet "
_DOCKERS = (
    "moby",
    "plugins.moby",
)  # dockerd's namespaces (moby, daemon/config: DefaultContainersNamespace)
_LIBPOD = "libpod"  # podman's own containers: its API lists them
_SECONDS = 60

# $1: file of the host's network namespace. Prints a line for each bundle: mark, number of the first process if that is
# the container's, folder; then the lines of each config.json and of each CNI result, behind the file's name.
_LIST = f"""
network=$1; set --; bundles=; results=
for process in /proc/[0-9]*; do
  read -r name <"$process/comm" || continue
  case $name in containerd-shim*|conmon*) ;; *) continue ;; esac
  [ "$process/ns/net" -ef "$network" ] && [ -r "$process/cwd/config.json" ] || continue
  for other in $bundles; do [ "$other" -ef "$process/cwd/../.." ] && continue 2; done
  bundles="$bundles $process/cwd/../.."
  for config in "$process"/cwd/../../*/*/config.json; do
    folder=${{config%/config.json}}; pid=; parent=; ours=-
    [ -r "$folder/init.pid" ] && read -r pid <"$folder/init.pid"
    [ -r "$folder/pidfile" ] && read -r pid <"$folder/pidfile"
    if [ -n "$pid" ] && read -r stat <"/proc/$pid/stat"; then
      stat=${{stat##*) ? }}
      read -r parent <"/proc/${{stat%% *}}/comm"
      case $parent in containerd-shim*|conmon*) ours=$pid ;; esac
    fi
    echo "{_MARK}$ours $folder"
    case $folder in */moby/*|*/plugins.moby/*) ;; *) set -- "$@" "$config" ;; esac
  done
  folder=$process/root/var/lib/cni/results
  for other in $results; do [ "$other" -ef "$folder" ] && continue 2; done
  results="$results $folder"
  for result in "$folder"/*; do
    case $result in */cni-loopback-*|*/'*') ;; *) set -- "$@" "$result" ;; esac
  done
done 2>/dev/null
[ $# = 0 ] || grep -sH '' "$@"
true
"""


class OciContainer(NamedTuple):
    """A container as its bundle has it. What the bundle does not tell is None or empty."""

    id: str
    runtime: str  # containerd or CRI-O
    name: str  # of a pod's sandbox: the pod's; of a container in a pod: its name in the pod
    image: str
    sandbox: str | None  # of a pod and of what is in it: the id of its sandbox
    is_sandbox: bool
    pod: str | None  # name of the pod
    namespace: str  # of Kubernetes, else of containerd
    cni_id: str  # what CNI plugins know it by
    pid: int | None
    netns: tuple[str, ...]  # files of its network namespace, of which the first that is there counts
    ports: tuple[PublishedPort, ...] = ()  # of the host that the runtime itself publishes


class Listing(NamedTuple):
    """What was found on a machine. `dockers`: how many bundles are dockerd's, which tells of them itself."""

    containers: list[OciContainer]
    attachments: list[CniAttachment]
    dockers: int


class _Annotations(NamedTuple):
    """What a runtime calls its annotations of config.json."""

    runtime: str
    kind: str
    sandbox: str
    pod: str
    namespace: str
    container: str
    image: str


_RUNTIMES = (
    _Annotations(  # containerd, internal/cri/annotations/annotations.go; before 2.0 in pkg/cri
        "containerd",
        kind="io.kubernetes.cri.container-type",
        sandbox="io.kubernetes.cri.sandbox-id",
        pod="io.kubernetes.cri.sandbox-name",
        namespace="io.kubernetes.cri.sandbox-namespace",
        container="io.kubernetes.cri.container-name",
        image="io.kubernetes.cri.image-name",
    ),
    _Annotations(  # CRI-O, internal/annotations/annotations.go; the kubelet's labels, kubelet/pkg/types/labels.go
        "CRI-O",
        kind="io.kubernetes.cri-o.ContainerType",
        sandbox="io.kubernetes.cri-o.SandboxID",
        pod="io.kubernetes.pod.name",
        namespace="io.kubernetes.pod.namespace",
        container="io.kubernetes.container.name",
        image="io.kubernetes.cri-o.ImageName",
    ),
)
_CRIO_POD = ("io.kubernetes.cri-o.KubeName", "io.kubernetes.cri-o.Namespace")  # of a sandbox without labels
_CRIO_PORTS = "io.kubernetes.cri-o.PortMappings"  # of a sandbox; CRI-O publishes them itself (internal/hostport)
_MANAGER = "io.container.manager"  # of CRI-O and podman
_NERDCTL_NAME, _NERDCTL_NAMESPACE = "nerdctl/name", "nerdctl/namespace"  # nerdctl, pkg/labels/labels.go


def list_bundles(shell: Shell) -> Listing:
    """The containers that containerd and CRI-O run on a machine. Raises EnvironmentLacks if it cannot be asked."""
    title = "list containers of containerd and CRI-O"
    printed = shell.run(["sh", "-c", _LIST, "sh", shell.host_netns], timeout=_SECONDS, title=title)
    return read_listing(printed, shell.host_path(""))


def read_listing(printed: str, root: str) -> Listing:
    """What the question prints. `root`: the host's file system."""
    pids: dict[str, int | None] = {}  # folder of a bundle → its process
    texts: dict[str, list[str]] = {}  # file → its lines
    for line in printed.splitlines():
        if line.startswith(_MARK):
            pid, _, folder = line.removeprefix(_MARK).partition(" ")
            pids[folder] = int(pid) if pid.isdecimal() else None
        else:
            file, _, text = line.partition(":")
            texts.setdefault(file, []).append(text)
    objects = {file: content for file, lines in texts.items() if (content := _object("\n".join(lines)))}
    containers = [
        container
        for folder, pid in pids.items()
        if _parts(folder)[0] not in _DOCKERS
        if (config := objects.get(f"{folder}/config.json")) and (container := _container(folder, root, pid, config))
    ]
    attachments = [attachment_of(content) for file, content in objects.items() if not file.endswith("/config.json")]
    dockers = sum(_parts(folder)[0] in _DOCKERS for folder in pids)
    return Listing(containers, [each for each in attachments if each], dockers)


def _object(text: str) -> dict[str, Any] | None:
    """An object of JSON; None for what is none: a file that is being written."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _list(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except ValueError:
        return None


def _parts(folder: str) -> tuple[str, str]:
    """The last two parts of a folder: NAMESPACE/ID of containerd, ID/userdata of CRI-O."""
    parent, _, last = folder.rpartition("/")
    return parent.rpartition("/")[2], last


def _container(folder: str, root: str, pid: int | None, config: dict[str, Any]) -> OciContainer | None:
    values = config.get("annotations")
    annotations = {key: str(value) for key, value in values.items()} if isinstance(values, dict) else {}
    if annotations.get(_MANAGER) == _LIBPOD:
        return None
    namespace, identity = _parts(folder)
    if identity == "userdata":
        identity = namespace
    roots = (root, folder.partition("/cwd/")[0] + "/root")
    netns = tuple(_namespace_files(roots, pid, config))
    for names in _RUNTIMES:
        if sandbox := annotations.get(names.sandbox):
            return _of_pod(names, annotations, config, identity, sandbox, pid, netns)
    own_namespace = annotations.get(_NERDCTL_NAMESPACE) or namespace
    is_random = re.fullmatch(r"[0-9a-f]{64}", identity)  # `ctr run` is given an id, which is a name then
    return OciContainer(
        id=identity,
        runtime="containerd",
        name=annotations.get(_NERDCTL_NAME) or (identity[:12] if is_random else identity),
        image="",
        sandbox=None,
        is_sandbox=False,
        pod=None,
        namespace=own_namespace,
        cni_id=f"{own_namespace}-{identity}",  # nerdctl, pkg/ocihook/ocihook.go: fullID
        pid=pid,
        netns=netns,
    )


def _of_pod(
    names: _Annotations,
    annotations: dict[str, str],
    config: dict[str, Any],
    identity: str,
    sandbox: str,
    pid: int | None,
    netns: tuple[str, ...],
) -> OciContainer:
    is_sandbox = annotations.get(names.kind) == "sandbox"
    pod = annotations.get(names.pod) or annotations.get(_CRIO_POD[0]) or str(config.get("hostname") or sandbox[:12])
    return OciContainer(
        id=identity,
        runtime=names.runtime,
        name=pod if is_sandbox else annotations.get(names.container) or identity[:12],
        image="" if is_sandbox else annotations.get(names.image, ""),
        sandbox=sandbox,
        is_sandbox=is_sandbox,
        pod=pod,
        namespace=annotations.get(names.namespace) or annotations.get(_CRIO_POD[1], ""),
        cni_id=sandbox,
        pid=pid,
        netns=netns,
        ports=ports_of(_list(annotations.get(_CRIO_PORTS))),
    )


def _namespace_files(roots: Sequence[str], pid: int | None, config: dict[str, Any]) -> Iterator[str]:
    """Files of the network namespace: the one that config.json names, which is there before any process, else its own.

    The former is a path of the host's root; where the runtime has mounts of its own, of the process in the bundle.
    /var/run is a link to /run, which /proc/PID/root does not follow into that root. A file of /proc is of another
    process, which may have ended.
    """
    for entry in (config.get("linux") or {}).get("namespaces") or []:
        if isinstance(entry, dict) and entry.get("type") == "network":
            path = re.sub(r"^/var/run/", "/run/", str(entry.get("path") or "/proc/"))
            yield from (root + path for root in roots if not path.startswith("/proc/"))
    if pid is not None:
        yield f"/proc/{pid}/ns/net"
