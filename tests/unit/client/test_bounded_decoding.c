/* Messages of a server that is not trusted: what they may take in memory. */
#include "bounded_decoding.h"

#include <criterion/criterion.h>
#include <string.h>

#include "confreg/v1/registry_service.pb-c.h"
#include "leak_check.h"
#include "mem.h"

#define MOST ((size_t)1 << 20)

TestSuite(bounded_decoding, .fini = leak_check);

static ProtobufCMessage *decode(struct bounded_decoding *decoding, const void *bytes, size_t n)
{
    return bounded_decode(decoding, &confreg__v1__watch_response__descriptor, bytes, n);
}

/* A response with n empty events: two bytes each, tag and length. */
static uint8_t *empty_events(size_t n, size_t *ret_size)
{
    Confreg__V1__WatchResponse response = CONFREG__V1__WATCH_RESPONSE__INIT;
    Confreg__V1__Event event = CONFREG__V1__EVENT__INIT;
    AUTO(free) Confreg__V1__Event **events = mem_array(n, sizeof(Confreg__V1__Event *));
    for (size_t i = 0; i < n; i++) {
        events[i] = &event;
    }
    response.events = events;
    response.n_events = n;
    *ret_size = confreg__v1__watch_response__get_packed_size(&response);
    uint8_t *bytes = mem_alloc(*ret_size);
    confreg__v1__watch_response__pack(&response, bytes);
    return bytes;
}

Test(bounded_decoding, small_on_the_wire_is_large_in_memory)
{
    struct bounded_decoding decoding = {.most = MOST};
    size_t size;
    AUTO(free) uint8_t *bytes = empty_events(50000, &size);
    cr_assert_lt(size, MOST / 5);
    cr_expect_null(decode(&decoding, bytes, size));
    cr_expect(decoding.exceeded);
}

Test(bounded_decoding, what_fits_is_counted)
{
    struct bounded_decoding decoding = {.most = MOST};
    size_t size;
    AUTO(free) uint8_t *bytes = empty_events(100, &size);
    ProtobufCMessage *message = decode(&decoding, bytes, size);
    cr_assert_not_null(message);
    cr_expect_not(decoding.exceeded);
    cr_expect_geq(decoding.n_used, 100 * sizeof(Confreg__V1__Event));
    cr_expect_lt(decoding.n_used, 300 * sizeof(Confreg__V1__Event));
    protobuf_c_message_free_unpacked(message, NULL);
}

/* Every allocation fails in turn; nothing is lost. */
Test(bounded_decoding, any_bound)
{
    size_t size;
    AUTO(free) uint8_t *bytes = empty_events(20, &size);
    for (size_t most = 0; most < MOST; most += 8) {
        struct bounded_decoding decoding = {.most = most};
        ProtobufCMessage *message = decode(&decoding, bytes, size);
        cr_assert_eq(message == NULL, decoding.exceeded);
        if (message != NULL) {
            protobuf_c_message_free_unpacked(message, NULL);
            return;
        }
    }
    cr_assert_fail("a MiB is enough");
}

Test(bounded_decoding, malformed_is_not_too_large)
{
    struct bounded_decoding decoding = {.most = MOST};
    cr_expect_null(decode(&decoding, "\xff\xff", 2));
    cr_expect_not(decoding.exceeded);
}
