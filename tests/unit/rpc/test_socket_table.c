/* The table of accepted sockets: entries by descriptor, and cookies that tell one socket from the
 * next with the same descriptor. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket_table.h"

static int new_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(fd >= 0);
    return fd;
}

Test(socket_table, finds_what_was_added)
{
    struct socket_table table = {0};
    int fd = new_socket();
    cr_assert_null(socket_table_find(&table, fd), "the table is empty");
    struct socket_entry *added = socket_table_add(&table, fd);
    cr_assert_null(added->item);
    cr_assert_eq(added->cookie, socket_cookie(fd));
    cr_assert_eq(socket_table_find(&table, fd), added);
    cr_assert_null(socket_table_find(&table, fd - 1), "there is room for it, but it was not added");
    cr_assert_null(socket_table_find(&table, 1 << 20));
    cr_assert_null(socket_table_find(&table, -1));
    socket_table_fini(&table);
    close(fd);
}

Test(socket_table, tells_a_socket_from_the_next_with_its_descriptor)
{
    struct socket_table table = {0};
    int item;
    int fd = new_socket();
    socket_table_add(&table, fd)->item = &item;
    close(fd);
    cr_assert_eq(socket_cookie(fd), 0, "it is closed");
    cr_assert_eq(new_socket(), fd, "the lowest free descriptor");
    const struct socket_entry *entry = socket_table_find(&table, fd);
    cr_assert_not_null(entry);
    cr_assert_neq(entry->cookie, socket_cookie(fd));
    cr_assert_eq(socket_table_add(&table, fd)->item, &item, "the item is the descriptor's");
    cr_assert_eq(socket_table_find(&table, fd)->cookie, socket_cookie(fd));
    socket_table_fini(&table);
    close(fd);
}

Test(socket_table, keeps_entries_when_it_grows)
{
    struct socket_table table = {0};
    int item;
    int fd = new_socket();
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 500);
    cr_assert(high >= 500);
    socket_table_add(&table, fd)->item = &item;
    cr_assert_null(socket_table_add(&table, high)->item);
    cr_assert_eq(socket_table_find(&table, fd)->item, &item);
    cr_assert_eq(socket_table_find(&table, high)->cookie, socket_cookie(fd), "one socket");
    socket_table_fini(&table);
    close(high);
    close(fd);
}
