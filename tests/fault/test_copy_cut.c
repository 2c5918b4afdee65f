/* A copy of a store (VACUUM INTO) that is cut at every write and every fsync, with every state of
 * the disk that may result: it is refused, or it is the complete store. */
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <string.h>

#include "deeds.h"
#include "folder.h"
#include "leak_check.h"
#include "log.h"
#include "power.h"
#include "random.h"

#define MORE_DEEDS 120 /* so that a table has many pages */

static void must_write(struct desk *desk, const struct deed *deed)
{
    struct status st;
    struct commit *commit = NULL;
    cr_assert(desk_write(desk, deed, &commit, &st), "%s", st.message);
    commit_unref(commit);
}

/* A store, closed, and all that it answers. */
static void make_store(const struct folder *folder, struct answers *ret_answers)
{
    static const struct deed more[] = {{MUTATE_UPDATE, {"alpha"}, "{\"short\":1}", 0, false, NULL},
                                       {MUTATE_UPDATE, {"alpha"}, LONG_JSON, 0, false, NULL}};
    struct desk desk;
    struct status st;
    cr_assert(desk_open(&desk, folder->address, &st), "%s", st.message);
    for (size_t i = 0; i < N_DEEDS; i++) {
        must_write(&desk, &deeds[i]);
    }
    for (size_t i = 0; i < MORE_DEEDS; i++) {
        must_write(&desk, &more[i % COUNT_OF(more)]);
    }
    desk_ask(&desk, deeds, N_DEEDS, N_VERSIONS, ret_answers);
    desk_close(&desk);
}

/* As docs/operations.md has it. With few pages in memory they are written before all is copied, and
 * again. False where the power went. */
static bool copy(const struct folder *from, const struct folder *to, int pages)
{
    sqlite3 *db = NULL;
    AUTO_STR sql = {0};
    str_addf(&sql, "PRAGMA cache_size = %d; PRAGMA synchronous = EXTRA; VACUUM INTO '%s'", pages,
             to->database);
    bool ok = sqlite3_open(from->database, &db) == SQLITE_OK &&
              sqlite3_exec(db, sql.data, NULL, NULL, NULL) == SQLITE_OK;
    sqlite3_close(db);
    return ok;
}

struct cut {
    const struct folder *store;
    const struct answers *answers;
    size_t n_refused, n_whole;
};

static void check_whole(struct cut *cut, struct desk *desk, const char *where)
{
    struct answers found;
    desk_ask(desk, deeds, N_DEEDS, N_VERSIONS, &found);
    cr_assert_eq(found.n, cut->answers->n);
    for (size_t i = 0; i < found.n; i++) {
        cr_assert_str_eq(found.items[i].what, cut->answers->items[i].what, "%s", where);
    }
    answers_fini(&found);
    cut->n_whole++;
}

static void check_found(struct cut *cut, const struct folder *found, const char *where)
{
    struct desk desk;
    struct status st;
    if (access(found->database, F_OK) != 0) {
        return; /* there is no copy */
    }
    if (desk_open(&desk, found->address, &st)) {
        check_whole(cut, &desk, where);
        desk_close(&desk);
        return;
    }
    cr_assert(st.code == STATUS_FAILED_PRECONDITION || st.code == STATUS_DATA_LOSS, "%s: %s", where,
              st.message);
    cut->n_refused++;
}

/* As it was found, or moved to another place without its journal. */
static void check_image(struct cut *cut, uint64_t number, enum power_loss loss, bool moved)
{
    struct folder found;
    char where[64];
    folder_init(&found);
    power_image(found.path, loss, random_seed() + number * LOSS_KINDS + loss);
    snprintf(where, sizeof where, "cut at %zu, loss %d, moved %d", (size_t)number, (int)loss,
             moved);
    if (moved) {
        AUTO_STR journal = {0};
        str_addf(&journal, "%s-journal", found.database);
        unlink(journal.data);
    }
    check_found(cut, &found, where);
    folder_fini(&found);
}

/* Gives the number of operations that a whole copy has. */
static uint64_t cut_at(struct cut *cut, uint64_t number, int pages)
{
    struct folder to;
    folder_init(&to);
    power_on(number);
    bool whole = copy(cut->store, &to, pages);
    uint64_t n = power_operations();
    power_off();
    cr_assert(whole || number < n, "a copy that nothing disturbs is made");
    for (int loss = 0; loss < LOSS_KINDS; loss++) {
        check_image(cut, number, (enum power_loss)loss, false);
        check_image(cut, number, (enum power_loss)loss, true);
    }
    folder_fini(&to);
    return n;
}

static void cut_everywhere(int pages)
{
    struct folder store;
    struct answers answers;
    log_set_level(LOG_ERROR + 1);
    folder_init(&store);
    make_store(&store, &answers);
    struct cut cut = {.store = &store, .answers = &answers};
    uint64_t n = cut_at(&cut, UINT64_MAX, pages);
    cr_assert_eq(cut.n_refused, 0, "a copy that was finished is whole");
    cr_assert_eq(cut.n_whole, 2 * LOSS_KINDS);
    for (uint64_t number = 0; number < n; number++) {
        cut_at(&cut, number, pages);
    }
    cr_assert_gt(cut.n_refused, n, "copies that were broken off are found");
    answers_fini(&answers);
    folder_fini(&store);
    power_on(UINT64_MAX); /* forgets the last run */
    power_off();
    leak_check();
}

Test(copy, that_was_broken_off_is_no_store, .timeout = 280)
{
    cut_everywhere(2000);
}

Test(copy, that_was_broken_off_between_pages_is_no_store, .timeout = 280)
{
    cut_everywhere(4);
}
