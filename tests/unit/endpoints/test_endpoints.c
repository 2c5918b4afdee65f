/* The variables and secrets of the replaced service. Each test is a process of its own, with an
 * environment of its own. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "endpoints.h"
#include "leak_check.h"
#include "mem.h"
#include "secret.h"

static char folder[64];

static void set_up(void)
{
    static const char *const names[] = {
        "MESSAGE_BUS_TYPE",       "MESSAGE_BUS_HOST",          "MESSAGE_BUS_PORT",
        "DOCUMENT_STORE_TYPE",    "DOCUMENT_DATABASE_HOST",    "DOCUMENT_DATABASE_PORT",
        "DOCUMENT_DATABASE_NAME", "MESSAGE_BUS_USER",          "MESSAGE_BUS_PASSWORD",
        "DOCUMENT_DATABASE_USER", "DOCUMENT_DATABASE_PASSWORD"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        unsetenv(names[i]);
    }
    strcpy(folder, "/tmp/confreg-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void path_of(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", folder, name);
}

static void tear_down(void)
{
    static const char *const names[] = {"message_bus_user", "message_bus_password",
                                        "document_database_user", "document_database_password"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[128];
        path_of(names[i], path);
        remove(path);
    }
    rmdir(folder);
    leak_check();
}

TestSuite(endpoints, .init = set_up, .fini = tear_down);
TestSuite(secret, .init = set_up, .fini = tear_down);

static void write_secret(const char *name, const char *text, size_t n)
{
    char path[128];
    path_of(name, path);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text, 1, n, file), n);
    fclose(file);
}

static void expect(const char *given_store, const char *given_bus, const char *store,
                   const char *bus)
{
    struct endpoints e;
    struct status st;
    cr_assert(endpoints_read(given_store, given_bus, folder, &e, &st), "%s", st.message);
    cr_assert_str_eq(e.store, store);
    cr_assert_str_eq(e.bus, bus);
    endpoints_fini(&e);
}

static void expect_refusal(const char *variable)
{
    struct endpoints e;
    struct status st;
    cr_assert_not(endpoints_read(NULL, NULL, folder, &e, &st));
    cr_assert_eq(st.code, STATUS_INVALID_ARGUMENT);
    cr_assert_not_null(strstr(st.message, variable), "%s", st.message);
}

static void expect_bus_credentials(const char *bus, const char *user, const char *password)
{
    struct endpoints e;
    struct status st;
    cr_assert(endpoints_read(NULL, bus, folder, &e, &st), "%s", st.message);
    cr_assert_eq(e.bus_user == NULL, user == NULL);
    cr_assert_eq(e.bus_password == NULL, password == NULL);
    cr_assert(user == NULL || strcmp(e.bus_user, user) == 0);
    cr_assert(password == NULL || strcmp(e.bus_password, password) == 0);
    cr_assert_null(strchr(e.bus, '@'), "the address is fit for a log");
    endpoints_fini(&e);
}

Test(endpoints, gives_the_defaults_where_nothing_is_set)
{
    expect(NULL, NULL, "sqlite:confreg.db", "local:");
}

Test(endpoints, makes_addresses_of_hosts)
{
    setenv("MESSAGE_BUS_HOST", "messagebus", 1);
    setenv("DOCUMENT_DATABASE_HOST", "documentdb", 1);
    expect(NULL, NULL, "mongodb://documentdb:27017/copilot_config", "amqp://messagebus:5672");
    setenv("MESSAGE_BUS_TYPE", "rabbitmq", 1);
    setenv("MESSAGE_BUS_PORT", "5673", 1);
    setenv("DOCUMENT_STORE_TYPE", "mongodb", 1);
    setenv("DOCUMENT_DATABASE_PORT", "27018", 1);
    setenv("DOCUMENT_DATABASE_NAME", "odd name", 1);
    expect(NULL, NULL, "mongodb://documentdb:27018/odd%20name", "amqp://messagebus:5673");
    setenv("MESSAGE_BUS_HOST", "::1", 1);
    setenv("DOCUMENT_DATABASE_HOST", "[::2]", 1);
    expect(NULL, NULL, "mongodb://[::2]:27018/odd%20name", "amqp://[::1]:5673");
}

Test(endpoints, gives_way_to_addresses)
{
    setenv("MESSAGE_BUS_TYPE", "carrier pigeon", 1);
    setenv("DOCUMENT_STORE_TYPE", "stone tablets", 1);
    expect("memory:", "local:", "memory:", "local:");
    expect("sqlite:x", "amqp://h", "sqlite:x", "amqp://h");
}

Test(endpoints, takes_empty_variables_as_not_set)
{
    setenv("MESSAGE_BUS_HOST", "", 1);
    setenv("MESSAGE_BUS_TYPE", "", 1);
    setenv("DOCUMENT_DATABASE_HOST", "", 1);
    setenv("DOCUMENT_DATABASE_PORT", "", 1);
    expect(NULL, NULL, "sqlite:confreg.db", "local:");
    setenv("DOCUMENT_DATABASE_HOST", "h", 1);
    expect(NULL, NULL, "mongodb://h:27017/copilot_config", "local:");
}

/* The variables that Kubernetes sets for Services named "message-bus" and "document-database". */
Test(endpoints, takes_links_to_services_as_not_set)
{
    setenv("MESSAGE_BUS_PORT", "tcp://10.0.0.1:5672", 1);
    setenv("DOCUMENT_DATABASE_PORT", "tcp://10.0.0.2:27017", 1);
    expect(NULL, NULL, "sqlite:confreg.db", "local:");
    setenv("MESSAGE_BUS_HOST", "message-bus", 1);
    setenv("DOCUMENT_DATABASE_HOST", "document-database", 1);
    expect(NULL, NULL, "mongodb://document-database:27017/copilot_config",
           "amqp://message-bus:5672");
}

Test(endpoints, refuses_what_it_does_not_know)
{
    setenv("MESSAGE_BUS_TYPE", "servicebus", 1);
    setenv("MESSAGE_BUS_HOST", "h", 1);
    expect_refusal("MESSAGE_BUS_TYPE");
    setenv("MESSAGE_BUS_TYPE", "rabbitmq", 1);
    unsetenv("MESSAGE_BUS_HOST");
    expect_refusal("MESSAGE_BUS_HOST");
    setenv("MESSAGE_BUS_HOST", "h", 1);
    static const char *const ports[] = {"0", "65536", "amqp", "5672 ", "-1", "999999999999"};
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        setenv("MESSAGE_BUS_PORT", ports[i], 1);
        expect_refusal("MESSAGE_BUS_PORT");
    }
    unsetenv("MESSAGE_BUS_PORT");
    setenv("DOCUMENT_STORE_TYPE", "cosmos", 1);
    expect_refusal("DOCUMENT_STORE_TYPE");
}

Test(endpoints, puts_credentials_of_the_database_into_its_address)
{
    setenv("DOCUMENT_DATABASE_HOST", "h", 1);
    write_secret("document_database_user", "root\n", 5);
    write_secret("document_database_password", "p@ss:w/%\n", 9);
    expect(NULL, NULL, "mongodb://root:p%40ss%3Aw%2F%25@h:27017/copilot_config?authSource=admin",
           "local:");
    expect("mongodb://a,b:1/db?x=y", NULL, "mongodb://root:p%40ss%3Aw%2F%25@a,b:1/db?x=y",
           "local:");
    expect("mongodb+srv://a", NULL, "mongodb+srv://root:p%40ss%3Aw%2F%25@a", "local:");
    expect("mongodb://u:p@h", NULL, "mongodb://u:p@h", "local:");
    expect("sqlite:a", NULL, "sqlite:a", "local:");
}

Test(endpoints, hands_credentials_of_the_broker_over)
{
    expect_bus_credentials(NULL, NULL, NULL);
    setenv("MESSAGE_BUS_USER", "u", 1);
    setenv("MESSAGE_BUS_PASSWORD", "p", 1);
    expect_bus_credentials(NULL, NULL, NULL);
    expect_bus_credentials("amqp://h", "u", "p");
    expect_bus_credentials("amqps://h", "u", "p");
    write_secret("message_bus_user", "file-u", 6);
    write_secret("message_bus_password", "file-p\r\n", 8);
    expect_bus_credentials("amqp://h", "file-u", "file-p");
    setenv("MESSAGE_BUS_HOST", "h", 1);
    expect_bus_credentials(NULL, "file-u", "file-p");
}

static void expect_secret(const char *text)
{
    char *secret = NULL;
    struct status st;
    cr_assert(secret_read(folder, "message_bus_user", &secret, &st), "%s", st.message);
    cr_assert_eq(secret == NULL, text == NULL);
    cr_assert(text == NULL || strcmp(secret, text) == 0);
    free(secret);
}

Test(secret, comes_from_the_file_or_the_variable)
{
    expect_secret(NULL);
    setenv("MESSAGE_BUS_USER", "from the variable", 1);
    expect_secret("from the variable");
    write_secret("message_bus_user", " kept blanks \n\r\n", 16);
    expect_secret(" kept blanks ");
    write_secret("message_bus_user", "\n", 1);
    expect_secret(NULL);
    char *secret = NULL;
    struct status st;
    cr_assert(secret_read("/no/such/folder", "message_bus_user", &secret, &st));
    cr_assert_str_eq(secret, "from the variable");
    free(secret);
}

static void expect_no_secret(const char *said)
{
    char *secret = NULL;
    struct status st;
    cr_assert_not(secret_read(folder, "message_bus_user", &secret, &st));
    cr_assert_str_eq(st.reason, "SECRET");
    cr_assert_not_null(strstr(st.message, said), "%s", st.message);
    cr_assert_not_null(strstr(st.message, folder), "the file is named");
}

Test(secret, is_refused_where_it_cannot_be_used)
{
    static char large[SECRET_MAX_BYTES + 1];
    char path[128];
    memset(large, 's', sizeof large);
    write_secret("message_bus_user", large, sizeof large);
    expect_no_secret("4096");
    write_secret("message_bus_user", large, SECRET_MAX_BYTES);
    char *secret = NULL;
    struct status st;
    cr_assert(secret_read(folder, "message_bus_user", &secret, &st));
    cr_assert_eq(strlen(secret), SECRET_MAX_BYTES);
    free(secret);
    write_secret("message_bus_user", "a\0b", 3);
    expect_no_secret("NUL");
    path_of("message_bus_user", path);
    unlink(path);
    cr_assert_eq(mkdir(path, 0700), 0);
    expect_no_secret("directory");
}

Test(endpoints, a_store_alone_is_found_in_the_same_way)
{
    struct status st;
    AUTO(free) char *named = NULL;
    AUTO(free) char *given = NULL;
    AUTO(free) char *otherwise = NULL;
    cr_assert(endpoints_store(NULL, "sqlite:x", folder, &otherwise, &st));
    cr_assert_str_eq(otherwise, "sqlite:x");
    setenv("DOCUMENT_DATABASE_HOST", "db", 1);
    setenv("DOCUMENT_DATABASE_USER", "u", 1);
    cr_assert(endpoints_store(NULL, "sqlite:x", folder, &named, &st));
    cr_assert_str_eq(named, "mongodb://u:@db:27017/copilot_config?authSource=admin");
    cr_assert(endpoints_store("mongodb://other/old", "sqlite:x", folder, &given, &st));
    cr_assert_str_eq(given, "mongodb://u:@other/old");
}
