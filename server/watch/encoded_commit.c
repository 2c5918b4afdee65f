#include "encoded_commit.h"

#include "encode.h"

struct encoded_commit *encoded_commit_new(struct commit *commit, size_t room)
{
    struct encoded_commit *encoded = mem_zalloc(sizeof *encoded + room * sizeof encoded->events[0]);
    encoded->commit = commit_ref(commit);
    encoded->bytes = sizeof *encoded + sizeof *commit + commit->record->len * 2;
    return encoded;
}

void encoded_commit_add(struct encoded_commit *encoded, size_t change, const char *environment,
                        struct buf *plain, struct buf *full)
{
    encoded->events[encoded->n_events++] = (struct encoded_event){
        .change = change,
        .environment = environment,
        .plain = plain,
        .full = full,
        .brief_plain = encode_event_briefly(plain),
        .brief_full = full == NULL ? NULL : encode_event_briefly(full),
    };
    encoded->bytes += sizeof(struct encoded_event) + sizeof(struct change) + plain->len;
    encoded->bytes += full == NULL || full == plain ? 0 : full->len;
}

void encoded_commit_free(struct encoded_commit *encoded)
{
    if (encoded == NULL) {
        return;
    }
    for (size_t i = 0; i < encoded->n_events; i++) {
        buf_unref(encoded->events[i].plain);
        buf_unref(encoded->events[i].full);
        buf_unref(encoded->events[i].brief_plain);
        buf_unref(encoded->events[i].brief_full);
    }
    commit_unref(encoded->commit);
    free(encoded);
}
