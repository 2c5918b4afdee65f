#include "pem_files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

#define FILE_MAX_BYTES (4u << 20) /* a bundle of all public authorities has 200 KiB */

static bool broken(struct status *st, const char *option, const char *what)
{
    return status_set(st, STATUS_UNAVAILABLE, "TLS_FILE_BROKEN", "%s: %s", option, what);
}

static void wipe(char *text)
{
    if (text != NULL) {
        OPENSSL_cleanse(text, strlen(text));
        free(text);
    }
}

void pem_files_fini(struct pem_files *files)
{
    free(files->ca);
    free(files->cert);
    wipe(files->key);
    *files = (struct pem_files){.ca = NULL};
}

/* Reads all of it; -1 with errno. */
static ssize_t read_all(const char *path, char *bytes, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 0;
    size_t size = 0;
    while (fd >= 0 && size < room && (n = read(fd, bytes + size, room - size)) > 0) {
        size += (size_t)n;
    }
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = error;
    return n < 0 ? -1 : (ssize_t)size;
}

static bool read_text(const char *path, const char *option, char **ret_text, struct status *st)
{
    char *bytes = mem_alloc(FILE_MAX_BYTES + 1);
    ssize_t n = read_all(path, bytes, FILE_MAX_BYTES);
    if (n < 0) {
        int error = errno;
        free(bytes);
        return broken(st, option, strerror(error));
    }
    bytes[n] = '\0';
    *ret_text = mem_string(bytes);
    OPENSSL_cleanse(bytes, (size_t)n);
    free(bytes);
    return true;
}

static X509 *first_certificate(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return certificate;
}

/* Asking for a passphrase would wait on a terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *user)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)user;
    return 0;
}

static EVP_PKEY *private_key(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    return key;
}

static const struct pem_names option_names = {"--server-ca", "--server-cert", "--server-key"};

static bool check_pair(const struct pem_files *files, const struct pem_names *names,
                       struct status *st)
{
    X509 *certificate = first_certificate(files->cert);
    EVP_PKEY *key = private_key(files->key);
    bool ok = certificate != NULL || broken(st, names->cert, "no certificate is in the file");
    if (ok && key == NULL) {
        ok = broken(st, names->key, "no key without a passphrase is in the file");
    }
    if (ok && X509_check_private_key(certificate, key) != 1) {
        ok = broken(st, names->key, "the key is not the certificate's");
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    return ok;
}

static bool check_ca(const struct pem_files *files, const struct pem_names *names,
                     struct status *st)
{
    X509 *certificate = first_certificate(files->ca);
    bool ok = certificate != NULL || broken(st, names->ca, "no certificate is in the file");
    X509_free(certificate);
    return ok;
}

bool pem_files_read(const struct tls_client_settings *settings, struct pem_files *ret_files,
                    struct status *st)
{
    const struct pem_names *names = settings->names == NULL ? &option_names : settings->names;
    struct pem_files files = {.ca = NULL};
    bool ok = true;
    if (settings->ca != NULL) {
        ok = read_text(settings->ca, names->ca, &files.ca, st) && check_ca(&files, names, st);
    }
    if (ok && settings->cert != NULL) {
        ok = read_text(settings->cert, names->cert, &files.cert, st) &&
             read_text(settings->key, names->key, &files.key, st) && check_pair(&files, names, st);
    }
    ERR_clear_error();
    if (!ok) {
        pem_files_fini(&files);
        return false;
    }
    *ret_files = files;
    return true;
}
