/* Payloads in the server's messages. A payload may be gone: erased, compacted, or omitted from a
 * message that was full. Its bytes must not be shown then, so all access is by these functions. */
#ifndef GATEWAY_PAYLOAD_H
#define GATEWAY_PAYLOAD_H

#include "confreg/v1/registry.pb-c.h"
#include "json.h"

/* Borrowed from the message; of length 0 if the payload is gone (a payload never is empty). */
struct json_text payload_of_config(const Confreg__V1__Config *config);
struct json_text payload_of_version(const Confreg__V1__Version *version);

#endif
