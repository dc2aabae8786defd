# Builds DriverKit driver code against isochio's headers.
#   isochio_add_driver(MyDriver MyDriver.iig MyDriver.cpp …)
# makes the static library MyDriver. Each X.iig becomes X.h and X.iig.cpp; both #include "X.h" and
# #include <MyDriver/X.h> find the header. Uses the target isochio::iig, or the program isochio-iig if there is none.
function(isochio_add_driver target)
  set(sources)
  set(definitions)
  foreach(file ${ARGN})
    if(file MATCHES "\\.iig$")
      list(APPEND definitions ${file})
    else()
      list(APPEND sources ${file})
    endif()
  endforeach()
  if(TARGET isochio::iig)
    set(iig isochio::iig)
  else()
    find_program(ISOCHIO_IIG isochio-iig REQUIRED)
    set(iig ${ISOCHIO_IIG})
  endif()
  set(directory ${CMAKE_CURRENT_BINARY_DIR}/iig/${target})
  file(MAKE_DIRECTORY ${directory})
  foreach(definition ${definitions})
    get_filename_component(name ${definition} NAME_WE)
    get_filename_component(path ${definition} ABSOLUTE)
    add_custom_command(
      OUTPUT ${directory}/${name}.h ${directory}/${name}.iig.cpp
      COMMAND ${iig} --def ${path} --header ${directory}/${name}.h --impl ${directory}/${name}.iig.cpp
              --framework-name ${target}
      DEPENDS ${path} ${iig}
      COMMENT "Translating ${name}.iig"
      VERBATIM)
    list(APPEND sources ${directory}/${name}.h ${directory}/${name}.iig.cpp)
  endforeach()
  add_library(${target} STATIC ${sources})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC ${directory} ${CMAKE_CURRENT_BINARY_DIR}/iig)
  target_link_libraries(${target} PUBLIC isochio::driverkit)
endfunction()
