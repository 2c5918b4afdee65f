/* Time. Wall-clock times are microseconds since 1970-01-01T00:00:00Z; waiting is measured on
 * the monotonic clock in nanoseconds. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

int64_t clock_wall_us(void);
int64_t clock_monotonic_ns(void);
/* The monotonic clock in ms milliseconds: 0 if it is less, 146 years if it is more. */
static inline int64_t clock_after_ms(int64_t ms)
{
    const int64_t most_ms = INT64_MAX / 2 / 1000000;
    int64_t wait_ms = ms < 0 ? 0 : ms < most_ms ? ms : most_ms;
    return clock_monotonic_ns() + wait_ms * 1000000;
}
/* The earlier of two times on the monotonic clock; -1 means none. */
static inline int64_t clock_earlier(int64_t a_ns, int64_t b_ns)
{
    return a_ns < 0 || (b_ns >= 0 && b_ns < a_ns) ? b_ns : a_ns;
}

/* "2026-01-31T09:18:40.507038Z" (RFC 3339): 27 characters and a NUL. */
#define CLOCK_TEXT_SIZE 32
void clock_format(int64_t wall_us, char text[CLOCK_TEXT_SIZE]);
/* Reads such a time, of the years 1970 to 9999 and with up to 6 digits of a second's fraction or
 * none. False: it is none, or no day of the calendar. */
bool clock_parse(const char *text, int64_t *ret_wall_us);

#endif
