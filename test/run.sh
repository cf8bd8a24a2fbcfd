#!/bin/sh
# `npm test`: installs what is missing on Debian (as root), then runs the lanes with the project's own Node.
# Needs a distribution's Node and npm (18 or newer) and git; see test/README.md for the arguments.
set -eu
cd "$(dirname "$0")/.."

# What the tests call on the host itself; nginx, etcd and the like live in the test machines.
packages="busted:lua-busted -:ca-certificates curl:curl ip:iproute2 luacheck:lua-check -:lua-cjson mmdebstrap:mmdebstrap \
mount:mount openssl:openssl ps:procps setpriv:util-linux wrk:wrk"

missing=
for pair in $packages; do
    command -v "${pair%%:*}" > /dev/null 2>&1 || dpkg-query -W -f '${Status}' "${pair##*:}" 2> /dev/null |
        grep -q 'install ok installed' || missing="$missing ${pair##*:}"
done

install_missing() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null 2>&1; then
        echo "missing packages:$missing. Install them as root: apt-get install$missing" >&2
        return 0 # the lanes that need them say so
    fi
    echo "Installing$missing" >&2
    # No service starts while we install: a policy that says no, and the old one back afterwards.
    policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then mv "$policy" "$policy.headgate-test"; fi
    # shellcheck disable=SC2064 # the path is the one of now
    trap "rm -f $policy; if [ -e $policy.headgate-test ]; then mv $policy.headgate-test $policy; fi" EXIT INT TERM
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 0755 "$policy"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2 || echo "apt-get update failed; trying with the lists that are here" >&2
    # shellcheck disable=SC2086 # a list of package names
    apt-get install -y -qq --no-install-recommends $missing > /dev/null
    rm -f "$policy"
    if [ -e "$policy.headgate-test" ]; then mv "$policy.headgate-test" "$policy"; fi
    trap - EXIT INT TERM
}

if [ -n "$missing" ]; then install_missing; fi

node=node_modules/node/bin/node
if [ ! -x "$node" ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    echo "Installing the npm packages of package-lock.json" >&2
    npm ci --no-audit --no-fund --loglevel=error >&2
    touch node_modules/.package-lock.json
fi

exec "$node" test/run.ts "$@"
