"""The script tests/servers/postgresql: what the tests of the backend take for granted."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from conftest import HERE, ROOT, run_script, serve

sys.path.insert(0, str(ROOT / "bench" / "peers"))
import environment  # noqa: E402  (found by the line above)


def test_17_has_both_extensions(postgres17):
    assert postgres17.sql("SHOW server_version").startswith("17.")
    names = "SELECT name FROM pg_available_extensions WHERE name IN ('vector', 'age') ORDER BY 1"
    assert postgres17.sql(names).splitlines() == ["age", "vector"]


def test_15_has_neither(postgres15):
    assert postgres15.sql("SHOW server_version").startswith("15.")
    assert postgres15.sql("SELECT name FROM pg_available_extensions WHERE name IN ('vector', 'age')") == ""


def test_it_listens_on_loopback_only_and_wants_the_password(postgres17):
    assert postgres17.sql("SHOW listen_addresses") == "127.0.0.1"
    assert postgres17.sql("SHOW unix_socket_directories") == ""
    assert postgres17.sql("SELECT DISTINCT auth_method FROM pg_hba_file_rules WHERE address = '127.0.0.1'") == \
        "scram-sha-256"


def test_what_start_leaves_names_the_server(postgres17):
    match = re.fullmatch(r"postgres://postgres:([0-9a-f]+)@127\.0\.0\.1:(\d+)/postgres", postgres17.url)
    assert match
    environment = postgres17.environment
    assert (environment["POSTGRES_PASSWORD"], environment["POSTGRES_PORT"]) == match.groups()
    assert environment["POSTGRES_HOST"] == "127.0.0.1"


def test_databases_of_two_tests_are_apart(database17, postgres17):
    database17.sql("CREATE TABLE only_here (id int)")
    assert postgres17.sql("SELECT count(*) FROM pg_class WHERE relname = 'only_here'") == "0"


def test_stopping_and_starting_keeps_data_and_port(tmp_path_factory):
    for server in serve("15", tmp_path_factory):
        server.sql("CREATE TABLE kept AS SELECT 42 AS answer")
        url, pid = server.url, server.pid
        server.stop("immediate")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(server.environment["POSTGRES_PORT"])))
        server.start()
        assert server.url == url
        assert server.pid != pid
        assert server.sql("SELECT answer FROM kept") == "42"
        folder = server.folder
    assert not folder.exists()


def test_a_start_that_is_killed_leaves_nothing(tmp_path):
    run_script("install", "15")
    folder = tmp_path / "server"
    clusters = environment.cache_folder() / "postgresql-15"
    begun = subprocess.Popen([HERE / "postgresql", "start", "15", folder], start_new_session=True)
    half = folder / "cluster.new"
    while not (half.exists() and half.read_text()):
        assert begun.poll() is None
        time.sleep(0.002)
    made = clusters / half.read_text().strip().lstrip("/")
    assert made.exists()
    os.killpg(begun.pid, signal.SIGKILL)
    begun.wait(60)
    run_script("remove", folder)
    assert not made.exists() and not folder.exists()


def test_a_port_that_is_taken_is_an_error(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run([HERE / "postgresql", "start", "15", tmp_path / "server", str(port)],
                              capture_output=True, text=True, timeout=300, check=False)
    run_script("remove", tmp_path / "server")
    assert done.returncode == 1
    assert "did not start" in done.stderr


def test_a_wrong_word_says_how_it_is_used():
    for words in ([], ["start", "17"], ["dance", "/tmp"]):
        done = subprocess.run([HERE / "postgresql", *words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2
        assert done.stderr.startswith("usage:")
    done = subprocess.run([HERE / "postgresql", "install", "8"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "postgresql: no version '8'; there are 15 and 17\n")
