/* A row under construction, for backends that copy what they read: what it points to, and room for
 * a commit's payloads. */
#ifndef STORE_ROW_ROOM_H
#define STORE_ROW_ROOM_H

#include "store.h"

struct row_room {
    struct store_row row; /* owns its record */
    struct store_payload payloads[COMMIT_MAX_CHANGES];
    uint8_t salts[COMMIT_MAX_CHANGES][SALT_SIZE];
};

/* On the heap, since it is large; empty. */
struct row_room *row_room_new(void);
void row_room_free(struct row_room *room);
MEM_CLEANUP(struct row_room, row_room_free)

/* Gives back what it points to, for the next row. */
void row_room_clear(struct row_room *room);
/* Takes the reference to data. A salt of another size than SALT_SIZE is damage and becomes zeros,
 * which match no hash; more payloads than a commit can have are dropped. */
void row_room_add(struct row_room *room, uint32_t index, const void *salt, size_t n_salt,
                  struct buf *data);

#endif
