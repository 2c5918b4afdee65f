/* The account of a server is told of each call. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "leak_check.h"

/* The ends told, each as "METHOD CODE REASON NOTE REQUEST-BYTES RESPONSE-BYTES". */
static struct {
    struct counter ended;
    char lines[8][160];
} told;

static atomic_bool closed;

static bool open(void *user, const struct rpc_call *call, struct status *st)
{
    (void)user;
    cr_assert_str_eq(rpc_call_service(call), "rpc.test.Echo");
    return !atomic_load(&closed) ||
           status_set(st, STATUS_UNAVAILABLE, "ACCOUNT_CLOSED", "no call can be noted");
}

static void begun(void *user, struct rpc_call *call, const ProtobufCMessage *request,
                  void **ret_note)
{
    (void)user;
    (void)call;
    bool is_echo = request->descriptor == &rpc__test__echo_request__descriptor;
    const Rpc__Test__EchoRequest *echo = (const void *)request;
    *ret_note = mem_string(is_echo ? echo->text : "a stream");
}

/* Nobody is admitted. */
static bool admit(void *user, struct rpc_call *call, const struct rpc_service *service,
                  const struct rpc_method *method, void **ret_caller, struct status *st)
{
    (void)user;
    (void)call;
    (void)service;
    (void)method;
    (void)ret_caller;
    return status_set(st, STATUS_UNAUTHENTICATED, "CREDENTIALS_MISSING", "who is it");
}

static bool allow(void *user, struct rpc_call *call, const struct rpc_service *service,
                  const struct rpc_method *method, const ProtobufCMessage *request,
                  struct status *st)
{
    (void)user;
    (void)call;
    (void)service;
    (void)method;
    (void)request;
    (void)st;
    return true;
}

static void release(void *caller)
{
    (void)caller;
}

static void ended(void *user, const struct rpc_call_end *end)
{
    (void)user;
    size_t n = counter_get(&told.ended);
    cr_assert_lt(n, COUNT_OF(told.lines));
    cr_expect_geq(end->duration_ns, 0);
    cr_expect(strncmp(rpc_call_peer(end->call), "ipv4:127.0.0.1:", 15) == 0);
    snprintf(told.lines[n], sizeof told.lines[n], "%s %s %s (%s) %zu %zu",
             rpc_call_method(end->call), status_code_name(end->code), end->reason,
             end->note == NULL ? "" : (const char *)end->note, (size_t)end->request_bytes,
             (size_t)end->response_bytes);
    free(end->note);
    counter_add(&told.ended);
}

static const struct rpc_account account = {.open = open, .begun = begun, .ended = ended};

static void setup(void)
{
    fixture_prepare();
    counter_init(&told.ended);
    fixture.options.account = &account;
    fixture_start();
}

static void teardown(void)
{
    fixture_teardown();
    leak_check();
}

TestSuite(account, .init = setup, .fini = teardown, .timeout = 120);

/* Makes a call and waits until its end was told. */
static const char *end_of(const char *path, const char *text)
{
    size_t n = counter_get(&told.ended);
    Rpc__Test__EchoRequest request = echo_request(text);
    AUTO_ANSWER answer = call_and_wait(
        fixture.client, &(struct rpc_request){.path = path, .message = &request.base});
    (void)answer;
    counter_wait(&told.ended, n + 1);
    return told.lines[n];
}

Test(account, each_unary_call_is_told_once)
{
    cr_expect_str_eq(end_of("/rpc.test.Echo/Echo", "note"), "Echo OK  (note) 6 6");
    status_set(&fixture.refusal, STATUS_ABORTED, "VERSION_MISMATCH", "no");
    cr_expect_str_eq(end_of("/rpc.test.Echo/Fail", ""), "Fail ABORTED VERSION_MISMATCH () 0 0");
    cr_expect_str_eq(end_of("/rpc.test.Echo/Nothing", ""),
                     "unknown UNIMPLEMENTED METHOD_UNKNOWN () 0 0");
}

static void setup_for_nobody(void)
{
    fixture_prepare();
    counter_init(&told.ended);
    fixture.options.account = &account;
    fixture.options.admit = admit;
    fixture.options.allow = allow;
    fixture.options.release_caller = release;
    fixture_start();
}

/* Else the refusals of callers, which have to be noted, would be without a bound. */
Test(account, a_call_that_cannot_be_noted_is_refused_before_its_caller_is_known,
     .init = setup_for_nobody)
{
    cr_expect_str_eq(end_of("/rpc.test.Echo/Echo", "note"),
                     "Echo UNAUTHENTICATED CREDENTIALS_MISSING () 0 0");
    atomic_store(&closed, true);
    cr_expect_str_eq(end_of("/rpc.test.Echo/Echo", "note"),
                     "Echo UNAVAILABLE ACCOUNT_CLOSED () 0 0");
}

Test(account, a_stream_is_told_at_its_end)
{
    struct reader reader = {0};
    reader_start(&reader, fixture.client, 0);
    fixture_release(3);
    counter_wait(&reader.messages, 3);
    cr_expect_eq(counter_get(&told.ended), 0);
    status_set(&fixture.refusal, STATUS_OUT_OF_RANGE, "COMPACTED", "gone");
    fixture_end_streams();
    counter_wait(&reader.ended, 1);
    counter_wait(&told.ended, 1);
    cr_expect_str_eq(told.lines[0], "Count OUT_OF_RANGE COMPACTED (a stream) 0 6");
}

Test(account, a_client_that_goes_ends_its_calls)
{
    struct reader reader = {0};
    reader_start(&reader, fixture.client, 0);
    counter_wait(&fixture.opened, 1);
    rpc_client_free(MOVE(fixture.client));
    counter_wait(&told.ended, 1);
    cr_expect_str_eq(told.lines[0], "Count CANCELLED  (a stream) 0 0");
}
