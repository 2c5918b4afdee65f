#include <criterion/criterion.h>

#include "token_bucket.h"

#define S INT64_C(1000000000)
#define NOW (77 * S)

static const struct rate rate = {.a_second = 10, .burst = 20};
static struct token_bucket bucket;

static bool take(uint64_t n, int64_t now_ns, int64_t *ret_wait_ns)
{
    return token_bucket_take(&bucket, &rate, n, now_ns, ret_wait_ns);
}

Test(token_bucket, a_burst_then_the_rate)
{
    int64_t wait_ns = 0;
    for (int i = 0; i < 20; i++) {
        cr_assert(take(1, NOW, &wait_ns), "%d", i);
    }
    cr_assert_not(take(1, NOW, &wait_ns));
    cr_expect(wait_ns > S / 10 - 10 && wait_ns < S / 10 + 10, "%ld", (long)wait_ns);
    cr_expect_not(take(1, NOW + S / 20, &wait_ns));
    cr_expect(take(1, NOW + wait_ns + S / 20, &wait_ns));
    cr_expect_not(take(1, NOW + S / 10 + 100, &wait_ns));
}

Test(token_bucket, a_request_larger_than_the_burst_makes_a_debt)
{
    int64_t wait_ns = 0;
    cr_assert(take(120, NOW, &wait_ns));
    cr_assert_not(take(1, NOW, &wait_ns));
    cr_expect(wait_ns > 10 * S && wait_ns < 10 * S + S / 5, "%ld", (long)wait_ns);
    cr_expect(take(1, NOW + wait_ns, &wait_ns));
}

Test(token_bucket, it_is_full_again_after_a_while)
{
    int64_t wait_ns = 0;
    cr_expect(token_bucket_is_full(&bucket, &rate, NOW));
    take(5, NOW, &wait_ns);
    cr_expect_not(token_bucket_is_full(&bucket, &rate, NOW));
    cr_expect(token_bucket_is_full(&bucket, &rate, NOW + S));
    for (int i = 0; i < 20; i++) {
        cr_assert(take(1, NOW + 100 * S, &wait_ns), "the burst does not grow");
    }
    cr_expect_not(take(1, NOW + 100 * S, &wait_ns));
}

Test(token_bucket, no_rate_is_no_limit)
{
    static const struct rate none;
    int64_t wait_ns;
    cr_expect(token_bucket_take(&bucket, &none, UINT64_MAX, NOW, &wait_ns));
    cr_expect(token_bucket_is_full(&bucket, &none, NOW));
}
