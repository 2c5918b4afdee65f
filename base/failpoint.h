/* Failpoints: places where a test can kill the process. FAILPOINT(append_after) marks a place.
 *
 * They exist only with the CMake option CONFREG_FAILPOINTS. Then the environment variable
 * CONFREG_FAILPOINT="append_after:7" kills the process when it reaches that place for the seventh
 * time. Any thread. */
#ifndef BASE_FAILPOINT_H
#define BASE_FAILPOINT_H

#ifdef CONFREG_FAILPOINTS
void failpoint_reach(const char *name);
#define FAILPOINT(name) failpoint_reach(#name)
#else
#define FAILPOINT(name) ((void)0)
#endif

#endif
