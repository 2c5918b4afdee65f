#include "inflow.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"

#define PREFACE_BYTES 24
#define FRAME_HEADERS 1
#define FRAME_RST_STREAM 3
#define SECOND_NS INT64_C(1000000000)
#define REFILL_NS (SECOND_NS / INFLOW_RESETS_A_SECOND)

/* ---- The frames of a connection ---- */

void inflow_init(struct inflow *inflow, int64_t now_ns)
{
    *inflow = (struct inflow){
        .to_skip = PREFACE_BYTES,
        .marked_ns = now_ns,
        .resets_left = INFLOW_RESETS,
        .refilled_ns = now_ns,
    };
}

/* Called before new bytes are inspected. Streams up to `settled` were opened at least a second ago.
 * If the last mark is two seconds old, nothing was read for a second, so all are that old. */
static void move_marks(struct inflow *inflow, int64_t now_ns)
{
    int64_t age = now_ns - inflow->marked_ns;
    if (age >= SECOND_NS) {
        inflow->settled = age >= 2 * SECOND_NS ? inflow->newest : inflow->newest_at_mark;
        inflow->newest_at_mark = inflow->newest;
        inflow->marked_ns = now_ns;
    }
}

static void refill(struct inflow *inflow, int64_t now_ns)
{
    int64_t n = (now_ns - inflow->refilled_ns) / REFILL_NS;
    inflow->refilled_ns += n * REFILL_NS;
    inflow->resets_left += (uint64_t)n;
    if (inflow->resets_left > INFLOW_RESETS) {
        inflow->resets_left = INFLOW_RESETS;
    }
}

/* Handles a complete frame header: length, type, flags and stream. */
static bool take_frame(struct inflow *inflow)
{
    const uint8_t *h = inflow->header;
    uint32_t stream =
        (uint32_t)(h[5] & 0x7F) << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | (uint32_t)h[8];
    inflow->to_skip = (size_t)h[0] << 16 | (size_t)h[1] << 8 | (size_t)h[2];
    if (h[3] == FRAME_HEADERS && stream > inflow->newest) {
        inflow->newest = stream;
    }
    if (h[3] == FRAME_RST_STREAM && stream > inflow->settled) {
        return inflow->resets_left-- > 0;
    }
    return true;
}

bool inflow_take(struct inflow *inflow, const void *bytes, size_t n, int64_t now_ns)
{
    const uint8_t *at = bytes;
    const uint8_t *end = at + n;
    move_marks(inflow, now_ns);
    refill(inflow, now_ns);
    while (at < end) {
        size_t left = (size_t)(end - at);
        if (inflow->to_skip > 0) {
            size_t skipped = inflow->to_skip < left ? inflow->to_skip : left;
            inflow->to_skip -= skipped;
            at += skipped;
            continue;
        }
        inflow->header[inflow->n_header++] = *at++;
        if (inflow->n_header == INFLOW_FRAME_HEADER) {
            inflow->n_header = 0;
            if (!take_frame(inflow)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- Sockets ---- */

struct watched {
    struct metric *cuts; /* NULL: not watched */
    uint64_t cookie;     /* of the socket, because its descriptor may be reused */
    bool withheld;
    struct inflow inflow;
};

/* The fate of bytes that were read for the core. */
enum verdict { PASS, DISCARD, CUT };

static struct {
    pthread_mutex_t lock;
    struct watched *sockets; /* by descriptor */
    size_t n;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The id of a socket, which is never reused (SO_COOKIE, socket(7)); 0: not a socket. */
static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

void inflow_watch(int fd, struct metric *cuts)
{
    size_t n = (size_t)fd + 1;
    pthread_mutex_lock(&table.lock);
    if (n > table.n) {
        size_t grown = n + n / 2;
        table.sockets = mem_grow(table.sockets, grown, sizeof table.sockets[0]);
        memset(table.sockets + table.n, 0, (grown - table.n) * sizeof table.sockets[0]);
        table.n = grown;
    }
    table.sockets[fd] = (struct watched){.cuts = cuts, .cookie = cookie_of(fd)};
    inflow_init(&table.sockets[fd].inflow, clock_monotonic_ns());
    pthread_mutex_unlock(&table.lock);
}

void inflow_withhold(const struct metric *cuts)
{
    pthread_mutex_lock(&table.lock);
    for (size_t i = 0; i < table.n; i++) {
        table.sockets[i].withheld = table.sockets[i].withheld || table.sockets[i].cuts == cuts;
    }
    pthread_mutex_unlock(&table.lock);
}

void inflow_forget(const struct metric *cuts)
{
    pthread_mutex_lock(&table.lock);
    for (size_t i = 0; i < table.n; i++) {
        if (table.sockets[i].cuts == cuts) {
            table.sockets[i].cuts = NULL;
        }
    }
    pthread_mutex_unlock(&table.lock);
}

static bool take_message(struct inflow *inflow, const struct msghdr *message, size_t n)
{
    int64_t now_ns = clock_monotonic_ns();
    bool ok = true;
    for (size_t i = 0; ok && n > 0; i++) {
        const struct iovec *part = &message->msg_iov[i];
        size_t taken = part->iov_len < n ? part->iov_len : n;
        ok = inflow_take(inflow, part->iov_base, taken, now_ns);
        n -= taken;
    }
    return ok;
}

/* A socket is cut only once. */
static enum verdict judge(struct watched *watched, int fd, const struct msghdr *message, size_t n)
{
    if (!watched->withheld && take_message(&watched->inflow, message, n)) {
        return PASS;
    }
    if (watched->cookie != cookie_of(fd)) {
        watched->cuts = NULL;
        return PASS;
    }
    if (watched->withheld) {
        return DISCARD;
    }
    metric_add(watched->cuts, 1);
    watched->cuts = NULL;
    return CUT;
}

static enum verdict verdict_on(int fd, const struct msghdr *message, size_t n)
{
    pthread_mutex_lock(&table.lock);
    struct watched *watched = (size_t)fd < table.n ? &table.sockets[fd] : NULL;
    bool is_watched = watched != NULL && watched->cuts != NULL;
    enum verdict verdict = is_watched ? judge(watched, fd, message, n) : PASS;
    pthread_mutex_unlock(&table.lock);
    return verdict;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t n = syscall(SYS_recvmsg, fd, message, flags);
    enum verdict verdict = n > 0 && flags == 0 ? verdict_on(fd, message, (size_t)n) : PASS;
    if (verdict == PASS) {
        return n;
    }
    if (verdict == CUT) {
        shutdown(fd, SHUT_RDWR);
    }
    errno = verdict == CUT ? ECONNRESET : EAGAIN;
    return -1;
}
