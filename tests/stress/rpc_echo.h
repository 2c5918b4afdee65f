/* The server of the stress program: it answers in every manner that rpc allows. */
#ifndef STRESS_RPC_ECHO_H
#define STRESS_RPC_ECHO_H

#include <stdint.h>

struct echo;

struct echo *echo_start(void);
int echo_port(const struct echo *echo);
/* Ends with calls and streams open; checks that each was given back exactly once. */
void echo_stop(struct echo *echo);

#endif
