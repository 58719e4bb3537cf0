"""A mount that nobody serves: `dead_mount.py FOLDER USER`, for as long as standard input is open.

The kernel asks whoever holds the file that was opened here, and gets no answer.
"""

import ctypes
import os
import sys

folder, user = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
MNT_DETACH = 2
server = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={server},rootmode=40000,user_id={user},group_id=0,allow_other"
if libc.mount(b"dead", folder.encode(), b"fuse", 0, options.encode()) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
print("mounted", flush=True)
sys.stdin.read()
libc.umount2(folder.encode(), MNT_DETACH)
