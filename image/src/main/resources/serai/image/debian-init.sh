#!/bin/sh
# /init of the initramfs of image debian: loads what the disk needs, mounts it, hands over to the init on it.
export PATH=/bin
mount -t devtmpfs -o mode=0755 dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys

root=/dev/vda mode=ro options= init=/sbin/init
for word in $(cat /proc/cmdline); do
    case $word in
        root=*) root=${word#root=} ;;
        ro | rw) mode=$word ;;
        rootflags=*) options=,${word#rootflags=} ;;
        init=*) init=${word#init=} ;;
    esac
done

for m in /lib/*.ko; do
    [ -e "$m" ] && insmod "$m"
done

device() {
    case $root in
        LABEL=* | UUID=*) busybox findfs "$root" 2>/dev/null ;;
        *) echo "$root" ;;
    esac
}
tries=0
while [ ! -b "$(device)" ] && [ $tries -lt 50 ]; do
    sleep 0.1
    tries=$((tries + 1))
done

if mount -o "$mode$options" "$(device)" /mnt && [ -d /mnt/proc ]; then
    for d in dev proc sys; do mount --move /$d /mnt/$d; done
    exec busybox switch_root /mnt "$init" "$@"
fi
echo "serai: the root file system $root can't be used; a shell to look at it:"
setsid cttyhack sh
poweroff -f
