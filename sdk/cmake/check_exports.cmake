# cmake -DPLUGIN=x.so -P check_exports.cmake: fails unless the plugin defines exactly one dynamic symbol, the entry point.
execute_process(COMMAND nm -D --defined-only ${PLUGIN} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
if(NOT symbols MATCHES "^[0-9a-f]+ T chronik_plugin_main_v1\n$")
  message(FATAL_ERROR "${PLUGIN} must export chronik_plugin_main_v1 and nothing else, but nm -D shows:\n${symbols}")
endif()
