"""`capnet analyze` as a person meets it: what may be given, what comes out, which exit code."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from termios import FIONREAD

import pytest

ROOT = Path(__file__).resolve().parents[2]
BRIDGE = ROOT / "pcaps" / "bridge.pcapng"
TCP = ROOT / "tests" / "made" / "tcp.pcap"
SECTIONS = {
    "models", "stations", "macs", "nat", "proxies", "tunnels", "paths", "flows", "findings", "fates", "icmp_errors",
    "neighbours",
}  # fmt: skip


def capnet(*words: object, stdin: bytes | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "capnet", *map(str, words)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=60,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def report(*words: object, **more) -> dict:
    done = capnet("analyze", "--format", "json", *words, **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def error(code: int, *words: object, **more) -> str:
    """Runs, expects this exit code, nothing on stdout and one line on stderr; returns that line."""
    done = capnet("analyze", *words, **more)
    assert done.returncode == code, done.stderr
    assert done.stdout == b""
    text = done.stderr.decode()
    assert text.count("\n") == 1, text
    return text


def another(number: int) -> bytes:
    """A capture like TCP with other bytes: another snap length in its head."""
    data = TCP.read_bytes()
    return data[:16] + (65535 + number).to_bytes(4, "little") + data[20:]


# -- inputs ---------------------------------------------------------------------------------------
def test_several_files_are_one_capture(tmp_path):
    (tmp_path / "left.pcap").write_bytes(TCP.read_bytes())
    (tmp_path / "right.pcap").write_bytes(another(1))
    printed = report("left.pcap", "B/ens33=right.pcap", cwd=tmp_path)
    assert [point["name"] for point in printed["points"]] == ["left", "B/ens33"]
    assert [each["file"] for each in printed["inputs"]] == ["left.pcap", "right.pcap"]


def test_file_name_with_equals_sign_is_a_file(tmp_path):
    (tmp_path / "a=b.pcap").write_bytes(TCP.read_bytes())
    assert report("a=b.pcap", cwd=tmp_path)["inputs"][0]["file"] == "a=b.pcap"


def test_folder_is_every_capture_in_it(tmp_path):
    (tmp_path / "in").mkdir()
    for number, name in enumerate(("b.pcapng", "a.pcap", "c.cap")):
        (tmp_path / "in" / name).write_bytes(another(number))
    (tmp_path / "in" / "d.pcap.gz").write_bytes(gzip.compress(TCP.read_bytes()))
    (tmp_path / "in" / "notes.txt").write_text("not a capture")
    printed = report("in", cwd=tmp_path)
    assert [each["file"] for each in printed["inputs"]] == ["in/a.pcap", "in/b.pcapng", "in/c.cap", "in/d.pcap.gz"]


@pytest.mark.parametrize("first", ["web.pcap", "web.pcap0"])
def test_folder_of_a_ring_is_all_of_its_files(tmp_path, first):
    """tcpdump -C: of web.pcap, web.pcap1, web.pcap2 only the first was read, and of -W's web.pcap0 none."""
    for number, name in enumerate((first, "web.pcap1", "web.pcap2")):
        data = bytearray(TCP.read_bytes())
        data[24:28] = (int.from_bytes(data[24:28], "little") + number).to_bytes(4, "little")  # the first frame's second
        (tmp_path / name).write_bytes(data)
    (tmp_path / "OLD.PCAP.gz").write_bytes(gzip.compress(another(1)))
    names = {Path(each["file"]).name for each in report(".", cwd=tmp_path)["inputs"]}
    assert names == {first, "web.pcap1", "web.pcap2", "OLD.PCAP.gz"}


def test_file_given_twice_is_read_once(tmp_path):
    """By its name, by a link, and as a copy; two points with names of their own are two."""
    copy = tmp_path / "copy.pcap"
    copy.write_bytes(TCP.read_bytes())
    (tmp_path / "link.pcap").symlink_to(copy)
    for other in (copy, tmp_path / "link.pcap", TCP):
        done = capnet("analyze", "--format", "json", TCP, other)
        assert len(json.loads(done.stdout)["inputs"]) == 1
        how = "given twice" if other == TCP else f"the same capture as {TCP}"
        assert done.stderr.decode() == f"capnet: {other} is {how}, and is read once\n"
    assert len(report(f"A={TCP}", f"B={copy}")["inputs"]) == 2


def test_empty_files_among_others_are_left_out(tmp_path):
    """Programs with a file for each interface leave such where nothing passed; they are no copies of each other."""
    (tmp_path / "a.pcap").write_bytes(TCP.read_bytes())
    for name in ("b.pcap", "c.pcap"):
        (tmp_path / name).touch()
    done = capnet("analyze", "--format", "json", "a.pcap", "b.pcap", "c.pcap", cwd=tmp_path)
    assert [each["file"] for each in json.loads(done.stdout)["inputs"]] == ["a.pcap"]
    assert done.stderr == b"capnet: empty, and left out: b.pcap, c.pcap\n"
    assert capnet("analyze", "b.pcap", "c.pcap", cwd=tmp_path).stderr == b"capnet: b.pcap: the file is empty\n"


def test_folder_of_unrelated_captures_is_a_table(tmp_path):
    """A line each; no sentence is about all of them."""
    for path in (BRIDGE, TCP, ROOT / "pcaps" / "overlay.pcapng"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = capnet("analyze", tmp_path).stdout.decode()
    assert text.startswith("3 captures that do not belong together:")
    assert "they have no common time." in " ".join(text.split())
    assert all(name in text for name in ("bridge.pcapng", "overlay.pcapng", "tcp.pcap"))
    assert "--together" in text
    assert "--together" in error(2, tmp_path, "--format", "json")
    assert capnet("analyze", tmp_path, "--fail-on", "info").returncode == 1
    assert len(report(tmp_path, "--together")["inputs"]) == 3


def test_captures_of_one_host_in_turn_are_unrelated(tmp_path):
    """A pause of a second between them, some interfaces in common: no ring has others in its next file."""
    for name in ("arp-unanswered", "asymmetric-path", "asymmetric-path.healthy", "broadcast-storm"):
        path = ROOT / "pcaps" / "faults" / f"{name}.pcapng"
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = capnet("analyze", tmp_path).stdout.decode()
    assert text.startswith("3 captures that do not belong together:")


def test_same_interface_with_other_macs_is_unrelated(tmp_path):
    """Two hosts that are called alike, at the same time."""
    (tmp_path / "bridge.pcapng").write_bytes(BRIDGE.read_bytes())
    data = BRIDGE.read_bytes()
    for mac in ("02:00:c0:a8", "02:42:ac:11", "02:42:2d:a1", "76:81:70:a3"):
        octets = bytes.fromhex(mac.replace(":", ""))
        data = data.replace(octets, b"\x0e" + octets[1:])
    (tmp_path / "other.pcapng").write_bytes(data)
    message = error(2, tmp_path, "--format", "json")
    assert "both have A/" in message and "with other MAC addresses" in message


def test_stdin_is_read_as_a_capture():
    printed = report("-", stdin=TCP.read_bytes())
    assert printed["inputs"][0]["file"] == "-"
    assert printed["coverage"]["frames"] > 0
    assert b"capnet packet" not in capnet("analyze", "-", stdin=TCP.read_bytes()).stdout


def test_report_is_the_same_wherever_the_file_is(tmp_path):
    (tmp_path / "bridge.pcapng").write_bytes(BRIDGE.read_bytes())
    (tmp_path / "bridge.topology.json").write_bytes(BRIDGE.with_name("bridge.topology.json").read_bytes())
    once = capnet("analyze", "--format", "json", tmp_path / "bridge.pcapng")
    again = capnet("analyze", "--format", "json", "bridge.pcapng", cwd=tmp_path)
    assert once.stdout == again.stdout
    assert str(tmp_path).encode() not in once.stdout


# -- outputs --------------------------------------------------------------------------------------
def test_only_keeps_chosen_sections():
    printed = report(BRIDGE, "--only", "nat,paths", "--only", "flows")
    assert SECTIONS & set(printed) == {"nat", "paths", "flows"}


@pytest.mark.parametrize(("top", "listed"), [("3", 3), ("54", 54), ("99", 54), ("all", 54)])
def test_top_lists_so_many_flows(top, listed):
    flows = report(BRIDGE, "--top", top)["flows"]
    assert (flows["count"], len(flows["top"])) == (54, listed)
    assert [flow["bytes"] for flow in flows["top"]] == sorted((flow["bytes"] for flow in flows["top"]), reverse=True)


def test_top_all_of_every_table_leaves_nothing_out():
    text = capnet("analyze", BRIDGE, "--top", "all").stdout.decode()
    assert "more (--top" not in text
    assert text.count("udp     B:53 → A:56023") == 1
    assert (
        "… and 44 more flows, counted at each point (--top all)"
        in capnet("analyze", BRIDGE, "--top", "3").stdout.decode()
    )


@pytest.mark.parametrize("top", ["0", "-1", "some", "1.5", ""])
def test_top_of_no_number_is_wrong_usage(top):
    done = capnet("analyze", BRIDGE, "--top", top)
    assert done.returncode == 2 and b"neither a number of rows nor all" in done.stderr


def test_only_takes_sections_as_headings_write_them():
    """The heading is NAT, the section nat."""
    assert capnet("analyze", BRIDGE, "--only", "NAT").stdout == capnet("analyze", BRIDGE, "--only", "nat").stdout != b""


def test_only_prints_what_is_asked_in_the_same_words():
    """The title, the names in the sections, and the sections as they are in the whole report."""
    whole = capnet("analyze", BRIDGE, "--full").stdout.decode()
    title, *blocks = capnet("analyze", BRIDGE, "--only", "nat,macs").stdout.decode().rstrip().split("\n\n")
    assert title == whole.split("\n\n")[0]
    assert blocks[0].startswith("Names  A 192.168.111.128")
    assert [block.split("\n")[0] for block in blocks[1:]] == ["NAT", "MACs"]
    assert all(block in whole for block in blocks[1:])


def test_only_of_what_is_not_there_says_so():
    assert (
        b"The capture shows nothing of this kind: proxies.\n" in capnet("analyze", BRIDGE, "--only", "proxies").stdout
    )


def test_only_neighbours_has_a_table():
    assert (
        "  arp   bbox     docker0      1         1" in capnet("analyze", BRIDGE, "--only", "neighbours").stdout.decode()
    )


@pytest.mark.parametrize(
    ("suffix", "begins"),
    [(".html", "<!DOCTYPE html>"), (".md", "# bridge"), (".json", "{"), (".txt", "bridge"), ("", "bridge")],
)
def test_suffix_of_output_decides_the_format(tmp_path, suffix, begins):
    path = tmp_path / f"report{suffix}"
    assert capnet("analyze", BRIDGE, "-o", path).returncode == 0
    assert path.read_text(encoding="utf-8").startswith(begins)


def test_format_that_contradicts_the_suffix_is_an_error(tmp_path):
    path = tmp_path / "report.html"
    assert "contradict each other" in error(2, BRIDGE, "--format", "json", "-o", path)
    assert not path.exists()
    assert capnet("analyze", BRIDGE, "--format", "html", "-o", path).returncode == 0
    assert capnet("analyze", BRIDGE, "--format", "json", "-o", tmp_path / "report.data").returncode == 0
    assert json.loads((tmp_path / "report.data").read_text())


@pytest.mark.parametrize(("pack", "says"), [(bz2.compress, "bzip2 -dc FILE"), (lzma.compress, "xz -dc FILE")])
def test_other_compression_says_how_to_unpack(tmp_path, pack, says):
    path = tmp_path / "packed.pcap"
    path.write_bytes(pack(BRIDGE.read_bytes()))
    assert says in capnet("analyze", path).stderr.decode()


@pytest.mark.parametrize(
    "words",
    [
        ("trace", "cut.pcapng"),
        ("annotate", "cut.pcapng", "-o", "marked.pcapng"),
        ("export", "cut.pcapng", "-o", "frames.csv"),
        ("export", "cut.pcapng", "--table", "flows", "-o", "flows.csv"),
        ("explain", "web", "cut.pcapng"),
    ],
)
def test_damaged_input_is_said_where_no_report_says_it(tmp_path, words):
    (tmp_path / "cut.pcapng").write_bytes(BRIDGE.read_bytes()[:3000])
    done = capnet(*words, cwd=tmp_path)
    assert done.returncode == 0
    says = "capnet: cut.pcapng is damaged in 1 place, first at byte 2,984: the file ends 16 bytes into a record;"
    assert says in done.stderr.decode()


def test_damaged_input_is_seen_by_fail_on(tmp_path):
    path = tmp_path / "cut.pcapng"
    path.write_bytes(BRIDGE.read_bytes()[:-3])
    assert capnet("analyze", path).returncode == 0
    assert capnet("analyze", path, "--fail-on", "warning").returncode == 1
    assert [row["name"] for row in report(path)["findings"] if row["level"] == "warning"] == ["capture-damaged"]


def test_output_is_written_whole_with_ordinary_rights(tmp_path):
    target = tmp_path / "report.json"
    done = capnet("analyze", BRIDGE, "--format", "json", "-o", target)
    assert (done.returncode, done.stdout) == (0, b"")
    assert json.loads(target.read_text())["schema"] == "capnet.report/1"
    umask = os.umask(0)
    os.umask(umask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]


def test_output_through_link_keeps_link_and_rights(tmp_path):
    target, link = tmp_path / "real.txt", tmp_path / "link.txt"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    capnet("analyze", TCP, "-o", link)
    assert link.is_symlink()
    assert target.read_text() != "old"
    assert target.stat().st_mode & 0o777 == 0o640


def test_output_to_pipe_does_not_replace_it(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert capnet("analyze", TCP, "--full", "-o", pipe).returncode == 0
        assert b"Points" in os.read(reader, 1 << 16)
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert b"Points" in capnet("analyze", TCP, "--full", "-o", "/dev/stdout").stdout


def test_output_in_missing_folder_is_one_error_line(tmp_path):
    assert f"there is no folder {tmp_path / 'missing'}" in error(2, TCP, "-o", tmp_path / "missing" / "x.json")


def test_stdout_closed_by_reader_is_no_error():
    with subprocess.Popen(
        [sys.executable, "-m", "capnet", "analyze", str(BRIDGE)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


@pytest.mark.parametrize(("encoding", "arrow"), [("ascii", "-DNAT-> A/docker0 -> "), ("gbk", "─DNAT─> A/docker0 ─> ")])
def test_stdout_without_utf8_gets_the_report_in_ascii(encoding, arrow):
    """What the encoding lacks is drawn by what it has: a question mark for each arrow cannot be read."""
    done = subprocess.run(
        [sys.executable, "-m", "capnet", "analyze", "--full", str(BRIDGE)],
        capture_output=True, timeout=60, cwd=ROOT, env={**os.environ, "PYTHONIOENCODING": encoding},
    )  # fmt: skip
    text = done.stdout.decode(encoding)
    assert done.returncode == 0
    assert "A/docker0 #" in text and arrow in text and "?" not in text


STOPPED = """
import os, sys
from pathlib import Path

number, replace = int(sys.argv.pop()), Path.replace

def stop(self, target):
    print(len(os.listdir()), flush=True)
    os.kill(os.getpid(), number)
    return replace(self, target)

Path.replace = stop
import signal
from capnet.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background inherits that it is ignored
main()
"""


@pytest.mark.parametrize("command", ["analyze", "trace"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_output_interrupted_leaves_no_file(tmp_path, number, command):
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, command, TCP, "-o", "report.txt", str(int(number))],
        capture_output=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (130, b"1\n")
    assert list(tmp_path.iterdir()) == []


# -- interrupts -----------------------------------------------------------------------------------
@contextmanager
def analyzing_a_stream(begin: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """A capnet that has read `begin` from a pipe and waits for more."""
    process = subprocess.Popen(
        [sys.executable, "-m", "capnet", "analyze", "-", "--format", "json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        process.stdin.write(begin)
        process.stdin.flush()
        deadline = time.monotonic() + 60
        left = array("i", [1])
        while left[0]:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
            ioctl(process.stdin, FIONREAD, left)
        yield process
    finally:
        process.kill()
        process.wait(60)
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def test_interrupt_of_stream_ends_in_its_report():
    """As in `tcpdump -w - | capnet analyze -`, where Ctrl-C reaches both."""
    raw = TCP.read_bytes()
    with analyzing_a_stream(raw[:-10]) as process:
        process.send_signal(signal.SIGINT)
        assert b"Ctrl-C again" in process.stderr.readline()
        process.stdin.write(raw[-10:])
        process.stdin.close()
        printed = json.loads(process.stdout.read())
        assert process.wait(60) == 0
    assert printed["inputs"][0]["problems"] == []
    assert printed["inputs"][0]["packets"] == report(TCP)["inputs"][0]["packets"]


def test_second_interrupt_of_stream_ends_capnet():
    with analyzing_a_stream(TCP.read_bytes()[:-10]) as process:
        process.send_signal(signal.SIGINT)
        assert b"Ctrl-C again" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == b"capnet: interrupted\n"
        assert process.wait(60) == 130
        assert process.stdout.read() == b""


@contextmanager
def following(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A capnet that follows a file and has read all that is in it so far; it may have to compile its kernels first."""
    process = subprocess.Popen(
        [sys.executable, "-m", "capnet", "analyze", "--follow", str(path), "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        deadline = time.monotonic() + 300
        while _read_so_far(process.pid, path) < path.stat().st_size:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.wait(60)
        for stream in (process.stdout, process.stderr):
            stream.close()


def _read_so_far(pid: int, path: Path) -> int:
    """How far a process has read a file, by /proc/PID/fdinfo; 0 if it has not opened it."""
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if each.readlink() == path:
                return int((each.parents[1] / "fdinfo" / each.name).read_text().split()[1])
        except FileNotFoundError:  # closed meanwhile
            continue
    return 0


needs_proc = pytest.mark.skipif(not Path("/proc/self/fdinfo").exists(), reason="no /proc to see how far a file is read")


@needs_proc
@pytest.mark.parametrize("copies", [1, 10_000], ids=["small, interpreted", "large, compiled"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_followed_file_ends_with_signal_in_its_report(tmp_path, how, copies):
    """What is appended before the signal is read too, wherever in a record reading had come to."""
    raw = TCP.read_bytes()
    whole = raw[:24] + raw[24:] * copies
    path = tmp_path / "growing.pcap"
    path.write_bytes(whole[:-510])
    with following(path) as process:
        with path.open("ab") as more:
            more.write(whole[-510:])
        process.send_signal(how)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0
    assert err == b"capnet: reading what is left of the stream; Ctrl-C again stops that\n"
    (printed,) = json.loads(out)["inputs"]
    assert printed["packets"] == copies * report(TCP)["inputs"][0]["packets"]
    assert printed["problems"] == []


@needs_proc
def test_followed_file_without_capture_is_unreadable(tmp_path):
    path = tmp_path / "empty.pcap"
    path.touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "capnet", "analyze", "--follow", str(path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 300
        while path not in [each.readlink() for each in Path(f"/proc/{process.pid}/fd").iterdir() if each.is_symlink()]:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    assert (process.returncode, out) == (3, b"")
    assert err.splitlines()[1:] == [b"capnet: " + os.fsencode(path) + b": the file is empty"]


# -- exit codes -----------------------------------------------------------------------------------
@pytest.mark.parametrize(("level", "code"), [("none", 0), ("info", 1), ("warning", 0), ("error", 0)])
def test_fail_on_level_of_finding_exits_one(level, code):
    """The overlay capture has findings of level info and none worse."""
    overlay = ROOT / "pcaps" / "overlay.pcapng"
    assert {each["level"] for each in report(overlay)["findings"]} == {"info"}
    assert capnet("analyze", overlay, "--fail-on", level).returncode == code
    assert capnet("analyze", overlay, "--fail-on", level, "--only", "nat").returncode == code


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["missing.pcap"], 3, "missing.pcap: No such file"),
        (["pyproject.toml"], 3, "neither pcap nor pcapng"),
        ([BRIDGE, "-o", "x.csv"], 2, "this command writes table, json, html, markdown, junit, sarif, not csv"),
        (["x=missing.pcap"], 3, "missing.pcap: No such file"),
        (["=x.pcap"], 2, "write NAME=FILE"),
        (["x="], 2, "write NAME=FILE"),
        (["x=tests"], 2, "a folder holds several points"),
        (["capnet"], 3, "no capture in this folder"),
        (["-", "-"], 2, "can be given once"),
        (["-", "--follow"], 2, "--follow reads one file"),
        ([TCP, TCP, "--follow"], 2, "--follow reads one file"),
        ([TCP, "--only", "nat,nonsense"], 2, "--only nonsense: there is no such section; choose from models"),
        ([TCP, "--only", "finding"], 2, "--only finding: there is no such section; did you mean findings?"),
        (["pcaps/brigde.pcapng"], 3, "brigde.pcapng: No such file or directory; nearest: pcaps/bridge.pcapng"),
        ([TCP, "--only", ","], 2, "--only needs at least one"),
        ([TCP, "--topology", "missing.json"], 3, "missing.json: No such file"),
    ],
)
def test_analyze_errors_are_one_line(words, code, says):
    assert says in error(code, *words)


@pytest.mark.parametrize(
    "words", [[], [TCP, "--format", "xml"], [TCP, "--fail-on", "fatal"], [TCP, "--vxlan-port", "0"]]
)
def test_wrong_usage_exits_two(words):
    assert capnet("analyze", *words).returncode == 2


def test_stdin_without_data_is_unreadable():
    assert error(3, "-", stdin=b"") == "capnet: -: standard input is empty\n"


@pytest.mark.parametrize("text", ["{", '{"schema": "capnet.topology/1", "hosts": [{}]}', "\x1b[2J"])
def test_topology_broken_beside_capture_is_a_problem(tmp_path, text):
    (tmp_path / "x.pcap").write_bytes(TCP.read_bytes())
    (tmp_path / "x.topology.json").write_text(text)
    printed = capnet("analyze", "x.pcap", cwd=tmp_path)  # a long path would be wrapped
    assert printed.returncode == 0
    assert b"Topology: " in printed.stdout and b"x.topology.json" in printed.stdout
    assert b"\x1b" not in printed.stdout


@pytest.mark.parametrize(
    ("path", "says"), [("pyproject.toml", "pyproject.toml: not JSON"), ("/dev/zero", "/dev/zero: longer than 4 MiB")]
)
def test_topology_that_is_none_is_a_problem_of_the_report(path, says):
    printed = report(TCP, "--topology", path)
    (problem,) = printed["inputs"][0]["problems"]
    assert problem["name"] == "unreadable-topology" and says in problem["says"]
    assert printed["flows"]["count"] > 0


def test_topology_of_another_network_is_said_and_not_used():
    """The capture's addresses are 10.0.0.x; the golden's topology has none of them."""
    topology = ROOT / "pcaps" / "ipvlan-l2.topology.json"
    alone, printed = report(TCP), report(TCP, "--topology", topology)
    (problem,) = printed["inputs"][0].pop("problems")
    assert problem["name"] == "topology-does-not-fit"
    assert "no address or MAC in common" in capnet("analyze", TCP, "--topology", topology).stdout.decode()
    alone["inputs"][0].pop("problems")
    assert printed == alone


def test_error_makes_hostile_file_name_visible():
    assert "\x1b" not in error(3, "\x1b[2Jmissing.pcap")


def test_link_that_leads_nowhere_says_where(tmp_path: Path) -> None:
    """It lies in the folder, so that the file called most alike is itself."""
    (tmp_path / "web.pcap").symlink_to("gone/web.pcap")
    assert "web.pcap: is a link to gone/web.pcap, which is not there" in error(3, str(tmp_path / "web.pcap"))
