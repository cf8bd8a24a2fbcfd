#!/bin/sh
# Three backends, nginx and the agent on the manifests beside this file, until Ctrl-C.
# Needs Debian 12 or 13, root (to install nginx), and the distribution's Node, npm and git. Leaves nothing behind but
# installed packages. HEADGATE_DEMO_HTTP, _HTTPS and _API_PORT choose other ports than 8080, 8443 and 10254.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
http=${HEADGATE_DEMO_HTTP:-8080}
https=${HEADGATE_DEMO_HTTPS:-8443}
api_port=${HEADGATE_DEMO_API_PORT:-10254}
node=$root/node_modules/node/bin/node
work=
agent=
backends=
watch=
policy=

say() { printf '%s\n' "$*"; }
fail() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

# Ends a process that this script started, and waits for it; by force after ten seconds.
end() {
    kill -TERM "$1" 2>/dev/null || return 0
    tries=0
    while kill -0 "$1" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || kill -KILL "$1" 2>/dev/null || true
        [ "$tries" -lt 110 ] || break
        sleep 0.1
    done
    wait "$1" 2>/dev/null || true
}

clean_up() {
    trap - EXIT
    trap '' INT TERM HUP
    [ -z "$watch" ] || end "$watch"
    if [ -n "$agent" ]; then
        master=$(cat "$work/state/run/nginx.pid" 2>/dev/null || true)
        end "$agent"
        # The agent takes its nginx along; this is for an agent that had to be killed.
        [ -z "$master" ] || ! grep -qs "$work" "/proc/$master/cmdline" || kill -QUIT "$master" 2>/dev/null || true
    fi
    for pid in $backends; do end "$pid"; done
    [ -z "$policy" ] || rm -f "$policy"
    [ -z "$work" ] || rm -rf "$work"
}

install_packages() {
    missing=
    [ -x /usr/sbin/nginx ] || missing="$missing nginx"
    [ -e /usr/lib/nginx/modules/ngx_http_lua_module.so ] || missing="$missing libnginx-mod-http-lua"
    [ -n "$(find /usr/lib -path '*/lua/5.1/cjson.so' 2>/dev/null)" ] || missing="$missing lua-cjson"
    command -v curl >/dev/null || missing="$missing curl"
    [ -n "$missing" ] || return 0
    [ "$(id -u)" = 0 ] || fail "cannot install$missing without root: run \`apt-get install$missing\` as root first"
    say "Installing$missing"
    # The package would start nginx on port 80; the demo starts its own. A policy that is there is respected.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        policy=/usr/sbin/policy-rc.d
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    status=0
    {
        apt-get update -qq &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
    } >"$work/apt.log" 2>&1 || status=$?
    [ -z "$policy" ] || rm -f "$policy"
    policy=
    [ "$status" = 0 ] || fail "cannot install$missing: $(tail -n 5 "$work/apt.log")"
    case $missing in *" nginx"*) systemctl disable nginx.service >/dev/null 2>&1 || true ;; esac
}

install_modules() {
    [ -x "$node" ] && [ -d "$root/node_modules/esbuild" ] && return 0
    command -v npm >/dev/null || fail "cannot find npm: run \`apt-get install nodejs npm\`"
    say "Installing Node modules"
    (cd "$root" && npm ci --no-audit --no-fund --loglevel=error) >"$work/npm.log" 2>&1 ||
        fail "cannot install Node modules: $(tail -n 20 "$work/npm.log")"
}

build() {
    if [ -e "$root/dist/agent.js" ] && [ -e "$root/dist/cli.js" ]; then
        newer=$(find "$root/agent" "$root/lua" "$root/nginx" "$root/build.ts" -newer "$root/dist/agent.js" -type f | head -n 1)
        [ -n "$newer" ] || return 0
    fi
    say "Building"
    (cd "$root" && "$node" build.ts) >"$work/build.log" 2>&1 || fail "cannot build: $(tail -n 20 "$work/build.log")"
}

start() {
    for backend in web-1:18081 web-2:18082 api-1:18083; do
        "$node" "$root/examples/backend.js" "${backend%:*}" "${backend#*:}" &
        backends="$backends $!"
    done
    # The agent follows the link: what is edited in examples/manifests is what it serves.
    mkdir "$work/manifests"
    ln -s "$root/examples/manifests" "$work/manifests/examples"
    (
        umask 077
        "$node" "$root/examples/certificate.js" shop/example-test shop.example.test >"$work/manifests/certificate.json"
    )
    "$root/bin/headgate" run --manifests "$work/manifests" --http "$http" --https "$https" \
        --api-port "$api_port" --state-dir "$work/state" --allow-local-endpoints >"$work/agent.log" 2>&1 &
    agent=$!
    tries=0
    until "$root/bin/headgate" status --check --state-dir "$work/state" >/dev/null 2>&1; do
        kill -0 "$agent" 2>/dev/null || fail "the agent ended: $(tail -n 20 "$work/agent.log")"
        tries=$((tries + 1))
        # An edited manifest may have a problem from the start: then the status says so.
        [ "$tries" -lt 50 ] || break
        sleep 0.2
    done
    for pid in $backends; do
        kill -0 "$pid" 2>/dev/null || fail "a backend ended: are ports 18081 to 18083 free?"
    done
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
work=$(mktemp -d "${TMPDIR:-/tmp}/headgate-demo.XXXXXX")
# nginx's workers run as another user and keep large bodies below.
chmod 711 "$work"
install_packages
install_modules
build
start

say "Try these in another terminal:"
say "  curl -H 'Host: api.example.test' http://127.0.0.1:$http/v1/hello"
say "  curl -k --resolve shop.example.test:$https:127.0.0.1 https://shop.example.test:$https/"
say "  curl -i -H 'Host: shop.example.test' http://127.0.0.1:$http/cart"
say "Edit or delete a file in examples/manifests and look here. Ctrl-C ends all of it."
say ""
"$root/bin/headgate" status --watch --state-dir "$work/state" &
watch=$!
wait "$watch"
