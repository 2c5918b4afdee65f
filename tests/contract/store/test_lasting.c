/* Persistence of identity, log, heads and marks, and the effects of damage. On every persistent
 * store. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "book.h"
#include "place.h"
#include "store_open.h"

static const struct line two[] = {{CHANGE_CREATE, "a", 1, "{\"a\":\"first\"}"},
                                  {CHANGE_CREATE, "b", 1, "{\"b\":\"other\"}"}};

/* Four commits; the second one brings two versions. */
static void write_four(struct book *book, struct store *store)
{
    book_init(book, store);
    book_fill(book, store, 1);
    book_write(book, two, 2);
    book_append(book, store, 2);
    book_fill(book, store, 2);
}

CONTRACT(lasting, opens_again)
{
    struct book book;
    struct status st;
    write_four(&book, place->store);
    struct store_identity identity = place->store->identity;
    cr_assert(store_set_mark(place->store, STORE_MARK_SCRUBBED, 4, &st), "%s", st.message);
    for (size_t i = 0; i < 2; i++) {
        uint64_t mark = 0;
        place_reopen(place);
        cr_assert_arr_eq(&place->store->identity, &identity, sizeof identity);
        book_check(&book, place->store, book.n);
        cr_assert(store_get_mark(place->store, STORE_MARK_SCRUBBED, &mark, &st), "%s", st.message);
        cr_assert_eq(mark, 4);
        book_fill(&book, place->store, 1);
    }
    book_fini(&book);
}

/* is_new tells whether the store was created; store_open_existing creates none. */
CONTRACT(lasting, is_new_once)
{
    struct store *store = NULL;
    struct status st;
    cr_assert(place->store->is_new);
    place_reopen(place);
    cr_assert_not(place->store->is_new);
    place_close(place);
    cr_assert(store_open_existing(place->address, &store, &st), "%s", st.message);
    cr_assert_not(store->is_new);
    store_close(store);
}

CONTRACT(lasting, has_an_identity_of_its_own)
{
    static const uint8_t nothing[STORE_SECRET_SIZE];
    struct place other;
    place_init(&other, place->traced);
    const struct store_identity *a = &place->store->identity;
    const struct store_identity *b = &other.store->identity;
    cr_assert_arr_neq(a->epoch, b->epoch, EPOCH_SIZE);
    cr_assert_arr_neq(a->secret, b->secret, STORE_SECRET_SIZE);
    cr_assert_arr_neq(a->secret, nothing, STORE_SECRET_SIZE);
    place_fini(&other);
}

static void renew(struct book *book, struct store *store)
{
    struct status st;
    cr_assert(store_new_epoch(store, &st), "%s", st.message);
    cr_assert_arr_neq(store->identity.epoch, book->epoch, EPOCH_SIZE);
    memcpy(book->epoch, store->identity.epoch, EPOCH_SIZE);
}

CONTRACT(lasting, lives_over_a_new_epoch)
{
    struct book book;
    write_four(&book, place->store);
    for (uint64_t n = 1; n <= 3; n++) {
        renew(&book, place->store);
        renew(&book, place->store); /* the one between them has no commit: it leaves no trace */
        struct store_identity identity = place->store->identity;
        cr_assert_eq(identity.n_earlier, n);
        cr_assert_eq(identity.earlier[n - 1].through, book.n);
        book_fill(&book, place->store, 2);
        place_reopen(place);
        cr_assert_arr_eq(&place->store->identity, &identity, sizeof identity);
        book_check(&book, place->store, book.n);
    }
    book_fini(&book);
}

CONTRACT(lasting, refuses_a_newer_format)
{
    struct book book;
    struct status st;
    write_four(&book, place->store);
    place_close(place);
    place_set_format(place, STORE_FORMAT + 1);
    place_open_fails(place, &st);
    cr_assert_eq(st.code, STATUS_FAILED_PRECONDITION);
    cr_assert_str_eq(st.reason, "STORE_FORMAT_NEWER");
    char found[24];
    snprintf(found, sizeof found, "format %d,", STORE_FORMAT + 1);
    cr_assert_not_null(strstr(st.message, found), "%s", st.message);
    place_set_format(place, STORE_FORMAT);
    place_open(place);
    book_check(&book, place->store, 4);
    book_fini(&book);
}

/* ---- Heads ---- */

/* The head of a config whose newest version came with this change. */
static struct head *make_head(struct commit *commit, size_t index, uint64_t row_revision)
{
    const struct change *change = &commit->changes[index];
    struct version_ref newest = {commit, index};
    struct head *head = head_new(change->environment, change->service);
    head->last_version = change->version + 2;
    head->first_live_version = 1;
    head->mod_revision = commit->revision;
    head->row_revision = row_revision;
    head_encode(head, &newest);
    return head;
}

static struct head *make_tombstone(const char *service, uint64_t row_revision)
{
    struct head *head = head_new("prod", service);
    head->last_version = 9;
    head->first_live_version = 4;
    head->first_kept_version = 3;
    head->holes = (struct holes){mem_array(1, sizeof(uint64_t)), 1};
    head->holes.versions[0] = 7;
    head->mod_revision = row_revision;
    head->row_revision = row_revision;
    return head;
}

#define HEADS STORE_SAVE_MAX

struct loaded {
    struct head *heads[HEADS + 1]; /* owned */
    size_t n;
};

static bool keep_head(void *user, struct head *head)
{
    struct loaded *loaded = user;
    cr_assert_lt(loaded->n, COUNT_OF(loaded->heads));
    loaded->heads[loaded->n++] = head;
    return true;
}

static void load(struct store *store, struct loaded *loaded)
{
    struct status st;
    loaded->n = 0;
    cr_assert(store_load_heads(store, keep_head, loaded, &st), "%s: %s", st.reason, st.message);
}

static void unload(struct loaded *loaded)
{
    for (size_t i = 0; i < loaded->n; i++) {
        head_unref(loaded->heads[i]);
    }
}

static const struct head *find_head(const struct loaded *loaded, const struct head *wanted)
{
    for (size_t i = 0; i < loaded->n; i++) {
        if (head_is_named(loaded->heads[i], head_environment(wanted), head_service(wanted))) {
            return loaded->heads[i];
        }
    }
    cr_assert_fail("%s is not among the loaded heads", head_service(wanted));
    return NULL;
}

static void expect_head(const struct loaded *loaded, const struct head *wanted)
{
    const struct head *found = find_head(loaded, wanted);
    cr_assert_eq(found->version, wanted->version);
    cr_assert_eq(found->last_version, wanted->last_version);
    cr_assert_eq(found->first_live_version, wanted->first_live_version);
    cr_assert_eq(found->first_kept_version, wanted->first_kept_version);
    cr_assert_eq(found->mod_revision, wanted->mod_revision);
    cr_assert_eq(found->row_revision, wanted->row_revision);
    cr_assert_eq(found->revision, wanted->revision);
    cr_assert_eq(found->index, wanted->index);
    cr_assert_eq(found->holes.n, wanted->holes.n);
    for (size_t i = 0; i < wanted->holes.n; i++) {
        cr_assert_eq(found->holes.versions[i], wanted->holes.versions[i]);
    }
    cr_assert_eq(found->encoded == NULL, wanted->encoded == NULL);
    if (wanted->encoded != NULL) {
        cr_assert_eq(found->encoded->len, wanted->encoded->len);
        cr_assert_arr_eq(found->encoded->data, wanted->encoded->data, wanted->encoded->len);
    }
}

static void save(struct store *store, struct head *head, uint64_t through)
{
    struct status st;
    cr_assert(store_save_heads(store, &head, 1, through, &st), "%s", st.message);
}

static void expect_heads_mark(struct store *store, uint64_t wanted)
{
    struct status st;
    uint64_t through = UINT64_MAX;
    cr_assert(store_get_mark(store, STORE_MARK_HEADS, &through, &st), "%s", st.message);
    cr_assert_eq(through, wanted);
}

CONTRACT(heads, come_back_as_they_were)
{
    struct book book;
    struct status st;
    struct loaded loaded;
    write_four(&book, place->store);
    load(place->store, &loaded);
    cr_assert_eq(loaded.n, 0);
    struct head *heads[] = {make_head(book.commits[1], 0, 2), make_head(book.commits[1], 1, 4),
                            make_tombstone("gone", 3)};
    heads[0]->holes = (struct holes){mem_array(2, sizeof(uint64_t)), 2};
    heads[0]->holes.versions[0] = 2;
    heads[0]->holes.versions[1] = UINT64_C(1) << 40;
    cr_assert(store_save_heads(place->store, heads, COUNT_OF(heads), 4, &st), "%s", st.message);
    place_reopen(place);
    load(place->store, &loaded);
    cr_assert_eq(loaded.n, COUNT_OF(heads));
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        expect_head(&loaded, heads[i]);
        head_unref(heads[i]);
    }
    expect_heads_mark(place->store, 4);
    unload(&loaded);
    book_fini(&book);
}

/* A slower writer's older head does not come over a newer one, nor does its mark. */
CONTRACT(heads, are_not_overwritten_by_older_ones)
{
    struct book book;
    struct loaded loaded;
    write_four(&book, place->store);
    AUTO(head_unref) struct head *old = make_tombstone("filled", 2);
    AUTO(head_unref) struct head *newer = make_head(book.commits[2], 0, 3);
    AUTO(head_unref) struct head *newest = make_head(book.commits[3], 0, 4);
    AUTO(head_unref) struct head *equal = make_tombstone("filled", 4);
    struct head *const order[] = {newer, old, newest, equal, newer, old};
    struct head *const wanted[] = {newer, newer, newest, newest, newest, newest};
    static const uint64_t through[] = {3, 2, 4, 4, 3, 2};
    static const uint64_t marks[] = {3, 3, 4, 4, 4, 4};
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        save(place->store, order[i], through[i]);
        load(place->store, &loaded);
        cr_assert_eq(loaded.n, 1);
        expect_head(&loaded, wanted[i]);
        expect_heads_mark(place->store, marks[i]);
        unload(&loaded);
    }
    book_fini(&book);
}

CONTRACT(heads, are_saved_by_the_hundred)
{
    struct status st;
    struct loaded loaded;
    struct head *heads[HEADS];
    for (size_t i = 0; i < HEADS; i++) {
        char name[16];
        snprintf(name, sizeof name, "h-%zu", i);
        heads[i] = make_tombstone(name, i + 1);
    }
    cr_assert(store_save_heads(place->store, heads, HEADS, HEADS, &st), "%s", st.message);
    load(place->store, &loaded);
    cr_assert_eq(loaded.n, HEADS);
    for (size_t i = 0; i < HEADS; i++) {
        expect_head(&loaded, heads[i]);
        head_unref(heads[i]);
    }
    unload(&loaded);
}

/* With nothing changed the mark alone moves. */
CONTRACT(heads, may_be_none)
{
    struct book book;
    struct status st;
    write_four(&book, place->store);
    cr_assert(store_save_heads(place->store, NULL, 0, 4, &st), "%s", st.message);
    expect_heads_mark(place->store, 4);
    book_fini(&book);
}

/* ---- All that a start reads ---- */

struct started {
    struct loaded heads;
    uint64_t compaction;  /* 0: not visited */
    uint64_t first, last; /* commits */
};

static bool keep_compaction(void *user, struct commit *commit)
{
    struct started *started = user;
    cr_assert_eq(started->last, 0, "the compaction comes before the commits");
    started->compaction = commit->revision;
    return true;
}

static bool keep_started_head(void *user, struct head *head)
{
    struct started *started = user;
    cr_assert_eq(started->last, 0, "the heads come before the commits");
    return keep_head(&started->heads, head);
}

static bool keep_started_commit(void *user, struct commit *commit)
{
    struct started *started = user;
    started->first = started->first == 0 ? commit->revision : started->first;
    started->last = commit->revision;
    return true;
}

static bool start_from(struct store *store, uint64_t through, uint64_t compaction,
                       struct started *started, struct status *st)
{
    const struct store_load all = {.compaction = keep_compaction,
                                   .head = keep_started_head,
                                   .commit = keep_started_commit,
                                   .user = started};
    *started = (struct started){.compaction = 0};
    bool ok = store_load(store, through, compaction, &all, st);
    unload(&started->heads);
    return ok;
}

static void expect_start(struct store *store, uint64_t through, uint64_t compaction)
{
    struct started started;
    struct status st;
    cr_assert(start_from(store, through, compaction, &started, &st), "%s", st.message);
    cr_assert_eq(started.compaction, compaction);
    cr_assert_eq(started.heads.n, 2);
    cr_assert_eq(started.first, through == 0 ? 1 : through);
    cr_assert_eq(started.last, 8);
}

/* Where the store can read it all at once; each backend that has the method must do so right,
 * whether or not it is the better way on this server. One head is newer than the marks below 6. */
CONTRACT(heads, come_with_the_commits_behind_them)
{
    struct book book;
    struct started started;
    struct status st;
    struct store *store = place->store;
    write_four(&book, store);
    book_fill(&book, store, 4);
    AUTO(head_unref) struct head *newest = make_head(book.commits[5], 0, 6);
    AUTO(head_unref) struct head *gone = make_tombstone("gone", 3);
    save(store, newest, 3);
    save(store, gone, 3);
    store->loads_at_once = store->ops->load != NULL;
    static const uint64_t marks[][2] = {{0, 0}, {3, 0}, {3, 2}, {3, 3},
                                        {3, 8}, {6, 5}, {7, 7}, {8, 1}};
    for (size_t i = 0; store->loads_at_once && i < COUNT_OF(marks); i++) {
        expect_start(store, marks[i][0], marks[i][1]);
    }
    if (store->loads_at_once) {
        cr_assert_not(start_from(store, 9, 0, &started, &st), "no commit has this revision");
        cr_assert_eq(st.code, STATUS_DATA_LOSS);
        cr_assert_not(start_from(store, 8, 9, &started, &st), "nor has one that compacts");
        cr_assert_eq(st.code, STATUS_DATA_LOSS);
        place_remove_commit(place, 5);
        cr_assert_not(start_from(store, 3, 0, &started, &st), "a hole");
        cr_assert_eq(st.code, STATUS_DATA_LOSS);
        place_remove_commit(place, 6);
        cr_assert_not(start_from(store, 7, 0, &started, &st), "the commit of a head");
        cr_assert_eq(st.code, STATUS_DATA_LOSS);
    }
    book_fini(&book);
}

/* ---- Damage ---- */

static bool pass(void *user, struct commit *commit)
{
    *(uint64_t *)user = commit->revision;
    return true;
}

CONTRACT(lasting, takes_no_commit_of_an_epoch_that_is_over)
{
    struct book book;
    struct status st;
    uint8_t over[EPOCH_SIZE];
    write_four(&book, place->store);
    memcpy(over, book.epoch, sizeof over);
    renew(&book, place->store);
    memcpy(book.epoch, over, sizeof over);
    book_fill(&book, place->store, 1);
    cr_assert_not(store_read_commits(place->store, 5, 5, false, pass, NULL, &st));
    cr_assert_eq(st.code, STATUS_DATA_LOSS);
    book_fini(&book);
}

static bool pass_version(void *user, const struct version_ref *version)
{
    (void)user, (void)version;
    return true;
}

static bool drop_head(void *user, struct head *head)
{
    (void)user;
    head_unref(head);
    return true;
}

static bool read_all(struct store *store, struct status *st)
{
    uint64_t last = 0;
    return store_read_commits(store, 1, UINT64_MAX, true, pass, &last, st);
}

static bool read_one(struct store *store, struct status *st)
{
    struct version_ref found = {0};
    bool ok = store_read_version(store, "prod", "a", 1, &found, st);
    commit_unref(found.commit);
    return ok;
}

static bool read_list(struct store *store, struct status *st)
{
    return store_read_versions(store, "prod", "a", 9, 1, true, pass_version, NULL, st);
}

static bool read_change(struct store *store, struct status *st)
{
    struct version_ref found = {0};
    bool ok = store_find_change(store, "prod", "a", 4, &found, st);
    commit_unref(found.commit);
    return ok;
}

static bool read_heads(struct store *store, struct status *st)
{
    return store_load_heads(store, drop_head, NULL, st);
}

static bool read_tail(struct store *store, struct status *st)
{
    struct store_tail tail;
    return store_tail(store, &tail, st);
}

typedef bool reading(struct store *store, struct status *st);

static void expect_loss(struct store *store, reading *read, const char *what, size_t position)
{
    struct status st = {0};
    cr_assert_not(read(store, &st), "%s, byte %zu: it was read", what, position);
    cr_assert_eq(st.code, STATUS_DATA_LOSS, "%s, byte %zu: %s: %s", what, position,
                 status_code_name(st.code), st.message);
}

/* Commit 2 and its first payload, damaged at one byte after the other. */
static void damage_each_byte(struct place *place, enum stored_field field, reading *const *readings,
                             size_t n)
{
    struct book book;
    write_four(&book, place->store);
    AUTO(head_unref) struct head *head = make_head(book.commits[1], 0, 2);
    save(place->store, head, 4);
    size_t position = 0;
    for (; place_flip(place, field, 2, 0, position); position = place_next_byte(place, position)) {
        for (size_t i = 0; i < n; i++) {
            AUTO_STR what = {0};
            str_addf(&what, "reading %zu", i);
            expect_loss(place->store, readings[i], what.data, position);
        }
        cr_assert(place_flip(place, field, 2, 0, position));
    }
    cr_assert_gt(position, 12);
    book_check(&book, place->store, 4);
    book_fini(&book);
}

static reading *const of_commits[] = {read_all, read_one, read_list, read_change, read_heads};
static reading *const of_payloads[] = {read_all, read_one, read_list, read_heads};

CONTRACT(damage, of_a_record_is_told)
{
    damage_each_byte(place, STORED_RECORD, of_commits, COUNT_OF(of_commits));
}

CONTRACT(damage, of_a_hash_is_told)
{
    damage_each_byte(place, STORED_HASH, of_commits, COUNT_OF(of_commits));
}

CONTRACT(damage, of_a_payload_is_told)
{
    damage_each_byte(place, STORED_PAYLOAD, of_payloads, COUNT_OF(of_payloads));
}

CONTRACT(damage, of_a_salt_is_told)
{
    damage_each_byte(place, STORED_SALT, of_payloads, COUNT_OF(of_payloads));
}

CONTRACT(damage, of_the_tail_is_told)
{
    struct book book;
    write_four(&book, place->store);
    for (size_t i = 0; i < 2; i++) {
        enum stored_field field = i == 0 ? STORED_RECORD : STORED_HASH;
        for (size_t position = 0; place_flip(place, field, 4, 0, position);
             position = place_next_byte(place, position)) {
            expect_loss(place->store, read_tail, "the tail", position);
            cr_assert(place_flip(place, field, 4, 0, position));
        }
    }
    book_check(&book, place->store, 4);
    book_fini(&book);
}

CONTRACT(damage, is_a_commit_that_is_missing)
{
    struct book book;
    struct status st;
    uint64_t last = 0;
    write_four(&book, place->store);
    place_remove_commit(place, 2);
    expect_loss(place->store, read_all, "a hole", 0);
    cr_assert_not(store_read_commits(place->store, 2, 4, false, pass, &last, &st));
    cr_assert_eq(st.code, STATUS_DATA_LOSS);
    cr_assert(store_read_commits(place->store, 3, 4, true, pass, &last, &st), "%s", st.message);
    cr_assert_eq(last, 4);
    book_fini(&book);
}

/* A backend may read the log in parts; a part that ends early is not the end of the log. */
CONTRACT(damage, is_a_hole_at_the_end_of_a_part)
{
    struct book book;
    struct status st;
    struct store_tail tail;
    uint64_t last = 0;
    book_init(&book, place->store);
    book_fill(&book, place->store, 130);
    for (uint64_t missing = 32; missing < 130; missing += 33) {
        place_remove_commit(place, missing);
    }
    for (uint64_t missing = 32; missing < 130; missing += 33) {
        cr_assert_not(
            store_read_commits(place->store, missing - 31, UINT64_MAX, true, pass, &last, &st));
        cr_assert_eq(st.code, STATUS_DATA_LOSS);
        cr_assert_eq(last, missing - 1);
    }
    cr_assert(store_tail(place->store, &tail, &st), "%s", st.message);
    cr_assert_eq(tail.revision, 130);
    place_reopen(place);
    cr_assert_not(store_read_all_commits(place->store, 1, 130, true, pass, &last, &st));
    cr_assert_eq(st.code, STATUS_DATA_LOSS);
    book_fini(&book);
}

CONTRACT(damage, is_a_commit_in_the_place_of_another)
{
    struct book book;
    write_four(&book, place->store);
    place_copy_commit(place, 3, 4);
    expect_loss(place->store, read_all, "a copy", 0);
    expect_loss(place->store, read_tail, "a copy at the tail", 0);
    book_fini(&book);
}

/* An erased payload is reported as erased; one that is missing otherwise is damage. */
CONTRACT(damage, is_a_payload_that_is_missing)
{
    struct book book;
    write_four(&book, place->store);
    AUTO(head_unref) struct head *head = make_head(book.commits[1], 0, 2);
    save(place->store, head, 4);
    place_lose_payload(place, 2, 0);
    for (size_t i = 0; i < COUNT_OF(of_payloads); i++) {
        expect_loss(place->store, of_payloads[i], "a payload that is missing", i);
    }
    book_fini(&book);
}

/* Nothing behind the damage is shown, what is before it can be read. */
CONTRACT(damage, leaves_what_is_before_it)
{
    struct book book;
    struct status st;
    uint64_t last = 0;
    write_four(&book, place->store);
    cr_assert(place_flip(place, STORED_RECORD, 3, 0, 40));
    cr_assert_not(store_read_commits(place->store, 1, 4, true, pass, &last, &st));
    cr_assert_eq(last, 2);
    cr_assert(store_read_commits(place->store, 1, 2, true, pass, &last, &st), "%s", st.message);
    book_fini(&book);
}
