#!/usr/bin/env bash
# Builds a FIDO security key that is none: sk-dummy, OpenSSH's own stand-in for its regression tests, whose private keys
# lie in files. For ssh-keygen it is a library like that of any security key (SSH_SK_PROVIDER).
#
#   tests/security-key.sh FOLDER    makes FOLDER/sk-dummy.so, if it is not there yet
#
# OpenSSH's source is that of Debian bookworm, taken with apt and lists of our own, so that nothing of the system changes.
set -euo pipefail

source=openssh_9.2p1.orig.tar.gz
sha256=3f66dbf1655fb45f50e1c56da62ab01218c228807b21338d634ebcdf9d71cf46

mkdir -p "$1"
folder=$(realpath "$1")
cd "$folder"
exec 9>lock
flock 9 # several tests need it at once
[[ ! -e sk-dummy.so ]] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/sources"
cat >"$work/sources/bookworm.sources" <<END
Types: deb-src
URIs: http://deb.debian.org/debian
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
apt=(apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/sources"
  -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work" -o APT::Sandbox::User=root)
cd "$work"
"${apt[@]}" update
"${apt[@]}" source --download-only --tar-only openssh
sha256sum --quiet --check <<<"$sha256  $source"
tar --extract --file "$source"
cd openssh-9.2p1
./configure --without-zlib >/dev/null
make --silent openbsd-compat/libopenbsd-compat.a >/dev/null
make --silent regress/misc/sk-dummy/sk-dummy.so >/dev/null
mv regress/misc/sk-dummy/sk-dummy.so "$folder/"
