#include "feed.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "clock.h"
#include "gateway.h"
#include "waits.h"

/* A change of one config. */
struct notice {
    STAILQ_ENTRY(notice) next;
    char service_name[];
};

STAILQ_HEAD(notices, notice);

struct feed {
    int fd;
    pthread_mutex_t lock; /* for all below */
    struct notices notices;
    bool rung;
};

struct feed *feed_new(void)
{
    struct feed *feed = mem_zalloc(sizeof *feed);
    feed->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (feed->fd < 0) {
        abort();
    }
    pthread_mutex_init(&feed->lock, NULL);
    STAILQ_INIT(&feed->notices);
    return feed;
}

static void drop(struct notices *notices)
{
    struct notice *notice;
    while ((notice = STAILQ_FIRST(notices)) != NULL) {
        STAILQ_REMOVE_HEAD(notices, next);
        free(notice);
    }
}

void feed_free(struct feed *feed)
{
    if (feed != NULL) {
        drop(&feed->notices);
        close(feed->fd);
        pthread_mutex_destroy(&feed->lock);
        free(feed);
    }
}

int feed_fd(const struct feed *feed)
{
    return feed->fd;
}

static struct notice *notice_of(const struct mirror_change *change)
{
    size_t n = strlen(change->service_name) + 1;
    struct notice *notice = mem_alloc(sizeof *notice + n);
    memcpy(notice->service_name, change->service_name, n);
    return notice;
}

void feed_changed(void *user, const struct mirror_change *changes, size_t n)
{
    struct feed *feed = user;
    struct notices come = STAILQ_HEAD_INITIALIZER(come);
    for (size_t i = 0; i < n; i++) {
        struct notice *notice = notice_of(&changes[i]);
        STAILQ_INSERT_TAIL(&come, notice, next);
    }
    pthread_mutex_lock(&feed->lock);
    STAILQ_CONCAT(&feed->notices, &come);
    bool ring = !feed->rung;
    feed->rung = true;
    pthread_mutex_unlock(&feed->lock);
    if (ring) {
        eventfd_write(feed->fd, 1);
    }
}

static void show_view(struct mirror_gauges *gauges, const struct mirror_view *view)
{
    atomic_store(&gauges->in_step, view->state == MIRROR_IN_STEP);
    atomic_store(&gauges->revision, view->revision);
    atomic_store(&gauges->n_configs, view->n_configs);
    atomic_store(&gauges->in_step_ns, clock_monotonic_ns() - view->age_ms * 1000000);
}

/* What was handed out may never have been, or not be any more. */
static void forget_old_log(struct gateway *gateway, const struct mirror_view *view)
{
    gateway->resets = view->resets;
    gateway->handed = (struct handed_out){0};
    handed_out_raise(&gateway->handed, view->epoch, view->revision);
    waits_all_changed(gateway->waits);
}

void feed_run(struct feed *feed, struct gateway *gateway)
{
    struct notices come = STAILQ_HEAD_INITIALIZER(come);
    struct mirror_view view;
    eventfd_t count;
    if (gateway->mirror == NULL || eventfd_read(feed->fd, &count) != 0) {
        return;
    }
    pthread_mutex_lock(&feed->lock);
    STAILQ_CONCAT(&come, &feed->notices);
    feed->rung = false;
    pthread_mutex_unlock(&feed->lock);
    mirror_look(gateway->mirror, &view);
    if (view.resets != gateway->resets) {
        forget_old_log(gateway, &view);
    }
    show_view(&gateway->mirror_gauges, &view);
    for (const struct notice *n = STAILQ_FIRST(&come); n != NULL; n = STAILQ_NEXT(n, next)) {
        waits_changed(gateway->waits, n->service_name);
    }
    waits_moved(gateway->waits, view.revision);
    drop(&come);
}
