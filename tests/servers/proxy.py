"""A proxy before a server, for tests that look at what goes through it or stop it."""

import re
import socket
import threading

TO_SERVER, FROM_SERVER = 0, 1


class Proxy:
    """Forwards to a port. A subclass says in carry() what becomes of each piece."""

    def __init__(self, port):
        self.port, self.lock = port, threading.Lock()
        self.ends = []    # of all connections, those that are closed as well
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        """No new connections."""
        self.listener.close()

    def url(self, url):
        """The same URL by way of the proxy."""
        return re.sub(r":\d+/", f":{self.listener.getsockname()[1]}/", url)

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            self.ends += [client, server]
            shared = {}
            for way, source, target in ((TO_SERVER, client, server), (FROM_SERVER, server, client)):
                threading.Thread(target=self.forward, args=(way, source, target, shared), daemon=True).start()

    def carry(self, way, data, source, target, shared):
        """Brings a piece to its target; `shared` is a dictionary of the connection. False: the connection ends."""
        raise NotImplementedError

    def forward(self, way, source, target, shared):
        try:
            while data := source.recv(65536):
                if not self.carry(way, data, source, target, shared):
                    break
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
