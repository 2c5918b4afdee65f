#include "credential.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "hash.h"
#include "routes.h"

#define BASIC "Basic "
/* Of name and password together; longer ones are no token that the server would take. */
#define BASIC_BYTES 12288

static unsigned door_of(const struct request *r)
{
    return r->route == NULL ? 0 : r->route->kind->door;
}

/* A token with other characters would not be sent on as a header. */
static bool is_token(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return false;
        }
    }
    return n > 0;
}

static bool add_bearer(const char *token, size_t n, struct str *authorization)
{
    if (is_token(token, n)) {
        str_add_text(authorization, "Bearer ");
        str_add(authorization, token, n);
    }
    return authorization->len > 0;
}

/* Decodes base64 with its padding. Returns the number of bytes, 0 if it is none. */
static size_t decode(const char *text, unsigned char bytes[BASIC_BYTES])
{
    size_t n = strlen(text);
    if (n == 0 || n % 4 != 0 || n / 4 * 3 > BASIC_BYTES) {
        return 0;
    }
    int decoded = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)n);
    size_t padding = (size_t)(text[n - 1] == '=') + (size_t)(text[n - 2] == '=');
    return decoded < (int)padding ? 0 : (size_t)decoded - padding;
}

/* False: the header is not of this scheme, or has no token. */
static bool add_password(const char *header, struct str *authorization)
{
    unsigned char bytes[BASIC_BYTES];
    if (strncasecmp(header, BASIC, strlen(BASIC)) != 0) {
        return false;
    }
    header += strlen(BASIC);
    size_t n = decode(header + strspn(header, " "), bytes);
    const char *end = (const char *)bytes + n;
    const char *colon = n == 0 ? NULL : memchr(bytes, ':', n);
    bool added = colon != NULL && add_bearer(colon + 1, (size_t)(end - colon - 1), authorization);
    secret_wipe(bytes, n);
    return added;
}

void credential_add(const struct request *r, struct str *authorization)
{
    const struct request_headers *headers = &r->headers;
    unsigned door = door_of(r);
    const char *token = (door & DOOR_SPRING) != 0  ? headers->config_token
                        : (door & DOOR_OFREP) != 0 ? headers->api_key
                                                   : NULL;
    if (headers->authorization != NULL) {
        if ((door & DOOR_SPRING) == 0 || !add_password(headers->authorization, authorization)) {
            str_add_text(authorization, headers->authorization);
        }
    } else if (token != NULL && !add_bearer(token, strlen(token), authorization)) {
        str_add_text(authorization, token);
    }
}
