"""Other hosts on this machine: network namespaces, each on a wire of its own that can be slow, lose packets or be cut.

The wire is a process that hands packets from one TUN device to another, so that what is tested is the kernel's own TCP
over a bad network: nobody is told that a connection is gone. `tc netem` would do the same, where a kernel has it. It
needs root, says so where it may not be made, and ends with its test.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

_TUN, _SET = "/dev/net/tun", 0x400454CA
_FLAGS = 0x0001 | 0x1000
"""Packets of IP, without a head of their own."""
_MTU = 9000
_QUEUE = 2000
"""Packets on their way in one direction; what is more is lost, as at any router."""
_number = count(1)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (
        f"a host of its own cannot be made for this test (`ip {' '.join(arguments)}`: {done.stderr.strip()}): "
        "network namespaces and TUN devices need root and /dev/net/tun"
    )


def _tun(name: str) -> int:
    try:
        device = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, _SET, struct.pack("16sH22x", name.encode(), _FLAGS))
    except OSError as error:
        raise AssertionError(
            f"no TUN device can be made for this test ({_TUN}: {error.strerror}): it needs root"
        ) from error
    return device


class Host:
    """A network namespace. `address` is its own, `gateway` that of this side of its wire."""

    def __init__(self) -> None:
        number = next(_number)
        self.name = f"gfs{os.getpid()}n{number}"
        net = f"10.{200 + number % 50}.{os.getpid() % 250}"
        self.gateway, self.address = f"{net}.1", f"{net}.2"
        near, far = f"gf{os.getpid()}a{number}", f"gf{os.getpid()}b{number}"
        self._wire: subprocess.Popen[bytes] | None = None
        devices: list[int] = []
        try:
            devices += [_tun(near), _tun(far)]
            _ip("netns", "add", self.name)
            _ip("link", "set", far, "netns", self.name)
            _ip("addr", "add", self.gateway, "peer", self.address, "dev", near)
            _ip("link", "set", near, "mtu", str(_MTU), "up")
            _ip("-n", self.name, "link", "set", "lo", "up")
            _ip("-n", self.name, "addr", "add", self.address, "peer", self.gateway, "dev", far)
            _ip("-n", self.name, "link", "set", far, "mtu", str(_MTU), "up")
            command = [sys.executable, str(Path(__file__)), *map(str, devices)]
            self._wire = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=devices)
        except BaseException:
            self.close()
            raise
        finally:
            for device in devices:
                os.close(device)

    @property
    def prefix(self) -> tuple[str, ...]:
        """Before a command that is to run there. It keeps the mounts of this one, unlike `ip netns exec`."""
        return ("nsenter", f"--net=/run/netns/{self.name}", "--")

    def wire(self, *, delay: float = 0.0, loss: float = 0.0) -> None:
        """From now on each packet takes so many seconds longer, each way, and of so large a share nothing is heard."""
        assert self._wire is not None
        assert self._wire.stdin is not None
        self._wire.stdin.write(f"{delay} {loss}\n".encode())
        self._wire.stdin.flush()

    def cut(self) -> None:
        self.wire(loss=1.0)

    def close(self) -> None:
        if self._wire is not None:
            assert self._wire.stdin is not None
            self._wire.stdin.close()
            self._wire.wait(20)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)


def carry(one: int, other: int, orders: int) -> None:
    """Hands packets on between two devices until the orders end."""
    delay = loss = 0.0
    chance = random.Random(1)
    waiting: list[tuple[float, int, int, bytes]] = []
    numbers = count()
    while True:
        left = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        ready, _, _ = select.select((one, other, orders), (), (), left)
        if orders in ready:
            told = os.read(orders, 4096)
            if not told:
                return
            delay, loss = map(float, told.split(b"\n")[-2].split())
        for device in (one, other):
            with suppress(BlockingIOError):
                while device in ready:
                    packet = os.read(device, _MTU + 64)
                    if chance.random() >= loss and len(waiting) < _QUEUE:
                        to = other if device == one else one
                        heapq.heappush(waiting, (time.monotonic() + delay, next(numbers), to, packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, to, packet = heapq.heappop(waiting)
            with suppress(OSError):  # the device's queue is full, or it is gone: lost
                os.write(to, packet)


if __name__ == "__main__":
    carry(int(sys.argv[1]), int(sys.argv[2]), 0)
