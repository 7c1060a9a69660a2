# SPDX-License-Identifier: Apache-2.0
# Flags for every target.  No -march=native: kernels carry their own target attributes and are
# chosen at run time.  No contraction and no fast-math: results are the same bits everywhere.
add_compile_options(
  -ffp-contract=off -fno-math-errno -fvisibility=hidden -fno-common
  -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla
  -Wcast-qual -Wwrite-strings -Wimplicit-fallthrough -Wdouble-promotion -Wformat=2)
add_compile_definitions(_POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)

option(TERN_WERROR "Warnings are errors" OFF)
if(TERN_WERROR)
  add_compile_options(-Werror)
endif()

set(TERN_SANITIZE "" CACHE STRING "Sanitizers, for example address,undefined")
if(TERN_SANITIZE)
  add_compile_options(-fsanitize=${TERN_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TERN_SANITIZE})
endif()
