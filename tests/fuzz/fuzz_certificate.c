/* Certificates and what the options of TLS name. The first byte chooses: a certificate in DER,
 * whose name is taken; or PEM for the server's certificate and key, its authorities, its revocation
 * list, or a client's files. What the bytes are not is good. */
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "mem.h"
#include "peer_name.h"
#include "pem_files.h"
#include "str.h"
#include "tls_context.h"
#include "utf8.h"

enum kind { DER, SERVER, AUTHORITIES, LISTS, CLIENT, CLIENT_AUTHORITIES, KINDS };

/* A file in memory that a path leads to. */
struct file {
    int fd;
    char path[32];
};

static struct file good, tried;
static char *pair_text; /* PEM of a certificate and its key: the content of `good` */

static struct file file_new(void)
{
    struct file file = {.fd = memfd_create("fuzz", MFD_CLOEXEC)};
    MUST(file.fd >= 0);
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
    return file;
}

static void file_fill(const struct file *file, const void *bytes, size_t n)
{
    MUST(ftruncate(file->fd, 0) == 0);
    MUST(n == 0 || pwrite(file->fd, bytes, n, 0) == (ssize_t)n);
}

/* A certificate with its key. */
static char *make_pair(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    PEM_write_bio_X509(bio, certificate);
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    long n = BIO_get_mem_data(bio, &text);
    char *pair = mem_text(text, (size_t)n);
    BIO_free(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return pair;
}

static void take_name(const uint8_t *bytes, size_t n)
{
    X509 *certificate = d2i_X509(NULL, &bytes, (long)n);
    if (certificate == NULL) {
        ERR_clear_error();
        return;
    }
    char *name = peer_name_of(certificate);
    if (name != NULL) {
        size_t length = strlen(name);
        MUST(length > 0 && length <= PEER_NAME_MAX && utf8_check(name, length) == length);
        for (size_t i = 0; i < length; i++) {
            MUST((unsigned char)name[i] >= 0x20 && name[i] != 0x7F);
        }
    }
    free(name);
    X509_free(certificate);
}

static void load_server(enum kind kind)
{
    const struct tls_settings settings = {
        .cert = kind == SERVER ? tried.path : good.path,
        .key = kind == SERVER ? tried.path : good.path,
        .client_ca = kind == AUTHORITIES ? tried.path : good.path,
        .crl = kind == LISTS ? tried.path : NULL,
        .client_auth = kind == SERVER ? TLS_CLIENT_AUTH_NONE : TLS_CLIENT_AUTH_REQUEST,
    };
    struct tls_context context;
    struct status st;
    if (tls_context_load(&settings, &context, &st)) {
        MUST(context.core != NULL);
        SSL_CTX_free(context.core);
    } else {
        MUST(st.code == STATUS_UNAVAILABLE && st.message[0] != '\0');
    }
    ERR_clear_error();
}

static void load_client(enum kind kind)
{
    const struct tls_client_settings settings = {
        .ca = kind == CLIENT_AUTHORITIES ? tried.path : good.path,
        .cert = kind == CLIENT ? tried.path : NULL,
        .key = kind == CLIENT ? tried.path : NULL,
    };
    struct pem_files files;
    struct status st;
    if (pem_files_read(&settings, &files, &st)) {
        MUST(files.ca != NULL && (files.cert != NULL) == (kind == CLIENT));
        pem_files_fini(&files);
    } else {
        MUST(st.code == STATUS_UNAVAILABLE && st.message[0] != '\0');
    }
    MUST(ERR_peek_error() == 0);
}

static void set_up(void)
{
    pair_text = make_pair();
    good = file_new();
    tried = file_new();
    file_fill(&good, pair_text, strlen(pair_text));
}

static void add_pem(enum kind kind, const struct input *der, struct str *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    PEM_write_bio(bio, kind == LISTS ? PEM_STRING_X509_CRL : PEM_STRING_X509, "", der->data,
                  (long)der->size);
    long n = BIO_get_mem_data(bio, &text);
    str_add(out, text, (size_t)n);
    BIO_free(bio);
}

/* Both halves of a pair are in one file, so a good pair follows what is tried. */
static void fill_tried(enum kind kind, bool is_der, const struct input *in)
{
    AUTO_STR text = {0};
    if (is_der) {
        add_pem(kind, in, &text);
    } else {
        str_add(&text, in->data, in->size);
    }
    if (kind == SERVER || kind == CLIENT) {
        str_add_text(&text, pair_text);
    }
    file_fill(&tried, str_text(&text), text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (pair_text == NULL) {
        set_up();
    }
    struct input in = {data, size};
    uint8_t choice = take_byte(&in);
    enum kind kind = (enum kind)(choice % KINDS);
    if (kind == DER) {
        take_name(in.data, in.size);
        return 0;
    }
    fill_tried(kind, choice >= KINDS, &in);
    if (kind == CLIENT || kind == CLIENT_AUTHORITIES) {
        load_client(kind);
    } else {
        load_server(kind);
    }
    return 0;
}
