/* Another SQLite of this process comes while our last handle on a store is being closed: just before
 * each of the closes of the database and of its -shm in turn. Closing a descriptor takes away the
 * POSIX locks that the process has on the file, so it must have been kept out until then, or keep
 * its locks. The other one is played here, by the system calls that SQLite makes. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/os.h"
#include "unit/embedded_fixture.h"

enum { PENDING_AT = 0x40000000, SHARED_AT = PENDING_AT + 2, SHARED_LEN = 510, MOST = 64 };

static char directory[64], database[96], shm[128];
static int comes_at;  /* before which close; 0: never */
static int closes;    /* of the two files, since then */
static int other;     /* its descriptor; -1: not there */
static int is_locked; /* by it */

static int lock(int fd, short type, off_t start, off_t len)
{
    struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
    return fcntl(fd, F_SETLK, &l) == 0;
}

/* As unixLock() in SQLite takes SHARED. */
static void come(void)
{
    other = open(database, O_RDWR | O_CLOEXEC);
    assert_true(other >= 0);
    if (!lock(other, F_RDLCK, PENDING_AT, 1))
        return; /* busy: it would try again later */
    is_locked = lock(other, F_RDLCK, SHARED_AT, SHARED_LEN);
    assert_true(lock(other, F_UNLCK, PENDING_AT, 1));
}

static int is_one_of_them(int fd)
{
    struct stat st, a, b;
    return fstat(fd, &st) == 0 && ((stat(database, &a) == 0 && a.st_ino == st.st_ino) ||
                                   (stat(shm, &b) == 0 && b.st_ino == st.st_ino));
}

static int close_when_somebody_comes(int fd)
{
    if (comes_at && is_one_of_them(fd) && ++closes == comes_at)
        come();
    return close(fd);
}

static int has_lock(void)
{
    struct flock l = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = SHARED_AT, .l_len = SHARED_LEN
    };
    const int fd = open(database, O_RDWR | O_CLOEXEC);
    const int result = fcntl(fd, F_OFD_GETLK, &l);
    /* closed when all is seen: this takes the lock away as well */
    (void)close(fd);
    assert_int_equal(result, 0);
    return l.l_type != F_UNLCK;
}

static void use_and_shut(int n)
{
    void *self = embedded_must_open(directory, 0);
    const rag_call call = embedded_call(self, NULL);
    char key[24];
    (void)snprintf(key, sizeof key, "k%d", n);
    embedded_must_put(&call, key, "text");
    assert_int_equal(embedded_has(&call, key, "text"), 1);
    comes_at = n;
    closes = 0;
    other = -1;
    is_locked = 0;
    embedded_shut(self);
    comes_at = 0;
}

static void whoever_comes_while_we_close_keeps_its_locks(void **state)
{
    (void)state;
    int n = 1, came = 0, kept_out = 0;
    for (; n < MOST; n++) {
        use_and_shut(n);
        if (other < 0) /* there are not that many closes */
            break;
        came++;
        kept_out += !is_locked;
        if (is_locked && !has_lock())
            fail_msg("its lock is gone: it came before close %d of %d", n, closes);
        (void)close(other);
    }
    print_message("%d closes, kept out at %d\n", came, kept_out);
    assert_in_range(came, 3, MOST - 2);
    assert_true(kept_out > 0);
    for (int i = 1; i <= came; i++) {
        char key[24];
        void *self = embedded_must_open(directory, 0);
        const rag_call call = embedded_call(self, NULL);
        (void)snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(embedded_has(&call, key, "text"), 1);
        embedded_shut(self);
    }
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof directory, "/tmp/ragstore-closing-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    (void)snprintf(database, sizeof database, "%s/ragstore.db", directory);
    (void)snprintf(shm, sizeof shm, "%s-shm", database);
    os_calls.close = close_when_somebody_comes;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    os_calls.close = close;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command); /* NOLINT(cert-env33-c,concurrency-mt-unsafe): a path of our own */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_comes_while_we_close_keeps_its_locks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
