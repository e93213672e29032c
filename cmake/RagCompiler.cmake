# Compiler settings for every file of ours. No -march: the binary must run on plain x86-64; files that use more say so
# themselves in src/vindex/CMakeLists.txt and are chosen at run time.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-Og -g3")

add_compile_definitions(_GNU_SOURCE)
add_compile_options(-fno-omit-frame-pointer -ffunction-sections -fdata-sections -fstack-protector-strong)
add_link_options(-Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,--as-needed)

set(RAG_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wold-style-definition -Wformat=2 -Wundef -Wvla -Wwrite-strings -Wpointer-arith
    -Wimplicit-fallthrough -Wswitch-enum -Wno-missing-field-initializers)
if(RAGSTORE_WERROR)
    list(APPEND RAG_WARNINGS -Werror)
endif()

if(RAGSTORE_SANITIZE)
    add_compile_options(-fsanitize=${RAGSTORE_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${RAGSTORE_SANITIZE})
    # instrumented code confuses these; the other builds check them
    list(APPEND RAG_WARNINGS -Wno-conversion -Wno-format-truncation)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        list(APPEND RAG_WARNINGS -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-stringop-overread)
    endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
    add_compile_definitions(_FORTIFY_SOURCE=2)
endif()
if(RAGSTORE_FUZZERS)
    if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
        message(FATAL_ERROR "RAGSTORE_FUZZERS needs clang (cmake --preset fuzz)")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
