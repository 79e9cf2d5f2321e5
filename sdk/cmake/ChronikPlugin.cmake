# chronik_add_plugin(name source ...): a shared object that chronikd can load, as every plugin of chronik is linked. Used by
# the build of chronik itself and, after find_package(chronik-sdk), by plugins out of its tree. Sources may be C or C++.
# chronik_plugin_exports_test(name): a ctest case that the plugin exports its entry point and nothing else.

function(chronik_add_plugin name)
  if(NOT ARGN)
    message(FATAL_ERROR "chronik_add_plugin(${name}): name its sources")
  endif()
  get_property(configurations GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  if(NOT CMAKE_BUILD_TYPE AND NOT configurations)
    message(WARNING "CMAKE_BUILD_TYPE is empty: ${name} is built without optimisation; add -DCMAKE_BUILD_TYPE=Release")
  endif()
  add_library(${name} MODULE ${ARGN})
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so"
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(${name} PRIVATE chronik::sdk)
  # Unique symbols of g++ are merged over all plugins of a process, whatever their visibility; clang has none.
  target_compile_options(${name} PRIVATE $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fno-gnu-unique>)
  # What is missing shows when linking or loading, not in the first rare call; nothing of a static library is exported.
  target_link_options(${name} PRIVATE -Wl,-z,now -Wl,-z,relro -Wl,--exclude-libs,ALL
    -Wl,--version-script=${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map)
  # The symbols of a sanitizer's runtime are in the program that loads the plugin.
  if("${CHRONIK_SANITIZE}" STREQUAL "" AND NOT "${CMAKE_C_FLAGS} ${CMAKE_CXX_FLAGS}" MATCHES "-fsanitize")
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
  set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map)
endfunction()

function(chronik_plugin_exports_test name)
  add_test(NAME ${name}_exports COMMAND ${CMAKE_COMMAND} -DPLUGIN=$<TARGET_FILE:${name}>
    -P ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/check_exports.cmake)
endfunction()
