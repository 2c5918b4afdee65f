/* Makes a leak fail a Criterion test: `TestSuite(name, .fini = leak_check);`, or a call at the end
 * of a test. Aborts the test's process, because Criterion ignores an assertion that fails after the
 * test's body; Criterion then reports the test as crashed and exits with 1. Does nothing without
 * AddressSanitizer. */
#ifndef TESTS_LEAK_CHECK_H
#define TESTS_LEAK_CHECK_H

#include <criterion/criterion.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define LEAK_CHECK_WORKS
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAK_CHECK_WORKS
#endif
#endif

#ifdef LEAK_CHECK_WORKS
#include <sanitizer/lsan_interface.h>
#endif

static inline void leak_check(void)
{
#ifdef LEAK_CHECK_WORKS
    if (__lsan_do_recoverable_leak_check() != 0) {
        abort();
    }
#endif
}

#endif
