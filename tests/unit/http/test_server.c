/* The life of connections, over real sockets. */
#include "http_server.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "leak_check.h"
#include "peer.h"

#define GET(target) "GET " target " HTTP/1.1\r\nHost: x\r\n\r\n"
#define LAST(target) "GET " target " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

/* ---- What is served ----
 *
 * /now answers at once; /later when the test says so; /echo with the request's body; /early before
 * the body was read; /pull with blocks that the test provides; /large with 4 MiB. */

#define LARGE_BYTES (4u << 20)

static struct listener listener;
static struct http_server *server;
static struct http_exchange *later; /* of /later; NULL once it has ended */
static bool may_leave;
static size_t n_begun, n_ended, n_gone;
static const char *block; /* the next of /pull; NULL: pending; "": the end */
static bool endless;      /* /pull repeats its block */
static bool lasts;
static size_t held;     /* by /pull */
static size_t max_held; /* by all */
static char large[LARGE_BYTES];

static void answer(struct http_exchange *x, unsigned status, const char *body, size_t n)
{
    const struct http_field field = {"Content-Type", "text/plain"};
    http_answer(x,
                &(struct http_answer){
                    .status = status, .fields = &field, .n_fields = 1, .body = body, .n_body = n});
}

static bool is_target(const struct http_exchange *x, const char *target)
{
    return strcmp(x->head.target, target) == 0;
}

static void begin(void *user, struct http_exchange *x)
{
    (void)user;
    n_begun++;
    x->user = mem_zalloc(sizeof(struct str));
    if (is_target(x, "/early")) {
        answer(x, 404, "early", 5);
    }
}

static void take_body(void *user, struct http_exchange *x, const char *bytes, size_t n)
{
    (void)user;
    cr_assert(!is_target(x, "/early"), "it has been answered");
    str_add(x->user, bytes, n);
}

static void run(void *user, struct http_exchange *x)
{
    (void)user;
    const struct str *body = x->user;
    x->lasts = lasts;
    if (is_target(x, "/later")) {
        later = x;
    } else if (is_target(x, "/pull")) {
        later = x;
        http_answer(x, &(struct http_answer){.status = 200, .is_pulled = true});
    } else if (is_target(x, "/large")) {
        answer(x, 200, large, sizeof large);
    } else if (is_target(x, "/echo")) {
        answer(x, 200, str_text(body), body->len);
    } else {
        answer(x, 200, "now", 3);
    }
}

static ssize_t read_block(void *user, struct http_exchange *x, char *bytes, size_t max)
{
    (void)user;
    x->n_held = held;
    if (endless) {
        memset(bytes, 'x', max);
        return (ssize_t)max;
    }
    if (block == NULL) {
        return HTTP_READ_PENDING;
    }
    size_t n = strlen(block);
    cr_assert_leq(n, max);
    memcpy(bytes, block, n);
    block = n == 0 ? block : NULL;
    return n == 0 ? HTTP_READ_END : (ssize_t)n;
}

static bool gone(void *user, struct http_exchange *x)
{
    (void)user;
    (void)x;
    n_gone++;
    return may_leave;
}

static void end(void *user, struct http_exchange *x)
{
    (void)user;
    n_ended++;
    str_fini(x->user);
    free(x->user);
}

static const char *refuse(void *user, struct http_exchange *x, const struct http_refusal *refusal,
                          struct str *body)
{
    (void)user;
    (void)x;
    str_addf(body, "refused: %s", refusal->why);
    return "text/plain";
}

static const struct http_handlers handlers = {.begin = begin,
                                              .body = take_body,
                                              .run = run,
                                              .read = read_block,
                                              .gone = gone,
                                              .end = end,
                                              .refuse = refuse};

static void start(size_t max_connections, int64_t patience_ms)
{
    struct status st;
    const struct http_settings settings = {.listener = &listener,
                                           .max_connections = max_connections,
                                           .max_held_bytes = max_held,
                                           .patience_ms = patience_ms,
                                           .linger_ms = patience_ms,
                                           .handlers = &handlers};
    cr_assert(http_server_new(&settings, &server, &st), "%s", st.message);
}

static void restart(size_t max_connections, int64_t patience_ms)
{
    http_server_free(server);
    start(max_connections, patience_ms);
}

static void set_up(void)
{
    peer_listen(&listener);
    start(8, 0);
    may_leave = true;
}

static void tear_down(void)
{
    http_server_free(server);
    listener_close(&listener);
    cr_expect_eq(n_begun, n_ended);
    leak_check();
}

TestSuite(servers, .init = set_up, .fini = tear_down);

static void serve_until(const size_t *count, size_t wanted)
{
    while (*count < wanted) {
        serve_once(server);
    }
}

/* Sends a text, and returns all that is received until the server closes. */
static void exchange(struct peer *peer, const char *text)
{
    peer_connect(peer, &listener);
    peer_say(peer, text);
    peer_hear_all(peer, server);
}

static size_t count_of(const struct peer *peer, const char *text)
{
    size_t n = 0;
    for (const char *at = str_text(&peer->heard); (at = strstr(at, text)) != NULL; at++) {
        n++;
    }
    return n;
}

/* ---- Requests and answers ---- */

Test(servers, answer_one_after_the_other)
{
    struct peer peer;
    exchange(&peer, GET("/now") GET("/echo") LAST("/now"));
    cr_expect_eq(count_of(&peer, "HTTP/1.1 200 OK\r\n"), 3u);
    cr_expect_eq(count_of(&peer, "\r\n\r\nnow"), 2u);
    cr_expect_eq(count_of(&peer, "Connection: close\r\n"), 1u);
    cr_expect_eq(count_of(&peer, "\r\nDate: "), 3u);
    peer_fini(&peer);
}

Test(servers, keep_the_order_of_answers)
{
    struct peer peer;
    peer_connect(&peer, &listener);
    peer_say(&peer, GET("/later") LAST("/now"));
    serve_until(&n_begun, 1);
    serve_once(server);
    cr_expect_eq(n_begun, 1u, "the next one waits");
    answer(later, 201, "later", 5);
    peer_hear_all(&peer, server);
    cr_expect(strstr(peer.heard.data, "later") < strstr(peer.heard.data, "now"));
    peer_fini(&peer);
}

Test(servers, hand_bodies_on)
{
    struct peer peer;
    exchange(&peer, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" LAST("/now"));
    cr_expect_eq(count_of(&peer, "\r\n\r\nabcdeHTTP/1.1 200"), 1u);
    peer_fini(&peer);
}

Test(servers, send_large_answers_whole)
{
    struct peer peer;
    memset(large, 'x', sizeof large);
    exchange(&peer, LAST("/large"));
    cr_expect_gt(peer.heard.len, sizeof large);
    cr_expect_eq(memcmp(peer.heard.data + peer.heard.len - sizeof large, large, sizeof large), 0);
    peer_fini(&peer);
}

Test(servers, send_no_body_to_head)
{
    struct peer peer;
    exchange(&peer, "HEAD /now HTTP/1.1\r\nHost: x\r\n\r\n"
                    "HEAD /pull HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    cr_expect_eq(count_of(&peer, "Content-Length: 3\r\n"), 1u);
    cr_expect_eq(count_of(&peer, "now"), 0u);
    cr_expect_eq(count_of(&peer, "\r\n\r\n"), 2u);
    peer_fini(&peer);
}

Test(servers, send_what_is_known_early_behind_the_body)
{
    struct peer peer;
    exchange(&peer, "POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" LAST("/now"));
    cr_expect_eq(count_of(&peer, "404"), 1u);
    cr_expect_eq(count_of(&peer, "200"), 1u);
    peer_fini(&peer);
}

Test(servers, do_not_wait_for_a_body_without_end)
{
    struct peer peer;
    exchange(&peer, "POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\nabc");
    cr_expect_eq(count_of(&peer, "404"), 1u);
    cr_expect_eq(count_of(&peer, "Connection: close\r\n"), 1u);
    peer_fini(&peer);
    exchange(&peer, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\nabc");
    cr_expect_eq(count_of(&peer, "413"), 1u);
    peer_fini(&peer);
}

Test(servers, invite_who_waits)
{
    struct peer peer;
    peer_connect(&peer, &listener);
    peer_say(&peer, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                    "Expect: 100-continue\r\n\r\n");
    peer_hear(&peer, server, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_say(&peer, "abc" LAST("/now"));
    peer_hear_all(&peer, server);
    cr_expect_eq(count_of(&peer, "\r\n\r\nabc"), 1u);
    peer_fini(&peer);
}

Test(servers, do_not_invite_who_would_send_too_much)
{
    struct peer peer;
    exchange(&peer, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n"
                    "Expect: 100-continue\r\n\r\n");
    cr_expect_eq(count_of(&peer, "HTTP/1.1 "), 1u);
    cr_expect_eq(count_of(&peer, "HTTP/1.1 413 "), 1u);
    peer_fini(&peer);
}

Test(servers, do_not_wait_for_a_chunk_without_end)
{
    struct peer peer;
    exchange(&peer, "POST /early HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "1\r\nx\r\nffffffffffffffff\r\nabc");
    cr_expect_eq(count_of(&peer, "404"), 1u);
    cr_expect_eq(count_of(&peer, "Connection: close\r\n"), 1u);
    peer_fini(&peer);
}

Test(servers, refuse_once)
{
    struct peer peer;
    exchange(&peer, "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" GET("/now"));
    cr_expect_eq(count_of(&peer, "HTTP/1.1 "), 1u);
    cr_expect_eq(count_of(&peer, "refused: There is more than one Host"), 1u);
    cr_expect_eq(n_begun, 0u);
    peer_fini(&peer);
}

/* ---- Answers that are pulled ---- */

Test(servers, pull)
{
    struct peer peer;
    peer_connect(&peer, &listener);
    peer_say(&peer, GET("/pull") LAST("/now"));
    peer_hear(&peer, server, "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        block = "block";
        http_wake(later);
        peer_hear(&peer, server, "5\r\nblock\r\n");
        str_clear(&peer.heard);
    }
    block = "";
    http_wake(later);
    peer_hear_all(&peer, server);
    cr_expect_eq(strncmp(str_text(&peer.heard), "0\r\n\r\nHTTP/1.1 200 OK\r\n", 22), 0);
    peer_fini(&peer);
}

Test(servers, pull_to_the_end_of_the_connection_for_http_1_0)
{
    struct peer peer;
    block = "block";
    peer_connect(&peer, &listener);
    peer_say(&peer, "GET /pull HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    peer_hear(&peer, server, "\r\n\r\nblock");
    block = "";
    http_wake(later);
    peer_hear_all(&peer, server);
    cr_expect_eq(count_of(&peer, "Transfer-Encoding"), 0u);
    cr_expect_eq(count_of(&peer, "Connection: close"), 1u);
    peer_fini(&peer);
}

/* ---- Clients that leave ---- */

static const char *const halves[] = {
    "",
    "G",
    "GET / HTTP/1.1\r\nHo",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na",
    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
};

Test(servers, free_connections_of_those_that_leave)
{
    for (size_t i = 0; i < 2 * COUNT_OF(halves); i++) {
        struct peer peer;
        peer_connect(&peer, &listener);
        peer_say(&peer, halves[i / 2]);
        serve_once(server);
        if (i % 2 == 0) {
            peer_end(&peer);
            peer_hear_all(&peer, server);
            cr_expect_eq(peer.heard.len, 0u);
        } else {
            peer_reset(&peer);
        }
        http_server_stop(server); /* idle then means that no connection is left */
        while (!http_server_is_idle(server)) {
            serve_once(server);
        }
        peer_fini(&peer);
        restart(8, 0);
    }
    cr_expect_eq(n_gone, 0u, "no request was the handler's");
}

Test(servers, answer_those_that_have_said_all)
{
    struct peer peer;
    peer_connect(&peer, &listener);
    peer_say(&peer, GET("/now") GET("/later"));
    peer_end(&peer);
    peer_hear(&peer, server, "now");
    while (later == NULL) {
        serve_once(server);
    }
    answer(later, 200, "later", 5);
    peer_hear_all(&peer, server);
    cr_expect_eq(count_of(&peer, "\r\n\r\nlater"), 1u);
    cr_expect_eq(n_gone, 0u);
    peer_fini(&peer);
}

Test(servers, give_up_what_lasts_when_its_client_has_said_all)
{
    lasts = true;
    for (int i = 0; i < 2; i++) {
        struct peer peer;
        peer_connect(&peer, &listener);
        peer_say(&peer, i == 0 ? GET("/later") : GET("/pull"));
        serve_until(&n_begun, (size_t)i + 1);
        serve_once(server);
        peer_end(&peer);
        peer_hear_all(&peer, server);
        cr_expect_eq(n_gone, (size_t)i + 1);
        cr_expect_eq(n_ended, (size_t)i + 1);
        peer_fini(&peer);
    }
}

/* A client that does not read: the socket's buffers are full. */
Test(servers, give_up_what_lasts_in_the_middle_of_sending)
{
    struct peer peer;
    lasts = true;
    peer_connect(&peer, &listener);
    peer_say(&peer, GET("/large"));
    serve_until(&n_begun, 1);
    serve_once(server);
    peer_end(&peer);
    serve_until(&n_ended, 1);
    peer_fini(&peer);
}

Test(servers, wait_for_handlers_that_cannot_let_go)
{
    struct peer peer;
    may_leave = false;
    peer_connect(&peer, &listener);
    peer_say(&peer, GET("/later"));
    serve_until(&n_begun, 1);
    peer_reset(&peer);
    serve_until(&n_gone, 1);
    cr_expect_eq(n_ended, 0u);
    http_server_stop(server);
    cr_expect_not(http_server_is_idle(server));
    answer(later, 200, "", 0);
    cr_expect_eq(n_ended, 1u);
    cr_expect(http_server_is_idle(server));
    peer_fini(&peer);
}

/* ---- Limits ---- */

Test(servers, take_no_more_connections_than_they_may)
{
    struct peer peers[9];
    for (size_t i = 0; i < 9; i++) {
        peer_connect(&peers[i], &listener);
        peer_say(&peers[i], GET("/now"));
    }
    for (size_t i = 0; i < 8; i++) {
        peer_hear(&peers[i], server, "now");
    }
    cr_expect_eq(n_begun, 8u);
    serve_once(server);
    cr_expect_eq(n_begun, 8u, "the ninth is the kernel's");
    peer_end(&peers[3]);
    peer_hear(&peers[8], server, "now");
    for (size_t i = 0; i < 9; i++) {
        peer_fini(&peers[i]);
    }
}

/* In place of the C library's: fails on demand. */
static int accept_error; /* 0: works */
static size_t n_accepts;
static int64_t accepted_ns; /* the last call of it */

int accept4(int fd, __SOCKADDR_ARG address, socklen_t *size, int flags)
{
    n_accepts++;
    accepted_ns = clock_monotonic_ns();
    if (accept_error != 0) {
        errno = accept_error;
        accept_error = 0;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, address.__sockaddr__, size, flags);
}

/* A level-triggered listener would otherwise keep the loop busy for as long as nothing is free. */
Test(servers, pause_when_there_is_no_room_for_a_connection)
{
    const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        struct peer peer;
        accept_error = errors[i];
        n_accepts = 0;
        peer_connect(&peer, &listener);
        peer_say(&peer, LAST("/now"));
        while (n_accepts == 0) {
            serve_once(server);
        }
        cr_assert_eq(n_accepts, 1u, "no second try at once: %s", strerror(errors[i]));
        int64_t failed_ns = accepted_ns;
        size_t turns = 0;
        for (; accepted_ns == failed_ns; turns++) {
            http_server_poll(server, -1);
            http_server_run(server);
        }
        cr_assert_geq(accepted_ns - failed_ns, INT64_C(50000000), "a pause");
        cr_assert_lt(turns, 5u, "the loop rests meanwhile");
        peer_hear_all(&peer, server);
        cr_assert_eq(count_of(&peer, "HTTP/1.1 200 "), 1u);
        peer_fini(&peer);
    }
}

Test(servers, go_on_accepting_behind_a_connection_that_is_gone)
{
    struct peer peer;
    peer_connect(&peer, &listener);
    peer_say(&peer, LAST("/now"));
    accept_error = ECONNABORTED;
    n_accepts = 0;
    while (n_accepts == 0) {
        serve_once(server);
    }
    cr_assert_geq(n_accepts, 2u, "the next one was taken in the same turn");
    peer_hear_all(&peer, server);
    cr_assert_eq(count_of(&peer, "HTTP/1.1 200 "), 1u);
    peer_fini(&peer);
}

Test(servers, disconnect_the_silent)
{
    restart(8, 1);
    for (size_t i = 0; i < COUNT_OF(halves); i++) {
        struct peer peer;
        exchange(&peer, halves[i]);
        cr_expect_eq(count_of(&peer, "HTTP/1.1 408 "), i == 0 ? 0u : 1u, "half %zu", i);
        peer_fini(&peer);
    }
}

Test(servers, do_not_disconnect_who_waits_for_a_handler)
{
    struct peer peer;
    restart(8, 1);
    peer_connect(&peer, &listener);
    while (later == NULL) {
        peer_fini(&peer);
        peer_connect(&peer, &listener);
        peer_say(&peer, GET("/later"));
        serve_once(server);
        serve_once(server);
    }
    int64_t until_ns = clock_monotonic_ns() + 20000000;
    while (clock_monotonic_ns() < until_ns) {
        serve_once(server);
    }
    answer(later, 200, "later", 5);
    peer_hear(&peer, server, "later");
    peer_fini(&peer);
}

#define SHORT_MS 20

static void wait_until(int64_t at_ns)
{
    while (clock_monotonic_ns() < at_ns) {
        continue;
    }
}

static bool has_answer(const struct peer *peer)
{
    char byte;
    return recv(peer->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

/* Sends the rest of a request for /later after its time-out, but before the server has looked at
 * the clock. False if the server was faster. */
static bool say_late(struct peer *peer, size_t n_chunks)
{
    AUTO_STR rest = {0};
    str_add_text(&rest, "x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t i = 0; i < n_chunks; i++) {
        str_add_text(&rest, "1\r\nx\r\n");
    }
    str_add_text(&rest, "0\r\n\r\n");
    later = NULL;
    peer_connect(peer, &listener);
    peer_say(peer, "POST /later HTTP/1.1\r\nHost: ");
    for (int i = 0; i < 3; i++) {
        serve_once(server);
    }
    wait_until(clock_monotonic_ns() + SHORT_MS * INT64_C(1000000));
    peer_say(peer, rest.data);
    while (later == NULL && !has_answer(peer)) {
        serve_once(server);
    }
    return later != NULL;
}

/* However many steps of its run a connection has used when the request is complete. */
Test(servers, do_not_disconnect_who_has_just_said_all)
{
    restart(8, SHORT_MS);
    for (size_t n_chunks = 50; n_chunks < 70; n_chunks++) {
        struct peer peer;
        while (!say_late(&peer, n_chunks)) {
            peer_fini(&peer);
        }
        cr_assert_eq(n_ended + 1, n_begun, "the request is the handler's: %zu", n_chunks);
        answer(later, 200, "later", 5);
        peer_hear(&peer, server, "later");
        peer_fini(&peer);
    }
}

#define STEADY_MS 200

/* Calls `step` for three times the patience. False if the machine was too slow for the test. */
static bool is_steady(struct peer *peer, void (*step)(struct peer *peer))
{
    int64_t begun_ns = clock_monotonic_ns();
    int64_t last_ns = begun_ns;
    int64_t longest_ns = 0;
    while (last_ns < begun_ns + 3 * STEADY_MS * INT64_C(1000000)) {
        step(peer);
        serve_once(server);
        int64_t now_ns = clock_monotonic_ns();
        longest_ns = now_ns - last_ns > longest_ns ? now_ns - last_ns : longest_ns;
        last_ns = now_ns;
    }
    return longest_ns < STEADY_MS * INT64_C(1000000) / 4;
}

/* Each request has its own time-out, even if the next one has always begun already. */
static void say_next(struct peer *peer)
{
    static const char text[] = "st: x\r\n\r\nGET /now HTTP/1.1\r\nHo";
    send(peer->fd, text, sizeof text - 1, MSG_NOSIGNAL);
    peer_receive(peer);
}

Test(servers, do_not_disconnect_who_is_never_at_an_end)
{
    restart(8, STEADY_MS);
    for (bool told = false; !told;) {
        struct peer peer;
        peer_connect(&peer, &listener);
        peer_say(&peer, "GET /now HTTP/1.1\r\nHo");
        told = is_steady(&peer, say_next);
        cr_expect(!told || count_of(&peer, "HTTP/1.1 408 ") == 0);
        peer_fini(&peer);
    }
}

/* A unix socket accepts a whole block or nothing. */
static void take_some(struct peer *peer)
{
    str_clear(&peer->heard);
    peer_receive(peer);
}

/* Serves on a unix socket instead: its kernel buffers are small. */
struct unix_place {
    char folder[32], path[64];
};

static void listen_on_unix(struct unix_place *place, int64_t patience_ms)
{
    struct status st;
    AUTO_STR address = {0};
    strcpy(place->folder, "/tmp/confreg-http-XXXXXX");
    cr_assert_not_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/socket", place->folder);
    str_addf(&address, "unix:%s", place->path);
    http_server_free(server);
    listener_close(&listener);
    cr_assert(listener_open(address.data, &listener, &st), "%s", st.message);
    start(8, patience_ms);
}

static void remove_unix(const struct unix_place *place)
{
    unlink(place->path);
    rmdir(place->folder);
}

static void connect_to_unix(struct peer *peer, const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    strcpy(name.sun_path, path);
    *peer = (struct peer){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    cr_assert_eq(connect(peer->fd, (const struct sockaddr *)&name, sizeof name), 0);
}

/* Returns once all is as it stays: the server has nothing more to do. */
static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        serve_once(server);
    }
}

/* Three ask for 4 MiB each and read nothing; 9 MiB may be held. */
static void ask_and_read_nothing(const char *path, const char *text)
{
    struct peer peers[3];
    size_t ended = n_ended;
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        size_t begun = n_begun;
        connect_to_unix(&peers[i], path);
        peer_say(&peers[i], text);
        serve_until(&n_begun, begun + 1);
    }
    settle();
    cr_expect_eq(n_ended, ended + 1, "%s", text);
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        for (int k = 0; k < 20 && !peers[i].closed; k++) { /* what the kernel holds */
            peer_receive(&peers[i]);
        }
        cr_expect_eq(peers[i].closed, i == 0, "%s: %zu", text, i);
        peer_fini(&peers[i]);
    }
    settle();
}

Test(servers, disconnect_who_reads_nothing_for_the_longest_time_when_memory_is_short)
{
    struct unix_place place;
    max_held = 9u << 20;
    listen_on_unix(&place, 0);
    ask_and_read_nothing(place.path, GET("/large"));
    endless = true;
    held = LARGE_BYTES;
    ask_and_read_nothing(place.path, GET("/pull"));
    remove_unix(&place);
}

Test(servers, do_not_disconnect_who_reads_steadily)
{
    struct unix_place place;
    listen_on_unix(&place, STEADY_MS);
    endless = true;
    for (bool told = false; !told;) {
        struct peer peer;
        connect_to_unix(&peer, place.path);
        peer_say(&peer, GET("/pull"));
        told = is_steady(&peer, take_some);
        cr_expect(!told || !peer.closed);
        peer_fini(&peer);
    }
    remove_unix(&place);
}

/* A byte now and then must not keep the memory that the body takes. */
Test(servers, disconnect_who_sends_a_body_by_the_byte)
{
    struct peer peer;
    restart(8, STEADY_MS);
    peer_connect(&peer, &listener);
    peer_say(&peer, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n");
    int64_t until_ns = clock_monotonic_ns() + 50 * STEADY_MS * INT64_C(1000000);
    int64_t said_ns = 0;
    while (strstr(str_text(&peer.heard), "HTTP/1.1 408 ") == NULL) {
        if (clock_monotonic_ns() - said_ns >= 1000000) {
            said_ns = clock_monotonic_ns();
            send(peer.fd, "x", 1, MSG_NOSIGNAL);
        }
        serve_once(server);
        peer_receive(&peer);
        cr_assert_lt(clock_monotonic_ns(), until_ns, "it is never cut");
    }
    peer_fini(&peer);
}

static void say_some_of_the_body(struct peer *peer)
{
    static char bytes[HTTP_BODY_BYTES];
    static int64_t said_ns;
    if (clock_monotonic_ns() - said_ns >= 1000000) {
        said_ns = clock_monotonic_ns();
        send(peer->fd, bytes, sizeof bytes, MSG_NOSIGNAL);
    }
    peer_receive(peer);
}

Test(servers, do_not_disconnect_who_sends_a_body_steadily)
{
    restart(8, STEADY_MS);
    for (bool told = false; !told;) {
        struct peer peer;
        peer_connect(&peer, &listener);
        peer_say(&peer, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n");
        told = is_steady(&peer, say_some_of_the_body);
        cr_expect(!told || peer.heard.len == 0, "%s", str_text(&peer.heard));
        peer_fini(&peer);
    }
}

/* ---- The end ---- */

Test(servers, stop)
{
    struct peer idle, busy, half;
    peer_connect(&idle, &listener);
    peer_connect(&busy, &listener);
    peer_connect(&half, &listener);
    peer_say(&busy, GET("/later"));
    peer_say(&half, "GET /now HTTP/1.1\r\n");
    serve_until(&n_begun, 1);
    serve_once(server);
    http_server_stop(server);
    peer_hear_all(&idle, server);
    cr_expect_not(http_server_is_idle(server));
    peer_say(&half, "Host: x\r\n\r\n");
    peer_hear_all(&half, server);
    cr_expect_eq(count_of(&half, "Connection: close"), 1u);
    answer(later, 200, "later", 5);
    peer_hear_all(&busy, server);
    cr_expect_eq(count_of(&busy, "Connection: close"), 1u);
    cr_expect(http_server_is_idle(server));
    peer_fini(&idle);
    peer_fini(&busy);
    peer_fini(&half);
}
