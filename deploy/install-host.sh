#!/usr/bin/env bash
# Puts on a server what ends sessions at the grant's end and records them: programs, a service, an account, and a
# configuration to start from. It tells sshd of none of it: `jit-ca-host install` does.
#
#   deploy/install-host.sh [FOLDER]
#
#   FOLDER  where jit-ca-host, jit-ca-hostd and jit-ca-guard lie; they are built here where it is left out
#
# Runs as root, asks nothing, and does the same again when it is run again; /etc/jit-ca/host.toml is never written over.
set -euo pipefail
root=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")
programs=(jit-ca-host jit-ca-hostd jit-ca-guard)

main() {
  ((EUID == 0)) || fail "not root" "run it as root: sudo deploy/install-host.sh"
  local from=${1:-}
  if [[ -z $from ]]; then
    (cd "$root" && cargo build --release --locked --package jit-ca-host)
    from=${CARGO_TARGET_DIR:-$root/target}/release
  fi
  local program
  for program in "${programs[@]}"; do
    [[ -x $from/$program ]] || fail "$from/$program is not there" "build it: cargo build --release --package jit-ca-host"
  done

  # sshd asks for principals as this account, which owns nothing.
  id --user jit-ca-host >/dev/null 2>&1 ||
    useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin jit-ca-host
  install -d -m 755 /usr/lib/jit-ca /etc/jit-ca
  for program in "${programs[@]}"; do
    # In one step: the old one may be running.
    install -m 755 "$from/$program" "/usr/lib/jit-ca/$program.new"
    mv "/usr/lib/jit-ca/$program.new" "/usr/lib/jit-ca/$program"
  done
  ln -sf ../lib/jit-ca/jit-ca-host /usr/bin/jit-ca-host
  [[ -e /etc/jit-ca/host.toml ]] ||
    sed "s/^name = .*/name = \"$(hostname --fqdn 2>/dev/null || hostname)\"/" "$root/deploy/host.toml" \
      >/etc/jit-ca/host.toml
  if [[ -d /run/systemd/system ]]; then
    install -m 644 "$root"/deploy/systemd/{jit-ca-hostd.service,jit-ca-courier.service,jit-ca-host-renew.service,jit-ca-host-renew.timer} /etc/systemd/system/
    systemctl daemon-reload
    systemctl enable --quiet jit-ca-hostd
    systemctl restart jit-ca-hostd
    # It does nothing before this host has enrolled.
    systemctl enable --quiet --now jit-ca-host-renew.timer
  else
    echo "no systemd runs here: have /usr/lib/jit-ca/jit-ca-hostd started before sshd" >&2
  fi
  echo "installed; now say in /etc/jit-ca/host.toml what this host is, and run: jit-ca-host install --user-ca FILE"
}

fail() {
  echo "error: $1" >&2
  echo "hint: $2" >&2
  exit 1
}

main "$@"
