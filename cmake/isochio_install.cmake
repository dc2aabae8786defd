# What `cmake --install` puts where, and the package that find_package(isochio) finds.
include(CMakePackageConfigHelpers)

set(libraries isochio_usb isochio_description isochio_bus isochio_fault isochio_controller isochio_driverkit isochio_reference isochio_coverage isochio_check isochio_capture
              isochio_libusb isochio_report isochio_scenario isochio_serve isochio_verilator isochio_verilated_runtime)
foreach(library ${libraries})
  string(REPLACE isochio_ "" name ${library})
  set_target_properties(${library} PROPERTIES EXPORT_NAME ${name})
endforeach()
install(TARGETS ${libraries} EXPORT isochio_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS isochio_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
# The translator of .iig files, and the CMake function that calls it.
set_target_properties(isochio-iig PROPERTIES EXPORT_NAME iig)
install(TARGETS isochio-iig EXPORT isochio_targets RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

set(headers ${CMAKE_INSTALL_INCLUDEDIR}/isochio)
install(DIRECTORY host/ DESTINATION ${headers} FILES_MATCHING PATTERN "*.h" PATTERN cli EXCLUDE PATTERN explore EXCLUDE
        PATTERN process EXCLUDE PATTERN examples EXCLUDE PATTERN iig EXCLUDE)
install(FILES verilator/simulated_device.h DESTINATION ${headers}/verilator)

set(data ${CMAKE_INSTALL_DATADIR}/isochio)
install(DIRECTORY rtl/devices/ DESTINATION ${data}/devices FILES_MATCHING PATTERN "*.toml")
install(DIRECTORY tests/scenarios/ DESTINATION ${data}/scenarios FILES_MATCHING PATTERN "*.toml")
install(DIRECTORY rtl/ DESTINATION ${data}/rtl FILES_MATCHING PATTERN "*.v" PATTERN "*.vh" PATTERN devices EXCLUDE)
install(FILES docs/report.schema.json host/libusb/70-isochio.rules DESTINATION ${data})

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/isochio)
install(EXPORT isochio_targets NAMESPACE isochio:: DESTINATION ${package} FILE isochio-targets.cmake)
set(ISOCHIO_DATA_PATH ${data})
configure_package_config_file(cmake/isochio-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/isochio-config.cmake
                              INSTALL_DESTINATION ${package} PATH_VARS ISOCHIO_DATA_PATH)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/isochio-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/isochio-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/isochio-config-version.cmake
              cmake/isochio_add_driver.cmake
        DESTINATION ${package})
