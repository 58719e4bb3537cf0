#!/bin/bash
# Stands in for systemctl on a machine that no systemd runs. It starts and stops the guide's one unit by
# what its file says of command, account, umask and credential; for the rest of it there is
# systemd-analyze(1). $pid is the file for the process's number.
set -euo pipefail
: "${pid:?}"

unit=/etc/systemd/system/jit-cad.service
credentials=/run/credentials/jit-cad.service
journal=/run/jit-cad.journal

setting() {
  sed -n "s/^$1=//p" "$unit"
}

# Runs a command of the unit as its account.
as_unit() {
  cd /
  umask "$(setting UMask)"
  exec setpriv --reuid "$(setting User)" --regid "$(setting Group)" --clear-groups --no-new-privs \
    env -i CREDENTIALS_DIRECTORY="$credentials" "$@"
}

start() {
  local user group name file command
  user=$(setting User) group=$(setting Group)
  IFS=: read -r name file < <(setting LoadCredentialEncrypted)
  install -d -m 700 "$credentials"
  systemd-creds decrypt --name="$name" "$file" "$credentials/$name"
  chown -R "$user:$group" "$credentials"
  install -d -m "$(setting StateDirectoryMode)" -o "$user" -g "$group" "/var/lib/$(setting StateDirectory)"
  read -r -a command < <(setting ExecStart)
  (as_unit "${command[@]}") </dev/null >"$journal" 2>&1 &
  echo $! >"$pid"
}

reload() {
  local command
  read -r -a command < <(setting ExecReload)
  (as_unit "${command[@]}") </dev/null >>"$journal" 2>&1
}

stop() {
  kill "$(<"$pid")"
  # Where nobody collects orphans, a process that has ended stays, as a zombie.
  while grep -qs '^State:.[^Z]' "/proc/$(<"$pid")/status"; do sleep 0.05; done
}

case "$*" in
  daemon-reload) ;;
  'enable --now jit-cad' | 'start jit-cad') start ;;
  'stop jit-cad') stop ;;
  'restart jit-cad') stop && start ;;
  'reload jit-cad') reload ;;
  'status jit-cad --no-pager') kill -0 "$(<"$pid")" && cat "$journal" ;;
  *) echo "systemctl $*: not in the guide" >&2 && exit 1 ;;
esac
