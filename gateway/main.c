/* confreg-gateway: HTTP and JSON in front of confregd. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "api.h"
#include "call_logs.h"
#include "compressor.h"
#include "config_counts.h"
#include "confine.h"
#include "cors.h"
#include "exporter.h"
#include "feed.h"
#include "identify.h"
#include "log.h"
#include "loop.h"
#include "metrics_page.h"
#include "options.h"
#include "packer.h"
#include "parties.h"
#include "prepared.h"
#include "redirect.h"
#include "route_stats.h"
#include "rpc_process.h"
#include "signals.h"
#include "sse_streams.h"
#include "tls_options.h"
#include "upstream.h"
#include "worker.h"

struct gateway_settings {
    const char *listen; /* NULL: loopback, port */
    const char *server;
    struct tls_client_settings server_tls; /* of the connection to it; without a CA: no TLS */
    struct tls_options tls;                /* of its own listeners */
    const char *token_file;                /* NULL: the gateway has no token */
    uint64_t max_watch_bytes;
    const char *redirect; /* NULL: none */
    const char *metrics;  /* NULL: only on the listener of HTTP */
    bool insecure;
    const char *log_level;
    struct option_list origins;
    bool ofrep, spring;
    struct call_logs_options logs;
    struct confine_options confine;
    struct cors *cors; /* made of origins */
    uint64_t port;
    uint64_t max_body_bytes;
    int64_t timeout_ms, grace_ms, heartbeat_ms, hsts_ms;
    struct limits_settings limits; /* of what one address uses */
};

static enum options_result read_settings(struct gateway_settings *s, int argc, char **argv)
{
    const struct option_row rows[] = {
        {"listen", OPTION_TEXT, &s->listen, NULL, "ADDRESS",
         "Where to serve HTTP: HOST:PORT, [IPV6]:PORT or unix:PATH. Default: 127.0.0.1 and --port. "
         "Port 0 means any free port. Only its owner can connect to a unix socket, unless the "
         "address gives it another mode: unix:PATH?mode=0660. Without --tls-cert only addresses of "
         "this machine are allowed, unless --insecure is given.",
         0, 0, NULL},
        {"port", OPTION_NUMBER, &s->port, "8000", "PORT",
         "The port on 127.0.0.1, if --listen is not given.", 0, 65535, "HTTP_PORT"},
        {"insecure", OPTION_SWITCH, &s->insecure, "no", NULL,
         "Allow an address of --listen that other machines can reach without TLS.", 0, 0, NULL},
        TLS_OPTION_ROWS(&s->tls),
        {"redirect-http", OPTION_TEXT, &s->redirect, NULL, "ADDRESS",
         "With --tls-cert: where to answer plain HTTP by sending clients to the same URL with "
         "https and the port of --listen (308).",
         0, 0, NULL},
        {"hsts", OPTION_DURATION, &s->hsts_ms, "8760h", "TIME",
         "With --tls-cert: for how long browsers are to use https only "
         "(Strict-Transport-Security). 0s: they are not told.",
         0, UINT64_C(315360000000), NULL},
        {"server", OPTION_TEXT, &s->server, "127.0.0.1:50051", "ADDRESS",
         "confregd: HOST:PORT, [IPV6]:PORT or unix:PATH.", 0, 0, NULL},
        {"server-ca", OPTION_TEXT, &s->server_tls.ca, NULL, "FILE",
         "Connect to confregd with TLS; it has to show a certificate of one of these authorities "
         "(PEM) with the host of --server. This file and the next two are read again when they "
         "change and on SIGHUP; files that cannot be used are logged, and the ones before stay in "
         "force.",
         0, 0, NULL},
        {"server-cert", OPTION_TEXT, &s->server_tls.cert, NULL, "FILE",
         "The gateway's own certificate (PEM), for a confregd with --tls-client-auth.", 0, 0, NULL},
        {"server-key", OPTION_TEXT, &s->server_tls.key, NULL, "FILE",
         "The private key of --server-cert (PEM, without a passphrase).", 0, 0, NULL},
        {"server-name", OPTION_TEXT, &s->server_tls.server_name, NULL, "NAME",
         "The name that confregd's certificate must have, instead of the host of --server.", 0, 0,
         NULL},
        {"server-token-file", OPTION_TEXT, &s->token_file, NULL, "FILE",
         "The gateway's own bearer token, the only line of the file, for a confregd with --access: "
         "a principal with the roles reader, for the copy that it keeps of the registry, and "
         "gateway, to speak for clients with certificates. Read again when it changes.",
         0, 0, NULL},
        {"max-watch-bytes", OPTION_BYTES, &s->max_watch_bytes, "4G", "BYTES",
         "How much of a snapshot or a commit of confregd's that has not come to its end is held in "
         "memory. Beyond that the copy of the registry stays as it is, which is logged, and is "
         "loaded again after a pause.",
         1u << 20, UINT64_C(1) << 40, NULL},
        {"metrics", OPTION_TEXT, &s->metrics, NULL, "ADDRESS",
         "Where to serve metrics for Prometheus, over HTTP at /metrics: HOST:PORT, [IPV6]:PORT or "
         "unix:PATH; with --tls-cert over TLS. They are at /metrics of --listen in any case.",
         0, 0, NULL},
        {"timeout", OPTION_DURATION, &s->timeout_ms, "10s", "TIME",
         "The time limit of a call to confregd; 504 after it.", 1, 600000, NULL},
        {"max-body", OPTION_BYTES, &s->max_body_bytes, "4M", "BYTES",
         "The largest body of a request; more gets 413. config_data is bounded by confregd.", 1024,
         64u << 20, NULL},
        {"peer-requests", OPTION_NUMBER, &s->limits.most[LIMIT_CALLS], "2500", "N",
         "The most requests from one address at a time, beside those that wait for changes; more "
         "get 429. 0: no limit, as for the next ones. A reverse proxy is one address.",
         0, UINT64_C(1) << 40, NULL},
        {"peer-streams", OPTION_NUMBER, &s->limits.most[LIMIT_STREAMS], "10000", "N",
         "The most requests from one address that wait for changes: streams of events, and reads "
         "with Prefer: wait.",
         0, UINT64_C(1) << 40, NULL},
        {"peer-connections", OPTION_NUMBER, &s->limits.most[LIMIT_CONNECTIONS], "10000", "N",
         "The most connections from one address.", 0, UINT64_C(1) << 40, NULL},
        {"peer-failures", OPTION_NUMBER, &s->limits.rates[LIMIT_FAILURES].a_second, "10", "N",
         "The most wrong credentials from one address in a second, after those of ten seconds; "
         "more "
         "get 429, each later than the one before.",
         0, UINT64_C(1) << 32, NULL},
        {"grace", OPTION_DURATION, &s->grace_ms, "5s", "TIME",
         "How long a stop waits for running requests.", 0, 600000, NULL},
        {"allow-origin", OPTION_LIST, &s->origins, NULL, "ORIGIN",
         "Lets pages of this origin call the gateway from a browser (CORS): SCHEME://HOST or "
         "SCHEME://HOST:PORT, as in https://console.example. None by default; there is no "
         "wildcard.",
         0, 0, NULL},
        {"ofrep", OPTION_SWITCH, &s->ofrep, "no", NULL,
         "Serve flags in OpenFeature's remote evaluation protocol (OFREP) below "
         "/api/ofrep/ENVIRONMENT/SERVICE, which is the base URL of a provider.",
         0, 0, NULL},
        {"spring", OPTION_SWITCH, &s->spring, "no", NULL,
         "Serve configs to clients of Spring Cloud Config below /api/spring, which is their "
         "spring.cloud.config.uri.",
         0, 0, NULL},
        {"heartbeat", OPTION_DURATION, &s->heartbeat_ms, "15s", "TIME",
         "The interval of heartbeats on a quiet stream of server-sent events.", 100, 600000, NULL},
        CALL_LOGS_ROWS(&s->logs),
        CONFINE_ROWS(&s->confine),
        {"log-level", OPTION_TEXT, &s->log_level, "INFO", "LEVEL", "DEBUG, INFO, WARNING or ERROR.",
         0, 0, "LOG_LEVEL"},
    };
    const struct option_table table = {
        .program = "confreg-gateway",
        .summary = "HTTP and JSON in front of the configuration registry confreg.",
        .prefix = "CONFREG_GATEWAY",
        .rows = rows,
        .n_rows = COUNT_OF(rows),
        .notes = SIGNALS_HELP,
    };
    return options_parse(&table, argc, argv);
}

static bool set_log_level(const char *text)
{
    enum log_level level;
    if (!log_parse_level(text, &level)) {
        fprintf(stderr,
                "confreg-gateway: --log-level: DEBUG, INFO, WARNING or ERROR, found \"%s\"\n",
                text);
        return false;
    }
    log_set_level(level);
    return true;
}

static bool check_server_tls(const struct tls_client_settings *tls)
{
    const char *wrong = NULL;
    if ((tls->cert == NULL) != (tls->key == NULL)) {
        wrong = "--server-cert and --server-key are given together";
    } else if (tls->ca == NULL && (tls->cert != NULL || tls->server_name != NULL)) {
        wrong = "--server-cert and --server-name need --server-ca, which turns TLS on";
    }
    if (wrong != NULL) {
        fprintf(stderr, "confreg-gateway: %s\n", wrong);
    }
    return wrong == NULL;
}

static bool check_redirect(const struct gateway_settings *settings)
{
    if (settings->redirect != NULL && settings->tls.settings.cert == NULL) {
        fprintf(stderr, "confreg-gateway: --redirect-http needs --tls-cert\n");
        return false;
    }
    return true;
}

static bool set_cors(struct gateway_settings *settings)
{
    struct status st;
    if (!cors_new(&settings->origins, &settings->cors, &st)) {
        fprintf(stderr, "confreg-gateway: --allow-origin: %s\n", st.message);
        return false;
    }
    return true;
}

static void settings_fini(struct gateway_settings *settings)
{
    cors_free(settings->cors);
    option_list_fini(&settings->origins);
}

static bool check_listen(const struct gateway_settings *settings, struct status *st)
{
    struct address address;
    const char *text = settings->listen;
    if (text == NULL) {
        return true;
    }
    if (!address_parse(text, ADDRESS_TO_LISTEN, &address, st)) {
        return status_context(st, "--listen");
    }
    return settings->insecure || settings->tls.settings.cert != NULL ||
           address_check_local(&address, text, st);
}

static bool open_listener(const struct gateway_settings *settings, struct listener *listener,
                          struct status *st)
{
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%" PRIu64, settings->port);
    return check_listen(settings, st) &&
           (listener_open(settings->listen == NULL ? address : settings->listen, listener, st) ||
            status_context(st, settings->listen == NULL ? "--port" : "--listen"));
}

/* The parts of the gateway; all are owned. */
struct gateway_parts {
    struct routes routes;
    struct listener listener;
    struct gateway gateway;
    struct config_counts configs;
    struct feed *feed;
    struct tls_server *tls; /* NULL: no TLS */
    struct exporter *exporter;
    struct redirect *redirect;
    struct front *front;
};

static void start_parts(struct gateway_parts *parts, const struct gateway_settings *settings)
{
    struct gateway *gateway = &parts->gateway;
    parts->routes = api_routes;
    parts->routes.doors =
        (settings->ofrep ? DOOR_OFREP : 0u) | (settings->spring ? DOOR_SPRING : 0u);
    gateway->configs = &parts->configs;
    gateway->routes = route_stats_new(&parts->routes);
    gateway->upstream = upstream_new(settings->timeout_ms);
    gateway->worker = worker_new();
    gateway->packer = packer_new(gateway->worker);
    gateway->compressor = compressor_new(gateway->worker);
    gateway->streams = sse_streams_new(gateway->upstream, settings->heartbeat_ms);
    parts->feed = feed_new();
}

static void free_parts(struct gateway_parts *parts)
{
    struct gateway *gateway = &parts->gateway;
    exporter_stop(parts->exporter);
    redirect_stop(parts->redirect);
    front_free(parts->front);
    upstream_disconnect(gateway->upstream);
    sse_streams_free(gateway->streams);
    feed_free(parts->feed);
    upstream_free(gateway->upstream);
    worker_free(gateway->worker);
    packer_free(gateway->packer);
    compressor_free(gateway->compressor);
    route_stats_free(gateway->routes);
    tls_server_free(parts->tls);
    listener_close(&parts->listener);
}

/* Without rights in force at confregd, everybody who can connect can do everything. */
static bool needs_rights(const struct gateway_settings *settings, const struct listener *listener)
{
    struct address address;
    struct status st;
    return !settings->insecure && settings->tls.settings.client_auth != TLS_CLIENT_AUTH_REQUIRE &&
           address_parse(listener->address, ADDRESS_TO_LISTEN, &address, &st) &&
           !address_is_local(&address);
}

/* Other failures are told by reach.h, and by the answers of GetAccess. */
static void mirror_failed(void *user, const struct status *st, uint64_t selection)
{
    (void)user;
    (void)selection;
    if (st->code == STATUS_RESOURCE_EXHAUSTED) {
        log_event(LOG_ERROR, "mirror_failed", "reason", st->reason, "message", st->message, NULL);
    }
}

static bool connect_upstream(struct gateway_parts *parts, const struct gateway_settings *settings,
                             struct status *st)
{
    const struct mirror_options options = {
        .changed = feed_changed,
        .free_attachment = prepared_free,
        .failed = mirror_failed,
        .user = parts->feed,
    };
    const struct registry_client_options client = {
        .addresses = &settings->server,
        .n_addresses = 1,
        .tls = settings->server_tls.ca == NULL ? NULL : &settings->server_tls,
        .token_file = settings->token_file,
        .max_watch_bytes = settings->max_watch_bytes,
    };
    struct upstream *upstream = parts->gateway.upstream;
    upstream->needs_rights = needs_rights(settings, &parts->listener);
    return upstream_connect(upstream, &client, &options, st) || status_context(st, "--server");
}

static void reload(void *user)
{
    const struct gateway_parts *parts = user;
    call_logs_reopen(parts->gateway.logs);
    registry_client_reload(parts->gateway.upstream->client);
    if (parts->tls != NULL) {
        tls_server_reload(parts->tls);
    }
}

static bool start_exporter(struct gateway_parts *parts, const struct gateway_settings *settings,
                           struct status *st)
{
    const struct exporter_options exporter = {
        .address = settings->metrics,
        .tls = parts->tls,
        .handshake_ms = settings->tls.handshake_ms,
        .render = metrics_page_render,
        .user = &parts->gateway,
    };
    return settings->metrics == NULL || exporter_start(&exporter, &parts->exporter, st);
}

static bool start_redirect(struct gateway_parts *parts, const struct gateway_settings *settings,
                           struct status *st)
{
    return settings->redirect == NULL ||
           redirect_start(settings->redirect, parts->listener.port, &parts->redirect, st);
}

static bool serve_parts(struct gateway_parts *parts, const struct gateway_settings *settings,
                        struct status *st)
{
    const struct front_settings front = {
        .listener = &parts->listener,
        .gateway = &parts->gateway,
        .routes = &parts->routes,
        .cors = settings->cors,
        .max_body_bytes = settings->max_body_bytes,
        .limits = parts->gateway.limits,
        .identify = identify_request,
        .forget = identify_forget,
        .tls = parts->tls,
        .handshake_ms = settings->tls.handshake_ms,
        .hsts_ms = settings->hsts_ms,
    };
    if (!start_exporter(parts, settings, st) || !connect_upstream(parts, settings, st) ||
        !front_new(&front, &parts->front, st) || !start_redirect(parts, settings, st)) {
        return false;
    }
    bool has_tls = parts->tls != NULL && parts->listener.unix_path == NULL;
    log_event(LOG_INFO, "listening", "address", parts->listener.address, "tls",
              has_tls ? "yes" : "no", "server", settings->server, NULL);
    signals_end_in_order(true);
    signals_on_reload(reload, parts);
    const struct loop_parts loop = {parts->front, &parts->gateway, parts->feed};
    bool ok = loop_run(&loop, signals_end_fd(), settings->grace_ms, st);
    signals_on_reload(NULL, NULL);
    return ok;
}

static bool serve_with_logs(const struct gateway_settings *settings, struct call_logs *logs,
                            struct status *st)
{
    struct gateway_parts parts = {.gateway.logs = logs};
    if (!tls_options_open(&settings->tls, &parts.tls, st)) {
        return false;
    }
    if (!open_listener(settings, &parts.listener, st)) {
        tls_server_free(parts.tls);
        return false;
    }
    parts.gateway.tls = parts.tls;
    struct limits_settings limits = settings->limits;
    limits_complete_failures(&limits);
    parts.gateway.limits = limits_new(&limits);
    start_parts(&parts, settings);
    bool ok = serve_parts(&parts, settings, st);
    free_parts(&parts);
    limits_free(parts.gateway.limits);
    return ok;
}

static bool serve(const struct gateway_settings *settings, struct status *st)
{
    struct call_logs *logs = NULL;
    bool ok = call_logs_open(&settings->logs, &logs, st) && serve_with_logs(settings, logs, st);
    call_logs_close(logs);
    return ok;
}

static int run(struct gateway_settings *settings)
{
    struct status st;
    if (!set_log_level(settings->log_level) || !check_server_tls(&settings->server_tls) ||
        !tls_options_check(&settings->tls, "confreg-gateway") || !check_redirect(settings) ||
        !set_cors(settings)) {
        return 2;
    }
    bool confined = confine_process(&settings->confine, &st);
    rpc_own_process();
    signals_start(EXIT_SUCCESS);
    if (!confined || !serve(settings, &st)) {
        log_event(LOG_ERROR, "cannot_start", "code", status_code_name(st.code), "reason", st.reason,
                  "message", st.message, NULL);
        return EXIT_FAILURE;
    }
    log_event(LOG_INFO, "stopped", NULL);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct gateway_settings settings = {0};
    enum options_result result = read_settings(&settings, argc, argv);
    int code = result == OPTIONS_RUN       ? run(&settings)
               : result == OPTIONS_EXIT_OK ? EXIT_SUCCESS
                                           : 2;
    settings_fini(&settings);
    return code;
}
