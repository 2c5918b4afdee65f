#include "formats.h"

#include <arpa/inet.h>
#include <string.h>

#include "percent.h"
#include "regex.h"

/* The rest of a string. */
struct format_scan {
    const char *at;
    const char *end;
};

static struct format_scan scan_of(struct json_text string)
{
    return (struct format_scan){string.data, string.data + string.len};
}

static size_t left(const struct format_scan *s)
{
    return (size_t)(s->end - s->at);
}

static bool at_end(const struct format_scan *s)
{
    return s->at == s->end;
}

static bool take(struct format_scan *s, char c)
{
    if (at_end(s) || *s->at != c) {
        return false;
    }
    s->at++;
    return true;
}

/* One of two characters. */
static bool take_either(struct format_scan *s, char a, char b)
{
    return take(s, a) || take(s, b);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_alnum(char c)
{
    return is_digit(c) || is_alpha(c);
}

static bool is_in(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* Exactly n digits. */
static bool take_digits(struct format_scan *s, size_t n, int *ret_number)
{
    int number = 0;
    if (left(s) < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(s->at[i])) {
            return false;
        }
        number = number * 10 + (s->at[i] - '0');
    }
    s->at += n;
    *ret_number = number;
    return true;
}

static size_t skip_digits(struct format_scan *s)
{
    const char *start = s->at;
    while (!at_end(s) && is_digit(*s->at)) {
        s->at++;
    }
    return (size_t)(s->at - start);
}

/* ---- Dates and times: RFC 3339 ---- */

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool take_date(struct format_scan *s)
{
    int year;
    int month;
    int day;
    return take_digits(s, 4, &year) && take(s, '-') && take_digits(s, 2, &month) && take(s, '-') &&
           take_digits(s, 2, &day) && month >= 1 && month <= 12 && day >= 1 &&
           day <= days_of(year, month);
}

/* Z or +HH:MM, as minutes. */
static bool take_zone(struct format_scan *s, int *ret_minutes)
{
    int hours;
    int minutes;
    if (take_either(s, 'Z', 'z')) {
        *ret_minutes = 0;
        return true;
    }
    bool minus = take(s, '-');
    if ((!minus && !take(s, '+')) || !take_digits(s, 2, &hours) || !take(s, ':') ||
        !take_digits(s, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *ret_minutes = (minus ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

/* A leap second is the last second of a day of UTC. */
static bool take_time(struct format_scan *s)
{
    int hour;
    int minute;
    int second;
    int zone;
    if (!take_digits(s, 2, &hour) || !take(s, ':') || !take_digits(s, 2, &minute) ||
        !take(s, ':') || !take_digits(s, 2, &second) || hour > 23 || minute > 59 || second > 60) {
        return false;
    }
    if (take(s, '.') && skip_digits(s) == 0) {
        return false;
    }
    if (!take_zone(s, &zone)) {
        return false;
    }
    int utc = ((hour * 60 + minute - zone) % 1440 + 1440) % 1440;
    return second < 60 || utc == 1439;
}

static bool is_date(struct json_text string)
{
    struct format_scan s = scan_of(string);
    return take_date(&s) && at_end(&s);
}

static bool is_time(struct json_text string)
{
    struct format_scan s = scan_of(string);
    return take_time(&s) && at_end(&s);
}

static bool is_date_time(struct json_text string)
{
    struct format_scan s = scan_of(string);
    return take_date(&s) && take_either(&s, 'T', 't') && take_time(&s) && at_end(&s);
}

/* Units of a duration in their order; each at most once, none left out between two. */
static bool take_units(struct format_scan *s, const char *units, size_t *ret_n)
{
    const char *next = units;
    for (*ret_n = 0; !at_end(s) && is_digit(*s->at); ++*ret_n) {
        skip_digits(s);
        const char *unit = at_end(s) || *s->at == '\0' ? NULL : strchr(next, *s->at);
        if (unit == NULL || (*ret_n > 0 && unit != next)) {
            return false;
        }
        s->at++;
        next = unit + 1;
    }
    return true;
}

/* ISO 8601 as appendix A of RFC 3339 has it. */
static bool is_duration(struct json_text string)
{
    struct format_scan s = scan_of(string);
    struct format_scan weeks = s;
    size_t dates = 0;
    size_t times = 0;
    if (take(&weeks, 'P') && skip_digits(&weeks) > 0 && take(&weeks, 'W') && at_end(&weeks)) {
        return true;
    }
    if (!take(&s, 'P') || !take_units(&s, "YMD", &dates)) {
        return false;
    }
    if (take(&s, 'T') && (!take_units(&s, "HMS", &times) || times == 0)) {
        return false;
    }
    return at_end(&s) && dates + times > 0;
}

/* ---- Hosts and addresses ---- */

/* A label of RFC 1123; "xn--" is left to DNS, other "--" at the third place are reserved. */
static bool is_label(const char *p, size_t n)
{
    if (n == 0 || n > 63 || p[0] == '-' || p[n - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_alnum(p[i]) && p[i] != '-') {
            return false;
        }
    }
    bool reserved = n >= 4 && p[2] == '-' && p[3] == '-';
    return !reserved || ((p[0] | 0x20) == 'x' && (p[1] | 0x20) == 'n' && n > 4);
}

static bool is_hostname(struct json_text string)
{
    struct format_scan s = scan_of(string);
    if (string.len > 253) {
        return false;
    }
    do {
        const char *dot = memchr(s.at, '.', left(&s));
        size_t n = dot == NULL ? left(&s) : (size_t)(dot - s.at);
        if (!is_label(s.at, n)) {
            return false;
        }
        s.at += n;
    } while (take(&s, '.'));
    return at_end(&s);
}

/* Whether inet_pton takes the text, which must be short and have no NUL. */
static bool is_address(int family, struct json_text string)
{
    char text[64];
    unsigned char address[sizeof(struct in6_addr)];
    if (string.len >= sizeof text || memchr(string.data, '\0', string.len) != NULL) {
        return false;
    }
    memcpy(text, string.data, string.len);
    text[string.len] = '\0';
    return inet_pton(family, text, address) == 1;
}

static bool is_ipv4(struct json_text string)
{
    return is_address(AF_INET, string);
}

static bool is_ipv6(struct json_text string)
{
    return is_address(AF_INET6, string);
}

/* ---- Mail: RFC 5321 ---- */

static bool take_quoted_local(struct format_scan *s)
{
    s->at++;
    while (!at_end(s) && *s->at != '"') {
        s->at += *s->at == '\\' ? 1 : 0;
        if (at_end(s) || *s->at < 0x20 || *s->at > 0x7E) {
            return false;
        }
        s->at++;
    }
    return take(s, '"');
}

static bool take_atom(struct format_scan *s)
{
    const char *start = s->at;
    while (!at_end(s) && (is_alnum(*s->at) || is_in(*s->at, "!#$%&'*+-/=?^_`{|}~"))) {
        s->at++;
    }
    return s->at > start;
}

static bool take_local(struct format_scan *s)
{
    if (!at_end(s) && *s->at == '"') {
        return take_quoted_local(s);
    }
    do {
        if (!take_atom(s)) {
            return false;
        }
    } while (take(s, '.'));
    return true;
}

static bool is_mail_domain(struct json_text domain)
{
    if (domain.len < 2 || domain.data[0] != '[' || domain.data[domain.len - 1] != ']') {
        return is_hostname(domain);
    }
    struct json_text inside = {domain.data + 1, domain.len - 2};
    if (inside.len > 5 && memcmp(inside.data, "IPv6:", 5) == 0) {
        return is_ipv6((struct json_text){inside.data + 5, inside.len - 5});
    }
    return is_ipv4(inside);
}

static bool is_email(struct json_text string)
{
    struct format_scan s = scan_of(string);
    return take_local(&s) && s.at - string.data <= 64 && take(&s, '@') &&
           is_mail_domain((struct json_text){s.at, left(&s)});
}

/* ---- URIs: RFC 3986; IRIs: RFC 3987 ---- */

enum uri_kind { URI_ASCII, URI_UNICODE };

/* Characters that may stand in a part of a URI: unreserved, sub-delims, `more`, %XX, and in an IRI
 * any beyond ASCII. Stops before the first other one. False: a bad %. */
static bool take_uri_part(struct format_scan *s, enum uri_kind kind, const char *more)
{
    while (!at_end(s)) {
        char c = *s->at;
        if (c == '%') {
            if (left(s) < 3 || hex_digit_value(s->at[1]) < 0 || hex_digit_value(s->at[2]) < 0) {
                return false;
            }
            s->at += 3;
        } else if (is_alnum(c) || is_in(c, "-._~!$&'()*+,;=") || is_in(c, more) ||
                   (kind == URI_UNICODE && (unsigned char)c >= 0x80)) {
            s->at++;
        } else {
            break;
        }
    }
    return true;
}

static bool is_ip_future(struct json_text string)
{
    struct format_scan s = scan_of(string);
    if (!take_either(&s, 'v', 'V')) {
        return false;
    }
    const char *version = s.at;
    while (!at_end(&s) && hex_digit_value(*s.at) >= 0) {
        s.at++;
    }
    if (s.at == version || !take(&s, '.') || at_end(&s) || memchr(s.at, '%', left(&s)) != NULL) {
        return false;
    }
    return take_uri_part(&s, URI_ASCII, ":") && at_end(&s);
}

static bool take_host(struct format_scan *s, enum uri_kind kind)
{
    if (at_end(s) || *s->at != '[') {
        return take_uri_part(s, kind, "");
    }
    const char *end = memchr(s->at, ']', left(s));
    if (end == NULL) {
        return false;
    }
    struct json_text inside = {s->at + 1, (size_t)(end - s->at) - 1};
    s->at = end + 1;
    return is_ipv6(inside) || is_ip_future(inside);
}

/* Behind "//". */
static bool take_authority(struct format_scan *s, enum uri_kind kind)
{
    struct format_scan user = *s;
    if (!take_uri_part(&user, kind, ":")) {
        return false;
    }
    if (take(&user, '@')) {
        *s = user;
    }
    if (!take_host(s, kind)) {
        return false;
    }
    if (take(s, ':')) {
        skip_digits(s);
    }
    return at_end(s) || is_in(*s->at, "/?#");
}

/* All behind the scheme, or a reference without one. */
static bool is_relative_part(struct format_scan *s, enum uri_kind kind)
{
    if (left(s) >= 2 && s->at[0] == '/' && s->at[1] == '/') {
        s->at += 2;
        if (!take_authority(s, kind)) {
            return false;
        }
    }
    return take_uri_part(s, kind, ":@/") && (!take(s, '?') || take_uri_part(s, kind, ":@/?")) &&
           (!take(s, '#') || take_uri_part(s, kind, ":@/?")) && at_end(s);
}

static bool take_scheme(struct format_scan *s)
{
    if (at_end(s) || !is_alpha(*s->at)) {
        return false;
    }
    while (!at_end(s) && (is_alnum(*s->at) || is_in(*s->at, "+-."))) {
        s->at++;
    }
    return take(s, ':');
}

static bool is_absolute(struct json_text string, enum uri_kind kind)
{
    struct format_scan s = scan_of(string);
    return take_scheme(&s) && is_relative_part(&s, kind);
}

/* In a reference without a scheme the first segment has no colon. */
static bool is_reference(struct json_text string, enum uri_kind kind)
{
    struct format_scan s = scan_of(string);
    if (is_absolute(string, kind)) {
        return true;
    }
    struct format_scan segment = s;
    return take_uri_part(&segment, kind, "@") && (at_end(&segment) || *segment.at != ':') &&
           is_relative_part(&s, kind);
}

static bool is_uri(struct json_text string)
{
    return is_absolute(string, URI_ASCII);
}

static bool is_uri_reference(struct json_text string)
{
    return is_reference(string, URI_ASCII);
}

static bool is_iri(struct json_text string)
{
    return is_absolute(string, URI_UNICODE);
}

static bool is_iri_reference(struct json_text string)
{
    return is_reference(string, URI_UNICODE);
}

/* ---- Others ---- */

static bool is_uuid(struct json_text string)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (string.len != sizeof shape - 1) {
        return false;
    }
    for (size_t i = 0; i < string.len; i++) {
        bool fits = shape[i] == '-' ? string.data[i] == '-' : hex_digit_value(string.data[i]) >= 0;
        if (!fits) {
            return false;
        }
    }
    return true;
}

static bool is_json_pointer(struct json_text string)
{
    if (string.len > 0 && string.data[0] != '/') {
        return false;
    }
    for (size_t i = 0; i < string.len; i++) {
        if (string.data[i] == '~' &&
            (i + 1 == string.len || (string.data[i + 1] != '0' && string.data[i + 1] != '1'))) {
            return false;
        }
    }
    return true;
}

static bool is_relative_json_pointer(struct json_text string)
{
    struct format_scan s = scan_of(string);
    bool zero = !at_end(&s) && *s.at == '0';
    size_t n = skip_digits(&s);
    if (n == 0 || (zero && n > 1)) {
        return false;
    }
    if (take(&s, '#')) {
        return at_end(&s);
    }
    return is_json_pointer((struct json_text){s.at, left(&s)});
}

static bool is_regex(struct json_text string)
{
    AUTO(regex_free) struct regex *regex = NULL;
    AUTO_STR fault = {0};
    return regex_compile(string, &regex, &fault);
}

const struct format *format_find(struct json_text name)
{
    static const struct format formats[] = {
        {"date", "a date of RFC 3339", is_date},
        {"date-time", "a date and time of RFC 3339", is_date_time},
        {"duration", "a duration of ISO 8601", is_duration},
        {"email", "an e-mail address", is_email},
        {"hostname", "a host name", is_hostname},
        {"ipv4", "an IPv4 address", is_ipv4},
        {"ipv6", "an IPv6 address", is_ipv6},
        {"iri", "an IRI", is_iri},
        {"iri-reference", "an IRI or a reference to one", is_iri_reference},
        {"json-pointer", "a JSON Pointer", is_json_pointer},
        {"regex", "a regular expression of ECMA-262", is_regex},
        {"relative-json-pointer", "a relative JSON Pointer", is_relative_json_pointer},
        {"time", "a time of RFC 3339, with its zone", is_time},
        {"uri", "a URI", is_uri},
        {"uri-reference", "a URI or a reference to one", is_uri_reference},
        {"uuid", "a UUID", is_uuid},
    };
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        if (strlen(formats[i].name) == name.len &&
            memcmp(formats[i].name, name.data, name.len) == 0) {
            return &formats[i];
        }
    }
    return NULL;
}
