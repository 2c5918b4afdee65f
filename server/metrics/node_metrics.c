#include "node_metrics.h"

#include "clock.h"

#include "metrics.h"
#include "process.h"

static struct metric_labels label(const char *name, const char *value)
{
    return (struct metric_labels){{{name, value}}};
}

/* Adds a sample for a status code: the first n labels, then grpc_code. Samples of value 0 are left
 * out, except for OK. */
static void add_code(struct str *page, const char *name, struct metric_labels labels, size_t n,
                     size_t code, uint64_t value)
{
    if (value > 0 || code == STATUS_OK) {
        labels.items[n].name = "grpc_code";
        labels.items[n].value = status_code_name((enum status_code)code);
        metrics_sample(page, name, &labels, (double)value);
    }
}

/* ---- Calls ---- */

static struct metric_labels of_method(const struct rpc_stats *stats)
{
    return (struct metric_labels){
        {{"grpc_service", stats->service}, {"grpc_method", stats->method}}};
}

static void add_codes(void *user, const struct rpc_stats *stats)
{
    for (size_t code = 0; code < STATUS_CODES; code++) {
        add_code(user, "confreg_requests_total", of_method(stats), 2, code, stats->ended[code]);
    }
}

static void add_in_flight(void *user, const struct rpc_stats *stats)
{
    struct metric_labels labels = of_method(stats);
    uint64_t ended = 0;
    for (size_t code = 0; code < STATUS_CODES; code++) {
        ended += stats->ended[code];
    }
    metrics_sample(user, "confreg_requests_in_flight", &labels, (double)(stats->started - ended));
}

/* Streams are left out: the time that a stream was open is not a latency. */
static void add_duration(void *user, const struct rpc_stats *stats)
{
    struct metric_labels labels = of_method(stats);
    if (stats->kind == RPC_UNARY) {
        metrics_histogram(user, "confreg_request_duration_seconds", &labels, &stats->duration);
    }
}

static void add_calls(const struct rpc_server *server, struct str *page)
{
    metrics_family(page, "confreg_requests_total", METRIC_COUNTER,
                   "gRPC calls that have ended, by status code.");
    rpc_server_stats(server, add_codes, page);
    metrics_family(page, "confreg_requests_in_flight", METRIC_GAUGE,
                   "Open gRPC calls, streams included.");
    rpc_server_stats(server, add_in_flight, page);
    metrics_family(page, "confreg_request_duration_seconds", METRIC_HISTOGRAM,
                   "Time from a call's arrival to its end; without streams.");
    rpc_server_stats(server, add_duration, page);
    metrics_one(
        page, "confreg_connections_cut_total", METRIC_COUNTER,
        "Connections that were closed because their clients cancelled too many calls, or had "
        "too much of requests that they did not finish.",
        (double)rpc_server_cuts(server));
    metrics_one(page, "confreg_unfinished_request_bytes", METRIC_GAUGE,
                "Bytes of requests that have not arrived completely.",
                (double)rpc_server_unfinished());
}

/* ---- The registry and its log ---- */

static void add_registry(struct registry *registry, struct str *page)
{
    metrics_one(page, "confreg_revision", METRIC_GAUGE, "Revision of the newest commit.",
                (double)registry_position(registry).revision);
    metrics_one(page, "confreg_configs", METRIC_GAUGE, "Configs that exist.",
                (double)registry_config_count(registry));
    metrics_one(page, "confreg_schemas", METRIC_GAUGE, "Schemas that exist.",
                (double)registry_schema_count(registry));
    const struct verdicts verdicts = registry_verdicts(registry);
    metrics_one(page, "confreg_suspect_configs", METRIC_GAUGE,
                "Configs whose value looks like a secret that nobody allowed.",
                (double)verdicts.suspect);
    metrics_one(page, "confreg_broken_configs", METRIC_GAUGE,
                "Configs whose value breaks the schema in force.", (double)verdicts.broken);
    secret_counts_show(registry_secret_counts(registry), page);
    metrics_one(page, "confreg_heads_memory_bytes", METRIC_GAUGE,
                "Memory used by the newest versions of all configs.",
                (double)registry_bytes(registry));
}

static void add_seen(struct committer *committer, const struct store *store, struct str *page)
{
    struct log_seen seen = committer_seen(committer);
    if (store->shared) {
        metrics_one(page, "confreg_log_revision", METRIC_GAUGE,
                    "The newest revision that this node has seen in the store's log.",
                    (double)seen.revision);
        metrics_one(page, "confreg_log_look_age_seconds", METRIC_GAUGE,
                    "Time since this node last read the log's end.",
                    (double)(clock_wall_us() - seen.time_us) / 1e6);
    }
}

/* Schemas are set, set to what an older version was, deleted and brought back. */
static bool change_may_be_of_schema(size_t kind)
{
    return kind != CHANGE_ERASE && kind != CHANGE_IMPORT;
}

static void add_changes(const struct commit_stats *stats, enum key_kind of, const char *name,
                        struct str *page)
{
    static const char *const kinds[] = {
        [CHANGE_CREATE] = "create",     [CHANGE_UPDATE] = "update", [CHANGE_ROLLBACK] = "rollback",
        [CHANGE_DELETE] = "delete",     [CHANGE_ERASE] = "erase",   [CHANGE_IMPORT] = "import",
        [CHANGE_UNDELETE] = "undelete",
    };
    for (size_t kind = CHANGE_CREATE; kind < COUNT_OF(kinds); kind++) {
        if (kinds[kind] != NULL && (of == KEY_CONFIG || change_may_be_of_schema(kind))) {
            struct metric_labels labels = label("kind", kinds[kind]);
            metrics_sample(page, name, &labels, (double)metric_value(&stats->changes[of][kind]));
        }
    }
}

/* Counts writes, not calls: WriteConfigs carries several. */
static void add_writes(const struct commit_stats *stats, struct str *page)
{
    metrics_family(page, "confreg_writes_total", METRIC_COUNTER,
                   "Writes submitted to the committer, by status code of the outcome.");
    for (size_t code = 0; code < STATUS_CODES; code++) {
        add_code(page, "confreg_writes_total", (struct metric_labels){0}, 0, code,
                 metric_value(&stats->writes[code]));
    }
}

static void add_store_errors(const struct committer *committer, const struct store *store,
                             struct str *page)
{
    const struct commit_stats *stats = committer_stats(committer);
    const struct upkeep_stats *upkeep = committer_upkeep_stats(committer);
    const struct {
        const char *operation;
        const struct metric *counter;
    } rows[] = {
        {"append", &stats->failed_appends},
        {"save_heads", &upkeep->failed_head_saves},
        {"scrub", &upkeep->failed_scrubs},
        {"checkpoint", &store->failed_checkpoints},
    };
    metrics_family(page, "confreg_store_errors_total", METRIC_COUNTER,
                   "Failed writes of the store, by operation.");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct metric_labels labels = label("operation", rows[i].operation);
        metrics_sample(page, "confreg_store_errors_total", &labels,
                       (double)metric_value(rows[i].counter));
    }
}

static void add_commits(struct committer *committer, const struct store *store, struct str *page)
{
    const struct commit_stats *stats = committer_stats(committer);
    char reason[256];
    metrics_one(page, "confreg_commits_total", METRIC_COUNTER, "Commits made by this node.",
                (double)metric_value(&stats->commits));
    metrics_family(page, "confreg_changes_total", METRIC_COUNTER, "Changes committed, by kind.");
    add_changes(stats, KEY_CONFIG, "confreg_changes_total", page);
    metrics_family(page, "confreg_schema_changes_total", METRIC_COUNTER,
                   "Changes of schemas committed, by kind.");
    add_changes(stats, KEY_SCHEMA, "confreg_schema_changes_total", page);
    add_writes(stats, page);
    add_seen(committer, store, page);
    metrics_one_histogram(page, "confreg_commit_batch_commits", "Commits in one append to the log.",
                          &stats->batch);
    metrics_one_histogram(page, "confreg_store_append_duration_seconds",
                          "Time of one append to the log, until it is durable.", &stats->append);
    if (store->sync.scale != NULL) {
        metrics_one_histogram(page, "confreg_store_sync_duration_seconds",
                              "The part of an append that waits for the disk.", &store->sync);
    }
    metrics_one_histogram(page, "confreg_commit_announce_duration_seconds",
                          "Time that the writes of a batch waited while watches, relay and waiting "
                          "reads were notified.",
                          &stats->announce);
    metrics_one(page, "confreg_lost_appends_total", METRIC_COUNTER,
                "Appends that lost the race against another node and were tried again.",
                (double)metric_value(&stats->lost_appends));
    add_store_errors(committer, store, page);
    metrics_one(
        page, "confreg_heads_made_anew", METRIC_GAUGE,
        "1 if stored heads or marks were damaged at the start and were rebuilt from the log.",
        atomic_load(&store->heads_made_anew));
    if (store->has_wal) {
        metrics_one(page, "confreg_store_wal_bytes", METRIC_GAUGE,
                    "Size of the store's write-ahead log.", (double)atomic_load(&store->wal_bytes));
    }
    metrics_one(page, "confreg_writable", METRIC_GAUGE,
                "1 if the last write to the store succeeded.",
                committer_writable(committer, reason));
    metrics_one(page, "confreg_write_queue_writes", METRIC_GAUGE,
                "Writes that wait for the committer.", (double)committer_waiting(committer));
    metrics_one_histogram(page, "confreg_write_queue_wait_seconds",
                          "Time that a write waited for the committer.", &stats->wait);
}

/* ---- Reads of the store ---- */

static const char *const job_kinds[JOB_KINDS] = {[JOB_READ] = "read", [JOB_WATCH] = "watch"};

static void add_dropped(const struct pool_report reports[JOB_KINDS], struct str *page)
{
    metrics_family(
        page, "confreg_store_reads_dropped_total", METRIC_COUNTER,
        "Reads of the store that were dropped: their callers had gone (unwanted), or too "
        "many reads waited (refused).");
    for (size_t i = 0; i < JOB_KINDS; i++) {
        const struct {
            const char *reason;
            uint64_t n;
        } rows[] = {{"unwanted", reports[i].unwanted}, {"refused", reports[i].refused}};
        for (size_t k = 0; k < COUNT_OF(rows); k++) {
            struct metric_labels labels = {{{"for", job_kinds[i]}, {"reason", rows[k].reason}}};
            metrics_sample(page, "confreg_store_reads_dropped_total", &labels, (double)rows[k].n);
        }
    }
}

static void add_store_reads(struct pool *pool, struct str *page)
{
    struct pool_report reports[JOB_KINDS];
    for (size_t i = 0; i < JOB_KINDS; i++) {
        pool_report(pool, (enum job_kind)i, &reports[i]);
    }
    metrics_family(page, "confreg_store_reads", METRIC_GAUGE,
                   "Reads of the store for calls and for watches, waiting or running.");
    for (size_t i = 0; i < JOB_KINDS; i++) {
        struct metric_labels waiting = {{{"for", job_kinds[i]}, {"state", "waiting"}}};
        struct metric_labels running = {{{"for", job_kinds[i]}, {"state", "running"}}};
        metrics_sample(page, "confreg_store_reads", &waiting, (double)reports[i].waiting);
        metrics_sample(page, "confreg_store_reads", &running, (double)reports[i].running);
    }
    add_dropped(reports, page);
}

/* ---- Watches and events ---- */

static void add_watches(struct hub *hub, struct str *page)
{
    struct hub_stats stats;
    hub_measure(hub, &stats);
    metrics_one(page, "confreg_watch_streams", METRIC_GAUGE, "Open watch streams.",
                (double)stats.streams);
    metrics_one(page, "confreg_watch_messages_total", METRIC_COUNTER,
                "Messages with events sent on watch streams.", (double)stats.messages);
    metrics_one(page, "confreg_watch_events_total", METRIC_COUNTER, "Events sent on watch streams.",
                (double)stats.events);
    metrics_one(page, "confreg_watch_lag_revisions", METRIC_GAUGE,
                "Revisions by which the slowest watch stream is behind.", (double)stats.lag);
    metrics_one(page, "confreg_watch_ring_commits", METRIC_GAUGE,
                "Newest commits kept in memory for watches.", (double)stats.ring_commits);
    metrics_one(page, "confreg_watch_ring_memory_bytes", METRIC_GAUGE,
                "Memory used by the newest commits.", (double)stats.ring_bytes);
    metrics_one(page, "confreg_watch_held_memory_bytes", METRIC_GAUGE,
                "Memory outside of the ring that lagging streams hold.", (double)stats.held_bytes);
}

static void add_relay(struct relay *relay, struct str *page)
{
    static const char *const roles[] = {
        [RELAY_CONNECTING] = "connecting",
        [RELAY_PUBLISHING] = "publishing",
        [RELAY_STANDING_BY] = "standing_by",
    };
    struct relay_report report;
    relay_report(relay, &report);
    metrics_one(page, "confreg_notifications_total", METRIC_COUNTER,
                "Changes published on the bus.", (double)report.published);
    metrics_one(page, "confreg_relay_lag_commits", METRIC_GAUGE,
                "Commits that are not published on the bus yet.", (double)report.behind);
    metrics_family(page, "confreg_relay_role", METRIC_GAUGE,
                   "1 for the relay's role: connecting, publishing, or standing by.");
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        struct metric_labels labels = {{{"role", roles[i]}}};
        metrics_sample(page, "confreg_relay_role", &labels, report.role == i);
    }
}

/* ---- All of it ---- */

static void add_build(const struct store *store, struct str *page)
{
    struct metric_labels labels = {{{"version", CONFREG_VERSION}, {"store", store->ops->scheme}}};
    metrics_family(page, "confreg_build_info", METRIC_GAUGE, "1; the labels describe the build.");
    metrics_sample(page, "confreg_build_info", &labels, 1);
}

void node_metrics(const struct node_parts *parts, struct str *page)
{
    add_build(parts->store, page);
    add_calls(parts->server, page);
    access_metrics(parts->access, "confreg", page);
    limits_metrics(parts->limits, "confreg", page);
    if (parts->tls != NULL) {
        tls_server_metrics(parts->tls, "confreg", page);
    }
    call_logs_metrics(parts->logs, "confreg", page);
    add_registry(parts->registry, page);
    add_commits(parts->committer, parts->store, page);
    add_store_reads(parts->pool, page);
    add_watches(parts->hub, page);
    add_relay(parts->relay, page);
    process_metrics(page);
}
