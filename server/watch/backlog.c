/* Reading from the store what is no longer, or was never, in the ring. */
#include "encode.h"
#include "watch.h"

struct reading {
    struct watch *watch;
    struct commit *commits[READ_COMMITS];
    size_t n;
    size_t bytes;
};

static bool keep_commit(void *user, struct commit *commit)
{
    struct reading *r = user;
    for (size_t i = 0; i < commit->n_changes; i++) {
        const struct buf *payload = commit->changes[i].payload;
        r->bytes += payload == NULL ? 0 : payload->len;
    }
    r->commits[r->n++] = commit_ref(commit);
    return r->n < READ_COMMITS && r->bytes < MESSAGE_BYTES;
}

/* The head after a change, encoded; NULL where the event carries none. */
static bool encode_head(struct store *store, struct commit *commit, size_t index,
                        struct buf **ret_config, struct status *st)
{
    const struct change *change = &commit->changes[index];
    struct version_ref newest = {.commit = commit, .index = index};
    *ret_config = NULL;
    if (!event_has_config(change)) {
        return true;
    }
    if (change_brings_version(change->kind)) {
        *ret_config = encode_config(&newest, commit->revision);
        return true;
    }
    if (!store_read_version(store, change->environment, change->service, change->head_version,
                            &newest, st)) {
        return false;
    }
    *ret_config = encode_config(&newest, commit->revision);
    commit_unref(newest.commit);
    return true;
}

static bool make_notice(struct watch *watch, struct commit *commit, struct notice **ret_notice)
{
    struct buf *configs[COMMIT_MAX_CHANGES] = {NULL};
    bool wanted[COMMIT_MAX_CHANGES];
    bool ok = true;
    for (size_t i = 0; i < commit->n_changes && ok; i++) {
        wanted[i] = watch_selects(watch, &commit->changes[i]);
        ok = !wanted[i] || encode_head(watch->hub->store, commit, i, &configs[i], &watch->st);
    }
    if (ok) {
        *ret_notice = notice_new(commit, configs, wanted);
        commit_forget_payloads(commit);
    }
    for (size_t i = 0; i < commit->n_changes; i++) {
        buf_unref(configs[i]);
    }
    return ok;
}

static bool read_backlog(struct watch *watch, struct reading *r)
{
    uint64_t from = watch->cursor.revision + 1;
    if (!store_read_commits(watch->hub->store, from, from + READ_COMMITS - 1, true, keep_commit, r,
                            &watch->st)) {
        return false;
    }
    if (r->n == 0) {
        return status_set(&watch->st, STATUS_DATA_LOSS, "LOG_DAMAGED",
                          "revision %llu is not in the log", (unsigned long long)from);
    }
    watch->backlog = mem_array(r->n, sizeof watch->backlog[0]);
    for (size_t i = 0; i < r->n; i++) {
        if (!make_notice(watch, r->commits[i], &watch->backlog[i])) {
            return false;
        }
        watch->n_backlog++;
    }
    return true;
}

void watch_read_backlog(struct job *job)
{
    struct watch *watch = CONTAINER_OF(job, struct watch, job);
    struct reading r = {.watch = watch};
    watch->failed = !read_backlog(watch, &r);
    for (size_t i = 0; i < r.n; i++) {
        commit_unref(r.commits[i]);
    }
    watch_end_job(watch);
}
