/* Providers. The thread of the registry client publishes each state of the config
 * (provider_values.h); getters read it without a lock. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "client_call.h"
#include "clock.h"
#include "coercion.h"
#include "condition.h"
#include "error.h"
#include "file_writer.h"
#include "message.h"
#include "mirrored.h"
#include "options_size.h"
#include "provider_values.h"
#include "shared_watch.h"
#include "snapshot.h"
#include "utf8.h"

#define STALE_AFTER_MS INT64_C(60000)
#define REFERENCES_TTL_MS INT64_C(10000)
#define LAG_MS 5000        /* how long a copy that is behind the values is not believed */
#define WATCH_WAIT_MS 1000 /* how long a refresh waits for the watch before it reads the config */
#define BASE_ENVIRONMENT "default" /* what configs are resolved over */

struct confreg_provider {
    struct provider_values values; /* set by the registry client's thread */
    struct confreg_client *client;
    struct subscription subscription;
    struct callback posted;
    char *environment, *service; /* owned */
    bool resolve;
    int64_t stale_after_ms;
    int64_t references_ttl_ms;        /* 0: there are none */
    confreg_state_callback *on_state; /* NULL: nobody hears */
    void *user;
    struct file_writer *writer; /* NULL: there is no file */

    /* Only the registry client's thread. */
    struct mirror *mirror;
    bool is_dirty; /* the config has changed since it was published */
    struct rpc_timer expiry;
    bool expires;            /* the timer is set */
    bool is_refreshed;       /* the values were not read from the copy */
    int64_t behind_since_ns; /* the copy is behind the values; 0: it is not */
    struct rpc_timer reading_again;

    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t changed;
    unsigned refs; /* the user's, that of the subscription, that of a callback that is posted */
    enum confreg_state state, told;
    bool is_posted;
    bool calls; /* the callback runs, on the client's thread for callbacks */
    bool is_closed, has_ended;
    uint64_t revision;                   /* of the copy */
    char epoch[MIRROR_EPOCH_SIZE];       /* of the copy */
    struct status failure, file_failure; /* STATUS_OK: none */
};

/* ---- Life ---- */

/* Called with the lock held, which it gives back. */
static void release(struct confreg_provider *provider)
{
    bool is_last = --provider->refs == 0;
    pthread_mutex_unlock(&provider->lock);
    if (is_last) {
        provider_values_fini(&provider->values);
        subscription_fini(&provider->subscription);
        pthread_cond_destroy(&provider->changed);
        pthread_mutex_destroy(&provider->lock);
        free(provider->environment);
        free(provider->service);
        free(provider);
    }
}

/* ---- Callbacks ---- */

static void run_posted(struct callback *posted)
{
    struct confreg_provider *provider = CONTAINER_OF(posted, struct confreg_provider, posted);
    pthread_mutex_lock(&provider->lock);
    provider->is_posted = false;
    enum confreg_state state = provider->state;
    if (!provider->is_closed && state != provider->told) {
        provider->told = state;
        provider->calls = true;
        pthread_mutex_unlock(&provider->lock);
        provider->on_state(provider->user, state);
        pthread_mutex_lock(&provider->lock);
        provider->calls = false;
        pthread_cond_broadcast(&provider->changed);
    }
    release(provider);
}

static void become(struct confreg_provider *provider, enum confreg_state state)
{
    pthread_mutex_lock(&provider->lock);
    provider->state = state;
    bool posts = state != provider->told && !provider->is_posted && !provider->is_closed &&
                 provider->on_state != NULL;
    if (posts) {
        provider->is_posted = true;
        provider->refs++;
    }
    pthread_cond_broadcast(&provider->changed);
    pthread_mutex_unlock(&provider->lock);
    if (posts) {
        callbacks_post(provider->client->callbacks, &provider->posted);
    }
}

static void log_problem(void *user, const char *event, const struct status *st)
{
    const struct confreg_provider *provider = user;
    log_event_to(&provider->client->sink, LOG_WARNING, event, "environment", provider->environment,
                 "service", provider->service, "message", st->message, NULL);
}

/* ---- Publishing, on the registry client's thread ---- */

static void keep_in_file(struct confreg_provider *provider, const struct reading *reading)
{
    if (provider->writer == NULL || reading->data == NULL) {
        return;
    }
    struct last_known known = {.revision = reading->revision, .version = reading->version};
    snprintf(known.epoch, sizeof known.epoch, "%s", reading->epoch);
    known.data = buf_copy(reading->data, reading->n_data);
    file_writer_write(provider->writer, &known);
    buf_unref(known.data);
}

static void take_reading(struct confreg_provider *provider, const struct reading *reading)
{
    if (provider_values_take(&provider->values, reading)) {
        keep_in_file(provider, reading);
    }
}

/* Files that references name are read again, whether the registry is there or not. */
static void read_again_later(struct confreg_provider *provider)
{
    registry_client_set_timer(provider->client->registry, &provider->reading_again,
                              clock_after_ms(provider->references_ttl_ms));
}

static void read_again(struct rpc_timer *timer)
{
    struct confreg_provider *provider = CONTAINER_OF(timer, struct confreg_provider, reading_again);
    if (provider_values_read_files(&provider->values)) {
        provider_values_read_again(&provider->values);
    }
    read_again_later(provider);
}

static bool has_data(const struct mirror_config *config)
{
    return config != NULL && config->version != 0 && config->data != NULL;
}

static uint64_t mod_revision_of(const struct mirror_config *config)
{
    return config == NULL ? 0 : config->mod_revision;
}

/* over, base: NULL or a tombstone where there is none. */
static void take_configs(struct confreg_provider *provider, const struct mirror_config *over,
                         const struct mirror_config *base, const struct mirror_view *view)
{
    AUTO_STR merged = {0};
    const struct mirror_config *head = has_data(over) ? over : has_data(base) ? base : NULL;
    uint64_t revisions[] = {mod_revision_of(over), mod_revision_of(base)};
    struct reading reading = {
        .mod_revision = revisions[revisions[1] > revisions[0]],
        .revision = view->revision,
        .epoch = view->epoch,
    };
    if (head != NULL) {
        reading.data = head->data;
        reading.n_data = head->n_data;
        reading.version = head->version;
    }
    if (has_data(over) && has_data(base)) {
        json_merge((struct json_text){base->data, base->n_data},
                   (struct json_text){over->data, over->n_data}, &merged);
        reading.data = merged.data;
        reading.n_data = merged.len;
    }
    take_reading(provider, &reading);
}

static void read_copy(struct confreg_provider *provider)
{
    const char *environments[2] = {provider->environment, BASE_ENVIRONMENT};
    struct mirror_config *configs[2] = {NULL, NULL};
    struct mirror_view view;
    if (provider->resolve) {
        mirror_get_several(provider->mirror, provider->service, environments, 2, configs, &view);
    } else {
        configs[0] = mirror_get(provider->mirror, provider->environment, provider->service, &view);
    }
    take_configs(provider, configs[0], configs[1], &view);
    mirror_config_unref(configs[0]);
    mirror_config_unref(configs[1]);
}

/* ---- The subscription, on the registry client's thread ---- */

static struct confreg_provider *provider_of(struct subscription *subscription)
{
    return CONTAINER_OF(subscription, struct confreg_provider, subscription);
}

static void take_adding(struct subscription *subscription)
{
    struct confreg_provider *provider = provider_of(subscription);
    if (provider->references_ttl_ms > 0) {
        read_again_later(provider);
    }
}

static void take_start(struct subscription *subscription, struct mirror *mirror)
{
    struct confreg_provider *provider = provider_of(subscription);
    provider->mirror = mirror;
    provider->is_dirty = true;
}

static void take_change(struct subscription *subscription, const struct mirror_change *change)
{
    provider_of(subscription)->is_dirty |= change->after != NULL;
}

static void expire(struct rpc_timer *timer)
{
    struct confreg_provider *provider = CONTAINER_OF(timer, struct confreg_provider, expiry);
    provider->expires = false;
    become(provider, CONFREG_STALE);
}

static void stop_expiry(struct confreg_provider *provider)
{
    if (provider->expires) {
        registry_client_clear_timer(provider->client->registry, &provider->expiry);
        provider->expires = false;
    }
}

/* The copy is not up to date: the values become stale after their time. */
static void start_expiry(struct confreg_provider *provider)
{
    if (!provider->expires && confreg_provider_state(provider) == CONFREG_READY) {
        provider->expires = true;
        registry_client_set_timer(provider->client->registry, &provider->expiry,
                                  clock_after_ms(provider->stale_after_ms));
    }
}

static void note_step(struct confreg_provider *provider, const struct mirror_view *view)
{
    pthread_mutex_lock(&provider->lock);
    provider->revision = view->revision;
    memcpy(provider->epoch, view->epoch, sizeof view->epoch);
    provider->failure.code = STATUS_OK;
    pthread_cond_broadcast(&provider->changed);
    pthread_mutex_unlock(&provider->lock);
    stop_expiry(provider);
    become(provider, CONFREG_READY);
}

/* A copy of another log than what a refresh has read may be of the log before a restore, until it
 * is in step. In the same log a node that lags has caught up in time; one that is behind for longer
 * has lost commits. */
static bool is_behind(struct confreg_provider *provider, const struct mirror_view *view)
{
    const struct provider_values *values = &provider->values;
    int64_t now_ns = clock_monotonic_ns();
    if (provider_values_are_of_another(values, view->epoch)) {
        return provider->is_refreshed && view->state != MIRROR_IN_STEP;
    }
    if (!provider_values_are_ahead(values, view->epoch, view->revision)) {
        provider->behind_since_ns = 0;
        return false;
    }
    if (provider->behind_since_ns == 0) {
        provider->behind_since_ns = now_ns;
    }
    return now_ns < provider->behind_since_ns + LAG_MS * INT64_C(1000000);
}

static void follow_copy(struct confreg_provider *provider, const struct mirror_view *view)
{
    struct provider_values *values = &provider->values;
    if (is_behind(provider, view)) {
        return;
    }
    if (provider->is_dirty || provider_values_are_of_another(values, view->epoch) ||
        provider_values_are_ahead(values, view->epoch, view->revision)) {
        provider->is_dirty = false;
        provider->is_refreshed = false;
        read_copy(provider);
    }
    provider_values_advance(values, view->revision);
}

static void take_view(struct subscription *subscription, const struct mirror_view *view)
{
    struct confreg_provider *provider = provider_of(subscription);
    follow_copy(provider, view);
    if (view->state == MIRROR_IN_STEP) {
        note_step(provider, view);
    } else if (confreg_provider_state(provider) == CONFREG_LOADING) {
        become(provider, CONFREG_STALE);
    } else {
        start_expiry(provider);
    }
}

static void take_failure(struct subscription *subscription, const struct status *st)
{
    struct confreg_provider *provider = provider_of(subscription);
    pthread_mutex_lock(&provider->lock);
    bool is_first = provider->failure.code == STATUS_OK;
    provider->failure = *st;
    provider->failure.n_violations = 0;
    pthread_mutex_unlock(&provider->lock);
    if (is_first) {
        log_problem(provider, "config_not_followed", st);
    }
}

static void take_end(struct subscription *subscription)
{
    struct confreg_provider *provider = provider_of(subscription);
    stop_expiry(provider);
    registry_client_clear_timer(provider->client->registry, &provider->reading_again);
    pthread_mutex_lock(&provider->lock);
    provider->has_ended = true;
    pthread_cond_broadcast(&provider->changed);
    release(provider);
}

static const struct subscription_ops ops = {take_adding, take_start,   take_change,
                                            take_view,   take_failure, take_end};

/* ---- The last-known file ---- */

static void note_file(void *user, const struct status *st)
{
    struct confreg_provider *provider = user;
    pthread_mutex_lock(&provider->lock);
    bool is_first = st != NULL && provider->file_failure.code == STATUS_OK;
    if (st != NULL) {
        provider->file_failure = *st;
    } else {
        provider->file_failure.code = STATUS_OK;
    }
    pthread_mutex_unlock(&provider->lock);
    if (is_first) {
        log_problem(provider, "last_known_good", st);
    }
}

/* Before anybody else knows the provider. */
static bool use_file(struct confreg_provider *provider, const char *path)
{
    const struct last_known_of of = {provider->environment, provider->service, provider->resolve};
    struct last_known known;
    struct status st;
    if (last_known_read(path, &of, &known, &st)) {
        const struct reading reading = {(const char *)known.data->data,
                                        known.data->len,
                                        known.version,
                                        0,
                                        known.revision,
                                        known.epoch};
        provider_values_take(&provider->values, &reading);
        buf_unref(known.data);
    } else if (st.code != STATUS_NOT_FOUND) {
        note_file(provider, &st);
    }
    provider->writer = file_writer_new(path, &of, note_file, provider);
    return provider->writer != NULL;
}

/* ---- Making and freeing ---- */

static bool check_options(const char *service, const char *environment,
                          const struct confreg_provider_options *options, struct status *st)
{
    return name_check(service == NULL ? "" : service, service == NULL ? 0 : strlen(service),
                      "service_name", st) &&
           name_check(environment, strlen(environment), "environment", st) &&
           (options->stale_after_ms >= 0 ||
            status_bad_field(st, "stale_after_ms", "STALE_AFTER_NEGATIVE",
                             "stale_after_ms is not negative")) &&
           (options->references_ttl_ms >= 0 ||
            status_bad_field(st, "references_ttl_ms", "REFERENCES_TTL_NEGATIVE",
                             "references_ttl_ms is not negative"));
}

static struct confreg_provider *create(struct confreg_client *client, const char *service,
                                       const char *environment,
                                       const struct confreg_provider_options *options)
{
    const struct mirror_selector selectors[] = {{environment, service, NULL},
                                                {BASE_ENVIRONMENT, service, NULL}};
    struct confreg_provider *provider = mem_zalloc(sizeof *provider);
    provider->client = client;
    provider->posted.run = run_posted;
    provider->expiry.fn = expire;
    provider->reading_again.fn = read_again;
    provider->environment = mem_string(environment);
    provider->service = mem_string(service);
    provider->resolve = options->resolve && strcmp(environment, BASE_ENVIRONMENT) != 0;
    provider->stale_after_ms =
        options->stale_after_ms == 0 ? STALE_AFTER_MS : options->stale_after_ms;
    if (options->references) {
        provider->references_ttl_ms =
            options->references_ttl_ms == 0 ? REFERENCES_TTL_MS : options->references_ttl_ms;
    }
    provider->on_state = options->on_state;
    provider->user = options->user;
    provider->refs = 1;
    subscription_init(&provider->subscription, &ops, selectors, provider->resolve ? 2 : 1);
    pthread_mutex_init(&provider->lock, NULL);
    pthread_cond_init(&provider->changed, NULL);
    const struct provider_values_options values = {
        .env_prefix = options->env_prefix,
        .references = options->references,
        .problem = log_problem,
        .user = provider,
    };
    provider_values_init(&provider->values, &values);
    return provider;
}

static bool subscribe(struct confreg_provider *provider)
{
    if (!client_enter(provider->client)) {
        return false;
    }
    provider->refs++;
    shared_watch_add(provider->client->watch, &provider->subscription);
    client_leave(provider->client);
    return true;
}

struct confreg_provider *confreg_provider_new(struct confreg_client *client, const char *service,
                                              const char *environment,
                                              const struct confreg_provider_options *options,
                                              struct confreg_error *error)
{
    struct confreg_provider_options own = CONFREG_PROVIDER_OPTIONS_INIT;
    struct status st;
    if (environment == NULL || environment[0] == '\0') {
        environment = BASE_ENVIRONMENT;
    }
    if (!options_read(options, &own, sizeof own, error) || !client_check(client, false, error)) {
        return NULL;
    }
    if (!check_options(service, environment, &own, &st)) {
        error_of(error, &st);
        return NULL;
    }
    struct confreg_provider *provider = create(client, service, environment, &own);
    bool has_file = own.last_known_good == NULL || use_file(provider, own.last_known_good);
    if (!has_file || !subscribe(provider)) {
        file_writer_free(provider->writer);
        pthread_mutex_lock(&provider->lock);
        release(provider);
        error_set(error, has_file ? STATUS_CANCELLED : STATUS_RESOURCE_EXHAUSTED,
                  has_file ? "CLIENT_FREED" : "NO_THREAD",
                  has_file ? "the client is being freed" : "the system gives no thread");
        return NULL;
    }
    return provider;
}

void confreg_provider_free(struct confreg_provider *provider)
{
    if (provider == NULL || !client_check(provider->client, false, NULL)) {
        return;
    }
    bool in_callback = callbacks_is_here(provider->client->callbacks);
    pthread_mutex_lock(&provider->lock);
    provider->is_closed = true;
    pthread_mutex_unlock(&provider->lock);
    shared_watch_remove(provider->client->watch, &provider->subscription);
    pthread_mutex_lock(&provider->lock);
    while (!provider->has_ended || (provider->calls && !in_callback)) {
        pthread_cond_wait(&provider->changed, &provider->lock);
    }
    pthread_mutex_unlock(&provider->lock);
    file_writer_free(provider->writer);
    pthread_mutex_lock(&provider->lock);
    release(provider);
}

/* ---- Waiting ---- */

/* Called with the lock held. Whether the provider is ready and its copy has reached a revision of a
 * log; epoch NULL: of any. */
static bool has_reached(const struct confreg_provider *provider, const char *epoch,
                        uint64_t revision)
{
    return provider->state != CONFREG_LOADING &&
           (epoch == NULL || strcmp(provider->epoch, epoch) == 0) && provider->revision >= revision;
}

/* Waits for that. False: the time has passed. */
static bool wait_for(struct confreg_provider *provider, const char *epoch, uint64_t revision,
                     int64_t at_ns)
{
    bool in_time = true;
    pthread_mutex_lock(&provider->lock);
    while (!has_reached(provider, epoch, revision) && in_time) {
        in_time = condition_wait_until(&provider->changed, &provider->lock, at_ns);
    }
    bool is_there = has_reached(provider, epoch, revision);
    pthread_mutex_unlock(&provider->lock);
    return is_there;
}

static struct status last_failure(struct confreg_provider *provider)
{
    pthread_mutex_lock(&provider->lock);
    struct status failure =
        provider->failure.code != STATUS_OK ? provider->failure : provider->file_failure;
    pthread_mutex_unlock(&provider->lock);
    return failure;
}

bool confreg_provider_wait_ready(struct confreg_provider *provider, int64_t timeout_ms,
                                 struct confreg_error *error)
{
    if (!client_check(provider->client, true, error)) {
        return false;
    }
    int64_t at_ns = clock_after_ms(timeout_ms);
    struct status failure;
    bool is_ready = wait_for(provider, NULL, 0, at_ns);
    failure = last_failure(provider);
    return is_ready || mirrored_not_ready(&failure, error);
}

enum confreg_state confreg_provider_state(struct confreg_provider *provider)
{
    pthread_mutex_lock(&provider->lock);
    enum confreg_state state = provider->state;
    pthread_mutex_unlock(&provider->lock);
    return state;
}

bool confreg_provider_last_error(struct confreg_provider *provider, struct confreg_error *ret_error)
{
    struct status failure = last_failure(provider);
    if (failure.code != STATUS_OK) {
        error_of(ret_error, &failure);
    }
    return failure.code != STATUS_OK;
}

/* ---- Getters ---- */

struct confreg_snapshot *confreg_provider_snapshot(struct confreg_provider *provider)
{
    struct published_reader *reader;
    struct confreg_snapshot *snapshot = published_enter(&provider->values.snapshots, &reader);
    atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    published_leave(reader);
    return snapshot;
}

#define GETTER(type, name)                                                                         \
    type confreg_provider_get_##name(struct confreg_provider *provider, const char *path,          \
                                     type fallback)                                                \
    {                                                                                              \
        struct published_reader *reader;                                                           \
        const struct confreg_snapshot *snapshot =                                                  \
            published_enter(&provider->values.snapshots, &reader);                                 \
        type found = setting_to_##name(snapshot_find(snapshot, path), fallback);                   \
        published_leave(reader);                                                                   \
        return found;                                                                              \
    }
GETTER(bool, bool)
GETTER(int64_t, int64)
GETTER(double, double)
GETTER(int64_t, duration_ms)
GETTER(int64_t, size)

/* Copies as much as there is room for, and a NUL. Returns n. */
static size_t copy_out(const char *text, size_t n, char *buffer, size_t size)
{
    if (size > 0) {
        size_t n_copied = n < size ? n : size - 1;
        memcpy(buffer, text, n_copied);
        buffer[n_copied] = '\0';
    }
    return n;
}

size_t confreg_provider_get_string(struct confreg_provider *provider, const char *path,
                                   const char *fallback, char *buffer, size_t size)
{
    struct published_reader *reader;
    const struct confreg_snapshot *snapshot = published_enter(&provider->values.snapshots, &reader);
    size_t n;
    const char *text = snapshot_string(snapshot, path, fallback, &n);
    copy_out(text, n, buffer, size);
    published_leave(reader);
    return n;
}

size_t confreg_provider_get_json(struct confreg_provider *provider, const char *path,
                                 const char *fallback, char *buffer, size_t size)
{
    struct published_reader *reader;
    const struct confreg_snapshot *snapshot = published_enter(&provider->values.snapshots, &reader);
    size_t n;
    const char *text = confreg_snapshot_get_json(snapshot, path, &n);
    if (text == NULL) {
        text = fallback == NULL ? "" : fallback;
        n = strlen(text);
    }
    copy_out(text, n, buffer, size);
    published_leave(reader);
    return n;
}

/* ---- Refreshing ---- */

struct refresh {
    struct rpc_task task;
    struct confreg_provider *provider;
    int64_t deadline_ns;
    char seen_epoch[MIRROR_EPOCH_SIZE];       /* of the values when it began */
    Confreg__V1__GetConfigResponse *response; /* owned; NULL: there is no config */
    /* The log; the config was read at one of these revisions: there is no answer with an exact one
     * for a config that does not exist. */
    char epoch[MIRROR_EPOCH_SIZE];
    uint64_t at_least, at_most;
    bool is_done;
};

static uint64_t newest_source(const Confreg__V1__GetConfigResponse *response)
{
    uint64_t newest = response->config->mod_revision;
    for (size_t i = 0; i < response->n_sources; i++) {
        uint64_t revision = response->sources[i]->mod_revision;
        newest = revision > newest ? revision : newest;
    }
    return newest;
}

static struct reading reading_of(const struct refresh *refresh)
{
    const Confreg__V1__GetConfigResponse *response = refresh->response;
    struct reading reading = {.revision = refresh->at_most, .epoch = refresh->epoch};
    if (response != NULL) {
        const Confreg__V1__Config *config = response->config;
        bool whole = config->payload_state == CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_UNSPECIFIED;
        reading.data = whole ? (const char *)config->config_data.data : NULL;
        reading.n_data = config->config_data.len;
        reading.version = config->version;
        reading.mod_revision = newest_source(response);
    }
    return reading;
}

/* The copy may have brought newer values while the answer was on its way. */
static bool is_outdated(const struct refresh *refresh)
{
    const struct provider_values *values = &refresh->provider->values;
    return provider_values_are_of_another(values, refresh->epoch)
               ? provider_values_are_of_another(values, refresh->seen_epoch)
               : provider_values_are_ahead(values, refresh->epoch, refresh->at_least);
}

/* On the registry client's thread. */
static void take_refresh(struct rpc_task *task)
{
    struct refresh *refresh = CONTAINER_OF(task, struct refresh, task);
    struct confreg_provider *provider = refresh->provider;
    if (!is_outdated(refresh)) {
        const struct reading reading = reading_of(refresh);
        take_reading(provider, &reading);
        provider->is_refreshed = true;
        provider->is_dirty = true;
    }
    pthread_mutex_lock(&provider->lock);
    refresh->is_done = true;
    pthread_cond_broadcast(&provider->changed);
    pthread_mutex_unlock(&provider->lock);
}

static int64_t left_ms(const struct refresh *refresh)
{
    int64_t left = (refresh->deadline_ns - clock_monotonic_ns()) / 1000000;
    return left < 1 ? 1 : left;
}

/* Which revision the registry has now. */
static bool look_at_log(struct refresh *refresh, uint64_t *ret_revision,
                        struct confreg_error *error)
{
    Confreg__V1__GetStatusResponse *response = (Confreg__V1__GetStatusResponse *)call_wait(
        refresh->provider->client, REGISTRY_GET_STATUS,
        message_new(&confreg__v1__get_status_request__descriptor), left_ms(refresh), error);
    if (response == NULL) {
        return false;
    }
    *ret_revision = 0;
    if (response->header != NULL) {
        *ret_revision = response->header->revision;
        snprintf(refresh->epoch, sizeof refresh->epoch, "%s", response->header->epoch);
    }
    message_free(&response->base);
    return true;
}

static bool note_config(struct refresh *refresh, Confreg__V1__GetConfigResponse *response,
                        struct confreg_error *error)
{
    if (response->config == NULL || response->header == NULL) {
        message_free(&response->base);
        return error_set(error, STATUS_INTERNAL, "MALFORMED_MESSAGE", "the response has no config");
    }
    refresh->response = response;
    snprintf(refresh->epoch, sizeof refresh->epoch, "%s", response->header->epoch);
    refresh->at_least = refresh->at_most = response->header->revision;
    return true;
}

static bool read_config(struct refresh *refresh, struct confreg_error *error);

static bool note_absence(struct refresh *refresh, struct confreg_error *error)
{
    char epoch[MIRROR_EPOCH_SIZE];
    memcpy(epoch, refresh->epoch, sizeof epoch);
    if (!look_at_log(refresh, &refresh->at_most, error)) {
        return false;
    }
    bool is_same = strcmp(epoch, refresh->epoch) == 0;
    refresh->at_least = is_same ? refresh->at_least : refresh->at_most;
    return is_same || read_config(refresh, error); /* it was read from the log of a moment ago */
}

/* Reads the config itself, as the watch does not bring it. */
static bool read_config(struct refresh *refresh, struct confreg_error *error)
{
    struct confreg_provider *provider = refresh->provider;
    ProtobufCMessage *request = message_new(&confreg__v1__get_config_request__descriptor);
    struct confreg_error own;
    message_set_text(request, "environment", provider->environment);
    message_set_text(request, "service_name", provider->service);
    message_set_bool(request, "resolve", provider->resolve);
    Confreg__V1__GetConfigResponse *response = (Confreg__V1__GetConfigResponse *)call_wait(
        provider->client, REGISTRY_GET_CONFIG, request, left_ms(refresh), &own);
    if (response != NULL) {
        return note_config(refresh, response, error);
    }
    if (own.code == CONFREG_NOT_FOUND) {
        return note_absence(refresh, error);
    }
    if (error != NULL) {
        *error = own;
    }
    return false;
}

/* Hands what was read over to the registry client's thread, and waits for it. */
static bool hand_over(struct refresh *refresh, struct confreg_error *error)
{
    struct confreg_provider *provider = refresh->provider;
    bool is_open = client_enter(provider->client);
    if (is_open) {
        registry_client_post(provider->client->registry, &refresh->task);
        pthread_mutex_lock(&provider->lock);
        while (!refresh->is_done) {
            pthread_cond_wait(&provider->changed, &provider->lock);
        }
        pthread_mutex_unlock(&provider->lock);
        client_leave(provider->client);
    }
    if (refresh->response != NULL) {
        message_free(&refresh->response->base);
    }
    return is_open ||
           error_set(error, STATUS_CANCELLED, "CLIENT_FREED", "the client is being freed");
}

/* Whether the watch brings the values in time. */
static bool wait_for_watch(const struct refresh *refresh)
{
    struct confreg_provider *provider = refresh->provider;
    int64_t at_ns = clock_after_ms(WATCH_WAIT_MS);
    if (confreg_provider_state(provider) != CONFREG_READY) {
        return false;
    }
    mirror_ask_progress(provider->mirror);
    return wait_for(provider, refresh->epoch, refresh->at_least,
                    at_ns < refresh->deadline_ns ? at_ns : refresh->deadline_ns);
}

bool confreg_provider_refresh(struct confreg_provider *provider, int64_t timeout_ms,
                              struct confreg_error *error)
{
    int64_t wait_ms = timeout_ms <= 0 ? provider->client->timeout_ms : timeout_ms;
    struct refresh refresh = {
        .task.fn = take_refresh, .provider = provider, .deadline_ns = clock_after_ms(wait_ms)};
    struct published_reader *reader;
    const struct confreg_snapshot *now = published_enter(&provider->values.snapshots, &reader);
    memcpy(refresh.seen_epoch, now->epoch, sizeof refresh.seen_epoch);
    published_leave(reader);
    return look_at_log(&refresh, &refresh.at_least, error) &&
           (wait_for_watch(&refresh) ||
            (read_config(&refresh, error) && hand_over(&refresh, error)));
}
