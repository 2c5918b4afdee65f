#include "secret.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "str.h"

static bool refuse(const char *path, const char *why, struct status *st)
{
    return status_set(st, STATUS_FAILED_PRECONDITION, "SECRET", "the secret %s: %s", path, why);
}

static bool read_all(int file, const char *path, struct str *text, struct status *st)
{
    for (ssize_t n = 1; n > 0;) {
        char chunk[1024];
        n = read(file, chunk, sizeof chunk);
        if (n < 0) {
            return refuse(path, strerror(errno), st);
        }
        str_add(text, chunk, (size_t)n);
        explicit_bzero(chunk, sizeof chunk);
        if (text->len > SECRET_MAX_BYTES) {
            return refuse(path, "it is longer than 4096 bytes", st);
        }
    }
    if (memchr(str_text(text), '\0', text->len) != NULL) {
        return refuse(path, "it has a NUL", st);
    }
    while (text->len > 0 && strchr("\r\n", text->data[text->len - 1]) != NULL) {
        str_truncate(text, text->len - 1);
    }
    return true;
}

/* *ret_there: whether the file exists. */
static bool read_file(const char *path, struct str *text, bool *ret_there, struct status *st)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    *ret_there = file >= 0;
    if (file < 0) {
        return errno == ENOENT || errno == ENOTDIR || refuse(path, strerror(errno), st);
    }
    bool ok = read_all(file, path, text, st);
    close(file);
    return ok;
}

static const char *read_variable(const char *name)
{
    AUTO_STR upper = {0};
    for (const char *p = name; *p != '\0'; p++) {
        str_add_char(&upper, (char)toupper((unsigned char)*p));
    }
    const char *text = getenv(upper.data);
    return text == NULL ? "" : text;
}

bool secret_read(const char *folder, const char *name, char **ret_secret, struct status *st)
{
    AUTO_STR path = {0};
    struct str text = {0};
    bool there = false;
    str_addf(&path, "%s/%s", folder, name);
    if (!read_file(path.data, &text, &there, st)) {
        str_fini_secret(&text);
        return false;
    }
    const char *secret = there ? str_text(&text) : read_variable(name);
    *ret_secret = secret[0] == '\0' ? NULL : mem_string(secret);
    str_fini_secret(&text);
    return true;
}
