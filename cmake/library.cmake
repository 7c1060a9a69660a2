# SPDX-License-Identifier: Apache-2.0
# libtern: what an application embeds.  Made of the objects of the modules that run a model; those
# of the command are not in it (synth makes models for benchmarks; meters, grams, plans and
# receipts are for who measures).  Only names marked TERN_API are visible.
set(modules base dtype gguf kern sampler tok grammar model verify)
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
