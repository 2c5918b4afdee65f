/* An HTTP server under many clients that disconnect at any moment, close only their sending side,
 * pipeline requests, send them in pieces, and resume streams on new connections. Each complete
 * exchange must be right, each stream complete over all its connections, without races or leaks. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_serving.h"
#include "mem.h"
#include "random.h"
#include "str.h"
#include "stress.h"

#define ROUNDS 3
#define CLIENTS 16
#define VISITS 60
#define BODY_MAX 20000

struct registry_client {
    struct random random;
    int port;
    struct tally *visits;
    pthread_t thread;
    uint64_t n_whole; /* complete exchanges */
};

/* ---- A connection ---- */

static int open_connection(const struct registry_client *client)
{
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)client->port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (const struct sockaddr *)&name, sizeof name) == 0,
          "no connection");
    return fd;
}

static void send_all(int fd, const char *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t sent = send(fd, bytes + at, n - at, MSG_NOSIGNAL);
        CHECK(sent > 0, "the server reads");
        at += (size_t)sent;
    }
}

/* Sends the text in pieces of random sizes. */
static void send_cut(struct registry_client *client, int fd, const struct str *text)
{
    for (size_t at = 0; at < text->len;) {
        size_t n = 1 + random_below(&client->random, 3000);
        n = n < text->len - at ? n : text->len - at;
        send_all(fd, text->data + at, n);
        at += n;
    }
}

static void receive_all(int fd, struct str *heard)
{
    char bytes[4096];
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0) {
        str_add(heard, bytes, (size_t)n);
    }
    CHECK(n == 0, "it ends well");
}

static void leave(struct registry_client *client, int fd)
{
    const struct linger at_once = {.l_onoff = 1};
    if (random_below(&client->random, 2) == 0) {
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    close(fd);
}

/* ---- Visits ---- */

static void add_body(struct registry_client *client, struct str *text, size_t n, bool is_chunked)
{
    AUTO_STR body = {0};
    memset(str_extend(&body, n), 'x', n);
    if (!is_chunked) {
        str_addf(text, "Content-Length: %zu\r\n\r\n", n);
        str_add(text, str_text(&body), n);
        return;
    }
    str_add_text(text, "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < n;) {
        size_t size = 1 + random_below(&client->random, n - at);
        str_addf(text, "%zx\r\n", size);
        str_add(text, body.data, size);
        str_add_text(text, "\r\n");
        at += size;
    }
    str_add_text(text, "0\r\n\r\n");
}

/* Appends a request; returns the length of the body of its answer. */
static size_t add_request(struct registry_client *client, struct str *text, bool is_last)
{
    const char *more = is_last ? "Connection: close\r\n" : "";
    if (random_below(&client->random, 3) == 0) {
        size_t n = random_below(&client->random, BODY_MAX);
        str_addf(text, "POST /echo HTTP/1.1\r\nHost: x\r\n%s", more);
        add_body(client, text, n, random_below(&client->random, 2) == 0);
        return n;
    }
    str_addf(text, "GET /%s HTTP/1.1\r\nHost: x\r\n%s\r\n",
             random_below(&client->random, 2) == 0 ? "now" : "later", more);
    return 0;
}

static void check_answers(struct registry_client *client, const struct str *heard,
                          const size_t *lengths, size_t n)
{
    const char *at = str_text(heard);
    for (size_t i = 0; i < n; i++) {
        const char *length = strstr(at, "Content-Length: ");
        const char *body = strstr(at, "\r\n\r\n");
        CHECK(strncmp(at, "HTTP/1.1 200 OK\r\n", 17) == 0, "answer %zu of %zu: %.40s", i, n, at);
        CHECK(length != NULL && body != NULL && length < body, "its head is whole");
        CHECK((size_t)atoi(length + 16) == lengths[i], "%.30s for %zu", length, lengths[i]);
        at = body + 4 + lengths[i];
    }
    CHECK(at == str_text(heard) + heard->len, "nothing is behind them");
    client->n_whole += n;
}

/* Pipelines some requests and reads all answers; may close its sending side after the last. */
static void visit_whole(struct registry_client *client)
{
    AUTO_STR text = {0};
    AUTO_STR heard = {0};
    size_t lengths[8];
    size_t n = 1 + random_below(&client->random, COUNT_OF(lengths));
    bool closes_side = random_below(&client->random, 2) == 0;
    for (size_t i = 0; i < n; i++) {
        lengths[i] = add_request(client, &text, i + 1 == n && !closes_side);
    }
    int fd = open_connection(client);
    send_cut(client, fd, &text);
    if (closes_side) {
        shutdown(fd, SHUT_WR);
    }
    receive_all(fd, &heard);
    check_answers(client, &heard, lengths, n);
    close(fd);
}

/* Disconnects in the middle of a request, or after it without reading the answer. */
static void visit_half(struct registry_client *client)
{
    AUTO_STR text = {0};
    add_request(client, &text, false);
    str_truncate(&text, random_below(&client->random, text.len + 1));
    int fd = open_connection(client);
    send_cut(client, fd, &text);
    leave(client, fd);
}

/* Reads the stream's lines from `from` on and disconnects at any moment. Returns the next line. */
static size_t read_lines(struct registry_client *client, size_t from)
{
    AUTO_STR heard = {0};
    char bytes[512];
    int fd = open_connection(client);
    int n_request = snprintf(bytes, sizeof bytes, "GET /count?%zu HTTP/1.0\r\n\r\n", from);
    send_all(fd, bytes, (size_t)n_request);
    ssize_t n = 1;
    while (n > 0 && random_below(&client->random, 12) != 0) {
        n = recv(fd, bytes, 1 + random_below(&client->random, sizeof bytes), 0);
        CHECK(n >= 0, "the stream ends well");
        str_add(&heard, bytes, (size_t)n);
    }
    leave(client, fd);
    const char *at = strstr(str_text(&heard), "\r\n\r\n");
    const char *end;
    for (at = at == NULL ? "" : at + 4; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        CHECK((size_t)atoi(at) == from, "line %zu is %.8s", from, at);
        from++;
    }
    return from;
}

static void visit_stream(struct registry_client *client)
{
    for (size_t from = 0; from < COUNT_LINES;) {
        from = read_lines(client, from);
    }
}

static void *visit(void *user)
{
    struct registry_client *client = user;
    for (int i = 0; i < VISITS; i++) {
        uint64_t kind = random_below(&client->random, 10);
        if (kind == 0) {
            visit_stream(client);
        } else if (kind < 5) {
            visit_half(client);
        } else {
            visit_whole(client);
        }
        tally_add(client->visits, 1);
    }
    return NULL;
}

int main(void)
{
    uint64_t seed = random_seed();
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct tally visits = TALLY_INIT;
        struct serving *serving = serving_start();
        struct registry_client clients[CLIENTS];
        uint64_t n_whole = 0;
        for (size_t i = 0; i < CLIENTS; i++) {
            clients[i] = (struct registry_client){.random = {seed + round * 100 + i},
                                                  .port = serving_port(serving),
                                                  .visits = &visits};
            CHECK(pthread_create(&clients[i].thread, NULL, visit, &clients[i]) == 0, "no thread");
        }
        /* Some client is always in the middle of an exchange when the server stops. */
        struct registry_client last = {
            .random = {seed}, .port = serving_port(serving), .visits = &visits};
        for (size_t i = 0; i < CLIENTS; i++) {
            pthread_join(clients[i].thread, NULL);
            n_whole += clients[i].n_whole;
        }
        visit_half(&last);
        uint64_t n = serving_stop(serving);
        CHECK(n >= n_whole, "%lu requests for %lu answers", n, n_whole);
        printf("round %lu: %lu requests, %lu answered whole\n", round, n, n_whole);
    }
    return 0;
}
