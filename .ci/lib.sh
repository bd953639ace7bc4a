# Shared by ./serai and ./test: where the tools are. To be sourced, with $root set to the repository.
# shellcheck shell=bash

say() { printf 'serai: %s\n' "$*" >&2; }
die() { say "$*"; exit 8; }

# The major version of the JDK in a directory, from its release file; nothing if there is none.
jdk_major() {
    local line
    [[ -x $1/bin/java && -x $1/bin/javac && -r $1/release ]] || return 0
    while IFS= read -r line; do
        if [[ $line =~ ^JAVA_VERSION=\"([0-9]+) ]]; then
            echo "${BASH_REMATCH[1]}"
            return 0
        fi
    done <"$1/release"
}

# Prints the home of a JDK: JAVA_HOME if it is 25 or newer, else the oldest such installed one (tools lag behind).
find_jdk() {
    local dir major best='' best_major=1000 on_path
    if [[ -n ${JAVA_HOME:-} ]]; then
        major=$(jdk_major "$JAVA_HOME")
        if [[ ${major:-0} -ge 25 ]]; then
            echo "$JAVA_HOME"
            return 0
        fi
    fi
    on_path=$(command -v javac || true)
    [[ -z $on_path ]] || on_path=$(dirname "$(dirname "$(readlink -f "$on_path")")")
    for dir in "$on_path" /usr/lib/jvm/* "${SDKMAN_DIR:-$HOME/.sdkman}"/candidates/java/* "$HOME"/.jdks/* \
        /opt/*jdk* /opt/java/* /usr/java/* /usr/local/*jdk* /Library/Java/JavaVirtualMachines/*/Contents/Home; do
        [[ -d $dir ]] || continue
        major=$(jdk_major "$dir")
        if [[ ${major:-0} -ge 25 && $major -lt $best_major ]]; then
            best=$dir best_major=$major
        fi
    done
    [[ -n $best ]] || return 1
    echo "$best"
}

need_jdk() {
    find_jdk || die "no JDK 25 or newer is installed; get one as the Debian package temurin-25-jdk (adoptium.net) or by 'sdk install java 25-tem' (sdkman.io), or set JAVA_HOME"
}

can_install() { [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; }

# Installs Debian packages; progress and errors go to the file $1.
install_packages() {
    local log=$1
    shift
    say "installing $*"
    if ! DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@" >>"$log" 2>&1; then
        # the package lists are missing or older than the archive
        apt-get -q update >>"$log" 2>&1 || true
        DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@" >>"$log" 2>&1
    fi
}

need_mvn() {
    command -v mvn >/dev/null && return 0
    if can_install; then
        install_packages "$1" maven || die "Maven could not be installed; see $1"
    else
        die "Maven is needed to build; install it: sudo apt-get install maven"
    fi
}
