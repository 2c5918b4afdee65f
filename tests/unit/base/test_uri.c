/* The parts of an address that may be shown. */
#include <criterion/criterion.h>

#include "leak_check.h"
#include "uri.h"

Test(uri, shows_no_secret)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"sqlite:/data/confreg.db", "sqlite:/data/confreg.db"},
        {"sqlite:a@b?c", "sqlite:a@b?c"},
        {"memory:", "memory:"},
        {"amqp://h:1/v", "amqp://h:1/v"},
        {"mongodb://u:p@h:1,i:2/db", "mongodb://h:1,i:2/db"},
        {"mongodb://u:p@h/db?authSource=admin&tlsCertificateKeyFilePassword=p", "mongodb://h/db"},
        {"mongodb://u:p/@w@h/db", "mongodb://h/db"},
        {"mongodb://u:p?w@h/db", "mongodb://..."},
        {"mongodb://h/db?x=1@secret", "mongodb://..."},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_STR out = {0};
        uri_add_public(&out, rows[i][0]);
        cr_assert_str_eq(str_text(&out), rows[i][1]);
    }
    leak_check();
}
