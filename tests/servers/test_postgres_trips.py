"""How often a call goes to PostgreSQL and back: each trip is the delay of the network, which on a loopback nobody
notices. A proxy counts them: what the client says after the server has spoken begins a trip."""

import pytest

from calling import Calls
from proxy import FROM_SERVER, TO_SERVER, Proxy


class CountingProxy(Proxy):
    def __init__(self, port):
        self.trips = 0
        super().__init__(port)

    def carry(self, way, data, source, target, shared):
        with self.lock:
            self.trips += way == TO_SERVER and shared.get("answered", True)
            shared["answered"] = way == FROM_SERVER
        target.sendall(data)
        return True


@pytest.fixture
def proxy(postgres17):
    proxy = CountingProxy(int(postgres17.environment["POSTGRES_PORT"]))
    yield proxy
    proxy.close()


# as docs/postgresql.md has them
TRIPS = {
    "value a": 1,
    "put a": 2,
    "flush": 2,
    "doc a": 2,
    "get a": 2,    # two calls
    "node a": 2,
    "edge a": 2,
    "nodes a": 1,
    "vector a": 2,
    "vectors a": 1,
    "near": 1,
    "begin": 1,
    "put b": 1,
    "commit": 1,
}

# when rows wait for their vectors
WAITING = {
    "defer b": 2 + 1,    # two calls: it defines the space
    "vectors b": 1,
    "vectors a": 1,
    "vector a": 2,
    "near": 1,
}


def count(calls, proxy, command):
    before = proxy.trips
    answer = calls(command)
    assert answer.ok, f"{command}: {answer}"
    return proxy.trips - before


def test_trips_of_a_graph_in_age(database17, proxy):
    with Calls(proxy.url(database17.url), "graph=age&max_connections=1") as calls:
        commands = [command for command in TRIPS if "node" in command or "edge" in command]
        for command in commands:
            assert calls(command).ok
        assert {command: count(calls, proxy, command) for command in commands} == {command: TRIPS[command] for command in commands}


def test_trips_of_each_call(database17, proxy):
    with Calls(proxy.url(database17.url), "graph=tables&max_connections=1") as calls:
        assert calls("define").ok
        for trips in (TRIPS, WAITING):
            for command in trips:    # connects, prepares
                assert calls(command).ok
            counted = {command: count(calls, proxy, command) for command in trips}
            print(counted)
            if counted.get("flush") == 1:    # the server has written its log meanwhile
                counted["flush"] = trips["flush"]
            assert counted == trips
