/* libconfreg: a client of the configuration registry confreg, for C and for whatever can call C.
 *
 *     struct confreg_client_options options = CONFREG_CLIENT_OPTIONS_INIT;
 *     const char *addresses[] = {"127.0.0.1:50051"};
 *     options.addresses = addresses;
 *     options.n_addresses = 1;
 *     struct confreg_error error;
 *     struct confreg_client *client = confreg_client_new(&options, &error);
 *     const struct confreg_config *config =
 *         confreg_get(client, "prod", "billing", NULL, &error);
 *     if (config != NULL) {
 *         puts(confreg_config_data(config));
 *     }
 *     confreg_config_unref(config);
 *     confreg_client_free(client);
 *
 * What holds for all functions, unless one says something else:
 *
 * - Threads: any thread may call any function, at the same time as others. Only a handle that is
 *   being freed must not be used any more.
 * - Texts are UTF-8 and NUL-terminated. Those that are given are borrowed until the function
 *   returns. Those that are returned by accessors live as long as their handle.
 * - Times are milliseconds.
 * - Errors: a function that fails returns NULL or false and fills *error, which may be NULL. On
 *   success *error stays as it was.
 * - Options: NULL means the defaults. Initialise a struct with its CONFREG_…_INIT: its size tells
 *   the library which members the program knows, so that later versions can add some at the end.
 * - Blocking: functions that wait for a server say so, and end at their deadline.
 * - Callbacks run on one thread of the library, one at a time for each client. They may block,
 *   which delays only the callbacks of that client. In a callback all functions may be called that
 *   do not block; those that do fail with FAILED_PRECONDITION, reason IN_CALLBACK, if they would
 *   wait for the client whose callback it is.
 *
 * The library never writes to standard error, changes no signal handler, and leaves the settings of
 * gRPC's core, which the process may share with others, as they are. (The core itself can write
 * lines; GRPC_VERBOSITY=NONE in the environment silences it.) It asserts what it believes of
 * itself, and ends the process, with a line on standard error, where an assertion fails, memory has
 * run out or the system gives no thread or random bytes; whatever a server or a caller sends it, it
 * returns an error.
 *
 * Fork: threads and connections do not survive it. In a child of a process that has ever made a
 * client, a client that was inherited can only be freed, and no new one can be made: every function
 * that needs a server fails at once with FAILED_PRECONDITION, reason FORKED. Fork first, or exec.
 *
 * Unloading: dlclose returns, but the library stays in memory, as gRPC's threads may still run. */
#ifndef CONFREG_H
#define CONFREG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CONFREG_API __attribute__((visibility("default")))

/* ---- Version ---- */

/* Of the header: 0xMMmmpp, major, minor, patch. */
#define CONFREG_VERSION_NUMBER 0x000100
/* Of the library that runs; at least that of the header where it was found by its SONAME. */
CONFREG_API int confreg_version(void);
/* The same as text, "0.1.0". */
CONFREG_API const char *confreg_version_text(void);

/* ---- Errors ---- */

/* gRPC's codes (https://grpc.io/docs/guides/status-codes/). */
enum confreg_code {
    CONFREG_OK = 0,
    CONFREG_CANCELLED = 1,
    CONFREG_UNKNOWN = 2,
    CONFREG_INVALID_ARGUMENT = 3,
    CONFREG_DEADLINE_EXCEEDED = 4,
    CONFREG_NOT_FOUND = 5,
    CONFREG_ALREADY_EXISTS = 6,
    CONFREG_PERMISSION_DENIED = 7,
    CONFREG_RESOURCE_EXHAUSTED = 8,
    CONFREG_FAILED_PRECONDITION = 9,
    CONFREG_ABORTED = 10,
    CONFREG_OUT_OF_RANGE = 11,
    CONFREG_UNIMPLEMENTED = 12,
    CONFREG_INTERNAL = 13,
    CONFREG_UNAVAILABLE = 14,
    CONFREG_DATA_LOSS = 15,
    CONFREG_UNAUTHENTICATED = 16
};

#define CONFREG_REASON_SIZE 64
#define CONFREG_FIELD_SIZE 160

/* Why something failed. Plain data of the caller: it may be copied, and needs no initialisation.
 * Its size never changes. */
struct confreg_error {
    int32_t code;                     /* enum confreg_code */
    int32_t reserved;                 /* 0 */
    int64_t retry_ms;                 /* when to try again at the earliest; 0: it is not said */
    char reason[CONFREG_REASON_SIZE]; /* for programs, such as "VERSION_MISMATCH"; "": none. The
                                         server's are in docs/protocol.md */
    char field[CONFREG_FIELD_SIZE];   /* path of the field of the request; "": none */
    char message[272];                /* for people */
};

/* "NOT_FOUND"; "UNKNOWN" for what is no code. */
CONFREG_API const char *confreg_code_name(int code);

/* ---- Texts ---- */

/* A text that the caller owns. */
struct confreg_text {
    char *data; /* NUL-terminated; NULL: there is none */
    size_t len; /* without the NUL; the text may have others */
};

/* Frees data and empties the struct. NULL is ignored. */
CONFREG_API void confreg_text_free(struct confreg_text *text);

/* ---- Client ---- */

struct confreg_client;

enum confreg_log_level {
    CONFREG_LOG_DEBUG = 0,
    CONFREG_LOG_INFO = 1,
    CONFREG_LOG_WARNING = 2,
    CONFREG_LOG_ERROR = 3
};

/* Hears of what no function returns, such as a token file that can no longer be read. line: logfmt,
 * "event=server_token_kept message=…", without time and line feed; borrowed until it returns.
 * Called as all callbacks; lines that come faster than it returns are dropped beyond 256. */
typedef void confreg_log(void *user, enum confreg_log_level level, const char *line);

struct confreg_client_options {
    size_t size;
    /* Servers of one registry: "HOST:PORT" or "unix:PATH". Calls go to one of them, at first a
     * random one, until it cannot be reached; then to the next one. Those that have failed are
     * tried again after random, growing pauses. */
    const char *const *addresses;
    size_t n_addresses;
    /* TLS is used if `tls` is true or one of the files is given. Files are PEM; they are read again
     * when they change. */
    bool tls;
    const char *ca_file;     /* whom to believe; NULL: the authorities of the system */
    const char *cert_file;   /* of the client, with key_file; NULL: none */
    const char *key_file;    /* without a passphrase */
    const char *server_name; /* the name in the server's certificate; NULL: the address's host */
    const char *token_file;  /* one line, a bearer token; read again when it changes; NULL: none */
    int64_t timeout_ms;      /* of calls without one of their own; 0: 10,000 */
    const char *author;      /* created_by of writes that name no author; NULL: none */
    confreg_log *log;        /* NULL: nobody hears */
    void *log_user;
    /* Send the token to other machines without TLS, too, where something else protects the network.
     */
    bool token_in_clear;
    /* How much of a snapshot or a commit that has not come to its end providers, watchers and
     * copies may hold, together, in bytes of memory; 0: 256 MiB. Beyond that they fail with
     * RESOURCE_EXHAUSTED, reason WATCH_TOO_LARGE, stay as they are, and try again. */
    uint64_t max_watch_bytes;
};
#define CONFREG_CLIENT_OPTIONS_INIT                                                                \
    {                                                                                              \
        sizeof(struct confreg_client_options), NULL, 0, false, NULL, NULL, NULL, NULL, NULL, 0,    \
            NULL, NULL, NULL, false, 0                                                             \
    }

/* Makes a client. Does not block, except to read the files, and does not connect: the first call
 * does. Fails with INVALID_ARGUMENT (an address or an option is wrong; TOKEN_IN_CLEAR: the token
 * would cross the network without TLS), UNAVAILABLE (a file cannot be used: TLS_FILE_BROKEN,
 * TOKEN_FILE_BROKEN) or FAILED_PRECONDITION (FORKED). */
CONFREG_API struct confreg_client *confreg_client_new(const struct confreg_client_options *options,
                                                      struct confreg_error *error);

/* Ends a client. Free what was made from it first. Calls that are open end with CANCELLED, and
 * their callbacks are called. Returns when all of them have returned, without waiting for any
 * server. In a callback of the client itself it returns at once; the client then ends on its own
 * thread after that callback. NULL is ignored. */
CONFREG_API void confreg_client_free(struct confreg_client *client);

/* ---- Calls: every method of the API, in JSON ---- */

struct confreg_call_options {
    size_t size;
    int64_t timeout_ms; /* 0: that of the client */
};
#define CONFREG_CALL_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(struct confreg_call_options), 0                                                     \
    }

/* Calls a method and waits for its response.
 *
 * method: a name of confreg.v1.RegistryService, such as "UpdateConfig", or "Check" of
 * grpc.health.v1.Health. Watch, which is a stream, is not among them. UNIMPLEMENTED, reason
 * METHOD_UNKNOWN: there is no such method.
 *
 * request: n bytes, an object in ProtoJSON (https://protobuf.dev/programming-guides/json/), with
 * one difference: fields of type bytes hold JSON, and are written as such:
 *     {"service_name": "billing", "config_data": {"pool": 8}}
 * Names of members are those of the .proto files or their lowerCamelCase. NULL: {}. At most 64 MiB.
 *
 * The response is written by the same rules, with the names of the .proto files, and without
 * members that have their default value.
 *
 * Retries: a call that has not reached a server, or has lost it, is made again at the next address
 * until the deadline, after a random, growing pause. A write is safe to repeat,
 * because it carries a request id: the one in the request, or one that the library has made. Then
 * the error is that of the last try.
 *
 * Blocks until the deadline at most. The text is the caller's; ret_response may be NULL. */
CONFREG_API bool confreg_call(struct confreg_client *client, const char *method,
                              const char *request, size_t n,
                              const struct confreg_call_options *options,
                              struct confreg_text *ret_response, struct confreg_error *error);

/* The end of a call. error: NULL: it has succeeded. Both are borrowed until the callback returns.
 */
typedef void confreg_call_done(void *user, const struct confreg_text *response,
                               const struct confreg_error *error);

/* The same without waiting: done is called exactly once, whatever happens, on the thread of
 * callbacks, and possibly before this has returned. (In a child of a fork it is called at once,
 * with FORKED.) Where the client is being freed, the error is CANCELLED, reason CLIENT_FREED: a
 * callback that started the call again would keep the client from ending. Does not block. */
CONFREG_API void confreg_call_start(struct confreg_client *client, const char *method,
                                    const char *request, size_t n,
                                    const struct confreg_call_options *options,
                                    confreg_call_done *done, void *user);

/* ---- Configs ---- */

/* A config, one of its versions, or what is left of a deleted one. Immutable and reference-counted:
 * it may be used on any thread and outlives its client. */
struct confreg_config;

/* Takes a reference and returns config. NULL is returned for NULL. */
CONFREG_API const struct confreg_config *confreg_config_ref(const struct confreg_config *config);
/* Releases a reference; the last one frees the config. NULL is ignored. */
CONFREG_API void confreg_config_unref(const struct confreg_config *config);

/* Never NULL. */
CONFREG_API const char *confreg_config_environment(const struct confreg_config *config);
CONFREG_API const char *confreg_config_service(const struct confreg_config *config);
/* 1, 2, 3 …; 0: the config is deleted. */
CONFREG_API uint64_t confreg_config_version(const struct confreg_config *config);
/* The commit that added this version. */
CONFREG_API uint64_t confreg_config_revision(const struct confreg_config *config);
/* The newest commit that changed the head; 0 for one of a list of versions. */
CONFREG_API uint64_t confreg_config_mod_revision(const struct confreg_config *config);
/* The epoch of these revisions; "": not known. */
CONFREG_API const char *confreg_config_epoch(const struct confreg_config *config);
/* The value, a JSON object; NULL: the payload was erased, compacted or not requested. */
CONFREG_API const char *confreg_config_data(const struct confreg_config *config);
CONFREG_API size_t confreg_config_data_len(const struct confreg_config *config);
/* The author, as the writer named himself; NULL: not given. */
CONFREG_API const char *confreg_config_author(const struct confreg_config *config);
CONFREG_API const char *confreg_config_comment(const struct confreg_config *config);
/* When this version was made, microseconds since 1970-01-01T00:00:00Z. */
CONFREG_API int64_t confreg_config_time_us(const struct confreg_config *config);

struct confreg_get_options {
    size_t size;
    int64_t timeout_ms;
    uint64_t version;      /* 0: the head */
    bool resolve;          /* merged over the config of environment "default" */
    bool include_deleted;  /* also a version that is not live */
    bool linearizable;     /* includes every write that any node acknowledged before */
    uint64_t min_revision; /* wait until the server has reached it */
    const char *epoch;     /* of min_revision; NULL: any */
};
#define CONFREG_GET_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(struct confreg_get_options), 0, 0, false, false, false, 0, NULL                     \
    }

/* The functions from here on block until the deadline at most, retry as confreg_call does, and fail
 * with the server's errors (docs/protocol.md). environment: NULL or "": "default". */

/* Returns a config: a reference. NOT_FOUND: it does not exist. */
CONFREG_API const struct confreg_config *confreg_get(struct confreg_client *client,
                                                     const char *environment, const char *service,
                                                     const struct confreg_get_options *options,
                                                     struct confreg_error *error);

/* Of all writes. INVALID_ARGUMENT, reason OPTION_UNUSED: one is set that the call has no use for.
 */
struct confreg_write_options {
    size_t size;
    int64_t timeout_ms;
    const char *author;        /* NULL: that of the client */
    const char *comment;       /* why */
    const char *request_id;    /* NULL: the library makes one */
    bool validate_only;        /* check everything, change nothing */
    bool allow_secrets;        /* write what looks like a secret; needs the role super-admin */
    bool allow_missing;        /* update: create what does not exist; delete: that is no error */
    bool erase;                /* delete: also remove the payloads of all versions, for good */
    uint64_t version;          /* delete: erase this version; rollback, undelete: the one to copy */
    uint64_t expected_version; /* ABORTED if the head has another one */
    uint64_t expected_revision; /* ABORTED if the head has another mod_revision */
    const char *expected_epoch; /* of expected_revision */
};
#define CONFREG_WRITE_OPTIONS_INIT                                                                 \
    {                                                                                              \
        sizeof(struct confreg_write_options), 0, NULL, NULL, NULL, false, false, false, false, 0,  \
            0, 0, NULL                                                                             \
    }

/* Writes return the new head: a reference. data: n bytes, a JSON object. ALREADY_EXISTS: create;
 * NOT_FOUND: update without allow_missing; ABORTED: something else was expected. */
CONFREG_API const struct confreg_config *
confreg_create(struct confreg_client *client, const char *environment, const char *service,
               const char *data, size_t n, const struct confreg_write_options *options,
               struct confreg_error *error);
CONFREG_API const struct confreg_config *
confreg_update(struct confreg_client *client, const char *environment, const char *service,
               const char *data, size_t n, const struct confreg_write_options *options,
               struct confreg_error *error);

enum confreg_patch_kind {
    CONFREG_MERGE_PATCH = 1, /* RFC 7396, an object */
    CONFREG_JSON_PATCH = 2   /* RFC 6902, an array of operations */
};
CONFREG_API const struct confreg_config *
confreg_patch(struct confreg_client *client, const char *environment, const char *service,
              enum confreg_patch_kind kind, const char *patch, size_t n,
              const struct confreg_write_options *options, struct confreg_error *error);

/* Adds a version with the value of options->version; 0: of the one before the head. */
CONFREG_API const struct confreg_config *
confreg_rollback(struct confreg_client *client, const char *environment, const char *service,
                 const struct confreg_write_options *options, struct confreg_error *error);
/* Brings a deleted config back, with its last value or that of options->version. */
CONFREG_API const struct confreg_config *
confreg_undelete(struct confreg_client *client, const char *environment, const char *service,
                 const struct confreg_write_options *options, struct confreg_error *error);

/* Deletes a config, or erases one version. NOT_FOUND: it does not exist, unless allow_missing. */
CONFREG_API bool confreg_delete(struct confreg_client *client, const char *environment,
                                const char *service, const struct confreg_write_options *options,
                                struct confreg_error *error);

/* Of lists and histories. INVALID_ARGUMENT, reason OPTION_UNUSED, as for writes. */
struct confreg_list_options {
    size_t size;
    int64_t timeout_ms;      /* of each page */
    const char *environment; /* lists: filters; NULL: everything */
    const char *service;
    const char *service_prefix;
    uint32_t page_size;   /* 0: 1,000 at most */
    bool without_data;    /* leave values out */
    bool show_deleted;    /* lists: also deleted configs, with version 0 */
    bool only_deleted;    /* lists: only those */
    bool include_deleted; /* histories: also versions that are not live */
    bool linearizable;    /* as in confreg_get_options, like the next two */
    uint64_t min_revision;
    const char *epoch;
};
#define CONFREG_LIST_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(struct confreg_list_options), 0, NULL, NULL, NULL, 0, false, false, false, false,   \
            false, 0, NULL                                                                         \
    }

/* Configs or versions that are got page by page. One thread at a time. Free it before its client.
 */
struct confreg_pages;

/* The configs, ordered by environment and service; all as of one revision. Does not call the server
 * yet, and so does not block. */
CONFREG_API struct confreg_pages *confreg_list(struct confreg_client *client,
                                               const struct confreg_list_options *options,
                                               struct confreg_error *error);
/* The versions of a config, newest first. Likewise. */
CONFREG_API struct confreg_pages *confreg_history(struct confreg_client *client,
                                                  const char *environment, const char *service,
                                                  const struct confreg_list_options *options,
                                                  struct confreg_error *error);
/* Returns the next one: a reference; NULL: the end. False: the next page could not be got; it may
 * be tried again. Blocks where a page is needed. */
CONFREG_API bool confreg_pages_next(struct confreg_pages *pages,
                                    const struct confreg_config **ret_config,
                                    struct confreg_error *error);
/* NULL is ignored. */
CONFREG_API void confreg_pages_free(struct confreg_pages *pages);

struct confreg_diff_options {
    size_t size;
    int64_t timeout_ms;
    uint64_t old_version;        /* 0: the second newest; with two environments: the head */
    uint64_t new_version;        /* 0: the newest */
    const char *new_environment; /* of new_version; NULL: the same */
    bool include_deleted;        /* also versions that are not live */
};
#define CONFREG_DIFF_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(struct confreg_diff_options), 0, 0, 0, NULL, false                                  \
    }

/* The difference of two versions as JSON: a Diff of registry.proto, written as confreg_call writes,
 * with the members `added`, `removed`, `changed` and `json_patch`. */
CONFREG_API bool confreg_diff(struct confreg_client *client, const char *environment,
                              const char *service, const struct confreg_diff_options *options,
                              struct confreg_text *ret_diff, struct confreg_error *error);

/* ---- What follows the registry: providers, watchers, copies ----
 *
 * All of a client share one stream, which is opened for the first one. It is resumed after any loss
 * of the connection, at another address, too; after a compaction, or with another epoch (a restored
 * backup), the client loads a new snapshot and compares. A server that hangs counts as away after
 * 1.5 s. Free them before their client. */

/* Which configs: all members that are not NULL or "" must match; none: all configs. */
struct confreg_selector {
    const char *environment;
    const char *service;
    const char *prefix; /* of the service's name */
};

enum confreg_state {
    CONFREG_LOADING = 0, /* the registry has not been read yet */
    CONFREG_READY = 1,
    CONFREG_STALE = 2 /* the registry is away: the values are the last known */
};

/* ---- Watcher ---- */

struct confreg_watcher;

enum confreg_change_kind {
    CONFREG_CREATE = 1, /* the first version, or the first one after a delete */
    CONFREG_UPDATE = 2,
    CONFREG_ROLLBACK = 3, /* a new version with the value of an older one */
    CONFREG_DELETE = 4,   /* of the config; or of its newest version: `config` is the one below */
    CONFREG_ERASE = 5,    /* a delete that also removed the value, for good */
    CONFREG_IMPORT = 6,   /* a version was imported, with its number */
    CONFREG_UNDELETE = 9
};

/* A change of a config. Borrowed until the callback returns; configs may be kept by a reference. */
struct confreg_change {
    enum confreg_change_kind kind; /* other values: of a later server */
    /* The steps between `previous` and `config` are not known: they were lost with a compaction or
     * another epoch, or several changes were made one (`latest_only`,
     * `queue_limit`). Also of the first state, see `first`. */
    bool synthetic;
    const char *environment;
    const char *service;
    uint64_t revision;
    const struct confreg_config *config;   /* as it is now; NULL: it was deleted */
    const struct confreg_config *previous; /* as it was before; NULL: it did not exist */
    const char *author;                    /* of the change; NULL: not given, or synthetic */
    const char *comment;
    int64_t time_us; /* 0: not known */
    /* JSON Pointers (RFC 6901) of what is different. More than 10,000 are one changed "": all of
     * it. Inside of what was added or removed nothing is listed. */
    const char *const *added;
    size_t n_added;
    const char *const *removed;
    size_t n_removed;
    const char *const *changed;
    size_t n_changed;
};

typedef void confreg_change_callback(void *user, const struct confreg_change *change);
/* The registry cannot be watched now; the watcher tries on by itself. */
typedef void confreg_error_callback(void *user, const struct confreg_error *error);

struct confreg_watcher_options {
    size_t size;
    /* False: every change, in order. True: of changes of a config that wait for the callback only
     * the newest. */
    bool latest_only;
    bool first; /* first tell the configs that are there, as synthetic CONFREG_CREATE */
    /* Changes that may wait for a slow callback; 0: 1,000. From then on until it has caught up,
     * those of one config are made one, as with `latest_only`. */
    size_t queue_limit;
    confreg_error_callback *on_failure; /* NULL: nobody hears */
};
#define CONFREG_WATCHER_OPTIONS_INIT                                                               \
    {                                                                                              \
        sizeof(struct confreg_watcher_options), false, false, 0, NULL                              \
    }

/* Makes a watcher of the configs that one of n selectors selects. It watches when it has been
 * started; the state that it finds then is no change. Does not block. INVALID_ARGUMENT: there is no
 * selector or no callback, or an option is wrong. */
CONFREG_API struct confreg_watcher *
confreg_watcher_new(struct confreg_client *client, const struct confreg_selector *selectors,
                    size_t n, const struct confreg_watcher_options *options,
                    confreg_change_callback *callback, void *user, struct confreg_error *error);
/* Watches, and calls back as all callbacks of the client are. Does not block. FAILED_PRECONDITION:
 * it was started before. */
CONFREG_API bool confreg_watcher_start(struct confreg_watcher *watcher,
                                       struct confreg_error *error);
/* Watches, and calls back on this thread; returns true after confreg_watcher_stop. Blocks.
 * FAILED_PRECONDITION: it was started before, or this is a callback of the client (IN_CALLBACK). */
CONFREG_API bool confreg_watcher_run(struct confreg_watcher *watcher, struct confreg_error *error);
/* Waits until the watcher knows the state that its changes begin from. DEADLINE_EXCEEDED: the
 * registry did not answer; the message says why. Blocks. */
CONFREG_API bool confreg_watcher_wait_ready(struct confreg_watcher *watcher, int64_t timeout_ms,
                                            struct confreg_error *error);
/* Ends it, for good. No callback begins any more; one that runs is not waited for. Any thread, also
 * in its callback, and before it was started. */
CONFREG_API void confreg_watcher_stop(struct confreg_watcher *watcher);
/* Stops and frees it. Waits for a callback that runs, but not in that callback, where it returns at
 * once. Not while another thread is in confreg_watcher_run: stop it first. NULL is ignored. */
CONFREG_API void confreg_watcher_free(struct confreg_watcher *watcher);

/* ---- Provider: the settings of one service ---- */

struct confreg_provider;
/* The values as of one version. Immutable and reference-counted; outlives its provider. */
struct confreg_snapshot;

typedef void confreg_state_callback(void *user, enum confreg_state state);

struct confreg_provider_options {
    size_t size;
    /* How long the registry may be away until the state is CONFREG_STALE; 0: 60,000. Values change
     * at once when the registry does. */
    int64_t stale_after_ms;
    bool resolve; /* merge the config over that of environment "default" */
    /* Where the config has no key `db_host`, the environment variable PREFIX + "DB_HOST" counts.
     * The environment is read once, when the provider is made. NULL: it does not count. */
    const char *env_prefix;
    /* A file that keeps the last values, for a start while the registry is away: mode 0600, with a
     * checksum, replaced at once. One that is damaged, or of another config, counts as none. NULL:
     * none. */
    const char *last_known_good;
    /* Quick changes may be told as one. NULL: nobody hears. */
    confreg_state_callback *on_state;
    void *user;
    /* In strings of the config, ${env:NAME} stands for an environment variable and ${file:PATH} for
     * the content of a regular file without white space at its end, of at most 1 MiB of UTF-8. A
     * key in whose value one leads nowhere counts as missing, which is logged. The environment is
     * read once, when the provider is made; files each time that the config changes.
     * last_known_good keeps the references. Who may write the config can read the program's
     * variables and files by this. */
    bool references;
    /* How soon the content of a file that has been replaced counts; 0: 10,000. While one cannot be
     * used the values stay as they are, which is logged once. */
    int64_t references_ttl_ms;
};
#define CONFREG_PROVIDER_OPTIONS_INIT                                                              \
    {                                                                                              \
        sizeof(struct confreg_provider_options), 0, false, NULL, NULL, NULL, NULL, false, 0        \
    }

/* Makes a provider, which follows the registry from now on. environment: NULL or "": "default".
 * Does not wait for the registry, which may be away; reads last_known_good. INVALID_ARGUMENT: an
 * option is wrong. */
CONFREG_API struct confreg_provider *
confreg_provider_new(struct confreg_client *client, const char *service, const char *environment,
                     const struct confreg_provider_options *options, struct confreg_error *error);
/* Waits for a callback of it that runs, but not in that callback. NULL is ignored. */
CONFREG_API void confreg_provider_free(struct confreg_provider *provider);

/* Waits until the registry has been read. A config that does not exist has no values. False:
 * DEADLINE_EXCEEDED; the message says why. Blocks. */
CONFREG_API bool confreg_provider_wait_ready(struct confreg_provider *provider, int64_t timeout_ms,
                                             struct confreg_error *error);
/* Reads the registry now. On success the values are at least as new as the call, and never older
 * than they were. Fails as confreg_get does; the values stay. timeout_ms 0: that of the client.
 * Blocks. */
CONFREG_API bool confreg_provider_refresh(struct confreg_provider *provider, int64_t timeout_ms,
                                          struct confreg_error *error);
CONFREG_API enum confreg_state confreg_provider_state(struct confreg_provider *provider);
/* Why the registry, or the last-known file, cannot be used now. False: nothing is wrong. */
CONFREG_API bool confreg_provider_last_error(struct confreg_provider *provider,
                                             struct confreg_error *ret_error);

/* Getters. They never fail and never wait: a value that is not there, or is of another type, is the
 * fallback. They take no lock, and a thread never gets an older value after a newer one. Not in a
 * signal handler.
 *
 * path: a key of the config, or a JSON Pointer where it begins with '/': "/db/hosts/0".
 *
 * bool    strings "true", "1", "yes", "on" in any case are true, all others false; a number is true
 *         unless 0, a list or an object unless empty; null is false
 * int64   a number without its fraction; true is 1, false 0; a string that is a whole number; white
 *         space around it and '_' between digits are ignored
 * double  likewise
 * duration_ms  a number is milliseconds; a string such as "250ms", "1.5s", "1h30m" (ms, s, m, h, d)
 * size    bytes; a string such as "64KiB", "10MB", "1.5G" (kB, MB, GB, TB are powers of 1000, all
 *         others of 1024)
 * string  a string as it is
 * json    any value, as JSON; also lists and objects */
CONFREG_API bool confreg_provider_get_bool(struct confreg_provider *provider, const char *path,
                                           bool fallback);
CONFREG_API int64_t confreg_provider_get_int64(struct confreg_provider *provider, const char *path,
                                               int64_t fallback);
CONFREG_API double confreg_provider_get_double(struct confreg_provider *provider, const char *path,
                                               double fallback);
CONFREG_API int64_t confreg_provider_get_duration_ms(struct confreg_provider *provider,
                                                     const char *path, int64_t fallback);
CONFREG_API int64_t confreg_provider_get_size(struct confreg_provider *provider, const char *path,
                                              int64_t fallback);
/* Copies the text and a NUL to buffer, cut where it has no room. Returns the length of the whole
 * text, as snprintf does. buffer may be NULL where size is 0. fallback NULL: "". */
CONFREG_API size_t confreg_provider_get_string(struct confreg_provider *provider, const char *path,
                                               const char *fallback, char *buffer, size_t size);
CONFREG_API size_t confreg_provider_get_json(struct confreg_provider *provider, const char *path,
                                             const char *fallback, char *buffer, size_t size);

/* The present values, so that several getters see one version: a reference, never NULL. */
CONFREG_API struct confreg_snapshot *confreg_provider_snapshot(struct confreg_provider *provider);
/* NULL is ignored. */
CONFREG_API void confreg_snapshot_unref(struct confreg_snapshot *snapshot);

CONFREG_API bool confreg_snapshot_get_bool(const struct confreg_snapshot *snapshot,
                                           const char *path, bool fallback);
CONFREG_API int64_t confreg_snapshot_get_int64(const struct confreg_snapshot *snapshot,
                                               const char *path, int64_t fallback);
CONFREG_API double confreg_snapshot_get_double(const struct confreg_snapshot *snapshot,
                                               const char *path, double fallback);
CONFREG_API int64_t confreg_snapshot_get_duration_ms(const struct confreg_snapshot *snapshot,
                                                     const char *path, int64_t fallback);
CONFREG_API int64_t confreg_snapshot_get_size(const struct confreg_snapshot *snapshot,
                                              const char *path, int64_t fallback);
/* Borrowed from the snapshot, or the fallback. */
CONFREG_API const char *confreg_snapshot_get_string(const struct confreg_snapshot *snapshot,
                                                    const char *path, const char *fallback);
/* Borrowed from the snapshot and not NUL-terminated: *ret_len bytes. NULL: there is no value. path
 * "": the whole config. */
CONFREG_API const char *confreg_snapshot_get_json(const struct confreg_snapshot *snapshot,
                                                  const char *path, size_t *ret_len);
/* Members of an object, items of a list; 0 of anything else. */
CONFREG_API size_t confreg_snapshot_count(const struct confreg_snapshot *snapshot,
                                          const char *path);
/* The version of the config; 0: there is none. With `resolve` that of the environment's config, or
 * of the one in "default" where the environment has none. */
CONFREG_API uint64_t confreg_snapshot_version(const struct confreg_snapshot *snapshot);
/* The newest commit that changed it (with `resolve`, one of the two), and its epoch; 0 and "": not
 * known. A delete that was before the first reading is not known. */
CONFREG_API uint64_t confreg_snapshot_revision(const struct confreg_snapshot *snapshot);
CONFREG_API const char *confreg_snapshot_epoch(const struct confreg_snapshot *snapshot);

/* ---- Copy: selected configs in memory, as the gateway has them ---- */

struct confreg_copy;

/* The copy at the time of a read. */
struct confreg_copy_view {
    enum confreg_state state; /* stale: as soon as the stream is lost or silent */
    char epoch[20];           /* "" while loading */
    uint64_t revision;        /* the copy is as of this revision */
    int64_t age_ms;           /* since it was last ready; 0 while it is */
};

/* Makes a copy of the configs that one of n selectors selects. Does not block. */
CONFREG_API struct confreg_copy *confreg_copy_new(struct confreg_client *client,
                                                  const struct confreg_selector *selectors,
                                                  size_t n, struct confreg_error *error);
/* NULL is ignored. */
CONFREG_API void confreg_copy_free(struct confreg_copy *copy);
/* Waits until the copy is complete. DEADLINE_EXCEEDED; the message says why. Blocks. */
CONFREG_API bool confreg_copy_wait_ready(struct confreg_copy *copy, int64_t timeout_ms,
                                         struct confreg_error *error);
/* Reads; they do not use the network. ret_view may be NULL. */
CONFREG_API void confreg_copy_look(struct confreg_copy *copy, struct confreg_copy_view *ret_view);
/* A reference; NULL: there is no such config in the copy. environment: NULL or "": "default". */
CONFREG_API const struct confreg_config *confreg_copy_get(struct confreg_copy *copy,
                                                          const char *environment,
                                                          const char *service,
                                                          struct confreg_copy_view *ret_view);
/* The configs that the selector selects (NULL: all of the copy), by environment and service, as of
 * one revision: an array of references. Returns how many; free it with confreg_configs_free. */
CONFREG_API size_t confreg_copy_list(struct confreg_copy *copy,
                                     const struct confreg_selector *selector,
                                     const struct confreg_config *const **ret_configs,
                                     struct confreg_copy_view *ret_view);
/* Releases the references and the array. */
CONFREG_API void confreg_configs_free(const struct confreg_config *const *configs, size_t n);

#ifdef __cplusplus
}
#endif

#endif
