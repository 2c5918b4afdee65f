/* Access files from the side of people: adding a token, showing what a file says, and why somebody
 * may do something. For programs that end afterwards. */
#ifndef ACCESS_ADMIN_H
#define ACCESS_ADMIN_H

#include "access_edit.h"
#include "bearer.h"
#include "grants.h"
#include "str.h"

/* Makes a token, adds it to the file, and returns it. A file that does not exist is made for its
 * owner only; another keeps its mode. The file is replaced as a whole and is on disk when this
 * returns. Several at once wait for each other.
 *
 * Failures of access_edit_add and INVALID_ARGUMENT: a name, pattern or time that a file cannot
 * have. UNAVAILABLE: the file cannot be read (ACCESS_FILE_BROKEN) or written (FILE_UNWRITABLE);
 * then it is as it was. */
bool access_add_token(const char *path, const struct access_addition *addition,
                      char ret_token[BEARER_TOKEN_SIZE], struct status *st);

/* Appends a line for each principal, grant and credential of the file, and one for each thing that
 * deserves a look. Failures as access_open. */
bool access_show(const char *path, struct str *out, struct status *st);

/* A question about a token: whether its principal has one of the permissions (a bit each) for a
 * config. */
struct access_question {
    const char *token;
    unsigned any_of;
    const char *environment, *service;
};
/* Appends the answer, with the line of the file that it comes from, or why there is none. Failures
 * as access_open. */
bool access_explain(const char *path, const struct access_question *question, bool *ret_allowed,
                    struct str *out, struct status *st);

#endif
