#include "sqlite_vfs.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "mem.h"

/* SQLite's VFS for Unix takes up to 2^17 - 1 bytes in one write. */
#define GATHER_BYTES ((sqlite3_int64)1 << 16)
#define SYNC_BYTES ((sqlite3_int64)1 << 20)

struct file {
    sqlite3_file base;  /* first: what SQLite sees */
    sqlite3_file *real; /* owned; of the default VFS */
    bool gathers;       /* the log of an appender */
    bool paces;         /* the database of a copier */
    char *gathered;     /* owned; GATHER_BYTES, or NULL as long as nothing was */
    sqlite3_int64 at, n_gathered;
    sqlite3_int64 unsynced; /* bytes written since the last sync */
    bool lost;              /* the last sync of the log failed */
};

static struct file *file_of(sqlite3_file *base)
{
    return (struct file *)(void *)base;
}

static const sqlite3_io_methods *real_of(const struct file *file)
{
    return file->real->pMethods;
}

/* ---- Gathering ---- */

static int flush(struct file *file)
{
    sqlite3_int64 n = file->n_gathered;
    file->n_gathered = 0;
    return n == 0 ? SQLITE_OK : real_of(file)->xWrite(file->real, file->gathered, (int)n, file->at);
}

/* The log is written from its beginning to its end, so what comes next mostly follows. */
static int gather(struct file *file, const void *bytes, int n, sqlite3_int64 at)
{
    bool follows = at == file->at + file->n_gathered && file->n_gathered + n <= GATHER_BYTES;
    int code = follows ? SQLITE_OK : flush(file);
    if (code != SQLITE_OK || n > GATHER_BYTES) {
        return code != SQLITE_OK ? code : real_of(file)->xWrite(file->real, bytes, n, at);
    }
    if (file->gathered == NULL) {
        file->gathered = mem_alloc(GATHER_BYTES);
    }
    if (file->n_gathered == 0) {
        file->at = at;
    }
    memcpy(file->gathered + file->n_gathered, bytes, (size_t)n);
    file->n_gathered += n;
    return SQLITE_OK;
}

static int write_paced(struct file *file, const void *bytes, int n, sqlite3_int64 at)
{
    int code = real_of(file)->xWrite(file->real, bytes, n, at);
    file->unsynced += n;
    if (code == SQLITE_OK && file->unsynced >= SYNC_BYTES) {
        file->unsynced = 0;
        code = real_of(file)->xSync(file->real, SQLITE_SYNC_NORMAL);
    }
    return code;
}

/* ---- After a failed sync ---- */

/* After a failed fsync the kernel counts the pages as clean: a later fsync does not write them. So
 * the whole log is written again. SQLite repeats the failed transaction only, and the transactions
 * of upkeep before it would be lost. The appender syncs within its transaction, so no other
 * connection writes to the log meanwhile. */
static int write_again(struct file *file)
{
    sqlite3_int64 size = 0;
    int code = real_of(file)->xFileSize(file->real, &size);
    AUTO(free) char *bytes = mem_alloc(GATHER_BYTES);
    for (sqlite3_int64 at = 0; at < size && code == SQLITE_OK; at += GATHER_BYTES) {
        int n = (int)(size - at < GATHER_BYTES ? size - at : GATHER_BYTES);
        code = real_of(file)->xRead(file->real, bytes, n, at);
        code = code != SQLITE_OK ? code : real_of(file)->xWrite(file->real, bytes, n, at);
    }
    return code;
}

static int sync_log(struct file *file, int flags)
{
    int code = file->lost ? write_again(file) : SQLITE_OK;
    code = code != SQLITE_OK ? code : real_of(file)->xSync(file->real, flags);
    file->lost = code != SQLITE_OK;
    return code;
}

/* ---- What SQLite calls ---- */

static int file_close(sqlite3_file *base)
{
    struct file *file = file_of(base);
    int code = flush(file);
    int closed = real_of(file)->xClose(file->real);
    free(file->gathered);
    free(file->real);
    return code != SQLITE_OK ? code : closed;
}

static int file_write(sqlite3_file *base, const void *bytes, int n, sqlite3_int64 at)
{
    struct file *file = file_of(base);
    return file->gathers ? gather(file, bytes, n, at)
           : file->paces ? write_paced(file, bytes, n, at)
                         : real_of(file)->xWrite(file->real, bytes, n, at);
}

static int file_read(sqlite3_file *base, void *to, int n, sqlite3_int64 at)
{
    struct file *file = file_of(base);
    int code = flush(file);
    return code != SQLITE_OK ? code : real_of(file)->xRead(file->real, to, n, at);
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct file *file = file_of(base);
    int code = flush(file);
    return code != SQLITE_OK ? code : real_of(file)->xTruncate(file->real, size);
}

static int file_sync(sqlite3_file *base, int flags)
{
    struct file *file = file_of(base);
    int code = flush(file);
    file->unsynced = 0;
    if (code != SQLITE_OK) {
        return code;
    }
    return file->gathers ? sync_log(file, flags) : real_of(file)->xSync(file->real, flags);
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
    struct file *file = file_of(base);
    int code = flush(file);
    return code != SQLITE_OK ? code : real_of(file)->xFileSize(file->real, ret_size);
}

static int file_lock(sqlite3_file *base, int level)
{
    struct file *file = file_of(base);
    return real_of(file)->xLock(file->real, level);
}

static int file_unlock(sqlite3_file *base, int level)
{
    struct file *file = file_of(base);
    return real_of(file)->xUnlock(file->real, level);
}

static int file_check_lock(sqlite3_file *base, int *ret_locked)
{
    struct file *file = file_of(base);
    return real_of(file)->xCheckReservedLock(file->real, ret_locked);
}

static int file_control(sqlite3_file *base, int what, void *argument)
{
    struct file *file = file_of(base);
    return real_of(file)->xFileControl(file->real, what, argument);
}

static int file_sector_size(sqlite3_file *base)
{
    struct file *file = file_of(base);
    return real_of(file)->xSectorSize(file->real);
}

static int file_characteristics(sqlite3_file *base)
{
    struct file *file = file_of(base);
    return real_of(file)->xDeviceCharacteristics(file->real);
}

static int file_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **ret)
{
    struct file *file = file_of(base);
    return real_of(file)->xShmMap(file->real, region, size, extend, ret);
}

static int file_shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
    struct file *file = file_of(base);
    return real_of(file)->xShmLock(file->real, offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *base)
{
    struct file *file = file_of(base);
    real_of(file)->xShmBarrier(file->real);
}

static int file_shm_unmap(sqlite3_file *base, int delete)
{
    struct file *file = file_of(base);
    return real_of(file)->xShmUnmap(file->real, delete);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* with shared memory, without memory mapping */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

/* ---- The file systems ---- */

static sqlite3_vfs *system_vfs(void)
{
    return sqlite3_vfs_find(NULL);
}

static int open_file(const char *path, sqlite3_file *base, int flags, int *ret_flags)
{
    sqlite3_vfs *below = system_vfs();
    struct file *file = file_of(base);
    *file = (struct file){.real = mem_zalloc((size_t)below->szOsFile)};
    int code = below->xOpen(below, path, file->real, flags, ret_flags);
    if (file->real->pMethods == NULL) {
        free(MOVE(file->real));
    } else {
        file->base.pMethods = &methods; /* SQLite closes it, also after a failure */
    }
    return code;
}

static int open_for_appender(sqlite3_vfs *self, const char *path, sqlite3_file *base, int flags,
                             int *ret_flags)
{
    (void)self;
    int code = open_file(path, base, flags, ret_flags);
    file_of(base)->gathers = (flags & SQLITE_OPEN_WAL) != 0;
    return code;
}

static int open_for_copier(sqlite3_vfs *self, const char *path, sqlite3_file *base, int flags,
                           int *ret_flags)
{
    (void)self;
    int code = open_file(path, base, flags, ret_flags);
    file_of(base)->paces = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    return code;
}

static int vfs_delete(sqlite3_vfs *self, const char *path, int sync_folder)
{
    (void)self;
    return system_vfs()->xDelete(system_vfs(), path, sync_folder);
}

static int vfs_access(sqlite3_vfs *self, const char *path, int flags, int *ret_result)
{
    (void)self;
    return system_vfs()->xAccess(system_vfs(), path, flags, ret_result);
}

static int vfs_full_path(sqlite3_vfs *self, const char *path, int n, char *to)
{
    (void)self;
    return system_vfs()->xFullPathname(system_vfs(), path, n, to);
}

static sqlite3_vfs appender_vfs;
static sqlite3_vfs copier_vfs;

static void make(sqlite3_vfs *vfs, const char *name,
                 int (*open)(sqlite3_vfs *, const char *, sqlite3_file *, int, int *))
{
    *vfs = *system_vfs(); /* for what concerns no file: time, randomness */
    vfs->szOsFile = sizeof(struct file);
    vfs->zName = name;
    vfs->pNext = NULL;
    vfs->xOpen = open;
    vfs->xDelete = vfs_delete;
    vfs->xAccess = vfs_access;
    vfs->xFullPathname = vfs_full_path;
    int code = sqlite3_vfs_register(vfs, 0);
    assert(code == SQLITE_OK && "SQLite has initialized itself");
    (void)code;
}

void sqlite_vfs_register(void)
{
    int code = sqlite3_initialize();
    assert(code == SQLITE_OK && "memory can be had at start");
    (void)code;
    make(&appender_vfs, SQLITE_VFS_APPENDER, open_for_appender);
    make(&copier_vfs, SQLITE_VFS_COPIER, open_for_copier);
}

void sqlite_vfs_forget(sqlite3 *db)
{
    sqlite3_file *log = NULL;
    if (sqlite3_file_control(db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK &&
        log != NULL && log->pMethods == &methods) {
        file_of(log)->n_gathered = 0;
    }
}
