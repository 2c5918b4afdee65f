#include "heads.h"

#include <inttypes.h>

#include "failpoint.h"

#define DIRTY_HEADS 4096      /* changed heads that start a round, … */
#define UNSAVED_COMMITS 10000 /* … or commits since the last round */

/* A round: the heads that are being saved. Zeroed: none is under way. */
struct round {
    struct head **heads; /* owned, as are the references; NULL: no round */
    size_t n, next;
    uint64_t through; /* value of the mark HEADS at the end of the round */
    uint64_t mark;    /* value of the mark when the round began */
};

struct head_saver {
    struct store *store;
    const struct registry *registry;
    struct head_table unsaved; /* changed since the last round began */
    struct position position;  /* all changes up to here have been noted */
    uint64_t saved;            /* all heads are saved through this revision */
    struct round round;
};

struct head_saver *head_saver_new(struct store *store, const struct registry *registry,
                                  const struct position *position)
{
    struct head_saver *saver = mem_zalloc(sizeof *saver);
    saver->store = store;
    saver->registry = registry;
    saver->position = *position;
    return saver;
}

static void end_round(struct head_saver *saver)
{
    for (size_t i = 0; i < saver->round.n; i++) {
        head_unref(saver->round.heads[i]);
    }
    free(saver->round.heads);
    saver->round = (struct round){.n = 0};
}

void head_saver_free(struct head_saver *saver)
{
    end_round(saver);
    head_table_fini(&saver->unsaved);
    free(saver);
}

/* If the mark cannot be read, all heads count as unsaved. A head that is newer than `position` does
 * no harm: commits that are applied during the search are noted as well. */
void head_saver_find(struct head_saver *saver)
{
    static const struct head_filter everything = {.kind = KEY_ANY};
    struct status st;
    if (!store_get_mark(saver->store, STORE_MARK_HEADS, &saver->saved, &st)) {
        saver->saved = 0;
    }
    if (saver->saved == saver->position.revision) {
        return;
    }
    struct head_cursor cursor = {.done = false};
    while (!cursor.done) {
        struct head *heads[256];
        size_t n = registry_list(saver->registry, &everything, &cursor, heads, COUNT_OF(heads));
        for (size_t i = 0; i < n; i++) {
            bool unsaved = heads[i]->row_revision > saver->saved;
            head_unref(unsaved ? head_table_put(&saver->unsaved, heads[i]) : heads[i]);
        }
    }
    str_fini(&cursor.after);
}

/* Moves the references of one table into another one. */
static void move_heads(struct head_table *from, struct head_table *to)
{
    if (head_table_count(to) == 0) {
        head_table_fini(to);
        *to = *from;
        *from = (struct head_table){0};
        return;
    }
    size_t place = 0;
    for (struct head *head; (head = head_table_next(from, &place)) != NULL;) {
        head_unref(head_table_put(to, head_ref(head)));
    }
    head_table_fini(from);
}

void head_saver_add(struct head_saver *saver, struct news *news)
{
    move_heads(&news->heads, &saver->unsaved);
    if (news->position.revision != 0) {
        saver->position = news->position;
    }
}

bool head_saver_has_unsaved(const struct head_saver *saver)
{
    return saver->round.heads != NULL || saver->position.revision > saver->saved;
}

bool head_saver_is_due(const struct head_saver *saver, bool force)
{
    bool many = saver->position.revision >= saver->saved + UNSAVED_COMMITS ||
                head_table_count(&saver->unsaved) >= DIRTY_HEADS;
    return saver->round.heads != NULL || (head_saver_has_unsaved(saver) && (many || force));
}

uint64_t head_saver_saved(const struct head_saver *saver)
{
    return saver->saved;
}

/* ---- A round ---- */

struct own_commit {
    const struct position *position;
    bool found;
};

static bool compare_hash(void *user, struct commit *commit)
{
    struct own_commit *own = user;
    own->found = hash_equal(&commit->hash, &own->position->hash);
    return false;
}

/* Whether the store's log still has this node's commit. The copy may be shared: a node whose log
 * was replaced must not write to it. */
static bool log_is_ours(struct head_saver *saver, struct status *st)
{
    struct own_commit own = {.position = &saver->position};
    uint64_t revision = saver->position.revision;
    if (!saver->store->shared || revision == 0) {
        return true;
    }
    return store_read_commits(saver->store, revision, revision, false, compare_hash, &own, st) &&
           (own.found ||
            status_set(st, STATUS_UNAVAILABLE, "LOG_CHANGED",
                       "the store's log does not show this node's revision %" PRIu64, revision));
}

/* Saves the mark of the newest compaction. Must precede the heads: heads that include the
 * compaction are valid only with its floor. */
static bool save_compaction(struct head_saver *saver, struct status *st)
{
    uint64_t compaction = registry_compaction(saver->registry).revision;
    return compaction == 0 || store_set_mark(saver->store, STORE_MARK_COMPACTION, compaction, st);
}

/* The mark HEADS of the store: another node may have saved some of these heads, all changes up to
 * its mark. */
static bool find_mark(struct head_saver *saver, uint64_t *ret_mark, struct status *st)
{
    *ret_mark = saver->saved;
    return !saver->store->shared || store_get_mark(saver->store, STORE_MARK_HEADS, ret_mark, st);
}

static void take_unsaved(struct head_saver *saver, uint64_t mark)
{
    struct head_table *unsaved = &saver->unsaved;
    struct round *round = &saver->round;
    *round =
        (struct round){.heads = mem_array(head_table_count(unsaved) + 1, sizeof round->heads[0]),
                       .through = saver->position.revision,
                       .mark = mark};
    size_t place = 0;
    for (struct head *head; (head = head_table_next(unsaved, &place)) != NULL;) {
        if (head->row_revision > mark) {
            round->heads[round->n++] = head_ref(head);
        }
    }
    head_table_fini(unsaved);
}

static bool begin_round(struct head_saver *saver, struct status *st)
{
    uint64_t mark = 0;
    if (!log_is_ours(saver, st) || !find_mark(saver, &mark, st) || !save_compaction(saver, st)) {
        return false;
    }
    take_unsaved(saver, mark);
    return true;
}

/* Ends the round. Heads that were not saved become unsaved again, unless a newer head of the same
 * config has come since. */
static void give_up_round(struct head_saver *saver)
{
    struct round *round = &saver->round;
    for (size_t i = round->next; i < round->n; i++) {
        struct head *head = round->heads[i];
        if (head_table_find(&saver->unsaved, head_environment(head), head_service(head)) == NULL) {
            head_unref(head_table_put(&saver->unsaved, MOVE(round->heads[i])));
        }
    }
    end_round(saver);
}

static bool save_portion(struct head_saver *saver, bool *ret_done, struct status *st)
{
    struct round *round = &saver->round;
    size_t left = round->n - round->next;
    size_t n = left < STORE_SAVE_MAX ? left : STORE_SAVE_MAX;
    *ret_done = n == left;
    if (*ret_done && round->mark >= round->through) {
        return true; /* another node has saved them all */
    }
    uint64_t through = *ret_done ? round->through : round->mark;
    if (!store_save_heads(saver->store, round->heads + round->next, n, through, st)) {
        return false;
    }
    round->next += n;
    return true;
}

bool head_saver_step(struct head_saver *saver, bool *ret_done, struct status *st)
{
    FAILPOINT(heads_before);
    if (saver->round.heads == NULL && !begin_round(saver, st)) {
        return false;
    }
    if (!save_portion(saver, ret_done, st)) {
        give_up_round(saver);
        return false;
    }
    FAILPOINT(heads_after);
    if (*ret_done) {
        saver->saved = saver->round.through;
        end_round(saver);
    }
    return true;
}
