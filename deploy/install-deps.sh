#!/usr/bin/env bash
# Installs what the demo or the tests need and this machine lacks, as Debian packages; for the tests also an OpenID
# provider, from npm, in the checkout's .tools.
#
#   deploy/install-deps.sh demo|tests
#
# Runs as root or with sudo, asks nothing, does nothing where nothing is missing. It starts no
# service of the packages and leaves none enabled: the demo and the tests start their own servers.
set -euo pipefail

# What must be there (a program, or a file by its path), and the package that brings it.
demo='
cc                    gcc
make                  make
/usr/include/stdio.h  libc6-dev
ssh                   openssh-client
sshd                  openssh-server
nginx                 nginx
openssl               openssl
oathtool              oathtool
curl                  curl
'
tests="$demo
faketime              faketime
shellcheck            shellcheck
systemd-creds         systemd
script                bsdutils
unshare               util-linux
/lib/x86_64-linux-gnu/security/pam_systemd.so  libpam-systemd
strace                strace
/usr/lib/python3/dist-packages/cryptography  python3-cryptography
/usr/bin/pip3         python3-pip
chromium              chromium
certutil              libnss3-tools
npm                   npm
c++                   g++
/usr/include/openssl/evp.h  libssl-dev
zbarimg               zbar-tools
tmux                  tmux
screen                screen
xauth                 xauth
rsync                 rsync
git                   git
ansible               ansible-core
"

# What those packages would run at every boot.
services='ssh nginx'

main() {
  case "${1:-}" in
    demo) provide "$demo" ;;
    tests)
      provide "$tests"
      provide_oidc
      provide_openssh
      ;;
    --as-root) install "${@:2}" ;; # how this script calls itself
    *) fail "usage: deploy/install-deps.sh demo|tests" ;;
  esac
}

provide() {
  require_rust
  local missing
  mapfile -t missing < <(missing_packages "$1")
  ((${#missing[@]})) || return 0
  echo "installing ${missing[*]}" >&2
  as_root "${missing[@]}"
  mapfile -t missing < <(missing_packages "$1")
  ((${#missing[@]} == 0)) || fail "installed, but what they should bring is still missing: ${missing[*]}"
}

# The OpenID provider of the tests, and the Node that it is written for: as tests/oidc/package-lock.json has them, in
# .tools, and anew where that file has changed. No script of a package is run.
provide_oidc() {
  local root wanted folder
  root=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")
  wanted=$root/tests/oidc folder=$root/.tools/oidc
  ! cmp --silent "$wanted/package-lock.json" "$folder/installed.json" || return 0
  echo "installing tests/oidc/package-lock.json" >&2
  mkdir -p "$folder"
  cp "$wanted/package.json" "$wanted/package-lock.json" "$folder"
  npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 ||
    fail "npm could not install what tests/oidc/package-lock.json names"
  cp "$wanted/package-lock.json" "$folder/installed.json"
}

# A newer sshd beside the system's, from Debian's backports: unpacked in .tools, installed nowhere.
provide_openssh() {
  local root folder work
  root=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")
  folder=$root/.tools/openssh-10
  [[ ! -x $folder/usr/sbin/sshd ]] || return 0
  echo "unpacking OpenSSH 10 into $folder" >&2
  work=$(mktemp -d)
  mkdir -p "$work/lists/partial"
  printf '%s\n' 'Types: deb' 'URIs: http://deb.debian.org/debian' 'Suites: bookworm-backports' 'Components: main' \
    'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' >"$work/backports.sources"
  local apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/backports.sources" -o Dir::Etc::sourceparts=/nonexistent
    -o Dir::State::lists="$work/lists" -o APT::Sandbox::User=root)
  (
    cd "$work"
    "${apt[@]}" update
    "${apt[@]}" download openssh-server/bookworm-backports
    dpkg -x openssh-server_*.deb "$work/openssh-10"
  ) >&2 || fail "OpenSSH 10 could not be had from Debian's backports"
  mkdir -p "$root/.tools"
  rm -rf "$folder"
  mv "$work/openssh-10" "$folder"
  rm -rf "$work"
}

fail() {
  echo "error: $1" >&2
  [[ -z "${2:-}" ]] || echo "hint: $2" >&2
  exit 1
}

# Rust comes from rustup, which picks the toolchain that rust-toolchain.toml names.
require_rust() {
  local root have want
  root=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")
  command -v cargo >/dev/null ||
    fail "cargo is missing" "install Rust by https://rustup.rs, then open a new shell or run: . ~/.cargo/env"
  want=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
  have=$(cd "$root" && cargo --version) ||
    fail "the toolchain of rust-toolchain.toml can't be used" "run: rustup toolchain install"
  have=$(cut -d' ' -f2 <<<"$have")
  printf '%s\n' "$want" "$have" | sort --version-sort --check=quiet ||
    fail "cargo $have is too old, $want is needed" "install Rust by https://rustup.rs instead of Debian's"
}

missing_packages() {
  local thing package
  while read -r thing package; do
    case "$thing" in
      '') ;;
      /*) [[ -e "$thing" ]] || echo "$package" ;;
      *) PATH="$PATH:/usr/sbin:/sbin" command -v "$thing" >/dev/null || echo "$package" ;;
    esac
  done <<<"$1"
}

as_root() {
  if ((EUID == 0)); then
    bash "${BASH_SOURCE[0]}" --as-root "$@"
  elif command -v sudo >/dev/null; then
    sudo -- bash "$(realpath "${BASH_SOURCE[0]}")" --as-root "$@"
  else
    fail "not root, and no sudo" "as root, run: apt-get install $*"
  fi
}

install() {
  command -v apt-get >/dev/null || fail "no apt-get here" "install these by your system's means: $*"
  exec </dev/null
  exec 9>/run/jit-ca-install.lock
  flock 9 # two of us would restore each other's policy-rc.d

  work=$(mktemp -d)
  trap 'restore_policy; rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  forbid_services

  # An own TMPDIR, since two dpkg at once have been seen to remove each other's.
  local apt=(env LC_ALL=C DEBIAN_FRONTEND=noninteractive TMPDIR="$work" apt-get -qq -o DPkg::Lock::Timeout=300)
  local service enabled_by_us=()
  for service in $services; do
    [[ -e /etc/init.d/$service ]] || enabled_by_us+=("$service")
  done

  update_lists || echo "apt-get update failed; going on with the package lists that are here" >&2
  if ! "${apt[@]}" install -y --no-install-recommends "$@" >"$work/log" 2>&1; then
    cat "$work/log" >&2
    fail "apt-get could not install $*"
  fi

  for service in "${enabled_by_us[@]}"; do
    [[ ! -e /etc/init.d/$service ]] || update-rc.d "$service" disable
  done
}

# apt-get waits for dpkg's lock, but not for that of its own lists.
update_lists() {
  local attempt
  for attempt in {1..60}; do
    if "${apt[@]}" update >"$work/log" 2>&1; then return 0; fi
    grep -q 'Could not get lock' "$work/log" || break
    ((attempt > 1)) || echo "waiting for another apt-get update" >&2
    sleep 5
  done
  return 1
}

# While it exits with 101 ("action forbidden by policy", invoke-rc.d(8)), no package starts a service.
policy=/usr/sbin/policy-rc.d
mark='# jit-ca: for as long as deploy/install-deps.sh runs'

forbid_services() {
  restore_policy # one of us that was killed may have left its own
  if [[ -e $policy || -L $policy ]]; then
    mv "$policy" "$policy.before-jit-ca"
  fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
  chmod 755 "$policy"
}

restore_policy() {
  if [[ -e $policy.before-jit-ca || -L $policy.before-jit-ca ]]; then
    mv -f "$policy.before-jit-ca" "$policy"
  elif grep -qsxF "$mark" "$policy"; then
    rm -f "$policy"
  fi
}

main "$@"
