# Functions that the CMakeLists.txt of the folders use. Adding a file is one line in a list.

# rag_library(name SOURCES file... [USES target...])
# One internal static library for one folder of src/. Its objects go into both public libraries; tests may link it
# directly and so see symbols that the public libraries hide.
function(rag_library NAME)
    cmake_parse_arguments(ARG "" "" "SOURCES;USES" ${ARGN})
    add_library(${NAME} STATIC ${ARG_SOURCES})
    target_compile_options(${NAME} PRIVATE ${RAG_WARNINGS})
    target_include_directories(${NAME} PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(${NAME} PUBLIC ${ARG_USES} Threads::Threads m)
    set_property(GLOBAL APPEND PROPERTY RAG_LIBRARIES ${NAME})
endfunction()

# rag_public_libraries(): ragstore::shared and ragstore::static, made of all internal libraries. Neither lets a symbol
# out that does not begin with rag_: not ours, not SQLite's, not yyjson's.
function(rag_public_libraries)
    get_property(LIBRARIES GLOBAL PROPERTY RAG_LIBRARIES)
    set(SYSTEM PkgConfig::ZSTD ZLIB::ZLIB PkgConfig::EXPAT OpenSSL::Crypto Threads::Threads m)
    if(RAGSTORE_ARCHIVES)
        set(SYSTEM)
        foreach(LIBRARY expat crypto zstd z) # Debian 13's libcrypto.a needs the last two
            find_library(RAG_ARCHIVE_${LIBRARY} lib${LIBRARY}.a REQUIRED)
            list(APPEND SYSTEM ${RAG_ARCHIVE_${LIBRARY}})
        endforeach()
        list(APPEND SYSTEM Threads::Threads m ${CMAKE_DL_LIBS})
    endif()
    set(PRIVATE_COPIES)
    if(RAGSTORE_SQLITE STREQUAL "private")
        list(APPEND PRIVATE_COPIES ragsqlite)
    else()
        list(APPEND SYSTEM PkgConfig::SYSTEM_SQLITE)
    endif()
    if(RAGSTORE_YYJSON STREQUAL "private")
        list(APPEND PRIVATE_COPIES ragyyjson)
    else()
        list(APPEND SYSTEM PkgConfig::SYSTEM_YYJSON)
    endif()

    set(OBJECTS)
    set(ARCHIVES)
    foreach(LIBRARY ${LIBRARIES} ${PRIVATE_COPIES})
        list(APPEND OBJECTS $<TARGET_OBJECTS:${LIBRARY}>)
        list(APPEND ARCHIVES $<TARGET_FILE:${LIBRARY}>)
    endforeach()

    list(APPEND ARCHIVES ${RAG_UTF8PROC_ARCHIVE})

    set(MAP ${PROJECT_SOURCE_DIR}/cmake/ragstore.map)
    add_library(ragstore_shared SHARED ${OBJECTS})
    set_target_properties(ragstore_shared PROPERTIES OUTPUT_NAME ragstore VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${MAP} LINKER_LANGUAGE C)
    if(RAGSTORE_ARCHIVES) # Debian's archives are made for programs: python/native/stderr.c
        set_target_properties(ragstore_shared PROPERTIES EXCLUDE_FROM_ALL ON)
    endif()
    target_link_options(ragstore_shared PRIVATE -Wl,--version-script=${MAP})
    target_link_libraries(ragstore_shared PRIVATE ragutf8proc ${SYSTEM})
    target_include_directories(ragstore_shared INTERFACE ${PROJECT_SOURCE_DIR}/include)
    add_library(ragstore::shared ALIAS ragstore_shared)

    # one relocatable object whose other global symbols become local
    set(ARCHIVE ${CMAKE_BINARY_DIR}/libragstore.a)
    set(OBJECT ${CMAKE_BINARY_DIR}/libragstore.o)
    add_custom_command(OUTPUT ${ARCHIVE}
        COMMAND ${CMAKE_LINKER} -r -o ${OBJECT} --whole-archive ${ARCHIVES}
        COMMAND ${CMAKE_OBJCOPY} --localize-hidden --wildcard --keep-global-symbol=rag_* ${OBJECT}
        COMMAND ${CMAKE_COMMAND} -E rm -f ${ARCHIVE}
        COMMAND ${CMAKE_AR} rcs ${ARCHIVE} ${OBJECT}
        DEPENDS ${LIBRARIES} ${PRIVATE_COPIES}
        COMMENT "Making libragstore.a (only rag_* stays visible)" VERBATIM)
    add_custom_target(ragstore_archive ALL DEPENDS ${ARCHIVE})
    add_library(ragstore_static STATIC IMPORTED GLOBAL)
    set_target_properties(ragstore_static PROPERTIES IMPORTED_LOCATION ${ARCHIVE}
        IMPORTED_NO_SYSTEM TRUE INTERFACE_INCLUDE_DIRECTORIES ${PROJECT_SOURCE_DIR}/include
        INTERFACE_LINK_LIBRARIES "${SYSTEM}")
    add_dependencies(ragstore_static ragstore_archive)
    add_library(ragstore::static ALIAS ragstore_static)
endfunction()

# rag_program(name SOURCES file... [LINKS target...] [OUTPUT name])
# A program over the public headers and the static library only: the command, an example, a bench.
function(rag_program NAME)
    cmake_parse_arguments(ARG "" "OUTPUT" "SOURCES;LINKS" ${ARGN})
    add_executable(${NAME} ${ARG_SOURCES})
    target_compile_options(${NAME} PRIVATE ${RAG_WARNINGS})
    target_link_libraries(${NAME} PRIVATE ragstore::static ${ARG_LINKS})
    if(ARG_OUTPUT)
        set_target_properties(${NAME} PROPERTIES OUTPUT_NAME ${ARG_OUTPUT})
    endif()
endfunction()

# rag_unit_test(name SOURCES file... [LINKS target...] [LABELS label...] [TIMEOUT seconds])
# A cmocka program and its ctest entry. LINKS: the internal libraries of the folders that it needs, or
# ragstore::static. LABELS: `unit` unless given; add `threads` when it is to run under the thread sanitizer too.
# The program finds test data at RAG_TEST_DATA and runs in an empty folder of its own.
function(rag_unit_test NAME)
    cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINKS;LABELS" ${ARGN})
    if(NOT ARG_LABELS)
        set(ARG_LABELS unit)
    endif()
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 120)
    endif()
    math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * ${RAGSTORE_TEST_SLOWNESS}")
    add_executable(${NAME} ${ARG_SOURCES})
    target_compile_options(${NAME} PRIVATE ${RAG_WARNINGS})
    target_compile_definitions(${NAME} PRIVATE RAG_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data")
    target_include_directories(${NAME} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_link_libraries(${NAME} PRIVATE ${ARG_LINKS} PkgConfig::CMOCKA)
    set(FOLDER ${CMAKE_BINARY_DIR}/tests/run/${NAME})
    set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME ${NAME} COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:${NAME}> -DFOLDER=${FOLDER}
        -P ${PROJECT_SOURCE_DIR}/cmake/run_in_folder.cmake)
    set_tests_properties(${NAME} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()

# rag_fuzz_target(name SOURCES file... CORPUS folder [LINKS target...])
# One LLVMFuzzerTestOneInput; the name begins with fuzz_. With the fuzz preset a libFuzzer program; otherwise, with any
# compiler, a program that replays the corpus, run by ctest with the label `fuzz`.
function(rag_fuzz_target NAME)
    cmake_parse_arguments(ARG "" "CORPUS" "SOURCES;LINKS" ${ARGN})
    add_executable(${NAME} ${ARG_SOURCES})
    target_compile_options(${NAME} PRIVATE ${RAG_WARNINGS})
    target_link_libraries(${NAME} PRIVATE ${ARG_LINKS})
    set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
    if(RAGSTORE_FUZZERS)
        if(NOT TARGET fuzzers)
            add_custom_target(fuzzers)
        endif()
        target_link_options(${NAME} PRIVATE -fsanitize=fuzzer)
        file(WRITE ${CMAKE_BINARY_DIR}/fuzz/${NAME}.corpus ${ARG_CORPUS})
        add_dependencies(fuzzers ${NAME})
    else()
        target_sources(${NAME} PRIVATE ${PROJECT_SOURCE_DIR}/fuzz/replay.c)
        add_test(NAME ${NAME} COMMAND ${NAME} ${ARG_CORPUS})
        set_tests_properties(${NAME} PROPERTIES LABELS fuzz TIMEOUT 120)
    endif()
endfunction()
