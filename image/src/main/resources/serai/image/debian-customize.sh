# Makes a guest of a bare Debian: mmdebstrap runs this with sh on the finished tree, whose directory is $1, as root of it.
# What the host needs apart from the disk (kernel, initrd's parts) is left in /.serai; see DebianImage.
set -eu
root=$1
part=$root/.serai

# ---- the kernel: not installed but unpacked ----
# Serai starts the kernel from outside of the disk, so an upgrade inside could not change it; a package that wants to be upgraded
# would only make the guest generate an initrd that nobody reads. Its modules are all that the guest needs.
mkdir -p "$part/modules" "$part/deb" "$part/kernel"
cd "$part/deb"
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
[ -n "$kernel" ] || { echo 'E: there is no linux-image-cloud-amd64' >&2; exit 1; }
apt-get -q -o APT::Sandbox::User=root download "$kernel" busybox-static
dpkg-deb -x linux-image-*.deb "$part/kernel"
dpkg-deb -x busybox-static_*.deb "$part/deb"
cp "$part"/kernel/boot/vmlinuz-* "$part/vmlinuz"
for b in "$part/deb/bin/busybox" "$part/deb/usr/bin/busybox"; do
    if [ -e "$b" ]; then cp "$b" "$part/busybox"; fi
done
for d in "$part/kernel/lib/modules" "$part/kernel/usr/lib/modules"; do
    if [ -d "$d" ]; then mkdir -p "$root/usr/lib/modules" && cp -a "$d/." "$root/usr/lib/modules"; fi
done
version=$(ls "$root/usr/lib/modules")
chroot "$root" depmod "$version"

# what has to be loaded before the root file system can be mounted, in this order; what is built in is none
n=10
for m in virtio_pci virtio_blk ext4; do
    for file in $(chroot "$root" modprobe -S "$version" --show-depends "$m" 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p'); do
        name=${file##*/}
        set -- "$part"/modules/*-"$name"
        [ ! -e "$1" ] || continue
        cp "$root$file" "$part/modules/$n-$name"
        n=$((n + 1))
    done
done
rm -rf "$part/deb" "$part/kernel"

# ---- names, file systems ----
echo debian >"$root/etc/hostname"
printf '127.0.0.1\tlocalhost\n127.0.1.1\tdebian\n::1\tlocalhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
printf '/dev/vda / ext4 errors=remount-ro 0 1\n' >"$root/etc/fstab"
rm -f "$root/etc/resolv.conf" # the host's
if [ -e "$root/lib/systemd/systemd-resolved" ]; then
    ln -s ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
else
    : >"$root/etc/resolv.conf"
fi
mv "$root"/etc/apt/sources.list.d/*debian.list "$root/etc/apt/sources.list"
echo 'LANG=C.UTF-8' >"$root/etc/default/locale"
# the first boot of each copy makes one of its own (machine-id(5))
: >"$root/etc/machine-id"
mkdir -p "$root/var/lib/dbus"
ln -sf /etc/machine-id "$root/var/lib/dbus/machine-id"
rm -f "$root/var/lib/systemd/random-seed"
# the host's apt settings, proxies among them
rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap"

# ---- login ----
# Who has the serial console has the disk, so a password there protects nothing: root logs in by name. Everywhere else root is
# locked: an empty password would make root of everybody whom su lets try.
chroot "$root" usermod -p '*' root
dropin() { # into unit $1: the lines of standard input
    mkdir -p "$root/etc/systemd/system/$1.d"
    cat >"$root/etc/systemd/system/$1.d/serai.conf"
}
dropin serial-getty@ttyS0.service <<'END'
[Service]
ExecStart=
ExecStart=-/sbin/agetty -o '-f -- \\u' --keep-baud 115200,57600,38400,9600 - $TERM
END
mkdir -p "$root/etc/issue.d"
printf 'Log in as root: no password is asked for on this console.\n\n' >"$root/etc/issue.d/serai.issue"
for unit in emergency rescue; do # which refuse a locked root otherwise
    dropin "$unit.service" <<'END'
[Service]
Environment=SYSTEMD_SULOGIN_FORCE=1
END
done

# ---- network: an address for whatever is plugged in ----
cat >"$root/etc/systemd/network/80-serai.network" <<'END'
[Match]
Type=ether
Kind=!*

[Network]
DHCP=yes
LinkLocalAddressing=ipv6

[Link]
RequiredForOnline=no
END
chroot "$root" systemctl -q enable systemd-networkd.service
chroot "$root" systemctl -q disable systemd-networkd-wait-online.service 2>/dev/null || true

# ---- SSH: keys of its own for each copy, made when the server first starts; root by key alone ----
if [ -e "$root/usr/sbin/sshd" ]; then
    rm -f "$root"/etc/ssh/ssh_host_*
    mkdir -p "$root/etc/ssh/sshd_config.d"
    printf 'PermitRootLogin prohibit-password\nPasswordAuthentication no\n' >"$root/etc/ssh/sshd_config.d/serai.conf"
    dropin ssh.service <<'END'
[Service]
ExecStartPre=
ExecStartPre=/usr/bin/ssh-keygen -A
ExecStartPre=/usr/sbin/sshd -t
END
fi

# ---- cloud-init: a seed on a disk labelled cidata, or nothing; the network is configured above ----
if [ -d "$root/etc/cloud" ]; then
    mkdir -p "$root/etc/cloud/cloud.cfg.d"
    cat >"$root/etc/cloud/cloud.cfg.d/99-serai.cfg" <<'END'
datasource_list: [NoCloud, ConfigDrive]
network: {config: disabled}
ssh_deletekeys: false
END
    # without a seed it is not started at all
    printf 'policy: search,found=first,maybe=none,notfound=disabled\n' >"$root/etc/cloud/ds-identify.cfg"
fi

# ---- a lean boot ----
mkdir -p "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nSystemMaxUse=64M\n' >"$root/etc/systemd/journald.conf.d/serai.conf"
# An interpreted CPU may be fifty times slower than the ones that systemd's 90 seconds are meant for.
mkdir -p "$root/etc/systemd/system.conf.d"
cat >"$root/etc/systemd/system.conf.d/serai.conf" <<'END'
[Manager]
DefaultTimeoutStartSec=15min
DefaultTimeoutStopSec=5min
DefaultDeviceTimeoutSec=15min
END
# they want a network, LVM or a screen; systemctl enable brings them back
for unit in getty@tty1.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service; do
    chroot "$root" systemctl -q disable "$unit" 2>/dev/null || true
done
