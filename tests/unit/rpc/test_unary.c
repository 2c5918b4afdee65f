#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "fixture.h"
#include "leak_check.h"

static void teardown(void)
{
    fixture_teardown();
    leak_check();
}

TestSuite(unary, .init = fixture_setup, .fini = teardown, .timeout = 240);

Test(unary, a_message_comes_back)
{
    Rpc__Test__EchoRequest request = echo_request("grüße");
    AUTO_ANSWER answer = call_method("Echo", &request.base);
    Rpc__Test__EchoResponse *response = echo_response(&answer);
    cr_expect_str_eq(response->text, "grüße");
    rpc__test__echo_response__free_unpacked(response, NULL);
}

Test(unary, an_empty_message_is_a_message)
{
    Rpc__Test__EchoRequest request = RPC__TEST__ECHO_REQUEST__INIT;
    AUTO_ANSWER answer = call_method("Echo", &request.base);
    cr_assert(answer.ok, "%s", answer.st.message);
    cr_expect_eq(answer.bytes->len, 0);
}

Test(unary, large_messages_come_back_whole)
{
    Rpc__Test__EchoRequest request = RPC__TEST__ECHO_REQUEST__INIT;
    size_t size = 3u << 20;
    AUTO(free) uint8_t *data = mem_alloc(size);
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(i * 31 >> 3);
    }
    request.data = (ProtobufCBinaryData){size, data};
    AUTO_ANSWER answer = call_method("Echo", &request.base);
    Rpc__Test__EchoResponse *response = echo_response(&answer);
    cr_assert_eq(response->data.len, size);
    cr_expect_arr_eq(response->data.data, data, size);
    rpc__test__echo_response__free_unpacked(response, NULL);
}

Test(unary, a_request_beyond_the_limit_is_refused)
{
    Rpc__Test__EchoRequest request = RPC__TEST__ECHO_REQUEST__INIT;
    size_t size = 5u << 20;
    AUTO(free) uint8_t *data = mem_zalloc(size);
    request.data = (ProtobufCBinaryData){size, data};
    AUTO_ANSWER answer = call_method("Echo", &request.base);
    cr_assert(!answer.ok);
    cr_expect_eq(answer.st.code, STATUS_RESOURCE_EXHAUSTED, "%d %s", answer.st.code,
                 answer.st.message);
}

/* ---- Status ---- */

Test(unary, a_status_comes_with_all_its_parts)
{
    status_bad_field(&fixture.refusal, "changes[2].update.comment", "TEXT_NUL", "100 %% größer");
    status_add_info(&fixture.refusal, "limit", "é");
    status_add_number(&fixture.refusal, "size", UINT64_MAX);
    Rpc__Test__EchoRequest request = echo_request("");
    AUTO_ANSWER answer = call_method("Fail", &request.base);
    cr_assert(!answer.ok);
    cr_expect_eq(answer.st.code, STATUS_INVALID_ARGUMENT);
    cr_expect_str_eq(answer.st.message, "100 % größer");
    cr_expect_str_eq(answer.st.reason, "TEXT_NUL");
    cr_expect_str_eq(answer.st.field, "changes[2].update.comment");
    cr_assert_eq(answer.st.n_info, 2);
    cr_expect_str_eq(answer.st.info[0].key, "limit");
    cr_expect_str_eq(answer.st.info[0].value, "é");
    cr_expect_str_eq(answer.st.info[1].key, "size");
    cr_expect_str_eq(answer.st.info[1].value, "18446744073709551615");
}

Test(unary, every_code_and_the_longest_message_pass)
{
    Rpc__Test__EchoRequest request = echo_request("");
    for (int code = STATUS_CANCELLED; code <= STATUS_UNAUTHENTICATED; code++) {
        status_set(&fixture.refusal, (enum status_code)code, "", "%0*d\n\"%%", 500, code);
        AUTO_ANSWER answer = call_method("Fail", &request.base);
        cr_assert(!answer.ok);
        cr_expect_eq(answer.st.code, (enum status_code)code);
        cr_expect_str_eq(answer.st.message, fixture.refusal.message);
        cr_expect_str_empty(answer.st.reason);
        cr_expect_eq(answer.st.n_info, 0);
    }
}

Test(unary, unknown_methods_and_services_are_told_at_once)
{
    static const char *const paths[] = {"/rpc.test.Echo/Nothing", "/rpc.test.Nobody/Echo",
                                        "/rpc.test.Echo", "/", "//"};
    Rpc__Test__EchoRequest request = echo_request("");
    for (size_t i = 0; i < COUNT_OF(paths) * 40; i++) {
        const char *path = paths[i % COUNT_OF(paths)];
        AUTO_ANSWER answer = call_and_wait(
            fixture.client, &(struct rpc_request){.path = path, .message = &request.base});
        cr_expect(!answer.ok && answer.st.code == STATUS_UNIMPLEMENTED, "%s: %s", path,
                  answer.st.message);
    }
}

/* An EchoRequest that goes out as these bytes: field 1 without the tag. */
static Rpc__Test__EchoRequest forged(ProtobufCMessageUnknownField *field, const char *bytes,
                                     size_t n)
{
    Rpc__Test__EchoRequest request = RPC__TEST__ECHO_REQUEST__INIT;
    *field = (ProtobufCMessageUnknownField){.tag = 1,
                                            .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
                                            .len = n,
                                            .data = (uint8_t *)(uintptr_t)bytes};
    request.base.n_unknown_fields = 1;
    request.base.unknown_fields = field;
    return request;
}

Test(unary, bytes_that_are_no_request_are_refused)
{
    ProtobufCMessageUnknownField field;
    Rpc__Test__EchoRequest request = forged(&field, "\x7f", 1);
    AUTO_ANSWER answer = call_method("Echo", &request.base);
    cr_assert(!answer.ok);
    cr_expect_eq(answer.st.code, STATUS_INVALID_ARGUMENT);
    cr_expect_str_eq(answer.st.reason, "MALFORMED_MESSAGE");
    cr_expect_str_eq(answer.st.message, "malformed request message");
}

Test(unary, text_with_a_nul_is_refused_by_name)
{
    ProtobufCMessageUnknownField field;
    Rpc__Test__EchoRequest request = forged(&field, "\3a\0b", 4);
    AUTO_ANSWER answer = call_method("Echo", &request.base);
    cr_assert(!answer.ok);
    cr_expect_eq(answer.st.code, STATUS_INVALID_ARGUMENT);
    cr_expect_str_eq(answer.st.reason, "TEXT_NUL");
    cr_expect_str_eq(answer.st.field, "text");
}

/* ---- What a handler sees ---- */

static void ignore_answer(void *user, const struct status *st, const uint8_t *bytes, size_t size)
{
    (void)user;
    (void)st;
    (void)bytes;
    (void)size;
}

/* Up to the blank that Describe puts behind it. */
static void describe_peer(struct rpc_client *client, char peer[64])
{
    const Rpc__Test__EchoRequest request = echo_request("");
    AUTO_ANSWER answer = call_and_wait(
        client, &(struct rpc_request){.path = "/rpc.test.Echo/Describe", .message = &request.base});
    Rpc__Test__EchoResponse *response = echo_response(&answer);
    cr_assert_eq(sscanf(response->text, "%63s", peer), 1);
    rpc__test__echo_response__free_unpacked(response, NULL);
}

/* While a call exists, its connection's descriptor is not reused for a new connection, even if the
 * client has gone. */
Test(unary, a_call_knows_its_peer_after_its_connection_has_ended)
{
    char peer[64];
    describe_peer(fixture.client, peer);
    const Rpc__Test__EchoRequest request = echo_request("");
    rpc_client_unary(fixture.client,
                     &(struct rpc_request){.path = "/rpc.test.Echo/Hold", .message = &request.base},
                     ignore_answer, NULL);
    counter_wait(&fixture.held, 1);
    rpc_client_free(MOVE(fixture.client));
    for (int i = 0; i < 30; i++) {
        struct rpc_client *other;
        struct status st;
        char others[64];
        cr_assert(rpc_client_to(fixture.address, NULL, &other, &st), "%s", st.message);
        describe_peer(other, others);
        cr_expect_str_neq(others, peer);
        rpc_client_free(other);
    }
    cr_expect_str_eq(rpc_call_peer(fixture.hold), peer);
    rpc_fail(fixture.hold, &(struct status){.code = STATUS_CANCELLED});
}

Test(unary, a_handler_sees_peer_headers_and_deadline)
{
    Rpc__Test__EchoRequest request = echo_request("");
    const struct rpc_header headers[] = {{"x-other", "1"}, {"x-test", "two words"}};
    AUTO_ANSWER answer =
        call_and_wait(fixture.client, &(struct rpc_request){.path = "/rpc.test.Echo/Describe",
                                                            .message = &request.base,
                                                            .timeout_ms = 30000,
                                                            .headers = headers,
                                                            .n_headers = COUNT_OF(headers)});
    Rpc__Test__EchoResponse *response = echo_response(&answer);
    cr_expect_eq(strncmp(response->text, "ipv4:127.0.0.1:", 15), 0, "%s", response->text);
    cr_expect_str_eq(strchr(response->text, ' '), " two words");
    cr_expect(response->has_deadline);
    rpc__test__echo_response__free_unpacked(response, NULL);
}

Test(unary, a_call_without_deadline_has_none)
{
    Rpc__Test__EchoRequest request = echo_request("");
    AUTO_ANSWER answer = call_method("Describe", &request.base);
    Rpc__Test__EchoResponse *response = echo_response(&answer);
    cr_expect(!response->has_deadline);
    cr_expect_str_eq(strchr(response->text, ' '), " ");
    rpc__test__echo_response__free_unpacked(response, NULL);
}

Test(unary, a_header_that_cannot_be_sent_fails_the_call)
{
    Rpc__Test__EchoRequest request = echo_request("");
    static const struct rpc_header bad[] = {{"x-test", "line\nbreak"}, {"No Key", "1"}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO_ANSWER answer =
            call_and_wait(fixture.client, &(struct rpc_request){.path = "/rpc.test.Echo/Echo",
                                                                .message = &request.base,
                                                                .headers = &bad[i],
                                                                .n_headers = 1});
        cr_expect(!answer.ok && answer.st.code == STATUS_INVALID_ARGUMENT);
    }
}

/* ---- Replies from elsewhere ---- */

struct held_call {
    struct answer answer;
    struct counter done;
};

static void held_done(void *user, const struct status *st, const uint8_t *bytes, size_t size)
{
    struct held_call *held = user;
    held->answer.ok = st == NULL;
    if (st != NULL) {
        held->answer.st = *st;
    } else {
        held->answer.bytes = buf_copy(bytes, size);
    }
    counter_add(&held->done);
}

static void start_held(struct held_call *held, int64_t timeout_ms)
{
    Rpc__Test__EchoRequest request = echo_request("");
    *held = (struct held_call){.answer.ok = false};
    counter_init(&held->done);
    rpc_client_unary(fixture.client,
                     &(struct rpc_request){.path = "/rpc.test.Echo/Hold",
                                           .message = &request.base,
                                           .timeout_ms = timeout_ms},
                     held_done, held);
    counter_wait(&fixture.held, 1);
}

static struct answer finish_held(struct held_call *held)
{
    counter_wait(&held->done, 1);
    return held->answer;
}

static void reply(struct rpc_call *call, const char *text)
{
    Rpc__Test__EchoResponse response = RPC__TEST__ECHO_RESPONSE__INIT;
    response.text = (char *)(uintptr_t)text;
    rpc_reply(call, &response.base);
}

Test(unary, a_reply_may_come_from_another_thread)
{
    struct held_call held;
    start_held(&held, 0);
    reply(fixture.hold, "later");
    AUTO_ANSWER answer = finish_held(&held);
    Rpc__Test__EchoResponse *response = echo_response(&answer);
    cr_expect_str_eq(response->text, "later");
    rpc__test__echo_response__free_unpacked(response, NULL);
}

struct reply_task {
    struct rpc_task task;
    int number;
    int *order;
    pthread_t *threads;
};

static void run_reply_task(struct rpc_task *task)
{
    struct reply_task *self = CONTAINER_OF(task, struct reply_task, task);
    self->threads[self->number] = pthread_self();
    self->order[self->number] = ++self->order[3];
    if (self->number == 2) {
        reply(fixture.hold, "posted");
    }
}

Test(unary, posts_run_in_order_on_one_thread_that_is_not_the_posters)
{
    struct held_call held;
    int order[4] = {0};
    pthread_t threads[3];
    struct reply_task tasks[3];
    start_held(&held, 0);
    for (int i = 0; i < 3; i++) {
        tasks[i] = (struct reply_task){{run_reply_task, NULL}, i, order, threads};
        rpc_call_post(fixture.hold, &tasks[i].task);
    }
    AUTO_ANSWER answer = finish_held(&held);
    cr_expect(answer.ok);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(order[i], i + 1);
        cr_expect(pthread_equal(threads[i], threads[0]));
        cr_expect(!pthread_equal(threads[i], pthread_self()));
    }
}

Test(unary, an_encoded_reply_is_sent_in_its_order)
{
    static const size_t sizes[] = {0, 3, 256, 257, 100, 5, 70000, 1, 0, 4000};
    struct buf *pieces[COUNT_OF(sizes) + 1];
    struct held_call held;
    size_t size = 0;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        pieces[i] = buf_new(sizes[i]);
        memset(pieces[i]->data, (int)('a' + i), sizes[i]);
        size += sizes[i];
    }
    pieces[COUNT_OF(sizes)] = buf_ref(pieces[6]);
    start_held(&held, 0);
    rpc_reply_bufs(fixture.hold, pieces, COUNT_OF(pieces));
    AUTO_ANSWER answer = finish_held(&held);
    cr_assert(answer.ok);
    cr_assert_eq(answer.bytes->len, size + sizes[6]);
    const uint8_t *at = answer.bytes->data;
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        size_t n = sizes[i == COUNT_OF(sizes) ? 6 : i];
        char letter = (char)('a' + (i == COUNT_OF(sizes) ? 6 : i));
        for (size_t j = 0; j < n; j++) {
            cr_assert_eq(at[j], letter, "piece %zu byte %zu", i, j);
        }
        at += n;
    }
}

Test(unary, a_reply_of_no_pieces_is_an_empty_message)
{
    struct held_call held;
    start_held(&held, 0);
    rpc_reply_bufs(fixture.hold, NULL, 0);
    AUTO_ANSWER answer = finish_held(&held);
    cr_assert(answer.ok, "%s", answer.st.message);
    cr_expect_eq(answer.bytes->len, 0);
}

Test(unary, a_deadline_ends_a_call_and_the_late_reply_is_dropped)
{
    struct held_call held;
    start_held(&held, 100);
    int64_t left = rpc_call_deadline(fixture.hold) - clock_monotonic_ns();
    cr_expect(left <= INT64_C(101000000), "%ld", (long)left);
    AUTO_ANSWER answer = finish_held(&held);
    cr_assert(!answer.ok);
    cr_expect_eq(answer.st.code, STATUS_DEADLINE_EXCEEDED);
    counter_wait(&fixture.cancelled, 1);
    cr_expect(rpc_call_is_over(fixture.hold));
    reply(fixture.hold, "too late");
}

Test(unary, a_client_that_ends_cancels_its_calls)
{
    struct held_call held;
    start_held(&held, 0);
    cr_expect(!rpc_call_is_over(fixture.hold));
    rpc_client_free(MOVE(fixture.client));
    AUTO_ANSWER answer = finish_held(&held);
    cr_assert(!answer.ok);
    cr_expect_eq(answer.st.code, STATUS_CANCELLED);
    counter_wait(&fixture.cancelled, 1);
    cr_expect(rpc_call_is_over(fixture.hold));
    reply(fixture.hold, "too late");
}

/* ---- Many ---- */

#define MANY 2000

static void many_done(void *user, const struct status *st, const uint8_t *bytes, size_t size)
{
    (void)bytes;
    cr_assert_null(st);
    cr_assert_gt(size, 0);
    counter_add(user);
}

static void *start_many(void *user)
{
    Rpc__Test__EchoRequest request = echo_request("one of many");
    const struct rpc_request call = {.path = "/rpc.test.Echo/Echo", .message = &request.base};
    for (int i = 0; i < MANY; i++) {
        rpc_client_unary(fixture.client, &call, many_done, user);
    }
    return NULL;
}

Test(unary, many_calls_from_many_threads)
{
    struct counter done;
    pthread_t threads[4];
    counter_init(&done);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_create(&threads[i], NULL, start_many, &done);
    }
    counter_wait(&done, COUNT_OF(threads) * MANY);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
    }
}
