"""A door on another address to a port of the loopback: hands bytes on, both ways, and decides nothing."""

import socket
import threading
from contextlib import closing, suppress


class Relay:
    """Listens at an address of this machine."""

    def __init__(self, address: str, to: int) -> None:
        self._to = to
        self._listener = socket.create_server((address, 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                with closing(end), suppress(OSError):  # the other pump waits in it: closing alone would tell nobody
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
