/* Providers. The thread of the registry client makes a snapshot of each state of the config and
 * publishes it; getters read it without a lock. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "client.h"
#include "clock.h"
#include "coercion.h"
#include "condition.h"
#include "error.h"
#include "file_writer.h"
#include "message.h"
#include "mirrored.h"
#include "options_size.h"
#include "published.h"
#include "references.h"
#include "shared_watch.h"
#include "snapshot.h"
#include "utf8.h"

#define STALE_AFTER_MS INT64_C(60000)
#define WATCH_WAIT_MS 1000 /* how long a refresh waits for the watch before it reads the config */
#define BASE_ENVIRONMENT "default" /* what configs are resolved over */

struct confreg_provider {
    struct published values; /* snapshots; set by the registry client's thread */
    struct confreg_client *client;
    struct subscription subscription;
    struct callback posted;
    char *environment, *service; /* owned */
    bool resolve;
    int64_t stale_after_ms;
    confreg_state_callback *on_state; /* NULL: nobody hears */
    void *user;
    struct settings *variables; /* of the environment; NULL: they do not count */
    struct settings *referable; /* the whole environment; NULL: references are not replaced */
    struct file_writer *writer; /* NULL: there is no file */

    /* Only the registry client's thread. */
    struct mirror *mirror;
    bool is_dirty; /* the config has changed since it was published */
    struct rpc_timer expiry;
    bool expires; /* the timer is set */
    /* A refresh has read values that are newer than the copy until that reaches this revision. */
    uint64_t floor;
    char floor_epoch[MIRROR_EPOCH_SIZE];

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

static void unref_snapshot(void *object)
{
    confreg_snapshot_unref(object);
}

/* Called with the lock held, which it gives back. */
static void release(struct confreg_provider *provider)
{
    bool is_last = --provider->refs == 0;
    pthread_mutex_unlock(&provider->lock);
    if (is_last) {
        published_fini(&provider->values);
        subscription_fini(&provider->subscription);
        settings_unref(provider->variables);
        settings_unref(provider->referable);
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

static void log_problem(const struct confreg_provider *provider, const char *event,
                        const struct status *st)
{
    log_event_to(&provider->client->sink, LOG_WARNING, event, "environment", provider->environment,
                 "service", provider->service, "message", st->message, NULL);
}

/* ---- Publishing, on the registry client's thread ---- */

/* A state of the config. */
struct reading {
    const char *data; /* NULL: there is none */
    size_t n_data;
    uint64_t version, mod_revision, revision;
    const char *epoch;
};

static void log_left_out(void *user, const struct status *st)
{
    log_problem(user, "config_reference", st);
}

/* Moves what its references stand for into *settings. */
static bool replace_references(struct confreg_provider *provider, struct settings **settings,
                               struct status *st)
{
    const struct references references = {provider->referable, log_left_out, provider};
    if (provider->referable == NULL || !references_may_be_in(*settings)) {
        return true;
    }
    AUTO_SECRET text = {0};
    struct settings *written = *settings;
    references_replace(&references, written, &text);
    bool ok = settings_parse(text.data, text.len, settings, st);
    settings_unref(written);
    return ok;
}

static bool publish(struct confreg_provider *provider, const struct reading *reading)
{
    struct settings *settings = NULL;
    struct status st;
    bool has_data = reading->data != NULL;
    if (!settings_parse(has_data ? reading->data : "{}", has_data ? reading->n_data : 2, &settings,
                        &st) ||
        !replace_references(provider, &settings, &st)) {
        log_problem(provider, "config_damaged", &st);
        return false;
    }
    struct confreg_snapshot *snapshot = snapshot_new(settings, provider->variables);
    snapshot->version = has_data ? reading->version : 0;
    snapshot->revision = reading->mod_revision;
    snprintf(snapshot->epoch, sizeof snapshot->epoch, "%s", reading->epoch);
    published_set(&provider->values, snapshot);
    return true;
}

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
    if (publish(provider, reading)) {
        keep_in_file(provider, reading);
    }
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

/* A copy of another log is behind until it is in step: it may be of the log before a restore. */
static bool is_behind(struct confreg_provider *provider, const struct mirror_view *view)
{
    bool is_other = strcmp(view->epoch, provider->floor_epoch) != 0;
    if (is_other ? view->state == MIRROR_IN_STEP : view->revision >= provider->floor) {
        provider->floor = 0;
    }
    return provider->floor != 0;
}

static void take_view(struct subscription *subscription, const struct mirror_view *view)
{
    struct confreg_provider *provider = provider_of(subscription);
    if (provider->is_dirty && !is_behind(provider, view)) {
        provider->is_dirty = false;
        read_copy(provider);
    }
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
    pthread_mutex_lock(&provider->lock);
    provider->has_ended = true;
    pthread_cond_broadcast(&provider->changed);
    release(provider);
}

static const struct subscription_ops ops = {take_start, take_change, take_view, take_failure,
                                            take_end};

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
        publish(provider, &reading);
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
                             "stale_after_ms is not negative"));
}

static struct confreg_provider *create(struct confreg_client *client, const char *service,
                                       const char *environment,
                                       const struct confreg_provider_options *options)
{
    const struct mirror_selector selectors[] = {{environment, service, NULL},
                                                {BASE_ENVIRONMENT, service, NULL}};
    static const struct reading nothing = {.epoch = ""};
    struct confreg_provider *provider = mem_zalloc(sizeof *provider);
    published_init(&provider->values, unref_snapshot);
    provider->client = client;
    provider->posted.run = run_posted;
    provider->expiry.fn = expire;
    provider->environment = mem_string(environment);
    provider->service = mem_string(service);
    provider->resolve = options->resolve && strcmp(environment, BASE_ENVIRONMENT) != 0;
    provider->stale_after_ms =
        options->stale_after_ms == 0 ? STALE_AFTER_MS : options->stale_after_ms;
    provider->on_state = options->on_state;
    provider->user = options->user;
    provider->refs = 1;
    if (options->env_prefix != NULL) {
        provider->variables = snapshot_read_environment(options->env_prefix);
    }
    if (options->references) {
        provider->referable = snapshot_read_environment("");
    }
    subscription_init(&provider->subscription, &ops, selectors, provider->resolve ? 2 : 1);
    pthread_mutex_init(&provider->lock, NULL);
    pthread_cond_init(&provider->changed, NULL);
    publish(provider, &nothing);
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
    struct confreg_snapshot *snapshot = published_enter(&provider->values, &reader);
    atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    published_leave(reader);
    return snapshot;
}

#define GETTER(type, name)                                                                         \
    type confreg_provider_get_##name(struct confreg_provider *provider, const char *path,          \
                                     type fallback)                                                \
    {                                                                                              \
        struct published_reader *reader;                                                           \
        const struct confreg_snapshot *snapshot = published_enter(&provider->values, &reader);     \
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
    const struct confreg_snapshot *snapshot = published_enter(&provider->values, &reader);
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
    const struct confreg_snapshot *snapshot = published_enter(&provider->values, &reader);
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
    const struct confreg_config *config; /* NULL: there is none */
    uint64_t revision;                   /* of the registry before it was read */
    char epoch[MIRROR_EPOCH_SIZE];
    bool is_done;
};

/* On the registry client's thread. */
static void take_refresh(struct rpc_task *task)
{
    struct refresh *refresh = CONTAINER_OF(task, struct refresh, task);
    struct confreg_provider *provider = refresh->provider;
    const struct confreg_config *config = refresh->config;
    struct reading reading = {.revision = refresh->revision, .epoch = refresh->epoch};
    if (config != NULL) {
        reading.data = confreg_config_data(config);
        reading.n_data = confreg_config_data_len(config);
        reading.version = confreg_config_version(config);
        reading.mod_revision = confreg_config_mod_revision(config);
    }
    take_reading(provider, &reading);
    provider->floor = refresh->revision;
    memcpy(provider->floor_epoch, refresh->epoch, sizeof refresh->epoch);
    provider->is_dirty = true;
    pthread_mutex_lock(&provider->lock);
    refresh->is_done = true;
    pthread_cond_broadcast(&provider->changed);
    pthread_mutex_unlock(&provider->lock);
}

/* Reads the config itself, as the watch does not bring it. */
static bool read_config(struct confreg_provider *provider, struct refresh *refresh,
                        int64_t timeout_ms, struct confreg_error *error)
{
    struct confreg_get_options options = CONFREG_GET_OPTIONS_INIT;
    struct confreg_error own;
    options.timeout_ms = timeout_ms;
    options.resolve = provider->resolve;
    refresh->config =
        confreg_get(provider->client, provider->environment, provider->service, &options, &own);
    if (refresh->config == NULL && own.code != CONFREG_NOT_FOUND) {
        if (error != NULL) {
            *error = own;
        }
        return false;
    }
    if (!client_enter(provider->client)) {
        confreg_config_unref(refresh->config);
        return error_set(error, STATUS_CANCELLED, "CLIENT_FREED", "the client is being freed");
    }
    registry_client_post(provider->client->registry, &refresh->task);
    pthread_mutex_lock(&provider->lock);
    while (!refresh->is_done) {
        pthread_cond_wait(&provider->changed, &provider->lock);
    }
    pthread_mutex_unlock(&provider->lock);
    client_leave(provider->client);
    confreg_config_unref(refresh->config);
    return true;
}

bool confreg_provider_refresh(struct confreg_provider *provider, int64_t timeout_ms,
                              struct confreg_error *error)
{
    struct confreg_client *client = provider->client;
    int64_t wait_ms = timeout_ms == 0 ? client->timeout_ms : timeout_ms;
    int64_t at_ns = clock_after_ms(wait_ms < WATCH_WAIT_MS ? wait_ms : WATCH_WAIT_MS);
    struct refresh refresh = {.task.fn = take_refresh, .provider = provider};
    Confreg__V1__GetStatusResponse *response = (Confreg__V1__GetStatusResponse *)call_wait(
        client, REGISTRY_GET_STATUS, message_new(&confreg__v1__get_status_request__descriptor),
        timeout_ms, error);
    if (response == NULL) {
        return false;
    }
    if (response->header != NULL) {
        refresh.revision = response->header->revision;
        snprintf(refresh.epoch, sizeof refresh.epoch, "%s", response->header->epoch);
    }
    message_free(&response->base);
    if (confreg_provider_state(provider) == CONFREG_READY) {
        mirror_ask_progress(provider->mirror);
        return wait_for(provider, refresh.epoch, refresh.revision, at_ns) ||
               read_config(provider, &refresh, timeout_ms, error);
    }
    return read_config(provider, &refresh, timeout_ms, error);
}
