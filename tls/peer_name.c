#include "peer_name.h"

#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "mem.h"
#include "str.h"
#include "utf8.h"

#define DNS_PREFIX "dns:"
#define CN_PREFIX "cn:"

static bool is_plain(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7F) {
            return false;
        }
    }
    return n > 0 && n <= PEER_NAME_MAX && utf8_check(text, n) == n;
}

/* Owned by the caller; NULL: the text cannot be a name. */
static char *with_prefix(const char *prefix, const char *text, size_t n)
{
    if (!is_plain(text, n) || strlen(prefix) + n > PEER_NAME_MAX) {
        return NULL;
    }
    AUTO_STR name = {0};
    str_addf(&name, "%s%.*s", prefix, (int)n, text);
    return MOVE(name.data);
}

/* A URI that looks like one of the other kinds would be mistaken for it. */
static bool is_ambiguous(const char *uri, size_t n)
{
    return (n >= strlen(DNS_PREFIX) && strncasecmp(uri, DNS_PREFIX, strlen(DNS_PREFIX)) == 0) ||
           (n >= strlen(CN_PREFIX) && strncasecmp(uri, CN_PREFIX, strlen(CN_PREFIX)) == 0);
}

static char *alternative(const GENERAL_NAMES *names, int type)
{
    char *found = NULL;
    for (int i = 0; found == NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != type) {
            continue;
        }
        const ASN1_IA5STRING *value = name->d.ia5;
        const char *text = (const char *)ASN1_STRING_get0_data(value);
        size_t n = (size_t)ASN1_STRING_length(value);
        if (type == GEN_DNS || !is_ambiguous(text, n)) {
            found = with_prefix(type == GEN_DNS ? DNS_PREFIX : "", text, n);
        }
    }
    return found;
}

static char *common_name(const X509 *certificate)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0) {
        return NULL;
    }
    unsigned char *text = NULL;
    int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    char *name = n < 0 ? NULL : with_prefix(CN_PREFIX, (const char *)text, (size_t)n);
    OPENSSL_free(text);
    return name;
}

char *peer_name_of(const X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    char *name = names == NULL ? NULL : alternative(names, GEN_URI);
    if (name == NULL && names != NULL) {
        name = alternative(names, GEN_DNS);
    }
    GENERAL_NAMES_free(names);
    return name != NULL ? name : common_name(certificate);
}
