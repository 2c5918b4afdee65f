/* The members of a config document, and which of them a request asks for (`fields=`). */
#ifndef GATEWAY_DOCUMENT_H
#define GATEWAY_DOCUMENT_H

#include "invalid.h"

/* In the order in which a document has them. */
enum document_member {
    DOCUMENT_SERVICE = 1 << 0,
    DOCUMENT_ENVIRONMENT = 1 << 1,
    DOCUMENT_VERSION = 1 << 2,
    DOCUMENT_DATA = 1 << 3,
    DOCUMENT_CREATED_AT = 1 << 4,
    DOCUMENT_UPDATED_AT = 1 << 5,
    DOCUMENT_CREATED_BY = 1 << 6,
    DOCUMENT_COMMENT = 1 << 7,
    DOCUMENT_ALL = (1 << 8) - 1,
};

/* The members that `fields` names, separated by commas: "version,comment"; all of them if it is
 * NULL. With a minus before each name, all but these: "-config_data". Adds a fault for a name that
 * is not known, for a mixture of both, and for a list without a name. */
unsigned document_members(const char *fields, struct invalid *invalid);

#endif
