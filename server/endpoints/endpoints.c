#include "endpoints.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "percent.h"
#include "secret.h"
#include "str.h"
#include "variable.h"

/* The variables of the database or of the broker. */
struct backend {
    const char *type_variable, *host_variable, *port_variable;
    const char *type; /* the only supported type */
    const char *default_port;
    const char *default_address; /* if no variable is set */
};

static const struct backend database = {
    .type_variable = "DOCUMENT_STORE_TYPE",
    .host_variable = "DOCUMENT_DATABASE_HOST",
    .port_variable = "DOCUMENT_DATABASE_PORT",
    .type = "mongodb",
    .default_port = "27017",
    .default_address = "sqlite:confreg.db",
};
static const struct backend broker = {
    .type_variable = "MESSAGE_BUS_TYPE",
    .host_variable = "MESSAGE_BUS_HOST",
    .port_variable = "MESSAGE_BUS_PORT",
    .type = "rabbitmq",
    .default_port = "5672",
    .default_address = "local:",
};

static bool refuse(const char *name, const char *what, struct status *st)
{
    return status_set(st, STATUS_INVALID_ARGUMENT, "ENVIRONMENT", "%s %s", name, what);
}

static bool is_port(const char *text)
{
    size_t n = strspn(text, "0123456789");
    return n > 0 && n <= 5 && text[n] == '\0' && atoi(text) >= 1 && atoi(text) <= 65535;
}

/* Appends "HOST:PORT" from the variables. *ret_wanted false: none of them is set. */
static bool read_host(const struct backend *backend, struct str *out, bool *ret_wanted,
                      struct status *st)
{
    const char *type = variable_read(backend->type_variable);
    const char *host = variable_read(backend->host_variable);
    const char *port = variable_read(backend->port_variable);
    *ret_wanted = type != NULL || host != NULL;
    if (!*ret_wanted) {
        return true;
    }
    if (type != NULL && strcmp(type, backend->type) != 0) {
        AUTO_STR what = {0};
        str_addf(&what, "is \"%s\"; known is %s", type, backend->type);
        return refuse(backend->type_variable, what.data, st);
    }
    if (host == NULL) {
        return refuse(backend->host_variable, "is not set", st);
    }
    if (port != NULL && !is_port(port)) {
        return refuse(backend->port_variable, "is not a number from 1 to 65535", st);
    }
    bool is_v6 = strchr(host, ':') != NULL && host[0] != '[';
    str_addf(out, is_v6 ? "[%s]:%s" : "%s:%s", host, port == NULL ? backend->default_port : port);
    return true;
}

static void encode(struct str *out, const char *text)
{
    percent_encode(text, strlen(text), out);
}

/* ---- The store ---- */

struct store_credentials {
    char *user, *password; /* owned; NULL: none */
};

static bool read_credentials(const char *folder, const char *user_name, const char *password_name,
                             struct store_credentials *ret, struct status *st)
{
    return secret_read(folder, user_name, &ret->user, st) &&
           secret_read(folder, password_name, &ret->password, st);
}

static void credentials_fini(struct store_credentials *credentials)
{
    free(credentials->user);
    mem_free_secret(credentials->password);
}

/* Users are authenticated against "admin", as in the replaced service. */
static void build_store(const char *host, const struct store_credentials *credentials,
                        struct str *out)
{
    const char *name = variable_read("DOCUMENT_DATABASE_NAME");
    str_addf(out, "mongodb://%s/", host);
    encode(out, name == NULL ? "copilot_config" : name);
    str_add_text(out, credentials->user == NULL ? "" : "?authSource=admin");
}

/* Inserts the credentials into the address of a database, unless it contains credentials. */
static char *with_credentials(const char *address, const struct store_credentials *credentials)
{
    AUTO_STR out = {0};
    const char *authority = strstr(address, "://");
    if (authority == NULL || credentials->user == NULL || strchr(authority, '@') != NULL) {
        return mem_string(address);
    }
    authority += strlen("://");
    str_add(&out, address, (size_t)(authority - address));
    encode(&out, credentials->user);
    str_add_char(&out, ':');
    encode(&out, credentials->password == NULL ? "" : credentials->password);
    str_addf(&out, "@%s", authority);
    return mem_string(out.data);
}

static bool is_database(const char *address)
{
    return strncmp(address, database.type, strlen(database.type)) == 0;
}

bool endpoints_store(const char *given, const char *otherwise, const char *secrets_folder,
                     char **ret_address, struct status *st)
{
    AUTO_STR host = {0};
    AUTO_STR address = {0};
    bool wanted = false;
    struct store_credentials credentials = {NULL, NULL};
    if (given == NULL && !read_host(&database, &host, &wanted, st)) {
        return false;
    }
    bool has_credentials = wanted || (given != NULL && is_database(given));
    bool ok = !has_credentials || read_credentials(secrets_folder, "document_database_user",
                                                   "document_database_password", &credentials, st);
    if (wanted) {
        build_store(host.data, &credentials, &address);
        given = address.data;
    }
    if (ok) {
        *ret_address = with_credentials(given == NULL ? otherwise : given, &credentials);
    }
    credentials_fini(&credentials);
    return ok;
}

/* ---- The bus ---- */

static bool read_bus(const char *given, const char *folder, struct endpoints *endpoints,
                     struct status *st)
{
    AUTO_STR host = {0};
    AUTO_STR address = {0};
    bool wanted = false;
    if (given == NULL && !read_host(&broker, &host, &wanted, st)) {
        return false;
    }
    if (wanted) {
        str_addf(&address, "amqp://%s", host.data);
        given = address.data;
    }
    endpoints->bus = mem_string(given == NULL ? broker.default_address : given);
    struct store_credentials credentials = {NULL, NULL};
    bool ok =
        strncmp(endpoints->bus, "amqp", strlen("amqp")) != 0 ||
        read_credentials(folder, "message_bus_user", "message_bus_password", &credentials, st);
    endpoints->bus_user = credentials.user;
    endpoints->bus_password = credentials.password;
    return ok;
}

bool endpoints_read(const char *store, const char *bus, const char *secrets_folder,
                    struct endpoints *ret_endpoints, struct status *st)
{
    struct endpoints endpoints = {.store = NULL};
    if (!endpoints_store(store, database.default_address, secrets_folder, &endpoints.store, st) ||
        !read_bus(bus, secrets_folder, &endpoints, st)) {
        endpoints_fini(&endpoints);
        return false;
    }
    *ret_endpoints = endpoints;
    return true;
}

void endpoints_fini(struct endpoints *endpoints)
{
    mem_free_secret(endpoints->store); /* addresses may have a password */
    mem_free_secret(endpoints->bus);
    free(endpoints->bus_user);
    mem_free_secret(endpoints->bus_password);
    *endpoints = (struct endpoints){.store = NULL};
}
