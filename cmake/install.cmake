# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where.  The public headers, libtern and its pkg-config file; the
# program where it was built.
include(GNUInstallDirs)

install(DIRECTORY include/tern DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING
        PATTERN "*.h")
install(TARGETS tern_library LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

configure_file(cmake/tern.pc.in tern.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tern.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(TARGET tern)
  install(TARGETS tern RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

file(GLOB TERN_MAN docs/man/*.1)
install(FILES ${TERN_MAN} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
