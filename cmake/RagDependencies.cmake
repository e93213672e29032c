# Libraries: two private copies compiled in (docs/decisions/0001 and 0002), the rest from the system.
# Targets made here: ragsqlite, ragyyjson, ragutf8proc, PkgConfig::ZSTD, ZLIB::ZLIB, PkgConfig::EXPAT, OpenSSL::Crypto.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(EXPAT REQUIRED IMPORTED_TARGET expat)

# where scripts/bootstrap puts the private copies
if(DEFINED ENV{RAGSTORE_CACHE})
    set(RAG_CACHE "$ENV{RAGSTORE_CACHE}")
elseif(DEFINED ENV{XDG_CACHE_HOME})
    set(RAG_CACHE "$ENV{XDG_CACHE_HOME}/ragstore")
else()
    set(RAG_CACHE "$ENV{HOME}/.cache/ragstore")
endif()

# rag_find_copy(VARIABLE name): the folder of a private copy, from $VARIABLE or the cache
function(rag_find_copy VARIABLE NAME)
    set(FOLDER ${RAG_CACHE}/${NAME})
    if(DEFINED ENV{${VARIABLE}})
        set(FOLDER $ENV{${VARIABLE}})
    endif()
    set(${VARIABLE} "${FOLDER}" CACHE PATH "Folder with ${NAME}.c and ${NAME}.h")
    if(NOT EXISTS ${${VARIABLE}}/${NAME}.c)
        message(FATAL_ERROR "${${VARIABLE}}/${NAME}.c is not there: run scripts/bootstrap, or set ${VARIABLE} to a "
                            "folder that has ${NAME}.c and ${NAME}.h")
    endif()
endfunction()

# how the private copies are compiled: their warnings are not ours to fix, and checking them for undefined behaviour
# would double the time of the sanitizer builds (addresses and threads are checked in them too)
set(RAG_COPY_OPTIONS -w $<$<NOT:$<CONFIG:Release>>:-O1>)
if(RAGSTORE_SANITIZE MATCHES "undefined")
    list(APPEND RAG_COPY_OPTIONS -fno-sanitize=undefined)
endif()

# --- SQLite -----------------------------------------------------------------------------------------------------
# What may differ from upstream's defaults, and why, is in docs/decisions/0001-private-sqlite.md.
set(RAG_SQLITE_OPTIONS
    SQLITE_THREADSAFE=2 SQLITE_DQS=0 SQLITE_DEFAULT_MEMSTATUS=0 SQLITE_MAX_MMAP_SIZE=0 SQLITE_OMIT_LOAD_EXTENSION
    SQLITE_OMIT_DEPRECATED SQLITE_OMIT_SHARED_CACHE SQLITE_LIKE_DOESNT_MATCH_BLOBS SQLITE_ENABLE_FTS5 HAVE_FDATASYNC=1
    fdatasync=os_fdatasync)
set(RAG_SQLITE_SYSTEM_MINIMUM 3.51.3)
if(RAGSTORE_SQLITE STREQUAL "private")
    rag_find_copy(RAGSTORE_SQLITE_DIR sqlite3)
    file(STRINGS ${RAGSTORE_SQLITE_DIR}/sqlite3.h RAG_SQLITE_LINE REGEX "^#define SQLITE_VERSION ")
    string(REGEX REPLACE ".*\"(.*)\".*" "\\1" RAG_SQLITE_VERSION "${RAG_SQLITE_LINE}")
    if(RAG_SQLITE_VERSION VERSION_LESS 3.53.0)
        message(FATAL_ERROR "SQLite ${RAG_SQLITE_VERSION} in ${RAGSTORE_SQLITE_DIR} is older than 3.53.0")
    endif()
    add_library(ragsqlite STATIC ${RAGSTORE_SQLITE_DIR}/sqlite3.c)
    target_compile_definitions(ragsqlite PRIVATE ${RAG_SQLITE_OPTIONS})
    target_compile_options(ragsqlite PRIVATE ${RAG_COPY_OPTIONS})
    target_include_directories(ragsqlite SYSTEM INTERFACE ${RAGSTORE_SQLITE_DIR})
    target_link_libraries(ragsqlite PUBLIC ragcore Threads::Threads m) # ragcore: os_fdatasync()
elseif(RAGSTORE_SQLITE STREQUAL "system")
    pkg_check_modules(SYSTEM_SQLITE REQUIRED IMPORTED_TARGET sqlite3)
    if(SYSTEM_SQLITE_VERSION VERSION_LESS ${RAG_SQLITE_SYSTEM_MINIMUM})
        message(FATAL_ERROR "the system's SQLite is ${SYSTEM_SQLITE_VERSION}; at least ${RAG_SQLITE_SYSTEM_MINIMUM} is "
                            "needed (older ones can lose a commit when a WAL is reset): use RAGSTORE_SQLITE=private")
    endif()
    set(RAG_SQLITE_VERSION "${SYSTEM_SQLITE_VERSION} (system)")
    # its header is checked too: pkg-config may speak of another installation
    add_library(ragsqlite STATIC ${CMAKE_CURRENT_SOURCE_DIR}/cmake/check_sqlite.c)
    target_link_libraries(ragsqlite PUBLIC PkgConfig::SYSTEM_SQLITE)
else()
    message(FATAL_ERROR "RAGSTORE_SQLITE is '${RAGSTORE_SQLITE}': private or system")
endif()

# --- yyjson -----------------------------------------------------------------------------------------------------
if(RAGSTORE_YYJSON STREQUAL "private")
    rag_find_copy(RAGSTORE_YYJSON_DIR yyjson)
    file(STRINGS ${RAGSTORE_YYJSON_DIR}/yyjson.h RAG_YYJSON_LINE REGEX "^#define YYJSON_VERSION_STRING ")
    string(REGEX REPLACE ".*\"(.*)\".*" "\\1" RAG_YYJSON_VERSION "${RAG_YYJSON_LINE}")
    if(RAG_YYJSON_VERSION VERSION_LESS 0.10.0)
        message(FATAL_ERROR "yyjson ${RAG_YYJSON_VERSION} in ${RAGSTORE_YYJSON_DIR} is older than 0.10.0")
    endif()
    add_library(ragyyjson STATIC ${RAGSTORE_YYJSON_DIR}/yyjson.c)
    target_compile_options(ragyyjson PRIVATE ${RAG_COPY_OPTIONS})
    target_include_directories(ragyyjson SYSTEM INTERFACE ${RAGSTORE_YYJSON_DIR})
elseif(RAGSTORE_YYJSON STREQUAL "system")
    pkg_check_modules(SYSTEM_YYJSON REQUIRED IMPORTED_TARGET yyjson>=0.10)
    set(RAG_YYJSON_VERSION "${SYSTEM_YYJSON_VERSION} (system)")
    add_library(ragyyjson INTERFACE)
    target_link_libraries(ragyyjson INTERFACE PkgConfig::SYSTEM_YYJSON)
else()
    message(FATAL_ERROR "RAGSTORE_YYJSON is '${RAGSTORE_YYJSON}': private or system")
endif()

# --- utf8proc ---------------------------------------------------------------------------------------------------
# The tables of letters' case, compiled in from the package's archive: docs/decisions/0014-utf8proc.md.
pkg_check_modules(UTF8PROC REQUIRED libutf8proc)
find_library(RAG_UTF8PROC_ARCHIVE libutf8proc.a HINTS ${UTF8PROC_LIBRARY_DIRS} REQUIRED)
add_library(ragutf8proc INTERFACE)
target_link_libraries(ragutf8proc INTERFACE ${RAG_UTF8PROC_ARCHIVE})
target_include_directories(ragutf8proc SYSTEM INTERFACE ${UTF8PROC_INCLUDE_DIRS})

message(STATUS "SQLite ${RAG_SQLITE_VERSION}, yyjson ${RAG_YYJSON_VERSION}, zstd ${ZSTD_VERSION}, "
               "zlib ${ZLIB_VERSION_STRING}, utf8proc ${UTF8PROC_VERSION}, expat ${EXPAT_VERSION}, OpenSSL ${OPENSSL_VERSION}")
