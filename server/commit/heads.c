#include "failpoint.h"
#include "log.h"
#include "scrub.h"
#include "state.h"

#define DIRTY_HEADS 4096      /* saved when so many have changed, … */
#define UNSAVED_COMMITS 10000 /* … so many commits came, or nothing came for a while */

void heads_changed(struct committer *c, const struct staged *staged)
{
    for (size_t i = 0; i < staged->commit->n_changes; i++) {
        if (staged->after[i] != NULL) {
            head_unref(head_table_put(&c->dirty, head_ref(staged->after[i])));
        }
    }
}

/* What recovery read out of the log is not in the store's copy yet. Where it cannot be known how
 * far the copy goes, all heads are taken for unsaved. */
void heads_find_unsaved(struct committer *c)
{
    static const struct head_filter everything;
    struct status st;
    uint64_t through = 0;
    if (!store_get_mark(c->store, STORE_MARK_HEADS, &through, &st)) {
        through = 0;
    }
    c->heads_saved = through;
    if (through == registry_position(c->registry).revision) {
        return;
    }
    struct head_cursor cursor = {.done = false};
    while (!cursor.done) {
        struct head *heads[256];
        size_t n = registry_list(c->registry, &everything, &cursor, heads, COUNT_OF(heads));
        for (size_t i = 0; i < n; i++) {
            bool unsaved = heads[i]->row_revision > through;
            head_unref(unsaved ? head_table_put(&c->dirty, heads[i]) : heads[i]);
        }
    }
    str_fini(&cursor.after);
}

/* On a shared store another node may have saved some of ours: what it has seen is complete through
 * its mark. */
static bool find_saved_by_others(struct committer *c, uint64_t *ret_through, struct status *st)
{
    *ret_through = c->heads_saved;
    return !c->store->shared || ((catch_up_is_recent(c) || catch_up_to_end(c, st)) &&
                                 store_get_mark(c->store, STORE_MARK_HEADS, ret_through, st));
}

static bool save(struct committer *c, uint64_t *ret_through, struct status *st)
{
    const struct head_table *dirty = &c->dirty;
    uint64_t saved;
    if (!find_saved_by_others(c, &saved, st)) {
        return false;
    }
    uint64_t through = registry_position(c->registry).revision;
    struct head **heads = mem_array(dirty->n_heads, sizeof heads[0]);
    size_t n = 0;
    for (size_t i = 0; i < dirty->n_slots; i++) {
        if (dirty->slots[i].head != NULL && dirty->slots[i].head->row_revision > saved) {
            heads[n++] = dirty->slots[i].head;
        }
    }
    /* First: heads that are complete through a compaction need its floor beside them. */
    uint64_t compaction = registry_compaction(c->registry).revision;
    bool ok =
        (compaction == 0 || store_set_mark(c->store, STORE_MARK_COMPACTION, compaction, st)) &&
        (saved >= through || store_save_heads(c->store, heads, n, through, st));
    free(heads);
    *ret_through = through;
    return ok;
}

static void save_heads(struct committer *c)
{
    struct status st;
    uint64_t through = 0;
    FAILPOINT(heads_before);
    if (!save(c, &through, &st)) {
        metric_add(&c->stats.failed_head_saves, 1);
        if (!c->heads_failed) {
            log_event(LOG_WARNING, "heads_not_saved", "reason", st.message, NULL);
        }
        c->heads_failed = true;
        return;
    }
    c->heads_failed = false;
    FAILPOINT(heads_after);
    head_table_fini(&c->dirty);
    c->heads_saved = through;
    if (!c->scrub_due && !store_set_mark(c->store, STORE_MARK_SCRUBBED, through, &st)) {
        log_event(LOG_WARNING, "mark_not_saved", "reason", st.message, NULL);
    }
}

void heads_save_if_due(struct committer *c, bool idle)
{
    uint64_t unsaved = registry_position(c->registry).revision - c->heads_saved;
    bool due =
        unsaved >= UNSAVED_COMMITS || c->dirty.n_heads >= DIRTY_HEADS || (idle && unsaved > 0);
    if (due && !c->diverged) {
        save_heads(c);
    }
}
