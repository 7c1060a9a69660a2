# SPDX-License-Identifier: Apache-2.0
# tern_embed(TARGET SYMBOL FILE): compiles the bytes of FILE into TARGET as
#     extern const unsigned char SYMBOL[]; extern const size_t SYMBOL_len;
# so that a program finds its tables wherever it lies.  A NUL follows the bytes, not counted.
if(CMAKE_SCRIPT_MODE_FILE) # the part that runs while building: -DIN= -DOUT= -DSYMBOL=
  file(READ ${IN} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR bytes "${digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," list "${hex}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n"
         list "${list}")
  file(WRITE ${OUT} "/* Made from a file of the sources by cmake/embed.cmake. */\n"
       "#include <stddef.h>\n"
       "extern const unsigned char ${SYMBOL}[${bytes} + 1];\nextern const size_t ${SYMBOL}_len;\n"
       "const unsigned char ${SYMBOL}[${bytes} + 1] = {\n${list}0};\n"
       "const size_t ${SYMBOL}_len = ${bytes};\n")
  return()
endif()

set(TERN_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(tern_embed target symbol file)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embedded/${symbol}.c)
  file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/embedded)
  add_custom_command(OUTPUT ${out} DEPENDS ${file} ${TERN_EMBED_SCRIPT} VERBATIM
                     COMMAND ${CMAKE_COMMAND} -DIN=${file} -DOUT=${out} -DSYMBOL=${symbol}
                             -P ${TERN_EMBED_SCRIPT})
  target_sources(${target} PRIVATE ${out})
endfunction()
