/* Watchers. The thread of the registry client puts changes into a watcher's queue; they are taken
 * out of it on the client's thread for callbacks, or on the thread that runs the watcher. */
#include <assert.h>
#include <string.h>

#include "change_queue.h"
#include "client.h"
#include "clock.h"
#include "condition.h"
#include "config.h"
#include "error.h"
#include "mirrored.h"
#include "options_size.h"
#include "pointers.h"
#include "shared_watch.h"

#define QUEUE_LIMIT 1000

enum watcher_mode { WATCHER_NEW, WATCHER_POSTS, WATCHER_RUNS, WATCHER_STOPPED };

struct confreg_watcher {
    struct confreg_client *client;
    struct subscription subscription;
    struct callback posted;
    confreg_change_callback *callback;
    confreg_error_callback *on_failure; /* NULL: nobody hears */
    void *user;
    bool tells_first;

    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t changed;
    enum watcher_mode mode;
    unsigned refs; /* the user's, that of the subscription, that of a callback that is posted, and
                      that of a thread in confreg_watcher_run */
    bool is_ready;
    bool is_posted;
    bool calls; /* a callback runs, on the thread `caller` */
    pthread_t caller;
    struct change_queue queue;
    bool has_failed;        /* `failure` was not told yet */
    struct status *failure; /* owned; the last one; NULL: none */
};

/* ---- Life ---- */

/* Called with the lock held, which it gives back. */
static void release(struct confreg_watcher *watcher)
{
    bool is_last = --watcher->refs == 0;
    pthread_mutex_unlock(&watcher->lock);
    if (is_last) {
        change_queue_fini(&watcher->queue);
        free(watcher->failure);
        subscription_fini(&watcher->subscription);
        pthread_cond_destroy(&watcher->changed);
        pthread_mutex_destroy(&watcher->lock);
        free(watcher);
    }
}

static void release_unlocked(struct confreg_watcher *watcher)
{
    pthread_mutex_lock(&watcher->lock);
    release(watcher);
}

/* ---- Callbacks ---- */

/* The arguments of a callback, and their owner. */
struct telling {
    struct confreg_change change;
    const struct confreg_config *config, *previous; /* owned */
    struct settings *settings, *previous_settings;  /* owned; NULL: none, or no JSON object */
    struct pointers pointers;
};

static struct settings *parse(const struct mirror_config *config)
{
    struct settings *settings = NULL;
    struct status ignored;
    if (config != NULL && config->data != NULL) {
        settings_parse(config->data, config->n_data, &settings, &ignored);
    }
    return settings;
}

/* NULL where there is none. */
static const struct confreg_config *live_config(struct mirror_config *config)
{
    return config == NULL || config->version == 0 ? NULL : mirrored_config(config);
}

static void telling_init(struct telling *telling, const struct mirror_change *change)
{
    *telling = (struct telling){.config = live_config(change->after),
                                .previous = live_config(change->before)};
    telling->settings = parse(change->after);
    telling->previous_settings = parse(change->before);
    pointers_between(telling->previous_settings, telling->settings, &telling->pointers);
    telling->change = (struct confreg_change){
        .kind = (enum confreg_change_kind)change->kind,
        .synthetic = change->synthetic,
        .environment = change->environment,
        .service = change->service_name,
        .revision = change->revision,
        .config = telling->config,
        .previous = telling->previous,
        .author = change->synthetic ? NULL : change->created_by,
        .comment = change->synthetic || change->comment == NULL || change->comment[0] == '\0'
                       ? NULL
                       : change->comment,
        .time_us = change->synthetic ? 0 : change->time_us,
        .added = (const char *const *)telling->pointers.added.texts,
        .n_added = telling->pointers.added.n,
        .removed = (const char *const *)telling->pointers.removed.texts,
        .n_removed = telling->pointers.removed.n,
        .changed = (const char *const *)telling->pointers.changed.texts,
        .n_changed = telling->pointers.changed.n,
    };
}

static void telling_fini(struct telling *telling)
{
    pointers_fini(&telling->pointers);
    settings_unref(telling->settings);
    settings_unref(telling->previous_settings);
    confreg_config_unref(telling->config);
    confreg_config_unref(telling->previous);
}

static void tell_change(struct confreg_watcher *watcher, const struct queued_change *queued)
{
    struct telling telling;
    telling_init(&telling, &queued->change);
    watcher->callback(watcher->user, &telling.change);
    telling_fini(&telling);
}

static void tell_failure(struct confreg_watcher *watcher, const struct status *st)
{
    struct confreg_error error;
    error_of(&error, st);
    watcher->on_failure(watcher->user, &error);
}

static bool has_work(const struct confreg_watcher *watcher)
{
    return watcher->queue.n > 0 || watcher->has_failed;
}

/* Calls back once. Called with the lock held and work to do; releases it meanwhile. */
static void call_back(struct confreg_watcher *watcher)
{
    bool has_failed = watcher->has_failed;
    struct status failure = {.code = STATUS_OK};
    if (has_failed) {
        failure = *watcher->failure;
    }
    watcher->has_failed = false;
    AUTO(queued_change_free)
    struct queued_change *queued = has_failed ? NULL : change_queue_take(&watcher->queue);
    watcher->calls = true;
    watcher->caller = pthread_self();
    pthread_mutex_unlock(&watcher->lock);
    if (queued != NULL) {
        tell_change(watcher, queued);
    } else {
        tell_failure(watcher, &failure);
    }
    pthread_mutex_lock(&watcher->lock);
    watcher->calls = false;
    pthread_cond_broadcast(&watcher->changed);
}

/* Called with the lock held, which it gives back. */
static void post_if_due(struct confreg_watcher *watcher)
{
    bool is_due = watcher->mode == WATCHER_POSTS && !watcher->is_posted && has_work(watcher);
    if (is_due) {
        watcher->is_posted = true;
        watcher->refs++;
    }
    pthread_cond_broadcast(&watcher->changed);
    pthread_mutex_unlock(&watcher->lock);
    if (is_due) {
        callbacks_post(watcher->client->callbacks, &watcher->posted);
    }
}

/* One callback, so that watchers of a client take turns. */
static void run_posted(struct callback *posted)
{
    struct confreg_watcher *watcher = CONTAINER_OF(posted, struct confreg_watcher, posted);
    pthread_mutex_lock(&watcher->lock);
    watcher->is_posted = false;
    if (watcher->mode == WATCHER_POSTS && has_work(watcher)) {
        call_back(watcher);
        watcher->refs++;
        post_if_due(watcher);
        pthread_mutex_lock(&watcher->lock);
        watcher->refs--;
    }
    release(watcher);
}

/* ---- The subscription, on the registry client's thread ---- */

static struct confreg_watcher *watcher_of(struct subscription *subscription)
{
    return CONTAINER_OF(subscription, struct confreg_watcher, subscription);
}

static void add_change(struct confreg_watcher *watcher, const struct mirror_change *change)
{
    pthread_mutex_lock(&watcher->lock);
    if (watcher->mode != WATCHER_STOPPED) {
        change_queue_add(&watcher->queue, change);
    }
    post_if_due(watcher);
}

static void take_change(struct subscription *subscription, const struct mirror_change *change)
{
    add_change(watcher_of(subscription), change);
}

static void add_first(struct confreg_watcher *watcher, struct mirror_config *config)
{
    const struct mirror_change change = {
        .revision = config->mod_revision,
        .synthetic = true,
        .kind = CONFREG_CREATE,
        .environment = config->environment,
        .service_name = config->service_name,
        .after = config,
    };
    if (subscription_selects(&watcher->subscription, config->environment, config->service_name)) {
        add_change(watcher, &change);
    }
}

static void take_adding(struct subscription *subscription)
{
    (void)subscription;
}

static void take_start(struct subscription *subscription, struct mirror *mirror)
{
    struct confreg_watcher *watcher = watcher_of(subscription);
    if (watcher->tells_first) {
        struct mirror_list list;
        struct mirror_view view;
        mirror_list(mirror, NULL, SIZE_MAX, &list, &view);
        for (size_t i = 0; i < list.n; i++) {
            add_first(watcher, list.configs[i]);
        }
        mirror_list_fini(&list);
    }
    pthread_mutex_lock(&watcher->lock);
    watcher->is_ready = true;
    pthread_cond_broadcast(&watcher->changed);
    pthread_mutex_unlock(&watcher->lock);
}

static void take_view(struct subscription *subscription, const struct mirror_view *view)
{
    (void)subscription;
    (void)view;
}

static void take_failure(struct subscription *subscription, const struct status *st)
{
    struct confreg_watcher *watcher = watcher_of(subscription);
    pthread_mutex_lock(&watcher->lock);
    if (watcher->failure == NULL) {
        watcher->failure = mem_alloc(sizeof *watcher->failure);
    }
    *watcher->failure = *st;
    watcher->failure->n_violations = 0;
    watcher->has_failed = watcher->on_failure != NULL && watcher->mode != WATCHER_STOPPED;
    post_if_due(watcher);
}

static void take_end(struct subscription *subscription)
{
    release_unlocked(watcher_of(subscription));
}

static const struct subscription_ops ops = {take_adding, take_start,   take_change,
                                            take_view,   take_failure, take_end};

/* ---- The public functions ---- */

struct confreg_watcher *confreg_watcher_new(struct confreg_client *client,
                                            const struct confreg_selector *selectors, size_t n,
                                            const struct confreg_watcher_options *options,
                                            confreg_change_callback *callback, void *user,
                                            struct confreg_error *error)
{
    struct confreg_watcher_options own = CONFREG_WATCHER_OPTIONS_INIT;
    AUTO(free) struct mirror_selector *selected = NULL;
    if (!options_read(options, &own, sizeof own, error) || !client_check(client, false, error) ||
        !mirrored_selectors(selectors, n, &selected, error)) {
        return NULL;
    }
    if (callback == NULL) {
        error_set(error, STATUS_INVALID_ARGUMENT, "CALLBACK_MISSING", "a watcher has a callback");
        return NULL;
    }
    struct confreg_watcher *watcher = mem_zalloc(sizeof *watcher);
    watcher->client = client;
    watcher->posted.run = run_posted;
    watcher->callback = callback;
    watcher->on_failure = own.on_failure;
    watcher->user = user;
    watcher->tells_first = own.first;
    watcher->refs = 1;
    subscription_init(&watcher->subscription, &ops, selected, n);
    change_queue_init(&watcher->queue, own.latest_only,
                      own.queue_limit == 0 ? QUEUE_LIMIT : own.queue_limit);
    pthread_mutex_init(&watcher->lock, NULL);
    pthread_cond_init(&watcher->changed, NULL);
    return watcher;
}

/* Subscribes, in a mode. */
static bool start(struct confreg_watcher *watcher, enum watcher_mode mode,
                  struct confreg_error *error)
{
    if (!client_enter(watcher->client)) {
        return error_set(error, STATUS_CANCELLED, "CLIENT_FREED", "the client is being freed");
    }
    pthread_mutex_lock(&watcher->lock);
    bool is_new = watcher->mode == WATCHER_NEW;
    if (is_new) {
        watcher->mode = mode;
        watcher->refs++;
    }
    pthread_mutex_unlock(&watcher->lock);
    if (is_new) {
        shared_watch_add(watcher->client->watch, &watcher->subscription);
    }
    client_leave(watcher->client);
    return is_new || error_set(error, STATUS_FAILED_PRECONDITION, "STARTED_BEFORE",
                               "the watcher was started or stopped before");
}

bool confreg_watcher_start(struct confreg_watcher *watcher, struct confreg_error *error)
{
    return client_check(watcher->client, false, error) && start(watcher, WATCHER_POSTS, error);
}

bool confreg_watcher_run(struct confreg_watcher *watcher, struct confreg_error *error)
{
    if (!client_check(watcher->client, true, error)) {
        return false;
    }
    pthread_mutex_lock(&watcher->lock);
    watcher->refs++;
    pthread_mutex_unlock(&watcher->lock);
    bool started = start(watcher, WATCHER_RUNS, error);
    pthread_mutex_lock(&watcher->lock);
    while (started && watcher->mode != WATCHER_STOPPED) {
        if (has_work(watcher)) {
            call_back(watcher);
        } else {
            pthread_cond_wait(&watcher->changed, &watcher->lock);
        }
    }
    release(watcher);
    return started;
}

bool confreg_watcher_wait_ready(struct confreg_watcher *watcher, int64_t timeout_ms,
                                struct confreg_error *error)
{
    if (!client_check(watcher->client, true, error)) {
        return false;
    }
    int64_t at_ns = clock_after_ms(timeout_ms);
    bool in_time = true;
    pthread_mutex_lock(&watcher->lock);
    while (!watcher->is_ready && in_time && watcher->mode != WATCHER_STOPPED) {
        in_time = condition_wait_until(&watcher->changed, &watcher->lock, at_ns);
    }
    bool is_ready = watcher->is_ready;
    struct status failure = {.code = STATUS_OK};
    if (watcher->failure != NULL) {
        failure = *watcher->failure;
    }
    pthread_mutex_unlock(&watcher->lock);
    return is_ready || mirrored_not_ready(&failure, error);
}

/* Called with the lock held. Returns whether it was subscribed. */
static bool stop(struct confreg_watcher *watcher)
{
    bool subscribed = watcher->mode == WATCHER_POSTS || watcher->mode == WATCHER_RUNS;
    watcher->mode = WATCHER_STOPPED;
    watcher->has_failed = false;
    struct change_queue *queue = &watcher->queue;
    for (struct queued_change *queued; (queued = change_queue_take(queue)) != NULL;) {
        queued_change_free(queued);
    }
    pthread_cond_broadcast(&watcher->changed);
    return subscribed;
}

void confreg_watcher_stop(struct confreg_watcher *watcher)
{
    pthread_mutex_lock(&watcher->lock);
    bool subscribed = stop(watcher);
    pthread_mutex_unlock(&watcher->lock);
    if (subscribed && client_check(watcher->client, false, NULL)) {
        shared_watch_remove(watcher->client->watch, &watcher->subscription);
    }
}

void confreg_watcher_free(struct confreg_watcher *watcher)
{
    if (watcher == NULL) {
        return;
    }
    confreg_watcher_stop(watcher);
    pthread_mutex_lock(&watcher->lock);
    while (watcher->calls && !pthread_equal(watcher->caller, pthread_self())) {
        pthread_cond_wait(&watcher->changed, &watcher->lock);
    }
    release(watcher);
}
