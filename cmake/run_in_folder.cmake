# cmake -DPROGRAM=... -DFOLDER=... -P run_in_folder.cmake: run a test program in a fresh, empty folder. The environment
# variable RAGSTORE_TEST_UNDER is a command that it runs under (scripts/run-tests valgrind).
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER})
separate_arguments(UNDER UNIX_COMMAND "$ENV{RAGSTORE_TEST_UNDER}")
execute_process(COMMAND ${UNDER} ${PROGRAM} WORKING_DIRECTORY ${FOLDER} RESULT_VARIABLE STATUS)
if(NOT STATUS EQUAL 0)
    message(FATAL_ERROR "${PROGRAM}: ${STATUS}")
endif()
