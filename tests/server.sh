#!/usr/bin/env bash
# A server for the tests: this machine's files in a copy that is thrown away, with a systemd, a network and processes of
# its own. It runs as the first process of new namespaces:
#
#   unshare --mount --pid --fork --cgroup --uts --ipc --net tests/server.sh NAME FOLDER [SHARED …]
#
#   NAME    what it is called
#   FOLDER  an empty folder to build it in
#   SHARED  folders of this machine that it reads, in the same place
#
# Everything that it makes is in memory and goes with its processes.
set -euo pipefail
name=$1 folder=$2
shift 2

mount --make-rprivate /
mount -t tmpfs -o mode=755 server "$folder"
mkdir "$folder"/{root,upper,work}
root=$folder/root
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" overlay "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
# One hierarchy, of version 2, as on a server of today.
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for own in run tmp; do
  mount -t tmpfs -o mode=1777 "$own" "$root/$own"
done
chmod 755 "$root/run"

mount -t tmpfs -o mode=755 dev "$root/dev"
mkdir "$root"/dev/{pts,shm}
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
for shared; do
  mkdir -p "$root$shared"
  mount --bind "$shared" "$root$shared"
done

# What a test needs of a server, and nothing that this machine would start besides.
units=$root/etc/systemd/system
rm -rf "$units"
mkdir "$units"
for unit in systemd-udevd systemd-timesyncd systemd-networkd systemd-resolved getty@tty1 console-getty; do
  ln -s /dev/null "$units/$unit.service"
done
printf '[Unit]\nRequires=basic.target systemd-logind.service systemd-user-sessions.service\nAfter=basic.target systemd-logind.service systemd-user-sessions.service\n' \
  >"$units/server.target"
printf '%s\n' "$name" >"$root/etc/hostname"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
: >"$root/etc/fstab"
rm -f "$root/etc/nologin"
hostname "$name"
ip link set lo up

cd "$root"
mkdir old
pivot_root . old
umount --lazy old
exec env -i container=jit-ca-tests PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --unit=server.target --log-target=journal
