#include "identify.h"

#include <string.h>
#include <strings.h>

#include "clock.h"
#include "credential.h"
#include "errors.h"
#include "identities.h"
#include "routes.h"
#include "upstream_request.h"

/* ---- Credentials ---- */

/* Appends the value of a cookie; false: there is none. */
static bool find_cookie(const char *cookies, const char *name, struct str *value)
{
    size_t n_name = strlen(name);
    for (const char *at = cookies; *at != '\0'; at += strspn(at, "; ")) {
        size_t n = strcspn(at, ";");
        if (n > n_name && strncmp(at, name, n_name) == 0 && at[n_name] == '=') {
            str_add(value, at + n_name + 1, n - n_name - 1);
            return true;
        }
        at += n;
    }
    return false;
}

static bool is_safe(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
           strcmp(method, "OPTIONS") == 0;
}

/* Whether a host, with a port or without, is this machine's to browsers: they send the cookie to it
 * over plain HTTP. */
static bool is_local(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        size_t n = strlen(names[i]);
        if (strncasecmp(host, names[i], n) == 0 && (host[n] == '\0' || host[n] == ':')) {
            return true;
        }
    }
    return false;
}

/* Whether an origin is that of the request: scheme and host. A proxy that ends TLS in front of the
 * gateway makes https what came here over plain HTTP. A page that came over plain HTTP from another
 * machine may be anybody's. */
static bool is_own_origin(const struct request *r, const char *origin)
{
    static const char https[] = "https://";
    static const char http[] = "http://";
    const char *host = r->headers.host;
    if (host == NULL) {
        return false;
    }
    if (strncasecmp(origin, https, sizeof https - 1) == 0) {
        return strcasecmp(origin + sizeof https - 1, host) == 0;
    }
    return !r->is_secure && is_local(host) && strncasecmp(origin, http, sizeof http - 1) == 0 &&
           strcasecmp(origin + sizeof http - 1, host) == 0;
}

/* Browsers that send Sec-Fetch-Site say by it what page has made the request; others send Origin
 * with all that may write. */
static bool comes_from_here(const struct request *r)
{
    const char *site = r->headers.fetch_site;
    const char *origin = r->headers.origin;
    return site != NULL ? strcmp(site, "same-origin") == 0
                        : origin != NULL && is_own_origin(r, origin);
}

static bool check_forgery(struct request *r)
{
    const char *mark = r->headers.csrf;
    if (is_safe(r->method) || (mark != NULL && strcmp(mark, "1") == 0 && comes_from_here(r))) {
        return true;
    }
    request_refuse(
        r, 403, "CSRF_REFUSED",
        "A request that proves itself by a cookie needs X-Confreg-Csrf: 1 and has to come "
        "from a page of this origin");
    return false;
}

/* Appends what the headers of the request have, or its cookie. False: the request is answered. */
static bool read_authorization(struct request *r, struct str *authorization)
{
    credential_add(r, authorization);
    if (authorization->len > 0) {
        return true;
    }
    AUTO_STR token = {0};
    if (r->headers.cookie == NULL || !find_cookie(r->headers.cookie, SESSION_COOKIE, &token)) {
        return true;
    }
    str_addf(authorization, "Bearer %s", str_text(&token));
    return check_forgery(r);
}

/* ---- Identities ---- */

static bool refuse(struct request *r, enum status_code code, const char *reason, const char *why)
{
    struct status st;
    status_set(&st, code, reason, "%s", why);
    errors_answer(r, &st);
    return false;
}

static bool fits(const char *credential)
{
    return credential == NULL || strlen(credential) <= CREDENTIAL_MAX_BYTES;
}

static bool take(struct request *r, const char *authorization, const char *certificate)
{
    struct identities *identities = r->gateway->upstream->identities;
    if (!fits(authorization) || !fits(certificate)) {
        return refuse(r, STATUS_UNAUTHENTICATED, "CREDENTIALS_INVALID",
                      "the credential is too long");
    }
    r->identity = identities_find(identities, authorization, certificate);
    const struct status *refusal = identity_refusal(r->identity);
    if (refusal != NULL) {
        errors_answer(r, refusal);
    }
    return refusal == NULL;
}

static bool identify_open(struct request *r)
{
    if (r->gateway->upstream->needs_rights) {
        return refuse(
            r, STATUS_UNAVAILABLE, "RIGHTS_MISSING",
            "the gateway serves other machines, but confregd has no rights in force: give "
            "confregd --access, or the gateway --tls-client-auth require or --insecure");
    }
    return take(r, NULL, NULL);
}

bool identify_request(struct request *r)
{
    const struct upstream *upstream = r->gateway->upstream;
    enum access_mode mode = identities_mode(upstream->identities);
    if (r->route->kind->is_open) {
        return true;
    }
    if (mode == ACCESS_OPEN) {
        return identify_open(r);
    }
    r->is_private = true;
    AUTO_SECRET authorization = {0};
    if (!read_authorization(r, &authorization)) {
        return false;
    }
    if (authorization.len > 0) {
        return take(r, authorization.data, NULL);
    }
    /* Without a token the server would take the gateway's own credential for the caller's. */
    if (mode != ACCESS_DELEGATED && upstream->has_credentials) {
        return mode == ACCESS_UNKNOWN ? refuse(r, STATUS_UNAVAILABLE, "SERVER_AWAY",
                                               "the registry server has not been reached yet")
                                      : refuse(r, STATUS_UNAUTHENTICATED, "CREDENTIALS_MISSING",
                                               "the call needs a bearer token");
    }
    return take(r, NULL, mode == ACCESS_DELEGATED ? r->certificate : NULL);
}

void identify_forget(struct request *r)
{
    identity_unref(MOVE(r->identity));
}

/* ---- Rights ---- */

static void learned(struct request *r, const ProtobufCMessage *response, const struct status *st)
{
    struct upstream_request *u = upstream_request_of(r);
    if (st != NULL && st->code != STATUS_UNIMPLEMENTED) {
        errors_answer(r, st);
        return;
    }
    u->has_asked = true;
    if (st == NULL) {
        identity_learn(r->identity, (const Confreg__V1__GetAccessResponse *)(const void *)response,
                       u->asked_ns);
    }
    u->go_on(r);
}

bool identify_ensure(struct request *r, void (*next)(struct request *r))
{
    struct upstream_request *u = upstream_request_of(r);
    struct upstream *upstream = r->gateway->upstream;
    Confreg__V1__GetAccessRequest request = CONFREG__V1__GET_ACCESS_REQUEST__INIT;
    bool has_asked = u->has_asked;
    u->has_asked = false;
    if (has_asked || identity_is_known(r->identity)) {
        identity_refresh(r->identity);
        return true;
    }
    u->asked_ns = clock_monotonic_ns();
    u->go_on = next;
    call_start(r, REGISTRY_GET_ACCESS, &request.base, upstream->timeout_ms, learned);
    return false;
}
