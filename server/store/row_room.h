/* A row under construction, for backends that copy what they read: the row, and memory for the
 * payloads of a commit. */
#ifndef STORE_ROW_ROOM_H
#define STORE_ROW_ROOM_H

#include "store.h"

struct row_room {
    struct store_row row; /* owns its record */
    struct store_payload payloads[COMMIT_MAX_CHANGES];
    uint8_t salts[COMMIT_MAX_CHANGES][SALT_SIZE];
};

/* Returns an empty room. It is large, so it lives on the heap. */
struct row_room *row_room_new(void);
void row_room_free(struct row_room *room);
MEM_CLEANUP(struct row_room, row_room_free)

/* Releases the row's references and empties the room for the next row. */
void row_room_clear(struct row_room *room);
/* Adds a payload; the reference to data moves. Damage is left for store.c to find: a salt of the
 * wrong size becomes zeros, which match no hash, and payloads beyond COMMIT_MAX_CHANGES are
 * dropped. */
void row_room_add(struct row_room *room, uint32_t index, const void *salt, size_t n_salt,
                  struct buf *data);

#endif
