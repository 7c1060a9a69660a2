# SPDX-License-Identifier: Apache-2.0
# Flags for every target.  None names a CPU: kernels carry their own target attributes and are
# chosen at run time.  No contraction and no fast-math: results are the same bits everywhere.
add_compile_options(
  -ffp-contract=off -fno-math-errno -fvisibility=hidden -fno-common
  -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla
  -Wcast-qual -Wwrite-strings -Wimplicit-fallthrough -Wdouble-promotion -Wformat=2)
add_compile_definitions(_POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)

# snprintf() is used because it cuts; where a cut would be wrong its result is looked at.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wno-format-truncation)
endif()

# Messages and assertions name files as the repository has them, wherever it was cloned to.
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

if(TERN_WERROR)
  add_compile_options(-Werror)
endif()

if(TERN_SANITIZE)
  add_compile_options(-fsanitize=${TERN_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TERN_SANITIZE})
else()
  # _FORTIFY_SOURCE needs an optimiser; some distributions define it already.
  add_compile_options(-fstack-protector-strong
                      "$<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>")
  add_link_options(-Wl,-z,relro,-z,now)
endif()

if(TERN_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(TERN_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
