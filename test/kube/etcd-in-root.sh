#!/bin/sh
# etcd-in-root.sh ROOT DIRECTORY FLAGS...: Debian's etcd on its own root file system, with its data in DIRECTORY.
# (Through the dynamic loader alone Debian 12's etcd dies on a Debian 13 host: "stack smashing detected".)
# Its mount ends with it; it keeps this process id.
set -eu
exec unshare --mount sh -c 'root=$1 directory=$2; shift 2
    mount --bind "$directory" "$root/mnt"
    exec chroot "$root" /usr/bin/etcd --data-dir /mnt "$@"' etcd "$@"
