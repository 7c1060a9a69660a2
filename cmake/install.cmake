# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where.  The public headers, libtern and its pkg-config file; the
# program, with the model that it uses unasked, where it was built.
include(GNUInstallDirs)

install(DIRECTORY include/tern DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING
        PATTERN "*.h")
install(TARGETS tern_library LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS tern_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

configure_file(cmake/tern.pc.in tern.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tern.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(TARGET tern)
  install(TARGETS tern RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES models/tern-books.gguf models/tern-books.md models/tern-thin.gguf models/tern-thin.md
          DESTINATION ${CMAKE_INSTALL_DATADIR}/tern/models)
endif()

# tern writes its completion scripts itself: only where it can run.
if(TARGET tern AND NOT CMAKE_CROSSCOMPILING)
  set(scripts ${PROJECT_BINARY_DIR}/completion)
  file(MAKE_DIRECTORY ${scripts})
  foreach(shell bash zsh fish)
    add_custom_command(OUTPUT ${scripts}/tern.${shell} DEPENDS tern VERBATIM
                       COMMAND tern completion ${shell} > ${scripts}/tern.${shell})
  endforeach()
  add_custom_target(completion ALL
                    DEPENDS ${scripts}/tern.bash ${scripts}/tern.zsh ${scripts}/tern.fish)
  install(FILES ${scripts}/tern.bash RENAME tern
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${scripts}/tern.zsh RENAME _tern
          DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES ${scripts}/tern.fish
          DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

file(GLOB TERN_MAN docs/man/*.1)
install(FILES ${TERN_MAN} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
