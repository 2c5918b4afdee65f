#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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

/* ---- Replacing ---- */

static bool unwritable(const char *path, struct status *st)
{
    return status_set(st, STATUS_UNAVAILABLE, "FILE_UNWRITABLE", "%s: %s", path, strerror(errno));
}

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        bytes += written > 0 ? written : 0;
        n -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

static bool take_over(int fd, const struct stat *like)
{
    return like == NULL || ((like->st_uid == geteuid() && like->st_gid == getegid()) ||
                            fchown(fd, like->st_uid, like->st_gid) == 0);
}

char *file_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? mem_string(".") : mem_text(path, (size_t)(slash - path) + 1);
}

/* A rename is on disk when its folder is. */
static bool sync_folder(const char *path)
{
    AUTO(free) char *folder = file_folder(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

bool file_replace(const char *path, const void *bytes, size_t n, const struct stat *like,
                  struct status *st)
{
    AUTO_STR new = {0};
    str_addf(&new, "%s.XXXXXX", path);
    int fd = mkostemp(new.data, O_CLOEXEC);
    if (fd < 0) {
        return unwritable(path, st);
    }
    mode_t mode = like == NULL ? S_IRUSR | S_IWUSR : like->st_mode & 07777;
    bool ok =
        write_all(fd, bytes, n) && take_over(fd, like) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    ok = close(fd) == 0 && ok && rename(new.data, path) == 0;
    if (!ok) {
        unwritable(path, st);
        unlink(new.data);
        return false;
    }
    return sync_folder(path) || unwritable(path, st);
}
