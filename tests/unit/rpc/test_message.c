#include <criterion/criterion.h>
#include <string.h>

#include "echo.pb-c.h"
#include "leak_check.h"
#include "message_check.h"
#include "str.h"

TestSuite(message, .fini = leak_check, .timeout = 240);

static bool decode(const void *bytes, size_t size, struct status *st)
{
    ProtobufCMessage *message = NULL;
    AUTO(free) uint8_t *exact = mem_alloc(size); /* so that reading beyond is seen */
    memcpy(exact, bytes, size);
    *st = (struct status){.code = STATUS_OK};
    bool ok = message_decode(&rpc__test__echo_request__descriptor, exact, size, &message, st);
    if (ok) {
        protobuf_c_message_free_unpacked(message, NULL);
    }
    return ok;
}

#define LITERAL(text) text, sizeof(text) - 1

struct sample {
    const char *bytes;
    size_t size;
    const char *reason; /* "": fine */
    const char *field;
};

static const struct sample samples[] = {
    {LITERAL(""), "", ""},
    {LITERAL("\x0a\x02hi"), "", ""},
    {LITERAL("\x0a\x00"), "", ""},
    /* Bytes may be anything. */
    {LITERAL("\x12\x02\x00\xff"), "", ""},
    /* Fields that are not known: varint, 64 bits, bytes, 32 bits. */
    {LITERAL("\x78\x01\x79"
             "12345678\x7a\x01\xff\x7d"
             "1234"),
     "", ""},
    {LITERAL("\x0a\x03"
             "a\0b"),
     "TEXT_NUL", "text"},
    {LITERAL("\x0a\x02\xc3("), "TEXT_NOT_UTF8", "text"},
    {LITERAL("\x0a\x01\xc3"), "TEXT_NOT_UTF8", "text"},
    /* changes { } changes { number: 1 } changes { update { comment: "\0" } } */
    {LITERAL("\x1a\x00\x1a\x02\x10\x01\x1a\x05\x0a\x03\x0a\x01\x00"), "TEXT_NUL",
     "changes[2].update.comment"},
    /* changes { names: "a" names: "\xff" }, with another field in between */
    {LITERAL("\x1a\x08\x1a\x01"
             "a\x10\x01\x1a\x01\xff"),
     "TEXT_NOT_UTF8", "changes[0].names[1]"},
    /* labels { } labels { value: "\xff" } */
    {LITERAL("\x22\x00\x22\x03\x12\x01\xff"), "TEXT_NOT_UTF8", "labels[1].value"},
    /* Malformed: cut tags, lengths and numbers; field 0; groups; a varint of eleven bytes. */
    {LITERAL("\x80"), "MALFORMED_MESSAGE", ""},
    {LITERAL("\x0a"), "MALFORMED_MESSAGE", ""},
    {LITERAL("\x0a\x02h"), "MALFORMED_MESSAGE", ""},
    {LITERAL("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "MALFORMED_MESSAGE", ""},
    {LITERAL("\x78"), "MALFORMED_MESSAGE", ""},
    {LITERAL("\x79"
             "1234567"),
     "MALFORMED_MESSAGE", ""},
    {LITERAL("\x7d"
             "123"),
     "MALFORMED_MESSAGE", ""},
    {LITERAL("\x02\x00"), "MALFORMED_MESSAGE", ""},
    {LITERAL("\x0b\x0c"), "MALFORMED_MESSAGE", ""},
    {LITERAL("\x78\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "MALFORMED_MESSAGE", ""},
    /* A string that comes as a number, a message whose inside is cut. */
    {LITERAL("\x08\x01"), "MALFORMED_MESSAGE", ""},
    {LITERAL("\x1a\x03\x0a\x02\x0a"), "MALFORMED_MESSAGE", ""},
};

Test(message, samples_are_judged)
{
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        struct status st;
        bool ok = decode(samples[i].bytes, samples[i].size, &st);
        cr_expect_eq(ok, samples[i].reason[0] == '\0', "sample %zu: %s", i, st.message);
        cr_expect_str_eq(st.reason, samples[i].reason, "sample %zu: %s", i, st.reason);
        cr_expect_str_eq(st.field, samples[i].field, "sample %zu: %s", i, st.field);
        cr_expect_eq(st.code, ok ? STATUS_OK : STATUS_INVALID_ARGUMENT);
    }
}

/* Puts "field 1 of length n" (at the top: field 5) before the bytes. */
static void wrap(struct str *message, uint8_t tag)
{
    AUTO_STR inner = {0};
    str_add(&inner, message->data, message->len);
    str_clear(message);
    str_add_char(message, (char)tag);
    for (size_t n = inner.len;; n >>= 7) {
        str_add_char(message, (char)(n > 0x7f ? (n & 0x7f) | 0x80 : n));
        if (n <= 0x7f) {
            break;
        }
    }
    str_add(message, inner.data, inner.len);
}

static bool decode_nest(int levels, struct status *st)
{
    AUTO_STR message = {0};
    str_add_text(&message, "");
    for (int i = 1; i < levels; i++) {
        wrap(&message, 0x0a);
    }
    wrap(&message, 0x2a);
    return decode(message.data, message.len, st);
}

Test(message, depth_is_bounded)
{
    struct status st;
    cr_expect(decode_nest(MESSAGE_MAX_DEPTH - 1, &st), "%s", st.message);
    cr_expect(!decode_nest(MESSAGE_MAX_DEPTH, &st));
    cr_expect_str_eq(st.reason, "MESSAGE_TOO_COMPLEX");
    cr_expect(!decode_nest(5000, &st));
    cr_expect_str_eq(st.reason, "MESSAGE_TOO_COMPLEX");
}

static bool decode_changes(size_t n, struct status *st)
{
    AUTO_STR message = {0};
    for (size_t i = 0; i < n; i++) {
        str_add(&message, "\x1a\x00", 2);
    }
    return decode(message.data, message.len, st);
}

Test(message, the_number_of_fields_is_bounded)
{
    struct status st;
    cr_expect(decode_changes(MESSAGE_MAX_FIELDS, &st), "%s", st.message);
    cr_expect(!decode_changes(MESSAGE_MAX_FIELDS + 1, &st));
    cr_expect_str_eq(st.reason, "MESSAGE_TOO_COMPLEX");
}

/* Every prefix of every sample, and every sample with each byte changed: whatever is said, nothing
 * is read beyond the end and nothing is lost. */
Test(message, damaged_samples_do_no_harm)
{
    struct status st;
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        for (size_t cut = 0; cut < samples[i].size; cut++) {
            AUTO_STR damaged = {0};
            decode(samples[i].bytes, cut, &st);
            str_add(&damaged, samples[i].bytes, samples[i].size);
            for (int bit = 0; bit < 8; bit++) {
                damaged.data[cut] = (char)(samples[i].bytes[cut] ^ (1 << bit));
                decode(damaged.data, damaged.len, &st);
            }
        }
    }
}
