#include <criterion/criterion.h>

#include <string.h>

#include "fixture.h"
#include "leak_check.h"

static void teardown(void)
{
    fixture_teardown();
    leak_check();
}

TestSuite(stream, .init = fixture_setup, .fini = teardown, .timeout = 240);

static struct rpc_client *new_client(void)
{
    struct rpc_client *client;
    struct status st;
    cr_assert(rpc_client_to(fixture.address, NULL, &client, &st), "%s", st.message);
    return client;
}

Test(stream, messages_come_in_order_and_the_end_is_ok)
{
    struct reader reader = {0};
    fixture_release(1000);
    fixture_end_streams();
    reader_start(&reader, fixture.client, 0);
    counter_wait(&reader.ended, 1);
    cr_expect(reader.ok, "%s", reader.st.message);
    cr_expect(reader.in_order);
    cr_expect_eq(reader.last, 1000);
    counter_wait(&fixture.released, 1);
    cr_expect_eq(counter_get(&fixture.closed), 1);
}

Test(stream, an_end_may_come_with_a_status_and_details)
{
    struct reader reader = {0};
    status_set(&fixture.refusal, STATUS_OUT_OF_RANGE, "COMPACTED", "gone: %d", 7);
    status_add_number(&fixture.refusal, "oldest", 7);
    fixture_end_streams();
    reader_start(&reader, fixture.client, 0);
    counter_wait(&reader.ended, 1);
    cr_assert(!reader.ok);
    cr_expect_eq(reader.st.code, STATUS_OUT_OF_RANGE);
    cr_expect_str_eq(reader.st.reason, "COMPACTED");
    cr_expect_str_eq(reader.st.message, "gone: 7");
    cr_expect_str_eq(reader.st.info[0].value, "7");
}

Test(stream, an_idle_stream_wakes_on_each_kick)
{
    struct reader reader = {0};
    reader_start(&reader, fixture.client, 0);
    counter_wait(&fixture.opened, 1);
    for (uint64_t n = 1; n <= 500; n++) {
        fixture_release(n);
        counter_wait(&reader.messages, n);
    }
    fixture_end_streams();
    counter_wait(&reader.ended, 1);
    cr_expect(reader.ok && reader.in_order && reader.last == 500);
}

static void *release_steps(void *user)
{
    (void)user;
    for (uint64_t n = 1; n <= 20000; n++) {
        fixture_release(n);
    }
    return NULL;
}

Test(stream, no_kick_is_lost_whatever_the_stream_is_doing)
{
    struct reader readers[8] = {0};
    pthread_t kicker;
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        reader_start(&readers[i], fixture.client, 0);
    }
    counter_wait(&fixture.opened, COUNT_OF(readers));
    pthread_create(&kicker, NULL, release_steps, NULL);
    pthread_join(kicker, NULL);
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        counter_wait(&readers[i].messages, 20000);
        cr_expect(readers[i].in_order);
    }
    fixture_end_streams();
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        counter_wait(&readers[i].ended, 1);
        cr_expect(readers[i].ok);
    }
}

Test(stream, a_client_that_cancels_is_seen_as_closed)
{
    struct reader reader = {0};
    reader_start(&reader, fixture.client, 0);
    counter_wait(&fixture.opened, 1);
    rpc_client_cancel(reader.call);
    counter_wait(&reader.ended, 1);
    cr_expect(!reader.ok && reader.st.code == STATUS_CANCELLED);
    counter_wait(&fixture.closed, 1);
    counter_wait(&fixture.released, 1);
}

Test(stream, a_callback_may_cancel)
{
    struct reader reader = {.cancel_on_message = true};
    fixture_release(100);
    reader_start(&reader, fixture.client, 0);
    counter_wait(&reader.ended, 1);
    cr_expect(!reader.ok && reader.st.code == STATUS_CANCELLED);
    cr_expect_eq(counter_get(&reader.messages), 1);
    counter_wait(&fixture.closed, 1);
}

Test(stream, a_client_that_goes_is_seen_as_closed)
{
    struct rpc_client *client = new_client();
    struct reader reader = {0};
    reader_start(&reader, client, 0);
    counter_wait(&fixture.opened, 1);
    rpc_client_free(client);
    cr_expect_eq(counter_get(&reader.ended), 1);
    counter_wait(&fixture.closed, 1);
}

Test(stream, a_deadline_ends_a_stream)
{
    struct reader reader = {0};
    reader_start(&reader, fixture.client, 150);
    counter_wait(&reader.ended, 1);
    cr_expect(!reader.ok && reader.st.code == STATUS_DEADLINE_EXCEEDED);
    counter_wait(&fixture.closed, 1);
}

Test(stream, an_unknown_stream_and_a_malformed_request_end_with_their_status)
{
    struct reader reader = {0};
    const Rpc__Test__CountRequest good = RPC__TEST__COUNT_REQUEST__INIT;
    ProtobufCMessageUnknownField cut = {1, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, 1, (uint8_t[]){9}};
    Rpc__Test__CountRequest bad = RPC__TEST__COUNT_REQUEST__INIT;
    bad.base.n_unknown_fields = 1;
    bad.base.unknown_fields = &cut;
    reader_start_at(&reader, fixture.client, "/rpc.test.Echo/Nothing", &good.base, 0);
    counter_wait(&reader.ended, 1);
    cr_expect_eq(reader.st.code, STATUS_UNIMPLEMENTED);
    reader_start_at(&reader, fixture.client, "/rpc.test.Echo/Count", &bad.base, 0);
    counter_wait(&reader.ended, 1);
    cr_expect_eq(reader.st.code, STATUS_INVALID_ARGUMENT);
    cr_expect_str_eq(reader.st.reason, "MALFORMED_MESSAGE");
}

/* The slow reader's thread is held up in its first message. With 64 KiB each, transport windows and
 * socket buffers take some; all the rest must not even be asked for. */
Test(stream, a_slow_reader_is_not_sent_more_than_it_takes)
{
    struct counter gate;
    counter_init(&gate);
    struct rpc_client *slow_client = new_client();
    struct reader slow = {.gate = &gate};
    struct reader fast = {0};
    fixture.padding = 65536;
    reader_start(&slow, slow_client, 0);
    counter_wait(&fixture.opened, 1);
    reader_start(&fast, fixture.client, 0);
    counter_wait(&fixture.opened, 2);
    fixture_release(2000);
    counter_wait(&fast.messages, 2000);
    cr_expect_lt(counter_get(&fixture.asked), 2000 + 1000);
    cr_expect_eq(counter_get(&slow.messages), 1);
    counter_add(&gate);
    counter_wait(&slow.messages, 2000);
    cr_expect(slow.in_order && fast.in_order);
    fixture_end_streams();
    counter_wait(&fast.ended, 1);
    counter_wait(&slow.ended, 1);
    rpc_client_free(slow_client);
}

Test(stream, a_reference_keeps_the_state_after_the_end)
{
    struct reader reader = {0};
    reader_start(&reader, fixture.client, 0);
    counter_wait(&fixture.opened, 1);
    struct rpc_stream *stream = fixture_any_stream();
    rpc_client_cancel(reader.call);
    counter_wait(&fixture.closed, 1);
    size_t asked = counter_get(&fixture.asked);
    rpc_stream_kick(stream);
    cr_expect_eq(counter_get(&fixture.released), 0);
    rpc_stream_unref(stream);
    counter_wait(&fixture.released, 1);
    cr_expect_eq(counter_get(&fixture.asked), asked);
    counter_wait(&reader.ended, 1);
}

/* ---- Many, and the end of all ---- */

#define CLIENTS 20
#define STREAMS_EACH 75

struct crowd {
    struct rpc_client *clients[CLIENTS];
    struct reader readers[CLIENTS * STREAMS_EACH];
};

static struct crowd *new_crowd(void)
{
    struct crowd *crowd = mem_zalloc(sizeof *crowd);
    for (size_t i = 0; i < CLIENTS; i++) {
        crowd->clients[i] = new_client();
        for (size_t j = 0; j < STREAMS_EACH; j++) {
            reader_start(&crowd->readers[i * STREAMS_EACH + j], crowd->clients[i], 0);
        }
    }
    counter_wait(&fixture.opened, COUNT_OF(crowd->readers));
    return crowd;
}

static void free_crowd(struct crowd *crowd)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        rpc_client_free(crowd->clients[i]);
    }
    free(crowd);
}

Test(stream, fifteen_hundred_streams_get_everything)
{
    struct crowd *crowd = new_crowd();
    for (uint64_t n = 10; n <= 100; n += 10) {
        fixture_release(n);
    }
    fixture_end_streams();
    for (size_t i = 0; i < COUNT_OF(crowd->readers); i++) {
        counter_wait(&crowd->readers[i].ended, 1);
        cr_expect(crowd->readers[i].ok && crowd->readers[i].in_order);
        cr_expect_eq(crowd->readers[i].last, 100);
    }
    counter_wait(&fixture.released, COUNT_OF(crowd->readers));
    free_crowd(crowd);
}

static void expect_shut_down(struct reader *reader)
{
    counter_wait(&reader->ended, 1);
    cr_expect(!reader->ok && reader->in_order);
    cr_expect_eq(reader->st.code, STATUS_UNAVAILABLE, "%d %s", reader->st.code, reader->st.message);
}

Test(stream, a_stop_ends_open_streams_with_their_last_word)
{
    struct crowd *crowd = new_crowd();
    rpc_server_stop(fixture.server, 10000);
    cr_expect_eq(counter_get(&fixture.released), COUNT_OF(crowd->readers));
    for (size_t i = 0; i < COUNT_OF(crowd->readers); i++) {
        expect_shut_down(&crowd->readers[i]);
        cr_expect_str_eq(crowd->readers[i].st.reason, "SHUTTING_DOWN");
    }
    free_crowd(crowd);
}

static atomic_bool fan_out_on = true;

static void *fan_out(void *user)
{
    (void)user;
    for (uint64_t n = 1; atomic_load(&fan_out_on); n++) {
        fixture_release(n);
    }
    return NULL;
}

Test(stream, a_stop_in_the_middle_of_a_fan_out)
{
    struct crowd *crowd = new_crowd();
    pthread_t publisher;
    pthread_create(&publisher, NULL, fan_out, NULL);
    counter_wait(&crowd->readers[0].messages, 3);
    rpc_server_stop(fixture.server, 50);
    cr_expect_eq(counter_get(&fixture.closed), COUNT_OF(crowd->readers));
    cr_expect_eq(counter_get(&fixture.released), COUNT_OF(crowd->readers));
    atomic_store(&fan_out_on, false);
    pthread_join(publisher, NULL);
    for (size_t i = 0; i < COUNT_OF(crowd->readers); i++) {
        counter_wait(&crowd->readers[i].ended, 1);
        cr_expect(!crowd->readers[i].ok && crowd->readers[i].in_order);
    }
    free_crowd(crowd);
}

/* A kicker with a reference races the stop, which waits for the reference. */
static void *kick_long(void *user)
{
    struct rpc_stream *stream = user;
    while (!rpc_server_stopping(fixture.server)) {
        rpc_stream_kick(stream);
    }
    for (int i = 0; i < 20000; i++) {
        rpc_stream_kick(stream);
    }
    rpc_stream_unref(stream);
    return NULL;
}

Test(stream, kicks_race_the_stop)
{
    struct reader readers[4] = {0};
    pthread_t kickers[4];
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        reader_start(&readers[i], fixture.client, 0);
        counter_wait(&fixture.opened, i + 1);
        pthread_create(&kickers[i], NULL, kick_long, fixture_any_stream());
    }
    size_t asked = counter_get(&fixture.asked);
    counter_wait(&fixture.asked, asked + 100);
    rpc_server_stop(fixture.server, 5000);
    cr_expect_eq(counter_get(&fixture.released), COUNT_OF(readers));
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        pthread_join(kickers[i], NULL);
        expect_shut_down(&readers[i]);
    }
}
