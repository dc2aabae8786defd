# Synthesizes the device for iCE40 with two engines and small memories. Fails on an error, a latch or a loop of logic; reports
# cells and block RAMs. Uses YOSYS (program), RTL (folder), LOG (file to write).
file(GLOB sources ${RTL}/core/*.v ${RTL}/endpoint/*.v ${RTL}/function/*.v ${RTL}/isochio_device.v)
list(JOIN sources " " sources)
set(small "-set IN_ENGINES 2 -set OUT_ENGINES 2 -set LOG_LOG2 4 -set LOOPBACK_LOG2 9 -set LOOPBACK_PAIRS 1")
execute_process(
  COMMAND ${YOSYS} -q -l ${LOG} -p
          "read_verilog -I${RTL} ${sources}; chparam ${small} isochio_device; synth_ice40 -top isochio_device; check -assert; stat"
  RESULT_VARIABLE result ERROR_VARIABLE errors OUTPUT_QUIET)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "yosys failed (${result}): ${errors}\nsee ${LOG}")
endif()
file(STRINGS ${LOG} latches REGEX "^Latch inferred|SB_DLATCH|found logic loop")
if(latches)
  message(FATAL_ERROR "latches or loops, see ${LOG}: ${latches}")
endif()
foreach(cell SB_LUT4 SB_RAM40_4K)
  file(STRINGS ${LOG} counts REGEX "^ +${cell} +[0-9]+$")
  if(NOT counts)
    message(FATAL_ERROR "no count of ${cell} in ${LOG}")
  endif()
  list(GET counts -1 count)
  message(STATUS "${count}")
endforeach()
