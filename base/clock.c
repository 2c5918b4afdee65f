#include "clock.h"

#include <stdio.h>
#include <time.h>

int64_t clock_wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Writes the last digits of a number, and moves *at behind them. */
static void put_digits(char **at, int value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        (*at)[i] = (char)('0' + value % 10);
        value /= 10;
    }
    *at += digits;
}

/* Documents and events are full of times, so this does without strftime and snprintf. */
void clock_format(int64_t wall_us, char text[CLOCK_TEXT_SIZE])
{
    int64_t micros = wall_us % 1000000;
    time_t seconds = (time_t)(wall_us / 1000000);
    if (micros < 0) {
        micros += 1000000;
        seconds--;
    }
    struct tm tm;
    gmtime_r(&seconds, &tm);
    int year = tm.tm_year + 1900;
    if (year >= 0 && year <= 9999) {
        put_digits(&text, year, 4);
    } else { /* as a time that was never set right may be */
        text += snprintf(text, CLOCK_TEXT_SIZE, "%d", year);
    }
    const struct {
        char before;
        int value, digits;
    } parts[] = {{'-', tm.tm_mon + 1, 2}, {'-', tm.tm_mday, 2}, {'T', tm.tm_hour, 2},
                 {':', tm.tm_min, 2},     {':', tm.tm_sec, 2},  {'.', (int)micros, 6}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        *text++ = parts[i].before;
        put_digits(&text, parts[i].value, parts[i].digits);
    }
    *text++ = 'Z';
    *text = '\0';
}
