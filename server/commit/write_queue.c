#include "write_queue.h"

#include <assert.h>
#include <pthread.h>

#include "clock.h"
#include "condition.h"

struct write_queue {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct write *first;
    struct write **end;
    size_t n;
    size_t bytes;
    size_t max_n;
    size_t max_bytes;
    size_t n_lent;
    bool poked;
    bool stopping;
};

struct write_queue *write_queue_new(size_t max_n, size_t max_bytes)
{
    struct write_queue *queue = mem_zalloc(sizeof *queue);
    queue->max_n = max_n;
    queue->max_bytes = max_bytes;
    queue->end = &queue->first;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->wake, NULL);
    return queue;
}

void write_queue_free(struct write_queue *queue)
{
    assert(queue->n_lent == 0 && "each write that was lent came back");
    pthread_cond_destroy(&queue->wake);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
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
        status_add_number(st, "limit", queue->max_n);
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

void write_queue_lend(struct write_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->n_lent++;
    pthread_mutex_unlock(&queue->lock);
}

void write_queue_give_back(struct write_queue *queue, struct write *write)
{
    pthread_mutex_lock(&queue->lock);
    assert(queue->n_lent > 0 && "what comes back was lent");
    queue->n_lent--;
    if (write != NULL) {
        append(queue, write);
    }
    pthread_cond_broadcast(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
}

static bool is_over(const struct write_queue *queue)
{
    return queue->stopping && queue->n_lent == 0;
}

static enum write_queue_news news_of(const struct write_queue *queue, const struct write *writes)
{
    if (queue->poked) {
        return WRITE_QUEUE_POKED;
    }
    return writes != NULL ? WRITE_QUEUE_WRITES : WRITE_QUEUE_STOPPED;
}

struct write *write_queue_take(struct write_queue *queue, size_t max_n, size_t max_bytes,
                               enum write_queue_news *ret_news)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->first == NULL && !queue->poked && !is_over(queue)) {
        pthread_cond_wait(&queue->wake, &queue->lock);
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
