#include "write_queue.h"

#include "clock.h"
#include "condition.h"

void write_queue_init(struct write_queue *queue, size_t max_n, size_t max_bytes)
{
    *queue = (struct write_queue){.max_n = max_n, .max_bytes = max_bytes};
    queue->end = &queue->first;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->wake, NULL);
}

void write_queue_fini(struct write_queue *queue)
{
    pthread_cond_destroy(&queue->wake);
    pthread_mutex_destroy(&queue->lock);
}

static bool has_room(const struct write_queue *queue, const struct write *write)
{
    return queue->n < queue->max_n && queue->bytes + write->bytes <= queue->max_bytes;
}

static void append(struct write_queue *queue, struct write *write)
{
    write->next = NULL;
    *queue->end = write;
    queue->end = &write->next;
    queue->n++;
    queue->bytes += write->bytes;
}

size_t write_queue_put(struct write_queue *queue, struct write *const *writes, size_t n,
                       struct status *st)
{
    size_t put = 0;
    pthread_mutex_lock(&queue->lock);
    bool stopping = queue->stopping;
    bool wake = queue->first == NULL;
    while (put < n && !stopping && has_room(queue, writes[put])) {
        append(queue, writes[put++]);
    }
    if (wake && put > 0) {
        pthread_cond_signal(&queue->wake);
    }
    pthread_mutex_unlock(&queue->lock);
    if (stopping) {
        status_set(st, STATUS_UNAVAILABLE, "SHUTTING_DOWN", "the server is stopping");
    } else if (put < n) {
        status_set_outcome(st, OUTCOME_OVERLOADED, "%zu writes wait already; try again later",
                           queue->max_n);
    }
    return put;
}

static struct write *cut(struct write_queue *queue, size_t max_n, size_t max_bytes)
{
    struct write *first = queue->first;
    struct write **end = &queue->first;
    size_t n = 0;
    for (size_t bytes = 0; *end != NULL && n < max_n; n++) {
        bytes += (*end)->bytes;
        if (n > 0 && bytes > max_bytes) {
            break;
        }
        queue->bytes -= (*end)->bytes;
        end = &(*end)->next;
    }
    queue->n -= n;
    struct write *rest = *end;
    *end = NULL;
    queue->first = rest;
    if (rest == NULL) {
        queue->end = &queue->first;
    }
    return n == 0 ? NULL : first;
}

void write_queue_poke(struct write_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->poked = true;
    pthread_cond_signal(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
}

static enum write_queue_news news_of(const struct write_queue *queue, const struct write *writes)
{
    if (queue->poked) {
        return WRITE_QUEUE_POKED;
    }
    if (writes != NULL) {
        return WRITE_QUEUE_WRITES;
    }
    return queue->stopping ? WRITE_QUEUE_STOPPED : WRITE_QUEUE_NOTHING;
}

struct write *write_queue_take(struct write_queue *queue, size_t max_n, size_t max_bytes,
                               int64_t wait_ns, enum write_queue_news *ret_news)
{
    int64_t until_ns = clock_monotonic_ns() + wait_ns;
    bool in_time = true;
    pthread_mutex_lock(&queue->lock);
    while (queue->first == NULL && !queue->poked && !queue->stopping && in_time) {
        in_time = condition_wait_until(&queue->wake, &queue->lock, until_ns);
    }
    struct write *writes = cut(queue, max_n, max_bytes);
    *ret_news = news_of(queue, writes);
    queue->poked = false;
    pthread_mutex_unlock(&queue->lock);
    return writes;
}

size_t write_queue_size(struct write_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    size_t n = queue->n;
    pthread_mutex_unlock(&queue->lock);
    return n;
}

void write_queue_stop(struct write_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->stopping = true;
    pthread_cond_broadcast(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
}

bool write_queue_pause(struct write_queue *queue, int64_t wait_ns)
{
    int64_t until_ns = clock_monotonic_ns() + wait_ns;
    bool in_time = true;
    pthread_mutex_lock(&queue->lock);
    while (!queue->stopping && in_time) {
        in_time = condition_wait_until(&queue->wake, &queue->lock, until_ns);
    }
    bool stopping = queue->stopping;
    pthread_mutex_unlock(&queue->lock);
    return stopping;
}
