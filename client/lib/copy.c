/* Copies: what a client's mirror has of the selected configs. */
#include <assert.h>
#include <string.h>

#include "client.h"
#include "clock.h"
#include "condition.h"
#include "config.h"
#include "error.h"
#include "mirrored.h"
#include "shared_watch.h"

struct confreg_copy {
    struct confreg_client *client;
    struct subscription subscription;
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t changed;
    struct mirror *mirror; /* NULL: it has not started */
    bool has_ended;
    struct status failure;
};

/* ---- The subscription, on the registry client's thread ---- */

static struct confreg_copy *copy_of(struct subscription *subscription)
{
    return CONTAINER_OF(subscription, struct confreg_copy, subscription);
}

static void take_adding(struct subscription *subscription)
{
    (void)subscription;
}

static void take_start(struct subscription *subscription, struct mirror *mirror)
{
    struct confreg_copy *copy = copy_of(subscription);
    pthread_mutex_lock(&copy->lock);
    copy->mirror = mirror;
    pthread_cond_broadcast(&copy->changed);
    pthread_mutex_unlock(&copy->lock);
}

static void take_change(struct subscription *subscription, const struct mirror_change *change)
{
    (void)subscription;
    (void)change;
}

static void take_view(struct subscription *subscription, const struct mirror_view *view)
{
    (void)subscription;
    (void)view;
}

static void take_failure(struct subscription *subscription, const struct status *st)
{
    struct confreg_copy *copy = copy_of(subscription);
    pthread_mutex_lock(&copy->lock);
    copy->failure = *st;
    copy->failure.n_violations = 0;
    pthread_mutex_unlock(&copy->lock);
}

static void take_end(struct subscription *subscription)
{
    struct confreg_copy *copy = copy_of(subscription);
    pthread_mutex_lock(&copy->lock);
    copy->has_ended = true;
    pthread_cond_broadcast(&copy->changed);
    pthread_mutex_unlock(&copy->lock);
}

static const struct subscription_ops ops = {take_adding, take_start,   take_change,
                                            take_view,   take_failure, take_end};

/* ---- Making and freeing ---- */

static void destroy(struct confreg_copy *copy)
{
    subscription_fini(&copy->subscription);
    pthread_cond_destroy(&copy->changed);
    pthread_mutex_destroy(&copy->lock);
    free(copy);
}

struct confreg_copy *confreg_copy_new(struct confreg_client *client,
                                      const struct confreg_selector *selectors, size_t n,
                                      struct confreg_error *error)
{
    AUTO(free) struct mirror_selector *selected = NULL;
    if (!client_check(client, false, error) ||
        !mirrored_selectors(selectors, n, &selected, error)) {
        return NULL;
    }
    struct confreg_copy *copy = mem_zalloc(sizeof *copy);
    copy->client = client;
    subscription_init(&copy->subscription, &ops, selected, n);
    pthread_mutex_init(&copy->lock, NULL);
    pthread_cond_init(&copy->changed, NULL);
    if (!client_enter(client)) {
        destroy(copy);
        error_set(error, STATUS_CANCELLED, "CLIENT_FREED", "the client is being freed");
        return NULL;
    }
    shared_watch_add(client->watch, &copy->subscription);
    client_leave(client);
    return copy;
}

void confreg_copy_free(struct confreg_copy *copy)
{
    if (copy == NULL || !client_check(copy->client, false, NULL)) {
        return;
    }
    shared_watch_remove(copy->client->watch, &copy->subscription);
    pthread_mutex_lock(&copy->lock);
    while (!copy->has_ended) {
        pthread_cond_wait(&copy->changed, &copy->lock);
    }
    pthread_mutex_unlock(&copy->lock);
    destroy(copy);
}

bool confreg_copy_wait_ready(struct confreg_copy *copy, int64_t timeout_ms,
                             struct confreg_error *error)
{
    if (!client_check(copy->client, true, error)) {
        return false;
    }
    int64_t at_ns = clock_after_ms(timeout_ms);
    bool in_time = true;
    pthread_mutex_lock(&copy->lock);
    while (copy->mirror == NULL && in_time) {
        in_time = condition_wait_until(&copy->changed, &copy->lock, at_ns);
    }
    bool is_ready = copy->mirror != NULL;
    struct status failure = copy->failure;
    pthread_mutex_unlock(&copy->lock);
    return is_ready || mirrored_not_ready(&failure, error);
}

/* ---- Reading ---- */

static struct mirror *mirror_of(struct confreg_copy *copy)
{
    pthread_mutex_lock(&copy->lock);
    struct mirror *mirror = copy->mirror;
    pthread_mutex_unlock(&copy->lock);
    return mirror;
}

/* view NULL: the copy is loading. */
static void tell_view(const struct mirror_view *view, struct confreg_copy_view *ret_view)
{
    struct confreg_copy_view told = {.state = CONFREG_LOADING};
    if (view != NULL && view->state != MIRROR_LOADING) {
        told.state = view->state == MIRROR_IN_STEP ? CONFREG_READY : CONFREG_STALE;
        memcpy(told.epoch, view->epoch, sizeof view->epoch);
        told.revision = view->revision;
        told.age_ms = view->age_ms;
    }
    if (ret_view != NULL) {
        *ret_view = told;
    }
}

void confreg_copy_look(struct confreg_copy *copy, struct confreg_copy_view *ret_view)
{
    struct mirror *mirror = mirror_of(copy);
    struct mirror_view view;
    if (mirror != NULL) {
        mirror_look(mirror, &view);
    }
    tell_view(mirror == NULL ? NULL : &view, ret_view);
}

static const char *environment_or_default(const char *environment)
{
    return environment == NULL || environment[0] == '\0' ? "default" : environment;
}

const struct confreg_config *confreg_copy_get(struct confreg_copy *copy, const char *environment,
                                              const char *service,
                                              struct confreg_copy_view *ret_view)
{
    struct mirror *mirror = mirror_of(copy);
    const char *wanted = environment_or_default(environment);
    if (mirror == NULL) {
        tell_view(NULL, ret_view);
        return NULL;
    }
    struct mirror_view view;
    AUTO(mirror_config_unref)
    struct mirror_config *found = mirror_get(mirror, wanted, service, &view);
    tell_view(&view, ret_view);
    bool has = found != NULL && found->version != 0 &&
               subscription_selects(&copy->subscription, wanted, service);
    return has ? mirrored_config(found) : NULL;
}

/* Empty is like NULL, as in selectors of a watch. */
static const char *name_or_all(const char *name)
{
    return name == NULL || name[0] == '\0' ? NULL : name;
}

size_t confreg_copy_list(struct confreg_copy *copy, const struct confreg_selector *selector,
                         const struct confreg_config *const **ret_configs,
                         struct confreg_copy_view *ret_view)
{
    static const struct confreg_selector all = {NULL, NULL, NULL};
    const struct confreg_selector *s = selector == NULL ? &all : selector;
    const struct mirror_selector wanted = {name_or_all(s->environment), name_or_all(s->service),
                                           name_or_all(s->prefix)};
    struct mirror *mirror = mirror_of(copy);
    struct mirror_list list = {0};
    struct mirror_view view;
    if (mirror != NULL) {
        mirror_list(mirror, &wanted, SIZE_MAX, &list, &view);
    }
    const struct confreg_config **configs = mem_array(list.n + 1, sizeof(configs[0]));
    size_t n = 0;
    for (size_t i = 0; i < list.n; i++) {
        const struct mirror_config *config = list.configs[i];
        if (subscription_selects(&copy->subscription, config->environment, config->service_name)) {
            configs[n++] = mirrored_config(config);
        }
    }
    mirror_list_fini(&list);
    tell_view(mirror == NULL ? NULL : &view, ret_view);
    *ret_configs = configs;
    return n;
}

void confreg_configs_free(const struct confreg_config *const *configs, size_t n)
{
    for (size_t i = 0; configs != NULL && i < n; i++) {
        confreg_config_unref(configs[i]);
    }
    free((void *)(uintptr_t)configs);
}
