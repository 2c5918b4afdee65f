#include "sessions.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "errors.h"
#include "identify.h"
#include "json.h"
#include "upstream_request.h"

#define ATTRIBUTES "Path=/; HttpOnly; Secure; SameSite=Strict"
#define SCHEME "Bearer "

/* ---- Who the caller is ---- */

static const char *role_name(Confreg__V1__AccessRole role)
{
    switch (role) {
    case CONFREG__V1__ACCESS_ROLE__ACCESS_ROLE_READER:
        return "reader";
    case CONFREG__V1__ACCESS_ROLE__ACCESS_ROLE_ADMIN:
        return "admin";
    case CONFREG__V1__ACCESS_ROLE__ACCESS_ROLE_SUPER_ADMIN:
        return "super-admin";
    case CONFREG__V1__ACCESS_ROLE__ACCESS_ROLE_AUDITOR:
        return "auditor";
    case CONFREG__V1__ACCESS_ROLE__ACCESS_ROLE_GATEWAY:
        return "gateway";
    default:
        return "unknown";
    }
}

static void add_patterns(struct str *out, const char *member, char **patterns, size_t n)
{
    str_addf(out, ",\"%s\":[", member);
    for (size_t i = 0; i < n; i++) {
        str_add_text(out, i == 0 ? "" : ",");
        json_encode_string(out, patterns[i], strlen(patterns[i]));
    }
    str_add_char(out, ']');
}

static void render_access(struct str *out, const Confreg__V1__GetAccessResponse *access)
{
    char time[CLOCK_TEXT_SIZE];
    const Google__Protobuf__Timestamp *expires = access->expire_time;
    json_add_text(out, "{\"name\":", access->name);
    json_add_text(out, ",\"credential\":", access->credential_kind);
    str_addf(out, ",\"rights_in_force\":%s", access->rights_in_force ? "true" : "false");
    if (expires != NULL) {
        clock_format(expires->seconds * 1000000 + expires->nanos / 1000, time);
        json_add_text(out, ",\"expires_at\":", time);
    }
    str_add_text(out, ",\"grants\":[");
    for (size_t i = 0; i < access->n_grants; i++) {
        const Confreg__V1__AccessGrant *grant = access->grants[i];
        str_addf(out, "%s{\"role\":\"%s\"", i == 0 ? "" : ",", role_name(grant->role));
        add_patterns(out, "environments", grant->environments, grant->n_environments);
        add_patterns(out, "services", grant->services, grant->n_services);
        str_add_char(out, '}');
    }
    str_add_text(out, "]}");
}

static void show_access(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    if (st != NULL) {
        errors_answer(r, st);
        return;
    }
    render_access(&r->response.body, (const Confreg__V1__GetAccessResponse *)(const void *)message);
    request_answer(r, 200);
}

static void ask(struct request *r, call_next *next)
{
    Confreg__V1__GetAccessRequest request = CONFREG__V1__GET_ACCESS_REQUEST__INIT;
    call_start(r, REGISTRY_GET_ACCESS, &request.base, r->gateway->upstream->timeout_ms, next);
}

void handle_session(struct request *r)
{
    ask(r, show_access);
}

/* ---- The cookie ---- */

/* The token of the header, if a cookie can hold it; else NULL. */
static const char *token_of(const char *authorization)
{
    static const char others[] = "-._~+/=";
    if (authorization == NULL || strncasecmp(authorization, SCHEME, strlen(SCHEME)) != 0) {
        return NULL;
    }
    const char *token = authorization + strlen(SCHEME);
    for (const char *at = token; *at != '\0'; at++) {
        bool is_digit =
            (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
        if (!is_digit && strchr(others, *at) == NULL) {
            return NULL;
        }
    }
    return *token == '\0' ? NULL : token;
}

static void add_cookie(struct request *r, const char *token,
                       const Google__Protobuf__Timestamp *expires)
{
    AUTO_STR cookie = {0};
    str_addf(&cookie, SESSION_COOKIE "=%s; " ATTRIBUTES, token);
    if (expires != NULL) {
        int64_t left_s = expires->seconds - clock_wall_us() / 1000000;
        str_addf(&cookie, "; Max-Age=%" PRId64, left_s < 0 ? 0 : left_s);
    }
    request_add_header(r, "Set-Cookie", cookie.data);
}

static void sign_in(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    const Confreg__V1__GetAccessResponse *access = (const void *)message;
    const char *token = token_of(r->headers.authorization);
    if (st == NULL && access->rights_in_force && token != NULL) {
        add_cookie(r, token, access->expire_time);
    }
    show_access(r, message, st);
}

void handle_sign_in(struct request *r)
{
    if (token_of(r->headers.authorization) == NULL) {
        struct status st;
        status_set(&st, STATUS_UNAUTHENTICATED, "CREDENTIALS_MISSING",
                   "signing in needs Authorization: Bearer TOKEN");
        errors_answer(r, &st);
        return;
    }
    ask(r, sign_in);
}

void handle_sign_out(struct request *r)
{
    request_add_header(r, "Set-Cookie", SESSION_COOKIE "=; " ATTRIBUTES "; Max-Age=0");
    request_answer(r, 204);
}
