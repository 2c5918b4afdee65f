/* Call n of a store's fails, for n = 0, 1, 2 … until the scenario passes untouched. After each
 * failure the log has no gap, opens again, and holds all that was acknowledged. On every store. */
#include <string.h>

#include "book.h"
#include "leak_check.h"
#include "place.h"
#include "trace.h"

/* Of the untouched scenario. On a shared store a search also looks at the log's end. */
#define CALLS 14

struct sweep {
    struct place *place;
    struct book book;
    enum trace_fault fault;
    size_t failures;
};

typedef bool step_body(struct sweep *sweep, struct status *st);

/* ---- The scenario: every function of the contract, reads between the writes ---- */

static const struct line brought = {CHANGE_CREATE, "a", 1, "{\"a\":1}"};
static const struct line changed = {CHANGE_UPDATE, "a", 2, "{\"a\":2}"};
static const struct line again = {CHANGE_UPDATE, "a", 3, "{\"a\":3}"};
static const struct line erased = {CHANGE_ERASE, "a", 2, NULL};

static bool append_from(struct sweep *sweep, uint64_t from, struct status *st)
{
    struct book *book = &sweep->book;
    return store_append(sweep->place->store, &book->commits[from - 1], book->n - from + 1, st);
}

static bool append_one(struct sweep *sweep, struct status *st)
{
    return append_from(sweep, 1, st);
}

static bool append_two(struct sweep *sweep, struct status *st)
{
    return append_from(sweep, 2, st);
}

static bool append_erase(struct sweep *sweep, struct status *st)
{
    return append_from(sweep, 4, st);
}

static bool scrub(struct sweep *sweep, struct status *st)
{
    return store_scrub(sweep->place->store, "prod", "a", 1, 2, st);
}

static bool set_mark(struct sweep *sweep, struct status *st)
{
    return store_set_mark(sweep->place->store, STORE_MARK_SCRUBBED, sweep->book.n, st);
}

static bool get_mark(struct sweep *sweep, struct status *st)
{
    uint64_t value = 0;
    bool ok = store_get_mark(sweep->place->store, STORE_MARK_SCRUBBED, &value, st);
    cr_assert(!ok || value == sweep->book.n);
    return ok;
}

static bool save_heads(struct sweep *sweep, struct status *st)
{
    struct version_ref newest = {sweep->book.commits[2], 0};
    AUTO(head_unref) struct head *head = head_new("prod", "a");
    head->last_version = 3;
    head->mod_revision = 3;
    head->row_revision = 3;
    head_encode(head, &newest);
    return store_save_heads(sweep->place->store, &head, 1, 3, st);
}

static bool drop_head(void *user, struct head *head)
{
    (void)user;
    cr_assert_eq(head->version, 3);
    head_unref(head);
    return true;
}

static bool load_heads(struct sweep *sweep, struct status *st)
{
    return store_load_heads(sweep->place->store, drop_head, NULL, st);
}

static bool read_version(struct sweep *sweep, struct status *st)
{
    struct version_ref found = {0};
    bool ok = store_read_version(sweep->place->store, "prod", "a", 2, &found, st);
    commit_unref(found.commit);
    return ok;
}

static bool pass_version(void *user, const struct version_ref *version)
{
    (void)version;
    ++*(size_t *)user;
    return true;
}

static bool read_versions(struct sweep *sweep, struct status *st)
{
    size_t n = 0;
    bool ok =
        store_read_versions(sweep->place->store, "prod", "a", 3, 1, true, pass_version, &n, st);
    cr_assert(!ok || n == 3);
    return ok;
}

static bool find_change(struct sweep *sweep, struct status *st)
{
    struct version_ref found = {0};
    bool ok = store_find_change(sweep->place->store, "prod", "a", 2, &found, st);
    commit_unref(found.commit);
    return ok;
}

static bool count_found(void *user, struct commit *commit)
{
    (void)commit;
    ++*(size_t *)user;
    return true;
}

static bool search(struct sweep *sweep, struct status *st)
{
    static const struct store_config config = {"prod", "a"};
    const struct store_search wanted = {
        .configs = &config, .n_configs = 1, .from = 1, .through = 3, .max = 2};
    size_t n = 0;
    bool ok = store_search(sweep->place->store, &wanted, count_found, &n, st);
    cr_assert(!ok || n == 2);
    return ok;
}

static bool find_requests(struct sweep *sweep, struct status *st)
{
    struct hash key = commit_request_key("ada", "r");
    uint64_t revision = 0;
    bool ok = store_find_requests(sweep->place->store, &key, 1, &revision, st);
    cr_assert(!ok || revision == 2);
    return ok;
}

static bool tail(struct sweep *sweep, struct status *st)
{
    struct store_tail found;
    bool ok = store_tail(sweep->place->store, &found, st);
    cr_assert(!ok || found.revision == sweep->book.n);
    return ok;
}

/* ---- What has to hold after a failure ---- */

static bool count_commit(void *user, struct commit *commit)
{
    size_t *n = user;
    cr_assert_eq(commit->revision, ++*n);
    return true;
}

static void check_log(struct sweep *sweep, size_t acknowledged)
{
    struct status st;
    size_t n = 0;
    if (place_lasts(sweep->place)) {
        place_reopen(sweep->place);
    }
    struct store *store = sweep->place->store;
    cr_assert(store_read_commits(store, 1, UINT64_MAX, true, count_commit, &n, &st), "%s",
              st.message);
    cr_assert(n == acknowledged || (n == sweep->book.n && sweep->fault == TRACE_FAIL_AFTER));
    struct store_tail end;
    cr_assert(store_tail(store, &end, &st), "%s", st.message);
    cr_assert_eq(end.revision, n);
}

/* Does it until it goes well, as a careful caller would: a doubt is settled by doing it again. */
static void do_step(struct sweep *sweep, step_body *body, size_t acknowledged)
{
    struct status st;
    while (!body(sweep, &st)) {
        cr_assert_eq(st.code, STATUS_UNAVAILABLE, "%s: %s", status_code_name(st.code), st.message);
        cr_assert_lt(sweep->failures++, 3);
        check_log(sweep, acknowledged);
    }
}

static void do_all(struct sweep *sweep, step_body *const *bodies, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        do_step(sweep, bodies[i], sweep->book.n);
    }
}

static void run_scenario(struct sweep *sweep)
{
    static step_body *const readings[] = {tail,   read_version,  read_versions, find_change,
                                          search, find_requests, load_heads,    get_mark};
    static step_body *const writings[] = {save_heads, scrub, set_mark};
    struct book *book = &sweep->book;
    book_write(book, &brought, 1);
    do_step(sweep, append_one, 0);
    book_write_for(book, "ada", "r", &changed);
    book_write(book, &again, 1);
    do_step(sweep, append_two, 1);
    book_write(book, &erased, 1);
    do_step(sweep, append_erase, 3);
    do_all(sweep, writings, COUNT_OF(writings));
    do_all(sweep, readings, COUNT_OF(readings));
}

static void check_end(struct sweep *sweep)
{
    for (size_t i = 0; i < 2; i++) {
        struct change *change = &sweep->book.commits[i]->changes[0];
        buf_unref(MOVE(change->payload));
        memset(change->salt, 0, SALT_SIZE);
    }
    book_check(&sweep->book, sweep->place->store, 4);
}

/* Whether the fault struck. */
static bool fail_call(uint64_t n, enum trace_fault fault)
{
    struct place place;
    struct sweep sweep = {.place = &place, .fault = fault};
    place_init(&place, true);
    book_init(&sweep.book, place.store);
    trace_fail(place.store, n, 1, fault);
    run_scenario(&sweep);
    trace_fail(place.store, 0, 0, fault);
    check_end(&sweep);
    cr_assert_eq(sweep.failures > 0, n < CALLS + (place.store->shared ? 1U : 0U), "call %zu",
                 (size_t)n);
    book_fini(&sweep.book);
    place_fini(&place);
    return sweep.failures > 0;
}

static void sweep(enum trace_fault fault)
{
    for (uint64_t n = 0; fail_call(n, fault); n++) {
        continue;
    }
    leak_check();
}

Test(faults, before_the_store_is_reached, .timeout = 240)
{
    sweep(TRACE_FAIL_BEFORE);
}

Test(faults, after_the_store_did_it, .timeout = 240)
{
    sweep(TRACE_FAIL_AFTER);
}
