/* Properties of a store on a server: several processes share it; unsuitable servers and addresses
 * are refused. */
#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <mongoc/mongoc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "book.h"
#include "clock.h"
#include "leak_check.h"
#include "mongodb_db.h"
#include "place.h"
#include "store_open.h"

/* ---- Sharing ---- */

static struct store *open_beside(const struct place *place)
{
    struct store *store = NULL;
    struct status st;
    cr_assert(store_open(place->address, &store, &st), "%s: %s", st.reason, st.message);
    return store;
}

CONTRACT(mongodb, is_one_log_for_all_that_open_it)
{
    struct book book;
    struct status st;
    struct store *other = open_beside(place);
    cr_assert_arr_eq(&other->identity, &place->store->identity, sizeof other->identity);
    book_init(&book, place->store);
    book_fill(&book, place->store, 2);
    book_check(&book, other, 2);
    AUTO(commit_unref) struct commit *rival = book_rival(&book, 2);
    cr_assert_not(store_append(other, &rival, 1, &st));
    cr_assert_str_eq(st.reason, "REVISION_TAKEN");
    book_fill(&book, other, 2);
    book_check(&book, place->store, 4);
    store_close(other);
    book_fini(&book);
}

static void expect_tail(struct store *store, const struct book *book, uint64_t revision)
{
    struct store_tail tail;
    struct status st;
    cr_assert(store_tail(store, &tail, &st), "%s", st.message);
    cr_assert_eq(tail.revision, revision);
    cr_assert(hash_equal(&tail.hash, &book->commits[revision - 1]->hash));
}

/* Where it was seen last is where it is looked for first. */
CONTRACT(mongodb, tells_the_tail_wherever_it_went)
{
    struct book book;
    struct store *other = open_beside(place);
    book_init(&book, place->store);
    book_fill(&book, place->store, 2);
    expect_tail(place->store, &book, 2);
    book_fill(&book, other, 1);
    expect_tail(place->store, &book, 3);
    book_fill(&book, other, 127);
    expect_tail(place->store, &book, 130);
    book_fill(&book, other, 200);
    expect_tail(place->store, &book, 330);
    for (uint64_t revision = 330; revision > 328; revision--) {
        place_remove_commit(place, revision);
    }
    expect_tail(place->store, &book, 328);
    store_close(other);
    book_fini(&book);
}

static bool count_head(void *user, struct head *head)
{
    *(size_t *)user += head->last_version;
    head_unref(head);
    return true;
}

/* As it is read on MongoDB, whatever this server finds by an index: heads by finds of two. */
CONTRACT(mongodb, is_read_by_ranges_and_in_parts)
{
    struct book book;
    struct status st;
    struct store *other = open_beside(place);
    mongo_of(other)->plan = MONGO_RANGES;
    mongo_of(other)->part_heads = 2;
    book_init(&book, place->store);
    book_fill(&book, place->store, 3);
    book_check(&book, other, 3);
    for (uint64_t n = 0; n < 5; n++) {
        char name[16];
        size_t versions = 0;
        snprintf(name, sizeof name, "c-%" PRIu64, n);
        AUTO(head_unref) struct head *head = head_new("prod", name);
        head->last_version = UINT64_C(1) << n;
        head->row_revision = 1;
        cr_assert(store_save_heads(other, &head, 1, 1, &st), "%s", st.message);
        cr_assert(store_load_heads(other, count_head, &versions, &st), "%s", st.message);
        cr_assert_eq(versions, (UINT64_C(2) << n) - 1, "each once");
    }
    store_close(other);
    book_fini(&book);
}

/* Code on other threads than the test's own uses assert. */
struct racer {
    const char *address;
    struct store *store;
    uint8_t epoch[EPOCH_SIZE];
    size_t won, lost;
};

#define RACERS 4
#define RACES 25

static void *open_at_once(void *argument)
{
    struct racer *racer = argument;
    struct status st;
    bool ok = store_open(racer->address, &racer->store, &st);
    assert(ok && "whoever comes second finds what the first one made");
    memcpy(racer->epoch, racer->store->identity.epoch, EPOCH_SIZE);
    return NULL;
}

static struct commit *next_commit(const struct racer *racer, const struct store_tail *tail)
{
    struct commit *commit = commit_new(1);
    commit->revision = tail->revision + 1;
    commit->time_us = 1;
    commit->previous_hash = tail->hash;
    commit->changes[0] = (struct change){.kind = CHANGE_CREATE,
                                         .environment = mem_string("prod"),
                                         .service = mem_string("raced"),
                                         .version = commit->revision,
                                         .head_version = commit->revision,
                                         .payload = buf_copy("{}", 2)};
    commit_seal(commit, racer->epoch);
    return commit;
}

/* Looks at the tail and tries to be the one who comes behind it. */
static void *append_on(void *argument)
{
    struct racer *racer = argument;
    while (racer->won < RACES) {
        struct store_tail tail;
        struct status st;
        bool read = store_tail(racer->store, &tail, &st);
        assert(read);
        AUTO(commit_unref) struct commit *commit = next_commit(racer, &tail);
        bool won = store_append(racer->store, &commit, 1, &st);
        assert(won || strcmp(st.reason, "REVISION_TAKEN") == 0);
        racer->won += won;
        racer->lost += !won;
    }
    return NULL;
}

static void run_racers(struct racer *racers, void *(*body)(void *))
{
    pthread_t threads[RACERS];
    for (size_t i = 0; i < RACERS; i++) {
        pthread_create(&threads[i], NULL, body, &racers[i]);
    }
    for (size_t i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static bool count_commit(void *user, struct commit *commit)
{
    ++*(uint64_t *)user;
    return commit->revision == *(uint64_t *)user;
}

CONTRACT(mongodb, is_made_once_and_written_in_turns)
{
    struct racer racers[RACERS] = {0};
    struct status st;
    uint64_t n = 0;
    struct place fresh;
    place_init(&fresh, false);
    place_wipe(&fresh);
    for (size_t i = 0; i < RACERS; i++) {
        racers[i].address = fresh.address;
    }
    run_racers(racers, open_at_once);
    for (size_t i = 1; i < RACERS; i++) {
        cr_assert_arr_eq(racers[i].epoch, racers[0].epoch, EPOCH_SIZE);
    }
    run_racers(racers, append_on);
    cr_assert(store_read_commits(racers[0].store, 1, UINT64_MAX, true, count_commit, &n, &st), "%s",
              st.message);
    cr_assert_eq(n, RACERS * RACES);
    for (size_t i = 0; i < RACERS; i++) {
        store_close(racers[i].store);
    }
    fresh.store = NULL;
    place_fini(&fresh);
    cr_assert_not_null(place->store);
}

/* ---- What a database is refused for ---- */

static void expect_foreign(struct place *place)
{
    struct status st;
    place_open_fails(place, &st);
    cr_assert_eq(st.code, STATUS_FAILED_PRECONDITION, "%s", st.message);
    cr_assert_str_eq(st.reason, "STORE_FOREIGN");
    cr_assert_not_null(strstr(st.message, "confreg_test_"), "it names the database: %s",
                       st.message);
}

/* A log that lost its identity gets no other one. */
CONTRACT(mongodb, is_no_log_without_identity)
{
    struct book book;
    book_init(&book, place->store);
    book_fill(&book, place->store, 1);
    place_close(place);
    place_drop_identity(place);
    expect_foreign(place);
    book_fini(&book);
}

/* An empty database may be a mistyped address. */
CONTRACT(mongodb, is_not_made_where_that_is_forbidden)
{
    struct store *store = NULL;
    struct status st;
    place_wipe(place);
    for (size_t i = 0; i < 2; i++) { /* the first attempt leaves nothing behind */
        cr_assert_not(store_open_existing(place->address, &store, &st));
        cr_assert_eq(st.code, STATUS_FAILED_PRECONDITION, "%s", st.message);
        cr_assert_str_eq(st.reason, "STORE_MISSING");
    }
    place_open(place);
    cr_assert(place->store->is_new);
}

CONTRACT(mongodb, is_no_identity_of_another_form)
{
    place_close(place);
    place_set_format(place, 0);
    expect_foreign(place);
}

/* ---- Addresses and servers ---- */

static void expect_refusal(const char *address, enum status_code code, const char *reason)
{
    struct store *store = NULL;
    struct status st;
    int64_t begun = clock_monotonic_ns();
    cr_assert_not(store_open(address, &store, &st), "%s", address);
    cr_assert_eq(st.code, code, "%s: %s", address, st.message);
    cr_assert_str_eq(st.reason, reason, "%s: %s", address, st.message);
    cr_assert_null(strstr(st.message, "s3cret"), "%s", st.message);
    cr_assert_lt(clock_monotonic_ns() - begun, INT64_C(20000000000), "it takes too long");
}

Test(mongodb_address, may_be_none)
{
    static const char *const addresses[] = {
        "mongodb://",          "mongodb:",           "mongodb:x",
        "mongodb://a:b:c",     "mongodb://a:999999", "mongodb://u:s3cret@",
        "mongodb://u:s3%@a/b", "mongodb+srv://a",    "mongodb://u:s3cret@a/?tls=maybe&x",
    };
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        expect_refusal(addresses[i], STATUS_INVALID_ARGUMENT, "STORE_ADDRESS");
    }
    leak_check();
}

/* A socket on a free port; its address with the options behind it. */
static int listen_somewhere(char address[128], const char *options)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof where;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&where, n), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&where, &n), 0);
    cr_assert_eq(listen(listener, 16), 0);
    snprintf(address, 128, "mongodb://u:s3cret@127.0.0.1:%d/?%s", ntohs(where.sin_port), options);
    return listener;
}

Test(mongodb_server, may_be_away)
{
    char address[128];
    close(listen_somewhere(address, "serverSelectionTimeoutMS=500"));
    expect_refusal(address, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE");
    leak_check();
}

/* One that takes connections and says nothing. */
Test(mongodb_server, may_be_silent)
{
    char address[128];
    int listener = listen_somewhere(address, "serverSelectionTimeoutMS=500&connectTimeoutMS=300");
    expect_refusal(address, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE");
    close(listener);
    leak_check();
}

/* ---- A server that is something else ---- */

struct impostor {
    int listener;
    int wire_version; /* it says that it speaks; -1: it speaks no such protocol at all */
};

static bool read_whole(int peer, void *bytes, size_t n)
{
    return recv(peer, bytes, n, MSG_WAITALL) == (ssize_t)n;
}

/* The answer to the driver's first question, in the protocol's oldest form. */
static void answer(int peer, int32_t question, int wire_version)
{
    bson_t *hello = BCON_NEW("ismaster", BCON_BOOL(true), "maxWireVersion",
                             BCON_INT32(wire_version), "minWireVersion", BCON_INT32(0),
                             "maxBsonObjectSize", BCON_INT32(16777216), "ok", BCON_DOUBLE(1));
    int32_t head[9] = {(int32_t)(sizeof head + hello->len), 1, question, 1, 8, 0, 0, 0, 1};
    bool sent = send(peer, head, sizeof head, MSG_NOSIGNAL) == (ssize_t)sizeof head &&
                send(peer, bson_get_data(hello), hello->len, MSG_NOSIGNAL) == (ssize_t)hello->len;
    assert(sent || wire_version >= 0);
    bson_destroy(hello);
}

static void serve(const struct impostor *impostor, int peer)
{
    static const char greeting[] = "220 mail.example.org ESMTP, and more than a header has\r\n";
    int32_t head[4];
    char rest[65536];
    while (read_whole(peer, head, sizeof head)) {
        size_t n = (size_t)head[0] - sizeof head;
        if (n > sizeof rest || !read_whole(peer, rest, n)) {
            break;
        }
        if (impostor->wire_version < 0) {
            send(peer, greeting, sizeof greeting - 1, MSG_NOSIGNAL);
            break;
        }
        answer(peer, head[1], impostor->wire_version);
    }
    close(peer);
}

static void *serve_one(void *argument)
{
    const struct impostor *impostor = argument;
    for (int peer; (peer = accept(impostor->listener, NULL, NULL)) >= 0;) {
        serve(impostor, peer);
    }
    return NULL;
}

static void expect_impostor_refused(int wire_version, enum status_code code, const char *reason)
{
    char address[128];
    pthread_t threads[4]; /* the driver has more than one connection */
    struct impostor impostor = {.wire_version = wire_version};
    impostor.listener = listen_somewhere(address, "serverSelectionTimeoutMS=500");
    char *plain = strstr(address, "u:s3cret@");
    memmove(plain, plain + 9, strlen(plain + 9) + 1);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_create(&threads[i], NULL, serve_one, &impostor);
    }
    expect_refusal(address, code, reason);
    shutdown(impostor.listener, SHUT_RDWR);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    close(impostor.listener);
}

Test(mongodb_server, may_be_too_old)
{
    expect_impostor_refused(5, STATUS_FAILED_PRECONDITION, "STORE_TOO_OLD");
    expect_impostor_refused(0, STATUS_FAILED_PRECONDITION, "STORE_TOO_OLD");
    leak_check();
}

Test(mongodb_server, may_be_another_kind)
{
    expect_impostor_refused(-1, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE");
    leak_check();
}
