#!/bin/sh
# First process of a test machine or namespace: runs inside fresh mount, PID and network namespaces (see sandbox.ts).
#   machine-init.sh namespace
#   machine-init.sh machine ROOT WORK [ro:PATH | rw:PATH]...
# ROOT is only read; WORK is an empty directory. Every PATH appears at its own path inside the machine.
# Says "ready" and then waits, reaping what its children leave, until it is killed; with it everything inside ends.
set -eu

wait_forever() {
    exec perl -e '$SIG{CHLD} = "IGNORE"; $| = 1; print "ready\n"; sleep 1000 while 1'
}

if [ "$1" = namespace ]; then
    mount -t proc proc /proc
    wait_forever
fi

root=$2 work=$3
shift 3
mount -t tmpfs -o mode=0755 hgtest "$work"
new=$work/root
mkdir "$work/upper" "$work/work" "$new"
if ! mount -t overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/work" overlay "$new"; then
    echo "no overlayfs here: copying the root into memory" >&2
    mount --bind "$new" "$new" # pivot_root wants a mount point
    tar -C "$root" --one-file-system -cf - . | tar -C "$new" -xpf -
fi
mount -t proc proc "$new/proc"
mount -t sysfs -o ro sysfs "$new/sys" || true # refused in some containers; nothing here depends on it
mount --rbind /dev "$new/dev"
mount -t tmpfs -o mode=1777 tmpfs "$new/dev/shm"
for bind; do
    path=${bind#*:}
    if [ -d "$path" ]; then
        mkdir -p "$new$path"
    else
        mkdir -p "$new${path%/*}"
        : > "$new$path"
    fi
    mount --bind "$path" "$new$path"
    case $bind in
        ro:*) mount -o remount,bind,ro "$new$path" ;;
    esac
done
cd "$new"
pivot_root . .
umount -l .
cd /
wait_forever
