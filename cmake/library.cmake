# SPDX-License-Identifier: Apache-2.0
# libtern: what an application embeds.  Made of the objects of every module but those of the
# command (synth makes models for benchmarks; meters, grams and receipts are for who measures);
# only names marked TERN_API are visible.
get_property(modules GLOBAL PROPERTY TERN_MODULES)
list(REMOVE_ITEM modules convert cli synth power energy metering carbon ledger)
set(objects "")
foreach(module IN LISTS modules)
  list(APPEND objects $<TARGET_OBJECTS:ti_${module}>)
endforeach()
add_library(tern_library SHARED ${objects})
set_target_properties(tern_library PROPERTIES
  OUTPUT_NAME tern LINKER_LANGUAGE C SOVERSION ${PROJECT_VERSION_MAJOR}
  LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
target_include_directories(tern_library INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(tern_library PRIVATE PkgConfig::PCRE2 Threads::Threads m)

# The same objects for those who link it in: libtern.a.
add_library(tern_static STATIC ${objects})
set_target_properties(tern_static PROPERTIES
  OUTPUT_NAME tern LINKER_LANGUAGE C ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
target_include_directories(tern_static INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(tern_static INTERFACE PkgConfig::PCRE2 Threads::Threads m)
