/* Parses the head of an HTTP/1.1 request as strictly as RFC 9112 allows, so that this server and a
 * proxy in front of it never see different requests in the same bytes (request smuggling). Every
 * line ends with CRLF, lines are not folded, field names are tokens, and there is at most one
 * Content-Length and one Host. After a refusal the connection must be closed, because the start of
 * the next request is unknown. Does no I/O. */
#ifndef HTTP_HTTP_HEAD_H
#define HTTP_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits of a head, and the status beyond them. */
#define HTTP_HEAD_BYTES 32768   /* in all; 431 */
#define HTTP_TARGET_BYTES 16384 /* 414 */
#define HTTP_FIELDS 256         /* 431 */

struct http_field {
    const char *name, *value;
};

/* The response to a malformed request. `why` is a literal, for people. */
struct http_refusal {
    unsigned status;
    const char *why;
};

struct http_head {
    const char *method; /* a token; all texts are NUL-terminated */
    const char *target; /* a path, an http URL, or "*"; no blanks or control characters */
    const struct http_field *fields;
    size_t n_fields;
    bool is_http_1_0;
    bool keeps_alive;     /* the client accepts another response on this connection */
    bool closes;          /* it sent Connection: close */
    bool has_length;      /* it has a Content-Length */
    bool is_chunked;      /* never with has_length */
    bool awaits_continue; /* it sends its body after 100 Continue only */
    uint64_t length;      /* 0 without has_length */
};

/* How far the search for the end of a head has come. Zero it before each head. */
struct http_head_scan {
    size_t line;    /* offset of the current line */
    size_t seen;    /* bytes searched */
    size_t n_lines; /* complete lines, the request line included */
};

enum http_scan { HTTP_SCAN_MORE, HTTP_SCAN_WHOLE, HTTP_SCAN_REFUSED };

/* Searches for the end of a head; text is the head from its start, as far as received. Call it
 * again with more bytes on HTTP_SCAN_MORE. HTTP_SCAN_WHOLE: the head, with its empty line, is the
 * first scan->seen bytes. HTTP_SCAN_REFUSED comes as early as possible. */
enum http_scan http_head_scan(struct http_head_scan *scan, const char *text, size_t n,
                              struct http_refusal *ret_refusal);

/* Parses a complete head in place. text: the n bytes that http_head_scan found. fields: room for
 * scan->n_lines of them. ret_head borrows both. */
bool http_head_parse(char *text, size_t n, struct http_field *fields, struct http_head *ret_head,
                     struct http_refusal *ret_refusal);

/* Characters of field names and values (RFC 9110, 5.6.2 and 5.5). */
bool http_is_token_char(char c);
bool http_is_value_char(char c); /* includes blank and tab */

#endif
