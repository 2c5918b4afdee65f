/* Calls of confreg.v1.RegistryService, and of the health service beside it: a typed layer over rpc.
 *
 * Every unary method is a row of REGISTRY_METHODS; Watch is registry_client_watch_open.
 *
 * Threads. Calls may be started from any thread. Answers come on the client's own thread, where
 * nothing may block. */
#ifndef CLIENT_REGISTRY_CLIENT_H
#define CLIENT_REGISTRY_CLIENT_H

#include "confreg/v1/registry_service.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "rpc_client.h"

/* X(name in capitals, path, type of the request, type of the answer); types as protoc-c spells
 * their descriptors. */
#define REGISTRY_METHOD_ROW(X, NAME, Method, snake)                                                \
    X(NAME, "/confreg.v1.RegistryService/" #Method, confreg__v1__##snake##_request,                \
      confreg__v1__##snake##_response)
#define REGISTRY_METHODS(X)                                                                        \
    REGISTRY_METHOD_ROW(X, CREATE_CONFIG, CreateConfig, create_config)                             \
    REGISTRY_METHOD_ROW(X, UPDATE_CONFIG, UpdateConfig, update_config)                             \
    REGISTRY_METHOD_ROW(X, DELETE_CONFIG, DeleteConfig, delete_config)                             \
    REGISTRY_METHOD_ROW(X, ROLLBACK_CONFIG, RollbackConfig, rollback_config)                       \
    REGISTRY_METHOD_ROW(X, COMMIT_CHANGES, CommitChanges, commit_changes)                          \
    REGISTRY_METHOD_ROW(X, WRITE_CONFIGS, WriteConfigs, write_configs)                             \
    REGISTRY_METHOD_ROW(X, GET_CONFIG, GetConfig, get_config)                                      \
    REGISTRY_METHOD_ROW(X, BATCH_GET_CONFIGS, BatchGetConfigs, batch_get_configs)                  \
    REGISTRY_METHOD_ROW(X, LIST_CONFIGS, ListConfigs, list_configs)                                \
    REGISTRY_METHOD_ROW(X, LIST_VERSIONS, ListVersions, list_versions)                             \
    REGISTRY_METHOD_ROW(X, DIFF_VERSIONS, DiffVersions, diff_versions)                             \
    REGISTRY_METHOD_ROW(X, COMPACT, Compact, compact)                                              \
    REGISTRY_METHOD_ROW(X, WATCH_PROGRESS, WatchProgress, watch_progress)                          \
    REGISTRY_METHOD_ROW(X, GET_STATUS, GetStatus, get_status)                                      \
    X(CHECK_HEALTH, "/grpc.health.v1.Health/Check", grpc__health__v1__health_check_request,        \
      grpc__health__v1__health_check_response)

#define REGISTRY_METHOD_ENUM(NAME, path, request, response) REGISTRY_##NAME,
enum registry_method { REGISTRY_METHODS(REGISTRY_METHOD_ENUM) REGISTRY_METHOD_COUNT };

struct registry_client;

/* Connects on the first call; a connection that was lost is made again by later calls. address as
 * rpc_client_new takes it: INVALID_ARGUMENT where it is none. */
bool registry_client_new(const char *address, struct registry_client **ret_client,
                         struct status *st);
/* Calls that are open end with CANCELLED; returns after their callbacks. NULL is ignored. Not from
 * a callback. */
void registry_client_free(struct registry_client *client);

/* One of the two is NULL. response is of the method's type and owned by the callback, which gives
 * it back with protobuf_c_message_free_unpacked(response, NULL), on whatever thread. st is
 * borrowed: what the server said, with reason, field and info; UNAVAILABLE where it could not be
 * reached or stopped meanwhile; DEADLINE_EXCEEDED; INTERNAL with reason MALFORMED_MESSAGE where the
 * answer made no sense. */
typedef void registry_client_done(void *user, ProtobufCMessage *response, const struct status *st);

/* Starts a call; done comes exactly once. request, of the method's type, is encoded at once. There
 * is no queueing while the server is away. timeout_ms 0: none. */
void registry_client_call(struct registry_client *client, enum registry_method method,
                          const ProtobufCMessage *request, int64_t timeout_ms,
                          registry_client_done *done, void *user);

/* A watch: the caller's memory, which has to stay until done returns. */
struct registry_watch {
    /* A response came; it is owned by the callback. Returns false to cancel the watch. */
    bool (*response)(struct registry_watch *watch, Confreg__V1__WatchResponse *response);
    /* The watch is over, in whatever way: st is NULL where the server ended it regularly, else as
     * of a call; borrowed. Once. */
    void (*done)(struct registry_watch *watch, const struct status *st);
    bool malformed; /* client's own */
};

/* Opens a watch. With `patient` it waits until the server can be reached, else it ends with
 * UNAVAILABLE where that is not so. The handle is for rpc_client_cancel, and valid until done
 * returns, which may be before this function does. */
struct rpc_client_call *registry_client_watch_open(struct registry_client *client,
                                                   const Confreg__V1__WatchRequest *request,
                                                   bool patient, struct registry_watch *watch);

/* Runs timer->fn on the client's thread at at_ns of clock_monotonic_ns(). Setting a timer that is
 * set moves it; clearing one that is not set does nothing. The client's thread only. */
void registry_client_set_timer(struct registry_client *client, struct rpc_timer *timer,
                               int64_t at_ns);
void registry_client_clear_timer(struct registry_client *client, struct rpc_timer *timer);

#endif
