# Sourced by ./demo, ./test and .ci/run: makes .venv from requirements.lock and puts it on PATH.
# bootstrap DEBIAN_PACKAGE... installs the missing ones by apt when it may, else says which line to run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() { printf '%s\n' "$*" >&2; exit 2; }

install_debian_packages() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = "ii " ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local line="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "Missing: ${missing[*]}. As root, run: $line"
  printf 'Installing %s ...\n' "${missing[*]}" >&2
  [[ " ${missing[*]} " != *" postgresql "* ]] || forbid_main_cluster
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } \
    </dev/null >"$log" 2>&1 || { cat "$log" >&2; fail "apt could not install ${missing[*]}."; }
  rm -f "$no_main_cluster"
}

# Debian's package would make and start a server for everybody. Tests start their own, and nobody asked for another.
no_main_cluster=/etc/postgresql-common/createcluster.d/ombud-tests.conf
forbid_main_cluster() {
  mkdir -p "${no_main_cluster%/*}"
  printf 'create_main_cluster = false\n' >"$no_main_cluster"
}

# The system's own goes first: distributions build it with profiles, and one that a version manager has compiled may need
# half as long again for the same work (docs/performance.md). PYTHON names another.
choose_python() {
  local candidate
  for candidate in ${PYTHON:-/usr/bin/python3 python3}; do
    if "$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      python=$candidate
      return
    fi
  done
  return 1
}

make_venv() {
  local stamp
  stamp=$(cat "$root/requirements.lock" "$root/pyproject.toml" <("$python" -VV) | sha256sum)
  [ "$(cat "$root/.venv/stamp" 2>/dev/null)" = "$stamp" ] && return
  printf 'Preparing .venv ...\n' >&2
  rm -rf "$root/.venv"
  {
    "$python" -m venv "$root/.venv" &&
      "$root/.venv/bin/pip" install -q --disable-pip-version-check --require-hashes -r "$root/requirements.lock" &&
      "$root/.venv/bin/pip" install -q --disable-pip-version-check --no-deps --no-build-isolation -e "$root"
  } >"$log" 2>&1 || { cat "$log" >&2; rm -rf "$root/.venv"; fail "Could not make .venv (the lines above say why)."; }
  printf '%s' "$stamp" >"$root/.venv/stamp"
}

bootstrap() {
  log=$(mktemp)
  trap 'rm -f "$log" "$no_main_cluster"' EXIT
  choose_python || { install_debian_packages python3 python3-venv; choose_python; } ||
    fail "Ombud needs Python 3.11 or newer, with venv. PYTHON=/path/to/python3 names one."
  install_debian_packages "$@"
  make_venv
  rm -f "$log"
  trap - EXIT
  PATH="$root/.venv/bin:$PATH"
}
