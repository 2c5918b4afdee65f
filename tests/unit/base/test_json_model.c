/* Random documents against models, and documents that are large or deep. The seed of each round is
 * printed where one fails; CONFREG_TEST_SEED starts with another. */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "json.h"
#include "json_depth.h"
#include "json_model.h"
#include "leak_check.h"
#include "random_json.h"

TestSuite(json_model, .fini = leak_check);

enum { ROUNDS = 4000 };

static const struct json_limits usual = {1 << 20, 64};

struct pair {
    uint64_t seed;
    struct str a, b; /* b is a, spelled anew and changed in places */
};

static void pair_fini(struct pair *p)
{
    str_fini(&p->a);
    str_fini(&p->b);
}
#define AUTO_PAIR __attribute__((cleanup(pair_fini))) struct pair

static struct pair make_pair(int round, bool objects)
{
    struct pair p = {.seed = random_seed() * 1000000 + (uint64_t)round};
    struct mutation m = {{p.seed ^ 0x5555}, (unsigned)round % 4 * 5};
    random_json(p.seed, objects, NULL, &p.a);
    random_json(p.seed, objects, &m, &p.b);
    return p;
}

static struct json_text text_of(const struct str *s)
{
    return (struct json_text){s->data, s->len};
}

/* The texts that the other tests work on do pass the gate; so does what is made of them. */
static void expect_checked(const struct str *text, uint64_t seed)
{
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st = {0};
    cr_assert(json_check_value(text->data, text->len, &usual, "text", NULL, &json, &st),
              "seed %" PRIu64 ": %s: %s", seed, text->data, st.message);
    cr_assert(json->len == text->len && memcmp(json->data, text->data, json->len) == 0,
              "seed %" PRIu64 ": %s", seed, text->data);
}

Test(json_model, white_space_goes_and_nothing_else)
{
    for (int round = 0; round < ROUNDS; round++) {
        AUTO_PAIR p = make_pair(round, false);
        expect_checked(&p.b, p.seed);
        struct random r = {p.seed};
        AUTO_STR blanks = {0};
        random_blanks(&r, p.b.data, &blanks);
        AUTO(buf_unref) struct buf *json = NULL;
        struct status st = {0};
        cr_assert(json_check_value(blanks.data, blanks.len, &usual, "text", NULL, &json, &st),
                  "seed %" PRIu64 ": %s", p.seed, st.message);
        cr_assert_str_eq((const char *)json->data, p.b.data, "seed %" PRIu64, p.seed);
    }
}

Test(json_model, equality)
{
    int equal = 0;
    for (int round = 0; round < ROUNDS; round++) {
        AUTO_PAIR p = make_pair(round, false);
        bool wanted = model_equal(p.a.data, p.b.data);
        cr_assert_eq(json_text_equal(text_of(&p.a), text_of(&p.b)), wanted,
                     "seed %" PRIu64 ": %s %s", p.seed, p.a.data, p.b.data);
        cr_assert_eq(json_text_equal(text_of(&p.b), text_of(&p.a)), wanted,
                     "seed %" PRIu64 ": %s %s", p.seed, p.b.data, p.a.data);
        equal += wanted;
    }
    cr_expect(equal > ROUNDS / 10 && equal < ROUNDS * 9 / 10, "%d pairs were equal", equal);
}

Test(json_model, merging)
{
    for (int round = 0; round < ROUNDS; round++) {
        AUTO_PAIR p = make_pair(round, round % 2 == 0);
        AUTO_STR merged = {0};
        json_merge(text_of(&p.a), text_of(&p.b), &merged);
        expect_checked(&merged, p.seed);
        AUTO(free) char *wanted = model_merge(p.a.data, p.b.data);
        cr_assert(model_equal(merged.data, wanted), "seed %" PRIu64 ": %s + %s = %s", p.seed,
                  p.a.data, p.b.data, merged.data);
    }
}

Test(json_model, patches_lead_from_one_to_the_other)
{
    int empty = 0;
    for (int round = 0; round < ROUNDS; round++) {
        AUTO_PAIR p = make_pair(round, false);
        AUTO_STR patch = {0};
        json_patch_between(text_of(&p.a), text_of(&p.b), &patch);
        expect_checked(&patch, p.seed);
        AUTO(free) char *applied = model_apply(p.a.data, patch.data);
        cr_assert_not_null(applied, "seed %" PRIu64 ": %s on %s", p.seed, patch.data, p.a.data);
        cr_assert(model_equal(applied, p.b.data), "seed %" PRIu64 ": %s on %s gave %s, not %s",
                  p.seed, patch.data, p.a.data, applied, p.b.data);
        bool none = strcmp(patch.data, "[]") == 0;
        cr_assert_eq(none, model_equal(p.a.data, p.b.data), "seed %" PRIu64, p.seed);
        empty += none;
    }
    cr_expect(empty > ROUNDS / 10 && empty < ROUNDS * 9 / 10, "%d patches were empty", empty);
}

static void add_member(struct str *out, struct json_text key, struct json_text value)
{
    str_addf(out, "%s%.*s:", out->len == 1 ? "" : ",", (int)key.len, key.data);
    str_add(out, value.data, value.len);
}

/* The object that old becomes by a difference, which holds removals and changes in old's order. */
static void apply_difference(struct json_text old, const struct json_diff *diff, struct str *out)
{
    size_t c = 0;
    struct json_text key;
    struct json_text value;
    str_add_char(out, '{');
    for (size_t position = 0; json_member(old, &position, &key, &value);) {
        const struct json_change *change = c < diff->n ? &diff->changes[c] : NULL;
        if (change == NULL || change->key.data != key.data) {
            add_member(out, key, value);
            continue;
        }
        cr_assert_eq(change->old_value.data, value.data);
        if (change->kind == JSON_CHANGED) {
            add_member(out, key, change->new_value);
        }
        c++;
    }
    for (; c < diff->n; c++) {
        cr_assert(diff->changes[c].kind == JSON_ADDED && diff->changes[c].old_value.len == 0);
        add_member(out, diff->changes[c].key, diff->changes[c].new_value);
    }
    str_add_char(out, '}');
}

Test(json_model, differences_lead_from_one_to_the_other)
{
    for (int round = 0; round < ROUNDS; round++) {
        AUTO_PAIR p = make_pair(round, true);
        struct json_diff diff;
        json_diff_objects(text_of(&p.a), text_of(&p.b), &diff);
        AUTO_STR applied = {0};
        apply_difference(text_of(&p.a), &diff, &applied);
        size_t n = diff.n;
        json_diff_fini(&diff);
        expect_checked(&applied, p.seed);
        cr_assert(model_equal(applied.data, p.b.data), "seed %" PRIu64 ": %s to %s gave %s", p.seed,
                  p.a.data, p.b.data, applied.data);
        cr_assert_eq(n == 0, model_equal(p.a.data, p.b.data), "seed %" PRIu64, p.seed);
    }
}

Test(json_model, depth_is_as_the_gate_counts_it)
{
    for (int round = 0; round < ROUNDS; round++) {
        AUTO_PAIR p = make_pair(round, true);
        size_t depth = json_depth(text_of(&p.a));
        AUTO(buf_unref) struct buf *json = NULL;
        AUTO(buf_unref) struct buf *none = NULL;
        struct status st;
        cr_assert(json_check(p.a.data, p.a.len, &(struct json_limits){1 << 20, depth}, "text",
                             &json, &st),
                  "seed %" PRIu64, p.seed);
        cr_assert_not(json_check(p.a.data, p.a.len, &(struct json_limits){1 << 20, depth - 1},
                                 "text", &none, &st),
                      "seed %" PRIu64, p.seed);
    }
}

/* {"key-0":0,…}, counted from the other end where backwards; every `step`th value is one more. */
static void add_large_object(struct str *out, int n, bool backwards, int step)
{
    str_add_char(out, '{');
    for (int i = 0; i < n; i++) {
        int number = backwards ? n - 1 - i : i;
        str_addf(out, "%s\"key-%d\":%d", i == 0 ? "" : ",", number,
                 number + (step != 0 && number % step == 0));
    }
    str_add_char(out, '}');
}

Test(json_model, fifty_thousand_keys)
{
    enum { KEYS = 50000, STEP = 100 };
    AUTO_STR a = {0};
    AUTO_STR b = {0};
    AUTO_STR c = {0};
    add_large_object(&a, KEYS, false, 0);
    add_large_object(&b, KEYS, true, 0);
    add_large_object(&c, KEYS, true, STEP);
    cr_expect(json_text_equal(text_of(&a), text_of(&b)));
    cr_expect_not(json_text_equal(text_of(&a), text_of(&c)));
    struct json_diff diff;
    json_diff_objects(text_of(&a), text_of(&c), &diff);
    cr_expect_eq(diff.n, KEYS / STEP);
    json_diff_fini(&diff);
    AUTO_STR merged = {0};
    json_merge(text_of(&a), text_of(&c), &merged);
    cr_expect(json_text_equal(text_of(&merged), text_of(&c)));
    AUTO_STR patch = {0};
    json_patch_between(text_of(&a), text_of(&c), &patch);
    AUTO(free) char *applied = model_apply(a.data, patch.data);
    cr_expect(applied != NULL && model_equal(applied, c.data));
}

static void add_deep(struct str *out, size_t levels, const char *innermost)
{
    for (size_t i = 0; i < levels; i++) {
        str_add_text(out, i % 2 == 0 ? "{\"a\":" : "[");
    }
    str_add_text(out, innermost);
    for (size_t i = levels; i-- > 0;) {
        str_add_char(out, i % 2 == 0 ? '}' : ']');
    }
}

Test(json_model, as_deep_as_can_be)
{
    AUTO_STR a = {0};
    AUTO_STR b = {0};
    add_deep(&a, JSON_DEPTH_MAX, "1");
    add_deep(&b, JSON_DEPTH_MAX, "2");
    cr_expect_eq(json_depth(text_of(&a)), JSON_DEPTH_MAX);
    cr_expect_not(json_text_equal(text_of(&a), text_of(&b)));
    AUTO_STR merged = {0};
    json_merge(text_of(&a), text_of(&b), &merged);
    cr_expect_str_eq(merged.data, b.data);
    AUTO_STR patch = {0};
    json_patch_between(text_of(&a), text_of(&b), &patch);
    AUTO(free) char *applied = model_apply(a.data, patch.data);
    cr_expect(applied != NULL && model_equal(applied, b.data));
}

Test(json_model, deeper_than_the_gate_lets_through_is_our_fault, .signal = SIGABRT)
{
    AUTO_STR a = {0};
    AUTO_STR b = {0};
    add_deep(&a, JSON_DEPTH_MAX + 2, "1");
    add_deep(&b, JSON_DEPTH_MAX + 2, "2");
    json_text_equal(text_of(&a), text_of(&b));
}
