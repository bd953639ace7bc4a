# Shared by the commands of bench/: images, programs and disks for guests, and what a VMM has resident. To be sourced after
# .ci/lib.sh, with $root set to the repository.
# shellcheck shell=bash

PATH=$PATH:/usr/sbin:/sbin
sources=$root/bench/programs.d

need() { # tools
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || die "bench/${0##*/} needs $tool"
    done
}

# Builds Serai and runs a class of bench on it, with arguments.
bench_java() {
    local jdk
    "$root/serai" --version >/dev/null # builds what it needs
    jdk=$(need_jdk)
    if [[ ! -d $root/bench/target/classes || -n $(find "$root/bench/src/main" -newer "$root/bench/target/classes" -print -quit) ]]; then
        need_mvn "$root/build/packages.log"
        JAVA_HOME=$jdk mvn -B -q -ntp -f "$root/pom.xml" -pl bench -am -Dmaven.test.skip=true compile >&2 </dev/null
        touch "$root/bench/target/classes"
    fi
    "$jdk/bin/java" --add-exports=java.base/jdk.internal.misc=ALL-UNNAMED --enable-native-access=ALL-UNNAMED \
        --sun-misc-unsafe-memory-access=allow -XX:+UseSerialGC -cp "$root/bench/target/classes:$root/build/lib/*" "$@"
}

# Builds Serai and an image, and ends as soon as the guest has said something.
image() {
    "$root/serai" run "$@" --timeout 2 >/dev/null 2>&1 </dev/null || true
}

# The directory of an image in the cache: that of the highest revision.
cached() {
    find "${XDG_CACHE_HOME:-$HOME/.cache}/serai/images/$1" -mindepth 1 -maxdepth 1 -type d -name '[0-9]*' | sort -V | tail -n 1
}

# The same instructions of every version of gcc: it would otherwise make vectors of loops, or calls of memcpy.
flags=(-std=gnu11 -O2 -Wall -Wextra -Werror -fno-tree-vectorize -fno-tree-loop-distribute-patterns -fno-math-errno)

driver() { # as file $1
    gcc "${flags[@]}" -static -s -o "$1" "$sources/lib/driver.c"
}

program() { # of source $1, as file $2
    gcc "${flags[@]}" -I "$sources" -ffreestanding -fno-stack-protector -fno-pie -no-pie -static -nostdlib -Wl,--build-id=none \
        -s -o "$2" "$1"
}

debian_tools=(gcc apt-get debugfs mke2fs dpkg-deb)

# A disk with the tree of the image debian and packages that it has not, unpacked over it: as the image has no network, they are
# fetched here. In /programs are those of bench/programs.d/debian, in /programs/load what bench/load runs beside them.
debian_disk() { # $1/disk.raw
    image debian --temporary
    local disk source deb
    disk=$(cached debian)/disk.raw
    if [[ ! -e $1/packages || $disk -nt $1/packages ]]; then
        rm -rf "$1"
        mkdir -p "$1/tree" "$1/archives/partial"
        debugfs -R "rdump / $1/tree" "$disk" >"$1/log" 2>&1
        apt-get -q -y --no-install-recommends --download-only -o Debug::NoLocking=1 -o APT::Sandbox::User= \
            -o Dir::State::status="$1/tree/var/lib/dpkg/status" -o Dir::Cache::archives="$1/archives" \
            install 7zip gcc gzip openssl perl python3 sqlite3 xz-utils >>"$1/log" 2>&1 ||
            die "the packages could not be fetched; see $1/log"
        for deb in "$1"/archives/*.deb; do
            dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$1/tree"
        done
        touch "$1/packages"
    fi
    rm -rf "$1/tree/programs" "$1/disk.raw"
    mkdir -p "$1/tree/programs/lib" "$1/tree/programs/load"
    for source in "$sources"/debian/*.sh; do
        install -m 755 "$source" "$1/tree/programs/$(basename "$source" .sh)"
    done
    cp "$sources/sort.c" "$sources/lib/program.h" "$1/tree/programs/lib" # what gcc compiles
    driver "$1/tree/programs/.init"
    install -m 755 "$sources/load/init.sh" "$1/tree/programs/.load"
    install -m 755 "$sources/load/storm.sh" "$1/tree/programs/load/storm"
    program "$sources/load/jit.c" "$1/tree/programs/load/jit"
    truncate -s 2G "$1/disk.raw"
    mke2fs -q -F -t ext4 -d "$1/tree" "$1/disk.raw"
}

# The process id of the VMM that the command `serai run` with process id $1 has started.
vmm_of() {
    pgrep -P "$1" -f serai.vmm.Main
}

# What the process with id $1 has resident, by part of it: lines "PART<tab>RSS<tab>PSS" in KiB. A page of a library counts in Rss in
# full, in Pss by the share of what processes have in common.
resident() {
    awk -v OFS='\t' '
        /^[0-9a-f]+-[0-9a-f]+ / {
            name = NF > 5 ? $6 : ""
            part = name ~ /serai-ram/ ? "guest RAM" : name ~ /serai-code/ ? "translated code" : name ~ /\.aot$/ ? "AOT cache" \
                : name ~ /^\// ? "libraries and files" : name ~ /^\[stack/ ? "other" : $2 ~ /x/ ? "compiled Java code" \
                : "Java heap, native memory"
        }
        /^Rss:/ { rss[part] += $2 }
        /^Pss:/ { pss[part] += $2 }
        END {
            for (p in rss) {
                print p, rss[p], pss[p]
                if (p != "guest RAM") {
                    allRss += rss[p]
                    allPss += pss[p]
                }
            }
            print "VMM above guest RAM", allRss, allPss
        }' "/proc/$1/smaps"
}
