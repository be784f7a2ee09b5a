"""Put first on PYTHONPATH: every attempt to reach the network is written down and fails."""

import os
import socket
import traceback


def _refuse(*arguments, **_):
    where = "".join(traceback.format_stack(limit=8)[:-1])
    with open(os.environ["JAX_DNS_NETWORK_LOG"], "a") as log:
        log.write(f"{arguments[1:]}\n{where}\n")
    raise OSError("the network is out of bounds")


def _guarded(name):
    real = getattr(socket.socket, name)

    def method(self, *arguments, **options):
        if self.family == getattr(socket, "AF_UNIX", None):
            return real(self, *arguments, **options)
        return _refuse(self, name, *arguments)

    return method


class _Socket(socket.socket):
    """Unix sockets work; those of the network don't."""


for _name in ("connect", "connect_ex", "sendto", "bind", "listen"):
    setattr(_Socket, _name, _guarded(_name))
socket.socket = _Socket
for _name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
    setattr(socket, _name, lambda *a, _name=_name: _refuse(None, _name, *a))
