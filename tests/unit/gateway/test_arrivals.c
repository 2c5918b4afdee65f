#include "arrivals.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "leak_check.h"
#include "listener.h"
#include "mem.h"
#include "str.h"

#define PATIENCE_MS 60000
#define MOST 8

static struct listener listener;
static struct arrivals *arrivals;
static int taken_fds[MOST];
static enum arrival_kind taken_kinds[MOST];
static size_t n_taken;

static void open_arrivals(int64_t patience_ms)
{
    struct status st;
    cr_assert(listener_open("127.0.0.1:0", &listener, &st), "%s", st.message);
    arrivals = arrivals_new(listener.fd, patience_ms);
    cr_assert_not_null(arrivals);
}

static void set_up(void)
{
    open_arrivals(PATIENCE_MS);
}

static void tear_down(void)
{
    arrivals_free(arrivals);
    listener_close(&listener);
    for (size_t i = 0; i < n_taken; i++) {
        close(taken_fds[i]);
    }
    leak_check();
}

TestSuite(arrivals, .init = set_up, .fini = tear_down);

static void take(void *user, int fd, const struct sockaddr *peer, socklen_t n_peer,
                 enum arrival_kind kind)
{
    cr_assert_eq(user, &listener);
    cr_assert_eq(peer->sa_family, AF_INET);
    cr_assert_eq(n_peer, sizeof(struct sockaddr_in));
    taken_fds[n_taken] = fd;
    taken_kinds[n_taken++] = kind;
}

static int connect_one(void)
{
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(getsockname(listener.fd, (struct sockaddr *)&name, &size), 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&name, size), 0);
    return fd;
}

static bool has_news(int timeout_ms)
{
    struct pollfd news = {.fd = arrivals_fd(arrivals), .events = POLLIN};
    return poll(&news, 1, timeout_ms) == 1;
}

/* Once, when there is something. */
static void run(size_t max)
{
    cr_assert(has_news(PATIENCE_MS));
    arrivals_run(arrivals, true, max, take, &listener);
}

static void say(int fd, const char *text)
{
    cr_assert_eq(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

static bool is_disconnected(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) == 0;
}

Test(arrivals, hands_over_what_has_spoken_and_leaves_its_bytes)
{
    static const char head[] = "GET /api/watch?prefix=a HTTP/1.1\r\nHost: x\r\n\r\n";
    int watch = connect_one(), other = connect_one();
    run(MOST);
    cr_assert_eq(n_taken, 0u);
    cr_assert_not(has_news(0), "both are silent");
    say(watch, head);
    run(MOST);
    say(other, "G");
    run(MOST);
    cr_assert_eq(n_taken, 2u);
    cr_assert_eq(taken_kinds[0], ARRIVAL_WATCH);
    cr_assert_eq(taken_kinds[1], ARRIVAL_ANY);
    char bytes[sizeof head];
    cr_assert_eq(recv(taken_fds[0], bytes, sizeof bytes, 0), (ssize_t)sizeof head - 1);
    cr_assert_eq(memcmp(bytes, head, sizeof head - 1), 0);
    cr_assert_eq(arrivals_next_ns(arrivals), -1, "nobody waits any more");
    close(watch);
    close(other);
}

Test(arrivals, forgets_those_that_leave)
{
    int fd = connect_one();
    run(MOST);
    close(fd);
    run(MOST);
    cr_assert_eq(arrivals_next_ns(arrivals), -1);
    cr_assert_eq(n_taken, 0u);
}

Test(arrivals, accepts_no_more_than_may_wait)
{
    int first = connect_one(), second = connect_one();
    run(1);
    cr_assert_not(has_news(0), "the second one is left to the kernel");
    say(second, "G");
    cr_assert_not(has_news(0));
    say(first, "G");
    run(1);
    cr_assert_eq(n_taken, 1u);
    arrivals_run(arrivals, false, 0, take, &listener);
    cr_assert_not(has_news(0), "the first one has the place still");
    arrivals_run(arrivals, false, 1, take, &listener); /* it has left */
    run(1);
    run(1);
    cr_assert_eq(n_taken, 2u);
    close(first);
    close(second);
}

Test(arrivals, stops)
{
    int silent = connect_one(), spoken = connect_one();
    run(MOST);
    say(spoken, "G");
    cr_assert(has_news(PATIENCE_MS));
    arrivals_stop(arrivals, take, &listener);
    cr_assert_eq(n_taken, 1u);
    cr_assert(is_disconnected(silent));
    int late = connect_one();
    arrivals_run(arrivals, true, MOST, take, &listener);
    cr_assert_not(has_news(0));
    close(silent);
    close(spoken);
    close(late);
}

Test(silent_arrivals, are_disconnected_in_time, .fini = tear_down)
{
    open_arrivals(1);
    int fd = connect_one();
    run(MOST);
    while (arrivals_next_ns(arrivals) > clock_monotonic_ns()) {
        cr_assert_not(has_news(1));
    }
    arrivals_run(arrivals, false, MOST, take, &listener);
    cr_assert(is_disconnected(fd));
    cr_assert_eq(arrivals_next_ns(arrivals), -1);
    close(fd);
}

/* ---- What they are ---- */

#define HEAD(line, rest) line " HTTP/1.1\r\nHost: x\r\n" rest "\r\n"

static const struct kind_row {
    const char *bytes;
    enum arrival_kind kind;
} kind_rows[] = {
    {HEAD("GET /api/watch", ""), ARRIVAL_WATCH},
    {HEAD("GET /api/watch?prefix=a&snapshot=true", "Cookie: a=1; b=2\r\n"), ARRIVAL_WATCH},
    {"GET /api/watch HTTP/1.0\r\n\r\n", ARRIVAL_WATCH},
    {"", ARRIVAL_ANY},
    {"GET /api/watch", ARRIVAL_ANY},
    {"GET /api/watch HTTP/1.1\r\nHost: x\r\n", ARRIVAL_ANY},
    {HEAD("GET /api/watch", "") "G", ARRIVAL_ANY},
    {HEAD("GET /api/watch", "") HEAD("GET /health", ""), ARRIVAL_ANY},
    {HEAD("GET /api/watches", ""), ARRIVAL_ANY},
    {HEAD("GET /api/watch/", ""), ARRIVAL_ANY},
    {HEAD("HEAD /api/watch", ""), ARRIVAL_ANY},
    {HEAD("GET /api/configs/x", ""), ARRIVAL_ANY},
};

Test(arrival_kinds, heads)
{
    for (size_t i = 0; i < COUNT_OF(kind_rows); i++) {
        const struct kind_row *row = &kind_rows[i];
        cr_expect_eq(arrival_kind_of(row->bytes, strlen(row->bytes)), row->kind, "row %zu", i);
    }
}

/* The largest number of times that a part may stand in a small head. */
static size_t most_of(const char *part)
{
    AUTO_STR head = {0};
    size_t n = 0;
    enum arrival_kind kind = ARRIVAL_WATCH;
    for (; kind == ARRIVAL_WATCH; n++) {
        str_clear(&head);
        str_add_text(&head, "GET /api/watch HTTP/1.1\r\nX: ");
        for (size_t i = 0; i < n; i++) {
            str_add_text(&head, part);
        }
        str_add_text(&head, "\r\n\r\n");
        kind = arrival_kind_of(str_text(&head), head.len);
    }
    return n - 2;
}

Test(arrival_kinds, a_small_head_costs_little)
{
    cr_expect_eq(most_of("x"), 1024u - strlen("GET /api/watch HTTP/1.1\r\nX: \r\n\r\n"));
    const char *parts[] = {"\r\nX:", ";a", "&a", ",a"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        size_t n = most_of(parts[i]);
        cr_expect(n > 16 && n * (64 + strlen(parts[i])) < ARRIVAL_WATCH_BYTES, "%zu of %s", n,
                  parts[i]);
    }
}
