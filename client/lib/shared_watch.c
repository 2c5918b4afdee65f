#include "shared_watch.h"

#include <assert.h>
#include <string.h>

#include "mem.h"

#define SELECTORS_MAX 128 /* of a watch; the server's limit */

LIST_HEAD(subscriptions, subscription);

struct shared_watch {
    struct registry_client *registry;
    /* Only the registry client's thread, until it is closed. */
    struct mirror *mirror; /* NULL: nobody has subscribed yet */
    struct subscriptions subscriptions;
    struct mirror_selector selected[SELECTORS_MAX]; /* owned texts; what the mirror selects */
    size_t n_selected;
    uint64_t selection; /* the number of that */
    bool is_closed;

    struct rpc_task closing;
    pthread_mutex_t lock; /* of the next member */
    pthread_cond_t changed;
    bool has_closed;
};

/* ---- Selectors ---- */

static char *copy_text(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : mem_string(text);
}

static struct mirror_selector copy_selector(const struct mirror_selector *s)
{
    return (struct mirror_selector){copy_text(s->environment), copy_text(s->service_name),
                                    copy_text(s->service_name_prefix)};
}

static void selector_fini(struct mirror_selector *s)
{
    free((char *)(uintptr_t)s->environment);
    free((char *)(uintptr_t)s->service_name);
    free((char *)(uintptr_t)s->service_name_prefix);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_selector(const struct mirror_selector *a, const struct mirror_selector *b)
{
    return same_text(a->environment, b->environment) &&
           same_text(a->service_name, b->service_name) &&
           same_text(a->service_name_prefix, b->service_name_prefix);
}

static bool matches(const struct mirror_selector *s, const char *environment, const char *service)
{
    return (s->environment == NULL || strcmp(s->environment, environment) == 0) &&
           (s->service_name == NULL || strcmp(s->service_name, service) == 0) &&
           (s->service_name_prefix == NULL ||
            strncmp(s->service_name_prefix, service, strlen(s->service_name_prefix)) == 0);
}

void subscription_init(struct subscription *subscription, const struct subscription_ops *ops,
                       const struct mirror_selector *selectors, size_t n)
{
    assert(n > 0 && "a subscription selects something");
    *subscription = (struct subscription){
        .ops = ops, .selectors = mem_array(n, sizeof selectors[0]), .n_selectors = n};
    for (size_t i = 0; i < n; i++) {
        subscription->selectors[i] = copy_selector(&selectors[i]);
    }
}

void subscription_fini(struct subscription *subscription)
{
    for (size_t i = 0; i < subscription->n_selectors; i++) {
        selector_fini(&subscription->selectors[i]);
    }
    free(subscription->selectors);
}

bool subscription_selects(const struct subscription *subscription, const char *environment,
                          const char *service)
{
    bool selects = false;
    for (size_t i = 0; i < subscription->n_selectors && !selects; i++) {
        selects = matches(&subscription->selectors[i], environment, service);
    }
    return selects;
}

/* ---- The union ---- */

/* Borrowed selectors without doubles. */
struct selector_list {
    struct mirror_selector *selectors;
    size_t n, room;
};

static bool has_selector(const struct mirror_selector *selectors, size_t n,
                         const struct mirror_selector *s)
{
    bool found = false;
    for (size_t i = 0; i < n && !found; i++) {
        found = same_selector(&selectors[i], s);
    }
    return found;
}

static void list_add(struct selector_list *list, const struct mirror_selector *s)
{
    if (has_selector(list->selectors, list->n, s)) {
        return;
    }
    if (list->n == list->room) {
        list->room = list->room == 0 ? 16 : list->room * 2;
        list->selectors = mem_grow(list->selectors, list->room, sizeof list->selectors[0]);
    }
    list->selectors[list->n++] = *s;
}

static size_t count_in(const struct selector_list *list, const char *environment)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        n += same_text(list->selectors[i].environment, environment);
    }
    return n;
}

/* Replaces the selectors of the environment that has most of them by one for all of it. */
static void coarsen(struct selector_list *list)
{
    struct mirror_selector whole = {NULL, NULL, NULL};
    size_t most = 0;
    for (size_t i = 0; i < list->n; i++) {
        size_t n = count_in(list, list->selectors[i].environment);
        if (n > most) {
            most = n;
            whole.environment = list->selectors[i].environment;
        }
    }
    bool all = most < 2 || whole.environment == NULL;
    struct selector_list old = *list;
    *list = (struct selector_list){NULL, 0, 0};
    whole.environment = all ? NULL : whole.environment;
    list_add(list, &whole);
    for (size_t i = 0; i < old.n && !all; i++) {
        if (!same_text(old.selectors[i].environment, whole.environment)) {
            list_add(list, &old.selectors[i]);
        }
    }
    free(old.selectors);
}

/* The selectors of all subscriptions. If a watch may not have so many, some become a larger one.
 */
static void unite(const struct shared_watch *watch, struct selector_list *ret_list)
{
    struct selector_list list = {NULL, 0, 0};
    const struct subscription *subscription;
    LIST_FOREACH(subscription, &watch->subscriptions, link)
    {
        for (size_t i = 0; i < subscription->n_selectors; i++) {
            list_add(&list, &subscription->selectors[i]);
        }
    }
    while (list.n > SELECTORS_MAX) {
        coarsen(&list);
    }
    *ret_list = list;
}

static void keep_selected(struct shared_watch *watch, const struct selector_list *list)
{
    for (size_t i = 0; i < watch->n_selected; i++) {
        selector_fini(&watch->selected[i]);
    }
    watch->n_selected = list->n;
    for (size_t i = 0; i < list->n; i++) {
        watch->selected[i] = copy_selector(&list->selectors[i]);
    }
}

static bool is_selected(const struct shared_watch *watch, const struct selector_list *list)
{
    bool all = watch->mirror != NULL;
    for (size_t i = 0; i < list->n && all; i++) {
        all = has_selector(watch->selected, watch->n_selected, &list->selectors[i]);
    }
    return all;
}

/* ---- What the mirror tells ---- */

static void start(struct subscription *subscription, struct mirror *mirror,
                  const struct mirror_view *view)
{
    subscription->has_started = true;
    subscription->ops->started(subscription, mirror);
    subscription->ops->viewed(subscription, view);
}

static void take_changes(void *user, const struct mirror_view *view,
                         const struct mirror_change *changes, size_t n)
{
    struct shared_watch *watch = user;
    struct subscription *subscription;
    LIST_FOREACH(subscription, &watch->subscriptions, link)
    {
        if (!subscription->has_started) {
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            if (subscription_selects(subscription, changes[i].environment,
                                     changes[i].service_name)) {
                subscription->ops->changed(subscription, &changes[i]);
            }
        }
        subscription->ops->viewed(subscription, view);
    }
    LIST_FOREACH(subscription, &watch->subscriptions, link)
    {
        /* The copy has the changes already. */
        if (!subscription->has_started && watch->mirror != NULL && view->state != MIRROR_LOADING &&
            view->selection >= subscription->selection) {
            start(subscription, watch->mirror, view);
        }
    }
}

static void take_failure(void *user, const struct status *st, uint64_t selection)
{
    struct shared_watch *watch = user;
    struct subscription *subscription;
    LIST_FOREACH(subscription, &watch->subscriptions, link)
    {
        if (selection == 0 || !subscription->has_started) {
            subscription->ops->failed(subscription, st);
        }
    }
}

/* ---- Subscriptions ---- */

static void select_more(struct shared_watch *watch, struct subscription *subscription)
{
    struct selector_list list;
    unite(watch, &list);
    if (!is_selected(watch, &list)) {
        keep_selected(watch, &list);
        if (watch->mirror != NULL) {
            watch->selection = mirror_select(watch->mirror, list.selectors, list.n);
        } else {
            const struct mirror_options options = {.selectors = list.selectors,
                                                   .n_selectors = list.n,
                                                   .changed = take_changes,
                                                   .failed = take_failure,
                                                   .user = watch};
            watch->selection = 1;
            watch->mirror = mirror_new(watch->registry, &options);
        }
    }
    free(list.selectors);
    subscription->selection = watch->selection;
}

static void add(struct rpc_task *task)
{
    struct subscription *subscription = CONTAINER_OF(task, struct subscription, adding);
    struct shared_watch *watch = subscription->watch;
    struct mirror_view view;
    assert(!watch->is_closed && "nobody subscribes to a watch that was closed");
    LIST_INSERT_HEAD(&watch->subscriptions, subscription, link);
    subscription->ops->added(subscription);
    select_more(watch, subscription);
    mirror_look(watch->mirror, &view);
    if (view.state != MIRROR_LOADING && view.selection >= subscription->selection) {
        start(subscription, watch->mirror, &view);
    }
}

void shared_watch_add(struct shared_watch *watch, struct subscription *subscription)
{
    subscription->watch = watch;
    subscription->adding.fn = add;
    registry_client_post(watch->registry, &subscription->adding);
}

static void end(struct subscription *subscription)
{
    LIST_REMOVE(subscription, link);
    subscription->ops->ended(subscription);
}

static void take_out(struct rpc_task *task)
{
    struct subscription *subscription = CONTAINER_OF(task, struct subscription, removing);
    end(subscription);
}

void shared_watch_remove(struct shared_watch *watch, struct subscription *subscription)
{
    subscription->removing.fn = take_out;
    registry_client_post(watch->registry, &subscription->removing);
}

/* ---- The watch ---- */

struct shared_watch *shared_watch_new(struct registry_client *registry)
{
    struct shared_watch *watch = mem_zalloc(sizeof *watch);
    watch->registry = registry;
    LIST_INIT(&watch->subscriptions);
    pthread_mutex_init(&watch->lock, NULL);
    pthread_cond_init(&watch->changed, NULL);
    return watch;
}

/* All tasks that were posted before have run. */
static void close_here(struct rpc_task *task)
{
    struct shared_watch *watch = CONTAINER_OF(task, struct shared_watch, closing);
    watch->is_closed = true;
    while (!LIST_EMPTY(&watch->subscriptions)) {
        end(LIST_FIRST(&watch->subscriptions));
    }
    pthread_mutex_lock(&watch->lock);
    watch->has_closed = true;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
}

void shared_watch_close(struct shared_watch *watch)
{
    watch->closing.fn = close_here;
    registry_client_post(watch->registry, &watch->closing);
    pthread_mutex_lock(&watch->lock);
    while (!watch->has_closed) {
        pthread_cond_wait(&watch->changed, &watch->lock);
    }
    pthread_mutex_unlock(&watch->lock);
    mirror_free(watch->mirror);
}

void shared_watch_free(struct shared_watch *watch)
{
    if (watch != NULL) {
        const struct selector_list none = {NULL, 0, 0};
        keep_selected(watch, &none);
        pthread_cond_destroy(&watch->changed);
        pthread_mutex_destroy(&watch->lock);
        free(watch);
    }
}
