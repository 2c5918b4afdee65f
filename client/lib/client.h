/* A client of the public interface, as the other files of the library see it. */
#ifndef LIB_CLIENT_H
#define LIB_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "callbacks.h"
#include "confreg.h"
#include "log.h"
#include "registry_client.h"

struct client_call;
struct shared_watch;

struct confreg_client {
    struct registry_client *registry;
    struct callbacks *callbacks;
    struct shared_watch *watch; /* of providers, watchers and copies */
    int64_t timeout_ms;
    char *author; /* NULL: none */
    struct log_sink sink;
    confreg_log *log; /* NULL: nobody hears */
    void *log_user;
    atomic_uint n_log_lines; /* that wait for log */

    atomic_bool closing;
    LIST_HEAD(, client_call) pauses; /* calls between two tries; only the thread of `registry` */
    pthread_mutex_t lock;            /* of the next two */
    pthread_cond_t quiet;
    unsigned n_starting; /* threads that are about to use `registry` */
};

/* Whether a server can be called: false in a child of a fork (FORKED). `blocks`: the caller is
 * going to wait, which a callback of the client must not (IN_CALLBACK). */
bool client_check(const struct confreg_client *client, bool blocks, struct confreg_error *error);

/* Brackets the use of client->registry. False: the client is being freed, and must not be used. Any
 * thread. */
bool client_enter(struct confreg_client *client);
void client_leave(struct confreg_client *client);

#endif
