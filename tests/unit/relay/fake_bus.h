/* A bus that fails when it is told to, and remembers what a consumer would have heard. */
#ifndef TESTS_FAKE_BUS_H
#define TESTS_FAKE_BUS_H

#include <pthread.h>

#include "bus.h"

enum fake_fault {
    FAKE_WELL,
    FAKE_CLOSED,  /* the message is not heard, and the connection is gone */
    FAKE_REFUSED, /* the message is not heard, what comes behind it is; the broker says so */
    FAKE_SILENT,  /* the message is heard, but never confirmed: the connection dies of it */
};

/* Of a message, in the order in which they were heard. */
struct heard {
    uint64_t revision;
    uint64_t index;
};

struct fake_bus {
    struct bus bus;
    pthread_mutex_t lock;
    /* The fault happens at the message of this number, counted over all leases from 1; 0: none. */
    uint64_t fault_at;
    enum fake_fault fault;
    uint64_t unreachable; /* so many tries to take the lease fail */
    uint64_t held;        /* then so many find it taken */
    bool stalled;         /* nothing is confirmed, and waiting goes on */
    bool interrupted;

    uint64_t total;     /* messages, over all leases */
    uint64_t number;    /* since acquire */
    uint64_t confirmed; /* since acquire */
    uint64_t told;      /* of them, what was returned by wait */
    bool broken;        /* until release */
    bool refused;
    uint64_t leases;
    struct heard *messages;
    size_t n_messages;
};

void fake_bus_init(struct fake_bus *fake, bool outside);
void fake_bus_fini(struct fake_bus *fake);

#endif
