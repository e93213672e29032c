"""How often a call goes to PostgreSQL and back: each trip is the delay of the network, which on a loopback nobody notices. A proxy counts
them: what the client says after the server has spoken begins a trip."""

import re
import socket
import threading

import pytest

from test_postgres_faults import Calls


class CountingProxy:
    def __init__(self, port):
        self.port, self.lock = port, threading.Lock()
        self.trips = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            answered = [True]    # of this connection
            for asks, source, target in ((True, client, server), (False, server, client)):
                threading.Thread(target=self.forward, args=(asks, source, target, answered), daemon=True).start()

    def forward(self, asks, source, target, answered):
        try:
            while data := source.recv(65536):
                with self.lock:
                    self.trips += asks and answered[0]
                    answered[0] = not asks
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def url(self, url):
        return re.sub(r":\d+/", f":{self.listener.getsockname()[1]}/", url)


@pytest.fixture
def proxy(postgres17):
    proxy = CountingProxy(int(postgres17.environment["POSTGRES_PORT"]))
    yield proxy
    proxy.listener.close()


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
    "vector a": 2 + 1,    # what waits of it is thrown away
    "near": 1,
}


def count(calls, proxy, command):
    before = proxy.trips
    answer = calls(command)
    assert answer.ok, f"{command}: {answer}"
    return proxy.trips - before


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
