# One Verilated model = one object library.
#   isochio_verilate(NAME device_model PREFIX Vdevice TOP isochio_device SOURCE rtl/isochio_device.v
#                    INCLUDE rtl rtl/core … [FLAGS --trace-fst …])
# All that Verilator writes is compiled as one source file, so that the compiler sees the whole model and no list of
# generated files has to be known when CMake runs. Changed Verilog is found by the dependency file that Verilator writes.
include_guard(GLOBAL)
find_program(ISOCHIO_VERILATOR verilator REQUIRED)
execute_process(COMMAND ${ISOCHIO_VERILATOR} --getenv VERILATOR_ROOT OUTPUT_VARIABLE ISOCHIO_VERILATOR_ROOT
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
find_package(ZLIB REQUIRED)
find_package(Threads REQUIRED)

# The runtime that every model needs.
add_library(isochio_verilated_runtime STATIC ${ISOCHIO_VERILATOR_ROOT}/include/verilated.cpp
                                             ${ISOCHIO_VERILATOR_ROOT}/include/verilated_threads.cpp
                                             ${ISOCHIO_VERILATOR_ROOT}/include/verilated_fst_c.cpp)
target_include_directories(isochio_verilated_runtime SYSTEM PUBLIC ${ISOCHIO_VERILATOR_ROOT}/include
                                                                   ${ISOCHIO_VERILATOR_ROOT}/include/vltstd)
target_compile_definitions(isochio_verilated_runtime PUBLIC VM_COVERAGE=0 VM_SC=0 VM_TRACE=1 VM_TRACE_FST=1)
target_compile_options(isochio_verilated_runtime PRIVATE -w)
target_link_libraries(isochio_verilated_runtime PUBLIC ZLIB::ZLIB Threads::Threads)

function(isochio_verilate)
  set(isochio_verilate_script ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/join_verilated.cmake)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;PREFIX;TOP;SOURCE" "INCLUDE;FLAGS")
  set(directory ${CMAKE_CURRENT_BINARY_DIR}/${arg_NAME})
  set(joined ${directory}/${arg_PREFIX}_joined.cpp)
  list(TRANSFORM arg_INCLUDE PREPEND -I OUTPUT_VARIABLE includes)
  add_custom_command(
    OUTPUT ${joined}
    BYPRODUCTS ${directory}/${arg_PREFIX}.h
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${directory}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${directory}
    COMMAND ${ISOCHIO_VERILATOR} --cc --top-module ${arg_TOP} --prefix ${arg_PREFIX} --Mdir ${directory} -O3 --x-assign fast
            --x-initial fast --noassert --output-split 0 -Wno-fatal --MMD ${includes} ${arg_FLAGS} ${arg_SOURCE}
    COMMAND ${CMAKE_COMMAND} -Ddirectory=${directory} -Dprefix=${arg_PREFIX} -Djoined=${joined} -P ${isochio_verilate_script}
    DEPENDS ${arg_SOURCE} ${isochio_verilate_script}
    DEPFILE ${directory}/${arg_PREFIX}_joined.d
    COMMENT "Verilating ${arg_TOP} (${arg_NAME})"
    VERBATIM)
  add_library(${arg_NAME} OBJECT ${joined})
  # -O2: measured faster than -O3 for what Verilator writes.
  target_compile_options(${arg_NAME} PRIVATE -O2 -fno-strict-aliasing -w)
  target_include_directories(${arg_NAME} SYSTEM PUBLIC ${directory})
  target_link_libraries(${arg_NAME} PUBLIC isochio_verilated_runtime)
endfunction()
