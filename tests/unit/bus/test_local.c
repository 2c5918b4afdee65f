/* The bus inside the process, and how buses are told apart. */
#include <criterion/criterion.h>
#include <string.h>

#include "bus.h"
#include "leak_check.h"
#include "mem.h"

#define EPOCH "0123456789abcdef"

Test(local, takes_what_it_is_given)
{
    struct bus *bus = NULL;
    struct status st;
    struct wake wake;
    uint64_t confirmed = 99;
    const struct bus_message message = {
        .routing_key = "config.created", .id = EPOCH ":1:0", .body = "{}", .n_body = 2};
    wake_init(&wake);
    cr_assert(bus_open(&(struct bus_options){.address = "local:", .epoch = EPOCH}, &bus, &st));
    cr_assert_not(bus->ops->outside);
    for (size_t lease = 0; lease < 2; lease++) {
        cr_assert(bus_acquire(bus, &st));
        cr_assert(bus_wait(bus, &wake, 0, &confirmed, &st));
        cr_assert_eq(confirmed, 0, "counted from the lease on");
        cr_assert(bus_publish(bus, &message, &st));
        cr_assert(bus_publish(bus, &message, &st));
        cr_assert(bus_wait(bus, &wake, 0, &confirmed, &st));
        cr_assert_eq(confirmed, 2);
        bus_release(bus);
    }
    wake_set(&wake);
    cr_assert(bus_wait(bus, &wake, INT64_MAX, &confirmed, &st), "a wake ends the waiting");
    bus_close(bus);
    wake_fini(&wake);
    leak_check();
}

Test(bus, is_told_apart_by_its_scheme)
{
    static const struct {
        const char *address;
        const char *scheme; /* NULL: refused */
    } rows[] = {{"local:", "local"}, {"amqp://h", "amqp"}, {"amqps://h", "amqps"},
                {"local:x", NULL},   {"local", NULL},      {"", NULL},
                {"amqp", NULL},      {"redis://h", NULL}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bus *bus = NULL;
        struct status st;
        struct bus_options options = {.address = rows[i].address, .epoch = EPOCH};
        bool ok = bus_open(&options, &bus, &st);
        cr_assert_eq(ok, rows[i].scheme != NULL, "%s", rows[i].address);
        if (ok) {
            cr_assert_str_eq(bus->ops->scheme, rows[i].scheme);
        } else {
            cr_assert_str_eq(st.reason, "BUS_ADDRESS");
        }
        bus_close(bus);
    }
    leak_check();
}
