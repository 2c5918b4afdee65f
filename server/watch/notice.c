#include "notice.h"

#include "encode.h"

struct notice *notice_new(struct commit *commit, struct buf *const *configs, const bool *wanted)
{
    size_t n = commit->n_changes;
    struct notice *notice = mem_zalloc(sizeof *notice + n * sizeof notice->events[0]);
    atomic_init(&notice->refs, 1);
    notice->commit = commit_ref(commit);
    notice->bytes = sizeof *notice + sizeof *commit + commit->record->len * 2;
    for (size_t i = 0; i < n; i++) {
        if (wanted == NULL || wanted[i]) {
            notice->events[i] = encode_event(FIELD_EVENTS, commit, i, configs[i]);
            notice->bytes += notice->events[i]->len + sizeof(struct change);
        }
    }
    return notice;
}

struct notice *notice_ref(struct notice *notice)
{
    atomic_fetch_add_explicit(&notice->refs, 1, memory_order_relaxed);
    return notice;
}

void notice_unref(struct notice *notice)
{
    if (notice == NULL || atomic_fetch_sub_explicit(&notice->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < notice->commit->n_changes; i++) {
        buf_unref(notice->events[i]);
    }
    commit_unref(notice->commit);
    free(notice);
}
