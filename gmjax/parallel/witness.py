"""Beside every process but the first: when that is ended by JAX because process 0 died, says so.

Run as a program, with the standard library alone: witness.py HOST:PORT INDEX. Its standard input is a pipe from the
process that it stands beside, which closes when that ends, in whatever way.
"""

import socket
import sys

GO_ON = "What was saved is kept: when all processes can run again, the same command goes on from there."


def main(address: str, index: str) -> None:
    if sys.stdin.buffer.read():
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError:
        print(f"gmjax: process {index} ended, for {of_the_first(address)}. {GO_ON}", file=sys.stderr, flush=True)


def of_the_first(address: str) -> str:
    return f"process 0, which leads the run at {address}, cannot be reached: it died, or was stopped"


if __name__ == "__main__":
    main(*sys.argv[1:])
