/* The routes of the gateway's HTTP interface. openapi.json documents the same. */
#ifndef GATEWAY_API_H
#define GATEWAY_API_H

#include "routes.h"

/* With all doors open. */
extern const struct routes api_routes;

#endif
