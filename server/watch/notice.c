#include "notice.h"

struct notice *notice_new(struct commit *commit, size_t room)
{
    struct notice *notice = mem_zalloc(sizeof *notice + room * sizeof notice->events[0]);
    notice->commit = commit_ref(commit);
    notice->bytes = sizeof *notice + sizeof *commit + commit->record->len * 2;
    return notice;
}

void notice_add(struct notice *notice, size_t change, const char *environment, struct buf *plain,
                struct buf *full)
{
    notice->events[notice->n_events++] = (struct notice_event){change, environment, plain, full};
    notice->bytes += sizeof(struct notice_event) + sizeof(struct change) + plain->len;
    notice->bytes += full == NULL || full == plain ? 0 : full->len;
}

void notice_free(struct notice *notice)
{
    if (notice == NULL) {
        return;
    }
    for (size_t i = 0; i < notice->n_events; i++) {
        buf_unref(notice->events[i].plain);
        buf_unref(notice->events[i].full);
    }
    commit_unref(notice->commit);
    free(notice);
}
