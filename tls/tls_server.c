#include "tls_server.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "file_watch.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "tls_context.h"
#include "tls_inside.h"

struct tls_server {
    atomic_uint refs;             /* its owner's, and one of each session */
    struct tls_settings settings; /* owns its paths */
    struct file_watch *watch;

    pthread_mutex_t lock; /* of the next five */
    struct tls_context context;
    uint64_t reading;                  /* how often files were read with success */
    int64_t loaded_s;                  /* when they were last, seconds since 1970 */
    bool in_force;                     /* the newest files are */
    LIST_HEAD(, tls_session) sessions; /* with a client certificate */

    struct metric established, failed_readings, ended, failures[TLS_FAILURES];

    pthread_mutex_t log_lock;
    struct log_limit limit;
};

bool tls_client_auth_parse(const char *text, enum tls_client_auth *ret_auth)
{
    static const char *const words[] = {
        [TLS_CLIENT_AUTH_NONE] = "none",
        [TLS_CLIENT_AUTH_REQUEST] = "request",
        [TLS_CLIENT_AUTH_REQUIRE] = "require",
    };
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_auth = (enum tls_client_auth)i;
            return true;
        }
    }
    return false;
}

/* ---- Reading the files ---- */

static void describe_end(int64_t end_s, char text[32])
{
    time_t end = (time_t)end_s;
    struct tm parts;
    gmtime_r(&end, &parts);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static void tell_loaded(const struct tls_context *context)
{
    char end[32];
    describe_end(context->cert_end_s, end);
    log_event(context->cert_end_s < clock_wall_us() / 1000000 ? LOG_WARNING : LOG_INFO,
              "tls_loaded", "expires", end, NULL);
    if (context->key_is_open) {
        log_event(LOG_WARNING, "tls_key_is_open", "message",
                  "everybody on this machine may read the file of --tls-key: chmod o= it", NULL);
    }
}

static void put_in_force(struct tls_server *server, const struct tls_context *context)
{
    pthread_mutex_lock(&server->lock);
    SSL_CTX *before = server->context.core;
    server->context = *context;
    server->reading++;
    server->loaded_s = clock_wall_us() / 1000000;
    server->in_force = true;
    pthread_mutex_unlock(&server->lock);
    SSL_CTX_free(before);
    tell_loaded(context);
}

static void read_again(void *user)
{
    struct tls_server *server = user;
    struct tls_context context;
    struct status st;
    if (tls_context_load(&server->settings, &context, &st)) {
        put_in_force(server, &context);
        return;
    }
    metric_add(&server->failed_readings, 1);
    pthread_mutex_lock(&server->lock);
    server->in_force = false;
    pthread_mutex_unlock(&server->lock);
    log_event(LOG_ERROR, "tls_reload_failed", "message", st.message, "effect",
              "the files that were read before stay in force", NULL);
}

/* ---- Clients that are no longer believed ---- */

struct doubted_sessions {
    struct tls_session **items; /* with a reference each */
    size_t n;
};

/* Sessions whose certificates have expired, or which other files have let in. */
static struct doubted_sessions take_suspects(struct tls_server *server, int64_t now_s)
{
    struct doubted_sessions suspects = {.n = 0};
    struct tls_session *session;
    size_t n = 0;
    pthread_mutex_lock(&server->lock);
    LIST_FOREACH(session, &server->sessions, all)
    {
        n += session->end_s < now_s || session->reading != server->reading;
    }
    suspects.items = mem_array(n + 1, sizeof suspects.items[0]);
    LIST_FOREACH(session, &server->sessions, all)
    {
        if (session->end_s < now_s || session->reading != server->reading) {
            atomic_fetch_add(&session->refs, 1);
            suspects.items[suspects.n++] = session;
        }
    }
    pthread_mutex_unlock(&server->lock);
    return suspects;
}

static void check_clients(void *user)
{
    struct tls_server *server = user;
    int64_t now_s = clock_wall_us() / 1000000;
    struct doubted_sessions suspects = take_suspects(server, now_s);
    uint64_t reading = 0;
    SSL_CTX *core = tls_server_context(server, &reading);
    for (size_t i = 0; i < suspects.n; i++) {
        struct tls_session *session = suspects.items[i];
        if (session->end_s < now_s || !tls_session_verify(session, core)) {
            metric_add(&server->ended, 1);
            log_event(LOG_WARNING, "tls_client_ended", "client", session->name, "message",
                      "its certificate has expired, was revoked or is no longer trusted", NULL);
            session->end_s = INT64_MAX;
            tls_session_cut(session);
        }
        session->reading = reading;
        tls_session_unref(session);
    }
    SSL_CTX_free(core);
    free(suspects.items);
}

/* ---- Life ---- */

static bool check_settings(const struct tls_settings *settings, struct status *st)
{
    const char *wrong = NULL;
    if (settings->cert == NULL || settings->key == NULL) {
        wrong = "--tls-cert and --tls-key are given together";
    } else if ((settings->client_auth != TLS_CLIENT_AUTH_NONE) != (settings->client_ca != NULL)) {
        wrong = "--tls-client-auth request or require and --tls-client-ca are given together";
    } else if (settings->crl != NULL && settings->client_ca == NULL) {
        wrong = "--tls-crl needs --tls-client-ca";
    }
    return wrong == NULL || status_set(st, STATUS_INVALID_ARGUMENT, "TLS_SETTINGS", "%s", wrong);
}

static const char *copy(const char *path)
{
    return path == NULL ? NULL : mem_string(path);
}

bool tls_server_new(const struct tls_settings *settings, struct tls_server **ret_server,
                    struct status *st)
{
    struct tls_context context;
    if (!check_settings(settings, st) || !tls_context_load(settings, &context, st)) {
        return false;
    }
    struct tls_server *server = mem_zalloc(sizeof *server);
    atomic_init(&server->refs, 1);
    server->settings = *settings;
    server->settings.cert = copy(settings->cert);
    server->settings.key = copy(settings->key);
    server->settings.client_ca = copy(settings->client_ca);
    server->settings.crl = copy(settings->crl);
    pthread_mutex_init(&server->lock, NULL);
    pthread_mutex_init(&server->log_lock, NULL);
    put_in_force(server, &context);
    const struct file_watch_options options = {
        .paths = {settings->cert, settings->key, settings->client_ca, settings->crl},
        .changed = read_again,
        .tick = check_clients,
        .user = server,
    };
    server->watch = file_watch_start(&options);
    *ret_server = server;
    return true;
}

void tls_server_unref(struct tls_server *server)
{
    if (atomic_fetch_sub(&server->refs, 1) > 1) {
        return;
    }
    assert(LIST_EMPTY(&server->sessions) && "a session that is enlisted has a reference");
    SSL_CTX_free(server->context.core);
    const struct tls_settings *settings = &server->settings;
    const char *const paths[] = {settings->cert, settings->key, settings->client_ca, settings->crl};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        free((char *)(uintptr_t)paths[i]);
    }
    pthread_mutex_destroy(&server->log_lock);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

struct tls_server *tls_server_ref(struct tls_server *server)
{
    atomic_fetch_add(&server->refs, 1);
    return server;
}

void tls_server_free(struct tls_server *server)
{
    if (server != NULL) {
        file_watch_stop(server->watch);
        tls_server_unref(server);
    }
}

void tls_server_reload(struct tls_server *server)
{
    file_watch_poke(server->watch);
}

/* ---- Sessions ---- */

SSL_CTX *tls_server_context(struct tls_server *server, uint64_t *ret_reading)
{
    pthread_mutex_lock(&server->lock);
    SSL_CTX *core = server->context.core;
    SSL_CTX_up_ref(core);
    *ret_reading = server->reading;
    pthread_mutex_unlock(&server->lock);
    return core;
}

void tls_server_enlist(struct tls_server *server, struct tls_session *session)
{
    session->enlisted = true;
    pthread_mutex_lock(&server->lock);
    LIST_INSERT_HEAD(&server->sessions, session, all);
    pthread_mutex_unlock(&server->lock);
}

void tls_server_unlist(struct tls_server *server, struct tls_session *session)
{
    pthread_mutex_lock(&server->lock);
    LIST_REMOVE(session, all);
    pthread_mutex_unlock(&server->lock);
}

void tls_server_established(struct tls_server *server)
{
    metric_add(&server->established, 1);
}

/* ---- Failures and metrics ---- */

void tls_server_failed(struct tls_server *server, enum tls_failure failure, const char *peer)
{
    uint64_t n = 0;
    char left_out[24];
    metric_add(&server->failures[failure], 1);
    pthread_mutex_lock(&server->log_lock);
    bool may = log_limit_take(&server->limit, clock_monotonic_ns(), &n);
    pthread_mutex_unlock(&server->log_lock);
    snprintf(left_out, sizeof left_out, "%llu", (unsigned long long)n);
    if (may) {
        log_event(LOG_INFO, "tls_handshake_failed", "peer", peer, "reason",
                  tls_failure_name(failure), "left_out", left_out, NULL);
    }
}

static void add(struct str *page, const char *prefix, const char *name, enum metric_kind kind,
                const char *help, double value)
{
    AUTO_STR full = {0};
    str_addf(&full, "%s_tls_%s", prefix, name);
    metrics_one(page, full.data, kind, help, value);
}

static void add_failures(const struct tls_server *server, const char *prefix, struct str *page)
{
    AUTO_STR name = {0};
    str_addf(&name, "%s_tls_handshake_failures_total", prefix);
    metrics_family(page, name.data, METRIC_COUNTER, "TLS handshakes that failed, by reason.");
    for (size_t i = 0; i < TLS_FAILURES; i++) {
        struct metric_labels labels = {{{"reason", tls_failure_name((enum tls_failure)i)}}};
        metrics_sample(page, name.data, &labels, (double)metric_value(&server->failures[i]));
    }
}

void tls_server_metrics(struct tls_server *server, const char *prefix, struct str *page)
{
    pthread_mutex_lock(&server->lock);
    struct tls_context context = server->context;
    int64_t loaded_s = server->loaded_s;
    bool in_force = server->in_force;
    pthread_mutex_unlock(&server->lock);
    add(page, prefix, "certificate_expiry_timestamp_seconds", METRIC_GAUGE,
        "When the server's certificate expires, seconds since 1970.", (double)context.cert_end_s);
    if (context.crl_end_s != 0) {
        add(page, prefix, "crl_expiry_timestamp_seconds", METRIC_GAUGE,
            "When the revocation list expires, seconds since 1970; then no client certificate is "
            "accepted.",
            (double)context.crl_end_s);
    }
    add(page, prefix, "loaded_timestamp_seconds", METRIC_GAUGE,
        "When the TLS files in force were read, seconds since 1970.", (double)loaded_s);
    add(page, prefix, "files_in_force", METRIC_GAUGE,
        "1 if the newest TLS files are in force; 0 if they cannot be used and older ones are.",
        in_force);
    add(page, prefix, "reload_failures_total", METRIC_COUNTER,
        "Attempts to read TLS files that cannot be used.",
        (double)metric_value(&server->failed_readings));
    add(page, prefix, "handshakes_total", METRIC_COUNTER, "TLS handshakes that succeeded.",
        (double)metric_value(&server->established));
    add_failures(server, prefix, page);
    add(page, prefix, "clients_ended_total", METRIC_COUNTER,
        "Connections that were ended because the client's certificate had expired, was revoked or "
        "was no longer trusted.",
        (double)metric_value(&server->ended));
}
