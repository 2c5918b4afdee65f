#include "arrivals.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"

#define ACCEPTED_AT_ONCE 64
#define HEAD_BYTES 1024  /* more is left to those that have room for it */
#define ELEMENT_BYTES 64 /* that libmicrohttpd takes for a header, a parameter or a cookie */
#define AGAIN_MS 100     /* after the system had no descriptor or no memory */

struct arrival {
    int fd;
    int64_t until_ns;
    struct sockaddr_storage peer;
    socklen_t n_peer;
    TAILQ_ENTRY(arrival) in_all;
};

struct arrivals {
    int fd;
    int listen_fd;
    bool listens;       /* listen_fd is polled */
    bool stopped;       /* and will not be any more */
    int64_t not_before; /* nothing is accepted until then; 0: at once */
    int64_t patience_ns;
    TAILQ_HEAD(arrival_list, arrival) all; /* by until_ns */
    size_t n;
};

/* ---- What it is ---- */

static bool begins_with_watch(const char *bytes, size_t n)
{
    static const char line[] = "GET /api/watch";
    size_t n_line = sizeof line - 1;
    return n > n_line && memcmp(bytes, line, n_line) == 0 &&
           (bytes[n_line] == ' ' || bytes[n_line] == '?');
}

/* Whether there is one head, the whole of it and nothing behind. */
static bool is_one_head(const char *bytes, size_t n)
{
    static const char end[] = "\r\n\r\n";
    const char *found = memmem(bytes, n, end, sizeof end - 1);
    return found != NULL && found + sizeof end - 1 == bytes + n;
}

/* The text, a copy of its cookies, and what it is taken apart into; each at the most. */
static size_t cost_of(const char *bytes, size_t n)
{
    size_t n_elements = 0;
    for (size_t i = 0; i < n; i++) {
        n_elements += memchr("\n?&;,", bytes[i], 5) != NULL;
    }
    return 2 * n + n_elements * ELEMENT_BYTES;
}

enum arrival_kind arrival_kind_of(const char *bytes, size_t n)
{
    bool is_small_watch = n <= HEAD_BYTES && begins_with_watch(bytes, n) && is_one_head(bytes, n) &&
                          cost_of(bytes, n) <= ARRIVAL_WATCH_BYTES;
    return is_small_watch ? ARRIVAL_WATCH : ARRIVAL_ANY;
}

/* ---- Those that wait ---- */

static bool poll_fd(struct arrivals *arrivals, int fd, void *user)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = user};
    return epoll_ctl(arrivals->fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Gives the descriptor away. */
static int release(struct arrivals *arrivals, struct arrival *arrival)
{
    int fd = arrival->fd;
    epoll_ctl(arrivals->fd, EPOLL_CTL_DEL, fd, NULL);
    TAILQ_REMOVE(&arrivals->all, arrival, in_all);
    arrivals->n--;
    return fd;
}

static void drop(struct arrivals *arrivals, struct arrival *arrival)
{
    close(release(arrivals, arrival));
    free(arrival);
}

/* Returns whether it was taken. */
static bool look(struct arrivals *arrivals, struct arrival *arrival, arrival_taken *taken,
                 void *user)
{
    char bytes[HEAD_BYTES + 1];
    ssize_t n = recv(arrival->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (n <= 0) {
        drop(arrivals, arrival);
        return false;
    }
    int fd = release(arrivals, arrival);
    taken(user, fd, (const struct sockaddr *)&arrival->peer, arrival->n_peer,
          arrival_kind_of(bytes, (size_t)n));
    free(arrival);
    return true;
}

/* ---- Accepting ---- */

static void listen_while(struct arrivals *arrivals, bool wanted)
{
    wanted = wanted && !arrivals->stopped && arrivals->not_before == 0;
    if (wanted && !arrivals->listens) {
        arrivals->listens = poll_fd(arrivals, arrivals->listen_fd, NULL);
    } else if (!wanted && arrivals->listens) {
        epoll_ctl(arrivals->fd, EPOLL_CTL_DEL, arrivals->listen_fd, NULL);
        arrivals->listens = false;
    }
}

/* The listener would be readable all the time. */
static void pause_listening(struct arrivals *arrivals)
{
    arrivals->not_before = clock_monotonic_ns() + AGAIN_MS * INT64_C(1000000);
    listen_while(arrivals, false);
}

static void add(struct arrivals *arrivals, const struct arrival *accepted)
{
    struct arrival *arrival = mem_alloc(sizeof *arrival);
    *arrival = *accepted;
    arrival->until_ns = clock_monotonic_ns() + arrivals->patience_ns;
    TAILQ_INSERT_TAIL(&arrivals->all, arrival, in_all);
    arrivals->n++;
    if (!poll_fd(arrivals, arrival->fd, arrival)) {
        drop(arrivals, arrival);
    }
}

/* Returns whether there may be more. */
static bool accept_one(struct arrivals *arrivals)
{
    struct arrival accepted = {.n_peer = sizeof accepted.peer};
    accepted.fd = accept4(arrivals->listen_fd, (struct sockaddr *)&accepted.peer, &accepted.n_peer,
                          SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted.fd >= 0) {
        add(arrivals, &accepted);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        pause_listening(arrivals);
        return false;
    }
    return errno != EAGAIN; /* that one connection failed before it was here */
}

static void accept_some(struct arrivals *arrivals, size_t max)
{
    for (size_t i = 0; i < ACCEPTED_AT_ONCE && arrivals->n < max && accept_one(arrivals); i++) {
    }
}

/* ---- Running ---- */

static void drop_silent(struct arrivals *arrivals)
{
    struct arrival *arrival = TAILQ_FIRST(&arrivals->all);
    int64_t now = arrival == NULL ? 0 : clock_monotonic_ns();
    while (arrival != NULL && arrival->until_ns <= now) {
        drop(arrivals, arrival);
        arrival = TAILQ_FIRST(&arrivals->all);
    }
}

static void look_around(struct arrivals *arrivals, size_t max, arrival_taken *taken, void *user)
{
    struct epoll_event events[ACCEPTED_AT_ONCE];
    int n = epoll_wait(arrivals->fd, events, ACCEPTED_AT_ONCE, 0);
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == NULL) {
            accept_some(arrivals, max);
        } else if (look(arrivals, events[i].data.ptr, taken, user) && max > 0) {
            max--; /* it is another's now */
        }
    }
}

void arrivals_run(struct arrivals *arrivals, bool readable, size_t max, arrival_taken *taken,
                  void *user)
{
    if (readable) {
        look_around(arrivals, max, taken, user);
    }
    drop_silent(arrivals);
    if (arrivals->not_before != 0 && arrivals->not_before <= clock_monotonic_ns()) {
        arrivals->not_before = 0;
    }
    listen_while(arrivals, arrivals->n < max);
}

void arrivals_stop(struct arrivals *arrivals, arrival_taken *taken, void *user)
{
    struct arrival *following;
    arrivals->stopped = true;
    listen_while(arrivals, false);
    for (struct arrival *arrival = TAILQ_FIRST(&arrivals->all); arrival != NULL;
         arrival = following) {
        following = TAILQ_NEXT(arrival, in_all);
        look(arrivals, arrival, taken, user);
    }
    while (!TAILQ_EMPTY(&arrivals->all)) {
        drop(arrivals, TAILQ_FIRST(&arrivals->all));
    }
}

struct arrivals *arrivals_new(int listen_fd, int64_t patience_ms)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    struct arrivals *arrivals = mem_alloc(sizeof *arrivals);
    *arrivals = (struct arrivals){
        .fd = fd, .listen_fd = listen_fd, .patience_ns = patience_ms * INT64_C(1000000)};
    TAILQ_INIT(&arrivals->all);
    listen_while(arrivals, true);
    return arrivals;
}

void arrivals_free(struct arrivals *arrivals)
{
    if (arrivals == NULL) {
        return;
    }
    while (!TAILQ_EMPTY(&arrivals->all)) {
        drop(arrivals, TAILQ_FIRST(&arrivals->all));
    }
    close(arrivals->fd);
    free(arrivals);
}

int arrivals_fd(const struct arrivals *arrivals)
{
    return arrivals->fd;
}

int64_t arrivals_next_ns(const struct arrivals *arrivals)
{
    const struct arrival *first = TAILQ_FIRST(&arrivals->all);
    if (arrivals->not_before != 0 && (first == NULL || arrivals->not_before < first->until_ns)) {
        return arrivals->not_before;
    }
    return first == NULL ? -1 : first->until_ns;
}
