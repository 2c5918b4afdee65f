/* The quick yes against jansson's verdict. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hostile_json.h"
#include "json.h"
#include "json_accept.h"
#include "json_cases.h"
#include "json_parse.h"
#include "leak_check.h"
#include "random_json.h"

TestSuite(json_accept, .fini = leak_check);

static bool jansson_accepts(const char *text, size_t len)
{
    struct json_fault fault;
    return json_parse_check(text, len, &fault);
}

Test(json_accept, says_yes_to_no_refused_case)
{
    size_t accepted = 0;
    for (size_t i = 0; i < n_json_cases; i++) {
        const struct json_case *c = &json_cases[i];
        bool yes = json_accept(c->text, c->len);
        cr_expect(!yes || c->reason == NULL, "case %zu: %s", i, c->text);
        accepted += yes;
    }
    cr_expect_gt(accepted, 40, "%zu of %zu", accepted, n_json_cases);
}

Test(json_accept, says_yes_to_what_comes_most)
{
    static const char *const texts[] = {
        "{}",
        " { } ",
        "{\"host\":\"db-1\",\"port\":5432,\"tls\":true,\"ratio\":0.75,\"tags\":[\"a\",\"b\"]}",
        "{\"a\":{\"b\":{\"c\":[1,-2,3.25,null,false]}}}",
        "{\"text\":\"line\\nquote\\\"slash\\\\tab\\t\\u00e9\"}",
        "{\"\xC3\xBC\":\"\xE2\x82\xAC \xF0\x9F\x98\x80\"}",
        "[ 1 , 2 ]",
        "-0",
        "123456789012345678",
        "\"\"",
        "true",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cr_expect(json_accept(texts[i], strlen(texts[i])), "%s", texts[i]);
    }
}

Test(json_accept, leaves_to_jansson_what_is_not_sure)
{
    static const char *const texts[] = {
        "{\"\\u0061\":1}", "\"\\ud83d\\ude00\"", "1e5", "9223372036854775807", "\"\\u0000\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cr_expect_not(json_accept(texts[i], strlen(texts[i])), "%s", texts[i]);
        cr_expect(jansson_accepts(texts[i], strlen(texts[i])), "%s", texts[i]);
    }
}

static void add_members(struct str *text, int n)
{
    str_add_char(text, '{');
    for (int i = 0; i < n; i++) {
        str_addf(text, "%s\"k%d\":%d", i == 0 ? "" : ",", i, i);
    }
    str_add_char(text, '}');
}

Test(json_accept, takes_objects_of_64_members)
{
    AUTO_STR most = {0};
    AUTO_STR more = {0};
    add_members(&most, 64);
    add_members(&more, 65);
    cr_expect(json_accept(most.data, most.len));
    cr_expect_not(json_accept(more.data, more.len));
    cr_expect(jansson_accepts(more.data, more.len));
}

/* The gate's results, by reason; "": accepted. */
struct tally {
    size_t quick; /* of the yes: by json_accept */
    size_t good, syntax, twice, range, deep, large;
};

static void count_verdict(struct tally *t, const char *reason)
{
    const struct {
        const char *reason;
        size_t *count;
    } counts[] = {
        {"", &t->good},
        {"JSON_SYNTAX", &t->syntax},
        {"JSON_DUPLICATE_KEY", &t->twice},
        {"JSON_NUMBER_RANGE", &t->range},
        {"JSON_DEPTH", &t->deep},
        {"JSON_TOO_LARGE", &t->large},
    };
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        *counts[i].count += strcmp(reason, counts[i].reason) == 0;
    }
}

/* jansson passes over a NUL byte behind a number or a word. */
static bool is_good(const char *text, size_t len)
{
    return memchr(text, '\0', len) == NULL && jansson_accepts(text, len);
}

/* The gate must say what jansson alone says, but for NUL bytes. The copy ends where the text does,
 * for AddressSanitizer to see. */
static void compare(const struct str *text, uint64_t seed, struct tally *tally)
{
    static const struct json_limits limits = {2000, 64};
    AUTO(free) char *copy = mem_alloc(text->len);
    memcpy(copy, text->data, text->len);
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st = {0};
    bool good = json_check_value(copy, text->len, &limits, "payload", NULL, &json, &st);
    count_verdict(tally, good ? "" : st.reason);
    if (good ||
        (strcmp(st.reason, "JSON_DEPTH") != 0 && strcmp(st.reason, "JSON_TOO_LARGE") != 0)) {
        cr_assert_eq(good, is_good(copy, text->len), "seed %" PRIu64 ": %s", seed, text->data);
        tally->quick += json_accept(copy, text->len);
    }
}

Test(json_accept, gate_says_what_jansson_says)
{
    struct tally tally = {0};
    uint64_t first = random_seed() * 1000000;
    fprintf(stderr, "seeds from %" PRIu64 "; CONFREG_TEST_SEED gives others\n", first);
    for (uint64_t seed = first; seed < first + 200000; seed++) {
        struct random random = {seed};
        AUTO_STR text = {0};
        if (random_percent(&random, 30)) {
            random_json(random_next(&random), false, NULL, &text);
        } else {
            random_hostile_json(&random, &text);
        }
        random_damage(&random, &text);
        compare(&text, seed, &tally);
    }
    cr_expect_gt(tally.quick, 20000, "%zu", tally.quick);
    cr_expect_gt(tally.good - tally.quick, 10000, "%zu left to jansson", tally.good - tally.quick);
    cr_expect_gt(tally.syntax, 10000, "%zu", tally.syntax);
    cr_expect_gt(tally.twice, 1000, "%zu", tally.twice);
    cr_expect_gt(tally.range, 1000, "%zu", tally.range);
    cr_expect_gt(tally.deep, 1000, "%zu", tally.deep);
    cr_expect_gt(tally.large, 100, "%zu", tally.large);
}

/* Memory behind the text is not read. */
Test(json_accept, stops_at_the_end)
{
    const char *text = "{\"a\\u00e9\":[1.5,true,null,\"\xE2\x82\xAC\"],\"b\":{}}";
    for (size_t n = 0; n < strlen(text); n++) {
        AUTO(free) char *part = mem_alloc(n);
        memcpy(part, text, n);
        cr_expect_not(json_accept(part, n), "%zu bytes", n);
    }
}
