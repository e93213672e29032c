/* Compiled only with RAGSTORE_SQLITE=system: refuses a header older than what CMake was told. Versions before 3.51.3
 * can lose a committed transaction when a checkpoint resets the WAL while another connection starts to write. */
#include <sqlite3.h>

#if SQLITE_VERSION_NUMBER < 3051003
#error "the SQLite header found is older than 3.51.3: build with RAGSTORE_SQLITE=private"
#endif

_Static_assert(SQLITE_VERSION_NUMBER >= 3051003, "SQLite 3.51.3 or newer");
