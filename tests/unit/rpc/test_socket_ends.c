/* The owner of an accepted socket is told when it is closed. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "socket_ends.h"

static int n_told;

static void ended(void *user, void *what)
{
    cr_assert_eq(user, &n_told);
    cr_assert_eq(what, &n_told);
    n_told++;
}

static const struct socket_end end = {.ended = ended, .user = &n_told, .what = &n_told};

static int put(void)
{
    int fd = dup(STDERR_FILENO);
    cr_assert(socket_ends_put(fd, &end));
    return fd;
}

Test(socket_ends, a_close_is_told_once)
{
    int fd = put();
    close(fd);
    cr_expect_eq(n_told, 1);
    cr_assert_eq(dup2(STDERR_FILENO, fd), fd);
    close(fd);
    socket_ends_run_all(&n_told);
    cr_expect_eq(n_told, 1);
}

/* A build with sanitizers ends a program that holds two locks at once. */
Test(socket_ends, who_closes_may_hold_a_lock)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int fd = put();
    pthread_mutex_lock(&lock);
    close(fd);
    pthread_mutex_unlock(&lock);
    cr_expect_eq(n_told, 1);
}

Test(socket_ends, all_of_one_user_can_be_told)
{
    int other;
    int fds[] = {put(), put()};
    socket_ends_run_all(&other);
    cr_expect_eq(n_told, 0);
    socket_ends_run_all(&n_told);
    cr_expect_eq(n_told, 2);
    close(fds[0]);
    close(fds[1]);
    cr_expect_eq(n_told, 2);
}

static void *tell_late(void *taken)
{
    usleep(50000);
    socket_ends_tell(taken);
    return NULL;
}

/* Another thread is between taking an end and telling it. */
Test(socket_ends, an_end_that_is_being_told_is_waited_for)
{
    pthread_t thread;
    int fd = put();
    struct socket_end taken = socket_ends_take(fd);
    pthread_create(&thread, NULL, tell_late, &taken);
    socket_ends_run_all(&n_told);
    cr_expect_eq(n_told, 1);
    pthread_join(thread, NULL);
    close(fd);
}

Test(socket_ends, a_close_that_was_not_seen_is_told_at_the_next_use)
{
    int fd = put();
    cr_assert_eq(syscall(SYS_close, fd), 0);
    cr_expect_eq(n_told, 0);
    cr_assert_eq(dup2(STDERR_FILENO, fd), fd);
    cr_assert(socket_ends_put(fd, &end));
    cr_expect_eq(n_told, 1);
    close(fd);
    cr_expect_eq(n_told, 2);
}

Test(socket_ends, descriptors_have_a_bound)
{
    cr_expect(!socket_ends_put(SOCKET_ENDS_MAX, &end));
    cr_expect(!socket_ends_put(-1, &end));
    cr_expect_null(socket_ends_take(SOCKET_ENDS_MAX).ended);
    cr_expect_null(socket_ends_take(-1).ended);
}
