"""Starts simulators as forks of a process that has imported the simulator once.

Run with the number of a socket: each message is the arguments of one simulator as JSON, and comes
with two streams, its standard input and its standard output.
"""

import json
import os
import socket
import sys
from contextlib import suppress

from batcher.simulator.__main__ import main


def serve(orders: socket.socket) -> int:
    """Start a simulator for each message; return when no more can come, or as the simulator."""
    while True:
        arguments, streams, _, _ = socket.recv_fds(orders, 1 << 16, 2)
        reap(0 if not arguments else os.WNOHANG)
        if not arguments:
            return 0
        if not os.fork():
            break
        for stream in streams:
            os.close(stream)
    orders.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    return main(json.loads(arguments))


def reap(options: int) -> None:
    """Forget the simulators that have ended; with options 0 wait for all."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, options)[0]:
            pass


if __name__ == "__main__":
    sys.exit(serve(socket.socket(fileno=int(sys.argv[1]))))
