#!/bin/sh
# lab.sh COMMAND...: runs it in a network namespace of its own with loopback up. Bridges, addresses and ports of its
# tests cannot meet those of the host or of another run, and vanish with it.
set -eu
exec setpriv --pdeathsig TERM unshare --net --mount sh -c 'ip link set lo up && exec "$@"' lab "$@"
