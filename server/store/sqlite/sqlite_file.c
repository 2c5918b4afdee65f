#include "sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "str.h"

#define HEADER_SIZE 100
#define MAGIC "SQLite format 3" /* with its NUL */
#define AT_WRITE_VERSION 18     /* 1: with a rollback journal, 2: with a write-ahead log */
#define OTHERS 0077             /* the bits of a mode for group and others */

bool sqlite_file_fault(struct status *st, const char *doing, const char *path)
{
    return status_set(st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE", "%s %s: %s", doing, path,
                      strerror(errno));
}

static bool refuse(const struct sqlite_file *file, const char *reason, const char *why,
                   struct status *st)
{
    return status_set(st, STATUS_FAILED_PRECONDITION, reason, "%s %s", file->path, why);
}

/* ---- What this process holds ---- */

static pthread_mutex_t held_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sqlite_file *held;

static struct file_id id_of(const struct stat *about)
{
    return (struct file_id){.device = about->st_dev, .inode = about->st_ino};
}

static bool is_same(const struct file_id *a, const struct stat *b)
{
    return a->device == b->st_dev && a->inode == b->st_ino;
}

static bool is_held(const struct stat *about)
{
    pthread_mutex_lock(&held_lock);
    const struct sqlite_file *file = held;
    while (file != NULL && !is_same(&file->main, about)) {
        file = file->next_held;
    }
    pthread_mutex_unlock(&held_lock);
    return file != NULL;
}

static void note_held(struct sqlite_file *file)
{
    pthread_mutex_lock(&held_lock);
    file->next_held = held;
    held = file;
    pthread_mutex_unlock(&held_lock);
}

static void forget_held(const struct sqlite_file *file)
{
    pthread_mutex_lock(&held_lock);
    struct sqlite_file **link = &held;
    while (*link != NULL && *link != file) {
        link = &(*link)->next_held;
    }
    if (*link != NULL) {
        *link = file->next_held;
    }
    pthread_mutex_unlock(&held_lock);
}

void sqlite_file_init(struct sqlite_file *file)
{
    *file = (struct sqlite_file){.fd = -1};
}

void sqlite_file_fini(struct sqlite_file *file)
{
    forget_held(file);
    if (file->fd >= 0) {
        close(file->fd);
    }
    free(file->path);
    sqlite_file_init(file);
}

/* ---- Finding it ---- */

bool sqlite_file_find(struct sqlite_file *file, const char *location, bool *ret_exists,
                      struct status *st)
{
    struct stat about;
    file->path = realpath(location, NULL);
    *ret_exists = file->path != NULL;
    if (*ret_exists) {
        return true;
    }
    if (errno != ENOENT) {
        return sqlite_file_fault(st, "opening", location);
    }
    return lstat(location, &about) != 0 ||
           status_set(st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE",
                      "%s is a symbolic link, and what it names is not there", location);
}

/* ---- The lock ---- */

/* One look: the process that holds the lock; 0: the kernel does not tell. */
static long look_for_holder(const struct file_id *file)
{
    char wanted[64];
    char line[160];
    long holder = 0;
    FILE *locks = fopen("/proc/locks", "re");
    snprintf(wanted, sizeof wanted, "%02x:%02x:%ju", major(file->device), minor(file->device),
             (uintmax_t)file->inode);
    while (locks != NULL && holder == 0 && fgets(line, sizeof line, locks) != NULL) {
        long pid = 0;
        char place[64] = "";
        if (sscanf(line, "%*s FLOCK %*s %*s %ld %63s", &pid, place) == 2 &&
            strcmp(place, wanted) == 0) {
            holder = pid;
        }
    }
    if (locks != NULL) {
        fclose(locks);
    }
    return holder;
}

/* The kernel's list is read in pieces: a look can miss a lock while others come and go. */
static long find_holder(const struct file_id *file)
{
    long holder = 0;
    for (int looks = 0; holder == 0 && looks < 10; looks++) {
        holder = look_for_holder(file);
    }
    return holder;
}

static bool refuse_locked(const struct sqlite_file *file, const struct stat *about,
                          struct status *st)
{
    struct file_id id = id_of(about);
    char why[80] = "is in use by another process";
    long holder = find_holder(&id);
    if (holder > 0) {
        snprintf(why, sizeof why, "is in use by another process, number %ld", holder);
    }
    return refuse(file, "STORE_LOCKED", why, st);
}

/* A file that this process already holds must not be opened again: closing that descriptor would
 * drop SQLite's locks. */
static bool open_main(struct sqlite_file *file, struct stat *ret_about, struct status *st)
{
    if (stat(file->path, ret_about) != 0) {
        return sqlite_file_fault(st, "opening", file->path);
    }
    if (is_held(ret_about)) {
        return refuse_locked(file, ret_about, st);
    }
    if (!S_ISREG(ret_about->st_mode)) {
        return refuse(file, "STORE_FOREIGN", "is not a file", st);
    }
    file->fd = open(file->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return (file->fd >= 0 && fstat(file->fd, ret_about) == 0) ||
           sqlite_file_fault(st, "opening", file->path);
}

static bool lock(struct sqlite_file *file, const struct stat *about, struct status *st)
{
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? refuse_locked(file, about, st)
                                    : sqlite_file_fault(st, "locking", file->path);
    }
    file->main = id_of(about);
    note_held(file);
    return true;
}

/* ---- What it is ---- */

static bool is_mount_point(int fd)
{
    struct statx about;
    return statx(fd, "", AT_EMPTY_PATH, 0, &about) == 0 &&
           (about.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static bool check_names(const struct sqlite_file *file, const struct stat *about, struct status *st)
{
    if (about->st_nlink > 1) {
        return refuse(file, "STORE_LINKED",
                      "has another name (a hard link), by which its write-ahead log is not found: "
                      "remove one of them",
                      st);
    }
    return !is_mount_point(file->fd) ||
           refuse(file, "STORE_LINKED",
                  "is mounted there by itself, without its write-ahead log: mount its folder", st);
}

static bool stat_beside(const struct sqlite_file *file, const char *suffix, struct stat *ret)
{
    AUTO_STR name = {0};
    str_addf(&name, "%s%s", file->path, suffix);
    return stat(name.data, ret) == 0;
}

/* VACUUM INTO writes the first page last, so an incomplete copy has no header. */
static bool is_only_begun(const unsigned char header[HEADER_SIZE], size_t n)
{
    static const unsigned char nothing[HEADER_SIZE];
    size_t known = n < sizeof MAGIC ? n : sizeof MAGIC;
    return n < HEADER_SIZE ? memcmp(header, MAGIC, known) == 0
                           : memcmp(header, nothing, HEADER_SIZE) == 0;
}

/* A copy made by VACUUM INTO is not in WAL mode yet. */
static bool check_header(struct sqlite_file *file, struct status *st)
{
    unsigned char header[HEADER_SIZE] = {0};
    struct stat log;
    ssize_t n = pread(file->fd, header, sizeof header, 0);
    if (n < 0) {
        return sqlite_file_fault(st, "reading", file->path);
    }
    if (is_only_begun(header, (size_t)n)) {
        return refuse(file, "STORE_NOT_WHOLE", "is empty or was cut off: restore a backup", st);
    }
    if (memcmp(header, MAGIC, sizeof MAGIC) != 0) {
        return refuse(file, "STORE_FOREIGN", "is not a store of confreg", st);
    }
    file->is_copy = header[AT_WRITE_VERSION] == 1;
    return !file->is_copy || !stat_beside(file, "-wal", &log) || log.st_size == 0 ||
           refuse(file, "STORE_STRAY_LOG",
                  "is a copy, and the -wal beside it is of another file: move -wal and -shm away",
                  st);
}

/* Older files may be readable for others. Files of another user are left unchanged. */
static bool make_private(const char *path, const struct stat *about, struct status *st)
{
    return about->st_uid != geteuid() || (about->st_mode & OTHERS) == 0 ||
           chmod(path, about->st_mode & ~(mode_t)OTHERS & 07777) == 0 ||
           sqlite_file_fault(st, "making private", path);
}

static bool make_all_private(const struct sqlite_file *file, struct status *st)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        struct stat about;
        AUTO_STR path = {0};
        str_addf(&path, "%s%s", file->path, suffixes[i]);
        if (stat(path.data, &about) == 0 && !make_private(path.data, &about, st)) {
            return false;
        }
    }
    return true;
}

bool sqlite_file_take(struct sqlite_file *file, struct status *st)
{
    struct stat about;
    uint64_t ignored;
    return open_main(file, &about, st) && lock(file, &about, st) &&
           sqlite_file_check(file, &ignored, st) && check_names(file, &about, st) &&
           check_header(file, st) && make_all_private(file, st);
}

/* ---- Whether it is still there ---- */

bool sqlite_file_note(struct sqlite_file *file, struct status *st)
{
    struct stat log;
    struct stat index;
    uint64_t ignored;
    if (!stat_beside(file, "-wal", &log) || !stat_beside(file, "-shm", &index)) {
        return sqlite_file_fault(st, "looking at the files beside", file->path);
    }
    file->log = id_of(&log);
    file->index = id_of(&index);
    return sqlite_file_check(file, &ignored, st);
}

/* Skips files whose identity is not recorded yet. */
static bool is_there(const struct sqlite_file *file, const char *suffix, const struct file_id *id,
                     uint64_t *ret_size)
{
    struct stat about = {.st_size = 0};
    bool ok = id->inode == 0 || (stat_beside(file, suffix, &about) && is_same(id, &about));
    *ret_size = (uint64_t)about.st_size;
    return ok;
}

bool sqlite_file_check(const struct sqlite_file *file, uint64_t *ret_log_bytes, struct status *st)
{
    uint64_t ignored;
    const char *suffix = !is_there(file, "", &file->main, &ignored)           ? ""
                         : !is_there(file, "-wal", &file->log, ret_log_bytes) ? "-wal"
                         : !is_there(file, "-shm", &file->index, &ignored)    ? "-shm"
                                                                              : NULL;
    return suffix == NULL ||
           status_set(st, STATUS_UNAVAILABLE, "STORE_REPLACED",
                      "%s%s was removed or replaced: put it back, or see that the right files are "
                      "there and restart the server",
                      file->path, suffix);
}
