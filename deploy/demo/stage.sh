# The demo's stage: a folder that goes away, what is shown on the screen, people, servers.
# Sourced by deploy/demo.sh, which tells the story.
# shellcheck shell=bash
set -Eeuo pipefail
# What stops the story says so, also where nobody thought that it could stop.
trap 'echo "demo: FAILED: ${BASH_SOURCE[0]}, line $LINENO" >&2' ERR

# === coming and going ===

# The folder of this run, and what takes all of it away again.
set_the_stage() {
  servers=() waiting='' account='' quiet=''
  work=$(mktemp -d -t jit-ca-demo.XXXXXX)
  chmod 755 "$work"
  strict=/run/$(basename "$work") # where sshd's StrictModes looks: root's
  trap cleanup EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo -- "$@"; fi
}

# A port that nobody listens at, below those that the kernel gives to clients.
free_port() {
  local port
  while port=$((10000 + RANDOM % 20000)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# Bash runs a trap only between commands, but at once while it waits.
pause() {
  sleep "$1" &
  wait $!
}

# Waits until a file has a line like this.
await() {
  local _
  for _ in {1..300}; do
    if grep -qE "$2" "$1" 2>/dev/null; then return 0; fi
    pause 0.1
  done
  return 1
}

cleanup() {
  local status=$? pid
  trap '' INT TERM HUP
  for pid in "${servers[@]}" ${waiting:+"$waiting"}; do
    kill "$pid" 2>/dev/null || true
  done
  for pid in sshd.pid nginx/pid; do
    [[ ! -s $work/$pid ]] || as_root kill "$(<"$work/$pid")" 2>/dev/null || true
  done
  wait
  if [[ -n $account ]]; then
    as_root userdel --remove "$account" 2>/dev/null || true
  fi
  rm -rf "$work"
  as_root rm -rf "$strict"
  exit "$status"
}

# === on the screen ===

bold='' dim='' green='' cyan='' plain=''
if [[ -t 1 ]]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' cyan=$'\e[36m' plain=$'\e[0m'
fi

chapter() {
  printf '\n%s%s%s\n' "$bold" "== $1 ==" "$plain"
}

# A word of explanation, as a comment at the prompt.
say() {
  printf '\n%s# %s%s\n' "$cyan" "$1" "$plain"
}

# The command as a person would type it. The first word says who, or where.
prompt() {
  local who=$1 word line=''
  shift
  [[ $who != "$work" ]] || who="admin"
  for word; do
    case $word in
      '> '* | '# '*) line+=" $word" ;;
      *[!A-Za-z0-9_./:=@%+,\&-]*) line+=" '$word'" ;;
      *) line+=" $word" ;;
    esac
  done
  printf '%s%s$%s%s\n' "$green" "$who" "$plain" "$line"
}

# shown WHO COMMAND…: prints the command, runs it, prints what came back and keeps it in $work/output.
shown() {
  local status=0
  [[ -n $quiet ]] || prompt "$@"
  perform "$@" >"$work/output" 2>&1 || status=$?
  [[ -n $quiet ]] || display
  if ((status != 0 && status != 75)); then
    [[ -z $quiet ]] || cat "$work/output" >&2
    fail "that should have worked, and ended with $status"
  fi
}

# shown_to FILE WHO COMMAND…: the same, with what came back going into a file.
shown_to() {
  local file=$1
  shift
  prompt "$@" "> $(basename "$file")"
  perform "$@" >"$file"
}

# refused CODE WHO COMMAND…: the same, for what has to be refused.
refused() {
  local expected=$1 status=0
  shift
  prompt "$@"
  perform "$@" >"$work/output" 2>&1 || status=$?
  display
  ((status == expected)) || fail "that should have been refused with $expected, and ended with $status"
  printf '%s  (refused, as it should be)%s\n' "$dim" "$plain"
}

# What came back; where $only is set, the lines that it matches.
display() {
  grep -E -- "${only:-}" "$work/output" || true
}

perform() {
  local who=$1
  shift
  if [[ $who == "$work" ]]; then
    (cd "$work" && "$@")
  else
    (as "$who" "$@")
  fi
}

fail() {
  echo "demo: FAILED: $1" >&2
  exit 1
}

# === people ===

# as PERSON COMMAND…: in the place of this (sub)shell, in the person's home and surroundings.
as() {
  local home=$work/$1
  shift
  cd "$home"
  exec env -i PATH="$PATH" HOME="$home" XDG_CONFIG_HOME="$home/.config" XDG_RUNTIME_DIR="$home/run" "$@"
}

# The code that a person's authenticator shows, some seconds from now. One that would be too old when
# it arrives is waited out.
totp() {
  local left=$((30 - $(date +%s) % 30))
  ((left > 6)) || sleep "$left"
  oathtool --totp --base32 --now "@$(($(date +%s) + $2))" "$(<"$work/$1/secret")"
}

give_key() {
  local key
  key=$(<"$work/$1/.ssh/id_ed25519.pub")
  awk -v name="name = \"$1\"" -v key="ssh_keys = [\"$key\"]" '
    $0 == name { found = 1 }
    found && /^ssh_keys = / { $0 = key; found = 0 }
    { print }' "$work/ca/config/users.toml" >"$work/users.toml"
  cp "$work/users.toml" "$work/ca/config/users.toml"
  grep -qF "$key" "$work/ca/config/users.toml" || fail "no $1 in users.toml"
}

ssh_to_web1() {
  shown alice jit-ca ssh -F ssh_config "$@"
}

curl_orders() {
  shown alice curl --silent --show-error --cacert ../orders.pem --cert orders/cert.pem --key orders/key.pem \
    "https://localhost:$nginx_port/"
}

# Waits until Bob sees a pending request for a role, and notes its id in $shell.
await_pending() {
  local _
  for _ in {1..100}; do
    shell=$(as bob jit-ca requests --status pending --json 2>/dev/null | tr '{' '\n' |
      sed -n 's/.*"id":"\(r-[^"]*\)".*"role":"'"$1"'".*/\1/p' | head -n 1)
    [[ -z $shell ]] || return 0
    pause 0.2
  done
  return 1
}

# === servers ===

create_account() {
  id "$1" >/dev/null 2>&1 && return
  as_root useradd --create-home --shell /bin/bash --password '*' "$1"
  account=$1
}

# An sshd that trusts the CA's key, and an ssh configuration by which Alice finds it as web1.
start_sshd() {
  ssh_port=$(free_port)
  create_account deploy
  ssh-keygen -q -t ed25519 -N '' -C web1 -f "$work/web1_key"
  printf '%s\n' web-shell.web1 web-shell web-logs.web1 web-logs >"$work/principals"
  as_root install -m 644 "$work/principals" "$strict/deploy"
  cat >"$work/sshd_config" <<END
Port $ssh_port
ListenAddress 127.0.0.1
HostKey $work/web1_key
PidFile $work/sshd.pid
TrustedUserCAKeys $work/user_ca.pub
AuthorizedPrincipalsFile $strict/%u
AuthorizedKeysFile none
AuthenticationMethods publickey
UsePAM no
LogLevel VERBOSE
SetEnv PATH=$work/web1_bin:/usr/bin:/bin
END
  # This machine may keep no journal; what web-logs runs is then this.
  mkdir "$work/web1_bin"
  printf '%s\n' '#!/bin/sh' 'echo "Nov 22 16:20:01 web1 nginx[812]: upstream timed out: orders:8080"' \
    >"$work/web1_bin/journalctl"
  chmod 755 "$work/web1_bin/journalctl"
  : >"$work/sshd.log" # ours, whoever sshd runs as
  as_root "$(command -v sshd)" -f "$work/sshd_config" -E "$work/sshd.log"
  await "$work/sshd.pid" . || fail "sshd does not start"
  printf 'Host web1\n  HostName 127.0.0.1\n  Port %s\n  UserKnownHostsFile %s\n' "$ssh_port" "$work/known_hosts" \
    >"$work/alice/ssh_config"
  echo "[127.0.0.1]:$ssh_port $(cut -d' ' -f1,2 "$work/web1_key.pub")" >"$work/known_hosts"
}

# An nginx that lets in client certificates of the role orders-api.
start_nginx() {
  nginx_port=$(free_port)
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout "$work/orders.key" -out "$work/orders.pem" 2>/dev/null
  cat "$work/root.pem" "$work/clients.pem" >"$work/client_cas.pem"
  mkdir "$work/nginx"
  cat >"$work/nginx.conf" <<END
pid $work/nginx/pid;
error_log $work/nginx/error.log;
events {}
http {
  access_log $work/nginx/access.log;
  client_body_temp_path $work/nginx/body;
  proxy_temp_path $work/nginx/proxy;
  fastcgi_temp_path $work/nginx/fastcgi;
  uwsgi_temp_path $work/nginx/uwsgi;
  scgi_temp_path $work/nginx/scgi;
  map \$ssl_client_s_dn \$jit_ca_role {
    ~(^|,)OU=(?<ou>[a-z0-9-]+)(,|\$) \$ou;
  }
  server {
    listen 127.0.0.1:$nginx_port ssl;
    ssl_certificate $work/orders.pem;
    ssl_certificate_key $work/orders.key;
    ssl_client_certificate $work/client_cas.pem;
    ssl_verify_client on;
    ssl_verify_depth 2;
    ssl_session_cache off;
    ssl_session_tickets off;
    location / {
      if (\$jit_ca_role != orders-api) { return 403; }
      return 200 "hello \$ssl_client_s_dn\n";
    }
  }
}
END
  nginx -p "$work/nginx" -c "$work/nginx.conf" -e "$work/nginx/error.log"
  await "$work/nginx/pid" . || fail "nginx does not start"
}
