"""What `capnet wireshark` installs and removes: its own files, whole, and no others."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from capnet.wireshark.installation import install, uninstall
from capnet.wireshark.launcher import KEPT_VARIABLES, launcher
from capnet.wireshark.mark import FileState, look_at, marked
from capnet.wireshark.parts import File, personal_parts, system_parts
from capnet.wireshark.program import parse
from capnet.wireshark.reading import offered_interfaces
from tests.wireshark.tshark import capnet, needs_tshark, why_no_lua

# What Wireshark 4.4.6 and 4.0.17 of Debian print, and 3.6.2 of Ubuntu with another compiler; the homes are made up.
VERSION = "TShark (Wireshark) {}.\n\nCompiled (64-bit) using GCC, with libpcap, {}, with GnuTLS 3.8.\n"
FOLDERS_44 = (
    "Temp:\t/tmp\nPersonal configuration:\t{home}/.config/wireshark\nGlobal configuration:\t/usr/share/wireshark\n"
    "Personal Plugins:\t{home}/.local/lib/wireshark/plugins/4-4\n"
    "Personal Lua Plugins:\t{home}/.local/lib/wireshark/plugins\n"
    "Personal Extcap path:\t{home}/.local/lib/wireshark/extcap\n"
    "Global Extcap path:\t/usr/libexec/wireshark/extcap\nMaxMind database path:\t/usr/share/GeoIP\n"
)
FOLDERS_40 = (
    "Personal configuration:\t{home}/.config/wireshark\nPersonal Lua Plugins:\t{home}/.local/lib/wireshark/plugins\n"
    "Extcap path:\t/usr/lib/x86_64-linux-gnu/wireshark/extcap\n"
)


@pytest.mark.parametrize(
    ("printed", "version", "lua"),
    [
        (VERSION.format("4.4.19", "with Lua 5.4.7"), "4.4.19", "5.4.7"),
        (VERSION.format("4.2.0", "without Lua"), "4.2.0", None),
        ("TShark (Wireshark) 4.6.9.\n\nCompile-time info:\n  +Lua 5.4.9    +Zstandard 1.5.7\n", "4.6.9", "5.4.9"),
        ("TShark (Wireshark) 4.6.9.\n\nCompile-time info:\n  -Lua          +Zstandard 1.5.7\n", "4.6.9", None),
        ("Wireshark 4.0.17 (Git v4.0.17 packaged as 4.0.17-0+deb12u3).\n\nwith Lua 5.2.4,\n", "4.0.17", "5.2.4"),
        ("something else", "?", None),
    ],
)
def test_version_and_lua_are_read_as_printed(printed, version, lua):
    wireshark = parse("tshark", printed, "")
    assert (wireshark.version, wireshark.lua) == (version, lua)


def test_version_with_personal_extcap_gets_all_parts(tmp_path):
    wireshark = parse("tshark", VERSION.format("4.4.6", "with Lua 5.4.6"), FOLDERS_44.format(home=tmp_path))
    assert (wireshark.version, wireshark.lua) == ("4.4.6", "5.4.6")
    paths = {str(file.path.relative_to(tmp_path)) for part in personal_parts(wireshark) for file in part.files}
    assert paths == {
        ".config/wireshark/profiles/capnet/preferences",
        ".config/wireshark/profiles/capnet/colorfilters",
        ".config/wireshark/profiles/capnet/dfilter_buttons",
        ".config/wireshark/profiles/capnet/recent",
        ".local/lib/wireshark/plugins/capnet.lua",
        ".local/lib/wireshark/extcap/capnet",
    }
    assert [str(part.files[0].path) for part in system_parts(wireshark)] == ["/usr/libexec/wireshark/extcap/capnet"]


def test_version_without_personal_extcap_says_what_to_do(tmp_path):
    wireshark = parse("tshark", VERSION.format("4.0.17", "with Lua 5.2.4"), FOLDERS_40.format(home=tmp_path))
    extcap = personal_parts(wireshark)[-1]
    assert extcap.files == ()
    assert extcap.lacks and "sudo capnet wireshark install --system" in extcap.lacks


def test_version_without_lua_and_extcap_lacks_both(tmp_path):
    wireshark = parse("tshark", VERSION.format("3.6.2", "without Lua"), f"Personal configuration:\t{tmp_path}\n")
    lacks = {part.name: part.lacks for part in personal_parts(wireshark)}
    assert lacks["fields"] == "Wireshark 3.6.2 was built without Lua"
    assert lacks["extcap"] == "Wireshark 3.6.2 has no extcap"
    assert [part.lacks for part in system_parts(wireshark)] == ["Wireshark 3.6.2 has no extcap"]


def test_extcap_variable_counts_where_wireshark_reads_it(tmp_path, monkeypatch):
    """As root, Wireshark ignores the variable and names another folder."""
    monkeypatch.setenv("WIRESHARK_EXTCAP_DIR", str(tmp_path))
    ignored = parse("tshark", VERSION.format("4.0.17", "without Lua"), FOLDERS_40.format(home=tmp_path))
    read = parse("tshark", VERSION.format("4.0.17", "without Lua"), f"Extcap path:\t{tmp_path}\n")
    assert (ignored.personal_extcap, read.personal_extcap) == (None, tmp_path)


def test_file_is_installed_once_and_removed_with_its_folders(tmp_path):
    file = File(tmp_path / "wireshark/profiles/capnet/preferences", marked("a: b\n", "#"))
    assert [outcome.done for outcome in install([file])] == ["installed"]
    assert [outcome.done for outcome in install([file])] == ["is up to date"]
    assert file.path.read_text().startswith("a: b\n# capnet-wireshark ")
    assert [outcome.done for outcome in uninstall([file])] == ["removed"]
    assert list(tmp_path.iterdir()) == []
    assert list(uninstall([file])) == []


def test_older_file_of_capnet_is_replaced(tmp_path):
    older, newer = (File(tmp_path / "capnet.lua", marked(text, "--")) for text in ("old()\n", "new()\n"))
    assert list(install([older]))
    assert look_at(newer.path, newer.text).state is FileState.OUTDATED
    assert [outcome.done for outcome in install([newer])] == ["installed"]
    assert newer.path.read_text() == newer.text


@pytest.mark.parametrize("content", ["", "gui.x: 1\n", marked("a\n", "#").replace("a", "b"), "no mark \xff\n"])
def test_files_of_others_and_edited_ones_stay(content, tmp_path):
    file = File(tmp_path / "capnet" / "preferences", marked("a\n", "#"))
    file.path.parent.mkdir()
    file.path.write_text(content, encoding="latin-1")
    assert [outcome.kept for outcome in (*install([file]), *uninstall([file]))] == [True, True]
    assert file.path.read_text(encoding="latin-1") == content


def test_links_and_folders_in_the_place_stay(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    files = [File(tmp_path / name, marked("a\n", "#")) for name in ("link", "folder")]
    assert all(outcome.kept for outcome in (*install(files), *uninstall(files)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link"]


def test_extcap_whose_python_is_gone_is_broken(tmp_path):
    script = tmp_path / "capnet"
    script.write_text(launcher({"DOCKER_HOST": "unix:///nowhere", "CAPNET_LAB_DIR": "/nowhere"}))
    script.chmod(0o700)
    assert offered_interfaces(script) == 0
    script.write_text(script.read_text().replace("exec ", "exec /nowhere"))
    assert offered_interfaces(script) is None
    assert offered_interfaces(tmp_path / "nothing") is None


def test_launcher_keeps_variables_and_hostile_values(tmp_path):
    """The environment of Wireshark comes before what was set at installation, and no value is code."""
    host = "unix:///tmp/$(touch pwned)'; exit 1 #"
    script = launcher({"DOCKER_HOST": host, "PATH": "/nowhere", "DOCKER_CONTEXT": ""})
    assert "PATH=/nowhere" not in script and "DOCKER_CONTEXT=" not in script
    shown = script.replace(script.splitlines()[-1], 'printf "%s" "$DOCKER_HOST"')
    for variables, expected in (({}, host), ({"DOCKER_HOST": "tcp://b"}, "tcp://b")):
        done = subprocess.run(["sh", "-c", shown], capture_output=True, text=True, env=variables, cwd=tmp_path)
        assert (done.stdout, done.stderr) == (expected, "")
    assert list(tmp_path.iterdir()) == []
    assert "DOCKER_HOST" in KEPT_VARIABLES


@needs_tshark
def test_wireshark_command_leaves_home_as_it_was(tmp_path):
    def files() -> set[Path]:
        return {path for path in tmp_path.rglob("*") if path.is_file()}

    (tmp_path / "probe").mkdir()
    extcap = tmp_path / "extcap"  # read by a Wireshark that does not run as root
    done = capnet(tmp_path, "wireshark", "install", WIRESHARK_EXTCAP_DIR=str(extcap))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".config/wireshark/profiles/capnet/preferences") in files()
    status = capnet(tmp_path, "wireshark", "status", "--format", "json", WIRESHARK_EXTCAP_DIR=str(extcap))
    states = {part["part"]: part["state"] for part in json.loads(status.stdout)["parts"]}
    assert states["profile"] == "installed"
    assert states["fields"] == ("not read" if why_no_lua() else "installed")
    has_extcap = any(path.parent.name == "extcap" for path in files())
    assert states["extcap"] == ("installed" if has_extcap else "not possible")
    assert capnet(tmp_path, "wireshark", "uninstall", WIRESHARK_EXTCAP_DIR=str(extcap)).returncode == 0
    assert {path for path in files() if path.parent.name != "probe"} == set()


def test_wireshark_command_without_wireshark_says_so(tmp_path):
    done = capnet(tmp_path, "wireshark", "status", PATH=str(tmp_path))
    if done.returncode != 4:  # in one of the administrator's folders, which are looked at too
        pytest.skip(f"a tshark outside of PATH: {done.stdout.splitlines()[0]}")
    assert "apt install wireshark" in done.stderr
