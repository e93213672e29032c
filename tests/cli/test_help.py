"""Help texts, wrong use, and what the command does with its output."""
import re
import subprocess

import pytest

COMMANDS = ["import", "export", "status", "get", "search", "graph", "docs", "cache", "config", "bench", "check", "compact",
            "backup", "help", "version"]


def test_help_lists_every_command(ragstore):
    assert {entry["command"] for entry in ragstore("help", "--json").json} == set(COMMANDS)
    shown = ragstore("help")
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\S", shown.out, re.M), name
    assert ragstore("--help").out == shown.out
    assert ragstore("-h").out == shown.out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(ragstore, name):
    shown = ragstore("help", name)
    assert ragstore(name, "--help").out == shown.out
    assert ragstore(name, "-h").out == shown.out
    assert shown.out.startswith(f"ragstore {name} - ")
    options = ragstore("help", name, "--json").json[0]["options"]
    for option in options + ["json", "help"]:
        assert f"--{option}" in shown.out
    usage = shown.out.split("Usage:")[1].split("\n\n")[0]
    for option in re.findall(r"--[a-z-]+", usage):
        assert option[2:] in options, f"{option} is in the usage and does not exist"
    for line in shown.lines:
        assert len(line) <= 79, line
        assert line == line.rstrip(), "a line ends in spaces"


def test_main_help_fits_a_terminal(ragstore):
    assert max(len(line) for line in ragstore("help").lines) <= 79


def test_help_wins_over_mistakes_before_it(ragstore):
    assert "Usage:" in ragstore("status", "a", "b", "c", "--help").out


def test_no_command_shows_the_help_on_standard_error(ragstore):
    done = ragstore(status=2)
    assert done.out == "" and "Commands:" in done.err


@pytest.mark.parametrize("arguments, message", [
    (["stauts", "x"], "there is no command 'stauts'"),
    (["status"], "status needs more arguments: STORE"),
    (["import"], "import needs more arguments: LIGHTRAG_DIR"),
    (["bench", "help"], "bench needs another argument: STORE"),
    (["get", "x"], "get needs another argument: kv"),
    (["hlep"], "there is no command 'hlep'"),
    (["help", "stauts"], "there is no command 'stauts'"),
    (["backup", "a", "memory:"], "TARGET is a directory, and 'memory:' looks like the URL of a store"),
    (["backup", "a", "@name"], "TARGET is a directory, and '@name' looks like the URL of a store"),
    (["export", "a", "embedded:./b"], "DIR is a directory, and 'embedded:./b' looks like the URL of a store"),
    (["export", "a", ""], "DIR is empty"),
    (["status", "a", "b"], "'b' is one argument too many"),
    (["status", "--jsno", "a"], "unknown option --jsno; did you mean --json?"),
    (["status", "--json=1", "a"], "--json takes no value"),
    (["status", "-x", "a"], "unknown option -x"),
    (["search", "a", "chunks"], "what to search for? --like ID or --vector FILE"),
    (["search", "a", "chunks", "--like", "x", "--vector", "y"], "--like and --vector exclude each other"),
    (["search", "a", "chunks", "--like"], "--like wants a value: ID"),
    (["search", "a", "chunks", "--like", "x", "-k", "0"], "--top wants a whole number from 1 to 100000, not '0'"),
    (["search", "a", "chunks", "--like", "x", "-k", "3x"], "--top wants a whole number"),
    (["search", "a", "chunks", "--like", "x", "-k", "-3"], "--top wants a whole number"),
    (["search", "a", "chunks", "--like", "x", "--min-score", "much"], "--min-score wants a number, not 'much'"),
    (["search", "a", "chunks", "--text", "tea"], "--text needs an embedding model"),
    (["search", "a", "labels", "--text", ""], "labels are searched for a text"),
    (["graph", "a", "b", "--format", "svg"], "--format wants one of text, json, graphml, dot, not 'svg'"),
    (["get", "a", "things", "b"], "'things' is not one of kv, node, edge, doc, vector"),
    (["get", "a", "edge", "b"], "get edge needs two labels"),
    (["get", "a", "kv", "text_chunks"], "get kv needs a NAMESPACE and at least one key"),
    (["docs", "a", "--page-size", "5"], "--page-size wants a whole number from 10 to 200"),
    (["docs", "a", "--track", "x", "--file", "y"], "--track and --file exclude each other"),
    (["docs", "a", "--file", "y", "--page", "2"], "--page does not go with --file"),
    (["docs", "a", "--conflicts", "--sort", "id"], "--sort does not go with --conflicts"),
    (["docs", "a", "--track", ""], "--track is empty"),
    (["docs", "a", "--yes"], "--yes goes with --resolve-conflict only"),
    (["docs", "a", "--conflicts", "--primary", "x"], "--primary goes with --resolve-conflict only"),
    (["docs", "a", "--resolve-conflict", "f"], "--resolve-conflict wants --primary ID"),
    (["docs", "a", "--resolve-conflict", "f", "--primary", "x", "--fingerprint", "0"], "--fingerprint goes with --yes"),
    (["import", "a", "b", "--threads", "3"], "--threads wants a whole number from 1 to 2"),
    (["bench", "everything", "a"], "'everything' is not one of"),
    (["bench", "update", "a"], "update writes to the store"),
    (["bench", "docs", "a"], "docs writes to the store"),
    (["help", "nothing"], "there is no command 'nothing'"),
])
def test_wrong_use(ragstore, arguments, message):
    done = ragstore(*arguments, status=2)
    first, *rest = done.err.splitlines()
    assert first.startswith("ragstore: ") and message in first
    assert len(rest) == 1 and rest[0].startswith("  "), "no way out is named"
    assert done.out == ""


def test_options_may_stand_anywhere(ragstore, store):
    expected = ragstore("status", "--json", store).json["namespaces"]
    assert ragstore("status", store, "--json").json["namespaces"] == expected
    short = ragstore("search", "-k2", store, "entities", "--like=Alice", "--json")
    assert short.json == ragstore("search", store, "entities", "--json", "--like", "Alice", "--top", "2").json


def test_two_dashes_end_the_options(ragstore, store):
    done = ragstore("get", store, "node", "--", "--json", status=1)
    assert done.err == "ragstore: no node '--json'\n"


def test_version(ragstore):
    text = ragstore("version").out
    assert re.match(r"ragstore \d+\.\d+\.\d+ \(SQLite 3\.\d+", text)
    assert ragstore("--version").out == text
    assert re.fullmatch(r"\d+\.\d+\.\d+", ragstore("version", "--json").json["version"])


def test_a_full_disk_under_the_output_is_an_error(ragstore, store):
    for arguments in (["help"], ["status", store], ["graph", store, "*", "--json"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([ragstore.path, *map(str, arguments)], stdout=full, stderr=subprocess.PIPE,
                                  check=False)
        assert done.returncode == 1
        assert done.stderr == b"ragstore: could not write the output: No space left on device\n"


def test_a_reader_that_goes_away_is_no_complaint(ragstore, store):
    done = subprocess.run(["bash", "-c", '"$0" graph "$1" "*" --json | head -n 1', ragstore.path, str(store)],
                          capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"{\n", b"")
    ignoring = subprocess.run(["bash", "-c", 'trap "" PIPE; "$0" graph "$1" "*" --json | head -n 1',
                               ragstore.path, str(store)], capture_output=True, check=False)
    assert (ignoring.stdout, ignoring.stderr) == (b"{\n", b"")


def test_texts_for_reading_are_cut_to_the_terminal(ragstore, store):
    status, shown = ragstore.on_terminal("graph", store, "Alice")
    assert status == 0 and "King" in shown
    assert max(len(line) for line in shown.splitlines()) <= 60
    assert "\x1b" not in shown, "an answer is plain on a terminal, too"
