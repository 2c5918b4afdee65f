/* confregd: the gRPC server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "access_command.h"
#include "address.h"
#include "call_logs.h"
#include "check_schema.h"
#include "confine.h"
#include "convert_schema.h"
#include "endpoints.h"
#include "import_legacy.h"
#include "json.h"
#include "log.h"
#include "mem.h"
#include "node.h"
#include "options.h"
#include "secret_policy.h"
#include "signals.h"
#include "store.h"
#include "store_open.h"
#include "tls_options.h"
#include "verify.h"
#include "wake.h"

#define REQUESTS_BYTES (UINT64_C(256) << 20) /* of all calls in progress */
#define WRITES_BURST_S 2

struct server_settings {
    struct node_options node;
    const char *store, *bus; /* NULL: not given */
    const char *secrets_folder;
    const char *create;
    const char *secrets;
    const char *log_level;
    bool new_epoch;
    struct tls_options tls;
    const char *access_file;    /* NULL: not given */
    const char *anonymous_role; /* likewise */
    const char *author;
    struct call_logs_options logs;
    struct confine_options confine;
};

static enum options_result read_settings(struct server_settings *s, int argc, char **argv)
{
    const struct option_row rows[] = {
        {"listen", OPTION_TEXT, &s->node.listen, "127.0.0.1:50051", "ADDRESS",
         "Where to serve gRPC: HOST:PORT, [IPV6]:PORT or unix:PATH; several are separated by "
         "commas. Port 0 means any free port. Only its owner can connect to a unix socket, unless "
         "the address gives it another mode: unix:PATH?mode=0660. With --tls-cert all TCP "
         "addresses have TLS; unix sockets never have. Addresses that other machines can reach "
         "need it, and --access or --tls-client-auth require, unless --insecure is given.",
         0, 0, NULL},
        {"insecure", OPTION_SWITCH, &s->node.insecure, "no", NULL,
         "Allow addresses of --listen that other machines can reach without TLS, or without "
         "--access or --tls-client-auth require.",
         0, 0, NULL},
        TLS_OPTION_ROWS(&s->tls),
        {"access", OPTION_TEXT, &s->access_file, NULL, "FILE",
         "Who callers are and what they may do, as JSON. It is read again when it changes and on "
         "SIGHUP; a file that cannot be used is logged, and the one before stays in force.",
         0, 0, NULL},
        {"anonymous-role", OPTION_TEXT, &s->anonymous_role, NULL, "ROLE",
         "What callers without a credential may do: none, reader, admin or super-admin. The "
         "default is super-admin if there is no --access and only this machine can connect, else "
         "none.",
         0, 0, NULL},
        {"author", OPTION_TEXT, &s->author, "claimed", "RULE",
         "Whom created_by may name. claimed: anybody; the change log has the proven name beside "
         "it. trusted: the caller himself, unless he is anonymous or has the role gateway.",
         0, 0, NULL},
        {"store", OPTION_TEXT, &s->store, NULL, "STORE",
         "Where the log is kept: sqlite:FILE; mongodb://HOST:PORT/DATABASE, which several servers "
         "can share (with the options of MongoDB's drivers); or memory: to keep nothing. The "
         "default is sqlite:confreg.db, unless DOCUMENT_DATABASE_HOST is set.",
         0, 0, NULL},
        {"create", OPTION_TEXT, &s->create, "auto", "WHEN",
         "What to do if there is no store. auto: create one and log a warning. never: refuse to "
         "start (STORE_MISSING). Use never from the second start on, so that a volume that is not "
         "mounted does not start a new, empty registry.",
         0, 0, NULL},
        {"bus", OPTION_TEXT, &s->bus, NULL, "BUS",
         "Where changes are published: amqp://USER:PASSWORD@HOST:PORT/VHOST for RabbitMQ (several "
         "HOST:PORT separated by commas; amqps:// for TLS), or local: for nowhere. The default is "
         "local:, unless MESSAGE_BUS_HOST is set.",
         0, 0, NULL},
        {"secrets-dir", OPTION_TEXT, &s->secrets_folder, "/run/secrets", "FOLDER",
         "Folder of files with credentials that the addresses do not contain: message_bus_user, "
         "message_bus_password, document_database_user, document_database_password. Variables "
         "with these names in upper case are used, too.",
         0, 0, NULL},
        {"secrets", OPTION_TEXT, &s->secrets, "warn", "MODES",
         "What to do if a value that is written looks like a secret, such as a private key, a "
         "token "
         "of a well-known service or a password: refuse it, warn (in the answer, the log and a "
         "metric), or off. By environment: PATTERN=MODE, separated by commas; the first pattern "
         "that fits counts, and a mode without a pattern for the others, as in "
         "refuse,dev*=warn.",
         0, 0, NULL},
        {"metrics", OPTION_TEXT, &s->node.metrics, NULL, "ADDRESS",
         "Where to serve metrics for Prometheus, over HTTP at /metrics: HOST:PORT, [IPV6]:PORT or "
         "unix:PATH. Not served by default.",
         0, 0, NULL},
        {"new-epoch", OPTION_SWITCH, &s->new_epoch, "no", NULL,
         "Use this after the store was restored from a backup: gives the log a new epoch and "
         "exits. Clients then cannot resume from positions that the backup does not contain. No "
         "server may run on the store meanwhile.",
         0, 0, NULL},
        {"publish-history", OPTION_SWITCH, &s->node.publish_history, "no", NULL,
         "If nothing of this log was ever published on a broker: publish the whole log, instead of "
         "only the changes from now on.",
         0, 0, NULL},
        {"max-payload", OPTION_BYTES, &s->node.max_payload_bytes, "1M", "BYTES",
         "The largest config_data, without insignificant white space.", 64, 8u << 20, NULL},
        {"ring", OPTION_BYTES, &s->node.ring_bytes, "64M", "BYTES",
         "Memory for the newest commits, from which watches are served. Older commits are read "
         "from the store.",
         1u << 20, UINT64_C(1) << 40, NULL},
        {"max-watches", OPTION_NUMBER, &s->node.max_watches, "10000", "N",
         "The most watches that one connection can have open. All clients of a unix socket count "
         "as one connection.",
         1, 1000000, NULL},
        {"caller-calls", OPTION_NUMBER, &s->node.limits.most[LIMIT_CALLS], "2500", "N",
         "The most calls of one caller at a time, beside watches; a call of several writes counts "
         "as so many. A caller is a principal or, without a name, an address. 0: no limit, as for "
         "the next ones.",
         0, UINT64_C(1) << 40, NULL},
        {"caller-bytes", OPTION_BYTES, &s->node.limits.most[LIMIT_BYTES], "64M", "BYTES",
         "The most bytes of the requests of these calls.", 0, UINT64_C(1) << 40, NULL},
        {"caller-watches", OPTION_NUMBER, &s->node.limits.most[LIMIT_STREAMS], "20000", "N",
         "The most watches of one caller.", 0, UINT64_C(1) << 40, NULL},
        {"caller-writes", OPTION_NUMBER, &s->node.limits.rates[LIMIT_WRITES].a_second, "5000", "N",
         "The most writes of one caller in a second, after those of the first two seconds.", 0,
         UINT64_C(1) << 40, NULL},
        {"peer-connections", OPTION_NUMBER, &s->node.limits.most[LIMIT_CONNECTIONS], "10000", "N",
         "The most connections from one address.", 0, UINT64_C(1) << 40, NULL},
        {"peer-failures", OPTION_NUMBER, &s->node.limits.rates[LIMIT_FAILURES].a_second, "10", "N",
         "The most wrong credentials from one address in a second, after those of the first ten "
         "seconds; more get LIMIT_EXCEEDED, each later than the one before.",
         0, UINT64_C(1) << 40, NULL},
        {"compact-keep-versions", OPTION_NUMBER, &s->node.compact_keep_versions, "0", "N",
         "Remove the payloads of all but the newest N versions of each config; 0 keeps all. With "
         "--compact-keep-age, only payloads of older versions are removed.",
         0, 1000000, NULL},
        {"compact-keep-age", OPTION_DURATION, &s->node.compact_keep_age_ms, "0s", "TIME",
         "Remove the payloads of superseded versions that are older than this. 0s: of any age if "
         "--compact-keep-versions is given, else none.",
         0, UINT64_C(315360000000), NULL},
        {"compact-interval", OPTION_DURATION, &s->node.compact_interval_ms, "1h", "TIME",
         "How often one of the nodes compacts.", 100, UINT64_C(31536000000), NULL},
        {"threads", OPTION_NUMBER, &s->node.threads, "0", "N",
         "Threads that receive calls; 0: one per core.", 0, 256, NULL},
        {"grace", OPTION_DURATION, &s->node.grace_ms, "5s", "TIME",
         "How long running calls may take when the server stops.", 0, 600000, NULL},
        CALL_LOGS_ROWS(&s->logs),
        CONFINE_ROWS(&s->confine),
        {"log-level", OPTION_TEXT, &s->log_level, "INFO", "LEVEL", "DEBUG, INFO, WARNING or ERROR.",
         0, 0, "LOG_LEVEL"},
    };
    const struct option_table table = {
        .program = "confregd",
        .summary =
            "The server of the configuration registry confreg. See also `confregd "
            "import-legacy --help`: it imports the data of the service that confreg "
            "replaces; `confregd access --help`: it makes tokens, and checks and explains "
            "access files; `confregd check-schema --help`: it checks JSON values against a JSON "
            "Schema; `confregd convert-schema --help`: it makes a JSON Schema of a schema file of "
            "that service; and `confregd verify --help`: it checks audit logs.",
        .prefix = "CONFREG",
        .rows = rows,
        .n_rows = COUNT_OF(rows),
        .notes = SIGNALS_HELP,
    };
    return options_parse(&table, argc, argv);
}

static void on_diverged(void *user)
{
    wake_set(user);
}

/* Waits until the program has to end (false), or the node has to be restarted because the store's
 * log diverged (true). */
static bool wait_for_end(struct wake *diverged)
{
    while (!signals_ending()) {
        wake_wait(diverged, signals_end_fd(), -1);
        if (atomic_load(&diverged->set)) {
            wake_clear(diverged);
            log_event(LOG_WARNING, "stopping", "reason", "the store's log has diverged", NULL);
            return true;
        }
    }
    return false;
}

/* Runs one node after the other until the program has to end. While a node starts, signals end the
 * process at once: nothing was accepted yet that an orderly shutdown would have to finish. */
static bool serve_nodes(struct node_options *options, struct status *st)
{
    struct wake diverged;
    wake_init(&diverged);
    options->diverged = on_diverged;
    options->user = &diverged;
    bool ok = true;
    for (bool again = true; again && ok && !signals_ending();) {
        struct node *node = NULL;
        ok = node_start(options, &node, st);
        if (ok) {
            signals_end_in_order(true);
            again = wait_for_end(&diverged);
            node_stop(node);
            log_event(LOG_INFO, "stopped", NULL);
            signals_end_in_order(!again);
            options->may_create = false; /* the store exists: the next node must find it */
        }
    }
    wake_fini(&diverged);
    return ok;
}

/* A restored backup has a log. A store without one suggests a wrong --store. */
static bool has_log(struct store *store, struct status *st)
{
    struct store_tail tail;
    return store_tail(store, &tail, st) &&
           (tail.revision > 0 ||
            status_set(st, STATUS_FAILED_PRECONDITION, "LOG_EMPTY",
                       "the log of --store is empty: there is no position of it to make void"));
}

static bool renew_epoch(const char *address, struct status *st)
{
    AUTO(store_close) struct store *store = NULL;
    if (!store_open_existing(address, &store, st) || !has_log(store, st) ||
        !store_new_epoch(store, st)) {
        return false;
    }
    char epoch[EPOCH_TEXT_SIZE];
    hex_encode(store->identity.epoch, EPOCH_SIZE, epoch);
    log_event(LOG_INFO, "epoch_renewed", "epoch", epoch, NULL);
    return true;
}

/* Reads again all that can change while the program runs. */
static void reload(void *user)
{
    const struct server_settings *settings = user;
    call_logs_reopen(settings->node.logs);
    access_reload(settings->node.access);
    if (settings->node.tls != NULL) {
        tls_server_reload(settings->node.tls);
    }
}

/* Sets the limits that have no option. */
static void complete_limits(struct limits_settings *limits)
{
    struct rate *rates = limits->rates;
    limits->total[LIMIT_BYTES] = REQUESTS_BYTES;
    rates[LIMIT_WRITES].burst = WRITES_BURST_S * rates[LIMIT_WRITES].a_second;
    limits_complete_failures(limits);
}

static bool serve(struct server_settings *settings, struct status *st)
{
    complete_limits(&settings->node.limits);
    signals_on_reload(reload, settings);
    bool ok = serve_nodes(&settings->node, st);
    signals_on_reload(NULL, NULL);
    return ok;
}

static bool parse_anonymous(const char *text, struct access_options *options)
{
    options->has_anonymous = strcmp(text, "none") != 0;
    return !options->has_anonymous ||
           (access_role_parse(text, &options->anonymous) && options->anonymous <= ROLE_SUPER_ADMIN);
}

/* Serves with TLS where a certificate is given. */
static bool serve_with_tls(struct server_settings *settings, struct status *st)
{
    if (!tls_options_open(&settings->tls, &settings->node.tls, st)) {
        return false;
    }
    settings->node.handshake_ms = settings->tls.handshake_ms;
    bool ok = serve(settings, st);
    tls_server_free(settings->node.tls);
    return ok;
}

/* The audit log says which rights were in force when. */
static void account_rights(void *user, const struct hash *file)
{
    const struct server_settings *settings = user;
    char hash[2 * HASH_SIZE + 1];
    AUTO_STR members = {0};
    hex_encode(file->bytes, HASH_SIZE, hash);
    json_add_text(&members, ",\"file\":", settings->access_file);
    json_add_text(&members, ",\"sha256\":", hash);
    call_logs_add_event(settings->node.logs, "rights", members.data);
}

static bool serve_with_access(struct server_settings *settings, struct status *st)
{
    struct access_options options = {
        .file = settings->access_file, .in_force = account_rights, .user = settings};
    const char *role = settings->anonymous_role;
    if (role == NULL) {
        options.has_anonymous =
            settings->access_file == NULL && address_list_is_local(settings->node.listen);
        options.anonymous = ROLE_SUPER_ADMIN;
    } else if (!parse_anonymous(role, &options)) {
        return status_set(st, STATUS_INVALID_ARGUMENT, "ANONYMOUS_ROLE",
                          "--anonymous-role: none, reader, admin or super-admin, found \"%s\"",
                          role);
    }
    if (!access_open(&options, &settings->node.access, st)) {
        return false;
    }
    if (settings->access_file == NULL && !options.has_anonymous) {
        log_event(LOG_WARNING, "nobody_may_call", "message",
                  "there is neither --access nor --anonymous-role: every call will be refused",
                  NULL);
    }
    settings->node.identified = settings->access_file != NULL ||
                                settings->tls.settings.client_auth == TLS_CLIENT_AUTH_REQUIRE;
    bool ok = serve_with_tls(settings, st);
    access_close(settings->node.access);
    return ok;
}

static bool serve_with_logs(struct server_settings *settings, struct status *st)
{
    if (!call_logs_open(&settings->logs, &settings->node.logs, st)) {
        return false;
    }
    bool ok = serve_with_access(settings, st);
    call_logs_close(settings->node.logs);
    return ok;
}

static bool run(struct server_settings *settings, struct status *st)
{
    struct endpoints endpoints;
    if (!endpoints_read(settings->store, settings->bus, settings->secrets_folder, &endpoints, st)) {
        return false;
    }
    settings->node.store = endpoints.store;
    settings->node.bus = endpoints.bus;
    settings->node.bus_user = endpoints.bus_user;
    settings->node.bus_password = endpoints.bus_password;
    bool ok =
        settings->new_epoch ? renew_epoch(endpoints.store, st) : serve_with_logs(settings, st);
    endpoints_fini(&endpoints);
    return ok;
}

static bool parse_author(const char *text, bool *ret_trusted)
{
    *ret_trusted = strcmp(text, "trusted") == 0;
    return *ret_trusted || strcmp(text, "claimed") == 0;
}

static bool parse_create(const char *text, bool *ret_may_create)
{
    *ret_may_create = strcmp(text, "auto") == 0;
    return *ret_may_create || strcmp(text, "never") == 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "import-legacy") == 0) {
        return import_legacy(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "access") == 0) {
        return access_command(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "check-schema") == 0) {
        return check_schema(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "convert-schema") == 0) {
        return convert_schema(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "verify") == 0) {
        return verify(argc - 1, argv + 1);
    }
    struct server_settings settings = {.new_epoch = false};
    enum options_result result = read_settings(&settings, argc, argv);
    if (result != OPTIONS_RUN) {
        return result == OPTIONS_EXIT_OK ? EXIT_SUCCESS : 2;
    }
    enum log_level level;
    if (!log_parse_level(settings.log_level, &level)) {
        fprintf(stderr, "confregd: --log-level: DEBUG, INFO, WARNING or ERROR, found \"%s\"\n",
                settings.log_level);
        return 2;
    }
    log_set_level(level);
    if (!parse_create(settings.create, &settings.node.may_create)) {
        fprintf(stderr, "confregd: --create: auto or never, found \"%s\"\n", settings.create);
        return 2;
    }
    if (!parse_author(settings.author, &settings.node.author_trusted)) {
        fprintf(stderr, "confregd: --author: claimed or trusted, found \"%s\"\n", settings.author);
        return 2;
    }
    struct status st;
    AUTO(secret_policy_free) struct secret_policy *secret_policy = NULL;
    if (!secret_policy_parse(settings.secrets, &secret_policy, &st)) {
        fprintf(stderr, "confregd: %s\n", st.message);
        return 2;
    }
    settings.node.secret_policy = secret_policy;
    if (!tls_options_check(&settings.tls, "confregd")) {
        return 2;
    }
    bool confined = confine_process(&settings.confine, &st);
    signals_start(settings.new_epoch ? EXIT_FAILURE : EXIT_SUCCESS);
    if (!confined || !run(&settings, &st)) {
        log_event(LOG_ERROR, "cannot_start", "code", status_code_name(st.code), "reason", st.reason,
                  "message", st.message, NULL);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
