# make install: the command, both libraries, public headers, pkg-config file, CMake package, man pages. Everything
# finds its neighbours by relative paths, so the folder may be moved.
include(CMakePackageConfigHelpers)

# what a program that links the static library needs besides
set(RAG_REQUIRES "libzstd zlib expat libcrypto")
set(RAG_STATIC_LIBRARIES "zstd z expat crypto Threads::Threads m")
if(RAGSTORE_SQLITE STREQUAL "system")
    string(APPEND RAG_REQUIRES " sqlite3")
    string(PREPEND RAG_STATIC_LIBRARIES "sqlite3 ")
endif()
if(RAGSTORE_YYJSON STREQUAL "system")
    string(APPEND RAG_REQUIRES " yyjson")
    string(PREPEND RAG_STATIC_LIBRARIES "yyjson ")
endif()
string(REPLACE " " ";" RAG_STATIC_LIBRARIES "${RAG_STATIC_LIBRARIES}")

file(RELATIVE_PATH RAG_PC_TO_PREFIX /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
string(REGEX REPLACE "/$" "" RAG_PC_TO_PREFIX "${RAG_PC_TO_PREFIX}")
configure_file(cmake/ragstore.pc.in ragstore.pc @ONLY)
set(RAG_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/ragstore)
configure_package_config_file(cmake/ragstoreConfig.cmake.in ragstoreConfig.cmake
    INSTALL_DESTINATION ${RAG_PACKAGE_DIR} PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(ragstoreConfigVersion.cmake COMPATIBILITY SameMinorVersion)

install(TARGETS ragstore_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_BINARY_DIR}/libragstore.a DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET ragstore_postgres)
    install(TARGETS ragstore_postgres LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
install(DIRECTORY include/ragstore DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${CMAKE_BINARY_DIR}/ragstore.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${CMAKE_BINARY_DIR}/ragstoreConfig.cmake ${CMAKE_BINARY_DIR}/ragstoreConfigVersion.cmake
    DESTINATION ${RAG_PACKAGE_DIR})
install(TARGETS ragstore_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY docs/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 OPTIONAL FILES_MATCHING PATTERN "*.1")
