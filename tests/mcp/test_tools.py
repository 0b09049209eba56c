"""What the tools for agents answer: true, short, with frames, and of nothing but the captures of the folders."""

from __future__ import annotations

import os
import re
import shutil

import pytest

from capnet.mcp.fence import MAX_TOKENS, tokens
from tests.mcp.client import PCAPS, answers, call

BLOCKED = "faults/published-port-blocked.pcapng"
HEALTHY = "faults/published-port-blocked.healthy.pcapng"
FRAMES = re.compile(
    r"\[(‹[^›]+›( of ‹[^›]+›)? frame \d+(, \d+)*(; )?)+\]$|\[the whole capture, .*\]$|\[all \d+ frames\]$"
)
# Lines that say nothing of packets: markers, what to do, where a page ends, the number of a capture, its files.
NO_STATEMENT = re.compile(r"Between|===|\(|  (next|fix|verify)|next:|capture c|file |finding |[A-Z][a-z ]+: |‹\S+›: ")


@pytest.fixture(scope="module")
def session() -> dict[str, str]:
    """The answers of all tools about a published port that is blocked."""
    calls = {
        "open": call("open", files=[BLOCKED]),
        "healthy": call("open", files=[HEALTHY]),
        "summary": call("summary", capture="c1"),
        "trace": call("trace", capture="c1", flow="host B and port 8080", most=2),
        "container": call("trace", capture="c1", container="web"),
        "frame": call("trace", capture="c1", frame=3),
        "explain": call("explain", name="published-port-blocked", capture="c1"),
        "station": call("explain", name="web", capture="c1"),
        "compare": call("compare", good="c2", bad="c1"),
    }
    results = answers(PCAPS, *calls.values())
    assert not any(is_error for _, is_error in results), results
    return dict(zip(calls, (text for text, _ in results), strict=True))


def test_statements_about_packets_end_with_frames(session):
    """Every line that speaks of packets names points and frames."""
    for tool, text in session.items():
        statements = [line for line in text.splitlines() if not NO_STATEMENT.match(line)]
        assert tool == "frame" or statements or tool in ("explain",), tool
        for line in statements:
            if not line.startswith(("tcp: ",)):
                assert FRAMES.search(line), f"{tool}: {line}"


def test_summary_names_the_fault_its_frame_and_a_step(session):
    assert "error published-port-blocked: 4 SYNs of 192.168.111.129 to 192.168.111.128:8080" in session["summary"]
    assert "[‹A/ens33› frame 39]" in session["summary"]
    assert "DOCKER-USER" in session["summary"]


def test_trace_shows_each_hop_with_its_change(session):
    assert "stops at ‹A/ens33›, due at ‹A/docker0› [‹A/ens33› frame 39]" in session["trace"]
    assert re.search(r"at ‹A/docker0›: ‹C›:\d+ → ‹web›:80, TTL 63, DNAT, routed", session["container"])
    assert "tcp: 3 sightings of this packet" in session["frame"]


def test_explain_says_what_it_means_and_where(session):
    assert "Wrong when: the answer took a way that was not captured" in session["explain"]
    assert "error here: 4 SYNs" in session["explain"]
    assert "DNAT tcp ‹C›:39527 → ‹A›:8080 becomes ‹C›:39527 → ‹web›:80" in session["station"]


def test_compare_says_first_what_broke(session):
    assert session["compare"].splitlines()[2].startswith("bad c1: New in the second capture: 4 SYNs")
    assert "tcp ‹B› → ‹A›:8080 fails now: delivered → stops at ‹A/ens33›" in session["compare"]


def test_answers_keep_to_the_bound_and_pages_hold_all():
    """The list of captures has several pages, each within the bound, and together they have every capture."""
    pages = [text for text, _ in answers(PCAPS, *(call("open", page=page) for page in range(1, 4)))]
    assert all(tokens(text) <= MAX_TOKENS for text in pages)
    assert "ask for page 2" in pages[0]
    listed = set(re.findall(r"^‹(.*)›$", "\n".join(pages), re.MULTILINE))
    assert listed == {str(path.relative_to(PCAPS)) for path in PCAPS.rglob("*.pcapng")}


def test_page_behind_the_last_one_says_so():
    """An agent that asks for page after page comes to an end."""
    pages = [text for text, _ in answers(PCAPS, *(call("open", page=page) for page in range(1, 30)))]
    last = next(number for number, text in enumerate(pages, 1) if "ask for page" not in text)
    assert "there is no page" not in pages[last - 1]
    assert pages[last].endswith(f"(there is no page {last + 1}; this is the last one, page {last} of {last})")
    assert all(tokens(text) <= MAX_TOKENS for text in pages)


def test_payload_is_in_no_answer(session):
    """The capture holds HTTP, whose words no answer repeats."""
    content = (PCAPS / BLOCKED).read_bytes()
    words = [word for word in (b"HTTP/1.", b"User-Agent", b"Host: ") if word in content]
    assert words
    for text in session.values():
        assert not any(word.decode() in text for word in words)


def test_several_files_name_the_file_of_a_frame(tmp_path):
    for name in ("bridge", "host"):
        shutil.copy(PCAPS / f"{name}.pcapng", tmp_path)
    _, (text, is_error) = answers(
        tmp_path, call("open", files=["bridge.pcapng", "host.pcapng"]), call("summary", capture="c1")
    )
    assert not is_error
    assert "of ‹bridge.pcapng› frame " in text


def test_paths_out_of_the_folder_are_refused(tmp_path):
    """Parents, absolute paths, links to files and folders, files that are no files, and files beside a capture."""
    folder, outside = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    outside.mkdir()
    for target in (folder / "own.pcapng", folder / "beside.pcapng", outside / "secret.pcapng"):
        shutil.copy(PCAPS / "host.pcapng", target)
    shutil.copy(PCAPS / "host.topology.json", outside / "beside.topology.json")
    (folder / "link.pcapng").symlink_to(outside / "secret.pcapng")
    (folder / "links").symlink_to(outside)
    (folder / "beside.topology.json").symlink_to(outside / "beside.topology.json")
    (folder / "loop.pcapng").symlink_to(folder / "loop.pcapng")
    (folder / "inner.pcapng").symlink_to(folder / "own.pcapng")
    os.mkfifo(folder / "pipe.pcapng")
    refused = [
        "../out/secret.pcapng", str(outside / "secret.pcapng"), "link.pcapng", "links/secret.pcapng", "beside.pcapng",
        "loop.pcapng", "pipe.pcapng", ".", "", "own.pcapng\0", "/etc/passwd", "nothing.pcapng",
    ]  # fmt: skip
    results = answers(folder, *(call("open", files=[name]) for name in refused))
    assert [is_error for _, is_error in results] == [True] * len(refused)
    assert not any(str(outside) in text for (text, _), name in zip(results, refused, strict=True) if name[0:1] != "/")
    taken = answers(folder, call("open", files=["own.pcapng"]), call("open", files=["inner.pcapng"]))
    assert not any(is_error for _, is_error in taken)
    ((listed, _),) = answers(folder, call("open"))
    assert re.findall("^‹(.*)›$", listed, re.MULTILINE) == ["inner.pcapng", "own.pcapng"]


def test_capture_without_frames_has_no_error_and_no_all_clear(tmp_path):
    (tmp_path / "empty.pcap").write_bytes(bytes.fromhex("d4c3b2a1 02000400 00000000 00000000 ffff0000 01000000"))
    (_, _), (text, is_error) = answers(tmp_path, call("open", files=["empty.pcap"]), call("summary", capture="c1"))
    assert "The capture has no frames." in text and "No error" not in text and not is_error


def test_changed_topology_is_read_again(tmp_path):
    from capnet.mcp.captures import Captures
    from capnet.mcp.folders import Folders

    shutil.copy(PCAPS / "bridge.pcapng", tmp_path)
    captures = Captures(Folders([tmp_path]))
    first = captures.open(["bridge.pcapng"])
    assert captures.get("c1") is first
    shutil.copy(PCAPS / "bridge.topology.json", tmp_path)
    assert captures.get("c1").study.context.topology != first.study.context.topology


def test_changed_file_is_read_again(tmp_path):
    from capnet.mcp.captures import Captures
    from capnet.mcp.folders import Folders

    path = tmp_path / "own.pcapng"
    shutil.copy(PCAPS / "host.pcapng", path)
    captures = Captures(Folders([tmp_path]))
    first = captures.open(["own.pcapng"])
    assert captures.get("c1") is first
    shutil.copy(PCAPS / "none.pcapng", path)
    os.utime(path, ns=(1, 1))
    assert captures.get("c1").document["points"] != first.document["points"]


@pytest.mark.parametrize(
    "wrong",
    [
        call("summary", capture="c9"),
        call("trace", capture="c1", flow="host and"),
        call("trace", capture="c1", flow="tcp", frame=1),
        call("trace", capture="c1", container="nobody"),
        call("trace", capture="c1", frame=10**17),
        call("trace", capture="c1", frame=1, file="other.pcapng"),
        call("explain", name="no-such-finding"),
        call("explain", name="nobody", capture="c1"),
        call("open", files=["README.md"]),
    ],
)
def test_what_cannot_be_answered_is_an_error_of_the_tool(wrong):
    (_, (text, is_error)) = answers(PCAPS, call("open", files=["host.pcapng"]), wrong)
    assert is_error
    assert tokens(text) < 300


def test_example_in_the_docs_is_what_is_answered(session):
    page = (PCAPS.parent / "docs" / "mcp.md").read_text(encoding="utf-8")
    example = page.partition("```text\n")[2].partition("\n```")[0]
    assert example in session["summary"].splitlines()


def test_unknown_finding_without_a_capture_is_one_sentence():
    ((text, is_error),) = answers(PCAPS, call("explain", name="mtu-blackhol"))
    assert is_error
    assert "there is no finding mtu-blackhol; to explain a container, name its capture; similar: mtu-blackhole" in text


def test_similar_names_of_a_capture_are_marked():
    (_, (text, is_error)) = answers(
        PCAPS, call("open", files=["bridge.pcapng"]), call("explain", name="webb", capture="c1")
    )
    assert is_error
    assert "there is no finding webb, nor a station of this capture; similar: ‹web›" in text
