"""Kills a process at one of its writes to a file: run as a program, so that nothing delays the signal.

python -IS write_watch.py FOLDER NAME COUNT DELAY_US PID      says "armed", then waits for the COUNT-th write
"""

import ctypes
import os
import signal
import struct
import sys
import time

IN_MODIFY = 0x2
HEAD = struct.Struct("iIII")


def main(folder, name, count, delay_us, pid):
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_CLOEXEC)
    if watch < 0 or libc.inotify_add_watch(watch, folder.encode(), IN_MODIFY) < 0:
        sys.exit(f"inotify: {os.strerror(ctypes.get_errno())}")
    os.write(1, b"armed\n")
    left = count
    while left > 0:
        left -= sum(written == name for written in names(os.read(watch, 65536)))
    until = time.perf_counter() + delay_us / 1e6
    while time.perf_counter() < until:
        pass  # a sleep is coarser than a commit is long
    os.kill(pid, signal.SIGKILL)


def names(events):
    at = 0
    while at < len(events):
        length = HEAD.unpack_from(events, at)[3]
        at += HEAD.size
        yield events[at : at + length].rstrip(b"\0").decode()
        at += length


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
