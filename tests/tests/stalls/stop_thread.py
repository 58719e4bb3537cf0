"""Stops one thread of a process, by its name, once it is told to and until standard input ends: ptrace stops no
other."""

import ctypes
import os
import sys

ATTACH, DETACH, WALL = 16, 17, 0x40000000

pid, name = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


tasks = f"/proc/{pid}/task"
[thread] = [int(task) for task in os.listdir(tasks) if open(f"{tasks}/{task}/comm").read().strip() == name]
print("ready", flush=True)
sys.stdin.readline()
ptrace(ATTACH, thread)
os.waitpid(thread, WALL)
print("stopped", flush=True)
sys.stdin.read()
ptrace(DETACH, thread)
