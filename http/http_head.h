/* The head of an HTTP/1.1 request, read as strictly as RFC 9112 allows: no two readers of the same
 * bytes may see two different requests. Lines end with CRLF and nothing else, no line is folded,
 * names are tokens, one length at most, one Host. What is not so is refused, and the connection
 * with it, because nobody can say where the next request would begin. Without I/O. */
#ifndef HTTP_HTTP_HEAD_H
#define HTTP_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a head may have. */
#define HTTP_HEAD_BYTES 32768   /* in all; more is 431 */
#define HTTP_TARGET_BYTES 16384 /* more is 414 */
#define HTTP_FIELDS 256         /* more is 431 */

struct http_field {
    const char *name, *value;
};

/* Why a request is refused; `why` is a literal. */
struct http_refusal {
    unsigned status;
    const char *why;
};

struct http_head {
    const char *method; /* a token; NUL-terminated, like everything here */
    const char *target; /* visible ASCII or bytes from 128 on; of a known form */
    const struct http_field *fields;
    size_t n_fields;
    bool is_http_1_0;
    bool keeps_alive;     /* as far as the client is concerned */
    bool closes;          /* it said so */
    bool has_length;      /* a Content-Length */
    bool is_chunked;      /* never with has_length */
    bool awaits_continue; /* before it sends its body */
    uint64_t length;      /* 0 without has_length */
};

/* How far a head that comes in pieces has been looked at. Starts zeroed. */
struct http_head_scan {
    size_t line;    /* where the last line begins */
    size_t seen;    /* bytes that have been looked at */
    size_t n_lines; /* whole ones */
};

enum http_scan { HTTP_SCAN_MORE, HTTP_SCAN_WHOLE, HTTP_SCAN_REFUSED };

/* Looks for the end of a head in all of it that there is so far. HTTP_SCAN_WHOLE: scan->seen bytes
 * are the head, the empty line included. Refuses as soon as it can be told. */
enum http_scan http_head_scan(struct http_head_scan *scan, const char *text, size_t n,
                              struct http_refusal *ret_refusal);

/* Takes a whole head apart, in place: text has the n bytes that http_head_scan has found, fields
 * room for all lines. ret_head points into both. */
bool http_head_parse(char *text, size_t n, struct http_field *fields, struct http_head *ret_head,
                     struct http_refusal *ret_refusal);

/* The value of a field, whatever the case of its name; the first where there are several. NULL
 * where there is none. */
const char *http_head_find(const struct http_head *head, const char *name);

/* What fields are made of (RFC 9110, 5.6.2 and 5.5). */
bool http_is_token_char(char c);
bool http_is_value_char(char c); /* blanks and tabs, too */

#endif
