"""PostgreSQL when it dies, stops, is cut off or refuses: nothing that was promised is lost, and each failed call says what
is known. The server of these tests is their own: it is killed. Faults come at moments drawn from a seed, which is printed;
RAGSTORE_TEST_SEED sets it, RAGSTORE_FAULT_SECONDS (default 2) is how long each load runs."""

import ctypes
import os
import random
import re
import socket
import struct
import subprocess
import threading
import time

import pytest

from calling import (CONNECTION, DENIED, IO, NO_ANSWER_SECONDS, NOT_APPLIED, PATIENT, TIMEOUT, TRANSACTION, UNKNOWN, Answer,
                     Calls, backends)
from conftest import HERE, new_database, serve, settings, wait_until
from proxy import Proxy

SECONDS = float(os.environ.get("RAGSTORE_FAULT_SECONDS", "2"))
CUTS = int(10 * SECONDS)
WORKERS = 4
ESTABLISHED, KEEPALIVE = "01", "02"    # in /proc/net/tcp
SO_ATTACH_FILTER = 26    # of the kernel; Python has no name for it


@pytest.fixture
def chance():
    seed = int(os.environ.get("RAGSTORE_TEST_SEED", random.SystemRandom().randrange(1 << 31)))
    print(f"RAGSTORE_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    yield from serve("17", tmp_path_factory)


@pytest.fixture
def database(server):
    """An empty database; the server is alive before and after."""
    database = new_database(server)
    yield database
    server.sql(f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")


def answers(server):
    """The server answers again after a crash."""
    done = subprocess.run([HERE / "postgresql", "sql", server.folder, "SELECT 1"], check=False, capture_output=True,
                          timeout=60)
    return done.returncode == 0


# ---- load -----------------------------------------------------------------------------------------------------------

class Load:
    """Writers at work in a process; what they were told, and what is there afterwards."""

    def __init__(self, database, url, options, chance):
        self.database = database
        self.calls = Calls(url, options, "load", WORKERS, chance.randrange(1 << 31))
        assert self.calls.opened.ok, self.calls.opened

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.calls.process.kill()

    def end(self):
        self.calls.process.stdin.close()
        assert self.calls.process.wait(120) == 0
        events = []
        for line in iter(self.calls.lines.get, None):
            ended, what, worker, number, began, answer = line.split(" ", 5)
            events.append((int(ended), what, f"{worker}-{number}", int(began), Answer(answer)))
        present = set(self.database.sql(
            "SELECT convert_from(key, 'UTF8') FROM ragstore_rows WHERE name = 'n' UNION ALL"
            " SELECT id FROM lightrag_doc_status").splitlines())
        return events, present


def check(events, present, lossless=False):
    """Nothing that was promised is missing, and nothing that was denied is there. Returns what was seen."""
    losses = [(began, ended) for ended, what, _, began, answer in events if answer.status == IO and what != "put"]
    written = [event for event in events if event[1] != "flush"]
    flushes = [(ended, key.split("-")) for ended, what, key, _, answer in sorted(events, key=lambda event: event[0])
               if what == "flush" and answer.ok]
    counts = {"written": 0, "not applied": 0, "unknown": 0, "lost": 0, "losses": len(losses)}
    for ended, what, key, _, answer in written:
        if answer.ok:
            counts["written"] += 1
            worker, number = key.split("-")
            if key not in present:
                counts["lost"] += 1
                assert what == "put", f"document status {key} is lost"
                flushed = next((at for at, (who, upto) in flushes if who == worker and int(upto) >= int(number)), None)
                told = any(loss_ended > ended and (flushed is None or loss_began < flushed)
                           for loss_began, loss_ended in losses)
                assert told and not lossless, f"{key} is lost, written at {ended}, flushed at {flushed}: {losses}"
        elif answer.outcome == NOT_APPLIED:
            counts["not applied"] += 1
            assert key not in present, f"{key} is there: {answer}"
        else:
            counts["unknown"] += 1
            assert answer.outcome == UNKNOWN and not answer.retryable, answer
    for *_, answer in events:
        assert answer.ok or answer.status in (CONNECTION, TRANSACTION, IO), answer
    if lossless:
        assert not losses
    assert counts["written"] > 0
    print(counts)
    return counts


# ---- killed and restarted --------------------------------------------------------------------------------------------

def kill_a_process(server, chance):
    victims = backends(server)
    if victims:
        server.signal("KILL", chance.choice(victims))
        wait_until(lambda: answers(server))


def crash(server):
    server.crash()
    server.start()


def kill_all(server, _):
    crash(server)


def stop_at_once(server, _):
    server.stop("immediate")
    server.start()


def restart(server, _):
    server.stop("fast")
    server.start()


def terminate(server, _):
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ragstore'")


def run_load(server, database, chance, faults, **options):
    with Load(database, database.url, PATIENT, chance) as load:
        for fault in faults:
            time.sleep(chance.uniform(0, SECONDS / len(faults)))
            fault(server, chance)
        time.sleep(chance.uniform(0, SECONDS / len(faults)))
        return check(*load.end(), **options)


def test_crashes_under_load_lose_nothing_that_was_flushed(server, database, chance):
    faults = [kill_a_process, kill_all, stop_at_once]
    chance.shuffle(faults)
    run_load(server, database, chance, faults)


def test_restarts_and_ended_sessions_under_load_lose_nothing(server, database, chance):
    faults = [restart, terminate, terminate]
    chance.shuffle(faults)
    run_load(server, database, chance, faults, lossless=True)


def forget(server):
    """Commits that do not wait for the disk stay in the memory of the server from now on, until it starts again."""
    server.signal("STOP", server.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"))


def test_a_flush_after_a_crash_says_what_it_cannot_do(server, database):
    with Calls(database.url) as calls:
        forget(server)
        assert calls("put kept").ok and calls("flush").ok
        assert calls("put lost").ok
        crash(server)
        assert calls("get kept").found == "found"
        assert calls("get lost").found == "absent"
        refused = calls("flush")
        assert (refused.status, refused.outcome, refused.retryable) == (IO, UNKNOWN, 0)
        assert "lost its memory" in refused.message
        assert calls("flush").status == IO    # of this token it stays true
        assert calls("put again").ok and calls("flush").ok and calls("flush-all").ok
        # document status brings along what was written before it: not silently without it
        forget(server)
        assert calls("put lost").ok
        crash(server)
        assert calls("get lost").found == "absent"
        refused = calls("doc d")
        assert (refused.status, refused.outcome) == (IO, NOT_APPLIED)
        assert calls("get d").found == "absent"
        assert calls("doc d").ok
        # an orderly restart brings everything to the disk first
        assert calls("put stays").ok
        restart(server, None)
        assert calls("flush").ok and calls("get stays").found == "found"


def test_what_the_store_is_made_of_is_on_disk_when_it_opens(server, database):
    forget(server)
    with Calls(database.url, PATIENT + "&graph=tables") as calls:    # to make one in AGE is a commit that waits anyway
        assert calls.opened.ok
        crash(server)
        assert calls("put a").ok and calls("defer b").ok


def test_rows_wait_for_vectors_over_a_crash(server, database):
    with Calls(database.url) as calls:
        assert calls("defer a").ok and calls("flush").ok
        crash(server)
        assert calls("defer b").ok    # by a session of its own, which was lost
        wait_until(lambda: len(backends(server, "AND query LIKE '%advisory_lock%'")) == 1)


# ---- silence ------------------------------------------------------------------------------------------------------------

def test_a_process_of_the_server_that_stops_is_left_behind(server, database):
    with Calls(database.url, PATIENT + "&max_connections=1") as calls:
        assert calls("put before").ok
        stopped, = backends(server)
        server.signal("STOP", stopped)
        try:
            late = calls("@200 get before")
            assert (late.status, late.message) == (TIMEOUT, "the deadline of the call passed")
            assert calls("get before").found == "found"    # on another connection
            late = calls("begin")
            assert late.ok
            stopped_too = [pid for pid in backends(server) if pid != stopped]
            server.signal("STOP", stopped_too[0])
            try:
                late = calls("@200 put inside")
                assert (late.status, late.outcome) == (TIMEOUT, NOT_APPLIED)
                assert calls("commit").status == TRANSACTION
            finally:
                server.signal("CONT", stopped_too[0])
            assert calls("put after").ok
            assert calls("get inside").found == "absent"
        finally:
            server.signal("CONT", stopped)
        wait_until(lambda: stopped not in backends(server))


def test_a_server_that_stops_altogether_and_goes_on(server, database):
    with Calls(database.url, "connection_retries=2&connection_retry_backoff=0.05&connect_timeout=0.5") as calls:
        assert calls("put before").ok
        server.signal("STOP")
        try:
            assert calls("@200 get before").status == TIMEOUT
            late = calls("@200 put during")
            assert (late.status, late.outcome) == (TIMEOUT, NOT_APPLIED)
            late = calls("put during")    # without a deadline: that of connecting
            assert (late.status, late.outcome, late.retryable) == (CONNECTION, NOT_APPLIED, 1)
            assert "no answer in 500 ms" in late.message
        finally:
            server.signal("CONT")
        assert calls("get before").found == "found"
        assert calls("get during").found == "absent"
        assert calls("put after").ok


def test_a_commit_without_an_answer_is_unknown(server, database):
    """The deadline passes while the commit waits for a standby that there is not."""
    with Calls(database.url):    # the schema
        pass
    with settings(server, synchronous_standby_names="nobody"), \
            Calls(database.url, "server_options=synchronous_commit%3Don") as calls:
        assert calls("begin").ok and calls("put a").ok
        late = calls("@1000 commit")    # time enough to send it
        assert (late.status, late.outcome, late.retryable) == (TIMEOUT, UNKNOWN, 0)
        with settings(server, synchronous_standby_names=""):
            wait_until(lambda: calls("get a").found == "found")


# ---- cut off ----------------------------------------------------------------------------------------------------------

class FaultyProxy(Proxy):
    """Cuts the connection, or says nothing more, when `left` bytes have gone one way. `faults` counts how often that was."""

    def __init__(self, port):
        self.counts, self.left, self.silence, self.faults = [0, 0], [None, None], None, 0
        super().__init__(port)

    def allowed(self, way, size):
        """How many of these bytes may go; whether the fault comes then."""
        with self.lock:
            self.counts[way] += size
            if self.left[way] is None:
                return size, False
            go = min(size, self.left[way])
            self.left[way] -= go
            if self.left[way]:
                return go, False
            self.left[way] = None
            self.faults += 1
            return go, True

    def carry(self, way, data, source, target, shared):
        go, fault = self.allowed(way, len(data))
        target.sendall(data[:go])
        if fault and self.silence:
            self.silence.wait(NO_ANSWER_SECONDS)
        elif fault:
            for end in (source, target):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return not fault

    def vanish(self):
        """The network is gone for the connections that there are: what either side sends is not even acknowledged, and no
        end of a connection is told. A filter of each socket drops all packets that come."""
        drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))    # BPF_RET 0
        program = struct.pack("HL", 1, ctypes.addressof(drop_all))
        for end in self.ends:
            if end.fileno() >= 0:
                end.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


@pytest.fixture
def proxy(server):
    proxy = FaultyProxy(int(server.environment["POSTGRES_PORT"]))
    yield proxy
    proxy.close()


CONVERSATION = ("put a{0}", "doc b{0}", "get a{0}", "vector v{0}", "vectors v{0}", "near", "begin", "put c{0}", "vector w{0}",
                "commit", "flush")
IN_TRANSACTION = ("put c{0}", "vector w{0}", "commit")


def converse(proxy, database, number, options):
    """Open, make calls, close; what each answered."""
    with Calls(proxy.url(database.url), options) as calls:
        if not calls.opened.ok:
            return {"open": calls.opened}
        heard = {}
        for command in CONVERSATION:
            if command in IN_TRANSACTION and not heard["begin"].ok:
                continue
            heard[command] = calls(command.format(number))
        return heard


def test_a_connection_cut_anywhere(server, database, proxy, chance):
    """Cut after n bytes of a whole conversation, in either direction."""
    options = "connection_retries=3&connection_retry_backoff=0.01"
    with Calls(database.url) as calls:    # makes the schema
        assert calls("define").ok
    converse(proxy, database, "warm", options)
    proxy.counts = [0, 0]
    assert all(answer.ok for answer in converse(proxy, database, "whole", options).values())
    sizes = list(proxy.counts)
    proxy.faults = failed = 0
    for number in range(CUTS):
        way = chance.randrange(2)
        at = chance.randrange(1, sizes[way] + 1)
        proxy.left[way] = at
        heard = converse(proxy, database, number, options)
        proxy.left = [None, None]
        told = f"cut {('to', 'from')[way]} the server after {at} of {sizes[way]} bytes: {heard}"
        if "open" in heard:
            pytest.fail(f"not opened; {told}")
        with Calls(database.url) as direct:
            there = {name: direct(f"get {name}{number}").found == "found" for name in "abc"}
            there |= {name: direct(f"vectors {name}{number}").found == "found" for name in "vw"}
        for command, name in (("put a{0}", "a"), ("doc b{0}", "b"), ("vector v{0}", "v")):
            answer = heard[command]
            failed += not answer.ok
            assert answer.ok or answer.outcome == UNKNOWN, told    # all else is tried again
            assert there[name] or not answer.ok, told
        assert heard["get a{0}"].ok and (heard["get a{0}"].found == "found") == there["a"], told
        assert heard["vectors v{0}"].ok and (heard["vectors v{0}"].found == "found") == there["v"], told
        assert heard["near"].ok, told
        assert there["c"] == there["w"], told
        committed = heard.get("commit")
        if committed and committed.ok:
            assert there["c"] and heard["put c{0}"].ok and heard["vector w{0}"].ok, told
        elif committed and committed.outcome == NOT_APPLIED:
            assert not there["c"], told
        elif not committed:
            assert not there["c"], told
        assert heard["flush"].ok, told
    assert proxy.faults
    print(f"{CUTS} tries, {proxy.faults} cuts, {failed} writes in doubt")


@pytest.mark.parametrize("way, there", [(0, "absent"), (1, "found")])
def test_a_commit_that_is_cut_is_unknown(database, proxy, way, there):
    """Cut after a byte of the COMMIT, which the server never sees whole, and after a byte of its answer."""
    with Calls(proxy.url(database.url)) as calls:
        assert calls("begin").ok and calls("put a").ok
        proxy.left[way] = 1
        cut = calls("commit")
        assert (cut.status, cut.outcome, cut.retryable) == (CONNECTION, UNKNOWN, 0)
        assert calls("get a").found == there
        proxy.left[way] = 1    # a read is made again
        assert calls("get a").found == there


def test_connections_cut_under_load_lose_nothing(server, database, proxy, chance):
    with Calls(database.url):    # the schema
        pass
    with Load(database, proxy.url(database.url), PATIENT, chance) as load:
        until = time.monotonic() + SECONDS
        while not proxy.faults or time.monotonic() < until:
            way = chance.randrange(2)
            proxy.left[way] = chance.randrange(1, 20000)
            wait_until(lambda: proxy.left[way] is None, "the cut")
        check(*load.end(), lossless=True)
    print(f"{proxy.faults} cuts")


def test_a_network_that_swallows_everything(server, database, proxy, chance):
    with Calls(proxy.url(database.url), PATIENT + "&max_connections=1") as calls:
        assert calls("put before").ok
        for number in range(2):
            proxy.silence = threading.Event()
            proxy.left[chance.randrange(2)] = chance.randrange(1, 100)
            late = calls(f"@300 put {number}")
            assert late.status == TIMEOUT, late
            proxy.left = [None, None]
            there = calls(f"get {number}").found == "found"    # on another connection
            assert not there or late.outcome == UNKNOWN, late
            proxy.silence.set()    # the server hears that the other one is gone
            assert calls(f"put after{number}").ok
            wait_until(lambda: not backends(server, "AND state <> 'idle'"))


def keepalive_seconds(port):
    """When the server asks next whether the other end is there, for each of its connections that waits for that."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        lines = [line.split() for line in table][1:]
    timers = [line[5].split(":") for line in lines if int(line[1].split(":")[1], 16) == port and line[3] == ESTABLISHED]
    return [int(ticks, 16) / os.sysconf("SC_CLK_TCK") for kind, ticks in timers if kind == KEEPALIVE]


def test_a_transaction_whose_network_vanished_frees_the_turn(server, database, proxy):
    """Nobody says goodbye: the server has to find out, and until then others wait."""
    quick = "server_options=tcp_keepalives_idle%3D1%26tcp_keepalives_interval%3D1"
    with Calls(database.url, "lock_timeout_ms=200&connection_retries=1") as hasty, Calls(database.url) as patient:
        with Calls(proxy.url(database.url), f"{PATIENT}&max_connections=1&{quick}") as calls:
            assert calls("begin").ok and calls("put a").ok
            gone, = backends(server, "AND state = 'idle in transaction'")
            proxy.vanish()
            refused = hasty("put b")
            assert (refused.status, refused.state) == (TIMEOUT, "55P03")    # the turn is taken
            late = calls("@300 put inside")
            assert (late.status, late.outcome) == (TIMEOUT, NOT_APPLIED)
            assert calls("commit").status == TRANSACTION
            assert gone in backends(server)    # which the server does not know yet
            assert patient("put b").ok
            assert gone not in backends(server)
            assert calls("get a").found == calls("get inside").found == "absent"
            assert calls("put after").ok    # on a connection that is new


def test_every_session_is_asked_whether_it_is_there(server, database):
    with Calls(database.url) as calls:
        assert calls("begin").ok and calls("put a").ok
        port = int(server.environment["POSTGRES_PORT"])
        wait_until(lambda: keepalive_seconds(port))    # what was sent has been acknowledged
        assert max(keepalive_seconds(port)) <= 30    # two hours, if nobody says otherwise
        assert calls("abort").ok


# ---- refusals ------------------------------------------------------------------------------------------------------------

def test_a_server_that_only_reads(server, database):
    with Calls(database.url) as calls:
        assert calls("put a").ok
    with settings(server, default_transaction_read_only="on"), Calls(database.url) as calls:
        assert calls("get a").found == "found"
        refused = calls("put b")
        assert (refused.status, refused.outcome, refused.retryable, refused.state) == (DENIED, NOT_APPLIED, 0, "25006")
        assert '"read_only"' not in calls("describe").line


def test_a_hot_standby(tmp_path_factory):
    for server in serve("17", tmp_path_factory):
        database = new_database(server)
        with Calls(database.url) as calls:
            assert calls("put a").ok and calls("flush").ok
        server.standby()
        with Calls(database.url) as calls:
            assert calls.opened.ok, calls.opened
            assert calls("get a").found == "found"
            for command in ("put b", "doc b"):
                refused = calls(command)
                assert (refused.status, refused.outcome, refused.state) == (DENIED, NOT_APPLIED, "25006"), command
            assert calls("describe").ok
            assert calls("flush-all").ok


def test_no_more_connections(server, database):
    with Calls(database.url) as calls:
        assert calls("put a").ok
    server.sql("DROP ROLE IF EXISTS few; CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 1 IN ROLE postgres")
    url = re.sub("//postgres:[^@]*@", "//few:few@", database.url)
    with Calls(url) as first:
        assert first.opened.ok, first.opened
        assert first("get a").found == "found"
        with Calls(url, "connection_retries=2&connection_retry_backoff=0.01") as second:
            refused = second.opened
            assert (refused.status, refused.retryable, refused.state) == (CONNECTION, 1, "53300")
    server.sql("DROP OWNED BY few; DROP ROLE few")


@pytest.mark.parametrize("then", ["put b", "commit"])
def test_a_transaction_that_is_idle_too_long(server, database, then):
    with Calls(database.url, "server_options=idle_in_transaction_session_timeout%3D100") as calls:
        assert calls("begin").ok and calls("put a").ok
        wait_until(lambda: not backends(server, "AND state = 'idle in transaction'"))
        ended = calls(then)
        assert (ended.status, ended.outcome, ended.state) == (TRANSACTION, NOT_APPLIED, "25P03")
        if then != "commit":
            assert calls("commit").status == TRANSACTION
        assert calls("get a").found == "absent"
        assert calls("put a").ok


def test_a_limit_of_the_server_for_statements(server, database):
    """statement_timeout: what it ends is not applied; the connection goes on."""
    with Calls(database.url, "server_options=statement_timeout%3D200&max_connections=1") as calls, \
            Calls(database.url) as other:
        assert calls("put a").ok
        assert other("begin").ok and other("put b").ok    # has the writer's turn
        pid = backends(server)
        ended = calls("put c")
        assert (ended.status, ended.outcome, ended.state) == (TIMEOUT, NOT_APPLIED, "57014")
        assert other("commit").ok
        assert calls("put c").ok
        assert backends(server) == pid
