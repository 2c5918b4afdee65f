/* The digest over heads, and what a seal tells apart. */
#include <criterion/criterion.h>

#include "seal.h"

static struct hash seal_of_number(uint64_t number)
{
    return hash_bytes(&number, sizeof number);
}

static struct hash all_ones(void)
{
    struct hash hash;
    memset(hash.bytes, 0xff, sizeof hash.bytes);
    return hash;
}

Test(digest, does_not_depend_on_the_order)
{
    struct heads_digest up = {.n = 0};
    struct heads_digest down = {.n = 0};
    for (uint64_t i = 0; i < 100; i++) {
        struct hash first = seal_of_number(i);
        struct hash last = seal_of_number(99 - i);
        heads_digest_add(&up, &first);
        heads_digest_add(&down, &last);
    }
    cr_assert(heads_digest_equal(&up, &down));
    cr_assert_eq(up.n, 100);
}

Test(digest, forgets_what_is_taken_away)
{
    static const struct heads_digest nothing;
    struct heads_digest digest = {.n = 0};
    struct hash large = all_ones();
    for (uint64_t i = 0; i < 100; i++) {
        struct hash seal = seal_of_number(i);
        heads_digest_add(&digest, &seal);
        heads_digest_add(&digest, &large);
    }
    for (uint64_t i = 0; i < 100; i++) {
        struct hash seal = seal_of_number(i);
        cr_assert_not(heads_digest_equal(&digest, &nothing));
        heads_digest_remove(&digest, &large);
        heads_digest_remove(&digest, &seal);
    }
    cr_assert(heads_digest_equal(&digest, &nothing), "carries and borrows are even");
}

Test(digest, tells_one_head_from_an_older_one_of_its_config)
{
    struct heads_digest found = {.n = 0};
    struct heads_digest right = {.n = 0};
    struct hash older = seal_of_number(1);
    struct hash newer = seal_of_number(2);
    heads_digest_add(&found, &older);
    heads_digest_add(&right, &newer);
    cr_assert_not(heads_digest_equal(&found, &right));
}

Test(digest, comes_back_from_its_bytes)
{
    uint8_t bytes[HEADS_DIGEST_BYTES];
    struct heads_digest digest = {.n = 0};
    struct heads_digest read;
    struct hash seal = seal_of_number(7);
    heads_digest_add(&digest, &seal);
    heads_digest_encode(&digest, bytes);
    heads_digest_decode(bytes, &read);
    cr_assert(heads_digest_equal(&read, &digest));
}

/* Inputs that could be confused with each other have different seals. */
Test(seal, differs_with_all_that_it_covers)
{
    struct store_identity identity = {.secret = {1}};
    struct store_identity other = {.secret = {2}};
    struct mark_row row = {.value = 5};
    struct mark_row larger = {.value = 6};
    struct mark_row with_digest = {.value = 5, .digest = {.n = 1}};
    struct hash seals[] = {
        seal_of_mark(&identity, STORE_MARK_HEADS, &row),
        seal_of_mark(&identity, STORE_MARK_SCRUBBED, &row),
        seal_of_mark(&identity, STORE_MARK_HEADS, &larger),
        seal_of_mark(&identity, STORE_MARK_HEADS, &with_digest),
        seal_of_mark(&other, STORE_MARK_HEADS, &row),
        seal_of_identity(&identity, STORE_FORMAT),
        seal_of_identity(&other, STORE_FORMAT),
    };
    for (size_t i = 0; i < COUNT_OF(seals); i++) {
        for (size_t k = 0; k < i; k++) {
            cr_assert_not(hash_equal(&seals[i], &seals[k]), "%zu and %zu", i, k);
        }
    }
}
