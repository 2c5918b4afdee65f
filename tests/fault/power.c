#include "power.h"

#include <assert.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "random.h"
#include "str.h"

#define SECTOR 512

/* A change that is not synced yet. */
struct operation {
    enum { WRITE, TRUNCATE, REMOVE } kind;
    uint64_t number;
    size_t offset; /* TRUNCATE: the new size */
    struct buf *bytes;
};

struct disk_file {
    struct disk_file *next;
    char *path;
    bool exists; /* durably */
    struct str content;
    struct operation *pending;
    size_t n_pending;
};

static struct disk {
    struct disk_file *files;
    uint64_t n_operations;
    uint64_t cut_at;
    enum power_refusal refusal;
} disk = {.cut_at = UINT64_MAX};

/* A file that SQLite has open; the system's own file object follows in memory. */
struct open_file {
    sqlite3_file base;
    struct disk_file *on_disk; /* NULL: a temporary file */
};

static sqlite3_vfs *below;
static sqlite3_vfs vfs;

static sqlite3_file *real(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)((char *)file + sizeof(struct open_file));
}

static struct disk_file *on_disk(sqlite3_file *file)
{
    return ((struct open_file *)(void *)file)->on_disk;
}

/* The disk is below all locks of the program, so it has a mutex of SQLite's: the check that a
 * thread holds one lock at a time (base/one_lock.c) does not count those. */
static void lock_disk(void)
{
    sqlite3_mutex_enter(sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1));
}

static void unlock_disk(void)
{
    sqlite3_mutex_leave(sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1));
}

/* ---- The disk; all under its lock ---- */

static struct disk_file *look_up(const char *path)
{
    struct disk_file *file = disk.files;
    while (file != NULL && strcmp(file->path, path) != 0) {
        file = file->next;
    }
    return file;
}

/* A new store is made under another name and renamed, behind SQLite's back. */
static struct disk_file *find_renamed(const char *path)
{
    AUTO_STR made = {0};
    str_addf(&made, "%s.new", path);
    struct disk_file *file = look_up(made.data);
    if (file == NULL || access(made.data, F_OK) == 0 || access(path, F_OK) != 0) {
        return NULL;
    }
    assert(file->n_pending == 0 && "what is renamed was synced");
    free(file->path);
    file->path = mem_string(path);
    return file;
}

static struct disk_file *find_file(const char *path)
{
    struct disk_file *file = look_up(path);
    file = file != NULL ? file : find_renamed(path);
    if (file == NULL) {
        file = mem_zalloc(sizeof *file);
        file->path = mem_string(path);
        file->next = disk.files;
        disk.files = file;
    }
    return file;
}

static void forget_pending(struct disk_file *file)
{
    for (size_t i = 0; i < file->n_pending; i++) {
        buf_unref(file->pending[i].bytes);
    }
    free(MOVE(file->pending));
    file->n_pending = 0;
}

static void set_size(struct str *content, size_t size)
{
    if (size > content->len) {
        size_t n = size - content->len;
        memset(str_extend(content, n), 0, n);
    }
    str_truncate(content, size);
}

static void put(struct str *content, size_t offset, const void *bytes, size_t n)
{
    if (offset + n > content->len) {
        set_size(content, offset + n);
    }
    memcpy(content->data + offset, bytes, n);
}

static void carry_out(const struct operation *operation, struct str *content, bool *exists)
{
    *exists = operation->kind != REMOVE;
    if (operation->kind == WRITE) {
        put(content, operation->offset, operation->bytes->data, operation->bytes->len);
    } else {
        set_size(content, operation->kind == REMOVE ? 0 : operation->offset);
    }
}

static void sync_file(struct disk_file *file)
{
    file->exists = true;
    for (size_t i = 0; i < file->n_pending; i++) {
        carry_out(&file->pending[i], &file->content, &file->exists);
    }
    forget_pending(file);
}

/* Counts an operation; false where there is no power for it. */
static bool powered(void)
{
    bool on = disk.n_operations < disk.cut_at;
    disk.n_operations++;
    return on;
}

static bool note(struct disk_file *file, struct operation operation)
{
    lock_disk();
    operation.number = disk.n_operations;
    bool on = powered();
    /* The write that the power goes at may be under way. */
    if (operation.number <= disk.cut_at) {
        file->pending = mem_grow(file->pending, file->n_pending + 1, sizeof operation);
        file->pending[file->n_pending++] = operation;
    } else {
        buf_unref(operation.bytes);
    }
    unlock_disk();
    return on;
}

/* ---- Files ---- */

static int file_close(sqlite3_file *file)
{
    return real(file)->pMethods->xClose(real(file));
}

static int file_read(sqlite3_file *file, void *to, int n, sqlite3_int64 offset)
{
    return real(file)->pMethods->xRead(real(file), to, n, offset);
}

static bool refuses(enum power_refusal refusal)
{
    lock_disk();
    bool is = disk.refusal == refusal;
    unlock_disk();
    return is;
}

static int file_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 offset)
{
    if (refuses(REFUSE_WRITES)) {
        return SQLITE_FULL;
    }
    if (on_disk(file) != NULL && !note(on_disk(file), (struct operation){
                                                          .kind = WRITE,
                                                          .offset = (size_t)offset,
                                                          .bytes = buf_copy(from, (size_t)n),
                                                      })) {
        return SQLITE_IOERR_WRITE;
    }
    return real(file)->pMethods->xWrite(real(file), from, n, offset);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    if (on_disk(file) != NULL &&
        !note(on_disk(file), (struct operation){.kind = TRUNCATE, .offset = (size_t)size})) {
        return SQLITE_IOERR_TRUNCATE;
    }
    return real(file)->pMethods->xTruncate(real(file), size);
}

/* The disk is this memory: the system need not sync anything. */
static int file_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    if (on_disk(file) == NULL) {
        return SQLITE_OK;
    }
    lock_disk();
    bool forgets = disk.refusal == REFUSE_AND_FORGET;
    bool ok = powered() && disk.refusal != REFUSE_SYNCS && !forgets;
    if (ok) {
        sync_file(on_disk(file));
    } else if (forgets) {
        forget_pending(on_disk(file));
    }
    unlock_disk();
    return ok ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real(file)->pMethods->xFileSize(real(file), size);
}

static int file_lock(sqlite3_file *file, int kind)
{
    return real(file)->pMethods->xLock(real(file), kind);
}

static int file_unlock(sqlite3_file *file, int kind)
{
    return real(file)->pMethods->xUnlock(real(file), kind);
}

static int file_check_lock(sqlite3_file *file, int *held)
{
    return real(file)->pMethods->xCheckReservedLock(real(file), held);
}

static int file_control(sqlite3_file *file, int what, void *argument)
{
    return real(file)->pMethods->xFileControl(real(file), what, argument);
}

static int file_sector(sqlite3_file *file)
{
    return real(file)->pMethods->xSectorSize(real(file));
}

static int file_traits(sqlite3_file *file)
{
    return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

/* All but the first part of it is more: SQLite asks for the next one after what it is to tell of
 * stands in the log. */
static int shm_map(sqlite3_file *file, int region, int n, int extend, void volatile **at)
{
    if (region > 0 && extend != 0 && refuses(REFUSE_SHARED_MEMORY)) {
        return SQLITE_IOERR_SHMSIZE;
    }
    return real(file)->pMethods->xShmMap(real(file), region, n, extend, at);
}

static int shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return real(file)->pMethods->xShmLock(real(file), offset, n, flags);
}

static void shm_barrier(sqlite3_file *file)
{
    real(file)->pMethods->xShmBarrier(real(file));
}

static int shm_unmap(sqlite3_file *file, int remove)
{
    return real(file)->pMethods->xShmUnmap(real(file), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
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
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* ---- The VFS ---- */

static int vfs_open(sqlite3_vfs *self, const char *path, sqlite3_file *file, int flags,
                    int *ret_flags)
{
    (void)self;
    struct open_file *open = (struct open_file *)(void *)file;
    *open = (struct open_file){.base.pMethods = NULL};
    int code = below->xOpen(below, path, real(file), flags, ret_flags);
    if (code == SQLITE_OK) {
        open->base.pMethods = &methods;
        lock_disk();
        open->on_disk = path == NULL ? NULL : find_file(path);
        unlock_disk();
    }
    return code;
}

static int vfs_delete(sqlite3_vfs *self, const char *path, int sync_folder)
{
    (void)self;
    lock_disk();
    struct disk_file *file = find_file(path);
    unlock_disk();
    if (!note(file, (struct operation){.kind = REMOVE})) {
        return SQLITE_IOERR_DELETE;
    }
    if (sync_folder != 0) {
        lock_disk();
        sync_file(file);
        unlock_disk();
    }
    return below->xDelete(below, path, sync_folder);
}

static void install(void)
{
    below = sqlite3_vfs_find(NULL);
    vfs = *below;
    vfs.iVersion = 1;
    vfs.zName = "power";
    vfs.pNext = NULL;
    vfs.szOsFile = (int)sizeof(struct open_file) + below->szOsFile;
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
}

static void make_default(sqlite3_vfs *which)
{
    int code = sqlite3_vfs_register(which, 1);
    assert(code == SQLITE_OK && "a VFS can be registered");
}

static void forget_files(void)
{
    while (disk.files != NULL) {
        struct disk_file *file = disk.files;
        disk.files = file->next;
        forget_pending(file);
        str_fini(&file->content);
        free(file->path);
        free(file);
    }
}

void power_on(uint64_t cut_at)
{
    if (below == NULL) {
        install();
    }
    make_default(&vfs);
    lock_disk();
    forget_files();
    disk.n_operations = 0;
    disk.cut_at = cut_at;
    unlock_disk();
}

void power_off(void)
{
    make_default(below);
}

bool power_is_on(void)
{
    return power_operations() <= disk.cut_at;
}

void power_refuse(enum power_refusal refusal)
{
    lock_disk();
    disk.refusal = refusal;
    unlock_disk();
}

uint64_t power_operations(void)
{
    lock_disk();
    uint64_t n = disk.n_operations;
    unlock_disk();
    return n;
}

/* ---- What is found afterwards ---- */

struct loss {
    enum power_loss kind;
    struct random random;
    uint64_t end; /* LOSS_TAIL: operations from here on are gone */
};

/* Leaves a random remainder of one sector, or of the part of it that was written. */
static void leave_sector(struct loss *loss, struct str *content, size_t offset,
                         const uint8_t *bytes, size_t n, bool last)
{
    if (loss->kind == LOSS_TORN && last) {
        size_t whole = random_below(&loss->random, n + 1);
        put(content, offset, bytes, whole);
        for (size_t i = whole; i < n; i++) {
            uint8_t rubbish = (uint8_t)random_next(&loss->random);
            put(content, offset + i, &rubbish, 1);
        }
    } else if (random_percent(&loss->random, 50)) {
        put(content, offset, bytes, n);
    }
}

static void leave_write(struct loss *loss, const struct operation *operation, struct str *content,
                        bool newest)
{
    const struct buf *bytes = operation->bytes;
    size_t torn = random_below(&loss->random, bytes->len / SECTOR + 1);
    for (size_t at = 0, i = 0; at < bytes->len; i++) {
        size_t n = SECTOR - (operation->offset + at) % SECTOR;
        n = n < bytes->len - at ? n : bytes->len - at;
        leave_sector(loss, content, operation->offset + at, bytes->data + at, n,
                     newest && i == torn);
        at += n;
    }
}

static void leave(struct loss *loss, const struct operation *operation, struct str *content,
                  bool *exists, bool newest)
{
    bool in_pieces = loss->kind == LOSS_SECTORS || loss->kind == LOSS_TORN;
    if (loss->kind == LOSS_UNSYNCED ||
        (loss->kind == LOSS_TAIL && operation->number >= loss->end)) {
        return;
    }
    if (operation->kind == WRITE && in_pieces) {
        *exists = true;
        leave_write(loss, operation, content, newest);
    } else if (!in_pieces || random_percent(&loss->random, 50)) {
        carry_out(operation, content, exists);
    }
}

static void write_out(const char *folder, const struct disk_file *file, const struct str *content)
{
    AUTO_STR path = {0};
    str_addf(&path, "%s%s", folder, strrchr(file->path, '/'));
    int fd = open(path.data, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ssize_t n = content->len == 0 ? 0 : write(fd, content->data, content->len);
    assert(fd >= 0 && n == (ssize_t)content->len && "there is room for an image");
    close(fd);
}

static void find_afterwards(const char *folder, const struct disk_file *file, struct loss *loss)
{
    AUTO_STR content = {0};
    bool exists = file->exists;
    str_add(&content, file->content.data, file->content.len);
    for (size_t i = 0; i < file->n_pending; i++) {
        leave(loss, &file->pending[i], &content, &exists, i == file->n_pending - 1);
    }
    if (exists) {
        write_out(folder, file, &content);
    }
}

static uint64_t first_pending(void)
{
    uint64_t first = disk.n_operations;
    for (const struct disk_file *file = disk.files; file != NULL; file = file->next) {
        if (file->n_pending > 0 && file->pending[0].number < first) {
            first = file->pending[0].number;
        }
    }
    return first;
}

void power_image(const char *folder, enum power_loss kind, uint64_t seed)
{
    lock_disk();
    struct loss loss = {.kind = kind, .random = {seed}};
    uint64_t first = first_pending();
    loss.end = first + random_below(&loss.random, disk.n_operations - first + 1);
    for (const struct disk_file *file = disk.files; file != NULL; file = file->next) {
        find_afterwards(folder, file, &loss);
    }
    unlock_disk();
}
