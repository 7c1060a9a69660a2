# SPDX-License-Identifier: Apache-2.0
# Builds for 64-bit ARM with Debian's cross compiler and runs what was built under qemu.  The
# libraries for ARM (PCRE2, cmocka) are unpacked into a folder by `./dev setup aarch64`; the
# system's own package lists are left alone.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)

set(TERN_SYSROOT "${CMAKE_CURRENT_LIST_DIR}/../build/sysroot-aarch64" CACHE PATH
    "Where the libraries for ARM were unpacked")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TERN_SYSROOT)
get_filename_component(_sysroot "${TERN_SYSROOT}" ABSOLUTE)
set(_lib "${_sysroot}/usr/lib/aarch64-linux-gnu")

set(ENV{PKG_CONFIG_LIBDIR} "${_lib}/pkgconfig")
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${_sysroot}")
set(CMAKE_FIND_ROOT_PATH "${_sysroot}" /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY BOTH)

# cpu "max" has every extension that qemu knows; real pointer authentication is slow there.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -cpu max,pauth-impdef=on
    -L /usr/aarch64-linux-gnu -E "LD_LIBRARY_PATH=${_lib}")
