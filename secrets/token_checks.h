/* Checks of tokens beyond their form: checksums and what is encoded in them. Each is a token_check
 * (tokens.h). Private to secrets/. Pure; any thread. */
#ifndef SECRETS_TOKEN_CHECKS_H
#define SECRETS_TOKEN_CHECKS_H

#include <stdbool.h>
#include <stddef.h>

/* Letters and digits both, so that no word is one. */
bool check_mixed(const char *text, size_t n);
/* The checksum of confreg's own tokens (access/bearer.h): the last 6 of their characters are the
 * CRC-32, in base 62, of those in front of them. */
bool check_confreg(const char *text, size_t n);
/* The checksum of GitHub's tokens: the last of 40 characters are the CRC-32, in base 62, of the 30
 * in front of them. Longer tokens are of another form. */
bool check_github(const char *text, size_t n);
/* A header of JSON that names its algorithm. */
bool check_jwt(const char *text, size_t n);
/* The checksum of bech32 (BIP 173). */
bool check_age(const char *text, size_t n);
/* "Basic " and the base64 of NAME:PASSWORD. */
bool check_basic(const char *text, size_t n);
/* "Bearer " and something random. */
bool check_bearer(const char *text, size_t n);
/* Base64 of a decimal id up to the first dot. */
bool check_discord(const char *text, size_t n);
/* Ends with ".", at least 40 letters and digits. */
bool check_doppler(const char *text, size_t n);
/* Any three characters, a digit, "Q~". */
bool check_entra(const char *text, size_t n);
/* Base64 of the PEM of a private key. */
bool check_encoded_pem(const char *text, size_t n);

#endif
