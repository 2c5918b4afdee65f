/* Makes a leak fail a Criterion program: `TestSuite(name, .fini = leak_check);`, or a call at a
 * test's end. Ends the test's process, because Criterion passes over an assertion that fails behind
 * the test's body; it then names the test and exits with 1. Nothing in builds without
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
