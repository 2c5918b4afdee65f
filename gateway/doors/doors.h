/* The handlers of the doors, and what their kinds of requests are made of (request.h). */
#ifndef GATEWAY_DOORS_H
#define GATEWAY_DOORS_H

#include "request.h"

/* ofrep.c: OpenFeature's remote evaluation protocol (OFREP), version 0.3 without event streams.
 * Paths end in ENVIRONMENT/SERVICE/ofrep/v1/evaluate/flags, and /KEY of one flag. */
void handle_flag(struct request *r);
void handle_flags(struct request *r);
void ofrep_parse(struct request *r, struct invalid *invalid);
void ofrep_describe_error(struct request *r, const char *detail, struct str *members);

/* spring.c: what Spring Cloud Config's client asks its server: paths end in
 * SERVICE/PROFILES, and /LABEL.
 */
void handle_spring(struct request *r);
void spring_parse(struct request *r, struct invalid *invalid);

#endif
