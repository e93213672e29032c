"""The examples do what they say, twice in a row."""
import os
import pathlib
import subprocess

from conftest import ALICE, ROOT, clean_environment

EXAMPLES = ROOT / "examples"


def build_folder(ragstore):
    return pathlib.Path(os.environ.get("RAGSTORE_BUILD") or pathlib.Path(ragstore.path).parent)


def run(*arguments, **options):
    return subprocess.run([*map(str, arguments)], capture_output=True, text=True, check=True, timeout=120, **options)


def test_quickstart_in_c(ragstore, tmp_path):
    expected = ('1.0000  {"entity_name":"Alice"}\n'
                '0.9613  {"entity_name":"White Rabbit"}\n'
                'Alice -- White Rabbit  {"keywords":"follows","weight":1.0}\n')
    program = build_folder(ragstore) / "quickstart"
    for _ in range(2):
        assert run(program, cwd=tmp_path, env=clean_environment()).stdout == expected
    assert run(program, "memory:", cwd=tmp_path, env=clean_environment()).stdout == expected
    assert "White Rabbit" in ragstore("get", tmp_path / "quickstart.store", "node", "White Rabbit").out


def test_quickstart_from_the_command_line(ragstore, tmp_path):
    done = run(EXAMPLES / "quickstart.sh", ALICE, tmp_path / "a.store",
               env={**clean_environment(), "RAGSTORE": ragstore.path})
    for expected in ("It is in ", "1 document: 1 processed", "Alice  (person, ", "the nearest 5 in entities"):
        assert expected in done.stdout
    assert '\n {"label": "Alice", "found": true, "degree": 133, ' in done.stdout


def test_demo(ragstore, tmp_path):
    command = tmp_path / "ragstore"
    command.symlink_to(ragstore.path)
    for _ in range(2):
        done = run(EXAMPLES / "demo.sh", command, env=clean_environment())
        for number in range(1, 7):
            assert f"\n{number}. " in done.stdout
        for expected in ("the nearest 3 in chunks", "the nearest 5 in entities", "Cheshire Cat  (concept, ",
                         "ragstore.db", '{"id": "rel-4e4dc8e8963038bc5bddbb5b74176b61", "distance": 1, '):
            assert expected in done.stdout
        assert done.stdout.count(" ms]") == 8
        assert "\x1b" not in done.stdout
    assert (tmp_path / "demo" / "alice.store" / "ragstore.db").exists()
