/* The effect of a run of sends on connections, as reported by the kernel. */
#include "cork.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static int sockets[CORK_SENDS + 1];

static void open_sockets(void)
{
    for (size_t i = 0; i <= CORK_SENDS; i++) {
        sockets[i] = socket(AF_INET, SOCK_STREAM, 0);
        cr_assert_geq(sockets[i], 0);
    }
}

static void close_sockets(void)
{
    for (size_t i = 0; i <= CORK_SENDS; i++) {
        close(sockets[i]);
    }
}

TestSuite(cork, .init = open_sockets, .fini = close_sockets, .timeout = 240);

static bool is_held(int fd)
{
    int held = 0;
    socklen_t size = sizeof held;
    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_CORK, &held, &size), 0);
    return held != 0;
}

static void run_of(int fd, size_t n)
{
    cork_begin();
    for (size_t i = 0; i < n; i++) {
        cork_before_send(fd);
    }
    cork_end();
}

Test(cork, the_second_send_on_a_connection_holds_it_until_the_end)
{
    cork_begin();
    cork_before_send(sockets[0]);
    cork_before_send(sockets[1]);
    cr_expect(!is_held(sockets[0]));
    cork_before_send(sockets[0]);
    cr_expect(is_held(sockets[0]));
    cr_expect(!is_held(sockets[1]));
    cork_end();
    cr_expect(!is_held(sockets[0]));
}

Test(cork, one_that_had_several_is_held_from_the_first_on_the_next_time)
{
    run_of(sockets[0], 2);
    cork_begin();
    cork_before_send(sockets[0]);
    cr_expect(is_held(sockets[0]));
    cork_end();
    cr_expect(!is_held(sockets[0]));
    cork_begin();
    cork_before_send(sockets[0]); /* there was one the last time */
    cr_expect(!is_held(sockets[0]));
    cork_end();
}

Test(cork, nothing_is_held_outside_of_a_run)
{
    cr_expect(!cork_is_on());
    cork_before_send(sockets[0]);
    cork_before_send(sockets[0]);
    cr_expect(!is_held(sockets[0]));
    cork_begin();
    cr_expect(cork_is_on());
    cork_begin();
    cork_end();
    cr_expect(cork_is_on(), "a run within another does not end it");
    cork_end();
    cr_expect(!cork_is_on());
}

Test(cork, what_is_held_goes_after_a_bounded_number_of_sends)
{
    cork_begin();
    for (size_t i = 0; i < CORK_SENDS; i++) {
        cork_before_send(sockets[0]);
    }
    cr_expect(is_held(sockets[0]));
    cork_before_send(sockets[1]);
    cr_expect(!is_held(sockets[0]));
    cork_end();
}

Test(cork, as_many_connections_as_sends)
{
    cork_begin();
    for (size_t i = 0; i <= CORK_SENDS; i++) {
        cork_before_send(sockets[i]);
    }
    for (size_t i = 0; i <= CORK_SENDS; i++) {
        cr_expect(!is_held(sockets[i]));
    }
    cork_end();
}

Test(cork, what_is_no_connection_is_left_alone)
{
    int pipes[2];
    cr_assert_eq(pipe(pipes), 0);
    cork_begin();
    cork_before_send(-1);
    cork_before_send(-1);
    cork_before_send(pipes[0]);
    cork_before_send(pipes[0]);
    cork_end();
    close(pipes[0]);
    close(pipes[1]);
    run_of(pipes[0], 2); /* closed */
}
