#include "catch_up.h"

#include "clock.h"
#include "history.h"
#include "log.h"

#define APPLY_AT_ONCE 128

struct catch_up {
    struct catch_up_options options;
    struct status damage; /* STATUS_OK: none */
    int64_t damaged_ns;   /* when it was found */
    bool rival_seen;
};

/* A walk over the log, and the commits that it has staged and not applied yet. */
struct catch_up_walk {
    struct catch_up *catch_up;
    struct own_commits *own; /* NULL: none */
    struct staged **staged;  /* owned */
    size_t n;
    size_t n_own; /* of these, the caller's */
    bool applied;
    bool applied_own;
    struct status *st;
    bool failed;
};

struct catch_up *catch_up_new(const struct catch_up_options *options)
{
    struct catch_up *catch_up = mem_zalloc(sizeof *catch_up);
    catch_up->options = *options;
    return catch_up;
}

void catch_up_free(struct catch_up *catch_up)
{
    free(catch_up);
}

static void apply(struct catch_up_walk *walk)
{
    const struct catch_up_options *options = &walk->catch_up->options;
    registry_apply(options->registry);
    if (walk->n_own > 0) {
        walk->own->landed += walk->n_own;
        walk->applied_own = true;
        walk->n_own = 0;
    }
    for (size_t i = 0; i < walk->n; i++) {
        options->applied(options->user, walk->staged[i], walk->applied_own);
        staged_free(walk->staged[i]);
    }
    walk->applied = walk->applied || walk->n > 0;
    walk->n = 0;
}

static bool is_next_own(const struct catch_up_walk *walk, const struct commit *commit)
{
    const struct own_commits *own = walk->own;
    if (own == NULL || own->landed + walk->n_own == own->n) {
        return false;
    }
    const struct commit *next = own->commits[own->landed + walk->n_own];
    return next->revision == commit->revision && hash_equal(&next->hash, &commit->hash);
}

static void note_origin(struct catch_up_walk *walk, const struct commit *commit)
{
    if (is_next_own(walk, commit)) {
        walk->n_own++;
    } else {
        walk->catch_up->rival_seen = true;
    }
}

static bool take_commit(void *user, struct commit *commit)
{
    struct catch_up_walk *walk = user;
    const struct catch_up_options *options = &walk->catch_up->options;
    struct registry *registry = options->registry;
    struct version_source source = history_source(options->store);
    struct staged *staged = NULL;
    walk->failed = !registry_stage_logged(registry, commit, &source, &staged, walk->st);
    if (walk->failed) {
        return false;
    }
    registry_accept(registry, staged);
    walk->staged = mem_grow(walk->staged, walk->n + 1, sizeof walk->staged[0]);
    walk->staged[walk->n++] = staged;
    note_origin(walk, commit);
    if (walk->n >= APPLY_AT_ONCE && registry_is_whole(registry)) {
        apply(walk);
    }
    return true;
}

static void finish(struct catch_up_walk *walk)
{
    const struct catch_up_options *options = &walk->catch_up->options;
    if (registry_is_whole(options->registry)) {
        apply(walk);
    } else { /* the walk ended early: the rest comes with the next one */
        registry_discard(options->registry);
    }
    for (size_t i = 0; i < walk->n; i++) {
        staged_free(walk->staged[i]);
    }
    free(walk->staged);
    if (walk->applied) {
        options->settled(options->user, walk->applied_own);
    }
}

/* Remembers the damage: the next append would write the revision after the registry's, which may be
 * a hole in the log. */
static void note_damage(struct catch_up *catch_up, const struct status *st)
{
    if (catch_up->damage.code == STATUS_OK) {
        log_event(LOG_ERROR, "log_damaged", "reason", st->message, NULL);
    }
    catch_up->damage = *st;
    catch_up->damaged_ns = clock_monotonic_ns();
}

/* Distinguishes damage from a log that was replaced. */
static void judge(struct catch_up *catch_up, struct status *st)
{
    const struct catch_up_options *options = &catch_up->options;
    struct position applied = registry_position(options->registry);
    struct status other;
    note_damage(catch_up, st);
    if (!log_identity_check(options->identity, &applied, &other)) {
        *st = other;
    }
}

bool catch_up_run(struct catch_up *catch_up, struct own_commits *own, struct status *st)
{
    const struct catch_up_options *options = &catch_up->options;
    struct catch_up_walk walk = {.catch_up = catch_up, .own = own, .st = st};
    if (log_identity_is_changed(options->identity, st)) {
        return false;
    }
    registry_discard(options->registry);
    uint64_t next = registry_position(options->registry).revision + 1;
    bool ok = store_read_commits(options->store, next, UINT64_MAX, true, take_commit, &walk, st);
    finish(&walk);
    if (ok && !walk.failed) {
        catch_up->damage.code = STATUS_OK;
        return true;
    }
    if (st->code == STATUS_DATA_LOSS) {
        judge(catch_up, st);
    }
    return false;
}

bool catch_up_is_damaged(const struct catch_up *catch_up, struct status *st)
{
    if (catch_up->damage.code == STATUS_OK) {
        return false;
    }
    *st = catch_up->damage;
    return true;
}

void catch_up_note_end(struct catch_up *catch_up, int64_t begun_ns)
{
    if (catch_up->damaged_ns < begun_ns) {
        catch_up->damage.code = STATUS_OK;
    }
}

bool catch_up_take_rival(struct catch_up *catch_up)
{
    bool seen = catch_up->rival_seen;
    catch_up->rival_seen = false;
    return seen;
}
