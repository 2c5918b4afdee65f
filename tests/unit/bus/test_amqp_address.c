/* Addresses of brokers, as users write them. */
#include <criterion/criterion.h>
#include <string.h>

#include "amqp_address.h"
#include "leak_check.h"
#include "str.h"

struct good {
    const char *text;
    bool tls;
    const char *user, *password, *vhost;
    const char *hosts; /* "name:port name:port" */
    int heartbeat_s, connection_timeout_ms;
};

static const struct good goods[] = {
    {"amqp://h", false, NULL, NULL, "/", "h:5672", 10, 5000},
    {"amqps://h", true, NULL, NULL, "/", "h:5671", 10, 5000},
    {"amqp://h/", false, NULL, NULL, "/", "h:5672", 10, 5000},
    {"amqp://h//", false, NULL, NULL, "/", "h:5672", 10, 5000},
    {"amqp://h/%2F", false, NULL, NULL, "/", "h:5672", 10, 5000},
    {"amqp://h/%2fa", false, NULL, NULL, "/a", "h:5672", 10, 5000},
    {"amqp://h/prod", false, NULL, NULL, "prod", "h:5672", 10, 5000},
    {"amqp://h/a/b", false, NULL, NULL, "a/b", "h:5672", 10, 5000},
    {"amqp://u:p@h:1/v", false, "u", "p", "v", "h:1", 10, 5000},
    {"amqp://u@h", false, "u", NULL, "/", "h:5672", 10, 5000},
    {"amqp://u:@h", false, "u", "", "/", "h:5672", 10, 5000},
    {"amqp://u%3A:p%40%2F%25@h", false, "u:", "p@/%", "/", "h:5672", 10, 5000},
    {"amqp://u:p@p@h", false, "u", "p@p", "/", "h:5672", 10, 5000},
    {"amqp://u:p:p@h", false, "u", "p:p", "/", "h:5672", 10, 5000},
    {"amqp://a,b:2,c/v", false, NULL, NULL, "v", "a:5672 b:2 c:5672", 10, 5000},
    {"amqp://[::1]", false, NULL, NULL, "/", "::1:5672", 10, 5000},
    {"amqp://u:p@[::1]:65535,[fe80::2]/v", false, "u", "p", "v", "::1:65535 fe80::2:5672", 10,
     5000},
    {"amqp://h?heartbeat=3", false, NULL, NULL, "/", "h:5672", 3, 5000},
    {"amqp://h?heartbeat=0", false, NULL, NULL, "/", "h:5672", 0, 5000},
    {"amqp://h/v?connection_timeout=60000&heartbeat=3600", false, NULL, NULL, "v", "h:5672", 3600,
     60000},
    {"amqp://h?", false, NULL, NULL, "/", "h:5672", 10, 5000},
};

static const char *const bads[] = {
    "",
    "amqp",
    "amqp:",
    "amqp:/",
    "amqp://",
    "amqp:///v",
    "AMQP://h",
    "http://h",
    " amqp://h",
    "amqp://,h",
    "amqp://h,",
    "amqp://h:",
    "amqp://h:0",
    "amqp://h:65536",
    "amqp://h:1x",
    "amqp://h:-1",
    "amqp://h:99999999999999999999",
    "amqp://:5672",
    "amqp://u:p@",
    "amqp://@h",
    "amqp://:p@h",
    "amqp://[::1",
    "amqp://[::1]x",
    "amqp://[]",
    "amqp://[::1]:",
    "amqp://h%00x",
    "amqp://u%00:p@h",
    "amqp://u:p%00@h",
    "amqp://h/v%00",
    "amqp://h?x",
    "amqp://h?x=1",
    "amqp://h?heartbeat",
    "amqp://h?heartbeat=-1",
    "amqp://h?heartbeat=3601",
    "amqp://h?heartbeat=1s",
    "amqp://h?connection_timeout=60001",
    "amqp://h?cacertfile=/a",
    "amqps://h?certfile=/a",
    "amqps://h?keyfile=/a",
    "amqps://h?verify=",
    "amqps://h?verify=yes",
    "amqp://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a",
};

static void expect_text(const char *found, const char *wanted, const char *text)
{
    cr_assert_eq(found == NULL, wanted == NULL, "%s", text);
    cr_assert(wanted == NULL || strcmp(found, wanted) == 0, "%s: \"%s\"", text, found);
}

Test(amqp_address, takes_good_ones_apart)
{
    for (size_t i = 0; i < COUNT_OF(goods); i++) {
        const struct good *good = &goods[i];
        struct amqp_address a;
        struct status st;
        cr_assert(amqp_address_parse(good->text, &a, &st), "%s: %s", good->text, st.message);
        AUTO_STR hosts = {0};
        for (size_t k = 0; k < a.n_hosts; k++) {
            str_addf(&hosts, "%s%s:%d", k == 0 ? "" : " ", a.hosts[k].name, a.hosts[k].port);
        }
        cr_assert_eq(a.tls, good->tls, "%s", good->text);
        expect_text(a.user, good->user, good->text);
        expect_text(a.password, good->password, good->text);
        expect_text(a.vhost, good->vhost, good->text);
        expect_text(hosts.data, good->hosts, good->text);
        cr_assert_eq(a.heartbeat_s, good->heartbeat_s, "%s", good->text);
        cr_assert_eq(a.connection_timeout_ms, good->connection_timeout_ms, "%s", good->text);
        amqp_address_fini(&a);
    }
    leak_check();
}

Test(amqp_address, takes_what_tls_needs)
{
    struct amqp_address a;
    struct status st;
    cr_assert(amqp_address_parse("amqps://h?cacertfile=/a%20b&certfile=/c&keyfile=/k", &a, &st));
    cr_assert_str_eq(a.ca_file, "/a b");
    cr_assert_str_eq(a.certificate_file, "/c");
    cr_assert_str_eq(a.key_file, "/k");
    cr_assert_not(a.trust_anyone);
    amqp_address_fini(&a);
    cr_assert(amqp_address_parse("amqps://h?verify=verify_peer&verify=verify_none", &a, &st));
    cr_assert(a.trust_anyone, "the last one counts");
    amqp_address_fini(&a);
    leak_check();
}

Test(amqp_address, refuses_what_is_none)
{
    for (size_t i = 0; i < COUNT_OF(bads); i++) {
        struct amqp_address a;
        struct status st;
        cr_assert_not(amqp_address_parse(bads[i], &a, &st), "%s", bads[i]);
        cr_assert_eq(st.code, STATUS_INVALID_ARGUMENT, "%s", bads[i]);
        cr_assert_str_eq(st.reason, "BUS_ADDRESS");
    }
    leak_check();
}

Test(amqp_address, never_repeats_a_credential)
{
    static const char *const texts[] = {
        "amqp://secret:secret@h:x",        "amqp://secret:secret@",
        "amqp://secret:secret@h?secret=1", "secret://secret:secret@h",
        "amqp://secret:secret@[h",         "amqp://secret%00:secret@h",
        "amqp://secret:secret%00@h",       "amqp://secret:secret@h/%00",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct amqp_address a;
        struct status st;
        cr_assert_not(amqp_address_parse(texts[i], &a, &st), "%s", texts[i]);
        cr_assert_null(strstr(st.message, "secret"), "%s", st.message);
    }
    leak_check();
}
