/* Judges names: says what they tell of their values. Private to secrets/. Pure; any thread. */
#ifndef SECRETS_NAMES_H
#define SECRETS_NAMES_H

#include "value.h"

/* Makes the index of names at the first call; before the functions below. Any thread. */
void names_prepare(void);

/* By the last words of a name in any spelling: "dbPassword", "DB_PASSWORD", "stripe.api-key". A
 * number and "value" behind them, and the plural, do not count. */
enum name_kind name_kind(const char *name, size_t n);

/* Whether a name, such as "value", says nothing, so that the one around it counts. */
bool name_is_neutral(const char *name, size_t n);

/* Whether the values of an object of this name have its kind, whatever they are called: the plural,
 * "secrets", "credentials". */
enum name_kind name_kind_of_members(const char *name, size_t n);

#endif
