#include "http_head.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "mem.h"

#define METHOD_BYTES 32
#define VERSION "HTTP/1.1"
#define VERSION_BYTES (sizeof VERSION - 1)
#define REQUEST_LINE_BYTES (METHOD_BYTES + 1 + HTTP_TARGET_BYTES + 1 + VERSION_BYTES + 2)
#define LENGTH_DIGITS 19 /* without leading zeros; any such number fits 64 bits */

static bool refuse(struct http_refusal *refusal, unsigned status, const char *why)
{
    *refusal = (struct http_refusal){status, why};
    return false;
}

static bool is_letter_or_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool http_is_token_char(char c)
{
    return is_letter_or_digit(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool http_is_value_char(char c)
{
    unsigned char byte = (unsigned char)c;
    return (byte >= ' ' && byte != 0x7f) || c == '\t';
}

/* ---- The end of a head ---- */

/* Refuses other protocols, such as TLS, at their first bytes. */
static bool check_beginning(const char *text, size_t n, struct http_refusal *refusal)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == ' ' && i > 0) {
            return true;
        }
        if (i == METHOD_BYTES || !http_is_token_char(text[i])) {
            return refuse(refusal, 400, "The request line does not begin with a method");
        }
    }
    return true;
}

/* Checks the limits for the bytes received so far. */
static bool check_size(const struct http_head_scan *scan, struct http_refusal *refusal)
{
    if (scan->n_lines == 0 && scan->seen > REQUEST_LINE_BYTES) {
        return refuse(refusal, 414, "The request's target is too long");
    }
    if (scan->seen > HTTP_HEAD_BYTES || scan->n_lines > HTTP_FIELDS + 1) {
        return refuse(refusal, 431, "The request's head is too large");
    }
    return true;
}

static enum http_scan scan_lines(struct http_head_scan *scan, const char *text, size_t n,
                                 struct http_refusal *refusal)
{
    const char *end;
    while ((end = memchr(text + scan->seen, '\n', n - scan->seen)) != NULL) {
        size_t at = (size_t)(end - text);
        scan->seen = at + 1;
        if (at == scan->line || text[at - 1] != '\r') {
            refuse(refusal, 400, "A line does not end with CRLF");
            return HTTP_SCAN_REFUSED;
        }
        if (at == scan->line + 1) {
            return HTTP_SCAN_WHOLE;
        }
        scan->line = scan->seen;
        scan->n_lines++;
        if (!check_size(scan, refusal)) {
            return HTTP_SCAN_REFUSED;
        }
    }
    scan->seen = n;
    return HTTP_SCAN_MORE;
}

enum http_scan http_head_scan(struct http_head_scan *scan, const char *text, size_t n,
                              struct http_refusal *ret_refusal)
{
    if (scan->n_lines == 0 && !check_beginning(text, n, ret_refusal)) {
        return HTTP_SCAN_REFUSED;
    }
    enum http_scan result = scan_lines(scan, text, n, ret_refusal);
    if (result != HTTP_SCAN_REFUSED && !check_size(scan, ret_refusal)) {
        return HTTP_SCAN_REFUSED;
    }
    return result;
}

/* ---- The request line ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool check_version(const char *text, struct http_head *head, struct http_refusal *refusal)
{
    if (strlen(text) != VERSION_BYTES || memcmp(text, VERSION, 5) != 0 || !is_digit(text[5]) ||
        text[6] != '.' || !is_digit(text[7])) {
        return refuse(refusal, 400, "The request line does not end with a version of HTTP");
    }
    if (text[5] != '1') {
        return refuse(refusal, 505, "Only HTTP/1.1 and HTTP/1.0 are served here");
    }
    head->is_http_1_0 = text[7] == '0';
    head->keeps_alive = !head->is_http_1_0;
    return true;
}

static bool is_host(const char *text, size_t n);

/* "http://HOST[:PORT]" with anything behind. Userinfo is refused (RFC 9110, 4.2.4). */
static bool is_absolute(const char *target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        size_t n = strlen(schemes[i]);
        if (strncasecmp(target, schemes[i], n) == 0) {
            size_t n_authority = strcspn(target + n, "/?#");
            return n_authority > 0 && is_host(target + n, n_authority);
        }
    }
    return false;
}

static bool check_target(const struct http_head *head, struct http_refusal *refusal)
{
    const char *target = head->target;
    size_t n = strlen(target);
    if (n > HTTP_TARGET_BYTES) {
        return refuse(refusal, 414, "The request's target is too long");
    }
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)target[i] <= ' ' || target[i] == 0x7f) {
            return refuse(refusal, 400, "The request's target has characters that it must not");
        }
    }
    if (strcmp(head->method, "CONNECT") == 0) {
        return refuse(refusal, 501, "This is no proxy");
    }
    bool is_any = strcmp(target, "*") == 0 && strcmp(head->method, "OPTIONS") == 0;
    return target[0] == '/' || is_any || is_absolute(target) ||
           refuse(refusal, 400, "The request's target is neither a path nor an http URL");
}

/* line: METHOD SP TARGET SP VERSION without CRLF, n bytes and a NUL. */
static bool parse_request_line(char *line, size_t n, struct http_head *head,
                               struct http_refusal *refusal)
{
    char *target = memchr(line, ' ', n);
    char *version = target == NULL ? NULL : strchr(target + 1, ' ');
    if (memchr(line, '\0', n) != NULL || version == NULL) {
        return refuse(refusal, 400, "The request line is not METHOD TARGET VERSION");
    }
    *target++ = '\0';
    *version++ = '\0';
    head->method = line;
    head->target = target;
    return check_version(version, head, refusal) && check_target(head, refusal);
}

/* ---- Fields that frame the message ---- */

static bool is_port(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(text[i])) {
            return false;
        }
    }
    return n <= 5;
}

/* Percent-encoding in a host is accepted without decoding it. */
static bool is_host_char(char c)
{
    return is_letter_or_digit(c) || (c != '\0' && strchr("-._~!$&'()*+;=%", c) != NULL) ||
           (unsigned char)c >= 0x80;
}

/* HOST [":" PORT], where HOST is a name or an IP literal in brackets. */
static bool is_host(const char *text, size_t n)
{
    size_t at = 0;
    if (n > 0 && text[0] == '[') {
        const char *close = memchr(text, ']', n);
        if (close == NULL) {
            return false;
        }
        for (at = 1; text + at < close; at++) {
            if (!is_host_char(text[at]) && text[at] != ':') {
                return false;
            }
        }
        at++;
    } else {
        while (at < n && is_host_char(text[at])) {
            at++;
        }
    }
    return at == n || (text[at] == ':' && is_port(text + at + 1, n - at - 1));
}

/* Which framing fields were seen. */
struct framing {
    bool has_host, has_coding;
};

static bool take_host(struct http_head *head, struct framing *framing, const char *value,
                      struct http_refusal *refusal)
{
    (void)head;
    if (framing->has_host) {
        return refuse(refusal, 400, "There is more than one Host");
    }
    framing->has_host = true;
    return is_host(value, strlen(value)) || refuse(refusal, 400, "Host is not HOST or HOST:PORT");
}

static bool take_length(struct http_head *head, struct framing *framing, const char *value,
                        struct http_refusal *refusal)
{
    (void)framing;
    const char *digits = value + strspn(value, "0");
    size_t n = strlen(digits);
    if (head->has_length) {
        return refuse(refusal, 400, "There is more than one Content-Length");
    }
    if (value[0] == '\0' || strspn(digits, "0123456789") != n || n > LENGTH_DIGITS) {
        return refuse(refusal, 400, "Content-Length is not the number of bytes of a body");
    }
    head->has_length = true;
    for (size_t i = 0; i < n; i++) {
        head->length = head->length * 10 + (uint64_t)(digits[i] - '0');
    }
    return true;
}

static bool take_coding(struct http_head *head, struct framing *framing, const char *value,
                        struct http_refusal *refusal)
{
    if (framing->has_coding) {
        return refuse(refusal, 400, "There is more than one Transfer-Encoding");
    }
    framing->has_coding = true;
    if (value[0] == '\0') {
        return refuse(refusal, 400, "Transfer-Encoding is empty");
    }
    head->is_chunked = strcasecmp(value, "chunked") == 0;
    return head->is_chunked ||
           refuse(refusal, 501, "The only Transfer-Encoding that is known here is chunked");
}

static bool take_connection(struct http_head *head, struct framing *framing, const char *value,
                            struct http_refusal *refusal)
{
    (void)framing;
    (void)refusal;
    while (*value != '\0') {
        size_t n = strcspn(value, ", \t");
        if (n == 5 && strncasecmp(value, "close", n) == 0) {
            head->keeps_alive = false;
            head->closes = true;
        } else if (n == 10 && strncasecmp(value, "keep-alive", n) == 0) {
            head->keeps_alive = !head->closes;
        }
        value += n;
        value += strspn(value, ", \t");
    }
    return true;
}

static bool take_expectation(struct http_head *head, struct framing *framing, const char *value,
                             struct http_refusal *refusal)
{
    (void)framing;
    if (strcasecmp(value, "100-continue") != 0) {
        return refuse(refusal, 417, "The only expectation that is known here is 100-continue");
    }
    head->awaits_continue = !head->is_http_1_0;
    return true;
}

static const struct header_taker {
    const char *name;
    bool (*take)(struct http_head *head, struct framing *framing, const char *value,
                 struct http_refusal *refusal);
} rows[] = {
    {"Host", take_host},
    {"Content-Length", take_length},
    {"Transfer-Encoding", take_coding},
    {"Connection", take_connection},
    {"Expect", take_expectation},
};

static bool check_framing(struct http_head *head, struct http_refusal *refusal)
{
    struct framing framing = {0};
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct http_field *field = &head->fields[i];
        for (size_t k = 0; k < COUNT_OF(rows); k++) {
            if (strcasecmp(field->name, rows[k].name) == 0 &&
                !rows[k].take(head, &framing, field->value, refusal)) {
                return false;
            }
        }
    }
    if (!framing.has_host && !head->is_http_1_0) {
        return refuse(refusal, 400, "There is no Host");
    }
    if (framing.has_coding && head->has_length) {
        return refuse(refusal, 400, "There are both Transfer-Encoding and Content-Length");
    }
    if (framing.has_coding && head->is_http_1_0) {
        return refuse(refusal, 400, "HTTP/1.0 has no Transfer-Encoding");
    }
    head->awaits_continue = head->awaits_continue && (head->is_chunked || head->length > 0);
    return true;
}

/* ---- Fields ---- */

static bool check_value(const char *value, size_t n, struct http_refusal *refusal)
{
    for (size_t i = 0; i < n; i++) {
        if (!http_is_value_char(value[i])) {
            return refuse(refusal, 400, "A field's value has characters that it must not");
        }
    }
    return true;
}

/* line: NAME ":" OWS VALUE OWS without CRLF, n bytes; the byte behind them may be overwritten. */
static bool parse_field(char *line, size_t n, struct http_field *ret, struct http_refusal *refusal)
{
    size_t n_name = 0;
    while (n_name < n && http_is_token_char(line[n_name])) {
        n_name++;
    }
    if (n_name == 0 || n_name == n || line[n_name] != ':') {
        return refuse(refusal, 400, "A field does not begin with a name and a colon");
    }
    char *value = line + n_name + 1;
    char *end = line + n;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    if (!check_value(value, (size_t)(end - value), refusal)) {
        return false;
    }
    line[n_name] = '\0';
    *end = '\0';
    *ret = (struct http_field){line, value};
    return true;
}

bool http_head_parse(char *text, size_t n, struct http_field *fields, struct http_head *ret_head,
                     struct http_refusal *ret_refusal)
{
    *ret_head = (struct http_head){.fields = fields};
    const char *last = text + n - 2; /* the empty line */
    for (char *line = text; line < last;) {
        char *end = memchr(line, '\n', (size_t)(last - line));
        assert(end != NULL && end > line && end[-1] == '\r' && "a head that was scanned");
        size_t n_line = (size_t)(end - line) - 1;
        end[-1] = '\0';
        if (line == text) {
            if (!parse_request_line(line, n_line, ret_head, ret_refusal)) {
                return false;
            }
        } else if (!parse_field(line, n_line, &fields[ret_head->n_fields++], ret_refusal)) {
            return false;
        }
        line = end + 1;
    }
    return check_framing(ret_head, ret_refusal);
}
