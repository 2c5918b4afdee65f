/* Calls of confreg.v1.RegistryService, and of the health service beside it: a typed layer over rpc.
 *
 * Every unary method is a row of CLIENT_METHODS; Watch, which streams, is client_watch_open.
 *
 * Threads. Calls may be started from any thread. Answers come on the client's own thread, where
 * nothing may block. */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "confreg/v1/registry_service.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "rpc_client.h"

/* X(name in capitals, path, type of the request, type of the answer); types as protoc-c spells
 * their descriptors. */
#define CLIENT_REGISTRY(X, NAME, Method, snake)                                                    \
    X(NAME, "/confreg.v1.RegistryService/" #Method, confreg__v1__##snake##_request,                \
      confreg__v1__##snake##_response)
#define CLIENT_METHODS(X)                                                                          \
    CLIENT_REGISTRY(X, CREATE_CONFIG, CreateConfig, create_config)                                 \
    CLIENT_REGISTRY(X, UPDATE_CONFIG, UpdateConfig, update_config)                                 \
    CLIENT_REGISTRY(X, DELETE_CONFIG, DeleteConfig, delete_config)                                 \
    CLIENT_REGISTRY(X, ROLLBACK_CONFIG, RollbackConfig, rollback_config)                           \
    CLIENT_REGISTRY(X, COMMIT_CHANGES, CommitChanges, commit_changes)                              \
    CLIENT_REGISTRY(X, WRITE_CONFIGS, WriteConfigs, write_configs)                                 \
    CLIENT_REGISTRY(X, GET_CONFIG, GetConfig, get_config)                                          \
    CLIENT_REGISTRY(X, BATCH_GET_CONFIGS, BatchGetConfigs, batch_get_configs)                      \
    CLIENT_REGISTRY(X, LIST_CONFIGS, ListConfigs, list_configs)                                    \
    CLIENT_REGISTRY(X, LIST_VERSIONS, ListVersions, list_versions)                                 \
    CLIENT_REGISTRY(X, DIFF_VERSIONS, DiffVersions, diff_versions)                                 \
    CLIENT_REGISTRY(X, COMPACT, Compact, compact)                                                  \
    CLIENT_REGISTRY(X, WATCH_PROGRESS, WatchProgress, watch_progress)                              \
    CLIENT_REGISTRY(X, GET_STATUS, GetStatus, get_status)                                          \
    X(CHECK_HEALTH, "/grpc.health.v1.Health/Check", grpc__health__v1__health_check_request,        \
      grpc__health__v1__health_check_response)

#define CLIENT_METHOD_ENUM(NAME, path, request, response) CLIENT_##NAME,
enum client_method { CLIENT_METHODS(CLIENT_METHOD_ENUM) CLIENT_METHOD_COUNT };

struct client;

/* Connects on the first call; a connection that was lost is made again by later calls. address as
 * rpc_client_new takes it: INVALID_ARGUMENT where it is none. */
bool client_new(const char *address, struct client **ret_client, struct status *st);
/* Calls that are open end with CANCELLED; returns after their callbacks. NULL is ignored. Not from
 * a callback. */
void client_free(struct client *client);

/* One of the two is NULL. response is of the method's type and owned by the callback, which gives
 * it back with protobuf_c_message_free_unpacked(response, NULL), on whatever thread. st is
 * borrowed: what the server said, with reason, field and info; UNAVAILABLE where it could not be
 * reached or stopped meanwhile; DEADLINE_EXCEEDED; INTERNAL with reason MALFORMED_MESSAGE where the
 * answer made no sense. */
typedef void client_done(void *user, ProtobufCMessage *response, const struct status *st);

/* Starts a call; done comes exactly once. request, of the method's type, is encoded at once. There
 * is no queueing while the server is away. timeout_ms 0: none. */
void client_call(struct client *client, enum client_method method, const ProtobufCMessage *request,
                 int64_t timeout_ms, client_done *done, void *user);

/* A watch: the caller's memory, which has to stay until done returns. */
struct client_watch {
    /* A response came; it is owned by the callback. Returns false to cancel the watch. */
    bool (*response)(struct client_watch *watch, Confreg__V1__WatchResponse *response);
    /* The watch is over, in whatever way: st is NULL where the server ended it regularly, else as
     * of a call; borrowed. Once. */
    void (*done)(struct client_watch *watch, const struct status *st);
    bool malformed; /* client's own */
};

/* Opens a watch. With `patient` it waits until the server can be reached, else it ends with
 * UNAVAILABLE where that is not so. The handle is for rpc_client_cancel, and valid until done
 * returns, which may be before this function does. */
struct rpc_client_call *client_watch_open(struct client *client,
                                          const Confreg__V1__WatchRequest *request, bool patient,
                                          struct client_watch *watch);

/* Runs timer->fn on the client's thread at at_ns of clock_monotonic_ns(). Setting a timer that is
 * set moves it; clearing one that is not set does nothing. The client's thread only. */
void client_set_timer(struct client *client, struct rpc_timer *timer, int64_t at_ns);
void client_clear_timer(struct client *client, struct rpc_timer *timer);

#endif
