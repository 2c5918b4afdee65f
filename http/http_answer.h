/* The texts of answers' heads. */
#ifndef HTTP_HTTP_ANSWER_H
#define HTTP_HTTP_ANSWER_H

#include "http_server.h"

struct http_prepared {
    struct str fields;
    const char *body;
    size_t n_body;
};

/* The status line, Date, and `connection`, which is lines of fields: how a head begins, which
 * differs from answer to answer. Returns how long it is. */
#define HTTP_LEAD_SIZE 160
size_t http_format_lead(unsigned status, const char *date, const char *connection,
                        char text[HTTP_LEAD_SIZE]);
/* Adds the answer's fields and the empty line. has_length: its Content-Length is n_body. */
void http_answer_fields(const struct http_answer *answer, bool has_length, struct str *out);
/* Whether answers of this status have no body, and no length. */
bool http_status_has_no_body(unsigned status);

/* "Sun, 06 Nov 1994 08:49:37 GMT", and a NUL. */
#define HTTP_DATE_SIZE 30
void http_format_date(int64_t wall_s, char text[HTTP_DATE_SIZE]);

#endif
