# make install: command, both libraries, public headers, pkg-config file, CMake package, man pages.
include(CMakePackageConfigHelpers)
