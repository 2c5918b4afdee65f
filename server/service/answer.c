#include "answer.h"

#include <assert.h>
#include <string.h>

#include "encode.h"

struct buf *answer_header(const struct service *service, const struct position *position)
{
    struct described_position header;
    describe_position(&header, registry_epoch(service->registry), position->revision,
                      hash_short(&position->hash));
    return encode_field(FIELD_HEADER, &header.message.base);
}

void answer_add(struct answer *answer, struct buf *piece)
{
    if (piece == NULL) {
        return;
    }
    if (answer->n == answer->room) {
        answer->room = answer->room == 0 ? 8 : answer->room * 2;
        answer->pieces = mem_grow(answer->pieces, answer->room, sizeof answer->pieces[0]);
    }
    answer->pieces[answer->n++] = piece;
    answer->bytes += piece->len;
}

void answer_enclose(struct answer *answer, uint32_t field)
{
    assert(field > 0 && "fields are numbered from 1");
    struct buf *opening = encode_opening(field, answer->bytes);
    answer_add(answer, opening);
    memmove(answer->pieces + 1, answer->pieces, (answer->n - 1) * sizeof answer->pieces[0]);
    answer->pieces[0] = opening;
}

void answer_append(struct answer *answer, struct answer *other)
{
    assert(answer != other && "an answer is not appended to itself");
    for (size_t i = 0; i < other->n; i++) {
        answer_add(answer, other->pieces[i]);
    }
    free(other->pieces);
    *other = (struct answer){0};
}

void answer_send(struct answer *answer, struct rpc_call *call)
{
    rpc_reply_bufs(call, answer->pieces, answer->n);
    free(answer->pieces);
    *answer = (struct answer){0};
}

void answer_drop(struct answer *answer)
{
    for (size_t i = 0; i < answer->n; i++) {
        buf_unref(answer->pieces[i]);
    }
    free(answer->pieces);
    *answer = (struct answer){0};
}

/* ---- Differences ---- */

static ProtobufCBinaryData bytes_of(struct json_text text)
{
    return (ProtobufCBinaryData){.len = text.len, .data = (uint8_t *)(uintptr_t)text.data};
}

static void fill_entry(Confreg__V1__DiffEntry *entry, const struct json_change *change)
{
    AUTO_STR key = {0};
    json_decode_string(change->key, &key);
    confreg__v1__diff_entry__init(entry);
    entry->key = mem_string(str_text(&key));
    entry->old_value = bytes_of(change->old_value);
    entry->new_value = bytes_of(change->new_value);
}

/* Collects pointers to the entries of one kind into next, in their order; returns next. */
static Confreg__V1__DiffEntry **gather(struct diff_answer *answer, enum json_change_kind kind,
                                       Confreg__V1__DiffEntry **next, size_t *ret_n)
{
    *ret_n = 0;
    for (size_t i = 0; i < answer->changes.n; i++) {
        if (answer->changes.changes[i].kind == kind) {
            next[(*ret_n)++] = &answer->entries[i];
        }
    }
    return next;
}

void diff_answer_init(struct diff_answer *answer, struct json_text old_data,
                      struct json_text new_data)
{
    *answer = (struct diff_answer){0};
    Confreg__V1__Diff *diff = &answer->diff;
    confreg__v1__diff__init(diff);
    json_diff_objects(old_data, new_data, &answer->changes);
    size_t n = answer->changes.n;
    answer->entries = mem_array(n, sizeof answer->entries[0]);
    answer->pointers = mem_array(n, sizeof answer->pointers[0]);
    for (size_t i = 0; i < n; i++) {
        fill_entry(&answer->entries[i], &answer->changes.changes[i]);
    }
    diff->added = gather(answer, JSON_ADDED, answer->pointers, &diff->n_added);
    diff->removed = gather(answer, JSON_REMOVED, diff->added + diff->n_added, &diff->n_removed);
    diff->changed = gather(answer, JSON_CHANGED, diff->removed + diff->n_removed, &diff->n_changed);
    json_patch_between(old_data, new_data, &answer->patch);
    diff->json_patch = bytes_of((struct json_text){answer->patch.data, answer->patch.len});
}

void diff_answer_fini(struct diff_answer *answer)
{
    for (size_t i = 0; i < answer->changes.n; i++) {
        free(answer->entries[i].key);
    }
    free(answer->entries);
    free(answer->pointers);
    str_fini(&answer->patch);
    json_diff_fini(&answer->changes);
}
