# One folder of host/ = one library. Sources are found by name, so that adding a file needs no change here.
#   isochio_folder(bus usb)  makes the target isochio_bus, which uses isochio_usb
function(isochio_folder name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cc)
  set(target isochio_${name})
  if(sources)
    add_library(${target} STATIC ${sources})
    set(scope PUBLIC)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                           $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)  # wrong alarms of GCC 12 about std::string
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(isochio::${name} ALIAS ${target})
  target_compile_features(${target} ${scope} cxx_std_20)
  target_include_directories(${target} ${scope} $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/host>
                                                $<INSTALL_INTERFACE:include/isochio>)
  foreach(used ${ARGN})
    if(TARGET isochio_${used})
      target_link_libraries(${target} ${scope} isochio_${used})
    else()
      target_link_libraries(${target} ${scope} ${used})
    endif()
  endforeach()
endfunction()
