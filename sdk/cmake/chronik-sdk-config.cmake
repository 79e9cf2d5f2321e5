# find_package(chronik-sdk 1.0): chronik::interfaces (the C headers), chronik::sdk (the C++ headers over them),
# chronik_add_plugin, and where the programs of this installation are: CHRONIK_PREFIX.
include(${CMAKE_CURRENT_LIST_DIR}/chronik-sdk-targets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/ChronikPlugin.cmake)
get_filename_component(CHRONIK_PREFIX ${CMAKE_CURRENT_LIST_DIR}/../../.. ABSOLUTE)
