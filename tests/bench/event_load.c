/* Consumes events as a service would: `bench_event_load HOST PORT USER PASSWORD COUNT` binds a
 * durable queue to config.changes and prints "ready". After COUNT events it prints the result as
 * JSON: the time from the first to the last, and the age of each event on arrival, by the clock of
 * this machine, on which the server must run, too. */
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "mem.h"

#define CHANNEL 1
#define QUEUE "bench"

__attribute__((noreturn)) static void die(const char *what)
{
    fprintf(stderr, "bench_event_load: %s\n", what);
    exit(EXIT_FAILURE);
}

static void check(amqp_rpc_reply_t reply, const char *what)
{
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
        die(what);
    }
}

static amqp_connection_state_t subscribe(char **argv)
{
    amqp_connection_state_t c = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(c);
    amqp_bytes_t queue = amqp_cstring_bytes(QUEUE);
    amqp_bytes_t exchange = amqp_cstring_bytes("config.changes");
    if (amqp_socket_open(socket, argv[1], atoi(argv[2])) != AMQP_STATUS_OK) {
        die("cannot connect");
    }
    check(amqp_login(c, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, argv[3], argv[4]), "login");
    amqp_channel_open(c, CHANNEL);
    check(amqp_get_rpc_reply(c), "channel");
    amqp_exchange_declare(c, CHANNEL, exchange, amqp_cstring_bytes("topic"), 0, 1, 0, 0,
                          amqp_empty_table);
    check(amqp_get_rpc_reply(c), "exchange");
    amqp_queue_declare(c, CHANNEL, queue, 0, 1, 0, 0, amqp_empty_table);
    check(amqp_get_rpc_reply(c), "queue");
    amqp_queue_bind(c, CHANNEL, queue, exchange, amqp_cstring_bytes("config.#"), amqp_empty_table);
    check(amqp_get_rpc_reply(c), "binding");
    amqp_basic_consume(c, CHANNEL, queue, amqp_empty_bytes, 0, 1, 1, amqp_empty_table);
    check(amqp_get_rpc_reply(c), "consuming");
    return c;
}

/* When the event says that its change was committed, as clock_wall_us() has it. */
static int64_t time_of(amqp_bytes_t body)
{
    static const char key[] = "\"timestamp\":\"";
    struct tm tm = {.tm_isdst = 0};
    int us = 0;
    const char *at = memmem(body.bytes, body.len, key, strlen(key));
    if (at == NULL || sscanf(at + strlen(key), "%d-%d-%dT%d:%d:%d.%6dZ", &tm.tm_year, &tm.tm_mon,
                             &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &us) != 7) {
        die("an event without a time");
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (int64_t)timegm(&tm) * 1000000 + us;
}

static int64_t hear(amqp_connection_state_t c)
{
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(c);
    check(amqp_consume_message(c, &envelope, NULL, 0), "the connection was lost");
    int64_t age_us = clock_wall_us() - time_of(envelope.message.body);
    amqp_destroy_envelope(&envelope);
    return age_us;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    size_t count = argc == 6 ? strtoul(argv[5], NULL, 10) : 0;
    if (count == 0) {
        fputs("usage: bench_event_load HOST PORT USER PASSWORD COUNT\n", stderr);
        return 2;
    }
    amqp_connection_state_t c = subscribe(argv);
    int64_t *ages_us = mem_array(count, sizeof ages_us[0]);
    puts("ready");
    fflush(stdout);
    ages_us[0] = hear(c);
    int64_t first = clock_monotonic_ns();
    for (size_t i = 1; i < count; i++) {
        ages_us[i] = hear(c);
    }
    double seconds = (double)(clock_monotonic_ns() - first) / 1e9;
    qsort(ages_us, count, sizeof ages_us[0], compare);
    printf("{\"events\": %zu, \"seconds\": %.6f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
           "\"max_ms\": %.3f}\n",
           count, seconds, (double)ages_us[count / 2] / 1e3,
           (double)ages_us[count * 99 / 100] / 1e3, (double)ages_us[count - 1] / 1e3);
    free(ages_us);
    amqp_destroy_connection(c);
    return EXIT_SUCCESS;
}
