/* A server on a free port with the service of echo.proto, and a client of it, made for each test.
 *
 * Count streams give the numbers from 1 to what the test has released; what a test wants to see of
 * them it waits for here. */
#ifndef TESTS_RPC_FIXTURE_H
#define TESTS_RPC_FIXTURE_H

#include <pthread.h>

#include "echo.pb-c.h"
#include "rpc_client_to.h"
#include "rpc_server.h"

/* Something that is counted by rpc's threads and waited for by the test. */
struct counter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t n;
};
void counter_init(struct counter *counter);
void counter_add(struct counter *counter);
/* Until it has reached n. */
void counter_wait(struct counter *counter, size_t n);
size_t counter_get(struct counter *counter);

struct fixture {
    struct rpc_server *server;
    struct rpc_client *client;
    struct rpc_service service;
    struct rpc_server_options options; /* may be changed before fixture_start */
    char address[64];
    struct status refusal; /* what Fail answers with */

    struct counter held; /* Hold calls; the last is: */
    struct rpc_call *hold;
    struct counter cancelled; /* Hold calls that ended before they were answered */

    /* Count streams. */
    struct counter opened, asked, closed, released;
    pthread_mutex_t lock; /* guards the rest */
    struct count *live;   /* streams that are open */
    uint64_t limit;       /* numbers up to this may be given */
    bool end;             /* behind it the stream ends, with refusal where it has a code */
    size_t padding;       /* bytes in each message */
};

extern struct fixture fixture;

void fixture_prepare(void);
/* Listens, starts the server and makes the client. */
void fixture_start(void);
void fixture_setup(void);
void fixture_teardown(void);

/* Lets the numbers up to n go out and kicks the streams. */
void fixture_release(uint64_t n);
/* Lets the streams end behind that. */
void fixture_end_streams(void);
/* A reference to one of the open streams. */
struct rpc_stream *fixture_any_stream(void);

/* ---- Calls that wait ---- */

struct answer {
    bool ok;
    struct status st;
    struct buf *bytes;
};

struct answer call_and_wait(struct rpc_client *client, const struct rpc_request *request);
/* Of the echo service, on the fixture's client, without a deadline. */
struct answer call_method(const char *method, const ProtobufCMessage *message);
void answer_fini(struct answer *answer);

static inline void answer_auto_fini(struct answer *answer)
{
    answer_fini(answer);
}
#define AUTO_ANSWER __attribute__((cleanup(answer_auto_fini))) struct answer

/* An EchoRequest with this text. */
Rpc__Test__EchoRequest echo_request(const char *text);

/* The response; owned by the caller. */
Rpc__Test__EchoResponse *echo_response(const struct answer *answer);

/* A Count stream as its client sees it. */
struct reader {
    struct rpc_client_call *call;
    struct counter messages;
    struct counter ended;
    uint64_t last; /* number */
    bool in_order; /* each was the one before plus one */
    bool cancel_on_message;
    struct counter *gate; /* where set, the first messages are held up until it has counted */
    bool ok;
    struct status st;
};

void reader_start_at(struct reader *reader, struct rpc_client *client, const char *path,
                     const ProtobufCMessage *request, int64_t timeout_ms);
void reader_start(struct reader *reader, struct rpc_client *client, int64_t timeout_ms);

#endif
