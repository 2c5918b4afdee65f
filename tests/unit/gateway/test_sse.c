/* Server-sent events from an event to the bytes of a stream, without a socket. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "confreg/v1/registry.pb-c.h"
#include "identities.h"
#include "leak_check.h"
#include "sse_streams.h"
#include "sse_window.h"
#include "upstream.h"

TestSuite(sse_events, .fini = leak_check);
TestSuite(sse_streams, .fini = leak_check);

#define HOUR_NS INT64_C(3600000000000)
#define EPOCH "0123456789abcdef"
#define RIGHTS ":390feabc786e369f" /* the digest of who may read everything */
#define CHANGE(name) CONFREG__V1__CHANGE_KIND__CHANGE_KIND_##name

static struct sse_event *event_of(uint64_t revision, const char *service, bool ends_commit)
{
    const struct mirror_change change = {
        .revision = revision,
        .ends_commit = ends_commit,
        .kind = CHANGE(UPDATE),
        .environment = "prod",
        .service_name = service,
        .version = revision,
        .head_version = revision,
        .comment = "",
    };
    return sse_event_new(&change);
}

/* ---- Texts ---- */

Test(sse_events, names_of_events)
{
    static const struct {
        int kind;
        bool was_there;
        const char *name;
    } cases[] = {
        {CHANGE(CREATE), false, "created"}, {CHANGE(UNDELETE), false, "created"},
        {CHANGE(UPDATE), true, "updated"},  {CHANGE(ROLLBACK), true, "updated"},
        {CHANGE(IMPORT), false, "created"}, {CHANGE(IMPORT), true, "updated"},
        {CHANGE(DELETE), true, "deleted"},  {CHANGE(ERASE), true, "deleted"},
        {CHANGE(UNSPECIFIED), true, NULL},  {99, true, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *name = sse_name(cases[i].kind, cases[i].was_there);
        if (cases[i].name == NULL) {
            cr_expect_null(name);
        } else {
            cr_expect_str_eq(name, cases[i].name);
        }
    }
}

/* An event is two lines, whatever its names and comment contain. */
Test(sse_events, a_text_is_two_lines)
{
    struct sse_text event = {
        .name = "updated",
        .environment = "a\"b",
        .service_name = "\xc3\xa9",
        .version = 2,
        .head_version = 3,
        .time_us = 1769851120507038,
        .created_by = "",
        .comment = "one\ntwo\r\n",
        .data = "{\"z\":1.0}",
        .n_data = 9,
    };
    struct buf *text = sse_text_render(&event);
    cr_expect_str_eq(
        (const char *)text->data,
        "event: updated\n"
        "data: {\"service_name\":\"\xc3\xa9\",\"environment\":\"a\\\"b\",\"version\":2,"
        "\"head_version\":3,\"change_type\":\"updated\","
        "\"timestamp\":\"2026-01-31T09:18:40.507038Z\",\"created_by\":\"\","
        "\"comment\":\"one\\ntwo\\r\\n\",\"config_data\":{\"z\":1.0}}\n");
    buf_unref(text);
    event.created_by = NULL;
    event.data = NULL;
    text = sse_text_render(&event);
    cr_expect_not_null(strstr((const char *)text->data, "\"created_by\":\"system\""));
    cr_expect_null(strstr((const char *)text->data, "config_data"));
    buf_unref(text);
}

/* ---- The window ---- */

Test(sse_events, a_window_drops_whole_commits)
{
    struct sse_window window = {.max_bytes = 2000};
    uint64_t revision = 10;
    for (int i = 0; i < 200; i++) {
        revision++;
        sse_window_add(&window, event_of(revision, "a", false));
        sse_window_add(&window, event_of(revision, "b", false));
        sse_window_add(&window, event_of(revision, "c", true));
        cr_assert_leq(window.bytes, 2000);
        cr_assert_eq((window.next - window.first) % 3, 0);
        uint64_t oldest = sse_window_at(&window, window.first)->revision;
        cr_assert_eq(window.floor, oldest - 1);
        cr_assert_eq(sse_window_seek(&window, oldest - 1), window.first);
        cr_assert_eq(sse_window_seek(&window, 0), window.first);
        cr_assert_eq(sse_window_seek(&window, oldest), window.first + 3);
        cr_assert_eq(sse_window_seek(&window, revision), window.next);
        cr_assert_eq(sse_window_seek(&window, revision + 9), window.next);
    }
    sse_window_fini(&window);
}

Test(sse_events, the_newest_commit_stays_however_large)
{
    struct sse_window window = {.max_bytes = 500};
    sse_window_add(&window, event_of(1, "a", true));
    for (int i = 0; i < 20; i++) {
        sse_window_add(&window, event_of(2, "a", i == 19));
    }
    cr_expect_eq(window.next - window.first, 20);
    sse_window_add(&window, event_of(3, "a", true));
    cr_expect_eq(window.next - window.first, 1);
    cr_expect_eq(window.floor, 2);
    sse_window_clear(&window);
    cr_expect_not(window.is_set);
    sse_window_add(&window, event_of(7, "a", true));
    cr_expect_eq(window.floor, 6);
    sse_window_fini(&window);
}

/* ---- Streams ---- */

static struct upstream upstream;
static struct gateway gateway = {.upstream = &upstream};
static size_t n_resumed;

static void resume(void *user, struct request *r)
{
    (void)user;
    (void)r;
    n_resumed++;
}

static void start(int64_t heartbeat_ms)
{
    upstream.identities = identities_new(&upstream);
    gateway.streams = sse_streams_new(&upstream, heartbeat_ms);
}

static void stop(void)
{
    sse_streams_free(gateway.streams);
    identities_free(MOVE(upstream.identities));
}

/* The answer of a server without rights in force. */
static struct identity *anybody(void)
{
    Confreg__V1__GetAccessResponse told = CONFREG__V1__GET_ACCESS_RESPONSE__INIT;
    Confreg__V1__AccessGrant everything = CONFREG__V1__ACCESS_GRANT__INIT;
    Confreg__V1__AccessGrant *grants[] = {&everything};
    everything.role = CONFREG__V1__ACCESS_ROLE__ACCESS_ROLE_READER;
    told.grants = grants;
    told.n_grants = 1;
    struct identity *identity = identities_find(upstream.identities, NULL, NULL);
    identity_learn(identity, &told, clock_monotonic_ns() + HOUR_NS); /* known long enough */
    return identity;
}

static void open_stream(struct request *r, const char *prefix, uint64_t position)
{
    const struct mirror_view view = {.state = MIRROR_IN_STEP, .epoch = EPOCH, .revision = position};
    const struct sse_stream_start begin = {
        .view = &view, .selector = {.service_name_prefix = prefix}, .position = position};
    *r = (struct request){.gateway = &gateway, .peer = "unix:"};
    r->identity = anybody();
    sse_stream_start(r, &begin);
    identity_unref(MOVE(r->identity)); /* the stream has its own reference */
    cr_assert_null(r->suspended);
    cr_assert_eq(r->response.status, 200);
}

/* Reads everything that is ready, in pieces of `max` bytes; then the stream is paused. */
static const char *read_all(struct request *r, size_t max)
{
    static char text[16384];
    size_t n = 0;
    ssize_t got;
    while ((got = r->response.pull.read(r->response.pull.user, text + n, max)) > 0) {
        n += (size_t)got;
    }
    text[n] = '\0';
    return text;
}

/* The ids and service names in a text: "a b #12". */
static const char *outline(const char *text)
{
    static char out[1024];
    static const char service[] = "\"service_name\":\"";
    static const char id[] = "id: " EPOCH ":";
    size_t n = 0;
    out[0] = '\0';
    for (; *text != '\0'; text++) {
        if (strncmp(text, service, sizeof service - 1) == 0) {
            n += (size_t)snprintf(out + n, sizeof out - n, "%c ", text[sizeof service - 1]);
        } else if (strncmp(text, id, sizeof id - 1) == 0) {
            n += (size_t)snprintf(out + n, sizeof out - n, "#%.*s ",
                                  (int)strspn(text + sizeof id - 1, "0123456789"),
                                  text + sizeof id - 1);
        }
    }
    return out;
}

Test(sse_streams, any_size_of_reading_gives_the_same)
{
    static const size_t sizes[] = {8192, 1, 2, 7, 64, 1000};
    static char first[8192];
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct request r;
        start(1000000);
        open_stream(&r, NULL, 10);
        for (uint64_t revision = 11; revision < 14; revision++) {
            sse_streams_add(gateway.streams, event_of(revision, "a", false));
            sse_streams_add(gateway.streams, event_of(revision, "b", true));
        }
        const char *text = read_all(&r, sizes[i]);
        cr_expect_str_eq(outline(text), "#10 a b #11 a b #12 a b #13 ");
        if (i == 0) {
            strcpy(first, text);
        }
        cr_expect_str_eq(text, first);
        request_fini(&r);
        stop();
    }
    cr_expect_eq(
        strncmp(first, "retry: 1000\nid: " EPOCH ":10" RIGHTS "\n\nevent: updated\ndata: {", 76),
        0);
}

Test(sse_streams, ids_stand_behind_what_is_selected_of_a_commit)
{
    struct request r;
    start(1000000);
    open_stream(&r, "b", 5);
    cr_expect_str_eq(outline(read_all(&r, 64)), "#5 ");
    sse_streams_add(gateway.streams, event_of(6, "a", true));
    sse_streams_add(gateway.streams, event_of(7, "b", false));
    sse_streams_add(gateway.streams, event_of(7, "a", false));
    sse_streams_add(gateway.streams, event_of(7, "b", false));
    sse_streams_add(gateway.streams, event_of(7, "a", true));
    sse_streams_add(gateway.streams, event_of(8, "b", true));
    cr_expect_str_eq(outline(read_all(&r, 64)), "b b #7 b #8 ");
    request_fini(&r);
    stop();
}

Test(sse_streams, a_paused_stream_is_woken_by_what_it_selects)
{
    struct request r;
    start(1000000);
    n_resumed = 0;
    open_stream(&r, "b", 5);
    read_all(&r, 64);
    sse_streams_add(gateway.streams, event_of(6, "a", true));
    sse_streams_run(gateway.streams, resume, NULL);
    cr_expect_eq(n_resumed, 0);
    sse_streams_add(gateway.streams, event_of(7, "b", true));
    sse_streams_add(gateway.streams, event_of(8, "b", true));
    sse_streams_run(gateway.streams, resume, NULL);
    cr_expect_eq(n_resumed, 1);
    cr_expect_str_eq(outline(read_all(&r, 64)), "b #7 b #8 ");
    request_fini(&r);
    stop();
}

/* Each event looks at the streams that want it and at no other, however many there are. */
Test(sse_streams, a_change_visits_those_that_want_it)
{
    enum { STREAMS = 1000 };
    static struct request requests[STREAMS];
    struct sse_counts counts;
    start(1000000);
    for (size_t i = 0; i < STREAMS; i++) {
        open_stream(&requests[i], i % 100 == 0 ? "a" : i % 2 == 0 ? "b" : "c", 5);
        read_all(&requests[i], 64);
    }
    for (uint64_t revision = 6; revision < 16; revision++) {
        sse_streams_add(gateway.streams, event_of(revision, "a", true));
        sse_streams_run(gateway.streams, resume, NULL);
        for (size_t i = 0; i < STREAMS; i += 100) {
            read_all(&requests[i], 64);
        }
    }
    sse_streams_count(gateway.streams, &counts);
    cr_expect_eq(counts.visited, 100);
    cr_expect_eq(counts.sent, 100);
    sse_streams_add(gateway.streams, event_of(16, "b", true));
    cr_expect_str_eq(outline(read_all(&requests[2], 64)), "b #16 ");
    for (size_t i = 0; i < STREAMS; i++) {
        request_fini(&requests[i]);
    }
    stop();
}

/* Events that a quiet stream does not select may leave the window meanwhile. */
Test(sse_streams, a_quiet_stream_does_not_fall_behind_the_window)
{
    struct request r;
    start(1000000);
    open_stream(&r, "b", 5);
    read_all(&r, 64);
    static char wide[65536];
    memset(wide, 'a', sizeof wide - 1);
    uint64_t revision = 6;
    for (; revision < 600; revision++) { /* more than the window holds */
        sse_streams_add(gateway.streams, event_of(revision, wide, true));
    }
    sse_streams_add(gateway.streams, event_of(revision, "b", true));
    cr_expect_str_eq(outline(read_all(&r, 64)), "b #600 ");
    request_fini(&r);
    stop();
}

Test(sse_streams, heartbeats_tell_how_far_a_quiet_stream_is)
{
    struct request r;
    start(0);
    n_resumed = 0;
    open_stream(&r, "b", 5);
    read_all(&r, 64);
    sse_streams_add(gateway.streams, event_of(6, "a", true));
    cr_expect_leq(sse_streams_next_ns(gateway.streams), clock_monotonic_ns());
    sse_streams_run(gateway.streams, resume, NULL);
    cr_expect_eq(n_resumed, 1);
    cr_expect_str_eq(read_all(&r, 64), ":\nid: " EPOCH ":6" RIGHTS "\n\n");
    request_fini(&r);
    cr_expect_eq(sse_streams_next_ns(gateway.streams), -1);
    stop();
}

Test(sse_streams, what_is_known_is_not_told_again)
{
    struct request r;
    start(1000000);
    for (uint64_t revision = 1; revision <= 6; revision++) {
        sse_streams_add(gateway.streams, event_of(revision, "a", true));
    }
    open_stream(&r, NULL, 4);
    cr_expect_str_eq(outline(read_all(&r, 64)), "#4 a #5 a #6 ");
    request_fini(&r);
    open_stream(&r, NULL, 8); /* a position that is still to come */
    sse_streams_add(gateway.streams, event_of(7, "a", true));
    sse_streams_add(gateway.streams, event_of(8, "a", true));
    sse_streams_add(gateway.streams, event_of(9, "a", true));
    cr_expect_str_eq(outline(read_all(&r, 64)), "#8 a #9 ");
    request_fini(&r);
    stop();
}

Test(sse_streams, another_log_ends_them)
{
    struct request r;
    char byte;
    start(1000000);
    n_resumed = 0;
    open_stream(&r, NULL, 5);
    read_all(&r, 64);
    sse_streams_add(gateway.streams, sse_event_new_reset());
    sse_streams_run(gateway.streams, resume, NULL);
    cr_expect_eq(n_resumed, 1);
    cr_expect_eq(r.response.pull.read(r.response.pull.user, &byte, 1), -1);
    request_fini(&r);
    stop();
}
