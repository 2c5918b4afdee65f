#include "row_room.h"

#include <string.h>

struct row_room *row_room_new(void)
{
    struct row_room *room = mem_zalloc(sizeof *room);
    room->row.payloads = room->payloads;
    return room;
}

void row_room_clear(struct row_room *room)
{
    for (size_t i = 0; i < room->row.n_payloads; i++) {
        buf_unref(room->payloads[i].data);
    }
    buf_unref(room->row.record);
    room->row = (struct store_row){.payloads = room->payloads};
}

void row_room_free(struct row_room *room)
{
    if (room != NULL) {
        row_room_clear(room);
        free(room);
    }
}

void row_room_add(struct row_room *room, uint32_t index, const void *salt, size_t n_salt,
                  struct buf *data)
{
    size_t n = room->row.n_payloads;
    if (n == COMMIT_MAX_CHANGES) {
        buf_unref(data);
        return;
    }
    memset(room->salts[n], 0, SALT_SIZE);
    if (n_salt == SALT_SIZE) {
        memcpy(room->salts[n], salt, SALT_SIZE);
    }
    room->payloads[n] =
        (struct store_payload){.index = index, .salt = room->salts[n], .data = data};
    room->row.n_payloads++;
}
