# cmake -DPROGRAM=... -DFOLDER=... -P run_in_folder.cmake: run a test program in a fresh, empty folder.
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER})
execute_process(COMMAND ${PROGRAM} WORKING_DIRECTORY ${FOLDER} RESULT_VARIABLE STATUS)
if(NOT STATUS EQUAL 0)
    message(FATAL_ERROR "${PROGRAM}: ${STATUS}")
endif()
