/* Looking into a write-ahead log leaves it as it is. */
#include "sqlite_doubt.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "leak_check.h"
#include "store_open.h"

#define FIRST_LOCK 120 /* of FILE-shm, see https://www.sqlite.org/walformat.html */
#define LOCKS 9        /* the last one says that the file is in use */

static char folder[] = "/tmp/confreg-test-XXXXXX";

static void name_file(const char *suffix, char path[64])
{
    snprintf(path, 64, "%s/log.db%s", folder, suffix);
}

/* As another process sees it; a process does not see its own locks. */
static bool is_in_use(void)
{
    int status = 0;
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        char path[64];
        name_file("-shm", path);
        struct flock lock = {
            .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = FIRST_LOCK, .l_len = LOCKS};
        int fd = open(path, O_RDWR | O_CLOEXEC);
        _exit(fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static struct store *open_store(void)
{
    struct status st;
    struct store *store = NULL;
    char path[64];
    char address[80];
    cr_assert_not_null(mkdtemp(folder));
    name_file("", path);
    snprintf(address, sizeof address, "sqlite:%s", path);
    cr_assert(store_open(address, &store, &st), "%s", st.message);
    return store;
}

static void close_store(struct store *store)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    store_close(store);
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        char path[64];
        name_file(suffixes[i], path);
        unlink(path);
    }
    rmdir(folder);
    leak_check();
}

/* Else the next process that opens the file takes it for left alone, and cuts off what is mapped
 * here. */
Test(sqlite_doubt, looking_lets_no_lock_go)
{
    struct store *store = open_store();
    cr_assert(is_in_use());
    cr_expect_not(sqlite_may_have_happened(sqlite_of(store)), "nothing was written");
    cr_expect(is_in_use());
    close_store(store);
}
