/* A typed client for confreg.v1.RegistryService and grpc.health.v1.Health, on top of rpc_client.h.
 *
 * Every unary method is a row of REGISTRY_METHODS; the streaming method Watch is
 * registry_client_watch_open.
 *
 * Threads: calls may be started on any thread. All callbacks run on the client's own thread and
 * must not block. */
#ifndef CLIENT_REGISTRY_CLIENT_H
#define CLIENT_REGISTRY_CLIENT_H

#include "confreg/v1/registry_service.pb-c.h"
#include "failover.h"
#include "grpc/health/v1/health.pb-c.h"
#include "mem.h"
#include "rpc_client.h"

/* X(name in capitals, path, type of the request, type of the response). Types are spelled as in the
 * names of protoc-c's descriptors. */
#define REGISTRY_METHOD_ROW(X, NAME, Method, snake)                                                \
    X(NAME, "/confreg.v1.RegistryService/" #Method, confreg__v1__##snake##_request,                \
      confreg__v1__##snake##_response)
#define REGISTRY_METHODS(X)                                                                        \
    REGISTRY_METHOD_ROW(X, CREATE_CONFIG, CreateConfig, create_config)                             \
    REGISTRY_METHOD_ROW(X, UPDATE_CONFIG, UpdateConfig, update_config)                             \
    REGISTRY_METHOD_ROW(X, DELETE_CONFIG, DeleteConfig, delete_config)                             \
    REGISTRY_METHOD_ROW(X, ROLLBACK_CONFIG, RollbackConfig, rollback_config)                       \
    REGISTRY_METHOD_ROW(X, UNDELETE_CONFIG, UndeleteConfig, undelete_config)                       \
    REGISTRY_METHOD_ROW(X, COMMIT_CHANGES, CommitChanges, commit_changes)                          \
    REGISTRY_METHOD_ROW(X, WRITE_CONFIGS, WriteConfigs, write_configs)                             \
    REGISTRY_METHOD_ROW(X, GET_CONFIG, GetConfig, get_config)                                      \
    REGISTRY_METHOD_ROW(X, BATCH_GET_CONFIGS, BatchGetConfigs, batch_get_configs)                  \
    REGISTRY_METHOD_ROW(X, LIST_CONFIGS, ListConfigs, list_configs)                                \
    REGISTRY_METHOD_ROW(X, LIST_VERSIONS, ListVersions, list_versions)                             \
    REGISTRY_METHOD_ROW(X, DIFF_VERSIONS, DiffVersions, diff_versions)                             \
    REGISTRY_METHOD_ROW(X, DIFF_CONFIGS, DiffConfigs, diff_configs)                                \
    REGISTRY_METHOD_ROW(X, LIST_COMMITS, ListCommits, list_commits)                                \
    REGISTRY_METHOD_ROW(X, SET_SCHEMA, SetSchema, set_schema)                                      \
    REGISTRY_METHOD_ROW(X, GET_SCHEMA, GetSchema, get_schema)                                      \
    REGISTRY_METHOD_ROW(X, LIST_SCHEMAS, ListSchemas, list_schemas)                                \
    REGISTRY_METHOD_ROW(X, DELETE_SCHEMA, DeleteSchema, delete_schema)                             \
    REGISTRY_METHOD_ROW(X, LIST_SCHEMA_VERSIONS, ListSchemaVersions, list_schema_versions)         \
    REGISTRY_METHOD_ROW(X, DIFF_SCHEMAS, DiffSchemas, diff_schemas)                                \
    REGISTRY_METHOD_ROW(X, TRY_SCHEMA, TrySchema, try_schema)                                      \
    REGISTRY_METHOD_ROW(X, FIND_BROKEN, FindBroken, find_broken)                                   \
    REGISTRY_METHOD_ROW(X, FIND_SECRETS, FindSecrets, find_secrets)                                \
    REGISTRY_METHOD_ROW(X, COMPACT, Compact, compact)                                              \
    REGISTRY_METHOD_ROW(X, WATCH_PROGRESS, WatchProgress, watch_progress)                          \
    REGISTRY_METHOD_ROW(X, GET_STATUS, GetStatus, get_status)                                      \
    REGISTRY_METHOD_ROW(X, GET_ACCESS, GetAccess, get_access)                                      \
    X(CHECK_HEALTH, "/grpc.health.v1.Health/Check", grpc__health__v1__health_check_request,        \
      grpc__health__v1__health_check_response)

#define REGISTRY_METHOD_ENUM(NAME, path, request, response) REGISTRY_##NAME,
enum registry_method { REGISTRY_METHODS(REGISTRY_METHOD_ENUM) REGISTRY_METHOD_COUNT };

/* A text as a member of a message: protobuf-c's are not const, but encoding does not change them.
 * NULL: "". */
static inline char *registry_text(const char *borrowed)
{
    return (char *)(uintptr_t)(borrowed == NULL ? "" : borrowed);
}

/* The method of a name, without its service: "GetConfig", "Check". False: there is none. */
bool registry_method_find(const char *name, enum registry_method *ret_method);
/* The type of a method's requests. */
const ProtobufCMessageDescriptor *registry_method_request(enum registry_method method);

struct registry_client;

struct registry_client_options {
    const char *const *addresses; /* of servers that share one registry; see rpc_client_open */
    size_t n_addresses;           /* at least one */
    const struct tls_client_settings *tls; /* NULL: no TLS */
    /* Proves who the client is by a bearer token, the only line of a file, which is read again when
     * it changes. A file that cannot be used later is logged, and the token before stays in use.
     * NULL: none. */
    const char *token_file;
    const char *token_name;     /* what messages call that file; NULL: "--server-token-file" */
    const struct log_sink *log; /* as for rpc_client_open */
    /* The most that a user of a watch holds of a snapshot or a commit that has not come to its end,
     * and how large a response of a watch may be, in bytes as decoded; 0: 256 MiB. A server that is
     * broken, or none of ours, can send without an end. */
    size_t max_watch_bytes;
    const char *max_watch_name; /* what messages call that; NULL: "--max-watch-bytes" */
};

/* Does not connect: the first call does, and later calls reconnect. Fails as rpc_client_open does,
 * and with UNAVAILABLE, reason TOKEN_FILE_BROKEN: the file of the token cannot be used.
 *
 * With several addresses calls go to one of them, at first a random one, until it cannot be reached
 * (failover.h). */
bool registry_client_new(const struct registry_client_options *options,
                         struct registry_client **ret_client, struct status *st);
/* How long a call that has failed with UNAVAILABLE should wait before it is tried again: a random
 * time (full jitter) that grows while no server can be reached. Any thread. */
int64_t registry_client_pause_ms(struct registry_client *client);
/* Whether the client has more than one address. */
bool registry_client_has_choice(const struct registry_client *client);
/* Reads the files of TLS and the token again soon. Any thread. */
void registry_client_reload(struct registry_client *client);
/* Cancels open calls and returns after their callbacks. NULL is ignored. Must not be called from a
 * callback. */
void registry_client_free(struct registry_client *client);
MEM_CLEANUP(struct registry_client, registry_client_free)

/* On whose behalf a gateway calls. Texts are borrowed until the start function returns. */
struct registry_caller {
    const char *authorization; /* his header's value; NULL: none */
    /* Whether the client speaks for him by the role gateway. False: only the token is passed on, as
     * if the caller had called himself. */
    bool is_delegated;
    const char *certificate; /* the name that his certificate proves; "": none */
    const char *peer;        /* his address */
};

/* The end of a call. Exactly one of response and st is NULL.
 * response: of the method's type, owned by the callback; free it on any thread with
 * protobuf_c_message_free_unpacked(response, NULL).
 * st: borrowed. The server's status, with reason, field and info; UNAVAILABLE: the server was not
 * reached, or the connection was lost; DEADLINE_EXCEEDED; CANCELLED: by registry_client_free;
 * INTERNAL MALFORMED_MESSAGE: the response could not be decoded. */
typedef void registry_client_done(void *user, ProtobufCMessage *response, const struct status *st);

/* A call to be made, and how. */
struct registry_call {
    enum registry_method method;
    const ProtobufCMessage *request; /* of the method's type; encoded before the call has started */
    int64_t timeout_ms;              /* 0: no time-out */
    bool patient; /* wait while the server is away, instead of UNAVAILABLE; one address only */
    const struct registry_caller *caller; /* on whose behalf; NULL: on the client's own */
    const char *trace;                    /* the header traceparent; NULL or "": none */
};

/* Starts a call; done is called exactly once. */
void registry_client_start(struct registry_client *client, const struct registry_call *call,
                           registry_client_done *done, void *user);
/* The same for a call that does not wait for a server that is away. */
void registry_client_call(struct registry_client *client, enum registry_method method,
                          const ProtobufCMessage *request, int64_t timeout_ms,
                          registry_client_done *done, void *user);
/* The same on behalf of a caller; NULL: on the client's own. */
void registry_client_call_for(struct registry_client *client, const struct registry_caller *caller,
                              enum registry_method method, const ProtobufCMessage *request,
                              int64_t timeout_ms, registry_client_done *done, void *user);

/* A watch: memory of the caller, which must stay valid until done returns. */
struct registry_watch {
    /* Receives a response, which the callback owns. Returns false to cancel the watch. */
    bool (*response)(struct registry_watch *watch, Confreg__V1__WatchResponse *response);
    /* The end of the watch; called once. st: NULL if the server ended the stream with OK, else as
     * for registry_client_done; borrowed. */
    void (*done)(struct registry_watch *watch, const struct status *st);
    size_t n_bytes; /* what the last response takes in memory; for registry_watch_hold */
    /* Private to registry_client.c. */
    struct registry_client *client;
    struct failover_choice choice;
    bool malformed, is_too_large;
};

/* Adds the response that was just received to *held, for a user that keeps it. False: that is more
 * than max_watch_bytes, RESOURCE_EXHAUSTED WATCH_TOO_LARGE. */
bool registry_watch_hold(const struct registry_watch *watch, size_t *held, struct status *st);
/* In done: whether that was the end, as a single response was larger. */
static inline bool registry_watch_is_too_large(const struct registry_watch *watch)
{
    return watch->is_too_large;
}

/* Opens a watch on behalf of a caller (NULL: on the client's own). patient: wait until the server
 * can be reached, instead of ending with UNAVAILABLE; has no effect on a client with several
 * addresses, whose next watch goes to another one. Returns a handle for rpc_client_cancel, which
 * is valid until done returns; that may be before this function returns. */
struct rpc_client_call *registry_client_watch_open(struct registry_client *client,
                                                   const struct registry_caller *caller,
                                                   const Confreg__V1__WatchRequest *request,
                                                   bool patient, struct registry_watch *watch);

/* Runs a task on the client's thread; see rpc_client_post. */
void registry_client_post(struct registry_client *client, struct rpc_task *task);
/* Run timer->fn on the client's thread at time at_ns of clock_monotonic_ns(). Setting a timer that
 * is set moves it; clearing one that is not set does nothing. Only on the client's thread. */
void registry_client_set_timer(struct registry_client *client, struct rpc_timer *timer,
                               int64_t at_ns);
void registry_client_clear_timer(struct registry_client *client, struct rpc_timer *timer);

#endif
