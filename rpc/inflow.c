#include "inflow.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "mem.h"
#include "socket_table.h"

#define PREFACE_BYTES 24
#define DESCRIPTORS (1 << 20) /* beyond these the lock is always taken */
#define FRAME_DATA 0
#define FRAME_HEADERS 1
#define FRAME_RST_STREAM 3
#define FLAG_END_STREAM 1
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

void inflow_fini(struct inflow *inflow)
{
    free(inflow->parts);
    inflow->parts = NULL;
    inflow->n_parts = inflow->room = 0;
    inflow->unfinished = 0;
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

/* The place of a stream's part, or where it belongs. */
static size_t find_part(const struct inflow *inflow, uint32_t stream)
{
    size_t from = 0;
    size_t to = inflow->n_parts;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (inflow->parts[middle].stream < stream) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

static bool is_part(const struct inflow *inflow, size_t at, uint32_t stream)
{
    return at < inflow->n_parts && inflow->parts[at].stream == stream;
}

static void insert_part(struct inflow *inflow, size_t at, uint32_t stream)
{
    if (inflow->n_parts == inflow->room) {
        inflow->room = inflow->room == 0 ? 4 : 2 * inflow->room;
        inflow->parts = mem_grow(inflow->parts, inflow->room, sizeof inflow->parts[0]);
    }
    struct inflow_part *part = inflow->parts + at;
    memmove(part + 1, part, (inflow->n_parts - at) * sizeof *part);
    *part = (struct inflow_part){.stream = stream};
    inflow->n_parts++;
}

/* The request is complete or taken back. */
static void end_part(struct inflow *inflow, uint32_t stream)
{
    size_t at = find_part(inflow, stream);
    if (is_part(inflow, at, stream)) {
        struct inflow_part *part = inflow->parts + at;
        inflow->unfinished -= part->bytes;
        inflow->n_parts--;
        memmove(part, part + 1, (inflow->n_parts - at) * sizeof *part);
    }
}

/* A request goes on, and does not end. False: there are too many of these. */
static bool add_part(struct inflow *inflow, uint32_t stream, size_t bytes, int64_t now_ns)
{
    size_t at = find_part(inflow, stream);
    if (!is_part(inflow, at, stream)) {
        if (inflow->n_parts == INFLOW_PARTS) {
            return false;
        }
        insert_part(inflow, at, stream);
    }
    if (inflow->unfinished == 0) {
        inflow->since_ns = now_ns;
    }
    inflow->parts[at].bytes += bytes;
    inflow->unfinished += bytes;
    return true;
}

/* Handles a complete frame header: length, type, flags and stream. */
static bool take_frame(struct inflow *inflow, int64_t now_ns)
{
    const uint8_t *h = inflow->header;
    uint32_t stream =
        (uint32_t)(h[5] & 0x7F) << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | (uint32_t)h[8];
    inflow->to_skip = (size_t)h[0] << 16 | (size_t)h[1] << 8 | (size_t)h[2];
    if (h[3] == FRAME_HEADERS && stream > inflow->newest) {
        inflow->newest = stream;
    }
    if (h[3] == FRAME_DATA && (h[4] & FLAG_END_STREAM) == 0) {
        return add_part(inflow, stream, inflow->to_skip, now_ns);
    }
    if (h[3] == FRAME_DATA || h[3] == FRAME_RST_STREAM) {
        end_part(inflow, stream);
    }
    return h[3] != FRAME_RST_STREAM || stream <= inflow->settled || inflow->resets_left-- > 0;
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
            if (!take_frame(inflow, now_ns)) {
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
    uint64_t unfinished;         /* bytes of requests, of all sockets that are watched */
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Descriptors that may be watched, a bit each. Who closes another descriptor may hold a lock, and
 * learns here that it need not take this one. */
static _Atomic(uint64_t) may_be_watched[DESCRIPTORS / 64];

static _Atomic(uint64_t) *word_of(int fd)
{
    return fd < 0 || fd >= DESCRIPTORS ? NULL : &may_be_watched[fd / 64];
}

static uint64_t bit_of(int fd)
{
    return UINT64_C(1) << (fd % 64);
}

/* Under the lock, like all functions up to inflow_watch. */
static void stop_watching(struct watched *watched)
{
    table.unfinished -= watched->inflow.unfinished;
    inflow_fini(&watched->inflow);
    watched->cuts = NULL;
}

static void count_cut(struct watched *watched)
{
    metric_add(watched->cuts, 1);
    stop_watching(watched);
}

static struct watched *watched_at(size_t fd)
{
    struct watched *watched = table.sockets.entries[fd].item;
    return watched != NULL && watched->cuts != NULL ? watched : NULL;
}

/* How much a connection has to do with unfinished requests filling the memory. */
static double weight_of(const struct watched *watched, int64_t now_ns)
{
    const struct inflow *inflow = &watched->inflow;
    return (double)inflow->unfinished * (double)(now_ns - inflow->since_ns + 1);
}

/* Cuts the connections that weigh more than the average, until the rest is within the bound. */
static void make_room(int64_t now_ns)
{
    double sum = 0;
    size_t n = 0;
    for (size_t fd = 0; fd < table.sockets.n; fd++) {
        const struct watched *watched = watched_at(fd);
        if (watched != NULL && watched->inflow.unfinished > 0) {
            sum += weight_of(watched, now_ns);
            n++;
        }
    }
    for (size_t fd = 0; fd < table.sockets.n && table.unfinished > INFLOW_UNFINISHED; fd++) {
        struct watched *watched = watched_at(fd);
        if (watched != NULL && watched->inflow.unfinished > 0 &&
            weight_of(watched, now_ns) * (double)n >= sum) {
            count_cut(watched);
            shutdown((int)fd, SHUT_RDWR); /* it is open: inflow_closed has not been called */
        }
    }
}

void inflow_watch(int fd, struct metric *cuts)
{
    if (word_of(fd) != NULL) {
        atomic_fetch_or(word_of(fd), bit_of(fd));
    }
    pthread_mutex_lock(&table.lock);
    struct socket_entry *entry = socket_table_add(&table.sockets, fd);
    struct watched *watched = entry->item == NULL ? mem_zalloc(sizeof *watched) : entry->item;
    stop_watching(watched);
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
        stop_watching(watched);
    }
    pthread_mutex_unlock(&table.lock);
}

void inflow_closed(int fd)
{
    _Atomic(uint64_t) *word = word_of(fd);
    if (word != NULL && (atomic_fetch_and(word, ~bit_of(fd)) & bit_of(fd)) == 0) {
        return;
    }
    pthread_mutex_lock(&table.lock);
    if (socket_table_find(&table.sockets, fd) != NULL && watched_at((size_t)fd) != NULL) {
        stop_watching(watched_at((size_t)fd));
    }
    pthread_mutex_unlock(&table.lock);
}

uint64_t inflow_unfinished(void)
{
    pthread_mutex_lock(&table.lock);
    uint64_t bytes = table.unfinished;
    pthread_mutex_unlock(&table.lock);
    return bytes;
}

static bool take_message(struct inflow *inflow, const struct msghdr *message, size_t n,
                         int64_t now_ns)
{
    bool ok = true;
    for (size_t i = 0; ok && n > 0; i++) {
        const struct iovec *part = &message->msg_iov[i];
        size_t taken = part->iov_len < n ? part->iov_len : n;
        ok = inflow_take(inflow, part->iov_base, taken, now_ns);
        n -= taken;
    }
    return ok;
}

/* False: the connection has to be cut, or was cut to make room. */
static bool take_counted(struct watched *watched, const struct msghdr *message, size_t n)
{
    int64_t now_ns = clock_monotonic_ns();
    uint64_t before = watched->inflow.unfinished;
    bool ok = take_message(&watched->inflow, message, n, now_ns);
    table.unfinished += watched->inflow.unfinished - before;
    if (table.unfinished > INFLOW_UNFINISHED) {
        make_room(now_ns);
    }
    return ok && watched->cuts != NULL;
}

/* A socket is cut only once. */
static enum inflow_verdict judge(const struct socket_entry *entry, int fd,
                                 const struct msghdr *message, size_t n)
{
    struct watched *watched = entry->item;
    if (watched->withheld) {
        return entry->cookie == socket_cookie(fd) ? INFLOW_DISCARD : INFLOW_PASS;
    }
    if (take_counted(watched, message, n)) {
        return INFLOW_PASS;
    }
    if (watched->cuts != NULL) {
        count_cut(watched);
    }
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
