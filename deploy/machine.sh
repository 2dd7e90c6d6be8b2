# What deploy/up, deploy/down and tests/run share: packages, steps on the terminal, private servers. Sourced by bash.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

BUILD_PACKAGES="build-essential cmake ninja-build ccache pkg-config libh2o-evloop-dev libpq-dev libhiredis-dev libcjson-dev
  libpcre2-dev libc-ares-dev libcurl4-openssl-dev libssl-dev uuid-dev libyaml-dev libxxhash-dev zlib1g-dev"
SERVER_PACKAGES="postgresql redis-server curl python3"
TEST_PACKAGES="libcmocka-dev python3-yaml python3-cryptography python3-pytest python3-pytest-xdist python3-jsonschema python3-fastjsonschema clang libclang-rt-dev clang-format clang-tidy cppcheck nginx-light haproxy wrk openssl strace spin jq mmdebstrap faketime pgbouncer"
PACKAGE_PACKAGES="dpkg-dev lintian man-db zsh fish mmdebstrap"

STEP="starting"
LOG=/dev/null

step() {
  STEP=$1
  printf '%s %s\n' '==>' "$STEP"
}

# Ends the script: which step, why, and where to read more.
die() {
  printf '\nfailed: %s\n  why: %s\n' "$STEP" "$1" >&2
  if [ -s "$LOG" ]; then
    printf '  log: %s, its end:\n' "$LOG" >&2
    tail -n 15 "$LOG" | sed 's/^/    /' >&2
  fi
  exit 1
}

# Runs a command with its output in $LOG.
logged() {
  printf '\n$ %s\n' "$*" >>"$LOG"
  "$@" >>"$LOG" 2>&1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -n "$@"
  else
    echo "needs root or sudo: $*" >&2
    return 1
  fi
}

# Installs those of the packages that are missing.
install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return 0
  echo "    installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  logged as_root apt-get update || die "apt-get update failed"
  # Servers of ours run privately; the packages' own services are not wanted.
  logged as_root apt-get install -y --no-install-recommends "${missing[@]}" || die "apt-get could not install ${missing[*]}"
}

# build TYPE TARGETS...: into .build/TYPE
build() {
  local type=$1
  shift
  logged cmake -S "$ROOT" -B "$ROOT/.build/$type" -G Ninja -DCMAKE_BUILD_TYPE="$type" \
    -DCMAKE_C_COMPILER_LAUNCHER=ccache -DTESTS="${TESTS:-ON}" || die "cmake found something missing"
  logged ninja -C "$ROOT/.build/$type" "$@" || die "the $type build failed"
}

# Postgres refuses to run as root.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    runuser -u postgres -- "$@"
  else
    "$@"
  fi
}

postgres_bin() {
  local newest
  newest=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
  [ -n "$newest" ] || die "no PostgreSQL in /usr/lib/postgresql"
  echo "$newest"
}

# start_postgres DIRECTORY PORT: role and database "freshet", loopback only, trusted.
start_postgres() {
  local directory=$1 port=$2 bin
  bin=$(postgres_bin)
  if [ ! -s "$directory/PG_VERSION" ]; then
    mkdir -p "$directory"
    [ "$(id -u)" = 0 ] && chown postgres "$directory"
    chmod 700 "$directory"
    (cd / && logged as_postgres "$bin/initdb" -D "$directory" -A trust -U freshet -E UTF8 --locale=C) || die "initdb failed"
  fi
  if ! (cd / && as_postgres "$bin/pg_ctl" -D "$directory" status >/dev/null 2>&1); then
    (cd / && logged as_postgres "$bin/pg_ctl" -D "$directory" -w -t 60 -l "$directory/server.log" \
      -o "-h 127.0.0.1 -p $port -k $directory -c max_connections=200" start) ||
      { LOG="$directory/server.log"; die "PostgreSQL does not start on port $port"; }
  fi
  (cd / && as_postgres "$bin/psql" -h 127.0.0.1 -p "$port" -U freshet -d postgres -qAtc \
    "SELECT 1 FROM pg_database WHERE datname = 'freshet'" 2>>"$LOG" | grep -q 1) ||
    (cd / && logged as_postgres "$bin/createdb" -h 127.0.0.1 -p "$port" -U freshet freshet) || die "cannot create the database"
}

stop_postgres() {
  local directory=$1
  (cd / && as_postgres "$(postgres_bin)/pg_ctl" -D "$directory" -m fast -w stop >/dev/null 2>&1)
}

# start_redis DIRECTORY PORT
start_redis() {
  local directory=$1 port=$2
  mkdir -p "$directory"
  alive "$directory/redis.pid" redis-server && return 0
  logged redis-server --port "$port" --bind 127.0.0.1 --dir "$directory" --save "" --appendonly no --daemonize yes \
    --pidfile "$directory/redis.pid" --logfile "$directory/redis.log" || die "Redis does not start"
  wait_until 50 redis-cli -p "$port" ping || { LOG="$directory/redis.log"; die "Redis does not answer on port $port"; }
}

# alive PIDFILE NAME: is the process there, and the one we started?
alive() {
  local pid
  pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && grep -q "$2" "/proc/$pid/cmdline" 2>/dev/null
}

# stop_pid PIDFILE NAME
stop_pid() {
  alive "$1" "$2" || return 1
  kill "$(cat "$1")" && wait_until 100 gone "$1"
}

gone() {
  ! kill -0 "$(cat "$1" 2>/dev/null)" 2>/dev/null
}

# wait_until TENTHS COMMAND...
wait_until() {
  local left=$1
  shift
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ "$left" -le 0 ] && return 1
    sleep 0.1
  done
}
