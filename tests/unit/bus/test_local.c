/* The bus inside the process, and how buses are told apart. */
#include <criterion/criterion.h>
#include <string.h>

#include "bus.h"
#include "leak_check.h"
#include "mem.h"

#define EPOCH "0123456789abcdef"

static void never(void *user, uint64_t revision)
{
    (void)user;
    cr_assert_fail("woken at %llu", (unsigned long long)revision);
}

Test(local, is_heard_by_nobody)
{
    struct bus *bus = NULL;
    struct status st;
    cr_assert(bus_open(&(struct bus_options){.address = "local:", .epoch = EPOCH}, &bus, &st));
    cr_assert_not(bus->ops->outside);
    bus_listen(bus, never, NULL);
    bus_wake(bus, 1);
    bus_close(bus);
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
