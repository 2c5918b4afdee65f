#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fixture.h"
#include "leak_check.h"

static void teardown(void)
{
    fixture_teardown();
    leak_check();
}

TestSuite(server, .init = fixture_setup, .fini = teardown, .timeout = 240);
TestSuite(unstarted, .init = fixture_prepare, .fini = teardown, .timeout = 240);

static struct rpc_server *new_server(void)
{
    struct rpc_server *server;
    struct status st;
    cr_assert(rpc_server_new(&fixture.options, &server, &st), "%s", st.message);
    return server;
}

/* ---- Addresses ---- */

static void expect_no_listening(const char *address, enum status_code code)
{
    struct rpc_server *server = new_server();
    struct status st = {.code = STATUS_OK};
    int port = -1;
    cr_expect(!rpc_server_listen(server, address, &port, &st), "%s", address);
    cr_expect_eq(st.code, code, "%s: %s", address, st.message);
    cr_expect_not_null(strstr(st.message, address), "%s: %s", address, st.message);
    cr_expect_eq(port, -1);
    rpc_server_free(server);
}

Test(unstarted, addresses_that_are_none)
{
    static const char *const addresses[] = {
        "",        ":1",    "127.0.0.1",    "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
        "::1:80",  "[]:1",  "unix:",        "http://a:1", "h:999999999", "127.0.0.1:-1",
        "[::1:80", "a/b:1", "127.0.0.1:1 ",
    };
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        expect_no_listening(addresses[i], STATUS_INVALID_ARGUMENT);
        struct rpc_client *client;
        struct status st;
        cr_expect(!rpc_client_to(addresses[i], NULL, &client, &st));
        cr_expect_eq(st.code, STATUS_INVALID_ARGUMENT);
    }
    char path[200] = "unix:/tmp/";
    memset(path + strlen(path), 'x', 150);
    expect_no_listening(path, STATUS_INVALID_ARGUMENT);
}

Test(server, a_port_in_use)
{
    expect_no_listening(fixture.address, STATUS_UNAVAILABLE);
}

Test(unstarted, an_address_of_another_machine)
{
    expect_no_listening("192.0.2.1:1", STATUS_UNAVAILABLE);
    expect_no_listening("unix:/no/such/folder/socket", STATUS_UNAVAILABLE);
}

Test(unstarted, a_mode_is_for_who_listens)
{
    struct rpc_client *client;
    struct status st;
    cr_expect(!rpc_client_to("unix:/tmp/x?mode=0660", NULL, &client, &st));
    cr_expect_eq(st.code, STATUS_INVALID_ARGUMENT);
    cr_expect_not_null(strstr(st.message, "mode"), "%s", st.message);
}

/* Returns the code of the answer. */
static enum status_code echo(struct rpc_client *client)
{
    Rpc__Test__EchoRequest request = echo_request("hello");
    AUTO_ANSWER answer = call_and_wait(client, &(struct rpc_request){.path = "/rpc.test.Echo/Echo",
                                                                     .message = &request.base,
                                                                     .wait_for_ready = true});
    return answer.ok ? STATUS_OK : answer.st.code;
}

static void expect_echo(struct rpc_client *client)
{
    cr_expect_eq(echo(client), STATUS_OK);
}

static void expect_service_at(const char *address)
{
    struct rpc_client *client;
    struct status st;
    cr_assert(rpc_client_to(address, NULL, &client, &st), "%s", st.message);
    expect_echo(client);
    rpc_client_free(client);
}

/* The peer of a call, as the server at the address sees it. */
static void expect_peer_at(const char *address, const char *peer)
{
    struct rpc_client *client;
    struct status st;
    cr_assert(rpc_client_to(address, NULL, &client, &st), "%s", st.message);
    Rpc__Test__EchoRequest request = echo_request("");
    AUTO_ANSWER answer =
        call_and_wait(client, &(struct rpc_request){.path = "/rpc.test.Echo/Describe",
                                                    .message = &request.base,
                                                    .wait_for_ready = true});
    Rpc__Test__EchoResponse *response = echo_response(&answer);
    cr_expect_eq(strncmp(response->text, peer, strlen(peer)), 0, "%s", response->text);
    rpc__test__echo_response__free_unpacked(response, NULL);
    rpc_client_free(client);
}

Test(unstarted, a_unix_socket_belongs_to_one_server_at_a_time)
{
    char folder[] = "/tmp/rpc-test-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    char address[64];
    char file[64];
    snprintf(address, sizeof address, "unix:%s/socket", folder);
    for (int round = 0; round < 2; round++) {
        struct rpc_server *server = new_server();
        struct status st;
        int port = -1;
        rpc_server_add(server, &fixture.service);
        cr_assert(rpc_server_listen(server, address, &port, &st), "%s", st.message);
        cr_expect_eq(port, 0);
        rpc_server_start(server);
        expect_no_listening(address, STATUS_UNAVAILABLE);
        expect_service_at(address);
        expect_peer_at(address, "unix:");
        rpc_server_stop(server, 1000);
        rpc_server_free(server);
    }
    snprintf(file, sizeof file, "%s/socket", folder);
    cr_expect_neq(access(file, F_OK), 0);
    cr_expect_eq(rmdir(folder), 0, "nothing stays behind");
}

Test(unstarted, a_server_listens_at_several_addresses)
{
    struct rpc_server *server = new_server();
    int ports[2];
    rpc_server_add(server, &fixture.service);
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        struct status st;
        cr_assert(rpc_server_listen(server, i == 0 ? "127.0.0.1:0" : "localhost:0", &ports[i], &st),
                  "%s", st.message);
    }
    rpc_server_start(server);
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        char address[32];
        snprintf(address, sizeof address, "localhost:%d", ports[i]);
        expect_service_at(address);
    }
    rpc_server_stop(server, 1000);
    rpc_server_free(server);
}

/* Checks the peer that the server at `listen` reports for a client that connects to the host
 * `from`. */
static void expect_peer(const char *listen, const char *from, const char *peer)
{
    struct rpc_server *server = new_server();
    struct status st;
    int port = 0;
    rpc_server_add(server, &fixture.service);
    cr_assert(rpc_server_listen(server, listen, &port, &st), "%s", st.message);
    rpc_server_start(server);
    char address[32];
    snprintf(address, sizeof address, "%s:%d", from, port);
    expect_peer_at(address, peer);
    rpc_server_stop(server, 1000);
    rpc_server_free(server);
}

Test(unstarted, a_peer_is_named_by_its_address)
{
    expect_peer("0.0.0.0:0", "127.0.0.1", "ipv4:127.0.0.1:");
    if (access("/proc/net/if_inet6", F_OK) == 0) {
        expect_peer("[::1]:0", "[::1]", "ipv6:[::1]:");
        expect_peer("[::]:0", "127.0.0.1", "ipv4:127.0.0.1:");
    } else {
        expect_no_listening("[::1]:0", STATUS_UNAVAILABLE);
    }
}

/* ---- Life ---- */

Test(unstarted, a_server_that_never_ran_can_be_freed)
{
    rpc_server_free(NULL);
    rpc_client_free(NULL);
    rpc_server_free(new_server());
    struct rpc_server *server = new_server();
    struct status st;
    rpc_server_add(server, &fixture.service);
    rpc_server_add_health(server);
    cr_assert(rpc_server_listen(server, "127.0.0.1:0", NULL, &st), "%s", st.message);
    rpc_server_free(server);
}

Test(unstarted, a_broken_descriptor_set)
{
    struct rpc_server *server;
    struct status st;
    fixture.options.descriptor_set_size--;
    cr_assert(!rpc_server_new(&fixture.options, &server, &st));
    cr_expect_eq(st.code, STATUS_INTERNAL);
}

Test(unstarted, a_missing_entry_is_a_bug, .signal = SIGABRT)
{
    struct rpc_service service = fixture.service;
    service.n_methods--;
    rpc_server_add(new_server(), &service);
}

Test(unstarted, a_kind_that_is_not_the_descriptors_is_a_bug, .signal = SIGABRT)
{
    struct rpc_method methods[8];
    struct rpc_service service = fixture.service;
    memcpy(methods, service.methods, service.n_methods * sizeof methods[0]);
    methods[0].kind = RPC_SERVER_STREAM;
    service.methods = methods;
    rpc_server_add(new_server(), &service);
}

Test(server, a_client_finds_a_server_that_comes_back)
{
    struct status st;
    expect_echo(fixture.client);
    rpc_server_stop(fixture.server, 1000);
    rpc_server_free(fixture.server);
    fixture.server = new_server();
    rpc_server_add(fixture.server, &fixture.service);
    cr_assert(rpc_server_listen(fixture.server, fixture.address, NULL, &st), "%s", st.message);
    rpc_server_start(fixture.server);
    /* A call that begins before the client sees the end of its connection fails with it. */
    enum status_code code = echo(fixture.client);
    for (int n = 0; code == STATUS_UNAVAILABLE && n < 100; n++) {
        code = echo(fixture.client);
    }
    cr_expect_eq(code, STATUS_OK);
}

Test(server, a_server_that_is_away_is_told_or_waited_for)
{
    Rpc__Test__EchoRequest message = echo_request("");
    struct rpc_request request = {.path = "/rpc.test.Echo/Echo", .message = &message.base};
    rpc_server_stop(fixture.server, 1000);
    AUTO_ANSWER at_once = call_and_wait(fixture.client, &request);
    cr_expect(!at_once.ok && at_once.st.code == STATUS_UNAVAILABLE);
    request.wait_for_ready = true;
    request.timeout_ms = 150;
    AUTO_ANSWER late = call_and_wait(fixture.client, &request);
    cr_expect(!late.ok && late.st.code == STATUS_DEADLINE_EXCEEDED);
}

Test(server, a_client_with_the_minimal_stack_works_and_keeps_deadlines)
{
    struct rpc_client *client;
    struct status st;
    const struct rpc_client_options options = {.minimal_stack = true};
    cr_assert(rpc_client_to(fixture.address, &options, &client, &st));
    expect_echo(client);
    Rpc__Test__EchoRequest message = echo_request("");
    AUTO_ANSWER answer = call_and_wait(client, &(struct rpc_request){.path = "/rpc.test.Echo/Hold",
                                                                     .message = &message.base,
                                                                     .timeout_ms = 100});
    cr_expect(!answer.ok && answer.st.code == STATUS_DEADLINE_EXCEEDED);
    rpc_client_free(client);
    counter_wait(&fixture.held, 1);
    rpc_fail(fixture.hold, &answer.st);
}

/* ---- Posts ---- */

struct post {
    struct rpc_task task;
    struct counter *done;
    size_t number;
    bool in_order;
};

static void run_post(struct rpc_task *task)
{
    struct post *post = CONTAINER_OF(task, struct post, task);
    post->in_order = counter_get(post->done) == post->number;
    counter_add(post->done);
}

Test(server, posts_run_without_any_stream)
{
    static struct post posts[5000];
    struct counter done;
    counter_init(&done);
    for (size_t i = 0; i < COUNT_OF(posts); i++) {
        posts[i] = (struct post){{run_post, NULL}, &done, i, false};
        rpc_server_post(fixture.server, &posts[i].task);
    }
    counter_wait(&done, COUNT_OF(posts));
    for (size_t i = 0; i < COUNT_OF(posts); i++) {
        cr_expect(posts[i].in_order);
    }
    rpc_server_stop(fixture.server, 1000);
    rpc_server_post(fixture.server, &posts[0].task);
    cr_expect_eq(counter_get(&done), COUNT_OF(posts));
}

/* ---- Stopping ---- */

struct held_call {
    struct answer answer;
    struct counter done;
};

static void held_done(void *user, const struct status *st, const uint8_t *bytes, size_t size)
{
    struct held_call *held = user;
    (void)bytes;
    (void)size;
    held->answer.ok = st == NULL;
    if (st != NULL) {
        held->answer.st = *st;
    }
    counter_add(&held->done);
}

static void start_held(struct held_call *held)
{
    Rpc__Test__EchoRequest request = echo_request("");
    *held = (struct held_call){.answer.ok = false};
    counter_init(&held->done);
    rpc_client_unary(fixture.client,
                     &(struct rpc_request){.path = "/rpc.test.Echo/Hold", .message = &request.base},
                     held_done, held);
    counter_wait(&fixture.held, 1);
}

static void *stop(void *grace_ms)
{
    rpc_server_stop(fixture.server, *(int64_t *)grace_ms);
    return NULL;
}

static void reply_when_stopping(void)
{
    Rpc__Test__EchoResponse response = RPC__TEST__ECHO_RESPONSE__INIT;
    rpc_reply(fixture.hold, &response.base);
}

Test(server, a_call_may_end_within_the_grace)
{
    struct held_call held;
    struct reader reader = {0};
    int64_t grace_ms = 60000;
    pthread_t stopper;
    start_held(&held);
    reader_start(&reader, fixture.client, 0);
    counter_wait(&fixture.opened, 1);
    pthread_create(&stopper, NULL, stop, &grace_ms);
    counter_wait(&fixture.closed, 1); /* so it is stopping */
    reply_when_stopping();
    counter_wait(&held.done, 1);
    cr_expect(held.answer.ok, "%s", held.answer.st.message);
    pthread_join(stopper, NULL);
}

Test(server, a_call_that_outlasts_the_grace_is_told)
{
    struct held_call held;
    int64_t grace_ms = 20;
    pthread_t stopper;
    start_held(&held);
    pthread_create(&stopper, NULL, stop, &grace_ms);
    counter_wait(&held.done, 1);
    cr_expect(!held.answer.ok && held.answer.st.code == STATUS_UNAVAILABLE, "%d %s",
              held.answer.st.code, held.answer.st.message);
    cr_expect_str_eq(held.answer.st.reason, "SHUTTING_DOWN");
    while (!rpc_call_is_over(fixture.hold)) {
        sched_yield();
    }
    reply_when_stopping(); /* the stop waits for it, and drops it */
    pthread_join(stopper, NULL);
}

/* A client that calls again as soon as a call has ended, over the stop of the server, until it
 * cannot reach one any more. */
struct persistent {
    struct rpc_client *client;
    bool streams;
    struct counter *answered; /* calls that succeeded */
    struct counter *begun;    /* streams that were opened */
    struct counter *told;     /* calls that ended with SHUTTING_DOWN */
    struct counter *given_up; /* calls that ended without a reason of the server */
    enum status_code last;
};

static void call_again(struct persistent *p);

static void take_end(struct persistent *p, const struct status *st)
{
    bool goes_on = st == NULL || strcmp(st->reason, "SHUTTING_DOWN") == 0;
    p->last = st == NULL ? STATUS_OK : st->code;
    if (st == NULL) {
        counter_add(p->answered);
    } else if (goes_on) {
        counter_add(p->told);
    }
    if (goes_on && (st == NULL || st->code == STATUS_UNAVAILABLE)) {
        call_again(p);
    } else {
        counter_add(p->given_up);
    }
}

static void take_answer(void *user, const struct status *st, const uint8_t *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    take_end(user, st);
}

static void end_stream(void *user, const struct status *st)
{
    take_end(user, st);
}

static bool take_number(void *user, const uint8_t *bytes, size_t size)
{
    struct persistent *p = user;
    (void)bytes;
    (void)size;
    counter_add(p->begun);
    return true;
}

static void call_again(struct persistent *p)
{
    static const struct rpc_client_stream_ops ops = {.message = take_number, .done = end_stream};
    Rpc__Test__EchoRequest echo = echo_request("again");
    Rpc__Test__CountRequest count = RPC__TEST__COUNT_REQUEST__INIT;
    if (p->streams) {
        rpc_client_stream(
            p->client,
            &(struct rpc_request){.path = "/rpc.test.Echo/Count", .message = &count.base}, &ops, p);
    } else {
        rpc_client_unary(
            p->client, &(struct rpc_request){.path = "/rpc.test.Echo/Echo", .message = &echo.base},
            take_answer, p);
    }
}

/* A stopping server does not cancel calls: those that it accepts end with SHUTTING_DOWN, later ones
 * find no connection. */
Test(server, a_server_that_stops_cancels_no_call)
{
    enum { CLIENTS = 4, CALLS = 32 };
    static struct persistent callers[CALLS];
    struct rpc_client *clients[CLIENTS];
    struct counter answered, begun, told, given_up;
    struct status st;
    counter_init(&answered);
    counter_init(&begun);
    counter_init(&told);
    counter_init(&given_up);
    fixture_release(1);
    for (size_t i = 0; i < CLIENTS; i++) {
        cr_assert(rpc_client_to(fixture.address, NULL, &clients[i], &st), "%s", st.message);
    }
    for (size_t i = 0; i < CALLS; i++) {
        callers[i] = (struct persistent){.client = clients[i % CLIENTS],
                                         .streams = i % (2 * CLIENTS) >= CLIENTS,
                                         .answered = &answered,
                                         .begun = &begun,
                                         .told = &told,
                                         .given_up = &given_up};
        call_again(&callers[i]);
    }
    counter_wait(&begun, CALLS / 2);
    counter_wait(&answered, 20 * CALLS);
    rpc_server_stop(fixture.server, 60000);
    counter_wait(&given_up, CALLS);
    for (size_t i = 0; i < CALLS; i++) {
        cr_expect_eq(callers[i].last, STATUS_UNAVAILABLE, "%d", callers[i].last);
    }
    cr_expect_geq(counter_get(&told), CALLS / 2, "each stream is told, at least");
    for (size_t i = 0; i < CLIENTS; i++) {
        rpc_client_free(clients[i]);
    }
}

/* ---- Keeping connections alive ---- */

static struct rpc_client *pinging_client(int64_t every_ms)
{
    const struct rpc_client_options options = {.keepalive_ms = every_ms};
    struct rpc_client *client;
    struct status st;
    cr_assert(rpc_client_to(fixture.address, &options, &client, &st));
    return client;
}

Test(server, pings_that_are_too_frequent_end_the_connection)
{
    struct rpc_client *client = pinging_client(20);
    struct reader reader = {0};
    reader_start(&reader, client, 20000);
    counter_wait(&reader.ended, 1);
    cr_expect(!reader.ok && reader.st.code == STATUS_UNAVAILABLE, "%d %s", reader.st.code,
              reader.st.message);
    rpc_client_free(client);
}

Test(unstarted, pings_that_are_allowed_do_not)
{
    fixture.options.min_client_ping_ms = 20;
    fixture_start();
    struct rpc_client *client = pinging_client(20);
    struct reader reader = {0};
    reader_start(&reader, client, 500);
    counter_wait(&reader.ended, 1);
    cr_expect(!reader.ok && reader.st.code == STATUS_DEADLINE_EXCEEDED, "%d %s", reader.st.code,
              reader.st.message);
    rpc_client_free(client);
}

/* Sends the HTTP/2 preface and settings, and nothing more. */
static int connect_silently(void)
{
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    struct sockaddr_in to = {.sin_family = AF_INET};
    to.sin_port = htons((uint16_t)atoi(strchr(fixture.address, ':') + 1));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)(void *)&to, sizeof to), 0);
    cr_assert_eq(write(fd, hello, sizeof hello), (ssize_t)sizeof hello);
    return fd;
}

Test(unstarted, a_peer_that_does_not_answer_pings_is_given_up)
{
    fixture.options.keepalive_ms = 50;
    fixture.options.keepalive_timeout_ms = 50;
    fixture_start();
    int fd = connect_silently();
    char bytes[256];
    while (read(fd, bytes, sizeof bytes) > 0) {
    }
    close(fd);
}
