"""The program as Wireshark runs it: what it answers, what it loads, and how it refuses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from capnet.errors import UsageError
from capnet.extcap.arguments import parse
from capnet.extcap.capture import given_of
from capnet.wireshark.launcher import launcher

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "click",
    "docker",
    "numpy",
    "numba",
    "http",
    "email",
    "ssl",
    "requests",
    "dataclasses",
    "subprocess",
    "pathlib",
)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "DOCKER_HOST": "unix:///nowhere/docker.sock", **more}


def extcap(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "capnet.extcap", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment(CAPNET_LAB_DIR="/nowhere") | more
    )


def sentences(text: str) -> list[tuple[str, dict[str, str]]]:
    """Sentences as extcap_parser.c reads them."""
    return [(line.split(" ")[0], dict(re.findall(r"\{([a-zA-Z_-]*?)=(.*?)\}", line))) for line in text.splitlines()]


def test_interfaces_without_docker_are_none():
    done = extcap("--extcap-interfaces", "--extcap-version=4.0")
    assert (done.returncode, done.stderr) == (0, "")
    assert [kind for kind, _ in sentences(done.stdout)] == ["extcap"]


def test_dlts_and_options_of_an_interface_are_answered():
    dlts = extcap("--extcap-dlts", "--extcap-interface", "capnet:web")
    assert sentences(dlts.stdout) == [("dlt", {"number": "1", "name": "EN10MB", "display": "Ethernet"})]
    options = extcap("--extcap-config", "--extcap-interface", "capnet:web")
    assert [(kind, values["call"], values["type"]) for kind, values in sentences(options.stdout)] == [
        ("arg", "--snaplen", "unsigned"),
        ("arg", "--filter", "string"),
        ("arg", "--buffer", "unsigned"),
    ]


@pytest.mark.parametrize("question", ["--extcap-interfaces", "--extcap-dlts", "--extcap-config"])
def test_question_loads_nothing_heavy(question):
    """Wireshark asks each of them when it starts, two of them for each interface."""
    program = (
        "import sys; from capnet.extcap.program import main; main(sys.argv[1:]); "
        "sys.exit(','.join(name for name in sys.modules if name.split('.')[0] in sys.argv[4].split()))"
    )
    words = [sys.executable, "-P", "-c", program, question, "--extcap-interface", "capnet:web", " ".join(HEAVY)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=environment())
    loaded = set(done.stderr.strip().split(",")) - {""}
    by_python = subprocess.run(
        [sys.executable, "-P", "-c", "import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert loaded - set(by_python.stdout.split()) == set()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "capnet wireshark install"),
        (["--extcap-dlts", "--extcap-interface", "eth0\x1b[31m"], r"no interface 'eth0\x1b[31m'"),
        (["--capture", "--extcap-interface", "capnet:web"], "--capture needs --fifo"),
        (["--capture", "--extcap-interface", "eth0", "--fifo", "/f"], "no interface 'eth0'"),
        (["--capture", "--extcap-interface", "capnet:A/web", "--fifo", "/f"], "no lab with a host A is up"),
        (["--capture", "--extcap-interface", "capnet:web", "--fifo", "/nowhere/f"], "/nowhere/f: cannot be written"),
    ],
)
def test_refusal_is_one_line_on_standard_error(words, complaint):
    done = extcap(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert done.stderr.startswith("capnet: ") and done.stderr.count("\n") == 1


def test_capture_without_docker_says_so_and_closes_the_fifo(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    words = ["--capture", "--extcap-interface", "capnet:web", "--fifo", str(fifo)]
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "capnet.extcap", *words], stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert fifo.read_bytes() == b""
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "no Docker daemon answers at unix:///nowhere/docker.sock" in complaint


def test_request_becomes_options_of_capture():
    given = given_of(parse(["--extcap-interface", "capnet:web", "--extcap-capture-filter", "port 80", "--snaplen=96"]))
    assert (given.words, given.networks, given.everything) == (("web",), (), False)
    assert (given.capture_filter, given.snaplen, given.target, given.hosts) == ("port 80", 96, "-", ())
    network = given_of(parse(["--extcap-interface", "capnet-network:my%20net"]))
    assert (network.words, network.networks, network.everything) == ((), ("my net",), False)
    assert given_of(parse(["--extcap-interface", "capnet-network:--all%3D%20-x"])).networks == ("--all= -x",)
    host = given_of(parse(["--extcap-interface", "capnet-host:docker", "--snaplen", "0"]))
    assert (host.words, host.networks, host.everything, host.snaplen) == ((), (), True, 262144)
    assert host.buffer_mib == 64
    assert given_of(parse(["--extcap-interface", "capnet:web", "--buffer", "8"])).buffer_mib == 8


def test_buffer_of_the_dialog_is_that_of_capture():
    """What Wireshark's dialog lets pass, `capnet capture` takes."""
    from capnet.cli.options import buffer_option
    from capnet.wireshark.sentences import BUFFER_MIB, MAX_BUFFER_MIB

    (option,) = buffer_option(lambda: None).__click_params__
    assert (option.default, option.type.min, option.type.max) == (BUFFER_MIB, 1, MAX_BUFFER_MIB)


@pytest.mark.parametrize("size", ["0", "4097", "x", "-1"])
def test_impossible_buffer_is_refused(size):
    with pytest.raises(UsageError, match="buffer"):
        given_of(parse(["--extcap-interface=capnet:web", f"--buffer={size}"]))


@pytest.mark.parametrize("snaplen", ["-1", "x", "262145", "²"])
def test_impossible_snaplen_is_refused(snaplen):
    with pytest.raises(UsageError, match="snapshot length"):
        given_of(parse(["--extcap-interface=capnet:web", f"--snaplen={snaplen}"]))


@pytest.mark.skipif(
    which("tcpdump") is None, reason="tcpdump is not installed: it is asked what is wrong with a filter"
)
def test_filter_is_judged_by_libpcap():
    """Wireshark paints the field green for no answer, and red for one."""
    for words, complaint in (
        ("port 80", ""),
        ("porti 80", "can't parse filter expression: syntax error\n"),
        ("-w f", None),
    ):
        done = extcap("--extcap-capture-filter", words, "--extcap-interface", "capnet:web")
        assert done.returncode == 0
        assert done.stdout == complaint if complaint is not None else done.stdout.count("\n") == 1


@pytest.mark.parametrize("question", ["--extcap-dlts", "--extcap-config"])
def test_launcher_answers_as_the_program_does(question, tmp_path):
    """It does so without starting Python, since Wireshark asks for each interface."""
    script = tmp_path / "capnet-extcap"
    script.write_text(launcher({}).replace("exec ", "exec /nowhere/"))
    words = [question, "--extcap-interface", "capnet:web"]
    answer = subprocess.run(["/bin/sh", script, *words], capture_output=True, text=True, env={})
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == extcap(*words).stdout != ""


def test_launcher_takes_nothing_from_the_current_folder(tmp_path):
    """Wireshark is started anywhere, also as root in a folder where others write."""
    script = tmp_path / "capnet-extcap"
    script.write_text(launcher({}))
    script.chmod(0o700)
    for name in ("capnet", "socket", "json", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken from the current folder')")
    done = subprocess.run(
        [script, "--extcap-version=4.0"], capture_output=True, text=True, cwd=tmp_path, env={"PATH": ""}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sentences(done.stdout)[0][1]["display"] == "capnet"
