/* Checks and a client, for the programs of users. */
#ifndef TESTS_LIBRARY_CHECKS_H
#define TESTS_LIBRARY_CHECKS_H

#include <confreg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);                                 \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define CHECK_ERROR(error, wanted_code, wanted_reason)                                             \
    do {                                                                                           \
        if ((error).code != (wanted_code) || strcmp((error).reason, wanted_reason) != 0) {         \
            printf("%s:%d: %d %s %s: %s\n", __FILE__, __LINE__, (error).code, (error).reason,      \
                   (error).field, (error).message);                                                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* A client of one address. */
static inline struct confreg_client *client_of(const char *address, int64_t timeout_ms)
{
    struct confreg_client_options options = CONFREG_CLIENT_OPTIONS_INIT;
    struct confreg_error error;
    options.addresses = &address;
    options.n_addresses = 1;
    options.timeout_ms = timeout_ms;
    options.author = "tester";
    struct confreg_client *client = confreg_client_new(&options, &error);
    if (client == NULL) {
        printf("%s: %s\n", address, error.message);
        exit(1);
    }
    return client;
}

#endif
