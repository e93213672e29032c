#!/usr/bin/env python3
"""ragstore on PostgreSQL beside LightRAG's own PostgreSQL classes: the same server, the same rows, both columns from one run.

  bench/postgres.py [DIR]                        DIR: a LightRAG working directory (default: 5 % of the full size, made on first use)

  bulk       20,000 vectors of 1,024 dimensions with text, 200 at a time, each into a new database. LightRAG's table has its index
             from the beginning, ours gets it at the end: `bulk.put` is the writing, `bulk.all` has the index in it on both sides
  reads      values by key, one at a time and by the hundred
  expansion  the 40 best-known nodes as a query expands them, by the calls of LightRAG's query (with_degrees) and in as few as
             our interface lets one (direct); the graph is in plain tables (PGTableGraphStorage), or with --graph age in
             Apache AGE (PGGraphStorage)
  search     the nearest 60 in each vector space, HNSW over float32, with payload

DIR is imported once by `ragstore import`; both sides then read these rows. Both commit synchronously. The server is
tests/servers/postgresql in a folder of its own, with fsync. Figures are medians over --rounds processes of each side, in turn.
Exit status 1: a target was missed (bulk.put 3 x, reads of one value and expansion 2 x, search not slower).

  bench/postgres.py --memory DIR                 peak memory of our process at an import into the server, and at an export,
                                                 a check, searches, expansions and reads of all of it, in MB; 1: 500 or more
"""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench" / "peers"))
import environment  # noqa: E402  (found by the line above)

SERVER = ROOT / "tests" / "servers" / "postgresql"
PEER = ROOT / "bench" / "peers" / "lightrag_peer.py"
MODEL = "repeatable-random"  # of the peers' embedder: names LightRAG's tables
BENCHES = ("bulk", "reads", "expansion", "search")
MEMORY_MB = 500
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SPACES = ("chunks", "entities", "relationships")
VALUES = ("text_chunks", "entity_chunks", "llm_response_cache")
# ours, theirs, how many times faster we are to be
COMPARED = ([("bulk.put", "bulk.put", 3), ("bulk.all", "bulk.put", None)]
            + [(f"reads.{space}.{how}.median",) * 2 + (target,) for space in VALUES for how, target in (("one", 2), ("hundred", None))]
            + [("expansion.direct.median", "expansion.popular.all.median", 2),
               ("expansion.with_degrees.median", "expansion.popular.all.median", None)]
            + [(f"search.{space}.with_payload.median",) * 2 + (1,) for space in SPACES])


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", type=pathlib.Path, nargs="?")
    parser.add_argument("--benches", default=",".join(BENCHES), help="which, separated by commas (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="processes of each side and bench (default 5)")
    parser.add_argument("--runs", type=int, default=100, help="questions of each process (default 100)")
    parser.add_argument("--rows", type=int, default=20000, help="vectors of `bulk` (default 20000)")
    parser.add_argument("--dimension", type=int, default=1024, help="of the vectors of `bulk` (default 1024)")
    parser.add_argument("--graph", choices=("tables", "age"), default="tables", help="where it is (default: tables)")
    parser.add_argument("--memory", action="store_true", help="peak memory of our process instead")
    parser.add_argument("--ragstore", type=pathlib.Path, default=ROOT / "build" / "ragstore", help="our command")
    parser.add_argument("--json", action="store_true", help="JSON lines instead of a table")
    options = parser.parse_args()
    options.benches = options.benches.split(",")
    if unknown := set(options.benches) - set(BENCHES):
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(BENCHES)}")
    return options


def script(*words):
    # not subprocess.run(): a signal would kill it, half of a server made
    with subprocess.Popen([SERVER, *map(str, words)], stdout=subprocess.DEVNULL, env={**os.environ, "DURABLE": "1"}) as child:
        child.wait()
    if child.returncode != 0:
        sys.exit(f"tests/servers/postgresql {words[0]} failed")


def end_by_signal(number, _):
    """The with blocks end, and with them what they made: servers, folders, children."""
    for each in ENDINGS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


@contextlib.contextmanager
def serve():
    """PostgreSQL 17 with pgvector, as long as the with block runs."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-postgres-"))
    try:
        script("start", "17", folder)
        yield Server(folder)
    finally:
        script("remove", folder)


class Server:
    def __init__(self, folder):
        self.folder = folder

    def url(self, database):
        return (self.folder / "url").read_text().strip().rsplit("/", 1)[0] + f"/{database}"

    def environment(self, database):
        pairs = dict(line.split("=", 1) for line in (self.folder / "env").read_text().splitlines())
        return {**os.environ, **pairs, "POSTGRES_DATABASE": database, "PYTHONDONTWRITEBYTECODE": "1"}

    def drop(self, database):
        script("sql", self.folder, f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def create(self, database):
        self.drop(database)
        script("sql", self.folder, f"CREATE DATABASE {database}")


def figures(command, **more):
    done = subprocess.run(list(map(str, command)), check=False, stdout=subprocess.PIPE, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"{command[0]} {command[1]} failed")
    return {line["what"]: line["value"] for line in map(json.loads, done.stdout.splitlines())}


def ours(options, server, bench, database):
    # as LightRAG's sessions are
    url = server.url(database) + f"?graph={options.graph}&server_options=synchronous_commit%3Don"
    command = [options.ragstore, "bench", bench, url, "--json"]
    if bench == "bulk":
        command += ["--write", "--rows", options.rows, "--dimension", options.dimension]
    else:
        command += ["--runs", options.runs]
    return figures(command, env={**os.environ, "RAGSTORE_MODULE_PATH": str(options.ragstore.resolve().parent)})


def theirs(options, server, bench, database):
    command = [environment.lightrag_python("asyncpg", "pgvector"), PEER, options.folder, "--storages",
               "postgres" if options.graph == "tables" else "postgres_age", "--benches", bench, "--runs", options.runs]
    if bench == "bulk":
        command += ["--rows", options.rows, "--dimension", options.dimension]
    return figures(command, env=server.environment(database))


def measured(options, server, bench):
    """Medians over the rounds: ({what: value} of ours, of theirs)."""
    columns = ([], [])
    for _ in range(options.rounds):
        for column, side in zip(columns, (ours, theirs)):
            database = "bulk" if bench == "bulk" else "data"
            if bench == "bulk":
                server.create(database)
            column.append(side(options, server, bench, database))
    return [{what: statistics.median(each[what] for each in column) for what in column[0]} for column in columns]


def compare(options, server, bench):
    """Prints the rows of a bench; how many targets were missed."""
    our, their = measured(options, server, bench)
    missed = 0
    for mine, other, target in COMPARED:
        if not mine.startswith(bench):
            continue
        ratio = their[other] / our[mine]
        missed += target is not None and ratio < target
        if options.json:
            print(json.dumps({"what": mine, "ours": our[mine], "theirs": their[other], "ratio": ratio, "target": target}),
                  flush=True)
        else:
            unit = "s" if bench == "bulk" else "ms"
            verdict = "" if target is None else f"(wanted {target})" if ratio >= target else f"(wanted {target}: MISSED)"
            print(f"{mine:42} {our[mine]:10.3f} {unit:2} {their[other]:10.3f} {unit:2} {ratio:7.2f} x  {verdict}", flush=True)
    return missed


def import_data(options, server):
    return peak_of([options.ragstore, "import", options.folder, server.url("data") + f"?graph={options.graph}",
                    "--model", MODEL, "--element", "float32"], options)


def peak_of(command, options):
    """(peak memory of a process in MB, its seconds). The kernel's figure, which shared pages count in."""
    began = time.monotonic()
    child = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                             env={**os.environ, "RAGSTORE_MODULE_PATH": str(options.ragstore.resolve().parent)})
    try:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    finally:
        child.kill()    # nothing, when it has ended
    if child.returncode != 0:
        sys.exit(f"{command[0]} {command[1]} answered {child.returncode}")
    return usage.ru_maxrss * 1024 / 1e6, time.monotonic() - began


def measure_memory(options, server):
    url, worst = server.url("data") + f"?graph={options.graph}", 0
    with tempfile.TemporaryDirectory(prefix="bench-export-", dir=options.folder.resolve().parent) as out:
        works = [("import", None)] + [(words[0], [options.ragstore, *words]) for words in (
            ("status", url), ("export", url, pathlib.Path(out) / "files"), ("check", url), ("graph", url, "*"), ("docs", url))]
        works += [(f"bench {bench}", [options.ragstore, "bench", bench, url, "--runs", str(options.runs)])
                  for bench in ("search", "expansion", "reads", "view", "labels")]
        for name, command in works:
            peak, seconds = peak_of(command, options) if command else import_data(options, server)
            worst = max(worst, peak)
            if options.json:
                print(json.dumps({"what": f"memory.{name}", "value": peak, "unit": "MB", "seconds": seconds}), flush=True)
            else:
                print(f"{name:20} {peak:8.1f} MB {seconds:10.1f} s", flush=True)
    return worst >= MEMORY_MB


def make_data(options):
    if options.folder:
        return
    options.folder = pathlib.Path(os.environ.get("TMPDIR", "/var/tmp")) / "ragbench" / "s005"
    if not options.folder.exists():    # nor half of it, from a run that was killed
        making = options.folder.with_name(f"s005.{os.getpid()}")
        making.parent.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run([environment.lightrag_python(), ROOT / "bench" / "generate.py", making, "--scale", "0.05"],
                           check=True, stdout=sys.stderr)
            making.rename(options.folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)


def main():
    options = parse_arguments()
    for number in ENDINGS:
        signal.signal(number, end_by_signal)
    make_data(options)
    load = os.getloadavg()[0]
    if not options.json:
        print(f"{datetime.date.today()}, {os.cpu_count()} processors, load {load:.1f}, data {options.folder.name}, "
              f"medians of {options.rounds}")
    with serve() as server:
        if options.memory:
            sys.exit(measure_memory(options, server))
        if set(options.benches) - {"bulk"}:
            import_data(options, server)
        if not options.json:
            print(f"{'':42} {'ragstore':>13} {'LightRAG':>13} {'ratio':>9}")
        missed = sum(compare(options, server, bench) for bench in options.benches)
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
