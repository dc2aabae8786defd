# The texts of the HTML report as a C++ source:
#   isochio_embed(OUTPUT file.cc NAMES page style … FILES page.html style.css …)
# An empty string among FILES is an empty text. This file is also the script that the build runs.
if(CMAKE_SCRIPT_MODE_FILE)
  set(source "// isochio: made by cmake/isochio_embed.cmake.\n#include \"report/html_parts.h\"\n\nnamespace isochio::report::html_parts {\n")
  foreach(name file IN ZIP_LISTS names files)
    set(text "")
    if(NOT file STREQUAL "none")
      file(READ "${file}" text)
      # A source map is not embedded, and a browser must not look for it.
      string(REGEX REPLACE "\n(//|/\\*)# sourceMappingURL=[^\n]*" "" text "${text}")
    endif()
    string(APPEND source "const std::string_view ${name} = R\"EMBEDDED(${text})EMBEDDED\";\n")
  endforeach()
  file(WRITE "${output}" "${source}}  // namespace isochio::report::html_parts\n")
  return()
endif()

function(isochio_embed)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "OUTPUT" "NAMES;FILES")
  set(existing ${arg_FILES})
  list(FILTER existing EXCLUDE REGEX "^none$")
  add_custom_command(OUTPUT ${arg_OUTPUT}
    COMMAND ${CMAKE_COMMAND} "-Dnames=${arg_NAMES}" "-Dfiles=${arg_FILES}" -Doutput=${arg_OUTPUT}
            -P ${PROJECT_SOURCE_DIR}/cmake/isochio_embed.cmake
    DEPENDS ${existing} ${PROJECT_SOURCE_DIR}/cmake/isochio_embed.cmake
    COMMENT "Embedding the HTML report's page" VERBATIM)
endfunction()
