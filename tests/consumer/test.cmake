# Installs isochio into an empty folder, builds the consumer against it, runs it, and runs the installed command.
#   cmake -Dbuild=BUILD -Dfolder=EMPTY -P test.cmake
function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()
file(REMOVE_RECURSE ${folder})
run(${CMAKE_COMMAND} --install ${build} --prefix ${folder}/prefix)
run(${CMAKE_COMMAND} -G Ninja -S ${CMAKE_CURRENT_LIST_DIR} -B ${folder}/build -DCMAKE_PREFIX_PATH=${folder}/prefix
    -DCMAKE_BUILD_TYPE=Release)
run(${CMAKE_COMMAND} --build ${folder}/build)
run(${folder}/build/consumer)
# The installed command must find its own data, not the source tree's.
execute_process(COMMAND ${folder}/prefix/bin/isochio list --paths OUTPUT_VARIABLE paths COMMAND_ERROR_IS_FATAL ANY)
if(NOT paths MATCHES "${folder}/prefix/share/isochio/scenarios/loopback.toml")
  message(FATAL_ERROR "the installed command does not find its scenarios:\n${paths}")
endif()
run(${folder}/prefix/bin/isochio run loopback --frames 8)
