#!/bin/sh
# The guest's /init: runs what stands in /tests/list and says after each "@@ NAME STATUS same|differs|-".
echo 'serai: init'
export PATH=/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /dev/shm
ip link set lo up
dmesg -n 1
cd /tmp
while read -r name but; do
    timeout 1800 "/tests/$name" >out 2>&1 </dev/null
    status=$?
    judged=-
    if [ -f "/tests/$name.ref" ]; then
        if [ -n "$but" ]; then
            grep -vE "$but" out >kept
            mv kept out
        fi
        if cmp -s out "/tests/$name.ref"; then
            judged=same
        else
            judged=differs
            diff "/tests/$name.ref" out >difference
        fi
    fi
    echo "@@ $name $status $judged"
    [ $status = 0 ] || tail -n 30 out
    [ $judged != differs ] || head -n 30 difference
done </tests/list
echo '@@ end'
poweroff -f
