#include "clock.h"

#include <stdio.h>
#include <string.h>
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

/* Reads this many digits, and moves *at behind them. */
static bool take_digits(const char **at, int digits, int *ret_value)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if ((*at)[i] < '0' || (*at)[i] > '9') {
            return false;
        }
        value = value * 10 + ((*at)[i] - '0');
    }
    *at += digits;
    *ret_value = value;
    return true;
}

/* Reads ".5", or nothing. */
static bool take_micros(const char **at, int *ret_micros)
{
    *ret_micros = 0;
    if (**at != '.') {
        return true;
    }
    int digits = (int)strspn(*at + 1, "0123456789");
    (*at)++;
    if (digits < 1 || digits > 6 || !take_digits(at, digits, ret_micros)) {
        return false;
    }
    for (int i = digits; i < 6; i++) {
        *ret_micros *= 10;
    }
    return true;
}

bool clock_parse(const char *text, int64_t *ret_wall_us)
{
    struct tm tm = {0};
    int micros;
    const struct {
        char before; /* 0: nothing */
        int digits;
        int *value;
    } parts[] = {{0, 4, &tm.tm_year},   {'-', 2, &tm.tm_mon}, {'-', 2, &tm.tm_mday},
                 {'T', 2, &tm.tm_hour}, {':', 2, &tm.tm_min}, {':', 2, &tm.tm_sec}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].before != 0 && *text++ != parts[i].before) {
            return false;
        }
        if (!take_digits(&text, parts[i].digits, parts[i].value)) {
            return false;
        }
    }
    if (!take_micros(&text, &micros) || strcmp(text, "Z") != 0 || tm.tm_year < 1970) {
        return false;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    struct tm given = tm;
    int64_t seconds = timegm(&tm);
    /* timegm turns a 31st of June into a 1st of July. */
    if (tm.tm_mon != given.tm_mon || tm.tm_mday != given.tm_mday || tm.tm_hour != given.tm_hour ||
        tm.tm_min != given.tm_min || tm.tm_sec != given.tm_sec) {
        return false;
    }
    *ret_wall_us = seconds * 1000000 + micros;
    return true;
}
