/* The watch that all providers, watchers and copies of a client share: one mirror
 * (client/mirror.h), so one stream, whose selection is the union of what they select.
 *
 * Threads: any thread adds and removes subscriptions. All else, and all functions of the
 * subscriptions, run on the thread of the registry client and must not block.
 *
 * Ownership: a subscription is embedded in an object of its user. It belongs to the watch from
 * shared_watch_add until `ended` is called, which is the last call. */
#ifndef LIB_SHARED_WATCH_H
#define LIB_SHARED_WATCH_H

#include <sys/queue.h>

#include "mirror.h"
#include "registry_client.h"

struct shared_watch;
struct subscription;

struct subscription_ops {
    /* The watch has it now; the first call. */
    void (*added)(struct subscription *subscription);
    /* The copy has what is selected. Its configs are those before any change that is told later. */
    void (*started)(struct subscription *subscription, struct mirror *mirror);
    /* One of the selected configs has changed; in order. */
    void (*changed)(struct subscription *subscription, const struct mirror_change *change);
    /* After started, after the changes of a commit, and when the state has changed. */
    void (*viewed)(struct subscription *subscription, const struct mirror_view *view);
    /* The server does not answer, or refuses what is selected. */
    void (*failed)(struct subscription *subscription, const struct status *st);
    void (*ended)(struct subscription *subscription);
};

struct subscription {
    const struct subscription_ops *ops;
    struct mirror_selector *selectors; /* owned, with their texts */
    size_t n_selectors;
    /* Private to shared_watch.c. */
    struct shared_watch *watch;
    struct rpc_task adding, removing;
    LIST_ENTRY(subscription) link;
    uint64_t selection; /* it starts when the copy has this one */
    bool has_started;
};

/* Copies the selectors. */
void subscription_init(struct subscription *subscription, const struct subscription_ops *ops,
                       const struct mirror_selector *selectors, size_t n);
void subscription_fini(struct subscription *subscription);
/* Whether one of the selectors selects the name. Any thread. */
bool subscription_selects(const struct subscription *subscription, const char *environment,
                          const char *service);

struct shared_watch *shared_watch_new(struct registry_client *registry);
/* Ends the stream. Returns after the last call of any subscription; those that are left are ended.
 * Before the registry client is freed, and not on its thread. */
void shared_watch_close(struct shared_watch *watch);
/* After it was closed and the registry client was freed. NULL is ignored. */
void shared_watch_free(struct shared_watch *watch);

/* The watch must not be closed before it returns (client_enter). */
void shared_watch_add(struct shared_watch *watch, struct subscription *subscription);
/* Once, after it was added. */
void shared_watch_remove(struct shared_watch *watch, struct subscription *subscription);

#endif
