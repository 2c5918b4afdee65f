#include "amqp_address.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "percent.h"

/* A part of the address: a borrowed text that is not NUL-terminated. */
struct piece {
    const char *data;
    size_t n;
};

static bool refuse(struct status *st, const char *what)
{
    return status_set(st, STATUS_INVALID_ARGUMENT, "BUS_ADDRESS", "the bus's address: %s", what);
}

/* Removes and returns the text before the first of `marks`; the rest begins with that mark or is
 * empty. */
static struct piece cut(struct piece *rest, const char *marks)
{
    size_t n = 0;
    while (n < rest->n && strchr(marks, rest->data[n]) == NULL) {
        n++;
    }
    struct piece piece = {rest->data, n};
    *rest = (struct piece){rest->data + n, rest->n - n};
    return piece;
}

static void skip_one(struct piece *piece)
{
    piece->data++;
    piece->n--;
}

static bool piece_is(struct piece piece, const char *text)
{
    return piece.n == strlen(text) && memcmp(piece.data, text, piece.n) == 0;
}

static bool decode(struct piece piece, const char *what, char **ret_text, struct status *st)
{
    AUTO_STR decoded = {0};
    percent_decode(piece.data, piece.n, false, &decoded);
    if (decoded.len > 255 || strlen(str_text(&decoded)) != decoded.len) {
        return status_set(st, STATUS_INVALID_ARGUMENT, "BUS_ADDRESS",
                          "the bus's address: the %s is longer than 255 bytes or has a NUL", what);
    }
    free(*ret_text);
    *ret_text = mem_string(str_text(&decoded));
    return true;
}

static bool parse_number(struct piece piece, int min, int max, int *ret)
{
    int value = 0;
    for (size_t i = 0; i < piece.n; i++) {
        char c = piece.data[i];
        if (c < '0' || c > '9' || value > max) {
            return false;
        }
        value = value * 10 + (c - '0');
    }
    *ret = value;
    return piece.n > 0 && value >= min && value <= max;
}

static bool parse_user(struct piece piece, struct amqp_address *address, struct status *st)
{
    struct piece user = cut(&piece, ":");
    if (piece.n > 0) {
        skip_one(&piece);
        if (!decode(piece, "password", &address->password, st)) {
            return false;
        }
    }
    return decode(user, "user", &address->user, st) &&
           (address->user[0] != '\0' || refuse(st, "the user is empty"));
}

/* "name", "name:port", "[address]:port" */
static bool parse_host(struct piece piece, struct amqp_address *address, struct status *st)
{
    if (address->n_hosts == AMQP_HOSTS) {
        return refuse(st, "more than 16 hosts");
    }
    bool bracketed = piece.n > 0 && piece.data[0] == '[';
    if (bracketed) {
        skip_one(&piece);
    }
    struct piece name = cut(&piece, bracketed ? "]" : ":");
    if (bracketed && piece.n == 0) {
        return refuse(st, "a host has no closing bracket");
    }
    if (bracketed) {
        skip_one(&piece);
    }
    struct amqp_host *host = &address->hosts[address->n_hosts];
    host->port = address->tls ? 5671 : 5672;
    if (name.n == 0) {
        return refuse(st, "a host is empty");
    }
    if (piece.n > 0) {
        bool colon = piece.data[0] == ':';
        skip_one(&piece);
        if (!colon || !parse_number(piece, 1, 65535, &host->port)) {
            return refuse(st, "a port is not a number from 1 to 65535");
        }
    }
    if (!decode(name, "host", &host->name, st)) {
        return false;
    }
    address->n_hosts++;
    return true;
}

static bool parse_hosts(struct piece hosts, struct amqp_address *address, struct status *st)
{
    for (;;) {
        if (!parse_host(cut(&hosts, ","), address, st)) {
            return false;
        }
        if (hosts.n == 0) {
            return true;
        }
        skip_one(&hosts);
    }
}

static bool set_path(struct piece value, char **path, struct amqp_address *address,
                     struct status *st)
{
    return address->tls ? decode(value, "path", path, st)
                        : refuse(st, "certificates are for amqps only");
}

static bool set_verify(struct piece value, struct amqp_address *address, struct status *st)
{
    address->trust_anyone = piece_is(value, "verify_none");
    return address->trust_anyone || piece_is(value, "verify_peer") ||
           refuse(st, "verify is neither verify_peer nor verify_none");
}

static bool parse_parameter(struct piece name, struct piece value, struct amqp_address *address,
                            struct status *st)
{
    if (piece_is(name, "heartbeat")) {
        return parse_number(value, 0, 3600, &address->heartbeat_s) ||
               refuse(st, "heartbeat is not a number of seconds from 0 to 3600");
    }
    if (piece_is(name, "connection_timeout")) {
        return parse_number(value, 1, 60000, &address->connection_timeout_ms) ||
               refuse(st, "connection_timeout is not a number of milliseconds from 1 to 60000");
    }
    if (piece_is(name, "verify")) {
        return set_verify(value, address, st);
    }
    if (piece_is(name, "cacertfile")) {
        return set_path(value, &address->ca_file, address, st);
    }
    if (piece_is(name, "certfile")) {
        return set_path(value, &address->certificate_file, address, st);
    }
    if (piece_is(name, "keyfile")) {
        return set_path(value, &address->key_file, address, st);
    }
    return refuse(st, "an unknown parameter; known are heartbeat, connection_timeout, cacertfile, "
                      "certfile, keyfile and verify");
}

static bool parse_parameters(struct piece query, struct amqp_address *address, struct status *st)
{
    struct query_parameter parameter;
    size_t position = 0;
    while (query_next(query.data, query.n, &position, &parameter)) {
        struct piece name = {parameter.name, parameter.n_name};
        struct piece value = {parameter.value, parameter.n_value};
        if (!parse_parameter(name, value, address, st)) {
            return false;
        }
    }
    return (address->certificate_file == NULL) == (address->key_file == NULL) ||
           refuse(st, "certfile and keyfile go together");
}

static bool parse_scheme(struct piece *rest, struct amqp_address *address, struct status *st)
{
    static const char *const schemes[] = {"amqp://", "amqps://"};
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        size_t n = strlen(schemes[i]);
        if (rest->n >= n && memcmp(rest->data, schemes[i], n) == 0) {
            *rest = (struct piece){rest->data + n, rest->n - n};
            address->tls = i == 1;
            return true;
        }
    }
    return refuse(st, "it begins with neither amqp:// nor amqps://");
}

/* The credentials end at the last '@' before the path. An '@' in a password should be
 * percent-encoded; one that is not is accepted, because it has only one possible meaning. */
static struct piece cut_user(struct piece *authority)
{
    for (size_t n = authority->n; n-- > 0;) {
        if (authority->data[n] == '@') {
            struct piece user = {authority->data, n};
            *authority = (struct piece){authority->data + n + 1, authority->n - n - 1};
            return user;
        }
    }
    return (struct piece){NULL, 0};
}

static bool parse_vhost(struct piece path, struct amqp_address *address, struct status *st)
{
    if (path.n > 0) {
        skip_one(&path);
    }
    struct piece vhost = path.n > 0 ? path : (struct piece){"/", 1};
    return decode(vhost, "virtual host", &address->vhost, st);
}

static bool parse(struct piece rest, struct amqp_address *address, struct status *st)
{
    if (!parse_scheme(&rest, address, st)) {
        return false;
    }
    struct piece authority = cut(&rest, "/?");
    struct piece user = cut_user(&authority);
    if (user.data != NULL && !parse_user(user, address, st)) {
        return false;
    }
    struct piece path = cut(&rest, "?");
    if (rest.n > 0) {
        skip_one(&rest);
    }
    return parse_hosts(authority, address, st) && parse_vhost(path, address, st) &&
           parse_parameters(rest, address, st);
}

bool amqp_address_parse(const char *text, struct amqp_address *ret_address, struct status *st)
{
    struct amqp_address address = {.heartbeat_s = 10, .connection_timeout_ms = 5000};
    if (!parse((struct piece){text, strlen(text)}, &address, st)) {
        amqp_address_fini(&address);
        return false;
    }
    *ret_address = address;
    return true;
}

void amqp_address_fini(struct amqp_address *address)
{
    for (size_t i = 0; i < AMQP_HOSTS; i++) {
        free(address->hosts[i].name);
    }
    free(address->user);
    free(address->password);
    free(address->vhost);
    free(address->ca_file);
    free(address->certificate_file);
    free(address->key_file);
    *address = (struct amqp_address){.n_hosts = 0};
}
