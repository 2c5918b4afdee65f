#include "expiries.h"

#define US_A_SECOND 1000000

static uint64_t bit_of(int64_t second)
{
    return UINT64_C(1) << (second % EXPIRIES_SECONDS % 64);
}

static atomic_uint_least64_t *word_of(struct expiries *expiries, int64_t second)
{
    return &expiries->bits[second % EXPIRIES_SECONDS / 64];
}

/* Half of the circle lies ahead, so that a look that is late finds the other half. */
void expiries_add(struct expiries *expiries, int64_t at_us, int64_t now_us)
{
    int64_t second = (at_us + US_A_SECOND - 1) / US_A_SECOND;
    int64_t last = now_us / US_A_SECOND + EXPIRIES_AHEAD_S;
    second = second < last ? second : last;
    atomic_uint_least64_t *word = word_of(expiries, second);
    uint64_t bit = bit_of(second);
    if ((atomic_load_explicit(word, memory_order_relaxed) & bit) == 0) {
        atomic_fetch_or(word, bit);
    }
}

bool expiries_pass(struct expiries *expiries, int64_t now_us)
{
    int64_t now_s = now_us / US_A_SECOND;
    bool found = false;
    bool was_set_back = now_s < expiries->passed_s;
    if (was_set_back || now_s - expiries->passed_s > EXPIRIES_SECONDS) {
        expiries->passed_s = now_s - EXPIRIES_SECONDS; /* once around is all */
    }
    while (expiries->passed_s < now_s) {
        int64_t second = ++expiries->passed_s;
        uint64_t bit = bit_of(second);
        found |= (atomic_fetch_and(word_of(expiries, second), ~bit) & bit) != 0;
    }
    return found;
}
