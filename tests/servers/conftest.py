"""Real servers for the tests: one for each version and run, started when a test first asks for it."""

import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = Path(os.environ.get("RAGSTORE_BUILD", ROOT / "build"))
SECONDS = 300    # installing included


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
