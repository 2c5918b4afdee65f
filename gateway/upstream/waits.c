#include "waits.h"

#include <assert.h>
#include <string.h>

#include "clock.h"
#include "hash.h"
#include "table.h"
#include "upstream_request.h"

TAILQ_HEAD(wait_list, wait);

/* The polls that wait for one service; there is always one at least. */
struct service_polls {
    struct wait_list polls;
    char service[];
};

struct waits {
    struct wait_list writes;
    struct wait_list polls;
    struct wait_list due;    /* in the place of the queue that they were in */
    struct table by_service; /* owned struct service_polls */
};

struct waits *waits_new(void)
{
    struct waits *waits = mem_zalloc(sizeof *waits);
    TAILQ_INIT(&waits->writes);
    TAILQ_INIT(&waits->polls);
    TAILQ_INIT(&waits->due);
    return waits;
}

void waits_free(struct waits *waits)
{
    if (waits != NULL) {
        assert(waits_next_ns(waits) < 0 && "nothing waits any more");
        table_fini(&waits->by_service);
        free(waits);
    }
}

/* ---- Polls by service ---- */

static uint64_t hash_of(const char *service)
{
    return hash_table_key(service, strlen(service));
}

static bool is_for(const void *item, const void *key)
{
    const struct service_polls *polls = item;
    return strcmp(polls->service, key) == 0;
}

/* NULL: none waits for that service. */
static struct service_polls *find_polls(const struct waits *waits, const char *service)
{
    return table_find(&waits->by_service, hash_of(service), is_for, service);
}

static struct service_polls *new_polls(struct waits *waits, const char *service)
{
    size_t size = strlen(service) + 1;
    struct service_polls *polls = mem_alloc(sizeof *polls + size);
    TAILQ_INIT(&polls->polls);
    memcpy(polls->service, service, size);
    table_put(&waits->by_service, hash_of(service), is_for, service, polls);
    return polls;
}

static void join_polls(struct waits *waits, struct wait *wait, const char *service)
{
    wait->of_service = find_polls(waits, service);
    if (wait->of_service == NULL) {
        wait->of_service = new_polls(waits, service);
    }
    TAILQ_INSERT_TAIL(&wait->of_service->polls, wait, in_service);
}

static void leave_polls(struct waits *waits, struct wait *wait)
{
    struct service_polls *polls = wait->of_service;
    TAILQ_REMOVE(&polls->polls, wait, in_service);
    if (TAILQ_EMPTY(&polls->polls)) {
        table_remove(&waits->by_service, hash_of(polls->service), is_for, polls->service);
        free(polls);
    }
}

/* ---- Queues ---- */

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
    leave_polls(waits, wait);
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
    } else if (wait->of_service != NULL) {
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
    *wait = (struct wait){.until_ns = until_ns, .over = over};
    enqueue(&waits->polls, wait);
    join_polls(waits, wait, service);
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

/* The last end_poll frees the service's list. */
void waits_changed(struct waits *waits, const char *service)
{
    const struct service_polls *polls = find_polls(waits, service);
    struct wait *following;
    for (struct wait *wait = polls == NULL ? NULL : TAILQ_FIRST(&polls->polls); wait != NULL;
         wait = following) {
        following = TAILQ_NEXT(wait, in_service);
        end_poll(waits, wait);
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
