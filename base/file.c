#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "str.h"

#define STEP_BYTES (64u << 10)

static bool unreadable(const char *what, struct status *st)
{
    return status_set(st, STATUS_UNAVAILABLE, "FILE_UNREADABLE", "%s", what);
}

/* Reads until the end: a file can grow after its size was asked for. */
static bool read_rest(int fd, size_t max_bytes, struct str *bytes, struct status *st)
{
    for (;;) {
        char *to = str_extend(bytes, STEP_BYTES);
        ssize_t n = read(fd, to, STEP_BYTES);
        str_truncate(bytes, bytes->len - STEP_BYTES + (n > 0 ? (size_t)n : 0));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n == 0 || unreadable(strerror(errno), st);
        }
        if (bytes->len > max_bytes) {
            return unreadable("the file is too large", st);
        }
    }
}

bool file_read(const char *path, size_t max_bytes, struct buf **ret_bytes, mode_t *ret_mode,
               struct status *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return unreadable(strerror(errno), st);
    }
    struct stat found;
    AUTO_STR bytes = {0};
    bool ok = (fstat(fd, &found) == 0 || unreadable(strerror(errno), st)) &&
              read_rest(fd, max_bytes, &bytes, st);
    close(fd);
    if (ok) {
        *ret_bytes = str_to_buf(&bytes);
        if (ret_mode != NULL) {
            *ret_mode = found.st_mode;
        }
    }
    return ok;
}
