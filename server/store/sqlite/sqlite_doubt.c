/* The formats of both files are documented at https://www.sqlite.org/walformat.html. */
#include "sqlite_doubt.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_HEADER 32
#define FRAME_HEADER 24
#define SALT 8
#define INDEX_BLOCK 32768 /* of FILE-shm */

/* The start of the header of FILE-shm; numbers are in native byte order. */
struct index_head {
    uint32_t version, unused, change;
    uint8_t is_init, big_endian_sums;
    uint16_t page_size; /* 1: 65536 */
    uint32_t n_frames;  /* valid frames of the log */
    uint32_t n_pages, sums[2];
    uint8_t salt[SALT]; /* changes whenever the log restarts from its beginning */
};

/* The header of a frame; numbers are big-endian. */
struct frame_head {
    uint32_t page;
    uint32_t n_pages; /* of the database, in the last frame of a transaction; else 0 */
    uint8_t salt[SALT];
    uint32_t sums[2];
};
static_assert(sizeof(struct frame_head) == FRAME_HEADER, "as it is on disk");

/* Reads FILE-shm from where SQLite has mapped it. Opening and closing the file would drop all POSIX
 * locks that SQLite holds on it; the next process would then think it unused and truncate it. */
static bool read_index(const struct sqlite_store *s, struct index_head *ret_head)
{
    sqlite3_file *file = NULL;
    void volatile *mapped = NULL;
    if (sqlite3_file_control(s->appender.db, NULL, SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        file->pMethods->xShmMap(file, 0, INDEX_BLOCK, 0, &mapped) != SQLITE_OK || mapped == NULL) {
        return false;
    }
    memcpy(ret_head, (const void *)(uintptr_t)mapped, sizeof *ret_head);
    return ret_head->is_init == 1;
}

static int open_log(const struct sqlite_store *s)
{
    AUTO_STR path = {0};
    str_addf(&path, "%s-wal", s->file.path);
    return open(path.data, O_RDONLY | O_CLOEXEC);
}

/* Whether a complete transaction with this salt follows the valid frames. A partly written one has
 * no valid checksum and does not count. */
static bool has_end(int log, off_t size, const struct index_head *index)
{
    off_t frame_size = FRAME_HEADER + (index->page_size == 1 ? 65536 : index->page_size);
    struct frame_head frame;
    for (off_t at = LOG_HEADER + (off_t)index->n_frames * frame_size; at + frame_size <= size;
         at += frame_size) {
        if (pread(log, &frame, sizeof frame, at) != sizeof frame) {
            return true;
        }
        if (memcmp(frame.salt, index->salt, SALT) != 0) {
            return false;
        }
        if (frame.n_pages != 0) {
            return true;
        }
    }
    return false;
}

bool sqlite_may_have_happened(const struct sqlite_store *s)
{
    struct index_head index;
    struct stat found;
    if (!read_index(s, &index)) {
        return true;
    }
    int log = open_log(s);
    bool may = log < 0 || fstat(log, &found) != 0 || has_end(log, found.st_size, &index);
    if (log >= 0) {
        close(log);
    }
    return may;
}
