/* The two files are read as https://www.sqlite.org/walformat.html tells them. */
#include "sqlite_doubt.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_HEADER 32
#define FRAME_HEADER 24
#define SALT 8

/* The head of FILE-shm, as far as it is needed; numbers in the machine's order. */
struct index_head {
    uint32_t version, unused, change;
    uint8_t is_init, big_endian_sums;
    uint16_t page_size; /* 1: 65536 */
    uint32_t n_frames;  /* of the log that are valid */
    uint32_t n_pages, sums[2];
    uint8_t salt[SALT]; /* of this round through the log */
};

/* The head of a frame; numbers are big-endian. */
struct frame_head {
    uint32_t page;
    uint32_t n_pages; /* of the database, in the last frame of a transaction; else 0 */
    uint8_t salt[SALT];
    uint32_t sums[2];
};
static_assert(sizeof(struct frame_head) == FRAME_HEADER, "as it is on disk");

static int open_beside(const struct sqlite_store *s, const char *suffix)
{
    AUTO_STR path = {0};
    str_addf(&path, "%s%s", s->file.path, suffix);
    return open(path.data, O_RDONLY | O_CLOEXEC);
}

static bool read_index(const struct sqlite_store *s, struct index_head *ret_head)
{
    int file = open_beside(s, "-shm");
    bool ok = file >= 0 && pread(file, ret_head, sizeof *ret_head, 0) == sizeof *ret_head;
    if (file >= 0) {
        close(file);
    }
    return ok && ret_head->is_init == 1;
}

/* Whether a transaction ends behind the valid frames: one of this round, whole in the file. What
 * was written only in part has no valid sum and is nothing. */
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
    int log = open_beside(s, "-wal");
    bool may = log < 0 || fstat(log, &found) != 0 || has_end(log, found.st_size, &index);
    if (log >= 0) {
        close(log);
    }
    return may;
}
