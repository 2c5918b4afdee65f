#include "client.h"

#include <stdio.h>
#include <string.h>

#include "address.h"
#include "client_call.h"
#include "error.h"
#include "forks.h"
#include "mem.h"
#include "options_size.h"
#include "shared_watch.h"

#define TIMEOUT_MS 10000
#define LOG_LINES_MAX 256

int confreg_version(void)
{
    return CONFREG_VERSION_NUMBER;
}

const char *confreg_version_text(void)
{
    return CONFREG_VERSION;
}

void confreg_text_free(struct confreg_text *text)
{
    if (text != NULL) {
        free(text->data);
        *text = (struct confreg_text){NULL, 0};
    }
}

/* ---- The log ---- */

struct log_line {
    struct callback callback;
    struct confreg_client *client;
    enum log_level level;
    char text[];
};

static void tell_line(struct callback *callback)
{
    struct log_line *line = CONTAINER_OF(callback, struct log_line, callback);
    atomic_fetch_sub(&line->client->n_log_lines, 1);
    line->client->log(line->client->log_user, (enum confreg_log_level)line->level, line->text);
    free(line);
}

static void take_line(void *user, enum log_level level, const char *text)
{
    struct confreg_client *client = user;
    if (client->log == NULL) {
        return;
    }
    if (atomic_fetch_add(&client->n_log_lines, 1) >= LOG_LINES_MAX) {
        atomic_fetch_sub(&client->n_log_lines, 1);
        return;
    }
    size_t size = strlen(text) + 1;
    struct log_line *line = mem_alloc(sizeof *line + size);
    *line = (struct log_line){.callback.run = tell_line, .client = client, .level = level};
    memcpy(line->text, text, size);
    callbacks_post(client->callbacks, &line->callback);
}

/* ---- Making ---- */

static bool has_tls(const struct confreg_client_options *options)
{
    return options->tls || options->ca_file != NULL || options->cert_file != NULL;
}

/* An address that is none is refused later. */
static bool check_clear(const struct confreg_client_options *options, struct status *st)
{
    if (options->token_file == NULL || options->token_in_clear || has_tls(options)) {
        return true;
    }
    for (size_t i = 0; i < options->n_addresses; i++) {
        struct address address;
        struct status ignored;
        if (address_parse(options->addresses[i], ADDRESS_TO_CONNECT, &address, &ignored) &&
            !address_is_local(&address)) {
            return status_bad_field(st, "token_file", "TOKEN_IN_CLEAR",
                                    "without TLS the token would cross the network to %s in the "
                                    "clear: use TLS, or token_in_clear",
                                    options->addresses[i]);
        }
    }
    return true;
}

static bool check_options(const struct confreg_client_options *options, struct status *st)
{
    if (options->addresses == NULL || options->n_addresses == 0) {
        return status_bad_field(st, "addresses", "ADDRESS_MISSING", "a client needs an address");
    }
    for (size_t i = 0; i < options->n_addresses; i++) {
        if (options->addresses[i] == NULL) {
            return status_bad_field(st, "addresses", "ADDRESS_MISSING", "an address is NULL");
        }
    }
    if ((options->cert_file == NULL) != (options->key_file == NULL)) {
        return status_bad_field(st, options->cert_file == NULL ? "cert_file" : "key_file",
                                "TLS_SETTINGS", "cert_file and key_file go together");
    }
    if (options->timeout_ms < 0) {
        return status_bad_field(st, "timeout_ms", "TIMEOUT_NEGATIVE", "a timeout is not negative");
    }
    return check_clear(options, st);
}

static bool connect_to(struct confreg_client *client, const struct confreg_client_options *options,
                       struct status *st)
{
    static const struct pem_names names = {"ca_file", "cert_file", "key_file"};
    const struct tls_client_settings tls = {options->ca_file, options->cert_file, options->key_file,
                                            options->server_name, &names};
    const struct registry_client_options registry = {
        .addresses = options->addresses,
        .n_addresses = options->n_addresses,
        .tls = has_tls(options) ? &tls : NULL,
        .token_file = options->token_file,
        .token_name = "token_file",
        .log = &client->sink,
        .max_watch_bytes = options->max_watch_bytes,
        .max_watch_name = "max_watch_bytes",
    };
    return registry_client_new(&registry, &client->registry, st);
}

static void destroy(void *user)
{
    struct confreg_client *client = user;
    shared_watch_free(client->watch);
    pthread_cond_destroy(&client->quiet);
    pthread_mutex_destroy(&client->lock);
    free(client->author);
    free(client);
}

static struct confreg_client *create(const struct confreg_client_options *options)
{
    struct confreg_client *client = mem_zalloc(sizeof *client);
    client->timeout_ms = options->timeout_ms == 0 ? TIMEOUT_MS : options->timeout_ms;
    client->author = options->author == NULL ? NULL : mem_string(options->author);
    client->sink = (struct log_sink){take_line, client};
    client->log = options->log;
    client->log_user = options->log_user;
    LIST_INIT(&client->pauses);
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->quiet, NULL);
    return client;
}

static bool start(struct confreg_client *client, const struct confreg_client_options *options,
                  struct status *st)
{
    client->callbacks = callbacks_new();
    if (client->callbacks == NULL) {
        return status_set(st, STATUS_RESOURCE_EXHAUSTED, "NO_THREAD", "the system gives no thread");
    }
    if (!connect_to(client, options, st)) {
        callbacks_free(client->callbacks);
        return false;
    }
    client->watch = shared_watch_new(client->registry);
    return true;
}

struct confreg_client *confreg_client_new(const struct confreg_client_options *options,
                                          struct confreg_error *error)
{
    struct confreg_client_options own = CONFREG_CLIENT_OPTIONS_INIT;
    struct status st;
    if (!options_read(options, &own, sizeof own, error)) {
        return NULL;
    }
    if (!forks_enter()) {
        error_set(error, STATUS_FAILED_PRECONDITION, "FORKED",
                  "a child of a process with clients cannot make one");
        return NULL;
    }
    if (!check_options(&own, &st)) {
        error_of(error, &st);
        return NULL;
    }
    struct confreg_client *client = create(&own);
    if (!start(client, &own, &st)) {
        error_of(error, &st);
        destroy(client);
        return NULL;
    }
    return client;
}

/* ---- Using ---- */

bool client_check(const struct confreg_client *client, bool blocks, struct confreg_error *error)
{
    if (forks_is_child()) {
        return error_set(error, STATUS_FAILED_PRECONDITION, "FORKED",
                         "the client is of the parent process");
    }
    if (blocks && callbacks_is_here(client->callbacks)) {
        return error_set(error, STATUS_FAILED_PRECONDITION, "IN_CALLBACK",
                         "a callback must not wait for its client");
    }
    return true;
}

bool client_enter(struct confreg_client *client)
{
    pthread_mutex_lock(&client->lock);
    bool open = !atomic_load(&client->closing);
    client->n_starting += open;
    pthread_mutex_unlock(&client->lock);
    return open;
}

void client_leave(struct confreg_client *client)
{
    pthread_mutex_lock(&client->lock);
    if (--client->n_starting == 0) {
        pthread_cond_broadcast(&client->quiet);
    }
    pthread_mutex_unlock(&client->lock);
}

/* ---- Freeing ---- */

static void refuse_starts(struct confreg_client *client)
{
    pthread_mutex_lock(&client->lock);
    atomic_store(&client->closing, true);
    while (client->n_starting > 0) {
        pthread_cond_wait(&client->quiet, &client->lock);
    }
    pthread_mutex_unlock(&client->lock);
}

/* Ends all calls. What they have to tell is then posted. */
static void close_client(void *user)
{
    struct confreg_client *client = user;
    refuse_starts(client);
    calls_end_pauses(client);
    shared_watch_close(client->watch);
    registry_client_free(client->registry);
}

void confreg_client_free(struct confreg_client *client)
{
    if (client == NULL || forks_is_child()) {
        return; /* the child has none of the client's threads */
    }
    if (callbacks_is_here(client->callbacks)) {
        callbacks_free_here(client->callbacks, close_client, destroy, client);
        return;
    }
    close_client(client);
    callbacks_free(client->callbacks);
    destroy(client);
}
