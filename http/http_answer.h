/* Formats the heads of responses. For http_*.c only. */
#ifndef HTTP_HTTP_ANSWER_H
#define HTTP_HTTP_ANSWER_H

#include "http_server.h"

struct http_prepared {
    struct str fields;
    const char *body;
    size_t n_body;
};

/* Writes the part of a head that differs from response to response: the status line, the Date
 * field, and `connection`, which is zero or more whole field lines. Returns its length. */
#define HTTP_LEAD_SIZE 160
size_t http_format_lead(unsigned status, const char *date, const char *connection,
                        char text[HTTP_LEAD_SIZE]);
/* Appends the answer's fields and the empty line. has_length: adds Content-Length, with n_body. */
void http_answer_fields(const struct http_answer *answer, bool has_length, struct str *out);
/* Whether responses of this status never have a body (204, 304). */
bool http_status_has_no_body(unsigned status);

/* Formats an IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT", NUL-terminated. */
#define HTTP_DATE_SIZE 30
void http_format_date(int64_t wall_s, char text[HTTP_DATE_SIZE]);

#endif
