#include "inflow.h"

#include <assert.h>
#include <pthread.h>
#include <sys/socket.h>

#include "clock.h"
#include "mem.h"
#include "socket_table.h"

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
    assert(inflow->settled <= inflow->newest && "a settled stream was opened");
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
        assert(inflow->n_header < INFLOW_FRAME_HEADER && "a whole header was taken");
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

/* The watch of a socket. Its memory is used again for the next socket with the descriptor. */
struct watched {
    struct metric *cuts; /* NULL: not watched */
    bool withheld;
    struct inflow inflow;
};

static struct {
    pthread_mutex_t lock;
    struct socket_table sockets; /* items: struct watched */
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

void inflow_watch(int fd, struct metric *cuts)
{
    pthread_mutex_lock(&table.lock);
    struct socket_entry *entry = socket_table_add(&table.sockets, fd);
    struct watched *watched = entry->item == NULL ? mem_alloc(sizeof *watched) : entry->item;
    *watched = (struct watched){.cuts = cuts};
    inflow_init(&watched->inflow, clock_monotonic_ns());
    entry->item = watched;
    pthread_mutex_unlock(&table.lock);
}

/* The next watch that counts in *cuts; *fd starts at 0. NULL at the end. Under the lock. */
static struct watched *next_watched(const struct metric *cuts, size_t *fd)
{
    while (*fd < table.sockets.n) {
        struct watched *watched = table.sockets.entries[(*fd)++].item;
        if (watched != NULL && watched->cuts == cuts) {
            return watched;
        }
    }
    return NULL;
}

void inflow_withhold(const struct metric *cuts)
{
    size_t fd = 0;
    pthread_mutex_lock(&table.lock);
    for (struct watched *watched; (watched = next_watched(cuts, &fd)) != NULL;) {
        watched->withheld = true;
    }
    pthread_mutex_unlock(&table.lock);
}

void inflow_forget(const struct metric *cuts)
{
    size_t fd = 0;
    pthread_mutex_lock(&table.lock);
    for (struct watched *watched; (watched = next_watched(cuts, &fd)) != NULL;) {
        watched->cuts = NULL;
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
static enum inflow_verdict judge(const struct socket_entry *entry, int fd,
                                 const struct msghdr *message, size_t n)
{
    struct watched *watched = entry->item;
    if (!watched->withheld && take_message(&watched->inflow, message, n)) {
        return INFLOW_PASS;
    }
    if (entry->cookie != socket_cookie(fd)) {
        watched->cuts = NULL;
        return INFLOW_PASS;
    }
    if (watched->withheld) {
        return INFLOW_DISCARD;
    }
    metric_add(watched->cuts, 1);
    watched->cuts = NULL;
    return INFLOW_CUT;
}

enum inflow_verdict inflow_inspect(int fd, const struct msghdr *message, size_t n)
{
    pthread_mutex_lock(&table.lock);
    const struct socket_entry *entry = socket_table_find(&table.sockets, fd);
    const struct watched *watched = entry == NULL ? NULL : entry->item;
    bool is_watched = watched != NULL && watched->cuts != NULL;
    enum inflow_verdict verdict = is_watched ? judge(entry, fd, message, n) : INFLOW_PASS;
    pthread_mutex_unlock(&table.lock);
    return verdict;
}
