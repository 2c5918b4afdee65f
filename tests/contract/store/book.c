#include "book.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void book_init(struct book *book, const struct store *store)
{
    *book = (struct book){.n = 0};
    memcpy(book->epoch, store->identity.epoch, EPOCH_SIZE);
}

void book_fini(struct book *book)
{
    for (size_t i = 0; i < book->n; i++) {
        commit_unref(book->commits[i]);
    }
}

static void name_change(struct change *change, const char *service)
{
    const char *slash = strchr(service, '/');
    change->environment =
        slash == NULL ? mem_string("prod") : mem_text(service, (size_t)(slash - service));
    change->service = mem_string(slash == NULL ? service : slash + 1);
}

static struct commit *make(const struct book *book, const struct line *lines, size_t n)
{
    static const struct hash nothing;
    struct commit *commit = commit_new(n);
    commit->revision = book->n + 1;
    commit->time_us = 1700000000000000 + (int64_t)book->n;
    commit->previous_hash = book->n == 0 ? nothing : book->commits[book->n - 1]->hash;
    for (size_t i = 0; i < n; i++) {
        struct change *change = &commit->changes[i];
        change->kind = lines[i].kind;
        name_change(change, lines[i].service);
        change->version = lines[i].version;
        change->head_version = lines[i].json == NULL ? 0 : lines[i].version;
        change->payload =
            lines[i].json == NULL ? NULL : buf_copy(lines[i].json, strlen(lines[i].json));
    }
    return commit;
}

static struct commit *keep(struct book *book, struct commit *commit)
{
    commit_seal(commit, book->epoch);
    cr_assert_lt(book->n, BOOK_ROOM);
    book->commits[book->n++] = commit;
    return commit;
}

struct commit *book_write(struct book *book, const struct line *lines, size_t n)
{
    return keep(book, make(book, lines, n));
}

struct commit *book_write_for(struct book *book, const char *actor, const char *request_id,
                              const struct line *line)
{
    struct commit *commit = make(book, line, 1);
    free(commit->actor);
    free(commit->request_id);
    commit->actor = mem_string(actor);
    commit->request_id = mem_string(request_id);
    return keep(book, commit);
}

struct commit *book_rival(const struct book *book, uint64_t revision)
{
    static const struct line line = {CHANGE_CREATE, "rival", 1, "{\"of\":\"another\"}"};
    struct book before = *book;
    before.n = revision - 1;
    struct commit *commit = make(&before, &line, 1);
    commit_seal(commit, book->epoch);
    return commit;
}

void book_append(const struct book *book, struct store *store, uint64_t from)
{
    struct status st;
    cr_assert(store_append(store, &book->commits[from - 1], book->n - from + 1, &st), "%s: %s",
              st.reason, st.message);
}

void book_fill(struct book *book, struct store *store, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char json[32];
        uint64_t version = book->n + 1;
        snprintf(json, sizeof json, "{\"n\":%" PRIu64 "}", version);
        struct line line = {version == 1 ? CHANGE_CREATE : CHANGE_UPDATE, "filled", version, json};
        book_write(book, &line, 1);
        book_append(book, store, book->n);
    }
}

static void compare_payload(const struct change *found, const struct change *wanted)
{
    cr_assert_eq(found->payload == NULL, wanted->payload == NULL);
    if (wanted->payload != NULL) {
        cr_assert_eq(found->payload->len, wanted->payload->len);
        cr_assert_arr_eq(found->payload->data, wanted->payload->data, wanted->payload->len);
        cr_assert_arr_eq(found->salt, wanted->salt, SALT_SIZE);
    }
}

void book_compare(const struct commit *found, const struct commit *wanted, bool with_payloads)
{
    cr_assert_eq(found->revision, wanted->revision);
    cr_assert(hash_equal(&found->hash, &wanted->hash), "revision %" PRIu64, wanted->revision);
    cr_assert_eq(found->record->len, wanted->record->len);
    cr_assert_arr_eq(found->record->data, wanted->record->data, wanted->record->len);
    for (size_t i = 0; i < wanted->n_changes; i++) {
        if (with_payloads) {
            compare_payload(&found->changes[i], &wanted->changes[i]);
        } else {
            cr_assert_null(found->changes[i].payload);
        }
    }
}

struct check {
    const struct book *book;
    size_t seen;
};

static bool check_commit(void *user, struct commit *commit)
{
    struct check *check = user;
    cr_assert_lt(check->seen, check->book->n, "the store has commits that nobody wrote");
    book_compare(commit, check->book->commits[check->seen], true);
    check->seen++;
    return true;
}

void book_check(const struct book *book, struct store *store, size_t n)
{
    static const struct hash nothing;
    struct status st;
    struct store_tail tail;
    struct check check = {.book = book};
    cr_assert(store_read_commits(store, 1, UINT64_MAX, true, check_commit, &check, &st), "%s: %s",
              st.reason, st.message);
    cr_assert_eq(check.seen, n, "the store has %zu commits, not %zu", check.seen, n);
    cr_assert(store_tail(store, &tail, &st), "%s", st.message);
    cr_assert_eq(tail.revision, n);
    cr_assert(hash_equal(&tail.hash, n == 0 ? &nothing : &book->commits[n - 1]->hash));
    cr_assert_eq(tail.time_us, n == 0 ? 0 : book->commits[n - 1]->time_us);
}
