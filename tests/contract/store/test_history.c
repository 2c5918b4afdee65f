/* The history of one config: versions, changes, requests, erased payloads; and the marks. On every
 * store. */
#include <stdio.h>
#include <string.h>

#include "book.h"
#include "place.h"
#include "random.h"

/* Names that a careless key would mix up. */
static const struct line life[][3] = {
    {{CHANGE_CREATE, "a", 1, "{\"a\":1}"}, {CHANGE_CREATE, "prod/ab", 1, "{\"ab\":1}"}},
    {{CHANGE_UPDATE, "a", 2, "{\"a\":2}"}, {CHANGE_CREATE, "proda/b", 1, "{\"b\":1}"}},
    {{CHANGE_CREATE, "prod/A", 1, "{\"A\":1}"}},
    {{CHANGE_UPDATE, "a", 3, "{\"a\":3}"}, {CHANGE_UPDATE, "a", 4, "{\"a\":4}"}},
    {{CHANGE_ERASE, "a", 3, NULL}},
    {{CHANGE_ROLLBACK, "a", 5, "{\"a\":1}"}},
    {{CHANGE_DELETE, "a", 0, NULL}},
    {{CHANGE_CREATE, "a", 6, "{\"a\":6}"}, {CHANGE_DELETE, "ab", 0, NULL}},
};

static void write_life(struct book *book, struct store *store)
{
    book_init(book, store);
    for (size_t i = 0; i < COUNT_OF(life); i++) {
        size_t n = 0;
        while (n < COUNT_OF(life[i]) && life[i][n].service != NULL) {
            n++;
        }
        book_write(book, life[i], n);
    }
    book_append(book, store, 1);
}

static void expect_version(struct store *store, const char *environment, const char *service,
                           uint64_t version, uint64_t revision, const char *json)
{
    struct version_ref found = {0};
    struct status st;
    cr_assert(store_read_version(store, environment, service, version, &found, &st), "%s",
              st.message);
    const struct change *change = version_change(&found);
    cr_assert_eq(found.commit->revision, revision);
    cr_assert_eq(change->version, version);
    cr_assert_str_eq(change->environment, environment);
    cr_assert_str_eq(change->service, service);
    cr_assert_eq(change->payload == NULL, json == NULL);
    if (json != NULL) {
        cr_assert_eq(change->payload->len, strlen(json));
        cr_assert_arr_eq(change->payload->data, json, strlen(json));
    }
    commit_unref(found.commit);
}

static void expect_no_version(struct store *store, const char *environment, const char *service,
                              uint64_t version)
{
    struct version_ref found = {0};
    struct status st;
    cr_assert_not(store_read_version(store, environment, service, version, &found, &st));
    cr_assert_eq(st.code, STATUS_NOT_FOUND, "%s", st.message);
    cr_assert_str_eq(st.reason, "VERSION_NOT_FOUND");
}

CONTRACT(history, reads_a_version)
{
    struct book book;
    write_life(&book, place->store);
    expect_version(place->store, "prod", "a", 1, 1, "{\"a\":1}");
    expect_version(place->store, "prod", "a", 3, 4, "{\"a\":3}");
    expect_version(place->store, "prod", "a", 4, 4, "{\"a\":4}");
    expect_version(place->store, "prod", "a", 6, 8, "{\"a\":6}");
    expect_version(place->store, "prod", "ab", 1, 1, "{\"ab\":1}");
    expect_version(place->store, "proda", "b", 1, 2, "{\"b\":1}");
    expect_version(place->store, "prod", "A", 1, 3, "{\"A\":1}");
    expect_no_version(place->store, "prod", "a", 7);
    expect_no_version(place->store, "prod", "a", 0);
    expect_no_version(place->store, "prod", "b", 1);
    expect_no_version(place->store, "prod", "a", UINT64_MAX);
    book_fini(&book);
}

/* Only the version's own payload comes with it. */
CONTRACT(history, gives_no_other_payload)
{
    struct book book;
    struct version_ref found = {0};
    struct status st;
    write_life(&book, place->store);
    cr_assert(store_read_version(place->store, "prod", "a", 4, &found, &st), "%s", st.message);
    cr_assert_null(found.commit->changes[0].payload);
    cr_assert_not_null(found.commit->changes[1].payload);
    commit_unref(found.commit);
    book_fini(&book);
}

struct listing {
    uint64_t versions[8];
    size_t n;
    size_t most;
    bool with_payloads;
};

static bool list_version(void *user, const struct version_ref *version)
{
    struct listing *listing = user;
    const struct change *change = version_change(version);
    cr_assert_str_eq(change->service, "a");
    cr_assert_eq(change->payload != NULL, listing->with_payloads);
    listing->versions[listing->n++] = change->version;
    return listing->n < listing->most;
}

static void expect_versions(struct store *store, uint64_t from, uint64_t down_to, size_t most,
                            const char *wanted)
{
    for (int with = 0; with < 2; with++) {
        struct listing listing = {.most = most, .with_payloads = with == 1};
        struct status st;
        cr_assert(store_read_versions(store, "prod", "a", from, down_to, with == 1, list_version,
                                      &listing, &st),
                  "%s", st.message);
        cr_assert_eq(listing.n, strlen(wanted));
        for (size_t i = 0; i < listing.n; i++) {
            cr_assert_eq(listing.versions[i], (uint64_t)(wanted[i] - '0'));
        }
    }
}

CONTRACT(history, lists_versions_newest_first)
{
    struct book book;
    write_life(&book, place->store);
    expect_versions(place->store, 6, 1, 8, "654321");
    expect_versions(place->store, UINT64_MAX, 0, 8, "654321");
    expect_versions(place->store, 4, 2, 8, "432");
    expect_versions(place->store, 5, 5, 8, "5");
    expect_versions(place->store, 6, 1, 2, "65");
    expect_versions(place->store, 3, 4, 8, "");
    book_fini(&book);
}

static void expect_change(struct store *store, const char *environment, const char *service,
                          uint64_t at, uint64_t revision, size_t index)
{
    struct version_ref found;
    struct status st;
    cr_assert(store_find_change(store, environment, service, at, &found, &st), "%s", st.message);
    cr_assert_eq(found.commit == NULL, revision == 0);
    if (found.commit != NULL) {
        cr_assert_eq(found.commit->revision, revision);
        cr_assert_eq(found.index, index);
        cr_assert_null(version_change(&found)->payload);
    }
    commit_unref(found.commit);
}

CONTRACT(history, finds_the_newest_change_before)
{
    static const struct {
        uint64_t at, revision;
        size_t index;
    } of_a[] = {
        {0, 0, 0}, {1, 1, 0}, {2, 2, 0}, {3, 2, 0}, {4, 4, 1},          {5, 5, 0},
        {6, 6, 0}, {7, 7, 0}, {8, 8, 0}, {9, 8, 0}, {UINT64_MAX, 8, 0},
    };
    struct book book;
    write_life(&book, place->store);
    for (size_t i = 0; i < COUNT_OF(of_a); i++) {
        expect_change(place->store, "prod", "a", of_a[i].at, of_a[i].revision, of_a[i].index);
    }
    expect_change(place->store, "prod", "ab", 7, 1, 1);
    expect_change(place->store, "prod", "ab", 8, 8, 1);
    expect_change(place->store, "proda", "b", 1, 0, 0);
    expect_change(place->store, "prod", "nobody", 8, 0, 0);
    book_fini(&book);
}

/* ---- Many names at once ---- */

#define CROWD 40

/* A crowd of configs, made by two commits; then one of them changes more often than there are
 * configs, one is deleted, one is erased and brought back. */
static void write_crowd(struct book *book, struct store *store, char names[CROWD][16])
{
    struct line lines[CROWD];
    book_init(book, store);
    for (size_t i = 0; i < CROWD; i++) {
        snprintf(names[i], sizeof names[i], "s%zu", i);
        lines[i] = (struct line){CHANGE_CREATE, names[i], 1, "{\"n\":1}"};
    }
    book_write(book, lines, CROWD / 2);
    book_write(book, &lines[CROWD / 2], CROWD / 2);
    for (size_t i = 0; i < 3 * (size_t)CROWD; i++) {
        const struct line hot = {CHANGE_UPDATE, names[0], i + 2, "{\"n\":2}"};
        book_write(book, &hot, 1);
    }
    const struct line deleted = {CHANGE_DELETE, names[1], 0, NULL};
    const struct line twice[] = {{CHANGE_UPDATE, names[2], 2, "{\"n\":2}"},
                                 {CHANGE_UPDATE, names[2], 3, "{\"n\":3}"}};
    book_write(book, &deleted, 1);
    book_write(book, twice, COUNT_OF(twice));
    book_append(book, store, 1);
}

/* As the book says: the index of the newest change at or before a revision. NULL: none. */
static const struct commit *newest_change(const struct book *book, const char *service,
                                          uint64_t revision, size_t *ret_index)
{
    for (size_t i = revision < book->n ? revision : book->n; i-- > 0;) {
        for (size_t j = book->commits[i]->n_changes; j-- > 0;) {
            if (strcmp(book->commits[i]->changes[j].service, service) == 0) {
                *ret_index = j;
                return book->commits[i];
            }
        }
    }
    return NULL;
}

static void expect_changes(const struct book *book, struct store *store,
                           const struct store_config *configs, size_t n, uint64_t revision)
{
    struct version_ref found[STORE_FIND_MAX];
    struct status st;
    cr_assert(store_find_changes(store, configs, n, revision, found, &st), "%s", st.message);
    for (size_t i = 0; i < n; i++) {
        size_t index = 0;
        const struct commit *wanted = newest_change(book, configs[i].service, revision, &index);
        cr_assert_eq(found[i].commit == NULL, wanted == NULL, "%s at %zu", configs[i].service,
                     (size_t)revision);
        if (wanted != NULL) {
            book_compare(found[i].commit, wanted, false);
            cr_assert_eq(found[i].index, index, "%s at %zu", configs[i].service, (size_t)revision);
        }
        commit_unref(found[i].commit);
    }
}

CONTRACT(history, finds_the_newest_changes_of_many_configs)
{
    struct book book;
    char names[CROWD][16];
    struct store_config configs[CROWD + 1];
    write_crowd(&book, place->store, names);
    for (size_t i = 0; i < CROWD; i++) {
        configs[CROWD - i] = (struct store_config){"prod", names[i]};
    }
    configs[0] = (struct store_config){"prod", "nobody"};
    const uint64_t at[] = {0, 1, 2, 3, book.n / 2, book.n - 2, book.n - 1, book.n, UINT64_MAX};
    for (size_t i = 0; i < COUNT_OF(at); i++) {
        expect_changes(&book, place->store, configs, COUNT_OF(configs), at[i]);
        expect_changes(&book, place->store, &configs[CROWD - 1], 2, at[i]);
        expect_changes(&book, place->store, configs, 1, at[i]);
    }
    book_fini(&book);
}

/* Several versions of one commit, and of one config; each comes with its own payload only. */
CONTRACT(history, reads_versions_of_many_configs)
{
    struct book book;
    char names[CROWD][16];
    struct store_version wanted[CROWD + 2];
    struct version_ref found[COUNT_OF(wanted)];
    struct status st;
    write_crowd(&book, place->store, names);
    for (size_t i = 0; i < CROWD; i++) {
        wanted[CROWD - 1 - i] = (struct store_version){"prod", names[i], 1};
    }
    wanted[CROWD] = (struct store_version){"prod", names[2], 3};
    wanted[CROWD + 1] = (struct store_version){"prod", names[0], CROWD};
    cr_assert(store_read_live_versions(place->store, wanted, COUNT_OF(wanted), found, &st), "%s",
              st.message);
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        const struct change *change = version_change(&found[i]);
        size_t n_payloads = 0;
        for (size_t j = 0; j < found[i].commit->n_changes; j++) {
            n_payloads += found[i].commit->changes[j].payload != NULL;
        }
        cr_assert_str_eq(change->service, wanted[i].service);
        cr_assert_eq(change->version, wanted[i].version);
        cr_assert_not_null(change->payload);
        cr_assert_eq(n_payloads, 1);
        commit_unref(found[i].commit);
    }
    book_fini(&book);
}

CONTRACT(history, one_of_many_versions_is_lost)
{
    struct book book;
    struct version_ref found[2];
    struct status st;
    write_life(&book, place->store);
    const struct store_version wanted[] = {{"prod", "a", 1}, {"prod", "a", 7}};
    cr_assert_not(store_read_live_versions(place->store, wanted, COUNT_OF(wanted), found, &st));
    cr_assert_eq(st.code, STATUS_DATA_LOSS, "%s", st.message);
    cr_assert_not_null(strstr(st.message, "version 7"), "%s", st.message);
    book_fini(&book);
}

static void expect_request(struct store *store, const char *actor, const char *id,
                           uint64_t revision)
{
    struct hash key = commit_request_key(actor, id);
    struct status st;
    uint64_t found = UINT64_MAX;
    cr_assert(store_find_requests(store, &key, 1, &found, &st), "%s", st.message);
    cr_assert_eq(found, revision);
}

CONTRACT(history, finds_a_request)
{
    struct book book;
    write_life(&book, place->store);
    book_write_for(&book, "ada", "r-1", &life[0][0]);
    book_write_for(&book, "bob", "r-1", &life[0][0]);
    book_write_for(&book, "", "r-2", &life[0][0]);
    book_append(&book, place->store, 9);
    expect_request(place->store, "ada", "r-1", 9);
    expect_request(place->store, "bob", "r-1", 10);
    expect_request(place->store, "", "r-2", 11);
    expect_request(place->store, "ada", "r-2", 0);
    expect_request(place->store, "", "", 0);
    book_fini(&book);
}

/* Many at once, which a query's answer does not hold in one part. */
CONTRACT(history, finds_requests_together)
{
    struct book book;
    struct status st;
    struct hash keys[256];
    uint64_t found[COUNT_OF(keys)];
    book_init(&book, place->store);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        char id[16];
        snprintf(id, sizeof id, "r-%zu", i);
        keys[COUNT_OF(keys) - 1 - i] = commit_request_key("ada", id);
        if (i % 2 == 0) {
            book_write_for(&book, "ada", id, &life[0][0]);
        }
    }
    book_append(&book, place->store, 1);
    keys[0] = keys[1];
    cr_assert(store_find_requests(place->store, keys, COUNT_OF(keys), found, &st), "%s",
              st.message);
    cr_assert_eq(found[0], found[1]);
    for (size_t i = 1; i < COUNT_OF(keys); i++) {
        size_t number = COUNT_OF(keys) - 1 - i;
        cr_assert_eq(found[i], number % 2 == 0 ? number / 2 + 1 : 0);
    }
    book_fini(&book);
}

/* ---- Erasing ---- */

/* The book forgets what the store has to forget. */
static void forget(struct change *change)
{
    buf_unref(MOVE(change->payload));
    memset(change->salt, 0, SALT_SIZE);
}

CONTRACT(history, erases_payloads_and_nothing_else)
{
    struct book book;
    struct status st;
    write_life(&book, place->store);
    for (int i = 0; i < 2; i++) { /* repeating it does no harm */
        cr_assert(store_scrub(place->store, "prod", "a", 3, 3, &st), "%s", st.message);
    }
    forget(&book.commits[3]->changes[0]);
    book_check(&book, place->store, 8);
    expect_version(place->store, "prod", "a", 3, 4, NULL);
    expect_version(place->store, "prod", "a", 4, 4, "{\"a\":4}");
    cr_assert(store_scrub(place->store, "prod", "a", 1, 5, &st), "%s", st.message);
    forget(&book.commits[0]->changes[0]);
    forget(&book.commits[1]->changes[0]);
    forget(&book.commits[3]->changes[1]);
    forget(&book.commits[5]->changes[0]);
    book_check(&book, place->store, 8);
    expect_version(place->store, "prod", "a", 6, 8, "{\"a\":6}");
    expect_change(place->store, "prod", "a", 4, 4, 1);
    book_fini(&book);
}

CONTRACT(history, erases_nothing_where_nothing_is)
{
    struct book book;
    struct status st;
    write_life(&book, place->store);
    cr_assert(store_scrub(place->store, "prod", "nobody", 1, 100, &st), "%s", st.message);
    cr_assert(store_scrub(place->store, "prod", "a", 7, 100, &st), "%s", st.message);
    book_check(&book, place->store, 8);
    book_fini(&book);
}

/* ---- Compacting ---- */

static bool is_compacted(struct store *store, const char *service, uint64_t version)
{
    struct version_ref found = {0};
    struct status st;
    cr_assert(store_read_version(store, "prod", service, version, &found, &st), "%s", st.message);
    bool compacted = version_change(&found)->compacted;
    cr_assert(!compacted || version_change(&found)->payload == NULL);
    commit_unref(found.commit);
    return compacted;
}

static void drop(struct store *store, const struct version_range *ranges, size_t n)
{
    struct status st;
    for (bool more = true; more; n = 0) {
        cr_assert(store_drop(store, ranges, n, &more, &st), "%s", st.message);
    }
}

CONTRACT(history, drops_payloads_and_tells_them_from_erased_ones)
{
    static const struct version_range ranges[] = {{"prod", "a", 1, 2}, {"prod", "nobody", 1, 9}};
    struct book book;
    struct status st;
    write_life(&book, place->store);
    cr_assert(store_scrub(place->store, "prod", "a", 1, 1, &st), "%s", st.message);
    for (int i = 0; i < 2; i++) { /* repeating it does no harm */
        drop(place->store, ranges, COUNT_OF(ranges));
    }
    forget(&book.commits[0]->changes[0]);
    forget(&book.commits[1]->changes[0]);
    book_check(&book, place->store, 8);
    cr_assert_not(is_compacted(place->store, "a", 1), "it was erased before");
    cr_assert(is_compacted(place->store, "a", 2));
    cr_assert_not(is_compacted(place->store, "a", 3));
    expect_version(place->store, "prod", "a", 3, 4, "{\"a\":3}");
    cr_assert(store_scrub(place->store, "prod", "a", 2, 2, &st), "%s", st.message);
    cr_assert_not(is_compacted(place->store, "a", 2), "it was erased afterwards");
    book_fini(&book);
}

/* ---- Marks ---- */

static uint64_t get_mark(struct store *store, enum store_mark mark)
{
    struct status st;
    uint64_t value = UINT64_MAX;
    cr_assert(store_get_mark(store, mark, &value, &st), "%s", st.message);
    return value;
}

CONTRACT(marks, never_move_back)
{
    struct status st;
    for (enum store_mark mark = 1; mark < STORE_MARKS; mark++) {
        cr_assert_eq(get_mark(place->store, mark), 0);
        cr_assert(store_set_mark(place->store, mark, 7 + mark, &st), "%s", st.message);
    }
    for (enum store_mark mark = 1; mark < STORE_MARKS; mark++) {
        cr_assert(store_set_mark(place->store, mark, 3, &st), "%s", st.message);
        cr_assert_eq(get_mark(place->store, mark), 7 + mark);
        cr_assert(store_set_mark(place->store, mark, UINT64_C(1) << 60, &st), "%s", st.message);
        cr_assert_eq(get_mark(place->store, mark), UINT64_C(1) << 60);
    }
}

CONTRACT(marks, move_by_compare_and_set)
{
    struct status st;
    cr_assert(store_move_mark(place->store, STORE_MARK_RELAYED, 0, 5, &st), "%s", st.message);
    cr_assert_not(store_move_mark(place->store, STORE_MARK_RELAYED, 0, 6, &st));
    cr_assert_eq(st.code, STATUS_ABORTED);
    cr_assert_str_eq(st.reason, "MARK_MOVED");
    cr_assert_not(store_move_mark(place->store, STORE_MARK_RELAYED, 4, 6, &st));
    cr_assert_eq(get_mark(place->store, STORE_MARK_RELAYED), 5);
    cr_assert(store_move_mark(place->store, STORE_MARK_RELAYED, 5, 5, &st), "%s", st.message);
    cr_assert(store_move_mark(place->store, STORE_MARK_RELAYED, 5, 9, &st), "%s", st.message);
    cr_assert_eq(get_mark(place->store, STORE_MARK_RELAYED), 9);
    cr_assert_eq(get_mark(place->store, STORE_MARK_SCRUBBED), 0);
}

/* ---- Searching ---- */

#define SEARCHED 240 /* commits */
static const char *const searched_names[] = {"a", "ab", "dev/a", "dev/b", "x"};

/* Commits of one to three changes of random configs: new versions, and now and then a delete. */
static void write_searched(struct book *book, struct store *store, struct random *random)
{
    uint64_t versions[COUNT_OF(searched_names)] = {0};
    book_init(book, store);
    for (size_t i = 0; i < SEARCHED; i++) {
        struct line lines[3];
        size_t n = 1 + random_below(random, 3);
        for (size_t j = 0; j < n; j++) {
            size_t name = random_below(random, COUNT_OF(searched_names) - 1); /* "x" never */
            bool deletes = random_below(random, 4) == 0;
            lines[j] = (struct line){deletes ? CHANGE_DELETE : CHANGE_UPDATE, searched_names[name],
                                     deletes ? 0 : ++versions[name], deletes ? NULL : "{}"};
        }
        book_write(book, lines, n);
    }
    book_append(book, store, 1);
}

struct found_commits {
    uint64_t revisions[STORE_SEARCH_COMMITS];
    size_t n;
};

static bool keep_found(void *user, struct commit *commit)
{
    struct found_commits *found = user;
    for (size_t i = 0; i < commit->n_changes; i++) {
        cr_assert_null(commit->changes[i].payload);
    }
    found->revisions[found->n++] = commit->revision;
    return true;
}

static bool changes_one(const struct commit *commit, const struct store_search *search)
{
    for (size_t i = 0; i < commit->n_changes; i++) {
        for (size_t j = 0; j < search->n_configs; j++) {
            if (strcmp(commit->changes[i].environment, search->configs[j].environment) == 0 &&
                strcmp(commit->changes[i].service, search->configs[j].service) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void expect_found(const struct book *book, struct store *store,
                         const struct store_search *search)
{
    struct found_commits found = {.n = 0};
    struct status st;
    size_t n = 0;
    cr_assert(store_search(store, search, keep_found, &found, &st), "%s", st.message);
    for (uint64_t i = 0; i < book->n && n < search->max; i++) {
        uint64_t revision = search->newest_first ? book->n - i : i + 1;
        if (revision >= search->from && revision <= search->through &&
            changes_one(book->commits[revision - 1], search)) {
            cr_assert_lt(n, found.n);
            cr_assert_eq(found.revisions[n], revision);
            n++;
        }
    }
    cr_assert_eq(found.n, n);
}

CONTRACT(history, searches_the_commits_of_configs)
{
    struct book book;
    struct random random = {.state = random_seed()};
    write_searched(&book, place->store, &random);
    for (size_t round = 0; round < 60; round++) {
        struct store_config configs[COUNT_OF(searched_names)];
        size_t n = 1 + random_below(&random, COUNT_OF(configs));
        for (size_t i = 0; i < n; i++) {
            const char *name = searched_names[(round + i) % COUNT_OF(searched_names)];
            const char *slash = strchr(name, '/');
            configs[i] = (struct store_config){slash == NULL ? "prod" : "dev",
                                               slash == NULL ? name : slash + 1};
        }
        uint64_t from = 1 + random_below(&random, SEARCHED);
        expect_found(
            &book, place->store,
            &(struct store_search){
                .configs = configs,
                .n_configs = n,
                .from = from,
                .through = round % 7 == 0 ? UINT64_MAX : from + random_below(&random, SEARCHED),
                .newest_first = round % 2 == 0,
                .max = round % 3 == 0 ? STORE_SEARCH_COMMITS : 1 + random_below(&random, 20),
            });
    }
    book_fini(&book);
}
