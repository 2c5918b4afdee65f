/* Catches what is written to a file descriptor. */
#ifndef TESTS_CAPTURE_H
#define TESTS_CAPTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct capture {
    int fd, saved, file;
};

static inline struct capture capture_start(int fd)
{
    fflush(NULL);
    struct capture c = {fd, dup(fd), memfd_create("capture", 0)};
    cr_assert(c.saved >= 0 && c.file >= 0 && dup2(c.file, fd) == fd);
    return c;
}

/* Gives the descriptor back; text gets what was written, cut to fit, and a NUL. */
static inline void capture_end(const struct capture *c, char *text, size_t size)
{
    fflush(NULL);
    cr_assert(dup2(c->saved, c->fd) == c->fd);
    ssize_t n = pread(c->file, text, size - 1, 0);
    cr_assert(n >= 0);
    text[n] = '\0';
    close(c->saved);
    close(c->file);
}

#endif
