#include "sqlite_create.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sqlite_heads.h"
#include "sqlite_identity.h"

static const char tables[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;" SQLITE_DERIVED_TABLES
    "CREATE TABLE commits(revision INTEGER PRIMARY KEY, record BLOB NOT NULL, hash BLOB NOT NULL,"
    " request_key BLOB);"
    "CREATE INDEX commits_by_request ON commits(request_key) WHERE request_key IS NOT NULL;"
    /* id: the revision shifted by 7 bits, and the change's place in the commit; payload: a blob,
     * the text 'erased', or NULL where brings is 0 */
    "CREATE TABLE changes(id INTEGER PRIMARY KEY, environment TEXT NOT NULL, service TEXT NOT NULL,"
    " version INTEGER NOT NULL, brings INTEGER NOT NULL, salt BLOB, payload BLOB);"
    "CREATE INDEX changes_by_version ON changes(environment, service, version) WHERE brings = 1;"
    "CREATE INDEX removals ON changes(environment, service, id) WHERE brings = 0;";

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL   ? mem_string(".")
           : slash == path ? mem_string("/")
                           : mem_text(path, (size_t)(slash - path));
}

static int open_folder(const char *path)
{
    AUTO(free) char *folder = folder_of(path);
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool sync_folder(const char *path, struct status *st)
{
    int fd = open_folder(path);
    bool ok = (fd >= 0 && fsync(fd) == 0) || sqlite_file_fault(st, "syncing the folder of", path);
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

/* Readable for the owner only, whatever the umask. */
static bool make_folder(const char *folder, struct status *st)
{
    if (mkdir(folder, 0700) == 0) {
        return (chmod(folder, 0700) == 0 || sqlite_file_fault(st, "making the folder", folder)) &&
               sync_folder(folder, st);
    }
    return errno == EEXIST || sqlite_file_fault(st, "making the folder", folder);
}

static bool make_folders(const char *path, struct status *st)
{
    AUTO(free) char *folder = mem_string(path);
    for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (!make_folder(folder, st)) {
            return false;
        }
        *slash = '/';
    }
    return true;
}

/* ---- The file ---- */

static void add_identity(struct str *sql)
{
    struct store_identity identity = {.n_earlier = 0};
    char epoch[2 * EPOCH_SIZE + 1];
    char secret[2 * STORE_SECRET_SIZE + 1];
    random_bytes(identity.epoch, sizeof identity.epoch);
    random_bytes(identity.secret, sizeof identity.secret);
    hex_encode(identity.epoch, EPOCH_SIZE, epoch);
    hex_encode(identity.secret, STORE_SECRET_SIZE, secret);
    str_addf(sql, "INSERT INTO meta VALUES('format', %d), ('epoch', x'%s'), ('secret', x'%s');",
             STORE_FORMAT, epoch, secret);
    sqlite_add_identity_seal(&identity, sql);
    sqlite_add_marks(&identity, 0, sql);
}

/* Without a journal: an unfinished file is discarded. */
static bool fill(const char *path, struct status *st)
{
    struct connection c;
    AUTO_STR sql = {0};
    /* auto_vacuum can only be set in a new file: lets compaction give space back in steps */
    str_addf(&sql,
             "PRAGMA journal_mode = OFF; PRAGMA synchronous = FULL;"
             "PRAGMA auto_vacuum = INCREMENTAL; BEGIN IMMEDIATE; %s",
             tables);
    add_identity(&sql);
    str_addf(&sql, "PRAGMA application_id = %d; COMMIT", SQLITE_APPLICATION_ID);
    bool ok = connection_open(&c, path, NULL, st) && connection_run(&c, sql.data, st);
    connection_close(&c);
    return ok;
}

static bool make_file(const char *path, struct status *st)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return sqlite_file_fault(st, "making", path);
    }
    bool ok = (fchmod(fd, 0600) == 0 || sqlite_file_fault(st, "making", path)) && fill(path, st) &&
              (fsync(fd) == 0 || sqlite_file_fault(st, "syncing", path));
    close(fd);
    return ok;
}

static bool put_in_place(const char *made, const char *path, struct status *st)
{
    if (make_file(made, st) && (rename(made, path) == 0 || sqlite_file_fault(st, "making", path))) {
        return sync_folder(path, st);
    }
    unlink(made);
    return false;
}

/* ---- Where nothing is ---- */

static bool is_there(const char *path, const char *suffix)
{
    AUTO_STR name = {0};
    struct stat ignored;
    str_addf(&name, "%s%s", path, suffix);
    return lstat(name.data, &ignored) == 0;
}

/* A write-ahead log without its file is the rest of another store; SQLite would apply it to the new
 * file. */
static bool check_stray(const char *path, struct status *st)
{
    static const char *const suffixes[] = {"-wal", "-journal"};
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        if (is_there(path, suffixes[i])) {
            return status_set(st, STATUS_FAILED_PRECONDITION, "STORE_STRAY_LOG",
                              "%s is missing, but %s%s is there: put the file back, or move away "
                              "what is left of it",
                              path, path, suffixes[i]);
        }
    }
    return true;
}

/* The folder is locked against another process that creates a store. Removes what a killed one
 * left. */
static bool create_alone(const char *path, bool *ret_made, struct status *st)
{
    AUTO_STR made = {0};
    str_addf(&made, "%s.new", path);
    if (is_there(path, "")) {
        return true;
    }
    unlink(made.data);
    *ret_made = check_stray(path, st) && put_in_place(made.data, path, st);
    return *ret_made;
}

bool sqlite_create(const char *path, bool *ret_made, struct status *st)
{
    *ret_made = false;
    if (!make_folders(path, st)) {
        return false;
    }
    int folder = open_folder(path);
    bool ok = (folder >= 0 && flock(folder, LOCK_EX) == 0) ||
              sqlite_file_fault(st, "locking the folder of", path);
    ok = ok && create_alone(path, ret_made, st);
    if (folder >= 0) {
        close(folder);
    }
    return ok;
}
