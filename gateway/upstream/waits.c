#include "waits.h"

#include <assert.h>
#include <string.h>

#include "clock.h"
#include "hash.h"
#include "upstream_request.h"

#define BUCKETS 1024

TAILQ_HEAD(wait_list, wait);

struct waits {
    struct wait_list writes;
    struct wait_list polls;
    struct wait_list due;              /* in the place of the queue that they were in */
    struct wait_list buckets[BUCKETS]; /* polls by service */
};

struct waits *waits_new(void)
{
    struct waits *waits = mem_zalloc(sizeof *waits);
    TAILQ_INIT(&waits->writes);
    TAILQ_INIT(&waits->polls);
    TAILQ_INIT(&waits->due);
    for (size_t i = 0; i < BUCKETS; i++) {
        TAILQ_INIT(&waits->buckets[i]);
    }
    return waits;
}

void waits_free(struct waits *waits)
{
    assert(waits == NULL || waits_next_ns(waits) < 0);
    free(waits);
}

static struct wait_list *bucket_of(struct waits *waits, const char *service)
{
    return &waits->buckets[hash_table_key(service, strlen(service)) % BUCKETS];
}

/* Searches from the end, because most requests wait equally long. */
static void enqueue(struct wait_list *queue, struct wait *wait)
{
    struct wait *before = TAILQ_LAST(queue, wait_list);
    while (before != NULL && before->until_ns > wait->until_ns) {
        before = TAILQ_PREV(before, wait_list, in_queue);
    }
    if (before == NULL) {
        TAILQ_INSERT_HEAD(queue, wait, in_queue);
    } else {
        TAILQ_INSERT_AFTER(queue, before, wait, in_queue);
    }
}

static void remove_poll(struct waits *waits, struct wait *wait)
{
    TAILQ_REMOVE(bucket_of(waits, wait->service), wait, in_bucket);
    TAILQ_REMOVE(&waits->polls, wait, in_queue);
}

/* ---- Starts ---- */

/* Cancels the wait without calling its continuation. */
static void cancel(struct request *r)
{
    struct waits *waits = r->gateway->upstream->waits;
    struct wait *wait = &upstream_request_of(r)->wait;
    if (wait->is_due) {
        TAILQ_REMOVE(&waits->due, wait, in_queue);
    } else if (wait->service != NULL) {
        remove_poll(waits, wait);
    } else {
        TAILQ_REMOVE(&waits->writes, wait, in_queue);
    }
}

static const struct suspension by_wait = {.cancel = cancel};

void wait_for_revision(struct request *r, uint64_t revision, int64_t until_ns, wait_over *over)
{
    struct wait *wait = &upstream_request_of(r)->wait;
    request_suspend(r, &by_wait);
    *wait = (struct wait){.until_ns = until_ns, .revision = revision, .over = over};
    enqueue(&r->gateway->upstream->waits->writes, wait);
}

void wait_for_change(struct request *r, const char *service, int64_t until_ns, wait_over *over)
{
    struct waits *waits = r->gateway->upstream->waits;
    struct wait *wait = &upstream_request_of(r)->wait;
    request_suspend(r, &by_wait);
    *wait = (struct wait){.until_ns = until_ns, .service = service, .over = over};
    enqueue(&waits->polls, wait);
    TAILQ_INSERT_TAIL(bucket_of(waits, service), wait, in_bucket);
}

/* ---- Ends ---- */

static void make_due(struct waits *waits, struct wait *wait)
{
    wait->is_due = true;
    TAILQ_INSERT_TAIL(&waits->due, wait, in_queue);
}

static void end_write(struct waits *waits, struct wait *wait)
{
    TAILQ_REMOVE(&waits->writes, wait, in_queue);
    make_due(waits, wait);
}

static void end_poll(struct waits *waits, struct wait *wait)
{
    remove_poll(waits, wait);
    make_due(waits, wait);
}

void waits_moved(struct waits *waits, uint64_t revision)
{
    struct wait *following;
    for (struct wait *wait = TAILQ_FIRST(&waits->writes); wait != NULL; wait = following) {
        following = TAILQ_NEXT(wait, in_queue);
        if (wait->revision <= revision) {
            end_write(waits, wait);
        }
    }
}

void waits_changed(struct waits *waits, const char *service)
{
    struct wait *following;
    for (struct wait *wait = TAILQ_FIRST(bucket_of(waits, service)); wait != NULL;
         wait = following) {
        following = TAILQ_NEXT(wait, in_bucket);
        if (strcmp(wait->service, service) == 0) {
            end_poll(waits, wait);
        }
    }
}

void waits_all_changed(struct waits *waits)
{
    while (!TAILQ_EMPTY(&waits->writes)) {
        end_write(waits, TAILQ_FIRST(&waits->writes));
    }
    while (!TAILQ_EMPTY(&waits->polls)) {
        end_poll(waits, TAILQ_FIRST(&waits->polls));
    }
}

static void end_late(struct waits *waits)
{
    int64_t now = clock_monotonic_ns();
    struct wait *wait;
    while ((wait = TAILQ_FIRST(&waits->writes)) != NULL && wait->until_ns <= now) {
        end_write(waits, wait);
    }
    while ((wait = TAILQ_FIRST(&waits->polls)) != NULL && wait->until_ns <= now) {
        end_poll(waits, wait);
    }
}

void waits_run(struct waits *waits, request_resume *resume, void *user)
{
    end_late(waits);
    struct wait *wait;
    while ((wait = TAILQ_FIRST(&waits->due)) != NULL) {
        struct request *r = &CONTAINER_OF(wait, struct upstream_request, wait)->base;
        TAILQ_REMOVE(&waits->due, wait, in_queue);
        request_resumed(r);
        wait->over(r);
        if (r->suspended == NULL) {
            resume(user, r);
        }
    }
}

int64_t waits_next_ns(const struct waits *waits)
{
    const struct wait *write = TAILQ_FIRST(&waits->writes);
    const struct wait *poll = TAILQ_FIRST(&waits->polls);
    if (!TAILQ_EMPTY(&waits->due)) {
        return 0;
    }
    if (write == NULL || poll == NULL) {
        return write != NULL ? write->until_ns : poll != NULL ? poll->until_ns : -1;
    }
    return write->until_ns < poll->until_ns ? write->until_ns : poll->until_ns;
}
