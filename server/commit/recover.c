#include <inttypes.h>

#include "committer.h"
#include "history.h"
#include "log.h"
#include "scrub.h"

struct replay {
    struct registry *registry;
    struct version_source source;
    struct staged **staged; /* owned; accepted and not applied */
    size_t n;
    uint64_t last; /* the last revision that was read */
    struct status *st;
    bool failed;
};

static bool take_head(void *user, struct head *head)
{
    registry_load_head(user, head);
    return true;
}

static void free_staged(struct replay *replay)
{
    for (size_t i = 0; i < replay->n; i++) {
        staged_free(replay->staged[i]);
    }
    replay->n = 0;
}

static bool take_commit(void *user, struct commit *commit)
{
    struct replay *replay = user;
    struct staged *staged = NULL;
    replay->last = commit->revision;
    replay->failed =
        !registry_stage_logged(replay->registry, commit, &replay->source, &staged, replay->st);
    if (replay->failed) {
        return false;
    }
    registry_accept(replay->registry, staged);
    replay->staged = mem_grow(replay->staged, replay->n + 1, sizeof replay->staged[0]);
    replay->staged[replay->n++] = staged;
    if (registry_is_whole(replay->registry)) {
        registry_apply(replay->registry);
        free_staged(replay);
    }
    return true;
}

/* Replays the commits after the heads, at least up to `end`. Trailing commits whose payloads were
 * removed by a later commit that is not visible yet are not applied; the committer follows them. */
static bool read_rest(struct store *store, struct registry *registry, uint64_t through,
                      uint64_t end, struct status *st)
{
    struct replay replay = {
        .registry = registry, .source = history_source(store), .last = through, .st = st};
    bool ok = store_read_commits(store, through + 1, UINT64_MAX, true, take_commit, &replay, st);
    if (ok && !replay.failed) {
        ok = store_read_all_commits(store, replay.last + 1, end, true, take_commit, &replay, st);
    }
    registry_discard(registry);
    free_staged(&replay);
    free(replay.staged);
    return ok && !replay.failed;
}

static bool keep_position(void *user, struct commit *commit)
{
    struct position position = {.revision = commit->revision, .hash = commit->hash};
    registry_load_position(user, &position, commit->time_us);
    return true;
}

/* Heads of a log that does not have their revision are another log's, as in a copy of a database
 * that was made piece by piece. */
static bool load_position(struct store *store, struct registry *registry, uint64_t through,
                          const struct store_tail *tail, struct status *st)
{
    if (through == 0) {
        return true;
    }
    if (through == tail->revision) {
        struct position position = {.revision = tail->revision, .hash = tail->hash};
        registry_load_position(registry, &position, tail->time_us);
        return true;
    }
    if (!store_read_commits(store, through, through, false, keep_position, registry, st)) {
        return status_context(st, "reading revision %" PRIu64, through);
    }
    return registry_position(registry).revision == through ||
           status_set(st, STATUS_DATA_LOSS, "LOG_DAMAGED",
                      "the heads are of revision %" PRIu64 ", which the log does not have",
                      through);
}

static bool take_compaction(void *user, struct commit *commit)
{
    registry_load_compaction(user, commit);
    return false;
}

/* The newest compaction at or before the heads' mark; a later one comes with the log. */
static bool load_compaction(struct store *store, struct registry *registry, struct status *st)
{
    uint64_t revision = 0;
    return store_get_mark(store, STORE_MARK_COMPACTION, &revision, st) &&
           (revision == 0 || store_read_known_commits(store, revision, revision, false,
                                                      take_compaction, registry, st));
}

/* Does not fail if the store cannot be written to, as on a full disk: it can still serve reads, and
 * the committer scrubs later. */
static bool scrub(struct store *store, uint64_t through, struct status *st)
{
    return scrub_finish(store, through, st) || st->code == STATUS_UNAVAILABLE;
}

/* Detects damaged marks at the start. HEADS is read separately, the relay reads RELAYED, and the
 * marks of turns only affect fairness. */
static bool check_marks(struct store *store, struct status *st)
{
    static const enum store_mark marks[] = {STORE_MARK_SCRUBBED, STORE_MARK_COMPACTION,
                                            STORE_MARK_COMPACTED};
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        uint64_t ignored = 0;
        if (!store_get_mark(store, marks[i], &ignored, st)) {
            return false;
        }
    }
    return true;
}

/* Loads the registry as of the mark HEADS from the stored heads, which are derived from the log.
 * *ret_damaged: they, or a mark, are damaged. */
static bool load_copies(struct store *store, struct registry *registry,
                        const struct store_tail *tail, uint64_t *ret_through, bool *ret_damaged,
                        struct status *st)
{
    bool ok = check_marks(store, st) && store_get_mark(store, STORE_MARK_HEADS, ret_through, st);
    /* A good mark whose revision the log lacks means that the log is damaged: do not rebuild. */
    if (ok && !load_position(store, registry, *ret_through, tail, st)) {
        return false;
    }
    ok = ok && load_compaction(store, registry, st) &&
         store_load_heads(store, take_head, registry, st);
    *ret_damaged = !ok && st->code == STATUS_DATA_LOSS;
    return ok || status_context(st, "loading the heads");
}

/* Rebuilds the registry by replaying and checking the whole log. Not for a shared store, whose
 * heads and marks other nodes use at the same time. */
static bool load_anew(struct store *store, struct registry *registry, uint64_t end,
                      const struct status *damage, struct status *st)
{
    if (store->shared) {
        *st = *damage;
        return false;
    }
    registry_clear(registry);
    if (!read_rest(store, registry, 0, end, st)) {
        return status_context(st, "rebuilding the heads from the log, because %s", damage->message);
    }
    if (!store_forget_heads(store, st)) {
        return status_context(st, "dropping the damaged heads");
    }
    atomic_store(&store->heads_made_anew, true);
    log_event(LOG_WARNING, "heads_made_anew", "reason", damage->message, "message",
              "heads or marks were damaged and were rebuilt from the log", NULL);
    return true;
}

/* ---- All at once: where each read of the log reads all of it ---- */

struct recover_loading {
    struct replay replay;
    uint64_t through; /* the mark HEADS */
};

static bool load_compaction_commit(void *user, struct commit *commit)
{
    return take_compaction(((struct recover_loading *)user)->replay.registry, commit);
}

static bool load_head(void *user, struct head *head)
{
    return take_head(((struct recover_loading *)user)->replay.registry, head);
}

static bool load_commit(void *user, struct commit *commit)
{
    struct recover_loading *loading = user;
    return commit->revision == loading->through ? keep_position(loading->replay.registry, commit)
                                                : take_commit(&loading->replay, commit);
}

/* The commits from the mark on tell the log's end, too. Erased payloads are scrubbed by upkeep. */
static bool load_at_once(struct store *store, struct registry *registry, struct status *st)
{
    uint64_t compaction = 0;
    struct recover_loading loading = {
        .replay = {.registry = registry, .source = history_source(store), .st = st}};
    const struct store_load load = {.compaction = load_compaction_commit,
                                    .head = load_head,
                                    .commit = load_commit,
                                    .user = &loading};
    bool ok = check_marks(store, st) &&
              store_get_mark(store, STORE_MARK_COMPACTION, &compaction, st) &&
              store_get_mark(store, STORE_MARK_HEADS, &loading.through, st);
    /* A compaction behind the heads comes with the log. */
    compaction = compaction > loading.through ? 0 : compaction;
    ok = ok && store_load(store, loading.through, compaction, &load, st) && !loading.replay.failed;
    registry_discard(registry);
    free_staged(&loading.replay);
    free(loading.replay.staged);
    return ok || status_context(st, "loading");
}

/* ---- By separate reads ---- */

/* Heads that are complete through the tail, as after a clean stop, have no log behind them that
 * this start would have to read: each read costs a slow store seconds. */
static bool load_all(struct store *store, struct registry *registry, const struct store_tail *tail,
                     struct status *st)
{
    uint64_t through = 0;
    bool damaged = false;
    if (!load_copies(store, registry, tail, &through, &damaged, st)) {
        struct status damage = *st;
        return damaged && load_anew(store, registry, tail->revision, &damage, st);
    }
    return through == tail->revision || read_rest(store, registry, through, tail->revision, st) ||
           status_context(st, "reading the log behind the heads");
}

static bool load_by_reads(struct store *store, struct registry *registry, struct status *st)
{
    struct store_tail tail;
    if (!store_tail(store, &tail, st)) {
        return status_context(st, "reading the end of the log");
    }
    if (!load_all(store, registry, &tail, st)) {
        return false;
    }
    struct position position = registry_position(registry);
    if (store->shared && tail.revision != position.revision) {
        return scrub(store, position.revision, st); /* other nodes append; the committer follows */
    }
    if (position.revision != tail.revision || !hash_equal(&position.hash, &tail.hash)) {
        return status_set(st, STATUS_DATA_LOSS, "LOG_DAMAGED",
                          "the log ends at revision %" PRIu64 ", its heads at %" PRIu64,
                          tail.revision, position.revision);
    }
    return scrub(store, tail.revision, st);
}

/* If one read of all finds damage, the separate reads decide: they read again before they report
 * it.
 */
bool committer_recover(struct store *store, struct registry *registry, struct status *st)
{
    if (store->loads_at_once) {
        if (load_at_once(store, registry, st)) {
            return true;
        }
        if (st->code != STATUS_DATA_LOSS) {
            return false;
        }
        registry_clear(registry);
    }
    return load_by_reads(store, registry, st);
}
