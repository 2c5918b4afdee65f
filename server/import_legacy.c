#include "import_legacy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "endpoints.h"
#include "log.h"
#include "mem.h"
#include "options.h"
#include "signals.h"
#include "store_open.h"
#include "take_over.h"

#define MAX_DEPTH 64
#define OLD_DATABASE "mongodb://127.0.0.1:27017/copilot_config"

struct import_settings {
    const char *from, *collection, *store, *secrets_folder;
    uint64_t max_payload_bytes;
};

static enum options_result read_settings(struct import_settings *s, int argc, char **argv)
{
    const struct option_row rows[] = {
        {"from", OPTION_TEXT, &s->from, NULL, "URI",
         "The old database: mongodb://[USER:PASSWORD@]HOST:PORT/DATABASE. It is only read. The "
         "default is mongodb://127.0.0.1:27017/copilot_config, unless DOCUMENT_DATABASE_HOST is "
         "set.",
         0, 0, NULL},
        {"collection", OPTION_TEXT, &s->collection, "configs", "NAME",
         "The collection in that database, with one document per version.", 0, 0, NULL},
        {"store", OPTION_TEXT, &s->store, NULL, "STORE",
         "The store to import into, as --store of confregd; DOCUMENT_DATABASE_HOST is used, too. "
         "No server may use a SQLite store meanwhile.",
         0, 0, NULL},
        {"secrets-dir", OPTION_TEXT, &s->secrets_folder, "/run/secrets", "FOLDER",
         "Folder of the files document_database_user and document_database_password, with "
         "credentials that the addresses do not contain. Variables with these names in upper case "
         "are used, too.",
         0, 0, NULL},
        {"max-payload", OPTION_BYTES, &s->max_payload_bytes, "1M", "BYTES",
         "The largest config_data, as --max-payload of confregd.", 64, 8u << 20, NULL},
    };
    const struct option_table table = {
        .program = "confregd import-legacy",
        .summary = "Imports the configurations of the service that confreg replaces. Every version "
                   "keeps its number, author, comment and time. An import can be repeated: "
                   "existing versions are left alone.",
        .prefix = "CONFREG",
        .rows = rows,
        .n_rows = COUNT_OF(rows),
    };
    return options_parse(&table, argc, argv);
}

static void print_refusal(void *user, const char *what, const struct status *why)
{
    (void)user;
    printf("refused: %s: %s\n", what, why->message);
}

static bool open_store(const char *address, struct store **ret_store, struct status *st)
{
    if (!store_open(address, ret_store, st)) {
        return false;
    }
    if ((*ret_store)->is_new) {
        log_event(LOG_WARNING, "new_registry", "message",
                  "there was no store: created a new, empty registry", NULL);
    }
    return true;
}

static bool run(const struct import_settings *s, struct take_over_report *report, struct status *st)
{
    AUTO(free) char *from = NULL;
    AUTO(free) char *to = NULL;
    const struct json_limits limits = {.max_bytes = s->max_payload_bytes, .max_depth = MAX_DEPTH};
    AUTO(old_configs_close) struct old_configs *old = NULL;
    AUTO(store_close) struct store *store = NULL;
    /* Both addresses are found as confregd finds its --store. */
    return endpoints_store(s->from, OLD_DATABASE, s->secrets_folder, &from, st) &&
           endpoints_store(s->store, "sqlite:confreg.db", s->secrets_folder, &to, st) &&
           old_configs_open(from, s->collection, &old, st) && open_store(to, &store, st) &&
           take_over(old, store, &limits, print_refusal, NULL, report, st);
}

int import_legacy(int argc, char **argv)
{
    struct import_settings settings = {0};
    enum options_result result = read_settings(&settings, argc, argv);
    if (result != OPTIONS_RUN) {
        return result == OPTIONS_EXIT_OK ? EXIT_SUCCESS : 2;
    }
    struct take_over_report report = {0};
    struct status st;
    signals_start(EXIT_FAILURE); /* an interrupted import is continued by the next run */
    bool ok = run(&settings, &report, &st);
    if (!ok) {
        log_event(LOG_ERROR, "cannot_import", "code", status_code_name(st.code), "reason",
                  st.reason, "message", st.message, NULL);
    }
    printf("imported: %" PRIu64 "\nof these with suspected secrets: %" PRIu64
           "\nalready there: %" PRIu64 "\nrefused: %" PRIu64 "\n",
           report.imported, report.suspect, report.there, report.refused);
    return ok && report.refused == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
