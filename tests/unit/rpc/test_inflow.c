/* Which connections are cut, for cancelled calls (rapid reset) or unfinished requests; on frames,
 * without sockets. */
#include "inflow.h"

#include <criterion/criterion.h>
#include <string.h>

#include "random.h"
#include "str.h"

#define SECOND_NS INT64_C(1000000000)
#define DATA 0
#define HEADERS 1
#define RST_STREAM 3
#define END_STREAM 1

static const int64_t start_ns = 5 * SECOND_NS;

static struct inflow new_connection(void)
{
    struct inflow inflow;
    inflow_init(&inflow, start_ns);
    cr_assert(inflow_take(&inflow, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, start_ns));
    return inflow;
}

static void add_flagged(struct str *out, uint8_t type, uint8_t flags, uint32_t stream,
                        size_t payload)
{
    const uint8_t header[INFLOW_FRAME_HEADER] = {
        (uint8_t)(payload >> 16),
        (uint8_t)(payload >> 8),
        (uint8_t)payload,
        type,
        flags,
        (uint8_t)(stream >> 24),
        (uint8_t)(stream >> 16),
        (uint8_t)(stream >> 8),
        (uint8_t)stream,
    };
    str_add(out, header, sizeof header);
    memset(str_extend(out, payload), RST_STREAM, payload);
}

static void add_frame(struct str *out, uint8_t type, uint32_t stream, size_t payload)
{
    add_flagged(out, type, 0, stream, payload);
}

/* Streams from number `first` on, n of them. */
static void open_streams(struct str *out, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++) {
        add_frame(out, HEADERS, (uint32_t)(2 * i + 1), 30);
    }
}

static void reset_streams(struct str *out, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++) {
        add_frame(out, RST_STREAM, (uint32_t)(2 * i + 1), 4);
    }
}

static bool take(struct inflow *inflow, struct str *bytes, int64_t now_ns)
{
    bool ok = inflow_take(inflow, bytes->data, bytes->len, now_ns);
    str_clear(bytes);
    return ok;
}

Test(inflow, as_many_young_calls_as_may_be_taken_back_and_one_more)
{
    struct inflow inflow = new_connection();
    AUTO_STR bytes = {0};
    for (size_t i = 0; i < INFLOW_RESETS; i++) {
        open_streams(&bytes, i, 1);
        reset_streams(&bytes, i, 1);
    }
    cr_expect(take(&inflow, &bytes, start_ns));
    open_streams(&bytes, INFLOW_RESETS, 1);
    cr_expect(take(&inflow, &bytes, start_ns));
    reset_streams(&bytes, INFLOW_RESETS, 1);
    cr_expect_not(take(&inflow, &bytes, start_ns));
}

Test(inflow, however_the_bytes_are_cut)
{
    AUTO_STR bytes = {0};
    open_streams(&bytes, 0, INFLOW_RESETS + 1);
    reset_streams(&bytes, 0, INFLOW_RESETS + 1);
    static const size_t sizes[] = {1, 2, 7, 9, 13, 1000, 65536};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct inflow inflow = new_connection();
        size_t at = 0;
        bool ok = true;
        while (ok) {
            size_t left = bytes.len - at;
            size_t n = left < sizes[i] ? left : sizes[i];
            cr_assert_gt(n, 0, "cut before the end");
            ok = inflow_take(&inflow, bytes.data + at, n, start_ns);
            at += n;
        }
        cr_expect_geq(at, bytes.len - 4, "by %zu", sizes[i]);
    }
}

Test(inflow, time_allows_more)
{
    struct inflow inflow = new_connection();
    AUTO_STR bytes = {0};
    open_streams(&bytes, 0, INFLOW_RESETS);
    reset_streams(&bytes, 0, INFLOW_RESETS);
    cr_assert(take(&inflow, &bytes, start_ns));
    for (int second = 1; second < 50; second++) {
        open_streams(&bytes, (size_t)second * 10000, INFLOW_RESETS_A_SECOND);
        reset_streams(&bytes, (size_t)second * 10000, INFLOW_RESETS_A_SECOND);
        cr_assert(take(&inflow, &bytes, start_ns + second * SECOND_NS), "second %d", second);
    }
    open_streams(&bytes, 1000000, 1);
    reset_streams(&bytes, 1000000, 1);
    cr_expect_not(take(&inflow, &bytes, start_ns + 49 * SECOND_NS));
}

Test(inflow, idleness_allows_no_more_than_at_first)
{
    struct inflow inflow = new_connection();
    AUTO_STR bytes = {0};
    open_streams(&bytes, 0, INFLOW_RESETS + 1);
    cr_assert(take(&inflow, &bytes, start_ns + 1000 * SECOND_NS));
    reset_streams(&bytes, 0, INFLOW_RESETS + 1);
    cr_expect_not(take(&inflow, &bytes, start_ns + 1000 * SECOND_NS));
}

/* A client that ends ten thousand watches. */
Test(inflow, old_calls_may_all_be_taken_back)
{
    for (int64_t later_ns = 2 * SECOND_NS; later_ns < 5 * SECOND_NS; later_ns += SECOND_NS / 2) {
        struct inflow inflow = new_connection();
        AUTO_STR bytes = {0};
        open_streams(&bytes, 0, 10000);
        cr_assert(take(&inflow, &bytes, start_ns + SECOND_NS / 2));
        add_frame(&bytes, 0, 1, 100);
        cr_assert(take(&inflow, &bytes, start_ns + SECOND_NS));
        reset_streams(&bytes, 0, 10000);
        cr_expect(take(&inflow, &bytes, start_ns + SECOND_NS / 2 + later_ns));
    }
}

Test(inflow, young_ones_among_old_ones_are_counted)
{
    struct inflow inflow = new_connection();
    AUTO_STR bytes = {0};
    open_streams(&bytes, 0, 5000);
    cr_assert(take(&inflow, &bytes, start_ns));
    open_streams(&bytes, 5000, INFLOW_RESETS + 1);
    cr_assert(take(&inflow, &bytes, start_ns + 3 * SECOND_NS));
    reset_streams(&bytes, 0, 5000);
    reset_streams(&bytes, 5000, INFLOW_RESETS);
    cr_expect(take(&inflow, &bytes, start_ns + 3 * SECOND_NS));
    reset_streams(&bytes, 5000 + INFLOW_RESETS, 1);
    cr_expect_not(take(&inflow, &bytes, start_ns + 3 * SECOND_NS));
}

Test(inflow, payloads_are_passed_over)
{
    struct inflow inflow = new_connection();
    AUTO_STR bytes = {0};
    for (size_t i = 0; i < 100; i++) {
        add_frame(&bytes, 0, 1, 16384); /* full of what would be resets */
    }
    cr_expect(take(&inflow, &bytes, start_ns));
    inflow_fini(&inflow);
}

Test(inflow, requests_that_are_not_finished_are_counted)
{
    struct inflow inflow = new_connection();
    AUTO_STR bytes = {0};
    add_flagged(&bytes, DATA, END_STREAM, 1, 5000);
    for (uint32_t stream = 3; stream < 203; stream += 2) {
        add_frame(&bytes, DATA, stream, 1000);
    }
    add_frame(&bytes, DATA, 101, 50);
    cr_assert(take(&inflow, &bytes, start_ns));
    cr_expect_eq(inflow.unfinished, 100050);
    cr_expect_eq(inflow.since_ns, start_ns);
    add_flagged(&bytes, DATA, END_STREAM, 101, 7000);
    add_frame(&bytes, RST_STREAM, 3, 4);
    add_frame(&bytes, RST_STREAM, 1, 4);
    cr_assert(take(&inflow, &bytes, start_ns + SECOND_NS));
    cr_expect_eq(inflow.unfinished, 98000);
    for (uint32_t stream = 5; stream < 203; stream += 2) {
        add_flagged(&bytes, DATA, END_STREAM, stream, 0);
    }
    cr_assert(take(&inflow, &bytes, start_ns + SECOND_NS));
    cr_expect_eq(inflow.unfinished, 0);
    add_frame(&bytes, DATA, 301, 1);
    cr_assert(take(&inflow, &bytes, start_ns + 2 * SECOND_NS));
    cr_expect_eq(inflow.since_ns, start_ns + 2 * SECOND_NS);
    inflow_fini(&inflow);
}

Test(inflow, a_connection_has_a_bounded_number_of_unfinished_requests)
{
    struct inflow inflow = new_connection();
    AUTO_STR bytes = {0};
    for (uint32_t i = 0; i < INFLOW_PARTS; i++) {
        add_frame(&bytes, DATA, 2 * i + 1, 1);
    }
    cr_assert(take(&inflow, &bytes, start_ns));
    add_frame(&bytes, DATA, 7, 1);
    cr_assert(take(&inflow, &bytes, start_ns));
    add_frame(&bytes, DATA, 2 * INFLOW_PARTS + 1, 1);
    cr_expect_not(take(&inflow, &bytes, start_ns));
    inflow_fini(&inflow);
}

Test(inflow, any_bytes_can_be_taken)
{
    struct random random = {random_seed()};
    for (int round = 0; round < 2000; round++) {
        struct inflow inflow = new_connection();
        uint8_t bytes[300];
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)random_next(&random);
        }
        inflow_take(&inflow, bytes, random_below(&random, sizeof bytes), start_ns);
        inflow_take(&inflow, bytes, sizeof bytes,
                    start_ns + (int64_t)random_below(&random, 1 << 30));
        inflow_fini(&inflow);
    }
}
