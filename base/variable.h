/* Environment variables that set something.
 *
 * Kubernetes gives each pod variables for every Service of its namespace. Those of a Service that
 * is named "confreg-gateway" include CONFREG_GATEWAY_PORT=tcp://10.0.0.1:8000, which looks like the
 * variable of an option. No option takes such a value, so it counts as not set. main's thread
 * only. */
#ifndef BASE_VARIABLE_H
#define BASE_VARIABLE_H

/* The value of the variable, borrowed from the environment. NULL where it is not set, empty, or the
 * link to a Service: "tcp://HOST:PORT", the same with udp or sctp. A link is logged. */
const char *variable_read(const char *name);

#endif
