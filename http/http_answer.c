#include "http_answer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* All status codes that this server and the programs built on it send. */
static const struct status_row {
    unsigned status;
    const char *reason;
} rows[] = {
    {200, "OK"},
    {201, "Created"},
    {204, "No Content"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *http_status_phrase(unsigned status)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].status == status) {
            return rows[i].reason;
        }
    }
    return "Unknown"; /* clients ignore the reason phrase (RFC 9112, 4) */
}

bool http_status_has_no_body(unsigned status)
{
    return status == 204 || status == 304;
}

size_t http_format_lead(unsigned status, const char *date, const char *connection,
                        char text[HTTP_LEAD_SIZE])
{
    int n = snprintf(text, HTTP_LEAD_SIZE, "HTTP/1.1 %u %s\r\nDate: %s\r\n%s", status,
                     http_status_phrase(status), date, connection);
    assert(n > 0 && n < HTTP_LEAD_SIZE && "it has room for all of ours");
    return (size_t)n;
}

void http_answer_fields(const struct http_answer *answer, bool has_length, struct str *out)
{
    for (size_t i = 0; i < answer->n_fields; i++) {
        const struct http_field *field = &answer->fields[i];
        assert(strpbrk(field->value, "\r\n") == NULL && "a field is one line");
        str_add_text(out, field->name);
        str_add(out, ": ", 2);
        str_add_text(out, field->value);
        str_add(out, "\r\n", 2);
    }
    if (has_length) {
        str_addf(out, "Content-Length: %zu\r\n", answer->n_body);
    }
    str_add(out, "\r\n", 2);
}

struct http_prepared *http_prepare(const struct http_answer *answer)
{
    struct http_prepared *prepared = mem_alloc(sizeof *prepared);
    *prepared = (struct http_prepared){.body = answer->body, .n_body = answer->n_body};
    http_answer_fields(answer, true, &prepared->fields);
    return prepared;
}

void http_prepared_free(struct http_prepared *prepared)
{
    if (prepared != NULL) {
        str_fini(&prepared->fields);
        free(prepared);
    }
}

/* strftime would use the names of days and months of the locale. */
void http_format_date(int64_t wall_s, char text[HTTP_DATE_SIZE])
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)wall_s;
    struct tm parts;
    gmtime_r(&seconds, &parts);
    snprintf(text, HTTP_DATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[parts.tm_wday],
             parts.tm_mday, months[parts.tm_mon], (parts.tm_year + 1900) % 10000, parts.tm_hour,
             parts.tm_min, parts.tm_sec);
}
