# Helpers for the folders' CMakeLists: chronik_library, chronik_executable, chronik_plugin, chronik_test, chronik_fuzzer.
# Every target gets the same language level, warnings, include root and output folders.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CHRONIK_PLUGIN_DIR ${CMAKE_BINARY_DIR}/lib/chronik/plugins)
set(CHRONIK_EXAMPLE_DIR ${CMAKE_BINARY_DIR}/lib/chronik/examples)
set(CHRONIK_TEST_DIR ${CMAKE_BINARY_DIR}/test)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")

find_program(CHRONIK_CCACHE ccache)
if(CHRONIK_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CHRONIK_CCACHE})
  # Precompiled headers carry times and defines that ccache must be told to look through.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CHRONIK_CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wcast-qual -Wformat=2 -Wimplicit-fallthrough -Wundef -Werror
                    -fno-omit-frame-pointer -fstack-protector-strong)
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>
                    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fno-gnu-unique>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # std::stable_sort of gcc 12's library calls what the library deprecates.
  add_compile_options(-Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-deprecated-declarations)
endif()
# Without it the fuzzers see which branches their own source takes, and none of the code under test.
if(CHRONIK_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
# gcc sees use-after-free and overflows that are not there once sanitizers rewrite the code.
if(CHRONIK_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -Wno-maybe-uninitialized)
  add_link_options(-fsanitize=address,undefined)
elseif(CHRONIK_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -Wno-tsan)
  add_link_options(-fsanitize=thread)
  add_library(chronik_sanitizer_options OBJECT ${PROJECT_SOURCE_DIR}/cmake/tsan_options.cc)
elseif(CHRONIK_SANITIZE)
  message(FATAL_ERROR "CHRONIK_SANITIZE is address, thread or empty, not '${CHRONIK_SANITIZE}'")
endif()
# How many times longer a test may take.
set(CHRONIK_SLOWDOWN 1)
if(CHRONIK_SANITIZE)
  set(CHRONIK_SLOWDOWN 5)
endif()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
# Boost 1.81, header-only: Debian also ships 1.74, so the version is pinned.
find_package(Boost 1.81 REQUIRED)
add_compile_definitions(BOOST_DLL_USE_STD_FS BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
if(CHRONIK_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

# Adds each folder that exists, or only those in CHRONIK_ONLY.
function(chronik_folders)
  foreach(folder IN LISTS ARGN)
    if(CHRONIK_ONLY AND NOT folder IN_LIST CHRONIK_ONLY)
      continue()
    endif()
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt)
      add_subdirectory(${folder})
    endif()
  endforeach()
endfunction()

function(_chronik_root target)
  # -iquote, not -I: a file in the root can never shadow a system header.
  target_compile_options(${target} PRIVATE "SHELL:-iquote ${PROJECT_SOURCE_DIR}" "SHELL:-iquote ${PROJECT_BINARY_DIR}")
  get_target_property(type ${target} TYPE)
  if(TARGET chronik_sanitizer_options AND type STREQUAL "EXECUTABLE")
    target_link_libraries(${target} PRIVATE chronik_sanitizer_options)
  endif()
endfunction()

# chronik_library(name SOURCES a.cc ... [PUBLIC libs that its headers need] [PRIVATE libs that its .cc need])
function(chronik_library name)
  cmake_parse_arguments(A "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  _chronik_root(${name})
  target_link_libraries(${name} PUBLIC ${A_PUBLIC} PRIVATE ${A_PRIVATE})
endfunction()

# chronik_executable(name SOURCES ... [LIBS ...] [INSTALL component]) -> <build>/bin/name; component: broker or sdk
function(chronik_executable name)
  cmake_parse_arguments(A "" "INSTALL" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  _chronik_root(${name})
  target_link_libraries(${name} PRIVATE ${A_LIBS} Threads::Threads)
  if(A_INSTALL)
    install(TARGETS ${name} RUNTIME DESTINATION bin COMPONENT ${A_INSTALL})
  endif()
endfunction()

# chronik_plugin(name SOURCES ... [LIBS ...]) -> <build>/lib/chronik/plugins/name.so, linked as the SDK links a vendor's.
# It is installed with the broker. DIR puts it elsewhere and keeps it out of the installation (test fixtures, examples).
include(${PROJECT_SOURCE_DIR}/sdk/cmake/ChronikPlugin.cmake)
function(chronik_plugin name)
  cmake_parse_arguments(A "" "DIR" "SOURCES;LIBS" ${ARGN})
  chronik_add_plugin(${name} ${A_SOURCES})
  _chronik_root(${name})
  target_link_libraries(${name} PRIVATE ${A_LIBS})
  if(A_DIR)
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${A_DIR})
  else()
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CHRONIK_PLUGIN_DIR})
    install(TARGETS ${name} LIBRARY DESTINATION lib/chronik/plugins COMPONENT broker)
  endif()
endfunction()

# chronik_test(name SOURCES ... [LIBS ...] [TIMEOUT seconds] [LABELS ...]): a GoogleTest program, one ctest case a program.
# All share one precompiled header.
function(chronik_test name)
  if(NOT CHRONIK_TESTS)
    return()
  endif()
  cmake_parse_arguments(A "" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  math(EXPR A_TIMEOUT "${A_TIMEOUT} * ${CHRONIK_SLOWDOWN}")
  if(NOT TARGET chronik_test_main)
    file(WRITE ${PROJECT_BINARY_DIR}/test_main.cc
      "#include <gtest/gtest.h>\nint main(int argc, char** argv) {\n  testing::InitGoogleTest(&argc, argv);\n"
      "  GTEST_FLAG_SET(death_test_style, \"threadsafe\");\n  return RUN_ALL_TESTS();\n}\n")
    add_library(chronik_test_main STATIC ${PROJECT_BINARY_DIR}/test_main.cc)
    target_link_libraries(chronik_test_main PUBLIC GTest::gtest GTest::gmock Threads::Threads)
    # As the test programs are compiled, or the precompiled header does not fit them.
    set_target_properties(chronik_test_main PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(chronik_test_main PRIVATE -fPIE)
    target_precompile_headers(chronik_test_main PRIVATE
      <gtest/gtest.h> <gmock/gmock.h> <algorithm> <chrono> <filesystem> <fstream> <functional> <map> <memory> <optional>
      <random> <set> <span> <sstream> <string> <string_view> <thread> <variant> <vector>)
  endif()
  add_executable(${name} ${A_SOURCES})
  _chronik_root(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CHRONIK_TEST_DIR})
  target_precompile_headers(${name} REUSE_FROM chronik_test_main)
  target_link_libraries(${name} PRIVATE ${A_LIBS} chronik_test_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${A_TIMEOUT} LABELS "${A_LABELS}"
    ENVIRONMENT "CHRONIK_BUILD=${CMAKE_BINARY_DIR};CHRONIK_SOURCE=${PROJECT_SOURCE_DIR}")
endfunction()

# chronik_fuzzer(name SOURCES x_fuzz.cc [LIBS ...] CORPUS dir): with CHRONIK_FUZZ and clang a libFuzzer program; otherwise a
# program that replays the corpus, run by ctest. The source defines LLVMFuzzerTestOneInput.
function(chronik_fuzzer name)
  if(NOT CHRONIK_TESTS)
    return()
  endif()
  cmake_parse_arguments(A "" "CORPUS" "SOURCES;LIBS" ${ARGN})
  if(CHRONIK_FUZZ)
    add_executable(${name} ${A_SOURCES})
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${A_SOURCES} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME ${name} COMMAND ${name} ${A_CORPUS})
    set_tests_properties(${name} PROPERTIES TIMEOUT 120 LABELS fuzz)
  endif()
  _chronik_root(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CHRONIK_TEST_DIR})
  target_link_libraries(${name} PRIVATE ${A_LIBS} Threads::Threads)
endfunction()
