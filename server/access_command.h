/* `confregd access`: makes tokens, and checks and explains access files, without a server. */
#ifndef SERVER_ACCESS_COMMAND_H
#define SERVER_ACCESS_COMMAND_H

/* argv[0] is "access". Returns the exit code of the program. */
int access_command(int argc, char **argv);

#endif
