"""Real servers for the tests: one for each version and run, started when a test first asks for it."""

import os
import subprocess
import time
import types
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = Path(os.environ.get("RAGSTORE_BUILD", ROOT / "build"))
SECONDS = 300    # installing included
# of our programs: none of libpq's own variables, which whoever runs the tests may have
ENVIRONMENT = {**{name: value for name, value in os.environ.items() if not name.startswith("PG")},
               "RAGSTORE_MODULE_PATH": str(BUILD)}


def run_program(name, *words, **options):
    """A program of the build, to its end."""
    return subprocess.run([BUILD / name, *map(str, words)], text=True, capture_output=True, timeout=120, check=False,
                          **{"stdin": subprocess.DEVNULL, "env": ENVIRONMENT, **options})


def wait_until(condition, what="it"):
    """Wait for what has to come."""
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.05)


def run_script(*words, **environment):
    """tests/servers/postgresql with these words; what it printed. A failure fails the test."""
    done = subprocess.run([HERE / "postgresql", *map(str, words)], capture_output=True, text=True, timeout=SECONDS,
                          stdin=subprocess.DEVNULL, env={**os.environ, **environment}, check=False)
    if done.returncode != 0:
        pytest.fail(f"postgresql {' '.join(map(str, words))}: {done.stderr.strip()}", pytrace=False)
    return done.stdout.rstrip("\n")


@dataclass
class Postgres:
    version: str
    folder: Path

    @property
    def url(self):
        return (self.folder / "url").read_text().strip()

    @property
    def environment(self):
        return dict(line.split("=", 1) for line in (self.folder / "env").read_text().splitlines())

    @property
    def pid(self):
        return int(run_script("pid", self.folder))

    def sql(self, statement, database="postgres"):
        return run_script("sql", self.folder, statement, database)

    def start(self):
        run_script("start", self.version, self.folder)

    def stop(self, mode="fast"):
        run_script("stop", self.folder, mode)

    def signal(self, name, who="all"):
        run_script("signal", self.folder, name, who)

    def crash(self):
        run_script("crash", self.folder)

    def standby(self):
        run_script("standby", self.folder)


@dataclass
class Database:
    server: Postgres
    name: str

    @property
    def url(self):
        return self.server.url.rsplit("/", 1)[0] + "/" + self.name

    def sql(self, statement):
        return self.server.sql(statement, self.name)


@contextmanager
def settings(server, **values):
    """Settings of the server for a while."""
    before = {name: server.sql(f"SHOW {name}") for name in values}

    def have(wanted):
        for name, value in wanted.items():
            server.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        server.sql("SELECT pg_reload_conf()")    # which the server does when it comes to it
        wait_until(lambda: all(server.sql(f"SHOW {name}") == value for name, value in wanted.items()), wanted)

    try:
        have(values)
        yield
    finally:
        have(before)


def serve(version, tmp_path_factory, **environment):
    server = Postgres(version, tmp_path_factory.mktemp(f"postgresql-{version}"))
    try:
        run_script("start", version, server.folder, **environment)
        yield server
    finally:
        run_script("remove", server.folder)


@pytest.fixture(scope="session")
def postgres17(tmp_path_factory):
    """PostgreSQL 17 with pgvector and AGE to be had."""
    yield from serve("17", tmp_path_factory)


@pytest.fixture(scope="session")
def postgres15(tmp_path_factory):
    """PostgreSQL 15 without extensions."""
    yield from serve("15", tmp_path_factory)


def new_database(server):
    name = "t" + uuid.uuid4().hex[:16]
    server.sql(f"CREATE DATABASE {name}")
    return Database(server, name)


@pytest.fixture
def database17(postgres17):
    """An empty database on PostgreSQL 17."""
    database = new_database(postgres17)
    yield database
    postgres17.sql(f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")


@pytest.fixture
def database15(postgres15):
    """An empty database on PostgreSQL 15."""
    database = new_database(postgres15)
    yield database
    postgres15.sql(f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")


@pytest.fixture
def unprivileged17(database17):
    """The URL of database17 for a role that may make tables in it, and nothing more."""
    role = "r" + database17.name
    database17.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'; GRANT CREATE ON SCHEMA public TO {role}")
    yield types.SimpleNamespace(url=f"postgres://{role}:secret@" + database17.url.split("@", 1)[1])
    database17.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")
