/* Reads environment variables that configure the program.
 *
 * Kubernetes gives each pod variables for every Service of its namespace. Those of a Service that
 * is named "confreg-gateway" include CONFREG_GATEWAY_PORT=tcp://10.0.0.1:8000, which looks like the
 * variable of an option. No option takes such a value, so it counts as not set. main's thread
 * only. */
#ifndef BASE_VARIABLE_H
#define BASE_VARIABLE_H

/* The value of the variable, borrowed from the environment. NULL if it is not set, empty, or what
 * Kubernetes sets for a Service: "tcp://HOST:PORT", also with udp or sctp; that is logged. */
const char *variable_read(const char *name);

#endif
